/**
 * Several places of one file, in order, as one source: where one fails, the next goes on from the
 * byte that is wanted. That it has the same file is seen by the chunks' SHA-256; where a page has
 * none, the file is begun anew. A reader who begins anew has found that what came does not do: the
 * place that went on begins, or where all came of one, the next.
 */

import { BertError } from '../errors.js';

/** @typedef {import('./download.js').Source} Source */

/**
 * @param {Source[]} sources
 * @param {AbortSignal} [signal]
 * @returns {Source}
 */
export function openMirrors(sources, signal) {
    if (sources.length === 1) return sources[0];
    let current = 0;
    /** Where the file was begun. @type {number | undefined} */
    let first;
    /** @type {number | undefined} */
    let expected;
    const next = () => {
        current = (current + 1) % sources.length;
        if (expected !== undefined) sources[current].expect?.(expected);
    };
    return {
        get label() {
            return sources[current].label;
        },
        get n_bytes() {
            return sources[current].n_bytes;
        },
        get identity() {
            return sources[current].identity;
        },
        get recycle() {
            const source = sources[current];
            if (!source.recycle) return undefined;
            return (/** @type {import('./chunks.js').Chunk} */ chunk) => source.recycle?.(chunk);
        },
        release() {
            for (const source of sources) source.release?.();
        },
        expect(n_bytes) {
            expected = n_bytes;
            sources[current].expect?.(n_bytes);
        },
        async *read(from) {
            if (from === 0) {
                expected = undefined;
                if (current === first) next();
                first = current;
            }
            /** Of each that failed since the last byte came. @type {BertError[]} */
            let failures = [];
            for (let at = from; ; next()) {
                try {
                    for await (const chunk of sources[current].read(at)) {
                        if (at === 0) first = current;
                        failures = [];
                        at += chunk.length;
                        yield chunk;
                    }
                    if (at >= (expected ?? 0)) return;
                    failures.push(cutOff(sources[current].label, at));
                } catch (error) {
                    if (signal?.aborted) throw signal.reason;
                    if (!(error instanceof BertError) || error.code !== 'FETCH_FAILED') throw error;
                    failures.push(error);
                }
                if (failures.length === sources.length) throw allOf(failures);
                if (at > 0 && !globalThis.crypto?.subtle) {
                    throw new BertError('FILE_CHANGED', failures[0].message, {
                        cause: failures[0],
                    });
                }
            }
        },
    };
}

/**
 * @param {string} label
 * @param {number} at
 */
function cutOff(label, at) {
    return new BertError('FETCH_FAILED', `${label}: it is cut off after ${at} bytes`);
}

/** @param {BertError[]} failures */
function allOf(failures) {
    return new BertError('FETCH_FAILED', failures.map(({ message }) => message).join('; '), {
        cause: failures[0],
    });
}

/**
 * A run between two steps, as bytes: safetensors, whose metadata says which run it is of (`run`)
 * and where it stands (`state`), and which has what is learned and what AdamW remembers of it, as
 * the core has it:
 *
 *     value.NAME, mean.NAME, square.NAME    of parameters that learn; others are the base's
 *     best.NAME                             of all parameters, at the best epoch of the validation
 *
 * What is drawn is not in it: all of it depends on the seed and on how many steps there were.
 */

import { BertError } from '../errors.js';
import { headerLength, LENGTH_BYTES } from '../loader/header_length.js';
import { safetensors } from './folder.js';

/** @typedef {import('./trainer.js').Learned} Learned */
/** @typedef {import('./trainer.js').Tensors} Tensors */

/** What the metadata calls it. */
const FORMAT = 'bert-wasm-checkpoint-1';

/**
 * @typedef {object} Identity  which run it is
 * @property {Record<string, unknown>} options  that its bits depend on
 * @property {Record<string, string>} prints  of `base`, `examples` and `validation`
 *
 * @typedef {object} State  where it stands
 * @property {import('./run.js').EpochOfAll[]} history  of epochs that have ended
 * @property {{epoch: number, score: number, loss: number} | null} best
 * @property {number} step  how many there were, of all epochs
 * @property {number} epoch_step  how many of the epoch that runs
 * @property {number[]} losses  the sums of those of each task
 * @property {number} seconds  that those took
 *
 * @typedef {object} Checkpoint
 * @property {Identity} identity
 * @property {State} state
 * @property {Learned[]} learned
 * @property {Tensors | null} best
 */

/**
 * @param {Checkpoint} checkpoint
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function writeCheckpoint({ identity, state, learned, best }) {
    /** @type {[string, import('./trainer.js').Tensor][]} */
    const tensors = [];
    for (const { name, ...parts } of learned) {
        for (const [part, values] of Object.entries(parts)) {
            tensors.push([`${part}.${name}`, { shape: [values.length], values }]);
        }
    }
    for (const [name, tensor] of best ?? []) tensors.push([`best.${name}`, tensor]);
    return safetensors(tensors, {
        format: FORMAT,
        run: JSON.stringify(identity),
        state: JSON.stringify(state),
    });
}

/**
 * @param {Uint8Array} bytes
 * @returns {Checkpoint}
 * @throws {BertError} BAD_INPUT where they are none
 */
export function readCheckpoint(bytes) {
    const { header, begin } = headerOf(bytes);
    const { __metadata__: metadata, ...entries } = header;
    if (metadata?.format !== FORMAT) throw noCheckpoint('it is another kind of file');
    /** @type {Map<string, Learned>} */
    const learned = new Map();
    /** @type {Tensors} */
    const best = new Map();
    for (const [key, { shape, data_offsets }] of Object.entries(entries)) {
        const [from, to] = data_offsets.map((/** @type {number} */ at) => begin + at);
        if (to > bytes.length) throw noCheckpoint('its end is missing');
        const values = new Float32Array(Uint8Array.from(bytes.subarray(from, to)).buffer);
        const dot = key.indexOf('.');
        const [part, name] = [key.slice(0, dot), key.slice(dot + 1)];
        if (part === 'best') best.set(name, { shape, values });
        else learned.set(name, /** @type {any} */ ({ ...learned.get(name), name, [part]: values }));
    }
    const state = JSON.parse(metadata.state);
    return {
        identity: JSON.parse(metadata.run),
        state,
        learned: [...learned.values()],
        best: state.best && best,
    };
}

/** @param {Uint8Array} bytes */
function headerOf(bytes) {
    const length = bytes.length < LENGTH_BYTES ? null : headerLength(bytes);
    if (length === null) throw noCheckpoint('it has no header');
    const begin = LENGTH_BYTES + length;
    try {
        const text = new TextDecoder().decode(bytes.subarray(LENGTH_BYTES, begin));
        return { header: JSON.parse(text), begin };
    } catch (cause) {
        throw noCheckpoint('its header is no JSON', cause);
    }
}

/**
 * @param {string} why
 * @param {unknown} [cause]
 */
function noCheckpoint(why, cause) {
    return new BertError('BAD_INPUT', `resume must be what oncheckpoint gave, whole: ${why}`, {
        cause,
    });
}

/**
 * Refuses the checkpoint of another run, and says what differs.
 * @param {Identity} found  of the checkpoint
 * @param {Identity} wanted
 */
export function requireSame(found, wanted) {
    const names = Object.keys({ ...found.options, ...wanted.options });
    for (const name of names) {
        const [its, own] = [found, wanted].map(({ options }) => JSON.stringify(options[name]));
        if (its === own) continue;
        throw new BertError(
            'BAD_OPTION',
            `resume must be a checkpoint of the same options: it has ${name} ${its}, not ${own}`,
        );
    }
    for (const [name, print] of Object.entries(wanted.prints)) {
        if (found.prints[name] === print) continue;
        throw new BertError(
            'BAD_INPUT',
            `resume must be a checkpoint of the same ${name}: it has another one's`,
        );
    }
}

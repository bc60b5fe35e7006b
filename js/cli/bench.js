/** `bert-wasm bench`: how fast a model runs here. */

import { availableParallelism } from 'node:os';

import { BERT_DEFAULT_MAX_TOKENS } from '#core';

import { loadModel } from '../model/model.js';
import { MODEL_OPTIONS, parse } from './options.js';
import { print } from './print.js';

/** Tokens of a text, one measurement each. */
const LENGTHS = [16, 128, 512];

/** Calls before measuring: kernels race again after the second. */
const WARM_UP = 3;

/** @type {import('./options.js').Command} */
export const command = {
    usage: '[OPTION ...]',
    summary:
        'How fast a model runs here: ms of a text alone and texts/s in batches, ' +
        'by tokens and threads.',
    options: {
        ...MODEL_OPTIONS,
        threads: { kind: 'whole', value: 'N', help: 'from 1 to N; default one a core, at most 4' },
        seconds: { kind: 'number', value: 'S', help: 'of each measurement; default 1' },
    },
    example: 'bert-wasm bench --model my.safetensors --threads 2',
    run,
};

/** @param {string[]} args */
async function run(args) {
    const {
        values: {
            model: source,
            variant,
            threads: most = Math.min(4, availableParallelism()),
            seconds = 1,
        },
    } = parse(args, command.options);
    for (let threads = 1; threads <= most; threads++) {
        const model = await loadModel(source, { variant, threads });
        const lengths = [...new Set(LENGTHS.map((n) => Math.min(n, model.config.max_length)))];
        for (const tokens of lengths) {
            const text = sequence(tokens, Number(model.config.encoder.vocab_size));
            const batch = Array.from(
                { length: Math.max(1, Math.floor(BERT_DEFAULT_MAX_TOKENS / tokens)) },
                () => text,
            );
            const alone = await timeOf(() => model.forward([text]), seconds);
            const together = await timeOf(() => model.forward(batch), seconds);
            const { name, threads: at_work, kernel } = await model.info();
            await print({
                model: name,
                variant: variant ?? undefined,
                kernel,
                threads: at_work,
                tokens,
                ms_per_text: round(alone),
                texts_per_second: round((batch.length * 1000) / together),
            });
        }
        model.dispose();
    }
}

/**
 * Ids in mixed order: as in texts, their rows of the word table are far from each other.
 * @param {number} n
 * @param {number} vocab_size
 */
function sequence(n, vocab_size) {
    return { input_ids: Uint32Array.from({ length: n }, (_, i) => (i * 7919 + 1000) % vocab_size) };
}

/**
 * Median of the time that a call takes, in ms.
 * @param {() => Promise<unknown>} call
 * @param {number} seconds
 */
async function timeOf(call, seconds) {
    for (let i = 0; i < WARM_UP; i++) await call();
    const times = [];
    const end = performance.now() + seconds * 1000;
    do {
        const start = performance.now();
        await call();
        times.push(performance.now() - start);
    } while (performance.now() < end);
    return times.sort((a, b) => a - b)[times.length >> 1];
}

/** @param {number} x  to four digits */
function round(x) {
    return Number(x.toPrecision(4));
}

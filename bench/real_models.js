/** Models with real weights, written by real_models.py and kept as those of models.js are. */

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { build, CACHE, python } from './models.js';

const ROOT = join(import.meta.dirname, '..');

/**
 * @typedef {object} RealModel
 * @property {string} name
 * @property {string} directory  of model.onnx, model_quantized.onnx and the tokenizer
 * @property {string} prefix  what its texts begin with
 */

/** The classifier that is bundled, as it was exported. */
export const SENTIMENT = resolve(
    ROOT,
    process.env.MODEL_ONNX ?? '../shared/models/sentiment-minilm-l6',
);

const ENCODERS = [
    { name: 'minilm-l6', prefix: '' },
    { name: 'paraphrase-l3', prefix: '' },
    { name: 'bge-small', prefix: '' },
    { name: 'e5-small', prefix: 'query: ' },
];

/**
 * Sentence encoders; those that cannot be made are left out.
 * @param {(text: string) => void} warn
 * @param {string[]} [names]  the ones that are wanted; default all
 * @returns {RealModel[]}
 */
export function prepareEncoders(warn, names = ENCODERS.map(({ name }) => name)) {
    const script = join(import.meta.dirname, 'real_models.py');
    const wanted = ENCODERS.filter(({ name }) => names.includes(name));
    return wanted.flatMap(({ name, prefix }) => {
        const directory = join(CACHE, 'models', `real-${name}`);
        try {
            build(directory, [script], (unfinished) =>
                execFileSync(python('python', 'requirements.txt'), [script, name, unfinished], {
                    stdio: ['ignore', 'ignore', 'pipe'],
                }),
            );
        } catch (error) {
            warn(`${name} is left out: ${/** @type {Error} */ (error).message}`);
        }
        return existsSync(directory) ? [{ name, directory, prefix }] : [];
    });
}

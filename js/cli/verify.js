/**
 * `bert-wasm verify`: whether a model gives here what the original one does. Exit code 1 if not.
 */

import { loadModel } from '../model/model.js';
import { loadOptions, MODEL_OPTIONS, parse } from './options.js';
import { print } from './print.js';

/** @type {import('./options.js').Command} */
export const command = {
    usage: '[OPTION ...]',
    summary: 'Whether a model gives here the answers of the original one. Exit code 1 if not.',
    options: MODEL_OPTIONS,
    example: 'bert-wasm verify --model my.safetensors',
    run,
};

/** @param {string[]} args */
async function run(args) {
    const { values } = parse(args, MODEL_OPTIONS);
    const model = await loadModel(values.model, loadOptions(values));
    const result = await model.verify();
    await print(result);
    if (!result.ok) process.exitCode = 1;
    model.dispose();
}

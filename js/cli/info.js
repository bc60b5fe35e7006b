/** `bert-wasm info`: what a model is and how it runs here. */

import { loadModel } from '../model/model.js';
import { loadOptions, MODEL_OPTIONS, parse } from './options.js';
import { print } from './print.js';

/** @type {import('./options.js').Command} */
export const command = {
    usage: '[OPTION ...]',
    summary: 'What a model is and how it runs here.',
    options: MODEL_OPTIONS,
    example: 'bert-wasm info --model my.safetensors',
    run,
};

/** @param {string[]} args */
async function run(args) {
    const { values } = parse(args, MODEL_OPTIONS);
    const model = await loadModel(values.model, loadOptions(values));
    await print(await model.info());
    model.dispose();
}

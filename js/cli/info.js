/** `bert-wasm info`: what a model is and how it runs here. */
import { loadModel } from '../model.js';
import { MODEL_OPTIONS, parse, print } from './options.js';

export const usage = 'info [--model M]';

/** @param {string[]} args */
export async function run(args) {
    const { values } = parse(args, MODEL_OPTIONS);
    const model = await loadModel(values.model, { variant: values.variant });
    await print(await model.info());
    model.dispose();
}

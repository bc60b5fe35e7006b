/** `bert-wasm verify`: whether a model gives here what the original one does. Exit code 1 if not. */
import { loadModel } from '../model.js';
import { MODEL_OPTIONS, parse, print } from './options.js';

export const usage = 'verify [--model M]';

/** @param {string[]} args */
export async function run(args) {
    const { values } = parse(args, MODEL_OPTIONS);
    const model = await loadModel(values.model, { variant: values.variant });
    const result = await model.verify();
    await print(result);
    if (!result.ok) process.exitCode = 1;
    model.dispose();
}

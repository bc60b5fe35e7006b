/** `bert-wasm forward`: every raw output of each sequence of token ids. */
import { BertError } from '../errors.js';
import { loadModel } from '../model.js';
import { MODEL_OPTIONS, batches, jsonLines, parse, print, wholeNumber } from './options.js';

export const usage = 'forward --model M --input FILE.jsonl [--batch N] [--hidden-states] [--attentions]';

/** @param {string[]} args */
export async function run(args) {
    const { values } = parse(args, {
        ...MODEL_OPTIONS,
        input: { type: 'string' },
        batch: { type: 'string' },
        'hidden-states': { type: 'boolean' },
        attentions: { type: 'boolean' },
    }, { required: ['model', 'input'] });
    const batch_size = wholeNumber(values.batch, 'batch', 32);
    const model = await loadModel(values.model, { variant: values.variant });
    const options = { hidden_states: values['hidden-states'], attentions: values.attentions, batch_size };
    for await (const batch of batches(jsonLines(values.input), batch_size)) {
        const results = await forward(model, batch, options);
        for (const result of results) {
            await print(Object.fromEntries(Object.entries(result).map(([name, tensor]) => [name, nest(tensor)])));
        }
    }
    model.dispose();
}

/**
 * A batch; where it fails, the line that is to blame is found and named.
 * @param {import('../model.js').Model} model
 * @param {{value: any, where: string}[]} batch
 * @param {import('../model.js').ForwardOptions} options
 */
async function forward(model, batch, options) {
    try {
        return await model.forward(batch.map(({ value }) => value), options);
    } catch (error) {
        if (!(error instanceof BertError)) throw error;
        for (const { value, where } of batch) {
            await model.forward([value], options).catch(({ code, message }) => {
                throw new BertError(code, `${where}: ${message.replace(/^sequence 0: /, '')}`);
            });
        }
        throw error;
    }
}

/**
 * Nested arrays by `dims`.
 * @param {import('../sequences.js').Tensor} tensor
 * @returns {any}
 */
function nest({ dims, data }) {
    if (dims.length === 0) return data[0];
    const [, ...inner] = dims;
    if (inner.length === 0) return Array.from(data);
    const size = inner.reduce((product, n) => product * n, 1);
    return Array.from({ length: dims[0] }, (_, i) => nest({ dims: inner, data: data.subarray(i * size, (i + 1) * size) }));
}

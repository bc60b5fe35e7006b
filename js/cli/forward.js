/** `bert-wasm forward`: every raw output of each sequence of token ids. */

import { BertError, withPlace } from '../errors.js';
import { jsonLines } from '../examples/records.js';
import { loadModel } from '../model/model.js';
import { nest } from '../pipelines/tensor.js';
import { readLines } from './lines.js';
import { loadOptions, MODEL_OPTIONS, parse } from './options.js';
import { print } from './print.js';

/** @type {import('./options.js').Command} */
export const command = {
    usage: '--model M --input FILE.jsonl [OPTION ...]',
    summary: 'Every raw output of each sequence of token ids.',
    options: {
        input: {
            short: 'i',
            value: 'FILE',
            help: 'JSONL: "input_ids", "attention_mask"?, "token_type_ids"?; - for standard input',
        },
        batch: {
            kind: 'whole',
            value: 'N',
            help: 'sequences that are computed together; default 32',
        },
        'hidden-states': { type: 'boolean', help: "also the embeddings' output and every layer's" },
        attentions: { type: 'boolean', help: "also every head's probabilities" },
        ...MODEL_OPTIONS,
    },
    example: 'bert-wasm forward --model my.safetensors --input ids.jsonl --attentions',
    run,
};

/** @param {string[]} args */
async function run(args) {
    const { values } = parse(args, command.options, { required: ['model', 'input'] });
    const { batch: batch_size = 32, hidden_states, attentions } = values;
    const model = await loadModel(values.model, loadOptions(values));
    const options = { hidden_states, attentions, batch_size };
    for await (const batch of batches(jsonLines(readLines(values.input)), batch_size)) {
        const results = await forward(model, batch, options);
        for (const result of results) {
            await print(
                Object.fromEntries(
                    Object.entries(result).map(([name, tensor]) => [
                        name,
                        nest(tensor.data, tensor.dims),
                    ]),
                ),
            );
        }
    }
    model.dispose();
}

/**
 * Arrays of up to `size` items.
 * @template T
 * @param {AsyncIterable<T>} items
 * @param {number} size
 * @returns {AsyncIterable<T[]>}
 */
async function* batches(items, size) {
    /** @type {T[]} */
    let batch = [];
    for await (const item of items) {
        batch.push(item);
        if (batch.length === size) {
            yield batch;
            batch = [];
        }
    }
    if (batch.length) yield batch;
}

/**
 * A batch; an error of one of its sequences names the line.
 * @param {import('../model/model.js').Model} model
 * @param {import('../examples/records.js').InputRecord[]} batch
 * @param {import('../model/model.js').ForwardOptions} options
 */
async function forward(model, batch, options) {
    try {
        return await model.forward(sequencesOf(batch), options);
    } catch (error) {
        if (!(error instanceof BertError) || error.index === undefined) throw error;
        throw withPlace(error, batch[error.index].where);
    }
}

/**
 * The model checks them.
 * @param {{value: any}[]} records
 * @returns {import('../worker/sequences.js').Sequence[]}
 */
function sequencesOf(records) {
    return records.map(({ value }) => value);
}

/** `bert-wasm tokenize`: ids, tokens and offsets of each text. */

import { loadModel } from '../model/model.js';
import { Tokenizer } from '../tokenizer/index.js';
import { bytesOf } from './lines.js';
import { Meter } from './meter.js';
import { loadOptions, MODEL_OPTIONS, parse, UsageError } from './options.js';
import { answers } from './stream.js';
import { INPUT_OPTIONS, inputs, printAnswers, STREAM_OPTIONS } from './task_command.js';
import { checkFields, sizeOf } from './tasks.js';

/** @typedef {import('../worker/tokenizer_calls.js').Encoded} Encoded */

/** Of a record, as the tokenizer's options are called. */
const OPTIONS = ['add_special_tokens', 'truncation'];

/** Of a record; the others are carried through. */
const FIELDS = /** @type {const} */ ({ text: 'text', text_pair: 'text?' });

/** @type {import('./options.js').Command} */
export const command = {
    usage: '(--model M | --tokenizer tokenizer.json) (--input FILE | TEXT ...) [OPTION ...]',
    summary: 'The ids, tokens and offsets of each text.',
    options: {
        tokenizer: { value: 'FILE', help: "tokenizer.json, instead of a model's" },
        ...INPUT_OPTIONS,
        ...STREAM_OPTIONS,
        ...MODEL_OPTIONS,
    },
    example: 'bert-wasm tokenize --tokenizer tokenizer.json --input texts.jsonl',
    notes:
        'Records of JSONL: "text", "text_pair"?, ' +
        `${OPTIONS.map((name) => `"${name}"?`).join(', ')}. Offsets are UTF-16 indices.`,
    run,
};

/** @param {string[]} args */
async function run(args) {
    const { values, positionals } = parse(args, command.options, { positionals: true });
    if (values.input === undefined && positionals.length === 0) {
        throw new UsageError('TEXT or --input is missing');
    }
    if ((values.model === undefined) === (values.tokenizer === undefined)) {
        throw new UsageError('exactly one of --model and --tokenizer is needed');
    }
    const { tokenize, dispose } =
        values.tokenizer === undefined
            ? await fromModel(values.model, values)
            : await fromFile(values.tokenizer);
    const meter = new Meter();
    const pieces = inputs(positionals, values, (text) => ({ text }));
    await printAnswers(
        answers(pieces, {
            check: (value) => checkFields(FIELDS, value),
            size: (value) => sizeOf(FIELDS, value),
            answer: async (records) => {
                const encoded = await tokenize(records);
                for (const { ids } of encoded) meter.other_tokens += ids.length;
                return encoded.map(toLine);
            },
        }),
        {
            fields: Object.fromEntries(
                [...Object.keys(FIELDS), ...OPTIONS].map((key) => [key, true]),
            ),
            values,
            name: 'tokenize',
            meter,
        },
    );
    dispose();
}

/**
 * @param {Record<string, any>} record
 * @returns {import('../tokenizer/index.js').EncodeOptions}
 */
function optionsOf(record) {
    return Object.fromEntries(
        OPTIONS.filter((name) => record[name] !== undefined).map((name) => [name, record[name]]),
    );
}

/**
 * @param {string} source
 * @param {Record<string, any>} values
 */
async function fromModel(source, values) {
    const model = await loadModel(source, loadOptions(values));
    return {
        tokenize: async (/** @type {Record<string, any>[]} */ records) => {
            const encoded = records.map((record) =>
                model.tokenizer.encode(record.text, {
                    ...optionsOf(record),
                    text_pair: record.text_pair ?? undefined,
                }),
            );
            return Promise.all(encoded);
        },
        dispose: () => model.dispose(),
    };
}

/** @param {string} path */
async function fromFile(path) {
    const bytes = await bytesOf(path);
    const tokenizer = Tokenizer.fromJSON(bytes);
    return {
        tokenize: async (/** @type {Record<string, any>[]} */ records) =>
            records.map((record) =>
                tokenizer.encode(record.text, {
                    ...optionsOf(record),
                    text_pair: record.text_pair ?? undefined,
                }),
            ),
        dispose: () => {},
    };
}

/**
 * @param {Pick<Encoded, 'ids' | 'type_ids' | 'tokens' | 'offsets' | 'overflow'>} encoded
 * @returns {Record<string, any>}
 */
function toLine({ ids, type_ids, tokens, offsets, overflow }) {
    const pairs = Array.from({ length: ids.length }, (_, i) => [
        offsets[2 * i],
        offsets[2 * i + 1],
    ]);
    return {
        ids: Array.from(ids),
        type_ids: Array.from(type_ids),
        tokens,
        offsets: pairs,
        ...(overflow?.length ? { overflow: overflow.map(toLine) } : {}),
    };
}

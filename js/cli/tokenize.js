/** `bert-wasm tokenize`: ids, tokens and offsets of each text. */
import { readFile } from 'node:fs/promises';

import { BertError } from '../errors.js';
import { loadModel } from '../model.js';
import { Tokenizer } from '../tokenizer/index.js';
import { MODEL_OPTIONS, UsageError, jsonLines, parse, print } from './options.js';

export const usage = 'tokenize (--model M | --tokenizer tokenizer.json) --input FILE.jsonl';

/** @typedef {import('../encoder.js').Encoded} Encoded */

/** @param {string[]} args */
export async function run(args) {
    const { values } = parse(args, {
        ...MODEL_OPTIONS,
        tokenizer: { type: 'string' },
        input: { type: 'string' },
    }, { required: ['input'] });
    if ((values.model === undefined) === (values.tokenizer === undefined)) {
        throw new UsageError('exactly one of --model and --tokenizer is needed');
    }
    const { tokenize, dispose } = values.tokenizer === undefined
        ? await fromModel(values.model, values.variant)
        : await fromFile(values.tokenizer);
    for await (const { value, where } of jsonLines(values.input)) {
        try {
            await print(toLine(await tokenize(value)));
        } catch (error) {
            if (!(error instanceof BertError)) throw error;
            throw new BertError(error.code, `${where}: ${error.message}`, { cause: error });
        }
    }
    dispose();
}

/**
 * @param {string} source
 * @param {any} variant
 */
async function fromModel(source, variant) {
    const model = await loadModel(source, { variant });
    return {
        tokenize: async (/** @type {any} */ { text, text_pair, ...options }) =>
            (await model.tokenize([{ text, text_pair: text_pair ?? undefined }], options))[0],
        dispose: () => model.dispose(),
    };
}

/** @param {string} path */
async function fromFile(path) {
    const bytes = await readFile(path).catch((error) => {
        throw new BertError('FETCH_FAILED', `${path}: cannot be read (${error.code})`, { cause: error });
    });
    const tokenizer = Tokenizer.fromJSON(bytes);
    return {
        tokenize: async (/** @type {any} */ { text, text_pair, ...options }) =>
            tokenizer.encode(text, { ...options, text_pair: text_pair ?? undefined }),
        dispose: () => {},
    };
}

/**
 * @param {Pick<Encoded, 'ids' | 'type_ids' | 'tokens' | 'offsets' | 'overflow'>} encoded
 * @returns {object}
 */
function toLine({ ids, type_ids, tokens, offsets, overflow }) {
    const pairs = Array.from({ length: ids.length }, (_, i) => [offsets[2 * i], offsets[2 * i + 1]]);
    return {
        ids: Array.from(ids),
        type_ids: Array.from(type_ids),
        tokens,
        offsets: pairs,
        ...(overflow?.length ? { overflow: overflow.map(toLine) } : {}),
    };
}

/**
 * The commands of tasks, which `serve` has too: what a record must have, how records become calls
 * of a pipeline, and how its results become objects to print.
 */

import { BERT_DEFAULT_MAX_TOKENS } from '#core';

import { BertError, describe } from '../errors.js';

/**
 * @typedef {'text' | 'text?' | 'texts' | 'labels?'} FieldKind  `labels?`: an array, or text with
 *   commas
 */

/**
 * @callback TaskAnswerer
 * @param {any} pipe
 * @param {Record<string, any>[]} values
 * @param {Record<string, any>} options
 * @returns {ReturnType<import('./stream.js').Answerer>}
 */

/**
 * @typedef {object} TaskCommand
 * @property {import('../pipelines/tasks.js').Task} task
 * @property {string} summary
 * @property {Record<string, FieldKind>} fields  that it reads of a record; others are carried
 *   through
 * @property {import('./options.js').Options} options  that go to the pipeline
 * @property {import('./options.js').Options} [own]  what records may lack
 * @property {string} [argument]  for the help: what a positional argument is
 * @property {string} example
 * @property {import('../examples/records.js').FromText} fromText  a plain line as a record
 * @property {(args: string[]) => Record<string, any>[]} [fromArguments]  default: each as a line
 * @property {TaskAnswerer} answer
 * @property {string} [labelled]  the usual format of labelled examples; default jsonl
 */

/** @type {import('./options.js').Options} Of every task's pipeline. */
export const PIPELINE_OPTIONS = {
    'batch-tokens': {
        kind: 'whole',
        value: 'N',
        help:
            `most tokens computed together, 1 to ${BERT_DEFAULT_MAX_TOKENS}; ` +
            `default ${BERT_DEFAULT_MAX_TOKENS}`,
    },
};

/** @type {import('./options.js').Options} Of those that take texts of any length. */
const OVERFLOW = {
    overflow: {
        kind: ['truncate', 'error', 'window'],
        value: 'O',
        help:
            'of texts that are too long: truncate (default), error, or window: ' +
            'they are read in windows',
    },
    stride: {
        kind: 'whole',
        value: 'N',
        help: 'tokens that neighbouring windows share; default 0',
    },
};

/** @type {import('./options.js').Options} Of embeddings. */
const PROMPT = {
    'prompt-name': {
        value: 'NAME',
        help: "the model's prompt that is put before each text; default its default prompt",
    },
    prompt: {
        value: 'TEXT',
        help: "what is put before each text, '' for nothing; default that of --prompt-name",
    },
};

const TEXT = /** @type {const} */ ({ text: 'text', text_pair: 'text?' });
const PAIR = /** @type {const} */ ({ text: 'text', text_pair: 'text' });
const asPair = (/** @type {string[]} */ [text, text_pair]) => [{ text, text_pair }];

/** @returns {never} */
function noPair() {
    throw new BertError(
        'BAD_OPTION',
        'a line of text is not a pair: give JSONL, {"text", "text_pair"}, or TSV',
    );
}

const asText = (/** @type {string} */ text) => ({ text });

/** The text of a record, or its pair, as a pipeline takes it. */
const textOf = (/** @type {any} */ { text, text_pair }) =>
    text_pair == null ? text : { text, text_pair };

/** By name of the command. @type {Record<string, TaskCommand>} */
export const TASK_COMMANDS = {
    classify: {
        task: 'text-classification',
        labelled: 'tsv',
        summary: 'The label of each text, or with --top-k its best labels.',
        fields: TEXT,
        options: {
            'top-k': {
                kind: 'whole_or_all',
                value: 'N',
                help: 'labels of each text, best first, or all; default 1',
            },
            'function-to-apply': {
                kind: ['sigmoid', 'softmax', 'none'],
                value: 'F',
                help: 'to the logits: sigmoid, softmax or none; default by the model',
            },
            ...OVERFLOW,
        },
        example: "bert-wasm classify 'What a wonderful film.'",
        fromText: asText,
        async answer(pipe, values, { top_k = 1, ...options }) {
            return each(
                pipe(values.map(textOf), { ...options, top_k, errors: 'return' }),
                (result) => (top_k === 1 ? result : { labels: result }),
            );
        },
    },
    ner: {
        task: 'token-classification',
        labelled: 'conll',
        summary:
            'The entities of each text: names, places, and what else the model was trained ' +
            'to find.',
        fields: { text: 'text' },
        options: {
            'aggregation-strategy': {
                kind: ['none', 'simple', 'first', 'average', 'max'],
                value: 'S',
                help: 'how tokens become entities: none, simple, first, average or max',
            },
            'ignore-labels': {
                kind: 'list',
                value: 'A,B',
                help: 'labels that are not printed; default O',
            },
            ...OVERFLOW,
        },
        example:
            "bert-wasm ner --model ner.safetensors --aggregation-strategy simple 'My name " +
            "is Sarah and I live in London.'",
        fromText: asText,
        answer: (pipe, values, options) =>
            each(pipe(values.map(textOf), { ...options, errors: 'return' }), (entities) => ({
                entities,
            })),
    },
    answer: {
        task: 'question-answering',
        summary: 'The answer to each question, as a part of its context.',
        fields: { question: 'text', context: 'text?' },
        options: {
            'top-k': {
                kind: 'whole',
                value: 'N',
                help: 'answers of each question, best first; default 1',
            },
            'doc-stride': {
                kind: 'whole',
                value: 'N',
                help: 'tokens that the windows of a long context share',
            },
            'max-answer-len': {
                kind: 'whole',
                value: 'N',
                help: 'tokens of an answer; default 15',
            },
            'max-seq-len': { kind: 'whole', value: 'N', help: 'tokens of a window' },
            'max-question-len': { kind: 'whole', value: 'N', help: 'tokens of a question' },
            'handle-impossible-answer': {
                type: 'boolean',
                help: 'allow the answer that there is none',
            },
            'align-to-words': {
                kind: 'flag',
                value: 'B',
                help: 'whether answers begin and end with words: true (default) or false',
            },
        },
        own: { context: { value: 'TEXT', help: 'of records that have none' } },
        argument: 'QUESTION',
        example:
            "bert-wasm answer --model qa.safetensors --context 'Paris is the capital of " +
            "France.' 'What is the capital of France?'",
        fromText: (question) => ({ question }),
        answer: (pipe, values, { context: common, ...options }) =>
            each(
                pipe(
                    values.map(({ question, context }) => ({
                        question,
                        context: context ?? common,
                    })),
                    { ...options, errors: 'return' },
                ),
                (result) => (Array.isArray(result) ? { answers: result } : result),
            ),
    },
    fill: {
        task: 'fill-mask',
        summary:
            'What may stand in the place of each mask ([MASK] or <mask>, as the model calls it).',
        fields: { text: 'text' },
        options: {
            'top-k': {
                kind: 'whole',
                value: 'N',
                help: 'fillings of a mask, best first; default 5',
            },
            targets: { kind: 'list', value: 'A,B', help: 'the only ones to choose from' },
            overflow: {
                kind: ['truncate', 'error'],
                value: 'O',
                help: 'of texts that are too long: truncate (default) or error',
            },
        },
        example: "bert-wasm fill --model mlm.safetensors 'Paris is the [MASK] of France.'",
        fromText: asText,
        answer: (pipe, values, options) =>
            each(pipe(values.map(textOf), { ...options, errors: 'return' }), (predictions) => ({
                predictions,
            })),
    },
    embed: {
        task: 'feature-extraction',
        summary: 'The embedding of each text, or with --pooling none of each token.',
        fields: TEXT,
        options: {
            pooling: {
                kind: ['none', 'mean', 'cls', 'last_token'],
                value: 'P',
                help: 'none, mean, cls or last_token; default that of the model, or none',
            },
            normalize: { type: 'boolean', help: 'to length 1' },
            dimensions: {
                kind: 'whole',
                value: 'N',
                help: 'that are kept, the first ones; default all',
            },
            precision: {
                kind: ['float32', 'int8', 'binary', 'ubinary'],
                value: 'P',
                help: 'of the numbers: float32 (default), int8, binary or ubinary',
            },
            ...PROMPT,
            ...OVERFLOW,
        },
        example:
            "bert-wasm embed --model minilm.safetensors --pooling mean --normalize 'A man " +
            "is eating.'",
        fromText: asText,
        answer: (pipe, values, options) =>
            each(pipe(values.map(textOf), { ...options, errors: 'return' }), (features) => ({
                embedding: features.tolist()[0],
                ...(features.scales
                    ? {
                          [features.dims.length === 2 ? 'scale' : 'scales']:
                              features.dims.length === 2
                                  ? features.scales[0]
                                  : [...features.scales],
                      }
                    : {}),
                ...(features.truncated[0] ? { truncated: true } : {}),
            })),
    },
    rank: {
        task: 'text-ranking',
        summary: 'The documents of each query, best first.',
        fields: { query: 'text', documents: 'texts' },
        options: {
            'top-k': {
                kind: 'whole_or_all',
                value: 'N',
                help: 'documents of each query, best first; default all',
            },
            'return-documents': { type: 'boolean', help: 'their texts too' },
            'function-to-apply': {
                kind: ['sigmoid', 'none'],
                value: 'F',
                help: "to the model's number: sigmoid or none; default by the model, or sigmoid",
            },
            ...OVERFLOW,
        },
        argument: 'QUERY DOCUMENT',
        example:
            "bert-wasm rank --model reranker.safetensors 'How many people live in Berlin?' " +
            "'Berlin has 3.7 million inhabitants.' 'Berlin is green.'",
        fromText() {
            throw new BertError(
                'BAD_OPTION',
                'a line of text is not a query with documents: give JSONL, {"query", "documents"}',
            );
        },
        fromArguments: ([query, ...documents]) => [{ query, documents }],
        answer: (pipe, values, options) =>
            each(
                pipe(
                    values.map(({ query, documents }) => ({ query, documents })),
                    { ...options, errors: 'return' },
                ),
                (ranking) => ({ ranking }),
            ),
    },
    'zero-shot': {
        task: 'zero-shot-classification',
        summary: 'The scores of labels that are given with the texts.',
        fields: { text: 'text', candidate_labels: 'labels?' },
        options: {
            'hypothesis-template': {
                value: 'TEXT',
                help: "sentence of a label, {} in its place; default 'This example is {}.'",
            },
            'multi-label': {
                type: 'boolean',
                help: 'each label for itself: more than one may be right',
            },
            ...OVERFLOW,
        },
        own: {
            'candidate-labels': { kind: 'list', value: 'A,B', help: 'of records that have none' },
        },
        example:
            'bert-wasm zero-shot --model nli.safetensors --candidate-labels sports,politics ' +
            "'The match was lost in the last minute.'",
        fromText: asText,
        async answer(pipe, values, { candidate_labels, ...options }) {
            /** @type {Map<string, {labels: string[], at: number[]}>} */
            const groups = new Map(); // texts of the same labels go together
            values.forEach(({ candidate_labels: own }, i) => {
                const labels =
                    typeof own === 'string'
                        ? own
                              .split(',')
                              .map((label) => label.trim())
                              .filter(Boolean)
                        : (own ?? candidate_labels);
                if (!labels?.length) {
                    throw new BertError('BAD_INPUT', 'candidate_labels are missing');
                }
                const key = JSON.stringify(labels);
                if (!groups.has(key)) groups.set(key, { labels, at: [] });
                groups.get(key)?.at.push(i);
            });
            /** @type {(Record<string, any> | BertError)[]} */
            const answers = new Array(values.length);
            await Promise.all(
                [...groups.values()].map(async ({ labels, at }) => {
                    const results = pipe(
                        at.map((i) => values[i].text),
                        labels,
                        { ...options, errors: 'return' },
                    );
                    (await each(results, ({ sequence, ...result }) => result)).forEach(
                        (result, k) => {
                            answers[at[k]] = result;
                        },
                    );
                }),
            );
            return answers;
        },
    },
    similarity: {
        task: 'feature-extraction',
        labelled: 'tsv',
        summary: 'How near two texts are in meaning: the cosine of their embeddings.',
        fields: PAIR,
        options: {
            pooling: {
                kind: ['mean', 'cls', 'last_token'],
                value: 'P',
                help: 'mean, cls or last_token; default that of the model',
            },
            dimensions: {
                kind: 'whole',
                value: 'N',
                help: 'of the embeddings that count, the first ones; default all',
            },
            ...PROMPT,
            ...OVERFLOW,
        },
        argument: 'TEXT TEXT',
        example:
            "bert-wasm similarity --model minilm.safetensors 'A man is eating.' 'Someone " +
            "has a meal.'",
        fromText: noPair,
        fromArguments: asPair,
        async answer(pipe, values, options) {
            const features = await pipe(
                values.flatMap(({ text, text_pair }) => [text, text_pair]),
                { ...options, normalize: true, errors: 'return' },
            );
            return values.map((_, i) => {
                const pair = features.slice(2 * i, 2 * i + 2);
                const wrong = pair.find((/** @type {any} */ one) => one instanceof BertError);
                if (wrong) return wrong;
                if (pair[0].dims.length !== 2) {
                    throw new BertError(
                        'BAD_OPTION',
                        'the model has no pooling of its own: --pooling mean, ' +
                            'cls or last_token is needed',
                    );
                }
                return {
                    score: dot(pair[0].data, pair[1].data),
                    ...(pair.some((/** @type {any} */ { truncated }) => truncated[0])
                        ? { truncated: true }
                        : {}),
                };
            });
        },
    },
    next: {
        task: 'next-sentence-prediction',
        summary: 'Whether the second text of each pair follows the first.',
        fields: PAIR,
        options: OVERFLOW,
        argument: 'TEXT TEXT',
        example: "bert-wasm next --model bert.safetensors 'He went to the shop.' 'It was closed.'",
        fromText: noPair,
        fromArguments: asPair,
        answer: (pipe, values, options) =>
            each(pipe(values.map(textOf), { ...options, errors: 'return' }), (result) => result),
    },
};

/**
 * @param {Promise<any[]>} results  of a pipeline, with errors in their places
 * @param {(result: any) => Record<string, any>} toResult
 * @returns {ReturnType<import('./stream.js').Answerer>}
 */
async function each(results, toResult) {
    return (await results).map((result) =>
        result instanceof BertError ? result : toResult(result),
    );
}

/**
 * @param {Float32Array} a
 * @param {Float32Array} b
 */
function dot(a, b) {
    return a.reduce((sum, x, i) => sum + x * b[i], 0);
}

/**
 * @param {Record<string, FieldKind>} fields
 * @param {Record<string, any>} value  throws a BertError if it cannot be used
 */
export function checkFields(fields, value) {
    for (const [name, kind] of Object.entries(fields)) {
        const given = Object.hasOwn(value, name) ? value[name] : undefined;
        if (kind.endsWith('?') && given == null) continue;
        if (kind.startsWith('text') && kind !== 'texts' && typeof given === 'string') continue;
        const is_list = Array.isArray(given) && given.every((one) => typeof one === 'string');
        if (kind === 'texts' && is_list) continue;
        if (kind === 'labels?' && (is_list || typeof given === 'string')) continue;
        const expected =
            kind.startsWith('text') && kind !== 'texts' ? 'a string' : 'an array of strings';
        throw new BertError('BAD_INPUT', `${name} must be ${expected}, not ${describe(given)}`);
    }
}

/**
 * Characters of a record that are encoded.
 * @param {Record<string, any>} fields
 * @param {Record<string, any>} value
 */
export function sizeOf(fields, value) {
    const length = (/** @type {unknown} */ one) => (typeof one === 'string' ? one.length : 0);
    return Object.keys(fields).reduce((sum, key) => {
        const given = value[key];
        return (
            sum +
            (Array.isArray(given) ? given.reduce((n, one) => n + length(one), 0) : length(given))
        );
    }, 0);
}

/**
 * What is printed for a record.
 * @param {TaskCommand['fields']} fields  that are not carried through
 * @param {import('./stream.js').Answer} answer
 * @param {boolean} echo  the input too
 * @returns {Record<string, any>}
 */
export function toOutput(fields, { record: { value, plain }, result, error }, echo) {
    const carried =
        echo || plain
            ? value
            : Object.fromEntries(
                  Object.entries(value).filter(([key]) => !Object.hasOwn(fields, key)),
              );
    if (error) return { ...carried, error: { code: error.code, message: error.message } };
    return { ...carried, ...result };
}

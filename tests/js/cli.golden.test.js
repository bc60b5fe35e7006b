/** Every task's command, on small models: what the pipeline answers is what is printed. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { pipeline } from 'bert-wasm';

import { PIPELINE_OPTIONS, TASK_COMMANDS } from '../../js/cli/tasks.js';
import { cli, objects, printed } from './cli_process.js';
import { converted } from './converted.js';

/** What JSON makes of a value. */
const plain = (value) => JSON.parse(JSON.stringify(value));

/**
 * Records, options as arguments and as the pipeline has them, and what of its results is to be
 * printed.
 */
const CASES = {
    classify: {
        model: 'text-classification-bert',
        records: [{ text: 'a good film' }, { text: 'a bad film', text_pair: 'so long' }],
        args: ['--top-k', 'all'],
        want: async (pipe, records) =>
            (await pipe(records, { top_k: null })).map((labels) => ({ labels })),
    },
    ner: {
        model: 'token-classification-bert',
        records: [{ text: 'Sarah lives in London.' }, { text: 'nobody' }],
        args: ['--aggregation-strategy', 'simple'],
        want: async (pipe, records) =>
            (
                await pipe(
                    records.map(({ text }) => text),
                    { aggregation_strategy: 'simple' },
                )
            ).map((entities) => ({ entities })),
    },
    answer: {
        model: 'question-answering-bert',
        records: [{ question: 'Who lives in London?', context: 'Sarah lives in London.' }],
        args: ['--max-answer-len', '3', '--align-to-words', 'false'],
        want: async (pipe, [{ question, context }]) => [
            await pipe(question, context, { max_answer_len: 3, align_to_words: false }),
        ],
    },
    fill: {
        model: 'fill-mask-bert',
        records: [{ text: 'a [MASK] film' }, { text: '[MASK] and [MASK]' }],
        args: ['--top-k', '3'],
        want: async (pipe, records) =>
            (
                await pipe(
                    records.map(({ text }) => text),
                    { top_k: 3 },
                )
            ).map((predictions) => ({ predictions })),
    },
    embed: {
        model: 'feature-extraction-bert',
        records: [{ text: 'a good film' }, { text: 'a bad one' }],
        args: ['--pooling', 'mean', '--normalize'],
        want: async (pipe, records) =>
            (
                await pipe(
                    records.map(({ text }) => text),
                    { pooling: 'mean', normalize: true },
                )
            )
                .tolist()
                .map((embedding) => ({ embedding })),
    },
    rank: {
        model: 'text-ranking-bert',
        records: [{ query: 'films', documents: ['a good film', 'a bad book', 'nothing'] }],
        args: ['--top-k', '2', '--return-documents'],
        want: async (pipe, [{ query, documents }]) => [
            { ranking: await pipe(query, documents, { top_k: 2, return_documents: true }) },
        ],
    },
    'zero-shot': {
        model: 'zero-shot-bert',
        records: [
            { text: 'the match was lost' },
            { text: 'the vote was lost', candidate_labels: ['law', 'art'] },
        ],
        args: ['--candidate-labels', 'sports,politics', '--multi-label'],
        async want(pipe, records) {
            const results = records.map(({ text, candidate_labels = ['sports', 'politics'] }) =>
                pipe(text, candidate_labels, { multi_label: true }),
            );
            return (await Promise.all(results)).map(({ labels, scores, ...more }) => ({
                labels,
                scores,
                ...('truncated' in more ? { truncated: true } : {}),
            }));
        },
    },
    similarity: {
        model: 'feature-extraction-bert',
        records: [
            { text: 'a good film', text_pair: 'a good film' },
            { text: 'a good film', text_pair: 'nothing' },
        ],
        args: ['--pooling', 'cls'],
        async want(pipe, records) {
            const vectors = (
                await pipe(
                    records.flatMap(({ text, text_pair }) => [text, text_pair]),
                    { pooling: 'cls', normalize: true },
                )
            ).tolist();
            return records.map((_, i) => ({
                score: vectors[2 * i].reduce((sum, x, k) => sum + x * vectors[2 * i + 1][k], 0),
            }));
        },
    },
    next: {
        model: 'next-sentence-bert',
        records: [
            { text: 'a good film', text_pair: 'it was long' },
            { text: 'nothing', text_pair: 'a good film' },
        ],
        args: ['--overflow', 'error'],
        want: (pipe, records) => pipe(records),
    },
};

assert.deepEqual(Object.keys(CASES), Object.keys(TASK_COMMANDS));

/**
 * Of pipelines, but not of commands: what only programs need, and another name of --precision
 * binary.
 */
const OTHERS = ['signal', 'onprogress', 'errors', 'quantize'];
/** A pipeline of a task by name. @returns {Promise<any>} */
const open = (task, path) => pipeline(task, path);

/** Of similarity, which is a number of its own. */
const NOT_OF = { similarity: ['normalize', 'precision'] };

for (const [name, { model }] of Object.entries(CASES)) {
    test(`${name}: every option of its pipeline is one of the command`, async () => {
        const pipe = await open(TASK_COMMANDS[name].task, converted(`pipelines/${model}`));
        try {
            const inputs = {
                answer: ['a', 'b'],
                'zero-shot': ['a', ['b']],
                rank: ['a', ['b']],
                next: [{ text: 'a', text_pair: 'b' }],
            }[name] ?? ['a'];
            const { message } = await pipe(...inputs, { there_is_none: 1 }).then(
                () => assert.fail('it was taken'),
                (error) => error,
            );
            const options = String(/it has (.*)$/.exec(message)?.[1])
                .split(', ')
                .filter((option) => ![...OTHERS, ...(NOT_OF[name] ?? [])].includes(option));
            const known = Object.keys({ ...TASK_COMMANDS[name].options, ...PIPELINE_OPTIONS }).map(
                (option) => option.replaceAll('-', '_'),
            );
            assert.deepEqual(known.sort(), options.sort());
        } finally {
            pipe.dispose();
        }
    });
}

for (const [name, { model, records, args, want }] of Object.entries(CASES)) {
    test(name, async (t) => {
        const path = converted(`pipelines/${model}`);
        const pipe = await open(TASK_COMMANDS[name].task, path).catch((error) => {
            if (error.code !== 'BAD_OPTION' || !/there is no task/.test(error.message)) throw error;
        });
        if (!pipe) return t.skip(`NOT TESTED: there is no pipeline ${TASK_COMMANDS[name].task}`);
        try {
            const expected = plain(await want(pipe, records)).map((result, i) => ({
                id: `r${i}`,
                ...result,
            }));
            const input = records
                .map((record, i) => `${JSON.stringify({ id: `r${i}`, ...record })}\n`)
                .join('');
            assert.deepEqual(
                printed([name, '--model', path, ...args, '--input', '-', '--format', 'jsonl'], {
                    input,
                }),
                expected,
            );
            // A bad record among good ones stands alone.
            const { stdout, status } = cli(
                [
                    name,
                    '--model',
                    path,
                    ...args,
                    '--input',
                    '-',
                    '--format',
                    'jsonl',
                    '--skip-errors',
                ],
                { input: `{"id":"x"}\n${input}` },
            );
            assert.equal(status, 0);
            const [bad, ...good] = objects(stdout);
            assert.deepEqual([bad.id, bad.error.code, good], ['x', 'BAD_INPUT', expected]);
        } finally {
            pipe.dispose();
        }
    });
}

/**
 * Measures this project against what users would pick instead, with the same models:
 * onnxruntime-web, transformers.js, and onnxruntime as native code as the distant reference.
 *
 *     make bench               all of it, into bench/: RESULTS.md, results.json, results.svg
 *     make bench-quick         under two minutes, into build/bench/
 *     node bench/run.js [--quick] [--rounds N] [--only REGEXP] [--dist DIR] [--converter FILE]
 *                       [--out DIR]
 *
 * Every runtime has a process or a page of its own, and only one computes at a time. Those that are
 * compared take turns in each round, so that other load on the machine falls on all of them alike.
 */

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

import { measureAccuracy } from './accuracy.js';
import { chromiumHost } from './chromium.js';
import { measureFiles } from './files.js';
import { prepareBertBase, prepareMiniLm, readSentences, sentencesPath } from './models.js';
import { nodeHost } from './node.js';
import { describeMachine, writeReport } from './report.js';

const ROOT = join(import.meta.dirname, '..');
const TEXT = 'What a wonderful film, I laughed all the way through.';
const SLICE = 100; // ms of a sample: short calls are repeated, the median of them counts
const SETTLE = 20; // ms between samples: threads of the one before stop spinning

/**
 * @typedef {object} Row  one job of one instance
 * @property {'node' | 'chromium'} environment
 * @property {string} runtime
 * @property {string} model
 * @property {'f32' | 'q8'} dtype
 * @property {number} threads
 * @property {string} job
 * @property {number[]} ms  by round
 *
 * @typedef {object} Instance
 * @property {'node' | 'chromium'} environment
 * @property {string} runtime
 * @property {import('./models.js').Model} model
 * @property {'f32' | 'q8'} dtype
 * @property {number} threads
 * @property {import('./instance.js').Job[]} jobs
 */

const { values: options } = parseArgs({
    options: {
        quick: { type: 'boolean', default: false },
        rounds: { type: 'string' },
        only: { type: 'string', default: '' },
        dist: { type: 'string', default: join(ROOT, 'build/dist') },
        converter: { type: 'string', default: join(ROOT, 'build/native/bert-convert') },
        out: { type: 'string' },
    },
});
const dist = resolve(options.dist);
const converter = resolve(options.converter);
const out = resolve(
    options.out ?? (options.quick ? join(ROOT, 'build/bench') : import.meta.dirname),
);
const n_rounds = Number(options.rounds ?? (options.quick ? 3 : 9));
const wanted = new RegExp(options.only);

const started = performance.now();
/** @type {string[]} */
const left_out = [];

/** @param {string} text */
function say(text) {
    console.error(
        `bench: ${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s  ${text}`,
    );
}

/** @param {string} text */
function leaveOut(text) {
    left_out.push(text);
    say(`LEFT OUT: ${text}`);
}

// --- what is measured
// ------------------------------------------------------------------------------

/**
 * Every runtime with one sequence of 16, 128 and 512 tokens.
 * @param {'node' | 'chromium'} environment
 * @param {import('./models.js').Model} model
 * @param {'f32' | 'q8'} dtype
 * @returns {{name: string, instances: Instance[]}}
 */
function forwardGroup(environment, model, dtype) {
    const jobs = [16, 128, 512].map((length) => ({
        name: `${length} tokens`,
        // [CLS] words [SEP], as a tokenizer gives them; what words does not matter.
        ids: Array.from({ length }, (_, i) =>
            i === 0 ? 101 : i === length - 1 ? 102 : 1996 + ((i * 37) % 20000),
        ),
    }));
    const runtimes = [
        'bert_wasm',
        'onnxruntime_web',
        ...(environment === 'node' ? ['onnxruntime_node'] : []),
    ];
    // The quick run keeps what the table of ratios needs.
    const threads = (/** @type {string} */ runtime) =>
        options.quick && runtime !== 'bert_wasm' ? [1] : [1, 2];
    return {
        name: `${model.name} ${dtype} in ${environment}`,
        instances: runtimes.flatMap((runtime) =>
            threads(runtime).map((threads) => ({
                environment,
                runtime,
                model,
                dtype,
                threads,
                jobs,
            })),
        ),
    };
}

/**
 * 64 texts of mixed length, one thread: pipelines with texts, the others with token ids. Each at
 * several batch sizes; sorted by length means that batches have little padding.
 * @param {import('./models.js').Model} model
 * @param {string[]} texts
 * @param {number[][]} ids
 * @param {boolean} has_browser
 * @returns {{name: string, instances: Instance[]}}
 */
function textsGroup(model, texts, ids, has_browser) {
    const sorted = ids.toSorted((a, b) => a.length - b.length);
    const chunks = (/** @type {number[][]} */ list, /** @type {number} */ size) =>
        Array.from({ length: Math.ceil(list.length / size) }, (_, i) =>
            list.slice(i * size, (i + 1) * size),
        );
    const tokens = [
        { name: '64 texts, one at a time', batches: chunks(ids, 1) },
        { name: '64 texts, sorted, batches of 8', batches: chunks(sorted, 8) },
        { name: '64 texts, one batch', batches: chunks(ids, 64) },
    ];
    const pipelines = [
        { name: '64 texts, one at a time', texts, batch_size: 1 },
        { name: '64 texts, one batch', texts, batch_size: 64 },
    ];
    const ours = [{ name: '64 texts', texts }];
    /**
     * @param {'node' | 'chromium'} environment
     * @param {string} runtime
     * @param {import('./instance.js').Job[]} jobs
     * @returns {Instance}
     */
    const instance = (environment, runtime, jobs) => ({
        environment,
        runtime,
        model,
        dtype: 'q8',
        threads: 1,
        jobs,
    });
    return {
        name: '64 texts',
        instances: [
            instance('node', 'bert_wasm', ours),
            instance('node', 'onnxruntime_node', options.quick ? tokens.slice(1, 2) : tokens),
            ...(options.quick
                ? []
                : [
                      instance('node', 'onnxruntime_web', tokens),
                      instance('node', 'transformers', pipelines),
                  ]),
            ...(has_browser
                ? [
                      instance('chromium', 'bert_wasm', ours),
                      instance('chromium', 'transformers', pipelines),
                  ]
                : []),
        ],
    };
}

// --- measuring
// -------------------------------------------------------------------------------------

/**
 * @param {{name: string, instances: Instance[]}} group
 * @param {Record<string, {start: (setting: any) => Promise<import('./node.js').Handle>}>} hosts
 * @returns {Promise<Row[]>}
 */
async function measureGroup({ name, instances }, hosts) {
    say(name);
    const running = [];
    for (const { jobs, ...setting } of instances) {
        const { environment, runtime, model, dtype, threads } = setting;
        let handle;
        try {
            handle = await hosts[environment].start(setting);
            const answers = await handle.prepare(jobs);
            const rows = jobs.map((job, i) => ({
                environment,
                runtime,
                model: model.name,
                dtype,
                threads,
                job: job.name,
                ms: /** @type {number[]} */ ([]),
                answer: answers[i],
            }));
            running.push({ handle, rows });
        } catch (error) {
            await handle?.close();
            leaveOut(
                `${runtime}, ${name}, ${threads} thread${threads === 1 ? '' : 's'}: ` +
                    `${/** @type {Error} */ (error).message}`,
            );
        }
    }
    const n_jobs = Math.max(0, ...running.map(({ rows }) => rows.length));
    try {
        for (let round = 0; round < n_rounds; round++) {
            // Nobody always follows the same one.
            const turns = [
                ...running.slice(round % running.length),
                ...running.slice(0, round % running.length),
            ];
            for (let job = 0; job < n_jobs; job++) {
                for (const { handle, rows } of turns) {
                    if (!rows[job]) continue;
                    await pause(SETTLE);
                    rows[job].ms.push(await handle.measure(job, SLICE));
                }
            }
        }
    } catch (error) {
        leaveOut(`${name}: ${/** @type {Error} */ (error).message}`);
        return [];
    } finally {
        for (const { handle } of running) await handle.close();
    }
    const rows = running.flatMap(({ rows }) => rows);
    compareAnswers(name, rows);
    return rows.map(({ answer, ...row }) => row);
}

/**
 * Those that are compared must compute the same: f32 to the third digit, texts to the label.
 * @param {string} name
 * @param {(Row & {answer: number[]})[]} rows
 */
function compareAnswers(name, rows) {
    for (const { runtime, job, dtype, answer } of rows) {
        const reference = rows.find(
            (row) => row.answer.length === answer.length && (row.job === job || answer.length > 2),
        );
        if (!reference) continue;
        const differs =
            answer.length > 2
                ? answer.filter((score, i) => score > 0.5 !== reference.answer[i] > 0.5).length >
                  answer.length / 16
                : dtype === 'f32' &&
                  answer.some((value, i) => !(Math.abs(value - reference.answer[i]) < 1e-2));
        if (differs) {
            leaveOut(
                `NOT COMPARABLE: ${name}, ${job}: the answers of ${runtime} and ` +
                    `${reference.runtime} differ`,
            );
        }
    }
}

/**
 * @param {Awaited<ReturnType<typeof chromiumHost>>} browser
 * @param {number[]} ids
 */
async function measureColdStarts(browser, ids) {
    say('cold starts');
    /** @type {{runtime: string, page: string, parameters: Record<string, string>}[]} */
    const pages = [
        { runtime: 'bert_wasm', page: 'bert_wasm', parameters: {} },
        {
            runtime: 'bert_wasm_q4',
            page: 'bert_wasm',
            parameters: { model: `/converted/${basename(minilm.converted.q4)}` },
        },
        { runtime: 'onnxruntime_web', page: 'onnxruntime_web', parameters: {} },
        { runtime: 'transformers', page: 'transformers', parameters: {} },
    ];
    const results = pages.map(({ runtime, ...rest }) => ({
        ...rest,
        runtime,
        ms: /** @type {number[]} */ ([]),
        files: /** @type {ReturnType<typeof measureFiles>} */ ([]),
    }));
    for (let round = -1; round < Math.min(n_rounds, 9); round++) {
        // one to warm the disk's cache
        for (const result of [...results]) {
            try {
                const { ms, files } = await browser.coldStart(result.page, {
                    ...result.parameters,
                    text: TEXT,
                    ids: ids.join(),
                });
                if (round === -1) result.files = measureFiles(files);
                else result.ms.push(ms);
            } catch (error) {
                leaveOut(`${result.runtime}, cold start: ${/** @type {Error} */ (error).message}`);
                results.splice(results.indexOf(result), 1);
            }
        }
    }
    return results.map(({ runtime, ms, files }) => ({ runtime, ms, files }));
}

/**
 * Resident memory of fresh processes after load and first answer.
 * @param {ReturnType<typeof nodeHost>} host
 * @param {import('./models.js').Model} model
 * @param {number[]} ids
 */
async function measureMemory(host, model, ids) {
    say('memory');
    const results = [
        'nothing',
        'bert_wasm',
        'onnxruntime_web',
        'onnxruntime_node',
        'transformers',
    ].map((runtime) => ({
        runtime,
        rss: /** @type {number[]} */ ([]),
        peak: /** @type {number[]} */ ([]),
    }));
    for (let round = 0; round < 3; round++) {
        for (const { runtime, rss, peak } of results) {
            const handle = await host.start(
                runtime === 'nothing' ? undefined : { runtime, model, dtype: 'q8', threads: 1 },
            );
            if (runtime !== 'nothing') {
                await handle.prepare(
                    [
                        {
                            name: 'first',
                            ...(runtime === 'transformers' ? { texts: [TEXT] } : { ids }),
                        },
                    ],
                    0,
                );
            }
            const memory = await /** @type {NonNullable<typeof handle.memory>} */ (handle.memory)();
            rss.push(memory.rss);
            peak.push(memory.peak);
            await handle.close();
        }
    }
    return results;
}

/** The kernels' share of the machine's peak: micro.js prints it. */
function runMicroBenchmark() {
    const script = join(import.meta.dirname, 'micro.js');
    if (!existsSync(script)) return undefined;
    say('kernels');
    const { status, stdout } = spawnSync(
        process.execPath,
        [script, '--dist', dist, ...(options.quick ? ['--quick'] : [])],
        {
            encoding: 'utf8',
            stdio: ['ignore', 'pipe', 'inherit'],
        },
    );
    if (status !== 0) leaveOut(`the kernels: bench/micro.js ended with ${status}`);
    process.stdout.write(stdout);
    return stdout;
}

/** Size and accuracy of every dtype; [] in a quick run. */
async function runAccuracy() {
    if (options.quick) return [];
    say('accuracy');
    try {
        return await measureAccuracy({ dist, converter });
    } catch (error) {
        leaveOut(`accuracy: ${/** @type {Error} */ (error).message}`);
        return [];
    }
}

// --- all of it
// -------------------------------------------------------------------------------------

if (Number(process.versions.node.split('.')[0]) < 22) {
    console.error(`bench: Node >= 22 is needed, this is ${process.version}: use make bench`);
    process.exit(2);
}

const micro = wanted.test('kernels') ? runMicroBenchmark() : undefined;
const minilm = prepareMiniLm({ dist, converter, warn: leaveOut });
const models = [minilm];
if (options.quick) {
    leaveOut('BERT-base, f32 in Chromium and what only make bench measures: this is the quick run');
} else {
    try {
        models.push(prepareBertBase({ converter }));
    } catch (error) {
        const { message, stderr } = /** @type {Error & {stderr?: Buffer}} */ (error);
        leaveOut(
            'BERT-base, which Python 3 with venv and pip writes: ' +
                `${stderr?.toString().trim().slice(-500) || message}`,
        );
    }
}

const node = nodeHost({ dist });
const browser = await chromiumHost({ dist, models }).catch((error) =>
    leaveOut(`Chromium: ${error.message}`),
);
const hosts = { node, ...(browser && { chromium: browser }) };
try {
    const sentences = readSentences(64);
    if (!sentences.length) leaveOut(`64 texts: there is no ${sentencesPath} (SENTENCES)`);
    const ids = await tokenize([TEXT, ...sentences]);

    const groups = models.flatMap((model) => [
        forwardGroup('node', model, 'f32'),
        forwardGroup('node', model, 'q8'),
        ...(browser && !options.quick ? [forwardGroup('chromium', model, 'f32')] : []),
        ...(browser ? [forwardGroup('chromium', model, 'q8')] : []),
    ]);
    if (sentences.length) {
        groups.push(textsGroup(minilm, sentences, ids.slice(1), Boolean(browser)));
    }

    const rows = [];
    for (const group of groups.filter(({ name }) => wanted.test(name))) {
        rows.push(...(await measureGroup(group, hosts)));
    }
    const cold_starts =
        browser && wanted.test('cold start') ? await measureColdStarts(browser, ids[0]) : [];
    const memory = wanted.test('memory') ? await measureMemory(node, minilm, ids[0]) : [];

    const accuracy = wanted.test('accuracy') ? await runAccuracy() : [];

    const machine = describeMachine({ chromium: browser?.version });
    const arguments_ = [
        options.rounds && `--rounds ${options.rounds}`,
        options.only && `--only '${options.only}'`,
    ].filter(Boolean);
    const command = arguments_.length
        ? ['node bench/run.js', ...(options.quick ? ['--quick'] : []), ...arguments_].join(' ')
        : `make bench${options.quick ? '-quick' : ''}`;
    say(`done: ${relative(process.cwd(), out) || '.'}`);
    writeReport(out, {
        command,
        machine,
        n_rounds,
        n_tokens: ids.slice(1).flat().length,
        rows,
        cold_starts,
        memory,
        engines: measureFiles(dist, /\.wasm$/),
        micro,
        accuracy,
        left_out,
        seconds: Math.round((performance.now() - started) / 1000),
    });
} finally {
    await browser?.close();
}

/**
 * @param {string[]} texts
 * @returns {Promise<number[][]>}
 */
async function tokenize(texts) {
    const { loadModel } = await import(pathToFileURL(join(dist, 'index.node.js')).href);
    const model = await loadModel(minilm.converted.q8);
    const encoded = await model.tokenizer.encodeBatch(texts);
    model.dispose();
    return encoded.map((/** @type {{ids: Uint32Array}} */ { ids }) => [...ids]);
}

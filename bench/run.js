/**
 * Measures this project against what users would pick instead, with the same models:
 * LiteRT.js, onnxruntime-web, transformers.js, and onnxruntime as native code as the distant
 * reference.
 *
 *     make bench               all of it, into bench/: RESULTS.md, results.json, results.svg
 *     make bench-quick         under two minutes, into build/bench/
 *     make bench-litert        LiteRT.js alone, some minutes, into build/bench/
 *     node bench/run.js [--quick] [--rounds N] [--only REGEXP] [--dist DIR] [--converter FILE]
 *                       [--out DIR]
 *
 * Every runtime has a process or a page of its own, and only one computes at a time. Those that are
 * compared take turns in each round, so that other load on the machine falls on all of them alike.
 */

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

import { measureAccuracy } from './accuracy.js';
import { chromiumHost } from './chromium.js';
import { measureFidelity } from './fidelity.js';
import { measureFiles } from './files.js';
import {
    prepareAllMiniLm,
    prepareBertBase,
    prepareMiniLm,
    readSentences,
    sentencesPath,
} from './models.js';
import { nodeHost } from './node.js';
import { describeMachine, writeReport } from './report.js';
import { BESIDE } from './words.js';

const ROOT = join(import.meta.dirname, '..');
const TEXT = 'What a wonderful film, I laughed all the way through.';
const SLICE = 100; // ms of a sample: short calls are repeated, the median of them counts
const SETTLE = 20; // ms between samples: threads of the one before stop spinning
/** It ends with whom it was started by, whatever happens. */
const BUSY = 'const { ppid } = process; while (process.ppid === ppid);';
const N_TEXTS = 64;
const N_FIDELITY = 100; // sentences
const DTYPES = /** @type {const} */ (['f32', 'q8']);

/**
 * @typedef {object} Row  one job of one instance
 * @property {'node' | 'chromium'} environment
 * @property {string} runtime
 * @property {string} model
 * @property {'f32' | 'q8' | 'q7'} dtype
 * @property {number} threads
 * @property {string} job
 * @property {number[]} ms  by round
 * @property {number[]} cpu_ms  see Sample
 * @property {number[]} waited_ms
 *
 * @typedef {object} Group  those that are compared
 * @property {string} name
 * @property {Instance[]} instances
 * @property {boolean} [is_busy]  another process computes all the time, on any processor
 *
 * @typedef {object} Instance
 * @property {'node' | 'chromium'} environment
 * @property {string} runtime
 * @property {import('./models.js').Model} model
 * @property {'f32' | 'q8' | 'q7'} dtype
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

/** One sequence of each length. */
const LENGTHS = [16, 128, 512].map((length) => ({
    name: `${length} tokens`,
    // [CLS] words [SEP], as a tokenizer gives them; what words does not matter.
    ids: Array.from({ length }, (_, i) =>
        i === 0 ? 101 : i === length - 1 ? 102 : 1996 + ((i * 37) % 20000),
    ),
}));

/** @param {'node' | 'chromium'} environment @param {string} name @param {'f32' | 'q8'} dtype */
const forwardName = (environment, name, dtype) => `${name} ${dtype} in ${environment}`;

/**
 * Every runtime with one sequence of each length.
 * @param {'node' | 'chromium'} environment
 * @param {import('./models.js').Model} model
 * @param {'f32' | 'q8'} dtype
 * @returns {Group}
 */
function forwardGroup(environment, model, dtype) {
    const runtimes = [
        'bert_wasm',
        'onnxruntime_web',
        ...(environment === 'node' ? ['onnxruntime_node'] : []),
    ];
    // The quick run keeps what the table of ratios needs.
    const threads = (/** @type {string} */ runtime) =>
        options.quick && runtime !== 'bert_wasm' ? [1] : [1, 2];
    return {
        name: forwardName(environment, model.name, dtype),
        instances: runtimes.flatMap((runtime) =>
            threads(runtime).map((threads) => ({
                environment,
                runtime,
                model,
                dtype,
                threads,
                jobs: LENGTHS,
            })),
        ),
    };
}

/**
 * Both sides get token ids and give the last hidden state. LiteRT.js has its exact shapes for one
 * sequence, and pads the texts to the next of 16, 32, 64 and 128 tokens, one at a time. Beside our
 * q8 there is q7, which machines with AVX2 and no VNNI multiply faster.
 * @param {import('./models.js').Model} model
 * @param {'f32' | 'q8'} dtype
 * @param {number[][]} ids  of the texts
 * @param {boolean} is_busy
 * @returns {Group}
 */
function litertGroup(model, dtype, ids, is_busy) {
    const beside = is_busy ? BESIDE : '';
    const theirs = [
        ...LENGTHS,
        ...(ids.length
            ? [{ name: '64 texts, one at a time', batches: ids.map((each) => [each]) }]
            : []),
    ].map((job) => ({ ...job, name: `${job.name}${beside}`, is_mean: true }));
    const ours = ids.length
        ? [...theirs, { name: `64 texts${beside}`, batches: [ids], is_mean: true }]
        : theirs;
    return {
        name: `LiteRT ${dtype}${beside}`,
        is_busy,
        instances: (is_busy ? [2] : [1, 2]).flatMap((threads) =>
            [
                { runtime: 'bert_wasm', dtype, jobs: ours },
                ...(dtype === 'q8' && !is_busy && threads === 1
                    ? [{ runtime: 'bert_wasm', dtype: /** @type {const} */ ('q7'), jobs: ours }]
                    : []),
                { runtime: 'litert', dtype, jobs: theirs },
            ].map((side) => ({
                environment: /** @type {const} */ ('chromium'),
                model,
                threads,
                ...side,
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
 * @returns {Group}
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
 * @param {Group} group
 * @param {Record<string, {start: (setting: any) => Promise<import('./node.js').Handle>}>} hosts
 * @returns {Promise<Row[]>}
 */
async function measureGroup({ name, instances, is_busy }, hosts) {
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
                cpu_ms: /** @type {number[]} */ ([]),
                waited_ms: /** @type {number[]} */ ([]),
                answer: answers[i],
                is_texts: Boolean(job.texts),
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
    const busy = is_busy ? spawn(process.execPath, ['-e', BUSY]) : undefined;
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
                    const { ms, cpu_ms, waited_ms } = await handle.measure(job, SLICE);
                    rows[job].ms.push(rounded(ms));
                    rows[job].cpu_ms.push(rounded(cpu_ms));
                    rows[job].waited_ms.push(rounded(waited_ms));
                }
            }
        }
    } catch (error) {
        leaveOut(`${name}: ${/** @type {Error} */ (error).message}`);
        return [];
    } finally {
        busy?.kill();
        for (const { handle } of running) await handle.close();
    }
    const rows = running.flatMap(({ rows }) => rows);
    compareAnswers(name, rows);
    return rows.map(({ answer, is_texts, ...row }) => row);
}

/** To a microsecond. @param {number} ms */
function rounded(ms) {
    return Number(ms.toFixed(3));
}

/**
 * Those that are compared must compute the same: f32 to the third digit, texts to the label.
 * @param {string} name
 * @param {(Row & {answer: number[], is_texts: boolean})[]} rows
 */
function compareAnswers(name, rows) {
    for (const { runtime, job, dtype, answer, is_texts } of rows) {
        const reference = rows.find(
            (row) => row.answer.length === answer.length && (row.job === job || is_texts),
        );
        if (!reference) continue;
        const differs = is_texts
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
 * @typedef {object} ColdStart
 * @property {string} runtime
 * @property {string} model
 * @property {string} dtype
 * @property {string} page  of pages/
 * @property {Record<string, string>} [parameters]
 */

/** Of a text to its label. @returns {ColdStart[]} */
function labelStarts() {
    const common = { model: minilm.name, dtype: 'q8' };
    return [
        { ...common, runtime: 'bert_wasm', page: 'bert_wasm' },
        {
            ...common,
            runtime: 'bert_wasm_q4',
            dtype: 'q4',
            page: 'bert_wasm',
            parameters: { model: `/converted/${basename(minilm.converted.q4)}` },
        },
        { ...common, runtime: 'onnxruntime_web', page: 'onnxruntime_web' },
        { ...common, runtime: 'transformers', page: 'transformers' },
    ];
}

/**
 * Of a text to its embedding.
 * @param {import('./models.js').Model} model
 * @returns {ColdStart[]}
 */
function embeddingStarts(model) {
    return ['f32', 'q8'].flatMap((dtype) =>
        [
            ['bert_wasm', 'bert_wasm_embedding', `/converted/${basename(model.converted[dtype])}`],
            ['litert', 'litert', `/models/${model.name}/one-${dtype}.tflite`],
        ].map(([runtime, page, address]) => ({
            runtime,
            model: model.name,
            dtype,
            page,
            parameters: { model: address },
        })),
    );
}

/**
 * @param {Awaited<ReturnType<typeof chromiumHost>>} browser
 * @param {ColdStart[]} starts
 * @param {number[]} ids
 */
async function measureColdStarts(browser, starts, ids) {
    say(`cold starts, ${starts[0].model}`);
    const results = starts.map((start) => ({
        ...start,
        ms: /** @type {number[]} */ ([]),
        cpu_ms: /** @type {number[]} */ ([]),
        files: /** @type {ReturnType<typeof measureFiles>} */ ([]),
    }));
    for (let round = -1; round < Math.min(n_rounds, 9); round++) {
        // one to warm the disk's cache
        for (const result of [...results]) {
            try {
                const { ms, cpu_ms, files } = await browser.coldStart(result.page, {
                    ...result.parameters,
                    text: TEXT,
                    ids: ids.join(),
                });
                if (round === -1) {
                    result.files = measureFiles(files);
                } else {
                    result.ms.push(rounded(ms));
                    result.cpu_ms.push(rounded(cpu_ms));
                }
            } catch (error) {
                leaveOut(`${result.runtime}, cold start: ${/** @type {Error} */ (error).message}`);
                results.splice(results.indexOf(result), 1);
            }
        }
    }
    return results.map(({ page, parameters, ...result }) => result);
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

/**
 * What a page with one text downloads.
 * @param {import('./models.js').Model} model
 */
function modelFiles({ directory, converted }) {
    return DTYPES.flatMap((dtype) => [
        { runtime: 'bert_wasm', dtype, bytes: statSync(converted[dtype]).size },
        {
            runtime: 'litert',
            dtype,
            bytes: statSync(join(directory, `one-${dtype}.tflite`)).size,
        },
    ]);
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
// What --only names is measured in a quick run, too.
const is_quick = options.quick && !options.only;
if (is_quick) {
    leaveOut(
        'BERT-base, LiteRT.js, f32 in Chromium and what only make bench measures: ' +
            'this is the quick run',
    );
}
const ENVIRONMENTS = /** @type {const} */ (['node', 'chromium']);
const wants_bert_base = ENVIRONMENTS.some((environment) =>
    DTYPES.some((dtype) => wanted.test(forwardName(environment, 'bert-base', dtype))),
);
const bert_base =
    wants_bert_base && !is_quick
        ? prepared('BERT-base', () => prepareBertBase({ converter }))
        : undefined;
const wants_litert = ['f32', 'q8', `f32${BESIDE}`, `q8${BESIDE}`, 'cold start', 'fidelity'].some(
    (part) => wanted.test(`LiteRT ${part}`),
);
const all_minilm =
    wants_litert && !is_quick
        ? prepared('LiteRT.js', () => prepareAllMiniLm({ converter }))
        : undefined;

/**
 * @param {string} what
 * @param {() => import('./models.js').Model} prepare
 */
function prepared(what, prepare) {
    try {
        return prepare();
    } catch (error) {
        const { message, stderr } = /** @type {Error & {stderr?: Buffer}} */ (error);
        leaveOut(
            `${what}, whose model Python 3 with venv and pip writes: ` +
                `${stderr?.toString().trim().slice(-500) || message}`,
        );
        return undefined;
    }
}

const node = nodeHost({ dist });
const every_model = [minilm, bert_base, all_minilm].filter((model) => model !== undefined);
const browser = await chromiumHost({ dist, models: every_model }).catch((error) =>
    leaveOut(`Chromium: ${error.message}`),
);
const hosts = { node, ...(browser && { chromium: browser }) };
try {
    const sentences = readSentences(N_FIDELITY);
    if (!sentences.length) {
        leaveOut(`64 texts, fidelity: there is no ${sentencesPath} (SENTENCES)`);
    }
    const [text_ids, ...sentence_ids] = await tokenize([TEXT, ...sentences]);
    const ids = sentence_ids.slice(0, N_TEXTS);

    const groups = [minilm, ...(bert_base ? [bert_base] : [])].flatMap((model) => [
        forwardGroup('node', model, 'f32'),
        forwardGroup('node', model, 'q8'),
        ...(browser && !options.quick ? [forwardGroup('chromium', model, 'f32')] : []),
        ...(browser ? [forwardGroup('chromium', model, 'q8')] : []),
    ]);
    if (sentences.length) {
        groups.push(textsGroup(minilm, sentences.slice(0, N_TEXTS), ids, Boolean(browser)));
    }
    if (browser && all_minilm) {
        for (const is_busy of [false, true]) {
            groups.push(...DTYPES.map((dtype) => litertGroup(all_minilm, dtype, ids, is_busy)));
        }
    }

    const rows = [];
    for (const group of groups.filter(({ name }) => wanted.test(name))) {
        rows.push(...(await measureGroup(group, hosts)));
    }
    const cold_starts = [];
    for (const [name, starts] of /** @type {[string, ColdStart[]][]} */ ([
        ['cold start', labelStarts()],
        ['LiteRT cold start', all_minilm ? embeddingStarts(all_minilm) : []],
    ])) {
        if (!browser || !starts.length || !wanted.test(name)) continue;
        cold_starts.push(...(await measureColdStarts(browser, starts, text_ids)));
    }
    const fidelity =
        browser && all_minilm && sentences.length && wanted.test('LiteRT fidelity')
            ? await measureFidelity(browser, all_minilm, sentence_ids)
            : [];
    const memory = wanted.test('memory') ? await measureMemory(node, minilm, text_ids) : [];

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
        n_tokens: ids.flat().length,
        rows,
        cold_starts,
        fidelity,
        model_files: all_minilm ? modelFiles(all_minilm) : [],
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

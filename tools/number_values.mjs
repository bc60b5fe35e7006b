/**
 * What documents say of sizes, times and accuracy: each number and table by its name, from
 * bench/results.json, which `make bench` writes, bench/sizes.json, which `make sizes` does, and
 * bench/measured.json, which has what other commands print. See numbers.mjs, which puts them into
 * the documents.
 */

import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { median } from '../bench/statistics.js';
import { BESIDE } from '../bench/words.js';

const ROOT = join(import.meta.dirname, '..');
const read = (/** @type {string} */ path) => JSON.parse(readFileSync(join(ROOT, path), 'utf8'));

const results = read('bench/results.json');
const measured = read('bench/measured.json');
const sizes = read('bench/sizes.json');
const MODEL_BYTES = statSync(join(ROOT, 'web-demo/models/sentiment-minilm-l6-q8.safetensors')).size;

const LENGTHS = ['16 tokens', '128 tokens', '512 tokens'];
const MODELS = ['MiniLM-L6', 'BERT-base'];

// --- what was measured ---------------------------------------------------------------------------

/**
 * A comparison of bench/RESULTS.md: theirs over ours.
 * @param {string} what  "Chromium, MiniLM-L6 q8, 128 tokens, 1 thread"
 * @param {string} against  "onnxruntime-web, int8"
 * @returns {{ours: string, theirs: string, ratio: {median: number}, cpu_ratio?: {median: number}}}
 */
function comparison(what, against) {
    const found = results.comparisons.find(
        (/** @type {any} */ each) => each.what === what && each.against === against,
    );
    if (!found) throw new Error(`bench/results.json does not compare: ${what}; ${against}`);
    return found;
}

/** @param {string} what @param {string} against */
const ratio = (what, against) => comparison(what, against).ratio.median.toFixed(2);

/** Bytes after gzip of a file of the package. @param {string} name */
function gzipBytes(name) {
    const bytes = sizes.gzip['bert-wasm'][`build/dist/${name}`];
    if (bytes === undefined) throw new Error(`bench/sizes.json has no ${name}`);
    return bytes;
}

/** 10^9 operations a second. @param {string} kernel  as bench/micro.js prints it */
function rate(kernel) {
    const line = results.micro
        .split('\n')
        .find((/** @type {string} */ each) => each.startsWith(`${kernel}  `));
    if (!line) throw new Error(`bench/results.json has no kernel '${kernel}'`);
    return Number(line.slice(kernel.length).trim().split(/\s+/)[0]);
}

/** @param {string} runtime */
const memory = (runtime) =>
    median(results.memory.find((/** @type {any} */ each) => each.runtime === runtime).rss);

// --- as text -------------------------------------------------------------------------------------

const kB = (/** @type {number} */ bytes) => `${(bytes / 1e3).toFixed(bytes < 1e5 ? 1 : 0)} kB`;
const MB = (/** @type {number} */ bytes) => `${(bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0)} MB`;
const ms = (/** @type {number} */ value) => `${value.toFixed(value < 100 ? 1 : 0)} ms`;
const percent = (/** @type {number} */ share) => `${(100 * share).toFixed(0)} %`;
const whole = (/** @type {number} */ value) => value.toLocaleString('en');
const range = (/** @type {number[]} */ [from, to]) => `${from} to ${to}`;

/**
 * @param {string[]} head
 * @param {(string | number)[][]} lines
 */
function table(head, lines) {
    for (const cells of lines) {
        if (cells.length !== head.length || cells.includes(/** @type {any} */ (undefined))) {
            throw new Error(`a row of the table '${head.join(', ')}' lacks a cell: ${cells}`);
        }
    }
    return [head, head.map(() => '---'), ...lines]
        .map((cells) => `| ${cells.join(' | ')} |`)
        .join('\n');
}

// --- arithmetic of the models that were measured -------------------------------------------------

/** Weights of the layers of a BERT. */
const layerWeights = (/** @type {number} */ n, /** @type {number} */ H, /** @type {number} */ I) =>
    n * (4 * H * H + 2 * H * I);
const MINILM_WEIGHTS = layerWeights(6, 384, 1536);

const NAVIGATION = 'navigation to first result';
const LITERT = 'LiteRT.js, int8';
const { profile, lines, tokenizers, families, loading, sentiment } = measured;

/** @type {Record<string, string>} */
export const NUMBERS = {
    'model-size': MB(MODEL_BYTES),
    'model-bytes': whole(MODEL_BYTES),
    'tokenizer-size': kB(gzipBytes('tokenizer.js') + gzipBytes('tokenizer-core.js')),
    'metrics-size': kB(gzipBytes('metrics.js')),
    'explain-size': kB(gzipBytes('explain.js')),
    'single-size': kB(sizes.gzip['bert-wasm-single']['index.js']),
    'attention-maps-size': MB(12 * 12 * 512 * 512 * 4),

    'f32-tile-share': percent(rate('f32 tile') / rate('multiply-add')),
    'i8-tile-share': percent(rate('8-bit product, relaxed-dot-i32') / rate('relaxed dot, 32 bits')),
    'f32-warm': rate('f32, 16 rows').toFixed(0),
    'f32-cold': rate('f32, 16 rows, weights from memory').toFixed(0),
    'minilm-weights-size': MB(4 * MINILM_WEIGHTS),
    'bert-base-weights-size': MB(4 * layerWeights(12, 768, 3072)),
    'start-total': range(profile.start_ms.total),
    'unicode-size': `${profile.page_kb.unicode} kB`,
    'reader-size': `${profile.page_kb.reader} kB`,

    // Long files.
    'lines-memory': range(lines.resident_mb),
    'lines-small-count': whole(lines.small_heap.lines),
    'lines-small-memory': String(lines.small_heap.most_mb),

    // Accuracy.
    'sentiment-right': `${sentiment.right} %`,
    'sentiment-sst2': `${sentiment.sst2} %`,
    'sentiment-calibration': `${sentiment.calibration_error} %`,
    'cosine-q4': accuracy('q4').cosine.toFixed(3),
    'cosine-q4-calibrated': accuracy('q4, calibrated').cosine.toFixed(3),
    'exports-error': exponential(measured.exports.largest_error_f32),
    'published-error': exponential(measured.published_models.largest_error_f32),
    'convert-memory': `${families.convert_gb_of_the_largest} GB`,
    'run-memory': `${(families.rows.at(-1).engine_mb / 1e3).toFixed(1)} GB`,

    // Training in a page.
    'train-page-time': `${measured.train_page.seconds} s`,
    'train-page-task': ms(measured.train_page.longest_task_ms),
    'train-page-clock': ms(measured.train_page.longest_task_clock_ms),
    'train-page-memory': MB(measured.train_page.memory_bytes),
    'train-page-peak': MB(measured.train_page.peak_bytes),

    // Spark.
    'spark-memory': `${measured.spark.engine_mb} MB`,
    'spark-start': `${measured.spark.engine_start_s} s`,
    'spark-job': `${measured.spark.spark_s} s`,

    // Training.
    'few-shot-seeds': String(measured.few_shot.seeds),
    'pretrain-steps': String(measured.pretrain.steps),
    'pretrain-difference': exponential(measured.pretrain.largest_difference),

    // Tokenizers.
    'loading-first': `${loading.visits_ms.first} ms`,
    'loading-second': `${loading.visits_ms.second} ms`,
    'loading-offline': `${loading.visits_ms.offline} ms`,
    'loading-file': `${loading.memory_mb.file} MB`,
    'loading-engine': `${loading.memory_mb.engine} MB`,
    'loading-most': `${loading.memory_mb.most} MB`,
    'tokenizers-rounds': String(tokenizers.rounds),
    'large-pieces': whole(tokenizers.large.pieces),
    'large-load': `${tokenizers.large.load_ms} ms`,
    'large-first-load': `${tokenizers.large.first_load_ms} ms`,
    'large-memory': `${tokenizers.large.kept_mb} MB`,
};

/** @param {string} name */
function accuracy(name) {
    return measured.accuracy.rows.find((/** @type {any} */ each) => each.name === name);
}

/** 5.1e-7 as that. @param {number} value */
function exponential(value) {
    return value.toExponential(1).replace('.0e', 'e');
}

// --- tables --------------------------------------------------------------------------------------

/** README's: beside the strongest peer, beside the usual one, and where we are slower. */
function headline() {
    const embedding = 'Chromium, all-MiniLM-L6 q8';
    const short = 'Chromium, MiniLM-L6 q8, 128 tokens, 1 thread';
    const native = 'Node, MiniLM-L6 q8, 128 tokens, 1 thread';
    const line = (
        /** @type {string} */ name,
        /** @type {string} */ what,
        /** @type {string} */ against,
    ) => {
        const { ours, theirs } = comparison(what, against);
        return [name, ours, `${theirs}, ${against.split(',')[0]}`, ratio(what, against)];
    };
    return table(
        ['MiniLM-L6, 8 bits, one thread', 'bert-wasm', 'peer', 'ratio'],
        [
            line('a text of 128 tokens, Chromium', `${embedding}, 128 tokens, 1 thread`, LITERT),
            line('64 texts of mixed length, Chromium', `${embedding}, 64 texts, 1 thread`, LITERT),
            line('from navigation to the first answer', `${embedding}, ${NAVIGATION}`, LITERT),
            line('a text of 128 tokens, Chromium', short, 'onnxruntime-web, int8'),
            line('a text of 128 tokens, Node', native, 'onnxruntime-node (native), int8'),
        ],
    );
}

/** Of docs/performance.md. */
function comparisons() {
    const web = 'onnxruntime-web, int8';
    const native = 'onnxruntime-node (native), int8';
    const batches = `${native}, sorted, batches of 8`;
    const one_text = 'transformers.js, int8, one at a time';
    const one_batch = 'transformers.js, int8, one batch';
    const texts = 'MiniLM-L6 q8, 64 texts, 1 thread';
    const [start, start_q4] = ['q8', 'q4'].map(
        (each) => `Chromium, MiniLM-L6 ${each}, ${NAVIGATION}`,
    );
    const memory_after = 'Node, MiniLM-L6 q8, process memory after the first answer';
    const code = 'Chromium, code that a page loads, gzip';

    const each = (/** @type {[string, string][]} */ ...pairs) =>
        pairs.map(([what, against]) => ratio(what, against)).join(' / ');
    /** Three lengths, for both models. */
    const lengths = (
        /** @type {string} */ dtype,
        /** @type {string} */ threads,
        /** @type {string} */ against,
    ) => [
        `${dtype}, 16 / 128 / 512 tokens, ${threads}, Chromium`,
        against,
        ...MODELS.map((model) =>
            LENGTHS.map((length) =>
                ratio(`Chromium, ${model} ${dtype}, ${length}, ${threads}`, against),
            ).join(' / '),
        ),
    ];
    return table(
        ['work', 'against', ...MODELS],
        [
            lengths('q8', '1 thread', web),
            lengths('q8', '2 threads', web),
            lengths('f32', '1 thread', 'onnxruntime-web, f32'),
            lengths('q8', '2 threads', 'itself on 1 thread'),
            [
                'q8, 64 texts of mixed length, Chromium',
                'transformers.js, int8, one at a time / one batch',
                each([`Chromium, ${texts}`, one_text], [`Chromium, ${texts}`, one_batch]),
                '',
            ],
            [
                'from navigation to the first result, Chromium, q8 / q4',
                web,
                each([start, web], [start_q4, web]),
                '',
            ],
            [
                'the same',
                'transformers.js, int8',
                each([start, 'transformers.js, int8'], [start_q4, 'transformers.js, int8']),
                '',
            ],
            [
                'code that a page loads, after gzip',
                'onnxruntime-web / transformers.js',
                each([code, 'onnxruntime-web'], [code, 'transformers.js']),
                '',
            ],
            [
                'memory of the Node process after the first answer, q8',
                `${web} / ${native}`,
                each([memory_after, web], [memory_after, native]),
                '',
            ],
            ['q8, 64 texts of mixed length, Node', batches, each([`Node, ${texts}`, batches]), ''],
            [
                'q8 / f32, 128 tokens, 1 thread, Node',
                'onnxruntime-node (native), int8 / f32',
                ...MODELS.map((model) =>
                    each(
                        [`Node, ${model} q8, 128 tokens, 1 thread`, native],
                        [
                            `Node, ${model} f32, 128 tokens, 1 thread`,
                            'onnxruntime-node (native), f32',
                        ],
                    ),
                ),
            ],
        ],
    );
}

/** Of docs/performance.md: beside LiteRT.js, wall clock and processor time. */
function litert() {
    const each = (/** @type {string} */ dtype, /** @type {string[]} */ works) => {
        const found = works.map((work) =>
            comparison(
                `Chromium, all-MiniLM-L6 ${dtype}, ${work}`,
                dtype === 'q8' ? LITERT : 'LiteRT.js, f32',
            ),
        );
        const join = (/** @type {({median: number} | undefined)[]} */ ratios) =>
            ratios.map((ratio) => ratio?.median.toFixed(2)).join(' / ');
        const is_timed = found.every(({ cpu_ratio }) => cpu_ratio);
        return [
            join(found.map(({ ratio }) => ratio)),
            is_timed ? join(found.map(({ cpu_ratio }) => cpu_ratio)) : '',
        ];
    };
    const lines = ['1 thread', '2 threads', `${BESIDE.trim()}, 2 threads`].flatMap((how) => {
        const name = how.split(', ').reverse().join(' ');
        const job = (/** @type {string} */ work) =>
            how.includes(',') ? `${work} ${how}` : `${work}, ${how}`;
        return ['q8', 'f32'].flatMap((dtype) => [
            [`${dtype}, 16 / 128 / 512 tokens, ${name}`, ...each(dtype, LENGTHS.map(job))],
            [
                `${dtype}, 64 texts, one at a time / in one call, ${name}`,
                ...each(dtype, ['64 texts, one at a time', '64 texts'].map(job)),
            ],
        ]);
    });
    return table(
        ['work', 'wall clock', 'processor time'],
        [
            ...lines,
            [`from ${NAVIGATION}, q8`, ...each('q8', [NAVIGATION])],
            [`from ${NAVIGATION}, f32`, ...each('f32', [NAVIGATION])],
        ],
    );
}

/** How far each one's 8 bits are from its own f32. */
function fidelity() {
    const line = (/** @type {string} */ name, /** @type {string} */ runtime) => {
        const { mean, least } = results.fidelity.find(
            (/** @type {any} */ each) => each.runtime === runtime && each.dtype === 'q8',
        );
        return [name, mean.toFixed(4), least.toFixed(3)];
    };
    return table(
        ['all-MiniLM-L6, 100 sentences', 'cosine to f32, mean', 'least'],
        [line('bert-wasm, q8', 'bert_wasm'), line(LITERT, 'litert')],
    );
}

/** 79.9 +- 2.3 % of accuracies, or one F1 a seed. @param {any} result */
function quality({ accuracy, deviation, f1 }) {
    const of = (/** @type {number} */ share) => (100 * share).toFixed(1);
    return f1 ? `${f1.map(of).join(', ')} %` : `${of(accuracy)} ± ${of(deviation)} %`;
}

/**
 * Of docs/training.md: what is learned here and in Python from the same weights. Data sets that
 * nobody has measured have no row.
 */
function training() {
    const { few_shot, train_tasks } = measured;
    const line = (
        /** @type {string} */ what,
        /** @type {any} */ ours,
        /** @type {any} */ theirs,
        /** @type {string} */ peer,
    ) => [
        what,
        quality(ours),
        `${quality(theirs)}, ${peer}`,
        `${ours.processor_s} s / ${theirs.processor_s} s`,
    ];
    return table(
        ['learned', 'bert-wasm', 'Python', 'processor time'],
        [
            ...few_shot.rows.map((/** @type {any} */ { data, labels, ours, setfit }) =>
                line(
                    `\`${data}\`, ${few_shot.shots} texts of each of ${labels} labels: accuracy`,
                    ours,
                    setfit,
                    'SetFit',
                ),
            ),
            ...(train_tasks?.rows ?? []).map((/** @type {any} */ { data, steps, ours, trainer }) =>
                line(`\`${data}\`, ${steps} steps: F1`, ours, trainer, "transformers' Trainer"),
            ),
        ],
    );
}

/** Of docs/training.md: the time of a step. */
function trainStep() {
    const percents = (/** @type {number[]} */ all) =>
        all.map((share) => `${(100 * share).toFixed(1)} %`).join(', ');
    return table(
        [
            'threads',
            'who',
            'a step',
            'of all processors',
            'sentences a second',
            'ratio: clock / processors',
            'accuracy, dev',
        ],
        measured.train_sst2.rows.map((/** @type {any} */ row) => [
            row.threads,
            row.who === 'ours' ? 'bert-wasm' : row.who.replace('torch', 'PyTorch'),
            ms(row.step_ms),
            ms(row.processor_ms),
            row.sentences_per_second,
            row.who === 'ours'
                ? `${percent(row.share_of_peak)} of the peak of f32`
                : `${row.ratio.toFixed(2)} / ${row.processor_ratio.toFixed(2)}`,
            percents(row.accuracy),
        ]),
    );
}

/** Of docs/training.md: the loss of a pre-training, here and in PyTorch. */
function pretraining() {
    const { curve_steps, ours, torch, validation } = measured.pretrain;
    const last = (/** @type {number} */ i) =>
        Math.min((i + 1) * curve_steps, measured.pretrain.steps);
    return table(
        ['mean loss of steps', 'bert-wasm', 'PyTorch'],
        [
            ...ours.map((/** @type {number} */ loss, /** @type {number} */ i) => [
                `${i * curve_steps + 1} to ${last(i)}`,
                loss.toFixed(3),
                torch[i].toFixed(3),
            ]),
            [
                `what is set aside, ${validation.before.toFixed(3)} before`,
                validation.ours.toFixed(3),
                validation.torch.toFixed(3),
            ],
        ],
    );
}

/** Of docs/training.md: the likeliest words of its models. */
function masked() {
    return table(
        ['text', 'bert-wasm', 'PyTorch'],
        measured.pretrain.rows.map((/** @type {any} */ { text, ours, torch }) => [
            text,
            ours.map((/** @type {string} */ word) => `\`${word}\``).join(' '),
            torch.map((/** @type {string} */ word) => `\`${word}\``).join(' '),
        ]),
    );
}

/** @type {Record<string, () => string>} */
export const TABLES = {
    headline,
    training,
    'train-step': trainStep,
    pretraining,
    masked,
    litert,
    fidelity,
    comparisons,
    machine() {
        const { cpu, extensions, n_cpus, date, versions } = results.machine;
        const software = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
        return table(
            ['', ''],
            [
                ['command', `\`${results.command}\`, ${results.n_rounds} rounds, ${date}`],
                ['machine', `${cpu} (${extensions.join(', ')}), ${n_cpus} processors`],
                ['software', software.join(', ')],
            ],
        );
    },
    profile() {
        const shares = Object.entries(profile.share).map(([what, values]) => [
            what,
            .../** @type {(number | null)[]} */ (values).map((share) =>
                share === null ? '' : percent(share),
            ),
        ]);
        return table(
            ['', ...profile.jobs],
            [
                [
                    'whole call',
                    ...profile.call_ms.map((/** @type {number} */ value) => `${value} ms`),
                ],
                ...shares,
            ],
        );
    },
    bounds() {
        const line = (
            /** @type {string} */ name,
            /** @type {number} */ operations,
            /** @type {string} */ peak,
            /** @type {[string, string]} */ compared,
        ) => {
            const { ours, theirs } = comparison(...compared);
            const least = operations / rate(peak) / 1e6;
            const work = `${(operations / 1e9).toFixed(1)} G`;
            const speed = `${rate(peak).toFixed(0)} G`;
            const peer = `${theirs}, ${compared[1].split(',')[0]}`;
            return [name, ours, peer, ms(least), `${work} at ${speed} a second`];
        };
        // The products of attention are part of the work, where they matter.
        const attention = 6 * 2 * 2 * 128 * 128 * 384;
        const f32 = 'Node, MiniLM-L6 f32, 128 tokens, 1 thread';
        const texts = 'Node, MiniLM-L6 q8, 64 texts, 1 thread';
        return table(
            [
                'MiniLM-L6, Node, 1 thread',
                'bert-wasm',
                'peer',
                'at least, with 128 bits',
                'operations',
            ],
            [
                line('f32, 128 tokens', 2 * MINILM_WEIGHTS * 128 + attention, 'multiply-add', [
                    f32,
                    'onnxruntime-web, f32',
                ]),
                line(
                    'q8, 64 texts',
                    2 * MINILM_WEIGHTS * results.n_tokens,
                    'relaxed dot, 32 bits',
                    [texts, 'onnxruntime-node (native), int8, sorted, batches of 8'],
                ),
            ],
        );
    },
    start() {
        const { script, transfer, worker_alone, after } = profile.start_ms;
        return table(
            ['part of the start', 'ms'],
            [
                ["until the page's script runs", script],
                ["the model through Chromium's network process", range(transfer)],
                ['(as much into a worker that does nothing else)', `(${range(worker_alone)})`],
                ["after the last byte: the kernels' race, opening, the first text", after],
            ],
        );
    },
    memory() {
        const { weights, binary, worker, tokenizer } = profile.memory_mb;
        const process = memory('bert_wasm') / 1e6;
        const empty = memory('nothing') / 1e6;
        const rest = process - empty - weights - binary - worker - tokenizer;
        return table(
            ['part of the process', 'MB'],
            [
                ['an empty Node process', empty.toFixed(0)],
                ['weights', weights],
                [
                    "pages of Node's own binary that WebAssembly's compilers bring in",
                    `about ${binary}`,
                ],
                ["the worker's JavaScript engine", worker],
                ['what reading the tokenizer leaves', tokenizer],
                ['buffers and compiled code: the rest', rest.toFixed(0)],
                ['**all of it**', `**${process.toFixed(0)}**`],
            ],
        );
    },
    lines() {
        const { texts_per_second, transformers } = lines;
        const peer = 'transformers.js, native onnxruntime, int8, 1 thread';
        const n_peer = whole(transformers.lines);
        return table(
            ['what', 'lines', 'texts a second'],
            [
                ['bert-wasm classify, q8, 1 thread', whole(lines.lines), texts_per_second[1]],
                ['bert-wasm classify, q8, 2 threads', whole(lines.lines), texts_per_second[2]],
                [`${peer}, one at a time`, n_peer, transformers.one_at_a_time],
                [`${peer}, batches of 32`, n_peer, transformers.batches_of_32],
            ],
        );
    },
    spark() {
        return table(
            ['', 'texts/s per core'],
            measured.spark.rows.map((/** @type {any} */ row) => [row.what, row.texts_per_second]),
        );
    },
    sizes() {
        const files = [
            'index.js',
            'worker.js',
            'tokenizer-core.js',
            'in-thread.js',
            'metrics.js',
            'explain.js',
            'diagnose.js',
            ...results.engines.map((/** @type {{name: string}} */ { name }) => name),
        ];
        const use = {
            'index.js': 'every page',
            'worker.js': 'every page, in the worker',
            'tokenizer-core.js': '`bert-wasm/tokenizer`, by itself; and `in-thread.js`',
            'in-thread.js': 'where there are no workers',
            'metrics.js': '`bert-wasm/metrics`, by itself',
            'explain.js': '`bert-wasm/explain`, by itself',
            'diagnose.js': '`bert-wasm/diagnose`, by itself',
            'search.wasm': 'the first `semanticSearch()` or `similarity()`',
        };
        return table(
            ['file', 'after gzip', 'loaded by'],
            files.map((name) => [
                `\`${name}\``,
                kB(gzipBytes(name)),
                /** @type {Record<string, string>} */ (use)[name] ?? 'one of the four',
            ]),
        );
    },
    packages() {
        const what = {
            'bert-wasm': 'the library for pages and Node, the command line',
            'bert-wasm-sentiment': 'the English sentiment model',
            'bert-wasm-single': 'the library for pages in one file',
        };
        return table(
            ['package', 'to download', ''],
            Object.entries(what).map(([name, text]) => {
                const bytes = sizes.packed[name];
                return [`\`${name}\``, bytes < 1e6 ? kB(bytes) : MB(bytes), text];
            }),
        );
    },
    accuracy() {
        /** @type {Record<string, any[]>} */
        const rows = {}; // by dtype: as it is, and calibrated
        for (const row of measured.accuracy.rows) (rows[row.name.split(',')[0]] ??= []).push(row);
        const both = (/** @type {any[]} */ of, /** @type {(each: any) => string} */ text) =>
            of.map(text).join(' / ');
        return table(
            ['dtype', 'file', 'SST-2 dev, %', "answers unlike f32's, of 872", 'cosine to f32'],
            Object.entries(rows).map(([dtype, of]) => [
                of.length > 1 ? `${dtype} / calibrated` : dtype,
                MB(of[0].bytes),
                both(of, ({ right }) => right.toFixed(2)),
                dtype === 'f32' ? '' : both(of, ({ others }) => String(others)),
                dtype === 'f32' ? '' : both(of, ({ cosine }) => cosine.toFixed(4)),
            ]),
        );
    },
    encoders() {
        const { rows } = measured.encoders;
        /** @param {string} model @param {string} runtime @param {string} dtype */
        const find = (model, runtime, dtype) =>
            rows.find(
                (/** @type {any} */ row) =>
                    row.model === model && row.runtime === runtime && row.dtype === dtype,
            );
        // LiteRT is left out where its packages are missing.
        const cosines = (/** @type {any} */ row) =>
            row ? `${row.cosine.toFixed(4)} / ${row.least_cosine.toFixed(4)}` : '';
        const models = [...new Set(rows.map((/** @type {any} */ row) => row.model))];
        return table(
            [
                'model',
                'q8',
                'q7',
                'q4',
                'onnxruntime, int8',
                'LiteRT, int8',
                'STS-B: f32 / q8 / onnxruntime / LiteRT',
            ],
            models.map((model) => {
                const others = [
                    find(model, 'bert-wasm', 'f32'),
                    find(model, 'bert-wasm', 'q8'),
                    find(model, 'onnxruntime', 'int8'),
                    find(model, 'LiteRT', 'int8'),
                ];
                return [
                    model,
                    ...['q8', 'q7', 'q4'].map((dtype) => cosines(find(model, 'bert-wasm', dtype))),
                    cosines(find(model, 'onnxruntime', 'int8')),
                    cosines(find(model, 'LiteRT', 'int8')),
                    others.map((row) => row?.spearman.toFixed(1) ?? '').join(' / '),
                ];
            }),
        );
    },
    families() {
        return table(
            [
                'model',
                'parameters',
                'f32',
                'q8',
                'largest error of f32',
                '128 tokens, q8',
                'memory: engine / process',
            ],
            families.rows.map((/** @type {any} */ row) => [
                row.model,
                `${row.parameters_millions} M`,
                `${whole(row.f32_mb)} MB`,
                `${whole(row.q8_mb)} MB`,
                row.error_f32.toExponential(1),
                `${row.ms_128_tokens_q8} ms`,
                `${whole(row.engine_mb)} MB / ${whole(row.process_mb)} MB`,
            ]),
        );
    },
    'sentiment-domains': () =>
        table(
            ['domain', 'sentences', 'right'],
            sentiment.by_domain.map((/** @type {any} */ { domain, n, right }) => [
                domain,
                n,
                `${right.toFixed(0)} %`,
            ]),
        ),

    'sentiment-confusion': () =>
        table(
            ['is', 'called negative', 'neutral', 'positive'],
            ['negative', 'neutral', 'positive'].map((name, i) => [name, ...sentiment.confusion[i]]),
        ),

    'sentiment-swaps': () =>
        table(
            ['what is swapped', 'answers', 'other than the most frequent', 'widest tone'],
            Object.entries(sentiment.swaps).map(([what, { sentences, others, widest }]) => [
                what,
                sentences,
                others,
                widest,
            ]),
        ),

    loading() {
        const { unthrottled, slow } = loading;
        return table(
            [
                'to the first answer',
                'unthrottled',
                'of the floor',
                'after the last byte',
                '20 Mbit/s',
                'of the floor',
                'after the last byte',
            ],
            unthrottled.rows.map((/** @type {any} */ row, /** @type {number} */ i) => [
                row.what,
                ...[unthrottled, slow].flatMap(({ rows }) => [
                    `${rows[i].first_answer_ms} ms`,
                    (rows[i].first_answer_ms / rows[0].first_answer_ms).toFixed(2),
                    `${rows[i].after_last_byte_ms} ms`,
                ]),
            ]),
        );
    },

    tokenizers() {
        const two = (/** @type {{english: number, cjk: number}} */ { english, cjk }) =>
            `${english.toFixed(1)} / ${cjk.toFixed(1)}`;
        return table(
            [
                'tokenizer',
                '@huggingface/tokenizers (npm): English / CJK',
                'native `tokenizers` 0.23, one thread: English / CJK',
            ],
            tokenizers.rows.map((/** @type {any} */ row) => [
                row.tokenizer,
                two(row.npm),
                two(row.native),
            ]),
        );
    },
};

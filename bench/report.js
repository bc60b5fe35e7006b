/** What was measured, as results.json, as tables (printed, and in RESULTS.md) and as a picture. */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';

import { accuracyTable } from './accuracy.js';
import { drawBars } from './chart.js';
import { median, ratio } from './statistics.js';

/** @typedef {import('./run.js').Row} Row */

const NAMES = {
    bert_wasm: 'bert-wasm',
    bert_wasm_q4: 'bert-wasm, q4',
    onnxruntime_web: 'onnxruntime-web',
    onnxruntime_node: 'onnxruntime-node (native)',
    transformers: 'transformers.js',
    nothing: 'an empty process',
};
const PLACES = { node: 'Node', chromium: 'Chromium' };
const MODELS = { minilm: 'MiniLM-L6', 'bert-base': 'BERT-base' };

/** @typedef {{name: string, bytes: number, gzip: number}} Size  of a file */

/**
 * @typedef {object} Results
 * @property {string} command
 * @property {ReturnType<typeof describeMachine>} machine
 * @property {number} n_rounds
 * @property {number} n_tokens  of the 64 texts
 * @property {number} seconds
 * @property {Row[]} rows
 * @property {{runtime: string, ms: number[], files: Size[]}[]} cold_starts
 * @property {{runtime: string, rss: number[], peak: number[]}[]} memory
 * @property {Size[]} engines
 * @property {string | undefined} micro  what micro.js printed
 * @property {import('./accuracy.js').Accuracy[]} accuracy
 * @property {string[]} left_out
 *
 * @typedef {object} Comparison
 * @property {string} what
 * @property {string} against
 * @property {string} ours
 * @property {string} theirs
 * @property {{median: number, low: number, high: number}} ratio  theirs / ours: above 1, ours is
 *   better
 */

/**
 * @param {{chromium?: string}} versions
 */
export function describeMachine({ chromium }) {
    const version = (/** @type {string} */ path) =>
        JSON.parse(readFileSync(join(import.meta.dirname, path), 'utf8')).version;
    const processors = cpus();
    return {
        cpu: processors[0].model.trim(),
        extensions: cpuExtensions(),
        n_cpus: processors.length,
        memory_gib: Math.round(totalmem() / 2 ** 30),
        date: new Date().toISOString().slice(0, 10),
        versions: {
            'bert-wasm': version('../package.json'),
            Node: process.versions.node,
            ...(chromium && { Chromium: chromium }),
            'onnxruntime-web': version('node_modules/onnxruntime-web/package.json'),
            'onnxruntime-node': version('node_modules/onnxruntime-node/package.json'),
            'transformers.js': version('node_modules/@huggingface/transformers/package.json'),
        },
    };
}

/** Those that decide how fast int8 and f32 can be; [] where it cannot be read. */
function cpuExtensions() {
    if (!existsSync('/proc/cpuinfo')) return [];
    const flags =
        readFileSync('/proc/cpuinfo', 'utf8')
            .match(/^(?:flags|Features)\s*:(.*)$/m)?.[1]
            .trim()
            .split(' ') ?? [];
    return ['avx2', 'fma', 'avx512f', 'avx512_vnni', 'avx_vnni', 'asimddp', 'i8mm'].filter((flag) =>
        flags.includes(flag),
    );
}

/**
 * @param {string} directory
 * @param {Results} results
 */
export function writeReport(directory, results) {
    const comparisons = compare(results);
    mkdirSync(directory, { recursive: true });
    writeFileSync(
        join(directory, 'results.json'),
        `${JSON.stringify({ ...results, comparisons }, null, 1)}\n`,
    );
    writeFileSync(join(directory, 'RESULTS.md'), markdown(results, comparisons));
    const panels = chartPanels(results);
    if (panels.length) writeFileSync(join(directory, 'results.svg'), drawBars(panels));
    console.log(
        plainTable(
            comparisons.map(({ what, against, ours, theirs, ratio }) => [
                what,
                against,
                ours,
                theirs,
                times(ratio.median),
            ]),
            ['', 'against', 'ours', 'theirs', 'ratio'],
        ),
    );
    for (const text of results.left_out) console.log(`left out: ${text}`);
}

// --- ratios
// ------------------------------------------------------------------------------------------

/**
 * @param {Results} results
 * @returns {Comparison[]}
 */
function compare({ rows, cold_starts, memory }) {
    /** @type {Comparison[]} */
    const comparisons = [];
    const find = (/** @type {Partial<Row>} */ wanted) =>
        rows.find((row) =>
            Object.entries(wanted).every(
                ([key, value]) => row[/** @type {keyof Row} */ (key)] === value,
            ),
        );
    /**
     * @param {string} what
     * @param {string} against
     * @param {number[] | undefined} ours
     * @param {number[] | undefined} theirs
     * @param {(value: number) => string} [format]
     */
    const add = (what, against, ours, theirs, format = milliseconds) => {
        if (!ours?.length || !theirs?.length) return;
        comparisons.push({
            what,
            against,
            ours: format(median(ours)),
            theirs: format(median(theirs)),
            ratio: ratio(theirs, ours),
        });
    };

    const settings = new Map(
        rows
            .filter(({ job }) => job.endsWith(' tokens'))
            .map(({ environment, model, dtype }) => [
                `${environment} ${model} ${dtype}`,
                { environment, model, dtype },
            ]),
    );
    const lengths = ['16 tokens', '128 tokens', '512 tokens'];
    for (const setting of settings.values()) {
        for (const job of lengths) {
            for (const threads of [1, 2]) {
                add(
                    title(setting, job, threads),
                    `${NAMES.onnxruntime_web}, ${dtypeName(setting.dtype)}`,
                    find({ ...setting, job, threads, runtime: 'bert_wasm' })?.ms,
                    find({ ...setting, job, threads, runtime: 'onnxruntime_web' })?.ms,
                );
            }
        }
    }
    for (const setting of settings.values()) {
        for (const job of lengths) {
            add(
                title(setting, job, 1),
                `${NAMES.onnxruntime_node}, ${dtypeName(setting.dtype)}`,
                find({ ...setting, job, threads: 1, runtime: 'bert_wasm' })?.ms,
                find({ ...setting, job, threads: 1, runtime: 'onnxruntime_node' })?.ms,
            );
        }
    }
    for (const environment of /** @type {const} */ (['node', 'chromium'])) {
        const ours = find({ environment, runtime: 'bert_wasm', job: '64 texts' });
        for (const row of rows.filter(
            ({ job, ...row }) => row.environment === environment && job.startsWith('64 texts, '),
        )) {
            add(
                `${PLACES[environment]}, MiniLM-L6 q8, 64 texts, 1 thread`,
                `${nameOf(row.runtime, environment)}, int8, ${row.job.slice('64 texts, '.length)}`,
                ours?.ms,
                row.ms,
            );
        }
    }
    for (const setting of settings.values()) {
        for (const job of lengths) {
            add(
                title(setting, job, 2),
                'itself on 1 thread',
                find({ ...setting, job, threads: 2, runtime: 'bert_wasm' })?.ms,
                find({ ...setting, job, threads: 1, runtime: 'bert_wasm' })?.ms,
            );
        }
    }
    const cold = (/** @type {string} */ runtime) =>
        cold_starts.find((row) => row.runtime === runtime);
    for (const runtime of ['onnxruntime_web', 'transformers']) {
        add(
            'Chromium, MiniLM-L6 q8, navigation to first result',
            `${nameOf(runtime)}, int8`,
            cold('bert_wasm')?.ms,
            cold(runtime)?.ms,
        );
        add(
            'Chromium, MiniLM-L6 q4, navigation to first result',
            `${nameOf(runtime)}, int8`,
            cold('bert_wasm_q4')?.ms,
            cold(runtime)?.ms,
        );
    }
    const resident = (/** @type {string} */ runtime) =>
        memory.find((row) => row.runtime === runtime)?.rss;
    for (const runtime of ['onnxruntime_web', 'onnxruntime_node', 'transformers']) {
        add(
            'Node, MiniLM-L6 q8, process memory after the first answer',
            `${nameOf(runtime, 'node')}, int8`,
            resident('bert_wasm'),
            resident(runtime),
            megabytes,
        );
    }
    const shipped = (/** @type {string} */ runtime) =>
        cold(runtime) && [gzipBytes(cold(runtime)?.files ?? [])];
    for (const runtime of ['onnxruntime_web', 'transformers']) {
        add(
            'Chromium, code that a page loads, gzip',
            nameOf(runtime),
            shipped('bert_wasm'),
            shipped(runtime),
            kilobytes,
        );
    }
    return comparisons;
}

// --- tables
// ------------------------------------------------------------------------------------------

/**
 * @param {Results} results
 * @param {Comparison[]} comparisons
 */
function markdown(
    {
        command,
        machine,
        n_rounds,
        n_tokens,
        seconds,
        rows,
        cold_starts,
        memory,
        engines,
        micro,
        accuracy,
        left_out,
    },
    comparisons,
) {
    const { cpu, extensions, n_cpus, memory_gib, date, versions } = machine;
    const parts = [
        '# Measured against what users would pick instead',
        `Written by \`${command}\` in ${seconds} s. ${cpu} (${extensions.join(' ')}), ` +
            `${n_cpus} processors, ${memory_gib} GiB; ${date}; ` +
            `${Object.entries(versions)
                .map(([name, version]) => `${name} ${version}`)
                .join(', ')}.`,
        `Medians of ${n_rounds} rounds. Everyone who is compared takes a turn in every ` +
            'round, so other load falls on all alike; a ratio is the ' +
            'median of the ratios of the rounds, and quartiles are in brackets. **Above 1, ' +
            'this project is better.** Ours includes the way to ' +
            'its worker and back. BERT-base has random weights of real size.',
        table(
            ['', 'against', 'ours', 'theirs', 'ratio'],
            comparisons.map(({ what, against, ours, theirs, ratio }) => [
                what,
                against,
                ours,
                theirs,
                `**${times(ratio.median)}** (${ratio.low.toFixed(2)} - ${ratio.high.toFixed(2)})`,
            ]),
        ),
    ];
    for (const group of Map.groupBy(
        rows.filter(({ job }) => job.endsWith(' tokens')),
        ({ environment, model, dtype }) => `${PLACES[environment]}, ${modelName(model)}, ${dtype}`,
    )) {
        const [name, members] = group;
        const jobs = [...new Set(members.map(({ job }) => job))];
        const lines = Map.groupBy(
            members,
            ({ runtime, threads }) => `${nameOf(runtime)}|${threads}`,
        );
        parts.push(
            `## ${name}, milliseconds`,
            table(
                ['', 'threads', ...jobs],
                [...lines].map(([key, cells]) => [
                    ...key.split('|'),
                    ...jobs.map((job) =>
                        number(median(cells.find((cell) => cell.job === job)?.ms ?? [NaN])),
                    ),
                ]),
            ),
        );
    }
    const texts = rows.filter(({ job }) => job.startsWith('64 texts'));
    if (texts.length) {
        parts.push(
            `## 64 SST-2 sentences (${n_tokens} tokens), MiniLM-L6 int8, one thread, milliseconds`,
            table(
                ['', '', 'how', 'whole set'],
                texts.map(({ environment, runtime, job, ms }) => [
                    PLACES[environment],
                    nameOf(runtime, environment),
                    job.slice('64 texts, '.length) || 'as they are (no padding)',
                    number(median(ms)),
                ]),
            ),
            'Pipelines (bert-wasm, transformers.js) get texts; onnxruntime gets token ids. ' +
                'In Node transformers.js computes with onnxruntime-node.',
        );
    }
    if (cold_starts.length) {
        parts.push(
            '## Cold start in Chromium, MiniLM-L6 int8, 1 thread: a fresh profile, ' +
                'files from loopback, navigation to first result',
            table(
                ['', 'milliseconds', 'wasm, gzip', 'JavaScript, gzip', 'files'],
                cold_starts.map(({ runtime, ms, files }) => [
                    nameOf(runtime),
                    number(median(ms)),
                    kilobytes(gzipBytes(files.filter(({ name }) => name.endsWith('.wasm')))),
                    kilobytes(gzipBytes(files.filter(({ name }) => !name.endsWith('.wasm')))),
                    files.map(({ name, gzip }) => `${name} ${kilobytes(gzip)}`).join(', '),
                ]),
            ),
            'onnxruntime-web has no tokenizer: its page is given token ids.',
        );
    }
    if (memory.length) {
        parts.push(
            '## Resident memory of the Node process, MiniLM-L6 int8, after load and first answer',
            table(
                ['', 'then', 'at most until then'],
                memory.map(({ runtime, rss, peak }) => [
                    nameOf(runtime, 'node'),
                    megabytes(median(rss)),
                    Number.isNaN(peak[0]) ? '' : megabytes(median(peak)),
                ]),
            ),
        );
    }
    parts.push(
        '## Bytes of each engine',
        table(
            ['', 'bytes', 'gzip'],
            engines.map(({ name, bytes, gzip }) => [name, String(bytes), String(gzip)]),
        ),
    );
    if (accuracy.length) {
        parts.push(
            '## Size and accuracy of each dtype, MiniLM-L6',
            accuracyTable(accuracy),
            'Cosine: of mean-pooled embeddings of 300 sentences. ' +
                'Calibrated with 100 texts of another data set.',
        );
    }
    if (micro) parts.push('## Kernels', `\`\`\`\n${micro.trimEnd()}\n\`\`\``);
    if (left_out.length) {
        parts.push(
            '## Left out',
            left_out.map((text) => `- ${text.replaceAll('\n', ' ')}`).join('\n'),
        );
    }
    return `${parts.join('\n\n')}\n`;
}

/**
 * @param {string[]} head
 * @param {string[][]} lines
 */
function table(head, lines) {
    return [head, head.map(() => '---'), ...lines]
        .map((cells) => `| ${cells.join(' | ')} |`)
        .join('\n');
}

/**
 * @param {string[][]} lines
 * @param {string[]} head
 */
function plainTable(lines, head) {
    const all = [head, ...lines];
    const widths = head.map((_, i) => Math.max(...all.map((cells) => cells[i].length)));
    return all
        .map((cells) =>
            cells
                .map((cell, i) => (i < 2 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
                .join('  '),
        )
        .join('\n');
}

// --- the picture
// -------------------------------------------------------------------------------------

/**
 * @param {Results} results
 * @returns {import('./chart.js').Panel[]}
 */
function chartPanels({ rows, cold_starts, memory }) {
    /** @type {import('./chart.js').Panel[]} */
    const panels = [];
    /**
     * @param {string} title
     * @param {[runtime: string, values: number[] | undefined][]} bars
     * @param {(value: number) => string} format
     */
    const add = (title, bars, format) => {
        const known = bars.flatMap(([runtime, values]) =>
            values?.length ? [{ runtime, value: median(values) }] : [],
        );
        if (known.length < 2) return;
        panels.push({
            title,
            bars: known.map(({ runtime, value }) => ({
                name: nameOf(runtime),
                value,
                text: format(value),
                kind:
                    runtime === 'bert_wasm'
                        ? 'ours'
                        : runtime === 'onnxruntime_node'
                          ? 'native'
                          : 'peer',
            })),
        });
    };
    const one = (
        /** @type {Row['environment']} */ environment,
        /** @type {string} */ runtime,
        /** @type {string} */ dtype,
        /** @type {string} */ job,
    ) =>
        rows.find(
            (row) =>
                row.environment === environment &&
                row.runtime === runtime &&
                row.model === 'minilm' &&
                row.dtype === dtype &&
                row.threads === 1 &&
                row.job === job,
        )?.ms;
    for (const dtype of ['q8', 'f32']) {
        add(
            `128 tokens, ${dtypeName(dtype)}, Node`,
            ['bert_wasm', 'onnxruntime_web', 'onnxruntime_node'].map((runtime) => [
                runtime,
                one('node', runtime, dtype, '128 tokens'),
            ]),
            milliseconds,
        );
    }
    add(
        '64 texts of mixed length, int8, Chromium',
        [
            ['bert_wasm', one('chromium', 'bert_wasm', 'q8', '64 texts')],
            ['transformers', one('chromium', 'transformers', 'q8', '64 texts, one at a time')],
        ],
        milliseconds,
    );
    const cold = ['bert_wasm', 'onnxruntime_web', 'transformers'].map(
        (runtime) =>
            /** @type {const} */ ([runtime, cold_starts.find((row) => row.runtime === runtime)]),
    );
    add(
        'Navigation to first result, int8, Chromium',
        cold.map(([runtime, row]) => [runtime, row?.ms]),
        milliseconds,
    );
    add(
        'Memory after the first answer, int8, Node',
        ['bert_wasm', 'onnxruntime_web', 'onnxruntime_node'].map((runtime) => [
            runtime,
            memory.find((row) => row.runtime === runtime)?.rss,
        ]),
        megabytes,
    );
    add(
        'Code that a page loads, gzip',
        cold.map(([runtime, row]) => [runtime, row && [gzipBytes(row.files)]]),
        kilobytes,
    );
    return panels;
}

// --- words
// -------------------------------------------------------------------------------------------

/**
 * @param {string} runtime
 * @param {Row['environment']} [environment]
 */
function nameOf(runtime, environment) {
    // There it computes with onnxruntime-node.
    if (runtime === 'transformers' && environment === 'node') return 'transformers.js (native)';
    return /** @type {Record<string, string>} */ (NAMES)[runtime] ?? runtime;
}

/** @param {string} model */
function modelName(model) {
    return /** @type {Record<string, string>} */ (MODELS)[model] ?? model;
}

/** What peers call it. @param {string} dtype */
function dtypeName(dtype) {
    return dtype === 'q8' ? 'int8' : dtype;
}

/**
 * @param {{environment: Row['environment'], model: string, dtype: string}} setting
 * @param {string} job
 * @param {number} threads
 */
function title({ environment, model, dtype }, job, threads) {
    return (
        `${PLACES[environment]}, ${modelName(model)} ${dtype}, ${job}, ` +
        `${threads} thread${threads === 1 ? '' : 's'}`
    );
}

/** @param {{gzip: number}[]} files */
function gzipBytes(files) {
    return files.reduce((sum, { gzip }) => sum + gzip, 0);
}

/** @param {number} value */
function number(value) {
    return Number.isNaN(value) ? '' : value.toFixed(value < 100 ? 1 : 0);
}

/** @param {number} value */
function milliseconds(value) {
    return `${number(value)} ms`;
}

/** @param {number} value */
function megabytes(value) {
    return `${(value / 1e6).toFixed(0)} MB`;
}

/** @param {number} value */
function kilobytes(value) {
    return `${number(value / 1e3)} kB`;
}

/** @param {number} value */
function times(value) {
    return `${value.toFixed(2)} x`;
}

/** What was measured, as results.json, as tables (printed, and in RESULTS.md) and as a picture. */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';

import { accuracyTable } from './accuracy.js';
import { drawBars } from './chart.js';
import { compare, gzipBytes, waited } from './comparisons.js';
import { median } from './statistics.js';
import {
    BESIDE,
    dtypeName,
    kilobytes,
    megabytes,
    milliseconds,
    modelName,
    nameOf,
    number,
    PLACES,
    times,
} from './words.js';

/** @typedef {import('./run.js').Row} Row */
/** @typedef {import('./comparisons.js').Comparison} Comparison */

/** @typedef {{name: string, bytes: number, gzip: number}} Size  of a file */

/**
 * @typedef {object} Results
 * @property {string} command
 * @property {ReturnType<typeof describeMachine>} machine
 * @property {number} n_rounds
 * @property {number} n_tokens  of the 64 texts
 * @property {number} seconds
 * @property {Row[]} rows
 * @property {Start[]} cold_starts
 * @property {import('./fidelity.js').Fidelity[]} fidelity
 * @property {{runtime: string, dtype: string, bytes: number}[]} model_files  of all-MiniLM-L6
 * @property {{runtime: string, rss: number[], peak: number[]}[]} memory
 * @property {Size[]} engines
 * @property {string | undefined} micro  what micro.js printed
 * @property {import('./accuracy.js').Accuracy[]} accuracy
 * @property {string[]} left_out
 *
 * @typedef {object} Start
 * @property {string} runtime
 * @property {string} model
 * @property {string} dtype
 * @property {number[]} ms
 * @property {number[]} cpu_ms  of all Chromium's processes
 * @property {Size[]} files
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
            'LiteRT.js': version('node_modules/@litertjs/core/package.json'),
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
            comparisons.map(({ what, against, ours, theirs, ratio, cpu_ratio }) => [
                what,
                against,
                ours,
                theirs,
                times(ratio.median),
                cpu_ratio ? times(cpu_ratio.median) : '',
            ]),
            ['', 'against', 'ours', 'theirs', 'ratio', 'processor time'],
        ),
    );
    for (const text of results.left_out) console.log(`left out: ${text}`);
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
        fidelity,
        memory,
        engines,
        micro,
        accuracy,
        left_out,
    },
    comparisons,
) {
    const { cpu, extensions, n_cpus, memory_gib, date, versions } = machine;
    const [against_litert, against_others] = [true, false].map((is_litert) =>
        comparisons.filter(({ against }) => against.startsWith(nameOf('litert')) === is_litert),
    );
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
        'Processor time is that of all threads of the process that computes (of a start: of ' +
            'all Chromium), as the kernel counts it. Where it says something else than wall ' +
            `clock, the machine was busy. ${quietness(rows)}`.trimEnd(),
    ];
    if (against_litert.length) {
        parts.push(
            '## Against LiteRT.js, all-MiniLM-L6, Chromium',
            ratios(
                against_litert.map((each) => ({
                    ...each,
                    what: each.what.replace(/^Chromium, (all-MiniLM-L6 )?/, ''),
                })),
            ),
            'LiteRT.js is XNNPACK in WebAssembly, with relaxed SIMD and threads, as bert-wasm ' +
                'has them. Its files are made with its own tools, of a graph without arithmetic ' +
                'of shapes; at 16, 128 and 512 tokens the shape is exact and there is no mask. ' +
                'A file has fixed shapes, so it takes the 64 SST-2 sentences one at a time, each ' +
                'padded to 16, 32, 64 or 128 tokens; ours takes them one at a time, too, or in ' +
                'one call. Both get token ids and give the last hidden state. At the start ours ' +
                'gets a text, as LiteRT.js has no tokenizer. The busy process computes all the ' +
                'time, on whichever processor it is given.',
        );
    }
    if (fidelity.length) {
        parts.push(
            '## How far 8 bits are from f32, all-MiniLM-L6',
            table(
                ['', 'compared with', 'cosine, mean', 'least'],
                fidelity.map(({ runtime, dtype, reference, mean, least }) => [
                    `${nameOf(runtime)}, ${runtime === 'litert' ? dtypeName(dtype) : dtype}`,
                    `${nameOf(reference)}, f32`,
                    mean.toFixed(4),
                    least.toFixed(4),
                ]),
            ),
            'Mean-pooled embeddings of the first 100 sentences of SST-2 dev; nobody is calibrated.',
        );
    }
    if (against_others.length) parts.push('## Against the others', ratios(against_others));
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
            `## ${name}, milliseconds (of processor time)`,
            table(
                ['', 'threads', ...jobs],
                [...lines].map(([key, cells]) => [
                    ...key.split('|'),
                    ...jobs.map((job) => wallAndProcessor(cells.find((cell) => cell.job === job))),
                ]),
            ),
        );
    }
    const texts = rows.filter(({ model, job }) => model === 'minilm' && job.startsWith('64 texts'));
    if (texts.length) {
        parts.push(
            `## 64 SST-2 sentences (${n_tokens} tokens), MiniLM-L6 int8, one thread, ` +
                'milliseconds (of processor time)',
            table(
                ['', '', 'how', 'whole set'],
                texts.map((row) => [
                    PLACES[row.environment],
                    nameOf(row.runtime, row.environment),
                    row.job.slice('64 texts, '.length) || 'as they are (no padding)',
                    wallAndProcessor(row),
                ]),
            ),
            'Pipelines (bert-wasm, transformers.js) get texts; onnxruntime gets token ids. ' +
                'In Node transformers.js computes with onnxruntime-node.',
        );
    }
    if (cold_starts.length) {
        parts.push(
            '## Cold start in Chromium, 1 thread: a fresh profile, ' +
                'files from loopback, navigation to first result',
            table(
                [
                    '',
                    'model',
                    'milliseconds (of processor time)',
                    'wasm, gzip',
                    'JavaScript, gzip',
                    'files',
                ],
                cold_starts.map(({ files, ...start }) => [
                    nameOf(start.runtime),
                    `${modelName(start.model)}, ${dtypeName(start.dtype)}`,
                    wallAndProcessor(start),
                    kilobytes(gzipBytes(files.filter(({ name }) => name.endsWith('.wasm')))),
                    kilobytes(gzipBytes(files.filter(({ name }) => !name.endsWith('.wasm')))),
                    files.map(({ name, gzip }) => `${name} ${kilobytes(gzip)}`).join(', '),
                ]),
            ),
            'onnxruntime-web and LiteRT.js have no tokenizer: their pages are given token ids.',
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

/** @param {Comparison[]} comparisons */
function ratios(comparisons) {
    return table(
        ['', 'against', 'ours', 'theirs', 'ratio', 'of processor time', 'waited, ours / theirs'],
        comparisons.map(({ what, against, ours, theirs, ratio, cpu_ratio, waited }) => [
            what,
            withoutRelaxed(against),
            ours,
            theirs,
            quartiles(ratio),
            cpu_ratio ? quartiles(cpu_ratio) : '',
            waited ? `${waited.ours.toFixed(2)} / ${waited.theirs.toFixed(2)}` : '',
        ]),
    );
}

/** @param {import('./comparisons.js').Ratio} ratio */
function quartiles({ median, low, high }) {
    return `**${times(median)}** (${low.toFixed(2)} - ${high.toFixed(2)})`;
}

/**
 * Beside every ratio to onnxruntime-web stands what explains a part of it; in pages transformers.js
 * computes with that.
 * @param {string} against
 */
function withoutRelaxed(against) {
    return against.replace(/^(onnxruntime-web|transformers\.js)(?=,|$)/, '$1 (no relaxed SIMD)');
}

/** @param {import('./comparisons.js').Timed | undefined} timed */
function wallAndProcessor({ ms, cpu_ms = [] } = { ms: [] }) {
    if (!ms.length) return '';
    const processor = cpu_ms.length ? number(median(cpu_ms)) : '';
    return `${number(median(ms))}${processor && ` (${processor})`}`;
}

/** How busy the machine was with other work. @param {Row[]} rows */
function quietness(rows) {
    const shares = rows.filter(({ job }) => !job.endsWith(BESIDE)).map(waited);
    if (!shares.length || shares.some(Number.isNaN)) return '';
    const percent = (/** @type {number} */ share) => `${(100 * share).toFixed(0)} %`;
    return (
        'Waited is how long threads were ready to run and had no processor, over how long they ' +
        `ran: in this run ${percent(median(shares))} in the median row, ` +
        `${percent(Math.max(...shares))} at most, without a busy process on purpose.`
    );
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
        model = 'minilm',
    ) =>
        rows.find(
            (row) =>
                row.environment === environment &&
                row.runtime === runtime &&
                row.model === model &&
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
    for (const dtype of ['q8', 'f32']) {
        add(
            `128 tokens, ${dtypeName(dtype)}, Chromium`,
            ['bert_wasm', 'litert'].map((runtime) => [
                runtime,
                one('chromium', runtime, dtype, '128 tokens', 'all-minilm'),
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
            /** @type {const} */ ([
                runtime,
                cold_starts.find((row) => row.runtime === runtime && row.model === 'minilm'),
            ]),
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

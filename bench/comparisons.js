/** Which measurements are compared with which, as ratios: theirs over ours, in the same rounds. */

import { median, ratio } from './statistics.js';
import { dtypeName, kilobytes, megabytes, milliseconds, nameOf, PLACES, title } from './words.js';

/** Ours that are compared with a peer's int8. */
const OF_INT8 = /** @type {const} */ (['q8', 'q7']);

/** @typedef {import('./run.js').Row} Row */

/**
 * @typedef {object} Timed  a Row or a Start
 * @property {number[]} ms
 * @property {number[]} [cpu_ms]
 * @property {number[]} [waited_ms]
 *
 * @typedef {object} Ratio
 * @property {number} median
 * @property {number} low  quartile
 * @property {number} high
 *
 * @typedef {object} Comparison
 * @property {string} what
 * @property {string} against
 * @property {string} ours
 * @property {string} theirs
 * @property {Ratio} ratio  theirs / ours: above 1, ours is better
 * @property {Ratio} [cpu_ratio]  the same of processor time
 * @property {{ours: number, theirs: number}} [waited]  how long threads were ready to run and had
 *   no processor, over how long they ran
 */

const NAVIGATION = 'navigation to first result';

/**
 * @param {import('./report.js').Results} results
 * @returns {Comparison[]}
 */
export function compare({ rows, cold_starts, model_files, memory }) {
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
     * @param {(value: number) => string} format
     */
    const add = (what, against, ours, theirs, format) => {
        if (!ours?.length || !theirs?.length) return;
        comparisons.push({
            what,
            against,
            ours: format(median(ours)),
            theirs: format(median(theirs)),
            ratio: ratio(theirs, ours),
        });
    };
    /**
     * @param {string} what
     * @param {string} against
     * @param {Timed | undefined} ours
     * @param {Timed | undefined} theirs
     */
    const addTimes = (what, against, ours, theirs) => {
        if (!ours?.ms.length || !theirs?.ms.length) return;
        add(what, against, ours.ms, theirs.ms, milliseconds);
        if (!ours.cpu_ms?.every(Number.isFinite) || !theirs.cpu_ms?.every(Number.isFinite)) return;
        Object.assign(comparisons[comparisons.length - 1], {
            cpu_ratio: ratio(theirs.cpu_ms, ours.cpu_ms),
            ...(ours.waited_ms &&
                theirs.waited_ms && { waited: { ours: waited(ours), theirs: waited(theirs) } }),
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
                addTimes(
                    title(setting, job, threads),
                    `${nameOf('onnxruntime_web')}, ${dtypeName(setting.dtype)}`,
                    find({ ...setting, job, threads, runtime: 'bert_wasm' }),
                    find({ ...setting, job, threads, runtime: 'onnxruntime_web' }),
                );
            }
        }
    }
    for (const setting of settings.values()) {
        for (const job of lengths) {
            addTimes(
                title(setting, job, 1),
                `${nameOf('onnxruntime_node')}, ${dtypeName(setting.dtype)}`,
                find({ ...setting, job, threads: 1, runtime: 'bert_wasm' }),
                find({ ...setting, job, threads: 1, runtime: 'onnxruntime_node' }),
            );
        }
    }
    for (const environment of /** @type {const} */ (['node', 'chromium'])) {
        const ours = find({
            environment,
            runtime: 'bert_wasm',
            model: 'minilm',
            job: '64 texts',
        });
        for (const row of rows.filter(
            ({ job, model, ...row }) =>
                row.environment === environment &&
                model === 'minilm' &&
                job.startsWith('64 texts, '),
        )) {
            addTimes(
                `${PLACES[environment]}, MiniLM-L6 q8, 64 texts, 1 thread`,
                `${nameOf(row.runtime, environment)}, int8, ${row.job.slice('64 texts, '.length)}`,
                ours,
                row,
            );
        }
    }
    for (const setting of settings.values()) {
        for (const job of lengths) {
            addTimes(
                title(setting, job, 2),
                'itself on 1 thread',
                find({ ...setting, job, threads: 2, runtime: 'bert_wasm' }),
                find({ ...setting, job, threads: 1, runtime: 'bert_wasm' }),
            );
        }
    }
    const cold = (/** @type {string} */ runtime, model = 'minilm', dtype = 'q8') =>
        cold_starts.find(
            (row) => row.runtime === runtime && row.model === model && row.dtype === dtype,
        );
    for (const runtime of ['onnxruntime_web', 'transformers']) {
        addTimes(
            `Chromium, MiniLM-L6 q8, ${NAVIGATION}`,
            `${nameOf(runtime)}, int8`,
            cold('bert_wasm'),
            cold(runtime),
        );
        addTimes(
            `Chromium, MiniLM-L6 q4, ${NAVIGATION}`,
            `${nameOf(runtime)}, int8`,
            cold('bert_wasm_q4', 'minilm', 'q4'),
            cold(runtime),
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

    for (const theirs of rows.filter(({ runtime }) => runtime === 'litert')) {
        const { environment, model, dtype, threads } = theirs;
        // Ours takes the texts in one call, too, and has q7.
        for (const job of new Set([theirs.job, theirs.job.replace(', one at a time', '')])) {
            for (const own of dtype === 'q8' ? OF_INT8 : [dtype]) {
                const setting = { environment, model, dtype: own };
                addTimes(
                    title(setting, job, threads),
                    `${nameOf('litert')}, ${dtypeName(dtype)}`,
                    find({ ...setting, job, threads, runtime: 'bert_wasm' }),
                    theirs,
                );
            }
        }
    }
    for (const dtype of ['f32', 'q8']) {
        const against = `${nameOf('litert')}, ${dtypeName(dtype)}`;
        const bytes = (/** @type {string} */ runtime) =>
            model_files
                .filter((file) => file.runtime === runtime && file.dtype === dtype)
                .map((file) => file.bytes);
        const starts = ['bert_wasm', 'litert'].map((runtime) => cold(runtime, 'all-minilm', dtype));
        const what = `Chromium, all-MiniLM-L6 ${dtype}`;
        addTimes(`${what}, ${NAVIGATION}`, against, starts[0], starts[1]);
        add(`${what}, the model's file`, against, bytes('bert_wasm'), bytes('litert'), megabytes);
        if (dtype === 'f32') continue;
        const [ours, theirs] = starts.map((start) => start && [gzipBytes(start.files)]);
        add('Chromium, code that a page loads, gzip', nameOf('litert'), ours, theirs, kilobytes);
    }
    return comparisons;
}

/**
 * How long threads were ready to run and had no processor, over how long they ran: 0 on a quiet
 * machine.
 * @param {Timed} timed
 */
export function waited({ cpu_ms = [], waited_ms = [] }) {
    return median(waited_ms.map((ms, i) => ms / cpu_ms[i]));
}

/** @param {{gzip: number}[]} files */
export function gzipBytes(files) {
    return files.reduce((sum, { gzip }) => sum + gzip, 0);
}

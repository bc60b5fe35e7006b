/**
 * A conversion from its first step to its last, on the thread that computes. What it needs of the
 * network, and where the model file goes, is the caller's: `Caller`, perhaps on another thread.
 */

import { compileFrom } from '../loader/compile.js';
import { nextTurn } from '../platform/turn.js';
import { FileAtHand } from './at_hand.js';
import { Converter } from './converter.js';

/** Files of which only parts are needed, and each part once. */
const IN_PARTS = /\.safetensors$/;

/** Of those, bytes that are fetched at least: headers are asked for piece by piece. */
const LEAST_BYTES = 1 << 18;

/** Ranges with so few bytes between them are one request. */
const GAP_BYTES = 1 << 16;

/** A longer range is several requests: some are under way at a time. */
const MOST_BYTES = 8 << 20;

/** The name of the calibration's texts among the files. */
export const CALIBRATION = 'calibration.jsonl';

/** What nearly every model has of these is read, so that it is fetched in one go. */
const READ_FIRST = /(^|\/)(config|tokenizer|tokenizer_config|modules)\.json$/;

/** @import { Needed, OutputPart } from './converter.js' */

/**
 * @typedef {object} Task  what is to be converted, as it can be posted
 * @property {import('../loader/compile.js').ModuleSource} module  convert.wasm
 * @property {import('./at_hand.js').ListedFile[]} files
 * @property {string} folder  what their folder is called, for messages
 * @property {string} model  which of them has the model; '' for what is found
 * @property {[string, string][]} options  of the converter: names and values
 * @property {number} memory  bytes that it may take
 *
 * @typedef {object} FetchRequest  bytes start .. end - 1 of a file
 * @property {string} name
 * @property {number} start
 * @property {number} end
 *
 * @typedef {object} Caller
 * @property {(wanted: FetchRequest[]) => Promise<Uint8Array[]>} fetch
 * @property {(parts: OutputPart[]) => Promise<void>} write
 * @property {(progress: {done: number, total: number}) => void} tell
 *
 * @typedef {object} Outcome
 * @property {string[]} notes  sentences about what was settled, and how
 * @property {number} memory  bytes that were taken
 */

/**
 * @param {Task} task
 * @param {Caller} caller
 * @param {AbortSignal} [signal]
 * @returns {Promise<Outcome>}
 */
export async function run(task, caller, signal) {
    const files = task.files.map((file) => new FileAtHand(file));
    const fetch = async (/** @type {Needed[]} */ needs) => {
        const wanted = joined(needs).flatMap(({ file, ...range }) =>
            file.missing(range).flatMap((missing) => parts({ file, ...missing })),
        );
        if (!wanted.length) return;
        const requests = wanted.map(({ file: { name }, start, end }) => ({ name, start, end }));
        const pieces = await caller.fetch(requests);
        for (const [i, { file, start }] of wanted.entries()) file.add(start, pieces[i]);
    };
    const [module] = await Promise.all([
        compileFrom(task.module),
        fetch(
            files.filter(({ name }) => READ_FIRST.test(name) || name === CALIBRATION).map(wholeOf),
        ),
    ]);
    const converter = await open(module, task, files, fetch);
    converter.checkMemory();
    for (;;) {
        signal?.throwIfAborted();
        const progress = converter.progress;
        caller.tell(progress);
        if (progress.done === progress.total) break;
        await fetch(converter.needs());
        if (!converter.step()) throw unexpected(converter);
        for (const file of files) if (IN_PARTS.test(file.name)) file.drop();
        await caller.write(converter.takeOutput());
        await nextTurn();
    }
    return { notes: converter.notes, memory: converter.n_bytes };
}

/**
 * Opened anew, which takes no time, until all is at hand that opening reads.
 * @param {WebAssembly.Module} module
 * @param {Task} task
 * @param {FileAtHand[]} files
 * @param {(needs: Needed[]) => Promise<void>} fetch
 */
async function open(module, { folder, model, options, memory }, files, fetch) {
    for (;;) {
        const converter = new Converter(folder, files, memory);
        await converter.start(module);
        for (const [name, value] of options) converter.setOption(name, value);
        if (converter.open(model)) return converter;
        const missed = /** @type {Needed} */ (converter.missed);
        await fetch([IN_PARTS.test(missed.file.name) ? atLeast(missed) : wholeOf(missed.file)]);
    }
}

/** Neighbours become one. @param {Needed[]} needs */
function joined(needs) {
    /** @type {Needed[]} */
    const runs = [];
    const order = (/** @type {Needed} */ a, /** @type {Needed} */ b) =>
        a.file === b.file ? a.start - b.start : a.file.name < b.file.name ? -1 : 1;
    for (const { file, start, end } of [...needs].sort(order)) {
        const last = runs.at(-1);
        if (last?.file === file && start <= last.end + GAP_BYTES)
            last.end = Math.max(last.end, end);
        else runs.push({ file, start, end });
    }
    return runs;
}

/** @param {Needed} needed */
function parts({ file, start, end }) {
    const n = Math.ceil((end - start) / MOST_BYTES);
    return Array.from({ length: n }, (_, i) => ({
        file,
        start: start + i * MOST_BYTES,
        end: Math.min(end, start + (i + 1) * MOST_BYTES),
    }));
}

/** @param {FileAtHand} file @returns {Needed} */
function wholeOf(file) {
    return { file, start: 0, end: file.size };
}

/** @param {Needed} needed @returns {Needed} */
function atLeast({ file, start, end }) {
    return { file, start, end: Math.min(file.size, Math.max(end, start + LEAST_BYTES)) };
}

/** @param {Converter} converter */
function unexpected({ missed }) {
    const { file, start, end } = /** @type {Needed} */ (missed);
    return new Error(`bytes ${start} to ${end} of ${file.name} were not announced`);
}

/**
 * The converter in the package: a model in the form that its author gave it becomes the one file
 * that the engine loads, by convert.wasm, in a worker of its own. It is loaded when a model needs
 * it, and ends with the conversion.
 */

import { openOutput } from '#convert-host';
import { converterModule } from '#files';
import { hasWorkers } from '#platform';

import { BertError, describe } from '../errors.js';
import { toPost } from '../loader/compile.js';
import { readOptions } from '../options.js';
import { requireSIMD } from '../platform/webassembly.js';
import { checkBudget } from './budget.js';
import { runElsewhere } from './port.js';
import { CALIBRATION, run } from './run.js';

export { keepConverted } from './kept.js';

/** Requests that are under way at a time. */
const REQUESTS = 4;

/** Bytes of wasm memory, unless another budget is given. */
const MEMORY = 2 ** 31;

/** What 32-bit addresses reach. */
const MOST_MEMORY = 2 ** 32;

/**
 * @typedef {import('./host_node.js').OutputFile & {memory: number}} ConvertedFile  memory: bytes
 *   that the conversion took
 */

/**
 * @typedef {object} ReadableFile
 * @property {number} size  bytes
 * @property {(start: number, end: number, signal?: AbortSignal) => Promise<Uint8Array>} read  bytes
 *   start .. end - 1, in memory that nobody else has
 * @property {string} [path]  where Node's worker can read it by itself
 * @property {Blob} [blob]  the same for a page's worker
 *
 * @typedef {Record<string, ReadableFile>} ReadableFiles  by their paths in the model's folder
 *
 * @typedef {object} ConversionProgress
 * @property {'fetch' | 'convert'} phase  what has come of the files, or is done of the conversion;
 *   the two take turns
 * @property {number} loaded  bytes, or steps
 * @property {number} total  of them
 */

const OPTIONS = {
    /** @type {string | undefined} what the folder is called, for messages; default the name */
    folder: undefined,
    /** which of the files has the model; default what the converter finds */
    model: '',
    /** how weights are stored: f32, f16, q8, q7 or q4 */
    dtype: 'q8',
    /** that the model gets */
    name: 'model',
    /** of the model, for its `info()` */
    revision: '',
    /** of an adapter: which folder of the files has the model that it is for */
    base: '',
    /** @type {Uint8Array | undefined} tokenized texts, as `bert-wasm tokenize` writes them */
    calibrate: undefined,
    /** @type {string[]} outputs of the graph that are kept; default all that are an encoder's */
    outputs: [],
    /** bytes that the conversion may take, and beside it an ONNX file that is fetched; from 16 MB
     * to 4 GiB */
    memory: MEMORY,
    /** @type {string | undefined} of the file that is made, in Node; default a temporary one */
    path: undefined,
    /** whether it runs on the caller's thread, with turns of the event loop between steps */
    in_thread: false,
    /** @type {((progress: ConversionProgress) => void) | undefined} */
    onprogress: undefined,
    /** @type {((sentence: string) => void) | undefined} told what was settled, and how */
    onnote: undefined,
    /** @type {AbortSignal | undefined} */
    signal: undefined,
};

/** The converter's own, which it is given as texts. */
const OF_CONVERTER = /** @type {const} */ (['dtype', 'name', 'revision']);

/** @typedef {Partial<typeof OPTIONS>} ConvertOptions */

/**
 * Makes a model file.
 * @param {ReadableFiles} files  of the model's folder
 * @param {ConvertOptions} [options]
 * @returns {Promise<ConvertedFile>}
 * @throws {BertError} BAD_MODEL_FILE where a file is not as it must be, or the model none that is
 *   known; BAD_OPTION; OUT_OF_MEMORY where it takes more than it may; what reading throws
 */
export async function convert(files, options = {}) {
    const given = readOptions('convert()', options, OPTIONS);
    const { memory, calibrate, signal, in_thread, name, folder = name, model } = given;
    if (typeof memory !== 'number' || !(memory >= 2 ** 24 && memory <= MOST_MEMORY)) {
        throw new BertError(
            'BAD_OPTION',
            `memory must be a number of bytes from 2^24 to 2^32, not ${describe(memory)}`,
        );
    }
    signal?.throwIfAborted();
    requireSIMD();
    checkBudget(files, memory, folder);
    const all = { ...files, ...(calibrate && { [CALIBRATION]: ofBytes(calibrate) }) };
    /** @type {[string, string][]} */
    const texts = OF_CONVERTER.map((option) => [option, String(given[option])]);
    texts.push(
        ...given.outputs.map((output) => /** @type {[string, string]} */ (['output', output])),
    );
    if (given.base) texts.push(['base', `${folder}/${given.base}`]);
    if (calibrate) texts.push(['calibrate', `${folder}/${CALIBRATION}`]);
    const task = {
        module: toPost(converterModule()),
        files: Object.entries(all).map(([name, { size, path, blob }]) => ({
            name,
            size,
            path,
            blob,
        })),
        folder,
        model,
        options: texts,
        memory,
    };
    const output = await openOutput(given.path);
    try {
        const caller = {
            fetch: fetcher(all, given),
            write: output.write,
            tell: (/** @type {{done: number, total: number}} */ { done, total }) =>
                given.onprogress?.({ phase: 'convert', loaded: done, total }),
        };
        const { notes, memory: n_bytes } = await (in_thread || !hasWorkers()
            ? run(task, caller, signal)
            : runElsewhere(task, caller, signal));
        for (const note of notes) given.onnote?.(note);
        signal?.throwIfAborted();
        return { ...(await output.finish()), memory: n_bytes };
    } catch (error) {
        await output.abandon();
        throw error;
    }
}

/** @param {Uint8Array} bytes @returns {ReadableFile} */
function ofBytes(bytes) {
    return { size: bytes.length, read: async (start, end) => bytes.slice(start, end) };
}

/**
 * @param {ReadableFiles} files
 * @param {ConvertOptions} options
 * @returns {import('./run.js').Caller['fetch']}
 */
function fetcher(files, { onprogress, signal }) {
    let [loaded, total] = [0, 0];
    return async (wanted) => {
        /** @type {Uint8Array[]} */
        const pieces = new Array(wanted.length);
        total += wanted.reduce((sum, { start, end }) => sum + end - start, 0);
        let next = 0;
        const fetchSome = async () => {
            while (next < wanted.length) {
                const i = next++;
                const { name, start, end } = wanted[i];
                signal?.throwIfAborted();
                pieces[i] = await files[name].read(start, end, signal);
                if (pieces[i].length !== end - start) throw cutOff(name, wanted[i], pieces[i]);
                loaded += end - start;
                onprogress?.({ phase: 'fetch', loaded, total });
            }
        };
        await Promise.all(Array.from({ length: REQUESTS }, fetchSome));
        return pieces;
    };
}

/**
 * @param {string} name
 * @param {{start: number, end: number}} wanted
 * @param {Uint8Array} piece
 */
function cutOff(name, { start, end }, piece) {
    return new BertError(
        'FETCH_FAILED',
        `${name}: ${end - start} bytes from ${start} on were asked for, ${piece.length} came`,
    );
}

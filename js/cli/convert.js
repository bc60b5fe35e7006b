/**
 * `bert-wasm convert`: makes a model file. The native converter does it where it is found, as it is
 * faster; else convert.wasm, which is part of the package and makes the same bytes.
 */

import { spawn } from 'node:child_process';
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { BertError } from '../errors.js';
import { configuration } from '../sources/configure.js';
import { formOf } from '../sources/forms.js';
import { locate } from '../sources/resolve.js';
import { parse, UsageError } from './options.js';
import { SOURCE_OPTIONS } from './pull.js';

/** @import { ReadableFile } from '../sources/readable.js' */
/** @import { Place } from '../sources/resolve.js' */

const NAME = process.platform === 'win32' ? 'bert-convert.exe' : 'bert-convert';

/** @type {import('./options.js').Options} */
const OPTIONS = {
    out: { short: 'o', value: 'FILE', help: 'the model file that is made' },
    ...SOURCE_OPTIONS,
    name: { value: 'N', help: "the model's name; default that of its folder" },
    calibrate: {
        value: 'FILE',
        help: 'texts as bert-wasm tokenize writes them: q8, q7, q4 need less',
    },
    output: {
        multiple: true,
        value: 'NAME',
        help: "of an ONNX graph's outputs the ones that are kept; default those of an encoder",
    },
    base: { value: 'DIR', help: 'of an adapter: the folder of the model that it is for' },
    memory: { kind: 'whole', value: 'MB', help: 'that convert.wasm may take; default 2147' },
    wasm: { type: 'boolean', help: 'by convert.wasm, also where there is a native converter' },
};

/** @type {import('./options.js').Command} */
export const command = {
    usage: '[OPTION ...] ORG/NAME|DIR|FILE|URL -o FILE.safetensors',
    summary: 'Makes a model file of weights in safetensors or ONNX.',
    options: OPTIONS,
    example: 'bert-wasm convert path/to/model -o my.safetensors --dtype q8',
    notes: `A native converter (bert-convert) is used if there is one: at $BERT_CONVERT, in
build/native of this package's checkout, or on PATH. Its exit code comes back, and
bert-wasm convert -- ARGUMENT ... gives it arguments of its own. It makes the same bytes, faster.`,
    run,
};

/** @param {string[]} args */
async function run(args) {
    const program = args.includes('--wasm') ? undefined : find();
    if (program && args[0] === '--') return runNative(program, args.slice(1));
    const given = await read(args).catch((error) => {
        if (program) return null; // its own usage says what is wrong
        throw error;
    });
    if (program && (given === null || !isElsewhere(given.source))) return runNative(program, args);
    const { source, values } = /** @type {NonNullable<typeof given>} */ (given);

    const { revision, subfolder, file, dtype } = values;
    const options = { revision, subfolder, file, dtype };
    const refusal = (/** @type {string | Blob} */ own) => `it has a converted file: ${own}`;
    const { place, found } = await resolve(source, options, refusal);
    const files = await found.fetch();
    const folder = program && folderOf(files);
    if (program && folder) {
        const names = ['--name', values.name ?? place.name, '--revision', place.revision];
        const more = ['dtype', 'calibrate', 'base'].flatMap((option) =>
            values[option] === undefined ? [] : [`--${option}`, values[option]],
        );
        const outputs = (values.output ?? []).flatMap((/** @type {string} */ each) => [
            '--output',
            each,
        ]);
        const model = join(folder, found.weights);
        return runNative(program, [model, '-o', values.out, ...names, ...more, ...outputs]);
    }
    await convertHere(place, files, found.weights, values);
}

/**
 * Files that are to be converted.
 * @param {string} source
 * @param {import('../sources/resolve.js').SourceOptions} options
 * @param {(own: string | Blob) => string} refusal  what is said where there is a converted file
 */
async function resolve(source, options, refusal) {
    const place = await locate(source, options, {
        ...configuration,
        cache: true,
        offline: false,
        isStored: async () => false,
        download: {},
    });
    const found = await place.resolve();
    if (found.own === undefined) return { place, found };
    throw new BertError('BAD_INPUT', `${source}: ${refusal(found.own)}`);
}

/** @param {string[]} args */
async function read(args) {
    const { values, positionals } = parse(args, OPTIONS, { positionals: true, required: ['out'] });
    const [source, ...more] = positionals;
    if (source === undefined)
        throw new UsageError('ORG/NAME, a folder, a file or a URL is missing');
    if (more.length) throw new UsageError(`'${more[0]}' is too much`);
    return { source, values };
}

/** Whether the native converter cannot find it. @param {string} source */
function isElsewhere(source) {
    return /^https?:/i.test(source) || formOf(source) === 'name';
}

/**
 * The folder on this machine that has all of these files, as they are called.
 * @param {Record<string, ReadableFile>} files
 */
function folderOf(files) {
    const folders = new Set(
        Object.entries(files).map(([name, { path = '' }]) =>
            path.endsWith(`/${name}`) ? path.slice(0, -name.length) : '',
        ),
    );
    return folders.size === 1 ? [...folders][0] : '';
}

/**
 * @param {Place} place
 * @param {Record<string, ReadableFile>} files
 * @param {string} weights
 * @param {Record<string, any>} values
 */
async function convertHere(place, files, weights, values) {
    const { convert } = await import('#convert');
    const { base, memory, name = place.name, output: outputs, out, calibrate } = values;
    const stopping = new AbortController();
    const stop = () => stopping.abort(new BertError('BAD_INPUT', 'stopped: nothing was written'));
    process.once('SIGINT', stop);
    const is_watched = process.stderr.isTTY;
    try {
        await convert(base ? { ...files, ...(await filesOfBase(base)) } : files, {
            folder: place.name,
            model: weights,
            dtype: place.dtype,
            name,
            revision: place.revision,
            outputs,
            base: base && BASE,
            calibrate: calibrate && readTexts(calibrate),
            memory: memory && memory * 1e6,
            path: out,
            onprogress: ({ phase, loaded, total }) => {
                const done = `${phase} ${Math.floor((100 * loaded) / total)} %`;
                if (is_watched) process.stderr.write(`\r${done.padEnd(20)}`);
            },
            onnote: (sentence) => process.stderr.write(`bert-wasm: note: ${sentence}\n`),
            signal: stopping.signal,
        });
    } finally {
        if (is_watched) process.stderr.write(`\r${' '.repeat(20)}\r`);
        process.removeListener('SIGINT', stop);
    }
}

/** What an adapter's model is called beside it. */
const BASE = 'base';

/** @param {string} path */
async function filesOfBase(path) {
    const { found } = await resolve(path, {}, () => 'a converted file takes no adapter');
    const files = Object.entries(await found.fetch());
    return Object.fromEntries(files.map(([name, file]) => [`${BASE}/${name}`, file]));
}

/** @param {string} path */
function readTexts(path) {
    try {
        return new Uint8Array(readFileSync(path));
    } catch (cause) {
        const { code } = /** @type {NodeJS.ErrnoException} */ (cause);
        throw new BertError('FETCH_FAILED', `${path}: cannot be read (${code})`, { cause });
    }
}

/**
 * @param {string} program
 * @param {string[]} args
 */
async function runNative(program, args) {
    process.stderr.write(`bert-wasm: by the native converter, ${program}\n`);
    const child = spawn(program, args, { stdio: 'inherit' });
    for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
        process.on(signal, () => child.kill(signal)); // its exit code becomes ours
    }
    process.exitCode = await new Promise((resolve, reject) => {
        child.once('error', (error) =>
            reject(
                new BertError('UNSUPPORTED', `${program}: cannot be run (${error.message})`, {
                    cause: error,
                }),
            ),
        );
        child.once('exit', (code, signal) =>
            resolve(code ?? 128 + osConstants.signals[/** @type {NodeJS.Signals} */ (signal)]),
        );
    });
}

/** @returns {string | undefined} */
function find() {
    const { BERT_CONVERT: named, PATH = '' } = process.env;
    if (named) return named; // errors are reported when it is run
    const beside = fileURLToPath(new URL(`../native/${NAME}`, import.meta.url));
    return [
        beside,
        ...PATH.split(delimiter)
            .filter(Boolean)
            .map((folder) => join(folder, NAME)),
    ].find(isProgram);
}

/** @param {string} path */
function isProgram(path) {
    try {
        accessSync(path, constants.X_OK);
        return statSync(path).isFile();
    } catch {
        return false;
    }
}

/**
 * The models that everyone is measured with, made once and kept in ~/.cache/bert-wasm/bench
 * ($XDG_CACHE_HOME): the ONNX files as people publish them, and ours converted from them.
 */

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
    closeSync,
    existsSync,
    mkdirSync,
    openSync,
    readFileSync,
    readSync,
    renameSync,
    rmSync,
    statSync,
    writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
export const CACHE = join(
    process.env.XDG_CACHE_HOME || join(homedir(), '.cache'),
    'bert-wasm/bench',
);
const PUBLISHED = resolve(ROOT, process.env.MODEL_ONNX ?? '../shared/models/sentiment-minilm-l6');
const SENTENCES = resolve(ROOT, process.env.SENTENCES ?? '../shared/data/sst2-dev.tsv');

/** Sizes of the models that are written with random weights. */
const SIZES = {
    minilm: { layers: 6, hidden: 384, heads: 12 },
    'bert-base': { layers: 12, hidden: 768, heads: 12 },
};

/** 4 bits are for cold starts alone. @type {('f32' | 'q8' | 'q7' | 'q4')[]} */
const MINILM_DTYPES = ['f32', 'q8', 'q4'];

/**
 * @typedef {object} Model
 * @property {string} name
 * @property {string} task  of its pipeline
 * @property {string} directory  of model.onnx, model_quantized.onnx and config.json
 * @property {Record<string, string>} converted  paths of ours by dtype
 */

/**
 * MiniLM-L6: the published sentiment model, or without it the same with random weights.
 * @param {{dist: string, converter: string, warn: (text: string) => void}} options
 * @returns {Model}
 */
export function prepareMiniLm({ dist, converter, warn }) {
    const is_published =
        existsSync(join(PUBLISHED, 'model.onnx')) &&
        existsSync(join(PUBLISHED, 'model_quantized.onnx'));
    if (is_published) return convert('minilm', PUBLISHED, converter, MINILM_DTYPES);
    warn(
        `no model.onnx and model_quantized.onnx in ${relative(PUBLISHED)} (MODEL_ONNX): ` +
            'MiniLM has random weights, so answers mean nothing',
    );
    const directory = writeRandomModel('minilm');
    const tokenizer = join(directory, 'tokenizer.json');
    if (!existsSync(tokenizer)) {
        writeFileSync(
            tokenizer,
            bundledTokenizer(join(dist, 'models/sentiment-minilm-l6-q8.safetensors')),
        );
        writeFileSync(
            join(directory, 'tokenizer_config.json'),
            JSON.stringify({
                tokenizer_class: 'BertTokenizer',
                do_lower_case: true,
                model_max_length: 512,
            }),
        );
    }
    return convert('minilm', directory, converter, MINILM_DTYPES);
}

/**
 * BERT-base with random weights.
 * @param {{converter: string}} options
 * @returns {Model}
 */
export function prepareBertBase({ converter }) {
    return convert('bert-base', writeRandomModel('bert-base'), converter, ['f32', 'q8']);
}

/**
 * all-MiniLM-L6-v2, as ONNX and as LiteRT.js runs it: 7 GB of Python packages write that.
 * @param {{converter: string}} options
 * @returns {Model}
 */
export function prepareAllMiniLm({ converter }) {
    const directory = writeLiteRT('all-minilm');
    const model = convert('all-minilm', directory, converter, ['f32', 'q8', 'q7']);
    return { ...model, task: 'feature-extraction' };
}

/**
 * @param {string} name  of the folder
 * @param {string} [source]  folder of another model's weights
 * @returns {string} the folder of what make_litert.py writes
 */
export function writeLiteRT(name, source) {
    const script = join(import.meta.dirname, 'make_litert.py');
    const directory = join(CACHE, 'models', name);
    build(directory, source ? [script, source] : [script], (unfinished) =>
        runLiteRT(script, [unfinished, ...(source ? [source] : [])]),
    );
    return directory;
}

/**
 * @param {string} script
 * @param {string[]} args
 * @param {string} [input]
 * @returns {string} what it prints
 */
export function runLiteRT(script, args, input = '') {
    return execFileSync(
        python('litert-python', 'requirements-litert.txt'),
        // Isolated: tokenizers.py beside the script is not the package.
        ['-I', script, ...args],
        { input, stdio: ['pipe', 'pipe', 'pipe'], encoding: 'utf8', maxBuffer: 2 ** 28 },
    );
}

/**
 * @param {number} n
 * @returns {string[]} the first `n` sentences of SST-2's development set; none without the file
 */
export function readSentences(n) {
    if (!existsSync(SENTENCES)) return [];
    const rows = readFileSync(SENTENCES, 'utf8').trimEnd().split('\n').slice(1);
    return rows.slice(0, n).map((row) => row.split('\t')[0]);
}

/** Where they were looked for, for messages. */
export const sentencesPath = relative(SENTENCES);

/** @param {string} path */
function relative(path) {
    return path.startsWith(dirname(ROOT)) ? path.replace(dirname(ROOT), '..') : path;
}

/**
 * Makes `target` unless it is newer than all that it is made from. An interrupted run leaves
 * nothing behind that looks finished.
 * @param {string} target
 * @param {string[]} sources
 * @param {(unfinished: string) => void} make
 */
export function build(target, sources, make) {
    const modified = (/** @type {string} */ path) => statSync(path).mtimeMs;
    if (existsSync(target) && sources.every((source) => modified(source) <= modified(target))) {
        return;
    }
    const unfinished = `${target}.unfinished`;
    rmSync(unfinished, { recursive: true, force: true });
    rmSync(target, { recursive: true, force: true });
    mkdirSync(dirname(target), { recursive: true });
    console.error(`bench: making ${target}`);
    make(unfinished);
    renameSync(unfinished, target);
}

/**
 * @param {string} name
 * @param {string} directory
 * @param {string} converter
 * @param {('f32' | 'q8' | 'q7' | 'q4')[]} dtypes
 * @returns {Model}
 */
function convert(name, directory, converter, dtypes) {
    // Two folders may hold models of one name.
    const origin = createHash('sha256').update(directory).digest('hex').slice(0, 8);
    /** @param {'f32' | 'q8' | 'q7' | 'q4'} dtype */
    const path = (dtype) => {
        const target = join(CACHE, 'converted', `${name}-${origin}-${dtype}.safetensors`);
        build(target, [converter, join(directory, 'model.onnx')], (unfinished) =>
            execFileSync(
                converter,
                [directory, '-o', unfinished, '--dtype', dtype, '--name', name],
                { stdio: ['ignore', 'ignore', 'pipe'] },
            ),
        );
        return target;
    };
    return {
        name,
        task: 'text-classification',
        directory,
        converted: Object.fromEntries(dtypes.map((dtype) => [dtype, path(dtype)])),
    };
}

/**
 * @param {keyof typeof SIZES} name
 * @returns {string} its folder
 */
function writeRandomModel(name) {
    const script = join(import.meta.dirname, 'make_models.py');
    const directory = join(CACHE, 'models', name);
    build(directory, [script], (unfinished) => {
        const sizes = Object.entries(SIZES[name]).flatMap(([option, value]) => [
            `--${option}`,
            String(value),
        ]);
        execFileSync(python('python', 'requirements.txt'), [script, unfinished, ...sizes], {
            stdio: ['ignore', 'ignore', 'pipe'],
        });
    });
    return directory;
}

/**
 * A Python with the packages of a file here, in an environment of its own.
 * @param {string} environment
 * @param {string} requirements
 */
export function python(environment, requirements) {
    console.error(`bench: the Python packages of ${requirements}`);
    const folder = execFileSync(
        join(ROOT, 'tools/python_env.sh'),
        [`bench/${environment}`, join(import.meta.dirname, requirements)],
        { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' },
    );
    return join(folder.trim(), 'bin/python');
}

/**
 * tokenizer.json out of a converted model: the first tensor.
 * @param {string} path
 */
function bundledTokenizer(path) {
    const file = openSync(path, 'r');
    try {
        const read = (/** @type {number} */ position, /** @type {number} */ length) => {
            const bytes = Buffer.alloc(length);
            readSync(file, bytes, 0, length, position);
            return bytes;
        };
        const header_bytes = Number(read(0, 8).readBigUInt64LE());
        const [start, end] = JSON.parse(read(8, header_bytes).toString())['tokenizer.json']
            .data_offsets;
        return read(8 + header_bytes + start, end - start);
    } finally {
        closeSync(file);
    }
}

/**
 * Which files of a folder make the model: a table of the weights that are taken, in order, and what
 * goes with them. What was looked for and how that went is in the error.
 */

import { BertError } from '../errors.js';
import { headerLength, LENGTH_BYTES } from '../loader/header_length.js';
import { readText } from './readable.js';

/** @import { Folder } from './folder.js' */
/** @import { ReadableFile } from './readable.js' */

/** @typedef {'q8' | 'q7' | 'q4' | 'f16' | 'f32'} Dtype */

/** The dtypes that weights are converted to; where none is wanted, the first that is there. */
export const DTYPES = /** @type {Dtype[]} */ (['q8', 'q7', 'q4', 'f16', 'f32']);

/**
 * What is chosen: a file of ours, or files that become one.
 * @typedef {object} Choice
 * @property {ReadableFile} [own]
 * @property {Record<string, ReadableFile>} files  by their path in the folder
 * @property {string} weights  the path of those that were chosen: one file, or an index of several
 */

/** Of a converted model, where a repository has one. */
export const ownName = (/** @type {Dtype} */ dtype) => `bert-wasm/model_${dtype}.safetensors`;

/** Weights in order: the exact ones before those that somebody has rounded. */
const WEIGHTS = [
    'model.safetensors',
    'model.safetensors.index.json',
    'onnx/model.onnx',
    'model.onnx',
    ...['fp16', 'quantized', 'int8', 'uint8', 'q4', 'q4f16'].map(
        (suffix) => `onnx/model_${suffix}.onnx`,
    ),
    'model_quantized.onnx',
];

/** What tells of the model beside its weights. */
const CONFIGS = [
    'config.json',
    'tokenizer_config.json',
    'tokenizer.json',
    'modules.json',
    'sentence_bert_config.json',
    'config_sentence_transformers.json',
    'adapter_config.json',
    'adapter_model.safetensors',
];

/** The tokenizer's original files, where there is no tokenizer.json. */
const TOKENIZERS = [
    'vocab.txt',
    'vocab.json',
    'merges.txt',
    'spiece.model',
    'spm.model',
    'sentencepiece.bpe.model',
];

/** What is there in other forms, for messages. */
const OTHERS = {
    'pytorch_model.bin':
        'a pickle of Python, which may run anything: save it again with ' +
        'save_pretrained(safe_serialization=True)',
    'tf_model.h5': 'weights of TensorFlow: load them in transformers (from_tf=True) and save them',
    'flax_model.msgpack':
        'weights of Flax: load them in transformers (from_flax=True) and save them',
};

/** Bytes of a JSON file that is read here: an index of 100,000 tensors has 10 MB. */
const MOST_JSON = 64 << 20;

/** Bytes of a header that is looked into at first. */
const FIRST_BYTES = 1 << 16;

/** Files of external data that an ONNX file may have beside it, as transformers.js has it. */
const MOST_DATA_FILES = 100;

/**
 * @param {Folder} folder
 * @param {{file?: string, dtype?: Dtype}} wanted  file: weights, by their path in the folder
 * @returns {Promise<Choice>}
 */
export async function choose(folder, { file, dtype }) {
    const looked = new Looked(folder);
    if (file !== undefined) {
        const weights = await looked.open(file);
        if (!weights) throw await looked.missing(`it has no ${file}`);
        return withOthers(looked, file, weights);
    }
    // Where nobody says what there is, each question is a request.
    const dtypes = dtype ? [dtype] : folder.is_listed ? DTYPES : DTYPES.slice(0, 1);
    for (const each of dtypes) {
        const own = await looked.open(ownName(each));
        if (own) return { own, files: {}, weights: ownName(each) };
    }
    const inner = await innerFolder(looked);
    const inside = inner ? WEIGHTS.map((name) => inner + name) : [];
    for (const name of [...inside, ...WEIGHTS, ...(await onlyOne(folder))]) {
        const weights = await looked.open(name);
        if (weights) return withOthers(looked, name, weights, inner);
    }
    const adapter = await looked.open('adapter_config.json');
    if (adapter) {
        const { base_model_name_or_path: base } = await readJSON(adapter);
        throw await looked.missing(
            `it has an adapter alone, of ${JSON.stringify(base)}: put its files and those of its ` +
                'model into one folder, or merge them (merge_and_unload()) and save the result',
        );
    }
    throw await looked.missing('it has no weights that are read here');
}

/**
 * Where sentence-transformers has the encoder, if that is in a folder of its own; '' or ends in a
 * slash.
 * @param {Looked} looked
 */
async function innerFolder(looked) {
    const list = await looked.open('modules.json');
    const [first] = list ? await modulePaths(list) : [];
    return first ? `${first}/` : '';
}

/**
 * Weights of another name, if there is but one file that can be meant.
 * @param {Folder} folder
 */
async function onlyOne(folder) {
    const names = (await folder.names()) ?? [];
    const found = names.filter((name) => /^(onnx\/)?[^/]+\.(onnx|safetensors)$/i.test(name));
    const weights = found.filter((name) => !CONFIGS.includes(name));
    return weights.length === 1 ? weights : [];
}

/**
 * What goes with weights.
 * @param {Looked} looked
 * @param {string} name
 * @param {ReadableFile} weights
 * @param {string} [inner]  folder that has the encoder's files, '' or ends in a slash
 * @returns {Promise<Choice>}
 */
async function withOthers(looked, name, weights, inner = '') {
    const is_onnx = /\.onnx$/i.test(name);
    const folders = inner ? ['', inner] : [''];
    const inAll = (/** @type {string[]} */ names) =>
        looked.openAll(folders.flatMap((folder) => names.map((each) => folder + each)));
    const found = await inAll(CONFIGS);
    const has = (/** @type {string} */ each) => folders.some((folder) => found[folder + each]);
    if (!has('tokenizer.json')) Object.assign(found, await inAll(TOKENIZERS));
    if (!is_onnx && !has('config.json')) {
        if (await isOwn(name, weights)) return { own: weights, files: {}, weights: name };
        throw await looked.missing(
            `it has no config.json, which says what the tensors of ${name} are`,
        );
    }
    found[name] = weights;
    if (is_onnx) Object.assign(found, await externalData(looked, name));
    if (/\.index\.json$/i.test(name)) Object.assign(found, await shards(looked, name, weights));
    if (found['modules.json']) Object.assign(found, await modules(looked, found['modules.json']));
    return { files: found, weights: name };
}

/**
 * Files beside an ONNX file that may have its tensors: the graph alone names them, so that all are
 * taken which are called as exporters call them.
 * @param {Looked} looked
 * @param {string} name
 */
async function externalData(looked, name) {
    const folder = name.slice(0, name.lastIndexOf('/') + 1);
    const names = await looked.folder.names();
    if (names) {
        const others = names.filter(
            (each) =>
                each.startsWith(folder) &&
                !each.slice(folder.length).includes('/') &&
                /[._]data(_\d+)?$|\.(bin|weights)$/i.test(each) &&
                !Object.hasOwn(OTHERS, each),
        );
        return looked.openAll(others);
    }
    /** @type {Record<string, ReadableFile>} */
    const found = {};
    for (let i = 0; i < MOST_DATA_FILES; i++) {
        const data = `${name}_data${i ? `_${i}` : ''}`;
        const file = await looked.open(data);
        if (!file) break;
        found[data] = file;
    }
    return found;
}

/**
 * The files that an index names.
 * @param {Looked} looked
 * @param {string} name
 * @param {ReadableFile} index
 */
async function shards(looked, name, index) {
    const folder = name.slice(0, name.lastIndexOf('/') + 1);
    const { weight_map } = await readJSON(index);
    const names = new Set(Object.values(Object(weight_map)).map(String));
    if (!names.size) throw badFile(index, 'it must have a weight_map that names files');
    for (const each of names) {
        if (!/^[\w][\w.-]*\.safetensors$/.test(each)) {
            throw badFile(index, `it must name .safetensors files beside it, not '${each}'`);
        }
    }
    const paths = [...names].map((each) => folder + each);
    const found = await looked.openAll(paths);
    const missing = paths.find((path) => !found[path]);
    if (missing) throw await looked.missing(`it has no ${missing}, which ${name} names`);
    return found;
}

/**
 * What the modules of sentence-transformers have in folders of their own.
 * @param {Looked} looked
 * @param {ReadableFile} list
 */
async function modules(looked, list) {
    const paths = (await modulePaths(list)).filter(Boolean);
    const files = ['config.json', 'model.safetensors'];
    return looked.openAll(paths.flatMap((path) => files.map((file) => `${path}/${file}`)));
}

/** @param {ReadableFile} list  modules.json @returns {Promise<string[]>} */
async function modulePaths(list) {
    const all = await readJSON(list);
    const paths = (Array.isArray(all) ? all : []).map((each) => each?.path ?? '');
    for (const path of paths) {
        if (typeof path !== 'string' || !/^([\w][\w.-]*)?$/.test(path)) {
            throw badFile(list, `a module's path must be a folder beside it, not '${path}'`);
        }
    }
    return paths;
}

/** @param {ReadableFile} file @returns {Promise<any>} */
async function readJSON(file) {
    try {
        return JSON.parse(await readText(file, MOST_JSON));
    } catch (error) {
        if (error instanceof BertError) throw error;
        throw badFile(file, `it must be JSON (${/** @type {Error} */ (error).message})`);
    }
}

/** @param {ReadableFile} file @param {string} what */
function badFile(file, what) {
    return new BertError('BAD_MODEL_FILE', `${file.label}: ${what}`);
}

/**
 * Whether weights are a converted file, by their header.
 * @param {string} name
 * @param {ReadableFile} file
 */
export async function isOwn(name, file) {
    if (!/\.safetensors$/i.test(name)) return false;
    let bytes = await file.read(0, Math.min(file.size, FIRST_BYTES));
    const n = bytes.length < LENGTH_BYTES ? null : headerLength(bytes);
    if (n === null || LENGTH_BYTES + n > file.size) {
        throw badFile(file, 'it must be a safetensors file, whose header has the length it says');
    }
    if (LENGTH_BYTES + n > bytes.length) bytes = await file.read(0, LENGTH_BYTES + n);
    const text = new TextDecoder().decode(bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + n));
    try {
        return JSON.parse(text).__metadata__?.format === 'bert-wasm';
    } catch {
        throw badFile(file, 'its header must be JSON');
    }
}

/** A folder, and how it went with each file that was looked for in it. */
class Looked {
    /** @type {string[]} */
    #tried = [];

    /** @param {Folder} folder */
    constructor(folder) {
        this.folder = folder;
    }

    /** @param {string} name */
    async open(name) {
        try {
            const file = await this.folder.open(name);
            if (!file) this.#tried.push(`${name}: ${this.folder.is_listed ? 'no' : '404'}`);
            return file;
        } catch (error) {
            if (!(error instanceof BertError)) throw error;
            throw new BertError(error.code, `${this.#label}: ${error.message}${this.#history()}`, {
                cause: error,
            });
        }
    }

    /**
     * Those that are there.
     * @param {string[]} names
     * @returns {Promise<Record<string, ReadableFile>>}
     */
    async openAll(names) {
        const files = await Promise.all(names.map((name) => this.open(name)));
        return Object.fromEntries(
            names.flatMap((name, i) => {
                const file = files[i];
                return file ? [[name, file]] : [];
            }),
        );
    }

    /** @param {string} what */
    async missing(what) {
        const names = await this.folder.names();
        const other = Object.entries(OTHERS).find(([name]) => names?.includes(name));
        const has = other
            ? `; its ${other[0]} is ${other[1]}`
            : names?.length
              ? `; it has ${names.slice(0, 20).join(', ')}${names.length > 20 ? ', ...' : ''}`
              : '';
        return new BertError('FETCH_FAILED', `${this.#label}: ${what}${has}${this.#history()}`);
    }

    get #label() {
        return this.folder.label;
    }

    #history() {
        const all = [...this.folder.tried, ...this.#tried];
        return all.length ? `. Tried: ${all.join('; ')}` : '';
    }
}

/**
 * What a model's source is, by how it is written. This file alone is part of what every program
 * loads: what comes of the forms that it names is found out by find.js, which is fetched when
 * one of them is given.
 *
 * A string can be a name on the Hub or a relative address. It is a name if it has exactly two parts
 * of the letters that the Hub allows, and does not end like a file: `./org/name` is an address, and
 * so is `org/name/`. In Node a folder or file that exists wins over a name, as it does in Python.
 */

import { kindOfPath } from '#platform';

import { isBlob, kindOf } from '../realms.js';

/** Pages of the Hub, whose addresses people have. */
const HUB_PAGE = /^https:\/\/(huggingface|hf)\.co\//;

/** Of one part of a name: 96 letters at most, as the Hub has it. */
const PART = /^\w([\w.-]{0,94}\w)?$/;

/** How files end that no name of a model ends like. */
const FILE = /\.(safetensors|onnx|onnx_data|ort|json|bin|pt|pth|ckpt|h5|gguf|tflite|zip|git)$/i;

/** Weights that need a conversion, by the name that exporters give them. */
const WEIGHTS = /(\.onnx|(^|\/)model(-\d+-of-\d+)?\.safetensors|\.safetensors\.index\.json)$/i;

/** What is beside weights in a folder, and says that files are one. */
const BESIDE = /\.(json|onnx|onnx_data(_\d+)?|txt|model)$/i;

/**
 * @typedef {'name' | 'folder' | 'weights' | 'handle'} Form
 *   a name on the Hub; a folder, or files of one; a file that has to be looked into, as it may be
 *   none of ours; a handle of either
 */

/**
 * @param {unknown} source
 * @returns {Form | null}  null: a file of ours, or places of one
 */
export function formOf(source) {
    if (Array.isArray(source)) return isFolder(source) ? 'folder' : null;
    const kind = kindOf(source);
    if (kind === 'FileList') return 'folder';
    if (/^FileSystem\w*Handle$/.test(kind)) return 'handle';
    if (isBlob(source)) return isWeights(/** @type {File} */ (source).name) ? 'weights' : null;
    if (kind === 'URL') return formOfURL(new URL(String(source))); // it may be of another realm
    if (typeof source !== 'string') return null;
    const isURL = /^[a-z][a-z0-9+.-]+:/i.test(source);
    const there = isURL ? null : kindOfPath(source);
    if (there === 'folder') return 'folder';
    if (there === null && isHubName(source)) return 'name';
    return isURL && URL.canParse(source) ? formOfURL(new URL(source)) : formOfPath(source);
}

/** @param {URL} url @returns {Form | null} */
function formOfURL({ href, pathname }) {
    if (HUB_PAGE.test(href) && !/\/resolve\/.*\.safetensors$/.test(pathname)) return 'name';
    return pathname === '/' ? null : formOfPath(pathname);
}

/** @param {string} source */
export function isHubName(source) {
    const parts = source.split('/');
    return (
        parts.length === 2 &&
        parts.every((part) => PART.test(part)) &&
        !/--|\.\./.test(source) &&
        !FILE.test(source)
    );
}

/** @param {string} path @returns {Form | null} */
function formOfPath(path) {
    if (path.endsWith('/')) return 'folder';
    return isWeights(path) ? 'weights' : null;
}

/** @param {string} [name] */
function isWeights(name = '') {
    return WEIGHTS.test(name);
}

/**
 * Files of a folder, and not places of one file.
 * @param {any[]} list
 */
function isFolder(list) {
    if (!list.every(isFile)) return false;
    return list.some(({ webkitRelativePath, name }) => webkitRelativePath || BESIDE.test(name));
}

/** @param {unknown} value @returns {boolean} */
function isFile(value) {
    return isBlob(value) && 'name' in value;
}

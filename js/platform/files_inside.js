/// <reference path="./inside.d.ts" />
/**
 * `#files` of the build that has all in one file: see tools/single.mjs. The script of the worker
 * becomes a Blob when a model is loaded, so that importing the package does nothing.
 */

import { SENTIMENT_FILE } from './files.js';
import base from 'inside:engine-base.wasm';
import base_threads from 'inside:engine-base-threads.wasm';
import relaxed from 'inside:engine-relaxed.wasm';
import relaxed_threads from 'inside:engine-relaxed-threads.wasm';
import search from 'inside:search.wasm';
import worker from 'inside:worker.js';

export { SENTIMENT_FILE };

/** @import { PackageFile } from './files.js' */

/** @type {URL | undefined} */
let script;

export function workerScript() {
    script ??= new URL(URL.createObjectURL(new Blob([worker], { type: 'text/javascript' })));
    return script;
}

/** The converter is not in this file. @returns {URL} */
export function converterScript() {
    throw new Error('it is not in this file');
}

/** Nor is training. */
export const trainerScript = converterScript;

/** @returns {Record<string, PackageFile>} */
export const engineModules = () => ({
    base: bytesOf(base),
    relaxed: bytesOf(relaxed),
    'base-threads': bytesOf(base_threads),
    'relaxed-threads': bytesOf(relaxed_threads),
});

/** @returns {PackageFile} */
export const searchModule = () => bytesOf(search);

/** Beside the script, if that has a place. */
export function sentimentModel() {
    const model = `models/${SENTIMENT_FILE}`;
    return URL.canParse(model, import.meta.url) ? new URL(model, import.meta.url) : undefined;
}

/** @param {string} text */
function bytesOf(text) {
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return bytes;
}

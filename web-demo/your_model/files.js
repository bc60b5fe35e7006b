/** Files that were chosen or dropped, and the one that they become. */

import { partOfPage } from '../shell/failure.js';

/** Folders in a dropped folder that are looked into. */
const MOST_DEPTH = 3;

/** Bytes of a licence that are shown. */
const MOST_LICENCE = 100_000;

const LICENCE = /(^|\/)(LICEN[CS]E|COPYING|NOTICE)(\.(md|txt))?$/i;

/**
 * Files that were dropped, those in folders with their paths.
 * @param {DataTransfer} dropped  valid until the event ends: what it has is taken at once
 * @returns {Promise<File[]>}
 */
export async function filesOf({ items }) {
    const found = Array.from(items, (item) => item.webkitGetAsEntry() ?? item.getAsFile());
    const files = found.map((one) =>
        one === null ? [] : one instanceof File ? [one] : filesIn(one, 0),
    );
    return (await Promise.all(files)).flat();
}

/**
 * @param {FileSystemEntry} entry
 * @param {number} depth
 * @returns {Promise<File[]>}
 */
async function filesIn(entry, depth) {
    if (entry.isFile) {
        const { fullPath } = entry;
        /** @type {File} */
        const file = await new Promise((resolve, reject) =>
            /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject),
        );
        // As a chosen folder's files have it.
        const path = depth > 0 ? fullPath.slice(1) : '';
        Object.defineProperty(file, 'webkitRelativePath', { value: path });
        return [file];
    }
    if (depth > MOST_DEPTH || entry.name.startsWith('.')) return [];
    const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
    /** @type {FileSystemEntry[]} */
    const entries = [];
    for (;;) {
        /** @type {FileSystemEntry[]} */
        const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
        if (!some.length) break; // browsers give a hundred at a time
        entries.push(...some);
    }
    return (await Promise.all(entries.map((each) => filesIn(each, depth + 1)))).flat();
}

/**
 * One file of ours, made of them unless one of them is that already.
 * @param {File[]} files
 * @param {object} how
 * @param {any} how.dtype
 * @param {AbortSignal} how.signal
 * @param {(progress: import('./get_page.js').Progress) => void} how.onprogress
 * @returns {Promise<{file: Blob, name: string, is_made: boolean, licence: string | null}>}
 */
export async function convertFiles(files, { dtype, signal, onprogress }) {
    const { findModel } = await partOfPage(import('bert-wasm/sources'));
    const nowhere = { hub: null, token: null, library: null };
    const { given } = await findModel(files, { signal, dtype }, nowhere, (progress) =>
        onprogress({ ...progress, rate: 0 }),
    );
    const path = files[0].webkitRelativePath;
    const weights = files.find(({ name }) => /\.(onnx|safetensors)$/i.test(name)) ?? files[0];
    const name = path ? path.slice(0, path.indexOf('/')) : weights.name.replace(/\.\w+$/, '');
    const file = /** @type {Blob} */ (given[0]);
    const text = files.find((each) => LICENCE.test(each.webkitRelativePath || each.name));
    const licence = text ? await text.slice(0, MOST_LICENCE).text() : null;
    return { file, name, is_made: !files.includes(/** @type {File} */ (file)), licence };
}

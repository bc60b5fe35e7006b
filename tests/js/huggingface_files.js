/**
 * Folders as transformers writes them, changed for a test: their safetensors files are read, taken
 * apart, and written again in other ways.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { CONVERTER, GOLDEN, scratch } from './converted.js';

export const HUGGINGFACE = join(GOLDEN, 'huggingface');
let n_folders = 0;

/** The path of a new folder, which is not there yet. */
export const newPath = () => join(scratch, `folder-${n_folders++}`);

/**
 * A safetensors file.
 * @param {string} path
 * @returns {Record<string, {dtype: string, shape: number[], bytes: Buffer}>}
 */
export function readTensors(path) {
    const file = readFileSync(path);
    const start = 8 + Number(file.readBigUInt64LE(0));
    const { __metadata__: _, ...header } = JSON.parse(file.toString('utf8', 8, start));
    return Object.fromEntries(
        Object.entries(header).map(([name, { dtype, shape, data_offsets }]) => {
            const [from, to] = data_offsets;
            return [name, { dtype, shape, bytes: file.subarray(start + from, start + to) }];
        }),
    );
}

/** The metadata of a model file that the converter wrote. */
export function readMetadata(path) {
    const file = readFileSync(path);
    const header = file.toString('utf8', 8, 8 + Number(file.readBigUInt64LE(0)));
    const { config, ...rest } = JSON.parse(header).__metadata__;
    return { ...rest, config: JSON.parse(config) };
}

/** A file of a header, which may be any text or object, and its data. */
export function bytesOf(header, data) {
    const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    return Buffer.concat([length, text, data]);
}

/** The header and data of tensors, one behind the other. */
export function layOut(tensors) {
    const header = { __metadata__: { format: 'pt' } };
    let end = 0;
    for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
        header[name] = { dtype, shape, data_offsets: [end, end + bytes.length] };
        end += bytes.length;
    }
    return { header, data: Buffer.concat(Object.values(tensors).map(({ bytes }) => bytes)) };
}

export function writeTensors(path, tensors) {
    const { header, data } = layOut(tensors);
    writeFileSync(path, bytesOf(header, data));
}

/**
 * A copy of a golden's folder without its graph and answers, in which some files are others: bytes,
 * text, an object for JSON, a function of what was there (JSON, or tensors), or null for none.
 * @param {string} name
 * @param {Record<string, any>} files
 */
export function folderOf(name, files = {}) {
    const path = newPath();
    cpSync(join(HUGGINGFACE, name), path, {
        recursive: true,
        filter: (source) => !/model\.onnx$|golden\.json$/.test(source),
    });
    for (const [file, content] of Object.entries(files)) {
        const place = join(path, file);
        mkdirSync(dirname(place), { recursive: true });
        if (content === null) spawnSync('rm', ['-r', place]);
        else if (typeof content !== 'function') {
            const is_data = typeof content === 'string' || Buffer.isBuffer(content);
            writeFileSync(place, is_data ? content : JSON.stringify(content));
        } else if (file.endsWith('.safetensors')) {
            const tensors = readTensors(place);
            writeTensors(place, content(tensors) ?? tensors);
        } else {
            const json = JSON.parse(readFileSync(place, 'utf8'));
            writeFileSync(place, JSON.stringify(content(json) ?? json));
        }
    }
    return path;
}

function run(source, out, options) {
    assert.ok(existsSync(CONVERTER), 'make native');
    const { status, signal, stderr } = spawnSync(CONVERTER, [source, '-o', out, ...options], {
        encoding: 'utf8',
        timeout: 120e3,
    });
    assert.equal(signal, null, `${source} ended by ${signal}\n${stderr}`);
    return { status, stderr };
}

/** Converts a folder or file: the path of the model file, and what was said. */
export function convert(source, ...options) {
    const where = newPath();
    mkdirSync(where);
    const path = join(where, 'out.safetensors');
    const { status, stderr } = run(source, path, options);
    assert.equal(status, 0, `${source}: ${stderr}`);
    return { path, stderr };
}

/** Asserts that converting fails, says `message`, and leaves no file. */
export function refuse(source, message, ...options) {
    const where = newPath();
    mkdirSync(where);
    const { status, stderr } = run(source, join(where, 'out.safetensors'), options);
    assert.equal(status, 1, `exit code ${status} for ${source}: ${stderr}`);
    assert.match(stderr, message);
    assert.ok(stderr.split('\n').length <= 4, `one fault, and notes: ${stderr}`);
    assert.deepEqual(readdirSync(where), [], 'nothing is left behind');
}

/** A model file's tensors, without those that are padding. */
export const modelTensors = (path) =>
    Object.fromEntries(
        Object.entries(readTensors(path)).filter(([name]) => !name.startsWith('padding.')),
    );

/** Numbers of an F32 tensor. */
export const floatsOf = ({ bytes }) =>
    Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));

/** Makes the same numbers in other bytes: each is rounded by `write`. */
export function retyped(tensor, dtype, size, write) {
    const floats = floatsOf(tensor);
    const bytes = Buffer.alloc(floats.length * size);
    floats.forEach((value, i) => write(bytes, value, i * size));
    return { dtype, shape: tensor.shape, bytes };
}

/** `bert-wasm convert`: runs the native converter, which is not in the npm package. */

import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { BertError } from '../errors.js';

const NAME = process.platform === 'win32' ? 'bert-convert.exe' : 'bert-convert';

/** @type {import('./options.js').Command} */
export const command = {
    usage: 'MODEL -o FILE.safetensors [ARGUMENT ...]',
    summary: 'Makes a model file of an ONNX model, by the native converter bert-convert.',
    options: {},
    example: 'bert-wasm convert path/to/model -o my.safetensors --dtype q8',
    notes: `Arguments go to bert-convert as they are (bert-wasm convert -- --help prints its own
help), its exit code comes back. It is looked for at $BERT_CONVERT, in build/native of this
package's checkout, and on PATH.`,
    run,
};

/** @param {string[]} args */
async function run(args) {
    const program = find();
    if (!program) {
        throw new BertError(
            'UNSUPPORTED',
            'the native converter was not found: it is not part of the npm package. Build it in ' +
                'a checkout of bert-wasm (make native), then name it by ' +
                'BERT_CONVERT=path/to/bert-convert or put it on PATH',
        );
    }
    const child = spawn(program, args[0] === '--' ? args.slice(1) : args, { stdio: 'inherit' });
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

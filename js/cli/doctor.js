/** `bert-wasm doctor`: what this machine lacks, and what to do. Exit code 1 if nothing can run. */

import { createRequire } from 'node:module';
import { freemem } from 'node:os';
import { resolve } from 'node:path';

import { version } from '../../package.json';
import { commonFindings, diagnosisOf, missing } from '../diagnose/findings.js';
import { BertError } from '../errors.js';
import { DEFAULT_MODEL } from '../model/default_model.js';
import { loadModel } from '../model/model.js';
import { loadOptions, MODEL_OPTIONS, parse } from './options.js';
import { print } from './print.js';

/** @import { Finding } from '../diagnose/findings.js' */

/** Bytes that a model of usual size takes, and that should be there. */
const FEW_BYTES = 256e6;

/** @type {import('./options.js').Options} */
const OPTIONS = {
    json: { type: 'boolean', help: 'one JSON object instead of lines' },
    ...MODEL_OPTIONS,
};

/** @type {import('./options.js').Command} */
export const command = {
    usage: '[OPTION ...]',
    summary: 'What this machine lacks, and what to do. Exit code 1 if models cannot run.',
    options: OPTIONS,
    example: 'bert-wasm doctor --json',
    notes: 'A page says the same of its browser: diagnose() of bert-wasm/diagnose.',
    run,
};

/** @param {string[]} args */
async function run(args) {
    const { values } = parse(args, OPTIONS);
    const diagnosis = diagnosisOf([
        { name: 'node', state: 'good', found: `${process.versions.node}, bert-wasm ${version}` },
        ...(await commonFindings()),
        memory(),
        ...versions(),
        await model(values),
    ]);
    if (values.json) await print(diagnosis);
    else process.stdout.write(diagnosis.findings.map(line).join(''));
    if (!diagnosis.ok) process.exitCode = 1;
}

/** @param {Finding} finding */
function line({ name, state, found, advice }) {
    const head = `${state.padEnd(8)} ${name.padEnd(13)} `;
    return `${head}${found}\n${advice ? `${' '.repeat(head.length)}${advice}\n` : ''}`;
}

/** @returns {Finding} */
function memory() {
    const free = (process.availableMemory ?? freemem)();
    const found = `${Math.round(free / 1e6)} MB available`;
    if (free >= FEW_BYTES) return { name: 'memory', state: 'good', found };
    return { name: 'memory', state: 'lesser', found, advice: 'models of usual size need more' };
}

/** Whether the model's package is of the library's version. @returns {Finding[]} */
function versions() {
    const installed = sentimentVersion();
    if (installed === undefined) return [];
    const name = 'versions';
    const found = `${DEFAULT_MODEL} ${installed}`;
    if (installed === version) return [{ name, state: 'good', found }];
    const advice = `npm install bert-wasm@latest ${DEFAULT_MODEL}@latest, so that both are new`;
    return [{ name, state: 'lesser', found, advice }];
}

/** Of the package that loadModel() would find. @returns {string | undefined} */
function sentimentVersion() {
    for (const place of [import.meta.url, resolve('package.json')]) {
        try {
            return createRequire(place)(`${DEFAULT_MODEL}/package.json`).version;
        } catch {
            // not here
        }
    }
    return undefined;
}

/**
 * Loads it, and compares its answers with those that the converter wrote into it.
 * @param {Record<string, any>} values  of the options
 * @returns {Promise<Finding>}
 */
async function model(values) {
    const name = 'model';
    try {
        const model = await loadModel(values.model, loadOptions(values));
        const { dtype, variant, threads } = await model.info();
        const found = `${model.name} (${dtype}) answers, build ${variant}, threads ${threads}`;
        const { ok, error } = await model.verify();
        model.dispose();
        if (ok) return { name, state: 'good', found };
        const advice = `its answers are off by ${error}: is the file damaged?`;
        return { name, state: 'missing', found, advice };
    } catch (error) {
        const is_optional = values.model === undefined && error instanceof BertError;
        if (!is_optional || error.code !== 'FETCH_FAILED') return missing(name, error);
        return { name, state: 'lesser', found: 'none to begin with', advice: error.message };
    }
}

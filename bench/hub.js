/**
 * From navigation to the first answer of a page that has but a model's name: this library with the
 * weights that Python has, which it converts, beside transformers.js with its ONNX files. The first
 * visit, and the second of the same profile.
 *
 *     make bench-hub
 *     node bench/hub.js [--rounds N]
 *
 * all-MiniLM-L6-v2 in a folder of a server here, laid out as on the Hub; one thread. All take turns
 * in each round; numbers are medians.
 */

import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { launchChromium } from '../tests/tools/chromium.js';
import { mountsOf, visit } from './chromium.js';
import { prepareEncoders } from './real_models.js';
import { serve } from './server.js';
import { median } from './statistics.js';

const DIST = join(import.meta.dirname, '../build/dist');
const NAME = 'sentence-transformers/all-MiniLM-L6-v2';
const TEXT = 'It was the best of times, it was the worst of times.';

const CANDIDATES = [
    { name: 'bert-wasm, model.safetensors to q8', page: 'bert_wasm_hub', dtype: 'q8' },
    { name: 'bert-wasm, model.safetensors to f32', page: 'bert_wasm_hub', dtype: 'f32' },
    { name: 'transformers.js, onnx/model_quantized.onnx', page: 'transformers_hub', dtype: 'q8' },
    { name: 'transformers.js, onnx/model.onnx', page: 'transformers_hub', dtype: 'fp32' },
];

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' } } });
const [minilm] = prepareEncoders(console.error, ['minilm-l6']);
if (!minilm) throw new Error('all-MiniLM-L6-v2 could not be made');
const hub = layOut(minilm.directory);
const server = await serve({ ...mountsOf({ dist: DIST, models: [] }), '/hub/': hub });
const browser = await launchChromium({ is_whole: true });
try {
    /** @type {Map<string, {first: number, second: number}[]>} */
    const visits = new Map(CANDIDATES.map(({ name }) => [name, []]));
    // The first round warms the disk's cache.
    for (let round = -1; round < Number(values.rounds); round++) {
        for (const candidate of CANDIDATES) {
            const context = await browser.newContext();
            const found = {
                first: await measureVisit(context, candidate),
                second: await measureVisit(context, candidate),
            };
            await context.close();
            if (round >= 0) visits.get(candidate.name)?.push(found);
        }
    }
    console.log('| | first visit, ms | second visit, ms |\n| --- | --- | --- |');
    for (const [name, list] of visits) {
        const of = (/** @type {'first' | 'second'} */ key) =>
            median(list.map((each) => each[key])).toFixed(0);
        console.log(`| ${name} | ${of('first')} | ${of('second')} |`);
    }
} finally {
    await browser.close();
    server.close();
    rmSync(hub, { recursive: true });
}

/**
 * A folder of the Hub, of links.
 * @param {string} directory  of real_models.py
 */
function layOut(directory) {
    const folder = mkdtempSync(join(tmpdir(), 'bert-wasm-hub-'));
    const repository = join(folder, NAME);
    mkdirSync(join(repository, 'onnx'), { recursive: true });
    for (const name of ['config.json', 'tokenizer.json', 'tokenizer_config.json']) {
        symlinkSync(join(directory, name), join(repository, name));
    }
    symlinkSync(join(directory, 'model.safetensors'), join(repository, 'model.safetensors'));
    for (const name of ['model.onnx', 'model_quantized.onnx']) {
        symlinkSync(join(directory, name), join(repository, 'onnx', name));
    }
    return folder;
}

/**
 * @param {import('playwright-core').BrowserContext} context
 * @param {typeof CANDIDATES[number]} candidate
 * @returns {Promise<number>} milliseconds
 */
async function measureVisit(context, { page: name, dtype }) {
    const page = await context.newPage();
    const { ms } = await visit(page, server.origin, name, { name: NAME, text: TEXT, dtype });
    await page.evaluate(() => /** @type {any} */ (globalThis).stored?.());
    await page.close();
    return ms;
}

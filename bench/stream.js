/**
 * From navigation to the first answer, and from the last byte of the model to it: this library
 * while its weights arrive, beside onnxruntime-web and transformers.js with the same weights, and
 * beside the floor, a page that starts and reads the model's bytes.
 *
 *     make bench-stream
 *     node bench/stream.js [--rounds N] [--slow-rounds N] [--mbit 20] [--only fast|slow|memory]
 *                          [--pages REGEXP]
 *
 * All take turns in each round; numbers are medians, ratios of one run. When the last byte came,
 * the browser says (responseEnd of the model's entry). The compute time is that of the same text,
 * of 128 tokens, again. Everyone has one thread, a new profile for every visit but the second ones.
 */

import { fork } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';

import { modelBytes } from '../tests/js/model_bytes.js';
import { launchChromium } from '../tests/tools/chromium.js';
import { FaultyServer } from '../tests/tools/faulty_server.js';
import { mountsOf, visit } from './chromium.js';
import { prepareMiniLm } from './models.js';
import { median } from './statistics.js';

const ROOT = join(import.meta.dirname, '..');
const DIST = join(ROOT, 'build/dist');
const TIMEOUT = 120_000;

/** Of words of one token each: 128 tokens with the special ones. */
const TEXT = 'film '.repeat(126).trim();
const IDS = [101, ...new Array(126).fill(2143), 102].join();

/**
 * @typedef {object} Visit
 * @property {number} ms  from navigation to the first answer
 * @property {number} after_ms  of these after the last byte of the model
 * @property {number} compute_ms  the same text again; 0: the page computes nothing
 *
 * @typedef {{name: string, page: string, parameters: Record<string, string>}} Candidate
 */

if (process.argv[2] === 'load') await loadHere(process.argv[3]);
else await main();

async function main() {
    const { values } = parseArgs({
        options: {
            rounds: { type: 'string', default: '9' },
            'slow-rounds': { type: 'string', default: '3' },
            pages: { type: 'string', default: '' },
            mbit: { type: 'string', default: '20' },
            only: { type: 'string', default: '' },
        },
    });
    const rate = (Number(values.mbit) * 1e6) / 8;
    const warn = (/** @type {string} */ text) => console.error(`bench: ${text}`);
    const converter = join(ROOT, 'build/native/bert-convert');
    const minilm = prepareMiniLm({ dist: DIST, converter, warn });
    const mounts = mountsOf({ dist: DIST, models: [minilm] });
    const server = await FaultyServer.open(mounts, { isolated: true });
    const model = `/converted/${basename(minilm.converted.q8)}`;
    const ours = { model, text: TEXT, threads: '1' };
    /** @type {Candidate[]} */
    const candidates = [
        { name: 'floor', page: 'floor', parameters: { model } },
        {
            name: 'bert-wasm, streaming',
            page: 'bert_wasm_stream',
            parameters: { ...ours, streaming: '' },
        },
        { name: 'bert-wasm', page: 'bert_wasm_stream', parameters: ours },
        { name: 'onnxruntime-web', page: 'onnxruntime_web', parameters: { ids: IDS } },
        { name: 'transformers.js', page: 'transformers', parameters: { text: TEXT } },
    ];
    const wanted = new RegExp(`floor|${values.pages}`);
    const compared = candidates.filter(({ name }) => wanted.test(name));
    const browser = await launchChromium({ is_whole: true });
    try {
        if (values.only !== 'slow' && values.only !== 'memory') {
            await compare('unthrottled', compared, Number(values.rounds), browser, server);
            await secondVisits(candidates[1], Number(values.rounds), browser, server);
        }
        if (values.only !== 'fast' && values.only !== 'memory') {
            for (const [path, folder] of Object.entries(mounts))
                throttle(server, path, folder, rate);
            const rounds = Number(values['slow-rounds']);
            await compare(`${values.mbit} Mbit/s`, compared, rounds, browser, server);
            await inNode(`${server.url}${model.slice(1)}`, rounds);
        }
    } finally {
        await browser.close();
        await server.close();
    }
    if (values.only === '' || values.only === 'memory') await memory();
}

/**
 * @param {string} title
 * @param {Candidate[]} candidates
 * @param {number} rounds
 * @param {import('playwright-core').Browser} browser
 * @param {FaultyServer} server
 */
async function compare(title, candidates, rounds, browser, server) {
    /** @type {Map<string, Visit[]>} */
    const visits = new Map(candidates.map(({ name }) => [name, []]));
    for (let round = -1; round < rounds; round++) {
        for (const candidate of candidates) {
            const context = await browser.newContext();
            const found = await measureVisit(context, candidate, server).catch((error) => {
                console.error(`bench: ${candidate.name}: ${error.message}`);
            });
            await context.close();
            // The first round warms the disk's cache.
            if (round >= 0 && found) visits.get(candidate.name)?.push(found);
        }
    }
    const floor = median((visits.get('floor') ?? []).map(({ ms }) => ms));
    console.log(`\n${title}, ${rounds} rounds\n`);
    console.log('| | first answer, ms | of the floor | after the last byte, ms | compute, ms |');
    console.log('| --- | --- | --- | --- | --- |');
    for (const [name, list] of visits) {
        const of = (/** @type {keyof Visit} */ key) => median(list.map((each) => each[key]));
        const ratio = (of('ms') / floor).toFixed(2);
        console.log(
            `| ${name} | ${of('ms').toFixed(0)} | ${ratio} | ${of('after_ms').toFixed(0)} | ` +
                `${of('compute_ms').toFixed(1)} |`,
        );
    }
}

/**
 * The first visit, the second, and one without network, of one profile.
 * @param {Candidate} candidate
 * @param {number} rounds
 * @param {import('playwright-core').Browser} browser
 * @param {FaultyServer} server
 */
async function secondVisits(candidate, rounds, browser, server) {
    const kinds = [
        candidate,
        candidate,
        { ...candidate, parameters: { ...candidate.parameters, offline: '' } },
    ];
    /** @type {number[][]} */
    const ms = kinds.map(() => []);
    for (let round = 0; round < rounds; round++) {
        const context = await browser.newContext();
        for (const [i, kind] of kinds.entries())
            ms[i].push((await measureVisit(context, kind, server)).ms);
        await context.close();
    }
    const [first, second, offline] = ms.map(median);
    console.log(
        `\nfirst visit ${first.toFixed(0)} ms, second ${second.toFixed(0)} ms ` +
            `(${(second / first).toFixed(2)}), offline ${offline.toFixed(0)} ms ` +
            `(${(offline / first).toFixed(2)})`,
    );
}

/**
 * @param {import('playwright-core').BrowserContext} context
 * @param {Candidate} candidate
 * @param {FaultyServer} server
 * @returns {Promise<Visit>}
 */
async function measureVisit(context, { page: name, parameters }, server) {
    const page = await context.newPage();
    const { ms } = await visit(page, server.url, name, parameters, TIMEOUT);
    const { end, times } = await page.evaluate(async () => {
        const ends = performance
            .getEntriesByType('resource')
            .filter(({ name }) => /\.(safetensors|onnx)$/.test(name))
            .map((entry) => /** @type {PerformanceResourceTiming} */ (entry).responseEnd);
        const { again } = /** @type {any} */ (globalThis);
        const times = [];
        for (let i = 0; again && i < 9; i++) {
            const start = performance.now();
            await again();
            times.push(performance.now() - start);
        }
        await /** @type {any} */ (globalThis).stored?.();
        return { end: Math.max(0, ...ends), times };
    });
    await page.close();
    return { ms, after_ms: ms - end, compute_ms: times.length ? median(times) : 0 };
}

/** Every file of a folder. @param {FaultyServer} server */
function throttle(
    server,
    /** @type {string} */ path,
    /** @type {string} */ folder,
    /** @type {number} */ rate,
) {
    for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
        if (/\.(js|mjs|wasm|onnx|safetensors|json|html)$/.test(name)) {
            server.faults.set(path + name, { rate });
        }
    }
}

/**
 * A process that loads a model and reports.
 * @param {string} url
 * @returns {Promise<any>}
 */
function loadElsewhere(url) {
    return new Promise((resolve, reject) => {
        const child = fork(import.meta.filename, ['load', url], { stdio: 'inherit' });
        child.once('message', resolve);
        child.once('exit', (code) => reject(new Error(`the process ended (${code})`)));
    });
}

/** @param {string} url @param {number} rounds */
async function inNode(url, rounds) {
    const found = [];
    for (let round = 0; round < rounds; round++) found.push(await loadElsewhere(url));
    const of = (/** @type {string} */ key) => median(found.map((each) => each[key]));
    console.log(
        `\nNode: ${of('after_ms').toFixed(0)} ms from the last byte to the first answer, ` +
            `compute ${of('compute_ms').toFixed(1)} ms`,
    );
}

/** A model as large as BERT-base in f32, from a server: what a process has beyond its weights. */
async function memory() {
    const folder = mkdtempSync(join(tmpdir(), 'bert-wasm-bench-'));
    const path = join(folder, 'model.safetensors');
    const encoder = {
        vocab_size: 30522,
        hidden_size: 768,
        embedding_size: 768,
        intermediate_size: 3072,
        n_layers: 12,
        n_heads: 12,
        n_positions: 512,
        n_token_types: 2,
        n_labels: 2,
        layer_norm_eps: 1e-12,
        activation: 'gelu',
        pooler_activation: 'tanh',
    };
    const config = {
        architecture: 'bert',
        encoder,
        outputs: { logits: { output: 'logits' } },
        labels: ['no', 'yes'],
        problem_type: null,
        max_length: 512,
    };
    writeFileSync(path, modelBytes({ config, tokenizer: null, chunk_bytes: 1 << 20 }));
    const server = await FaultyServer.open({ '/models/': folder });
    try {
        const { peak, base, memory_bytes, n_bytes } = await loadElsewhere(
            `${server.url}models/model.safetensors`,
        );
        const MB = (/** @type {number} */ n) => `${(n / 1e6).toFixed(0)} MB`;
        console.log(
            `\nmemory, Node: a file of ${MB(n_bytes)}, ${MB(memory_bytes)} of the engine, ` +
                `${MB(peak - base)} at most beyond the process before it`,
        );
    } finally {
        await server.close();
        rmSync(folder, { recursive: true });
    }
}

/** Resident bytes at most. */
function peakBytes() {
    const [, kB] = readFileSync('/proc/self/status', 'utf8').match(/VmHWM:\s+(\d+) kB/) ?? [];
    return Number(kB) * 1024;
}

/** In the other process. @param {string} url */
async function loadHere(url) {
    let last_byte = 0;
    const { fetch } = globalThis;
    globalThis.fetch = async (resource, options) => {
        const { body, status, headers } = await fetch(resource, options);
        const watched = new TransformStream({
            transform(part, controller) {
                last_byte = performance.now();
                controller.enqueue(part);
            },
        });
        return new Response(body?.pipeThrough(watched), { status, headers });
    };
    const { loadModel } = await import(join(DIST, 'index.node.js'));
    const base = process.memoryUsage().rss;
    const options = { streaming: true, threads: 1, cache: false };
    const model = await loadModel(url, options);
    const ask = () => model.forward({ input_ids: IDS.split(',').map(Number) });
    await ask();
    const answered = performance.now();
    const times = [];
    for (let i = 0; i < 9; i++) {
        const start = performance.now();
        await ask();
        times.push(performance.now() - start);
    }
    const { memory_bytes, arrival } = await model.info();
    process.send?.({
        after_ms: answered - last_byte,
        compute_ms: median(times),
        peak: peakBytes(),
        base,
        memory_bytes,
        n_bytes: arrival.total,
    });
    process.disconnect();
    model.dispose();
}

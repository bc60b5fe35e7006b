/**
 * Fine-tuning in a page, in the whole Chromium: a small encoder learns all of its weights from some
 * labelled sentences. How long it takes, from the call to the model, with the base read; how long
 * the page's thread is busy with one task, and between two of its frames; memory of the trainer,
 * and the most that the page's process had.
 *
 *     make bench-train-page DATA=../shared/data/sentiment/train.tsv
 *     node bench/train_page.js --data TSV [--model FILE] [--rows 200] [--epochs 3] [--threads 2]
 *         [--runs 3] [--record]
 *
 * TSV: columns `sentence` and `label`, whose first rows are learned. FILE: a model file, by default
 * the page's own, a MiniLM-L6. Each run has a browser of its own; the run of the median time is
 * told, the longest task and gap are those of all runs. With --record it goes to
 * bench/measured.json, and from there into the documents: `make numbers`.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

import { launchChromium } from '../tests/tools/chromium.js';
import { tasksWhile } from '../tests/tools/tasks.js';
import { serve } from './server.js';

const ROOT = join(import.meta.dirname, '..');
const MEASURED = join(ROOT, 'bench/measured.json');

const { values } = parseArgs({
    options: {
        data: { type: 'string' },
        model: {
            type: 'string',
            default: join(ROOT, 'web-demo/models/sentiment-minilm-l6-q8.safetensors'),
        },
        rows: { type: 'string', default: '200' },
        epochs: { type: 'string', default: '3' },
        threads: { type: 'string', default: '2' },
        runs: { type: 'string', default: '3' },
        record: { type: 'boolean', default: false },
    },
});
const { data, model } = values;
if (!data) throw new Error('node bench/train_page.js --data TSV');

const [head, ...lines] = readFileSync(data, 'utf8').trimEnd().split(/\r?\n/);
const names = head.split('\t');
const [text, label] = [names.indexOf('sentence'), names.indexOf('label')];
const examples = lines.slice(0, Number(values.rows)).map((line) => {
    const columns = line.split('\t');
    return { text: columns[text], label: columns[label] };
});

/** In the page. @param {{base: string, examples: object[], epochs: number, threads: number}} how */
async function train({ base, examples, epochs, threads }) {
    const library = '/dist/train.js';
    /** @type {typeof import('../js/train/index.js')} */
    const { fineTune } = await import(library);
    let [longest_gap, last, is_done] = [0, performance.now(), false];
    requestAnimationFrame(function frame() {
        const now = performance.now();
        [longest_gap, last] = [Math.max(longest_gap, now - last), now];
        if (!is_done) requestAnimationFrame(frame);
    });
    const begun = performance.now();
    const trained = await fineTune(base, /** @type {any} */ (examples), { epochs, threads });
    is_done = true;
    const { memory_bytes, history } = trained;
    return {
        seconds: (performance.now() - begun) / 1000,
        longest_gap,
        memory_bytes,
        n_epochs: history.length,
    };
}

/** @param {string} origin @param {string} base */
async function run(origin, base) {
    const browser = await launchChromium({ is_whole: true });
    try {
        const page = await browser.newPage();
        page.setDefaultTimeout(3_600_000);
        await page.goto(`${origin}/bench/instance.html`);
        const [epochs, threads] = [Number(values.epochs), Number(values.threads)];
        /** @type {Awaited<ReturnType<typeof train>> | undefined} */
        let found;
        const { own, clock } = await tasksWhile(page, async () => {
            found = await page.evaluate(train, { base, examples, epochs, threads });
        });
        if (!found) throw new Error('the page has answered nothing');
        const peak_bytes = await peakOf(browser);
        return { ...found, peak_bytes, own_ms: own[0], clock_ms: clock[0] };
    } finally {
        await browser.close();
    }
}

/**
 * Bytes that the page's process had at most.
 * @param {import('playwright-core').Browser} browser
 */
async function peakOf(browser) {
    const system = await browser.newBrowserCDPSession();
    const { processInfo } = await system.send('SystemInfo.getProcessInfo');
    const peaks = processInfo
        .filter(({ type }) => type === 'renderer')
        .map(({ id }) => /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${id}/status`, 'utf8')));
    return Math.max(...peaks.map((peak) => 1024 * Number(peak?.[1] ?? 0)));
}

const server = await serve({
    '/bench/': import.meta.dirname,
    '/dist/': join(ROOT, 'build/dist'),
    '/model/': dirname(model),
});
const runs = [];
try {
    for (let i = 0; i < Number(values.runs); i++) {
        const found = await run(server.origin, `${server.origin}/model/${basename(model)}`);
        console.log(JSON.stringify(found));
        runs.push(found);
    }
} finally {
    server.close();
}
runs.sort((a, b) => a.seconds - b.seconds);
const middle = runs[Math.floor((runs.length - 1) / 2)];
const most = (/** @type {'own_ms' | 'clock_ms' | 'longest_gap'} */ of) =>
    Number(Math.max(...runs.map((each) => each[of])).toFixed(1));
const found = {
    command: 'make bench-train-page',
    date: new Date().toISOString().slice(0, 10),
    rows: examples.length,
    epochs: Number(values.epochs),
    threads: Number(values.threads),
    runs: runs.length,
    seconds: Number(middle.seconds.toFixed(1)),
    longest_task_ms: most('own_ms'),
    longest_task_clock_ms: most('clock_ms'),
    longest_gap_ms: most('longest_gap'),
    memory_bytes: middle.memory_bytes,
    peak_bytes: Math.max(...runs.map((each) => each.peak_bytes)),
};
console.log(JSON.stringify(found, null, 2));
if (values.record) {
    // Its entry alone: the lines of the others are as people have made them.
    const others = readFileSync(MEASURED, 'utf8').replace(/,\n {2}"train_page": \{[^}]*\}/, '');
    const entry = JSON.stringify(found, null, 2).replaceAll('\n', '\n  ');
    writeFileSync(MEASURED, others.replace(/\n\}\n$/, `,\n  "train_page": ${entry}\n}\n`));
}

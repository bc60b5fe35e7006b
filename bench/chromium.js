/** Instances in Chromium, a page and a browser profile each, and cold starts of whole pages. */

import { basename, join } from 'node:path';

import { launchChromium } from '../tests/tools/chromium.js';
import { modelAddress } from './node.js';
import { between, count, sample } from './processor_time.js';
import { serve } from './server.js';

/** @typedef {import('./node.js').Setting} Setting */
/** @typedef {import('./models.js').Model} Model */

const TIMEOUT = 300_000;

const LIBRARIES = {
    bert_wasm: '/dist/index.js',
    litert: '/litert/dist/index.js',
    onnxruntime_web: '/onnxruntime-web/ort.wasm.bundle.min.mjs',
    transformers: '/transformers/transformers.min.js',
};

/** The build of onnxruntime-web that transformers.js asks its CDN for. */
const TRANSFORMERS_WASM = {
    mjs: '/transformers-wasm/ort-wasm-simd-threaded.asyncify.mjs',
    wasm: '/transformers-wasm/ort-wasm-simd-threaded.asyncify.wasm',
};

/**
 * Folders of what pages need, by path.
 * @param {{dist: string, models: Model[]}} options
 * @returns {Record<string, string>}
 */
export function mountsOf({ dist, models }) {
    const packages = join(import.meta.dirname, 'node_modules');
    return {
        '/bench/': import.meta.dirname,
        '/dist/': dist,
        '/onnxruntime-web/': join(packages, 'onnxruntime-web/dist'),
        '/litert/': join(packages, '@litertjs/core'),
        '/litert-utils/': join(packages, '@litertjs/wasm-utils/dist'),
        '/transformers/': join(packages, '@huggingface/transformers/dist'),
        '/transformers-wasm/': join(
            packages,
            '@huggingface/transformers/node_modules/onnxruntime-web/dist',
        ),
        ...Object.fromEntries(
            models.flatMap(({ name, directory, converted }) => [
                [`/models/${name}/`, directory],
                ['/converted/', join(converted.q8, '..')],
            ]),
        ),
    };
}

/**
 * Leads a page to one of pages/ and waits for its answer.
 * @param {import('playwright-core').Page} page
 * @param {string} origin
 * @param {string} name  of the file
 * @param {Record<string, string>} parameters
 * @param {number} [timeout]  milliseconds
 * @returns {Promise<{ms: number, label: string}>}  ms: from navigation to the answer
 */
export async function visit(page, origin, name, parameters, timeout = TIMEOUT) {
    page.setDefaultTimeout(timeout);
    const answered = page.waitForEvent('console', {
        predicate: (message) => message.text().startsWith('first result '),
        timeout,
    });
    answered.catch(() => {}); // the page's own error says more
    const failed = new Promise((_, reject) => page.once('pageerror', reject));
    const url = new URL(`/bench/pages/${name}.html`, origin);
    url.search = new URLSearchParams(parameters).toString();
    await page.goto(url.href, { waitUntil: 'commit' });
    const message = await Promise.race([answered, failed]);
    const [ms, label] = message.text().slice('first result '.length).split(' ');
    return { ms: Number(ms), label };
}

/**
 * @param {{dist: string, models: Model[]}} options
 */
export async function chromiumHost({ dist, models }) {
    const server = await serve(mountsOf({ dist, models }));
    const browser = await launchChromium({ is_whole: true });
    const system = await browser.newBrowserCDPSession();
    /** @param {string} [type] */
    const pids = async (type) => {
        const { processInfo } = await system.send('SystemInfo.getProcessInfo');
        return processInfo.filter((each) => !type || each.type === type).map(({ id }) => id);
    };

    return {
        version: browser.version(),

        /**
         * @param {Setting} setting
         * @returns {Promise<import('./node.js').Handle>}
         */
        async start(setting) {
            const { runtime, model, dtype, threads } = setting;
            const context = await browser.newContext();
            const page = await context.newPage();
            page.setDefaultTimeout(TIMEOUT);
            const call = (/** @type {string} */ name, /** @type {unknown[]} */ ...args) =>
                /** @type {Promise<any>} */ (
                    page.evaluate(
                        // @ts-expect-error: the page's
                        ([name, args]) => globalThis.instance[name](...args),
                        [name, args],
                    )
                );
            try {
                await page.goto(`${server.origin}/bench/instance.html`);
                await page.waitForFunction('globalThis.instance');
                await call('open', {
                    runtime,
                    dtype,
                    threads,
                    task: model.task,
                    library: /** @type {Record<string, string>} */ (LIBRARIES)[runtime],
                    model: modelAddress(
                        setting,
                        `/models/${model.name}`,
                        `${server.origin}/converted/${basename(model.converted[dtype])}`,
                    ),
                    wasm: runtime === 'transformers' ? TRANSFORMERS_WASM : undefined,
                });
            } catch (error) {
                await context.close();
                throw new Error(
                    /** @type {Error} */ (error).message
                        .split('\n')[0]
                        .replace(/^page\.\w+: (Error: )?/, ''),
                );
            }
            return {
                prepare: (...args) => call('prepare', ...args),
                // Pages that are not measured do nothing.
                measure: (...args) =>
                    sample(
                        () => pids('renderer'),
                        () => call('measure', ...args),
                    ),
                close: () => context.close(),
            };
        },

        /**
         * From navigation to the first result on the page, in a fresh profile.
         * @param {string} runtime  a page of pages/
         * @param {Record<string, string>} parameters
         * @returns {Promise<{ms: number, cpu_ms: number, label: string, files: string[]}>} cpu_ms:
         *   of all Chromium's processes; files: that were loaded
         */
        async coldStart(runtime, parameters) {
            const context = await browser.newContext();
            try {
                const page = await context.newPage();
                server.requested.clear();
                const before = count(await pids());
                const { ms, label } = await visit(page, server.origin, runtime, parameters);
                const { ran } = between(before, count(await pids()));
                return { ms, cpu_ms: ran, label, files: [...server.requested] };
            } finally {
                await context.close();
            }
        },

        async close() {
            await browser.close();
            server.close();
        },
    };
}

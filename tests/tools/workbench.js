/** What tests and measurements of the page ask: its longest task, its engine, other answers. */

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** @typedef {import('playwright-core').Page} Page */

/**
 * How far scores of Chromium and Node may lie apart: logits are the same bits, but `Math.exp` of
 * one JavaScript engine and of another differ in the last one for every tenth number.
 */
export const LAST_DIGIT = 4e-16;

const CLI = fileURLToPath(new URL('../../build/dist/cli.js', import.meta.url));

/** @param {string[]} args of the command line @returns {Promise<any[]>} */
export async function commandLine(args) {
    // Older Nodes have relaxed SIMD behind a flag.
    const is_old = Number(process.versions.node.split('.')[0]) < 22;
    const node = [...(is_old ? ['--experimental-wasm-relaxed-simd'] : []), CLI];
    const child = spawn(process.execPath, [...node, ...args], {
        stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    for await (const chunk of child.stdout) text += chunk;
    return text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
}

/** The build of the engine that the page has, once it has saved it. @param {Page} page */
export async function variantOf(page) {
    const found = await page.waitForFunction(async () => {
        const { caches } = globalThis;
        for (const name of await caches.keys()) {
            for (const { url } of await (await caches.open(name)).keys()) {
                const [, variant] = /engine-(\w+?)(?:-threads)?\.wasm/.exec(url) ?? [];
                if (variant) return variant;
            }
        }
        return '';
    });
    return found.jsonValue();
}

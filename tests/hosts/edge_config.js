/**
 * The configuration of workerd for edge.js: every module that it may import, by name and file.
 */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const DIST = 'node_modules/bert-wasm/build/dist';
const MODEL = 'node_modules/bert-wasm-sentiment/sentiment-minilm-l6-q8.safetensors';

/** What it needs of the folder of tests. */
export const EDGE_FILES = ['hosts/edge.js', 'hosts/run_in_page.js', 'browser/engines/checks.js'];

/**
 * @param {string} app  a folder where the packages are installed, and EDGE_FILES are
 * @param {string[]} names  of checks
 */
export function edgeConfig(app, names) {
    const of_pages = readdirSync(join(app, DIST)).filter((name) => /^[\w-]+\.js$/.test(name));
    const modules = [
        ...EDGE_FILES.map((file) => [file, 'esModule', file]),
        ...of_pages.map((name) => [`bert-wasm/${name}`, 'esModule', `${DIST}/${name}`]),
        ['engine-relaxed.wasm', 'wasm', `${DIST}/engine-relaxed.wasm`],
        ['model.safetensors', 'data', MODEL],
    ];
    const lines = modules.map(
        ([name, kind, file]) => `        (name = "${name}", ${kind} = embed "${file}"),`,
    );
    return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
    services = [(name = "main", worker = .edge)],
);
const edge :Workerd.Worker = (
    modules = [
${lines.join('\n')}
        (name = "names.json", json = ${JSON.stringify(JSON.stringify(names))}),
    ],
    compatibilityDate = "2026-01-01",
);
`;
}

/**
 * Assembles the static page: a folder to upload anywhere.
 *
 *     node tools/site.mjs build/dist build/site
 *
 * All code lies in one folder named after its version, so that a page that a browser opens is of
 * one version whole. What has a name that must not change lies beside it: index.html, sw.js, the
 * manifest, models.
 */

import { createHash } from 'node:crypto';
import {
    cpSync,
    mkdirSync,
    readdirSync,
    readFileSync,
    renameSync,
    rmSync,
    writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';

import { build } from 'esbuild';

import { POLICY } from '../web-demo/serve.js';
import { writeAbout } from './about.mjs';
import { common } from './page_bundle.mjs';

const [dist, out] = process.argv.slice(2);
const DEMO = 'web-demo';

/** Views whose styles are fetched with them, and other programs: workers, pages. */
const VIEWS = readdirSync(DEMO, { withFileTypes: true })
    .filter((each) => each.isDirectory())
    .map(({ name }) => name);
const inViews = (/** @type {RegExp} */ pattern) =>
    VIEWS.flatMap((view) =>
        readdirSync(join(DEMO, view))
            .filter((file) => pattern.test(file))
            .map((file) => join(DEMO, view, file)),
    );

rmSync(out, { recursive: true, force: true });
const draft = join(out, 'draft');
mkdirSync(draft, { recursive: true });

// The package, as npm has it for browsers.
cpSync(dist, join(draft, 'bert-wasm'), {
    recursive: true,
    filter: (path) => !/\/models$|\.d\.ts$|\.map$|node-\w+\.js$|\.node\.js$|\/cli\.js$/.test(path),
});

/**
 * What other libraries took on the machine of bench/results.json, of all its rows those that the
 * page sets beside its own measurement: encoders of the same shape, in Chromium.
 */
function baseline() {
    const { machine, rows } = JSON.parse(readFileSync('bench/results.json', 'utf8'));
    const { cpu, n_cpus, date, versions } = machine;
    const names = /** @type {Record<string, string>} */ ({
        bert_wasm: 'bert-wasm',
        onnxruntime_web: 'onnxruntime-web',
        litert: 'LiteRT.js',
    });
    const median = (/** @type {number[]} */ ms) =>
        ms.toSorted((a, b) => a - b)[Math.floor(ms.length / 2)];
    return {
        machine: `${cpu}, ${n_cpus} cores, Chromium ${versions.Chromium.split('.')[0]}`,
        date,
        rows: rows
            .filter(
                (/** @type {any} */ { environment, runtime, model, dtype, job }) =>
                    environment === 'chromium' &&
                    dtype === 'q8' &&
                    /^\d+ tokens$/.test(job) &&
                    model === (runtime === 'litert' ? 'all-minilm' : 'minilm'),
            )
            .map((/** @type {any} */ { runtime, threads, job, ms }) => ({
                runtime: `${names[runtime]} ${versions[names[runtime]]}`,
                threads,
                n_tokens: parseInt(job, 10),
                ms: median(ms),
            })),
    };
}

/** `import baseline from './baseline.json'`. @type {import('esbuild').Plugin} */
const measured = {
    name: 'the baseline',
    setup({ onResolve, onLoad }) {
        onResolve({ filter: /\/baseline\.json$/ }, ({ path }) => ({ path, namespace: 'baseline' }));
        onLoad({ filter: /./, namespace: 'baseline' }, () => ({
            contents: JSON.stringify(baseline()),
            loader: 'json',
        }));
    },
};

/** The package lies beside the code. @type {import('esbuild').Plugin} */
const in_the_package = {
    name: 'the package',
    setup({ onResolve }) {
        onResolve({ filter: /^bert-wasm(\/|$)/ }, ({ path }) => ({
            path: `./bert-wasm/${path.split('/')[1] ?? 'index'}.js`,
            external: true,
        }));
    },
};

/**
 * uPlot writes numbers in the browser's language, which some browsers do not know themselves ('C'):
 * then it cannot even be imported. The page's own language is English.
 * @type {import('esbuild').Plugin}
 */
const in_english = {
    name: 'numbers of pictures in the language of the page',
    setup({ onLoad }) {
        onLoad({ filter: /uPlot\.esm\.js$/ }, ({ path }) => {
            const text = readFileSync(path, 'utf8');
            if (!text.includes('nav.language')) throw new Error(`${path} has no nav.language`);
            return { contents: text.replace('nav.language', "'en-GB'") };
        });
    },
};

await build({
    ...common,
    platform: 'browser',
    entryPoints: [
        { in: `${DEMO}/shell/main.js`, out: 'main' },
        { in: `${DEMO}/page.css`, out: 'page' },
        ...inViews(/^(\w+)\.css$/)
            .filter((path) => !/\/(shell|read)\//.test(path))
            .map((path) => ({ in: path, out: path.split('/')[2].replace('.css', '') })),
        ...inViews(/(_worker|_page)\.js$/).map((path) => ({
            in: path,
            out: path.split('/')[2].replace('.js', ''),
        })),
    ],
    outdir: draft,
    splitting: true,
    chunkNames: '[name]-[hash]',
    loader: { '.html': 'text' },
    plugins: [in_the_package, measured, in_english],
});

for (const file of ['favicon.svg', 'manifest.webmanifest', 'sw.js', 'icons']) {
    cpSync(join(DEMO, file), join(out, file), { recursive: true });
}
cpSync(join(DEMO, 'models'), join(out, 'models'), { recursive: true });
writeAbout(join(out, 'about'));

/** Files below a folder, in one order. @param {string} folder @returns {string[]} */
function filesIn(folder) {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((each) => each.isFile())
        .map(({ parentPath, name }) => join(parentPath, name))
        .sort();
}

const html = readFileSync(`${DEMO}/index.html`, 'utf8').replace('%READ%', () =>
    readFileSync(`${DEMO}/read/read.html`, 'utf8').trimEnd(),
);
const get = readFileSync(`${DEMO}/your_model/get.html`, 'utf8');
const hash = createHash('sha256').update(html).update(get);
for (const file of filesIn(out)) {
    if (!file.includes('/models/')) hash.update(file).update(readFileSync(file));
}
const version = hash.digest('hex').slice(0, 12);
const code = `page-${version}`;
renameSync(draft, join(out, code));

const policy = (/** @type {string} */ text) =>
    text
        .replaceAll('%POLICY%', POLICY.page)
        .replaceAll('%GET_POLICY%', POLICY.get)
        .replaceAll('%VERSION%', version)
        .replaceAll('%CODE%', code);
writeFileSync(join(out, 'index.html'), policy(html));
writeFileSync(join(out, 'get.html'), policy(get));

const files = [
    './',
    ...[code, 'icons']
        .flatMap((folder) => filesIn(join(out, folder)))
        .map((file) => relative(out, file)),
    'get.html',
    'favicon.svg',
    'manifest.webmanifest',
];
writeFileSync(join(out, 'files.json'), `${JSON.stringify({ version, code, files }, null, 1)}\n`);

/**
 * Bundles the package into the folder given: for browsers and for Node each the library and its
 * self-contained worker, the command line, and the types.
 *
 *     node tools/build.mjs build/dist [--source-maps]
 *
 * Source maps are for coverage: they take bundles apart into files, and none is minified.
 */

import { appendFileSync, chmodSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { gzipSync } from 'node:zlib';

import { build } from 'esbuild';

import { writeDeclarations } from './declarations.mjs';
import { common, shortenLocals, shrink } from './page_bundle.mjs';

const [out, flag] = process.argv.slice(2);
const sourcemap = flag === '--source-maps';

/** What programs import. */
const ENTRIES = {
    index: 'js/index.js',
    tokenizer: 'js/tokenizer/index.js',
    metrics: 'js/metrics/index.js',
    explain: 'js/explain/index.js',
    diagnose: 'js/diagnose/index.js',
    train: 'js/train/index.js',
};

/** What tokenizer.js and in-thread.js share: the tokenizers are most of either. */
const SHARED = 'tokenizer-core';

/** What a page loads, which is made as small as can be. */
const IN_PAGES = [
    ...Object.keys(ENTRIES),
    SHARED,
    'in-thread',
    'worker',
    'sources',
    'convert',
    'convert-worker',
    'train-worker',
];

/**
 * The command line brings libraries in CommonJS. Without this they look for require(), which no
 * module has.
 * @type {import('esbuild').Plugin}
 */
const required_builtins = {
    name: 'require() of what Node has',
    setup({ onResolve, onLoad }) {
        onResolve({ filter: /^[\w:]+$/ }, ({ path, kind }) =>
            kind === 'require-call' && isBuiltin(path) ? { path, namespace: 'builtin' } : undefined,
        );
        onLoad({ filter: /./, namespace: 'builtin' }, ({ path }) => ({
            contents: `module.exports = process.getBuiltinModule('${path}');`,
        }));
    },
};

/**
 * The entry for pages serves Node as well: it is a third of what Node would have twice.
 * @type {import('esbuild').Plugin}
 */
const shared_tokenizer = {
    name: 'the tokenizer is an entry',
    setup({ onResolve }) {
        onResolve({ filter: /\/tokenizer\/index\.js$/ }, () => ({
            path: './tokenizer.js',
            external: true,
        }));
    },
};

mkdirSync(out, { recursive: true });
for (const old of readdirSync(out).filter((name) => /^node-\w+\.js$/.test(name))) {
    rmSync(`${out}/${old}`);
}

/** @type {import('esbuild').BuildOptions} */
const page = { ...common, platform: 'browser', outdir: out, minify: !sourcemap, sourcemap };

/**
 * In pages index.js and in-thread.js import each other, and both the converter, as files; train.js
 * imports index.js, whose settings and cache are its own, too.
 * @type {import('esbuild').Plugin}
 */
const in_other_files = {
    name: 'what another file of the package has',
    setup({ onResolve }) {
        const file = (/** @type {string} */ path) => () => ({ path, external: true });
        onResolve({ filter: /^#in-thread$/ }, file('./in-thread.js'));
        onResolve({ filter: /^#convert$/ }, file('./convert.js'));
        onResolve({ filter: /^#sources$/ }, file('./sources.js'));
        onResolve({ filter: /^\.\/index\.js$/ }, ({ importer }) =>
            importer.endsWith('in_thread.js') ? file('./index.js')() : undefined,
        );
        onResolve({ filter: /\/model\/model\.js$/ }, ({ importer }) =>
            importer.includes('js/train/') ? file('./index.js')() : undefined,
        );
    },
};
const { tokenizer, ...others } = ENTRIES;

const [, , , , in_node] = await Promise.all([
    build({ ...page, entryPoints: others, plugins: [in_other_files] }),
    build({
        ...page,
        entryPoints: { tokenizer, 'in-thread': 'js/in_thread.js' },
        plugins: [in_other_files],
        splitting: true,
        chunkNames: SHARED,
    }),
    build({
        ...page,
        entryPoints: { convert: 'js/convert/index.js', sources: 'js/sources/find.js' },
        plugins: [in_other_files],
    }),
    // Plain scripts, which bundlers may copy and minify as one that is a module or that is none.
    // They name no file: of #files nothing is left in them.
    build({
        ...page,
        entryPoints: {
            worker: 'js/worker/main.js',
            'convert-worker': 'js/convert/main.js',
            'train-worker': 'js/train/main.js',
        },
        format: 'iife',
        logOverride: { 'empty-import-meta': 'silent' },
    }),
    // The library, its worker and the command line share most of their code.
    build({
        ...common,
        platform: 'node',
        target: 'node20.19',
        entryPoints: {
            'index.node': 'js/index.js',
            'in-thread.node': 'js/in_thread.js',
            'worker.node': 'js/worker/main.js',
            'convert.node': 'js/convert/index.js',
            'convert-worker.node': 'js/convert/main.js',
            'train.node': 'js/train/index.js',
            'train-worker.node': 'js/train/main.js',
            cli: 'js/cli/bin.js',
        },
        splitting: true,
        chunkNames: 'node-[hash]',
        outdir: out,
        minify: false,
        minifyWhitespace: !sourcemap,
        minifySyntax: !sourcemap,
        sourcemap,
        plugins: [required_builtins, shared_tokenizer],
        metafile: true,
    }),
]);
for (const [file, { inputs }] of Object.entries(in_node.metafile.outputs)) {
    if (!file.endsWith('.js')) continue;
    if (!sourcemap) await shortenLocals(file);
    appendLicences(file, Object.keys(inputs));
}
for (const name of sourcemap ? [] : IN_PAGES) await shrink(`${out}/${name}.js`);
chmodSync(`${out}/cli.js`, 0o755);
await writeDeclarations(ENTRIES, out);

const size = (/** @type {string} */ file) =>
    gzipSync(readFileSync(`${out}/${file}`), { level: 9 }).length;
console.log(
    `${out}: index.js ${size('index.js')} bytes gzipped, worker.js ${size('worker.js')}, ` +
        `in-thread.js ${size('in-thread.js')}, ` +
        `${SHARED}.js ${size(`${SHARED}.js`)}, metrics.js alone ` +
        `${size('metrics.js')}, explain.js alone ${size('explain.js')}`,
);

/**
 * What the licences of bundled packages ask for: their text goes where the code goes.
 * @param {string} file
 * @param {string[]} inputs  of its bundle
 */
function appendLicences(file, inputs) {
    const packages = new Set(
        inputs.flatMap((input) => input.match(/^node_modules\/(?:@[^/]+\/)?[^/]+/) ?? []),
    );
    for (const folder of [...packages].sort()) {
        const licence = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
        if (!licence) throw new Error(`${folder} has no licence to go with it`);
        const text = readFileSync(`${folder}/${licence}`, 'utf8').trim().replaceAll('*/', '* /');
        appendFileSync(file, `\n/* ${folder.slice('node_modules/'.length)}\n\n${text}\n*/\n`);
    }
}

/**
 * The apps that are tried: what a project holds, how it is built, what serves it. A row is a
 * project of its own; a bundler that needs no configuration has none.
 */

/**
 * @typedef {object} App
 * @property {string} tool  the package of tests/bundlers/package.json that makes it; '': none
 * @property {{[path: string]: string}} files  of the project: where each is, within apps/
 * @property {string[]} [build]  a program and its arguments (project.js)
 * @property {string[]} [flags]  of Node, for that
 * @property {string} [copies]  commands of a shell, that copy what the bundler leaves behind
 * @property {string} [folder]  of the project, that a static server serves; default the project
 * @property {string} [base]  the path below which it is served; default /
 * @property {string[]} [serve]  or the program that serves it, at PORT
 * @property {string[]} [pages]  of suite.js, that it is opened on; default isolated and plain
 * @property {boolean} [has_server]  whether it also answers on the server
 * @property {string} [model]  the folder that gets the app's own model once it is built: the
 *   sentiment model's package is then not installed, and nothing as large is in what is built
 * @property {RegExp} [refusal]  what it says instead of an answer
 * @property {boolean} [is_slow]  whether `make test` leaves it out
 */

const ALL = ['isolated', 'plain', 'strict'];

const SCRIPTS = { 'main.js': 'main.js', 'report.js': 'report.js' };
const OWN_SCRIPTS = { 'main.js': 'own_model.js', 'report.js': 'report.js' };

const PAGE = { ...SCRIPTS, 'index.html': 'page.html' };

/** Of a tool that makes no page: that in dist/ has the bundle. */
const BUNDLE = { ...SCRIPTS, 'dist/index.html': 'page.html' };
const OWN_BUNDLE = { ...OWN_SCRIPTS, 'dist/index.html': 'page.html' };

const VITE = { ...PAGE, 'vite.config.js': 'vite.config.js' };
const ROLLUP = { 'rollup.config.mjs': 'rollup.config.mjs' };
const NEXT = { '.': 'next', 'report.js': 'report.js' };
const OWN_NEXT = { ...NEXT, 'app/page.jsx': 'next_own_model.jsx' };

const COPIED = `\
cp -R node_modules/bert-wasm/build/dist bert-wasm
cp -R node_modules/bert-wasm-sentiment bert-wasm/models
`;

/** What a bundler leaves behind that does not follow URLs. */
const COPIED_CODE = `\
cp node_modules/bert-wasm/build/dist/worker.js node_modules/bert-wasm/build/dist/*.wasm dist/
`;
const COPIED_BESIDE = `\
${COPIED_CODE}cp node_modules/bert-wasm-sentiment/*.safetensors dist/
`;

const WEBPACK = ['webpack', '--mode', 'production', '--entry', './main.js'];
const ESBUILD = ['esbuild', 'main.js', '--bundle', '--format=esm', '--outdir=dist'];
const ROLLUP_BUILD = ['rollup', '-c', 'rollup.config.mjs'];
const PARCEL = ['parcel', 'build', 'index.html', '--no-cache'];
const NEXT_START = ['next', 'start', '--port', 'PORT'];

/** The dev server and the build of a version. @param {string} name @param {string} tool */
const vite = (name, tool, is_slow = true) => ({
    [`${name}, dev`]: { tool, files: VITE, serve: [`${tool}:vite`, '--port', 'PORT'], is_slow },
    [`${name}, build`]: {
        tool,
        files: PAGE,
        build: [`${tool}:vite`, 'build'],
        folder: 'dist',
        is_slow,
    },
});

/** Its own tests, in the realms that a test runner makes. @param {string} tool */
const runner = (tool, args = [], flags = []) => ({
    tool,
    files: { 'realms.test.mjs': 'realms.mjs' },
    build: [tool, ...args],
    flags,
    pages: [],
});

/** @type {{[name: string]: App}} */
export const APPS = {
    'import map': {
        tool: '',
        files: { ...SCRIPTS, 'index.html': 'import_map.html' },
    },
    'script tag': {
        tool: '',
        files: { ...PAGE, 'main.js': 'by_path.js' },
        copies: COPIED,
        pages: ALL,
    },
    ...vite('vite 8', 'vite', false),
    'vite 8, build --base': {
        tool: 'vite',
        files: PAGE,
        build: ['vite', 'build', '--base', '/sub/app/'],
        folder: 'dist',
        base: '/sub/app/',
        pages: ALL,
    },
    'vite 8, preview': {
        tool: 'vite',
        files: VITE,
        build: ['vite', 'build'],
        serve: ['vite', 'preview', '--port', 'PORT'],
        is_slow: true,
    },
    ...vite('vite 7', 'vite7'),
    ...vite('vite 6', 'vite6'),
    ...vite('vite 5', 'vite5'),
    'webpack 5': { tool: 'webpack', files: BUNDLE, build: WEBPACK, folder: 'dist', pages: ALL },
    'webpack 5, development': {
        tool: 'webpack',
        files: BUNDLE,
        build: ['webpack', '--mode', 'development', '--entry', './main.js'],
        folder: 'dist',
        is_slow: true,
    },
    'rollup 4': {
        tool: 'rollup',
        files: { ...BUNDLE, ...ROLLUP },
        build: ROLLUP_BUILD,
        copies: COPIED_BESIDE,
        folder: 'dist',
        pages: ALL,
    },
    esbuild: {
        tool: 'esbuild',
        files: BUNDLE,
        build: ESBUILD,
        copies: COPIED_BESIDE,
        folder: 'dist',
        pages: ALL,
    },
    'esbuild, nothing copied': {
        tool: 'esbuild',
        files: BUNDLE,
        build: ESBUILD,
        folder: 'dist',
        pages: ['plain'],
        refusal: /^the worker http:\S+\/worker\.js did not start: HTTP status 404.*Copy worker\.js/,
    },
    'Parcel 2': {
        tool: 'parcel',
        files: { ...PAGE, 'main.js': 'with_model.js' },
        build: PARCEL,
        folder: 'dist',
    },
    'Next.js 16': {
        tool: 'next',
        files: NEXT,
        build: ['next', 'build'],
        serve: NEXT_START,
        has_server: true,
    },
    'Next.js 16, --webpack': {
        tool: 'next',
        files: NEXT,
        build: ['next', 'build', '--webpack'],
        serve: NEXT_START,
        has_server: true,
        is_slow: true,
    },
    'Next.js 16, dev': {
        tool: 'next',
        files: NEXT,
        serve: ['next', 'dev', '--port', 'PORT'],
        has_server: true,
        is_slow: true,
    },
    'vite 8, own model': {
        tool: 'vite',
        files: { ...PAGE, ...OWN_SCRIPTS },
        build: ['vite', 'build'],
        folder: 'dist',
        model: 'dist',
        is_slow: true,
    },
    'webpack 5, own model': {
        tool: 'webpack',
        files: OWN_BUNDLE,
        build: WEBPACK,
        folder: 'dist',
        model: 'dist',
        is_slow: true,
    },
    'rollup 4, own model': {
        tool: 'rollup',
        files: { ...OWN_BUNDLE, ...ROLLUP },
        build: ROLLUP_BUILD,
        copies: COPIED_CODE,
        folder: 'dist',
        model: 'dist',
        is_slow: true,
    },
    'esbuild, own model': {
        tool: 'esbuild',
        files: OWN_BUNDLE,
        build: ESBUILD,
        copies: COPIED_CODE,
        folder: 'dist',
        model: 'dist',
    },
    'Parcel 2, own model': {
        tool: 'parcel',
        files: { ...PAGE, ...OWN_SCRIPTS },
        build: PARCEL,
        folder: 'dist',
        model: 'dist',
        is_slow: true,
    },
    'Next.js 16, own model': {
        tool: 'next',
        files: OWN_NEXT,
        build: ['next', 'build'],
        serve: NEXT_START,
        model: 'public',
        is_slow: true,
    },
    jest: runner(
        'jest',
        ['--testMatch', '**/*.test.mjs', '--transform', '{}'],
        ['--experimental-vm-modules'],
    ),
    vitest: runner('vitest', ['run', '--globals']),
    'vitest, vmThreads': {
        ...runner('vitest', ['run', '--globals', '--pool', 'vmThreads']),
        is_slow: true,
    },
};

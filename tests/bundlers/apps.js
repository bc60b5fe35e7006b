/**
 * The apps that are tried: what a project holds, how it is built, what serves it. Each answers with
 * the bundled model. A row is a project of its own; a bundler that needs no configuration has none.
 */

/**
 * @typedef {object} App
 * @property {string} tool  the package of tests/bundlers/package.json that makes it; '': none
 * @property {{[path: string]: string}} files  of the project: where each is, within apps/
 * @property {string[]} [build]  a program and its arguments (project.js)
 * @property {string[]} [flags]  of Node, for the build
 * @property {{[path: string]: string}} [copies]  what is copied into the project after that: where
 *   each is, within node_modules
 * @property {string} [folder]  of the project, that a static server serves; default the project
 * @property {string} [base]  the path below which it is served; default /
 * @property {string[]} [serve]  or the program that serves it, at PORT
 * @property {string[]} [pages]  of suite.js, that it is opened on; default isolated and plain
 * @property {boolean} [has_server]  whether it also answers on the server
 * @property {boolean} [is_slow]  whether `make test` leaves it out
 */

const ALL = ['isolated', 'plain', 'strict'];

const PAGE = { 'main.js': 'main.js', 'index.html': 'page.html' };

/** A bundle in dist/, of a tool that makes no page. */
const BUNDLE = { 'main.js': 'main.js', 'dist/index.html': 'page.html' };

const VITE = { ...PAGE, 'vite.config.js': 'vite.config.js' };

/** Its dev server and its build. @param {string} name @param {string} tool */
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
        files: { 'main.js': 'main.js', 'index.html': 'import_map.html' },
    },
    'script tag': {
        tool: '',
        files: { 'main.js': 'by_path.js', 'index.html': 'page.html' },
        copies: { 'bert-wasm': 'bert-wasm/build/dist' },
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
    'webpack 5': {
        tool: 'webpack',
        files: BUNDLE,
        build: ['webpack', '--mode', 'production', '--entry', './main.js'],
        folder: 'dist',
        pages: ALL,
    },
    'rollup 4': {
        tool: 'rollup',
        files: { ...BUNDLE, 'rollup.config.mjs': 'rollup.config.mjs' },
        build: ['rollup', '-c', 'rollup.config.mjs'],
        folder: 'dist',
        pages: ALL,
    },
    esbuild: {
        tool: 'esbuild',
        files: BUNDLE,
        build: ['esbuild', 'main.js', '--bundle', '--format=esm', '--outdir=dist'],
        folder: 'dist',
        pages: ALL,
    },
    'Parcel 2': {
        tool: 'parcel',
        files: PAGE,
        build: ['parcel', 'build', 'index.html', '--no-cache'],
        folder: 'dist',
        pages: ALL,
    },
    'Next.js 16': {
        tool: 'next',
        files: { '.': 'next' },
        build: ['next', 'build'],
        serve: ['next', 'start', '--port', 'PORT'],
        has_server: true,
    },
    'Next.js 16, --webpack': {
        tool: 'next',
        files: { '.': 'next' },
        build: ['next', 'build', '--webpack'],
        serve: ['next', 'start', '--port', 'PORT'],
        has_server: true,
        is_slow: true,
    },
    jest: runner(
        'jest',
        ['--testMatch', '**/*.test.mjs', '--transform', '{}'],
        ['--experimental-vm-modules'],
    ),
    vitest: runner('vitest', ['run', '--globals']),
    'vitest, vmThreads': runner('vitest', ['run', '--globals', '--pool', 'vmThreads']),
};

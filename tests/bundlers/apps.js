/**
 * The apps that are tried: what a project holds, how it is built, what serves it. Each is a project
 * of its own; a bundler that needs no configuration has none.
 *
 * docs/bundlers-and-headers.md tells of them: tests/js/docs.bundlers.test.js compares.
 */

/**
 * @typedef {object} App
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

/**
 * @typedef {object} Bundler
 * @property {string} tool  its package in tests/bundlers/package.json; '' if there is none
 * @property {{[how: string]: App}} apps
 */

const ALL = ['isolated', 'plain', 'strict'];

const SCRIPTS = { 'main.js': 'main.js', 'report.js': 'report.js' };
const OWN_SCRIPTS = { 'main.js': 'own_model.js', 'report.js': 'report.js' };

const PAGE = { ...SCRIPTS, 'index.html': 'page.html' };

/** Of a tool that makes no page: that in dist/ has the bundle. */
const BUNDLE = { ...SCRIPTS, 'dist/index.html': 'page.html' };
const OWN_BUNDLE = { ...OWN_SCRIPTS, 'dist/index.html': 'page.html' };

const ROLLUP = { 'rollup.config.mjs': 'rollup.config.mjs' };
const NEXT = { '.': 'next', 'report.js': 'report.js' };

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
const ROLLUP_BUILD = ['rollup', '-c', 'rollup.config.mjs'];
const ESBUILD = ['esbuild', 'main.js', '--bundle', '--format=esm', '--outdir=dist'];
const PARCEL = ['parcel', 'build', 'index.html', '--no-cache'];
const NEXT_START = ['next', 'start', '--port', 'PORT'];

/** A version's dev server and build. @param {string} tool @param {boolean} is_slow */
const vite = (tool, is_slow) => ({
    dev: {
        files: { ...PAGE, 'vite.config.js': 'vite.config.js' },
        serve: [`${tool}:vite`, '--port', 'PORT'],
        is_slow,
    },
    build: { files: PAGE, build: [`${tool}:vite`, 'build'], folder: 'dist', is_slow },
});

const JEST = ['jest', '--testMatch', '**/*.test.mjs', '--transform', '{}'];
const VITEST = ['vitest', 'run', '--globals'];

/** Tests of their own, in the realms that a test runner makes: answers are theirs to judge. */
const tests = (
    /** @type {string[]} */ build,
    /** @type {{[path: string]: string}} */ files = {},
    /** @type {string[]} */ flags = [],
) => ({
    files: { 'realms.test.mjs': 'realms.mjs', ...files },
    build,
    flags,
    pages: [],
});

/** @type {{[name: string]: Bundler}} */
export const BUNDLERS = {
    'no bundler': {
        tool: '',
        apps: {
            'script tag': {
                files: { ...PAGE, 'main.js': 'by_path.js' },
                copies: COPIED,
                pages: ALL,
            },
            'import map': { files: { ...SCRIPTS, 'index.html': 'import_map.html' } },
        },
    },
    'vite 8': {
        tool: 'vite',
        apps: {
            ...vite('vite', false),
            'build --base': {
                files: PAGE,
                build: ['vite', 'build', '--base', '/sub/app/'],
                folder: 'dist',
                base: '/sub/app/',
                pages: ALL,
            },
            preview: {
                files: { ...PAGE, 'vite.config.js': 'vite.config.js' },
                build: ['vite', 'build'],
                serve: ['vite', 'preview', '--port', 'PORT'],
                is_slow: true,
            },
            'own model': {
                files: { ...PAGE, ...OWN_SCRIPTS },
                build: ['vite', 'build'],
                folder: 'dist',
                model: 'dist',
                is_slow: true,
            },
        },
    },
    'vite 7': { tool: 'vite7', apps: vite('vite7', true) },
    'vite 6': { tool: 'vite6', apps: vite('vite6', true) },
    'vite 5': { tool: 'vite5', apps: vite('vite5', true) },
    'webpack 5': {
        tool: 'webpack',
        apps: {
            production: { files: BUNDLE, build: WEBPACK, folder: 'dist', pages: ALL },
            development: {
                files: BUNDLE,
                build: ['webpack', '--mode', 'development', '--entry', './main.js'],
                folder: 'dist',
                is_slow: true,
            },
            'own model': {
                files: OWN_BUNDLE,
                build: WEBPACK,
                folder: 'dist',
                model: 'dist',
                is_slow: true,
            },
        },
    },
    'Next.js 16': {
        tool: 'next',
        apps: {
            build: {
                files: NEXT,
                build: ['next', 'build'],
                serve: NEXT_START,
                has_server: true,
            },
            'build --webpack': {
                files: NEXT,
                build: ['next', 'build', '--webpack'],
                serve: NEXT_START,
                has_server: true,
                is_slow: true,
            },
            dev: {
                files: NEXT,
                serve: ['next', 'dev', '--port', 'PORT'],
                has_server: true,
                is_slow: true,
            },
            'own model': {
                files: { ...NEXT, 'app/page.jsx': 'next_own_model.jsx' },
                build: ['next', 'build'],
                serve: NEXT_START,
                model: 'public',
                is_slow: true,
            },
        },
    },
    'Parcel 2': {
        tool: 'parcel',
        apps: {
            build: {
                files: { ...PAGE, 'main.js': 'with_model.js' },
                build: PARCEL,
                folder: 'dist',
            },
            'own model': {
                files: { ...PAGE, ...OWN_SCRIPTS },
                build: PARCEL,
                folder: 'dist',
                model: 'dist',
                is_slow: true,
            },
        },
    },
    'rollup 4': {
        tool: 'rollup',
        apps: {
            build: {
                files: { ...BUNDLE, ...ROLLUP },
                build: ROLLUP_BUILD,
                copies: COPIED_BESIDE,
                folder: 'dist',
                pages: ALL,
            },
            'own model': {
                files: { ...OWN_BUNDLE, ...ROLLUP },
                build: ROLLUP_BUILD,
                copies: COPIED_CODE,
                folder: 'dist',
                model: 'dist',
                is_slow: true,
            },
        },
    },
    esbuild: {
        tool: 'esbuild',
        apps: {
            build: {
                files: BUNDLE,
                build: ESBUILD,
                copies: COPIED_BESIDE,
                folder: 'dist',
                pages: ALL,
            },
            'own model': {
                files: OWN_BUNDLE,
                build: ESBUILD,
                copies: COPIED_CODE,
                folder: 'dist',
                model: 'dist',
            },
            'nothing copied': {
                files: BUNDLE,
                build: ESBUILD,
                folder: 'dist',
                pages: ['plain'],
                refusal: /^the worker http:\S+\/worker\.js did not start: HTTP status 404.*Copy/,
            },
        },
    },
    jest: {
        tool: 'jest',
        apps: {
            tests: tests(JEST, {}, ['--experimental-vm-modules']),
            jsdom: tests(
                [...JEST, '--config', 'jest.config.mjs'],
                { 'jest.config.mjs': 'jest.config.mjs' },
                ['--experimental-vm-modules'],
            ),
        },
    },
    vitest: {
        tool: 'vitest',
        apps: {
            tests: tests(VITEST),
            '--pool vmThreads': tests([...VITEST, '--pool', 'vmThreads']),
            jsdom: tests([...VITEST, '--environment', 'jsdom']),
        },
    },
};

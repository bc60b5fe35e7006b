/**
 * A browser that opens a URL and gives what the page there reports: all engines alike.
 *
 *     const engine = await openEngine('firefox');
 *     await engine.run(`${server.url}page.html`, { timeout: 30_000 });
 *     await engine.restart();    // in the same profile: what a page has kept is there
 *     await engine.close();
 *
 * It is the plain program, with no driver in between. It starts at a page of ours, which waits for
 * the next URL and goes there; the page at that URL reports by coming back (report.js), with what
 * it has to say in the address. That needs no leave of a content security policy, works where the
 * page's own server is gone, and leaves nothing of the page behind. To end, the page of ours closes
 * its window: then all engines write down what pages have kept, which they do not when killed.
 *
 * A browser that says nothing in time is killed, and the next run starts another. To be offline is
 * to have no server: FaultyServer.down(), for every engine alike.
 *
 * Rejected: WebDriver. By WebDriver BiDi Firefox hangs in nested workers; sessions of
 * WebKitWebDriver are private ones, which keep nothing; and three drivers fail in three ways.
 */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

import { PROGRAMS, pathOf } from './programs.js';

/** @typedef {import('node:child_process').ChildProcess} Child */
/** @typedef {import('node:http').ServerResponse} Response */

/** Milliseconds for the first start in a new profile on a busy machine, and for an end. */
const START_TIMEOUT = 60_000;
const END_TIMEOUT = 10_000;

/** Says what it was given, if anything was, waits for the next URL and goes there. */
const WAITING_PAGE = `<!doctype html><meta charset="utf-8"><title>Waiting</title>
<link rel="icon" href="data:,">
<script type="module">
    const body = decodeURIComponent(location.hash.slice(1));
    const next = await fetch('', { method: 'POST', body }).then(
        (response) => response.json(),
        () => null,
    );
    if (next) location.replace(next);
    else window.close();
</script>
`;

/** What is ended with this process, however that ends. @type {Set<Child>} */
const running = new Set();
process.on('exit', () => running.forEach((child) => signal(child, 'SIGKILL')));
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(name, () => process.exit(1));

/**
 * @param {string} name  of programs.js
 * @param {string[]} [args]  more of them
 * @returns {Promise<Engine>}
 */
export async function openEngine(name, args) {
    const engine = new Engine(name, args);
    await engine.listen();
    return engine;
}

/** Made by openEngine(). One page is open at a time. */
class Engine {
    #profile = mkdtempSync(join(tmpdir(), 'bert-wasm-engine-'));
    #server = createServer((request, response) => this.#answer(request, response));
    #url = '';

    /** @type {Child | null} */
    #browser = null;

    /** Of the page that is awaited. */
    #number = 0;

    /** @type {{resolve: (report: any) => void, reject: (error: Error) => void} | null} */
    #awaited = null;

    /** What the waiting page waits for. @type {Response | null} */
    #waiting = null;

    #args;

    /** @param {string} name @param {string[]} [args] */
    constructor(name, args = []) {
        this.#args = args;
        this.name = name;
        /** As the program tells it, once it has run. */
        this.version = '';
    }

    async listen() {
        this.#server.listen(0, '127.0.0.1');
        await once(this.#server, 'listening');
        const address = /** @type {import('node:net').AddressInfo} */ (this.#server.address());
        this.#url = `http://127.0.0.1:${address.port}/`;
    }

    /**
     * Opens a page, and gives what it reports.
     * @param {string} url
     * @param {object} [options]
     * @param {number} [options.timeout]  in milliseconds
     * @param {() => boolean} [options.wasAsked]  whether the page's server was asked for it: a
     *   browser that never went there has tried nothing of ours, and is started anew, once
     * @returns {Promise<any>}
     */
    async run(url, { timeout = 60_000, wasAsked = () => true } = {}) {
        if (!this.#waiting) await this.#start();
        const go = (/** @type {string} */ back) => this.#go(`${url}#${back}`);
        const visit = () => this.#visit(go, timeout, `${url} reported nothing`);
        try {
            return await visit();
        } catch (error) {
            if (wasAsked()) throw error;
            console.error(`${this.name} never went to ${url}: ${error.message}`);
            await this.#start();
            return visit();
        }
    }

    /** Kilobytes of memory that the processes of its pages hold. Chromium's are told apart. */
    memory() {
        const { stdout } = spawnSync('ps', ['-A', '-o', 'pgid=,rss=,args='], { encoding: 'utf8' });
        return stdout
            .split('\n')
            .filter((line) => Number.parseInt(line, 10) === this.#browser?.pid)
            .filter((line) => line.includes('--type=renderer'))
            .reduce((sum, line) => sum + Number(line.trim().split(/\s+/)[1]), 0);
    }

    /** Ends the browser as its user would. The next run starts it in the same profile. */
    async restart() {
        const browser = this.#browser;
        if (browser && this.#waiting) {
            this.#go(null);
            await until(() => !isAlive(browser), END_TIMEOUT);
        }
        await this.#kill();
    }

    async close() {
        await this.#kill();
        this.#server.close();
        this.#server.closeAllConnections();
        rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
    }

    async #start() {
        await this.#kill();
        const program = PROGRAMS[this.name];
        const path = pathOf(program);
        if (!path) throw new Error(`${this.name} is not installed`);
        /** @type {NodeJS.ProcessEnv} */
        const env = { ...process.env, ...program.env, HOME: this.#profile };
        if (program.needs_display) env.DISPLAY = await openDisplay();
        const start = (/** @type {string} */ back) => {
            const log = openSync(join(this.#profile, 'log'), 'w');
            const args = [...program.args(this.#profile), ...this.#args, back];
            const browser = launch(path, args, { env, stdio: ['ignore', log, log] });
            closeSync(log);
            browser.once('exit', (status, name) => {
                if (this.#browser !== browser) return;
                this.#waiting = null;
                this.#fail(`it ended (${name ?? `status ${status}`})`);
            });
            this.#browser = browser;
        };
        await this.#visit(start, START_TIMEOUT, 'did not start');
        this.version ||= spawnSync(path, ['--version'], { env, encoding: 'utf8' }).stdout.trim();
    }

    /**
     * Until a page comes back to the address that `go` gets.
     * @param {(back: string) => void} go
     * @param {number} timeout
     * @param {string} what  is to be said if it does not
     */
    async #visit(go, timeout, what) {
        const report = new Promise((resolve, reject) => {
            this.#awaited = { resolve, reject };
        });
        const timer = setTimeout(() => this.#fail(`${what} in ${timeout / 1000} s`), timeout);
        try {
            go(`${this.#url}${++this.#number}`);
            return await report;
        } catch (error) {
            await this.#kill();
            throw error;
        } finally {
            clearTimeout(timer);
            this.#awaited = null;
        }
    }

    /** @param {string} what */
    #fail(what) {
        const said = readFileSync(join(this.#profile, 'log'), 'utf8').slice(-500).trim();
        this.#awaited?.reject(
            new Error(`${this.name}: ${what}. Its last words: ${said || 'none'}`),
        );
    }

    /**
     * @param {import('node:http').IncomingMessage} request
     * @param {Response} response
     */
    async #answer(request, response) {
        if (request.method !== 'POST') {
            response.setHeader('Content-Type', 'text/html').end(WAITING_PAGE);
            return;
        }
        const report = await text(request);
        this.#waiting = response;
        response.once('close', () => {
            if (this.#waiting === response) this.#waiting = null;
        });
        if (request.url !== `/${this.#number}`) return;
        this.#awaited?.resolve(report === '' ? undefined : JSON.parse(report));
    }

    /** Where the waiting page goes; null: it closes itself. @param {string | null} url */
    #go(url) {
        this.#waiting?.setHeader('Content-Type', 'application/json').end(JSON.stringify(url));
        this.#waiting = null;
    }

    async #kill() {
        const browser = this.#browser;
        this.#browser = null;
        if (!browser) return;
        signal(browser, 'SIGKILL');
        await until(() => browser.exitCode !== null || browser.signalCode !== null, END_TIMEOUT);
    }
}

/**
 * A program in a group of processes of its own, so that its children end with it.
 * @param {string} path
 * @param {string[]} args
 * @param {import('node:child_process').SpawnOptions} options
 */
function launch(path, args, options) {
    const child = spawn(path, args, { ...options, detached: true });
    running.add(child);
    child.once('exit', () => running.delete(child));
    return child;
}

/** The name of a display that nobody sees. It ends with the last program that uses it. */
async function openDisplay() {
    const args = [
        '-displayfd',
        '3',
        '-terminate',
        '-nolisten',
        'tcp',
        '-screen',
        '0',
        '1280x800x24',
    ];
    const child = launch('Xvfb', args, { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
    const number = await text(/** @type {import('node:stream').Readable} */ (child.stdio[3]));
    if (!number) throw new Error('Xvfb did not start');
    return `:${number.trim()}`;
}

/** Whether the program or one of its children is there. @param {Child} child */
function isAlive(child) {
    return signal(child, 0);
}

/** @param {Child} child @param {NodeJS.Signals | 0} name  0: only whether it could be sent */
function signal({ pid }, name) {
    try {
        return process.kill(-Number(pid), name);
    } catch {
        return false;
    }
}

/** @param {() => boolean} isSo @param {number} timeout */
async function until(isSo, timeout) {
    for (const end = Date.now() + timeout; !isSo() && Date.now() < end; ) await sleep(20);
}

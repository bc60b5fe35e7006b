/**
 * Fresh projects: a folder with files of apps/, and the package installed from its own tarball. The
 * bundlers are above it, in the user's cache (tools/npm_packages.sh), where Node and they look for
 * what a project has not got itself.
 */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { install, NAMES, pack } from '../js/packed.js';

/** @typedef {import('node:child_process').ChildProcess} Child */

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const APPS = join(import.meta.dirname, 'apps');

/** Milliseconds for a build on a busy machine, and for a server to listen. */
const BUILD_TIMEOUT = 180_000;
const START_TIMEOUT = 60_000;

/** Programs are quiet, send nothing home, and are not those of the tests' own environment. */
const { NODE_TEST_CONTEXT: _, NODE_OPTIONS: __, ...inherited } = process.env;
/** @type {NodeJS.ProcessEnv} */
const ENV = { ...inherited, CI: '1', NEXT_TELEMETRY_DISABLED: '1', NO_COLOR: '1' };

/**
 * Where the bundlers are, or why they are not there.
 * @returns {{folder: string, skip: string | false}}
 */
export function findBundlers() {
    const { status, stdout } = spawnSync(
        join(ROOT, 'tools/npm_packages.sh'),
        ['bundlers', 'tests/bundlers'],
        {
            encoding: 'utf8',
            stdio: ['ignore', 'pipe', 'inherit'],
        },
    );
    if (status === 0) return { folder: stdout.trim(), skip: false };
    return { folder: '', skip: 'NOT TESTED: bundlers: npm cannot install them' };
}

/** Projects that go at the end. */
export class Projects {
    #bundlers;
    #folder;

    /** @param {string} bundlers  their folder */
    constructor(bundlers) {
        this.#bundlers = bundlers;
        this.#folder = join(bundlers, `apps-${process.pid}`);
    }

    /** Packs the packages, and installs them where projects take them from. */
    install() {
        mkdirSync(this.#folder, { recursive: true });
        const tarballs = NAMES.map((name) => pack(name, this.#folder));
        install(join(this.#folder, 'bare'), tarballs.slice(0, 1));
        install(join(this.#folder, 'whole'), tarballs);
    }

    /**
     * A project with files: where each is, within apps/.
     * @param {string} name
     * @param {{[path: string]: string}} files
     * @param {'whole' | 'bare'} [installed]  bare: the library alone
     */
    create(name, files, installed = 'whole') {
        const folder = join(this.#folder, name.replaceAll(/\W+/g, '-'));
        cpSync(join(this.#folder, installed), folder, { recursive: true });
        for (const [path, template] of Object.entries(files)) {
            mkdirSync(dirname(join(folder, path)), { recursive: true });
            cpSync(join(APPS, template), join(folder, path), { recursive: true });
        }
        return new Project(folder, this.#bundlers);
    }

    /** @param {string} name  of a package in tests/bundlers/package.json */
    versionOf(name) {
        return readJSON(join(this.#bundlers, 'node_modules', name, 'package.json')).version;
    }

    remove() {
        rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
    }
}

class Project {
    #bundlers;

    /** @param {string} folder @param {string} bundlers */
    constructor(folder, bundlers) {
        this.folder = folder;
        this.#bundlers = bundlers;
    }

    /** Copies a file into it. @param {string} file @param {string} path */
    put(file, path) {
        mkdirSync(dirname(join(this.folder, path)), { recursive: true });
        cpSync(file, join(this.folder, path));
    }

    /** Runs commands of a shell. @param {string} commands */
    shell(commands) {
        return run('/bin/sh', ['-ec', commands], this.folder);
    }

    /**
     * Runs a program of an installed package, as npx would.
     * @param {string[]} command  the package, or `package:program` where the program has another
     *   name; then its arguments
     * @param {string[]} [flags]  of Node
     */
    run([name, ...args], flags = []) {
        return run(process.execPath, [...flags, this.#program(name), ...args], this.folder);
    }

    /**
     * Starts a server that listens at the port which takes the place of PORT among its arguments.
     * @param {string[]} command
     */
    async serve([name, ...args]) {
        const port = await freePort();
        const given = args.map((arg) => arg.replace('PORT', `${port}`));
        const { child, said } = launch(
            process.execPath,
            [this.#program(name), ...given],
            this.folder,
        );
        try {
            await listening(port, child);
        } catch (error) {
            await end(child);
            throw new Error(`${name} ${given.join(' ')}: ${error.message}\n${said()}`);
        }
        return { port, close: () => end(child) };
    }

    /** @param {string} named */
    #program(named) {
        const [name, program] = named.split(':');
        const folder = join(this.#bundlers, 'node_modules', name);
        const { bin } = readJSON(join(folder, 'package.json'));
        const path =
            typeof bin === 'string' ? bin : (bin[program ?? name] ?? Object.values(bin)[0]);
        return join(folder, path);
    }
}

/** What is ended with this process. @type {Set<Child>} */
const running = new Set();
process.on('exit', () => running.forEach(kill));

/**
 * A program in a group of processes of its own, so that its children end with it.
 * @param {string} program
 * @param {string[]} args
 * @param {string} cwd
 */
function launch(program, args, cwd) {
    const child = spawn(program, args, { cwd, env: ENV, detached: true });
    child.stdin.end();
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (text) => {
            said += text;
        });
    }
    running.add(child);
    child.once('exit', () => running.delete(child));
    return { child, said: () => said };
}

/**
 * @param {string} program
 * @param {string[]} args
 * @param {string} cwd
 * @returns {Promise<string>}  what it said
 */
async function run(program, args, cwd) {
    const { child, said } = launch(program, args, cwd);
    let is_late = false;
    const timer = setTimeout(() => {
        is_late = true;
        kill(child);
    }, BUILD_TIMEOUT);
    const [status] = await once(child, 'close');
    clearTimeout(timer);
    if (status === 0) return said();
    const how = is_late ? `did not end in ${BUILD_TIMEOUT / 1000} s` : `failed (${status})`;
    throw new Error(`${[program, ...args].join(' ')} ${how}:\n${said()}`);
}

/** @param {Child} child */
async function end(child) {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    kill(child);
    await ended;
}

/** @param {Child} child */
function kill({ pid }) {
    try {
        process.kill(-Number(pid), 'SIGKILL');
    } catch {
        // It has ended by itself.
    }
}

/** @param {string} file */
function readJSON(file) {
    return JSON.parse(readFileSync(file, 'utf8'));
}

/** A port that nobody listens at. @returns {Promise<number>} */
async function freePort() {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
    await new Promise((resolve) => server.close(resolve));
    return port;
}

/** Until somebody answers there. @param {number} port @param {Child} child */
async function listening(port, child) {
    for (const deadline = Date.now() + START_TIMEOUT; ; await sleep(50)) {
        if (child.exitCode !== null) throw new Error('it ended');
        try {
            await (await fetch(`http://127.0.0.1:${port}/`)).arrayBuffer();
            return;
        } catch {
            if (Date.now() > deadline) throw new Error(`silent for ${START_TIMEOUT / 1000} s`);
        }
    }
}

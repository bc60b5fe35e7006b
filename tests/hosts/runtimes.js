/**
 * The runtimes that the package is tried in: rows of docs/hosts.md. tools/npm_packages.sh brings
 * them.
 */

import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const { XDG_CACHE_HOME = join(homedir(), '.cache') } = process.env;

/** Of npm packages, outside the tree. */
export const PACKAGES = join(XDG_CACHE_HOME, 'bert-wasm/hosts/node_modules');

/**
 * @typedef {object} Runtime
 * @property {string} program  a path below PACKAGES
 * @property {string[]} [args]  before the script
 * @property {'base' | 'relaxed'} variant  of the engine that must run
 * @property {'base' | 'relaxed'} [bits]  whose answers it gives; default those of its variant
 */

/** @type {{[name: string]: Runtime}} */
export const RUNTIMES = {
    'Node 20': { program: 'node20/bin/node', variant: 'base' },
    'Node 22': { program: 'node22/bin/node', variant: 'relaxed' },
    'Node 26': { program: 'node26/bin/node', variant: 'relaxed' },
    Deno: {
        program: '@deno/linux-x64-glibc/deno',
        args: ['run', '--allow-read', '--no-prompt', '--no-remote'],
        variant: 'relaxed',
    },
    // JavaScriptCore does not fuse the relaxed product and sum.
    Bun: { program: '@oven/bun-linux-x64/bin/bun', variant: 'relaxed', bits: 'base' },
};

/** Where a program is. @param {{program: string}} runtime */
export const pathOf = ({ program }) => join(PACKAGES, program);

/** Why a runtime cannot be run here, or false. @param {string} name */
export function missing(name) {
    if (existsSync(pathOf(RUNTIMES[name]))) return false;
    return `NOT TESTED: ${name}, which is not installed (tools/npm_packages.sh; x86-64 Linux)`;
}

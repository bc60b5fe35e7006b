/** `bert-wasm cache`: the models that are stored on this machine. */

import { cache } from '../cache/index.js';
import { parse, UsageError } from './options.js';
import { print, printLines } from './print.js';

/** @type {Record<string, (url?: string) => Promise<void>>} */
const ACTIONS = {
    async list() {
        await printLines(await cache.list());
    },
    async delete(url) {
        await print({ deleted: await cache.delete(url) });
    },
    async size() {
        await print(await cache.size());
    },
};

/** @type {import('./options.js').Command} */
export const command = {
    usage: 'list | size | delete [URL]',
    summary: 'The models that came from URLs, or were converted, and are stored on this machine.',
    options: {},
    example: 'bert-wasm cache list',
    notes: 'delete takes the model of a URL away, or all.',
    run,
};

/** @param {string[]} args */
async function run(args) {
    const { positionals } = parse(args, {}, { positionals: true });
    const [action, url, ...more] = positionals;
    if (!Object.hasOwn(ACTIONS, action ?? '')) {
        throw new UsageError(
            `it must be ${Object.keys(ACTIONS).join(', ')}, not '${action ?? ''}'`,
        );
    }
    if (more.length || (url !== undefined && action !== 'delete')) {
        throw new UsageError(`'${more[0] ?? url}' is too much`);
    }
    await ACTIONS[action](url);
}

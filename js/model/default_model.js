/**
 * The model that is used when none is named: English sentiment, a package of its own, since most
 * programs bring another and it is sixty times as large as this one.
 *
 * It is found by its name, through whatever resolves names here: Node, a bundler, an import map.
 * Where nothing does, it is looked for in the folder `models` beside the script. Rejected: an
 * address on some server, as no byte comes from elsewhere unasked; asking first whether the file is
 * there, which costs a round trip of every visit.
 */

import { packageURL, sentimentBeside } from '#platform';

import { BertError } from '../errors.js';

/** What it is called where its address is not known yet. */
export const DEFAULT_MODEL = 'bert-wasm-sentiment';

/**
 * @template T
 * @param {(url: string) => Promise<T>} load
 * @returns {Promise<T>}
 */
export async function withDefaultModel(load) {
    const installed = await findInstalled();
    if (installed) return load(installed);
    const beside = await sentimentBeside().catch(() => undefined); // no file has an address
    if (!beside) throw notFound('no model was named');
    return load(beside).catch((error) => {
        const is_missing = error.code === 'FETCH_FAILED' || error.code === 'BAD_MODEL_FILE';
        throw is_missing ? notFound(error.message, error) : error;
    });
}

/** @returns {Promise<string | undefined>} */
async function findInstalled() {
    try {
        // Literal, so that bundlers see it; within `try`, so that they may miss it.
        return packageURL((await import('bert-wasm-sentiment')).default);
    } catch {
        return undefined; // who resolves the name decides what is thrown
    }
}

/**
 * @param {string} what
 * @param {BertError} [cause]
 */
function notFound(what, cause) {
    return new BertError(
        cause?.code ?? 'FETCH_FAILED',
        `${what}, and ${DEFAULT_MODEL} was not found: npm install ${DEFAULT_MODEL}, ` +
            'or give a model',
        { cause },
    );
}

/** Where models with names come from: set once, for all that are loaded later. */

import { BertError, describe } from '../errors.js';
import { kindOf } from '../realms.js';

/**
 * @typedef {object} Configuration
 * @property {string | URL | null} [hub]  where names lead: the address of a Hub
 *   (`https://huggingface.co`, or a mirror of it); a pattern with `{repo}` and `{file}`, and
 *   `{revision}` if it has revisions; or a folder that has a folder for each name: in Node a path,
 *   in a page an address that ends in `/`. null: the default, in Node `$HF_ENDPOINT`, else
 *   https://huggingface.co
 * @property {string | null} [token]  for repositories that not everyone may read: it is sent to the
 *   hub alone, never to where that redirects. null: the default, in Node `$HF_TOKEN` or the token
 *   that `hf auth login` has stored, else none
 */

/** @type {{hub: string | null, token: string | null}} What was set; null: the default. */
export const configuration = { hub: null, token: null };

/**
 * Sets where models with names (`org/name`) come from. What is not given stays as it is.
 * @param {Configuration} settings
 * @throws {BertError} BAD_OPTION
 */
export function configure(settings) {
    for (const [name, value] of Object.entries(settings ?? {})) {
        const isKnown = name === 'hub' || name === 'token';
        if (!isKnown) {
            throw new BertError('BAD_OPTION', `configure() has hub and token, not '${name}'`);
        }
        if (value === undefined) continue;
        const text = kindOf(value) === 'URL' ? String(value) : value;
        if (text !== null && (typeof text !== 'string' || text === '')) {
            throw new BertError(
                'BAD_OPTION',
                `${name} must be ` +
                    `${name === 'hub' ? 'an address, a pattern or a folder' : 'text'} ` +
                    `or null, not ${describe(value)}`,
            );
        }
        if (name === 'hub' && text) checkPattern(text);
        configuration[name] = text;
    }
}

/** @param {string} pattern */
function checkPattern(pattern) {
    const names = [...pattern.matchAll(/\{(.*?)\}/g)].map(([, name]) => name);
    if (!names.length) return;
    const missing = ['repo', 'file'].find((name) => !names.includes(name));
    const unknown = names.find((name) => !['repo', 'revision', 'file'].includes(name));
    if (missing === undefined && unknown === undefined) return;
    throw new BertError(
        'BAD_OPTION',
        `hub must be a pattern with {repo} and {file}, perhaps {revision}, ` +
            `not '${pattern}': it has ${unknown ? `{${unknown}}` : `no {${missing}}`}`,
    );
}

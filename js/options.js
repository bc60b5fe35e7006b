/** Options that callers give: which there are, and their defaults. */

import { BertError, describe } from './errors.js';

/**
 * @template {Record<string, any>} T
 * @param {string} owner  what has these options, for messages
 * @param {unknown} options
 * @param {T} defaults  all the options that there are
 * @returns {T}
 */
export function readOptions(owner, options, defaults) {
    if (typeof options !== 'object' || options === null || Array.isArray(options)) {
        throw new BertError(
            'BAD_OPTION',
            `the options of ${owner} must be an object, not ${describe(options)}`,
        );
    }
    /** @type {Record<string, any>} */
    const read = { ...defaults };
    for (const [name, value] of Object.entries(options)) {
        if (!Object.hasOwn(defaults, name)) {
            throw new BertError(
                'BAD_OPTION',
                `${owner} has no option '${name}'; it has ${Object.keys(defaults).join(', ')}`,
            );
        }
        if (value !== undefined) read[name] = value;
    }
    return /** @type {T} */ (read);
}

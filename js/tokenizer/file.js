/**
 * Reading tokenizer.json: the text becomes a value, and `Fields` gives its members with their types
 * checked, so that every stage can trust them and every refusal says where in the file it is.
 *
 * JSON.parse does the parsing: it is native, and does not recurse on input in any engine that
 * matters. It has one flaw here, that the last of two equal keys silently wins, which in a
 * vocabulary means a lost piece; so a scan of the text looks for such keys.
 */

import { BertError, describe } from '../errors.js';
import { bytesOf } from '../realms.js';

/** Sequences of stages may hold sequences; the library's own files have one level. */
const MAX_DEPTH = 16;

/**
 * @param {string} where  the part of the file, as a user would name it; '' for the file itself
 * @param {string} message
 * @param {{cause?: unknown}} [options]
 * @returns {BertError}
 */
export function badTokenizer(where, message, options) {
    const place = where ? `tokenizer.json: ${where}: ` : 'tokenizer.json: ';
    return new BertError('BAD_TOKENIZER', place + message, options);
}

/**
 * The members of one object of the file.
 */
export class Fields {
    /** @type {Record<string, unknown>} */
    #members;

    /**
     * @param {unknown} value
     * @param {string} where
     * @param {number} [depth]  how many sequences this is in
     */
    constructor(value, where, depth = 0) {
        if (typeof value !== 'object' || value === null || Array.isArray(value)) {
            throw badTokenizer(where, `must be an object, not ${describe(value)}`);
        }
        if (depth > MAX_DEPTH) {
            throw badTokenizer(where, `must be within at most ${MAX_DEPTH} sequences`);
        }
        this.#members = /** @type {Record<string, unknown>} */ (value);
        /** @readonly */
        this.where = where;
        /** @readonly */
        this.depth = depth;
    }

    /**
     * @param {string} name
     * @returns {unknown}  null where it is missing
     */
    get(name) {
        return Object.hasOwn(this.#members, name) ? (this.#members[name] ?? null) : null;
    }

    /**
     * @param {string} name
     * @param {string} wanted
     * @returns {BertError}
     */
    wrong(name, wanted) {
        const value = this.get(name);
        const given = Object.hasOwn(this.#members, name)
            ? `not ${describe(value)}`
            : 'but is missing';
        return badTokenizer(this.where, `${name} must be ${wanted}, ${given}`);
    }

    /**
     * @param {string} name
     * @returns {string}
     */
    string(name) {
        const value = this.get(name);
        if (typeof value !== 'string') throw this.wrong(name, 'a string');
        if (!isWellFormed(value)) throw this.wrong(name, 'whole Unicode characters');
        return value;
    }

    /**
     * @param {string} name
     * @param {boolean} [missing]  what it is where the file has none
     * @returns {boolean}
     */
    boolean(name, missing) {
        const value = this.get(name);
        if (missing !== undefined && !Object.hasOwn(this.#members, name)) return missing;
        if (typeof value !== 'boolean') throw this.wrong(name, 'true or false');
        return value;
    }

    /**
     * An integer of 32 bits, as ids and lengths are.
     * @param {string} name
     * @returns {number}
     */
    integer(name) {
        const value = this.get(name);
        if (!isInteger(value)) throw this.wrong(name, 'an integer of at most 32 bits');
        return value;
    }

    /**
     * @template {string} T
     * @param {string} name
     * @param {readonly T[]} values
     * @param {T} [missing]  what it is where the file has none
     * @returns {T}
     */
    oneOf(name, values, missing) {
        const value = this.get(name);
        if (missing !== undefined && !Object.hasOwn(this.#members, name)) return missing;
        const found = values.find((each) => each === value);
        if (found === undefined) throw this.wrong(name, `one of ${values.join(', ')}`);
        return found;
    }

    /**
     * @param {string} name
     * @returns {unknown[]}
     */
    list(name) {
        const value = this.get(name);
        if (!Array.isArray(value)) throw this.wrong(name, 'a list');
        return value;
    }

    /**
     * @param {string} name
     * @returns {Record<string, unknown>}
     */
    object(name) {
        const value = this.get(name);
        if (typeof value !== 'object' || value === null || Array.isArray(value)) {
            throw this.wrong(name, 'an object');
        }
        return /** @type {Record<string, unknown>} */ (value);
    }
}

/**
 * Looks up what makes a stage of the given type, or refuses it by name.
 * @template T
 * @param {Record<string, (fields: Fields) => T>} kinds
 * @param {string} stage  normalizer, pre-tokenizer, ...
 * @param {unknown} config
 * @param {number} depth
 * @returns {T}
 */
export function make(kinds, stage, config, depth) {
    const type = new Fields(config, stage, depth).string('type');
    if (!Object.hasOwn(kinds, type)) {
        throw badTokenizer(
            '',
            `${stage} '${type.slice(0, 80)}' is not supported; known are ` +
                `${Object.keys(kinds).sort().join(', ')}`,
        );
    }
    return kinds[type](new Fields(config, `${stage} '${type}'`, depth));
}

/**
 * @param {unknown} value
 * @returns {value is number}
 */
export function isInteger(value) {
    return (
        typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffffffff
    );
}

/**
 * Text never has half a surrogate pair once it has been read, so a piece with one is a mistake.
 * @param {string} text
 * @returns {boolean}
 */
export function isWellFormed(text) {
    return !/\p{Surrogate}/u.test(text);
}

/**
 * @param {string | Uint8Array | ArrayBuffer} file
 * @returns {Fields}
 */
export function readFile(file) {
    const bytes = bytesOf(file);
    let text = '';
    if (typeof file === 'string') {
        text = file;
    } else if (bytes) {
        try {
            text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
        } catch (cause) {
            throw badTokenizer('', 'the file is not UTF-8 text', { cause });
        }
    } else {
        throw new BertError(
            'BAD_INPUT',
            `tokenizer.json must be given as text or bytes, not ${describe(file)}`,
        );
    }
    let value;
    try {
        value = JSON.parse(text);
    } catch (cause) {
        const reason = /** @type {any} */ (cause)?.message ?? String(cause);
        throw badTokenizer('', `not valid JSON: ${reason.slice(0, 200)}`, { cause });
    }
    const twice = duplicateKey(text);
    if (twice !== null) throw badTokenizer('', `the key ${twice} occurs twice`);
    return new Fields(value, '');
}

/**
 * The first key that an object has twice, as it is written, or null. The text must be valid JSON.
 * @param {string} text
 * @returns {string | null}
 */
export function duplicateKey(text) {
    // One set for each object that is open, null for each list.
    /** @type {(Set<string> | null)[]} */
    const open = [];
    /** @type {Set<string> | null} */
    let keys = null;
    const { length } = text;
    for (let i = 0; i < length; i++) {
        const c = text.charCodeAt(i);
        if (c < 0x22) continue; // space, most of what is between strings
        switch (c) {
            case 0x7b: // {
                keys = new Set();
                open.push(keys);
                break;
            case 0x5b: // [
                keys = null;
                open.push(keys);
                break;
            case 0x7d: // }
            case 0x5d: // ]
                open.pop();
                keys = open.length > 0 ? open[open.length - 1] : null;
                break;
            case 0x22: {
                // "
                const end = endOfString(text, i + 1);
                if (keys !== null && isKey(text, end + 1)) {
                    const key = text.slice(i, end + 1);
                    const plain = key.includes('\\') ? JSON.stringify(JSON.parse(key)) : key;
                    if (keys.has(plain)) return key.slice(0, 80);
                    keys.add(plain);
                }
                i = end;
            }
        }
    }
    return null;
}

/**
 * @param {string} text
 * @param {number} from  after the opening quote
 * @returns {number}  where the closing quote is
 */
function endOfString(text, from) {
    let end = text.indexOf('"', from);
    for (;;) {
        let backslashes = 0;
        while (text.charCodeAt(end - 1 - backslashes) === 0x5c) backslashes++;
        if (backslashes % 2 === 0) return end;
        end = text.indexOf('"', end + 1);
    }
}

/**
 * @param {string} text
 * @param {number} from  after the closing quote
 * @returns {boolean}  whether a colon follows
 */
function isKey(text, from) {
    let i = from;
    while (text.charCodeAt(i) <= 0x20) i++;
    return text.charCodeAt(i) === 0x3a;
}

/**
 * Added tokens: pieces that are found in the text before anything else is done to it, such as
 * `[MASK]` and those that users add. The `normalized` ones are normalised too, and found in the
 * normalised text.
 *
 * At each place the longest token that begins there is taken and the search goes on behind it. The
 * library uses an Aho-Corasick automaton for that; a look at the first character and a hash of what
 * follows do the same in time proportional to the text, since tokens have a limited length.
 */

import { badTokenizer, Fields } from './file.js';
import { codePointAt, isLeadSurrogate, isTrailSurrogate, unitsOf } from './normalized_string.js';
import { CodePointSet, whitespace, word } from './unicode.js';
import { PieceTable } from './vocabulary.js';

/** @import { NormalizedString } from './normalized_string.js' */
/** @import { Normalizer } from './normalizers.js' */
/** @import { PieceList } from './vocabulary.js' */

/**
 * @typedef {object} AddedToken
 * @property {number} id
 * @property {string} content
 * @property {boolean} single_word  whether it is found as a whole word only
 * @property {boolean} lstrip  whether it takes along the space before it
 * @property {boolean} rstrip  whether it takes along the space behind it
 * @property {boolean} normalized  whether it is found in normalised text
 * @property {boolean} special  whether it is left out when decoding
 * @property {string} found  what is looked for: the content, normalised if it is `normalized`
 */

/** A longer one would make the search slow; it is surely a mistake. */
const MAX_CONTENT = 1024;

export class AddedVocabulary {
    /** @type {Map<string, AddedToken>} */
    #by_content = new Map();

    /** @type {Map<number, AddedToken>} */
    #by_id = new Map();

    /** @type {Set<string>} */
    #special = new Set();

    /**
     * @param {unknown[]} list  added_tokens of the file
     * @param {PieceList} vocabulary  the model's
     * @param {Normalizer | null} normalizer
     * @param {NormalizedString} scratch
     */
    constructor(list, vocabulary, normalizer, scratch) {
        // Ids follow the model's in the order of the file; the ids in the file only confirm that.
        let next = vocabulary.size;
        /** How many of them the model does not have. */
        this.n_new = 0;
        for (let i = 0; i < list.length; i++) {
            const token = readToken(list[i], i);
            if (token.content === '') continue;
            const known = vocabulary.id(token.content);
            const id = known >= 0 ? known : next++;
            if (known < 0) this.n_new++;
            if (token.id !== id) throw wrongId(token, id, known >= 0);
            if (this.#by_content.has(token.content)) {
                throw badTokenizer('added_tokens', `${quote(token.content)} occurs twice`);
            }
            if (known < 0 && vocabulary.piece(id) !== null) {
                throw badTokenizer(
                    'added_tokens',
                    `${quote(token.content)} would have the id ` +
                        `${id} of ${quote(vocabulary.piece(id) ?? '')}: the vocabulary has gaps`,
                );
            }
            if (token.normalized && normalizer !== null) {
                scratch.reset(unitsOf(token.content), 0, token.content.length);
                normalizer.normalize(scratch);
                token.found = scratch.slice(0, scratch.length);
            }
            this.#by_content.set(token.content, token);
            this.#by_id.set(id, token);
            if (token.special) this.#special.add(token.content);
        }
        const tokens = [...this.#by_id.values()];
        /** Finds tokens in the text as it was given, null if there are none. */
        this.given = makeMatcher(tokens.filter((token) => !token.normalized));
        /** Finds tokens in the normalised text. */
        this.normalized = makeMatcher(tokens.filter((token) => token.normalized));
    }

    /**
     * @param {string} token
     * @returns {number}  its id, or -1
     */
    id(token) {
        return this.#by_content.get(token)?.id ?? -1;
    }

    /**
     * @param {number} id
     * @returns {AddedToken | null}
     */
    token(id) {
        return this.#by_id.get(id) ?? null;
    }

    /**
     * @param {string} token
     * @returns {boolean}
     */
    isSpecial(token) {
        return this.#special.has(token);
    }
}

/**
 * @param {unknown} config
 * @param {number} index
 * @returns {AddedToken}
 */
function readToken(config, index) {
    const fields = new Fields(config, `added token ${index}`);
    const content = fields.string('content');
    if (content.length > MAX_CONTENT) {
        throw badTokenizer(
            fields.where,
            `its content must have at most ${MAX_CONTENT} characters, not ${content.length}`,
        );
    }
    return {
        id: fields.integer('id'),
        content,
        single_word: fields.boolean('single_word'),
        lstrip: fields.boolean('lstrip'),
        rstrip: fields.boolean('rstrip'),
        normalized: fields.boolean('normalized'),
        special: fields.boolean('special'),
        found: content,
    };
}

/**
 * @param {AddedToken} token
 * @param {number} id  what it should be
 * @param {boolean} is_known  because the model's vocabulary has it
 * @returns {Error}
 */
function wrongId({ content, id: given }, id, is_known) {
    const reason = is_known
        ? 'the id it has in the vocabulary'
        : 'the next after the vocabulary and the added tokens before it';
    return badTokenizer(
        'added_tokens',
        `${quote(content)} has the id ${given}, not ${id}, ${reason}`,
    );
}

/**
 * @param {string} content
 * @returns {string}  for a message
 */
function quote(content) {
    return JSON.stringify(content.slice(0, 80));
}

/**
 * @param {AddedToken[]} tokens
 * @returns {AddedTokenMatcher | null}
 */
function makeMatcher(tokens) {
    return tokens.length > 0 ? new AddedTokenMatcher(tokens) : null;
}

/**
 * Finds some added tokens in units.
 */
export class AddedTokenMatcher {
    /** By entry of the table. */
    #tokens;

    /** @type {PieceTable} */
    #table;

    /** First units of the tokens. */
    #first;

    /**
     * @param {AddedToken[]} tokens
     */
    constructor(tokens) {
        const pool = unitsOf(tokens.map(({ found }) => found).join(''));
        this.#tokens = tokens;
        this.#table = new PieceTable(pool, tokens.length);
        const first = [];
        let end = 0;
        for (const token of tokens) {
            const start = end;
            end += token.found.length;
            // The library finds the empty string everywhere, and so cuts the text into characters.
            if (token.found === '') {
                throw badTokenizer(
                    'added_tokens',
                    `nothing is left of ${quote(token.content)} when it is normalised`,
                );
            }
            if (!this.#table.add(start, end, token.id)) {
                throw badTokenizer(
                    'added_tokens',
                    `${quote(token.content)} is the same as another when it is normalised`,
                );
            }
            first.push(pool[start], pool[start]);
        }
        this.#first = new CodePointSet(first);
    }

    /**
     * Cuts a text into added tokens and what is between them.
     * @param {Uint16Array} units
     * @param {number} length
     * @param {(start: number, end: number) => void} onText
     * @param {(token: AddedToken, start: number, end: number, is_bare: boolean) => void} onToken
     *     `is_bare` if it took no space along
     */
    split(units, length, onText, onToken) {
        const table = this.#table;
        const first = this.#first;
        let done = 0; // up to here everything has been handed on
        for (let i = 0; i < length; ) {
            const entry = first.has(units[i]) ? table.longest(units, i, length) : -1;
            if (entry < 0) {
                i++;
                continue;
            }
            const token = this.#tokens[entry];
            const behind = i + table.ends[entry] - table.starts[entry];
            if (token.single_word && !isSingleWord(units, i, behind, length)) {
                i = behind;
                continue;
            }
            let start = i;
            let end = behind;
            if (token.lstrip) {
                while (start > done && whitespace().has(units[start - 1])) start--;
                start = Math.max(start, done);
            }
            if (token.rstrip) {
                // What the token before took along is space, and need not be looked at again.
                end = Math.max(end, Math.min(done, length));
                while (end < length && whitespace().has(units[end])) end++;
            }
            if (start > done) onText(done, start);
            if (end > start) {
                onToken(token, start, end, start === i && end === behind);
                done = end;
            }
            i = behind;
        }
        if (done < length) onText(done, length);
    }
}

/**
 * @param {Uint16Array} units
 * @param {number} start
 * @param {number} end
 * @param {number} length
 * @returns {boolean}  whether no word goes on before or behind
 */
function isSingleWord(units, start, end, length) {
    if (start > 0) {
        const before =
            isTrailSurrogate(units[start - 1]) && start > 1 && isLeadSurrogate(units[start - 2])
                ? start - 2
                : start - 1;
        if (word().has(codePointAt(units, before))) return false;
    }
    return end === length || !word().has(codePointAt(units, end));
}

/**
 * The post-processors of tokenizer.json, each under its name there. The result of all is a row of
 * pieces, special tokens and sequences, with a type for each: one row for a text and one for a
 * pair. `Encoding` puts the tokens in it.
 *
 * As in the library, a post-processor takes parts, one or two texts, and returns parts, which the
 * next of a sequence takes; put together they are the row. Rows are made once, when the file is
 * read.
 */

import { badTokenizer, Fields, isInteger, make } from './file.js';
import { whitespace } from './unicode.js';

/**
 * Special tokens (ids and tokens), or the place of a sequence (ids and tokens null).
 * @typedef {object} Piece
 * @property {number[] | null} ids
 * @property {string[] | null} tokens
 * @property {number} sequence  0 for the text, 1 for text_pair; -1 for special tokens
 * @property {number} type_id
 * @property {number} overflow_type_id  in overflowing windows: the library forgets the template's
 *     type of a sequence there and leaves 0 for the text, 1 for text_pair
 * @property {Trim[]} trims  what is done to the places of a sequence's tokens
 */

/**
 * Takes space out of the places of a sequence's tokens, from start to end. `tokenText` is by id;
 * `surfaces`, as in TokenBuffer, are by token - shift.
 * @typedef {(encoding: {ids: Uint32Array, offsets: Uint32Array}, start: number, end: number,
 *     text: string, tokenText: (id: number) => string, surfaces: Map<number, string> | null,
 *     shift: number) => void} Trim
 */

/** @typedef {(parts: Piece[][], with_special: boolean) => Piece[][]} Process */

/**
 * @typedef {object} PostProcessor
 * @property {Piece[][]} rows  for a text without special tokens and with them, and for a pair
 */

/**
 * @param {number} sequence
 * @returns {Piece}
 */
function sequencePiece(sequence) {
    return {
        ids: null,
        tokens: null,
        sequence,
        type_id: sequence,
        overflow_type_id: sequence,
        trims: [],
    };
}

/**
 * @param {number[]} ids
 * @param {string[]} tokens
 * @param {number} type_id
 * @returns {Piece}
 */
function specialPiece(ids, tokens, type_id) {
    return { ids, tokens, sequence: -1, type_id, overflow_type_id: type_id, trims: [] };
}

/**
 * @param {Process} process
 * @returns {PostProcessor}
 */
function makeRows(process) {
    return {
        rows: [0, 1, 2, 3].map((k) => {
            const parts = [0, 1]
                .slice(0, k < 2 ? 1 : 2)
                .map((sequence) => [sequencePiece(sequence)]);
            return process(parts, k % 2 === 1).flat();
        }),
    };
}

/** What a tokenizer without one does. */
const PLAIN = makeRows((parts) => parts);

/**
 * @param {PostProcessor | null} post_processor
 * @param {boolean} is_pair
 * @param {boolean} with_special
 * @returns {Piece[]}
 */
export function piecesOf(post_processor, is_pair, with_special) {
    return (post_processor ?? PLAIN).rows[(is_pair ? 2 : 0) + (with_special ? 1 : 0)];
}

/**
 * A special token as `["[SEP]", 102]`.
 * @param {Fields} fields
 * @param {string} name
 * @param {number} type_id
 * @returns {Piece}
 */
function tokenAndId(fields, name, type_id) {
    const [token, id] = fields.list(name);
    if (typeof token !== 'string' || !isInteger(id)) {
        throw fields.wrong(name, 'a token and its id');
    }
    return specialPiece([id], [token], type_id);
}

/**
 * `[CLS] A [SEP]`, `[CLS] A [SEP] B [SEP]`; the second text and its [SEP] are of type 1.
 * @param {Fields} fields
 * @returns {Process}
 */
function bertProcessing(fields) {
    const cls = tokenAndId(fields, 'cls', 0);
    const sep = tokenAndId(fields, 'sep', 0);
    const second_sep = tokenAndId(fields, 'sep', 1);
    return (parts, with_special) => {
        if (!with_special) return parts;
        return parts.map((part, i) => (i === 0 ? [cls, ...part, sep] : [...part, second_sep]));
    };
}

/** How byte-level tokenizers write a space. */
const BYTE_LEVEL_SPACE = 0x120;

/**
 * `<s> A </s>`, `<s> A </s></s> B </s>`, all of type 0.
 * @param {Fields} fields
 * @returns {Process}
 */
function robertaProcessing(fields) {
    const cls = tokenAndId(fields, 'cls', 0);
    const sep = tokenAndId(fields, 'sep', 0);
    const trim = byteLevel(fields);
    return (parts, with_special) =>
        trim(parts, with_special).map((part, i) => {
            if (!with_special) return part.map((piece) => ({ ...piece, type_id: 0 }));
            const bare = part.map((piece) => ({ ...piece, type_id: 0, overflow_type_id: 0 }));
            return [i === 0 ? cls : sep, ...bare, sep];
        });
}

/**
 * Takes the space that byte-level tokens begin and end with out of their places.
 * @param {Fields} fields
 * @returns {Process}
 */
function byteLevel(fields) {
    const adds_space = fields.boolean('add_prefix_space');
    if (!fields.boolean('trim_offsets')) return (parts) => parts;
    /** Characters of space at both ends of a token, by id: leading << 16 | trailing, + 1. */
    let spaces = new Uint32Array(1024);
    /** @type {(id: number, tokenText: (id: number) => string) => number} */
    const learn = (id, tokenText) => {
        if (id >= spaces.length) {
            const more = new Uint32Array(2 * id);
            more.set(spaces);
            spaces = more;
        }
        return (spaces[id] = spacesOf(tokenText(id)) + 1);
    };
    return (parts) =>
        parts.map((part) =>
            part.map((piece, k) => {
                if (piece.ids !== null) return piece;
                /** @type {Trim} */
                const trim = ({ ids, offsets }, start, end, text, tokenText, surfaces, shift) => {
                    // The token before which a space may have been put, besides those at 0.
                    const first = k === 0 ? start : -1;
                    for (let i = start; i < end; i++) {
                        const surface = surfaces?.get(i - shift);
                        const id = ids[i];
                        const found =
                            surface !== undefined
                                ? spacesOf(surface)
                                : ((id < spaces.length && spaces[id]) || learn(id, tokenText)) - 1;
                        if (found === 0) continue;
                        let leading = found >>> 16;
                        const from = offsets[2 * i];
                        const to = offsets[2 * i + 1];
                        // The one space that was put before the text is no part of it.
                        if (adds_space && leading === 1 && (i === first || from === 0)) leading = 0;
                        const begin = Math.min(forward(text, from, leading), to);
                        offsets[2 * i] = begin;
                        offsets[2 * i + 1] = Math.max(backward(text, to, found & 0xffff), begin);
                    }
                };
                return { ...piece, trims: [...piece.trims, trim] };
            }),
        );
}

/**
 * @param {string} token
 * @returns {number}  characters of space: leading << 16 | trailing
 */
function spacesOf(token) {
    const most = 0xffff; // and no token has more
    return (
        (Math.min(countSpaces(token, 0, 1), most) << 16) |
        Math.min(countSpaces(token, token.length - 1, -1), most)
    );
}

/**
 * @param {string} token
 * @param {number} from
 * @param {1 | -1} step
 * @returns {number}  how many characters from there on are space
 */
function countSpaces(token, from, step) {
    let i = from;
    for (; i >= 0 && i < token.length; i += step) {
        const unit = token.charCodeAt(i);
        if (unit !== BYTE_LEVEL_SPACE && !whitespace().has(unit)) break;
    }
    return Math.abs(i - from);
}

/**
 * @param {string} text
 * @param {number} at
 * @param {number} n
 * @returns {number}  n characters further on: a space may have come from an emoji
 */
function forward(text, at, n) {
    let i = at;
    for (let k = 0; k < n; k++) i += /** @type {number} */ (text.codePointAt(i)) > 0xffff ? 2 : 1;
    return i;
}

/**
 * @param {string} text
 * @param {number} at
 * @param {number} n
 * @returns {number}  n characters back; `at` if there are fewer
 */
function backward(text, at, n) {
    let i = at;
    for (let k = 0; k < n; k++) {
        i -= i > 1 && /** @type {number} */ (text.codePointAt(i - 2)) > 0xffff ? 2 : 1;
        if (i < 0) return at;
    }
    return i;
}

/**
 * Any row of special tokens and sequences.
 * @param {Fields} fields
 * @returns {Process}
 */
function templateProcessing(fields) {
    const tokens = new Fields(fields.object('special_tokens'), `${fields.where}: special_tokens`);
    const single = readTemplate(fields, 'single', tokens);
    const pair = readTemplate(fields, 'pair', tokens);
    if (single.some(({ sequence }) => sequence === 1)) {
        throw badTokenizer(fields.where, 'single uses sequence B, which only pairs have');
    }
    for (const sequence of [0, 1]) {
        if (!pair.some((piece) => piece.sequence === sequence)) {
            throw badTokenizer(fields.where, 'pair must use sequences A and B');
        }
    }
    return (parts, with_special) => {
        const template = [single, pair][parts.length - 1];
        if (template === undefined) {
            throw badTokenizer(
                fields.where,
                `is for one or two parts, not the ${parts.length} that ` +
                    'the post-processor before it leaves',
            );
        }
        const used = with_special ? template : template.filter(({ ids }) => ids === null);
        return used.map((piece) =>
            piece.ids !== null
                ? [piece]
                : parts[piece.sequence].map((each) => ({ ...each, type_id: piece.type_id })),
        );
    };
}

/**
 * @param {Fields} fields
 * @returns {Process}
 */
function sequence(fields) {
    const all = fields
        .list('processors')
        .map((config) => make(POST_PROCESSORS, 'post-processor', config, fields.depth + 1));
    return (parts, with_special) =>
        all.reduce((before, process) => process(before, with_special), parts);
}

/**
 * @param {Fields} fields
 * @param {'single' | 'pair'} name
 * @param {Fields} tokens
 * @returns {Piece[]}
 */
function readTemplate(fields, name, tokens) {
    return fields.list(name).map((each, i) => {
        const where = `${fields.where}: ${name}[${i}]`;
        const piece = new Fields(each, where);
        if (piece.get('Sequence') !== null) {
            const of = new Fields(piece.get('Sequence'), where);
            const sequence = of.oneOf('id', ['A', 'B']) === 'A' ? 0 : 1;
            return { ...sequencePiece(sequence), type_id: of.integer('type_id') };
        }
        if (piece.get('SpecialToken') === null) {
            throw badTokenizer(where, 'must be a Sequence or a SpecialToken');
        }
        const of = new Fields(piece.get('SpecialToken'), where);
        return readSpecialToken(tokens, of.string('id'), of.integer('type_id'));
    });
}

/**
 * @param {Fields} tokens
 * @param {string} name
 * @param {number} type_id
 * @returns {Piece}
 */
function readSpecialToken(tokens, name, type_id) {
    const where = `${tokens.where}: ${JSON.stringify(name.slice(0, 80))}`;
    if (tokens.get(name) === null) throw badTokenizer(where, 'is missing');
    const token = new Fields(tokens.get(name), where);
    const ids = token.list('ids');
    const texts = token.list('tokens');
    if (!ids.every(isInteger)) throw token.wrong('ids', 'a list of ids');
    if (!texts.every((text) => typeof text === 'string') || texts.length !== ids.length) {
        throw token.wrong('tokens', 'a list of as many strings as ids');
    }
    return specialPiece(ids, texts, type_id);
}

/** @type {Record<string, (fields: Fields) => Process>} */
const POST_PROCESSORS = {
    BertProcessing: bertProcessing,
    ByteLevel: byteLevel,
    RobertaProcessing: robertaProcessing,
    Sequence: sequence,
    TemplateProcessing: templateProcessing,
};

/**
 * @param {unknown} config
 * @returns {PostProcessor}
 */
export function makePostProcessor(config) {
    return makeRows(make(POST_PROCESSORS, 'post-processor', config, 0));
}

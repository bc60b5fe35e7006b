/**
 * The post-processors of tokenizer.json, each under its name there. All come to the same: a row of
 * pieces, special tokens and sequences, with a type for each, one row for a text and one for a
 * pair. `Encoding` puts the tokens in it.
 */

import { Fields, badTokenizer, isInteger, make } from './file.js';
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
 */

/**
 * @typedef {object} PostProcessor
 * @property {(isPair: boolean, special: boolean) => Piece[]} pieces  with special tokens or without
 * @property {(offsets: Uint32Array, start: number, end: number, tokenText: (i: number) => string,
 *     text: string) => void} [trimOffsets]  takes space out of the places of a sequence's tokens
 */

/**
 * @param {number} sequence
 * @param {number} type_id
 * @param {number} [overflow_type_id]
 * @returns {Piece}
 */
function sequencePiece(sequence, type_id, overflow_type_id = sequence) {
    return { ids: null, tokens: null, sequence, type_id, overflow_type_id };
}

/**
 * @param {number[]} ids
 * @param {string[]} tokens
 * @param {number} type_id
 * @returns {Piece}
 */
function specialPiece(ids, tokens, type_id) {
    return { ids, tokens, sequence: -1, type_id, overflow_type_id: type_id };
}

/** The pieces where there is no post-processor. */
const PLAIN = { single: [sequencePiece(0, 0)], pair: [sequencePiece(0, 0), sequencePiece(1, 1)] };

/**
 * @param {PostProcessor | null} postProcessor
 * @param {boolean} isPair
 * @param {boolean} special
 * @returns {Piece[]}
 */
export function piecesOf(postProcessor, isPair, special) {
    if (postProcessor !== null) return postProcessor.pieces(isPair, special);
    return isPair ? PLAIN.pair : PLAIN.single;
}

/**
 * Rows of pieces that are made once.
 */
class Rows {
    /**
     * @param {Piece[]} single
     * @param {Piece[]} pair
     */
    constructor(single, pair) {
        /** @private */
        this.single = single;
        /** @private */
        this.pair = pair;
        /** @private */
        this.plainSingle = single.filter(({ ids }) => ids === null);
        /** @private */
        this.plainPair = pair.filter(({ ids }) => ids === null);
    }

    /**
     * @param {boolean} isPair
     * @param {boolean} special
     * @returns {Piece[]}
     */
    pieces(isPair, special) {
        if (special) return isPair ? this.pair : this.single;
        return isPair ? this.plainPair : this.plainSingle;
    }
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
 * @returns {PostProcessor}
 */
function bertProcessing(fields) {
    const cls = tokenAndId(fields, 'cls', 0);
    const sep = tokenAndId(fields, 'sep', 0);
    const single = [cls, sequencePiece(0, 0), sep];
    return new Rows(single, [...single, sequencePiece(1, 1), tokenAndId(fields, 'sep', 1)]);
}

/** How byte-level tokenizers write a space. */
const BYTE_LEVEL_SPACE = 0x120;

/**
 * `<s> A </s>`, `<s> A </s></s> B </s>`, all of type 0.
 * @implements {PostProcessor}
 */
class RobertaProcessing extends Rows {
    /**
     * @param {Fields} fields
     */
    constructor(fields) {
        const cls = tokenAndId(fields, 'cls', 0);
        const sep = tokenAndId(fields, 'sep', 0);
        const single = [cls, sequencePiece(0, 0, 0), sep];
        super(single, [...single, sep, sequencePiece(1, 0, 0), sep]);
        /** @private */
        this.trim = fields.boolean('trim_offsets');
        /** @private */
        this.prefixSpace = fields.boolean('add_prefix_space');
        /** @private */
        this.bare = [sequencePiece(0, 0), sequencePiece(1, 0)];
    }

    /**
     * @override
     * @param {boolean} isPair
     * @param {boolean} special
     * @returns {Piece[]}
     */
    pieces(isPair, special) {
        if (special) return super.pieces(isPair, special);
        return isPair ? this.bare : this.bare.slice(0, 1);
    }

    /**
     * @param {Uint32Array} offsets
     * @param {number} start
     * @param {number} end
     * @param {(i: number) => string} tokenText
     * @param {string} text
     */
    trimOffsets(offsets, start, end, tokenText, text) {
        if (!this.trim) return;
        for (let i = start; i < end; i++) {
            const token = tokenText(i);
            let leading = countSpaces(token, 0, 1);
            const trailing = countSpaces(token, token.length - 1, -1);
            const from = offsets[2 * i];
            const to = offsets[2 * i + 1];
            // The one space that was put before the text is no part of it.
            if (this.prefixSpace && leading === 1 && (i === start || from === 0)) leading = 0;
            const first = Math.min(forward(text, from, leading), to);
            offsets[2 * i] = first;
            offsets[2 * i + 1] = Math.max(backward(text, to, trailing), first);
        }
    }
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
 * @returns {number}  n characters back, or where it was if there are not so many
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
 * @returns {PostProcessor}
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
    return new Rows(single, pair);
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
            return sequencePiece(sequence, of.integer('type_id'));
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

/** @type {Record<string, (fields: Fields) => PostProcessor>} */
const POST_PROCESSORS = {
    BertProcessing: bertProcessing,
    RobertaProcessing: (fields) => new RobertaProcessing(fields),
    TemplateProcessing: templateProcessing,
};

/**
 * @param {unknown} config
 * @returns {PostProcessor}
 */
export function makePostProcessor(config) {
    return make(POST_PROCESSORS, 'post-processor', config, 0);
}

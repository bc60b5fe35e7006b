/**
 * What a tokenizer makes of a text or a pair: flat typed arrays, ready for the engine, and on
 * demand the tokens as strings and the windows that did not fit.
 *
 * Windows that did not fit are put together when they are asked for. Where both texts of a pair
 * overflow, the library combines each window with each, so that two long texts have millions of
 * windows that nobody wants.
 */

/** @import { Piece } from './post_processors.js' */
/** @import { Windows } from './truncation.js' */

/**
 * The tokens of one text, before special tokens are added.
 * @typedef {object} SequenceTokens
 * @property {Uint32Array} ids
 * @property {Uint32Array} offsets
 * @property {Map<number, string> | null} surfaces  see TokenBuffer
 * @property {string} text
 */

/**
 * How a tokenizer puts encodings together.
 * @typedef {object} Assembly
 * @property {Piece[]} pieces
 * @property {(id: number) => string} tokenText
 * @property {(text: unknown) => Int32Array} wordsOf  the index of each token's word in a text
 * @property {unknown} text
 * @property {unknown} text_pair
 * @property {Int32Array[] | null} words  of each sequence, shared by all windows; null until they
 *   have been asked for
 */

/**
 * The tokens that each piece takes of its sequence, and their type.
 * @typedef {{from: number, to: number, type_id: number}[]} Parts
 */

/** The tokens of a text or a pair. Strings and further windows are made when they are asked for. */
export class Encoding {
    #assembly;
    #surfaces;
    #parts;
    #makeOverflow;

    /** @type {string[] | null} */
    #made_tokens = null;

    /** @type {Int32Array | null} */
    #made_words = null;

    /** @type {Encoding[] | null} */
    #made_overflow = null;

    /**
     * Tokenizers make these.
     * @internal
     * @param {Assembly} assembly
     * @param {SequenceTokens[]} sequences  copied now, but for their surfaces
     * @param {Parts} parts
     * @param {(() => Encoding[]) | null} makeOverflow  null: the text is whole in this encoding
     */
    constructor(assembly, sequences, parts, makeOverflow) {
        const { pieces } = assembly;
        let length = 0;
        for (let p = 0; p < pieces.length; p++) length += partLength(pieces[p], parts[p]);
        /**
         * the id of each token
         * @type {Uint32Array}
         */
        this.ids = new Uint32Array(length);
        /**
         * the type (segment) of each token, for the model
         * @type {Uint32Array}
         */
        this.type_ids = new Uint32Array(length);
        /**
         * start and end of each token in turn, UTF-16 indices into its own text (see `sequence`):
         * `text.slice(offsets[2 * i], offsets[2 * i + 1])`; 0, 0 for special tokens
         * @type {Uint32Array}
         */
        this.offsets = new Uint32Array(2 * length);
        /**
         * for each token 0 if it is of the text, 1 if of text_pair, -1 if it is special
         * @type {Int8Array}
         */
        this.sequence = new Int8Array(length);
        /**
         * 1 for special tokens, 0 for those of a text
         * @type {Uint8Array}
         */
        this.special_tokens_mask = new Uint8Array(length);
        this.#assembly = assembly;
        this.#surfaces = sequences.map(({ surfaces }) => surfaces);
        this.#parts = parts;
        this.#makeOverflow = makeOverflow;
        /** whether something did not fit: see `overflow` */
        this.truncated = makeOverflow !== null;
        this.#fill(sequences);
    }

    /** number of tokens */
    get length() {
        return this.ids.length;
    }

    /**
     * each token as it is in the vocabulary
     * @returns {string[]}
     */
    get tokens() {
        if (this.#made_tokens === null) {
            const { pieces } = this.#assembly;
            this.#made_tokens = [];
            for (let p = 0; p < pieces.length; p++) {
                const { tokens, sequence } = pieces[p];
                if (tokens !== null) {
                    this.#made_tokens.push(...tokens);
                    continue;
                }
                const { from, to } = this.#parts[p];
                for (let i = from; i < to; i++) {
                    this.#made_tokens.push(this.#textAt(sequence, i, this.#made_tokens.length));
                }
            }
        }
        return this.#made_tokens;
    }

    /**
     * for each token the index of its word in its text, as the pre-tokenizer cuts words; -1 for
     * special tokens
     * @returns {Int32Array}
     */
    get words() {
        if (this.#made_words === null) {
            const assembly = this.#assembly;
            const { pieces, text, text_pair } = assembly;
            const words = (assembly.words ??= []);
            this.#made_words = new Int32Array(this.length).fill(-1);
            let at = 0;
            for (let p = 0; p < pieces.length; p++) {
                const { ids, sequence } = pieces[p];
                const { from, to } = this.#parts[p];
                if (ids === null) {
                    words[sequence] ??= assembly.wordsOf(sequence === 0 ? text : text_pair);
                    this.#made_words.set(words[sequence].subarray(from, to), at);
                }
                at += partLength(pieces[p], this.#parts[p]);
            }
        }
        return this.#made_words;
    }

    /**
     * further windows, of what did not fit, with the same special tokens
     * @returns {Encoding[]}
     */
    get overflow() {
        return (this.#made_overflow ??= this.#makeOverflow?.() ?? []);
    }

    /**
     * @param {SequenceTokens[]} sequences
     */
    #fill(sequences) {
        const { pieces } = this.#assembly;
        let at = 0;
        for (let p = 0; p < pieces.length; p++) {
            const piece = pieces[p];
            const { from, to, type_id } = this.#parts[p];
            const end = at + partLength(piece, this.#parts[p]);
            if (piece.ids !== null) {
                this.ids.set(piece.ids, at);
                this.sequence.fill(-1, at, end);
                this.special_tokens_mask.fill(1, at, end);
            } else {
                const { ids, offsets, text } = sequences[piece.sequence];
                this.ids.set(ids.subarray(from, to), at);
                this.offsets.set(offsets.subarray(2 * from, 2 * to), 2 * at);
                if (piece.sequence !== 0) this.sequence.fill(piece.sequence, at, end);
                const { tokenText } = this.#assembly;
                for (const trim of piece.trims) {
                    trim(this, at, end, text, tokenText, this.#surfaces[piece.sequence], at - from);
                }
            }
            if (type_id !== 0) this.type_ids.fill(type_id, at, end);
            at = end;
        }
    }

    /**
     * @param {number} sequence
     * @param {number} index  of the token in its sequence
     * @param {number} at  of the token here
     * @returns {string}
     */
    #textAt(sequence, index, at) {
        return this.#surfaces[sequence]?.get(index) ?? this.#assembly.tokenText(this.ids[at]);
    }
}

/**
 * @param {Piece} piece
 * @param {Parts[number]} part
 * @returns {number}
 */
function partLength({ ids }, { from, to }) {
    return ids === null ? to - from : ids.length;
}

/**
 * @param {Assembly} assembly
 * @param {SequenceTokens[]} sequences  may be changed afterwards
 * @param {Windows[]} windows  of each sequence
 * @returns {Encoding}
 */
export function assemble(assembly, sequences, windows) {
    const { pieces } = assembly;
    /** @type {(() => Encoding[]) | null} */
    let makeOverflow = null;
    if (windows.some((each) => each.length > 1)) {
        const kept = sequences.map((each) => ({
            ...each,
            ids: each.ids.slice(),
            offsets: each.offsets.slice(),
        }));
        makeOverflow = () =>
            overflowChoices(pieces, windows).map(
                (choice) => new Encoding(assembly, kept, partsOf(pieces, windows, choice), null),
            );
    }
    const first = partsOf(
        pieces,
        windows,
        pieces.map(() => 0),
    );
    return new Encoding(assembly, sequences, first, makeOverflow);
}

/**
 * @param {Piece[]} pieces
 * @param {Windows[]} windows
 * @param {number[]} choice
 * @returns {Parts}
 */
function partsOf(pieces, windows, choice) {
    return pieces.map(({ ids, sequence, type_id, overflow_type_id }, p) => {
        const [from, to] = ids === null ? windows[sequence][choice[p]] : [0, 0];
        return { from, to, type_id: choice[p] === 0 ? type_id : overflow_type_id };
    });
}

/**
 * The window of its sequence that each piece takes, for each overflowing encoding, in the library's
 * order. That comes from appending piece by piece: what overflows already is combined with the new
 * piece's first window and then its others, what does not overflow with its others.
 * @param {Piece[]} pieces
 * @param {Windows[]} windows
 * @returns {number[][]}
 */
function overflowChoices(pieces, windows) {
    /** @type {number[]} */
    const first = [];
    /** @type {number[][]} */
    let choices = [];
    for (const { ids, sequence } of pieces) {
        const n = ids === null ? windows[sequence].length : 1;
        /** @type {number[][]} */
        const next = [];
        for (const choice of choices) {
            for (let w = 0; w < n; w++) next.push([...choice, w]);
        }
        for (let w = 1; w < n; w++) next.push([...first, w]);
        first.push(0);
        choices = next;
    }
    return choices;
}

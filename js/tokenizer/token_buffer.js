/**
 * Where a model puts the tokens of a text: an id and a place in the text for each. One buffer
 * serves all the texts of a tokenizer, one after another.
 */

/** A larger buffer is given back after the text that needed it. */
const KEPT_TOKENS = 1 << 18;

/** @internal  its arrays are read in place, and word_piece.js takes tokens back by `length` */
export class TokenBuffer {
    /**
     * For each word the index of its first token, or of the next word's where it has none. Null
     * if words are not wanted, which is nearly always: they take time.
     * @type {number[] | null}
     */
    #word_starts = null;

    constructor() {
        this.ids = new Uint32Array(256);
        /** Start and end of each token, UTF-16 indices into the text. */
        this.offsets = new Uint32Array(512);
        this.length = 0;
        /**
         * The text of tokens for which it is not that of their id, by index: added tokens that take
         * space along or are found in normalised text.
         * @type {Map<number, string> | null}
         */
        this.surfaces = null;
    }

    /** @param {boolean} with_words  whether words are wanted of the next text */
    clear(with_words) {
        if (this.ids.length > KEPT_TOKENS && this.length < this.ids.length >> 2) this.#resize(256);
        this.length = 0;
        this.#word_starts = with_words ? [] : null;
        this.surfaces = null;
    }

    /** The next tokens are of a new word. */
    nextWord() {
        if (this.#word_starts !== null) this.#word_starts.push(this.length);
    }

    /**
     * @param {number} id
     * @param {number} start
     * @param {number} end
     */
    push(id, start, end) {
        const at = this.length++;
        if (at === this.ids.length) this.#resize(2 * at);
        this.ids[at] = id;
        this.offsets[2 * at] = start;
        this.offsets[2 * at + 1] = end;
    }

    /** The index of each token's word, if words were wanted. */
    words() {
        const words = new Int32Array(this.length);
        this.#word_starts?.forEach((start, word, starts) =>
            words.fill(word, start, starts[word + 1]),
        );
        return words;
    }

    /**
     * Says what the text of the last token is.
     * @param {string} text
     */
    setSurface(text) {
        this.surfaces ??= new Map();
        this.surfaces.set(this.length - 1, text);
    }

    /**
     * @param {number} size
     */
    #resize(size) {
        const { ids, offsets } = this;
        this.ids = new Uint32Array(size);
        this.offsets = new Uint32Array(2 * size);
        this.ids.set(ids.subarray(0, size));
        this.offsets.set(offsets.subarray(0, 2 * size));
    }
}

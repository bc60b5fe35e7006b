/**
 * Where a model puts the tokens of a text: an id and a place in the text for each. One buffer
 * serves all the texts of a tokenizer, one after another.
 */

/** A buffer beyond this is given back after the text that needed it. */
const KEPT_TOKENS = 1 << 18;

export class TokenBuffer {
    constructor() {
        this.ids = new Uint32Array(256);
        /** Start and end of each token, UTF-16 indices into the text. */
        this.offsets = new Uint32Array(512);
        /** Of each token the word. */
        this.words = new Int32Array(256);
        this.word = -1;
        this.length = 0;
        /**
         * By token, the text of those whose text is not that of their id: added tokens, which take
         * space with them or are found in normalised text.
         * @type {Map<number, string> | null}
         */
        this.surfaces = null;
    }

    clear() {
        if (this.ids.length > KEPT_TOKENS && this.length < this.ids.length >> 2) this.resize(256);
        this.length = 0;
        this.word = -1;
        this.surfaces = null;
    }

    /** The tokens that come are of the next word. */
    nextWord() {
        this.word++;
    }

    /**
     * @param {number} id
     * @param {number} start
     * @param {number} end
     */
    push(id, start, end) {
        const at = this.length++;
        if (at === this.ids.length) this.resize(2 * at);
        this.ids[at] = id;
        this.offsets[2 * at] = start;
        this.offsets[2 * at + 1] = end;
        this.words[at] = this.word;
    }

    /**
     * Says what the last token looks like.
     * @param {string} text
     */
    setSurface(text) {
        this.surfaces ??= new Map();
        this.surfaces.set(this.length - 1, text);
    }

    /**
     * @private
     * @param {number} size
     */
    resize(size) {
        const { ids, offsets, words } = this;
        this.ids = new Uint32Array(size);
        this.offsets = new Uint32Array(2 * size);
        this.words = new Int32Array(size);
        this.ids.set(ids.subarray(0, size));
        this.offsets.set(offsets.subarray(0, 2 * size));
        this.words.set(words.subarray(0, size));
    }
}

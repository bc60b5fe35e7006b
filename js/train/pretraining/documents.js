/**
 * A corpus as ids: documents of sentences, one end to end with the next, four bytes a token. What
 * is learned from is cut out of them: sequences of a document's sentences.
 */

/** Numbers that become more. */
class Numbers {
    #array = new Uint32Array(1024);
    length = 0;

    /** @param {ArrayLike<number>} numbers */
    add(numbers) {
        const length = this.length + numbers.length;
        if (length > this.#array.length) {
            const array = new Uint32Array(Math.max(length, 2 * this.#array.length));
            array.set(this.#array);
            this.#array = array;
        }
        this.#array.set(numbers, this.length);
        this.length = length;
    }

    /** @param {number} i */
    at(i) {
        return this.#array[i];
    }

    /** A view. @param {number} start @param {number} end */
    range(start, end) {
        return this.#array.subarray(start, end);
    }
}

/**
 * @typedef {object} Stretch  neighbouring sentences of a document
 * @property {number} document
 * @property {number} first  sentence
 * @property {number} end  sentence
 */

export class Documents {
    #ids = new Numbers();

    /** Of sentences: where each begins, and where the last ends. */
    #starts = new Numbers();

    /** First sentences of documents. @type {number[]} */
    #documents = [0];

    /** @type {number} */
    #most;

    /** @param {number} most  tokens of a sentence: what is longer becomes several */
    constructor(most) {
        this.#most = most;
        this.#starts.add([0]);
    }

    get n_tokens() {
        return this.#ids.length;
    }

    get n_sentences() {
        return this.#starts.length - 1;
    }

    get n_documents() {
        const { length } = this.#documents;
        return this.#documents[length - 1] === this.n_sentences ? length - 1 : length;
    }

    /** @param {Uint32Array} ids  of a sentence, without special tokens */
    add(ids) {
        for (let at = 0; at < ids.length; at += this.#most) {
            this.#ids.add(ids.subarray(at, at + this.#most));
            this.#starts.add([this.#ids.length]);
        }
    }

    /** What comes is another document's. */
    endDocument() {
        if (this.#documents.at(-1) !== this.n_sentences) this.#documents.push(this.n_sentences);
    }

    /** @param {number} first @param {number} end  sentences */
    ids(first, end) {
        return this.#ids.range(this.#starts.at(first), this.#starts.at(end));
    }

    /**
     * All sentences, each once: as many in a stretch as fit, none of another document (Liu et al.
     * 2019, RoBERTa, section 4.2, DOC-SENTENCES: best there, and nothing is lost by shorter ones
     * where no padding is computed).
     * @param {number} room  tokens of a stretch
     * @returns {Stretch[]}
     */
    stretches(room) {
        /** @type {Stretch[]} */
        const all = [];
        for (let document = 0; document < this.n_documents; document++) {
            const last = this.#documents[document + 1] ?? this.n_sentences;
            for (let first = this.#documents[document]; first < last; ) {
                const end = this.end(first, last, room);
                all.push({ document, first, end });
                first = end;
            }
        }
        return all;
    }

    /**
     * The end of the sentences from `first` on that fit into `room`, below `last`; one at least.
     * @param {number} first
     * @param {number} last
     * @param {number} room
     */
    end(first, last, room) {
        let end = first + 1;
        while (end < last && this.#starts.at(end + 1) - this.#starts.at(first) <= room) end++;
        return end;
    }
}

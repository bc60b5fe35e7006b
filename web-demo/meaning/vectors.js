/**
 * Vectors of sentences, some at a time, kept: a line that was changed is read, the others are not
 * read again. Whoever stops it keeps what was read.
 */

/** Sentences of a call: so many that the model works well, so few that progress is seen. */
const AT_ONCE = 128;

/** Most sentences that are kept beyond those asked for: 384 numbers each are 1.5 kB. */
const MOST_KEPT = 10_000;

export class Vectors {
    /** By sentence. @type {Map<string, Float32Array>} */
    #kept = new Map();

    /** Sentences that the model could not read whole. @type {Set<string>} */
    #cut = new Set();

    /** How many of these must still be read. @param {string[]} sentences */
    missing(sentences) {
        return new Set(sentences.filter((each) => !this.#kept.has(each))).size;
    }

    /** Of another model they are others. */
    forget() {
        this.#kept.clear();
        this.#cut.clear();
    }

    /**
     * @param {string[]} sentences
     * @param {import('../shell/models.js').Embed} embed
     * @param {{signal: AbortSignal, onprogress: (done: number, total: number) => void}} how
     * @returns {Promise<{data: Float32Array, d: number, n_cut: number}>}  [n, d], of length 1
     */
    async of(sentences, embed, { signal, onprogress }) {
        if (this.#kept.size > MOST_KEPT && this.missing(sentences)) this.forget();
        // A model that is not made for sentences has no vector of its own for them.
        const is_made_for_it = Object.values(embed.model.config.outputs).some(
            ({ output }) => output === 'sentence_embedding',
        );
        const pooling = is_made_for_it ? null : /** @type {const} */ ('mean');
        const todo = [...new Set(sentences)].filter((each) => !this.#kept.has(each));
        for (let first = 0; first < todo.length; first += AT_ONCE) {
            const texts = todo.slice(first, first + AT_ONCE);
            const { data, dims, truncated } = await embed(texts, {
                pooling,
                normalize: true,
                signal,
                onprogress: ({ done }) => onprogress(first + done, todo.length),
            });
            signal.throwIfAborted();
            const d = dims[1];
            texts.forEach((text, i) => {
                this.#kept.set(text, data.slice(i * d, (i + 1) * d));
                if (truncated[i]) this.#cut.add(text);
            });
        }
        const rows = sentences.map((each) => /** @type {Float32Array} */ (this.#kept.get(each)));
        const d = rows[0].length;
        const data = new Float32Array(rows.length * d);
        rows.forEach((row, i) => data.set(row, i * d));
        return { data, d, n_cut: sentences.filter((each) => this.#cut.has(each)).length };
    }
}

/**
 * Puts the bytes of the data section, which come in order, where they belong: of the tokenizer into
 * a buffer, of tensors to where kernels read them. Tells the core of each tensor that is whole.
 */

export class Writer {
    /** @type {import('./load.js').Memory} */
    #memory;

    /** @type {import('./layout.js').Weight[]} */
    #weights;

    /** @type {Uint8Array} */
    #tokenizer;

    /** Of the block that the weights lie in. @type {number} */
    #address;

    /** Where 4-bit units wait until they are whole: what is left of a chunk, and the next one. */
    #staging = 0;

    #n_staged = 0;

    /** The first weight that is not yet whole. */
    #next = 0;

    /**
     * @param {import('./load.js').Memory} memory
     * @param {number} address  of the block that the weights lie in
     * @param {import('./model_file.js').ModelHeader} header
     * @param {Uint8Array} tokenizer  to be filled
     */
    constructor(memory, address, { weights, chunk_bytes }, tokenizer) {
        this.#memory = memory;
        this.#address = address;
        this.#weights = weights;
        this.#tokenizer = tokenizer;
        const largest = weights.reduce((most, { q4 }) => Math.max(most, q4?.unit_bytes ?? 0), 0);
        if (largest) this.#staging = memory.reserve(largest + chunk_bytes);
    }

    /**
     * @param {Uint8Array} bytes
     * @param {number} start  in the data section, where the last ones ended
     */
    write(bytes, start) {
        const end = start + bytes.length;
        if (start < this.#tokenizer.length) {
            this.#tokenizer.set(bytes.subarray(0, this.#tokenizer.length - start), start);
        }
        for (; this.#next < this.#weights.length; this.#next++) {
            const weight = this.#weights[this.#next];
            if (weight.start >= end) return;
            const from = Math.max(weight.start, start);
            const part = bytes.subarray(from - start, Math.min(weight.end, end) - start);
            const at = this.#address + weight.at;
            if (weight.q4) this.#expand(weight.q4, at, part, from - weight.start);
            else this.#memory.heap.set(part, at + from - weight.start);
            if (weight.end > end) return;
            this.#memory.take(this.#next);
        }
    }

    /**
     * @param {import('./layout.js').Units} units
     * @param {number} address  where the weight goes
     * @param {Uint8Array} part  of its bytes
     * @param {number} offset  of the part
     */
    #expand({ n_columns, unit_bytes, expanded_bytes }, address, part, offset) {
        const memory = this.#memory;
        const staging = this.#staging;
        memory.heap.set(part, staging + this.#n_staged);
        const n_before = (offset - this.#n_staged) / unit_bytes;
        const n_bytes = this.#n_staged + part.length;
        const n_units = Math.floor(n_bytes / unit_bytes);
        memory.expand(staging, n_units, n_columns, address + n_before * expanded_bytes);
        memory.heap.copyWithin(staging, staging + n_units * unit_bytes, staging + n_bytes);
        this.#n_staged = n_bytes - n_units * unit_bytes;
    }
}

/**
 * What the core knows, asked of an instance of it: its dtypes, and what a model's config implies.
 * core/bert.h says what each answer means; none of its rules is written a second time here.
 */

import { BERT_MAX_RANK, BERT_UNLIMITED_TOKENS } from '#core';

/** @import { EncoderConfig, OutputShape } from '../loader/model_file.js' */

/** It gives the loader its CoreFacts. */
export class Core {
    /** @type {string[]} */
    #dtype_names;

    /** @type {string[]} */
    #output_names;

    /** @param {import('./instance.js').Instance} instance */
    constructor(instance) {
        this.instance = instance;
        const { wasm } = instance;
        this.#dtype_names = instance.names(wasm.engine_dtype_name);
        this.#output_names = instance.names(wasm.engine_output_name);
        /** Bytes of an element, by name. @type {Record<string, number>} */
        this.dtypes = Object.fromEntries(
            this.#dtype_names.map((name, dtype) => [name, wasm.engine_dtype_bytes(dtype)]),
        );
        /** The config that was set. @type {EncoderConfig} */
        this.encoder = {};
        /** Bytes of a model of that config, besides its weights. */
        this.model_bytes = 0;
        /** Tokens that a sequence may have; Infinity: the model does not limit them. */
        this.most_tokens = Infinity;
        /** Outputs that the model has, by name. @type {Record<string, OutputShape>} */
        this.outputs = {};
    }

    /**
     * Sets the config that everything is asked of.
     * @param {EncoderConfig} encoder
     * @throws {BertError} if a field is not known, or its value cannot be
     */
    configure(encoder) {
        const { instance } = this;
        const { wasm } = instance;
        wasm.engine_config_init();
        for (const [name, value] of Object.entries(encoder)) {
            instance.scratch(() => {
                const field = instance.writeText(name);
                instance.check(
                    typeof value === 'number'
                        ? wasm.engine_config_number(field, value)
                        : wasm.engine_config_choice(field, instance.writeText(value)),
                );
            });
        }
        this.encoder = encoder;
        this.model_bytes = wasm.engine_model_bytes() >>> 0;
        if (this.model_bytes === 0) throw instance.error();
        const most_tokens = wasm.engine_most_tokens() >>> 0;
        this.most_tokens = most_tokens === BERT_UNLIMITED_TOKENS ? Infinity : most_tokens;
        const shapes = this.#output_names.map((name, output) => ({
            name,
            n_columns: wasm.engine_output_columns(output) >>> 0,
            n_layers: wasm.engine_output_layers(output) >>> 0,
            is_of_tokens: wasm.engine_output_is_of_tokens(output) !== 0,
        }));
        this.outputs = Object.fromEntries(
            shapes
                .filter(({ name, n_columns }) => n_columns > 0 || name === 'attentions')
                .map(({ name, ...shape }) => [name, shape]),
        );
    }

    /** How many outputs the core has; outputIndex() is below it. */
    get n_outputs() {
        return this.#output_names.length;
    }

    /**
     * @param {string} name
     * @returns {number}  that the core takes for it; of an unknown name one that it refuses
     */
    outputIndex(name) {
        return this.#output_names.indexOf(name) >>> 0;
    }

    /** @param {string} name  of a dtype that the core has */
    dtypeIndex(name) {
        return this.#dtype_names.indexOf(name);
    }

    /**
     * @param {number[]} shape  of 4-bit units: [rows, groups, bytes], of less than 2 GiB
     * @returns {import('../loader/layout.js').Expansion | null}  null: this is no such shape
     */
    expansionOf(shape) {
        const { instance } = this;
        return instance.scratch(() => {
            const units = instance.write(Uint32Array.from(shape));
            const address = instance.reserve(4 * (BERT_MAX_RANK + 3));
            const n_columns = instance.wasm.engine_q4_tensor(units, address);
            const [dtype, rank, ...rest] = instance.read(address, BERT_MAX_RANK + 3);
            if (n_columns === 0) return null;
            return {
                n_columns,
                dtype: this.#dtype_names[dtype],
                shape: rest.slice(0, rank),
                n_bytes: rest[BERT_MAX_RANK],
            };
        });
    }

    /**
     * Which tokens of a sequence are computed: bert_sequence_keep() in core/bert.h.
     * @param {Uint32Array} ids
     * @param {Uint8Array} mask  0 or 1 for each
     * @returns {{kept: Uint32Array, positions: Uint32Array}}  their indices and their positions
     */
    keep(ids, mask) {
        const { instance } = this;
        const n = ids.length;
        return instance.scratch(() => {
            const [ids_at, mask_at] = [instance.write(ids), instance.write(mask)];
            const [kept_at, positions_at] = [instance.reserve(4 * n), instance.reserve(4 * n)];
            const n_kept = instance.wasm.engine_sequence_keep(
                n,
                ids_at,
                mask_at,
                kept_at,
                positions_at,
            );
            return {
                kept: instance.read(kept_at, n_kept),
                positions: instance.read(positions_at, n_kept),
            };
        });
    }

    /**
     * Floats of an output of some sequences.
     * @param {string} output
     * @param {number} n_sequences
     * @param {number} lengths  address of their lengths
     * @param {number} n_lm_tokens
     * @param {number} lm_tokens  address of those that lm_logits are wanted for; 0: all
     * @throws {BertError} if the model does not have the output
     */
    outputCount(output, n_sequences, lengths, n_lm_tokens, lm_tokens) {
        const count = this.instance.wasm.engine_output_count(
            this.outputIndex(output),
            n_sequences,
            lengths,
            n_lm_tokens,
            lm_tokens,
        );
        if (count < 0) throw this.instance.error();
        return count;
    }

    /**
     * Bytes of some outputs of a sequence.
     * @param {string[]} outputs
     * @param {number} n_tokens
     * @param {number} [n_lm_tokens]  tokens that lm_logits are wanted for; default all
     */
    outputBytes(outputs, n_tokens, n_lm_tokens) {
        const { instance } = this;
        return instance.scratch(() => {
            const lengths = instance.write(Uint32Array.of(n_tokens));
            // The number of tokens is enough: which they are does not matter.
            const lm_tokens = n_lm_tokens === undefined ? 0 : lengths;
            const counts = outputs.map((output) =>
                this.outputCount(output, 1, lengths, n_lm_tokens ?? 0, lm_tokens),
            );
            return 4 * counts.reduce((sum, count) => sum + count, 0);
        });
    }
}

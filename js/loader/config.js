/**
 * What a model's config says of its outputs and limits: which outputs there are, how large, and how
 * many tokens a sequence may have. Shapes are those of bert_output in core/bert.h.
 */

/**
 * @typedef {Record<string, number | string>} EncoderConfig  what the encoder is, by the names of
 *   bert_config in core/bert.h
 *
 * @typedef {object} OutputRequest  an output of the core, or a part of it
 * @property {string} output  its name: 'logits', 'last_hidden_state', ...
 * @property {number} [index]  a column of its rows, from 0; of hidden_states and attentions a layer
 * @property {number} [head]  of attentions, from 0
 * @property {'softmax' | 'sigmoid'} [activation]  applied to its rows, before a column is taken
 * @property {'mean' | 'cls' | 'last_token'} [pooling]  of outputs with a row for each token: one
 *   row, their mean, the first, or the last
 *
 * @typedef {object} Sizes
 * @property {number} n_layers  that are run
 * @property {number} n_heads
 * @property {Record<string, number>} columns  of a row of each output that the model has, but
 *   attentions
 */

/**
 * Tokens that a session takes where nothing in the model limits them and its config has no more.
 */
const LEAST_TOKENS = 512;

/** Outputs with a row for each token. */
export const OF_TOKENS = ['last_hidden_state', 'token_logits', 'lm_logits'];

/** @typedef {(encoder: EncoderConfig) => unknown} Columns */

/** Columns of each output; 0: the model does not have it. @type {Record<string, Columns>} */
const COLUMNS = {
    last_hidden_state: ({ hidden_size }) => hidden_size,
    pooler_output: (encoder) => has(encoder.pooler_activation) && encoder.hidden_size,
    logits: ({ n_labels }) => n_labels,
    token_logits: ({ n_token_labels }) => n_token_labels,
    lm_logits: (encoder) => has(encoder.lm_activation) && encoder.vocab_size,
    sentence_embedding: (encoder) =>
        has(encoder.pooling) && (encoder.embedding_dim || encoder.hidden_size),
    hidden_states: ({ hidden_size }) => hidden_size,
};

/** @param {unknown} choice */
function has(choice) {
    return choice !== undefined && choice !== 'none';
}

/**
 * @param {EncoderConfig} encoder
 * @returns {Sizes}
 */
export function sizesOf(encoder) {
    const columns = Object.entries(COLUMNS).map(
        ([output, of]) => /** @type {const} */ ([output, Number(of(encoder) || 0)]),
    );
    return {
        n_layers: Number(encoder.n_layers ?? 0),
        n_heads: Number(encoder.n_heads ?? 0),
        columns: Object.fromEntries(columns.filter(([, n]) => n > 0)),
    };
}

/**
 * Values that the index of a part of this output may have; 0: the model does not have it.
 * @param {Sizes} sizes
 * @param {string} output
 */
export function partsOf({ n_layers, columns }, output) {
    if (output === 'attentions') return n_layers;
    if (output === 'hidden_states') return n_layers + 1;
    return Object.hasOwn(columns, output) ? columns[output] : 0;
}

/**
 * Tokens that a sequence may have by the model itself; Infinity: as many as one likes.
 * @param {EncoderConfig} encoder
 */
export function limitOf({ n_positions, first_position = 0, n_distances }) {
    return Math.min(
        n_positions ? Number(n_positions) - Number(first_position) : Infinity,
        n_distances ? Number(n_distances) : Infinity,
    );
}

/**
 * Most tokens of a sequence here.
 * @param {import('./model_file.js').ModelConfig} config
 */
export function mostTokens({ encoder, max_length }) {
    const limit = limitOf(encoder);
    return Number.isFinite(limit) ? limit : Math.max(LEAST_TOKENS, max_length);
}

/**
 * Whether something reads the first token, attended to or not.
 * @param {EncoderConfig} encoder
 */
export function readsFirst({ pooler_activation, pooling }) {
    return has(pooler_activation) || pooling === 'cls';
}

/**
 * The token id that models which count positions from their padding do not count; -1: none.
 * @param {EncoderConfig} encoder
 */
export function paddingId({ first_position }) {
    return Number(first_position ?? 0) - 1;
}

/**
 * Bytes of some outputs of a sequence of n tokens.
 * @param {Sizes} sizes
 * @param {string[]} outputs
 * @param {number} n
 * @param {number} [n_lm_rows]  tokens that lm_logits are wanted for
 */
export function outputBytes({ n_layers, n_heads, columns }, outputs, n, n_lm_rows = n) {
    const rowsOf = (/** @type {string} */ output) => {
        if (output === 'hidden_states') return (n_layers + 1) * n;
        if (output === 'lm_logits') return n_lm_rows;
        return OF_TOKENS.includes(output) ? n : 1;
    };
    const floats = outputs.map((output) => {
        if (output === 'attentions') return n_layers * n_heads * n * n;
        return rowsOf(output) * (columns[output] ?? 0);
    });
    return 4 * floats.reduce((sum, count) => sum + count, 0);
}

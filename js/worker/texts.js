/**
 * Texts through a model, in the worker: each is tokenized and cut into windows that the model can
 * read, all windows are computed together, and each text gets its own back. An error in one text
 * takes the place of its result, and changes nothing for the others.
 */

import { BertError, toMessage, withoutPlace } from '../errors.js';

/**
 * @typedef {{text: string, text_pair?: string | null}} Texts  a text, or a pair of them
 *
 * @typedef {'truncate' | 'error' | 'window'} Overflow  what becomes of a text longer than the model
 *   reads: it is cut, and its result says `truncated: true`; it is an error, SEQUENCE_TOO_LONG; or
 *   it is read in several windows
 *
 * @typedef {object} TextsRequest
 * @property {Texts[]} inputs
 * @property {Record<string, import('../loader/model_file.js').OutputRequest>} outputs  by the
 *   result's name
 * @property {Overflow} [overflow]  default 'truncate'
 * @property {number} [max_length]  tokens of a window, special ones included; default the model's
 * @property {number} [stride]  tokens that neighbouring windows share; default 0
 * @property {import('../tokenizer/truncation.js').TruncationStrategy} [strategy]  which text of a
 *   pair is cut
 * @property {boolean} [tokens]  whether windows tell their tokens
 * @property {boolean} [words]  and the words of these, which takes another pass over the text
 * @property {number} [lm_token]  the id of the tokens that lm_logits are wanted for; default all
 * @property {number} [batch_tokens]  most tokens computed together; see ForwardRequest
 * @property {string} [prompt]  what is put before each text; default ''
 *
 * @typedef {object} WindowTokens
 * @property {Uint32Array} ids
 * @property {Uint32Array} type_ids
 * @property {string[]} tokens  as they are in the vocabulary
 * @property {Uint32Array} offsets  flat [start, end] pairs, UTF-16 indices into the token's own
 *   text
 * @property {Int8Array} sequence  0: of text, 1: of text_pair, -1: a special token
 * @property {Int32Array} [words]  the index of the word that each is of, in its text; -1: a special
 *   token
 *
 * @typedef {object} TextWindow
 * @property {Record<string, import('./outputs.js').FloatTensor>} outputs
 * @property {number} n_tokens
 * @property {number[]} [lm_rows]  indices of the tokens that lm_logits are of, with lm_token
 * @property {WindowTokens} [tokens]
 *
 * @typedef {object} TextResult
 * @property {TextWindow[]} windows  one, or with overflow: 'window' one or more
 * @property {boolean} truncated  whether some of the text is in no window
 *
 * @typedef {{error: ReturnType<typeof toMessage>}} Failure  the error in a text
 *
 * @typedef {object} TextsMetrics
 * @property {number} n_texts
 * @property {number} n_windows
 * @property {number} n_tokens  special ones included
 * @property {number} n_batches
 * @property {number} batch_fill  tokens computed together, over the most of a batch: 0 to 1
 * @property {number} tokenize_ms
 * @property {number} encode_ms
 */

/** Texts that are tokenized between two checks for an abort. */
const TEXTS_A_TURN = 64;

/**
 * @param {import('./loaded_model.js').LoadedModel} model
 * @param {TextsRequest} request
 * @param {import('./engine.js').Turn} turn  throws if the call was aborted
 * @param {(progress: {done: number, total: number}) => void} onprogress  in texts
 * @returns {Promise<{results: (TextResult | Failure)[], metrics: TextsMetrics}>}
 */
export async function runTexts(model, request, turn, onprogress) {
    const { inputs, outputs, batch_tokens } = request;
    model.needTokenizer();
    const started = performance.now();
    /** @type {import('../tokenizer/encoding.js').Encoding[]} */
    const windows = [];
    /** The text that each window belongs to. @type {number[]} */
    const text_of = [];
    /** @type {(TextResult | Failure)[]} */
    const results = [];
    for (const [i, input] of inputs.entries()) {
        if (i % TEXTS_A_TURN === TEXTS_A_TURN - 1) await turn();
        try {
            const cut = cutText(model, input, request);
            for (const window of cut.windows) {
                windows.push(window);
                text_of.push(i);
            }
            results.push({ windows: [], truncated: cut.truncated });
        } catch (error) {
            if (!(error instanceof BertError)) throw error;
            results.push({ error: toMessage(error) });
        }
    }
    const tokenized = performance.now();

    // A tokenizer may give types where its model has none.
    const has_types = Number(model.config.encoder.n_token_types) > 1;
    const n_prompt = promptTokens(model, request);
    const sequences = windows.map((window, w) => ({
        ...toSequence(window, has_types, request.lm_token),
        // The prompt is in the first window of a text, in which something is left to pool.
        ...(n_prompt > 0 && text_of[w] !== text_of[w - 1]
            ? { pool_from: Math.min(n_prompt, window.length - 1) }
            : {}),
    }));
    const n_left = results.map(() => 0);
    for (const i of text_of) n_left[i]++;
    let done = n_left.filter((n) => n === 0).length;
    const ondone = (/** @type {number[]} */ computed) => {
        for (const window of computed) if (--n_left[text_of[window]] === 0) done++;
        onprogress({ done, total: inputs.length });
    };
    const {
        outputs: computed,
        n_batches,
        batch_fill,
    } = await model.compute({ sequences, outputs, batch_tokens }, turn, ondone).catch((error) => {
        throw withoutPlace(error); // it is of a window, of which callers know nothing
    });
    for (const [w, window] of windows.entries()) {
        const result = /** @type {TextResult} */ (results[text_of[w]]);
        result.windows.push({
            outputs: computed[w],
            n_tokens: window.length,
            lm_rows: sequences[w].lm_rows,
            ...(request.tokens
                ? { tokens: tokensOf(window, model.needTokenizer(), request.words) }
                : {}),
        });
    }
    return {
        results,
        metrics: {
            n_texts: inputs.length,
            n_windows: windows.length,
            n_tokens: windows.reduce((sum, { length }) => sum + length, 0),
            n_batches,
            batch_fill,
            tokenize_ms: tokenized - started,
            encode_ms: performance.now() - tokenized,
        },
    };
}

/**
 * Tokens of a window, special ones included.
 * @param {import('./loaded_model.js').LoadedModel} model
 * @param {TextsRequest} request
 */
function longestWindow({ config }, { max_length = Infinity }) {
    return Math.min(max_length, config.max_length);
}

/**
 * The tokens of a prompt that does not count in embeddings, as sentence-transformers counts them:
 * what the prompt has alone, the special ones before it included. Where its end and the text's
 * start become one token that is one too many, there as here.
 * @param {import('./loaded_model.js').LoadedModel} model
 * @param {TextsRequest} request
 * @returns {number}  0: all that is before the text counts
 */
function promptTokens(model, request) {
    if (!request.prompt || model.config.include_prompt) return 0;
    const { length, sequence } = model.needTokenizer().encode(request.prompt, {
        truncation: { max_length: longestWindow(model, request) },
    });
    return sequence[length - 1] === -1 ? length - 1 : length;
}

/**
 * @param {import('./loaded_model.js').LoadedModel} model
 * @param {Texts} input
 * @param {TextsRequest} request
 */
function cutText(model, input, request) {
    const { overflow = 'truncate', stride = 0, strategy, prompt = '' } = request;
    const length = longestWindow(model, request);
    const is_windowed = overflow === 'window';
    const { text, text_pair } = input;
    const encoding = model.needTokenizer().encode(prompt + text, {
        text_pair,
        truncation: {
            max_length: length,
            stride: is_windowed ? stride : 0,
            strategy: strategy ?? strategyFor(input, is_windowed),
        },
    });
    if (encoding.length === 0) throw new BertError('EMPTY_SEQUENCE', 'the text has no tokens');
    if (is_windowed) {
        return { windows: [encoding, ...encoding.overflow], truncated: false };
    }
    const { truncated } = encoding;
    if (truncated && overflow === 'error') {
        throw new BertError(
            'SEQUENCE_TOO_LONG',
            `the text is longer than the ${length} tokens that are read at once: ` +
                "shorten it, or give overflow 'window' or 'truncate'",
        );
    }
    return { windows: [encoding], truncated };
}

/**
 * In windows only the longer text of a pair is cut: windows of both, each with each, would be far
 * too many.
 * @param {Texts} input
 * @param {boolean} is_windowed
 */
function strategyFor({ text, text_pair }, is_windowed) {
    if (!is_windowed || typeof text_pair !== 'string') return 'longest_first';
    return text.length >= text_pair.length ? 'only_first' : 'only_second';
}

/**
 * @param {import('../tokenizer/encoding.js').Encoding} window
 * @param {import('../tokenizer/index.js').Tokenizer} tokenizer
 * @param {boolean} [wants_words]
 * @returns {WindowTokens}
 */
function tokensOf(window, tokenizer, wants_words) {
    const { ids, type_ids, offsets, sequence } = window;
    const tokens = Array.from(ids, (id) => tokenizer.idToToken(id) ?? '');
    return {
        ids,
        type_ids,
        tokens,
        offsets,
        sequence,
        ...(wants_words ? { words: window.words } : {}),
    };
}

/**
 * @param {import('../tokenizer/encoding.js').Encoding} encoding
 * @param {boolean} has_types
 * @param {number} [lm_token]
 * @returns {import('./sequences.js').Sequence & {lm_rows?: number[]}}
 */
function toSequence({ ids, type_ids }, has_types, lm_token) {
    const sequence = { input_ids: ids, ...(has_types ? { token_type_ids: type_ids } : {}) };
    return lm_token === undefined ? sequence : { ...sequence, lm_rows: placesOf(ids, lm_token) };
}

/**
 * @param {ArrayLike<number>} ids
 * @param {number} id
 * @returns {number[]}  the indices where it is
 */
function placesOf(ids, id) {
    /** @type {number[]} */
    const places = [];
    for (let i = 0; i < ids.length; i++) if (ids[i] === id) places.push(i);
    return places;
}

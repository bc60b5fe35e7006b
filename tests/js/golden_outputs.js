/** A golden.json's padded batches and outputs, as sequences and what each of them must give. */

const OF_TOKENS = ['last_hidden_state', 'token_logits', 'lm_logits', 'hidden_states'];

/** @returns {import('../../js/worker/sequences.js').Sequence[]} */
export const sequencesOf = ({ input_ids, attention_mask, token_type_ids }) =>
    input_ids.map((ids, row) => ({
        input_ids: ids,
        attention_mask: attention_mask[row],
        token_type_ids: token_type_ids?.[row],
    }));

/** Places of a row whose mask is 1. */
export const placesOf = (mask) => mask.flatMap((value, place) => (value ? [place] : []));

/** The part of a flat array that has one number, or `width`, for each of these places. */
export const pick = (values, places, width) =>
    places.flatMap((place) => values.slice(place * width, (place + 1) * width));

/** What a row of a batch's output has at the places that count. */
export function expectedOf({ shape, data }, kind, row, n_tokens, places) {
    const size = data.length / shape[0];
    const values = data.slice(row * size, (row + 1) * size);
    if (kind === 'attentions') return mapsOf(values, shape[1], n_tokens, places);
    return OF_TOKENS.includes(kind) ? pick(values, places, size / n_tokens) : values;
}

/** Attention probabilities [n_heads, width, width] of the places that count. */
export const mapsOf = (values, n_heads, width, places) =>
    Array.from({ length: n_heads }, (_, h) =>
        places.flatMap((i) => places.map((k) => values[(h * width + i) * width + k])),
    ).flat();

export const largestDifference = (got, want) =>
    want.reduce((most, x, i) => Math.max(most, Math.abs(x - got[i])), 0);

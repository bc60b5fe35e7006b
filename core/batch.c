/* batch.c - whether a session can encode a batch, and how large its outputs are. */
#include "internal.h"

static bert_status bad_position(bert_error *error, uint32_t position, uint32_t limit)
{
    return error_set_limit(error, BERT_BAD_POSITION, "positions", position, limit);
}

/* Positions that the caller gave. The default ones, 0, 1, 2, ..., are right: check_sequence() has
 * seen that the sequence is not too long. */
static bert_status check_positions(const bert_config *config, const uint32_t *ids,
                                   const uint32_t *positions, uint32_t n, bert_error *error)
{
    uint32_t most = bert_config_most_tokens(config), n_padding = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (positions[i] >= most)
            return bad_position(error, positions[i], most);
        if (config->conv_size && i > 0 && positions[i] <= positions[i - 1])
            return bad_position(error, positions[i], positions[i - 1]);
        if (ids[i] == bert_config_padding_id(config))
            n_padding++;
        else if (positions[i] < n_padding) /* there is more padding before it than it counts */
            return bad_position(error, positions[i], n_padding);
    }
    return BERT_OK;
}

/* The tokens of sequence `s`, which start at `first`. */
static bert_status check_sequence(const bert_config *config, const bert_batch *batch, uint32_t s,
                                  uint32_t first, bert_error *error)
{
    uint32_t n = batch->lengths[s], from = batch->pool_from ? batch->pool_from[s] : 0;
    uint32_t n_attended = 0, n_pooled = 0;
    for (uint32_t i = first; i < first + n; i++) {
        if (batch->ids[i] >= config->vocab_size)
            return error_set_limit(error, BERT_BAD_TOKEN_ID, "ids", batch->ids[i],
                                   config->vocab_size);
        uint32_t n_types = config->n_token_types ? config->n_token_types : 1;
        if (batch->token_types && batch->token_types[i] >= n_types)
            return error_set_limit(error, BERT_BAD_TOKEN_TYPE, "token_types", batch->token_types[i],
                                   n_types);
        uint32_t is_attended = !batch->attended || batch->attended[i];
        n_attended += is_attended;
        n_pooled += is_attended && i - first >= from;
    }
    if (n_attended == 0)
        return error_set(error, BERT_EMPTY_SEQUENCE, "attended");
    if (n_pooled == 0)
        return error_set_limit(error, BERT_BAD_POSITION, "pool_from", from, n);
    return batch->positions
               ? check_positions(config, batch->ids + first, batch->positions + first, n, error)
               : BERT_OK;
}

/* Ascending, so that there are no more of them than tokens. */
static bert_status check_lm_tokens(const bert_batch *batch, uint32_t n_tokens, bert_error *error)
{
    for (uint32_t i = 0; batch->lm_tokens && i < batch->n_lm_tokens; i++) {
        uint32_t token = batch->lm_tokens[i], least = i ? batch->lm_tokens[i - 1] + 1 : 0;
        if (token >= n_tokens || token < least)
            return error_set_limit(error, BERT_BAD_POSITION, "lm_tokens", token,
                                   token < n_tokens ? least : n_tokens);
    }
    return BERT_OK;
}

bert_status batch_check(const bert_session *session, const bert_batch *batch, uint32_t *n_tokens,
                        bert_error *error)
{
    uint64_t total = 0;
    for (uint32_t s = 0; s < batch->n_sequences; s++) {
        uint32_t n = batch->lengths[s];
        if (n == 0)
            return error_set_value(error, BERT_EMPTY_SEQUENCE, "lengths", s);
        if (n > session->max_sequence_tokens)
            return error_set_limit(error, BERT_SEQUENCE_TOO_LONG, "lengths", n,
                                   session->max_sequence_tokens);
        total += n;
        if (total > session->max_tokens)
            return error_set_limit(error, BERT_BATCH_TOO_LARGE, "lengths", (int64_t)total,
                                   session->max_tokens);
        bert_status status =
            check_sequence(&session->model->config, batch, s, (uint32_t)total - n, error);
        if (status != BERT_OK)
            return status;
    }
    *n_tokens = (uint32_t)total;
    return check_lm_tokens(batch, *n_tokens, error);
}

uint64_t batch_lm_tokens(const bert_batch *batch, uint64_t n_tokens)
{
    return batch->lm_tokens ? batch->n_lm_tokens : n_tokens;
}

uint64_t batch_attentions(const bert_config *config, const bert_batch *batch)
{
    uint64_t squares = 0;
    for (uint32_t s = 0; s < batch->n_sequences; s++)
        squares += (uint64_t)batch->lengths[s] * batch->lengths[s];
    return config->n_heads * squares;
}

/* Rows of a layer of an output. */
static uint64_t rows_of(bert_output output, const bert_batch *batch)
{
    uint64_t n_tokens = 0;
    if (!bert_output_is_of_tokens(output))
        return batch->n_sequences;
    for (uint32_t s = 0; s < batch->n_sequences; s++)
        n_tokens += batch->lengths[s];
    return output == BERT_OUTPUT_LM_LOGITS ? batch_lm_tokens(batch, n_tokens) : n_tokens;
}

bert_status bert_output_count(const bert_config *config, bert_output output,
                              const bert_batch *batch, size_t *count, bert_error *error)
{
    const char *name = bert_output_name(output);
    uint64_t n_columns = bert_output_columns(config, output);
    uint64_t n = bert_output_layers(config, output);
    if (n_columns == 0 && output != BERT_OUTPUT_ATTENTIONS)
        return error_set(error, BERT_NO_SUCH_OUTPUT, name);
    n *= output == BERT_OUTPUT_ATTENTIONS ? batch_attentions(config, batch)
                                          : rows_of(output, batch) * n_columns;
    if (n > SIZE_MAX / 2 / sizeof(float))
        return error_set_limit(error, BERT_BATCH_TOO_LARGE, name, (int64_t)n,
                               (int64_t)(SIZE_MAX / 2 / sizeof(float)));
    *count = (size_t)n;
    return BERT_OK;
}

bert_status batch_check_outputs(const bert_config *config, const bert_batch *batch,
                                const bert_outputs *outputs, bert_error *error)
{
    for (int i = 0; i < BERT_OUTPUT_COUNT; i++) {
        size_t count;
        if (outputs->data[i]) {
            bert_status status = bert_output_count(config, (bert_output)i, batch, &count, error);
            if (status != BERT_OK)
                return status;
        }
    }
    return BERT_OK;
}

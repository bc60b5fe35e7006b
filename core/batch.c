/* batch.c - whether a session can encode a batch, and how many numbers come of it. */
#include "internal.h"

/* One sequence's tokens, which start at `first`. */
static bert_status check_sequence(const bert_config *config, const bert_batch *batch,
                                  uint32_t first, uint32_t n, bert_error *error)
{
    uint32_t n_attended = 0;
    for (uint32_t i = first; i < first + n; i++) {
        if (batch->ids[i] >= config->vocab_size)
            return error_set(error, BERT_BAD_TOKEN_ID, "ids", batch->ids[i], config->vocab_size);
        uint32_t n_types = config->n_token_types ? config->n_token_types : 1;
        if (batch->token_types && batch->token_types[i] >= n_types)
            return error_set(error, BERT_BAD_TOKEN_TYPE, "token_types", batch->token_types[i],
                             n_types);
        if (batch->positions && batch->positions[i] >= config->n_positions)
            return error_set(error, BERT_BAD_POSITION, "positions", batch->positions[i],
                             config->n_positions);
        n_attended += !batch->attended || batch->attended[i];
    }
    if (n_attended == 0)
        return error_set(error, BERT_EMPTY_SEQUENCE, "attended", 0, 1);
    return BERT_OK;
}

bert_status batch_check(const bert_session *session, const bert_batch *batch, uint32_t *n_tokens,
                        bert_error *error)
{
    uint64_t total = 0;
    for (uint32_t s = 0; s < batch->n_sequences; s++) {
        uint32_t n = batch->lengths[s];
        if (n == 0)
            return error_set(error, BERT_EMPTY_SEQUENCE, "lengths", s, 0);
        if (n > session->max_sequence_tokens)
            return error_set(error, BERT_SEQUENCE_TOO_LONG, "lengths", n,
                             session->max_sequence_tokens);
        total += n;
        if (total > session->max_tokens)
            return error_set(error, BERT_BATCH_TOO_LARGE, "lengths", (int64_t)total,
                             session->max_tokens);
        bert_status status =
            check_sequence(&session->model->config, batch, (uint32_t)total - n, n, error);
        if (status != BERT_OK)
            return status;
    }
    *n_tokens = (uint32_t)total;
    return BERT_OK;
}

uint64_t batch_attentions(const bert_config *config, const bert_batch *batch)
{
    uint64_t squares = 0;
    for (uint32_t s = 0; s < batch->n_sequences; s++)
        squares += (uint64_t)batch->lengths[s] * batch->lengths[s];
    return config->n_heads * squares;
}

bert_status bert_output_count(const bert_model *model, bert_output output, const bert_batch *batch,
                              size_t *count, bert_error *error)
{
    const char *name = bert_output_name(output);
    const bert_config *config = &model->config;
    uint64_t tokens = 0, n = 0;
    for (uint32_t s = 0; s < batch->n_sequences; s++)
        tokens += batch->lengths[s];
    switch (output) {
    case BERT_OUTPUT_LAST_HIDDEN_STATE:
        n = tokens * config->hidden_size;
        break;
    case BERT_OUTPUT_POOLER_OUTPUT:
        if (config->pooler_activation == BERT_ACTIVATION_NONE)
            return error_set(error, BERT_NO_SUCH_OUTPUT, name, 0, 0);
        n = (uint64_t)batch->n_sequences * config->hidden_size;
        break;
    case BERT_OUTPUT_LOGITS:
        if (config->head == BERT_HEAD_NONE)
            return error_set(error, BERT_NO_SUCH_OUTPUT, name, 0, 0);
        n = (uint64_t)batch->n_sequences * config->n_labels;
        break;
    case BERT_OUTPUT_HIDDEN_STATES:
        n = (config->n_layers + 1ull) * tokens * config->hidden_size;
        break;
    case BERT_OUTPUT_ATTENTIONS:
        n = config->n_layers * batch_attentions(config, batch);
        break;
    case BERT_OUTPUT_COUNT:
        return error_set(error, BERT_NO_SUCH_OUTPUT, name, output, BERT_OUTPUT_COUNT);
    }
    if (n > SIZE_MAX / 2 / sizeof(float))
        return error_set(error, BERT_BATCH_TOO_LARGE, name, (int64_t)n,
                         (int64_t)(SIZE_MAX / 2 / sizeof(float)));
    *count = (size_t)n;
    return BERT_OK;
}

bert_status batch_check_outputs(const bert_model *model, const bert_batch *batch,
                                const bert_outputs *outputs, bert_error *error)
{
    for (int i = 0; i < BERT_OUTPUT_COUNT; i++) {
        size_t count;
        if (outputs->data[i]) {
            bert_status status = bert_output_count(model, (bert_output)i, batch, &count, error);
            if (status != BERT_OK)
                return status;
        }
    }
    return BERT_OK;
}

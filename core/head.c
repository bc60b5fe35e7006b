/* head.c - what stands on every sequence: pooler and classifier, and the sentence embedding. */
#include <math.h>
#include <string.h>

#include "share.h"

/* The first token's hidden state of every sequence: [S, H]. */
static void gather_first(const float *hidden, const bert_batch *batch, uint32_t n_columns,
                         float *rows)
{
    for (uint32_t s = 0; s < batch->n_sequences; s++) {
        memcpy(rows, hidden, n_columns * sizeof(float));
        hidden += (size_t)batch->lengths[s] * n_columns;
        rows += n_columns;
    }
}

/* The sum of the hidden states of a sequence's attended tokens, from `from` on, over their number,
 * or what the pooling has in its place. */
static void pool_sum(bert_pooling pooling, const float *hidden, const sequence_view *sequence,
                     uint32_t from, uint32_t n_columns, float *out)
{
    double total = 0;
    memset(out, 0, n_columns * sizeof(float));
    for (uint32_t t = from; t < sequence->n; t++) {
        const float *row = hidden + (size_t)t * n_columns;
        float weight = 1;
        if (!sequence_attends(sequence, t))
            continue;
        if (pooling == BERT_POOLING_WEIGHTED_MEAN)
            weight = (float)sequence_position(sequence, t) + 1;
        for (uint32_t i = 0; i < n_columns; i++)
            out[i] += weight * row[i];
        total += weight;
    }
    float divisor = pooling == BERT_POOLING_MEAN_SQRT_LEN ? sqrtf((float)total) : (float)total;
    for (uint32_t i = 0; i < n_columns; i++)
        out[i] /= divisor;
}

/* The largest number of each column. */
static void pool_max(const float *hidden, const sequence_view *sequence, uint32_t from,
                     uint32_t n_columns, float *out)
{
    uint32_t n_attended = 0;
    for (uint32_t t = from; t < sequence->n; t++) {
        const float *row = hidden + (size_t)t * n_columns;
        if (!sequence_attends(sequence, t))
            continue;
        if (n_attended++ == 0)
            memcpy(out, row, n_columns * sizeof(float));
        for (uint32_t i = 0; i < n_columns; i++)
            out[i] = row[i] > out[i] ? row[i] : out[i];
    }
}

/* One pooling of a sequence, whose hidden states are [n, H], from the token `from` on. */
static void pool_tokens(bert_pooling pooling, const float *hidden, const sequence_view *sequence,
                        uint32_t from, uint32_t n_columns, float *out)
{
    if (pooling == BERT_POOLING_CLS || pooling == BERT_POOLING_LAST) {
        uint32_t token = pooling == BERT_POOLING_LAST ? sequence->n - 1 : from;
        while (pooling == BERT_POOLING_LAST && !sequence_attends(sequence, token))
            token--;
        memcpy(out, hidden + (size_t)token * n_columns, n_columns * sizeof(float));
    } else if (pooling == BERT_POOLING_MAX) {
        pool_max(hidden, sequence, from, n_columns, out);
    } else {
        pool_sum(pooling, hidden, sequence, from, n_columns, out);
    }
}

void pool_sentences(const bert_config *config, const bert_batch *batch, const float *hidden,
                    float *pooled)
{
    uint32_t n_columns = config->hidden_size, n_poolings = config_n_poolings(config);
    for (uint32_t s = 0, first = 0; s < batch->n_sequences; first += batch->lengths[s++]) {
        sequence_view sequence = batch_sequence(batch, s, first);
        uint32_t from = batch->pool_from ? batch->pool_from[s] : 0;
        for (uint32_t i = 0; i < n_poolings; i++, pooled += n_columns)
            pool_tokens(config_pooling(config, i), hidden + (size_t)first * n_columns, &sequence,
                        from, n_columns, pooled);
    }
}

/* Reimers & Gurevych 2019, Sentence-BERT, section 3; several poolings side by side, dense layer and
 * length 1 as in its code. */
static void embed_sentences(const bert_session *session, const bert_batch *batch, float *out)
{
    const bert_model *model = session->model;
    const bert_config *config = &model->config;
    size_t n_pooled = bert_config_pooled_columns(config);
    uint32_t n_columns = bert_output_columns(config, BERT_OUTPUT_SENTENCE_EMBEDDING);
    float *pooled = config->embedding_dim ? session->pooled : out;
    pool_sentences(config, batch, session->hidden, pooled);
    if (config->embedding_dim) {
        product dense = {config->sentence_activation, NULL, out, n_columns};
        gemm_f32(pooled, n_pooled, batch->n_sequences, &model->sentence, panels_all(n_columns),
                 &dense, session->workspaces[0].panel);
    }
    if (config->normalize)
        ops_normalize(out, batch->n_sequences, n_columns);
}

/* Devlin et al. 2018, BERT, section 4.1: a classifier over the pooled first token. */
static void pool_and_classify(const bert_session *session, const bert_batch *batch,
                              float *pooler_output, float *logits)
{
    const bert_model *model = session->model;
    const bert_config *config = &model->config;
    size_t hidden = config->hidden_size;
    uint32_t n = batch->n_sequences;
    /* Every sequence has a token, so [S, H] fits where [T, H] does. */
    float *first = session->query;
    float *pooled = pooler_output ? pooler_output : session->key;
    product to_pooled = {config->pooler_activation, NULL, pooled, hidden};
    product to_logits = {BERT_ACTIVATION_NONE, NULL, logits, config->n_labels};
    float *scratch = session->workspaces[0].panel;
    gather_first(session->hidden, batch, config->hidden_size, first);
    gemm_f32(first, hidden, n, &model->pooler, panels_all(model->pooler.n_out), &to_pooled,
             scratch);
    if (logits)
        gemm_f32(pooled, hidden, n, &model->classifier, panels_all(config->n_labels), &to_logits,
                 scratch);
}

void head_run(const bert_session *session, const bert_batch *batch, const bert_outputs *outputs)
{
    float *pooler_output = outputs->data[BERT_OUTPUT_POOLER_OUTPUT];
    float *logits = outputs->data[BERT_OUTPUT_LOGITS];
    float *sentences = outputs->data[BERT_OUTPUT_SENTENCE_EMBEDDING];
    if (pooler_output || logits)
        pool_and_classify(session, batch, pooler_output, logits);
    if (sentences)
        embed_sentences(session, batch, sentences);
}

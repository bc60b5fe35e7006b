/* head.c - what stands on every sequence: pooler and classifier, and the sentence embedding. */
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

/* The mean of the hidden states of a sequence's attended tokens, or the largest of each column. */
static void pool_tokens(bert_pooling pooling, const float *hidden, const sequence_view *sequence,
                        uint32_t n_columns, float *out)
{
    uint32_t n_attended = 0;
    for (uint32_t t = 0; t < sequence->n; t++) {
        const float *row = hidden + (size_t)(sequence->first + t) * n_columns;
        if (!sequence_attends(sequence, t))
            continue;
        if (n_attended++ == 0)
            memcpy(out, row, n_columns * sizeof(float));
        else if (pooling == BERT_POOLING_MEAN)
            for (uint32_t i = 0; i < n_columns; i++)
                out[i] += row[i];
        else
            for (uint32_t i = 0; i < n_columns; i++)
                out[i] = row[i] > out[i] ? row[i] : out[i];
    }
    if (pooling == BERT_POOLING_MEAN)
        for (uint32_t i = 0; i < n_columns; i++)
            out[i] /= (float)n_attended;
}

/* Reimers & Gurevych 2019, Sentence-BERT, section 3; dense layer and length 1 as in its code. */
static void embed_sentences(const bert_session *session, const bert_batch *batch, float *out)
{
    const bert_model *model = session->model;
    const bert_config *config = &model->config;
    uint32_t n_columns = config->embedding_dim ? config->embedding_dim : config->hidden_size;
    float *pooled = config->embedding_dim ? session->query : out;
    size_t hidden = config->hidden_size;
    if (config->pooling == BERT_POOLING_CLS)
        gather_first(session->hidden, batch, config->hidden_size, pooled);
    else
        for (uint32_t s = 0, first = 0; s < batch->n_sequences; first += batch->lengths[s++]) {
            sequence_view sequence = batch_sequence(batch, s, first);
            pool_tokens(config->pooling, session->hidden, &sequence, config->hidden_size,
                        pooled + s * hidden);
        }
    if (config->embedding_dim) {
        product dense = {config->sentence_activation, NULL, out, n_columns};
        gemm_f32(pooled, hidden, batch->n_sequences, &model->sentence, panels_all(n_columns),
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

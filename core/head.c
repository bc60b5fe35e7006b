/* head.c - what stands on the encoder: pooler and classifier. */
#include <string.h>

#include "internal.h"

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

void head_run(const bert_session *session, const bert_batch *batch, const bert_outputs *outputs)
{
    const bert_model *model = session->model;
    const bert_config *config = &model->config;
    size_t hidden = config->hidden_size;
    uint32_t n = batch->n_sequences;
    float *pooler_output = outputs->data[BERT_OUTPUT_POOLER_OUTPUT];
    float *logits = outputs->data[BERT_OUTPUT_LOGITS];
    if (!pooler_output && !logits)
        return;

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

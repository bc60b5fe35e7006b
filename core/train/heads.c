/*
 * heads.c - what stands on the last states, there and back: pooler and classifier of sequences
 * (Devlin et al. 2018, BERT, section 4.1), classifier of tokens (section 5.3; with a dense layer
 * before it Clark et al. 2020, ELECTRA, section 3.1). lm_head.c and sentences.c have the others.
 *
 *     pooled = activation(first token's state W + b)     logits = pooled W + b
 */
#include <string.h>

#include "trainer.h"

/* The first token of each sequence: rows [S, H] of states [T, H], and back again. */
static void gather_first(const bert_trainer *trainer, const float *states, float *rows)
{
    size_t hidden = trainer->session.model->config.hidden_size;
    for (uint32_t s = 0; s < trainer->batch.n_sequences; s++, rows += hidden) {
        memcpy(rows, states, hidden * sizeof *rows);
        states += trainer->batch.lengths[s] * hidden;
    }
}

static void add_first(const bert_trainer *trainer, const float *rows, float *states)
{
    size_t hidden = trainer->session.model->config.hidden_size;
    for (uint32_t s = 0; s < trainer->batch.n_sequences; s++, rows += hidden) {
        for (size_t i = 0; i < hidden; i++)
            states[i] += rows[i];
        states += trainer->batch.lengths[s] * hidden;
    }
}

/* to += from. */
static void add_numbers(const float *from, size_t n, float *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] += from[i];
}

/* ------------------------------------------------------------------------------------- there -- */

static void activate(bert_trainer *trainer, const float *x, uint32_t n_rows, const matrix *w,
                     bert_activation activation, const dense_trace *trace)
{
    dense_forward(trainer, x, n_rows, w, 0, trace->sum);
    activation_forward(trainer, trace->sum, (size_t)n_rows * w->n_out, activation, trace->y);
}

static void sequences_forward(bert_trainer *trainer, const float *states, float *pooler_output,
                              float *logits)
{
    const bert_model *model = trainer->session.model;
    const bert_config *config = &model->config;
    const dense_trace *pooler = &trainer->pooler;
    uint32_t n = trainer->batch.n_sequences;
    gather_first(trainer, states, pooler->x);
    dropout_apply(trainer, DROPOUT_POOLER, 0, pooler->x, n, config->hidden_size, pooler->x);
    activate(trainer, pooler->x, n, &model->pooler, config->pooler_activation, pooler);
    if (pooler_output)
        memcpy(pooler_output, pooler->y, (size_t)n * config->hidden_size * sizeof *pooler_output);
    if (!logits)
        return;
    dropout_apply(trainer, DROPOUT_CLASSIFIER, 0, pooler->y, n, config->hidden_size, pooler->y);
    dense_forward(trainer, pooler->y, n, &model->classifier, 0, logits);
}

void heads_forward(bert_trainer *trainer, const bert_outputs *outputs)
{
    const bert_model *model = trainer->session.model;
    const bert_config *config = &model->config;
    uint32_t n = trainer->n_tokens;
    const float *states = trainer_states(trainer, config->n_layers);
    float *last_hidden_state = outputs->data[BERT_OUTPUT_LAST_HIDDEN_STATE];
    float *pooler_output = outputs->data[BERT_OUTPUT_POOLER_OUTPUT];
    float *logits = outputs->data[BERT_OUTPUT_LOGITS];
    float *token_logits = outputs->data[BERT_OUTPUT_TOKEN_LOGITS];
    if (last_hidden_state)
        memcpy(last_hidden_state, states, (size_t)n * config->hidden_size * sizeof *states);
    if (pooler_output || logits)
        sequences_forward(trainer, states, pooler_output, logits);
    if (outputs->data[BERT_OUTPUT_LM_LOGITS])
        lm_head_forward(trainer, outputs->data[BERT_OUTPUT_LM_LOGITS]);
    if (outputs->data[BERT_OUTPUT_SENTENCE_EMBEDDING])
        sentences_forward(trainer, outputs->data[BERT_OUTPUT_SENTENCE_EMBEDDING]);
    if (!token_logits)
        return;
    if (config->token_activation != BERT_ACTIVATION_NONE) {
        activate(trainer, states, n, &model->token_transform, config->token_activation,
                 &trainer->token_transform);
        states = trainer->token_transform.y;
    }
    states = dropout_apply(trainer, DROPOUT_CLASSIFIER, 0, states, n, config->hidden_size,
                           trainer->dsum);
    dense_forward(trainer, states, n, &model->token_classifier, 0, token_logits);
}

/* -------------------------------------------------------------------------------------- back -- */

static void sequences_backward(bert_trainer *trainer, const float *dpooled, const float *dlogits)
{
    const bert_model *model = trainer->session.model;
    const bert_config *config = &model->config;
    const dense_trace *pooler = &trainer->pooler;
    uint32_t n = trainer->batch.n_sequences;
    size_t count = (size_t)n * config->hidden_size;
    if (dlogits) {
        dense_weights_backward(trainer, pooler->y, dlogits, n, &model->classifier);
        dense_inputs_backward(trainer, dlogits, n, &model->classifier, 0, pooler->dsum);
        dropout_apply(trainer, DROPOUT_CLASSIFIER, 0, pooler->dsum, n, config->hidden_size,
                      pooler->dsum);
    }
    if (dpooled && dlogits)
        add_numbers(dpooled, count, pooler->dsum);
    else if (dpooled)
        memcpy(pooler->dsum, dpooled, count * sizeof *dpooled);
    activation_backward(trainer, pooler->sum, count, config->pooler_activation, pooler->dsum);
    dense_weights_backward(trainer, pooler->x, pooler->dsum, n, &model->pooler);
    /* d x lies where x did: that is not read again. */
    dense_inputs_backward(trainer, pooler->dsum, n, &model->pooler, 0, pooler->x);
    dropout_apply(trainer, DROPOUT_POOLER, 0, pooler->x, n, config->hidden_size, pooler->x);
    add_first(trainer, pooler->x, trainer->dstates);
}

static void tokens_backward(bert_trainer *trainer, const float *dlogits)
{
    const bert_model *model = trainer->session.model;
    const bert_config *config = &model->config;
    const dense_trace *transform = &trainer->token_transform;
    const float *states = trainer_states(trainer, config->n_layers);
    uint32_t n = trainer->n_tokens, hidden = config->hidden_size;
    int transforms = config->token_activation != BERT_ACTIVATION_NONE;
    float *dx = transforms ? transform->dsum : trainer->dsum;
    const float *x = dropout_apply(trainer, DROPOUT_CLASSIFIER, 0,
                                   transforms ? transform->y : states, n, hidden, trainer->dsum);
    dense_weights_backward(trainer, x, dlogits, n, &model->token_classifier);
    dense_inputs_backward(trainer, dlogits, n, &model->token_classifier, 0, dx);
    dropout_apply(trainer, DROPOUT_CLASSIFIER, 0, dx, n, hidden, dx);
    if (!transforms) {
        add_numbers(dx, (size_t)n * hidden, trainer->dstates);
        return;
    }
    activation_backward(trainer, transform->sum, (size_t)n * hidden, config->token_activation,
                        transform->dsum);
    dense_weights_backward(trainer, states, transform->dsum, n, &model->token_transform);
    dense_inputs_backward(trainer, transform->dsum, n, &model->token_transform, 1,
                          trainer->dstates);
}

void heads_backward(bert_trainer *trainer, const bert_outputs *gradients)
{
    const float *dstates = gradients->data[BERT_OUTPUT_LAST_HIDDEN_STATE];
    const float *dpooled = gradients->data[BERT_OUTPUT_POOLER_OUTPUT];
    const float *dlogits = gradients->data[BERT_OUTPUT_LOGITS];
    const float *dtoken_logits = gradients->data[BERT_OUTPUT_TOKEN_LOGITS];
    size_t count = (size_t)trainer->n_tokens * trainer->session.model->config.hidden_size;
    if (dstates)
        memcpy(trainer->dstates, dstates, count * sizeof *dstates);
    else
        memset(trainer->dstates, 0, count * sizeof *dstates);
    if (dpooled || dlogits)
        sequences_backward(trainer, dpooled, dlogits);
    if (dtoken_logits)
        tokens_backward(trainer, dtoken_logits);
    if (gradients->data[BERT_OUTPUT_LM_LOGITS])
        lm_head_backward(trainer, gradients->data[BERT_OUTPUT_LM_LOGITS]);
    if (gradients->data[BERT_OUTPUT_SENTENCE_EMBEDDING])
        sentences_backward(trainer, gradients->data[BERT_OUTPUT_SENTENCE_EMBEDDING]);
}

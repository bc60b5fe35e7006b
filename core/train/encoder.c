/*
 * encoder.c - the encoder there and back: embeddings, layers, heads (Devlin et al. 2018, BERT,
 * section 3; Vaswani et al. 2017, section 3.1). A layer, from states h to the next,
 *
 *     a = norm(h + attention(h) W + b)        h' = norm(a + activation(a W1 + b1) W2 + b2)
 *
 * The way there leaves what the way back needs (layer_trace). Where layers are computed again there
 * is one trace for all, and of the others only the states that they begin with.
 *
 * Every product runs over all tokens; attention alone sees where a sequence begins and ends. Each
 * piece is a phase of its own for all threads: going on with rows that are in a cache, as the
 * core's encoder does, would gain little where products have as many rows as in training.
 */
#include <string.h>

#include "trainer.h"

static const layer_weights *layer_at(const bert_trainer *trainer, uint32_t index)
{
    const bert_model *model = trainer->session.model;
    return &model->layers[bert_config_stored_layer(&model->config, index)];
}

static const layer_trace *trace_of(const bert_trainer *trainer, uint32_t index)
{
    return &trainer->layers[trainer->recomputes ? 0 : index];
}

/* ------------------------------------------------------------------------------------- there -- */

/* sum = x + y W + b. */
static void add_dense(bert_trainer *trainer, const float *x, const float *y, const matrix *w,
                      float *sum)
{
    memcpy(sum, x, (size_t)trainer->n_tokens * w->n_out * sizeof *sum);
    dense_forward(trainer, y, trainer->n_tokens, w, 1, sum);
}

/* From its states to its trace, but for the last norm. */
static void layer_forward(bert_trainer *trainer, uint32_t index)
{
    const bert_config *config = &trainer->session.model->config;
    const layer_weights *layer = layer_at(trainer, index);
    const layer_trace *trace = trace_of(trainer, index);
    const float *states = trainer_states(trainer, index);
    uint32_t n = trainer->n_tokens, hidden = config->hidden_size;
    dense_forward(trainer, states, n, &layer->query, 0, trace->query);
    dense_forward(trainer, states, n, &layer->key, 0, trace->key);
    dense_forward(trainer, states, n, &layer->value, 0, trace->value);
    attention_forward(trainer, layer, trace);
    add_dense(trainer, states, trace->context, &layer->attention_output, trace->attention_sum);
    norm_forward(trainer, trace->attention_sum, n, hidden, &layer->attention_norm, trace->attended);
    dense_forward(trainer, trace->attended, n, &layer->intermediate, 0, trace->wide);
    activation_forward(trainer, trace->wide, (size_t)n * config->intermediate_size,
                       config->activation, trainer->activated);
    add_dense(trainer, trace->attended, trainer->activated, &layer->output, trace->output_sum);
}

/* -------------------------------------------------------------------------------------- back -- */

/* From d h' to d a: what is read and written is trainer->dstates, then trainer->dsum. */
static void feed_forward_backward(bert_trainer *trainer, const layer_weights *layer,
                                  const layer_trace *trace)
{
    const bert_config *config = &trainer->session.model->config;
    uint32_t n = trainer->n_tokens;
    size_t n_wide = (size_t)n * config->intermediate_size;
    norm_backward(trainer, trace->output_sum, trainer->dstates, n, config->hidden_size,
                  &layer->output_norm, trainer->dsum);
    activation_forward(trainer, trace->wide, n_wide, config->activation, trainer->activated);
    dense_weights_backward(trainer, trainer->activated, trainer->dsum, n, &layer->output);
    dense_inputs_backward(trainer, trainer->dsum, n, &layer->output, 0, trainer->dwide);
    activation_backward(trainer, trace->wide, n_wide, config->activation, trainer->dwide);
    dense_weights_backward(trainer, trace->attended, trainer->dwide, n, &layer->intermediate);
    dense_inputs_backward(trainer, trainer->dwide, n, &layer->intermediate, 1, trainer->dsum);
}

/* From d a, which is trainer->dsum, to d h, trainer->dstates. */
static void attention_block_backward(bert_trainer *trainer, const layer_weights *layer,
                                     const layer_trace *trace, const float *states)
{
    uint32_t n = trainer->n_tokens, hidden = trainer->session.model->config.hidden_size;
    dense_gradient projections[] = {{&layer->query, trainer->dquery},
                                    {&layer->key, trainer->dkey},
                                    {&layer->value, trainer->dvalue}};
    norm_backward(trainer, trace->attention_sum, trainer->dsum, n, hidden, &layer->attention_norm,
                  trainer->dstates);
    dense_weights_backward(trainer, trace->context, trainer->dstates, n, &layer->attention_output);
    dense_inputs_backward(trainer, trainer->dstates, n, &layer->attention_output, 0,
                          trainer->dcontext);
    attention_backward(trainer, layer, trace);
    dense_all_weights_backward(trainer, states, n, projections, 3);
    for (int i = 0; i < 3; i++)
        dense_inputs_backward(trainer, projections[i].dy, n, projections[i].w, 1, trainer->dstates);
}

static void layer_backward(bert_trainer *trainer, uint32_t index)
{
    const layer_weights *layer = layer_at(trainer, index);
    const layer_trace *trace = trace_of(trainer, index);
    if (trainer->recomputes && index + 1 < trainer->session.model->config.n_layers)
        layer_forward(trainer, index);
    feed_forward_backward(trainer, layer, trace);
    attention_block_backward(trainer, layer, trace, trainer_states(trainer, index));
}

/* --------------------------------------------------------------------------------------- all -- */

static int can_be_trained(bert_output output)
{
    return output == BERT_OUTPUT_LAST_HIDDEN_STATE || output == BERT_OUTPUT_POOLER_OUTPUT ||
           output == BERT_OUTPUT_LOGITS || output == BERT_OUTPUT_TOKEN_LOGITS;
}

bert_status bert_train_forward(bert_trainer *trainer, const bert_batch *batch,
                               const bert_outputs *outputs, bert_error *error)
{
    assert(trainer && batch && outputs);
    bert_session *session = &trainer->session;
    const bert_config *config = &session->model->config;
    bert_status status = batch_check(session, batch, &trainer->n_tokens, error);
    trainer->can_go_back = 0;
    if (status == BERT_OK)
        status = batch_check_outputs(config, batch, outputs, error);
    for (int i = 0; i < BERT_OUTPUT_COUNT && status == BERT_OK; i++)
        if (outputs->data[i] && !can_be_trained((bert_output)i))
            status = error_set(error, BERT_NO_SUCH_OUTPUT, bert_output_name((bert_output)i));
    if (status != BERT_OK)
        return status;
    trainer->batch = *batch;
    trainer->outputs = *outputs;
    session->n_threads = pool_threads(&session->pool);
    embeddings_forward(trainer);
    for (uint32_t i = 0; i < config->n_layers; i++) {
        layer_forward(trainer, i);
        norm_forward(trainer, trace_of(trainer, i)->output_sum, trainer->n_tokens,
                     config->hidden_size, &layer_at(trainer, i)->output_norm,
                     trainer_states(trainer, i + 1));
        if (i == 0 && config->conv_size)
            conv_forward(trainer);
    }
    heads_forward(trainer, outputs);
    pool_rest(&session->pool);
    trainer->can_go_back = 1;
    return BERT_OK;
}

bert_status bert_train_backward(bert_trainer *trainer, const bert_outputs *gradients,
                                bert_error *error)
{
    assert(trainer && gradients);
    bert_session *session = &trainer->session;
    const bert_config *config = &session->model->config;
    if (!trainer->can_go_back)
        return error_set(error, BERT_BAD_OPTION, "batch");
    for (int i = 0; i < BERT_OUTPUT_COUNT; i++)
        if (gradients->data[i] && !trainer->outputs.data[i])
            return error_set(error, BERT_NO_SUCH_OUTPUT, bert_output_name((bert_output)i));
    trainer->can_go_back = 0;
    if (trainer->n_tokens == 0)
        return BERT_OK;
    session->n_threads = pool_threads(&session->pool);
    heads_backward(trainer, gradients);
    relative_begin_back(trainer);
    for (uint32_t i = config->n_layers; i-- > 0;) {
        if (i == 0 && config->conv_size)
            conv_backward(trainer);
        layer_backward(trainer, i);
    }
    relative_end_back(trainer);
    embeddings_backward(trainer);
    pool_rest(&session->pool);
    return BERT_OK;
}

/*
 * encoder.c - the encoder there and back: embeddings, layers, heads (Devlin et al. 2018, BERT,
 * section 3; Vaswani et al. 2017, section 3.1). A layer, from states h to the next,
 *
 *     a = norm(h + attention(h) W + b)        h' = norm(a + activation(a W1 + b1) W2 + b2)
 *
 * with dropout of what is added to h and a, and maybe an adapter beside each matrix (lora.c).
 *
 * The way there leaves what the way back needs (layer_trace). Where layers are computed again there
 * is one trace for all, and of the others only the states that they begin with.
 *
 * Every product runs over all tokens; attention alone sees where a sequence begins and ends. Each
 * piece is a phase of its own for all threads: going on with rows that are in a cache, as the
 * core's encoder does, would gain little where products have as many rows as in training.
 *
 * The way back ends where nothing below is trained.
 */
#include "trainer.h"

static const layer_trace *trace_of(const bert_trainer *trainer, uint32_t index)
{
    return &trainer->layers[trainer->recomputes ? 0 : index];
}

/* ------------------------------------------------------------------------------------- there -- */

/* y = x W + b, W with its adapter. */
static void adapted_forward(bert_trainer *trainer, const float *x, const matrix *w,
                            const adapter *beside, float *y)
{
    dense_forward(trainer, x, trainer->n_tokens, w, 0, y);
    lora_forward(trainer, x, trainer->n_tokens, beside, y);
}

/* sum = x + what dropout leaves of sum. */
static void add_residual(bert_trainer *trainer, const float *x, dropout_site site, uint32_t index,
                         float *sum)
{
    uint32_t n = trainer->n_tokens, hidden = trainer->session.model->config.hidden_size;
    dropout_apply(trainer, site, index, sum, n, hidden, sum);
    dense_add(trainer, x, n, hidden, sum);
}

/* From its states to its trace, but for the last norm. */
static void layer_forward(bert_trainer *trainer, uint32_t index)
{
    const bert_config *config = &trainer->session.model->config;
    const layer_weights *layer = trainer_layer(trainer, index);
    const adapter *beside = lora_of_layer(trainer, index);
    const layer_trace *trace = trace_of(trainer, index);
    const float *states = trainer_states(trainer, index);
    uint32_t n = trainer->n_tokens, hidden = config->hidden_size;
    adapted_forward(trainer, states, &layer->query, &beside[ADAPTER_QUERY], trace->query);
    adapted_forward(trainer, states, &layer->key, &beside[ADAPTER_KEY], trace->key);
    adapted_forward(trainer, states, &layer->value, &beside[ADAPTER_VALUE], trace->value);
    attention_forward(trainer, index, trace);
    adapted_forward(trainer, trace->context, &layer->attention_output,
                    &beside[ADAPTER_ATTENTION_OUTPUT], trace->attention_sum);
    add_residual(trainer, states, DROPOUT_ATTENTION_OUTPUT, index, trace->attention_sum);
    norm_forward(trainer, trace->attention_sum, n, hidden, &layer->attention_norm, trace->attended);
    adapted_forward(trainer, trace->attended, &layer->intermediate, &beside[ADAPTER_INTERMEDIATE],
                    trace->wide);
    activation_forward(trainer, trace->wide, (size_t)n * config->intermediate_size,
                       config->activation, trainer->activated);
    adapted_forward(trainer, trainer->activated, &layer->output, &beside[ADAPTER_OUTPUT],
                    trace->output_sum);
    add_residual(trainer, trace->attended, DROPOUT_OUTPUT, index, trace->output_sum);
}

/* -------------------------------------------------------------------------------------- back -- */

/* d x = dy W' + (adds: d x), W with its adapter, whose gradients are added to; those of W are not.
 * Where dx is NULL there is no d x. */
static void adapted_backward(bert_trainer *trainer, const float *x, const float *dy,
                             const matrix *w, const adapter *beside, int adds, float *dx)
{
    if (dx)
        dense_inputs_backward(trainer, dy, trainer->n_tokens, w, adds, dx);
    lora_backward(trainer, x, dy, trainer->n_tokens, beside, dx);
}

/* From d h' to d a: what is read and written is trainer->dstates, then trainer->dsum; but for d a
 * where nothing below `goes_on`. */
static void feed_forward_backward(bert_trainer *trainer, uint32_t index, int goes_on)
{
    const bert_config *config = &trainer->session.model->config;
    const layer_weights *layer = trainer_layer(trainer, index);
    const adapter *beside = lora_of_layer(trainer, index);
    const layer_trace *trace = trace_of(trainer, index);
    uint32_t n = trainer->n_tokens, hidden = config->hidden_size;
    size_t n_wide = (size_t)n * config->intermediate_size;
    norm_backward(trainer, trace->output_sum, trainer->dstates, n, hidden, &layer->output_norm,
                  trainer->dsum);
    const float *dy =
        dropout_apply(trainer, DROPOUT_OUTPUT, index, trainer->dsum, n, hidden, trainer->dstates);
    activation_forward(trainer, trace->wide, n_wide, config->activation, trainer->activated);
    dense_weights_backward(trainer, trainer->activated, dy, n, &layer->output);
    adapted_backward(trainer, trainer->activated, dy, &layer->output, &beside[ADAPTER_OUTPUT], 0,
                     trainer->dwide);
    activation_backward(trainer, trace->wide, n_wide, config->activation, trainer->dwide);
    dense_weights_backward(trainer, trace->attended, trainer->dwide, n, &layer->intermediate);
    adapted_backward(trainer, trace->attended, trainer->dwide, &layer->intermediate,
                     &beside[ADAPTER_INTERMEDIATE], 1, goes_on ? trainer->dsum : NULL);
}

/* From d a, which is trainer->dsum, to d h, trainer->dstates; but for d h where nothing below
 * `goes_on`. */
static void attention_block_backward(bert_trainer *trainer, uint32_t index, int goes_on)
{
    const layer_weights *layer = trainer_layer(trainer, index);
    const adapter *beside = lora_of_layer(trainer, index);
    const layer_trace *trace = trace_of(trainer, index);
    const float *states = trainer_states(trainer, index);
    uint32_t n = trainer->n_tokens, hidden = trainer->session.model->config.hidden_size;
    dense_gradient projections[] = {{&layer->query, trainer->dquery},
                                    {&layer->key, trainer->dkey},
                                    {&layer->value, trainer->dvalue}};
    norm_backward(trainer, trace->attention_sum, trainer->dsum, n, hidden, &layer->attention_norm,
                  trainer->dstates);
    const float *dy = dropout_apply(trainer, DROPOUT_ATTENTION_OUTPUT, index, trainer->dstates, n,
                                    hidden, trainer->dsum);
    dense_weights_backward(trainer, trace->context, dy, n, &layer->attention_output);
    adapted_backward(trainer, trace->context, dy, &layer->attention_output,
                     &beside[ADAPTER_ATTENTION_OUTPUT], 0, trainer->dcontext);
    attention_backward(trainer, index, trace);
    dense_all_weights_backward(trainer, states, n, projections, 3);
    for (int i = 0; i < 3; i++)
        adapted_backward(trainer, states, projections[i].dy, projections[i].w,
                         &beside[ADAPTER_QUERY + i], 1, goes_on ? trainer->dstates : NULL);
}

/* Blocks on the way: 0 for the embeddings, 1 + 2 i for layer i's attention, 2 + 2 i for its feed
 * forward, the last for the heads. The lowest of those in which something is trained. */
static uint32_t lowest_trained(const bert_trainer *trainer)
{
    const bert_config *config = &trainer->session.model->config;
    uint32_t block = 1;
    if (parameters_trains(trainer, 0))
        return 0;
    for (; block <= 2 * config->n_layers; block++) {
        uint32_t stored = bert_config_stored_layer(config, (block - 1) / 2);
        if (parameters_trains(trainer, 1 + 2 * stored + (block - 1) % 2))
            break;
    }
    return block;
}

static void layer_backward(bert_trainer *trainer, uint32_t index, uint32_t lowest)
{
    uint32_t attention = 1 + 2 * index;
    if (trainer->recomputes && index + 1 < trainer->session.model->config.n_layers)
        layer_forward(trainer, index);
    feed_forward_backward(trainer, index, lowest <= attention);
    if (lowest <= attention)
        attention_block_backward(trainer, index, lowest < attention);
}

/* --------------------------------------------------------------------------------------- all -- */

static int can_be_trained(bert_output output)
{
    return output != BERT_OUTPUT_HIDDEN_STATES && output != BERT_OUTPUT_ATTENTIONS;
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
    trainer->pass = trainer->n_passes;
    trainer->n_passes += trainer->drops ? 1 : 0;
    embeddings_forward(trainer);
    for (uint32_t i = 0; i < config->n_layers; i++) {
        layer_forward(trainer, i);
        norm_forward(trainer, trace_of(trainer, i)->output_sum, trainer->n_tokens,
                     config->hidden_size, &trainer_layer(trainer, i)->output_norm,
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
    uint32_t lowest = lowest_trained(trainer);
    relative_begin_back(trainer);
    for (uint32_t i = config->n_layers; i-- > 0 && lowest <= 2 + 2 * i;) {
        if (i == 0 && config->conv_size)
            conv_backward(trainer, lowest == 0);
        layer_backward(trainer, i, lowest);
    }
    if (lowest == 0) {
        relative_end_back(trainer);
        embeddings_backward(trainer);
    }
    pool_rest(&session->pool);
    return BERT_OK;
}

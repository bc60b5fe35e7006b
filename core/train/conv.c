/*
 * conv.c - the convolution over neighbouring tokens beside the first layer, there and back (DeBERTa
 * v2: He et al. 2020, arXiv 2006.03654, and its code):
 *
 *     h' = norm(h + activation(X W + b))
 *
 * h is what the first layer gives. A row of X is the embeddings' output of a token and of its
 * neighbours by position, side by side; where no attended token is, zeros. A token that is not
 * attended to has no convolution, and is zeros to its neighbours.
 *
 * X is written out: products of W and of its gradient are those of dense.c then. Its derivatives
 * take its place, until the way back comes to the embeddings, each of which gathers its own.
 */
#include <string.h>

#include "trainer.h"

void conv_mask(const bert_trainer *trainer, float *rows)
{
    const uint8_t *attended = trainer->batch.attended;
    size_t hidden = trainer->session.model->config.hidden_size;
    for (uint32_t token = 0; attended && token < trainer->n_tokens; token++)
        if (!attended[token])
            memset(rows + token * hidden, 0, hidden * sizeof *rows);
}

/* ----------------------------------------------------------------------------------- windows -- */

/* Number `k` of the window of `token`: [H]. */
static float *window_at(const bert_trainer *trainer, uint32_t token, uint32_t k)
{
    const bert_config *config = &trainer->session.model->config;
    return trainer->conv_windows + ((size_t)token * config->conv_size + k) * config->hidden_size;
}

/* Calls `work` with each token of the share and each that its window reaches, its number `k` there,
 * in order. */
typedef void window_work(const bert_trainer *trainer, uint32_t token, uint32_t neighbour,
                         uint32_t k);
static void for_each_pair(const thread_share *share, const bert_trainer *trainer, window_work work)
{
    const bert_batch *batch = &trainer->batch;
    uint32_t reach = trainer->session.model->config.conv_size / 2;
    for (uint32_t s = 0, first = 0; s < batch->n_sequences; first += batch->lengths[s++]) {
        sequence_view sequence = batch_sequence(batch, s, first);
        for (uint32_t i = 0; i < sequence.n; i++) {
            if (first + i < share->rows.first || first + i >= share->rows.end)
                continue;
            for (uint32_t j = i > reach ? i - reach : 0; j < sequence.n && j <= i + reach; j++) {
                uint32_t k = reach + sequence_position(&sequence, j) -
                             sequence_position(&sequence, i); /* beyond, it wraps */
                if (k <= 2 * reach)
                    work(trainer, first + i, first + j, k);
            }
        }
    }
}

static void copy_state(const bert_trainer *trainer, uint32_t token, uint32_t neighbour, uint32_t k)
{
    size_t hidden = trainer->session.model->config.hidden_size;
    memcpy(window_at(trainer, token, k), trainer_states(trainer, 0) + neighbour * hidden,
           hidden * sizeof(float));
}

static void fill_windows(const thread_share *share, void *argument)
{
    const bert_trainer *trainer = argument;
    size_t n = trainer->session.model->conv.n_in;
    memset(window_at(trainer, share->rows.first, 0), 0,
           rows_count(share->rows) * n * sizeof(float));
    for_each_pair(share, trainer, copy_state);
}

/* Where a token is number k of its neighbour's window, that neighbour is number 2 reach - k of its
 * own. */
static void add_window(const bert_trainer *trainer, uint32_t token, uint32_t neighbour, uint32_t k)
{
    const bert_config *config = &trainer->session.model->config;
    const float *dwindow = window_at(trainer, neighbour, config->conv_size - 1 - k);
    float *dstate = trainer->dstates + (size_t)token * config->hidden_size;
    for (uint32_t i = 0; i < config->hidden_size; i++)
        dstate[i] += dwindow[i];
}

static void gather_windows(const thread_share *share, void *argument)
{
    for_each_pair(share, argument, add_window);
}

/* ----------------------------------------------------------------------------- there and back -- */

void conv_forward(bert_trainer *trainer)
{
    const bert_model *model = trainer->session.model;
    const bert_config *config = &model->config;
    uint32_t n = trainer->n_tokens, hidden = config->hidden_size;
    float *states = trainer_states(trainer, 1);
    trainer_each_row(trainer, n, fill_windows, trainer);
    dense_forward(trainer, trainer->conv_windows, n, &model->conv, 0, trainer->conv_output);
    activation_forward(trainer, trainer->conv_output, (size_t)n * hidden, config->conv_activation,
                       trainer->conv_sum);
    conv_mask(trainer, trainer->conv_sum);
    dense_add(trainer, states, n, hidden, trainer->conv_sum);
    norm_forward(trainer, trainer->conv_sum, n, hidden, &model->conv_norm, states);
}

void conv_backward(bert_trainer *trainer, int goes_on)
{
    const bert_model *model = trainer->session.model;
    const bert_config *config = &model->config;
    uint32_t n = trainer->n_tokens;
    size_t count = (size_t)n * config->hidden_size;
    float *doutput = trainer->dcontext;
    norm_backward(trainer, trainer->conv_sum, trainer->dstates, n, config->hidden_size,
                  &model->conv_norm, doutput);
    memcpy(trainer->dstates, doutput, count * sizeof *doutput);
    conv_mask(trainer, doutput);
    activation_backward(trainer, trainer->conv_output, count, config->conv_activation, doutput);
    dense_weights_backward(trainer, trainer->conv_windows, doutput, n, &model->conv);
    if (goes_on)
        dense_inputs_backward(trainer, doutput, n, &model->conv, 0, trainer->conv_windows);
}

void conv_embeddings_backward(bert_trainer *trainer)
{
    trainer_each_row(trainer, trainer->n_tokens, gather_windows, trainer);
    conv_mask(trainer, trainer->dstates);
}

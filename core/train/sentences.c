/*
 * sentences.c - embeddings of sentences there and back (Reimers & Gurevych 2019, Sentence-BERT,
 * section 3; dense layer and length 1 as in its code): poolings of a sequence's last states side by
 * side, and where a model has them a dense layer and
 *
 *     u = y / |y|        d y = (d u - u (u . d u)) / |y|
 *
 * What a pooling is, the core says (pool_sentences()). Back, a mean gives each of its tokens the
 * share that it has in it, the largest number of a column is that of one token, the first.
 */
#include <math.h>
#include <string.h>

#include "trainer.h"

/* ------------------------------------------------------------------------------------- there -- */

void sentences_forward(bert_trainer *trainer, float *embeddings)
{
    const bert_model *model = trainer->session.model;
    const bert_config *config = &model->config;
    const dense_trace *trace = &trainer->sentence;
    uint32_t n = trainer->batch.n_sequences;
    uint32_t n_columns = bert_output_columns(config, BERT_OUTPUT_SENTENCE_EMBEDDING);
    size_t count = (size_t)n * n_columns;
    const float *y = trace->x;
    pool_sentences(config, &trainer->batch, trainer_states(trainer, config->n_layers), trace->x);
    if (config->embedding_dim) {
        dense_forward(trainer, trace->x, n, &model->sentence, 0, trace->sum);
        activation_forward(trainer, trace->sum, count, config->sentence_activation, trace->y);
        y = trace->y;
    }
    memcpy(embeddings, y, count * sizeof *y);
    if (config->normalize)
        ops_normalize(embeddings, n, n_columns);
}

/* -------------------------------------------------------------------------------------- back -- */

/* d u becomes d y of each row. As in ops_normalize(), a length below 1e-12 is one that does not
 * change. */
static void normalize_backward(const float *y, uint32_t n_rows, uint32_t n_columns, float *du)
{
    for (uint32_t r = 0; r < n_rows; r++, y += n_columns, du += n_columns) {
        double squares = 0, along = 0;
        for (uint32_t i = 0; i < n_columns; i++) {
            squares += (double)y[i] * (double)y[i];
            along += (double)y[i] * (double)du[i];
        }
        int is_short = !(squares > 1e-24);
        double length = is_short ? 1e-12 : sqrt(squares);
        double share = is_short ? 0 : along / squares;
        for (uint32_t i = 0; i < n_columns; i++)
            du[i] = (float)(((double)du[i] - share * (double)y[i]) / length);
    }
}

static void add_row(float factor, const float *x, uint32_t n, float *y)
{
    for (uint32_t i = 0; i < n; i++)
        y[i] += factor * x[i];
}

/* How often a token counts in a mean. */
static float weight_of(bert_pooling pooling, const sequence_view *sequence, uint32_t token)
{
    if (!sequence_attends(sequence, token))
        return 0;
    return pooling == BERT_POOLING_WEIGHTED_MEAN ? (float)sequence_position(sequence, token) + 1
                                                 : 1;
}

static void mean_backward(bert_pooling pooling, const float *dpooled, const sequence_view *sequence,
                          uint32_t from, uint32_t n_columns, float *dstates)
{
    double total = 0;
    for (uint32_t t = from; t < sequence->n; t++)
        total += (double)weight_of(pooling, sequence, t);
    if (pooling == BERT_POOLING_MEAN_SQRT_LEN)
        total = sqrt(total);
    for (uint32_t t = from; t < sequence->n; t++)
        if (sequence_attends(sequence, t))
            add_row((float)((double)weight_of(pooling, sequence, t) / total), dpooled, n_columns,
                    dstates + (size_t)t * n_columns);
}

static void max_backward(const float *states, const float *dpooled, const sequence_view *sequence,
                         uint32_t from, uint32_t n_columns, float *dstates)
{
    while (!sequence_attends(sequence, from))
        from++;
    for (size_t i = 0; i < n_columns; i++) {
        size_t largest = from;
        for (uint32_t t = from; t < sequence->n; t++)
            if (sequence_attends(sequence, t) &&
                states[t * (size_t)n_columns + i] > states[largest * n_columns + i])
                largest = t;
        dstates[largest * n_columns + i] += dpooled[i];
    }
}

/* One pooling of a sequence, whose states are [n, H], from the token `from` on. */
static void tokens_backward(bert_pooling pooling, const float *states, const float *dpooled,
                            const sequence_view *sequence, uint32_t from, uint32_t n_columns,
                            float *dstates)
{
    if (pooling == BERT_POOLING_CLS || pooling == BERT_POOLING_LAST) {
        uint32_t token = pooling == BERT_POOLING_LAST ? sequence->n - 1 : from;
        while (pooling == BERT_POOLING_LAST && !sequence_attends(sequence, token))
            token--;
        add_row(1, dpooled, n_columns, dstates + (size_t)token * n_columns);
    } else if (pooling == BERT_POOLING_MAX) {
        max_backward(states, dpooled, sequence, from, n_columns, dstates);
    } else {
        mean_backward(pooling, dpooled, sequence, from, n_columns, dstates);
    }
}

static void pooling_backward(bert_trainer *trainer, const float *dpooled)
{
    const bert_config *config = &trainer->session.model->config;
    const bert_batch *batch = &trainer->batch;
    const float *states = trainer_states(trainer, config->n_layers);
    uint32_t n_columns = config->hidden_size, n_poolings = config_n_poolings(config);
    for (uint32_t s = 0, first = 0; s < batch->n_sequences; first += batch->lengths[s++]) {
        sequence_view sequence = batch_sequence(batch, s, first);
        uint32_t from = batch->pool_from ? batch->pool_from[s] : 0;
        size_t at = (size_t)first * n_columns;
        for (uint32_t i = 0; i < n_poolings; i++, dpooled += n_columns)
            tokens_backward(config_pooling(config, i), states + at, dpooled, &sequence, from,
                            n_columns, trainer->dstates + at);
    }
}

void sentences_backward(bert_trainer *trainer, const float *dembeddings)
{
    const bert_model *model = trainer->session.model;
    const bert_config *config = &model->config;
    const dense_trace *trace = &trainer->sentence;
    uint32_t n = trainer->batch.n_sequences;
    uint32_t n_columns = bert_output_columns(config, BERT_OUTPUT_SENTENCE_EMBEDDING);
    size_t count = (size_t)n * n_columns;
    float *dpooled = trace->dsum;
    memcpy(trace->dsum, dembeddings, count * sizeof *dembeddings);
    if (config->normalize)
        normalize_backward(config->embedding_dim ? trace->y : trace->x, n, n_columns, trace->dsum);
    if (config->embedding_dim) {
        activation_backward(trainer, trace->sum, count, config->sentence_activation, trace->dsum);
        dense_weights_backward(trainer, trace->x, trace->dsum, n, &model->sentence);
        /* d x lies where x did: that is not read again. */
        dense_inputs_backward(trainer, trace->dsum, n, &model->sentence, 0, trace->x);
        dpooled = trace->x;
    }
    pooling_backward(trainer, dpooled);
}

/*
 * lm_head.c - the masked language model there and back (Devlin et al. 2018, BERT, section 3.1): for
 * the tokens whose words are predicted,
 *
 *     normed = norm(activation(state W + b))        logits = normed D' + c
 *
 * D is mostly the word embedding [vocab_size, E] itself (Press & Wolf 2016, "Using the Output
 * Embedding", section 3). Then, beside what the looked up rows get (embeddings.c),
 *
 *     d normed = dlogits D        d D += dlogits' normed        d c += the sum of dlogits' rows
 *
 * and every row of it has a gradient. As in dense.c, D is taken GRADIENT_COLUMNS words at a time
 * and dlogits GRADIENT_ROWS rows at a time; words are dealt out, each thread turning its tile of
 * dlogits. Rejected: dlogits' as a whole, which is as large as all logits.
 */
#include <string.h>

#include "simd.h"
#include "trainer.h"

static uint32_t n_predicted(const bert_trainer *trainer)
{
    return (uint32_t)batch_lm_tokens(&trainer->batch, trainer->n_tokens);
}

/* The last states of those tokens, [R, H]; some are copied to trainer->dkey, which is free. */
static const float *gather(const bert_trainer *trainer)
{
    const bert_config *config = &trainer->session.model->config;
    const float *states = trainer_states(trainer, config->n_layers);
    const uint32_t *tokens = trainer->batch.lm_tokens;
    size_t hidden = config->hidden_size;
    if (!tokens)
        return states;
    for (uint32_t row = 0; row < trainer->batch.n_lm_tokens; row++)
        memcpy(trainer->dkey + row * hidden, states + tokens[row] * hidden,
               hidden * sizeof *states);
    return trainer->dkey;
}

void lm_head_forward(bert_trainer *trainer, float *logits)
{
    const bert_model *model = trainer->session.model;
    const bert_config *config = &model->config;
    const lm_trace *trace = &trainer->lm;
    uint32_t n = n_predicted(trainer), columns = config->embedding_size;
    if (n == 0)
        return;
    dense_forward(trainer, gather(trainer), n, &model->lm_transform, 0, trace->sum);
    activation_forward(trainer, trace->sum, (size_t)n * columns, config->lm_activation, trace->y);
    norm_forward(trainer, trace->y, n, columns, &model->lm_norm, trace->normed);
    lm_decode(&trainer->session, trace->normed, n, logits);
}

/* -------------------------------------------------------------------------- the tied decoder -- */

/* Some rows of a matrix [n_rows, n_columns] as one n_rows -> n_columns. */
typedef struct pack_phase {
    const float *x;
    uint32_t n_rows, n_columns;
    float *panels; /* [ceil(n_columns / BERT_PANEL), n_rows, BERT_PANEL] */
} pack_phase;

static void pack_panels(void *argument, panel_range columns, uint32_t thread)
{
    const pack_phase *phase = argument;
    (void)thread;
    dense_pack_rows(phase->x, phase->n_columns, phase->n_rows, columns, phase->n_columns,
                    phase->panels);
}

static matrix pack(bert_trainer *trainer, const float *x, uint32_t n_rows, uint32_t n_columns,
                   float *panels)
{
    pack_phase phase = {x, n_rows, n_columns, panels};
    share_panels(&trainer->session, n_columns, pack_panels, &phase);
    return (matrix){.n_in = n_rows, .n_out = n_columns, .panels = panels};
}

/* d normed: [n_rows, E]. */
static void words_inputs_backward(bert_trainer *trainer, const float *dlogits, uint32_t n_rows,
                                  float *dnormed)
{
    const row_table *word = &trainer->session.model->word;
    for (uint32_t first = 0; first < word->n_rows; first += GRADIENT_COLUMNS) {
        uint32_t left = word->n_rows - first;
        matrix words = pack(trainer, (const float *)word->rows + (size_t)first * word->n_columns,
                            left < GRADIENT_COLUMNS ? left : GRADIENT_COLUMNS, word->n_columns,
                            trainer->weight_columns);
        dense_multiply(trainer, dlogits + first, word->n_rows, n_rows, &words, first > 0, dnormed);
    }
}

typedef struct words_phase {
    const bert_trainer *trainer;
    matrix normed;        /* rows of this lot -> E */
    const float *dlogits; /* of this lot */
    float *dword, *dbias; /* NULL: not trained */
    int bias_adds;
} words_phase;

/* Gradients of some words' rows and biases. A table's are zeros where there is none yet. */
static void add_words(void *argument, panel_range columns, uint32_t thread)
{
    const words_phase *phase = argument;
    const bert_config *config = &phase->trainer->session.model->config;
    uint32_t n = phase->normed.n_in, n_words = config->vocab_size, n_columns = phase->normed.n_out;
    float *across = phase->trainer->output_rows + (size_t)thread * OUTPUT_TILE;
    for (uint32_t panel = columns.first; panel < columns.end; panel += TILE_PANELS) {
        uint32_t first = panel * BERT_PANEL, end = (panel + TILE_PANELS) * BERT_PANEL;
        end = end < columns.end * BERT_PANEL ? end : columns.end * BERT_PANEL;
        end = end < n_words ? end : n_words;
        for (uint32_t word = first; word < end && phase->dbias && !phase->bias_adds; word++)
            phase->dbias[word] = 0;
        for (uint32_t row = 0; row < n && phase->dbias; row++)
            for (uint32_t word = first; word < end; word++)
                phase->dbias[word] += phase->dlogits[(size_t)row * n_words + word];
        if (!phase->dword)
            continue;
        float *dword = phase->dword + (size_t)first * n_columns;
        product out = {.residual = dword, .c = dword, .c_stride = n_columns};
        dense_transpose(phase->dlogits + first, n_words, n, end - first, across, n);
        gemm_f32(across, n, end - first, &phase->normed, panels_all(n_columns), &out, NULL);
    }
}

static void words_weights_backward(bert_trainer *trainer, const float *dlogits, uint32_t n_rows)
{
    const bert_model *model = trainer->session.model;
    const row_table *word = &model->word;
    int adds;
    words_phase phase = {.trainer = trainer};
    phase.dword = parameters_gradient(trainer, word->rows, &adds);
    phase.dbias = parameters_gradient(trainer, model->lm_decoder.bias, &phase.bias_adds);
    for (uint32_t row = 0; row < n_rows; row += GRADIENT_ROWS) {
        uint32_t left = n_rows - row;
        phase.normed = pack(trainer, trainer->lm.normed + (size_t)row * word->n_columns,
                            left < GRADIENT_ROWS ? left : GRADIENT_ROWS, word->n_columns,
                            trainer->inputs_across);
        phase.dlogits = dlogits + (size_t)row * word->n_rows;
        share_panels(&trainer->session, word->n_rows, add_words, &phase);
        phase.bias_adds = 1;
    }
    if (phase.dword)
        memset(parameters_rows(trainer, word->rows), ROW_MOVING, word->n_rows);
    parameters_mark(trainer, word->rows);
    parameters_mark(trainer, model->lm_decoder.bias);
}

/* -------------------------------------------------------------------------------------- back -- */

static void add_to_states(bert_trainer *trainer, const float *rows)
{
    size_t hidden = trainer->session.model->config.hidden_size;
    for (uint32_t row = 0; row < trainer->batch.n_lm_tokens; row++, rows += hidden) {
        float *states = trainer->dstates + trainer->batch.lm_tokens[row] * hidden;
        for (size_t i = 0; i < hidden; i++)
            states[i] += rows[i];
    }
}

void lm_head_backward(bert_trainer *trainer, const float *dlogits)
{
    const bert_model *model = trainer->session.model;
    const bert_config *config = &model->config;
    const lm_trace *trace = &trainer->lm;
    uint32_t n = n_predicted(trainer), columns = config->embedding_size;
    float *dnormed = trainer->dsum, *dtransformed = trainer->dcontext;
    int is_some = trainer->batch.lm_tokens != NULL;
    if (n == 0)
        return;
    if (config->lm_tied) {
        words_inputs_backward(trainer, dlogits, n, dnormed);
        words_weights_backward(trainer, dlogits, n);
    } else {
        dense_inputs_backward(trainer, dlogits, n, &model->lm_decoder, 0, dnormed);
        dense_weights_backward(trainer, trace->normed, dlogits, n, &model->lm_decoder);
    }
    norm_backward(trainer, trace->y, dnormed, n, columns, &model->lm_norm, dtransformed);
    activation_backward(trainer, trace->sum, (size_t)n * columns, config->lm_activation,
                        dtransformed);
    dense_weights_backward(trainer, gather(trainer), dtransformed, n, &model->lm_transform);
    dense_inputs_backward(trainer, dtransformed, n, &model->lm_transform, !is_some,
                          is_some ? trainer->dquery : trainer->dstates);
    if (is_some)
        add_to_states(trainer, trainer->dquery);
}

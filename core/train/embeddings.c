/*
 * embeddings.c - the first states there and back: the sum of a token's embeddings (Devlin et al.
 * 2018, BERT, section 3, figure 2), its norm, and where there is one the projection (Lan et al.
 * 2019, ALBERT, section 3.1).
 *
 *     d table[row] = the sum of d sum over the tokens that looked the row up
 *
 * Rows that no token looked up are not touched, and are known (ROW_MOVING): of a vocabulary that is
 * nearly all of them. Columns are dealt out, so that a row's sum is in the order of its tokens.
 */
#include "simd.h"
#include "trainer.h"

/* ------------------------------------------------------------------------------------- there -- */

static void sum_rows(const thread_share *share, void *argument)
{
    const bert_trainer *trainer = argument;
    embeddings_sum(trainer->session.model, &trainer->batch, share->rows, trainer->embeddings_sum);
}

void embeddings_forward(bert_trainer *trainer)
{
    const bert_model *model = trainer->session.model;
    const bert_config *config = &model->config;
    uint32_t n = trainer->n_tokens;
    float *states = trainer_states(trainer, 0);
    float *normed = config->projects_embeddings ? trainer->embeddings : states;
    trainer_each_row(trainer, n, sum_rows, trainer);
    norm_forward(trainer, trainer->embeddings_sum, n, config->embedding_size,
                 &model->embeddings_norm, normed);
    dropout_apply(trainer, DROPOUT_EMBEDDINGS, 0, normed, n, config->embedding_size, normed);
    if (config->projects_embeddings)
        dense_forward(trainer, normed, n, &model->projection, 0, states);
    if (config->conv_size)
        conv_mask(trainer, states);
}

/* -------------------------------------------------------------------------------------- back -- */

enum { WORD, POSITION, TOKEN_TYPE, N_TABLES };

/* The tables that are looked up in. */
typedef struct table_phase {
    bert_trainer *trainer;
    const float *dsum; /* [T, E] */
    const row_table *tables[N_TABLES];
    float *gradients[N_TABLES]; /* NULL: it is not there, or not trained */
} table_phase;

typedef void token_work(const table_phase *phase, uint32_t token, const uint32_t rows[N_TABLES],
                        panel_range columns);

/* Calls `work` with the rows of each token, in order. */
static void for_each_token(const table_phase *phase, panel_range columns, token_work work)
{
    const bert_batch *batch = &phase->trainer->batch;
    const bert_config *config = &phase->trainer->session.model->config;
    for (uint32_t s = 0, first = 0; s < batch->n_sequences; first += batch->lengths[s++]) {
        sequence_view sequence = batch_sequence(batch, s, first);
        uint32_t n_padding = 0;
        for (uint32_t i = 0; i < sequence.n; i++) {
            uint32_t token = first + i, id = batch->ids[token];
            uint32_t position = sequence_position(&sequence, i);
            uint32_t rows[] = {id, bert_config_position_row(config, id, position, n_padding),
                               batch->token_types ? batch->token_types[token] : 0};
            n_padding += id == bert_config_padding_id(config);
            work(phase, token, rows, columns);
        }
    }
}

static void mark_rows(const table_phase *phase, uint32_t token, const uint32_t rows[N_TABLES],
                      panel_range columns)
{
    (void)token, (void)columns;
    for (int i = 0; i < N_TABLES; i++)
        if (phase->gradients[i])
            parameters_rows(phase->trainer, phase->tables[i]->rows)[rows[i]] = ROW_MOVING;
}

static void add_token(const table_phase *phase, uint32_t token, const uint32_t rows[N_TABLES],
                      panel_range columns)
{
    uint32_t n = phase->trainer->session.model->config.embedding_size;
    const float *dsum = phase->dsum + (size_t)token * n;
    uint32_t end = columns.end * BERT_PANEL < n ? columns.end * BERT_PANEL : n;
    for (int i = 0; i < N_TABLES; i++) {
        float *row = phase->gradients[i];
        if (!row)
            continue;
        row += (size_t)rows[i] * n;
        for (uint32_t j = columns.first * BERT_PANEL; j < end; j += 4) {
            v128_t x = simd_load_first(row + j, end - j, 0);
            x = wasm_f32x4_add(x, simd_load_first(dsum + j, end - j, 0));
            simd_store_first(row + j, x, end - j);
        }
    }
}

static void add_columns(void *argument, panel_range columns, uint32_t thread)
{
    (void)thread;
    for_each_token(argument, columns, add_token);
}

static void tables_backward(bert_trainer *trainer, const float *dsum)
{
    const bert_model *model = trainer->session.model;
    const bert_config *config = &model->config;
    table_phase phase = {trainer, dsum, {&model->word, &model->position, &model->token_type}, {0}};
    for (int i = 0; i < N_TABLES; i++) {
        int adds;
        if (!phase.tables[i]->rows)
            continue;
        phase.gradients[i] = parameters_gradient(trainer, phase.tables[i]->rows, &adds);
        parameters_mark(trainer, phase.tables[i]->rows);
    }
    for_each_token(&phase, (panel_range){0, 0}, mark_rows);
    share_panels(&trainer->session, config->embedding_size, add_columns, &phase);
}

void embeddings_backward(bert_trainer *trainer)
{
    const bert_model *model = trainer->session.model;
    const bert_config *config = &model->config;
    uint32_t n = trainer->n_tokens;
    float *dnormed = trainer->dstates;
    if (config->conv_size)
        conv_embeddings_backward(trainer);
    if (config->projects_embeddings) {
        dense_weights_backward(trainer, trainer->embeddings, dnormed, n, &model->projection);
        dense_inputs_backward(trainer, dnormed, n, &model->projection, 0, trainer->dcontext);
        dnormed = trainer->dcontext;
    }
    dropout_apply(trainer, DROPOUT_EMBEDDINGS, 0, dnormed, n, config->embedding_size, dnormed);
    norm_backward(trainer, trainer->embeddings_sum, dnormed, n, config->embedding_size,
                  &model->embeddings_norm, trainer->dsum);
    tables_backward(trainer, trainer->dsum);
}

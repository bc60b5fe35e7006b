/*
 * relative.c - tables of distances there and back. Every layer's are a projection of one table R,
 * which may have a norm (He et al. 2020, DeBERTa, section 3.1; He et al. 2021, DeBERTaV3):
 *
 *     N = norm(R)         relative_key = N Wk + bk         relative_query = N Wq + bq
 *
 *     d N = the sum over layers of d relative_key Wk' + d relative_query Wq'
 *
 * with the matrices of keys and queries themselves, or others. A model without R has the tables
 * alone: then they are what is learned.
 *
 * The model's tables are made anew after every step, so that who encodes with it reads them as
 * ever. On the way back only rows of distances that are in the batch take part; in order, by whole
 * rows and columns: see dense.c and norm.c.
 */
#include <string.h>

#include "trainer.h"

static int has_source(const bert_trainer *trainer)
{
    return trainer->session.model->config.relative_source != BERT_RELATIVE_SOURCE_NONE;
}

/* N. */
static const float *source_rows(const bert_trainer *trainer)
{
    const bert_model *model = trainer->session.model;
    return model->config.relative_norm ? trainer->relative : model->relative_embeddings.rows;
}

static const matrix *key_matrix(const bert_config *config, const layer_weights *layer)
{
    return config_has_relative_projections(config) ? &layer->relative_key_projection : &layer->key;
}

static const matrix *query_matrix(const bert_config *config, const layer_weights *layer)
{
    return config_has_relative_projections(config) ? &layer->relative_query_projection
                                                   : &layer->query;
}

/* ------------------------------------------------------------------------------------- there -- */

void relative_forward(bert_trainer *trainer)
{
    const bert_model *model = trainer->session.model;
    const bert_config *config = &model->config;
    uint32_t n = config->n_relative_rows;
    if (!has_source(trainer))
        return;
    trainer->session.n_threads = pool_threads(&trainer->session.pool);
    if (config->relative_norm)
        norm_forward(trainer, model->relative_embeddings.rows, n, config->hidden_size,
                     &model->relative_norm, trainer->relative);
    for (uint32_t i = 0; i < bert_config_n_stored_layers(config); i++) {
        const layer_weights *layer = &model->layers[i];
        if (config_has_c2p(config))
            dense_forward(trainer, source_rows(trainer), n, key_matrix(config, layer), 0,
                          (float *)layer->relative_key.rows);
        if (config_has_p2c(config))
            dense_forward(trainer, source_rows(trainer), n, query_matrix(config, layer), 0,
                          (float *)layer->relative_query.rows);
    }
    pool_rest(&trainer->session.pool);
}

/* -------------------------------------------------------------------------------------- back -- */

/* The rows of all distances between two tokens of a sequence, and those between. */
static row_range rows_of_batch(const bert_trainer *trainer)
{
    const bert_model *model = trainer->session.model;
    const bert_batch *batch = &trainer->batch;
    uint32_t middle = model->config.n_distances - 1, most = 0;
    for (uint32_t s = 0, first = 0; s < batch->n_sequences; first += batch->lengths[s++]) {
        sequence_view sequence = batch_sequence(batch, s, first);
        uint32_t distance = sequence_position(&sequence, sequence.n - 1) -
                            sequence_position(&sequence, 0); /* positions are in order */
        most = distance > most ? distance : most;
    }
    row_range rows = {model->relative_rows[middle], model->relative_rows[middle] + 1};
    for (uint32_t i = middle - most; i <= middle + most; i++) {
        uint32_t row = model->relative_rows[i];
        rows.first = row < rows.first ? row : rows.first;
        rows.end = row >= rows.end ? row + 1 : rows.end;
    }
    return rows;
}

static void clear_rows(const bert_trainer *trainer, float *rows)
{
    size_t hidden = trainer->session.model->config.hidden_size;
    row_range range = trainer->batch_rows;
    memset(rows + range.first * hidden, 0, rows_count(range) * hidden * sizeof *rows);
}

static void mark_table(const bert_trainer *trainer, const row_table *table)
{
    row_range rows = trainer->batch_rows;
    int adds;
    if (parameters_gradient(trainer, table->rows, &adds))
        memset(parameters_rows(trainer, table->rows) + rows.first, ROW_MOVING, rows_count(rows));
    parameters_mark(trainer, table->rows);
}

void relative_begin_back(bert_trainer *trainer)
{
    const bert_config *config = &trainer->session.model->config;
    if (!config->n_relative_rows)
        return;
    trainer->batch_rows = rows_of_batch(trainer);
    if (has_source(trainer))
        clear_rows(trainer, trainer->drelative);
}

void relative_begin_layer(bert_trainer *trainer, const layer_weights *layer)
{
    const bert_config *config = &trainer->session.model->config;
    int adds; /* to zeros, if there was nothing: it is a table */
    if (has_source(trainer)) {
        clear_rows(trainer, trainer->drelative_key);
        clear_rows(trainer, trainer->drelative_query);
        return;
    }
    if (config_has_c2p(config))
        trainer->drelative_key = parameters_gradient(trainer, layer->relative_key.rows, &adds);
    if (config_has_p2c(config))
        trainer->drelative_query = parameters_gradient(trainer, layer->relative_query.rows, &adds);
}

/* From d of a table of a layer's, the rows of the batch. */
static void project_back(bert_trainer *trainer, const float *dtable, const matrix *w)
{
    row_range rows = trainer->batch_rows;
    size_t at = rows.first * (size_t)w->n_in;
    dense_weights_backward(trainer, source_rows(trainer) + at, dtable + at, rows_count(rows), w);
    dense_inputs_backward(trainer, dtable + at, rows_count(rows), w, 1, trainer->drelative + at);
}

void relative_end_layer(bert_trainer *trainer, const layer_weights *layer)
{
    const bert_config *config = &trainer->session.model->config;
    if (config_has_c2p(config) && has_source(trainer))
        project_back(trainer, trainer->drelative_key, key_matrix(config, layer));
    else if (config_has_c2p(config))
        mark_table(trainer, &layer->relative_key);
    if (config_has_p2c(config) && has_source(trainer))
        project_back(trainer, trainer->drelative_query, query_matrix(config, layer));
    else if (config_has_p2c(config))
        mark_table(trainer, &layer->relative_query);
}

void relative_end_back(bert_trainer *trainer)
{
    const bert_model *model = trainer->session.model;
    const row_table *table = &model->relative_embeddings;
    uint32_t hidden = model->config.hidden_size, n = rows_count(trainer->batch_rows);
    size_t at = trainer->batch_rows.first * (size_t)hidden;
    const float *drows = trainer->drelative;
    int adds;
    if (!has_source(trainer))
        return;
    if (model->config.relative_norm) {
        norm_backward(trainer, (const float *)table->rows + at, drows + at, n, hidden,
                      &model->relative_norm, trainer->drelative_key + at);
        drows = trainer->drelative_key;
    }
    float *gradient = parameters_gradient(trainer, table->rows, &adds);
    if (gradient)
        dense_add(trainer, drows + at, n, hidden, gradient + at);
    mark_table(trainer, table);
}

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
 * ever. Adapters of keys and queries act on the tables that these make, too; as they are no part of
 * the model, they add to a copy, layer by layer. On the way back only rows of distances that are in
 * the batch take part; in order, by whole rows and columns: see dense.c and norm.c.
 */
#include <string.h>

#include "trainer.h"

int relative_has_projections(const bert_config *config)
{
    return config->relative_source == BERT_RELATIVE_SOURCE_OWN ||
           config->relative_source == BERT_RELATIVE_SOURCE_OWN_UNBIASED;
}

int relative_has_key_bias(const bert_config *config)
{
    return config->relative_source != BERT_RELATIVE_SOURCE_OWN_UNBIASED;
}

static int has_source(const bert_trainer *trainer)
{
    return trainer->session.model->config.relative_source != BERT_RELATIVE_SOURCE_NONE;
}

/* N. */
static const float *source_rows(const bert_trainer *trainer)
{
    const bert_config *config = &trainer->session.model->config;
    return config->relative_norm ? trainer->relative : trainer->relative_embeddings;
}

static const matrix *key_matrix(const bert_trainer *trainer, uint32_t stored)
{
    return trainer->projections ? &trainer->projections[stored].key
                                : &trainer->session.model->layers[stored].key;
}

static const matrix *query_matrix(const bert_trainer *trainer, uint32_t stored)
{
    return trainer->projections ? &trainer->projections[stored].query
                                : &trainer->session.model->layers[stored].query;
}

/* The adapter beside either matrix: `which` is ADAPTER_QUERY or ADAPTER_KEY, 0 or 1. */
static const adapter *adapter_beside(const bert_trainer *trainer, uint32_t index, uint32_t which)
{
    static const adapter none;
    int is_shared = trainer->session.model->config.relative_source == BERT_RELATIVE_SOURCE_SHARED;
    return is_shared ? &lora_of_layer(trainer, index)[which] : &none;
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
        norm_forward(trainer, trainer->relative_embeddings, n, config->hidden_size,
                     &trainer->relative_norm, trainer->relative);
    for (uint32_t i = 0; i < bert_config_n_stored_layers(config); i++) {
        const layer_weights *layer = &model->layers[i];
        if (config_has_c2p(config))
            dense_forward(trainer, source_rows(trainer), n, key_matrix(trainer, i), 0,
                          (float *)layer->relative_key.rows);
        if (config_has_p2c(config))
            dense_forward(trainer, source_rows(trainer), n, query_matrix(trainer, i), 0,
                          (float *)layer->relative_query.rows);
    }
    pool_rest(&trainer->session.pool);
}

/* Makes it a copy with what the adapter adds. */
static void adapt(bert_trainer *trainer, uint32_t index, uint32_t which, row_table *table)
{
    const adapter *beside = adapter_beside(trainer, index, which);
    size_t count = (size_t)table->n_rows * table->n_columns;
    if (!beside->a.panels)
        return;
    float *copy = trainer->adapted_tables + which * count;
    memcpy(copy, table->rows, count * sizeof *copy);
    lora_forward(trainer, source_rows(trainer), table->n_rows, beside, copy);
    table->rows = copy;
}

layer_weights relative_adapted(bert_trainer *trainer, uint32_t index)
{
    const bert_config *config = &trainer->session.model->config;
    layer_weights layer = *trainer_layer(trainer, index);
    if (config_has_c2p(config))
        adapt(trainer, index, ADAPTER_KEY, &layer.relative_key);
    if (config_has_p2c(config))
        adapt(trainer, index, ADAPTER_QUERY, &layer.relative_query);
    return layer;
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

static void mark_table(const bert_trainer *trainer, const void *table)
{
    row_range rows = trainer->batch_rows;
    int adds;
    if (parameters_gradient(trainer, table, &adds))
        memset(parameters_rows(trainer, table) + rows.first, ROW_MOVING, rows_count(rows));
    parameters_mark(trainer, table);
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

/* Where tables are made: whether something is trained that they are made of, or may be. */
static int learns(const bert_trainer *trainer, uint32_t index)
{
    uint32_t stored = bert_config_stored_layer(&trainer->session.model->config, index);
    return parameters_trains(trainer, 0) || parameters_trains(trainer, 1 + 2 * stored);
}

/* What d of a table is added to; NULL: it is not trained. */
static float *begin_table(bert_trainer *trainer, uint32_t index, uint32_t which,
                          const row_table *table)
{
    int adds; /* to zeros, if there was nothing: it is a table */
    if (!has_source(trainer))
        return parameters_gradient(trainer, table->rows, &adds);
    if (!learns(trainer, index))
        return NULL;
    float *room = trainer->dtables + which * ((size_t)table->n_rows * table->n_columns);
    clear_rows(trainer, room);
    return room;
}

void relative_begin_layer(bert_trainer *trainer, uint32_t index)
{
    const bert_config *config = &trainer->session.model->config;
    const layer_weights *layer = trainer_layer(trainer, index);
    if (config_has_c2p(config))
        trainer->drelative_key = begin_table(trainer, index, ADAPTER_KEY, &layer->relative_key);
    if (config_has_p2c(config))
        trainer->drelative_query =
            begin_table(trainer, index, ADAPTER_QUERY, &layer->relative_query);
}

/* From d of a table, the rows of the batch, to what it is made of. */
static void end_table(bert_trainer *trainer, const row_table *table, const float *dtable,
                      const matrix *w, const adapter *beside)
{
    uint32_t n = rows_count(trainer->batch_rows);
    size_t at = trainer->batch_rows.first * (size_t)table->n_columns;
    if (!dtable)
        return;
    if (!has_source(trainer)) {
        mark_table(trainer, table->rows);
        return;
    }
    const float *source = source_rows(trainer) + at;
    float *dsource = parameters_trains(trainer, 0) ? trainer->drelative + at : NULL;
    dense_weights_backward(trainer, source, dtable + at, n, w);
    lora_backward(trainer, source, dtable + at, n, beside, dsource);
    if (dsource)
        dense_inputs_backward(trainer, dtable + at, n, w, 1, dsource);
}

void relative_end_layer(bert_trainer *trainer, uint32_t index)
{
    const bert_config *config = &trainer->session.model->config;
    const layer_weights *layer = trainer_layer(trainer, index);
    uint32_t stored = bert_config_stored_layer(config, index);
    if (config_has_c2p(config))
        end_table(trainer, &layer->relative_key, trainer->drelative_key,
                  key_matrix(trainer, stored), adapter_beside(trainer, index, ADAPTER_KEY));
    if (config_has_p2c(config))
        end_table(trainer, &layer->relative_query, trainer->drelative_query,
                  query_matrix(trainer, stored), adapter_beside(trainer, index, ADAPTER_QUERY));
}

void relative_end_back(bert_trainer *trainer)
{
    const bert_model *model = trainer->session.model;
    const float *source = trainer->relative_embeddings;
    uint32_t hidden = model->config.hidden_size, n = rows_count(trainer->batch_rows);
    size_t at = trainer->batch_rows.first * (size_t)hidden;
    const float *drows = trainer->drelative;
    int adds;
    if (!has_source(trainer))
        return;
    if (model->config.relative_norm) {
        norm_backward(trainer, source + at, drows + at, n, hidden, &trainer->relative_norm,
                      trainer->dtables + at);
        drows = trainer->dtables;
    }
    float *gradient = parameters_gradient(trainer, source, &adds);
    if (gradient)
        dense_add(trainer, drows + at, n, hidden, gradient + at);
    mark_table(trainer, source);
}

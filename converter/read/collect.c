/* collect.c - what was found, checked and named: a config and weights (read.h). */
#include "read/read.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/graph_build.h"

/* Distances that are stored where nothing else limits the length of a sequence. */
#define MAX_DISTANCES 1024

/* ----------------------------------------------------------------------------------- weights -- */

static void add_vector(bert_weights *weights, const float *values, uint32_t n, const char *prefix,
                       const char *suffix)
{
    bert_weight *weight = weights_add(weights, WEIGHT_VECTOR, n, 1, prefix, suffix);
    weight->source.values = values;
    weight->keep_f32 = true;
}

static void add_norm(bert_weights *weights, const norm_match *norm, const char *name)
{
    add_vector(weights, norm->weight, norm->n, name, ".weight");
    add_vector(weights, norm->bias, norm->n, name, ".bias");
}

static bert_weight *add_dense(bert_weights *weights, const affine_match *dense, bool keep_f32,
                              const char *name)
{
    bert_weight *weight = weights_add(weights, WEIGHT_MATRIX, dense->n_in, dense->n_out, name, "");
    weight->source.array = dense->weight;
    weight->source.is_transposed = dense->is_transposed;
    weight->source.scale = dense->scale;
    weight->keep_f32 = keep_f32;
    add_vector(weights, dense->bias, dense->n_out, name, ".bias");
    return weight;
}

static void add_projection(bert_weights *weights, const projection_match *projection,
                           const char *name)
{
    const affine_match *dense = &projection->dense;
    bert_weight *weight = weights_add(weights, WEIGHT_MATRIX, dense->n_in, projection->n, name, "");
    weight->source.array = dense->weight;
    weight->source.is_transposed = dense->is_transposed;
    weight->source.columns = projection->columns;
    weight->source.scale = projection->scale;
    add_vector(weights, projection->bias, projection->n, name, ".bias");
}

static void add_table(bert_weights *weights, graph_array *table, uint32_t first_row,
                      uint32_t n_rows, bool keep_f32, const char *name)
{
    bert_weight *weight =
        weights_add(weights, WEIGHT_TABLE, n_rows, (uint32_t)table->dims[1], name, "");
    weight->source.array = table;
    weight->source.first_row = first_row;
    weight->keep_f32 = keep_f32;
}

/* ----------------------------------------------------------------------------- shared layers -- */

/* Elements that are compared at a time. */
#define PIECE 65536

/* Whether two arrays of as many floats hold the same. Neither is read as a whole, if it need not
 * be. */
static bool same_floats(graph_array *a, graph_array *b)
{
    fault_text ignored = {0};
    bool had_a = array_is_resident(a), had_b = array_is_resident(b);
    if (a == b || (a->stored && a->stored == b->stored))
        return true;
    float *x = malloc(2 * PIECE * sizeof *x);
    bool is_same = x && a->count == b->count;
    for (int64_t at = 0; is_same && at < a->count; at += PIECE) {
        int64_t n = a->count - at < PIECE ? a->count - at : PIECE;
        is_same = array_read(a, at, n, x, &ignored) && array_read(b, at, n, x + PIECE, &ignored) &&
                  memcmp(x, x + PIECE, (size_t)n * sizeof *x) == 0;
    }
    free(x);
    if (!had_a)
        array_drop(a);
    if (!had_b)
        array_drop(b);
    return is_same;
}

/* Whether two matrices hold the same numbers. */
static bool same_matrix(const affine_match *a, const affine_match *b)
{
    return a->n_in == b->n_in && a->n_out == b->n_out && a->is_transposed == b->is_transposed &&
           same_floats(a->weight, b->weight);
}

static bool same_norm(const norm_match *a, const norm_match *b)
{
    return a->n == b->n && memcmp(a->weight, b->weight, a->n * sizeof *a->weight) == 0 &&
           memcmp(a->bias, b->bias, a->n * sizeof *a->bias) == 0;
}

static bool same_layer(const layer_match *a, const layer_match *b)
{
    return same_norm(&a->attention_norm, &b->attention_norm) &&
           same_norm(&a->output_norm, &b->output_norm) &&
           same_matrix(&a->attention.query.dense, &b->attention.query.dense) &&
           same_matrix(&a->attention.key.dense, &b->attention.key.dense) &&
           same_matrix(&a->attention.value.dense, &b->attention.value.dense) &&
           same_matrix(&a->attention_output, &b->attention_output) &&
           same_matrix(&a->intermediate, &b->intermediate) && same_matrix(&a->output, &b->output);
}

/* Finds layers that are the same, and the groups that say which. */
static void find_groups(const encoder_match *encoder, bert_config *config)
{
    uint32_t n = encoder->n_layers, n_stored = 0, index[READ_MAX_LAYERS];
    for (uint32_t l = 0; l < n; l++) {
        uint32_t first = 0;
        while (first < l && !same_layer(&encoder->layers[first], &encoder->layers[l]))
            first++;
        index[l] = first < l ? index[first] : n_stored++;
    }
    for (uint32_t per_group = 1; n_stored < n && per_group <= n_stored; per_group++) {
        bert_config trial = *config;
        uint32_t l = 0;
        trial.n_layer_groups = n_stored / per_group;
        trial.layers_per_group = per_group;
        if (n_stored % per_group || n % per_group || n / per_group % trial.n_layer_groups)
            continue;
        while (l < n && index[l] == bert_config_stored_layer(&trial, l))
            l++;
        if (l == n) {
            *config = trial;
            return;
        }
    }
}

/* The first layer that has the weights `stored`. */
static const layer_match *stored_layer(const encoder_match *encoder, const bert_config *config,
                                       uint32_t stored)
{
    uint32_t l = stored;
    while (bert_config_stored_layer(config, l) != stored)
        l++;
    return &encoder->layers[l];
}

/* ------------------------------------------------------------------------ relative positions -- */

static bool is_relative(const attention_match *attention)
{
    return attention->bias || attention->c2p.embeddings || attention->p2c.embeddings;
}

/* Tables of all layers for sequences of `n` tokens. */
static bool read_tables(graph_reader *reader, const encoder_match *encoder, int64_t n,
                        relative_tables *tables)
{
    /* What only one layer needs is freed after it: arrays of [n, n] are large. */
    graph_evaluation *common = reader_evaluation(reader, n, true);
    bool ok = true;
    for (uint32_t i = 0; ok && i < encoder->n_layers; i++) {
        graph_evaluation *evaluation = evaluation_from(common, encoder->layers[i].input);
        size_t bytes = (size_t)(2 * n - 1) * sizeof(float);
        const attention_match *attention = &encoder->layers[i].attention;
        ok = read_relative(reader, evaluation, attention, n, &tables[i]);
        evaluation_free(evaluation);
        bool is_same = ok && tables[i].n_rows == tables[0].n_rows &&
                       (!tables[0].rows || memcmp(tables[i].rows, tables[0].rows, bytes) == 0) &&
                       (!tables[0].bias ||
                        memcmp(tables[i].bias, tables[0].bias, attention->n_heads * bytes) == 0);
        if (ok && !is_same)
            ok = mismatch(reader, attention->probabilities,
                          "the same relative positions in every layer");
    }
    evaluation_free(common);
    return ok;
}

/* The longest sequence for which the graph's relative positions hold: exporters may write lengths
 * into them. */
static bool find_tables(graph_reader *reader, const encoder_match *encoder, uint32_t most_tokens,
                        relative_tables *tables)
{
    int64_t n = reader->is_static                      ? reader->n_tokens
                : most_tokens == BERT_UNLIMITED_TOKENS ? MAX_DISTANCES
                                                       : most_tokens;
    graph_value *furthest = reader->mismatch;
    for (; n >= reader->n_tokens; n /= 2) {
        if (read_tables(reader, encoder, n, tables)) {
            reader->mismatch = furthest;
            return true;
        }
    }
    return false;
}

/* ------------------------------------------------------------------------------------ config -- */

static bool is_eps(const norm_match *norm, float eps)
{
    return norm->eps == eps;
}

static bool check_layer(graph_reader *reader, const encoder_match *encoder,
                        const layer_match *layer, float eps)
{
    const layer_match *first = &encoder->layers[0];
    const attention_match *attention = &layer->attention, *other = &first->attention;
    uint32_t hidden = first->attention_output.n_out, wide = first->intermediate.n_out;
    graph_value *at = layer->result;
    const affine_match *square[] = {&attention->query.dense, &attention->key.dense,
                                    &attention->value.dense};
    for (int i = 0; i < 3; i++)
        if (square[i]->n_in != hidden)
            return mismatch(reader, at, "attention weights of [hidden, hidden]");
    if (attention->value.n != hidden || layer->attention_output.n_in != hidden ||
        layer->attention_output.n_out != hidden)
        return mismatch(reader, at, "attention weights of [hidden, hidden]");
    if (layer->intermediate.n_in != hidden || layer->intermediate.n_out != wide ||
        layer->output.n_in != wide || layer->output.n_out != hidden)
        return mismatch(reader, at, "feed-forward weights of the same sizes in every layer");
    if (layer->attention_norm.n != hidden || layer->output_norm.n != hidden ||
        !is_eps(&layer->attention_norm, eps) || !is_eps(&layer->output_norm, eps))
        return mismatch(reader, at, "the same norm sizes and epsilon in every layer");
    bool is_same = layer->activation == first->activation && attention->n_heads == other->n_heads &&
                   !attention->c2p.embeddings == !other->c2p.embeddings &&
                   !attention->p2c.embeddings == !other->p2c.embeddings &&
                   !attention->bias == !other->bias;
    return is_same ||
           mismatch(reader, at,
                    "the same activation, number of heads and relative positions in every layer");
}

/* The core divides scores by sqrt(dim * terms). Any other factor goes into the queries, and into
 * the products of keys with relative embeddings, which no query is part of. */
static bool settle_scale(graph_reader *reader, attention_match *attention)
{
    int terms = 1 + (attention->c2p.embeddings != NULL) + (attention->p2c.embeddings != NULL);
    double ratio = attention->scale * sqrt((double)attention->dim * terms);
    if (fabs(ratio - 1) < 1e-6)
        return true;
    if (!(ratio > 0 && ratio < INFINITY))
        return mismatch(reader, attention->probabilities, "scores with a positive scale");
    projection_match *query = &attention->query;
    float *scale = graph_alloc(reader->graph, query->n, sizeof *scale);
    float *bias = graph_alloc(reader->graph, query->n, sizeof *bias);
    for (uint32_t i = 0; i < query->n; i++) {
        scale[i] = (float)(query->scale[i] * ratio);
        bias[i] = (float)(query->bias[i] * ratio);
    }
    query->scale = scale;
    query->bias = bias;
    attention->p2c.scale *= (float)ratio;
    return true;
}

static bert_position_attention position_attention(const attention_match *attention)
{
    if (attention->bias)
        return BERT_POSITION_ATTENTION_BIAS;
    if (attention->c2p.embeddings)
        return attention->p2c.embeddings ? BERT_POSITION_ATTENTION_C2P_P2C
                                         : BERT_POSITION_ATTENTION_C2P;
    return attention->p2c.embeddings ? BERT_POSITION_ATTENTION_P2C : BERT_POSITION_ATTENTION_NONE;
}

/* Rows of a table that are compared at a time. */
#define PIECE_ROWS 512

/* Whether a matrix [width, n_rows] is the transpose of a table [n_rows, width]. */
static bool is_transpose(graph_array *matrix, graph_array *table)
{
    fault_text ignored = {0};
    bool had_matrix = array_is_resident(matrix), had_table = array_is_resident(table);
    int64_t n_rows = table->dims[0], width = table->dims[1];
    float *rows = malloc((size_t)width * PIECE_ROWS * sizeof *rows), columns[PIECE_ROWS];
    bool is_same = rows;
    for (int64_t first = 0; is_same && first < n_rows; first += PIECE_ROWS) {
        int64_t n = n_rows - first < PIECE_ROWS ? n_rows - first : PIECE_ROWS;
        is_same = array_read(table, first * width, n * width, rows, &ignored);
        for (int64_t c = 0; is_same && c < width; c++) {
            is_same = array_read(matrix, c * n_rows + first, n, columns, &ignored);
            for (int64_t r = 0; is_same && r < n; r++)
                is_same = rows[r * width + c] == columns[r];
        }
    }
    free(rows);
    if (!had_matrix)
        array_drop(matrix);
    if (!had_table)
        array_drop(table);
    return is_same;
}

/* Whether the decoder of a masked language model is the word embedding. */
static bool is_tied(const affine_match *decoder, graph_array *word)
{
    if (decoder->scale || decoder->n_out != (uint64_t)word->dims[0] ||
        decoder->n_in != (uint64_t)word->dims[1])
        return false;
    return decoder->is_transposed ? same_floats(decoder->weight, word)
                                  : is_transpose(decoder->weight, word);
}

/* The name of the family that has such a structure. */
static const char *family(const bert_config *config)
{
    if (config->position_attention == BERT_POSITION_ATTENTION_BIAS)
        return "mpnet";
    if (config->position_attention != BERT_POSITION_ATTENTION_NONE)
        return "deberta";
    if (config->n_layer_groups)
        return "albert";
    if (config->first_position)
        return "roberta";
    return config->n_token_types ? "bert" : "distilbert";
}

static bool set_config(graph_reader *reader, const encoder_match *encoder, bert_config *config)
{
    const embeddings_match *embeddings = &encoder->embeddings;
    const heads_match *heads = &encoder->heads;
    const layer_match *first = &encoder->layers[0];
    const graph_array *word = embeddings->word;
    bert_error error = {0};
    bert_config_init(config);
    const struct {
        const char *name;
        double value;
    } numbers[] = {
        {"vocab_size", (double)word->dims[0]},
        {"embedding_size", (double)word->dims[1]},
        {"hidden_size", first->attention_output.n_out},
        {"intermediate_size", first->intermediate.n_out},
        {"n_layers", encoder->n_layers},
        {"n_heads", first->attention.n_heads},
        {"n_positions", embeddings->n_positions},
        {"first_position", embeddings->first_position},
        {"n_token_types", embeddings->n_token_types},
        {"projects_embeddings", embeddings->projection.product != NULL},
        {"n_labels", heads->classifier.product ? heads->classifier.n_out : 0},
        {"n_token_labels", heads->token_classifier.product ? heads->token_classifier.n_out : 0},
        {"embedding_dim", heads->sentence.dense.product ? heads->sentence.dense.n_out : 0},
        {"normalize", heads->normalize},
        {"layer_norm_eps", embeddings->norm.eps},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (bert_config_set_number(config, numbers[i].name, numbers[i].value, &error) != BERT_OK)
            return fault_set_error(reader->fault, "what was read from the graph", &error);
    config->activation = first->activation;
    config->position_attention = position_attention(&first->attention);
    if (heads->pooler.dense.product)
        config->pooler_activation = heads->pooler.activation;
    config->token_activation = heads->token_transform.activation;
    config->lm_activation = heads->lm_transform.activation;
    config->sentence_activation = heads->sentence.activation;
    config->pooling = heads->pooling;
    if (heads->lm_decoder.product)
        config->lm_tied = is_tied(&heads->lm_decoder, embeddings->word);
    if (encoder->conv.node) {
        config->conv_activation = encoder->conv.activation;
        const graph_array *kernel = fixed_array(reader, graph_operand(encoder->conv.node, 1));
        config->conv_size = kernel && kernel->rank == 3 ? (uint32_t)kernel->dims[2] : 0;
    }
    find_groups(encoder, config);
    return true;
}

static bool check_width(const graph_reader *reader, const char *what, uint64_t got, uint64_t width)
{
    return got == width || fault_set(reader->fault, "%s is %llu wide, expected %llu", what,
                                     (unsigned long long)got, (unsigned long long)width);
}

static bool check_sizes(graph_reader *reader, const encoder_match *encoder,
                        const bert_config *config)
{
    const embeddings_match *embeddings = &encoder->embeddings;
    const heads_match *heads = &encoder->heads;
    uint64_t width = config->embedding_size, hidden = config->hidden_size;
    const graph_array *tables[] = {embeddings->position, embeddings->token_type};
    static const char *const names[] = {"the table of positions", "the table of token types"};
    for (int i = 0; i < 2; i++)
        if (tables[i] && !check_width(reader, names[i], (uint64_t)tables[i]->dims[1], width))
            return false;
    if (!check_width(reader, "the norm of the embeddings", embeddings->norm.n, width))
        return false;
    if (!config->projects_embeddings && !check_width(reader, "the word embedding", width, hidden))
        return false;
    const struct {
        const affine_match *dense;
        uint64_t n_in, n_out;
        const char *name;
    } dense[] = {
        {&embeddings->projection, width, hidden, "the projection of embeddings"},
        {&heads->pooler.dense, hidden, hidden, "the pooler"},
        {&heads->classifier, hidden, heads->classifier.n_out, "the classifier"},
        {&heads->token_transform.dense, hidden, hidden, "the transform of tokens"},
        {&heads->token_classifier, hidden, heads->token_classifier.n_out, "the token classifier"},
        {&heads->lm_transform.dense, hidden, width, "the transform of masked words"},
        {&heads->lm_decoder, width, config->vocab_size, "the decoder of masked words"},
        {&heads->sentence.dense, hidden, heads->sentence.dense.n_out, "the sentence's dense layer"},
    };
    for (size_t i = 0; i < sizeof dense / sizeof *dense; i++)
        if (dense[i].dense->product &&
            (!check_width(reader, dense[i].name, dense[i].dense->n_in, dense[i].n_in) ||
             !check_width(reader, dense[i].name, dense[i].dense->n_out, dense[i].n_out)))
            return false;
    if (heads->lm_decoder.product && !is_eps(&heads->lm_norm, config->layer_norm_eps))
        return mismatch(reader, heads->lm_decoder.product, "the same epsilon in the head's norm");
    for (uint32_t i = 0; i < encoder->n_layers; i++)
        if (!check_layer(reader, encoder, &encoder->layers[i], config->layer_norm_eps))
            return false;
    return !encoder->conv.node || is_eps(&encoder->conv.norm, config->layer_norm_eps) ||
           mismatch(reader, encoder->conv.node, "the same epsilon in the convolution's norm");
}

/* -------------------------------------------------------------------------------- collecting -- */

static void add_layer(bert_weights *weights, const layer_match *layer,
                      const relative_tables *tables, uint32_t index)
{
    char name[BERT_MAX_NAME + 1];
    const attention_match *attention = &layer->attention;
    uint32_t hidden = attention->value.n;
#define NAMED(suffix) (snprintf(name, sizeof name, "layers.%u" suffix, index), name)
    add_projection(weights, &attention->query, NAMED(".attention.query"));
    add_projection(weights, &attention->key, NAMED(".attention.key"));
    add_projection(weights, &attention->value, NAMED(".attention.value"));
    if (tables && tables->key)
        weights_add(weights, WEIGHT_TABLE, tables->n_rows, hidden, NAMED(".attention.relative_key"),
                    "")
            ->source.values = tables->key;
    if (tables && tables->query)
        weights_add(weights, WEIGHT_TABLE, tables->n_rows, hidden,
                    NAMED(".attention.relative_query"), "")
            ->source.values = tables->query;
    add_dense(weights, &layer->attention_output, false, NAMED(".attention.output"));
    add_norm(weights, &layer->attention_norm, NAMED(".attention.norm"));
    add_dense(weights, &layer->intermediate, false, NAMED(".intermediate"));
    add_dense(weights, &layer->output, false, NAMED(".output"));
    add_norm(weights, &layer->output_norm, NAMED(".output.norm"));
#undef NAMED
}

/* [out, in, size] of one group becomes a matrix of [size * in, out]. */
static bool add_conv(graph_reader *reader, const conv_match *conv, uint32_t hidden,
                     bert_weights *weights)
{
    fault_text ignored = {0};
    graph_value *node = conv->node;
    graph_array *kernel = fixed_array(reader, graph_operand(node, 1));
    const float *from = kernel ? array_floats(kernel, &ignored) : NULL;
    const graph_attribute *pads = graph_attribute_find(node->node, "pads");
    const float *bias = graph_operand(node, 2)
                            ? fixed_vector(reader, graph_operand(node, 2), hidden)
                            : graph_alloc(reader->graph, hidden, sizeof *bias);
    uint32_t size = kernel && kernel->rank == 3 ? (uint32_t)kernel->dims[2] : 0;
    if (!from || !bias || kernel->dims[0] != hidden || kernel->dims[1] != hidden || size % 2 == 0 ||
        graph_attribute_int(node->node, "group", 1) != 1 || !pads || pads->n_ints != 2 ||
        pads->ints[0] != size / 2 || pads->ints[1] != size / 2)
        return mismatch(reader, node, "a convolution of one group that keeps the number of tokens");
    float *matrix = graph_alloc(reader->graph, (size_t)size * hidden * hidden, sizeof *matrix);
    for (size_t out = 0; out < hidden; out++)
        for (size_t in = 0; in < hidden; in++)
            for (size_t k = 0; k < size; k++)
                matrix[(k * hidden + in) * hidden + out] = from[(out * hidden + in) * size + k];
    array_drop(kernel);
    weights_add(weights, WEIGHT_MATRIX, size * hidden, hidden, "conv", "")->source.values = matrix;
    add_vector(weights, bias, hidden, "conv", ".bias");
    add_norm(weights, &conv->norm, "conv.norm");
    return true;
}

static void add_heads(bert_weights *weights, const heads_match *heads)
{
    if (heads->pooler.dense.product)
        add_dense(weights, &heads->pooler.dense, false, "pooler");
    if (heads->classifier.product)
        add_dense(weights, &heads->classifier, true, "classifier");
    if (heads->token_transform.dense.product)
        add_dense(weights, &heads->token_transform.dense, false, "token_transform");
    if (heads->token_classifier.product)
        add_dense(weights, &heads->token_classifier, true, "token_classifier");
    if (heads->lm_decoder.product) {
        add_dense(weights, &heads->lm_transform.dense, false, "lm.transform");
        add_norm(weights, &heads->lm_norm, "lm.norm");
        if (weights->config.lm_tied)
            add_vector(weights, heads->lm_decoder.bias, heads->lm_decoder.n_out, "lm.decoder",
                       ".bias");
        else
            add_dense(weights, &heads->lm_decoder, false, "lm.decoder");
    }
    if (heads->sentence.dense.product)
        add_dense(weights, &heads->sentence.dense, false, "sentence");
}

static void add_embeddings(bert_weights *weights, const embeddings_match *embeddings)
{
    const bert_config *config = &weights->config;
    add_table(weights, embeddings->word, 0, config->vocab_size, false, "embeddings.word");
    if (embeddings->position)
        add_table(weights, embeddings->position, embeddings->position_row, config->n_positions,
                  false, "embeddings.position");
    if (embeddings->token_type)
        add_table(weights, embeddings->token_type, embeddings->token_type_row,
                  config->n_token_types, true, "embeddings.token_type");
    add_norm(weights, &embeddings->norm, "embeddings.norm");
    if (embeddings->projection.product)
        add_dense(weights, &embeddings->projection, false, "embeddings.projection");
}

/* What all layers share of relative positions. */
static void add_relative(bert_weights *weights, const relative_tables *tables)
{
    uint32_t width = 2 * tables->n_distances - 1, n_heads = weights->config.n_heads;
    if (tables->rows)
        add_vector(weights, tables->rows, width, "relative.rows", "");
    if (!tables->bias)
        return;
    bert_weight *bias = weights_add(weights, WEIGHT_VECTOR, n_heads, width, "attention.bias", "");
    bias->source.values = tables->bias;
    bias->rank = 2;
    bias->keep_f32 = true;
}

bool read_collect(graph_reader *reader, const encoder_match *encoder, bert_weights *weights)
{
    bert_config *config = &weights->config;
    bert_error error = {0};
    size_t n_bytes;
    relative_tables *tables = graph_alloc(reader->graph, encoder->n_layers, sizeof *tables);
    if (!set_config(reader, encoder, config) || !check_sizes(reader, encoder, config))
        return false;
    for (uint32_t i = 0; i < encoder->n_layers; i++)
        if (!settle_scale(reader, &encoder->layers[i].attention))
            return false;
    if (is_relative(&encoder->layers[0].attention)) {
        if (!find_tables(reader, encoder, bert_config_most_tokens(config), tables))
            return false;
        config->n_distances = tables[0].n_distances;
        config->n_relative_rows = tables[0].n_rows;
    } else {
        tables = NULL;
    }
    weights->architecture = family(config);
    if (bert_model_bytes(config, &n_bytes, &error) != BERT_OK)
        return fault_set_error(reader->fault, "what was read from the graph", &error);

    add_embeddings(weights, &encoder->embeddings);
    if (tables)
        add_relative(weights, tables);
    for (uint32_t i = 0; i < bert_config_n_stored_layers(config); i++) {
        const layer_match *layer = stored_layer(encoder, config, i);
        add_layer(weights, layer, tables ? &tables[layer - encoder->layers] : NULL, i);
        if (i == 0 && encoder->conv.node &&
            !add_conv(reader, &encoder->conv, config->hidden_size, weights))
            return false;
    }
    add_heads(weights, &encoder->heads);
    return true;
}

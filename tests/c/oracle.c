/* oracle.c - see oracle.h. */
#include "oracle.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

double oracle_f16(uint16_t bits)
{
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double magnitude = exponent == 31  ? (fraction ? NAN : INFINITY)
                       : exponent == 0 ? ldexp(fraction, -24)
                                       : ldexp(fraction + 1024, exponent - 25);
    return bits >> 15 ? -magnitude : magnitude;
}

static double element(bert_dtype dtype, const void *data, size_t i, const float *scale)
{
    switch (dtype) {
    case BERT_DTYPE_F32:
        return ((const float *)data)[i];
    case BERT_DTYPE_F16:
        return oracle_f16(((const uint16_t *)data)[i]);
    case BERT_DTYPE_I8:
        return (double)((const int8_t *)data)[i] * *scale;
    case BERT_DTYPE_COUNT:
        break;
    }
    return NAN;
}

double oracle_matrix(const matrix *w, uint32_t in, uint32_t out)
{
    size_t panel = out / BERT_PANEL, column = out % BERT_PANEL, n_quads = (w->n_in + 7) / 8 * 2;
    size_t i = w->dtype == BERT_DTYPE_I8
                   ? ((panel * n_quads + in / 4) * BERT_PANEL + column) * 4 + in % 4
                   : (panel * w->n_in + in) * BERT_PANEL + column;
    return element(w->dtype, w->panels, i, w->scale ? w->scale + out : NULL);
}

double oracle_table(const row_table *table, uint32_t row, uint32_t column)
{
    return element(table->dtype, table->rows, (size_t)row * table->n_columns + column,
                   table->scale ? table->scale + row : NULL);
}

double oracle_activate(double x, bert_activation activation)
{
    switch (activation) {
    case BERT_ACTIVATION_GELU:
        return x * 0.5 * (1 + erf(x / sqrt(2)));
    case BERT_ACTIVATION_GELU_TANH:
        return x * 0.5 * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
    case BERT_ACTIVATION_TANH:
        return tanh(x);
    case BERT_ACTIVATION_RELU:
        return x > 0 ? x : 0;
    case BERT_ACTIVATION_SILU:
        return x / (1 + exp(-x));
    case BERT_ACTIVATION_NONE:
    case BERT_ACTIVATION_COUNT:
        break;
    }
    return x;
}

void oracle_quantise(double *x, uint32_t n, const float *factor, bert_integers integers)
{
    double least = INFINITY, most = -INFINITY;
    for (uint32_t i = 0; i < n; i++) {
        x[i] *= factor[i];
        least = fmin(least, x[i]);
        most = fmax(most, x[i]);
    }
    double step = (most - least) / BERT_MOST_LEVEL(integers);
    for (uint32_t i = 0; step > 0 && i < n; i++)
        x[i] = least + step * floor((x[i] - least) / step + 0.5);
}

/* The input of an I8 product, quantised as quantise_row() does it. */
static void dense(const bert_config *config, const double *x, const matrix *w, double *y)
{
    double *input = malloc(w->n_in * sizeof *input);
    memcpy(input, x, w->n_in * sizeof *input);
    if (w->dtype == BERT_DTYPE_I8)
        oracle_quantise(input, w->n_in, w->smooth, config->integers);
    oracle_dense(input, w, y);
    free(input);
}

void oracle_dense(const double *x, const matrix *w, double *y)
{
    for (uint32_t out = 0; out < w->n_out; out++) {
        double sum = w->bias ? w->bias[out] : 0;
        for (uint32_t in = 0; in < w->n_in; in++)
            sum += x[in] * oracle_matrix(w, in, out);
        y[out] = sum;
    }
}

void oracle_layer_norm(double *x, uint32_t n, const norm_weights *norm, double eps)
{
    double mean = 0, variance = 0;
    for (uint32_t i = 0; i < n; i++)
        mean += x[i] / n;
    for (uint32_t i = 0; i < n; i++)
        variance += (x[i] - mean) * (x[i] - mean) / n;
    for (uint32_t i = 0; i < n; i++)
        x[i] = (x[i] - mean) / sqrt(variance + eps) * norm->weight[i] + norm->bias[i];
}

void oracle_softmax(double *x, uint32_t n)
{
    double max = -INFINITY, sum = 0;
    for (uint32_t i = 0; i < n; i++)
        max = fmax(max, x[i]);
    for (uint32_t i = 0; i < n; i++)
        sum += x[i] = exp(x[i] - max);
    for (uint32_t i = 0; i < n; i++)
        x[i] /= sum;
}

static double *numbers(size_t n)
{
    return calloc(n ? n : 1, sizeof(double));
}

/* One sequence, with what was not given filled in. */
typedef struct text_view {
    uint32_t n;
    const uint32_t *ids;
    uint32_t *types, *positions; /* [n] */
    uint8_t *attended;           /* [n] */
} text_view;

int oracle_makes_tables;

/* The numbers of a tensor that the model does not bind; NULL: there is none of that name. */
static const float *unbound(const bert_model *model, const char *name)
{
    for (size_t i = 0; i < model->n_tensors; i++)
        if (strcmp(model->tensors[i].name, name) == 0)
            return model->tensors[i].data;
    return NULL;
}

/* What makes a layer's table of distances. */
static matrix table_matrix(const bert_model *model, const layer_weights *layer, int is_query)
{
    uint32_t hidden = model->config.hidden_size;
    char prefix[64], name[96];
    snprintf(prefix, sizeof prefix, "layers.%d.attention.relative_%s.projection",
             (int)(layer - model->layers), is_query ? "query" : "key");
    snprintf(name, sizeof name, "%s.weight", prefix);
    matrix own = {.n_in = hidden, .n_out = hidden, .panels = unbound(model, name)};
    snprintf(name, sizeof name, "%s.bias", prefix);
    own.bias = unbound(model, name);
    return own.panels ? own : is_query ? layer->query : layer->key;
}

/* Row `row` of what tables of distances are made of, [hidden_size]. */
static void table_source(const bert_model *model, uint32_t row, double *source)
{
    const bert_config *config = &model->config;
    uint32_t hidden = config->hidden_size;
    const float *embeddings = unbound(model, "relative.embeddings.weight");
    norm_weights norm = {unbound(model, "relative.norm.weight"),
                         unbound(model, "relative.norm.bias")};
    for (uint32_t i = 0; i < hidden; i++)
        source[i] = embeddings[(size_t)row * hidden + i];
    if (config->relative_norm)
        oracle_layer_norm(source, hidden, &norm, config->layer_norm_eps);
}

/* sum += x [hidden_size / n_heads] of the head times a row of a table of distances. */
static double distance_score(const bert_model *model, const layer_weights *layer, int is_query,
                             uint32_t row, uint32_t head, const double *x)
{
    const bert_config *config = &model->config;
    uint32_t hidden = config->hidden_size, dim = hidden / config->n_heads;
    const row_table *table = is_query ? &layer->relative_query : &layer->relative_key;
    int is_made = oracle_makes_tables && config->relative_source != BERT_RELATIVE_SOURCE_NONE;
    matrix w = table_matrix(model, layer, is_query);
    double *source = numbers(hidden), sum = 0;
    if (is_made)
        table_source(model, row, source);
    for (uint32_t i = head * dim; i < (head + 1) * dim; i++) {
        double made = w.bias ? w.bias[i] : 0;
        for (uint32_t k = 0; is_made && k < hidden; k++)
            made += source[k] * oracle_matrix(&w, k, i);
        sum += x[i] * (is_made ? made : oracle_table(table, row, i));
    }
    free(source);
    return sum;
}

/* What is added to a score before it is scaled, and its bias after; q and k are tokens. */
static double relative_score(const bert_model *model, const layer_weights *layer,
                             const text_view *text, uint32_t head, uint32_t q, uint32_t k,
                             const double *query, const double *key, double *bias)
{
    const bert_config *config = &model->config;
    int middle = (int)config->n_distances - 1;
    int distance = (int)text->positions[q] - (int)text->positions[k];
    bert_position_attention attention = config->position_attention;
    double sum = 0;
    *bias = 0;
    if (attention == BERT_POSITION_ATTENTION_NONE)
        return 0;
    if (attention == BERT_POSITION_ATTENTION_BIAS) {
        *bias = model->attention_bias[(int)head * (2 * middle + 1) + middle - distance];
        return 0;
    }
    uint32_t row = model->relative_rows[middle + distance];
    if (attention != BERT_POSITION_ATTENTION_P2C)
        sum += distance_score(model, layer, 0, row, head, query);
    if (attention != BERT_POSITION_ATTENTION_C2P)
        sum += distance_score(model, layer, 1, row, head, key);
    return sum;
}

/* Whether attention is in integers: attention_i16.c. */
static int is_integer(const bert_config *config, const layer_weights *layer)
{
    return layer->query.dtype == BERT_DTYPE_I8 &&
           config->position_attention == BERT_POSITION_ATTENTION_NONE;
}

/* Rows of x, n numbers each and `stride` apart, as whole multiples of a step, at most `levels` of
 * them: the step of all rows that count. */
static void round_rows(double *x, uint32_t n_rows, uint32_t n, size_t stride, double levels,
                       const uint8_t *counts)
{
    double greatest = 0;
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t i = 0; i < n && (!counts || counts[r]); i++)
            greatest = fmax(greatest, fabs(x[r * stride + i]));
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t i = 0; i < n && greatest > 0; i++)
            x[r * stride + i] = rint(x[r * stride + i] * levels / greatest) * greatest / levels;
}

/* q, k and v of a head as attention reads them. */
static void round_head(const text_view *text, uint32_t hidden, uint32_t dim, double *q, double *k,
                       double *v)
{
    double levels = fmin(32767, floor(sqrt((double)(INT32_MAX / 2) / dim) * 0.99999));
    for (uint32_t t = 0; t < text->n; t++)
        round_rows(q + t * hidden, 1, dim, hidden, levels, NULL);
    round_rows(k, text->n, dim, hidden, levels, text->attended);
    round_rows(v, text->n, dim, hidden, 8191, text->attended);
}

/* A softmax's row as integers over their sum. */
static void round_probabilities(double *row, uint32_t n, uint32_t n_keys)
{
    double largest = 0, total = 0;
    for (uint32_t s = 0; s < n; s++)
        largest = fmax(largest, row[s]);
    /* exp(0) is 1: of exponentials, the sum is 1 / largest. */
    double factor = fmin(32767, ((double)(INT32_MAX / 8191) - n_keys) * largest) / largest;
    for (uint32_t s = 0; s < n; s++)
        total += row[s] = rint(row[s] * factor);
    for (uint32_t s = 0; s < n; s++)
        row[s] /= total;
}

static void attend(const bert_model *model, const layer_weights *layer, const text_view *text,
                   double *x, double *probabilities)
{
    const bert_config *config = &model->config;
    uint32_t n = text->n, hidden = config->hidden_size, dim = hidden / config->n_heads;
    bert_position_attention attention = config->position_attention;
    uint32_t n_sums =
        attention == BERT_POSITION_ATTENTION_C2P_P2C                                           ? 3
        : attention == BERT_POSITION_ATTENTION_C2P || attention == BERT_POSITION_ATTENTION_P2C ? 2
                                                                                               : 1;
    double *q = numbers((size_t)n * hidden), *k = numbers((size_t)n * hidden);
    double *v = numbers((size_t)n * hidden), *context = numbers((size_t)n * hidden);
    double *row = numbers(n), *y = numbers(hidden);
    for (uint32_t t = 0; t < n; t++) {
        dense(config, x + t * hidden, &layer->query, q + t * hidden);
        dense(config, x + t * hidden, &layer->key, k + t * hidden);
        dense(config, x + t * hidden, &layer->value, v + t * hidden);
    }
    uint32_t n_keys = 0;
    for (uint32_t t = 0; t < n; t++)
        n_keys += text->attended[t];
    for (uint32_t h = 0; h < config->n_heads; h++) {
        if (is_integer(config, layer))
            round_head(text, hidden, dim, q + h * dim, k + h * dim, v + h * dim);
        for (uint32_t t = 0; t < n; t++) {
            for (uint32_t s = 0; s < n; s++) {
                double bias, dot = relative_score(model, layer, text, h, t, s, q + t * hidden,
                                                  k + s * hidden, &bias);
                for (uint32_t i = h * dim; i < (h + 1) * dim; i++)
                    dot += q[t * hidden + i] * k[s * hidden + i];
                row[s] = text->attended[s] ? dot / sqrt(dim * n_sums) + bias : -INFINITY;
            }
            oracle_softmax(row, n);
            if (is_integer(config, layer))
                round_probabilities(row, n, n_keys);
            for (uint32_t s = 0; s < n; s++) {
                if (probabilities)
                    probabilities[((size_t)h * n + t) * n + s] = row[s];
                for (uint32_t i = h * dim; i < (h + 1) * dim; i++)
                    context[t * hidden + i] += row[s] * v[s * hidden + i];
            }
        }
    }
    for (uint32_t t = 0; t < n; t++) {
        dense(config, context + t * hidden, &layer->attention_output, y);
        for (uint32_t i = 0; i < hidden; i++)
            x[t * hidden + i] += y[i];
        oracle_layer_norm(x + t * hidden, hidden, &layer->attention_norm, config->layer_norm_eps);
    }
    free(q), free(k), free(v), free(context), free(row), free(y);
}

static void feed_forward(const layer_weights *layer, const bert_config *config, double *x)
{
    double *wide = numbers(config->intermediate_size), *y = numbers(config->hidden_size);
    dense(config, x, &layer->intermediate, wide);
    for (uint32_t i = 0; i < config->intermediate_size; i++)
        wide[i] = oracle_activate(wide[i], config->activation);
    dense(config, wide, &layer->output, y);
    for (uint32_t i = 0; i < config->hidden_size; i++)
        x[i] += y[i];
    oracle_layer_norm(x, config->hidden_size, &layer->output_norm, config->layer_norm_eps);
    free(wide), free(y);
}

/* x: [n, hidden_size]. */
static void embed(const bert_model *model, const text_view *text, double *x)
{
    const bert_config *config = &model->config;
    uint32_t n_columns = config->embedding_size, hidden = config->hidden_size, n_padding = 0;
    double *sum = numbers(n_columns);
    for (uint32_t t = 0; t < text->n; t++) {
        uint32_t row = text->positions[t], first = config->first_position;
        if (first && text->ids[t] == first - 1) {
            row = first - 1;
            n_padding++;
        } else if (first) {
            row += first - n_padding;
        }
        for (uint32_t i = 0; i < n_columns; i++) {
            sum[i] = oracle_table(&model->word, text->ids[t], i);
            if (config->n_positions)
                sum[i] += oracle_table(&model->position, row, i);
            if (config->n_token_types)
                sum[i] += oracle_table(&model->token_type, text->types[t], i);
        }
        oracle_layer_norm(sum, n_columns, &model->embeddings_norm, config->layer_norm_eps);
        if (config->projects_embeddings)
            oracle_dense(sum, &model->projection, x + t * hidden);
        else
            memcpy(x + t * hidden, sum, hidden * sizeof *sum);
        for (uint32_t i = 0; config->conv_size && !text->attended[t] && i < hidden; i++)
            x[t * hidden + i] = 0;
    }
    free(sum);
}

/* x = norm(x + activation(conv(embeddings))); both [n, hidden_size]. */
static void convolve(const bert_model *model, const text_view *text, const double *embeddings,
                     double *x)
{
    const bert_config *config = &model->config;
    uint32_t hidden = config->hidden_size, n_in = config->conv_size * hidden;
    double *window = numbers(n_in), *y = numbers(hidden);
    for (uint32_t t = 0; t < text->n; t++) {
        memset(window, 0, n_in * sizeof *window);
        for (uint32_t s = 0; s < text->n; s++) {
            int k = (int)text->positions[s] - (int)text->positions[t] + (int)config->conv_size / 2;
            if (k >= 0 && k < (int)config->conv_size && text->attended[s])
                memcpy(window + k * (int)hidden, embeddings + s * hidden, hidden * sizeof *window);
        }
        oracle_dense(window, &model->conv, y);
        for (uint32_t i = 0; text->attended[t] && i < hidden; i++)
            x[t * hidden + i] += oracle_activate(y[i], config->conv_activation);
        oracle_layer_norm(x + t * hidden, hidden, &model->conv_norm, config->layer_norm_eps);
    }
    free(window), free(y);
}

/* y = activation(x W + b). */
static void activated(const double *x, const matrix *w, bert_activation activation, double *y)
{
    oracle_dense(x, w, y);
    for (uint32_t i = 0; i < w->n_out; i++)
        y[i] = oracle_activate(y[i], activation);
}

static void token_heads(const bert_model *model, uint32_t n, const double *x,
                        const oracle_outputs *outputs)
{
    const bert_config *config = &model->config;
    uint32_t hidden = config->hidden_size, n_columns = config->embedding_size;
    double *y = numbers(hidden > n_columns ? hidden : n_columns);
    for (uint32_t t = 0; t < n; t++, x += hidden) {
        if (config->n_token_labels) {
            memcpy(y, x, hidden * sizeof *y);
            if (config->token_activation != BERT_ACTIVATION_NONE)
                activated(x, &model->token_transform, config->token_activation, y);
            oracle_dense(y, &model->token_classifier,
                         outputs->token_logits + (size_t)t * config->n_token_labels);
        }
        if (config->lm_activation == BERT_ACTIVATION_NONE)
            continue;
        double *logits = outputs->lm_logits + (size_t)t * config->vocab_size;
        activated(x, &model->lm_transform, config->lm_activation, y);
        oracle_layer_norm(y, n_columns, &model->lm_norm, config->layer_norm_eps);
        if (!config->lm_tied)
            oracle_dense(y, &model->lm_decoder, logits);
        for (uint32_t w = 0; config->lm_tied && w < config->vocab_size; w++) {
            logits[w] = model->lm_decoder.bias[w];
            for (uint32_t i = 0; i < n_columns; i++)
                logits[w] += y[i] * oracle_table(&model->word, w, i);
        }
    }
    free(y);
}

/* What a pooling makes of one column of a sequence from token `from` on; [n] numbers a row apart.
 */
static double pooled_number(bert_pooling pooling, const text_view *text, uint32_t from,
                            const double *x, uint32_t row)
{
    double sum = 0, weights = 0, weighted = 0, most = -INFINITY, last = 0;
    uint32_t count = 0;
    for (uint32_t t = from; t < text->n; t++) {
        double number = x[t * row], weight = text->positions[t] + 1.0;
        if (!text->attended[t])
            continue;
        sum += number;
        weighted += weight * number;
        weights += weight;
        most = fmax(most, number);
        last = number;
        count++;
    }
    switch (pooling) {
    case BERT_POOLING_MEAN:
        return sum / count;
    case BERT_POOLING_MAX:
        return most;
    case BERT_POOLING_MEAN_SQRT_LEN:
        return sum / sqrt(count);
    case BERT_POOLING_WEIGHTED_MEAN:
        return weighted / weights;
    case BERT_POOLING_LAST:
        return last;
    case BERT_POOLING_CLS:
    case BERT_POOLING_NONE:
    case BERT_POOLING_COUNT:
        break;
    }
    return x[from * row];
}

static void embed_sentence(const bert_model *model, const text_view *text, uint32_t from,
                           const double *x, double *out)
{
    const bert_config *config = &model->config;
    uint32_t hidden = config->hidden_size, n_pooled = 0;
    double *pooled = numbers((size_t)BERT_MOST_POOLINGS * hidden), squares = 0;
    bert_pooling pooling = config->pooling;
    for (uint32_t p = 0; pooling != BERT_POOLING_NONE; p++) {
        for (uint32_t i = 0; i < hidden; i++)
            pooled[n_pooled++] = pooled_number(pooling, text, from, x + i, hidden);
        pooling = p < BERT_MOST_POOLINGS - 1 ? config->more_poolings[p] : BERT_POOLING_NONE;
    }
    uint32_t n_columns = config->embedding_dim ? config->embedding_dim : n_pooled;
    if (config->embedding_dim)
        activated(pooled, &model->sentence, config->sentence_activation, out);
    else
        memcpy(out, pooled, n_columns * sizeof *out);
    for (uint32_t i = 0; i < n_columns; i++)
        squares += out[i] * out[i];
    for (uint32_t i = 0; config->normalize && i < n_columns; i++)
        out[i] /= sqrt(squares);
    free(pooled);
}

static void sequence_heads(const bert_model *model, const text_view *text, const double *x,
                           const oracle_outputs *outputs)
{
    const bert_config *config = &model->config;
    if (config->pooler_activation != BERT_ACTIVATION_NONE)
        activated(x, &model->pooler, config->pooler_activation, outputs->pooler_output);
    if (config->n_labels)
        oracle_dense(outputs->pooler_output, &model->classifier, outputs->logits);
    if (config->pooling != BERT_POOLING_NONE)
        embed_sentence(model, text, outputs->pool_from, x, outputs->sentence_embedding);
}

/* Which layer of the stored ones is the `index`th: Lan et al. 2019, ALBERT, as Hugging Face's
 * AlbertTransformer goes through them. */
static uint32_t stored_layer(const bert_config *config, uint32_t index)
{
    if (config->n_layer_groups == 0)
        return index;
    uint32_t outer = index / config->layers_per_group, inner = index % config->layers_per_group;
    uint32_t n_outer = config->n_layers / config->layers_per_group;
    return outer * config->n_layer_groups / n_outer * config->layers_per_group + inner;
}

static void record(const oracle_outputs *outputs, size_t index, size_t count, double *x)
{
    memcpy(outputs->hidden_states + index * count, x, count * sizeof(double));
    if (outputs->given)
        memcpy(x, outputs->given + index * count, count * sizeof(double));
}

void oracle_encode(const bert_model *model, uint32_t n, const uint32_t *ids,
                   const uint32_t *token_types, const uint32_t *positions, const uint8_t *attended,
                   const oracle_outputs *outputs)
{
    const bert_config *config = &model->config;
    size_t count = (size_t)n * config->hidden_size;
    double *x = numbers(count), *embeddings = numbers(count);
    text_view text = {n, ids, calloc(n, sizeof(uint32_t)), calloc(n, sizeof(uint32_t)),
                      calloc(n, 1)};
    for (uint32_t t = 0; t < n; t++) {
        text.types[t] = token_types ? token_types[t] : 0;
        text.positions[t] = positions ? positions[t] : t;
        text.attended[t] = attended ? attended[t] : 1;
    }
    embed(model, &text, x);
    memcpy(embeddings, x, count * sizeof(double));
    record(outputs, 0, count, x);
    for (uint32_t i = 0; i < config->n_layers; i++) {
        const layer_weights *layer = &model->layers[stored_layer(config, i)];
        attend(model, layer, &text, x, outputs->attentions + (size_t)i * config->n_heads * n * n);
        for (uint32_t t = 0; t < n; t++)
            feed_forward(layer, config, x + t * config->hidden_size);
        if (i == 0 && config->conv_size)
            convolve(model, &text, embeddings, x);
        record(outputs, i + 1, count, x);
    }
    token_heads(model, n, x, outputs);
    sequence_heads(model, &text, x, outputs);
    free(x), free(embeddings), free(text.types), free(text.positions), free(text.attended);
}

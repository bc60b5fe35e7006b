/* oracle.c - see oracle.h. */
#include "oracle.h"

#include <math.h>
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

double oracle_table(const table *table, uint32_t row, uint32_t column)
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
    case BERT_ACTIVATION_NONE:
        break;
    }
    return x;
}

void oracle_quantise(double *x, uint32_t n, const float *factor)
{
    double least = INFINITY, most = -INFINITY;
    for (uint32_t i = 0; i < n; i++) {
        x[i] *= factor[i];
        least = fmin(least, x[i]);
        most = fmax(most, x[i]);
    }
    double step = (most - least) / 127;
    for (uint32_t i = 0; step > 0 && i < n; i++)
        x[i] = least + step * floor((x[i] - least) / step + 0.5);
}

/* The input of an I8 product, quantised as quantise_row() does it. */
static void dense(const double *x, const matrix *w, const float *smooth, double *y)
{
    double *input = malloc(w->n_in * sizeof *input);
    memcpy(input, x, w->n_in * sizeof *input);
    if (w->dtype == BERT_DTYPE_I8)
        oracle_quantise(input, w->n_in, smooth);
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

void oracle_layer_norm(double *x, uint32_t n, const norm *norm, double eps)
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

static void attend(const layer *layer, const bert_config *config, uint32_t n,
                   const uint8_t *attended, double *x, double *probabilities)
{
    uint32_t hidden = config->hidden_size, dim = hidden / config->n_heads;
    double *q = numbers((size_t)n * hidden), *k = numbers((size_t)n * hidden);
    double *v = numbers((size_t)n * hidden), *context = numbers((size_t)n * hidden);
    double *row = numbers(n), *y = numbers(hidden);
    for (uint32_t t = 0; t < n; t++) {
        dense(x + t * hidden, &layer->query, layer->smooth, q + t * hidden);
        dense(x + t * hidden, &layer->key, layer->smooth, k + t * hidden);
        dense(x + t * hidden, &layer->value, layer->smooth, v + t * hidden);
    }
    for (uint32_t h = 0; h < config->n_heads; h++) {
        for (uint32_t t = 0; t < n; t++) {
            for (uint32_t s = 0; s < n; s++) {
                double dot = 0;
                for (uint32_t i = h * dim; i < (h + 1) * dim; i++)
                    dot += q[t * hidden + i] * k[s * hidden + i];
                row[s] = attended && !attended[s] ? -INFINITY : dot / sqrt(dim);
            }
            oracle_softmax(row, n);
            for (uint32_t s = 0; s < n; s++) {
                if (probabilities)
                    probabilities[((size_t)h * n + t) * n + s] = row[s];
                for (uint32_t i = h * dim; i < (h + 1) * dim; i++)
                    context[t * hidden + i] += row[s] * v[s * hidden + i];
            }
        }
    }
    for (uint32_t t = 0; t < n; t++) {
        dense(context + t * hidden, &layer->attention_output, layer->attention_smooth, y);
        for (uint32_t i = 0; i < hidden; i++)
            x[t * hidden + i] += y[i];
        oracle_layer_norm(x + t * hidden, hidden, &layer->attention_norm, config->layer_norm_eps);
    }
    free(q), free(k), free(v), free(context), free(row), free(y);
}

static void feed_forward(const layer *layer, const bert_config *config, double *x)
{
    double *wide = numbers(config->intermediate_size), *y = numbers(config->hidden_size);
    dense(x, &layer->intermediate, layer->intermediate_smooth, wide);
    for (uint32_t i = 0; i < config->intermediate_size; i++)
        wide[i] = oracle_activate(wide[i], config->activation);
    dense(wide, &layer->output, layer->output_smooth, y);
    for (uint32_t i = 0; i < config->hidden_size; i++)
        x[i] += y[i];
    oracle_layer_norm(x, config->hidden_size, &layer->output_norm, config->layer_norm_eps);
    free(wide), free(y);
}

void oracle_encode(const bert_model *model, uint32_t n, const uint32_t *ids,
                   const uint32_t *token_types, const uint32_t *positions, const uint8_t *attended,
                   const oracle_outputs *outputs)
{
    const bert_config *config = &model->config;
    uint32_t hidden = config->hidden_size;
    size_t count = (size_t)n * hidden;
    double *x = numbers(count), *pooled = numbers(hidden);
    for (uint32_t t = 0; t < n; t++) {
        for (uint32_t i = 0; i < hidden; i++) {
            x[t * hidden + i] = oracle_table(&model->word, ids[t], i) +
                                oracle_table(&model->position, positions ? positions[t] : t, i);
            if (config->n_token_types)
                x[t * hidden + i] +=
                    oracle_table(&model->token_type, token_types ? token_types[t] : 0, i);
        }
        oracle_layer_norm(x + t * hidden, hidden, &model->embeddings_norm, config->layer_norm_eps);
    }
    for (uint32_t i = 0; i <= config->n_layers; i++) {
        if (i > 0) {
            double *attentions = outputs->attentions;
            if (attentions)
                attentions += (size_t)(i - 1) * config->n_heads * n * n;
            attend(&model->layers[i - 1], config, n, attended, x, attentions);
            for (uint32_t t = 0; t < n; t++)
                feed_forward(&model->layers[i - 1], config, x + t * hidden);
        }
        if (outputs->hidden_states)
            memcpy(outputs->hidden_states + i * count, x, count * sizeof(double));
    }
    if (config->pooler_activation != BERT_ACTIVATION_NONE) {
        oracle_dense(x, &model->pooler, pooled);
        for (uint32_t i = 0; i < hidden; i++)
            pooled[i] = oracle_activate(pooled[i], config->pooler_activation);
        if (outputs->pooler_output)
            memcpy(outputs->pooler_output, pooled, hidden * sizeof(double));
        if (outputs->logits && config->head != BERT_HEAD_NONE)
            oracle_dense(pooled, &model->classifier, outputs->logits);
    }
    free(x), free(pooled);
}

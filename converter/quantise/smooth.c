/*
 * smooth.c - SmoothQuant (Xiao et al. 2022, arXiv 2211.10438, equation 4): input k is divided by
 *
 *     s_k = largest |input k| ^ a / largest |weight of input k| ^ (1 - a)
 *
 * and its weights are multiplied by it. The largest inputs are measured (calibrate.c), or estimated
 * from the weights before them, without any text: a norm's output has mean `bias` and deviation
 * |weight|; a dense layer of it has the mean and deviation that follow if inputs were independent.
 */
#include "quantise/smooth.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The exponent for largest inputs that were measured, and that were estimated: best of 0.5, 0.65
 * and 0.8 on MiniLM-L6, by the cosine of its embeddings to f32's. */
#define MEASURED_ALPHA 0.5f
#define ESTIMATED_ALPHA 0.65f
/* Deviations from the mean that are taken for the largest input. */
#define DEVIATIONS 3.0f
/* The least value of GELU is -0.17: what it gives never has a smaller range. */
#define GELU_DEPTH 0.17f

/* Mean and deviation of each of n numbers. */
typedef struct number_spread {
    uint32_t n;
    float *mean, *deviation;
} number_spread;

static number_spread spread_make(uint32_t n)
{
    return (number_spread){n, calloc(n, sizeof(float)), calloc(n, sizeof(float))};
}

static bool spread_is_made(const number_spread *spread)
{
    return spread->mean && spread->deviation;
}

static void spread_free(number_spread *spread)
{
    free(spread->mean);
    free(spread->deviation);
}

static bert_weight *find(bert_weights *weights, uint32_t layer, const char *suffix)
{
    char name[BERT_MAX_NAME + 1];
    snprintf(name, sizeof name, "layers.%u%s", layer, suffix);
    return weights_find(weights, name);
}

/* The spread of a norm's output; `weight` and `bias` are its parameters. */
static bool spread_of_norm(const bert_weight *weight, const bert_weight *bias, number_spread *out,
                           fault_text *fault)
{
    float *scales = weights_floats(weight, fault), *means = weights_floats(bias, fault);
    for (uint32_t i = 0; scales && means && i < out->n; i++) {
        out->mean[i] = means[i];
        out->deviation[i] = fabsf(scales[i]);
    }
    bool ok = scales && means;
    free(scales);
    free(means);
    return ok;
}

/* The spread of a dense layer's output, from that of its input. */
static bool spread_of_dense(const bert_weight *matrix, const bert_weight *bias,
                            const number_spread *in, number_spread *out, fault_text *fault)
{
    float *values = weights_floats(matrix, fault),
          *start = bias ? weights_floats(bias, fault) : NULL;
    bool ok = values && (start || !bias);
    for (uint32_t j = 0; ok && j < out->n; j++) {
        double mean = start ? start[j] : 0, variance = 0;
        for (uint32_t k = 0; k < in->n; k++) {
            double w = values[(size_t)k * out->n + j], d = w * in->deviation[k];
            mean += w * in->mean[k];
            variance += d * d;
        }
        out->mean[j] = (float)mean;
        out->deviation[j] = (float)sqrt(variance);
    }
    free(values);
    free(start);
    return ok;
}

/* The factors, 1 / s, for matrices of the same inputs. */
static bool smooth(bert_weight *const *matrices, int n_matrices, const float *largest_inputs,
                   float alpha, fault_text *fault)
{
    uint32_t depth = matrices[0]->n_rows;
    float *factors = calloc(depth, sizeof *factors);
    if (!factors)
        return fault_set(fault, "out of memory");
    for (int i = 0; i < n_matrices; i++) {
        float *values = weights_floats(matrices[i], fault);
        uint32_t n = matrices[i]->n_columns;
        if (!values) {
            free(factors);
            return false;
        }
        for (size_t k = 0; k < (size_t)depth * n; k++)
            factors[k / n] = fmaxf(factors[k / n], fabsf(values[k]));
        free(values);
    }
    for (uint32_t k = 0; k < depth; k++) {
        float s = powf(largest_inputs[k], alpha) / powf(factors[k], 1 - alpha);
        /* A weight or an input that is always 0 says nothing. */
        factors[k] = s > 1e-6f && s < 1e6f ? 1 / s : 1;
    }
    for (int i = 0; i < n_matrices; i++) {
        matrices[i]->smooth = factors;
        matrices[i]->smooth_leads = i == 0;
    }
    return true;
}

static void largest_of(const number_spread *spread, float *largest)
{
    for (uint32_t i = 0; i < spread->n; i++)
        largest[i] = fabsf(spread->mean[i]) + DEVIATIONS * spread->deviation[i];
}

/* After GELU and similar activations: positive numbers pass, negative ones nearly vanish. */
static void largest_activated(const number_spread *spread, float *largest)
{
    for (uint32_t i = 0; i < spread->n; i++)
        largest[i] = fmaxf(GELU_DEPTH, spread->mean[i] + DEVIATIONS * spread->deviation[i]);
}

/* The matrices of a layer whose inputs are smoothed. */
typedef struct layer_sites {
    bert_weight *attention[3], *attention_output, *intermediate, *output;
} layer_sites;

static layer_sites find_sites(bert_weights *weights, uint32_t index)
{
    return (layer_sites){{find(weights, index, ".attention.query"),
                          find(weights, index, ".attention.key"),
                          find(weights, index, ".attention.value")},
                         find(weights, index, ".attention.output"),
                         find(weights, index, ".intermediate"),
                         find(weights, index, ".output")};
}

/* Moments of inputs become those of inputs times their factors. */
static void scale_moments(float *moments, const float *factors, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n; j++)
            moments[i * n + j] *= factors[i] * factors[j];
}

static bool smooth_measured(bert_weights *weights, uint32_t index,
                            const calibration_data *calibration, fault_text *fault)
{
    layer_sites sites = find_sites(weights, index);
    bert_weight **matrices[BERT_SITE_COUNT] = {sites.attention, &sites.attention_output,
                                               &sites.intermediate, &sites.output};
    for (int site = 0; site < BERT_SITE_COUNT; site++) {
        size_t n = matrices[site][0]->n_rows;
        int n_matrices = site == BERT_SITE_ATTENTION ? 3 : 1;
        float *moments = calibration->moments[site];
        if (!smooth(matrices[site], n_matrices, calibration->largest[site] + index * n,
                    MEASURED_ALPHA, fault))
            return false;
        if (!moments)
            continue;
        moments += index * n * n;
        scale_moments(moments, matrices[site][0]->smooth, n);
        for (int i = 0; i < n_matrices; i++)
            matrices[site][i]->moments = moments;
    }
    return true;
}

/* The spread of what layer `index` reads. */
static bool spread_of_input(bert_weights *weights, uint32_t index, number_spread *out,
                            fault_text *fault)
{
    const bert_config *config = &weights->config;
    char name[BERT_MAX_NAME + 1] = "embeddings.norm", bias[BERT_MAX_NAME + 1];
    /* A shared layer mostly reads its own output, or that of the last layer of its group. */
    uint32_t before =
        config->n_layer_groups && index == 0 ? bert_config_n_stored_layers(config) : index;
    if (before > 0)
        snprintf(name, sizeof name, "layers.%u.output.norm", before - 1);
    if (before == 1 && config->conv_size)
        snprintf(name, sizeof name, "conv.norm");
    snprintf(bias, sizeof bias, "%s.bias", name);
    strcat(name, ".weight");
    const bert_weight *scales = weights_find(weights, name), *means = weights_find(weights, bias);
    if (before > 0 || !config->projects_embeddings)
        return spread_of_norm(scales, means, out, fault);
    number_spread embeddings = spread_make(config->embedding_size);
    bool ok = spread_is_made(&embeddings) || fault_set(fault, "out of memory");
    ok = ok && spread_of_norm(scales, means, &embeddings, fault) &&
         spread_of_dense(weights_find(weights, "embeddings.projection"),
                         weights_find(weights, "embeddings.projection.bias"), &embeddings, out,
                         fault);
    spread_free(&embeddings);
    return ok;
}

/* The spreads of what is passed on inside a layer, and room for the largest numbers. */
typedef struct layer_spreads {
    number_spread hidden, context, intermediate;
    float *largest;
} layer_spreads;

static bool spreads_open(layer_spreads *spreads, const bert_config *config, fault_text *fault)
{
    uint32_t hidden = config->hidden_size, intermediate = config->intermediate_size;
    *spreads =
        (layer_spreads){spread_make(hidden), spread_make(hidden), spread_make(intermediate),
                        calloc(hidden > intermediate ? hidden : intermediate, sizeof(float))};
    return (spread_is_made(&spreads->hidden) && spread_is_made(&spreads->context) &&
            spread_is_made(&spreads->intermediate) && spreads->largest) ||
           fault_set(fault, "out of memory");
}

static void spreads_close(layer_spreads *spreads)
{
    spread_free(&spreads->hidden);
    spread_free(&spreads->context);
    spread_free(&spreads->intermediate);
    free(spreads->largest);
}

static bool smooth_expected(bert_weights *weights, uint32_t index, layer_spreads *spreads,
                            fault_text *fault)
{
    layer_sites sites = find_sites(weights, index);
    number_spread *hidden = &spreads->hidden, *context = &spreads->context;
    number_spread *intermediate = &spreads->intermediate;
    float *largest = spreads->largest;

    if (!spread_of_input(weights, index, hidden, fault))
        return false;
    largest_of(hidden, largest);
    if (!smooth(sites.attention, 3, largest, ESTIMATED_ALPHA, fault) ||
        !spread_of_dense(sites.attention[2], find(weights, index, ".attention.value.bias"), hidden,
                         context, fault))
        return false;
    largest_of(context, largest);
    if (!smooth(&sites.attention_output, 1, largest, ESTIMATED_ALPHA, fault) ||
        !spread_of_norm(find(weights, index, ".attention.norm.weight"),
                        find(weights, index, ".attention.norm.bias"), hidden, fault))
        return false;
    largest_of(hidden, largest);
    if (!smooth(&sites.intermediate, 1, largest, ESTIMATED_ALPHA, fault) ||
        !spread_of_dense(sites.intermediate, find(weights, index, ".intermediate.bias"), hidden,
                         intermediate, fault))
        return false;
    largest_activated(intermediate, largest);
    return smooth(&sites.output, 1, largest, ESTIMATED_ALPHA, fault);
}

bool smooth_layers(bert_weights *weights, const calibration_data *calibration, fault_text *fault)
{
    layer_spreads spreads;
    bool ok = spreads_open(&spreads, &weights->config, fault);
    for (uint32_t i = 0; ok && i < bert_config_n_stored_layers(&weights->config); i++)
        ok = calibration ? smooth_measured(weights, i, calibration, fault)
                         : smooth_expected(weights, i, &spreads, fault);
    spreads_close(&spreads);
    return ok;
}

/*
 * smooth.c - SmoothQuant (Xiao et al. 2022, arXiv 2211.10438, equation 4), with root mean squares
 * in place of largest numbers: input k is divided by
 *
 *     s_k = rms of input k ^ a / rms of the weights of input k ^ (1 - a)
 *
 * and its weights are multiplied by it. Of several a, and of no factors at all, each site takes
 * what leaves the least error of its products: so smoothing never hurts where it is measured.
 *
 * The error is not computed by products, but from what rounding does to each input and each weight:
 * these errors are as good as independent, so their squares add up. Over MiniLM-L6, MiniLM-L3, E5
 * and a classifier the choice is as good as with the products, for a hundredth of the work.
 *
 * Rejected, see docs/decisions.md: largest inputs, measured or estimated from the norms before them
 * (what comes out of GELU has a few huge ones, and products of those sites became 10 times worse);
 * clipped weights; rotated inputs.
 */
#include "quantise/smooth.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "maths/maths.h"

/* What is tried as a. */
static const float EXPONENTS[] = {0.3f, 0.4f, 0.5f, 0.6f};
#define N_EXPONENTS (sizeof EXPONENTS / sizeof *EXPONENTS)

/* Query, key and value have the same inputs. */
#define MAX_MATRICES 3

/* Adding it rounds a float to a whole number. */
#define ROUND 0x1.8p23f

/* The matrices of a layer that have the same inputs, and their numbers. */
typedef struct smooth_site {
    const calibration_site *inputs;
    uint32_t depth;
    int n_matrices;
    bert_weight *matrices[MAX_MATRICES];
    float *values[MAX_MATRICES];   /* [depth, n_columns] */
    double *squares[MAX_MATRICES]; /* [depth], sums over columns */
    bert_integers integers;        /* that they are rounded to */
} smooth_site;

static void find_site(smooth_site *site, const bert_weights *weights, uint32_t layer,
                      bert_site which)
{
    static const char *const names[BERT_SITE_COUNT][MAX_MATRICES + 1] = {
        [BERT_SITE_ATTENTION] = {".attention.query", ".attention.key", ".attention.value"},
        [BERT_SITE_ATTENTION_OUTPUT] = {".attention.output"},
        [BERT_SITE_INTERMEDIATE] = {".intermediate"},
        [BERT_SITE_OUTPUT] = {".output"}};
    char name[BERT_MAX_NAME + 1];
    for (int i = 0; names[which][i]; i++) {
        snprintf(name, sizeof name, "layers.%u%s", layer, names[which][i]);
        site->matrices[site->n_matrices++] = weights_find(weights, name);
    }
    site->depth = site->matrices[0]->n_rows;
}

static bool open_site(smooth_site *site, fault_text *fault)
{
    for (int i = 0; i < site->n_matrices; i++) {
        const float *values = site->values[i] = weights_floats(site->matrices[i], fault);
        double *squares = site->squares[i] = calloc(site->depth, sizeof *squares);
        uint32_t n = site->matrices[i]->n_columns;
        if (!values || !squares)
            return values ? fault_set(fault, "out of memory") : false;
        for (size_t k = 0; k < site->depth; k++)
            for (size_t j = 0; j < n; j++)
                squares[k] += (double)values[k * n + j] * values[k * n + j];
    }
    return true;
}

static void close_site(smooth_site *site)
{
    for (int i = 0; i < site->n_matrices; i++) {
        free(site->values[i]);
        free(site->squares[i]);
    }
}

/* 1 / s for one exponent. */
static void find_factors(const smooth_site *site, float exponent, float *factors)
{
    double n_rows = (double)site->inputs->n_seen, n_columns = 0;
    for (int i = 0; i < site->n_matrices; i++)
        n_columns += site->matrices[i]->n_columns;
    for (uint32_t k = 0; k < site->depth; k++) {
        double weights = 0;
        for (int i = 0; i < site->n_matrices; i++)
            weights += site->squares[i][k];
        double s = maths_pow(sqrt(site->inputs->squares[k] / n_rows), exponent) /
                   maths_pow(sqrt(weights / n_columns), 1 - exponent);
        /* A weight or an input that is always 0 says nothing. */
        factors[k] = s > 1e-6 && s < 1e6 ? (float)(1 / s) : 1;
    }
}

/* What is lost by rounding a matrix [depth, n]: the sum of squares of each input's weights. False:
 * no memory. */
static bool find_losses(const float *values, uint32_t depth, uint32_t n, const float *factors,
                        int most, double *losses)
{
    float *scales = calloc(2 * (size_t)n + 1, sizeof *scales), *inverses = scales + n;
    if (!scales)
        return false;
    for (uint32_t k = 0; k < depth; k++) {
        const float *row = values + (size_t)k * n, s = 1 / factors[k];
        for (uint32_t j = 0; j < n; j++) {
            float size = fabsf(row[j] * s);
            scales[j] = size > scales[j] ? size : scales[j];
        }
    }
    for (uint32_t j = 0; j < n; j++) {
        scales[j] /= (float)most;
        inverses[j] = scales[j] >= 1e-30f ? 1 / scales[j] : 0;
    }
    for (uint32_t k = 0; k < depth; k++) {
        const float *row = values + (size_t)k * n, s = 1 / factors[k];
        double sum = 0;
        for (uint32_t j = 0; j < n; j++) {
            float level = row[j] * s * inverses[j] + ROUND - ROUND;
            float lost = row[j] - level * scales[j] * factors[k];
            sum += (double)lost * lost;
        }
        losses[k] = sum;
    }
    free(scales);
    return true;
}

/* The error of a row's product with a matrix, over the product's size, both squared. */
static double row_error(const float *row, uint32_t n, const float *factors, int most_level,
                        const double *squares, const double *losses)
{
    float least = INFINITY, most = -INFINITY;
    for (uint32_t k = 0; k < n; k++) {
        least = fminf(least, row[k] * factors[k]);
        most = fmaxf(most, row[k] * factors[k]);
    }
    float step = (most - least) / (float)most_level, inverse = step > 1e-30f ? 1 / step : 0;
    double error = 0, size = 0;
    for (uint32_t k = 0; k < n; k++) {
        float level = (row[k] * factors[k] - least) * inverse;
        double lost = row[k] - (least + (level + ROUND - ROUND) * step) / factors[k];
        double square = (double)row[k] * row[k];
        error += lost * lost * squares[k] + square * losses[k];
        size += square * squares[k];
    }
    return size > 0 ? error / size : 0;
}

/* What these factors make of the products of a site: the sum over its rows and matrices. Negative
 * with a fault. */
static double site_error(const smooth_site *site, const float *factors, fault_text *fault)
{
    uint32_t depth = site->depth;
    int most_weight = BERT_MOST_WEIGHT(site->integers),
        most_level = BERT_MOST_LEVEL(site->integers);
    double *losses = calloc(depth, sizeof *losses), sum = 0;
    bool ok = losses != NULL;
    for (int i = 0; ok && i < site->n_matrices; i++) {
        ok = find_losses(site->values[i], depth, site->matrices[i]->n_columns, factors, most_weight,
                         losses);
        for (uint32_t r = 0; ok && r < site->inputs->n_rows; r++)
            sum += row_error(site->inputs->rows + (size_t)r * depth, depth, factors, most_level,
                             site->squares[i], losses);
    }
    free(losses);
    if (!ok)
        fault_set(fault, "out of memory");
    return ok ? sum : -1;
}

/* The best factors in *best, [depth]; `tried` is room for as many. */
static bool choose_factors(const smooth_site *site, float *best, float *tried, fault_text *fault)
{
    for (uint32_t k = 0; k < site->depth; k++)
        best[k] = 1;
    double least = site_error(site, best, fault);
    for (size_t i = 0; least >= 0 && i < N_EXPONENTS; i++) {
        find_factors(site, EXPONENTS[i], tried);
        double error = site_error(site, tried, fault);
        if (error < least) {
            memcpy(best, tried, site->depth * sizeof *best);
            least = error;
        }
    }
    return least >= 0;
}

/* Moments of inputs become those of inputs times their factors. */
static void scale_moments(float *moments, const float *factors, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n; j++)
            moments[i * n + j] *= factors[i] * factors[j];
}

static bool smooth(smooth_site *site, fault_text *fault)
{
    float *factors = calloc(site->depth, sizeof *factors);
    float *tried = calloc(site->depth, sizeof *tried);
    bool ok = (factors && tried) || fault_set(fault, "out of memory");
    ok = ok && open_site(site, fault) && choose_factors(site, factors, tried, fault);
    close_site(site);
    free(tried);
    if (!ok) {
        free(factors);
        return false;
    }
    float *moments = site->inputs->moments;
    if (moments)
        scale_moments(moments, factors, site->depth);
    for (int i = 0; i < site->n_matrices; i++) {
        site->matrices[i]->smooth = factors;
        site->matrices[i]->moments = moments;
    }
    return true;
}

bool smooth_layers(bert_weights *weights, bert_integers integers,
                   const calibration_data *calibration, fault_text *fault)
{
    bool ok = true;
    for (uint32_t i = 0; i < calibration->n_layers; i++)
        for (int which = 0; ok && which < BERT_SITE_COUNT; which++) {
            uint32_t layer = calibration->first_layer + i;
            smooth_site site = {.inputs = calibration_at(calibration, layer, (bert_site)which),
                                .integers = integers};
            find_site(&site, weights, layer, (bert_site)which);
            ok = smooth(&site, fault);
        }
    return ok;
}

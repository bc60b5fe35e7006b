/* calibrate.c - see calibrate.h. */
#include "quantise/calibrate.h"

#include <stdlib.h>
#include <string.h>

/* Adds the products of a row's inputs to the upper triangle of `moments` [n, n]. */
static void add_moments(const float *row, uint32_t n, float *moments)
{
    for (uint32_t i = 0; i < n; i++, moments += n) {
        float x = row[i];
        if (x != 0)
            for (uint32_t j = i; j < n; j++)
                moments[j] += x * row[j];
    }
}

/* Keeps every stride-th row; when there is no more room, every second of those that were kept. */
static void keep_row(calibration_site *site, const float *row)
{
    size_t n = site->n_columns;
    if (site->n_seen++ % site->stride != 0)
        return;
    if (site->n_rows == CALIBRATION_ROWS) {
        site->n_rows /= 2;
        site->stride *= 2;
        for (uint32_t r = 1; r < site->n_rows; r++)
            memcpy(site->rows + r * n, site->rows + 2 * r * n, n * sizeof(float));
    }
    memcpy(site->rows + site->n_rows++ * n, row, n * sizeof(float));
}

void calibration_see(calibration_data *calibration, uint32_t layer, bert_site which,
                     const float *rows, uint32_t n_rows)
{
    calibration_site *site = calibration_at(calibration, layer, which);
    for (uint32_t r = 0; r < n_rows; r++, rows += site->n_columns) {
        for (uint32_t i = 0; i < site->n_columns; i++)
            site->squares[i] += (double)rows[i] * rows[i];
        if (site->moments)
            add_moments(rows, site->n_columns, site->moments);
        keep_row(site, rows);
    }
}

void calibration_observe(void *calibration, uint32_t layer, bert_site which, const float *inputs,
                         uint32_t n_rows, uint32_t n_columns)
{
    (void)n_columns;
    calibration_see(calibration, layer, which, inputs, n_rows);
}

calibration_site *calibration_at(const calibration_data *calibration, uint32_t layer,
                                 bert_site site)
{
    return &calibration->sites[(layer - calibration->first_layer) * BERT_SITE_COUNT + site];
}

bool calibration_alloc(calibration_data *calibration, const bert_config *config,
                       uint32_t first_layer, uint32_t n_layers, bool with_moments,
                       fault_text *fault)
{
    *calibration = (calibration_data){.first_layer = first_layer, .n_layers = n_layers};
    size_t n_sites = (size_t)calibration->n_layers * BERT_SITE_COUNT;
    calibration->sites = calloc(n_sites + 1, sizeof *calibration->sites);
    bool ok = calibration->sites != NULL;
    for (size_t i = 0; ok && i < n_sites; i++) {
        calibration_site *site = &calibration->sites[i];
        uint32_t columns = bert_site_columns(config, (bert_site)(i % BERT_SITE_COUNT));
        size_t n = columns;
        *site = (calibration_site){.n_columns = columns,
                                   .stride = 1,
                                   .squares = calloc(n, sizeof(double)),
                                   .rows = calloc(CALIBRATION_ROWS * n, sizeof(float))};
        if (with_moments)
            site->moments = calloc(n * n, sizeof(float));
        ok = site->squares && site->rows && (site->moments || !with_moments);
    }
    return ok || fault_set(fault, "out of memory for calibration");
}

void calibration_free(calibration_data *calibration)
{
    for (size_t i = 0; calibration->sites && i < (size_t)calibration->n_layers * BERT_SITE_COUNT;
         i++) {
        free(calibration->sites[i].squares);
        free(calibration->sites[i].moments);
        free(calibration->sites[i].rows);
    }
    free(calibration->sites);
    *calibration = (calibration_data){0};
}

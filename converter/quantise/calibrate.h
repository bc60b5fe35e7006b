/*
 * calibrate.h - what the inputs of some layers' products are like.
 */
#ifndef CONVERTER_CALIBRATE_H
#define CONVERTER_CALIBRATE_H

#include "bert.h"
#include "files/fault.h"

/* Rows of a site that are kept: enough to tell factors apart, few enough to be tried often. */
#define CALIBRATION_ROWS 128

/* The inputs of one layer's site (bert.h). */
typedef struct calibration_site {
    uint32_t n_columns;
    double *squares; /* [n_columns], sums over all rows that were seen */
    float *moments;  /* [n_columns, n_columns], sums of products of any two inputs, the upper
                      * triangle; NULL unless asked for: 45 MB a layer of BERT-base */
    size_t n_seen, stride;
    uint32_t n_rows;
    float *rows; /* [n_rows, n_columns]: row 0, stride, 2 stride, ... of those that were seen */
} calibration_site;

typedef struct calibration_data {
    calibration_site *sites;        /* [n_layers, BERT_SITE_COUNT] */
    uint32_t first_layer, n_layers; /* that have weights of their own */
} calibration_data;

/* Room for what is measured of these layers; calibration_free() in any case. */
bool calibration_alloc(calibration_data *calibration, const bert_config *config,
                       uint32_t first_layer, uint32_t n_layers, bool with_moments,
                       fault_text *fault);
void calibration_free(calibration_data *calibration);

calibration_site *calibration_at(const calibration_data *calibration, uint32_t layer,
                                 bert_site site);

/* Takes `n_rows` inputs of a site into account. */
void calibration_see(calibration_data *calibration, uint32_t layer, bert_site site,
                     const float *rows, uint32_t n_rows);

/* A bert_observer whose argument is a calibration. */
void calibration_observe(void *calibration, uint32_t layer, bert_site site, const float *inputs,
                         uint32_t n_rows, uint32_t n_columns);

#endif

/*
 * calibrate.h - what the inputs of a model's products are like, on texts.
 */
#ifndef CONVERTER_CALIBRATE_H
#define CONVERTER_CALIBRATE_H

#include "native/native.h"

/* Rows of a site that are kept: enough to tell factors apart, few enough to be tried often. */
#define CALIBRATION_ROWS 128

/* The inputs of one layer's site (bert.h). */
typedef struct calibration_site {
    uint32_t n_columns;
    double *squares; /* [n_columns], sums over all rows that were seen */
    float *moments;  /* [n_columns, n_columns], sums of products of any two inputs, the upper
                      * triangle; NULL unless asked for: for BERT-base half a gigabyte */
    size_t n_seen, stride;
    uint32_t n_rows;
    float *rows; /* [n_rows, n_columns]: row 0, stride, 2 stride, ... of those that were seen */
} calibration_site;

typedef struct calibration_data {
    size_t n_tokens;
    calibration_site *sites; /* [n_layers, BERT_SITE_COUNT] */
    uint32_t n_layers;       /* that have weights of their own */
} calibration_data;

/* Room for what is measured; calibration_free() in any case. */
bool calibration_alloc(calibration_data *calibration, const bert_config *config, bool with_moments,
                       fault_text *fault);
void calibration_free(calibration_data *calibration);

calibration_site *calibration_at(const calibration_data *calibration, uint32_t layer,
                                 bert_site site);

/* Takes `n_rows` inputs of a site into account. */
void calibration_see(calibration_data *calibration, uint32_t layer, bert_site site,
                     const float *rows, uint32_t n_rows);

/* Runs a batch through `model`, which is not quantised; `what` is for messages. */
bool calibrate_batch(const native_model *model, const bert_batch *batch, const char *what,
                     calibration_data *calibration, fault_text *fault);

/* Runs the texts of a JSON Lines file, each line with `ids` and perhaps `type_ids` as `bert-wasm
 * tokenize` writes them. False for a file or line that cannot be used. */
bool calibrate_file(const native_model *model, const char *path, calibration_data *calibration,
                    fault_text *fault);

#endif

/*
 * calibrate.h - how large the inputs of a model's products are, on texts that users gave.
 */
#ifndef CONVERTER_CALIBRATE_H
#define CONVERTER_CALIBRATE_H

#include "native/native.h"
#include "weights/weights.h"

/* For each layer's weights and site (bert.h), the largest magnitude of every input, and, if asked
 * for, the sums of products of any two: for BERT-base half a gigabyte. */
typedef struct calibration_data {
    size_t n_tokens;
    float *largest[BERT_SITE_COUNT]; /* [stored layers, inputs of the site] */
    float *moments[BERT_SITE_COUNT]; /* [stored layers, inputs, inputs], upper triangles; or NULL */
} calibration_data;

/*
 * Runs the texts of a JSON Lines file, each line with `ids` and perhaps `type_ids` as `bert-wasm
 * tokenize` writes them, through `model`, which is not quantised. False for a file or line that
 * cannot be used; calibration_free() either way.
 */
bool calibrate(const native_model *model, const char *path, bool with_moments,
               calibration_data *calibration, fault_text *fault);

void calibration_free(calibration_data *calibration);

#endif

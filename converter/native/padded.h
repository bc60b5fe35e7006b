/*
 * padded.h - a padded batch, as everybody but the core has it, run by the core and compared with
 * what it is expected to give.
 *
 * Tokens whose mask is 0 are left out and the others keep their positions, as every caller of the
 * core does; only rows of tokens that are there are compared.
 */
#ifndef CONVERTER_PADDED_H
#define CONVERTER_PADDED_H

#include "native/native.h"

typedef struct padded_batch {
    uint32_t n_rows, width, n_tokens;
    uint32_t *lengths;                 /* [n_rows], tokens that are there */
    uint32_t *ids, *types, *positions; /* [n_tokens], with room for n_rows * width */
    uint32_t *places;                  /* [n_tokens], columns of the padded batch */
} padded_batch;

/* Room for a batch; all zeros. padded_free() in any case. */
bool padded_alloc(padded_batch *batch, uint32_t n_rows, uint32_t width, fault_text *fault);
void padded_free(padded_batch *batch);

/* Leaves out the tokens of `ids` and `types` [n_rows * width] whose `mask` is 0. False, and
 * nothing else, if the mask has anything but 0 and 1, or leaves a row empty. */
bool padded_apply_mask(padded_batch *batch, const bert_config *config, const uint32_t *mask);

/* One or all of what an output of the core has, as a graph's output is named: weights.h. */
typedef struct padded_output {
    bert_output output;
    int32_t index;
    const char *activation;
} padded_output;

/* The output's numbers for the batch; free() them. NULL with a fault. */
float *padded_run(const native_model *native, const padded_batch *batch, bert_output output,
                  const char *what, fault_text *fault);

/* How many numbers an output has for the padded batch. */
size_t padded_count(const bert_config *config, const padded_batch *batch,
                    const padded_output *output);

typedef struct comparison {
    double error, largest; /* the largest difference, and the largest expected number */
    size_t count;
} comparison;

/* Adds to `result` what padded_run() gave against `expected` [padded_count()]. */
void padded_compare(const bert_config *config, const padded_batch *batch,
                    const padded_output *output, const float *got, const double *expected,
                    comparison *result);

#endif

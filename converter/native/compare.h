/*
 * compare.h - what the core gives for a padded batch, against what is expected of it.
 *
 * Expected numbers are padded, as a graph gives them; only rows of tokens that are computed are
 * compared.
 */
#ifndef CONVERTER_COMPARE_H
#define CONVERTER_COMPARE_H

#include "native/padded.h"
#include "weights/weights.h"

typedef struct comparison {
    double error, largest; /* the largest difference, and the largest expected number */
    size_t count;
} comparison;

/* How many numbers are expected of an output. */
size_t compare_count(const padded_batch *batch, const output_name *output);

/* Adds to `result` what the core gave against `expected` [compare_count()]. */
void compare_output(const padded_batch *batch, const output_name *output, const float *got,
                    const double *expected, comparison *result);

/* The other way round: what the core gives becomes what is expected, where it gives something. */
void compare_expect(const padded_batch *batch, const output_name *output, const float *got,
                    double *expected);

#endif

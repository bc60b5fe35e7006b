/*
 * pack_q4.h - weights of 4 bits in groups; how they lie is said beside bert_q4_expand() in bert.h.
 */
#ifndef CONVERTER_PACK_Q4_H
#define CONVERTER_PACK_Q4_H

#include <stddef.h>
#include <stdint.h>

#include "files/fault.h"

/*
 * Panels of `values` [n_in, n_out], which are overwritten; `scales` [n_out]. `moments` [n_in,
 * n_in], if not NULL, has sums of products of the inputs in its upper triangle: with them the
 * rounding of each weight makes good the errors of those before it (Frantar et al. 2022, "GPTQ",
 * arXiv 2210.17323). n_in is a multiple of BERT_GROUP.
 */
bool pack_q4_matrix(float *values, uint32_t n_in, uint32_t n_out, const float *moments,
                    uint8_t *units, float *scales, fault_text *fault);

/* Rows of `values` [n_rows, n_columns]; `scales` [n_rows]. n_columns is a multiple of BERT_GROUP.
 */
void pack_q4_table(const float *values, uint64_t n_rows, uint32_t n_columns, uint8_t *units,
                   float *scales);

#endif

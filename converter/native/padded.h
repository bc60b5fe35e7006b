/*
 * padded.h - a padded batch, which everybody but the core has, run by the core.
 *
 * Tokens whose mask is 0 are left out, except one that the model reads by its place, and the others
 * keep their positions: bert_sequence_keep().
 */
#ifndef CONVERTER_PADDED_H
#define CONVERTER_PADDED_H

#include "native/native.h"

typedef struct padded_batch {
    const bert_config *config;
    uint32_t n_rows, width;
    uint32_t *ids, *types; /* [n_rows, width], of padded_apply_mask() [n_tokens] */
    uint8_t *mask;         /* the same: 0 or 1 */
    /* Of padded_apply_mask(): */
    uint32_t n_tokens;
    uint32_t *lengths;   /* [n_rows], tokens that are computed */
    uint32_t *positions; /* [n_tokens] */
    uint32_t *places;    /* [n_tokens], columns of the padded batch */
} padded_batch;

/* Room for a batch; all zeros. `config` must stay. padded_free() in any case. */
bool padded_alloc(padded_batch *batch, const bert_config *config, uint32_t n_rows, uint32_t width,
                  fault_text *fault);
void padded_free(padded_batch *batch);

/* Leaves out what the mask leaves out. False, and the batch is of no use, if a row has no 1. */
bool padded_apply_mask(padded_batch *batch);

/* What the core takes, after padded_apply_mask(); its arrays are those of `batch`. */
bert_batch padded_ragged(const padded_batch *batch);

/* The output's numbers for the tokens that are computed; free() them. NULL with a fault. */
float *padded_run(const native_model *native, const padded_batch *batch, bert_output output,
                  const char *what, fault_text *fault);

#endif

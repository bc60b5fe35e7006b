/*
 * pack.h - weights as the kernels read them: panels, and f32, f16 or 8-bit numbers.
 */
#ifndef CONVERTER_PACK_H
#define CONVERTER_PACK_H

#include "bert.h"
#include "read_bert.h"

/* One tensor to be written: name, dtype and shape as bert.h describes them, and its bytes. */
typedef struct packed {
    char name[BERT_MAX_NAME + 1];
    bert_dtype dtype;
    uint32_t rank;
    uint32_t shape[BERT_MAX_RANK];
    size_t n_bytes;
    void *data; /* NULL until pack_weight(); free() it */
} packed;

/*
 * What a weight becomes: one tensor, or two where a scale follows it. `dtype` is what was asked
 * for; biases, norms and small tables stay F32. Sets everything but the data. Returns how many.
 */
int pack_plan(const weight *weight, bert_dtype dtype, packed out[2]);

/*
 * Fills in the data of what pack_plan() planned. 8 bits: symmetric, a scale an output column
 * or a table row, |integer| <= 127, rounded to nearest, ties to even. False where a number is no
 * finite one, or does not fit the dtype.
 */
bool pack_weight(const weight *weight, packed out[2], fault *fault);

#endif

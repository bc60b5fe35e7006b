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

#define PACK_MAX_TENSORS 3

/*
 * What a weight becomes: its tensor, after the factors of its inputs where it has them and leads,
 * before its scale where it is 8-bit. `dtype` is what was asked for; biases, norms and small tables
 * stay F32, and of I8 a matrix outside the layers becomes F16. Sets everything but the data.
 * Returns how many.
 */
int pack_plan(const weight *weight, bert_dtype dtype, packed out[PACK_MAX_TENSORS]);

/* The weight as float32: [rows, columns] of a table, [in, out] as in y = x W of a matrix. free()
 * it. NULL after a failure: a number that is not finite. */
float *pack_floats(const weight *weight, fault *fault);

/* Inputs and outputs of a matrix. */
uint32_t pack_n_in(const weight *weight);
uint32_t pack_n_out(const weight *weight);

/*
 * Fills in the data of what pack_plan() planned. 8 bits: symmetric, a scale a table row
 * (|integer| <= 127) or an output column (|integer| <= BERT_I8_MAX, weights divided by their
 * input's factor first), rounded to nearest, ties to even. False where a number is no finite one,
 * or does not fit the dtype.
 */
bool pack_weight(const weight *weight, packed out[PACK_MAX_TENSORS], fault *fault);

#endif

/*
 * pack.h - weights as the kernels read them: panels, and f32, f16, 8-bit or 4-bit numbers.
 */
#ifndef CONVERTER_PACK_H
#define CONVERTER_PACK_H

#include "bert.h"
#include "weights/weights.h"

/* X(NAME, text): what a model can be asked to be stored as. */
#define PACK_DTYPES(X)                                                                             \
    X(F32, "f32")                                                                                  \
    X(F16, "f16")                                                                                  \
    X(Q8, "q8")                                                                                    \
    X(Q4, "q4") /* q8 once it is loaded */

typedef enum pack_dtype {
#define PACK_DTYPE_ENUM(name, text) PACK_##name,
    PACK_DTYPES(PACK_DTYPE_ENUM)
#undef PACK_DTYPE_ENUM
        PACK_DTYPE_COUNT
} pack_dtype;

/* "f32", ...; a static string. */
const char *pack_dtype_name(pack_dtype dtype);

/* Whether the layers' matrices become integers, which smoothing and calibration are for. */
bool pack_is_quantised(pack_dtype dtype);

/* One tensor to be written: name, dtype and shape as bert.h describes them, and its bytes. */
typedef struct packed_tensor {
    char name[BERT_MAX_NAME + 1];
    bert_dtype dtype; /* when loaded */
    uint32_t
        q4_columns; /* columns of a unit of 4-bit numbers, which are U8 in a file; 0: not one */
    uint32_t rank;
    uint32_t shape[BERT_MAX_RANK];
    size_t n_bytes;
    void *data; /* NULL until pack_weight(); free() it */
} packed_tensor;

#define PACK_MAX_TENSORS 3

/*
 * What a weight becomes: its tensor, after the factors of its inputs where it has them and leads,
 * before its scale where it is quantised. `dtype` is what was asked for; biases, norms and small
 * tables stay F32, of q8 and q4 a matrix outside the layers becomes F16, and of q4 what is not in
 * whole groups becomes 8-bit. Sets everything but the data. Returns how many.
 */
int pack_plan(const bert_weight *weight, pack_dtype dtype, packed_tensor out[PACK_MAX_TENSORS]);

/* Inputs and outputs of a matrix. */
uint32_t pack_n_in(const bert_weight *weight);
uint32_t pack_n_out(const bert_weight *weight);

/*
 * Fills in the data of what pack_plan() planned. 8 bits: symmetric, a scale a table row
 * (|integer| <= 127) or an output column (|integer| <= BERT_I8_MAX, weights divided by their
 * input's factor first), rounded to nearest, ties to even; 4 bits: pack_q4.h. False where a number
 * is no finite one, or does not fit the dtype.
 */
bool pack_weight(const bert_weight *weight, packed_tensor out[PACK_MAX_TENSORS], fault_text *fault);

#endif

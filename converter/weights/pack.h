/*
 * pack.h - weights as the kernels read them: panels, and f32, f16, 8-bit or 4-bit numbers.
 */
#ifndef CONVERTER_PACK_H
#define CONVERTER_PACK_H

#include "bert.h"
#include "weights/weights.h"

/* What a model can be asked to be stored as. */
typedef enum pack_dtype {
    PACK_F32,
    PACK_F16,
    PACK_Q8, /* integers of 8 bits */
    PACK_Q7, /* of 7 bits, which some machines multiply faster */
    PACK_Q4, /* q8 once it is loaded */
    PACK_DTYPE_COUNT
} pack_dtype;

/* "f32", ...; a static string. */
const char *pack_dtype_name(pack_dtype dtype);

/* Whether the layers' matrices become integers, which smoothing and calibration are for. */
bool pack_is_quantised(pack_dtype dtype);

/* The integers of the dtype; and the weights' config with them. */
bert_integers pack_integers(pack_dtype dtype);
bert_config pack_config(const bert_weights *weights, pack_dtype dtype);

/* One tensor of a model file: name, dtype and shape as bert.h describes them, and its bytes. */
typedef struct packed_tensor {
    char name[BERT_MAX_NAME + 1];
    bert_dtype dtype; /* when loaded */
    bool is_q4;       /* units of 4-bit numbers, which are U8 in a file */
    uint32_t rank;
    uint32_t shape[BERT_MAX_RANK];
    size_t n_bytes;
    void *data; /* [n_bytes]; NULL: planned only */
} packed_tensor;

/* Most tensors that a weight becomes: factors, numbers, scales. */
#define PACK_MAX_TENSORS 3

/*
 * What a weight becomes, in the order of the file: all but the data. Returns how many there are.
 *
 * `dtype` is what was asked for: biases, norms and small tables stay F32, of q8, q7 and q4 a matrix
 * outside the layers becomes F16, and of q4 what is not in whole groups becomes 8-bit. Integers:
 * symmetric, a scale a table row (|integer| <= 127) or an output column (|integer| <=
 * BERT_MOST_WEIGHT, weights divided by their input's factor first), rounded to nearest, ties to
 * even; 4 bits: pack_q4.h. Factors of inputs come before the first matrix that they are for, a
 * scale after what it is for.
 */
int pack_plan(const bert_weight *weight, pack_dtype dtype, packed_tensor out[PACK_MAX_TENSORS]);

/* Fills in the data of the `n` planned tensors, for which there is room; a layer's matrix that
 * becomes integers has its factors by now. `values` are the weight's numbers, if the caller has
 * them: of a table or vector; or NULL. False with a fault if a number is not finite, or does not
 * fit the dtype. */
bool pack_fill(const bert_weight *weight, pack_dtype dtype, const float *values, int n,
               packed_tensor out[PACK_MAX_TENSORS], fault_text *fault);

#endif

/*
 * q4.c - weights of 4 bits, as they lie in a file, become the 8-bit ones that the kernels read.
 *
 * A group's scale is a whole multiple of its column's (or row's), so that this is a multiplication
 * of small integers: nothing is rounded a second time, and the sums stay integers of one scale.
 */
#include <assert.h>
#include <string.h>

#include "bert.h"
#include "simd.h"

uint32_t bert_q4_tensor(const uint32_t units[3], bert_tensor *tensor)
{
    uint32_t n_rows = units[0], n_inputs = units[1] * BERT_GROUP;
    if (units[2] == BERT_Q4_UNIT_BYTES(1)) {
        tensor->rank = 2;
        memcpy(tensor->shape, (uint32_t[BERT_MAX_RANK]){n_rows, n_inputs}, sizeof tensor->shape);
    } else if (units[2] == BERT_Q4_UNIT_BYTES(BERT_PANEL)) {
        tensor->rank = 4;
        memcpy(tensor->shape, (uint32_t[]){n_rows, n_inputs / BERT_QUAD, BERT_PANEL, BERT_QUAD},
               sizeof tensor->shape);
    } else {
        return 0;
    }
    uint32_t n_columns = tensor->rank == 2 ? 1 : BERT_PANEL;
    tensor->dtype = BERT_DTYPE_I8;
    tensor->n_bytes = (size_t)n_rows * n_inputs * n_columns;
    return n_columns;
}

/* Bytes of integers -8 .. 7 times bytes. */
static inline v128_t multiply(v128_t nibbles, v128_t multipliers)
{
    return wasm_i8x16_narrow_i16x8(wasm_i16x8_extmul_low_i8x16(nibbles, multipliers),
                                   wasm_i16x8_extmul_high_i8x16(nibbles, multipliers));
}

void bert_q4_expand(const uint8_t *units, size_t n_units, uint32_t n_columns, int8_t *values)
{
    assert(n_columns == 1 || n_columns == BERT_PANEL);
    v128_t eight = wasm_i8x16_splat(8), fifteen = wasm_i8x16_splat(15), low, high;
    for (size_t u = 0; u < n_units; u++) {
        if (n_columns == BERT_PANEL) {
            v128_t m = wasm_v128_load64_zero(units);
            low = wasm_i8x16_shuffle(m, m, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
            high = wasm_i8x16_shuffle(m, m, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7);
        } else {
            low = high = wasm_i8x16_splat((int8_t)*units);
        }
        units += n_columns;
        for (uint32_t i = 0; i < n_columns; i++, units += BERT_GROUP / 2, values += BERT_GROUP) {
            v128_t bytes = wasm_v128_load(units);
            v128_t first = wasm_i8x16_sub(wasm_v128_and(bytes, fifteen), eight);
            v128_t second = wasm_i8x16_sub(wasm_u8x16_shr(bytes, 4), eight);
            wasm_v128_store(values, multiply(first, low));
            wasm_v128_store(values + BERT_GROUP / 2, multiply(second, high));
        }
    }
}

/* finish.h - the last step of every product, where its sums become results. */
#ifndef BERT_FINISH_H
#define BERT_FINISH_H

#include "kernels.h"
#include "simd.h"
#include "vector_math.h"

/* c = activation(x) + residual for the columns of one row in one panel, the first of which is
 * element `at` of c; beyond `n_columns` nothing is stored. */
INLINE void finish_panel(v128_t x[2], size_t at, uint32_t n_columns, const product *out)
{
    math_activate(x, 2, out->activation);
    if (n_columns >= BERT_PANEL) {
        for (int j = 0; j < 2; j++) {
            if (out->residual)
                x[j] = wasm_f32x4_add(x[j], wasm_v128_load(out->residual + at + 4 * j));
            wasm_v128_store(out->c + at + 4 * j, x[j]);
        }
        return;
    }
    for (uint32_t j = 0; 4 * j < n_columns; j++) {
        uint32_t left = n_columns - 4 * j;
        if (out->residual)
            x[j] = wasm_f32x4_add(x[j], simd_load_first(out->residual + at + 4 * j, left, 0));
        simd_store_first(out->c + at + 4 * j, x[j], left);
    }
}

#endif

/*
 * random.c - see random.h. Four counters at a time, a lane each. Rejected: a generator with a state
 * (the order of draws would be that of threads), one word for several numbers (this costs about 1 %
 * of a step).
 */
#include "random.h"

#define ROUNDS 10

/* The upper and lower halves of the lanes' products. */
INLINE void multiply(v128_t a, v128_t b, v128_t *high, v128_t *low)
{
    v128_t first = wasm_u64x2_extmul_low_u32x4(a, b), last = wasm_u64x2_extmul_high_u32x4(a, b);
    *low = wasm_i32x4_shuffle(first, last, 0, 2, 4, 6);
    *high = wasm_i32x4_shuffle(first, last, 1, 3, 5, 7);
}

void random_lot(const random_place *place, uint32_t lot, v128_t words[4])
{
    v128_t c0 = wasm_i32x4_add(wasm_i32x4_splat((int32_t)(4 * lot)), wasm_i32x4_make(0, 1, 2, 3));
    v128_t c1 = wasm_i32x4_splat((int32_t)place->row), c2 = wasm_i32x4_splat((int32_t)place->site);
    v128_t c3 = wasm_i32x4_splat((int32_t)place->step);
    v128_t m0 = wasm_i32x4_splat((int32_t)0xd2511f53), m1 = wasm_i32x4_splat((int32_t)0xcd9e8d57);
    uint32_t k0 = place->seed, k1 = place->pass;
    for (int round = 0; round < ROUNDS; round++, k0 += 0x9e3779b9, k1 += 0xbb67ae85) {
        v128_t high0, low0, high1, low1;
        multiply(c0, m0, &high0, &low0);
        multiply(c2, m1, &high1, &low1);
        c0 = wasm_v128_xor(wasm_v128_xor(high1, c1), wasm_i32x4_splat((int32_t)k0));
        c2 = wasm_v128_xor(wasm_v128_xor(high0, c3), wasm_i32x4_splat((int32_t)k1));
        c1 = low1;
        c3 = low0;
    }
    words[0] = c0;
    words[1] = c1;
    words[2] = c2;
    words[3] = c3;
}

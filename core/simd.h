/*
 * simd.h - the only place that knows which 128-bit SIMD there is.
 *
 * Kernels are written once, in WebAssembly's own intrinsics (wasm_f32x4_add, ...):
 *
 *     base       wasm with -msimd128
 *     relaxed    wasm with -msimd128 -mrelaxed-simd: multiply-adds and dots of one instruction
 *     native     through SIMDe, so that tests and sanitizers run on the code that ships
 *     scalar     SIMDe without native instructions (config=scalar), to find a wrong intrinsic
 *
 * Rejected: compiler vector extensions (no relaxed operations), one file per instruction set (four
 * places for one idea).
 */
#ifndef BERT_SIMD_H
#define BERT_SIMD_H

#include <stddef.h>

#ifdef __wasm_simd128__
#include <wasm_simd128.h>
#else
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/wasm/simd128.h>
#endif

/* For functions with arguments that are constants where they are called, or that are part of a hot
 * loop. */
#define INLINE static inline __attribute__((always_inline))

/* a * b + c, rounded twice: the same bits in every build, on every machine. */
static inline v128_t simd_madd(v128_t a, v128_t b, v128_t c)
{
    return wasm_f32x4_add(wasm_f32x4_mul(a, b), c);
}

#ifdef __wasm_relaxed_simd__
#define SIMD_RELAXED_MADD 1

/* The same, rounded once on every CPU that can: its last bit is the machine's. */
static inline v128_t simd_relaxed_madd(v128_t a, v128_t b, v128_t c)
{
    return wasm_f32x4_relaxed_madd(a, b, c);
}
#endif

#if !defined(__wasm_simd128__) || defined(__wasm_relaxed_simd__)
#define SIMD_RELAXED_DOT 1
#endif

#ifdef SIMD_RELAXED_DOT
/*
 * Lane i: a[2 i] b[2 i] + a[2 i + 1] b[2 i + 1], 16 bits a lane. `b` holds 0 .. 127, so every
 * engine agrees. Natively in plain C: SIMDe has no relaxed dot products.
 */
static inline v128_t simd_dot_i16(v128_t a, v128_t b)
{
#ifdef __wasm_simd128__
    return wasm_i16x8_relaxed_dot_i8x16_i7x16(a, b);
#else
    v128_t even = wasm_i16x8_mul(wasm_i16x8_shr(wasm_i16x8_shl(a, 8), 8),
                                 wasm_i16x8_shr(wasm_i16x8_shl(b, 8), 8));
    return wasm_i16x8_add(even, wasm_i16x8_mul(wasm_i16x8_shr(a, 8), wasm_i16x8_shr(b, 8)));
#endif
}

/* Lane i of sum, plus the four products of bytes 4 i .. 4 i + 3. Bytes of `b` beyond 127 are signed
 * or not as the engine has it, which `is_signed` must say; natively as that says. */
static inline v128_t simd_dot_i32(v128_t a, v128_t b, v128_t sum, int is_signed)
{
#ifdef __wasm_simd128__
    (void)is_signed;
    return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(a, b, sum);
#else
    if (is_signed)
        return wasm_i32x4_add(sum, wasm_i32x4_extadd_pairwise_i16x8(simd_dot_i16(a, b)));
    v128_t even = wasm_i16x8_mul(wasm_i16x8_shr(wasm_i16x8_shl(a, 8), 8),
                                 wasm_v128_and(b, wasm_i16x8_splat(255)));
    v128_t odd = wasm_i16x8_mul(wasm_i16x8_shr(a, 8), wasm_u16x8_shr(b, 8));
    return wasm_i32x4_add(sum, wasm_i32x4_add(wasm_i32x4_extadd_pairwise_i16x8(even),
                                              wasm_i32x4_extadd_pairwise_i16x8(odd)));
#endif
}
#endif

/*
 * The same pointer, but the compiler no longer knows what it points to, so that constants are
 * loaded. JavaScript engines make a constant vector with four or five instructions wherever it is
 * used; a load is one.
 */
static inline const float *simd_opaque(const float *p)
{
    __asm__("" : "+r"(p));
    return p;
}

/* The first `n` (1 to 4) floats at `p`, the rest `fill`: for the end of a row. */
static inline v128_t simd_load_first(const float *p, size_t n, float fill)
{
    if (n >= 4)
        return wasm_v128_load(p);
    float lanes[4] = {fill, fill, fill, fill};
    for (size_t i = 0; i < n; i++)
        lanes[i] = p[i];
    return wasm_v128_load(lanes);
}

static inline void simd_store_first(float *p, v128_t x, size_t n)
{
    if (n >= 4) {
        wasm_v128_store(p, x);
        return;
    }
    float lanes[4];
    wasm_v128_store(lanes, x);
    for (size_t i = 0; i < n; i++)
        p[i] = lanes[i];
}

/* (lane 0 + lane 2) + (lane 1 + lane 3): one order, so that sums have the same bits everywhere. */
static inline float simd_sum(v128_t x)
{
    v128_t pair = wasm_f32x4_add(x, wasm_i32x4_shuffle(x, x, 2, 3, 0, 1));
    return wasm_f32x4_extract_lane(pair, 0) + wasm_f32x4_extract_lane(pair, 1);
}

static inline float simd_max(v128_t x)
{
    v128_t pair = wasm_f32x4_pmax(x, wasm_i32x4_shuffle(x, x, 2, 3, 0, 1));
    float a = wasm_f32x4_extract_lane(pair, 0), b = wasm_f32x4_extract_lane(pair, 1);
    return a < b ? b : a;
}

/* Four int8 at `p` as floats; eight are read by two calls. */
static inline v128_t simd_load_i8(const int8_t *p)
{
    v128_t i16 = wasm_i16x8_extend_low_i8x16(wasm_v128_load32_zero(p));
    return wasm_f32x4_convert_i32x4(wasm_i32x4_extend_low_i16x8(i16));
}

/*
 * Four IEEE 754 binary16 numbers at `p` as floats, exactly. The exponent is re-biased by a
 * multiplication with 2^112, which also makes subnormals right; infinities and NaN are set apart.
 */
static inline v128_t simd_load_f16(const uint16_t *p)
{
    v128_t half = wasm_u32x4_load16x4(p);
    v128_t sign = wasm_i32x4_shl(wasm_v128_and(half, wasm_i32x4_splat(0x8000)), 16);
    v128_t bits = wasm_i32x4_shl(wasm_v128_and(half, wasm_i32x4_splat(0x7fff)), 13);
    v128_t scaled = wasm_f32x4_mul(bits, wasm_f32x4_splat(0x1p112f));
    v128_t special = wasm_i32x4_ge(bits, wasm_i32x4_splat(0x7c00 << 13));
    v128_t infinity = wasm_v128_or(bits, wasm_i32x4_splat(0x7f800000));
    return wasm_v128_or(sign, wasm_v128_bitselect(infinity, scaled, special));
}

#endif

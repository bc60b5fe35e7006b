/*
 * vector_math.h - exp, erf, tanh and the activations, four floats at a time.
 *
 * Made of +, *, / and integer operations alone, so that native and base wasm give the same bits.
 * Largest errors against double precision, checked by tests/c/test_ops.c over the whole range:
 *
 *     exp        3e-7 relative          gelu       1.1e-6 absolute on [-6, 6], then 2e-7 |x|
 *     erf, tanh  4e-7 absolute          gelu_tanh  likewise
 *
 * erf and tanh are odd rational functions x P(x^2) / Q(x^2), fitted by tests/tools/fit_rational.py.
 * Rejected: exp-based erf and tanh, which lose all relative precision near 0.
 */
#ifndef BERT_VECTOR_MATH_H
#define BERT_VECTOR_MATH_H

#include "bert.h"
#include "simd.h"

/* c[n-1] x^(n-1) + ... + c[1] x + c[0] by Horner's rule. `c` is simd_opaque(). */
static inline v128_t math_polynomial(v128_t x, const float *c, int n)
{
    v128_t y = wasm_v128_load32_splat(c + n - 1);
    for (int i = n - 2; i >= 0; i--)
        y = simd_madd(y, x, wasm_v128_load32_splat(c + i));
    return y;
}

static inline v128_t math_clamp(v128_t x, v128_t bound)
{
    return wasm_f32x4_pmin(bound, wasm_f32x4_pmax(wasm_f32x4_neg(bound), x));
}

/*
 * e^x for x <= 88; below -87 the result is the smallest normal number, not zero.
 * x = n ln 2 + r with |r| <= ln 2 / 2 (ln 2 in two parts, Cody and Waite 1980), e^r by a polynomial
 * of degree 5 (relative error 9.1e-8), times 2^n in the exponent bits. Adding 1.5 * 2^23 rounds to
 * a whole number and leaves it in the low bits, which saves two conversions; the exponent's bias is
 * in there too.
 */
static inline v128_t math_exp(v128_t x)
{
    static const float constants[] = {-87.0f,           1.44269504f,      0x1.8p23f + 127,
                                      -0.693359375f,    2.12194440e-4f,   1.000000000e+00f,
                                      9.999997072e-01f, 4.999914952e-01f, 1.666763623e-01f,
                                      4.189793029e-02f, 8.290312684e-03f};
    const float *c = simd_opaque(constants);
    v128_t round = wasm_v128_load32_splat(c + 2);
    x = wasm_f32x4_pmax(wasm_v128_load32_splat(c), x);
    v128_t rounded = simd_madd(x, wasm_v128_load32_splat(c + 1), round);
    v128_t n = wasm_f32x4_sub(rounded, round);
    v128_t r = simd_madd(n, wasm_v128_load32_splat(c + 3), x);
    r = simd_madd(n, wasm_v128_load32_splat(c + 4), r);
    return wasm_f32x4_mul(math_polynomial(r, c + 5, 6), wasm_i32x4_shl(rounded, 23));
}

static inline v128_t math_erf(v128_t x)
{
    static const float constants[] = {1.128379140e+00f,
                                      1.935246234e-01f,
                                      5.309845523e-02f,
                                      3.882294522e-03f,
                                      2.845149049e-04f,
                                      1.986596462e-06f,
                                      1.000000000e+00f,
                                      5.048392947e-01f,
                                      1.153410200e-01f,
                                      1.520518448e-02f,
                                      1.185264373e-03f,
                                      3.741553820e-05f,
                                      4.0f};
    const float *c = simd_opaque(constants);
    x = math_clamp(x, wasm_v128_load32_splat(c + 12));
    v128_t t = wasm_f32x4_mul(x, x);
    v128_t y = wasm_f32x4_div(math_polynomial(t, c, 6), math_polynomial(t, c + 6, 6));
    return math_clamp(wasm_f32x4_mul(x, y), wasm_v128_load32_splat(c + 6));
}

static inline v128_t math_tanh(v128_t x)
{
    static const float constants[] = {9.999999999e-01f,
                                      1.385591334e-01f,
                                      4.094273702e-03f,
                                      3.300381494e-05f,
                                      4.573701212e-08f,
                                      -3.174826797e-11f,
                                      2.579078082e-14f,
                                      1.000000000e+00f,
                                      4.718924657e-01f,
                                      2.805843065e-02f,
                                      4.350712143e-04f,
                                      1.669999426e-06f,
                                      9.0f};
    const float *c = simd_opaque(constants);
    x = math_clamp(x, wasm_v128_load32_splat(c + 12));
    v128_t t = wasm_f32x4_mul(x, x);
    v128_t y = wasm_f32x4_div(math_polynomial(t, c, 7), math_polynomial(t, c + 7, 5));
    return math_clamp(wasm_f32x4_mul(x, y), wasm_v128_load32_splat(c + 7));
}

/* x Phi(x) = x (1 + erf(x / sqrt 2)) / 2: Hendrycks & Gimpel 2016, "Gaussian Error Linear Units".
 */
static inline v128_t math_gelu(v128_t x)
{
    v128_t half = wasm_f32x4_mul(x, wasm_f32x4_splat(0.5f));
    return simd_madd(half, math_erf(wasm_f32x4_mul(x, wasm_f32x4_splat(0.707106781f))), half);
}

/* x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2: the same paper, section 2. */
static inline v128_t math_gelu_tanh(v128_t x)
{
    v128_t half = wasm_f32x4_mul(x, wasm_f32x4_splat(0.5f));
    v128_t cubic = wasm_f32x4_mul(wasm_f32x4_mul(x, x), wasm_f32x4_splat(0.044715f));
    v128_t inner = wasm_f32x4_mul(simd_madd(cubic, x, x), wasm_f32x4_splat(0.797884561f));
    return simd_madd(half, math_tanh(inner), half);
}

static inline v128_t math_activate(v128_t x, bert_activation activation)
{
    switch (activation) {
    case BERT_ACTIVATION_GELU:
        return math_gelu(x);
    case BERT_ACTIVATION_GELU_TANH:
        return math_gelu_tanh(x);
    case BERT_ACTIVATION_TANH:
        return math_tanh(x);
    case BERT_ACTIVATION_RELU:
        return wasm_f32x4_pmax(wasm_f32x4_const(0, 0, 0, 0), x);
    case BERT_ACTIVATION_NONE:
        break;
    }
    return x;
}

#endif

/*
 * vector_math.h - exp, erf, tanh and the activations, four floats at a time.
 *
 * Made of +, *, / and integer operations alone, so that every build gives the same bits.
 * Largest errors against double precision, checked by tests/c/test_kernels.c over the whole range:
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

/*
 * Every function works on `n` vectors at `x`, in place; n is a constant, 1 to 4. Several vectors
 * share the loads of the constants, and do not wait for each other's sums.
 */

/* y = c[degree] x^degree + ... + c[1] x + c[0] by Horner's rule. `c` is simd_opaque(). */
INLINE void math_polynomial(const v128_t *x, int n, const float *c, int degree, v128_t *y)
{
    for (int i = 0; i < n; i++)
        y[i] = wasm_v128_load32_splat(c + degree);
    for (int k = degree - 1; k >= 0; k--) {
        v128_t coefficient = wasm_v128_load32_splat(c + k);
        for (int i = 0; i < n; i++)
            y[i] = simd_madd(y[i], x[i], coefficient);
    }
}

INLINE void math_clamp(v128_t *x, int n, v128_t bound)
{
    v128_t least = wasm_f32x4_neg(bound);
    for (int i = 0; i < n; i++)
        x[i] = wasm_f32x4_pmin(bound, wasm_f32x4_pmax(least, x[i]));
}

/*
 * e^x for x <= 88; below -87 the result is the smallest normal number, not zero.
 * x = n ln 2 + r with |r| <= ln 2 / 2 (ln 2 in two parts, Cody and Waite 1980), e^r by a polynomial
 * of degree 5 (relative error 9.1e-8), times 2^n in the exponent bits. Adding 1.5 * 2^23 rounds to
 * a whole number and leaves it in the low bits, which saves two conversions; the exponent's bias is
 * in there too.
 */
INLINE void math_exp(v128_t *x, int n)
{
    static const float constants[] = {-87.0f,           1.44269504f,      0x1.8p23f + 127,
                                      -0.693359375f,    2.12194440e-4f,   1.000000000e+00f,
                                      9.999997072e-01f, 4.999914952e-01f, 1.666763623e-01f,
                                      4.189793029e-02f, 8.290312684e-03f};
    const float *c = simd_opaque(constants);
    v128_t rounded[4], r[4];
    for (int i = 0; i < n; i++) {
        v128_t round = wasm_v128_load32_splat(c + 2);
        x[i] = wasm_f32x4_pmax(wasm_v128_load32_splat(c), x[i]);
        rounded[i] = simd_madd(x[i], wasm_v128_load32_splat(c + 1), round);
        v128_t whole = wasm_f32x4_sub(rounded[i], round);
        r[i] = simd_madd(whole, wasm_v128_load32_splat(c + 3), x[i]);
        r[i] = simd_madd(whole, wasm_v128_load32_splat(c + 4), r[i]);
    }
    math_polynomial(r, n, c + 5, 5, x);
    for (int i = 0; i < n; i++)
        x[i] = wasm_f32x4_mul(x[i], wasm_i32x4_shl(rounded[i], 23));
}

/* x P(x^2) / Q(x^2), where |x| is limited to `bound` and the result to 1. */
INLINE void math_odd_rational(v128_t *x, int n, float bound, const float *p, int p_degree,
                              const float *q, int q_degree)
{
    v128_t square[4], above[4], below[4];
    math_clamp(x, n, wasm_f32x4_splat(bound));
    for (int i = 0; i < n; i++)
        square[i] = wasm_f32x4_mul(x[i], x[i]);
    math_polynomial(square, n, p, p_degree, above);
    math_polynomial(square, n, q, q_degree, below);
    for (int i = 0; i < n; i++)
        x[i] = wasm_f32x4_mul(x[i], wasm_f32x4_div(above[i], below[i]));
    math_clamp(x, n, wasm_f32x4_splat(1));
}

INLINE void math_erf(v128_t *x, int n)
{
    static const float p[] = {1.128379140e+00f, 1.935246234e-01f, 5.309845523e-02f,
                              3.882294522e-03f, 2.845149049e-04f, 1.986596462e-06f};
    static const float q[] = {1.000000000e+00f, 5.048392947e-01f, 1.153410200e-01f,
                              1.520518448e-02f, 1.185264373e-03f, 3.741553820e-05f};
    math_odd_rational(x, n, 4, simd_opaque(p), 5, simd_opaque(q), 5);
}

INLINE void math_tanh(v128_t *x, int n)
{
    static const float p[] = {9.999999999e-01f, 1.385591334e-01f, 4.094273702e-03f,
                              3.300381494e-05f, 4.573701212e-08f, -3.174826797e-11f,
                              2.579078082e-14f};
    static const float q[] = {1.000000000e+00f, 4.718924657e-01f, 2.805843065e-02f,
                              4.350712143e-04f, 1.669999426e-06f};
    math_odd_rational(x, n, 9, simd_opaque(p), 6, simd_opaque(q), 4);
}

/* x Phi(x) = x (1 + erf(x / sqrt 2)) / 2: Hendrycks & Gimpel 2016, "Gaussian Error Linear Units" */
INLINE void math_gelu(v128_t *x, int n)
{
    v128_t half[4];
    for (int i = 0; i < n; i++) {
        half[i] = wasm_f32x4_mul(x[i], wasm_f32x4_splat(0.5f));
        x[i] = wasm_f32x4_mul(x[i], wasm_f32x4_splat(0.707106781f));
    }
    math_erf(x, n);
    for (int i = 0; i < n; i++)
        x[i] = simd_madd(half[i], x[i], half[i]);
}

/* x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2: the same paper, section 2. */
INLINE void math_gelu_tanh(v128_t *x, int n)
{
    v128_t half[4];
    for (int i = 0; i < n; i++) {
        half[i] = wasm_f32x4_mul(x[i], wasm_f32x4_splat(0.5f));
        v128_t cubic = wasm_f32x4_mul(wasm_f32x4_mul(x[i], x[i]), wasm_f32x4_splat(0.044715f));
        x[i] = wasm_f32x4_mul(simd_madd(cubic, x[i], x[i]), wasm_f32x4_splat(0.797884561f));
    }
    math_tanh(x, n);
    for (int i = 0; i < n; i++)
        x[i] = simd_madd(half[i], x[i], half[i]);
}

/* x / (1 + e^-x): the same section, and Elfwing, Uchibe & Doya 2017, section 2.1. Below -88, where
 * e^-x overflows, x is taken for -88: the result is nearly zero. */
INLINE void math_silu(v128_t *x, int n)
{
    v128_t power[4];
    for (int i = 0; i < n; i++) {
        x[i] = wasm_f32x4_pmax(x[i], wasm_f32x4_splat(-88)); /* NaN stays */
        power[i] = wasm_f32x4_neg(x[i]);
    }
    math_exp(power, n);
    for (int i = 0; i < n; i++)
        x[i] = wasm_f32x4_div(x[i], wasm_f32x4_add(wasm_f32x4_splat(1), power[i]));
}

INLINE void math_activate(v128_t *x, int n, bert_activation activation)
{
    switch (activation) {
    case BERT_ACTIVATION_GELU:
        math_gelu(x, n);
        break;
    case BERT_ACTIVATION_GELU_TANH:
        math_gelu_tanh(x, n);
        break;
    case BERT_ACTIVATION_TANH:
        math_tanh(x, n);
        break;
    case BERT_ACTIVATION_RELU:
        for (int i = 0; i < n; i++)
            x[i] = wasm_f32x4_pmax(wasm_f32x4_const(0, 0, 0, 0), x[i]);
        break;
    case BERT_ACTIVATION_SILU:
        math_silu(x, n);
        break;
    case BERT_ACTIVATION_NONE:
    case BERT_ACTIVATION_COUNT:
        break;
    }
}

#endif

/*
 * activation.c - the activations of the core there and back. With Phi and phi the normal
 * distribution and its density, s(x) = 1 / (1 + e^-x):
 *
 *     gelu       x Phi(x)                 Phi(x) + x phi(x)
 *     gelu_tanh  x s(u)                   s(u) + x s(u) (1 - s(u)) u',
 *                                         u = 2 sqrt(2 / pi) (x + 0.044715 x^3)
 *     tanh       tanh x                   1 - tanh^2 x
 *     relu       max(0, x)                1 where x > 0, else 0
 *     silu       x s(x)                   s(x) (1 + x (1 - s(x)))
 *
 * s(u) is (1 + tanh(u / 2)) / 2, but right in its tails, too. Papers: bert.h. Derivatives are of
 * the functions themselves, of x as it was before: nothing is kept but that.
 */
#include <string.h>

#include "trainer.h"
#include "vector_math.h"

/* x becomes gelu'(x). */
INLINE void gelu_derivative(v128_t *x, int n)
{
    v128_t density[2], normal[2];
    for (int i = 0; i < n; i++) {
        normal[i] = wasm_f32x4_mul(x[i], wasm_f32x4_splat(0.707106781f));
        density[i] = wasm_f32x4_mul(wasm_f32x4_mul(x[i], x[i]), wasm_f32x4_splat(-0.5f));
    }
    math_erf(normal, n);
    math_exp(density, n);
    for (int i = 0; i < n; i++) {
        v128_t half = wasm_f32x4_splat(0.5f);
        x[i] = wasm_f32x4_mul(wasm_f32x4_mul(x[i], wasm_f32x4_splat(0.398942280f)), density[i]);
        x[i] = wasm_f32x4_add(x[i], simd_madd(normal[i], half, half));
    }
}

/* x becomes s(x), and rest 1 - s(x) = e^-x s(x). Below -88, where e^-x overflows, x is taken for
 * -88: the result is nearly zero. */
INLINE void sigmoid(v128_t *x, v128_t *rest, int n)
{
    v128_t one = wasm_f32x4_splat(1);
    for (int i = 0; i < n; i++)
        rest[i] = wasm_f32x4_neg(wasm_f32x4_pmax(x[i], wasm_f32x4_splat(-88)));
    math_exp(rest, n);
    for (int i = 0; i < n; i++) {
        x[i] = wasm_f32x4_div(one, wasm_f32x4_add(one, rest[i]));
        rest[i] = wasm_f32x4_mul(rest[i], x[i]);
    }
}

INLINE void gelu_tanh_derivative(v128_t *x, int n)
{
    v128_t share[2], rest[2], one = wasm_f32x4_splat(1), factor = wasm_f32x4_splat(1.595769122f);
    for (int i = 0; i < n; i++) {
        v128_t cubic = simd_madd(wasm_f32x4_mul(x[i], x[i]), wasm_f32x4_splat(0.044715f), one);
        share[i] = wasm_f32x4_mul(wasm_f32x4_mul(cubic, factor), x[i]);
    }
    sigmoid(share, rest, n);
    for (int i = 0; i < n; i++) {
        v128_t slope = simd_madd(wasm_f32x4_mul(x[i], x[i]), wasm_f32x4_splat(0.134145f), one);
        v128_t both = wasm_f32x4_mul(share[i], rest[i]);
        x[i] = wasm_f32x4_mul(wasm_f32x4_mul(x[i], both), wasm_f32x4_mul(slope, factor));
        x[i] = wasm_f32x4_add(x[i], share[i]);
    }
}

INLINE void tanh_derivative(v128_t *x, int n)
{
    math_tanh(x, n);
    for (int i = 0; i < n; i++)
        x[i] = wasm_f32x4_sub(wasm_f32x4_splat(1), wasm_f32x4_mul(x[i], x[i]));
}

INLINE void relu_derivative(v128_t *x, int n)
{
    for (int i = 0; i < n; i++)
        x[i] = wasm_v128_and(wasm_f32x4_gt(x[i], wasm_f32x4_splat(0)), wasm_f32x4_splat(1));
}

INLINE void silu_derivative(v128_t *x, int n)
{
    v128_t share[2], rest[2], one = wasm_f32x4_splat(1);
    for (int i = 0; i < n; i++)
        share[i] = x[i];
    sigmoid(share, rest, n);
    for (int i = 0; i < n; i++)
        x[i] = wasm_f32x4_mul(share[i], simd_madd(x[i], rest[i], one));
}

INLINE void derive(v128_t *x, int n, bert_activation activation)
{
    switch (activation) {
    case BERT_ACTIVATION_GELU:
        gelu_derivative(x, n);
        break;
    case BERT_ACTIVATION_GELU_TANH:
        gelu_tanh_derivative(x, n);
        break;
    case BERT_ACTIVATION_TANH:
        tanh_derivative(x, n);
        break;
    case BERT_ACTIVATION_RELU:
        relu_derivative(x, n);
        break;
    case BERT_ACTIVATION_SILU:
        silu_derivative(x, n);
        break;
    case BERT_ACTIVATION_NONE:
    case BERT_ACTIVATION_COUNT:
        for (int i = 0; i < n; i++)
            x[i] = wasm_f32x4_splat(1);
        break;
    }
}

/* Numbers that are dealt out together. */
#define LOT 256

typedef struct activation_phase {
    const float *x;
    size_t n;
    bert_activation activation;
    float *y;
} activation_phase;

/* Numbers of some lots. */
static void range_of(const thread_share *share, size_t n, size_t *first, size_t *end)
{
    *first = (size_t)share->rows.first * LOT;
    *end = (size_t)share->rows.end * LOT < n ? (size_t)share->rows.end * LOT : n;
}

static void there(const thread_share *share, void *argument)
{
    const activation_phase *phase = argument;
    size_t i, end;
    range_of(share, phase->n, &i, &end);
    for (; i + 8 <= end; i += 8) {
        v128_t x[] = {wasm_v128_load(phase->x + i), wasm_v128_load(phase->x + i + 4)};
        math_activate(x, 2, phase->activation);
        wasm_v128_store(phase->y + i, x[0]);
        wasm_v128_store(phase->y + i + 4, x[1]);
    }
    for (; i < end; i += 4) {
        v128_t x = simd_load_first(phase->x + i, end - i, 0);
        math_activate(&x, 1, phase->activation);
        simd_store_first(phase->y + i, x, end - i);
    }
}

static void back(const thread_share *share, void *argument)
{
    const activation_phase *phase = argument;
    size_t i, end;
    range_of(share, phase->n, &i, &end);
    for (; i + 8 <= end; i += 8) {
        v128_t x[] = {wasm_v128_load(phase->x + i), wasm_v128_load(phase->x + i + 4)};
        derive(x, 2, phase->activation);
        for (int j = 0; j < 2; j++) {
            float *dy = phase->y + i + 4 * j;
            wasm_v128_store(dy, wasm_f32x4_mul(wasm_v128_load(dy), x[j]));
        }
    }
    for (; i < end; i += 4) {
        v128_t x = simd_load_first(phase->x + i, end - i, 0);
        v128_t dy = simd_load_first(phase->y + i, end - i, 0);
        derive(&x, 1, phase->activation);
        simd_store_first(phase->y + i, wasm_f32x4_mul(dy, x), end - i);
    }
}

static uint32_t lots_of(size_t n)
{
    return (uint32_t)((n + LOT - 1) / LOT);
}

void activation_forward(bert_trainer *trainer, const float *x, size_t n, bert_activation activation,
                        float *y)
{
    trainer_each_row(trainer, lots_of(n), there, &(activation_phase){x, n, activation, y});
}

void activation_backward(bert_trainer *trainer, const float *x, size_t n,
                         bert_activation activation, float *dy)
{
    trainer_each_row(trainer, lots_of(n), back, &(activation_phase){x, n, activation, dy});
}

/*
 * micro.c - what this machine can do at most with 128-bit vectors, and what each kernel makes of
 * it; bench/micro.js runs it.
 *
 * A peak is a loop over registers alone: nothing is loaded, and ten sums wait for nobody. A kernel
 * does what it does in an encoder: a layer of MiniLM, ROWS x INPUTS times INPUTS x OUTPUTS.
 */
#include <string.h>

#include "kernels.h"
#include "simd.h"
#include "vector_math.h"

#define EXPORT __attribute__((used, visibility("default")))

enum {
    ROWS = 120,
    INPUTS = 384,
    OUTPUTS = 1536,
    CHAINS = 12,
    STEPS = 1000,
    KEYS = 128,
    FEW = 16,
    FAR = 12,
    TILE = 6,
    MOST_ROWS = 4000
};

#define N_PRODUCT (2.0 * ROWS * INPUTS * OUTPUTS)

/* X(name, unit, operations of one repeat) */
#define WORKS(X)                                                                                   \
    X(peak_f32, "multiply-add", 8.0 * CHAINS * STEPS)                                              \
    X(peak_f32_exact, "multiply, add", 8.0 * CHAINS * STEPS)                                       \
    X(peak_dot_i16, "relaxed dot, 16 bits", 32.0 * CHAINS * STEPS)                                 \
    X(peak_dot_i16_exact, "relaxed dots, sums of 32 bits", 64.0 * CHAINS * STEPS)                  \
    X(peak_dot_i32, "relaxed dot, 32 bits", 32.0 * CHAINS * STEPS)                                 \
    X(peak_dot_exact, "dot of 16 bits", 16.0 * CHAINS * STEPS)                                     \
    X(tile_f32, "f32 tile", 2.0 * TILE * INPUTS * BERT_PANEL * 8)                                  \
    X(gemm_f32_plain, "f32 product", N_PRODUCT)                                                    \
    X(gemm_f32_1, "f32, 1 row", N_PRODUCT / ROWS)                                                  \
    X(gemm_f32_3, "f32, 3 rows", N_PRODUCT / ROWS * 3)                                             \
    X(gemm_f32_16, "f32, 16 rows", N_PRODUCT / ROWS * 16)                                          \
    X(gemm_f32_128, "f32, 128 rows", N_PRODUCT / ROWS * 128)                                       \
    X(gemm_f32_512, "f32, 512 rows", N_PRODUCT / ROWS * 512)                                       \
    X(gemm_f32_4000, "f32, 4000 rows", N_PRODUCT / ROWS * 4000)                                    \
    X(gemm_f32_far, "f32, 16 rows, weights from memory", FAR *N_PRODUCT *FEW / ROWS)               \
    X(gemm_f32_gelu, "f32 product, GELU", N_PRODUCT)                                               \
    X(gemm_f32_exact, "f32 product, exact", N_PRODUCT)                                             \
    X(gemm_i8_simd128, "8-bit product, simd128", N_PRODUCT)                                        \
    X(gemm_i8_dot_i16, "8-bit product, relaxed-dot-i16", N_PRODUCT)                                \
    X(gemm_i8_dot_i32, "8-bit product, relaxed-dot-i32", N_PRODUCT)                                \
    X(gemm_i8_1, "relaxed-dot-i32, 1 row", N_PRODUCT / ROWS)                                       \
    X(gemm_i8_3, "relaxed-dot-i32, 3 rows", N_PRODUCT / ROWS * 3)                                  \
    X(gemm_i8_16, "relaxed-dot-i32, 16 rows", N_PRODUCT / ROWS * 16)                               \
    X(gemm_i8_128, "relaxed-dot-i32, 128 rows", N_PRODUCT / ROWS * 128)                            \
    X(gemm_i8_512, "relaxed-dot-i32, 512 rows", N_PRODUCT / ROWS * 512)                            \
    X(gemm_i8_4000, "relaxed-dot-i32, 4000 rows", N_PRODUCT / ROWS * 4000)                         \
    X(gemm_i8_far, "relaxed-dot-i32, 16 rows, weights from memory", FAR *N_PRODUCT *FEW / ROWS)    \
    X(quantise, "quantise", (double)ROWS *INPUTS)                                                  \
    X(layer_norm, "layer norm", (double)ROWS *INPUTS)                                              \
    X(softmax, "softmax, exponentials and sums", (double)ROWS *KEYS)                               \
    X(gelu, "GELU", (double)ROWS *INPUTS)

static float inputs[MOST_ROWS * INPUTS], results[MOST_ROWS * OUTPUTS], ones[OUTPUTS];
/* Of FAR matrices; the first is small enough for a cache. */
static float panels_f32[FAR * INPUTS * OUTPUTS] __attribute__((aligned(64)));
static int8_t panels_i8[FAR * INPUTS * OUTPUTS] __attribute__((aligned(64)));
static int16_t values[MOST_ROWS * INPUTS];
static float least[MOST_ROWS], step[MOST_ROWS], sums[ROWS];
static v128_t registers[CHAINS + 2];

static const integer_rows integers = {
    .stride = INPUTS, .values = values, .least = least, .step = step};

/* The sum over the chains, so that no step can be left out. */
#define PEAK(name, step_of)                                                                        \
    static void name(void)                                                                         \
    {                                                                                              \
        v128_t s[CHAINS], a = registers[CHAINS], b = registers[CHAINS + 1];                        \
        (void)a, (void)b;                                                                          \
        memcpy(s, registers, sizeof s);                                                            \
        for (int i = 0; i < STEPS; i += 5) {                                                       \
            _Pragma("clang loop unroll(full)") for (int k = 0; k < 5; k++)                         \
                _Pragma("clang loop unroll(full)") for (int c = 0; c < CHAINS; c++) s[c] =         \
                    step_of;                                                                       \
        }                                                                                          \
        memcpy(registers, s, sizeof s);                                                            \
    }

PEAK(peak_f32_exact, simd_madd(a, b, s[c]))
PEAK(peak_dot_exact, wasm_i32x4_add(s[c], wasm_i32x4_dot_i16x8(s[c], b)))
#ifdef SIMD_RELAXED_DOT
PEAK(peak_f32, simd_relaxed_madd(a, b, s[c]))
PEAK(peak_dot_i16, wasm_i16x8_add(s[c], simd_dot_i16(s[c], b)))
/* As an exact product must: two dots fit 16 bits, then pairs are widened. */
PEAK(peak_dot_i16_exact,
     wasm_i32x4_add(s[c], wasm_i32x4_dot_i16x8(
                              wasm_i16x8_add(simd_dot_i16(s[c], a), simd_dot_i16(s[c], b)), a)))
PEAK(peak_dot_i32, simd_dot_i32(s[c], b, s[c], 0))
#else
static void peak_f32(void)
{
}
static void peak_dot_i16(void)
{
}
static void peak_dot_i16_exact(void)
{
}
static void peak_dot_i32(void)
{
}
#endif

static int is_exact;

static void multiply_f32(int index, uint32_t n_rows, uint32_t n_out, bert_activation activation)
{
    matrix w = {.n_in = INPUTS,
                .n_out = n_out,
                .is_exact = is_exact,
                .panels = panels_f32 + index * INPUTS * OUTPUTS,
                .bias = ones};
    product out = {.activation = activation, .c = results, .c_stride = OUTPUTS};
    gemm_f32(inputs, INPUTS, n_rows, &w, panels_all(n_out), &out, NULL);
}

/* Tiles work from the nearest cache. */
static void tile_f32(void)
{
    for (int i = 0; i < 8; i++)
        multiply_f32(0, TILE, BERT_PANEL, BERT_ACTIVATION_NONE);
}

static void gemm_f32_plain(void)
{
    multiply_f32(0, ROWS, OUTPUTS, BERT_ACTIVATION_NONE);
}

static void gemm_f32_exact(void)
{
    is_exact = 1;
    gemm_f32_plain();
    is_exact = 0;
}

static void gemm_f32_gelu(void)
{
    multiply_f32(0, ROWS, OUTPUTS, BERT_ACTIVATION_GELU);
}

static void multiply_i8(bert_int8_kernel kernel, int index, uint32_t n_rows)
{
    matrix w = {.n_in = INPUTS,
                .n_out = OUTPUTS,
                .dtype = BERT_DTYPE_I8,
                .panels = panels_i8 + index * INPUTS * OUTPUTS,
                .scale = ones,
                .offset = ones,
                .bias = ones};
    product out = {.c = results, .c_stride = OUTPUTS};
    if (bert_int8_kernel_exists(BERT_INTEGERS_7_BITS, kernel))
        gemm_i8(kernel, &integers, n_rows, &w, panels_all(OUTPUTS), &out);
}

static void gemm_i8_simd128(void)
{
    multiply_i8(BERT_INT8_KERNEL_SIMD128, 0, ROWS);
}

static void gemm_i8_dot_i16(void)
{
    multiply_i8(BERT_INT8_KERNEL_RELAXED_DOT_I16, 0, ROWS);
}

static void gemm_i8_dot_i32(void)
{
    multiply_i8(BERT_INT8_KERNEL_RELAXED_DOT_I32, 0, ROWS);
}

static void gemm_f32_far(void)
{
    for (int i = 0; i < FAR; i++)
        multiply_f32(i, FEW, OUTPUTS, BERT_ACTIVATION_NONE);
}

static void gemm_i8_far(void)
{
    for (int i = 0; i < FAR; i++)
        multiply_i8(BERT_INT8_KERNEL_RELAXED_DOT_I32, i, FEW);
}

#define BY_ROWS(n)                                                                                 \
    static void gemm_f32_##n(void)                                                                 \
    {                                                                                              \
        multiply_f32(0, n, OUTPUTS, BERT_ACTIVATION_NONE);                                         \
    }                                                                                              \
    static void gemm_i8_##n(void)                                                                  \
    {                                                                                              \
        multiply_i8(BERT_INT8_KERNEL_RELAXED_DOT_I32, 0, n);                                       \
    }
BY_ROWS(1)
BY_ROWS(3)
BY_ROWS(16)
BY_ROWS(128)
BY_ROWS(512)
BY_ROWS(4000)

static void quantise(void)
{
    for (uint32_t r = 0; r < ROWS; r++)
        quantise_row(BERT_INT8_KERNEL_DEFAULT, inputs + r * INPUTS, ones, INPUTS, &integers, r);
}

static void layer_norm(void)
{
    norm_weights norm = {.weight = ones, .bias = ones};
    ops_layer_norm(results, ROWS, INPUTS, &norm, 1e-12f);
}

static void softmax(void)
{
    ops_softmax(results, KEYS, ROWS, KEYS, 0.125f, sums);
}

static void gelu(void)
{
    for (uint32_t i = 0; i < ROWS * INPUTS; i += 8) {
        v128_t x[] = {wasm_v128_load(inputs + i), wasm_v128_load(inputs + i + 4)};
        math_gelu(x, 2);
        wasm_v128_store(results + i, x[0]);
        wasm_v128_store(results + i + 4, x[1]);
    }
}

#define NAME(name, text, operations) text,
#define RUN(name, text, operations) name,
#define OPERATIONS(name, text, operations) operations,
static const char *const names[] = {WORKS(NAME)};
static void (*const works[])(void) = {WORKS(RUN)};
static const double counts[] = {WORKS(OPERATIONS)};

EXPORT uint32_t micro_count(void)
{
    return sizeof works / sizeof *works;
}

EXPORT const char *micro_name(uint32_t work)
{
    return names[work];
}

/* Operations, or elements, of one repeat. */
EXPORT double micro_operations(uint32_t work)
{
    return counts[work];
}

/* Numbers of the usual size in all buffers: zeros or subnormals would measure something else. */
EXPORT void micro_prepare(void)
{
    uint32_t seed = 1;
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        seed = seed * 1664525 + 1013904223;
        inputs[i] = results[i % (ROWS * OUTPUTS)] = (float)(seed >> 8) / (1 << 22) - 2;
        if (i < sizeof values / sizeof *values)
            values[i] = (int16_t)(seed >> 25 << 8 | seed >> 25);
    }
    for (size_t i = 0; i < sizeof panels_i8; i++) {
        seed = seed * 1664525 + 1013904223;
        panels_f32[i] = (float)(seed >> 8) / (1 << 24) - 0.5f;
        panels_i8[i] = (int8_t)(seed >> 26);
    }
    for (int i = 0; i < OUTPUTS; i++)
        ones[i] = 1;
    memset(registers, 1, sizeof registers);
}

EXPORT void micro_run(uint32_t work, uint32_t n_repeats)
{
    for (uint32_t i = 0; i < n_repeats; i++)
        works[work]();
}

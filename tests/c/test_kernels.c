/*
 * test_kernels.c - every kernel against the scalar oracle, over odd sizes. Inputs end at a guard
 * page, so that a read past the end is a crash; outputs have canaries around them.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"
#include "oracle.h"
#include "internal.h"
#include "vector_math.h"

#define CANARY 12345.0f

typedef void (*vector_function)(v128_t *, int);

static float at(vector_function f, float x)
{
    v128_t vectors[] = {wasm_f32x4_splat(1), wasm_f32x4_splat(x)};
    f(vectors, 2);
    return wasm_f32x4_extract_lane(vectors[1], 2);
}

/* Largest errors over [least, most], in 400,000 steps. */
static void sweep(vector_function f, double (*exact)(double), float least, float most,
                  double *absolute, double *relative)
{
    *absolute = *relative = 0;
    for (int i = 0; i <= 400000; i++) {
        float x = least + (most - least) * (float)i / 400000;
        double want = exact(x), error = fabs(at(f, x) - want);
        *absolute = fmax(*absolute, error);
        if (want != 0)
            *relative = fmax(*relative, error / fabs(want));
    }
}

static double exact_gelu(double x)
{
    return oracle_activate(x, BERT_ACTIVATION_GELU);
}

static double exact_gelu_tanh(double x)
{
    return oracle_activate(x, BERT_ACTIVATION_GELU_TANH);
}

static double exact_silu(double x)
{
    return oracle_activate(x, BERT_ACTIVATION_SILU);
}

TEST(exp_is_within_its_bound)
{
    double absolute, relative;
    sweep(math_exp, exp, -87, 88, &absolute, &relative);
    CHECK(relative < 3e-7, "exp: relative error %g, bound 3e-7", relative);
    CHECK(at(math_exp, 0) == 1, "exp(0) is %g", at(math_exp, 0));
    CHECK(at(math_exp, -1e30f) < 2e-38, "exp(-1e30) is %g", at(math_exp, -1e30f));
    CHECK(at(math_exp, -INFINITY) < 2e-38, "exp(-inf) is %g", at(math_exp, -INFINITY));
}

TEST(erf_and_tanh_are_within_their_bounds)
{
    double absolute, relative;
    sweep(math_erf, erf, -6, 6, &absolute, &relative);
    CHECK(absolute < 4e-7, "erf: absolute error %g, bound 4e-7", absolute);
    sweep(math_tanh, tanh, -12, 12, &absolute, &relative);
    CHECK(absolute < 4e-7, "tanh: absolute error %g, bound 4e-7", absolute);
    CHECK(at(math_tanh, 1e30f) == 1 && at(math_tanh, -INFINITY) == -1, "tanh leaves [-1, 1]");
    CHECK(at(math_erf, 1e30f) == 1 && at(math_erf, -INFINITY) == -1, "erf leaves [-1, 1]");
}

TEST(gelu_is_within_its_bound)
{
    double absolute, relative;
    sweep(math_gelu, exact_gelu, -6, 6, &absolute, &relative);
    CHECK(absolute < 1.1e-6, "gelu: absolute error %g, bound 1.1e-6", absolute);
    sweep(math_gelu_tanh, exact_gelu_tanh, -6, 6, &absolute, &relative);
    CHECK(absolute < 1.1e-6, "gelu_tanh: absolute error %g, bound 1.1e-6", absolute);
    sweep(math_gelu, exact_gelu, 6, 1000, &absolute, &relative);
    CHECK(relative < 2e-7, "gelu beyond 6: relative error %g, bound 2e-7", relative);
}

TEST(silu_is_within_its_bound)
{
    double absolute, relative;
    sweep(math_silu, exact_silu, -80, 1000, &absolute, &relative);
    CHECK(relative < 5e-7, "silu: relative error %g, bound 5e-7", relative);
    CHECK(fabs(at(math_silu, -1e30f)) < 1e-30, "silu(-1e30) is %g", at(math_silu, -1e30f));
    CHECK(isnan(at(math_silu, NAN)), "silu(NaN) is %g", at(math_silu, NAN));
}

/* Every activation by its number, and NaN stays NaN: a broken model must not look healthy. */
TEST(activations)
{
    for (int a = BERT_ACTIVATION_NONE; a <= BERT_ACTIVATION_SILU; a++) {
        for (float x = -5; x <= 5; x += 0.37f) {
            v128_t vector = wasm_f32x4_splat(x);
            math_activate(&vector, 1, (bert_activation)a);
            float got = wasm_f32x4_extract_lane(vector, 1);
            double want = oracle_activate(x, (bert_activation)a);
            CHECK(fabs(got - want) < 1.1e-6, "activation %d of %g is %.9g, expected %.9g", a, x,
                  got, want);
        }
    }
}

TEST(f16_widens_exactly)
{
    for (uint32_t bits = 0; bits < 65536; bits++) {
        uint16_t lanes[4] = {0, 0, 0, (uint16_t)bits};
        float got = wasm_f32x4_extract_lane(simd_load_f16(lanes), 3);
        double want = oracle_f16((uint16_t)bits);
        CHECK(got == want || (isnan(got) && isnan(want)), "f16 %04x is %.9g, expected %.9g", bits,
              got, want);
    }
}

/* Floats in a block that ends at a guard page. */
static float *random_floats(size_t n, float least, float most, uint32_t *seed)
{
    float *x = guarded_alloc(n * sizeof(float));
    for (size_t i = 0; i < n; i++)
        x[i] = random_uniform(seed, least, most);
    return x;
}

/* A dense layer, whose integers are up to `most`; past its last input and column are zeros. */
static matrix random_matrix(uint32_t n_in, uint32_t n_out, bert_dtype dtype, int most,
                            uint32_t *seed)
{
    uint32_t depth = dtype == BERT_DTYPE_I8 ? quantised_stride(n_in) : n_in;
    size_t size = dtype == BERT_DTYPE_F32 ? 4 : dtype == BERT_DTYPE_F16 ? 2 : 1;
    size_t n_bytes = (size_t)panels_all(n_out).end * BERT_PANEL * depth * size;
    void *panels = guarded_alloc(n_bytes);
    memset(panels, 0, n_bytes);
    matrix w = {.n_in = n_in,
                .n_out = n_out,
                .dtype = dtype,
                .panels = panels,
                .bias = random_u32(seed) % 4 ? random_floats(n_out, -1, 1, seed) : NULL};
    for (uint32_t j = 0; j < n_out; j++) {
        for (uint32_t k = 0; k < n_in; k++) {
            size_t column = (size_t)j / BERT_PANEL * BERT_PANEL * depth;
            size_t at = column + k * BERT_PANEL + j % BERT_PANEL;
            if (dtype == BERT_DTYPE_F32)
                ((float *)panels)[at] = random_uniform(seed, -1, 1);
            else if (dtype == BERT_DTYPE_F16)
                ((uint16_t *)panels)[at] = (uint16_t)(random_u32(seed) & 0xbbff);
            else
                ((int8_t *)panels)[column + (k / 4 * BERT_PANEL + j % BERT_PANEL) * 4 + k % 4] =
                    (int8_t)((int)(random_u32(seed) % (2 * (uint32_t)most + 1)) - most);
        }
    }
    if (dtype == BERT_DTYPE_I8) {
        float *scale = random_floats(n_out, 0.001f, 0.01f, seed), *offset;
        w.offset = offset = random_floats(n_out, 0, 0, seed);
        w.scale = scale;
        int32_t *sums = guarded_alloc(n_out * sizeof *sums);
        w.sums = memset(sums, 0, n_out * sizeof *sums);
        for (uint32_t j = 0; j < n_out; j++)
            for (uint32_t k = 0; k < n_in; k++) {
                offset[j] += (float)oracle_matrix(&w, k, j);
                sums[j] += (int32_t)round(oracle_matrix(&w, k, j) / scale[j]);
            }
    }
    return w;
}

/* Checks [n_rows, n_out] of c against a W + bias, and what lies between its rows. `relative` is
 * to the sum of magnitudes. */
static void check_product(const char *what, const float *a, size_t a_stride, uint32_t n_rows,
                          const matrix *w, const product *out, double relative)
{
    for (uint32_t r = 0; r < n_rows; r++) {
        for (uint32_t j = 0; j < w->n_out; j++) {
            double sum = w->bias ? w->bias[j] : 0, size = fabs(sum);
            for (uint32_t k = 0; k < w->n_in; k++) {
                double term = a[r * a_stride + k] * oracle_matrix(w, k, j);
                sum += term;
                size += fabs(term);
            }
            size_t at = r * out->c_stride + j;
            double want = oracle_activate(sum, out->activation);
            if (out->residual)
                want += out->residual[at];
            CHECK(fabs(out->c[at] - want) <= 2e-6 + relative * size,
                  "%s %u x %u x %u dtype %d activation %d: [%u, %u] is %.9g, expected %.9g", what,
                  n_rows, w->n_in, w->n_out, w->dtype, out->activation, r, j, out->c[at], want);
        }
        for (size_t j = w->n_out; j < out->c_stride && r + 1 < n_rows; j++)
            CHECK(out->c[r * out->c_stride + j] == CANARY, "%s %u x %u x %u wrote between rows",
                  what, n_rows, w->n_in, w->n_out);
    }
}

/* A product's result: canaries, and residuals if wanted. */
static product random_product(uint32_t n_rows, uint32_t n_out, bert_activation activation,
                              int with_residual, uint32_t *seed)
{
    size_t stride = n_out + random_u32(seed) % 3, count = (n_rows - 1) * stride + n_out;
    product out = {.activation = activation,
                   .residual = with_residual ? random_floats(count, -1, 1, seed) : NULL,
                   .c = guarded_alloc(count * sizeof(float)),
                   .c_stride = stride};
    for (size_t i = 0; i < count; i++)
        out.c[i] = CANARY;
    return out;
}

/* Kernels that there are for these integers. */
#define FOR_EACH_KERNEL(integers, kernel)                                                          \
    for (bert_int8_kernel kernel = BERT_INT8_KERNEL_SIMD128; kernel < BERT_INT8_KERNEL_COUNT;      \
         kernel++)                                                                                 \
        if (bert_int8_kernel_exists(integers, kernel))

/* Integers for random rows, as quantise_row() makes them. */
static integer_rows random_quantised(bert_integers integers, bert_int8_kernel kernel,
                                     uint32_t n_rows, uint32_t n_in, const float *a,
                                     size_t a_stride, const float *factor, uint32_t *seed)
{
    uint32_t stride = quantised_stride(n_in);
    size_t size = kernel == BERT_INT8_KERNEL_SIMD128 ? 2 : 1;
    integer_rows rows = {integers, guarded_alloc(n_rows * stride * size), stride,
                         random_floats(n_rows, 0, 0, seed), random_floats(n_rows, 0, 0, seed)};
    memset(rows.values, 0x5a, n_rows * stride * size);
    for (uint32_t r = 0; r < n_rows; r++)
        quantise_row(kernel, a + r * a_stride, factor, n_in, &rows, r);
    return rows;
}

/* The first or the second half of a product's columns. */
static panel_range panels_half(uint32_t n_out, int half)
{
    uint32_t n = panels_all(n_out).end;
    return half ? (panel_range){n / 2, n} : (panel_range){0, n / 2};
}

static void check_gemm(uint32_t n_rows, uint32_t n_in, uint32_t n_out, bert_dtype dtype,
                       bert_activation activation, int with_residual, uint32_t *seed)
{
    matrix w = random_matrix(n_in, n_out, dtype, 0, seed);
    size_t a_stride = n_in + random_u32(seed) % 3;
    float *a = random_floats((n_rows - 1) * a_stride + n_in, -1, 1, seed);
    product out = random_product(n_rows, n_out, activation, with_residual, seed);
    float *scratch = guarded_alloc((size_t)TILE_PANELS * n_in * BERT_PANEL * sizeof(float));
    /* In two blocks, as two threads would. */
    gemm_f32(a, a_stride, n_rows, &w, panels_half(n_out, 0), &out, scratch);
    gemm_f32(a, a_stride, n_rows, &w, panels_half(n_out, 1), &out, scratch);
    check_product("gemm_f32", a, a_stride, n_rows, &w, &out, 1e-6);
    guarded_free_all();
}

/* Every kernel gives the bits of the first, and those are right for the numbers that the integers
 * stand for. */
static void check_gemm_i8(bert_integers integers, uint32_t n_rows, uint32_t n_in, uint32_t n_out,
                          bert_activation activation, int with_residual, uint32_t *seed)
{
    matrix w = random_matrix(n_in, n_out, BERT_DTYPE_I8, BERT_MOST_WEIGHT(integers), seed);
    float *a = random_floats(n_rows * n_in, -1, 1, seed);
    float *ones = random_floats(n_in, 1, 1, seed);
    float *rounded = random_floats(n_rows * n_in, 0, 0, seed);
    product out = random_product(n_rows, n_out, activation, with_residual, seed);
    size_t count = (n_rows - 1) * out.c_stride + n_out;
    FOR_EACH_KERNEL(integers, kernel)
    {
        product other = out;
        other.c = guarded_alloc(count * sizeof(float));
        for (size_t i = 0; i < count; i++)
            other.c[i] = CANARY;
        integer_rows rows = random_quantised(integers, kernel, n_rows, n_in, a, n_in, ones, seed);
        gemm_i8(kernel, &rows, n_rows, &w, panels_half(n_out, 0), &other);
        gemm_i8(kernel, &rows, n_rows, &w, panels_half(n_out, 1), &other);
        if (kernel != BERT_INT8_KERNEL_SIMD128) {
            CHECK(memcmp(out.c, other.c, count * sizeof(float)) == 0,
                  "%u x %u x %u: kernel %d has other bits than kernel %d", n_rows, n_in, n_out,
                  kernel, BERT_INT8_KERNEL_SIMD128);
            continue;
        }
        for (uint32_t r = 0; r < n_rows; r++)
            for (uint32_t k = 0; k < n_in; k++)
                rounded[r * n_in + k] =
                    rows.least[r] +
                    rows.step[r] * ((int16_t *)rows.values)[(size_t)r * rows.stride + k];
        memcpy(out.c, other.c, count * sizeof(float));
        check_product("gemm_i8", rounded, n_in, n_rows, &w, &out, 2e-6);
    }
    guarded_free_all();
}

TEST(gemm_over_odd_sizes)
{
    uint32_t seed = 1;
    for (uint32_t n_rows = 1; n_rows <= 13; n_rows++)
        for (uint32_t n_in = 1; n_in <= 37; n_in += n_in < 9 ? 1 : 7)
            for (uint32_t n_out = 1; n_out <= 58; n_out += n_out < 17 ? 1 : 5)
                check_gemm(n_rows, n_in, n_out, (bert_dtype)(random_u32(&seed) % 2),
                           (bert_activation)(random_u32(&seed) % 6), random_u32(&seed) % 2, &seed);
}

TEST(gemm_i8_over_odd_sizes)
{
    uint32_t seed = 12;
    for (uint32_t n_rows = 1; n_rows <= 9; n_rows++)
        for (uint32_t n_in = 1; n_in <= 37; n_in += n_in < 10 ? 1 : 7)
            for (uint32_t n_out = 1; n_out <= 26; n_out += n_out < 17 ? 1 : 4)
                check_gemm_i8((bert_integers)(random_u32(&seed) % 2), n_rows, n_in, n_out,
                              (bert_activation)(random_u32(&seed) % 6), random_u32(&seed) % 2,
                              &seed);
}

/* Integers as large as they may be, and as many as config_check() lets pass: nothing overflows, and
 * what an activation of 0 and one of the most levels give is what they stand for. */
static void check_limits(bert_integers integers, uint32_t n_in)
{
    uint32_t seed = 13, stride = quantised_stride(n_in);
    int most = BERT_MOST_WEIGHT(integers), most_level = BERT_MOST_LEVEL(integers);
    int8_t *panel = guarded_alloc((size_t)stride * BERT_PANEL);
    int32_t sums[BERT_PANEL] = {0};
    for (uint32_t k = 0; k < stride; k++)
        for (int j = 0; j < BERT_PANEL; j++) {
            int weight = k >= n_in ? 0 : j % 2 ? -most : most;
            panel[(k / 4 * BERT_PANEL + (uint32_t)j) * 4 + k % 4] = (int8_t)weight;
            sums[j] += weight;
        }
    float *one = random_floats(8, 1, 1, &seed), *zero = random_floats(8, 0, 0, &seed), c[8];
    matrix w = {.n_in = n_in,
                .n_out = 8,
                .dtype = BERT_DTYPE_I8,
                .panels = panel,
                .scale = one,
                .sums = sums,
                .offset = zero};
    FOR_EACH_KERNEL(integers, kernel)
    {
        for (int level = 0; level <= most_level; level += most_level) {
            size_t size = kernel == BERT_INT8_KERNEL_SIMD128 ? 2 : 1;
            int stored = kernel == BERT_INT8_KERNEL_RELAXED_DOT_I32_SIGNED ? level - 128 : level;
            uint8_t *values = guarded_alloc(stride * size);
            for (size_t i = 0; i < stride * size; i++)
                values[i] = i % size ? 0 : (uint8_t)stored;
            integer_rows rows = {integers, values, stride, zero, one};
            product out = {.c = c, .c_stride = 8};
            gemm_i8(kernel, &rows, 1, &w, panels_all(8), &out);
            for (int j = 0; j < 8; j++) {
                double want = (j % 2 ? -1.0 : 1.0) * level * most * n_in;
                CHECK((double)c[j] == (double)(float)want,
                      "integers %d, kernel %d, level %d: column %d is %.9g", integers, kernel,
                      level, j, c[j]);
            }
        }
    }
    guarded_free_all();
}

TEST(gemm_i8_at_its_limits)
{
    check_limits(BERT_INTEGERS_7_BITS, 4096);
    check_limits(BERT_INTEGERS_7_BITS, 1 << 18);
    check_limits(BERT_INTEGERS_8_BITS, 4096);
    check_limits(BERT_INTEGERS_8_BITS, 66311);
}

/* 16-bit integers of any size, and then as large as they may be, all of one sign in a sum. */
static void check_gemm_i16(uint32_t n_rows, uint32_t n_pairs, uint32_t n_columns, int16_t most,
                           uint32_t *seed)
{
    uint32_t n_in = 2 * n_pairs, n_panels = BERT_PANELS(n_columns);
    size_t c_stride = n_columns + random_u32(seed) % 3, a_stride = n_in + random_u32(seed) % 3;
    int16_t *a = guarded_alloc((size_t)n_rows * a_stride * sizeof *a);
    int16_t *panels = guarded_alloc((size_t)n_panels * n_in * BERT_PANEL * sizeof *panels);
    int32_t *c = guarded_alloc((size_t)n_rows * c_stride * sizeof *c);
    for (size_t i = 0; i < n_rows * a_stride; i++)
        a[i] = most ? most : (int16_t)((int)(random_u32(seed) % 2001) - 1000);
    for (size_t i = 0; i < (size_t)n_panels * n_in * BERT_PANEL; i++)
        panels[i] = most ? (int16_t)-most : (int16_t)((int)(random_u32(seed) % 2001) - 1000);
    memset(c, 0x55, (size_t)n_rows * c_stride * sizeof *c);
    gemm_i16(a, a_stride, n_rows, panels, n_pairs, n_columns, c, c_stride);
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t j = 0; j < c_stride && r * c_stride + j < n_rows * c_stride; j++) {
            int64_t want = j < n_columns ? 0 : 0x55555555;
            const int16_t *panel = panels + (size_t)(j / BERT_PANEL) * n_in * BERT_PANEL;
            for (uint32_t k = 0; j < n_columns && k < n_in; k++)
                want +=
                    a[r * a_stride + k] * panel[(k / 2 * BERT_PANEL + j % BERT_PANEL) * 2 + k % 2];
            CHECK(c[r * c_stride + j] == want, "%u x %u x %u: [%u, %u] is %d, expected %lld",
                  n_rows, n_in, n_columns, r, j, c[r * c_stride + j], (long long)want);
        }
}

TEST(gemm_i16_over_odd_sizes)
{
    uint32_t seed = 21;
    for (uint32_t n_rows = 1; n_rows <= 9; n_rows++)
        for (uint32_t n_pairs = 1; n_pairs <= 19; n_pairs += n_pairs < 5 ? 1 : 7)
            for (uint32_t n_columns = 1; n_columns <= 26; n_columns += n_columns < 17 ? 1 : 4) {
                check_gemm_i16(n_rows, n_pairs, n_columns, 0, &seed);
                check_gemm_i16(n_rows, n_pairs, n_columns, 7500, &seed); /* 38 x 7500^2 < 2^31 */
            }
}

TEST(gemm_over_row_blocks)
{
    uint32_t seed = 2;
    for (uint32_t n_rows = ROW_BLOCK - 1; n_rows <= 2 * ROW_BLOCK + 1; n_rows += 43) {
        for (int dtype = 0; dtype < 2; dtype++)
            check_gemm(n_rows, 33, 19, (bert_dtype)dtype, BERT_ACTIVATION_GELU, 1, &seed);
        check_gemm_i8(BERT_INTEGERS_7_BITS, n_rows, 33, 19, BERT_ACTIVATION_GELU, 1, &seed);
        check_gemm_i8(BERT_INTEGERS_8_BITS, n_rows, 33, 19, BERT_ACTIVATION_GELU, 1, &seed);
    }
}

/* A row's bits do not depend on the rows beside it. */
TEST(gemm_rows_are_independent)
{
    uint32_t seed = 3;
    for (int dtype = 0; dtype < 2; dtype++) {
        matrix w = random_matrix(29, 43, (bert_dtype)dtype, 0, &seed);
        float *a = random_floats(7 * 29, -1, 1, &seed);
        float all[7 * 43], one[43], scratch[TILE_PANELS * 29 * BERT_PANEL];
        product to_all = {BERT_ACTIVATION_GELU, NULL, all, 43};
        product to_one = {BERT_ACTIVATION_GELU, NULL, one, 43};
        gemm_f32(a, 29, 7, &w, panels_all(43), &to_all, scratch);
        for (uint32_t r = 0; r < 7; r++) {
            gemm_f32(a + r * 29, 29, 1, &w, panels_all(43), &to_one, scratch);
            CHECK(memcmp(one, all + r * 43, sizeof one) == 0, "row %u has other bits alone", r);
        }
    }
}

/* The level `i` of the values of a kernel. */
static int level_at(const integer_rows *rows, bert_int8_kernel kernel, size_t i)
{
    if (kernel == BERT_INT8_KERNEL_SIMD128)
        return ((int16_t *)rows->values)[i];
    int is_signed = kernel == BERT_INT8_KERNEL_RELAXED_DOT_I32_SIGNED;
    return is_signed ? ((int8_t *)rows->values)[i] + 128 : ((uint8_t *)rows->values)[i];
}

static void check_quantised(bert_integers integers, uint32_t n, uint32_t *seed)
{
    FOR_EACH_KERNEL(integers, kernel)
    {
        float *x = random_floats(2 * n, -3, 5, seed);
        float *factor = random_floats(n, 0.5f, 2, seed);
        integer_rows rows = random_quantised(integers, kernel, 2, n, x, n, factor, seed);
        for (uint32_t r = 0; r < 2; r++) {
            int least = INT32_MAX, most = 0;
            for (uint32_t i = 0; i < n; i++) {
                int level = level_at(&rows, kernel, (size_t)r * rows.stride + i);
                double want = x[r * n + i] * factor[i],
                       got = rows.least[r] + (double)rows.step[r] * level;
                CHECK(fabs(got - want) <= rows.step[r] * 0.5001 + 1e-6,
                      "%u of %u: %.9g stands for %.9g, step %g", i, n, got, want, rows.step[r]);
                least = level < least ? level : least;
                most = level > most ? level : most;
            }
            CHECK(least == 0 && most == (n > 1 ? BERT_MOST_LEVEL(integers) : 0),
                  "levels of %u numbers are %d .. %d", n, least, most);
        }
    }
}

TEST(quantised_rows_are_within_half_a_step)
{
    uint32_t seed = 14;
    for (uint32_t n = 1; n <= 40; n++)
        for (int integers = 0; integers < BERT_INTEGERS_COUNT; integers++)
            check_quantised((bert_integers)integers, n, &seed);
}

TEST(a_constant_row_is_exact_and_nan_stays_nan)
{
    uint32_t seed = 15;
    float *ones = random_floats(8, 1, 1, &seed);
    float *seven = random_floats(8, 7, 7, &seed), *nan = random_floats(8, NAN, NAN, &seed);
    integer_rows rows = random_quantised(BERT_INTEGERS_7_BITS, BERT_INT8_KERNEL_RELAXED_DOT_I16, 1,
                                         8, seven, 8, ones, &seed);
    for (int i = 0; i < 8; i++)
        CHECK(rows.least[0] + rows.step[0] * ((uint8_t *)rows.values)[i] == 7, "7 becomes %g",
              rows.least[0] + rows.step[0] * ((uint8_t *)rows.values)[i]);
    quantise_row(BERT_INT8_KERNEL_RELAXED_DOT_I16, nan, ones, 8, &rows, 0);
    CHECK(!isfinite(rows.least[0]) || !isfinite(rows.step[0]), "NaN becomes %g", rows.least[0]);
}

TEST(layer_norm_over_odd_sizes)
{
    uint32_t seed = 4;
    for (uint32_t n = 1; n <= 70; n++) {
        norm_weights parameters = {random_floats(n, 0.5f, 2, &seed),
                                   random_floats(n, -1, 1, &seed)};
        float *x = random_floats(3 * n, 9, 11, &seed); /* far from 0: cancellation would show */
        double want[3 * 70];
        for (uint32_t i = 0; i < 3 * n; i++)
            want[i] = x[i];
        ops_layer_norm(x, 3, n, &parameters, 1e-5f);
        for (uint32_t r = 0; r < 3; r++)
            oracle_layer_norm(want + r * n, n, &parameters, 1e-5);
        for (uint32_t i = 0; i < 3 * n; i++)
            CHECK(fabs(x[i] - want[i]) < 2e-5, "layer norm of %u: [%u] is %.9g, expected %.9g", n,
                  i, x[i], want[i]);
    }
}

TEST(softmax_over_odd_sizes)
{
    uint32_t seed = 5;
    for (uint32_t n = 1; n <= 70; n++) {
        uint32_t stride = n + n % 3;
        float *x = random_floats(stride + n, -40, 40, &seed);
        double want[70];
        for (uint32_t r = 0; r < 2; r++) {
            for (uint32_t i = 0; i < n; i++)
                want[i] = x[r * stride + i] * 0.25;
            float copy[70];
            memcpy(copy, x + r * stride, n * sizeof(float));
            float inverse;
            ops_softmax(copy, n, 1, n, 0.25f, &inverse);
            ops_scale_rows(copy, n, 1, n, &inverse);
            oracle_softmax(want, n);
            double sum = 0;
            for (uint32_t i = 0; i < n; i++) {
                CHECK(fabs(copy[i] - want[i]) < 1e-6, "softmax of %u: [%u] is %.9g, expected %.9g",
                      n, i, copy[i], want[i]);
                sum += copy[i];
            }
            CHECK(fabs(sum - 1) < 1e-5, "softmax of %u sums to %.9g", n, sum);
        }
        float inverse[2]; /* two rows at once: guard and stride */
        ops_softmax(x, stride, 2, n, 0.25f, inverse);
        ops_scale_rows(x, stride, 2, n, inverse);
    }
}

/* Ends at a guard page. */
static row_table random_table(uint32_t n_rows, uint32_t n_columns, bert_dtype dtype, uint32_t *seed)
{
    static const size_t sizes[] = {4, 2, 1};
    size_t count = (size_t)n_rows * n_columns;
    unsigned char *rows = guarded_alloc(count * sizes[dtype]);
    for (size_t i = 0; i < count; i++) {
        if (dtype == BERT_DTYPE_F32)
            ((float *)rows)[i] = random_uniform(seed, -1, 1);
        else if (dtype == BERT_DTYPE_F16)
            ((uint16_t *)rows)[i] = (uint16_t)(random_u32(seed) & 0xbbff);
        else
            rows[i] = (unsigned char)random_u32(seed);
    }
    return (row_table){n_rows, n_columns, dtype, rows, random_floats(n_rows, 0.001f, 0.01f, seed)};
}

TEST(table_rows_of_every_dtype)
{
    uint32_t seed = 6;
    for (int dtype = 0; dtype < 3; dtype++) {
        for (uint32_t n = 1; n <= 19; n++) {
            row_table table = random_table(3, n, (bert_dtype)dtype, &seed);
            float *out = guarded_alloc(n * sizeof(float));
            ops_table_row(&table, 2, out, 0);
            ops_table_row(&table, 1, out, 1);
            for (uint32_t i = 0; i < n; i++) {
                double want = oracle_table(&table, 2, i) + oracle_table(&table, 1, i);
                CHECK(fabs(out[i] - want) < 1e-6,
                      "dtype %d, %u columns: [%u] is %.9g, expected %.9g", dtype, n, i, out[i],
                      want);
            }
        }
    }
}

/* Rows `first_row` .. 20 of a table, of each the columns `first_column` .. end. */
static void check_table_panels(bert_dtype dtype, uint32_t first_row, uint32_t first_column,
                               uint32_t n_columns, uint32_t *seed)
{
    enum { ROWS = 21 };
    row_table table = random_table(ROWS, first_column + n_columns, dtype, seed);
    row_range rows = {first_row, ROWS};
    uint32_t n_panels = panels_all(rows_count(rows)).end;
    size_t count = (size_t)n_panels * n_columns * BERT_PANEL;
    float *panels = guarded_alloc(count * sizeof(float));
    for (size_t i = 0; i < count; i++)
        panels[i] = NAN;
    ops_table_panels(&table, rows, first_column, n_columns, panels);
    for (uint32_t r = 0; r < rows_count(rows); r++) {
        for (uint32_t i = 0; i < n_columns; i++) {
            float got = panels[(r / 8 * n_columns + i) * BERT_PANEL + r % 8];
            double want = oracle_table(&table, first_row + r, first_column + i);
            CHECK(fabs(got - want) < 1e-6, "dtype %d, row %u, column %u is %.9g, expected %.9g",
                  dtype, first_row + r, first_column + i, got, want);
        }
    }
    for (size_t i = 0; i < count; i++)
        CHECK(isfinite(panels[i]), "panels[%zu] is %g", i, panels[i]);
    guarded_free_all();
}

TEST(table_panels_of_every_dtype)
{
    uint32_t seed = 16;
    for (int dtype = 0; dtype < 3; dtype++)
        for (uint32_t first_row = 0; first_row < 21; first_row += 3)
            for (uint32_t first_column = 0; first_column < 7; first_column += 2)
                for (uint32_t n = 1; n <= 11; n++)
                    check_table_panels((bert_dtype)dtype, first_row, first_column, n, &seed);
}

TEST(rows_of_length_one)
{
    uint32_t seed = 17;
    for (uint32_t n = 1; n <= 37; n++) {
        float *x = random_floats(2 * n, -3, 3, &seed), *copy = random_floats(2 * n, 0, 0, &seed);
        memset(x + n, 0, n * sizeof(float)); /* a row that has no direction */
        memcpy(copy, x, 2 * n * sizeof(float));
        ops_normalize(x, 2, n);
        double squares = 0;
        for (uint32_t i = 0; i < n; i++)
            squares += (double)copy[i] * copy[i];
        for (uint32_t i = 0; i < n; i++) {
            double want = copy[i] / sqrt(squares);
            CHECK(fabs(x[i] - want) < 1e-6, "%u columns: [%u] is %.9g, expected %.9g", n, i, x[i],
                  want);
            CHECK(x[n + i] == 0, "zeros become %g", x[n + i]);
        }
    }
}

/* Where each integer of a unit is, written a second time. */
TEST(four_bits_expand_to_their_products)
{
    uint32_t seed = 110;
    for (uint32_t n_columns = 1; n_columns <= BERT_PANEL; n_columns += BERT_PANEL - 1) {
        enum { UNITS = 3 };
        size_t unit_bytes = BERT_Q4_UNIT_BYTES(n_columns);
        uint8_t *units = guarded_alloc(UNITS * unit_bytes);
        for (size_t i = 0; i < UNITS * unit_bytes; i++)
            units[i] = (uint8_t)(random_u32(&seed) % (i % unit_bytes < n_columns ? 16 : 256));
        size_t n = n_columns * BERT_GROUP;
        int8_t *values = guarded_alloc(UNITS * n);
        bert_q4_expand(units, UNITS, n_columns, values);
        for (size_t i = 0; i < UNITS * n; i++) {
            const uint8_t *unit = units + i / n * unit_bytes;
            size_t at = i % n, column = n_columns == 1 ? 0 : at / BERT_QUAD % BERT_PANEL;
            uint8_t byte = unit[n_columns + at / 32 * 16 + at % 16];
            int want = ((at % 32 < 16 ? byte & 15 : byte >> 4) - 8) * unit[column];
            CHECK(values[i] == want, "%u columns: [%zu] is %d, expected %d", n_columns, i,
                  values[i], want);
        }
    }
}

/*
 * test_kernels.c - every kernel against the scalar oracle, over odd sizes. Inputs end at a guard
 * page, so that a read past the end is a crash; outputs have canaries around them.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"
#include "oracle.h"
#include "vector_math.h"

#define CANARY 12345.0f

typedef v128_t (*vector_function)(v128_t);

static float at(vector_function f, float x)
{
    return wasm_f32x4_extract_lane(f(wasm_f32x4_splat(x)), 2);
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

/* Every activation by its number, and NaN stays NaN: a broken model must not look healthy. */
TEST(activations)
{
    for (int a = BERT_ACTIVATION_NONE; a <= BERT_ACTIVATION_RELU; a++) {
        for (float x = -5; x <= 5; x += 0.37f) {
            float got =
                wasm_f32x4_extract_lane(math_activate(wasm_f32x4_splat(x), (bert_activation)a), 1);
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

/* A dense layer whose last panel is padded with zeros. */
static matrix random_matrix(uint32_t n_in, uint32_t n_out, bert_dtype dtype, uint32_t *seed)
{
    static const size_t sizes[] = {4, 2, 1};
    size_t count = (size_t)(n_out + BERT_PANEL - 1) / BERT_PANEL * BERT_PANEL * n_in;
    void *panels = guarded_alloc(count * sizes[dtype]);
    for (size_t i = 0; i < count; i++) {
        if (i / BERT_PANEL / n_in * BERT_PANEL + i % BERT_PANEL >= n_out)
            continue;
        if (dtype == BERT_DTYPE_F32)
            ((float *)panels)[i] = random_uniform(seed, -1, 1);
        else if (dtype == BERT_DTYPE_F16)
            ((uint16_t *)panels)[i] = (uint16_t)(random_u32(seed) & 0xbbff);
        else
            ((int8_t *)panels)[i] = (int8_t)((int)(random_u32(seed) % 255) - 127);
    }
    return (matrix){.n_in = n_in,
                    .n_out = n_out,
                    .dtype = dtype,
                    .panels = panels,
                    .scale =
                        dtype == BERT_DTYPE_I8 ? random_floats(n_out, 0.001f, 0.01f, seed) : NULL,
                    .bias = random_u32(seed) % 4 ? random_floats(n_out, -1, 1, seed) : NULL};
}

static void check_gemm(uint32_t n_rows, uint32_t n_in, uint32_t n_out, bert_dtype dtype,
                       bert_activation activation, int with_residual, uint32_t *seed)
{
    matrix w = random_matrix(n_in, n_out, dtype, seed);
    size_t a_stride = n_in + random_u32(seed) % 3, c_stride = n_out + random_u32(seed) % 3;
    float *a = random_floats((n_rows - 1) * a_stride + n_in, -1, 1, seed);
    size_t c_count = (n_rows - 1) * c_stride + n_out;
    float *c = guarded_alloc(c_count * sizeof(float));
    float *residual = random_floats(c_count, -1, 1, seed);
    float *panel = guarded_alloc((size_t)n_in * BERT_PANEL * sizeof(float));
    for (size_t i = 0; i < c_count; i++)
        c[i] = CANARY;
    gemm_f32(a, a_stride, n_rows, &w, activation, with_residual ? residual : NULL, c, c_stride,
             panel);

    for (uint32_t r = 0; r < n_rows; r++) {
        for (uint32_t j = 0; j < n_out; j++) {
            double sum = w.bias ? w.bias[j] : 0, size = fabs(sum);
            for (uint32_t k = 0; k < n_in; k++) {
                double product = a[r * a_stride + k] * oracle_matrix(&w, k, j);
                sum += product;
                size += fabs(product);
            }
            double want = oracle_activate(sum, activation);
            if (with_residual)
                want += residual[r * c_stride + j];
            double error = fabs(c[r * c_stride + j] - want);
            CHECK(
                error <= 2e-6 + 1e-6 * size,
                "gemm %u x %u x %u dtype %d activation %d residual %d: [%u, %u] is %.9g, expected "
                "%.9g",
                n_rows, n_in, n_out, dtype, activation, with_residual, r, j, c[r * c_stride + j],
                want);
        }
        for (size_t j = n_out; j < c_stride && r * c_stride + j < c_count; j++)
            CHECK(c[r * c_stride + j] == CANARY, "gemm %u x %u x %u wrote between rows", n_rows,
                  n_in, n_out);
    }
}

TEST(gemm_over_odd_sizes)
{
    uint32_t seed = 1;
    for (uint32_t n_rows = 1; n_rows <= 9; n_rows++)
        for (uint32_t n_in = 1; n_in <= 37; n_in += n_in < 9 ? 1 : 7)
            for (uint32_t n_out = 1; n_out <= 26; n_out += n_out < 17 ? 1 : 4)
                check_gemm(n_rows, n_in, n_out, (bert_dtype)(random_u32(&seed) % 3),
                           (bert_activation)(random_u32(&seed) % 5), random_u32(&seed) % 2, &seed);
}

TEST(gemm_over_row_blocks)
{
    uint32_t seed = 2;
    for (int dtype = 0; dtype < 3; dtype++)
        for (uint32_t n_rows = ROW_BLOCK - 1; n_rows <= 2 * ROW_BLOCK + 1; n_rows += 43)
            check_gemm(n_rows, 33, 19, (bert_dtype)dtype, BERT_ACTIVATION_GELU, 1, &seed);
}

/* A row's bits do not depend on the rows beside it. */
TEST(gemm_rows_are_independent)
{
    uint32_t seed = 3;
    for (int dtype = 0; dtype < 3; dtype++) {
        matrix w = random_matrix(29, 21, (bert_dtype)dtype, &seed);
        float *a = random_floats(7 * 29, -1, 1, &seed);
        float all[7 * 21], one[21], panel[29 * BERT_PANEL];
        gemm_f32(a, 29, 7, &w, BERT_ACTIVATION_GELU, NULL, all, 21, panel);
        for (uint32_t r = 0; r < 7; r++) {
            gemm_f32(a + r * 29, 29, 1, &w, BERT_ACTIVATION_GELU, NULL, one, 21, panel);
            CHECK(memcmp(one, all + r * 21, sizeof one) == 0, "row %u has other bits alone", r);
        }
    }
}

TEST(layer_norm_over_odd_sizes)
{
    uint32_t seed = 4;
    for (uint32_t n = 1; n <= 70; n++) {
        norm parameters = {random_floats(n, 0.5f, 2, &seed), random_floats(n, -1, 1, &seed)};
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
            ops_softmax(copy, n, 1, n, 0.25f);
            oracle_softmax(want, n);
            double sum = 0;
            for (uint32_t i = 0; i < n; i++) {
                CHECK(fabs(copy[i] - want[i]) < 1e-6, "softmax of %u: [%u] is %.9g, expected %.9g",
                      n, i, copy[i], want[i]);
                sum += copy[i];
            }
            CHECK(fabs(sum - 1) < 1e-5, "softmax of %u sums to %.9g", n, sum);
        }
        ops_softmax(x, stride, 2, n, 0.25f); /* two rows at once: guard and stride */
    }
}

TEST(table_rows_of_every_dtype)
{
    uint32_t seed = 6;
    for (int dtype = 0; dtype < 3; dtype++) {
        for (uint32_t n = 1; n <= 19; n++) {
            static const size_t sizes[] = {4, 2, 1};
            unsigned char *rows = guarded_alloc(3 * n * sizes[dtype]);
            for (size_t i = 0; i < 3 * n; i++) {
                if (dtype == BERT_DTYPE_F32)
                    ((float *)rows)[i] = random_uniform(&seed, -1, 1);
                else if (dtype == BERT_DTYPE_F16)
                    ((uint16_t *)rows)[i] = (uint16_t)(random_u32(&seed) & 0xbbff);
                else
                    rows[i] = (unsigned char)random_u32(&seed);
            }
            table table = {3, n, (bert_dtype)dtype, rows, random_floats(3, 0.001f, 0.01f, &seed)};
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

/*
 * test_maths.c - the converter's own functions: against the C library in long double, and to the
 * bit, as every build must have them.
 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "harness.h"
#include "maths/maths.h"

typedef struct function_case {
    const char *name;
    double (*own)(double);
    long double (*wanted)(long double);
    double from, to;
} function_case;

static const function_case FUNCTIONS[] = {
    {"exp", maths_exp, expl, -745, 709},      {"exp", maths_exp, expl, -1e-3, 1e-3},
    {"log", maths_log, logl, 1e-320, 1e-300}, {"log", maths_log, logl, 0.5, 2},
    {"log", maths_log, logl, 1, 1e30},        {"log1p", maths_log1p, log1pl, 0, 1},
    {"log1p", maths_log1p, log1pl, 0, 1e-12}, {"log1p", maths_log1p, log1pl, 1, 1e6},
    {"tanh", maths_tanh, tanhl, -1, 1},       {"tanh", maths_tanh, tanhl, -20, 20},
    {"tanh", maths_tanh, tanhl, -1e-9, 1e-9}, {"erf", maths_erf, erfl, -1, 1},
    {"sin", maths_sin, sinl, -4, 4},          {"sin", maths_sin, sinl, -60000, 60000},
    {"cos", maths_cos, cosl, -4, 4},          {"cos", maths_cos, cosl, -60000, 60000},
    {"erf", maths_erf, erfl, -7, 7},          {"erf", maths_erf, erfl, -1e-9, 1e-9},
};

#define N_FUNCTIONS (sizeof FUNCTIONS / sizeof *FUNCTIONS)
#define N_POINTS 20001

static uint64_t add_bits(uint64_t hash, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (hash ^ bits) * UINT64_C(1099511628211);
}

TEST(functions_are_exact_enough)
{
    for (size_t k = 0; k < N_FUNCTIONS; k++) {
        const function_case *f = &FUNCTIONS[k];
        double worst = 0;
        int n_other_floats = 0;
        for (int i = 0; i < N_POINTS; i++) {
            double x = f->from + (f->to - f->from) * i / (N_POINTS - 1), got = f->own(x);
            long double wanted = f->wanted(x);
            double unit = fmax(fabs((double)wanted) * 0x1p-53, 0x1p-1074);
            worst = fmax(worst, (double)(fabsl(got - wanted) / unit));
            n_other_floats += (float)got != (float)wanted;
        }
        CHECK(worst < 32, "%s of %g .. %g is %g units off", f->name, f->from, f->to, worst);
        CHECK(n_other_floats <= 1, "%s of %g .. %g: %d are not the nearest float", f->name, f->from,
              f->to, n_other_floats);
    }
}

TEST(powers_are_those_of_the_standard)
{
    static const double numbers[] = {0,   -0.0, 1,    -1,     2,      -2,       3,
                                     -3,  0.5,  -0.5, 1.5,    1e-300, 7.25,     64,
                                     -65, 100,  1e10, 0x1p60, NAN,    INFINITY, -INFINITY,
                                     1.1, -0.3, 0.9,  4096,   33,     0x1p-1070};
    size_t n = sizeof numbers / sizeof *numbers;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++) {
            double got = maths_pow(numbers[i], numbers[k]);
            double wanted = pow(numbers[i], numbers[k]);
            double error = fabs(got - wanted);
            double least = 1e-13 * fabs(wanted) + 1e-322;
            bool is_same = got == wanted ? !signbit(got) == !signbit(wanted)
                                         : error <= least || (isnan(got) && isnan(wanted));
            CHECK(is_same, "pow(%g, %g) is %g, not %g", numbers[i], numbers[k], got, wanted);
        }
}

TEST(special_numbers)
{
    CHECK(isnan(maths_exp(NAN)) && isnan(maths_log(NAN)) && isnan(maths_tanh(NAN)) &&
              isnan(maths_erf(NAN)) && isnan(maths_log(-1)),
          "NaN is lost");
    CHECK(maths_exp(INFINITY) == INFINITY && maths_exp(-INFINITY) == 0 && maths_exp(0) == 1 &&
              maths_exp(1000) == INFINITY && maths_exp(-1000) == 0,
          "exp at its ends");
    CHECK(maths_log(0) == -INFINITY && maths_log(INFINITY) == INFINITY && maths_log(1) == 0,
          "log at its ends");
    CHECK(maths_tanh(INFINITY) == 1 && maths_tanh(-INFINITY) == -1 && signbit(maths_tanh(-0.0)),
          "tanh at its ends");
    CHECK(maths_erf(INFINITY) == 1 && maths_erf(-INFINITY) == -1 && signbit(maths_erf(-0.0)),
          "erf at its ends");
}

/* The hash is the same in every build: a compiler that fuses or reorders is found here. */
TEST(every_bit_is_as_recorded)
{
    uint64_t hash = 0;
    for (size_t k = 0; k < N_FUNCTIONS; k++)
        for (int i = 0; i < N_POINTS; i++) {
            const function_case *f = &FUNCTIONS[k];
            hash = add_bits(hash, f->own(f->from + (f->to - f->from) * i / (N_POINTS - 1)));
        }
    for (int i = 1; i < 3000; i++)
        hash = add_bits(hash, maths_pow(i * 0.01, (i % 97) * 0.37 - 17));
    CHECK(hash == UINT64_C(0xb0670d8ee57e9765), "the bits are %llx", (unsigned long long)hash);
}

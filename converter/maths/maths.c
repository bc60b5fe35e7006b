/*
 * maths.c - see maths.h. Series and continued fractions, as long as doubles can tell: nothing here
 * is fitted, and all of it is short. A C library's own tables would be faster; what is computed
 * here is a small part of a conversion.
 */
#include "maths/maths.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* ln 2 in two parts: whole multiples of the first are exact. */
#define LN2_HIGH 0x1.62e42fee00000p-1
#define LN2_LOW 0x1.a39ef35793c76p-33

/* 2^n for a normal number. */
static double power_of_two(int n)
{
    uint64_t bits = (uint64_t)(n + 1023) << 52;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* x = k ln 2 + r, |r| <= ln 2 / 2, and the Taylor series of e^r. */
double maths_exp(double x)
{
    if (isnan(x))
        return x;
    if (x > 709.79)
        return INFINITY;
    if (x < -745.2)
        return 0;
    double k = rint(x / (LN2_HIGH + LN2_LOW));
    double r = (x - k * LN2_HIGH) - k * LN2_LOW, sum = 1;
    for (int n = 14; n > 0; n--)
        sum = 1 + sum * r / n;
    /* In two steps: the result may be subnormal, or just below infinity. */
    int half = (int)k / 2;
    return sum * power_of_two(half) * power_of_two((int)k - half);
}

/* 2 artanh(s) = ln((1 + s) / (1 - s)), |s| <= 1/3. */
static double double_artanh(double s)
{
    double square = s * s, sum = 0;
    for (int n = 35; n > 0; n -= 2)
        sum = sum * square + 1.0 / n;
    return 2 * s * sum;
}

/* x = 2^k m, sqrt(1/2) <= m < sqrt(2). */
double maths_log(double x)
{
    if (isnan(x) || x < 0)
        return NAN;
    if (x == 0 || isinf(x))
        return x == 0 ? -INFINITY : x;
    int k = 0;
    if (x < 0x1p-1022) {
        x *= 0x1p54;
        k = -54;
    }
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    k += (int)(bits >> 52) - 1023;
    bits = (bits & UINT64_C(0xfffffffffffff)) | UINT64_C(0x3ff0000000000000);
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m > 0x1.6a09e667f3bcdp0) {
        m /= 2;
        k++;
    }
    return k * LN2_HIGH + (double_artanh((m - 1) / (m + 1)) + k * LN2_LOW);
}

double maths_log1p(double x)
{
    return x <= 1 ? double_artanh(x / (2 + x)) : maths_log(1 + x);
}

/* Lambert's continued fraction where the quotient of exponentials would cancel. */
double maths_tanh(double x)
{
    double size = fabs(x), square = x * x;
    if (isnan(x))
        return x;
    if (size < 1) {
        double fraction = 27;
        for (int n = 25; n > 0; n -= 2)
            fraction = n + square / fraction;
        return x / fraction;
    }
    double e = maths_exp(-2 * size);
    return copysign((1 - e) / (1 + e), x);
}

/* 2 / sqrt(pi) e^(-x^2) (x + 2 x^3 / 3 + 4 x^5 / 15 + ...): no two terms cancel. Beyond 6 what is
 * missing from 1 is less than a double can tell. */
double maths_erf(double x)
{
    double square = x * x, term = x, sum = x;
    if (isnan(x))
        return x;
    if (fabs(x) > 6)
        return copysign(1, x);
    for (int n = 3; fabs(term) > 0x1p-56 * fabs(sum); n += 2) {
        term *= 2 * square / n;
        sum += term;
    }
    return 0x1.20dd750429b6dp0 * maths_exp(-square) * sum;
}

/* pi / 2 in parts: whole multiples of the first two, up to 2^20 of them, are exact. */
#define HALF_PI_HIGH 0x1.921fb544p0
#define HALF_PI_MIDDLE 0x1.0b4611a6p-34
#define HALF_PI_LOW 0x1.3198a2e037073p-69

/* x = k pi / 2 + r, |r| <= pi / 4, and the Taylor series of the sine or, an odd number of quarters
 * later, of the cosine of r. */
static double sine(double x, int quarters)
{
    if (isnan(x) || isinf(x))
        return NAN;
    if (fabs(x) > 1e6)
        x = fmod(x, 0x1.921fb54442d18p2);
    double k = rint(x / HALF_PI_HIGH);
    double r = ((x - k * HALF_PI_HIGH) - k * HALF_PI_MIDDLE) - k * HALF_PI_LOW;
    int turn = ((int)k + quarters) & 3;
    double square = r * r, sum = 1;
    for (int n = turn % 2 ? 18 : 17; n > 1; n -= 2)
        sum = 1 - sum * square / (n * (n - 1));
    sum *= turn % 2 ? 1 : r;
    return turn < 2 ? sum : -sum;
}

double maths_sin(double x)
{
    return x == 0 ? x : sine(x, 0);
}

double maths_cos(double x)
{
    return sine(x, 1);
}

/* Whether a number is whole, ... */
static int is_whole(double y)
{
    return rint(y) == y;
}

/* ... and odd. */
static int is_odd(double y)
{
    return is_whole(y) && fabs(y) < 0x1p53 && rint(y / 2) * 2 != y;
}

/* Of sizes between zero and infinity. */
static double power(double size, double y)
{
    double whole = fabs(y) <= 64 && is_whole(y) ? fabs(y) : 0, result = 1;
    if (whole == 0)
        return maths_exp(y * maths_log(size));
    for (double factor = size; whole > 0; factor *= factor, whole = floor(whole / 2))
        if (is_odd(whole))
            result *= factor;
    return y < 0 ? 1 / result : result;
}

double maths_pow(double x, double y)
{
    double size = fabs(x);
    if (y == 0 || x == 1)
        return 1;
    if (isnan(x) || isnan(y))
        return NAN;
    if (isinf(y))
        return size == 1 ? 1 : (size > 1) == (y > 0) ? INFINITY : 0;
    double sign = signbit(x) && is_odd(y) ? -1 : 1;
    if (size == 0 || isinf(size))
        return sign * ((size == 0) == (y > 0) ? 0 : INFINITY);
    return x < 0 && !is_whole(y) ? NAN : sign * power(size, y);
}

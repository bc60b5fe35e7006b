/* pack_q4.c - see pack_q4.h. */
#include "weights/pack_q4.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bert.h"
#include "weights/scale.h"

/* Largest nibble either way, and largest multipliers: a product is an integer of an 8-bit panel, or
 * of an 8-bit table's row. */
#define MAX_NIBBLE 7
#define MAX_MULTIPLIER (BERT_MOST_WEIGHT(BERT_INTEGERS_8_BITS) / MAX_NIBBLE)

/* What is added to the diagonal of the moments, as a part of its mean, so that rare inputs do not
 * decide. */
#define DAMPING 0.01

static int round_nibble(float value, float step)
{
    float nibble = nearbyintf(value / step);
    return (int)fmaxf(-MAX_NIBBLE, fminf(MAX_NIBBLE, nibble));
}

/* The multiplier of a group of values, `stride` apart, that spoils them least. */
static int find_multiplier(const float *values, size_t stride, float scale)
{
    int best = MAX_MULTIPLIER;
    float least = INFINITY;
    for (int multiplier = 1; multiplier <= MAX_MULTIPLIER; multiplier++) {
        float step = scale * (float)multiplier, sum = 0;
        for (size_t i = 0; i < BERT_GROUP; i++) {
            float value = values[i * stride];
            float error = value - step * (float)round_nibble(value, step);
            sum += error * error;
        }
        if (sum < least) {
            least = sum;
            best = multiplier;
        }
    }
    return best;
}

/* Integer `index` of a unit that starts with `n_columns` multipliers. */
static void put_nibble(uint8_t *unit, uint32_t n_columns, uint32_t index, int nibble)
{
    uint32_t in_block = index % BERT_GROUP, half = BERT_GROUP / 2;
    uint8_t *byte = unit + n_columns + index / BERT_GROUP * half +
                    (in_block < half ? in_block : in_block - half);
    *byte |= (uint8_t)((nibble + 8) << (in_block < half ? 0 : 4));
}

void pack_q4_table(const float *values, uint64_t n_rows, uint32_t n_columns, uint8_t *units,
                   float *scales)
{
    for (uint64_t row = 0; row < n_rows; row++) {
        scales[row] = scale_find(values, n_columns, 1, MAX_NIBBLE * MAX_MULTIPLIER);
        for (uint32_t k = 0; k < n_columns; k += BERT_GROUP, values += BERT_GROUP) {
            int multiplier = find_multiplier(values, 1, scales[row]);
            units[0] = (uint8_t)multiplier;
            for (uint32_t i = 0; i < BERT_GROUP; i++)
                put_nibble(units, 1, i, round_nibble(values[i], scales[row] * (float)multiplier));
            units += BERT_Q4_UNIT_BYTES(1);
        }
    }
}

/* ------------------------------------------------------------------------------ compensation -- */

static double dot(const double *a, const double *b, size_t n)
{
    double sums[8] = {0}, sum = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (size_t j = 0; j < 8; j++)
            sums[j] += a[i + j] * b[i + j];
    for (; i < n; i++)
        sum += a[i] * b[i];
    for (int j = 0; j < 8; j++)
        sum += sums[j];
    return sum;
}

/* In place, from the upper triangle of a symmetric H [n, n]: the upper triangular R, H = R R'.
 * False if H is not positive definite. */
static bool factorise(double *h, size_t n)
{
    for (size_t j = n; j-- > 0;) {
        double square = h[j * n + j] - dot(h + j * n + j + 1, h + j * n + j + 1, n - j - 1);
        if (!(square > 0))
            return false;
        double pivot = h[j * n + j] = sqrt(square);
        for (size_t i = 0; i < j; i++)
            h[i * n + j] =
                (h[i * n + j] - dot(h + i * n + j + 1, h + j * n + j + 1, n - j - 1)) / pivot;
    }
    return true;
}

/* In place: the inverse of an upper triangular R [n, n]. */
static void invert(double *r, double *row, size_t n)
{
    for (size_t i = n; i-- > 0;) {
        double inverse = 1 / r[i * n + i];
        memset(row, 0, n * sizeof *row);
        for (size_t k = i + 1; k < n; k++) {
            double factor = r[i * n + k];
            for (size_t j = k; j < n; j++)
                row[j] += factor * r[k * n + j];
        }
        r[i * n + i] = inverse;
        for (size_t j = i + 1; j < n; j++)
            r[i * n + j] = -inverse * row[j];
    }
}

/*
 * The upper triangular U with U' U = the inverse of the moments: row k says how the weights after
 * weight k make good its error (GPTQ, section 3.3, step 3). NULL with a fault.
 */
static double *compensation(const float *moments, size_t n, fault_text *fault)
{
    double *h = malloc(n * n * sizeof *h), *row = malloc(n * sizeof *row), mean = 0;
    if (!h || !row) {
        free(h);
        free(row);
        fault_set(fault, "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < n * n; i++)
        h[i] = moments[i];
    for (size_t i = 0; i < n; i++)
        mean += h[i * n + i] / (double)n;
    for (size_t i = 0; i < n; i++)
        h[i * n + i] += DAMPING * mean + 1e-30;
    bool ok = factorise(h, n) || fault_set(fault, "calibration: moments are not positive definite");
    if (ok)
        invert(h, row, n);
    else
        free(h);
    free(row);
    return ok ? h : NULL;
}

/* Rounds row k of values [n_in, n_out] and hands its errors on to the rows after it. */
static void round_row(float *values, uint32_t k, uint32_t n_in, uint32_t n_out, const float *steps,
                      const double *compensation, int8_t *nibbles, float *errors)
{
    float *row = values + (size_t)k * n_out;
    for (uint32_t j = 0; j < n_out; j++) {
        int nibble = round_nibble(row[j], steps[j]);
        nibbles[j] = (int8_t)nibble;
        errors[j] = row[j] - (float)nibble * steps[j];
    }
    if (!compensation)
        return;
    const double *weights = compensation + (size_t)k * n_in;
    for (uint32_t i = k + 1; i < n_in; i++) {
        float factor = (float)(weights[i] / weights[k]);
        float *later = values + (size_t)i * n_out;
        for (uint32_t j = 0; j < n_out; j++)
            later[j] -= factor * errors[j];
    }
}

bool pack_q4_matrix(float *values, uint32_t n_in, uint32_t n_out, const float *moments,
                    uint8_t *units, float *scales, fault_text *fault)
{
    double *making_good = moments ? compensation(moments, n_in, fault) : NULL;
    float *steps = malloc(n_out * sizeof *steps), *errors = malloc(n_out * sizeof *errors);
    int8_t *nibbles = malloc(n_out);
    bool ok =
        steps && errors && nibbles ? !moments || making_good : fault_set(fault, "out of memory");
    for (uint32_t j = 0; ok && j < n_out; j++)
        scales[j] = scale_find(values + j, n_in, n_out, MAX_NIBBLE * MAX_MULTIPLIER);
    size_t n_groups = n_in / BERT_GROUP;
    for (uint32_t k = 0; ok && k < n_in; k++) {
        uint32_t group = k / BERT_GROUP, quad = k % BERT_GROUP / BERT_QUAD;
        for (uint32_t j = 0; j < n_out; j++) {
            uint8_t *unit =
                units + (j / BERT_PANEL * n_groups + group) * BERT_Q4_UNIT_BYTES(BERT_PANEL);
            if (k % BERT_GROUP == 0) {
                int multiplier = find_multiplier(values + (size_t)k * n_out + j, n_out, scales[j]);
                unit[j % BERT_PANEL] = (uint8_t)multiplier;
                steps[j] = scales[j] * (float)multiplier;
            }
        }
        round_row(values, k, n_in, n_out, steps, making_good, nibbles, errors);
        for (uint32_t j = 0; j < n_out; j++) {
            uint8_t *unit =
                units + (j / BERT_PANEL * n_groups + group) * BERT_Q4_UNIT_BYTES(BERT_PANEL);
            put_nibble(unit, BERT_PANEL,
                       (quad * BERT_PANEL + j % BERT_PANEL) * BERT_QUAD + k % BERT_QUAD,
                       nibbles[j]);
        }
    }
    free(making_good);
    free(steps);
    free(errors);
    free(nibbles);
    return ok;
}

/*
 * attention_i16.c - attention of one head in 16-bit integers, for models with integer weights.
 *
 * In f32 the two products would differ in their last bits between engines that fuse a multiply and
 * an add and those that do not, and what is rounded to 8 bits afterwards may then differ by a whole
 * step. Integers have one answer, and lose less than the roundings around them. They take as long
 * as fused floats, and less than floats that are not (docs/decisions.md):
 *
 *     s = q k' sums        q and k -L .. L, L^2 times the products of a sum below 2^30; q with a
 *                          step for each query, k with one for all keys of the head
 *     e = exp(step (s - max s))
 *     p = round(m e)       0 .. 32767, m of the row such that sum p stays below 2^31 / 8192
 *     y = (p v sums) * step / sum p           v -8191 .. 8191, one step for the head
 *
 * So a row of probabilities is resolved to 2^-18 of its mass, whether that lies on one key or on
 * thousands, and adds up to exactly one. Rejected: p of 8 bits, where the tail of a long row
 * rounds to nothing.
 */
#include <math.h>
#include <string.h>

#include "internal.h"
#include "simd.h"
#include "vector_math.h"

#define VALUE_LEVELS 8191

/* As in quantise.c: adding it rounds to a whole number and leaves that in the low bits. */
#define ROUND 0x1.8p23f

/* Most that q and k may be: sums of n products of two such numbers, and differences of two such
 * sums, fit 32 bits. */
static float levels_of(uint32_t n)
{
    float levels = floorf(sqrtf((float)(INT32_MAX / 2) / (float)n) * 0.99999f);
    return levels < INT16_MAX ? levels : INT16_MAX;
}

/* The greatest |x|, of `n` numbers and of `greatest`, lane by lane. */
static inline v128_t greatest_of(const float *x, uint32_t n, v128_t greatest)
{
    for (uint32_t i = 0; i < n; i += 4)
        greatest = wasm_f32x4_pmax(greatest, wasm_f32x4_abs(simd_load_first(x + i, n - i, 0)));
    return greatest;
}

/* The same of the rows of x, `stride` apart, that are attended to. */
static float greatest_attended(const float *x, size_t stride, const sequence_view *sequence,
                               uint32_t n)
{
    v128_t greatest = wasm_f32x4_const(0, 0, 0, 0);
    for (uint32_t t = 0; t < sequence->n; t++)
        if (sequence_attends(sequence, t))
            greatest = greatest_of(x + t * stride, n, greatest);
    return simd_max(greatest);
}

/* What numbers up to `greatest` are multiplied by to become -levels .. levels; *step is how large
 * one of these is then. */
static float factor_of(float greatest, float levels, float *step)
{
    *step = greatest / levels;
    return greatest > 0 ? levels / greatest : 0;
}

/* Four numbers times `factor`, as 32-bit integers. */
static inline v128_t round_to_integers(v128_t x, v128_t factor)
{
    v128_t round = wasm_f32x4_splat(ROUND);
    return wasm_i32x4_sub(wasm_f32x4_add(wasm_f32x4_mul(x, factor), round), round);
}

/* Eight numbers from `x`, of `left`, as integers; the rest zeros. */
static inline v128_t load_integers(const float *x, uint32_t left, v128_t factor)
{
    v128_t zero = wasm_f32x4_const(0, 0, 0, 0);
    v128_t low = simd_load_first(x, left, 0);
    v128_t high = left > 4 ? simd_load_first(x + 4, left - 4, 0) : zero;
    return wasm_i16x8_narrow_i32x4(round_to_integers(low, factor), round_to_integers(high, factor));
}

/* `n` numbers, and as many zeros as make whole eights, at `out`. */
static void quantise_query(const float *x, uint32_t n, float factor, int16_t *out)
{
    for (uint32_t i = 0; i < n; i += 8)
        wasm_v128_store(out + i, load_integers(x + i, n - i, wasm_f32x4_splat(factor)));
}

/* K' of one head: panel p has, for each pair of inputs, those of keys 8 p .. 8 p + 7. Returns the
 * step. */
static float pack_keys(const float *key, size_t stride, const sequence_view *sequence, uint32_t dim,
                       float levels, int16_t *panels)
{
    uint32_t n_pairs = (dim + 1) / 2, column = 0;
    float step, greatest = greatest_attended(key, stride, sequence, dim);
    v128_t factor = wasm_f32x4_splat(factor_of(greatest, levels, &step));
    for (uint32_t t = 0; t < sequence->n; t++) {
        if (!sequence_attends(sequence, t))
            continue;
        int16_t *panel = panels + (size_t)(column / BERT_PANEL) * n_pairs * 2 * BERT_PANEL +
                         2 * (column % BERT_PANEL);
        for (uint32_t i = 0; i < dim; i += 8, panel += 8 * BERT_PANEL) {
            v128_t x = load_integers(key + t * stride + i, dim - i, factor);
            uint32_t n = n_pairs - i / 2;
            wasm_v128_store32_lane(panel, x, 0);
            if (n > 1)
                wasm_v128_store32_lane(panel + 2 * BERT_PANEL, x, 1);
            if (n > 2)
                wasm_v128_store32_lane(panel + 4 * BERT_PANEL, x, 2);
            if (n > 3)
                wasm_v128_store32_lane(panel + 6 * BERT_PANEL, x, 3);
        }
        column++;
    }
    return step;
}

/* V of one head: panel p has, for each pair of keys, their columns 8 p .. 8 p + 7. Returns the
 * step. */
static float pack_values(const float *value, size_t stride, const sequence_view *sequence,
                         uint32_t dim, uint32_t n_keys, int16_t *panels)
{
    uint32_t n_pairs = (n_keys + 1) / 2;
    float step, greatest = greatest_attended(value, stride, sequence, dim);
    v128_t factor = wasm_f32x4_splat(factor_of(greatest, VALUE_LEVELS, &step));
    v128_t zero = wasm_i16x8_const(0, 0, 0, 0, 0, 0, 0, 0);
    for (uint32_t column = 0; column < dim; column += BERT_PANEL) {
        int16_t *panel = panels + (size_t)column * 2 * n_pairs;
        v128_t first = zero;
        uint32_t n = 0;
        for (uint32_t t = 0; t < sequence->n; t++) {
            if (!sequence_attends(sequence, t))
                continue;
            v128_t x = load_integers(value + t * stride + column, dim - column, factor);
            if (n++ % 2 == 0) {
                first = x;
                if (n < n_keys)
                    continue;
                x = zero;
            }
            wasm_v128_store(panel, wasm_i16x8_shuffle(first, x, 0, 8, 1, 9, 2, 10, 3, 11));
            wasm_v128_store(panel + 8, wasm_i16x8_shuffle(first, x, 4, 12, 5, 13, 6, 14, 7, 15));
            panel += 2 * BERT_PANEL;
        }
    }
    return step;
}

/* The greatest of `n` sums. */
static int32_t greatest_sum(const int32_t *sums, uint32_t n)
{
    int32_t most = sums[0], lanes[4];
    uint32_t i = 0;
    if (n >= 8) {
        v128_t largest[2] = {wasm_v128_load(sums), wasm_v128_load(sums + 4)};
        for (i = 8; i + 8 <= n; i += 8)
            for (int j = 0; j < 2; j++)
                largest[j] = wasm_i32x4_max(largest[j], wasm_v128_load(sums + i + 4 * j));
        wasm_v128_store(lanes, wasm_i32x4_max(largest[0], largest[1]));
        for (int j = 0; j < 4; j++)
            most = lanes[j] > most ? lanes[j] : most;
    }
    for (; i < n; i++)
        most = sums[i] > most ? sums[i] : most;
    return most;
}

/* exp(step (s - max)) of eight sums. */
INLINE void exponentials_of(const int32_t *sums, v128_t max, v128_t step, v128_t e[2])
{
    for (int j = 0; j < 2; j++)
        e[j] = wasm_f32x4_mul(
            wasm_f32x4_convert_i32x4(wasm_i32x4_sub(wasm_v128_load(sums + 4 * j), max)), step);
    math_exp(e, 2);
}

/* exp(step (s - max s)) of a row of n sums, in place; returns their sum. */
static float exponentials(int32_t *sums, uint32_t n, float step)
{
    float *row = (float *)sums;
    int32_t most = greatest_sum(sums, n);
    v128_t max = wasm_i32x4_splat(most), steps = wasm_f32x4_splat(step), e[2];
    v128_t total[2] = {wasm_f32x4_const(0, 0, 0, 0), wasm_f32x4_const(0, 0, 0, 0)};
    uint32_t i = 0;
    for (; i + 8 <= n; i += 8) {
        exponentials_of(sums + i, max, steps, e);
        for (int j = 0; j < 2; j++) {
            wasm_v128_store(row + i + 4 * j, e[j]);
            total[j] = wasm_f32x4_add(total[j], e[j]);
        }
    }
    float sum = simd_sum(wasm_f32x4_add(total[0], total[1]));
    if (i < n) {
        int32_t rest[8];
        float lanes[8];
        for (uint32_t j = 0; j < 8; j++)
            rest[j] = i + j < n ? sums[i + j] : most;
        exponentials_of(rest, max, steps, e);
        wasm_v128_store(lanes, e[0]);
        wasm_v128_store(lanes + 4, e[1]);
        for (uint32_t j = 0; i + j < n; j++)
            sum += row[i + j] = lanes[j];
    }
    return sum;
}

/* Row of n exponentials whose sum is `total` -> p in place, with a zero after an odd number of
 * them; returns the sum of p. */
static int32_t round_probabilities(float *e, uint32_t n, float total)
{
    int16_t *p = (int16_t *)e;
    float most = ((float)(INT32_MAX / VALUE_LEVELS) - (float)n) / total;
    v128_t factor = wasm_f32x4_splat(most < INT16_MAX ? most : INT16_MAX);
    v128_t sum = wasm_i32x4_const(0, 0, 0, 0);
    uint32_t i = 0;
    for (; i + 8 <= n; i += 8) {
        v128_t x = load_integers(e + i, 8, factor);
        sum = wasm_i32x4_add(sum, wasm_i32x4_extadd_pairwise_i16x8(x));
        wasm_v128_store(p + i, x);
    }
    if (i < n) {
        int16_t lanes[8];
        v128_t x = load_integers(e + i, n - i, factor);
        sum = wasm_i32x4_add(sum, wasm_i32x4_extadd_pairwise_i16x8(x));
        wasm_v128_store(lanes, x);
        memcpy(p + i, lanes, (n - i + 1) / 2 * 2 * sizeof *p);
    }
    return wasm_i32x4_extract_lane(sum, 0) + wasm_i32x4_extract_lane(sum, 1) +
           wasm_i32x4_extract_lane(sum, 2) + wasm_i32x4_extract_lane(sum, 3);
}

/* Rows of probabilities, with zeros where a token is not attended to. */
static void copy_probabilities(const int16_t *p, const int32_t *totals, uint32_t n_rows,
                               uint32_t n_keys, const sequence_view *sequence, float *probabilities)
{
    for (uint32_t r = 0; r < n_rows; r++, p += 2 * (size_t)n_keys)
        for (uint32_t t = 0, key = 0; t < sequence->n; t++)
            *probabilities++ =
                sequence_attends(sequence, t) ? (float)p[key++] / (float)totals[r] : 0;
}

void attention_head_i16(const bert_session *session, const workspace *space, uint32_t head,
                        const sequence_view *sequence, uint32_t n_keys, float scale,
                        float *probabilities)
{
    size_t hidden = session->model->config.hidden_size;
    uint32_t dim = (uint32_t)hidden / session->model->config.n_heads, n = sequence->n;
    size_t at = sequence->first * hidden + head * dim;
    uint32_t n_pairs = (dim + 1) / 2, query_stride = (dim + 7) / 8 * 8;
    float levels = levels_of(dim);
    int16_t *keys = (int16_t *)space->key_panels, *values = (int16_t *)space->value_panels;
    int32_t *sums = (int32_t *)space->scores;
    float key_step = pack_keys(session->key + at, hidden, sequence, dim, levels, keys);
    float value_step = pack_values(session->value + at, hidden, sequence, dim, n_keys, values);
    for (uint32_t row = 0; row < n; row += QUERY_BLOCK) {
        uint32_t n_rows = n - row < QUERY_BLOCK ? n - row : QUERY_BLOCK;
        float *query = session->query + at + row * hidden, steps[QUERY_BLOCK];
        int32_t totals[QUERY_BLOCK];
        for (uint32_t r = 0; r < n_rows; r++) {
            const float *x = query + r * hidden;
            float greatest = simd_max(greatest_of(x, dim, wasm_f32x4_const(0, 0, 0, 0)));
            float factor = factor_of(greatest, levels, &steps[r]);
            quantise_query(x, dim, factor, space->queries + r * query_stride);
        }
        gemm_i16(space->queries, query_stride, n_rows, keys, n_pairs, n_keys, sums, n_keys);
        for (uint32_t r = 0; r < n_rows; r++) {
            int32_t *scores = sums + (size_t)r * n_keys;
            float total = exponentials(scores, n_keys, steps[r] * key_step * scale);
            totals[r] = round_probabilities((float *)scores, n_keys, total);
        }
        const int16_t *p = (const int16_t *)sums;
        if (probabilities) {
            copy_probabilities(p, totals, n_rows, n_keys, sequence, probabilities);
            probabilities += (size_t)n_rows * n;
        }
        gemm_i16(p, 2 * (size_t)n_keys, n_rows, values, (n_keys + 1) / 2, dim, space->contexts,
                 dim);
        for (uint32_t r = 0; r < n_rows; r++) {
            v128_t factor = wasm_f32x4_splat(value_step / (float)totals[r]);
            for (uint32_t i = 0; i < dim; i += 4) {
                v128_t y =
                    simd_load_first((const float *)(space->contexts + r * dim + i), dim - i, 0);
                simd_store_first(query + r * hidden + i,
                                 wasm_f32x4_mul(wasm_f32x4_convert_i32x4(y), factor), dim - i);
            }
        }
    }
}

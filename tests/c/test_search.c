/* test_search.c - scores of embeddings against plain sums, at every odd size. */
#include <math.h>
#include <string.h>

#include "harness.h"
#include "search.h"

static size_t bytes_of(search_type type, uint32_t n_dims)
{
    return type == SEARCH_F32 ? 4 * n_dims : type == SEARCH_I8 ? n_dims : n_dims / 8;
}

/* Dimension `i` of row `row`. */
static double at(search_type type, const void *rows, uint32_t row, uint32_t n_dims, uint32_t i)
{
    size_t index = (size_t)row * n_dims + i;
    if (type == SEARCH_F32)
        return ((const float *)rows)[index];
    if (type == SEARCH_I8)
        return ((const int8_t *)rows)[index];
    return ((const uint8_t *)rows)[index / 8] >> index % 8 & 1 ? 1 : -1;
}

/* Random rows that end at a guard page, and start anywhere. */
static void *random_rows(search_type type, uint32_t n_rows, uint32_t n_dims, uint32_t *seed)
{
    size_t n_bytes = n_rows * bytes_of(type, n_dims);
    uint8_t *rows = guarded_alloc(n_bytes);
    for (size_t i = 0; i < n_bytes; i++)
        rows[i] = (uint8_t)random_u32(seed);
    for (size_t i = 0; type == SEARCH_F32 && i < n_bytes / 4; i++)
        ((float *)rows)[i] = random_uniform(seed, -1, 1);
    return rows;
}

typedef struct expected_sums {
    double product, query, row, size; /* `size`: of the products' absolute values */
} expected_sums;

static expected_sums sums_of(search_type type, const void *queries, uint32_t q, const void *rows,
                             uint32_t r, uint32_t n_dims)
{
    expected_sums sums = {0};
    for (uint32_t i = 0; i < n_dims; i++) {
        double a = at(type, queries, q, n_dims, i), b = at(type, rows, r, n_dims, i);
        sums.product += a * b;
        sums.size += fabs(a * b);
        sums.query += a * a;
        sums.row += b * b;
    }
    return sums;
}

static void check_scores(search_type type, uint32_t n_queries, uint32_t n_rows, uint32_t n_dims,
                         uint32_t seed)
{
    void *queries = random_rows(type, n_queries, n_dims, &seed);
    void *rows = random_rows(type, n_rows, n_dims, &seed);
    double *scores = guarded_alloc((size_t)n_queries * n_rows * sizeof(double));
    double *squares = guarded_alloc((n_queries + n_rows) * sizeof(double));
    for (int is_cosine = 0; is_cosine < 2; is_cosine++) {
        search_scores(type, is_cosine, queries, n_queries, rows, n_rows, n_dims, scores, squares);
        for (uint32_t i = 0; i < n_queries * n_rows; i++) {
            expected_sums sums = sums_of(type, queries, i / n_rows, rows, i % n_rows, n_dims);
            double length = sqrt(sums.query * sums.row);
            double want = !is_cosine ? sums.product : length == 0 ? 0 : sums.product / length;
            /* Integers are exact; a float sum is off by a rounding for each product. */
            double most = type == SEARCH_F32 ? 1.2e-7 * (n_dims / 4 + 4) : 0;
            most *= is_cosine ? 1 : sums.size;
            CHECK(fabs(scores[i] - want) <= most,
                  "type %d, %u dims, query %u of %u, row %u of %u, cosine %d: %.9g, expected %.9g",
                  (int)type, n_dims, i / n_rows, n_queries, i % n_rows, n_rows, is_cosine,
                  scores[i], want);
        }
    }
    guarded_free_all();
}

TEST(agrees_with_plain_sums)
{
    static const search_type types[] = {SEARCH_F32, SEARCH_I8, SEARCH_BITS};
    for (int i = 0; i < 3; i++)
        for (uint32_t k = 1; k <= 70; k++)
            check_scores(types[i], 1 + k % 3, 1 + k % 10, types[i] == SEARCH_BITS ? 8 * k : k, k);
    check_scores(SEARCH_F32, 2, 9, 1023, 1);
    check_scores(SEARCH_I8, 2, 9, 4097, 2);
    check_scores(SEARCH_BITS, 2, 9, SEARCH_MAX_DIMS, 3);
}

/* The largest sums that there can be. */
TEST(integers_do_not_overflow)
{
    static int8_t low[SEARCH_MAX_DIMS];
    static uint8_t ones[SEARCH_MAX_DIMS / 8], zeros[SEARCH_MAX_DIMS / 8];
    double score, squares[2];
    memset(low, -128, sizeof low);
    memset(ones, 255, sizeof ones);
    search_scores(SEARCH_I8, 0, low, 1, low, 1, SEARCH_MAX_DIMS, &score, squares);
    CHECK(score == 16384.0 * SEARCH_MAX_DIMS, "%f", score);
    search_scores(SEARCH_BITS, 0, ones, 1, zeros, 1, SEARCH_MAX_DIMS, &score, squares);
    CHECK(score == -SEARCH_MAX_DIMS, "%f", score);
    search_scores(SEARCH_BITS, 1, ones, 1, zeros, 1, SEARCH_MAX_DIMS, &score, squares);
    CHECK(score == -1, "%f", score);
}

/* A row's score depends on nothing but the row and the query; with itself it is exactly 1. */
TEST(same_bits_alone_and_among_others)
{
    enum { ROWS = 11, DIMS = 77 };
    uint32_t seed = 4;
    float *rows = random_rows(SEARCH_F32, ROWS, DIMS, &seed);
    for (int is_cosine = 0; is_cosine < 2; is_cosine++) {
        double all[ROWS * ROWS], squares[2 * ROWS];
        search_scores(SEARCH_F32, is_cosine, rows, ROWS, rows, ROWS, DIMS, all, squares);
        for (uint32_t i = 0; i < ROWS * ROWS; i++) {
            double alone;
            uint32_t q = i / ROWS, r = i % ROWS;
            search_scores(SEARCH_F32, is_cosine, rows + q * DIMS, 1, rows + r * DIMS, 1, DIMS,
                          &alone, squares);
            CHECK(memcmp(&alone, &all[i], sizeof alone) == 0, "%u and %u: %.9g and %.9g", q, r,
                  alone, all[i]);
            CHECK(!is_cosine || q != r || all[i] == 1, "row %u with itself: %.17g", r, all[i]);
        }
    }
}

TEST(zeros_and_not_numbers)
{
    float rows[] = {0, 0, 0, NAN, 1, 0, 3, 4, 0}, query[] = {1, 2, 2}, zero[3] = {0};
    double scores[3], squares[4];
    search_scores(SEARCH_F32, 1, query, 1, rows, 3, 3, scores, squares);
    CHECK(scores[0] == 0 && isnan(scores[1]) && fabs(scores[2] - 11 / 15.0) < 1e-7, "%f %f %f",
          scores[0], scores[1], scores[2]);
    search_scores(SEARCH_F32, 1, zero, 1, query, 1, 3, scores, squares);
    CHECK(scores[0] == 0, "%f", scores[0]);
}

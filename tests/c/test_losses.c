/*
 * test_losses.c - losses against their formulas in the plainest double, and their derivatives
 * against differences of these; numbers that are far apart; every refusal.
 *
 * Cross-entropy of classes is in test_train.c, all of them against PyTorch in test_gradients.c.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "train.h"

#define MOST 64

/* A loss of `n` numbers, and what else it depends on. */
typedef struct loss_case {
    const char *name;
    uint32_t n, n_rows, n_columns;
    double (*plain)(const struct loss_case *it, const double *z);
    bert_status (*compute)(const struct loss_case *it, const float *z, float *loss, float *gradient,
                           bert_error *error);
    float targets[MOST], teacher[MOST];
    int32_t labels[MOST], ends[MOST];
    uint32_t rows[MOST], candidates[MOST], n_candidates;
    const bert_loss_options *options;
    bert_distillation distillation;
    float divisors[2];
    int is_in_place; /* whether the gradient may lie where the numbers do */
} loss_case;

static void expect(bert_status got, const bert_error *error, const char *subject)
{
    CHECK(got == BERT_BAD_OPTION && error->status == got, "status %s, expected BAD_OPTION (%s)",
          bert_status_name(got), subject);
    CHECK(strcmp(error->subject, subject) == 0, "subject '%s', expected '%s'", error->subject,
          subject);
}

/* On numbers between -most and most. */
static void check_loss(const loss_case *it, float most, uint32_t seed)
{
    float *z = guarded_alloc(it->n * sizeof *z), *gradient = guarded_alloc(it->n * sizeof *z);
    float *again = guarded_alloc(it->n * sizeof *z), loss = NAN, same = NAN;
    double wide[MOST];
    bert_error error = {0};
    for (uint32_t i = 0; i < it->n; i++)
        wide[i] = (double)(z[i] = random_uniform(&seed, -most, most));
    bert_status status = it->compute(it, z, &loss, gradient, &error);
    double want = it->plain(it, wide);
    CHECK(status == BERT_OK, "%s: %s (%s)", it->name, bert_status_text(status), error.subject);
    CHECK(fabs((double)loss - want) <= 1e-6 * fmax(1, fabs(want)),
          "%s: the loss is %.9g, expected %.9g", it->name, (double)loss, want);
    for (uint32_t i = 0; i < it->n; i++) {
        double h = 1e-5, before = wide[i], sides[2];
        for (int side = 0; side < 2; side++) {
            wide[i] = before + (side ? -h : h);
            sides[side] = it->plain(it, wide);
        }
        wide[i] = before;
        double slope = (sides[0] - sides[1]) / (2 * h);
        CHECK(fabs((double)gradient[i] - slope) <= 2e-6 * fmax(1, fabs(slope)),
              "%s: derivative %u is %.9g, expected %.9g", it->name, i, (double)gradient[i], slope);
    }
    memcpy(again, z, it->n * sizeof *z);
    it->compute(it, it->is_in_place ? again : z, &same, again, &error);
    CHECK(memcmp(again, gradient, it->n * sizeof *z) == 0 && memcmp(&same, &loss, sizeof loss) == 0,
          "%s: other bits", it->name);
    guarded_free_all();
}

/* ----------------------------------------------------------------------------------- targets -- */

static double plain_binary(const loss_case *it, const double *z)
{
    double sum = 0, n = 0, s = (double)it->options->smoothing;
    for (uint32_t i = 0; i < it->n; i++) {
        double t = (1 - s) * (double)it->targets[i] + s / 2, p = 1 / (1 + exp(-z[i]));
        double w =
            it->options->class_weights ? (double)it->options->class_weights[i % it->n_columns] : 1;
        if (it->targets[i] == BERT_IGNORED_LABEL)
            continue;
        sum -= w * t * log(p) + (1 - t) * log(1 - p);
        n += 1;
    }
    return sum / (it->options->divisor > 0 ? (double)it->options->divisor : n);
}

static bert_status binary(const loss_case *it, const float *z, float *loss, float *gradient,
                          bert_error *error)
{
    return bert_loss_binary_cross_entropy(z, it->n_rows, it->n_columns, it->targets, it->options,
                                          loss, gradient, error);
}

TEST(binary_cross_entropy_agrees_with_differences)
{
    static const float weights[] = {2, 0, 0.5f, 1, 7};
    static const bert_loss_options options[] = {
        {0}, {.class_weights = weights}, {.smoothing = 0.1f}, {weights, 0.2f, 3.5f}};
    static const uint32_t columns[] = {1, 2, 3, 5};
    for (uint32_t k = 0; k < 16; k++) {
        loss_case it = {.name = "binary",
                        .n_rows = 1 + k % 4,
                        .n_columns = columns[k / 4],
                        .plain = plain_binary,
                        .compute = binary,
                        .options = &options[k / 4],
                        .is_in_place = 1};
        uint32_t seed = k + 1;
        it.n = it.n_rows * it.n_columns;
        for (uint32_t i = 0; i < it.n; i++)
            it.targets[i] = i % 5 == 3   ? BERT_IGNORED_LABEL
                            : i % 5 == 4 ? random_uniform(&seed, 0, 1)
                                         : (float)(random_u32(&seed) >> 7 & 1);
        check_loss(&it, 4, k + 20);
    }
}

static double plain_squares(const loss_case *it, const double *z)
{
    double sum = 0;
    for (uint32_t i = 0; i < it->n; i++)
        sum += (z[i] - (double)it->targets[i]) * (z[i] - (double)it->targets[i]);
    return sum / (it->divisors[0] > 0 ? (double)it->divisors[0] : it->n);
}

static bert_status squares(const loss_case *it, const float *z, float *loss, float *gradient,
                           bert_error *error)
{
    return bert_loss_squares(z, it->n, it->targets, it->divisors[0], loss, gradient, error);
}

TEST(squares_agree_with_differences)
{
    for (uint32_t k = 0; k < 4; k++) {
        loss_case it = {.name = "squares",
                        .n = 1 + 6 * k,
                        .plain = plain_squares,
                        .compute = squares,
                        .divisors = {k == 2 ? 5 : 0},
                        .is_in_place = 1};
        uint32_t seed = k + 1;
        for (uint32_t i = 0; i < it.n; i++)
            it.targets[i] = random_uniform(&seed, -3, 3);
        check_loss(&it, 3, k + 40);
    }
}

/* ------------------------------------------------------------------------------------- spans -- */

static double plain_spans(const loss_case *it, const double *z)
{
    const int32_t *positions[] = {it->labels, it->ends};
    double loss = 0;
    for (int column = 0; column < 2; column++) {
        double sum = 0, n = 0;
        const double *row = z + column;
        for (uint32_t s = 0; s < it->n_rows; row += 2 * it->rows[s++]) {
            double total = 0;
            if (positions[column][s] < 0 || positions[column][s] >= (int32_t)it->rows[s])
                continue;
            for (uint32_t t = 0; t < it->rows[s]; t++)
                total += exp(row[2 * t]);
            sum -= row[2 * positions[column][s]] - log(total);
            n += 1;
        }
        loss += sum / (it->divisors[column] > 0 ? (double)it->divisors[column] : n) / 2;
    }
    return loss;
}

static bert_status spans(const loss_case *it, const float *z, float *loss, float *gradient,
                         bert_error *error)
{
    return bert_loss_spans(z, it->n_rows, it->rows, it->labels, it->ends, it->divisors, loss,
                           gradient, error);
}

TEST(spans_agree_with_differences)
{
    loss_case it = {.name = "spans",
                    .n = 2 * (5 + 1 + 9 + 3 + 2),
                    .n_rows = 5,
                    .plain = plain_spans,
                    .compute = spans,
                    .rows = {5, 1, 9, 3, 2},
                    .labels = {1, 0, 8, BERT_IGNORED_LABEL, 0},
                    .ends = {4, 0, 9, 2, -1}, /* one behind its sequence, one before it */
                    .is_in_place = 1};
    check_loss(&it, 4, 3);
    it.divisors[0] = 6;
    it.divisors[1] = 4.5f;
    check_loss(&it, 4, 4);
}

/* ------------------------------------------------------------------------------------- pairs -- */

static double plain_cosine(const loss_case *it, const double *z, uint32_t a, uint32_t b)
{
    double both = 0, of_a = 0, of_b = 0;
    for (uint32_t i = 0; i < it->n_columns; i++) {
        double x = z[a * it->n_columns + i], y = z[b * it->n_columns + i];
        both += x * y;
        of_a += x * x;
        of_b += y * y;
    }
    return both / sqrt(of_a * of_b);
}

static double plain_pairs(const loss_case *it, const double *z)
{
    double sum = 0;
    for (uint32_t i = 0; i < it->n_candidates; i++)
        sum += pow(
            plain_cosine(it, z, it->rows[2 * i], it->rows[2 * i + 1]) - (double)it->targets[i], 2);
    return sum / (it->divisors[0] > 0 ? (double)it->divisors[0] : it->n_candidates);
}

static bert_status pairs(const loss_case *it, const float *z, float *loss, float *gradient,
                         bert_error *error)
{
    return bert_loss_cosine_pairs(z, it->n_rows, it->n_columns, it->rows, it->targets,
                                  it->n_candidates, it->divisors[0], loss, gradient, error);
}

TEST(cosines_of_pairs_agree_with_differences)
{
    for (uint32_t columns = 1; columns < 10; columns += 2) {
        loss_case it = {.name = "pairs",
                        .n = 6 * columns,
                        .n_rows = 6,
                        .n_columns = columns,
                        .plain = plain_pairs,
                        .compute = pairs,
                        .rows = {0, 1, 2, 1, 0, 3, 1, 0, 4, 4}, /* the last is in none */
                        .targets = {1, 0, 0.5f, -1, 0.25f},
                        .n_candidates = 5,
                        .divisors = {columns == 5 ? 2 : 0}};
        check_loss(&it, 2, columns);
    }
}

static double plain_ranking(const loss_case *it, const double *z)
{
    double sum = 0;
    uint32_t n_anchors = (uint32_t)it->labels[0];
    for (uint32_t i = 0; i < n_anchors; i++) {
        double total = 0;
        for (uint32_t j = 0; j < it->n_candidates; j++)
            total +=
                exp((double)it->targets[0] * plain_cosine(it, z, it->rows[i], it->candidates[j]));
        sum += log(total) -
               (double)it->targets[0] * plain_cosine(it, z, it->rows[i], it->candidates[i]);
    }
    return sum / (it->divisors[0] > 0 ? (double)it->divisors[0] : n_anchors);
}

static bert_status ranking(const loss_case *it, const float *z, float *loss, float *gradient,
                           bert_error *error)
{
    float *scores = guarded_alloc((size_t)it->labels[0] * it->n_candidates * sizeof *scores);
    double wide[MOST];
    bert_ranking options = {.n_anchors = (uint32_t)it->labels[0],
                            .anchors = it->rows,
                            .n_candidates = it->n_candidates,
                            .candidates = it->candidates,
                            .scale = it->targets[0] == 20 ? 0 : it->targets[0],
                            .divisor = it->divisors[0]};
    bert_status status = bert_loss_in_batch_negatives(z, it->n_rows, it->n_columns, &options,
                                                      scores, loss, gradient, error);
    for (uint32_t i = 0; i < it->n; i++)
        wide[i] = (double)z[i];
    for (uint32_t i = 0; i < options.n_anchors * it->n_candidates && status == BERT_OK; i++) {
        double want = plain_cosine(it, wide, it->rows[i / it->n_candidates],
                                   it->candidates[i % it->n_candidates]);
        CHECK(fabs((double)scores[i] - want) <= 1e-6, "score %u is %.9g, expected %.9g", i,
              (double)scores[i], want);
    }
    return status;
}

TEST(in_batch_negatives_agree_with_differences)
{
    for (uint32_t k = 0; k < 4; k++) {
        loss_case it = {.name = "ranking",
                        .n = 7 * (k + 2),
                        .n_rows = 7,
                        .n_columns = k + 2,
                        .plain = plain_ranking,
                        .compute = ranking,
                        .rows = {0, 5, 2},
                        .labels = {3},
                        .candidates = {1, 3, 4, 0, 1}, /* an anchor, and one twice */
                        .n_candidates = k < 2 ? 5 : 3,
                        .targets = {k % 2 ? 20 : 3}, /* the scale */
                        .divisors = {k == 3 ? 8 : 0}};
        check_loss(&it, 2, k + 60);
    }
}

/* A row of zeros has no direction: whatever is said of it is finite. */
TEST(rows_of_zeros_have_no_direction)
{
    float z[6] = {0, 0, 0, 1, 2, 3}, gradient[6], scores[2], loss;
    uint32_t rows[] = {0, 1}, anchor = 0;
    float target = 1;
    bert_ranking ranking = {1, &anchor, 2, rows, 0, 0};
    CHECK(bert_loss_cosine_pairs(z, 2, 3, rows, &target, 1, 0, &loss, gradient, NULL) == BERT_OK &&
              loss == 1,
          "loss %g", (double)loss);
    for (int i = 0; i < 6; i++)
        CHECK(isfinite(gradient[i]) && (i < 3 || gradient[i] == 0), "derivative %d is %g", i,
              (double)gradient[i]);
    bert_loss_in_batch_negatives(z, 2, 3, &ranking, scores, &loss, gradient, NULL);
    CHECK(scores[0] == 0 && scores[1] == 0 && fabsf(loss - 0.693147181f) < 1e-6f,
          "scores %g %g, loss %g", (double)scores[0], (double)scores[1], (double)loss);
    for (int i = 0; i < 6; i++)
        CHECK(isfinite(gradient[i]), "derivative %d is %g", i, (double)gradient[i]);
}

/* ------------------------------------------------------------------------------ distillation -- */

static double plain_share(const double *z, uint32_t n, uint32_t class, double temperature)
{
    double sum = 0;
    for (uint32_t c = 0; c < n; c++)
        sum += exp(z[c] / temperature);
    return exp(z[class] / temperature) / sum;
}

static double plain_distillation(const loss_case *it, const double *z)
{
    double t = it->distillation.temperature > 0 ? (double)it->distillation.temperature : 2;
    double hard = (double)it->distillation.hard_share, sum = 0, n = 0, teacher[MOST];
    for (uint32_t i = 0; i < it->n; i++)
        teacher[i] = (double)it->teacher[i];
    for (uint32_t r = 0; r < it->n_rows; r++) {
        uint32_t at = r * it->n_columns;
        if (it->labels[r] == BERT_IGNORED_LABEL)
            continue;
        for (uint32_t c = 0; c < it->n_columns; c++) {
            double q = plain_share(teacher + at, it->n_columns, c, t);
            sum += (1 - hard) * t * t * q * log(q / plain_share(z + at, it->n_columns, c, t));
        }
        if (hard > 0)
            sum -= hard * log(plain_share(z + at, it->n_columns, (uint32_t)it->labels[r], 1));
        n += 1;
    }
    return sum / (it->distillation.divisor > 0 ? (double)it->distillation.divisor : n);
}

static bert_status distil(const loss_case *it, const float *z, float *loss, float *gradient,
                          bert_error *error)
{
    return bert_loss_distillation(z, it->teacher, it->n_rows, it->n_columns, it->labels,
                                  &it->distillation, loss, gradient, error);
}

TEST(distillation_agrees_with_differences)
{
    static const bert_distillation options[] = {
        {0}, {.hard_share = 1}, {.temperature = 5, .hard_share = 0.3f}, {1, 0.5f, 2.5f}};
    for (uint32_t k = 0; k < 16; k++) {
        loss_case it = {.name = "distillation",
                        .n_rows = 1 + k % 4 * 2,
                        .n_columns = 1 + k / 4 * 2,
                        .plain = plain_distillation,
                        .compute = distil,
                        .distillation = options[k % 4],
                        .is_in_place = 1};
        uint32_t seed = k + 1;
        it.n = it.n_rows * it.n_columns;
        for (uint32_t r = 0; r < it.n_rows; r++)
            it.labels[r] =
                r % 3 == 1 ? BERT_IGNORED_LABEL : (int32_t)(random_u32(&seed) % it.n_columns);
        for (uint32_t i = 0; i < it.n; i++)
            it.teacher[i] = random_uniform(&seed, -4, 4);
        check_loss(&it, 4, k + 80);
    }
}

/* What the teacher says itself cannot be said better. */
TEST(a_teacher_learns_nothing_from_itself)
{
    float z[] = {1, -2, 0.5f, 3, 3, -1}, gradient[6], loss;
    bert_loss_distillation(z, z, 2, 3, NULL, NULL, &loss, gradient, NULL);
    for (int i = 0; i < 6; i++)
        CHECK(gradient[i] == 0 && fabsf(loss) < 1e-7f, "derivative %d is %g, loss %g", i,
              (double)gradient[i], (double)loss);
}

/* ----------------------------------------------------------------------------- far from zero -- */

TEST(numbers_that_are_far_apart_do_not_overflow)
{
    float z[] = {1e6f, -1e6f, 3e4f, -90, 500, -500}, gradient[6], loss;
    float ones[] = {1, 1, 0, 0, 0, 1}, teacher[] = {-1e6f, 1e6f, 0, 88, -500, 1e30f};
    uint32_t lengths[] = {3};
    int32_t start = 1, end = 0, labels[] = {1, 0};
    bert_distillation half = {.temperature = 1, .hard_share = 0.5f};
    bert_loss_binary_cross_entropy(z, 6, 1, ones, NULL, &loss, gradient, NULL);
    CHECK(fabsf(loss - (1e6f + 3e4f + 500 + 500) / 6) <= 0.5f, "binary %.9g", (double)loss);
    CHECK(gradient[0] == 0 && gradient[1] == -1 / 6.0f && gradient[2] == 1 / 6.0f &&
              fabsf(gradient[3]) < 1e-30f,
          "derivatives %g %g %g %g", (double)gradient[0], (double)gradient[1], (double)gradient[2],
          (double)gradient[3]);
    bert_loss_spans(z, 1, lengths, &start, &end, NULL, &loss, gradient, NULL);
    CHECK(fabsf(loss - (1e6f - 3e4f + 1e6f - 90 + 590) / 2) < 400, "spans %.9g", (double)loss);
    for (int i = 0; i < 6; i++)
        CHECK(isfinite(gradient[i]) && fabsf(gradient[i]) <= 0.5f, "spans: derivative %d is %g", i,
              (double)gradient[i]);
    bert_loss_distillation(z, teacher, 2, 3, labels, &half, &loss, gradient, NULL);
    CHECK(isfinite(loss) && loss > 1e5f, "distillation %g", (double)loss);
    for (int i = 0; i < 6; i++)
        CHECK(isfinite(gradient[i]) && fabsf(gradient[i]) <= 1, "distillation: derivative %d is %g",
              i, (double)gradient[i]);
    for (int i = 0; i < 6; i++)
        z[i] *= 1e12f;
    uint32_t rows[] = {0, 1};
    bert_ranking ranking = {1, rows, 2, rows, 1e6f, 0};
    float scores[2];
    bert_loss_in_batch_negatives(z, 2, 3, &ranking, scores, &loss, gradient, NULL);
    CHECK(isfinite(loss), "ranking %g", (double)loss);
    bert_loss_cosine_pairs(z, 2, 3, rows, ones, 1, 0, &loss, gradient, NULL);
    CHECK(loss >= 0 && loss <= 4, "pairs %g", (double)loss);
}

/* ---------------------------------------------------------------------------------- refusals -- */

static const float zeros[6];

TEST(targets_that_cannot_be_are_refused)
{
    float gradient[6], loss, beyond[] = {0, 1.5f}, none[] = {-100, -100}, good[] = {0, 1};
    float infinite[] = {0, INFINITY}, nan[] = {NAN, 0};
    bert_error error = {0};
    bert_loss_options smooth = {.smoothing = 2}, divisor = {.divisor = -1};
#define BINARY(targets, options)                                                                   \
    bert_loss_binary_cross_entropy(zeros, 2, 1, targets, options, &loss, gradient, &error), &error
    expect(BINARY(beyond, NULL), "targets");
    CHECK(error.value == 1, "value %lld", (long long)error.value);
    expect(BINARY(nan, NULL), "targets");
    expect(BINARY(none, NULL), "targets");
    expect(BINARY(good, &smooth), "smoothing");
    expect(BINARY(good, &divisor), "divisor");
#undef BINARY
#define SQUARES(targets, n, divisor)                                                               \
    bert_loss_squares(zeros, n, targets, divisor, &loss, gradient, &error), &error
    expect(SQUARES(infinite, 2, 0), "targets");
    expect(SQUARES(good, 0, 0), "targets");
    expect(SQUARES(good, 2, NAN), "divisor");
#undef SQUARES
}

TEST(spans_that_cannot_be_are_refused)
{
    float gradient[6], loss;
    uint32_t lengths[] = {2, 1};
    int32_t within[] = {0, 0}, beyond[] = {2, BERT_IGNORED_LABEL};
    float divisors[] = {1, -1};
    bert_error error = {0};
#define SPANS(starts, ends, divisors)                                                              \
    bert_loss_spans(zeros, 2, lengths, starts, ends, divisors, &loss, gradient, &error), &error
    expect(SPANS(beyond, within, NULL), "starts");
    expect(SPANS(within, beyond, NULL), "ends");
    expect(SPANS(within, within, divisors), "divisor");
#undef SPANS
}

TEST(pairs_that_cannot_be_are_refused)
{
    float gradient[6], scores[4], loss, target = 0;
    uint32_t beyond[] = {0, 3}, rows[] = {0, 1};
    bert_error error = {0};
#define PAIRS(pairs, target, n, divisor)                                                           \
    bert_loss_cosine_pairs(zeros, 3, 2, pairs, target, n, divisor, &loss, gradient, &error), &error
    expect(PAIRS(beyond, &target, 1, 0), "pairs");
    CHECK(error.value == 3 && error.limit == 3, "value %lld", (long long)error.value);
    expect(PAIRS(rows, &target, 0, 0), "pairs");
    expect(PAIRS(rows, &target, 1, -1), "divisor");
    target = NAN;
    expect(PAIRS(rows, &target, 1, 0), "targets");
#undef PAIRS
#define RANKING(...)                                                                               \
    bert_loss_in_batch_negatives(zeros, 3, 2, &(bert_ranking){__VA_ARGS__}, scores, &loss,         \
                                 gradient, &error),                                                \
        &error
    expect(RANKING(2, beyond, 2, rows, 0, 0), "anchors");
    expect(RANKING(0, rows, 2, rows, 0, 0), "anchors");
    expect(RANKING(2, rows, 2, beyond, 0, 0), "candidates");
    expect(RANKING(2, rows, 1, rows, 0, 0), "candidates");
    expect(RANKING(2, rows, 2, rows, -1, 0), "scale");
    expect(RANKING(2, rows, 2, rows, 0, NAN), "divisor");
#undef RANKING
}

TEST(teachers_that_cannot_be_are_refused)
{
    float gradient[6], loss;
    int32_t beyond[] = {0, 3}, ignored[] = {-100, -100}, good[] = {0, 2};
    bert_error error = {0};
#define DISTIL(labels, ...)                                                                        \
    bert_loss_distillation(zeros, zeros, 2, 3, labels, &(bert_distillation){__VA_ARGS__}, &loss,   \
                           gradient, &error),                                                      \
        &error
    expect(DISTIL(beyond, 0, 0, 0), "labels");
    expect(DISTIL(ignored, 0, 0, 0), "labels");
    expect(DISTIL(NULL, 0, 0.5f, 0), "labels");
    expect(DISTIL(good, -1, 0, 0), "temperature");
    expect(DISTIL(good, 0, 1.5f, 0), "hard_share");
    expect(DISTIL(good, 0, 0, -1), "divisor");
#undef DISTIL
}

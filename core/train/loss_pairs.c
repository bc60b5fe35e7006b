/*
 * loss_pairs.c - losses of embeddings by how near they are to each other. With u, v two rows and
 *
 *     c = u . v / (|u| |v|)        d c / d u = (v / |v| - c u / |u|) / |u|
 *
 * A batch has each distinct sentence once, however many pairs it is in: a row's gradient is the sum
 * over its pairs, in their order. As in torch.nn.functional.normalize, a length below 1e-12 counts
 * as 1e-12, which does not change.
 */
#include "loss.h"

/* A row and its length. */
typedef struct vector {
    const float *x;
    double inverse; /* 1 / |x| */
    int is_short;
} vector;

static vector vector_at(const float *rows, uint32_t n_columns, uint32_t row)
{
    const float *x = rows + (size_t)row * n_columns;
    double squares = 0;
    for (uint32_t i = 0; i < n_columns; i++)
        squares += (double)x[i] * (double)x[i];
    int is_short = !(squares > 1e-24);
    return (vector){x, is_short ? 1e12 : 1 / sqrt(squares), is_short};
}

static double cosine_of(const vector *u, const vector *v, uint32_t n_columns)
{
    double sum = 0;
    for (uint32_t i = 0; i < n_columns; i++)
        sum += (double)u->x[i] * (double)v->x[i];
    return sum * u->inverse * v->inverse;
}

/* du += the derivative of the cosine by u, times `factor`. */
static void add_derivative(const vector *u, const vector *v, double cosine, double factor,
                           uint32_t n_columns, float *du)
{
    double along = u->is_short ? 0 : cosine * u->inverse;
    for (uint32_t i = 0; i < n_columns; i++)
        du[i] +=
            (float)(((double)v->x[i] * v->inverse - along * (double)u->x[i]) * u->inverse * factor);
}

static void add_derivatives(const vector *u, const vector *v, double cosine, double factor,
                            const float *rows, uint32_t n_columns, float *gradient)
{
    add_derivative(u, v, cosine, factor, n_columns, gradient + (u->x - rows));
    add_derivative(v, u, cosine, factor, n_columns, gradient + (v->x - rows));
}

static void clear(float *gradient, uint32_t n_rows, uint32_t n_columns)
{
    for (size_t i = 0; i < (size_t)n_rows * n_columns; i++)
        gradient[i] = 0;
}

/* Whether there are some, and all are rows. */
static bert_status check_rows(const char *name, const uint32_t *rows, size_t n, uint32_t n_rows,
                              bert_error *error)
{
    for (size_t i = 0; i < n; i++)
        if (rows[i] >= n_rows)
            return error_set_limit(error, BERT_BAD_OPTION, name, rows[i], n_rows);
    return n ? BERT_OK : error_set(error, BERT_BAD_OPTION, name);
}

bert_status bert_loss_cosine_pairs(const float *embeddings, uint32_t n_rows, uint32_t n_columns,
                                   const uint32_t *pairs, const float *targets, uint32_t n_pairs,
                                   float divisor, float *loss, float *gradient, bert_error *error)
{
    assert(embeddings && pairs && targets && loss && gradient && gradient != embeddings);
    bert_status status = check_rows("pairs", pairs, 2 * (size_t)n_pairs, n_rows, error);
    if (status == BERT_OK)
        status = loss_check_divisor(divisor, error);
    for (uint32_t i = 0; i < n_pairs && status == BERT_OK; i++)
        if (!isfinite(targets[i]))
            status = error_set_value(error, BERT_BAD_OPTION, "targets", i);
    if (status != BERT_OK)
        return status;
    double all = divisor > 0 ? (double)divisor : n_pairs, sum = 0;
    clear(gradient, n_rows, n_columns);
    for (uint32_t i = 0; i < n_pairs; i++, pairs += 2) {
        vector u = vector_at(embeddings, n_columns, pairs[0]);
        vector v = vector_at(embeddings, n_columns, pairs[1]);
        double cosine = cosine_of(&u, &v, n_columns), difference = cosine - (double)targets[i];
        sum += difference * difference;
        add_derivatives(&u, &v, cosine, 2 * difference / all, embeddings, n_columns, gradient);
    }
    *loss = (float)(sum / all);
    return BERT_OK;
}

bert_status bert_loss_in_batch_negatives(const float *embeddings, uint32_t n_rows,
                                         uint32_t n_columns, const bert_ranking *ranking,
                                         float *scores, float *loss, float *gradient,
                                         bert_error *error)
{
    assert(embeddings && ranking && scores && loss && gradient && gradient != embeddings);
    uint32_t n_anchors = ranking->n_anchors, n_candidates = ranking->n_candidates;
    bert_status status = check_rows("anchors", ranking->anchors, n_anchors, n_rows, error);
    if (status == BERT_OK)
        status = check_rows("candidates", ranking->candidates, n_candidates, n_rows, error);
    if (status == BERT_OK && n_candidates < n_anchors)
        status = error_set_limit(error, BERT_BAD_OPTION, "candidates", n_candidates, n_anchors);
    if (status == BERT_OK && !(ranking->scale >= 0 && ranking->scale <= 3.4e38f))
        status = error_set(error, BERT_BAD_OPTION, "scale");
    if (status == BERT_OK)
        status = loss_check_divisor(ranking->divisor, error);
    if (status != BERT_OK)
        return status;
    double scale = ranking->scale > 0 ? (double)ranking->scale : 20, sum = 0;
    double divisor = ranking->divisor > 0 ? (double)ranking->divisor : n_anchors;
    clear(gradient, n_rows, n_columns);
    for (uint32_t i = 0; i < n_anchors; i++, scores += n_candidates) {
        vector anchor = vector_at(embeddings, n_columns, ranking->anchors[i]);
        for (uint32_t j = 0; j < n_candidates; j++) {
            vector candidate = vector_at(embeddings, n_columns, ranking->candidates[j]);
            scores[j] = (float)cosine_of(&anchor, &candidate, n_columns);
        }
        double normaliser = loss_log_normaliser(scores, 1, n_candidates, scale);
        sum -= (double)scores[i] * scale + normaliser;
        for (uint32_t j = 0; j < n_candidates; j++) {
            vector candidate = vector_at(embeddings, n_columns, ranking->candidates[j]);
            double cosine = (double)scores[j], p = exp(cosine * scale + normaliser);
            add_derivatives(&anchor, &candidate, cosine, (p - (j == i)) * scale / divisor,
                            embeddings, n_columns, gradient);
        }
    }
    *loss = (float)(sum / divisor);
    return BERT_OK;
}

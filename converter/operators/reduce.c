/*
 * reduce.c - operators over rows of elements: reductions, softmax and norms.
 *
 * All of them are functions of a contiguous row. Where the axes that make a row are not the last
 * ones, the elements are copied into that order first. Sums are taken in double.
 */
#include "operators/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "maths/maths.h"

typedef struct row_view {
    const void *elements; /* [n, length] */
    int64_t n, length;
    void *copy;    /* of the elements in that order; NULL: they are in it already */
    uint32_t rank; /* of the input, its axes in that order */
    int64_t dims[ARRAY_MAX_RANK], strides[ARRAY_MAX_RANK];
} row_view;

/* Orders the axes so that those that make a row come last. Returns whether any moved. */
static bool order_axes(const graph_array *x, const bool *in_row, row_view *rows)
{
    int64_t strides[ARRAY_MAX_RANK];
    bool is_moved = false, has_begun = false;
    operator_contiguous(x->rank, x->dims, strides);
    rows->n = rows->length = 1;
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < x->rank; i++) {
            if (in_row[i] != (pass == 1))
                continue;
            rows->dims[rows->rank] = x->dims[i];
            rows->strides[rows->rank++] = strides[i];
            *(pass ? &rows->length : &rows->n) *= x->dims[i];
        }
    for (uint32_t i = 0; i < x->rank; i++) {
        has_begun = has_begun || in_row[i];
        is_moved = is_moved || (has_begun && !in_row[i]);
    }
    return is_moved;
}

/* The input must not be hollow. False with a fault; close it in any case. */
static bool rows_open(graph_array *x, const bool *in_row, row_view *rows, fault_text *fault)
{
    memset(rows, 0, sizeof *rows);
    bool is_moved = order_axes(x, in_row, rows);
    rows->elements = operator_elements(x, fault);
    if (!rows->elements || !is_moved || x->count == 0)
        return rows->elements;
    size_t size = operator_size(x);
    int64_t contiguous[ARRAY_MAX_RANK];
    rows->copy = malloc((size_t)x->count * size);
    if (!rows->copy)
        return fault_set(fault, "out of memory for %lld elements", (long long)x->count);
    operator_contiguous(rows->rank, rows->dims, contiguous);
    operator_copy(rows->copy, contiguous, rows->elements, rows->strides, rows->rank, rows->dims,
                  size);
    rows->elements = rows->copy;
    return true;
}

static void rows_close(row_view *rows)
{
    free(rows->copy);
}

/* -------------------------------------------------------------------------------- reductions -- */

#define REDUCTION(name, type, sum_type, start, step)                                               \
    static sum_type name(const type *row, int64_t n)                                               \
    {                                                                                              \
        sum_type sum = (start);                                                                    \
        for (int64_t i = 0; i < n; i++) {                                                          \
            sum_type x = (sum_type)row[i];                                                         \
            sum = (step);                                                                          \
        }                                                                                          \
        return sum;                                                                                \
    }
#define OF_FLOATS(name, start, step) REDUCTION(name, float, double, start, step)
/* Integers wrap. */
#define OF_INTEGERS(name, start, step) REDUCTION(name, int64_t, uint64_t, start, step)
#define OF_SIGNED(name, start, step) REDUCTION(name, int64_t, int64_t, start, step)

OF_FLOATS(sum_floats, 0, sum + x)
OF_INTEGERS(sum_integers, 0, sum + x)
OF_FLOATS(multiply_floats, 1, sum *x)
OF_INTEGERS(multiply_integers, 1, sum *x)
OF_FLOATS(add_sizes_of_floats, 0, sum + fabs(x))
OF_INTEGERS(add_sizes_of_integers, 0, sum + ((int64_t)x < 0 ? 0 - x : x))
OF_FLOATS(add_squares_of_floats, 0, sum + x * x)
OF_INTEGERS(add_squares_of_integers, 0, sum + x * x)
/* NaN stays NaN. */
OF_FLOATS(max_floats, -INFINITY, x > sum || isnan(x) ? x : sum)
OF_SIGNED(max_integers, INT64_MIN, x > sum ? x : sum)
OF_FLOATS(min_floats, INFINITY, x < sum || isnan(x) ? x : sum)
OF_SIGNED(min_integers, INT64_MAX, x < sum ? x : sum)

static double mean_floats(const float *row, int64_t n)
{
    return n ? sum_floats(row, n) / (double)n : NAN;
}

static int64_t mean_integers(const int64_t *row, int64_t n)
{
    return n ? (int64_t)sum_integers(row, n) / n : 0;
}

static double length_of_floats(const float *row, int64_t n)
{
    return sqrt(add_squares_of_floats(row, n));
}

static int64_t length_of_integers(const int64_t *row, int64_t n)
{
    return operator_truncated(sqrt((double)(int64_t)add_squares_of_integers(row, n)));
}

static double log_sum_exp(const float *row, int64_t n)
{
    double max = max_floats(row, n), sum = 0;
    if (isinf(max))
        return max;
    for (int64_t i = 0; i < n; i++)
        sum += maths_exp(row[i] - max);
    return max + maths_log(sum);
}

#define SIGNED(name)                                                                               \
    static int64_t name##_signed(const int64_t *row, int64_t n)                                    \
    {                                                                                              \
        return (int64_t)name(row, n);                                                              \
    }
SIGNED(sum_integers)
SIGNED(multiply_integers)
SIGNED(add_sizes_of_integers)
SIGNED(add_squares_of_integers)

typedef struct reduction_kind {
    const char *name;
    double (*floats)(const float *row, int64_t n);
    int64_t (*integers)(const int64_t *row, int64_t n); /* NULL: not of these */
} reduction_kind;

static const reduction_kind reductions[] = {
    {"ReduceL1", add_sizes_of_floats, add_sizes_of_integers_signed},
    {"ReduceL2", length_of_floats, length_of_integers},
    {"ReduceLogSumExp", log_sum_exp, NULL},
    {"ReduceMax", max_floats, max_integers},
    {"ReduceMean", mean_floats, mean_integers},
    {"ReduceMin", min_floats, min_integers},
    {"ReduceProd", multiply_floats, multiply_integers_signed},
    {"ReduceSum", sum_floats, sum_integers_signed},
    {"ReduceSumSquare", add_squares_of_floats, add_squares_of_integers_signed},
};

static const reduction_kind *find_reduction(const char *name)
{
    for (size_t i = 0; i < sizeof reductions / sizeof *reductions; i++)
        if (strcmp(reductions[i].name, name) == 0)
            return &reductions[i];
    return NULL;
}

/* Shape of what is left of x. */
static uint32_t reduced_dims(const graph_array *x, const bool *in_row, bool keeps, int64_t *dims)
{
    uint32_t rank = 0;
    for (uint32_t i = 0; i < x->rank; i++)
        if (!in_row[i])
            dims[rank++] = x->dims[i];
        else if (keeps)
            dims[rank++] = 1;
    return rank;
}

static bool fill_reduced(const reduction_kind *reduction, graph_array *out, graph_array *x,
                         const bool *in_row, fault_text *fault)
{
    row_view rows;
    bool ok = rows_open(x, in_row, &rows, fault);
    for (int64_t i = 0; ok && i < rows.n; i++)
        if (x->type == ARRAY_FLOAT)
            out->floats[i] = (float)reduction->floats(
                (const float *)rows.elements + i * rows.length, rows.length);
        else
            out->integers[i] =
                reduction->integers((const int64_t *)rows.elements + i * rows.length, rows.length);
    rows_close(&rows);
    return ok;
}

static bool run_reduction(operator_call *operation, fault_text *fault)
{
    number_list axes;
    bool in_row[ARRAY_MAX_RANK];
    if (!operator_check(operation, "xI", 1, fault) ||
        !operator_numbers(operation, 1, "axes", &axes, fault) ||
        !operator_axes(&axes, operation->inputs[0]->rank, in_row, fault))
        return false;
    graph_array *x = operation->inputs[0];
    const reduction_kind *reduction = find_reduction(operation->node->op);
    if (x->type == ARRAY_INTEGER && !reduction->integers)
        return fault_set(fault, "is not defined for integers");
    if (axes.n == 0 && graph_attribute_int(operation->node, "noop_with_empty_axes", 0))
        return operator_give(operation, 0, array_share(x));
    for (uint32_t i = 0; axes.n == 0 && i < x->rank; i++)
        in_row[i] = true;
    int64_t dims[ARRAY_MAX_RANK];
    bool keeps = graph_attribute_int(operation->node, "keepdims", 1) != 0;
    uint32_t rank = reduced_dims(x, in_row, keeps, dims);
    graph_array *out = operator_make(operation, 0, x->type, rank, dims, x->is_hollow, fault);
    return out && (x->is_hollow || fill_reduced(reduction, out, x, in_row, fault));
}

/* ------------------------------------------------------------------------ places of extremes -- */

#define FIND(row)                                                                                  \
    for (int64_t i = 1; i < n; i++)                                                                \
        if ((is_max ? (row)[i] > (row)[best] : (row)[i] < (row)[best]) ||                          \
            (is_last && (row)[i] == (row)[best]))                                                  \
            best = i;

static int64_t find_extreme(const row_view *rows, int64_t row, array_type type, bool is_max,
                            bool is_last)
{
    int64_t n = rows->length, best = 0;
    if (type == ARRAY_FLOAT) {
        FIND((const float *)rows->elements + row * n)
    } else {
        FIND((const int64_t *)rows->elements + row * n)
    }
    return best;
}

static bool run_extreme(operator_call *operation, fault_text *fault)
{
    uint32_t axis = 0;
    if (!operator_check(operation, "x", 1, fault) ||
        !operator_axis(graph_attribute_int(operation->node, "axis", 0), operation->inputs[0]->rank,
                       &axis, fault))
        return false;
    graph_array *x = operation->inputs[0];
    bool in_row[ARRAY_MAX_RANK] = {false}, is_max = strcmp(operation->node->op, "ArgMax") == 0;
    bool keeps = graph_attribute_int(operation->node, "keepdims", 1) != 0;
    bool is_last = graph_attribute_int(operation->node, "select_last_index", 0) != 0;
    int64_t dims[ARRAY_MAX_RANK];
    in_row[axis] = true;
    if (x->dims[axis] == 0)
        return fault_set(fault, "axis %u of %s has no elements", axis, SHAPE_TEXT(x));
    uint32_t rank = reduced_dims(x, in_row, keeps, dims);
    graph_array *out = operator_make(operation, 0, ARRAY_INTEGER, rank, dims, x->is_hollow, fault);
    if (!out || x->is_hollow)
        return out;
    row_view rows;
    bool ok = rows_open(x, in_row, &rows, fault);
    for (int64_t i = 0; ok && i < rows.n; i++)
        out->integers[i] = find_extreme(&rows, i, x->type, is_max, is_last);
    rows_close(&rows);
    return ok;
}

/* ------------------------------------------------------------------------------ rows to rows -- */

/* `out` may be `row`. */
typedef void row_function(float *out, const float *row, int64_t n);

static bool map_rows(graph_array *out, graph_array *x, const bool *in_row, row_function *map,
                     fault_text *fault)
{
    row_view rows;
    bool ok = rows_open(x, in_row, &rows, fault);
    float *results = ok && rows.copy ? rows.copy : out->floats;
    for (int64_t i = 0; ok && i < rows.n; i++)
        map(results + i * rows.length, (const float *)rows.elements + i * rows.length, rows.length);
    if (ok && rows.copy) {
        int64_t contiguous[ARRAY_MAX_RANK];
        operator_contiguous(rows.rank, rows.dims, contiguous);
        operator_copy(out->floats, rows.strides, results, contiguous, rows.rank, rows.dims,
                      sizeof *results);
    }
    rows_close(&rows);
    return ok;
}

/* Maps the rows of the first input. */
static bool run_rows(operator_call *operation, const bool *in_row, row_function *map,
                     fault_text *fault)
{
    graph_array *x = operation->inputs[0];
    graph_array *out =
        operator_make(operation, 0, ARRAY_FLOAT, x->rank, x->dims, x->is_hollow, fault);
    return out && (x->is_hollow || map_rows(out, x, in_row, map, fault));
}

/* A row that is all -infinity has no softmax: it gets NaN, as in onnxruntime. */
static void softmax(float *out, const float *row, int64_t n)
{
    float max = (float)max_floats(row, n);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        out[i] = (float)maths_exp(row[i] - max);
        sum += out[i];
    }
    for (int64_t i = 0; i < n; i++)
        out[i] = (float)(out[i] / sum);
}

static void log_softmax(float *out, const float *row, int64_t n)
{
    double max = max_floats(row, n), sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += maths_exp(row[i] - max);
    double shift = maths_log(sum);
    for (int64_t i = 0; i < n; i++)
        out[i] = (float)(row[i] - max - shift);
}

/* Before operator set 13, of all axes from `axis` on. */
static bool run_softmax(operator_call *operation, fault_text *fault)
{
    bool is_old = operation->opset < 13, in_row[ARRAY_MAX_RANK] = {false};
    uint32_t axis = 0;
    if (!operator_check(operation, "f", 1, fault) ||
        !operator_axis(graph_attribute_int(operation->node, "axis", is_old ? 1 : -1),
                       operation->inputs[0]->rank, &axis, fault))
        return false;
    for (uint32_t i = axis; i < operation->inputs[0]->rank; i++)
        in_row[i] = is_old || i == axis;
    bool is_log = strcmp(operation->node->op, "LogSoftmax") == 0;
    return run_rows(operation, in_row, is_log ? log_softmax : softmax, fault);
}

/* A row of zeros stays a row of zeros. */
static void divide_row(float *out, const float *row, int64_t n, double divisor)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = divisor == 0 ? row[i] : (float)(row[i] / divisor);
}

static void normalize_l1(float *out, const float *row, int64_t n)
{
    divide_row(out, row, n, add_sizes_of_floats(row, n));
}

static void normalize_l2(float *out, const float *row, int64_t n)
{
    divide_row(out, row, n, length_of_floats(row, n));
}

static bool run_lp_normalization(operator_call *operation, fault_text *fault)
{
    bool in_row[ARRAY_MAX_RANK] = {false};
    uint32_t axis = 0;
    int64_t p = graph_attribute_int(operation->node, "p", 2);
    if (!operator_check(operation, "f", 1, fault) ||
        !operator_axis(graph_attribute_int(operation->node, "axis", -1), operation->inputs[0]->rank,
                       &axis, fault))
        return false;
    if (p != 1 && p != 2)
        return fault_set(fault, "p is %lld, neither 1 nor 2", (long long)p);
    in_row[axis] = true;
    return run_rows(operation, in_row, p == 1 ? normalize_l1 : normalize_l2, fault);
}

/* ----------------------------------------------------------------------- layer normalization -- */

typedef struct layer_norm {
    int64_t n; /* elements of a row */
    float epsilon;
    float *scale; /* [n] */
    float *bias;  /* [n] or NULL */
} layer_norm;

/* A parameter, broadcast to the dimensions of a row. To be freed; NULL with a fault. */
static float *expand_parameter(graph_array *parameter, uint32_t rank, const int64_t *dims,
                               int64_t n, fault_text *fault)
{
    int64_t strides[ARRAY_MAX_RANK], to_strides[ARRAY_MAX_RANK];
    const float *elements = array_floats(parameter, fault);
    float *expanded = elements ? malloc((size_t)(n + 1) * sizeof *expanded) : NULL;
    if (elements && !expanded)
        fault_set(fault, "out of memory for %lld elements", (long long)n);
    if (expanded && operator_strides(parameter, rank, dims, strides)) {
        operator_contiguous(rank, dims, to_strides);
        operator_copy(expanded, to_strides, elements, strides, rank, dims, sizeof *expanded);
    }
    return expanded;
}

static void normalize(const layer_norm *norm, float *out, const float *row, float *mean,
                      float *inverse)
{
    double middle = mean_floats(row, norm->n), sum = 0;
    for (int64_t i = 0; i < norm->n; i++)
        sum += (row[i] - middle) * (row[i] - middle);
    double factor = 1 / sqrt((norm->n ? sum / (double)norm->n : 0) + norm->epsilon);
    for (int64_t i = 0; i < norm->n; i++)
        out[i] =
            (float)((row[i] - middle) * factor * norm->scale[i] + (norm->bias ? norm->bias[i] : 0));
    *mean = (float)middle;
    *inverse = (float)factor;
}

static bool fill_normalized(operator_call *operation, const layer_norm *norm, int64_t n_rows,
                            fault_text *fault)
{
    graph_array **outputs = operation->outputs;
    const float *x = array_floats(operation->inputs[0], fault);
    bool has_mean = operator_wants(operation, 1), has_inverse = operator_wants(operation, 2);
    float mean, inverse;
    for (int64_t i = 0; x && i < n_rows; i++) {
        normalize(norm, outputs[0]->floats + i * norm->n, x + i * norm->n, &mean, &inverse);
        if (has_mean)
            outputs[1]->floats[i] = mean;
        if (has_inverse)
            outputs[2]->floats[i] = inverse;
    }
    return x;
}

/* Makes the outputs; the statistics have a dimension of 1 for each that is normalised. */
static bool make_normalized(operator_call *operation, uint32_t axis, fault_text *fault)
{
    const graph_array *x = operation->inputs[0];
    int64_t dims[ARRAY_MAX_RANK];
    for (uint32_t i = 0; i < x->rank; i++)
        dims[i] = i < axis ? x->dims[i] : 1;
    bool is_hollow = operator_any_hollow(operation);
    for (size_t i = 1; i < 3; i++)
        if (operator_wants(operation, i) &&
            !operator_make(operation, i, ARRAY_FLOAT, x->rank, dims, is_hollow, fault))
            return false;
    return operator_make(operation, 0, ARRAY_FLOAT, x->rank, x->dims, is_hollow, fault);
}

static bool check_parameter(const graph_array *parameter, const graph_array *x, uint32_t axis,
                            fault_text *fault)
{
    int64_t strides[ARRAY_MAX_RANK];
    return !parameter || operator_strides(parameter, x->rank - axis, x->dims + axis, strides) ||
           fault_set(fault, "a parameter of shape %s for an input of %s, normalised from axis %u",
                     SHAPE_TEXT(parameter), SHAPE_TEXT(x), axis);
}

static bool run_layer_normalization(operator_call *operation, fault_text *fault)
{
    uint32_t axis = 0;
    if (!operator_check(operation, "ffF", 3, fault) ||
        !operator_axis(graph_attribute_int(operation->node, "axis", -1), operation->inputs[0]->rank,
                       &axis, fault))
        return false;
    graph_array *x = operation->inputs[0], *scale = operation->inputs[1];
    graph_array *bias = operator_input(operation, 2);
    if (!check_parameter(scale, x, axis, fault) || !check_parameter(bias, x, axis, fault) ||
        !make_normalized(operation, axis, fault))
        return false;
    if (operation->outputs[0]->is_hollow)
        return true;
    uint32_t rank = x->rank - axis;
    const int64_t *dims = x->dims + axis;
    int64_t n = operator_product(rank, dims);
    layer_norm norm = {n, graph_attribute_float(operation->node, "epsilon", 1e-5f), NULL, NULL};
    norm.scale = expand_parameter(scale, rank, dims, n, fault);
    norm.bias = bias ? expand_parameter(bias, rank, dims, n, fault) : NULL;
    bool ok = norm.scale && (norm.bias || !bias) &&
              fill_normalized(operation, &norm, operator_product(axis, x->dims), fault);
    free(norm.scale);
    free(norm.bias);
    return ok;
}

const operator_kind operators_reduce[] = {
    {"ArgMax", 1, run_extreme},
    {"ArgMin", 1, run_extreme},
    {"LayerNormalization", 2, run_layer_normalization},
    {"LogSoftmax", 1, run_softmax},
    {"LpNormalization", 1, run_lp_normalization},
    {"ReduceL1", 1, run_reduction},
    {"ReduceL2", 1, run_reduction},
    {"ReduceLogSumExp", 1, run_reduction},
    {"ReduceMax", 1, run_reduction},
    {"ReduceMean", 1, run_reduction},
    {"ReduceMin", 1, run_reduction},
    {"ReduceProd", 1, run_reduction},
    {"ReduceSum", 1, run_reduction},
    {"ReduceSumSquare", 1, run_reduction},
    {"Softmax", 1, run_softmax},
    {NULL, 0, NULL},
};

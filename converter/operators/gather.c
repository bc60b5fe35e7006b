/*
 * gather.c - operators that read elements by indices, and that write them.
 */
#include "operators/internal.h"

#include <string.h>

/* ------------------------------------------------------------------------ gather and scatter -- */

/* Copies n elements of x from i on to element k of out. A constant is not read as a whole for
 * that, where it need not be. */
static bool take(graph_array *out, int64_t k, graph_array *x, int64_t i, int64_t n,
                 fault_text *fault)
{
    void *to = x->type == ARRAY_FLOAT ? (void *)(out->floats + k) : (void *)(out->integers + k);
    return array_read(x, i, n, to, fault);
}

static bool gather_rows(graph_array *out, graph_array *x, graph_array *indices, uint32_t axis,
                        fault_text *fault)
{
    const int64_t *at = array_integers(indices, fault);
    if (!at)
        return false;
    int64_t n = operator_product(x->rank - axis - 1, x->dims + axis + 1), dim = x->dims[axis];
    int64_t n_outer = operator_product(axis, x->dims), to = 0;
    for (int64_t outer = 0; outer < n_outer; outer++)
        for (int64_t i = 0; i < indices->count; i++, to += n) {
            int64_t index = at[i];
            if (!operator_index(&index, dim, fault))
                return false;
            if (n > 0 && !take(out, to, x, (outer * dim + index) * n, n, fault))
                return false;
        }
    return true;
}

static bool run_gather(operator_call *operation, fault_text *fault)
{
    uint32_t axis = 0;
    if (!operator_check(operation, "xi", 1, fault) ||
        !operator_axis(graph_attribute_int(operation->node, "axis", 0), operation->inputs[0]->rank,
                       &axis, fault))
        return false;
    graph_array *x = operation->inputs[0], *indices = operation->inputs[1];
    if (x->rank - 1 + indices->rank > ARRAY_MAX_RANK)
        return fault_set(fault, "gathers shape %s from %s: too many dimensions",
                         SHAPE_TEXT(indices), SHAPE_TEXT(x));
    int64_t dims[ARRAY_MAX_RANK];
    memcpy(dims, x->dims, axis * sizeof *dims);
    memcpy(dims + axis, indices->dims, indices->rank * sizeof *dims);
    memcpy(dims + axis + indices->rank, x->dims + axis + 1, (x->rank - axis - 1) * sizeof *dims);
    bool is_hollow = operator_any_hollow(operation);
    graph_array *out =
        operator_make(operation, 0, x->type, x->rank - 1 + indices->rank, dims, is_hollow, fault);
    return out && (is_hollow || gather_rows(out, x, indices, axis, fault));
}

/* Whether indices have the rank of x and, on all axes but the one that they index, are no
 * larger. */
static bool check_element_indices(const graph_array *x, const graph_array *indices, uint32_t axis,
                                  fault_text *fault)
{
    bool fits = x->rank == indices->rank;
    for (uint32_t i = 0; fits && i < x->rank; i++)
        fits = i == axis || indices->dims[i] <= x->dims[i];
    return fits || fault_set(fault, "indices of shape %s do not fit %s", SHAPE_TEXT(indices),
                             SHAPE_TEXT(x));
}

/* Walks through the indices, and through x at the same places, but at index 0 of the axis. */
static strided_walk walk_elements(const graph_array *x, const graph_array *indices, uint32_t axis)
{
    strided_walk walk = {.rank = x->rank, .n_arrays = 2};
    memcpy(walk.dims, indices->dims, sizeof indices->dims);
    operator_contiguous(x->rank, indices->dims, walk.strides[0]);
    operator_contiguous(x->rank, x->dims, walk.strides[1]);
    walk.strides[1][axis] = 0;
    return walk;
}

/* Moves elements between x and an array that has the shape of the indices. */
static bool move_elements(graph_array *x, graph_array *indices, uint32_t axis, void *to,
                          const void *from, bool is_scatter, fault_text *fault)
{
    const int64_t *at = array_integers(indices, fault);
    int64_t stride = operator_product(x->rank - axis - 1, x->dims + axis + 1);
    strided_walk walk = walk_elements(x, indices, axis);
    if (!at)
        return false;
    for (bool more = walk_start(&walk); more; more = walk_next(&walk))
        for (int64_t i = 0; i < walk.n; i++) {
            int64_t k = walk.offsets[0] + i * walk.steps[0], index = at[k];
            if (!operator_index(&index, x->dims[axis], fault))
                return false;
            int64_t place = walk.offsets[1] + i * walk.steps[1] + index * stride;
            operator_copy_element(to, is_scatter ? place : k, from, is_scatter ? k : place,
                                  operator_size(x));
        }
    return true;
}

static bool run_gather_elements(operator_call *operation, fault_text *fault)
{
    uint32_t axis = 0;
    if (!operator_check(operation, "xi", 1, fault) ||
        !operator_axis(graph_attribute_int(operation->node, "axis", 0), operation->inputs[0]->rank,
                       &axis, fault) ||
        !check_element_indices(operation->inputs[0], operation->inputs[1], axis, fault))
        return false;
    graph_array *x = operation->inputs[0], *indices = operation->inputs[1];
    bool is_hollow = operator_any_hollow(operation);
    graph_array *out =
        operator_make(operation, 0, x->type, x->rank, indices->dims, is_hollow, fault);
    if (!out || is_hollow)
        return out;
    const void *elements = operator_elements(x, fault);
    return elements &&
           move_elements(x, indices, axis, operator_writable(out), elements, false, fault);
}

static bool check_reduction(const operator_call *operation, fault_text *fault)
{
    return !graph_attribute_find(operation->node, "reduction") ||
           graph_attribute_is(operation->node, "reduction", "none") ||
           fault_set(fault, "only the reduction 'none' is supported");
}

static bool run_scatter_elements(operator_call *operation, fault_text *fault)
{
    uint32_t axis = 0;
    if (!operator_check(operation, "xix", 1, fault) || !check_reduction(operation, fault) ||
        !operator_axis(graph_attribute_int(operation->node, "axis", 0), operation->inputs[0]->rank,
                       &axis, fault) ||
        !check_element_indices(operation->inputs[0], operation->inputs[1], axis, fault))
        return false;
    graph_array *x = operation->inputs[0], *indices = operation->inputs[1];
    graph_array *updates = operation->inputs[2];
    if (updates->type != x->type || !array_is_same_shape(indices, updates))
        return fault_set(fault, "updates of shape %s do not fit indices of %s", SHAPE_TEXT(updates),
                         SHAPE_TEXT(indices));
    graph_array *out = operator_make_copy(operation, fault);
    if (!out || out->is_hollow)
        return out;
    const void *elements = operator_elements(updates, fault);
    return elements &&
           move_elements(x, indices, axis, operator_writable(out), elements, true, fault);
}

/* Indices as tuples, which are its last dimension: each names a slice of x by the dimensions from
 * `first` on. */
typedef struct index_tuples {
    const int64_t *values;
    int64_t n, length;
    int64_t slice; /* elements of a slice */
} index_tuples;

/* Where tuple i has its slice, behind the dimensions before `first`. */
static bool find_slice(const index_tuples *tuples, int64_t i, const graph_array *x, uint32_t first,
                       int64_t *place, fault_text *fault)
{
    *place = 0;
    for (int64_t k = 0; k < tuples->length; k++) {
        int64_t index = tuples->values[i * tuples->length + k], dim = x->dims[first + k];
        if (!operator_index(&index, dim, fault))
            return false;
        *place = *place * dim + index;
    }
    *place *= tuples->slice;
    return true;
}

/* Sets everything but the values: the indices may be hollow. */
static bool read_tuples(const graph_array *x, const graph_array *indices, uint32_t first,
                        index_tuples *tuples, fault_text *fault)
{
    if (indices->rank == 0)
        return fault_set(fault, "indices are a single number");
    tuples->length = indices->dims[indices->rank - 1];
    if (tuples->length < 1 || tuples->length > (int64_t)x->rank - first)
        return fault_set(fault, "indices of shape %s do not fit %s", SHAPE_TEXT(indices),
                         SHAPE_TEXT(x));
    tuples->n = indices->count / tuples->length;
    uint32_t behind = first + (uint32_t)tuples->length;
    tuples->slice = operator_product(x->rank - behind, x->dims + behind);
    return true;
}

/* Dimensions of all slices together; false if there are too many. */
static bool slice_dims(const graph_array *x, const graph_array *indices, uint32_t first,
                       const index_tuples *tuples, uint32_t *rank, int64_t *dims, fault_text *fault)
{
    uint32_t behind = first + (uint32_t)tuples->length, n = indices->rank - 1;
    *rank = n + x->rank - behind;
    if (*rank > ARRAY_MAX_RANK)
        return fault_set(fault, "indices of shape %s into %s: too many dimensions",
                         SHAPE_TEXT(indices), SHAPE_TEXT(x));
    memcpy(dims, indices->dims, n * sizeof *dims);
    memcpy(dims + n, x->dims + behind, (x->rank - behind) * sizeof *dims);
    return true;
}

static bool check_batch(const graph_array *x, const graph_array *indices, int64_t n_batch,
                        fault_text *fault)
{
    bool fits = n_batch >= 0 && n_batch < x->rank && n_batch < indices->rank;
    for (int64_t i = 0; fits && i < n_batch; i++)
        fits = x->dims[i] == indices->dims[i];
    return fits || fault_set(fault, "batch_dims is %lld, which does not fit %s and %s",
                             (long long)n_batch, SHAPE_TEXT(x), SHAPE_TEXT(indices));
}

static bool run_gather_nd(operator_call *operation, fault_text *fault)
{
    if (!operator_check(operation, "xi", 1, fault))
        return false;
    graph_array *x = operation->inputs[0], *indices = operation->inputs[1];
    int64_t n_batch = graph_attribute_int(operation->node, "batch_dims", 0);
    index_tuples tuples = {NULL, 0, 0, 0};
    uint32_t rank = 0;
    int64_t dims[ARRAY_MAX_RANK], place = 0;
    if (!check_batch(x, indices, n_batch, fault) ||
        !read_tuples(x, indices, (uint32_t)n_batch, &tuples, fault) ||
        !slice_dims(x, indices, (uint32_t)n_batch, &tuples, &rank, dims, fault))
        return false;
    bool is_hollow = operator_any_hollow(operation);
    graph_array *out = operator_make(operation, 0, x->type, rank, dims, is_hollow, fault);
    if (!out || is_hollow || out->count == 0)
        return out;
    tuples.values = array_integers(indices, fault);
    if (!tuples.values)
        return false;
    int64_t n_batches = operator_product((uint32_t)n_batch, x->dims), each = x->count / n_batches;
    for (int64_t i = 0; i < tuples.n; i++) {
        if (!find_slice(&tuples, i, x, (uint32_t)n_batch, &place, fault) ||
            !take(out, i * tuples.slice, x, i / (tuples.n / n_batches) * each + place, tuples.slice,
                  fault))
            return false;
    }
    return true;
}

static bool run_scatter_nd(operator_call *operation, fault_text *fault)
{
    if (!operator_check(operation, "xix", 1, fault) || !check_reduction(operation, fault))
        return false;
    graph_array *x = operation->inputs[0], *indices = operation->inputs[1];
    graph_array *updates = operation->inputs[2];
    index_tuples tuples = {NULL, 0, 0, 0};
    uint32_t rank = 0;
    int64_t dims[ARRAY_MAX_RANK], place = 0;
    if (!read_tuples(x, indices, 0, &tuples, fault) ||
        !slice_dims(x, indices, 0, &tuples, &rank, dims, fault))
        return false;
    if (updates->type != x->type || updates->rank != rank ||
        memcmp(updates->dims, dims, rank * sizeof *dims) != 0)
        return fault_set(fault, "updates of shape %s, expected %s", SHAPE_TEXT(updates),
                         operator_shape_text(rank, dims).text);
    graph_array *out = operator_make_copy(operation, fault);
    if (!out || out->is_hollow)
        return out;
    tuples.values = array_integers(indices, fault);
    if (!tuples.values)
        return false;
    for (int64_t i = 0; i < tuples.n; i++) {
        if (!find_slice(&tuples, i, x, 0, &place, fault))
            return false;
        if (tuples.slice > 0 && !take(out, place, updates, i * tuples.slice, tuples.slice, fault))
            return false;
    }
    return true;
}

const operator_kind operators_gather[] = {
    {"Gather", 2, run_gather},
    {"GatherElements", 2, run_gather_elements},
    {"GatherND", 2, run_gather_nd},
    {"Scatter", 3, run_scatter_elements},
    {"ScatterElements", 3, run_scatter_elements},
    {"ScatterND", 3, run_scatter_nd},
    {NULL, 0, NULL},
};

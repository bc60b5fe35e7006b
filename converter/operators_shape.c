/*
 * operators_shape.c - operators that make shapes and numbers of them, and those that move elements
 * without calculating: most are a copy from one set of strides to another.
 */
#include "operators_internal.h"

#include <math.h>
#include <string.h>

/* ---------------------------------------------------------------------------------- of shapes --
 */

static int64_t clamp(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

/* Where the input is hollow too. */
static bool run_shape(operation *operation, fault *fault)
{
    if (!operator_check(operation, "x", 1, fault))
        return false;
    const array *x = operation->inputs[0];
    int64_t rank = x->rank;
    int64_t start = graph_attribute_int(operation->node, "start", 0);
    int64_t end = graph_attribute_int(operation->node, "end", rank);
    start = clamp(start < 0 ? start + rank : start, 0, rank);
    end = clamp(end < 0 ? end + rank : end, start, rank);
    array *out =
        operator_make(operation, 0, ARRAY_INTEGER, 1, &(int64_t){end - start}, false, fault);
    for (int64_t i = start; out && i < end; i++)
        out->integers[i - start] = x->dims[i];
    return out;
}

static bool run_size(operation *operation, fault *fault)
{
    if (!operator_check(operation, "x", 1, fault))
        return false;
    array *out = operator_make(operation, 0, ARRAY_INTEGER, 0, NULL, false, fault);
    if (out)
        *out->integers = operation->inputs[0]->count;
    return out;
}

/* ------------------------------------------------------------------------------ other shapes -- */

static bool give_reshaped(operation *operation, uint32_t rank, const int64_t *dims, fault *fault)
{
    return operator_give(operation, 0, array_reshaped(operation->inputs[0], rank, dims, fault));
}

/* Puts in what is left for the dimension that is -1. */
static bool infer_dim(const array *x, uint32_t rank, int64_t *dims, uint32_t open, fault *fault)
{
    int64_t known = 1;
    for (uint32_t i = 0; i < rank; i++)
        if (i != open && dims[i] != 0 && known > OPERATOR_MAX_NUMBER / dims[i])
            return fault_set(fault, "shape %s does not go into %s", SHAPE_TEXT(x),
                             operator_shape_text(rank, dims).text);
        else if (i != open)
            known *= dims[i];
    if (known == 0 || x->count % known != 0)
        return fault_set(fault, "shape %s does not go into %s", SHAPE_TEXT(x),
                         operator_shape_text(rank, dims).text);
    dims[open] = x->count / known;
    return true;
}

static bool run_reshape(operation *operation, fault *fault)
{
    numbers shape;
    if (!operator_check(operation, "xI", 1, fault) ||
        !operator_numbers(operation, 1, "shape", &shape, fault))
        return false;
    const array *x = operation->inputs[0];
    if (!shape.is_given || shape.n > ARRAY_MAX_RANK)
        return fault_set(fault, "a shape of %zu dimensions", shape.n);
    bool keeps_zero = graph_attribute_int(operation->node, "allowzero", 0) != 0;
    uint32_t rank = (uint32_t)shape.n, open = rank;
    int64_t dims[ARRAY_MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) {
        dims[i] = shape.values[i];
        if (dims[i] < -1 || (dims[i] == -1 && open < rank))
            return fault_set(fault, "shape %s", operator_shape_text(rank, shape.values).text);
        if (dims[i] == 0 && !keeps_zero) {
            if (i >= x->rank)
                return fault_set(fault, "dimension %u is to stay, but the shape is %s", i,
                                 SHAPE_TEXT(x));
            dims[i] = x->dims[i];
        }
        if (dims[i] == -1)
            open = i;
    }
    if (open < rank && !infer_dim(x, rank, dims, open, fault))
        return false;
    return give_reshaped(operation, rank, dims, fault);
}

static bool run_flatten(operation *operation, fault *fault)
{
    if (!operator_check(operation, "x", 1, fault))
        return false;
    const array *x = operation->inputs[0];
    int64_t axis = graph_attribute_int(operation->node, "axis", 1);
    if (axis < -(int64_t)x->rank || axis > x->rank)
        return fault_set(fault, "axis %lld of %u dimensions", (long long)axis, x->rank);
    uint32_t split = (uint32_t)(axis < 0 ? axis + x->rank : axis);
    int64_t dims[2] = {operator_product(split, x->dims),
                       operator_product(x->rank - split, x->dims + split)};
    return give_reshaped(operation, 2, dims, fault);
}

static bool run_squeeze(operation *operation, fault *fault)
{
    numbers axes;
    bool is_dropped[ARRAY_MAX_RANK];
    if (!operator_check(operation, "xI", 1, fault) ||
        !operator_numbers(operation, 1, "axes", &axes, fault) ||
        !operator_axes(&axes, operation->inputs[0]->rank, is_dropped, fault))
        return false;
    const array *x = operation->inputs[0];
    int64_t dims[ARRAY_MAX_RANK];
    uint32_t rank = 0;
    for (uint32_t i = 0; i < x->rank; i++) {
        if (is_dropped[i] && x->dims[i] != 1)
            return fault_set(fault, "axis %u of %s is not 1", i, SHAPE_TEXT(x));
        if (!is_dropped[i] && (axes.is_given || x->dims[i] != 1))
            dims[rank++] = x->dims[i];
    }
    return give_reshaped(operation, rank, dims, fault);
}

static bool run_unsqueeze(operation *operation, fault *fault)
{
    numbers axes;
    bool is_new[ARRAY_MAX_RANK];
    if (!operator_check(operation, "xI", 1, fault) ||
        !operator_numbers(operation, 1, "axes", &axes, fault))
        return false;
    const array *x = operation->inputs[0];
    if (!axes.is_given || axes.n > ARRAY_MAX_RANK - x->rank)
        return fault_set(fault, "%zu dimensions more than %u", axes.n, x->rank);
    uint32_t rank = x->rank + (uint32_t)axes.n;
    if (!operator_axes(&axes, rank, is_new, fault))
        return false;
    int64_t dims[ARRAY_MAX_RANK];
    for (uint32_t i = 0, from = 0; i < rank; i++)
        dims[i] = is_new[i] ? 1 : x->dims[from++];
    return give_reshaped(operation, rank, dims, fault);
}

/* ---------------------------------------------------------------------------- strided copies -- */

/* Output i of these dimensions, copied from the elements of x that begin at `start`. */
static bool copy_out(operation *operation, size_t i, array *x, uint32_t rank, const int64_t *dims,
                     int64_t start, const int64_t *strides, fault *fault)
{
    array *out = operator_make(operation, i, x->type, rank, dims, x->is_hollow, fault);
    if (!out || x->is_hollow)
        return out;
    const char *elements = operator_elements(x, fault);
    if (!elements)
        return false;
    int64_t to_strides[ARRAY_MAX_RANK];
    operator_contiguous(rank, dims, to_strides);
    if (out->count > 0)
        operator_copy(operator_writable(out), to_strides,
                      elements + start * (int64_t)operator_size(x), strides, rank, dims,
                      operator_size(x));
    return true;
}

static bool run_transpose(operation *operation, fault *fault)
{
    if (!operator_check(operation, "x", 1, fault))
        return false;
    array *x = operation->inputs[0];
    const graph_attribute *order = graph_attribute_find(operation->node, "perm");
    if (order && order->n_ints != x->rank)
        return fault_set(fault, "perm has %zu axes, the input %u", order->n_ints, x->rank);
    bool is_used[ARRAY_MAX_RANK] = {false};
    int64_t strides[ARRAY_MAX_RANK], dims[ARRAY_MAX_RANK], moved[ARRAY_MAX_RANK];
    operator_contiguous(x->rank, x->dims, strides);
    for (uint32_t i = 0; i < x->rank; i++) {
        int64_t from = order ? order->ints[i] : x->rank - 1 - i;
        if (from < 0 || from >= x->rank || is_used[from])
            return fault_set(fault, "perm is no order of %u axes", x->rank);
        is_used[from] = true;
        dims[i] = x->dims[from];
        moved[i] = strides[from];
    }
    return copy_out(operation, 0, x, x->rank, dims, 0, moved, fault);
}

static bool run_expand(operation *operation, fault *fault)
{
    numbers shape;
    array wanted = {.rank = 0};
    if (!operator_check(operation, "xi", 1, fault) ||
        !operator_numbers(operation, 1, "shape", &shape, fault) ||
        !operator_dims(&shape, &wanted.rank, wanted.dims, fault))
        return false;
    uint32_t rank;
    array *x = operation->inputs[0], *both[2] = {x, &wanted};
    int64_t dims[ARRAY_MAX_RANK], strides[ARRAY_MAX_RANK];
    return operator_broadcast(both, 2, &rank, dims, fault) &&
           operator_strides(x, rank, dims, strides) &&
           copy_out(operation, 0, x, rank, dims, 0, strides, fault);
}

/* Copies x into `out` from element `start` on; the dimensions are those of x. */
static bool copy_in(array *out, int64_t start, array *x, fault *fault)
{
    const void *elements = operator_elements(x, fault);
    if (!elements)
        return false;
    int64_t to_strides[ARRAY_MAX_RANK], strides[ARRAY_MAX_RANK];
    operator_contiguous(out->rank, out->dims, to_strides);
    operator_contiguous(x->rank, x->dims, strides);
    if (x->count > 0)
        operator_copy((char *)operator_writable(out) + start * (int64_t)operator_size(x),
                      to_strides, elements, strides, x->rank, x->dims, operator_size(x));
    return true;
}

/* Sums up dimension `axis` of the inputs; all others must agree. */
static bool join_dims(const operation *operation, uint32_t axis, int64_t *dims, fault *fault)
{
    const array *first = operation->inputs[0];
    memcpy(dims, first->dims, sizeof first->dims);
    for (size_t i = 1; i < operation->n_inputs; i++) {
        const array *x = operation->inputs[i];
        if (!x)
            return fault_set(fault, "has no input %zu", i + 1);
        bool fits = x->type == first->type && x->rank == first->rank;
        for (uint32_t k = 0; fits && k < x->rank; k++)
            fits = k == axis || x->dims[k] == first->dims[k];
        if (!fits || x->dims[axis] > OPERATOR_MAX_NUMBER - dims[axis])
            return fault_set(fault, "input %zu of shape %s does not continue %s along axis %u",
                             i + 1, SHAPE_TEXT(x), SHAPE_TEXT(first), axis);
        dims[axis] += x->dims[axis];
    }
    return true;
}

static bool run_concat(operation *operation, fault *fault)
{
    uint32_t axis = 0;
    int64_t dims[ARRAY_MAX_RANK], start = 0;
    array *first = operator_input(operation, 0);
    if (!operator_check_outputs(operation, 1, fault))
        return false;
    if (!first)
        return fault_set(fault, "has no input 1");
    const graph_attribute *along = graph_attribute_find(operation->node, "axis");
    if (!along && operation->opset >= 4)
        return fault_set(fault, "has no axis");
    if (!operator_axis(along ? along->i : 1, first->rank, &axis, fault) ||
        !join_dims(operation, axis, dims, fault))
        return false;
    bool is_hollow = operator_any_hollow(operation);
    array *out = operator_make(operation, 0, first->type, first->rank, dims, is_hollow, fault);
    if (!out || is_hollow)
        return out;
    int64_t stride = operator_product(first->rank - axis - 1, first->dims + axis + 1);
    for (size_t i = 0; i < operation->n_inputs; i++) {
        if (!copy_in(out, start, operation->inputs[i], fault))
            return false;
        start += operation->inputs[i]->dims[axis] * stride;
    }
    return true;
}

/* Length of part i of an axis that is split evenly: into n, the last one of which may be smaller
 * where num_outputs says so. */
static int64_t part_length(int64_t dim, int64_t n, int64_t i)
{
    int64_t length = (dim + n - 1) / n;
    return clamp(dim - i * length, 0, length);
}

static bool check_split(const operation *operation, const numbers *sizes, int64_t dim, fault *fault)
{
    size_t n = operation->node->n_outputs;
    int64_t n_parts = graph_attribute_int(operation->node, "num_outputs", (int64_t)n), sum = 0;
    bool is_even = !graph_attribute_find(operation->node, "num_outputs");
    if (n == 0 || n_parts != (int64_t)n || (sizes->is_given && sizes->n != n))
        return fault_set(fault, "splits into %lld and %zu parts, but has %zu outputs",
                         (long long)n_parts, sizes->n, n);
    if (!sizes->is_given && is_even && dim % (int64_t)n != 0)
        return fault_set(fault, "%lld does not split into %zu", (long long)dim, n);
    for (size_t i = 0; i < sizes->n; i++) {
        if (sizes->values[i] < 0 || sizes->values[i] > dim - sum)
            return fault_set(fault, "part %zu of %lld leaves an axis of %lld", i,
                             (long long)sizes->values[i], (long long)dim);
        sum += sizes->values[i];
    }
    if (sizes->is_given && sum != dim)
        return fault_set(fault, "parts of %lld of an axis of %lld", (long long)sum, (long long)dim);
    return true;
}

static bool run_split(operation *operation, fault *fault)
{
    numbers sizes;
    uint32_t axis = 0;
    if (!operator_check(operation, "xI", SIZE_MAX, fault) ||
        !operator_numbers(operation, 1, "split", &sizes, fault) ||
        !operator_axis(graph_attribute_int(operation->node, "axis", 0), operation->inputs[0]->rank,
                       &axis, fault))
        return false;
    array *x = operation->inputs[0];
    int64_t dims[ARRAY_MAX_RANK], strides[ARRAY_MAX_RANK], start = 0;
    int64_t n = (int64_t)operation->node->n_outputs;
    if (!check_split(operation, &sizes, x->dims[axis], fault))
        return false;
    memcpy(dims, x->dims, sizeof dims);
    operator_contiguous(x->rank, x->dims, strides);
    for (int64_t i = 0; i < n; i++) {
        dims[axis] = sizes.is_given ? sizes.values[i] : part_length(x->dims[axis], n, i);
        if (operator_wants(operation, (size_t)i) &&
            !copy_out(operation, (size_t)i, x, x->rank, dims, start * strides[axis], strides,
                      fault))
            return false;
        start += dims[axis];
    }
    return true;
}

/* ------------------------------------------------------------------------------------ slices -- */

typedef struct slice {
    int64_t dims[ARRAY_MAX_RANK], strides[ARRAY_MAX_RANK];
    int64_t start; /* in elements */
} slice;

static void slice_axis(slice *slice, uint32_t axis, int64_t start, int64_t end, int64_t step)
{
    int64_t dim = slice->dims[axis];
    step = clamp(step, -OPERATOR_MAX_NUMBER, OPERATOR_MAX_NUMBER);
    start = start < 0 ? start + dim : start;
    end = end < 0 ? end + dim : end;
    start = step > 0 ? clamp(start, 0, dim) : clamp(start, dim > 0 ? 0 : -1, dim - 1);
    end = step > 0 ? clamp(end, 0, dim) : clamp(end, -1, dim - 1);
    int64_t length = step > 0 ? (end - start + step - 1) / step : (start - end - step - 1) / -step;
    slice->dims[axis] = (step > 0 ? end <= start : end >= start) ? 0 : length;
    slice->start += slice->dims[axis] > 0 ? start * slice->strides[axis] : 0;
    slice->strides[axis] *= step;
}

static bool run_slice(operation *operation, fault *fault)
{
    numbers starts, ends, axes, steps;
    if (!operator_check(operation, "xIIII", 1, fault) ||
        !operator_numbers(operation, 1, "starts", &starts, fault) ||
        !operator_numbers(operation, 2, "ends", &ends, fault) ||
        !operator_numbers(operation, 3, "axes", &axes, fault) ||
        !operator_numbers(operation, 4, "steps", &steps, fault))
        return false;
    array *x = operation->inputs[0];
    if (!starts.is_given || starts.n != ends.n || (axes.is_given && axes.n != starts.n) ||
        (steps.is_given && steps.n != starts.n) || starts.n > x->rank)
        return fault_set(fault, "%zu starts, %zu ends, %zu axes and %zu steps for shape %s",
                         starts.n, ends.n, axes.n, steps.n, SHAPE_TEXT(x));
    bool is_cut[ARRAY_MAX_RANK] = {false};
    slice slice = {.start = 0};
    memcpy(slice.dims, x->dims, sizeof slice.dims);
    operator_contiguous(x->rank, x->dims, slice.strides);
    for (size_t i = 0; i < starts.n; i++) {
        uint32_t axis = 0;
        int64_t step = steps.is_given ? steps.values[i] : 1;
        if (!operator_axis(axes.is_given ? axes.values[i] : (int64_t)i, x->rank, &axis, fault))
            return false;
        if (step == 0 || is_cut[axis])
            return fault_set(fault, "axis %u has a step of 0, or is sliced twice", axis);
        is_cut[axis] = true;
        slice_axis(&slice, axis, starts.values[i], ends.values[i], step);
    }
    return copy_out(operation, 0, x, x->rank, slice.dims, slice.start, slice.strides, fault);
}

/* -------------------------------------------------------------------------------- tile and pad --
 */

/* As the broadcast of a shape that has a dimension of 1 before each. */
static bool run_tile(operation *operation, fault *fault)
{
    numbers repeats;
    int64_t counts[ARRAY_MAX_RANK], dims[ARRAY_MAX_RANK], own[ARRAY_MAX_RANK];
    int64_t split[WALK_MAX_RANK], to_strides[WALK_MAX_RANK], strides[WALK_MAX_RANK] = {0};
    uint32_t n = 0;
    if (!operator_check(operation, "xi", 1, fault) ||
        !operator_numbers(operation, 1, "repeats", &repeats, fault) ||
        !operator_dims(&repeats, &n, counts, fault))
        return false;
    array *x = operation->inputs[0];
    if (n != x->rank)
        return fault_set(fault, "%u repeats for shape %s", n, SHAPE_TEXT(x));
    operator_contiguous(n, x->dims, own);
    for (uint32_t i = 0; i < n; i++) {
        dims[i] = counts[i] * x->dims[i];
        split[2 * i] = counts[i];
        split[2 * i + 1] = x->dims[i];
        strides[2 * i + 1] = own[i];
    }
    array *out = operator_make(operation, 0, x->type, n, dims, x->is_hollow, fault);
    if (!out || x->is_hollow)
        return out;
    if (out->count == 0)
        return true;
    const void *elements = operator_elements(x, fault);
    operator_contiguous(2 * n, split, to_strides);
    if (elements)
        operator_copy(operator_writable(out), to_strides, elements, strides, 2 * n, split,
                      operator_size(x));
    return elements;
}

/* How many elements to add before and behind each axis; negative numbers cut. */
static bool read_pads(const operation *operation, int64_t before[ARRAY_MAX_RANK],
                      int64_t behind[ARRAY_MAX_RANK], fault *fault)
{
    numbers pads, axes;
    bool is_named[ARRAY_MAX_RANK];
    const array *x = operation->inputs[0];
    if (!operator_numbers(operation, 1, "pads", &pads, fault) ||
        !operator_numbers(operation, 3, "axes", &axes, fault) ||
        !operator_axes(&axes, x->rank, is_named, fault))
        return false;
    size_t n = axes.is_given ? axes.n : x->rank;
    if (pads.n != 2 * n)
        return fault_set(fault, "%zu pads for %zu axes", pads.n, n);
    for (size_t i = 0; i < n; i++) {
        int64_t axis = axes.is_given ? axes.values[i] : (int64_t)i;
        axis += axis < 0 ? x->rank : 0;
        before[axis] = pads.values[i];
        behind[axis] = pads.values[n + i];
        if (before[axis] != clamp(before[axis], -OPERATOR_MAX_NUMBER, OPERATOR_MAX_NUMBER) ||
            behind[axis] != clamp(behind[axis], -OPERATOR_MAX_NUMBER, OPERATOR_MAX_NUMBER))
            return fault_set(fault, "axis %lld is padded by more than there can be",
                             (long long)axis);
    }
    return true;
}

static bool fill_padding(const operation *operation, array *out, fault *fault)
{
    array *padding = operator_input(operation, 2);
    float number = graph_attribute_float(operation->node, "value", 0);
    int64_t integer = operator_truncated(number);
    if (padding && padding->type != out->type)
        return fault_set(fault, "is to pad by a value of another type");
    if (padding && !(out->type == ARRAY_FLOAT ? operator_float(padding, &number, fault)
                                              : operator_integer(padding, &integer, fault)))
        return false;
    const void *value = out->type == ARRAY_FLOAT ? (const void *)&number : &integer;
    operator_fill(operator_writable(out), value, out->count, operator_size(out));
    return true;
}

static bool run_pad(operation *operation, fault *fault)
{
    int64_t before[ARRAY_MAX_RANK] = {0}, behind[ARRAY_MAX_RANK] = {0};
    if (!operator_check(operation, "xIXI", 1, fault) ||
        !read_pads(operation, before, behind, fault))
        return false;
    if (graph_attribute_find(operation->node, "mode") &&
        !graph_attribute_is(operation->node, "mode", "constant"))
        return fault_set(fault, "mode is not constant");
    array *x = operation->inputs[0];
    int64_t dims[ARRAY_MAX_RANK], kept[ARRAY_MAX_RANK];
    int64_t to_strides[ARRAY_MAX_RANK], strides[ARRAY_MAX_RANK], to = 0, from = 0, n_kept = 1;
    for (uint32_t i = 0; i < x->rank; i++) {
        dims[i] = before[i] + x->dims[i] + behind[i];
        kept[i] = x->dims[i] + (before[i] < 0 ? before[i] : 0) + (behind[i] < 0 ? behind[i] : 0);
        kept[i] = kept[i] < 0 ? 0 : kept[i];
        n_kept = kept[i] == 0 ? 0 : n_kept;
    }
    bool is_hollow = operator_any_hollow(operation);
    array *out = operator_make(operation, 0, x->type, x->rank, dims, is_hollow, fault);
    if (!out || is_hollow)
        return out;
    const char *elements = operator_elements(x, fault);
    if (!elements || !fill_padding(operation, out, fault))
        return false;
    if (n_kept == 0)
        return true;
    operator_contiguous(x->rank, dims, to_strides);
    operator_contiguous(x->rank, x->dims, strides);
    for (uint32_t i = 0; i < x->rank; i++) {
        to += before[i] > 0 ? before[i] * to_strides[i] : 0;
        from += before[i] < 0 ? -before[i] * strides[i] : 0;
    }
    int64_t size = (int64_t)operator_size(x);
    operator_copy((char *)operator_writable(out) + to * size, to_strides, elements + from * size,
                  strides, x->rank, kept, operator_size(x));
    return true;
}

/* --------------------------------------------------------------------------- gather and scatter --
 */

/* Element i of x to element k of out, without widening all of a constant that nobody asked for. */
static void take(array *out, int64_t k, const array *x, int64_t i, int64_t n)
{
    if (x->floats)
        memcpy(out->floats + k, x->floats + i, (size_t)n * sizeof *x->floats);
    else if (x->integers)
        memcpy(out->integers + k, x->integers + i, (size_t)n * sizeof *x->integers);
    else if (x->type == ARRAY_FLOAT)
        for (int64_t j = 0; j < n; j++)
            out->floats[k + j] = onnx_float(x->stored, (uint64_t)(i + j));
    else
        for (int64_t j = 0; j < n; j++) {
            int64_t value = onnx_integer(x->stored, (uint64_t)(i + j));
            bool is_bool = x->stored->type == ONNX__TENSOR_PROTO__DATA_TYPE__BOOL;
            out->integers[k + j] = is_bool ? value != 0 : value;
        }
}

static bool gather_rows(array *out, const array *x, array *indices, uint32_t axis, fault *fault)
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
            if (n > 0)
                take(out, to, x, (outer * dim + index) * n, n);
        }
    return true;
}

static bool run_gather(operation *operation, fault *fault)
{
    uint32_t axis = 0;
    if (!operator_check(operation, "xi", 1, fault) ||
        !operator_axis(graph_attribute_int(operation->node, "axis", 0), operation->inputs[0]->rank,
                       &axis, fault))
        return false;
    array *x = operation->inputs[0], *indices = operation->inputs[1];
    if (x->rank - 1 + indices->rank > ARRAY_MAX_RANK)
        return fault_set(fault, "gathers shape %s from %s: too many dimensions",
                         SHAPE_TEXT(indices), SHAPE_TEXT(x));
    int64_t dims[ARRAY_MAX_RANK];
    memcpy(dims, x->dims, axis * sizeof *dims);
    memcpy(dims + axis, indices->dims, indices->rank * sizeof *dims);
    memcpy(dims + axis + indices->rank, x->dims + axis + 1, (x->rank - axis - 1) * sizeof *dims);
    bool is_hollow = operator_any_hollow(operation);
    array *out =
        operator_make(operation, 0, x->type, x->rank - 1 + indices->rank, dims, is_hollow, fault);
    return out && (is_hollow || gather_rows(out, x, indices, axis, fault));
}

/* Whether indices have the rank of x and stay within it, but for the axis that they index. */
static bool check_element_indices(const array *x, const array *indices, uint32_t axis, fault *fault)
{
    bool fits = x->rank == indices->rank;
    for (uint32_t i = 0; fits && i < x->rank; i++)
        fits = i == axis || indices->dims[i] <= x->dims[i];
    return fits || fault_set(fault, "indices of shape %s do not fit %s", SHAPE_TEXT(indices),
                             SHAPE_TEXT(x));
}

/* Walks through indices and what x has at their place but on index 0 of the axis. */
static walk walk_elements(const array *x, const array *indices, uint32_t axis)
{
    walk walk = {.rank = x->rank, .n_arrays = 2};
    memcpy(walk.dims, indices->dims, sizeof indices->dims);
    operator_contiguous(x->rank, indices->dims, walk.strides[0]);
    operator_contiguous(x->rank, x->dims, walk.strides[1]);
    walk.strides[1][axis] = 0;
    return walk;
}

static void copy_element(void *to, int64_t k, const void *from, int64_t i, size_t size)
{
    memcpy((char *)to + k * (int64_t)size, (const char *)from + i * (int64_t)size, size);
}

/* Elements between x and what has the shape of the indices. */
static bool move_elements(array *x, array *indices, uint32_t axis, void *to, const void *from,
                          bool is_scatter, fault *fault)
{
    const int64_t *at = array_integers(indices, fault);
    int64_t stride = operator_product(x->rank - axis - 1, x->dims + axis + 1);
    walk walk = walk_elements(x, indices, axis);
    if (!at)
        return false;
    for (bool more = walk_start(&walk); more; more = walk_next(&walk))
        for (int64_t i = 0; i < walk.n; i++) {
            int64_t k = walk.offsets[0] + i * walk.steps[0], index = at[k];
            if (!operator_index(&index, x->dims[axis], fault))
                return false;
            int64_t place = walk.offsets[1] + i * walk.steps[1] + index * stride;
            copy_element(to, is_scatter ? place : k, from, is_scatter ? k : place,
                         operator_size(x));
        }
    return true;
}

static bool run_gather_elements(operation *operation, fault *fault)
{
    uint32_t axis = 0;
    if (!operator_check(operation, "xi", 1, fault) ||
        !operator_axis(graph_attribute_int(operation->node, "axis", 0), operation->inputs[0]->rank,
                       &axis, fault) ||
        !check_element_indices(operation->inputs[0], operation->inputs[1], axis, fault))
        return false;
    array *x = operation->inputs[0], *indices = operation->inputs[1];
    bool is_hollow = operator_any_hollow(operation);
    array *out = operator_make(operation, 0, x->type, x->rank, indices->dims, is_hollow, fault);
    if (!out || is_hollow)
        return out;
    const void *elements = operator_elements(x, fault);
    return elements &&
           move_elements(x, indices, axis, operator_writable(out), elements, false, fault);
}

static bool check_reduction(const operation *operation, fault *fault)
{
    return !graph_attribute_find(operation->node, "reduction") ||
           graph_attribute_is(operation->node, "reduction", "none") ||
           fault_set(fault, "a reduction other than none");
}

/* The first output, which starts as the first input; hollow if an input is. */
static array *make_copy(operation *operation, fault *fault)
{
    array *x = operation->inputs[0];
    bool is_hollow = operator_any_hollow(operation);
    array *out = operator_make(operation, 0, x->type, x->rank, x->dims, is_hollow, fault);
    if (out && !is_hollow && !copy_in(out, 0, x, fault))
        return NULL;
    return out;
}

static bool run_scatter_elements(operation *operation, fault *fault)
{
    uint32_t axis = 0;
    if (!operator_check(operation, "xix", 1, fault) || !check_reduction(operation, fault) ||
        !operator_axis(graph_attribute_int(operation->node, "axis", 0), operation->inputs[0]->rank,
                       &axis, fault) ||
        !check_element_indices(operation->inputs[0], operation->inputs[1], axis, fault))
        return false;
    array *x = operation->inputs[0], *indices = operation->inputs[1];
    array *updates = operation->inputs[2];
    if (updates->type != x->type || !operator_is_same_shape(indices, updates))
        return fault_set(fault, "updates of shape %s for indices of %s", SHAPE_TEXT(updates),
                         SHAPE_TEXT(indices));
    array *out = make_copy(operation, fault);
    if (!out || out->is_hollow)
        return out;
    const void *elements = operator_elements(updates, fault);
    return elements &&
           move_elements(x, indices, axis, operator_writable(out), elements, true, fault);
}

/* Indices as tuples, which are its last dimension: each names a slice of x by the dimensions from
 * `first` on. */
typedef struct tuples {
    const int64_t *values;
    int64_t n, length;
    int64_t slice; /* elements of a slice */
} tuples;

/* Where tuple i has its slice, behind the dimensions before `first`. */
static bool find_slice(const tuples *tuples, int64_t i, const array *x, uint32_t first,
                       int64_t *place, fault *fault)
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

/* All but the elements of the indices, which may be hollow. */
static bool read_tuples(const array *x, const array *indices, uint32_t first, tuples *tuples,
                        fault *fault)
{
    if (indices->rank == 0)
        return fault_set(fault, "indices are a single number");
    tuples->length = indices->dims[indices->rank - 1];
    if (tuples->length < 1 || tuples->length > (int64_t)x->rank - first)
        return fault_set(fault, "indices of shape %s into %s", SHAPE_TEXT(indices), SHAPE_TEXT(x));
    tuples->n = indices->count / tuples->length;
    uint32_t behind = first + (uint32_t)tuples->length;
    tuples->slice = operator_product(x->rank - behind, x->dims + behind);
    return true;
}

/* Dimensions of all slices together; false if there are too many. */
static bool slice_dims(const array *x, const array *indices, uint32_t first, const tuples *tuples,
                       uint32_t *rank, int64_t *dims, fault *fault)
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

static bool check_batch(const array *x, const array *indices, int64_t n_batch, fault *fault)
{
    bool fits = n_batch >= 0 && n_batch < x->rank && n_batch < indices->rank;
    for (int64_t i = 0; fits && i < n_batch; i++)
        fits = x->dims[i] == indices->dims[i];
    return fits || fault_set(fault, "%lld dimensions of %s and %s are no batch", (long long)n_batch,
                             SHAPE_TEXT(x), SHAPE_TEXT(indices));
}

static bool run_gather_nd(operation *operation, fault *fault)
{
    if (!operator_check(operation, "xi", 1, fault))
        return false;
    array *x = operation->inputs[0], *indices = operation->inputs[1];
    int64_t n_batch = graph_attribute_int(operation->node, "batch_dims", 0);
    tuples tuples = {NULL, 0, 0, 0};
    uint32_t rank = 0;
    int64_t dims[ARRAY_MAX_RANK], place = 0;
    if (!check_batch(x, indices, n_batch, fault) ||
        !read_tuples(x, indices, (uint32_t)n_batch, &tuples, fault) ||
        !slice_dims(x, indices, (uint32_t)n_batch, &tuples, &rank, dims, fault))
        return false;
    bool is_hollow = operator_any_hollow(operation);
    array *out = operator_make(operation, 0, x->type, rank, dims, is_hollow, fault);
    if (!out || is_hollow || out->count == 0)
        return out;
    tuples.values = array_integers(indices, fault);
    if (!tuples.values)
        return false;
    int64_t n_batches = operator_product((uint32_t)n_batch, x->dims), each = x->count / n_batches;
    for (int64_t i = 0; i < tuples.n; i++) {
        if (!find_slice(&tuples, i, x, (uint32_t)n_batch, &place, fault))
            return false;
        take(out, i * tuples.slice, x, i / (tuples.n / n_batches) * each + place, tuples.slice);
    }
    return true;
}

static bool run_scatter_nd(operation *operation, fault *fault)
{
    if (!operator_check(operation, "xix", 1, fault) || !check_reduction(operation, fault))
        return false;
    array *x = operation->inputs[0], *indices = operation->inputs[1];
    array *updates = operation->inputs[2];
    tuples tuples = {NULL, 0, 0, 0};
    uint32_t rank = 0;
    int64_t dims[ARRAY_MAX_RANK], place = 0;
    if (!read_tuples(x, indices, 0, &tuples, fault) ||
        !slice_dims(x, indices, 0, &tuples, &rank, dims, fault))
        return false;
    if (updates->type != x->type || updates->rank != rank ||
        memcmp(updates->dims, dims, rank * sizeof *dims) != 0)
        return fault_set(fault, "updates of shape %s, expected %s", SHAPE_TEXT(updates),
                         operator_shape_text(rank, dims).text);
    array *out = make_copy(operation, fault);
    if (!out || out->is_hollow)
        return out;
    tuples.values = array_integers(indices, fault);
    if (!tuples.values)
        return false;
    for (int64_t i = 0; i < tuples.n; i++) {
        if (!find_slice(&tuples, i, x, 0, &place, fault))
            return false;
        if (tuples.slice > 0)
            take(out, place, updates, i * tuples.slice, tuples.slice);
    }
    return true;
}

/* -------------------------------------------------------------------------------------- fills --
 */

/* Made of numbers: not one of the inputs may be hollow. */
static int64_t range_length(array *const *inputs, fault *fault)
{
    int64_t ends[3];
    float borders[3];
    for (int i = 0; i < 3; i++)
        if (!(inputs[0]->type == ARRAY_FLOAT ? operator_float(inputs[i], &borders[i], fault)
                                             : operator_integer(inputs[i], &ends[i], fault)))
            return -1;
    double length = 0;
    if (inputs[0]->type == ARRAY_FLOAT) {
        length = borders[2] == 0 ? NAN : ceil(((double)borders[1] - borders[0]) / borders[2]);
    } else if (ends[2] == 0) {
        length = NAN;
    } else if (ends[2] > 0 ? ends[1] > ends[0] : ends[1] < ends[0]) {
        uint64_t span = (uint64_t)ends[1] - (uint64_t)ends[0], step = (uint64_t)ends[2];
        span = ends[2] > 0 ? span : 0 - span;
        step = ends[2] > 0 ? step : 0 - step;
        length = (double)(span / step + (span % step != 0));
    }
    if (!(length <= (double)OPERATOR_MAX_NUMBER)) {
        fault_set(fault, "steps never get there, or are too many");
        return -1;
    }
    return length > 0 ? (int64_t)length : 0;
}

static bool run_range(operation *operation, fault *fault)
{
    if (!operator_check(operation, "xxx", 1, fault))
        return false;
    array **inputs = operation->inputs;
    int64_t n = range_length(inputs, fault);
    if (n < 0)
        return false;
    array *out = operator_make(operation, 0, inputs[0]->type, 1, &n, false, fault);
    for (int64_t i = 0; out && i < n; i++)
        if (out->type == ARRAY_FLOAT)
            out->floats[i] = inputs[0]->floats[0] + (float)i * inputs[2]->floats[0];
        else
            out->integers[i] = (int64_t)((uint64_t)inputs[0]->integers[0] +
                                         (uint64_t)i * (uint64_t)inputs[2]->integers[0]);
    return out;
}

static bool run_constant_of_shape(operation *operation, fault *fault)
{
    numbers shape;
    uint32_t rank = 0;
    int64_t dims[ARRAY_MAX_RANK];
    if (!operator_check(operation, "i", 1, fault) ||
        !operator_numbers(operation, 0, "shape", &shape, fault) ||
        !operator_dims(&shape, &rank, dims, fault))
        return false;
    const graph_attribute *given = graph_attribute_find(operation->node, "value");
    array *value = given && given->value ? given->value->constant : NULL;
    if (given && (!value || value->count != 1))
        return fault_set(fault, "value is no single number");
    array *out =
        operator_make(operation, 0, value ? value->type : ARRAY_FLOAT, rank, dims, false, fault);
    if (!out || !value)
        return out;
    const void *element = operator_elements(value, fault);
    if (element)
        operator_fill(operator_writable(out), element, out->count, operator_size(out));
    return element;
}

static bool give_constant(operation *operation, const graph_attribute *value, fault *fault)
{
    bool is_float = strncmp(value->name, "value_float", 11) == 0;
    bool is_list = value->name[strlen(value->name) - 1] == 's';
    int64_t n = is_list ? (int64_t)(is_float ? value->n_floats : value->n_ints) : 1;
    const void *numbers = is_float ? (const void *)(is_list ? value->floats : &value->f)
                                   : (const void *)(is_list ? value->ints : &value->i);
    array *out = operator_make(operation, 0, is_float ? ARRAY_FLOAT : ARRAY_INTEGER, is_list, &n,
                               false, fault);
    if (out && n > 0)
        memcpy(operator_writable(out), numbers, (size_t)n * operator_size(out));
    return out;
}

static bool run_constant(operation *operation, fault *fault)
{
    static const char *const names[] = {"value_int", "value_ints", "value_float", "value_floats"};
    if (!operator_check(operation, "", 1, fault))
        return false;
    const graph_attribute *value = graph_attribute_find(operation->node, "value");
    if (value && value->value && value->value->constant)
        return operator_give(operation, 0, array_share(value->value->constant));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if ((value = graph_attribute_find(operation->node, names[i])))
            return give_constant(operation, value, fault);
    return fault_set(fault, "has no value of a kind that is supported");
}

static bool run_eye_like(operation *operation, fault *fault)
{
    if (!operator_check(operation, "x", 1, fault))
        return false;
    const array *x = operation->inputs[0];
    array_type type = x->type;
    const graph_attribute *data_type = graph_attribute_find(operation->node, "dtype");
    int64_t k = graph_attribute_int(operation->node, "k", 0);
    if (x->rank != 2)
        return fault_set(fault, "an input of shape %s, expected a matrix", SHAPE_TEXT(x));
    if (data_type && !operator_type(data_type->i, &type, fault))
        return false;
    array *out = operator_make(operation, 0, type, 2, x->dims, false, fault);
    for (int64_t i = 0; out && i < x->dims[0]; i++) {
        if (k < -i || k >= x->dims[1] - i)
            continue;
        if (type == ARRAY_FLOAT)
            out->floats[i * x->dims[1] + i + k] = 1;
        else
            out->integers[i * x->dims[1] + i + k] = 1;
    }
    return out;
}

/* ------------------------------------------------------------------------------------- others --
 */

static bool run_trilu(operation *operation, fault *fault)
{
    if (!operator_check(operation, "xI", 1, fault))
        return false;
    array *x = operation->inputs[0], *diagonal = operator_input(operation, 1);
    bool is_upper = graph_attribute_int(operation->node, "upper", 1) != 0;
    int64_t k = 0;
    if (x->rank < 2)
        return fault_set(fault, "an input of shape %s, expected matrices", SHAPE_TEXT(x));
    array *out = make_copy(operation, fault);
    if (!out || out->is_hollow)
        return out;
    if (diagonal && !operator_integer(diagonal, &k, fault))
        return false;
    int64_t n_columns = x->dims[x->rank - 1], n_rows = x->dims[x->rank - 2];
    size_t size = operator_size(out);
    for (int64_t i = 0; i < out->count; i++) {
        int64_t column = i % n_columns, row = i / n_columns % n_rows;
        if (is_upper ? column - row < k : column - row > k)
            memset((char *)operator_writable(out) + i * (int64_t)size, 0, size);
    }
    return true;
}

/* One line of n elements, `stride` apart. */
static void sum_line(array *out, const void *from, int64_t start, int64_t stride, int64_t n,
                     bool is_exclusive, bool is_reverse)
{
    double sum = 0;
    uint64_t integer_sum = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = start + (is_reverse ? n - 1 - i : i) * stride;
        double before = sum;
        uint64_t integer_before = integer_sum;
        if (out->type == ARRAY_FLOAT) {
            sum += ((const float *)from)[at];
            out->floats[at] = (float)(is_exclusive ? before : sum);
        } else {
            integer_sum += (uint64_t)((const int64_t *)from)[at];
            out->integers[at] = (int64_t)(is_exclusive ? integer_before : integer_sum);
        }
    }
}

static bool run_cumulative_sum(operation *operation, fault *fault)
{
    if (!operator_check(operation, "xi", 1, fault))
        return false;
    array *x = operation->inputs[0];
    int64_t along = 0;
    uint32_t axis = 0;
    bool is_hollow = operator_any_hollow(operation);
    array *out = operator_make(operation, 0, x->type, x->rank, x->dims, is_hollow, fault);
    if (!out || is_hollow)
        return out;
    const void *elements = operator_elements(x, fault);
    if (!elements || !operator_integer(operation->inputs[1], &along, fault) ||
        !operator_axis(along, x->rank, &axis, fault))
        return false;
    int64_t stride = operator_product(x->rank - axis - 1, x->dims + axis + 1);
    int64_t n = x->dims[axis], n_outer = operator_product(axis, x->dims);
    bool is_exclusive = graph_attribute_int(operation->node, "exclusive", 0) != 0;
    bool is_reverse = graph_attribute_int(operation->node, "reverse", 0) != 0;
    for (int64_t i = 0; i < n_outer * stride; i++)
        sum_line(out, elements, i / stride * stride * n + i % stride, stride, n, is_exclusive,
                 is_reverse);
    return true;
}

static bool fill_one_hot(array *out, array *indices, array *values, uint32_t axis, fault *fault)
{
    const int64_t *at = array_integers(indices, fault);
    const char *off = operator_elements(values, fault);
    if (!at || !off)
        return false;
    size_t size = operator_size(values);
    int64_t depth = out->dims[axis],
            n = operator_product(out->rank - axis - 1, out->dims + axis + 1);
    operator_fill(operator_writable(out), off, out->count, size);
    for (int64_t i = 0; i < indices->count; i++)
        if (at[i] >= -depth && at[i] < depth) {
            int64_t index = at[i] < 0 ? at[i] + depth : at[i];
            copy_element(operator_writable(out), (i / n * depth + index) * n + i % n, off, 1, size);
        }
    return true;
}

static bool run_one_hot(operation *operation, fault *fault)
{
    if (!operator_check(operation, "ixx", 1, fault))
        return false;
    array *indices = operation->inputs[0], *values = operation->inputs[2];
    array *depth = operator_converted(operation->inputs[1], ARRAY_INTEGER, fault);
    int64_t n = 0, dims[ARRAY_MAX_RANK];
    uint32_t axis = 0;
    bool has_depth = depth && operator_integer(depth, &n, fault);
    array_release(depth);
    if (!has_depth || !operator_axis(graph_attribute_int(operation->node, "axis", -1),
                                     indices->rank + 1, &axis, fault))
        return false;
    if (n < 0 || values->rank != 1 || values->count != 2 || indices->rank == ARRAY_MAX_RANK)
        return fault_set(fault, "depth %lld, values of shape %s, indices of %s", (long long)n,
                         SHAPE_TEXT(values), SHAPE_TEXT(indices));
    memcpy(dims, indices->dims, axis * sizeof *dims);
    memcpy(dims + axis + 1, indices->dims + axis, (indices->rank - axis) * sizeof *dims);
    dims[axis] = n;
    bool is_hollow = indices->is_hollow || values->is_hollow;
    array *out =
        operator_make(operation, 0, values->type, indices->rank + 1, dims, is_hollow, fault);
    return out && (is_hollow || fill_one_hot(out, indices, values, axis, fault));
}

static bool is_zero(const array *x, const void *elements, int64_t i)
{
    return x->type == ARRAY_FLOAT ? ((const float *)elements)[i] == 0
                                  : ((const int64_t *)elements)[i] == 0;
}

static bool run_non_zero(operation *operation, fault *fault)
{
    if (!operator_check(operation, "x", 1, fault))
        return false;
    array *x = operation->inputs[0];
    if (x->is_hollow)
        return fault_set(fault, "the output's shape depends on the input, which is not known");
    const void *elements = operator_elements(x, fault);
    if (!elements)
        return false;
    uint32_t rank = x->rank ? x->rank : 1; /* a single number counts as a list of one */
    int64_t dims[2] = {rank, 0}, found = 0;
    for (int64_t i = 0; i < x->count; i++)
        dims[1] += !is_zero(x, elements, i);
    array *out = operator_make(operation, 0, ARRAY_INTEGER, 2, dims, false, fault);
    for (int64_t i = 0; out && i < x->count; i++) {
        if (is_zero(x, elements, i))
            continue;
        int64_t place = i;
        for (uint32_t k = x->rank; k-- > 0; place /= x->dims[k])
            out->integers[k * dims[1] + found] = place % x->dims[k];
        found++;
    }
    return out;
}

const operator_kind operators_shape[] = {
    {"Concat", 1, run_concat},
    {"Constant", 0, run_constant},
    {"ConstantOfShape", 1, run_constant_of_shape},
    {"CumSum", 2, run_cumulative_sum},
    {"Expand", 2, run_expand},
    {"EyeLike", 1, run_eye_like},
    {"Flatten", 1, run_flatten},
    {"Gather", 2, run_gather},
    {"GatherElements", 2, run_gather_elements},
    {"GatherND", 2, run_gather_nd},
    {"NonZero", 1, run_non_zero},
    {"OneHot", 3, run_one_hot},
    {"Pad", 1, run_pad},
    {"Range", 3, run_range},
    {"Reshape", 1, run_reshape},
    {"Scatter", 3, run_scatter_elements},
    {"ScatterElements", 3, run_scatter_elements},
    {"ScatterND", 3, run_scatter_nd},
    {"Shape", 1, run_shape},
    {"Size", 1, run_size},
    {"Slice", 1, run_slice},
    {"Split", 1, run_split},
    {"Squeeze", 1, run_squeeze},
    {"Tile", 2, run_tile},
    {"Transpose", 1, run_transpose},
    {"Trilu", 1, run_trilu},
    {"Unsqueeze", 1, run_unsqueeze},
    {NULL, 0, NULL},
};

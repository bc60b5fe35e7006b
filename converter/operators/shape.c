/*
 * shape.c - operators about shapes, and those that move elements without computing: most are a copy
 * from one set of strides to another.
 */
#include "operators/internal.h"

#include <string.h>

/* --------------------------------------------------------------------------------- of shapes -- */

static int64_t clamp(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

/* Of a hollow input too. */
static bool run_shape(operator_call *operation, fault_text *fault)
{
    if (!operator_check(operation, "x", 1, fault))
        return false;
    const graph_array *x = operation->inputs[0];
    int64_t rank = x->rank;
    int64_t start = graph_attribute_int(operation->node, "start", 0);
    int64_t end = graph_attribute_int(operation->node, "end", rank);
    start = clamp(start < 0 ? start + rank : start, 0, rank);
    end = clamp(end < 0 ? end + rank : end, start, rank);
    graph_array *out =
        operator_make(operation, 0, ARRAY_INTEGER, 1, &(int64_t){end - start}, false, fault);
    for (int64_t i = start; out && i < end; i++)
        out->integers[i - start] = x->dims[i];
    return out;
}

static bool run_size(operator_call *operation, fault_text *fault)
{
    if (!operator_check(operation, "x", 1, fault))
        return false;
    graph_array *out = operator_make(operation, 0, ARRAY_INTEGER, 0, NULL, false, fault);
    if (out)
        *out->integers = operation->inputs[0]->count;
    return out;
}

/* ------------------------------------------------------------------------------ other shapes -- */

static bool give_reshaped(operator_call *operation, uint32_t rank, const int64_t *dims,
                          fault_text *fault)
{
    return operator_give(operation, 0, array_reshaped(operation->inputs[0], rank, dims, fault));
}

/* Computes the dimension that is given as -1. */
static bool infer_dim(const graph_array *x, uint32_t rank, int64_t *dims, uint32_t open,
                      fault_text *fault)
{
    int64_t known = 1;
    for (uint32_t i = 0; i < rank; i++)
        if (i != open && dims[i] != 0 && known > OPERATOR_MAX_NUMBER / dims[i])
            return fault_set(fault, "shape %s cannot become %s", SHAPE_TEXT(x),
                             operator_shape_text(rank, dims).text);
        else if (i != open)
            known *= dims[i];
    if (known == 0 || x->count % known != 0)
        return fault_set(fault, "shape %s cannot become %s", SHAPE_TEXT(x),
                         operator_shape_text(rank, dims).text);
    dims[open] = x->count / known;
    return true;
}

static bool run_reshape(operator_call *operation, fault_text *fault)
{
    number_list shape;
    if (!operator_check(operation, "xI", 1, fault) ||
        !operator_numbers(operation, 1, "shape", &shape, fault))
        return false;
    const graph_array *x = operation->inputs[0];
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

static bool run_flatten(operator_call *operation, fault_text *fault)
{
    if (!operator_check(operation, "x", 1, fault))
        return false;
    const graph_array *x = operation->inputs[0];
    int64_t axis = graph_attribute_int(operation->node, "axis", 1);
    if (axis < -(int64_t)x->rank || axis > x->rank)
        return fault_set(fault, "there is no axis %lld in %u dimensions", (long long)axis, x->rank);
    uint32_t split = (uint32_t)(axis < 0 ? axis + x->rank : axis);
    int64_t dims[2] = {operator_product(split, x->dims),
                       operator_product(x->rank - split, x->dims + split)};
    return give_reshaped(operation, 2, dims, fault);
}

static bool run_squeeze(operator_call *operation, fault_text *fault)
{
    number_list axes;
    bool is_dropped[ARRAY_MAX_RANK];
    if (!operator_check(operation, "xI", 1, fault) ||
        !operator_numbers(operation, 1, "axes", &axes, fault) ||
        !operator_axes(&axes, operation->inputs[0]->rank, is_dropped, fault))
        return false;
    const graph_array *x = operation->inputs[0];
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

static bool run_unsqueeze(operator_call *operation, fault_text *fault)
{
    number_list axes;
    bool is_new[ARRAY_MAX_RANK];
    if (!operator_check(operation, "xI", 1, fault) ||
        !operator_numbers(operation, 1, "axes", &axes, fault))
        return false;
    const graph_array *x = operation->inputs[0];
    if (!axes.is_given || axes.n > ARRAY_MAX_RANK - x->rank)
        return fault_set(fault, "%zu more dimensions than %u are too many", axes.n, x->rank);
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
static bool copy_out(operator_call *operation, size_t i, graph_array *x, uint32_t rank,
                     const int64_t *dims, int64_t start, const int64_t *strides, fault_text *fault)
{
    graph_array *out = operator_make(operation, i, x->type, rank, dims, x->is_hollow, fault);
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

static bool run_transpose(operator_call *operation, fault_text *fault)
{
    if (!operator_check(operation, "x", 1, fault))
        return false;
    graph_array *x = operation->inputs[0];
    const graph_attribute *order = graph_attribute_find(operation->node, "perm");
    if (order && order->n_ints != x->rank)
        return fault_set(fault, "perm has %zu axes, the input %u", order->n_ints, x->rank);
    bool is_used[ARRAY_MAX_RANK] = {false};
    int64_t strides[ARRAY_MAX_RANK], dims[ARRAY_MAX_RANK], moved[ARRAY_MAX_RANK];
    operator_contiguous(x->rank, x->dims, strides);
    for (uint32_t i = 0; i < x->rank; i++) {
        int64_t from = order ? order->ints[i] : x->rank - 1 - i;
        if (from < 0 || from >= x->rank || is_used[from])
            return fault_set(fault, "perm is not an order of %u axes", x->rank);
        is_used[from] = true;
        dims[i] = x->dims[from];
        moved[i] = strides[from];
    }
    return copy_out(operation, 0, x, x->rank, dims, 0, moved, fault);
}

static bool run_expand(operator_call *operation, fault_text *fault)
{
    number_list shape;
    graph_array wanted = {.rank = 0};
    if (!operator_check(operation, "xi", 1, fault) ||
        !operator_numbers(operation, 1, "shape", &shape, fault) ||
        !operator_dims(&shape, &wanted.rank, wanted.dims, fault))
        return false;
    uint32_t rank;
    graph_array *x = operation->inputs[0], *both[2] = {x, &wanted};
    int64_t dims[ARRAY_MAX_RANK], strides[ARRAY_MAX_RANK];
    return operator_broadcast(both, 2, &rank, dims, fault) &&
           operator_strides(x, rank, dims, strides) &&
           copy_out(operation, 0, x, rank, dims, 0, strides, fault);
}

/* Adds up dimension `axis` of the inputs; all others must agree. */
static bool join_dims(const operator_call *operation, uint32_t axis, int64_t *dims,
                      fault_text *fault)
{
    const graph_array *first = operation->inputs[0];
    memcpy(dims, first->dims, sizeof first->dims);
    for (size_t i = 1; i < operation->n_inputs; i++) {
        const graph_array *x = operation->inputs[i];
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

static bool run_concat(operator_call *operation, fault_text *fault)
{
    uint32_t axis = 0;
    int64_t dims[ARRAY_MAX_RANK], start = 0;
    graph_array *first = operator_input(operation, 0);
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
    graph_array *out =
        operator_make(operation, 0, first->type, first->rank, dims, is_hollow, fault);
    if (!out || is_hollow)
        return out;
    int64_t stride = operator_product(first->rank - axis - 1, first->dims + axis + 1);
    for (size_t i = 0; i < operation->n_inputs; i++) {
        if (!operator_copy_in(out, start, operation->inputs[i], fault))
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

static bool check_split(const operator_call *operation, const number_list *sizes, int64_t dim,
                        fault_text *fault)
{
    size_t n = operation->node->n_outputs;
    int64_t n_parts = graph_attribute_int(operation->node, "num_outputs", (int64_t)n), sum = 0;
    bool is_even = !graph_attribute_find(operation->node, "num_outputs");
    if (n == 0 || n_parts != (int64_t)n || (sizes->is_given && sizes->n != n))
        return fault_set(fault, "splits into %lld and %zu parts, but has %zu outputs",
                         (long long)n_parts, sizes->n, n);
    if (!sizes->is_given && is_even && dim % (int64_t)n != 0)
        return fault_set(fault, "%lld elements cannot be split into %zu parts", (long long)dim, n);
    for (size_t i = 0; i < sizes->n; i++) {
        if (sizes->values[i] < 0 || sizes->values[i] > dim - sum)
            return fault_set(fault, "part %zu of %lld leaves an axis of %lld", i,
                             (long long)sizes->values[i], (long long)dim);
        sum += sizes->values[i];
    }
    if (sizes->is_given && sum != dim)
        return fault_set(fault, "parts of %lld elements do not fill an axis of %lld",
                         (long long)sum, (long long)dim);
    return true;
}

static bool run_split(operator_call *operation, fault_text *fault)
{
    number_list sizes;
    uint32_t axis = 0;
    if (!operator_check(operation, "xI", SIZE_MAX, fault) ||
        !operator_numbers(operation, 1, "split", &sizes, fault) ||
        !operator_axis(graph_attribute_int(operation->node, "axis", 0), operation->inputs[0]->rank,
                       &axis, fault))
        return false;
    graph_array *x = operation->inputs[0];
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

typedef struct slice_view {
    int64_t dims[ARRAY_MAX_RANK], strides[ARRAY_MAX_RANK];
    int64_t start; /* in elements */
} slice_view;

static void slice_axis(slice_view *slice, uint32_t axis, int64_t start, int64_t end, int64_t step)
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

static bool run_slice(operator_call *operation, fault_text *fault)
{
    number_list starts, ends, axes, steps;
    if (!operator_check(operation, "xIIII", 1, fault) ||
        !operator_numbers(operation, 1, "starts", &starts, fault) ||
        !operator_numbers(operation, 2, "ends", &ends, fault) ||
        !operator_numbers(operation, 3, "axes", &axes, fault) ||
        !operator_numbers(operation, 4, "steps", &steps, fault))
        return false;
    graph_array *x = operation->inputs[0];
    if (!starts.is_given || starts.n != ends.n || (axes.is_given && axes.n != starts.n) ||
        (steps.is_given && steps.n != starts.n) || starts.n > x->rank)
        return fault_set(fault, "%zu starts, %zu ends, %zu axes and %zu steps do not fit shape %s",
                         starts.n, ends.n, axes.n, steps.n, SHAPE_TEXT(x));
    bool is_cut[ARRAY_MAX_RANK] = {false};
    slice_view slice = {.start = 0};
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

/* ------------------------------------------------------------------------------ tile and pad -- */

/* As the broadcast of a shape that has a dimension of 1 before each. */
static bool run_tile(operator_call *operation, fault_text *fault)
{
    number_list repeats;
    int64_t counts[ARRAY_MAX_RANK], dims[ARRAY_MAX_RANK], own[ARRAY_MAX_RANK];
    int64_t split[WALK_MAX_RANK], to_strides[WALK_MAX_RANK], strides[WALK_MAX_RANK] = {0};
    uint32_t n = 0;
    if (!operator_check(operation, "xi", 1, fault) ||
        !operator_numbers(operation, 1, "repeats", &repeats, fault) ||
        !operator_dims(&repeats, &n, counts, fault))
        return false;
    graph_array *x = operation->inputs[0];
    if (n != x->rank)
        return fault_set(fault, "%u repeats do not fit shape %s", n, SHAPE_TEXT(x));
    operator_contiguous(n, x->dims, own);
    for (uint32_t i = 0; i < n; i++) {
        dims[i] = counts[i] * x->dims[i];
        split[2 * i] = counts[i];
        split[2 * i + 1] = x->dims[i];
        strides[2 * i + 1] = own[i];
    }
    graph_array *out = operator_make(operation, 0, x->type, n, dims, x->is_hollow, fault);
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
static bool read_pads(const operator_call *operation, int64_t before[ARRAY_MAX_RANK],
                      int64_t behind[ARRAY_MAX_RANK], fault_text *fault)
{
    number_list pads, axes;
    bool is_named[ARRAY_MAX_RANK];
    const graph_array *x = operation->inputs[0];
    if (!operator_numbers(operation, 1, "pads", &pads, fault) ||
        !operator_numbers(operation, 3, "axes", &axes, fault) ||
        !operator_axes(&axes, x->rank, is_named, fault))
        return false;
    size_t n = axes.is_given ? axes.n : x->rank;
    if (pads.n != 2 * n)
        return fault_set(fault, "%zu pads do not fit %zu axes", pads.n, n);
    for (size_t i = 0; i < n; i++) {
        int64_t axis = axes.is_given ? axes.values[i] : (int64_t)i;
        axis += axis < 0 ? x->rank : 0;
        before[axis] = pads.values[i];
        behind[axis] = pads.values[n + i];
        if (before[axis] != clamp(before[axis], -OPERATOR_MAX_NUMBER, OPERATOR_MAX_NUMBER) ||
            behind[axis] != clamp(behind[axis], -OPERATOR_MAX_NUMBER, OPERATOR_MAX_NUMBER))
            return fault_set(fault, "axis %lld is padded to more than an array can have",
                             (long long)axis);
    }
    return true;
}

static bool fill_padding(const operator_call *operation, graph_array *out, fault_text *fault)
{
    graph_array *padding = operator_input(operation, 2);
    float number = graph_attribute_float(operation->node, "value", 0);
    int64_t integer = operator_truncated(number);
    if (padding && padding->type != out->type)
        return fault_set(fault, "pads with a value of another type");
    if (padding && !(out->type == ARRAY_FLOAT ? operator_float(padding, &number, fault)
                                              : operator_integer(padding, &integer, fault)))
        return false;
    const void *value = out->type == ARRAY_FLOAT ? (const void *)&number : &integer;
    operator_fill(operator_writable(out), value, out->count, operator_size(out));
    return true;
}

static bool run_pad(operator_call *operation, fault_text *fault)
{
    int64_t before[ARRAY_MAX_RANK] = {0}, behind[ARRAY_MAX_RANK] = {0};
    if (!operator_check(operation, "xIXI", 1, fault) ||
        !read_pads(operation, before, behind, fault))
        return false;
    if (graph_attribute_find(operation->node, "mode") &&
        !graph_attribute_is(operation->node, "mode", "constant"))
        return fault_set(fault, "mode is not constant");
    graph_array *x = operation->inputs[0];
    int64_t dims[ARRAY_MAX_RANK], kept[ARRAY_MAX_RANK];
    int64_t to_strides[ARRAY_MAX_RANK], strides[ARRAY_MAX_RANK], to = 0, from = 0, n_kept = 1;
    for (uint32_t i = 0; i < x->rank; i++) {
        dims[i] = before[i] + x->dims[i] + behind[i];
        kept[i] = x->dims[i] + (before[i] < 0 ? before[i] : 0) + (behind[i] < 0 ? behind[i] : 0);
        kept[i] = kept[i] < 0 ? 0 : kept[i];
        n_kept = kept[i] == 0 ? 0 : n_kept;
    }
    bool is_hollow = operator_any_hollow(operation);
    graph_array *out = operator_make(operation, 0, x->type, x->rank, dims, is_hollow, fault);
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

const operator_kind operators_shape[] = {
    {"Concat", 1, run_concat},       {"Expand", 2, run_expand},
    {"Flatten", 1, run_flatten},     {"Pad", 1, run_pad},
    {"Reshape", 1, run_reshape},     {"Shape", 1, run_shape},
    {"Size", 1, run_size},           {"Slice", 1, run_slice},
    {"Split", 1, run_split},         {"Squeeze", 1, run_squeeze},
    {"Tile", 2, run_tile},           {"Transpose", 1, run_transpose},
    {"Unsqueeze", 1, run_unsqueeze}, {NULL, 0, NULL},
};

/*
 * fill.c - operators that make elements from a few numbers: ranges, constants, triangles, places.
 */
#include "operators/internal.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------------------------- fills -- */

/* Made from the numbers of the inputs: none of them may be hollow. */
static int64_t range_length(graph_array *const *inputs, fault_text *fault)
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
        fault_set(fault, "the steps never reach the limit, or are too many");
        return -1;
    }
    return length > 0 ? (int64_t)length : 0;
}

static bool run_range(operator_call *operation, fault_text *fault)
{
    if (!operator_check(operation, "xxx", 1, fault))
        return false;
    graph_array **inputs = operation->inputs;
    int64_t n = range_length(inputs, fault);
    if (n < 0)
        return false;
    graph_array *out = operator_make(operation, 0, inputs[0]->type, 1, &n, false, fault);
    for (int64_t i = 0; out && i < n; i++)
        if (out->type == ARRAY_FLOAT)
            out->floats[i] = inputs[0]->floats[0] + (float)i * inputs[2]->floats[0];
        else
            out->integers[i] = (int64_t)((uint64_t)inputs[0]->integers[0] +
                                         (uint64_t)i * (uint64_t)inputs[2]->integers[0]);
    return out;
}

static bool run_constant_of_shape(operator_call *operation, fault_text *fault)
{
    number_list shape;
    uint32_t rank = 0;
    int64_t dims[ARRAY_MAX_RANK];
    if (!operator_check(operation, "i", 1, fault) ||
        !operator_numbers(operation, 0, "shape", &shape, fault) ||
        !operator_dims(&shape, &rank, dims, fault))
        return false;
    const graph_attribute *given = graph_attribute_find(operation->node, "value");
    graph_array *value = given && given->value ? given->value->constant : NULL;
    if (given && (!value || value->count != 1))
        return fault_set(fault, "value is not a single number");
    graph_array *out =
        operator_make(operation, 0, value ? value->type : ARRAY_FLOAT, rank, dims, false, fault);
    if (!out || !value)
        return out;
    const void *element = operator_elements(value, fault);
    if (element)
        operator_fill(operator_writable(out), element, out->count, operator_size(out));
    return element;
}

static bool give_constant(operator_call *operation, const graph_attribute *value, fault_text *fault)
{
    bool is_float = strncmp(value->name, "value_float", 11) == 0;
    bool is_list = value->name[strlen(value->name) - 1] == 's';
    int64_t n = is_list ? (int64_t)(is_float ? value->n_floats : value->n_ints) : 1;
    const void *numbers = is_float ? (const void *)(is_list ? value->floats : &value->f)
                                   : (const void *)(is_list ? value->ints : &value->i);
    graph_array *out = operator_make(operation, 0, is_float ? ARRAY_FLOAT : ARRAY_INTEGER, is_list,
                                     &n, false, fault);
    if (out && n > 0)
        memcpy(operator_writable(out), numbers, (size_t)n * operator_size(out));
    return out;
}

static bool run_constant(operator_call *operation, fault_text *fault)
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
    return fault_set(fault, "has no value of a supported kind");
}

static bool run_eye_like(operator_call *operation, fault_text *fault)
{
    if (!operator_check(operation, "x", 1, fault))
        return false;
    const graph_array *x = operation->inputs[0];
    array_type type = x->type;
    const graph_attribute *data_type = graph_attribute_find(operation->node, "dtype");
    int64_t k = graph_attribute_int(operation->node, "k", 0);
    if (x->rank != 2)
        return fault_set(fault, "an input of shape %s, expected a matrix", SHAPE_TEXT(x));
    if (data_type && !operator_type(data_type->i, &type, fault))
        return false;
    graph_array *out = operator_make(operation, 0, type, 2, x->dims, false, fault);
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

/* ------------------------------------------------------------------------------------ others -- */

static bool run_trilu(operator_call *operation, fault_text *fault)
{
    if (!operator_check(operation, "xI", 1, fault))
        return false;
    graph_array *x = operation->inputs[0], *diagonal = operator_input(operation, 1);
    bool is_upper = graph_attribute_int(operation->node, "upper", 1) != 0;
    int64_t k = 0;
    if (x->rank < 2)
        return fault_set(fault, "an input of shape %s, expected matrices", SHAPE_TEXT(x));
    graph_array *out = operator_make_copy(operation, fault);
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
static void sum_line(graph_array *out, const void *from, int64_t start, int64_t stride, int64_t n,
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

static bool run_cumulative_sum(operator_call *operation, fault_text *fault)
{
    if (!operator_check(operation, "xi", 1, fault))
        return false;
    graph_array *x = operation->inputs[0];
    int64_t along = 0;
    uint32_t axis = 0;
    bool is_hollow = operator_any_hollow(operation);
    graph_array *out = operator_make(operation, 0, x->type, x->rank, x->dims, is_hollow, fault);
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

static bool fill_one_hot(graph_array *out, graph_array *indices, graph_array *values, uint32_t axis,
                         fault_text *fault)
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
            operator_copy_element(operator_writable(out), (i / n * depth + index) * n + i % n, off,
                                  1, size);
        }
    return true;
}

static bool run_one_hot(operator_call *operation, fault_text *fault)
{
    if (!operator_check(operation, "ixx", 1, fault))
        return false;
    graph_array *indices = operation->inputs[0], *values = operation->inputs[2];
    graph_array *depth = operator_converted(operation->inputs[1], ARRAY_INTEGER, fault);
    int64_t n = 0, dims[ARRAY_MAX_RANK];
    uint32_t axis = 0;
    bool has_depth = depth && operator_integer(depth, &n, fault);
    array_release(depth);
    if (!has_depth || !operator_axis(graph_attribute_int(operation->node, "axis", -1),
                                     indices->rank + 1, &axis, fault))
        return false;
    if (n < 0 || values->rank != 1 || values->count != 2 || indices->rank == ARRAY_MAX_RANK)
        return fault_set(fault,
                         "depth %lld, values of shape %s and indices of %s do not fit each other",
                         (long long)n, SHAPE_TEXT(values), SHAPE_TEXT(indices));
    memcpy(dims, indices->dims, axis * sizeof *dims);
    memcpy(dims + axis + 1, indices->dims + axis, (indices->rank - axis) * sizeof *dims);
    dims[axis] = n;
    bool is_hollow = indices->is_hollow || values->is_hollow;
    graph_array *out =
        operator_make(operation, 0, values->type, indices->rank + 1, dims, is_hollow, fault);
    return out && (is_hollow || fill_one_hot(out, indices, values, axis, fault));
}

static bool is_zero(const graph_array *x, const void *elements, int64_t i)
{
    return x->type == ARRAY_FLOAT ? ((const float *)elements)[i] == 0
                                  : ((const int64_t *)elements)[i] == 0;
}

static bool run_non_zero(operator_call *operation, fault_text *fault)
{
    if (!operator_check(operation, "x", 1, fault))
        return false;
    graph_array *x = operation->inputs[0];
    if (x->is_hollow)
        return fault_set(fault, "the output's shape depends on the input, which is not known");
    const void *elements = operator_elements(x, fault);
    if (!elements)
        return false;
    uint32_t rank = x->rank ? x->rank : 1; /* a single number counts as a list of one */
    int64_t dims[2] = {rank, 0}, found = 0;
    for (int64_t i = 0; i < x->count; i++)
        dims[1] += !is_zero(x, elements, i);
    graph_array *out = operator_make(operation, 0, ARRAY_INTEGER, 2, dims, false, fault);
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

const operator_kind operators_fill[] = {
    {"Constant", 0, run_constant},
    {"ConstantOfShape", 1, run_constant_of_shape},
    {"CumSum", 2, run_cumulative_sum},
    {"EyeLike", 1, run_eye_like},
    {"NonZero", 1, run_non_zero},
    {"OneHot", 3, run_one_hot},
    {"Range", 3, run_range},
    {"Trilu", 1, run_trilu},
    {NULL, 0, NULL},
};

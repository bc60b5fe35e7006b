/*
 * operators.c - see operators.h: which operators there are, and what they share.
 *
 * Each is written once and plainly, for two element types. What a file says is checked here before
 * it is used.
 */
#include "operators/internal.h"

#include <stdio.h>
#include <string.h>

static const operator_kind *find_in(const operator_kind *kinds, const char *name)
{
    for (; kinds->name; kinds++)
        if (strcmp(kinds->name, name) == 0)
            return kinds;
    return NULL;
}

const operator_kind *operator_find(const char *domain, const char *name)
{
    static const operator_kind *const standard[] = {operators_elementwise, operators_shape,
                                                    operators_gather,      operators_fill,
                                                    operators_reduce,      operators_product};
    if (strcmp(domain, "bert") == 0)
        return find_in(operators_lowered, name);
    if (*domain)
        return NULL;
    for (size_t i = 0; i < sizeof standard / sizeof *standard; i++) {
        const operator_kind *kind = find_in(standard[i], name);
        if (kind)
            return kind;
    }
    return NULL;
}

/* ------------------------------------------------------------------------ inputs and outputs -- */

graph_array *operator_input(const operator_call *operation, size_t i)
{
    return i < operation->n_inputs ? operation->inputs[i] : NULL;
}

static const char *type_name(array_type type)
{
    return type == ARRAY_FLOAT ? "floats" : "integers";
}

static bool check_type(const graph_array *input, size_t i, char letter, fault_text *fault)
{
    bool is_optional = letter < 'a';
    if (is_optional)
        letter = (char)(letter - 'A' + 'a');
    if (!input)
        return is_optional || fault_set(fault, "has no input %zu", i + 1);
    if (letter != 'x' && (letter == 'f') != (input->type == ARRAY_FLOAT))
        return fault_set(fault, "input %zu holds %s", i + 1, type_name(input->type));
    return true;
}

bool operator_check(const operator_call *operation, const char *types, size_t max_outputs,
                    fault_text *fault)
{
    size_t n = strlen(types);
    for (size_t i = 0; i < n; i++)
        if (!check_type(operator_input(operation, i), i, types[i], fault))
            return false;
    for (size_t i = n; i < operation->n_inputs; i++)
        if (operation->inputs[i])
            return fault_set(fault, "has an input %zu; there are at most %zu", i + 1, n);
    return operator_check_outputs(operation, max_outputs, fault);
}

bool operator_check_outputs(const operator_call *operation, size_t max_outputs, fault_text *fault)
{
    if (operation->node->n_outputs == 0)
        return fault_set(fault, "has no outputs");
    for (size_t i = max_outputs; i < operation->node->n_outputs; i++)
        if (operation->node->outputs[i])
            return fault_set(fault, "output %zu is not supported", i + 1);
    return true;
}

bool operator_any_hollow(const operator_call *operation)
{
    for (size_t i = 0; i < operation->n_inputs; i++)
        if (operation->inputs[i] && operation->inputs[i]->is_hollow)
            return true;
    return false;
}

bool operator_wants(const operator_call *operation, size_t i)
{
    return i < operation->node->n_outputs && operation->node->outputs[i];
}

bool operator_give(operator_call *operation, size_t i, graph_array *array)
{
    operation->outputs[i] = array;
    return array != NULL;
}

graph_array *operator_make(operator_call *operation, size_t i, array_type type, uint32_t rank,
                           const int64_t *dims, bool is_hollow, fault_text *fault)
{
    graph_array *made =
        is_hollow ? array_new_hollow(type, rank, dims, fault) : array_new(type, rank, dims, fault);
    operation->outputs[i] = made;
    return made;
}

const void *operator_elements(graph_array *array, fault_text *fault)
{
    if (array->is_hollow) {
        fault_set(fault, "an input's elements are not known");
        return NULL;
    }
    if (array->type == ARRAY_FLOAT)
        return array_floats(array, fault);
    return array_integers(array, fault);
}

void *operator_writable(graph_array *array)
{
    return array->type == ARRAY_FLOAT ? (void *)array->floats : (void *)array->integers;
}

size_t operator_size(const graph_array *array)
{
    return array->type == ARRAY_FLOAT ? sizeof(float) : sizeof(int64_t);
}

/* NaN, and what is too large, become the least integer, as on x86. */
int64_t operator_truncated(double value)
{
    return value >= -0x1p63 && value < 0x1p63 ? (int64_t)value : INT64_MIN;
}

graph_array *operator_converted(graph_array *source, array_type type, fault_text *fault)
{
    if (source->type == type)
        return array_share(source);
    if (source->is_hollow)
        return array_new_hollow(type, source->rank, source->dims, fault);
    const void *elements = operator_elements(source, fault);
    graph_array *made = elements ? array_new(type, source->rank, source->dims, fault) : NULL;
    for (int64_t i = 0; made && i < made->count; i++)
        if (type == ARRAY_FLOAT)
            made->floats[i] = (float)((const int64_t *)elements)[i];
        else
            made->integers[i] = operator_truncated(((const float *)elements)[i]);
    return made;
}

bool operator_numbers(const operator_call *operation, size_t i, const char *attribute,
                      number_list *numbers, fault_text *fault)
{
    graph_array *input = operator_input(operation, i);
    const graph_attribute *given = graph_attribute_find(operation->node, attribute);
    memset(numbers, 0, sizeof *numbers);
    numbers->is_given = input || given;
    if (!input && given) {
        numbers->values = given->ints;
        numbers->n = given->n_ints;
    }
    if (!input)
        return true;
    if (input->is_hollow)
        return fault_set(fault, "the output's shape depends on input %zu (%s), which is not known",
                         i + 1, attribute);
    if (input->type != ARRAY_INTEGER || input->rank > 1)
        return fault_set(fault, "input %zu (%s) is not a list of integers", i + 1, attribute);
    numbers->values = array_integers(input, fault);
    numbers->n = (size_t)input->count;
    return numbers->values;
}

bool operator_dims(const number_list *numbers, uint32_t *rank, int64_t *dims, fault_text *fault)
{
    if (numbers->n > ARRAY_MAX_RANK)
        return fault_set(fault, "a shape of %zu dimensions", numbers->n);
    *rank = (uint32_t)numbers->n;
    for (size_t i = 0; i < numbers->n; i++) {
        dims[i] = numbers->values[i];
        if (dims[i] < 0 || dims[i] > OPERATOR_MAX_NUMBER)
            return fault_set(fault, "the shape has a dimension of %lld", (long long)dims[i]);
    }
    return true;
}

bool operator_axes(const number_list *numbers, uint32_t rank, bool is_in[ARRAY_MAX_RANK],
                   fault_text *fault)
{
    memset(is_in, 0, ARRAY_MAX_RANK * sizeof *is_in);
    for (size_t i = 0; i < numbers->n; i++) {
        uint32_t axis = 0;
        if (!operator_axis(numbers->values[i], rank, &axis, fault))
            return false;
        if (is_in[axis])
            return fault_set(fault, "axis %u is named twice", axis);
        is_in[axis] = true;
    }
    return true;
}

static const void *only_element(graph_array *array, fault_text *fault)
{
    if (array->is_hollow)
        fault_set(fault, "the output's shape depends on an input that is not known");
    else if (array->count != 1)
        fault_set(fault, "an input of shape %s, expected a single number", SHAPE_TEXT(array));
    else
        return operator_elements(array, fault);
    return NULL;
}

bool operator_integer(graph_array *array, int64_t *value, fault_text *fault)
{
    if (array->type != ARRAY_INTEGER)
        return fault_set(fault, "an input holds floats, expected an integer");
    const int64_t *element = only_element(array, fault);
    if (element)
        *value = *element;
    return element;
}

bool operator_float(graph_array *array, float *value, fault_text *fault)
{
    if (array->type != ARRAY_FLOAT)
        return fault_set(fault, "an input holds integers, expected a float");
    const float *element = only_element(array, fault);
    if (element)
        *value = *element;
    return element;
}

bool operator_axis(int64_t axis, uint32_t rank, uint32_t *index, fault_text *fault)
{
    if (axis < -(int64_t)rank || axis >= (int64_t)rank)
        return fault_set(fault, "there is no axis %lld in %u dimensions", (long long)axis, rank);
    *index = (uint32_t)(axis < 0 ? axis + rank : axis);
    return true;
}

bool operator_index(int64_t *index, int64_t dim, fault_text *fault)
{
    if (*index < -dim || *index >= dim)
        return fault_set(fault, "index %lld is outside a dimension of %lld", (long long)*index,
                         (long long)dim);
    if (*index < 0)
        *index += dim;
    return true;
}

shape_text operator_shape_text(uint32_t rank, const int64_t *dims)
{
    shape_text shape = {"["};
    size_t n = 1;
    for (uint32_t i = 0; i < rank && n < sizeof shape.text - 16; i++)
        n += (size_t)snprintf(shape.text + n, 14, "%s%lld", i ? "," : "", (long long)dims[i]);
    memcpy(shape.text + n, "]", 2);
    return shape;
}

bool operator_type(int64_t data_type, array_type *type, fault_text *fault)
{
    switch (data_type) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16:
    case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
    case ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16:
        *type = ARRAY_FLOAT;
        return true;
    case ONNX__TENSOR_PROTO__DATA_TYPE__BOOL:
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT8:
    case ONNX__TENSOR_PROTO__DATA_TYPE__UINT8:
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT16:
    case ONNX__TENSOR_PROTO__DATA_TYPE__UINT16:
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT32:
    case ONNX__TENSOR_PROTO__DATA_TYPE__UINT32:
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT64:
    case ONNX__TENSOR_PROTO__DATA_TYPE__UINT64:
        *type = ARRAY_INTEGER;
        return true;
    default:
        return fault_set(fault, "data type %lld is not supported", (long long)data_type);
    }
}

/* ---------------------------------------------------------------------------------- striding -- */

int64_t operator_product(uint32_t rank, const int64_t *dims)
{
    int64_t product = 1;
    for (uint32_t i = 0; i < rank; i++)
        product *= dims[i];
    return product;
}

void operator_contiguous(uint32_t rank, const int64_t *dims, int64_t *strides)
{
    int64_t stride = 1;
    for (uint32_t i = rank; i-- > 0;) {
        strides[i] = stride;
        stride *= dims[i];
    }
}

bool operator_broadcast(graph_array *const *arrays, size_t n_arrays, uint32_t *rank, int64_t *dims,
                        fault_text *fault)
{
    *rank = 0;
    for (size_t a = 0; a < n_arrays; a++)
        *rank = arrays[a]->rank > *rank ? arrays[a]->rank : *rank;
    for (uint32_t i = 0; i < *rank; i++)
        dims[i] = 1;
    for (size_t a = 0; a < n_arrays; a++) {
        int64_t *at = dims + (*rank - arrays[a]->rank);
        for (uint32_t i = 0; i < arrays[a]->rank; i++) {
            int64_t dim = arrays[a]->dims[i];
            if (at[i] != 1 && dim != 1 && at[i] != dim)
                return fault_set(fault, "input %zu of shape %s does not fit the others, %s", a + 1,
                                 SHAPE_TEXT(arrays[a]), operator_shape_text(*rank, dims).text);
            if (dim != 1)
                at[i] = dim;
        }
    }
    return true;
}

bool operator_strides(const graph_array *array, uint32_t rank, const int64_t *dims,
                      int64_t *strides)
{
    if (array->rank > rank)
        return false;
    uint32_t n_new = rank - array->rank;
    memset(strides, 0, rank * sizeof *strides);
    operator_contiguous(array->rank, array->dims, strides + n_new);
    for (uint32_t i = 0; i < array->rank; i++) {
        if (array->dims[i] != 1 && array->dims[i] != dims[n_new + i])
            return false;
        if (array->dims[i] == 1)
            strides[n_new + i] = 0;
    }
    return true;
}

/* Whether a step along `outer` is dims[inner] steps along `inner`, in every array. */
static bool is_one_run(const strided_walk *walk, uint32_t outer, uint32_t inner)
{
    for (size_t a = 0; a < walk->n_arrays; a++)
        if (walk->strides[a][outer] != walk->strides[a][inner] * walk->dims[inner])
            return false;
    return true;
}

/* Joins dimensions that are contiguous in every array, and drops those of 1. */
static void merge_dims(strided_walk *walk)
{
    uint32_t rank = 0;
    for (uint32_t i = 0; i < walk->rank; i++) {
        if (walk->dims[i] == 1)
            continue;
        bool joins = rank > 0 && is_one_run(walk, rank - 1, i);
        uint32_t to = joins ? rank - 1 : rank++;
        walk->dims[to] = joins ? walk->dims[to] * walk->dims[i] : walk->dims[i];
        for (size_t a = 0; a < walk->n_arrays; a++)
            walk->strides[a][to] = walk->strides[a][i];
    }
    walk->rank = rank;
}

bool walk_start(strided_walk *walk)
{
    for (uint32_t i = 0; i < walk->rank; i++)
        if (walk->dims[i] == 0)
            return false;
    merge_dims(walk);
    if (walk->rank > 0)
        walk->rank--;
    else
        walk->dims[0] = 1;
    walk->n = walk->dims[walk->rank];
    for (size_t a = 0; a < walk->n_arrays; a++) {
        walk->steps[a] = walk->n == 1 ? 1 : walk->strides[a][walk->rank];
        walk->offsets[a] = 0;
    }
    memset(walk->index, 0, sizeof walk->index);
    return true;
}

bool walk_next(strided_walk *walk)
{
    for (uint32_t i = walk->rank; i-- > 0;) {
        bool has_next = ++walk->index[i] < walk->dims[i];
        for (size_t a = 0; a < walk->n_arrays; a++)
            walk->offsets[a] += walk->strides[a][i] * (has_next ? 1 : 1 - walk->dims[i]);
        if (has_next)
            return true;
        walk->index[i] = 0;
    }
    return false;
}

#define COPY_RUN(type)                                                                             \
    for (int64_t i = 0; i < n; i++)                                                                \
    memcpy((type *)to + i * to_step, (const type *)from + i * from_step, sizeof(type))

static void copy_run(void *to, int64_t to_step, const void *from, int64_t from_step, int64_t n,
                     size_t size)
{
    if (to_step == 1 && from_step == 1)
        memcpy(to, from, (size_t)n * size);
    else if (size == sizeof(float))
        COPY_RUN(float);
    else
        COPY_RUN(int64_t);
}

void operator_copy(void *to, const int64_t *to_strides, const void *from,
                   const int64_t *from_strides, uint32_t rank, const int64_t *dims, size_t size)
{
    strided_walk walk = {.rank = rank, .n_arrays = 2};
    memcpy(walk.dims, dims, rank * sizeof *dims);
    memcpy(walk.strides[0], to_strides, rank * sizeof *dims);
    memcpy(walk.strides[1], from_strides, rank * sizeof *dims);
    for (bool more = walk_start(&walk); more; more = walk_next(&walk))
        copy_run((char *)to + walk.offsets[0] * (int64_t)size, walk.steps[0],
                 (const char *)from + walk.offsets[1] * (int64_t)size, walk.steps[1], walk.n, size);
}

void operator_fill(void *to, const void *value, int64_t n, size_t size)
{
    if (n > 0)
        copy_run(to, 1, value, 0, n, size);
}

void operator_copy_element(void *to, int64_t k, const void *from, int64_t i, size_t size)
{
    memcpy((char *)to + k * (int64_t)size, (const char *)from + i * (int64_t)size, size);
}

bool operator_copy_in(graph_array *out, int64_t start, graph_array *x, fault_text *fault)
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

graph_array *operator_make_copy(operator_call *operation, fault_text *fault)
{
    graph_array *x = operation->inputs[0];
    bool is_hollow = operator_any_hollow(operation);
    graph_array *out = operator_make(operation, 0, x->type, x->rank, x->dims, is_hollow, fault);
    if (out && !is_hollow && !operator_copy_in(out, 0, x, fault))
        return NULL;
    return out;
}

/*
 * elementwise.c - operators that make each element of one element of each input:
 * arithmetic, comparisons, logic, functions, and casts.
 */
#include "operators/internal.h"

#include <math.h>
#include <string.h>

#include "maths/maths.h"

/* ------------------------------------------------------------------------------------ binary -- */

/* Steps are in elements: 0 where an input is broadcast. */
typedef void binary_row(void *out, const void *first, int64_t first_step, const void *second,
                        int64_t second_step, int64_t n);

#define BINARY(name, out_type, type, expression)                                                   \
    static void name(void *out, const void *first, int64_t first_step, const void *second,         \
                     int64_t second_step, int64_t n)                                               \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                          \
            type a = ((const type *)first)[i * first_step];                                        \
            type b = ((const type *)second)[i * second_step];                                      \
            ((out_type *)out)[i] = (expression);                                                   \
        }                                                                                          \
    }
#define FLOATS(name, expression) BINARY(name, float, float, expression)
#define INTEGERS(name, expression) BINARY(name, int64_t, int64_t, expression)
#define FLOATS_COMPARED(name, expression) BINARY(name, int64_t, float, expression)

/* Integers wrap. */
#define WRAP(a, operator, b) ((int64_t)((uint64_t)(a) operator(uint64_t)(b)))

static int64_t divide(int64_t a, int64_t b)
{
    return b == -1 ? WRAP(0, -, a) : a / b;
}

static int64_t remainder_truncated(int64_t a, int64_t b)
{
    return b == -1 ? 0 : a % b;
}

/* With the sign of the divisor. */
static int64_t remainder_floored(int64_t a, int64_t b)
{
    int64_t remainder = remainder_truncated(a, b);
    return remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder;
}

static int64_t power(int64_t base, int64_t exponent)
{
    if (exponent < 0)
        return base == 1 ? 1 : base == -1 ? (exponent & 1 ? -1 : 1) : 0;
    uint64_t result = 1, square = (uint64_t)base;
    for (; exponent; exponent >>= 1, square *= square)
        if (exponent & 1)
            result *= square;
    return (int64_t)result;
}

FLOATS(add_floats, a + b)
INTEGERS(add_integers, WRAP(a, +, b))
FLOATS(subtract_floats, a - b)
INTEGERS(subtract_integers, WRAP(a, -, b))
FLOATS(multiply_floats, a *b)
INTEGERS(multiply_integers, WRAP(a, *, b))
FLOATS(divide_floats, a / b)
INTEGERS(divide_integers, divide(a, b))
FLOATS(power_floats, b == 2 ? a * a : (float)maths_pow(a, b))
INTEGERS(power_integers, power(a, b))
FLOATS(mod_floats, fmodf(a, b))
INTEGERS(mod_floored, remainder_floored(a, b))
INTEGERS(mod_truncated, remainder_truncated(a, b))
/* NaN stays NaN. */
FLOATS(max_floats, a > b || isnan(a) ? a : b)
INTEGERS(max_integers, a > b ? a : b)
FLOATS(min_floats, a < b || isnan(a) ? a : b)
INTEGERS(min_integers, a < b ? a : b)
INTEGERS(and_integers, a &&b)
INTEGERS(or_integers, a || b)
INTEGERS(xor_integers, !a != !b)
FLOATS_COMPARED(equal_floats, a == b)
INTEGERS(equal_integers, a == b)
FLOATS_COMPARED(less_floats, a < b)
INTEGERS(less_integers, a < b)
FLOATS_COMPARED(less_or_equal_floats, a <= b)
INTEGERS(less_or_equal_integers, a <= b)
FLOATS_COMPARED(greater_floats, a > b)
INTEGERS(greater_integers, a > b)
FLOATS_COMPARED(greater_or_equal_floats, a >= b)
INTEGERS(greater_or_equal_integers, a >= b)

typedef struct binary_kind {
    const char *name;
    binary_row *floats, *integers; /* NULL: not of these */
    bool gives_integers;           /* of floats too */
    bool divides;                  /* integers */
} binary_kind;

static const binary_kind binaries[] = {
    {"Add", add_floats, add_integers, false, false},
    {"Sub", subtract_floats, subtract_integers, false, false},
    {"Mul", multiply_floats, multiply_integers, false, false},
    {"Div", divide_floats, divide_integers, false, true},
    {"Pow", power_floats, power_integers, false, false},
    {"Max", max_floats, max_integers, false, false},
    {"Min", min_floats, min_integers, false, false},
    {"Sum", add_floats, add_integers, false, false},
    {"Mean", add_floats, NULL, false, false},
    {"And", NULL, and_integers, true, false},
    {"Or", NULL, or_integers, true, false},
    {"Xor", NULL, xor_integers, true, false},
    {"Equal", equal_floats, equal_integers, true, false},
    {"Less", less_floats, less_integers, true, false},
    {"LessOrEqual", less_or_equal_floats, less_or_equal_integers, true, false},
    {"Greater", greater_floats, greater_integers, true, false},
    {"GreaterOrEqual", greater_or_equal_floats, greater_or_equal_integers, true, false},
};

static const binary_kind *find_binary(const operator_call *operation)
{
    for (size_t i = 0; i < sizeof binaries / sizeof *binaries; i++)
        if (strcmp(binaries[i].name, operation->node->op) == 0)
            return &binaries[i];
    return NULL;
}

static bool check_divisors(graph_array *divisors, fault_text *fault)
{
    const int64_t *elements = array_integers(divisors, fault);
    for (int64_t i = 0; elements && i < divisors->count; i++)
        if (elements[i] == 0)
            return fault_set(fault, "division of integers by zero");
    return elements;
}

static bool fill_binary(const binary_kind *binary, graph_array *out, graph_array *first,
                        graph_array *second, fault_text *fault)
{
    const void *a = operator_elements(first, fault), *b = operator_elements(second, fault);
    if (!a || !b)
        return false;
    bool is_float = first->type == ARRAY_FLOAT;
    if (binary->divides && !is_float && !check_divisors(second, fault))
        return false;
    binary_row *row = is_float ? binary->floats : binary->integers;
    int64_t size = (int64_t)operator_size(first), out_size = (int64_t)operator_size(out);
    strided_walk walk = {.rank = out->rank, .n_arrays = 3};
    memcpy(walk.dims, out->dims, sizeof out->dims);
    operator_contiguous(out->rank, out->dims, walk.strides[0]);
    operator_strides(first, out->rank, out->dims, walk.strides[1]);
    operator_strides(second, out->rank, out->dims, walk.strides[2]);
    char *results = operator_writable(out);
    for (bool more = walk_start(&walk); more; more = walk_next(&walk))
        row(results + walk.offsets[0] * out_size, (const char *)a + walk.offsets[1] * size,
            walk.steps[1], (const char *)b + walk.offsets[2] * size, walk.steps[2], walk.n);
    return true;
}

/* A new array, or NULL with a fault. */
static graph_array *combine(const binary_kind *binary, graph_array *first, graph_array *second,
                            fault_text *fault)
{
    graph_array *pair[2] = {first, second};
    uint32_t rank;
    int64_t dims[ARRAY_MAX_RANK];
    if (first->type != second->type) {
        fault_set(fault, "one input holds floats, the other integers");
        return NULL;
    }
    if (first->type == ARRAY_FLOAT ? !binary->floats : !binary->integers) {
        fault_set(fault, "is not defined for %s",
                  first->type == ARRAY_FLOAT ? "floats" : "integers");
        return NULL;
    }
    if (!operator_broadcast(pair, 2, &rank, dims, fault))
        return NULL;
    array_type type = binary->gives_integers ? ARRAY_INTEGER : first->type;
    if (first->is_hollow || second->is_hollow)
        return array_new_hollow(type, rank, dims, fault);
    graph_array *out = array_new(type, rank, dims, fault);
    if (out && !fill_binary(binary, out, first, second, fault)) {
        array_release(out);
        return NULL;
    }
    return out;
}

static bool run_binary(operator_call *operation, fault_text *fault)
{
    if (!operator_check(operation, "xx", 1, fault))
        return false;
    graph_array *out =
        combine(find_binary(operation), operation->inputs[0], operation->inputs[1], fault);
    return operator_give(operation, 0, out);
}

static bool run_mod(operator_call *operation, fault_text *fault)
{
    static const binary_kind floored = {"Mod", NULL, mod_floored, false, true};
    static const binary_kind truncated = {"Mod", mod_floats, mod_truncated, false, true};
    bool is_truncated = graph_attribute_int(operation->node, "fmod", 0) != 0;
    if (!operator_check(operation, "xx", 1, fault))
        return false;
    graph_array *out = combine(is_truncated ? &truncated : &floored, operation->inputs[0],
                               operation->inputs[1], fault);
    return operator_give(operation, 0, out);
}

/* The output has the type of the base. */
static bool run_pow(operator_call *operation, fault_text *fault)
{
    if (!operator_check(operation, "xx", 1, fault))
        return false;
    graph_array *base = operation->inputs[0], *exponent = operation->inputs[1];
    if (base->type == exponent->type)
        return run_binary(operation, fault);
    graph_array *bases = operator_converted(base, ARRAY_FLOAT, fault);
    graph_array *exponents = operator_converted(exponent, ARRAY_FLOAT, fault);
    graph_array *powers =
        bases && exponents ? combine(find_binary(operation), bases, exponents, fault) : NULL;
    if (powers)
        operator_give(operation, 0, operator_converted(powers, base->type, fault));
    array_release(bases);
    array_release(exponents);
    array_release(powers);
    return operation->outputs[0];
}

/* Max, Min, Sum and Mean of any number of inputs: from the first one on. */
static bool run_variadic(operator_call *operation, fault_text *fault)
{
    const binary_kind *binary = find_binary(operation);
    if (!operator_check_outputs(operation, 1, fault))
        return false;
    graph_array *sum = NULL;
    for (size_t i = 0; i < operation->n_inputs; i++) {
        graph_array *input = operation->inputs[i];
        if (!input)
            fault_set(fault, "has no input %zu", i + 1);
        graph_array *next = !input ? NULL
                            : sum  ? combine(binary, sum, input, fault)
                                   : array_share(input);
        array_release(sum);
        sum = next;
        if (!sum)
            return false;
    }
    return operator_give(operation, 0, sum) || fault_set(fault, "has no inputs");
}

static bool run_mean(operator_call *operation, fault_text *fault)
{
    if (!run_variadic(operation, fault))
        return false;
    graph_array *sum = operation->outputs[0];
    if (sum->type != ARRAY_FLOAT)
        return fault_set(fault, "is not defined for integers");
    if (sum->is_hollow || operation->n_inputs == 1)
        return true;
    for (int64_t i = 0; i < sum->count; i++)
        sum->floats[i] /= (float)operation->n_inputs;
    return true;
}

/* ------------------------------------------------------------------------------------- unary -- */

typedef void unary_row(void *out, const void *x, int64_t n);

#define UNARY(name, out_type, type, expression)                                                    \
    static void name(void *out, const void *from, int64_t n)                                       \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                          \
            type x = ((const type *)from)[i];                                                      \
            ((out_type *)out)[i] = (expression);                                                   \
        }                                                                                          \
    }
#define OF_FLOATS(name, expression) UNARY(name, float, float, expression)
#define OF_INTEGERS(name, expression) UNARY(name, int64_t, int64_t, expression)

static float sigmoid(float x)
{
    float e = (float)maths_exp(-fabsf(x));
    return x < 0 ? e / (1 + e) : 1 / (1 + e);
}

static float gelu_tanh(float x)
{
    return 0.5f * x * (1 + (float)maths_tanh(0.7978845608028654f * (x + 0.044715f * x * x * x)));
}

OF_FLOATS(absolute_floats, fabsf(x))
OF_INTEGERS(absolute_integers, x < 0 ? WRAP(0, -, x) : x)
OF_FLOATS(negate_floats, -x)
OF_INTEGERS(negate_integers, WRAP(0, -, x))
OF_FLOATS(sign_floats, x > 0 ? 1 : x < 0 ? -1 : x)
OF_INTEGERS(sign_integers, (x > 0) - (x < 0))
OF_FLOATS(ceil_floats, ceilf(x))
OF_FLOATS(floor_floats, floorf(x))
OF_FLOATS(round_floats, rintf(x)) /* half to even, C's default */
OF_FLOATS(sqrt_floats, sqrtf(x))
OF_FLOATS(exp_floats, (float)maths_exp(x))
OF_FLOATS(log_floats, (float)maths_log(x))
OF_FLOATS(erf_floats, (float)maths_erf(x))
OF_FLOATS(tanh_floats, (float)maths_tanh(x))
OF_FLOATS(sin_floats, (float)maths_sin(x))
OF_FLOATS(cos_floats, (float)maths_cos(x))
OF_FLOATS(sigmoid_floats, sigmoid(x))
OF_FLOATS(relu_floats, x > 0 || isnan(x) ? x : 0)
OF_INTEGERS(relu_integers, x > 0 ? x : 0)
OF_FLOATS(reciprocal_floats, 1 / x)
OF_FLOATS(softplus_floats, (x > 0 ? x : 0) + (float)maths_log1p(maths_exp(-fabsf(x))))
OF_FLOATS(gelu_floats, 0.5f * x * (1 + (float)maths_erf(x * 0.70710678118654752f)))
OF_FLOATS(gelu_tanh_floats, gelu_tanh(x))
OF_INTEGERS(not_integers, !x)
UNARY(is_nan_floats, int64_t, float, isnan(x) != 0)

typedef struct unary_kind {
    const char *name;
    unary_row *floats, *integers; /* NULL: not of these */
    bool gives_integers;          /* of floats too */
} unary_kind;

static const unary_kind unaries[] = {
    {"Abs", absolute_floats, absolute_integers, false},
    {"Neg", negate_floats, negate_integers, false},
    {"Sign", sign_floats, sign_integers, false},
    {"Ceil", ceil_floats, NULL, false},
    {"Floor", floor_floats, NULL, false},
    {"Round", round_floats, NULL, false},
    {"Sqrt", sqrt_floats, NULL, false},
    {"Exp", exp_floats, NULL, false},
    {"Log", log_floats, NULL, false},
    {"Erf", erf_floats, NULL, false},
    {"Tanh", tanh_floats, NULL, false},
    {"Sin", sin_floats, NULL, false},
    {"Cos", cos_floats, NULL, false},
    {"Sigmoid", sigmoid_floats, NULL, false},
    {"Relu", relu_floats, relu_integers, false},
    {"Reciprocal", reciprocal_floats, NULL, false},
    {"Softplus", softplus_floats, NULL, false},
    {"Not", NULL, not_integers, true},
    {"IsNaN", is_nan_floats, NULL, true},
};

/* The output has the shape of the input. */
static bool apply(operator_call *operation, const unary_kind *unary, fault_text *fault)
{
    if (!operator_check(operation, "x", 1, fault))
        return false;
    graph_array *x = operation->inputs[0];
    unary_row *row = x->type == ARRAY_FLOAT ? unary->floats : unary->integers;
    if (!row)
        return fault_set(fault, "is not defined for %s",
                         x->type == ARRAY_FLOAT ? "floats" : "integers");
    graph_array *out = operator_make(operation, 0, unary->gives_integers ? ARRAY_INTEGER : x->type,
                                     x->rank, x->dims, x->is_hollow, fault);
    if (!out || x->is_hollow)
        return out;
    const void *elements = operator_elements(x, fault);
    if (elements)
        row(operator_writable(out), elements, x->count);
    return elements;
}

static bool run_unary(operator_call *operation, fault_text *fault)
{
    for (size_t i = 0; i < sizeof unaries / sizeof *unaries; i++)
        if (strcmp(unaries[i].name, operation->node->op) == 0)
            return apply(operation, &unaries[i], fault);
    return fault_set(fault, "is not known");
}

static bool run_gelu(operator_call *operation, fault_text *fault)
{
    static const unary_kind exact = {"Gelu", gelu_floats, NULL, false};
    static const unary_kind tanh = {"Gelu", gelu_tanh_floats, NULL, false};
    bool is_tanh = graph_attribute_is(operation->node, "approximate", "tanh");
    if (!is_tanh && graph_attribute_find(operation->node, "approximate") &&
        !graph_attribute_is(operation->node, "approximate", "none"))
        return fault_set(fault, "approximate is neither none nor tanh");
    return apply(operation, is_tanh ? &tanh : &exact, fault);
}

static bool run_is_infinite(operator_call *operation, fault_text *fault)
{
    if (!operator_check(operation, "f", 1, fault))
        return false;
    graph_array *x = operation->inputs[0];
    bool above = graph_attribute_int(operation->node, "detect_positive", 1) != 0;
    bool below = graph_attribute_int(operation->node, "detect_negative", 1) != 0;
    graph_array *out =
        operator_make(operation, 0, ARRAY_INTEGER, x->rank, x->dims, x->is_hollow, fault);
    if (!out || x->is_hollow)
        return out;
    const float *elements = array_floats(x, fault);
    for (int64_t i = 0; elements && i < x->count; i++)
        out->integers[i] = isinf(elements[i]) && (elements[i] > 0 ? above : below);
    return elements;
}

static bool run_identity(operator_call *operation, fault_text *fault)
{
    return operator_check(operation, "x", 1, fault) &&
           operator_give(operation, 0, array_share(operation->inputs[0]));
}

/* Nothing is dropped outside of training. */
static bool run_dropout(operator_call *operation, fault_text *fault)
{
    if (!operator_check(operation, "xXX", 2, fault))
        return false;
    graph_array *x = operation->inputs[0], *training = operator_input(operation, 2);
    int64_t is_training = 0;
    if (training && !training->is_hollow && !operator_integer(training, &is_training, fault))
        return false;
    if (is_training)
        return fault_set(fault, "is for training");
    operator_give(operation, 0, array_share(x));
    if (!operator_wants(operation, 1))
        return true;
    array_type type = operation->opset < 10 ? x->type : ARRAY_INTEGER;
    graph_array *mask = operator_make(operation, 1, type, x->rank, x->dims, false, fault);
    if (mask)
        operator_fill(operator_writable(mask),
                      type == ARRAY_FLOAT ? (const void *)&(float){1} : &(int64_t){1}, mask->count,
                      operator_size(mask));
    return mask;
}

/* ------------------------------------------------------------------------------------- casts -- */

/* An integer, cut to a smaller type. */
static int64_t narrow(int64_t value, int64_t data_type)
{
    switch (data_type) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__BOOL:
        return value != 0;
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT8:
        return (int8_t)value;
    case ONNX__TENSOR_PROTO__DATA_TYPE__UINT8:
        return (uint8_t)value;
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT16:
        return (int16_t)value;
    case ONNX__TENSOR_PROTO__DATA_TYPE__UINT16:
        return (uint16_t)value;
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT32:
        return (int32_t)value;
    case ONNX__TENSOR_PROTO__DATA_TYPE__UINT32:
        return (uint32_t)value;
    default:
        return value;
    }
}

static int64_t narrow_float(float value, int64_t data_type)
{
    if (data_type == ONNX__TENSOR_PROTO__DATA_TYPE__BOOL)
        return value != 0;
    if (data_type == ONNX__TENSOR_PROTO__DATA_TYPE__INT32 && !(value >= -0x1p31 && value < 0x1p31))
        return INT32_MIN;
    return narrow(operator_truncated(value), data_type);
}

/* Whether the type surely holds all integers of the array. */
static bool is_within(const graph_array *x, int64_t data_type)
{
    if (data_type == ONNX__TENSOR_PROTO__DATA_TYPE__INT64 ||
        data_type == ONNX__TENSOR_PROTO__DATA_TYPE__UINT64)
        return true;
    if (!x->stored)
        return false;
    return x->stored->type == STORED_BOOL || (int64_t)x->stored->type == data_type ||
           (data_type == STORED_I32 &&
            (x->stored->type == STORED_I8 || x->stored->type == STORED_U8));
}

static bool fill_narrowed(graph_array *out, graph_array *x, int64_t data_type, fault_text *fault)
{
    const void *elements = operator_elements(x, fault);
    for (int64_t i = 0; elements && i < x->count; i++)
        out->integers[i] = x->type == ARRAY_FLOAT
                               ? narrow_float(((const float *)elements)[i], data_type)
                               : narrow(((const int64_t *)elements)[i], data_type);
    return elements;
}

static bool cast(operator_call *operation, int64_t data_type, fault_text *fault)
{
    graph_array *x = operation->inputs[0];
    array_type type;
    if (!operator_type(data_type, &type, fault))
        return false;
    if (type == ARRAY_FLOAT || (x->type == type && is_within(x, data_type)))
        return operator_give(operation, 0, operator_converted(x, type, fault));
    graph_array *out = operator_make(operation, 0, type, x->rank, x->dims, x->is_hollow, fault);
    if (!out || x->is_hollow)
        return out;
    return fill_narrowed(out, x, data_type, fault);
}

static bool run_cast(operator_call *operation, fault_text *fault)
{
    return operator_check(operation, "x", 1, fault) &&
           cast(operation, graph_attribute_int(operation->node, "to", 0), fault);
}

/* To which width is known of constants alone; it matters for no other integers but booleans. */
static bool run_cast_like(operator_call *operation, fault_text *fault)
{
    if (!operator_check(operation, "xx", 1, fault))
        return false;
    const graph_array *like = operation->inputs[1];
    int64_t data_type = like->stored                ? (int64_t)like->stored->type
                        : like->type == ARRAY_FLOAT ? (int64_t)ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT
                                                    : (int64_t)ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
    return cast(operation, data_type, fault);
}

/* ---------------------------------------------------------------------------- clip and where -- */

static void clip_floats(float *out, const float *x, int64_t n, float least, float most)
{
    for (int64_t i = 0; i < n; i++) {
        float raised = x[i] < least ? least : x[i];
        out[i] = raised > most ? most : raised;
    }
}

static void clip_integers(int64_t *out, const int64_t *x, int64_t n, int64_t least, int64_t most)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t raised = x[i] < least ? least : x[i];
        out[i] = raised > most ? most : raised;
    }
}

static bool fill_clipped_floats(const operator_call *operation, graph_array *out, fault_text *fault)
{
    graph_array *x = operation->inputs[0];
    graph_array *min = operator_input(operation, 1), *max = operator_input(operation, 2);
    bool is_old = operation->opset < 11;
    float least = is_old ? graph_attribute_float(operation->node, "min", -INFINITY) : -INFINITY;
    float most = is_old ? graph_attribute_float(operation->node, "max", INFINITY) : INFINITY;
    if ((min && !operator_float(min, &least, fault)) || (max && !operator_float(max, &most, fault)))
        return false;
    const float *elements = array_floats(x, fault);
    if (elements)
        clip_floats(out->floats, elements, x->count, least, most);
    return elements;
}

static bool fill_clipped_integers(const operator_call *operation, graph_array *out,
                                  fault_text *fault)
{
    graph_array *x = operation->inputs[0];
    graph_array *min = operator_input(operation, 1), *max = operator_input(operation, 2);
    int64_t least = INT64_MIN, most = INT64_MAX;
    if ((min && !operator_integer(min, &least, fault)) ||
        (max && !operator_integer(max, &most, fault)))
        return false;
    const int64_t *elements = array_integers(x, fault);
    if (elements)
        clip_integers(out->integers, elements, x->count, least, most);
    return elements;
}

static bool run_clip(operator_call *operation, fault_text *fault)
{
    if (!operator_check(operation, "xXX", 1, fault))
        return false;
    graph_array *x = operation->inputs[0];
    bool is_hollow = operator_any_hollow(operation);
    graph_array *out = operator_make(operation, 0, x->type, x->rank, x->dims, is_hollow, fault);
    if (!out || is_hollow)
        return out;
    return x->type == ARRAY_FLOAT ? fill_clipped_floats(operation, out, fault)
                                  : fill_clipped_integers(operation, out, fault);
}

#define CHOOSE(type)                                                                               \
    for (int64_t i = 0; i < walk->n; i++) {                                                        \
        const type *from = conditions[i * walk->steps[1]] ? (const type *)yes + i * walk->steps[2] \
                                                          : (const type *)no + i * walk->steps[3]; \
        ((type *)out)[i] = *from;                                                                  \
    }

static void choose_run(const strided_walk *walk, array_type type, char *out,
                       const int64_t *conditions, const char *yes, const char *no)
{
    int64_t size = type == ARRAY_FLOAT ? sizeof(float) : sizeof(int64_t);
    conditions += walk->offsets[1];
    out += walk->offsets[0] * size;
    yes += walk->offsets[2] * size;
    no += walk->offsets[3] * size;
    if (type == ARRAY_FLOAT)
        CHOOSE(float)
    else
        CHOOSE(int64_t)
}

static bool run_where(operator_call *operation, fault_text *fault)
{
    uint32_t rank;
    strided_walk walk = {.n_arrays = 4};
    if (!operator_check(operation, "ixx", 1, fault) ||
        !operator_broadcast(operation->inputs, 3, &rank, walk.dims, fault))
        return false;
    graph_array **inputs = operation->inputs;
    if (inputs[1]->type != inputs[2]->type)
        return fault_set(fault, "one input holds floats, the other integers");
    bool is_hollow = operator_any_hollow(operation);
    graph_array *out =
        operator_make(operation, 0, inputs[1]->type, rank, walk.dims, is_hollow, fault);
    if (!out || is_hollow)
        return out;
    walk.rank = rank;
    operator_contiguous(rank, walk.dims, walk.strides[0]);
    for (size_t i = 0; i < 3; i++)
        operator_strides(inputs[i], rank, walk.dims, walk.strides[i + 1]);
    const int64_t *conditions = array_integers(inputs[0], fault);
    const void *yes = operator_elements(inputs[1], fault),
               *no = operator_elements(inputs[2], fault);
    if (!conditions || !yes || !no)
        return false;
    for (bool more = walk_start(&walk); more; more = walk_next(&walk))
        choose_run(&walk, out->type, operator_writable(out), conditions, yes, no);
    return true;
}

const operator_kind operators_elementwise[] = {
    {"Abs", 1, run_unary},
    {"Add", 2, run_binary},
    {"And", 2, run_binary},
    {"Cast", 1, run_cast},
    {"CastLike", 2, run_cast_like},
    {"Ceil", 1, run_unary},
    {"Clip", 1, run_clip},
    {"Cos", 1, run_unary},
    {"Div", 2, run_binary},
    {"Dropout", 1, run_dropout},
    {"Equal", 2, run_binary},
    {"Erf", 1, run_unary},
    {"Exp", 1, run_unary},
    {"Floor", 1, run_unary},
    {"Gelu", 1, run_gelu},
    {"Greater", 2, run_binary},
    {"GreaterOrEqual", 2, run_binary},
    {"Identity", 1, run_identity},
    {"IsInf", 1, run_is_infinite},
    {"IsNaN", 1, run_unary},
    {"Less", 2, run_binary},
    {"LessOrEqual", 2, run_binary},
    {"Log", 1, run_unary},
    {"Max", 1, run_variadic},
    {"Mean", 1, run_mean},
    {"Min", 1, run_variadic},
    {"Mod", 2, run_mod},
    {"Mul", 2, run_binary},
    {"Neg", 1, run_unary},
    {"Not", 1, run_unary},
    {"Or", 2, run_binary},
    {"Pow", 2, run_pow},
    {"Reciprocal", 1, run_unary},
    {"Relu", 1, run_unary},
    {"Round", 1, run_unary},
    {"Sigmoid", 1, run_unary},
    {"Sign", 1, run_unary},
    {"Sin", 1, run_unary},
    {"Softplus", 1, run_unary},
    {"Sqrt", 1, run_unary},
    {"Sub", 2, run_binary},
    {"Sum", 1, run_variadic},
    {"Tanh", 1, run_unary},
    {"Where", 3, run_where},
    {"Xor", 2, run_binary},
    {NULL, 0, NULL},
};

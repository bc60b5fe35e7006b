/*
 * test_operators.c - the operators that the converter evaluates graphs with: every one of them by
 * numbers that were worked out by hand, refusals, hollow arrays, and random nodes, which must agree
 * with themselves.
 *
 * Arrays are written as text: f floats, i integers, hollow with a question mark; and constants as
 * they lie in a file, at odd addresses: i8, u8, i32, i64, b (bool), f16, f32.
 *     "f[2,2] 1 2 3 4"    "i[] 7"    "f[2,3]?"
 * Operators are written domain:Name@opset, attributes name=number or name=1,2 or name=word.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "operators/internal.h"

#define MAX_ARRAYS 8
#define MAX_CONSTANTS 64

/* What a node is made of, as the graph has it. */
typedef struct test_call {
    graph_array *inputs[MAX_ARRAYS], *outputs[MAX_ARRAYS];
    graph_value *wanted[MAX_ARRAYS];
    struct graph_value constant;
    graph_attribute attributes[MAX_ARRAYS];
    int64_t ints[MAX_ARRAYS][16];
    float floats[MAX_ARRAYS][16];
    char attribute_text[256], op[64], *domain;
    graph_node node;
    operator_call operation;
    fault_text fault;
} test_call;

/* Constants and their bytes live as long as a call. */
static struct {
    stored_tensor tensor;
    unsigned char bytes[256];
} constants[MAX_CONSTANTS];
static size_t n_constants;

/* Names of operators that some expectation was about. */
static const char *seen[256];
static size_t n_seen;

/* ------------------------------------------------------------------------------------ arrays -- */

/* 0: no such type. */
static stored_type find_type(const char *name)
{
    static const struct {
        const char *name;
        stored_type type;
    } types[] = {{"i8", STORED_I8},  {"u8", STORED_U8},   {"i32", STORED_I32}, {"i64", STORED_I64},
                 {"b", STORED_BOOL}, {"f16", STORED_F16}, {"f32", STORED_F32}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, name) == 0)
            return types[i].type;
    return (stored_type)0;
}

static size_t store(unsigned char *to, stored_type type, double value)
{
    int64_t integer = (int64_t)value;
    float number = (float)value;
    switch (type) {
    case STORED_F32:
        memcpy(to, &number, 4);
        return 4;
    case STORED_F16: /* powers of two alone */
        integer = value == 0 ? 0 : (ilogb(value) + 15) << 10 | (value < 0) << 15;
        memcpy(to, &integer, 2);
        return 2;
    case STORED_I32:
        memcpy(to, &integer, 4);
        return 4;
    case STORED_I64:
        memcpy(to, &integer, 8);
        return 8;
    default:
        *to = (unsigned char)integer;
        return 1;
    }
}

static graph_array *store_constant(stored_type type, uint32_t rank, const int64_t *dims,
                                   const char *numbers)
{
    fault_text fault = {{0}};
    stored_tensor *tensor = &constants[n_constants].tensor;
    unsigned char *bytes = constants[n_constants++].bytes + 1; /* aligned to nothing */
    *tensor = (stored_tensor){.name = "", .type = type, .rank = rank, .count = 1, .data = bytes};
    for (uint32_t i = 0; i < rank; i++)
        tensor->count *= tensor->dims[i] = (uint64_t)dims[i];
    for (uint64_t i = 0; i < tensor->count; i++)
        bytes += store(bytes, type, strtod(numbers, (char **)&numbers));
    return array_of_tensor(tensor, &fault);
}

static graph_array *parse_array(const char *text)
{
    char type[8] = "";
    int64_t dims[16];
    uint32_t rank = 0;
    fault_text fault = {{0}};
    while (*text == ' ')
        text++;
    if (!*text)
        return NULL;
    for (size_t n = 0; *text != '['; text++)
        type[n++] = *text;
    while (*text != ']')
        if (*++text != ']' && *text != ',')
            dims[rank++] = strtoll(text, (char **)&text, 10);
    text++;
    stored_type stored = find_type(type);
    if (stored)
        return store_constant(stored, rank, dims, text);
    array_type kind = *type == 'f' ? ARRAY_FLOAT : ARRAY_INTEGER;
    graph_array *array = *text == '?' ? array_new_hollow(kind, rank, dims, &fault)
                                      : array_new(kind, rank, dims, &fault);
    for (int64_t i = 0; array && *text != '?' && i < array->count; i++)
        if (kind == ARRAY_FLOAT)
            array->floats[i] = strtof(text, (char **)&text);
        else
            array->integers[i] = strtoll(text, (char **)&text, 10);
    return array;
}

/* Arrays with bars between them. */
static size_t parse_arrays(const char *text, graph_array **arrays)
{
    char copy[2048];
    size_t n = 0;
    snprintf(copy, sizeof copy, "%s", text);
    for (char *part = copy, *next; part && *text; part = next) {
        next = strchr(part, '|');
        if (next)
            *next++ = '\0';
        arrays[n++] = parse_array(part);
    }
    return n;
}

static bool is_near(double got, double want)
{
    if (isnan(want) || isinf(want))
        return isnan(want) ? isnan(got) : got == want;
    return fabs(got - want) <= 1e-5 * (1 + fabs(want));
}

static void check_array(const char *what, size_t output, graph_array *got, graph_array *want)
{
    fault_text fault = {{0}};
    CHECK(got != NULL, "%s: no output %zu", what, output);
    if (!got)
        return;
    CHECK(got->type == want->type && got->is_hollow == want->is_hollow &&
              array_is_same_shape(got, want),
          "%s: output %zu is %s %s %s", what, output, got->is_hollow ? "hollow" : "concrete",
          got->type == ARRAY_FLOAT ? "floats" : "integers", SHAPE_TEXT(got));
    if (got->is_hollow || want->is_hollow || got->count != want->count || got->type != want->type)
        return;
    const void *a = operator_elements(got, &fault), *b = operator_elements(want, &fault);
    for (int64_t i = 0; i < got->count; i++)
        if (got->type == ARRAY_FLOAT)
            CHECK(is_near(((const float *)a)[i], ((const float *)b)[i]),
                  "%s: output %zu, element %lld is %g, expected %g", what, output, (long long)i,
                  (double)((const float *)a)[i], (double)((const float *)b)[i]);
        else
            CHECK(((const int64_t *)a)[i] == ((const int64_t *)b)[i],
                  "%s: output %zu, element %lld is %lld, expected %lld", what, output, (long long)i,
                  (long long)((const int64_t *)a)[i], (long long)((const int64_t *)b)[i]);
}

/* ------------------------------------------------------------------------------------- calls -- */

static void parse_attribute(test_call *call, char *text, size_t i)
{
    graph_attribute *attribute = &call->attributes[i];
    char *value = strchr(text, '=');
    *value++ = '\0';
    *attribute = (graph_attribute){.name = text, .ints = call->ints[i], .floats = call->floats[i]};
    attribute->text = value;
    attribute->n_text = strlen(value);
    if (strchr("-0123456789i", *value) == NULL || strchr(value, '>'))
        return;
    attribute->i = strtoll(value, NULL, 10);
    attribute->f = strtof(value, NULL);
    for (char *number = value; number && *number;) {
        call->floats[i][attribute->n_floats++] = strtof(number, NULL);
        call->ints[i][attribute->n_ints++] = strtoll(number, NULL, 10);
        number = strchr(number, ',');
        number = number ? number + 1 : NULL;
    }
}

static void parse_attributes(test_call *call, const char *text)
{
    snprintf(call->attribute_text, sizeof call->attribute_text, "%s", text);
    char *rest = NULL;
    for (char *part = strtok_r(call->attribute_text, " ", &rest); part;
         part = strtok_r(NULL, " ", &rest))
        parse_attribute(call, part, call->node.n_attributes++);
    call->node.attributes = call->attributes;
}

/* domain:Name@opset */
static void parse_op(test_call *call, const char *text)
{
    snprintf(call->op, sizeof call->op, "%s", text);
    char *at = strchr(call->op, '@'), *colon = strchr(call->op, ':');
    call->operation.opset = at ? strtoll(at + 1, NULL, 10) : 18;
    if (at)
        *at = '\0';
    if (colon)
        *colon = '\0';
    call->node.domain = colon ? call->op : "";
    call->node.op = colon ? colon + 1 : call->op;
    call->node.name = text;
}

static void call_open(test_call *call, const char *op, const char *attributes, const char *inputs,
                      size_t n_outputs)
{
    memset(call, 0, sizeof *call);
    parse_op(call, op);
    parse_attributes(call, attributes);
    for (size_t i = 0; i < MAX_ARRAYS; i++)
        call->wanted[i] = &call->constant;
    call->node.n_outputs = n_outputs;
    call->node.outputs = call->wanted;
    call->operation.n_inputs = parse_arrays(inputs, call->inputs);
}

static bool call_run(test_call *call)
{
    const operator_kind *kind = operator_find(call->node.domain, call->node.op);
    if (!kind)
        return fault_set(&call->fault, "there is no such operator");
    call->operation.node = &call->node;
    call->operation.inputs = call->inputs;
    call->operation.outputs = call->outputs;
    return kind->run(&call->operation, &call->fault);
}

static void release_outputs(test_call *call)
{
    for (size_t i = 0; i < MAX_ARRAYS; i++) {
        array_release(call->outputs[i]);
        call->outputs[i] = NULL;
    }
}

static void call_close(test_call *call)
{
    release_outputs(call);
    for (size_t i = 0; i < call->operation.n_inputs; i++)
        array_release(call->inputs[i]);
    array_release(call->constant.constant);
    n_constants = 0;
}

static bool is_seen(const char *name)
{
    for (size_t i = 0; i < n_seen; i++)
        if (strcmp(seen[i], name) == 0)
            return true;
    return false;
}

/* `value`: an attribute of that name that is a tensor, or NULL. */
static void expect_with(const char *op, const char *attributes, const char *value,
                        const char *inputs, const char *outputs)
{
    test_call call;
    graph_array *wanted[MAX_ARRAYS];
    size_t n = parse_arrays(outputs, wanted);
    call_open(&call, op, attributes, inputs, n);
    if (value) {
        call.constant.constant = parse_array(value);
        call.attributes[call.node.n_attributes++] =
            (graph_attribute){.name = "value", .value = &call.constant};
    }
    for (size_t i = 0; i < n; i++)
        if (!wanted[i])
            call.wanted[i] = NULL;
    bool ok = call_run(&call);
    CHECK(ok, "%s(%s): %s", op, inputs, call.fault.text);
    CHECK(!ok || !call.fault.text[0], "%s(%s): succeeds with a fault", op, inputs);
    if (ok && !is_seen(call.node.op))
        seen[n_seen++] = operator_find(call.node.domain, call.node.op)->name;
    for (size_t i = 0; ok && i < n; i++)
        if (wanted[i])
            check_array(op, i, call.outputs[i], wanted[i]);
    call_close(&call);
    for (size_t i = 0; i < n; i++)
        array_release(wanted[i]);
}

static void expect(const char *op, const char *attributes, const char *inputs, const char *outputs)
{
    expect_with(op, attributes, NULL, inputs, outputs);
}

/* `why` is part of the fault. */
static void refuse(const char *op, const char *attributes, const char *inputs, const char *why)
{
    test_call call;
    call_open(&call, op, attributes, inputs, 1);
    CHECK(!call_run(&call), "%s(%s): is not refused", op, inputs);
    CHECK(strstr(call.fault.text, why), "%s(%s): says '%s', expected '%s'", op, inputs,
          call.fault.text, why);
    call_close(&call);
}

/* ------------------------------------------------------------------------------- elementwise -- */

TEST(arithmetic)
{
    expect("Add", "", "f[2] 1 2|f[2] 10 20", "f[2] 11 22");
    expect("Add", "", "f[2,1] 1 2|f[3] 10 20 30", "f[2,3] 11 21 31 12 22 32");
    expect("Add", "", "i[] 9223372036854775807|i[] 1", "i[] -9223372036854775808");
    expect("Add", "", "f[0,3]|f[3] 1 2 3", "f[0,3]");
    expect("Sub", "", "i[2,1,2] 1 2 3 4|i[2,1] 1 2", "i[2,2,2] 0 1 -1 0 2 3 1 2");
    expect("Mul", "", "f[] 3|f[1,1] 4", "f[1,1] 12");
    expect("Div", "", "f[4] 1 -1 0 7|f[4] 0 0 0 2", "f[4] inf -inf nan 3.5");
    expect("Div", "", "i[4] 7 -7 7 -7|i[4] 2 2 -2 -2", "i[4] 3 -3 -3 3");
    expect("Div", "", "i[] -9223372036854775808|i[] -1", "i[] -9223372036854775808");
    expect("Mod", "", "i[4] 7 -7 7 -7|i[4] 3 3 -3 -3", "i[4] 1 2 -2 -1");
    expect("Mod", "fmod=1", "i[4] 7 -7 7 -7|i[4] 3 3 -3 -3", "i[4] 1 -1 1 -1");
    expect("Mod", "fmod=1", "f[2] 7.5 -7.5|f[] 2", "f[2] 1.5 -1.5");
    expect("Mod", "", "i[] -9223372036854775808|i[] -1", "i[] 0");
    expect("Pow", "", "f[3] 2 3 4|f[3] 3 2 0.5", "f[3] 8 9 2");
    expect("Pow", "", "f[2] 2 3|i[] 3", "f[2] 8 27");
    expect("Pow", "", "i[4] 2 -3 1 2|i[4] 10 3 -5 -1", "i[4] 1024 -27 1 0");
    expect("Pow", "", "i[2] 9 2|f[] 0.5", "i[2] 3 1");
    expect("Max", "", "f[2] 1 nan|f[] 2|f[2] 0 5", "f[2] 2 nan");
    expect("Min", "", "i[2] 1 9|i[2] 3 4|i[1] 2", "i[2] 1 2");
    expect("Max", "", "f[2] 1 2", "f[2] 1 2");
    expect("Sum", "", "f[2] 1 2|f[] 3|f[1,2] 4 5", "f[1,2] 8 10");
    expect("Mean", "", "f[2] 1 2|f[] 3|f[2] 5 7", "f[2] 3 4");
    expect("Mean", "", "f[2] 1 2", "f[2] 1 2");
    refuse("Add", "", "f[2] 1 2|f[3] 1 2 3", "input 2 of shape [3] does not fit");
    refuse("Add", "", "f[2] 1 2|i[2] 1 2", "floats, the other integers");
    refuse("Add", "", "f[2] 1 2", "no input 2");
    refuse("Add", "", "f[] 1|f[] 1|f[] 1", "an input 3");
    refuse("Div", "", "i[2] 1 2|i[2] 1 0", "by zero");
    refuse("Mod", "", "i[2] 1 2|i[2] 1 0", "by zero");
    refuse("Mod", "", "f[] 1|f[] 1", "not defined for floats");
    refuse("Mean", "", "i[] 1|i[] 1", "not defined for integers");
    refuse("Mean", "", "i[] 1", "not defined for integers");
    refuse("Max", "", "f[] 1||f[] 2", "no input 2");
    refuse("Sum", "", "", "no inputs");
}

TEST(comparisons_and_logic)
{
    expect("And", "", "i[4] 0 0 1 1|i[4] 0 1 0 2", "i[4] 0 0 0 1");
    expect("Or", "", "i[4] 0 0 1 1|i[4] 0 1 0 2", "i[4] 0 1 1 1");
    expect("Xor", "", "i[4] 0 0 1 1|i[4] 0 1 0 2", "i[4] 0 1 1 0");
    expect("Equal", "", "f[3] 1 2 nan|f[3] 1 3 nan", "i[3] 1 0 0");
    expect("Equal", "", "i[2] 1 2|i[] 2", "i[2] 0 1");
    expect("Less", "", "f[3] 1 2 3|f[] 2", "i[3] 1 0 0");
    expect("LessOrEqual", "", "i[3] 1 2 3|i[] 2", "i[3] 1 1 0");
    expect("Greater", "", "i[3,1] 0 1 2|i[3] 0 1 2", "i[3,3] 0 0 0 1 0 0 1 1 0");
    expect("GreaterOrEqual", "", "f[3] 1 2 3|f[] 2", "i[3] 0 1 1");
    expect("Not", "", "i[3] 0 1 2", "i[3] 1 0 0");
    refuse("And", "", "f[] 1|f[] 1", "not defined for floats");
}

TEST(functions)
{
    expect("Abs", "", "f[2] -1.5 2", "f[2] 1.5 2");
    expect("Abs", "", "i[2] -3 3", "i[2] 3 3");
    expect("Neg", "", "f[2] 1 -2", "f[2] -1 2");
    expect("Neg", "", "i[2] 1 -9223372036854775808", "i[2] -1 -9223372036854775808");
    expect("Sign", "", "f[3] -2 0 5", "f[3] -1 0 1");
    expect("Sign", "", "i[3] -2 0 5", "i[3] -1 0 1");
    expect("Ceil", "", "f[2] 1.2 -1.2", "f[2] 2 -1");
    expect("Floor", "", "f[2] 1.2 -1.2", "f[2] 1 -2");
    expect("Round", "", "f[5] 0.5 1.5 2.5 -0.5 -1.6", "f[5] 0 2 2 0 -2");
    expect("Sqrt", "", "f[3] 4 2 -1", "f[3] 2 1.41421356 nan");
    expect("Exp", "", "f[2] 0 1", "f[2] 1 2.71828183");
    expect("Log", "", "f[3] 1 2.71828183 0", "f[3] 0 1 -inf");
    expect("Erf", "", "f[3] 0 1 -0.5", "f[3] 0 0.84270079 -0.52049988");
    expect("Tanh", "", "f[2] 0 1", "f[2] 0 0.76159416");
    expect("Sin", "", "f[2] 0 1", "f[2] 0 0.84147098");
    expect("Cos", "", "f[2] 0 1", "f[2] 1 0.54030231");
    expect("Sigmoid", "", "f[4] 0 2 -2 -1000", "f[4] 0.5 0.88079708 0.11920292 0");
    expect("Relu", "", "f[3] -1 2 nan", "f[3] 0 2 nan");
    expect("Relu", "", "i[2] -1 2", "i[2] 0 2");
    expect("Reciprocal", "", "f[2] 4 0", "f[2] 0.25 inf");
    expect("Softplus", "", "f[3] 0 1 100", "f[3] 0.69314718 1.31326169 100");
    expect("Gelu", "", "f[2] 1 -0.5", "f[2] 0.84134475 -0.15426877");
    expect("Gelu", "approximate=tanh", "f[2] 1 -0.5", "f[2] 0.84119199 -0.15428599");
    expect("Gelu", "approximate=none", "f[1] 0", "f[1] 0");
    expect("IsNaN", "", "f[3] nan 1 inf", "i[3] 1 0 0");
    expect("IsInf", "", "f[3] inf -inf nan", "i[3] 1 1 0");
    expect("IsInf", "detect_negative=0", "f[2] inf -inf", "i[2] 1 0");
    expect("IsInf", "detect_positive=0", "f[2] inf -inf", "i[2] 0 1");
    expect("Identity", "", "f[2] 1 2", "f[2] 1 2");
    expect("Dropout", "", "f[2] 1 2", "f[2] 1 2");
    expect("Dropout", "", "f[2] 1 2|f[] 0.5|i[] 0", "f[2] 1 2|i[2] 1 1");
    expect("Dropout@7", "", "f[2] 1 2", "f[2] 1 2|f[2] 1 1");
    refuse("Dropout", "", "f[2] 1 2||i[] 1", "training");
    refuse("Gelu", "approximate=other", "f[1] 0", "approximate");
    refuse("Sqrt", "", "i[1] 4", "not defined for integers");
    refuse("Not", "", "f[1] 4", "not defined for floats");
}

TEST(casts)
{
    expect("Cast", "to=1", "i[2] 1 -2", "f[2] 1 -2");
    expect("Cast", "to=10", "f[2] 1.25 70000", "f[2] 1.25 70000");
    expect("Cast", "to=16", "i[1] 3", "f[1] 3");
    expect("Cast", "to=11", "f16[2] 2 0.5", "f[2] 2 0.5");
    expect("Cast", "to=7", "f[4] 1.9 -1.9 nan 1e30",
           "i[4] 1 -1 -9223372036854775808 -9223372036854775808");
    expect("Cast", "to=6", "f[2] -1e10 5", "i[2] -2147483648 5");
    expect("Cast", "to=6", "i[2] 9223372036854775807 5", "i[2] -1 5");
    expect("Cast", "to=9", "f[4] 0 0.5 nan -1", "i[4] 0 1 1 1");
    expect("Cast", "to=9", "i[3] 0 5 -1", "i[3] 0 1 1");
    expect("Cast", "to=3", "i[2] 200 -1", "i[2] -56 -1");
    expect("Cast", "to=2", "i[2] 300 -1", "i[2] 44 255");
    expect("Cast", "to=5", "i[1] 40000", "i[1] -25536");
    expect("Cast", "to=4", "i[1] -1", "i[1] 65535");
    expect("Cast", "to=12", "i[1] -1", "i[1] 4294967295");
    expect("Cast", "to=6", "i8[2] -1 5", "i[2] -1 5");
    expect("Cast", "to=9", "u8[2] 0 5", "i[2] 0 1");
    expect("CastLike", "", "f[1] 1.5|i[] 0", "i[1] 1");
    expect("CastLike", "", "f[1] 0.5|b[] 0", "i[1] 1");
    expect("CastLike", "", "i[1] 1|f[] 0", "f[1] 1");
    expect("Cast", "to=7", "f[2]?", "i[2]?");
    expect("Cast", "to=1", "f[2]?", "f[2]?");
    refuse("Cast", "", "f[] 1", "data type 0");
    refuse("Cast", "to=8", "f[] 1", "data type 8");
}

TEST(clip_and_where)
{
    expect("Clip", "", "f[4] -5 0 5 nan|f[] -1|f[] 1", "f[4] -1 0 1 nan");
    expect("Clip", "", "i[3] -5 0 5||i[] 1", "i[3] -5 0 1");
    expect("Clip", "", "f[2] -5 5|f[1] 0", "f[2] 0 5");
    expect("Clip", "min=0.5", "f[2] -5 5", "f[2] -5 5");
    expect("Clip@6", "min=-1.5 max=2.5", "f[2] -5 5", "f[2] -1.5 2.5");
    expect("Clip", "", "f[2] -5 5|f[]?", "f[2]?");
    refuse("Clip", "", "f[2] -5 5|i[] 1", "integers");
    refuse("Clip", "", "f[2] -5 5|f[2] 1 2", "single number");
    expect("Where", "", "i[2,1] 1 0|f[2] 1 2|f[] 9", "f[2,2] 1 2 9 9");
    expect("Where", "", "i[2] 1 0|i[2] 1 2|i[2] 3 4", "i[2] 1 4");
    expect("Where", "", "i[2]?|f[2] 1 2|f[3,1] 3 4 5", "f[3,2]?");
    refuse("Where", "", "i[2] 1 0|i[2] 1 2|f[2] 3 4", "the other integers");
    refuse("Where", "", "f[2] 1 0|f[2] 1 2|f[2] 3 4", "input 1 holds floats");
}

/* Shape of one operand: some of the output's dimensions are 1 or left out. */
static graph_array *random_operand(uint32_t *state, uint32_t rank, const int64_t *dims)
{
    fault_text fault = {{0}};
    uint32_t own = random_u32(state) % (rank + 1);
    int64_t own_dims[4];
    for (uint32_t i = 0; i < own; i++)
        own_dims[i] = random_u32(state) % 3 ? dims[rank - own + i] : 1;
    graph_array *array = array_new(ARRAY_FLOAT, own, own_dims, &fault);
    for (int64_t i = 0; i < array->count; i++)
        array->floats[i] = random_uniform(state, -4, 4);
    return array;
}

/* The element of an operand at these indices of the output. */
static float element_at(const graph_array *operand, uint32_t rank, const int64_t *index)
{
    int64_t at = 0;
    for (uint32_t i = 0; i < operand->rank; i++) {
        int64_t k = index[rank - operand->rank + i];
        at = at * operand->dims[i] + (operand->dims[i] == 1 ? 0 : k);
    }
    return operand->floats[at];
}

TEST(broadcasting_of_random_shapes)
{
    uint32_t state = 7;
    for (int round = 0; round < 400; round++) {
        test_call call;
        call_open(&call, "Sub", "", "", 1);
        uint32_t rank = random_u32(&state) % 5;
        int64_t dims[4], index[4] = {0};
        for (uint32_t i = 0; i < rank; i++)
            dims[i] = random_u32(&state) % 4 + (round % 8 != 0);
        graph_array *a = call.inputs[0] = random_operand(&state, rank, dims);
        graph_array *b = call.inputs[1] = random_operand(&state, rank, dims);
        call.operation.n_inputs = 2;
        CHECK(call_run(&call), "round %d: %s", round, call.fault.text);
        graph_array *out = call.outputs[0];
        int64_t n = 1;
        for (uint32_t i = 0; i < out->rank; i++) {
            int64_t da = i + a->rank < out->rank ? 1 : a->dims[i + a->rank - out->rank];
            int64_t db = i + b->rank < out->rank ? 1 : b->dims[i + b->rank - out->rank];
            CHECK(out->dims[i] == (da == 1 ? db : da), "round %d: %s and %s give %s", round,
                  SHAPE_TEXT(a), SHAPE_TEXT(b), SHAPE_TEXT(out));
            n *= out->dims[i];
        }
        CHECK(out->count == n, "round %d: count", round);
        for (int64_t i = 0; i < n; i++) {
            int64_t rest = i;
            for (uint32_t k = out->rank; k-- > 0; rest /= out->dims[k])
                index[k] = rest % out->dims[k];
            float want = element_at(a, out->rank, index) - element_at(b, out->rank, index);
            CHECK(out->floats[i] == want, "round %d: element %lld", round, (long long)i);
        }
        call_close(&call);
    }
}

/* ------------------------------------------------------------------------------------- shapes --
 */

TEST(shapes)
{
    expect("Shape", "", "f[2,3]?", "i[2] 2 3");
    expect("Shape", "", "f[] 1", "i[0]");
    expect("Shape", "start=1", "f[2,3,4]?", "i[2] 3 4");
    expect("Shape", "start=-2 end=-1", "f[2,3,4]?", "i[1] 3");
    expect("Shape", "start=-9 end=9", "f[2,3]?", "i[2] 2 3");
    expect("Shape", "start=2 end=1", "f[2,3]?", "i[0]");
    expect("Size", "", "f[2,3]?", "i[] 6");
    expect("Reshape", "", "f[2,3] 1 2 3 4 5 6|i[2] 3 -1", "f[3,2] 1 2 3 4 5 6");
    expect("Reshape", "", "f[2,3] 1 2 3 4 5 6|i[3] 0 1 3", "f[2,1,3] 1 2 3 4 5 6");
    expect("Reshape", "", "i[1] 4|i[0]", "i[] 4");
    expect("Reshape", "", "f[0,3]|i[2] -1 3", "f[0,3]");
    expect("Reshape", "allowzero=1", "f[2,0]|i[2] 0 5", "f[0,5]");
    expect("Reshape", "", "f[2,3]?|i[1] -1", "f[6]?");
    expect("Reshape@1", "shape=3,2", "f[2,3]?", "f[3,2]?");
    expect("Reshape", "", "i8[2,2] 1 2 3 4|i[1] 4", "i[4] 1 2 3 4");
    refuse("Reshape", "", "f[2,3]?|i[2] 4 -1", "cannot become");
    refuse("Reshape", "", "f[2,3]?|i[2] -1 -1", "shape [-1,-1]");
    refuse("Reshape", "", "f[2,3]?|i[1] 7", "6 elements");
    refuse("Reshape", "", "f[2,3]?|i[3] 2 3 0", "dimension 2 is to stay");
    refuse("Reshape", "", "f[2,3]?|i[2]?", "depends on input 2 (shape)");
    refuse("Reshape", "", "f[2,3]?|i[1,1] 6", "list of integers");
    refuse("Reshape", "", "f[2,3]?|f[2] 3 2", "input 2 holds floats");
    refuse("Reshape", "allowzero=1", "f[0,3]|i[2] 0 -1", "cannot become");
    refuse("Reshape", "", "f[2]?|i[2] 9223372036854775807 -1", "cannot become");
    expect("Flatten", "", "f[2,3,2]?", "f[2,6]?");
    expect("Flatten", "axis=0", "f[2,3]?", "f[1,6]?");
    expect("Flatten", "axis=-1", "f[2,3,2]?", "f[6,2]?");
    expect("Flatten", "axis=0", "f[] 7", "f[1,1] 7");
    refuse("Flatten", "axis=3", "f[2,3]?", "axis 3");
    expect("Squeeze", "", "f[1,2,1] 1 2", "f[2] 1 2");
    expect("Squeeze", "", "f[1,2,1] 1 2|i[1] -1", "f[1,2] 1 2");
    expect("Squeeze@11", "axes=0", "f[1,2,1] 1 2", "f[2,1] 1 2");
    refuse("Squeeze", "", "f[1,2,1] 1 2|i[1] 1", "axis 1 of [1,2,1] is not 1");
    refuse("Squeeze", "", "f[1,2,1] 1 2|i[1] 3", "axis 3");
    expect("Unsqueeze", "", "f[2] 1 2|i[2] 0 -1", "f[1,2,1] 1 2");
    expect("Unsqueeze@11", "axes=1", "f[2]?", "f[2,1]?");
    refuse("Unsqueeze", "", "f[2] 1 2|i[2] 0 0", "named twice");
    refuse("Unsqueeze", "", "f[2] 1 2|i[1] 2", "axis 2");
    refuse("Unsqueeze", "", "f[1,1,1,1,1,1,1,1] 1|i[1] 0", "dimensions");
}

TEST(moves)
{
    expect("Transpose", "", "f[2,3] 1 2 3 4 5 6", "f[3,2] 1 4 2 5 3 6");
    expect("Transpose", "perm=0,2,1", "i[1,2,3] 1 2 3 4 5 6", "i[1,3,2] 1 4 2 5 3 6");
    expect("Transpose", "perm=1,0,2", "f[2,2,2] 0 1 2 3 4 5 6 7", "f[2,2,2] 0 1 4 5 2 3 6 7");
    expect("Transpose", "", "f[] 1", "f[] 1");
    expect("Transpose", "perm=1,0", "f[2,3]?", "f[3,2]?");
    refuse("Transpose", "perm=0,0", "f[2,3]?", "not an order");
    refuse("Transpose", "perm=0,2", "f[2,3]?", "not an order");
    refuse("Transpose", "perm=0", "f[2,3]?", "perm has 1 axes");
    expect("Expand", "", "f[2,1] 1 2|i[3] 2 1 2", "f[2,2,2] 1 1 2 2 1 1 2 2");
    expect("Expand", "", "f[2] 1 2|i[1] 1", "f[2] 1 2");
    expect("Expand", "", "i[1] 7|i[2] 0 3", "i[0,3]");
    refuse("Expand", "", "f[2] 1 2|i[1] 3", "does not fit");
    refuse("Expand", "", "f[1] 1|i[2] 1073741824 1073741824", "at most");
    refuse("Expand", "", "f[1] 1|i[1] -1", "dimension of -1");
    refuse("Expand", "", "f[1] 1|i[1]?", "depends on input 2");
    expect("Tile", "", "f[2,2] 1 2 3 4|i[2] 1 2", "f[2,4] 1 2 1 2 3 4 3 4");
    expect("Tile", "", "i[2] 1 2|i[1] 3", "i[6] 1 2 1 2 1 2");
    expect("Tile", "", "f[2]?|i[1] 0", "f[0]?");
    refuse("Tile", "", "f[2] 1 2|i[2] 1 1", "2 repeats");
    expect("Concat", "axis=0", "f[1,2] 1 2|f[2,2] 3 4 5 6", "f[3,2] 1 2 3 4 5 6");
    expect("Concat", "axis=-1", "i[2,1] 1 2|i[2,0]|i[2,2] 3 4 5 6", "i[2,3] 1 3 4 2 5 6");
    expect("Concat", "axis=0", "f[1]?|f[2] 1 2", "f[3]?");
    refuse("Concat", "axis=0", "f[1,2] 1 2|f[1,3] 3 4 5", "input 2 of shape [1,3]");
    refuse("Concat", "axis=0", "f[1] 1|i[1] 3", "input 2");
    refuse("Concat", "", "f[1] 1", "no axis");
    refuse("Concat", "axis=1", "f[1] 1", "axis 1");
    expect("Split", "", "f[4] 1 2 3 4", "f[2] 1 2|f[2] 3 4");
    expect("Split", "axis=1", "f[2,3] 1 2 3 4 5 6|i[2] 1 2", "f[2,1] 1 4|f[2,2] 2 3 5 6");
    expect("Split@11", "split=1,2", "i[3] 1 2 3", "i[1] 1|i[2] 2 3");
    expect("Split", "num_outputs=2", "f[3] 1 2 3", "f[2] 1 2|f[1] 3");
    expect("Split", "", "f[3] 1 2 3|i[3] 1 1 1", "f[1] 1||f[1] 3");
    refuse("Split", "", "f[3] 1 2 3|i[1] 2", "parts of 2");
    refuse("Split", "", "f[3] 1 2 3|i[1] 4", "part 0 of 4");
    refuse("Split", "", "f[3] 1 2 3|i[2] 1 2", "has 1 outputs");
    refuse("Split", "num_outputs=2", "f[3] 1 2 3", "has 1 outputs");
}

TEST(slices)
{
    const char *line = "f[5] 0 1 2 3 4";
    char text[128];
    static const struct {
        const char *numbers, *out;
    } cases[] = {
        {"i[1] 1|i[1] 3", "f[2] 1 2"},
        {"i[1] -2|i[1] 9223372036854775807", "f[2] 3 4"},
        {"i[1] -9|i[1] 9|i[1] 0|i[1] 2", "f[3] 0 2 4"},
        {"i[1] 4|i[1] -9223372036854775808|i[1] -1|i[1] -1", "f[5] 4 3 2 1 0"},
        {"i[1] 9|i[1] 0|i[1] 0|i[1] -2", "f[2] 4 2"},
        {"i[1] 3|i[1] 1", "f[0]"},
        {"i[1] 0|i[1] 5|i[1] 0|i[1] 9223372036854775807", "f[1] 0"},
        {"i[1] 4|i[1] -9|i[1] 0|i[1] -9223372036854775808", "f[1] 4"},
        {"i[0]|i[0]", "f[5] 0 1 2 3 4"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(text, sizeof text, "%s|%s", line, cases[i].numbers);
        expect("Slice", "", text, cases[i].out);
    }
    expect("Slice", "", "i[2,3] 1 2 3 4 5 6|i[2] 1 0|i[2] 2 2|i[2] 0 1", "i[1,2] 4 5");
    expect("Slice", "", "f[2,3] 1 2 3 4 5 6|i[1] 2|i[1] -9|i[1] -1|i[1] -1", "f[2,3] 3 2 1 6 5 4");
    expect("Slice@9", "starts=0 ends=1 axes=1", "f[2,2] 1 2 3 4", "f[2,1] 1 3");
    expect("Slice", "", "f[2,3]?|i[1] 0|i[1] 1", "f[1,3]?");
    refuse("Slice", "", "f[5]?|i[1] 0|i[1] 1|i[1] 0|i[1] 0", "step of 0");
    refuse("Slice", "", "f[5]?|i[1] 0|i[1] 1|i[1] 1", "axis 1");
    refuse("Slice", "", "f[5]?|i[1] 0|i[2] 1 1", "1 starts, 2 ends");
    refuse("Slice", "", "f[5,5]?|i[2] 0 0|i[2] 1 1|i[2] 1 -1", "sliced twice");
    refuse("Slice", "", "f[5]?|i[1]?|i[1] 1", "depends on input 2");
}

TEST(padding)
{
    expect("Pad", "", "f[2] 1 2|i[2] 1 2", "f[5] 0 1 2 0 0");
    expect("Pad", "", "i[2,1] 1 2|i[4] 0 1 0 0|i[] 9", "i[2,2] 9 1 9 2");
    expect("Pad", "", "f[3] 1 2 3|i[2] -1 1|f[] 7", "f[3] 2 3 7");
    expect("Pad", "", "f[1] 1|i[2] -3 4|f[] 7", "f[2] 7 7");
    expect("Pad@2", "pads=1,0 value=2.5", "f[1] 1", "f[2] 2.5 1");
    expect("Pad", "", "f[1,2] 1 2|i[2] 0 1||i[1] -1", "f[1,3] 1 2 0");
    expect("Pad", "mode=constant", "f[2]?|i[2] 1 2", "f[5]?");
    refuse("Pad", "", "f[2]?|i[2] -3 0", "dimension 0 is -1");
    refuse("Pad", "", "f[2]?|i[3] 0 0 0", "3 pads");
    refuse("Pad", "", "f[2]?|i[2] 0 9223372036854775807", "more than an array can have");
    refuse("Pad", "mode=edge", "f[2]?|i[2] 0 0", "mode");
}

TEST(gathers)
{
    expect("Gather", "", "f[3,2] 1 2 3 4 5 6|i[2] 2 -3", "f[2,2] 5 6 1 2");
    expect("Gather", "axis=1", "i[2,3] 1 2 3 4 5 6|i[] 1", "i[2] 2 5");
    expect("Gather", "axis=-1", "f[2,2] 1 2 3 4|i[1,3] 0 1 0", "f[2,1,3] 1 2 1 3 4 3");
    expect("Gather", "", "i8[3,2] 1 2 3 4 5 -6|i[1] 2", "i[1,2] 5 -6");
    expect("Gather", "", "f16[2] 2 4|i[1] 1", "f[1] 4");
    expect("Gather", "", "b[2] 0 7|i[1] 1", "i[1] 1");
    expect("Gather", "", "f[3,2] 1 2 3 4 5 6|i[4]?", "f[4,2]?");
    expect("Gather", "", "f[3,2]?|i[1] 1", "f[1,2]?");
    refuse("Gather", "", "f[3,2] 1 2 3 4 5 6|i[1] 3", "index 3 is outside a dimension of 3");
    refuse("Gather", "", "f[3] 1 2 3|i[1] -4", "index -4");
    refuse("Gather", "axis=2", "f[3,2]?|i[1] 0", "axis 2");
    refuse("Gather", "", "f[0]|i[1] 0", "index 0 is outside a dimension of 0");
    refuse("Gather", "", "f[1,1,1,1,1] 1|i[1,1,1,1,1] 0", "too many dimensions");
    expect("GatherElements", "axis=1", "f[2,2] 1 2 3 4|i[2,3] 0 0 1 1 -1 0", "f[2,3] 1 1 2 4 4 3");
    expect("GatherElements", "", "i[3,2] 1 2 3 4 5 6|i[1,2] 2 0", "i[1,2] 5 2");
    refuse("GatherElements", "", "f[2] 1 2|i[1] 2", "index 2");
    refuse("GatherElements", "", "f[2,2] 1 2 3 4|i[1,3] 0 0 0", "do not fit");
    expect("GatherND", "", "f[2,2] 1 2 3 4|i[2,2] 0 0 1 1", "f[2] 1 4");
    expect("GatherND", "", "i[2,2] 1 2 3 4|i[1,1] -1", "i[1,2] 3 4");
    expect("GatherND", "batch_dims=1", "f[2,2,2] 1 2 3 4 5 6 7 8|i[2,1] 1 0", "f[2,2] 3 4 5 6");
    expect("GatherND", "", "f[2,2] 1 2 3 4|i[3,1]?", "f[3,2]?");
    refuse("GatherND", "", "f[2,2] 1 2 3 4|i[1,2] 0 2", "index 2");
    refuse("GatherND", "", "f[2] 1 2|i[1,2] 0 0", "indices of shape [1,2]");
    refuse("GatherND", "", "f[2] 1 2|i[] 0", "does not fit");
    refuse("GatherND", "batch_dims=1", "f[2,2] 1 2 3 4|i[1,1] 0", "does not fit");
}

TEST(scatters)
{
    expect("ScatterND", "", "f[4] 1 2 3 4|i[2,1] 3 0|f[2] 9 8", "f[4] 8 2 3 9");
    expect("ScatterND", "reduction=none", "i[2,2] 1 2 3 4|i[1,1] -1|i[1,2] 7 8", "i[2,2] 1 2 7 8");
    expect("ScatterND", "", "f[4]?|i[2,1] 3 0|f[2] 9 8", "f[4]?");
    refuse("ScatterND", "", "f[4] 1 2 3 4|i[1,1] 4|f[1] 9", "index 4");
    refuse("ScatterND", "", "f[4] 1 2 3 4|i[] 0|f[4] 1 2 3 4", "single number");
    refuse("ScatterND", "", "f[4] 1 2 3 4|i[1,1] 0|f[2] 9 9", "updates of shape [2]");
    refuse("ScatterND", "", "f[4] 1 2 3 4|i[1,1] 0|i[1] 9", "updates");
    refuse("ScatterND", "reduction=add", "f[1] 1|i[1,1] 0|f[1] 9", "reduction");
    expect("ScatterElements", "axis=1", "f[1,3] 1 2 3|i[1,2] 2 -3|f[1,2] 9 8", "f[1,3] 8 2 9");
    expect("ScatterElements", "", "i[2,1] 1 2|i[1,1] 1|i[1,1] 5", "i[2,1] 1 5");
    expect("Scatter@9", "", "f[2] 1 2|i[1] 1|f[1] 5", "f[2] 1 5");
    refuse("ScatterElements", "", "f[2] 1 2|i[1] 2|f[1] 5", "index 2");
    refuse("ScatterElements", "", "f[2] 1 2|i[1] 1|f[2] 5 6", "updates of shape [2]");
}

TEST(fills)
{
    expect("Range", "", "i[] 1|i[] 6|i[] 2", "i[3] 1 3 5");
    expect("Range", "", "i[] 3|i[] 0|i[] -1", "i[3] 3 2 1");
    expect("Range", "", "f[] 0|f[] 1|f[] 0.25", "f[4] 0 0.25 0.5 0.75");
    expect("Range", "", "i[] 3|i[] 0|i[] 1", "i[0]");
    expect("Range", "", "i[] -9223372036854775808|i[] 9223372036854775807|i[] 9223372036854775807",
           "i[3] -9223372036854775808 -1 9223372036854775806");
    refuse("Range", "", "i[] 3|i[] 4|i[] 0", "never");
    refuse("Range", "", "f[] 3|f[] 4|f[] 0", "never");
    refuse("Range", "", "f[] 0|f[] nan|f[] 1", "never");
    refuse("Range", "", "i[] 0|i[] 9223372036854775807|i[] 1", "too many");
    refuse("Range", "", "i[]?|i[] 4|i[] 1", "depends on");
    refuse("Range", "", "i[] 0|f[] 4|i[] 1", "holds floats");
    expect("ConstantOfShape", "", "i[2] 1 2", "f[1,2] 0 0");
    expect("ConstantOfShape", "", "i[0]", "f[] 0");
    expect_with("ConstantOfShape", "", "i[1] 7", "i[1] 3", "i[3] 7 7 7");
    refuse("ConstantOfShape", "", "i[1]?", "depends on");
    refuse("ConstantOfShape", "", "i[1] -1", "dimension of -1");
    refuse("ConstantOfShape", "", "i[3] 1048576 1048576 1048576", "at most");
    refuse("ConstantOfShape", "value=1", "i[1] 1", "value");
    expect("Constant", "value_int=4", "", "i[] 4");
    expect("Constant", "value_ints=4,5", "", "i[2] 4 5");
    expect("Constant", "value_float=0.5", "", "f[] 0.5");
    expect("Constant", "value_floats=0.5,2", "", "f[2] 0.5 2");
    expect_with("Constant", "", "f[2] 3 4", "", "f[2] 3 4");
    refuse("Constant", "value_string=text", "", "no value");
    expect("EyeLike", "", "f[2,3]?", "f[2,3] 1 0 0 0 1 0");
    expect("EyeLike", "k=-1 dtype=7", "f[2,2] 0 0 0 0", "i[2,2] 0 0 1 0");
    expect("EyeLike", "k=1", "i[2,2] 0 0 0 0", "i[2,2] 0 1 0 0");
    expect("EyeLike", "k=9223372036854775807", "i[1,1] 5", "i[1,1] 0");
    refuse("EyeLike", "", "f[2]?", "matrix");
}

TEST(other_moves)
{
    expect("Trilu", "", "f[2,3] 1 2 3 4 5 6", "f[2,3] 1 2 3 0 5 6");
    expect("Trilu", "upper=0", "i[1,2,2] 1 2 3 4|i[] 0", "i[1,2,2] 1 0 3 4");
    expect("Trilu", "", "f[2,2] 1 2 3 4|i[] 1", "f[2,2] 0 2 0 0");
    expect("Trilu", "upper=0", "f[2,2] 1 2 3 4|i[] -9223372036854775808", "f[2,2] 0 0 0 0");
    expect("Trilu", "", "f[2,2] 1 2 3 4|i[]?", "f[2,2]?");
    refuse("Trilu", "", "f[2] 1 2", "matrices");
    expect("CumSum", "", "f[3] 1 2 3|i[] 0", "f[3] 1 3 6");
    expect("CumSum", "exclusive=1", "i[2,2] 1 2 3 4|i[1] 1", "i[2,2] 0 1 0 3");
    expect("CumSum", "reverse=1", "f[2,2] 1 2 3 4|i[] -2", "f[2,2] 4 6 3 4");
    expect("CumSum", "reverse=1 exclusive=1", "f[3] 1 2 3|i[] 0", "f[3] 5 3 0");
    expect("CumSum", "", "f[2]?|i[] 0", "f[2]?");
    refuse("CumSum", "", "f[3] 1 2 3|i[] 1", "axis 1");
    expect("OneHot", "", "i[2] 1 -3|i[] 3|f[2] 0 9", "f[2,3] 0 9 0 9 0 0");
    expect("OneHot", "axis=0", "i[2] 1 5|f[1] 2|i[2] 0 1", "i[2,2] 0 0 1 0");
    expect("OneHot", "", "i[2]?|i[] 3|f[2] 0 9", "f[2,3]?");
    refuse("OneHot", "", "i[2] 1 0|i[]?|f[2] 0 9", "depends on");
    refuse("OneHot", "", "i[2] 1 0|i[] -1|f[2] 0 9", "depth -1");
    refuse("OneHot", "axis=2", "i[2] 1 0|i[] 3|f[2] 0 9", "axis 2");
    refuse("OneHot", "", "i[2] 1 0|i[] 3|f[3] 0 9 1", "values of shape [3]");
    expect("NonZero", "", "f[2,2] 1 0 0 2", "i[2,2] 0 1 0 1");
    expect("NonZero", "", "i[3] 0 0 5", "i[1,1] 2");
    expect("NonZero", "", "i[] 5", "i[1,1] 0");
    refuse("NonZero", "", "f[2]?", "depends on the input");
}

/* --------------------------------------------------------------------------------- reductions --
 */

TEST(reductions)
{
    const char *cube = "f[2,2,2] 1 2 3 4 5 6 7 8";
    expect("ReduceSum", "", cube, "f[1,1,1] 36");
    expect("ReduceSum", "keepdims=0", "f[2,2,2] 1 2 3 4 5 6 7 8|i[2] 0 -1", "f[2] 14 22");
    expect("ReduceSum", "", "f[2,2,2] 1 2 3 4 5 6 7 8|i[1] 1", "f[2,1,2] 4 6 12 14");
    expect("ReduceSum", "noop_with_empty_axes=1", "f[2] 1 2|i[0]", "f[2] 1 2");
    expect("ReduceSum", "noop_with_empty_axes=1", "f[2] 1 2", "f[2] 1 2");
    expect("ReduceSum", "", "i[2] 9223372036854775807 1|i[1] 0", "i[1] -9223372036854775808");
    expect("ReduceSum", "", "f[2,0]|i[1] 1", "f[2,1] 0 0");
    expect("ReduceSum", "keepdims=0", "f[2,3]?|i[1] 1", "f[2]?");
    expect("ReduceSum", "", "f[] 3", "f[] 3");
    expect("ReduceMean@11", "axes=-1 keepdims=0", cube, "f[2,2] 1.5 3.5 5.5 7.5");
    expect("ReduceMean", "", "i[3] 1 2 4", "i[1] 2");
    expect("ReduceMax@11", "axes=0", cube, "f[1,2,2] 5 6 7 8");
    expect("ReduceMax", "", "i[3] 1 7 4", "i[1] 7");
    expect("ReduceMax", "", "f[3] 1 nan 4", "f[1] nan");
    expect("ReduceMin@11", "axes=0,1", cube, "f[1,1,2] 1 2");
    expect("ReduceMin", "keepdims=0", "i[3] 1 -7 4", "i[] -7");
    expect("ReduceProd", "", "f[2,2] 1 2 3 4|i[1] 0", "f[1,2] 3 8");
    expect("ReduceProd", "", "i[3] 2 3 4", "i[1] 24");
    expect("ReduceL1", "", "f[2] -1 2", "f[1] 3");
    expect("ReduceL1", "", "i[2] -1 2", "i[1] 3");
    expect("ReduceL2", "", "f[2] 3 -4", "f[1] 5");
    expect("ReduceL2", "", "i[2] 3 -4", "i[1] 5");
    expect("ReduceSumSquare", "", "f[2] 3 -4", "f[1] 25");
    expect("ReduceSumSquare", "", "i[2] 3 -4", "i[1] 25");
    expect("ReduceLogSumExp", "", "f[2] 1000 1000", "f[1] 1000.693147");
    expect("ReduceLogSumExp", "", "f[2] -inf -inf", "f[1] -inf");
    refuse("ReduceSum", "", "f[2]?|i[1] 1", "axis 1");
    refuse("ReduceSum", "", "f[2,2]?|i[2] 1 -1", "named twice");
    refuse("ReduceSum", "", "f[2]?|i[1]?", "depends on input 2 (axes)");
    refuse("ReduceLogSumExp", "", "i[2] 1 2", "not defined for integers");
    expect("ArgMax", "", "f[2,2] 1 4 3 2", "i[1,2] 1 0");
    expect("ArgMax", "axis=1 keepdims=0", "i[2,3] 1 4 4 3 2 3", "i[2] 1 0");
    expect("ArgMax", "axis=1 keepdims=0 select_last_index=1", "i[2,3] 1 4 4 3 2 3", "i[2] 2 2");
    expect("ArgMin", "axis=-1", "f[3] 3 1 2", "i[1] 1");
    expect("ArgMin", "", "f[3]?", "i[1]?");
    refuse("ArgMax", "", "f[0]", "no elements");
    refuse("ArgMax", "axis=1", "f[2]?", "axis 1");
}

TEST(softmax)
{
    expect("Softmax", "", "f[2,2] 0 0 1 2", "f[2,2] 0.5 0.5 0.26894142 0.73105858");
    expect("Softmax", "axis=0", "f[2,2] 0 1 0 2", "f[2,2] 0.5 0.26894142 0.5 0.73105858");
    expect("Softmax", "axis=1", "f[1,2,2] 0 1 0 2", "f[1,2,2] 0.5 0.26894142 0.5 0.73105858");
    expect("Softmax@11", "", "f[1,2,2] 0 0 0 0", "f[1,2,2] 0.25 0.25 0.25 0.25");
    expect("Softmax@11", "axis=2", "f[1,2,2] 0 0 0 0", "f[1,2,2] 0.5 0.5 0.5 0.5");
    expect("Softmax", "", "f[2,2] -inf -inf 0 -inf", "f[2,2] nan nan 1 0");
    expect("Softmax", "", "f[1,2] 1000 1000", "f[1,2] 0.5 0.5");
    expect("Softmax", "", "f[2,0]", "f[2,0]");
    expect("Softmax", "", "f[2,3]?", "f[2,3]?");
    expect("LogSoftmax", "", "f[2] 0 0", "f[2] -0.69314718 -0.69314718");
    expect("LogSoftmax", "axis=0", "f[2,1] 1000 0", "f[2,1] 0 -1000");
    refuse("Softmax", "axis=2", "f[2,3]?", "axis 2");
    refuse("Softmax", "", "f[] 1", "no axis -1 in 0");
    refuse("Softmax", "", "i[1] 1", "holds integers");
}

TEST(norms)
{
    expect("LayerNormalization", "epsilon=0", "f[2,2] 1 3 5 5.5|f[2] 1 2|f[2] 10 20",
           "f[2,2] 9 22 9 22");
    expect("LayerNormalization", "axis=0 epsilon=0", "f[2,1] 1 3|f[] 1", "f[2,1] -1 1");
    expect("LayerNormalization", "epsilon=3", "f[1,2] 1 3|f[2] 1 1",
           "f[1,2] -0.5 0.5|f[1,1] 2|f[1,1] 0.5");
    expect("LayerNormalization", "epsilon=3", "f[1,2] 1 3|f[2] 1 1", "f[1,2] -0.5 0.5||f[1,1] 0.5");
    expect("LayerNormalization", "axis=1", "f[2,3,4]?|f[3,4]?|f[4]?",
           "f[2,3,4]?|f[2,1,1]?|f[2,1,1]?");
    expect("LayerNormalization", "", "f[1,2] 1 3|f[2]?", "f[1,2]?");
    expect("LayerNormalization", "", "f[0,2]|f[2] 1 1", "f[0,2]");
    refuse("LayerNormalization", "", "f[1,2]?|f[3] 1 1 1", "a parameter of shape [3]");
    refuse("LayerNormalization", "", "f[1,2]?|f[2]?|f[1,2]?", "a parameter of shape [1,2]");
    refuse("LayerNormalization", "axis=2", "f[1,2]?|f[2]?", "axis 2");
    expect("LpNormalization", "", "f[2,2] 3 4 0 0", "f[2,2] 0.6 0.8 0 0");
    expect("LpNormalization", "axis=0 p=1", "f[2,2] 1 1 3 -1", "f[2,2] 0.25 0.5 0.75 -0.5");
    refuse("LpNormalization", "p=3", "f[2,2]?", "p is 3");
}

/* ----------------------------------------------------------------------------------- products --
 */

TEST(products)
{
    expect("MatMul", "", "f[2,3] 1 2 3 4 5 6|f[3,2] 1 0 0 1 1 1", "f[2,2] 4 5 10 11");
    expect("MatMul", "", "f[3] 1 2 3|f[3] 4 5 6", "f[] 32");
    expect("MatMul", "", "f[2] 1 2|f[2,2] 1 2 3 4", "f[2] 7 10");
    expect("MatMul", "", "f[2,2] 1 2 3 4|f[2] 1 2", "f[2] 5 11");
    expect("MatMul", "", "f[2,1,2] 1 2 3 4|f[2,1] 1 2", "f[2,1,1] 5 11");
    expect("MatMul", "", "f[2,1,1,2] 1 2 3 4|f[2,2,1] 1 2 3 4", "f[2,2,1,1] 5 11 11 25");
    expect("MatMul", "", "f[2,0]|f[0,2]", "f[2,2] 0 0 0 0");
    expect("MatMul", "", "f[5,2,3]?|f[3,4]?", "f[5,2,4]?");
    refuse("MatMul", "", "f[2,3]?|f[2,3]?", "cannot be multiplied");
    refuse("MatMul", "", "f[2,1,2]?|f[3,2,1]?", "does not fit");
    refuse("MatMul", "", "f[] 1|f[1] 1", "single number");
    expect("Gemm", "", "f[1,2] 1 2|f[2,2] 1 2 3 4", "f[1,2] 7 10");
    expect("Gemm", "transB=1", "f[1,2] 1 2|f[2,2] 1 2 3 4|f[2] 10 20", "f[1,2] 15 31");
    expect("Gemm", "transA=1 alpha=2 beta=0.5", "f[2,1] 1 2|f[2,2] 1 2 3 4|f[] 10", "f[1,2] 19 25");
    expect("Gemm", "", "f[2,1] 1 2|f[1,2] 1 2|f[2,1] 10 20", "f[2,2] 11 12 22 24");
    expect("Gemm", "", "f[2,3]?|f[3,4]?|f[4]?", "f[2,4]?");
    refuse("Gemm", "transB=1", "f[2,3]?|f[3,4]?", "cannot be multiplied");
    refuse("Gemm", "", "f[2,3]?|f[3,4]?|f[3] 1 2 3", "does not fit an output of [2,4]");
    refuse("Gemm", "", "f[3]?|f[3,4]?", "cannot be multiplied");
}

TEST(random_products)
{
    uint32_t state = 3;
    fault_text fault = {{0}};
    static const int64_t sizes[][3] = {{1, 1, 1},    {5, 7, 3},    {4, 16, 8},
                                       {9, 33, 513}, {3, 2, 1100}, {130, 5, 2}};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        test_call call;
        int64_t m = sizes[s][0], depth = sizes[s][1], n = sizes[s][2];
        call_open(&call, "MatMul", "", "", 1);
        call.operation.n_inputs = 2;
        graph_array *a = call.inputs[0] = array_new(ARRAY_FLOAT, 2, (int64_t[]){m, depth}, &fault);
        graph_array *b = call.inputs[1] = array_new(ARRAY_FLOAT, 2, (int64_t[]){depth, n}, &fault);
        for (int64_t i = 0; i < a->count; i++)
            a->floats[i] = random_uniform(&state, -1, 1);
        for (int64_t i = 0; i < b->count; i++)
            b->floats[i] = random_uniform(&state, -1, 1);
        CHECK(call_run(&call), "%s", call.fault.text);
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++) {
                float sum = 0;
                for (int64_t k = 0; k < depth; k++)
                    sum += a->floats[i * depth + k] * b->floats[k * n + j];
                CHECK(call.outputs[0]->floats[i * n + j] == sum, "%lld,%lld of %lldx%lldx%lld",
                      (long long)i, (long long)j, (long long)m, (long long)depth, (long long)n);
            }
        call_close(&call);
    }
}

TEST(convolutions)
{
    expect("Conv", "", "f[1,1,4] 1 2 3 4|f[1,1,2] 1 10", "f[1,1,3] 21 32 43");
    expect("Conv", "pads=1,1 strides=2", "f[1,1,4] 1 2 3 4|f[1,1,3] 1 1 1|f[1] 100",
           "f[1,1,2] 103 109");
    expect("Conv", "dilations=2 kernel_shape=2 auto_pad=NOTSET", "f[1,1,4] 1 2 3 4|f[1,1,2] 1 10",
           "f[1,1,2] 31 42");
    expect("Conv", "group=2", "f[1,2,2] 1 2 3 4|f[2,1,1] 10 100", "f[1,2,2] 10 20 300 400");
    expect("Conv", "", "f[2,2,1] 1 2 3 4|f[1,2,1] 1 10", "f[2,1,1] 21 43");
    expect("Conv", "pads=0,3 dilations=3", "f[1,1,1] 5|f[1,1,2] 1 10", "f[1,1,1] 5");
    expect("Conv", "pads=3,0 dilations=3", "f[1,1,1] 5|f[1,1,2] 1 10", "f[1,1,1] 50");
    expect("Conv", "pads=3,3", "f[1,1,1] 5|f[1,1,1] 2", "f[1,1,7] 0 0 0 10 0 0 0");
    expect("Conv", "", "f[1,3,9]?|f[4,3,2]?", "f[1,4,8]?");
    refuse("Conv", "", "f[1,1,2]?|f[1,1,3]?", "longer than the input");
    refuse("Conv", "", "f[1,2,2]?|f[1,1,1]?", "do not fit an input");
    refuse("Conv", "group=0", "f[1,2,2]?|f[1,1,1]?", "0 groups");
    refuse("Conv", "strides=0", "f[1,1,2]?|f[1,1,1]?", "strides has 0");
    refuse("Conv", "pads=1", "f[1,1,2]?|f[1,1,1]?", "pads has 1 numbers");
    refuse("Conv", "dilations=9223372036854775807", "f[1,1,2]?|f[1,1,2]?", "dilations has");
    refuse("Conv", "kernel_shape=2", "f[1,1,2]?|f[1,1,1]?", "do not fit");
    refuse("Conv", "auto_pad=SAME_UPPER", "f[1,1,2]?|f[1,1,1]?", "auto_pad");
    refuse("Conv", "", "f[1,1,2,2]?|f[1,1,1,1]?", "one axis");
    refuse("Conv", "", "f[1,1,2]?|f[1,1,1]?|f[2]?", "a bias of shape [2]");
}

TEST(einstein_sums)
{
    const char *two = "f[2,2] 1 2 3 4|f[2,2] 5 6 7 8";
    expect("Einsum", "equation=ij,jk->ik", two, "f[2,2] 19 22 43 50");
    expect("Einsum", "equation=ij,kj->ki", two, "f[2,2] 17 39 23 53");
    expect("Einsum", "equation=ij,ij->", two, "f[] 70");
    expect("Einsum", "equation=ij,ij->ji", two, "f[2,2] 5 21 12 32");
    expect("Einsum", "equation=ij,kl->k", two, "f[2] 110 150");
    expect("Einsum", "equation=ii->i", "f[2,2] 1 2 3 4", "f[2] 1 4");
    expect("Einsum", "equation=ij->ji", "f[2,3] 1 2 3 4 5 6", "f[3,2] 1 4 2 5 3 6");
    expect("Einsum", "equation=ij->i", "f[2,3] 1 2 3 4 5 6", "f[2] 6 15");
    expect("Einsum", "equation=i,j->ij", "f[2] 1 2|f[3] 1 2 3", "f[2,3] 1 2 3 2 4 6");
    expect("Einsum", "equation=bhid,bhjd->bhij", "f[1,2,1,2] 1 2 3 4|f[1,2,1,2] 5 6 7 8",
           "f[1,2,1,1] 17 53");
    expect("Einsum", "equation=bih,bjh->bij", "f[2,3,4]?|f[2,5,4]?", "f[2,3,5]?");
    expect("Einsum", "equation=i,i->", "f[0]|f[0]", "f[] 0");
    refuse("Einsum", "equation=ij,jk->ik", "f[2,3]?|f[2,3]?", "'j' stands for 3 and for 2");
    refuse("Einsum", "equation=ij->ik", "f[2,3]?", "'k'");
    refuse("Einsum", "equation=ij->ii", "f[2,3]?", "'i'");
    refuse("Einsum", "equation=ijk->i", "f[2,3]?", "operand 'ijk'");
    refuse("Einsum", "equation=ij,j", "f[2,3]?|f[3]?", "expected one or two");
    refuse("Einsum", "equation=...i->i", "f[2]?", "expected one or two");
    refuse("Einsum", "equation=i,i,i->i", "f[2]?|f[2]?", "expected one or two");
    refuse("Einsum", "equation=i->i", "f[2]?|f[2]?", "1 operands");
    refuse("Einsum", "equation=abcdefghi->a", "f[2]?", "expected one or two");
    refuse("Einsum", "", "f[2]?", "no equation");
    refuse("Einsum", "equation=ab,cd->", "f[2,2]?|f[2]?", "operand 'cd'");
    refuse("Einsum", "equation=i,j->", "f[40000]|f[40000]", "too many terms");
}

/* ------------------------------------------------------------------------------------ lowered --
 */

TEST(dequantizing)
{
    expect("bert:Dequantize", "", "i8[2,2] -1 2 3 4|f[] 0.5|i8[] 1", "f[2,2] -1 0.5 1 1.5");
    expect("bert:Dequantize", "", "i8[2,2] -1 2 3 4|f[2] 1 10", "f[2,2] -1 20 3 40");
    expect("bert:Dequantize", "axis=0", "u8[2,2] 255 2 3 4|f[2] 1 10|u8[2] 1 2",
           "f[2,2] 254 1 10 20");
    expect("bert:Dequantize", "axis=-1", "i32[3] 100000 2 3|f[3] 1 10 100", "f[3] 100000 20 300");
    expect("bert:Dequantize", "axis=1 block_size=2", "i8[2,4] 1 2 3 4 5 6 7 8|f[2,2] 1 10 100 1000",
           "f[2,4] 1 2 30 40 500 600 7000 8000");
    expect("bert:Dequantize", "axis=0 block_size=2",
           "i8[3,2] 1 2 3 4 5 6|f[2,2] 1 10 100 1000|i8[2,2] 0 1 2 3", "f[3,2] 1 10 3 30 300 3000");
    expect("bert:Dequantize", "", "f[2] 1.5 2|f[] 2|i[] 7", "f[2] 3 4");
    expect("bert:Dequantize", "", "i[2] 3 4|f[] 2", "f[2] 6 8");
    expect("bert:Dequantize", "", "i[2,3]?|f[3] 1 2 3", "f[2,3]?");
    expect("bert:Dequantize", "", "i[0,3]|f[] 2", "f[0,3]");
    refuse("bert:Dequantize", "", "i8[2,2] 1 2 3 4|f[3] 1 2 3", "scales of shape [3]");
    refuse("bert:Dequantize", "", "i8[2] 1 2|f[2] 1 2", "axis 1");
    refuse("bert:Dequantize", "", "i8[2,2] 1 2 3 4|f[2] 1 2|i8[] 1", "zero points");
    refuse("bert:Dequantize", "block_size=2", "i8[2,2] 1 2 3 4|f[2,2] 1 1 1 1", "in blocks of 2");
    refuse("bert:Dequantize", "block_size=9223372036854775807", "i8[2,2] 1 2 3 4|f[2,1] 1 1",
           "in blocks of");
    expect("bert:Integers", "", "i8[2,2] -1 2 3 4", "f[2,2] -1 2 3 4");
    expect("bert:Integers", "", "u8[2,2] 255 2 3 4|u8[] 128", "f[2,2] 127 -126 -125 -124");
    expect("bert:Integers", "", "u8[2,2] 255 2 3 4|u8[2] 1 2", "f[2,2] 254 0 2 2");
    expect("bert:Integers", "", "f[1] 2.5", "f[1] 2.5");
    expect("bert:Integers", "", "i[2]?|u8[] 1", "f[2]?");
    refuse("bert:Integers", "", "u8[2,2] 1 2 3 4|u8[3] 1 2 3", "zero points of shape [3]");
}

TEST(unpacking)
{
    /* Two columns, K = 3 in blocks of 2: the last place of the second block is not used. */
    expect("bert:UnpackNBits", "K=3 N=2 bits=4 block_size=2",
           "u8[2,2,1] 152 10 16 15|f[4] 1 10 100 1000", "f[3,2] 0 -800 1 -700 20 7000");
    expect("bert:UnpackNBits", "K=3 N=2 bits=4 block_size=2",
           "u8[4] 152 10 16 15|f[2,2] 1 10 100 1000|u8[2] 33 1", "f[3,2] 7 -100 8 0 80 15000");
    expect("bert:UnpackNBits", "K=2 N=1 bits=8 block_size=2", "u8[1,1,2] 128 255|f[1] 2",
           "f[2,1] 0 254");
    expect("bert:UnpackNBits", "K=2 N=1 bits=8 block_size=2", "u8[1,1,2] 128 255|f[1] 2|u8[1] 255",
           "f[2,1] -254 0");
    expect("bert:UnpackNBits", "K=2 N=1 bits=8 block_size=2", "u8[1,1,2] 1 2|f[1] 2|f[1] 0.5",
           "f[2,1] 1 3");
    expect("bert:UnpackNBits", "K=4 N=1 bits=2 block_size=4", "u8[1,1,1] 228|f[1] 1",
           "f[4,1] -2 -1 0 1");
    expect("bert:UnpackNBits", "K=4 N=5 block_size=4", "i[5,1,2]?|f[5]?", "f[4,5]?");
    refuse("bert:UnpackNBits", "K=4 N=1 block_size=4", "u8[1,1,1] 1|f[1] 1", "weights of shape");
    refuse("bert:UnpackNBits", "K=4 N=1 block_size=4", "u8[1,1,2] 1 1|f[2] 1 1", "scales of [2]");
    refuse("bert:UnpackNBits", "K=4 N=1 block_size=4", "u8[1,1,2] 1 1|f[1] 1|u8[2] 1 1",
           "zero points of shape [2]");
    refuse("bert:UnpackNBits", "K=4 N=1 bits=3 block_size=8", "u8[3] 1 1 1|f[1] 1", "3 bits");
    refuse("bert:UnpackNBits", "K=4 N=0 block_size=4", "u8[1] 1|f[1] 1", "N is 0");
    refuse("bert:UnpackNBits", "K=1073741824 N=1073741824 block_size=1073741824", "u8[1] 1|f[1] 1",
           "weights of shape");
}

TEST(attention_masks)
{
    const char *filled = "f[2,1,1,3] 0 0 -10000 0 -10000 -10000";
    expect("bert:AttentionMask", "", "i[2] 2 1|f[2,4,3,3]?", filled);
    expect("bert:AttentionMask", "", "i[2,3] 1 1 0 1 0 0|f[2,4,3,3]?", filled);
    expect("bert:AttentionMask", "filter=-5", "i[4] 3 2 1 0|f[2,1,1,3]?",
           "f[2,1,1,3] -5 0 0 0 0 -5");
    expect("bert:AttentionMask", "", "i[1,2,2] 1 0 1 1|f[1,4,2,2]?", "f[1,1,2,2] 0 -10000 0 0");
    expect("bert:AttentionMask", "", "i[1,1,2,2] 1 0 1 1|f[1,4,2,2]?", "f[1,1,2,2] 0 -10000 0 0");
    expect("bert:AttentionMask", "", "i[2,3]?|f[2,4,5,3]?", "f[2,1,1,3]?");
    refuse("bert:AttentionMask", "", "i[2,2] 1 1 1 1|f[2,4,3,3]?", "a mask of shape [2,2]");
    refuse("bert:AttentionMask", "", "i[8] 1 1 1 1 1 1 1 1|f[2,4,3,3]?", "a mask of shape [8]");
    refuse("bert:AttentionMask", "", "i[2] 1 1|f[2,3,3]?", "scores of shape [2,3,3]");
    expect("bert:MaskToFloat", "", "i[3] 0 1 2", "f[3] -3e38 0 0");
    expect("bert:MaskToFloat", "", "f[2] 0 -1", "f[2] 0 -1");
    expect("bert:MaskToFloat", "", "i[3]?", "f[3]?");
    expect("bert:SwapLast", "", "f[2,3] 1 2 3 4 5 6", "f[3,2] 1 4 2 5 3 6");
    expect("bert:SwapLast", "", "f[2,1,2] 1 2 3 4", "f[2,2,1] 1 2 3 4");
    expect("bert:SwapLast", "", "f[4,2,3]?", "f[4,3,2]?");
    refuse("bert:SwapLast", "", "f[3]?", "");
}

/* ------------------------------------------------------------------------------------- arrays --
 */

TEST(arrays_share_their_elements)
{
    fault_text fault = {{0}};
    graph_array *a = array_new(ARRAY_FLOAT, 2, (int64_t[]){2, 3}, &fault);
    a->floats[5] = 7;
    graph_array *b = array_reshaped(a, 1, (int64_t[]){6}, &fault), *c = array_share(b);
    CHECK(b->floats == a->floats, "a reshaped array has elements of its own");
    array_release(a);
    array_release(b);
    CHECK(array_floats(c, &fault)[5] == 7 && !array_integers(c, &fault), "elements are lost");
    CHECK(!array_reshaped(c, 1, (int64_t[]){7}, &fault) && strstr(fault.text, "6 elements"), "%s",
          fault.text);
    array_release(c);
    array_release(NULL);
}

static graph_array *count_up(void *argument, size_t index, fault_text *fault)
{
    graph_array *array = array_new(ARRAY_FLOAT, 1, (int64_t[]){*(int64_t *)argument}, fault);
    for (int64_t i = 0; array && i < array->count; i++)
        array->floats[i] = (float)(i + (int64_t)index);
    return array;
}

TEST(what_can_be_had_again_is_forgotten)
{
    enum { N = 1 << 16 };
    static float numbers[N] = {[N - 1] = 7};
    fault_text fault = {{0}};
    int64_t n = N;
    stored_tensor tensor = {.name = "",
                            .type = STORED_F32,
                            .rank = 1,
                            .dims = {N},
                            .count = N,
                            .n_bytes = sizeof numbers,
                            .data = numbers};
    graph_array *stored = array_of_tensor(&tensor, &fault);
    graph_array *made = array_of_maker(ARRAY_FLOAT, 1, &n, (array_maker){count_up, &n, 3}, &fault);
    graph_array *both[] = {stored, made};
    for (int i = 0; i < 2; i++) {
        float last = i == 0 ? 7 : N + 2;
        graph_array *again = array_reshaped(both[i], 2, (int64_t[]){N / 2, 2}, &fault);
        CHECK(!array_is_resident(both[i]), "elements are there before they are asked for");
        CHECK(array_floats(both[i], &fault)[N - 1] == last, "%s", fault.text);
        CHECK(array_is_resident(both[i]) && !array_is_resident(again), "residence is wrong");
        array_drop(both[i]);
        CHECK(!array_is_resident(both[i]), "elements are kept");
        CHECK(array_floats(both[i], &fault)[N - 1] == last, "%s", fault.text);
        CHECK(array_floats(again, &fault)[N - 1] == last, "%s", fault.text);
        array_release(again);
        array_release(both[i]);
    }
    graph_array *own = array_new(ARRAY_FLOAT, 1, &n, &fault);
    array_drop(own);
    CHECK(array_is_resident(own), "elements are lost for good");
    array_release(own);
}

TEST(absurd_arrays_are_refused)
{
    static const int64_t bad[][3] = {
        {-1, 1, 1}, {0, INT64_MAX, INT64_MAX}, {1 << 20, 1 << 20, 1 << 20}, {INT64_MAX, 2, 2}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fault_text fault = {{0}};
        CHECK(!array_new(ARRAY_FLOAT, 3, bad[i], &fault) && fault.text[0], "case %zu", i);
        CHECK(!array_new_hollow(ARRAY_FLOAT, 3, bad[i], &fault), "case %zu, hollow", i);
    }
    fault_text fault = {{0}};
    CHECK(!array_new(ARRAY_FLOAT, 9, (int64_t[9]){1}, &fault) && strstr(fault.text, "9 dimensions"),
          "%s", fault.text);
}

/* -------------------------------------------------------------------------------- random nodes --
 */

static const operator_kind *const tables[] = {
    operators_elementwise, operators_shape,   operators_gather, operators_fill,
    operators_reduce,      operators_product, operators_lowered};
#define N_TABLES (sizeof tables / sizeof *tables)

/* Numbers as they should be, as they might be by mistake, and as only malice has them. */
static int64_t random_number(uint32_t *state)
{
    static const int64_t odd[] = {INT64_MIN,        INT64_MAX,           INT64_MIN + 1,
                                  INT64_C(1) << 40, -(INT64_C(1) << 40), INT64_C(1) << 62};
    uint32_t r = random_u32(state) % 64;
    return r < sizeof odd / sizeof *odd ? odd[r] : (int64_t)(r % 7) - 2;
}

static graph_array *random_array(uint32_t *state, const graph_array *like)
{
    fault_text fault = {{0}};
    int64_t dims[ARRAY_MAX_RANK];
    uint32_t rank = random_u32(state) % (random_u32(state) % 8 ? 4 : ARRAY_MAX_RANK + 1);
    for (uint32_t i = 0; i < rank; i++)
        dims[i] = random_u32(state) % 16 ? 1 + random_u32(state) % 3 : 0;
    if (like && random_u32(state) % 2) {
        rank = like->rank;
        memcpy(dims, like->dims, sizeof like->dims);
    }
    graph_array *array = array_new(random_u32(state) % 2, rank, dims, &fault);
    for (int64_t i = 0; array && i < array->count; i++)
        if (array->type == ARRAY_FLOAT)
            array->floats[i] = random_u32(state) % 8 ? (float)(int)(random_u32(state) % 9) - 4
                                                     : (float)random_number(state);
        else
            array->integers[i] = random_number(state);
    return array;
}

static void random_attributes(test_call *call, uint32_t *state)
{
    static const char *const names[] = {
        "axis",        "axes",        "perm",      "starts",
        "ends",        "keepdims",    "to",        "k",
        "upper",       "pads",        "group",     "strides",
        "dilations",   "batch_dims",  "split",     "transA",
        "transB",      "dtype",       "start",     "end",
        "num_outputs", "p",           "K",         "N",
        "bits",        "block_size",  "exclusive", "reverse",
        "shape",       "equation",    "allowzero", "noop_with_empty_axes",
        "fmod",        "kernel_shape"};
    static const char *const equations[] = {
        "a->a", "ab,bc->ac", "ab,ab->", "aa->a", "a,b->ba", "abc,abd->acd", "ab->b", "->", ",a->a"};
    call->node.n_attributes = random_u32(state) % 5;
    for (size_t i = 0; i < call->node.n_attributes; i++) {
        graph_attribute *attribute = &call->attributes[i];
        *attribute =
            (graph_attribute){.name = names[random_u32(state) % (sizeof names / sizeof *names)],
                              .i = random_number(state),
                              .ints = call->ints[i],
                              .n_ints = random_u32(state) % 6};
        for (size_t k = 0; k < attribute->n_ints; k++)
            call->ints[i][k] = random_number(state);
        attribute->text = equations[random_u32(state) % (sizeof equations / sizeof *equations)];
        attribute->n_text = strlen(attribute->text);
    }
}

/* With input `i` hollow, the outputs must have the same shapes, if they can be told. */
static void check_hollow(test_call *call, size_t i)
{
    fault_text fault = {{0}};
    graph_array *outputs[MAX_ARRAYS], *input = call->inputs[i];
    memcpy(outputs, call->outputs, sizeof outputs);
    memset(call->outputs, 0, sizeof call->outputs);
    call->inputs[i] = array_new_hollow(input->type, input->rank, input->dims, &fault);
    call->fault = fault;
    bool ok = call_run(call);
    CHECK(ok != (call->fault.text[0] != '\0'), "%s: fault '%s'", call->node.op, call->fault.text);
    for (size_t k = 0; ok && k < call->node.n_outputs; k++)
        if (outputs[k] && call->outputs[k])
            CHECK(array_is_same_shape(outputs[k], call->outputs[k]) &&
                      outputs[k]->type == call->outputs[k]->type,
                  "%s: input %zu hollow, output %zu becomes %s", call->node.op, i, k,
                  SHAPE_TEXT(call->outputs[k]));
    release_outputs(call);
    array_release(call->inputs[i]);
    call->inputs[i] = input;
    memcpy(call->outputs, outputs, sizeof outputs);
}

static bool run_random(const operator_kind *kind, const char *domain, uint32_t *state)
{
    test_call call;
    call_open(&call, "", "", "", 1 + random_u32(state) % 3);
    call.node.op = kind->name;
    call.node.domain = domain;
    call.operation.opset = random_u32(state) % 2 ? 18 : 9;
    random_attributes(&call, state);
    size_t n = kind->n_inputs + random_u32(state) % 3;
    call.operation.n_inputs = n;
    for (size_t i = 0; i < n; i++)
        if (i < kind->n_inputs || random_u32(state) % 2)
            call.inputs[i] = random_array(state, i ? call.inputs[0] : NULL);
    bool ok = call_run(&call);
    CHECK(ok != (call.fault.text[0] != '\0'), "%s: fault '%s'", kind->name, call.fault.text);
    for (size_t i = 0; ok && i < n; i++)
        if (call.inputs[i])
            check_hollow(&call, i);
    call_close(&call);
    return ok;
}

TEST(random_nodes_do_no_harm)
{
    uint32_t state = 11;
    for (size_t t = 0; t < N_TABLES; t++)
        for (const operator_kind *kind = tables[t]; kind->name; kind++) {
            const char *domain = tables[t] == operators_lowered ? "bert" : "";
            int n_fine = 0;
            for (int round = 0; round < 1500; round++)
                n_fine += run_random(kind, domain, &state);
            CHECK(n_fine > 0 || tables[t] == operators_lowered ||
                      strcmp(kind->name, "Constant") == 0,
                  "%s: every random node is refused", kind->name);
        }
}

TEST(every_operator_was_tested)
{
    for (size_t t = 0; t < N_TABLES; t++)
        for (const operator_kind *kind = tables[t]; kind->name; kind++)
            CHECK(is_seen(kind->name), "no expectation is about %s", kind->name);
    CHECK(!operator_find("", "NoSuchThing") && !operator_find("", "Dequantize") &&
              !operator_find("bert", "Add") && !operator_find("com.microsoft", "Add"),
          "there is an operator that is not");
}

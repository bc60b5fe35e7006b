/* match.c - see match.h. */
#include "read/match.h"

#include <math.h>

#include "graph/graph_build.h"
#include "maths/maths.h"

/* ------------------------------------------------------------------------------ plain values -- */

/* Whether the node changes only the shape, and not the last axis. */
static bool keeps_rows(const graph_reader *reader, graph_value *at)
{
    static const char *const ops[] = {"Reshape", "Squeeze", "Unsqueeze", "Flatten"};
    bool is_layout = false;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        is_layout = is_layout || graph_is(at, ops[i]);
    return is_layout && last_dim(reader, at) == last_dim(reader, graph_operand(at, 0));
}

/* Whether the node keeps the shape of its operand, as a slice of everything does. */
static bool keeps_shape(const graph_reader *reader, graph_value *at)
{
    const graph_array *shape = shape_of(reader, at),
                      *before = shape_of(reader, graph_operand(at, 0));
    if (!graph_is(at, "Slice") && !graph_is(at, "Expand") && !graph_is(at, "Concat"))
        return false;
    return shape && before && array_is_same_shape(shape, before);
}

static bool is_identity_transpose(graph_value *at)
{
    const graph_attribute *order =
        graph_is(at, "Transpose") ? graph_attribute_find(at->node, "perm") : NULL;
    for (size_t i = 0; order && i < order->n_ints; i++)
        if (order->ints[i] != (int64_t)i)
            return false;
    return order != NULL;
}

/* One step of plain(): the operand, or NULL where the node does something. */
static graph_value *skip(const graph_reader *reader, graph_value *at)
{
    if (graph_is(at, "Identity") || graph_is(at, "Dropout") || graph_is(at, "Cast") ||
        is_identity_transpose(at) || keeps_rows(reader, at) || keeps_shape(reader, at))
        return graph_operand(at, 0);
    /* A mask that blanks padding: a factor, or a choice. */
    if (graph_is(at, "Where") && !carries(reader, graph_operand(at, 0)))
        return carrier(reader, at);
    double number;
    for (size_t i = 0; i < 2; i++) {
        graph_value *other = graph_operand(at, 1 - i);
        if (graph_is(at, "Mul") && !carries(reader, other) && !other->is_fixed &&
            !fixed_number(reader, other, &number))
            return graph_operand(at, i);
        bool is_neutral =
            (graph_is(at, "Mul") && fixed_number(reader, other, &number) && number == 1) ||
            (graph_is(at, "Add") && fixed_number(reader, other, &number) && number == 0);
        if (is_neutral)
            return graph_operand(at, i);
    }
    return graph_is(at, "Div") && fixed_number(reader, graph_operand(at, 1), &number) && number == 1
               ? graph_operand(at, 0)
               : NULL;
}

graph_value *plain(const graph_reader *reader, graph_value *at)
{
    for (graph_value *next; at && (next = skip(reader, at)); at = next)
        ;
    return at;
}

/* ------------------------------------------------------------------------------ dense layers -- */

/* The fixed matrix behind `at`, perhaps transposed. */
static graph_array *match_weight(const graph_reader *reader, graph_value *at, bool *is_transposed)
{
    *is_transposed = false;
    if (!at || !at->is_fixed)
        return NULL;
    /* A Transpose of a constant need not be computed. */
    if (graph_is(at, "Transpose") && graph_operand(at, 0)->constant) {
        const graph_array *inner = graph_operand(at, 0)->constant;
        const graph_attribute *order = graph_attribute_find(at->node, "perm");
        if (inner->rank == 2 && inner->type == ARRAY_FLOAT &&
            (!order || (order->n_ints == 2 && order->ints[0] == 1))) {
            *is_transposed = true;
            return graph_operand(at, 0)->constant;
        }
    }
    graph_array *array = fixed_array(reader, at);
    return array && array->rank == 2 && array->type == ARRAY_FLOAT ? array : NULL;
}

bool is_product(const graph_reader *reader, graph_value *at)
{
    return (graph_is(at, "MatMul") || graph_is(at, "Gemm")) && graph_operand(at, 1)->is_fixed &&
           carries(reader, graph_operand(at, 0));
}

#define MAX_STEPS 8

/* The operand through which `at` = operand (op) something fixed; NULL if it is not of that form. */
static graph_value *affine_step(graph_value *at, graph_value **fixed)
{
    static const char *const ops[] = {"Add", "Sub", "Mul", "Div"};
    for (size_t i = 0; i < 4; i++) {
        if (!graph_is(at, ops[i]))
            continue;
        graph_value *a = graph_operand(at, 0), *b = graph_operand(at, 1);
        bool commutes = i == 0 || i == 2;
        *fixed = b->is_fixed ? b : a;
        return b->is_fixed ? a : a->is_fixed && commutes ? b : NULL;
    }
    return NULL;
}

/* Applies a step to scale and bias [n]; false if it is not one number a column. */
static bool apply_step(const graph_reader *reader, graph_value *at, graph_value *fixed,
                       float *scale, float *bias, size_t n)
{
    const float *numbers = fixed_vector(reader, fixed, n);
    for (size_t i = 0; numbers && i < n; i++) {
        if (graph_is(at, "Add")) {
            bias[i] += numbers[i];
        } else if (graph_is(at, "Sub")) {
            bias[i] -= numbers[i];
        } else {
            float factor = graph_is(at, "Mul") ? numbers[i] : 1 / numbers[i];
            scale[i] *= factor;
            bias[i] *= factor;
        }
    }
    return numbers != NULL;
}

static bool is_all(const float *numbers, size_t n, float number)
{
    for (size_t i = 0; i < n; i++)
        if (numbers[i] != number)
            return false;
    return true;
}

bool match_affine(const graph_reader *reader, graph_value *at, affine_match *affine)
{
    graph_value *steps[MAX_STEPS], *fixed[MAX_STEPS], *v = at;
    size_t n_steps = 0;
    while (v && !is_product(reader, v)) {
        if (graph_is(v, "Identity") || graph_is(v, "Dropout") || graph_is(v, "Cast") ||
            keeps_rows(reader, v)) {
            v = graph_operand(v, 0);
            continue;
        }
        if (n_steps == MAX_STEPS)
            return false;
        steps[n_steps] = v;
        v = affine_step(v, &fixed[n_steps++]);
    }
    if (!v)
        return false;
    *affine = (affine_match){.output = at, .product = v};
    affine->weight = match_weight(reader, graph_operand(v, 1), &affine->is_transposed);
    if (!affine->weight || (graph_is(v, "Gemm") && graph_attribute_int(v->node, "transA", 0)))
        return false;
    bool is_gemm = graph_is(v, "Gemm");
    affine->is_transposed ^= is_gemm && graph_attribute_int(v->node, "transB", 0);
    affine->n_in = (uint32_t)affine->weight->dims[affine->is_transposed];
    affine->n_out = (uint32_t)affine->weight->dims[!affine->is_transposed];
    affine->input = plain(reader, graph_operand(v, 0));

    size_t n = affine->n_out;
    float *scale = graph_alloc(reader->graph, n, sizeof *scale);
    float *bias = graph_alloc(reader->graph, n, sizeof *bias);
    const float *c =
        is_gemm && graph_operand(v, 2) ? fixed_vector(reader, graph_operand(v, 2), n) : NULL;
    if (is_gemm && graph_operand(v, 2) && !c)
        return false;
    for (size_t i = 0; i < n; i++) {
        scale[i] = is_gemm ? graph_attribute_float(v->node, "alpha", 1) : 1;
        bias[i] = c ? c[i] * graph_attribute_float(v->node, "beta", 1) : 0;
    }
    while (n_steps-- > 0)
        if (!apply_step(reader, steps[n_steps], fixed[n_steps], scale, bias, n))
            return false;
    affine->scale = is_all(scale, n, 1) ? NULL : scale;
    affine->bias = bias;
    return true;
}

/* ------------------------------------------------------------------------------- layer norms -- */

/* What `at` is the mean of, over the last axis, or NULL. */
static graph_value *match_mean(const graph_reader *reader, graph_value *at)
{
    at = at && graph_is(at, "Cast") ? graph_operand(at, 0) : at;
    const graph_array *before =
        graph_is(at, "ReduceMean") ? shape_of(reader, graph_operand(at, 0)) : NULL;
    const graph_attribute *axes = before ? graph_attribute_find(at->node, "axes") : NULL;
    double axis;
    if (!before)
        return NULL;
    if (axes && axes->n_ints == 1)
        axis = (double)axes->ints[0];
    else if (!graph_operand(at, 1) || !fixed_number(reader, graph_operand(at, 1), &axis))
        return NULL;
    return axis == -1 || axis == (double)before->rank - 1 ? plain(reader, graph_operand(at, 0))
                                                          : NULL;
}

/* x of (x - mean(x)), or NULL. */
static graph_value *match_centred(const graph_reader *reader, graph_value *at)
{
    at = plain(reader, at);
    graph_value *x = graph_is(at, "Sub") ? plain(reader, graph_operand(at, 0)) : NULL;
    return x && match_mean(reader, graph_operand(at, 1)) == x ? x : NULL;
}

/* x of the mean of (x - mean(x))^2, or NULL. */
static graph_value *match_variance(const graph_reader *reader, graph_value *at)
{
    graph_value *square = match_mean(reader, plain(reader, at));
    double exponent;
    if (square && graph_is(square, "Mul") && graph_operand(square, 0) == graph_operand(square, 1))
        return match_centred(reader, graph_operand(square, 0));
    if (square && graph_is(square, "Pow") &&
        fixed_number(reader, graph_operand(square, 1), &exponent) && exponent == 2)
        return match_centred(reader, graph_operand(square, 0));
    return NULL;
}

/* x of sqrt(variance(x) + eps), or NULL. */
static graph_value *match_deviation(const graph_reader *reader, graph_value *at, float *eps)
{
    double exponent = 0, number;
    at = plain(reader, at);
    bool is_root = graph_is(at, "Sqrt") ||
                   (graph_is(at, "Pow") && fixed_number(reader, graph_operand(at, 1), &exponent) &&
                    exponent == 0.5);
    graph_value *sum = is_root ? plain(reader, graph_operand(at, 0)) : NULL;
    for (size_t i = 0; graph_is(sum, "Add") && i < 2; i++) {
        graph_value *variance = graph_operand(sum, 1 - i);
        if (fixed_number(reader, graph_operand(sum, i), &number)) {
            *eps = (float)number;
            return match_variance(reader, variance);
        }
    }
    return NULL;
}

/* (x - mean) / deviation, however divided. */
static graph_value *match_normalised(const graph_reader *reader, graph_value *at, float *eps)
{
    at = plain(reader, at);
    if (graph_is(at, "Div")) {
        graph_value *x = match_centred(reader, graph_operand(at, 0));
        return x && match_deviation(reader, graph_operand(at, 1), eps) == x ? x : NULL;
    }
    for (size_t i = 0; graph_is(at, "Mul") && i < 2; i++) {
        graph_value *x = match_centred(reader, graph_operand(at, i)),
                    *inverse = graph_operand(at, 1 - i);
        if (x && graph_is(inverse, "Reciprocal") &&
            match_deviation(reader, graph_operand(inverse, 0), eps) == x)
            return x;
    }
    return NULL;
}

bool match_layer_norm(const graph_reader *reader, graph_value *at, norm_match *norm)
{
    at = plain(reader, at);
    int64_t width = last_dim(reader, at);
    const graph_array *shape = shape_of(reader, at);
    *norm = (norm_match){0};
    if (!shape || width < 1)
        return false;
    norm->n = (uint32_t)width;
    if (graph_is(at, "LayerNormalization")) {
        int64_t axis = graph_attribute_int(at->node, "axis", -1);
        graph_value *bias = graph_operand(at, 2);
        norm->input = plain(reader, graph_operand(at, 0));
        norm->weight = fixed_vector(reader, graph_operand(at, 1), norm->n);
        norm->bias = bias ? fixed_vector(reader, bias, norm->n)
                          : graph_alloc(reader->graph, norm->n, sizeof(float));
        norm->eps = graph_attribute_float(at->node, "epsilon", 1e-5f);
        return norm->weight && norm->bias && (axis == -1 || axis == (int64_t)shape->rank - 1);
    }
    for (size_t i = 0; graph_is(at, "Add") && i < 2; i++) {
        graph_value *scaled = graph_operand(at, 1 - i);
        if (!graph_operand(at, i)->is_fixed)
            continue;
        scaled = plain(reader, scaled);
        for (size_t k = 0; graph_is(scaled, "Mul") && k < 2; k++) {
            if (!graph_operand(scaled, k)->is_fixed)
                continue;
            norm->input = match_normalised(reader, graph_operand(scaled, 1 - k), &norm->eps);
            norm->weight = fixed_vector(reader, graph_operand(scaled, k), norm->n);
            norm->bias = fixed_vector(reader, graph_operand(at, i), norm->n);
            if (norm->input && norm->weight && norm->bias)
                return true;
        }
    }
    return false;
}

/* ------------------------------------------------------------------------------- activations -- */

static double apply(bert_activation activation, double x)
{
    switch (activation) {
    case BERT_ACTIVATION_NONE:
    case BERT_ACTIVATION_COUNT:
        return x;
    case BERT_ACTIVATION_GELU:
        return 0.5 * x * (1 + maths_erf(x * 0.70710678118654752));
    case BERT_ACTIVATION_GELU_TANH:
        return 0.5 * x * (1 + maths_tanh(0.79788456080286536 * (x + 0.044715 * x * x * x)));
    case BERT_ACTIVATION_TANH:
        return maths_tanh(x);
    case BERT_ACTIVATION_RELU:
        return x > 0 ? x : 0;
    case BERT_ACTIVATION_SILU:
        return x / (1 + maths_exp(-x));
    }
    return NAN;
}

bool match_activation(const graph_reader *reader, graph_value *from, graph_value *to,
                      bert_activation *activation)
{
    static const bert_activation candidates[] = {BERT_ACTIVATION_NONE,      BERT_ACTIVATION_GELU,
                                                 BERT_ACTIVATION_GELU_TANH, BERT_ACTIVATION_TANH,
                                                 BERT_ACTIVATION_RELU,      BERT_ACTIVATION_SILU};
    /* -6 to 6: 97 steps, so that neighbours in the array differ. */
    graph_array *grid = array_like(reader, from);
    for (int64_t i = 0; grid && i < grid->count; i++)
        grid->floats[i] = (float)(i % 97 - 48) / 8;
    graph_array *answer = respond(reader, from, grid, to);
    fault_text ignored = {0};
    const float *got = answer ? array_floats(answer, &ignored) : NULL;
    const graph_array *shape = shape_of(reader, from);
    double best = 1e-3; /* rounding of constants in float16 is less */
    bool found = false;
    for (size_t k = 0; got && answer->count == shape->count && k < 6; k++) {
        double largest = 0;
        for (int64_t i = 0; i < answer->count; i++) {
            double x = (double)(i % 97 - 48) / 8;
            double error = fabs(got[i] - apply(candidates[k], x));
            largest = error >= largest ? error : isnan(error) ? INFINITY : largest;
        }
        if (largest < best) {
            best = largest;
            *activation = candidates[k];
            found = true;
        }
    }
    array_release(answer);
    return found;
}

/* Searches what `at` is made of, depth first along what carries, until a dense layer. */
static bool search_activated(const graph_reader *reader, graph_value *at, graph_value *to,
                             affine_match *dense, bert_activation *activation, int depth)
{
    if (match_affine(reader, at, dense) && match_activation(reader, at, to, activation))
        return true;
    if (!at->node || is_product(reader, at) || depth == 24 || graph_is(at, "Softmax") ||
        graph_is(at, "LayerNormalization") || graph_is(at, "ReduceMean"))
        return false;
    for (size_t i = 0; i < at->node->n_inputs; i++) {
        graph_value *operand = at->node->inputs[i];
        if (operand && carries(reader, operand) &&
            search_activated(reader, operand, to, dense, activation, depth + 1))
            return true;
    }
    return false;
}

bool match_activated(const graph_reader *reader, graph_value *to, affine_match *dense,
                     bert_activation *activation)
{
    return to && search_activated(reader, to, to, dense, activation, 0);
}

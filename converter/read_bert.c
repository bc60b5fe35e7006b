/*
 * read_bert.c - recognises a BERT encoder in an ONNX graph by its structure, walking backwards from
 * the outputs. Names of weights and nodes are never looked at: exporters invent them
 * (`onnx::MatMul_123`). Only the graph's inputs are known by name, since callers use those names.
 *
 * Each match_ function recognises one form, in any order of commutative operands, and gives the
 * values that it stands on. Two ways of writing that exporters vary without end are flattened
 * first: products (so that 0.5 x (1 + erf(x / sqrt 2)) is known in any association, and a scale may
 * stand on queries, keys or scores) and sums (embeddings). What does not match is reported at the
 * earliest node that was reached: going backwards, that is where the longest match ended.
 */
#include "read_bert.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct reader {
    const graph *graph;
    bert_weights *weights;
    fault *fault;
    /* The mismatch that got furthest towards the inputs. */
    const graph_value *mismatch;
    const char *expected;
} reader;

/* Remembers what was expected at `value`; false. */
static bool mismatch(reader *reader, const graph_value *value, const char *expected)
{
    if (value && (!reader->mismatch || value->node_index < reader->mismatch->node_index)) {
        reader->mismatch = value;
        reader->expected = expected;
    }
    return false;
}

static const graph_value *input(const reader *reader, const graph_value *value, size_t i)
{
    const graph_value *operand = graph_input(reader->graph, value, i);
    return operand ? graph_bare(reader->graph, operand) : NULL;
}

/* ------------------------------------------------------------------------------ sums and products
 */

#define MAX_TERMS 8

/* A product: a number times values that are no products themselves. */
typedef struct product {
    double coefficient;
    const graph_value *factors[MAX_TERMS];
    int n;
} product;

static bool multiply(const reader *reader, product *product, const graph_value *value, int depth)
{
    float number;
    if (graph_number(reader->graph, value, &number)) {
        product->coefficient *= number;
        return true;
    }
    if (depth < MAX_TERMS && graph_is(value, "Mul")) {
        const graph_value *a = input(reader, value, 0), *b = input(reader, value, 1);
        return a && b && multiply(reader, product, a, depth + 1) &&
               multiply(reader, product, b, depth + 1);
    }
    if (depth < MAX_TERMS && graph_is(value, "Div")) {
        const graph_value *a = input(reader, value, 0), *b = input(reader, value, 1);
        if (a && b && graph_number(reader->graph, b, &number) && number != 0) {
            product->coefficient /= number;
            return multiply(reader, product, a, depth + 1);
        }
    }
    if (product->n == MAX_TERMS)
        return false;
    product->factors[product->n++] = value;
    return true;
}

static bool factorise(const reader *reader, const graph_value *value, product *product)
{
    *product = (struct product){.coefficient = 1};
    return multiply(reader, product, value, 0);
}

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-3 * fabs(b);
}

/* The terms of a sum, whatever its association; Add of a bias counts as any other. */
static bool sum_terms(const reader *reader, const graph_value *value,
                      const graph_value *terms[MAX_TERMS], int *n, int depth)
{
    if (graph_is(value, "Add") && depth < MAX_TERMS) {
        const graph_value *a = input(reader, value, 0), *b = input(reader, value, 1);
        return a && b && sum_terms(reader, a, terms, n, depth + 1) &&
               sum_terms(reader, b, terms, n, depth + 1);
    }
    if (*n == MAX_TERMS)
        return false;
    terms[(*n)++] = value;
    return true;
}

/* `value` = `number` + *rest. */
static bool match_add_number(const reader *reader, const graph_value *value, double number,
                             const graph_value **rest)
{
    for (size_t i = 0; graph_is(value, "Add") && i < 2; i++) {
        float constant;
        const graph_value *a = input(reader, value, i), *b = input(reader, value, 1 - i);
        if (a && b && graph_number(reader->graph, a, &constant) && near(constant, number)) {
            *rest = b;
            return true;
        }
    }
    return false;
}

/* ---------------------------------------------------------------------------------- dense layers
 */

typedef struct dense {
    const graph_value *input;
    const onnx_tensor *weight, *bias;
    bool is_transposed; /* weight is [out, in] */
    uint64_t n_in, n_out;
} dense;

/* A constant matrix, perhaps behind a Transpose that was not folded. */
static bool match_weight(const reader *reader, const graph_value *value, dense *dense)
{
    dense->is_transposed = false;
    dense->weight = graph_constant(reader->graph, value);
    if (!dense->weight && graph_is(value, "Transpose")) {
        const graph_value *inner = input(reader, value, 0);
        dense->weight = inner ? graph_constant(reader->graph, inner) : NULL;
        dense->is_transposed = true;
    }
    return dense->weight && dense->weight->rank == 2 && onnx_is_float(dense->weight);
}

static const onnx_tensor *match_vector(const reader *reader, const graph_value *value)
{
    const onnx_tensor *tensor = graph_constant(reader->graph, value);
    return tensor && tensor->rank == 1 && onnx_is_float(tensor) ? tensor : NULL;
}

static bool set_sizes(dense *dense)
{
    dense->n_in = dense->weight->dims[dense->is_transposed];
    dense->n_out = dense->weight->dims[!dense->is_transposed];
    return dense->bias->count == dense->n_out;
}

/* Gemm(x, W, b), or Add of MatMul(x, W) and b. */
static bool match_dense(const reader *reader, const graph_value *value, dense *dense)
{
    if (graph_is(value, "Gemm")) {
        const graph_value *x = input(reader, value, 0), *w = input(reader, value, 1);
        const graph_value *b = input(reader, value, 2);
        if (!x || !w || !b || !match_weight(reader, w, dense) ||
            graph_attribute_int(value, "transA", 0) != 0 ||
            graph_attribute_float(value, "alpha", 1) != 1 ||
            graph_attribute_float(value, "beta", 1) != 1)
            return false;
        dense->is_transposed ^= graph_attribute_int(value, "transB", 0) != 0;
        dense->input = x;
        dense->bias = match_vector(reader, b);
        return dense->bias && set_sizes(dense);
    }
    for (size_t i = 0; graph_is(value, "Add") && i < 2; i++) {
        const graph_value *b = input(reader, value, i), *product = input(reader, value, 1 - i);
        if (!b || !product || !graph_is(product, "MatMul"))
            continue;
        const graph_value *x = input(reader, product, 0), *w = input(reader, product, 1);
        dense->bias = match_vector(reader, b);
        if (x && w && dense->bias && match_weight(reader, w, dense)) {
            dense->input = x;
            return set_sizes(dense);
        }
    }
    return false;
}

/* ------------------------------------------------------------------------------------ layer norm
 */

typedef struct layer_norm {
    const graph_value *input;
    const onnx_tensor *weight, *bias;
    float eps;
} layer_norm;

/* Whether `value` is ReduceMean over the last axis; gives its operand. */
static const graph_value *match_mean(const reader *reader, const graph_value *value)
{
    if (!graph_is(value, "ReduceMean"))
        return NULL;
    int64_t axis = 0;
    const Onnx__AttributeProto *axes = graph_attribute(value, "axes");
    const graph_value *operand = graph_input(reader->graph, value, 1); /* opset 18 on */
    if (axes && axes->n_ints == 1)
        axis = axes->ints[0];
    else if (!operand || !graph_list_element(reader->graph, operand, 0, &axis))
        return NULL;
    return axis == -1 || axis == 2 ? input(reader, value, 0) : NULL;
}

/* (x - mean) / sqrt(mean((x - mean)^2) + eps): `value` is the Div. */
static bool match_normalised(const reader *reader, const graph_value *value, layer_norm *norm)
{
    const graph_value *centred = graph_is(value, "Div") ? input(reader, value, 0) : NULL;
    const graph_value *root = centred ? input(reader, value, 1) : NULL;
    const graph_value *sum = root && graph_is(root, "Sqrt") ? input(reader, root, 0) : NULL;
    if (!sum || !graph_is(sum, "Add") || !graph_is(centred, "Sub"))
        return false;
    const graph_value *variance = NULL;
    for (size_t i = 0; i < 2; i++)
        if (input(reader, sum, i) && input(reader, sum, 1 - i) &&
            graph_number(reader->graph, input(reader, sum, i), &norm->eps))
            variance = input(reader, sum, 1 - i);
    const graph_value *square = variance ? match_mean(reader, variance) : NULL;
    float exponent;
    if (!square)
        return false;
    bool is_square = graph_is(square, "Pow")
                         ? input(reader, square, 0) == centred && input(reader, square, 1) &&
                               graph_number(reader->graph, input(reader, square, 1), &exponent) &&
                               exponent == 2
                         : graph_is(square, "Mul") && input(reader, square, 0) == centred &&
                               input(reader, square, 1) == centred;
    const graph_value *mean = input(reader, centred, 1);
    norm->input = input(reader, centred, 0);
    return is_square && mean && norm->input && match_mean(reader, mean) == norm->input;
}

static bool match_layer_norm(reader *reader, const graph_value *value, layer_norm *norm)
{
    if (graph_is(value, "LayerNormalization")) {
        const graph_value *weight = input(reader, value, 1), *bias = input(reader, value, 2);
        int64_t axis = graph_attribute_int(value, "axis", -1);
        norm->input = input(reader, value, 0);
        norm->weight = weight ? match_vector(reader, weight) : NULL;
        norm->bias = bias ? match_vector(reader, bias) : NULL;
        norm->eps = graph_attribute_float(value, "epsilon", 1e-5f);
        return (norm->input && norm->weight && norm->bias && (axis == -1 || axis == 2)) ||
               mismatch(reader, value,
                        "a LayerNormalization over the last axis, with scale and bias");
    }
    for (size_t i = 0; graph_is(value, "Add") && i < 2; i++) {
        const graph_value *bias = input(reader, value, i), *scaled = input(reader, value, 1 - i);
        norm->bias = bias ? match_vector(reader, bias) : NULL;
        for (size_t k = 0; norm->bias && scaled && graph_is(scaled, "Mul") && k < 2; k++) {
            const graph_value *weight = input(reader, scaled, k);
            const graph_value *normalised = input(reader, scaled, 1 - k);
            norm->weight = weight ? match_vector(reader, weight) : NULL;
            if (norm->weight && normalised && match_normalised(reader, normalised, norm))
                return true;
        }
    }
    return mismatch(reader, value, "a layer normalisation");
}

/* ------------------------------------------------------------------------------------ activation
 */

/* 0.5 x (1 + g(...)): the product's x, and what g is applied to. */
static bool match_half_gate(const reader *reader, const graph_value *value, const char *gate,
                            const graph_value **x, const graph_value **inner)
{
    product product;
    if (!factorise(reader, value, &product) || product.n != 2 || !near(product.coefficient, 0.5))
        return false;
    for (int i = 0; i < 2; i++) {
        const graph_value *g;
        if (match_add_number(reader, product.factors[i], 1, &g) && graph_is(g, gate)) {
            *x = product.factors[1 - i];
            *inner = input(reader, g, 0);
            return *inner != NULL;
        }
    }
    return false;
}

/* sqrt(2 / pi) (x + 0.044715 x^3) */
static bool match_tanh_argument(const reader *reader, const graph_value *value,
                                const graph_value *x)
{
    product outer, cubic;
    if (!factorise(reader, value, &outer) || outer.n != 1 ||
        !near(outer.coefficient, 0.7978845608) || !graph_is(outer.factors[0], "Add"))
        return false;
    for (size_t i = 0; i < 2; i++) {
        const graph_value *power = input(reader, outer.factors[0], 1 - i);
        float exponent;
        if (input(reader, outer.factors[0], i) != x || !power ||
            !factorise(reader, power, &cubic) || !near(cubic.coefficient, 0.044715))
            continue;
        if (cubic.n == 3)
            return cubic.factors[0] == x && cubic.factors[1] == x && cubic.factors[2] == x;
        return cubic.n == 1 && graph_is(cubic.factors[0], "Pow") &&
               input(reader, cubic.factors[0], 0) == x && input(reader, cubic.factors[0], 1) &&
               graph_number(reader->graph, input(reader, cubic.factors[0], 1), &exponent) &&
               exponent == 3;
    }
    return false;
}

static bool match_activation(reader *reader, const graph_value *value, bert_activation *activation,
                             const graph_value **x)
{
    const graph_value *inner;
    product product;
    if (graph_is(value, "Gelu")) {
        const Onnx__AttributeProto *form = graph_attribute(value, "approximate");
        bool is_tanh = form && form->s.len == 4 && memcmp(form->s.data, "tanh", 4) == 0;
        *activation = is_tanh ? BERT_ACTIVATION_GELU_TANH : BERT_ACTIVATION_GELU;
        *x = input(reader, value, 0);
        return *x != NULL;
    }
    if (graph_is(value, "Relu") || graph_is(value, "Tanh")) {
        *activation = graph_is(value, "Relu") ? BERT_ACTIVATION_RELU : BERT_ACTIVATION_TANH;
        *x = input(reader, value, 0);
        return *x != NULL;
    }
    if (match_half_gate(reader, value, "Erf", x, &inner) && factorise(reader, inner, &product) &&
        product.n == 1 && product.factors[0] == *x && near(product.coefficient, 0.70710678)) {
        *activation = BERT_ACTIVATION_GELU;
        return true;
    }
    if (match_half_gate(reader, value, "Tanh", x, &inner) &&
        match_tanh_argument(reader, inner, *x)) {
        *activation = BERT_ACTIVATION_GELU_TANH;
        return true;
    }
    return mismatch(reader, value, "an activation (gelu, gelu by tanh, relu)");
}

/* ------------------------------------------------------------------------------------- attention
 */

/* Whether `value` is a Transpose of exactly this permutation; gives its operand. */
static const graph_value *match_transpose(const reader *reader, const graph_value *value,
                                          const int64_t order[4])
{
    const Onnx__AttributeProto *perm =
        graph_is(value, "Transpose") ? graph_attribute(value, "perm") : NULL;
    if (!perm || perm->n_ints != 4 || memcmp(perm->ints, order, 4 * sizeof *order) != 0)
        return NULL;
    return input(reader, value, 0);
}

static const int64_t swap_heads[4] = {0, 2, 1, 3}, swap_keys[4] = {0, 2, 3, 1},
                     swap_last[4] = {0, 1, 3, 2};

/* [batch, tokens, hidden] cut into heads by a Reshape; gives the dense layer and the head count. */
static bool match_heads(reader *reader, const graph_value *value, dense *dense, uint32_t *n_heads)
{
    const graph_value *shape =
        value && graph_is(value, "Reshape") ? graph_input(reader->graph, value, 1) : NULL;
    const graph_value *hidden = shape ? input(reader, value, 0) : NULL;
    int64_t heads = -1, dim = -1;
    if (!hidden)
        return mismatch(reader, value, "a Reshape of queries, keys or values into heads");
    if (!match_dense(reader, hidden, dense))
        return mismatch(reader, hidden, "a dense layer of queries, keys or values");
    /* Either number tells the other; exporters leave at most one of them open. */
    graph_list_element(reader->graph, shape, -2, &heads);
    graph_list_element(reader->graph, shape, -1, &dim);
    if (heads <= 0 && dim > 0 && dense->n_out % (uint64_t)dim == 0)
        heads = (int64_t)(dense->n_out / (uint64_t)dim);
    if (heads <= 0 || dense->n_out % (uint64_t)heads != 0 ||
        (dim > 0 && (uint64_t)(heads * dim) != dense->n_out))
        return mismatch(reader, value, "a Reshape whose shape says how many heads there are");
    if (*n_heads != 0 && *n_heads != (uint64_t)heads)
        return mismatch(reader, value, "as many heads as elsewhere");
    *n_heads = (uint32_t)heads;
    return true;
}

/* Queries [b, h, n, d] or keys [b, h, d, n], perhaps scaled. */
static bool match_side(reader *reader, const graph_value *value, bool is_key, double *scale,
                       dense *dense, uint32_t *n_heads)
{
    product product;
    if (!factorise(reader, value, &product) || product.n != 1)
        return mismatch(reader, value, "queries or keys, perhaps scaled");
    *scale *= product.coefficient;
    value = product.factors[0];
    const graph_value *split = match_transpose(reader, value, is_key ? swap_keys : swap_heads);
    if (!split && is_key) {
        const graph_value *swapped = match_transpose(reader, value, swap_last);
        if (swapped && factorise(reader, swapped, &product) && product.n == 1) {
            *scale *= product.coefficient;
            split = match_transpose(reader, product.factors[0], swap_heads);
        }
    }
    if (!split)
        return mismatch(reader, value,
                        is_key ? "a Transpose of keys to [batch, head, dim, token]"
                               : "a Transpose of queries to [batch, head, token, dim]");
    return match_heads(reader, split, dense, n_heads);
}

typedef struct attention {
    dense query, key, value;
} attention;

/* scores = scale Q K' [+ mask]; the scale must be 1 / sqrt(d). */
static bool match_scores(reader *reader, const graph_value *value, attention *attention,
                         uint32_t *n_heads)
{
    product product;
    if (graph_is(value, "Add")) {
        bool found = false;
        for (size_t i = 0; i < 2 && !found; i++) {
            const graph_value *mask = input(reader, value, i);
            const graph_value *scores = input(reader, value, 1 - i);
            if (mask && scores && factorise(reader, scores, &product) && product.n == 1 &&
                graph_is(product.factors[0], "MatMul")) {
                if (!graph_depends_on(reader->graph, mask, "attention_mask"))
                    return mismatch(reader, value, "a mask that comes from attention_mask");
                found = true;
            }
        }
        if (!found)
            return mismatch(reader, value, "an Add of attention scores and a mask");
    } else if (!factorise(reader, value, &product) || product.n != 1 ||
               !graph_is(product.factors[0], "MatMul")) {
        return mismatch(reader, value, "attention scores: a MatMul of queries and keys");
    } else if (graph_find(reader->graph, "attention_mask")) {
        return mismatch(reader, value, "an Add of attention scores and a mask");
    }
    double scale = product.coefficient;
    const graph_value *q = input(reader, product.factors[0], 0);
    const graph_value *k = input(reader, product.factors[0], 1);
    if (!match_side(reader, q, false, &scale, &attention->query, n_heads) ||
        !match_side(reader, k, true, &scale, &attention->key, n_heads))
        return false;
    double dim = (double)attention->query.n_out / *n_heads;
    return near(scale, 1 / sqrt(dim)) ||
           mismatch(reader, product.factors[0], "scores scaled by 1 / sqrt(head size)");
}

/* The context: softmax(scores) V, heads side by side again. */
static bool match_attention(reader *reader, const graph_value *value, attention *attention,
                            uint32_t *n_heads)
{
    const graph_value *merged = graph_is(value, "Reshape") ? input(reader, value, 0) : NULL;
    const graph_value *context = merged ? match_transpose(reader, merged, swap_heads) : NULL;
    if (!context || !graph_is(context, "MatMul"))
        return mismatch(reader, value, "attention: a Reshape of a Transpose of a MatMul");
    const graph_value *weights = input(reader, context, 0), *values = input(reader, context, 1);
    const graph_value *split = values ? match_transpose(reader, values, swap_heads) : NULL;
    /* Newer exporters guard rows that have no key: Where(IsNaN(p), 0, p). */
    if (weights && graph_is(weights, "Where") && input(reader, weights, 0) &&
        graph_is(input(reader, weights, 0), "IsNaN"))
        weights = input(reader, weights, 2);
    if (!weights || !graph_is(weights, "Softmax") || !input(reader, weights, 0))
        return mismatch(reader, weights ? weights : context, "a Softmax of attention scores");
    int64_t axis = graph_attribute_int(weights, "axis", -1);
    if (axis != -1 && axis != 3)
        return mismatch(reader, weights, "a Softmax over the last axis");
    if (!split)
        return mismatch(reader, values, "a Transpose of values to [batch, head, token, dim]");
    return match_heads(reader, split, &attention->value, n_heads) &&
           match_scores(reader, input(reader, weights, 0), attention, n_heads);
}

/* ----------------------------------------------------------------------------------------- layers
 */

typedef struct layer_match {
    attention attention;
    dense attention_output, intermediate, output;
    layer_norm attention_norm, output_norm;
    bert_activation activation;
    uint32_t n_heads;
    const graph_value *input;
} layer_match;

/* norm(x + dense(...)): the norm, the dense layer, and x. */
static bool match_residual(reader *reader, const graph_value *value, layer_norm *norm, dense *dense,
                           const graph_value **x)
{
    if (!match_layer_norm(reader, value, norm))
        return false;
    const graph_value *sum = norm->input;
    for (size_t i = 0; graph_is(sum, "Add") && i < 2; i++) {
        const graph_value *branch = input(reader, sum, i);
        *x = input(reader, sum, 1 - i);
        if (branch && *x && match_dense(reader, branch, dense))
            return true;
    }
    return mismatch(reader, sum, "an Add of a dense layer and the residual");
}

static bool match_layer(reader *reader, const graph_value *value, layer_match *layer)
{
    const graph_value *attended, *activated, *x;
    *layer = (layer_match){0};
    if (!match_residual(reader, value, &layer->output_norm, &layer->output, &attended) ||
        !match_activation(reader, layer->output.input, &layer->activation, &activated))
        return false;
    if (!match_dense(reader, activated, &layer->intermediate))
        return mismatch(reader, activated, "the dense layer before the activation");
    if (layer->intermediate.input != attended)
        return mismatch(reader, activated,
                        "a feed-forward block on the same value as its residual");
    if (!match_residual(reader, attended, &layer->attention_norm, &layer->attention_output, &x) ||
        !match_attention(reader, layer->attention_output.input, &layer->attention, &layer->n_heads))
        return false;
    const attention *attention = &layer->attention;
    if (attention->query.input != x || attention->key.input != x || attention->value.input != x)
        return mismatch(reader, attended, "attention on the same value as its residual");
    layer->input = x;
    return true;
}

/* ------------------------------------------------------------------------------------- embeddings
 */

typedef struct embeddings_match {
    const onnx_tensor *word, *position, *token_type;
    layer_norm norm;
} embeddings_match;

/* Whether a constant is 0, 1, 2, ... */
static bool counts_from_zero(const onnx_tensor *tensor)
{
    if (!tensor || !onnx_is_integer(tensor) || tensor->count == 0)
        return false;
    for (uint64_t i = 0; i < tensor->count; i++)
        if (onnx_integer(tensor, i) != (int64_t)i)
            return false;
    return true;
}

/* Positions 0, 1, 2, ...: an input, or a constant that is cut to length. */
static bool match_positions(reader *reader, const graph_value *indices)
{
    if (indices->is_input && strcmp(indices->name, "position_ids") == 0)
        return true;
    const graph_value *list = indices;
    if (graph_is(indices, "Slice")) {
        int64_t start;
        const graph_value *starts = graph_input(reader->graph, indices, 1);
        list = input(reader, indices, 0);
        if (!starts || !graph_list_element(reader->graph, starts, 0, &start) || start != 0)
            return mismatch(reader, indices, "positions that start at 0");
    }
    return (list && counts_from_zero(graph_constant(reader->graph, list))) ||
           mismatch(reader, indices, "positions 0, 1, 2, ...");
}

/* Whether `value` is a norm of a sum with a Gather in it: no layer is. */
static bool is_embeddings(const reader *reader, const graph_value *value)
{
    const graph_value *terms[MAX_TERMS];
    struct reader quiet = *reader;
    layer_norm norm;
    int n = 0;
    if (!match_layer_norm(&quiet, value, &norm))
        return false;
    sum_terms(reader, norm.input, terms, &n, 0);
    for (int i = 0; i < n; i++)
        if (graph_is(terms[i], "Gather"))
            return true;
    return false;
}

static bool match_embeddings(reader *reader, const graph_value *value, embeddings_match *match)
{
    const graph_value *terms[MAX_TERMS];
    int n = 0;
    *match = (embeddings_match){0};
    if (!match_layer_norm(reader, value, &match->norm))
        return false;
    if (!sum_terms(reader, match->norm.input, terms, &n, 0))
        return mismatch(reader, match->norm.input, "a sum of embeddings");
    for (int i = 0; i < n; i++) {
        const graph_value *rows = graph_is(terms[i], "Gather") ? input(reader, terms[i], 0) : NULL;
        const graph_value *indices = rows ? input(reader, terms[i], 1) : NULL;
        const onnx_tensor *table = rows ? graph_constant(reader->graph, rows) : NULL;
        if (!indices || !table || table->rank != 2 || !onnx_is_float(table) ||
            graph_attribute_int(terms[i], "axis", 0) != 0)
            return mismatch(reader, terms[i], "a Gather of rows of an embedding table");
        const onnx_tensor **place;
        if (indices->is_input && strcmp(indices->name, "input_ids") == 0)
            place = &match->word;
        else if (indices->is_input && strcmp(indices->name, "token_type_ids") == 0)
            place = &match->token_type;
        else if (match_positions(reader, indices))
            place = &match->position;
        else
            return false;
        if (*place)
            return mismatch(reader, terms[i], "one embedding of each kind");
        *place = table;
    }
    return (match->word && match->position) ||
           mismatch(reader, match->norm.input, "word and position embeddings");
}

/* ------------------------------------------------------------------------------------------ heads
 */

/* activation(dense(h[:, 0])): gives h. */
static bool match_pooler(reader *reader, const graph_value *value, bert_activation *activation,
                         dense *pooler, const graph_value **hidden)
{
    const graph_value *before;
    int64_t index;
    if (!match_activation(reader, value, activation, &before))
        return false;
    if (!match_dense(reader, before, pooler))
        return mismatch(reader, before, "the pooler's dense layer");
    const graph_value *first = pooler->input;
    *hidden = graph_is(first, "Gather") ? input(reader, first, 0) : NULL;
    const graph_value *indices = *hidden ? graph_input(reader->graph, first, 1) : NULL;
    return (indices && graph_attribute_int(first, "axis", 0) == 1 &&
            graph_list_element(reader->graph, indices, 0, &index) && index == 0) ||
           mismatch(reader, first, "a Gather of the first token");
}

/* ---------------------------------------------------------------------------------- collecting */

static void add_weight(bert_weights *weights, weight_kind kind, const onnx_tensor *tensor,
                       bool is_transposed, bool keep_f32, const char *name)
{
    if (weights->n_weights == weights->capacity) {
        weights->capacity = weights->capacity ? 2 * weights->capacity : 256;
        weights->weights = realloc(weights->weights, weights->capacity * sizeof *weights->weights);
        if (!weights->weights)
            abort();
    }
    weight *weight = &weights->weights[weights->n_weights++];
    *weight = (struct weight){
        .kind = kind, .tensor = tensor, .is_transposed = is_transposed, .keep_f32 = keep_f32};
    snprintf(weight->name, sizeof weight->name, "%s", name);
}

static void add_vector(bert_weights *weights, const onnx_tensor *tensor, const char *prefix,
                       const char *suffix)
{
    char name[BERT_MAX_NAME + 1];
    snprintf(name, sizeof name, "%s%s", prefix, suffix);
    add_weight(weights, WEIGHT_VECTOR, tensor, false, true, name);
}

static void add_dense(bert_weights *weights, const dense *dense, bool keep_f32, const char *name)
{
    add_weight(weights, WEIGHT_MATRIX, dense->weight, dense->is_transposed, keep_f32, name);
    add_vector(weights, dense->bias, name, ".bias");
}

static void add_norm(bert_weights *weights, const layer_norm *norm, const char *name)
{
    add_vector(weights, norm->weight, name, ".weight");
    add_vector(weights, norm->bias, name, ".bias");
}

static void add_layer(bert_weights *weights, const layer_match *layer, uint32_t index)
{
    char name[BERT_MAX_NAME + 1];
#define NAMED(suffix) (snprintf(name, sizeof name, "layers.%u" suffix, index), name)
    add_dense(weights, &layer->attention.query, false, NAMED(".attention.query"));
    add_dense(weights, &layer->attention.key, false, NAMED(".attention.key"));
    add_dense(weights, &layer->attention.value, false, NAMED(".attention.value"));
    add_dense(weights, &layer->attention_output, false, NAMED(".attention.output"));
    add_norm(weights, &layer->attention_norm, NAMED(".attention.norm"));
    add_dense(weights, &layer->intermediate, false, NAMED(".intermediate"));
    add_dense(weights, &layer->output, false, NAMED(".output"));
    add_norm(weights, &layer->output_norm, NAMED(".output.norm"));
#undef NAMED
}

/* Whether every layer's sizes, epsilon, activation and heads are those of the config. */
static bool check_layer(reader *reader, const layer_match *layer, const graph_value *at)
{
    const bert_config *config = &reader->weights->config;
    uint64_t hidden = config->hidden_size, wide = config->intermediate_size;
    const dense *square[] = {&layer->attention.query, &layer->attention.key,
                             &layer->attention.value, &layer->attention_output};
    for (int i = 0; i < 4; i++)
        if (square[i]->n_in != hidden || square[i]->n_out != hidden)
            return mismatch(reader, at, "attention weights of [hidden, hidden]");
    if (layer->intermediate.n_in != hidden || layer->intermediate.n_out != wide ||
        layer->output.n_in != wide || layer->output.n_out != hidden)
        return mismatch(reader, at, "feed-forward weights of the same sizes in every layer");
    const layer_norm *norms[] = {&layer->attention_norm, &layer->output_norm};
    for (int i = 0; i < 2; i++)
        if (norms[i]->weight->count != hidden || norms[i]->bias->count != hidden ||
            norms[i]->eps != config->layer_norm_eps)
            return mismatch(reader, at, "the same norm sizes and epsilon in every layer");
    return (layer->activation == config->activation && layer->n_heads == config->n_heads) ||
           mismatch(reader, at, "the same activation and number of heads in every layer");
}

/* ----------------------------------------------------------------------------------------- reading
 */

#define MAX_LAYERS 1024

typedef struct heads_match {
    const graph_value *hidden; /* the last hidden state, which every output stands on */
    bool has_pooler, has_classifier;
    bert_activation pooler_activation;
    dense pooler, classifier;
} heads_match;

/* All outputs must stand on one encoder. */
static bool same_hidden(reader *reader, heads_match *heads, const graph_value *hidden)
{
    if (heads->hidden && heads->hidden != hidden)
        return mismatch(reader, hidden, "one encoder under all outputs");
    heads->hidden = hidden;
    return true;
}

/* What one output of the graph is. */
static bool read_output(reader *reader, const graph_value *value, heads_match *heads,
                        bert_output *output)
{
    const graph_value *hidden, *pooled = value;
    layer_norm norm;
    dense classifier;
    if (match_dense(reader, value, &classifier)) {
        *output = BERT_OUTPUT_LOGITS;
        heads->has_classifier = true;
        heads->classifier = classifier;
        pooled = classifier.input;
    } else if (match_layer_norm(reader, value, &norm)) {
        *output = BERT_OUTPUT_LAST_HIDDEN_STATE;
        return same_hidden(reader, heads, value);
    } else {
        *output = BERT_OUTPUT_POOLER_OUTPUT;
    }
    if (!match_pooler(reader, pooled, &heads->pooler_activation, &heads->pooler, &hidden))
        return false;
    heads->has_pooler = true;
    return same_hidden(reader, heads, hidden);
}

static bool read_outputs(reader *reader, heads_match *heads)
{
    const Onnx__GraphProto *proto = reader->graph->proto;
    bert_weights *weights = reader->weights;
    if (proto->n_output == 0 || proto->n_output > READ_MAX_OUTPUTS)
        return fault_set(reader->fault, "the graph has %zu outputs, 1 to %d can be read",
                         proto->n_output, READ_MAX_OUTPUTS);
    for (size_t i = 0; i < proto->n_output; i++) {
        const char *name = proto->output[i]->name;
        const graph_value *value = graph_find(reader->graph, name);
        if (!value)
            return fault_set(reader->fault, "nothing makes the graph's output '%s'", name);
        for (size_t k = 0; k < i; k++)
            if (strcmp(name, proto->output[k]->name) == 0)
                return fault_set(reader->fault, "the graph lists its output '%s' twice", name);
        bert_output_entry *entry = &weights->outputs[weights->n_outputs++];
        entry->onnx = name;
        if (!read_output(reader, graph_bare(reader->graph, value), heads, &entry->output))
            return false;
    }
    return true;
}

/* Layers from the last to the first, then the embeddings. */
static bool read_encoder(reader *reader, const graph_value *value, layer_match **layers,
                         uint32_t *n_layers, embeddings_match *embeddings)
{
    *layers = NULL;
    for (*n_layers = 0; *n_layers < MAX_LAYERS; (*n_layers)++) {
        if (is_embeddings(reader, value))
            return match_embeddings(reader, value, embeddings);
        *layers = realloc(*layers, (*n_layers + 1) * sizeof **layers);
        if (!*layers)
            abort();
        layer_match *layer = &(*layers)[*n_layers];
        if (!match_layer(reader, value, layer))
            return false;
        reader->mismatch = NULL;
        value = layer->input;
    }
    return mismatch(reader, value, "fewer layers");
}

/* Whether a tensor of the embeddings is as wide as the word embeddings. */
static bool check_width(const reader *reader, const onnx_tensor *tensor, uint64_t width)
{
    uint64_t got = tensor->dims[tensor->rank - 1];
    return got == width ||
           fault_set(reader->fault,
                     "tensor '%s' of the embeddings is %llu wide, the word "
                     "embeddings are %llu wide",
                     tensor->name, (unsigned long long)got, (unsigned long long)width);
}

static bool set_config(reader *reader, const heads_match *heads, const layer_match *layers,
                       uint32_t n_layers, const embeddings_match *embeddings)
{
    const onnx_tensor *types = embeddings->token_type;
    uint64_t hidden = embeddings->word->dims[1];
    uint64_t wide = n_layers ? layers[0].intermediate.n_out : 1;
    bert_config *config = &reader->weights->config;
    bert_error error = {0};
    bert_config_init(config);
    const struct {
        const char *name;
        double value;
    } numbers[] = {
        {"vocab_size", (double)embeddings->word->dims[0]},
        {"hidden_size", (double)hidden},
        {"embedding_size", (double)hidden},
        {"intermediate_size", (double)wide},
        {"n_layers", n_layers},
        {"n_heads", n_layers ? layers[0].n_heads : 1},
        {"n_positions", (double)embeddings->position->dims[0]},
        {"n_token_types", types ? (double)types->dims[0] : 0},
        {"n_labels", heads->has_classifier ? (double)heads->classifier.n_out : 0},
        {"layer_norm_eps", embeddings->norm.eps},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (bert_config_set_number(config, numbers[i].name, numbers[i].value, &error) != BERT_OK)
            return fault_set(reader->fault, "%s is %g: %s (at most %lld)", numbers[i].name,
                             numbers[i].value, bert_status_text(error.status),
                             (long long)error.limit);
    config->activation = n_layers ? layers[0].activation : BERT_ACTIVATION_NONE;
    if (heads->has_pooler)
        config->pooler_activation = heads->pooler_activation;

    if (!check_width(reader, embeddings->position, hidden) ||
        (types && !check_width(reader, types, hidden)) ||
        !check_width(reader, embeddings->norm.weight, hidden) ||
        !check_width(reader, embeddings->norm.bias, hidden))
        return false;
    if ((heads->has_pooler && (heads->pooler.n_in != hidden || heads->pooler.n_out != hidden)) ||
        (heads->has_classifier && heads->classifier.n_in != hidden))
        return fault_set(reader->fault,
                         "the pooler or classifier does not fit the hidden size %llu",
                         (unsigned long long)hidden);
    for (uint32_t i = 0; i < n_layers; i++)
        if (!check_layer(reader, &layers[i], i ? layers[i - 1].input : heads->hidden))
            return false;
    size_t n_bytes;
    if (bert_model_bytes(config, &n_bytes, &error) != BERT_OK)
        return fault_set(reader->fault, "%s: %s", error.subject, bert_status_text(error.status));
    return true;
}

static void collect(bert_weights *weights, const heads_match *heads, const layer_match *layers,
                    const embeddings_match *embeddings)
{
    add_weight(weights, WEIGHT_TABLE, embeddings->word, false, false, "embeddings.word");
    add_weight(weights, WEIGHT_TABLE, embeddings->position, false, false, "embeddings.position");
    if (embeddings->token_type)
        add_weight(weights, WEIGHT_TABLE, embeddings->token_type, false, true,
                   "embeddings.token_type");
    add_norm(weights, &embeddings->norm, "embeddings.norm");
    for (uint32_t i = 0; i < weights->config.n_layers; i++)
        add_layer(weights, &layers[weights->config.n_layers - 1 - i], i);
    if (heads->has_pooler)
        add_dense(weights, &heads->pooler, false, "pooler");
    if (heads->has_classifier)
        add_dense(weights, &heads->classifier, true, "classifier");
}

bool read_bert(const graph *graph, bert_weights *weights, fault *fault)
{
    reader reader = {.graph = graph, .weights = weights, .fault = fault};
    heads_match heads = {0};
    embeddings_match embeddings;
    layer_match *layers = NULL;
    uint32_t n_layers = 0;
    *weights = (bert_weights){0};
    bool ok = read_outputs(&reader, &heads);
    reader.mismatch = ok ? NULL : reader.mismatch;
    ok = ok && read_encoder(&reader, heads.hidden, &layers, &n_layers, &embeddings) &&
         set_config(&reader, &heads, layers, n_layers, &embeddings);
    if (ok)
        collect(weights, &heads, layers, &embeddings);
    free(layers);
    if (!ok && reader.mismatch) {
        const Onnx__NodeProto *node = reader.mismatch->node;
        fault_set(fault, "%s '%s' (%s%s): expected %s", node ? "node" : "value",
                  node ? graph_node_name(node) : reader.mismatch->name, node ? "op " : "",
                  node ? node->op_type : "made by no node", reader.expected);
    }
    return ok || fault_set(fault, "the graph is not one of an encoder that can be read");
}

void read_bert_free(bert_weights *weights)
{
    for (size_t i = 0; i < weights->n_weights; i++)
        if (weights->weights[i].smooth_leads)
            free((float *)weights->weights[i].smooth);
    free(weights->weights);
    *weights = (bert_weights){0};
}

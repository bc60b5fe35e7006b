/*
 * lower.c - fused and quantised operators written out in plain ones (lower.h).
 *
 * Activations that a graph rounds to 8 bits are left unrounded here: we want its weights, and what
 * it would compute with exact activations. So a QuantizeLinear is a division by its scale, a
 * DynamicQuantizeLinear gives its input with a scale of 1, and a product of integers is a product
 * of floats. Weights keep exactly the values that their integers stand for.
 *
 * Operators of onnxruntime (domain com.microsoft) are described in its docs/ContribOperators.md.
 */
#include "import/lower.h"

#include <math.h>
#include <string.h>

#include "graph/graph_build.h"

/* A node being written out. */
typedef struct node_lowering {
    onnx_graph *graph;
    const graph_node *node;
    bool is_last; /* it makes an output of the graph */
    graph_value **outputs;
    fault_text *fault;
} node_lowering;

#define INTERNAL "bert" /* the domain of operators that no file has: operators/lowered.c */

static graph_value *emit_in(const node_lowering *l, const char *domain, const char *op,
                            graph_value *const *inputs, size_t n_inputs,
                            const graph_attribute *attributes, size_t n_attributes)
{
    graph_node node = {.op = op,
                       .domain = domain,
                       .name = l->node->name,
                       .inputs = inputs,
                       .n_inputs = n_inputs,
                       .n_outputs = 1,
                       .attributes = attributes,
                       .n_attributes = n_attributes};
    return graph_emit(l->graph, &node)->outputs[0];
}

static graph_value *unary(const node_lowering *l, const char *op, graph_value *a)
{
    return emit_in(l, "", op, &a, 1, NULL, 0);
}

static graph_value *binary(const node_lowering *l, const char *op, graph_value *a, graph_value *b)
{
    return emit_in(l, "", op, (graph_value *[]){a, b}, 2, NULL, 0);
}

/* a + b, or a where there is no b. */
static graph_value *add(const node_lowering *l, graph_value *a, graph_value *b)
{
    return b ? binary(l, "Add", a, b) : a;
}

static graph_value *transpose(const node_lowering *l, graph_value *a, const int64_t *order,
                              size_t rank)
{
    int64_t *copy = graph_alloc(l->graph, rank, sizeof *copy);
    memcpy(copy, order, rank * sizeof *copy);
    return emit_in(l, "", "Transpose", &a, 1,
                   &(graph_attribute){.name = "perm", .ints = copy, .n_ints = rank}, 1);
}

/* Elements begin .. end - 1 of the last axis. */
static graph_value *slice_last(const node_lowering *l, graph_value *a, int64_t begin, int64_t end)
{
    graph_value *inputs[] = {a, graph_integers(l->graph, &begin, 1),
                             graph_integers(l->graph, &end, 1),
                             graph_integers(l->graph, (int64_t[]){-1}, 1)};
    return emit_in(l, "", "Slice", inputs, 4, NULL, 0);
}

static graph_value *layer_norm(const node_lowering *l, graph_value *a, graph_value *weight,
                               graph_value *bias)
{
    float eps = graph_attribute_float(l->node, "epsilon", 1e-5f);
    graph_attribute attributes[] = {{.name = "epsilon", .f = eps}, {.name = "axis", .i = -1}};
    return emit_in(l, "", "LayerNormalization", (graph_value *[]){a, weight, bias}, bias ? 3 : 2,
                   attributes, 2);
}

static graph_value *gelu(const node_lowering *l, graph_value *a, bool by_tanh)
{
    graph_attribute form = {.name = "approximate", .text = by_tanh ? "tanh" : "none", .n_text = 4};
    return emit_in(l, "", "Gelu", &a, 1, &form, 1);
}

/* (a - zero) * scale. */
static graph_value *dequantise(const node_lowering *l, graph_value *a, graph_value *scale,
                               graph_value *zero, int64_t axis)
{
    graph_attribute attributes[] = {
        {.name = "axis", .i = axis},
        {.name = "block_size", .i = graph_attribute_int(l->node, "block_size", 0)}};
    return emit_in(l, INTERNAL, "Dequantize", (graph_value *[]){a, scale, zero}, zero ? 3 : 2,
                   attributes, 2);
}

/* An integer weight without its zero point; its scale is applied later. */
static graph_value *integers(const node_lowering *l, graph_value *a, graph_value *zero)
{
    /* Activations are floats already. */
    if (!a->is_fixed)
        return a;
    return emit_in(l, INTERNAL, "Integers", (graph_value *[]){a, zero}, zero ? 2 : 1, NULL, 0);
}

static graph_value *in(const node_lowering *l, size_t i)
{
    return i < l->node->n_inputs ? l->node->inputs[i] : NULL;
}

static bool refuse(const node_lowering *l, const char *why)
{
    return fault_set(l->fault, "node '%s' (op %s): %s", l->node->name, l->node->op, why);
}

/* Sets the first output. */
static bool give(const node_lowering *l, graph_value *result)
{
    if (l->node->n_outputs)
        l->outputs[0] = result;
    return true;
}

/* Whether there are at least n inputs. */
static bool needs(const node_lowering *l, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!in(l, i))
            return fault_set(l->fault, "node '%s' (op %s): has no input %zu, needs %zu inputs",
                             l->node->name, l->node->op, i + 1, n);
    return true;
}

/* -------------------------------------------------------------------------- quantised graphs -- */

static bool lower_dynamic_quantize_linear(node_lowering *l)
{
    l->outputs[0] = in(l, 0);
    if (l->node->n_outputs > 1)
        l->outputs[1] = graph_float(l->graph, 1);
    if (l->node->n_outputs > 2)
        l->outputs[2] = graph_integer(l->graph, 0);
    return true;
}

/* Whether a zero point is that of unsigned bytes, and 0. */
static bool is_unsigned_zero(graph_value *zero)
{
    fault_text ignored = {0};
    graph_array *constant = zero ? zero->constant : NULL;
    return constant && constant->stored && constant->stored->type == STORED_U8 &&
           constant->count == 1 && array_integers(constant, &ignored) && constant->integers[0] == 0;
}

/* Whether the value is what a Relu would be applied to: a product, with its bias. */
static bool is_dense(graph_value *a)
{
    for (size_t i = 0; graph_is(a, "Add") && i < 2; i++) {
        graph_value *bias = graph_operand(a, i);
        if (bias->is_fixed && bias->constant && bias->constant->rank == 1)
            return true;
    }
    return graph_is(a, "Gemm");
}

static bool lower_quantize_linear(node_lowering *l)
{
    if (!needs(l, 2))
        return false;
    if (graph_attribute_find(l->node, "block_size") &&
        graph_attribute_int(l->node, "block_size", 0) != 0)
        return refuse(l, "quantises in blocks, which is not supported");
    /* Quantisers drop a Relu where an unsigned integer has no room for negative numbers. */
    graph_value *a =
        is_unsigned_zero(in(l, 2)) && is_dense(in(l, 0)) ? unary(l, "Relu", in(l, 0)) : in(l, 0);
    return give(l, binary(l, "Div", a, in(l, 1)));
}

/* Whether the value is integers of the file that were only moved. */
static bool is_stored_integers(graph_value *a)
{
    static const char *const moves[] = {"Gather",    "Transpose", "Reshape", "Squeeze",
                                        "Unsqueeze", "Slice",     "Expand",  "Identity"};
    while (a && !a->constant) {
        bool moves_it = false;
        for (size_t i = 0; i < sizeof moves / sizeof *moves; i++)
            moves_it = moves_it || graph_is(a, moves[i]);
        a = moves_it ? graph_operand(a, 0) : NULL;
    }
    return a && a->constant->type == ARRAY_INTEGER;
}

static bool lower_dequantize_linear(node_lowering *l)
{
    if (!needs(l, 2))
        return false;
    graph_value *a = in(l, 0), *scale = in(l, 1), *zero = in(l, 2);
    int64_t axis = graph_attribute_int(l->node, "axis", 1);
    /* Undoes a division by the same scale; and a Relu, where this is an output of the graph and not
     * an activation. */
    if (graph_is(a, "Div") && graph_operand(a, 1) == scale) {
        graph_value *x = graph_operand(a, 0);
        return give(l, l->is_last && graph_is(x, "Relu") ? graph_operand(x, 0) : x);
    }
    /* Rows of a quantised table are rows of the table that it stands for. */
    if (graph_is(a, "Gather") && graph_operand(a, 0)->is_fixed && scale->is_fixed &&
        graph_attribute_int(a->node, "axis", 0) == 0) {
        graph_value *table = dequantise(l, graph_operand(a, 0), scale, zero, axis);
        return give(l, binary(l, "Gather", table, graph_operand(a, 1)));
    }
    if (a->is_fixed || is_stored_integers(a))
        return give(l, dequantise(l, a, scale, zero, axis));
    return give(l, binary(l, "Mul", a, scale));
}

static bool lower_matmul_integer(node_lowering *l)
{
    if (!needs(l, 2))
        return false;
    return give(
        l, binary(l, "MatMul", integers(l, in(l, 0), in(l, 2)), integers(l, in(l, 1), in(l, 3))));
}

/* a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero */
static bool lower_qlinear_matmul(node_lowering *l)
{
    if (!needs(l, 8))
        return false;
    graph_value *a = binary(l, "Mul", integers(l, in(l, 0), in(l, 2)), in(l, 1));
    graph_value *b = in(l, 3)->is_fixed ? dequantise(l, in(l, 3), in(l, 4), in(l, 5), 1)
                                        : binary(l, "Mul", in(l, 3), in(l, 4));
    return give(l, binary(l, "Div", binary(l, "MatMul", a, b), in(l, 6)));
}

/* A, B, a_scale, b_scale, a_zero, b_zero, bias */
static bool lower_matmul_integer_to_float(node_lowering *l)
{
    if (!needs(l, 4))
        return false;
    graph_value *b = in(l, 1)->is_fixed ? dequantise(l, in(l, 1), in(l, 3), in(l, 5), 1)
                                        : binary(l, "Mul", in(l, 1), in(l, 3));
    graph_value *product = binary(l, "MatMul", binary(l, "Mul", in(l, 0), in(l, 2)), b);
    return give(l, add(l, product, in(l, 6)));
}

/* A, B, b_scale, b_zero, bias */
static bool lower_dynamic_quantize_matmul(node_lowering *l)
{
    if (!needs(l, 3))
        return false;
    graph_value *b = dequantise(l, in(l, 1), in(l, 2), in(l, 3), 1);
    return give(l, add(l, binary(l, "MatMul", in(l, 0), b), in(l, 4)));
}

/* A, B, scales, zero_points, g_idx, bias */
static bool lower_matmul_nbits(node_lowering *l)
{
    if (!needs(l, 3))
        return false;
    if (in(l, 4))
        return refuse(l, "has groups in another order (g_idx), which is not supported");
    graph_attribute attributes[4];
    const char *const names[] = {"K", "N", "bits", "block_size"};
    for (int i = 0; i < 4; i++)
        attributes[i] = (graph_attribute){
            .name = names[i], .i = graph_attribute_int(l->node, names[i], i == 2 ? 4 : 0)};
    graph_value *weight =
        emit_in(l, INTERNAL, "UnpackNBits", (graph_value *[]){in(l, 1), in(l, 2), in(l, 3)},
                in(l, 3) ? 3 : 2, attributes, 4);
    return give(l, add(l, binary(l, "MatMul", in(l, 0), weight), in(l, 5)));
}

/* data, indices, scales, zero_points */
static bool lower_gather_block_quantized(node_lowering *l)
{
    const graph_node *node = l->node;
    if (!needs(l, 3))
        return false;
    if (graph_attribute_int(node, "gather_axis", 0) != 0)
        return refuse(l, "gathers along an axis other than the first, which is not supported");
    if (in(l, 0)->constant && in(l, 0)->constant->stored &&
        in(l, 0)->constant->stored->type == STORED_U8 && graph_attribute_int(node, "bits", 4) == 4)
        return refuse(l, "stores 4-bit numbers in bytes, which is not supported");
    graph_attribute attributes[] = {
        {.name = "axis", .i = graph_attribute_int(node, "quantize_axis", 1)},
        {.name = "block_size", .i = graph_attribute_int(node, "block_size", 128)}};
    graph_value *table =
        emit_in(l, INTERNAL, "Dequantize", (graph_value *[]){in(l, 0), in(l, 2), in(l, 3)},
                in(l, 3) ? 3 : 2, attributes, 2);
    return give(l, binary(l, "Gather", table, in(l, 1)));
}

/* ---------------------------------------------------------------------------- fused products -- */

static graph_value *swap_last(const node_lowering *l, graph_value *a, bool swap)
{
    if (!swap)
        return a;
    return a->constant && a->constant->rank == 2 ? transpose(l, a, (int64_t[]){1, 0}, 2)
                                                 : emit_in(l, INTERNAL, "SwapLast", &a, 1, NULL, 0);
}

static bool lower_fused_matmul(node_lowering *l)
{
    const graph_node *node = l->node;
    if (!needs(l, 2))
        return false;
    if (graph_attribute_int(node, "transBatchA", 0) || graph_attribute_int(node, "transBatchB", 0))
        return refuse(l, "transposes its batch, which is not supported");
    graph_value *a = swap_last(l, in(l, 0), graph_attribute_int(node, "transA", 0) != 0);
    graph_value *b = swap_last(l, in(l, 1), graph_attribute_int(node, "transB", 0) != 0);
    graph_value *product = binary(l, "MatMul", a, b);
    float alpha = graph_attribute_float(node, "alpha", 1);
    return give(l, alpha == 1 ? product : binary(l, "Mul", product, graph_float(l->graph, alpha)));
}

static bool lower_fused_gemm(node_lowering *l)
{
    static const char *const activations[] = {"Relu", "Tanh", "Sigmoid"};
    graph_value *product = emit_in(l, "", "Gemm", l->node->inputs, l->node->n_inputs,
                                   l->node->attributes, l->node->n_attributes);
    for (size_t i = 0; i < 3; i++)
        if (graph_attribute_is(l->node, "activation", activations[i]))
            return give(l, unary(l, activations[i], product));
    return refuse(l, "fuses an activation that is not supported");
}

/* ------------------------------------------------------------------ fused norms, activations -- */

static bool lower_gelu(node_lowering *l)
{
    return give(l, gelu(l, in(l, 0), false));
}

static bool lower_bias_gelu(node_lowering *l)
{
    return needs(l, 2) && give(l, gelu(l, add(l, in(l, 0), in(l, 1)), false));
}

static bool lower_fast_gelu(node_lowering *l)
{
    return give(l, gelu(l, add(l, in(l, 0), in(l, 1)), true));
}

/* x sigmoid(alpha x) */
static bool lower_quick_gelu(node_lowering *l)
{
    graph_value *alpha = graph_float(l->graph, graph_attribute_float(l->node, "alpha", 1.702f));
    graph_value *gate = unary(l, "Sigmoid", binary(l, "Mul", in(l, 0), alpha));
    return give(l, binary(l, "Mul", in(l, 0), gate));
}

/* input, skip, gamma, beta, bias; outputs: result, mean, deviation, the sum */
static bool lower_skip_layer_norm(node_lowering *l)
{
    if (!needs(l, 3))
        return false;
    graph_value *input = in(l, 0), *sum = binary(l, "Add", add(l, input, in(l, 4)), in(l, 1));
    if (l->node->n_outputs > 3)
        l->outputs[3] = sum;
    return give(l, layer_norm(l, sum, in(l, 2), in(l, 3)));
}

/* -------------------------------------------------------------------------- fused embeddings -- */

/* 0, 1, 2, ... for each token of ids [batch, n]. */
static graph_value *count_tokens(const node_lowering *l, graph_value *ids)
{
    graph_value *shape = unary(l, "Shape", ids);
    graph_value *n = binary(l, "Gather", shape, graph_integer(l->graph, 1));
    graph_value *inputs[] = {graph_integer(l->graph, 0), n, graph_integer(l->graph, 1)};
    return emit_in(l, "", "Range", inputs, 3, NULL, 0);
}

/* What embeddings are made of, but for ids and types: those are always inputs 0 and 1. */
typedef struct embedding_parts {
    graph_value *word, *position, *segment; /* tables; segment NULL: none */
    graph_value *gamma, *beta;
    graph_value *mask, *positions; /* NULL: none */
} embedding_parts;

/* How many tokens the mask leaves in each row. */
static graph_value *count_attended(const node_lowering *l, graph_value *mask)
{
    graph_value *axes = graph_integers(l->graph, (int64_t[]){1}, 1);
    graph_attribute keep = {.name = "keepdims", .i = 0};
    if (graph_opset(l->graph) >= 13)
        return emit_in(l, "", "ReduceSum", (graph_value *[]){mask, axes}, 2, &keep, 1);
    int64_t *axis = graph_alloc(l->graph, 1, sizeof *axis);
    *axis = 1;
    graph_attribute both[] = {keep, {.name = "axes", .ints = axis, .n_ints = 1}};
    return emit_in(l, "", "ReduceSum", &mask, 1, both, 2);
}

/* The sum of embeddings, normed; how many tokens the mask leaves, and the sum. */
static bool embed(node_lowering *l, const embedding_parts *parts)
{
    graph_value *ids = in(l, 0), *positions = parts->positions;
    graph_value *sum = binary(l, "Gather", parts->word, ids);
    sum =
        binary(l, "Add", sum,
               binary(l, "Gather", parts->position, positions ? positions : count_tokens(l, ids)));
    if (parts->segment && in(l, 1))
        sum = binary(l, "Add", sum, binary(l, "Gather", parts->segment, in(l, 1)));
    /* Without a mask there is no count either, and attention that would read it has no mask. */
    if (l->node->n_outputs > 1)
        l->outputs[1] = parts->mask ? count_attended(l, parts->mask) : NULL;
    if (l->node->n_outputs > 2)
        l->outputs[2] = sum;
    return give(l, layer_norm(l, sum, parts->gamma, parts->beta));
}

/* ids, segments, word, position, segment table, gamma, beta, mask, positions */
static bool lower_embed_layer_norm(node_lowering *l)
{
    embedding_parts parts = {in(l, 2), in(l, 3), in(l, 4), in(l, 5), in(l, 6), in(l, 7), in(l, 8)};
    bool is_whole = parts.word && parts.position && parts.gamma && parts.beta;
    return needs(l, 1) && (is_whole ? embed(l, &parts) : refuse(l, "lacks a table or its norm"));
}

/* ids, segments, 3 tables, gamma, beta, mask, 5 scales, 5 zero points */
static bool lower_q_embed_layer_norm(node_lowering *l)
{
    graph_value *tables[5];
    for (size_t i = 0; i < 5; i++) {
        graph_value *table = in(l, 2 + i), *scale = in(l, 8 + i), *zero = in(l, 13 + i);
        if ((!table || !scale) && i != 2)
            return refuse(l, "lacks a table or its scale");
        tables[i] = table && scale ? dequantise(l, table, scale, zero, 0) : NULL;
    }
    return embed(l, &(embedding_parts){tables[0], tables[1], tables[2], tables[3], tables[4],
                                       in(l, 7), NULL});
}

/* --------------------------------------------------------------------------------- attention -- */

/* [batch, n, hidden] cut into heads: [batch, heads, n, dim]. */
static graph_value *cut_heads(const node_lowering *l, graph_value *a, int64_t n_heads)
{
    graph_value *shape = graph_integers(l->graph, (int64_t[]){0, 0, n_heads, -1}, 4);
    return transpose(l, binary(l, "Reshape", a, shape), (int64_t[]){0, 2, 1, 3}, 4);
}

static graph_value *join_heads(const node_lowering *l, graph_value *a)
{
    graph_value *joined = transpose(l, a, (int64_t[]){0, 2, 1, 3}, 4);
    return binary(l, "Reshape", joined, graph_integers(l->graph, (int64_t[]){0, 0, -1}, 3));
}

/* softmax(scale Q K' + mask + bias) V, of heads; the scale 0 is 1 / sqrt(dim). */
static graph_value *attend(const node_lowering *l, graph_value *query, graph_value *key,
                           graph_value *values, float scale, graph_value *mask, graph_value *bias)
{
    graph_value *scores = binary(l, "MatMul", query, transpose(l, key, (int64_t[]){0, 1, 3, 2}, 4));
    graph_value *factor = graph_float(l->graph, scale);
    if (scale == 0) {
        /* 1 / sqrt of the last dimension, which a fused node does not say. */
        graph_value *dim =
            binary(l, "Gather", unary(l, "Shape", query), graph_integer(l->graph, -1));
        graph_attribute to = {.name = "to", .i = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT};
        graph_value *wide = emit_in(l, "", "Cast", &dim, 1, &to, 1);
        factor = unary(l, "Reciprocal", unary(l, "Sqrt", wide));
    }
    scores = binary(l, "Mul", scores, factor);
    if (mask) {
        graph_attribute filter = {.name = "filter",
                                  .f = graph_attribute_float(l->node, "mask_filter_value", -10000)};
        scores = binary(
            l, "Add", scores,
            emit_in(l, INTERNAL, "AttentionMask", (graph_value *[]){mask, scores}, 2, &filter, 1));
    }
    scores = add(l, scores, bias);
    graph_attribute last = {.name = "axis", .i = -1};
    if (graph_opset(l->graph) < 13)
        last.i = 3;
    return binary(l, "MatMul", emit_in(l, "", "Softmax", &scores, 1, &last, 1), values);
}

/* Columns of query, key and value in a joint product; false if that is not known. */
static bool find_widths(const node_lowering *l, graph_value *weight, int64_t widths[3])
{
    const graph_attribute *sizes = graph_attribute_find(l->node, "qkv_hidden_sizes");
    if (sizes && sizes->n_ints == 3) {
        memcpy(widths, sizes->ints, 3 * sizeof *widths);
        for (int i = 0; i < 3; i++)
            if (widths[i] < 1 || widths[i] > INT32_MAX)
                return false;
        return true;
    }
    if (!weight->constant || weight->constant->rank != 2 || weight->constant->dims[1] % 3 != 0)
        return false;
    for (int i = 0; i < 3; i++)
        widths[i] = weight->constant->dims[1] / 3;
    return true;
}

/* Attention of a joint product [batch, n, widths]. */
static bool attend_jointly(node_lowering *l, graph_value *joint, graph_value *weight,
                           graph_value *mask, graph_value *bias)
{
    int64_t n_heads = graph_attribute_int(l->node, "num_heads", 0), widths[3];
    if (n_heads < 1)
        return refuse(l, "does not say how many heads there are");
    if (!find_widths(l, weight, widths))
        return refuse(l, "has a weight that is not a constant matrix of queries, keys and values");
    if (graph_attribute_int(l->node, "unidirectional", 0))
        return refuse(l, "attends to earlier tokens only: this is a decoder");
    if (graph_attribute_int(l->node, "do_rotary", 0))
        return refuse(l, "rotates positions, which is not supported");
    if (l->node->n_outputs > 1)
        l->outputs[1] = NULL;
    graph_value *parts[3];
    int64_t begin = 0;
    for (int i = 0; i < 3; begin += widths[i++])
        parts[i] = cut_heads(l, slice_last(l, joint, begin, begin + widths[i]), n_heads);
    graph_value *context = attend(l, parts[0], parts[1], parts[2],
                                  graph_attribute_float(l->node, "scale", 0), mask, bias);
    return give(l, join_heads(l, context));
}

/* input, weights, bias, mask, past, attention bias */
static bool lower_attention(node_lowering *l)
{
    if (!needs(l, 2))
        return false;
    if (in(l, 4))
        return refuse(l, "takes keys and values of the past: this is a decoder");
    graph_value *joint = add(l, binary(l, "MatMul", in(l, 0), in(l, 1)), in(l, 2));
    return attend_jointly(l, joint, in(l, 1), in(l, 3), in(l, 5));
}

/* input, weight, bias, input scale, weight scale, mask, input zero, weight zero, past */
static bool lower_q_attention(node_lowering *l)
{
    if (!needs(l, 5))
        return false;
    if (in(l, 8))
        return refuse(l, "takes keys and values of the past: this is a decoder");
    graph_value *weight = dequantise(l, in(l, 1), in(l, 4), in(l, 7), 1);
    graph_value *input = binary(l, "Mul", in(l, 0), in(l, 3));
    graph_value *joint = add(l, binary(l, "MatMul", input, weight), in(l, 2));
    return attend_jointly(l, joint, in(l, 1), in(l, 5), NULL);
}

/* query, key, value, bias, key padding mask, attention bias, past key, past value */
static bool lower_multi_head_attention(node_lowering *l)
{
    int64_t n_heads = graph_attribute_int(l->node, "num_heads", 0);
    graph_value *parts[] = {in(l, 0), in(l, 1), in(l, 2)}, *bias = in(l, 3);
    if (!parts[0] || !parts[1] || !parts[2])
        return refuse(l, "has packed queries, keys and values, which is not supported");
    if (in(l, 6) || in(l, 7))
        return refuse(l, "takes keys and values of the past: this is a decoder");
    if (n_heads < 1)
        return refuse(l, "does not say how many heads there are");
    if (graph_attribute_int(l->node, "unidirectional", 0))
        return refuse(l, "attends to earlier tokens only: this is a decoder");
    if (bias && (!bias->constant || bias->constant->rank != 1 || bias->constant->dims[0] % 3))
        return refuse(l, "has a bias that is not a constant vector of queries, keys and values");
    for (int i = 0; i < 3; i++) {
        int64_t width = bias ? bias->constant->dims[0] / 3 : 0;
        if (bias)
            parts[i] = binary(l, "Add", parts[i], slice_last(l, bias, i * width, (i + 1) * width));
        parts[i] = cut_heads(l, parts[i], n_heads);
    }
    for (size_t i = 1; i < l->node->n_outputs; i++)
        l->outputs[i] = NULL;
    graph_value *context = attend(l, parts[0], parts[1], parts[2],
                                  graph_attribute_float(l->node, "scale", 0), in(l, 4), in(l, 5));
    return give(l, join_heads(l, context));
}

/* Q, K, V, mask, past key, past value: the standard operator, from set 23 on */
static bool lower_standard_attention(node_lowering *l)
{
    int64_t n_heads = graph_attribute_int(l->node, "q_num_heads", 0);
    int64_t n_key_heads = graph_attribute_int(l->node, "kv_num_heads", n_heads);
    if (!needs(l, 3))
        return false;
    if (graph_attribute_int(l->node, "is_causal", 0) || in(l, 4))
        return refuse(l, "attends to earlier tokens only: this is a decoder");
    if (n_heads != n_key_heads || graph_attribute_float(l->node, "softcap", 0) != 0)
        return refuse(
            l, "has fewer heads of keys than of queries, or caps scores, which is not supported");
    graph_value *parts[] = {in(l, 0), in(l, 1), in(l, 2)}, *mask = in(l, 3);
    for (int i = 0; n_heads && i < 3; i++)
        parts[i] = cut_heads(l, parts[i], n_heads);
    if (mask) /* booleans say who is attended to, floats are added */
        mask = emit_in(l, INTERNAL, "MaskToFloat", &mask, 1, NULL, 0);
    graph_value *context = attend(l, parts[0], parts[1], parts[2],
                                  graph_attribute_float(l->node, "scale", 0), NULL, mask);
    return give(l, n_heads ? join_heads(l, context) : context);
}

/* --------------------------------------------------------------------------------- the table -- */

static const struct rule {
    const char *domain, *op;
    bool (*lower)(node_lowering *l);
} rules[] = {
    {"", "Attention", lower_standard_attention},
    {"", "DequantizeLinear", lower_dequantize_linear},
    {"", "DynamicQuantizeLinear", lower_dynamic_quantize_linear},
    {"", "MatMulInteger", lower_matmul_integer},
    {"", "QLinearMatMul", lower_qlinear_matmul},
    {"", "QuantizeLinear", lower_quantize_linear},
    {"com.microsoft", "Attention", lower_attention},
    {"com.microsoft", "BiasGelu", lower_bias_gelu},
    {"com.microsoft", "DequantizeLinear", lower_dequantize_linear},
    {"com.microsoft", "DynamicQuantizeMatMul", lower_dynamic_quantize_matmul},
    {"com.microsoft", "EmbedLayerNormalization", lower_embed_layer_norm},
    {"com.microsoft", "FastGelu", lower_fast_gelu},
    {"com.microsoft", "FusedGemm", lower_fused_gemm},
    {"com.microsoft", "FusedMatMul", lower_fused_matmul},
    {"com.microsoft", "GatherBlockQuantized", lower_gather_block_quantized},
    {"com.microsoft", "Gelu", lower_gelu},
    {"com.microsoft", "MatMulInteger16", lower_matmul_integer},
    {"com.microsoft", "MatMulIntegerToFloat", lower_matmul_integer_to_float},
    {"com.microsoft", "MatMulNBits", lower_matmul_nbits},
    {"com.microsoft", "MultiHeadAttention", lower_multi_head_attention},
    {"com.microsoft", "QAttention", lower_q_attention},
    {"com.microsoft", "QEmbedLayerNormalization", lower_q_embed_layer_norm},
    {"com.microsoft", "QuantizeLinear", lower_quantize_linear},
    {"com.microsoft", "QuickGelu", lower_quick_gelu},
    {"com.microsoft", "SkipLayerNormalization", lower_skip_layer_norm},
    {"com.microsoft", "TransposeMatMul", lower_fused_matmul},
};

static const struct rule *find_rule(const char *domain, const char *op)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (strcmp(domain, rules[i].domain) == 0 && strcmp(op, rules[i].op) == 0)
            return &rules[i];
    return NULL;
}

bool lower_knows(const char *domain, const char *op)
{
    return find_rule(domain, op) != NULL;
}

bool lower_node(onnx_graph *graph, const graph_node *node, bool is_last, graph_value **outputs,
                fault_text *fault)
{
    node_lowering lowering = {graph, node, is_last, outputs, fault};
    return find_rule(node->domain, node->op)->lower(&lowering);
}

/* layer.c - one layer, and the convolution beside the first (read.h). */
#include "read/read.h"

#include "graph/graph_build.h"

/* norm(x + dense(...)), summed in any order; the bias may be added separately. */
typedef struct residual {
    affine_match dense;
    graph_value *x; /* plain */
} residual;

static void add_bias(const graph_reader *reader, affine_match *dense, const float *bias)
{
    float *sum = graph_alloc(reader->graph, dense->n_out, sizeof *sum);
    for (uint32_t i = 0; i < dense->n_out; i++)
        sum[i] = dense->bias[i] + bias[i];
    dense->bias = sum;
}

/* Splits a sum into a dense layer and something else, in up to two ways; returns how many. */
static int split_residual(const graph_reader *reader, graph_value *sum, residual splits[2])
{
    graph_value *bias = NULL;
    int n = 0;
    sum = plain(reader, sum);
    /* A bias that is added last. */
    for (size_t i = 0; graph_is(sum, "Add") && i < 2; i++)
        if (graph_operand(sum, i)->is_fixed) {
            bias = graph_operand(sum, i);
            sum = plain(reader, graph_operand(sum, 1 - i));
            break;
        }
    for (size_t i = 0; graph_is(sum, "Add") && i < 2; i++) {
        if (!match_affine(reader, graph_operand(sum, i), &splits[n].dense))
            continue;
        const float *numbers = bias ? fixed_vector(reader, bias, splits[n].dense.n_out) : NULL;
        if (bias && !numbers)
            continue;
        if (bias)
            add_bias(reader, &splits[n].dense, numbers);
        splits[n++].x = plain(reader, graph_operand(sum, 1 - i));
    }
    return n;
}

/* The feed-forward block: activation(x W1 + b1) W2 + b2 of the same x that is added. */
static bool read_feed_forward(graph_reader *reader, const residual *split, layer_match *layer)
{
    layer->output = split->dense;
    return match_activated(reader, split->dense.input, &layer->intermediate, &layer->activation) &&
           layer->activation != BERT_ACTIVATION_NONE && layer->intermediate.input == split->x;
}

/* Attention on the same x that is added. */
static bool read_self_attention(graph_reader *reader, const residual *split, layer_match *layer)
{
    const attention_match *attention = &layer->attention;
    layer->attention_output = split->dense;
    layer->input = split->x;
    if (!read_attention(reader, split->dense.input, &layer->attention))
        return false;
    return (attention->query.dense.input == split->x && attention->key.dense.input == split->x &&
            attention->value.dense.input == split->x) ||
           mismatch(reader, split->dense.product, "attention on the same value as its residual");
}

bool read_layer(graph_reader *reader, graph_value *at, layer_match *layer)
{
    residual splits[2];
    *layer = (layer_match){.result = plain(reader, at), .n_steps = -1};
    if (!match_layer_norm(reader, at, &layer->output_norm))
        return false;
    int n = split_residual(reader, layer->output_norm.input, splits), i = 0;
    layer->n_steps = n > 0 ? 0 : -1;
    while (i < n && !read_feed_forward(reader, &splits[i], layer))
        i++;
    if (i == n)
        return mismatch(reader, layer->output_norm.input,
                        "a sum of a feed-forward block (dense, activation, dense) and its input");
    layer->n_steps = 1;
    graph_value *attended = splits[i].x;
    if (!match_layer_norm(reader, attended, &layer->attention_norm))
        return mismatch(reader, attended, "the layer normalisation after attention");
    layer->n_steps = 2;
    n = split_residual(reader, layer->attention_norm.input, splits);
    for (i = 0; i < n; i++)
        if (read_self_attention(reader, &splits[i], layer))
            return true;
    return mismatch(reader, layer->attention_norm.input,
                    "a sum of a dense layer of attention and its input");
}

/* The Conv, if `at` is made of that alone; or NULL. */
static graph_value *find_conv(const graph_reader *reader, graph_value *at)
{
    for (int steps = 0; at && steps < 24 && !is_product(reader, at); steps++) {
        if (graph_is(at, "Conv"))
            return at;
        graph_value *next = carrier(reader, at);
        for (size_t i = 0; !next && at->node && i < at->node->n_inputs; i++)
            if (at->node->inputs[i] && carries(reader, at->node->inputs[i]))
                next = at->node->inputs[i]; /* any operand of an activation will do */
        at = next;
    }
    return NULL;
}

/* The value whose activation `at` is: the result of the Conv in the layout of `at`. */
static bool read_conv_activation(graph_reader *reader, graph_value *at, graph_value *conv,
                                 bert_activation *activation)
{
    for (size_t i = at->index; i > conv->index; i--) {
        graph_value *from = graph_at(reader->graph, i);
        const graph_array *shape = shape_of(reader, from), *wanted = shape_of(reader, at);
        if (shape && shape->is_hollow && array_is_same_shape(shape, wanted) &&
            graph_is(from, "Transpose") && find_conv(reader, from) == conv)
            return match_activation(reader, from, at, activation);
    }
    return false;
}

bool read_conv(graph_reader *reader, graph_value *at, conv_match *conv)
{
    *conv = (conv_match){0};
    if (!match_layer_norm(reader, at, &conv->norm))
        return mismatch(reader, at, "a layer normalisation");
    graph_value *sum = conv->norm.input;
    for (size_t i = 0; graph_is(sum, "Add") && i < 2; i++) {
        graph_value *branch = graph_operand(sum, i), *node = find_conv(reader, branch);
        if (!node || !graph_operand(node, 1)->is_fixed)
            continue;
        conv->node = node;
        conv->layer = plain(reader, graph_operand(sum, 1 - i));
        conv->input = graph_operand(node, 0);
        while (graph_is(conv->input, "Transpose") || graph_is(conv->input, "Identity"))
            conv->input = graph_operand(conv->input, 0);
        conv->input = plain(reader, conv->input);
        return read_conv_activation(reader, branch, node, &conv->activation) ||
               mismatch(reader, branch, "an activation of a convolution");
    }
    conv->node = NULL;
    return mismatch(reader, sum, "a sum of a layer and a convolution");
}

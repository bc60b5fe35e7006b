/* read.c - the whole of a graph, from its outputs to its inputs (read.h). */
#include "read/read.h"

#include <stdlib.h>

/* ------------------------------------------------------------------------------------ layers -- */

/* Whether the value is made of something that a softmax made: then it is not an embedding. */
static bool has_attention(const graph_reader *reader, graph_value *at)
{
    bool *needed = calloc(at->index + 1, sizeof *needed), found = false;
    if (!needed)
        abort();
    needed[at->index] = true;
    for (size_t i = at->index + 1; i > 0 && !found; i--) {
        graph_value *v = graph_at(reader->graph, i - 1);
        found = needed[i - 1] && graph_is(v, "Softmax");
        for (size_t k = 0; needed[i - 1] && v->node && k < v->node->n_inputs; k++)
            if (v->node->inputs[k])
                needed[v->node->inputs[k]->index] = true;
    }
    free(needed);
    return found;
}

/* Finds the nearest value before `output` that is a layer's result, and what looked most like one
 * above it. */
static bool find_top(graph_reader *reader, graph_value *output, encoder_match *encoder,
                     layer_match *layer)
{
    size_t n = output->index + 1;
    bool *needed = calloc(n, sizeof *needed);
    int n_steps = -1;
    if (!needed)
        abort();
    needed[output->index] = true;
    for (size_t i = n; i > 0 && !encoder->hidden; i--) {
        graph_value *at = graph_at(reader->graph, i - 1);
        if (!needed[i - 1] || at->is_fixed)
            continue;
        reader->mismatch = NULL;
        layer->n_steps = -1;
        if (plain(reader, at) == at && read_layer(reader, at, layer))
            encoder->hidden = at;
        if (reader->mismatch && layer->n_steps > n_steps && has_attention(reader, at)) {
            encoder->suspect = reader->mismatch;
            encoder->suspect_expected = reader->expected;
            n_steps = layer->n_steps;
        }
        for (size_t k = 0; at->node && k < at->node->n_inputs; k++)
            if (at->node->inputs[k])
                needed[at->node->inputs[k]->index] = true;
    }
    free(needed);
    return encoder->hidden != NULL;
}

/* What looked like a layer explains more than what stands on it. */
static bool report_suspect(graph_reader *reader, const encoder_match *encoder)
{
    if (encoder->suspect) {
        reader->mismatch = encoder->suspect;
        reader->expected = encoder->suspect_expected;
    }
    return false;
}

static void push_layer(encoder_match *encoder, const layer_match *layer)
{
    encoder->layers = realloc(encoder->layers, (encoder->n_layers + 1) * sizeof *encoder->layers);
    if (!encoder->layers)
        abort();
    encoder->layers[encoder->n_layers++] = *layer;
}

static void reverse_layers(encoder_match *encoder)
{
    for (uint32_t i = 0, k = encoder->n_layers; i + 1 < k; i++) {
        layer_match layer = encoder->layers[i];
        encoder->layers[i] = encoder->layers[--k];
        encoder->layers[k] = layer;
    }
}

bool read_stack(graph_reader *reader, graph_value *output, encoder_match *encoder)
{
    layer_match layer;
    if (!find_top(reader, output, encoder, &layer)) {
        reader->mismatch = NULL;
        mismatch(reader, output, "an encoder: layers that end in a layer normalisation");
        return report_suspect(reader, encoder);
    }
    graph_value *at;
    for (;;) {
        push_layer(encoder, &layer);
        reader->mismatch = NULL;
        at = layer.input;
        if (encoder->n_layers == READ_MAX_LAYERS)
            return mismatch(reader, at, "fewer layers");
        if (has_attention(reader, at)) {
            if (read_layer(reader, at, &layer))
                continue;
            if (encoder->conv.node || !read_conv(reader, at, &encoder->conv))
                return mismatch(reader, at, "a layer normalisation");
            reader->mismatch = NULL;
            if (!read_layer(reader, encoder->conv.layer, &layer))
                return false;
            continue;
        }
        break;
    }
    reverse_layers(encoder);
    if (encoder->conv.node && encoder->conv.input != encoder->layers[0].input)
        return mismatch(reader, encoder->conv.node, "a convolution of the embeddings");
    if (encoder->conv.node && encoder->n_layers > 1 &&
        encoder->conv.layer != encoder->layers[0].result)
        return mismatch(reader, encoder->conv.node, "a convolution beside the first layer");
    return read_embeddings(reader, at, &encoder->embeddings);
}

/* ----------------------------------------------------------------------------------- outputs -- */

static bool read_outputs(graph_reader *reader, encoder_match *encoder, bert_weights *weights)
{
    size_t n = graph_n_outputs(reader->graph), best = 0;
    if (n > WEIGHTS_MAX_OUTPUTS)
        return fault_set(reader->fault, "the graph has %zu outputs; at most %d can be read", n,
                         WEIGHTS_MAX_OUTPUTS);
    /* The output that is made last stands on the whole encoder. */
    for (size_t i = 1; i < n; i++)
        if (graph_find(reader->graph, graph_output_name(reader->graph, i))->index >
            graph_find(reader->graph, graph_output_name(reader->graph, best))->index)
            best = i;
    graph_value *last = graph_find(reader->graph, graph_output_name(reader->graph, best));
    if (!read_stack(reader, last, encoder))
        return false;
    for (size_t i = 0; i < n; i++) {
        output_name *name = &weights->outputs[weights->n_outputs++];
        name->onnx = graph_output_name(reader->graph, i);
        reader->mismatch = NULL;
        if (!read_output(reader, encoder, graph_find(reader->graph, name->onnx), name))
            return report_suspect(reader, encoder);
    }
    return true;
}

bool read_encoder(graph_reader *reader, bert_weights *weights)
{
    encoder_match encoder = {0};
    *weights = (bert_weights){0};
    bool ok = read_outputs(reader, &encoder, weights) && read_collect(reader, &encoder, weights);
    free(encoder.layers);
    if (!ok && reader->mismatch) {
        const graph_node *node = reader->mismatch->node;
        fault_set(reader->fault, "%s '%s' (%s%s): expected %s", node ? "node" : "value",
                  node ? node->name : reader->mismatch->name, node ? "op " : "",
                  node ? node->op : "made by no node", reader->expected);
    }
    return ok || fault_set(reader->fault, "the graph is not that of an encoder that can be read");
}

/* read.c - the encoder under the outputs of a graph, from its last layer to its inputs (read.h). */
#include "read/read.h"

#include <stdlib.h>

/* ------------------------------------------------------------------------------------ layers -- */

/* Whether the value is made of something that a softmax made: then it is not an embedding. */
static bool has_attention(const graph_reader *reader, graph_value *at)
{
    bool *is_ancestor = reader_ancestors(reader, at), found = false;
    for (size_t i = 0; i <= at->index && !found; i++)
        found = is_ancestor[i] && graph_is(graph_at(reader->graph, i), "Softmax");
    free(is_ancestor);
    return found;
}

/* Finds the last value under `outputs` that is a layer's result, and what looked most like one
 * above it. */
static bool find_top(graph_reader *reader, graph_value *const *outputs, size_t n_outputs,
                     encoder_match *encoder, layer_match *layer)
{
    size_t n = graph_n_values(reader->graph);
    bool *needed = calloc(n, sizeof *needed);
    int n_steps = -1;
    if (!needed)
        abort();
    for (size_t i = 0; i < n_outputs; i++)
        needed[outputs[i]->index] = true;
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

bool report_suspect(graph_reader *reader, const encoder_match *encoder)
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

bool read_stack(graph_reader *reader, graph_value *const *outputs, size_t n_outputs,
                encoder_match *encoder)
{
    layer_match layer;
    if (!find_top(reader, outputs, n_outputs, encoder, &layer)) {
        graph_value *last = outputs[0];
        for (size_t i = 1; i < n_outputs; i++)
            last = outputs[i]->index > last->index ? outputs[i] : last;
        reader->mismatch = NULL;
        mismatch(reader, last, "an encoder: layers that end in a layer normalisation");
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

void describe_mismatch(const graph_reader *reader, fault_text *fault)
{
    const graph_node *node = reader->mismatch->node;
    fault_set(fault, "%s '%s' (%s%s): expected %s", node ? "node" : "value",
              node ? node->name : reader->mismatch->name, node ? "op " : "",
              node ? node->op : "made by no node", reader->expected);
}

bool read_encoder(graph_reader *reader, const output_choice *choice, bert_weights *weights)
{
    encoder_match encoder = {0};
    *weights = (bert_weights){0};
    bool ok =
        read_outputs(reader, choice, &encoder, weights) && read_collect(reader, &encoder, weights);
    free(encoder.layers);
    if (!ok && reader->mismatch)
        describe_mismatch(reader, reader->fault);
    return ok || fault_set(reader->fault, "the graph is not that of an encoder that can be read");
}

/*
 * graph.h - an ONNX graph as values and the nodes that make them, for walking backwards.
 */
#ifndef CONVERTER_GRAPH_H
#define CONVERTER_GRAPH_H

#include "onnx.h"

/* One value: made by a node, a constant, or an input of the graph. */
typedef struct graph_value {
    const char *name;
    const Onnx__NodeProto *node; /* what makes it, or NULL */
    size_t node_index;           /* its place in the file; 0 without a node */
    onnx_tensor constant;
    bool is_constant; /* an initializer, or the output of a Constant node */
    bool is_input;    /* of the graph, and no initializer */
} graph_value;

typedef struct graph {
    const Onnx__GraphProto *proto;
    graph_value *values;
    size_t n_values;
    uint32_t *slots; /* hash table of indices into values, plus 1 */
    size_t n_slots;
} graph;

/*
 * Checks names and order as it goes: every input of a node is made before it (so there are no
 * cycles), no value is made twice, every operator is one that we know and has the inputs that it
 * needs, no node has a subgraph.
 * Tensors stay in `model`, which must outlive the graph.
 */
bool graph_open(onnx_model *model, graph *graph, fault *fault);
void graph_close(graph *graph);

/* NULL if there is no value of that name. */
const graph_value *graph_find(const graph *graph, const char *name);

/* Input i of the node that makes `value`; NULL if it has no node, or no such input. */
const graph_value *graph_input(const graph *graph, const graph_value *value, size_t i);

/* Whether `value` is made by this operator of the standard domain. */
bool graph_is(const graph_value *value, const char *op);

/* The node's name for a message: its first output's, if it has none of its own. */
const char *graph_node_name(const Onnx__NodeProto *node);

/* An attribute of the node that makes `value`, or NULL. */
const Onnx__AttributeProto *graph_attribute(const graph_value *value, const char *name);
int64_t graph_attribute_int(const graph_value *value, const char *name, int64_t fallback);
float graph_attribute_float(const graph_value *value, const char *name, float fallback);

/* `value` without the Identity, Dropout and Cast nodes on it: nodes that change no number that
 * matters. */
const graph_value *graph_bare(const graph *graph, const graph_value *value);

/* The constant behind `value`, or NULL. */
const onnx_tensor *graph_constant(const graph *graph, const graph_value *value);

/* The constant behind `value` if it is a single floating number. */
bool graph_number(const graph *graph, const graph_value *value, float *number);

/* Element i of an integer list that is a constant, or a Concat of what may be constants: the way
 * exporters write the shape of a Reshape. i < 0 counts from the end. False if it is not known. */
bool graph_list_element(const graph *graph, const graph_value *list, int i, int64_t *number);

/* Whether `value` is computed from the graph's input of that name. */
bool graph_depends_on(const graph *graph, const graph_value *value, const char *input);

#endif

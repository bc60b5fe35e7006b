/*
 * graph.h - an ONNX graph as values and the nodes that make them, in the order of execution.
 *
 * Fused and quantised operators of exporters and optimisers are not here: while the graph is opened
 * they are written out in plain ones (import/), so that its readers meet one way of writing things.
 */
#ifndef CONVERTER_GRAPH_H
#define CONVERTER_GRAPH_H

#include "graph/array.h"
#include "graph/onnx.h"

typedef struct graph_node graph_node;

/* One value: made by a node, a constant of the file, or an input of the graph. A constant type:
 * nothing but graph.c makes a value, and nobody changes one. */
typedef const struct graph_value graph_value;
struct graph_value {
    const char *name;
    size_t index;           /* in the order of execution: after everything that it is made of */
    const graph_node *node; /* what makes it, or NULL */
    size_t output;          /* which output of the node */
    graph_array *constant;  /* of the file; NULL: none */
    bool is_fixed;          /* computed from constants alone, or one */
    bool is_input;          /* of the graph, and not a constant */
};

typedef struct graph_attribute {
    const char *name;
    int64_t i;
    float f;
    const int64_t *ints;
    size_t n_ints;
    const float *floats;
    size_t n_floats;
    const char *text; /* [n_text], not terminated */
    size_t n_text;
    graph_value *value; /* a tensor, as a constant; NULL: not a tensor */
} graph_attribute;

struct graph_node {
    const char *op, *domain;    /* domain "": the standard one */
    const char *name;           /* for messages: of its first output, if it has none of its own */
    graph_value *const *inputs; /* [n_inputs], NULL: left out */
    size_t n_inputs;
    graph_value *const *outputs; /* [n_outputs], NULL: left out */
    size_t n_outputs;
    const graph_attribute *attributes;
    size_t n_attributes;
    const char *problem; /* why nothing can compute it, as a sentence; NULL: none known */
};

typedef struct onnx_graph onnx_graph;

/* Of graph_open() (import/graph_read.h). NULL is allowed. */
void graph_close(onnx_graph *graph);

/* Operator set of the standard domain. */
int64_t graph_opset(const onnx_graph *graph);

size_t graph_n_values(const onnx_graph *graph);
graph_value *graph_at(const onnx_graph *graph, size_t index);

/* NULL if there is no value of that name. */
graph_value *graph_find(const onnx_graph *graph, const char *name);

size_t graph_n_outputs(const onnx_graph *graph);
const char *graph_output_name(const onnx_graph *graph, size_t i);

/* Whether the file declares floats of any width for the output, or nothing. */
bool graph_output_may_be_float(const onnx_graph *graph, size_t i);

/* Dimension `axis` of an input as the file declares it; 0: open. */
int64_t graph_input_dim(const onnx_graph *graph, graph_value *input, size_t axis);

/* Input i of the node that makes `value`; NULL if it has no node, or no such input. */
graph_value *graph_operand(graph_value *value, size_t i);

/* Whether `value` is made by this operator of the standard domain. */
bool graph_is(graph_value *value, const char *op);

/* An attribute of a node, or NULL. */
const graph_attribute *graph_attribute_find(const graph_node *node, const char *name);
int64_t graph_attribute_int(const graph_node *node, const char *name, int64_t fallback);
float graph_attribute_float(const graph_node *node, const char *name, float fallback);
/* Whether it is this text. */
bool graph_attribute_is(const graph_node *node, const char *name, const char *text);

#endif

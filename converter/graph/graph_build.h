/*
 * graph_build.h - making a graph, for import/; and memory that lives as long as it, for read/.
 */
#ifndef CONVERTER_GRAPH_BUILD_H
#define CONVERTER_GRAPH_BUILD_H

#include "graph/graph.h"

/* An empty graph with room for `n_names` names. Aborts without memory. */
onnx_graph *graph_new(const Onnx__GraphProto *proto, int64_t opset, size_t n_names);

/* Gives a value a name; several may stand for one. False if the name is taken. */
bool graph_bind(onnx_graph *graph, const char *name, graph_value *value);

/* An input of the graph, and a constant, whose array it takes; neither is bound to its name. */
graph_value *graph_input(onnx_graph *graph, const char *name);
graph_value *graph_constant(onnx_graph *graph, const char *name, graph_array *constant);

/* Memory that lives as long as the graph, zeros. Aborts if there is none: these are small. */
void *graph_alloc(onnx_graph *graph, size_t count, size_t size);

/* A node like this one, after all others; its outputs are `n_outputs` new values without names of
 * their own. Inputs and attributes are copied, lists and texts in them are not. */
const graph_node *graph_emit(onnx_graph *graph, const graph_node *like);

/* A constant of one float, of one integer, or of a list of integers. */
graph_value *graph_float(onnx_graph *graph, float number);
graph_value *graph_integer(onnx_graph *graph, int64_t number);
graph_value *graph_integers(onnx_graph *graph, const int64_t *numbers, size_t n);

#endif

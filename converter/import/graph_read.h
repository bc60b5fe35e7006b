/*
 * graph_read.h - a file becomes a graph of plain operators.
 */
#ifndef CONVERTER_GRAPH_READ_H
#define CONVERTER_GRAPH_READ_H

#include "graph/graph.h"

/*
 * Checks names and order as it goes: every input of a node is made before it (so there are no
 * cycles), no value is made twice, every operator is one that we know and has the inputs that it
 * needs, no node has a subgraph.
 * Tensors stay in `model`, which must outlive the graph. NULL with a fault; graph_close() frees it.
 */
onnx_graph *graph_open(onnx_model *model, fault_text *fault);

#endif

/*
 * lower.h - fused and quantised operators, in plain ones.
 */
#ifndef CONVERTER_LOWER_H
#define CONVERTER_LOWER_H

#include "graph/graph.h"

bool lower_knows(const char *domain, const char *op);

/*
 * Emits what `node` computes and gives the values of its outputs, NULL for those that nobody asks
 * for. `is_last`: one of them is an output of the graph. False with a fault if it uses the operator
 * in a way that is not understood.
 */
bool lower_node(onnx_graph *graph, const graph_node *node, bool is_last, graph_value **outputs,
                fault_text *fault);

#endif

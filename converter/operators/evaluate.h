/*
 * evaluate.h - asking a graph what it computes.
 */
#ifndef CONVERTER_EVALUATE_H
#define CONVERTER_EVALUATE_H

#include "graph/graph.h"

typedef struct graph_evaluation graph_evaluation;

/*
 * An evaluation of the graph, of which nothing is known yet. What comes of constants alone is
 * computed in `constants`, an evaluation in which nothing is set, once for all; NULL for that one
 * itself. Aborts without memory.
 */
graph_evaluation *evaluation_new(const onnx_graph *graph, graph_evaluation *constants);

/* One in which `value` will be set: what stands before it in the graph, which cannot depend on it,
 * is as in `before`, which must outlive it. */
graph_evaluation *evaluation_from(graph_evaluation *before, graph_value *value);
void evaluation_free(graph_evaluation *evaluation);

/* From now on `value` is this array, whatever makes it. Takes the caller's use of it. */
void evaluation_set(graph_evaluation *evaluation, graph_value *value, graph_array *array);

/* The value, computed with all that it needs, if it was not. It belongs to the evaluation. NULL
 * with a fault that names the node: an input that was not set, or data that do not fit. */
graph_array *evaluation_get(graph_evaluation *evaluation, graph_value *value, fault_text *fault);

#endif

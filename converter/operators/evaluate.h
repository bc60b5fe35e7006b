/*
 * evaluate.h - asking a graph what it computes.
 */
#ifndef CONVERTER_EVALUATE_H
#define CONVERTER_EVALUATE_H

#include "graph/graph.h"

typedef struct graph_evaluation graph_evaluation;

/*
 * An evaluation of the graph in which nothing is known yet. What depends on constants only is
 * computed once, in `constants`, an evaluation in which nothing is set; NULL for that one itself.
 * Aborts without memory.
 */
graph_evaluation *evaluation_new(const onnx_graph *graph, graph_evaluation *constants);

/* One in which `value` will be set. What comes before it in the graph cannot depend on it, and is
 * taken from `before`, which must outlive this evaluation. */
graph_evaluation *evaluation_from(graph_evaluation *before, graph_value *value);
void evaluation_free(graph_evaluation *evaluation);

/* From now on `value` is this array, whatever makes it. Takes over the caller's use of the
 * array. */
void evaluation_set(graph_evaluation *evaluation, graph_value *value, graph_array *array);

/* The value, computed with all that it needs, unless it is known. It belongs to the evaluation.
 * NULL with a fault that names the node: an input was not set, or data do not fit. */
graph_array *evaluation_get(graph_evaluation *evaluation, graph_value *value, fault_text *fault);

/* Whether the value's elements are in memory already. */
bool evaluation_has(const graph_evaluation *evaluation, graph_value *value);

/* Computes `values` [n] in one go. Of the others, each is freed when nothing more is made of it; an
 * evaluation in which something was computed before keeps that. False as above. */
bool evaluation_run(graph_evaluation *evaluation, graph_value *const *values, size_t n,
                    fault_text *fault);

#endif

/*
 * evaluate.h - asking a graph what it computes.
 */
#ifndef CONVERTER_EVALUATE_H
#define CONVERTER_EVALUATE_H

#include "graph/graph.h"

typedef struct evaluation evaluation;

/*
 * An evaluation of the graph, of which nothing is known yet. What comes of constants alone is
 * computed in `constants`, an evaluation in which nothing is set, once for all; NULL for that one
 * itself. Aborts without memory.
 */
evaluation *evaluation_new(const graph *graph, evaluation *constants);

/* One in which `value` will be set: what stands before it in the graph, which cannot depend on it,
 * is as in `before`, which must outlive it. */
evaluation *evaluation_from(evaluation *before, const graph_value *value);
void evaluation_free(evaluation *evaluation);

/* From now on `value` is this array, whatever makes it. Takes the caller's use of it. */
void evaluation_set(evaluation *evaluation, const graph_value *value, array *array);

/* The value, computed with all that it needs, if it was not. It belongs to the evaluation. NULL
 * with a fault that names the node: an input that was not set, or data that do not fit. */
array *evaluation_get(evaluation *evaluation, const graph_value *value, fault *fault);

#endif

/*
 * operators.h - what ONNX operators compute, in float32 and int64.
 *
 * They serve the converter alone: to fold constants, to ask a graph what it does, and to prove a
 * converted model. Float types of any width are float32 here, integers and booleans int64.
 */
#ifndef CONVERTER_OPERATORS_H
#define CONVERTER_OPERATORS_H

#include "graph/array.h"
#include "graph/graph.h"

/* One execution of a node. */
typedef struct operator_call {
    const graph_node *node; /* its attributes: graph_attribute_...() */
    int64_t opset;          /* of the standard domain: some operators changed their form */
    graph_array **inputs;   /* [n_inputs], NULL: left out */
    size_t n_inputs;
    graph_array **outputs; /* [node->n_outputs]: made by the operator, each with one user */
} operator_call;

/* False with a fault that says what; the caller adds which node. */
typedef bool operator_function(operator_call *operation, fault_text *fault);

typedef struct operator_kind {
    const char *name;
    size_t n_inputs; /* needed at least */
    operator_function *run;
} operator_kind;

/* NULL if there is no such operator here. Domain: "" for the standard one. */
const operator_kind *operator_find(const char *domain, const char *name);

#endif

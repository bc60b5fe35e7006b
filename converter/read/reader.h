/*
 * reader.h - asking a graph: what a value is, what it depends on, and what it answers.
 */
#ifndef CONVERTER_READER_H
#define CONVERTER_READER_H

#include "operators/evaluate.h"

/* The inputs that a graph may have. */
typedef enum input_role { ROLE_IDS, ROLE_MASK, ROLE_TYPES, ROLE_POSITIONS, ROLE_COUNT } input_role;

/* Arrays that are not values of the graph: one for each term of the embeddings. */
#define READER_MAX_KEPT 8

typedef struct graph_reader {
    onnx_graph *graph;
    fault_text *fault;
    graph_value *inputs[ROLE_COUNT]; /* NULL: the graph has none */
    int64_t n_batch, n_tokens;       /* of an evaluation, unless said otherwise */
    bool is_static;                  /* the graph takes no other number of tokens */
    uint32_t first_position; /* of position_ids that callers give, if the graph takes them */
    graph_evaluation *constants;
    graph_evaluation *open;   /* every input hollow: what is not hollow depends on shapes alone */
    graph_evaluation *masked; /* the same, but the mask is ones and types are zeros */
    graph_array *kept[READER_MAX_KEPT]; /* until the reader is closed */
    size_t n_kept;
    /* The mismatch that got furthest towards the inputs. */
    graph_value *mismatch;
    const char *expected;
} graph_reader;

/* `first_position`: see the struct. False with a fault if the inputs are not an encoder's, or no
 * output can be computed. reader_close() in any case. */
bool reader_open(graph_reader *reader, onnx_graph *graph, uint32_t first_position,
                 fault_text *fault);
void reader_close(graph_reader *reader);

/* Remembers what was expected at `at`; false. */
bool mismatch(graph_reader *reader, graph_value *at, const char *expected);

/* -------------------------------------------------------------------------------- evaluating -- */

/* Inputs of [n_batch, n_tokens]: hollow ids, and a mask of ones and types of zeros, or hollow ones
 * as well. */
graph_evaluation *reader_evaluation(const graph_reader *reader, int64_t n_tokens, bool is_open);

/* The array of a fixed value, or NULL. */
graph_array *fixed_array(const graph_reader *reader, graph_value *at);

/* Its floats as a vector of `n`, a single number standing for all, or NULL. From graph_alloc(). */
const float *fixed_vector(const graph_reader *reader, graph_value *at, size_t n);

/* A number that depends on no input's elements. */
bool fixed_number(const graph_reader *reader, graph_value *at, double *number);

/* The shape in an evaluation; NULL if it cannot be computed. */
const graph_array *shape_of(const graph_reader *reader, graph_value *at);
int64_t last_dim(const graph_reader *reader, graph_value *at); /* 0: none */

/* Whether the value depends on the ids in any way. */
bool carries(const graph_reader *reader, graph_value *at);

/* The values that `at` is made of, itself among them: [at->index + 1], by index. free() it. */
bool *reader_ancestors(const graph_reader *reader, graph_value *at);

/* The only operand that carries, or NULL. */
graph_value *carrier(const graph_reader *reader, graph_value *at);

/* An array of the value's shape for evaluation_set(); NULL with a fault. */
graph_array *array_like(const graph_reader *reader, graph_value *at);

/* `to` as a function of `from` alone, evaluated at `elements` [of from's shape], or NULL. Free it
 * with array_release(). Takes over the caller's use of `elements`. */
graph_array *respond(const graph_reader *reader, graph_value *from, graph_array *elements,
                     graph_value *to);

#endif

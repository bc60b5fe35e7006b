/*
 * match.h - recognising pieces of an encoder in a graph, for the files of read/.
 *
 * Two ways of recognising go together. Walking backwards from a value finds where things are; what
 * they do is then asked, not guessed: a part of the graph is evaluated between two values and its
 * answers are compared with what is expected (match_activation(), outputs.c ...). So the many
 * ways in which exporters write one thing need not be known. What is read wrong nevertheless is
 * found when the whole model is compared with the graph (prove.c).
 */
#ifndef CONVERTER_MATCH_H
#define CONVERTER_MATCH_H

#include "bert.h"
#include "operators/evaluate.h"

typedef const graph_value *value;

/* What callers feed a graph with. */
typedef enum role { ROLE_IDS, ROLE_MASK, ROLE_TYPES, ROLE_POSITIONS, ROLE_COUNT } role;

/* Arrays that are no values of the graph: one for each term of the embeddings. */
#define READER_MAX_KEPT 8

typedef struct reader {
    graph *graph;
    fault *fault;
    value inputs[ROLE_COUNT];  /* NULL: the graph has none */
    int64_t n_batch, n_tokens; /* of an evaluation, unless said otherwise */
    bool is_static;            /* the graph takes no other number of tokens */
    uint32_t first_position;   /* of position_ids that callers give, if the graph takes them */
    evaluation *constants;
    evaluation *open;   /* every input hollow: what is not hollow depends on shapes alone */
    evaluation *masked; /* the same, but the mask is ones and types are zeros */
    array *kept[READER_MAX_KEPT]; /* until the reader is closed */
    size_t n_kept;
    /* The mismatch that got furthest towards the inputs. */
    value mismatch;
    const char *expected;
} reader;

bool reader_open(reader *reader, graph *graph, fault *fault);
void reader_close(reader *reader);

/* Remembers what was expected at `at`; false. */
bool mismatch(reader *reader, value at, const char *expected);

/* -------------------------------------------------------------------------------- evaluating -- */

/* Inputs of [n_batch, n_tokens]: hollow ids, and a mask of ones and types of zeros, or hollow ones
 * as well. */
evaluation *reader_evaluation(const reader *reader, int64_t n_tokens, bool is_open);

/* The array of a fixed value, or NULL. */
array *fixed_array(const reader *reader, value at);

/* Its floats as a vector of `n`, a single number standing for all, or NULL. From graph_alloc(). */
const float *fixed_vector(const reader *reader, value at, size_t n);

/* A number that depends on no input's elements. */
bool fixed_number(const reader *reader, value at, double *number);

/* The shape in an evaluation; NULL if it cannot be computed. */
const array *shape_of(const reader *reader, value at);
int64_t last_dim(const reader *reader, value at); /* 0: none */

/* Whether the value depends on the ids, through whatever. */
bool carries(const reader *reader, value at);

/* The only operand that carries, or NULL. */
value carrier(const reader *reader, value at);

/* An array of the value's shape for evaluation_set(); NULL with a fault. */
array *array_like(const reader *reader, value at);

/* `to` as a function of `from` alone, evaluated at `elements` [of from's shape], or NULL. free it
 * by array_release(). Takes the caller's use of `elements`. */
array *respond(const reader *reader, value from, array *elements, value to);

/* ---------------------------------------------------------------------------------- matching -- */

/* The value without nodes that leave its numbers and their last axis alone. */
value plain(const reader *reader, value at);

/* y = (x W) * scale + bias. */
typedef struct affine {
    value input;   /* plain */
    value product; /* the MatMul or Gemm */
    value output;
    array *weight;
    bool is_transposed; /* weight is [out, in] */
    uint32_t n_in, n_out;
    const float *scale; /* [n_out], or NULL */
    const float *bias;  /* [n_out]; zeros where the graph has none */
} affine;

bool match_affine(const reader *reader, value at, affine *affine);

/* Whether the value is a product of something with a constant matrix. */
bool is_product(const reader *reader, value at);

typedef struct layer_norm {
    value input; /* plain */
    uint32_t n;
    const float *weight, *bias; /* [n] */
    float eps;
} layer_norm;

bool match_layer_norm(const reader *reader, value at, layer_norm *norm);

/* The activation f for which to = f(from), by asking. */
bool match_activation(const reader *reader, value from, value to, bert_activation *activation);

/* to = f(dense(...)) : the dense layer nearest to `to`, and f. */
bool match_activated(const reader *reader, value to, affine *dense, bert_activation *activation);

#endif

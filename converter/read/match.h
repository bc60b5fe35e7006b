/*
 * match.h - recognising pieces of an encoder in a graph.
 *
 * Two ways of recognising go together. Walking backwards from a value finds where things are; what
 * they do is then asked, not guessed: a part of the graph is evaluated between two values and its
 * answers are compared with what is expected (reader.h). So the many ways in which exporters write
 * one thing need not be known. What is read wrong nevertheless is found when the whole model is
 * compared with the graph (native/prove.h).
 */
#ifndef CONVERTER_MATCH_H
#define CONVERTER_MATCH_H

#include "bert.h"
#include "read/reader.h"

/* The value without nodes that leave its numbers and their last axis alone. */
graph_value *plain(const graph_reader *reader, graph_value *at);

/* y = (x W) * scale + bias. */
typedef struct affine_match {
    graph_value *input;   /* plain */
    graph_value *product; /* the MatMul or Gemm */
    graph_value *output;
    graph_array *weight;
    bool is_transposed; /* weight is [out, in] */
    uint32_t n_in, n_out;
    const float *scale; /* [n_out], or NULL */
    const float *bias;  /* [n_out]; zeros where the graph has none */
} affine_match;

bool match_affine(const graph_reader *reader, graph_value *at, affine_match *affine);

/* Whether the value is a product of something with a constant matrix. */
bool is_product(const graph_reader *reader, graph_value *at);

typedef struct norm_match {
    graph_value *input; /* plain */
    uint32_t n;
    const float *weight, *bias; /* [n] */
    float eps;
} norm_match;

bool match_layer_norm(const graph_reader *reader, graph_value *at, norm_match *norm);

/* The activation f for which to = f(from), by asking. */
bool match_activation(const graph_reader *reader, graph_value *from, graph_value *to,
                      bert_activation *activation);

/* to = f(dense(...)) : the dense layer nearest to `to`, and f. */
bool match_activated(const graph_reader *reader, graph_value *to, affine_match *dense,
                     bert_activation *activation);

#endif

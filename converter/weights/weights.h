/*
 * weights.h - a model between the graph that it was read from and the file that it is written to:
 * its config, its weights under their canonical names, and what the graph calls its outputs.
 */
#ifndef CONVERTER_WEIGHTS_H
#define CONVERTER_WEIGHTS_H

#include "bert.h"
#include "graph/array.h"

typedef enum weight_kind {
    WEIGHT_VECTOR, /* [n_rows] */
    WEIGHT_TABLE,  /* [n_rows, n_columns] */
    WEIGHT_MATRIX, /* n_rows inputs, n_columns outputs */
} weight_kind;

/* Where a weight's numbers are: an array of the graph, of which rows and columns may be picked. */
typedef struct weight_source {
    graph_array *array; /* of floats; NULL: `values` */
    bool is_transposed;
    uint32_t first_row;
    const uint32_t *columns; /* [n_columns] of the array; NULL: all */
    const float *scale;      /* [n_columns], by which columns are multiplied; NULL: 1 */
    const float *values;     /* [n_rows, n_columns], if there is no array */
    /* Stored tensors that `array` is made of, if it is not one itself: [n_parts]. What has to be at
     * hand when its numbers are asked for. */
    const stored_tensor *const *parts;
    uint32_t n_parts;
} weight_source;

typedef struct bert_weight {
    char name[BERT_MAX_NAME + 1]; /* "layers.0.attention.query", "embeddings.norm.bias" */
    weight_kind kind;
    uint32_t rank; /* of a vector in the file: 1, or 2 where it is [shape[0], shape[1]] */
    uint32_t n_rows, n_columns;
    weight_source source;
    bool keep_f32; /* small, or read so often that rounding it does not pay */
    /* For matrices of a layer that become 8-bit, set by smooth_layers(): */
    const float *smooth; /* [n_rows], the factors of its inputs; NULL: not smoothed (yet) */
    const float
        *moments; /* [n_rows, n_rows], of its inputs times their factors; NULL: not measured */
} bert_weight;

/* What the graph calls an output. */
typedef struct output_name {
    const char *onnx;
    bert_output output;
    int32_t index; /* column of logits, layer of hidden states or attentions; -1: all of it */
    const char *activation; /* "softmax", "sigmoid": what is applied last; NULL: nothing */
    bool is_added; /* in no graph: what the folder says is made of the graph's last output */
} output_name;

#define WEIGHTS_MAX_OUTPUTS 128

typedef struct bert_weights {
    bert_config config;
    const char *architecture; /* the family's name, by what was found */
    output_name outputs[WEIGHTS_MAX_OUTPUTS];
    size_t n_outputs;
    bert_weight *weights; /* in the order of use */
    size_t n_weights, capacity;
} bert_weights;

/* Appends a weight of this name, "prefix" "suffix", which the caller completes. */
bert_weight *weights_add(bert_weights *weights, weight_kind kind, uint32_t n_rows,
                         uint32_t n_columns, const char *prefix, const char *suffix);

/* Whether it is one of a layer's matrices, which may become 8-bit; and whether it is the first of
 * those that share the factors of their inputs, which are freed with it. */
bool weights_is_of_layer(const bert_weight *weight);
bool weights_leads(const bert_weight *weight);

/* Forgets factors and moments of weights first .. end - 1. */
void weights_forget(bert_weights *weights, size_t first, size_t end);

bert_weight *weights_find(const bert_weights *weights, const char *name);
void weights_free(bert_weights *weights);

/* Whether there is such an output. */
bool weights_gives(const bert_weights *weights, bert_output output);

/* The numbers as [rows, columns], inputs before outputs. free() it. NULL with a fault: a number
 * that is not finite, or no memory. */
float *weights_floats(const bert_weight *weight, fault_text *fault);

/* The same into memory of the caller. */
bool weights_read(const bert_weight *weight, float *values, fault_text *fault);

#endif

/*
 * read_bert.h - from the structure of an ONNX graph to a bert_config and canonical weights.
 */
#ifndef CONVERTER_READ_BERT_H
#define CONVERTER_READ_BERT_H

#include "bert.h"
#include "graph.h"

/* A weight as it lies in the ONNX file, under its canonical name. */
typedef enum weight_kind {
    WEIGHT_VECTOR, /* [n] */
    WEIGHT_TABLE,  /* [rows, columns] */
    WEIGHT_MATRIX, /* [in, out], or [out, in] if is_transposed */
} weight_kind;

typedef struct weight {
    char name[BERT_MAX_NAME + 1]; /* "layers.0.attention.query", "embeddings.norm.bias" */
    weight_kind kind;
    const onnx_tensor *tensor;
    bool is_transposed;
    bool keep_f32; /* small, or read so often that rounding it does not pay */
    /* For matrices of a layer that become 8-bit, set by smooth_layers(): */
    const float *smooth;  /* [in], the factors of its inputs; NULL: not smoothed */
    bool smooth_leads;    /* the first of the matrices that share the factors */
    const float *moments; /* [in, in], of its inputs times their factors; NULL: not measured */
} weight;

typedef struct bert_output_entry {
    const char *onnx;
    bert_output output;
} bert_output_entry;

#define READ_MAX_OUTPUTS 4

typedef struct bert_weights {
    bert_config config;
    bert_output_entry outputs[READ_MAX_OUTPUTS];
    size_t n_outputs;
    weight *weights; /* in the order of use */
    size_t n_weights, capacity;
} bert_weights;

bool read_bert(const graph *graph, bert_weights *weights, fault *fault);
void read_bert_free(bert_weights *weights);

#endif

/*
 * read.h - from an ONNX graph to a config and canonical weights.
 *
 *     choose.c              which outputs are an encoder's
 *     read_encoder()        outputs, then the encoder under them, from the last layer to the
 *                           embeddings
 *     layer.c               one layer, and the convolution of DeBERTa's larger models
 *     attention.c           heads, scores, relative positions
 *     embeddings.c          tables and what indexes them
 *     outputs.c             what stands on the encoder
 *     collect.c             what was found as a config and weights
 */
#ifndef CONVERTER_READ_H
#define CONVERTER_READ_H

#include "read/match.h"
#include "weights/weights.h"

/* Columns of a dense layer in the order of heads, [n_heads, dim]. */
typedef struct projection_match {
    affine_match dense;
    uint32_t n; /* n_heads * dim */
    const uint32_t *columns;
    const float *scale; /* [n] of the weight's columns */
    const float *bias;  /* [n] */
} projection_match;

/* A value that is multiplied with relative embeddings: score of query position q and key position k
 * += vector . row[index(q, k)]. */
typedef struct relative_term {
    graph_value *embeddings; /* [..., dim, n_rows], projected; depends on shapes alone */
    graph_value *index;      /* [..., n, n] */
    float scale;             /* of the term, relative to the projection's */
} relative_term;

typedef struct attention_match {
    uint32_t n_heads, dim;
    projection_match query, key, value;
    float scale; /* of scores of projections as they are stored */
    graph_value *probabilities;
    graph_value *bias; /* of scores, [..., n_heads, n, n]; depends on shapes alone; NULL: none */
    float bias_scale;
    relative_term c2p, p2c; /* embeddings NULL: none */
} attention_match;

/* Attention whose result, heads side by side, is `at`. */
bool read_attention(graph_reader *reader, graph_value *at, attention_match *attention);

/* Relative positions of one layer as tables: rows by distance, and projected rows. */
typedef struct relative_tables {
    uint32_t n_distances, n_rows;
    float *rows;  /* [2 n_distances - 1] */
    float *key;   /* [n_rows, hidden], or NULL */
    float *query; /* [n_rows, hidden], or NULL */
    float *bias;  /* [n_heads, 2 n_distances - 1], or NULL */
} relative_tables;

/* From graph_alloc(). `evaluation` is an open one of sequences of `n_tokens`. */
bool read_relative(graph_reader *reader, graph_evaluation *evaluation,
                   const attention_match *attention, int64_t n_tokens, relative_tables *tables);

typedef struct layer_match {
    attention_match attention;
    affine_match attention_output, intermediate, output;
    norm_match attention_norm, output_norm;
    bert_activation activation;
    graph_value *input, *result; /* plain */
    int n_steps;                 /* how far read_layer() came */
} layer_match;

bool read_layer(graph_reader *reader, graph_value *at, layer_match *layer);

/* norm(layer 0 + activation(convolution(embeddings))) */
typedef struct conv_match {
    graph_value *layer; /* plain: what layer 0 gives */
    graph_value *input; /* plain: what the embeddings give */
    graph_value *node;  /* the Conv */
    bert_activation activation;
    norm_match norm;
} conv_match;

bool read_conv(graph_reader *reader, graph_value *at, conv_match *conv);

typedef struct embeddings_match {
    graph_array *word, *position, *token_type;          /* tables; token_type NULL: none */
    uint32_t n_positions, first_position, position_row; /* position_row: where the table starts */
    uint32_t n_token_types, token_type_row;
    norm_match norm;
    affine_match projection; /* after the norm; product NULL: none */
} embeddings_match;

bool read_embeddings(graph_reader *reader, graph_value *at, embeddings_match *embeddings);

/* activation(dense(...)) */
typedef struct transform_match {
    affine_match dense;
    bert_activation activation;
} transform_match;

/* Heads, each there if its product is. */
typedef struct heads_match {
    transform_match pooler, token_transform, lm_transform, sentence;
    affine_match classifier, token_classifier, lm_decoder;
    norm_match lm_norm;
    bool has_sentence; /* pooling and normalize are set */
    bert_pooling pooling;
    bool normalize;
} heads_match;

#define READ_MAX_LAYERS 1024

typedef struct encoder_match {
    graph_value *hidden;          /* plain: the last hidden state */
    graph_value *suspect;         /* what looked like a layer above it; NULL: nothing */
    const char *suspect_expected; /* of it */
    layer_match *layers;          /* [n_layers], the first one first */
    uint32_t n_layers;
    conv_match conv; /* node NULL: none */
    embeddings_match embeddings;
    heads_match heads;
} encoder_match;

/* Finds the encoder under outputs (one or more): hidden, layers, convolution and embeddings. */
bool read_stack(graph_reader *reader, graph_value *const *outputs, size_t n_outputs,
                encoder_match *encoder);

/* What one output is, and the head that makes it. After a failure, heads are undefined. */
bool read_output(graph_reader *reader, encoder_match *encoder, graph_value *at, output_name *name);

/* Makes what looked like a layer the mismatch, if something did: it explains more than what stands
 * on it. Returns false. */
bool report_suspect(graph_reader *reader, const encoder_match *encoder);

/* The mismatch as a fault. */
void describe_mismatch(const graph_reader *reader, fault_text *fault);

/* Outputs that the user chose, by their names in the graph; n 0: all that are an encoder's. */
typedef struct output_choice {
    const char *const *names; /* [n] */
    size_t n;
} output_choice;

/* The outputs of the choice, what each is, and the encoder under them. Says which are left out. */
bool read_outputs(graph_reader *reader, const output_choice *choice, encoder_match *encoder,
                  bert_weights *weights);

bool read_collect(graph_reader *reader, const encoder_match *encoder, bert_weights *weights);

/* All of it. `reader` is open, and `weights` point into its graph. */
bool read_encoder(graph_reader *reader, const output_choice *choice, bert_weights *weights);

#endif

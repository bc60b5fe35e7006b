/*
 * read.h - from an ONNX graph to a config and canonical weights.
 *
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
typedef struct projection {
    affine dense;
    uint32_t n; /* n_heads * dim */
    const uint32_t *columns;
    const float *scale; /* [n] of the weight's columns */
    const float *bias;  /* [n] */
} projection;

/* A value that is multiplied with relative embeddings: score of query position q and key position k
 * += vector . row[index(q, k)]. */
typedef struct relative_term {
    value embeddings; /* [..., dim, n_rows], projected; depends on shapes alone */
    value index;      /* [..., n, n] */
    float scale;      /* of the term, relative to the projection's */
} relative_term;

typedef struct attention {
    uint32_t n_heads, dim;
    projection query, key, value;
    float scale; /* of scores of projections as they are stored */
    value probabilities;
    value bias; /* of scores, [..., n_heads, n, n]; depends on shapes alone; NULL: none */
    float bias_scale;
    relative_term c2p, p2c; /* embeddings NULL: none */
} attention;

/* Attention whose result, heads side by side, is `at`. */
bool read_attention(reader *reader, value at, attention *attention);

/* Relative positions of one layer as tables: rows by distance, and projected rows. */
typedef struct relative_tables {
    uint32_t n_distances, n_rows;
    float *rows;  /* [2 n_distances - 1] */
    float *key;   /* [n_rows, hidden], or NULL */
    float *query; /* [n_rows, hidden], or NULL */
    float *bias;  /* [n_heads, 2 n_distances - 1], or NULL */
} relative_tables;

/* From graph_alloc(). `evaluation` is an open one of sequences of `n_tokens`. */
bool read_relative(reader *reader, evaluation *evaluation, const attention *attention,
                   int64_t n_tokens, relative_tables *tables);

typedef struct layer_match {
    attention attention;
    affine attention_output, intermediate, output;
    layer_norm attention_norm, output_norm;
    bert_activation activation;
    value input, result; /* plain */
    int n_steps;         /* how far read_layer() came */
} layer_match;

bool read_layer(reader *reader, value at, layer_match *layer);

/* norm(layer 0 + activation(convolution(embeddings))) */
typedef struct conv_match {
    value layer; /* plain: what layer 0 gives */
    value input; /* plain: what the embeddings give */
    value node;  /* the Conv */
    bert_activation activation;
    layer_norm norm;
} conv_match;

bool read_conv(reader *reader, value at, conv_match *conv);

typedef struct embeddings_match {
    array *word, *position, *token_type;                /* tables; token_type NULL: none */
    uint32_t n_positions, first_position, position_row; /* position_row: where the table starts */
    uint32_t n_token_types, token_type_row;
    layer_norm norm;
    affine projection; /* after the norm; product NULL: none */
} embeddings_match;

bool read_embeddings(reader *reader, value at, embeddings_match *embeddings);

/* Heads, each there if its product is. */
typedef struct heads_match {
    affine pooler, classifier, token_transform, token_classifier, lm_transform, lm_decoder,
        sentence;
    bert_activation pooler_activation, token_activation, lm_activation, sentence_activation;
    layer_norm lm_norm;
    bert_pooling pooling;
    bool normalize;
} heads_match;

#define READ_MAX_LAYERS 1024

typedef struct encoder_match {
    value hidden;                 /* plain: the last hidden state */
    value suspect;                /* what looked like a layer above it; NULL: nothing */
    const char *suspect_expected; /* of it */
    layer_match *layers;          /* [n_layers], the first one first */
    uint32_t n_layers;
    conv_match conv; /* node NULL: none */
    embeddings_match embeddings;
    heads_match heads;
} encoder_match;

/* Finds the encoder under an output: hidden, layers, convolution and embeddings. */
bool read_stack(reader *reader, value output, encoder_match *encoder);

/* What one output is, and the head that makes it. */
bool read_output(reader *reader, encoder_match *encoder, value at, output_name *name);

bool read_collect(reader *reader, const encoder_match *encoder, bert_weights *weights);

/* All of it. `reader` is open, and `weights` point into its graph. */
bool read_encoder(reader *reader, bert_weights *weights);

#endif

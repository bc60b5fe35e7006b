/*
 * families.h - what each model_type computes, and what transformers calls its parts.
 *
 * There is no graph to ask: these tables are transformers' code, read once and written down.
 */
#ifndef CONVERTER_FAMILIES_H
#define CONVERTER_FAMILIES_H

#include "huggingface/settings.h"

/* Names within a layer. */
typedef struct family_layer {
    const char *path; /* of layer %u, in ALBERT of group %u and its layer %u */
    /* `query` NULL: one matrix for the three, cut by heads (DeBERTa v1). */
    const char *query, *key, *value;
    const char *attention_output, *attention_norm, *intermediate, *output, *output_norm;
} family_layer;

/* A dense layer and its activation, on which a head stands. */
typedef struct family_dense {
    const char *name;           /* NULL: none */
    bool is_of_encoder;         /* named below the encoder, not beside it */
    bert_activation activation; /* NONE: the config's `activation_key` */
    const char *activation_key;
} family_dense;

/* A masked language model's head. */
typedef struct family_lm {
    const char *dense, *norm, *decoder;
    const char *biases[2];      /* names of the decoder's, one of which is there */
    bert_activation activation; /* NONE: as between the encoder's dense layers */
} family_lm;

typedef enum family_positions {
    POSITIONS_PLAIN,     /* 0, 1, 2, ... */
    POSITIONS_FROM_PAD,  /* from pad_token_id + 1 on, padding not counted */
    POSITIONS_FROM_TWO,  /* the same, where padding is 1 whatever the config says */
    POSITIONS_IF_BIASED, /* 0, 1, 2, ... if position_biased_input */
} family_positions;

typedef enum family_distances {
    DISTANCES_NONE,
    DISTANCES_BUCKETS,           /* MPNet: a bias for each bucket of distances */
    DISTANCES_DISENTANGLED,      /* DeBERTa v1 */
    DISTANCES_DISENTANGLED_LOGS, /* v2 and v3 */
} family_distances;

typedef struct model_family {
    const char *model_type;
    const char *class_prefix; /* "Bert" of BertForMaskedLM */
    /* Keys of the config, each with a second one that means the same; and its class's defaults. */
    const char *hidden_key[2], *layers_key[2], *heads_key[2], *intermediate_key[2],
        *activation_key[2];
    uint32_t vocab_size, hidden_size, embedding_size, n_layers, n_heads, intermediate_size;
    uint32_t n_token_types; /* default of type_vocab_size; NO_TOKEN_TYPES: it has none */
    const char *activation;
    double eps; /* default of layer_norm_eps; negative: this, whatever the config says */
    const family_layer *layer;
    family_positions positions;
    family_distances distances;
    /* Between embeddings and layers, where embedding_size is of the config; and whether it is there
     * if the sizes are the same, too. */
    const char *projection;
    bool always_projects;
    family_dense pooler;             /* of the bare encoder */
    family_dense sequence_dense;     /* of the sequence classifier */
    const char *sequence_classifier; /* what stands on it */
    family_dense token_dense;        /* of ForPreTraining, if that classifies tokens */
    const char *token_classifier;
    family_lm lm;
    const char *pair_classifier; /* of next sentences, or of their order */
    const char *pair_output;     /* what ForPreTraining calls its output */
} model_family;

#define NO_TOKEN_TYPES UINT32_MAX

/* The family of a model_type; NULL with a fault that says which there are. */
const model_family *family_find(const settings *config);

/* Refuses what a config can say and nobody computes here. */
bool family_check(const settings *config);

/* Sets what the config says of the encoder: everything but heads and relative positions. */
bool family_configure(const model_family *of, const settings *config, bert_config *encoder);

#endif

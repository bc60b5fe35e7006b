/*
 * bert.h - BERT-family encoders on 128-bit SIMD, under the caller's control.
 *
 * The core knows no files, no JSON and no allocator: the caller says what the model is (a config),
 * hands over tensors where they lie, and gives two blocks of memory whose sizes it first asks for.
 *
 *     // The logits of one text. examples/c/classify.c does it with a model file.
 *     bert_status classify(const bert_config *config, const bert_tensor *tensors, size_t n_tensors,
 *                          const uint32_t *ids, uint32_t n_ids, float *logits, bert_error *error)
 *     {
 *         size_t n_model, n_session;
 *         bert_model *model;
 *         bert_session *session;
 *         bert_batch batch = {.n_sequences = 1, .lengths = &n_ids, .ids = ids};
 *         bert_outputs outputs = {.data[BERT_OUTPUT_LOGITS] = logits}; // bert_output_count()
 *         bert_status status = bert_model_bytes(config, &n_model, error);
 *         if (status == BERT_OK)
 *             status = bert_session_bytes(config, NULL, &n_session, error);
 *         if (status != BERT_OK)
 *             return status;
 *         char *block = aligned_alloc(BERT_ALIGNMENT, n_model + n_session);
 *         status = bert_model_open(config, tensors, n_tensors, block, n_model, &model, error);
 *         if (status == BERT_OK)
 *             status = bert_session_open(model, NULL, block + n_model, n_session, &session, error);
 *         if (status == BERT_OK)
 *             status = bert_encode(session, &batch, &outputs, error);
 *         free(block);
 *         return status;
 *     }
 *
 * bert_encode_begin() and bert_encode_step() are the same in steps, between which the caller may
 * do something else, or stop. bert_model_begin() and bert_model_take() are the same for a model
 * whose bytes are still on their way: its first layers can run before the last ones are there.
 *
 * Memory. A model keeps pointers into the tensors' data; neither is copied or changed, and both
 * must outlive it. A session has everything that encoding needs in its one block; encoding
 * allocates nothing. There is nothing to close: the caller may free the memory at any time,
 * sessions before their model.
 *
 * Threads. A model is immutable once all its tensors are taken, and may be shared by any number of
 * sessions. A session belongs to one caller at a time; other threads may work for it:
 * bert_session_serve().
 * No function has hidden state.
 *
 * Errors. Every function that can meet bad data returns a bert_status and, if `error` is not NULL,
 * fills it. A failed call changes nothing: the model and the session stay usable. Misuse of the API
 * (a NULL model, a block of memory that is not aligned on BERT_ALIGNMENT) is caught by an assert.
 *
 * The same answer however asked: a sequence gives the same bits alone and in any batch, on any
 * number of threads.
 */
#ifndef BERT_H
#define BERT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of the package: an engine and its JavaScript are of one version. */
#define BERT_VERSION_MAJOR 0
#define BERT_VERSION_MINOR 1
#define BERT_VERSION_PATCH 0
#define BERT_VERSION "0.1.0"

/* Of model files (docs/model-file.md): changes when the config or the packing of weights does.
 * Files of the one before are read, too: theirs is a config without `integers`. */
#define BERT_FORMAT_VERSION "3"
#define BERT_FORMAT_BEFORE "2"

/* Memory blocks and tensor data start on a multiple of this many bytes: one cache line. */
#define BERT_ALIGNMENT 64

/* Columns of a weight panel, and inputs of an 8-bit panel that lie side by side: how matrices are
 * stored, see bert_tensor. */
#define BERT_PANEL 8
#define BERT_QUAD 4

/* Weights of 4 bits that share a multiplier; see bert_q4_expand(). */
#define BERT_GROUP 32

/* -------------------------------------------------------------------------------- statuses -- */

/* The name without its prefix is, in lower case, the `code` in JavaScript. */
typedef enum bert_status {
    BERT_OK = 0,
    BERT_UNKNOWN_FIELD,     /* the config has a field this version does not know */
    BERT_BAD_FIELD,         /* a config field has a value out of its range */
    BERT_MODEL_TOO_LARGE,   /* the dimensions do not fit the address space */
    BERT_MISSING_TENSOR,    /* the model lacks a tensor its config asks for */
    BERT_UNKNOWN_TENSOR,    /* the model has a tensor its config does not explain */
    BERT_DUPLICATE_TENSOR,  /* the model has two tensors of one name */
    BERT_BAD_DTYPE,         /* a tensor has a dtype that cannot be used in its place */
    BERT_BAD_SHAPE,         /* a tensor's shape does not follow from the config */
    BERT_BAD_DATA,          /* a tensor's data is missing, misaligned or of the wrong size */
    BERT_OUT_OF_MEMORY,     /* the block of memory is smaller than asked for */
    BERT_BATCH_TOO_LARGE,   /* the batch is larger than the session was opened for */
    BERT_SEQUENCE_TOO_LONG, /* a sequence is longer than the session or the model allows */
    BERT_EMPTY_SEQUENCE,    /* a sequence has no tokens to attend to */
    BERT_BAD_TOKEN_ID,      /* a token id is not in the vocabulary */
    BERT_BAD_TOKEN_TYPE,    /* a token type is not one of the model's */
    BERT_BAD_POSITION,      /* a position is beyond what there is, or out of order */
    BERT_NO_SUCH_OUTPUT,    /* the model does not have this output */
    BERT_BAD_OPTION,        /* an option of the session has a value that cannot be */
    BERT_STATUS_COUNT       /* how many there are; likewise below */
} bert_status;

#define BERT_SUBJECT_BYTES 64

/* What went wrong, for a message: the field, tensor or output it is about, and what is to be said
 * in numbers. */
typedef struct bert_error {
    bert_status status;
    char subject[BERT_SUBJECT_BYTES]; /* always terminated, cut if longer */
    int n_numbers;                    /* 0; 1: there is a value; 2: there are a value and a limit */
    int64_t value;                    /* the offending number, or index of what offends */
    int64_t limit;                    /* the bound or the expected number */
} bert_error;

/* The status's name in upper case without prefix ("BAD_SHAPE"), and its sentence. Static strings;
 * "" for a number that is no status. */
const char *bert_status_name(bert_status status);
const char *bert_status_text(bert_status status);

/* ---------------------------------------------------------------------------------- config -- */

/* Activations. In quotes, here and below, is what a value is called in a config: as in those of
 * Hugging Face, where they agree. */
typedef enum bert_activation {
    BERT_ACTIVATION_NONE, /* "none" */
    /* "gelu": x * Phi(x), exact by erf: Hendrycks & Gimpel 2016, section 2 */
    BERT_ACTIVATION_GELU,
    /* "gelu_tanh": the tanh approximation of the same section ("gelu_new") */
    BERT_ACTIVATION_GELU_TANH,
    BERT_ACTIVATION_TANH, /* "tanh" */
    BERT_ACTIVATION_RELU, /* "relu" */
    /* "silu": x / (1 + e^-x): the same section; Elfwing et al. 2017 ("swish") */
    BERT_ACTIVATION_SILU,
    BERT_ACTIVATION_COUNT
} bert_activation;

/* What attention knows of the distance between two tokens. */
typedef enum bert_position_attention {
    BERT_POSITION_ATTENTION_NONE, /* "none" */
    /* "bias": a number for each head and distance: Raffel et al. 2019 (T5), section 2.1; Song et
     * al. 2020 (MPNet) */
    BERT_POSITION_ATTENTION_BIAS,
    /* "c2p": query . key of the distance: He et al. 2020, DeBERTa, section 3.1 */
    BERT_POSITION_ATTENTION_C2P,
    /* "p2c": key . query of the distance: the same section */
    BERT_POSITION_ATTENTION_P2C,
    BERT_POSITION_ATTENTION_C2P_P2C, /* "c2p_p2c": both */
    BERT_POSITION_ATTENTION_COUNT
} bert_position_attention;

/* What the tables of C2P and P2C are made of, for who trains them: one table of embeddings of
 * distances, which every layer projects. Encoding reads the tables alone. */
typedef enum bert_relative_source {
    BERT_RELATIVE_SOURCE_NONE, /* "none": it is not there; the tables are what is learned */
    /* "shared": the matrices of keys and queries project it, too (DeBERTa v3) */
    BERT_RELATIVE_SOURCE_SHARED,
    BERT_RELATIVE_SOURCE_OWN, /* "own": matrices of its own do (DeBERTa v2) */
    /* "own_unbiased": the same, but keys have no biases, of tokens and of distances (DeBERTa v1) */
    BERT_RELATIVE_SOURCE_OWN_UNBIASED,
    BERT_RELATIVE_SOURCE_COUNT
} bert_relative_source;

/* What of a sequence's hidden states its embedding is made of: Reimers & Gurevych 2019,
 * Sentence-BERT, section 3; all but the first are of the attended tokens. A batch may say from
 * which token on: bert_batch. */
typedef enum bert_pooling {
    BERT_POOLING_NONE,          /* "none": there is no sentence embedding */
    BERT_POOLING_CLS,           /* "cls": the first token's */
    BERT_POOLING_MEAN,          /* "mean" */
    BERT_POOLING_MAX,           /* "max" */
    BERT_POOLING_MEAN_SQRT_LEN, /* "mean_sqrt_len": the sum over the square root of their number */
    /* "weighted_mean": each counts as often as its position + 1 (Muennighoff 2022, SGPT, section
     * 3.1) */
    BERT_POOLING_WEIGHTED_MEAN,
    BERT_POOLING_LAST, /* "last": the last one's */
    BERT_POOLING_COUNT
} bert_pooling;

/* Most poolings of one embedding. */
#define BERT_MOST_POOLINGS 6

/* Integers that layers are multiplied in, where their matrices are I8. */
typedef enum bert_integers {
    /* "7_bits": weights -63 .. 63, activations 0 .. 127. Four products fit 16 bits, in which some
     * machines add them. What model files of format version 2 have. */
    BERT_INTEGERS_7_BITS,
    BERT_INTEGERS_8_BITS, /* "8_bits": weights -127 .. 127, activations 0 .. 255 */
    BERT_INTEGERS_COUNT
} bert_integers;

/* The largest magnitude of a weight, and the largest activation. */
#define BERT_MOST_WEIGHT(integers) ((integers) == BERT_INTEGERS_8_BITS ? 127 : 63)
#define BERT_MOST_LEVEL(integers) (2 * BERT_MOST_WEIGHT(integers) + 1)

/*
 * What a model is. What families have in common is the layer; what each of them adds is there if
 * its number is not zero, or its choice not NONE.
 *
 * Fields are below bounds (config.c has them) that keep every product of dimensions below 2^63, so
 * that sizes can be checked before they are trusted.
 */
typedef struct bert_config {
    uint32_t vocab_size;
    uint32_t hidden_size;
    uint32_t embedding_size;      /* columns of the embedding tables */
    uint32_t projects_embeddings; /* 1: a matrix stands between embeddings and layers */
    uint32_t intermediate_size;
    uint32_t n_layers; /* that are run */
    /* G and I, both zero: every layer has weights of its own. Else there are G * I layers' weights,
     * and of the n_layers that are run layer l has those of l / I / (n_layers / I / G) * I + l % I
     * (Lan et al. 2019, ALBERT, section 3.1). */
    uint32_t n_layer_groups, layers_per_group;
    uint32_t n_heads;     /* divides hidden_size */
    uint32_t n_positions; /* 0: no position embedding */
    /* k. Zero: the position embedding of a token is the row of its position. Else that of a token
     * whose id is k - 1, which is padding, is row k - 1; any other's is row k + position - the
     * number of padding tokens before it in its sequence (RoBERTa, MPNet). */
    uint32_t first_position;
    uint32_t n_token_types;   /* 0: no token type embedding */
    uint32_t n_distances;     /* D, with a position_attention: tokens of a sequence have positions
                               * below D, so that a distance is one of -(D - 1) .. D - 1 */
    uint32_t n_relative_rows; /* of the tables of C2P and P2C */
    uint32_t relative_norm;   /* 1: with a relative_source, its embeddings have a norm */
    uint32_t conv_size;       /* odd: tokens that the convolution beside the first layer sees
                               * (DeBERTa v2); 0: none */
    uint32_t n_labels;        /* of the pooled output's classifier; 0: none */
    uint32_t n_token_labels;  /* of every token's classifier; 0: none */
    uint32_t lm_tied;         /* 1: the decoder's weights are the word embedding */
    uint32_t embedding_dim;   /* of the dense layer over the pooled row; 0: none */
    uint32_t normalize;       /* 1: sentence embeddings have length 1 */
    float layer_norm_eps;
    bert_activation activation;          /* between the two dense layers */
    bert_activation pooler_activation;   /* NONE: there is no pooler */
    bert_activation conv_activation;     /* of the convolution */
    bert_activation token_activation;    /* of a dense layer before the token classifier, or NONE */
    bert_activation lm_activation;       /* NONE: no masked language model */
    bert_activation sentence_activation; /* of the layer to embedding_dim */
    bert_position_attention position_attention;
    bert_relative_source relative_source;
    bert_pooling pooling;
    /* "pooling_2" .. "pooling_6": what stands behind the first in the pooled row; NONE from the one
     * on that is not there. */
    bert_pooling more_poolings[BERT_MOST_POOLINGS - 1];
    bert_integers integers; /* without I8 matrices of no effect */
} bert_config;

/* All zeros: a config without a value for any field. */
void bert_config_init(bert_config *config);

/* Sets the field called `name`: a number, or a choice by its name in quotes above. UNKNOWN_FIELD,
 * or BAD_FIELD where the value is not a whole number (but for layer_norm_eps), out of range, or no
 * known choice. */
bert_status bert_config_set_number(bert_config *config, const char *name, double value,
                                   bert_error *error);
bert_status bert_config_set_choice(bert_config *config, const char *name, const char *value,
                                   bert_error *error);

/* The name of field 0, 1, ... in the order of bert_config, "" beyond the last; and its value in a
 * config: a choice's name, or NULL and *number. Static strings. */
const char *bert_config_field(uint32_t field);
const char *bert_config_get(const bert_config *config, uint32_t field, double *number);

/* Layers whose weights there are, and which of those the layer `layer`, below n_layers, has. */
uint32_t bert_config_n_stored_layers(const bert_config *config);
uint32_t bert_config_stored_layer(const bert_config *config, uint32_t layer);

/* Tokens that a sequence may have, and a bound of their positions: BERT_UNLIMITED_TOKENS if nothing
 * in the model limits them. */
uint32_t bert_config_most_tokens(const bert_config *config);
#define BERT_UNLIMITED_TOKENS UINT32_MAX

/* Columns of the pooled row: hidden_size for each pooling. */
uint32_t bert_config_pooled_columns(const bert_config *config);

/* The id of padding that is not counted by positions, in a model with a first_position; else
 * BERT_NO_TOKEN. */
uint32_t bert_config_padding_id(const bert_config *config);
#define BERT_NO_TOKEN UINT32_MAX

/* The row of the position embedding for a token of this id and position, before which its sequence
 * has `n_padding` tokens of that padding: Liu et al. 2019, RoBERTa, as fairseq numbers it. */
uint32_t bert_config_position_row(const bert_config *config, uint32_t id, uint32_t position,
                                  uint32_t n_padding);

/* --------------------------------------------------------------------------------- tensors -- */

/* Of an element, called as in safetensors. */
typedef enum bert_dtype {
    BERT_DTYPE_F32, /* "F32" */
    BERT_DTYPE_F16, /* "F16": IEEE 754 binary16 */
    BERT_DTYPE_I8,  /* "I8" */
    BERT_DTYPE_COUNT
} bert_dtype;

/* "F32", ...; "" for a number that is no dtype. A static string. */
const char *bert_dtype_name(bert_dtype dtype);

/* Bytes of an element; 0 for a number that is no dtype. */
uint32_t bert_dtype_bytes(bert_dtype dtype);

/* Panels of a matrix with `n_out` outputs, and quads of each of them where it is I8 and has `n_in`
 * inputs: whole pairs of quads, which kernels take together. See bert_tensor. */
#define BERT_PANELS(n_out) (((n_out) + BERT_PANEL - 1) / BERT_PANEL)
#define BERT_I8_QUADS(n_in) (((n_in) + 2 * BERT_QUAD - 1) / (2 * BERT_QUAD) * 2)

#define BERT_MAX_RANK 4

/* Most tensors that a model is opened from. */
#define BERT_MAX_TENSORS 32768
#define BERT_MAX_NAME 63 /* bytes of a tensor's name */

/* A tensor where it lies, row-major, little-endian. docs/model-file.md says which of them a model
 * has by its config, and how matrices lie in panels. */
typedef struct bert_tensor {
    const char *name;
    bert_dtype dtype;
    uint32_t rank;
    uint32_t shape[BERT_MAX_RANK];
    const void *data; /* on a multiple of BERT_ALIGNMENT */
    size_t n_bytes;
} bert_tensor;

/* Four bits. In a file, but not in memory, an I8 NAME.weight may be a NAME.q4 instead: units of
 * bytes, each of which becomes BERT_GROUP integers for 1 column (tables) or for BERT_PANEL
 * (matrices). The same page says how. */
#define BERT_Q4_UNIT_BYTES(n_columns) ((n_columns) * (1 + BERT_GROUP / 2))

/* The tensor that units of the shape `units` [rows, groups, bytes] become, but for its name and
 * data. Returns the columns of a unit, 1 or BERT_PANEL; 0, and nothing else, if these are none. */
uint32_t bert_q4_tensor(const uint32_t units[3], bert_tensor *tensor);

/* `values` has n_units x n_columns x BERT_GROUP bytes; nothing overlaps. */
void bert_q4_expand(const uint8_t *units, size_t n_units, uint32_t n_columns, int8_t *values);

/* ----------------------------------------------------------------------------------- model -- */

typedef struct bert_model bert_model;

/* Bytes that a model of this config needs besides its tensors, a multiple of BERT_ALIGNMENT. Checks
 * the whole config. */
bert_status bert_model_bytes(const bert_config *config, size_t *n_bytes, bert_error *error);

/* Binds the tensors by name, dtype and shape. `memory` is on BERT_ALIGNMENT and has at least
 * bert_model_bytes() bytes. Every tensor must be there and explained by the config; what a
 * relative_source explains may be missing: only training reads and checks it. */
bert_status bert_model_open(const bert_config *config, const bert_tensor *tensors, size_t n_tensors,
                            void *memory, size_t n_bytes, bert_model **model, bert_error *error);

/*
 * The same while the tensors' bytes arrive. begin() reads none of them: it needs to know where each
 * will lie. take(), once for each tensor and in any order, says that all of its bytes are there; it
 * checks them and reads what it needs of them. BAD_DATA leaves the tensor untaken: it may be mended
 * and taken again, and what else is there stays usable. `tensors` and their names must stay until
 * all are taken.
 *
 * steps_ready() is how many steps of an encoding can run with what is there: none before the
 * embeddings and the first layer are whole, n_layers + 1 when everything is. In the order of use,
 * which is that of a model file, they become ready one by one. Meanwhile there may be sessions:
 *
 *     bert_model_begin(&config, tensors, n_tensors, block, n_block, &model, &error);
 *     ... bert_session_open(), bert_encode_begin() ...
 *     for (size_t i = 0; i < n_tensors; i++) {
 *         receive(&tensors[i]);
 *         bert_model_take(model, i, &error);
 *         bert_encode_step(session, UINT32_MAX); // runs what is ready
 *     }
 *
 * Until all are taken, calls about the model and its sessions are one thread's, or ordered as if
 * they were. Threads that serve need no more: a step starts them by an atomic, after which they see
 * all that the caller saw.
 */
bert_status bert_model_begin(const bert_config *config, const bert_tensor *tensors,
                             size_t n_tensors, void *memory, size_t n_bytes, bert_model **model,
                             bert_error *error);
bert_status bert_model_take(bert_model *model, size_t index, bert_error *error);
uint32_t bert_model_steps_ready(const bert_model *model);

/* The config that the model was opened, or begun, with. */
const bert_config *bert_model_config(const bert_model *model);

/* --------------------------------------------------------------------------------- session -- */

typedef struct bert_session bert_session;

/*
 * Ways to multiply 8-bit integers. All that a machine runs right give the same bits. Which of the
 * two of 32 bits is right for 8 bits depends on how the machine's relaxed dot takes its second side
 * and must be found out; for 7 bits the first always is.
 */
typedef enum bert_int8_kernel {
    /* "default": the one that is fastest on most machines, of those that are right on all */
    BERT_INT8_KERNEL_DEFAULT,
    BERT_INT8_KERNEL_SIMD128, /* "simd128": 16-bit products, what every engine has */
    /* "relaxed-dot-i16": pairs summed in 16 bits (PMADDUBSW). For 7 bits */
    BERT_INT8_KERNEL_RELAXED_DOT_I16,
    /* "relaxed-dot-i32": fours in 32 bits, activations unsigned (VPDPBUSD) */
    BERT_INT8_KERNEL_RELAXED_DOT_I32,
    /* "relaxed-dot-i32-signed": the same of activations less 128 (SDOT, VPDPBSSD). For 8 bits */
    BERT_INT8_KERNEL_RELAXED_DOT_I32_SIGNED,
    BERT_INT8_KERNEL_COUNT
} bert_int8_kernel;

/* "simd128", ...; "" for a number that is no kernel. A static string. */
const char *bert_int8_kernel_name(bert_int8_kernel kernel);

/* Whether this build has the kernel, for these integers. */
int bert_int8_kernel_exists(bert_integers integers, bert_int8_kernel kernel);

/* A fixed piece of work, `n_repeats` times, for a caller with a clock to race the kernels that
 * there are for these integers, DEFAULT aside: the core has no clock. Returns a number that is the
 * same of all kernels, but for those that this machine does not run right. */
int32_t bert_int8_kernel_trial(bert_integers integers, bert_int8_kernel kernel, uint32_t n_repeats);

#define BERT_MAX_THREADS 64
#define BERT_DEFAULT_MAX_TOKENS 1024
#define BERT_DEFAULT_MAX_SEQUENCE_TOKENS 512 /* where nothing in the model limits them */

/* Zero means the default. */
typedef struct bert_options {
    uint32_t max_tokens;          /* of a batch; default BERT_DEFAULT_MAX_TOKENS; at least
                                   * max_sequence_tokens */
    uint32_t max_sequence_tokens; /* of one sequence; default and at most
                                   * bert_config_most_tokens() */
    uint32_t n_threads;           /* most that will work, the caller's included; default 1, at most
                                   * BERT_MAX_THREADS; see bert_session_serve() */
    bert_int8_kernel int8_kernel; /* of those that exist for the config's integers */
} bert_options;

/* Bytes of the one block in which a session of these options encodes, a multiple of BERT_ALIGNMENT.
 * `options` may be NULL: all defaults. */
bert_status bert_session_bytes(const bert_config *config, const bert_options *options,
                               size_t *n_bytes, bert_error *error);
bert_status bert_session_open(const bert_model *model, const bert_options *options, void *memory,
                              size_t n_bytes, bert_session **session, bert_error *error);

/*
 * Threads. The core starts none: the caller does, with whatever it has (pthreads, Web Workers).
 * Each lends itself to a session by this call, which returns after bert_session_stop(). Up to
 * options.n_threads - 1 may come, at any time; any more return at once. Without them the thread
 * that calls bert_encode() does the work alone, with the same answer to the bit.
 */
void bert_session_serve(bert_session *session);

/* Ends every bert_session_serve(). No bert_encode() may be running. The session's memory may be
 * taken back once they have returned. */
void bert_session_stop(bert_session *session);

/* Threads that the session would run on now, the caller's included. */
uint32_t bert_session_threads(const bert_session *session);

/* The kernel from now on, instead of options.int8_kernel. No batch may be on its way. BAD_OPTION if
 * this build does not have it for the model's integers. */
bert_status bert_session_use_kernel(bert_session *session, bert_int8_kernel kernel,
                                    bert_error *error);

/* A ragged batch: sequences of any lengths laid end to end. No padding is ever computed. */
typedef struct bert_batch {
    uint32_t n_sequences;
    const uint32_t *lengths;     /* [n_sequences], each >= 1; T = their sum */
    const uint32_t *ids;         /* [T] */
    const uint32_t *token_types; /* [T], or NULL: all 0 */
    /* [T], or NULL: 0, 1, 2, ... in each sequence. Below bert_config_most_tokens(); with conv_size,
     * ascending in each: a position that is left out counts as a token that is not attended to. */
    const uint32_t *positions;
    /* [T], or NULL: all 1. A token with 0 is computed, but no token attends to it; a sequence has
     * at least one token with 1. */
    const uint8_t *attended;
    uint32_t n_lm_tokens;
    const uint32_t *lm_tokens; /* [n_lm_tokens], ascending: the tokens, 0 .. T - 1, that LM_LOGITS
                                * are computed for, which may be none; or NULL: all */
    /* [n_sequences], or NULL: all 0. The first token of each sequence that its SENTENCE_EMBEDDING
     * is made of: what is before it, such as a prompt, is only attended to. At least one token from
     * there on is. */
    const uint32_t *pool_from;
} bert_batch;

/*
 * Which tokens of a masked sequence go into a batch, as most callers have it: `n` tokens `ids`, and
 * a `mask` of 0 and 1. Tokens with 1 do, and the first one too if the model reads it by its place
 * (a pooler, "cls" pooling). They keep their positions; but in a model with a first_position,
 * padding that is left out is not counted.
 *
 * For each, in order, writes its index in the sequence and its position (both arrays have room for
 * `n`), and returns how many there are. In the batch, attended[i] = mask[kept[i]]. A mask of zeros
 * alone leaves nothing to attend to: bert_encode() refuses that.
 */
uint32_t bert_sequence_keep(const bert_config *config, uint32_t n, const uint32_t *ids,
                            const uint8_t *mask, uint32_t *kept, uint32_t *positions);

/* What can be computed, and its shape for a batch of T tokens in S sequences; H = hidden_size. */
typedef enum bert_output {
    BERT_OUTPUT_LAST_HIDDEN_STATE, /* "last_hidden_state" [T, H] */
    BERT_OUTPUT_POOLER_OUTPUT,     /* "pooler_output" [S, H] */
    BERT_OUTPUT_LOGITS,            /* "logits" [S, n_labels] */
    BERT_OUTPUT_TOKEN_LOGITS,      /* "token_logits" [T, n_token_labels] */
    /* "lm_logits" [T, or n_lm_tokens if there are lm_tokens, vocab_size] */
    BERT_OUTPUT_LM_LOGITS,
    /* "sentence_embedding" [S, embedding_dim, or bert_config_pooled_columns() if that is 0] */
    BERT_OUTPUT_SENTENCE_EMBEDDING,
    /* "hidden_states" [n_layers + 1, T, H]: the embeddings' output, then every layer's */
    BERT_OUTPUT_HIDDEN_STATES,
    /* "attentions": for each layer, for each sequence of n tokens, [n_heads, n, n] probabilities */
    BERT_OUTPUT_ATTENTIONS,
    BERT_OUTPUT_COUNT
} bert_output;

/* "logits", ...; "" for a number that is no output. A static string. */
const char *bert_output_name(bert_output output);

/* Where to write each output; NULL: not wanted. On 4 bytes; not overlapping. */
typedef struct bert_outputs {
    float *data[BERT_OUTPUT_COUNT];
} bert_outputs;

/*
 * What an output consists of: layers, each with a row for each token, or for each sequence.
 *
 * Columns of a row; 0: the model does not have it. 0 for ATTENTIONS too, which every model has: its
 * rows are as long as their sequence.
 * Layers: of HIDDEN_STATES n_layers + 1, of ATTENTIONS n_layers, of any other 1.
 * Whether it has a row for each token: LAST_HIDDEN_STATE, HIDDEN_STATES, TOKEN_LOGITS, LM_LOGITS.
 */
uint32_t bert_output_columns(const bert_config *config, bert_output output);
uint32_t bert_output_layers(const bert_config *config, bert_output output);
int bert_output_is_of_tokens(bert_output output);

/* Floats that `output` has for `batch` (of which lengths and n_lm_tokens are read, and whether
 * there are lm_tokens). NO_SUCH_OUTPUT if the model does not have it. */
bert_status bert_output_count(const bert_config *config, bert_output output,
                              const bert_batch *batch, size_t *count, bert_error *error);

/* Encodes the batch and writes the outputs that are wanted. Everything is checked before anything
 * is written. BAD_DATA, of a tensor, if one has not been taken yet. */
bert_status bert_encode(bert_session *session, const bert_batch *batch, const bert_outputs *outputs,
                        bert_error *error);

/*
 * The same in steps: a layer each, then one for the heads. begin() checks everything, step() runs
 * up to `n_steps` of them and returns how many are left; the outputs are whole when none is. Many
 * small rounds cost threads a wake-up each; the bits are the same. Of a model that is still
 * arriving no more steps are run than are ready, maybe none: call again when more has been taken.
 *
 *     bert_encode_begin(session, &batch, &outputs, &error);
 *     while (bert_encode_step(session, 1) > 0 && !wants_to_stop)
 *         ;
 *
 * What the batch and the outputs point to must stay until the last step; they themselves are
 * copied. It is safe to stop earlier: the next begin() starts anew, and what the outputs have by
 * then is undefined. A begin() that fails leaves nothing to step.
 */
bert_status bert_encode_begin(bert_session *session, const bert_batch *batch,
                              const bert_outputs *outputs, bert_error *error);
uint32_t bert_encode_step(bert_session *session, uint32_t n_steps);

/*
 * Steps of several batches, in turn. The states are what a batch is between two steps: [T, H]
 * floats, which stay until the session's next call. resume() begins a batch at step `step`, 1 ..
 * n_layers, with the states that it had after the step before, in this session or another; all
 * outputs as in begin(), of which that step and later ones write their part. BAD_OPTION for another
 * step, BAD_DATA if a tensor that the steps before it read has not been taken.
 *
 * So a model can run whose layers do not fit memory: every batch takes a step, then the next
 * layer's tensors come to where those of the last one were. For that, the data of a layer's tensors
 * is read by take() and by the layer's own step alone, but for the factors of its inputs
 * (".smooth"), by which the step before multiplies, too; resume() does it again.
 */
const float *bert_encode_states(const bert_session *session);
bert_status bert_encode_resume(bert_session *session, const bert_batch *batch,
                               const bert_outputs *outputs, uint32_t step, const float *states,
                               bert_error *error);

/* ------------------------------------------------------------------------------- observing -- */

/* The products of a layer whose inputs an observer sees, R rows of them; I = intermediate_size. */
typedef enum bert_site {
    BERT_SITE_ATTENTION,        /* query, key and value: [R, H] */
    BERT_SITE_ATTENTION_OUTPUT, /* [R, H] */
    BERT_SITE_INTERMEDIATE,     /* [R, H] */
    BERT_SITE_OUTPUT,           /* [R, I] */
    BERT_SITE_COUNT
} bert_site;

/* Columns of the inputs of a site. */
uint32_t bert_site_columns(const bert_config *config, bert_site site);

/* `n_rows` inputs of `n_columns` each, just before they are multiplied with the weights layers.N,
 * N = `layer`. */
typedef void bert_observer(void *argument, uint32_t layer, bert_site site, const float *inputs,
                           uint32_t n_rows, uint32_t n_columns);

/* Every following bert_encode() of a session of one thread calls `observer`; NULL ends that. Rows
 * may come in blocks. For quantisation: what the inputs of a product are really like. */
void bert_session_observe(bert_session *session, bert_observer *observer, void *argument);

#ifdef __cplusplus
}
#endif

#endif

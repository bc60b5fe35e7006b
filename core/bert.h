/*
 * bert.h - BERT-family encoders on 128-bit SIMD, under the caller's control.
 *
 * The core knows no files, no JSON and no allocator: the caller says what the model is (a config),
 * hands over tensors where they lie, and gives two blocks of memory whose sizes it first asks for.
 *
 *     bert_config config;
 *     bert_config_init(&config);
 *     bert_config_set_number(&config, "hidden_size", 384);    // ... one call a field, or
 *     config.n_layers = 6;                                    // plain assignment
 *
 *     size_t model_bytes, session_bytes;
 *     bert_error error;
 *     bert_model *model;
 *     bert_session *session;
 *     bert_model_bytes(&config, &model_bytes, &error);
 *     bert_model_open(&config, tensors, n_tensors, model_memory, model_bytes, &model, &error);
 *     bert_session_bytes(&config, &options, &session_bytes, &error);
 *     bert_session_open(model, &options, session_memory, session_bytes, &session, &error);
 *
 *     bert_outputs outputs = {{0}};
 *     outputs.data[BERT_OUTPUT_LOGITS] = logits;               // bert_output_count() floats
 *     if (bert_encode(session, &batch, &outputs, &error) != BERT_OK)
 *         fprintf(stderr, "%s: %s\n", bert_status_text(error.status), error.subject);
 *
 * bert_encode_begin() and bert_encode_step() are the same in steps, between which the caller may
 * do something else, or stop.
 *
 * Memory. A model keeps pointers into the tensors' data; neither is copied or changed, and both
 * must outlive it. A session has everything that encoding needs in its one block; encoding
 * allocates nothing. There is nothing to close: the memory is the caller's, and is free again when
 * the caller says so, sessions before their model.
 *
 * Threads. A model is immutable after bert_model_open and may be shared by any number of sessions.
 * A session belongs to one caller at a time; other threads may work for it: bert_session_serve().
 * No function has hidden state.
 *
 * Errors. Every function that can meet bad data returns a bert_status and, if `error` is not NULL,
 * fills it. A failed call changes nothing: the model and the session stay usable. Misuse of the API
 * (a NULL model, a block of memory not aligned on BERT_ALIGNMENT) is an assert.
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

/* Memory blocks and tensor data start on a multiple of this many bytes: one cache line. */
#define BERT_ALIGNMENT 64

/* Columns of a weight panel, and inputs of an 8-bit panel that lie side by side; see bert_tensor.
 * Part of the model file's format version. */
#define BERT_PANEL 8
#define BERT_QUAD 4

/* Largest magnitude of an integer in an 8-bit panel: 7 bits, so that two products with 7-bit
 * activations and their neighbours' fit 16 bits in every kernel. */
#define BERT_I8_MAX 63

/* Weights of 4 bits that share a multiplier; see bert_q4_expand(). */
#define BERT_GROUP 32

/* ------------------------------------------------------------------------------- statuses -- */

/* X(NAME, TEXT): NAME is the status without its prefix, and in lower case the `code` in JavaScript.
 * `subject`, `value` and `limit` of bert_error say which, how much, and how much was allowed. */
#define BERT_STATUSES(X)                                                                           \
    X(OK, "no error")                                                                              \
    X(UNKNOWN_FIELD, "the config has a field this version does not know")                          \
    X(BAD_FIELD, "a config field has a value out of its range")                                    \
    X(MODEL_TOO_LARGE, "the dimensions do not fit the address space")                              \
    X(MISSING_TENSOR, "the model lacks a tensor its config asks for")                              \
    X(UNKNOWN_TENSOR, "the model has a tensor its config does not explain")                        \
    X(DUPLICATE_TENSOR, "the model has two tensors of one name")                                   \
    X(BAD_DTYPE, "a tensor has a dtype that cannot be used in its place")                          \
    X(BAD_SHAPE, "a tensor's shape does not follow from the config")                               \
    X(BAD_DATA, "a tensor's data is missing, misaligned or of the wrong size")                     \
    X(OUT_OF_MEMORY, "the block of memory is smaller than asked for")                              \
    X(BATCH_TOO_LARGE, "the batch is larger than the session was opened for")                      \
    X(SEQUENCE_TOO_LONG, "a sequence is longer than the session or the model allows")              \
    X(EMPTY_SEQUENCE, "a sequence has no tokens to attend to")                                     \
    X(BAD_TOKEN_ID, "a token id is not in the vocabulary")                                         \
    X(BAD_TOKEN_TYPE, "a token type is not one of the model's")                                    \
    X(BAD_POSITION, "a position is beyond what there is, or out of order")                         \
    X(NO_SUCH_OUTPUT, "the model does not have this output")                                       \
    X(BAD_OPTION, "an option of the session has a value that cannot be")

typedef enum bert_status {
#define BERT_STATUS_ENUM(name, text) BERT_##name,
    BERT_STATUSES(BERT_STATUS_ENUM)
#undef BERT_STATUS_ENUM
} bert_status;

#define BERT_SUBJECT_BYTES 64

/* What went wrong, for a message: the field, tensor or output it is about, and up to two numbers.
 */
typedef struct bert_error {
    bert_status status;
    char subject[BERT_SUBJECT_BYTES]; /* always terminated, cut if longer */
    int64_t value;                    /* the offending number, or index of the sequence */
    int64_t limit;                    /* the bound or the expected number */
} bert_error;

/* The status's name in upper case without prefix ("BAD_SHAPE"), and its sentence. Static strings;
 * "" for a number that is no status. */
const char *bert_status_name(bert_status status);
const char *bert_status_text(bert_status status);

/* --------------------------------------------------------------------------------- config -- */

/* X(NAME, text name): activations, as Hugging Face configs name them where they agree. */
#define BERT_ACTIVATIONS(X)                                                                        \
    X(NONE, "none")                                                                                \
    X(GELU, "gelu")           /* x * Phi(x), exact by erf: Hendrycks & Gimpel 2016, section 2 */   \
    X(GELU_TANH, "gelu_tanh") /* the tanh approximation of the same section ("gelu_new") */        \
    X(TANH, "tanh")                                                                                \
    X(RELU, "relu")                                                                                \
    X(SILU, "silu") /* x / (1 + e^-x): the same section; Elfwing et al. 2017; "swish" */

typedef enum bert_activation {
#define BERT_ACTIVATION_ENUM(name, text) BERT_ACTIVATION_##name,
    BERT_ACTIVATIONS(BERT_ACTIVATION_ENUM)
#undef BERT_ACTIVATION_ENUM
} bert_activation;

/* X(NAME, text name): what attention knows of the distance between two tokens. */
#define BERT_POSITION_ATTENTIONS(X)                                                                \
    X(NONE, "none")                                                                                \
    X(BIAS, "bias") /* a number for each head and distance: Raffel et al. 2019 (T5), section 2.1;  \
                     * Song et al. 2020 (MPNet) */                                                 \
    X(C2P, "c2p")   /* query . key of the distance: He et al. 2020, DeBERTa, section 3.1 */        \
    X(P2C, "p2c")   /* key . query of the distance: the same section */                            \
    X(C2P_P2C, "c2p_p2c")

typedef enum bert_position_attention {
#define BERT_POSITION_ATTENTION_ENUM(name, text) BERT_POSITION_ATTENTION_##name,
    BERT_POSITION_ATTENTIONS(BERT_POSITION_ATTENTION_ENUM)
#undef BERT_POSITION_ATTENTION_ENUM
} bert_position_attention;

/* X(NAME, text name): what of a sequence's hidden states its embedding is made of: Reimers &
 * Gurevych 2019, Sentence-BERT, section 3. */
#define BERT_POOLINGS(X)                                                                           \
    X(NONE, "none") /* there is no sentence embedding */                                           \
    X(CLS, "cls")   /* the first token's */                                                        \
    X(MEAN, "mean") /* of the attended tokens */                                                   \
    X(MAX, "max")   /* likewise */

typedef enum bert_pooling {
#define BERT_POOLING_ENUM(name, text) BERT_POOLING_##name,
    BERT_POOLINGS(BERT_POOLING_ENUM)
#undef BERT_POOLING_ENUM
} bert_pooling;

/*
 * Numbers of the config: X(type, name, least, most). The upper bounds keep every product of
 * dimensions below 2^63, so that sizes can be checked before they are trusted.
 *
 * What families have in common is the layer; what each of them adds is there if its number is not
 * zero, or its choice not "none".
 *
 *     n_layer_groups G, layers_per_group I   both zero: every layer has weights of its own. Else
 *         there are G * I layers' weights, and of the n_layers that are run layer l has those of
 *         l / I / (n_layers / I / G) * I + l % I (Lan et al. 2019, ALBERT, section 3.1)
 *     first_position k   zero: the position embedding of a token is the row of its position. Else
 *         that of a token whose id is k - 1, which is padding, is row k - 1; any other's is row
 *         k + position - the number of padding tokens before it in its sequence (RoBERTa, MPNet)
 *     n_distances D      tokens of a sequence have positions below D, so that a distance is one of
 *         -(D - 1) .. D - 1
 */
#define BERT_CONFIG_NUMBERS(X)                                                                     \
    X(uint32_t, vocab_size, 1, 1 << 24)                                                            \
    X(uint32_t, hidden_size, 1, 1 << 16)                                                           \
    X(uint32_t, embedding_size, 1, 1 << 16) /* columns of the embedding tables */                  \
    X(uint32_t, projects_embeddings, 0, 1)  /* 1: a matrix stands between embeddings and layers */ \
    X(uint32_t, intermediate_size, 1, 1 << 18)                                                     \
    X(uint32_t, n_layers, 0, 1 << 10)         /* that are run */                                   \
    X(uint32_t, n_layer_groups, 0, 1 << 10)   /* see above */                                      \
    X(uint32_t, layers_per_group, 0, 1 << 10) /* see above */                                      \
    X(uint32_t, n_heads, 1, 1 << 10)          /* divides hidden_size */                            \
    X(uint32_t, n_positions, 0, 1 << 20)      /* 0: no position embedding */                       \
    X(uint32_t, first_position, 0, 1 << 19)   /* see above */                                      \
    X(uint32_t, n_token_types, 0, 1 << 10)    /* 0: no token type embedding */                     \
    X(uint32_t, n_distances, 0, 1 << 20)      /* with a position_attention */                      \
    X(uint32_t, n_relative_rows, 0, 1 << 21)  /* of the tables of c2p and p2c */                   \
    X(uint32_t, conv_size, 0, 63)     /* odd: tokens that the convolution beside the first layer   \
                                       * sees (DeBERTa v2); 0: none */                             \
    X(uint32_t, n_labels, 0, 1 << 20) /* of the pooled output's classifier; 0: none */             \
    X(uint32_t, n_token_labels, 0, 1 << 20) /* of every token's classifier; 0: none */             \
    X(uint32_t, lm_tied, 0, 1)              /* 1: the decoder's weights are the word embedding */  \
    X(uint32_t, embedding_dim, 0, 1 << 16)  /* of the dense layer over the pooling; 0: none */     \
    X(uint32_t, normalize, 0, 1)            /* 1: sentence embeddings have length 1 */             \
    X(float, layer_norm_eps, 0, 1)

/* Choices of the config: X(type, name, LIST). */
#define BERT_CONFIG_CHOICES(X)                                                                     \
    X(bert_activation, activation, BERT_ACTIVATIONS)        /* between the two dense layers */     \
    X(bert_activation, pooler_activation, BERT_ACTIVATIONS) /* "none": there is no pooler */       \
    X(bert_activation, conv_activation, BERT_ACTIVATIONS)                                          \
    X(bert_activation, token_activation, BERT_ACTIVATIONS) /* of a dense layer before the token    \
                                                            * classifier; "none": there is none */ \
    X(bert_activation, lm_activation, BERT_ACTIVATIONS)    /* "none": no masked language model */  \
    X(bert_activation, sentence_activation, BERT_ACTIVATIONS) /* of the layer to embedding_dim */  \
    X(bert_position_attention, position_attention, BERT_POSITION_ATTENTIONS)                       \
    X(bert_pooling, pooling, BERT_POOLINGS)

typedef struct bert_config {
#define BERT_CONFIG_NUMBER(type, name, least, most) type name;
#define BERT_CONFIG_CHOICE(type, name, list) type name;
    BERT_CONFIG_NUMBERS(BERT_CONFIG_NUMBER) BERT_CONFIG_CHOICES(BERT_CONFIG_CHOICE)
#undef BERT_CONFIG_NUMBER
#undef BERT_CONFIG_CHOICE
} bert_config;

/* All zeros: a config without a value for any field. */
void bert_config_init(bert_config *config);

/* Sets the field called `name`. UNKNOWN_FIELD, or BAD_FIELD where the value is not a whole number
 * (but for layer_norm_eps), out of range, or no known choice. */
bert_status bert_config_set_number(bert_config *config, const char *name, double value,
                                   bert_error *error);
bert_status bert_config_set_choice(bert_config *config, const char *name, const char *value,
                                   bert_error *error);

/* Layers whose weights there are, and which of those the layer `layer`, below n_layers, has. */
uint32_t bert_config_n_stored_layers(const bert_config *config);
uint32_t bert_config_stored_layer(const bert_config *config, uint32_t layer);

/* Tokens that a sequence may have, and a bound of their positions: BERT_UNLIMITED_TOKENS if nothing
 * in the model limits them. */
uint32_t bert_config_most_tokens(const bert_config *config);
#define BERT_UNLIMITED_TOKENS UINT32_MAX

/* -------------------------------------------------------------------------------- tensors -- */

/* X(NAME, bytes an element): NAME as in safetensors. */
#define BERT_DTYPES(X)                                                                             \
    X(F32, 4)                                                                                      \
    X(F16, 2)                                                                                      \
    X(I8, 1)

typedef enum bert_dtype {
#define BERT_DTYPE_ENUM(name, size) BERT_DTYPE_##name,
    BERT_DTYPES(BERT_DTYPE_ENUM)
#undef BERT_DTYPE_ENUM
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
#define BERT_MAX_NAME 63 /* bytes of a tensor's name */

/*
 * A tensor where it lies, row-major, little-endian. Names and shapes, H = hidden_size,
 * E = embedding_size, I = intermediate_size, D = n_distances, N = 0 .. one less than the number of
 * layers' weights (n_layers, or n_layer_groups * layers_per_group):
 *
 *     embeddings.word.weight        table [vocab_size, E]
 *     embeddings.position.weight    table [n_positions, E]                if n_positions > 0
 *     embeddings.token_type.weight  table [n_token_types, E]              if n_token_types > 0
 *     embeddings.norm               .weight [E]  .bias [E]
 *     embeddings.projection         matrix E -> H, .bias [H]              if projects_embeddings
 *     attention.bias                [n_heads, 2 D - 1]                    position_attention "bias"
 *     relative.rows                 [2 D - 1]                             "c2p", "p2c", "c2p_p2c"
 *     layers.N.attention.query      matrix H -> H, .bias [H]; likewise .key .value
 *     layers.N.attention.relative_key.weight    table [n_relative_rows, H]  "c2p", "c2p_p2c"
 *     layers.N.attention.relative_query.weight  table [n_relative_rows, H]  "p2c", "c2p_p2c"
 *     layers.N.attention.output     matrix H -> H, .bias [H]
 *     layers.N.attention.norm       .weight [H]  .bias [H]
 *     layers.N.intermediate         matrix H -> I, .bias [I]
 *     layers.N.output               matrix I -> H, .bias [H]
 *     layers.N.output.norm          .weight [H]  .bias [H]
 *     conv                          matrix conv_size H -> H, .bias [H]    if conv_size > 0
 *     conv.norm                     .weight [H]  .bias [H]                likewise
 *     pooler                        matrix H -> H, .bias [H]              with a pooler
 *     classifier                    matrix H -> n_labels, .bias           if n_labels > 0
 *     token_transform               matrix H -> H, .bias [H]              with token_activation
 *     token_classifier              matrix H -> n_token_labels, .bias     if n_token_labels > 0
 *     lm.transform                  matrix H -> E, .bias [E]              with lm_activation
 *     lm.norm                       .weight [E]  .bias [E]                likewise
 *     lm.decoder                    matrix E -> vocab_size, .bias         likewise; the bias alone
 *                                                                         if lm_tied
 *     sentence                      matrix H -> embedding_dim, .bias      if embedding_dim > 0
 *
 * attention.bias [h][D - 1 + k - q] is added to the scaled score of head h between the query at
 * position q and the key at position k. relative.rows [D - 1 + q - k], a whole number, is their row
 * in the relative tables, which are embeddings already projected, with their bias: to the score
 * come query . relative_key and key . relative_query, before it is divided by the square root of
 * H / n_heads * (1 + the number of the two terms). Input k H + i of the convolution is column i of
 * the embeddings' output at position t + k - conv_size / 2, zero where no attended token is.
 *
 * Tables are F32, F16 or I8; an I8 one has NAME.scale, F32 [rows]: value = integer * scale.
 *
 * A matrix K -> M is stored in panels of BERT_PANEL output columns, the way the kernels read it;
 * columns past M are zeros. F32 and F16: NAME.weight [ceil(M / 8), K, 8], element [p][k][j]
 * multiplies input k for output 8 p + j. The matrices of layers.N may be I8, then all of them:
 * NAME.weight [ceil(M / 8), 2 ceil(K / 8), 8, 4], element [p][q][j][i] multiplies input 4 q + i for
 * output 8 p + j, integers in -63 .. 63, inputs past K are zeros; NAME.scale, F32 [M]; and with
 * them the factors by which inputs are multiplied before they are quantised, all F32:
 *
 *     layers.N.smooth                    [H]  of query, key and value
 *     layers.N.attention.output.smooth   [H]
 *     layers.N.intermediate.smooth       [H]
 *     layers.N.output.smooth             [I]
 *
 * weight = integer * scale * smooth of its input. Everything else is F32.
 */
typedef struct bert_tensor {
    const char *name;
    bert_dtype dtype;
    uint32_t rank;
    uint32_t shape[BERT_MAX_RANK];
    const void *data; /* on a multiple of BERT_ALIGNMENT */
    size_t n_bytes;
} bert_tensor;

/*
 * Four bits. In a file, but not in memory, an I8 NAME.weight may be a NAME.q4 instead: units of
 * bytes, each of which becomes BERT_GROUP integers for `n_columns` columns,
 *
 *     n_columns multipliers, one a column; then n_columns x BERT_GROUP / 2 bytes of two nibbles
 *     integer = (nibble - 8) * multiplier of its column
 *
 * n_columns is 1 for a table, [rows, columns / BERT_GROUP, 17] bytes, and BERT_PANEL for a matrix,
 * [ceil(M / 8), K / BERT_GROUP, 136] bytes. The low nibbles of 16 bytes are the first 16 integers,
 * in the order of the I8 tensor, the high nibbles the next 16. Columns of the table and inputs of
 * the matrix are a multiple of BERT_GROUP.
 */
#define BERT_Q4_UNIT_BYTES(n_columns) ((n_columns) * (1 + BERT_GROUP / 2))

/* The tensor that units of the shape `units` [rows, groups, bytes] become, but for its name and
 * data. Returns the columns of a unit, 1 or BERT_PANEL; 0, and nothing else, if these are none. */
uint32_t bert_q4_tensor(const uint32_t units[3], bert_tensor *tensor);

/* `values` has n_units x n_columns x BERT_GROUP bytes; nothing overlaps. */
void bert_q4_expand(const uint8_t *units, size_t n_units, uint32_t n_columns, int8_t *values);

/* ---------------------------------------------------------------------------------- model -- */

typedef struct bert_model bert_model;

/* Bytes that a model of this config needs besides its tensors. Checks the whole config. */
bert_status bert_model_bytes(const bert_config *config, size_t *n_bytes, bert_error *error);

/* Binds the tensors by name, dtype and shape. `memory` is on BERT_ALIGNMENT and has at least
 * bert_model_bytes() bytes. Every tensor must be there and explained by the config. */
bert_status bert_model_open(const bert_config *config, const bert_tensor *tensors, size_t n_tensors,
                            void *memory, size_t n_bytes, bert_model **model, bert_error *error);

/* The config that the model was opened with. */
const bert_config *bert_model_config(const bert_model *model);

/* -------------------------------------------------------------------------------- session -- */

typedef struct bert_session bert_session;

/* X(NAME, text name): ways to multiply 8-bit integers. All give the same bits. */
#define BERT_INT8_KERNELS(X)                                                                       \
    X(DEFAULT, "default")                 /* the one that is fastest on most machines */           \
    X(SIMD128, "simd128")                 /* 16-bit products, what every engine has */             \
    X(RELAXED_DOT_I16, "relaxed-dot-i16") /* pairs summed in 16 bits: PMADDUBSW */                 \
    X(RELAXED_DOT_I32, "relaxed-dot-i32") /* fours summed in 32 bits: VPDPBUSD, SDOT */

typedef enum bert_int8_kernel {
#define BERT_INT8_KERNEL_ENUM(name, text) BERT_INT8_KERNEL_##name,
    BERT_INT8_KERNELS(BERT_INT8_KERNEL_ENUM)
#undef BERT_INT8_KERNEL_ENUM
        BERT_INT8_KERNEL_COUNT
} bert_int8_kernel;

/* "simd128", ...; "" for a number that is no kernel. A static string. */
const char *bert_int8_kernel_name(bert_int8_kernel kernel);

/* Whether this build has the kernel. */
int bert_int8_kernel_exists(bert_int8_kernel kernel);

/* A fixed piece of work, `n_repeats` times, for a caller with a clock to race the kernels: the core
 * has none. Returns a number that depends on the work, so that it cannot be left out. */
int32_t bert_int8_kernel_trial(bert_int8_kernel kernel, uint32_t n_repeats);

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
    bert_int8_kernel int8_kernel; /* of those that exist */
} bert_options;

/* Bytes of the one block in which a session of these options encodes. */
bert_status bert_session_bytes(const bert_config *config, const bert_options *options,
                               size_t *n_bytes, bert_error *error);
bert_status bert_session_open(const bert_model *model, const bert_options *options, void *memory,
                              size_t n_bytes, bert_session **session, bert_error *error);

/*
 * Threads. The core starts none: the caller does, with whatever it has (pthreads, Web Workers), and
 * each lends itself to a session by this call, which returns after bert_session_stop(). Up to
 * options.n_threads - 1 may come, at any time; more return at once. Until then, and without any,
 * the thread that calls bert_encode() does the work alone, with the same answer to the bit.
 */
void bert_session_serve(bert_session *session);

/* Ends every bert_session_serve(). No bert_encode() may be running. The session's memory may be
 * taken back once they have returned. */
void bert_session_stop(bert_session *session);

/* Threads that the session would run on now, the caller's included. */
uint32_t bert_session_threads(const bert_session *session);

/* The kernel from now on, instead of options.int8_kernel. No batch may be on its way. BAD_OPTION if
 * this build does not have it. */
bert_status bert_session_use_kernel(bert_session *session, bert_int8_kernel kernel,
                                    bert_error *error);

/* A ragged batch: sequences of any lengths laid end to end. No padding is ever computed. */
typedef struct bert_batch {
    uint32_t n_sequences;
    const uint32_t *lengths;     /* [n_sequences], each >= 1; T = their sum */
    const uint32_t *ids;         /* [T] */
    const uint32_t *token_types; /* [T], or NULL: all 0 */
    const uint32_t *positions;   /* [T], or NULL: 0, 1, 2, ... in each sequence; below the most
                                  * tokens of a sequence; with conv_size, ascending in each: what
                                  * is left out is as good as unattended */
    const uint8_t *attended;     /* [T], or NULL: all 1; a token with 0 is computed but no token
                                  * attends to it; a sequence has at least one token with 1 */
    uint32_t n_lm_tokens;
    const uint32_t *lm_tokens; /* [n_lm_tokens], ascending: the tokens, 0 .. T - 1, that LM_LOGITS
                                * are computed for, which may be none; or NULL: all */
} bert_batch;

/*
 * Which tokens of a masked sequence go into a batch, as everybody but the core has it: `n` tokens
 * `ids`, and a `mask` of 0 and 1. Those with 1 do, and the first one always where the model reads
 * it by its place (a pooler, "cls" pooling). They keep their positions, but where padding has none
 * (first_position) what is left out of it is not counted.
 *
 * Writes of each, in order, its index in the sequence and its position, both [n] or fewer, and
 * returns how many there are; in the batch, attended[i] = mask[kept[i]]. A mask of zeros alone
 * leaves nothing to attend to: bert_encode() refuses that.
 */
uint32_t bert_sequence_keep(const bert_config *config, uint32_t n, const uint32_t *ids,
                            const uint8_t *mask, uint32_t *kept, uint32_t *positions);

/* X(NAME, text name, shape), T tokens and S sequences in the batch:
 * ATTENTIONS holds for each layer, for each sequence of n tokens, [n_heads, n, n] probabilities.
 * HIDDEN_STATES holds the embeddings' output, then every layer's. */
#define BERT_OUTPUTS(X)                                                                            \
    X(LAST_HIDDEN_STATE, "last_hidden_state") /* [T, H] */                                         \
    X(POOLER_OUTPUT, "pooler_output")         /* [S, H] */                                         \
    X(LOGITS, "logits")                       /* [S, n_labels] */                                  \
    X(TOKEN_LOGITS, "token_logits")           /* [T, n_token_labels] */                            \
    X(LM_LOGITS, "lm_logits") /* [T, or n_lm_tokens if there are lm_tokens, vocab_size] */         \
    X(SENTENCE_EMBEDDING, "sentence_embedding") /* [S, embedding_dim, or H if that is 0] */        \
    X(HIDDEN_STATES, "hidden_states")           /* [n_layers + 1, T, H] */                         \
    X(ATTENTIONS, "attentions")                 /* [n_layers, sum over sequences n_heads n n] */

typedef enum bert_output {
#define BERT_OUTPUT_ENUM(name, text) BERT_OUTPUT_##name,
    BERT_OUTPUTS(BERT_OUTPUT_ENUM)
#undef BERT_OUTPUT_ENUM
        BERT_OUTPUT_COUNT
} bert_output;

/* "logits", ..., as in the list above; "" for a number that is no output. A static string. */
const char *bert_output_name(bert_output output);

/* Where to write each output; NULL: not wanted. On 4 bytes; not overlapping. */
typedef struct bert_outputs {
    float *data[BERT_OUTPUT_COUNT];
} bert_outputs;

/*
 * What an output consists of: of each of its layers, a row of columns for each token or sequence.
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
 * is written. */
bert_status bert_encode(bert_session *session, const bert_batch *batch, const bert_outputs *outputs,
                        bert_error *error);

/*
 * The same in steps: a layer each, then one for the heads. begin() checks everything, a step takes
 * up to `n_steps` of them and returns how many are left; the outputs are whole when none is. Many
 * small rounds cost threads a meeting each; the bits are the same.
 *
 *     bert_encode_begin(session, &batch, &outputs, &error);
 *     while (bert_encode_step(session, 1) > 0 && !wants_to_stop)
 *         ;
 *
 * What the batch and the outputs point to must stay until the last step; they themselves are
 * copied. Whoever stops earlier owes nothing: the next begin() starts anew, and what the outputs
 * have by then is undefined. A begin() that fails leaves nothing to step.
 */
bert_status bert_encode_begin(bert_session *session, const bert_batch *batch,
                              const bert_outputs *outputs, bert_error *error);
uint32_t bert_encode_step(bert_session *session, uint32_t n_steps);

/* -------------------------------------------------------------------------------- observing -- */

/* X(NAME): the products of a layer whose inputs an observer sees. */
#define BERT_SITES(X)                                                                              \
    X(ATTENTION)        /* query, key and value: [R, H] */                                         \
    X(ATTENTION_OUTPUT) /* [R, H] */                                                               \
    X(INTERMEDIATE)     /* [R, H] */                                                               \
    X(OUTPUT)           /* [R, I] */

typedef enum bert_site {
#define BERT_SITE_ENUM(name) BERT_SITE_##name,
    BERT_SITES(BERT_SITE_ENUM)
#undef BERT_SITE_ENUM
        BERT_SITE_COUNT
} bert_site;

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

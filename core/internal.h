/*
 * internal.h - what the core's files share beside the kernels: models, sessions, encoding. Every
 * pointer to numbers has its shape beside it; T tokens in the batch, H hidden_size, E
 * embedding_size, I intermediate_size, D n_distances, R rows.
 */
#ifndef BERT_INTERNAL_H
#define BERT_INTERNAL_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "bert.h"
#include "kernels.h"
#include "pool.h"

/* --------------------------------------------------------------------------------- weights -- */

typedef struct layer_weights {
    matrix query, key, value, attention_output; /* H -> H */
    /* [n_relative_rows, H], if position_attention has them. */
    row_table relative_key, relative_query;
    norm_weights attention_norm;
    matrix intermediate; /* H -> I */
    matrix output;       /* I -> H */
    norm_weights output_norm;
} layer_weights;

/* What becomes of a tensor's bytes when they have come. */
typedef enum tensor_role {
    TENSOR_AS_IT_LIES,
    TENSOR_INTEGERS, /* the weight of an I8 matrix */
    TENSOR_SCALE,    /* of an I8 matrix or table */
    TENSOR_DISTANCES /* relative.rows */
} tensor_role;

typedef struct tensor_arrival {
    tensor_role role;
    uint32_t step; /* the first of an encoding that reads it */
    int is_taken;
    /* Of an I8 matrix: its columns' sums, which come of its weight, its offset, which comes of them
     * and its scale, and the index of the other of these two. Else NULL. */
    int32_t *sums;
    float *offset;
    size_t partner;
} tensor_arrival;

/* Weights that the config does not ask for are zeros. */
struct bert_model {
    bert_config config;
    /* Whether some weights are I8. Then nothing may depend on whether a machine rounds a
     * multiply-add once or twice: rounding to integers would make a step of a bit. */
    int is_exact;
    row_table word, position, token_type; /* [.., E] */
    norm_weights embeddings_norm;         /* [E] */
    matrix projection;                    /* E -> H */
    const float *attention_bias;          /* [n_heads, 2 D - 1] */
    uint32_t *relative_rows; /* [2 D - 1]: the row of a distance q - k at D - 1 + q - k */
    layer_weights *layers;   /* [bert_config_n_stored_layers()] */
    matrix conv;             /* conv_size H -> H */
    norm_weights conv_norm;
    matrix pooler, classifier;                /* H -> H, H -> n_labels */
    matrix token_transform, token_classifier; /* H -> H, H -> n_token_labels */
    matrix lm_transform;                      /* H -> E */
    norm_weights lm_norm;                     /* [E] */
    matrix lm_decoder;                        /* E -> vocab_size; tied: without panels */
    matrix sentence;                          /* H -> embedding_dim */
    int32_t *sums;                            /* of the layers' I8 matrices; theirs point here */
    float *offsets;                           /* likewise */
    /* The caller's tensors, until each of them is taken, and what is known of them. */
    const bert_tensor *tensors;
    size_t n_tensors;
    tensor_arrival *arrivals; /* [n_tensors] */
    uint32_t *n_missing; /* [n_layers + 1]: not taken, of those that a step is the first to read */
    uint32_t n_ready;    /* steps that miss nothing, as do all before them */
};

/* --------------------------------------------------------------------------------- scratch -- */

/* Query rows whose attention scores are held at a time. */
#define QUERY_BLOCK 48

/* What a thread has for itself. */
typedef struct workspace {
    float *panel;      /* [TILE_PANELS, most n_in of a matrix, BERT_PANEL]: widened panels */
    float *key_panels; /* [ceil(n / BERT_PANEL), H / n_heads, BERT_PANEL], n max_sequence_tokens */
    float *value_panels; /* [ceil(H / n_heads / BERT_PANEL), n, BERT_PANEL] */
    float *scores;       /* [QUERY_BLOCK, n] */
    /* In a model with integer weights those three hold integers: see attention_i16.c. */
    int16_t *queries;             /* [QUERY_BLOCK, H / n_heads up to whole eights] */
    int32_t *contexts;            /* [QUERY_BLOCK, H / n_heads] */
    float *intermediate;          /* [ROW_BLOCK, I] */
    integer_rows intermediate_i8; /* [ROW_BLOCK, I]: the same, as a product with I8 reads it */
    /* With a position_attention; W is position_stride(n_relative_rows). */
    uint32_t *positions;     /* [n], of every token of the sequence */
    uint32_t *key_tokens;    /* [n]: the tokens that are attended to, ... */
    uint32_t *key_positions; /* [n]: ... and their positions */
    float *relative_panels;  /* [W / BERT_PANEL, H / n_heads, BERT_PANEL] */
    float *query_terms;      /* [QUERY_BLOCK, W] */
    float *key_terms;        /* [n, W] */
} workspace;

/* The batch that is on its way; all zeros: none. */
typedef struct encoding_state {
    bert_batch batch;
    bert_outputs outputs;
    uint32_t n_tokens;
    uint32_t next, n_steps; /* the step that is next, of as many: a layer each, then the heads */
} encoding_state;

struct bert_session {
    const bert_model *model;
    uint32_t max_tokens, max_sequence_tokens;
    bert_int8_kernel int8_kernel;
    float *hidden;           /* [max_tokens, H] */
    float *query;            /* [max_tokens, H]; attention leaves its result here */
    float *key, *value;      /* [max_tokens, H] */
    float *embeddings;       /* [max_tokens, E]; where E = H, that is `query` */
    float *conv_inputs;      /* [conv_most_rows(), H]; see conv.c */
    uint32_t *conv_rows;     /* [max_tokens]: the row of each token in conv_inputs */
    integer_rows inputs_i8;  /* [max_tokens, H]: hidden or query, as a product with I8 reads it */
    float *pooled;           /* [max_tokens, pooled columns], if a dense layer reads it */
    workspace *workspaces;   /* [n_threads] */
    bert_observer *observer; /* NULL: nobody looks */
    void *observer_argument;
    encoding_state encoding;
    uint32_t n_threads; /* those that were there when this round's steps began */
    thread_pool pool;
};

/* ----------------------------------------------------------------------- errors and config -- */

/* Fill `error` if there is one and return `status`: without a number, with one, and with one and
 * its limit. */
bert_status error_set(bert_error *error, bert_status status, const char *subject);
bert_status error_set_value(bert_error *error, bert_status status, const char *subject,
                            int64_t value);
bert_status error_set_limit(bert_error *error, bert_status status, const char *subject,
                            int64_t value, int64_t limit);

/* What a session or a trainer may be given in a call: defaults in place of zeros, then checks. */
bert_status limits_resolve(const bert_config *config, uint32_t *max_sequence_tokens,
                           uint32_t *max_tokens, uint32_t *n_threads, bert_error *error);

/* What choices of a config are called. */
extern const char *const names_of_activations[BERT_ACTIVATION_COUNT];
extern const char *const names_of_position_attentions[BERT_POSITION_ATTENTION_COUNT];
extern const char *const names_of_relative_sources[BERT_RELATIVE_SOURCE_COUNT];
extern const char *const names_of_poolings[BERT_POOLING_COUNT];
extern const char *const names_of_integers[BERT_INTEGERS_COUNT];

/* Whether the fields are in range and fit together. */
bert_status config_check(const bert_config *config, bert_error *error);

/* Whether queries score the keys of distances, and keys the queries of distances. */
int config_has_c2p(const bert_config *config);
int config_has_p2c(const bert_config *config);

/* How many poolings a sentence embedding has, and each of them. */
uint32_t config_n_poolings(const bert_config *config);
bert_pooling config_pooling(const bert_config *config, uint32_t index);

/* -------------------------------------------------------------------------------- arrivals -- */

/* Counts the tensors of a model that has just been bound: none is taken. */
void arrivals_begin(bert_model *model);

/* Whether all are taken; BAD_DATA, of the first that is not. */
bert_status arrivals_check(const bert_model *model, bert_error *error);

/* ----------------------------------------------------------------------------------- arena -- */

/* Carves a block of memory. With base NULL it only counts, so that one function both sizes and
 * lays out. `n_bytes` is 64-bit so that no config can make it wrap. */
typedef struct memory_arena {
    char *base;
    uint64_t n_bytes;
    uint64_t largest; /* bytes of one array, at most */
} memory_arena;

/* `count` elements of `size` bytes on BERT_ALIGNMENT; NULL when only counting. */
static inline void *arena_take(memory_arena *arena, uint64_t count, uint64_t size)
{
    /* A sum of numbers: blocks of over half the address space are beyond what C adds to pointers.
     */
    void *start = arena->base ? (void *)((uintptr_t)arena->base + (uintptr_t)arena->n_bytes) : NULL;
    uint64_t n_bytes = count * size;
    arena->largest = n_bytes > arena->largest ? n_bytes : arena->largest;
    arena->n_bytes += (n_bytes + BERT_ALIGNMENT - 1) / BERT_ALIGNMENT * BERT_ALIGNMENT;
    return start;
}

/* Scratch of attention_position.c, for sequences of up to `n` tokens. */
void session_take_positions(memory_arena *arena, const bert_config *config, uint64_t n,
                            workspace *space);

/* -------------------------------------------------------------------------------- encoding -- */

/* Whether the session can encode the batch, and how many tokens that has. */
bert_status batch_check(const bert_session *session, const bert_batch *batch, uint32_t *n_tokens,
                        bert_error *error);

/* Whether the model has every output that is wanted. */
bert_status batch_check_outputs(const bert_config *config, const bert_batch *batch,
                                const bert_outputs *outputs, bert_error *error);

/* Tokens that words are predicted for. */
uint64_t batch_lm_tokens(const bert_batch *batch, uint64_t n_tokens);

/* Attention probabilities of one layer. */
uint64_t batch_attentions(const bert_config *config, const bert_batch *batch);

/* One sequence of a batch, and what the batch says of its tokens. */
typedef struct sequence_view {
    uint32_t first, n;         /* tokens first .. first + n - 1 of the batch */
    const uint8_t *attended;   /* [n], or NULL: all 1 */
    const uint32_t *positions; /* [n], or NULL: 0, 1, 2, ... */
} sequence_view;

/* The sequence `s`, whose tokens start at `first`. */
static inline sequence_view batch_sequence(const bert_batch *batch, uint32_t s, uint32_t first)
{
    return (sequence_view){first, batch->lengths[s],
                           batch->attended ? batch->attended + first : NULL,
                           batch->positions ? batch->positions + first : NULL};
}

static inline int sequence_attends(const sequence_view *sequence, uint32_t token)
{
    return !sequence->attended || sequence->attended[token];
}

static inline uint32_t sequence_position(const sequence_view *sequence, uint32_t token)
{
    return sequence->positions ? sequence->positions[token] : token;
}

/* The sum of the embeddings of the batch's tokens `rows`: [T, E] at `out`. */
void embeddings_sum(const bert_model *model, const bert_batch *batch, row_range rows, float *out);

/* Attention of one head of a sequence; reads and overwrites its columns of its rows of
 * session->query. `probabilities` [n, n] or NULL. */
void attention_head(const bert_session *session, const workspace *space, const layer_weights *layer,
                    uint32_t head, const sequence_view *sequence, float *probabilities);

/* The same in integers, where no position is to be added: one answer on every machine. `scale` is
 * what scores are multiplied by. */
void attention_head_i16(const bert_session *session, const workspace *space, uint32_t head,
                        const sequence_view *sequence, uint32_t n_keys, float scale,
                        float *probabilities);

/* What positions add to a head's scores: this, and what the workspace has. */
typedef struct position_terms {
    const float *bias;       /* [2 D - 1] of the head; NULL: there are relative tables instead */
    uint32_t n_keys;         /* tokens that are attended to */
    row_range key_positions; /* the least of theirs, and one more than the greatest */
    row_range rows;          /* of the relative tables, those of this sequence's distances */
    uint32_t stride;         /* position_stride() of as many */
} position_terms;

/* Terms of a query or key in whole panels, an odd number of them: terms of successive keys are read
 * a row apart, and rows that are a power of two apart would meet in the cache. */
static inline uint32_t position_stride(uint32_t n_rows)
{
    return (panels_all(n_rows).end | 1) * BERT_PANEL;
}

/* Prepares it for all queries of the sequence. */
position_terms attention_position_open(const bert_session *session, const workspace *space,
                                       const layer_weights *layer, uint32_t head,
                                       const sequence_view *sequence);

/* scores += what positions add, for the queries `queries` of the sequence. scores:
 * [rows_count(queries), n_keys]; query: [rows_count(queries), H / n_heads], stride H. */
void attention_position_add(const position_terms *terms, const bert_session *session,
                            const workspace *space, row_range queries, const float *query,
                            float *scores);

#endif

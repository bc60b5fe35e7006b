/*
 * internal.h - what the core's files share: weights, scratch, kernels. Every pointer to numbers has
 * its shape beside it; T tokens in the batch, H hidden_size, E embedding_size, I intermediate_size,
 * D n_distances, R rows.
 */
#ifndef BERT_INTERNAL_H
#define BERT_INTERNAL_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "bert.h"
#include "pool.h"

/* -------------------------------------------------------------------------------- weights -- */

/* A dense layer y = x W + b, W in panels as bert_tensor describes them. */
typedef struct matrix {
    uint32_t n_in, n_out;
    bert_dtype dtype;
    const void *panels; /* [ceil(n_out / BERT_PANEL), ...] */
    const float *scale; /* [n_out], I8 only */
    float *offset;      /* [n_out], I8 only: scale * the sum of the column's integers */
    const float *bias;  /* [n_out], or NULL */
} matrix;

/* Rows to look up. */
typedef struct table {
    uint32_t n_rows, n_columns;
    bert_dtype dtype;
    const void *rows;   /* [n_rows, n_columns] */
    const float *scale; /* [n_rows], I8 only */
} table;

typedef struct norm {
    const float *weight, *bias; /* [H], or [E] */
} norm;

typedef struct layer {
    matrix query, key, value, attention_output; /* H -> H */
    table relative_key, relative_query; /* [n_relative_rows, H], if position_attention has them */
    norm attention_norm;
    matrix intermediate; /* H -> I */
    matrix output;       /* I -> H */
    norm output_norm;
    /* Where the matrices are I8, the factors for the inputs of: query, key and value; ... */
    const float *smooth;              /* [H] */
    const float *attention_smooth;    /* [H] */
    const float *intermediate_smooth; /* [H] */
    const float *output_smooth;       /* [I] */
} layer;

/* What the config does not ask for is zeros. */
struct bert_model {
    bert_config config;
    table word, position, token_type; /* [.., E] */
    norm embeddings_norm;             /* [E] */
    matrix projection;                /* E -> H */
    const float *attention_bias;      /* [n_heads, 2 D - 1] */
    uint32_t *relative_rows;          /* [2 D - 1]: the row of a distance q - k at D - 1 + q - k */
    layer *layers;                    /* [bert_config_n_stored_layers()] */
    matrix conv;                      /* conv_size H -> H */
    norm conv_norm;
    matrix pooler, classifier;                /* H -> H, H -> n_labels */
    matrix token_transform, token_classifier; /* H -> H, H -> n_token_labels */
    matrix lm_transform;                      /* H -> E */
    norm lm_norm;                             /* [E] */
    matrix lm_decoder;                        /* E -> vocab_size; tied: without panels */
    matrix sentence;                          /* H -> embedding_dim */
};

/* -------------------------------------------------------------------------------- scratch -- */

/* Rows of activations that go through the two dense layers of the feed-forward block at a time:
 * many enough to pay for the weights' way from memory, few enough that [ROW_BLOCK, I] stays in the
 * cache. */
#define ROW_BLOCK 128

/* Query rows whose attention scores are held at a time. */
#define QUERY_BLOCK 48

/* Panels that one row is multiplied with at a time: one panel alone would wait for its sums. */
#define WIDE_PANELS 4

/* Rows of activations as integers 0 .. 127: x = least + step * value. Bytes, or 16-bit numbers for
 * the simd128 kernel, `stride` of them a row: n_in rounded up to whole pairs of quads, the rest
 * zeros. */
typedef struct quantised {
    void *values;        /* [R, stride] */
    uint32_t stride;     /* quantised_stride(n_in) */
    float *least, *step; /* [R] */
} quantised;

static inline uint32_t quantised_stride(uint32_t n_in)
{
    return BERT_I8_QUADS(n_in) * BERT_QUAD;
}

/* What a thread has for itself. */
typedef struct workspace {
    float *panel;      /* [WIDE_PANELS, most n_in of a matrix, BERT_PANEL]: widened panels */
    float *key_panels; /* [ceil(n / BERT_PANEL), H / n_heads, BERT_PANEL], n max_sequence_tokens */
    float *value_panels; /* [ceil(H / n_heads / BERT_PANEL), n, BERT_PANEL] */
    float *scores;       /* [QUERY_BLOCK, n] */
    float *intermediate; /* [ROW_BLOCK, I] */
    quantised wide;      /* [ROW_BLOCK, I], I8 only */
    /* With a position_attention; W is position_stride(n_relative_rows). */
    uint32_t *positions;     /* [n], of every token of the sequence */
    uint32_t *key_tokens;    /* [n]: the tokens that are attended to, ... */
    uint32_t *key_positions; /* [n]: ... and their positions */
    float *relative_panels;  /* [W / BERT_PANEL, H / n_heads, BERT_PANEL] */
    float *query_terms;      /* [QUERY_BLOCK, W] */
    float *key_terms;        /* [n, W] */
} workspace;

/* The batch that is on its way; all zeros: none. */
typedef struct encoding {
    bert_batch batch;
    bert_outputs outputs;
    uint32_t n_tokens;
    uint32_t next, n_steps; /* the step that is next, of as many: a layer each, then the heads */
    uint32_t end;           /* of the steps of this round */
} encoding;

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
    quantised narrow;        /* [max_tokens, H], I8 only */
    workspace *workspaces;   /* [n_threads] */
    bert_observer *observer; /* NULL: nobody looks */
    void *observer_argument;
    encoding encoding;
    pool pool;
};

/* ---------------------------------------------------------------------- errors and config -- */

/* Fills `error` if there is one and returns `status`. */
bert_status error_set(bert_error *error, bert_status status, const char *subject, int64_t value,
                      int64_t limit);

/* Whether the fields are in range and fit together. */
bert_status config_check(const bert_config *config, bert_error *error);

/* Whether queries score the keys of distances, and keys the queries of distances. */
int config_has_c2p(const bert_config *config);
int config_has_p2c(const bert_config *config);

/* Whether a token of this id is padding that has no position; see first_position. */
int config_is_padding(const bert_config *config, uint32_t id);

/* ---------------------------------------------------------------------------------- arena -- */

/* Carves a block of memory. With base NULL it only counts, so that one function both sizes and
 * lays out. `n_bytes` is 64-bit so that no config can make it wrap. */
typedef struct arena {
    char *base;
    uint64_t n_bytes;
} arena;

/* `count` elements of `size` bytes on BERT_ALIGNMENT; NULL when only counting. */
static inline void *arena_take(arena *arena, uint64_t count, uint64_t size)
{
    void *start = arena->base ? arena->base + arena->n_bytes : NULL;
    uint64_t n_bytes = count * size;
    arena->n_bytes += (n_bytes + BERT_ALIGNMENT - 1) / BERT_ALIGNMENT * BERT_ALIGNMENT;
    return start;
}

/* -------------------------------------------------------------------------------- kernels -- */

/* Rows first .. end - 1. */
typedef struct rows {
    uint32_t first, end;
} rows;

static inline uint32_t rows_count(rows rows)
{
    return rows.end - rows.first;
}

static inline rows rows_share(rows all, uint32_t thread, uint32_t n_threads)
{
    uint32_t n = rows_count(all);
    return (rows){all.first + pool_share(n, thread, n_threads),
                  all.first + pool_share(n, thread + 1, n_threads)};
}

/* Columns of a product, in panels of BERT_PANEL. */
typedef struct panels {
    uint32_t first, end;
} panels;

static inline panels panels_all(uint32_t n_out)
{
    return (panels){0, BERT_PANELS(n_out)};
}

static inline panels panels_share(uint32_t n_out, uint32_t thread, uint32_t n_threads)
{
    uint32_t n = panels_all(n_out).end;
    return (panels){pool_share(n, thread, n_threads), pool_share(n, thread + 1, n_threads)};
}

/* What becomes of the sums of a product: c = activation(sum) + residual. */
typedef struct product {
    bert_activation activation;
    const float *residual; /* [R, n_out], stride c_stride; NULL, or `c` itself */
    float *c;              /* [R, n_out] */
    size_t c_stride;
} product;

/* sum = a W + bias, for an F32 or F16 matrix. `scratch` is [WIDE_PANELS, n_in, BERT_PANEL], for F16
 * alone. */
void gemm_f32(const float *a, size_t a_stride, /* [R, n_in] */
              uint32_t n_rows,                 /* R */
              const matrix *w,                 /* n_in -> n_out */
              panels columns, const product *out, float *scratch);

/* The same for an I8 matrix and quantised rows. */
void gemm_i8(bert_int8_kernel kernel, const quantised *a, /* [R, n_in] */
             uint32_t n_rows, const matrix *w, panels columns, const product *out);

/* The kernel that is meant, if this build has it; else BERT_INT8_KERNEL_COUNT. */
bert_int8_kernel gemm_i8_kernel(bert_int8_kernel kernel);

/* Row `row` of `out` from `n` floats, each times its factor first. */
void quantise_row(bert_int8_kernel kernel, const float *x, const float *factor, uint32_t n,
                  const quantised *out, uint32_t row);

/* x = (x - mean) / sqrt(variance + eps) * weight + bias of each row, in place: Ba, Kiros & Hinton
 * 2016, "Layer Normalization", equation 4. */
void ops_layer_norm(float *x, uint32_t n_rows, uint32_t n_columns, const norm *norm, float eps);

/* Each row becomes exp(scale x - max), and inverse[row] 1 / its sum, by which whoever reads the row
 * multiplies. x: [n_rows, n_columns], stride `stride`. */
void ops_softmax(float *x, size_t stride, uint32_t n_rows, uint32_t n_columns, float scale,
                 float *inverse);

/* Each row times its factor. x: [n_rows, n_columns], stride `stride`. */
void ops_scale_rows(float *x, size_t stride, uint32_t n_rows, uint32_t n_columns,
                    const float *factor);

/* x / max(|x|, 1e-12) of each row, in place. */
void ops_normalize(float *x, uint32_t n_rows, uint32_t n_columns);

/* out = table[row], widened. `out`: [n_columns]. `add`: out += instead. */
void ops_table_row(const table *table, uint32_t row, float *out, int add);

/* Rows of a table as the columns of a matrix n_columns -> rows_count(rows), in panels: of each the
 * columns from `first_column` on, widened. panels: [ceil(rows / BERT_PANEL), n_columns,
 * BERT_PANEL]; the columns that fill the last one are some finite numbers. */
void ops_table_panels(const table *table, rows rows, uint32_t first_column, uint32_t n_columns,
                      float *panels);

/* ------------------------------------------------------------------------------- encoding -- */

/* Whether the session can encode it; how many tokens it has. */
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
typedef struct sequence {
    uint32_t first, n;         /* tokens first .. first + n - 1 of the batch */
    const uint8_t *attended;   /* [n], or NULL: all 1 */
    const uint32_t *positions; /* [n], or NULL: 0, 1, 2, ... */
} sequence;

/* The sequence `s`, whose tokens start at `first`. */
static inline sequence batch_sequence(const bert_batch *batch, uint32_t s, uint32_t first)
{
    return (sequence){first, batch->lengths[s], batch->attended ? batch->attended + first : NULL,
                      batch->positions ? batch->positions + first : NULL};
}

static inline int sequence_attends(const sequence *sequence, uint32_t token)
{
    return !sequence->attended || sequence->attended[token];
}

static inline uint32_t sequence_position(const sequence *sequence, uint32_t token)
{
    return sequence->positions ? sequence->positions[token] : token;
}

/* The sum of the embeddings of the batch's tokens `rows`: [T, E] at `out`. */
void embeddings_sum(const bert_model *model, const bert_batch *batch, rows rows, float *out);

/* The row of the position embedding for a token of this id and position, before which there are
 * `n_padding` padding tokens in its sequence. */
uint32_t embeddings_position_row(const bert_config *config, uint32_t id, uint32_t position,
                                 uint32_t n_padding);

/* Attention of one head of a sequence; reads and overwrites its columns of its rows of
 * session->query. `probabilities` [n, n] or NULL. */
void attention_head(const bert_session *session, const workspace *workspace, const layer *layer,
                    uint32_t head, const sequence *sequence, float *probabilities);

/* What a head's scores have of positions: in the workspace, and this. */
typedef struct position_terms {
    const float *bias;  /* [2 D - 1] of the head; NULL: there are relative tables instead */
    uint32_t n_keys;    /* tokens that are attended to */
    rows key_positions; /* the least of theirs, and one more than the greatest */
    rows rows;          /* of the relative tables, those of this sequence's distances */
    uint32_t stride;    /* position_stride() of as many */
} position_terms;

/* Terms of a query or key in whole panels, an odd number of them: terms of successive keys are read
 * a row apart, and rows that are a power of two apart would meet in the cache. */
static inline uint32_t position_stride(uint32_t n_rows)
{
    return (panels_all(n_rows).end | 1) * BERT_PANEL;
}

/* Gets it ready for all queries of the sequence. */
position_terms attention_position_open(const bert_session *session, const workspace *workspace,
                                       const layer *layer, uint32_t head, const sequence *sequence);

/* scores += what positions add, for the queries `queries` of the sequence. scores:
 * [rows_count(queries), n_keys]; query: [rows_count(queries), H / n_heads], stride H. */
void attention_position_add(const position_terms *terms, const bert_session *session,
                            const workspace *workspace, rows queries, const float *query,
                            float *scores);

/* Rows that the convolution's inputs may take. */
uint64_t conv_most_rows(const bert_config *config, uint64_t max_tokens);

/* Head outputs of the sequences from the last hidden states in session->hidden; overwrites
 * session->query and session->key. */
void head_run(const bert_session *session, const bert_batch *batch, const bert_outputs *outputs);

#endif

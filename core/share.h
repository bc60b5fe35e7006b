/*
 * share.h - what of a batch one thread computes at a time.
 *
 * The caller runs the encoder; what takes time in it is a phase of the pool, cut into blocks. Where
 * there are rows enough, a block is rows: they go through all that lies between two attentions, and
 * stay in the cache of who took them. Where there are few, the caller takes all of them through,
 * and each product on the way is a phase whose blocks are columns of the weights (panels): then
 * reading the weights is what takes time, and each is read once.
 *
 * Every number of a result is computed in one block, in the same order however blocks are cut: how
 * many threads there are, and who takes what, changes no bit.
 */
#ifndef BERT_SHARE_H
#define BERT_SHARE_H

#include "internal.h"

typedef struct thread_share {
    bert_session *session;
    uint32_t thread; /* whose workspace is used */
    row_range rows;  /* ROW_BLOCK or fewer */
    int by_panels;   /* products of these rows are dealt out by panels */
} thread_share;

/* Block `block` of `n_blocks` of `n` things. */
static inline row_range share_block(uint32_t n, uint32_t block, uint32_t n_blocks)
{
    return (row_range){(uint32_t)((uint64_t)n * block / n_blocks),
                       (uint32_t)((uint64_t)n * (block + 1) / n_blocks)};
}

/* Blocks that are worth cutting `n` things into, of `least` or more. */
uint32_t share_blocks(const bert_session *session, uint32_t n, uint32_t least);

/* Whether so many rows are few. The same until the step's end, whoever joins meanwhile. */
int share_is_by_panels(const bert_session *session, uint32_t n_rows);

/* Runs `work` on all of `n_rows` rows, some at a time. */
typedef void (*rows_work)(const thread_share *share, void *argument);
void share_rows(bert_session *session, uint32_t n_rows, rows_work work, void *argument);

/* Runs `work`, which does each row by itself, on the rows of the share. */
void share_each_row(const thread_share *share, rows_work work, void *argument);

/* Runs `work` on all panels of `n_out` columns, some at a time. */
typedef void (*panels_work)(void *argument, panel_range columns, uint32_t thread);
void share_panels(bert_session *session, uint32_t n_out, panels_work work, void *argument);

/* y = activation(x W + b) + residual for `n_rows` rows: of x, `x_stride` apart, or, if W is I8, of
 * x_i8. */
void share_multiply(const thread_share *share, const float *x, size_t x_stride,
                    const integer_rows *x_i8, uint32_t n_rows, const matrix *w, const product *out);

/* The columns `columns` of that, by thread `thread`. */
void share_multiply_panels(const bert_session *session, uint32_t thread, const float *x,
                           size_t x_stride, const integer_rows *x_i8, uint32_t n_rows,
                           const matrix *w, panel_range columns, const product *out);

/* Rows that the convolution's inputs may take. */
uint64_t conv_most_rows(const bert_config *config, uint64_t max_tokens);

/* Keeps the embeddings' output of the share's tokens for conv_add(), which adds
 * activation(convolution of them) to the hidden states when all tokens' are kept. */
void conv_keep(const thread_share *share);
void conv_add(const thread_share *share);

/* logits = x W + b of the language model's decoder: x [n_rows, E], logits [n_rows, vocab_size].
 * Tied weights become panels in the workspaces. */
void lm_decode(bert_session *session, const float *x, uint32_t n_rows, float *logits);

/* The poolings of each sequence side by side: hidden [T, H], pooled [S, pooled columns]. */
void pool_sentences(const bert_config *config, const bert_batch *batch, const float *hidden,
                    float *pooled);

/* Head outputs of the tokens from the last hidden states in session->hidden; overwrites
 * session->query, session->key and session->embeddings. */
void token_head_run(bert_session *session);

/* Head outputs of the sequences from the last hidden states in session->hidden; overwrites
 * session->query and session->key. */
void head_run(const bert_session *session, const bert_batch *batch, const bert_outputs *outputs);

#endif

/*
 * share.h - what one thread does of a batch, and how it keeps in step with the others.
 *
 * Every thread runs the whole encoder and does its share. Where there are rows enough, the share is
 * rows: a thread reads again what it has computed itself, from its own cache, and threads meet
 * twice a layer, around attention. Where there are few rows, every thread multiplies all of them
 * with its share of the weights' columns (panels), because reading the weights from memory is what
 * takes time then; threads meet after every product.
 */
#ifndef BERT_SHARE_H
#define BERT_SHARE_H

#include "internal.h"

typedef struct thread_share {
    bert_session *session;
    const bert_batch *batch;
    uint32_t n_tokens;
    uint32_t thread, n_threads;
    int by_rows;
    row_range rows;               /* of its products: its own, or all of them */
    float *intermediate;          /* [ROW_BLOCK, I], its own or everyone's */
    integer_rows intermediate_i8; /* [ROW_BLOCK, I], likewise */
} thread_share;

thread_share share_of(bert_session *session, const bert_batch *batch, uint32_t n_tokens,
                      uint32_t thread, uint32_t n_threads);

/* Of a product's panels, those of thread `thread`. */
static inline panel_range panels_share(uint32_t n_out, uint32_t thread, uint32_t n_threads)
{
    uint32_t n = panels_all(n_out).end;
    return (panel_range){pool_share(n, thread, n_threads), pool_share(n, thread + 1, n_threads)};
}

/* Waits until everyone has come here. */
void share_meet(const thread_share *share);

/* The same if the share is panels. If it is rows, a thread reads only what it has computed itself,
 * and does not wait. */
void share_meet_by_panels(const thread_share *share);

/* Of the rows of a product, those that this thread handles in what is done row by row (norms, for
 * one). */
row_range share_own(const thread_share *share, row_range rows);

/* This thread's share of y = activation(x W + b) + residual for `n_rows` rows: of x, `x_stride`
 * apart, or, if W is I8, of x_i8. */
void share_multiply(const thread_share *share, const float *x, size_t x_stride,
                    const integer_rows *x_i8, uint32_t n_rows, const matrix *w, const product *out);

/* The same for rows without gaps; after it every thread may read what it needs of the result. */
void share_dense(const thread_share *share, const float *x, const integer_rows *x_i8,
                 uint32_t n_rows, const matrix *w, const product *out);

/* Rows that the convolution's inputs may take. */
uint64_t conv_most_rows(const bert_config *config, uint64_t max_tokens);

/* Keeps the embeddings' output of this thread's tokens for conv_add(), which is called after a
 * share_meet() and adds activation(convolution of them) to the hidden states. */
void conv_keep(const thread_share *share);
void conv_add(const thread_share *share);

/* Head outputs of the tokens from the last hidden states in session->hidden; overwrites
 * session->query, session->key and session->embeddings. */
void token_head_run(const thread_share *share, const bert_outputs *outputs);

/* Head outputs of the sequences from the last hidden states in session->hidden; overwrites
 * session->query and session->key. */
void head_run(const bert_session *session, const bert_batch *batch, const bert_outputs *outputs);

#endif

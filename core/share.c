/* share.c - see share.h. */
#include "share.h"

/* Fewest rows a thread for which it pays that every thread reads all weights; measured. */
#define LEAST_SHARE 12

static row_range rows_share(row_range all, uint32_t thread, uint32_t n_threads)
{
    uint32_t n = rows_count(all);
    return (row_range){all.first + pool_share(n, thread, n_threads),
                       all.first + pool_share(n, thread + 1, n_threads)};
}

thread_share share_of(bert_session *session, const bert_batch *batch, uint32_t n_tokens,
                      uint32_t thread, uint32_t n_threads)
{
    int by_rows = n_tokens >= LEAST_SHARE * n_threads;
    const workspace *space = &session->workspaces[by_rows ? thread : 0];
    row_range all = {0, n_tokens};
    return (thread_share){session,
                          batch,
                          n_tokens,
                          thread,
                          n_threads,
                          by_rows,
                          by_rows ? rows_share(all, thread, n_threads) : all,
                          space->intermediate,
                          space->intermediate_i8};
}

void share_meet(const thread_share *share)
{
    if (share->n_threads > 1)
        pool_meet(&share->session->pool, share->n_threads);
}

void share_meet_by_panels(const thread_share *share)
{
    if (!share->by_rows)
        share_meet(share);
}

row_range share_own(const thread_share *share, row_range rows)
{
    return share->by_rows ? rows : rows_share(rows, share->thread, share->n_threads);
}

void share_multiply(const thread_share *share, const float *x, size_t x_stride,
                    const integer_rows *x_i8, uint32_t n_rows, const matrix *w, const product *out)
{
    const bert_session *session = share->session;
    panel_range columns = share->by_rows ? panels_all(w->n_out)
                                         : panels_share(w->n_out, share->thread, share->n_threads);
    if (w->dtype == BERT_DTYPE_I8)
        gemm_i8(session->int8_kernel, x_i8, n_rows, w, columns, out);
    else
        gemm_f32(x, x_stride, n_rows, w, columns, out, session->workspaces[share->thread].panel);
}

void share_dense(const thread_share *share, const float *x, const integer_rows *x_i8,
                 uint32_t n_rows, const matrix *w, const product *out)
{
    share_multiply(share, x, w->n_in, x_i8, n_rows, w, out);
    share_meet_by_panels(share);
}

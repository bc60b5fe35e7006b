/* share.c - see share.h. */
#include "share.h"

/* Fewest rows for each thread that pay for everyone's reading all weights; measured. */
#define LEAST_SHARE 12

static rows rows_share(rows all, uint32_t thread, uint32_t n_threads)
{
    uint32_t n = rows_count(all);
    return (rows){all.first + pool_share(n, thread, n_threads),
                  all.first + pool_share(n, thread + 1, n_threads)};
}

share share_of(bert_session *session, const bert_batch *batch, uint32_t n_tokens, uint32_t thread,
               uint32_t n_threads)
{
    int by_rows = n_tokens >= LEAST_SHARE * n_threads;
    const workspace *workspace = &session->workspaces[by_rows ? thread : 0];
    rows all = {0, n_tokens};
    return (share){session,
                   batch,
                   n_tokens,
                   thread,
                   n_threads,
                   by_rows,
                   by_rows ? rows_share(all, thread, n_threads) : all,
                   workspace->intermediate,
                   workspace->wide};
}

void share_meet(const share *share)
{
    if (share->n_threads > 1)
        pool_meet(&share->session->pool, share->n_threads);
}

void share_settle(const share *share)
{
    if (!share->by_rows)
        share_meet(share);
}

rows share_own(const share *share, rows rows)
{
    return share->by_rows ? rows : rows_share(rows, share->thread, share->n_threads);
}

void share_multiply(const share *share, const float *x, size_t x_stride, const quantised *quantised,
                    uint32_t n_rows, const matrix *w, const product *out)
{
    const bert_session *session = share->session;
    panels columns = share->by_rows ? panels_all(w->n_out)
                                    : panels_share(w->n_out, share->thread, share->n_threads);
    if (w->dtype == BERT_DTYPE_I8)
        gemm_i8(session->int8_kernel, quantised, n_rows, w, columns, out);
    else
        gemm_f32(x, x_stride, n_rows, w, columns, out, session->workspaces[share->thread].panel);
}

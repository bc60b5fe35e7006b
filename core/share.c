/*
 * share.c - see share.h.
 *
 * Every thread has two blocks of a phase, on average, so that who comes late or is slower leaves
 * some to the others. Measured: four cost 4 % more at 16 tokens (a block more is a compare-and-swap
 * between processors), and at 128 tokens in f32 blocks of 32 rows instead of 64 cost 7 % (each
 * reads all weights from the cache that processors share). By panels no weight is read twice, so
 * rows are few up to ROW_BLOCK: then who is left alone with them is as fast as one thread.
 */
#include "share.h"

#define BLOCKS 2 /* a thread */

/* Fewest rows of a block where threads have several, fewest of any that reads weights, and fewest
 * of one that reads none. */
#define BLOCK_ROWS 64
#define LEAST_ROWS 12
#define NEAR_ROWS 4

static uint32_t at_most(uint32_t n, uint32_t most)
{
    return n < most ? n : most;
}

static uint32_t at_least(uint32_t n, uint32_t least)
{
    return n > least ? n : least;
}

/* As many for each thread, or, of few things, blocks that are as large as each other. Not copied to
 * its callers, as pool_run(). */
__attribute__((noinline)) uint32_t share_blocks(const bert_session *session, uint32_t n,
                                                uint32_t least)
{
    uint32_t n_threads = session->n_threads, most = at_most(n / least / n_threads, BLOCKS);
    if (n_threads == 1)
        return 1;
    if (most == 0)
        return at_least(n / least, 1);
    for (uint32_t each = most; n < 4 * n_threads * BLOCKS && each > 0; each--)
        if (n % (n_threads * each) == 0)
            return n_threads * each;
    return n_threads * most;
}

int share_is_by_panels(const bert_session *session, uint32_t n_rows)
{
    return session->n_threads > 1 && n_rows <= ROW_BLOCK;
}

/* ----------------------------------------------------------------------------------- phases -- */

typedef struct rows_phase {
    bert_session *session;
    uint32_t n_rows, n_blocks;
    rows_work work;
    void *argument;
} rows_phase;

static void run_rows(void *argument, uint32_t block, uint32_t thread)
{
    const rows_phase *phase = argument;
    thread_share share = {phase->session, thread,
                          share_block(phase->n_rows, block, phase->n_blocks), 0};
    phase->work(&share, phase->argument);
}

static void deal_rows(bert_session *session, uint32_t n_rows, uint32_t n_blocks, rows_work work,
                      void *argument)
{
    rows_phase phase = {session, n_rows, n_blocks, work, argument};
    pool_run(&session->pool, n_blocks, run_rows, &phase);
}

void share_rows(bert_session *session, uint32_t n_rows, rows_work work, void *argument)
{
    if (share_is_by_panels(session, n_rows)) {
        work(&(thread_share){session, 0, {0, n_rows}, 1}, argument);
        return;
    }
    uint32_t n_threads = session->n_threads;
    uint32_t n_blocks = at_least(share_blocks(session, n_rows, BLOCK_ROWS),
                                 at_most(n_rows / LEAST_ROWS, n_threads));
    /* No more than ROW_BLOCK in each, and as many for each thread. */
    while (n_blocks * (uint64_t)ROW_BLOCK < n_rows)
        n_blocks += n_threads;
    deal_rows(session, n_rows, n_blocks, work, argument);
}

void share_each_row(const thread_share *share, rows_work work, void *argument)
{
    uint32_t n_rows = rows_count(share->rows);
    if (share->by_panels)
        deal_rows(share->session, n_rows, share_blocks(share->session, n_rows, NEAR_ROWS), work,
                  argument);
    else
        work(share, argument);
}

typedef struct panels_phase {
    uint32_t n_out, n_tiles, n_blocks;
    panels_work work;
    void *argument;
} panels_phase;

/* In whole tiles: cut elsewhere, both sides would have a slower one. */
static void run_panels(void *argument, uint32_t block, uint32_t thread)
{
    const panels_phase *phase = argument;
    row_range tiles = share_block(phase->n_tiles, block, phase->n_blocks);
    panel_range all = panels_all(phase->n_out);
    panel_range columns = {tiles.first * TILE_PANELS, tiles.end * TILE_PANELS};
    columns.end = columns.end < all.end ? columns.end : all.end;
    phase->work(phase->argument, columns, thread);
}

void share_panels(bert_session *session, uint32_t n_out, panels_work work, void *argument)
{
    uint32_t n_tiles = (panels_all(n_out).end + TILE_PANELS - 1) / TILE_PANELS;
    panels_phase phase = {n_out, n_tiles, share_blocks(session, n_tiles, 1), work, argument};
    pool_run(&session->pool, phase.n_blocks, run_panels, &phase);
}

/* --------------------------------------------------------------------------------- products -- */

void share_multiply_panels(const bert_session *session, uint32_t thread, const float *x,
                           size_t x_stride, const integer_rows *x_i8, uint32_t n_rows,
                           const matrix *w, panel_range columns, const product *out)
{
    if (w->dtype == BERT_DTYPE_I8)
        gemm_i8(session->int8_kernel, x_i8, n_rows, w, columns, out);
    else
        gemm_f32(x, x_stride, n_rows, w, columns, out, session->workspaces[thread].panel);
}

typedef struct shared_product {
    const bert_session *session;
    const float *x;
    size_t x_stride;
    const integer_rows *x_i8;
    uint32_t n_rows;
    const matrix *w;
    const product *out;
} shared_product;

static void multiply_panels(void *argument, panel_range columns, uint32_t thread)
{
    const shared_product *p = argument;
    share_multiply_panels(p->session, thread, p->x, p->x_stride, p->x_i8, p->n_rows, p->w, columns,
                          p->out);
}

void share_multiply(const thread_share *share, const float *x, size_t x_stride,
                    const integer_rows *x_i8, uint32_t n_rows, const matrix *w, const product *out)
{
    shared_product whole = {share->session, x, x_stride, x_i8, n_rows, w, out};
    if (share->by_panels)
        share_panels(share->session, w->n_out, multiply_panels, &whole);
    else
        multiply_panels(&whole, panels_all(w->n_out), share->thread);
}

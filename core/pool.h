/*
 * pool.h - threads that work for one caller, block by block.
 *
 * The pool starts no threads: each comes by pool_serve() and stays until pool_stop(). The caller is
 * thread 0; it alone decides what is done, one phase after the other: a function that is run once
 * for each of some blocks. Whoever is there takes the next block. The caller waits for nobody who
 * has not begun one, so a helper that is late, or never comes, costs nothing but its help.
 */
#ifndef BERT_POOL_H
#define BERT_POOL_H

#include "bert.h"
#include "futex.h"

/* Block `block` of a phase, by thread `thread`. */
typedef void (*pool_work)(void *argument, uint32_t block, uint32_t thread);

typedef struct thread_pool {
    uint32_t max_threads;
    _Atomic uint32_t n_joined; /* threads that have come, the caller included */
    futex phase;               /* its number and how many blocks are left: see pool.c */
    futex n_helped;            /* blocks that helpers have done, of all phases */
    uint64_t n_to_help;        /* as many as the caller knows to be taken by helpers */
    /* Of the phase. Helpers read them while they have a block, the caller writes them when nobody
     * has. */
    uint32_t n_blocks;
    pool_work work;
    void *argument;
} thread_pool;

void pool_init(thread_pool *pool, uint32_t max_threads);

/* Threads that could take blocks now, the caller included. */
uint32_t pool_threads(const thread_pool *pool);

/* Runs work(argument, block, thread) for every block below `n_blocks`; returns when all are done.
 * The caller's alone: not within the work of a phase. */
void pool_run(thread_pool *pool, uint32_t n_blocks, pool_work work, void *argument);

/* No phase will follow soon: helpers need not look out for one. */
void pool_rest(thread_pool *pool);

void pool_serve(thread_pool *pool);

/* Ends every pool_serve(), for good. No phase may be running. */
void pool_stop(thread_pool *pool);

#endif

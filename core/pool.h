/*
 * pool.h - threads that work for one caller, in step.
 *
 * The pool starts no threads: each comes by pool_serve() and stays until pool_stop(). The caller is
 * thread 0. A piece of work is a function that every thread runs with its own number; it takes its
 * share by pool_share(), which depends on numbers alone: which thread computes what is fixed.
 * Within a piece of work threads wait for each other by pool_meet().
 */
#ifndef BERT_POOL_H
#define BERT_POOL_H

#include <stdatomic.h>
#include <stdint.h>

#include "bert.h"

#ifdef __wasm__
typedef struct pool_signal {
    char unused; /* memory.atomic.wait32 needs none */
} pool_signal;
#else
#include <pthread.h>
typedef struct pool_signal {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
} pool_signal;
#endif

/* Thread `thread` of `n_threads`. */
typedef void (*pool_work)(void *argument, uint32_t thread, uint32_t n_threads);

typedef struct thread_pool {
    uint32_t max_threads;
    _Atomic uint32_t n_joined;           /* threads that have come, the caller included */
    _Atomic uint32_t n_threads;          /* of those, at work since the last pool_begin() */
    uint32_t admitted[BERT_MAX_THREADS]; /* the round after which a thread's work begins */
    _Atomic uint32_t round;              /* one more for every piece of work */
    _Atomic uint32_t n_busy;             /* threads that have not finished this round */
    _Atomic uint32_t stopped;
    _Atomic uint32_t n_arrived; /* threads that wait in pool_meet() */
    _Atomic uint32_t meeting;   /* one more for every time that all have met */
    _Atomic uint32_t n_asleep;  /* threads that must be woken */
    pool_work work;
    void *argument;
    pool_signal signal;
} thread_pool;

void pool_init(thread_pool *pool, uint32_t max_threads);

/* Threads that have come take part from now on. */
void pool_begin(thread_pool *pool);

/* Runs work(argument, thread, n_threads) on every thread; returns when all are done. */
void pool_run(thread_pool *pool, pool_work work, void *argument);

/* Returns when every one of the work's threads has called it. Not in work of one thread. */
void pool_meet(thread_pool *pool, uint32_t n_threads);

void pool_serve(thread_pool *pool);
void pool_stop(thread_pool *pool);

/* The first of `n` things that is thread `thread`'s; its share ends where the next one's starts. */
static inline uint32_t pool_share(uint32_t n, uint32_t thread, uint32_t n_threads)
{
    return (uint32_t)((uint64_t)n * thread / n_threads);
}

#endif

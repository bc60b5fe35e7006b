/*
 * pool.c - see pool.h.
 *
 * Threads meet a few times a layer, some of them a few microseconds apart. So everybody spins for a
 * while before going to sleep: within a batch nobody sleeps, between batches everybody does. A
 * thread that changes a number wakes others only if one sleeps: in a JavaScript engine, waking is a
 * call into the runtime.
 */
#include "pool.h"

/*
 * Looks at a number before sleeping on it: about 100 microseconds, what falling asleep and being
 * woken costs. Measured and rejected: a quarter of that, with which two threads that sleep and wake
 * in turn can stay on one processor for seconds; ten times as much, which makes more threads than
 * processors several times slower.
 */
#ifdef __wasm__
#define SPINS 200000
#else
#define SPINS 2000 /* each with a pause */
#endif

#if defined(__wasm__) && !defined(__wasm_atomics__)

/* One thread: there is nothing to wait for. */
static void wait_while(thread_pool *pool, _Atomic uint32_t *number, uint32_t value)
{
    (void)pool, (void)number, (void)value;
}

static void wake(thread_pool *pool, _Atomic uint32_t *number)
{
    (void)pool, (void)number;
}

#else

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

static int spin_while(_Atomic uint32_t *number, uint32_t value)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(number, memory_order_acquire) != value)
            return 0;
        relax();
    }
    return 1;
}

#ifdef __wasm__

/* V8 11 (Node 20) now and then fails to wake a thread, mostly one that has just fallen asleep. So
 * sleepers wake up by themselves, soon at first, and lose no more time than they have already
 * waited. */
#define LEAST_NAP 100000 /* nanoseconds */
#define MOST_NAP 5000000

static void wait_while(thread_pool *pool, _Atomic uint32_t *number, uint32_t value)
{
    if (!spin_while(number, value))
        return;
    atomic_fetch_add(&pool->n_asleep, 1);
    for (int64_t nap = LEAST_NAP; atomic_load(number) == value; nap += nap < MOST_NAP ? nap : 0)
        __builtin_wasm_memory_atomic_wait32((int *)number, (int)value, nap);
    atomic_fetch_sub(&pool->n_asleep, 1);
}

/* After the number has changed: a thread that is not yet counted as asleep sees the change. */
static void wake(thread_pool *pool, _Atomic uint32_t *number)
{
    if (atomic_load(&pool->n_asleep))
        __builtin_wasm_memory_atomic_notify((int *)number, BERT_MAX_THREADS);
}

#else

static void wait_while(thread_pool *pool, _Atomic uint32_t *number, uint32_t value)
{
    if (!spin_while(number, value))
        return;
    atomic_fetch_add(&pool->n_asleep, 1);
    pthread_mutex_lock(&pool->signal.mutex);
    while (atomic_load(number) == value)
        pthread_cond_wait(&pool->signal.changed, &pool->signal.mutex);
    pthread_mutex_unlock(&pool->signal.mutex);
    atomic_fetch_sub(&pool->n_asleep, 1);
}

static void wake(thread_pool *pool, _Atomic uint32_t *number)
{
    (void)number;
    if (atomic_load(&pool->n_asleep) == 0)
        return;
    /* Under the lock, so that no thread is between looking and sleeping. */
    pthread_mutex_lock(&pool->signal.mutex);
    pthread_cond_broadcast(&pool->signal.changed);
    pthread_mutex_unlock(&pool->signal.mutex);
}

#endif
#endif

void pool_init(thread_pool *pool, uint32_t max_threads)
{
    *pool = (thread_pool){.max_threads = max_threads, .n_joined = 1, .n_threads = 1};
#ifndef __wasm__
    pthread_mutex_init(&pool->signal.mutex, NULL);
    pthread_cond_init(&pool->signal.changed, NULL);
#endif
}

void pool_begin(thread_pool *pool)
{
    uint32_t n_joined = atomic_load(&pool->n_joined), n_threads = atomic_load(&pool->n_threads);
    if (n_joined == n_threads)
        return;
    for (uint32_t thread = n_threads; thread < n_joined; thread++)
        pool->admitted[thread] = atomic_load(&pool->round);
    atomic_store(&pool->n_threads, n_joined);
    wake(pool, &pool->n_threads);
}

void pool_run(thread_pool *pool, pool_work work, void *argument)
{
    uint32_t n_threads = atomic_load_explicit(&pool->n_threads, memory_order_relaxed), n_busy;
    if (n_threads == 1) {
        work(argument, 0, 1);
        return;
    }
    pool->work = work;
    pool->argument = argument;
    atomic_store(&pool->n_busy, n_threads - 1);
    atomic_fetch_add(&pool->round, 1);
    wake(pool, &pool->round);
    work(argument, 0, n_threads);
    while ((n_busy = atomic_load_explicit(&pool->n_busy, memory_order_acquire)) != 0)
        wait_while(pool, &pool->n_busy, n_busy);
}

void pool_meet(thread_pool *pool, uint32_t n_threads)
{
    uint32_t meeting = atomic_load_explicit(&pool->meeting, memory_order_relaxed);
    if (atomic_fetch_add(&pool->n_arrived, 1) + 1 < n_threads) {
        wait_while(pool, &pool->meeting, meeting);
        return;
    }
    atomic_store(&pool->n_arrived, 0);
    atomic_fetch_add(&pool->meeting, 1);
    wake(pool, &pool->meeting);
}

/* This thread's number, or 0 if there are enough. */
static uint32_t join(thread_pool *pool)
{
    uint32_t n = atomic_load(&pool->n_joined);
    while (n < pool->max_threads)
        if (atomic_compare_exchange_weak(&pool->n_joined, &n, n + 1))
            return n;
    return 0;
}

/* An admitted thread takes part in every round: no round ends without it, so it misses none. */
void pool_serve(thread_pool *pool)
{
    uint32_t thread = join(pool), n_threads;
    if (thread == 0)
        return;
    while ((n_threads = atomic_load(&pool->n_threads)) <= thread)
        wait_while(pool, &pool->n_threads, n_threads);
    for (uint32_t round = pool->admitted[thread];; round++) {
        if (atomic_load(&pool->stopped))
            return;
        wait_while(pool, &pool->round, round);
        if (atomic_load(&pool->stopped))
            return;
        pool->work(pool->argument, thread, atomic_load(&pool->n_threads));
        if (atomic_fetch_sub(&pool->n_busy, 1) == 1)
            wake(pool, &pool->n_busy);
    }
}

void pool_stop(thread_pool *pool)
{
    atomic_store(&pool->stopped, 1);
    atomic_store(&pool->n_threads, BERT_MAX_THREADS); /* for those not yet admitted */
    atomic_fetch_add(&pool->round, 1);
    wake(pool, &pool->n_threads);
    wake(pool, &pool->round);
}

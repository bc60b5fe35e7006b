/*
 * futex.h - a number that threads sleep on, on every machine. The word for it is Linux's: Franke,
 * Russell & Kirkwood 2002, "Fuss, Futexes and Furwocks".
 *
 * Sleeping looks at the number once more, and nothing can wake others between that look and the
 * sleep. That is all that is promised: who sleeps may wake for no reason, and does after the time
 * that it names.
 */
#ifndef BERT_FUTEX_H
#define BERT_FUTEX_H

#include <stdatomic.h>
#include <stdint.h>

#if !defined(__wasm__)
#include <pthread.h>
#include <time.h>
#endif

typedef struct futex {
    _Atomic uint64_t value;
    _Atomic uint32_t n_asleep; /* threads that have to be woken; pool.c counts them */
#if !defined(__wasm__)
    pthread_mutex_t mutex;
    pthread_cond_t changed;
#endif
} futex;

#if !defined(__wasm__)

static inline void futex_init(futex *number)
{
    pthread_condattr_t by_clock;
    pthread_condattr_init(&by_clock);
    pthread_condattr_setclock(&by_clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&number->mutex, NULL);
    pthread_cond_init(&number->changed, &by_clock);
    pthread_condattr_destroy(&by_clock);
}

static inline void futex_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/* Sleeps if the number is `seen`, for `nanoseconds` at most. */
static inline void futex_sleep(futex *number, uint64_t seen, int64_t nanoseconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)nanoseconds;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&number->mutex);
    if (atomic_load(&number->value) == seen)
        pthread_cond_timedwait(&number->changed, &number->mutex, &until);
    pthread_mutex_unlock(&number->mutex);
}

/* Under the lock, so that no thread is between looking and sleeping. */
static inline void futex_wake(futex *number)
{
    pthread_mutex_lock(&number->mutex);
    pthread_cond_broadcast(&number->changed);
    pthread_mutex_unlock(&number->mutex);
}

#elif defined(__wasm_atomics__)

static inline void futex_init(futex *number)
{
    (void)number;
}

static inline void futex_relax(void)
{
}

static inline void futex_sleep(futex *number, uint64_t seen, int64_t nanoseconds)
{
    __builtin_wasm_memory_atomic_wait64((long long *)&number->value, (long long)seen, nanoseconds);
}

static inline void futex_wake(futex *number)
{
    __builtin_wasm_memory_atomic_notify((int *)&number->value, UINT32_MAX);
}

#else

/* One thread: there is nothing to wait for. */
static inline void futex_init(futex *number)
{
    (void)number;
}

static inline void futex_relax(void)
{
}

static inline void futex_sleep(futex *number, uint64_t seen, int64_t nanoseconds)
{
    (void)number, (void)seen, (void)nanoseconds;
}

static inline void futex_wake(futex *number)
{
    (void)number;
}

#endif
#endif

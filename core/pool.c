/*
 * pool.c - see pool.h.
 *
 * Blocks are dealt out by one 64-bit number, the phase's own number above and the blocks that are
 * left below. Whoever takes a block lowers it by a compare-and-swap, so no block is taken twice,
 * and reads afterwards what it is: however long a thread has slept between its look and its swap,
 * it has a block of the phase that is open now. The phase's own number makes every phase another
 * number, so that who waits for the next one cannot take it for the last.
 *
 * What a phase is lies beside it in plain fields. They are read by who has a block, and written by
 * the caller, who opens the next phase when every block of this one is done: its own, which it
 * counts, and those that helpers have counted in `n_helped`. So nobody reads what is being written.
 *
 * Sleeping until woken, as the caller does for blocks of others and helpers between calls, is
 * Dekker's scheme (Dijkstra 1965, section 2.1) over a futex. Who waits says so in n_asleep, then
 * looks at the number again; who changes a number does so, then looks at n_asleep. Of two such
 * pairs, sequentially consistent, at least one sees the other's first half: there is no sleeper
 * whom nobody wakes, and while all are awake nobody calls into the runtime. A change between the
 * last look and the sleep is the futex's to see.
 *
 * Within a call helpers look out for the next phase for a while. Where none comes, the caller has
 * lost its processor, maybe to the helper itself: so that takes a nap, twice as long each time
 * until phases come quickly again, and nobody wakes it. Measured with a busy process beside, so
 * that two threads shared one processor of two (MiniLM-L6, f32, 16 tokens): woken at every phase,
 * they took 1.3 times as long as one thread, with naps as long.
 *
 * tests/c/test_pool.c runs this file through every interleaving of a few threads, phases and
 * blocks.
 *
 * Rejected: fixed shares and a meeting after each (everybody waits for a thread that has lost its
 * processor); a queue for each thread to steal from (as many numbers to look at as threads, for
 * phases of a few blocks); counting down blocks that are done beside those that are left (the
 * caller would swap once more for each of its own).
 */
#include "pool.h"

#include <stddef.h>

/*
 * Looks at a number before sleeping on it: about 50 microseconds, what falling asleep and being
 * woken costs, so that nobody loses more than twice the least (Karlin et al. 1991, "Empirical
 * studies of competitive spinning for a shared-memory multiprocessor").
 */
#ifndef POOL_SPINS
#ifdef __wasm__
#define POOL_SPINS 100000
#else
#define POOL_SPINS 1000 /* each with a pause */
#endif
#endif

/* Nanoseconds. V8 11 (Node 20) now and then fails to wake a thread, mostly one that has just fallen
 * asleep: so those that are to be woken look up by themselves, too, soon at first, and lose no more
 * time than they have already waited. */
#ifndef LEAST_NAP
#define LEAST_NAP 100000
#define MOST_NAP 5000000
#endif

static int64_t longer(int64_t nap)
{
    return nap < MOST_NAP ? 2 * nap : nap;
}

/* Instead of blocks that are left: no phase will follow soon. */
#define RESTING UINT32_MAX
#define STOPPED UINT64_MAX

static uint32_t blocks_left(uint64_t phase)
{
    return (uint32_t)phase;
}

/* The phase after `phase`. */
static uint64_t next_phase(uint64_t phase, uint32_t n_left)
{
    return ((phase >> 32) + 1) << 32 | n_left;
}

/* Whether the number changes while it is looked at. */
static int changes_soon(futex *number, uint64_t seen)
{
    for (int i = 0; i < POOL_SPINS; i++) {
        if (atomic_load(&number->value) != seen)
            return 1;
        futex_relax();
    }
    return 0;
}

static void sleep_while(futex *number, uint64_t seen)
{
    atomic_fetch_add(&number->n_asleep, 1);
    for (int64_t nap = LEAST_NAP; atomic_load(&number->value) == seen; nap = longer(nap))
        futex_sleep(number, seen, nap);
    atomic_fetch_sub(&number->n_asleep, 1);
}

/* After the number has changed. */
static void wake_waiting(futex *number)
{
    if (atomic_load(&number->n_asleep))
        futex_wake(number);
}

static int has_block(uint64_t phase)
{
    return blocks_left(phase) != 0 && blocks_left(phase) != RESTING;
}

/* Takes a block of the phase that it returns, if that has one. */
static uint64_t take(thread_pool *pool)
{
    uint64_t phase = atomic_load(&pool->phase.value);
    while (has_block(phase))
        if (atomic_compare_exchange_weak(&pool->phase.value, &phase, phase - 1))
            break;
    return phase;
}

static void run_block(thread_pool *pool, uint64_t phase, uint32_t thread)
{
    pool->work(pool->argument, pool->n_blocks - blocks_left(phase), thread);
}

void pool_init(thread_pool *pool, uint32_t max_threads)
{
    *pool = (thread_pool){.max_threads = max_threads, .n_joined = 1};
    atomic_store(&pool->phase.value, RESTING);
    futex_init(&pool->phase);
    futex_init(&pool->n_helped);
}

uint32_t pool_threads(const thread_pool *pool)
{
    return atomic_load(&pool->n_joined);
}

/* Not copied to where each phase is opened: 1 kB of a module. */
__attribute__((noinline)) void pool_run(thread_pool *pool, uint32_t n_blocks, pool_work work,
                                        void *argument)
{
    if (n_blocks <= 1 || pool_threads(pool) == 1) {
        for (uint32_t block = 0; block < n_blocks; block++)
            work(argument, block, 0);
        return;
    }
    pool->work = work;
    pool->argument = argument;
    pool->n_blocks = n_blocks;
    uint64_t phase = atomic_load(&pool->phase.value), n_helped;
    atomic_store(&pool->phase.value, next_phase(phase, n_blocks));
    wake_waiting(&pool->phase);
    pool->n_to_help += n_blocks;
    for (; has_block(phase = take(pool)); pool->n_to_help--)
        run_block(pool, phase, 0);
    while ((n_helped = atomic_load(&pool->n_helped.value)) != pool->n_to_help)
        if (!changes_soon(&pool->n_helped, n_helped))
            sleep_while(&pool->n_helped, n_helped);
}

/* Nobody has to be woken to go on resting. */
void pool_rest(thread_pool *pool)
{
    uint64_t phase = atomic_load(&pool->phase.value);
    if (blocks_left(phase) != RESTING)
        atomic_store(&pool->phase.value, next_phase(phase, RESTING));
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

void pool_serve(thread_pool *pool)
{
    uint32_t thread = join(pool);
    int64_t nap = LEAST_NAP;
    for (uint64_t phase; thread != 0 && (phase = take(pool)) != STOPPED;) {
        if (has_block(phase)) {
            run_block(pool, phase, thread);
            atomic_fetch_add(&pool->n_helped.value, 1);
            wake_waiting(&pool->n_helped);
        } else if (blocks_left(phase) == RESTING) {
            sleep_while(&pool->phase, phase);
        } else if (changes_soon(&pool->phase, phase)) {
            nap = LEAST_NAP;
        } else {
            futex_sleep(&pool->phase, phase, nap);
            nap = longer(nap);
        }
    }
}

void pool_stop(thread_pool *pool)
{
    atomic_store(&pool->phase.value, STOPPED);
    wake_waiting(&pool->phase);
}

/*
 * test_pool.c - core/pool.c through every interleaving of a few threads, phases and blocks.
 *
 * The file is compiled here once more, on a machine of this file's own: threads are coroutines that
 * give way before every atomic operation and every sleep, and a search goes through all orders of
 * their steps, depth first. A state is the pool and all that is live on the coroutines' stacks; one
 * that has been seen before (by a hash of 64 bits) is not gone through again, so nothing is bounded
 * but the numbers of threads, phases and blocks. Every step is sequentially consistent, as atomics
 * in wasm are. Who has said that it sleeps wakes only when it is woken; who has not wakes when
 * the number has changed, at any time after: the naps before that change nothing.
 *
 * That the search finds what is wrong is shown by machines that are: see `fault`.
 */
#include <setjmp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "harness.h"

/* --------------------------------------------------------------------------- the machine -- */

typedef enum fault {
    NO_FAULT,
    SLEEPS_WITHOUT_LOOKING, /* a futex that does not look at the number before it sleeps */
    COUNTS_NO_SLEEPERS,     /* n_asleep stays 0 */
    STORES_LATE,            /* the next load overtakes a store: not sequentially consistent */
    SWAPS_IN_TWO,           /* compare-and-swap is a comparison, then a store */
    FAULT_COUNT
} fault;

static fault machine;

static void step(void);
static void store_late(void *number, uint64_t value);
static void flush(void);
static void note_sleeper(int is_one);

/* The core has them under their own names. */
#define pool_init checked_init
#define pool_threads checked_threads
#define pool_run checked_run
#define pool_rest checked_rest
#define pool_serve checked_serve
#define pool_stop checked_stop

#define BERT_FUTEX_H
typedef struct futex {
    _Atomic uint64_t value;
    _Atomic uint32_t n_asleep;
} futex;

static void futex_sleep(futex *number, uint64_t seen, int64_t nanoseconds);
static void futex_wake(futex *number);

static void futex_init(futex *number)
{
    (void)number;
}

static void futex_relax(void)
{
}

#undef atomic_load
#undef atomic_store
#undef atomic_fetch_add
#undef atomic_fetch_sub
#undef atomic_compare_exchange_weak
/* What the pool's plain fields are written or read before, or after, gives way on both sides: these
 * are no steps of their own. */
#define VALUE_OF(number) __typeof__(*(number) + 0)
#define atomic_load(number)                                                                        \
    ({                                                                                             \
        step();                                                                                    \
        VALUE_OF(number) loaded = *(number);                                                       \
        flush();                                                                                   \
        loaded;                                                                                    \
    })
#define atomic_store(number, stored)                                                               \
    ({                                                                                             \
        step();                                                                                    \
        if (machine == STORES_LATE)                                                                \
            store_late(number, stored);                                                            \
        else                                                                                       \
            *(number) = stored;                                                                    \
        step();                                                                                    \
    })
#define atomic_fetch_add(number, n)                                                                \
    ({                                                                                             \
        step();                                                                                    \
        int is_of_sleepers = sizeof *(number) == sizeof(uint32_t);                                 \
        if (is_of_sleepers)                                                                        \
            note_sleeper(n == 1);                                                                  \
        int is_counted = machine != COUNTS_NO_SLEEPERS || !is_of_sleepers;                         \
        (*(number) += (VALUE_OF(number))(is_counted ? n : 0)) - n;                                 \
    })
#define atomic_fetch_sub(number, n) atomic_fetch_add(number, (VALUE_OF(number))(0u - n))
#define atomic_compare_exchange_weak(number, expected, desired)                                    \
    ({                                                                                             \
        step();                                                                                    \
        int is_same = *(number) == *(expected);                                                    \
        if (machine == SWAPS_IN_TWO)                                                               \
            step();                                                                                \
        if (is_same)                                                                               \
            *(number) = desired;                                                                   \
        else                                                                                       \
            *(expected) = *(number);                                                               \
        step();                                                                                    \
        is_same;                                                                                   \
    })

#define POOL_SPINS 0 /* a look more changes nothing */
#define LEAST_NAP 1
#define MOST_NAP 1
#include "pool.c"

/* ----------------------------------------------------------------------------- the world -- */

enum { MAX_THREADS = 3, MAX_PHASES = 3, MAX_BLOCKS = 3, STACK_BYTES = 16384 };

typedef struct coroutine {
    jmp_buf at;
    char *low;      /* of its stack, where what is live begins */
    futex *asleep;  /* on this number, or NULL */
    uint64_t seen;  /* ... while it was this */
    uint64_t *late; /* where the store goes that is still on its way, or NULL */
    uint64_t late_value;
    int says_so; /* that it sleeps: it is counted */
    int has_ended;
} coroutine;

/* All that a step may change, but for stacks. */
typedef struct world {
    thread_pool pool;
    coroutine threads[MAX_THREADS];
    uint32_t phase;                             /* that the caller is in, from 1; 0: none */
    uint8_t n_runs[MAX_PHASES + 1][MAX_BLOCKS]; /* of every block */
    uint32_t owners[MAX_THREADS];               /* who has a thread's number, plus 1; 0: nobody */
    const char *wrong;                          /* what has gone wrong first, or NULL */
} world;

static world now;
static _Alignas(16) char stacks[MAX_THREADS][STACK_BYTES];
static uint32_t n_threads, max_threads, n_phases, n_blocks;
static int have_joined; /* helpers, before the caller begins */

/* The thread that runs, and where the search goes on when that gives way. */
#define NOBODY UINT32_MAX
static uint32_t current;
static jmp_buf search;

static void go_wrong(const char *how)
{
    if (!now.wrong)
        now.wrong = how;
}

/* What is below is nobody's. Elsewhere a little of it is taken for live: more states, none lost. */
static inline char *stack_pointer(void)
{
    char *pointer;
#if defined(__x86_64__)
    __asm__("mov %%rsp, %0" : "=r"(pointer));
#elif defined(__aarch64__)
    __asm__("mov %0, sp" : "=r"(pointer));
#else
    pointer = (char *)__builtin_frame_address(0) - 256;
#endif
    return pointer;
}

__attribute__((noinline)) static void step(void)
{
    if (current == NOBODY)
        return;
    coroutine *self = &now.threads[current];
    self->low = stack_pointer();
    if (_setjmp(self->at) == 0)
        _longjmp(search, 1);
}

static void store_late(void *number, uint64_t value)
{
    now.threads[current].late = number;
    now.threads[current].late_value = value;
}

static void flush(void)
{
    if (current == NOBODY || !now.threads[current].late)
        return;
    step();
    *now.threads[current].late = now.threads[current].late_value;
    now.threads[current].late = NULL;
}

static void note_sleeper(int is_one)
{
    now.threads[current].says_so = is_one;
}

static void futex_sleep(futex *number, uint64_t seen, int64_t nanoseconds)
{
    (void)nanoseconds;
    step();
    if (number->value != seen && machine != SLEEPS_WITHOUT_LOOKING)
        return;
    now.threads[current].asleep = number;
    now.threads[current].seen = seen;
    step();
    now.threads[current].asleep = NULL;
}

static void futex_wake(futex *number)
{
    step();
    for (uint32_t i = 0; i < n_threads; i++)
        if (now.threads[i].asleep == number && now.threads[i].says_so)
            now.threads[i].asleep = NULL;
}

/* ---------------------------------------------------------------------------- the threads -- */

/* What the phases' argument points to: its index is the phase's number. */
static char arguments[MAX_PHASES + 1];

static void work(void *argument, uint32_t block, uint32_t thread)
{
    uint32_t phase = (uint32_t)((char *)argument - arguments);
    if (now.owners[thread] != 0 && now.owners[thread] != current + 1)
        go_wrong("two threads have one number");
    now.owners[thread] = current + 1;
    for (uint32_t i = 1; thread == 0 && i < n_threads; i++)
        if (now.threads[i].asleep == &now.pool.phase && now.threads[i].says_so &&
            now.threads[i].seen >> 32 != now.pool.phase.value >> 32)
            go_wrong("a helper sleeps on when a phase has begun");
    if (phase != now.phase)
        go_wrong("a block of another phase is run");
    else if (block >= n_blocks)
        go_wrong("a block is run that there is not");
    else
        now.n_runs[phase][block]++;
    step();
    if (phase != now.phase)
        go_wrong("the caller goes on before a block is done");
}

/* Each phase is of a call of its own or not: helpers rest after every second one. */
static void call(void)
{
    for (uint32_t phase = 1; phase <= n_phases; phase++) {
        now.phase = phase;
        pool_run(&now.pool, n_blocks, work, &arguments[phase]);
        now.phase = 0;
        for (uint32_t block = 0; block < n_blocks; block++)
            if (now.n_runs[phase][block] != 1)
                go_wrong("a block is not run, or twice");
        if (phase % 2 == 0 || phase == n_phases)
            pool_rest(&now.pool);
    }
    pool_stop(&now.pool);
}

static void run_thread(void)
{
    step();
    if (current == 0)
        call();
    else
        pool_serve(&now.pool);
    now.threads[current].has_ended = 1;
    _longjmp(search, 1);
}

/* ---------------------------------------------------------------------------- the search -- */

/* What a state is put back from. */
typedef struct snapshot {
    world then;
    uint32_t next_thread; /* to go on with from here */
    char *stacks;         /* the live end of each, one after the other */
} snapshot;

typedef struct states {
    uint64_t *hashes; /* 0: free */
    size_t n, n_places;
} states;

static size_t live_bytes(const world *of, uint32_t i)
{
    return of->threads[i].has_ended ? 0 : (size_t)(stacks[i] + STACK_BYTES - of->threads[i].low);
}

static snapshot take_snapshot(void)
{
    snapshot taken = {.then = now};
    size_t n_bytes = 0;
    for (uint32_t i = 0; i < n_threads; i++)
        n_bytes += live_bytes(&now, i);
    taken.stacks = malloc(n_bytes + 1);
    char *to = taken.stacks;
    for (uint32_t i = 0; i < n_threads; to += live_bytes(&now, i++))
        memcpy(to, stacks[i] + STACK_BYTES - live_bytes(&now, i), live_bytes(&now, i));
    return taken;
}

static void put_back(const snapshot *taken)
{
    const char *from = taken->stacks;
    now = taken->then;
    for (uint32_t i = 0; i < n_threads; from += live_bytes(&now, i++))
        memcpy(stacks[i] + STACK_BYTES - live_bytes(&now, i), from, live_bytes(&now, i));
}

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n)
{
    for (const char *at = bytes; n > 0; at += 8) {
        uint64_t word = 0;
        size_t taken = n < 8 ? n : 8;
        memcpy(&word, at, taken);
        n -= taken;
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
    }
    return hash;
}

static uint64_t hash_now(void)
{
    uint64_t hash = hash_bytes(1, &now, sizeof now);
    for (uint32_t i = 0; i < n_threads; i++)
        hash = hash_bytes(hash, stacks[i] + STACK_BYTES - live_bytes(&now, i), live_bytes(&now, i));
    return hash ? hash : 1;
}

/* Whether it was not there yet. */
static int add_state(states *seen, uint64_t hash)
{
    if (2 * seen->n >= seen->n_places) {
        states larger = {calloc(4 * seen->n_places + 1024, sizeof(uint64_t)), 0,
                         4 * seen->n_places + 1024};
        for (size_t i = 0; i < seen->n_places; i++)
            if (seen->hashes[i])
                add_state(&larger, seen->hashes[i]);
        free(seen->hashes);
        *seen = larger;
    }
    size_t at = hash % seen->n_places;
    while (seen->hashes[at] && seen->hashes[at] != hash)
        at = (at + 1) % seen->n_places;
    if (seen->hashes[at])
        return 0;
    seen->hashes[at] = hash;
    seen->n++;
    return 1;
}

static void start_threads(void)
{
    static ucontext_t start;
    memset(&now, 0, sizeof now);
    memset(stacks, 0, sizeof stacks);
    fault kept = machine;
    machine = NO_FAULT;
    current = NOBODY;
    pool_init(&now.pool, max_threads);
    machine = kept;
    for (current = 0; current < n_threads; current++) {
        getcontext(&start);
        start.uc_stack = (stack_t){.ss_sp = stacks[current], .ss_size = STACK_BYTES};
        makecontext(&start, run_thread, 0);
        if (_setjmp(search) == 0)
            setcontext(&start);
    }
}

static void run_step(uint32_t thread)
{
    current = thread;
    if (_setjmp(search) == 0)
        _longjmp(now.threads[thread].at, 1);
}

/* Helpers come, and take nothing yet. */
static void join_all(void)
{
    for (uint32_t i = 1; i < n_threads; i++)
        while (now.pool.n_joined < i + 1)
            run_step(i);
}

static int can_run(uint32_t thread)
{
    const coroutine *of = &now.threads[thread];
    int naps_on = of->asleep && !of->says_so && of->asleep->value == of->seen;
    return !of->has_ended && !naps_on && !(of->asleep && of->says_so);
}

/* What goes wrong in some order of the threads' steps, or NULL. `n_states`: how many were gone
 * through. */
static const char *search_all(size_t *n_states)
{
    states seen = {0};
    size_t n = 0, n_places = 1024;
    snapshot *path = malloc(n_places * sizeof *path);
    const char *wrong = NULL;
    start_threads();
    if (have_joined)
        join_all();
    path[n++] = take_snapshot();
    while (n > 0) {
        snapshot *last = &path[n - 1];
        put_back(last);
        while (last->next_thread < n_threads && !can_run(last->next_thread))
            last->next_thread++;
        if (last->next_thread == n_threads || wrong) {
            free(last->stacks);
            n--;
            continue;
        }
        run_step(last->next_thread++);
        int n_going = 0, n_left = 0;
        for (uint32_t i = 0; i < n_threads; i++) {
            n_going += can_run(i);
            n_left += !now.threads[i].has_ended;
        }
        if (n_left > 0 && n_going == 0)
            go_wrong("everybody sleeps");
        wrong = now.wrong;
        if (n == n_places)
            path = realloc(path, (n_places *= 2) * sizeof *path);
        if (!wrong && add_state(&seen, hash_now()))
            path[n++] = take_snapshot();
    }
    *n_states = seen.n;
    free(seen.hashes);
    free(path);
    return wrong;
}

/* How many threads come, and for how many there is room. */
static const char *check_pool(uint32_t threads, uint32_t room, int joined, uint32_t phases,
                              uint32_t blocks, size_t *n_states)
{
    n_threads = threads;
    max_threads = room;
    have_joined = joined;
    n_phases = phases;
    n_blocks = blocks;
    return search_all(n_states);
}

/* 2 threads may join at any time; 3 at any time for one phase, or when there is room for 2; for two
 * phases the helpers are there from the start. 9 million states in all. */
TEST(every_interleaving_is_right)
{
    static const uint32_t cases[][5] = {
        {2, 2, 0, 2, 2}, {2, 2, 0, 3, 3}, {3, 2, 0, 2, 2}, {3, 3, 0, 1, 3}, {3, 3, 1, 2, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const uint32_t *c = cases[i];
        size_t n_states;
        const char *wrong = check_pool(c[0], c[1], (int)c[2], c[3], c[4], &n_states);
        CHECK(!wrong, "%u threads, room for %u, %u phases of %u blocks: %s", c[0], c[1], c[3], c[4],
              wrong);
        CHECK(n_states > 1000, "%u threads: %zu states", c[0], n_states);
    }
}

/* Helpers that have come, and lost their processor before they took a block. */
TEST(caller_waits_for_nobody_who_has_begun_nothing)
{
    n_threads = max_threads = 3;
    n_phases = n_blocks = 3;
    start_threads();
    join_all();
    while (can_run(0))
        run_step(0);
    CHECK(now.threads[0].has_ended && !now.wrong, "it sleeps in phase %u; %s", now.phase,
          now.wrong ? now.wrong : "nothing is wrong");
}

/* Two threads are enough to show each. */
TEST(faults_of_the_machine_are_found)
{
    for (int i = NO_FAULT + 1; i < FAULT_COUNT; i++) {
        size_t n_states;
        machine = (fault)i;
        CHECK(check_pool(2, 2, 0, 2, 2, &n_states), "fault %d is not found", i);
    }
    machine = NO_FAULT;
}

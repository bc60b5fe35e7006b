/*
 * harness.h - the C tests' own small harness: tests are functions, checks say what was expected.
 *
 *     TEST(adds) { CHECK(1 + 1 == 2, "1 + 1 is %d", 1 + 1); }
 *
 * A test registers itself; main() in harness.c runs them all, prints what failed and the closing
 * line `N passed, N failed`, and exits with 1 if any failed, or none ran. With arguments it runs
 * those whose names have one of them in it: `test_encoder threads`; or have not: `-threads`.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <stddef.h>
#include <stdint.h>

typedef struct test_case {
    const char *name;
    void (*run)(void);
    struct test_case *next;
} test_case;

void harness_add(test_case *test);

/* Counts a failure of the running test and prints the first few of it. */
void harness_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define TEST(name)                                                                                 \
    static void test_##name(void);                                                                 \
    __attribute__((constructor)) static void add_##name(void)                                      \
    {                                                                                              \
        static test_case self = {#name, test_##name, NULL};                                        \
        harness_add(&self);                                                                        \
    }                                                                                              \
    static void test_##name(void)

#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition))                                                                          \
            harness_fail(__FILE__, __LINE__, __VA_ARGS__);                                         \
    } while (0)

/* Repeatable random numbers. */
uint32_t random_u32(uint32_t *state);
float random_uniform(uint32_t *state, float least, float most);

/* Memory on BERT_ALIGNMENT that ends where it says: `n_bytes` and then a page that must not be
 * touched. */
void *guarded_alloc(size_t n_bytes);

/* From hide to show, whoever reads or writes the block ends the test with a fault. */
void guarded_hide(const void *block);
void guarded_show(const void *block);

/* Frees all of it: after every test, and between the steps of a long one. */
void guarded_free_all(void);

#endif

/* harness.c - see harness.h. */
#include "harness.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bert.h"

#define SHOWN_FAILURES 5

static test_case *first_test, **last_test = &first_test;
static int n_failures; /* of the running test */

void harness_add(test_case *test)
{
    *last_test = test;
    last_test = &test->next;
}

void harness_fail(const char *file, int line, const char *format, ...)
{
    if (++n_failures > SHOWN_FAILURES)
        return;
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

/* xorshift32: Marsaglia 2003. */
uint32_t random_u32(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    return *state ^= *state << 5;
}

float random_uniform(uint32_t *state, float least, float most)
{
    return least + (most - least) * (float)(random_u32(state) >> 8) / (float)(1 << 24);
}

/* What guarded_alloc() has given out since the last guarded_free_all(). */
static struct block {
    void *memory;
    size_t n_bytes;
} *blocks;
static size_t n_blocks;

void *guarded_alloc(size_t n_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t whole = (n_bytes + page - 1) / page * page;
    char *memory =
        mmap(NULL, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    blocks = realloc(blocks, (n_blocks + 1) * sizeof *blocks);
    if (!blocks || memory == MAP_FAILED || mprotect(memory + whole, page, PROT_NONE) != 0) {
        perror("guarded_alloc");
        exit(1);
    }
    blocks[n_blocks++] = (struct block){memory, whole + page};
    /* As near to the guard as the alignment allows. */
    return memory + (whole - n_bytes) / BERT_ALIGNMENT * BERT_ALIGNMENT;
}

/* Blocks have pages of their own; the last one stays the guard. */
static void protect(const void *block, int protection)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < n_blocks; i++) {
        char *memory = blocks[i].memory;
        size_t n_bytes = blocks[i].n_bytes - page;
        if ((const char *)block < memory || (const char *)block >= memory + n_bytes)
            continue;
        if (mprotect(memory, n_bytes, protection) == 0)
            return;
    }
    perror("guarded_hide or guarded_show");
    exit(1);
}

void guarded_hide(const void *block)
{
    protect(block, PROT_NONE);
}

void guarded_show(const void *block)
{
    protect(block, PROT_READ | PROT_WRITE);
}

void guarded_free_all(void)
{
    for (size_t i = 0; i < n_blocks; i++)
        munmap(blocks[i].memory, blocks[i].n_bytes);
    free(blocks);
    blocks = NULL;
    n_blocks = 0;
}

/* Whether the name has one of some parts, if there are any, and none of those after a `-`. */
static int is_wanted(const char *name, int n_parts, char **parts)
{
    int n_wanted = 0, is_one = 0;
    for (int i = 0; i < n_parts; i++) {
        if (parts[i][0] != '-') {
            n_wanted++;
            is_one |= strstr(name, parts[i]) != NULL;
        } else if (strstr(name, parts[i] + 1)) {
            return 0;
        }
    }
    return n_wanted == 0 || is_one;
}

int main(int argc, char **argv)
{
    int n_passed = 0, n_failed = 0;
    for (test_case *t = first_test; t; t = t->next) {
        if (!is_wanted(t->name, argc - 1, argv + 1))
            continue;
        n_failures = 0;
        t->run();
        guarded_free_all();
        if (n_failures) {
            n_failed++;
            fprintf(stderr, "FAILED %s (%d checks)\n", t->name, n_failures);
        } else {
            n_passed++;
        }
    }
    printf("%s: %d tests\n%d passed, %d failed\n", argv[0], n_passed + n_failed, n_passed,
           n_failed);
    return n_failed != 0 || n_passed == 0;
}

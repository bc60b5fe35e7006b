/*
 * search.c - core/search.h as a module of its own, for the caller's thread: a page that only
 * searches loads no engine. JavaScript owns the memory from search_heap() on. It imports nothing.
 */
#include "../core/search.h"

#define EXPORT(name) __attribute__((export_name(#name))) name

extern unsigned char __heap_base;

/* The first address that is JavaScript's, on 64 bytes. */
uint32_t EXPORT(search_heap)(void)
{
    return ((uint32_t)&__heap_base + 63) / 64 * 64;
}

void EXPORT(search_scores_of)(uint32_t type, uint32_t is_cosine, const void *queries,
                              uint32_t n_queries, const void *rows, uint32_t n_rows,
                              uint32_t n_dims, double *scores, double *squares)
{
    search_scores((search_type)type, (int)is_cosine, queries, n_queries, rows, n_rows, n_dims,
                  scores, squares);
}

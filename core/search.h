/*
 * search.h - how alike embeddings are: the one loop of a search for the nearest ones. It knows
 * nothing of models; wasm/search.c is a module of it alone.
 */
#ifndef BERT_SEARCH_H
#define BERT_SEARCH_H

#include <stdint.h>

/* What embeddings are made of; its number is the bits of a dimension. */
typedef enum search_type {
    SEARCH_F32 = 32,
    SEARCH_I8 = 8,  /* int8_t; products and their sums are exact */
    SEARCH_BITS = 1 /* 8 dimensions a byte, each of which is 1 or, where the bit is 0, -1 */
} search_type;

/* Most dimensions, of bits a multiple of 8: sums of products of integers fit 32 bits. */
#define SEARCH_MAX_DIMS 65536

/*
 * The sum of products of each query and each row, [n_queries, n_rows], or, with `is_cosine`,
 * divided by the lengths of both: 0 for a row of zeros, 1 for a row and itself. Queries [n_queries,
 * n_dims] and rows [n_rows, n_dims] lie anywhere, without gaps.
 *
 * A query and a row give the same bits, whatever others there are. `squares` is scratch,
 * [n_queries + n_rows].
 */
void search_scores(search_type type, int is_cosine, const void *queries, uint32_t n_queries,
                   const void *rows, uint32_t n_rows, uint32_t n_dims, double *scores,
                   double *squares);

#endif

/*
 * vocabulary.h - a tokenizer's vocabulary, and texts cut into its pieces.
 *
 * The converter has no tokenizer, and for measuring what layers see it needs none: the longest
 * piece that fits is taken each time, and what nothing fits is left out. WordPiece does the same;
 * BPE and Unigram mostly give other pieces of rare words, which are as good.
 */
#ifndef CONVERTER_VOCABULARY_H
#define CONVERTER_VOCABULARY_H

#include <cjson/cJSON.h>

#include "files/fault.h"

typedef struct vocabulary_piece {
    const char *text;
    uint32_t id;
} vocabulary_piece;

typedef struct vocabulary {
    cJSON *json;              /* which has the texts */
    vocabulary_piece *pieces; /* [n_pieces], in the order of texts */
    size_t n_pieces;
    bool is_lower; /* there are no capital letters */
} vocabulary;

/* Reads a tokenizer.json; pieces whose id is `n_ids` or more are left out, and a file that has no
 * vocabulary gives an empty one. vocabulary_close() in any case. */
bool vocabulary_open(vocabulary *pieces, const void *json, size_t n_bytes, uint32_t n_ids,
                     fault_text *fault);
void vocabulary_close(vocabulary *pieces);

/* The ids of a text, at most `most`, between those that start and end one, if the vocabulary has
 * such. Returns how many; 0 if nothing of the text is in the vocabulary. */
uint32_t vocabulary_encode(const vocabulary *pieces, const char *text, uint32_t most,
                           uint32_t *ids);

#endif

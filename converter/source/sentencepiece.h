/*
 * sentencepiece.h - a sentencepiece model file, as far as a tokenizer.json needs it
 * (sentencepiece_model.proto of google/sentencepiece).
 */
#ifndef CONVERTER_SENTENCEPIECE_H
#define CONVERTER_SENTENCEPIECE_H

#include "files/file.h"

typedef struct sentencepiece_piece {
    const char *text; /* [n_bytes] of the file, not terminated */
    size_t n_bytes;
    float score;
} sentencepiece_piece;

typedef struct sentencepiece {
    sentencepiece_piece *pieces;
    size_t n_pieces;
    int64_t model_type; /* 1: unigram, 2: BPE, ... */
    int64_t unk_id;
    bool byte_fallback;
    const uint8_t *charsmap; /* [charsmap_bytes] of the file; NULL: none */
    size_t charsmap_bytes;
} sentencepiece;

/* `file` must stay. sentencepiece_free() in any case. */
bool sentencepiece_read(const char *path, const mapped_file *file, sentencepiece *model,
                        fault_text *fault);
void sentencepiece_free(sentencepiece *model);

#endif

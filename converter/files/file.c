/* file.c - see file.h: what is made of the host's functions. */
#include "files/file.h"

#include <stdlib.h>
#include <string.h>

#include "bert.h"

/* Bytes that are hashed at once. */
#define PIECE_BYTES (1 << 20)

bool file_open(const char *path, whole_file *file, fault_text *fault)
{
    range_file ranges;
    *file = (whole_file){0};
    bool ok = range_open(path, &ranges, fault);
    if (ok && ranges.n_bytes > 0) {
        size_t n_bytes = (size_t)ranges.n_bytes;
        uint8_t *data = ranges.n_bytes < SIZE_MAX - BERT_ALIGNMENT
                            ? aligned_alloc(BERT_ALIGNMENT, (n_bytes + BERT_ALIGNMENT - 1) /
                                                                BERT_ALIGNMENT * BERT_ALIGNMENT)
                            : NULL;
        *file = (whole_file){data, n_bytes};
        ok = data ? range_read(&ranges, 0, n_bytes, data, fault)
                  : fault_set(fault, "%s: out of memory for %llu bytes", path,
                              (unsigned long long)ranges.n_bytes);
    }
    range_close(&ranges);
    return ok;
}

void file_close(whole_file *file)
{
    free((void *)file->data);
    *file = (whole_file){0};
}

bool range_sha256(const range_file *file, file_hash *hash, fault_text *fault)
{
    hash_state *state = hash_begin();
    uint8_t *piece = malloc(PIECE_BYTES);
    bool ok = state && piece;
    if (!ok)
        fault_set(fault, "%s: out of memory", file->path);
    for (uint64_t at = 0; ok && at < file->n_bytes; at += PIECE_BYTES) {
        uint64_t left = file->n_bytes - at;
        size_t n = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
        ok = range_read(file, at, n, piece, fault);
        if (ok)
            hash_add(state, piece, n);
    }
    if (state)
        hash_end(state, hash);
    free(piece);
    return ok;
}

void hash_bytes(const void *data, size_t n_bytes, file_hash *hash)
{
    hash_state *state = hash_begin();
    if (!state)
        abort();
    hash_add(state, data, n_bytes);
    hash_end(state, hash);
}

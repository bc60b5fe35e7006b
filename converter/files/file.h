/*
 * file.h - files: small ones whole, large ones by range, and the one that is written.
 *
 * What the machine has to do stands in the second half: host.c does it with POSIX calls. A host
 * without files gives those few functions another body, and everything else stays as it is.
 */
#ifndef CONVERTER_FILE_H
#define CONVERTER_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "files/fault.h"

#define FILE_MAX_PATH 4096

/* A whole file in memory, on BERT_ALIGNMENT. */
typedef struct whole_file {
    const uint8_t *data; /* NULL for an empty file */
    size_t n_bytes;
} whole_file;

/* file_close() in any case. */
bool file_open(const char *path, whole_file *file, fault_text *fault);
void file_close(whole_file *file);

/* Lower-case hex of a SHA-256. */
#define FILE_HASH_CHARS 64
typedef struct file_hash {
    char hex[FILE_HASH_CHARS + 1];
} file_hash;

/* ------------------------------------------------------------------------------ of the host -- */

/* A file that is read by range. */
typedef struct range_file {
    char path[FILE_MAX_PATH]; /* for messages */
    uint64_t n_bytes;
    intptr_t handle; /* the host's; negative: not open */
} range_file;

/* A regular file; range_close() in any case. */
bool range_open(const char *path, range_file *file, fault_text *fault);

/* Bytes offset .. offset + n_bytes - 1. False with a fault, also where the file has fewer. */
bool range_read(const range_file *file, uint64_t offset, size_t n_bytes, void *into,
                fault_text *fault);
void range_close(range_file *file);

/*
 * A file that is written. It is not at `path` until output_finish() puts it there whole; what was
 * there before stays until then. output_abandon() leaves no trace. Both free it. NULL with a fault:
 * it cannot be written.
 */
typedef struct output_file output_file;
output_file *output_create(const char *path, fault_text *fault);
bool output_write(output_file *file, uint64_t offset, const void *data, size_t n_bytes,
                  fault_text *fault);
bool output_finish(output_file *file, fault_text *fault);
void output_abandon(output_file *file);

/* What is at a path; links are followed. */
typedef enum file_kind { FILE_NOTHING, FILE_REGULAR, FILE_FOLDER, FILE_OTHER } file_kind;
file_kind file_find(const char *path);

/* The path without links and "..", or, where the host has none of those, as it is. False if there
 * is nothing, or it is longer than FILE_MAX_PATH. */
bool file_real_path(const char *path, char real[FILE_MAX_PATH]);

/* SHA-256 of bytes that come piece by piece: NULL without memory; _end() frees it. */
typedef struct hash_state hash_state;
hash_state *hash_begin(void);
void hash_add(hash_state *state, const void *data, size_t n_bytes);
void hash_end(hash_state *state, file_hash *hash);

/* ------------------------------------------------------------------------- made of the above -- */

/* Of a whole file; of bytes in memory. */
bool range_sha256(const range_file *file, file_hash *hash, fault_text *fault);
void hash_bytes(const void *data, size_t n_bytes, file_hash *hash);

#endif

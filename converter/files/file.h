/*
 * file.h - whole files, mapped read-only.
 */
#ifndef CONVERTER_FILE_H
#define CONVERTER_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "files/fault.h"

typedef struct mapped_file {
    const uint8_t *data; /* NULL for an empty file */
    size_t n_bytes;
} mapped_file;

bool file_open(const char *path, mapped_file *file, fault_text *fault);
void file_close(mapped_file *file);

bool file_exists(const char *path);

/* Lower-case hex of the SHA-256. */
#define FILE_HASH_CHARS 64
void file_sha256(const void *data, size_t n_bytes, char hex[FILE_HASH_CHARS + 1]);

#endif

/*
 * convert_files.c - the host's half of converter/files/file.h in WebAssembly. There is no file
 * system: reading and writing are imports, one file is written by an instance, and where it comes
 * to lie, also after a failure, is JavaScript's affair.
 *
 * SHA-256 is the host's where it can be had at once: Node's createHash(), which is ten times as
 * fast as WebAssembly without instructions for it. Pages have crypto.subtle alone, which wants all
 * bytes in one piece, answers only when a step has ended, and is missing in plain http: there it is
 * libmd's.
 */
#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert_host.h"
#include "files/file.h"

/* ----------------------------------------------------------------------------------- reading -- */

file_kind file_find(const char *path)
{
    int32_t handle = host_find(path);
    return handle == HOST_NOTHING  ? FILE_NOTHING
           : handle == HOST_FOLDER ? FILE_FOLDER
                                   : FILE_REGULAR;
}

bool file_real_path(const char *path, char real[FILE_MAX_PATH])
{
    if (host_find(path) == HOST_NOTHING || strlen(path) >= FILE_MAX_PATH)
        return false;
    strcpy(real, path);
    return true;
}

bool range_open(const char *path, range_file *file, fault_text *fault)
{
    *file = (range_file){.handle = host_find(path)};
    snprintf(file->path, sizeof file->path, "%s", path);
    if (file->handle == HOST_FOLDER)
        return fault_set(fault, "%s: is not a regular file", path);
    if (file->handle < 0)
        return fault_set(fault, "%s: cannot be opened: there is no such file", path);
    file->n_bytes = (uint64_t)host_size((int32_t)file->handle);
    return true;
}

bool range_read(const range_file *file, uint64_t offset, size_t n_bytes, void *into,
                fault_text *fault)
{
    if (offset > file->n_bytes || n_bytes > file->n_bytes - offset)
        return fault_set(fault,
                         "%s: is cut off: it has %llu bytes, and %zu from byte %llu on are "
                         "needed",
                         file->path, (unsigned long long)file->n_bytes, n_bytes,
                         (unsigned long long)offset);
    if (n_bytes && !host_read((int32_t)file->handle, (double)offset, (uint32_t)n_bytes, into))
        return fault_set(fault, "%s: bytes from %llu on are not at hand", file->path,
                         (unsigned long long)offset);
    return true;
}

void range_close(range_file *file)
{
    file->handle = -1;
}

/* ----------------------------------------------------------------------------------- writing -- */

struct output_file {
    char nothing;
};

static output_file the_output;

output_file *output_create(const char *path, fault_text *fault)
{
    (void)path;
    (void)fault;
    return &the_output;
}

bool output_write(output_file *file, uint64_t offset, const void *data, size_t n_bytes,
                  fault_text *fault)
{
    (void)file;
    (void)fault;
    host_write((double)offset, data, (uint32_t)n_bytes);
    return true;
}

bool output_finish(output_file *file, fault_text *fault)
{
    (void)file;
    (void)fault;
    return true;
}

void output_abandon(output_file *file)
{
    (void)file;
}

/* ------------------------------------------------------------------------------------- notes -- */

void fault_note(const char *sentence)
{
    host_note(sentence);
}

/* ----------------------------------------------------------------------------------- hashing -- */

struct hash_state {
    int32_t of_host; /* HOST_NOTHING: it is in `own` */
    SHA2_CTX own;
};

hash_state *hash_begin(void)
{
    hash_state *state = malloc(sizeof *state);
    if (!state)
        return NULL;
    state->of_host = host_hash_begin();
    if (state->of_host == HOST_NOTHING)
        SHA256Init(&state->own);
    return state;
}

void hash_add(hash_state *state, const void *data, size_t n_bytes)
{
    if (state->of_host == HOST_NOTHING)
        SHA256Update(&state->own, data, n_bytes);
    else
        host_hash_add(state->of_host, data, (uint32_t)n_bytes);
}

void hash_end(hash_state *state, file_hash *hash)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    if (state->of_host == HOST_NOTHING)
        SHA256Final(digest, &state->own);
    else
        host_hash_end(state->of_host, digest);
    free(state);
    for (int i = 0; i < SHA256_DIGEST_LENGTH; i++)
        snprintf(hash->hex + 2 * i, 3, "%02x", digest[i]);
}

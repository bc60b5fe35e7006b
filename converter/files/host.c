/* host.c - the second half of file.h, with POSIX calls and libcrypto; notes: standard error. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files/file.h"

/* ----------------------------------------------------------------------------------- reading -- */

bool range_open(const char *path, range_file *file, fault_text *fault)
{
    file->n_bytes = 0;
    file->handle = -1;
    if (snprintf(file->path, sizeof file->path, "%s", path) >= (int)sizeof file->path)
        return fault_set(fault, "%.64s...: the path is too long", path);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return fault_set(fault, "%s: cannot be opened: %s", path, strerror(errno));
    file->handle = descriptor;
    struct stat status;
    if (fstat(descriptor, &status) != 0)
        return fault_set(fault, "%s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return fault_set(fault, "%s: is not a regular file", path);
    file->n_bytes = (uint64_t)status.st_size;
    return true;
}

bool range_read(const range_file *file, uint64_t offset, size_t n_bytes, void *into,
                fault_text *fault)
{
    char *next = into;
    while (n_bytes) {
        ssize_t n = pread((int)file->handle, next, n_bytes, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fault_set(fault, "%s: cannot be read: %s", file->path, strerror(errno));
        if (n == 0)
            return fault_set(fault, "%s: is cut off at byte %llu: it became shorter", file->path,
                             (unsigned long long)offset);
        next += n;
        offset += (uint64_t)n;
        n_bytes -= (size_t)n;
    }
    return true;
}

void range_close(range_file *file)
{
    if (file->handle >= 0)
        close((int)file->handle);
    file->handle = -1;
}

/* ----------------------------------------------------------------------------------- writing -- */

struct output_file {
    char path[FILE_MAX_PATH], temporary[FILE_MAX_PATH + 16]; /* "": it has its name */
    int descriptor;
};

output_file *output_create(const char *path, fault_text *fault)
{
    output_file *file = calloc(1, sizeof *file);
    if (!file || strlen(path) >= sizeof file->path) {
        fault_set(fault, "%.64s...: the path is too long", path);
        free(file);
        return NULL;
    }
    strcpy(file->path, path);
    file->descriptor = -1;
    file_kind kind = file_find(path);
    if (kind != FILE_NOTHING && kind != FILE_REGULAR) {
        /* Renaming would replace a device with a file. */
        fault_set(fault, "%s: cannot be written: it is not a regular file", path);
        output_abandon(file);
        return NULL;
    }
    snprintf(file->temporary, sizeof file->temporary, "%s.tmp-XXXXXX", path);
    file->descriptor = mkstemp(file->temporary);
    if (file->descriptor < 0) {
        fault_set(fault, "%s: cannot be written: %s", path, strerror(errno));
        file->temporary[0] = '\0';
        output_abandon(file);
        return NULL;
    }
    fchmod(file->descriptor, 0644);
    return file;
}

bool output_write(output_file *file, uint64_t offset, const void *data, size_t n_bytes,
                  fault_text *fault)
{
    const char *next = data;
    while (n_bytes) {
        ssize_t n = pwrite(file->descriptor, next, n_bytes, (off_t)offset);
        if (n < 0 && errno != EINTR)
            return fault_set(fault, "%s: cannot be written: %s", file->path, strerror(errno));
        if (n > 0) {
            next += n;
            offset += (uint64_t)n;
            n_bytes -= (size_t)n;
        }
    }
    return true;
}

bool output_finish(output_file *file, fault_text *fault)
{
    bool ok = fsync(file->descriptor) == 0 && rename(file->temporary, file->path) == 0;
    if (ok)
        file->temporary[0] = '\0';
    else
        fault_set(fault, "%s: cannot be written: %s", file->path, strerror(errno));
    output_abandon(file);
    return ok;
}

void output_abandon(output_file *file)
{
    if (!file)
        return;
    if (file->temporary[0])
        unlink(file->temporary);
    if (file->descriptor >= 0)
        close(file->descriptor);
    free(file);
}

/* ------------------------------------------------------------------------------------- paths -- */

file_kind file_find(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return FILE_NOTHING;
    return S_ISREG(status.st_mode)   ? FILE_REGULAR
           : S_ISDIR(status.st_mode) ? FILE_FOLDER
                                     : FILE_OTHER;
}

bool file_real_path(const char *path, char real[FILE_MAX_PATH])
{
    char *resolved = realpath(path, NULL);
    bool ok = resolved && strlen(resolved) < FILE_MAX_PATH;
    if (ok)
        strcpy(real, resolved);
    free(resolved);
    return ok;
}

/* ------------------------------------------------------------------------------------ hashes -- */

hash_state *hash_begin(void)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context && !EVP_DigestInit_ex(context, EVP_sha256(), NULL)) {
        EVP_MD_CTX_free(context);
        return NULL;
    }
    return (hash_state *)context;
}

void hash_add(hash_state *state, const void *data, size_t n_bytes)
{
    EVP_DigestUpdate((EVP_MD_CTX *)state, data, n_bytes);
}

void hash_end(hash_state *state, file_hash *hash)
{
    unsigned char digest[32];
    EVP_DigestFinal_ex((EVP_MD_CTX *)state, digest, NULL);
    EVP_MD_CTX_free((EVP_MD_CTX *)state);
    for (int i = 0; i < 32; i++)
        snprintf(hash->hex + 2 * i, 3, "%02x", digest[i]);
}

/* ------------------------------------------------------------------------------------- notes -- */

void fault_note(const char *sentence)
{
    fprintf(stderr, "bert-convert: note: %s\n", sentence);
}

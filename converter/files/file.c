/* file.c - see file.h. */
#include "files/file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

bool file_open(const char *path, mapped_file *file, fault_text *fault)
{
    *file = (mapped_file){0};
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return fault_set(fault, "%s: cannot be opened: %s", path, strerror(errno));
    struct stat status;
    bool ok = fstat(descriptor, &status) == 0;
    if (!ok) {
        fault_set(fault, "%s: %s", path, strerror(errno));
    } else if (!S_ISREG(status.st_mode)) {
        ok = fault_set(fault, "%s: is not a regular file", path);
    } else if (status.st_size > 0) {
        file->n_bytes = (size_t)status.st_size;
        void *data = mmap(NULL, file->n_bytes, PROT_READ, MAP_PRIVATE, descriptor, 0);
        if (data == MAP_FAILED)
            ok = fault_set(fault, "%s: cannot be mapped: %s", path, strerror(errno));
        else
            file->data = data;
    }
    close(descriptor);
    return ok;
}

void file_close(mapped_file *file)
{
    if (file->data)
        munmap((void *)file->data, file->n_bytes);
    *file = (mapped_file){0};
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

void file_sha256(const void *data, size_t n_bytes, char hex[FILE_HASH_CHARS + 1])
{
    unsigned char digest[32];
    EVP_Digest(data, n_bytes, digest, NULL, EVP_sha256(), NULL);
    for (int i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

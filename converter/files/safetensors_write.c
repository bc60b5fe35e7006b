/*
 * safetensors_write.c - the writing half of safetensors.h.
 *
 * The header stands first and holds the hashes of what comes after it, and what was measured on the
 * way. So it is made with placeholders of the same length, or longer, to know where the data
 * starts; the data is written, hashed as it passes, and the header last: nothing is kept in memory
 * and nothing is read again. Spaces fill what is left of the header's room.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/json.h"
#include "files/safetensors.h"

struct safetensors_writer {
    output_file *file;
    cJSON *header, *metadata;
    size_t data_bytes;   /* declared */
    size_t n_written;    /* of the data section, padding included */
    size_t header_bytes; /* with its length field and padding */
    int n_padding;
    size_t *starts, *ends; /* of the declared tensors that have data from the caller */
    size_t n_tensors, capacity, next;
    hash_state *hash; /* of the chunk that is being written */
    char *hashes;     /* hex, joined by commas */
    size_t n_hashes;
};

static const char zeros[BERT_ALIGNMENT];

safetensors_writer *safetensors_create(const char *path, fault_text *fault)
{
    safetensors_writer *writer = calloc(1, sizeof *writer);
    if (!writer || !(writer->file = output_create(path, fault))) {
        fault_set(fault, "out of memory");
        free(writer);
        return NULL;
    }
    writer->header = cJSON_CreateObject();
    return writer;
}

static void add_entry(safetensors_writer *writer, const char *name, const char *dtype,
                      uint32_t rank, const uint32_t *shape, size_t n_bytes)
{
    cJSON *entry = cJSON_AddObjectToObject(writer->header, name);
    cJSON_AddStringToObject(entry, "dtype", dtype);
    cJSON *dims = cJSON_AddArrayToObject(entry, "shape");
    for (uint32_t i = 0; i < rank; i++)
        cJSON_AddItemToArray(dims, cJSON_CreateNumber(shape[i]));
    cJSON *offsets = cJSON_AddArrayToObject(entry, "data_offsets");
    cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)writer->data_bytes));
    writer->data_bytes += n_bytes;
    cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)writer->data_bytes));
}

bool safetensors_declare(safetensors_writer *writer, const char *name, const char *dtype,
                         uint32_t rank, const uint32_t *shape, size_t n_bytes, fault_text *fault)
{
    uint32_t n_padding = (uint32_t)(-writer->data_bytes % BERT_ALIGNMENT);
    if (n_padding) {
        char padding[32];
        snprintf(padding, sizeof padding, "padding.%d", writer->n_padding++);
        add_entry(writer, padding, "U8", 1, &n_padding, n_padding);
    }
    if (writer->n_tensors == writer->capacity) {
        writer->capacity = writer->capacity ? 2 * writer->capacity : 256;
        writer->starts = realloc(writer->starts, writer->capacity * sizeof *writer->starts);
        writer->ends = realloc(writer->ends, writer->capacity * sizeof *writer->ends);
        if (!writer->starts || !writer->ends)
            return fault_set(fault, "out of memory");
    }
    writer->starts[writer->n_tensors] = writer->data_bytes;
    add_entry(writer, name, dtype, rank, shape, n_bytes);
    writer->ends[writer->n_tensors++] = writer->data_bytes;
    return true;
}

/* The whole header as text, with the hashes as they are now; NULL if memory is short. */
static char *header_text(const safetensors_writer *writer)
{
    cJSON *hashes = cJSON_GetObjectItemCaseSensitive(writer->metadata, "chunk_sha256");
    cJSON_SetValuestring(hashes, writer->hashes);
    return cJSON_PrintUnformatted(writer->header);
}

bool safetensors_begin_data(safetensors_writer *writer, cJSON *metadata, fault_text *fault)
{
    size_t n_chunks = (writer->data_bytes + SAFETENSORS_CHUNK_BYTES - 1) / SAFETENSORS_CHUNK_BYTES;
    size_t n_chars = n_chunks * (FILE_HASH_CHARS + 1);
    char number[24];
    snprintf(number, sizeof number, "%d", SAFETENSORS_CHUNK_BYTES);
    writer->metadata = metadata;
    writer->hashes = malloc(n_chars + 1);
    if (!writer->hashes)
        return fault_set(fault, "out of memory");
    memset(writer->hashes, '0', n_chars); /* as long as the hashes will be */
    writer->hashes[n_chars ? n_chars - 1 : 0] = '\0';
    cJSON_AddStringToObject(metadata, "chunk_bytes", number);
    cJSON_AddStringToObject(metadata, "chunk_sha256", writer->hashes);
    cJSON_InsertItemInArray(writer->header, 0, metadata);
    metadata->string = strdup("__metadata__"); /* cJSON frees it with the object */
    char *text = header_text(writer);
    if (!text)
        return fault_set(fault, "out of memory");
    bool is_text = json_is_text(text, strlen(text));
    writer->header_bytes =
        (8 + strlen(text) + BERT_ALIGNMENT - 1) / BERT_ALIGNMENT * BERT_ALIGNMENT;
    free(text);
    return is_text ||
           fault_set(fault,
                     "the model's name, its revision or the name of an output is not valid UTF-8: "
                     "give others with --name and --revision, or rename the graph's outputs");
}

static void end_chunk(safetensors_writer *writer)
{
    file_hash hash;
    hash_end(writer->hash, &hash);
    writer->hash = NULL;
    char *hex = writer->hashes + writer->n_hashes++ * (FILE_HASH_CHARS + 1);
    memcpy(hex, hash.hex, FILE_HASH_CHARS);
    if (writer->n_written < writer->data_bytes)
        hex[FILE_HASH_CHARS] = ',';
}

/* The next bytes of the data section. */
static bool append(safetensors_writer *writer, const void *data, size_t n_bytes, fault_text *fault)
{
    if (!output_write(writer->file, writer->header_bytes + writer->n_written, data, n_bytes, fault))
        return false;
    const char *next = data;
    while (n_bytes) {
        size_t left = SAFETENSORS_CHUNK_BYTES - writer->n_written % SAFETENSORS_CHUNK_BYTES;
        size_t n = n_bytes < left ? n_bytes : left;
        if (!writer->hash && !(writer->hash = hash_begin()))
            return fault_set(fault, "out of memory");
        hash_add(writer->hash, next, n);
        writer->n_written += n;
        next += n;
        n_bytes -= n;
        if (n == left || writer->n_written == writer->data_bytes)
            end_chunk(writer);
    }
    return true;
}

bool safetensors_write(safetensors_writer *writer, const void *data, size_t n_bytes,
                       fault_text *fault)
{
    size_t i = writer->next++;
    if (i >= writer->n_tensors || writer->ends[i] - writer->starts[i] != n_bytes)
        return fault_set(fault, "tensor %zu was declared with another size", i);
    return append(writer, zeros, writer->starts[i] - writer->n_written, fault) &&
           append(writer, data, n_bytes, fault);
}

bool safetensors_settle(safetensors_writer *writer, const char *key, const char *text,
                        fault_text *fault)
{
    cJSON *item = cJSON_GetObjectItemCaseSensitive(writer->metadata, key);
    return (item && cJSON_SetValuestring(item, text)) || fault_set(fault, "out of memory");
}

bool safetensors_finish(safetensors_writer *writer, fault_text *fault)
{
    char *text = header_text(writer);
    char *header = text ? malloc(writer->header_bytes) : NULL;
    bool ok = header && writer->n_written == writer->data_bytes &&
              strlen(text) + 8 <= writer->header_bytes;
    if (!ok) {
        fault_set(fault, !header ? "out of memory"
                         : writer->n_written == writer->data_bytes
                             ? "the header has no room for what was measured"
                             : "not every tensor was written");
    } else {
        uint64_t length = writer->header_bytes - 8;
        for (int i = 0; i < 8; i++)
            header[i] = (char)(length >> 8 * i & 255);
        memset(header + 8, ' ', writer->header_bytes - 8);
        memcpy(header + 8, text, strlen(text));
        ok = output_write(writer->file, 0, header, writer->header_bytes, fault);
    }
    free(text);
    free(header);
    if (ok) {
        ok = output_finish(writer->file, fault);
        writer->file = NULL;
    }
    safetensors_abandon(writer);
    return ok;
}

void safetensors_abandon(safetensors_writer *writer)
{
    if (!writer)
        return;
    if (writer->hash) {
        file_hash ignored;
        hash_end(writer->hash, &ignored);
    }
    output_abandon(writer->file);
    cJSON_Delete(writer->header);
    free(writer->starts);
    free(writer->ends);
    free(writer->hashes);
    free(writer);
}

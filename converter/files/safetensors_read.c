/*
 * safetensors_read.c - the reading half of safetensors.h. Every rule of the format is checked
 * before anything is believed: the file may come from anywhere.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/json.h"
#include "files/safetensors.h"

#define MAX_HEADER_BYTES (32u << 20)

static int by_start(const void *a, const void *b)
{
    const safetensors_entry *x = a, *y = b;
    return x->start != y->start ? (x->start < y->start ? -1 : 1)
                                : (x->end > y->end) - (x->end < y->end);
}

/* A whole number of at most 2^53. */
static bool read_size(const cJSON *item, size_t *size)
{
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= 0x1p53))
        return false;
    *size = (size_t)item->valuedouble;
    return (double)*size == item->valuedouble;
}

/* Reads a dtype, and gives the bytes of an element; 0 if it is not one of ours. */
static uint32_t read_dtype(const cJSON *item, safetensors_entry *entry)
{
    entry->dtype = cJSON_IsString(item) ? item->valuestring : "";
    entry->is_bytes = strcmp(entry->dtype, "U8") == 0;
    if (entry->is_bytes)
        return 1;
    while (*bert_dtype_name(entry->of_core) &&
           strcmp(entry->dtype, bert_dtype_name(entry->of_core)) != 0)
        entry->of_core++;
    return bert_dtype_bytes(entry->of_core);
}

static bool read_entry(const char *path, const cJSON *item, safetensors_entry *entry,
                       fault_text *fault)
{
    const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(item, "dtype");
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(item, "shape");
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
    *entry = (safetensors_entry){.name = item->string};
    uint32_t size = read_dtype(dtype, entry);
    if (size == 0)
        return fault_set(fault, "%s: tensor '%s' has a dtype that is not known", path, entry->name);
    if (!cJSON_IsArray(shape) || cJSON_GetArraySize(shape) > BERT_MAX_RANK)
        return fault_set(fault, "%s: tensor '%s' needs a shape of at most %d dimensions", path,
                         entry->name, BERT_MAX_RANK);
    double n_bytes = size; /* far beyond 2^53 it is no longer exact, and never equal */
    const cJSON *dim;
    cJSON_ArrayForEach(dim, shape)
    {
        size_t n;
        if (!read_size(dim, &n) || n > UINT32_MAX)
            return fault_set(fault, "%s: tensor '%s' has a dimension that is not a whole number",
                             path, entry->name);
        entry->shape[entry->rank++] = (uint32_t)n;
        n_bytes *= (double)n;
    }
    if (cJSON_GetArraySize(offsets) != 2 || !read_size(offsets->child, &entry->start) ||
        !read_size(offsets->child->next, &entry->end) || entry->end < entry->start)
        return fault_set(fault,
                         "%s: tensor '%s' needs data_offsets: where it starts and where it ends",
                         path, entry->name);
    if ((double)(entry->end - entry->start) != n_bytes)
        return fault_set(fault, "%s: tensor '%s' has %zu bytes, its shape needs %.0f", path,
                         entry->name, entry->end - entry->start, n_bytes);
    return true;
}

static bool read_entries(const char *path, safetensors *model, fault_text *fault)
{
    size_t n = (size_t)cJSON_GetArraySize(model->header);
    model->entries = calloc(n + 1, sizeof *model->entries);
    if (!model->entries)
        return fault_set(fault, "%s: out of memory", path);
    const cJSON *item;
    cJSON_ArrayForEach(item, model->header)
    {
        if (item == model->metadata)
            continue;
        if (!read_entry(path, item, &model->entries[model->n_entries++], fault))
            return false;
    }
    qsort(model->entries, model->n_entries, sizeof *model->entries, by_start);
    size_t end = 0;
    for (size_t i = 0; i < model->n_entries; i++) {
        const safetensors_entry *entry = &model->entries[i];
        if (entry->start != end)
            return fault_set(fault, "%s: tensor '%s' starts at %zu, the one before it ends at %zu",
                             path, entry->name, entry->start, end);
        if (entry->start % BERT_ALIGNMENT != 0 && strncmp(entry->name, "padding.", 8) != 0)
            return fault_set(fault, "%s: tensor '%s' starts at %zu, which is not a multiple of %d",
                             path, entry->name, entry->start, BERT_ALIGNMENT);
        end = entry->end;
    }
    if (end != model->data_bytes)
        return fault_set(fault, "%s: has %zu bytes of data, its tensors have %zu%s", path,
                         model->data_bytes, end, model->data_bytes < end ? ": it is cut off" : "");
    return true;
}

static bool check_chunks(const char *path, const safetensors *model, fault_text *fault)
{
    const char *expected = safetensors_metadata(model, "chunk_sha256");
    char *end;
    long chunk_bytes = strtol(safetensors_metadata(model, "chunk_bytes"), &end, 10);
    if (*end || chunk_bytes < 1024 || chunk_bytes > 1 << 26)
        return fault_set(fault, "%s: chunk_bytes is '%s'", path,
                         safetensors_metadata(model, "chunk_bytes"));
    for (size_t at = 0; at < model->data_bytes; at += (size_t)chunk_bytes) {
        size_t left = model->data_bytes - at;
        size_t n = left < (size_t)chunk_bytes ? left : (size_t)chunk_bytes;
        file_hash hash;
        hash_bytes(model->data + at, n, &hash);
        if (strncmp(expected, hash.hex, FILE_HASH_CHARS) != 0)
            return fault_set(fault, "%s: the chunk at %zu is damaged: SHA-256 %s, expected %.64s",
                             path, at, hash.hex, expected);
        expected += FILE_HASH_CHARS;
        bool is_last = n == left;
        if (*expected != (is_last ? '\0' : ','))
            return fault_set(fault, "%s: chunk_sha256 is not a list of one SHA-256 for each chunk",
                             path);
        expected += !is_last;
    }
    return true;
}

static bool read_header(const char *path, safetensors *model, size_t n_bytes, fault_text *fault)
{
    model->header = json_strict_object(path, "header", model->file.data + 8, n_bytes, fault);
    if (!model->header)
        return false;
    model->metadata = cJSON_GetObjectItemCaseSensitive(model->header, "__metadata__");
    const cJSON *item;
    cJSON_ArrayForEach(item, model->metadata)
    {
        if (!cJSON_IsObject(model->metadata) || !cJSON_IsString(item))
            return fault_set(fault, "%s: its __metadata__ is not an object of strings", path);
    }
    if (strcmp(safetensors_metadata(model, "format"), "bert-wasm") != 0)
        return fault_set(fault, "%s: is a safetensors file, but bert-convert did not write it",
                         path);
    const char *version = safetensors_metadata(model, "format_version");
    if (strcmp(version, BERT_FORMAT_VERSION) != 0 && strcmp(version, BERT_FORMAT_BEFORE) != 0)
        return fault_set(fault, "%s: has format version %s; this program reads %s and %s", path,
                         version, BERT_FORMAT_BEFORE, BERT_FORMAT_VERSION);
    const char *config = safetensors_metadata(model, "config");
    model->config = json_strict_object(path, "config", config, strlen(config), fault);
    return model->config != NULL;
}

bool safetensors_open(const char *path, safetensors *model, fault_text *fault)
{
    *model = (safetensors){0};
    if (!file_open(path, &model->file, fault))
        return false;
    const whole_file *file = &model->file;
    uint64_t n_header = 0;
    if (file->n_bytes < 8)
        return fault_set(fault, "%s: has %zu bytes, too few for a safetensors file", path,
                         file->n_bytes);
    for (int i = 0; i < 8; i++)
        n_header |= (uint64_t)file->data[i] << 8 * i;
    if (n_header < 2 || n_header > MAX_HEADER_BYTES)
        return fault_set(fault, "%s: is not a safetensors file", path);
    if (n_header > file->n_bytes - 8)
        return fault_set(fault, "%s: is cut off in its header", path);
    model->data = file->data + 8 + n_header;
    model->data_bytes = file->n_bytes - 8 - n_header;
    return read_header(path, model, n_header, fault) && read_entries(path, model, fault) &&
           check_chunks(path, model, fault);
}

void safetensors_close(safetensors *model)
{
    cJSON_Delete(model->header);
    cJSON_Delete(model->config);
    free(model->entries);
    file_close(&model->file);
    *model = (safetensors){0};
}

const char *safetensors_metadata(const safetensors *model, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(model->metadata, key);
    return cJSON_IsString(item) ? item->valuestring : "";
}

/*
 * safetensors.h - the model file of docs/model-file.md, written and read.
 */
#ifndef CONVERTER_SAFETENSORS_H
#define CONVERTER_SAFETENSORS_H

#include <cjson/cJSON.h>

#include "bert.h"
#include "files/file.h"

#define SAFETENSORS_CHUNK_BYTES (1 << 20)

/* ----------------------------------------------------------------------------------- writing -- */

typedef struct safetensors_writer safetensors_writer;

/*
 * First all tensors are declared; then the data of each is given, in the same order. The header
 * stands before the data, and has room for what is known at the end alone. The file is not at
 * `path` until _finish() puts it there; _abandon() leaves no trace. Padding between tensors is made
 * here.
 */
safetensors_writer *safetensors_create(const char *path, fault_text *fault);
bool safetensors_declare(safetensors_writer *writer, const char *name, const char *dtype,
                         uint32_t rank, const uint32_t *shape, size_t n_bytes, fault_text *fault);

/* `metadata` is an object of strings, which the writer frees; the chunk hashes are added to it. */
bool safetensors_begin_data(safetensors_writer *writer, cJSON *metadata, fault_text *fault);
bool safetensors_write(safetensors_writer *writer, const void *data, size_t n_bytes,
                       fault_text *fault);

/* Another text for one of the metadata, no longer than the first. */
bool safetensors_settle(safetensors_writer *writer, const char *key, const char *text,
                        fault_text *fault);
bool safetensors_finish(safetensors_writer *writer, fault_text *fault);
void safetensors_abandon(safetensors_writer *writer);

/* ----------------------------------------------------------------------------------- reading -- */

typedef struct safetensors_entry {
    const char *name, *dtype;
    bool is_bytes;      /* U8, which the core has no dtype for */
    bert_dtype of_core; /* if it is not bytes */
    uint32_t rank;
    uint32_t shape[BERT_MAX_RANK];
    size_t start, end; /* in the data section */
} safetensors_entry;

typedef struct safetensors {
    whole_file file;
    cJSON *header, *config;
    const cJSON *metadata;
    safetensors_entry *entries; /* in the order of the file */
    size_t n_entries;
    const uint8_t *data;
    size_t data_bytes;
} safetensors;

/* Reads and checks everything: header, places, sizes, and the SHA-256 of each chunk. */
bool safetensors_open(const char *path, safetensors *model, fault_text *fault);
void safetensors_close(safetensors *model);

/* A string of the metadata; "" if it is not there. */
const char *safetensors_metadata(const safetensors *model, const char *key);

#endif

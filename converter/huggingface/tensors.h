/*
 * tensors.h - the tensors of safetensors files that others wrote: a folder's model.safetensors, or
 * the shards that its index names.
 *
 * Only headers are read here, and every rule of the format is checked before anything is believed;
 * numbers stay in the files until they are asked for (files/stored.h).
 */
#ifndef CONVERTER_TENSORS_H
#define CONVERTER_TENSORS_H

#include <cjson/cJSON.h>

#include "files/stored.h"

/* Most files of a model, and bytes of a header: as many as the format's own readers take. */
#define TENSORS_MAX_FILES 1024
#define TENSORS_MAX_HEADER_BYTES 100000000

typedef struct named_tensor {
    /* As transformers calls it today: without "module." before it and "_orig_mod." in it, which
     * wrappers of a model leave there, and with the norms' weight and bias for gamma and beta. */
    char *name;
    const char *dtype;    /* "F32", "I64", ... */
    bool is_weight;       /* of a type that weights have: F32, F16 or BF16 */
    bool is_used;         /* tensors_use() */
    stored_tensor stored; /* stored.name is the name in the file */
} named_tensor;

typedef struct tensor_table {
    range_file **files; /* [n_files] */
    cJSON **headers;    /* [n_files] */
    size_t n_files;
    named_tensor *tensors; /* [n_tensors], in the order of names */
    size_t n_tensors, capacity;
} tensor_table;

/* Opens the safetensors file at `path`, or, if that is one of JSON, an index of shards beside it.
 * tensors_close() in any case. */
bool tensors_open(const char *path, tensor_table *table, fault_text *fault);
void tensors_close(tensor_table *table);

/* Adds the name, type and shape of every tensor to a hash. */
void tensors_hash(const tensor_table *table, hash_state *hash);

/* NULL if there is none of that name. */
named_tensor *tensors_find(const tensor_table *table, const char *name);

/* How the shape reads in a message: "[320, 48]". */
typedef struct shape_text {
    char text[128];
} shape_text;
shape_text tensors_shape(const stored_tensor *tensor);

#endif

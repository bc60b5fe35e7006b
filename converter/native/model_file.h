/*
 * model_file.h - a model file, opened by the core natively.
 */
#ifndef CONVERTER_MODEL_FILE_H
#define CONVERTER_MODEL_FILE_H

#include "files/safetensors.h"
#include "native/native.h"

typedef struct model_file {
    safetensors file;
    bert_config config;
    native_model native;
    bert_tensor *tensors;
    size_t n_tensors;
    void **expanded; /* names and data that are not in the file: [n_expanded] */
    size_t n_expanded;
} model_file;

/* model_file_close() in any case. */
bool model_file_open(model_file *model, const char *path, uint32_t max_tokens, fault_text *fault);
void model_file_close(model_file *model);

#endif

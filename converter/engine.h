/*
 * engine.h - a model file, opened by the core natively.
 */
#ifndef CONVERTER_ENGINE_H
#define CONVERTER_ENGINE_H

#include "native.h"
#include "safetensors.h"

typedef struct engine {
    safetensors file;
    bert_config config;
    native native;
    bert_tensor *tensors;
    size_t n_tensors;
    void **expanded; /* names and data that are not in the file: [n_expanded] */
    size_t n_expanded;
} engine;

/* engine_close() in any case. */
bool engine_open(engine *engine, const char *path, uint32_t max_tokens, fault *fault);
void engine_close(engine *engine);

#endif

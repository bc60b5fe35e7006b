/*
 * tiny_model.h - models of random weights, for tests: any dimensions, any dtype.
 */
#ifndef TINY_MODEL_H
#define TINY_MODEL_H

#include "bert.h"

#define TINY_MAX_TENSORS 256

typedef struct tiny_model {
    bert_config config;
    bert_tensor tensors[TINY_MAX_TENSORS];
    char names[TINY_MAX_TENSORS][BERT_MAX_NAME + 1];
    size_t n_tensors;
} tiny_model;

/* What a model is stored as; q7 and q8 are I8 with integers of as many bits. */
typedef enum tiny_dtype { TINY_F32, TINY_F16, TINY_Q7, TINY_Q8, TINY_DTYPE_COUNT } tiny_dtype;

/* hidden 24, 3 heads, intermediate 40, 2 layers, 50 words, 16 positions, 2 types, 3 labels. */
bert_config tiny_config(void);

/* Tensors for the config; matrices and tables in `dtype` (what is no layer's in F16 instead of I8),
 * all drawn wide so that a dropped bias or a swapped axis shows. Memory is freed by
 * guarded_free_all().
 */
tiny_model *tiny_make(const bert_config *config, tiny_dtype dtype, uint32_t seed);

/* The tensor called `name`, which there is. */
bert_tensor *tiny_tensor(tiny_model *tiny, const char *name);

/* Opens it, or begins it, or fails the running test and returns NULL. */
bert_model *tiny_open(const tiny_model *tiny);
bert_model *tiny_begin(const tiny_model *tiny);
bert_session *tiny_session(const bert_model *model, const bert_options *options);

#endif

/*
 * native.h - the core, run by the converter itself: to verify a model file.
 */
#ifndef CONVERTER_NATIVE_H
#define CONVERTER_NATIVE_H

#include "bert.h"
#include "files/fault.h"
#include "weights/pack.h"

typedef struct native_model {
    void *model_memory, *session_memory;
    bert_model *model;
    bert_session *session;
} native_model;

/* Memory on BERT_ALIGNMENT; free() it. NULL if there is none. */
void *native_alloc(size_t n_bytes);

/* The longest sequence that is run: as long as `options` say, or as the default, if the model takes
 * that. */
uint32_t native_most_tokens(const bert_config *config, const bert_options *options);

/* A model of these tensors, whose data must stay, and a session of `options`, or NULL. `what` is
 * for messages. native_close() in any case. */
bool native_open(native_model *native, const bert_config *config, const bert_tensor *tensors,
                 size_t n_tensors, const bert_options *options, const char *what,
                 fault_text *fault);
void native_close(native_model *native);

/* A tensor of 4-bit units, `shape` [rows, groups, bytes of a unit], as the one that it becomes: all
 * but its name; its data is new and on BERT_ALIGNMENT. */
bool native_expand(const uint8_t *units, const uint32_t shape[3], bert_tensor *tensor,
                   fault_text *fault);

#endif

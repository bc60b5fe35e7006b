/*
 * native.h - the core, run by the converter itself: to verify a model file, and to calibrate.
 */
#ifndef CONVERTER_NATIVE_H
#define CONVERTER_NATIVE_H

#include "bert.h"
#include "fault.h"

typedef struct native {
    void *model_memory, *session_memory;
    bert_model *model;
    bert_session *session;
} native;

/* Memory on BERT_ALIGNMENT; free() it. NULL if there is none. */
void *native_alloc(size_t n_bytes);

/* A model of these tensors, whose data must stay, and a session of `options`, or NULL. `what` is
 * for messages. native_close() in any case. */
bool native_open(native *native, const bert_config *config, const bert_tensor *tensors,
                 size_t n_tensors, const bert_options *options, const char *what, fault *fault);
void native_close(native *native);

/* False, with what the core said. */
bool native_fault(fault *fault, const char *what, const bert_error *error);

#endif

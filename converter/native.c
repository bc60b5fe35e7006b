/* native.c - see native.h. */
#include "native.h"

#include <stdlib.h>

bool native_fault(fault *fault, const char *what, const bert_error *error)
{
    return fault_set(fault, "%s: %s: %s (%lld, limit %lld)", what, bert_status_text(error->status),
                     error->subject, (long long)error->value, (long long)error->limit);
}

void *native_alloc(size_t n_bytes)
{
    return aligned_alloc(BERT_ALIGNMENT,
                         (n_bytes + BERT_ALIGNMENT) / BERT_ALIGNMENT * BERT_ALIGNMENT);
}

bool native_open(native *native, const bert_config *config, const bert_tensor *tensors,
                 size_t n_tensors, const bert_options *options, const char *what, fault *fault)
{
    size_t model_bytes, session_bytes;
    bert_error error = {0};
    if (bert_model_bytes(config, &model_bytes, &error) != BERT_OK ||
        bert_session_bytes(config, options, &session_bytes, &error) != BERT_OK)
        return native_fault(fault, what, &error);
    native->model_memory = native_alloc(model_bytes);
    native->session_memory = native_alloc(session_bytes);
    if (!native->model_memory || !native->session_memory)
        return fault_set(fault, "%s: out of memory", what);
    if (bert_model_open(config, tensors, n_tensors, native->model_memory, model_bytes,
                        &native->model, &error) != BERT_OK ||
        bert_session_open(native->model, options, native->session_memory, session_bytes,
                          &native->session, &error) != BERT_OK)
        return native_fault(fault, what, &error);
    return true;
}

void native_close(native *native)
{
    free(native->model_memory);
    free(native->session_memory);
}

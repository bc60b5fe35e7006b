/* native.c - see native.h. */
#include "native/native.h"

#include <stdlib.h>
#include <string.h>

void *native_alloc(size_t n_bytes)
{
    return aligned_alloc(BERT_ALIGNMENT,
                         (n_bytes + BERT_ALIGNMENT) / BERT_ALIGNMENT * BERT_ALIGNMENT);
}

uint32_t native_most_tokens(const bert_config *config, const bert_options *options)
{
    uint32_t most = options && options->max_sequence_tokens ? options->max_sequence_tokens
                                                            : BERT_DEFAULT_MAX_SEQUENCE_TOKENS;
    uint32_t limit = bert_config_most_tokens(config);
    return limit < most ? limit : most;
}

bool native_open(native_model *native, const bert_config *config, const bert_tensor *tensors,
                 size_t n_tensors, const bert_options *options, const char *what, fault_text *fault)
{
    size_t model_bytes, session_bytes;
    bert_error error = {0};
    if (bert_model_bytes(config, &model_bytes, &error) != BERT_OK ||
        bert_session_bytes(config, options, &session_bytes, &error) != BERT_OK)
        return fault_set_error(fault, what, &error);
    native->model_memory = native_alloc(model_bytes);
    native->session_memory = native_alloc(session_bytes);
    if (!native->model_memory || !native->session_memory)
        return fault_set(fault, "%s: out of memory", what);
    if (bert_model_open(config, tensors, n_tensors, native->model_memory, model_bytes,
                        &native->model, &error) != BERT_OK ||
        bert_session_open(native->model, options, native->session_memory, session_bytes,
                          &native->session, &error) != BERT_OK)
        return fault_set_error(fault, what, &error);
    return true;
}

void native_close(native_model *native)
{
    free(native->model_memory);
    free(native->session_memory);
    *native = (native_model){0};
}

bool native_expand(const uint8_t *units, const uint32_t shape[3], bert_tensor *tensor,
                   fault_text *fault)
{
    uint32_t n_columns = bert_q4_tensor(shape, tensor);
    if (n_columns == 0)
        return fault_set(fault, "'%s' does not consist of units of 4-bit numbers", tensor->name);
    int8_t *values = native_alloc(tensor->n_bytes);
    if (!values)
        return fault_set(fault, "out of memory for '%s'", tensor->name);
    bert_q4_expand(units, (size_t)shape[0] * shape[1], n_columns, values);
    tensor->data = values;
    return true;
}

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
    native->max_sequence_tokens = native_most_tokens(config, options);
    return true;
}

void native_close(native_model *native)
{
    for (size_t i = 0; i < native->n_tensors; i++) {
        free((char *)native->tensors[i].name);
        free((void *)native->tensors[i].data);
    }
    free(native->tensors);
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

/* Adds a packed tensor as the core takes it. */
static bool add_packed(void *argument, const packed_tensor *packed, fault_text *fault)
{
    native_model *native = argument;
    bert_tensor *tensor = &native->tensors[native->n_tensors];
    char *name = malloc(sizeof packed->name + sizeof ".weight");
    if (!name)
        return fault_set(fault, "out of memory for '%s'", packed->name);
    strcpy(name, packed->name);
    *tensor = (bert_tensor){
        .name = name, .dtype = packed->dtype, .rank = packed->rank, .n_bytes = packed->n_bytes};
    memcpy(tensor->shape, packed->shape, sizeof tensor->shape);
    native->n_tensors++;
    if (packed->is_q4) {
        strcpy(strrchr(name, '.'), ".weight");
        return native_expand(packed->data, packed->shape, tensor, fault);
    }
    void *data = native_alloc(packed->n_bytes);
    if (!data)
        return fault_set(fault, "out of memory for '%s'", packed->name);
    memcpy(data, packed->data, packed->n_bytes);
    tensor->data = data;
    return true;
}

static bool count_packed(void *argument, const packed_tensor *packed, fault_text *fault)
{
    (void)packed, (void)fault;
    ++*(size_t *)argument;
    return true;
}

bool native_pack(native_model *native, const bert_weights *weights, pack_dtype dtype,
                 const bert_options *options, const char *what, fault_text *fault)
{
    size_t n_tensors = 0;
    pack_each(weights, dtype, true, count_packed, &n_tensors, fault);
    native->tensors = calloc(n_tensors + 1, sizeof *native->tensors);
    if (!native->tensors)
        return fault_set(fault, "%s: out of memory", what);
    bert_config config = pack_config(weights, dtype);
    return pack_each(weights, dtype, false, add_packed, native, fault) &&
           native_open(native, &config, native->tensors, native->n_tensors, options, what, fault);
}

/* native.c - see native.h. */
#include "native/native.h"

#include <stdlib.h>
#include <string.h>

bool native_fault(fault_text *fault, const char *what, const bert_error *error)
{
    return fault_set(fault, "%s: %s: %s (%lld, limit %lld)", what, bert_status_text(error->status),
                     error->subject, (long long)error->value, (long long)error->limit);
}

void *native_alloc(size_t n_bytes)
{
    return aligned_alloc(BERT_ALIGNMENT,
                         (n_bytes + BERT_ALIGNMENT) / BERT_ALIGNMENT * BERT_ALIGNMENT);
}

uint32_t native_most_tokens(const bert_config *config, const bert_options *options)
{
    uint32_t most = options && options->max_sequence_tokens ? options->max_sequence_tokens : 512;
    if (config->n_positions && config->n_positions - config->first_position < most)
        most = config->n_positions - config->first_position;
    return config->n_distances && config->n_distances < most ? config->n_distances : most;
}

bool native_open(native_model *native, const bert_config *config, const bert_tensor *tensors,
                 size_t n_tensors, const bert_options *options, const char *what, fault_text *fault)
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
    uint32_t n_rows = shape[0], n_groups = shape[1];
    bool is_table = shape[2] == BERT_Q4_UNIT_BYTES(1);
    uint32_t n_columns = is_table ? 1 : BERT_PANEL;
    if (!is_table && shape[2] != BERT_Q4_UNIT_BYTES(BERT_PANEL))
        return fault_set(fault, "'%s' has no units of 4-bit numbers", tensor->name);
    tensor->dtype = BERT_DTYPE_I8;
    tensor->rank = is_table ? 2 : 4;
    memcpy(tensor->shape,
           is_table
               ? (uint32_t[]){n_rows, n_groups * BERT_GROUP, 0, 0}
               : (uint32_t[]){n_rows, n_groups * BERT_GROUP / BERT_QUAD, BERT_PANEL, BERT_QUAD},
           sizeof tensor->shape);
    size_t n_units = (size_t)n_rows * n_groups;
    tensor->n_bytes = n_units * n_columns * BERT_GROUP;
    int8_t *values = native_alloc(tensor->n_bytes);
    if (!values)
        return fault_set(fault, "out of memory for '%s'", tensor->name);
    bert_q4_expand(units, n_units, n_columns, values);
    tensor->data = values;
    return true;
}

/* A packed tensor as the core takes it; frees the packed data. */
static bool add_packed(native_model *native, packed_tensor *pack, fault_text *fault)
{
    bert_tensor *tensor = &native->tensors[native->n_tensors];
    char *name = malloc(sizeof pack->name + sizeof ".weight");
    if (!name)
        return fault_set(fault, "out of memory for '%s'", pack->name);
    strcpy(name, pack->name);
    *tensor = (bert_tensor){
        .name = name, .dtype = pack->dtype, .rank = pack->rank, .n_bytes = pack->n_bytes};
    memcpy(tensor->shape, pack->shape, sizeof tensor->shape);
    native->n_tensors++;
    if (pack->q4_columns) {
        strcpy(strrchr(name, '.'), ".weight");
        return native_expand(pack->data, pack->shape, tensor, fault);
    }
    void *data = native_alloc(pack->n_bytes);
    if (!data)
        return fault_set(fault, "out of memory for '%s'", pack->name);
    memcpy(data, pack->data, pack->n_bytes);
    tensor->data = data;
    return true;
}

bool native_pack(native_model *native, const bert_weights *weights, pack_dtype dtype,
                 const bert_options *options, const char *what, fault_text *fault)
{
    native->tensors = calloc(weights->n_weights * PACK_MAX_TENSORS + 1, sizeof *native->tensors);
    if (!native->tensors)
        return fault_set(fault, "out of memory");
    for (size_t i = 0; i < weights->n_weights; i++) {
        packed_tensor packs[PACK_MAX_TENSORS] = {0};
        int n = pack_plan(&weights->weights[i], dtype, packs);
        bool ok = pack_weight(&weights->weights[i], packs, fault);
        for (int k = 0; k < n; k++) {
            ok = ok && add_packed(native, &packs[k], fault);
            free(packs[k].data);
        }
        if (!ok)
            return false;
    }
    return native_open(native, &weights->config, native->tensors, native->n_tensors, options, what,
                       fault);
}

/* calibrate.c - see calibrate.h. */
#include "calibrate.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "pack.h"

/* The unquantised model in memory. */
typedef struct native {
    bert_tensor *tensors;
    packed *packs;
    size_t n_tensors;
    void *model_memory, *session_memory;
    bert_model *model;
    bert_session *session;
} native;

static bool core_fault(fault *fault, const char *what, const bert_error *error)
{
    return fault_set(fault, "%s: %s: %s (%lld, limit %lld)", what, bert_status_text(error->status),
                     error->subject, (long long)error->value, (long long)error->limit);
}

static void *aligned(size_t n_bytes)
{
    return aligned_alloc(BERT_ALIGNMENT,
                         (n_bytes + BERT_ALIGNMENT) / BERT_ALIGNMENT * BERT_ALIGNMENT);
}

/* Moves the data of a tensor to an address that the core takes. */
static bool align_data(packed *pack, fault *fault)
{
    void *data = aligned(pack->n_bytes);
    if (!data)
        return fault_set(fault, "out of memory for '%s'", pack->name);
    memcpy(data, pack->data, pack->n_bytes);
    free(pack->data);
    pack->data = data;
    return true;
}

static bool pack_all(native *native, bert_weights *weights, fault *fault)
{
    native->packs = calloc(weights->n_weights * PACK_MAX_TENSORS, sizeof *native->packs);
    native->tensors = calloc(weights->n_weights * PACK_MAX_TENSORS, sizeof *native->tensors);
    if (!native->packs || !native->tensors)
        return fault_set(fault, "out of memory");
    for (size_t i = 0; i < weights->n_weights; i++) {
        packed *packs = native->packs + native->n_tensors;
        int n = pack_plan(&weights->weights[i], BERT_DTYPE_F32, packs);
        bool ok = pack_weight(&weights->weights[i], packs, fault);
        for (int k = 0; k < n; k++) {
            packed *pack = &packs[k];
            ok = ok && align_data(pack, fault);
            bert_tensor *tensor = &native->tensors[native->n_tensors++];
            *tensor = (bert_tensor){.name = pack->name,
                                    .dtype = pack->dtype,
                                    .rank = pack->rank,
                                    .data = pack->data,
                                    .n_bytes = pack->n_bytes};
            memcpy(tensor->shape, pack->shape, sizeof tensor->shape);
        }
        if (!ok)
            return false;
    }
    return true;
}

static bool native_open(native *native, bert_weights *weights, fault *fault)
{
    if (!pack_all(native, weights, fault))
        return false;
    bert_error error = {0};
    size_t model_bytes, session_bytes;
    if (bert_model_bytes(&weights->config, &model_bytes, &error) != BERT_OK ||
        bert_session_bytes(&weights->config, NULL, &session_bytes, &error) != BERT_OK)
        return core_fault(fault, "calibration", &error);
    native->model_memory = aligned(model_bytes);
    native->session_memory = aligned(session_bytes);
    if (!native->model_memory || !native->session_memory)
        return fault_set(fault, "out of memory");
    if (bert_model_open(&weights->config, native->tensors, native->n_tensors, native->model_memory,
                        model_bytes, &native->model, &error) != BERT_OK ||
        bert_session_open(native->model, NULL, native->session_memory, session_bytes,
                          &native->session, &error) != BERT_OK)
        return core_fault(fault, "calibration", &error);
    return true;
}

static void native_close(native *native)
{
    for (size_t i = 0; i < native->n_tensors; i++)
        free(native->packs[i].data);
    free(native->packs);
    free(native->tensors);
    free(native->model_memory);
    free(native->session_memory);
}

static void observe(void *argument, uint32_t layer, bert_site site, const float *inputs,
                    uint32_t n_rows, uint32_t n_columns)
{
    calibration *calibration = argument;
    float *largest = calibration->largest[site] + (size_t)layer * n_columns;
    for (uint32_t r = 0; r < n_rows; r++, inputs += n_columns)
        for (uint32_t i = 0; i < n_columns; i++)
            largest[i] = fmaxf(largest[i], fabsf(inputs[i]));
}

/* The numbers of an array, or NULL; how many in *n. */
static uint32_t *numbers(const cJSON *array, uint32_t *n)
{
    *n = (uint32_t)cJSON_GetArraySize(array);
    uint32_t *values = calloc(*n + 1, sizeof *values);
    uint32_t i = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, array)
    {
        if (values && cJSON_IsNumber(item) && item->valuedouble >= 0 &&
            item->valuedouble <= UINT32_MAX)
            values[i++] = (uint32_t)item->valuedouble;
    }
    if (values && (i != *n || i == 0)) {
        free(values);
        return NULL;
    }
    return values;
}

/* One line of the file: a text. Tokens beyond what the model takes are left out. */
static bool run_line(native *native, const char *line, const char *where, calibration *calibration,
                     fault *fault)
{
    cJSON *json = cJSON_Parse(line);
    const cJSON *types = cJSON_GetObjectItemCaseSensitive(json, "type_ids");
    uint32_t n, n_types = 0, most = bert_model_config(native->model)->n_positions;
    uint32_t *ids = numbers(cJSON_GetObjectItemCaseSensitive(json, "ids"), &n);
    uint32_t *token_types = types ? numbers(types, &n_types) : NULL;
    bool ok = true;
    if (!ids || (types && (!token_types || n_types != n))) {
        ok = fault_set(fault,
                       "%s: expected an object with `ids` (and `type_ids` as many), as "
                       "bert-wasm tokenize writes it",
                       where);
    } else {
        n = n < most ? n : most;
        bert_batch batch = {
            .n_sequences = 1, .lengths = &n, .ids = ids, .token_types = token_types};
        bert_error error = {0};
        if (bert_encode(native->session, &batch, &(bert_outputs){{0}}, &error) != BERT_OK)
            ok = core_fault(fault, where, &error);
        calibration->n_tokens += n;
    }
    free(ids);
    free(token_types);
    cJSON_Delete(json);
    return ok;
}

static bool run_file(native *native, const char *path, calibration *calibration, fault *fault)
{
    FILE *file = fopen(path, "r");
    if (!file)
        return fault_set(fault, "%s: cannot be opened (%s)", path, strerror(errno));
    char *line = NULL;
    size_t capacity = 0;
    bool ok = true;
    for (int number = 1; ok && getline(&line, &capacity, file) != -1; number++) {
        if (line[strspn(line, " \t\r\n")] == '\0')
            continue;
        char where[256];
        snprintf(where, sizeof where, "%.200s, line %d", path, number);
        ok = run_line(native, line, where, calibration, fault);
    }
    if (ok && ferror(file))
        ok = fault_set(fault, "%s: cannot be read (%s)", path, strerror(errno));
    if (ok && calibration->n_tokens == 0)
        ok = fault_set(fault, "%s: there is no text in it", path);
    free(line);
    fclose(file);
    return ok;
}

bool calibrate(bert_weights *weights, const char *path, calibration *calibration, fault *fault)
{
    const bert_config *config = &weights->config;
    calibration->n_layers = config->n_layers;
    for (int site = 0; site < BERT_SITE_COUNT; site++) {
        size_t n = site == BERT_SITE_OUTPUT ? config->intermediate_size : config->hidden_size;
        calibration->largest[site] = calloc(config->n_layers * n + 1, sizeof(float));
        if (!calibration->largest[site])
            return fault_set(fault, "out of memory");
    }
    native native = {0};
    bool ok = native_open(&native, weights, fault);
    if (ok) {
        bert_session_observe(native.session, observe, calibration);
        ok = run_file(&native, path, calibration, fault);
    }
    native_close(&native);
    return ok;
}

void calibration_free(calibration *calibration)
{
    for (int site = 0; site < BERT_SITE_COUNT; site++)
        free(calibration->largest[site]);
}

/* model_file.c - see model_file.h. */
#include "native/model_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool read_config(model_file *model, const char *path, fault_text *fault)
{
    const cJSON *fields = cJSON_GetObjectItemCaseSensitive(model->file.config, "encoder"), *field;
    bert_error error = {0};
    bert_config_init(&model->config);
    if (!cJSON_IsObject(fields))
        return fault_set(fault, "%s: its config has no encoder", path);
    cJSON_ArrayForEach(field, fields)
    {
        bert_status status =
            cJSON_IsString(field)
                ? bert_config_set_choice(&model->config, field->string, field->valuestring, &error)
                : bert_config_set_number(&model->config, field->string,
                                         cJSON_IsNumber(field) ? field->valuedouble : NAN, &error);
        if (status != BERT_OK)
            return fault_set_error(fault, path, &error);
    }
    return true;
}

/* Memory that is freed with the model file. */
static void *own(model_file *model, void *memory)
{
    return model->expanded[model->n_expanded++] = memory;
}

/* A tensor of 4-bit units as the one it becomes. */
static bool expand(model_file *model, const safetensors_entry *entry, fault_text *fault)
{
    bert_tensor *tensor = &model->tensors[model->n_tensors];
    char *name = own(model, malloc(strlen(entry->name) + sizeof ".weight"));
    if (!name)
        return fault_set(fault, "out of memory for '%s'", entry->name);
    strcpy(name, entry->name);
    strcpy(strrchr(name, '.'), ".weight");
    *tensor = (bert_tensor){.name = name};
    if (entry->rank != 3)
        return fault_set(fault, "'%s' does not consist of units of 4-bit numbers", entry->name);
    if (!native_expand(model->file.data + entry->start, entry->shape, tensor, fault))
        return false;
    own(model, (void *)tensor->data);
    model->n_tensors++;
    return true;
}

static bool is_q4(const safetensors_entry *entry)
{
    const char *suffix = strrchr(entry->name, '.');
    return entry->is_bytes && suffix && strcmp(suffix, ".q4") == 0;
}

static bool collect_tensors(model_file *model, fault_text *fault)
{
    model->tensors = calloc(model->file.n_entries + 1, sizeof *model->tensors);
    model->expanded = calloc(2 * model->file.n_entries + 1, sizeof *model->expanded);
    if (!model->tensors || !model->expanded)
        return fault_set(fault, "out of memory");
    for (size_t i = 0; i < model->file.n_entries; i++) {
        const safetensors_entry *entry = &model->file.entries[i];
        if (is_q4(entry) && !expand(model, entry, fault))
            return false;
        if (entry->is_bytes)
            continue;
        bert_tensor *tensor = &model->tensors[model->n_tensors++];
        *tensor = (bert_tensor){.name = entry->name,
                                .dtype = entry->of_core,
                                .rank = entry->rank,
                                .data = model->file.data + entry->start,
                                .n_bytes = entry->end - entry->start};
        memcpy(tensor->shape, entry->shape, sizeof tensor->shape);
    }
    return true;
}

bool model_file_open(model_file *model, const char *path, uint32_t max_tokens, fault_text *fault)
{
    bert_options options = {.max_tokens = max_tokens};
    return safetensors_open(path, &model->file, fault) && read_config(model, path, fault) &&
           collect_tensors(model, fault) &&
           native_open(&model->native, &model->config, model->tensors, model->n_tensors, &options,
                       path, fault);
}

void model_file_close(model_file *model)
{
    for (size_t i = 0; i < model->n_expanded; i++)
        free(model->expanded[i]);
    free(model->expanded);
    free(model->tensors);
    native_close(&model->native);
    safetensors_close(&model->file);
}

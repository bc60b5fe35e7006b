/* engine.c - see engine.h. */
#include "engine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool read_config(engine *engine, const char *path, fault *fault)
{
    const cJSON *fields = cJSON_GetObjectItemCaseSensitive(engine->file.config, "encoder"), *field;
    bert_error error = {0};
    bert_config_init(&engine->config);
    if (!cJSON_IsObject(fields))
        return fault_set(fault, "%s: its config has no encoder", path);
    cJSON_ArrayForEach(field, fields)
    {
        bert_status status =
            cJSON_IsString(field)
                ? bert_config_set_choice(&engine->config, field->string, field->valuestring, &error)
                : bert_config_set_number(&engine->config, field->string,
                                         cJSON_IsNumber(field) ? field->valuedouble : NAN, &error);
        if (status != BERT_OK)
            return native_fault(fault, path, &error);
    }
    return true;
}

/* Memory that is freed with the engine. */
static void *own(engine *engine, void *memory)
{
    return engine->expanded[engine->n_expanded++] = memory;
}

/* A tensor of 4-bit units as the one it becomes. */
static bool expand(engine *engine, const safetensors_entry *entry, fault *fault)
{
    bert_tensor *tensor = &engine->tensors[engine->n_tensors];
    char *name = own(engine, malloc(strlen(entry->name) + sizeof ".weight"));
    if (!name)
        return fault_set(fault, "out of memory for '%s'", entry->name);
    strcpy(name, entry->name);
    strcpy(strrchr(name, '.'), ".weight");
    *tensor = (bert_tensor){.name = name};
    if (entry->rank != 3)
        return fault_set(fault, "'%s' has no units of 4-bit numbers", entry->name);
    if (!native_expand(engine->file.data + entry->start, entry->shape, tensor, fault))
        return false;
    own(engine, (void *)tensor->data);
    engine->n_tensors++;
    return true;
}

static int is_q4(const safetensors_entry *entry)
{
    const char *suffix = strrchr(entry->name, '.');
    return suffix && strcmp(suffix, ".q4") == 0 && strcmp(entry->dtype, "U8") == 0;
}

static bool collect_tensors(engine *engine, fault *fault)
{
    engine->tensors = calloc(engine->file.n_entries + 1, sizeof *engine->tensors);
    engine->expanded = calloc(2 * engine->file.n_entries + 1, sizeof *engine->expanded);
    if (!engine->tensors || !engine->expanded)
        return fault_set(fault, "out of memory");
    for (size_t i = 0; i < engine->file.n_entries; i++) {
        const safetensors_entry *entry = &engine->file.entries[i];
        if (is_q4(entry) && !expand(engine, entry, fault))
            return false;
        for (int dtype = 0; *bert_dtype_name((bert_dtype)dtype); dtype++) {
            if (strcmp(entry->dtype, bert_dtype_name((bert_dtype)dtype)) != 0)
                continue;
            bert_tensor *tensor = &engine->tensors[engine->n_tensors++];
            *tensor = (bert_tensor){.name = entry->name,
                                    .dtype = (bert_dtype)dtype,
                                    .rank = entry->rank,
                                    .data = engine->file.data + entry->start,
                                    .n_bytes = entry->end - entry->start};
            memcpy(tensor->shape, entry->shape, sizeof tensor->shape);
        }
    }
    return true;
}

bool engine_open(engine *engine, const char *path, uint32_t max_tokens, fault *fault)
{
    bert_options options = {.max_tokens = max_tokens};
    return safetensors_open(path, &engine->file, fault) && read_config(engine, path, fault) &&
           collect_tensors(engine, fault) &&
           native_open(&engine->native, &engine->config, engine->tensors, engine->n_tensors,
                       &options, path, fault);
}

void engine_close(engine *engine)
{
    for (size_t i = 0; i < engine->n_expanded; i++)
        free(engine->expanded[i]);
    free(engine->expanded);
    free(engine->tensors);
    native_close(&engine->native);
    safetensors_close(&engine->file);
}

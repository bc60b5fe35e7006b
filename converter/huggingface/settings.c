/* settings.c - see settings.h. */
#include "huggingface/settings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const cJSON *settings_item(const settings *from, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(from->json, key);
    return cJSON_IsNull(item) ? NULL : item;
}

bool settings_refuse(const settings *from, const char *key, const char *because)
{
    char *value = cJSON_PrintUnformatted(settings_item(from, key));
    fault_set(from->fault, "%s: %s is %.120s: %s", from->path, key, value ? value : "not there",
              because);
    cJSON_free(value);
    return false;
}

double settings_number(const settings *from, const char *key, double fallback)
{
    const cJSON *item = settings_item(from, key);
    if (!item)
        return fallback;
    if (cJSON_IsNumber(item) && isfinite(item->valuedouble))
        return item->valuedouble;
    settings_refuse(from, key, "it must be a number");
    return fallback;
}

uint32_t settings_size(const settings *from, const char *key, uint32_t fallback)
{
    double number = settings_number(from, key, fallback);
    if (number >= 0 && number <= INT32_MAX && number == floor(number))
        return (uint32_t)number;
    settings_refuse(from, key, "it must be a whole number");
    return fallback;
}

bool settings_flag(const settings *from, const char *key, bool fallback)
{
    const cJSON *item = settings_item(from, key);
    if (item && !cJSON_IsBool(item))
        settings_refuse(from, key, "it must be true or false");
    return cJSON_IsBool(item) ? cJSON_IsTrue(item) : fallback;
}

const char *settings_text(const settings *from, const char *key, const char *fallback)
{
    const cJSON *item = settings_item(from, key);
    if (item && !cJSON_IsString(item))
        settings_refuse(from, key, "it must be a string");
    return cJSON_IsString(item) ? item->valuestring : fallback;
}

bert_activation settings_activation(const settings *from, const char *key, const char *fallback)
{
    /* Those of transformers' ACT2FN that the core computes. */
    static const struct {
        const char *name;
        bert_activation activation;
    } names[] = {
        {"gelu", BERT_ACTIVATION_GELU},
        {"gelu_python", BERT_ACTIVATION_GELU},
        {"gelu_new", BERT_ACTIVATION_GELU_TANH},
        {"gelu_fast", BERT_ACTIVATION_GELU_TANH},
        {"gelu_accurate", BERT_ACTIVATION_GELU_TANH},
        {"gelu_pytorch_tanh", BERT_ACTIVATION_GELU_TANH},
        {"gelu_python_tanh", BERT_ACTIVATION_GELU_TANH},
        {"relu", BERT_ACTIVATION_RELU},
        {"tanh", BERT_ACTIVATION_TANH},
        {"silu", BERT_ACTIVATION_SILU},
        {"swish", BERT_ACTIVATION_SILU},
    };
    const char *name = settings_text(from, key, fallback);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i].name) == 0)
            return names[i].activation;
    settings_refuse(from, key, "it must be gelu, gelu_new, relu, tanh or silu");
    return BERT_ACTIVATION_NONE;
}

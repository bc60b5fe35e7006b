/* metadata.c - see metadata.h. */
#include "metadata.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A float32 by the shortest decimal that gives it back: 1e-12, not 9.999999960041972e-13. */
static double shortest(float value)
{
    for (int digits = 1; digits < 9; digits++) {
        char text[32];
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value)
            return strtod(text, NULL);
    }
    return value;
}

/* Further poolings, and what training alone needs: files without them say nothing of them. */
static bool is_rare(const char *field)
{
    return strncmp(field, "pooling_", 8) == 0 || strcmp(field, "relative_source") == 0 ||
           strcmp(field, "relative_norm") == 0;
}

static cJSON *encoder_json(const bert_config *config)
{
    cJSON *json = cJSON_CreateObject();
    for (uint32_t i = 0; *bert_config_field(i); i++) {
        double number;
        const char *choice = bert_config_get(config, i, &number);
        if (is_rare(bert_config_field(i)) && (choice ? strcmp(choice, "none") == 0 : number == 0))
            continue;
        if (choice)
            cJSON_AddStringToObject(json, bert_config_field(i), choice);
        else
            cJSON_AddNumberToObject(json, bert_config_field(i),
                                    number == floor(number) ? number : shortest((float)number));
    }
    return json;
}

static cJSON *outputs_json(const bert_weights *weights)
{
    cJSON *outputs = cJSON_CreateObject();
    for (size_t i = 0; i < weights->n_outputs; i++) {
        const output_name *name = &weights->outputs[i];
        cJSON *entry = cJSON_AddObjectToObject(outputs, name->onnx);
        cJSON_AddStringToObject(entry, "output", bert_output_name(name->output));
        if (name->index >= 0)
            cJSON_AddNumberToObject(entry, "index", name->index);
        if (name->activation)
            cJSON_AddStringToObject(entry, "activation", name->activation);
    }
    return outputs;
}

static cJSON *config_json(const bert_weights *weights, const model_dir *dir, pack_dtype dtype)
{
    const bert_config *config = &weights->config;
    bert_config packed = pack_config(weights, dtype);
    const char *family = model_dir_architecture(dir, weights->architecture);
    const char *problem = model_dir_problem_type(dir);
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "architecture", family);
    cJSON_AddItemToObject(json, "encoder", encoder_json(&packed));
    cJSON_AddItemToObject(json, "outputs", outputs_json(weights));
    cJSON_AddItemToObject(json, "labels", model_dir_labels(dir, config));
    cJSON_AddItemToObject(json, "problem_type",
                          problem ? cJSON_CreateString(problem) : cJSON_CreateNull());
    cJSON_AddNumberToObject(json, "max_length", model_dir_max_length(dir, config));
    const cJSON *item;
    cJSON_ArrayForEach(item, dir->sentence.description)
    {
        cJSON_AddItemToObject(json, item->string, cJSON_Duplicate(item, true));
    }
    return json;
}

/* Adds JSON as a text, and frees it. */
static void add_text(cJSON *object, const char *key, cJSON *json)
{
    char *text = cJSON_PrintUnformatted(json);
    cJSON_AddStringToObject(object, key, text);
    free(text);
    cJSON_Delete(json);
}

cJSON *metadata_json(const bert_weights *weights, const model_dir *dir,
                     const convert_options *options, const file_hash *source)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "format", "bert-wasm");
    cJSON_AddStringToObject(json, "format_version", BERT_FORMAT_VERSION);
    cJSON_AddStringToObject(json, "name", options->name ? options->name : dir->name);
    cJSON_AddStringToObject(json, "revision", options->revision ? options->revision : "");
    cJSON_AddStringToObject(json, "dtype", pack_dtype_name(options->dtype));
    cJSON_AddStringToObject(json, "source_sha256", source->hex);
    add_text(json, "config", config_json(weights, dir, options->dtype));
    return json;
}

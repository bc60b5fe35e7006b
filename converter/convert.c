/* convert.c - ONNX to a model file: read, plan, write. See ARCHITECTURE.md for the format. */
#include "convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model_dir.h"
#include "pack.h"
#include "read_bert.h"
#include "safetensors.h"
#include "smooth.h"

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

static cJSON *encoder_json(const bert_config *config)
{
    cJSON *json = cJSON_CreateObject();
#define ADD_NUMBER(type, name, least, most)                                                        \
    cJSON_AddNumberToObject(                                                                       \
        json, #name, (type)0.5f == 0 ? (double)config->name : shortest((float)config->name));
    BERT_CONFIG_NUMBERS(ADD_NUMBER)
#undef ADD_NUMBER
    /* The name of a choice's value, by its list in bert.h. */
#define CHOICE_TEXT(constant, text) text,
#define ADD_CHOICE(type, name, LIST)                                                               \
    cJSON_AddStringToObject(json, #name, (const char *[]){LIST(CHOICE_TEXT)}[config->name]);
    BERT_CONFIG_CHOICES(ADD_CHOICE)
#undef ADD_CHOICE
#undef CHOICE_TEXT
    return json;
}

static cJSON *config_json(const model_dir *dir, const bert_weights *weights)
{
    const bert_config *config = &weights->config;
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "architecture", "bert");
    cJSON_AddItemToObject(json, "encoder", encoder_json(config));
    cJSON *outputs = cJSON_AddObjectToObject(json, "outputs");
    for (size_t i = 0; i < weights->n_outputs; i++)
        cJSON_AddStringToObject(outputs, weights->outputs[i].onnx,
                                bert_output_name(weights->outputs[i].output));
    cJSON_AddItemToObject(json, "labels", model_dir_labels(dir, config->n_labels));
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(dir->config, "problem_type");
    if (cJSON_IsString(type))
        cJSON_AddStringToObject(json, "problem_type", type->valuestring);
    else
        cJSON_AddNullToObject(json, "problem_type");
    double max_length = config->n_positions;
    if (dir->max_length > 0 && dir->max_length < max_length)
        max_length = dir->max_length;
    cJSON_AddNumberToObject(json, "max_length", max_length);
    return json;
}

static cJSON *metadata_json(const model_dir *dir, const onnx_model *onnx,
                            const bert_weights *weights, const convert_options *options)
{
    char hash[FILE_HASH_CHARS + 1];
    file_sha256(onnx->file.data, onnx->file.n_bytes, hash);
    cJSON *config = config_json(dir, weights), *json = cJSON_CreateObject();
    char *text = cJSON_PrintUnformatted(config);
    cJSON_AddStringToObject(json, "format", "bert-wasm");
    cJSON_AddStringToObject(json, "format_version", SAFETENSORS_FORMAT_VERSION);
    cJSON_AddStringToObject(json, "name", options->name ? options->name : dir->name);
    cJSON_AddStringToObject(json, "revision", options->revision ? options->revision : "");
    cJSON_AddStringToObject(json, "dtype", pack_dtype_name(options->dtype));
    cJSON_AddStringToObject(json, "source_sha256", hash);
    cJSON_AddStringToObject(json, "config", text);
    free(text);
    cJSON_Delete(config);
    return json;
}

static bool declare(safetensors_writer *writer, const model_dir *dir, const bert_weights *weights,
                    pack_dtype dtype, fault *fault)
{
    uint32_t n_tokenizer = (uint32_t)dir->tokenizer.n_bytes;
    if (n_tokenizer &&
        !safetensors_declare(writer, "tokenizer.json", "U8", 1, &n_tokenizer, n_tokenizer, fault))
        return false;
    for (size_t i = 0; i < weights->n_weights; i++) {
        packed tensors[PACK_MAX_TENSORS];
        int n = pack_plan(&weights->weights[i], dtype, tensors);
        for (int k = 0; k < n; k++)
            if (!safetensors_declare(writer, tensors[k].name,
                                     tensors[k].q4_columns ? "U8"
                                                           : bert_dtype_name(tensors[k].dtype),
                                     tensors[k].rank, tensors[k].shape, tensors[k].n_bytes, fault))
                return false;
    }
    return true;
}

static bool write_data(safetensors_writer *writer, const model_dir *dir,
                       const bert_weights *weights, pack_dtype dtype, fault *fault)
{
    const file *tokenizer = &dir->tokenizer;
    if (tokenizer->n_bytes &&
        !safetensors_write(writer, tokenizer->data, tokenizer->n_bytes, fault))
        return false;
    for (size_t i = 0; i < weights->n_weights; i++) {
        packed tensors[PACK_MAX_TENSORS] = {0};
        int n = pack_plan(&weights->weights[i], dtype, tensors);
        bool ok = pack_weight(&weights->weights[i], tensors, fault);
        for (int k = 0; k < n; k++) {
            ok = ok && safetensors_write(writer, tensors[k].data, tensors[k].n_bytes, fault);
            free(tensors[k].data);
        }
        if (!ok)
            return false;
    }
    return true;
}

static bool write_model(const char *out, const model_dir *dir, const onnx_model *onnx,
                        const bert_weights *weights, const convert_options *options, fault *fault)
{
    safetensors_writer *writer = safetensors_create(out, fault);
    if (!writer)
        return false;
    if (!declare(writer, dir, weights, options->dtype, fault) ||
        !safetensors_begin_data(writer, metadata_json(dir, onnx, weights, options), fault) ||
        !write_data(writer, dir, weights, options->dtype, fault)) {
        safetensors_abandon(writer);
        return false;
    }
    return safetensors_finish(writer, fault);
}

bool convert(const char *in, const char *out, const convert_options *options, fault *fault)
{
    model_dir dir;
    onnx_model onnx = {0};
    graph graph = {0};
    bert_weights weights = {0};
    calibration measured = {0};
    bool ok = model_dir_open(in, &dir, fault) && onnx_open(dir.onnx_path, &onnx, fault) &&
              graph_open(&onnx, &graph, fault) && read_bert(&graph, &weights, fault);
    if (ok) {
        model_dir_compare(&dir, &weights.config);
        if (options->calibrate)
            ok = calibrate(&weights, options->calibrate, options->dtype == PACK_Q4, &measured,
                           fault);
        if (ok && pack_is_quantised(options->dtype))
            ok = smooth_layers(&weights, options->calibrate ? &measured : NULL, fault);
    }
    if (ok)
        ok = write_model(out, &dir, &onnx, &weights, options, fault);
    calibration_free(&measured);
    read_bert_free(&weights);
    graph_close(&graph);
    onnx_close(&onnx);
    model_dir_close(&dir);
    return ok;
}

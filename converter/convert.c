/* convert.c - ONNX to a model file: read, plan, write. The format: docs/model-file.md. */
#include "commands.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/safetensors.h"
#include "huggingface/huggingface.h"
#include "huggingface/sentence_head.h"
#include "import/graph_read.h"
#include "native/native.h"
#include "native/prove.h"
#include "quantise/own_texts.h"
#include "quantise/smooth.h"
#include "read/read.h"
#include "source/model_dir.h"
#include "weights/pack.h"

/* The largest error that an unquantised model may have, over its largest output. */
#define PROOF_TOLERANCE 2e-4

/* What is being converted, from step to step. */
typedef struct conversion {
    const convert_options *options;
    model_dir dir;
    huggingface_model *huggingface; /* NULL: there is a graph */
    sentence_head *sentence;
    onnx_model onnx;
    onnx_graph *graph;
    graph_reader reader;
    bert_weights weights;
    calibration_data measured;
    model_proof proof;
    double error; /* of the model as it is stored */
} conversion;

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
    for (uint32_t i = 0; *bert_config_field(i); i++) {
        double number;
        const char *choice = bert_config_get(config, i, &number);
        /* Further poolings are rare: files without them say nothing of them. */
        if (choice && strcmp(choice, "none") == 0 &&
            strncmp(bert_config_field(i), "pooling_", 8) == 0)
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

static cJSON *config_json(const conversion *c)
{
    const bert_config *config = &c->weights.config;
    bert_config packed = pack_config(&c->weights, c->options->dtype);
    const char *family = model_dir_architecture(&c->dir, c->weights.architecture);
    const char *problem = model_dir_problem_type(&c->dir);
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "architecture", family);
    cJSON_AddItemToObject(json, "encoder", encoder_json(&packed));
    cJSON_AddItemToObject(json, "outputs", outputs_json(&c->weights));
    cJSON_AddItemToObject(json, "labels", model_dir_labels(&c->dir, config));
    cJSON_AddItemToObject(json, "problem_type",
                          problem ? cJSON_CreateString(problem) : cJSON_CreateNull());
    cJSON_AddNumberToObject(json, "max_length", model_dir_max_length(&c->dir, config));
    const cJSON *item;
    cJSON_ArrayForEach(item, c->dir.sentence.description)
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

static cJSON *metadata_json(const conversion *c)
{
    const convert_options *options = c->options;
    file_hash hash = {{0}};
    cJSON *json = cJSON_CreateObject();
    fault_text ignored = {{0}};
    if (c->huggingface)
        huggingface_sha256(c->huggingface, &hash);
    else
        range_sha256(&c->onnx.file, &hash, &ignored);
    cJSON_AddStringToObject(json, "format", "bert-wasm");
    cJSON_AddStringToObject(json, "format_version", BERT_FORMAT_VERSION);
    cJSON_AddStringToObject(json, "name", options->name ? options->name : c->dir.name);
    cJSON_AddStringToObject(json, "revision", options->revision ? options->revision : "");
    cJSON_AddStringToObject(json, "dtype", pack_dtype_name(options->dtype));
    cJSON_AddStringToObject(json, "source_sha256", hash.hex);
    add_text(json, "config", config_json(c));
    add_text(json, "reference", proof_json(&c->proof, c->error));
    return json;
}

/* ----------------------------------------------------------------------------------- writing -- */

static bool declare(void *writer, const packed_tensor *tensor, fault_text *fault)
{
    const char *dtype = tensor->is_q4 ? "U8" : bert_dtype_name(tensor->dtype);
    return safetensors_declare(writer, tensor->name, dtype, tensor->rank, tensor->shape,
                               tensor->n_bytes, fault);
}

static bool write_data(void *writer, const packed_tensor *tensor, fault_text *fault)
{
    return safetensors_write(writer, tensor->data, tensor->n_bytes, fault);
}

/* Two passes, as safetensors.h wants them. The tokenizer comes first. */
static bool write_tensors(const conversion *c, safetensors_writer *writer, fault_text *fault)
{
    const whole_file *file = &c->dir.tokenizer;
    pack_dtype dtype = c->options->dtype;
    uint32_t n_bytes = (uint32_t)file->n_bytes; /* no more: model_dir_open() */
    bool has_tokenizer = file->n_bytes > 0;
    return (!has_tokenizer || safetensors_declare(writer, "tokenizer.json", "U8", 1, &n_bytes,
                                                  file->n_bytes, fault)) &&
           pack_each(&c->weights, dtype, true, declare, writer, fault) &&
           safetensors_begin_data(writer, metadata_json(c), fault) &&
           (!has_tokenizer || safetensors_write(writer, file->data, file->n_bytes, fault)) &&
           pack_each(&c->weights, dtype, false, write_data, writer, fault);
}

static bool write_model(const conversion *c, const char *out, fault_text *fault)
{
    safetensors_writer *writer = safetensors_create(out, fault);
    if (!writer)
        return false;
    if (write_tensors(c, writer, fault))
        return safetensors_finish(writer, fault);
    safetensors_abandon(writer);
    return false;
}

/* --------------------------------------------------------------------------------- the steps -- */

static bool read_model(conversion *c, const char *in, fault_text *fault)
{
    if (!model_dir_open(in, c->options->base, &c->dir, fault))
        return false;
    const model_path *path = &c->dir.path;
    if (path->safetensors[0] && (!path->onnx[0] || huggingface_knows(&c->dir)))
        return huggingface_open(&c->dir, &c->huggingface, &c->weights, fault) &&
               sentence_head_open(&c->dir.sentence, &c->weights, &c->sentence, fault) &&
               proof_open(&c->proof, NULL, &c->weights, fault);
    if (!onnx_open(path->onnx, &c->onnx, fault) || !(c->graph = graph_open(&c->onnx, fault)) ||
        !reader_open(&c->reader, c->graph, model_dir_first_position(&c->dir), fault))
        return false;
    if (!read_encoder(&c->reader, &c->options->outputs, &c->weights))
        return model_dir_explain(&c->dir, fault);
    model_dir_compare(&c->dir, &c->weights.config);
    if (weights_gives(&c->weights, BERT_OUTPUT_LAST_HIDDEN_STATE) &&
        !weights_gives(&c->weights, BERT_OUTPUT_SENTENCE_EMBEDDING) &&
        !sentence_head_open(&c->dir.sentence, &c->weights, &c->sentence, fault))
        return false;
    return proof_open(&c->proof, &c->reader, &c->weights, fault);
}

/* Measures what quantising the model needs to know, on the user's texts or our own. */
static bool measure_inputs(conversion *c, const native_model *native, fault_text *fault)
{
    const char *path = c->options->calibrate;
    const whole_file *tokenizer = &c->dir.tokenizer;
    bool with_moments = path && c->options->dtype == PACK_Q4;
    if (!calibration_alloc(&c->measured, &c->weights.config, with_moments, fault))
        return false;
    return path ? calibrate_file(native, path, &c->measured, fault)
                : calibrate_own_texts(native, tokenizer->data, tokenizer->n_bytes, &c->measured,
                                      fault);
}

/* Proves the unquantised model; what is to be quantised is measured with it. */
static bool prove(conversion *c, fault_text *fault)
{
    native_model native = {0};
    const char *worst = "";
    bool is_quantised = pack_is_quantised(c->options->dtype);
    bert_options options = c->proof.options;
    if (is_quantised)
        options = (bert_options){0}; /* texts may be as long as the model takes */
    bool ok = native_pack(&native, &c->weights, PACK_F32, &options, "the proof", fault);
    c->error = ok ? proof_error(&c->proof, &native, &worst, fault) : 0;
    ok = ok && c->error >= 0;
    if (ok && !(c->error <= PROOF_TOLERANCE))
        ok = fault_set(fault,
                       "the graph was read, but what was read gives other answers: output '%s' "
                       "differs by %.3g of its largest number",
                       worst, c->error);
    ok = ok && (!is_quantised || measure_inputs(c, &native, fault));
    native_close(&native);
    return ok;
}

/* Measures what storing the model in the dtype costs. */
static bool measure(conversion *c, fault_text *fault)
{
    native_model native = {0};
    bool ok =
        native_pack(&native, &c->weights, c->options->dtype, &c->proof.options, "the proof", fault);
    c->error = ok ? proof_error(&c->proof, &native, NULL, fault) : 0;
    native_close(&native);
    if (ok && c->error > 1e30)
        ok = fault_set(fault, "stored as %s the model gives numbers that are not finite: use f32",
                       pack_dtype_name(c->options->dtype));
    return ok && c->error >= 0;
}

bool convert(const char *in, const char *out, const convert_options *options, fault_text *fault)
{
    conversion c = {.options = options};
    bool ok = read_model(&c, in, fault) && prove(&c, fault);
    if (ok && pack_is_quantised(options->dtype))
        ok = smooth_layers(&c.weights, pack_config(&c.weights, options->dtype).integers,
                           &c.measured, fault);
    if (ok && options->dtype != PACK_F32)
        ok = measure(&c, fault);
    ok = ok && write_model(&c, out, fault);
    proof_close(&c.proof);
    calibration_free(&c.measured);
    weights_free(&c.weights);
    sentence_head_close(c.sentence);
    huggingface_close(c.huggingface);
    reader_close(&c.reader);
    graph_close(c.graph);
    onnx_close(&c.onnx);
    model_dir_close(&c.dir);
    return ok;
}

/*
 * verify.c - a model file run natively by the core, against the outputs that a golden.json expects.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "files/json.h"
#include "native/compare.h"
#include "native/model_file.h"

/* ------------------------------------------------------------------------------------- cases -- */

#define MAX_CASE_TOKENS 65536

/* Whole numbers of at most `most`, [n_rows, width]. A matrix that is not there has `fallback`
 * everywhere. */
static bool read_matrix(const cJSON *matrix, const padded_batch *batch, uint32_t fallback,
                        uint32_t most, uint32_t *cells)
{
    for (size_t i = 0; !matrix && i < (size_t)batch->n_rows * batch->width; i++)
        cells[i] = fallback;
    if (!matrix)
        return true;
    const cJSON *row, *item;
    if (!cJSON_IsArray(matrix) || (uint32_t)cJSON_GetArraySize(matrix) != batch->n_rows)
        return false;
    cJSON_ArrayForEach(row, matrix)
    {
        if (!cJSON_IsArray(row) || (uint32_t)cJSON_GetArraySize(row) != batch->width)
            return false;
        cJSON_ArrayForEach(item, row)
        {
            double number = cJSON_IsNumber(item) ? item->valuedouble : -1;
            if (!(number >= 0 && number <= most) || number != floor(number))
                return false;
            *cells++ = (uint32_t)number;
        }
    }
    return true;
}

static const char *case_name(const cJSON *json)
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(json, "name");
    return cJSON_IsString(name) ? name->valuestring : "";
}

/* The numbers of a tensor's "data" if there are `n`, or NULL. free() them. */
static double *read_numbers(const cJSON *tensor, size_t n)
{
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(tensor, "data"), *item;
    double *numbers = malloc(n * sizeof *numbers + 1);
    size_t i = 0;
    if (!numbers)
        abort();
    cJSON_ArrayForEach(item, data)
    {
        if (i < n && cJSON_IsNumber(item))
            numbers[i] = item->valuedouble;
        i++;
    }
    if (i == n)
        return numbers;
    free(numbers);
    return NULL;
}

/*
 * How far an output of the golden is from that of the same weights before the graph was quantised,
 * if the golden has that too ("plain_outputs"). The graph rounds activations in its own way, so
 * that no model can be expected to come much nearer.
 */
static double quantisation_error(const cJSON *cases, const char *output)
{
    double largest = 0;
    const cJSON *one;
    cJSON_ArrayForEach(one, cases)
    {
        const cJSON *after = cJSON_GetObjectItemCaseSensitive(one, "outputs");
        const cJSON *before = cJSON_GetObjectItemCaseSensitive(one, "plain_outputs");
        const cJSON *a = cJSON_GetObjectItemCaseSensitive(
            cJSON_GetObjectItemCaseSensitive(after, output), "data");
        const cJSON *b = cJSON_GetObjectItemCaseSensitive(
            cJSON_GetObjectItemCaseSensitive(before, output), "data");
        for (a = a ? a->child : NULL, b = b ? b->child : NULL; a && b; a = a->next, b = b->next)
            largest = fmax(largest, fabs(a->valuedouble - b->valuedouble));
    }
    return largest;
}

/* How much farther from a quantised graph a model may be than the graph's own weights are. */
#define QUANTISATION_FACTOR 1.5

/* What is verified, and the sum of all comparisons. */
typedef struct verification {
    const char *golden; /* its path */
    const cJSON *cases;
    const model_file *model;
    double tolerance;
    fault_text *fault;
    bool all_ok;
    double largest; /* error over the largest number of its output, at least 1 */
    size_t n;
} verification;

static bool read_case(const verification *v, const cJSON *json, padded_batch *batch)
{
    const cJSON *ids = cJSON_GetObjectItemCaseSensitive(json, "input_ids");
    const cJSON *types = cJSON_GetObjectItemCaseSensitive(json, "token_type_ids");
    const cJSON *mask = cJSON_GetObjectItemCaseSensitive(json, "attention_mask");
    int n_rows = cJSON_GetArraySize(ids);
    int width = n_rows ? cJSON_GetArraySize(cJSON_GetArrayItem(ids, 0)) : 0;
    if (width == 0 || (int64_t)n_rows * width > MAX_CASE_TOKENS)
        return fault_set(v->fault, "%s: case '%s' has no input_ids of [batch, length], at most %d",
                         v->golden, case_name(json), MAX_CASE_TOKENS);
    size_t n = (size_t)n_rows * (size_t)width;
    uint32_t *attended = calloc(n, sizeof *attended);
    bool ok = padded_alloc(batch, &v->model->config, (uint32_t)n_rows, (uint32_t)width, v->fault) &&
              (attended || fault_set(v->fault, "%s: out of memory", v->golden));
    if (ok) {
        ok = read_matrix(ids, batch, 0, UINT32_MAX, batch->ids) &&
             read_matrix(types, batch, 0, UINT32_MAX, batch->types) &&
             read_matrix(mask, batch, 1, 1, attended);
        for (size_t i = 0; i < n; i++)
            batch->mask[i] = (uint8_t)attended[i];
        ok = (ok && padded_apply_mask(batch)) ||
             fault_set(v->fault,
                       "%s: case '%s': input_ids, token_type_ids and attention_mask must be lists "
                       "of %d lists of %d whole numbers, the mask's 0 or 1, with a 1 in every row",
                       v->golden, case_name(json), n_rows, width);
    }
    free(attended);
    return ok;
}

/* Prints a comparison, and adds it to the others. `quantisation`: quantisation_error(). */
static void report(verification *v, const char *name, const char *output, const comparison *result,
                   double quantisation)
{
    double scale = fmax(1, result->largest);
    bool ok = result->count > 0 &&
              result->error <= fmax(v->tolerance * scale, QUANTISATION_FACTOR * quantisation);
    printf("%-36s %-20s error %.3g of largest %.4g, %zu numbers%s\n", name, output, result->error,
           result->largest, result->count, ok ? "" : "   TOO LARGE");
    v->all_ok = v->all_ok && ok;
    v->largest = fmax(v->largest, result->error / scale);
    v->n++;
}

/* Adds one expected tensor to the result; false if the tensor has another number of elements. */
static bool compare_tensor(const padded_batch *batch, const output_name *output, const float *got,
                           const cJSON *tensor, comparison *result)
{
    double *expected = read_numbers(tensor, compare_count(batch, output));
    if (expected)
        compare_output(batch, output, got, expected, result);
    free(expected);
    return expected != NULL;
}

/* Finds the output that the model calls `name`. */
static bool find_output(const model_file *model, const char *name, output_name *output)
{
    const cJSON *names = cJSON_GetObjectItemCaseSensitive(model->file.config, "outputs");
    const cJSON *entry = cJSON_GetObjectItemCaseSensitive(names, name);
    const cJSON *kind = cJSON_GetObjectItemCaseSensitive(entry, "output");
    const cJSON *index = cJSON_GetObjectItemCaseSensitive(entry, "index");
    const cJSON *activation = cJSON_GetObjectItemCaseSensitive(entry, "activation");
    *output =
        (output_name){.onnx = name,
                      .index = cJSON_IsNumber(index) ? index->valueint : -1,
                      .activation = cJSON_IsString(activation) ? activation->valuestring : NULL};
    while (
        output->output < BERT_OUTPUT_COUNT &&
        !(cJSON_IsString(kind) && strcmp(bert_output_name(output->output), kind->valuestring) == 0))
        output->output++;
    return output->output < BERT_OUTPUT_COUNT;
}

/* Verifies one output of a case. */
static bool verify_output(verification *v, const char *name, const padded_batch *batch,
                          const cJSON *tensor)
{
    output_name output;
    comparison result = {0};
    if (!find_output(v->model, tensor->string, &output))
        return fault_set(v->fault, "%s: the model has no output '%s'", v->golden, tensor->string);
    float *got = padded_run(&v->model->native, batch, output.output, v->golden, v->fault);
    bool ok = got && compare_tensor(batch, &output, got, tensor, &result);
    free(got);
    if (!ok)
        return fault_set(
            v->fault, "%s: case '%s': '%s' needs a \"data\" of as many numbers as the model gives",
            v->golden, name, tensor->string);
    report(v, name, tensor->string, &result, quantisation_error(v->cases, tensor->string));
    return true;
}

static bool verify_case(verification *v, const cJSON *json)
{
    padded_batch batch = {0};
    bool ok = read_case(v, json, &batch);
    const cJSON *tensor, *expected = cJSON_GetObjectItemCaseSensitive(json, "outputs");
    if (ok && (!cJSON_IsObject(expected) || !expected->child))
        ok = fault_set(v->fault, "%s: case '%s' needs an object of outputs", v->golden,
                       case_name(json));
    cJSON_ArrayForEach(tensor, expected) ok =
        ok && verify_output(v, case_name(json), &batch, tensor);
    padded_free(&batch);
    return ok;
}

/* Verifies all layers of one output of the trace. */
static bool verify_layers(verification *v, const char *name, const padded_batch *batch,
                          bert_output output, const cJSON *layers)
{
    const char *text = bert_output_name(output);
    uint32_t n_layers = bert_output_layers(&v->model->config, output);
    comparison result = {0};
    if (cJSON_GetArraySize(layers) != (int)n_layers)
        return fault_set(v->fault, "%s: the trace needs %s of %u layers", v->golden, text,
                         n_layers);
    float *got = padded_run(&v->model->native, batch, output, v->golden, v->fault);
    bool ok = got != NULL;
    for (uint32_t i = 0; ok && i < n_layers; i++) {
        output_name layer = {.output = output, .index = (int32_t)i};
        ok = compare_tensor(batch, &layer, got, cJSON_GetArrayItem(layers, (int)i), &result) ||
             fault_set(v->fault, "%s: the trace's %s need as many numbers as the model gives",
                       v->golden, text);
    }
    free(got);
    if (ok)
        report(v, name, text, &result, 0);
    return ok;
}

/* Verifies the trace: every layer's hidden states and attention probabilities of one case. */
static bool verify_trace(verification *v, const cJSON *trace)
{
    const cJSON *wanted = cJSON_GetObjectItemCaseSensitive(trace, "case"), *json = NULL, *item;
    cJSON_ArrayForEach(item, v->cases)
    {
        if (cJSON_IsString(wanted) && strcmp(case_name(item), wanted->valuestring) == 0)
            json = item;
    }
    if (!json)
        return fault_set(v->fault, "%s: the trace names a case that is not there", v->golden);
    padded_batch batch = {0};
    const cJSON *states = cJSON_GetObjectItemCaseSensitive(trace, "hidden_states");
    const cJSON *maps = cJSON_GetObjectItemCaseSensitive(trace, "attentions");
    const char *name = case_name(json);
    bool ok = read_case(v, json, &batch) &&
              verify_layers(v, name, &batch, BERT_OUTPUT_HIDDEN_STATES, states) &&
              verify_layers(v, name, &batch, BERT_OUTPUT_ATTENTIONS, maps);
    padded_free(&batch);
    return ok;
}

static bool verify_all(verification *v, const cJSON *trace)
{
    bool ok = true;
    const cJSON *one;
    if (!cJSON_IsArray(v->cases) || !v->cases->child)
        return fault_set(v->fault, "%s: is not a golden.json: it has no list of cases", v->golden);
    cJSON_ArrayForEach(one, v->cases) ok = ok && verify_case(v, one);
    return ok && (!trace || verify_trace(v, trace));
}

bool verify(const char *golden, const char *path, double tolerance, fault_text *fault)
{
    whole_file file;
    model_file model = {0};
    verification v = {
        .golden = golden, .model = &model, .tolerance = tolerance, .fault = fault, .all_ok = true};
    cJSON *json = NULL;
    bool ok = file_open(golden, &file, fault) &&
              (json = json_object(golden, file.data, file.n_bytes, fault)) &&
              model_file_open(&model, path, MAX_CASE_TOKENS, fault);
    v.cases = cJSON_GetObjectItemCaseSensitive(json, "cases");
    ok = ok && verify_all(&v, cJSON_GetObjectItemCaseSensitive(json, "trace"));
    model_file_close(&model);
    cJSON_Delete(json);
    file_close(&file);
    if (!ok)
        return false;
    printf("largest error of %zu outputs: %.3g of the largest number\n", v.n, v.largest);
    return v.all_ok ||
           fault_set(fault, "%s: differs from %s by more than %g", path, golden, tolerance);
}

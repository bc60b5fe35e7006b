/*
 * verify.c - a model file run natively by the core, against the outputs that a golden.json expects.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "files/json.h"
#include "native/model_file.h"
#include "native/padded.h"

/* ------------------------------------------------------------------------------------- cases -- */

#define MAX_CASE_TOKENS 65536

/* Whole numbers of [n_rows, width]. A matrix that is not there has `fallback` everywhere. */
static bool read_matrix(const cJSON *matrix, const padded_batch *batch, uint32_t fallback,
                        uint32_t *cells)
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
            if (!(number >= 0 && number <= UINT32_MAX) || number != floor(number))
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

static bool read_case(const model_file *model, const cJSON *json, const char *path,
                      padded_batch *batch, fault_text *fault)
{
    const cJSON *ids = cJSON_GetObjectItemCaseSensitive(json, "input_ids");
    const cJSON *types = cJSON_GetObjectItemCaseSensitive(json, "token_type_ids");
    const cJSON *mask = cJSON_GetObjectItemCaseSensitive(json, "attention_mask");
    int n_rows = cJSON_GetArraySize(ids);
    int width = n_rows ? cJSON_GetArraySize(cJSON_GetArrayItem(ids, 0)) : 0;
    if (width == 0 || (int64_t)n_rows * width > MAX_CASE_TOKENS)
        return fault_set(fault, "%s: case '%s' has no input_ids of [batch, length], at most %d",
                         path, case_name(json), MAX_CASE_TOKENS);
    uint32_t *cells = calloc((size_t)n_rows * (size_t)width, sizeof *cells);
    bool ok = padded_alloc(batch, (uint32_t)n_rows, (uint32_t)width, fault) && cells;
    if (ok &&
        (!read_matrix(ids, batch, 0, batch->ids) || !read_matrix(types, batch, 0, batch->types) ||
         !read_matrix(mask, batch, 1, cells) || !padded_apply_mask(batch, &model->config, cells)))
        ok = fault_set(fault,
                       "%s: case '%s': input_ids, token_type_ids and attention_mask must be lists "
                       "of %d lists of %d whole numbers, the mask's 0 or 1, and some 1 a row",
                       path, case_name(json), n_rows, width);
    free(cells);
    return ok;
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
 * How far an output of the whole golden is from that of the same weights before the graph was
 * quantised, where it says ("plain_outputs"). The graph rounds activations in its own way, so no
 * model can be asked to be much nearer than that.
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

/* How much farther a model may be from a quantised graph than that is from its own weights. */
#define QUANTISATION_FACTOR 1.5

/* What all comparisons say together. */
typedef struct verify_summary {
    bool all_ok;
    double largest; /* error over the largest number of its output, at least 1 */
    size_t n;
} verify_summary;

/* Prints a comparison, and adds it to the summary. */
static void report(const char *name, const char *output, const comparison *result, double tolerance,
                   double quantisation, verify_summary *summary)
{
    double scale = fmax(1, result->largest);
    bool ok = result->count > 0 &&
              result->error <= fmax(tolerance * scale, QUANTISATION_FACTOR * quantisation);
    printf("%-36s %-20s error %.3g of largest %.4g, %zu numbers%s\n", name, output, result->error,
           result->largest, result->count, ok ? "" : "   TOO LARGE");
    summary->all_ok = summary->all_ok && ok;
    summary->largest = fmax(summary->largest, result->error / scale);
    summary->n++;
}

/* Adds one expected tensor to the result. */
static bool compare_tensor(const model_file *model, const padded_batch *batch,
                           const padded_output *output, const float *got, const cJSON *tensor,
                           comparison *result)
{
    double *expected = read_numbers(tensor, padded_count(&model->config, batch, output));
    if (expected)
        padded_compare(&model->config, batch, output, got, expected, result);
    free(expected);
    return expected != NULL;
}

/* What the model calls an output. */
static bool find_output(const model_file *model, const char *name, padded_output *output)
{
    const cJSON *names = cJSON_GetObjectItemCaseSensitive(model->file.config, "outputs");
    const cJSON *entry = cJSON_GetObjectItemCaseSensitive(names, name);
    const cJSON *kind = cJSON_GetObjectItemCaseSensitive(entry, "output");
    const cJSON *index = cJSON_GetObjectItemCaseSensitive(entry, "index");
    const cJSON *activation = cJSON_GetObjectItemCaseSensitive(entry, "activation");
    *output =
        (padded_output){.index = cJSON_IsNumber(index) ? index->valueint : -1,
                        .activation = cJSON_IsString(activation) ? activation->valuestring : NULL};
    for (int i = 0; i < BERT_OUTPUT_COUNT; i++) {
        output->output = (bert_output)i;
        if (cJSON_IsString(kind) &&
            strcmp(bert_output_name(output->output), kind->valuestring) == 0)
            return true;
    }
    return false;
}

static bool verify_case(const model_file *model, const cJSON *json, const cJSON *cases,
                        double tolerance, const char *path, verify_summary *summary,
                        fault_text *fault)
{
    padded_batch batch = {0};
    bool ok = read_case(model, json, path, &batch, fault);
    const cJSON *tensor, *expected = cJSON_GetObjectItemCaseSensitive(json, "outputs");
    if (ok && (!cJSON_IsObject(expected) || !expected->child))
        ok = fault_set(fault, "%s: case '%s' has no object of outputs", path, case_name(json));
    cJSON_ArrayForEach(tensor, expected)
    {
        padded_output output;
        comparison result = {0};
        if (ok && !find_output(model, tensor->string, &output))
            ok = fault_set(fault, "%s: the model has no output '%s'", path, tensor->string);
        float *got = ok ? padded_run(&model->native, &batch, output.output, path, fault) : NULL;
        ok = got && (compare_tensor(model, &batch, &output, got, tensor, &result) ||
                     fault_set(fault,
                               "%s: case '%s': '%s' needs a \"data\" of as many numbers as the "
                               "model gives",
                               path, case_name(json), tensor->string));
        free(got);
        if (ok)
            report(case_name(json), tensor->string, &result, tolerance,
                   quantisation_error(cases, tensor->string), summary);
    }
    padded_free(&batch);
    return ok;
}

/* The layers of one output of the trace. */
static bool verify_layers(const model_file *model, const padded_batch *batch, bert_output output,
                          const cJSON *layers, uint32_t n_layers, const char *name,
                          double tolerance, const char *path, verify_summary *summary,
                          fault_text *fault)
{
    comparison result = {0};
    float *got = padded_run(&model->native, batch, output, path, fault);
    bool ok = got != NULL;
    if (ok && cJSON_GetArraySize(layers) != (int)n_layers)
        ok = fault_set(fault, "%s: the trace needs %s of %u layers", path, bert_output_name(output),
                       n_layers);
    for (uint32_t i = 0; ok && i < n_layers; i++) {
        padded_output layer = {.output = output, .index = (int32_t)i};
        ok = compare_tensor(model, batch, &layer, got, cJSON_GetArrayItem(layers, (int)i),
                            &result) ||
             fault_set(fault, "%s: the trace's %s need as many numbers as the model gives", path,
                       bert_output_name(output));
    }
    free(got);
    if (ok)
        report(name, bert_output_name(output), &result, tolerance, 0, summary);
    return ok;
}

/* The trace: every layer's hidden states and attention probabilities of one case. */
static bool verify_trace(const model_file *model, const cJSON *trace, const cJSON *cases,
                         double tolerance, const char *path, verify_summary *summary,
                         fault_text *fault)
{
    const cJSON *wanted = cJSON_GetObjectItemCaseSensitive(trace, "case"), *json = NULL, *item;
    cJSON_ArrayForEach(item, cases)
    {
        if (cJSON_IsString(wanted) && strcmp(case_name(item), wanted->valuestring) == 0)
            json = item;
    }
    padded_batch batch = {0};
    uint32_t n_layers = model->config.n_layers;
    const cJSON *states = cJSON_GetObjectItemCaseSensitive(trace, "hidden_states");
    const cJSON *maps = cJSON_GetObjectItemCaseSensitive(trace, "attentions");
    bool ok = (json || fault_set(fault, "%s: the trace's case is the name of none", path)) &&
              read_case(model, json, path, &batch, fault) &&
              verify_layers(model, &batch, BERT_OUTPUT_HIDDEN_STATES, states, n_layers + 1,
                            case_name(json), tolerance, path, summary, fault) &&
              verify_layers(model, &batch, BERT_OUTPUT_ATTENTIONS, maps, n_layers, case_name(json),
                            tolerance, path, summary, fault);
    padded_free(&batch);
    return ok;
}

bool verify(const char *golden, const char *path, double tolerance, fault_text *fault)
{
    mapped_file file;
    model_file model = {0};
    cJSON *json = NULL;
    verify_summary summary = {.all_ok = true};
    bool ok = file_open(golden, &file, fault);
    if (ok)
        ok = (json = json_object(golden, file.data, file.n_bytes, fault)) != NULL;
    const cJSON *cases = cJSON_GetObjectItemCaseSensitive(json, "cases"), *one;
    const cJSON *trace = cJSON_GetObjectItemCaseSensitive(json, "trace");
    if (ok && (!cJSON_IsArray(cases) || !cases->child))
        ok = fault_set(fault, "%s: is no golden.json: it has no list of cases", golden);
    ok = ok && model_file_open(&model, path, MAX_CASE_TOKENS, fault);
    cJSON_ArrayForEach(one, cases) ok =
        ok && verify_case(&model, one, cases, tolerance, golden, &summary, fault);
    if (trace)
        ok = ok && verify_trace(&model, trace, cases, tolerance, golden, &summary, fault);
    model_file_close(&model);
    cJSON_Delete(json);
    file_close(&file);
    if (ok)
        printf("largest error of %zu outputs: %.3g of the largest number\n", summary.n,
               summary.largest);
    return ok && (summary.all_ok ||
                  fault_set(fault, "%s: differs from %s by more than %g", path, golden, tolerance));
}

/*
 * verify.c - a model file run natively by the core, against the outputs that a golden.json expects.
 *
 * A case has padded inputs [batch, length]; tokens whose mask is 0 are left out and the others keep
 * their positions, as every caller of the core does. Only rows of tokens that are there are
 * compared.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert.h"
#include "json.h"
#include "native.h"
#include "safetensors.h"

typedef struct engine {
    safetensors file;
    bert_tensor *tensors;
    size_t n_tensors;
    void **expanded; /* names and data that are not in the file: [n_expanded] */
    size_t n_expanded;
    native native;
    bert_config config;
} engine;

/* ----------------------------------------------------------------------------------- opening -- */

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
    *tensor = (bert_tensor){.name = name, .dtype = BERT_DTYPE_I8};
    engine->n_tensors++;
    uint32_t n_rows = entry->shape[0], n_groups = entry->shape[1], n_columns = 1;
    if (entry->rank != 3 || (entry->shape[2] != BERT_Q4_UNIT_BYTES(1) &&
                             entry->shape[2] != BERT_Q4_UNIT_BYTES(BERT_PANEL)))
        return fault_set(fault, "'%s' has no units of 4-bit numbers", entry->name);
    if (entry->shape[2] == BERT_Q4_UNIT_BYTES(1)) {
        tensor->rank = 2;
        memcpy(tensor->shape, (uint32_t[]){n_rows, n_groups * BERT_GROUP}, 8);
    } else {
        n_columns = BERT_PANEL;
        tensor->rank = 4;
        memcpy(tensor->shape,
               (uint32_t[]){n_rows, n_groups * BERT_GROUP / BERT_QUAD, BERT_PANEL, BERT_QUAD}, 16);
    }
    size_t n_units = (size_t)n_rows * n_groups;
    tensor->n_bytes = n_units * n_columns * BERT_GROUP;
    int8_t *values = own(engine, native_alloc(tensor->n_bytes));
    tensor->data = values;
    if (!values)
        return fault_set(fault, "out of memory for '%s'", entry->name);
    bert_q4_expand(engine->file.data + entry->start, n_units, n_columns, values);
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

static bool open_engine(engine *engine, const char *path, uint32_t max_tokens, fault *fault)
{
    bert_options options = {.max_tokens = max_tokens};
    return safetensors_open(path, &engine->file, fault) && read_config(engine, path, fault) &&
           collect_tensors(engine, fault) &&
           native_open(&engine->native, &engine->config, engine->tensors, engine->n_tensors,
                       &options, path, fault);
}

static void close_engine(engine *engine)
{
    for (size_t i = 0; i < engine->n_expanded; i++)
        free(engine->expanded[i]);
    free(engine->expanded);
    free(engine->tensors);
    native_close(&engine->native);
    safetensors_close(&engine->file);
}

/* ------------------------------------------------------------------------------------- cases -- */

#define MAX_CASE_TOKENS 65536

/* A padded case, and the ragged batch that it is. */
typedef struct padded_case {
    const char *name;
    uint32_t n_rows, width, n_tokens;
    uint32_t *lengths;                 /* [n_rows], tokens that are there */
    uint32_t *ids, *types, *positions; /* [n_tokens] */
} padded_case;

static void free_case(padded_case *one)
{
    free(one->lengths);
    free(one->ids);
    free(one->types);
    free(one->positions);
    *one = (padded_case){0};
}

/* Whole numbers of [n_rows, width]. A matrix that is not there has `fallback` everywhere. */
static bool read_matrix(const cJSON *matrix, const padded_case *one, uint32_t fallback,
                        uint32_t *cells)
{
    for (size_t i = 0; !matrix && i < (size_t)one->n_rows * one->width; i++)
        cells[i] = fallback;
    if (!matrix)
        return true;
    const cJSON *row, *item;
    if (!cJSON_IsArray(matrix) || (uint32_t)cJSON_GetArraySize(matrix) != one->n_rows)
        return false;
    cJSON_ArrayForEach(row, matrix)
    {
        if (!cJSON_IsArray(row) || (uint32_t)cJSON_GetArraySize(row) != one->width)
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

/* Leaves out the tokens whose mask is 0. False if the mask has anything but 0 and 1. */
static bool apply_mask(padded_case *one, const uint32_t *mask)
{
    for (uint32_t r = 0, i = 0; r < one->n_rows; r++) {
        for (uint32_t c = 0; c < one->width; c++, i++) {
            if (mask[i] > 1)
                return false;
            if (mask[i] == 0)
                continue;
            one->ids[one->n_tokens] = one->ids[i];
            one->types[one->n_tokens] = one->types[i];
            one->positions[one->n_tokens++] = c;
            one->lengths[r]++;
        }
    }
    return true;
}

static bool read_case(const cJSON *json, const char *path, padded_case *one, fault *fault)
{
    const cJSON *ids = cJSON_GetObjectItemCaseSensitive(json, "input_ids");
    const cJSON *types = cJSON_GetObjectItemCaseSensitive(json, "token_type_ids");
    const cJSON *mask = cJSON_GetObjectItemCaseSensitive(json, "attention_mask");
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(json, "name");
    int n_rows = cJSON_GetArraySize(ids);
    int width = n_rows ? cJSON_GetArraySize(cJSON_GetArrayItem(ids, 0)) : 0;
    *one = (padded_case){.name = cJSON_IsString(name) ? name->valuestring : "",
                         .n_rows = (uint32_t)n_rows,
                         .width = (uint32_t)width};
    if (width == 0 || (int64_t)n_rows * width > MAX_CASE_TOKENS)
        return fault_set(fault, "%s: case '%s' has no input_ids of [batch, length], at most %d",
                         path, one->name, MAX_CASE_TOKENS);
    size_t n = (size_t)n_rows * (size_t)width;
    uint32_t *mask_cells = calloc(n, sizeof(uint32_t));
    one->lengths = calloc((size_t)n_rows, sizeof(uint32_t));
    one->ids = calloc(n, sizeof(uint32_t));
    one->types = calloc(n, sizeof(uint32_t));
    one->positions = calloc(n, sizeof(uint32_t));
    bool ok = true;
    if (!mask_cells || !one->lengths || !one->ids || !one->types || !one->positions)
        ok = fault_set(fault, "%s: out of memory", path);
    else if (!read_matrix(ids, one, 0, one->ids) || !read_matrix(types, one, 0, one->types) ||
             !read_matrix(mask, one, 1, mask_cells) || !apply_mask(one, mask_cells))
        ok = fault_set(fault,
                       "%s: case '%s': input_ids, token_type_ids and attention_mask must be lists "
                       "of %d lists of %d whole numbers, the mask's 0 or 1",
                       path, one->name, n_rows, width);
    free(mask_cells);
    return ok;
}

/* The largest error and the largest expected number. */
typedef struct comparison {
    double error, largest;
    size_t count;
} comparison;

static bool compare(const float *got, const cJSON **want, comparison *result)
{
    if (!*want || !cJSON_IsNumber(*want))
        return false;
    double expected = (*want)->valuedouble, error = fabs(*got - expected);
    if (!(error <= result->error)) /* NaN too */
        result->error = isnan(error) ? INFINITY : error;
    result->largest = fmax(result->largest, fabs(expected));
    result->count++;
    *want = (*want)->next;
    return true;
}

/* False if there are not so many. */
static bool skip(const cJSON **want, size_t n)
{
    for (; n && *want; n--)
        *want = (*want)->next;
    return n == 0;
}

/* Expected numbers of [n_rows, width, n_columns], of which only tokens that are there have a row.
 */
static bool compare_tokens(const padded_case *one, const float *got, const cJSON *want,
                           uint32_t n_columns, comparison *result)
{
    uint32_t token = 0;
    for (uint32_t r = 0; r < one->n_rows; r++) {
        uint32_t end = token + one->lengths[r];
        for (uint32_t c = 0; c < one->width; c++) {
            if (token == end || one->positions[token] != c) {
                if (!skip(&want, n_columns))
                    return false;
                continue;
            }
            for (uint32_t i = 0; i < n_columns; i++)
                if (!compare(got++, &want, result))
                    return false;
            token++;
        }
    }
    return !want; /* no number is left over */
}

static bool compare_all(const float *got, const cJSON *want, size_t n, comparison *result)
{
    while (n--)
        if (!compare(got++, &want, result))
            return false;
    return !want;
}

/* Expected probabilities of [n_rows, n_heads, width, width]; got: [heads, n, n] a sequence. */
static bool compare_attentions(const padded_case *one, const float *got, const cJSON *want,
                               uint32_t n_heads, comparison *result)
{
    for (uint32_t r = 0, first = 0; r < one->n_rows; first += one->lengths[r++]) {
        const uint32_t *positions = one->positions + first;
        uint32_t n = one->lengths[r];
        for (uint32_t h = 0; h < n_heads; h++) {
            for (uint32_t i = 0, row = 0; row < one->width; row++) {
                bool is_row = i < n && positions[i] == row;
                for (uint32_t k = 0, column = 0; column < one->width; column++) {
                    bool is_there = is_row && k < n && positions[k] == column;
                    k += is_there;
                    if (!(is_there ? compare(got++, &want, result) : skip(&want, 1)))
                        return false;
                }
                i += is_row;
            }
        }
    }
    return !want;
}

/* Runs the case for one output; *data is freed by the caller. */
static bool run(engine *engine, const padded_case *one, bert_output output, float **data,
                const char *path, fault *fault)
{
    bert_batch batch = {.n_sequences = one->n_rows,
                        .lengths = one->lengths,
                        .ids = one->ids,
                        .token_types = engine->config.n_token_types ? one->types : NULL,
                        .positions = one->positions};
    bert_error error = {0};
    size_t count;
    if (bert_output_count(engine->native.model, output, &batch, &count, &error) != BERT_OK)
        return native_fault(fault, path, &error);
    *data = malloc(count * sizeof(float) + 1);
    if (!*data)
        return fault_set(fault, "%s: out of memory", path);
    bert_outputs outputs = {0};
    outputs.data[output] = *data;
    if (bert_encode(engine->native.session, &batch, &outputs, &error) != BERT_OK)
        return native_fault(fault, path, &error);
    return true;
}

/* Prints a comparison; whether it is within the tolerance. */
static bool report(const padded_case *one, const char *output, const comparison *result,
                   double tolerance)
{
    bool ok = result->count > 0 && result->error <= tolerance * fmax(1, result->largest);
    printf("%-36s %-20s error %.3g of largest %.4g, %zu numbers%s\n", one->name, output,
           result->error, result->largest, result->count, ok ? "" : "   TOO LARGE");
    return ok;
}

static const cJSON *first_number(const cJSON *tensor)
{
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(tensor, "data");
    return cJSON_IsArray(data) ? data->child : NULL;
}

static bool verify_output(engine *engine, const padded_case *one, bert_output output,
                          const char *name, const cJSON *tensor, double tolerance, const char *path,
                          bool *all_ok, fault *fault)
{
    float *data = NULL;
    comparison result = {0};
    const bert_config *config = &engine->config;
    const cJSON *want = first_number(tensor);
    bool ok = run(engine, one, output, &data, path, fault);
    if (ok && output == BERT_OUTPUT_LAST_HIDDEN_STATE)
        ok = compare_tokens(one, data, want, config->hidden_size, &result);
    else if (ok)
        ok = compare_all(data, want,
                         (size_t)one->n_rows * (output == BERT_OUTPUT_LOGITS ? config->n_labels
                                                                             : config->hidden_size),
                         &result);
    free(data);
    if (!ok)
        return fault_set(fault,
                         "%s: case '%s': '%s' needs a \"data\" of as many numbers as the model "
                         "gives",
                         path, one->name, name);
    *all_ok &= report(one, name, &result, tolerance);
    return true;
}

static bool verify_case(engine *engine, const cJSON *json, const cJSON *names, double tolerance,
                        const char *path, bool *all_ok, fault *fault)
{
    padded_case one;
    bool ok = read_case(json, path, &one, fault);
    const cJSON *tensor, *expected = cJSON_GetObjectItemCaseSensitive(json, "outputs");
    if (ok && (!cJSON_IsObject(expected) || !expected->child))
        ok = fault_set(fault, "%s: case '%s' has no object of outputs", path, one.name);
    cJSON_ArrayForEach(tensor, expected)
    {
        const cJSON *kind = cJSON_GetObjectItemCaseSensitive(names, tensor->string);
        int output = 0;
        while (ok && output < BERT_OUTPUT_COUNT &&
               !(cJSON_IsString(kind) &&
                 strcmp(bert_output_name((bert_output)output), kind->valuestring) == 0))
            output++;
        if (ok && output == BERT_OUTPUT_COUNT)
            ok = fault_set(fault, "%s: the model has no output '%s'", path, tensor->string);
        ok = ok && verify_output(engine, &one, (bert_output)output, tensor->string, tensor,
                                 tolerance, path, all_ok, fault);
    }
    free_case(&one);
    return ok;
}

/* The trace: every layer's hidden states and attention probabilities of one case. */
static bool verify_trace(engine *engine, const cJSON *trace, const cJSON *cases, double tolerance,
                         const char *path, bool *all_ok, fault *fault)
{
    const cJSON *wanted = cJSON_GetObjectItemCaseSensitive(trace, "case"), *json = NULL, *item;
    cJSON_ArrayForEach(item, cases)
    {
        const cJSON *name = cJSON_GetObjectItemCaseSensitive(item, "name");
        if (cJSON_IsString(name) && cJSON_IsString(wanted) &&
            strcmp(name->valuestring, wanted->valuestring) == 0)
            json = item;
    }
    padded_case one = {0};
    if (!json)
        return fault_set(fault, "%s: the trace's case is the name of none", path);
    if (!read_case(json, path, &one, fault)) {
        free_case(&one);
        return false;
    }
    const bert_config *config = &engine->config;
    size_t per_layer = (size_t)one.n_tokens * config->hidden_size, maps = 0;
    for (uint32_t r = 0; r < one.n_rows; r++)
        maps += (size_t)config->n_heads * one.lengths[r] * one.lengths[r];
    float *states = NULL, *attentions = NULL;
    bool ok = run(engine, &one, BERT_OUTPUT_HIDDEN_STATES, &states, path, fault) &&
              run(engine, &one, BERT_OUTPUT_ATTENTIONS, &attentions, path, fault);
    comparison of_states = {0}, of_attentions = {0};
    const cJSON *layers = cJSON_GetObjectItemCaseSensitive(trace, "hidden_states");
    const cJSON *probabilities = cJSON_GetObjectItemCaseSensitive(trace, "attentions");
    ok = ok && cJSON_GetArraySize(layers) == (int)config->n_layers + 1 &&
         cJSON_GetArraySize(probabilities) == (int)config->n_layers;
    for (uint32_t i = 0; ok && i <= config->n_layers; i++)
        ok = compare_tokens(&one, states + i * per_layer,
                            first_number(cJSON_GetArrayItem(layers, (int)i)), config->hidden_size,
                            &of_states);
    for (uint32_t i = 0; ok && i < config->n_layers; i++)
        ok = compare_attentions(&one, attentions + i * maps,
                                first_number(cJSON_GetArrayItem(probabilities, (int)i)),
                                config->n_heads, &of_attentions);
    if (ok) {
        *all_ok &= report(&one, "hidden_states", &of_states, tolerance);
        *all_ok &= report(&one, "attentions", &of_attentions, tolerance);
    }
    free(states);
    free(attentions);
    free_case(&one);
    return ok ||
           fault_set(fault,
                     "%s: the trace needs hidden_states of %u layers and one more, attentions "
                     "of %u, and as many numbers as the model gives",
                     path, config->n_layers, config->n_layers);
}

bool verify(const char *golden, const char *path, double tolerance, fault *fault)
{
    file file;
    engine engine = {0};
    cJSON *json = NULL;
    bool all_ok = true, ok = file_open(golden, &file, fault);
    if (ok)
        ok = (json = json_object(golden, file.data, file.n_bytes, fault)) != NULL;
    const cJSON *cases = cJSON_GetObjectItemCaseSensitive(json, "cases"), *one;
    const cJSON *trace = cJSON_GetObjectItemCaseSensitive(json, "trace");
    if (ok && (!cJSON_IsArray(cases) || !cases->child))
        ok = fault_set(fault, "%s: is no golden.json: it has no list of cases", golden);
    ok = ok && open_engine(&engine, path, MAX_CASE_TOKENS, fault);
    const cJSON *names = cJSON_GetObjectItemCaseSensitive(engine.file.config, "outputs");
    cJSON_ArrayForEach(one, cases) ok =
        ok && verify_case(&engine, one, names, tolerance, golden, &all_ok, fault);
    if (trace)
        ok = ok && verify_trace(&engine, trace, cases, tolerance, golden, &all_ok, fault);
    close_engine(&engine);
    cJSON_Delete(json);
    file_close(&file);
    return ok && (all_ok ||
                  fault_set(fault, "%s: differs from %s by more than %g", path, golden, tolerance));
}

/* calibrate.c - see calibrate.h. */
#include "quantise/calibrate.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/json.h"

/* Adds the products of a row's inputs to the upper triangle of `moments` [n, n]. */
static void add_moments(const float *row, uint32_t n, float *moments)
{
    for (uint32_t i = 0; i < n; i++, moments += n) {
        float x = row[i];
        if (x != 0)
            for (uint32_t j = i; j < n; j++)
                moments[j] += x * row[j];
    }
}

static void observe(void *argument, uint32_t layer, bert_site site, const float *inputs,
                    uint32_t n_rows, uint32_t n_columns)
{
    calibration_data *calibration = argument;
    size_t n = n_columns;
    float *largest = calibration->largest[site] + layer * n;
    for (uint32_t r = 0; r < n_rows; r++, inputs += n) {
        for (uint32_t i = 0; i < n_columns; i++)
            largest[i] = fmaxf(largest[i], fabsf(inputs[i]));
        if (calibration->moments[site])
            add_moments(inputs, n_columns, calibration->moments[site] + layer * n * n);
    }
}

/* The whole numbers of an array, or NULL; how many in *n. */
static uint32_t *numbers(const cJSON *array, uint32_t *n)
{
    *n = (uint32_t)cJSON_GetArraySize(array);
    uint32_t *values = calloc(*n + 1, sizeof *values);
    uint32_t i = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, array)
    {
        double number = cJSON_IsNumber(item) ? item->valuedouble : -1;
        if (values && number >= 0 && number <= UINT32_MAX && number == floor(number))
            values[i++] = (uint32_t)number;
    }
    if (values && (i != *n || i == 0)) {
        free(values);
        return NULL;
    }
    return values;
}

/* One line of the file: a text. Tokens beyond what the model takes are left out. */
static bool run_line(const native_model *native, const char *line, const char *where,
                     calibration_data *calibration, fault_text *fault)
{
    cJSON *json = cJSON_Parse(line);
    const cJSON *types = cJSON_GetObjectItemCaseSensitive(json, "type_ids");
    uint32_t n, n_types = 0, most = native->max_sequence_tokens;
    uint32_t *ids = numbers(cJSON_GetObjectItemCaseSensitive(json, "ids"), &n);
    uint32_t *token_types = types ? numbers(types, &n_types) : NULL;
    bool ok = true;
    if (!ids || (types && (!token_types || n_types != n))) {
        ok = fault_set(fault,
                       "%s: expected an object with `ids`, and perhaps as many `type_ids`, as "
                       "bert-wasm tokenize writes it",
                       where);
    } else {
        n = n < most ? n : most;
        bert_batch batch = {
            .n_sequences = 1, .lengths = &n, .ids = ids, .token_types = token_types};
        bert_error error = {0};
        if (bert_encode(native->session, &batch, &(bert_outputs){{0}}, &error) != BERT_OK)
            ok = fault_set_error(fault, where, &error);
        calibration->n_tokens += n;
    }
    free(ids);
    free(token_types);
    cJSON_Delete(json);
    return ok;
}

static bool run_file(const native_model *native, const char *path, calibration_data *calibration,
                     fault_text *fault)
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
        ok = fault_set(fault, "%s: has no text", path);
    free(line);
    fclose(file);
    return ok;
}

bool calibrate(const native_model *model, const char *path, bool with_moments,
               calibration_data *calibration, fault_text *fault)
{
    const bert_config *config = bert_model_config(model->model);
    size_t n_layers = bert_config_n_stored_layers(config);
    for (int site = 0; site < BERT_SITE_COUNT; site++) {
        size_t n = bert_site_columns(config, (bert_site)site);
        calibration->largest[site] = calloc(n_layers * n + 1, sizeof(float));
        if (with_moments)
            calibration->moments[site] = calloc(n_layers * n * n + 1, sizeof(float));
        if (!calibration->largest[site] || (with_moments && !calibration->moments[site]))
            return fault_set(fault, "out of memory");
    }
    bert_session_observe(model->session, observe, calibration);
    bool ok = run_file(model, path, calibration, fault);
    bert_session_observe(model->session, NULL, NULL);
    return ok;
}

void calibration_free(calibration_data *calibration)
{
    for (int site = 0; site < BERT_SITE_COUNT; site++) {
        free(calibration->largest[site]);
        free(calibration->moments[site]);
    }
}

/* calibrate.c - see calibrate.h. */
#include "quantise/calibrate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/file.h"
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

/* Keeps every stride-th row; when there is no more room, every second of those that were kept. */
static void keep_row(calibration_site *site, const float *row)
{
    size_t n = site->n_columns;
    if (site->n_seen++ % site->stride != 0)
        return;
    if (site->n_rows == CALIBRATION_ROWS) {
        site->n_rows /= 2;
        site->stride *= 2;
        for (uint32_t r = 1; r < site->n_rows; r++)
            memcpy(site->rows + r * n, site->rows + 2 * r * n, n * sizeof(float));
    }
    memcpy(site->rows + site->n_rows++ * n, row, n * sizeof(float));
}

void calibration_see(calibration_data *calibration, uint32_t layer, bert_site which,
                     const float *rows, uint32_t n_rows)
{
    calibration_site *site = calibration_at(calibration, layer, which);
    for (uint32_t r = 0; r < n_rows; r++, rows += site->n_columns) {
        for (uint32_t i = 0; i < site->n_columns; i++)
            site->squares[i] += (double)rows[i] * rows[i];
        if (site->moments)
            add_moments(rows, site->n_columns, site->moments);
        keep_row(site, rows);
    }
}

static void observe(void *argument, uint32_t layer, bert_site which, const float *inputs,
                    uint32_t n_rows, uint32_t n_columns)
{
    (void)n_columns;
    calibration_see(argument, layer, which, inputs, n_rows);
}

bool calibrate_batch(const native_model *model, const bert_batch *batch, const char *what,
                     calibration_data *calibration, fault_text *fault)
{
    bert_error error = {0};
    bert_session_observe(model->session, observe, calibration);
    bert_status status = bert_encode(model->session, batch, &(bert_outputs){{0}}, &error);
    bert_session_observe(model->session, NULL, NULL);
    for (uint32_t i = 0; i < batch->n_sequences; i++)
        calibration->n_tokens += batch->lengths[i];
    return status == BERT_OK || fault_set_error(fault, what, &error);
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

/* One line of the file, n_bytes: a text. Tokens beyond what the model takes are left out. */
static bool run_line(const native_model *native, const char *line, size_t n_bytes,
                     const char *where, calibration_data *calibration, fault_text *fault)
{
    cJSON *json = cJSON_ParseWithLength(line, n_bytes);
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
        ok = calibrate_batch(native, &batch, where, calibration, fault);
    }
    free(ids);
    free(token_types);
    cJSON_Delete(json);
    return ok;
}

static bool is_blank(const char *line, size_t n_bytes)
{
    size_t i = 0;
    while (i < n_bytes && strchr(" \t\r", line[i]) && line[i])
        i++;
    return i == n_bytes;
}

bool calibrate_file(const native_model *native, const char *path, calibration_data *calibration,
                    fault_text *fault)
{
    whole_file file;
    bool ok = file_open(path, &file, fault);
    const char *line = (const char *)file.data, *end = line + file.n_bytes;
    for (int number = 1; ok && line < end; number++) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        size_t n_bytes = (size_t)((next ? next : end) - line);
        char where[256];
        snprintf(where, sizeof where, "%.200s, line %d", path, number);
        if (!is_blank(line, n_bytes))
            ok = run_line(native, line, n_bytes, where, calibration, fault);
        line = next ? next + 1 : end;
    }
    if (ok && calibration->n_tokens == 0)
        ok = fault_set(fault, "%s: has no text", path);
    file_close(&file);
    return ok;
}

calibration_site *calibration_at(const calibration_data *calibration, uint32_t layer,
                                 bert_site site)
{
    return &calibration->sites[layer * BERT_SITE_COUNT + site];
}

bool calibration_alloc(calibration_data *calibration, const bert_config *config, bool with_moments,
                       fault_text *fault)
{
    calibration->n_layers = bert_config_n_stored_layers(config);
    size_t n_sites = (size_t)calibration->n_layers * BERT_SITE_COUNT;
    calibration->sites = calloc(n_sites + 1, sizeof *calibration->sites);
    bool ok = calibration->sites != NULL;
    for (size_t i = 0; ok && i < n_sites; i++) {
        calibration_site *site = &calibration->sites[i];
        uint32_t columns = bert_site_columns(config, (bert_site)(i % BERT_SITE_COUNT));
        size_t n = columns;
        *site = (calibration_site){.n_columns = columns,
                                   .stride = 1,
                                   .squares = calloc(n, sizeof(double)),
                                   .rows = calloc(CALIBRATION_ROWS * n, sizeof(float))};
        if (with_moments)
            site->moments = calloc(n * n, sizeof(float));
        ok = site->squares && site->rows && (site->moments || !with_moments);
    }
    return ok || fault_set(fault, "out of memory for calibration");
}

void calibration_free(calibration_data *calibration)
{
    for (size_t i = 0; calibration->sites && i < (size_t)calibration->n_layers * BERT_SITE_COUNT;
         i++) {
        free(calibration->sites[i].squares);
        free(calibration->sites[i].moments);
        free(calibration->sites[i].rows);
    }
    free(calibration->sites);
    *calibration = (calibration_data){0};
}

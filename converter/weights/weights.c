/* weights.c - see weights.h. */
#include "weights/weights.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bert_weight *weights_add(bert_weights *weights, weight_kind kind, uint32_t n_rows,
                         uint32_t n_columns, const char *prefix, const char *suffix)
{
    if (weights->n_weights == weights->capacity) {
        weights->capacity = weights->capacity ? 2 * weights->capacity : 256;
        weights->weights = realloc(weights->weights, weights->capacity * sizeof *weights->weights);
        if (!weights->weights)
            abort();
    }
    bert_weight *weight = &weights->weights[weights->n_weights++];
    *weight = (bert_weight){.kind = kind, .rank = 1, .n_rows = n_rows, .n_columns = n_columns};
    snprintf(weight->name, sizeof weight->name, "%s%s", prefix, suffix);
    return weight;
}

bert_weight *weights_find(const bert_weights *weights, const char *name)
{
    for (size_t i = 0; i < weights->n_weights; i++)
        if (strcmp(weights->weights[i].name, name) == 0)
            return &weights->weights[i];
    return NULL;
}

bool weights_gives(const bert_weights *weights, bert_output output)
{
    for (size_t i = 0; i < weights->n_outputs; i++)
        if (weights->outputs[i].output == output)
            return true;
    return false;
}

bool weights_is_of_layer(const bert_weight *weight)
{
    return weight->kind == WEIGHT_MATRIX && strncmp(weight->name, "layers.", 7) == 0;
}

bool weights_leads(const bert_weight *weight)
{
    return weights_is_of_layer(weight) && !strstr(weight->name, ".attention.key") &&
           !strstr(weight->name, ".attention.value");
}

void weights_forget(bert_weights *weights, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        bert_weight *weight = &weights->weights[i];
        if (weights_leads(weight))
            free((float *)weight->smooth);
        weight->smooth = weight->moments = NULL;
    }
}

void weights_free(bert_weights *weights)
{
    weights_forget(weights, 0, weights->n_weights);
    free(weights->weights);
    *weights = (bert_weights){0};
}

static bool check_finite(const bert_weight *weight, const float *values, fault_text *fault)
{
    size_t n_columns = weight->n_columns, n = weight->n_rows * n_columns;
    for (size_t i = 0; i < n; i++)
        if (!isfinite(values[i]))
            return fault_set(fault, "the weight '%s' has %g at row %zu, column %zu", weight->name,
                             (double)values[i], i / n_columns, i % n_columns);
    return true;
}

/* Picks the weight's rows and columns from all numbers of its source. */
static void pick(const bert_weight *weight, const float *from, float *values)
{
    const weight_source *source = &weight->source;
    size_t n_rows = weight->n_rows, n_columns = weight->n_columns;
    /* Steps in `from` to the next row, and to the next column. */
    size_t width = source->array ? (size_t)source->array->dims[source->array->rank - 1] : n_columns;
    size_t row_step = source->is_transposed ? 1 : width;
    size_t column_step = source->is_transposed ? width : 1;
    from += source->first_row * row_step;
    for (size_t r = 0; r < n_rows; r++)
        for (size_t c = 0; c < n_columns; c++) {
            size_t column = source->columns ? source->columns[c] : c;
            float value = from[r * row_step + column * column_step];
            values[r * n_columns + c] = source->scale ? value * source->scale[c] : value;
        }
}

/* Whether the numbers lie in the source as they are wanted. */
static bool is_straight(const bert_weight *weight)
{
    const weight_source *source = &weight->source;
    const graph_array *array = source->array;
    return array && !source->is_transposed && !source->columns && !source->scale &&
           (weight->kind == WEIGHT_VECTOR ||
            array->dims[array->rank - 1] == (int64_t)weight->n_columns);
}

bool weights_read(const bert_weight *weight, float *values, fault_text *fault)
{
    const weight_source *source = &weight->source;
    graph_array *array = source->array;
    bool had = array && array_is_resident(array), ok = true;
    if (is_straight(weight)) {
        int64_t width = weight->n_columns;
        ok = array_read(array, source->first_row * width, weight->n_rows * width, values, fault);
    } else {
        const float *from = array ? array_floats(array, fault) : source->values;
        ok = from || fault_set(fault, "out of memory for '%s'", weight->name);
        if (ok)
            pick(weight, from, values);
    }
    if (array && !had)
        array_drop(array);
    return ok && check_finite(weight, values, fault);
}

float *weights_floats(const bert_weight *weight, fault_text *fault)
{
    float *values = malloc((size_t)weight->n_rows * weight->n_columns * sizeof *values + 1);
    if (!values) {
        fault_set(fault, "out of memory for '%s'", weight->name);
        return NULL;
    }
    if (weights_read(weight, values, fault))
        return values;
    free(values);
    return NULL;
}

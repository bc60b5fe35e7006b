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

void weights_free(bert_weights *weights)
{
    for (size_t i = 0; i < weights->n_weights; i++)
        if (weights->weights[i].smooth_leads)
            free((float *)weights->weights[i].smooth);
    free(weights->weights);
    *weights = (bert_weights){0};
}

float *weights_floats(const bert_weight *weight, fault_text *fault)
{
    const weight_source *source = &weight->source;
    size_t n_rows = weight->n_rows, n_columns = weight->n_columns;
    const float *from = source->array ? array_floats(source->array, fault) : source->values;
    float *values = from ? malloc(n_rows * n_columns * sizeof *values + 1) : NULL;
    if (!values) {
        fault_set(fault, "out of memory for '%s'", weight->name);
        return NULL;
    }
    /* Steps in `from` to the next row, and to the next column. */
    size_t width = source->array ? (size_t)source->array->dims[source->array->rank - 1] : n_columns;
    size_t row_step = source->is_transposed ? 1 : width;
    size_t column_step = source->is_transposed ? width : 1;
    from += source->first_row * row_step;
    for (size_t r = 0; r < n_rows; r++) {
        for (size_t c = 0; c < n_columns; c++) {
            size_t column = source->columns ? source->columns[c] : c;
            float value = from[r * row_step + column * column_step];
            if (source->scale)
                value *= source->scale[c];
            if (!isfinite(value)) {
                fault_set(fault, "the weight '%s' has %g at row %zu, column %zu", weight->name,
                          (double)value, r, c);
                free(values);
                return NULL;
            }
            values[r * n_columns + c] = value;
        }
    }
    return values;
}

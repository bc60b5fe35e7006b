/* compare.c - see compare.h. */
#include "native/compare.h"

#include <math.h>
#include <string.h>

#include "maths/maths.h"

/* Whether the index takes a column, and not a layer. */
static bool takes_column(const output_name *output)
{
    return output->index >= 0 && output->output != BERT_OUTPUT_HIDDEN_STATES &&
           output->output != BERT_OUTPUT_ATTENTIONS;
}

size_t compare_count(const padded_batch *batch, const output_name *output)
{
    size_t width = batch->width, n_rows = batch->n_rows;
    if (output->output == BERT_OUTPUT_ATTENTIONS)
        return n_rows * batch->config->n_heads * width * width;
    if (bert_output_is_of_tokens(output->output))
        n_rows *= width;
    return n_rows * (takes_column(output) ? 1 : bert_output_columns(batch->config, output->output));
}

/* `result` NULL: what is given is what is to be expected. */
static void compare(float got, double *expected, comparison *result)
{
    if (!result) {
        *expected = got;
        return;
    }
    double error = fabs(got - *expected);
    if (!(error <= result->error)) /* NaN too */
        result->error = isnan(error) ? INFINITY : error;
    result->largest = fmax(result->largest, fabs(*expected));
    result->count++;
}

/* A number of a row, after the graph's last activation. */
static float finished(const float *row, uint32_t column, uint32_t n_columns, const char *activation)
{
    double sum = 0;
    if (!activation)
        return row[column];
    if (strcmp(activation, "sigmoid") == 0)
        return (float)(1 / (1 + maths_exp(-row[column])));
    for (uint32_t i = 0; i < n_columns; i++)
        sum += maths_exp((double)row[i] - row[column]);
    return (float)(1 / sum);
}

static void compare_row(const output_name *output, uint32_t n_columns, const float *got,
                        double *expected, comparison *result)
{
    bool takes = takes_column(output);
    for (uint32_t i = 0; i < (takes ? 1 : n_columns); i++)
        compare(finished(got, takes ? (uint32_t)output->index : i, n_columns, output->activation),
                expected + i, result);
}

/* Probabilities of [n_rows, n_heads, width, width]; got: [n_heads, n, n] a sequence. */
static void compare_attentions(const padded_batch *batch, const float *got, double *expected,
                               comparison *result)
{
    size_t width = batch->width;
    for (uint32_t r = 0, first = 0; r < batch->n_rows; first += batch->lengths[r++]) {
        const uint32_t *places = batch->places + first;
        uint32_t n = batch->lengths[r];
        for (uint32_t h = 0; h < batch->config->n_heads; h++, expected += width * width)
            for (uint32_t i = 0; i < n; i++)
                for (uint32_t k = 0; k < n; k++)
                    compare(*got++, expected + places[i] * width + places[k], result);
    }
}

/* Probabilities of a layer that are computed. */
static size_t count_attentions(const padded_batch *batch)
{
    size_t count = 0;
    for (uint32_t r = 0; r < batch->n_rows; r++)
        count += (size_t)batch->config->n_heads * batch->lengths[r] * batch->lengths[r];
    return count;
}

static void compare_all(const padded_batch *batch, const output_name *output, const float *got,
                        double *expected, comparison *result)
{
    uint32_t n = bert_output_columns(batch->config, output->output);
    uint32_t n_expected = takes_column(output) ? 1 : n;
    size_t layer = output->index > 0 ? (size_t)output->index : 0;
    if (output->output == BERT_OUTPUT_ATTENTIONS) {
        compare_attentions(batch, got + layer * count_attentions(batch), expected, result);
        return;
    }
    if (!bert_output_is_of_tokens(output->output)) {
        for (uint32_t r = 0; r < batch->n_rows; r++)
            compare_row(output, n, got + (size_t)r * n, expected + (size_t)r * n_expected, result);
        return;
    }
    if (output->output == BERT_OUTPUT_HIDDEN_STATES)
        got += layer * batch->n_tokens * n;
    for (uint32_t r = 0, token = 0; r < batch->n_rows; r++)
        for (uint32_t i = 0; i < batch->lengths[r]; i++, token++)
            compare_row(output, n, got + (size_t)token * n,
                        expected + ((size_t)r * batch->width + batch->places[token]) * n_expected,
                        result);
}

void compare_output(const padded_batch *batch, const output_name *output, const float *got,
                    const double *expected, comparison *result)
{
    compare_all(batch, output, got, (double *)expected, result);
}

void compare_expect(const padded_batch *batch, const output_name *output, const float *got,
                    double *expected)
{
    compare_all(batch, output, got, expected, NULL);
}

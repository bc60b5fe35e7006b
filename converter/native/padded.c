/* padded.c - see padded.h. */
#include "native/padded.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool padded_alloc(padded_batch *batch, uint32_t n_rows, uint32_t width, fault_text *fault)
{
    size_t n = (size_t)n_rows * width;
    *batch = (padded_batch){.n_rows = n_rows, .width = width};
    batch->lengths = calloc(n_rows, sizeof(uint32_t));
    batch->ids = calloc(n, sizeof(uint32_t));
    batch->types = calloc(n, sizeof(uint32_t));
    batch->positions = calloc(n, sizeof(uint32_t));
    batch->places = calloc(n, sizeof(uint32_t));
    return (batch->lengths && batch->ids && batch->types && batch->positions && batch->places) ||
           fault_set(fault, "out of memory for a batch");
}

void padded_free(padded_batch *batch)
{
    free(batch->lengths);
    free(batch->ids);
    free(batch->types);
    free(batch->positions);
    free(batch->places);
    *batch = (padded_batch){0};
}

bool padded_apply_mask(padded_batch *batch, const bert_config *config, const uint32_t *mask)
{
    for (uint32_t r = 0, i = 0; r < batch->n_rows; r++) {
        uint32_t n_padding = 0; /* left out, and not counted by models that do not count it */
        for (uint32_t c = 0; c < batch->width; c++, i++) {
            if (mask[i] > 1)
                return false;
            if (mask[i] == 0) {
                n_padding += config->first_position && batch->ids[i] == config->first_position - 1;
                continue;
            }
            batch->ids[batch->n_tokens] = batch->ids[i];
            batch->types[batch->n_tokens] = config->n_token_types ? batch->types[i] : 0;
            batch->positions[batch->n_tokens] = c - n_padding;
            batch->places[batch->n_tokens++] = c;
            batch->lengths[r]++;
        }
        if (batch->lengths[r] == 0)
            return false;
    }
    return true;
}

float *padded_run(const native_model *native, const padded_batch *batch, bert_output output,
                  const char *what, fault_text *fault)
{
    bert_batch ragged = {.n_sequences = batch->n_rows,
                         .lengths = batch->lengths,
                         .ids = batch->ids,
                         .token_types = batch->types,
                         .positions = batch->positions};
    bert_error error = {0};
    size_t count;
    float *data = NULL;
    if (bert_output_count(bert_model_config(native->model), output, &ragged, &count, &error) !=
        BERT_OK) {
        native_fault(fault, what, &error);
        return NULL;
    }
    data = malloc(count * sizeof *data + 1);
    bert_outputs outputs = {0};
    outputs.data[output] = data;
    if (!data) {
        fault_set(fault, "%s: out of memory", what);
    } else if (bert_encode(native->session, &ragged, &outputs, &error) != BERT_OK) {
        native_fault(fault, what, &error);
        free(data);
        data = NULL;
    }
    return data;
}

/* Columns of an output's row, of all tokens or of a sequence. */
static uint32_t columns(const bert_config *config, bert_output output)
{
    switch (output) {
    case BERT_OUTPUT_LOGITS:
        return config->n_labels;
    case BERT_OUTPUT_TOKEN_LOGITS:
        return config->n_token_labels;
    case BERT_OUTPUT_LM_LOGITS:
        return config->vocab_size;
    case BERT_OUTPUT_SENTENCE_EMBEDDING:
        return config->embedding_dim ? config->embedding_dim : config->hidden_size;
    default:
        return config->hidden_size;
    }
}

static bool has_tokens(bert_output output)
{
    return output == BERT_OUTPUT_LAST_HIDDEN_STATE || output == BERT_OUTPUT_TOKEN_LOGITS ||
           output == BERT_OUTPUT_LM_LOGITS || output == BERT_OUTPUT_HIDDEN_STATES;
}

/* Whether the index takes a column, and not a layer. */
static bool takes_column(const padded_output *output)
{
    return output->index >= 0 && output->output != BERT_OUTPUT_HIDDEN_STATES &&
           output->output != BERT_OUTPUT_ATTENTIONS;
}

size_t padded_count(const bert_config *config, const padded_batch *batch,
                    const padded_output *output)
{
    size_t rows = (size_t)batch->n_rows * (has_tokens(output->output) ? batch->width : 1);
    if (output->output == BERT_OUTPUT_ATTENTIONS)
        return rows * config->n_heads * batch->width * batch->width;
    return rows * (takes_column(output) ? 1 : columns(config, output->output));
}

static void compare(float got, double expected, comparison *result)
{
    double error = fabs(got - expected);
    if (!(error <= result->error)) /* NaN too */
        result->error = isnan(error) ? INFINITY : error;
    result->largest = fmax(result->largest, fabs(expected));
    result->count++;
}

/* The number of a row after what the graph does last. */
static float finished(const float *row, uint32_t column, uint32_t n_columns, const char *activation)
{
    double sum = 0;
    if (!activation)
        return row[column];
    if (strcmp(activation, "sigmoid") == 0)
        return 1 / (1 + expf(-row[column]));
    for (uint32_t i = 0; i < n_columns; i++)
        sum += exp((double)row[i] - row[column]);
    return (float)(1 / sum);
}

static void compare_row(const padded_output *output, uint32_t n_columns, const float *got,
                        const double *expected, comparison *result)
{
    bool takes = takes_column(output);
    for (uint32_t i = 0; i < (takes ? 1 : n_columns); i++)
        compare(finished(got, takes ? (uint32_t)output->index : i, n_columns, output->activation),
                expected[i], result);
}

/* Probabilities of [n_rows, n_heads, width, width]; got: [n_heads, n, n] a sequence. */
static void compare_attentions(const bert_config *config, const padded_batch *batch,
                               const float *got, const double *expected, comparison *result)
{
    size_t width = batch->width;
    for (uint32_t r = 0, first = 0; r < batch->n_rows; first += batch->lengths[r++]) {
        const uint32_t *places = batch->places + first;
        uint32_t n = batch->lengths[r];
        for (uint32_t h = 0; h < config->n_heads; h++, expected += width * width)
            for (uint32_t i = 0; i < n; i++)
                for (uint32_t k = 0; k < n; k++)
                    compare(*got++, expected[places[i] * width + places[k]], result);
    }
}

void padded_compare(const bert_config *config, const padded_batch *batch,
                    const padded_output *output, const float *got, const double *expected,
                    comparison *result)
{
    uint32_t n = columns(config, output->output), n_expected = takes_column(output) ? 1 : n;
    size_t layer = output->index > 0 ? (size_t)output->index : 0;
    if (output->output == BERT_OUTPUT_ATTENTIONS) {
        size_t maps = 0;
        for (uint32_t r = 0; r < batch->n_rows; r++)
            maps += (size_t)config->n_heads * batch->lengths[r] * batch->lengths[r];
        compare_attentions(config, batch, got + layer * maps, expected, result);
        return;
    }
    if (!has_tokens(output->output)) {
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

/* padded.c - see padded.h. */
#include "native/padded.h"

#include <stdlib.h>
#include <string.h>

bool padded_alloc(padded_batch *batch, const bert_config *config, uint32_t n_rows, uint32_t width,
                  fault_text *fault)
{
    size_t n = (size_t)n_rows * width;
    *batch = (padded_batch){.config = config, .n_rows = n_rows, .width = width};
    batch->ids = calloc(n, sizeof(uint32_t));
    batch->types = calloc(n, sizeof(uint32_t));
    batch->mask = calloc(n, 1);
    batch->lengths = calloc(n_rows, sizeof(uint32_t));
    batch->positions = calloc(n, sizeof(uint32_t));
    batch->places = calloc(n, sizeof(uint32_t));
    return (batch->ids && batch->types && batch->mask && batch->lengths && batch->positions &&
            batch->places) ||
           fault_set(fault, "out of memory for a batch");
}

void padded_free(padded_batch *batch)
{
    free(batch->ids);
    free(batch->types);
    free(batch->mask);
    free(batch->lengths);
    free(batch->positions);
    free(batch->places);
    *batch = (padded_batch){0};
}

bool padded_apply_mask(padded_batch *batch)
{
    size_t width = batch->width;
    for (size_t r = 0; r < batch->n_rows; r++) {
        /* What is kept only moves to the front, so that it can be written in place. */
        const uint32_t *ids = batch->ids + r * width, *types = batch->types + r * width;
        const uint8_t *mask = batch->mask + r * width;
        uint32_t n = batch->n_tokens, *places = batch->places + n;
        if (!memchr(mask, 1, width))
            return false;
        batch->lengths[r] = bert_sequence_keep(batch->config, batch->width, ids, mask, places,
                                               batch->positions + n);
        for (uint32_t i = 0; i < batch->lengths[r]; i++, n++) {
            batch->ids[n] = ids[places[i]];
            batch->types[n] = batch->config->n_token_types ? types[places[i]] : 0;
            batch->mask[n] = mask[places[i]];
        }
        batch->n_tokens = n;
    }
    return true;
}

bert_batch padded_ragged(const padded_batch *batch)
{
    return (bert_batch){.n_sequences = batch->n_rows,
                        .lengths = batch->lengths,
                        .ids = batch->ids,
                        .token_types = batch->types,
                        .positions = batch->positions,
                        .attended = batch->mask};
}

float *padded_run(const native_model *native, const padded_batch *batch, bert_output output,
                  const char *what, fault_text *fault)
{
    bert_batch ragged = padded_ragged(batch);
    bert_error error = {0};
    size_t count;
    if (bert_output_count(batch->config, output, &ragged, &count, &error) != BERT_OK) {
        fault_set_error(fault, what, &error);
        return NULL;
    }
    float *data = malloc(count * sizeof *data + 1);
    bert_outputs outputs = {0};
    outputs.data[output] = data;
    if (!data) {
        fault_set(fault, "%s: out of memory", what);
    } else if (bert_encode(native->session, &ragged, &outputs, &error) != BERT_OK) {
        fault_set_error(fault, what, &error);
        free(data);
        data = NULL;
    }
    return data;
}

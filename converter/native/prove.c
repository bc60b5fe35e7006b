/* prove.c - see prove.h. */
#include "native/prove.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "native/compare.h"

/* Tokens of a case, if the graph takes any number: more than the first rows of relative
 * positions. */
#define CASE_TOKENS 17

/* Numbers of an output that go with a model file. */
#define N_SAMPLES 32

/* --------------------------------------------------------------------------------- the graph -- */

/* A reproducible sequence: Numerical Recipes, 7.1. */
static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static graph_array *integers(int64_t n_rows, int64_t width)
{
    fault_text ignored = {0};
    graph_array *array = array_new(ARRAY_INTEGER, 2, (int64_t[]){n_rows, width}, &ignored);
    if (!array)
        abort();
    return array;
}

/* Inputs of a graph: random ids, the second half of each row another type, and `lengths` tokens of
 * each row; the rest is padding. */
static void fill_inputs(const bert_config *config, const uint32_t *lengths, uint32_t seed,
                        graph_array *inputs[ROLE_COUNT])
{
    int64_t width = inputs[ROLE_IDS]->dims[1];
    uint32_t uncounted = bert_config_padding_id(config);
    uint32_t padding = uncounted == BERT_NO_TOKEN ? 0 : uncounted;
    for (int64_t i = 0; i < inputs[ROLE_IDS]->count; i++) {
        int64_t row = i / width, column = i % width, n = lengths[row];
        uint32_t id = next_random(&seed) % config->vocab_size;
        if (id == padding)
            id = (id + 1) % config->vocab_size;
        inputs[ROLE_IDS]->integers[i] = column < n ? id : padding;
        inputs[ROLE_MASK]->integers[i] = column < n;
        inputs[ROLE_TYPES]->integers[i] =
            config->n_token_types > 1 && column < n && column >= n / 2;
        inputs[ROLE_POSITIONS]->integers[i] =
            column < n ? bert_config_position_row(config, id, (uint32_t)column, 0) : padding;
    }
}

/* Outputs of the graph for these inputs. */
static bool run_graph(graph_reader *reader, const bert_weights *weights,
                      graph_array *inputs[ROLE_COUNT], proof_case *one, fault_text *fault)
{
    graph_evaluation *evaluation = evaluation_new(reader->graph, reader->constants);
    for (int i = 0; i < ROLE_COUNT; i++)
        if (reader->inputs[i])
            evaluation_set(evaluation, reader->inputs[i], array_share(inputs[i]));
    graph_value *wanted[WEIGHTS_MAX_OUTPUTS];
    size_t n_wanted = 0;
    /* What was added stands behind what is in the graph. */
    while (n_wanted < weights->n_outputs && !weights->outputs[n_wanted].is_added) {
        wanted[n_wanted] = graph_find(reader->graph, weights->outputs[n_wanted].onnx);
        n_wanted++;
    }
    bool ok = evaluation_run(evaluation, wanted, n_wanted, fault);
    for (size_t k = 0; ok && k < n_wanted; k++) {
        const output_name *name = &weights->outputs[k];
        size_t n = compare_count(&one->batch, name);
        graph_array *answer = evaluation_get(evaluation, wanted[k], fault);
        const float *floats = answer ? array_floats(answer, fault) : NULL;
        one->expected[k] = malloc(n * sizeof(double) + 1);
        ok = floats && one->expected[k] && (size_t)answer->count == n;
        if (!ok)
            fault_set(fault, "the graph's output '%s' has %lld numbers, %zu were expected",
                      name->onnx, answer ? (long long)answer->count : 0LL, n);
        for (size_t i = 0; ok && i < n; i++)
            one->expected[k][i] = floats[i];
    }
    evaluation_free(evaluation);
    return ok;
}

/* `reader` NULL: there is no graph. */
static bool add_case(model_proof *proof, graph_reader *reader, uint32_t n_rows, uint32_t width,
                     const uint32_t *lengths, fault_text *fault)
{
    const bert_config *config = &proof->weights->config;
    proof_case *one = &proof->cases[proof->n_cases++];
    padded_batch *batch = &one->batch;
    bool has_types = !reader || reader->inputs[ROLE_TYPES];
    graph_array *inputs[ROLE_COUNT];
    for (int i = 0; i < ROLE_COUNT; i++)
        inputs[i] = integers(n_rows, width);
    fill_inputs(config, lengths, 20240 + (uint32_t)proof->n_cases, inputs);
    bool ok = padded_alloc(batch, config, n_rows, width, fault);
    for (size_t i = 0; ok && i < (size_t)n_rows * width; i++) {
        batch->ids[i] = (uint32_t)inputs[ROLE_IDS]->integers[i];
        batch->types[i] = has_types ? (uint32_t)inputs[ROLE_TYPES]->integers[i] : 0;
        batch->mask[i] = (uint8_t)inputs[ROLE_MASK]->integers[i];
    }
    ok = ok && padded_apply_mask(batch) &&
         (!reader || run_graph(reader, proof->weights, inputs, one, fault));
    for (int i = 0; i < ROLE_COUNT; i++)
        array_release(inputs[i]);
    return ok;
}

bool proof_open(model_proof *proof, graph_reader *reader, const bert_weights *weights,
                fault_text *fault)
{
    uint32_t width = reader && reader->is_static ? (uint32_t)reader->n_tokens : CASE_TOKENS;
    uint32_t most =
        native_most_tokens(&weights->config, &(bert_options){.max_sequence_tokens = width});
    bool has_mask = reader && reader->inputs[ROLE_MASK];
    uint32_t n_rows = reader ? (uint32_t)reader->n_batch : 1;
    if (width > most)
        width = most;
    *proof =
        (model_proof){.weights = weights,
                      .options = {.max_tokens = (n_rows + 1) * width, .max_sequence_tokens = most}};
    /* One whole sequence, then one beside a shorter one. */
    uint32_t *lengths = calloc(n_rows + 2, sizeof *lengths);
    bool ok = lengths || fault_set(fault, "out of memory for the proof");
    for (uint32_t i = 0; ok && i < n_rows + 2; i++)
        lengths[i] = width;
    ok = ok && add_case(proof, reader, n_rows, width, lengths, fault);
    if (ok && has_mask && width > 3) {
        bool is_open = n_rows == 1 && graph_input_dim(reader->graph, reader->inputs[0], 0) == 0;
        lengths[is_open ? 1 : 0] = width - width / 3;
        ok = add_case(proof, reader, is_open ? 2 : n_rows, width, lengths, fault);
    }
    free(lengths);
    return ok;
}

void proof_close(model_proof *proof)
{
    for (int i = 0; i < proof->n_cases; i++) {
        padded_free(&proof->cases[i].batch);
        for (size_t k = 0; k < WEIGHTS_MAX_OUTPUTS; k++)
            free(proof->cases[i].expected[k]);
    }
    *proof = (model_proof){0};
}

/* ---------------------------------------------------------------------------------- the core -- */

bool proof_answers_open(const model_proof *proof, proof_answers *answers, fault_text *fault)
{
    const bert_weights *weights = proof->weights;
    for (int i = 0; i < proof->n_cases; i++) {
        streamed_batch *one = &answers->batches[i];
        bert_error error = {0};
        *one =
            (streamed_batch){.batch = padded_ragged(&proof->cases[i].batch), .what = "the proof"};
        for (size_t k = 0; k < weights->n_outputs; k++) {
            bert_output output = weights->outputs[k].output;
            size_t count;
            if (one->outputs.data[output])
                continue;
            if (bert_output_count(&weights->config, output, &one->batch, &count, &error) != BERT_OK)
                return fault_set_error(fault, weights->outputs[k].onnx, &error);
            if (!(one->outputs.data[output] = malloc(count * sizeof(float) + 1)))
                return fault_set(fault, "%s: out of memory", weights->outputs[k].onnx);
        }
    }
    return true;
}

void proof_answers_close(proof_answers *answers)
{
    for (int i = 0; i < PROVE_CASES; i++) {
        for (int k = 0; k < BERT_OUTPUT_COUNT; k++)
            free(answers->batches[i].outputs.data[k]);
        free(answers->batches[i].states);
    }
    *answers = (proof_answers){0};
}

bool proof_expect(model_proof *proof, const proof_answers *answers, fault_text *fault)
{
    const bert_weights *weights = proof->weights;
    for (int i = 0; i < proof->n_cases; i++)
        for (size_t k = 0; k < weights->n_outputs; k++) {
            const output_name *name = &weights->outputs[k];
            proof_case *one = &proof->cases[i];
            if (one->expected[k])
                continue;
            one->expected[k] = calloc(compare_count(&one->batch, name) + 1, sizeof(double));
            if (!one->expected[k])
                return fault_set(fault, "%s: out of memory", name->onnx);
            compare_expect(&one->batch, name, answers->batches[i].outputs.data[name->output],
                           one->expected[k]);
        }
    return true;
}

double proof_error(const model_proof *proof, const proof_answers *answers, const char **worst)
{
    const bert_weights *weights = proof->weights;
    double largest = 0;
    for (int i = 0; i < proof->n_cases; i++) {
        const proof_case *one = &proof->cases[i];
        for (size_t k = 0; k < weights->n_outputs; k++) {
            const output_name *name = &weights->outputs[k];
            comparison result = {0};
            compare_output(&one->batch, name, answers->batches[i].outputs.data[name->output],
                           one->expected[k], &result);
            double error = result.error / fmax(1, result.largest);
            if (worst && (error > largest || k == 0))
                *worst = name->onnx;
            largest = fmax(largest, error);
        }
    }
    return largest;
}

/* -------------------------------------------------------------------------------------- JSON -- */

static cJSON *numbers(const uint32_t *values, size_t n)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < n; i++)
        cJSON_AddItemToArray(list, cJSON_CreateNumber(values[i]));
    return list;
}

/* As long as any number that is written. */
#define LONGEST (-1.23456789e-38)

/* A number with the digits that restore the float. */
static cJSON *number(double value)
{
    char text[32];
    snprintf(text, sizeof text, "%.9g", value);
    return cJSON_CreateRaw(text);
}

/* The first `count` numbers of an output; `expected` NULL: they are not known. */
static void add_samples(cJSON *outputs, const char *name, const double *expected, size_t count)
{
    size_t step = (count + N_SAMPLES - 1) / N_SAMPLES;
    double largest = 0;
    for (size_t i = 0; expected && i < count; i++)
        largest = fmax(largest, fabs(expected[i]));
    cJSON *entry = cJSON_AddObjectToObject(outputs, name), *samples = cJSON_CreateArray();
    cJSON_AddNumberToObject(entry, "step", (double)step);
    cJSON_AddItemToObject(entry, "largest", number(expected ? largest : LONGEST));
    cJSON_AddItemToObject(entry, "samples", samples);
    for (size_t at = 0; at < count; at += step)
        cJSON_AddItemToArray(samples, number(expected ? expected[at] : LONGEST));
}

cJSON *proof_json(const model_proof *proof, double error)
{
    const bert_weights *weights = proof->weights;
    cJSON *json = cJSON_CreateObject(), *cases = cJSON_CreateArray();
    cJSON_AddItemToObject(json, "error", number(error < 0 ? LONGEST : error));
    cJSON_AddItemToObject(json, "cases", cases);
    for (int i = 0; i < proof->n_cases; i++) {
        /* The first row, if it is whole: of a graph with a fixed batch there are others. */
        const padded_batch *batch = &proof->cases[i].batch;
        if (batch->lengths[0] != batch->width || i > 0)
            continue;
        cJSON *one = cJSON_CreateObject(), *outputs = cJSON_CreateObject();
        cJSON_AddItemToArray(cases, one);
        cJSON_AddItemToObject(one, "input_ids", numbers(batch->ids, batch->width));
        cJSON_AddItemToObject(one, "token_type_ids", numbers(batch->types, batch->width));
        cJSON_AddItemToObject(one, "outputs", outputs);
        for (size_t k = 0; k < weights->n_outputs; k++) {
            const output_name *name = &weights->outputs[k];
            size_t count = compare_count(batch, name) / batch->n_rows;
            add_samples(outputs, name->onnx, proof->cases[i].expected[k], count);
        }
    }
    return json;
}

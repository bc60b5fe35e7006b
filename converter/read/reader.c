/* reader.c - see reader.h. */
#include "read/reader.h"

#include <stdlib.h>
#include <string.h>

#include "graph/graph_build.h"

/* Tokens of an evaluation: odd, prime, and not a usual number of heads or columns. */
#define PROBE_TOKENS 7

static const struct {
    const char *name;
    input_role role;
} input_names[] = {
    {"input_ids", ROLE_IDS},          {"input", ROLE_IDS},         {"tokens", ROLE_IDS},
    {"attention_mask", ROLE_MASK},    {"input_mask", ROLE_MASK},   {"mask", ROLE_MASK},
    {"token_type_ids", ROLE_TYPES},   {"segment_ids", ROLE_TYPES}, {"input_type_ids", ROLE_TYPES},
    {"position_ids", ROLE_POSITIONS},
};

static bool find_inputs(graph_reader *reader)
{
    for (size_t i = 0; i < graph_n_values(reader->graph); i++) {
        graph_value *at = graph_at(reader->graph, i);
        if (!at->is_input)
            continue;
        size_t k = 0, n = sizeof input_names / sizeof *input_names;
        while (k < n && strcmp(at->name, input_names[k].name) != 0)
            k++;
        if (k == n)
            return fault_set(reader->fault,
                             "the graph has an input '%s'; an encoder is expected to have "
                             "input_ids and perhaps attention_mask, token_type_ids, position_ids",
                             at->name);
        if (reader->inputs[input_names[k].role])
            return fault_set(reader->fault,
                             "the graph has two inputs '%s' and '%s' of the same kind",
                             reader->inputs[input_names[k].role]->name, at->name);
        reader->inputs[input_names[k].role] = at;
    }
    return reader->inputs[ROLE_IDS] || fault_set(reader->fault, "the graph has no input_ids");
}

bool reader_open(graph_reader *reader, onnx_graph *graph, uint32_t first_position,
                 fault_text *fault)
{
    *reader = (graph_reader){.graph = graph,
                             .fault = fault,
                             .n_batch = 1,
                             .n_tokens = PROBE_TOKENS,
                             .first_position = first_position};
    if (!find_inputs(reader))
        return false;
    for (int i = 0; i < ROLE_COUNT; i++) {
        if (!reader->inputs[i])
            continue;
        int64_t n_batch = graph_input_dim(graph, reader->inputs[i], 0);
        int64_t n_tokens = graph_input_dim(graph, reader->inputs[i], 1);
        if (n_tokens > 0 && n_batch >= 0) {
            reader->n_tokens = n_tokens;
            reader->is_static = true;
        }
        if (n_batch > 0 && i != ROLE_POSITIONS)
            reader->n_batch = n_batch;
    }
    if (reader->n_tokens > 1 << 16 || reader->n_batch > 1 << 10)
        return fault_set(fault, "the graph takes %lld sequences of %lld tokens, which is too many",
                         (long long)reader->n_batch, (long long)reader->n_tokens);
    reader->constants = evaluation_new(graph, NULL);
    reader->open = reader_evaluation(reader, reader->n_tokens, true);
    reader->masked = reader_evaluation(reader, reader->n_tokens, false);
    for (size_t i = 0; i < graph_n_outputs(graph); i++)
        if (evaluation_get(reader->masked, graph_find(graph, graph_output_name(graph, i)), fault)) {
            *fault = (fault_text){{0}};
            return true;
        }
    return false;
}

void reader_close(graph_reader *reader)
{
    evaluation_free(reader->open);
    evaluation_free(reader->masked);
    evaluation_free(reader->constants);
    for (size_t i = 0; i < reader->n_kept; i++)
        array_release(reader->kept[i]);
}

bool mismatch(graph_reader *reader, graph_value *at, const char *expected)
{
    if (at && (!reader->mismatch || at->index < reader->mismatch->index)) {
        reader->mismatch = at;
        reader->expected = expected;
    }
    return false;
}

/* -------------------------------------------------------------------------------- evaluating -- */

graph_evaluation *reader_evaluation(const graph_reader *reader, int64_t n_tokens, bool is_open)
{
    graph_evaluation *evaluation = evaluation_new(reader->graph, reader->constants);
    int64_t dims[] = {reader->n_batch, n_tokens};
    fault_text ignored = {0};
    for (int i = 0; i < ROLE_COUNT; i++) {
        graph_value *at = reader->inputs[i];
        if (!at)
            continue;
        bool is_hollow = i == ROLE_IDS || is_open;
        graph_array *array = is_hollow ? array_new_hollow(ARRAY_INTEGER, 2, dims, &ignored)
                                       : array_new(ARRAY_INTEGER, 2, dims, &ignored);
        if (!array)
            abort();
        for (int64_t k = 0; !is_hollow && k < array->count; k++)
            array->integers[k] = i == ROLE_MASK ? 1 : i == ROLE_POSITIONS ? k % n_tokens : 0;
        evaluation_set(evaluation, at, array);
    }
    return evaluation;
}

graph_array *fixed_array(const graph_reader *reader, graph_value *at)
{
    fault_text ignored = {0};
    if (!at || !at->is_fixed)
        return NULL;
    /* Its shape is what most ask for. */
    bool was_there = evaluation_has(reader->constants, at);
    graph_array *array = evaluation_get(reader->constants, at, &ignored);
    if (array && !was_there)
        array_drop(array);
    return array;
}

const float *fixed_vector(const graph_reader *reader, graph_value *at, size_t n)
{
    fault_text ignored = {0};
    graph_array *array = fixed_array(reader, at);
    if (!array || (array->count != 1 &&
                   ((size_t)array->count != n || (size_t)array->dims[array->rank - 1] != n)))
        return NULL;
    const float *floats = array_floats(array, &ignored);
    float *vector = floats ? graph_alloc(reader->graph, n, sizeof *vector) : NULL;
    for (size_t i = 0; floats && i < n; i++)
        vector[i] = floats[array->count == 1 ? 0 : i];
    array_drop(array);
    return vector;
}

bool fixed_number(const graph_reader *reader, graph_value *at, double *number)
{
    fault_text ignored = {0};
    graph_array *array = at ? evaluation_get(reader->open, at, &ignored) : NULL;
    if (!array || array->is_hollow || array->count != 1)
        return false;
    if (array->type == ARRAY_FLOAT)
        *number = array_floats(array, &ignored)[0];
    else
        *number = (double)array_integers(array, &ignored)[0];
    return true;
}

const graph_array *shape_of(const graph_reader *reader, graph_value *at)
{
    fault_text ignored = {0};
    return at ? evaluation_get(reader->masked, at, &ignored) : NULL;
}

int64_t last_dim(const graph_reader *reader, graph_value *at)
{
    const graph_array *shape = shape_of(reader, at);
    return shape && shape->rank ? shape->dims[shape->rank - 1] : 0;
}

bool carries(const graph_reader *reader, graph_value *at)
{
    const graph_array *array = shape_of(reader, at);
    return !array || array->is_hollow;
}

bool *reader_ancestors(const graph_reader *reader, graph_value *at)
{
    bool *is_one = calloc(at->index + 1, sizeof *is_one);
    if (!is_one)
        abort();
    is_one[at->index] = true;
    for (size_t i = at->index + 1; i > 0; i--) {
        graph_value *v = graph_at(reader->graph, i - 1);
        for (size_t k = 0; is_one[i - 1] && v->node && k < v->node->n_inputs; k++)
            if (v->node->inputs[k])
                is_one[v->node->inputs[k]->index] = true;
    }
    return is_one;
}

graph_value *carrier(const graph_reader *reader, graph_value *at)
{
    graph_value *found = NULL;
    for (size_t i = 0; at->node && i < at->node->n_inputs; i++) {
        graph_value *operand = at->node->inputs[i];
        if (!operand || operand == found || !carries(reader, operand))
            continue;
        if (found)
            return NULL;
        found = operand;
    }
    return found;
}

graph_array *array_like(const graph_reader *reader, graph_value *at)
{
    const graph_array *shape = shape_of(reader, at);
    return shape && shape->type == ARRAY_FLOAT
               ? array_new(ARRAY_FLOAT, shape->rank, shape->dims, reader->fault)
               : NULL;
}

graph_array *respond(const graph_reader *reader, graph_value *from, graph_array *elements,
                     graph_value *to)
{
    fault_text ignored = {0};
    if (!elements)
        return NULL;
    graph_evaluation *evaluation = evaluation_from(reader->masked, from);
    evaluation_set(evaluation, from, elements);
    graph_array *answer = evaluation_get(evaluation, to, &ignored);
    answer =
        answer && !answer->is_hollow && array_floats(answer, &ignored) ? array_share(answer) : NULL;
    evaluation_free(evaluation);
    return answer;
}

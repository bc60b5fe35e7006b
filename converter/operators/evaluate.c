/* evaluate.c - see evaluate.h. Values are computed when they are asked for, and kept. */
#include "operators/evaluate.h"

#include <stdint.h>
#include <stdlib.h>

#include "operators/operators.h"

struct graph_evaluation {
    const onnx_graph *graph;
    graph_evaluation *constants;
    graph_evaluation *before; /* for values before `first`; NULL: none */
    size_t first;
    graph_array **arrays; /* by the index of the value; NULL: not computed */
    bool *is_needed;      /* scratch of evaluation_get() */
};

graph_evaluation *evaluation_new(const onnx_graph *graph, graph_evaluation *constants)
{
    graph_evaluation *evaluation = calloc(1, sizeof *evaluation);
    size_t n = graph_n_values(graph) + 1;
    graph_array **arrays = calloc(n, sizeof *arrays);
    bool *is_needed = calloc(n, sizeof *is_needed);
    if (!evaluation || !arrays || !is_needed)
        abort();
    *evaluation = (graph_evaluation){
        .graph = graph, .constants = constants, .arrays = arrays, .is_needed = is_needed};
    return evaluation;
}

graph_evaluation *evaluation_from(graph_evaluation *before, graph_value *value)
{
    graph_evaluation *evaluation = evaluation_new(before->graph, before->constants);
    evaluation->before = before;
    evaluation->first = value->index;
    return evaluation;
}

void evaluation_free(graph_evaluation *evaluation)
{
    if (!evaluation)
        return;
    for (size_t i = 0; i < graph_n_values(evaluation->graph); i++)
        array_release(evaluation->arrays[i]);
    free(evaluation->arrays);
    free(evaluation->is_needed);
    free(evaluation);
}

void evaluation_set(graph_evaluation *evaluation, graph_value *value, graph_array *array)
{
    array_release(evaluation->arrays[value->index]);
    evaluation->arrays[value->index] = array;
}

/* What is known without computing. */
static graph_array *known(graph_evaluation *evaluation, graph_value *value, fault_text *fault)
{
    graph_array *array = evaluation->arrays[value->index];
    if (array)
        return array;
    if (value->constant)
        return value->constant;
    if (value->is_fixed && evaluation->constants)
        return evaluation_get(evaluation->constants, value, fault);
    if (value->index < evaluation->first)
        return evaluation_get(evaluation->before, value, fault);
    return NULL;
}

bool evaluation_has(const graph_evaluation *evaluation, graph_value *value)
{
    const graph_array *array = evaluation->arrays[value->index];
    if (!array)
        array = value->constant;
    if (array)
        return array_is_resident(array);
    return value->is_fixed && evaluation->constants && evaluation_has(evaluation->constants, value);
}

/* What a node gives, computed again: its inputs can be had. */
static bool run_node(graph_evaluation *evaluation, const graph_node *node, fault_text *fault);

static graph_array *make_again(void *argument, size_t index, fault_text *fault)
{
    graph_evaluation *evaluation = argument;
    graph_array *before = evaluation->arrays[index];
    evaluation->arrays[index] = NULL;
    run_node(evaluation, graph_at(evaluation->graph, index)->node, fault);
    graph_array *made = evaluation->arrays[index];
    evaluation->arrays[index] = before;
    return made;
}

/* What depends on constants alone can be computed again. */
static void keep_maker(graph_evaluation *evaluation, graph_value *value, graph_array *array)
{
    if (!evaluation->constants && value->is_fixed && !array->stored && !array->maker.make)
        array->maker =
            (array_maker){.make = make_again, .argument = evaluation, .index = value->index};
}

static bool run_node(graph_evaluation *evaluation, const graph_node *node, fault_text *fault)
{
    const operator_kind *kind = operator_find(node->domain, node->op);
    graph_array *inputs[64], *outputs[16] = {0};
    bool was_resident[64];
    fault_text inner = {0};
    if (node->problem)
        return fault_set(fault, "%s", node->problem);
    if (!kind || node->n_inputs > 64 || node->n_outputs > 16)
        return fault_set(fault, "node '%s' (op %s): cannot be evaluated", node->name, node->op);
    for (size_t i = 0; i < node->n_inputs; i++)
        was_resident[i] = !node->inputs[i] || evaluation_has(evaluation, node->inputs[i]);
    for (size_t i = 0; i < node->n_inputs; i++) {
        inputs[i] = node->inputs[i] ? known(evaluation, node->inputs[i], fault) : NULL;
        if (node->inputs[i] && !inputs[i])
            return fault_set(fault, "node '%s' (op %s): its input %zu is not known", node->name,
                             node->op, i + 1);
    }
    for (size_t i = 0; i < kind->n_inputs; i++)
        if (i >= node->n_inputs || !inputs[i])
            return fault_set(fault, "node '%s' (op %s): has no input %zu, needs %zu inputs",
                             node->name, node->op, i + 1, kind->n_inputs);
    operator_call operation = {node, graph_opset(evaluation->graph), inputs, node->n_inputs,
                               outputs};
    bool ok = kind->run(&operation, &inner) ||
              fault_set(fault, "node '%s' (op %s): %s", node->name, node->op, inner.text);
    for (size_t i = 0; i < node->n_outputs; i++) {
        if (ok && node->outputs[i] && outputs[i] && !evaluation->arrays[node->outputs[i]->index]) {
            evaluation->arrays[node->outputs[i]->index] = array_share(outputs[i]);
            keep_maker(evaluation, node->outputs[i], outputs[i]);
        }
        array_release(outputs[i]);
    }
    for (size_t i = 0; i < node->n_inputs; i++)
        if (!was_resident[i])
            array_drop(inputs[i]);
    return ok;
}

/* Marks what has to be computed for the marked values up to `end`: they are in the order of
 * execution. Returns the first of it. */
static size_t mark_needed(graph_evaluation *evaluation, size_t end, fault_text *fault)
{
    bool *is_needed = evaluation->is_needed;
    size_t first = end;
    for (size_t n = end; n > 0; n--) {
        graph_value *v = graph_at(evaluation->graph, n - 1);
        if (!is_needed[n - 1])
            continue;
        /* What depends on constants alone is computed for the node that reads it. */
        bool is_constant = v->is_fixed && evaluation->constants;
        is_needed[n - 1] = false;
        if (is_constant || known(evaluation, v, fault) || !v->node)
            continue;
        is_needed[n - 1] = true;
        first = n - 1;
        for (size_t i = 0; i < v->node->n_inputs; i++)
            if (v->node->inputs[i])
                is_needed[v->node->inputs[i]->index] = true;
    }
    return first;
}

static bool is_known(const graph_evaluation *evaluation, graph_value *value, fault_text *fault)
{
    return evaluation->arrays[value->index] ||
           fault_set(fault, "the value '%s' is not known", value->name);
}

graph_array *evaluation_get(graph_evaluation *evaluation, graph_value *value, fault_text *fault)
{
    graph_array *array = known(evaluation, value, fault);
    if (array)
        return array;
    bool *is_needed = evaluation->is_needed;
    is_needed[value->index] = true;
    size_t first = mark_needed(evaluation, value->index + 1, fault);
    bool ok = true;
    for (size_t n = first; ok && n <= value->index; n++)
        if (is_needed[n] && !evaluation->arrays[n])
            ok = run_node(evaluation, graph_at(evaluation->graph, n)->node, fault);
    for (size_t n = first; n <= value->index; n++) {
        /* Steps on the way to a constant are not asked for, or will be again. */
        bool is_step = is_needed[n] && n < value->index && graph_at(evaluation->graph, n)->is_fixed;
        is_needed[n] = false;
        if (is_step && evaluation->arrays[n])
            array_drop(evaluation->arrays[n]);
    }
    return ok && is_known(evaluation, value, fault) ? evaluation->arrays[value->index] : NULL;
}

/* For each value from `first` on that is to be computed, the last that is made of it. */
static void find_last_users(const graph_evaluation *evaluation, size_t first, size_t end,
                            size_t *last)
{
    for (size_t n = first; n < end; n++) {
        graph_value *v = graph_at(evaluation->graph, n);
        last[n] = n;
        for (size_t i = 0; evaluation->is_needed[n] && i < v->node->n_inputs; i++)
            if (v->node->inputs[i] && v->node->inputs[i]->index >= first)
                last[v->node->inputs[i]->index] = n;
    }
}

bool evaluation_run(graph_evaluation *evaluation, graph_value *const *values, size_t n,
                    fault_text *fault)
{
    bool *is_needed = evaluation->is_needed, ok = true;
    size_t end = 0, *last = calloc(graph_n_values(evaluation->graph) + 1, sizeof *last);
    if (!last)
        abort();
    for (size_t i = 0; i < n; i++) {
        is_needed[values[i]->index] = true;
        end = values[i]->index >= end ? values[i]->index + 1 : end;
    }
    size_t first = mark_needed(evaluation, end, fault);
    find_last_users(evaluation, first, end, last);
    for (size_t i = 0; i < n; i++)
        last[values[i]->index] = SIZE_MAX;
    for (size_t at = first; at < end; at++) {
        const graph_node *node = graph_at(evaluation->graph, at)->node;
        if (!is_needed[at])
            continue;
        if (ok && !evaluation->arrays[at])
            ok = run_node(evaluation, node, fault);
        /* An input that was known before is not among the needed: it stays. */
        for (size_t i = 0; i < node->n_inputs; i++) {
            size_t index = node->inputs[i] ? node->inputs[i]->index : SIZE_MAX;
            if (index >= first && index < at && last[index] == at && is_needed[index]) {
                array_release(evaluation->arrays[index]);
                evaluation->arrays[index] = NULL;
            }
        }
    }
    for (size_t at = first; at < end; at++)
        is_needed[at] = false;
    free(last);
    for (size_t i = 0; ok && i < n; i++)
        ok = known(evaluation, values[i], fault) || is_known(evaluation, values[i], fault);
    return ok;
}

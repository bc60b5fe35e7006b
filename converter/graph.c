/* graph.c - see graph.h. */
#include "graph.h"

#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------------------- operators --
 */

/*
 * Operators that exports of encoders are made of, and how many inputs they need at least. A graph
 * with any other is refused, wherever it stands: what is not understood must not be passed over.
 */
static const struct known_op {
    const char *name;
    size_t n_inputs;
} known_ops[] = {
    {"Add", 2},
    {"And", 2},
    {"Cast", 1},
    {"CastLike", 2},
    {"Concat", 1},
    {"Constant", 0},
    {"ConstantOfShape", 1},
    {"Div", 2},
    {"Dropout", 1},
    {"Equal", 2},
    {"Erf", 1},
    {"Expand", 2},
    {"Gather", 2},
    {"Gelu", 1},
    {"Gemm", 2},
    {"Greater", 2},
    {"GreaterOrEqual", 2},
    {"Identity", 1},
    {"IsNaN", 1},
    {"LayerNormalization", 2},
    {"Less", 2},
    {"LessOrEqual", 2},
    {"MatMul", 2},
    {"Max", 1},
    {"Min", 1},
    {"Mul", 2},
    {"Not", 1},
    {"Or", 2},
    {"Pow", 2},
    {"Range", 3},
    {"Reciprocal", 1},
    {"ReduceMean", 1},
    {"Relu", 1},
    {"Reshape", 2},
    {"ScatterND", 3},
    {"Shape", 1},
    {"Slice", 1},
    {"Softmax", 1},
    {"Sqrt", 1},
    {"Squeeze", 1},
    {"Sub", 2},
    {"Tanh", 1},
    {"Transpose", 1},
    {"Unsqueeze", 1},
    {"Where", 3},
};

static bool is_standard(const Onnx__NodeProto *node)
{
    return !node->domain[0] || strcmp(node->domain, "ai.onnx") == 0;
}

/* NULL if the node's operator is not known. */
static const struct known_op *find_op(const Onnx__NodeProto *node)
{
    for (size_t i = 0; is_standard(node) && i < sizeof known_ops / sizeof *known_ops; i++)
        if (strcmp(node->op_type, known_ops[i].name) == 0)
            return &known_ops[i];
    return NULL;
}

const char *graph_node_name(const Onnx__NodeProto *node)
{
    return node->name[0] || node->n_output == 0 ? node->name : node->output[0];
}

/* ------------------------------------------------------------------------------ table of values --
 */

/* FNV-1a: Fowler, Noll and Vo. */
static uint32_t *slot_of(const graph *graph, const char *name)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (const char *c = name; *c; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
    size_t slot = hash % graph->n_slots;
    while (graph->slots[slot] && strcmp(graph->values[graph->slots[slot] - 1].name, name) != 0)
        slot = (slot + 1) % graph->n_slots;
    return &graph->slots[slot];
}

const graph_value *graph_find(const graph *graph, const char *name)
{
    uint32_t index = *slot_of(graph, name);
    return index ? &graph->values[index - 1] : NULL;
}

/* A new value, or NULL if there is one of that name. */
static graph_value *add_value(graph *graph, const char *name)
{
    uint32_t *slot = slot_of(graph, name);
    if (*slot)
        return NULL;
    graph_value *value = &graph->values[graph->n_values++];
    *slot = (uint32_t)graph->n_values;
    value->name = name;
    return value;
}

/* -------------------------------------------------------------------------------------- opening --
 */

/* The tensor that a Constant node holds. */
static bool read_constant(onnx_model *model, graph_value *value, fault *fault)
{
    const Onnx__AttributeProto *attribute = graph_attribute(value, "value");
    if (attribute && attribute->t) {
        value->is_constant = true;
        return onnx_tensor_read(model, attribute->t, &value->constant, fault);
    }
    onnx_tensor *constant = &value->constant;
    if ((attribute = graph_attribute(value, "value_int"))) {
        *constant = (onnx_tensor){.type = ONNX__TENSOR_PROTO__DATA_TYPE__INT64, .count = 1};
        constant->data = &attribute->i;
    } else if ((attribute = graph_attribute(value, "value_ints"))) {
        *constant = (onnx_tensor){.type = ONNX__TENSOR_PROTO__DATA_TYPE__INT64, .rank = 1};
        constant->dims[0] = constant->count = attribute->n_ints;
        constant->data = attribute->ints;
    } else if ((attribute = graph_attribute(value, "value_float"))) {
        *constant = (onnx_tensor){.type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, .count = 1};
        constant->data = &attribute->f;
    } else {
        return fault_set(fault, "node '%s' (op Constant): a kind of constant that is not supported",
                         graph_node_name(value->node));
    }
    constant->name = "";
    value->is_constant = true;
    return true;
}

/* Whether the node is one of ours, and stands behind all that it needs. */
static bool check_node(const graph *graph, const Onnx__NodeProto *node, fault *fault)
{
    const char *name = graph_node_name(node), *op = node->op_type;
    const struct known_op *known = find_op(node);
    if (!op[0])
        return fault_set(fault, "node '%s': has no operator: the file is damaged", name);
    if (!known)
        return fault_set(fault, "node '%s': operator '%s%s%s' is not supported", name,
                         is_standard(node) ? "" : node->domain, is_standard(node) ? "" : ".", op);
    for (size_t i = 0; i < node->n_attribute; i++)
        if (node->attribute[i]->g || node->attribute[i]->n_graphs)
            return fault_set(fault, "node '%s' (op %s): has a subgraph", name, op);
    for (size_t i = 0; i < known->n_inputs; i++)
        if (i >= node->n_input || !node->input[i][0])
            return fault_set(fault, "node '%s' (op %s): has no input %zu, needs %zu inputs", name,
                             op, i + 1, known->n_inputs);
    for (size_t i = 0; i < node->n_input; i++)
        if (node->input[i][0] && !graph_find(graph, node->input[i]))
            return fault_set(fault, "node '%s' (op %s): nothing before it makes its input '%s'",
                             name, op, node->input[i]);
    return true;
}

static bool add_node(onnx_model *model, graph *graph, size_t index, fault *fault)
{
    const Onnx__NodeProto *node = graph->proto->node[index];
    const char *op = node->op_type;
    if (!check_node(graph, node, fault))
        return false;
    for (size_t i = 0; i < node->n_output; i++) {
        if (!node->output[i][0])
            continue;
        graph_value *value = add_value(graph, node->output[i]);
        if (!value)
            return fault_set(fault, "node '%s' (op %s): its output '%s' is made twice",
                             graph_node_name(node), op, node->output[i]);
        value->node = node;
        value->node_index = index;
        if (strcmp(op, "Constant") == 0 && !read_constant(model, value, fault))
            return false;
    }
    return true;
}

bool graph_open(onnx_model *model, graph *graph, fault *fault)
{
    const Onnx__GraphProto *proto = model->proto->graph;
    size_t n_values = proto->n_initializer + proto->n_input;
    for (size_t i = 0; i < proto->n_node; i++)
        n_values += proto->node[i]->n_output;
    *graph = (struct graph){.proto = proto, .n_slots = 2 * n_values + 1};
    graph->values = calloc(n_values + 1, sizeof *graph->values);
    graph->slots = calloc(graph->n_slots, sizeof *graph->slots);
    if (!graph->values || !graph->slots)
        return fault_set(fault, "out of memory for a graph of %zu values", n_values);

    for (size_t i = 0; i < proto->n_initializer; i++) {
        graph_value *value = add_value(graph, proto->initializer[i]->name);
        if (!value)
            return fault_set(fault, "there are two tensors '%s'", proto->initializer[i]->name);
        value->is_constant = true;
        if (!onnx_tensor_read(model, proto->initializer[i], &value->constant, fault))
            return false;
    }
    for (size_t i = 0; i < proto->n_input; i++) {
        /* Older files list the initializers as inputs too. */
        graph_value *value = add_value(graph, proto->input[i]->name);
        if (value)
            value->is_input = true;
    }
    for (size_t i = 0; i < proto->n_node; i++)
        if (!add_node(model, graph, i, fault))
            return false;
    return true;
}

void graph_close(graph *graph)
{
    free(graph->values);
    free(graph->slots);
    *graph = (struct graph){0};
}

/* -------------------------------------------------------------------------------------- walking --
 */

const graph_value *graph_input(const graph *graph, const graph_value *value, size_t i)
{
    if (!value->node || i >= value->node->n_input || !value->node->input[i][0])
        return NULL;
    return graph_find(graph, value->node->input[i]);
}

bool graph_is(const graph_value *value, const char *op)
{
    return value->node && is_standard(value->node) && strcmp(value->node->op_type, op) == 0;
}

const Onnx__AttributeProto *graph_attribute(const graph_value *value, const char *name)
{
    for (size_t i = 0; value->node && i < value->node->n_attribute; i++)
        if (strcmp(value->node->attribute[i]->name, name) == 0)
            return value->node->attribute[i];
    return NULL;
}

int64_t graph_attribute_int(const graph_value *value, const char *name, int64_t fallback)
{
    const Onnx__AttributeProto *attribute = graph_attribute(value, name);
    return attribute ? attribute->i : fallback;
}

float graph_attribute_float(const graph_value *value, const char *name, float fallback)
{
    const Onnx__AttributeProto *attribute = graph_attribute(value, name);
    return attribute ? attribute->f : fallback;
}

const graph_value *graph_bare(const graph *graph, const graph_value *value)
{
    while (graph_is(value, "Identity") || graph_is(value, "Dropout") || graph_is(value, "Cast")) {
        const graph_value *input = graph_input(graph, value, 0);
        if (!input)
            break;
        value = input;
    }
    return value;
}

const onnx_tensor *graph_constant(const graph *graph, const graph_value *value)
{
    value = graph_bare(graph, value);
    return value->is_constant ? &value->constant : NULL;
}

bool graph_number(const graph *graph, const graph_value *value, float *number)
{
    const onnx_tensor *tensor = graph_constant(graph, value);
    if (!tensor || tensor->count != 1 || !onnx_is_float(tensor))
        return false;
    *number = onnx_float(tensor, 0);
    return true;
}

/* Element i of a constant list; i < 0 counts from the end. */
static bool constant_element(const onnx_tensor *tensor, int i, int64_t *number)
{
    int64_t index = i < 0 ? (int64_t)tensor->count + i : i;
    if (!onnx_is_integer(tensor) || index < 0 || index >= (int64_t)tensor->count)
        return false;
    *number = onnx_integer(tensor, (uint64_t)index);
    return true;
}

bool graph_list_element(const graph *graph, const graph_value *list, int i, int64_t *number)
{
    const onnx_tensor *tensor = graph_constant(graph, list);
    if (tensor)
        return constant_element(tensor, i, number);
    list = graph_bare(graph, list);
    if (!graph_is(list, "Concat"))
        return false;
    /* Every part is one number, which may have been unsqueezed to a list of one. */
    int64_t index = i < 0 ? (int64_t)list->node->n_input + i : i;
    const graph_value *part = index < 0 ? NULL : graph_input(graph, list, (size_t)index);
    if (part && graph_is(part, "Unsqueeze"))
        part = graph_input(graph, part, 0);
    tensor = part ? graph_constant(graph, part) : NULL;
    return tensor && tensor->count == 1 && constant_element(tensor, 0, number);
}

bool graph_depends_on(const graph *graph, const graph_value *value, const char *input)
{
    /* Nodes stand in the order of use: mark what is needed from `value` back, in one sweep. */
    bool *needed = calloc(graph->n_values, sizeof *needed);
    bool found = false;
    if (!needed)
        return false;
    needed[value - graph->values] = true;
    for (size_t n = (size_t)(value - graph->values) + 1; n > 0 && !found; n--) {
        const graph_value *v = &graph->values[n - 1];
        if (!needed[n - 1])
            continue;
        found = v->is_input && strcmp(v->name, input) == 0;
        for (size_t i = 0; v->node && i < v->node->n_input; i++) {
            const graph_value *operand = graph_input(graph, v, i);
            if (operand)
                needed[operand - graph->values] = true;
        }
    }
    free(needed);
    return found;
}

/* graph.c - see graph.h and graph_build.h: what a graph is. How a file becomes one: import/.
 */
#include "graph/graph.h"

#include <stdlib.h>
#include <string.h>

#include "graph/graph_build.h"

/* A name and what it stands for. Several names may stand for one value. */
typedef struct name_entry {
    const char *name;
    graph_value *value;
} name_entry;

typedef struct memory_block {
    struct memory_block *next;
    max_align_t memory[];
} memory_block;

struct onnx_graph {
    const Onnx__GraphProto *proto;
    int64_t opset;
    struct graph_value **values;
    size_t n_values, capacity;
    name_entry *entries; /* open-addressed hash table */
    size_t n_slots;
    memory_block *blocks;
};

/* ---------------------------------------------------------------------------------- building -- */

void *graph_alloc(onnx_graph *graph, size_t count, size_t size)
{
    memory_block *block = calloc(1, sizeof *block + count * size + 1);
    if (!block)
        abort();
    block->next = graph->blocks;
    graph->blocks = block;
    return block->memory;
}

onnx_graph *graph_new(const Onnx__GraphProto *proto, int64_t opset, size_t n_names)
{
    onnx_graph *graph = calloc(1, sizeof *graph);
    name_entry *entries = calloc(2 * n_names + 1, sizeof *entries);
    if (!graph || !entries)
        abort();
    *graph = (onnx_graph){
        .proto = proto, .opset = opset, .entries = entries, .n_slots = 2 * n_names + 1};
    return graph;
}

void graph_close(onnx_graph *graph)
{
    if (!graph)
        return;
    for (size_t i = 0; i < graph->n_values; i++)
        array_release(graph->values[i]->constant);
    for (memory_block *block = graph->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    free(graph->values);
    free(graph->entries);
    free(graph);
}

/* FNV-1a: Fowler, Noll and Vo. */
static name_entry *entry_of(const onnx_graph *graph, const char *name)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (const char *c = name; *c; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
    size_t slot = hash % graph->n_slots;
    while (graph->entries[slot].name && strcmp(graph->entries[slot].name, name) != 0)
        slot = (slot + 1) % graph->n_slots;
    return &graph->entries[slot];
}

graph_value *graph_find(const onnx_graph *graph, const char *name)
{
    return entry_of(graph, name)->value;
}

bool graph_bind(onnx_graph *graph, const char *name, graph_value *value)
{
    name_entry *entry = entry_of(graph, name);
    if (entry->name)
        return false;
    entry->name = name;
    entry->value = value;
    return true;
}

static struct graph_value *add_value(onnx_graph *graph, const char *name)
{
    if (graph->n_values == graph->capacity) {
        graph->capacity = graph->capacity ? 2 * graph->capacity : 1024;
        graph->values = realloc(graph->values, graph->capacity * sizeof *graph->values);
        if (!graph->values)
            abort();
    }
    struct graph_value *value = graph_alloc(graph, 1, sizeof *value);
    value->name = name;
    value->index = graph->n_values;
    graph->values[graph->n_values++] = value;
    return value;
}

graph_value *graph_input(onnx_graph *graph, const char *name)
{
    struct graph_value *value = add_value(graph, name);
    value->is_input = true;
    return value;
}

const graph_node *graph_emit(onnx_graph *graph, const graph_node *like)
{
    graph_node *node = graph_alloc(graph, 1, sizeof *node);
    graph_value **inputs = graph_alloc(graph, like->n_inputs, sizeof *inputs);
    graph_value **outputs = graph_alloc(graph, like->n_outputs, sizeof *outputs);
    graph_attribute *attributes = graph_alloc(graph, like->n_attributes, sizeof *attributes);
    bool is_fixed = true;
    for (size_t i = 0; i < like->n_inputs; i++) {
        inputs[i] = like->inputs[i];
        is_fixed = is_fixed && (!inputs[i] || inputs[i]->is_fixed);
    }
    if (like->n_attributes)
        memcpy(attributes, like->attributes, like->n_attributes * sizeof *attributes);
    *node = *like;
    node->inputs = inputs;
    node->outputs = outputs;
    node->attributes = attributes;
    for (size_t i = 0; i < node->n_outputs; i++) {
        struct graph_value *value = add_value(graph, node->name);
        value->node = node;
        value->output = i;
        value->is_fixed = is_fixed;
        outputs[i] = value;
    }
    return node;
}

graph_value *graph_constant(onnx_graph *graph, const char *name, graph_array *constant)
{
    struct graph_value *value = add_value(graph, name);
    value->constant = constant;
    value->is_fixed = true;
    return value;
}

/* A constant that the file does not have. */
static graph_array *new_constant(onnx_graph *graph, array_type type, uint32_t rank, int64_t n,
                                 graph_value **value)
{
    fault_text fault = {0};
    graph_array *constant = array_new(type, rank, &n, &fault);
    if (!constant)
        abort();
    *value = graph_constant(graph, "", constant);
    return constant;
}

graph_value *graph_integers(onnx_graph *graph, const int64_t *numbers, size_t n)
{
    graph_value *value;
    graph_array *constant = new_constant(graph, ARRAY_INTEGER, 1, (int64_t)n, &value);
    memcpy(constant->integers, numbers, n * sizeof *numbers);
    return value;
}

graph_value *graph_integer(onnx_graph *graph, int64_t number)
{
    graph_value *value;
    new_constant(graph, ARRAY_INTEGER, 0, 0, &value)->integers[0] = number;
    return value;
}

graph_value *graph_float(onnx_graph *graph, float number)
{
    graph_value *value;
    new_constant(graph, ARRAY_FLOAT, 0, 0, &value)->floats[0] = number;
    return value;
}

/* ----------------------------------------------------------------------------------- walking -- */

int64_t graph_opset(const onnx_graph *graph)
{
    return graph->opset;
}

size_t graph_n_values(const onnx_graph *graph)
{
    return graph->n_values;
}

graph_value *graph_at(const onnx_graph *graph, size_t index)
{
    return graph->values[index];
}

size_t graph_n_outputs(const onnx_graph *graph)
{
    return graph->proto->n_output;
}

const char *graph_output_name(const onnx_graph *graph, size_t i)
{
    return graph->proto->output[i]->name;
}

bool graph_output_may_be_float(const onnx_graph *graph, size_t i)
{
    const Onnx__TypeProto *type = graph->proto->output[i]->type;
    if (!type || type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE || !type->tensor_type)
        return !type || type->value_case == ONNX__TYPE_PROTO__VALUE__NOT_SET;
    switch (type->tensor_type->elem_type) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__UNDEFINED:
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
    case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16:
    case ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16:
        return true;
    default:
        return false;
    }
}

graph_value *graph_operand(graph_value *value, size_t i)
{
    return value && value->node && i < value->node->n_inputs ? value->node->inputs[i] : NULL;
}

bool graph_is(graph_value *value, const char *op)
{
    return value && value->node && !value->node->domain[0] && strcmp(value->node->op, op) == 0;
}

int64_t graph_input_dim(const onnx_graph *graph, graph_value *input, size_t axis)
{
    for (size_t i = 0; i < graph->proto->n_input; i++) {
        const Onnx__ValueInfoProto *info = graph->proto->input[i];
        if (strcmp(info->name, input->name) != 0 || !info->type ||
            info->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE ||
            !info->type->tensor_type || !info->type->tensor_type->shape)
            continue;
        const Onnx__TensorShapeProto *shape = info->type->tensor_type->shape;
        if (axis < shape->n_dim &&
            shape->dim[axis]->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE)
            return shape->dim[axis]->dim_value;
        return 0;
    }
    return 0;
}

const graph_attribute *graph_attribute_find(const graph_node *node, const char *name)
{
    for (size_t i = 0; node && i < node->n_attributes; i++)
        if (strcmp(node->attributes[i].name, name) == 0)
            return &node->attributes[i];
    return NULL;
}

int64_t graph_attribute_int(const graph_node *node, const char *name, int64_t fallback)
{
    const graph_attribute *attribute = graph_attribute_find(node, name);
    return attribute ? attribute->i : fallback;
}

float graph_attribute_float(const graph_node *node, const char *name, float fallback)
{
    const graph_attribute *attribute = graph_attribute_find(node, name);
    return attribute ? attribute->f : fallback;
}

bool graph_attribute_is(const graph_node *node, const char *name, const char *text)
{
    const graph_attribute *attribute = graph_attribute_find(node, name);
    size_t n = strlen(text);
    return attribute && attribute->n_text == n && memcmp(attribute->text, text, n) == 0;
}

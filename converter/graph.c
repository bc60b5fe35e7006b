/* graph.c - see graph.h. */
#include "graph.h"

#include <stdlib.h>
#include <string.h>

#include "evaluate.h"
#include "graph_build.h"
#include "operators.h"

/* A name and what it stands for. Several names may stand for one value. */
typedef struct entry {
    const char *name;
    const graph_value *value;
} entry;

typedef struct block {
    struct block *next;
    max_align_t memory[];
} block;

struct graph {
    const Onnx__GraphProto *proto;
    int64_t opset;
    graph_value **values;
    size_t n_values, capacity;
    entry *entries; /* open-addressed hash table */
    size_t n_slots;
    block *blocks;
};

/* ----------------------------------------------------------------------------------- building --
 */

void *graph_alloc(graph *graph, size_t count, size_t size)
{
    block *block = calloc(1, sizeof *block + count * size + 1);
    if (!block)
        abort();
    block->next = graph->blocks;
    graph->blocks = block;
    return block->memory;
}

/* FNV-1a: Fowler, Noll and Vo. */
static entry *entry_of(const graph *graph, const char *name)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (const char *c = name; *c; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
    size_t slot = hash % graph->n_slots;
    while (graph->entries[slot].name && strcmp(graph->entries[slot].name, name) != 0)
        slot = (slot + 1) % graph->n_slots;
    return &graph->entries[slot];
}

const graph_value *graph_find(const graph *graph, const char *name)
{
    return entry_of(graph, name)->value;
}

/* False if the name is taken. */
static bool bind_name(graph *graph, const char *name, const graph_value *value)
{
    entry *entry = entry_of(graph, name);
    if (entry->name)
        return false;
    entry->name = name;
    entry->value = value;
    return true;
}

static graph_value *add_value(graph *graph, const char *name)
{
    if (graph->n_values == graph->capacity) {
        graph->capacity = graph->capacity ? 2 * graph->capacity : 1024;
        graph->values = realloc(graph->values, graph->capacity * sizeof *graph->values);
        if (!graph->values)
            abort();
    }
    graph_value *value = graph_alloc(graph, 1, sizeof *value);
    value->name = name;
    value->index = graph->n_values;
    graph->values[graph->n_values++] = value;
    return value;
}

const graph_node *graph_emit(graph *graph, const char *domain, const char *op, const char *name,
                             const graph_value *const *inputs, size_t n_inputs, size_t n_outputs,
                             const graph_attribute *attributes, size_t n_attributes)
{
    graph_node *node = graph_alloc(graph, 1, sizeof *node);
    const graph_value **in = graph_alloc(graph, n_inputs, sizeof *in);
    const graph_value **out = graph_alloc(graph, n_outputs, sizeof *out);
    graph_attribute *copies = graph_alloc(graph, n_attributes, sizeof *copies);
    bool is_fixed = true;
    for (size_t i = 0; i < n_inputs; i++) {
        in[i] = inputs[i];
        is_fixed = is_fixed && (!in[i] || in[i]->is_fixed);
    }
    if (n_attributes)
        memcpy(copies, attributes, n_attributes * sizeof *copies);
    *node = (graph_node){.op = op,
                         .domain = domain,
                         .name = name,
                         .inputs = in,
                         .n_inputs = n_inputs,
                         .outputs = out,
                         .n_outputs = n_outputs,
                         .attributes = copies,
                         .n_attributes = n_attributes};
    for (size_t i = 0; i < n_outputs; i++) {
        graph_value *value = add_value(graph, name);
        value->node = node;
        value->output = i;
        value->is_fixed = is_fixed;
        out[i] = value;
    }
    return node;
}

static const graph_value *add_constant(graph *graph, const char *name, array *constant)
{
    graph_value *value = add_value(graph, name);
    value->constant = constant;
    value->is_fixed = true;
    return value;
}

/* The tensor as a constant; NULL with a fault. */
static const graph_value *add_tensor(graph *graph, onnx_model *model,
                                     const Onnx__TensorProto *proto, fault *fault)
{
    onnx_tensor *tensor = graph_alloc(graph, 1, sizeof *tensor);
    array *constant =
        onnx_tensor_read(model, proto, tensor, fault) ? array_of_tensor(tensor, fault) : NULL;
    return constant ? add_constant(graph, proto->name, constant) : NULL;
}

/* A constant that the file does not have. */
static array *new_constant(graph *graph, array_type type, uint32_t rank, int64_t n,
                           const graph_value **value)
{
    fault fault = {0};
    array *constant = array_new(type, rank, &n, &fault);
    if (!constant)
        abort();
    *value = add_constant(graph, "", constant);
    return constant;
}

const graph_value *graph_integers(graph *graph, const int64_t *numbers, size_t n)
{
    const graph_value *value;
    array *constant = new_constant(graph, ARRAY_INTEGER, 1, (int64_t)n, &value);
    memcpy(constant->integers, numbers, n * sizeof *numbers);
    return value;
}

const graph_value *graph_integer(graph *graph, int64_t number)
{
    const graph_value *value;
    new_constant(graph, ARRAY_INTEGER, 0, 0, &value)->integers[0] = number;
    return value;
}

const graph_value *graph_float(graph *graph, float number)
{
    const graph_value *value;
    new_constant(graph, ARRAY_FLOAT, 0, 0, &value)->floats[0] = number;
    return value;
}

/* ----------------------------------------------------------------------------------- reading -- */

static const char *domain_of(const Onnx__NodeProto *proto)
{
    return strcmp(proto->domain, "ai.onnx") == 0 ? "" : proto->domain;
}

/* The node's name for a message: its first output's, if it has none of its own. */
static const char *name_of(const Onnx__NodeProto *proto)
{
    return proto->name[0] || proto->n_output == 0 ? proto->name : proto->output[0];
}

static bool read_attribute(graph *graph, onnx_model *model, const Onnx__NodeProto *node,
                           const Onnx__AttributeProto *proto, graph_attribute *attribute,
                           fault *fault)
{
    *attribute = (graph_attribute){.name = proto->name,
                                   .i = proto->i,
                                   .f = proto->f,
                                   .ints = proto->ints,
                                   .n_ints = proto->n_ints,
                                   .floats = proto->floats,
                                   .n_floats = proto->n_floats,
                                   .text = (const char *)proto->s.data,
                                   .n_text = proto->s.len};
    if (!proto->name[0])
        return fault_set(fault, "node '%s' (op %s): has an attribute without a name", name_of(node),
                         node->op_type);
    if (!proto->t)
        return true;
    attribute->value = add_tensor(graph, model, proto->t, fault);
    return attribute->value != NULL;
}

static bool is_branch(const Onnx__NodeProto *proto)
{
    return !domain_of(proto)[0] && strcmp(proto->op_type, "If") == 0;
}

/* Whether the node is one of ours, and stands behind all that it needs. */
static bool check_node(const graph *graph, const Onnx__NodeProto *proto, fault *fault)
{
    const char *name = name_of(proto), *op = proto->op_type, *domain = domain_of(proto);
    const operator_kind *kind = operator_find(domain, op);
    if (!op[0])
        return fault_set(fault, "node '%s': has no operator: the file is damaged", name);
    for (size_t i = 0; i < proto->n_attribute && !is_branch(proto); i++)
        if (proto->attribute[i]->g || proto->attribute[i]->n_graphs)
            return fault_set(fault,
                             "node '%s' (op %s): has a subgraph; an encoder is expected to be one "
                             "plain graph",
                             name, op);
    bool is_known = is_branch(proto) || (!domain[0] && kind) || lower_knows(domain, op);
    if (!is_known)
        return fault_set(fault,
                         "node '%s': operator '%s%s%s' is not supported: none of the encoders that "
                         "can be read has it",
                         name, domain, domain[0] ? "." : "", op);
    for (size_t i = 0; i < (domain[0] || !kind ? 1 : kind->n_inputs); i++)
        if (i >= proto->n_input || !proto->input[i][0])
            return fault_set(fault, "node '%s' (op %s): has no input %zu, needs %zu inputs", name,
                             op, i + 1, kind ? kind->n_inputs : 1);
    for (size_t i = 0; i < proto->n_input; i++)
        if (proto->input[i][0] && !graph_find(graph, proto->input[i]))
            return fault_set(fault, "node '%s' (op %s): nothing before it makes its input '%s'",
                             name, op, proto->input[i]);
    return true;
}

/* The value of a Constant node. */
static const graph_value *read_constant(graph *graph, const graph_node *node, fault *fault)
{
    const graph_attribute *attribute;
    if ((attribute = graph_attribute_find(node, "value")) && attribute->value)
        return attribute->value;
    if ((attribute = graph_attribute_find(node, "value_int")))
        return graph_integer(graph, attribute->i);
    if ((attribute = graph_attribute_find(node, "value_ints")))
        return graph_integers(graph, attribute->ints, attribute->n_ints);
    if ((attribute = graph_attribute_find(node, "value_float")))
        return graph_float(graph, attribute->f);
    fault_set(fault, "node '%s' (op Constant): a kind of constant that is not supported",
              node->name);
    return NULL;
}

static bool read_branch(graph *graph, onnx_model *model, const Onnx__NodeProto *proto,
                        fault *fault);

/* Whether the node gives its input as it is, and nothing else: then its output is another name. */
static bool is_passing(const graph_node *node)
{
    return !node->domain[0] && node->n_outputs == 1 &&
           (strcmp(node->op, "Identity") == 0 || strcmp(node->op, "Dropout") == 0);
}

static bool makes_output(const graph *graph, const Onnx__NodeProto *proto)
{
    for (size_t i = 0; i < proto->n_output; i++)
        for (size_t k = 0; k < graph->proto->n_output; k++)
            if (strcmp(proto->output[i], graph->proto->output[k]->name) == 0)
                return true;
    return false;
}

static bool read_node(graph *graph, onnx_model *model, const Onnx__NodeProto *proto, fault *fault)
{
    if (!check_node(graph, proto, fault))
        return false;
    if (is_branch(proto))
        return read_branch(graph, model, proto, fault);
    graph_attribute *attributes = graph_alloc(graph, proto->n_attribute, sizeof *attributes);
    for (size_t i = 0; i < proto->n_attribute; i++)
        if (!read_attribute(graph, model, proto, proto->attribute[i], &attributes[i], fault))
            return false;
    const graph_value **inputs = graph_alloc(graph, proto->n_input, sizeof *inputs);
    for (size_t i = 0; i < proto->n_input; i++)
        inputs[i] = proto->input[i][0] ? graph_find(graph, proto->input[i]) : NULL;

    const graph_value **outputs = graph_alloc(graph, proto->n_output, sizeof *outputs);
    graph_node node = {.op = proto->op_type,
                       .domain = domain_of(proto),
                       .name = name_of(proto),
                       .inputs = inputs,
                       .n_inputs = proto->n_input,
                       .outputs = outputs,
                       .n_outputs = proto->n_output,
                       .attributes = attributes,
                       .n_attributes = proto->n_attribute};
    if (is_passing(&node)) {
        outputs[0] = inputs[0];
    } else if (lower_knows(node.domain, node.op)) {
        if (!lower_node(graph, &node, makes_output(graph, proto), outputs, fault))
            return false;
    } else if (strcmp(node.op, "Constant") == 0) {
        const graph_value *constant = read_constant(graph, &node, fault);
        if (!constant)
            return false;
        if (node.n_outputs)
            outputs[0] = constant;
    } else {
        const graph_node *made =
            graph_emit(graph, node.domain, node.op, node.name, inputs, node.n_inputs,
                       node.n_outputs, attributes, node.n_attributes);
        memcpy(outputs, made->outputs, node.n_outputs * sizeof *outputs);
    }
    for (size_t i = 0; i < proto->n_output; i++)
        if (proto->output[i][0] && outputs[i] && !bind_name(graph, proto->output[i], outputs[i]))
            return fault_set(fault, "node '%s' (op %s): its output '%s' is made twice", node.name,
                             node.op, proto->output[i]);
    return true;
}

static bool read_initializers(graph *graph, onnx_model *model, const Onnx__GraphProto *proto,
                              fault *fault)
{
    for (size_t i = 0; i < proto->n_initializer; i++) {
        const graph_value *value = add_tensor(graph, model, proto->initializer[i], fault);
        if (!value)
            return false;
        if (!bind_name(graph, proto->initializer[i]->name, value))
            return fault_set(fault, "there are two tensors '%s'", proto->initializer[i]->name);
    }
    return true;
}

/* What a condition is for one sequence of n tokens, whatever they are: 0 or 1, or -1 if that
 * depends on them. */
static int decide(const graph *graph, const graph_value *condition, int64_t n)
{
    fault ignored = {0};
    evaluation *evaluation = evaluation_new(graph, NULL);
    for (size_t i = 0; i < graph->n_values; i++)
        if (graph->values[i]->is_input) {
            array *hollow = array_new_hollow(ARRAY_INTEGER, 2, (int64_t[]){1, n}, &ignored);
            if (!hollow)
                abort();
            evaluation_set(evaluation, graph->values[i], hollow);
        }
    array *answer = evaluation_get(evaluation, condition, &ignored);
    const int64_t *elements =
        answer && answer->count == 1 ? array_integers(answer, &ignored) : NULL;
    int decision = elements ? elements[0] != 0 : -1;
    evaluation_free(evaluation);
    return decision;
}

/*
 * An If that compares shapes, and has one answer for all sequences: exporters write it for DeBERTa,
 * where queries might have been fewer than keys. The branch that is taken becomes a part of the
 * graph.
 */
static bool read_branch(graph *graph, onnx_model *model, const Onnx__NodeProto *proto, fault *fault)
{
    static const int64_t lengths[] = {7, 1, 2, 64, 513};
    const graph_value *condition = graph_find(graph, proto->input[0]);
    int decision = condition->is_fixed ? -1 : decide(graph, condition, lengths[0]);
    for (size_t i = 1; decision >= 0 && i < sizeof lengths / sizeof *lengths; i++)
        if (decide(graph, condition, lengths[i]) != decision)
            decision = -1;
    const Onnx__GraphProto *branch = NULL;
    for (size_t i = 0; decision >= 0 && i < proto->n_attribute; i++)
        if (strcmp(proto->attribute[i]->name, decision ? "then_branch" : "else_branch") == 0)
            branch = proto->attribute[i]->g;
    if (!branch || branch->n_output < proto->n_output)
        return fault_set(fault,
                         "node '%s' (op If): has a subgraph that depends on its input; an encoder "
                         "is expected to be one plain graph",
                         name_of(proto));
    if (!read_initializers(graph, model, branch, fault))
        return false;
    for (size_t i = 0; i < branch->n_node; i++)
        if (!read_node(graph, model, branch->node[i], fault))
            return false;
    for (size_t i = 0; i < proto->n_output; i++) {
        const graph_value *value = graph_find(graph, branch->output[i]->name);
        if (!value || !bind_name(graph, proto->output[i], value))
            return fault_set(fault,
                             "node '%s' (op If): its output '%s' is made by nothing, or twice",
                             name_of(proto), proto->output[i]);
    }
    return true;
}

/* Whether a branch makes the name itself. */
static bool is_made_in(const Onnx__GraphProto *branch, const char *name)
{
    for (size_t i = 0; i < branch->n_initializer; i++)
        if (strcmp(branch->initializer[i]->name, name) == 0)
            return true;
    for (size_t i = 0; i < branch->n_node; i++)
        for (size_t k = 0; k < branch->node[i]->n_output; k++)
            if (strcmp(branch->node[i]->output[k], name) == 0)
                return true;
    return false;
}

/* Whether all that a node needs is there; a branch also needs what is outside of it. */
static bool is_ready(const graph *graph, const Onnx__NodeProto *proto,
                     const Onnx__GraphProto *branch)
{
    for (size_t i = 0; i < proto->n_input; i++)
        if (proto->input[i][0] && !graph_find(graph, proto->input[i]) &&
            !(branch && is_made_in(branch, proto->input[i])))
            return false;
    for (size_t i = 0; is_branch(proto) && i < proto->n_attribute; i++) {
        const Onnx__GraphProto *inner = proto->attribute[i]->g;
        for (size_t k = 0; inner && k < inner->n_node; k++)
            if (!is_ready(graph, inner->node[k], inner))
                return false;
    }
    return true;
}

/* Sweeps over nodes that a file may need. */
#define MAX_SWEEPS 64

/* Nodes stand in the order of execution, but for what quantisers forget: that branches use values
 * from outside. Those wait. */
static bool read_nodes(graph *graph, onnx_model *model, const Onnx__GraphProto *proto, fault *fault)
{
    bool *is_read = graph_alloc(graph, proto->n_node, sizeof *is_read);
    size_t n_left = proto->n_node;
    for (int sweep = 0; n_left && sweep < MAX_SWEEPS; sweep++) {
        size_t before = n_left;
        for (size_t i = 0; i < proto->n_node; i++) {
            if (is_read[i] || !is_ready(graph, proto->node[i], NULL))
                continue;
            if (!read_node(graph, model, proto->node[i], fault))
                return false;
            is_read[i] = true;
            n_left--;
        }
        if (n_left == before)
            break;
    }
    /* What cannot be read says why. */
    for (size_t i = 0; n_left && i < proto->n_node; i++)
        if (!is_read[i] && !check_node(graph, proto->node[i], fault))
            return false;
    return n_left == 0 || fault_set(fault, "the graph's nodes stand in no order, or in a circle");
}

static bool read_graph(graph *graph, onnx_model *model, fault *fault)
{
    const Onnx__GraphProto *proto = graph->proto;
    if (!read_initializers(graph, model, proto, fault))
        return false;
    for (size_t i = 0; i < proto->n_input; i++) {
        /* Older files list the initializers as inputs too. */
        if (graph_find(graph, proto->input[i]->name))
            continue;
        graph_value *value = add_value(graph, proto->input[i]->name);
        value->is_input = true;
        bind_name(graph, value->name, value);
    }
    if (!read_nodes(graph, model, proto, fault))
        return false;
    for (size_t i = 0; i < proto->n_output; i++) {
        const char *name = proto->output[i]->name;
        if (!graph_find(graph, name))
            return fault_set(fault, "nothing makes the graph's output '%s'", name);
        for (size_t k = 0; k < i; k++)
            if (strcmp(name, proto->output[k]->name) == 0)
                return fault_set(fault, "the graph lists its output '%s' twice", name);
    }
    return proto->n_output > 0 || fault_set(fault, "the graph has no output");
}

/* Names in a graph and its branches, which are nested no deeper than onnx_open() allows. */
static size_t count_names(const Onnx__GraphProto *proto)
{
    size_t n = proto->n_initializer + proto->n_input;
    for (size_t i = 0; i < proto->n_node; i++) {
        n += proto->node[i]->n_output;
        for (size_t k = 0; k < proto->node[i]->n_attribute; k++)
            if (proto->node[i]->attribute[k]->g)
                n += count_names(proto->node[i]->attribute[k]->g);
    }
    return n;
}

graph *graph_open(onnx_model *model, fault *fault)
{
    const Onnx__GraphProto *proto = model->proto->graph;
    size_t n_names = count_names(proto);
    graph *graph = calloc(1, sizeof *graph);
    entry *entries = calloc(2 * n_names + 1, sizeof *entries);
    if (!graph || !entries) {
        free(graph);
        free(entries);
        fault_set(fault, "out of memory for a graph of %zu values", n_names);
        return NULL;
    }
    graph->proto = proto;
    graph->entries = entries;
    graph->n_slots = 2 * n_names + 1;
    for (size_t i = 0; i < model->proto->n_opset_import; i++) {
        const Onnx__OperatorSetIdProto *import = model->proto->opset_import[i];
        if (!import->domain[0] || strcmp(import->domain, "ai.onnx") == 0)
            graph->opset = import->version;
    }
    if (!read_graph(graph, model, fault)) {
        graph_close(graph);
        return NULL;
    }
    return graph;
}

void graph_close(graph *graph)
{
    if (!graph)
        return;
    for (size_t i = 0; i < graph->n_values; i++)
        array_release(graph->values[i]->constant);
    for (block *block = graph->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    free(graph->values);
    free(graph->entries);
    free(graph);
}

/* -------------------------------------------------------------------------------------- walking --
 */

int64_t graph_opset(const graph *graph)
{
    return graph->opset;
}

size_t graph_n_values(const graph *graph)
{
    return graph->n_values;
}

const graph_value *graph_at(const graph *graph, size_t index)
{
    return graph->values[index];
}

size_t graph_n_outputs(const graph *graph)
{
    return graph->proto->n_output;
}

const char *graph_output_name(const graph *graph, size_t i)
{
    return graph->proto->output[i]->name;
}

const graph_value *graph_operand(const graph_value *value, size_t i)
{
    return value && value->node && i < value->node->n_inputs ? value->node->inputs[i] : NULL;
}

bool graph_is(const graph_value *value, const char *op)
{
    return value && value->node && !value->node->domain[0] && strcmp(value->node->op, op) == 0;
}

int64_t graph_input_dim(const graph *graph, const graph_value *input, size_t axis)
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

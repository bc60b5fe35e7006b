/*
 * graph_read.c - opening a graph: a file's nodes, checked, one after another; fused ones written
 * out, branches taken where shapes decide.
 */
#include "import/graph_read.h"

#include <stdlib.h>
#include <string.h>

#include "graph/graph_build.h"
#include "import/lower.h"
#include "operators/evaluate.h"
#include "operators/operators.h"

/* The tensor as a constant; NULL with a fault. */
static graph_value *add_tensor(onnx_graph *graph, onnx_model *model, const Onnx__TensorProto *proto,
                               fault_text *fault)
{
    stored_tensor *tensor = graph_alloc(graph, 1, sizeof *tensor);
    graph_array *constant =
        onnx_tensor_read(model, proto, tensor, fault) ? array_of_tensor(tensor, fault) : NULL;
    return constant ? graph_constant(graph, proto->name, constant) : NULL;
}

static const char *domain_of(const Onnx__NodeProto *proto)
{
    return strcmp(proto->domain, "ai.onnx") == 0 ? "" : proto->domain;
}

/* The node's name for a message: its first output's, if it has none of its own. */
static const char *name_of(const Onnx__NodeProto *proto)
{
    return proto->name[0] || proto->n_output == 0 ? proto->name : proto->output[0];
}

static bool read_attribute(onnx_graph *graph, onnx_model *model, const Onnx__NodeProto *node,
                           const Onnx__AttributeProto *proto, graph_attribute *attribute,
                           fault_text *fault)
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

/* Whether the node is damaged: without an operator, or in need of what nothing before it makes. */
static bool check_node(const onnx_graph *graph, const Onnx__NodeProto *proto, fault_text *fault)
{
    const char *name = name_of(proto), *op = proto->op_type;
    if (!op[0])
        return fault_set(fault, "node '%s': has no operator: the file is damaged", name);
    for (size_t i = 0; i < proto->n_input; i++)
        if (proto->input[i][0] && !graph_find(graph, proto->input[i]))
            return fault_set(fault, "node '%s' (op %s): nothing before it makes its input '%s'",
                             name, op, proto->input[i]);
    return true;
}

/* Whether it is a node that we know, with all the inputs that it needs. */
static bool check_operator(const Onnx__NodeProto *proto, fault_text *fault)
{
    const char *name = name_of(proto), *op = proto->op_type, *domain = domain_of(proto);
    const operator_kind *kind = operator_find(domain, op);
    for (size_t i = 0; i < proto->n_attribute && !is_branch(proto); i++)
        if (proto->attribute[i]->g || proto->attribute[i]->n_graphs)
            return fault_set(
                fault,
                "node '%s' (op %s): has a subgraph; an encoder is expected to be one plain graph",
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
    return true;
}

/* The value of a Constant node. */
static graph_value *read_constant(onnx_graph *graph, const graph_node *node, fault_text *fault)
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
    fault_set(fault, "node '%s' (op Constant): this kind of constant is not supported", node->name);
    return NULL;
}

static bool read_branch(onnx_graph *graph, onnx_model *model, const Onnx__NodeProto *proto,
                        fault_text *fault);

/* Whether the node only passes its input on: then its output is another name. */
static bool is_passing(const graph_node *node)
{
    return !node->domain[0] && node->n_outputs == 1 &&
           (strcmp(node->op, "Identity") == 0 || strcmp(node->op, "Dropout") == 0);
}

static bool makes_output(const onnx_graph *graph, const Onnx__NodeProto *proto)
{
    for (size_t i = 0; i < proto->n_output; i++)
        for (size_t k = 0; k < graph_n_outputs(graph); k++)
            if (strcmp(proto->output[i], graph_output_name(graph, k)) == 0)
                return true;
    return false;
}

/* A node that computes nothing, with the value that it would make. */
static const graph_node *emit_opaque(onnx_graph *graph, const graph_node *like,
                                     const fault_text *why)
{
    char *problem = graph_alloc(graph, strlen(why->text) + 1, 1);
    strcpy(problem, why->text);
    graph_node node = *like;
    node.problem = problem;
    node.n_attributes = 0;
    return graph_emit(graph, &node);
}

/* An output of a fused operator beside its result: those are not written out. */
static graph_value *read_side_output(onnx_graph *graph, const graph_node *node, size_t output)
{
    fault_text why = {0};
    fault_set(&why, "node '%s' (op %s): its output %zu is not supported", node->name, node->op,
              output + 1);
    graph_node like = *node;
    like.n_outputs = 1;
    return emit_opaque(graph, &like, &why)->outputs[0];
}

/* A node that nothing here can compute. It stays in the graph, because what needs it may be
 * nobody's business: who asks for its outputs is told why there are none. */
static bool read_opaque(onnx_graph *graph, const Onnx__NodeProto *proto, const fault_text *why,
                        fault_text *fault)
{
    graph_value **inputs = graph_alloc(graph, proto->n_input, sizeof *inputs);
    for (size_t i = 0; i < proto->n_input; i++)
        inputs[i] = proto->input[i][0] ? graph_find(graph, proto->input[i]) : NULL;
    graph_node node = {.op = proto->op_type,
                       .domain = domain_of(proto),
                       .name = name_of(proto),
                       .inputs = inputs,
                       .n_inputs = proto->n_input,
                       .n_outputs = proto->n_output};
    const graph_node *made = emit_opaque(graph, &node, why);
    for (size_t i = 0; i < proto->n_output; i++)
        if (proto->output[i][0] && !graph_bind(graph, proto->output[i], made->outputs[i]))
            return fault_set(fault, "node '%s' (op %s): its output '%s' is made twice", made->name,
                             made->op, proto->output[i]);
    return true;
}

static bool read_node(onnx_graph *graph, onnx_model *model, const Onnx__NodeProto *proto,
                      fault_text *fault)
{
    fault_text why = {0};
    if (!check_node(graph, proto, fault))
        return false;
    if (!check_operator(proto, &why))
        return read_opaque(graph, proto, &why, fault);
    if (is_branch(proto))
        return read_branch(graph, model, proto, fault);
    graph_attribute *attributes = graph_alloc(graph, proto->n_attribute, sizeof *attributes);
    for (size_t i = 0; i < proto->n_attribute; i++)
        if (!read_attribute(graph, model, proto, proto->attribute[i], &attributes[i], fault))
            return false;
    graph_value **inputs = graph_alloc(graph, proto->n_input, sizeof *inputs);
    for (size_t i = 0; i < proto->n_input; i++)
        inputs[i] = proto->input[i][0] ? graph_find(graph, proto->input[i]) : NULL;

    graph_value **outputs = graph_alloc(graph, proto->n_output, sizeof *outputs);
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
        for (size_t i = 0; i < proto->n_output; i++)
            if (proto->output[i][0] && !outputs[i])
                outputs[i] = read_side_output(graph, &node, i);
    } else if (strcmp(node.op, "Constant") == 0) {
        graph_value *constant = read_constant(graph, &node, fault);
        if (!constant)
            return false;
        if (node.n_outputs)
            outputs[0] = constant;
    } else {
        const graph_node *made = graph_emit(graph, &node);
        memcpy(outputs, made->outputs, node.n_outputs * sizeof *outputs);
    }
    for (size_t i = 0; i < proto->n_output; i++)
        if (proto->output[i][0] && outputs[i] && !graph_bind(graph, proto->output[i], outputs[i]))
            return fault_set(fault, "node '%s' (op %s): its output '%s' is made twice", node.name,
                             node.op, proto->output[i]);
    return true;
}

static bool read_initializers(onnx_graph *graph, onnx_model *model, const Onnx__GraphProto *proto,
                              fault_text *fault)
{
    for (size_t i = 0; i < proto->n_initializer; i++) {
        graph_value *value = add_tensor(graph, model, proto->initializer[i], fault);
        if (!value)
            return false;
        if (!graph_bind(graph, proto->initializer[i]->name, value))
            return fault_set(fault, "there are two tensors '%s'", proto->initializer[i]->name);
    }
    return true;
}

/* The value of a condition for any sequence of n tokens: 0 or 1; -1 if it depends on the tokens. */
static int decide(const onnx_graph *graph, graph_value *condition, int64_t n)
{
    fault_text ignored = {0};
    graph_evaluation *evaluation = evaluation_new(graph, NULL);
    for (size_t i = 0; i < graph_n_values(graph); i++)
        if (graph_at(graph, i)->is_input) {
            graph_array *hollow = array_new_hollow(ARRAY_INTEGER, 2, (int64_t[]){1, n}, &ignored);
            if (!hollow)
                abort();
            evaluation_set(evaluation, graph_at(graph, i), hollow);
        }
    graph_array *answer = evaluation_get(evaluation, condition, &ignored);
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
static bool read_branch(onnx_graph *graph, onnx_model *model, const Onnx__NodeProto *proto,
                        fault_text *fault)
{
    static const int64_t lengths[] = {7, 1, 2, 64, 513};
    graph_value *condition = graph_find(graph, proto->input[0]);
    int decision = condition->is_fixed ? -1 : decide(graph, condition, lengths[0]);
    for (size_t i = 1; decision >= 0 && i < sizeof lengths / sizeof *lengths; i++)
        if (decide(graph, condition, lengths[i]) != decision)
            decision = -1;
    const Onnx__GraphProto *branch = NULL;
    for (size_t i = 0; decision >= 0 && i < proto->n_attribute; i++)
        if (strcmp(proto->attribute[i]->name, decision ? "then_branch" : "else_branch") == 0)
            branch = proto->attribute[i]->g;
    if (!branch || branch->n_output < proto->n_output) {
        fault_text why = {0};
        fault_set(&why,
                  "node '%s' (op If): has a subgraph that depends on its input; an encoder is "
                  "expected to be one plain graph",
                  name_of(proto));
        return read_opaque(graph, proto, &why, fault);
    }
    if (!read_initializers(graph, model, branch, fault))
        return false;
    for (size_t i = 0; i < branch->n_node; i++)
        if (!read_node(graph, model, branch->node[i], fault))
            return false;
    for (size_t i = 0; i < proto->n_output; i++) {
        graph_value *value = graph_find(graph, branch->output[i]->name);
        if (!value || !graph_bind(graph, proto->output[i], value))
            return fault_set(
                fault,
                "node '%s' (op If): nothing makes its output '%s', or something else makes it too",
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

/* Whether all that a node needs is there; of a branch also what its nodes use from outside. */
static bool is_ready(const onnx_graph *graph, const Onnx__NodeProto *proto,
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

/* How often the nodes of a file may be gone over. */
#define MAX_SWEEPS 64

/* Nodes are in the order of execution, except that quantisers forget that branches use values from
 * outside: those nodes wait. */
static bool read_nodes(onnx_graph *graph, onnx_model *model, const Onnx__GraphProto *proto,
                       fault_text *fault)
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
    return n_left == 0 || fault_set(fault, "the graph's nodes need each other in a circle");
}

static bool read_graph(onnx_graph *graph, onnx_model *model, fault_text *fault)
{
    const Onnx__GraphProto *proto = model->proto->graph;
    if (!read_initializers(graph, model, proto, fault))
        return false;
    for (size_t i = 0; i < proto->n_input; i++) {
        /* Older files list the initializers as inputs too. */
        if (graph_find(graph, proto->input[i]->name))
            continue;
        graph_value *value = graph_input(graph, proto->input[i]->name);
        graph_bind(graph, value->name, value);
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

onnx_graph *graph_open(onnx_model *model, fault_text *fault)
{
    const Onnx__GraphProto *proto = model->proto->graph;
    size_t n_names = count_names(proto);
    int64_t opset = 0;
    for (size_t i = 0; i < model->proto->n_opset_import; i++) {
        const Onnx__OperatorSetIdProto *import = model->proto->opset_import[i];
        if (!import->domain[0] || strcmp(import->domain, "ai.onnx") == 0)
            opset = import->version;
    }
    onnx_graph *graph = graph_new(proto, opset, n_names);
    if (!read_graph(graph, model, fault)) {
        graph_close(graph);
        return NULL;
    }
    return graph;
}

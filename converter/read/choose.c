/*
 * choose.c - which outputs of a graph become the model's (read.h).
 *
 * Exports give back more than an encoder's outputs: inputs, masks, shapes, what somebody wanted to
 * look at. That an output cannot be read says nothing against the others, so it is left out, and
 * said. But where it stands on more of the encoder than was read, the graph is refused: else its
 * lower layers would pass for it.
 */
#include "read/read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of a long list that goes into a message. */
#define MAX_LISTED 32

/* An output of the graph that may become one of the model. */
typedef struct candidate {
    const char *name;
    graph_value *at;
    bool is_float; /* as the file declares it */
    bool is_taken;
    output_name output;    /* if it is taken */
    char reason[512];      /* if it is not */
    graph_value *mismatch; /* the same of one that could have been an encoder's; NULL: it could */
    const char *expected;  /* not */
} candidate;

/* Appends to a text of `size` bytes, as far as there is room. */
static void append(char *text, size_t size, const char *format, const char *first,
                   const char *second)
{
    size_t n = strlen(text);
    snprintf(text + n, size - n, format, first, second);
}

/* ----------------------------------------------------------------------------------- reasons -- */

/* Whether the value multiplies tokens with tokens, for each head or for all: as scores, and what is
 * weighted with them, do. */
static bool is_attention(const graph_reader *reader, graph_value *at)
{
    if (!graph_is(at, "MatMul") || !carries(reader, graph_operand(at, 0)) ||
        !carries(reader, graph_operand(at, 1)))
        return false;
    const graph_array *shape = shape_of(reader, at);
    uint32_t rank = shape ? shape->rank : 0;
    bool is_of_heads = rank > 3 || (rank == 3 && shape->dims[0] != reader->n_batch);
    return !shape || is_of_heads ||
           (rank == 3 && shape->dims[1] == reader->n_tokens && shape->dims[2] == reader->n_tokens);
}

/* Whether `at` stands on more of the encoder than what ends in `hidden`: on attention above it. */
static bool has_encoder_above(const graph_reader *reader, graph_value *at, graph_value *hidden)
{
    bool *is_ancestor = reader_ancestors(reader, at);
    bool found = false;
    for (size_t i = hidden->index + 1; i <= at->index && !found; i++)
        found = is_ancestor[i] && is_attention(reader, graph_at(reader->graph, i));
    free(is_ancestor);
    return found;
}

static bool stands_on(const graph_reader *reader, graph_value *at, graph_value *hidden)
{
    bool *is_ancestor = reader_ancestors(reader, at);
    bool found = hidden->index <= at->index && is_ancestor[hidden->index];
    free(is_ancestor);
    return found;
}

/* Whether the output may be an encoder's: floats that depend on the ids. If not, why. */
static bool may_be_read(graph_reader *reader, candidate *one)
{
    fault_text why = {{0}};
    const graph_array *shape = evaluation_get(reader->masked, one->at, &why);
    const char *reason = one->at->is_input            ? "an input"
                         : one->at->is_fixed          ? "a constant"
                         : !one->is_float             ? "not floats"
                         : !shape                     ? why.text
                         : !shape->is_hollow          ? "made of shapes and the mask alone"
                         : shape->type != ARRAY_FLOAT ? "not floats"
                                                      : NULL;
    if (reason)
        append(one->reason, sizeof one->reason, "%s", reason, "");
    return !reason;
}

/* Why an output that may have been an encoder's is not. */
static void explain(graph_reader *reader, const encoder_match *encoder, candidate *one)
{
    fault_text why = {{0}};
    one->mismatch = reader->mismatch;
    one->expected = reader->expected;
    if (stands_on(reader, one->at, encoder->hidden))
        describe_mismatch(reader, &why);
    else
        fault_set(&why, "made before the encoder's end");
    append(one->reason, sizeof one->reason, "%s", why.text, "");
}

/* "'a': an input; 'b': a constant", of those that are not taken. */
static void list_reasons(const candidate *candidates, size_t n, char *text, size_t size)
{
    size_t n_listed = 0, n_more = 0;
    for (size_t i = 0; i < n; i++) {
        if (candidates[i].is_taken)
            continue;
        if (n_listed == MAX_LISTED) {
            n_more++;
            continue;
        }
        append(text, size, n_listed++ ? "; '%s': %s" : "'%s': %s", candidates[i].name,
               candidates[i].reason);
    }
    char count[32];
    snprintf(count, sizeof count, "%zu", n_more);
    if (n_more)
        append(text, size, "; and %s more", count, "");
}

/* ------------------------------------------------------------------------------------ choice -- */

static bool refuse_name(const graph_reader *reader, const char *name)
{
    char names[sizeof reader->fault->text / 2] = "";
    size_t n = graph_n_outputs(reader->graph);
    for (size_t i = 0; i < n && i < MAX_LISTED; i++)
        append(names, sizeof names, i ? ", '%s'" : "'%s'", graph_output_name(reader->graph, i), "");
    return fault_set(reader->fault, "the graph has no output '%s'; it has %s%s", name, names,
                     n > MAX_LISTED ? ", and more" : "");
}

static bool is_chosen(const output_choice *choice, const char *name)
{
    bool found = choice->n == 0;
    for (size_t i = 0; i < choice->n; i++)
        found = found || strcmp(choice->names[i], name) == 0;
    return found;
}

/* The outputs of the choice in the order of the graph; returns how many. */
static size_t list_candidates(const graph_reader *reader, const output_choice *choice,
                              candidate *candidates)
{
    size_t n = 0;
    for (size_t i = 0; i < graph_n_outputs(reader->graph); i++) {
        const char *name = graph_output_name(reader->graph, i);
        if (is_chosen(choice, name))
            candidates[n++] = (candidate){.name = name,
                                          .at = graph_find(reader->graph, name),
                                          .is_float = graph_output_may_be_float(reader->graph, i)};
    }
    return n;
}

static bool check_names(const graph_reader *reader, const output_choice *choice)
{
    for (size_t i = 0; i < choice->n; i++) {
        bool found = false;
        for (size_t k = 0; k < graph_n_outputs(reader->graph); k++)
            found = found || strcmp(choice->names[i], graph_output_name(reader->graph, k)) == 0;
        if (!found)
            return refuse_name(reader, choice->names[i]);
    }
    return true;
}

/* Reads those that may be an encoder's, the last one made first: what stands on the others is what
 * the export is for, should two want the same head. */
static bool read_candidates(graph_reader *reader, candidate *candidates, size_t n,
                            encoder_match *encoder)
{
    candidate **open = calloc(n, sizeof *open);
    graph_value **outputs = calloc(n, sizeof *outputs);
    if (!open || !outputs)
        abort();
    size_t n_open = 0;
    for (size_t i = 0; i < n; i++) {
        if (!may_be_read(reader, &candidates[i]))
            continue;
        size_t k = n_open++;
        for (; k > 0 && open[k - 1]->at->index < candidates[i].at->index; k--)
            open[k] = open[k - 1];
        open[k] = &candidates[i];
    }
    for (size_t k = 0; k < n_open; k++)
        outputs[k] = open[k]->at;
    bool ok = n_open == 0 || read_stack(reader, outputs, n_open, encoder);
    for (size_t k = 0; ok && k < n_open; k++) {
        heads_match before = encoder->heads;
        reader->mismatch = NULL;
        open[k]->output.onnx = open[k]->name;
        open[k]->is_taken = read_output(reader, encoder, open[k]->at, &open[k]->output);
        if (!open[k]->is_taken) {
            explain(reader, encoder, open[k]);
            encoder->heads = before;
        }
    }
    free(open);
    free(outputs);
    return ok;
}

/* Whether the candidates that are left out may be; says so. */
static bool settle(graph_reader *reader, const candidate *candidates, size_t n, bool must_take_all,
                   const encoder_match *encoder)
{
    char note[8192] = "outputs that are left out: ", *reasons = note + strlen(note);
    const candidate *misread = NULL;
    size_t n_taken = 0;
    for (size_t i = 0; i < n; i++) {
        const candidate *one = &candidates[i];
        n_taken += one->is_taken;
        if (!one->is_taken && encoder->hidden && !misread &&
            has_encoder_above(reader, one->at, encoder->hidden))
            misread = one;
    }
    if (n_taken == n)
        return true;
    /* One output, or more than an encoder that was read: the node where reading ended says it. */
    if (!misread && n == 1 && candidates[0].mismatch)
        misread = &candidates[0];
    reader->mismatch = misread ? misread->mismatch : NULL;
    reader->expected = misread ? misread->expected : NULL;
    if (misread && (misread->mismatch || encoder->suspect))
        return report_suspect(reader, encoder);
    list_reasons(candidates, n, reasons, sizeof note - (size_t)(reasons - note));
    if (must_take_all || n_taken == 0 || misread)
        return fault_set(
            reader->fault, "%s an encoder's: %s",
            must_take_all ? "a chosen output is not" : "none of the graph's outputs is", reasons);
    fault_note(note); /* longer than what fault_warn() takes */
    return true;
}

bool read_outputs(graph_reader *reader, const output_choice *choice, encoder_match *encoder,
                  bert_weights *weights)
{
    if (!check_names(reader, choice))
        return false;
    candidate *candidates = calloc(graph_n_outputs(reader->graph), sizeof *candidates);
    if (!candidates)
        return fault_set(reader->fault, "out of memory for the graph's outputs");
    size_t n = list_candidates(reader, choice, candidates);
    bool ok = read_candidates(reader, candidates, n, encoder);
    ok = ok && settle(reader, candidates, n, choice->n > 0, encoder);
    for (size_t i = 0; ok && i < n; i++) {
        if (!candidates[i].is_taken)
            continue;
        if (weights->n_outputs == WEIGHTS_MAX_OUTPUTS)
            ok = fault_set(reader->fault,
                           "the graph has more than %d outputs of an encoder: choose some with "
                           "--output",
                           WEIGHTS_MAX_OUTPUTS);
        else
            weights->outputs[weights->n_outputs++] = candidates[i].output;
    }
    free(candidates);
    return ok;
}

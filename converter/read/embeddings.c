/*
 * embeddings.c - tables and what indexes them (read.h).
 *
 * The graph is asked which row an index chooses: indices are evaluated for ids that are known.
 */
#include "read/read.h"

#include <stdlib.h>
#include <string.h>

#include "graph/graph_build.h"

#define MAX_TERMS 8

/* The terms of a sum, however it is bracketed. */
static bool sum_terms(const graph_reader *reader, graph_value *at, graph_value *terms[MAX_TERMS],
                      int *n)
{
    at = plain(reader, at);
    if (graph_is(at, "Add"))
        return sum_terms(reader, graph_operand(at, 0), terms, n) && *n < MAX_TERMS &&
               sum_terms(reader, graph_operand(at, 1), terms, n);
    if (*n == MAX_TERMS)
        return false;
    terms[(*n)++] = at;
    return true;
}

/* The value of an index for `ids` [n_tokens], types of ones and positions from 0, or NULL. */
static graph_array *index_for(const graph_reader *reader, graph_value *index, const int64_t *ids)
{
    fault_text ignored = {0};
    int64_t dims[] = {reader->n_batch, reader->n_tokens};
    graph_evaluation *evaluation = evaluation_new(reader->graph, reader->constants);
    for (int i = 0; i < ROLE_COUNT; i++) {
        if (!reader->inputs[i])
            continue;
        graph_array *array = array_new(ARRAY_INTEGER, 2, dims, &ignored);
        for (int64_t k = 0; array && k < array->count; k++)
            array->integers[k] = i == ROLE_IDS         ? ids[k % reader->n_tokens]
                                 : i == ROLE_POSITIONS ? k % reader->n_tokens
                                                       : 1;
        evaluation_set(evaluation, reader->inputs[i], array);
    }
    graph_array *answer = evaluation_get(evaluation, index, &ignored);
    answer = answer && !answer->is_hollow && array_integers(answer, &ignored) &&
                     answer->count >= reader->n_tokens
                 ? array_share(answer)
                 : NULL;
    evaluation_free(evaluation);
    return answer;
}

/* Whether the value depends on the elements of that input. */
static bool depends_on(const graph_reader *reader, graph_value *at, input_role role)
{
    fault_text ignored = {0};
    int64_t dims[] = {reader->n_batch, reader->n_tokens};
    if (!reader->inputs[role])
        return false;
    graph_evaluation *evaluation = evaluation_new(reader->graph, reader->constants);
    for (int i = 0; i < ROLE_COUNT; i++) {
        graph_array *array = !reader->inputs[i] ? NULL
                             : i == (int)role   ? array_new_hollow(ARRAY_INTEGER, 2, dims, &ignored)
                                                : array_new(ARRAY_INTEGER, 2, dims, &ignored);
        if (array)
            evaluation_set(evaluation, reader->inputs[i], array);
    }
    graph_array *answer = evaluation_get(evaluation, at, &ignored);
    bool depends = !answer || answer->is_hollow;
    evaluation_free(evaluation);
    return depends;
}

/* Whether indices are first, first + 1, ... */
static bool counts_from(const graph_reader *reader, const graph_array *index, int64_t *first)
{
    *first = index->integers[0];
    for (int64_t i = 0; i < reader->n_tokens; i++)
        if (index->integers[i] != *first + i)
            return false;
    return *first >= 0;
}

/* An index as a row of a table: negative ones count from the end. False if there is no such row. */
static bool find_row(int64_t index, uint32_t n_rows, uint32_t *row)
{
    int64_t from_start = index < 0 ? index + n_rows : index;
    *row = (uint32_t)from_start;
    return from_start >= 0 && from_start < n_rows;
}

/* Positions counted from the ids, as RoBERTa does: padding, whose id is one less than the first
 * position, stays there and is not counted. */
static bool counts_ids(const graph_reader *reader, graph_value *at, int64_t first)
{
    int64_t n = reader->n_tokens, padding = first - 1;
    int64_t *ids = calloc((size_t)n, sizeof *ids);
    int64_t *expected = calloc((size_t)n, sizeof *expected);
    bool ok = ids && expected && padding >= 0;
    for (int64_t i = 0, position = first; ok && i < n; i++) {
        bool is_padding = i == 2 || i == n - 1;
        ids[i] = is_padding ? padding : padding + 3;
        expected[i] = is_padding ? padding : position++;
    }
    graph_array *index = ok ? index_for(reader, at, ids) : NULL;
    ok = index && memcmp(index->integers, expected, (size_t)n * sizeof *expected) == 0;
    array_release(index);
    free(ids);
    free(expected);
    return ok;
}

typedef struct table_lookup {
    graph_array *table; /* [rows, width] */
    graph_value *index; /* NULL: rows in order */
} table_lookup;

/* Gather of rows of a table, or rows that depend on the length alone. */
static bool match_lookup(graph_reader *reader, graph_value *at, table_lookup *lookup)
{
    fault_text ignored = {0};
    if (graph_is(at, "Gather") && graph_operand(at, 0)->is_fixed &&
        graph_attribute_int(at->node, "axis", 0) == 0) {
        lookup->index = graph_operand(at, 1);
        lookup->table = fixed_array(reader, graph_operand(at, 0));
        return lookup->table && lookup->table->rank == 2 && lookup->table->type == ARRAY_FLOAT;
    }
    graph_array *rows = evaluation_get(reader->open, at, &ignored);
    if (!rows || rows->is_hollow || rows->rank < 1 || rows->type != ARRAY_FLOAT ||
        !array_floats(rows, &ignored) || reader->n_kept == READER_MAX_KEPT)
        return false;
    int64_t width = rows->dims[rows->rank - 1];
    int64_t dims[] = {width ? rows->count / width : 0, width};
    lookup->table = array_reshaped(rows, 2, dims, &ignored);
    lookup->index = NULL;
    if (lookup->table)
        reader->kept[reader->n_kept++] = lookup->table;
    return lookup->table != NULL;
}

static bool once(graph_reader *reader, graph_value *at, graph_array **place, graph_array *table)
{
    if (*place)
        return mismatch(reader, at, "one embedding of each kind");
    *place = table;
    return true;
}

/* Rows that are the same for every token, or one for each. */
static bool read_rows(graph_reader *reader, graph_value *at, const table_lookup *lookup,
                      embeddings_match *match)
{
    int64_t n_rows = lookup->table->dims[0];
    if (n_rows == 1) {
        match->n_token_types = 1;
        return once(reader, at, &match->token_type, lookup->table);
    }
    if (!reader->is_static)
        return mismatch(reader, at, "position embeddings chosen from a table");
    match->n_positions = (uint32_t)n_rows;
    return once(reader, at, &match->position, lookup->table);
}

static bool read_lookup(graph_reader *reader, graph_value *at, const table_lookup *lookup,
                        embeddings_match *match)
{
    uint32_t n_rows = (uint32_t)lookup->table->dims[0], row;
    int64_t n = reader->n_tokens, first, *ids = calloc((size_t)n, sizeof *ids);
    if (!lookup->index) {
        free(ids);
        return read_rows(reader, at, lookup, match);
    }
    for (int64_t i = 0; ids && i < n; i++)
        ids[i] = 5 + i % 3;
    graph_array *index = ids ? index_for(reader, lookup->index, ids) : NULL;
    bool ok = false;
    if (!index) {
        mismatch(reader, at, "an index made of ids, token types or positions");
    } else if (memcmp(index->integers, ids, (size_t)n * sizeof *ids) == 0) {
        ok = once(reader, at, &match->word, lookup->table);
    } else if (depends_on(reader, lookup->index, ROLE_TYPES)) {
        match->n_token_types = n_rows;
        ok = (index->integers[0] == 1 && index->integers[n - 1] == 1) ||
             mismatch(reader, at, "token types as they are given");
        ok = ok && once(reader, at, &match->token_type, lookup->table);
    } else if (counts_from(reader, index, &first) && find_row(first, n_rows, &row) && n > 1) {
        bool by_ids = depends_on(reader, lookup->index, ROLE_IDS);
        if (by_ids && !counts_ids(reader, lookup->index, first)) {
            mismatch(reader, at, "positions that count all tokens but padding");
        } else {
            bool is_given = depends_on(reader, lookup->index, ROLE_POSITIONS);
            match->first_position = by_ids ? row : is_given ? reader->first_position : 0;
            match->position_row = by_ids ? 0 : row;
            match->n_positions = n_rows - match->position_row;
            ok = once(reader, at, &match->position, lookup->table);
        }
    } else if (index->integers[0] == index->integers[n - 1] &&
               find_row(index->integers[0], n_rows, &row)) {
        match->n_token_types = 1;
        match->token_type_row = row;
        ok = once(reader, at, &match->token_type, lookup->table);
    } else {
        mismatch(reader, at, "an index made of ids, token types or positions");
    }
    array_release(index);
    free(ids);
    return ok;
}

bool read_embeddings(graph_reader *reader, graph_value *at, embeddings_match *match)
{
    graph_value *terms[MAX_TERMS];
    int n = 0;
    *match = (embeddings_match){0};
    at = plain(reader, at);
    if (match_affine(reader, at, &match->projection))
        at = match->projection.input;
    else
        match->projection.product = NULL;
    if (!match_layer_norm(reader, at, &match->norm))
        return mismatch(reader, at, "the layer normalisation of the embeddings");
    if (!sum_terms(reader, match->norm.input, terms, &n))
        return mismatch(reader, match->norm.input, "a sum of embeddings");
    for (int i = 0; i < n; i++) {
        table_lookup lookup;
        if (!match_lookup(reader, terms[i], &lookup))
            return mismatch(reader, terms[i], "a Gather of rows of an embedding table");
        if (!read_lookup(reader, terms[i], &lookup, match))
            return false;
    }
    return match->word || mismatch(reader, match->norm.input, "word embeddings");
}

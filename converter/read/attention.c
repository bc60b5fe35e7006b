/*
 * attention.c - heads, scores and relative positions (read.h).
 *
 * Between a dense layer and the queries, keys or values that are multiplied there are reshapes,
 * transposes, slices, biases and scales, in as many ways as there are exporters. None is read: what
 * the dense layer gives is replaced by numbers that say which column they are, and what arrives at
 * the other end tells the column, the bias and the scale of each number of each head.
 */
#include "read/read.h"

#include <math.h>
#include <string.h>

#include "graph/graph_build.h"

static bool is_activations_product(const graph_reader *reader, graph_value *at)
{
    return graph_is(at, "MatMul") && carries(reader, graph_operand(at, 0)) &&
           carries(reader, graph_operand(at, 1));
}

/* The nearest dense layer, if `at` is made of that alone. */
static bool find_dense(const graph_reader *reader, graph_value *at, affine_match *dense)
{
    while (at && !is_activations_product(reader, at)) {
        if (match_affine(reader, at, dense))
            return true;
        at = is_product(reader, at) ? NULL : carrier(reader, at);
    }
    return false;
}

/* ------------------------------------------------------------------------------- projections -- */

/* What arrives at `at` when the dense layer gives constant + column_factor * column + token_factor
 * * token. */
static graph_array *trace(const graph_reader *reader, graph_value *dense, double constant,
                          double column_factor, double token_factor, graph_value *at)
{
    graph_array *numbers = array_like(reader, dense);
    if (!numbers || numbers->rank < 2) {
        array_release(numbers);
        return NULL;
    }
    int64_t width = numbers->dims[numbers->rank - 1];
    for (int64_t i = 0; i < numbers->count; i++)
        numbers->floats[i] = (float)(constant + column_factor * (double)(i % width) +
                                     token_factor * (double)(i / width % reader->n_tokens));
    return respond(reader, dense, numbers, at);
}

/* The number of head h, dimension i and token t in the first sequence. */
static float element(const graph_array *array, int64_t dim, int64_t n, bool is_key, int64_t h,
                     int64_t i, int64_t t)
{
    return array->floats[h * dim * n + (is_key ? i * n + t : t * dim + i)];
}

/* Fills a projection's columns, scales and biases from what arrived for 0, 1, columns and tokens.
 */
static bool read_columns(const graph_reader *reader, graph_array *const answers[4], int64_t dim,
                         bool is_key, projection_match *out)
{
    uint32_t *columns = graph_alloc(reader->graph, out->n, sizeof *columns);
    float *scale = graph_alloc(reader->graph, out->n, sizeof *scale);
    float *bias = graph_alloc(reader->graph, out->n, sizeof *bias);
    int64_t n = reader->n_tokens;
    for (uint32_t k = 0; k < out->n; k++) {
        float got[4], last[4];
        for (int a = 0; a < 4; a++) {
            got[a] = element(answers[a], dim, n, is_key, k / dim, k % dim, 0);
            last[a] = element(answers[a], dim, n, is_key, k / dim, k % dim, n - 1);
        }
        float factor = got[1] - got[0];
        double column = (got[2] - got[0]) / factor, token = (last[3] - got[0]) / factor;
        if (!(fabsf(factor) > 1e-6f) || fabs(column - round(column)) > 0.05 || column < -0.05 ||
            round(column) >= out->dense.n_out || fabs(token - (double)(n - 1)) > 0.05)
            return false;
        columns[k] = (uint32_t)lround(column);
        float dense_scale = out->dense.scale ? out->dense.scale[columns[k]] : 1;
        scale[k] = factor * dense_scale;
        bias[k] = got[0] + factor * out->dense.bias[columns[k]];
    }
    out->columns = columns;
    out->scale = scale;
    out->bias = bias;
    return true;
}

/* Queries, keys or values as they are multiplied, [..., n, dim], or [..., dim, n] if `is_key`. */
static bool read_projection(graph_reader *reader, graph_value *at, bool is_key,
                            projection_match *out)
{
    const graph_array *shape = shape_of(reader, at);
    if (!find_dense(reader, at, &out->dense) || !shape || shape->rank < 3)
        return mismatch(reader, at, "queries, keys or values made by a dense layer");
    int64_t dim = shape->dims[shape->rank - (is_key ? 2 : 1)];
    int64_t tokens = shape->dims[shape->rank - (is_key ? 1 : 2)];
    int64_t total = shape->count / (tokens ? tokens * reader->n_batch : 1);
    if (tokens != reader->n_tokens || dim < 1 || total < 1 || total > 1 << 20 || total % dim)
        return mismatch(reader, at, "queries, keys or values of [batch, head, token, dim]");
    out->n = (uint32_t)total;
    graph_value *dense = out->dense.output;
    graph_array *answers[4] = {trace(reader, dense, 0, 0, 0, at), trace(reader, dense, 1, 0, 0, at),
                               trace(reader, dense, 0, 1, 0, at),
                               trace(reader, dense, 0, 0, 1, at)};
    bool ok = true;
    for (int i = 0; i < 4; i++)
        ok = ok && answers[i] && answers[i]->floats && answers[i]->count == shape->count;
    ok = ok && read_columns(reader, answers, dim, is_key, out);
    for (int i = 0; i < 4; i++)
        array_release(answers[i]);
    return ok || mismatch(reader, at, "queries, keys or values cut into heads of columns");
}

/* Whether two projections are the same but for a factor; gives b's over a's. */
static bool is_multiple(const projection_match *a, const projection_match *b, float *factor)
{
    if (a->dense.product != b->dense.product || a->n != b->n ||
        memcmp(a->columns, b->columns, a->n * sizeof *a->columns) != 0)
        return false;
    *factor = b->scale[0] / a->scale[0];
    for (uint32_t i = 0; i < a->n; i++)
        if (fabsf(b->bias[i] - *factor * a->bias[i]) > 1e-4f * (1 + fabsf(b->bias[i])))
            return false;
    return true;
}

/* Makes the scales of a projection 1, and gives the factor that they had in common. */
static void take_scale(const graph_reader *reader, projection_match *projection, double *scale)
{
    double factor = projection->scale[0] /
                    (projection->dense.scale ? projection->dense.scale[projection->columns[0]] : 1);
    float *scales = graph_alloc(reader->graph, projection->n, sizeof *scales);
    float *bias = graph_alloc(reader->graph, projection->n, sizeof *bias);
    for (uint32_t i = 0; i < projection->n; i++) {
        scales[i] = (float)(projection->scale[i] / factor);
        bias[i] = (float)(projection->bias[i] / factor);
        if (fabsf(scales[i] - 1) < 1e-5f)
            scales[i] = 1;
    }
    projection->scale = scales;
    projection->bias = bias;
    *scale *= factor;
}

/* ------------------------------------------------------------------------------------ scores -- */

typedef struct score_sum {
    graph_value *content[2]; /* queries and keys as they are multiplied */
    double content_scale;
    struct {
        graph_value *vector, *embeddings, *index;
        double scale;
        bool is_transposed;
    } relative[2];
    int n_relative;
    graph_value *bias;
    double bias_scale;
    bool has_mask;
} score_sum;

static bool swaps_last(graph_value *at)
{
    const graph_attribute *order =
        graph_is(at, "Transpose") ? graph_attribute_find(at->node, "perm") : NULL;
    size_t n = order ? order->n_ints : 0;
    if (at->node && strcmp(at->node->op, "SwapLast") == 0)
        return true;
    return n >= 2 && order->ints[n - 1] == (int64_t)n - 2 && order->ints[n - 2] == (int64_t)n - 1;
}

/* A path from the softmax down to one term. */
typedef struct score_path {
    graph_value *at;
    double scale;
    bool is_transposed;
    graph_value *index; /* of a gather on the way */
} score_path;

static bool add_product(graph_reader *reader, const score_path *path, score_sum *scores)
{
    graph_value *a = graph_operand(path->at, 0), *b = graph_operand(path->at, 1);
    if (carries(reader, a) && carries(reader, b)) {
        if (scores->content[0] || path->is_transposed || path->index)
            return mismatch(reader, path->at, "one product of queries and keys");
        scores->content[0] = a;
        scores->content[1] = b;
        scores->content_scale = path->scale;
        return true;
    }
    if (scores->n_relative == 2 || !path->index || !carries(reader, a))
        return mismatch(reader, path->at, "at most two products with relative embeddings");
    int i = scores->n_relative++;
    scores->relative[i].vector = a;
    scores->relative[i].embeddings = b;
    scores->relative[i].index = path->index;
    scores->relative[i].scale = path->scale;
    scores->relative[i].is_transposed = path->is_transposed;
    return true;
}

/* Whether the value depends on the elements of some input. */
static bool is_open(const graph_reader *reader, graph_value *at)
{
    fault_text ignored = {0};
    const graph_array *open = evaluation_get(reader->open, at, &ignored);
    return open && open->is_hollow;
}

/* What does not depend on ids: a mask, whose effect is proved later, or a bias by position. */
static bool add_bias(graph_reader *reader, const score_path *path, score_sum *scores)
{
    fault_text ignored = {0};
    graph_array *open = evaluation_get(reader->open, path->at, &ignored);
    if (!open)
        return mismatch(reader, path->at, "a mask or a bias of attention scores");
    if (open->is_hollow) {
        scores->has_mask = true;
        return true;
    }
    const float *floats = array_floats(open, &ignored);
    bool is_zero = floats != NULL;
    for (int64_t i = 0; is_zero && i < open->count; i++)
        is_zero = floats[i] == 0;
    if (is_zero)
        return true;
    if (scores->bias || path->is_transposed || open->rank < 3)
        return mismatch(reader, path->at, "one bias of attention scores");
    scores->bias = path->at;
    scores->bias_scale = path->scale;
    return true;
}

#define MAX_PATHS 64

/* Takes one node off a path; adds the paths that it leads to. */
static bool follow(graph_reader *reader, score_path path, score_path *paths, int *n_paths,
                   score_sum *scores)
{
    graph_value *at = path.at;
    if (!carries(reader, at))
        return add_bias(reader, &path, scores);
    if (graph_is(at, "MatMul"))
        return add_product(reader, &path, scores);
    if (*n_paths + 2 > MAX_PATHS)
        return mismatch(reader, at, "a smaller sum of attention scores");
    bool is_sub = graph_is(at, "Sub");
    if (graph_is(at, "Add") || is_sub) {
        for (size_t i = 0; i < 2; i++) {
            paths[*n_paths] = path;
            paths[*n_paths].at = graph_operand(at, i);
            paths[(*n_paths)++].scale *= is_sub && i == 1 ? -1 : 1;
        }
        return true;
    }
    if (graph_is(at, "Where") && is_open(reader, graph_operand(at, 0)))
        scores->has_mask = true;
    double number = 1;
    path.at = carrier(reader, at);
    if (!path.at)
        return mismatch(reader, at, "a sum of products as attention scores");
    for (size_t i = 0; i < 2; i++) {
        graph_value *other = graph_operand(at, 1 - i);
        if (graph_operand(at, i) != path.at || !fixed_number(reader, other, &number))
            continue;
        if (graph_is(at, "Mul"))
            path.scale *= number;
        else if (graph_is(at, "Div") && i == 0)
            path.scale /= number;
    }
    if (graph_is(at, "GatherElements") || graph_is(at, "Gather") || graph_is(at, "GatherND")) {
        if (path.index)
            return mismatch(reader, at, "one choice of relative positions");
        path.index = graph_operand(at, 1);
        while (graph_is(path.index, "Expand")) /* to all heads */
            path.index = graph_operand(path.index, 0);
    }
    path.is_transposed ^= swaps_last(at);
    paths[(*n_paths)++] = path;
    return true;
}

static bool read_scores(graph_reader *reader, graph_value *at, score_sum *scores)
{
    score_path paths[MAX_PATHS] = {{at, 1, false, NULL}};
    int n_paths = 1;
    *scores = (score_sum){0};
    while (n_paths > 0) {
        score_path path = paths[--n_paths];
        if (!follow(reader, path, paths, &n_paths, scores))
            return false;
    }
    if (!scores->content[0])
        return mismatch(reader, at, "attention scores: queries times keys");
    return scores->has_mask || !reader->inputs[ROLE_MASK] ||
           mismatch(reader, at, "attention scores that depend on attention_mask");
}

/* Sorts the relative terms into those of queries and of keys. */
static bool read_relative_terms(graph_reader *reader, const score_sum *scores,
                                attention_match *attention)
{
    for (int i = 0; i < scores->n_relative; i++) {
        graph_value *vector = scores->relative[i].vector;
        projection_match projection;
        float factor;
        if (!read_projection(reader, vector, false, &projection))
            return false;
        bool is_query = !scores->relative[i].is_transposed;
        if (!is_multiple(is_query ? &attention->query : &attention->key, &projection, &factor))
            return mismatch(reader, vector, "queries or keys, times relative embeddings");
        relative_term *term = is_query ? &attention->c2p : &attention->p2c;
        if (term->embeddings)
            return mismatch(reader, vector, "one product of queries, one of keys");
        *term = (relative_term){scores->relative[i].embeddings, scores->relative[i].index,
                                (float)(scores->relative[i].scale * factor)};
    }
    return true;
}

/* --------------------------------------------------------------------------------- attention -- */

/* The Softmax from which `at` comes, or NULL. */
static graph_value *find_softmax(const graph_reader *reader, graph_value *at)
{
    for (int steps = 0; at && steps < 16; steps++) {
        if (graph_is(at, "Softmax"))
            return at;
        if (is_activations_product(reader, at) || is_product(reader, at))
            return NULL;
        graph_value *next = carrier(reader, at);
        /* Newer exporters guard rows that have no key: Where(IsNaN(p), 0, p). */
        if (!next && graph_is(at, "Where") && graph_is(graph_operand(at, 0), "IsNaN"))
            next = graph_operand(at, 2);
        at = next;
    }
    return NULL;
}

/* Whether the heads of a context lie side by side at `at`. */
static bool joins_heads(const graph_reader *reader, graph_value *context, uint32_t dim,
                        graph_value *at)
{
    graph_array *numbers = array_like(reader, context);
    int64_t n = reader->n_tokens;
    for (int64_t i = 0; numbers && i < numbers->count; i++) {
        int64_t head = i / (dim * n), token = i / dim % n;
        numbers->floats[i] = (float)((head * dim + i % dim) * n + token);
    }
    int64_t count = numbers ? numbers->count / reader->n_batch : 0, width = count / n;
    graph_array *answer = respond(reader, context, numbers, at);
    bool ok = answer && answer->floats && answer->count >= count;
    for (int64_t i = 0; ok && i < count; i++)
        ok = answer->floats[i] == (float)(i % width * n + i / width);
    array_release(answer);
    return ok;
}

bool read_attention(graph_reader *reader, graph_value *at, attention_match *attention)
{
    score_sum scores;
    graph_value *context = at, *softmax = NULL, *values = NULL;
    *attention = (attention_match){0};
    while (context && !is_activations_product(reader, context) && !is_product(reader, context))
        context = carrier(reader, context);
    if (!context || is_product(reader, context))
        return mismatch(reader, at, "attention: a product of probabilities and values");
    for (size_t i = 0; i < 2 && !softmax; i++) {
        softmax = find_softmax(reader, graph_operand(context, i));
        values = graph_operand(context, 1 - i);
    }
    if (!softmax)
        return mismatch(reader, context, "a Softmax of attention scores");
    const graph_array *shape = shape_of(reader, values), *maps = shape_of(reader, softmax);
    if (!shape || shape->rank < 3)
        return mismatch(reader, values, "values of [batch, head, token, dim]");
    int64_t axis =
        graph_attribute_int(softmax->node, "axis", graph_opset(reader->graph) < 13 ? 1 : -1);
    if (!maps || (axis != -1 && axis != (int64_t)maps->rank - 1))
        return mismatch(reader, softmax, "a Softmax over the last axis");
    attention->dim = (uint32_t)shape->dims[shape->rank - 1];
    if (!joins_heads(reader, context, attention->dim, at))
        return mismatch(reader, context, "heads side by side");
    attention->probabilities = softmax;
    if (!read_projection(reader, values, false, &attention->value) ||
        !read_scores(reader, graph_operand(softmax, 0), &scores) ||
        !read_projection(reader, scores.content[0], false, &attention->query) ||
        !read_projection(reader, scores.content[1], true, &attention->key))
        return false;
    attention->n_heads = attention->value.n / attention->dim;
    if (attention->query.n != attention->value.n || attention->key.n != attention->value.n)
        return mismatch(reader, softmax, "queries, keys and values of one size");
    if (!read_relative_terms(reader, &scores, attention))
        return false;
    double scale = scores.content_scale, query_scale = 1, key_scale = 1, value_scale = 1;
    take_scale(reader, &attention->query, &query_scale);
    take_scale(reader, &attention->key, &key_scale);
    take_scale(reader, &attention->value, &value_scale);
    if (fabs(value_scale - 1) > 1e-4)
        return mismatch(reader, values, "values that are not scaled");
    attention->scale = (float)(scale * query_scale * key_scale);
    /* A term is scale * factor * (queries as multiplied) . embeddings; the core's is
     * attention->scale * (plain queries) . table. */
    attention->c2p.scale *= (float)(query_scale / attention->scale);
    attention->p2c.scale *= (float)(key_scale / attention->scale);
    attention->bias = scores.bias;
    attention->bias_scale = (float)scores.bias_scale;
    return true;
}

/* ------------------------------------------------------------------------ relative positions -- */

/* Reads an array [..., n, n] by distance, if it depends on nothing else. `out`: [2 n - 1], element
 * n - 1 + q - k, or k - q if `is_flipped`. */
static bool by_distance(graph_array *array, int64_t n, int64_t head, bool is_flipped, float *out)
{
    fault_text ignored = {0};
    if (!array || array->is_hollow || array->rank < 2 || array->dims[array->rank - 1] != n ||
        array->dims[array->rank - 2] != n || array->count < (head + 1) * n * n)
        return false;
    const float *floats = array_floats(array, &ignored);
    const int64_t *integers = array_integers(array, &ignored);
    for (int64_t q = 0, at = head * n * n; q < n; q++) {
        for (int64_t k = 0; k < n; k++, at++) {
            int64_t place = n - 1 + (is_flipped ? k - q : q - k);
            float number = floats ? floats[at] : (float)integers[at];
            if (q > 0 && k > 0 && out[place] != number)
                return false;
            out[place] = number;
        }
    }
    return true;
}

/* Rows [n_rows, n_heads * dim] of embeddings [..., dim, n_rows]. */
static float *embedding_rows(const graph_reader *reader, graph_array *array,
                             const attention_match *attention, float scale, uint32_t *n_rows)
{
    fault_text ignored = {0};
    const float *floats = array ? array_floats(array, &ignored) : NULL;
    uint32_t dim = attention->dim, n_heads = attention->n_heads, hidden = dim * n_heads;
    if (!floats || array->rank < 2 || array->dims[array->rank - 2] != dim)
        return NULL;
    *n_rows = (uint32_t)array->dims[array->rank - 1];
    if (*n_rows < 1 || array->count < (int64_t)hidden * *n_rows)
        return NULL;
    float *rows = graph_alloc(reader->graph, (size_t)hidden * *n_rows, sizeof *rows);
    for (uint32_t column = 0; column < hidden; column++)
        for (uint32_t r = 0; r < *n_rows; r++)
            rows[(size_t)r * hidden + column] = scale * floats[(size_t)column * *n_rows + r];
    return rows;
}

static bool read_term(graph_reader *reader, graph_evaluation *evaluation,
                      const attention_match *attention, const relative_term *term, bool is_p2c,
                      int64_t n, relative_tables *tables)
{
    fault_text ignored = {0};
    uint32_t n_rows;
    graph_value *index = term->index;
    /* All heads have the same: that it is repeated for them need not be computed, which for long
     * sequences takes more memory than all the rest. */
    while (graph_is(index, "Expand"))
        index = graph_operand(index, 0);
    graph_value *wanted[] = {term->embeddings, index};
    if (!evaluation_run(evaluation, wanted, 2, &ignored))
        return mismatch(reader, term->index, "relative positions that depend on distances alone");
    graph_array *embeddings = evaluation_get(evaluation, term->embeddings, &ignored);
    float *table = embedding_rows(reader, embeddings, attention, term->scale, &n_rows);
    float *rows = graph_alloc(reader->graph, (size_t)(2 * n - 1), sizeof *rows);
    /* Of keys the index is by (k, q), and the result is transposed. */
    if (!table ||
        (!by_distance(evaluation_get(evaluation, index, &ignored), n, 0, is_p2c, rows) &&
         !by_distance(evaluation_get(evaluation, term->index, &ignored), n, 0, is_p2c, rows)))
        return mismatch(reader, term->index, "relative positions that depend on distances alone");
    for (int64_t i = 0; i < 2 * n - 1; i++) {
        if (rows[i] < 0)
            rows[i] += (float)n_rows;
        if (rows[i] < 0 || rows[i] >= (float)n_rows)
            return mismatch(reader, term->index, "relative positions that are in the table");
    }
    if (tables->rows && (tables->n_rows != n_rows ||
                         memcmp(rows, tables->rows, (size_t)(2 * n - 1) * sizeof *rows) != 0))
        return mismatch(reader, term->index, "the same relative positions of queries and keys");
    tables->rows = rows;
    tables->n_rows = n_rows;
    *(is_p2c ? &tables->query : &tables->key) = table;
    return true;
}

bool read_relative(graph_reader *reader, graph_evaluation *evaluation,
                   const attention_match *attention, int64_t n_tokens, relative_tables *tables)
{
    fault_text ignored = {0};
    int64_t n = n_tokens;
    *tables = (relative_tables){.n_distances = (uint32_t)n};
    bool ok = true;
    if (attention->c2p.embeddings)
        ok = read_term(reader, evaluation, attention, &attention->c2p, false, n, tables);
    if (ok && attention->p2c.embeddings)
        ok = read_term(reader, evaluation, attention, &attention->p2c, true, n, tables);
    if (ok && attention->bias) {
        graph_array *bias = evaluation_get(evaluation, attention->bias, &ignored);
        size_t width = (size_t)(2 * n - 1);
        tables->bias = graph_alloc(reader->graph, attention->n_heads * width, sizeof(float));
        for (uint32_t h = 0; ok && h < attention->n_heads; h++) {
            float *row = tables->bias + h * width;
            ok = by_distance(bias, n, h, true, row) ||
                 mismatch(reader, attention->bias, "a bias that depends on distances alone");
            for (size_t i = 0; ok && i < width; i++)
                row[i] *= attention->bias_scale;
        }
    }
    return ok;
}

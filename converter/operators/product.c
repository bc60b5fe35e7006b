/*
 * product.c - operators that multiply matrices, and those that can be written so:
 * convolution along one axis, and Einstein sums of one or two operands.
 */
#include "operators/internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Rows and columns of the output that are worked on at once: they stay in the first-level cache,
 * while a panel of the right matrix is read once for all of these rows. */
#define ROWS 4
#define COLUMNS 512

/* The products of four elements of a row of the left matrix, added one after the other while the
 * output is in registers. */
static void add_four(float *restrict to, const float *factors, const float *restrict from,
                     int64_t n, int64_t n_columns)
{
    float a = factors[0], b = factors[1], c = factors[2], d = factors[3];
    for (int64_t j = 0; j < n_columns; j++)
        to[j] = to[j] + a * from[j] + b * from[n + j] + c * from[2 * n + j] + d * from[3 * n + j];
}

static void add_one(float *restrict to, float factor, const float *restrict from, int64_t n_columns)
{
    for (int64_t j = 0; j < n_columns; j++)
        to[j] += factor * from[j];
}

static void add_block(float *out, const float *a, const float *b, int64_t n_rows, int64_t depth,
                      int64_t n, int64_t n_columns)
{
    int64_t k = 0;
    for (; k + 4 <= depth; k += 4)
        for (int64_t i = 0; i < n_rows; i++)
            add_four(out + i * n, a + i * depth + k, b + k * n, n, n_columns);
    for (; k < depth; k++)
        for (int64_t i = 0; i < n_rows; i++)
            add_one(out + i * n, a[i * depth + k], b + k * n, n_columns);
}

/* out [m, n] += a [m, depth] b [depth, n]; each element is summed in the order of depth. */
static void multiply(float *out, const float *a, const float *b, int64_t m, int64_t depth,
                     int64_t n)
{
    for (int64_t j = 0; j < n; j += COLUMNS)
        for (int64_t i = 0; i < m; i += ROWS)
            add_block(out + i * n + j, a + i * depth, b + j, m - i < ROWS ? m - i : ROWS, depth, n,
                      n - j < COLUMNS ? n - j : COLUMNS);
}

/* ------------------------------------------------------------------------------------ MatMul -- */

/* A matrix, or many of them: [batch..., n_rows, n_columns]. */
typedef struct matrices {
    graph_array batch; /* a shape alone */
    int64_t n_rows, n_columns;
} matrices;

/* A vector is a row on the left and a column on the right. */
static matrices view_matrices(const graph_array *x, bool is_left)
{
    matrices view = {.n_rows = 1, .n_columns = 1};
    view.batch.count = 1;
    if (x->rank == 1) {
        *(is_left ? &view.n_columns : &view.n_rows) = x->dims[0];
        return view;
    }
    view.n_rows = x->dims[x->rank - 2];
    view.n_columns = x->dims[x->rank - 1];
    view.batch.rank = x->rank - 2;
    memcpy(view.batch.dims, x->dims, view.batch.rank * sizeof *x->dims);
    return view;
}

static bool fill_products(graph_array *out, graph_array *const *inputs, const matrices *a,
                          const matrices *b, uint32_t rank, const int64_t *dims, fault_text *fault)
{
    const float *left = array_floats(inputs[0], fault), *right = array_floats(inputs[1], fault);
    if (!left || !right)
        return false;
    if (out->count == 0)
        return true;
    strided_walk walk = {.rank = rank, .n_arrays = 3};
    memcpy(walk.dims, dims, rank * sizeof *dims);
    operator_contiguous(rank, dims, walk.strides[0]);
    operator_strides(&a->batch, rank, dims, walk.strides[1]);
    operator_strides(&b->batch, rank, dims, walk.strides[2]);
    int64_t m = a->n_rows, depth = a->n_columns, n = b->n_columns;
    for (bool more = walk_start(&walk); more; more = walk_next(&walk))
        for (int64_t i = 0; i < walk.n; i++)
            multiply(out->floats + (walk.offsets[0] + i * walk.steps[0]) * m * n,
                     left + (walk.offsets[1] + i * walk.steps[1]) * m * depth,
                     right + (walk.offsets[2] + i * walk.steps[2]) * depth * n, m, depth, n);
    return true;
}

static bool run_matmul(operator_call *operation, fault_text *fault)
{
    if (!operator_check(operation, "ff", 1, fault))
        return false;
    graph_array *left = operation->inputs[0], *right = operation->inputs[1];
    if (left->rank == 0 || right->rank == 0)
        return fault_set(fault, "an input is a single number");
    matrices a = view_matrices(left, true), b = view_matrices(right, false);
    uint32_t n_batch, rank;
    int64_t dims[ARRAY_MAX_RANK + 2];
    if (a.n_columns != b.n_rows)
        return fault_set(fault, "shapes %s and %s cannot be multiplied", SHAPE_TEXT(left),
                         SHAPE_TEXT(right));
    if (!operator_broadcast((graph_array *[]){&a.batch, &b.batch}, 2, &n_batch, dims, fault))
        return false;
    rank = n_batch;
    if (left->rank > 1)
        dims[rank++] = a.n_rows;
    if (right->rank > 1)
        dims[rank++] = b.n_columns;
    bool is_hollow = operator_any_hollow(operation);
    graph_array *out = operator_make(operation, 0, ARRAY_FLOAT, rank, dims, is_hollow, fault);
    return out &&
           (is_hollow || fill_products(out, operation->inputs, &a, &b, n_batch, dims, fault));
}

/* -------------------------------------------------------------------------------------- Gemm -- */

/* A matrix, transposed if asked for. To be released; NULL with a fault. */
static graph_array *turned(graph_array *x, bool is_turned, fault_text *fault)
{
    if (!is_turned)
        return array_share(x);
    int64_t dims[2] = {x->dims[1], x->dims[0]}, to_strides[2], strides[2] = {1, x->dims[1]};
    const float *elements = array_floats(x, fault);
    graph_array *made = elements ? array_new(ARRAY_FLOAT, 2, dims, fault) : NULL;
    operator_contiguous(2, dims, to_strides);
    if (made)
        operator_copy(made->floats, to_strides, elements, strides, 2, dims, sizeof *elements);
    return made;
}

/* out *= alpha, += beta c. */
static bool add_scaled(const operator_call *operation, graph_array *out, graph_array *c,
                       fault_text *fault)
{
    float alpha = graph_attribute_float(operation->node, "alpha", 1);
    float beta = graph_attribute_float(operation->node, "beta", 1);
    int64_t strides[ARRAY_MAX_RANK];
    for (int64_t i = 0; alpha != 1 && i < out->count; i++)
        out->floats[i] *= alpha;
    if (!c)
        return true;
    const float *elements = array_floats(c, fault);
    if (!elements || !operator_strides(c, 2, out->dims, strides))
        return false;
    for (int64_t i = 0; i < out->count; i++) {
        int64_t row = i / out->dims[1], column = i % out->dims[1];
        out->floats[i] += beta * elements[row * strides[0] + column * strides[1]];
    }
    return true;
}

static bool run_gemm(operator_call *operation, fault_text *fault)
{
    if (!operator_check(operation, "ffF", 1, fault))
        return false;
    graph_array *a = operation->inputs[0], *b = operation->inputs[1],
                *c = operator_input(operation, 2);
    bool turns_a = graph_attribute_int(operation->node, "transA", 0) != 0;
    bool turns_b = graph_attribute_int(operation->node, "transB", 0) != 0;
    int64_t strides[2];
    if (a->rank != 2 || b->rank != 2 || a->dims[!turns_a] != b->dims[turns_b])
        return fault_set(fault, "shapes %s and %s cannot be multiplied", SHAPE_TEXT(a),
                         SHAPE_TEXT(b));
    int64_t dims[2] = {a->dims[turns_a], b->dims[!turns_b]};
    if (c && !operator_strides(c, 2, dims, strides))
        return fault_set(fault, "shape %s does not fit an output of %s", SHAPE_TEXT(c),
                         operator_shape_text(2, dims).text);
    bool is_hollow = operator_any_hollow(operation);
    graph_array *out = operator_make(operation, 0, ARRAY_FLOAT, 2, dims, is_hollow, fault);
    if (!out || is_hollow)
        return out;
    graph_array *left = turned(a, turns_a, fault), *right = turned(b, turns_b, fault);
    const float *lefts = left ? array_floats(left, fault) : NULL;
    const float *rights = right ? array_floats(right, fault) : NULL;
    if (lefts && rights)
        multiply(out->floats, lefts, rights, dims[0], a->dims[!turns_a], dims[1]);
    array_release(left);
    array_release(right);
    return lefts && rights && add_scaled(operation, out, c, fault);
}

/* -------------------------------------------------------------------------------------- Conv -- */

typedef struct convolution {
    int64_t n, n_in, length; /* of x */
    int64_t n_out, kernel;   /* of the weights */
    int64_t n_groups, out_length;
    int64_t before, behind, stride, dilation;
} convolution;

/* The first numbers of a list attribute; false if it has another length or they are out of range.
 */
static bool read_list(const operator_call *operation, const char *name, size_t n, int64_t least,
                      int64_t *values, fault_text *fault)
{
    const graph_attribute *list = graph_attribute_find(operation->node, name);
    if (!list)
        return true;
    if (list->n_ints != n)
        return fault_set(fault, "%s has %zu numbers, expected %zu", name, list->n_ints, n);
    for (size_t i = 0; i < n; i++) {
        values[i] = list->ints[i];
        if (values[i] < least || values[i] > OPERATOR_MAX_NUMBER)
            return fault_set(fault, "%s has %lld, which is out of range", name,
                             (long long)values[i]);
    }
    return true;
}

static bool read_convolution(const operator_call *operation, convolution *shape, fault_text *fault)
{
    const graph_array *x = operation->inputs[0], *weights = operation->inputs[1];
    if (x->rank != 3 || weights->rank != 3)
        return fault_set(fault, "shapes %s and %s: only convolutions along one axis are supported",
                         SHAPE_TEXT(x), SHAPE_TEXT(weights));
    if (graph_attribute_find(operation->node, "auto_pad") &&
        !graph_attribute_is(operation->node, "auto_pad", "NOTSET"))
        return fault_set(fault, "auto_pad is not NOTSET");
    int64_t pads[2] = {0, 0}, kernel = weights->dims[2];
    *shape = (convolution){.n = x->dims[0],
                           .n_in = x->dims[1],
                           .length = x->dims[2],
                           .n_out = weights->dims[0],
                           .kernel = kernel,
                           .n_groups = graph_attribute_int(operation->node, "group", 1),
                           .stride = 1,
                           .dilation = 1};
    if (!read_list(operation, "pads", 2, 0, pads, fault) ||
        !read_list(operation, "strides", 1, 1, &shape->stride, fault) ||
        !read_list(operation, "dilations", 1, 1, &shape->dilation, fault) ||
        !read_list(operation, "kernel_shape", 1, 1, &kernel, fault))
        return false;
    int64_t groups = shape->n_groups;
    if (kernel != weights->dims[2] || kernel < 1 || groups < 1 || groups > shape->n_out ||
        shape->n_out % groups != 0 || shape->n_in % groups != 0 ||
        weights->dims[1] != shape->n_in / groups)
        return fault_set(fault, "weights of shape %s in %lld groups do not fit an input of %s",
                         SHAPE_TEXT(weights), (long long)groups, SHAPE_TEXT(x));
    int64_t room = shape->length + pads[0] + pads[1] - shape->dilation * (kernel - 1) - 1;
    if (room < 0)
        return fault_set(fault, "the kernel is longer than the input");
    shape->before = pads[0];
    shape->behind = pads[1];
    shape->out_length = room / shape->stride + 1;
    return true;
}

/* Adds factor * x, where tap t of the kernel meets it, to a row of the output. */
static void add_tap(const convolution *shape, float *out, const float *x, float factor, int64_t t)
{
    int64_t from = t * shape->dilation - shape->before; /* in x, for element 0 */
    int64_t first = from < 0 ? (-from + shape->stride - 1) / shape->stride : 0;
    int64_t end = from < shape->length ? (shape->length - from - 1) / shape->stride + 1 : 0;
    for (int64_t i = first; i < end && i < shape->out_length; i++)
        out[i] += factor * x[from + i * shape->stride];
}

static void convolve(const convolution *shape, float *out, const float *x, const float *weights,
                     const float *bias)
{
    int64_t each_in = shape->n_in / shape->n_groups, each_out = shape->n_out / shape->n_groups;
    for (int64_t n = 0; n < shape->n; n++)
        for (int64_t o = 0; o < shape->n_out; o++) {
            float *to = out + (n * shape->n_out + o) * shape->out_length;
            const float *from = x + (n * shape->n_in + o / each_out * each_in) * shape->length;
            for (int64_t i = 0; bias && i < shape->out_length; i++)
                to[i] = bias[o];
            for (int64_t i = 0; i < each_in * shape->kernel; i++)
                add_tap(shape, to, from + i / shape->kernel * shape->length,
                        weights[o * each_in * shape->kernel + i], i % shape->kernel);
        }
}

static bool run_conv(operator_call *operation, fault_text *fault)
{
    convolution shape = {0};
    if (!operator_check(operation, "ffF", 1, fault) || !read_convolution(operation, &shape, fault))
        return false;
    graph_array *bias = operator_input(operation, 2);
    if (bias && (bias->rank != 1 || bias->count != shape.n_out))
        return fault_set(fault, "a bias of shape %s does not fit %lld channels", SHAPE_TEXT(bias),
                         (long long)shape.n_out);
    bool is_hollow = operator_any_hollow(operation);
    int64_t dims[3] = {shape.n, shape.n_out, shape.out_length};
    graph_array *out = operator_make(operation, 0, ARRAY_FLOAT, 3, dims, is_hollow, fault);
    if (!out || is_hollow)
        return out;
    const float *x = array_floats(operation->inputs[0], fault);
    const float *weights = array_floats(operation->inputs[1], fault);
    const float *biases = bias ? array_floats(bias, fault) : NULL;
    if (!x || !weights || (bias && !biases))
        return false;
    convolve(&shape, out->floats, x, weights, biases);
    return true;
}

/* ------------------------------------------------------------------------------------ Einsum -- */

/* One letter: its dimension, and its strides in both operands and in the output; 0 where it is
 * not. */
typedef struct equation_label {
    char letter;
    int64_t dim;
    int64_t strides[2];
    bool is_in[2];
    bool is_kept; /* in the output */
} equation_label;

typedef struct einsum_equation {
    size_t n_operands;
    char operands[2][ARRAY_MAX_RANK + 1];
    char output[ARRAY_MAX_RANK + 1];
    size_t n_labels;
    equation_label labels[WALK_MAX_RANK];
} einsum_equation;

static equation_label *find_label(einsum_equation *equation, char letter)
{
    for (size_t i = 0; i < equation->n_labels; i++)
        if (equation->labels[i].letter == letter)
            return &equation->labels[i];
    return NULL;
}

/* Reads letters, at most ARRAY_MAX_RANK of them. */
static bool read_letters(const char **at, const char *end, char *letters)
{
    size_t n = 0;
    for (; *at < end && (isalpha((unsigned char)**at) || **at == ' '); (*at)++) {
        if (**at == ' ')
            continue;
        if (n == ARRAY_MAX_RANK)
            return false;
        letters[n++] = **at;
    }
    letters[n] = '\0';
    return true;
}

/* "ab,bc->ac" */
static bool parse_equation(const operator_call *operation, einsum_equation *equation,
                           fault_text *fault)
{
    const graph_attribute *text = graph_attribute_find(operation->node, "equation");
    if (!text || !text->text)
        return fault_set(fault, "has no equation");
    const char *at = text->text, *end = at + text->n_text;
    memset(equation, 0, sizeof *equation);
    bool ok = true;
    do {
        if (equation->n_operands > 0)
            at++;
        ok = equation->n_operands < 2 &&
             read_letters(&at, end, equation->operands[equation->n_operands++]);
    } while (ok && at < end && *at == ',');
    ok = ok && end - at >= 2 && at[0] == '-' && at[1] == '>';
    at += ok ? 2 : 0;
    ok = ok && read_letters(&at, end, equation->output) && at == end;
    return ok ||
           fault_set(fault,
                     "equation '%.*s': expected one or two operands of letters, and an output",
                     (int)(text->n_text < 200 ? text->n_text : 200), text->text);
}

/* A letter that appears twice names a diagonal. */
static bool add_operand(einsum_equation *equation, size_t operand, const graph_array *x,
                        fault_text *fault)
{
    const char *letters = equation->operands[operand];
    int64_t strides[ARRAY_MAX_RANK];
    if (strlen(letters) != x->rank)
        return fault_set(fault, "operand '%s' has the shape %s", letters, SHAPE_TEXT(x));
    operator_contiguous(x->rank, x->dims, strides);
    for (uint32_t i = 0; i < x->rank; i++) {
        equation_label *label = find_label(equation, letters[i]);
        if (!label) {
            label = &equation->labels[equation->n_labels++];
            label->letter = letters[i];
            label->dim = x->dims[i];
        }
        if (label->dim != x->dims[i])
            return fault_set(fault, "'%c' stands for %lld and for %lld", letters[i],
                             (long long)label->dim, (long long)x->dims[i]);
        label->is_in[operand] = true;
        label->strides[operand] += strides[i];
    }
    return true;
}

static bool add_output(einsum_equation *equation, uint32_t *rank, int64_t *dims, fault_text *fault)
{
    *rank = (uint32_t)strlen(equation->output);
    for (uint32_t i = 0; i < *rank; i++) {
        equation_label *label = find_label(equation, equation->output[i]);
        if (!label || label->is_kept)
            return fault_set(fault, "'%c' of the output is in no operand, or twice in the output",
                             equation->output[i]);
        label->is_kept = true;
        dims[i] = label->dim;
    }
    return true;
}

/*
 * The sum as products of matrices: labels of both operands that are kept count the matrices, those
 * of one operand are rows or columns, those that are not kept are summed over.
 */
typedef enum label_role { BATCH, ROW, COLUMN, SUMMED } label_role;

static label_role role_of(const equation_label *label)
{
    if (!label->is_kept)
        return SUMMED;
    return label->is_in[0] && label->is_in[1] ? BATCH : label->is_in[0] ? ROW : COLUMN;
}

/* Dimensions and strides (of an operand) of the labels with the roles, in their order; false if
 * there are too many elements. */
static bool collect(const einsum_equation *equation, size_t operand, const label_role roles[3],
                    strided_walk *walk, int64_t products[4])
{
    int64_t count = 1;
    walk->rank = 0;
    for (int r = 0; r < 3; r++)
        products[roles[r]] = 1;
    for (int r = 0; r < 3; r++)
        for (size_t i = 0; i < equation->n_labels; i++) {
            const equation_label *label = &equation->labels[i];
            if (role_of(label) != roles[r])
                continue;
            if (label->dim > 0 && count > OPERATOR_MAX_NUMBER / label->dim)
                return false;
            count *= label->dim > 0 ? label->dim : 1;
            products[roles[r]] *= label->dim;
            walk->dims[walk->rank] = label->dim;
            walk->strides[0][walk->rank++] = label->strides[operand];
        }
    return true;
}

/* An operand as matrices. To be freed; NULL with a fault. */
static float *lay_out(const einsum_equation *equation, size_t operand, const label_role roles[3],
                      graph_array *x, int64_t products[4], fault_text *fault)
{
    static const float one = 1; /* what a single operand is multiplied by */
    strided_walk shape;
    int64_t to_strides[WALK_MAX_RANK];
    const float *elements = x ? array_floats(x, fault) : &one;
    if (!collect(equation, operand, roles, &shape, products)) {
        fault_set(fault, "the sums have too many terms");
        return NULL;
    }
    size_t count = (size_t)operator_product(shape.rank, shape.dims);
    float *made = elements ? malloc((count + 1) * sizeof *made) : NULL;
    if (!made) {
        fault_set(fault, "out of memory for %zu elements", count);
        return NULL;
    }
    operator_contiguous(shape.rank, shape.dims, to_strides);
    operator_copy(made, to_strides, elements, shape.strides[0], shape.rank, shape.dims,
                  sizeof *made);
    return made;
}

/* From [batch, rows, columns] to the order of the output's letters. */
static void give_order(einsum_equation *equation, const float *products, graph_array *out)
{
    static const label_role roles[3] = {BATCH, ROW, COLUMN};
    int64_t strides[ARRAY_MAX_RANK], to_strides[ARRAY_MAX_RANK], stride = 1;
    for (int r = 3; r-- > 0;)
        for (size_t i = equation->n_labels; i-- > 0;) {
            equation_label *label = &equation->labels[i];
            if (role_of(label) != roles[r])
                continue;
            label->strides[0] = stride;
            stride *= label->dim;
        }
    for (uint32_t i = 0; i < out->rank; i++)
        strides[i] = find_label(equation, equation->output[i])->strides[0];
    operator_contiguous(out->rank, out->dims, to_strides);
    operator_copy(out->floats, to_strides, products, strides, out->rank, out->dims,
                  sizeof *products);
}

static bool fill_sums(const operator_call *operation, einsum_equation *equation, graph_array *out,
                      fault_text *fault)
{
    static const label_role left_roles[3] = {BATCH, ROW, SUMMED},
                            right_roles[3] = {BATCH, SUMMED, COLUMN};
    int64_t n[4] = {1, 1, 1, 1};
    if (out->count == 0)
        return true;
    float *left = lay_out(equation, 0, left_roles, operation->inputs[0], n, fault);
    float *right = lay_out(equation, 1, right_roles, operator_input(operation, 1), n, fault);
    float *products = left && right ? calloc((size_t)out->count, sizeof *products) : NULL;
    if (left && right && !products)
        fault_set(fault, "out of memory for %lld elements", (long long)out->count);
    for (int64_t i = 0; products && i < n[BATCH]; i++)
        multiply(products + i * n[ROW] * n[COLUMN], left + i * n[ROW] * n[SUMMED],
                 right + i * n[SUMMED] * n[COLUMN], n[ROW], n[SUMMED], n[COLUMN]);
    if (products)
        give_order(equation, products, out);
    bool ok = products;
    free(left);
    free(right);
    free(products);
    return ok;
}

static bool run_einsum(operator_call *operation, fault_text *fault)
{
    einsum_equation equation;
    uint32_t rank = 0;
    int64_t dims[ARRAY_MAX_RANK];
    if (!operator_check(operation, "fF", 1, fault) || !parse_equation(operation, &equation, fault))
        return false;
    if (equation.n_operands != (operator_input(operation, 1) ? 2 : 1))
        return fault_set(fault, "the equation has %zu operands", equation.n_operands);
    for (size_t i = 0; i < equation.n_operands; i++)
        if (!add_operand(&equation, i, operation->inputs[i], fault))
            return false;
    if (!add_output(&equation, &rank, dims, fault))
        return false;
    bool is_hollow = operator_any_hollow(operation);
    graph_array *out = operator_make(operation, 0, ARRAY_FLOAT, rank, dims, is_hollow, fault);
    return out && (is_hollow || fill_sums(operation, &equation, out, fault));
}

const operator_kind operators_product[] = {
    {"Conv", 2, run_conv},     {"Einsum", 1, run_einsum}, {"Gemm", 2, run_gemm},
    {"MatMul", 2, run_matmul}, {NULL, 0, NULL},
};

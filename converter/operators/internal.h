/*
 * internal.h - what the operators share: checks of what comes from the file,
 * broadcasting, and walks through strided elements.
 *
 * An operator that fails leaves the outputs that it has made for the caller to release.
 */
#ifndef CONVERTER_OPERATORS_INTERNAL_H
#define CONVERTER_OPERATORS_INTERNAL_H

#include "operators/operators.h"

/* Each ends with a row without a name. */
extern const operator_kind operators_elementwise[], operators_shape[], operators_gather[],
    operators_fill[], operators_reduce[], operators_product[], operators_lowered[];

/* Larger numbers of a file are refused, or cut where that changes nothing, before they are used: no
 * product of two overflows. No dimension is larger. */
#define OPERATOR_MAX_NUMBER (INT64_C(1) << 30)

/* ------------------------------------------------------------------------ inputs and outputs -- */

/*
 * Whether the inputs have these types, a letter each: f for floats, i for integers, x for either; a
 * capital may be left out. And whether the node asks for no more outputs than the operator has.
 */
bool operator_check(const operator_call *operation, const char *types, size_t max_outputs,
                    fault_text *fault);
bool operator_check_outputs(const operator_call *operation, size_t max_outputs, fault_text *fault);

/* NULL: left out. */
graph_array *operator_input(const operator_call *operation, size_t i);
bool operator_any_hollow(const operator_call *operation);
bool operator_wants(const operator_call *operation, size_t i);

/* Makes output i, of zeros or hollow; NULL with a fault. */
graph_array *operator_make(operator_call *operation, size_t i, array_type type, uint32_t rank,
                           const int64_t *dims, bool is_hollow, fault_text *fault);

/* Hands over output i; false if there is none. */
bool operator_give(operator_call *operation, size_t i, graph_array *array);

/* Elements of either type, and how many bytes one has. */
const void *operator_elements(graph_array *array, fault_text *fault);
void *operator_writable(graph_array *array);
size_t operator_size(const graph_array *array);

/* The same numbers as the other type; shared if they are of it already. */
graph_array *operator_converted(graph_array *array, array_type type, fault_text *fault);
int64_t operator_truncated(double value);

/* Integers of input i or, where it is left out, of the attribute. An empty list is not left out. */
typedef struct number_list {
    const int64_t *values; /* [n] */
    size_t n;
    bool is_given;
} number_list;
bool operator_numbers(const operator_call *operation, size_t i, const char *attribute,
                      number_list *numbers, fault_text *fault);

/* Such numbers as dimensions. */
bool operator_dims(const number_list *numbers, uint32_t *rank, int64_t *dims, fault_text *fault);

/* Such numbers as a set of axes. */
bool operator_axes(const number_list *numbers, uint32_t rank, bool is_in[ARRAY_MAX_RANK],
                   fault_text *fault);

/* The only element of an input that must not be hollow. */
bool operator_integer(graph_array *array, int64_t *value, fault_text *fault);
bool operator_float(graph_array *array, float *value, fault_text *fault);

/* An axis that counts from the end if it is negative. */
bool operator_axis(int64_t axis, uint32_t rank, uint32_t *index, fault_text *fault);

/* An index of a dimension, likewise. */
bool operator_index(int64_t *index, int64_t dim, fault_text *fault);

/* For messages: "[2,3]". */
typedef struct shape_text {
    char text[128];
} shape_text;
shape_text operator_shape_text(uint32_t rank, const int64_t *dims);
#define SHAPE_TEXT(array) (operator_shape_text((array)->rank, (array)->dims).text)

/* Whether an attribute of node is one of FLOAT, FLOAT16, DOUBLE and BFLOAT16, or of the integers
 * and BOOL. */
bool operator_type(int64_t data_type, array_type *type, fault_text *fault);

/* ---------------------------------------------------------------------------------- striding -- */

/* Product of dimensions. */
int64_t operator_product(uint32_t rank, const int64_t *dims);

/* Strides of contiguous elements. */
void operator_contiguous(uint32_t rank, const int64_t *dims, int64_t *strides);

/* The shape that all of them are broadcast to. */
bool operator_broadcast(graph_array *const *arrays, size_t n_arrays, uint32_t *rank, int64_t *dims,
                        fault_text *fault);

/* Strides of an array that is broadcast to these dimensions; false if it does not fit. */
bool operator_strides(const graph_array *array, uint32_t rank, const int64_t *dims,
                      int64_t *strides);

#define WALK_MAX_RANK (2 * ARRAY_MAX_RANK)
#define WALK_MAX_ARRAYS 4

/*
 * A walk through arrays of the same dimensions and strides of their own, in runs of n elements:
 *     for (bool more = walk_start(&walk); more; more = walk_next(&walk))
 *         ...elements + walk.offsets[a] + i * walk.steps[a], i < walk.n
 */
typedef struct strided_walk {
    uint32_t rank;
    int64_t dims[WALK_MAX_RANK];
    size_t n_arrays;
    int64_t strides[WALK_MAX_ARRAYS][WALK_MAX_RANK];

    int64_t n; /* from here on set by the functions */
    int64_t steps[WALK_MAX_ARRAYS];
    int64_t offsets[WALK_MAX_ARRAYS];
    int64_t index[WALK_MAX_RANK];
} strided_walk;
bool walk_start(strided_walk *walk);
bool walk_next(strided_walk *walk);

/* Copies elements of `size` bytes (4 or 8), rank at most WALK_MAX_RANK. */
void operator_copy(void *to, const int64_t *to_strides, const void *from,
                   const int64_t *from_strides, uint32_t rank, const int64_t *dims, size_t size);

/* Sets n elements to the one at `value`. */
void operator_fill(void *to, const void *value, int64_t n, size_t size);

/* Element i of `from`, of `size` bytes, to element k of `to`. */
void operator_copy_element(void *to, int64_t k, const void *from, int64_t i, size_t size);

/* Copies x into `out` from element `start` on; the dimensions are those of x. */
bool operator_copy_in(graph_array *out, int64_t start, graph_array *x, fault_text *fault);

/* Makes the first output as a copy of the first input; hollow if an input is. */
graph_array *operator_make_copy(operator_call *operation, fault_text *fault);

#endif

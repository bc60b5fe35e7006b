/*
 * array.h - what an ONNX value is while a graph is evaluated: floats, or integers (booleans are 0
 * and 1), with a shape.
 *
 * A hollow array has a shape but no elements: what it would hold depends on something that was left
 * open. Operators pass hollowness on, so one evaluation answers two questions: what is the shape at
 * this length, and does this value depend on that input.
 */
#ifndef CONVERTER_ARRAY_H
#define CONVERTER_ARRAY_H

#include "files/stored.h"

#define ARRAY_MAX_RANK STORED_MAX_RANK

typedef enum array_type { ARRAY_FLOAT, ARRAY_INTEGER } array_type;

typedef struct graph_array graph_array;

/* Makes the elements of an array again: a new array of as many, or NULL with a fault. */
typedef struct array_maker {
    graph_array *(*make)(void *argument, size_t index, fault_text *fault);
    void *argument;
    size_t index;
} array_maker;

struct graph_array {
    array_type type;
    bool is_hollow;
    uint32_t rank;
    int64_t dims[ARRAY_MAX_RANK];
    int64_t count; /* product of dims */
    /* Where elements come from that are not here: a constant as it lies in the file, or NULL; else
     * its maker, whose `make` is NULL where there is none. */
    const stored_tensor *stored;
    array_maker maker;
    float *floats;     /* read by array_floats() */
    int64_t *integers; /* read by array_integers() */
    unsigned n_users;
};

/* A new array with one user, its elements zeros. NULL (and a fault) if memory is short or the shape
 * is absurd. */
graph_array *array_new(array_type type, uint32_t rank, const int64_t *dims, fault_text *fault);
graph_array *array_new_hollow(array_type type, uint32_t rank, const int64_t *dims,
                              fault_text *fault);

/* A constant of a file, whose elements are read when they are asked for. `tensor` must stay. */
graph_array *array_of_tensor(const stored_tensor *tensor, fault_text *fault);

/* An array whose elements are made when they are asked for. */
graph_array *array_of_maker(array_type type, uint32_t rank, const int64_t *dims, array_maker maker,
                            fault_text *fault);

/* The same elements in another shape. Nothing is shared but their storage, where that is
 * possible. */
graph_array *array_reshaped(graph_array *source, uint32_t rank, const int64_t *dims,
                            fault_text *fault);

/* The elements; NULL if hollow, of the other type, or (with a fault) they cannot be read or memory
 * is short. They stay until array_drop(). */
const float *array_floats(graph_array *array, fault_text *fault);
const int64_t *array_integers(graph_array *array, fault_text *fault);

/* Elements first .. first + n - 1, of floats or of integers, into `into` [n]. Those of a file are
 * read from there, where it is possible; else all become resident. */
bool array_read(graph_array *array, int64_t first, int64_t n, void *into, fault_text *fault);

/* Whether the elements are in memory. */
bool array_is_resident(const graph_array *array);

/* Forgets elements that can be had again, and are many. Pointers to them are no longer valid. */
void array_drop(graph_array *array);

/* Whether they have the same rank and dimensions. */
bool array_is_same_shape(const graph_array *a, const graph_array *b);

/* Adds a user, removes one; without users the array is freed. NULL is allowed. */
graph_array *array_share(graph_array *array);
void array_release(graph_array *array);

#endif

/*
 * array.c - see array.h. Elements that an array owns stand after a count of the arrays that share
 * them, so that a Reshape of a large weight costs nothing.
 */
#include "graph/array.h"

#include <stdlib.h>
#include <string.h>

/* Elements of the largest array: larger than any embedding table, and small enough that no product
 * of dimensions or strides overflows. */
#define MAX_COUNT (INT64_C(1) << 30)

/* Fewer bytes than that are not worth being read again. */
#define MANY_BYTES 65536

typedef struct array_storage {
    _Alignas(16) size_t n_users;
} array_storage;

static void *storage_new(array_type type, int64_t count, fault_text *fault)
{
    size_t size = type == ARRAY_FLOAT ? sizeof(float) : sizeof(int64_t);
    array_storage *storage = calloc(1, sizeof *storage + (size_t)count * size);
    if (!storage) {
        fault_set(fault, "out of memory for %lld elements", (long long)count);
        return NULL;
    }
    storage->n_users = 1;
    return storage + 1;
}

static void storage_share(void *elements)
{
    if (elements)
        ((array_storage *)elements)[-1].n_users++;
}

static void storage_release(void *elements)
{
    if (elements && --((array_storage *)elements)[-1].n_users == 0)
        free((array_storage *)elements - 1);
}

/* An array without elements. Dimensions of zero do not hide absurd ones beside them. */
static graph_array *new_shape(array_type type, uint32_t rank, const int64_t *dims,
                              fault_text *fault)
{
    int64_t count = 1, bound = 1;
    if (rank > ARRAY_MAX_RANK) {
        fault_set(fault, "an array of %u dimensions; at most %d are supported", rank,
                  ARRAY_MAX_RANK);
        return NULL;
    }
    for (uint32_t i = 0; i < rank; i++) {
        int64_t at_least_one = dims[i] == 0 ? 1 : dims[i];
        if (dims[i] < 0 || at_least_one > MAX_COUNT / bound) {
            fault_set(fault, "dimension %u is %lld; an array has at most %lld elements", i,
                      (long long)dims[i], (long long)MAX_COUNT);
            return NULL;
        }
        bound *= at_least_one;
        count *= dims[i];
    }
    graph_array *array = calloc(1, sizeof *array);
    if (!array) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    array->type = type;
    array->rank = rank;
    if (rank > 0)
        memcpy(array->dims, dims, rank * sizeof *dims);
    array->count = count;
    array->n_users = 1;
    return array;
}

graph_array *array_new(array_type type, uint32_t rank, const int64_t *dims, fault_text *fault)
{
    graph_array *array = new_shape(type, rank, dims, fault);
    if (!array)
        return NULL;
    void *elements = storage_new(type, array->count, fault);
    if (!elements) {
        array_release(array);
        return NULL;
    }
    if (type == ARRAY_FLOAT)
        array->floats = elements;
    else
        array->integers = elements;
    return array;
}

graph_array *array_new_hollow(array_type type, uint32_t rank, const int64_t *dims,
                              fault_text *fault)
{
    graph_array *array = new_shape(type, rank, dims, fault);
    if (array)
        array->is_hollow = true;
    return array;
}

graph_array *array_of_tensor(const stored_tensor *tensor, fault_text *fault)
{
    int64_t dims[ARRAY_MAX_RANK];
    for (uint32_t i = 0; i < tensor->rank && i < ARRAY_MAX_RANK; i++)
        dims[i] = tensor->dims[i] > INT64_MAX ? INT64_MAX : (int64_t)tensor->dims[i];
    array_type type = stored_is_float(tensor->type) ? ARRAY_FLOAT : ARRAY_INTEGER;
    graph_array *array = new_shape(type, tensor->rank, dims, fault);
    if (array)
        array->stored = tensor;
    return array;
}

graph_array *array_of_maker(array_type type, uint32_t rank, const int64_t *dims, array_maker maker,
                            fault_text *fault)
{
    graph_array *array = new_shape(type, rank, dims, fault);
    if (array)
        array->maker = maker;
    return array;
}

graph_array *array_reshaped(graph_array *source, uint32_t rank, const int64_t *dims,
                            fault_text *fault)
{
    graph_array *array = new_shape(source->type, rank, dims, fault);
    if (!array)
        return NULL;
    if (array->count != source->count) {
        fault_set(fault, "%lld elements cannot take a shape of %lld", (long long)source->count,
                  (long long)array->count);
        array_release(array);
        return NULL;
    }
    array->is_hollow = source->is_hollow;
    array->stored = source->stored;
    array->maker = source->maker;
    array->floats = source->floats;
    array->integers = source->integers;
    storage_share(array->floats);
    storage_share(array->integers);
    return array;
}

/* Elements that the array's maker makes: they are taken over. */
static bool make_elements(graph_array *array, fault_text *fault)
{
    graph_array *made = array->maker.make
                            ? array->maker.make(array->maker.argument, array->maker.index, fault)
                            : NULL;
    bool ok = made && made->type == array->type && made->count == array->count &&
              (made->floats || made->integers);
    if (ok) {
        array->floats = made->floats;
        array->integers = made->integers;
        storage_share(array->floats);
        storage_share(array->integers);
    }
    array_release(made);
    return ok || fault_set(fault, "numbers cannot be made again");
}

static bool read_elements(graph_array *array, fault_text *fault)
{
    void *elements = storage_new(array->type, array->count, fault);
    uint64_t n = (uint64_t)array->count;
    bool ok = elements &&
              (array->type == ARRAY_FLOAT ? stored_floats(array->stored, 0, n, elements, fault)
                                          : stored_integers(array->stored, 0, n, elements, fault));
    if (!ok)
        storage_release(elements);
    else if (array->type == ARRAY_FLOAT)
        array->floats = elements;
    else
        array->integers = elements;
    return ok;
}

static bool load(graph_array *array, fault_text *fault)
{
    if (array->is_hollow)
        return false;
    if (array->floats || array->integers)
        return true;
    return array->stored ? read_elements(array, fault) : make_elements(array, fault);
}

const float *array_floats(graph_array *array, fault_text *fault)
{
    return array->type == ARRAY_FLOAT && load(array, fault) ? array->floats : NULL;
}

const int64_t *array_integers(graph_array *array, fault_text *fault)
{
    return array->type == ARRAY_INTEGER && load(array, fault) ? array->integers : NULL;
}

bool array_read(graph_array *array, int64_t first, int64_t n, void *into, fault_text *fault)
{
    const stored_tensor *stored = array->stored;
    bool is_float = array->type == ARRAY_FLOAT;
    if (!array_is_resident(array) && stored && stored->form != STORED_VARINTS)
        return is_float ? stored_floats(stored, (uint64_t)first, (uint64_t)n, into, fault)
                        : stored_integers(stored, (uint64_t)first, (uint64_t)n, into, fault);
    if (!load(array, fault))
        return false;
    if (n > 0 && is_float)
        memcpy(into, array->floats + first, (size_t)n * sizeof *array->floats);
    else if (n > 0)
        memcpy(into, array->integers + first, (size_t)n * sizeof *array->integers);
    return true;
}

bool array_is_resident(const graph_array *array)
{
    return array->floats || array->integers;
}

void array_drop(graph_array *array)
{
    size_t size = array->type == ARRAY_FLOAT ? sizeof(float) : sizeof(int64_t);
    if ((!array->stored && !array->maker.make) || (size_t)array->count * size < MANY_BYTES)
        return;
    storage_release(array->floats);
    storage_release(array->integers);
    array->floats = NULL;
    array->integers = NULL;
}

bool array_is_same_shape(const graph_array *a, const graph_array *b)
{
    return a->rank == b->rank && memcmp(a->dims, b->dims, a->rank * sizeof *a->dims) == 0;
}

graph_array *array_share(graph_array *array)
{
    if (array)
        array->n_users++;
    return array;
}

void array_release(graph_array *array)
{
    if (!array || --array->n_users > 0)
        return;
    storage_release(array->floats);
    storage_release(array->integers);
    free(array);
}

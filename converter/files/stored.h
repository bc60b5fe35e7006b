/*
 * stored.h - a tensor as it lies in a file, of whatever format: read when its turn comes.
 */
#ifndef CONVERTER_STORED_H
#define CONVERTER_STORED_H

#include "files/file.h"

#define STORED_MAX_RANK 8

/* Types of elements; numbered as ONNX does, whose casts name them by number. */
typedef enum stored_type {
    STORED_F32 = 1,
    STORED_U8 = 2,
    STORED_I8 = 3,
    STORED_I32 = 6,
    STORED_I64 = 7,
    STORED_BOOL = 9, /* a byte: 0 or not */
    STORED_F16 = 10, /* IEEE 754 binary16 */
    STORED_F64 = 11,
    STORED_BF16 = 16, /* the upper half of an F32 */
    STORED_U4 = 21,   /* two in a byte, the low one first; an odd last one fills it up */
    STORED_I4 = 22
} stored_type;

/* How the elements lie. */
typedef enum stored_form {
    STORED_PLAIN,  /* one after another, little-endian */
    STORED_WIDE,   /* the same, each as an int32, whatever its type */
    STORED_VARINTS /* as protobuf's packed integers */
} stored_form;

/* Bytes that were found to be there: `count` elements of this type in this form. */
typedef struct stored_tensor {
    const char *name; /* "": none */
    stored_type type;
    stored_form form;
    uint32_t rank;
    uint64_t dims[STORED_MAX_RANK];
    uint64_t count;         /* product of dims */
    const range_file *file; /* NULL: in memory, at `data` */
    uint64_t offset;        /* in the file */
    uint64_t n_bytes;
    const void *data;
} stored_tensor;

/* Whether elements are floats; the others are integers. */
bool stored_is_float(stored_type type);

/* Bytes of `count` plain elements; 0 for a number that is no type here. */
uint64_t stored_bytes(stored_type type, uint64_t count);

/* Elements `first` .. first + n - 1 of a tensor of floats, or of one of integers, into `into` [n].
 * Booleans become 0 and 1. False with a fault if they cannot be read. */
bool stored_floats(const stored_tensor *tensor, uint64_t first, uint64_t n, float *into,
                   fault_text *fault);
bool stored_integers(const stored_tensor *tensor, uint64_t first, uint64_t n, int64_t *into,
                     fault_text *fault);

#endif

/*
 * commands.h - the three things that the program does.
 */
#ifndef CONVERTER_COMMANDS_H
#define CONVERTER_COMMANDS_H

#include "files/fault.h"
#include "read/read.h"
#include "weights/pack.h"

typedef struct convert_options {
    pack_dtype dtype;
    const char *name, *revision; /* NULL: the folder's name; none */
    const char *base;            /* folder of the model that an adapter is for; NULL: none */
    const char *calibrate;       /* JSON Lines of tokenized texts for q8 and q4; NULL: none */
    output_choice outputs;       /* of the graph; n 0: all that are an encoder's */
} convert_options;

/* ONNX file or folder to a model file; nothing stays at `out` after a failure. */
bool convert(const char *in, const char *out, const convert_options *options, fault_text *fault);

/* Prints metadata, config, tensors and sizes of a model file. */
bool inspect(const char *path, fault_text *fault);

/*
 * Runs a model file natively on the cases of a golden.json and prints the largest error of each
 * output. False also where one is over `tolerance` times the largest output (at least 1).
 */
bool verify(const char *golden, const char *path, double tolerance, fault_text *fault);

#endif

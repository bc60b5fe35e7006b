/*
 * commands.h - the other two things that the program does; the first is in conversion.h.
 */
#ifndef CONVERTER_COMMANDS_H
#define CONVERTER_COMMANDS_H

#include "files/fault.h"

/* Prints metadata, config, tensors and sizes of a model file. */
bool inspect(const char *path, fault_text *fault);

/*
 * Runs a model file natively on the cases of a golden.json and prints the largest error of each
 * output. False also where one is over `tolerance` times the largest output (at least 1).
 */
bool verify(const char *golden, const char *path, double tolerance, fault_text *fault);

#endif

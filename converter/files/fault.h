/*
 * fault.h - what went wrong, as a sentence for the user: what, where, and what was expected.
 */
#ifndef CONVERTER_FAULT_H
#define CONVERTER_FAULT_H

#include <stdbool.h>

#include "bert.h"

typedef struct fault_text {
    char text[1024];
} fault_text;

/* Writes the sentence, if there is none yet: the first cause is the one to know. Returns false, so
 * that a failing function can end with `return fault_set(...)`. */
bool fault_set(fault_text *fault, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same of what the core said, about `what`: a file, or what is being done. */
bool fault_set_error(fault_text *fault, const char *what, const bert_error *error);

/* A sentence for the user about something that was settled, and how. */
void fault_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Where it goes is the host's, as what files are is: see file.h. */
void fault_note(const char *sentence);

#endif

/*
 * text.h - what the C library has not for texts.
 */
#ifndef CONVERTER_TEXT_H
#define CONVERTER_TEXT_H

#include <stdbool.h>
#include <string.h>

static inline bool text_ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

#endif

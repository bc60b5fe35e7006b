/*
 * json.h - JSON from files that anybody may have written: read completely and strictly, or refused.
 */
#ifndef CONVERTER_JSON_H
#define CONVERTER_JSON_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "files/fault.h"

/* Parses a text, which must be an object. NULL otherwise, with a fault that starts with `what`: a
 * path, or what is read. Free it with cJSON_Delete(). */
cJSON *json_object(const char *what, const void *text, size_t n_bytes, fault_text *fault);

/* The same of an object in which no key appears twice, which a file has: `part`, or, where that is
 * "", the whole of it. */
cJSON *json_strict_object(const char *path, const char *part, const void *text, size_t n_bytes,
                          fault_text *fault);

/* A file that must be an object, or an array. */
cJSON *json_object_file(const char *path, fault_text *fault);
cJSON *json_array_file(const char *path, fault_text *fault);

/* Whether all bytes are valid UTF-8 without the control characters that JSON escapes. */
bool json_is_text(const void *text, size_t n_bytes);

/* A key that some object in `json` has twice, or NULL. Readers differ in which of the two counts.
 */
const char *json_repeated_key(const cJSON *json);

#endif

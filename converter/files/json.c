/* json.c - see json.h. */
#include "files/json.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/file.h"

/* ----------------------------------------------------------------------------------- reading -- */

/* Bytes of the UTF-8 character at `text`; 0 if it is not a valid one: RFC 3629, section 4. */
static size_t character_bytes(const uint8_t *text, size_t n_left)
{
    uint8_t first = text[0];
    size_t n = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (n == 0 || n > n_left || first > 0xf4)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    bool is_overlong = (first == 0xe0 && text[1] < 0xa0) || (first == 0xf0 && text[1] < 0x90);
    bool is_surrogate = first == 0xed && text[1] >= 0xa0;
    bool is_beyond = first == 0xf4 && text[1] >= 0x90;
    return is_overlong || is_surrogate || is_beyond ? 0 : n;
}

/* Index of the first byte that JSON cannot contain; `n_bytes` if there is none. */
static size_t find_bad_byte(const uint8_t *text, size_t n_bytes)
{
    size_t at = 0;
    while (at < n_bytes) {
        size_t n = character_bytes(text + at, n_bytes - at);
        if (n == 0 || (text[at] < ' ' && !memchr("\t\n\r", text[at], 3)))
            break;
        at += n;
    }
    return at;
}

bool json_is_text(const void *text, size_t n_bytes)
{
    return find_bad_byte(text, n_bytes) == n_bytes;
}

/* A value of any kind, or NULL with a fault. */
static cJSON *parse(const char *what, const void *text, size_t n_bytes, fault_text *fault)
{
    size_t bad = find_bad_byte(text, n_bytes);
    if (bad < n_bytes) {
        fault_set(
            fault,
            "%s: is not valid JSON: it is not UTF-8 text, or has a control character, at byte %zu",
            what, bad);
        return NULL;
    }
    /* A copy that ends with a NUL: at the end of a mapping, cJSON would read beyond. */
    char *copy = malloc(n_bytes + 1);
    if (!copy) {
        fault_set(fault, "%s: out of memory", what);
        return NULL;
    }
    if (n_bytes)
        memcpy(copy, text, n_bytes);
    copy[n_bytes] = '\0';
    const char *end = copy;
    cJSON *json = cJSON_ParseWithLengthOpts(copy, n_bytes + 1, &end, true);
    if (!json)
        fault_set(fault, "%s: is not valid JSON from byte %zu on", what, (size_t)(end - copy));
    free(copy);
    return json;
}

/* The same of one kind: an array or an object. */
static cJSON *parse_as(int kind, const char *what, const void *text, size_t n_bytes,
                       fault_text *fault)
{
    cJSON *json = parse(what, text, n_bytes, fault);
    if (json && (json->type & 0xff) == kind)
        return json;
    if (json)
        fault_set(fault, "%s: is valid JSON, but not an %s", what,
                  kind == cJSON_Object ? "object { ... }" : "array [ ... ]");
    cJSON_Delete(json);
    return NULL;
}

cJSON *json_object(const char *what, const void *text, size_t n_bytes, fault_text *fault)
{
    return parse_as(cJSON_Object, what, text, n_bytes, fault);
}

static cJSON *parse_file(int kind, const char *path, fault_text *fault)
{
    whole_file file;
    cJSON *json =
        file_open(path, &file, fault) ? parse_as(kind, path, file.data, file.n_bytes, fault) : NULL;
    file_close(&file);
    return json;
}

cJSON *json_object_file(const char *path, fault_text *fault)
{
    return parse_file(cJSON_Object, path, fault);
}

cJSON *json_array_file(const char *path, fault_text *fault)
{
    return parse_file(cJSON_Array, path, fault);
}

/* -------------------------------------------------------------------------------------- keys -- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A key that this one object has twice, or NULL. */
static const char *own_repeated_key(const cJSON *object)
{
    size_t n_keys = 0;
    const char **keys = malloc(((size_t)cJSON_GetArraySize(object) + 1) * sizeof *keys);
    const char *repeated = NULL;
    if (!keys)
        abort();
    const cJSON *item;
    cJSON_ArrayForEach(item, object) keys[n_keys++] = item->string;
    qsort(keys, n_keys, sizeof *keys, by_text);
    for (size_t i = 1; i < n_keys && !repeated; i++)
        if (strcmp(keys[i - 1], keys[i]) == 0)
            repeated = keys[i];
    free(keys);
    return repeated;
}

const char *json_repeated_key(const cJSON *json)
{
    const char *repeated = cJSON_IsObject(json) ? own_repeated_key(json) : NULL;
    const cJSON *item;
    /* cJSON has limited the depth. */
    cJSON_ArrayForEach(item, json)
    {
        if (!repeated)
            repeated = json_repeated_key(item);
    }
    return repeated;
}

cJSON *json_strict_object(const char *path, const char *part, const void *text, size_t n_bytes,
                          fault_text *fault)
{
    char place[FILE_MAX_PATH + 32];
    snprintf(place, sizeof place, "%s%s%s", path, *part ? ": its " : "", part);
    cJSON *json = json_object(place, text, n_bytes, fault);
    const char *repeated = json_repeated_key(json);
    if (!repeated)
        return json;
    fault_set(fault, "%s: has the key '%.200s' twice", place, repeated);
    cJSON_Delete(json);
    return NULL;
}

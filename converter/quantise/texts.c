/* texts.c - see texts.h: lists of texts, and files of them. */
#include "quantise/texts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/file.h"
#include "files/json.h"

static uint32_t *copied(const uint32_t *numbers, uint32_t n)
{
    uint32_t *copy = malloc(n * sizeof *copy + 1);
    if (!copy)
        abort();
    memcpy(copy, numbers, n * sizeof *copy);
    return copy;
}

void texts_add(text_list *texts, uint32_t n_sequences, const uint32_t *lengths, const uint32_t *ids,
               const uint32_t *types, const char *where)
{
    if (texts->n == texts->capacity) {
        texts->capacity = texts->capacity ? 2 * texts->capacity : 16;
        texts->batches = realloc(texts->batches, texts->capacity * sizeof *texts->batches);
        if (!texts->batches)
            abort();
    }
    text_batch *batch = &texts->batches[texts->n++];
    *batch = (text_batch){.n_sequences = n_sequences};
    for (uint32_t i = 0; i < n_sequences; i++)
        batch->n_tokens += lengths[i];
    batch->lengths = copied(lengths, n_sequences);
    batch->ids = copied(ids, batch->n_tokens);
    batch->types = types ? copied(types, batch->n_tokens) : NULL;
    snprintf(batch->where, sizeof batch->where, "%s", where);
    texts->n_tokens += batch->n_tokens;
}

void texts_free(text_list *texts)
{
    for (size_t i = 0; i < texts->n; i++) {
        free(texts->batches[i].lengths);
        free(texts->batches[i].ids);
        free(texts->batches[i].types);
    }
    free(texts->batches);
    *texts = (text_list){0};
}

/* The whole numbers of an array, or NULL; how many in *n. */
static uint32_t *numbers(const cJSON *array, uint32_t *n)
{
    *n = (uint32_t)cJSON_GetArraySize(array);
    uint32_t *values = calloc(*n + 1, sizeof *values);
    uint32_t i = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, array)
    {
        double number = cJSON_IsNumber(item) ? item->valuedouble : -1;
        if (values && number >= 0 && number <= UINT32_MAX && number == floor(number))
            values[i++] = (uint32_t)number;
    }
    if (values && (i != *n || i == 0)) {
        free(values);
        return NULL;
    }
    return values;
}

/* One line of a file: a text. */
static bool read_line(text_list *texts, const char *line, size_t n_bytes, uint32_t most,
                      const char *where, fault_text *fault)
{
    cJSON *json = cJSON_ParseWithLength(line, n_bytes);
    const cJSON *types = cJSON_GetObjectItemCaseSensitive(json, "type_ids");
    uint32_t n, n_types = 0;
    uint32_t *ids = numbers(cJSON_GetObjectItemCaseSensitive(json, "ids"), &n);
    uint32_t *token_types = types ? numbers(types, &n_types) : NULL;
    bool ok = ids && (!types || (token_types && n_types == n));
    if (ok) {
        n = n < most ? n : most;
        texts_add(texts, 1, &n, ids, token_types, where);
    } else {
        fault_set(fault,
                  "%s: expected an object with `ids`, and perhaps as many `type_ids`, as "
                  "bert-wasm tokenize writes it",
                  where);
    }
    free(ids);
    free(token_types);
    cJSON_Delete(json);
    return ok;
}

static bool is_blank(const char *line, size_t n_bytes)
{
    while (n_bytes > 0 && memchr(" \t\r\n", *line, 4)) {
        line++;
        n_bytes--;
    }
    return n_bytes == 0;
}

bool texts_read(text_list *texts, const char *path, uint32_t most, fault_text *fault)
{
    whole_file file;
    bool ok = file_open(path, &file, fault);
    const char *next = (const char *)file.data, *end = next + file.n_bytes;
    for (int number = 1; ok && next < end; number++) {
        const char *newline = memchr(next, '\n', (size_t)(end - next));
        size_t n_bytes = (size_t)((newline ? newline : end) - next);
        char where[256];
        snprintf(where, sizeof where, "%.200s, line %d", path, number);
        if (texts->n_tokens + most > TEXTS_MOST_TOKENS && texts->n > 0 &&
            !is_blank(next, n_bytes)) {
            fault_warn("%s and those after it are not used: %zu tokens are enough", where,
                       texts->n_tokens);
            break;
        }
        ok = is_blank(next, n_bytes) || read_line(texts, next, n_bytes, most, where, fault);
        next += n_bytes + (newline != NULL);
    }
    if (ok && texts->n == 0)
        ok = fault_set(fault, "%s: has no text", path);
    file_close(&file);
    return ok;
}

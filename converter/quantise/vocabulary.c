/* vocabulary.c - see vocabulary.h. */
#include "quantise/vocabulary.h"

#include <stdlib.h>
#include <string.h>

/* What pieces begin with: at the start of a word SentencePiece's and byte-level BPE's signs, within
 * one WordPiece's. No vocabulary has more than one of them. */
static const char *const START[] = {"▁", "Ġ", ""}, *const INSIDE[] = {"##", ""};

/* Longer pieces are not looked for. */
#define MAX_PIECE 64

static int compare(const void *a, const void *b)
{
    const vocabulary_piece *x = a, *y = b;
    int order = strcmp(x->text, y->text);
    return order ? order : (x->id > y->id) - (x->id < y->id);
}

static void add(vocabulary *pieces, const char *text, double id, uint32_t n_ids)
{
    if (text && id >= 0 && id < n_ids)
        pieces->pieces[pieces->n_pieces++] = (vocabulary_piece){text, (uint32_t)id};
}

/* The id of `prefix` and the first n bytes of a text. */
static bool find(const vocabulary *pieces, const char *prefix, const char *text, size_t n,
                 uint32_t *id)
{
    char key[MAX_PIECE + 8] = "";
    if (n > MAX_PIECE)
        return false;
    strcpy(key, prefix);
    strncat(key, text, n);
    size_t low = 0, high = pieces->n_pieces;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(pieces->pieces[middle].text, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == pieces->n_pieces || strcmp(pieces->pieces[low].text, key) != 0)
        return false;
    *id = pieces->pieces[low].id;
    return true;
}

bool vocabulary_open(vocabulary *pieces, const void *json, size_t n_bytes, uint32_t n_ids,
                     fault_text *fault)
{
    pieces->json = cJSON_ParseWithLength(json, n_bytes);
    const cJSON *added = cJSON_GetObjectItemCaseSensitive(pieces->json, "added_tokens"), *item;
    const cJSON *model = cJSON_GetObjectItemCaseSensitive(pieces->json, "model");
    const cJSON *words = cJSON_GetObjectItemCaseSensitive(model, "vocab");
    size_t most = (size_t)cJSON_GetArraySize(words) + (size_t)cJSON_GetArraySize(added);
    pieces->pieces = calloc(most + 1, sizeof *pieces->pieces);
    if (!pieces->pieces)
        return fault_set(fault, "out of memory for the vocabulary");
    double index = 0;
    cJSON_ArrayForEach(item, words)
    {
        /* {text: id} or, of Unigram, [[text, score]]. */
        bool has_id = cJSON_IsObject(words);
        add(pieces, has_id ? item->string : cJSON_GetStringValue(cJSON_GetArrayItem(item, 0)),
            has_id ? item->valuedouble : index++, n_ids);
    }
    cJSON_ArrayForEach(item, added)
    {
        const cJSON *id = cJSON_GetObjectItemCaseSensitive(item, "id");
        add(pieces, cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "content")),
            cJSON_IsNumber(id) ? id->valuedouble : -1, n_ids);
    }
    qsort(pieces->pieces, pieces->n_pieces, sizeof *pieces->pieces, compare);
    uint32_t id;
    pieces->is_lower = true;
    for (size_t i = 0; i < sizeof START / sizeof *START; i++)
        pieces->is_lower = pieces->is_lower && !find(pieces, START[i], "A", 1, &id);
    return true;
}

void vocabulary_close(vocabulary *pieces)
{
    cJSON_Delete(pieces->json);
    free(pieces->pieces);
    *pieces = (vocabulary){0};
}

static bool continues(char byte)
{
    return (byte & 0xc0) == 0x80; /* not the first byte of a character */
}

/* The longest piece that a word of n bytes starts with. Returns its bytes; 0: there is none. */
static size_t longest(const vocabulary *pieces, bool is_start, const char *word, size_t n,
                      uint32_t *id)
{
    const char *const *prefixes = is_start ? START : INSIDE;
    size_t n_prefixes = is_start ? sizeof START / sizeof *START : sizeof INSIDE / sizeof *INSIDE;
    for (; n > 0; n--)
        for (size_t i = 0; i < n_prefixes && !continues(word[n]); i++)
            if (find(pieces, prefixes[i], word, n, id))
                return n;
    return 0;
}

static bool find_either(const vocabulary *pieces, const char *a, const char *b, uint32_t *id)
{
    return find(pieces, "", a, strlen(a), id) || find(pieces, "", b, strlen(b), id);
}

uint32_t vocabulary_encode(const vocabulary *pieces, const char *text, uint32_t most, uint32_t *ids)
{
    char word[MAX_PIECE + 1];
    uint32_t n = 0, end = 0;
    bool has_end = find_either(pieces, "[SEP]", "</s>", &end);
    if (most > 1 && find_either(pieces, "[CLS]", "<s>", &ids[0]))
        n++;
    uint32_t first = n;
    for (size_t n_bytes; *text; text += n_bytes) {
        n_bytes = strcspn(text, " ");
        size_t rest = n_bytes < MAX_PIECE ? n_bytes : MAX_PIECE;
        memcpy(word, text, rest);
        word[rest] = '\0';
        for (size_t i = 0; pieces->is_lower && i < rest; i++)
            if (word[i] >= 'A' && word[i] <= 'Z')
                word[i] += 'a' - 'A';
        for (size_t at = 0, bytes; at < rest; at += bytes) {
            uint32_t id;
            bytes = longest(pieces, at == 0, word + at, rest - at, &id);
            if (bytes > 0 && n + has_end < most)
                ids[n++] = id;
            while (bytes == 0 || continues(word[at + bytes]))
                bytes++;
        }
        n_bytes += text[n_bytes] == ' ';
    }
    if (n == first)
        return 0;
    if (has_end)
        ids[n++] = end;
    return n;
}

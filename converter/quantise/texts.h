/*
 * texts.h - texts as token ids: what a model is measured on before it is quantised.
 */
#ifndef CONVERTER_TEXTS_H
#define CONVERTER_TEXTS_H

#include "bert.h"
#include "files/fault.h"

/* Tokens that are taken of a file of texts: what layers see of them is kept from layer to layer, in
 * BERT-base 200 MB. A hundred typical texts have a tenth. */
#define TEXTS_MOST_TOKENS 65536

/* Sequences that are run together. */
typedef struct text_batch {
    uint32_t n_sequences, n_tokens;
    uint32_t *lengths; /* [n_sequences] */
    uint32_t *ids;     /* [n_tokens] */
    uint32_t *types;   /* [n_tokens], or NULL: zeros */
    char where[256];   /* for messages: of what they are */
} text_batch;

typedef struct text_list {
    text_batch *batches; /* [n] */
    size_t n, capacity, n_tokens;
} text_list;

/* Adds a batch, whose arrays are copied: n_tokens is the sum of lengths, types may be NULL. Aborts
 * without memory: these are small. */
void texts_add(text_list *texts, uint32_t n_sequences, const uint32_t *lengths, const uint32_t *ids,
               const uint32_t *types, const char *where);
void texts_free(text_list *texts);

/* The texts of a JSON Lines file, each line with `ids` and perhaps `type_ids` as `bert-wasm
 * tokenize` writes them; of a text, the first `most` tokens. False for a file or line that cannot
 * be used. */
bool texts_read(text_list *texts, const char *path, uint32_t most, fault_text *fault);

/* Fifty sentences that come with the converter (own_texts.c), for those who give no texts: cut by
 * the vocabulary of a tokenizer.json of `n_bytes`, of which ids below `n_ids` are used. Where that
 * knows nothing of them, or there is none: random ids, which say less. */
bool texts_own(text_list *texts, const void *tokenizer, size_t n_bytes, uint32_t n_ids,
               uint32_t most, fault_text *fault);

#endif

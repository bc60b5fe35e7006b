/*
 * sentence.h - what sentence-transformers writes beside a model: the modules after the encoder, the
 * length of texts, prompts, and the activation of a cross-encoder.
 */
#ifndef CONVERTER_SENTENCE_H
#define CONVERTER_SENTENCE_H

#include <cjson/cJSON.h>

#include "bert.h"
#include "files/file.h"

/* A dense layer over the pooled row. */
typedef struct sentence_dense {
    char path[FILE_MAX_PATH]; /* of its model.safetensors; "": there is none */
    uint32_t n_in, n_out;
    bool has_bias;
    bert_activation activation;
} sentence_dense;

/* All zeros: the folder says nothing. */
typedef struct sentence_modules {
    char inner[FILE_MAX_PATH]; /* the folder of the encoder within; "": the same */
    bert_pooling
        poolings[BERT_MOST_POOLINGS]; /* NONE behind the last; of the first: no embedding */
    uint32_t pooled_size;             /* columns that the pooling expects; 0: it does not say */
    sentence_dense dense;
    bool normalize;
    double max_length;  /* tokens of a text; 0: not said */
    bool lower_cases;   /* texts, before they are tokenized */
    cJSON *description; /* for a model file's config: prompts, default_prompt_name, ... */
} sentence_modules;

/* Reads modules.json, the modules' configs and config_sentence_transformers.json of a folder, where
 * there are any. sentence_close() in any case. */
bool sentence_open(const char *folder, sentence_modules *modules, fault_text *fault);
void sentence_close(sentence_modules *modules);

/* The activation of a cross-encoder's scores, which config.json has if no other file does. */
void sentence_take_activation(sentence_modules *modules, const cJSON *config);

/* A tokenizer.json that lower-cases, made of one that does not: text, to be freed; NULL if it does
 * already. */
char *sentence_lower_case(const cJSON *tokenizer);

#endif

/*
 * model_dir.h - what stands beside a model's weights: config.json and the tokenizer.
 */
#ifndef CONVERTER_MODEL_DIR_H
#define CONVERTER_MODEL_DIR_H

#include <cjson/cJSON.h>

#include "bert.h"
#include "source/model_path.h"
#include "source/sentence.h"

typedef struct model_dir {
    model_path path;
    char name[256];        /* of the folder */
    cJSON *config;         /* config.json, or NULL */
    cJSON *adapter_config; /* adapter_config.json, if there is an adapter */
    sentence_modules sentence;
    whole_file tokenizer; /* tokenizer.json, byte for byte; empty if there is none */
    char *made; /* the text of `tokenizer`, if it was made from other files; NULL: it is a file */
    double max_length; /* sentence-transformers' max_seq_length, or model_max_length of
                        * tokenizer_config.json; 0 if there is none */
} model_dir;

/* `path` and `base` as in model_path_find(). model_dir_close() in any case. */
bool model_dir_open(const char *path, const char *base, model_dir *dir, fault_text *fault);
void model_dir_close(model_dir *dir);

/* Frees the tokenizer, once it is needed no more. */
void model_dir_forget_tokenizer(model_dir *dir);

/* Says where config.json disagrees with the graph, which wins. */
void model_dir_compare(const model_dir *dir, const bert_config *graph);

/* The family's name: config.json's model_type, or `fallback`. */
const char *model_dir_architecture(const model_dir *dir, const char *fallback);

/* config.json's problem_type; NULL if it has none. */
const char *model_dir_problem_type(const model_dir *dir);

/* Adds to a fault what config.json calls the model. Returns false. */
bool model_dir_explain(const model_dir *dir, fault_text *fault);

/* The first of the position_ids that callers give to a graph, which does not say it itself: RoBERTa
 * and its relatives start after the padding id. */
uint32_t model_dir_first_position(const model_dir *dir);

/* Tokens that a text may have: as many as the model takes, or fewer if config.json or the tokenizer
 * say so. */
double model_dir_max_length(const model_dir *dir, const bert_config *config);

/* Names of the classes in order: those of config.json if their number is right, else LABEL_0,
 * ... */
cJSON *model_dir_labels(const model_dir *dir, const bert_config *config);

#endif

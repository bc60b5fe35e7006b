/*
 * tokenizer_files.h - tokenizers in their original files, as the tokenizer.json that Hugging Face's
 * converters make of them (transformers, convert_slow_tokenizer.py):
 *
 *     vocab.txt                  WordPiece: BERT, DistilBERT, ELECTRA, MPNet
 *     vocab.json, merges.txt     byte-level BPE: RoBERTa, DeBERTa
 *     spiece.model, spm.model, sentencepiece.bpe.model
 *                                Unigram: ALBERT, DeBERTa v2 and v3, XLM-RoBERTa, CamemBERT
 */
#ifndef CONVERTER_TOKENIZER_FILES_H
#define CONVERTER_TOKENIZER_FILES_H

#include <cjson/cJSON.h>

#include "files/fault.h"

/* What says which family a tokenizer is of. */
typedef struct tokenizer_hints {
    const cJSON *config;           /* config.json, or NULL */
    const cJSON *tokenizer_config; /* tokenizer_config.json, or NULL */
} tokenizer_hints;

/* The text of a tokenizer.json; free() it. The paths of files that do not exist are NULL. NULL with
 * a fault, or without one if there is nothing to make it from. */
char *tokenizer_files_make(const char *vocab_txt, const char *vocab_json, const char *merges_txt,
                           const char *sentencepiece_model, const tokenizer_hints *hints,
                           fault_text *fault);

#endif

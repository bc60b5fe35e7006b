/*
 * core_constants.c - prints, as a JavaScript module, the constants of core/ that JavaScript needs
 * where there is no engine to ask: on the caller's thread, and before a module is compiled. What
 * depends on a model's config is asked of the engine (wasm/engine.c).
 *
 * The compiler reads the headers: their #defines and enums are not parsed a second time.
 */
#include <stdio.h>

#include "../core/bert.h"
#include "../core/search.h"
#include "../core/train.h"

#define NUMBER(name) printf("export const " #name " = %lld;\n", (long long)(name))
#define STRING(name) printf("export const " #name " = '%s';\n", name)

int main(void)
{
    printf("// Constants of core/bert.h and core/search.h: written by tools/core_constants.c.\n");
    STRING(BERT_VERSION);
    STRING(BERT_FORMAT_VERSION);
    STRING(BERT_FORMAT_BEFORE);
    NUMBER(BERT_INTEGERS_7_BITS);
    NUMBER(BERT_ALIGNMENT);
    NUMBER(BERT_PANEL);
    NUMBER(BERT_IGNORED_LABEL);
    NUMBER(BERT_MAX_RANK);
    NUMBER(BERT_MAX_TENSORS);
    NUMBER(BERT_MAX_THREADS);
    NUMBER(BERT_DEFAULT_MAX_TOKENS);
    NUMBER(BERT_DEFAULT_MAX_SEQUENCE_TOKENS);
    NUMBER(BERT_UNLIMITED_TOKENS);
    NUMBER(BERT_SCHEDULE_CONSTANT);
    NUMBER(BERT_SCHEDULE_LINEAR);
    NUMBER(BERT_SCHEDULE_COSINE);
    NUMBER(BERT_LORA_QUERY);
    NUMBER(BERT_LORA_KEY);
    NUMBER(BERT_LORA_VALUE);
    NUMBER(BERT_LORA_ATTENTION_OUTPUT);
    NUMBER(BERT_LORA_INTERMEDIATE);
    NUMBER(BERT_LORA_OUTPUT);
    NUMBER(SEARCH_F32);
    NUMBER(SEARCH_I8);
    NUMBER(SEARCH_BITS);
    NUMBER(SEARCH_MAX_DIMS);
    return 0;
}

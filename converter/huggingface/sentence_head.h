/*
 * sentence_head.h - the modules that sentence-transformers puts behind an encoder, as weights and
 * fields of the config, whatever the encoder was read from.
 */
#ifndef CONVERTER_SENTENCE_HEAD_H
#define CONVERTER_SENTENCE_HEAD_H

#include "source/sentence.h"
#include "weights/weights.h"

typedef struct sentence_head sentence_head;

/*
 * Adds pooling, dense layer and length to weights whose last output is hidden states, and names the
 * output; does nothing where the modules have no pooling. `weights` point into the head, which must
 * stay. sentence_head_close() in any case.
 */
bool sentence_head_open(const sentence_modules *modules, bert_weights *weights,
                        sentence_head **head, fault_text *fault);
void sentence_head_close(sentence_head *head);

#endif

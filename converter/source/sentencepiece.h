/*
 * sentencepiece.h - a sentencepiece model file, as far as a tokenizer.json needs it
 * (sentencepiece.proto).
 */
#ifndef CONVERTER_SENTENCEPIECE_H
#define CONVERTER_SENTENCEPIECE_H

#include "files/fault.h"
#include "sentencepiece.pb-c.h"

typedef struct sentencepiece {
    Sentencepiece__Model *model;
    const Sentencepiece__Trainer *trainer;       /* of the model, or its defaults */
    const Sentencepiece__Normalizer *normalizer; /* of the model, or its defaults */
} sentencepiece;

/* A unigram model of at least one piece. sentencepiece_close() in any case. */
bool sentencepiece_open(const char *path, sentencepiece *spm, fault_text *fault);
void sentencepiece_close(sentencepiece *spm);

#endif

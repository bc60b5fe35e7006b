/*
 * sentencepiece.c - see sentencepiece.h. protobuf-c does the wire format. No message of our schema
 * can contain itself, so that deep nesting needs no guard here, as it does in onnx.c.
 */
#include "source/sentencepiece.h"

#include "files/file.h"

#define UNIGRAM 1

bool sentencepiece_open(const char *path, sentencepiece *spm, fault_text *fault)
{
    static const Sentencepiece__Trainer no_trainer = SENTENCEPIECE__TRAINER__INIT;
    static const Sentencepiece__Normalizer no_normalizer = SENTENCEPIECE__NORMALIZER__INIT;
    mapped_file file;
    *spm = (sentencepiece){0};
    if (!file_open(path, &file, fault))
        return false;
    Sentencepiece__Model *model = sentencepiece__model__unpack(NULL, file.n_bytes, file.data);
    file_close(&file);
    spm->model = model;
    if (!model || model->n_pieces == 0)
        return fault_set(fault, "%s: is not a sentencepiece model, or is cut off", path);
    spm->trainer = model->trainer ? model->trainer : &no_trainer;
    spm->normalizer = model->normalizer ? model->normalizer : &no_normalizer;
    return spm->trainer->model_type == UNIGRAM ||
           fault_set(fault, "%s: a sentencepiece model of type %d; only unigram models can be read",
                     path, spm->trainer->model_type);
}

void sentencepiece_close(sentencepiece *spm)
{
    if (spm->model)
        sentencepiece__model__free_unpacked(spm->model, NULL);
    *spm = (sentencepiece){0};
}

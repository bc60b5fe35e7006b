/*
 * sentencepiece.c - see sentencepiece.h. protobuf-c does the wire format. No message of our schema
 * can contain itself, so that deep nesting needs no guard here, as it does in onnx.c.
 */
#include "source/sentencepiece.h"

#include "files/file.h"

#define UNIGRAM 1

/* Real ones have 300 kB; who encodes it counts in ints. */
#define MAX_CHARSMAP_BYTES (1 << 24)

bool sentencepiece_open(const char *path, sentencepiece *spm, fault_text *fault)
{
    static const Sentencepiece__Trainer no_trainer = SENTENCEPIECE__TRAINER__INIT;
    static const Sentencepiece__Normalizer no_normalizer = SENTENCEPIECE__NORMALIZER__INIT;
    whole_file file;
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
    if (spm->normalizer->precompiled_charsmap.len > MAX_CHARSMAP_BYTES)
        return fault_set(fault, "%s: its charsmap has more than %d bytes", path,
                         MAX_CHARSMAP_BYTES);
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

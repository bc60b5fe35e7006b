/*
 * huggingface.h - a model as transformers writes it, config.json and safetensors, as a config and
 * canonical weights.
 *
 *     families.c    what each model_type computes, and what its parts are called
 *     settings.c    config.json, key by key
 *     tensors.c     headers of safetensors files
 *     parts.c       a part of the model by its name becomes a weight
 *     heads.c       what stands on the encoder
 *     relative.c    relative positions of MPNet and DeBERTa
 *     adapter.c     LoRA, which is added to what it was trained beside
 */
#ifndef CONVERTER_HUGGINGFACE_H
#define CONVERTER_HUGGINGFACE_H

#include "source/model_dir.h"
#include "weights/weights.h"

typedef struct huggingface_model huggingface_model;

/* Whether config.json names a model_type that is read without a graph. */
bool huggingface_knows(const model_dir *dir);

/*
 * Reads headers and names; numbers are read when a weight is asked for. `weights` point into the
 * model, which must stay; `dir`, too. huggingface_close() in any case. `for_training`: with what
 * tables of distances are made of (bert_relative_source).
 */
bool huggingface_open(const model_dir *dir, bool for_training, huggingface_model **model,
                      bert_weights *weights, fault_text *fault);
void huggingface_close(huggingface_model *model);

/*
 * SHA-256 of what the folder says that the model is: its config, and the names, types and shapes of
 * its tensors. Their numbers are not in it: where they come over a network, they are read one by
 * one, and only those that are used.
 */
void huggingface_sha256(const huggingface_model *model, file_hash *hash);

#endif

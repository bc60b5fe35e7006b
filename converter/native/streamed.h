/*
 * streamed.h - a model that is run while its weights pass through memory, a part at a time.
 *
 * The parts: the embeddings, then blocks of layers, then the heads. A block is one layer or, where
 * layers share weights, the layers that take turns. The tensors of all blocks lie in one place, and
 * those of the heads there, too; each part's are brought when its steps are next:
 *
 *     streamed_open(&model, ...)
 *     for (uint32_t part = 0; part < model.n_parts; part++) {
 *         for (size_t i = model.parts[part]; i < model.parts[part + 1]; i++)
 *             streamed_bring(&model, i, ...)
 *         streamed_run(&model, part, &batch, ...) // for every batch
 *     }
 */
#ifndef CONVERTER_STREAMED_H
#define CONVERTER_STREAMED_H

#include "native/native.h"

/* A batch on its way. */
typedef struct streamed_batch {
    bert_batch batch;
    bert_outputs outputs;
    float *states;    /* [tokens, hidden_size] after the last step; made by the first run */
    const char *what; /* for messages */
} streamed_batch;

typedef struct streamed_model {
    const bert_weights *weights;
    pack_dtype dtype;
    bert_config config;
    uint32_t n_parts;
    size_t *parts;            /* [n_parts + 1]: the first weight of each, and their number */
    uint32_t steps_per_block; /* and layers, with weights of their own: */
    uint32_t layers_per_block;
    size_t *first; /* [weights + 1]: the first tensor of each weight, and their number */
    bert_tensor *tensors;
    char (*names)[BERT_MAX_NAME + 1];
    bool *is_taken;
    void *lasting, *embeddings, *block; /* memory: of all steps, of the first, of the others */
    void *model_memory, *session_memory;
    bert_model *model;
    bert_session *session;
} streamed_model;

/* Is shown a tensor with its data, which are gone afterwards; false ends it all. */
typedef bool pack_visitor(void *argument, const packed_tensor *tensor, fault_text *fault);

/* How many parts a model of this config has. */
uint32_t streamed_n_parts(const bert_config *config);

/* Numbers that weights have: those that are in memory with the embeddings, of the largest part of
 * the others, and of the largest matrix. */
typedef struct streamed_counts {
    uint64_t embeddings, part, matrix;
} streamed_counts;

bool streamed_count(const bert_weights *weights, streamed_counts *counts, fault_text *fault);

/* `weights` must stay; `options` are of batches that will be run, one thread. streamed_close() in
 * any case. */
bool streamed_open(streamed_model *model, const bert_weights *weights, pack_dtype dtype,
                   const bert_options *options, fault_text *fault);
void streamed_close(streamed_model *model);

/* Layers of a part, by their own weights, first .. end - 1; none of the embeddings and heads. */
void streamed_layers(const streamed_model *model, uint32_t part, uint32_t *first, uint32_t *end);

/*
 * Packs weight `index` into its place, and shows each tensor to `visit`, as it is in a file, unless
 * that is NULL. `values`: as in pack_fill(). Parts come in order, and in each its weights.
 */
bool streamed_bring(streamed_model *model, size_t index, const float *values, pack_visitor *visit,
                    void *argument, fault_text *fault);

/* The numbers of a table or vector that has been brought as F32; of any other weight NULL. */
const float *streamed_floats(const streamed_model *model, size_t index);

/* Runs the steps of a part whose weights have all been brought; the embeddings have none. */
bool streamed_run(streamed_model *model, uint32_t part, streamed_batch *batch, fault_text *fault);

/* Once all batches have gone through the first block: frees what it alone has read. */
void streamed_forget_embeddings(streamed_model *model);

#endif

/*
 * parts.h - a part of the model by transformers' name becomes a weight by ours.
 */
#ifndef CONVERTER_PARTS_H
#define CONVERTER_PARTS_H

#include "huggingface/adapter.h"
#include "huggingface/families.h"
#include "huggingface/huggingface.h"
#include "huggingface/tensors.h"

#define PARTS_MAX_NAME 512

/* Where a name begins: in the encoder ("bert.encoder..."), or beside it ("classifier"). */
typedef enum part_scope { OF_ENCODER, OF_HEAD } part_scope;

struct huggingface_model {
    const model_family *family;
    settings config;
    tensor_table tensors;
    lora_adapter adapter;
    char prefix[PARTS_MAX_NAME]; /* of the encoder's names: "bert.", "" */
    bert_weights *weights;
    bool for_training; /* tables of distances have their sources beside them */
    fault_text *fault;
    struct {
        family_dense dense;     /* what classifiers of sequences stand on */
        const char *classifier; /* of sequences; NULL: none, and so on */
        family_dense token_dense;
        const char *token_classifier;
        const family_lm *lm;
    } heads;
    void **blocks; /* what parts_alloc() gave */
    size_t n_blocks, blocks_capacity;
    graph_array **arrays; /* of weights */
    size_t n_arrays, arrays_capacity;
};

/* Memory that lives as long as the model; zeros. */
void *parts_alloc(huggingface_model *model, size_t n_bytes);

/* Finds where the encoder's names begin: where its word embedding is. */
bool parts_find_prefix(huggingface_model *model);

/* A tensor of F32, F16 or BF16 by its whole name ("...weight"), of the shape `dims` [rank], where 0
 * is any size. It counts as used. NULL with a fault that says what is wrong. */
const stored_tensor *parts_tensor(huggingface_model *model, part_scope scope, const char *name,
                                  uint32_t rank, const uint64_t *dims);

/* Whether there is one. */
bool parts_has(const huggingface_model *model, part_scope scope, const char *name);

/* The numbers of a weight: a tensor's, or those that `fill` makes of the tensors `reads`, both of
 * which must stay as long as the model, when they are asked for. */
void parts_set_tensor(huggingface_model *model, const stored_tensor *stored, weight_source *source);
typedef bool parts_fill(const void *argument, float *floats, fault_text *fault);
void parts_set_made(huggingface_model *model, const uint32_t dims[2], parts_fill *fill,
                    const void *argument, const stored_tensor *const *reads, size_t n_reads,
                    weight_source *source);

/* A dense layer's matrix, [n_out, n_in] in the file, with what an adapter adds to it. */
typedef struct part_matrix {
    const stored_tensor *stored;
    const adapter_pair *added; /* NULL: nothing */
    uint32_t n_in, n_out;
} part_matrix;

/* `name` without ".weight". n_out 0: any. */
bool parts_matrix(huggingface_model *model, part_scope scope, const char *name, uint32_t n_in,
                  uint32_t n_out, part_matrix *matrix);

/* Its numbers, [n_out, n_in]. */
bool parts_floats(const part_matrix *matrix, float *floats, fault_text *fault);

/* Makes a weight read from it, turned: inputs before outputs. */
void parts_set_matrix(huggingface_model *model, const part_matrix *matrix, weight_source *source);

/* The tensors that they are read from, behind the `n` of `reads`. Returns how many there are then.
 */
size_t parts_reads(const part_matrix *matrix, const stored_tensor **reads, size_t n);

/* All numbers of a tensor; free() them. NULL with a fault. */
float *parts_numbers(const stored_tensor *stored, fault_text *fault);

/* Each adds weights, `name` being transformers' and `ours` the canonical one. False with a fault. A
 * vector whose name is NULL has zeros. */
bool parts_add_vector(huggingface_model *model, part_scope scope, const char *name, uint32_t n,
                      const char *ours, const char *suffix);
bool parts_add_norm(huggingface_model *model, part_scope scope, const char *name, uint32_t n,
                    const char *ours);
bool parts_add_table(huggingface_model *model, part_scope scope, const char *name, uint32_t n_rows,
                     uint32_t n_columns, bool keep_f32, const char *ours);

/* The matrix alone, and with its bias. */
bool parts_add_matrix(huggingface_model *model, part_scope scope, const char *name, uint32_t n_in,
                      uint32_t n_out, bool keep_f32, const char *ours);
bool parts_add_dense(huggingface_model *model, part_scope scope, const char *name, uint32_t n_in,
                     uint32_t n_out, bool keep_f32, const char *ours);

/* How many outputs a dense layer has in the file; 0 with a fault. */
uint32_t parts_n_out(huggingface_model *model, part_scope scope, const char *name, uint32_t n_in);

/* Adds heads by the architecture, and names outputs (heads.c). */
bool heads_configure(huggingface_model *model, const char *architecture);
bool heads_add(huggingface_model *model);

/* Relative positions (relative.c): of the config, of all layers, and of each. */
bool relative_configure(huggingface_model *model);
bool relative_add(huggingface_model *model);
bool relative_add_layer(huggingface_model *model, uint32_t layer, const char *path);

#endif

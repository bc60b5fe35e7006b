/*
 * adapter.h - a LoRA adapter as PEFT writes it: adapter_config.json and adapter_model.safetensors.
 *
 * W + alpha / r B A (Hu et al. 2021, LoRA, section 4.1), or over the square root of r
 * (Kalajdzievski 2023, rsLoRA), is computed when W is read. What was trained whole
 * (modules_to_save, biases) takes the place of the model's own.
 */
#ifndef CONVERTER_ADAPTER_H
#define CONVERTER_ADAPTER_H

#include "huggingface/settings.h"
#include "huggingface/tensors.h"

typedef struct adapter_pair {
    const stored_tensor *a, *b; /* [r, n_in], [n_out, r] */
    uint32_t rank;
    double scale;
} adapter_pair;

typedef enum adapter_kind { ADAPTER_A, ADAPTER_B, ADAPTER_WHOLE } adapter_kind;

typedef struct adapter_entry {
    char *name; /* of the model's tensor: "bert.encoder.layer.0.attention.self.query.weight" */
    adapter_kind kind;
    named_tensor *tensor;
    adapter_pair pair; /* of ADAPTER_A */
} adapter_entry;

/* All zeros: there is none. */
typedef struct lora_adapter {
    settings config;
    tensor_table tensors;
    adapter_entry *entries; /* [tensors.n_tensors] */
    size_t n_entries;
} lora_adapter;

/* `path` is that of adapter_model.safetensors, `config` its adapter_config.json. adapter_close() in
 * any case. */
bool adapter_open(const char *path, const cJSON *config, lora_adapter *adapter, fault_text *fault);
void adapter_close(lora_adapter *adapter);

/* What is added to the matrix of that name, which may lack what stands before the encoder's own
 * names; NULL: nothing. And the tensor that takes the place of one, or NULL. */
const adapter_pair *adapter_find_pair(const lora_adapter *adapter, const char *name);
named_tensor *adapter_find_whole(const lora_adapter *adapter, const char *name);

/* The head that it was trained for, as a class of transformers ends: "ForSequenceClassification",
 * "Model"; NULL: the adapter does not say. */
const char *adapter_architecture(const lora_adapter *adapter);

/* A fault that names a tensor of the adapter that nothing has used. */
bool adapter_check_used(const lora_adapter *adapter);

/* floats [n_out, n_in] += what is added. */
bool adapter_add(const adapter_pair *pair, uint32_t n_in, uint32_t n_out, float *floats,
                 fault_text *fault);

#endif

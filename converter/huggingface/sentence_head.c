/* sentence_head.c - see sentence_head.h. */
#include "huggingface/sentence_head.h"

#include <stdlib.h>
#include <string.h>

#include "huggingface/tensors.h"

struct sentence_head {
    tensor_table tensors;
    graph_array *arrays[2];
    float *zeros; /* a bias that is not there */
};

static void set_pooling(bert_config *config, const bert_pooling *poolings)
{
    config->pooling = poolings[0];
    memcpy(config->more_poolings, poolings + 1, sizeof config->more_poolings);
}

/* A tensor of the dense layer, of `rank` dimensions. */
static const stored_tensor *find(sentence_head *head, const sentence_dense *dense, const char *name,
                                 uint32_t rank, const uint64_t *dims, fault_text *fault)
{
    named_tensor *tensor = tensors_find(&head->tensors, name);
    stored_tensor expected = {.rank = rank, .dims = {dims[0], rank > 1 ? dims[1] : 0}};
    if (!tensor) {
        fault_set(fault, "%s: has no tensor '%s'", dense->path, name);
        return NULL;
    }
    if (tensor->is_weight && tensor->stored.rank == rank &&
        memcmp(tensor->stored.dims, expected.dims, rank * sizeof *dims) == 0)
        return &tensor->stored;
    fault_set(fault, "%s: the tensor '%s' is %s of the type %s: it must be %s of F32, F16 or BF16",
              dense->path, name, tensors_shape(&tensor->stored).text, tensor->dtype,
              tensors_shape(&expected).text);
    return NULL;
}

static bool add_dense(sentence_head *head, const sentence_dense *dense, bert_weights *weights,
                      fault_text *fault)
{
    uint32_t n_in = bert_config_pooled_columns(&weights->config), n_out = dense->n_out;
    if (dense->n_in != n_in)
        return fault_set(fault, "%s: in_features is %u, the pooling gives %u", dense->path,
                         dense->n_in, n_in);
    if (!tensors_open(dense->path, &head->tensors, fault))
        return false;
    const stored_tensor *matrix =
        find(head, dense, "linear.weight", 2, (uint64_t[]){n_out, n_in}, fault);
    const stored_tensor *bias =
        dense->has_bias ? find(head, dense, "linear.bias", 1, (uint64_t[]){n_out}, fault) : NULL;
    if (!matrix || (dense->has_bias && !bias))
        return false;
    weight_source source = {.array = head->arrays[0] = array_of_tensor(matrix, fault),
                            .is_transposed = true};
    weights_add(weights, WEIGHT_MATRIX, n_in, n_out, "sentence", "")->source = source;
    bert_weight *weight = weights_add(weights, WEIGHT_VECTOR, n_out, 1, "sentence", ".bias");
    weight->keep_f32 = true;
    if (bias)
        weight->source.array = head->arrays[1] = array_of_tensor(bias, fault);
    else if (!(weight->source.values = head->zeros = calloc(n_out, sizeof *head->zeros)))
        abort();
    weights->config.embedding_dim = n_out;
    weights->config.sentence_activation = dense->activation;
    return true;
}

bool sentence_head_open(const sentence_modules *modules, bert_weights *weights,
                        sentence_head **opened, fault_text *fault)
{
    bert_error error = {0};
    size_t n_bytes;
    if (modules->poolings[0] == BERT_POOLING_NONE)
        return true;
    if (weights->n_outputs == WEIGHTS_MAX_OUTPUTS)
        return fault_set(fault, "there is no room for a sentence_embedding beside %zu outputs",
                         weights->n_outputs);
    if (modules->pooled_size && modules->pooled_size != weights->config.hidden_size)
        return fault_set(fault, "the pooling is of %u columns, hidden states have %u",
                         modules->pooled_size, weights->config.hidden_size);
    sentence_head *head = *opened = calloc(1, sizeof *head);
    if (!head)
        abort();
    set_pooling(&weights->config, modules->poolings);
    weights->config.normalize = modules->normalize;
    weights->outputs[weights->n_outputs++] = (output_name){.onnx = "sentence_embedding",
                                                           .output = BERT_OUTPUT_SENTENCE_EMBEDDING,
                                                           .index = -1,
                                                           .is_added = true};
    if (modules->dense.path[0] && !add_dense(head, &modules->dense, weights, fault))
        return false;
    return bert_model_bytes(&weights->config, &n_bytes, &error) == BERT_OK ||
           fault_set_error(fault, "the modules of sentence-transformers", &error);
}

void sentence_head_close(sentence_head *head)
{
    if (!head)
        return;
    array_release(head->arrays[0]);
    array_release(head->arrays[1]);
    tensors_close(&head->tensors);
    free(head->zeros);
    free(head);
}

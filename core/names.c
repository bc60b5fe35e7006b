/* names.c - what the values of the enums in bert.h are called. */
#include "internal.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Of every value there is one; tests see to it that none is empty. */
#define COMPLETE(array, count) _Static_assert(COUNT(array) == count, "a value without a name")

#define STATUS(name, text) [BERT_##name] = {#name, text}
static const struct {
    const char *name, *text;
} statuses[] = {
    STATUS(OK, "no error"),
    STATUS(UNKNOWN_FIELD, "the config has a field this version does not know"),
    STATUS(BAD_FIELD, "a config field has a value out of its range"),
    STATUS(MODEL_TOO_LARGE, "the dimensions do not fit the address space"),
    STATUS(MISSING_TENSOR, "the model lacks a tensor its config asks for"),
    STATUS(UNKNOWN_TENSOR, "the model has a tensor its config does not explain"),
    STATUS(DUPLICATE_TENSOR, "the model has two tensors of one name"),
    STATUS(BAD_DTYPE, "a tensor has a dtype that cannot be used in its place"),
    STATUS(BAD_SHAPE, "a tensor's shape does not follow from the config"),
    STATUS(BAD_DATA, "a tensor's data is missing, misaligned or of the wrong size"),
    STATUS(OUT_OF_MEMORY, "the block of memory is smaller than asked for"),
    STATUS(BATCH_TOO_LARGE, "the batch is larger than the session was opened for"),
    STATUS(SEQUENCE_TOO_LONG, "a sequence is longer than the session or the model allows"),
    STATUS(EMPTY_SEQUENCE, "a sequence has no tokens to attend to"),
    STATUS(BAD_TOKEN_ID, "a token id is not in the vocabulary"),
    STATUS(BAD_TOKEN_TYPE, "a token type is not one of the model's"),
    STATUS(BAD_POSITION, "a position is beyond what there is, or out of order"),
    STATUS(NO_SUCH_OUTPUT, "the model does not have this output"),
    STATUS(BAD_OPTION, "an option of the session has a value that cannot be"),
};
COMPLETE(statuses, BERT_STATUS_COUNT);

static const struct {
    const char *name;
    uint32_t n_bytes;
} dtypes[] = {
    [BERT_DTYPE_F32] = {"F32", 4}, [BERT_DTYPE_F16] = {"F16", 2}, [BERT_DTYPE_I8] = {"I8", 1}};
COMPLETE(dtypes, BERT_DTYPE_COUNT);

static const char *const kernels[] = {
    [BERT_INT8_KERNEL_DEFAULT] = "default",
    [BERT_INT8_KERNEL_SIMD128] = "simd128",
    [BERT_INT8_KERNEL_RELAXED_DOT_I16] = "relaxed-dot-i16",
    [BERT_INT8_KERNEL_RELAXED_DOT_I32] = "relaxed-dot-i32",
    [BERT_INT8_KERNEL_RELAXED_DOT_I32_SIGNED] = "relaxed-dot-i32-signed",
};
COMPLETE(kernels, BERT_INT8_KERNEL_COUNT);

static const char *const outputs[] = {
    [BERT_OUTPUT_LAST_HIDDEN_STATE] = "last_hidden_state",
    [BERT_OUTPUT_POOLER_OUTPUT] = "pooler_output",
    [BERT_OUTPUT_LOGITS] = "logits",
    [BERT_OUTPUT_TOKEN_LOGITS] = "token_logits",
    [BERT_OUTPUT_LM_LOGITS] = "lm_logits",
    [BERT_OUTPUT_SENTENCE_EMBEDDING] = "sentence_embedding",
    [BERT_OUTPUT_HIDDEN_STATES] = "hidden_states",
    [BERT_OUTPUT_ATTENTIONS] = "attentions",
};
COMPLETE(outputs, BERT_OUTPUT_COUNT);

const char *const names_of_activations[BERT_ACTIVATION_COUNT] = {
    [BERT_ACTIVATION_NONE] = "none",           [BERT_ACTIVATION_GELU] = "gelu",
    [BERT_ACTIVATION_GELU_TANH] = "gelu_tanh", [BERT_ACTIVATION_TANH] = "tanh",
    [BERT_ACTIVATION_RELU] = "relu",           [BERT_ACTIVATION_SILU] = "silu",
};
const char *const names_of_position_attentions[BERT_POSITION_ATTENTION_COUNT] = {
    [BERT_POSITION_ATTENTION_NONE] = "none",       [BERT_POSITION_ATTENTION_BIAS] = "bias",
    [BERT_POSITION_ATTENTION_C2P] = "c2p",         [BERT_POSITION_ATTENTION_P2C] = "p2c",
    [BERT_POSITION_ATTENTION_C2P_P2C] = "c2p_p2c",
};
const char *const names_of_relative_sources[BERT_RELATIVE_SOURCE_COUNT] = {
    [BERT_RELATIVE_SOURCE_NONE] = "none",
    [BERT_RELATIVE_SOURCE_SHARED] = "shared",
    [BERT_RELATIVE_SOURCE_OWN] = "own",
    [BERT_RELATIVE_SOURCE_OWN_UNBIASED] = "own_unbiased",
};
const char *const names_of_poolings[BERT_POOLING_COUNT] = {
    [BERT_POOLING_NONE] = "none",
    [BERT_POOLING_CLS] = "cls",
    [BERT_POOLING_MEAN] = "mean",
    [BERT_POOLING_MAX] = "max",
    [BERT_POOLING_MEAN_SQRT_LEN] = "mean_sqrt_len",
    [BERT_POOLING_WEIGHTED_MEAN] = "weighted_mean",
    [BERT_POOLING_LAST] = "last",
};
const char *const names_of_integers[BERT_INTEGERS_COUNT] = {
    [BERT_INTEGERS_7_BITS] = "7_bits",
    [BERT_INTEGERS_8_BITS] = "8_bits",
};

const char *bert_status_name(bert_status status)
{
    return (size_t)status < COUNT(statuses) ? statuses[status].name : "";
}

const char *bert_status_text(bert_status status)
{
    return (size_t)status < COUNT(statuses) ? statuses[status].text : "";
}

const char *bert_dtype_name(bert_dtype dtype)
{
    return (size_t)dtype < COUNT(dtypes) ? dtypes[dtype].name : "";
}

uint32_t bert_dtype_bytes(bert_dtype dtype)
{
    return (size_t)dtype < COUNT(dtypes) ? dtypes[dtype].n_bytes : 0;
}

const char *bert_int8_kernel_name(bert_int8_kernel kernel)
{
    return (size_t)kernel < COUNT(kernels) ? kernels[kernel] : "";
}

const char *bert_output_name(bert_output output)
{
    return (size_t)output < COUNT(outputs) ? outputs[output] : "";
}

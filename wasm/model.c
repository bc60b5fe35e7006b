/*
 * model.c - what bert.h says of a model, as flat functions of numbers and addresses, which is all
 * that crosses from JavaScript. engine.c and train.c, each of which is a module, begin with it. One
 * instance of a module is one model.
 *
 * JavaScript owns the memory from engine_heap() on: it grows it, writes weights and inputs where
 * they will be read, and passes addresses. There is no allocator here and no import: the module
 * is instantiated without any glue code.
 *
 * Functions that can fail return 0 (BERT_OK) or a status; engine_error_*() then says what was
 * wrong.
 */
#include <math.h>

#include "../core/bert.h"

#define EXPORT(name) __attribute__((export_name(#name))) name

static bert_config config;
static bert_model *model;
static bert_error error;

extern unsigned char __heap_base;

/* The first address that is JavaScript's, on BERT_ALIGNMENT. */
uint32_t EXPORT(engine_heap)(void)
{
    return ((uint32_t)&__heap_base + BERT_ALIGNMENT - 1) / BERT_ALIGNMENT * BERT_ALIGNMENT;
}

/* Version of the package: JavaScript refuses an engine of another one. */
const char *EXPORT(engine_version)(void)
{
    return BERT_VERSION;
}

/* Names of the numbers that other functions take; "" beyond the last. */
const char *EXPORT(engine_dtype_name)(uint32_t dtype)
{
    return bert_dtype_name((bert_dtype)dtype);
}

/* Bytes of an element. */
uint32_t EXPORT(engine_dtype_bytes)(uint32_t dtype)
{
    return bert_dtype_bytes((bert_dtype)dtype);
}

const char *EXPORT(engine_output_name)(uint32_t output)
{
    return bert_output_name((bert_output)output);
}

/* ---------------------------------------------------------------------------------- errors -- */

/* Addresses of terminated strings. */
const char *EXPORT(engine_error_name)(void)
{
    return bert_status_name(error.status);
}

const char *EXPORT(engine_error_text)(void)
{
    return bert_status_text(error.status);
}

const char *EXPORT(engine_error_subject)(void)
{
    return error.subject;
}

/* NaN if there is none. */
double EXPORT(engine_error_value)(void)
{
    return error.n_numbers > 0 ? (double)error.value : NAN;
}

double EXPORT(engine_error_limit)(void)
{
    return error.n_numbers > 1 ? (double)error.limit : NAN;
}

/* ----------------------------------------------------------------------------------- model -- */

void EXPORT(engine_config_init)(void)
{
    bert_config_init(&config);
}

bert_status EXPORT(engine_config_number)(const char *name, double value)
{
    return bert_config_set_number(&config, name, value, &error);
}

bert_status EXPORT(engine_config_choice)(const char *name, const char *value)
{
    return bert_config_set_choice(&config, name, value, &error);
}

/* What the config implies; see bert.h. Tokens of a sequence are 2^32 - 1 where nothing in the model
 * limits them. */
uint32_t EXPORT(engine_most_tokens)(void)
{
    return bert_config_most_tokens(&config);
}

uint32_t EXPORT(engine_output_columns)(uint32_t output)
{
    return bert_output_columns(&config, (bert_output)output);
}

uint32_t EXPORT(engine_output_layers)(uint32_t output)
{
    return bert_output_layers(&config, (bert_output)output);
}

uint32_t EXPORT(engine_output_is_of_tokens)(uint32_t output)
{
    return (uint32_t)bert_output_is_of_tokens((bert_output)output);
}

/* Floats of an output for sequences of these lengths, or -1 after a failure. `lm_tokens`: 0, or
 * any other address if there are some. */
double EXPORT(engine_output_count)(uint32_t output, uint32_t n_sequences, const uint32_t *lengths,
                                   uint32_t n_lm_tokens, const uint32_t *lm_tokens)
{
    bert_batch batch = {.n_sequences = n_sequences,
                        .lengths = lengths,
                        .n_lm_tokens = n_lm_tokens,
                        .lm_tokens = lm_tokens};
    size_t count = 0;
    bert_status status = bert_output_count(&config, (bert_output)output, &batch, &count, &error);
    return status == BERT_OK ? (double)count : -1;
}

uint32_t EXPORT(engine_sequence_keep)(uint32_t n, const uint32_t *ids, const uint8_t *mask,
                                      uint32_t *kept, uint32_t *positions)
{
    return bert_sequence_keep(&config, n, ids, mask, kept, positions);
}

/* A table of tensors is made by the caller: `size` bytes each, filled by engine_tensor_set(). */
uint32_t EXPORT(engine_tensor_size)(void)
{
    return sizeof(bert_tensor);
}

void EXPORT(engine_tensor_set)(bert_tensor *tensors, uint32_t index, const char *name,
                               uint32_t dtype, uint32_t rank, uint32_t d0, uint32_t d1, uint32_t d2,
                               uint32_t d3, const void *data, uint32_t n_bytes)
{
    tensors[index] = (bert_tensor){.name = name,
                                   .dtype = (bert_dtype)dtype,
                                   .rank = rank,
                                   .shape = {d0, d1, d2, d3},
                                   .data = data,
                                   .n_bytes = n_bytes};
}

/* Bytes, or 0 after a failure. */
uint32_t EXPORT(engine_model_bytes)(void)
{
    size_t n_bytes = 0;
    return bert_model_bytes(&config, &n_bytes, &error) == BERT_OK ? n_bytes : 0;
}

/* A model whose bytes are still to come; the table must stay. See bert_model_begin(). */
bert_status EXPORT(engine_model_begin)(const bert_tensor *tensors, uint32_t n_tensors, void *memory,
                                       uint32_t n_bytes)
{
    return bert_model_begin(&config, tensors, n_tensors, memory, n_bytes, &model, &error);
}

bert_status EXPORT(engine_model_take)(uint32_t tensor)
{
    return bert_model_take(model, tensor, &error);
}

/* Of an encoding, with the tensors that are taken. */
uint32_t EXPORT(engine_steps_ready)(void)
{
    return bert_model_steps_ready(model);
}

/* What 4-bit units of this shape become: columns of a unit, or 0 if these are none. Writes dtype,
 * rank, the shape and bytes. */
uint32_t EXPORT(engine_q4_tensor)(const uint32_t units[3], uint32_t numbers[3 + BERT_MAX_RANK])
{
    bert_tensor tensor = {0};
    uint32_t n_columns = bert_q4_tensor(units, &tensor);
    *numbers++ = tensor.dtype;
    *numbers++ = tensor.rank;
    for (int i = 0; i < BERT_MAX_RANK; i++)
        *numbers++ = tensor.shape[i];
    *numbers = tensor.n_bytes;
    return n_columns;
}

/* See bert_q4_expand() in core/bert.h. */
void EXPORT(engine_expand)(const uint8_t *units, uint32_t n_units, uint32_t n_columns,
                           int8_t *values)
{
    bert_q4_expand(units, n_units, n_columns, values);
}

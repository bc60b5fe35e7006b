/* names.c - the texts of the lists in bert.h, and how an error is filled. */
#include "internal.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define FIRST(name, ...) #name,
#define SECOND(name, second) second,

static const char *const status_names[] = {BERT_STATUSES(FIRST)};
static const char *const status_texts[] = {BERT_STATUSES(SECOND)};
static const char *const dtype_names[] = {BERT_DTYPES(FIRST)};
static const uint32_t dtype_bytes[] = {BERT_DTYPES(SECOND)};
static const char *const kernel_names[] = {BERT_INT8_KERNELS(SECOND)};
static const char *const output_names[] = {BERT_OUTPUTS(SECOND)};

const char *bert_status_name(bert_status status)
{
    return (size_t)status < COUNT(status_names) ? status_names[status] : "";
}

const char *bert_status_text(bert_status status)
{
    return (size_t)status < COUNT(status_texts) ? status_texts[status] : "";
}

const char *bert_dtype_name(bert_dtype dtype)
{
    return (size_t)dtype < COUNT(dtype_names) ? dtype_names[dtype] : "";
}

uint32_t bert_dtype_bytes(bert_dtype dtype)
{
    return (size_t)dtype < COUNT(dtype_bytes) ? dtype_bytes[dtype] : 0;
}

const char *bert_output_name(bert_output output)
{
    return (size_t)output < COUNT(output_names) ? output_names[output] : "";
}

const char *bert_int8_kernel_name(bert_int8_kernel kernel)
{
    return (size_t)kernel < COUNT(kernel_names) ? kernel_names[kernel] : "";
}

bert_status error_set(bert_error *error, bert_status status, const char *subject, int64_t value,
                      int64_t limit)
{
    if (error) {
        size_t i = 0;
        for (; subject[i] && i < BERT_SUBJECT_BYTES - 1; i++)
            error->subject[i] = subject[i];
        error->subject[i] = '\0';
        error->status = status;
        error->value = value;
        error->limit = limit;
    }
    return status;
}

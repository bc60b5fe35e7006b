/* error.c - how a bert_error is filled. */
#include "internal.h"

static void fill(bert_error *error, bert_status status, const char *subject, int n_numbers,
                 int64_t value, int64_t limit)
{
    size_t i = 0;
    if (!error)
        return;
    for (; subject[i] && i < BERT_SUBJECT_BYTES - 1; i++)
        error->subject[i] = subject[i];
    error->subject[i] = '\0';
    error->status = status;
    error->n_numbers = n_numbers;
    error->value = value;
    error->limit = limit;
}

bert_status error_set(bert_error *error, bert_status status, const char *subject)
{
    fill(error, status, subject, 0, 0, 0);
    return status;
}

bert_status error_set_value(bert_error *error, bert_status status, const char *subject,
                            int64_t value)
{
    fill(error, status, subject, 1, value, 0);
    return status;
}

bert_status error_set_limit(bert_error *error, bert_status status, const char *subject,
                            int64_t value, int64_t limit)
{
    fill(error, status, subject, 2, value, limit);
    return status;
}

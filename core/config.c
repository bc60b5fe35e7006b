/*
 * config.c - setting and checking a bert_config by the lists in bert.h.
 *
 * Fields are set by name, so that a caller hands over what a model file says, field by field,
 * without a copy of the struct's layout in another language.
 */
#include <string.h>

#include "internal.h"

void bert_config_init(bert_config *config)
{
    memset(config, 0, sizeof *config);
}

/* Written so that NaN is not in range. */
static int in_range(double value, double least, double most)
{
    return value >= least && value <= most;
}

/* The number as an error can show it: errors carry integers. */
static int64_t shown(double value)
{
    return in_range(value, -9e15, 9e15) ? (int64_t)value : INT64_MAX;
}

bert_status bert_config_set_number(bert_config *config, const char *name, double value,
                                   bert_error *error)
{
    /* (type)0.5f is 0 for integers alone: those take whole numbers only. */
#define SET_NUMBER(type, field, least, most)                                                       \
    if (strcmp(name, #field) == 0) {                                                               \
        if (!in_range(value, least, most) || ((type)0.5f == 0 && value != (double)(type)value))    \
            return error_set(error, BERT_BAD_FIELD, name, shown(value), most);                     \
        config->field = (type)value;                                                               \
        return BERT_OK;                                                                            \
    }
    BERT_CONFIG_NUMBERS(SET_NUMBER)
#undef SET_NUMBER
    return error_set(error, BERT_UNKNOWN_FIELD, name, 0, 0);
}

bert_status bert_config_set_choice(bert_config *config, const char *name, const char *value,
                                   bert_error *error)
{
#define CHOICE_TEXT(constant, text) text,
#define SET_CHOICE(type, field, LIST)                                                              \
    if (strcmp(name, #field) == 0) {                                                               \
        static const char *const texts[] = {LIST(CHOICE_TEXT)};                                    \
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {                                \
            if (strcmp(value, texts[i]) == 0) {                                                    \
                config->field = (type)i;                                                           \
                return BERT_OK;                                                                    \
            }                                                                                      \
        }                                                                                          \
        return error_set(error, BERT_BAD_FIELD, name, 0, 0);                                       \
    }
    BERT_CONFIG_CHOICES(SET_CHOICE)
#undef SET_CHOICE
#undef CHOICE_TEXT
    return error_set(error, BERT_UNKNOWN_FIELD, name, 0, 0);
}

bert_status config_check(const bert_config *config, bert_error *error)
{
#define CHECK_NUMBER(type, field, least, most)                                                     \
    if (!in_range(config->field, least, most))                                                     \
        return error_set(error, BERT_BAD_FIELD, #field, shown(config->field), most);
    BERT_CONFIG_NUMBERS(CHECK_NUMBER)
#undef CHECK_NUMBER
    if (config->hidden_size % config->n_heads != 0)
        return error_set(error, BERT_BAD_FIELD, "n_heads", config->n_heads, config->hidden_size);
    if (config->head == BERT_HEAD_NONE && config->n_labels != 0)
        return error_set(error, BERT_BAD_FIELD, "n_labels", config->n_labels, 0);
    if (config->head == BERT_HEAD_SEQUENCE_CLASSIFICATION) {
        if (config->n_labels == 0)
            return error_set(error, BERT_BAD_FIELD, "n_labels", 0, 1);
        if (config->pooler_activation == BERT_ACTIVATION_NONE)
            return error_set(error, BERT_BAD_FIELD, "pooler_activation", 0, 0);
    }
    return BERT_OK;
}

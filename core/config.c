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

/* BAD_FIELD with the field's value. */
#define BAD(field, limit) error_set(error, BERT_BAD_FIELD, #field, (int64_t)config->field, limit)

static bert_status check_layers(const bert_config *config, bert_error *error)
{
    if (config->hidden_size % config->n_heads != 0)
        return BAD(n_heads, config->hidden_size);
    if (!config->projects_embeddings && config->embedding_size != config->hidden_size)
        return BAD(embedding_size, config->hidden_size);
    uint32_t groups = config->n_layer_groups, inner = config->layers_per_group;
    if ((groups == 0) != (inner == 0))
        return BAD(layers_per_group, groups);
    if (groups && (config->n_layers == 0 || config->n_layers % inner != 0))
        return BAD(layers_per_group, config->n_layers);
    if (groups && config->n_layers / inner % groups != 0)
        return BAD(n_layer_groups, config->n_layers / inner);
    if (config->conv_size && (config->conv_size % 2 == 0 || config->n_layers == 0))
        return BAD(conv_size, 0);
    if (!config->conv_size && config->conv_activation != BERT_ACTIVATION_NONE)
        return BAD(conv_activation, 0);
    return BERT_OK;
}

/* What is said of positions without there being any makes no sense, and the other way round. */
static bert_status check_positions(const bert_config *config, bert_error *error)
{
    int has_distances = config->position_attention != BERT_POSITION_ATTENTION_NONE;
    int has_rows = config_has_c2p(config) || config_has_p2c(config);
    if (config->first_position && config->first_position >= config->n_positions)
        return BAD(first_position, config->n_positions);
    if (has_distances != (config->n_distances != 0))
        return BAD(n_distances, has_distances);
    if (has_rows != (config->n_relative_rows != 0))
        return BAD(n_relative_rows, has_rows);
    return BERT_OK;
}

static bert_status check_heads(const bert_config *config, bert_error *error)
{
    if (config->n_labels && config->pooler_activation == BERT_ACTIVATION_NONE)
        return BAD(pooler_activation, 0);
    if (!config->n_token_labels && config->token_activation != BERT_ACTIVATION_NONE)
        return BAD(token_activation, 0);
    if (config->lm_activation == BERT_ACTIVATION_NONE && config->lm_tied)
        return BAD(lm_tied, 0);
    if (config->pooling == BERT_POOLING_NONE && config->embedding_dim)
        return BAD(embedding_dim, 0);
    if (config->pooling == BERT_POOLING_NONE && config->normalize)
        return BAD(normalize, 0);
    if (!config->embedding_dim && config->sentence_activation != BERT_ACTIVATION_NONE)
        return BAD(sentence_activation, 0);
    return BERT_OK;
}

#undef BAD

bert_status config_check(const bert_config *config, bert_error *error)
{
#define CHECK_NUMBER(type, field, least, most)                                                     \
    if (!in_range(config->field, least, most))                                                     \
        return error_set(error, BERT_BAD_FIELD, #field, shown(config->field), most);
    BERT_CONFIG_NUMBERS(CHECK_NUMBER)
#undef CHECK_NUMBER
#define COUNT_ONE(constant, text) +1
#define CHECK_CHOICE(type, field, LIST)                                                            \
    if ((unsigned)config->field >= 0 LIST(COUNT_ONE))                                              \
        return error_set(error, BERT_BAD_FIELD, #field, config->field, 0 LIST(COUNT_ONE) - 1);
    BERT_CONFIG_CHOICES(CHECK_CHOICE)
#undef CHECK_CHOICE
#undef COUNT_ONE
    bert_status status = check_layers(config, error);
    if (status == BERT_OK)
        status = check_positions(config, error);
    return status == BERT_OK ? check_heads(config, error) : status;
}

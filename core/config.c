/*
 * config.c - setting and checking a bert_config.
 *
 * Fields are set by name, so that a caller hands over what a model file says, field by field,
 * without a copy of the struct's layout in another language.
 */
#include <string.h>

#include "internal.h"

/* A field of bert_config: a whole number, layer_norm_eps, or a choice. */
typedef struct config_field {
    const char *name;
    uint32_t offset; /* bytes from the start of a bert_config; each field has 4 */
    uint32_t least, most;
    const char *const *names; /* [most + 1], of a choice's values; NULL: it is a number */
} config_field;

#define NUMBER(name, least, most) {#name, offsetof(bert_config, name), least, most, NULL}
#define CHOICE(name, names, count) {#name, offsetof(bert_config, name), 0, count - 1, names}
#define ACTIVATION(name) CHOICE(name, names_of_activations, BERT_ACTIVATION_COUNT)
#define MORE_POOLINGS(n)                                                                           \
    {"pooling_" #n, offsetof(bert_config, more_poolings[n - 2]), 0, BERT_POOLING_COUNT - 1,        \
     names_of_poolings}

/* In the order of bert_config. */
static const config_field fields[] = {
    NUMBER(vocab_size, 1, 1 << 24),
    NUMBER(hidden_size, 1, 1 << 16),
    NUMBER(embedding_size, 1, 1 << 16),
    NUMBER(projects_embeddings, 0, 1),
    NUMBER(intermediate_size, 1, 1 << 18),
    NUMBER(n_layers, 0, 1 << 10),
    NUMBER(n_layer_groups, 0, 1 << 10),
    NUMBER(layers_per_group, 0, 1 << 10),
    NUMBER(n_heads, 1, 1 << 10),
    NUMBER(n_positions, 0, 1 << 20),
    NUMBER(first_position, 0, 1 << 19),
    NUMBER(n_token_types, 0, 1 << 10),
    NUMBER(n_distances, 0, 1 << 20),
    NUMBER(n_relative_rows, 0, 1 << 21),
    NUMBER(relative_norm, 0, 1),
    NUMBER(conv_size, 0, 63),
    NUMBER(n_labels, 0, 1 << 20),
    NUMBER(n_token_labels, 0, 1 << 20),
    NUMBER(lm_tied, 0, 1),
    NUMBER(embedding_dim, 0, 1 << 16),
    NUMBER(normalize, 0, 1),
    NUMBER(layer_norm_eps, 0, 1),
    ACTIVATION(activation),
    ACTIVATION(pooler_activation),
    ACTIVATION(conv_activation),
    ACTIVATION(token_activation),
    ACTIVATION(lm_activation),
    ACTIVATION(sentence_activation),
    CHOICE(position_attention, names_of_position_attentions, BERT_POSITION_ATTENTION_COUNT),
    CHOICE(relative_source, names_of_relative_sources, BERT_RELATIVE_SOURCE_COUNT),
    CHOICE(pooling, names_of_poolings, BERT_POOLING_COUNT),
    MORE_POOLINGS(2),
    MORE_POOLINGS(3),
    MORE_POOLINGS(4),
    MORE_POOLINGS(5),
    MORE_POOLINGS(6),
    CHOICE(integers, names_of_integers, BERT_INTEGERS_COUNT),
};

#define N_FIELDS (sizeof fields / sizeof *fields)

_Static_assert(N_FIELDS * sizeof(uint32_t) == sizeof(bert_config), "a field is not in the table");
_Static_assert(sizeof(bert_activation) == sizeof(uint32_t), "a choice is written as a number");

static const config_field *find(const char *name)
{
    for (size_t i = 0; i < N_FIELDS; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

/* The one field that is not a whole number. */
static int is_real(const config_field *field)
{
    return field->offset == offsetof(bert_config, layer_norm_eps);
}

static double get(const bert_config *config, const config_field *field)
{
    uint32_t whole;
    if (is_real(field))
        return (double)config->layer_norm_eps;
    memcpy(&whole, (const char *)config + field->offset, sizeof whole);
    return whole;
}

static void set(bert_config *config, const config_field *field, double value)
{
    uint32_t whole = (uint32_t)value;
    if (is_real(field))
        config->layer_norm_eps = (float)value;
    else
        memcpy((char *)config + field->offset, &whole, sizeof whole);
}

void bert_config_init(bert_config *config)
{
    memset(config, 0, sizeof *config);
}

const char *bert_config_field(uint32_t field)
{
    return field < N_FIELDS ? fields[field].name : "";
}

const char *bert_config_get(const bert_config *config, uint32_t field, double *number)
{
    assert(field < N_FIELDS);
    *number = get(config, &fields[field]);
    if (!fields[field].names)
        return NULL;
    return *number <= fields[field].most ? fields[field].names[(uint32_t)*number] : "";
}

/* Errors carry integers: a number that is not whole, or NaN, is not shown. */
static bert_status check_range(const config_field *field, double value, bert_error *error)
{
    if (value >= -9e15 && value < field->least)
        return error_set_limit(error, BERT_BAD_FIELD, field->name, (int64_t)value, field->least);
    if (value <= 9e15 && value > field->most)
        return error_set_limit(error, BERT_BAD_FIELD, field->name, (int64_t)value, field->most);
    /* Written so that NaN is not in range. */
    if (!(value >= field->least && value <= field->most))
        return error_set(error, BERT_BAD_FIELD, field->name);
    return BERT_OK;
}

bert_status bert_config_set_number(bert_config *config, const char *name, double value,
                                   bert_error *error)
{
    const config_field *field = find(name);
    if (!field || field->names)
        return error_set(error, BERT_UNKNOWN_FIELD, name);
    bert_status status = check_range(field, value, error);
    if (status != BERT_OK)
        return status;
    if (!is_real(field) && value != (double)(uint32_t)value)
        return error_set(error, BERT_BAD_FIELD, name);
    set(config, field, value);
    return BERT_OK;
}

bert_status bert_config_set_choice(bert_config *config, const char *name, const char *value,
                                   bert_error *error)
{
    const config_field *field = find(name);
    if (!field || !field->names)
        return error_set(error, BERT_UNKNOWN_FIELD, name);
    for (uint32_t i = 0; i <= field->most; i++) {
        if (strcmp(value, field->names[i]) == 0) {
            set(config, field, i);
            return BERT_OK;
        }
    }
    return error_set(error, BERT_BAD_FIELD, name);
}

/* BAD_FIELD with the field's value, with its value and limit, and, for a choice, with neither. */
#define BAD(field) error_set_value(error, BERT_BAD_FIELD, #field, config->field)
#define BAD_LIMIT(field, limit) error_set_limit(error, BERT_BAD_FIELD, #field, config->field, limit)
#define BAD_CHOICE(field) error_set(error, BERT_BAD_FIELD, #field)

/*
 * Sums of products are 32-bit integers: n 255 x 127 < 2^31 for n inputs. Of 7 bits, 2^18 x 127 x 63
 * < 2^31: the fields' own bounds do.
 */
#define MOST_INPUTS_8_BITS 66311

_Static_assert(MOST_INPUTS_8_BITS * 255ll * 127 <= INT32_MAX, "a sum overflows");
_Static_assert((1ll << 18) * 127 * 63 <= INT32_MAX, "a sum overflows");

static bert_status check_layers(const bert_config *config, bert_error *error)
{
    if (config->hidden_size % config->n_heads != 0)
        return BAD_LIMIT(n_heads, config->hidden_size);
    if (!config->projects_embeddings && config->embedding_size != config->hidden_size)
        return BAD_LIMIT(embedding_size, config->hidden_size);
    uint32_t groups = config->n_layer_groups, inner = config->layers_per_group;
    if ((groups == 0) != (inner == 0))
        return BAD(layers_per_group);
    if (groups && (config->n_layers == 0 || config->n_layers % inner != 0))
        return BAD_LIMIT(layers_per_group, config->n_layers);
    if (groups && config->n_layers / inner % groups != 0)
        return BAD_LIMIT(n_layer_groups, config->n_layers / inner);
    if (config->integers == BERT_INTEGERS_8_BITS && config->intermediate_size > MOST_INPUTS_8_BITS)
        return BAD_LIMIT(intermediate_size, MOST_INPUTS_8_BITS);
    if (config->conv_size && (config->conv_size % 2 == 0 || config->n_layers == 0))
        return BAD(conv_size);
    if (!config->conv_size && config->conv_activation != BERT_ACTIVATION_NONE)
        return BAD_CHOICE(conv_activation);
    return BERT_OK;
}

/* Fields that describe positions need positions, and positions need those fields. */
static bert_status check_positions(const bert_config *config, bert_error *error)
{
    int has_distances = config->position_attention != BERT_POSITION_ATTENTION_NONE;
    int has_rows = config_has_c2p(config) || config_has_p2c(config);
    if (config->first_position && config->first_position >= config->n_positions)
        return BAD_LIMIT(first_position, config->n_positions);
    if (has_distances != (config->n_distances != 0))
        return BAD(n_distances);
    if (has_rows != (config->n_relative_rows != 0))
        return BAD(n_relative_rows);
    if (!has_rows && config->relative_source != BERT_RELATIVE_SOURCE_NONE)
        return BAD_CHOICE(relative_source);
    if (config->relative_source == BERT_RELATIVE_SOURCE_NONE && config->relative_norm)
        return BAD(relative_norm);
    return BERT_OK;
}

static bert_status check_heads(const bert_config *config, bert_error *error)
{
    if (config->n_labels && config->pooler_activation == BERT_ACTIVATION_NONE)
        return BAD_CHOICE(pooler_activation);
    if (!config->n_token_labels && config->token_activation != BERT_ACTIVATION_NONE)
        return BAD_CHOICE(token_activation);
    if (config->lm_activation == BERT_ACTIVATION_NONE && config->lm_tied)
        return BAD(lm_tied);
    if (config->pooling == BERT_POOLING_NONE && config->embedding_dim)
        return BAD(embedding_dim);
    if (config->pooling == BERT_POOLING_NONE && config->normalize)
        return BAD(normalize);
    for (uint32_t i = 0; i < BERT_MOST_POOLINGS - 1; i++) {
        bert_pooling before = i ? config->more_poolings[i - 1] : config->pooling;
        if (before == BERT_POOLING_NONE && config->more_poolings[i] != BERT_POOLING_NONE)
            return BAD_CHOICE(pooling);
    }
    if (!config->embedding_dim && config->sentence_activation != BERT_ACTIVATION_NONE)
        return BAD_CHOICE(sentence_activation);
    return BERT_OK;
}

#undef BAD
#undef BAD_LIMIT
#undef BAD_CHOICE

bert_status config_check(const bert_config *config, bert_error *error)
{
    bert_status status = BERT_OK;
    for (size_t i = 0; i < N_FIELDS && status == BERT_OK; i++)
        status = check_range(&fields[i], get(config, &fields[i]), error);
    if (status == BERT_OK)
        status = check_layers(config, error);
    if (status == BERT_OK)
        status = check_positions(config, error);
    return status == BERT_OK ? check_heads(config, error) : status;
}

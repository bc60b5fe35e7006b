/*
 * implied.c - what a config implies: which layers have which weights, how long a sequence may be,
 * which of its tokens are computed, what outputs there are.
 *
 * The one place for each of these rules: the converter and JavaScript ask for them, too.
 */
#include "internal.h"

uint32_t bert_config_n_stored_layers(const bert_config *config)
{
    return config->n_layer_groups ? config->n_layer_groups * config->layers_per_group
                                  : config->n_layers;
}

uint32_t bert_config_stored_layer(const bert_config *config, uint32_t layer)
{
    assert(layer < config->n_layers);
    if (!config->n_layer_groups)
        return layer;
    uint32_t inner = config->layers_per_group, n_outer = config->n_layers / inner;
    uint32_t group = layer / inner / (n_outer / config->n_layer_groups);
    return group * inner + layer % inner;
}

/* ------------------------------------------------------------------------------- positions -- */

int config_has_c2p(const bert_config *config)
{
    return config->position_attention == BERT_POSITION_ATTENTION_C2P ||
           config->position_attention == BERT_POSITION_ATTENTION_C2P_P2C;
}

int config_has_p2c(const bert_config *config)
{
    return config->position_attention == BERT_POSITION_ATTENTION_P2C ||
           config->position_attention == BERT_POSITION_ATTENTION_C2P_P2C;
}

uint32_t bert_config_padding_id(const bert_config *config)
{
    return config->first_position ? config->first_position - 1 : BERT_NO_TOKEN;
}

uint32_t bert_config_position_row(const bert_config *config, uint32_t id, uint32_t position,
                                  uint32_t n_padding)
{
    if (id == bert_config_padding_id(config))
        return id;
    return config->first_position + position - n_padding;
}

uint32_t bert_config_most_tokens(const bert_config *config)
{
    uint32_t most = BERT_UNLIMITED_TOKENS;
    if (config->n_positions)
        most = config->n_positions - config->first_position;
    if (config->n_distances && config->n_distances < most)
        most = config->n_distances;
    return most;
}

uint32_t bert_sequence_keep(const bert_config *config, uint32_t n, const uint32_t *ids,
                            const uint8_t *mask, uint32_t *kept, uint32_t *positions)
{
    int reads_first = config->pooler_activation != BERT_ACTIVATION_NONE;
    for (uint32_t i = 0; i < config_n_poolings(config); i++)
        reads_first |= config_pooling(config, i) == BERT_POOLING_CLS;
    uint32_t n_kept = 0, n_padding = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (mask[i] || (i == 0 && reads_first)) {
            kept[n_kept] = i;
            positions[n_kept++] = i - n_padding;
        } else {
            n_padding += ids[i] == bert_config_padding_id(config);
        }
    }
    return n_kept;
}

/* -------------------------------------------------------------------------------- poolings -- */

bert_pooling config_pooling(const bert_config *config, uint32_t index)
{
    return index ? config->more_poolings[index - 1] : config->pooling;
}

uint32_t config_n_poolings(const bert_config *config)
{
    uint32_t n = 0;
    while (n < BERT_MOST_POOLINGS && config_pooling(config, n) != BERT_POOLING_NONE)
        n++;
    return n;
}

uint32_t bert_config_pooled_columns(const bert_config *config)
{
    return config_n_poolings(config) * config->hidden_size;
}

/* --------------------------------------------------------------------------------- outputs -- */

uint32_t bert_output_columns(const bert_config *config, bert_output output)
{
    switch (output) {
    case BERT_OUTPUT_LAST_HIDDEN_STATE:
    case BERT_OUTPUT_HIDDEN_STATES:
        return config->hidden_size;
    case BERT_OUTPUT_POOLER_OUTPUT:
        return config->pooler_activation == BERT_ACTIVATION_NONE ? 0 : config->hidden_size;
    case BERT_OUTPUT_LOGITS:
        return config->n_labels;
    case BERT_OUTPUT_TOKEN_LOGITS:
        return config->n_token_labels;
    case BERT_OUTPUT_LM_LOGITS:
        return config->lm_activation == BERT_ACTIVATION_NONE ? 0 : config->vocab_size;
    case BERT_OUTPUT_SENTENCE_EMBEDDING:
        if (config->pooling == BERT_POOLING_NONE)
            return 0;
        return config->embedding_dim ? config->embedding_dim : bert_config_pooled_columns(config);
    case BERT_OUTPUT_ATTENTIONS:
    case BERT_OUTPUT_COUNT:
        break;
    }
    return 0;
}

uint32_t bert_output_layers(const bert_config *config, bert_output output)
{
    return output == BERT_OUTPUT_HIDDEN_STATES ? config->n_layers + 1
           : output == BERT_OUTPUT_ATTENTIONS  ? config->n_layers
                                               : 1;
}

int bert_output_is_of_tokens(bert_output output)
{
    return output == BERT_OUTPUT_LAST_HIDDEN_STATE || output == BERT_OUTPUT_HIDDEN_STATES ||
           output == BERT_OUTPUT_TOKEN_LOGITS || output == BERT_OUTPUT_LM_LOGITS;
}

uint32_t bert_site_columns(const bert_config *config, bert_site site)
{
    return site == BERT_SITE_OUTPUT ? config->intermediate_size : config->hidden_size;
}

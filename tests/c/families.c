/* families.c - see families.h. */
#include "families.h"

#include <string.h>

#include "tiny_model.h"

/* X(NAME, what it changes of the tiny config `c`). */
#define FAMILIES(X)                                                                                \
    X(square_projection, c.projects_embeddings = 1)                                                \
    X(narrow_embeddings, c.projects_embeddings = 1; c.embedding_size = 10)                         \
    X(wide_embeddings, c.projects_embeddings = 1; c.embedding_size = 43)                           \
    X(one_shared_layer, c.n_layers = 4; c.n_layer_groups = 1; c.layers_per_group = 1)              \
    X(shared_groups, c.n_layers = 12; c.n_layer_groups = 2; c.layers_per_group = 3)                \
    X(padding_has_a_position, c.n_positions = 27; c.first_position = 2)                            \
    X(padding_is_the_first_word, c.n_positions = 17; c.first_position = 1)                         \
    X(no_positions, c.n_positions = 0)                                                             \
    X(bias, c.position_attention = BERT_POSITION_ATTENTION_BIAS; c.n_distances = 16)               \
    X(bias_with_gaps, c.position_attention = BERT_POSITION_ATTENTION_BIAS; c.n_distances = 25;     \
      c.n_positions = 0)                                                                           \
    X(c2p, relate(&c, BERT_POSITION_ATTENTION_C2P, 16, 9))                                         \
    X(p2c, relate(&c, BERT_POSITION_ATTENTION_P2C, 23, 31))                                        \
    X(both, relate(&c, BERT_POSITION_ATTENTION_C2P_P2C, 16, 40))                                   \
    X(both_alone, relate(&c, BERT_POSITION_ATTENTION_C2P_P2C, 29, 16); c.n_positions = 0)          \
    X(few_rows, relate(&c, BERT_POSITION_ATTENTION_C2P_P2C, 16, 1))                                \
    X(shared_source, relate(&c, BERT_POSITION_ATTENTION_C2P_P2C, 16, 13);                          \
      c.relative_source = BERT_RELATIVE_SOURCE_SHARED; c.relative_norm = 1)                        \
    X(own_source, relate(&c, BERT_POSITION_ATTENTION_C2P_P2C, 16, 9); c.n_positions = 0;           \
      c.relative_source = BERT_RELATIVE_SOURCE_OWN; c.projects_embeddings = 1;                     \
      c.embedding_size = 10)                                                                       \
    X(unbiased_source, relate(&c, BERT_POSITION_ATTENTION_C2P_P2C, 20, 40); c.n_positions = 0;     \
      c.relative_source = BERT_RELATIVE_SOURCE_OWN_UNBIASED)                                       \
    X(source_of_keys, relate(&c, BERT_POSITION_ATTENTION_C2P, 16, 21);                             \
      c.relative_source = BERT_RELATIVE_SOURCE_OWN_UNBIASED; c.relative_norm = 1)                  \
    X(source_of_queries, relate(&c, BERT_POSITION_ATTENTION_P2C, 16, 21);                          \
      c.relative_source = BERT_RELATIVE_SOURCE_SHARED)                                             \
    X(conv_of_one, convolve(&c, 1); c.n_positions = 31)                                            \
    X(conv_of_three, convolve(&c, 3))                                                              \
    X(conv_with_gaps, convolve(&c, 3); c.n_positions = 21)                                         \
    X(conv_of_five, convolve(&c, 5); c.n_positions = 27)                                           \
    X(conv_of_five_with_wide_gaps, convolve(&c, 5); c.n_positions = 61)                            \
    X(silu, c.activation = BERT_ACTIVATION_SILU)                                                   \
    X(token_classifier, c.n_token_labels = 5)                                                      \
    X(token_transform, c.n_token_labels = 1; c.token_activation = BERT_ACTIVATION_GELU)            \
    X(tied_lm, c.lm_activation = BERT_ACTIVATION_GELU; c.lm_tied = 1)                              \
    X(tied_narrow_lm, c.lm_activation = BERT_ACTIVATION_GELU_TANH; c.lm_tied = 1;                  \
      c.projects_embeddings = 1; c.embedding_size = 9; c.vocab_size = 71)                          \
    X(untied_lm, c.lm_activation = BERT_ACTIVATION_RELU; c.vocab_size = 83;                        \
      c.projects_embeddings = 1; c.embedding_size = 31)                                            \
    X(cls, c.pooling = BERT_POOLING_CLS)                                                           \
    X(mean, c.pooling = BERT_POOLING_MEAN; c.normalize = 1)                                        \
    X(max, c.pooling = BERT_POOLING_MAX; c.embedding_dim = 13)                                     \
    X(cls_dense, c.pooling = BERT_POOLING_CLS; c.embedding_dim = 33;                               \
      c.sentence_activation = BERT_ACTIVATION_TANH; c.normalize = 1)                               \
    X(mean_sqrt_len, c.pooling = BERT_POOLING_MEAN_SQRT_LEN)                                       \
    X(weighted_mean, c.pooling = BERT_POOLING_WEIGHTED_MEAN; c.normalize = 1)                      \
    X(weighted_mean_without_padding, c.pooling = BERT_POOLING_WEIGHTED_MEAN; c.n_positions = 27;   \
      c.first_position = 2)                                                                        \
    X(last, c.pooling = BERT_POOLING_LAST)                                                         \
    X(two_poolings, c.pooling = BERT_POOLING_MAX; c.more_poolings[0] = BERT_POOLING_MEAN;          \
      c.normalize = 1)                                                                             \
    X(two_poolings_dense, c.pooling = BERT_POOLING_LAST; c.more_poolings[0] = BERT_POOLING_CLS;    \
      c.embedding_dim = 21; c.sentence_activation = BERT_ACTIVATION_TANH)                          \
    X(all_poolings, c.pooling = BERT_POOLING_CLS; c.more_poolings[0] = BERT_POOLING_MAX;           \
      c.more_poolings[1] = BERT_POOLING_MEAN; c.more_poolings[2] = BERT_POOLING_MEAN_SQRT_LEN;     \
      c.more_poolings[3] = BERT_POOLING_WEIGHTED_MEAN; c.more_poolings[4] = BERT_POOLING_LAST;     \
      c.embedding_dim = 9)                                                                         \
    X(all_heads, c.n_token_labels = 2; c.token_activation = BERT_ACTIVATION_SILU;                  \
      c.lm_activation = BERT_ACTIVATION_GELU; c.lm_tied = 1; c.pooling = BERT_POOLING_MEAN)        \
    X(albert, c.projects_embeddings = 1; c.embedding_size = 8; c.n_layers = 3;                     \
      c.n_layer_groups = 1; c.layers_per_group = 1; c.lm_activation = BERT_ACTIVATION_GELU_TANH;   \
      c.lm_tied = 1)                                                                               \
    X(mpnet, c.n_positions = 18; c.first_position = 2; c.n_token_types = 0; c.n_distances = 16;    \
      c.position_attention = BERT_POSITION_ATTENTION_BIAS; c.pooling = BERT_POOLING_MEAN)          \
    X(deberta, c.n_positions = 0; c.projects_embeddings = 1; c.embedding_size = 12;                \
      relate(&c, BERT_POSITION_ATTENTION_C2P_P2C, 24, 19); convolve(&c, 3))

void relate(bert_config *config, bert_position_attention attention, uint32_t n_distances,
            uint32_t n_rows)
{
    config->position_attention = attention;
    config->n_distances = n_distances;
    config->n_relative_rows = n_rows;
}

void convolve(bert_config *config, uint32_t size)
{
    config->conv_size = size;
    config->conv_activation = BERT_ACTIVATION_TANH;
}

#define FAMILY_CONFIG(name, change)                                                                \
    static bert_config config_##name(void)                                                         \
    {                                                                                              \
        bert_config c = tiny_config();                                                             \
        change;                                                                                    \
        return c;                                                                                  \
    }
FAMILIES(FAMILY_CONFIG)

const tiny_family families[] = {
#define FAMILY_ENTRY(name, change) {#name, config_##name},
    FAMILIES(FAMILY_ENTRY)};
const size_t n_families = sizeof families / sizeof *families;

bert_config family_config(const char *name)
{
    const tiny_family *member = families;
    while (strcmp(member->name, name) != 0)
        member++;
    return member->config();
}

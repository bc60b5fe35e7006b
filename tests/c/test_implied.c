/* test_implied.c - what a config implies, case by case. */
#include <string.h>

#include "harness.h"
#include "tiny_model.h"

TEST(layers_share_weights_by_group)
{
    static const uint32_t expected[] = {0, 1, 0, 1, 2, 3, 2, 3};
    bert_config config = {.n_layers = 8, .n_layer_groups = 2, .layers_per_group = 2};
    CHECK(bert_config_n_stored_layers(&config) == 4, "2 groups of 2 are %u layers",
          bert_config_n_stored_layers(&config));
    for (uint32_t i = 0; i < 8; i++)
        CHECK(bert_config_stored_layer(&config, i) == expected[i], "layer %u has weights %u", i,
              bert_config_stored_layer(&config, i));
    config = (bert_config){.n_layers = 8};
    CHECK(bert_config_n_stored_layers(&config) == 8 && bert_config_stored_layer(&config, 5) == 5,
          "without groups every layer has its own");
}

TEST(most_tokens_of_a_sequence)
{
    bert_config config = {0};
    CHECK(bert_config_most_tokens(&config) == BERT_UNLIMITED_TOKENS, "nothing limits them");
    config.n_positions = 514;
    config.first_position = 2;
    CHECK(bert_config_most_tokens(&config) == 512, "positions from 2 on: %u",
          bert_config_most_tokens(&config));
    config.n_distances = 600;
    CHECK(bert_config_most_tokens(&config) == 512, "more distances than positions");
    config.n_distances = 128;
    CHECK(bert_config_most_tokens(&config) == 128, "fewer distances than positions");
}

TEST(rows_of_positions)
{
    bert_config config = {.n_positions = 514, .hidden_size = 24, .intermediate_size = 96};
    CHECK(bert_config_padding_id(&config) == BERT_NO_TOKEN, "every token is counted");
    CHECK(bert_config_position_row(&config, 0, 7, 0) == 7, "a row for each position");
    config.first_position = 2;
    CHECK(bert_config_padding_id(&config) == 1, "padding is %u", bert_config_padding_id(&config));
    CHECK(bert_config_position_row(&config, 9, 7, 3) == 6, "2 + 7 - 3 paddings before it");
    CHECK(bert_config_position_row(&config, 1, 7, 3) == 1, "padding has the row of its id");
    CHECK(bert_site_columns(&config, BERT_SITE_ATTENTION_OUTPUT) == 24 &&
              bert_site_columns(&config, BERT_SITE_OUTPUT) == 96,
          "columns of sites");
}

TEST(what_outputs_consist_of)
{
    bert_config config = {.hidden_size = 24, .n_layers = 2, .vocab_size = 50};
    for (int i = 0; i < BERT_OUTPUT_COUNT; i++) {
        int is_there = i == BERT_OUTPUT_LAST_HIDDEN_STATE || i == BERT_OUTPUT_HIDDEN_STATES;
        uint32_t n = bert_output_columns(&config, (bert_output)i);
        CHECK(n == (is_there ? 24 : 0), "%s has %u columns", bert_output_name((bert_output)i), n);
    }
    config.n_labels = 3;
    config.n_token_labels = 9;
    config.pooler_activation = BERT_ACTIVATION_TANH;
    config.lm_activation = BERT_ACTIVATION_GELU;
    config.pooling = BERT_POOLING_MEAN;
    config.embedding_dim = 16;
    static const struct {
        bert_output output;
        uint32_t n_layers, n_columns;
        int is_of_tokens;
    } cases[BERT_OUTPUT_COUNT] = {
        {BERT_OUTPUT_LAST_HIDDEN_STATE, 1, 24, 1},
        {BERT_OUTPUT_POOLER_OUTPUT, 1, 24, 0},
        {BERT_OUTPUT_LOGITS, 1, 3, 0},
        {BERT_OUTPUT_TOKEN_LOGITS, 1, 9, 1},
        {BERT_OUTPUT_LM_LOGITS, 1, 50, 1},
        {BERT_OUTPUT_SENTENCE_EMBEDDING, 1, 16, 0},
        {BERT_OUTPUT_HIDDEN_STATES, 3, 24, 1},
        {BERT_OUTPUT_ATTENTIONS, 2, 0, 0},
    };
    for (int i = 0; i < BERT_OUTPUT_COUNT; i++) {
        bert_output output = cases[i].output;
        CHECK(bert_output_columns(&config, output) == cases[i].n_columns &&
                  bert_output_layers(&config, output) == cases[i].n_layers &&
                  bert_output_is_of_tokens(output) == cases[i].is_of_tokens,
              "%s has %u layers of %u columns", bert_output_name(output),
              bert_output_layers(&config, output), bert_output_columns(&config, output));
    }
    config.embedding_dim = 0;
    CHECK(bert_output_columns(&config, BERT_OUTPUT_SENTENCE_EMBEDDING) == 24,
          "without a dense layer an embedding is as long as a hidden state");
    config.more_poolings[0] = config.more_poolings[1] = BERT_POOLING_MAX;
    CHECK(bert_output_columns(&config, BERT_OUTPUT_SENTENCE_EMBEDDING) == 72 &&
              bert_config_pooled_columns(&config) == 72,
          "poolings stand side by side");
    config.embedding_dim = 5;
    CHECK(bert_output_columns(&config, BERT_OUTPUT_SENTENCE_EMBEDDING) == 5, "a dense layer's");
}

static void expect_kept(const bert_config *config, const uint32_t *ids, const uint8_t *mask,
                        uint32_t n, const uint32_t *kept, const uint32_t *positions)
{
    uint32_t got[6], places[6], n_kept = bert_sequence_keep(config, 5, ids, mask, got, places);
    CHECK(n_kept == n, "%u tokens are kept, expected %u", n_kept, n);
    for (uint32_t i = 0; i < n && i < n_kept; i++)
        CHECK(got[i] == kept[i] && places[i] == positions[i],
              "token %u is %u at %u, expected %u at %u", i, got[i], places[i], kept[i],
              positions[i]);
}

TEST(which_tokens_of_a_masked_sequence_are_kept)
{
    static const uint32_t ids[] = {1, 7, 1, 8, 9};
    static const uint8_t mask[] = {0, 1, 0, 1, 0};
    static const uint32_t kept[] = {1, 3}, kept_first[] = {0, 1, 3};
    bert_config config = tiny_config();
    config.pooler_activation = BERT_ACTIVATION_NONE;
    config.pooling = BERT_POOLING_MEAN;
    expect_kept(&config, ids, mask, 2, kept, (uint32_t[]){1, 3});
    config.pooling = BERT_POOLING_CLS;
    expect_kept(&config, ids, mask, 3, kept_first, (uint32_t[]){0, 1, 3});
    config.pooling = BERT_POOLING_MEAN;
    config.more_poolings[0] = BERT_POOLING_CLS;
    expect_kept(&config, ids, mask, 3, kept_first, (uint32_t[]){0, 1, 3});
    config.pooling = config.more_poolings[0] = BERT_POOLING_NONE;
    config.pooler_activation = BERT_ACTIVATION_TANH;
    expect_kept(&config, ids, mask, 3, kept_first, (uint32_t[]){0, 1, 3});
    /* Padding is id 1: what is left out of it is not counted, what is kept of it is. */
    config.first_position = 2;
    expect_kept(&config, ids, mask, 3, kept_first, (uint32_t[]){0, 1, 2});
    config.pooler_activation = BERT_ACTIVATION_NONE;
    expect_kept(&config, ids, mask, 2, kept, (uint32_t[]){0, 1});
    expect_kept(&config, ids, (uint8_t[]){0, 0, 0, 0, 0}, 0, NULL, NULL);
}

TEST(sizes_of_what_is_stored)
{
    CHECK(bert_dtype_bytes(BERT_DTYPE_F32) == 4 && bert_dtype_bytes(BERT_DTYPE_F16) == 2 &&
              bert_dtype_bytes(BERT_DTYPE_I8) == 1 &&
              bert_dtype_bytes((bert_dtype)(BERT_DTYPE_I8 + 1)) == 0,
          "bytes of elements");
    CHECK(BERT_PANELS(16) == 2 && BERT_PANELS(17) == 3, "panels");
    CHECK(BERT_I8_QUADS(8) == 2 && BERT_I8_QUADS(9) == 4, "whole pairs of quads");
}

TEST(what_units_of_4_bits_become)
{
    bert_tensor tensor = {.name = "t"};
    CHECK(bert_q4_tensor((uint32_t[]){5, 2, 17}, &tensor) == 1 && tensor.rank == 2 &&
              tensor.shape[0] == 5 && tensor.shape[1] == 64 && tensor.n_bytes == 320,
          "units of a table");
    CHECK(bert_q4_tensor((uint32_t[]){5, 2, 136}, &tensor) == BERT_PANEL && tensor.rank == 4 &&
              memcmp(tensor.shape, (uint32_t[]){5, 16, 8, 4}, sizeof tensor.shape) == 0 &&
              tensor.n_bytes == 5 * 64 * 8 && tensor.dtype == BERT_DTYPE_I8,
          "units of a matrix");
    CHECK(bert_q4_tensor((uint32_t[]){5, 2, 18}, &tensor) == 0, "units of 18 bytes");
}

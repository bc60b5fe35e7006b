/* families.c - see families.h. The numbers are the defaults of transformers' config classes. */
#include "huggingface/families.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------ tables -- */

static const family_layer bert_layer = {
    .path = "encoder.layer.%u.",
    .query = "attention.self.query",
    .key = "attention.self.key",
    .value = "attention.self.value",
    .attention_output = "attention.output.dense",
    .attention_norm = "attention.output.LayerNorm",
    .intermediate = "intermediate.dense",
    .output = "output.dense",
    .output_norm = "output.LayerNorm",
};

static const family_layer distilbert_layer = {
    .path = "transformer.layer.%u.",
    .query = "attention.q_lin",
    .key = "attention.k_lin",
    .value = "attention.v_lin",
    .attention_output = "attention.out_lin",
    .attention_norm = "sa_layer_norm",
    .intermediate = "ffn.lin1",
    .output = "ffn.lin2",
    .output_norm = "output_layer_norm",
};

static const family_layer albert_layer = {
    .path = "encoder.albert_layer_groups.%u.albert_layers.%u.",
    .query = "attention.query",
    .key = "attention.key",
    .value = "attention.value",
    .attention_output = "attention.dense",
    .attention_norm = "attention.LayerNorm",
    .intermediate = "ffn",
    .output = "ffn_output",
    .output_norm = "full_layer_layer_norm",
};

static const family_layer mpnet_layer = {
    .path = "encoder.layer.%u.",
    .query = "attention.attn.q",
    .key = "attention.attn.k",
    .value = "attention.attn.v",
    .attention_output = "attention.attn.o",
    .attention_norm = "attention.LayerNorm",
    .intermediate = "intermediate.dense",
    .output = "output.dense",
    .output_norm = "output.LayerNorm",
};

static const family_layer deberta_layer = {
    .path = "encoder.layer.%u.",
    .attention_output = "attention.output.dense",
    .attention_norm = "attention.output.LayerNorm",
    .intermediate = "intermediate.dense",
    .output = "output.dense",
    .output_norm = "output.LayerNorm",
};

static const family_layer deberta_v2_layer = {
    .path = "encoder.layer.%u.",
    .query = "attention.self.query_proj",
    .key = "attention.self.key_proj",
    .value = "attention.self.value_proj",
    .attention_output = "attention.output.dense",
    .attention_norm = "attention.output.LayerNorm",
    .intermediate = "intermediate.dense",
    .output = "output.dense",
    .output_norm = "output.LayerNorm",
};

#define USUAL_KEYS                                                                                 \
    .hidden_key = {"hidden_size"}, .layers_key = {"num_hidden_layers"},                            \
    .heads_key = {"num_attention_heads"}, .intermediate_key = {"intermediate_size"},               \
    .activation_key = {"hidden_act"}
#define SIZES(vocab, hidden, layers, heads, intermediate)                                          \
    .vocab_size = vocab, .hidden_size = hidden, .n_layers = layers, .n_heads = heads,              \
    .intermediate_size = intermediate
#define TANH_POOLER {"pooler.dense", true, BERT_ACTIVATION_TANH, NULL}
#define PREDICTIONS_LM                                                                             \
    {"cls.predictions.transform.dense",                                                            \
     "cls.predictions.transform.LayerNorm",                                                        \
     "cls.predictions.decoder",                                                                    \
     {"cls.predictions.bias", "cls.predictions.decoder.bias"},                                     \
     BERT_ACTIVATION_NONE}
#define ROBERTA_LM                                                                                 \
    {"lm_head.dense",                                                                              \
     "lm_head.layer_norm",                                                                         \
     "lm_head.decoder",                                                                            \
     {"lm_head.bias", "lm_head.decoder.bias"},                                                     \
     BERT_ACTIVATION_GELU}
#define ROBERTA(type, prefix, vocab)                                                               \
    {.model_type = type,                                                                           \
     .class_prefix = prefix,                                                                       \
     USUAL_KEYS,                                                                                   \
     SIZES(vocab, 768, 12, 12, 3072),                                                              \
     .n_token_types = 2,                                                                           \
     .activation = "gelu",                                                                         \
     .eps = 1e-12,                                                                                 \
     .layer = &bert_layer,                                                                         \
     .positions = POSITIONS_FROM_PAD,                                                              \
     .pooler = TANH_POOLER,                                                                        \
     .sequence_dense = {"classifier.dense", false, BERT_ACTIVATION_TANH, NULL},                    \
     .sequence_classifier = "classifier.out_proj",                                                 \
     .lm = ROBERTA_LM}
#define CONTEXT_POOLER {"pooler.dense", false, BERT_ACTIVATION_NONE, "pooler_hidden_act"}

static const model_family families[] = {
    {
        .model_type = "bert",
        .class_prefix = "Bert",
        USUAL_KEYS,
        SIZES(30522, 768, 12, 12, 3072),
        .n_token_types = 2,
        .activation = "gelu",
        .eps = 1e-12,
        .layer = &bert_layer,
        .pooler = TANH_POOLER,
        .sequence_dense = TANH_POOLER,
        .sequence_classifier = "classifier",
        .lm = PREDICTIONS_LM,
        .pair_classifier = "cls.seq_relationship",
        .pair_output = "seq_relationship_logits",
    },
    ROBERTA("roberta", "Roberta", 50265),
    ROBERTA("xlm-roberta", "XLMRoberta", 30522),
    ROBERTA("camembert", "Camembert", 30522),
    {
        .model_type = "distilbert",
        .class_prefix = "DistilBert",
        .hidden_key = {"dim", "hidden_size"},
        .layers_key = {"n_layers", "num_hidden_layers"},
        .heads_key = {"n_heads", "num_attention_heads"},
        .intermediate_key = {"hidden_dim"},
        .activation_key = {"activation"},
        SIZES(30522, 768, 6, 12, 3072),
        .n_token_types = NO_TOKEN_TYPES,
        .activation = "gelu",
        .eps = -1e-12,
        .layer = &distilbert_layer,
        .sequence_dense = {"pre_classifier", false, BERT_ACTIVATION_RELU, NULL},
        .sequence_classifier = "classifier",
        .lm = {"vocab_transform",
               "vocab_layer_norm",
               "vocab_projector",
               {"vocab_projector.bias"},
               BERT_ACTIVATION_NONE},
    },
    {
        .model_type = "albert",
        .class_prefix = "Albert",
        USUAL_KEYS,
        SIZES(30000, 4096, 12, 64, 16384),
        .embedding_size = 128,
        .n_token_types = 2,
        .activation = "gelu_new",
        .eps = 1e-12,
        .layer = &albert_layer,
        .projection = "encoder.embedding_hidden_mapping_in",
        .always_projects = true,
        .pooler = {"pooler", true, BERT_ACTIVATION_TANH, NULL},
        .sequence_dense = {"pooler", true, BERT_ACTIVATION_TANH, NULL},
        .sequence_classifier = "classifier",
        .lm = {"predictions.dense",
               "predictions.LayerNorm",
               "predictions.decoder",
               {"predictions.bias", "predictions.decoder.bias"},
               BERT_ACTIVATION_NONE},
        .pair_classifier = "sop_classifier.classifier",
        .pair_output = "sop_logits",
    },
    {
        .model_type = "electra",
        .class_prefix = "Electra",
        USUAL_KEYS,
        SIZES(30522, 256, 12, 4, 1024),
        .embedding_size = 128,
        .n_token_types = 2,
        .activation = "gelu",
        .eps = 1e-12,
        .layer = &bert_layer,
        .projection = "embeddings_project",
        .sequence_dense = {"classifier.dense", false, BERT_ACTIVATION_GELU, NULL},
        .sequence_classifier = "classifier.out_proj",
        .token_dense = {"discriminator_predictions.dense", false, BERT_ACTIVATION_NONE,
                        "hidden_act"},
        .token_classifier = "discriminator_predictions.dense_prediction",
        .lm = {"generator_predictions.dense",
               "generator_predictions.LayerNorm",
               "generator_lm_head",
               {"generator_lm_head.bias"},
               BERT_ACTIVATION_GELU},
    },
    {
        .model_type = "mpnet",
        .class_prefix = "MPNet",
        USUAL_KEYS,
        SIZES(30527, 768, 12, 12, 3072),
        .n_token_types = NO_TOKEN_TYPES,
        .activation = "gelu",
        .eps = 1e-12,
        .layer = &mpnet_layer,
        .positions = POSITIONS_FROM_TWO,
        .distances = DISTANCES_BUCKETS,
        .pooler = TANH_POOLER,
        .sequence_dense = {"classifier.dense", false, BERT_ACTIVATION_TANH, NULL},
        .sequence_classifier = "classifier.out_proj",
        .lm = ROBERTA_LM,
    },
    {
        .model_type = "deberta",
        .class_prefix = "Deberta",
        USUAL_KEYS,
        SIZES(50265, 768, 12, 12, 3072),
        .activation = "gelu",
        .eps = 1e-7,
        .layer = &deberta_layer,
        .positions = POSITIONS_IF_BIASED,
        .distances = DISTANCES_DISENTANGLED,
        .sequence_dense = CONTEXT_POOLER,
        .sequence_classifier = "classifier",
        .lm = PREDICTIONS_LM,
    },
    {
        .model_type = "deberta-v2",
        .class_prefix = "DebertaV2",
        USUAL_KEYS,
        SIZES(128100, 1536, 24, 24, 6144),
        .activation = "gelu",
        .eps = 1e-7,
        .layer = &deberta_v2_layer,
        .positions = POSITIONS_IF_BIASED,
        .distances = DISTANCES_DISENTANGLED_LOGS,
        .sequence_dense = CONTEXT_POOLER,
        .sequence_classifier = "classifier",
        .lm = PREDICTIONS_LM,
    },
};

#define N_FAMILIES (sizeof families / sizeof *families)

const model_family *family_find(const settings *config)
{
    char known[256] = "";
    const char *type = settings_text(config, "model_type", "");
    for (size_t i = 0; i < N_FAMILIES; i++) {
        size_t n = strlen(known);
        if (strcmp(type, families[i].model_type) == 0)
            return &families[i];
        snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", families[i].model_type);
    }
    fault_set(config->fault,
              "%s: the model_type '%.64s' is none whose weights are read without a graph (%s): "
              "export the model to ONNX and convert that",
              config->path, type, known);
    return NULL;
}

/* ------------------------------------------------------------------------------------ checks -- */

/* What a config must say, or not say at all, because nothing else is computed. */
static const struct {
    const char *key, *value; /* as JSON */
} required[] = {
    {"position_embedding_type", "\"absolute\""},
    {"is_decoder", "false"},
    {"is_encoder_decoder", "false"},
    {"add_cross_attention", "false"},
    {"pruned_heads", "{}"},
    {"talking_head", "false"},
    {"conv_groups", "1"},
    /* Of models that call themselves BERT and compute more. */
    {"feed_forward_type", "\"original\""},
    {"rotary_emb_fraction", "0"},
    {"prenorm", "false"},
    {"use_rms_norm", "false"},
};

bool family_check(const settings *config)
{
    for (size_t i = 0; i < sizeof required / sizeof *required; i++) {
        const cJSON *item = settings_item(config, required[i].key);
        char *value = item ? cJSON_PrintUnformatted(item) : NULL;
        bool ok = !value || strcmp(value, required[i].value) == 0;
        cJSON_free(value);
        if (!ok) {
            char because[128];
            snprintf(because, sizeof because, "only %s is computed", required[i].value);
            return settings_refuse(config, required[i].key, because);
        }
    }
    if (settings_item(config, "quantization_config"))
        return settings_refuse(config, "quantization_config",
                               "take the model's own weights, in float32, float16 or bfloat16");
    return true;
}

/* ------------------------------------------------------------------------------------ config -- */

/* The key of the two that the config has. */
static const char *which_key(const settings *config, const char *const keys[2])
{
    return keys[1] && !settings_item(config, keys[0]) && settings_item(config, keys[1]) ? keys[1]
                                                                                        : keys[0];
}

static uint32_t size_of(const settings *config, const char *const keys[2], uint32_t fallback)
{
    return settings_size(config, which_key(config, keys), fallback);
}

/* Sets a field of the core's config; what is out of its range is a fault. */
static bool set(bert_config *encoder, const settings *config, const char *field, double value)
{
    bert_error error = {0};
    return !config->fault->text[0] &&
           (bert_config_set_number(encoder, field, value, &error) == BERT_OK ||
            fault_set_error(config->fault, config->path, &error));
}

/* Groups of layers that share weights: Lan et al. 2019, ALBERT, section 3.1. */
static bool configure_groups(const settings *config, bert_config *encoder)
{
    uint32_t n_groups = settings_size(config, "num_hidden_groups", 1);
    uint32_t per_group = settings_size(config, "inner_group_num", 1);
    uint32_t n_layers = encoder->n_layers;
    if (n_groups == 0 || n_layers % n_groups)
        return settings_refuse(config, "num_hidden_groups", "it must divide num_hidden_layers");
    if (!set(encoder, config, "n_layers", (double)n_layers * per_group))
        return false;
    /* Groups that nothing is shared by are layers. */
    return n_groups == n_layers || (set(encoder, config, "n_layer_groups", n_groups) &&
                                    set(encoder, config, "layers_per_group", per_group));
}

static bool configure_positions(const model_family *of, const settings *config,
                                bert_config *encoder)
{
    uint32_t n = settings_size(config, "max_position_embeddings", 512), first = 0;
    if (of->positions == POSITIONS_IF_BIASED &&
        !settings_flag(config, "position_biased_input", true))
        n = 0;
    if (of->positions == POSITIONS_FROM_TWO)
        first = 2;
    if (of->positions == POSITIONS_FROM_PAD)
        first = settings_size(config, "pad_token_id", 1) + 1;
    return set(encoder, config, "n_positions", n) && set(encoder, config, "first_position", first);
}

bool family_configure(const model_family *of, const settings *config, bert_config *encoder)
{
    uint32_t hidden = size_of(config, of->hidden_key, of->hidden_size), n_types = 0;
    uint32_t embedding = hidden;
    if (of->projection)
        embedding = settings_size(config, "embedding_size", of->embedding_size);
    else if (of->distances >= DISTANCES_DISENTANGLED &&
             settings_size(config, "embedding_size", hidden) != hidden)
        return settings_refuse(config, "embedding_size", "it must be the hidden_size");
    if (of->n_token_types != NO_TOKEN_TYPES)
        n_types = settings_size(config, "type_vocab_size", of->n_token_types);
    double eps = of->eps < 0 ? -of->eps : settings_number(config, "layer_norm_eps", of->eps);
    bert_config_init(encoder);
    encoder->activation =
        settings_activation(config, which_key(config, of->activation_key), of->activation);
    bool projects = of->projection && (of->always_projects || embedding != hidden);
    return set(encoder, config, "vocab_size",
               settings_size(config, "vocab_size", of->vocab_size)) &&
           set(encoder, config, "hidden_size", hidden) &&
           set(encoder, config, "embedding_size", embedding) &&
           set(encoder, config, "projects_embeddings", projects) &&
           set(encoder, config, "intermediate_size",
               size_of(config, of->intermediate_key, of->intermediate_size)) &&
           set(encoder, config, "n_layers", size_of(config, of->layers_key, of->n_layers)) &&
           set(encoder, config, "n_heads", size_of(config, of->heads_key, of->n_heads)) &&
           set(encoder, config, "n_token_types", n_types) &&
           set(encoder, config, "layer_norm_eps", eps) &&
           configure_positions(of, config, encoder) &&
           (of->layer != &albert_layer || configure_groups(config, encoder));
}

/* heads.c - what stands on the encoder, by the class that config.json names (huggingface.h). */
#include <stdio.h>
#include <string.h>

#include "huggingface/parts.h"

/* ------------------------------------------------------------------------------ what there is -- */

static void name_output(huggingface_model *model, const char *name, bert_output output,
                        int32_t index)
{
    bert_weights *weights = model->weights;
    weights->outputs[weights->n_outputs++] =
        (output_name){.onnx = name, .output = output, .index = index};
}

/* The activation of a dense layer under a head. */
static bert_activation activation_of(const huggingface_model *model, const family_dense *dense)
{
    return dense->activation != BERT_ACTIVATION_NONE
               ? dense->activation
               : settings_activation(&model->config, dense->activation_key, "gelu");
}

static part_scope scope_of(const family_dense *dense)
{
    return dense->is_of_encoder ? OF_ENCODER : OF_HEAD;
}

static bool set_pooler(huggingface_model *model, const family_dense *dense)
{
    model->heads.dense = *dense;
    model->weights->config.pooler_activation = activation_of(model, dense);
    return !model->fault->text[0];
}

static bool set_classifier(huggingface_model *model, const family_dense *dense, const char *name,
                           const char *output)
{
    bert_config *config = &model->weights->config;
    model->heads.classifier = name;
    config->n_labels = parts_n_out(model, OF_HEAD, name, config->hidden_size);
    name_output(model, output, BERT_OUTPUT_LOGITS, -1);
    return config->n_labels && set_pooler(model, dense);
}

static bool set_token_classifier(huggingface_model *model, const char *name)
{
    bert_config *config = &model->weights->config;
    model->heads.token_classifier = name;
    config->n_token_labels = parts_n_out(model, OF_HEAD, name, config->hidden_size);
    return config->n_token_labels > 0;
}

static const family_lm deberta_v3_lm = {"lm_predictions.lm_head.dense",
                                        "lm_predictions.lm_head.LayerNorm",
                                        NULL,
                                        {"lm_predictions.lm_head.bias"},
                                        BERT_ACTIVATION_NONE};

static bool set_lm(huggingface_model *model, const char *output)
{
    bert_config *config = &model->weights->config;
    const family_lm *lm = &model->family->lm;
    if (model->family->distances >= DISTANCES_DISENTANGLED &&
        !settings_flag(&model->config, "legacy", true))
        lm = &deberta_v3_lm;
    model->heads.lm = lm;
    config->lm_activation =
        lm->activation != BERT_ACTIVATION_NONE ? lm->activation : config->activation;
    config->lm_tied = !lm->decoder || settings_flag(&model->config, "tie_word_embeddings", true);
    name_output(model, output, BERT_OUTPUT_LM_LOGITS, -1);
    return !model->fault->text[0];
}

/* ------------------------------------------------------------------------------- the classes -- */

static bool bare(huggingface_model *model)
{
    const family_dense *pooler = &model->family->pooler;
    char weight[PARTS_MAX_NAME];
    name_output(model, "last_hidden_state", BERT_OUTPUT_LAST_HIDDEN_STATE, -1);
    snprintf(weight, sizeof weight, "%s.weight", pooler->name ? pooler->name : "");
    if (!pooler->name || !parts_has(model, OF_ENCODER, weight))
        return true;
    name_output(model, "pooler_output", BERT_OUTPUT_POOLER_OUTPUT, -1);
    return set_pooler(model, pooler);
}

static bool sequence_classification(huggingface_model *model)
{
    return set_classifier(model, &model->family->sequence_dense, model->family->sequence_classifier,
                          "logits");
}

static bool token_classification(huggingface_model *model)
{
    name_output(model, "logits", BERT_OUTPUT_TOKEN_LOGITS, -1);
    return set_token_classifier(model, "classifier");
}

static bool question_answering(huggingface_model *model)
{
    name_output(model, "start_logits", BERT_OUTPUT_TOKEN_LOGITS, 0);
    name_output(model, "end_logits", BERT_OUTPUT_TOKEN_LOGITS, 1);
    return set_token_classifier(model, "qa_outputs") &&
           (model->weights->config.n_token_labels == 2 ||
            fault_set(model->fault, "qa_outputs has %u outputs: it must have 2, start and end",
                      model->weights->config.n_token_labels));
}

static bool masked_lm(huggingface_model *model)
{
    return set_lm(model, "logits");
}

static bool next_sentence(huggingface_model *model)
{
    return set_classifier(model, &model->family->pooler, model->family->pair_classifier, "logits");
}

/* ELECTRA's discriminator, or masked words and pairs of sentences. */
static bool pretraining(huggingface_model *model)
{
    const model_family *family = model->family;
    if (family->pair_classifier)
        return set_lm(model, "prediction_logits") &&
               set_classifier(model, &family->pooler, family->pair_classifier, family->pair_output);
    name_output(model, "logits", BERT_OUTPUT_TOKEN_LOGITS, 0);
    model->heads.token_dense = family->token_dense;
    model->weights->config.token_activation = activation_of(model, &family->token_dense);
    return set_token_classifier(model, family->token_classifier) && !model->fault->text[0];
}

static const struct {
    const char *ending; /* of the class's name */
    bool (*configure)(huggingface_model *model);
} classes[] = {
    {"Model", bare},
    {"ForSequenceClassification", sequence_classification},
    {"ForTokenClassification", token_classification},
    {"ForQuestionAnswering", question_answering},
    {"ForMaskedLM", masked_lm},
    {"ForPreTraining", pretraining},
    {"ForNextSentencePrediction", next_sentence},
};

/* Whether transformers has the class. */
static bool exists(const model_family *family, const char *ending)
{
    if (strcmp(ending, "ForPreTraining") == 0)
        return family->pair_classifier || family->token_classifier;
    return strcmp(ending, "ForNextSentencePrediction") != 0 ||
           strcmp(family->model_type, "bert") == 0;
}

bool heads_configure(huggingface_model *model, const char *architecture)
{
    const char *prefix = model->family->class_prefix;
    size_t n_prefix = strlen(prefix);
    char known[256] = "";
    bool is_ours = strncmp(architecture, prefix, n_prefix) == 0;
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        const char *ending = classes[i].ending;
        size_t n = strlen(known);
        if (!exists(model->family, ending))
            continue;
        if (is_ours && strcmp(architecture + n_prefix, ending) == 0)
            return classes[i].configure(model);
        snprintf(known + n, sizeof known - n, "%s%s", n ? ", " : "", ending);
    }
    return fault_set(model->fault,
                     "config.json: architectures has %.100s: of %s these are understood: %s, "
                     "followed by %s",
                     architecture, model->family->model_type, prefix, known);
}

/* ---------------------------------------------------------------------------------- weights -- */

static bool add_lm(huggingface_model *model)
{
    const bert_config *config = &model->weights->config;
    const family_lm *lm = model->heads.lm;
    uint32_t hidden = config->hidden_size, width = config->embedding_size;
    /* The decoder's own is the one that is added; where it is tied both are the same. */
    const char *bias = lm->biases[1] && parts_has(model, OF_HEAD, lm->biases[1]) &&
                               (!config->lm_tied || !parts_has(model, OF_HEAD, lm->biases[0]))
                           ? lm->biases[1]
                           : lm->biases[0];
    return parts_add_dense(model, OF_HEAD, lm->dense, hidden, width, false, "lm.transform") &&
           parts_add_norm(model, OF_HEAD, lm->norm, width, "lm.norm") &&
           (config->lm_tied || parts_add_matrix(model, OF_HEAD, lm->decoder, width,
                                                config->vocab_size, false, "lm.decoder")) &&
           parts_add_vector(model, OF_HEAD, bias, config->vocab_size, "lm.decoder", ".bias");
}

bool heads_add(huggingface_model *model)
{
    const bert_config *config = &model->weights->config;
    const family_dense *dense = &model->heads.dense, *token_dense = &model->heads.token_dense;
    uint32_t hidden = config->hidden_size;
    if (dense->name &&
        !parts_add_dense(model, scope_of(dense), dense->name, hidden, hidden, false, "pooler"))
        return false;
    if (model->heads.classifier && !parts_add_dense(model, OF_HEAD, model->heads.classifier, hidden,
                                                    config->n_labels, true, "classifier"))
        return false;
    if (token_dense->name && !parts_add_dense(model, scope_of(token_dense), token_dense->name,
                                              hidden, hidden, false, "token_transform"))
        return false;
    if (model->heads.token_classifier &&
        !parts_add_dense(model, OF_HEAD, model->heads.token_classifier, hidden,
                         config->n_token_labels, true, "token_classifier"))
        return false;
    return !model->heads.lm || add_lm(model);
}

/*
 * sentence.c - see sentence.h. Files as releases 2 to 6 of sentence-transformers write them; what
 * computes something else than a pooling, a dense layer and a length of 1 is refused by its name.
 */
#include "source/sentence.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/json.h"

/* ------------------------------------------------------------------------------------- files -- */

/* Writes "folder/inner/name"; false if nothing is there, or the path is too long. */
static bool find(const char *folder, const char *inner, const char *name, char path[FILE_MAX_PATH])
{
    int n = snprintf(path, FILE_MAX_PATH, "%s%s%s%s%s", folder, *folder ? "/" : "", inner,
                     *inner ? "/" : "", name);
    return n < FILE_MAX_PATH && file_find(path) != FILE_NOTHING;
}

/* *json stays NULL if there is no such file. */
static bool read_object(const char *folder, const char *inner, const char *name,
                        char path[FILE_MAX_PATH], cJSON **json, fault_text *fault)
{
    *json = NULL;
    if (!find(folder, inner, name, path))
        return true;
    *json = json_object_file(path, fault);
    return *json != NULL;
}

/* The value of a key; NULL if it is not there, or null. */
static const cJSON *item_of(const cJSON *json, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);
    return cJSON_IsNull(item) ? NULL : item;
}

static const char *text_of(const cJSON *json, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, key));
}

/* A fault that names a key and its value. */
static bool refuse(const char *path, const cJSON *json, const char *key, const char *because,
                   fault_text *fault)
{
    char *value = cJSON_PrintUnformatted(item_of(json, key));
    fault_set(fault, "%s: %s is %.120s: %s", path, key, value ? value : "not there", because);
    cJSON_free(value);
    return false;
}

/* What stands behind the last dot of the name of a Python class. */
static const char *class_of(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

/* A folder within, as names in files may be: nothing outside may be reached. */
static bool is_inner(const char *path)
{
    return *path != '/' && !strchr(path, '\\') && !strchr(path, ':') && !strstr(path, "..");
}

/* ----------------------------------------------------------------------------------- pooling -- */

/* Names of the poolings, and the keys of those that are on in older configs, in the order in which
 * those are concatenated. */
static const struct {
    const char *name, *key;
    bert_pooling pooling;
} poolings[] = {
    {"cls", "pooling_mode_cls_token", BERT_POOLING_CLS},
    {"max", "pooling_mode_max_tokens", BERT_POOLING_MAX},
    {"mean", "pooling_mode_mean_tokens", BERT_POOLING_MEAN},
    {"mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", BERT_POOLING_MEAN_SQRT_LEN},
    {"weightedmean", "pooling_mode_weightedmean_tokens", BERT_POOLING_WEIGHTED_MEAN},
    {"lasttoken", "pooling_mode_lasttoken", BERT_POOLING_LAST},
};

#define N_POOLINGS (sizeof poolings / sizeof *poolings)

static bool add_pooling(sentence_modules *modules, const char *name)
{
    size_t n = 0, i = 0;
    while (n < BERT_MOST_POOLINGS && modules->poolings[n] != BERT_POOLING_NONE)
        n++;
    while (i < N_POOLINGS && strcmp(name, poolings[i].name) != 0)
        i++;
    if (n == BERT_MOST_POOLINGS || i == N_POOLINGS)
        return false;
    modules->poolings[n] = poolings[i].pooling;
    return true;
}

/* Both forms of the config: `pooling_mode`, a name or several; or a flag for each. */
static bool read_modes(const char *path, const cJSON *config, sentence_modules *modules,
                       fault_text *fault)
{
    const cJSON *item, *mode = item_of(config, "pooling_mode");
    bool ok = !mode || cJSON_IsString(mode) || cJSON_IsArray(mode);
    if (cJSON_IsString(mode))
        ok = add_pooling(modules, mode->valuestring);
    if (cJSON_IsArray(mode))
        cJSON_ArrayForEach(item, mode) ok =
            ok && cJSON_IsString(item) && add_pooling(modules, item->valuestring);
    if (!ok)
        return refuse(path, config, "pooling_mode",
                      "it must be cls, max, mean, mean_sqrt_len_tokens, weightedmean or lasttoken, "
                      "or up to six of them",
                      fault);
    for (size_t i = 0; !mode && i < N_POOLINGS; i++)
        if (cJSON_IsTrue(item_of(config, poolings[i].key)))
            add_pooling(modules, poolings[i].name);
    if (modules->poolings[0] == BERT_POOLING_NONE)
        modules->poolings[0] = BERT_POOLING_MEAN;
    return true;
}

static bool read_pooling(const char *folder, const char *inner, sentence_modules *modules,
                         fault_text *fault)
{
    char path[FILE_MAX_PATH];
    cJSON *config;
    if (modules->poolings[0] != BERT_POOLING_NONE)
        return fault_set(fault, "%s: modules.json has two poolings", folder);
    if (!read_object(folder, inner, "config.json", path, &config, fault))
        return false;
    if (!config)
        return fault_set(fault, "%s: is not there, and is needed to know the pooling", path);
    const cJSON *size = item_of(config, "embedding_dimension");
    const cJSON *prompt = item_of(config, "include_prompt");
    size = size ? size : item_of(config, "word_embedding_dimension");
    bool ok = read_modes(path, config, modules, fault);
    if (ok && size &&
        !(cJSON_IsNumber(size) && size->valuedouble >= 1 && size->valuedouble < 1 << 20))
        ok = refuse(path, config, size->string, "it must be a whole number", fault);
    if (ok && prompt && !cJSON_IsBool(prompt))
        ok = refuse(path, config, "include_prompt", "it must be true or false", fault);
    if (ok && size)
        modules->pooled_size = (uint32_t)size->valuedouble;
    if (ok && prompt)
        cJSON_AddBoolToObject(modules->description, "include_prompt", cJSON_IsTrue(prompt));
    cJSON_Delete(config);
    return ok;
}

/* --------------------------------------------------------------------- dense layer and length -- */

/* Whether a module reads and writes the sentence's embedding, as it does by default. */
static bool is_of_sentence(const char *path, const cJSON *config, fault_text *fault)
{
    static const char *const keys[] = {"module_input_name", "module_output_name"};
    for (int i = 0; i < 2; i++) {
        const cJSON *item = item_of(config, keys[i]);
        if (item && !(cJSON_IsString(item) && strcmp(item->valuestring, "sentence_embedding") == 0))
            return refuse(path, config, keys[i], "only sentence_embedding is computed", fault);
    }
    return true;
}

static bool read_activation(const char *path, const cJSON *config, bert_activation *activation,
                            fault_text *fault)
{
    static const struct {
        const char *name;
        bert_activation activation;
    } names[] = {{"Tanh", BERT_ACTIVATION_TANH},
                 {"Identity", BERT_ACTIVATION_NONE},
                 {"GELU", BERT_ACTIVATION_GELU},
                 {"ReLU", BERT_ACTIVATION_RELU},
                 {"SiLU", BERT_ACTIVATION_SILU}};
    const char *name = text_of(config, "activation_function");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name ? class_of(name) : "Tanh", names[i].name) == 0 &&
            (!name || strncmp(name, "torch.nn.", 9) == 0)) {
            *activation = names[i].activation;
            return true;
        }
    return refuse(path, config, "activation_function",
                  "it must be torch's Tanh, Identity, GELU, ReLU or SiLU", fault);
}

static bool read_size(const char *path, const cJSON *config, const char *key, uint32_t *size,
                      fault_text *fault)
{
    const cJSON *item = item_of(config, key);
    bool ok = cJSON_IsNumber(item) && item->valuedouble >= 1 && item->valuedouble <= 1 << 20 &&
              item->valuedouble == floor(item->valuedouble);
    *size = ok ? (uint32_t)item->valuedouble : 0;
    return ok || refuse(path, config, key, "it must be a whole number", fault);
}

static bool read_dense(const char *folder, const char *inner, sentence_modules *modules,
                       fault_text *fault)
{
    char path[FILE_MAX_PATH];
    cJSON *config;
    sentence_dense *dense = &modules->dense;
    if (dense->path[0] || modules->normalize || modules->poolings[0] == BERT_POOLING_NONE)
        return fault_set(fault,
                         "%s: modules.json has a Dense, %s: only one between the pooling "
                         "and the Normalize is computed",
                         folder, inner);
    if (!read_object(folder, inner, "config.json", path, &config, fault))
        return false;
    if (!config)
        return fault_set(fault, "%s: is not there, and is needed to know the Dense", path);
    const cJSON *residual = item_of(config, "use_residual"), *bias = item_of(config, "bias");
    dense->has_bias = !cJSON_IsFalse(bias);
    bool ok = is_of_sentence(path, config, fault) &&
              read_size(path, config, "in_features", &dense->n_in, fault) &&
              read_size(path, config, "out_features", &dense->n_out, fault) &&
              read_activation(path, config, &dense->activation, fault);
    if (ok && residual && !cJSON_IsFalse(residual))
        ok = refuse(path, config, "use_residual", "only false is computed", fault);
    cJSON_Delete(config);
    if (ok && !find(folder, inner, "model.safetensors", dense->path))
        ok = fault_set(fault,
                       "%s: is not there, and has the weights of the Dense (a "
                       "pytorch_model.bin is not read: save the model as safetensors)",
                       dense->path);
    return ok;
}

static bool read_normalize(const char *folder, const char *inner, sentence_modules *modules,
                           fault_text *fault)
{
    char path[FILE_MAX_PATH];
    cJSON *config;
    if (!read_object(folder, inner, "config.json", path, &config, fault))
        return false;
    bool ok = is_of_sentence(path, config, fault);
    cJSON_Delete(config);
    if (ok && modules->poolings[0] == BERT_POOLING_NONE)
        ok = fault_set(fault, "%s: modules.json has a Normalize before the pooling", folder);
    modules->normalize = true;
    return ok;
}

/* ----------------------------------------------------------------------------------- modules -- */

static bool read_transformer(const char *folder, const char *inner, sentence_modules *modules,
                             fault_text *fault)
{
    static const char *const names[] = {
        "sentence_bert_config.json",       "sentence_roberta_config.json",
        "sentence_distilbert_config.json", "sentence_camembert_config.json",
        "sentence_albert_config.json",     "sentence_xlm-roberta_config.json"};
    char path[FILE_MAX_PATH];
    cJSON *config = NULL;
    snprintf(modules->inner, sizeof modules->inner, "%s", inner);
    for (size_t i = 0; !config && i < sizeof names / sizeof *names; i++)
        if (!read_object(folder, inner, names[i], path, &config, fault))
            return false;
    const cJSON *length = item_of(config, "max_seq_length");
    const cJSON *lower = item_of(config, "do_lower_case");
    bool ok = true;
    if (length && !(cJSON_IsNumber(length) && length->valuedouble >= 1))
        ok = refuse(path, config, "max_seq_length", "it must be a whole number", fault);
    else if (length)
        modules->max_length = floor(length->valuedouble);
    modules->lower_cases = cJSON_IsTrue(lower);
    cJSON_Delete(config);
    return ok;
}

static bool read_module(const char *folder, const cJSON *module, size_t index,
                        sentence_modules *modules, fault_text *fault)
{
    static const struct {
        const char *name;
        bool (*read)(const char *folder, const char *inner, sentence_modules *modules,
                     fault_text *fault);
    } kinds[] = {{"Transformer", read_transformer},
                 {"Pooling", read_pooling},
                 {"Dense", read_dense},
                 {"Normalize", read_normalize}};
    const char *type = text_of(module, "type"), *path = text_of(module, "path");
    bool is_known = type && strncmp(type, "sentence_transformers.", 22) == 0;
    if (!type || !path)
        return fault_set(fault, "%s/modules.json: each module needs a type and a path", folder);
    if (!is_inner(path))
        return fault_set(fault, "%s/modules.json: the path '%.200s' leaves the folder", folder,
                         path);
    if (is_known && strcmp(class_of(type), "Dropout") == 0)
        return true; /* for training alone */
    if ((index == 0) != (strcmp(class_of(type), "Transformer") == 0))
        is_known = false;
    for (size_t i = 0; is_known && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(class_of(type), kinds[i].name) == 0)
            return kinds[i].read(folder, path, modules, fault);
    return fault_set(fault,
                     "%s/modules.json: the module '%.100s' is not computed there: a Transformer, "
                     "a Pooling, a Dense and a Normalize are, in this order",
                     folder, type);
}

/* The activation by its class. */
static void set_activation(sentence_modules *modules, const char *name)
{
    const char *activation = strcmp(class_of(name), "Sigmoid") == 0    ? "sigmoid"
                             : strcmp(class_of(name), "Identity") == 0 ? "none"
                                                                       : NULL;
    if (!activation)
        fault_warn("the activation of scores, %.100s, is not known: callers choose one", name);
    else if (!cJSON_GetObjectItemCaseSensitive(modules->description, "activation"))
        cJSON_AddStringToObject(modules->description, "activation", activation);
}

static void set_similarity(sentence_modules *modules, const char *name)
{
    static const char *const known[] = {"cosine", "dot", "euclidean", "manhattan"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(name, known[i]) == 0) {
            cJSON_AddStringToObject(modules->description, "similarity", name);
            return;
        }
    fault_warn("similarity_fn_name '%.100s' is not known: callers choose one", name);
}

void sentence_take_activation(sentence_modules *modules, const cJSON *config)
{
    const char *name = text_of(item_of(config, "sentence_transformers"), "activation_fn");
    if (!name)
        name = text_of(config, "sbert_ce_default_activation_function");
    if (name && modules->description)
        set_activation(modules, name);
}

/* Prompts and similarity, into the description. */
static bool read_config(const char *folder, sentence_modules *modules, fault_text *fault)
{
    char path[FILE_MAX_PATH];
    cJSON *config;
    if (!read_object(folder, "", "config_sentence_transformers.json", path, &config, fault))
        return false;
    const cJSON *prompt, *prompts = item_of(config, "prompts");
    const cJSON *name = item_of(config, "default_prompt_name");
    const char *similarity = text_of(config, "similarity_fn_name");
    const char *activation = text_of(config, "activation_fn");
    bool ok = !prompts || cJSON_IsObject(prompts);
    cJSON_ArrayForEach(prompt, prompts) ok = ok && cJSON_IsString(prompt);
    if (!ok)
        ok = refuse(path, config, "prompts", "it must be an object of texts", fault);
    else if (name && !(cJSON_IsString(name) &&
                       cJSON_GetObjectItemCaseSensitive(prompts, name->valuestring)))
        ok = refuse(path, config, "default_prompt_name", "it must be the name of a prompt", fault);
    if (ok && cJSON_GetArraySize(prompts) > 0)
        cJSON_AddItemToObject(modules->description, "prompts", cJSON_Duplicate(prompts, true));
    if (ok && name)
        cJSON_AddStringToObject(modules->description, "default_prompt_name", name->valuestring);
    if (ok && similarity)
        set_similarity(modules, similarity);
    if (ok && activation)
        set_activation(modules, activation);
    cJSON_Delete(config);
    return ok;
}

bool sentence_open(const char *folder, sentence_modules *modules, fault_text *fault)
{
    char path[FILE_MAX_PATH];
    const cJSON *module;
    size_t index = 0;
    *modules = (sentence_modules){.description = cJSON_CreateObject()};
    if (!read_config(folder, modules, fault))
        return false;
    if (!find(folder, "", "modules.json", path))
        return true;
    cJSON *list = json_array_file(path, fault);
    bool ok = list != NULL;
    cJSON_ArrayForEach(module, list) ok =
        ok && read_module(folder, module, index++, modules, fault);
    cJSON_Delete(list);
    return ok;
}

void sentence_close(sentence_modules *modules)
{
    cJSON_Delete(modules->description);
    *modules = (sentence_modules){0};
}

/* --------------------------------------------------------------------------------- tokenizer -- */

static bool lower_cases(const cJSON *normalizer)
{
    const char *type = text_of(normalizer, "type");
    const cJSON *item, *parts = item_of(normalizer, "normalizers");
    if (type &&
        (strcmp(type, "Lowercase") == 0 ||
         (strcmp(type, "BertNormalizer") == 0 && cJSON_IsTrue(item_of(normalizer, "lowercase")))))
        return true;
    cJSON_ArrayForEach(item, parts)
    {
        if (lower_cases(item))
            return true;
    }
    return false;
}

char *sentence_lower_case(const cJSON *tokenizer)
{
    const cJSON *normalizer = item_of(tokenizer, "normalizer");
    if (lower_cases(normalizer))
        return NULL;
    cJSON *made = cJSON_Duplicate(tokenizer, true), *sequence = cJSON_CreateObject();
    cJSON *parts = cJSON_CreateArray(), *lower = cJSON_CreateObject();
    cJSON_AddStringToObject(lower, "type", "Lowercase");
    cJSON_AddItemToArray(parts, lower);
    if (normalizer)
        cJSON_AddItemToArray(parts, cJSON_Duplicate(normalizer, true));
    cJSON_AddStringToObject(sequence, "type", "Sequence");
    cJSON_AddItemToObject(sequence, "normalizers", parts);
    if (cJSON_GetObjectItemCaseSensitive(made, "normalizer"))
        cJSON_ReplaceItemInObjectCaseSensitive(made, "normalizer", sequence);
    else
        cJSON_AddItemToObject(made, "normalizer", sequence);
    char *text = cJSON_PrintUnformatted(made);
    cJSON_Delete(made);
    return text;
}

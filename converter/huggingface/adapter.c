/* adapter.c - see adapter.h. */
#include "huggingface/adapter.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/text.h"

/* They are looked for one by one. */
#define MAX_TENSORS 16384

/* Whether `name` is `wanted`, perhaps with something before it. */
static bool is_named(const char *name, const char *wanted)
{
    size_t n = strlen(name), n_wanted = strlen(wanted);
    return text_ends_with(name, wanted) && (n == n_wanted || name[n - n_wanted - 1] == '.');
}

static void cut_part(char *name, const char *part)
{
    char *at = strstr(name, part);
    if (at && (at[strlen(part)] == '.' || at[strlen(part)] == '\0'))
        memmove(at, at + strlen(part), strlen(at + strlen(part)) + 1);
}

/* Reads what a tensor is from its name. */
static bool read_entry(const char *path, named_tensor *tensor, adapter_entry *entry,
                       fault_text *fault)
{
    static const char start[] = "base_model.model.";
    const char *name = tensor->name;
    entry->tensor = tensor;
    entry->name = calloc(1, strlen(name) + sizeof ".weight");
    if (!entry->name)
        abort();
    if (strncmp(name, start, sizeof start - 1) == 0)
        name += sizeof start - 1;
    strcpy(entry->name, name);
    cut_part(entry->name, ".default");
    cut_part(entry->name, ".base_layer");
    cut_part(entry->name, ".modules_to_save");
    entry->kind = ADAPTER_WHOLE;
    for (int kind = ADAPTER_A; kind <= ADAPTER_B; kind++) {
        char *at = strstr(entry->name, kind == ADAPTER_A ? ".lora_A.weight" : ".lora_B.weight");
        if (at) {
            entry->kind = (adapter_kind)kind;
            strcpy(at, ".weight");
        }
    }
    if (entry->kind == ADAPTER_WHOLE && strstr(entry->name, "lora_"))
        return fault_set(fault,
                         "%s: the tensor '%.200s' is of a kind of adapter that is not computed "
                         "(lora_A and lora_B are): merge it into its model before",
                         path, tensor->stored.name);
    if (!tensor->is_weight)
        return fault_set(fault, "%s: the tensor '%.200s' is %s: it must be F32, F16 or BF16", path,
                         tensor->stored.name, tensor->dtype);
    return true;
}

/* A number of `pattern`, whose keys name modules, or `fallback`. */
static double pattern_number(const lora_adapter *adapter, const char *key, const char *module,
                             double fallback)
{
    const cJSON *item, *pattern = settings_item(&adapter->config, key);
    if (pattern && !cJSON_IsObject(pattern))
        settings_refuse(&adapter->config, key, "it must be an object of numbers");
    cJSON_ArrayForEach(item, pattern)
    {
        if (strpbrk(item->string, "^$*+?()[]{}|\\") || !cJSON_IsNumber(item))
            settings_refuse(&adapter->config, key, "its keys must be names of modules");
        else if (is_named(module, item->string))
            return item->valuedouble;
    }
    return fallback;
}

/* Joins the two matrices of a pair, and finds its scale. */
static bool join_pair(lora_adapter *adapter, adapter_entry *a)
{
    const settings *config = &adapter->config;
    const stored_tensor *b = NULL;
    char module[1024];
    for (size_t i = 0; i < adapter->n_entries; i++)
        if (adapter->entries[i].kind == ADAPTER_B && strcmp(adapter->entries[i].name, a->name) == 0)
            b = &adapter->entries[i].tensor->stored;
    const stored_tensor *stored = &a->tensor->stored;
    if (!b || stored->rank != 2 || b->rank != 2 || stored->dims[0] != b->dims[1] ||
        stored->dims[0] == 0 || stored->dims[0] > UINT32_MAX)
        return fault_set(config->fault,
                         "%s: the tensor '%.200s' %s needs a lora_B of as many columns as it has "
                         "rows",
                         stored->file->path, stored->name, tensors_shape(stored).text);
    snprintf(module, sizeof module, "%.*s", (int)(strlen(a->name) - strlen(".weight")), a->name);
    double rank = (double)stored->dims[0];
    double alpha =
        pattern_number(adapter, "alpha_pattern", module, settings_number(config, "lora_alpha", 8));
    double given = pattern_number(adapter, "rank_pattern", module, settings_number(config, "r", 8));
    if (given != rank)
        return fault_set(config->fault, "%s: says r %g of '%.200s', whose matrix has %g rows",
                         config->path, given, a->name, rank);
    bool is_stable = settings_flag(config, "use_rslora", false);
    a->pair = (adapter_pair){.a = stored,
                             .b = b,
                             .rank = (uint32_t)rank,
                             .scale = alpha / (is_stable ? sqrt(rank) : rank)};
    return !config->fault->text[0];
}

/* Refuses what the config can say and nobody computes here. */
static bool check_config(const settings *config)
{
    static const char *const others[] = {"use_dora", "lora_bias", "use_qalora", "layer_replication",
                                         "alora_invocation_tokens"};
    if (strcmp(settings_text(config, "peft_type", "LORA"), "LORA") != 0)
        return settings_refuse(config, "peft_type", "only LORA is computed: merge it before");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const cJSON *item = settings_item(config, others[i]);
        if (item && !cJSON_IsFalse(item))
            return settings_refuse(config, others[i],
                                   "it is not computed: merge the adapter into its model before");
    }
    return !config->fault->text[0];
}

bool adapter_open(const char *path, const cJSON *config, lora_adapter *adapter, fault_text *fault)
{
    *adapter = (struct lora_adapter){.config = {"adapter_config.json", config, fault}};
    if (!check_config(&adapter->config) || !tensors_open(path, &adapter->tensors, fault))
        return false;
    if (adapter->tensors.n_tensors > MAX_TENSORS)
        return fault_set(fault, "%s: has %zu tensors, an adapter at most %d", path,
                         adapter->tensors.n_tensors, MAX_TENSORS);
    adapter->entries = calloc(adapter->tensors.n_tensors + 1, sizeof *adapter->entries);
    if (!adapter->entries)
        abort();
    for (size_t i = 0; i < adapter->tensors.n_tensors; i++)
        if (!read_entry(path, &adapter->tensors.tensors[i], &adapter->entries[adapter->n_entries++],
                        fault))
            return false;
    for (size_t i = 0; i < adapter->n_entries; i++)
        for (size_t k = 0; k < i; k++)
            if (adapter->entries[i].kind == adapter->entries[k].kind &&
                strcmp(adapter->entries[i].name, adapter->entries[k].name) == 0)
                return fault_set(fault,
                                 "%s: the tensors '%.200s' and '%.200s' are both for '%.200s'",
                                 path, adapter->entries[k].tensor->stored.name,
                                 adapter->entries[i].tensor->stored.name, adapter->entries[i].name);
    for (size_t i = 0; i < adapter->n_entries; i++)
        if (adapter->entries[i].kind == ADAPTER_A && !join_pair(adapter, &adapter->entries[i]))
            return false;
    return true;
}

void adapter_close(lora_adapter *adapter)
{
    for (size_t i = 0; i < adapter->n_entries; i++)
        free(adapter->entries[i].name);
    free(adapter->entries);
    tensors_close(&adapter->tensors);
    *adapter = (struct lora_adapter){0};
}

static adapter_entry *find(const lora_adapter *adapter, const char *name, adapter_kind kind)
{
    for (size_t i = 0; i < adapter->n_entries; i++)
        if (adapter->entries[i].kind == kind && is_named(adapter->entries[i].name, name)) {
            adapter->entries[i].tensor->is_used = true;
            return &adapter->entries[i];
        }
    return NULL;
}

const adapter_pair *adapter_find_pair(const lora_adapter *adapter, const char *name)
{
    const adapter_entry *a = find(adapter, name, ADAPTER_A);
    return a && find(adapter, name, ADAPTER_B) ? &a->pair : NULL;
}

named_tensor *adapter_find_whole(const lora_adapter *adapter, const char *name)
{
    adapter_entry *entry = find(adapter, name, ADAPTER_WHOLE);
    return entry ? entry->tensor : NULL;
}

const char *adapter_architecture(const lora_adapter *adapter)
{
    static const char *const tasks[][2] = {{"SEQ_CLS", "ForSequenceClassification"},
                                           {"TOKEN_CLS", "ForTokenClassification"},
                                           {"QUESTION_ANS", "ForQuestionAnswering"},
                                           {"FEATURE_EXTRACTION", "Model"}};
    const char *task =
        adapter->n_entries ? settings_text(&adapter->config, "task_type", NULL) : NULL;
    for (size_t i = 0; task && i < sizeof tasks / sizeof *tasks; i++)
        if (strcmp(task, tasks[i][0]) == 0)
            return tasks[i][1];
    return NULL;
}

bool adapter_check_used(const lora_adapter *adapter)
{
    for (size_t i = 0; i < adapter->n_entries; i++)
        if (!adapter->entries[i].tensor->is_used)
            return fault_set(adapter->config.fault,
                             "%s: the tensor '%.200s' belongs to nothing in the model: is it the "
                             "adapter of another one?",
                             adapter->entries[i].tensor->stored.file->path,
                             adapter->entries[i].tensor->stored.name);
    return true;
}

bool adapter_add(const adapter_pair *pair, uint32_t n_in, uint32_t n_out, float *floats,
                 fault_text *fault)
{
    size_t rank = pair->rank;
    float *a = malloc(rank * n_in * sizeof *a), *b = malloc(n_out * rank * sizeof *b);
    double *row = malloc(n_in * sizeof *row);
    bool ok = (a && b && row) || fault_set(fault, "out of memory for '%s'", pair->a->name);
    ok = ok && stored_floats(pair->a, 0, rank * n_in, a, fault) &&
         stored_floats(pair->b, 0, n_out * rank, b, fault);
    for (size_t o = 0; ok && o < n_out; o++) {
        memset(row, 0, n_in * sizeof *row);
        for (size_t k = 0; k < rank; k++)
            for (size_t i = 0; i < n_in; i++)
                row[i] += (double)b[o * rank + k] * a[k * n_in + i];
        for (size_t i = 0; i < n_in; i++)
            floats[o * n_in + i] = (float)(floats[o * n_in + i] + pair->scale * row[i]);
    }
    free(a);
    free(b);
    free(row);
    return ok;
}

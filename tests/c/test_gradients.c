/*
 * test_gradients.c - training against PyTorch: for each folder of tests/golden/gradients
 * (make_gradients.py and gradient_heads.py, which say what is in it) the logits, the gradient of
 * every parameter, and the losses of 20 steps of AdamW. BERT_GRADIENTS names another folder of such
 * folders.
 *
 * Models come as a user's would, through the converter; so a gradient is compared by the name and
 * in the shape that transformers has for it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conversion.h"
#include "files/json.h"
#include "harness.h"
#include "huggingface/tensors.h"
#include "native/model_file.h"
#include "train.h"

#define MOST_TOKENS 64
#define MOST_SEQUENCES 8
#define MOST_LABELS 28 /* words, too */

/* ------------------------------------------------------------------------------------- names -- */

/* What transformers calls a parameter becomes ours by these, one after the other. */
static const char *const renamings[][2] = {
    {"roberta.", ""},
    {"distilbert.", ""},
    {"electra.", ""},
    {"albert.", ""},
    {"mpnet.", ""},
    {"deberta.", ""},
    {"bert.", ""},
    {"embeddings.word_embeddings", "embeddings.word"},
    {"embeddings.position_embeddings", "embeddings.position"},
    {"embeddings.token_type_embeddings", "embeddings.token_type"},
    {"embeddings.LayerNorm", "embeddings.norm"},
    {"encoder.embedding_hidden_mapping_in", "embeddings.projection"},
    {"embeddings_project", "embeddings.projection"},
    {"encoder.relative_attention_bias.weight", "attention.bias"},
    {"embeddings.embed_proj", "embeddings.projection"},
    {"encoder.rel_embeddings", "relative.embeddings"},
    {"encoder.LayerNorm", "relative.norm"},
    {"encoder.conv.conv", "conv"},
    {"encoder.conv.LayerNorm", "conv.norm"},
    {"self.pos_proj", "relative_key.projection"},
    {"self.pos_key_proj", "relative_key.projection"},
    {"self.pos_q_proj", "relative_query.projection"},
    {"self.pos_query_proj", "relative_query.projection"},
    {"self.query_proj", "query"},
    {"self.key_proj", "key"},
    {"self.value_proj", "value"},
    {"self.q_bias", "query.bias"},
    {"self.v_bias", "value.bias"},
    {"encoder.albert_layer_groups.", "layers."},
    {".albert_layers.0", ""},
    {"encoder.layer.", "layers."},
    {"transformer.layer.", "layers."},
    {"attention.self.", "attention."},
    {"attention.attn.q.", "attention.query."},
    {"attention.attn.k.", "attention.key."},
    {"attention.attn.v.", "attention.value."},
    {"attention.attn.o.", "attention.output."},
    {"attention.q_lin", "attention.query"},
    {"attention.k_lin", "attention.key"},
    {"attention.v_lin", "attention.value"},
    {"attention.out_lin", "attention.output"},
    {"sa_layer_norm", "attention.norm"},
    {"output_layer_norm", "output.norm"},
    {"full_layer_layer_norm", "output.norm"},
    {"ffn.lin1", "intermediate"},
    {"ffn.lin2", "output"},
    {"ffn_output", "output"},
    {".ffn.", ".intermediate."},
    {"attention.output.LayerNorm", "attention.norm"},
    {"attention.output.dense", "attention.output"},
    {"attention.LayerNorm", "attention.norm"},
    {"attention.dense", "attention.output"},
    {"intermediate.dense", "intermediate"},
    {"output.LayerNorm", "output.norm"},
    {"output.dense", "output"},
    {"pooler.dense", "pooler"},
    {"classifier.dense", "pooler"},
    {"pre_classifier", "pooler"},
    {"classifier.out_proj", "classifier"},
    {"qa_outputs", "token_classifier"},
    {"cls.seq_relationship", "classifier"},
    {"cls.predictions.transform.dense", "lm.transform"},
    {"cls.predictions.transform.LayerNorm", "lm.norm"},
    {"cls.predictions.bias", "lm.decoder.bias"},
    {"generator_predictions.dense", "lm.transform"},
    {"generator_predictions.LayerNorm", "lm.norm"},
    {"generator_lm_head.bias", "lm.decoder.bias"},
    {"lm_head.dense", "lm.transform"},
    {"lm_head.layer_norm", "lm.norm"},
    {"lm_head.bias", "lm.decoder.bias"},
    {"predictions.dense", "lm.transform"},
    {"predictions.LayerNorm", "lm.norm"},
    {"predictions.bias", "lm.decoder.bias"},
    {"predictions.decoder", "lm.decoder"},
    {"lora_A", "lora_a"},
    {"lora_B", "lora_b"},
};

static void rename_part(char name[128], const char *from, const char *to)
{
    char rest[128], *at = strstr(name, from);
    if (!at)
        return;
    snprintf(rest, sizeof rest, "%s", at + strlen(from));
    snprintf(at, (size_t)(name + 128 - at), "%s%s", to, rest);
}

/* Our name of a parameter of transformers. */
static void our_name(const char *theirs, int is_of_tokens, char name[128])
{
    snprintf(name, 128, "%s", theirs);
    for (size_t i = 0; i < sizeof renamings / sizeof *renamings; i++)
        rename_part(name, renamings[i][0], renamings[i][1]);
    if (is_of_tokens && strncmp(name, "classifier.", 11) == 0)
        rename_part(name, "classifier", "token_classifier");
}

/* -------------------------------------------------------------------------------------- case -- */

typedef struct trained_case trained_case;

/* The loss and the derivatives of a task. */
typedef bert_status task_loss(trained_case *it, float *loss, bert_error *error);

/* A folder's model, and its batch without padding. */
struct trained_case {
    const char *folder;
    cJSON *train;
    const char *task; /* NULL: classes of sequences or tokens */
    task_loss *compute;
    bert_output output;
    model_file file;
    bert_trainer *trainer;
    int is_of_tokens; /* whether labels are */
    bert_batch batch;
    uint32_t lengths[MOST_SEQUENCES];
    uint32_t ids[MOST_TOKENS], types[MOST_TOKENS], positions[MOST_TOKENS], n_tokens;
    int32_t labels[MOST_TOKENS];
    uint32_t n_rows, n_labels;
    float logits[MOST_TOKENS * MOST_LABELS], gradient[MOST_TOKENS * MOST_LABELS];
    float weights[MOST_LABELS];
    bert_loss_options options;
    uint32_t lm_tokens[MOST_TOKENS], n_lm_tokens;
    float pair_logits[2 * MOST_SEQUENCES], pair_gradient[2 * MOST_SEQUENCES];
    int32_t pair_labels[MOST_SEQUENCES];
    float targets[MOST_SEQUENCES * MOST_LABELS]; /* labels that are no classes, or a teacher's */
    uint32_t rows[2][2 * MOST_SEQUENCES];        /* pairs, or anchors and candidates */
};

static const cJSON *get(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static double number(const cJSON *object, const char *key, double otherwise)
{
    const cJSON *item = get(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : otherwise;
}

static uint32_t whole(const cJSON *array, uint32_t i)
{
    return (uint32_t)cJSON_GetArrayItem(array, (int)i)->valuedouble;
}

/* All numbers of arrays within arrays; how many there are. */
static uint32_t flatten(const cJSON *array, float *numbers)
{
    uint32_t n = 0;
    const cJSON *item;
    if (cJSON_IsNumber(array))
        numbers[n++] = (float)array->valuedouble;
    cJSON_ArrayForEach(item, array) n += flatten(item, numbers + n);
    return n;
}

static uint32_t whole_numbers(const cJSON *array, uint32_t *numbers)
{
    float all[MOST_TOKENS];
    uint32_t n = flatten(array, all);
    for (uint32_t i = 0; i < n; i++)
        numbers[i] = (uint32_t)all[i];
    return n;
}

/* Row `s` of the padded batch. */
static void add_sequence(trained_case *it, uint32_t s)
{
    const cJSON *batch = get(it->train, "batch"), *labels = get(it->train, "labels");
    const cJSON *ids = cJSON_GetArrayItem(get(batch, "input_ids"), (int)s);
    const cJSON *mask = cJSON_GetArrayItem(get(batch, "attention_mask"), (int)s);
    const cJSON *types = cJSON_GetArrayItem(get(batch, "token_type_ids"), (int)s);
    const cJSON *label = cJSON_GetArrayItem(labels, (int)s);
    uint32_t row_ids[MOST_TOKENS], kept[MOST_TOKENS], n = (uint32_t)cJSON_GetArraySize(ids);
    uint8_t row_mask[MOST_TOKENS];
    for (uint32_t i = 0; i < n; i++) {
        row_ids[i] = whole(ids, i);
        row_mask[i] = (uint8_t)whole(mask, i);
    }
    uint32_t n_kept = bert_sequence_keep(&it->file.config, n, row_ids, row_mask, kept,
                                         it->positions + it->n_tokens);
    it->lengths[s] = n_kept;
    for (uint32_t i = 0; i < n_kept; i++, it->n_tokens++) {
        it->ids[it->n_tokens] = row_ids[kept[i]];
        it->types[it->n_tokens] = types ? whole(types, kept[i]) : 0;
        if (it->is_of_tokens)
            it->labels[it->n_tokens] =
                (int32_t)cJSON_GetArrayItem(label, (int)kept[i])->valuedouble;
    }
    if (cJSON_IsNumber(label))
        it->labels[s] = (int32_t)label->valuedouble;
}

static void read_loss(trained_case *it)
{
    const cJSON *options = get(it->train, "loss_options");
    const cJSON *weights = get(options, "class_weights");
    for (int c = 0; c < cJSON_GetArraySize(weights); c++)
        it->weights[c] = (float)cJSON_GetArrayItem(weights, c)->valuedouble;
    it->options = (bert_loss_options){.class_weights = weights ? it->weights : NULL,
                                      .smoothing = (float)number(options, "label_smoothing", 0)};
}

/* ------------------------------------------------------------------------------------- tasks -- */

static bert_status classes(trained_case *it, float *loss, bert_error *error)
{
    return bert_loss_cross_entropy(it->logits, it->n_rows, it->n_labels, it->labels, &it->options,
                                   loss, it->gradient, error);
}

static bert_status words_and_pairs(trained_case *it, float *loss, bert_error *error)
{
    float of_pairs = 0;
    bert_status status = classes(it, loss, error);
    if (status == BERT_OK)
        status = bert_loss_cross_entropy(it->pair_logits, it->batch.n_sequences, 2, it->pair_labels,
                                         NULL, &of_pairs, it->pair_gradient, error);
    *loss += of_pairs;
    return status;
}

static bert_status spans(trained_case *it, float *loss, bert_error *error)
{
    int32_t starts[MOST_SEQUENCES], ends[MOST_SEQUENCES];
    for (uint32_t s = 0; s < it->batch.n_sequences; s++) {
        starts[s] = (int32_t)it->targets[2 * s];
        ends[s] = (int32_t)it->targets[2 * s + 1];
    }
    return bert_loss_spans(it->logits, it->batch.n_sequences, it->lengths, starts, ends, NULL, loss,
                           it->gradient, error);
}

static bert_status several_labels(trained_case *it, float *loss, bert_error *error)
{
    return bert_loss_binary_cross_entropy(it->logits, it->n_rows, it->n_labels, it->targets,
                                          &it->options, loss, it->gradient, error);
}

static bert_status regression(trained_case *it, float *loss, bert_error *error)
{
    return bert_loss_squares(it->logits, it->n_rows * it->n_labels, it->targets, 0, loss,
                             it->gradient, error);
}

static bert_status cosine_pairs(trained_case *it, float *loss, bert_error *error)
{
    uint32_t n_pairs = whole_numbers(get(it->train, "pairs"), it->rows[0]) / 2;
    return bert_loss_cosine_pairs(it->logits, it->n_rows, it->n_labels, it->rows[0], it->targets,
                                  n_pairs, 0, loss, it->gradient, error);
}

static bert_status ranking(trained_case *it, float *loss, bert_error *error)
{
    float scores[MOST_SEQUENCES * MOST_SEQUENCES];
    bert_ranking ranking = {.anchors = it->rows[0],
                            .candidates = it->rows[1],
                            .scale = (float)number(it->train, "scale", 0)};
    ranking.n_anchors = whole_numbers(get(it->train, "anchors"), it->rows[0]);
    ranking.n_candidates = whole_numbers(get(it->train, "candidates"), it->rows[1]);
    return bert_loss_in_batch_negatives(it->logits, it->n_rows, it->n_labels, &ranking, scores,
                                        loss, it->gradient, error);
}

static bert_status distillation(trained_case *it, float *loss, bert_error *error)
{
    bert_distillation options = {.temperature = (float)number(it->train, "temperature", 0),
                                 .hard_share = (float)number(it->train, "hard_share", 0)};
    return bert_loss_distillation(it->logits, it->targets, it->n_rows, it->n_labels, it->labels,
                                  &options, loss, it->gradient, error);
}

static const struct {
    const char *name;
    bert_output output;
    task_loss *compute;
    const char *targets; /* what of train.json those are */
} tasks[] = {
    {"lm", BERT_OUTPUT_LM_LOGITS, classes, NULL},
    {"pretraining", BERT_OUTPUT_LM_LOGITS, words_and_pairs, NULL},
    {"spans", BERT_OUTPUT_TOKEN_LOGITS, spans, "labels"},
    {"multi-label", BERT_OUTPUT_LOGITS, several_labels, "labels"},
    {"regression", BERT_OUTPUT_LOGITS, regression, "labels"},
    {"cosine-pairs", BERT_OUTPUT_SENTENCE_EMBEDDING, cosine_pairs, "labels"},
    {"in-batch-negatives", BERT_OUTPUT_SENTENCE_EMBEDDING, ranking, NULL},
    {"distillation", BERT_OUTPUT_LOGITS, distillation, "teacher"},
};

/* What the folder is about. */
static void read_task(trained_case *it)
{
    const bert_config *config = &it->file.config;
    it->task = cJSON_GetStringValue(get(it->train, "task"));
    it->output = config->n_token_labels ? BERT_OUTPUT_TOKEN_LOGITS : BERT_OUTPUT_LOGITS;
    it->compute = it->task ? NULL : classes;
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks && it->task; i++)
        if (strcmp(it->task, tasks[i].name) == 0) {
            it->output = tasks[i].output;
            it->compute = tasks[i].compute;
            flatten(get(it->train, tasks[i].targets ? tasks[i].targets : ""), it->targets);
        }
    CHECK(it->compute, "%s: task %s", it->folder, it->task);
    it->n_labels = bert_output_columns(config, it->output);
    it->is_of_tokens = it->compute == words_and_pairs ||
                       (it->compute == classes && bert_output_is_of_tokens(it->output));
}

/* Of a language model: the tokens that are predicted, and their labels side by side. */
static void choose_words(trained_case *it)
{
    float pairs[MOST_SEQUENCES];
    uint32_t n_pairs = flatten(get(it->train, "pair_labels"), pairs);
    for (uint32_t s = 0; s < n_pairs; s++)
        it->pair_labels[s] = (int32_t)pairs[s];
    const char *which = cJSON_GetStringValue(get(it->train, "lm_tokens"));
    if (!which || strcmp(which, "all") == 0)
        return;
    for (uint32_t token = 0; token < it->n_tokens; token++)
        if (it->labels[token] != BERT_IGNORED_LABEL) {
            it->labels[it->n_lm_tokens] = it->labels[token];
            it->lm_tokens[it->n_lm_tokens++] = token;
        }
    it->batch.lm_tokens = it->lm_tokens;
    it->batch.n_lm_tokens = it->n_rows = it->n_lm_tokens;
}

static int convert(const char *in, const char *out, fault_text *fault)
{
    convert_options options = {.dtype = PACK_F32};
    conversion *it = conversion_open(in, out, &options, fault);
    int ok = it != NULL;
    while (ok && !conversion_is_done(it))
        ok = conversion_step(it, fault);
    conversion_close(it);
    return ok;
}

/* What else is done in steps: gradient_learning.py. */
static const cJSON *more_of(const trained_case *it, const char *key)
{
    return get(get(it->train, "more"), key);
}

static bert_lora lora_of(const trained_case *it)
{
    const cJSON *lora = more_of(it, "lora");
    return (bert_lora){.rank = (uint32_t)number(lora, "rank", 0),
                       .targets = (uint32_t)number(lora, "targets", 0),
                       .alpha = (float)number(lora, "alpha", 0)};
}

static int open_trainer(trained_case *it)
{
    bert_train_options options = {.max_tokens = MOST_TOKENS, .lora = lora_of(it)};
    bert_error error = {0};
    size_t n_bytes = 0;
    int ok = bert_train_size(&it->file.config, &options, &n_bytes, &error) == BERT_OK &&
             bert_train_open(&it->file.config, it->file.tensors, it->file.n_tensors, &options,
                             guarded_alloc(n_bytes), n_bytes, &it->trainer, &error) == BERT_OK;
    CHECK(ok, "%s: %s (%s)", it->folder, bert_status_text(error.status), error.subject);
    return ok;
}

static int open_case(trained_case *it, const char *folder)
{
    char path[512], out[] = "/tmp/gradients-XXXXXX";
    fault_text fault = {{0}};
    int handle = mkstemp(out);
    *it = (trained_case){.folder = folder};
    snprintf(path, sizeof path, "%s/train.json", folder);
    it->train = json_object_file(path, &fault);
    int ok = it->train && handle >= 0 && convert(folder, out, &fault) &&
             model_file_open(&it->file, out, MOST_TOKENS, &fault);
    close(handle);
    unlink(out);
    CHECK(ok, "%s: %s", folder, fault.text);
    if (!ok)
        return 0;
    uint32_t n = (uint32_t)cJSON_GetArraySize(get(get(it->train, "batch"), "input_ids"));
    read_task(it);
    for (uint32_t s = 0; s < n; s++)
        add_sequence(it, s);
    it->batch = (bert_batch){.n_sequences = n,
                             .lengths = it->lengths,
                             .ids = it->ids,
                             .token_types = it->types,
                             .positions = it->positions};
    it->n_rows = bert_output_is_of_tokens(it->output) ? it->n_tokens : n;
    choose_words(it);
    read_loss(it);
    return open_trainer(it);
}

static void close_case(trained_case *it)
{
    cJSON_Delete(it->train);
    model_file_close(&it->file);
}

/* The loss, and all gradients. */
static float go_there_and_back(trained_case *it)
{
    bert_outputs outputs = {{0}}, gradients = {{0}};
    bert_error error = {0};
    float loss = NAN;
    outputs.data[it->output] = it->logits;
    gradients.data[it->output] = it->gradient;
    if (it->compute == words_and_pairs) {
        outputs.data[BERT_OUTPUT_LOGITS] = it->pair_logits;
        gradients.data[BERT_OUTPUT_LOGITS] = it->pair_gradient;
    }
    int ok = bert_train_forward(it->trainer, &it->batch, &outputs, &error) == BERT_OK &&
             it->compute(it, &loss, &error) == BERT_OK &&
             bert_train_backward(it->trainer, &gradients, &error) == BERT_OK;
    CHECK(ok, "%s: %s (%s)", it->folder, bert_status_text(error.status), error.subject);
    return loss;
}

/* ------------------------------------------------------------------------------------ checks -- */

static const bert_parameter *parameter_called(const trained_case *it, const char *name)
{
    for (uint32_t i = 0; i < bert_train_n_parameters(it->trainer); i++) {
        const bert_parameter *own = bert_train_parameter(it->trainer, i);
        if (strcmp(own->tensor.name, name) == 0)
            return own;
    }
    return NULL;
}

/* The bucket of a distance key - query: Raffel et al. 2019, T5, section 2.1, as MPNet has it. */
static uint32_t bucket_of(int32_t distance, uint32_t n_buckets)
{
    uint32_t half = n_buckets / 2, exact = half / 2, first = distance > 0 ? half : 0;
    uint32_t n = (uint32_t)abs(distance);
    if (n < exact)
        return first + n;
    uint32_t far = exact + (uint32_t)(log((double)n / exact) / log(128.0 / exact) * (half - exact));
    return first + (far < half - 1 ? far : half - 1);
}

/* Where W [in][out] is in our panels. */
static size_t in_panels(size_t n_in, size_t out, size_t in)
{
    return (out / BERT_PANEL * n_in + in) * BERT_PANEL + out % BERT_PANEL;
}

/* What the gradient of a bias of a bucket [bucket][head] is here. */
static double bucket_gradient(const trained_case *it, const bert_parameter *own, uint32_t bucket,
                              uint32_t head, uint32_t n_buckets)
{
    int32_t n = (int32_t)it->file.config.n_distances;
    double sum = 0;
    for (int32_t distance = 1 - n; distance < n; distance++)
        if (bucket_of(distance, n_buckets) == bucket)
            sum += (double)own->gradient[(int32_t)head * (2 * n - 1) + n - 1 + distance];
    return sum;
}

/* The gradient of a matrix, where DeBERTa v1 has query, key and value of each head in turn in one
 * (in_proj), and kernels of convolutions their window last. */
static double matrix_gradient(const trained_case *it, const char *name, const uint64_t *dims,
                              uint32_t rank, size_t i)
{
    static const char *const parts[] = {"query", "key", "value"};
    const bert_config *config = &it->file.config;
    size_t width = rank == 3 ? (size_t)dims[2] : 1, n_in = (size_t)dims[1] * width;
    size_t out = i / n_in, in = i % n_in % width * (size_t)dims[1] + i % n_in / width;
    char part[128];
    snprintf(part, sizeof part, "%s", name);
    if (strstr(name, "in_proj")) {
        size_t dim = config->hidden_size / config->n_heads, head = out / dim / 3;
        rename_part(part, "in_proj", parts[out / dim % 3]);
        out = head * dim + out % dim;
    }
    const bert_parameter *own = parameter_called(it, part);
    return (double)own->gradient[in_panels(n_in, out, in)];
}

/* Element `i` of a tensor of transformers in our gradient called `name`. */
static double our_gradient(const trained_case *it, const char *name, const stored_tensor *theirs,
                           size_t i)
{
    const bert_parameter *own = parameter_called(it, name);
    if (strcmp(name, "attention.bias") == 0)
        return bucket_gradient(it, own, (uint32_t)(i / theirs->dims[1]),
                               (uint32_t)(i % theirs->dims[1]), (uint32_t)theirs->dims[0]);
    if (own && own->tensor.rank < 3)
        return (double)own->gradient[i];
    return matrix_gradient(it, name, theirs->dims, theirs->rank, i);
}

/* Returns how many of our parameters it is. */
static uint32_t check_gradient(const trained_case *it, const named_tensor *theirs)
{
    char name[128];
    fault_text fault = {{0}};
    size_t count = theirs->stored.count;
    float *want = guarded_alloc(count * sizeof *want);
    our_name(theirs->name, it->file.config.n_token_labels > 0, name);
    int is_joint = strstr(name, "in_proj") != NULL,
        is_there = is_joint || parameter_called(it, name);
    CHECK(is_there, "%s: there is no %s for %s", it->folder, name, theirs->name);
    CHECK(stored_floats(&theirs->stored, 0, count, want, &fault), "%s", fault.text);
    double largest = 0, furthest = 0;
    for (size_t i = 0; i < count && is_there; i++) {
        largest = fmax(largest, fabs((double)want[i]));
        furthest =
            fmax(furthest, fabs(our_gradient(it, name, &theirs->stored, i) - (double)want[i]));
    }
    CHECK(furthest <= 1e-6 + 1e-5 * largest, "%s: %s is %.3g from torch's, whose largest is %.3g",
          it->folder, theirs->name, furthest, largest);
    return is_joint ? 3 : 1;
}

static void check_gradients(const trained_case *it)
{
    char path[512];
    fault_text fault = {{0}};
    tensor_table table = {0};
    snprintf(path, sizeof path, "%s/gradients.safetensors", it->folder);
    CHECK(tensors_open(path, &table, &fault), "%s", fault.text);
    uint32_t n_own = 0, n_theirs = 0;
    for (uint32_t i = 0; i < bert_train_n_parameters(it->trainer); i++)
        n_own += (uint32_t)bert_train_parameter(it->trainer, i)->has_gradient;
    for (size_t i = 0; i < table.n_tensors; i++)
        n_theirs += check_gradient(it, &table.tensors[i]);
    CHECK(n_own == n_theirs && n_own > 0, "%s: %u gradients, torch has %u", it->folder, n_own,
          n_theirs);
    tensors_close(&table);
}

/* As they are: those of a task. */
static void check_outputs(const trained_case *it)
{
    const cJSON *data = get(get(it->train, "logits"), "data"), *item;
    uint32_t n = it->n_rows * it->n_labels, i = 0;
    CHECK((uint32_t)cJSON_GetArraySize(data) == n, "%s: %d outputs, not %u", it->folder,
          cJSON_GetArraySize(data), n);
    cJSON_ArrayForEach(item, data)
    {
        double got = i < n ? (double)it->logits[i] : 0;
        CHECK(fabs(got - item->valuedouble) <= 1e-5, "%s: output %u is %.8g, torch's %.8g",
              it->folder, i, got, item->valuedouble);
        i++;
    }
}

/* Padded. */
static void check_logits(const trained_case *it)
{
    const cJSON *data = get(get(it->train, "logits"), "data");
    const cJSON *mask = get(get(it->train, "batch"), "attention_mask"), *row, *bit;
    int theirs = 0;
    uint32_t own = 0;
    cJSON_ArrayForEach(row, mask)
    {
        cJSON_ArrayForEach(bit, row)
        {
            int is_row = it->is_of_tokens || bit == row->child;
            if (!is_row)
                continue;
            int is_kept = !it->is_of_tokens || bit->valuedouble > 0;
            for (uint32_t c = 0; c < it->n_labels && is_kept; c++) {
                double want = cJSON_GetArrayItem(data, theirs + (int)c)->valuedouble;
                double got = (double)it->logits[own * it->n_labels + c];
                CHECK(fabs(got - want) <= 1e-5, "%s: logit %u of row %u is %.8g, torch's %.8g",
                      it->folder, c, own, got, want);
            }
            theirs += (int)it->n_labels;
            own += (uint32_t)is_kept;
        }
    }
    CHECK(own == it->n_rows, "%s: %u rows of logits, not %u", it->folder, own, it->n_rows);
}

/* The decay that the folder's optimizer had. */
static void set_decay(trained_case *it)
{
    const char *on = cJSON_GetStringValue(get(get(it->train, "optimizer"), "on"));
    for (uint32_t i = 0; i < bert_train_n_parameters(it->trainer); i++)
        if (strcmp(on, "all parameters") == 0)
            bert_train_parameter(it->trainer, i)->is_decayed = 1;
}

/* Adapters as torch's begin. */
static void set_adapters(const trained_case *it)
{
    char path[512], name[128];
    fault_text fault = {{0}};
    tensor_table table = {0};
    snprintf(path, sizeof path, "%s/adapters.safetensors", it->folder);
    CHECK(tensors_open(path, &table, &fault) && table.n_tensors > 0, "%s", fault.text);
    for (size_t i = 0; i < table.n_tensors; i++) {
        const named_tensor *theirs = &table.tensors[i];
        float *values = guarded_alloc(theirs->stored.count * sizeof *values);
        our_name(theirs->name, it->is_of_tokens, name);
        const bert_parameter *own = parameter_called(it, name);
        CHECK(own, "%s: there is no %s for %s", it->folder, name, theirs->name);
        CHECK(stored_floats(&theirs->stored, 0, theirs->stored.count, values, &fault), "%s",
              fault.text);
        size_t n_in = (size_t)theirs->stored.dims[1];
        for (size_t k = 0; own && k < theirs->stored.count; k++)
            own->value[in_panels(n_in, k / n_in, k % n_in)] = values[k];
    }
    tensors_close(&table);
}

static void set_more(const trained_case *it)
{
    const cJSON *rates = more_of(it, "dropout");
    bert_dropout dropout = {.seed = (uint32_t)number(rates, "seed", 0),
                            .embeddings = (float)number(rates, "embeddings", 0),
                            .attention = (float)number(rates, "attention", 0),
                            .attention_output = (float)number(rates, "attention_output", 0),
                            .output = (float)number(rates, "output", 0),
                            .pooler = (float)number(rates, "pooler", 0),
                            .classifier = (float)number(rates, "classifier", 0)};
    if (rates)
        CHECK(bert_train_set_dropout(it->trainer, &dropout, NULL) == BERT_OK, "dropout");
    if (more_of(it, "lora"))
        set_adapters(it);
    if (more_of(it, "layer_decay"))
        bert_train_scale_layers(it->trainer,
                                (float)number(get(it->train, "more"), "layer_decay", 0));
}

/* The loss of the words as they are, gradients of those and of the perturbed ones. */
static float go_perturbed(trained_case *it)
{
    float epsilon = (float)number(get(it->train, "more"), "epsilon", 0);
    float loss = go_there_and_back(it), logits[MOST_TOKENS * MOST_LABELS];
    if (!(epsilon > 0))
        return loss;
    memcpy(logits, it->logits, sizeof logits);
    CHECK(bert_train_perturb(it->trainer, epsilon, NULL) == BERT_OK, "perturbed");
    CHECK(go_there_and_back(it) > loss, "%s: a perturbation makes the loss no larger", it->folder);
    bert_train_restore(it->trainer);
    memcpy(it->logits, logits, sizeof logits);
    return loss;
}

static void check_steps(trained_case *it)
{
    const cJSON *optimizer = get(it->train, "optimizer"), *losses = get(it->train, "losses");
    bert_adamw adamw = {.learning_rate = number(optimizer, "lr", 0),
                        .weight_decay = number(optimizer, "weight_decay", 0)};
    double max_norm = number(optimizer, "max_norm", 0), rate = adamw.learning_rate;
    uint32_t n_warmup = (uint32_t)number(get(it->train, "more"), "n_warmup", 0);
    uint32_t n_steps = (uint32_t)cJSON_GetArraySize(losses);
    set_decay(it);
    set_more(it);
    for (uint32_t step = 0; step < n_steps; step++) {
        double want = cJSON_GetArrayItem(losses, (int)step)->valuedouble;
        double got = (double)go_perturbed(it);
        CHECK(fabs(got - want) <= 2e-5, "%s: after %u steps the loss is %.8g, torch's %.8g",
              it->folder, step, got, want);
        if (step == 0) {
            if (it->task)
                check_outputs(it);
            else
                check_logits(it);
            check_gradients(it);
        }
        if (max_norm > 0)
            bert_train_clip(it->trainer, (float)max_norm);
        if (n_warmup)
            adamw.learning_rate =
                rate * bert_schedule(BERT_SCHEDULE_LINEAR, step, n_warmup, n_steps);
        bert_train_step(it->trainer, &adamw);
    }
}

/* ------------------------------------------------------------------------------- the folders -- */

static void check_folder(const char *name)
{
    static trained_case it;
    const char *root = getenv("BERT_GRADIENTS");
    char folder[512];
    snprintf(folder, sizeof folder, "%s/%s", root ? root : "tests/golden/gradients", name);
    if (root && file_find(folder) == FILE_NOTHING)
        return;
    if (open_case(&it, folder))
        check_steps(&it);
    close_case(&it);
}

TEST(bert_with_a_pooler_learns_as_in_torch)
{
    check_folder("bert-seqcls");
}

TEST(distilbert_learns_labels_of_tokens_as_in_torch)
{
    check_folder("distilbert-tokcls");
}

TEST(roberta_learns_with_weights_and_smoothing_as_in_torch)
{
    check_folder("roberta-seqcls");
}

TEST(albert_with_shared_layers_learns_as_in_torch)
{
    check_folder("albert-seqcls");
}

TEST(electra_learns_clipped_and_partly_decayed_as_in_torch)
{
    check_folder("electra-tokcls");
}

TEST(mpnet_with_biases_of_distances_learns_as_in_torch)
{
    check_folder("mpnet-seqcls");
}

TEST(bert_learns_masked_words_by_its_own_embedding_as_in_torch)
{
    check_folder("bert-mlm");
}

TEST(albert_learns_masked_words_by_a_decoder_of_its_own_as_in_torch)
{
    check_folder("albert-mlm-untied");
}

TEST(electra_with_narrow_embeddings_learns_masked_words_as_in_torch)
{
    check_folder("electra-mlm");
}

TEST(roberta_learns_words_of_all_tokens_as_in_torch)
{
    check_folder("roberta-mlm");
}

TEST(bert_learns_words_and_pairs_at_once_as_in_torch)
{
    check_folder("bert-pretraining");
}

TEST(bert_learns_answers_as_in_torch)
{
    check_folder("bert-spans");
}

TEST(bert_learns_several_labels_as_in_torch)
{
    check_folder("bert-multilabel");
}

TEST(distilbert_learns_numbers_as_in_torch)
{
    check_folder("distilbert-regression");
}

TEST(roberta_learns_of_a_teacher_as_in_torch)
{
    check_folder("roberta-distillation");
}

TEST(bert_learns_cosines_of_pairs_as_in_torch)
{
    check_folder("bert-cosine");
}

TEST(mpnet_with_a_dense_layer_learns_to_rank_as_in_torch)
{
    check_folder("mpnet-ranking");
}

TEST(dropout_drops_as_in_torch)
{
    check_folder("bert-dropout-seqcls");
    check_folder("roberta-dropout-seqcls");
    check_folder("electra-dropout-tokcls");
}

TEST(adapters_learn_as_in_torch)
{
    check_folder("bert-lora-seqcls");
    check_folder("albert-lora-seqcls");
    check_folder("deberta-v3-lora-seqcls");
}

TEST(perturbed_words_rates_by_depth_and_a_schedule_are_as_in_torch)
{
    check_folder("bert-adversary-seqcls");
}

TEST(deberta_with_both_terms_learns_as_in_torch)
{
    check_folder("deberta-v1-seqcls");
}

TEST(deberta_v2_with_a_convolution_learns_as_in_torch)
{
    check_folder("deberta-v2-conv-seqcls");
}

TEST(deberta_v3_with_shared_projections_learns_as_in_torch)
{
    check_folder("deberta-v3-tokcls");
}

TEST(deberta_v2_with_one_term_learns_as_in_torch)
{
    check_folder("deberta-v2-c2p-seqcls");
    check_folder("deberta-v2-p2c-seqcls");
}

/*
 * test_gradients.c - training against PyTorch: for each folder of tests/golden/gradients
 * (make_gradients.py, which says what is in it) the logits, the gradient of every parameter, and
 * the losses of 20 steps of AdamW. BERT_GRADIENTS names another folder of such folders.
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
#define MOST_LABELS 8

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

/* A folder's model, and its batch without padding. */
typedef struct trained_case {
    const char *folder;
    cJSON *train;
    model_file file;
    bert_trainer *trainer;
    int is_of_tokens;
    bert_batch batch;
    uint32_t lengths[MOST_SEQUENCES];
    uint32_t ids[MOST_TOKENS], types[MOST_TOKENS], positions[MOST_TOKENS], n_tokens;
    int32_t labels[MOST_TOKENS];
    uint32_t n_rows, n_labels;
    float logits[MOST_TOKENS * MOST_LABELS], gradient[MOST_TOKENS * MOST_LABELS];
    float weights[MOST_LABELS];
    bert_loss_options options;
} trained_case;

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
    if (!it->is_of_tokens)
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

static int open_trainer(trained_case *it)
{
    bert_train_options options = {.max_tokens = MOST_TOKENS};
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
    uint32_t n = (uint32_t)cJSON_GetArraySize(get(it->train, "labels"));
    it->is_of_tokens = it->file.config.n_token_labels > 0;
    for (uint32_t s = 0; s < n; s++)
        add_sequence(it, s);
    it->batch = (bert_batch){.n_sequences = n,
                             .lengths = it->lengths,
                             .ids = it->ids,
                             .token_types = it->types,
                             .positions = it->positions};
    it->n_rows = it->is_of_tokens ? it->n_tokens : n;
    it->n_labels = it->is_of_tokens ? it->file.config.n_token_labels : it->file.config.n_labels;
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
    bert_output output = it->is_of_tokens ? BERT_OUTPUT_TOKEN_LOGITS : BERT_OUTPUT_LOGITS;
    bert_outputs outputs = {{0}}, gradients = {{0}};
    bert_error error = {0};
    float loss = NAN;
    outputs.data[output] = it->logits;
    gradients.data[output] = it->gradient;
    int ok = bert_train_forward(it->trainer, &it->batch, &outputs, &error) == BERT_OK &&
             bert_loss_cross_entropy(it->logits, it->n_rows, it->n_labels, it->labels, &it->options,
                                     &loss, it->gradient, &error) == BERT_OK &&
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
    CHECK(own, "%s: there is no %s", it->folder, part);
    return own ? (double)
                     own->gradient[(out / BERT_PANEL * n_in + in) * BERT_PANEL + out % BERT_PANEL]
               : NAN;
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
    our_name(theirs->name, it->is_of_tokens, name);
    CHECK(stored_floats(&theirs->stored, 0, count, want, &fault), "%s", fault.text);
    double largest = 0, furthest = 0;
    for (size_t i = 0; i < count; i++) {
        largest = fmax(largest, fabs((double)want[i]));
        furthest =
            fmax(furthest, fabs(our_gradient(it, name, &theirs->stored, i) - (double)want[i]));
    }
    CHECK(furthest <= 1e-6 + 1e-5 * largest, "%s: %s is %.3g from torch's, whose largest is %.3g",
          it->folder, theirs->name, furthest, largest);
    return strstr(name, "in_proj") ? 3 : 1;
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

static void check_steps(trained_case *it)
{
    const cJSON *optimizer = get(it->train, "optimizer"), *losses = get(it->train, "losses");
    bert_adamw adamw = {.learning_rate = number(optimizer, "lr", 0),
                        .weight_decay = number(optimizer, "weight_decay", 0)};
    double max_norm = number(optimizer, "max_norm", 0);
    set_decay(it);
    for (int step = 0; step < cJSON_GetArraySize(losses); step++) {
        double want = cJSON_GetArrayItem(losses, step)->valuedouble;
        double got = (double)go_there_and_back(it);
        CHECK(fabs(got - want) <= 2e-5, "%s: after %d steps the loss is %.8g, torch's %.8g",
              it->folder, step, got, want);
        if (step == 0) {
            check_logits(it);
            check_gradients(it);
        }
        if (max_norm > 0)
            bert_train_clip(it->trainer, (float)max_norm);
        bert_train_step(it->trainer, &adamw);
    }
}

/* ------------------------------------------------------------------------------- the folders -- */

static void check_path(const char *folder)
{
    static trained_case it;
    if (open_case(&it, folder))
        check_steps(&it);
    close_case(&it);
}

static void check_folder(const char *name)
{
    const char *root = getenv("BERT_GRADIENTS");
    char folder[512];
    snprintf(folder, sizeof folder, "%s/%s", root ? root : "tests/golden/gradients", name);
    if (root && file_find(folder) == FILE_NOTHING)
        return;
    check_path(folder);
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

/* Weights as transformers draws them. */
TEST(deberta_v3_beside_the_repository_learns_as_in_torch)
{
    const char *folder = "../shared/gradients/deberta-v3-seqcls";
    if (file_find(folder) == FILE_NOTHING)
        printf("SKIPPED: %s is not here\n", folder);
    else
        check_path(folder);
}

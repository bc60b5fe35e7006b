/*
 * classify.c - labels of texts by a model file, natively: bert.h, cJSON and nothing else.
 *
 *     bert-wasm tokenize --model MODEL TEXT ... | ./classify MODEL
 *
 * Reads lines of JSON with "ids" and "type_ids"; prints a label and its score for each. The file is
 * trusted to be what docs/model-file.md says.
 */
#include <bert.h>
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static bert_error error;

static void check(bert_status status)
{
    if (status == BERT_OK)
        return;
    fprintf(stderr, "%s: %s\n", bert_status_text(status), error.subject);
    exit(1);
}

/* A field is a number or a choice. */
static void read_config(const cJSON *encoder, bert_config *config)
{
    bert_config_init(config);
    for (const cJSON *field = encoder->child; field; field = field->next)
        check(cJSON_IsString(field)
                  ? bert_config_set_choice(config, field->string, field->valuestring, &error)
                  : bert_config_set_number(config, field->string, field->valuedouble, &error));
}

static bert_dtype dtype_called(const char *name)
{
    int dtype = 0;
    while (dtype < BERT_DTYPE_COUNT && strcmp(name, bert_dtype_name((bert_dtype)dtype)) != 0)
        dtype++;
    return (bert_dtype)dtype;
}

/* The tensors, where they lie in the file; returns how many. What is U8 is not the core's: the
 * tokenizer, padding, and weights of 4 bits, which this program does not read. */
static size_t read_tensors(const cJSON *header, const char *data, bert_tensor *tensors)
{
    size_t n = 0;
    /* The first entry is __metadata__. */
    for (const cJSON *entry = header->child->next, *dim; entry; entry = entry->next) {
        const cJSON *dtype = cJSON_GetObjectItem(entry, "dtype");
        const cJSON *start = cJSON_GetObjectItem(entry, "data_offsets")->child;
        bert_tensor *tensor = &tensors[n];
        *tensor = (bert_tensor){.name = entry->string,
                                .dtype = dtype_called(dtype->valuestring),
                                .data = data + (size_t)start->valuedouble,
                                .n_bytes = (size_t)(start->next->valuedouble - start->valuedouble)};
        cJSON_ArrayForEach(dim, cJSON_GetObjectItem(entry, "shape")) tensor->shape[tensor->rank++] =
            (uint32_t)dim->valuedouble;
        n += tensor->dtype != BERT_DTYPE_COUNT;
    }
    return n;
}

static uint32_t read_ids(const cJSON *list, uint32_t *ids)
{
    uint32_t n = 0;
    const cJSON *id;
    cJSON_ArrayForEach(id, list) ids[n++] = (uint32_t)id->valuedouble;
    return n;
}

/* The softmax of the largest logit, and which it is. */
static double best_of(const float *logits, uint32_t n, uint32_t *best)
{
    double sum = 0;
    *best = 0;
    for (uint32_t i = 1; i < n; i++)
        *best = logits[i] > logits[*best] ? i : *best;
    for (uint32_t i = 0; i < n; i++)
        sum += exp((double)logits[i] - (double)logits[*best]);
    return 1 / sum;
}

int main(int argc, char **argv)
{
    struct stat info;
    int file = argc == 2 ? open(argv[1], O_RDONLY) : -1;
    if (file < 0 || fstat(file, &info) != 0) {
        fprintf(stderr, "usage: classify MODEL <TOKENS.jsonl\n");
        return 2;
    }
    /* Eight bytes are the length of the header; tensors are aligned in the data behind it. */
    const char *bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    uint64_t header_bytes;
    memcpy(&header_bytes, bytes, sizeof header_bytes);
    const cJSON *header = cJSON_ParseWithLength(bytes + 8, header_bytes);
    const cJSON *metadata = cJSON_GetObjectItem(header, "__metadata__");
    const cJSON *json = cJSON_Parse(cJSON_GetStringValue(cJSON_GetObjectItem(metadata, "config")));
    const cJSON *labels = cJSON_GetObjectItem(json, "labels");

    bert_config config;
    bert_model *model;
    bert_session *session;
    size_t model_bytes, session_bytes;
    bert_tensor *tensors = calloc((size_t)cJSON_GetArraySize(header), sizeof *tensors);
    size_t n_tensors = read_tensors(header, bytes + 8 + header_bytes, tensors);
    read_config(cJSON_GetObjectItem(json, "encoder"), &config);
    check(bert_model_bytes(&config, &model_bytes, &error));
    check(bert_session_bytes(&config, NULL, &session_bytes, &error));
    void *memory = aligned_alloc(BERT_ALIGNMENT, model_bytes + session_bytes);
    check(bert_model_open(&config, tensors, n_tensors, memory, model_bytes, &model, &error));
    check(bert_session_open(model, NULL, (char *)memory + model_bytes, session_bytes, &session,
                            &error));

    float *logits = calloc(config.n_labels, sizeof *logits);
    char *line = NULL;
    for (size_t n_bytes = 0; getline(&line, &n_bytes, stdin) > 0;) {
        cJSON *tokens = cJSON_Parse(line);
        uint32_t best, *ids = malloc(2 * n_bytes * sizeof *ids), *types = ids + n_bytes;
        uint32_t n = read_ids(cJSON_GetObjectItem(tokens, "ids"), ids);
        read_ids(cJSON_GetObjectItem(tokens, "type_ids"), types);
        bert_batch batch = {.n_sequences = 1, .lengths = &n, .ids = ids, .token_types = types};
        bert_outputs outputs = {.data[BERT_OUTPUT_LOGITS] = logits};
        check(bert_encode(session, &batch, &outputs, &error));
        double score = best_of(logits, config.n_labels, &best);
        printf("%s %.6f\n", cJSON_GetStringValue(cJSON_GetArrayItem(labels, (int)best)), score);
        free(ids);
        cJSON_Delete(tokens);
    }
    return 0;
}

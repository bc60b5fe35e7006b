/*
 * model.c - tensors bound by name, dtype and shape into checked views. Nothing is copied.
 *
 * A file has its tensors in the order of use, so the search for a name starts after the last one
 * found and is one comparison for a file of ours; other orders work and are only slower.
 */
#include <string.h>

#include "internal.h"

#define MAX_TENSORS 32768

typedef struct binder {
    const bert_tensor *tensors;
    size_t n_tensors, next;
    uint32_t bound[MAX_TENSORS / 32]; /* a bit a tensor */
    bert_error *error;
    bert_status status; /* the first failure; every later step does nothing */
} binder;

static int is_bound(const binder *binder, size_t i)
{
    return binder->bound[i / 32] >> i % 32 & 1;
}

static void fail(binder *binder, bert_status status, const char *subject, int64_t value,
                 int64_t limit)
{
    if (binder->status == BERT_OK)
        binder->status = error_set(binder->error, status, subject, value, limit);
}

static size_t dtype_size(bert_dtype dtype)
{
    static const size_t sizes[] = {
#define DTYPE_SIZE(name, size) size,
        BERT_DTYPES(DTYPE_SIZE)
#undef DTYPE_SIZE
    };
    return (size_t)dtype < sizeof sizes / sizeof *sizes ? sizes[dtype] : 0;
}

/* name = "a" "b", cut at what a tensor's name can have. */
static void join(char name[BERT_MAX_NAME + 1], const char *a, const char *b)
{
    size_t n = 0;
    for (; *a && n < BERT_MAX_NAME; a++)
        name[n++] = *a;
    for (; *b && n < BERT_MAX_NAME; b++)
        name[n++] = *b;
    name[n] = '\0';
}

static const bert_tensor *find(binder *binder, const char *name)
{
    for (size_t k = 0; k < binder->n_tensors; k++) {
        size_t i = (binder->next + k) % binder->n_tensors;
        if (strcmp(binder->tensors[i].name, name) == 0) {
            binder->bound[i / 32] |= 1u << i % 32;
            binder->next = i + 1;
            return &binder->tensors[i];
        }
    }
    return NULL;
}

/* The tensor `prefix``suffix` of that shape, or NULL after a failure. */
static const bert_tensor *bind(binder *binder, const char *prefix, const char *suffix,
                               uint32_t rank, const uint32_t *shape)
{
    char name[BERT_MAX_NAME + 1];
    join(name, prefix, suffix);
    if (binder->status != BERT_OK)
        return NULL;
    const bert_tensor *tensor = find(binder, name);
    if (!tensor) {
        fail(binder, BERT_MISSING_TENSOR, name, 0, 0);
        return NULL;
    }
    uint64_t n_bytes = dtype_size(tensor->dtype);
    if (n_bytes == 0) {
        fail(binder, BERT_BAD_DTYPE, name, tensor->dtype, 0);
        return NULL;
    }
    if (tensor->rank != rank) {
        fail(binder, BERT_BAD_SHAPE, name, tensor->rank, rank);
        return NULL;
    }
    for (uint32_t i = 0; i < rank; i++) {
        if (tensor->shape[i] != shape[i]) {
            fail(binder, BERT_BAD_SHAPE, name, tensor->shape[i], shape[i]);
            return NULL;
        }
        n_bytes *= shape[i]; /* at most 2^18 x 2^18 x 2^3 x 4: config_check() saw to it */
    }
    if (!tensor->data || tensor->n_bytes != n_bytes ||
        (uintptr_t)tensor->data % BERT_ALIGNMENT != 0) {
        fail(binder, BERT_BAD_DATA, name, (int64_t)tensor->n_bytes, (int64_t)n_bytes);
        return NULL;
    }
    return tensor;
}

static const float *bind_vector(binder *binder, const char *prefix, const char *suffix, uint32_t n)
{
    const bert_tensor *tensor = bind(binder, prefix, suffix, 1, &n);
    if (tensor && tensor->dtype != BERT_DTYPE_F32) {
        fail(binder, BERT_BAD_DTYPE, tensor->name, tensor->dtype, BERT_DTYPE_F32);
        return NULL;
    }
    return tensor ? tensor->data : NULL;
}

/* A zero, infinite or NaN scale would silently poison every answer: it is refused here. */
static const float *bind_scale(binder *binder, const char *prefix, uint32_t n)
{
    const float *scale = bind_vector(binder, prefix, ".scale", n);
    for (uint32_t i = 0; scale && i < n; i++) {
        if (!(scale[i] > 0 && scale[i] <= 3.4e38f)) {
            char name[BERT_MAX_NAME + 1];
            join(name, prefix, ".scale");
            fail(binder, BERT_BAD_DATA, name, i, n);
            return NULL;
        }
    }
    return scale;
}

static table bind_table(binder *binder, const char *name, uint32_t n_rows, uint32_t n_columns)
{
    table table = {.n_rows = n_rows, .n_columns = n_columns};
    const bert_tensor *tensor = bind(binder, name, ".weight", 2, (uint32_t[]){n_rows, n_columns});
    if (tensor) {
        table.dtype = tensor->dtype;
        table.rows = tensor->data;
        if (tensor->dtype == BERT_DTYPE_I8)
            table.scale = bind_scale(binder, name, n_rows);
    }
    return table;
}

static matrix bind_matrix(binder *binder, const char *name, uint32_t n_in, uint32_t n_out)
{
    matrix matrix = {.n_in = n_in, .n_out = n_out};
    uint32_t n_panels = (n_out + BERT_PANEL - 1) / BERT_PANEL;
    const bert_tensor *tensor =
        bind(binder, name, ".weight", 3, (uint32_t[]){n_panels, n_in, BERT_PANEL});
    if (tensor) {
        matrix.dtype = tensor->dtype;
        matrix.panels = tensor->data;
        if (tensor->dtype == BERT_DTYPE_I8)
            matrix.scale = bind_scale(binder, name, n_out);
    }
    matrix.bias = bind_vector(binder, name, ".bias", n_out);
    return matrix;
}

static norm bind_norm(binder *binder, const char *name, uint32_t n)
{
    norm norm;
    norm.weight = bind_vector(binder, name, ".weight", n);
    norm.bias = bind_vector(binder, name, ".bias", n);
    return norm;
}

/* "layers.N", of which `name` has room for. */
static void layer_name(char name[32], uint32_t index)
{
    char digits[10];
    int n = 0;
    do {
        digits[n++] = (char)('0' + index % 10);
        index /= 10;
    } while (index);
    memcpy(name, "layers.", 7);
    name += 7;
    while (n)
        *name++ = digits[--n];
    *name = '\0';
}

static void bind_layer(binder *binder, layer *layer, const bert_config *config, uint32_t index)
{
    uint32_t hidden = config->hidden_size, intermediate = config->intermediate_size;
    char prefix[32], name[BERT_MAX_NAME + 1];
    layer_name(prefix, index);
#define NAMED(suffix) (join(name, prefix, suffix), name)
    layer->query = bind_matrix(binder, NAMED(".attention.query"), hidden, hidden);
    layer->key = bind_matrix(binder, NAMED(".attention.key"), hidden, hidden);
    layer->value = bind_matrix(binder, NAMED(".attention.value"), hidden, hidden);
    layer->attention_output = bind_matrix(binder, NAMED(".attention.output"), hidden, hidden);
    layer->attention_norm = bind_norm(binder, NAMED(".attention.norm"), hidden);
    layer->intermediate = bind_matrix(binder, NAMED(".intermediate"), hidden, intermediate);
    layer->output = bind_matrix(binder, NAMED(".output"), intermediate, hidden);
    layer->output_norm = bind_norm(binder, NAMED(".output.norm"), hidden);
#undef NAMED
}

/* What is left over has a name twice, or one that the config does not explain. */
static void refuse_unbound(binder *binder)
{
    for (size_t i = 0; i < binder->n_tensors && binder->status == BERT_OK; i++) {
        if (is_bound(binder, i))
            continue;
        bert_status status = BERT_UNKNOWN_TENSOR;
        for (size_t k = 0; k < binder->n_tensors; k++)
            if (k != i && strcmp(binder->tensors[k].name, binder->tensors[i].name) == 0)
                status = BERT_DUPLICATE_TENSOR;
        fail(binder, status, binder->tensors[i].name, 0, 0);
    }
}

/* Where the model and its layers lie in the block. */
static bert_model *lay_out(const bert_config *config, arena *arena)
{
    bert_model *model = arena_take(arena, 1, sizeof *model);
    layer *layers = arena_take(arena, config->n_layers, sizeof *layers);
    if (model)
        model->layers = layers;
    return model;
}

bert_status bert_model_bytes(const bert_config *config, size_t *n_bytes, bert_error *error)
{
    bert_status status = config_check(config, error);
    if (status == BERT_OK) {
        arena arena = {0};
        lay_out(config, &arena);
        *n_bytes = (size_t)arena.n_bytes; /* n_layers is bounded: this fits 32 bits */
    }
    return status;
}

bert_status bert_model_open(const bert_config *config, const bert_tensor *tensors, size_t n_tensors,
                            void *memory, size_t n_bytes, bert_model **model_out, bert_error *error)
{
    assert(memory && (uintptr_t)memory % BERT_ALIGNMENT == 0);
    size_t needed = 0;
    bert_status status = bert_model_bytes(config, &needed, error);
    if (status != BERT_OK)
        return status;
    if (n_bytes < needed)
        return error_set(error, BERT_OUT_OF_MEMORY, "model", (int64_t)n_bytes, (int64_t)needed);
    if (n_tensors > MAX_TENSORS)
        return error_set(error, BERT_UNKNOWN_TENSOR, tensors[MAX_TENSORS].name, (int64_t)n_tensors,
                         MAX_TENSORS);

    arena arena = {.base = memory};
    bert_model *model = lay_out(config, &arena);
    binder binder = {.tensors = tensors, .n_tensors = n_tensors, .error = error};
    uint32_t hidden = config->hidden_size;
    model->config = *config;
    model->word = bind_table(&binder, "embeddings.word", config->vocab_size, hidden);
    model->position = bind_table(&binder, "embeddings.position", config->n_positions, hidden);
    if (config->n_token_types)
        model->token_type =
            bind_table(&binder, "embeddings.token_type", config->n_token_types, hidden);
    model->embeddings_norm = bind_norm(&binder, "embeddings.norm", hidden);
    for (uint32_t i = 0; i < config->n_layers; i++)
        bind_layer(&binder, &model->layers[i], config, i);
    if (config->pooler_activation != BERT_ACTIVATION_NONE)
        model->pooler = bind_matrix(&binder, "pooler", hidden, hidden);
    if (config->head != BERT_HEAD_NONE)
        model->classifier = bind_matrix(&binder, "classifier", hidden, config->n_labels);
    refuse_unbound(&binder);
    if (binder.status == BERT_OK)
        *model_out = model;
    return binder.status;
}

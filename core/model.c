/*
 * model.c - tensors bound by name, dtype and shape into checked views. Nothing is copied, and no
 * tensor's bytes are read: those are arrival.c's.
 *
 * A file has its tensors in the order of use, so the search for a name starts after the last one
 * found and is one comparison for a file of ours; other orders work and are only slower.
 */
#include <string.h>

#include "internal.h"

/* Most tensors that a config asks for: of a layer, and besides. */
#define LAYER_TENSORS 34
#define OTHER_TENSORS 34

typedef struct tensor_binder {
    bert_model *model;
    size_t next;
    size_t most;                           /* tensors that the model has an arrival for */
    uint32_t step;                         /* the first that reads what is being bound */
    uint32_t bound[BERT_MAX_TENSORS / 32]; /* a bit a tensor */
    bert_error *error;
    bert_status status; /* the first failure; every later step does nothing */
} tensor_binder;

static int is_bound(const tensor_binder *binder, size_t i)
{
    return binder->bound[i / 32] >> i % 32 & 1;
}

static void fail(tensor_binder *binder, bert_status status, const char *tensor)
{
    if (binder->status == BERT_OK)
        binder->status = error_set(binder->error, status, tensor);
}

static void fail_expected(tensor_binder *binder, bert_status status, const char *tensor,
                          uint64_t value, uint64_t expected)
{
    if (binder->status == BERT_OK)
        binder->status =
            error_set_limit(binder->error, status, tensor, (int64_t)value, (int64_t)expected);
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

static const bert_tensor *find(tensor_binder *binder, const char *name)
{
    const bert_model *model = binder->model;
    for (size_t k = 0; k < model->n_tensors; k++) {
        size_t i = (binder->next + k) % model->n_tensors;
        if (strcmp(model->tensors[i].name, name) == 0) {
            binder->bound[i / 32] |= 1u << i % 32;
            binder->next = i + 1;
            return &model->tensors[i];
        }
    }
    return NULL;
}

static size_t tensor_index(const tensor_binder *binder, const bert_tensor *tensor)
{
    return (size_t)(tensor - binder->model->tensors);
}

/* Notes what is to be done when the tensor's bytes have come. A table with more tensors than the
 * config asks for is refused in the end: what has no room is not noted. */
static void expect(tensor_binder *binder, const bert_tensor *tensor, tensor_arrival arrival)
{
    size_t i = tensor_index(binder, tensor);
    arrival.step = binder->step;
    if (i < binder->most)
        binder->model->arrivals[i] = arrival;
}

/* The tensor `prefix``suffix` of that shape, or NULL after a failure. */
static const bert_tensor *bind(tensor_binder *binder, const char *prefix, const char *suffix,
                               uint32_t rank, const uint32_t *shape)
{
    char name[BERT_MAX_NAME + 1];
    join(name, prefix, suffix);
    if (binder->status != BERT_OK)
        return NULL;
    const bert_tensor *tensor = find(binder, name);
    if (!tensor) {
        fail(binder, BERT_MISSING_TENSOR, name);
        return NULL;
    }
    uint64_t n_bytes = bert_dtype_bytes(tensor->dtype);
    if (n_bytes == 0) {
        fail(binder, BERT_BAD_DTYPE, name);
        return NULL;
    }
    if (tensor->rank != rank) {
        fail_expected(binder, BERT_BAD_SHAPE, name, tensor->rank, rank);
        return NULL;
    }
    for (uint32_t i = 0; i < rank; i++) {
        if (tensor->shape[i] != shape[i]) {
            fail_expected(binder, BERT_BAD_SHAPE, name, tensor->shape[i], shape[i]);
            return NULL;
        }
        n_bytes *= shape[i]; /* at most 2^22 x 2^24 x 2^3 x 4: config_check() saw to it */
    }
    if (!tensor->data || tensor->n_bytes != n_bytes || !aligned(tensor->data, BERT_ALIGNMENT)) {
        fail_expected(binder, BERT_BAD_DATA, name, tensor->n_bytes, n_bytes);
        return NULL;
    }
    expect(binder, tensor, (tensor_arrival){0});
    return tensor;
}

/* F32 as it lies: what is not widened on its way. */
static const bert_tensor *bind_f32(tensor_binder *binder, const char *prefix, const char *suffix,
                                   uint32_t rank, const uint32_t *shape)
{
    const bert_tensor *tensor = bind(binder, prefix, suffix, rank, shape);
    if (tensor && tensor->dtype != BERT_DTYPE_F32) {
        fail(binder, BERT_BAD_DTYPE, tensor->name);
        return NULL;
    }
    return tensor;
}

static const float *bind_vector(tensor_binder *binder, const char *prefix, const char *suffix,
                                uint32_t n)
{
    const bert_tensor *tensor = bind_f32(binder, prefix, suffix, 1, &n);
    return tensor ? tensor->data : NULL;
}

/* The panels of a matrix: I8 ones have a shape of their own. */
static const bert_tensor *bind_panels(tensor_binder *binder, const char *name, uint32_t n_panels,
                                      uint32_t n_in, int may_be_i8)
{
    char weight[BERT_MAX_NAME + 1];
    join(weight, name, ".weight");
    const bert_tensor *tensor = binder->status == BERT_OK ? find(binder, weight) : NULL;
    if (tensor)
        binder->next = tensor_index(binder, tensor); /* bind() finds it again at once */
    if (tensor && tensor->dtype == BERT_DTYPE_I8) {
        if (!may_be_i8) {
            fail(binder, BERT_BAD_DTYPE, weight);
            return NULL;
        }
        return bind(binder, weight, "", 4,
                    (uint32_t[]){n_panels, BERT_I8_QUADS(n_in), BERT_PANEL, BERT_QUAD});
    }
    return bind(binder, weight, "", 3, (uint32_t[]){n_panels, n_in, BERT_PANEL});
}

static const bert_tensor *bind_scale(tensor_binder *binder, const char *prefix, uint32_t n)
{
    const bert_tensor *scale = bind_f32(binder, prefix, ".scale", 1, &n);
    if (scale)
        expect(binder, scale, (tensor_arrival){.role = TENSOR_SCALE});
    return scale;
}

static row_table bind_table(tensor_binder *binder, const char *name, uint32_t n_rows,
                            uint32_t n_columns)
{
    row_table table = {.n_rows = n_rows, .n_columns = n_columns};
    const bert_tensor *tensor = bind(binder, name, ".weight", 2, (uint32_t[]){n_rows, n_columns});
    if (tensor) {
        table.dtype = tensor->dtype;
        table.rows = tensor->data;
        const bert_tensor *scale =
            tensor->dtype == BERT_DTYPE_I8 ? bind_scale(binder, name, n_rows) : NULL;
        if (scale)
            table.scale = scale->data;
    }
    return table;
}

/* Sums and offsets of a layer's I8 matrices. */
typedef struct column_room {
    int32_t *sums;
    float *offsets;
} column_room;

/* An I8 matrix has a scale, and sums and offsets that come of both. */
static void bind_integers(tensor_binder *binder, const char *name, const bert_tensor *weight,
                          const column_room *room, matrix *w)
{
    const bert_tensor *scale = bind_scale(binder, name, w->n_out);
    if (!scale)
        return;
    w->scale = scale->data;
    w->sums = room->sums;
    w->offset = room->offsets;
    tensor_arrival arrival = {TENSOR_INTEGERS, .partner = tensor_index(binder, scale),
                              .sums = room->sums, .offset = room->offsets};
    expect(binder, weight, arrival);
    arrival.role = TENSOR_SCALE;
    arrival.partner = tensor_index(binder, weight);
    expect(binder, scale, arrival);
}

/* A matrix that may be I8 has room for its columns; another's is NULL. */
static matrix bind_matrix(tensor_binder *binder, const char *name, uint32_t n_in, uint32_t n_out,
                          const column_room *room)
{
    matrix w = {.n_in = n_in, .n_out = n_out, .is_exact = binder->model->is_exact};
    const bert_tensor *tensor = bind_panels(binder, name, BERT_PANELS(n_out), n_in, room != NULL);
    if (tensor) {
        w.dtype = tensor->dtype;
        w.panels = tensor->data;
        if (tensor->dtype == BERT_DTYPE_I8)
            bind_integers(binder, name, tensor, room, &w);
    }
    w.bias = bind_vector(binder, name, ".bias", n_out);
    return w;
}

static norm_weights bind_norm(tensor_binder *binder, const char *name, uint32_t n)
{
    norm_weights norm;
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

/* Columns of a layer's matrices. */
static uint64_t columns_per_layer(const bert_config *config)
{
    return 5ull * config->hidden_size + config->intermediate_size;
}

/* Either all matrices of a layer are I8, or none. */
static int is_i8(tensor_binder *binder, const char *name, const layer_weights *layer,
                 const matrix *w)
{
    int wanted = layer->query.dtype == BERT_DTYPE_I8, is = w->dtype == BERT_DTYPE_I8;
    if (is != wanted)
        fail(binder, BERT_BAD_DTYPE, name);
    return is && wanted;
}

/* The factors of the inputs, where the matrix is I8. */
static void bind_smooth(tensor_binder *binder, const char *name, const layer_weights *layer,
                        matrix *w)
{
    if (is_i8(binder, name, layer, w))
        w->smooth = bind_vector(binder, name, ".smooth", w->n_in);
}

/* A layer's matrix, whose room is taken. */
static matrix bind_next(tensor_binder *binder, const char *name, uint32_t n_in, uint32_t n_out,
                        column_room *room)
{
    column_room own = *room;
    room->sums += n_out;
    room->offsets += n_out;
    return bind_matrix(binder, name, n_in, n_out, &own);
}

static void bind_layer(tensor_binder *binder, layer_weights *layer, const bert_config *config,
                       uint32_t index, column_room room)
{
    uint32_t hidden = config->hidden_size, intermediate = config->intermediate_size;
    uint32_t step = binder->step;
    char prefix[32], name[BERT_MAX_NAME + 1];
    layer_name(prefix, index);
#define NAMED(suffix) (join(name, prefix, suffix), name)
#define MATRIX(suffix, n_in, n_out) bind_next(binder, NAMED(suffix), n_in, n_out, &room)
    layer->query = MATRIX(".attention.query", hidden, hidden);
    layer->key = MATRIX(".attention.key", hidden, hidden);
    layer->value = MATRIX(".attention.value", hidden, hidden);
    binder->step = step ? step - 1 : 0; /* the layer before leaves the inputs quantised */
    bind_smooth(binder, prefix, layer, &layer->query);
    binder->step = step;
    layer->key.smooth = layer->value.smooth = layer->query.smooth;
    if (config_has_c2p(config))
        layer->relative_key =
            bind_table(binder, NAMED(".attention.relative_key"), config->n_relative_rows, hidden);
    if (config_has_p2c(config))
        layer->relative_query =
            bind_table(binder, NAMED(".attention.relative_query"), config->n_relative_rows, hidden);
    is_i8(binder, NAMED(".attention.key"), layer, &layer->key);
    is_i8(binder, NAMED(".attention.value"), layer, &layer->value);
    layer->attention_output = MATRIX(".attention.output", hidden, hidden);
    bind_smooth(binder, NAMED(".attention.output"), layer, &layer->attention_output);
    layer->attention_norm = bind_norm(binder, NAMED(".attention.norm"), hidden);
    layer->intermediate = MATRIX(".intermediate", hidden, intermediate);
    bind_smooth(binder, NAMED(".intermediate"), layer, &layer->intermediate);
    layer->output = MATRIX(".output", intermediate, hidden);
    bind_smooth(binder, NAMED(".output"), layer, &layer->output);
    layer->output_norm = bind_norm(binder, NAMED(".output.norm"), hidden);
#undef MATRIX
#undef NAMED
}

/* What attention knows of positions. Rows of distances come as floats, like everything that is not
 * an integer matrix. */
static void bind_distances(tensor_binder *binder, bert_model *model)
{
    const bert_config *config = &model->config;
    uint32_t n = 2 * config->n_distances - 1;
    if (config->position_attention == BERT_POSITION_ATTENTION_BIAS) {
        const bert_tensor *bias =
            bind_f32(binder, "attention.bias", "", 2, (uint32_t[]){config->n_heads, n});
        model->attention_bias = bias ? bias->data : NULL;
    }
    if (config->n_relative_rows) {
        const bert_tensor *rows = bind_f32(binder, "relative.rows", "", 1, &n);
        if (rows)
            expect(binder, rows, (tensor_arrival){.role = TENSOR_DISTANCES});
    }
}

static void bind_embeddings(tensor_binder *binder, bert_model *model)
{
    const bert_config *config = &model->config;
    uint32_t n_columns = config->embedding_size;
    model->word = bind_table(binder, "embeddings.word", config->vocab_size, n_columns);
    if (config->n_positions)
        model->position = bind_table(binder, "embeddings.position", config->n_positions, n_columns);
    if (config->n_token_types)
        model->token_type =
            bind_table(binder, "embeddings.token_type", config->n_token_types, n_columns);
    model->embeddings_norm = bind_norm(binder, "embeddings.norm", n_columns);
    if (config->projects_embeddings)
        model->projection =
            bind_matrix(binder, "embeddings.projection", n_columns, config->hidden_size, NULL);
}

static void bind_heads(tensor_binder *binder, bert_model *model)
{
    const bert_config *config = &model->config;
    uint32_t hidden = config->hidden_size, n_columns = config->embedding_size;
    if (config->pooler_activation != BERT_ACTIVATION_NONE)
        model->pooler = bind_matrix(binder, "pooler", hidden, hidden, NULL);
    if (config->n_labels)
        model->classifier = bind_matrix(binder, "classifier", hidden, config->n_labels, NULL);
    if (config->token_activation != BERT_ACTIVATION_NONE)
        model->token_transform = bind_matrix(binder, "token_transform", hidden, hidden, NULL);
    if (config->n_token_labels)
        model->token_classifier =
            bind_matrix(binder, "token_classifier", hidden, config->n_token_labels, NULL);
    if (config->lm_activation != BERT_ACTIVATION_NONE) {
        model->lm_transform = bind_matrix(binder, "lm.transform", hidden, n_columns, NULL);
        model->lm_norm = bind_norm(binder, "lm.norm", n_columns);
        if (config->lm_tied)
            model->lm_decoder =
                (matrix){.n_in = n_columns,
                         .n_out = config->vocab_size,
                         .bias = bind_vector(binder, "lm.decoder", ".bias", config->vocab_size)};
        else
            model->lm_decoder =
                bind_matrix(binder, "lm.decoder", n_columns, config->vocab_size, NULL);
    }
    if (config->embedding_dim)
        model->sentence = bind_matrix(binder, "sentence", bert_config_pooled_columns(config),
                                      config->embedding_dim, NULL);
}

/* Whether it is of a relative_source: F32, with "relative" in its name. Encoding does not read it,
 * training does, and checks more. */
static int is_of_source(const bert_config *config, const bert_tensor *tensor)
{
    if (config->relative_source == BERT_RELATIVE_SOURCE_NONE || tensor->dtype != BERT_DTYPE_F32)
        return 0;
    for (const char *name = tensor->name; *name; name++)
        if (strncmp(name, "relative", 8) == 0)
            return 1;
    return 0;
}

/* What is left over has a name twice, or one that the config does not explain, or is there for
 * training. */
static void refuse_unbound(tensor_binder *binder)
{
    const bert_tensor *tensors = binder->model->tensors;
    size_t n = binder->model->n_tensors;
    for (size_t i = 0; i < n && binder->status == BERT_OK; i++) {
        if (is_bound(binder, i))
            continue;
        int is_known = i < binder->most && is_of_source(&binder->model->config, &tensors[i]);
        bert_status status = is_known ? BERT_OK : BERT_UNKNOWN_TENSOR;
        for (size_t k = 0; k < n; k++)
            if (k != i && strcmp(tensors[k].name, tensors[i].name) == 0)
                status = BERT_DUPLICATE_TENSOR;
        if (status == BERT_OK)
            expect(binder, &tensors[i], (tensor_arrival){0});
        else
            fail(binder, status, tensors[i].name);
    }
}

static size_t most_tensors(const bert_config *config)
{
    return (size_t)bert_config_n_stored_layers(config) * LAYER_TENSORS + OTHER_TENSORS;
}

/* Where the model lies in the block, and what belongs to it. */
static bert_model *lay_out(const bert_config *config, memory_arena *arena)
{
    uint32_t n_stored = bert_config_n_stored_layers(config);
    uint64_t n_rows = config->n_relative_rows ? 2ull * config->n_distances - 1 : 0;
    bert_model header = {.config = *config};
    bert_model *model = arena_take(arena, 1, sizeof header);
    header.layers = arena_take(arena, n_stored, sizeof *header.layers);
    header.relative_rows = arena_take(arena, n_rows, sizeof *header.relative_rows);
    uint64_t n_columns = n_stored * columns_per_layer(config);
    header.sums = arena_take(arena, n_columns, sizeof *header.sums);
    header.offsets = arena_take(arena, n_columns, sizeof *header.offsets);
    header.arrivals = arena_take(arena, most_tensors(config), sizeof *header.arrivals);
    header.n_missing = arena_take(arena, config->n_layers + 1ull, sizeof *header.n_missing);
    if (model)
        *model = header;
    return model;
}

bert_status bert_model_bytes(const bert_config *config, size_t *n_bytes, bert_error *error)
{
    bert_status status = config_check(config, error);
    if (status == BERT_OK) {
        memory_arena arena = {0};
        lay_out(config, &arena);
        if (arena.n_bytes > SIZE_MAX / 2)
            return error_set_limit(error, BERT_MODEL_TOO_LARGE, "model", (int64_t)arena.n_bytes,
                                   (int64_t)(SIZE_MAX / 2));
        *n_bytes = (size_t)arena.n_bytes;
    }
    return status;
}

/* Everything that the config asks for, and nothing else. */
static void bind_model(tensor_binder *binder, bert_model *model)
{
    const bert_config *config = &model->config;
    uint32_t hidden = config->hidden_size;
    bind_embeddings(binder, model);
    bind_distances(binder, model);
    for (uint32_t layer = 0, n_bound = 0; layer < config->n_layers; layer++) {
        uint32_t stored = bert_config_stored_layer(config, layer);
        if (stored < n_bound) /* shared with a layer before */
            continue;
        binder->step = layer;
        uint64_t before = stored * columns_per_layer(config);
        bind_layer(binder, &model->layers[stored], config, stored,
                   (column_room){model->sums + before, model->offsets + before});
        n_bound = stored + 1;
    }
    if (config->conv_size) {
        binder->step = 0;
        model->conv = bind_matrix(binder, "conv", config->conv_size * hidden, hidden, NULL);
        model->conv_norm = bind_norm(binder, "conv.norm", hidden);
    }
    binder->step = config->n_layers;
    bind_heads(binder, model);
    refuse_unbound(binder);
}

bert_status bert_model_begin(const bert_config *config, const bert_tensor *tensors,
                             size_t n_tensors, void *memory, size_t n_bytes, bert_model **model_out,
                             bert_error *error)
{
    assert(config && model_out && (tensors || n_tensors == 0));
    assert(memory && aligned(memory, BERT_ALIGNMENT));
    size_t needed = 0;
    bert_status status = bert_model_bytes(config, &needed, error);
    if (status != BERT_OK)
        return status;
    if (n_bytes < needed)
        return error_set_limit(error, BERT_OUT_OF_MEMORY, "model", (int64_t)n_bytes,
                               (int64_t)needed);
    if (n_tensors > BERT_MAX_TENSORS)
        return error_set_limit(error, BERT_UNKNOWN_TENSOR, tensors[BERT_MAX_TENSORS].name,
                               (int64_t)n_tensors, BERT_MAX_TENSORS);

    memory_arena arena = {.base = memory};
    bert_model *model = lay_out(config, &arena);
    model->tensors = tensors;
    model->n_tensors = n_tensors;
    for (size_t i = 0; i < n_tensors; i++)
        model->is_exact |= tensors[i].dtype == BERT_DTYPE_I8;
    tensor_binder binder = {.model = model, .most = most_tensors(config), .error = error};
    bind_model(&binder, model);
    if (binder.status != BERT_OK)
        return binder.status;
    assert(n_tensors <= binder.most);
    arrivals_begin(model);
    *model_out = model;
    return BERT_OK;
}

bert_status bert_model_open(const bert_config *config, const bert_tensor *tensors, size_t n_tensors,
                            void *memory, size_t n_bytes, bert_model **model_out, bert_error *error)
{
    bert_model *model = NULL;
    bert_status status =
        bert_model_begin(config, tensors, n_tensors, memory, n_bytes, &model, error);
    for (size_t i = 0; i < n_tensors && status == BERT_OK; i++)
        status = bert_model_take(model, i, error);
    if (status == BERT_OK)
        *model_out = model;
    return status;
}

const bert_config *bert_model_config(const bert_model *model)
{
    return &model->config;
}

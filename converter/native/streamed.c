/*
 * streamed.c - see streamed.h. The core has a whole model from the start (bert_model_begin()); its
 * layers' tensors lie in the same place, and are taken when they are first brought there. What a
 * batch is between two steps is kept here, so one session serves all batches.
 */
#include "native/streamed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------- parts -- */

/* The layer that a weight is of; -1: none. */
static int64_t layer_of(const bert_weight *weight)
{
    if (strncmp(weight->name, "layers.", 7) == 0)
        return strtol(weight->name + 7, NULL, 10);
    /* The convolution stands beside the first layer. */
    return strcmp(weight->name, "conv") == 0 || strncmp(weight->name, "conv.", 5) == 0 ? 0 : -1;
}

uint32_t streamed_n_parts(const bert_config *config)
{
    uint32_t n_stored = bert_config_n_stored_layers(config);
    return n_stored / (config->n_layer_groups ? config->layers_per_group : 1) + 2;
}

/* Weights are in the order of use: the embeddings, the layers, the heads. */
static bool find_parts(streamed_model *model, fault_text *fault)
{
    const bert_config *config = &model->config;
    const bert_weights *weights = model->weights;
    uint32_t n_groups = config->n_layer_groups;
    model->layers_per_block = n_groups ? config->layers_per_group : 1;
    model->steps_per_block = n_groups ? config->n_layers / n_groups : 1;
    model->n_parts = streamed_n_parts(config);
    uint32_t n_blocks = model->n_parts - 2, part = 0;
    model->parts = calloc(model->n_parts + 1, sizeof *model->parts);
    if (!model->parts)
        return fault_set(fault, "out of memory");
    for (size_t i = 0; i < weights->n_weights; i++) {
        int64_t layer = layer_of(&weights->weights[i]);
        uint32_t own = layer >= 0  ? (uint32_t)layer / model->layers_per_block + 1
                       : part == 0 ? 0
                                   : n_blocks + 1;
        while (part < own)
            model->parts[++part] = i;
    }
    while (part < model->n_parts)
        model->parts[++part] = weights->n_weights;
    return true;
}

void streamed_layers(const streamed_model *model, uint32_t part, uint32_t *first, uint32_t *end)
{
    bool is_block = part > 0 && part + 1 < model->n_parts;
    *first = is_block ? (part - 1) * model->layers_per_block : 0;
    *end = is_block ? part * model->layers_per_block : 0;
}

static uint32_t part_of(const streamed_model *model, size_t index)
{
    uint32_t part = 0;
    while (model->parts[part + 1] <= index)
        part++;
    return part;
}

/* ------------------------------------------------------------------------------------ memory -- */

/* What is read by more than the step that a weight is brought for. */
static bool lasts(const streamed_model *model, const bert_weight *weight)
{
    return strcmp(weight->name, "attention.bias") == 0 ||
           (model->config.lm_tied && strcmp(weight->name, "embeddings.word") == 0);
}

bool streamed_count(const bert_weights *weights, streamed_counts *counts, fault_text *fault)
{
    streamed_model model = {.weights = weights, .config = weights->config};
    *counts = (streamed_counts){0};
    if (!find_parts(&model, fault))
        return false;
    for (uint32_t part = 0; part < model.n_parts; part++) {
        uint64_t of_part = 0;
        for (size_t i = model.parts[part]; i < model.parts[part + 1]; i++) {
            const bert_weight *weight = &weights->weights[i];
            uint64_t n = (uint64_t)weight->n_rows * weight->n_columns;
            *(part == 0 || lasts(&model, weight) ? &counts->embeddings : &of_part) += n;
            if (weight->kind == WEIGHT_MATRIX && n > counts->matrix)
                counts->matrix = n;
        }
        if (of_part > counts->part)
            counts->part = of_part;
    }
    free(model.parts);
    return true;
}

/* Where tensors lie: sizes of the three blocks of memory, or, once there is memory, places. */
static void lay_out(streamed_model *model, size_t sizes[3], char *const bases[3])
{
    size_t block = 0;
    memset(sizes, 0, 3 * sizeof *sizes);
    for (size_t i = 0; i < model->weights->n_weights; i++) {
        uint32_t part = part_of(model, i);
        bool is_lasting = lasts(model, &model->weights->weights[i]);
        if (i == model->parts[part] && part > 0)
            block = 0;
        size_t own = is_lasting ? sizes[0] : part == 0 ? sizes[1] : block;
        int which = is_lasting ? 0 : part == 0 ? 1 : 2;
        for (size_t k = model->first[i]; k < model->first[i + 1]; k++) {
            bert_tensor *tensor = &model->tensors[k];
            if (bases[which])
                tensor->data = bases[which] + own;
            own += (tensor->n_bytes + BERT_ALIGNMENT - 1) / BERT_ALIGNMENT * BERT_ALIGNMENT;
        }
        block = which == 2 ? own : block;
        sizes[which] = sizes[which] < own ? own : sizes[which];
    }
}

/* The core's tensor for a planned one. */
static bool describe(const packed_tensor *planned, char name[BERT_MAX_NAME + 1],
                     bert_tensor *tensor, fault_text *fault)
{
    memcpy(name, planned->name, BERT_MAX_NAME + 1);
    *tensor = (bert_tensor){
        .name = name, .dtype = planned->dtype, .rank = planned->rank, .n_bytes = planned->n_bytes};
    memcpy(tensor->shape, planned->shape, sizeof tensor->shape);
    if (!planned->is_q4)
        return true;
    strcpy(strrchr(name, '.'), ".weight");
    return bert_q4_tensor(planned->shape, tensor) ||
           fault_set(fault, "'%s' does not consist of units of 4-bit numbers", name);
}

static bool plan_tensors(streamed_model *model, fault_text *fault)
{
    const bert_weights *weights = model->weights;
    size_t most = PACK_MAX_TENSORS * weights->n_weights + 1, n = 0;
    model->first = calloc(weights->n_weights + 1, sizeof *model->first);
    model->tensors = calloc(most, sizeof *model->tensors);
    model->names = calloc(most, sizeof *model->names);
    model->is_taken = calloc(most, sizeof *model->is_taken);
    if (!model->first || !model->tensors || !model->names || !model->is_taken)
        return fault_set(fault, "out of memory");
    for (size_t i = 0; i < weights->n_weights; i++) {
        packed_tensor planned[PACK_MAX_TENSORS] = {0};
        int n_planned = pack_plan(&weights->weights[i], model->dtype, planned);
        for (int k = 0; k < n_planned; k++, n++)
            if (!describe(&planned[k], model->names[n], &model->tensors[n], fault))
                return false;
        model->first[i + 1] = n;
    }
    size_t sizes[3];
    char *bases[3] = {NULL, NULL, NULL};
    lay_out(model, sizes, bases);
    void **memory[] = {&model->lasting, &model->embeddings, &model->block};
    for (int i = 0; i < 3; i++)
        if (!(bases[i] = *memory[i] = native_alloc(sizes[i])))
            return fault_set(fault, "out of memory for %zu bytes of weights", sizes[i]);
    lay_out(model, sizes, bases);
    return true;
}

bool streamed_open(streamed_model *model, const bert_weights *weights, pack_dtype dtype,
                   const bert_options *options, fault_text *fault)
{
    size_t model_bytes, session_bytes;
    bert_error error = {0};
    *model =
        (streamed_model){.weights = weights, .dtype = dtype, .config = pack_config(weights, dtype)};
    if (!find_parts(model, fault) || !plan_tensors(model, fault))
        return false;
    if (bert_model_bytes(&model->config, &model_bytes, &error) != BERT_OK ||
        bert_session_bytes(&model->config, options, &session_bytes, &error) != BERT_OK)
        return fault_set_error(fault, "the proof", &error);
    model->model_memory = native_alloc(model_bytes);
    model->session_memory = native_alloc(session_bytes);
    if (!model->model_memory || !model->session_memory)
        return fault_set(fault, "the proof: out of memory");
    if (bert_model_begin(&model->config, model->tensors, model->first[weights->n_weights],
                         model->model_memory, model_bytes, &model->model, &error) != BERT_OK ||
        bert_session_open(model->model, options, model->session_memory, session_bytes,
                          &model->session, &error) != BERT_OK)
        return fault_set_error(fault, "the proof", &error);
    return true;
}

void streamed_close(streamed_model *model)
{
    free(model->parts);
    free(model->first);
    free(model->tensors);
    free(model->names);
    free(model->is_taken);
    free(model->lasting);
    free(model->embeddings);
    free(model->block);
    free(model->model_memory);
    free(model->session_memory);
    *model = (streamed_model){0};
}

/* ---------------------------------------------------------------------------------- bringing -- */

static bool take(streamed_model *model, size_t index, fault_text *fault)
{
    bert_error error = {0};
    if (model->is_taken[index])
        return true;
    model->is_taken[index] = true;
    return bert_model_take(model->model, index, &error) == BERT_OK ||
           fault_set_error(fault, "the proof", &error);
}

bool streamed_bring(streamed_model *model, size_t index, const float *values, pack_visitor *visit,
                    void *argument, fault_text *fault)
{
    const bert_weight *weight = &model->weights->weights[index];
    packed_tensor planned[PACK_MAX_TENSORS] = {0};
    int n = pack_plan(weight, model->dtype, planned);
    bert_tensor *tensors = &model->tensors[model->first[index]];
    bool ok = true;
    for (int i = 0; i < n; i++) {
        planned[i].data = planned[i].is_q4 ? malloc(planned[i].n_bytes) : (void *)tensors[i].data;
        ok = planned[i].data || fault_set(fault, "out of memory for '%s'", planned[i].name);
    }
    ok = ok && pack_fill(weight, model->dtype, values, n, planned, fault);
    for (int i = 0; i < n; i++) {
        ok = ok && (!visit || visit(argument, &planned[i], fault));
        if (!planned[i].is_q4)
            continue;
        const uint32_t *shape = planned[i].shape;
        if (ok)
            bert_q4_expand(planned[i].data, (size_t)shape[0] * shape[1],
                           shape[2] / BERT_Q4_UNIT_BYTES(1), (int8_t *)tensors[i].data);
        free(planned[i].data);
    }
    for (int i = 0; ok && i < n; i++)
        ok = take(model, model->first[index] + (size_t)i, fault);
    return ok;
}

const float *streamed_floats(const streamed_model *model, size_t index)
{
    bool is_matrix = model->weights->weights[index].kind == WEIGHT_MATRIX;
    const bert_tensor *tensor = &model->tensors[model->first[index]];
    return !is_matrix && tensor->dtype == BERT_DTYPE_F32 ? tensor->data : NULL;
}

/* ----------------------------------------------------------------------------------- running -- */

/* The step before a layer multiplies by the factors of its inputs. They are not known by then, and
 * need not be: what comes of it is made anew when the layer's step is resumed. So those of the part
 * before, which lie there, will do. */
static bool take_next_factors(streamed_model *model, uint32_t part, fault_text *fault)
{
    if (part + 2 >= model->n_parts)
        return true;
    for (size_t i = model->parts[part + 1]; i < model->parts[part + 2]; i++)
        for (size_t k = model->first[i]; k < model->first[i + 1]; k++) {
            const char *suffix = strrchr(model->names[k], '.');
            if (suffix && strcmp(suffix, ".smooth") == 0)
                return take(model, k, fault);
        }
    return true;
}

static bert_status start(streamed_model *model, uint32_t step, const streamed_batch *batch,
                         bert_error *error)
{
    if (step == 0)
        return bert_encode_begin(model->session, &batch->batch, &batch->outputs, error);
    return bert_encode_resume(model->session, &batch->batch, &batch->outputs, step, batch->states,
                              error);
}

bool streamed_run(streamed_model *model, uint32_t part, streamed_batch *batch, fault_text *fault)
{
    bert_error error = {0};
    bool is_head = part + 1 == model->n_parts;
    uint32_t n_layers = model->config.n_layers;
    uint32_t step = is_head ? n_layers : (part - 1) * model->steps_per_block;
    uint32_t n_steps = is_head ? 1 : model->steps_per_block;
    if (part == 0)
        return true;
    if (!take_next_factors(model, part, fault))
        return false;
    if (start(model, step, batch, &error) != BERT_OK)
        return fault_set_error(fault, batch->what, &error);
    if (bert_encode_step(model->session, n_steps) != n_layers + 1 - step - n_steps)
        return fault_set(fault, "%s: not all weights of step %u have been read", batch->what, step);
    if (is_head)
        return true;
    size_t n_tokens = 0;
    for (uint32_t i = 0; i < batch->batch.n_sequences; i++)
        n_tokens += batch->batch.lengths[i];
    size_t n_bytes = n_tokens * model->config.hidden_size * sizeof *batch->states;
    if (!batch->states && !(batch->states = malloc(n_bytes)))
        return fault_set(fault, "%s: out of memory", batch->what);
    memcpy(batch->states, bert_encode_states(model->session), n_bytes);
    return true;
}

void streamed_forget_embeddings(streamed_model *model)
{
    free(model->embeddings);
    model->embeddings = NULL;
}

/* parts.c - see parts.h. */
#include "huggingface/parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *parts_alloc(huggingface_model *model, size_t n_bytes)
{
    if (model->n_blocks == model->blocks_capacity) {
        model->blocks_capacity = model->blocks_capacity ? 2 * model->blocks_capacity : 64;
        model->blocks = realloc(model->blocks, model->blocks_capacity * sizeof *model->blocks);
    }
    void *block = calloc(1, n_bytes + 1);
    if (!model->blocks || !block)
        abort();
    return model->blocks[model->n_blocks++] = block;
}

/* ------------------------------------------------------------------------------------- names -- */

#define WORDS "embeddings.word_embeddings.weight"

bool parts_find_prefix(huggingface_model *model)
{
    const named_tensor *found = NULL;
    for (size_t i = 0; i < model->tensors.n_tensors; i++) {
        const named_tensor *tensor = &model->tensors.tensors[i];
        size_t n = strlen(tensor->name), n_words = strlen(WORDS);
        if (n < n_words || strcmp(tensor->name + n - n_words, WORDS) != 0 ||
            (n > n_words && tensor->name[n - n_words - 1] != '.'))
            continue;
        if (found)
            return fault_set(model->fault,
                             "%s: has two encoders, with the tensors '%.200s' and '%.200s'",
                             tensor->stored.file->path, found->stored.name, tensor->stored.name);
        found = tensor;
        if (n - n_words >= sizeof model->prefix)
            return fault_set(model->fault, "%s: the name '%.200s...' is too long",
                             tensor->stored.file->path, tensor->stored.name);
        snprintf(model->prefix, sizeof model->prefix, "%.*s", (int)(n - n_words), tensor->name);
    }
    return found || fault_set(model->fault, "%s: has no tensor '" WORDS "': it is no encoder",
                              model->tensors.files[0]->path);
}

/* The tensor of that name in the model's own files. Names of heads begin where those of the encoder
 * do, or somewhere before: "model.bert.encoder...", "model.classifier". */
static named_tensor *find_own(const huggingface_model *model, part_scope scope, const char *name)
{
    char whole[2 * PARTS_MAX_NAME], prefix[PARTS_MAX_NAME];
    strcpy(prefix, model->prefix);
    for (;;) {
        snprintf(whole, sizeof whole, "%s%s", prefix, name);
        named_tensor *tensor = tensors_find(&model->tensors, whole);
        if (tensor || scope == OF_ENCODER || !*prefix)
            return tensor;
        prefix[strlen(prefix) - 1] = '\0'; /* the dot */
        char *dot = strrchr(prefix, '.');
        (dot ? dot + 1 : prefix)[0] = '\0';
    }
}

static named_tensor *find(const huggingface_model *model, part_scope scope, const char *name)
{
    named_tensor *trained = adapter_find_whole(&model->adapter, name);
    named_tensor *own = find_own(model, scope, name);
    if (!trained)
        return own;
    if (own)
        own->is_used = true; /* by what takes its place */
    return trained;
}

bool parts_has(const huggingface_model *model, part_scope scope, const char *name)
{
    return find(model, scope, name) != NULL;
}

const stored_tensor *parts_tensor(huggingface_model *model, part_scope scope, const char *name,
                                  uint32_t rank, const uint64_t *dims)
{
    named_tensor *tensor = find(model, scope, name);
    if (!tensor) {
        fault_set(model->fault, "%s: has no tensor '%s%s', which a model of the type %s needs",
                  model->tensors.files[0]->path, scope == OF_ENCODER ? model->prefix : "", name,
                  model->family->model_type);
        return NULL;
    }
    const stored_tensor *stored = &tensor->stored;
    bool fits = stored->rank == rank;
    for (uint32_t i = 0; fits && i < rank; i++)
        fits = stored->dims[i] > 0 && (dims[i] == 0 || stored->dims[i] == dims[i]);
    if (!fits) {
        stored_tensor expected = {.rank = rank};
        memcpy(expected.dims, dims, rank * sizeof *dims);
        fault_set(model->fault,
                  "%s: the tensor '%.200s' has the shape %s: by config.json it must be %s%s",
                  stored->file->path, stored->name, tensors_shape(stored).text,
                  tensors_shape(&expected).text, dims[0] ? "" : ", with any number for 0");
        return NULL;
    }
    if (!tensor->is_weight) {
        fault_set(model->fault, "%s: the tensor '%.200s' is %s: weights must be F32, F16 or BF16",
                  stored->file->path, stored->name, tensor->dtype);
        return NULL;
    }
    tensor->is_used = true;
    return stored;
}

/* Writes "name.suffix". */
static const char *joined(char whole[PARTS_MAX_NAME], const char *name, const char *suffix)
{
    snprintf(whole, PARTS_MAX_NAME, "%s%s", name, suffix);
    return whole;
}

/* ----------------------------------------------------------------------------------- numbers -- */

static void set_array(huggingface_model *model, graph_array *array, weight_source *source)
{
    if (model->n_arrays == model->arrays_capacity) {
        model->arrays_capacity = model->arrays_capacity ? 2 * model->arrays_capacity : 256;
        model->arrays = realloc(model->arrays, model->arrays_capacity * sizeof *model->arrays);
        if (!model->arrays)
            abort();
    }
    model->arrays[model->n_arrays++] = source->array = array;
}

void parts_set_tensor(huggingface_model *model, const stored_tensor *stored, weight_source *source)
{
    set_array(model, array_of_tensor(stored, model->fault), source);
}

/* What an array's maker is given. */
typedef struct made_numbers {
    parts_fill *fill;
    const void *argument;
    int64_t dims[2];
} made_numbers;

static graph_array *make(void *argument, size_t index, fault_text *fault)
{
    const made_numbers *numbers = argument;
    graph_array *array = array_new(ARRAY_FLOAT, 2, numbers->dims, fault);
    (void)index;
    if (!array || numbers->fill(numbers->argument, array->floats, fault))
        return array;
    array_release(array);
    return NULL;
}

void parts_set_made(huggingface_model *model, const uint32_t dims[2], parts_fill *fill,
                    const void *argument, const stored_tensor *const *reads, size_t n_reads,
                    weight_source *source)
{
    made_numbers *numbers = parts_alloc(model, sizeof *numbers);
    *numbers = (made_numbers){fill, argument, {dims[0], dims[1]}};
    array_maker maker = {.make = make, .argument = numbers};
    source->parts = reads;
    source->n_parts = (uint32_t)n_reads;
    set_array(model, array_of_maker(ARRAY_FLOAT, 2, numbers->dims, maker, model->fault), source);
}

/* ---------------------------------------------------------------------------------- matrices -- */

bool parts_matrix(huggingface_model *model, part_scope scope, const char *name, uint32_t n_in,
                  uint32_t n_out, part_matrix *matrix)
{
    char whole[PARTS_MAX_NAME];
    joined(whole, name, ".weight");
    const stored_tensor *stored = parts_tensor(model, scope, whole, 2, (uint64_t[]){n_out, n_in});
    if (!stored)
        return false;
    if (stored->dims[0] > UINT32_MAX)
        return fault_set(model->fault, "%s: the tensor '%.200s' is too large", stored->file->path,
                         stored->name);
    *matrix = (part_matrix){.stored = stored,
                            .added = adapter_find_pair(&model->adapter, whole),
                            .n_in = n_in,
                            .n_out = (uint32_t)stored->dims[0]};
    const adapter_pair *added = matrix->added;
    if (added && (added->a->dims[1] != n_in || added->b->dims[0] != matrix->n_out))
        return fault_set(model->fault, "%s: the tensors for '%s' are %s and %s, the matrix is %s",
                         added->a->file->path, whole, tensors_shape(added->b).text,
                         tensors_shape(added->a).text, tensors_shape(stored).text);
    return true;
}

float *parts_numbers(const stored_tensor *stored, fault_text *fault)
{
    float *numbers = malloc((size_t)stored->count * sizeof *numbers + 1);
    if (numbers && stored_floats(stored, 0, stored->count, numbers, fault))
        return numbers;
    fault_set(fault, "out of memory for '%.200s'", stored->name);
    free(numbers);
    return NULL;
}

bool parts_floats(const part_matrix *matrix, float *floats, fault_text *fault)
{
    return stored_floats(matrix->stored, 0, matrix->stored->count, floats, fault) &&
           (!matrix->added ||
            adapter_add(matrix->added, matrix->n_in, matrix->n_out, floats, fault));
}

size_t parts_reads(const part_matrix *matrix, const stored_tensor **reads, size_t n)
{
    reads[n++] = matrix->stored;
    if (matrix->added) {
        reads[n++] = matrix->added->a;
        reads[n++] = matrix->added->b;
    }
    return n;
}

static bool fill_matrix(const void *matrix, float *floats, fault_text *fault)
{
    return parts_floats(matrix, floats, fault);
}

void parts_set_matrix(huggingface_model *model, const part_matrix *matrix, weight_source *source)
{
    source->is_transposed = true;
    if (!matrix->added) {
        parts_set_tensor(model, matrix->stored, source);
        return;
    }
    part_matrix *made = parts_alloc(model, sizeof *made);
    const stored_tensor **reads = parts_alloc(model, 3 * sizeof *reads);
    *made = *matrix;
    parts_set_made(model, (uint32_t[]){matrix->n_out, matrix->n_in}, fill_matrix, made, reads,
                   parts_reads(made, reads, 0), source);
}

/* ----------------------------------------------------------------------------------- weights -- */

bool parts_add_vector(huggingface_model *model, part_scope scope, const char *name, uint32_t n,
                      const char *ours, const char *suffix)
{
    const stored_tensor *stored = NULL;
    if (name && !(stored = parts_tensor(model, scope, name, 1, (uint64_t[]){n})))
        return false;
    bert_weight *weight = weights_add(model->weights, WEIGHT_VECTOR, n, 1, ours, suffix);
    weight->keep_f32 = true;
    if (name)
        parts_set_tensor(model, stored, &weight->source);
    else
        weight->source.values = parts_alloc(model, n * sizeof(float));
    return true;
}

bool parts_add_norm(huggingface_model *model, part_scope scope, const char *name, uint32_t n,
                    const char *ours)
{
    char whole[PARTS_MAX_NAME];
    return parts_add_vector(model, scope, joined(whole, name, ".weight"), n, ours, ".weight") &&
           parts_add_vector(model, scope, joined(whole, name, ".bias"), n, ours, ".bias");
}

bool parts_add_table(huggingface_model *model, part_scope scope, const char *name, uint32_t n_rows,
                     uint32_t n_columns, bool keep_f32, const char *ours)
{
    const stored_tensor *stored =
        parts_tensor(model, scope, name, 2, (uint64_t[]){n_rows, n_columns});
    if (!stored)
        return false;
    bert_weight *weight = weights_add(model->weights, WEIGHT_TABLE, n_rows, n_columns, ours, "");
    parts_set_tensor(model, stored, &weight->source);
    weight->keep_f32 = keep_f32;
    return true;
}

uint32_t parts_n_out(huggingface_model *model, part_scope scope, const char *name, uint32_t n_in)
{
    part_matrix matrix;
    return parts_matrix(model, scope, name, n_in, 0, &matrix) ? matrix.n_out : 0;
}

bool parts_add_matrix(huggingface_model *model, part_scope scope, const char *name, uint32_t n_in,
                      uint32_t n_out, bool keep_f32, const char *ours)
{
    part_matrix matrix;
    if (!parts_matrix(model, scope, name, n_in, n_out, &matrix))
        return false;
    bert_weight *weight = weights_add(model->weights, WEIGHT_MATRIX, n_in, n_out, ours, "");
    parts_set_matrix(model, &matrix, &weight->source);
    weight->keep_f32 = keep_f32;
    return true;
}

bool parts_add_dense(huggingface_model *model, part_scope scope, const char *name, uint32_t n_in,
                     uint32_t n_out, bool keep_f32, const char *ours)
{
    char whole[PARTS_MAX_NAME];
    return parts_add_matrix(model, scope, name, n_in, n_out, keep_f32, ours) &&
           parts_add_vector(model, scope, joined(whole, name, ".bias"), n_out, ours, ".bias");
}

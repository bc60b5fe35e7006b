/*
 * expand.c - weights of any dtype become the F32 that a training begins with.
 *
 * A number of a table is integer * scale of its row; of a matrix, integer * scale of its column *
 * smooth of its input (docs/model-file.md). What smooths inputs of a matrix is found by its name:
 * query, key and value share their layer's.
 */
#include <string.h>

#include "simd.h"
#include "trainer.h"

/* The tensor that is called as this one up to `n`, then `suffix`. */
static const bert_tensor *find(const bert_tensor *tensors, size_t n_tensors, const char *name,
                               size_t n, const char *suffix)
{
    for (size_t i = 0; i < n_tensors; i++)
        if (strncmp(tensors[i].name, name, n) == 0 && strcmp(tensors[i].name + n, suffix) == 0)
            return &tensors[i];
    return NULL;
}

static int ends_with(const char *name, size_t n, const char *ending)
{
    size_t n_ending = strlen(ending);
    return n >= n_ending && memcmp(name + n - n_ending, ending, n_ending) == 0;
}

/* How long the name of a weight is without ".weight". */
static size_t stem(const char *name)
{
    return strlen(name) - strlen(".weight");
}

static const bert_tensor *find_smooth(const bert_tensor *tensors, size_t n_tensors,
                                      const char *name)
{
    static const char *const projections[] = {".attention.query", ".attention.key",
                                              ".attention.value"};
    size_t n = stem(name);
    for (size_t i = 0; i < sizeof projections / sizeof *projections; i++)
        if (ends_with(name, n, projections[i]))
            return find(tensors, n_tensors, name, n - strlen(projections[i]), ".smooth");
    return find(tensors, n_tensors, name, n, ".smooth");
}

/* Of an I8 matrix: its inputs. The tensor has whole pairs of quads of them. */
static uint32_t n_inputs(const bert_tensor *tensors, size_t n_tensors, const char *name)
{
    return find_smooth(tensors, n_tensors, name)->shape[0];
}

int bert_train_tensor(const bert_tensor *tensors, size_t n_tensors, size_t index,
                      bert_tensor *tensor)
{
    const bert_tensor *from = &tensors[index];
    size_t n = strlen(from->name), n_numbers = 1;
    if (ends_with(from->name, n, ".scale") || ends_with(from->name, n, ".smooth"))
        return 0;
    *tensor = *from;
    tensor->dtype = BERT_DTYPE_F32;
    tensor->data = NULL;
    if (from->dtype == BERT_DTYPE_I8 && from->rank == 4) {
        tensor->rank = 3;
        tensor->shape[1] = n_inputs(tensors, n_tensors, from->name);
        tensor->shape[3] = 0;
    }
    for (uint32_t i = 0; i < tensor->rank; i++)
        n_numbers *= tensor->shape[i];
    tensor->n_bytes = n_numbers * sizeof(float);
    return 1;
}

static void expand_f16(const uint16_t *numbers, size_t n, float *values)
{
    for (size_t i = 0; i < n; i += 4) {
        uint16_t four[4] = {0};
        float wide[4];
        size_t n_here = n - i < 4 ? n - i : 4;
        memcpy(four, numbers + i, n_here * sizeof *four);
        wasm_v128_store(wide, simd_load_f16(four));
        memcpy(values + i, wide, n_here * sizeof *wide);
    }
}

static void expand_table(const bert_tensor *table, const float *scale, float *values)
{
    const int8_t *integers = table->data;
    size_t n_columns = table->shape[1];
    for (size_t row = 0; row < table->shape[0]; row++)
        for (size_t i = 0; i < n_columns; i++)
            values[row * n_columns + i] = (float)integers[row * n_columns + i] * scale[row];
}

/* [panel][quad][column][input] to [panel][input][column]; columns past the last are zeros. */
static void expand_matrix(const bert_tensor *from, const bert_tensor *scale,
                          const bert_tensor *smooth, float *values)
{
    const int8_t *integers = from->data;
    const float *scales = scale->data, *factors = smooth->data;
    uint32_t n_in = smooth->shape[0], n_out = scale->shape[0], n_quads = from->shape[1];
    for (uint32_t panel = 0; panel < from->shape[0]; panel++)
        for (uint32_t in = 0; in < n_in; in++)
            for (uint32_t j = 0; j < BERT_PANEL; j++) {
                uint32_t out = panel * BERT_PANEL + j;
                size_t quad = (size_t)panel * n_quads + in / BERT_QUAD;
                int8_t integer = integers[(quad * BERT_PANEL + j) * BERT_QUAD + in % BERT_QUAD];
                *values++ = out < n_out ? (float)integer * scales[out] * factors[in] : 0;
            }
}

void bert_train_expand(const bert_tensor *tensors, size_t n_tensors, size_t index, float *values)
{
    const bert_tensor *from = &tensors[index];
    if (from->dtype == BERT_DTYPE_F32) {
        memcpy(values, from->data, from->n_bytes);
    } else if (from->dtype == BERT_DTYPE_F16) {
        expand_f16(from->data, from->n_bytes / sizeof(uint16_t), values);
    } else {
        const bert_tensor *scale = find(tensors, n_tensors, from->name, stem(from->name), ".scale");
        if (from->rank == 2)
            expand_table(from, scale->data, values);
        else
            expand_matrix(from, scale, find_smooth(tensors, n_tensors, from->name), values);
    }
}

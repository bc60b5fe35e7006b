/*
 * arrival.c - the bytes of a model's tensors, which may come one tensor after the other: what is
 * checked and derived when they have, and which steps of an encoding can run by then.
 *
 * Each tensor is counted at the first step that reads it; model.c says which that is. A step can
 * run when neither it nor one before it misses any. Rejected: a list of tensors for each step,
 * which shared layers would fill with the same ones, and which says nothing more.
 */
#include <string.h>

#include "internal.h"
#include "simd.h"

/* Where numbers go wrong, if they do not. */
#define NOWHERE UINT32_MAX

/* Each integer is at most `most`, or kernels would not agree; and their sums are needed. The bytes
 * are read once: sums[j] = the sum of column j. */
static uint32_t take_integers(const bert_tensor *weight, uint32_t n_out, int most, int32_t *sums)
{
    size_t n_quads = weight->shape[1];
    const int8_t *panel = weight->data;
    for (uint32_t column = 0; column < n_out; column += BERT_PANEL) {
        v128_t halves[2] = {wasm_i32x4_const(0, 0, 0, 0), wasm_i32x4_const(0, 0, 0, 0)};
        v128_t largest = wasm_i8x16_splat(0);
        for (size_t i = 0; i < 2 * n_quads; i++, panel += 16) {
            v128_t x = wasm_v128_load(panel);
            largest = wasm_u8x16_max(largest, wasm_i8x16_abs(x));
            halves[i % 2] = wasm_i32x4_add(halves[i % 2], wasm_i32x4_extadd_pairwise_i16x8(
                                                              wasm_i16x8_extadd_pairwise_i8x16(x)));
        }
        if (wasm_v128_any_true(wasm_u8x16_gt(largest, wasm_i8x16_splat((int8_t)most))))
            return column;
        int32_t totals[BERT_PANEL];
        wasm_v128_store(totals, halves[0]);
        wasm_v128_store(totals + 4, halves[1]);
        for (uint32_t j = 0; j < BERT_PANEL && column + j < n_out; j++)
            sums[column + j] = totals[j];
    }
    return NOWHERE;
}

/* A zero, infinite or NaN scale would silently poison every answer. */
static uint32_t take_scale(const float *scale, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (!(scale[i] > 0 && scale[i] <= 3.4e38f))
            return i;
    return NOWHERE;
}

/* Each is a row that there is. */
static uint32_t take_distances(const float *numbers, uint32_t n, uint32_t n_rows, uint32_t *rows)
{
    for (uint32_t i = 0; i < n; i++) {
        if (!(numbers[i] >= 0 && numbers[i] < (float)n_rows) ||
            numbers[i] != (float)(uint32_t)numbers[i])
            return i;
        rows[i] = (uint32_t)numbers[i];
    }
    return NOWHERE;
}

/* Where the tensor's numbers go wrong. */
static uint32_t take_numbers(bert_model *model, const bert_tensor *tensor,
                             const tensor_arrival *arrival)
{
    switch (arrival->role) {
    case TENSOR_INTEGERS:
        return take_integers(tensor, model->tensors[arrival->partner].shape[0],
                             BERT_MOST_WEIGHT(model->config.integers), arrival->sums);
    case TENSOR_SCALE:
        return take_scale(tensor->data, tensor->shape[0]);
    case TENSOR_DISTANCES:
        return take_distances(tensor->data, tensor->shape[0], model->config.n_relative_rows,
                              model->relative_rows);
    case TENSOR_AS_IT_LIES:
        break;
    }
    return NOWHERE;
}

/* The sums of an I8 matrix's columns become its offset when both they and the scale are there. */
static void finish_offset(const bert_model *model, size_t index)
{
    const tensor_arrival *arrival = &model->arrivals[index];
    if (!arrival->offset || !model->arrivals[arrival->partner].is_taken)
        return;
    const bert_tensor *tensor =
        &model->tensors[arrival->role == TENSOR_SCALE ? index : arrival->partner];
    const float *restrict scale = tensor->data;
    float *restrict offset = arrival->offset;
    for (uint32_t j = 0; j < tensor->shape[0]; j++)
        offset[j] = (float)arrival->sums[j] * scale[j];
}

void arrivals_begin(bert_model *model)
{
    memset(model->n_missing, 0, (model->config.n_layers + 1) * sizeof *model->n_missing);
    for (size_t i = 0; i < model->n_tensors; i++)
        model->n_missing[model->arrivals[i].step]++;
}

bert_status bert_model_take(bert_model *model, size_t index, bert_error *error)
{
    assert(model && index < model->n_tensors && !model->arrivals[index].is_taken);
    tensor_arrival *arrival = &model->arrivals[index];
    const bert_tensor *tensor = &model->tensors[index];
    uint32_t bad = take_numbers(model, tensor, arrival);
    if (bad != NOWHERE)
        return error_set_value(error, BERT_BAD_DATA, tensor->name, bad);
    finish_offset(model, index);
    arrival->is_taken = 1;
    model->n_missing[arrival->step]--;
    while (model->n_ready <= model->config.n_layers && model->n_missing[model->n_ready] == 0)
        model->n_ready++;
    return BERT_OK;
}

uint32_t bert_model_steps_ready(const bert_model *model)
{
    return model->n_ready;
}

bert_status arrivals_check(const bert_model *model, bert_error *error)
{
    if (model->n_ready > model->config.n_layers)
        return BERT_OK;
    size_t i = 0;
    while (model->arrivals[i].is_taken)
        i++;
    return error_set(error, BERT_BAD_DATA, model->tensors[i].name);
}

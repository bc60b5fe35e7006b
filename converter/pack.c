/* pack.c - see pack.h. */
#include "pack.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t dtype_bytes[] = {
#define DTYPE_BYTES(name, size) size,
    BERT_DTYPES(DTYPE_BYTES)
#undef DTYPE_BYTES
};

static void plan(packed *out, const char *name, const char *suffix, bert_dtype dtype, uint32_t rank,
                 const uint32_t *shape)
{
    *out = (packed){.dtype = dtype, .rank = rank, .n_bytes = dtype_bytes[dtype]};
    /* Names come from read_bert.c, and have room. */
    memcpy(out->name, name, strlen(name));
    strcat(out->name, suffix);
    for (uint32_t i = 0; i < rank; i++)
        out->n_bytes *= out->shape[i] = shape[i];
}

/* Inputs and outputs of a matrix. */
static uint32_t n_in(const weight *weight)
{
    return (uint32_t)weight->tensor->dims[weight->is_transposed];
}

static uint32_t n_out(const weight *weight)
{
    return (uint32_t)weight->tensor->dims[!weight->is_transposed];
}

int pack_plan(const weight *weight, bert_dtype dtype, packed out[2])
{
    const uint64_t *dims = weight->tensor->dims;
    if (weight->keep_f32)
        dtype = BERT_DTYPE_F32;
    if (weight->kind == WEIGHT_VECTOR) {
        plan(&out[0], weight->name, "", BERT_DTYPE_F32, 1, (uint32_t[]){(uint32_t)dims[0]});
        return 1;
    }
    uint32_t n_scales;
    if (weight->kind == WEIGHT_TABLE) {
        n_scales = (uint32_t)dims[0];
        plan(&out[0], weight->name, ".weight", dtype, 2,
             (uint32_t[]){(uint32_t)dims[0], (uint32_t)dims[1]});
    } else {
        n_scales = n_out(weight);
        plan(&out[0], weight->name, ".weight", dtype, 3,
             (uint32_t[]){(n_scales + BERT_PANEL - 1) / BERT_PANEL, n_in(weight), BERT_PANEL});
    }
    if (dtype != BERT_DTYPE_I8)
        return 1;
    plan(&out[1], weight->name, ".scale", BERT_DTYPE_F32, 1, &n_scales);
    return 2;
}

/* IEEE 754 binary16, rounded to nearest, ties to even; infinity where it does not fit. */
static uint16_t narrow_f16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude >= 0x477ff000) /* 65520: half way to what 65504 + 32 would be */
        return (uint16_t)(sign | 0x7c00);
    if (magnitude < 0x38800000) { /* below 2^-14: subnormal, in units of 2^-24 */
        return (uint16_t)(sign | (uint32_t)lrintf(fabsf(value) * 0x1p24f));
    }
    uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
    return (uint16_t)(sign | ((rounded - 0x38000000) >> 13));
}

/* The weight as float32: [rows, columns] for tables, [in, out] as in y = x W for matrices. */
static float *floats(const weight *weight, fault *fault)
{
    const onnx_tensor *tensor = weight->tensor;
    float *values = malloc(tensor->count * sizeof *values + 1);
    if (!values) {
        fault_set(fault, "out of memory for '%s'", weight->name);
        return NULL;
    }
    bool flip = weight->kind == WEIGHT_MATRIX && weight->is_transposed;
    uint64_t columns = flip ? tensor->dims[1] : 1, rows = flip ? tensor->dims[0] : 1;
    for (uint64_t i = 0; i < tensor->count; i++) {
        float value = onnx_float(tensor, i);
        if (!isfinite(value)) {
            fault_set(fault, "tensor '%s' (%s) has %g at %llu", tensor->name, weight->name,
                      (double)value, (unsigned long long)i);
            free(values);
            return NULL;
        }
        values[flip ? i % columns * rows + i / columns : i] = value;
    }
    return values;
}

/* A scale for each of `n` columns (or rows) of values[k * k_stride + j * j_stride]. */
static void find_scales(const float *values, uint64_t n, uint64_t j_stride, uint64_t depth,
                        uint64_t k_stride, float *scales)
{
    for (uint64_t j = 0; j < n; j++) {
        float largest = 0;
        for (uint64_t k = 0; k < depth; k++)
            largest = fmaxf(largest, fabsf(values[k * k_stride + j * j_stride]));
        scales[j] = largest / 127;
        if (!(scales[j] >= 1e-30f)) /* nothing but zeros, or too small to divide by */
            scales[j] = 1;
    }
}

static bool store(packed *out, size_t at, float value, float scale, const weight *weight,
                  fault *fault)
{
    if (out->dtype == BERT_DTYPE_F32) {
        ((float *)out->data)[at] = value;
    } else if (out->dtype == BERT_DTYPE_F16) {
        uint16_t half = narrow_f16(value);
        ((uint16_t *)out->data)[at] = half;
        if ((half & 0x7fff) == 0x7c00)
            return fault_set(fault, "'%s' has %g, which f16 cannot hold: use f32 or q8",
                             weight->name, (double)value);
    } else {
        ((int8_t *)out->data)[at] = (int8_t)lrintf(value / scale);
    }
    return true;
}

bool pack_weight(const weight *weight, packed out[2], fault *fault)
{
    float *values = floats(weight, fault), *scales = NULL;
    bool ok = values != NULL;
    out[0].data = calloc(1, out[0].n_bytes + 1);
    ok = ok && (out[0].data || fault_set(fault, "out of memory for '%s'", weight->name));
    if (ok && out[0].dtype == BERT_DTYPE_I8) {
        out[1].data = scales = malloc(out[1].n_bytes + 1);
        ok = scales || fault_set(fault, "out of memory for '%s'", weight->name);
    }
    if (ok && weight->kind == WEIGHT_MATRIX) {
        uint32_t depth = n_in(weight), n = n_out(weight);
        if (scales)
            find_scales(values, n, 1, depth, n, scales);
        for (uint32_t j = 0; ok && j < n; j++)
            for (uint32_t k = 0; ok && k < depth; k++)
                ok = store(&out[0],
                           ((size_t)(j / BERT_PANEL) * depth + k) * BERT_PANEL + j % BERT_PANEL,
                           values[(size_t)k * n + j], scales ? scales[j] : 1, weight, fault);
    } else if (ok) {
        uint64_t columns = weight->kind == WEIGHT_TABLE ? weight->tensor->dims[1] : 1;
        if (scales)
            find_scales(values, weight->tensor->dims[0], columns, columns, 1, scales);
        for (uint64_t i = 0; ok && i < weight->tensor->count; i++)
            ok = store(&out[0], i, values[i], scales ? scales[i / columns] : 1, weight, fault);
    }
    free(values);
    if (!ok) {
        free(out[0].data);
        free(scales);
        out[0].data = out[1].data = NULL;
    }
    return ok;
}

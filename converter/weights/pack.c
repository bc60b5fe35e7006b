/* pack.c - see pack.h. */
#include "weights/pack.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "weights/pack_q4.h"
#include "weights/scale.h"

const char *pack_dtype_name(pack_dtype dtype)
{
    static const char *const names[] = {[PACK_F32] = "f32",
                                        [PACK_F16] = "f16",
                                        [PACK_Q8] = "q8",
                                        [PACK_Q7] = "q7",
                                        [PACK_Q4] = "q4"};
    _Static_assert(sizeof names / sizeof *names == PACK_DTYPE_COUNT, "a name for each");
    return names[dtype];
}

bool pack_is_quantised(pack_dtype dtype)
{
    return dtype == PACK_Q8 || dtype == PACK_Q7 || dtype == PACK_Q4;
}

bert_integers pack_integers(pack_dtype dtype)
{
    return dtype == PACK_Q8 || dtype == PACK_Q4 ? BERT_INTEGERS_8_BITS : BERT_INTEGERS_7_BITS;
}

bert_config pack_config(const bert_weights *weights, pack_dtype dtype)
{
    bert_config config = weights->config;
    config.integers = pack_integers(dtype);
    return config;
}

static void plan(packed_tensor *out, const char *name, const char *suffix, bert_dtype dtype,
                 uint32_t rank, const uint32_t *shape)
{
    *out = (packed_tensor){.dtype = dtype, .rank = rank, .n_bytes = bert_dtype_bytes(dtype)};
    /* Names come from read/collect.c, and have room. */
    memcpy(out->name, name, strlen(name));
    strcat(out->name, suffix);
    for (uint32_t i = 0; i < rank; i++)
        out->n_bytes *= out->shape[i] = shape[i];
}

/* `n` units a row of 4-bit numbers, of `n_columns` columns each. */
static void plan_q4(packed_tensor *out, const char *name, uint32_t n_rows, uint32_t n,
                    uint32_t n_columns)
{
    plan(out, name, ".q4", BERT_DTYPE_I8, 3,
         (uint32_t[]){n_rows, n, BERT_Q4_UNIT_BYTES(n_columns)});
    out->is_q4 = true;
}

static int plan_matrix(const bert_weight *weight, pack_dtype dtype, packed_tensor *out)
{
    uint32_t depth = weight->n_rows, n = weight->n_columns;
    uint32_t n_panels = BERT_PANELS(n);
    if (!pack_is_quantised(dtype) || !weights_is_of_layer(weight)) {
        plan(out, weight->name, ".weight", dtype == PACK_F32 ? BERT_DTYPE_F32 : BERT_DTYPE_F16, 3,
             (uint32_t[]){n_panels, depth, BERT_PANEL});
        return 1;
    }
    int count = 0;
    if (weights_leads(weight)) {
        /* Query, key and value share their factors: those are the layer's. */
        char name[BERT_MAX_NAME + 1];
        memcpy(name, weight->name, sizeof name);
        char *query = strstr(name, ".attention.query");
        if (query)
            *query = '\0';
        plan(&out[count++], name, ".smooth", BERT_DTYPE_F32, 1, &depth);
    }
    if (dtype == PACK_Q4 && depth % BERT_GROUP == 0)
        plan_q4(&out[count++], weight->name, n_panels, depth / BERT_GROUP, BERT_PANEL);
    else
        plan(&out[count++], weight->name, ".weight", BERT_DTYPE_I8, 4,
             (uint32_t[]){n_panels, BERT_I8_QUADS(depth), BERT_PANEL, BERT_QUAD});
    plan(&out[count++], weight->name, ".scale", BERT_DTYPE_F32, 1, &n);
    return count;
}

int pack_plan(const bert_weight *weight, pack_dtype dtype, packed_tensor out[PACK_MAX_TENSORS])
{
    static const bert_dtype loaded[] = {[PACK_F32] = BERT_DTYPE_F32,
                                        [PACK_F16] = BERT_DTYPE_F16,
                                        [PACK_Q8] = BERT_DTYPE_I8,
                                        [PACK_Q7] = BERT_DTYPE_I8,
                                        [PACK_Q4] = BERT_DTYPE_I8};
    _Static_assert(sizeof loaded / sizeof *loaded == PACK_DTYPE_COUNT, "a dtype for each");
    uint32_t n_rows = weight->n_rows, n_columns = weight->n_columns;
    if (weight->keep_f32)
        dtype = PACK_F32;
    if (weight->kind == WEIGHT_MATRIX)
        return plan_matrix(weight, dtype, out);
    if (weight->kind == WEIGHT_VECTOR) {
        plan(&out[0], weight->name, "", BERT_DTYPE_F32, weight->rank,
             (uint32_t[]){n_rows, n_columns});
        return 1;
    }
    if (dtype == PACK_Q4 && n_columns % BERT_GROUP == 0)
        plan_q4(&out[0], weight->name, n_rows, n_columns / BERT_GROUP, 1);
    else
        plan(&out[0], weight->name, ".weight", loaded[dtype], 2, (uint32_t[]){n_rows, n_columns});
    if (loaded[dtype] != BERT_DTYPE_I8)
        return 1;
    plan(&out[1], weight->name, ".scale", BERT_DTYPE_F32, 1, &n_rows);
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

static bool store(packed_tensor *out, size_t at, float value, float scale,
                  const bert_weight *weight, fault_text *fault)
{
    if (out->dtype == BERT_DTYPE_F32) {
        ((float *)out->data)[at] = value;
    } else if (out->dtype == BERT_DTYPE_F16) {
        uint16_t half = narrow_f16(value);
        ((uint16_t *)out->data)[at] = half;
        if ((half & 0x7fff) == 0x7c00)
            return fault_set(fault, "'%s' has %g, which f16 cannot hold: use f32", weight->name,
                             (double)value);
    } else {
        ((int8_t *)out->data)[at] = (int8_t)lrintf(value / scale);
    }
    return true;
}

/* Panels of [in, out] values; `scales` [out] and the largest integer are for I8 alone. */
static bool store_matrix(const bert_weight *weight, float *values, int most, packed_tensor *out,
                         float *scales, fault_text *fault)
{
    uint32_t depth = weight->n_rows, n = weight->n_columns;
    bool is_i8 = out->dtype == BERT_DTYPE_I8;
    for (size_t i = 0; is_i8 && i < (size_t)depth * n; i++)
        values[i] /= weight->smooth[i / n];
    if (out->is_q4)
        return pack_q4_matrix(values, depth, n, weight->moments, out->data, scales, fault);
    for (uint32_t j = 0; j < n; j++) {
        size_t panel = j / BERT_PANEL, column = j % BERT_PANEL;
        if (is_i8)
            scales[j] = scale_find(values + j, depth, n, most);
        for (size_t k = 0; k < depth; k++) {
            size_t quad = panel * BERT_I8_QUADS(depth) + k / BERT_QUAD;
            size_t at = is_i8 ? (quad * BERT_PANEL + column) * BERT_QUAD + k % BERT_QUAD
                              : (panel * depth + k) * BERT_PANEL + column;
            if (!store(out, at, values[k * n + j], is_i8 ? scales[j] : 1, weight, fault))
                return false;
        }
    }
    return true;
}

/* Rows of a table; `scales` [rows], for I8 alone. A vector is a table of one row. */
static bool store_table(const bert_weight *weight, const float *values, packed_tensor *out,
                        float *scales, fault_text *fault)
{
    bool is_table = weight->kind == WEIGHT_TABLE;
    size_t count = (size_t)weight->n_rows * weight->n_columns; /* `values` are in memory */
    size_t columns = is_table ? weight->n_columns : count;
    if (out->is_q4) {
        pack_q4_table(values, weight->n_rows, weight->n_columns, out->data, scales);
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        if (scales && i % columns == 0)
            scales[i / columns] = scale_find(values + i, columns, 1, 127);
        if (!store(out, i, values[i], scales ? scales[i / columns] : 1, weight, fault))
            return false;
    }
    return true;
}

bool pack_fill(const bert_weight *weight, pack_dtype dtype, const float *values, int n,
               packed_tensor out[PACK_MAX_TENSORS], fault_text *fault)
{
    bool is_matrix = weight->kind == WEIGHT_MATRIX;
    /* A table of floats is stored as it is read: it is the largest of all, and is not held twice.
     */
    if (!is_matrix && !values && out[0].dtype == BERT_DTYPE_F32)
        return weights_read(weight, out[0].data, fault);
    float *own = values && !is_matrix ? NULL : weights_floats(weight, fault);
    if (!own && (is_matrix || !values))
        return false;
    packed_tensor *tensor = NULL, *scales = NULL;
    for (int i = 0; i < n; i++) {
        const char *suffix = strrchr(out[i].name, '.');
        memset(out[i].data, 0, out[i].n_bytes);
        if (suffix && strcmp(suffix, ".smooth") == 0)
            memcpy(out[i].data, weight->smooth, out[i].n_bytes);
        else if (!tensor)
            tensor = &out[i];
        else
            scales = &out[i];
    }
    float *scale = scales ? scales->data : NULL;
    int most = BERT_MOST_WEIGHT(pack_integers(dtype));
    bool ok = is_matrix ? store_matrix(weight, own, most, tensor, scale, fault)
                        : store_table(weight, own ? own : values, tensor, scale, fault);
    free(own);
    return ok;
}

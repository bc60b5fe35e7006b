/*
 * relative.c - what attention knows of distances, MPNet's and DeBERTa's (huggingface.h).
 *
 * Both put distances into buckets whose size grows by their logarithm. Which bucket a distance has
 * is computed here, in float32 as transformers does; logarithms are the converter's own, so that
 * every machine finds the same.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "huggingface/parts.h"
#include "maths/maths.h"

/* Distances that are stored where nothing else limits the length of a sequence. */
#define MAX_DISTANCES 1024

static float log_f32(float x)
{
    return (float)maths_log((double)x);
}

/* ------------------------------------------------------------------------------------- MPNet -- */

#define MPNET_BUCKETS 32
#define MPNET_MOST_DISTANCE 128

/* Song et al. 2020, MPNet; Raffel et al. 2019, T5, section 2.1: half of the buckets for each
 * direction, half of those for one distance each. */
static uint32_t mpnet_bucket(int32_t query, int32_t key)
{
    const int32_t n_buckets = MPNET_BUCKETS / 2, n_exact = n_buckets / 2;
    int32_t distance = query - key, first = distance < 0 ? n_buckets : 0;
    distance = abs(distance);
    if (distance < n_exact)
        return (uint32_t)(first + distance);
    float ratio = (float)maths_log((double)MPNET_MOST_DISTANCE / n_exact);
    float scaled = log_f32((float)distance / (float)n_exact) / ratio * (float)(n_buckets - n_exact);
    int32_t bucket = n_exact + (int32_t)scaled;
    return (uint32_t)(first + (bucket < n_buckets ? bucket : n_buckets - 1));
}

/* What a bias by distance is made of. */
typedef struct bias_parts {
    const stored_tensor *table; /* [MPNET_BUCKETS, n_heads] */
    uint32_t n_heads, n_distances;
} bias_parts;

static bool fill_bias(const void *argument, float *bias, fault_text *fault)
{
    const bias_parts *from = argument;
    uint32_t middle = from->n_distances - 1, width = 2 * middle + 1;
    float *table = parts_numbers(from->table, fault);
    for (size_t h = 0; table && h < from->n_heads; h++)
        for (uint32_t i = 0; i < width; i++)
            bias[h * width + i] =
                table[mpnet_bucket((int32_t)middle, (int32_t)i) * from->n_heads + h];
    free(table);
    return table != NULL;
}

static bool configure_buckets(huggingface_model *model)
{
    bert_config *config = &model->weights->config;
    if (settings_size(&model->config, "relative_attention_num_buckets", MPNET_BUCKETS) !=
        MPNET_BUCKETS)
        return settings_refuse(&model->config, "relative_attention_num_buckets",
                               "only 32 are computed");
    config->position_attention = BERT_POSITION_ATTENTION_BIAS;
    config->n_distances = bert_config_most_tokens(config);
    return true;
}

static bool add_bias(huggingface_model *model)
{
    const bert_config *config = &model->weights->config;
    uint32_t width = 2 * config->n_distances - 1;
    bias_parts *made = parts_alloc(model, sizeof *made);
    made->table = parts_tensor(model, OF_ENCODER, "encoder.relative_attention_bias.weight", 2,
                               (uint64_t[]){MPNET_BUCKETS, config->n_heads});
    if (!made->table)
        return false;
    made->n_heads = config->n_heads;
    made->n_distances = config->n_distances;
    bert_weight *weight =
        weights_add(model->weights, WEIGHT_VECTOR, config->n_heads, width, "attention.bias", "");
    parts_set_made(model, (uint32_t[]){config->n_heads, width}, fill_bias, made, &made->table, 1,
                   &weight->source);
    weight->rank = 2;
    weight->keep_f32 = true;
    return true;
}

/* ----------------------------------------------------------------------------------- DeBERTa -- */

/* He et al. 2020, DeBERTa, section 3.1; of v2 with buckets, as its code has them. */
typedef struct deberta_distances {
    int32_t span;      /* rows for one direction */
    int32_t n_buckets; /* 0: a row for each distance */
    int32_t furthest;  /* distance that the last bucket stands for */
} deberta_distances;

static deberta_distances read_distances(const huggingface_model *model)
{
    const settings *config = &model->config;
    double furthest = settings_number(config, "max_relative_positions", -1);
    deberta_distances distances = {0};
    if (furthest < 1)
        furthest = settings_size(config, "max_position_embeddings", 512);
    double n_buckets = model->family->distances == DISTANCES_DISENTANGLED_LOGS
                           ? settings_number(config, "position_buckets", -1)
                           : 0;
    if (furthest != floor(furthest) || furthest < 2 || furthest > 1 << 20)
        settings_refuse(config, "max_relative_positions", "it must be a whole number of 2 to 2^20");
    else if (n_buckets > 0 && (n_buckets != floor(n_buckets) || n_buckets < 4 ||
                               n_buckets > 1 << 20 || furthest - 1 <= floor(n_buckets / 2)))
        settings_refuse(config, "position_buckets",
                        "it must be a whole number of 4 or more, whose half is less than "
                        "max_relative_positions - 1");
    else
        distances = (deberta_distances){.span = (int32_t)(n_buckets > 0 ? n_buckets : furthest),
                                        .n_buckets = n_buckets > 0 ? (int32_t)n_buckets : 0,
                                        .furthest = (int32_t)furthest};
    return distances;
}

/* The row of a distance, query - key. */
static int32_t deberta_row(const deberta_distances *distances, int32_t distance)
{
    int32_t span = distances->span, middle = distances->n_buckets / 2, magnitude = abs(distance);
    double bucket = distance;
    if (distances->n_buckets && magnitude > middle) {
        float whole = log_f32((float)((double)(distances->furthest - 1) / middle));
        float scaled = log_f32((float)magnitude / (float)middle) / whole * (float)(middle - 1);
        bucket = (double)(ceilf(scaled) + (float)middle) * (distance < 0 ? -1 : 1);
    }
    double row = bucket + span;
    return (int32_t)(row < 0 ? 0 : row > 2 * span - 1 ? 2 * span - 1 : row);
}

/* Which of c2p and p2c the config has: a list, or a text with bars between. */
static bool read_types(const settings *config, bool *c2p, bool *p2c)
{
    const cJSON *item, *types = settings_item(config, "pos_att_type");
    char text[128] = "";
    if (cJSON_IsString(types))
        snprintf(text, sizeof text, "%s", types->valuestring);
    else if (types && !cJSON_IsArray(types))
        return settings_refuse(config, "pos_att_type", "it must be a list of c2p and p2c");
    if (cJSON_IsArray(types))
        cJSON_ArrayForEach(item, types)
        {
            size_t n = strlen(text);
            snprintf(text + n, sizeof text - n, "%s|",
                     cJSON_IsString(item) ? item->valuestring : "?");
        }
    for (char *rest = text, *type; (type = strtok_r(rest, "| ", &rest));) {
        bool *place = strcmp(type, "c2p") == 0 ? c2p : strcmp(type, "p2c") == 0 ? p2c : NULL;
        if (!place || *place)
            return settings_refuse(config, "pos_att_type",
                                   "only c2p and p2c are computed, each once");
        *place = true;
    }
    return true;
}

/* Whether embeddings of distances have a norm, and whether layers project them as they do tokens.
 */
static bool has_norm(const huggingface_model *model)
{
    return model->family->distances == DISTANCES_DISENTANGLED_LOGS &&
           strstr(settings_text(&model->config, "norm_rel_ebd", "none"), "layer_norm") != NULL;
}

static bool is_shared(const huggingface_model *model)
{
    return model->family->distances == DISTANCES_DISENTANGLED_LOGS &&
           settings_flag(&model->config, "share_att_key", false);
}

static bool configure_disentangled(huggingface_model *model)
{
    const settings *config = &model->config;
    bert_config *encoder = &model->weights->config;
    bool c2p = false, p2c = false;
    if (!read_types(config, &c2p, &p2c))
        return false;
    if (settings_size(config, "attention_head_size", encoder->hidden_size / encoder->n_heads) !=
        encoder->hidden_size / encoder->n_heads)
        return settings_refuse(config, "attention_head_size",
                               "it must be hidden_size over num_attention_heads");
    if (!settings_flag(config, "relative_attention", false)) {
        /* transformers divides scores by their number all the same. */
        return !(c2p || p2c) ||
               settings_refuse(config, "pos_att_type", "it needs relative_attention to be true");
    }
    if (!c2p && !p2c)
        return true;
    deberta_distances distances = read_distances(model);
    if (config->fault->text[0])
        return false;
    uint32_t most = bert_config_most_tokens(encoder);
    encoder->position_attention = c2p && p2c ? BERT_POSITION_ATTENTION_C2P_P2C
                                  : c2p      ? BERT_POSITION_ATTENTION_C2P
                                             : BERT_POSITION_ATTENTION_P2C;
    encoder->n_distances = most == BERT_UNLIMITED_TOKENS ? MAX_DISTANCES : most;
    encoder->n_relative_rows = 2 * (uint32_t)distances.span;
    if (model->for_training) {
        encoder->relative_norm = has_norm(model);
        encoder->relative_source = model->family->distances == DISTANCES_DISENTANGLED
                                       ? BERT_RELATIVE_SOURCE_OWN_UNBIASED
                                   : is_shared(model) ? BERT_RELATIVE_SOURCE_SHARED
                                                      : BERT_RELATIVE_SOURCE_OWN;
    }
    return true;
}

static bool has_types(const bert_config *config, bert_position_attention one)
{
    return config->position_attention == one ||
           config->position_attention == BERT_POSITION_ATTENTION_C2P_P2C;
}

static void add_rows(huggingface_model *model)
{
    uint32_t n = model->weights->config.n_distances, width = 2 * n - 1;
    deberta_distances distances = read_distances(model);
    float *rows = parts_alloc(model, width * sizeof *rows);
    for (uint32_t i = 0; i < width; i++)
        rows[i] = (float)deberta_row(&distances, (int32_t)i - (int32_t)(n - 1));
    bert_weight *weight = weights_add(model->weights, WEIGHT_VECTOR, width, 1, "relative.rows", "");
    weight->source.values = rows;
    weight->keep_f32 = true;
}

/* Embeddings of distances, projected. */
typedef struct table_parts {
    part_matrix matrix;
    const stored_tensor *bias;       /* NULL: none */
    const stored_tensor *embeddings; /* [n_rows, n_in] */
    const stored_tensor *norm[2];    /* weight and bias; NULL: none */
    float eps;
    const stored_tensor *reads[7];
} table_parts;

/* Ba, Kiros & Hinton 2016, Layer Normalization. */
static void normalise(float *rows, size_t n_rows, size_t n, const float *weight, const float *bias,
                      float eps)
{
    for (size_t r = 0; r < n_rows; r++) {
        float *row = rows + r * n;
        double mean = 0, variance = 0;
        for (size_t i = 0; i < n; i++)
            mean += row[i];
        mean /= (double)n;
        for (size_t i = 0; i < n; i++)
            variance += (row[i] - mean) * (row[i] - mean);
        double factor = 1 / sqrt(variance / (double)n + (double)eps);
        for (size_t i = 0; i < n; i++)
            row[i] = (float)((row[i] - mean) * factor * (double)weight[i] + (double)bias[i]);
    }
}

/* Embeddings of distances as layers see them. */
static float *distance_embeddings(const table_parts *from, fault_text *fault)
{
    float *rows = parts_numbers(from->embeddings, fault);
    if (!rows || !from->norm[0])
        return rows;
    float *weight = parts_numbers(from->norm[0], fault),
          *bias = parts_numbers(from->norm[1], fault);
    bool ok = weight && bias;
    if (ok)
        normalise(rows, (size_t)from->embeddings->dims[0], from->matrix.n_in, weight, bias,
                  from->eps);
    free(weight);
    free(bias);
    if (!ok)
        free(rows);
    return ok ? rows : NULL;
}

static bool fill_table(const void *argument, float *table, fault_text *fault)
{
    const table_parts *from = argument;
    size_t n_rows = (size_t)from->embeddings->dims[0], n_in = from->matrix.n_in;
    size_t n_out = from->matrix.n_out;
    float *rows = distance_embeddings(from, fault);
    float *matrix = malloc(n_in * n_out * sizeof *matrix);
    float *bias = from->bias ? parts_numbers(from->bias, fault) : NULL;
    bool ok = matrix || fault_set(fault, "out of memory for '%.200s'", from->embeddings->name);
    ok = ok && rows && (bias || !from->bias) && parts_floats(&from->matrix, matrix, fault);
    for (size_t r = 0; ok && r < n_rows; r++)
        for (size_t o = 0; o < n_out; o++) {
            float sum = 0;
            for (size_t i = 0; i < n_in; i++)
                sum += rows[r * n_in + i] * matrix[o * n_in + i];
            table[r * n_out + o] = bias ? sum + bias[o] : sum;
        }
    free(rows);
    free(matrix);
    free(bias);
    return ok;
}

static bool add_table(huggingface_model *model, const char *path, const char *name, bool has_bias,
                      const char *ours)
{
    const bert_config *config = &model->weights->config;
    uint32_t hidden = config->hidden_size;
    char whole[PARTS_MAX_NAME];
    table_parts *made = parts_alloc(model, sizeof *made);
    made->eps = config->layer_norm_eps;
    made->embeddings = parts_tensor(model, OF_ENCODER, "encoder.rel_embeddings.weight", 2,
                                    (uint64_t[]){config->n_relative_rows, hidden});
    snprintf(whole, sizeof whole, "%s%s", path, name);
    if (!made->embeddings || !parts_matrix(model, OF_ENCODER, whole, hidden, hidden, &made->matrix))
        return false;
    snprintf(whole, sizeof whole, "%s%s.bias", path, name);
    if (has_bias && !(made->bias = parts_tensor(model, OF_ENCODER, whole, 1, (uint64_t[]){hidden})))
        return false;
    for (int i = 0; has_norm(model) && i < 2; i++) {
        made->norm[i] = parts_tensor(model, OF_ENCODER,
                                     i ? "encoder.LayerNorm.bias" : "encoder.LayerNorm.weight", 1,
                                     (uint64_t[]){hidden});
        if (!made->norm[i])
            return false;
    }
    size_t n = parts_reads(&made->matrix, made->reads, 0);
    const stored_tensor *others[] = {made->embeddings, made->bias, made->norm[0], made->norm[1]};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i])
            made->reads[n++] = others[i];
    bert_weight *weight =
        weights_add(model->weights, WEIGHT_TABLE, config->n_relative_rows, hidden, ours, "");
    parts_set_made(model, (uint32_t[]){config->n_relative_rows, hidden}, fill_table, made,
                   made->reads, n, &weight->source);
    return true;
}

/* Names, within a layer, of what projects embeddings of distances. */
static const char *projection_name(const huggingface_model *model, bool is_query)
{
    if (model->family->distances == DISTANCES_DISENTANGLED)
        return is_query ? "attention.self.pos_q_proj" : "attention.self.pos_proj";
    if (is_shared(model))
        return is_query ? "attention.self.query_proj" : "attention.self.key_proj";
    return is_query ? "attention.self.pos_query_proj" : "attention.self.pos_key_proj";
}

/* ------------------------------------------------------------------------------- both of them -- */

bool relative_configure(huggingface_model *model)
{
    switch (model->family->distances) {
    case DISTANCES_BUCKETS:
        return configure_buckets(model);
    case DISTANCES_DISENTANGLED:
    case DISTANCES_DISENTANGLED_LOGS:
        return configure_disentangled(model);
    case DISTANCES_NONE:
        break;
    }
    return true;
}

bool relative_add(huggingface_model *model)
{
    const bert_config *config = &model->weights->config;
    if (config->position_attention == BERT_POSITION_ATTENTION_BIAS)
        return add_bias(model);
    if (config->position_attention != BERT_POSITION_ATTENTION_NONE)
        add_rows(model);
    if (config->relative_source != BERT_RELATIVE_SOURCE_NONE &&
        !parts_add_table(model, OF_ENCODER, "encoder.rel_embeddings.weight",
                         config->n_relative_rows, config->hidden_size, true, "relative.embeddings"))
        return false;
    if (config->relative_norm && !parts_add_norm(model, OF_ENCODER, "encoder.LayerNorm",
                                                 config->hidden_size, "relative.norm"))
        return false;
    return !model->fault->text[0];
}

/* The table of a layer and, if it is kept, the matrix that makes it. */
static bool add_distances(huggingface_model *model, uint32_t layer, const char *path, bool is_query)
{
    const bert_config *config = &model->weights->config;
    const char *name = projection_name(model, is_query);
    bool has_bias = is_query || model->family->distances != DISTANCES_DISENTANGLED;
    char ours[BERT_MAX_NAME + 1], whole[PARTS_MAX_NAME];
    snprintf(ours, sizeof ours, "layers.%u.attention.relative_%s", layer,
             is_query ? "query" : "key");
    if (!add_table(model, path, name, has_bias, ours))
        return false;
    if (config->relative_source != BERT_RELATIVE_SOURCE_OWN &&
        config->relative_source != BERT_RELATIVE_SOURCE_OWN_UNBIASED)
        return true;
    snprintf(whole, sizeof whole, "%s%s", path, name);
    strcat(ours, ".projection");
    return (has_bias ? parts_add_dense : parts_add_matrix)(
        model, OF_ENCODER, whole, config->hidden_size, config->hidden_size, true, ours);
}

bool relative_add_layer(huggingface_model *model, uint32_t layer, const char *path)
{
    const bert_config *config = &model->weights->config;
    return (!has_types(config, BERT_POSITION_ATTENTION_C2P) ||
            add_distances(model, layer, path, false)) &&
           (!has_types(config, BERT_POSITION_ATTENTION_P2C) ||
            add_distances(model, layer, path, true));
}

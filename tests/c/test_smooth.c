/*
 * test_smooth.c - how the converter decides on factors: texts cut by a vocabulary, rows that are
 * kept, and factors that help where inputs need them and are left out where they would hurt.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "quantise/smooth.h"
#include "quantise/vocabulary.h"

#define INPUTS 64
#define OUTPUTS 48
#define ROWS 200

/* ------------------------------------------------------------------------------------- texts -- */

static void check_ids(const char *json, const char *text, uint32_t most, const char *expected)
{
    vocabulary pieces = {0};
    fault_text fault = {{0}};
    uint32_t ids[16];
    CHECK(vocabulary_open(&pieces, json, strlen(json), 9, &fault), "%s", fault.text);
    uint32_t n = vocabulary_encode(&pieces, text, most, ids);
    char got[32] = "";
    for (uint32_t i = 0; i < n; i++) {
        char id[3] = {(char)('0' + ids[i]), '\0'};
        strcat(got, id);
    }
    CHECK(strcmp(got, expected) == 0, "'%s' in %s is %s, not %s", text, json, got, expected);
    vocabulary_close(&pieces);
}

TEST(texts_are_cut_into_the_longest_pieces)
{
    const char *words =
        "{\"model\": {\"vocab\": {\"[CLS]\": 0, \"[SEP]\": 1, \"tick\": 2, \"##e\": 3, "
        "\"ticket\": 4, \"##s\": 5, \".\": 6, \"foo\": 12}}}";
    check_ids(words, "Ticke tickets. foo", 16, "0234561");
    check_ids(words, "Ticke tickets.", 4, "0231");
    check_ids(words, "foo \u00e9", 16, "");
    const char *pieces = "{\"model\": {\"vocab\": [[\"<s>\", 0], [\"</s>\", 0], [\"\u2581T\", -1], "
                         "[\"\u2581\", -2], [\"ick\", -3], [\"\u00e9\", -4], [\"A\", -5]]}}";
    check_ids(pieces, "Tick \u00e9ick", 16, "024541");
    const char *bytes =
        "{\"added_tokens\": [{\"id\": 7, \"content\": \"<s>\"}], \"model\": {\"vocab\": "
        "{\"\u0120tick\": 1, \"tick\": 2, \"A\": 3}}}";
    check_ids(bytes, "tick tickXtick", 16, "7112");
    check_ids("{\"model\": {\"type\": \"BPE\"}}", "tick", 16, "");
    check_ids("no json", "tick", 16, "");
}

/* ----------------------------------------------------------------------------------- factors -- */

/* A layer's first three matrices and one site of inputs; the others have a row of zeros. */
typedef struct one_layer {
    bert_weights weights;
    calibration_data calibration;
    float inputs[ROWS][INPUTS], values[INPUTS][OUTPUTS];
} one_layer;

static void add_matrix(one_layer *layer, const char *name)
{
    bert_weight *weight =
        weights_add(&layer->weights, WEIGHT_MATRIX, INPUTS, OUTPUTS, "layers.0", name);
    weight->source.values = &layer->values[0][0];
}

static void open_layer(one_layer *layer)
{
    bert_config *config = &layer->weights.config;
    *config = (bert_config){.hidden_size = INPUTS, .intermediate_size = INPUTS, .n_layers = 1};
    fault_text fault = {{0}};
    const char *const names[] = {".attention.query",  ".attention.key", ".attention.value",
                                 ".attention.output", ".intermediate",  ".output"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        add_matrix(layer, names[i]);
    CHECK(calibration_alloc(&layer->calibration, config, 0, 1, false, &fault), "%s", fault.text);
    for (int site = 0; site < BERT_SITE_COUNT; site++)
        for (uint32_t r = 0; r < ROWS; r++)
            calibration_see(&layer->calibration, 0, (bert_site)site, layer->inputs[r], 1);
}

static void close_layer(one_layer *layer)
{
    calibration_free(&layer->calibration);
    weights_free(&layer->weights);
}

/* The squared error of all products with factors, as kernels round. */
static double error_of(const one_layer *layer, const float *factors)
{
    static float weights[INPUTS][OUTPUTS], rounded[INPUTS];
    double error = 0;
    for (uint32_t j = 0; j < OUTPUTS; j++) {
        float largest = 0;
        for (uint32_t k = 0; k < INPUTS; k++)
            largest = fmaxf(largest, fabsf(layer->values[k][j] / factors[k]));
        for (uint32_t k = 0; k < INPUTS; k++)
            weights[k][j] = rintf(layer->values[k][j] / factors[k] / largest * 127) * largest / 127;
    }
    for (uint32_t r = 0; r < ROWS; r++) {
        float least = INFINITY, most = -INFINITY;
        for (uint32_t k = 0; k < INPUTS; k++) {
            least = fminf(least, layer->inputs[r][k] * factors[k]);
            most = fmaxf(most, layer->inputs[r][k] * factors[k]);
        }
        float step = (most - least) / 255;
        for (uint32_t k = 0; k < INPUTS; k++)
            rounded[k] = least + step * rintf((layer->inputs[r][k] * factors[k] - least) / step);
        for (uint32_t j = 0; j < OUTPUTS; j++) {
            double got = 0, wanted = 0;
            for (uint32_t k = 0; k < INPUTS; k++) {
                got += (double)rounded[k] * weights[k][j];
                wanted += (double)layer->inputs[r][k] * layer->values[k][j];
            }
            error += (got - wanted) * (got - wanted);
        }
    }
    return error;
}

/* The error with the factors that are chosen, over that with none. */
static double gain(one_layer *layer)
{
    float none[INPUTS];
    fault_text fault = {{0}};
    for (uint32_t k = 0; k < INPUTS; k++)
        none[k] = 1;
    open_layer(layer);
    CHECK(smooth_layers(&layer->weights, BERT_INTEGERS_8_BITS, &layer->calibration, &fault), "%s",
          fault.text);
    const bert_weight *query = weights_find(&layer->weights, "layers.0.attention.query");
    const bert_weight *value = weights_find(&layer->weights, "layers.0.attention.value");
    CHECK(query->smooth == value->smooth && weights_leads(query) && !weights_leads(value),
          "query and value must share their factors");
    double ratio = error_of(layer, query->smooth) / error_of(layer, none);
    close_layer(layer);
    return ratio;
}

static void fill(one_layer *layer, uint32_t seed)
{
    *layer = (one_layer){.calibration = {0}};
    for (uint32_t r = 0; r < ROWS; r++)
        for (uint32_t k = 0; k < INPUTS; k++)
            layer->inputs[r][k] = random_uniform(&seed, -1, 1);
    for (uint32_t k = 0; k < INPUTS; k++)
        for (uint32_t j = 0; j < OUTPUTS; j++)
            layer->values[k][j] = random_uniform(&seed, -1, 1);
}

TEST(factors_help_where_an_input_is_large)
{
    static one_layer layer;
    fill(&layer, 1);
    for (uint32_t r = 0; r < ROWS; r++)
        layer.inputs[r][7] *= 50;
    double ratio = gain(&layer);
    CHECK(ratio < 0.5, "the error is %g times that without factors", ratio);
}

TEST(factors_never_hurt)
{
    static one_layer layer;
    for (uint32_t seed = 1; seed <= 20; seed++) {
        fill(&layer, seed);
        /* As after GELU: mostly small, now and then huge. Factors would make this worse. */
        uint32_t state = seed;
        for (uint32_t k = 0; k < INPUTS; k++) {
            float size = random_uniform(&state, 0.5f, 3);
            for (uint32_t r = 0; r < ROWS; r++)
                layer.inputs[r][k] = fmaxf(-0.17f, random_uniform(&state, -3, 1) * size);
        }
        for (uint32_t i = 0; i < 30; i++)
            layer.inputs[random_u32(&state) % ROWS][random_u32(&state) % INPUTS] = 20;
        double ratio = gain(&layer);
        CHECK(ratio < 1.01, "with seed %u the error is %g times that without factors", seed, ratio);
    }
}

TEST(rows_are_kept_at_even_distances)
{
    static one_layer layer;
    fill(&layer, 1);
    for (uint32_t r = 0; r < ROWS; r++)
        layer.inputs[r][0] = (float)r;
    open_layer(&layer);
    const calibration_site *site = calibration_at(&layer.calibration, 0, BERT_SITE_OUTPUT);
    CHECK(site->n_rows == ROWS / 2 && site->n_seen == ROWS, "%u of %zu rows", site->n_rows,
          site->n_seen);
    for (uint32_t r = 0; r < site->n_rows; r++)
        CHECK(site->rows[r * INPUTS] == (float)(2 * r), "row %u is %g", r,
              (double)site->rows[r * INPUTS]);
    close_layer(&layer);
}

TEST(what_is_always_zero_gets_no_factor)
{
    static one_layer layer;
    fill(&layer, 3);
    for (uint32_t r = 0; r < ROWS; r++)
        layer.inputs[r][7] *= 50, layer.inputs[r][8] = 0;
    for (uint32_t j = 0; j < OUTPUTS; j++)
        layer.values[9][j] = 0;
    fault_text fault = {{0}};
    open_layer(&layer);
    CHECK(smooth_layers(&layer.weights, BERT_INTEGERS_7_BITS, &layer.calibration, &fault), "%s",
          fault.text);
    const float *factors = weights_find(&layer.weights, "layers.0.output")->smooth;
    CHECK(factors[7] != 1 && factors[8] == 1 && factors[9] == 1, "factors are %g, %g, %g",
          (double)factors[7], (double)factors[8], (double)factors[9]);
    close_layer(&layer);
}

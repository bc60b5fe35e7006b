/* test_model.c - every status: what is refused, what the error says, and that all stays usable. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"
#include "tiny_model.h"

static void expect(bert_status got, const bert_error *error, bert_status want, const char *subject)
{
    CHECK(got == want, "status %s, expected %s", bert_status_name(got), bert_status_name(want));
    CHECK(error->status == want, "error.status %s, expected %s", bert_status_name(error->status),
          bert_status_name(want));
    CHECK(strcmp(error->subject, subject) == 0, "error.subject '%s', expected '%s'", error->subject,
          subject);
}

TEST(everything_has_a_name)
{
#define NAMED(name_of, count)                                                                      \
    for (unsigned i = 0; i <= count; i++) {                                                        \
        const char *name = name_of(i);                                                             \
        CHECK(name && !*name == (i == count), #name_of "(%u) is '%s'", i, name ? name : "NULL");   \
    }
    NAMED(bert_status_name, BERT_STATUS_COUNT)
    NAMED(bert_status_text, BERT_STATUS_COUNT)
    NAMED(bert_dtype_name, BERT_DTYPE_COUNT)
    NAMED(bert_int8_kernel_name, BERT_INT8_KERNEL_COUNT)
    NAMED(bert_output_name, BERT_OUTPUT_COUNT)
#undef NAMED
    CHECK(strcmp(bert_dtype_name(BERT_DTYPE_I8), "I8") == 0, "I8 is %s",
          bert_dtype_name(BERT_DTYPE_I8));
}

TEST(the_version_is_one)
{
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", BERT_VERSION_MAJOR, BERT_VERSION_MINOR,
             BERT_VERSION_PATCH);
    CHECK(strcmp(version, BERT_VERSION) == 0, "the numbers are %s, BERT_VERSION is %s", version,
          BERT_VERSION);
}

/* ---------------------------------------------------------------------------------- config -- */

TEST(config_fields_by_name)
{
    bert_config config;
    bert_error error = {0};
    bert_config_init(&config);
    CHECK(bert_config_set_number(&config, "hidden_size", 384, &error) == BERT_OK, "hidden_size");
    CHECK(bert_config_set_number(&config, "layer_norm_eps", 1e-12, &error) == BERT_OK, "eps");
    CHECK(bert_config_set_choice(&config, "activation", "gelu_tanh", &error) == BERT_OK, "gelu");
    CHECK(bert_config_set_choice(&config, "pooling", "mean", NULL) == BERT_OK, "pooling");
    CHECK(config.hidden_size == 384 && config.layer_norm_eps == 1e-12f &&
              config.activation == BERT_ACTIVATION_GELU_TANH && config.pooling == BERT_POOLING_MEAN,
          "fields have other values");

    expect(bert_config_set_number(&config, "hidden", 1, &error), &error, BERT_UNKNOWN_FIELD,
           "hidden");
    expect(bert_config_set_number(&config, "activation", 1, &error), &error, BERT_UNKNOWN_FIELD,
           "activation");
    expect(bert_config_set_choice(&config, "n_heads", "1", &error), &error, BERT_UNKNOWN_FIELD,
           "n_heads");
    expect(bert_config_set_choice(&config, "head", "none", &error), &error, BERT_UNKNOWN_FIELD,
           "head");
    expect(bert_config_set_choice(&config, "activation", "swish", &error), &error, BERT_BAD_FIELD,
           "activation");
}

TEST(config_numbers_out_of_range)
{
    static const double bad[] = {0, -1, 1.5, 4294967296.0, 1e300, NAN, INFINITY, -INFINITY};
    bert_config config = tiny_config();
    bert_error error = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect(bert_config_set_number(&config, "n_heads", bad[i], &error), &error, BERT_BAD_FIELD,
               "n_heads");
    expect(bert_config_set_number(&config, "layer_norm_eps", NAN, &error), &error, BERT_BAD_FIELD,
           "layer_norm_eps");
    CHECK(config.n_heads == 3, "a refused value was set");
}

/* Each field of the struct is in the table, once: a number of its own set by name is found again.
 */
TEST(config_fields_by_number)
{
    static const char *const choices[] = {"none", "gelu", "mean", "c2p", "own", "8_bits"};
    bert_config config = {0};
    uint32_t n = 0;
    for (; *bert_config_field(n); n++) {
        double number;
        const char *choice = bert_config_get(&config, n, &number);
        const char *first = strcmp(bert_config_field(n), "integers") == 0 ? "7_bits" : "none";
        CHECK(choice ? strcmp(choice, first) == 0 : number == 0, "%s of zeros is %s %g",
              bert_config_field(n), choice ? choice : "", number);
        for (size_t i = 0; choice && i < 6; i++)
            if (bert_config_set_choice(&config, bert_config_field(n), choices[i], NULL) == BERT_OK)
                CHECK(strcmp(bert_config_get(&config, n, &number), choices[i]) == 0, "%s is not %s",
                      bert_config_field(n), choices[i]);
        if (!choice && bert_config_set_number(&config, bert_config_field(n), n, NULL) == BERT_OK)
            CHECK(!bert_config_get(&config, n, &number) && number == n, "%s is %g, not %u",
                  bert_config_field(n), number, n);
    }
    CHECK(n * sizeof(uint32_t) == sizeof config, "%u fields", n);
    CHECK(config.n_layers == 5 && config.n_labels == 16 && config.embedding_dim == 19,
          "fields are not in the order of the struct");
    CHECK(config.pooling == BERT_POOLING_MEAN && config.activation == BERT_ACTIVATION_GELU &&
              config.position_attention == BERT_POSITION_ATTENTION_C2P &&
              config.relative_source == BERT_RELATIVE_SOURCE_OWN &&
              config.integers == BERT_INTEGERS_8_BITS,
          "choices are not in the order of the struct");
}

/* What the config calls the choice of that field. */
static const char *choice_of(const bert_config *config, const char *name)
{
    double number;
    uint32_t field = 0;
    while (strcmp(bert_config_field(field), name) != 0)
        field++;
    return bert_config_get(config, field, &number);
}

TEST(every_choice_has_a_name){
#define CHOICES(type, field, count)                                                                \
    for (unsigned i = 0; i <= count; i++) {                                                        \
        bert_config config = {.field = (type)i}, again = {0};                                      \
        const char *name = choice_of(&config, #field);                                             \
        CHECK(name && !*name == (i == count), "%s %u is '%s'", #field, i, name ? name : "NULL");   \
        CHECK(i == count || (bert_config_set_choice(&again, #field, name, NULL) == BERT_OK &&      \
                             (unsigned)again.field == i),                                          \
              "'%s' is not %s %u", name, #field, i);                                               \
    }
    CHOICES(bert_activation, activation, BERT_ACTIVATION_COUNT)
        CHOICES(bert_position_attention, position_attention, BERT_POSITION_ATTENTION_COUNT)
            CHOICES(bert_pooling, pooling, BERT_POOLING_COUNT)
                CHOICES(bert_integers, integers, BERT_INTEGERS_COUNT)
#undef CHOICES
}

/* Numbers are told where they mean something. */
TEST(errors_have_the_numbers_that_there_are)
{
    bert_config config = tiny_config();
    bert_error error = {0};
    bert_config_set_number(&config, "n_heads", 1 << 20, &error);
    CHECK(error.n_numbers == 2 && error.value == 1 << 20 && error.limit == 1 << 10, "too large");
    bert_config_set_number(&config, "n_heads", 0, &error);
    CHECK(error.n_numbers == 2 && error.value == 0 && error.limit == 1, "too small");
    bert_config_set_number(&config, "n_heads", 1.5, &error);
    CHECK(error.n_numbers == 0, "not whole: %d numbers", error.n_numbers);
    bert_config_set_number(&config, "heads", 1, &error);
    CHECK(error.n_numbers == 0, "unknown: %d numbers", error.n_numbers);
    size_t n_bytes;
    config.conv_size = 2;
    bert_model_bytes(&config, &n_bytes, &error);
    CHECK(error.n_numbers == 1 && error.value == 2, "not odd: %d numbers", error.n_numbers);
}

static void expect_bad_config(bert_config config, const char *subject)
{
    bert_error error = {0};
    size_t n_bytes = 77;
    expect(bert_model_bytes(&config, &n_bytes, &error), &error, BERT_BAD_FIELD, subject);
    CHECK(n_bytes == 77, "a failed call changed its result");
}

TEST(configs_that_do_not_fit_together)
{
    bert_config config;
#define WITH(field, number) (config = tiny_config(), config.field = (number), config)
    expect_bad_config(WITH(vocab_size, 0), "vocab_size");
    expect_bad_config(WITH(hidden_size, 1 << 17), "hidden_size");
    expect_bad_config(WITH(n_layers, 1u << 31), "n_layers");
    expect_bad_config(WITH(n_heads, 5), "n_heads");
    expect_bad_config(WITH(pooler_activation, BERT_ACTIVATION_NONE), "pooler_activation");
    expect_bad_config(WITH(layer_norm_eps, NAN), "layer_norm_eps");
    expect_bad_config(WITH(activation, (bert_activation)6), "activation");
    expect_bad_config(WITH(pooling, BERT_POOLING_COUNT), "pooling");
    expect_bad_config(WITH(more_poolings[4], BERT_POOLING_COUNT), "pooling_6");
    expect_bad_config(WITH(integers, (bert_integers)2), "integers");
    expect_bad_config(WITH(position_attention, (bert_position_attention)5), "position_attention");
#undef WITH
}

/* What one field asks for and another denies: X(subject, changes of a good config `c`). */
#define CONTRADICTIONS(X)                                                                          \
    X(embedding_size, c.embedding_size = 0)                                                        \
    X(embedding_size, c.embedding_size = 23)                                                       \
    X(layers_per_group, c.n_layer_groups = 1)                                                      \
    X(layers_per_group, c.layers_per_group = 1)                                                    \
    X(layers_per_group, c.n_layer_groups = 1; c.layers_per_group = 3)                              \
    X(layers_per_group, c.n_layer_groups = c.layers_per_group = 1; c.n_layers = 0)                 \
    X(n_layer_groups, c.n_layer_groups = 2; c.layers_per_group = 2)                                \
    X(n_layer_groups, c.n_layer_groups = 1 << 10; c.layers_per_group = 1)                          \
    X(first_position, c.first_position = 16)                                                       \
    X(first_position, c.first_position = 1; c.n_positions = 0)                                     \
    X(n_distances, c.n_distances = 5)                                                              \
    X(n_distances, c.position_attention = BERT_POSITION_ATTENTION_BIAS)                            \
    X(n_distances, c.position_attention = BERT_POSITION_ATTENTION_C2P; c.n_relative_rows = 4)      \
    X(n_relative_rows, c.n_relative_rows = 4)                                                      \
    X(n_relative_rows, c.position_attention = BERT_POSITION_ATTENTION_P2C; c.n_distances = 4)      \
    X(n_relative_rows, c.position_attention = BERT_POSITION_ATTENTION_BIAS; c.n_distances = 4;     \
      c.n_relative_rows = 4)                                                                       \
    X(relative_source, c.relative_source = BERT_RELATIVE_SOURCE_OWN)                               \
    X(relative_source, c.relative_source = BERT_RELATIVE_SOURCE_SHARED; c.n_distances = 4;         \
      c.position_attention = BERT_POSITION_ATTENTION_BIAS)                                         \
    X(relative_norm, c.relative_norm = 1)                                                          \
    X(intermediate_size, c.intermediate_size = 66312; c.integers = BERT_INTEGERS_8_BITS)           \
    X(conv_size, c.conv_size = 2)                                                                  \
    X(conv_size, c.conv_size = 65)                                                                 \
    X(conv_size, c.conv_size = 3; c.n_layers = 0)                                                  \
    X(conv_activation, c.conv_activation = BERT_ACTIVATION_TANH)                                   \
    X(token_activation, c.token_activation = BERT_ACTIVATION_TANH)                                 \
    X(lm_tied, c.lm_tied = 1)                                                                      \
    X(lm_tied, c.lm_tied = 2; c.lm_activation = BERT_ACTIVATION_GELU)                              \
    X(embedding_dim, c.embedding_dim = 8)                                                          \
    X(normalize, c.normalize = 1)                                                                  \
    X(pooling, c.more_poolings[0] = BERT_POOLING_CLS)                                              \
    X(pooling, c.pooling = c.more_poolings[1] = BERT_POOLING_CLS)                                  \
    X(normalize, c.normalize = 2; c.pooling = BERT_POOLING_CLS)                                    \
    X(sentence_activation, c.sentence_activation = BERT_ACTIVATION_TANH;                           \
      c.pooling = BERT_POOLING_CLS)

TEST(configs_that_contradict_themselves)
{
#define CONTRADICTION(subject, changes)                                                            \
    {                                                                                              \
        bert_config c = tiny_config();                                                             \
        changes;                                                                                   \
        expect_bad_config(c, #subject);                                                            \
    }
    CONTRADICTIONS(CONTRADICTION)
#undef CONTRADICTION
}

/* Every tensor that encoding can ask for, but for attention.bias, which excludes others. */
static bert_config full_config(void)
{
    bert_config config = tiny_config();
    config.projects_embeddings = 1;
    config.embedding_size = 20;
    config.position_attention = BERT_POSITION_ATTENTION_C2P_P2C;
    config.n_distances = 20;
    config.n_relative_rows = 11;
    config.conv_size = 3;
    config.conv_activation = BERT_ACTIVATION_TANH;
    config.n_token_labels = 5;
    config.token_activation = BERT_ACTIVATION_GELU;
    config.lm_activation = BERT_ACTIVATION_GELU;
    config.pooling = BERT_POOLING_MEAN;
    config.embedding_dim = 9;
    return config;
}

static bert_config bias_config(void)
{
    bert_config config = tiny_config();
    config.position_attention = BERT_POSITION_ATTENTION_BIAS;
    config.n_distances = 20;
    return config;
}

/* A config whose sequences nothing limits. */
static bert_config boundless_config(void)
{
    bert_config config = tiny_config();
    config.n_positions = 0;
    return config;
}

/* --------------------------------------------------------------------------------- tensors -- */

static bert_status open_status(const tiny_model *tiny, bert_error *error)
{
    static _Alignas(BERT_ALIGNMENT) char memory[1 << 16];
    size_t n_bytes = 0;
    bert_model *model = NULL;
    bert_model_bytes(&tiny->config, &n_bytes, NULL);
    bert_status status = bert_model_open(&tiny->config, tiny->tensors, tiny->n_tensors, memory,
                                         n_bytes, &model, error);
    CHECK((status == BERT_OK) == (model != NULL), "model set on failure, or not on success");
    return status;
}

TEST(each_missing_tensor_is_named)
{
    bert_config configs[] = {tiny_config(), full_config(), bias_config()};
    for (int k = 0; k < 9; k++) {
        const tiny_model *whole = tiny_make(&configs[k / 3], (tiny_dtype)(k % 3), 1);
        for (size_t i = 0; i < whole->n_tensors; i++) {
            tiny_model tiny = *whole;
            bert_error error = {0};
            memmove(tiny.tensors + i, tiny.tensors + i + 1,
                    (tiny.n_tensors - i - 1) * sizeof *tiny.tensors);
            tiny.n_tensors--;
            expect(open_status(&tiny, &error), &error, BERT_MISSING_TENSOR, whole->tensors[i].name);
        }
    }
}

TEST(tensors_in_any_order)
{
    bert_config config = tiny_config();
    tiny_model tiny = *tiny_make(&config, TINY_Q8, 2);
    for (size_t i = 0; i < tiny.n_tensors / 2; i++) {
        bert_tensor swapped = tiny.tensors[i];
        tiny.tensors[i] = tiny.tensors[tiny.n_tensors - 1 - i];
        tiny.tensors[tiny.n_tensors - 1 - i] = swapped;
    }
    CHECK(open_status(&tiny, NULL) == BERT_OK, "tensors in reverse order are refused");
}

static void check_wrong_tensors(bert_config config)
{
    const tiny_model *whole = tiny_make(&config, TINY_Q8, 3);
    for (size_t i = 0; i < whole->n_tensors; i++) {
        const char *name = whole->tensors[i].name;
        bert_error error = {0};
        tiny_model tiny = *whole;
        bert_tensor *tensor = &tiny.tensors[i];
#define EXPECT(status)                                                                             \
    expect(open_status(&tiny, &error), &error, status, name);                                      \
    *tensor = whole->tensors[i]
        tensor->shape[0]++;
        EXPECT(BERT_BAD_SHAPE);
        tensor->rank++;
        EXPECT(BERT_BAD_SHAPE);
        tensor->n_bytes--;
        EXPECT(BERT_BAD_DATA);
        tensor->data = NULL;
        EXPECT(BERT_BAD_DATA);
        tensor->data = (const char *)tensor->data + 4;
        EXPECT(BERT_BAD_DATA);
        tensor->dtype = (bert_dtype)7;
        EXPECT(BERT_BAD_DTYPE);
#undef EXPECT
    }
    tiny_model tiny = *whole;
    bert_error error = {0};
    for (size_t i = 0; i < tiny.n_tensors; i++) {
        if (strcmp(tiny.tensors[i].name, "embeddings.norm.bias") == 0) {
            tiny.tensors[i].dtype = BERT_DTYPE_F16;
            tiny.tensors[i].n_bytes /= 2;
        }
    }
    expect(open_status(&tiny, &error), &error, BERT_BAD_DTYPE, "embeddings.norm.bias");
}

TEST(each_wrong_tensor_is_named)
{
    check_wrong_tensors(tiny_config());
    check_wrong_tensors(full_config());
    check_wrong_tensors(bias_config());
}

/* What stands outside of the layers is no integer matrix; vectors are F32. */
TEST(wrong_dtypes_of_what_families_add)
{
    static const char *const matrices[] = {"embeddings.projection.weight",
                                           "conv.weight",
                                           "token_transform.weight",
                                           "token_classifier.weight",
                                           "lm.transform.weight",
                                           "lm.decoder.weight",
                                           "sentence.weight"};
    static const char *const vectors[] = {"relative.rows", "lm.norm.weight", "conv.norm.bias",
                                          "lm.decoder.bias"};
    bert_config config = full_config();
    const tiny_model *whole = tiny_make(&config, TINY_F32, 14);
    bert_error error = {0};
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++) {
        tiny_model tiny = *whole;
        tiny_tensor(&tiny, matrices[i])->dtype = BERT_DTYPE_I8;
        expect(open_status(&tiny, &error), &error, BERT_BAD_DTYPE, matrices[i]);
    }
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        tiny_model tiny = *whole;
        bert_tensor *tensor = tiny_tensor(&tiny, vectors[i]);
        tensor->dtype = BERT_DTYPE_F16;
        tensor->n_bytes /= 2;
        expect(open_status(&tiny, &error), &error, BERT_BAD_DTYPE, vectors[i]);
    }
}

TEST(rows_of_distances_must_be_rows)
{
    static const float bad[] = {-1, 0.5f, 11, 1e30f, NAN, INFINITY, -INFINITY};
    bert_config config = full_config();
    tiny_model *tiny = tiny_make(&config, TINY_F32, 15);
    float *rows = (float *)tiny_tensor(tiny, "relative.rows")->data;
    bert_error error = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        rows[38] = bad[i];
        expect(open_status(tiny, &error), &error, BERT_BAD_DATA, "relative.rows");
        CHECK(error.n_numbers == 1 && error.value == 38, "%d numbers, value %lld", error.n_numbers,
              (long long)error.value);
    }
    rows[38] = 10;
    CHECK(open_status(tiny, &error) == BERT_OK, "the last row is refused");
}

/* A tied decoder has no weights of its own, shared layers none beyond the shared ones. */
TEST(tensors_that_are_shared_have_no_copies)
{
    bert_config config = full_config(), shared = tiny_config();
    tiny_model *tiny = tiny_make(&config, TINY_F32, 16);
    bert_error error = {0};
    tiny->config.lm_tied = 1;
    expect(open_status(tiny, &error), &error, BERT_UNKNOWN_TENSOR, "lm.decoder.weight");
    shared.n_layer_groups = shared.layers_per_group = 1;
    tiny = tiny_make(&shared, TINY_F32, 17);
    CHECK(open_status(tiny, &error) == BERT_OK, "shared layers do not open");
    tiny->config.n_layer_groups = 2;
    expect(open_status(tiny, &error), &error, BERT_MISSING_TENSOR,
           "layers.1.attention.query.weight");
}

TEST(bad_scales_are_refused)
{
    static const float bad[] = {0, -1, NAN, INFINITY};
    bert_config config = tiny_config();
    for (int k = 0; k < 4; k++) {
        tiny_model tiny = *tiny_make(&config, TINY_Q8, 4);
        bert_error error = {0};
        for (size_t i = 0; i < tiny.n_tensors; i++)
            if (strcmp(tiny.tensors[i].name, "layers.1.output.scale") == 0)
                ((float *)tiny.tensors[i].data)[7] = bad[k];
        expect(open_status(&tiny, &error), &error, BERT_BAD_DATA, "layers.1.output.scale");
        CHECK(error.value == 7, "the bad scale's index is %lld", (long long)error.value);
    }
}

/* Kernels agree on integers in range alone; and a layer is 8-bit as a whole. */
static void check_integers(tiny_dtype dtype, const int8_t *bad, int n_bad)
{
    bert_config config = tiny_config();
    tiny_model tiny = *tiny_make(&config, dtype, 4), f32 = *tiny_make(&config, TINY_F32, 4);
    bert_error error = {0};
    for (size_t i = 0; i < tiny.n_tensors; i++) {
        bert_tensor *tensor = &tiny.tensors[i];
        if (strcmp(tensor->name, "layers.1.intermediate.weight") != 0)
            continue;
        int8_t *last = (int8_t *)tensor->data + tensor->n_bytes - 1, saved = *last;
        for (int k = 0; k < n_bad; k++) {
            *last = bad[k];
            expect(open_status(&tiny, &error), &error, BERT_BAD_DATA,
                   "layers.1.intermediate.weight");
        }
        *last = saved;
    }
    CHECK(open_status(&tiny, &error) == BERT_OK, "the mended model does not open");
    for (size_t i = 0; i < f32.n_tensors; i++)
        for (size_t k = 0; k < tiny.n_tensors; k++)
            if (strcmp(f32.tensors[i].name, "layers.0.attention.value.weight") == 0 &&
                strcmp(tiny.tensors[k].name, "layers.0.attention.value.weight") == 0)
                tiny.tensors[k] = f32.tensors[i];
    expect(open_status(&tiny, &error), &error, BERT_BAD_DTYPE, "layers.0.attention.value");
}

TEST(integers_out_of_range_and_mixed_layers_are_refused)
{
    check_integers(TINY_Q7, (const int8_t[]){64, -64, 127, -128}, 4);
    check_integers(TINY_Q8, (const int8_t[]){-128}, 1);
}

TEST(unknown_and_duplicate_tensors_are_named)
{
    bert_config config = tiny_config();
    tiny_model tiny = *tiny_make(&config, TINY_F32, 5);
    bert_error error = {0};
    tiny.tensors[tiny.n_tensors] = tiny.tensors[4];
    tiny.n_tensors++;
    expect(open_status(&tiny, &error), &error, BERT_DUPLICATE_TENSOR, tiny.tensors[4].name);
    tiny.tensors[tiny.n_tensors - 1].name = "layers.2.output.bias";
    expect(open_status(&tiny, &error), &error, BERT_UNKNOWN_TENSOR, "layers.2.output.bias");
    tiny.n_tensors--;
    CHECK(open_status(&tiny, &error) == BERT_OK, "the model does not open after failures");
}

/* What tables of distances are made of is for training: encoding neither needs nor checks it. */
TEST(tensors_of_a_relative_source_may_be_missing)
{
    bert_config config = full_config();
    bert_error error = {0};
    config.relative_source = BERT_RELATIVE_SOURCE_OWN;
    config.relative_norm = 1;
    tiny_model tiny = *tiny_make(&config, TINY_F32, 18);
    CHECK(open_status(&tiny, &error) == BERT_OK, "the whole model does not open");
    tiny.tensors[tiny.n_tensors++] = *tiny_tensor(&tiny, "relative.norm.bias");
    expect(open_status(&tiny, &error), &error, BERT_DUPLICATE_TENSOR, "relative.norm.bias");
    tiny.tensors[tiny.n_tensors - 1].name = "layers.2.output.bias";
    expect(open_status(&tiny, &error), &error, BERT_UNKNOWN_TENSOR, "layers.2.output.bias");
    tiny.n_tensors--;
    tiny.config.relative_norm = 0;
    tiny.config.relative_source = BERT_RELATIVE_SOURCE_NONE;
    expect(open_status(&tiny, &error), &error, BERT_UNKNOWN_TENSOR, "relative.embeddings.weight");
    bert_config without = full_config();
    tiny = *tiny_make(&without, TINY_F32, 18);
    tiny.config.relative_source = BERT_RELATIVE_SOURCE_OWN;
    CHECK(open_status(&tiny, &error) == BERT_OK, "the model does not open without a source");
}

TEST(names_longer_than_an_error_holds)
{
    bert_config config = tiny_config();
    tiny_model tiny = *tiny_make(&config, TINY_F32, 6);
    char name[200] = {0};
    bert_error error = {0};
    memset(name, 'x', sizeof name - 1);
    tiny.tensors[tiny.n_tensors] = tiny.tensors[0];
    tiny.tensors[tiny.n_tensors++].name = name;
    CHECK(open_status(&tiny, &error) == BERT_UNKNOWN_TENSOR, "an unknown tensor is accepted");
    CHECK(strlen(error.subject) == BERT_SUBJECT_BYTES - 1, "subject has %zu bytes",
          strlen(error.subject));
}

TEST(too_little_memory)
{
    bert_config config = tiny_config();
    tiny_model *tiny = tiny_make(&config, TINY_F32, 7);
    static _Alignas(BERT_ALIGNMENT) char memory[1 << 16];
    size_t n_bytes = 0;
    bert_error error = {0};
    bert_model *model = NULL;
    bert_session *session = NULL;
    bert_model_bytes(&config, &n_bytes, NULL);
    expect(bert_model_open(&config, tiny->tensors, tiny->n_tensors, memory, n_bytes - 1, &model,
                           &error),
           &error, BERT_OUT_OF_MEMORY, "model");
    model = tiny_open(tiny);
    bert_session_bytes(&config, NULL, &n_bytes, NULL);
    expect(bert_session_open(model, NULL, memory, n_bytes - 1, &session, &error), &error,
           BERT_OUT_OF_MEMORY, "session");
}

/* --------------------------------------------------------------------------------- batches -- */

TEST(session_options)
{
    bert_config config = tiny_config();
    bert_model *model = tiny_open(tiny_make(&config, TINY_F32, 8));
    bert_error error = {0};
    size_t n_bytes;
    expect(
        bert_session_bytes(&config, &(bert_options){.max_sequence_tokens = 17}, &n_bytes, &error),
        &error, BERT_SEQUENCE_TOO_LONG, "max_sequence_tokens");
    bert_config far = full_config(), boundless = boundless_config();
    far.first_position = 5;
    expect(bert_session_bytes(&far, &(bert_options){.max_sequence_tokens = 12}, &n_bytes, &error),
           &error, BERT_SEQUENCE_TOO_LONG, "max_sequence_tokens");
    CHECK(error.limit == 11, "at most %lld tokens, expected 11", (long long)error.limit);
    far.n_positions = far.first_position = 0;
    expect(bert_session_bytes(&far, &(bert_options){.max_sequence_tokens = 21}, &n_bytes, &error),
           &error, BERT_SEQUENCE_TOO_LONG, "max_sequence_tokens");
    CHECK(error.limit == 20, "at most %lld tokens, expected 20", (long long)error.limit);
    CHECK(bert_session_bytes(&boundless, &(bert_options){.max_sequence_tokens = 4000}, &n_bytes,
                             &error) == BERT_OK,
          "a model without positions limits its sequences");
    bert_session *session = tiny_session(model, &(bert_options){.n_threads = 8});
    CHECK(bert_session_threads(session) == 1, "%u threads, none has come",
          bert_session_threads(session));

    config.hidden_size = 1 << 16;
    config.n_positions = 16;
    config.intermediate_size = 1 << 18;
    CHECK(bert_model_bytes(&config, &n_bytes, NULL) == BERT_BAD_FIELD, "3 heads divide 65536");
}

TEST(bad_batches_are_refused_and_leave_the_session_usable)
{
    bert_config config = tiny_config();
    bert_model *model = tiny_open(tiny_make(&config, TINY_F32, 9));
    bert_session *session =
        tiny_session(model, &(bert_options){.max_tokens = 12, .max_sequence_tokens = 10});
    uint32_t lengths[] = {3, 2}, ids[16] = {1, 2, 3, 4, 5}, types[16] = {0}, positions[16] = {0};
    uint8_t attended[16];
    float logits[6], first[6];
    bert_error error = {0};
    memset(attended, 1, sizeof attended);
    bert_batch batch = {2, lengths, ids, types, positions, attended, 0, NULL, NULL};
    bert_outputs outputs = {.data = {[BERT_OUTPUT_LOGITS] = logits}};
    CHECK(bert_encode(session, &batch, &outputs, &error) == BERT_OK, "a good batch fails");
    memcpy(first, logits, sizeof first);

#define REFUSED(change, undo, status, subject)                                                     \
    change;                                                                                        \
    expect(bert_encode(session, &batch, &outputs, &error), &error, status, subject);               \
    undo
    REFUSED(ids[4] = 50, ids[4] = 5, BERT_BAD_TOKEN_ID, "ids");
    CHECK(error.value == 50 && error.limit == 50, "value %lld, limit %lld", (long long)error.value,
          (long long)error.limit);
    REFUSED(types[1] = 2, types[1] = 0, BERT_BAD_TOKEN_TYPE, "token_types");
    REFUSED(positions[2] = 16, positions[2] = 0, BERT_BAD_POSITION, "positions");
    REFUSED(lengths[1] = 0, lengths[1] = 2, BERT_EMPTY_SEQUENCE, "lengths");
    REFUSED(attended[3] = attended[4] = 0, attended[3] = attended[4] = 1, BERT_EMPTY_SEQUENCE,
            "attended");
    REFUSED(lengths[0] = 11, lengths[0] = 3, BERT_SEQUENCE_TOO_LONG, "lengths");
    REFUSED(lengths[0] = 10; lengths[1] = 3, lengths[0] = 3;
            lengths[1] = 2, BERT_BATCH_TOO_LARGE, "lengths");
    REFUSED(lengths[0] = 0xffffffff, lengths[0] = 3, BERT_SEQUENCE_TOO_LONG, "lengths");
    uint32_t lm_tokens[] = {1, 3, 4};
    batch.lm_tokens = lm_tokens;
    batch.n_lm_tokens = 3;
    REFUSED(lm_tokens[2] = 5, lm_tokens[2] = 4, BERT_BAD_POSITION, "lm_tokens");
    CHECK(error.value == 5 && error.limit == 5, "value %lld, limit %lld", (long long)error.value,
          (long long)error.limit);
    REFUSED(lm_tokens[1] = 1, lm_tokens[1] = 3, BERT_BAD_POSITION, "lm_tokens");
    REFUSED(lm_tokens[0] = 4, lm_tokens[0] = 1, BERT_BAD_POSITION, "lm_tokens");
    REFUSED(lm_tokens[0] = UINT32_MAX, lm_tokens[0] = 1, BERT_BAD_POSITION, "lm_tokens");
    batch.n_lm_tokens = 0;
    batch.lm_tokens = NULL;
    uint32_t pool_from[] = {2, 1};
    batch.pool_from = pool_from;
    REFUSED(pool_from[1] = 2, pool_from[1] = 1, BERT_BAD_POSITION, "pool_from");
    CHECK(error.value == 2 && error.limit == 2, "value %lld, limit %lld", (long long)error.value,
          (long long)error.limit);
    REFUSED(pool_from[0] = UINT32_MAX, pool_from[0] = 2, BERT_BAD_POSITION, "pool_from");
    REFUSED(attended[2] = 0, attended[2] = 1, BERT_BAD_POSITION, "pool_from");
    batch.pool_from = NULL;
#undef REFUSED

    memset(logits, 0, sizeof logits);
    CHECK(bert_encode(session, &batch, &outputs, &error) == BERT_OK, "the session is spoilt");
    CHECK(memcmp(first, logits, sizeof first) == 0, "other bits after refused batches");
    batch.n_sequences = 0;
    CHECK(bert_encode(session, &batch, &outputs, &error) == BERT_OK, "an empty batch is refused");
}

static void expect_positions(bert_config config, const uint32_t *positions, const uint32_t *ids,
                             bert_status want, int64_t limit)
{
    bert_session *session = tiny_session(tiny_open(tiny_make(&config, TINY_F32, 18)), NULL);
    uint32_t n = 3;
    bert_batch batch = {.n_sequences = 1, .lengths = &n, .ids = ids, .positions = positions};
    bert_error error = {0};
    bert_status got = bert_encode(session, &batch, &(bert_outputs){{0}}, &error);
    CHECK(got == want && (want == BERT_OK || error.limit == limit),
          "positions %u, %u, %u: %s, limit %lld", positions[0], positions[1], positions[2],
          bert_status_name(got), (long long)error.limit);
}

TEST(positions_that_a_model_does_not_have)
{
    const uint32_t words[] = {5, 6, 7}, padding[] = {1, 1, 7};
    bert_config offset = tiny_config(), bias = bias_config(), conv = boundless_config();
    offset.first_position = 2;
    bias.n_positions = 0;
    conv.conv_size = 3;
    expect_positions(offset, (uint32_t[]){0, 1, 13}, words, BERT_OK, 0);
    expect_positions(offset, (uint32_t[]){0, 1, 14}, words, BERT_BAD_POSITION, 14);
    expect_positions(offset, (uint32_t[]){0, 1, 2}, padding, BERT_OK, 0);
    expect_positions(offset, (uint32_t[]){0, 1, 1}, padding, BERT_BAD_POSITION, 2);
    expect_positions(bias, (uint32_t[]){19, 0, 3}, words, BERT_OK, 0);
    expect_positions(bias, (uint32_t[]){19, 20, 3}, words, BERT_BAD_POSITION, 20);
    expect_positions(conv, (uint32_t[]){0, 2, 4000000000}, words, BERT_OK, 0);
    expect_positions(conv, (uint32_t[]){0, 2, 2}, words, BERT_BAD_POSITION, 2);
    expect_positions(conv, (uint32_t[]){3, 2, 4}, words, BERT_BAD_POSITION, 3);
}

TEST(outputs_that_a_model_lacks)
{
    bert_config config = tiny_config();
    config.n_labels = 0;
    config.pooler_activation = BERT_ACTIVATION_NONE;
    bert_model *model = tiny_open(tiny_make(&config, TINY_F32, 10));
    bert_session *session = tiny_session(model, NULL);
    uint32_t n = 2, ids[] = {1, 2};
    bert_batch batch = {.n_sequences = 1, .lengths = &n, .ids = ids};
    float numbers[64];
    size_t count = 0;
    bert_error error = {0};
    static const bert_output lacking[] = {BERT_OUTPUT_LOGITS, BERT_OUTPUT_POOLER_OUTPUT,
                                          BERT_OUTPUT_TOKEN_LOGITS, BERT_OUTPUT_LM_LOGITS,
                                          BERT_OUTPUT_SENTENCE_EMBEDDING};
    for (size_t i = 0; i < sizeof lacking / sizeof *lacking; i++) {
        bert_outputs outputs = {{0}};
        outputs.data[lacking[i]] = numbers;
        expect(bert_encode(session, &batch, &outputs, &error), &error, BERT_NO_SUCH_OUTPUT,
               bert_output_name(lacking[i]));
    }
    expect(bert_output_count(bert_model_config(model), BERT_OUTPUT_COUNT, &batch, &count, &error),
           &error, BERT_NO_SUCH_OUTPUT, "");
    CHECK(bert_output_count(bert_model_config(model), BERT_OUTPUT_ATTENTIONS, &batch, &count,
                            &error) == BERT_OK &&
              count == 2 * 3 * 4,
          "attentions count %zu, expected 24", count);
}

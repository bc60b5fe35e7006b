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

TEST(every_status_has_a_name_and_a_sentence)
{
    int n = 0;
    while (*bert_status_name((bert_status)n)) {
        CHECK(strlen(bert_status_text((bert_status)n)) > 5, "status %d has no sentence", n);
        n++;
    }
    CHECK(n == BERT_BAD_OPTION + 1, "%d names", n);
    CHECK(!*bert_status_text((bert_status)n), "a sentence for no status");
    CHECK(!*bert_output_name(BERT_OUTPUT_COUNT), "a name for no output");
    CHECK(strcmp(bert_dtype_name(BERT_DTYPE_I8), "I8") == 0, "I8 is %s",
          bert_dtype_name(BERT_DTYPE_I8));
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
    CHECK(bert_config_set_choice(&config, "head", "sequence_classification", NULL) == BERT_OK,
          "head");
    CHECK(config.hidden_size == 384 && config.layer_norm_eps == 1e-12f &&
              config.activation == BERT_ACTIVATION_GELU_TANH &&
              config.head == BERT_HEAD_SEQUENCE_CLASSIFICATION,
          "fields have other values");

    expect(bert_config_set_number(&config, "hidden", 1, &error), &error, BERT_UNKNOWN_FIELD,
           "hidden");
    expect(bert_config_set_number(&config, "activation", 1, &error), &error, BERT_UNKNOWN_FIELD,
           "activation");
    expect(bert_config_set_choice(&config, "n_heads", "1", &error), &error, BERT_UNKNOWN_FIELD,
           "n_heads");
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
    expect_bad_config(WITH(n_labels, 0), "n_labels");
    expect_bad_config(WITH(head, BERT_HEAD_NONE), "n_labels");
    expect_bad_config(WITH(pooler_activation, BERT_ACTIVATION_NONE), "pooler_activation");
    expect_bad_config(WITH(layer_norm_eps, NAN), "layer_norm_eps");
#undef WITH
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
    bert_config config = tiny_config();
    for (int dtype = 0; dtype < 3; dtype++) {
        const tiny_model *whole = tiny_make(&config, (bert_dtype)dtype, 1);
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
    tiny_model tiny = *tiny_make(&config, BERT_DTYPE_I8, 2);
    for (size_t i = 0; i < tiny.n_tensors / 2; i++) {
        bert_tensor swapped = tiny.tensors[i];
        tiny.tensors[i] = tiny.tensors[tiny.n_tensors - 1 - i];
        tiny.tensors[tiny.n_tensors - 1 - i] = swapped;
    }
    CHECK(open_status(&tiny, NULL) == BERT_OK, "tensors in reverse order are refused");
}

TEST(each_wrong_tensor_is_named)
{
    bert_config config = tiny_config();
    const tiny_model *whole = tiny_make(&config, BERT_DTYPE_I8, 3);
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

TEST(bad_scales_are_refused)
{
    static const float bad[] = {0, -1, NAN, INFINITY};
    bert_config config = tiny_config();
    for (int k = 0; k < 4; k++) {
        tiny_model tiny = *tiny_make(&config, BERT_DTYPE_I8, 4);
        bert_error error = {0};
        for (size_t i = 0; i < tiny.n_tensors; i++)
            if (strcmp(tiny.tensors[i].name, "layers.1.output.scale") == 0)
                ((float *)tiny.tensors[i].data)[7] = bad[k];
        expect(open_status(&tiny, &error), &error, BERT_BAD_DATA, "layers.1.output.scale");
        CHECK(error.value == 7, "the bad scale's index is %lld", (long long)error.value);
    }
}

/* Kernels agree on integers of 7 bits alone; and a layer is 8-bit as a whole. */
TEST(integers_out_of_range_and_mixed_layers_are_refused)
{
    bert_config config = tiny_config();
    tiny_model tiny = *tiny_make(&config, BERT_DTYPE_I8, 4),
               f32 = *tiny_make(&config, BERT_DTYPE_F32, 4);
    bert_error error = {0};
    for (size_t i = 0; i < tiny.n_tensors; i++) {
        bert_tensor *tensor = &tiny.tensors[i];
        if (strcmp(tensor->name, "layers.1.intermediate.weight") != 0)
            continue;
        static const int8_t bad[] = {64, -64, 127, -128};
        int8_t *last = (int8_t *)tensor->data + tensor->n_bytes - 1, saved = *last;
        for (int k = 0; k < 4; k++) {
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

TEST(unknown_and_duplicate_tensors_are_named)
{
    bert_config config = tiny_config();
    tiny_model tiny = *tiny_make(&config, BERT_DTYPE_F32, 5);
    bert_error error = {0};
    tiny.tensors[tiny.n_tensors] = tiny.tensors[4];
    tiny.n_tensors++;
    expect(open_status(&tiny, &error), &error, BERT_DUPLICATE_TENSOR, tiny.tensors[4].name);
    tiny.tensors[tiny.n_tensors - 1].name = "layers.2.output.bias";
    expect(open_status(&tiny, &error), &error, BERT_UNKNOWN_TENSOR, "layers.2.output.bias");
    tiny.n_tensors--;
    CHECK(open_status(&tiny, &error) == BERT_OK, "the model does not open after failures");
}

TEST(names_longer_than_an_error_holds)
{
    bert_config config = tiny_config();
    tiny_model tiny = *tiny_make(&config, BERT_DTYPE_F32, 6);
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
    tiny_model *tiny = tiny_make(&config, BERT_DTYPE_F32, 7);
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
    bert_model *model = tiny_open(tiny_make(&config, BERT_DTYPE_F32, 8));
    bert_error error = {0};
    size_t n_bytes;
    expect(
        bert_session_bytes(&config, &(bert_options){.max_sequence_tokens = 17}, &n_bytes, &error),
        &error, BERT_SEQUENCE_TOO_LONG, "max_sequence_tokens");
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
    bert_model *model = tiny_open(tiny_make(&config, BERT_DTYPE_F32, 9));
    bert_session *session =
        tiny_session(model, &(bert_options){.max_tokens = 12, .max_sequence_tokens = 10});
    uint32_t lengths[] = {3, 2}, ids[16] = {1, 2, 3, 4, 5}, types[16] = {0}, positions[16] = {0};
    uint8_t attended[16];
    float logits[6], first[6];
    bert_error error = {0};
    memset(attended, 1, sizeof attended);
    bert_batch batch = {2, lengths, ids, types, positions, attended};
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
#undef REFUSED

    memset(logits, 0, sizeof logits);
    CHECK(bert_encode(session, &batch, &outputs, &error) == BERT_OK, "the session is spoilt");
    CHECK(memcmp(first, logits, sizeof first) == 0, "other bits after refused batches");
    batch.n_sequences = 0;
    CHECK(bert_encode(session, &batch, &outputs, &error) == BERT_OK, "an empty batch is refused");
}

TEST(outputs_that_a_model_lacks)
{
    bert_config config = tiny_config();
    config.head = BERT_HEAD_NONE;
    config.n_labels = 0;
    config.pooler_activation = BERT_ACTIVATION_NONE;
    bert_model *model = tiny_open(tiny_make(&config, BERT_DTYPE_F32, 10));
    bert_session *session = tiny_session(model, NULL);
    uint32_t n = 2, ids[] = {1, 2};
    bert_batch batch = {.n_sequences = 1, .lengths = &n, .ids = ids};
    float numbers[64];
    size_t count = 0;
    bert_error error = {0};
    bert_outputs outputs = {.data = {[BERT_OUTPUT_LOGITS] = numbers}};
    expect(bert_encode(session, &batch, &outputs, &error), &error, BERT_NO_SUCH_OUTPUT, "logits");
    outputs = (bert_outputs){.data = {[BERT_OUTPUT_POOLER_OUTPUT] = numbers}};
    expect(bert_encode(session, &batch, &outputs, &error), &error, BERT_NO_SUCH_OUTPUT,
           "pooler_output");
    expect(bert_output_count(model, BERT_OUTPUT_COUNT, &batch, &count, &error), &error,
           BERT_NO_SUCH_OUTPUT, "");
    CHECK(bert_output_count(model, BERT_OUTPUT_ATTENTIONS, &batch, &count, &error) == BERT_OK &&
              count == 2 * 3 * 4,
          "attentions count %zu, expected 24", count);
}

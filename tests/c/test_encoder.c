/* test_encoder.c - the whole encoder against the oracle, and what bert.h promises of it. */
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "oracle.h"
#include "tiny_model.h"

/* Sequences of all kinds: whole, with holes, with an unattended first token, of one token. */
static const uint32_t lengths[] = {5, 1, 16, 3, 9};
#define N_SEQUENCES 5
#define N_TOKENS 34

typedef struct tokens {
    uint32_t ids[N_TOKENS], types[N_TOKENS], positions[N_TOKENS];
    uint8_t attended[N_TOKENS];
} tokens;

static tokens random_tokens(const bert_config *config, uint32_t seed)
{
    tokens tokens;
    uint32_t token = 0;
    for (uint32_t s = 0; s < N_SEQUENCES; s++) {
        for (uint32_t i = 0; i < lengths[s]; i++, token++) {
            tokens.ids[token] = random_u32(&seed) % config->vocab_size;
            tokens.types[token] =
                config->n_token_types ? random_u32(&seed) % config->n_token_types : 0;
            tokens.positions[token] = i * (config->n_positions - 1) / 15;
            tokens.attended[token] = lengths[s] == 1 || !(i == 0 && s % 2 == 1);
        }
    }
    return tokens;
}

static bert_batch batch_of(const tokens *tokens, uint32_t first_sequence, uint32_t n)
{
    uint32_t first = 0;
    for (uint32_t s = 0; s < first_sequence; s++)
        first += lengths[s];
    return (bert_batch){n,
                        lengths + first_sequence,
                        tokens->ids + first,
                        tokens->types + first,
                        tokens->positions + first,
                        tokens->attended + first};
}

/* Every output that the model has, each in memory of exactly its size. */
static bert_outputs all_outputs(const bert_model *model, const bert_batch *batch)
{
    bert_outputs outputs = {{0}};
    for (int i = 0; i < BERT_OUTPUT_COUNT; i++) {
        size_t count;
        if (bert_output_count(model, (bert_output)i, batch, &count, NULL) == BERT_OK)
            outputs.data[i] = guarded_alloc(count * sizeof(float));
    }
    return outputs;
}

static void check_close(const char *what, const float *got, const double *want, size_t n,
                        double tolerance)
{
    for (size_t i = 0; got && i < n; i++)
        CHECK(fabs(got[i] - want[i]) <= tolerance, "%s [%zu] is %.9g, expected %.9g", what, i,
              got[i], want[i]);
}

/* One sequence of a batch's outputs against the oracle. */
static void check_sequence(const bert_model *model, const bert_batch *batch,
                           const bert_outputs *outputs, uint32_t s, double tolerance)
{
    const bert_config *config = &model->config;
    uint32_t n = batch->lengths[s], hidden = config->hidden_size, first = 0, total = 0;
    size_t squares_before = 0, squares = 0;
    for (uint32_t i = 0; i < batch->n_sequences; i++) {
        if (i < s) {
            first += batch->lengths[i];
            squares_before += (size_t)batch->lengths[i] * batch->lengths[i];
        }
        total += batch->lengths[i];
        squares += (size_t)batch->lengths[i] * batch->lengths[i];
    }
    size_t per_layer = (size_t)n * hidden, maps = (size_t)config->n_heads * n * n;
    oracle_outputs want = {.hidden_states =
                               malloc((config->n_layers + 1) * per_layer * sizeof(double)),
                           .attentions = malloc((config->n_layers * maps + 1) * sizeof(double)),
                           .pooler_output = malloc(hidden * sizeof(double)),
                           .logits = malloc((config->n_labels + 1) * sizeof(double))};
    oracle_encode(model, n, batch->ids + first, batch->token_types + first,
                  batch->positions + first, batch->attended + first, &want);

    float *const *got = outputs->data;
    for (uint32_t i = 0; i <= config->n_layers; i++)
        check_close("hidden_states",
                    got[BERT_OUTPUT_HIDDEN_STATES] + ((size_t)i * total + first) * hidden,
                    want.hidden_states + i * per_layer, per_layer, tolerance);
    for (uint32_t i = 0; i < config->n_layers; i++)
        check_close("attentions",
                    got[BERT_OUTPUT_ATTENTIONS] + (i * squares + squares_before) * config->n_heads,
                    want.attentions + i * maps, maps, tolerance);
    check_close("last_hidden_state", got[BERT_OUTPUT_LAST_HIDDEN_STATE] + (size_t)first * hidden,
                want.hidden_states + config->n_layers * per_layer, per_layer, tolerance);
    if (got[BERT_OUTPUT_POOLER_OUTPUT])
        check_close("pooler_output", got[BERT_OUTPUT_POOLER_OUTPUT] + (size_t)s * hidden,
                    want.pooler_output, hidden, tolerance);
    if (got[BERT_OUTPUT_LOGITS])
        check_close("logits", got[BERT_OUTPUT_LOGITS] + (size_t)s * config->n_labels, want.logits,
                    config->n_labels, tolerance);
    free(want.hidden_states), free(want.attentions), free(want.pooler_output), free(want.logits);
}

/* I8: a number half way between two levels may be rounded to either. */
static double tolerance_of(bert_dtype dtype)
{
    return dtype == BERT_DTYPE_I8 ? 0.03 : 2e-5;
}

static void check_model(const bert_config *config, bert_dtype dtype, uint32_t seed)
{
    tiny_model *tiny = tiny_make(config, dtype, seed);
    bert_model *model = tiny_open(tiny);
    if (!model)
        return;
    bert_session *session = tiny_session(model, NULL);
    tokens tokens = random_tokens(config, seed);
    bert_batch batch = batch_of(&tokens, 0, N_SEQUENCES);
    bert_outputs outputs = all_outputs(model, &batch);
    bert_error error = {0};
    CHECK(bert_encode(session, &batch, &outputs, &error) == BERT_OK, "encode: %s (%s)",
          bert_status_text(error.status), error.subject);
    for (uint32_t s = 0; s < N_SEQUENCES; s++)
        check_sequence(model, &batch, &outputs, s, tolerance_of(dtype));
}

TEST(agrees_with_the_oracle_in_every_dtype)
{
    bert_config config = tiny_config();
    for (int dtype = 0; dtype < 3; dtype++)
        check_model(&config, (bert_dtype)dtype, 10 + (uint32_t)dtype);
}

TEST(agrees_with_the_oracle_at_odd_dimensions)
{
    static const uint32_t heads[] = {1, 5, 7, 3}, dims[] = {1, 3, 5, 11}, wides[] = {1, 7, 33, 50};
    for (uint32_t i = 0; i < 4; i++) {
        bert_config config = tiny_config();
        config.n_heads = heads[i];
        config.hidden_size = heads[i] * dims[i];
        config.intermediate_size = wides[i];
        config.n_layers = i;
        config.activation = i % 2 ? BERT_ACTIVATION_GELU_TANH : BERT_ACTIVATION_RELU;
        config.n_labels = 1 + 8 * i;
        config.layer_norm_eps = 1e-3f; /* rows of one or two numbers have next to no variance */
        for (int dtype = 0; dtype < 3; dtype++)
            check_model(&config, (bert_dtype)dtype, 20 + 3 * i + (uint32_t)dtype);
    }
}

TEST(agrees_without_head_pooler_or_token_types)
{
    bert_config config = tiny_config();
    config.n_token_types = 0;
    check_model(&config, BERT_DTYPE_F32, 40);
    config.head = BERT_HEAD_NONE;
    config.n_labels = 0;
    check_model(&config, BERT_DTYPE_F32, 41);
    config.pooler_activation = BERT_ACTIVATION_NONE;
    check_model(&config, BERT_DTYPE_F32, 42);
}

/* Default positions and types are 0, 1, 2, ... and 0; without `attended` all are. */
TEST(null_means_the_default)
{
    bert_config config = tiny_config();
    bert_model *model = tiny_open(tiny_make(&config, BERT_DTYPE_F32, 50));
    bert_session *session = tiny_session(model, NULL);
    uint32_t n = 6, ids[] = {3, 1, 4, 1, 5, 9}, types[6] = {0}, positions[] = {0, 1, 2, 3, 4, 5};
    uint8_t attended[] = {1, 1, 1, 1, 1, 1};
    float given[3], defaults[3];
    bert_batch batch = {1, &n, ids, types, positions, attended};
    bert_outputs outputs = {.data = {[BERT_OUTPUT_LOGITS] = given}};
    bert_encode(session, &batch, &outputs, NULL);
    batch = (bert_batch){.n_sequences = 1, .lengths = &n, .ids = ids};
    outputs.data[BERT_OUTPUT_LOGITS] = defaults;
    bert_encode(session, &batch, &outputs, NULL);
    CHECK(memcmp(given, defaults, sizeof given) == 0, "NULL gives other bits than the defaults");
}

TEST(same_bits_alone_and_in_a_batch)
{
    bert_config config = tiny_config();
    for (int dtype = 0; dtype < 3; dtype++) {
        bert_model *model = tiny_open(tiny_make(&config, (bert_dtype)dtype, 60));
        bert_session *session = tiny_session(model, NULL);
        tokens tokens = random_tokens(&config, 61);
        bert_batch batch = batch_of(&tokens, 0, N_SEQUENCES);
        bert_outputs together = all_outputs(model, &batch);
        bert_encode(session, &batch, &together, NULL);
        for (uint32_t s = 0, first = 0; s < N_SEQUENCES; first += lengths[s++]) {
            bert_batch one = batch_of(&tokens, s, 1);
            bert_outputs alone = all_outputs(model, &one);
            bert_encode(session, &one, &alone, NULL);
            CHECK(memcmp(alone.data[BERT_OUTPUT_LOGITS],
                         together.data[BERT_OUTPUT_LOGITS] + s * config.n_labels,
                         config.n_labels * sizeof(float)) == 0,
                  "dtype %d: logits of sequence %u differ", dtype, s);
            CHECK(memcmp(alone.data[BERT_OUTPUT_LAST_HIDDEN_STATE],
                         together.data[BERT_OUTPUT_LAST_HIDDEN_STATE] +
                             (size_t)first * config.hidden_size,
                         (size_t)lengths[s] * config.hidden_size * sizeof(float)) == 0,
                  "dtype %d: hidden states of sequence %u differ", dtype, s);
        }
    }
}

/* A session that was opened for less, and filled to the brim. */
TEST(session_of_exact_size)
{
    bert_config config = tiny_config();
    bert_model *model = tiny_open(tiny_make(&config, BERT_DTYPE_I8, 70));
    bert_session *session =
        tiny_session(model, &(bert_options){.max_tokens = N_TOKENS, .max_sequence_tokens = 16});
    tokens tokens = random_tokens(&config, 71);
    bert_batch batch = batch_of(&tokens, 0, N_SEQUENCES);
    bert_outputs outputs = all_outputs(model, &batch);
    CHECK(bert_encode(session, &batch, &outputs, NULL) == BERT_OK, "a full session fails");
    for (uint32_t s = 0; s < N_SEQUENCES; s++)
        check_sequence(model, &batch, &outputs, s, tolerance_of(BERT_DTYPE_I8));
}

static void *serve(void *session)
{
    bert_session_serve(session);
    return NULL;
}

/* Threads come at any time, more than there is room for, and change nothing. */
TEST(same_bits_on_any_number_of_threads_and_every_kernel)
{
    bert_config config = tiny_config();
    for (int dtype = 0; dtype < 3; dtype++) {
        bert_model *model = tiny_open(tiny_make(&config, (bert_dtype)dtype, 80));
        tokens tokens = random_tokens(&config, 81);
        bert_batch batch = batch_of(&tokens, 0, N_SEQUENCES);
        bert_outputs want = all_outputs(model, &batch);
        bert_encode(tiny_session(model, NULL), &batch, &want, NULL);
        for (int kernel = 0; kernel < BERT_INT8_KERNEL_COUNT; kernel++) {
            pthread_t threads[4];
            bert_session *session = tiny_session(
                model, &(bert_options){.n_threads = 4, .int8_kernel = (bert_int8_kernel)kernel});
            for (int round = 0; round < 40; round++) {
                if (round < 4)
                    pthread_create(&threads[round], NULL, serve, session);
                bert_outputs got = all_outputs(model, &batch);
                CHECK(bert_encode(session, &batch, &got, NULL) == BERT_OK, "encoding fails");
                for (int i = 0; i < BERT_OUTPUT_COUNT; i++) {
                    size_t count = 0;
                    bert_output_count(model, (bert_output)i, &batch, &count, NULL);
                    CHECK(memcmp(got.data[i], want.data[i], count * sizeof(float)) == 0,
                          "dtype %d, kernel %d, round %d: %s has other bits", dtype, kernel, round,
                          bert_output_name((bert_output)i));
                }
            }
            bert_session_stop(session);
            for (int i = 0; i < 4; i++)
                pthread_join(threads[i], NULL);
        }
    }
}

/* More rows than go through the feed-forward block at a time: each copy of a sequence has the bits
 * that it has alone, by 1 thread and by 3. */
TEST(many_rows)
{
    enum { COPIES = 41, LENGTH = 9 };
    bert_config config = tiny_config();
    uint32_t lengths[COPIES], ids[COPIES * LENGTH];
    for (uint32_t i = 0; i < COPIES * LENGTH; i++) {
        lengths[i / LENGTH] = LENGTH;
        ids[i] = i % LENGTH * 7 % config.vocab_size;
    }
    for (int dtype = 0; dtype < 3; dtype++) {
        bert_model *model = tiny_open(tiny_make(&config, (bert_dtype)dtype, 90));
        bert_batch one = {.n_sequences = 1, .lengths = lengths, .ids = ids};
        bert_batch all = {.n_sequences = COPIES, .lengths = lengths, .ids = ids};
        bert_outputs want = all_outputs(model, &one), got = all_outputs(model, &all);
        bert_encode(tiny_session(model, NULL), &one, &want, NULL);
        bert_session *session = tiny_session(model, &(bert_options){.n_threads = 3});
        pthread_t threads[2];
        for (int n_threads = 1; n_threads <= 3; n_threads += 2) {
            CHECK(bert_encode(session, &all, &got, NULL) == BERT_OK, "encoding fails");
            for (uint32_t copy = 0; copy < COPIES; copy++)
                CHECK(memcmp(got.data[BERT_OUTPUT_LAST_HIDDEN_STATE] +
                                 (size_t)copy * LENGTH * config.hidden_size,
                             want.data[BERT_OUTPUT_LAST_HIDDEN_STATE],
                             LENGTH * config.hidden_size * sizeof(float)) == 0,
                      "dtype %d, %d threads: copy %u has other bits", dtype, n_threads, copy);
            for (int i = 0; n_threads == 1 && i < 2; i++)
                pthread_create(&threads[i], NULL, serve, session);
            while (n_threads == 1 && bert_session_threads(session) < 3)
                sched_yield();
        }
        bert_session_stop(session);
        for (int i = 0; i < 2; i++)
            pthread_join(threads[i], NULL);
    }
}

/* Kernels may be changed from call to call, to those that there are. */
TEST(another_kernel_changes_no_bit)
{
    bert_config config = tiny_config();
    bert_model *model = tiny_open(tiny_make(&config, BERT_DTYPE_I8, 95));
    bert_session *session = tiny_session(model, NULL);
    tokens tokens = random_tokens(&config, 96);
    bert_batch batch = batch_of(&tokens, 0, N_SEQUENCES);
    bert_outputs want = all_outputs(model, &batch);
    bert_encode(session, &batch, &want, NULL);
    for (int kernel = 0; kernel < BERT_INT8_KERNEL_COUNT; kernel++) {
        CHECK(bert_session_use_kernel(session, (bert_int8_kernel)kernel, NULL) == BERT_OK,
              "kernel %d is refused", kernel);
        bert_outputs got = all_outputs(model, &batch);
        bert_encode(session, &batch, &got, NULL);
        CHECK(memcmp(got.data[BERT_OUTPUT_LAST_HIDDEN_STATE],
                     want.data[BERT_OUTPUT_LAST_HIDDEN_STATE],
                     N_TOKENS * config.hidden_size * sizeof(float)) == 0,
              "kernel %d has other bits", kernel);
    }
    bert_error error;
    CHECK(bert_session_use_kernel(session, BERT_INT8_KERNEL_COUNT, &error) == BERT_BAD_OPTION &&
              strcmp(error.subject, "int8_kernel") == 0,
          "no such kernel: %d, %s", error.status, error.subject);
}

TEST(options_are_checked)
{
    bert_config config = tiny_config();
    size_t n_bytes;
    bert_error error;
    bert_options options = {.n_threads = BERT_MAX_THREADS + 1};
    CHECK(bert_session_bytes(&config, &options, &n_bytes, &error) == BERT_BAD_OPTION &&
              strcmp(error.subject, "n_threads") == 0,
          "65 threads: %d, %s", error.status, error.subject);
    options = (bert_options){.int8_kernel = BERT_INT8_KERNEL_COUNT};
    CHECK(bert_session_bytes(&config, &options, &n_bytes, &error) == BERT_BAD_OPTION &&
              strcmp(error.subject, "int8_kernel") == 0,
          "no such kernel: %d, %s", error.status, error.subject);
}

/* test_encoder.c - the whole encoder against the oracle, and what bert.h promises of it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "families.h"
#include "harness.h"
#include "oracle.h"
#include "tiny_batch.h"
#include "tiny_model.h"

/* Numbers of one sequence that lie together in an output. */
typedef struct output_part {
    size_t at, n;
} output_part;

/* Such parts of one sequence in an output: one for each layer, or one. */
static uint32_t count_parts(const bert_config *config, bert_output output)
{
    return output == BERT_OUTPUT_HIDDEN_STATES ? config->n_layers + 1
           : output == BERT_OUTPUT_ATTENTIONS  ? config->n_layers
                                               : 1;
}

static output_part part_of(const bert_model *model, bert_output output, const bert_batch *batch,
                           uint32_t s, uint32_t index)
{
    size_t count = 0, before = 0, n = 0, total = 0;
    bert_output_count(bert_model_config(model), output, batch, &count, NULL);
    for (uint32_t i = 0; i < batch->n_sequences; i++) {
        size_t weight = batch->lengths[i];
        if (output == BERT_OUTPUT_ATTENTIONS)
            weight *= weight;
        else if (output == BERT_OUTPUT_POOLER_OUTPUT || output == BERT_OUTPUT_LOGITS ||
                 output == BERT_OUTPUT_SENTENCE_EMBEDDING)
            weight = 1;
        before += i < s ? weight : 0;
        n = i == s ? weight : n;
        total += weight;
    }
    size_t each = count_parts(&model->config, output);
    each = each ? count / each : 0;
    return (output_part){index * each + each / total * before, each / total * n};
}

/* One sequence of a batch's outputs against the oracle. */
static void check_sequence(const char *name, const bert_model *model, const bert_batch *batch,
                           const bert_outputs *outputs, uint32_t s, double tolerance)
{
    const bert_config *config = &model->config;
    uint32_t first = 0;
    double *want[BERT_OUTPUT_COUNT];
    for (uint32_t i = 0; i < s; i++)
        first += batch->lengths[i];
    for (int i = 0; i < BERT_OUTPUT_COUNT; i++) {
        uint32_t n_parts = count_parts(config, (bert_output)i);
        size_t n = outputs->data[i] ? part_of(model, (bert_output)i, batch, s, 0).n : 0;
        want[i] = calloc(n * n_parts + 1, sizeof(double));
    }
    size_t per_layer = (size_t)batch->lengths[s] * config->hidden_size;
    double *given = calloc((config->n_layers + 1) * per_layer, sizeof(double));
    for (uint32_t k = 0; k <= config->n_layers; k++) {
        output_part part = part_of(model, BERT_OUTPUT_HIDDEN_STATES, batch, s, k);
        for (size_t j = 0; j < part.n; j++)
            given[k * per_layer + j] = outputs->data[BERT_OUTPUT_HIDDEN_STATES][part.at + j];
    }
    oracle_outputs oracle = {.hidden_states = want[BERT_OUTPUT_HIDDEN_STATES],
                             .attentions = want[BERT_OUTPUT_ATTENTIONS],
                             .pooler_output = want[BERT_OUTPUT_POOLER_OUTPUT],
                             .logits = want[BERT_OUTPUT_LOGITS],
                             .token_logits = want[BERT_OUTPUT_TOKEN_LOGITS],
                             .lm_logits = want[BERT_OUTPUT_LM_LOGITS],
                             .sentence_embedding = want[BERT_OUTPUT_SENTENCE_EMBEDDING],
                             .given = given,
                             .pool_from = batch->pool_from ? batch->pool_from[s] : 0};
    oracle_encode(model, batch->lengths[s], batch->ids + first, batch->token_types + first,
                  batch->positions + first, batch->attended + first, &oracle);
    memcpy(want[BERT_OUTPUT_LAST_HIDDEN_STATE], oracle.hidden_states + config->n_layers * per_layer,
           per_layer * sizeof(double));
    for (int i = 0; i < BERT_OUTPUT_COUNT; i++) {
        uint32_t n_parts = outputs->data[i] ? count_parts(config, (bert_output)i) : 0;
        for (uint32_t k = 0; k < n_parts; k++) {
            output_part part = part_of(model, (bert_output)i, batch, s, k);
            for (size_t j = 0; j < part.n; j++) {
                double got = outputs->data[i][part.at + j], wanted = want[i][k * part.n + j];
                CHECK(fabs(got - wanted) <= tolerance * fmax(1, fabs(wanted)),
                      "%s, sequence %u: %s %u [%zu] is %.9g, expected %.9g", name, s,
                      bert_output_name((bert_output)i), k, j, got, wanted);
            }
        }
        free(want[i]);
    }
    free(given);
}

/* Integers: a number half way between two of them may be rounded to either, in each layer anew. */
static double tolerance_of(tiny_dtype dtype)
{
    return dtype >= TINY_Q7 ? 0.05 : 2e-5;
}

static void check_model(const char *name, const bert_config *config, tiny_dtype dtype,
                        uint32_t seed)
{
    tiny_model *tiny = tiny_make(config, dtype, seed);
    bert_model *model = tiny_open(tiny);
    if (!model)
        return;
    bert_session *session = tiny_session(model, NULL);
    token_lists tokens = random_tokens(config, seed);
    bert_batch batch = batch_of(&tokens, 0, N_SEQUENCES);
    bert_outputs outputs = all_outputs(model, &batch);
    bert_error error = {0};
    CHECK(bert_encode(session, &batch, &outputs, &error) == BERT_OK, "%s: %s (%s)", name,
          bert_status_text(error.status), error.subject);
    for (uint32_t s = 0; s < N_SEQUENCES; s++)
        check_sequence(name, model, &batch, &outputs, s, tolerance_of(dtype));
    if (config->pooling == BERT_POOLING_NONE)
        return;
    /* From the first attended token on, from one behind it, from the last one. */
    for (uint32_t part = 0; part < 3; part++) {
        uint32_t pool_from[N_SEQUENCES];
        for (uint32_t s = 0, first = 0; s < N_SEQUENCES; first += batch.lengths[s++]) {
            uint32_t least = 0, most = batch.lengths[s] - 1;
            while (!batch.attended[first + least])
                least++;
            while (!batch.attended[first + most])
                most--;
            pool_from[s] = least + (most - least) * part / 2;
        }
        batch.pool_from = pool_from;
        CHECK(bert_encode(session, &batch, &outputs, &error) == BERT_OK, "%s: %s (%s)", name,
              bert_status_text(error.status), error.subject);
        for (uint32_t s = 0; s < N_SEQUENCES; s++)
            check_sequence(name, model, &batch, &outputs, s, tolerance_of(dtype));
    }
}

TEST(agrees_with_the_oracle_in_every_dtype)
{
    bert_config config = tiny_config();
    for (int dtype = 0; dtype < TINY_DTYPE_COUNT; dtype++)
        check_model("plain", &config, (tiny_dtype)dtype, 10 + (uint32_t)dtype);
}

TEST(agrees_with_the_oracle_at_odd_dimensions)
{
    static const uint32_t heads[] = {1, 5, 7, 3}, dims[] = {1, 3, 5, 11}, wides[] = {1, 7, 33, 50};
    for (uint32_t i = 0; i < 4; i++) {
        bert_config config = tiny_config();
        config.n_heads = heads[i];
        config.hidden_size = config.embedding_size = heads[i] * dims[i];
        config.intermediate_size = wides[i];
        config.n_layers = i;
        config.activation = i % 2 ? BERT_ACTIVATION_GELU_TANH : BERT_ACTIVATION_RELU;
        config.n_labels = 1 + 8 * i;
        config.layer_norm_eps = 1e-3f; /* rows of one or two numbers have next to no variance */
        for (int dtype = 0; dtype < TINY_DTYPE_COUNT; dtype++)
            check_model("plain", &config, (tiny_dtype)dtype, 20 + 3 * i + (uint32_t)dtype);
    }
}

TEST(agrees_without_head_pooler_or_token_types)
{
    bert_config config = tiny_config();
    config.n_token_types = 0;
    check_model("plain", &config, TINY_F32, 40);
    config.n_labels = 0;
    check_model("plain", &config, TINY_F32, 41);
    config.pooler_activation = BERT_ACTIVATION_NONE;
    check_model("plain", &config, TINY_F32, 42);
}

/* Default positions and types are 0, 1, 2, ... and 0; without `attended` all are. */
TEST(null_means_the_default)
{
    bert_config config = tiny_config();
    bert_model *model = tiny_open(tiny_make(&config, TINY_F32, 50));
    bert_session *session = tiny_session(model, NULL);
    uint32_t n = 6, ids[] = {3, 1, 4, 1, 5, 9}, types[6] = {0}, positions[] = {0, 1, 2, 3, 4, 5};
    uint8_t attended[] = {1, 1, 1, 1, 1, 1};
    float given[3], defaults[3];
    bert_batch batch = {1, &n, ids, types, positions, attended, 0, NULL, NULL};
    bert_outputs outputs = {.data = {[BERT_OUTPUT_LOGITS] = given}};
    bert_encode(session, &batch, &outputs, NULL);
    batch = (bert_batch){.n_sequences = 1, .lengths = &n, .ids = ids};
    outputs.data[BERT_OUTPUT_LOGITS] = defaults;
    bert_encode(session, &batch, &outputs, NULL);
    CHECK(memcmp(given, defaults, sizeof given) == 0, "NULL gives other bits than the defaults");
}

static void check_alone(const bert_config *config, const char *name)
{
    for (int dtype = 0; dtype < TINY_DTYPE_COUNT; dtype++) {
        bert_model *model = tiny_open(tiny_make(config, (tiny_dtype)dtype, 60));
        bert_session *session = tiny_session(model, NULL);
        token_lists tokens = random_tokens(config, 61);
        bert_batch batch = batch_of(&tokens, 0, N_SEQUENCES);
        bert_outputs together = all_outputs(model, &batch);
        bert_encode(session, &batch, &together, NULL);
        for (uint32_t s = 0; s < N_SEQUENCES; s++) {
            bert_batch one = batch_of(&tokens, s, 1);
            bert_outputs alone = all_outputs(model, &one);
            bert_encode(session, &one, &alone, NULL);
            for (int i = 0; i < BERT_OUTPUT_COUNT; i++) {
                uint32_t n_parts = alone.data[i] ? count_parts(config, (bert_output)i) : 0;
                for (uint32_t k = 0; k < n_parts; k++) {
                    output_part in_batch = part_of(model, (bert_output)i, &batch, s, k);
                    output_part by_itself = part_of(model, (bert_output)i, &one, 0, k);
                    CHECK(memcmp(alone.data[i] + by_itself.at, together.data[i] + in_batch.at,
                                 by_itself.n * sizeof(float)) == 0,
                          "%s, dtype %d: %s of sequence %u differ", name, dtype,
                          bert_output_name((bert_output)i), s);
                }
            }
        }
        guarded_free_all();
    }
}

TEST(same_bits_alone_and_in_a_batch)
{
    bert_config config = tiny_config();
    check_alone(&config, "plain");
}

/* A session that was opened for less, and filled to the brim. */
TEST(session_of_exact_size)
{
    bert_config config = tiny_config();
    bert_model *model = tiny_open(tiny_make(&config, TINY_Q8, 70));
    bert_session *session =
        tiny_session(model, &(bert_options){.max_tokens = N_TOKENS, .max_sequence_tokens = 16});
    token_lists tokens = random_tokens(&config, 71);
    bert_batch batch = batch_of(&tokens, 0, N_SEQUENCES);
    bert_outputs outputs = all_outputs(model, &batch);
    CHECK(bert_encode(session, &batch, &outputs, NULL) == BERT_OK, "a full session fails");
    for (uint32_t s = 0; s < N_SEQUENCES; s++)
        check_sequence("plain", model, &batch, &outputs, s, tolerance_of(TINY_Q8));
}

/* A block, `copies` times. */
static void *repeat(const void *from, size_t n_bytes, uint32_t copies)
{
    char *to = guarded_alloc(n_bytes * copies);
    for (uint32_t i = 0; i < copies; i++)
        memcpy(to + i * n_bytes, from, n_bytes);
    return to;
}

/* Threads come at any time, more than there is room for, and change nothing. With several copies of
 * the batch they share it by rows. */
static void check_threads(const bert_config *config, const char *name, uint32_t copies,
                          int n_rounds)
{
    for (int dtype = 0; dtype < TINY_DTYPE_COUNT; dtype++) {
        bert_model *model = tiny_open(tiny_make(config, (tiny_dtype)dtype, 80));
        token_lists tokens = random_tokens(config, 81);
        bert_batch once = batch_of(&tokens, 0, N_SEQUENCES);
        bert_batch batch = {.n_sequences = copies * N_SEQUENCES,
                            .lengths =
                                repeat(once.lengths, N_SEQUENCES * sizeof *once.lengths, copies),
                            .ids = repeat(tokens.ids, sizeof tokens.ids, copies),
                            .token_types = repeat(tokens.types, sizeof tokens.types, copies),
                            .positions = repeat(tokens.positions, sizeof tokens.positions, copies),
                            .attended = repeat(tokens.attended, sizeof tokens.attended, copies)};
        bert_outputs want = all_outputs(model, &batch);
        bert_encode(tiny_session(model, NULL), &batch, &want, NULL);
        for (int kernel = 0; kernel < BERT_INT8_KERNEL_COUNT; kernel++) {
            pthread_t threads[4];
            if (!bert_int8_kernel_exists(bert_model_config(model)->integers,
                                         (bert_int8_kernel)kernel))
                continue;
            bert_session *session = tiny_session(
                model, &(bert_options){.n_threads = 4, .int8_kernel = (bert_int8_kernel)kernel});
            for (int round = 0; round < n_rounds; round++) {
                if (round < 4)
                    pthread_create(&threads[round], NULL, serve, session);
                bert_outputs got = all_outputs(model, &batch);
                CHECK(bert_encode(session, &batch, &got, NULL) == BERT_OK, "encoding fails");
                for (int i = 0; i < BERT_OUTPUT_COUNT; i++) {
                    size_t count = 0;
                    if (!want.data[i])
                        continue;
                    bert_output_count(bert_model_config(model), (bert_output)i, &batch, &count,
                                      NULL);
                    CHECK(memcmp(got.data[i], want.data[i], count * sizeof(float)) == 0,
                          "%s, dtype %d, kernel %d, round %d: %s has other bits", name, dtype,
                          kernel, round, bert_output_name((bert_output)i));
                }
            }
            bert_session_stop(session);
            for (int i = 0; i < 4; i++)
                pthread_join(threads[i], NULL);
        }
        guarded_free_all();
    }
}

TEST(same_bits_on_any_number_of_threads_and_every_kernel)
{
    bert_config config = tiny_config();
    check_threads(&config, "plain", 1, 40);
    check_threads(&config, "plain", 5, 10);
}

/* More rows than go through the feed-forward block at a time: each copy of a sequence has the bits
 * that it has alone, by 1 thread, by 3 and by 8. */
TEST(many_rows)
{
    enum { COPIES = 41, LENGTH = 9 };
    bert_config config = tiny_config();
    uint32_t same_lengths[COPIES], ids[COPIES * LENGTH];
    for (uint32_t i = 0; i < COPIES * LENGTH; i++) {
        same_lengths[i / LENGTH] = LENGTH;
        ids[i] = i % LENGTH * 7 % config.vocab_size;
    }
    for (int dtype = 0; dtype < TINY_DTYPE_COUNT; dtype++) {
        bert_model *model = tiny_open(tiny_make(&config, (tiny_dtype)dtype, 90));
        bert_batch one = {.n_sequences = 1, .lengths = same_lengths, .ids = ids};
        bert_batch all = {.n_sequences = COPIES, .lengths = same_lengths, .ids = ids};
        bert_outputs want = all_outputs(model, &one), got = all_outputs(model, &all);
        bert_encode(tiny_session(model, NULL), &one, &want, NULL);
        static const uint32_t numbers[] = {1, 3, 8};
        for (int i = 0; i < 3; i++) {
            uint32_t n_threads = numbers[i];
            bert_session *session = tiny_session(model, &(bert_options){.n_threads = n_threads});
            helping_threads helpers = help(session, n_threads);
            CHECK(bert_encode(session, &all, &got, NULL) == BERT_OK, "encoding fails");
            for (uint32_t copy = 0; copy < COPIES; copy++)
                CHECK(memcmp(got.data[BERT_OUTPUT_LAST_HIDDEN_STATE] +
                                 (size_t)copy * LENGTH * config.hidden_size,
                             want.data[BERT_OUTPUT_LAST_HIDDEN_STATE],
                             LENGTH * config.hidden_size * sizeof(float)) == 0,
                      "dtype %d, %u threads: copy %u has other bits", dtype, n_threads, copy);
            help_end(&helpers);
        }
    }
}

/* Kernels may be changed from call to call, to those that there are for the model's integers. */
static void check_kernels(tiny_dtype dtype, bert_int8_kernel missing)
{
    bert_config config = tiny_config();
    bert_model *model = tiny_open(tiny_make(&config, dtype, 95));
    bert_session *session = tiny_session(model, NULL);
    token_lists tokens = random_tokens(&config, 96);
    bert_batch batch = batch_of(&tokens, 0, N_SEQUENCES);
    bert_outputs want = all_outputs(model, &batch);
    bert_encode(session, &batch, &want, NULL);
    for (int kernel = 0; kernel < BERT_INT8_KERNEL_COUNT; kernel++) {
        int is_missing = kernel == (int)missing;
        CHECK(bert_session_use_kernel(session, (bert_int8_kernel)kernel, NULL) ==
                  (is_missing ? BERT_BAD_OPTION : BERT_OK),
              "dtype %d: kernel %d is %s", dtype, kernel, is_missing ? "taken" : "refused");
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

TEST(another_kernel_changes_no_bit)
{
    check_kernels(TINY_Q7, BERT_INT8_KERNEL_RELAXED_DOT_I32_SIGNED);
    check_kernels(TINY_Q8, BERT_INT8_KERNEL_RELAXED_DOT_I16);
}

/* A batch in steps of `n_steps`, left after each number of them, then another, then the whole. */
static void check_steps(const char *name, const bert_config *config, tiny_dtype dtype)
{
    bert_model *model = tiny_open(tiny_make(config, dtype, 97));
    token_lists tokens = random_tokens(config, 98), others = random_tokens(config, 99);
    bert_batch batch = batch_of(&tokens, 0, N_SEQUENCES), other = batch_of(&others, 1, 3);
    bert_outputs want = all_outputs(model, &batch), other_want = all_outputs(model, &other);
    bert_encode(tiny_session(model, NULL), &batch, &want, NULL);
    bert_encode(tiny_session(model, NULL), &other, &other_want, NULL);
    for (uint32_t n_threads = 1; n_threads <= 3; n_threads++) {
        bert_session *session = tiny_session(model, &(bert_options){.n_threads = n_threads});
        helping_threads helpers = help(session, n_threads);
        for (uint32_t stop = 0; stop <= config->n_layers + 1; stop++) {
            bert_outputs got = all_outputs(model, &batch), left = all_outputs(model, &batch);
            bert_outputs other_got = all_outputs(model, &other);
            CHECK(bert_encode_begin(session, &batch, &left, NULL) == BERT_OK, "%s fails", name);
            for (uint32_t k = 1; k <= stop; k++)
                CHECK(bert_encode_step(session, 1) == config->n_layers + 1 - k,
                      "%s: another number of steps is left after %u", name, k);
            bert_encode(session, &other, &other_got, NULL);
            check_same(name, model, &other, &other_got, &other_want);
            bert_batch copy = batch; /* begin() keeps none of the caller's structures */
            bert_outputs copies = got;
            bert_encode_begin(session, &copy, &copies, NULL);
            memset(&copy, 0, sizeof copy);
            memset(&copies, 0, sizeof copies);
            while (bert_encode_step(session, 1 + stop) > 0)
                ;
            check_same(name, model, &batch, &got, &want);
            CHECK(bert_encode_step(session, 1) == 0, "%s: steps after the last", name);
        }
        help_end(&helpers);
    }
    guarded_free_all();
}

TEST(steps_give_the_same_bits_and_may_be_left)
{
    bert_config config = tiny_config();
    for (int dtype = 0; dtype < TINY_DTYPE_COUNT; dtype++)
        check_steps("plain", &config, (tiny_dtype)dtype);
    config.n_layers = 0;
    check_steps("no layers", &config, TINY_F32);
}

TEST(nothing_to_step_after_a_refusal)
{
    bert_config config = tiny_config();
    bert_session *session = tiny_session(tiny_open(tiny_make(&config, TINY_F32, 97)), NULL);
    uint32_t n = 2, ids[] = {1, 2};
    bert_batch batch = {.n_sequences = 1, .lengths = &n, .ids = ids};
    CHECK(bert_encode_step(session, 1) == 0, "a step of nothing");
    bert_encode_begin(session, &batch, &(bert_outputs){{0}}, NULL);
    ids[1] = config.vocab_size;
    CHECK(bert_encode_begin(session, &batch, &(bert_outputs){{0}}, NULL) == BERT_BAD_TOKEN_ID,
          "a bad id is taken");
    CHECK(bert_encode_step(session, 1) == 0, "a step after a refusal");
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

/* -------------------------------------------------------------------------------- families -- */

TEST(families_agree_with_the_oracle)
{
    FOR_EACH_FAMILY(family)
    {
        bert_config config = family->config();
        for (int dtype = 0; dtype < TINY_DTYPE_COUNT; dtype++) {
            check_model(family->name, &config, (tiny_dtype)dtype, 100 + (uint32_t)dtype);
            guarded_free_all();
        }
    }
}

TEST(families_at_odd_dimensions)
{
    FOR_EACH_FAMILY(family)
    {
        bert_config config = family->config();
        uint32_t was = config.hidden_size;
        config.n_heads = 5;
        config.hidden_size = 35;
        config.embedding_size = config.embedding_size == was ? 35 : config.embedding_size;
        config.intermediate_size = 19;
        for (int dtype = 0; dtype < TINY_DTYPE_COUNT; dtype++) {
            check_model(family->name, &config, (tiny_dtype)dtype, 110 + (uint32_t)dtype);
            guarded_free_all();
        }
    }
}

TEST(families_alone_and_in_a_batch)
{
    FOR_EACH_FAMILY(family)
    {
        bert_config config = family->config();
        check_alone(&config, family->name);
    }
}

TEST(families_on_any_number_of_threads)
{
    FOR_EACH_FAMILY(family)
    {
        bert_config config = family->config();
        check_threads(&config, family->name, 1, 5);
        check_threads(&config, family->name, 3, 4);
    }
}

/* More queries and keys than there are in a block, in order and in none. Where positions ascend
 * they have gaps; a third of the tokens is not attended to. */
static void check_long(const char *name, bert_config config, int in_order, uint32_t seed)
{
    enum { LENGTH = 131 };
    uint32_t n = LENGTH, ids[LENGTH], types[LENGTH], positions[LENGTH];
    uint8_t attended[LENGTH];
    bert_error error = {0};
    for (int dtype = 0; dtype < TINY_DTYPE_COUNT; dtype++) {
        bert_model *model = tiny_open(tiny_make(&config, (tiny_dtype)dtype, seed));
        bert_session *session =
            tiny_session(model, &(bert_options){.max_tokens = n, .max_sequence_tokens = n});
        for (uint32_t i = 0; i < n; i++) {
            ids[i] = random_u32(&seed) % config.vocab_size;
            types[i] = 0;
            positions[i] = in_order ? i + i / 10 : i * 57 % n;
            attended[i] = random_u32(&seed) % 3 != 0;
        }
        bert_batch batch = {1, &n, ids, types, positions, attended, 0, NULL, NULL};
        bert_outputs outputs = all_outputs(model, &batch);
        CHECK(bert_encode(session, &batch, &outputs, &error) == BERT_OK, "%s: %s (%s)", name,
              bert_status_text(error.status), error.subject);
        check_sequence(name, model, &batch, &outputs, 0, tolerance_of((tiny_dtype)dtype));
        guarded_free_all();
    }
}

TEST(families_with_long_sequences)
{
    static const bert_position_attention attentions[] = {
        BERT_POSITION_ATTENTION_BIAS, BERT_POSITION_ATTENTION_C2P, BERT_POSITION_ATTENTION_P2C,
        BERT_POSITION_ATTENTION_C2P_P2C};
    bert_config config = tiny_config();
    config.n_positions = 0;
    config.n_layers = 1;
    for (uint32_t i = 0; i < 4; i++) {
        relate(&config, attentions[i], 150, i ? 53 : 0);
        check_long("in order", config, 1, 120 + i);
        check_long("in no order", config, 0, 130 + i);
    }
    relate(&config, BERT_POSITION_ATTENTION_NONE, 0, 0);
    convolve(&config, 3);
    check_long("convolution", config, 1, 140);
    config.lm_activation = BERT_ACTIVATION_GELU;
    config.lm_tied = 1;
    config.n_token_labels = 7;
    check_long("heads", config, 1, 141);
}

TEST(null_means_the_default_in_families)
{
    FOR_EACH_FAMILY(family)
    {
        bert_config config = family->config();
        bert_model *model = tiny_open(tiny_make(&config, TINY_F16, 150));
        bert_session *session = tiny_session(model, NULL);
        uint32_t n = 6, ids[] = {3, 1, 4, 1, 5, 9}, types[6] = {0};
        uint32_t positions[] = {0, 1, 2, 3, 4, 5};
        uint8_t attended[] = {1, 1, 1, 1, 1, 1};
        bert_batch full = {1, &n, ids, types, positions, attended, 0, NULL, NULL};
        bert_batch bare = {.n_sequences = 1, .lengths = &n, .ids = ids};
        bert_outputs given = all_outputs(model, &full), defaults = all_outputs(model, &bare);
        bert_encode(session, &full, &given, NULL);
        bert_encode(session, &bare, &defaults, NULL);
        for (int i = 0; i < BERT_OUTPUT_COUNT; i++) {
            size_t count = 0;
            if (given.data[i] && bert_output_count(bert_model_config(model), (bert_output)i, &full,
                                                   &count, NULL) == 0)
                CHECK(memcmp(given.data[i], defaults.data[i], count * sizeof(float)) == 0,
                      "%s: NULL gives another %s", family->name, bert_output_name((bert_output)i));
        }
        guarded_free_all();
    }
}

/* A caller may leave out what nobody attends to, if it says where the others are: the same bits.
 * Where padding counts, it may not. */
TEST(tokens_left_out_are_tokens_not_attended_to)
{
    static const bert_output outputs_of_tokens[] = {
        BERT_OUTPUT_LAST_HIDDEN_STATE, BERT_OUTPUT_TOKEN_LOGITS, BERT_OUTPUT_LM_LOGITS};
    static const bert_output outputs_of_sequences[] = {
        BERT_OUTPUT_POOLER_OUTPUT, BERT_OUTPUT_LOGITS, BERT_OUTPUT_SENTENCE_EMBEDDING};
    FOR_EACH_FAMILY(family)
    {
        bert_config config = family->config();
        if (config.first_position)
            continue;
        for (int dtype = 0; dtype < TINY_DTYPE_COUNT; dtype++) {
            bert_model *model = tiny_open(tiny_make(&config, (tiny_dtype)dtype, 151));
            bert_session *session = tiny_session(model, NULL);
            uint32_t n = 15, n_left = 0, ids[15], left_ids[15], positions[15], seed = 152;
            uint8_t attended[15];
            for (uint32_t i = 0; i < n; i++) {
                ids[i] = random_u32(&seed) % config.vocab_size;
                attended[i] = i == 0 || (i % 4 != 1 && i != 6 && i != 7);
                if (attended[i]) {
                    positions[n_left] = i;
                    left_ids[n_left++] = ids[i];
                }
            }
            bert_batch whole = {.n_sequences = 1, .lengths = &n, .ids = ids, .attended = attended};
            bert_batch left = {
                .n_sequences = 1, .lengths = &n_left, .ids = left_ids, .positions = positions};
            bert_outputs want = all_outputs(model, &whole), got = all_outputs(model, &left);
            bert_encode(session, &whole, &want, NULL);
            bert_encode(session, &left, &got, NULL);
            for (int k = 0; k < 3; k++) {
                bert_output output = outputs_of_tokens[k];
                size_t width =
                    got.data[output] ? part_of(model, output, &left, 0, 0).n / n_left : 0;
                for (uint32_t i = 0; i < n_left && width; i++)
                    CHECK(memcmp(got.data[output] + i * width,
                                 want.data[output] + positions[i] * width,
                                 width * sizeof(float)) == 0,
                          "%s, dtype %d: %s of token %u has other bits", family->name, dtype,
                          bert_output_name(output), positions[i]);
                output = outputs_of_sequences[k];
                width = got.data[output] ? part_of(model, output, &left, 0, 0).n : 0;
                CHECK(!width ||
                          memcmp(got.data[output], want.data[output], width * sizeof(float)) == 0,
                      "%s, dtype %d: %s has other bits", family->name, dtype,
                      bert_output_name(output));
            }
            guarded_free_all();
        }
    }
}

/* Words' logits of some tokens are those that all have, and nothing else is other. */
static void check_lm_tokens(const tiny_family *family, tiny_dtype dtype, uint32_t n_threads)
{
    static const uint32_t choices[][12] = {
        {0}, {N_TOKENS - 1}, {5}, {1, 4, 6}, {0, 1, 2, 3, 4, 5, 21, 25, N_TOKENS - 1}};
    static const uint32_t counts[] = {1, 1, 1, 3, 9};
    bert_config config = family->config();
    bert_model *model = tiny_open(tiny_make(&config, dtype, 160));
    bert_session *session = tiny_session(model, &(bert_options){.n_threads = n_threads});
    token_lists tokens = random_tokens(&config, 161);
    bert_batch batch = batch_of(&tokens, 0, N_SEQUENCES);
    bert_outputs want = all_outputs(model, &batch);
    uint32_t every[N_TOKENS], size = config.vocab_size;
    bert_encode(tiny_session(model, NULL), &batch, &want, NULL);
    for (uint32_t i = 0; i < N_TOKENS; i++)
        every[i] = i;
    helping_threads helpers = help(session, n_threads);
    for (uint32_t k = 0; k < 7; k++) {
        bert_batch some = batch;
        size_t count = 0;
        some.lm_tokens = k < 5 ? choices[k] : every;
        some.n_lm_tokens = k < 5 ? counts[k] : k == 5 ? N_TOKENS : 0;
        bert_outputs got = all_outputs(model, &some);
        CHECK(bert_encode(session, &some, &got, NULL) == BERT_OK, "%s fails", family->name);
        bert_output_count(bert_model_config(model), BERT_OUTPUT_LM_LOGITS, &some, &count, NULL);
        CHECK(count == (size_t)some.n_lm_tokens * size, "%zu numbers", count);
        for (uint32_t i = 0; i < some.n_lm_tokens; i++)
            CHECK(memcmp(got.data[BERT_OUTPUT_LM_LOGITS] + (size_t)i * size,
                         want.data[BERT_OUTPUT_LM_LOGITS] + (size_t)some.lm_tokens[i] * size,
                         size * sizeof(float)) == 0,
                  "%s, dtype %d, %u threads: words of token %u have other bits", family->name,
                  dtype, n_threads, some.lm_tokens[i]);
        bert_outputs others = want;
        others.data[BERT_OUTPUT_LM_LOGITS] = NULL;
        check_same(family->name, model, &some, &got, &others);
    }
    help_end(&helpers);
    guarded_free_all();
}

TEST(words_of_some_tokens)
{
    uint32_t n_predict = 0;
    FOR_EACH_FAMILY(family)
    {
        if (family->config().lm_activation == BERT_ACTIVATION_NONE)
            continue;
        n_predict++;
        for (int dtype = 0; dtype < TINY_DTYPE_COUNT; dtype++)
            for (uint32_t n_threads = 1; n_threads <= 3; n_threads++)
                check_lm_tokens(family, (tiny_dtype)dtype, n_threads);
    }
    CHECK(n_predict >= 5, "%u families predict words", n_predict);
}

static void note_layer(void *argument, uint32_t layer, bert_site site, const float *inputs,
                       uint32_t n_rows, uint32_t n_columns)
{
    uint32_t *n_seen = argument;
    (void)inputs, (void)n_rows, (void)n_columns;
    n_seen[layer] += site == BERT_SITE_ATTENTION;
}

/* An observer is told whose weights they are: every one of 3 layers is run twice in each group. */
TEST(observers_of_shared_layers)
{
    bert_config config = family_config("shared_groups");
    bert_session *session = tiny_session(tiny_open(tiny_make(&config, TINY_F32, 153)), NULL);
    uint32_t n = 2, ids[] = {1, 2}, n_seen[12] = {0};
    bert_batch batch = {.n_sequences = 1, .lengths = &n, .ids = ids};
    bert_session_observe(session, note_layer, n_seen);
    bert_encode(session, &batch, &(bert_outputs){{0}}, NULL);
    for (uint32_t i = 0; i < 12; i++)
        CHECK(n_seen[i] == (i < 6 ? 2 : 0), "layer %u is run %u times", i, n_seen[i]);
}

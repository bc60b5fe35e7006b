/*
 * test_learning.c - how a trainer learns: random numbers and dropout, adapters of low rank, what is
 * frozen and how fast the rest moves, schedules, perturbed words; a training that goes on
 * elsewhere.
 *
 * test_train.c has the ways there and back; test_gradients.c all of it against PyTorch.
 */
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "families.h"
#include "harness.h"
#include "tiny_batch.h"
#include "tiny_model.h"
#include "train/random.h"
#include "train/trainer.h"

/* ---------------------------------------------------------------------------------- trainers -- */

static bert_trainer *open_trainer(const tiny_model *tiny, const bert_train_options *options)
{
    size_t n_bytes = 0;
    bert_error error = {0};
    bert_trainer *trainer = NULL;
    int ok = bert_train_size(&tiny->config, options, &n_bytes, &error) == BERT_OK &&
             bert_train_open(&tiny->config, tiny->tensors, tiny->n_tensors, options,
                             guarded_alloc(n_bytes), n_bytes, &trainer, &error) == BERT_OK;
    CHECK(ok, "no trainer: %s (%s)", bert_status_text(error.status), error.subject);
    return trainer;
}

static const bert_output outputs_of_all[] = {BERT_OUTPUT_LAST_HIDDEN_STATE,
                                             BERT_OUTPUT_POOLER_OUTPUT, BERT_OUTPUT_LOGITS,
                                             BERT_OUTPUT_TOKEN_LOGITS};

/* A tiny model and batch, its outputs, and random derivatives by each: the loss is their sum, each
 * number times its derivative. */
typedef struct lesson {
    tiny_model *tiny;
    token_lists tokens;
    bert_batch batch;
    bert_outputs outputs, gradients;
} lesson;

static void prepare(lesson *it, const bert_config *config, uint32_t seed)
{
    it->tiny = tiny_make(config, TINY_F32, seed);
    it->tokens = random_tokens(config, seed + 1);
    it->batch = batch_of(&it->tokens, 0, N_SEQUENCES);
    it->outputs = it->gradients = (bert_outputs){{0}};
    for (int i = 0; i < 4; i++) {
        size_t count = 0;
        bert_output output = outputs_of_all[i];
        if (bert_output_count(config, output, &it->batch, &count, NULL) != BERT_OK)
            continue;
        it->outputs.data[output] = guarded_alloc(count * sizeof(float));
        it->gradients.data[output] = guarded_alloc(count * sizeof(float));
        for (size_t k = 0; k < count; k++)
            it->gradients.data[output][k] = random_uniform(&seed, -1, 1);
    }
}

static void go_there(const lesson *it, bert_trainer *trainer)
{
    bert_error error = {0};
    CHECK(bert_train_forward(trainer, &it->batch, &it->outputs, &error) == BERT_OK, "%s (%s)",
          bert_status_text(error.status), error.subject);
}

static void go_there_and_back(const lesson *it, bert_trainer *trainer)
{
    bert_error error = {0};
    go_there(it, trainer);
    CHECK(bert_train_backward(trainer, &it->gradients, &error) == BERT_OK, "%s (%s)",
          bert_status_text(error.status), error.subject);
}

static double loss_of(const lesson *it, bert_trainer *trainer)
{
    double sum = 0;
    go_there(it, trainer);
    for (int i = 0; i < 4; i++) {
        size_t count = 0;
        bert_output output = outputs_of_all[i];
        if (it->outputs.data[output])
            bert_output_count(&it->tiny->config, output, &it->batch, &count, NULL);
        for (size_t k = 0; k < count; k++)
            sum += (double)it->outputs.data[output][k] * (double)it->gradients.data[output][k];
    }
    return sum;
}

static bert_parameter *parameter_called(bert_trainer *trainer, const char *name)
{
    for (uint32_t i = 0; i < bert_train_n_parameters(trainer); i++)
        if (strcmp(bert_train_parameter(trainer, i)->tensor.name, name) == 0)
            return bert_train_parameter(trainer, i);
    CHECK(0, "there is no %s", name);
    return bert_train_parameter(trainer, 0);
}

/* All families of layers, and every head. */
static bert_config lesson_config(const char *family)
{
    bert_config config = family_config(family);
    config.pooling = BERT_POOLING_NONE;
    config.lm_activation = BERT_ACTIVATION_NONE;
    config.lm_tied = 0;
    config.n_token_labels = 4;
    return config;
}

static const char *const learning_families[] = {
    "mpnet",         "albert",  "padding_has_a_position", "narrow_embeddings",
    "shared_source", "deberta", "source_of_keys",         "source_of_queries"};
#define N_FAMILIES (sizeof learning_families / sizeof *learning_families)

static const bert_dropout all_rates = {.seed = 11,
                                       .embeddings = 0.1f,
                                       .attention = 0.3f,
                                       .attention_output = 0.2f,
                                       .output = 0.15f,
                                       .pooler = 0.25f,
                                       .classifier = 0.5f};

static void set_dropout(bert_trainer *trainer, const bert_dropout *dropout)
{
    bert_error error = {0};
    CHECK(bert_train_set_dropout(trainer, dropout, &error) == BERT_OK, "%s (%s)",
          bert_status_text(error.status), error.subject);
}

/* ---------------------------------------------------------------------------- random numbers -- */

/* Philox4x32-10 as the paper writes it: section 3.3. */
static void plain_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t words[4])
{
    uint32_t c[4], k[2] = {key[0], key[1]};
    memcpy(c, counter, sizeof c);
    for (int round = 0; round < 10; round++) {
        uint64_t first = 0xd2511f53ull * c[0], second = 0xcd9e8d57ull * c[2];
        uint32_t next[] = {(uint32_t)(second >> 32) ^ c[1] ^ k[0], (uint32_t)second,
                           (uint32_t)(first >> 32) ^ c[3] ^ k[1], (uint32_t)first};
        memcpy(c, next, sizeof c);
        k[0] += 0x9e3779b9;
        k[1] += 0xbb67ae85;
    }
    memcpy(words, c, sizeof c);
}

static void check_lot(const random_place *place, uint32_t lot)
{
    uint32_t got[4][4], want[4];
    v128_t words[4];
    random_lot(place, lot, words);
    for (int j = 0; j < 4; j++)
        wasm_v128_store(got[j], words[j]);
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t counter[] = {4 * lot + i, place->row, place->site, place->step};
        plain_philox(counter, (uint32_t[]){place->seed, place->pass}, want);
        for (int j = 0; j < 4; j++)
            CHECK(got[j][i] == want[j], "lot %u: word %d of counter %u is %08x, expected %08x", lot,
                  j, i, got[j][i], want[j]);
    }
}

/* What the paper's authors publish with their library: kat_vectors of Random123. */
TEST(philox_gives_the_known_answers)
{
    static const struct {
        uint32_t counter[4], key[2], words[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}};
    for (int i = 0; i < 3; i++) {
        uint32_t plain[4], lanes[4], first = known[i].counter[0];
        v128_t words[4];
        random_place place = {known[i].key[0], known[i].key[1], known[i].counter[1],
                              known[i].counter[2], known[i].counter[3]};
        plain_philox(known[i].counter, known[i].key, plain);
        random_lot(&place, first / 4, words);
        for (int j = 0; j < 4; j++) {
            wasm_v128_store(lanes, words[j]);
            CHECK(plain[j] == known[i].words[j], "%d: word %d is %08x", i, j, plain[j]);
            CHECK(lanes[first % 4] == known[i].words[j], "%d: word %d of a lot is %08x", i, j,
                  lanes[first % 4]);
        }
    }
}

TEST(lots_are_those_of_their_counters)
{
    uint32_t seed = 1;
    for (int i = 0; i < 100; i++) {
        random_place place = {random_u32(&seed), random_u32(&seed), random_u32(&seed),
                              random_u32(&seed), random_u32(&seed)};
        check_lot(&place, random_u32(&seed) >> 2);
    }
}

/* ----------------------------------------------------------------------------------- dropout -- */

/* Every row is what the plain generator says, at every length, and nothing behind is touched. */
TEST(rows_lose_what_their_random_numbers_say)
{
    for (uint32_t n = 1; n <= 70; n++) {
        dropout_mask mask = {1, 2, 3, 4, 0x55555555, 1.5f};
        float *x = guarded_alloc(n * sizeof *x), *y = guarded_alloc(n * sizeof *y);
        for (uint32_t i = 0; i < n; i++)
            x[i] = 1 + (float)i;
        dropout_row(&mask, 9, n, x, y);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t words[4], counter[] = {i / 16 * 4 + i % 4, 9, 4, 3};
            plain_philox(counter, (uint32_t[]){1, 2}, words);
            float want = words[i % 16 / 4] >= mask.least ? x[i] * 1.5f : 0;
            CHECK(y[i] == want, "%u numbers: [%u] is %g, expected %g", n, i, (double)y[i],
                  (double)want);
        }
        guarded_free_all();
    }
}

TEST(dropout_keeps_the_mean)
{
    enum { ROWS = 400, COLUMNS = 250 };
    static const float rates[] = {0.01f, 0.1f, 0.5f, 0.9f};
    lesson it;
    bert_config config = tiny_config();
    prepare(&it, &config, 1);
    bert_trainer *trainer = open_trainer(it.tiny, NULL);
    float *x = guarded_alloc(ROWS * COLUMNS * sizeof *x);
    for (int r = 0; r < 4; r++) {
        set_dropout(trainer, &(bert_dropout){.seed = 5, .output = rates[r]});
        dropout_mask mask = dropout_mask_at(trainer, DROPOUT_OUTPUT, 1);
        double p = (double)rates[r], n = ROWS * COLUMNS, n_left = 0;
        for (uint32_t row = 0; row < ROWS; row++) {
            float *at = x + row * COLUMNS;
            for (uint32_t i = 0; i < COLUMNS; i++)
                at[i] = 1;
            dropout_row(&mask, row, COLUMNS, at, at);
            for (uint32_t i = 0; i < COLUMNS; i++) {
                n_left += at[i] > 0;
                CHECK(at[i] == 0 || fabs((double)at[i] * (1 - p) - 1) < 1e-6, "%g is left of 1",
                      (double)at[i]);
            }
        }
        /* Within five standard deviations. */
        CHECK(fabs(n_left - n * (1 - p)) < 5 * sqrt(n * p * (1 - p)), "rate %g leaves %g of %g", p,
              n_left, n);
    }
}

/* Another seed, step, forward(), layer or place: about half of a mask changes. */
TEST(masks_differ_wherever_they_are_drawn_for)
{
    enum { N = 4096 };
    lesson it;
    bert_config config = tiny_config();
    prepare(&it, &config, 1);
    bert_trainer *trainer = open_trainer(it.tiny, NULL);
    bert_dropout half = {7, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f}, other = half;
    other.seed = 8;
    set_dropout(trainer, &half);
    dropout_mask masks[8];
    uint32_t rows[8] = {0};
    for (int i = 0; i < 6; i++)
        masks[i] = dropout_mask_at(trainer, i == 1 ? DROPOUT_ATTENTION : DROPOUT_OUTPUT, i == 2);
    rows[3] = 1;
    go_there(&it, trainer);
    go_there(&it, trainer);
    masks[4] = dropout_mask_at(trainer, DROPOUT_OUTPUT, 0);
    bert_train_set_n_steps(trainer, 1);
    go_there(&it, trainer);
    masks[5] = dropout_mask_at(trainer, DROPOUT_OUTPUT, 0);
    set_dropout(trainer, &other);
    bert_train_set_n_steps(trainer, 0);
    go_there(&it, trainer);
    masks[6] = dropout_mask_at(trainer, DROPOUT_OUTPUT, 0);
    set_dropout(trainer, &half);
    bert_train_set_n_steps(trainer, 0);
    go_there(&it, trainer);
    masks[7] = dropout_mask_at(trainer, DROPOUT_OUTPUT, 0);
    float ones[N], left[8][N];
    for (int k = 0; k < N; k++)
        ones[k] = 1;
    for (int i = 0; i < 8; i++) {
        dropout_row(&masks[i], rows[i], N, ones, left[i]);
        for (int j = 0; j < i; j++) {
            int n_same = 0, is_same = i == 7 && j == 0;
            for (int k = 0; k < N; k++)
                n_same += left[i][k] == left[j][k];
            CHECK(is_same ? n_same == N : abs(n_same - N / 2) < 200, "masks %d and %d share %d", i,
                  j, n_same);
        }
    }
}

/* Outputs in training, and after it. */
TEST(dropout_is_there_until_it_is_taken_back)
{
    lesson it;
    bert_config config = lesson_config("mpnet");
    prepare(&it, &config, 3);
    bert_trainer *trainer = open_trainer(it.tiny, NULL);
    double plain = loss_of(&it, trainer);
    set_dropout(trainer, &(bert_dropout){.seed = 4});
    CHECK(loss_of(&it, trainer) == plain, "other bits with rates of zero");
    set_dropout(trainer, &all_rates);
    double first = loss_of(&it, trainer), second = loss_of(&it, trainer);
    CHECK(first != plain && second != plain && first != second, "%g, %g and %g", plain, first,
          second);
    set_dropout(trainer, NULL);
    CHECK(loss_of(&it, trainer) == plain, "other bits without dropout");
    set_dropout(trainer, &all_rates);
    bert_train_forget(trainer);
    CHECK(loss_of(&it, trainer) == first, "a step's first forward is another one");
}

/* ------------------------------------------------------------------------------- differences -- */

/*
 * A whole parameter goes a step in a random direction: the loss must change by what its gradients
 * say. The masks stay the same, since a step's first forward() has the same each time.
 */
static void check_direction(const lesson *it, bert_trainer *trainer, uint32_t index, uint32_t seed)
{
    bert_parameter *own = bert_train_parameter(trainer, index);
    float *before = malloc(own->count * sizeof *before), step = 0x1p-9f;
    double losses[2], expected = 0, length = 0, *moved = calloc(own->count, sizeof *moved);
    memcpy(before, own->value, own->count * sizeof *before);
    for (int side = 0; side < 2; side++) {
        uint32_t random = seed;
        for (size_t i = 0; i < own->count; i++) {
            float sign = random_u32(&random) >> 16 & 1 ? step : -step;
            /* What fills panels stays zeros: nothing else is zero. */
            if (before[i] != 0)
                own->value[i] = before[i] + (side ? -sign : sign);
            moved[i] += (double)own->value[i] * (side ? -1 : 1);
        }
        bert_train_set_n_steps(trainer, 0); /* tables follow */
        losses[side] = loss_of(it, trainer);
    }
    for (size_t i = 0; i < own->count; i++) {
        double part = (double)own->gradient[i] * moved[i];
        expected += part;
        length += part * part;
    }
    CHECK(fabs(losses[0] - losses[1] - expected) <= 5e-3 * sqrt(length) + 2e-5,
          "%s: the loss changes by %.9g, its gradients say %.9g, length %.3g", own->tensor.name,
          losses[0] - losses[1], expected, sqrt(length));
    memcpy(own->value, before, own->count * sizeof *before);
    bert_train_set_n_steps(trainer, 0);
    free(before);
    free(moved);
}

static void check_differences(const char *family, const bert_train_options *options,
                              const bert_dropout *dropout, uint32_t seed)
{
    lesson it;
    bert_config config = lesson_config(family);
    prepare(&it, &config, seed);
    bert_trainer *trainer = open_trainer(it.tiny, options);
    set_dropout(trainer, dropout);
    /* B of adapters begins with zeros, which would hide what A does. */
    for (uint32_t i = 0; i < bert_train_n_parameters(trainer); i++) {
        const bert_parameter *own = bert_train_parameter(trainer, i);
        uint32_t n_out = config.hidden_size;
        if (!strstr(own->tensor.name, "lora_b"))
            continue;
        if (strstr(own->tensor.name, "intermediate"))
            n_out = config.intermediate_size;
        for (size_t k = 0; k < own->count; k++)
            if (k / (own->tensor.shape[1] * BERT_PANEL) * BERT_PANEL + k % BERT_PANEL < n_out)
                own->value[k] = random_uniform(&seed, -0.3f, 0.3f);
    }
    go_there_and_back(&it, trainer);
    for (uint32_t i = 0; i < bert_train_n_parameters(trainer); i++) {
        CHECK(bert_train_parameter(trainer, i)->has_gradient, "%s: %s has no gradient", family,
              bert_train_parameter(trainer, i)->tensor.name);
        check_direction(&it, trainer, i, seed + i);
    }
    guarded_free_all();
}

TEST(gradients_with_dropout_agree_with_differences)
{
    for (uint32_t i = 0; i < N_FAMILIES; i++)
        check_differences(learning_families[i], NULL, &all_rates, 30 + i);
}

TEST(gradients_of_adapters_agree_with_differences)
{
    static const uint32_t ranks[] = {1, 3, 8, 13, 5, 2, 9, 4};
    for (uint32_t i = 0; i < N_FAMILIES; i++) {
        bert_train_options options = {
            .recomputes = i % 2,
            .lora = {.rank = ranks[i], .targets = BERT_LORA_ALL, .alpha = 5, .seed = 9}};
        check_differences(learning_families[i], &options, i % 2 ? &all_rates : NULL, 40 + i);
    }
}

/* ----------------------------------------------------------------------------- the same bits -- */

/* How a training is to be. */
typedef struct manner {
    uint32_t n_threads, recomputes;
    bert_lora lora;
    uint32_t n_trained; /* depths; 0: all */
} manner;

static void *serve_trainer(void *trainer)
{
    bert_train_serve(trainer);
    return NULL;
}

/* What a trainer has of its parameters, one after the other; `count` numbers. */
static float *everything(bert_trainer *trainer, size_t *count)
{
    uint32_t n = bert_train_n_parameters(trainer);
    *count = 0;
    for (uint32_t i = 0; i < n; i++)
        *count += 3 * bert_train_parameter(trainer, i)->count;
    float *all = malloc(*count * sizeof *all), *at = all;
    for (uint32_t i = 0; i < n; i++) {
        const bert_parameter *own = bert_train_parameter(trainer, i);
        const float *parts[] = {own->value, own->mean, own->square};
        for (int k = 0; k < 3; k++, at += own->count)
            memcpy(at, parts[k], own->count * sizeof *at);
    }
    return all;
}

/* A step of two batches' gradients, one of them with perturbed words where they are trained. */
static void take_step(const lesson *it, bert_trainer *trainer)
{
    go_there_and_back(it, trainer);
    if (bert_train_perturb(trainer, 0.3f, NULL) == BERT_OK) {
        go_there_and_back(it, trainer);
        bert_train_restore(trainer);
    }
    go_there_and_back(it, trainer);
    bert_train_clip(trainer, 5);
    bert_train_step(trainer, &(bert_adamw){.learning_rate = 1e-3, .weight_decay = 0.1});
}

static bert_trainer *open_as(const lesson *it, const manner *how)
{
    bert_train_options options = {
        .n_threads = how->n_threads, .recomputes = how->recomputes, .lora = how->lora};
    bert_trainer *trainer = open_trainer(it->tiny, &options);
    set_dropout(trainer, &all_rates);
    if (how->n_trained)
        bert_train_freeze(trainer, how->n_trained);
    bert_train_scale_layers(trainer, 0.9f);
    return trainer;
}

static float *learn(const lesson *it, const manner *how, size_t *count)
{
    pthread_t threads[MOST_HELPERS];
    bert_trainer *trainer = open_as(it, how);
    for (uint32_t i = 0; i + 1 < how->n_threads; i++)
        pthread_create(&threads[i], NULL, serve_trainer, trainer);
    while (bert_train_threads(trainer) < how->n_threads)
        sched_yield();
    for (int step = 0; step < 3; step++)
        take_step(it, trainer);
    bert_train_stop(trainer);
    for (uint32_t i = 0; i + 1 < how->n_threads; i++)
        pthread_join(threads[i], NULL);
    return everything(trainer, count);
}

static void check_bits(const char *name, const lesson *it, manner how)
{
    size_t count, n;
    how.n_threads = 1;
    float *want = learn(it, &how, &count);
    for (how.n_threads = 1; how.n_threads <= 3; how.n_threads++) {
        how.recomputes = how.n_threads != 2;
        float *got = learn(it, &how, &n);
        CHECK(n == count && memcmp(got, want, count * sizeof *got) == 0,
              "%s: other bits on %u threads", name, how.n_threads);
        free(got);
    }
    free(want);
}

TEST(any_number_of_threads_and_layers_computed_again_drop_the_same)
{
    for (uint32_t i = 0; i < N_FAMILIES; i++) {
        lesson it;
        bert_config config = lesson_config(learning_families[i]);
        prepare(&it, &config, 50 + i);
        check_bits(learning_families[i], &it, (manner){0});
        check_bits(learning_families[i], &it,
                   (manner){.lora = {.rank = 5, .targets = BERT_LORA_ALL}});
        check_bits(learning_families[i], &it, (manner){.n_trained = 2});
        guarded_free_all();
    }
}

/* A checkpoint is what parameters hold, and the number of steps. */
static void check_resumed(const char *name, const lesson *it, const manner *how)
{
    bert_trainer *one = open_as(it, how), *other = open_as(it, how);
    for (int step = 0; step < 3; step++)
        take_step(it, one);
    uint32_t n_params = bert_train_n_parameters(one);
    for (uint32_t i = 0; i < n_params; i++) {
        const bert_parameter *from = bert_train_parameter(one, i);
        bert_parameter *to = bert_train_parameter(other, i);
        memcpy(to->value, from->value, from->count * sizeof(float));
        memcpy(to->mean, from->mean, from->count * sizeof(float));
        memcpy(to->square, from->square, from->count * sizeof(float));
    }
    bert_train_set_n_steps(other, bert_train_n_steps(one));
    /* Who evaluates between steps changes nothing. */
    set_dropout(one, NULL);
    go_there(it, one);
    set_dropout(one, &all_rates);
    for (int step = 0; step < 3; step++) {
        take_step(it, one);
        take_step(it, other);
    }
    size_t count, n;
    float *want = everything(one, &count), *got = everything(other, &n);
    CHECK(n == count && memcmp(got, want, count * sizeof *got) == 0,
          "%s: a training that was stopped is another one", name);
    free(want);
    free(got);
}

TEST(a_training_that_was_stopped_goes_on_to_the_bit)
{
    for (uint32_t i = 0; i < N_FAMILIES; i++) {
        lesson it;
        bert_config config = lesson_config(learning_families[i]);
        prepare(&it, &config, 60 + i);
        check_resumed(learning_families[i], &it, &(manner){.n_threads = 1});
        check_resumed(learning_families[i], &it,
                      &(manner){.n_threads = 1, .lora = {.rank = 3, .seed = 1}});
        check_resumed(learning_families[i], &it, &(manner){.n_threads = 1, .n_trained = 1});
        guarded_free_all();
    }
}

/* --------------------------------------------------------------------------- adapters (LoRA) -- */

TEST(adapters_are_what_is_trained_beside_heads)
{
    lesson it;
    bert_config config = lesson_config("mpnet");
    prepare(&it, &config, 70);
    bert_train_options options = {.lora = {.rank = 3, .seed = 2}};
    bert_trainer *trainer = open_trainer(it.tiny, &options);
    uint32_t n_adapters = 0;
    for (uint32_t i = 0; i < bert_train_n_parameters(trainer); i++) {
        const bert_parameter *own = bert_train_parameter(trainer, i);
        const char *name = own->tensor.name;
        int is_adapter = strstr(name, "lora_") != NULL;
        n_adapters += (uint32_t)is_adapter;
        CHECK(is_adapter || strncmp(name, "pooler", 6) == 0 || strstr(name, "classifier"), "%s",
              name);
        CHECK(!is_adapter || strstr(name, "query.") || strstr(name, "value."), "%s", name);
    }
    CHECK(n_adapters == 4 * config.n_layers, "%u parameters of adapters", n_adapters);
    /* A as the generator says, B zeros. */
    const bert_parameter *a = parameter_called(trainer, "layers.1.attention.value.lora_a");
    const bert_parameter *b = parameter_called(trainer, "layers.1.attention.value.lora_b");
    double bound = 1 / sqrt(config.hidden_size);
    for (uint32_t row = 0; row < config.hidden_size; row++)
        for (uint32_t k = 0; k < BERT_PANEL; k++) {
            uint32_t words[4], counter[] = {k % 4, row, N_ADAPTERS + 2, 0};
            plain_philox(counter, (uint32_t[]){2, UINT32_MAX}, words);
            double share = (double)(words[k / 4] >> 8) / (1 << 23) - 1;
            double want = k < 3 ? share * bound : 0, got = (double)a->value[row * BERT_PANEL + k];
            CHECK(fabs(got - want) <= 1e-7, "A [%u, %u] is %.9g, expected %.9g", row, k, got, want);
        }
    for (size_t i = 0; i < b->count; i++)
        CHECK(b->value[i] == 0, "B [%zu] is %g", i, (double)b->value[i]);
    /* So at first the model answers as without. */
    bert_trainer *plain = open_trainer(it.tiny, NULL);
    CHECK(loss_of(&it, plain) == loss_of(&it, trainer), "adapters answer before they learn");
}

/* Numbers of outputs of a session of the trainer's model, against the trainer's own. */
static double furthest_answer(const lesson *it, bert_trainer *trainer)
{
    double furthest = 0;
    lesson own = *it;
    bert_session *session = tiny_session(bert_train_model(trainer), NULL);
    set_dropout(trainer, NULL);
    go_there(it, trainer);
    for (int i = 0; i < 4; i++) {
        size_t count = 0;
        bert_output output = outputs_of_all[i];
        if (!it->outputs.data[output])
            continue;
        bert_output_count(&it->tiny->config, output, &it->batch, &count, NULL);
        own.outputs.data[output] = guarded_alloc(count * sizeof(float));
    }
    CHECK(bert_encode(session, &it->batch, &own.outputs, NULL) == BERT_OK, "encoding");
    for (int i = 0; i < 4; i++) {
        size_t count = 0;
        bert_output output = outputs_of_all[i];
        if (it->outputs.data[output])
            bert_output_count(&it->tiny->config, output, &it->batch, &count, NULL);
        for (size_t k = 0; k < count; k++)
            furthest = fmax(furthest, fabs((double)it->outputs.data[output][k] -
                                           (double)own.outputs.data[output][k]));
    }
    return furthest;
}

TEST(merged_adapters_are_in_the_model)
{
    for (uint32_t i = 0; i < N_FAMILIES; i++) {
        lesson it;
        bert_config config = lesson_config(learning_families[i]);
        prepare(&it, &config, 80 + i);
        manner how = {.n_threads = 1,
                      .lora = {.rank = 9, .targets = BERT_LORA_ALL, .alpha = 20, .seed = i}};
        bert_trainer *trainer = open_as(&it, &how);
        for (int step = 0; step < 5; step++) {
            go_there_and_back(&it, trainer);
            bert_train_step(trainer, &(bert_adamw){.learning_rate = 0.02});
        }
        CHECK(furthest_answer(&it, trainer) > 0.1, "%s: adapters changed nothing",
              learning_families[i]);
        double before = loss_of(&it, trainer);
        bert_train_merge(trainer);
        CHECK(furthest_answer(&it, trainer) == 0, "%s: the merged model has other bits",
              learning_families[i]);
        double after = loss_of(&it, trainer);
        CHECK(fabs(after - before) <= 2e-4, "%s: the loss is %.9g, %.9g before",
              learning_families[i], after, before);
        bert_train_merge(trainer);
        CHECK(loss_of(&it, trainer) == after, "%s: merged again", learning_families[i]);
        guarded_free_all();
    }
}

/* The model's tables of distances, too, are as without, whatever trainers have done in between. */
TEST(sessions_do_not_know_adapters_that_are_not_merged)
{
    for (uint32_t i = 0; i < N_FAMILIES; i++) {
        lesson it;
        bert_config config = lesson_config(learning_families[i]);
        prepare(&it, &config, 85 + i);
        manner how = {.n_threads = 1, .lora = {.rank = 4, .targets = BERT_LORA_ALL}};
        bert_trainer *trainer = open_as(&it, &how);
        bert_session *session = tiny_session(bert_train_model(trainer), NULL);
        size_t count = N_TOKENS * config.hidden_size;
        float *states[2] = {guarded_alloc(count * sizeof(float)),
                            guarded_alloc(count * sizeof(float))};
        for (int k = 0; k < 2; k++) {
            bert_outputs own = {.data[BERT_OUTPUT_LAST_HIDDEN_STATE] = states[k]};
            CHECK(bert_encode(session, &it.batch, &own, NULL) == BERT_OK, "encoding");
            take_step(&it, trainer);
        }
        CHECK(memcmp(states[0], states[1], count * sizeof(float)) == 0, "%s: other bits",
              learning_families[i]);
        guarded_free_all();
    }
}

/* As large as MiniLM-L6. */
TEST(a_trainer_of_adapters_needs_less_memory)
{
    bert_config config = tiny_config();
    config.vocab_size = 30522;
    config.hidden_size = config.embedding_size = 384;
    config.intermediate_size = 1536;
    config.n_layers = 6;
    config.n_heads = 12;
    config.n_positions = 512;
    size_t all = 0, adapted = 0, n_weights = 22713216;
    bert_train_options options = {.max_tokens = 512};
    CHECK(bert_train_size(&config, &options, &all, NULL) == BERT_OK, "size");
    options.lora = (bert_lora){.rank = 8, .targets = BERT_LORA_ALL};
    CHECK(bert_train_size(&config, &options, &adapted, NULL) == BERT_OK, "size");
    CHECK(all - adapted > 11 * n_weights, "%zu bytes, %zu with adapters", all, adapted);
}

/* ------------------------------------------------------------------ frozen layers and rates -- */

/* How deep a parameter is, by its name. */
static uint32_t depth_of(const bert_config *config, const char *name)
{
    const char *digits = strstr(name, "layers.");
    if (strncmp(name, "embeddings.", 11) == 0 || strcmp(name, "attention.bias") == 0 ||
        strncmp(name, "relative.", 9) == 0)
        return config->n_layers + 1;
    if (strncmp(name, "conv.", 5) == 0)
        return config->n_layers;
    if (!digits)
        return 0;
    uint32_t stored = (uint32_t)strtoul(digits + 7, NULL, 10), last = 0;
    for (uint32_t i = 0; i < config->n_layers; i++)
        if (bert_config_stored_layer(config, i) == stored)
            last = i;
    return config->n_layers - last;
}

TEST(rates_fall_with_depth)
{
    static const char *const names[] = {"mpnet", "albert", "shared_groups", "shared_source",
                                        "deberta"};
    for (int i = 0; i < 5; i++) {
        bert_config config = lesson_config(names[i]);
        bert_train_options options = {.lora = {.rank = i == 2 ? 2 : 0}};
        bert_trainer *trainer = open_trainer(tiny_make(&config, TINY_F32, 1), &options);
        CHECK(bert_train_parameter(trainer, 0)->rate_scale == 1, "a scale before it is set");
        bert_train_scale_layers(trainer, 0.5f);
        for (uint32_t k = 0; k < bert_train_n_parameters(trainer); k++) {
            const bert_parameter *own = bert_train_parameter(trainer, k);
            double want = pow(0.5, depth_of(&config, own->tensor.name));
            CHECK((double)own->rate_scale == want, "%s: %s has %g, expected %g", names[i],
                  own->tensor.name, (double)own->rate_scale, want);
        }
    }
}

/* Half the scale is half the rate, decay included. */
TEST(a_parameter_moves_at_its_own_rate)
{
    lesson it;
    bert_config config = lesson_config("mpnet");
    prepare(&it, &config, 90);
    bert_trainer *scaled = open_trainer(it.tiny, NULL), *slow = open_trainer(it.tiny, NULL);
    for (uint32_t i = 0; i < bert_train_n_parameters(scaled); i++)
        bert_train_parameter(scaled, i)->rate_scale = 0.5f;
    for (int step = 0; step < 3; step++) {
        go_there_and_back(&it, scaled);
        go_there_and_back(&it, slow);
        bert_train_step(scaled, &(bert_adamw){.learning_rate = 0.02, .weight_decay = 0.1});
        bert_train_step(slow, &(bert_adamw){.learning_rate = 0.01, .weight_decay = 0.1});
    }
    size_t count, n;
    float *want = everything(slow, &count), *got = everything(scaled, &n);
    CHECK(n == count && memcmp(got, want, count * sizeof *got) == 0, "other bits");
    free(want);
    free(got);
}

/* What is trained has the bits of a trainer that trains everything, the rest no gradient; and what
 * only the rest needs is not computed. */
static void check_frozen(const lesson *it, bert_trainer *all, uint32_t n_trained)
{
    bert_trainer *some = open_trainer(it->tiny, NULL);
    const bert_config *config = &it->tiny->config;
    bert_train_freeze(some, n_trained);
    float sentinel = 12345;
    some->dquery[0] = sentinel;
    go_there_and_back(it, some);
    for (uint32_t i = 0; i < bert_train_n_parameters(all); i++) {
        const bert_parameter *own = bert_train_parameter(some, i);
        const bert_parameter *want = bert_train_parameter(all, i);
        int is_trained = depth_of(config, own->tensor.name) < n_trained;
        CHECK(own->is_trained == is_trained && own->has_gradient == is_trained,
              "%u depths: %s has a gradient: %d", n_trained, own->tensor.name, own->has_gradient);
        CHECK(!is_trained || memcmp(own->gradient, want->gradient, own->count * sizeof(float)) == 0,
              "%u depths: %s has other bits", n_trained, own->tensor.name);
    }
    CHECK((some->dquery[0] == sentinel) == (n_trained <= 1), "%u depths: attention's way back",
          n_trained);
}

TEST(frozen_depths_have_no_gradients_and_cost_nothing)
{
    static const char *const names[] = {"mpnet",         "shared_groups", "narrow_embeddings",
                                        "shared_source", "own_source",    "deberta"};
    for (uint32_t i = 0; i < 6; i++) {
        lesson it;
        bert_config config = lesson_config(names[i]);
        prepare(&it, &config, 95 + i);
        bert_trainer *all = open_trainer(it.tiny, NULL);
        go_there_and_back(&it, all);
        for (uint32_t n = 1; n <= config.n_layers + 2; n++)
            check_frozen(&it, all, n);
        guarded_free_all();
    }
}

/* Weights that the way back has no need of may be anything by then. */
TEST(the_way_back_ends_at_the_lowest_trained_parameter)
{
    static const char *const cases[][3] = {
        {"padding_has_a_position", "layers.1.output.weight", "layers.1.attention.output.weight"},
        {"padding_has_a_position", "layers.1.attention.key.bias",
         "layers.1.attention.query.weight"},
        {"padding_has_a_position", "layers.0.intermediate.weight", "layers.0.intermediate.weight"},
        {"padding_has_a_position", "embeddings.position.weight", "embeddings.position.weight"},
        {"shared_source", "layers.1.attention.key.weight", "relative.norm.weight"},
        {"shared_source", "layers.0.attention.query.bias", "layers.0.attention.query.weight"},
        {"shared_source", "relative.embeddings.weight", "embeddings.word.weight"},
        {"source_of_keys", "layers.1.attention.relative_key.projection.weight",
         "relative.embeddings.weight"},
        {"deberta", "layers.1.attention.relative_key.weight", "conv.weight"},
        {"deberta", "conv.weight", "layers.0.attention.output.weight"},
        {"deberta", "conv.norm.bias", "conv.weight"},
        {"deberta", "layers.0.attention.value.weight", "layers.0.attention.query.weight"}};
    for (uint32_t k = 0; k < 12; k++) {
        lesson it;
        const char *lowest = cases[k][1];
        bert_config config = lesson_config(cases[k][0]);
        prepare(&it, &config, 99);
        bert_trainer *all = open_trainer(it.tiny, NULL);
        go_there_and_back(&it, all);
        bert_trainer *one = open_trainer(it.tiny, NULL);
        for (uint32_t i = 0; i < bert_train_n_parameters(one); i++)
            bert_train_parameter(one, i)->is_trained =
                strcmp(bert_train_parameter(one, i)->tensor.name, lowest) == 0;
        go_there(&it, one);
        bert_parameter *poisoned = parameter_called(one, cases[k][2]);
        for (size_t i = 0; i < poisoned->count; i++)
            poisoned->value[i] = NAN;
        CHECK(bert_train_backward(one, &it.gradients, NULL) == BERT_OK, "back");
        const bert_parameter *got = parameter_called(one, lowest);
        CHECK(memcmp(got->gradient, parameter_called(all, lowest)->gradient,
                     got->count * sizeof(float)) == 0,
              "%s alone has other bits", lowest);
        for (uint32_t i = 0; i < N_TOKENS * config.hidden_size; i++)
            CHECK(isfinite(one->dstates[i]) && isfinite(one->dsum[i]),
                  "%s: what is below is computed", lowest);
        guarded_free_all();
    }
}

/* --------------------------------------------------------------------------------- schedules -- */

/* Values of transformers 4.57: get_constant_, get_linear_ and get_cosine_schedule_with_warmup(). */
TEST(schedules_are_those_of_transformers)
{
    static const double warm[BERT_SCHEDULE_COUNT][12] = {
        {0, 1. / 3, 2. / 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
        {0, 1. / 3, 2. / 3, 1, 0.8571428571428571, 0.7142857142857143, 0.5714285714285714,
         0.42857142857142855, 0.2857142857142857, 0.14285714285714285, 0, 0},
        {0, 1. / 3, 2. / 3, 1, 0.9504844339512095, 0.8117449009293668, 0.6112604669781572,
         0.38873953302184283, 0.18825509907063326, 0.04951556604879048, 0, 0}};
    for (uint32_t kind = 0; kind < BERT_SCHEDULE_COUNT; kind++) {
        for (uint32_t step = 0; step < 12; step++) {
            double got = bert_schedule((bert_schedule_kind)kind, step, 3, 10);
            CHECK(fabs(got - warm[kind][step]) <= 1e-15, "kind %u: step %u has %.17g", kind, step,
                  got);
            double cold = bert_schedule((bert_schedule_kind)kind, step, 0, 7);
            double want = warm[kind][step + 3 < 11 ? step + 3 : 11];
            CHECK(fabs(cold - want) <= 1e-15, "kind %u: step %u has %.17g without warm-up", kind,
                  step, cold);
        }
        CHECK(bert_schedule((bert_schedule_kind)kind, 2, 4, 4) == 0.5, "all is warm-up");
    }
}

/* --------------------------------------------------------------------------- perturbed words -- */

TEST(words_are_perturbed_along_their_gradient_and_come_back)
{
    static const char *const name = "embeddings.word.weight";
    lesson it;
    bert_config config = lesson_config("narrow_embeddings");
    prepare(&it, &config, 100);
    bert_trainer *trainer = open_trainer(it.tiny, NULL);
    bert_parameter *own = parameter_called(trainer, name);
    float *before = malloc(own->count * sizeof *before), *once = malloc(own->count * sizeof *once);
    double length = 0, moved = 0, loss = loss_of(&it, trainer);
    memcpy(before, own->value, own->count * sizeof *before);
    go_there_and_back(&it, trainer);
    memcpy(once, own->gradient, own->count * sizeof *once);
    for (size_t i = 0; i < own->count; i++)
        length += (double)once[i] * (double)once[i];
    CHECK(bert_train_perturb(trainer, 0.25f, NULL) == BERT_OK, "perturbed");
    for (size_t i = 0; i < own->count; i++) {
        double want = (double)before[i] + 0.25 * (double)once[i] / sqrt(length);
        CHECK(fabs((double)own->value[i] - want) <= 1e-6, "word [%zu] is %.9g, expected %.9g", i,
              (double)own->value[i], want);
        moved += pow((double)own->value[i] - (double)before[i], 2);
    }
    CHECK(fabs(sqrt(moved) - 0.25) < 1e-5, "the perturbation's length is %.9g", sqrt(moved));
    CHECK(loss_of(&it, trainer) > loss, "the loss falls");
    CHECK(bert_train_backward(trainer, &it.gradients, NULL) == BERT_OK, "back");
    bert_train_restore(trainer);
    CHECK(memcmp(own->value, before, own->count * sizeof *before) == 0, "other bits restored");
    /* The second gradient came to the first: alone it is what a moved model has. */
    bert_trainer *other = open_trainer(it.tiny, NULL);
    go_there_and_back(&it, other);
    bert_train_perturb(other, 0.25f, NULL);
    bert_train_forget(other);
    go_there_and_back(&it, other);
    const bert_parameter *second = parameter_called(other, name);
    for (size_t i = 0; i < own->count; i++)
        CHECK(fabsf(own->gradient[i] - once[i] - second->gradient[i]) <= 1e-5f,
              "gradient [%zu] is %.9g", i, (double)own->gradient[i]);
    bert_train_restore(other);
    bert_train_restore(other);
    CHECK(memcmp(second->value, before, own->count * sizeof *before) == 0, "restored twice");
    free(before);
    free(once);
}

TEST(words_without_a_direction_stay)
{
    lesson it;
    bert_config config = tiny_config();
    prepare(&it, &config, 101);
    bert_trainer *trainer = open_trainer(it.tiny, NULL);
    const bert_parameter *own = parameter_called(trainer, "embeddings.word.weight");
    static const float nothing[] = {0, NAN, INFINITY};
    for (int i = 0; i < 3; i++) {
        float *hidden = it.gradients.data[BERT_OUTPUT_LAST_HIDDEN_STATE];
        float *before = malloc(own->count * sizeof *before);
        it.gradients = (bert_outputs){{0}};
        it.gradients.data[BERT_OUTPUT_LAST_HIDDEN_STATE] = hidden;
        for (uint32_t k = 0; k < N_TOKENS * config.hidden_size; k++)
            hidden[k] = nothing[i];
        memcpy(before, own->value, own->count * sizeof *before);
        go_there_and_back(&it, trainer);
        CHECK(bert_train_perturb(trainer, 1, NULL) == BERT_OK, "perturbed by %g",
              (double)nothing[i]);
        CHECK(memcmp(own->value, before, own->count * sizeof *before) == 0, "words moved by %g",
              (double)nothing[i]);
        bert_train_restore(trainer);
        bert_train_forget(trainer);
        free(before);
    }
}

/* ---------------------------------------------------------------------------------- refusals -- */

static void expect(bert_status got, const bert_error *error, bert_status want, const char *subject)
{
    CHECK(got == want && error->status == want, "status %s, expected %s (%s)",
          bert_status_name(got), bert_status_name(want), subject);
    CHECK(strcmp(error->subject, subject) == 0, "subject '%s', expected '%s'", error->subject,
          subject);
}

TEST(rates_of_dropout_that_cannot_be_are_refused_by_name)
{
    static const char *const names[] = {"embeddings", "attention", "attention_output",
                                        "output",     "pooler",    "classifier"};
    static const float rates[] = {-0.1f, 1, NAN};
    lesson it;
    bert_error error = {0};
    bert_config config = tiny_config();
    prepare(&it, &config, 102);
    bert_trainer *trainer = open_trainer(it.tiny, NULL);
    double plain = loss_of(&it, trainer);
    for (int i = 0; i < 6; i++)
        for (int k = 0; k < 3; k++) {
            bert_dropout dropout = {0};
            float *all[] = {&dropout.embeddings, &dropout.attention, &dropout.attention_output,
                            &dropout.output,     &dropout.pooler,    &dropout.classifier};
            *all[i] = rates[k];
            expect(bert_train_set_dropout(trainer, &dropout, &error), &error, BERT_BAD_OPTION,
                   names[i]);
        }
    CHECK(loss_of(&it, trainer) == plain, "a refusal changes something");
    /* Other rates are not those of the way there. */
    set_dropout(trainer, &all_rates);
    expect(bert_train_backward(trainer, &it.gradients, &error), &error, BERT_BAD_OPTION, "batch");
}

TEST(adapters_that_cannot_be_are_refused)
{
    bert_error error = {0};
    size_t n_bytes;
    bert_config config = tiny_config();
    bert_train_options rank = {.lora.rank = config.hidden_size + 1},
                       targets = {.lora = {.rank = 1, .targets = 64}},
                       alpha = {.lora = {.rank = 1, .alpha = -1}},
                       nan = {.lora = {.rank = 1, .alpha = NAN}};
    expect(bert_train_size(&config, &rank, &n_bytes, &error), &error, BERT_BAD_OPTION, "rank");
    expect(bert_train_size(&config, &targets, &n_bytes, &error), &error, BERT_BAD_OPTION,
           "targets");
    expect(bert_train_size(&config, &alpha, &n_bytes, &error), &error, BERT_BAD_OPTION, "alpha");
    expect(bert_train_size(&config, &nan, &n_bytes, &error), &error, BERT_BAD_OPTION, "alpha");
}

TEST(words_that_have_no_gradient_are_not_perturbed)
{
    static const char *const name = "embeddings.word.weight";
    lesson it;
    bert_error error = {0};
    bert_config config = tiny_config();
    prepare(&it, &config, 103);
    bert_train_options options = {.lora.rank = 2};
    bert_trainer *plain = open_trainer(it.tiny, NULL), *adapted = open_trainer(it.tiny, &options);
    go_there(&it, plain);
    expect(bert_train_perturb(plain, 1, &error), &error, BERT_BAD_OPTION, name);
    bert_train_freeze(plain, 1);
    go_there_and_back(&it, plain);
    expect(bert_train_perturb(plain, 1, &error), &error, BERT_BAD_OPTION, name);
    go_there_and_back(&it, adapted);
    expect(bert_train_perturb(adapted, 1, &error), &error, BERT_BAD_OPTION, name);
}

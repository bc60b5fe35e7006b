/*
 * test_arrival.c - a model whose tensors arrive one by one: what runs by when, and that it is what
 * an opened model answers.
 *
 * A tensor that has not been taken lies in memory that must not be touched, so a step that reads it
 * too early ends the test. Which step is the first to read a tensor is told again here, by its
 * name: a step that waits too long fails.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "families.h"
#include "harness.h"
#include "tiny_batch.h"
#include "tiny_model.h"

/* The factors of a layer's inputs are the end of the layer before. What no step reads, since it is
 * for training, is counted at the last. */
static uint32_t first_step(const bert_config *config, const char *name)
{
    static const char *const first[] = {"embeddings.", "attention.", "relative.rows", "conv."};
    uint32_t stored, layer = 0;
    int n = 0;
    if (strstr(name, ".projection.") && !strstr(name, "embeddings."))
        return config->n_layers;
    if (sscanf(name, "layers.%u.%n", &stored, &n) == 1) {
        while (bert_config_stored_layer(config, layer) != stored)
            layer++;
        return layer > 0 && strcmp(name + n, "smooth") == 0 ? layer - 1 : layer;
    }
    for (int i = 0; i < 4; i++)
        if (strncmp(name, first[i], strlen(first[i])) == 0)
            return 0;
    return config->n_layers;
}

/* Steps that can run with the first `n_taken` of the tensors in this order. */
static uint32_t steps_with(const tiny_model *tiny, const size_t *order, size_t n_taken)
{
    uint32_t ready = tiny->config.n_layers + 1;
    for (size_t k = n_taken; k < tiny->n_tensors; k++) {
        uint32_t step = first_step(&tiny->config, tiny->tensors[order[k]].name);
        ready = step < ready ? step : ready;
    }
    return ready;
}

static void hide_all(const tiny_model *tiny)
{
    for (size_t i = 0; i < tiny->n_tensors; i++)
        guarded_hide(tiny->tensors[i].data);
}

/* A tensor's bytes arrive and are taken. */
static bert_status arrive(const tiny_model *tiny, bert_model *model, size_t index,
                          bert_error *error)
{
    guarded_show(tiny->tensors[index].data);
    return bert_model_take(model, index, error);
}

/* What an opened model answers. */
static bert_outputs answers(const tiny_model *tiny, const bert_batch *batch)
{
    bert_model *model = tiny_open(tiny);
    bert_outputs outputs = all_outputs(model, batch);
    bert_encode(tiny_session(model, NULL), batch, &outputs, NULL);
    return outputs;
}

/* Runs each step as soon as it is ready, while tensors arrive in this order. */
static void check_order(const char *name, const tiny_model *tiny, const size_t *order,
                        const bert_batch *batch, const bert_outputs *want, uint32_t n_threads)
{
    uint32_t n_steps = tiny->config.n_layers + 1;
    hide_all(tiny);
    bert_model *model = tiny_begin(tiny);
    bert_session *session = tiny_session(model, &(bert_options){.n_threads = n_threads});
    helping_threads helpers = help(session, n_threads);
    bert_outputs got = all_outputs(model, batch);
    CHECK(bert_encode_begin(session, batch, &got, NULL) == BERT_OK, "%s: no encoding", name);
    CHECK(bert_encode_step(session, UINT32_MAX) == n_steps, "%s: a step of nothing", name);
    for (size_t k = 0; k < tiny->n_tensors; k++) {
        const char *tensor = tiny->tensors[order[k]].name;
        bert_error error = {0};
        CHECK(arrive(tiny, model, order[k], &error) == BERT_OK, "%s: %s: %s", name, tensor,
              bert_status_text(error.status));
        uint32_t ready = bert_model_steps_ready(model), expected = steps_with(tiny, order, k + 1);
        CHECK(ready == expected, "%s: %u steps are ready after %s, expected %u", name, ready,
              tensor, expected);
        uint32_t left = bert_encode_step(session, UINT32_MAX);
        CHECK(left == n_steps - expected, "%s: %u steps are left after %s", name, left, tensor);
    }
    check_same(name, model, batch, &got, want);
    help_end(&helpers);
}

static void check_orders(const char *name, const bert_config *config, tiny_dtype dtype)
{
    const tiny_model *tiny = tiny_make(config, dtype, 200);
    size_t n = tiny->n_tensors, order[TINY_MAX_TENSORS] = {0}, reverse[TINY_MAX_TENSORS] = {0};
    token_lists tokens = random_tokens(config, 201);
    bert_batch batch = batch_of(&tokens, 0, N_SEQUENCES);
    bert_outputs want = answers(tiny, &batch);
    for (size_t i = 0; i < n; i++) {
        order[i] = i;
        reverse[i] = n - 1 - i;
    }
    /* In reverse, nothing can run before the last to come, a part of the embeddings. */
    CHECK(steps_with(tiny, reverse, n - 1) == 0, "%s: it starts with %s", name,
          tiny->tensors[0].name);
    for (uint32_t n_threads = 1; n_threads <= 3; n_threads += 2) {
        check_order(name, tiny, order, &batch, &want, n_threads);
        check_order(name, tiny, reverse, &batch, &want, n_threads);
    }
    uint32_t seed = 202;
    for (size_t i = n - 1; i > 0; i--) {
        size_t k = random_u32(&seed) % (i + 1), swapped = order[i];
        order[i] = order[k];
        order[k] = swapped;
    }
    check_order(name, tiny, order, &batch, &want, 1);
    guarded_free_all();
}

TEST(steps_run_while_tensors_arrive)
{
    bert_config plain = tiny_config(), no_layers = tiny_config();
    no_layers.n_layers = 0;
    for (int dtype = 0; dtype < TINY_DTYPE_COUNT; dtype++) {
        check_orders("plain", &plain, (tiny_dtype)dtype);
        check_orders("no layers", &no_layers, (tiny_dtype)dtype);
        FOR_EACH_FAMILY(family)
        {
            bert_config config = family->config();
            check_orders(family->name, &config, (tiny_dtype)dtype);
        }
    }
}

/* Each tensor is the last one: what runs without it does not read it, and the rest waits for it. */
TEST(every_tensor_is_waited_for)
{
    FOR_EACH_FAMILY(family)
    {
        bert_config config = family->config();
        const tiny_model *tiny = tiny_make(&config, TINY_Q8, 203);
        size_t n = tiny->n_tensors, order[TINY_MAX_TENSORS] = {0};
        token_lists tokens = random_tokens(&config, 204);
        bert_batch batch = batch_of(&tokens, 0, 2);
        bert_outputs want = answers(tiny, &batch);
        for (size_t last = 0; last < n; last++) {
            for (size_t i = 0; i < n; i++)
                order[i] = i + 1 == n ? last : i + (i >= last);
            check_order(family->name, tiny, order, &batch, &want, 1);
        }
        guarded_free_all();
    }
}

/* -------------------------------------------------------------------------------- refusals -- */

/* A tensor that is refused has not been taken; when its bytes are mended it is, and nothing else
 * has changed. */
static void check_refusal(tiny_model *tiny, const char *name, const void *bad, size_t size,
                          size_t at, int64_t where, int is_reverse)
{
    char good[4], *bytes = (char *)tiny_tensor(tiny, name)->data + at * size;
    size_t index = (size_t)(tiny_tensor(tiny, name) - tiny->tensors);
    token_lists tokens = random_tokens(&tiny->config, 205);
    bert_batch batch = batch_of(&tokens, 0, N_SEQUENCES);
    bert_outputs want = answers(tiny, &batch);
    bert_model *model = tiny_begin(tiny);
    bert_session *session = tiny_session(model, NULL);
    bert_outputs got = all_outputs(model, &batch);
    bert_encode_begin(session, &batch, &got, NULL);
    memcpy(good, bytes, size);
    memcpy(bytes, bad, size);
    for (size_t k = 0; k < tiny->n_tensors; k++) {
        size_t i = is_reverse ? tiny->n_tensors - 1 - k : k;
        bert_error error = {0};
        uint32_t ready = bert_model_steps_ready(model);
        for (int again = 0; i == index && again < 2; again++) {
            CHECK(bert_model_take(model, i, &error) == BERT_BAD_DATA, "%s is taken", name);
            CHECK(error.status == BERT_BAD_DATA && strcmp(error.subject, name) == 0 &&
                      error.n_numbers == 1 && error.value == where,
                  "%s: the error is about %s, %lld", name, error.subject, (long long)error.value);
            CHECK(bert_model_steps_ready(model) == ready, "%s makes steps ready", name);
            bert_encode_step(session, UINT32_MAX);
        }
        if (i == index)
            memcpy(bytes, good, size);
        CHECK(bert_model_take(model, i, &error) == BERT_OK, "%s: %s after a refusal", name,
              bert_status_text(error.status));
        bert_encode_step(session, UINT32_MAX);
    }
    check_same(name, model, &batch, &got, &want);
}

TEST(a_tensor_that_is_refused_can_be_mended)
{
    static const float no_number = NAN, zero = 0, half = 0.5f;
    static const int8_t large = -128;
    bert_config config = family_config("both");
    tiny_model *tiny = tiny_make(&config, TINY_Q8, 206);
    for (int is_reverse = 0; is_reverse < 2; is_reverse++) {
        check_refusal(tiny, "embeddings.word.scale", &zero, 4, 49, 49, is_reverse);
        check_refusal(tiny, "relative.rows", &half, 4, 30, 30, is_reverse);
        check_refusal(tiny, "layers.1.intermediate.scale", &no_number, 4, 39, 39, is_reverse);
        /* The last panel of 8 columns: what is before it has been summed by then. */
        check_refusal(tiny, "layers.1.intermediate.weight", &large, 1,
                      tiny_tensor(tiny, "layers.1.intermediate.weight")->n_bytes - 1, 32,
                      is_reverse);
        check_refusal(tiny, "layers.0.attention.key.weight", &large, 1, 0, 0, is_reverse);
    }
}

/* bert_encode() does not wait; another session may, and may begin late. */
TEST(encoding_needs_every_tensor)
{
    bert_config config = tiny_config();
    const tiny_model *tiny = tiny_make(&config, TINY_F32, 207);
    token_lists tokens = random_tokens(&config, 208);
    bert_batch batch = batch_of(&tokens, 0, N_SEQUENCES);
    bert_outputs want = answers(tiny, &batch);
    hide_all(tiny);
    bert_model *model = tiny_begin(tiny);
    bert_session *session = tiny_session(model, NULL), *other = tiny_session(model, NULL);
    bert_outputs got = all_outputs(model, &batch), late = all_outputs(model, &batch);
    for (size_t i = 0; i < tiny->n_tensors; i++) {
        bert_error error = {0};
        CHECK(bert_encode(session, &batch, &got, &error) == BERT_BAD_DATA &&
                  error.status == BERT_BAD_DATA &&
                  strcmp(error.subject, tiny->tensors[i].name) == 0,
              "without %s: %s (%s)", tiny->tensors[i].name, bert_status_name(error.status),
              error.subject);
        if (i + 1 == tiny->n_tensors) {
            bert_encode_begin(other, &batch, &late, NULL);
            CHECK(bert_encode_step(other, 1) == config.n_layers, "the first step does not run");
            CHECK(bert_encode_step(other, 9) == 1, "steps that are ready do not run");
            CHECK(bert_encode_step(other, 9) == 1, "the heads run without %s",
                  tiny->tensors[i].name);
        }
        CHECK(arrive(tiny, model, i, NULL) == BERT_OK, "%s is refused", tiny->tensors[i].name);
    }
    CHECK(bert_encode(session, &batch, &got, NULL) == BERT_OK, "the whole model does not encode");
    CHECK(bert_encode_step(other, 9) == 0, "the last step is not run");
    check_same("opened", model, &batch, &got, &want);
    check_same("late", model, &batch, &late, &want);
}

/* ------------------------------------------------------------------------------ one at a time -- */

/* A model all of whose layers lie where the first one does. */
typedef struct stacked_model {
    const tiny_model *tiny;
    tiny_model copy;                   /* the same tensors, in that place */
    uint32_t stored[TINY_MAX_TENSORS]; /* the layer that a tensor is of; NOT_OF_LAYER */
    int is_taken[TINY_MAX_TENSORS];
    bert_model *model;
} stacked_model;

#define NOT_OF_LAYER UINT32_MAX

static void stack(const tiny_model *tiny, stacked_model *stacked)
{
    memset(stacked, 0, sizeof *stacked);
    stacked->tiny = tiny;
    stacked->copy = *tiny;
    for (size_t i = 0; i < tiny->n_tensors; i++) {
        bert_tensor *tensor = &stacked->copy.tensors[i];
        uint32_t stored;
        int n = 0;
        stacked->stored[i] = NOT_OF_LAYER;
        if (sscanf(tensor->name, "layers.%u.%n", &stored, &n) != 1)
            continue;
        char name[BERT_MAX_NAME + 16];
        snprintf(name, sizeof name, "layers.0.%s", tensor->name + n);
        stacked->stored[i] = stored;
        size_t size = (tensor->n_bytes + BERT_ALIGNMENT - 1) / BERT_ALIGNMENT * BERT_ALIGNMENT;
        tensor->data = stored == 0 ? aligned_alloc(BERT_ALIGNMENT, size)
                                   : tiny_tensor(&stacked->copy, name)->data;
    }
    stacked->model = tiny_begin(&stacked->copy);
}

/* The tensors of a stored layer, or of none, come; and, of the next one, the factors, which are not
 * right yet. */
static void bring(stacked_model *stacked, uint32_t stored, uint32_t next)
{
    for (size_t i = 0; i < stacked->tiny->n_tensors; i++) {
        const bert_tensor *tensor = &stacked->copy.tensors[i];
        const char *suffix = strrchr(tensor->name, '.');
        int is_factors =
            stacked->stored[i] == next && next != NOT_OF_LAYER && strcmp(suffix, ".smooth") == 0;
        if (stacked->stored[i] != stored && !is_factors)
            continue;
        if (stacked->stored[i] == stored && stored != NOT_OF_LAYER)
            memcpy((void *)tensor->data, stacked->tiny->tensors[i].data, tensor->n_bytes);
        if (!stacked->is_taken[i]++)
            CHECK(bert_model_take(stacked->model, i, NULL) == BERT_OK, "%s", tensor->name);
    }
}

/* Two batches go through the layers together, in one session. */
static void check_stacked(const char *name, const bert_config *config, tiny_dtype dtype)
{
    static float states[2][N_TOKENS * 64];
    static stacked_model stacked;
    const tiny_model *tiny = tiny_make(config, dtype, 210);
    token_lists tokens = random_tokens(config, 211), others = random_tokens(config, 212);
    bert_batch batches[] = {batch_of(&tokens, 0, N_SEQUENCES), batch_of(&others, 1, 3)};
    bert_outputs want[] = {answers(tiny, &batches[0]), answers(tiny, &batches[1])}, got[2];
    stack(tiny, &stacked);
    bert_session *session = tiny_session(stacked.model, NULL);
    for (int i = 0; i < 2; i++)
        got[i] = all_outputs(stacked.model, &batches[i]);
    bring(&stacked, NOT_OF_LAYER, NOT_OF_LAYER);
    for (uint32_t step = 0; step <= config->n_layers; step++) {
        if (step < config->n_layers)
            bring(&stacked, bert_config_stored_layer(config, step),
                  step + 1 < config->n_layers ? bert_config_stored_layer(config, step + 1)
                                              : NOT_OF_LAYER);
        for (int i = 0; i < 2; i++) {
            bert_error error = {0};
            bert_status status =
                step == 0
                    ? bert_encode_begin(session, &batches[i], &got[i], &error)
                    : bert_encode_resume(session, &batches[i], &got[i], step, states[i], &error);
            CHECK(status == BERT_OK, "%s: step %u: %s %s", name, step, bert_status_name(status),
                  error.subject);
            CHECK(bert_encode_step(session, 1) == config->n_layers - step, "%s: step %u", name,
                  step);
            size_t n_tokens = 0;
            for (uint32_t s = 0; s < batches[i].n_sequences; s++)
                n_tokens += batches[i].lengths[s];
            memcpy(states[i], bert_encode_states(session),
                   n_tokens * config->hidden_size * sizeof(float));
        }
    }
    for (int i = 0; i < 2; i++)
        check_same(name, stacked.model, &batches[i], &got[i], &want[i]);
    for (size_t i = 0; i < tiny->n_tensors; i++)
        if (stacked.stored[i] == 0)
            free((void *)stacked.copy.tensors[i].data);
    guarded_free_all();
}

TEST(layers_may_take_turns_in_one_place)
{
    bert_config plain = tiny_config();
    for (int dtype = 0; dtype < TINY_DTYPE_COUNT; dtype++) {
        check_stacked("plain", &plain, (tiny_dtype)dtype);
        FOR_EACH_FAMILY(family)
        {
            bert_config config = family->config();
            check_stacked(family->name, &config, (tiny_dtype)dtype);
        }
    }
}

TEST(a_batch_resumes_where_it_can)
{
    bert_config config = tiny_config();
    const tiny_model *tiny = tiny_make(&config, TINY_Q8, 213);
    token_lists tokens = random_tokens(&config, 214);
    bert_batch batch = batch_of(&tokens, 0, 1);
    static const float states[N_TOKENS * 64];
    bert_model *model = tiny_begin(tiny);
    bert_session *session = tiny_session(model, NULL);
    bert_outputs outputs = {{0}};
    bert_error error = {0};
    CHECK(bert_encode_resume(session, &batch, &outputs, 1, states, &error) == BERT_BAD_DATA &&
              strcmp(error.subject, tiny->tensors[0].name) == 0,
          "a step that is not ready: %s", error.subject);
    CHECK(bert_encode_step(session, 1) == 0, "a step after a refusal");
    for (size_t i = 0; i < tiny->n_tensors; i++)
        bert_model_take(model, i, NULL);
    uint32_t bad[] = {0, config.n_layers + 1, UINT32_MAX};
    for (int i = 0; i < 3; i++) {
        CHECK(bert_encode_resume(session, &batch, &outputs, bad[i], states, &error) ==
                      BERT_BAD_OPTION &&
                  error.value == bad[i] && error.limit == config.n_layers,
              "step %u: %s", bad[i], bert_status_name(error.status));
        CHECK(bert_encode_step(session, 1) == 0, "a step after a refusal");
    }
    CHECK(bert_encode_resume(session, &batch, &outputs, config.n_layers, states, &error) == BERT_OK,
          "the heads alone: %s", bert_status_name(error.status));
    CHECK(bert_encode_step(session, UINT32_MAX) == 0, "the heads alone are not one step");
}

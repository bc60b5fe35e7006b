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
#include <string.h>

#include "families.h"
#include "harness.h"
#include "tiny_batch.h"
#include "tiny_model.h"

/* The factors of a layer's inputs are the end of the layer before. */
static uint32_t first_step(const bert_config *config, const char *name)
{
    static const char *const first[] = {"embeddings.", "attention.", "relative.", "conv."};
    uint32_t stored, layer = 0;
    int n = 0;
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

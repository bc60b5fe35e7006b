/*
 * test_train.c - training: every way back against differences of the oracle, in double; the same
 * bits however it is asked; AdamW, clipping and losses against the plainest C; every refusal.
 *
 * test_gradients.c has the same against PyTorch.
 */
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "families.h"
#include "harness.h"
#include "oracle.h"
#include "tiny_batch.h"
#include "tiny_model.h"
#include "train/trainer.h"

/* ---------------------------------------------------------------------------------- trainers -- */

static const bert_output trained_outputs[] = {
    BERT_OUTPUT_LAST_HIDDEN_STATE, BERT_OUTPUT_POOLER_OUTPUT, BERT_OUTPUT_LOGITS,
    BERT_OUTPUT_TOKEN_LOGITS,      BERT_OUTPUT_LM_LOGITS,     BERT_OUTPUT_SENTENCE_EMBEDDING};
#define N_OUTPUTS (sizeof trained_outputs / sizeof *trained_outputs)

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

/* Room for what can be trained, in memory of exactly its size. */
static bert_outputs outputs_for(const bert_config *config, const bert_batch *batch)
{
    bert_outputs outputs = {{0}};
    for (size_t i = 0; i < N_OUTPUTS; i++) {
        size_t count;
        if (bert_output_count(config, trained_outputs[i], batch, &count, NULL) == BERT_OK)
            outputs.data[trained_outputs[i]] = guarded_alloc(count * sizeof(float));
    }
    return outputs;
}

/* Random derivatives: the loss is the sum of the outputs, each number times its derivative. */
static bert_outputs random_gradients(const bert_config *config, const bert_batch *batch,
                                     uint32_t seed)
{
    bert_outputs gradients = outputs_for(config, batch);
    for (size_t i = 0; i < N_OUTPUTS; i++) {
        size_t count = 0;
        float *data = gradients.data[trained_outputs[i]];
        if (data)
            bert_output_count(config, trained_outputs[i], batch, &count, NULL);
        for (size_t k = 0; k < count; k++)
            data[k] = random_uniform(&seed, -1, 1);
    }
    return gradients;
}

static void go_there_and_back(bert_trainer *trainer, const bert_batch *batch,
                              const bert_outputs *outputs, const bert_outputs *gradients)
{
    bert_error error = {0};
    int ok = bert_train_forward(trainer, batch, outputs, &error) == BERT_OK &&
             bert_train_backward(trainer, gradients, &error) == BERT_OK;
    CHECK(ok, "%s (%s)", bert_status_text(error.status), error.subject);
}

static bert_parameter *parameter_called(bert_trainer *trainer, const char *name)
{
    for (uint32_t i = 0; i < bert_train_n_parameters(trainer); i++)
        if (strcmp(bert_train_parameter(trainer, i)->tensor.name, name) == 0)
            return bert_train_parameter(trainer, i);
    CHECK(0, "there is no %s", name);
    return bert_train_parameter(trainer, 0);
}

/* A sequence of each length, of random tokens. */
typedef struct long_batch {
    uint32_t lengths[8], ids[1024], types[1024];
    bert_batch batch;
} long_batch;

static void fill_batch(long_batch *it, const bert_config *config, const uint32_t *lengths,
                       uint32_t n, uint32_t seed)
{
    uint32_t token = 0;
    for (uint32_t s = 0; s < n; s++) {
        it->lengths[s] = lengths[s];
        for (uint32_t i = 0; i < lengths[s]; i++, token++) {
            it->ids[token] = random_u32(&seed) % config->vocab_size;
            it->types[token] =
                config->n_token_types ? random_u32(&seed) % config->n_token_types : 0;
        }
    }
    it->batch = (bert_batch){
        .n_sequences = n, .lengths = it->lengths, .ids = it->ids, .token_types = it->types};
}

/* ------------------------------------------------------------------------------- differences -- */

/* The sum of one output's numbers of the oracle times their derivatives. */
static double weigh(const double *output, const float *gradient, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n && gradient; i++)
        sum += output[i] * (double)gradient[i];
    return sum;
}

/* The part of LM_LOGITS whose tokens are a sequence's: `logits` has a row for each of them. */
static double weigh_words(const double *logits, const bert_batch *batch, uint32_t first, uint32_t n,
                          const float *gradient, size_t n_words)
{
    double sum = 0;
    if (!batch->lm_tokens)
        return weigh(logits, gradient ? gradient + first * n_words : NULL, n * n_words);
    for (uint32_t row = 0; row < batch->n_lm_tokens && gradient; row++) {
        uint32_t token = batch->lm_tokens[row];
        if (token >= first && token < first + n)
            sum += weigh(logits + (token - first) * n_words, gradient + row * n_words, n_words);
    }
    return sum;
}

/* The loss of the model as it is, in double. */
static double loss_of(const bert_model *model, const bert_batch *batch,
                      const bert_outputs *gradients)
{
    const bert_config *config = &model->config;
    const float *const *data = (const float *const *)gradients->data;
    double sum = 0;
    size_t n_words = bert_output_columns(config, BERT_OUTPUT_LM_LOGITS);
    size_t n_pooled = bert_output_columns(config, BERT_OUTPUT_SENTENCE_EMBEDDING);
    oracle_makes_tables = 1; /* of weights as they are now */
    for (uint32_t s = 0, first = 0; s < batch->n_sequences; first += batch->lengths[s++]) {
        size_t n = batch->lengths[s], hidden = config->hidden_size;
        oracle_outputs outputs = {
            .hidden_states = calloc((config->n_layers + 1) * n * hidden, sizeof(double)),
            .attentions = calloc(config->n_layers * config->n_heads * n * n + 1, sizeof(double)),
            .pooler_output = calloc(hidden, sizeof(double)),
            .logits = calloc(config->n_labels + 1, sizeof(double)),
            .token_logits = calloc(n * config->n_token_labels + 1, sizeof(double)),
            .lm_logits = calloc(n * n_words + 1, sizeof(double)),
            .sentence_embedding = calloc(n_pooled + 1, sizeof(double)),
            .pool_from = batch->pool_from ? batch->pool_from[s] : 0};
#define PART(output, at) (data[output] ? data[output] + (at) : NULL)
        oracle_encode(model, (uint32_t)n, batch->ids + first,
                      batch->token_types ? batch->token_types + first : NULL,
                      batch->positions ? batch->positions + first : NULL,
                      batch->attended ? batch->attended + first : NULL, &outputs);
        sum += weigh(outputs.hidden_states + config->n_layers * n * hidden,
                     PART(BERT_OUTPUT_LAST_HIDDEN_STATE, first * hidden), n * hidden);
        sum += weigh(outputs.pooler_output, PART(BERT_OUTPUT_POOLER_OUTPUT, s * hidden), hidden);
        sum +=
            weigh(outputs.logits, PART(BERT_OUTPUT_LOGITS, s * config->n_labels), config->n_labels);
        sum += weigh(outputs.token_logits,
                     PART(BERT_OUTPUT_TOKEN_LOGITS, first * config->n_token_labels),
                     n * config->n_token_labels);
        sum += weigh_words(outputs.lm_logits, batch, first, (uint32_t)n,
                           data[BERT_OUTPUT_LM_LOGITS], n_words);
        sum += weigh(outputs.sentence_embedding, PART(BERT_OUTPUT_SENTENCE_EMBEDDING, s * n_pooled),
                     n_pooled);
#undef PART
        free(outputs.hidden_states);
        free(outputs.attentions);
        free(outputs.pooler_output);
        free(outputs.logits);
        free(outputs.token_logits);
        free(outputs.lm_logits);
        free(outputs.sentence_embedding);
    }
    return sum;
}

/* How far a weight goes to each side: so little that hardly a number passes relu's corner. Weights
 * are rounded to floats: how far it went is taken. */
#define STEP 0x1p-18f

/* Whether number `i` of a parameter is read: panels have columns that are not. */
static int is_read(const bert_parameter *own, size_t i, uint32_t n_out)
{
    if (own->tensor.rank != 3)
        return 1;
    return i / (own->tensor.shape[1] * BERT_PANEL) * BERT_PANEL + i % BERT_PANEL < n_out;
}

/*
 * Every number of a parameter goes a step in a direction of its own: what the loss does must be the
 * sum of their gradients times the steps. A wrong number anywhere changes that sum.
 */
static void check_direction(const char *name, bert_trainer *trainer, uint32_t index,
                            const bert_batch *batch, const bert_outputs *gradients, uint32_t seed)
{
    const bert_model *model = bert_train_model(trainer);
    bert_parameter *own = bert_train_parameter(trainer, index);
    const bert_tensor *next = &bert_train_parameter(trainer, index + own->tensor.rank / 3)->tensor;
    uint32_t n_out = next->rank == 1 ? next->shape[0] : model->config.hidden_size;
    float *before = malloc(own->count * sizeof *before);
    double *moved = calloc(own->count, sizeof *moved), losses[2], expected = 0, length = 0;
    memcpy(before, own->value, own->count * sizeof *before);
    for (int side = 0; side < 2; side++) {
        uint32_t random = seed;
        for (size_t i = 0; i < own->count; i++) {
            float step = random_u32(&random) >> 16 & 1 ? STEP : -STEP;
            own->value[i] = before[i] + (side ? -step : step);
            if (!is_read(own, i, n_out))
                own->value[i] = 0;
            moved[i] += (double)own->value[i] * (side ? -1 : 1);
        }
        losses[side] = loss_of(model, batch, gradients);
    }
    for (size_t i = 0; i < own->count; i++) {
        double part = (double)own->gradient[i] * moved[i];
        CHECK(is_read(own, i, n_out) || own->gradient[i] == 0, "%s: %s [%zu] has a gradient", name,
              own->tensor.name, i);
        expected += part;
        length += part * part;
    }
    CHECK(fabs(losses[0] - losses[1] - expected) <= 1e-4 * sqrt(length) + 1e-4 * (double)STEP,
          "%s: %s: the loss changes by %.9g, its gradients say %.9g, length %.3g", name,
          own->tensor.name, losses[0] - losses[1], expected, sqrt(length));
    memcpy(own->value, before, own->count * sizeof *before);
    free(before);
    free(moved);
}

static void check_all_directions(const char *name, const bert_config *config,
                                 const bert_batch *batch, uint32_t seed)
{
    tiny_model *tiny = tiny_make(config, TINY_F32, seed);
    bert_trainer *trainer = open_trainer(tiny, NULL);
    if (!trainer)
        return;
    bert_outputs outputs = outputs_for(config, batch);
    bert_outputs gradients = random_gradients(config, batch, seed);
    go_there_and_back(trainer, batch, &outputs, &gradients);
    for (uint32_t i = 0; i < bert_train_n_parameters(trainer); i++) {
        CHECK(bert_train_parameter(trainer, i)->has_gradient, "%s: %s has no gradient", name,
              bert_train_parameter(trainer, i)->tensor.name);
        check_direction(name, trainer, i, batch, &gradients, seed + i);
    }
}

/* On a sequence with holes, and one whose first token is not attended to. */
static void check_config(const char *name, const bert_config *config, uint32_t seed)
{
    token_lists tokens = random_tokens(config, seed);
    bert_batch batch = batch_of(&tokens, 2, 2);
    check_all_directions(name, config, &batch, seed);
}

static int is_trainable(const bert_config *config)
{
    size_t n_bytes;
    return bert_train_size(config, NULL, &n_bytes, NULL) == BERT_OK;
}

TEST(gradients_agree_with_differences_in_every_family)
{
    uint32_t n_checked = 0;
    FOR_EACH_FAMILY(member)
    {
        bert_config config = member->config();
        if (!is_trainable(&config))
            continue;
        check_config(member->name, &config, 40 + n_checked++);
        guarded_free_all();
    }
    CHECK(n_checked >= 30, "%u families", n_checked);
}

TEST(gradients_agree_with_differences_for_every_activation)
{
    static const bert_activation all[] = {BERT_ACTIVATION_GELU, BERT_ACTIVATION_GELU_TANH,
                                          BERT_ACTIVATION_TANH, BERT_ACTIVATION_RELU,
                                          BERT_ACTIVATION_SILU};
    for (uint32_t i = 0; i < 5; i++) {
        bert_config config = tiny_config();
        config.activation = all[i];
        config.pooler_activation = all[(i + 1) % 5];
        config.token_activation = all[(i + 2) % 5];
        config.n_token_labels = 9;
        check_config(names_of_activations[all[i]], &config, 70 + i);
        guarded_free_all();
    }
}

TEST(gradients_agree_with_differences_at_odd_dimensions)
{
    static const uint32_t heads[] = {1, 5, 7, 3}, dims[] = {1, 3, 5, 11}, wides[] = {1, 7, 33, 50};
    for (uint32_t i = 0; i < 4; i++) {
        bert_config config = tiny_config();
        config.n_heads = heads[i];
        config.hidden_size = heads[i] * dims[i];
        config.embedding_size = 2 * i + 1;
        config.projects_embeddings = 1;
        config.intermediate_size = wides[i];
        config.n_labels = 1 + 4 * i;
        config.n_token_labels = 8 - i;
        config.layer_norm_eps = 1e-2f; /* rows of one or three numbers may be nearly equal */
        check_config("odd", &config, 90 + i);
        guarded_free_all();
    }
}

TEST(gradients_agree_with_differences_without_layers)
{
    bert_config config = tiny_config();
    config.n_layers = 0;
    config.n_token_labels = 3;
    check_config("no layers", &config, 99);
}

/* More rows than GRADIENT_ROWS and ROW_BLOCK, more queries than QUERY_BLOCK. */
TEST(gradients_agree_with_differences_on_many_tokens)
{
    static const uint32_t lengths[] = {100, 1, 49, 200, 48, 190};
    static long_batch it;
    bert_config config = tiny_config();
    config.n_positions = 200;
    config.n_layers = 1;
    config.n_distances = 200;
    config.position_attention = BERT_POSITION_ATTENTION_BIAS;
    fill_batch(&it, &config, lengths, 6, 5);
    check_all_directions("long", &config, &it.batch, 110);
}

/* More words than GRADIENT_COLUMNS, more rows than GRADIENT_ROWS, or a few of them. */
TEST(gradients_agree_with_differences_for_many_words)
{
    static const uint32_t lengths[] = {60, 1, 49, 200, 48, 190}, few[] = {4, 1, 3};
    static const uint32_t tokens[] = {0, 3, 4, 7};
    static long_batch it;
    for (uint32_t tied = 0; tied < 2; tied++) {
        bert_config config = family_config(tied ? "tied_narrow_lm" : "untied_lm");
        config.lm_activation =
            BERT_ACTIVATION_GELU; /* of so many numbers some pass relu's corner */
        config.n_positions = 200;
        config.n_layers = 1;
        fill_batch(&it, &config, lengths, 6, 7);
        check_all_directions("many rows", &config, &it.batch, 120 + tied);
        guarded_free_all();
        config.vocab_size = GRADIENT_COLUMNS + 11;
        fill_batch(&it, &config, few, 3, 8);
        check_all_directions("all tokens", &config, &it.batch, 122 + tied);
        it.batch.lm_tokens = tokens;
        it.batch.n_lm_tokens = 4;
        check_all_directions("some tokens", &config, &it.batch, 124 + tied);
        guarded_free_all();
    }
}

/* No word is predicted: what stands under the logits has no gradient. */
TEST(no_word_is_predicted)
{
    static const uint32_t lengths[] = {3, 2}, none[1] = {0};
    static long_batch it;
    bert_config config = family_config("tied_lm");
    bert_trainer *trainer = open_trainer(tiny_make(&config, TINY_F32, 33), NULL);
    fill_batch(&it, &config, lengths, 2, 34);
    it.batch.lm_tokens = none;
    float nothing[1];
    bert_outputs outputs = {{0}};
    outputs.data[BERT_OUTPUT_LM_LOGITS] = nothing;
    go_there_and_back(trainer, &it.batch, &outputs, &outputs);
    CHECK(!parameter_called(trainer, "lm.transform.weight")->has_gradient, "a transform has one");
    CHECK(!parameter_called(trainer, "lm.decoder.bias")->has_gradient, "a bias has one");
}

/* Of what is before the first token of a pooling only what others attend to. */
TEST(gradients_agree_with_differences_where_poolings_begin_later)
{
    static const uint32_t from[] = {2, 1};
    static const char *const names[] = {"all_poolings", "mean", "weighted_mean"};
    for (uint32_t i = 0; i < 3; i++) {
        bert_config config = family_config(names[i]);
        token_lists tokens = random_tokens(&config, 130 + i);
        bert_batch batch = batch_of(&tokens, 2, 2);
        batch.pool_from = from;
        check_all_directions(names[i], &config, &batch, 133 + i);
        guarded_free_all();
    }
}

/* The same where distances have tables, and beside the first layer there is a convolution. */
TEST(gradients_agree_with_differences_on_many_tokens_with_tables_of_distances)
{
    static const uint32_t lengths[] = {100, 1, 49, 20, 48};
    static long_batch it;
    bert_config config = family_config("shared_source");
    config.n_positions = 0;
    config.n_layers = 1;
    config.n_distances = 100;
    config.n_relative_rows = 150;
    convolve(&config, 5);
    fill_batch(&it, &config, lengths, 5, 6);
    check_all_directions("long", &config, &it.batch, 120);
}

/* ----------------------------------------------------------------------------- the same bits -- */

TEST(outputs_have_the_bits_of_the_encoder)
{
    FOR_EACH_FAMILY(member)
    {
        bert_config config = member->config();
        if (!is_trainable(&config))
            continue;
        tiny_model *tiny = tiny_make(&config, TINY_F32, 7);
        bert_trainer *trainer = open_trainer(tiny, NULL);
        token_lists tokens = random_tokens(&config, 8);
        bert_batch batch = batch_of(&tokens, 0, N_SEQUENCES);
        bert_outputs want = outputs_for(&config, &batch), got = outputs_for(&config, &batch);
        bert_session *session = tiny_session(bert_train_model(trainer), NULL);
        CHECK(bert_encode(session, &batch, &want, NULL) == BERT_OK, "%s", member->name);
        CHECK(bert_train_forward(trainer, &batch, &got, NULL) == BERT_OK, "%s", member->name);
        check_same(member->name, bert_train_model(trainer), &batch, &got, &want);
        guarded_free_all();
    }
}

static void *serve_trainer(void *trainer)
{
    bert_train_serve(trainer);
    return NULL;
}

/* Three steps, the last one's gradients kept: all that a trainer has, one after the other. */
static float *learn(const tiny_model *tiny, const bert_batch *batch, uint32_t n_threads,
                    uint32_t recomputes, size_t *count)
{
    pthread_t threads[MOST_HELPERS];
    bert_train_options options = {
        .max_tokens = 700, .n_threads = n_threads, .recomputes = recomputes};
    bert_trainer *trainer = open_trainer(tiny, &options);
    bert_outputs outputs = outputs_for(&tiny->config, batch);
    bert_outputs gradients = random_gradients(&tiny->config, batch, 3);
    for (uint32_t i = 0; i + 1 < n_threads; i++)
        pthread_create(&threads[i], NULL, serve_trainer, trainer);
    while (bert_train_threads(trainer) < n_threads)
        sched_yield();
    for (int step = 0; step < 3; step++) {
        go_there_and_back(trainer, batch, &outputs, &gradients);
        bert_train_clip(trainer, 5);
        if (step < 2)
            bert_train_step(trainer, &(bert_adamw){.learning_rate = 1e-3, .weight_decay = 0.1});
    }
    bert_train_stop(trainer);
    for (uint32_t i = 0; i + 1 < n_threads; i++)
        pthread_join(threads[i], NULL);
    *count = 0;
    for (uint32_t i = 0; i < bert_train_n_parameters(trainer); i++)
        *count += 4 * bert_train_parameter(trainer, i)->count;
    float *all = malloc(*count * sizeof *all), *at = all;
    for (uint32_t i = 0; i < bert_train_n_parameters(trainer); i++) {
        const bert_parameter *own = bert_train_parameter(trainer, i);
        const float *parts[] = {own->value, own->gradient, own->mean, own->square};
        for (int k = 0; k < 4; k++, at += own->count)
            memcpy(at, parts[k], own->count * sizeof *at);
    }
    return all;
}

static void check_bits(const char *name, const bert_config *config, const bert_batch *batch)
{
    tiny_model *tiny = tiny_make(config, TINY_F32, 21);
    size_t count, n;
    float *want = learn(tiny, batch, 1, 0, &count);
    for (uint32_t n_threads = 1; n_threads <= 3; n_threads++) {
        float *got = learn(tiny, batch, n_threads, n_threads != 2, &n);
        CHECK(n == count && memcmp(got, want, count * sizeof *got) == 0,
              "%s: other bits on %u threads", name, n_threads);
        free(got);
    }
    free(want);
    guarded_free_all();
}

TEST(any_number_of_threads_and_layers_computed_again_give_the_same_bits)
{
    static const uint32_t lengths[] = {100, 1, 49, 200, 48, 190}, few[] = {5, 1, 16};
    static const char *const names[] = {"mpnet",      "albert",       "padding_has_a_position",
                                        "untied_lm",  "all_poolings", "shared_source",
                                        "own_source", "deberta"};
    static long_batch it;
    for (uint32_t i = 0; i < 8; i++) {
        bert_config config = family_config(names[i]);
        config.n_positions = 240;
        config.n_distances = config.n_distances ? 200 : 0;
        config.n_token_labels = 4;
        fill_batch(&it, &config, lengths, 6, 30 + i);
        check_bits(names[i], &config, &it.batch);
        fill_batch(&it, &config, few, 3, 40 + i);
        check_bits(names[i], &config, &it.batch);
    }
}

/* ----------------------------------------------------------------------------------- kernels -- */

TEST(moves_at_odd_sizes)
{
    static const uint32_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 9, 12, 17, 33};
    uint32_t seed = 1;
    for (uint32_t i = 0; i < 11; i++)
        for (uint32_t j = 0; j < 11; j++) {
            uint32_t n = sizes[i], m = sizes[j], n_panels = BERT_PANELS(m);
            float *x = guarded_alloc(n * m * sizeof(float));
            float *turned = guarded_alloc(n * m * sizeof(float));
            float *panels = guarded_alloc(n_panels * n * BERT_PANEL * sizeof(float));
            for (uint32_t k = 0; k < n * m; k++)
                x[k] = random_uniform(&seed, -1, 1);
            dense_transpose(x, m, n, m, turned, n);
            dense_pack_rows(x, m, n, panels_all(m), m, panels);
            for (uint32_t r = 0; r < n; r++)
                for (uint32_t c = 0; c < n_panels * BERT_PANEL; c++) {
                    float got = panels[(c / BERT_PANEL * n + r) * BERT_PANEL + c % BERT_PANEL];
                    float want = c < m ? x[r * m + c] : 0;
                    CHECK(got == want, "%u x %u: panel [%u][%u]", n, m, r, c);
                    CHECK(c >= m || turned[c * n + r] == want, "%u x %u: [%u][%u]", n, m, r, c);
                }
            guarded_free_all();
        }
}

/* A trainer that has nothing but its own thread. */
static bert_trainer *bare_trainer(void)
{
    static bert_trainer trainer;
    trainer = (bert_trainer){.session = {.n_threads = 1}};
    pool_init(&trainer.session.pool, 1);
    return &trainer;
}

TEST(derivatives_of_activations)
{
    enum { N = 1237 };
    float *x = guarded_alloc(N * sizeof *x), *y = guarded_alloc(N * sizeof *y);
    for (int a = BERT_ACTIVATION_NONE; a < BERT_ACTIVATION_COUNT; a++) {
        bert_activation activation = (bert_activation)a;
        for (int i = 0; i < N; i++) {
            x[i] = ((float)i - 617.5f) / 50; /* not 0, where relu has none */
            y[i] = 3;
        }
        activation_backward(bare_trainer(), x, N, activation, y);
        for (int i = 0; i < N; i++) {
            double at = (double)x[i], h = 1e-5;
            double want =
                3 * (oracle_activate(at + h, activation) - oracle_activate(at - h, activation)) /
                (2 * h);
            CHECK(fabs((double)y[i] - want) <= 4e-6, "%s'(%g) is %.9g, expected %.9g",
                  names_of_activations[a], at, (double)y[i], want);
        }
        activation_forward(bare_trainer(), x, N, activation, y);
        for (int i = 0; i < N; i++)
            CHECK(fabs((double)y[i] - oracle_activate((double)x[i], activation)) <= 4e-6,
                  "%s(%g) is %.9g", names_of_activations[a], (double)x[i], (double)y[i]);
    }
}

/* Far from zero nothing is left of a curve but its ends. */
TEST(derivatives_of_activations_far_away)
{
    static const float ends[][2] = {
        [BERT_ACTIVATION_NONE] = {1, 1},      [BERT_ACTIVATION_GELU] = {0, 1},
        [BERT_ACTIVATION_GELU_TANH] = {0, 1}, [BERT_ACTIVATION_TANH] = {0, 0},
        [BERT_ACTIVATION_RELU] = {0, 1},      [BERT_ACTIVATION_SILU] = {0, 1}};
    for (int a = BERT_ACTIVATION_NONE; a < BERT_ACTIVATION_COUNT; a++) {
        float x[] = {-90, 90, -1e4f, 1e4f, -1e9f, 1e9f}, y[] = {1, 1, 1, 1, 1, 1};
        activation_backward(bare_trainer(), x, 6, (bert_activation)a, y);
        for (int i = 0; i < 6; i++)
            CHECK(fabsf(y[i] - ends[a][i % 2]) <= 1e-6f, "%s'(%g) is %g", names_of_activations[a],
                  (double)x[i], (double)y[i]);
    }
}

/* ------------------------------------------------------------------------------------ losses -- */

/* The loss in the plainest double. */
static double plain_loss(const double *z, uint32_t n_rows, uint32_t n_classes,
                         const int32_t *labels, const bert_loss_options *options)
{
    double sum = 0, weights = 0, smoothing = (double)options->smoothing;
    for (uint32_t r = 0; r < n_rows; r++, z += n_classes) {
        double total = 0;
        if (labels[r] == BERT_IGNORED_LABEL)
            continue;
        for (uint32_t c = 0; c < n_classes; c++)
            total += exp(z[c]);
        for (uint32_t c = 0; c < n_classes; c++) {
            double w = options->class_weights ? (double)options->class_weights[c] : 1;
            double share = (c == (uint32_t)labels[r] ? 1 - smoothing : 0) + smoothing / n_classes;
            sum -= w * share * (z[c] - log(total));
            weights += c == (uint32_t)labels[r] ? w : 0;
        }
    }
    return sum / (options->divisor > 0 ? (double)options->divisor : weights);
}

static void check_loss(uint32_t n_rows, uint32_t n_classes, const bert_loss_options *options,
                       uint32_t seed)
{
    size_t n = (size_t)n_rows * n_classes;
    float *z = guarded_alloc(n * sizeof *z), *gradient = guarded_alloc(n * sizeof *gradient), loss;
    int32_t *labels = guarded_alloc(n_rows * sizeof *labels);
    double *wide = malloc(n * sizeof *wide);
    for (size_t i = 0; i < n; i++)
        wide[i] = (double)(z[i] = random_uniform(&seed, -4, 4));
    for (uint32_t r = 0; r < n_rows; r++)
        labels[r] = r % 3 == 1 ? BERT_IGNORED_LABEL : (int32_t)(random_u32(&seed) % n_classes);
    bert_status status =
        bert_loss_cross_entropy(z, n_rows, n_classes, labels, options, &loss, gradient, NULL);
    double want = plain_loss(wide, n_rows, n_classes, labels, options);
    CHECK(status == BERT_OK && fabs((double)loss - want) <= 1e-6 * fmax(1, want),
          "%u x %u: the loss is %.9g, expected %.9g", n_rows, n_classes, (double)loss, want);
    for (size_t i = 0; i < n; i++) {
        double h = 1e-4, sides[2];
        for (int side = 0; side < 2; side++) {
            wide[i] = (double)z[i] + (side ? -h : h);
            sides[side] = plain_loss(wide, n_rows, n_classes, labels, options);
        }
        wide[i] = (double)z[i];
        CHECK(fabs((double)gradient[i] - (sides[0] - sides[1]) / (2 * h)) <= 1e-6,
              "%u x %u: derivative %zu is %.9g, expected %.9g", n_rows, n_classes, i,
              (double)gradient[i], (sides[0] - sides[1]) / (2 * h));
    }
    /* In place, too. */
    bert_loss_cross_entropy(z, n_rows, n_classes, labels, options, &loss, z, NULL);
    CHECK(memcmp(z, gradient, n * sizeof *z) == 0, "%u x %u: other bits in place", n_rows,
          n_classes);
    free(wide);
    guarded_free_all();
}

TEST(cross_entropy_agrees_with_differences)
{
    static const float weights[] = {0.5f, 2, 0, 1, 3, 0.25f, 1};
    static const uint32_t rows[] = {1, 2, 5, 9}, classes[] = {1, 2, 3, 7};
    for (uint32_t i = 0; i < 4; i++)
        for (uint32_t j = 0; j < 4; j++) {
            bert_loss_options plain = {0}, smooth = {.smoothing = 0.2f},
                              all = {weights, 0.1f, 4.5f};
            check_loss(rows[i], classes[j], &plain, 10 * i + j + 1);
            check_loss(rows[i], classes[j], &smooth, 10 * i + j + 2);
            check_loss(rows[i], classes[j], &all, 10 * i + j + 3);
        }
}

TEST(large_logits_do_not_overflow)
{
    float z[] = {500, -500, 90}, gradient[3], loss;
    int32_t label = 1;
    bert_loss_cross_entropy(z, 1, 3, &label, NULL, &loss, gradient, NULL);
    CHECK(fabsf(loss - 1000) < 1e-3f && gradient[0] == 1 && gradient[1] == -1 && gradient[2] == 0,
          "loss %g, derivatives %g %g %g", (double)loss, (double)gradient[0], (double)gradient[1],
          (double)gradient[2]);
}

/* ---------------------------------------------------------------------------------- learning -- */

/* A parameter as it should be, in double. */
typedef struct plain_parameter {
    double *p, *m, *v;
} plain_parameter;

static void plain_step(plain_parameter *own, const bert_parameter *is, const bert_adamw *adamw,
                       int t)
{
    double b1 = adamw->beta1, b2 = adamw->beta2, rate = adamw->learning_rate;
    for (size_t i = 0; i < is->count; i++) {
        double g = (double)is->gradient[i];
        own->p[i] -= is->is_decayed ? rate * adamw->weight_decay * own->p[i] : 0;
        own->m[i] = b1 * own->m[i] + (1 - b1) * g;
        own->v[i] = b2 * own->v[i] + (1 - b2) * g * g;
        own->p[i] -= rate * (own->m[i] / (1 - pow(b1, t))) /
                     (sqrt(own->v[i] / (1 - pow(b2, t))) + adamw->eps);
    }
}

/* Other words in every batch, so that rows come and go. */
TEST(adamw_moves_every_number_as_the_formula_says)
{
    static const uint32_t lengths[] = {3, 2};
    static long_batch it;
    bert_config config = tiny_config();
    config.n_token_labels = 2;
    config.lm_activation = BERT_ACTIVATION_GELU;
    config.lm_tied = 1;
    tiny_model *tiny = tiny_make(&config, TINY_F32, 12);
    bert_trainer *trainer = open_trainer(tiny, NULL);
    bert_adamw adamw = {0.01, 0.1, 0.8, 0.95, 1e-6};
    uint32_t n = bert_train_n_parameters(trainer);
    plain_parameter *plain = calloc(n, sizeof *plain);
    parameter_called(trainer, "pooler.weight")->is_trained = 0;
    parameter_called(trainer, "embeddings.norm.bias")->is_trained = 0;
    parameter_called(trainer, "embeddings.position.weight")->is_trained = 0;
    for (uint32_t i = 0; i < n; i++) {
        const bert_parameter *own = bert_train_parameter(trainer, i);
        plain[i] = (plain_parameter){calloc(own->count, sizeof(double)),
                                     calloc(own->count, sizeof(double)),
                                     calloc(own->count, sizeof(double))};
        for (size_t k = 0; k < own->count; k++)
            plain[i].p[k] = (double)own->value[k];
    }
    for (int step = 1; step <= 5; step++) {
        fill_batch(&it, &config, lengths, 2, 50 + (uint32_t)step);
        bert_outputs outputs = outputs_for(&config, &it.batch);
        bert_outputs gradients = random_gradients(&config, &it.batch, (uint32_t)step);
        gradients.data[BERT_OUTPUT_TOKEN_LOGITS] = NULL; /* its classifier has no gradient */
        go_there_and_back(trainer, &it.batch, &outputs, &gradients);
        for (uint32_t i = 0; i < n; i++)
            if (bert_train_parameter(trainer, i)->has_gradient)
                plain_step(&plain[i], bert_train_parameter(trainer, i), &adamw, step);
        bert_train_step(trainer, &adamw);
        for (uint32_t i = 0; i < n; i++) {
            const bert_parameter *own = bert_train_parameter(trainer, i);
            CHECK(!own->has_gradient, "%s has a gradient after a step", own->tensor.name);
            for (size_t k = 0; k < own->count; k++)
                CHECK(fabs((double)own->value[k] - plain[i].p[k]) <= 2e-6,
                      "step %d: %s [%zu] is %.9g, expected %.9g", step, own->tensor.name, k,
                      (double)own->value[k], plain[i].p[k]);
        }
    }
    CHECK(bert_train_n_steps(trainer) == 5, "%u steps", bert_train_n_steps(trainer));
    for (uint32_t i = 0; i < n; i++) {
        free(plain[i].p);
        free(plain[i].m);
        free(plain[i].v);
    }
    free(plain);
}

TEST(what_decays_by_default)
{
    bert_config config = family_config("mpnet");
    bert_trainer *trainer = open_trainer(tiny_make(&config, TINY_F32, 1), NULL);
    for (uint32_t i = 0; i < bert_train_n_parameters(trainer); i++) {
        const bert_parameter *own = bert_train_parameter(trainer, i);
        int is_spared = strstr(own->tensor.name, "bias") || strstr(own->tensor.name, "norm");
        CHECK(own->is_decayed == !is_spared && own->is_trained, "%s", own->tensor.name);
    }
}

TEST(clipping_scales_all_gradients_to_one_length)
{
    bert_config config = tiny_config();
    bert_trainer *trainer = open_trainer(tiny_make(&config, TINY_F32, 13), NULL);
    token_lists tokens = random_tokens(&config, 14);
    bert_batch batch = batch_of(&tokens, 0, N_SEQUENCES);
    bert_outputs outputs = outputs_for(&config, &batch);
    bert_outputs gradients = random_gradients(&config, &batch, 15);
    double sum = 0;
    go_there_and_back(trainer, &batch, &outputs, &gradients);
    for (uint32_t i = 0; i < bert_train_n_parameters(trainer); i++) {
        const bert_parameter *own = bert_train_parameter(trainer, i);
        for (size_t k = 0; k < own->count; k++)
            sum += (double)own->gradient[k] * (double)own->gradient[k];
    }
    float before = bert_train_clip(trainer, 1e6f), same = bert_train_clip(trainer, 0.5f);
    float after = bert_train_clip(trainer, 1e6f);
    CHECK(fabs((double)before - sqrt(sum)) <= 1e-5 * sqrt(sum), "length %.9g, expected %.9g",
          (double)before, sqrt(sum));
    CHECK(before == same, "a clip beyond the length changes it to %.9g", (double)same);
    CHECK(fabsf(after - 0.5f) <= 1e-5f, "after clipping it is %.9g", (double)after);
}

/* Biases of neighbouring distances that are the same stay the same, and move as one. */
TEST(distances_of_a_bucket_stay_the_same)
{
    bert_config config = family_config("mpnet");
    tiny_model *tiny = tiny_make(&config, TINY_F32, 17);
    uint32_t n = 2 * config.n_distances - 1;
    float *bias = (float *)tiny_tensor(tiny, "attention.bias")->data;
    for (uint32_t head = 0; head < config.n_heads; head++)
        for (uint32_t i = 1; i < n; i++)
            if (i % 3)
                bias[head * n + i] = bias[head * n + i - i % 3];
    bert_trainer *trainer = open_trainer(tiny, NULL);
    token_lists tokens = random_tokens(&config, 18);
    bert_batch batch = batch_of(&tokens, 0, N_SEQUENCES);
    bert_outputs outputs = outputs_for(&config, &batch);
    bert_outputs gradients = random_gradients(&config, &batch, 19);
    const bert_parameter *own = parameter_called(trainer, "attention.bias");
    go_there_and_back(trainer, &batch, &outputs, &gradients);
    for (uint32_t i = 0; i < own->count; i++)
        CHECK(i % n % 3 == 0 || own->gradient[i] == 0, "distance %u has a gradient", i % n);
    bert_train_step(trainer, &(bert_adamw){.learning_rate = 0.1});
    uint32_t n_moved = 0;
    for (uint32_t i = 0; i < own->count; i++) {
        CHECK(own->value[i] == own->value[i - i % n % 3], "distance %u is not as its bucket",
              i % n);
        n_moved += own->value[i] != bias[i];
    }
    CHECK(n_moved > own->count / 2, "%u of %zu biases have moved", n_moved, own->count);
}

TEST(gradients_add_up_until_a_step_or_are_forgotten)
{
    bert_config config = tiny_config();
    tiny_model *tiny = tiny_make(&config, TINY_F32, 23);
    bert_trainer *trainers[] = {open_trainer(tiny, NULL), open_trainer(tiny, NULL)};
    token_lists tokens = random_tokens(&config, 24);
    bert_batch whole = batch_of(&tokens, 1, 3);
    bert_outputs outputs = outputs_for(&config, &whole);
    bert_outputs gradients = random_gradients(&config, &whole, 25);
    gradients.data[BERT_OUTPUT_LAST_HIDDEN_STATE] = NULL;
    gradients.data[BERT_OUTPUT_POOLER_OUTPUT] = NULL;
    go_there_and_back(trainers[0], &whole, &outputs, &gradients);
    go_there_and_back(trainers[1], &whole, &outputs, &gradients);
    bert_train_forget(trainers[1]);
    for (uint32_t s = 0; s < 3; s++) {
        bert_batch part = batch_of(&tokens, 1 + s, 1);
        bert_outputs of_part = {{0}};
        of_part.data[BERT_OUTPUT_LOGITS] = gradients.data[BERT_OUTPUT_LOGITS] + s * config.n_labels;
        go_there_and_back(trainers[1], &part, &outputs, &of_part);
    }
    for (uint32_t i = 0; i < bert_train_n_parameters(trainers[0]); i++) {
        const bert_parameter *want = bert_train_parameter(trainers[0], i);
        const bert_parameter *got = bert_train_parameter(trainers[1], i);
        for (size_t k = 0; k < want->count; k++)
            CHECK(fabsf(got->gradient[k] - want->gradient[k]) <=
                      1e-5f * fmaxf(1, fabsf(want->gradient[k])),
                  "%s [%zu] is %.9g, expected %.9g", want->tensor.name, k, (double)got->gradient[k],
                  (double)want->gradient[k]);
    }
}

/* Values, moments and the number of steps are all that a training is. */
TEST(a_training_goes_on_elsewhere)
{
    static const uint32_t lengths[] = {4, 3};
    static long_batch it;
    bert_config config = tiny_config();
    tiny_model *tiny = tiny_make(&config, TINY_F32, 27);
    bert_trainer *one = open_trainer(tiny, NULL), *other = open_trainer(tiny, NULL);
    bert_adamw adamw = {.learning_rate = 0.01, .weight_decay = 0.1};
    for (uint32_t step = 0; step < 4; step++) {
        fill_batch(&it, &config, lengths, 2, 60 + step);
        bert_outputs outputs = outputs_for(&config, &it.batch);
        bert_outputs gradients = random_gradients(&config, &it.batch, step + 1);
        for (uint32_t i = 0; step == 2 && i < bert_train_n_parameters(one); i++) {
            const bert_parameter *from = bert_train_parameter(one, i);
            bert_parameter *to = bert_train_parameter(other, i);
            memcpy(to->value, from->value, from->count * sizeof(float));
            memcpy(to->mean, from->mean, from->count * sizeof(float));
            memcpy(to->square, from->square, from->count * sizeof(float));
        }
        if (step == 2)
            bert_train_set_n_steps(other, bert_train_n_steps(one));
        for (int k = 0; k < (step < 2 ? 1 : 2); k++) {
            go_there_and_back(k ? other : one, &it.batch, &outputs, &gradients);
            bert_train_step(k ? other : one, &adamw);
        }
    }
    for (uint32_t i = 0; i < bert_train_n_parameters(one); i++) {
        const bert_parameter *want = bert_train_parameter(one, i);
        CHECK(memcmp(bert_train_parameter(other, i)->value, want->value,
                     want->count * sizeof(float)) == 0,
              "%s has other bits", want->tensor.name);
    }
}

TEST(tensors_of_a_trainer_are_all_and_the_latest)
{
    static const uint32_t lengths[] = {4, 3};
    static long_batch it;
    bert_config config = tiny_config();
    tiny_model *tiny = tiny_make(&config, TINY_F32, 28);
    bert_trainer *trainer = open_trainer(tiny, NULL);
    bert_train_freeze(trainer, 1);
    fill_batch(&it, &config, lengths, 2, 70);
    bert_outputs outputs = outputs_for(&config, &it.batch);
    bert_outputs gradients = random_gradients(&config, &it.batch, 1);
    go_there_and_back(trainer, &it.batch, &outputs, &gradients);
    bert_train_step(trainer, &(bert_adamw){.learning_rate = 0.01});

    uint32_t n_tensors = 0;
    const bert_tensor *tensors = bert_train_tensors(trainer, &n_tensors);
    CHECK(n_tensors == tiny->n_tensors, "%u tensors, expected %zu", n_tensors, tiny->n_tensors);
    uint32_t n_found = 0;
    for (uint32_t i = 0; i < bert_train_n_parameters(trainer); i++) {
        const bert_parameter *trained = bert_train_parameter(trainer, i);
        for (uint32_t j = 0; j < n_tensors; j++) {
            if (strcmp(tensors[j].name, trained->tensor.name) != 0)
                continue;
            n_found++;
            CHECK(tensors[j].data == trained->value, "%s is not the latest", tensors[j].name);
        }
    }
    CHECK(n_found == bert_train_n_parameters(trainer), "%u parameters are tensors, expected %u",
          n_found, bert_train_n_parameters(trainer));
}

/* ---------------------------------------------------------------------------------- refusals -- */

static void expect(bert_status got, const bert_error *error, bert_status want, const char *subject)
{
    CHECK(got == want && error->status == want, "status %s, expected %s (%s)",
          bert_status_name(got), bert_status_name(want), subject);
    CHECK(strcmp(error->subject, subject) == 0, "subject '%s', expected '%s'", error->subject,
          subject);
}

TEST(models_that_cannot_be_are_refused_by_name)
{
    bert_error error = {0};
    size_t n_bytes;
    bert_config config = tiny_config();
    config.n_heads = 0;
    expect(bert_train_size(&config, NULL, &n_bytes, &error), &error, BERT_BAD_FIELD, "n_heads");
}

TEST(options_that_cannot_be_are_refused)
{
    bert_error error = {0};
    size_t n_bytes;
    bert_config config = tiny_config();
    bert_train_options threads = {.n_threads = BERT_MAX_THREADS + 1}, again = {.recomputes = 2},
                       tokens = {.max_sequence_tokens = 17};
    expect(bert_train_size(&config, &threads, &n_bytes, &error), &error, BERT_BAD_OPTION,
           "n_threads");
    expect(bert_train_size(&config, &again, &n_bytes, &error), &error, BERT_BAD_OPTION,
           "recomputes");
    expect(bert_train_size(&config, &tokens, &n_bytes, &error), &error, BERT_SEQUENCE_TOO_LONG,
           "max_sequence_tokens");
}

TEST(tensors_that_cannot_be_trained_are_refused)
{
    bert_error error = {0};
    size_t n_bytes = 0;
    bert_config config = tiny_config();
    bert_trainer *trainer;
    tiny_model *tiny = tiny_make(&config, TINY_F16, 3);
    bert_train_size(&config, NULL, &n_bytes, NULL);
    void *memory = guarded_alloc(n_bytes);
    expect(bert_train_open(&config, tiny->tensors, tiny->n_tensors, NULL, memory, n_bytes, &trainer,
                           &error),
           &error, BERT_BAD_DTYPE, "embeddings.word.weight");
    tiny = tiny_make(&config, TINY_F32, 3);
    expect(bert_train_open(&config, tiny->tensors, tiny->n_tensors - 1, NULL, memory, n_bytes,
                           &trainer, &error),
           &error, BERT_MISSING_TENSOR, "classifier.bias");
    expect(bert_train_open(&config, tiny->tensors, tiny->n_tensors, NULL, memory, n_bytes - 1,
                           &trainer, &error),
           &error, BERT_OUT_OF_MEMORY, "trainer");
}

/* The core does not read what tables of distances are made of: who trains checks it. */
TEST(what_tables_are_made_of_is_checked)
{
    static const char *const names[] = {"relative.embeddings.weight", "relative.norm.bias",
                                        "layers.1.attention.relative_key.projection.weight",
                                        "layers.0.attention.relative_query.projection.bias"};
    bert_error error = {0};
    bert_config config = tiny_config();
    bert_trainer *trainer;
    size_t n_bytes = 0;
    config.position_attention = BERT_POSITION_ATTENTION_C2P_P2C;
    config.n_distances = 20;
    config.n_relative_rows = 11;
    config.relative_source = BERT_RELATIVE_SOURCE_OWN;
    config.relative_norm = 1;
    tiny_model *tiny = tiny_make(&config, TINY_F32, 19);
    CHECK(bert_train_size(&config, NULL, &n_bytes, &error) == BERT_OK, "no size");
    void *memory = guarded_alloc(n_bytes);
#define EXPECT(status, name)                                                                       \
    expect(bert_train_open(&config, tiny->tensors, tiny->n_tensors, NULL, memory, n_bytes,         \
                           &trainer, &error),                                                      \
           &error, status, name);                                                                  \
    *tensor = whole
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bert_tensor *tensor = tiny_tensor(tiny, names[i]), whole = *tensor;
        tensor->shape[0]++;
        EXPECT(BERT_BAD_SHAPE, names[i]);
        tensor->rank++;
        EXPECT(BERT_BAD_SHAPE, names[i]);
        tensor->n_bytes -= 4;
        EXPECT(BERT_BAD_DATA, names[i]);
        tensor->data = NULL;
        EXPECT(BERT_BAD_DATA, names[i]);
        tensor->dtype = BERT_DTYPE_F16;
        EXPECT(BERT_UNKNOWN_TENSOR, names[i]);
        tensor->name = "relative.other";
        EXPECT(BERT_MISSING_TENSOR, names[i]);
    }
    bert_tensor *tensor = &tiny->tensors[tiny->n_tensors++], whole = {0};
    *tensor = *tiny_tensor(tiny, names[0]);
    tensor->name = "relative.other";
    EXPECT(BERT_UNKNOWN_TENSOR, "relative.other");
#undef EXPECT
}

TEST(batches_and_outputs_that_cannot_be_trained_are_refused)
{
    bert_error error = {0};
    bert_config config = tiny_config();
    bert_trainer *trainer = open_trainer(tiny_make(&config, TINY_F32, 4), NULL);
    token_lists tokens = random_tokens(&config, 5);
    bert_batch batch = batch_of(&tokens, 0, 2);
    bert_outputs outputs = outputs_for(&config, &batch), none = {{0}}, layers = {{0}};
    layers.data[BERT_OUTPUT_HIDDEN_STATES] = outputs.data[BERT_OUTPUT_LAST_HIDDEN_STATE];
    expect(bert_train_backward(trainer, &outputs, &error), &error, BERT_BAD_OPTION, "batch");
    expect(bert_train_forward(trainer, &batch, &layers, &error), &error, BERT_NO_SUCH_OUTPUT,
           "hidden_states");
    bert_outputs tokens_too = {{0}};
    tokens_too.data[BERT_OUTPUT_TOKEN_LOGITS] = outputs.data[BERT_OUTPUT_LOGITS];
    expect(bert_train_forward(trainer, &batch, &tokens_too, &error), &error, BERT_NO_SUCH_OUTPUT,
           "token_logits");
    CHECK(bert_train_forward(trainer, &batch, &none, &error) == BERT_OK, "no outputs");
    expect(bert_train_backward(trainer, &outputs, &error), &error, BERT_NO_SUCH_OUTPUT,
           "last_hidden_state");
    CHECK(bert_train_backward(trainer, &none, &error) == BERT_OK, "no gradients");
    expect(bert_train_backward(trainer, &none, &error), &error, BERT_BAD_OPTION, "batch");
    tokens.ids[0] = config.vocab_size;
    expect(bert_train_forward(trainer, &batch, &outputs, &error), &error, BERT_BAD_TOKEN_ID, "ids");
    expect(bert_train_backward(trainer, &none, &error), &error, BERT_BAD_OPTION, "batch");
    bert_batch empty = {0};
    CHECK(bert_train_forward(trainer, &empty, &none, &error) == BERT_OK &&
              bert_train_backward(trainer, &none, &error) == BERT_OK,
          "no sequences");
}

TEST(labels_and_losses_that_cannot_be_are_refused)
{
    static const float z[6] = {0}, negative[] = {1, 1, -1}, zeros[3] = {0};
    float gradient[6], loss;
    bert_error error = {0};
    int32_t too_large[] = {0, 3}, negatives[] = {-1, 0}, ignored[] = {-100, -100}, good[] = {0, 1};
    bert_loss_options weights = {.class_weights = negative}, smooth = {.smoothing = 1.5f},
                      divisor = {.divisor = NAN}, nothing = {.class_weights = zeros};
#define LOSS(labels, options)                                                                      \
    bert_loss_cross_entropy(z, 2, 3, labels, options, &loss, gradient, &error), &error
    expect(LOSS(too_large, NULL), BERT_BAD_OPTION, "labels");
    CHECK(error.value == 3 && error.limit == 3, "value %lld", (long long)error.value);
    expect(LOSS(negatives, NULL), BERT_BAD_OPTION, "labels");
    expect(LOSS(ignored, NULL), BERT_BAD_OPTION, "labels");
    expect(LOSS(good, &weights), BERT_BAD_OPTION, "class_weights");
    expect(LOSS(good, &smooth), BERT_BAD_OPTION, "smoothing");
    expect(LOSS(good, &divisor), BERT_BAD_OPTION, "divisor");
    expect(LOSS(good, &nothing), BERT_BAD_OPTION, "labels");
#undef LOSS
}

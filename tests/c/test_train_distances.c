/*
 * test_train_distances.c - kernels of the way back that know how far tokens are apart, attention
 * and the convolution, against the plainest C in double. test_train.c has whole models.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "families.h"
#include "harness.h"
#include "oracle.h"
#include "tiny_batch.h"
#include "tiny_model.h"
#include "train/trainer.h"

/* A trainer that has gone there with a batch of all kinds of sequences. */
typedef struct there {
    bert_config config;
    token_lists tokens;
    bert_batch batch;
    bert_trainer *trainer;
    const bert_model *model;
    uint32_t n_tokens;
} there;

static there *go_there(const bert_config *config, uint32_t seed)
{
    static there it;
    it = (there){.config = *config, .tokens = random_tokens(config, seed), .n_tokens = N_TOKENS};
    tiny_model *tiny = tiny_make(config, TINY_F32, seed);
    bert_outputs none = {{0}};
    bert_error error = {0};
    size_t n_bytes = 0;
    bert_train_size(config, NULL, &n_bytes, &error);
    int ok = bert_train_open(config, tiny->tensors, tiny->n_tensors, NULL, guarded_alloc(n_bytes),
                             n_bytes, &it.trainer, &error) == BERT_OK;
    CHECK(ok, "no trainer: %s (%s)", bert_status_text(error.status), error.subject);
    it.batch = batch_of(&it.tokens, 0, N_SEQUENCES);
    ok = ok && bert_train_forward(it.trainer, &it.batch, &none, &error) == BERT_OK;
    CHECK(ok, "%s (%s)", bert_status_text(error.status), error.subject);
    it.model = bert_train_model(it.trainer);
    return &it;
}

static void fill(float *x, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++)
        x[i] = random_uniform(&seed, -1, 1);
}

static double *zeros(size_t n)
{
    return calloc(n + 1, sizeof(double));
}

static void check_near(const char *name, const char *what, const float *got, const double *want,
                       size_t n)
{
    double largest = 0, furthest = 0;
    for (size_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs(want[i]));
        furthest = fmax(furthest, isfinite(got[i]) ? fabs((double)got[i] - want[i]) : INFINITY);
    }
    /* Sums of one row alone cancel out. */
    CHECK(furthest <= 4e-6 + 1e-5 * largest, "%s: %s is %.3g off, its largest is %.3g", name, what,
          furthest, largest);
}

/* --------------------------------------------------------------------------------- attention -- */

/* What attention_backward() is to give, [T, H] and as the tables or biases lie. */
typedef struct plain_attention {
    double *dquery, *dkey, *dvalue, *drelative_key, *drelative_query, *dbias;
} plain_attention;

/* One query of a head, whose columns begin at `column`. Tokens are those of the batch. */
static void plain_query(const there *it, const sequence_view *sequence, uint32_t q, uint32_t head,
                        const plain_attention *out)
{
    const bert_config *config = &it->config;
    const layer_trace *trace = it->trainer->layers;
    const layer_weights *layer = it->model->layers;
    const float *rk = layer->relative_key.rows, *rq = layer->relative_query.rows;
    int has_c2p = config_has_c2p(config), has_p2c = config_has_p2c(config);
    uint32_t hidden = config->hidden_size, dim = hidden / config->n_heads, column = head * dim;
    size_t query = (sequence->first + q) * (size_t)hidden + column;
    double scale = 1 / sqrt(dim * (1.0 + has_c2p + has_p2c)), p[N_TOKENS], total = 0, mean = 0;
    uint32_t distance[N_TOKENS];
    size_t key[N_TOKENS], row[N_TOKENS];
    for (uint32_t k = 0; k < sequence->n; k++) {
        key[k] = (sequence->first + k) * (size_t)hidden + column;
        distance[k] = config->n_distances - 1 + sequence_position(sequence, q) -
                      sequence_position(sequence, k);
        row[k] =
            config->n_relative_rows ? it->model->relative_rows[distance[k]] * hidden + column : 0;
        double score = 0;
        for (uint32_t i = 0; i < dim; i++) {
            double a = (double)trace->query[query + i], b = (double)trace->key[key[k] + i];
            score += a * b + (has_c2p ? a * (double)rk[row[k] + i] : 0) +
                     (has_p2c ? b * (double)rq[row[k] + i] : 0);
        }
        score *= scale;
        distance[k] = 2 * config->n_distances - 2 - distance[k]; /* of biases: key - query */
        if (it->model->attention_bias)
            score +=
                (double)
                    it->model->attention_bias[head * (2 * config->n_distances - 1) + distance[k]];
        p[k] = sequence_attends(sequence, k) ? exp(score) : 0;
        total += p[k];
    }
    for (uint32_t k = 0; k < sequence->n; k++) {
        p[k] /= total;
        for (uint32_t i = 0; i < dim; i++)
            mean +=
                p[k] * (double)it->trainer->dcontext[query + i] * (double)trace->value[key[k] + i];
    }
    for (uint32_t k = 0; k < sequence->n; k++) {
        double dp = 0;
        for (uint32_t i = 0; i < dim; i++) {
            double dcontext = (double)it->trainer->dcontext[query + i];
            dp += dcontext * (double)trace->value[key[k] + i];
            out->dvalue[key[k] + i] += p[k] * dcontext;
        }
        double ds = p[k] * (dp - mean), g = ds * scale;
        if (it->model->attention_bias)
            out->dbias[head * (2 * config->n_distances - 1) + distance[k]] += ds;
        for (uint32_t i = 0; i < dim; i++) {
            double a = (double)trace->query[query + i], b = (double)trace->key[key[k] + i];
            out->dquery[query + i] += g * (b + (has_c2p ? (double)rk[row[k] + i] : 0));
            out->dkey[key[k] + i] += g * (a + (has_p2c ? (double)rq[row[k] + i] : 0));
            if (has_c2p)
                out->drelative_key[row[k] + i] += g * a;
            if (has_p2c)
                out->drelative_query[row[k] + i] += g * b;
        }
    }
}

static void check_attention(const char *name, const bert_config *config, uint32_t seed)
{
    const there *it = go_there(config, seed);
    bert_trainer *trainer = it->trainer;
    const layer_weights *layer = it->model->layers;
    size_t n = (size_t)it->n_tokens * config->hidden_size;
    size_t n_table = (size_t)config->n_relative_rows * config->hidden_size;
    size_t n_bias = it->model->attention_bias ? config->n_heads * (2 * config->n_distances - 1) : 0;
    plain_attention want = {zeros(n),       zeros(n),       zeros(n),
                            zeros(n_table), zeros(n_table), zeros(n_bias)};
    int adds;
    fill(trainer->dcontext, n, seed);
    for (uint32_t s = 0, first = 0; s < N_SEQUENCES; first += it->batch.lengths[s++]) {
        sequence_view sequence = batch_sequence(&it->batch, s, first);
        for (uint32_t head = 0; head < config->n_heads; head++)
            for (uint32_t q = 0; q < sequence.n; q++)
                plain_query(it, &sequence, q, head, &want);
    }
    relative_begin_back(trainer);
    attention_backward(trainer, 0, trainer->layers);
    check_near(name, "d query", trainer->dquery, want.dquery, n);
    check_near(name, "d key", trainer->dkey, want.dkey, n);
    check_near(name, "d value", trainer->dvalue, want.dvalue, n);
    if (config_has_c2p(config))
        check_near(name, "d relative key",
                   parameters_gradient(trainer, layer->relative_key.rows, &adds),
                   want.drelative_key, n_table);
    if (config_has_p2c(config))
        check_near(name, "d relative query",
                   parameters_gradient(trainer, layer->relative_query.rows, &adds),
                   want.drelative_query, n_table);
    if (n_bias)
        check_near(name, "d bias", parameters_gradient(trainer, it->model->attention_bias, &adds),
                   want.dbias, n_bias);
    free(want.dquery), free(want.dkey), free(want.dvalue);
    free(want.drelative_key), free(want.drelative_query), free(want.dbias);
    guarded_free_all();
}

TEST(attention_with_distances_goes_back)
{
    static const char *const names[] = {"bias", "bias_with_gaps", "c2p",      "p2c",
                                        "both", "both_alone",     "few_rows", "no_positions"};
    static const uint32_t heads[] = {3, 1, 5, 7}, dims[] = {8, 5, 3, 11};
    for (uint32_t i = 0; i < 8; i++)
        for (uint32_t k = 0; k < 4; k++) {
            bert_config config = family_config(names[i]);
            config.n_heads = heads[k];
            config.hidden_size = config.embedding_size = heads[k] * dims[k];
            check_attention(names[i], &config, 10 * i + k + 1);
        }
}

/* ------------------------------------------------------------------------------- convolution -- */

/* d sum of a row before its norm: see core/train/norm.c. */
static void plain_norm(const float *x, const float *dy, uint32_t n, const float *weight, double eps,
                       double *dx)
{
    double mean = 0, variance = 0, g_mean = 0, gh_mean = 0;
    for (uint32_t i = 0; i < n; i++)
        mean += (double)x[i] / n;
    for (uint32_t i = 0; i < n; i++)
        variance += ((double)x[i] - mean) * ((double)x[i] - mean) / n;
    double inverse = 1 / sqrt(variance + eps);
    for (uint32_t i = 0; i < n; i++) {
        double g = (double)dy[i] * (double)weight[i];
        g_mean += g / n;
        gh_mean += g * ((double)x[i] - mean) * inverse / n;
    }
    for (uint32_t i = 0; i < n; i++)
        dx[i] = ((double)dy[i] * (double)weight[i] - g_mean -
                 ((double)x[i] - mean) * inverse * gh_mean) *
                inverse;
}

/* From d of a token's convolution, [H], before the activation: what its weights and the tokens that
 * it sees get. dweight: [conv_size H, H]. */
static void plain_window(const there *it, const sequence_view *sequence, uint32_t token,
                         const double *doutput, double *dweight, double *dstates)
{
    uint32_t hidden = it->config.hidden_size;
    const float *states = trainer_states(it->trainer, 0);
    for (uint32_t s = 0; s < sequence->n; s++) {
        uint32_t k = sequence_position(sequence, s) + it->config.conv_size / 2 -
                     sequence_position(sequence, token);
        if (k >= it->config.conv_size || !sequence_attends(sequence, s))
            continue;
        size_t at = (sequence->first + s) * (size_t)hidden;
        for (uint32_t i = 0; i < hidden; i++)
            for (uint32_t o = 0; o < hidden; o++) {
                uint32_t in = k * hidden + i;
                dweight[(size_t)in * hidden + o] += (double)states[at + i] * doutput[o];
                dstates[at + i] += doutput[o] * oracle_matrix(&it->model->conv, in, o);
            }
    }
}

static void check_conv(uint32_t size, bert_activation activation, uint32_t seed)
{
    bert_config config = family_config("conv_with_gaps");
    config.n_positions = 16 + 5 * size; /* gaps of several widths */
    config.conv_size = size;
    config.conv_activation = activation;
    config.hidden_size = config.embedding_size = 15;
    const there *it = go_there(&config, seed);
    bert_trainer *trainer = it->trainer;
    uint32_t hidden = config.hidden_size;
    size_t n = (size_t)it->n_tokens * hidden, n_weights = (size_t)size * hidden * hidden;
    double *dsum = zeros(n), *doutput = zeros(n), *dstates = zeros(n), *dweight = zeros(n_weights);
    double *dbias = zeros(hidden);
    float *got = guarded_alloc(n_weights * sizeof *got);
    int adds;
    fill(trainer->dstates, n, seed);
    for (uint32_t s = 0, first = 0; s < N_SEQUENCES; first += it->batch.lengths[s++]) {
        sequence_view sequence = batch_sequence(&it->batch, s, first);
        for (uint32_t t = 0; t < sequence.n; t++) {
            size_t at = (size_t)(first + t) * hidden;
            plain_norm(trainer->conv_sum + at, trainer->dstates + at, hidden,
                       it->model->conv_norm.weight, (double)config.layer_norm_eps, dsum + at);
            for (uint32_t i = 0; i < hidden && sequence_attends(&sequence, t); i++) {
                double x = (double)trainer->conv_output[at + i], h = 1e-5;
                doutput[at + i] =
                    dsum[at + i] / (2 * h) *
                    (oracle_activate(x + h, activation) - oracle_activate(x - h, activation));
                dbias[i] += doutput[at + i];
            }
            plain_window(it, &sequence, t, doutput + at, dweight, dstates);
        }
        for (uint32_t t = 0; t < sequence.n; t++)
            for (uint32_t i = 0; i < hidden; i++)
                if (sequence_attends(&sequence, t))
                    dstates[(first + t) * (size_t)hidden + i] +=
                        dsum[(first + t) * (size_t)hidden + i];
    }
    conv_backward(trainer, 1);
    const float *panels = parameters_gradient(trainer, it->model->conv.panels, &adds);
    for (size_t i = 0; i < n_weights; i++)
        got[i] = panels[(i % hidden / BERT_PANEL * size * hidden + i / hidden) * BERT_PANEL +
                        i % hidden % BERT_PANEL];
    check_near("convolution", "d h", trainer->dstates, dsum, n);
    check_near("convolution", "d weight", got, dweight, n_weights);
    check_near("convolution", "d bias", parameters_gradient(trainer, it->model->conv.bias, &adds),
               dbias, hidden);
    conv_embeddings_backward(trainer);
    check_near("convolution", "d embeddings", trainer->dstates, dstates, n);
    free(dsum), free(doutput), free(dstates), free(dweight), free(dbias);
    guarded_free_all();
}

TEST(convolutions_go_back)
{
    static const bert_activation activations[] = {BERT_ACTIVATION_NONE, BERT_ACTIVATION_GELU,
                                                  BERT_ACTIVATION_TANH, BERT_ACTIVATION_SILU};
    for (uint32_t i = 0; i < 4; i++)
        check_conv(2 * i + 1, activations[i], 40 + i);
}

/*
 * adamw.c - what gradients become: AdamW (Kingma & Ba 2014, "Adam", algorithm 1; Loshchilov &
 * Hutter 2017, algorithm 2), clipping by their common length (Pascanu et al. 2012, section 3.2).
 * At step t, for every number p with gradient g, in the order of torch.optim.AdamW:
 *
 *     p = p - rate decay p
 *     m = m + (1 - b1) (g - m)                v = b2 v + (1 - b2) g^2
 *     p = p - rate / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)
 *
 * where rate is the step's times the parameter's own scale.
 *
 * Rows of a table that no token has looked up have no moments yet: of them only the decay is left,
 * which is most of a vocabulary, for most trainings. The result is the same.
 */
#include <math.h>
#include <string.h>

#include "simd.h"
#include "trainer.h"

/* A parameter is dealt out in units: rows of a table, or PARAMETER_UNIT numbers. */
static uint32_t units_of(const parameter *own)
{
    return own->rows ? own->is.tensor.shape[0]
                     : (uint32_t)((own->is.count + PARAMETER_UNIT - 1) / PARAMETER_UNIT);
}

/* Numbers at .. at + n - 1 of a parameter. */
typedef struct numbers {
    size_t at;
    uint32_t n;
} numbers;

static numbers unit_at(const parameter *own, uint32_t unit)
{
    uint32_t n = own->rows ? own->is.tensor.shape[1] : PARAMETER_UNIT;
    size_t at = (size_t)unit * n, left = own->is.count - at;
    return (numbers){at, left < n ? (uint32_t)left : n};
}

/* Whether there may be a gradient. */
static int is_moving(const parameter *own, uint32_t unit)
{
    return !own->rows || own->rows[unit] == ROW_MOVING;
}

static int learns(const parameter *own)
{
    return own->is.is_trained && own->is.has_gradient;
}

/* The gradient is used up. */
static void forget(parameter *own)
{
    own->is.has_gradient = 0;
    for (uint32_t row = 0; own->rows && row < own->is.tensor.shape[0]; row++) {
        if (own->rows[row] != ROW_MOVING)
            continue;
        numbers unit = unit_at(own, row);
        memset(own->is.gradient + unit.at, 0, unit.n * sizeof(float));
        own->rows[row] = ROW_TOUCHED;
    }
}

void bert_train_forget(bert_trainer *trainer)
{
    for (uint32_t i = 0; i < trainer->n_parameters; i++)
        forget(&trainer->parameters[i]);
    trainer->n_passes = 0;
}

/* ---------------------------------------------------------------------------------- clipping -- */

typedef struct clip_phase {
    const parameter *own;
    double *sums; /* [units] */
    float factor;
} clip_phase;

static void add_squares(const thread_share *share, void *argument)
{
    const clip_phase *phase = argument;
    for (uint32_t unit = share->rows.first; unit < share->rows.end; unit++) {
        numbers own = unit_at(phase->own, unit);
        const float *gradient = phase->own->is.gradient + own.at;
        v128_t sum = wasm_f32x4_splat(0);
        for (uint32_t i = 0; is_moving(phase->own, unit) && i < own.n; i += 4) {
            v128_t g = simd_load_first(gradient + i, own.n - i, 0);
            sum = simd_madd(g, g, sum);
        }
        phase->sums[unit] = (double)simd_sum(sum);
    }
}

static void scale(const thread_share *share, void *argument)
{
    const clip_phase *phase = argument;
    for (uint32_t unit = share->rows.first; unit < share->rows.end; unit++)
        if (is_moving(phase->own, unit)) {
            numbers own = unit_at(phase->own, unit);
            ops_scale_rows(phase->own->is.gradient + own.at, 0, 1, own.n, &phase->factor);
        }
}

float bert_train_clip(bert_trainer *trainer, float max_norm)
{
    assert(trainer && max_norm > 0);
    bert_session *session = &trainer->session;
    double sum = 0;
    session->n_threads = pool_threads(&session->pool);
    for (uint32_t i = 0; i < trainer->n_parameters; i++) {
        clip_phase phase = {&trainer->parameters[i], trainer->partial_sums, 1};
        if (!learns(phase.own))
            continue;
        trainer_each_row(trainer, units_of(phase.own), add_squares, &phase);
        for (uint32_t unit = 0; unit < units_of(phase.own); unit++)
            sum += phase.sums[unit];
    }
    double norm = sqrt(sum), factor = (double)max_norm / (norm + 1e-6);
    for (uint32_t i = 0; i < trainer->n_parameters && factor < 1; i++) {
        clip_phase phase = {&trainer->parameters[i], NULL, (float)factor};
        if (learns(phase.own))
            trainer_each_row(trainer, units_of(phase.own), scale, &phase);
    }
    pool_rest(&session->pool);
    return (float)norm;
}

/* -------------------------------------------------------------------------------------- step -- */

typedef struct step_phase {
    parameter *own;
    float keeps;            /* 1 - rate decay */
    float new1, new2, old2; /* 1 - b1, 1 - b2, b2 */
    float size, root, eps;  /* rate / (1 - b1^t), 1 / sqrt(1 - b2^t) */
} step_phase;

static void decay(const step_phase *phase, numbers unit)
{
    ops_scale_rows(phase->own->is.value + unit.at, 0, 1, unit.n, &phase->keeps);
}

static void move(const step_phase *phase, numbers unit)
{
    const bert_parameter *is = &phase->own->is;
    const float *gradient = is->gradient + unit.at;
    float *value = is->value + unit.at, *mean = is->mean + unit.at, *square = is->square + unit.at;
    v128_t keeps = wasm_f32x4_splat(phase->keeps), eps = wasm_f32x4_splat(phase->eps);
    v128_t new1 = wasm_f32x4_splat(phase->new1), new2 = wasm_f32x4_splat(phase->new2);
    v128_t old2 = wasm_f32x4_splat(phase->old2), size = wasm_f32x4_splat(phase->size);
    v128_t root = wasm_f32x4_splat(phase->root);
    for (uint32_t i = 0; i < unit.n; i += 4) {
        uint32_t n = unit.n - i;
        v128_t g = simd_load_first(gradient + i, n, 0);
        v128_t m = simd_load_first(mean + i, n, 0);
        v128_t v = simd_load_first(square + i, n, 0);
        v128_t p = wasm_f32x4_mul(simd_load_first(value + i, n, 0), keeps);
        m = simd_madd(wasm_f32x4_sub(g, m), new1, m);
        v = simd_madd(wasm_f32x4_mul(g, g), new2, wasm_f32x4_mul(v, old2));
        v128_t below = simd_madd(wasm_f32x4_sqrt(v), root, eps);
        p = wasm_f32x4_sub(p, wasm_f32x4_mul(size, wasm_f32x4_div(m, below)));
        simd_store_first(mean + i, m, n);
        simd_store_first(square + i, v, n);
        simd_store_first(value + i, p, n);
    }
}

static void move_units(const thread_share *share, void *argument)
{
    const step_phase *phase = argument;
    for (uint32_t unit = share->rows.first; unit < share->rows.end; unit++) {
        numbers own = unit_at(phase->own, unit);
        if (!phase->own->rows || phase->own->rows[unit] != ROW_UNTOUCHED)
            move(phase, own);
        else if (phase->keeps < 1)
            decay(phase, own);
    }
}

/* All distances of a bucket are what its first is. */
static void follow_buckets(const bert_trainer *trainer, float *bias)
{
    const bert_config *config = &trainer->session.model->config;
    uint32_t n = 2 * config->n_distances - 1;
    for (uint32_t head = 0; head < config->n_heads; head++, bias += n)
        for (uint32_t i = 0; i < n; i++)
            bias[i] = bias[trainer->bias_first[i]];
}

/* base^exponent by squaring. */
static double power(double base, uint32_t exponent)
{
    double result = 1;
    for (; exponent; exponent >>= 1, base *= base)
        if (exponent & 1)
            result *= base;
    return result;
}

void bert_train_step(bert_trainer *trainer, const bert_adamw *adamw)
{
    assert(trainer && adamw && trainer->n_saved == 0);
    bert_session *session = &trainer->session;
    double beta1 = adamw->beta1 > 0 ? adamw->beta1 : 0.9;
    double beta2 = adamw->beta2 > 0 ? adamw->beta2 : 0.999;
    uint32_t t = ++trainer->n_steps;
    session->n_threads = pool_threads(&session->pool);
    for (uint32_t i = 0; i < trainer->n_parameters; i++) {
        double rate = adamw->learning_rate * (double)trainer->parameters[i].is.rate_scale;
        step_phase phase = {.own = &trainer->parameters[i],
                            .keeps = 1,
                            .new1 = (float)(1 - beta1),
                            .new2 = (float)(1 - beta2),
                            .old2 = (float)beta2,
                            .size = (float)(rate / (1 - power(beta1, t))),
                            .root = (float)(1 / sqrt(1 - power(beta2, t))),
                            .eps = (float)(adamw->eps > 0 ? adamw->eps : 1e-8)};
        if (!learns(phase.own))
            continue;
        if (phase.own->is.is_decayed)
            phase.keeps = (float)(1 - rate * adamw->weight_decay);
        trainer_each_row(trainer, units_of(phase.own), move_units, &phase);
        if (phase.own->is.value == session->model->attention_bias)
            follow_buckets(trainer, phase.own->is.value);
    }
    pool_rest(&session->pool);
    bert_train_forget(trainer);
    relative_forward(trainer);
}

uint32_t bert_train_n_steps(const bert_trainer *trainer)
{
    return trainer->n_steps;
}

/* Every row may have moments now, and every value another. */
void bert_train_set_n_steps(bert_trainer *trainer, uint32_t n_steps)
{
    trainer->n_steps = n_steps;
    trainer->n_passes = 0;
    for (uint32_t i = 0; i < trainer->n_parameters; i++) {
        const parameter *own = &trainer->parameters[i];
        for (uint32_t row = 0; own->rows && row < own->is.tensor.shape[0]; row++)
            if (own->rows[row] == ROW_UNTOUCHED)
                own->rows[row] = ROW_TOUCHED;
    }
    relative_forward(trainer);
}

/*
 * dropout.c - numbers that are left out at random (Srivastava et al. 2014, "Dropout", section 10:
 * those that are left are scaled in training, so that nothing is to be done afterwards):
 *
 *     y = x m / (1 - p)        d x = d y m / (1 - p)        m is 0 with probability p, else 1
 *
 * which is the same both ways. A mask is nowhere stored: it is drawn again (random.h) by the seed,
 * the step, how often there was a forward() since that, the layer and what is dropped there, the
 * row and the column.
 */
#include "random.h"
#include "trainer.h"

/* ------------------------------------------------------------------------------------- rates -- */

static float rate_at(const bert_dropout *dropout, dropout_site site)
{
    const float rates[N_DROPOUTS] = {[DROPOUT_EMBEDDINGS] = dropout->embeddings,
                                     [DROPOUT_ATTENTION] = dropout->attention,
                                     [DROPOUT_ATTENTION_OUTPUT] = dropout->attention_output,
                                     [DROPOUT_OUTPUT] = dropout->output,
                                     [DROPOUT_POOLER] = dropout->pooler,
                                     [DROPOUT_CLASSIFIER] = dropout->classifier};
    return rates[site];
}

bert_status bert_train_set_dropout(bert_trainer *trainer, const bert_dropout *dropout,
                                   bert_error *error)
{
    static const char *const names[N_DROPOUTS] = {"embeddings", "attention", "attention_output",
                                                  "output",     "pooler",    "classifier"};
    assert(trainer);
    bert_dropout rates = dropout ? *dropout : (bert_dropout){0};
    int drops = 0;
    for (int site = 0; site < N_DROPOUTS; site++) {
        float rate = rate_at(&rates, (dropout_site)site);
        if (!(rate >= 0 && rate < 1))
            return error_set(error, BERT_BAD_OPTION, names[site]);
        drops |= rate > 0;
    }
    trainer->dropout = rates;
    trainer->drops = drops;
    trainer->can_go_back = 0;
    return BERT_OK;
}

/* -------------------------------------------------------------------------------------- rows -- */

dropout_mask dropout_mask_at(const bert_trainer *trainer, dropout_site site, uint32_t layer)
{
    double rate = (double)rate_at(&trainer->dropout, site);
    return (dropout_mask){.seed = trainer->dropout.seed,
                          .pass = trainer->pass,
                          .step = trainer->n_steps,
                          .site = layer * N_DROPOUTS + (uint32_t)site,
                          .least = (uint32_t)(rate * 0x1p32),
                          .scale = (float)(1 / (1 - rate))};
}

void dropout_row(const dropout_mask *mask, uint32_t row, uint32_t n, const float *x, float *y)
{
    random_place place = {mask->seed, mask->pass, row, mask->site, mask->step};
    v128_t least = wasm_i32x4_splat((int32_t)mask->least), scale = wasm_f32x4_splat(mask->scale),
           words[4];
    for (uint32_t i = 0; i < n; i += 4) {
        if (i % RANDOM_LOT == 0)
            random_lot(&place, i / RANDOM_LOT, words);
        v128_t kept = wasm_u32x4_ge(words[i % RANDOM_LOT / 4], least);
        v128_t scaled = wasm_f32x4_mul(simd_load_first(x + i, n - i, 0), scale);
        simd_store_first(y + i, wasm_v128_and(scaled, kept), n - i);
    }
}

typedef struct dropout_phase {
    dropout_mask mask;
    const float *x;
    uint32_t n_columns;
    float *y;
} dropout_phase;

static void drop_rows(const thread_share *share, void *argument)
{
    const dropout_phase *phase = argument;
    for (uint32_t row = share->rows.first; row < share->rows.end; row++) {
        size_t at = (size_t)row * phase->n_columns;
        dropout_row(&phase->mask, row, phase->n_columns, phase->x + at, phase->y + at);
    }
}

const float *dropout_apply(bert_trainer *trainer, dropout_site site, uint32_t layer, const float *x,
                           uint32_t n_rows, uint32_t n_columns, float *y)
{
    if (!(rate_at(&trainer->dropout, site) > 0))
        return x;
    dropout_phase phase = {
        .mask = dropout_mask_at(trainer, site, layer), .x = x, .n_columns = n_columns, .y = y};
    trainer_each_row(trainer, n_rows, drop_rows, &phase);
    return y;
}

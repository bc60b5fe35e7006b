/*
 * lora.c - adapters of low rank (Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language
 * Models", section 4.1), there and back:
 *
 *     y = x W + b + s u B        u = x A        s = alpha / rank
 *
 *     d B = s u' dy        d u = s dy B'        d A = x' d u        d x = dy W' + d u A'
 *
 * u is not kept but computed again: of a product that is rank / n_out of the one beside it. W does
 * not change until adapters are merged, which is what a sum of products of A and B adds to it.
 */
#include <math.h>
#include <string.h>

#include "random.h"
#include "trainer.h"

/* The pass of the random numbers that A is drawn from: no forward() is ever that. */
#define DRAWS UINT32_MAX

bert_status lora_resolve(const bert_config *config, bert_lora *lora, bert_error *error)
{
    if (lora->targets == 0)
        lora->targets = BERT_LORA_QUERY | BERT_LORA_VALUE;
    if (lora->alpha == 0)
        lora->alpha = (float)lora->rank;
    if (lora->rank > config->hidden_size)
        return error_set_limit(error, BERT_BAD_OPTION, "rank", lora->rank, config->hidden_size);
    if (lora->targets > BERT_LORA_ALL)
        return error_set_limit(error, BERT_BAD_OPTION, "targets", lora->targets, BERT_LORA_ALL);
    if (!(lora->alpha >= 0 && lora->alpha < 1e9f))
        return error_set(error, BERT_BAD_OPTION, "alpha");
    return BERT_OK;
}

static uint32_t n_adapters(const bert_trainer *trainer)
{
    const bert_model *model = trainer->session.model;
    return trainer->adapters ? bert_config_n_stored_layers(&model->config) * N_ADAPTERS : 0;
}

const adapter *lora_of_layer(const bert_trainer *trainer, uint32_t layer)
{
    static const adapter none[N_ADAPTERS];
    const bert_config *config = &trainer->session.model->config;
    if (!trainer->adapters)
        return none;
    return &trainer->adapters[bert_config_stored_layer(config, layer) * N_ADAPTERS];
}

/* ----------------------------------------------------------------------------- the beginning -- */

/* Numbers of W's panels, those that fill the last one included. */
static size_t count_of(const matrix *w)
{
    return (size_t)BERT_PANELS(w->n_out) * w->n_in * BERT_PANEL;
}

static float *at(const matrix *w, uint32_t row, uint32_t column)
{
    return (float *)w->panels + ((size_t)column / BERT_PANEL * w->n_in + row) * BERT_PANEL +
           column % BERT_PANEL;
}

/* Row `row` of A: uniform within `bound`. */
static void draw_row(const matrix *a, const random_place *place, float bound)
{
    uint32_t numbers[RANDOM_LOT];
    for (uint32_t column = 0; column < a->n_out; column++) {
        if (column % RANDOM_LOT == 0) {
            v128_t words[4];
            random_lot(place, column / RANDOM_LOT, words);
            for (int i = 0; i < 4; i++)
                wasm_v128_store(numbers + 4 * i, words[i]);
        }
        float share = (float)(numbers[column % RANDOM_LOT] >> 8) * 0x1p-23f - 1;
        *at(a, place->row, column) = bound * share;
    }
}

void lora_begin(bert_trainer *trainer, uint32_t seed)
{
    for (uint32_t i = 0; i < n_adapters(trainer); i++) {
        const matrix *a = &trainer->adapters[i].a, *b = &trainer->adapters[i].b;
        if (!a->panels)
            continue;
        memset((float *)a->panels, 0, count_of(a) * sizeof(float));
        memset((float *)b->panels, 0, count_of(b) * sizeof(float));
        float bound = 1 / sqrtf((float)a->n_in);
        for (uint32_t row = 0; row < a->n_in; row++)
            draw_row(a, &(random_place){seed, DRAWS, row, i, 0}, bound);
    }
}

/* ---------------------------------------------------------------------------- there and back -- */

static void scale(const bert_trainer *trainer, size_t n, float *x)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= trainer->lora_scale;
}

/* trainer->low = s x A. */
static void go_low(bert_trainer *trainer, const float *x, uint32_t n_rows, const adapter *it)
{
    dense_forward(trainer, x, n_rows, &it->a, 0, trainer->low);
    scale(trainer, (size_t)n_rows * it->a.n_out, trainer->low);
}

void lora_forward(bert_trainer *trainer, const float *x, uint32_t n_rows, const adapter *it,
                  float *y)
{
    if (!it->a.panels)
        return;
    go_low(trainer, x, n_rows, it);
    dense_forward(trainer, trainer->low, n_rows, &it->b, 1, y);
}

void lora_backward(bert_trainer *trainer, const float *x, const float *dy, uint32_t n_rows,
                   const adapter *it, float *dx)
{
    if (!it->a.panels)
        return;
    go_low(trainer, x, n_rows, it);
    dense_weights_backward(trainer, trainer->low, dy, n_rows, &it->b);
    dense_inputs_backward(trainer, dy, n_rows, &it->b, 0, trainer->dlow);
    scale(trainer, (size_t)n_rows * it->a.n_out, trainer->dlow);
    dense_weights_backward(trainer, x, trainer->dlow, n_rows, &it->a);
    if (dx)
        dense_inputs_backward(trainer, trainer->dlow, n_rows, &it->a, 1, dx);
}

/* ------------------------------------------------------------------------------------ merged -- */

/* W += s A B, panel by panel: those of W and B are of the same columns. */
static void merge(const adapter *it, float factor, const matrix *w)
{
    uint32_t rank = it->a.n_out;
    for (uint32_t panel = 0; panel < BERT_PANELS(w->n_out); panel++) {
        const float *b = at(&it->b, 0, panel * BERT_PANEL);
        for (uint32_t row = 0; row < w->n_in; row++) {
            float sums[BERT_PANEL] = {0}, *to = at(w, row, panel * BERT_PANEL);
            for (uint32_t k = 0; k < rank; k++)
                for (uint32_t j = 0; j < BERT_PANEL; j++)
                    sums[j] += *at(&it->a, row, k) * b[k * BERT_PANEL + j];
            for (uint32_t j = 0; j < BERT_PANEL; j++)
                to[j] += factor * sums[j];
        }
    }
}

void bert_train_merge(bert_trainer *trainer)
{
    assert(trainer);
    for (uint32_t i = 0; i < n_adapters(trainer); i++) {
        const layer_weights *layer = &trainer->session.model->layers[i / N_ADAPTERS];
        const matrix *beside[N_ADAPTERS] = {
            [ADAPTER_QUERY] = &layer->query,
            [ADAPTER_KEY] = &layer->key,
            [ADAPTER_VALUE] = &layer->value,
            [ADAPTER_ATTENTION_OUTPUT] = &layer->attention_output,
            [ADAPTER_INTERMEDIATE] = &layer->intermediate,
            [ADAPTER_OUTPUT] = &layer->output,
        };
        const adapter *it = &trainer->adapters[i];
        if (!it->a.panels)
            continue;
        merge(it, trainer->lora_scale, beside[i % N_ADAPTERS]);
        memset((float *)it->b.panels, 0, count_of(&it->b) * sizeof(float));
    }
    relative_forward(trainer);
}

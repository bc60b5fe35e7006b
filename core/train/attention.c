/*
 * attention.c - scaled dot-product attention there and back, per sequence and head (Vaswani et al.
 * 2017, section 3.2.1):
 *
 *     S = Q K' / sqrt d        P = softmax(S)        C = P V
 *
 *     d V = P' dC      d P = dC V'      d S = P (d P - the sum over keys of P d P)
 *     d Q = d S K / sqrt d              d K = d S' Q / sqrt d
 *
 * where the sum over keys of P d P is that over columns of C dC, a row of d numbers instead of n
 * (Dao et al. 2022, FlashAttention, section 3.1 and appendix B). P is computed again on the way
 * back, QUERY_BLOCK rows of it at a time: memory is linear in the sequence's length, as in the
 * core. Of the seven products that takes one.
 *
 * With dropout C and d V are made of the dropped P, and d P is dropped too; that the sum is C dC is
 * as true (appendix B.4).
 *
 * What distances add to S is in attention_position.c.
 *
 * A head of a sequence writes columns and rows of its own, but for gradients of distances: with
 * those a head is one block, and its sequences follow each other. So every sum has one order.
 */
#include <math.h>
#include <string.h>

#include "attention.h"
#include "simd.h"

/* The keys and values that are attended to, one after the other. */
static void gather_keys(head_view *view)
{
    const attention_space *space = view->space;
    size_t hidden = hidden_of(view), row_bytes = view->dim * sizeof(float);
    view->n_keys = 0;
    for (uint32_t t = 0; t < view->sequence.n; t++) {
        if (!sequence_attends(&view->sequence, t))
            continue;
        size_t to = (size_t)view->n_keys * view->dim, from = view->at + t * hidden;
        memcpy(space->key + to, view->trace->key + from, row_bytes);
        memcpy(space->value + to, view->trace->value + from, row_bytes);
        view->n_keys++;
    }
}

/* x' as a matrix d -> n. x: [n_keys, d]. */
static void pack_columns(const head_view *view, const float *x, float *panels)
{
    row_table table = {view->n_keys, view->dim, BERT_DTYPE_F32, x, NULL};
    ops_table_panels(&table, (row_range){0, view->n_keys}, 0, view->dim, panels);
}

/* What scores are multiplied by: each sum in them has d products (He et al. 2020, DeBERTa, equation
 * 4). */
static float scale_of(const head_view *view)
{
    const bert_config *config = config_of(view);
    uint32_t n_sums = 1 + (uint32_t)(config_has_c2p(config) + config_has_p2c(config));
    return 1.0f / sqrtf((float)(view->dim * n_sums));
}

/* scores = exponentials of the queries of `rows`; inverse: 1 / their sums. In the order of
 * core/attention.c, so that the bits are the same. */
static void score(const head_view *view, row_range rows, float inverse[QUERY_BLOCK])
{
    const attention_space *space = view->space;
    size_t hidden = hidden_of(view);
    uint32_t n_rows = rows_count(rows), n_keys = view->n_keys;
    matrix keys = matrix_of(view, view->dim, n_keys, space->key_columns);
    product out = {.c = space->scores, .c_stride = n_keys};
    gemm_f32(view->trace->query + view->at + rows.first * hidden, hidden, n_rows, &keys,
             panels_all(n_keys), &out, NULL);
    if (knows_positions(view))
        attention_position_add(&view->terms, &view->trainer->session, view->positions, rows,
                               view->trace->query + view->at + rows.first * hidden, space->scores);
    ops_softmax(space->scores, n_keys, n_rows, n_keys, scale_of(view), inverse);
}

/* What dropout leaves of probabilities, or of their derivatives: x, [rows, n_keys]. */
static void drop(const head_view *view, row_range rows, float *x)
{
    uint32_t n_heads = config_of(view)->n_heads;
    for (uint32_t q = rows.first; view->mask && q < rows.end; q++, x += view->n_keys)
        dropout_row(view->mask, (view->sequence.first + q) * n_heads + view->head, view->n_keys, x,
                    x);
}

/* The next QUERY_BLOCK queries from `first` on, or what is left. */
static row_range queries_from(const head_view *view, uint32_t first)
{
    uint32_t left = view->sequence.n - first;
    return (row_range){first, first + (left < QUERY_BLOCK ? left : QUERY_BLOCK)};
}

/* ------------------------------------------------------------------------------------- there -- */

static void there(head_view *view)
{
    const attention_space *space = view->space;
    size_t hidden = hidden_of(view);
    gather_keys(view);
    pack_columns(view, space->key, space->key_columns);
    pack_rows(view, space->value, view->dim, view->n_keys, space->value_rows);
    position_open(view);
    matrix values = matrix_of(view, view->n_keys, view->dim, space->value_rows);
    for (uint32_t first = 0; first < view->sequence.n; first += QUERY_BLOCK) {
        row_range rows = queries_from(view, first);
        float inverse[QUERY_BLOCK];
        float *context = view->trace->context + view->at + first * hidden;
        product out = {.c = context, .c_stride = hidden};
        score(view, rows, inverse);
        drop(view, rows, space->scores);
        gemm_f32(space->scores, view->n_keys, rows_count(rows), &values, panels_all(view->dim),
                 &out, NULL);
        ops_scale_rows(context, hidden, rows_count(rows), view->dim, inverse);
    }
}

/* -------------------------------------------------------------------------------------- back -- */

static float dot(const float *x, const float *y, uint32_t n)
{
    v128_t sum = wasm_f32x4_splat(0);
    for (uint32_t i = 0; i < n; i += 4)
        sum = simd_madd(simd_load_first(x + i, n - i, 0), simd_load_first(y + i, n - i, 0), sum);
    return simd_sum(sum);
}

/* dscores, which are d P, become P (d P - C dC) of each row. */
static void derive_softmax(const head_view *view, row_range rows, const float *dcontext)
{
    const attention_space *space = view->space;
    size_t hidden = hidden_of(view);
    uint32_t n = view->n_keys;
    for (uint32_t r = 0; r < rows_count(rows); r++) {
        const float *context = view->trace->context + view->at + (rows.first + r) * hidden;
        const float *p = space->scores + (size_t)r * n;
        float *ds = space->dscores + (size_t)r * n;
        v128_t sum = wasm_f32x4_splat(dot(context, dcontext + r * hidden, view->dim));
        for (uint32_t i = 0; i < n; i += 4) {
            v128_t rest = wasm_f32x4_sub(simd_load_first(ds + i, n - i, 0), sum);
            simd_store_first(ds + i, wasm_f32x4_mul(rest, simd_load_first(p + i, n - i, 0)), n - i);
        }
    }
}

/* sums [n_keys, d] += x' y, for the rows of a block of queries. x: [rows, n_keys]; y as the matrix
 * rows -> d, in panels. */
static void add_across(const head_view *view, uint32_t n_rows, const float *x, const float *panels,
                       int adds, float *sums)
{
    float *across = view->space->across;
    matrix y = matrix_of(view, n_rows, view->dim, panels);
    product out = {.residual = adds ? sums : NULL, .c = sums, .c_stride = view->dim};
    dense_transpose(x, view->n_keys, n_rows, view->n_keys, across, n_rows);
    gemm_f32(across, n_rows, view->n_keys, &y, panels_all(view->dim), &out, NULL);
}

/* Rows of the keys go back to where they were; those of other tokens are zeros. */
static void scatter_keys(const head_view *view, const float *rows, float *to)
{
    size_t hidden = hidden_of(view), row_bytes = view->dim * sizeof(float);
    for (uint32_t t = 0, key = 0; t < view->sequence.n; t++) {
        float *row = to + view->at + t * hidden;
        if (sequence_attends(&view->sequence, t))
            memcpy(row, rows + (size_t)key++ * view->dim, row_bytes);
        else
            memset(row, 0, row_bytes);
    }
}

/* One block of queries: d Q of its rows, and its part of d K and d V. */
static void back_queries(const head_view *view, row_range rows)
{
    const bert_trainer *trainer = view->trainer;
    const attention_space *space = view->space;
    size_t hidden = hidden_of(view), at = view->at + rows.first * hidden;
    uint32_t n_rows = rows_count(rows), n_keys = view->n_keys;
    const float *dcontext = trainer->dcontext + at;
    float inverse[QUERY_BLOCK], scales[QUERY_BLOCK];
    matrix values = matrix_of(view, view->dim, n_keys, space->value_columns);
    matrix keys = matrix_of(view, n_keys, view->dim, space->key_rows);
    product dprobabilities = {.c = space->dscores, .c_stride = n_keys};
    product dquery = {.c = trainer->dquery + at, .c_stride = hidden};
    score(view, rows, inverse);
    ops_scale_rows(space->scores, n_keys, n_rows, n_keys, inverse);
    gemm_f32(dcontext, hidden, n_rows, &values, panels_all(n_keys), &dprobabilities, NULL);
    drop(view, rows, space->dscores);
    derive_softmax(view, rows, dcontext);
    drop(view, rows, space->scores);
    for (uint32_t r = 0; r < n_rows; r++)
        scales[r] = scale_of(view);
    ops_scale_rows(space->dscores, n_keys, n_rows, n_keys, scales);
    gemm_f32(space->dscores, n_keys, n_rows, &keys, panels_all(view->dim), &dquery, NULL);
    pack_rows(view, dcontext, hidden, n_rows, space->context_rows);
    pack_rows(view, view->trace->query + at, hidden, n_rows, space->query_rows);
    add_across(view, n_rows, space->scores, space->context_rows, rows.first > 0, space->dvalue);
    add_across(view, n_rows, space->dscores, space->query_rows, rows.first > 0, space->dkey);
    position_back_queries(view, rows);
}

static void back(head_view *view)
{
    const bert_trainer *trainer = view->trainer;
    const attention_space *space = view->space;
    gather_keys(view);
    pack_columns(view, space->key, space->key_columns);
    pack_columns(view, space->value, space->value_columns);
    pack_rows(view, space->key, view->dim, view->n_keys, space->key_rows);
    position_open_back(view);
    for (uint32_t first = 0; first < view->sequence.n; first += QUERY_BLOCK)
        back_queries(view, queries_from(view, first));
    position_back_keys(view);
    scatter_keys(view, space->dkey, trainer->dkey);
    scatter_keys(view, space->dvalue, trainer->dvalue);
}

/* --------------------------------------------------------------------------------------- all -- */

typedef struct attention_phase {
    bert_trainer *trainer;
    const layer_weights *layer;
    const layer_trace *trace;
    const dropout_mask *mask;
    void (*work)(head_view *view);
    uint32_t n_units, n_blocks;
} attention_phase;

/* Whether gradients are added up over the sequences of a head. */
static int is_by_heads(const bert_trainer *trainer)
{
    return trainer->session.model->config.position_attention != BERT_POSITION_ATTENTION_NONE;
}

/* The units are the heads of every sequence, the first of all sequences first; or heads. */
static void attend_block(void *argument, uint32_t block, uint32_t thread)
{
    const attention_phase *phase = argument;
    const bert_config *config = &phase->trainer->session.model->config;
    const bert_batch *batch = &phase->trainer->batch;
    uint32_t dim = config->hidden_size / config->n_heads;
    row_range units = share_block(phase->n_units, block, phase->n_blocks);
    for (uint32_t head = 0; head < config->n_heads; head++) {
        for (uint32_t s = 0, first = 0; s < batch->n_sequences; first += batch->lengths[s++]) {
            uint32_t unit = is_by_heads(phase->trainer) ? head : head * batch->n_sequences + s;
            if (unit < units.first || unit >= units.end)
                continue;
            head_view view = {.trainer = phase->trainer,
                              .layer = phase->layer,
                              .trace = phase->trace,
                              .space = &phase->trainer->attention[thread],
                              .positions = &phase->trainer->session.workspaces[thread],
                              .sequence = batch_sequence(batch, s, first),
                              .mask = phase->mask,
                              .head = head,
                              .dim = dim,
                              .at = (size_t)first * config->hidden_size + head * dim};
            phase->work(&view);
        }
    }
}

static void attend(bert_trainer *trainer, uint32_t index, const layer_trace *trace,
                   void (*work)(head_view *view))
{
    layer_weights layer = relative_adapted(trainer, index);
    dropout_mask mask = dropout_mask_at(trainer, DROPOUT_ATTENTION, index);
    attention_phase phase = {.trainer = trainer,
                             .layer = &layer,
                             .trace = trace,
                             .mask = trainer->dropout.attention > 0 ? &mask : NULL,
                             .work = work,
                             .n_units = trainer->session.model->config.n_heads};
    trainer->session.key = trace->key; /* where the core looks for it */
    if (!is_by_heads(trainer))
        phase.n_units *= trainer->batch.n_sequences;
    phase.n_blocks = share_blocks(&trainer->session, phase.n_units, 1);
    pool_run(&trainer->session.pool, phase.n_blocks, attend_block, &phase);
}

void attention_forward(bert_trainer *trainer, uint32_t index, const layer_trace *trace)
{
    attend(trainer, index, trace, there);
}

/* Gradients of distances are added to one after the other, layer by layer: biases and tables begin
 * with zeros. */
void attention_backward(bert_trainer *trainer, uint32_t index, const layer_trace *trace)
{
    const bert_model *model = trainer->session.model;
    const bert_config *config = &model->config;
    int adds = 0;
    trainer->dbias = parameters_gradient(trainer, model->attention_bias, &adds);
    if (trainer->dbias && !adds)
        memset(trainer->dbias, 0,
               (size_t)config->n_heads * (2 * config->n_distances - 1) * sizeof(float));
    relative_begin_layer(trainer, index);
    attend(trainer, index, trace, back);
    relative_end_layer(trainer, index);
    parameters_mark(trainer, model->attention_bias);
}

/*
 * attention.h - what attention.c and attention_position.c share: one head of one sequence, there
 * and back.
 */
#ifndef BERT_TRAIN_ATTENTION_H
#define BERT_TRAIN_ATTENTION_H

#include "trainer.h"

/* A head of a sequence, and where its keys are. */
typedef struct head_view {
    const bert_trainer *trainer;
    const layer_weights *layer;
    const layer_trace *trace;
    const attention_space *space;
    const dropout_mask *mask;   /* NULL: nothing is dropped */
    const workspace *positions; /* of the core: see attention_position_open() */
    position_terms terms;       /* with a position_attention */
    sequence_view sequence;
    uint32_t head, dim, n_keys;
    size_t at; /* of its first number in [T, H] */
} head_view;

static inline const bert_config *config_of(const head_view *view)
{
    return &view->trainer->session.model->config;
}

static inline uint32_t hidden_of(const head_view *view)
{
    return config_of(view)->hidden_size;
}

static inline matrix matrix_of(const head_view *view, uint32_t n_in, uint32_t n_out,
                               const float *panels)
{
    return (matrix){.n_in = n_in,
                    .n_out = n_out,
                    .is_exact = view->trainer->session.model->is_exact,
                    .panels = panels};
}

/* x as a matrix n_rows -> d. x: [n_rows, d]. */
static inline void pack_rows(const head_view *view, const float *x, size_t stride, uint32_t n_rows,
                             float *panels)
{
    dense_pack_rows(x, stride, n_rows, panels_all(view->dim), view->dim, panels);
}

static inline int knows_positions(const head_view *view)
{
    return config_of(view)->position_attention != BERT_POSITION_ATTENTION_NONE;
}

/* Before the first queries; with what is needed on the way back, or without. */
void position_open(head_view *view);
void position_open_back(head_view *view);

/* From d scores of some queries, space->dscores: what is added to d query and, of biases or of keys
 * of distances, to their gradients. */
void position_back_queries(const head_view *view, row_range queries);

/* After the last queries: what is added to space->dkey, and to the gradients of queries of
 * distances. */
void position_back_keys(const head_view *view);

#endif

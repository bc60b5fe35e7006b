/*
 * oracle.h - every operation again, in the plainest C and in double: what the kernels are held to.
 */
#ifndef ORACLE_H
#define ORACLE_H

#include "internal.h"

/* One number of a panel-packed matrix or of a table, as value = integer * scale where it is I8. */
double oracle_matrix(const matrix *w, uint32_t in, uint32_t out);
double oracle_table(const row_table *table, uint32_t row, uint32_t column);

/* 1: tables of distances are what their source makes of them, as it is now, in double. */
extern int oracle_makes_tables;
double oracle_f16(uint16_t bits);

double oracle_activate(double x, bert_activation activation);

/* x = x * factor, rounded to 128 levels between its least and its largest number. */
void oracle_quantise(double *x, uint32_t n, const float *factor, bert_integers integers);

/* y = x W + bias; x [n_in], y [n_out]. */
void oracle_dense(const double *x, const matrix *w, double *y);
void oracle_layer_norm(double *x, uint32_t n, const norm_weights *norm, double eps);
void oracle_softmax(double *x, uint32_t n);

/* The whole encoder for one sequence; every output as in bert.h, in double, with room for what the
 * model has. What may be NULL in a batch may be so here. */
typedef struct oracle_outputs {
    double *hidden_states;      /* [n_layers + 1, n, H] */
    double *attentions;         /* [n_layers, n_heads, n, n] */
    double *pooler_output;      /* [H] */
    double *logits;             /* [n_labels] */
    double *token_logits;       /* [n, n_token_labels] */
    double *lm_logits;          /* [n, vocab_size] */
    double *sentence_embedding; /* [embedding_dim], or [H] */
    /* What a layer, and then the heads, begin with instead of the layer's own result, so that a
     * number that is half way between two integers is not rounded apart and grows: like
     * hidden_states; NULL: nothing. */
    const double *given;
    uint32_t pool_from; /* the first token that the sentence embedding is made of */
} oracle_outputs;

void oracle_encode(const bert_model *model, uint32_t n, const uint32_t *ids,
                   const uint32_t *token_types, const uint32_t *positions, const uint8_t *attended,
                   const oracle_outputs *outputs);

#endif

/*
 * loss.h - what losses have in common. They compute in double, one row after the other: rows are
 * few beside what a model computes.
 */
#ifndef BERT_LOSS_H
#define BERT_LOSS_H

#include <math.h>

#include "internal.h"
#include "train.h"

/* -log of the sum of e^(scale z) of n numbers that are `stride` apart, so that adding scale z[c]
 * gives log p[c]. */
double loss_log_normaliser(const float *z, size_t stride, uint32_t n, double scale);

/* BAD_OPTION, "class_weights", "smoothing" or "divisor", if one is none. */
bert_status loss_check_options(const bert_loss_options *options, uint32_t n_classes,
                               bert_error *error);

/* BAD_OPTION, "divisor", if it is no number >= 0. */
bert_status loss_check_divisor(float divisor, bert_error *error);

#endif

/*
 * smooth.h - factors that move what is hard to quantise from activations into weights.
 */
#ifndef CONVERTER_SMOOTH_H
#define CONVERTER_SMOOTH_H

#include "read_bert.h"

/* Gives every matrix of a layer the factors of its inputs. read_bert_free() frees them. */
bool smooth_layers(bert_weights *weights, fault *fault);

#endif

/*
 * smooth.h - factors that move what is hard to quantise from activations into weights.
 */
#ifndef CONVERTER_SMOOTH_H
#define CONVERTER_SMOOTH_H

#include "quantise/calibrate.h"

/* Gives every matrix of a layer the factors of its inputs. `calibration` says how large these are;
 * where it is NULL, that is estimated from the weights before them. weights_free() frees the
 * factors; moments belong to the calibration, which must stay. */
bool smooth_layers(bert_weights *weights, const calibration_data *calibration, fault_text *fault);

#endif

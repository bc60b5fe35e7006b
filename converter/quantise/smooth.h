/*
 * smooth.h - factors that move what is hard to quantise from activations into weights.
 */
#ifndef CONVERTER_SMOOTH_H
#define CONVERTER_SMOOTH_H

#include "quantise/calibrate.h"
#include "weights/weights.h"

/* Gives every matrix of the layers in `calibration` the factors of its inputs: those with which
 * rounding to `integers` spoils the products of the rows that were seen least. weights_forget()
 * frees the factors; moments belong to the calibration, which must stay until then. */
bool smooth_layers(bert_weights *weights, bert_integers integers,
                   const calibration_data *calibration, fault_text *fault);

#endif

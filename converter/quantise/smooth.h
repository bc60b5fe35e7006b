/*
 * smooth.h - factors that move what is hard to quantise from activations into weights.
 */
#ifndef CONVERTER_SMOOTH_H
#define CONVERTER_SMOOTH_H

#include "quantise/calibrate.h"

/* Gives every matrix of a layer the factors of its inputs, which are as large as `calibration`
 * says, or, where that is NULL, as the weights before them let expect. read_bert_free() frees them;
 * moments are the calibration's, which must stay.
 */
bool smooth_layers(bert_weights *weights, const calibration_data *calibration, fault_text *fault);

#endif

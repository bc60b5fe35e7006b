/*
 * own_texts.h - fifty sentences that come with the converter, for those who give no texts.
 */
#ifndef CONVERTER_OWN_TEXTS_H
#define CONVERTER_OWN_TEXTS_H

#include "quantise/calibrate.h"

/* Runs the sentences through `model`, cut by the vocabulary of a tokenizer.json of `n_bytes`.
 * Where that knows nothing of them, or there is none: random ids, which say less. */
bool calibrate_own_texts(const native_model *model, const void *tokenizer, size_t n_bytes,
                         calibration_data *calibration, fault_text *fault);

#endif

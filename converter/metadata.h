/*
 * metadata.h - what a model file says of itself: docs/model-file.md.
 */
#ifndef CONVERTER_METADATA_H
#define CONVERTER_METADATA_H

#include <cjson/cJSON.h>

#include "conversion.h"
#include "source/model_dir.h"
#include "weights/weights.h"

/* All of __metadata__ but the reference and the chunks. */
cJSON *metadata_json(const bert_weights *weights, const model_dir *dir,
                     const convert_options *options, const file_hash *source);

#endif

/*
 * conversion.h - a model becomes a model file, in steps.
 *
 *     conversion *it = conversion_open(in, out, &options, &fault);
 *     bool ok = it != NULL;
 *     while (ok && !conversion_is_done(it))
 *         ok = conversion_step(it, &fault);
 *     conversion_close(it);
 *
 * Weights pass through memory a part at a time: the embeddings, each block of layers, the heads.
 * Between steps a caller may do something else, or stop; before each it may see to it that the
 * bytes that the step reads are at hand.
 */
#ifndef CONVERTER_CONVERSION_H
#define CONVERTER_CONVERSION_H

#include "files/fault.h"
#include "read/read.h"
#include "weights/pack.h"

typedef struct convert_options {
    pack_dtype dtype;
    const char *name, *revision; /* NULL: the folder's name; none */
    const char *base;            /* folder of the model that an adapter is for; NULL: none */
    const char *calibrate;       /* JSON Lines of tokenized texts for q8, q7 and q4; NULL: none */
    output_choice outputs;       /* of a graph; n 0: all that are an encoder's */
} convert_options;

typedef struct conversion conversion;

/*
 * Reads what the model is: an ONNX file, a safetensors file of transformers with its config.json,
 * or a folder that has one. What `options` point to must stay. NULL with a fault.
 */
conversion *conversion_open(const char *in, const char *out, const convert_options *options,
                            fault_text *fault);

/* One step. False with a fault: then there is nothing left but to close. */
bool conversion_step(conversion *it, fault_text *fault);
bool conversion_is_done(const conversion *it);

/* How many steps there are, and how many of them are done. */
void conversion_progress(const conversion *it, uint32_t *n_done, uint32_t *n_steps);

/*
 * Bytes of memory that the conversion will take, at most about so many:
 *
 *     (4 + s) (e + p) + 4 m + 50 MB, and 12 i^2 where texts calibrate q4
 *
 * e and p: numbers in the embeddings and in the largest part of the others, each in float32 and as
 * they are stored, in s bytes (0 for f32, which is not stored twice; 2 for f16, else 1); m: in the
 * largest matrix, while it is read; i: the intermediate size. Sessions, texts and graph are the
 * rest. 0 with a fault: not even that can be found.
 */
uint64_t conversion_memory(const conversion *it, fault_text *fault);

/* Bytes of a file that the next step reads. */
typedef struct file_need {
    const char *path;
    uint64_t offset, n_bytes;
} file_need;

/* How many there are; the first `most` of them in `needs`. Of an ONNX file all of it, until the
 * last weights have been read: where a graph needs which is not known before. Of safetensors the
 * tensors of the next part, each of them once. */
size_t conversion_needs(const conversion *it, file_need *needs, size_t most);

/* Frees it. Unless the last step is done, nothing is left at `out`; what was there stays. */
void conversion_close(conversion *it);

#endif

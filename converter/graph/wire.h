/*
 * wire.h - the wire format of an ONNX file, read without its large tensors.
 */
#ifndef CONVERTER_WIRE_H
#define CONVERTER_WIRE_H

#include "files/file.h"
#include "onnx.pb-c.h"

/* Bytes of a tensor that were left where they are. */
typedef struct wire_place {
    uint64_t field; /* of TensorProto: which of its lists of numbers it is, packed */
    uint64_t offset, n_bytes;
} wire_place;

/* The model without lists of numbers of more than a kilobyte; wire_places() finds those. NULL with
 * a fault; onnx__model_proto__free_unpacked() frees it. */
Onnx__ModelProto *wire_unpack(const range_file *file, fault_text *fault);

/* How many places a tensor has, and the first of them in *place. */
int wire_places(const Onnx__TensorProto *tensor, wire_place *place);

/* How many packed varints there are; false with a fault if the last is cut off. */
bool wire_count_varints(const range_file *file, uint64_t offset, uint64_t n_bytes, uint64_t *count,
                        fault_text *fault);

#endif

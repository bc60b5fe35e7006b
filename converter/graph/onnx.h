/*
 * onnx.h - an ONNX file: its graph as protobuf-c reads it, and its tensors, checked, where they
 * lie.
 */
#ifndef CONVERTER_ONNX_H
#define CONVERTER_ONNX_H

#include "files/stored.h"
#include "onnx.pb-c.h"

#define ONNX_MAX_EXTERNAL 64

/* A file beside the model's that has bytes of tensors. */
typedef struct onnx_external {
    char location[256]; /* as the model calls it */
    range_file file;
} onnx_external;

typedef struct onnx_model {
    range_file file;
    char directory[FILE_MAX_PATH]; /* where external data may lie */
    Onnx__ModelProto *proto;       /* without the bytes of large tensors: onnx_tensor_read() */
    onnx_external *external[ONNX_MAX_EXTERNAL];
    size_t n_external;
} onnx_model;

/* onnx_close() in any case. Files stay open until then. */
bool onnx_open(const char *path, onnx_model *model, fault_text *fault);
void onnx_close(onnx_model *model);

/* A tensor whose bytes are there and match its type and dimensions; they stay in the model. */
bool onnx_tensor_read(onnx_model *model, const Onnx__TensorProto *proto, stored_tensor *tensor,
                      fault_text *fault);

#endif

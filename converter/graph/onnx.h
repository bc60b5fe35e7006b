/*
 * onnx.h - an ONNX file: its graph as protobuf-c reads it, and its tensors, checked.
 */
#ifndef CONVERTER_ONNX_H
#define CONVERTER_ONNX_H

#include "files/fault.h"
#include "files/file.h"
#include "onnx.pb-c.h"

#define ONNX_MAX_RANK 8
#define ONNX_MAX_EXTERNAL 64

typedef struct onnx_model {
    mapped_file file;
    char directory[4096]; /* where external data may lie */
    Onnx__ModelProto *proto;
    struct {
        char location[256];
        mapped_file file;
    } external[ONNX_MAX_EXTERNAL];
    size_t n_external;
} onnx_model;

/* A tensor whose bytes are there and match its type and dimensions. */
typedef struct onnx_tensor {
    const char *name; /* "" for the value of a Constant */
    Onnx__TensorProto__DataType type;
    uint32_t rank;
    uint64_t dims[ONNX_MAX_RANK];
    uint64_t count;
    const void *data; /* little-endian, count elements */
    bool is_wide;     /* elements of a small type are stored as int32s (int32_data) */
} onnx_tensor;

bool onnx_open(const char *path, onnx_model *model, fault_text *fault);
void onnx_close(onnx_model *model);

bool onnx_tensor_read(onnx_model *model, const Onnx__TensorProto *proto, onnx_tensor *tensor,
                      fault_text *fault);

/* Element i of a floating tensor as float, of an integer tensor as int64. The caller asks
 * onnx_is_float() which of the two it is. */
bool onnx_is_float(const onnx_tensor *tensor);
bool onnx_is_integer(const onnx_tensor *tensor);
float onnx_float(const onnx_tensor *tensor, uint64_t i);
int64_t onnx_integer(const onnx_tensor *tensor, uint64_t i);

#endif

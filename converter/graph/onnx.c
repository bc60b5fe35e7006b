/*
 * onnx.c - see onnx.h. protobuf-c does the wire format; what it does not know is checked here:
 * that a tensor has as many bytes as its type and dimensions say, and that external data lies in
 * the model's own directory and inside its file.
 *
 * protobuf-c reads nested messages by recursion, without a limit: a few hundred thousand nested
 * subgraphs or types would overflow the stack. So nesting is measured first, without recursion.
 */
#include "graph/onnx.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------- wire format -- */

#define MAX_NESTING 64

/* Reads a varint at *at, which moves past it. */
static bool read_varint(const mapped_file *file, size_t *at, size_t end, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 64 && *at < end; shift += 7) {
        uint8_t byte = file->data[(*at)++];
        *value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return true;
    }
    return false;
}

/* The bytes that a field has after its key, by wire type; false if the message is shorter. */
static bool read_field_bytes(const mapped_file *file, size_t *at, size_t end, unsigned wire_type,
                             uint64_t *n_bytes)
{
    uint64_t number;
    *n_bytes = wire_type == 1 ? 8 : wire_type == 5 ? 4 : 0;
    if (wire_type == 0)
        return read_varint(file, at, end, &number);
    if (wire_type == 2 && !read_varint(file, at, end, n_bytes))
        return false;
    return wire_type != 3 && wire_type != 4 && wire_type < 6 && *n_bytes <= end - *at;
}

/* Whether messages are nested deeper than MAX_NESTING. What is malformed is left for protobuf-c to
 * find: it reads in the same order, and comes no further than this. */
static bool is_too_nested(const mapped_file *file)
{
    struct {
        size_t end;
        const ProtobufCMessageDescriptor *type;
    } open[MAX_NESTING] = {{file->n_bytes, &onnx__model_proto__descriptor}};
    size_t depth = 0, at = 0;
    for (;;) {
        while (at == open[depth].end)
            if (depth-- == 0)
                return false;
        uint64_t key, n_bytes;
        if (!read_varint(file, &at, open[depth].end, &key) ||
            !read_field_bytes(file, &at, open[depth].end, key & 7, &n_bytes))
            return false;
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(open[depth].type, (unsigned)(key >> 3));
        if ((key & 7) != 2 || !field || field->type != PROTOBUF_C_TYPE_MESSAGE) {
            at += n_bytes;
            continue;
        }
        if (++depth == MAX_NESTING)
            return true;
        open[depth].end = at + n_bytes;
        open[depth].type = field->descriptor;
    }
}

/*
 * Makes texts that the file leaves out empty, in this message and all within it: protobuf-c leaves
 * them NULL, and nearly all of them are read somewhere. False if memory is short.
 */
static bool fill_texts(ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        char *place = (char *)message + field->offset;
        bool is_list = field->label == PROTOBUF_C_LABEL_REPEATED;
        if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
            continue; /* another member may be there; none is read */
        if (field->type == PROTOBUF_C_TYPE_STRING && !is_list) {
            char **text = (char **)place;
            if (!*text && !(*text = calloc(1, 1)))
                return false;
        } else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
            ProtobufCMessage **list =
                is_list ? *(ProtobufCMessage ***)place : (ProtobufCMessage **)place;
            size_t n =
                is_list ? *(size_t *)((char *)message + field->quantifier_offset) : *list != NULL;
            for (size_t k = 0; k < n; k++)
                if (!fill_texts(list[k]))
                    return false;
        }
    }
    return true;
}

bool onnx_open(const char *path, onnx_model *model, fault_text *fault)
{
    memset(model, 0, sizeof *model);
    const char *slash = strrchr(path, '/');
    snprintf(model->directory, sizeof model->directory, "%.*s", slash ? (int)(slash - path + 1) : 2,
             slash ? path : "./");
    if (!file_open(path, &model->file, fault))
        return false;
    if (model->file.n_bytes == 0)
        return fault_set(fault, "%s: is empty", path);
    if (is_too_nested(&model->file))
        return fault_set(fault, "%s: subgraphs or types are nested %d messages deep or more", path,
                         MAX_NESTING);
    model->proto = onnx__model_proto__unpack(NULL, model->file.n_bytes, model->file.data);
    if (!model->proto)
        return fault_set(fault, "%s: is not an ONNX file, or is cut off (protobuf cannot read it)",
                         path);
    if (!fill_texts(&model->proto->base))
        return fault_set(fault, "%s: out of memory", path);
    if (!model->proto->graph || model->proto->graph->n_node == 0)
        return fault_set(fault, "%s: is not an ONNX model: it has no graph", path);
    /* Required by the format, and what exporters write last: without it the file is cut off. */
    if (model->proto->n_opset_import == 0)
        return fault_set(fault, "%s: names no operator set: it is cut off, or is not an ONNX model",
                         path);
    return true;
}

void onnx_close(onnx_model *model)
{
    if (model->proto)
        onnx__model_proto__free_unpacked(model->proto, NULL);
    for (size_t i = 0; i < model->n_external; i++)
        file_close(&model->external[i].file);
    file_close(&model->file);
    model->proto = NULL;
    model->n_external = 0;
}

/* ----------------------------------------------------------------------------------- tensors -- */

/* Types that the format has gained since the onnx.proto that is installed. */
enum { TYPE_UINT4 = 21, TYPE_INT4 = 22 };

static bool is_nibble(Onnx__TensorProto__DataType type)
{
    return (int)type == TYPE_UINT4 || (int)type == TYPE_INT4;
}

static size_t element_bytes(Onnx__TensorProto__DataType type)
{
    switch (type) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT32:
        return 4;
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT64:
    case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
        return 8;
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16:
    case ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16:
        return 2;
    case ONNX__TENSOR_PROTO__DATA_TYPE__UINT8:
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT8:
    case ONNX__TENSOR_PROTO__DATA_TYPE__BOOL:
        return 1;
    default:
        return 0;
    }
}

/* The mapped file of an external tensor, opened once. */
static const mapped_file *open_external(onnx_model *model, const char *location, const char *name,
                                        fault_text *fault)
{
    for (size_t i = 0; i < model->n_external; i++)
        if (strcmp(model->external[i].location, location) == 0)
            return &model->external[i].file;
    if (model->n_external == ONNX_MAX_EXTERNAL ||
        strlen(location) >= sizeof model->external->location) {
        fault_set(fault,
                  "tensor '%s': the model has more than %d external files, or the name of this one "
                  "is too long",
                  name, ONNX_MAX_EXTERNAL);
        return NULL;
    }
    char path[sizeof model->directory + sizeof model->external->location];
    char real_path[PATH_MAX], real_directory[PATH_MAX];
    snprintf(path, sizeof path, "%s%s", model->directory, location);
    if (location[0] == '/' || strstr(location, "..")) {
        fault_set(fault, "tensor '%s': external data '%s' is not inside the model's folder", name,
                  location);
        return NULL;
    }
    if (!realpath(path, real_path) || !realpath(model->directory, real_directory)) {
        fault_set(fault, "tensor '%s': external data '%s' is missing", name, path);
        return NULL;
    }
    size_t n = strlen(real_directory);
    if (strncmp(real_path, real_directory, n) != 0 || (n > 1 && real_path[n] != '/')) {
        fault_set(fault, "tensor '%s': external data '%s' is a link out of the model's folder",
                  name, location);
        return NULL;
    }
    mapped_file *file = &model->external[model->n_external].file;
    if (!file_open(path, file, fault))
        return NULL;
    strcpy(model->external[model->n_external++].location, location);
    return file;
}

static bool read_number(const char *text, uint64_t *number)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    *number = strtoull(text, &end, 10);
    return *end == '\0' && *number != ULLONG_MAX;
}

static bool read_external(onnx_model *model, const Onnx__TensorProto *proto, uint64_t n_bytes,
                          onnx_tensor *tensor, fault_text *fault)
{
    const char *location = NULL;
    uint64_t offset = 0, length = n_bytes;
    for (size_t i = 0; i < proto->n_external_data; i++) {
        const char *key = proto->external_data[i]->key, *value = proto->external_data[i]->value;
        bool ok = true;
        if (strcmp(key, "location") == 0)
            location = value;
        else if (strcmp(key, "offset") == 0)
            ok = read_number(value, &offset);
        else if (strcmp(key, "length") == 0)
            ok = read_number(value, &length);
        if (!ok)
            return fault_set(fault,
                             "tensor '%s': the %s '%s' of its external data is not a whole number",
                             tensor->name, key, value);
    }
    if (!location)
        return fault_set(fault, "tensor '%s': its external data has no location", tensor->name);
    const mapped_file *file = open_external(model, location, tensor->name, fault);
    if (!file)
        return false;
    if (length != n_bytes || offset > file->n_bytes || n_bytes > file->n_bytes - offset)
        return fault_set(fault,
                         "tensor '%s': external data '%s' has %zu bytes; %llu from byte %llu on "
                         "are needed, its length says %llu",
                         tensor->name, location, file->n_bytes, (unsigned long long)n_bytes,
                         (unsigned long long)offset, (unsigned long long)length);
    tensor->data = file->data + offset;
    return true;
}

bool onnx_tensor_read(onnx_model *model, const Onnx__TensorProto *proto, onnx_tensor *tensor,
                      fault_text *fault)
{
    *tensor = (onnx_tensor){
        .name = proto->name, .type = (Onnx__TensorProto__DataType)proto->data_type, .count = 1};
    size_t size = element_bytes(tensor->type);
    if (size == 0 && !is_nibble(tensor->type))
        return fault_set(fault, "tensor '%s': data type %d is not supported", tensor->name,
                         proto->data_type);
    if (proto->n_dims > ONNX_MAX_RANK)
        return fault_set(fault, "tensor '%s': %zu dimensions", tensor->name, proto->n_dims);
    tensor->rank = (uint32_t)proto->n_dims;
    for (uint32_t i = 0; i < tensor->rank; i++) {
        int64_t dim = proto->dims[i];
        if (dim < 0 || (dim > 0 && tensor->count > (UINT64_C(1) << 48) / (uint64_t)dim))
            return fault_set(fault, "tensor '%s': has a dimension of %lld", tensor->name,
                             (long long)dim);
        tensor->dims[i] = (uint64_t)dim;
        tensor->count *= (uint64_t)dim;
    }
    uint64_t n_bytes = is_nibble(tensor->type) ? (tensor->count + 1) / 2 : tensor->count * size;
    uint64_t given;
    if (proto->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL)
        return read_external(model, proto, n_bytes, tensor, fault);

    int n_lists = (proto->n_float_data > 0) + (proto->n_int32_data > 0) +
                  (proto->n_int64_data > 0) + (proto->n_double_data > 0) +
                  (proto->raw_data.len > 0) + (proto->n_string_data > 0);
    if (n_lists > 1)
        return fault_set(fault, "tensor '%s': has its data twice", tensor->name);
    if (proto->n_int32_data && is_nibble(tensor->type))
        return fault_set(fault, "tensor '%s': has numbers of 4 bits outside raw_data",
                         tensor->name);
    if (proto->n_int32_data && size < 4) {
        tensor->is_wide = true;
        tensor->data = proto->int32_data;
        given = proto->n_int32_data * size;
    } else if (proto->n_int32_data && tensor->type == ONNX__TENSOR_PROTO__DATA_TYPE__INT32) {
        tensor->data = proto->int32_data;
        given = proto->n_int32_data * 4;
    } else if (proto->n_float_data && tensor->type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT) {
        tensor->data = proto->float_data;
        given = proto->n_float_data * 4;
    } else if (proto->n_int64_data && tensor->type == ONNX__TENSOR_PROTO__DATA_TYPE__INT64) {
        tensor->data = proto->int64_data;
        given = proto->n_int64_data * 8;
    } else if (proto->n_double_data && tensor->type == ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE) {
        tensor->data = proto->double_data;
        given = proto->n_double_data * 8;
    } else {
        tensor->data = proto->raw_data.data;
        given = proto->raw_data.len;
    }
    if (given != n_bytes)
        return fault_set(fault, "tensor '%s': has %llu bytes of data, its dimensions need %llu",
                         tensor->name, (unsigned long long)given, (unsigned long long)n_bytes);
    return true;
}

bool onnx_is_float(const onnx_tensor *tensor)
{
    switch (tensor->type) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
    case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16:
    case ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16:
        return true;
    default:
        return false;
    }
}

bool onnx_is_integer(const onnx_tensor *tensor)
{
    return !onnx_is_float(tensor);
}

/* raw_data need not be aligned, so elements are copied out. */
#define ELEMENT(type, tensor, i)                                                                   \
    __extension__({                                                                                \
        type element;                                                                              \
        memcpy(&element, (const char *)(tensor)->data + (i) * sizeof element, sizeof element);     \
        element;                                                                                   \
    })

static uint16_t small_bits(const onnx_tensor *tensor, uint64_t i)
{
    return tensor->is_wide ? (uint16_t)ELEMENT(int32_t, tensor, i) : ELEMENT(uint16_t, tensor, i);
}

static float widen_f16(uint16_t bits)
{
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    float magnitude = exponent == 31  ? (fraction ? NAN : INFINITY)
                      : exponent == 0 ? ldexpf((float)fraction, -24)
                                      : ldexpf((float)(fraction + 1024), exponent - 25);
    return bits >> 15 ? -magnitude : magnitude;
}

float onnx_float(const onnx_tensor *tensor, uint64_t i)
{
    switch (tensor->type) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
        return ELEMENT(float, tensor, i);
    case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
        return (float)ELEMENT(double, tensor, i);
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16:
        return widen_f16(small_bits(tensor, i));
    default: { /* BFLOAT16 */
        uint32_t bits = (uint32_t)small_bits(tensor, i) << 16;
        float value;
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    }
}

int64_t onnx_integer(const onnx_tensor *tensor, uint64_t i)
{
    if (tensor->is_wide)
        return ELEMENT(int32_t, tensor, i);
    if (is_nibble(tensor->type)) { /* the low one of a byte first */
        int64_t nibble = ELEMENT(uint8_t, tensor, i / 2) >> i % 2 * 4 & 15;
        return (int)tensor->type == TYPE_INT4 && nibble > 7 ? nibble - 16 : nibble;
    }
    switch (tensor->type) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT64:
        return ELEMENT(int64_t, tensor, i);
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT32:
        return ELEMENT(int32_t, tensor, i);
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT8:
        return ELEMENT(int8_t, tensor, i);
    default: /* UINT8, BOOL */
        return ELEMENT(uint8_t, tensor, i);
    }
}

/*
 * onnx.c - see onnx.h. wire.c and protobuf-c do the wire format; what they do not know is checked
 * here: that a tensor has as many bytes as its type and dimensions say, and that external data lies
 * in the model's own directory and inside its file.
 */
#include "graph/onnx.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/wire.h"

/* ------------------------------------------------------------------------------------ opening -- */

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
    *model = (onnx_model){.file.handle = -1};
    const char *slash = strrchr(path, '/');
    snprintf(model->directory, sizeof model->directory, "%.*s", slash ? (int)(slash - path + 1) : 2,
             slash ? path : "./");
    if (!range_open(path, &model->file, fault))
        return false;
    if (model->file.n_bytes == 0)
        return fault_set(fault, "%s: is empty", path);
    model->proto = wire_unpack(&model->file, fault);
    if (!model->proto)
        return false;
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
    for (size_t i = 0; i < model->n_external; i++) {
        range_close(&model->external[i]->file);
        free(model->external[i]);
    }
    range_close(&model->file);
    model->proto = NULL;
    model->n_external = 0;
}

/* ----------------------------------------------------------------------------------- tensors -- */

/* The file of an external tensor, opened once. */
static const range_file *open_external(onnx_model *model, const char *location, const char *name,
                                       fault_text *fault)
{
    for (size_t i = 0; i < model->n_external; i++)
        if (strcmp(model->external[i]->location, location) == 0)
            return &model->external[i]->file;
    onnx_external *external = calloc(1, sizeof *external);
    if (!external || model->n_external == ONNX_MAX_EXTERNAL ||
        strlen(location) >= sizeof external->location) {
        fault_set(fault,
                  "tensor '%s': the model has more than %d external files, or the name of this one "
                  "is too long",
                  name, ONNX_MAX_EXTERNAL);
        free(external);
        return NULL;
    }
    /* It is closed with the model, whatever comes of it. */
    external->file.handle = -1;
    model->external[model->n_external++] = external;
    char path[FILE_MAX_PATH + sizeof external->location];
    char real_path[FILE_MAX_PATH], real_directory[FILE_MAX_PATH];
    snprintf(path, sizeof path, "%s%s", model->directory, location);
    if (location[0] == '/' || strstr(location, "..")) {
        fault_set(fault, "tensor '%s': external data '%s' is not inside the model's folder", name,
                  location);
        return NULL;
    }
    if (!file_real_path(path, real_path) || !file_real_path(model->directory, real_directory)) {
        fault_set(fault, "tensor '%s': external data '%s' is missing", name, path);
        return NULL;
    }
    size_t n = strlen(real_directory);
    if (strncmp(real_path, real_directory, n) != 0 ||
        (n > 1 && real_directory[n - 1] != '/' && real_path[n] != '/')) {
        fault_set(fault, "tensor '%s': external data '%s' is a link out of the model's folder",
                  name, location);
        return NULL;
    }
    if (!range_open(path, &external->file, fault))
        return NULL;
    strcpy(external->location, location);
    return &external->file;
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
                          stored_tensor *tensor, fault_text *fault)
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
    const range_file *file = open_external(model, location, tensor->name, fault);
    if (!file)
        return false;
    if (length != n_bytes || offset > file->n_bytes || n_bytes > file->n_bytes - offset)
        return fault_set(fault,
                         "tensor '%s': external data '%s' has %llu bytes; %llu from byte %llu on "
                         "are needed, its length says %llu",
                         tensor->name, location, (unsigned long long)file->n_bytes,
                         (unsigned long long)n_bytes, (unsigned long long)offset,
                         (unsigned long long)length);
    tensor->file = file;
    tensor->offset = offset;
    tensor->n_bytes = n_bytes;
    return true;
}

static bool is_nibble(stored_type type)
{
    return type == STORED_U4 || type == STORED_I4;
}

/* Bytes that were left in the file; *given is how many they would be one after another. */
static bool read_place(const onnx_model *model, const wire_place *place, stored_tensor *tensor,
                       uint64_t *given, fault_text *fault)
{
    stored_type type = tensor->type;
    uint64_t size = stored_bytes(type, 1), n_varints;
    tensor->file = &model->file;
    tensor->offset = place->offset;
    tensor->n_bytes = *given = place->n_bytes;
    switch (place->field) {
    case 9: /* raw_data */
        return true;
    case 4:  /* float_data */
    case 10: /* double_data */
        if (type != (place->field == 4 ? STORED_F32 : STORED_F64))
            *given = 0;
        return true;
    case 5: /* int32_data */
    case 7: /* int64_data */
        tensor->form = STORED_VARINTS;
        if (!wire_count_varints(&model->file, place->offset, place->n_bytes, &n_varints, fault))
            return false;
        *given = (place->field == 7 ? type == STORED_I64 : size < 4 || type == STORED_I32)
                     ? n_varints * size
                     : 0;
        return true;
    default:
        *given = 0;
        return true;
    }
}

/* Bytes that protobuf-c has read. */
static void read_lists(const Onnx__TensorProto *proto, stored_tensor *tensor, uint64_t *given)
{
    uint64_t size = stored_bytes(tensor->type, 1);
    tensor->data = proto->raw_data.data;
    *given = proto->raw_data.len;
    if (proto->n_int32_data && (size < 4 || tensor->type == STORED_I32)) {
        tensor->form = STORED_WIDE;
        tensor->data = proto->int32_data;
        *given = proto->n_int32_data * size;
    } else if (proto->n_float_data && tensor->type == STORED_F32) {
        tensor->data = proto->float_data;
        *given = proto->n_float_data * size;
    } else if (proto->n_int64_data && tensor->type == STORED_I64) {
        tensor->data = proto->int64_data;
        *given = proto->n_int64_data * size;
    } else if (proto->n_double_data && tensor->type == STORED_F64) {
        tensor->data = proto->double_data;
        *given = proto->n_double_data * size;
    }
}

bool onnx_tensor_read(onnx_model *model, const Onnx__TensorProto *proto, stored_tensor *tensor,
                      fault_text *fault)
{
    *tensor =
        (stored_tensor){.name = proto->name, .type = (stored_type)proto->data_type, .count = 1};
    if (stored_bytes(tensor->type, 1) == 0)
        return fault_set(fault, "tensor '%s': data type %d is not supported", tensor->name,
                         proto->data_type);
    if (proto->n_dims > STORED_MAX_RANK)
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
    uint64_t n_bytes = stored_bytes(tensor->type, tensor->count), given;
    if (proto->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL)
        return read_external(model, proto, n_bytes, tensor, fault);

    wire_place place;
    int n_places = wire_places(proto, &place);
    int n_lists = (proto->n_float_data > 0) + (proto->n_int32_data > 0) +
                  (proto->n_int64_data > 0) + (proto->n_double_data > 0) +
                  (proto->raw_data.len > 0) + (proto->n_string_data > 0) + n_places;
    if (n_lists > 1)
        return fault_set(fault, "tensor '%s': has its data twice", tensor->name);
    if ((proto->n_int32_data || (n_places && place.field == 5)) && is_nibble(tensor->type))
        return fault_set(fault, "tensor '%s': has numbers of 4 bits outside raw_data",
                         tensor->name);
    if (n_places == 0)
        read_lists(proto, tensor, &given);
    else if (!read_place(model, &place, tensor, &given, fault))
        return false;
    if (given != n_bytes)
        return fault_set(fault, "tensor '%s': has %llu bytes of data, its dimensions need %llu",
                         tensor->name, (unsigned long long)given, (unsigned long long)n_bytes);
    return true;
}

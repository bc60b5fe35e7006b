/*
 * wire.c - see wire.h. protobuf-c does the reading, but it wants a message in memory and copies
 * every byte of it, and weights are nearly all that a model has. So the file is gone through once,
 * and a small message is written of it, in which weights are replaced by the places where they lie:
 * a field that the format does not have, which protobuf-c keeps as it is.
 *
 * protobuf-c reads nested messages by recursion, without a limit: a few hundred thousand nested
 * subgraphs or types would overflow the stack. So nesting is limited here, where there is none.
 */
#include "graph/wire.h"

#include <stdlib.h>
#include <string.h>

#define MAX_NESTING 64

/* Lists of numbers up to this size go the usual way. */
#define MOST_KEPT_BYTES 1024

/* Of the fields that have places. TensorProto has no such number. */
#define PLACE_FIELD 1000

/* A length is written when the message that it is of is whole: as a varint of this size always. */
#define LENGTH_BYTES 5

/* Bytes of the file that are in memory at a time. */
#define WINDOW_BYTES 65536

typedef struct wire_scan {
    const range_file *file;
    fault_text *fault;
    uint64_t at; /* in the file */
    uint8_t *window;
    uint64_t window_start;
    size_t window_bytes;
    uint8_t *small; /* the message without large lists */
    size_t n_small, capacity;
} wire_scan;

/* What protobuf-c would say, too. */
static bool refuse(const wire_scan *scan)
{
    return fault_set(scan->fault,
                     "%s: is not an ONNX file, or is cut off (protobuf cannot read it)",
                     scan->file->path);
}

/* ----------------------------------------------------------------------------------- reading -- */

/* The next byte, which is in the file. */
static bool next_byte(wire_scan *scan, uint8_t *byte)
{
    if (scan->at - scan->window_start >= scan->window_bytes) {
        uint64_t left = scan->file->n_bytes - scan->at;
        scan->window_start = scan->at;
        scan->window_bytes = left < WINDOW_BYTES ? (size_t)left : WINDOW_BYTES;
        if (!range_read(scan->file, scan->at, scan->window_bytes, scan->window, scan->fault))
            return false;
    }
    *byte = scan->window[scan->at++ - scan->window_start];
    return true;
}

static bool read_varint(wire_scan *scan, uint64_t end, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 64 && scan->at < end; shift += 7) {
        uint8_t byte;
        if (!next_byte(scan, &byte))
            return false;
        *value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return true;
    }
    return refuse(scan);
}

/* The bytes that a field has after its key, by wire type; of a list or message, after its length.
 */
static bool read_field_bytes(wire_scan *scan, uint64_t end, unsigned wire_type, uint64_t *n_bytes)
{
    *n_bytes = wire_type == 1 ? 8 : wire_type == 5 ? 4 : 0;
    if (wire_type == 0) {
        uint64_t start = scan->at, number;
        if (!read_varint(scan, end, &number))
            return false;
        *n_bytes = scan->at - start;
        scan->at = start;
    }
    if (wire_type == 2 && !read_varint(scan, end, n_bytes))
        return false;
    bool is_known = wire_type != 3 && wire_type != 4 && wire_type < 6;
    return (is_known && *n_bytes <= end - scan->at) || refuse(scan);
}

/* ----------------------------------------------------------------------------------- writing -- */

/* Room for `n` more bytes, or NULL. */
static uint8_t *extend(wire_scan *scan, uint64_t n)
{
    if (n > scan->capacity - scan->n_small) {
        size_t wanted = 2 * scan->capacity + 4096;
        bool fits = n < SIZE_MAX / 2 - wanted;
        uint8_t *grown = fits ? realloc(scan->small, wanted + (size_t)n) : NULL;
        if (!grown) {
            fault_set(scan->fault, "%s: out of memory", scan->file->path);
            return NULL;
        }
        scan->small = grown;
        scan->capacity = wanted + (size_t)n;
    }
    uint8_t *start = scan->small + scan->n_small;
    scan->n_small += (size_t)n;
    return start;
}

/* A varint of exactly `n` bytes. */
static void put_varint(uint8_t *to, uint64_t value, int n)
{
    for (int i = 0; i < n; i++, value >>= 7)
        to[i] = (uint8_t)((value & 127) | (i < n - 1 ? 128 : 0));
}

static bool write_varint(wire_scan *scan, uint64_t value)
{
    int n = 1;
    while (n < 10 && value >> 7 * n)
        n++;
    uint8_t *to = extend(scan, (uint64_t)n);
    if (to)
        put_varint(to, value, n);
    return to;
}

static bool copy_bytes(wire_scan *scan, uint64_t n)
{
    uint8_t *to = extend(scan, n);
    for (uint64_t i = 0; to && i < n; i++)
        if (!next_byte(scan, to + i))
            return false;
    return to;
}

static bool write_place(wire_scan *scan, uint64_t field, uint64_t n_bytes)
{
    wire_place place = {field, scan->at, n_bytes};
    uint8_t *to;
    if (!write_varint(scan, PLACE_FIELD << 3 | 2) || !write_varint(scan, sizeof place) ||
        !(to = extend(scan, sizeof place)))
        return false;
    memcpy(to, &place, sizeof place);
    scan->at += n_bytes;
    return true;
}

/* ------------------------------------------------------------------------------------ all of it -- */

/* Whether the field is a tensor's list of numbers. */
static bool is_numbers(const ProtobufCMessageDescriptor *type,
                       const ProtobufCFieldDescriptor *field)
{
    return type == &onnx__tensor_proto__descriptor &&
           (field->type == PROTOBUF_C_TYPE_BYTES ||
            (field->label == PROTOBUF_C_LABEL_REPEATED && field->type != PROTOBUF_C_TYPE_MESSAGE &&
             strcmp(field->name, "dims") != 0));
}

static bool scan_message(wire_scan *scan)
{
    struct {
        uint64_t end;
        const ProtobufCMessageDescriptor *type;
        size_t start; /* in the small message, after its length */
    } open[MAX_NESTING] = {{scan->file->n_bytes, &onnx__model_proto__descriptor, 0}};
    size_t depth = 0;
    for (;;) {
        while (scan->at == open[depth].end) {
            if (depth == 0)
                return true;
            size_t n_bytes = scan->n_small - open[depth].start;
            put_varint(scan->small + open[depth--].start - LENGTH_BYTES, n_bytes, LENGTH_BYTES);
        }
        const ProtobufCMessageDescriptor *type = open[depth].type;
        uint64_t key, n_bytes, end = open[depth].end;
        if (!read_varint(scan, end, &key) ||
            !read_field_bytes(scan, end, (unsigned)(key & 7), &n_bytes))
            return false;
        const ProtobufCFieldDescriptor *field =
            key >> 3 <= UINT32_MAX
                ? protobuf_c_message_descriptor_get_field(type, (unsigned)(key >> 3))
                : NULL;
        bool is_list = (key & 7) == 2;
        if (!field) { /* what later versions have gained */
            scan->at += n_bytes;
        } else if (is_list && is_numbers(type, field) && n_bytes > MOST_KEPT_BYTES) {
            if (!write_place(scan, key >> 3, n_bytes))
                return false;
        } else if (is_list && field->type == PROTOBUF_C_TYPE_MESSAGE) {
            if (++depth == MAX_NESTING)
                return fault_set(scan->fault,
                                 "%s: subgraphs or types are nested %d messages deep or more",
                                 scan->file->path, MAX_NESTING);
            if (!write_varint(scan, key) || !extend(scan, LENGTH_BYTES))
                return false;
            open[depth].end = scan->at + n_bytes;
            open[depth].type = field->descriptor;
            open[depth].start = scan->n_small;
        } else if (!write_varint(scan, key) || (is_list && !write_varint(scan, n_bytes)) ||
                   !copy_bytes(scan, n_bytes)) {
            return false;
        }
    }
}

Onnx__ModelProto *wire_unpack(const range_file *file, fault_text *fault)
{
    wire_scan scan = {.file = file, .fault = fault, .window = malloc(WINDOW_BYTES)};
    Onnx__ModelProto *proto = NULL;
    if (!scan.window)
        fault_set(fault, "%s: out of memory", file->path);
    else if (scan_message(&scan) &&
             !(proto = onnx__model_proto__unpack(NULL, scan.n_small, scan.small)))
        refuse(&scan);
    free(scan.window);
    free(scan.small);
    return proto;
}

int wire_places(const Onnx__TensorProto *tensor, wire_place *place)
{
    int n = 0;
    for (unsigned i = 0; i < tensor->base.n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *field = &tensor->base.unknown_fields[i];
        if (field->tag != PLACE_FIELD)
            continue;
        /* Its length stands before it. */
        if (n++ == 0)
            memcpy(place, field->data + field->len - sizeof *place, sizeof *place);
    }
    return n;
}

bool wire_count_varints(const range_file *file, uint64_t offset, uint64_t n_bytes, uint64_t *count,
                        fault_text *fault)
{
    uint8_t window[4096];
    *count = 0;
    for (uint64_t at = 0; at < n_bytes; at += sizeof window) {
        uint64_t left = n_bytes - at, n = left < sizeof window ? left : sizeof window;
        if (!range_read(file, offset + at, (size_t)n, window, fault))
            return false;
        for (uint64_t i = 0; i < n; i++)
            *count += window[i] < 128;
        if (n == left && window[n - 1] >= 128)
            return fault_set(fault,
                             "%s: is not an ONNX file, or is cut off (protobuf cannot read it)",
                             file->path);
    }
    return true;
}

/* stored.c - see stored.h. Bytes are read piece by piece: nothing of a file is held twice. */
#include "files/stored.h"

#include <string.h>

/* Bytes of a piece. */
#define PIECE_BYTES 32768

bool stored_is_float(stored_type type)
{
    return type == STORED_F32 || type == STORED_F64 || type == STORED_F16 || type == STORED_BF16;
}

static bool is_nibble(stored_type type)
{
    return type == STORED_U4 || type == STORED_I4;
}

static uint64_t element_bytes(stored_type type)
{
    switch (type) {
    case STORED_I64:
    case STORED_F64:
        return 8;
    case STORED_F32:
    case STORED_I32:
        return 4;
    case STORED_F16:
    case STORED_BF16:
        return 2;
    case STORED_U8:
    case STORED_I8:
    case STORED_BOOL:
        return 1;
    case STORED_U4:
    case STORED_I4:
        break;
    }
    return 0;
}

uint64_t stored_bytes(stored_type type, uint64_t count)
{
    return is_nibble(type) ? (count + 1) / 2 : count * element_bytes(type);
}

static float widen_f16(uint16_t bits)
{
    uint32_t exponent = bits >> 10 & 31, fraction = bits & 1023, sign = (uint32_t)bits >> 15 << 31;
    uint32_t wide = sign | (exponent + 112) << 23 | fraction << 13;
    float value;
    if (exponent == 0) {
        value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    if (exponent == 31)
        wide = sign | UINT32_C(0x7f800000) | fraction << 13;
    memcpy(&value, &wide, sizeof value);
    return value;
}

static float widen_half(stored_type type, uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return type == STORED_F16 ? widen_f16(bits) : value;
}

/* An element of `bytes`, which need not be aligned. */
#define ELEMENT(type, bytes, i)                                                                    \
    __extension__({                                                                                \
        type element;                                                                              \
        memcpy(&element, (bytes) + (i) * sizeof element, sizeof element);                          \
        element;                                                                                   \
    })

/* An integer as its type has it. */
static int64_t narrowed(stored_type type, int64_t value)
{
    switch (type) {
    case STORED_BOOL:
        return value != 0;
    case STORED_I32:
        return (int32_t)value;
    default:
        return value;
    }
}

/* n elements of plain bytes, whose first is number `first` of the tensor. */
static void take_integers(stored_type type, const uint8_t *bytes, uint64_t first, uint64_t n,
                          int64_t *into)
{
    for (uint64_t i = 0; i < n; i++) {
        int64_t value = 0;
        switch (type) {
        case STORED_I64:
            value = ELEMENT(int64_t, bytes, i);
            break;
        case STORED_I32:
            value = ELEMENT(int32_t, bytes, i);
            break;
        case STORED_I8:
            value = ELEMENT(int8_t, bytes, i);
            break;
        case STORED_U4:
        case STORED_I4:
            /* A piece starts with a whole byte: the first byte has `first`. */
            value = bytes[(first % 2 + i) / 2] >> (first + i) % 2 * 4 & 15;
            value -= type == STORED_I4 && value > 7 ? 16 : 0;
            break;
        default: /* U8, BOOL */
            value = bytes[i];
        }
        into[i] = narrowed(type, value);
    }
}

/* The same of floats that are no F32. */
static void take_floats(stored_type type, const uint8_t *bytes, uint64_t n, float *into)
{
    for (uint64_t i = 0; i < n; i++)
        into[i] = type == STORED_F64 ? (float)ELEMENT(double, bytes, i)
                                     : widen_half(type, ELEMENT(uint16_t, bytes, i));
}

/* Bytes of a tensor, from `at` of its own on. */
static bool read_bytes(const stored_tensor *tensor, uint64_t at, uint64_t n_bytes, void *into,
                       fault_text *fault)
{
    if (tensor->file)
        return range_read(tensor->file, tensor->offset + at, (size_t)n_bytes, into, fault);
    if (n_bytes)
        memcpy(into, (const uint8_t *)tensor->data + at, (size_t)n_bytes);
    return true;
}

/* Where elements go: one of the two. */
typedef struct element_sink {
    float *floats;
    int64_t *integers;
} element_sink;

static void put_integer(const stored_tensor *tensor, int64_t value, uint64_t i, element_sink into)
{
    if (into.integers)
        into.integers[i] = narrowed(tensor->type, value);
    else
        into.floats[i] = widen_half(tensor->type, (uint16_t)value);
}

static bool read_plain(const stored_tensor *tensor, uint64_t first, uint64_t n, element_sink into,
                       fault_text *fault)
{
    uint64_t size = element_bytes(tensor->type);
    if (tensor->type == STORED_F32 || tensor->type == STORED_I64)
        return read_bytes(tensor, first * size, n * size,
                          into.floats ? (void *)into.floats : (void *)into.integers, fault);
    uint8_t piece[PIECE_BYTES];
    uint64_t most = size ? PIECE_BYTES / size : 2 * PIECE_BYTES - 2;
    for (uint64_t done = 0; done < n;) {
        uint64_t at = first + done, count = n - done < most ? n - done : most;
        uint64_t n_bytes = size ? count * size : (at % 2 + count + 1) / 2;
        if (!read_bytes(tensor, size ? at * size : at / 2, n_bytes, piece, fault))
            return false;
        if (into.floats)
            take_floats(tensor->type, piece, count, into.floats + done);
        else
            take_integers(tensor->type, piece, at, count, into.integers + done);
        done += count;
    }
    return true;
}

static bool read_wide(const stored_tensor *tensor, uint64_t first, uint64_t n, element_sink into,
                      fault_text *fault)
{
    int32_t piece[PIECE_BYTES / sizeof(int32_t)];
    const uint64_t most = sizeof piece / sizeof *piece;
    for (uint64_t done = 0; done < n;) {
        uint64_t count = n - done < most ? n - done : most;
        if (!read_bytes(tensor, (first + done) * sizeof *piece, count * sizeof *piece, piece,
                        fault))
            return false;
        for (uint64_t i = 0; i < count; i++)
            put_integer(tensor, piece[i], done + i, into);
        done += count;
    }
    return true;
}

/* From the start: where an element lies, only those before it say. */
static bool read_varints(const stored_tensor *tensor, uint64_t first, uint64_t n, element_sink into,
                         fault_text *fault)
{
    uint8_t piece[PIECE_BYTES];
    uint64_t index = 0, value = 0;
    int shift = 0;
    for (uint64_t at = 0; index < first + n && at < tensor->n_bytes; at += PIECE_BYTES) {
        uint64_t left = tensor->n_bytes - at, n_bytes = left < PIECE_BYTES ? left : PIECE_BYTES;
        if (!read_bytes(tensor, at, n_bytes, piece, fault))
            return false;
        for (uint64_t i = 0; i < n_bytes && index < first + n; i++) {
            value |= shift < 64 ? (uint64_t)(piece[i] & 127) << shift : 0;
            shift += 7;
            if (piece[i] & 128)
                continue;
            if (index >= first)
                put_integer(tensor, (int64_t)value, index - first, into);
            index++;
            value = 0;
            shift = 0;
        }
    }
    return index == first + n ||
           fault_set(fault, "tensor '%s': has fewer numbers than it had before", tensor->name);
}

static bool read_elements(const stored_tensor *tensor, uint64_t first, uint64_t n,
                          element_sink into, fault_text *fault)
{
    switch (tensor->form) {
    case STORED_WIDE:
        return read_wide(tensor, first, n, into, fault);
    case STORED_VARINTS:
        return read_varints(tensor, first, n, into, fault);
    case STORED_PLAIN:
        break;
    }
    return read_plain(tensor, first, n, into, fault);
}

bool stored_floats(const stored_tensor *tensor, uint64_t first, uint64_t n, float *into,
                   fault_text *fault)
{
    return read_elements(tensor, first, n, (element_sink){.floats = into}, fault);
}

bool stored_integers(const stored_tensor *tensor, uint64_t first, uint64_t n, int64_t *into,
                     fault_text *fault)
{
    return read_elements(tensor, first, n, (element_sink){.integers = into}, fault);
}

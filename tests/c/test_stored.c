/*
 * test_stored.c - tensors of every type and form, in memory and in a file, read in pieces.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files/stored.h"
#include "harness.h"

/* More than a piece of any type. */
#define N 70001

static uint8_t bytes[N * 10];
static char path[] = "/tmp/stored-XXXXXX";

/* Number i of a test: of both signs, and of any size that the type has. */
static int64_t number(stored_type type, uint64_t i)
{
    uint64_t bits = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    switch (type) {
    case STORED_I64:
        return (int64_t)bits;
    case STORED_I32:
        return (int32_t)bits;
    case STORED_I8:
        return (int8_t)bits;
    case STORED_BOOL:
        return bits >> 7 & 1;
    case STORED_U4:
        return bits & 15;
    case STORED_I4:
        return (int64_t)(bits & 15) - 8;
    default:
        return (uint8_t)bits;
    }
}

static uint64_t lay_out(stored_tensor *tensor)
{
    uint8_t *at = bytes;
    memset(bytes, 0, sizeof bytes);
    for (uint64_t i = 0; i < tensor->count; i++) {
        int64_t value = number(tensor->type, i);
        uint64_t bits = (uint64_t)value, size = stored_bytes(tensor->type, 1);
        if (tensor->form == STORED_VARINTS) {
            for (; bits >= 128; bits >>= 7)
                *at++ = (uint8_t)(bits | 128);
            *at++ = (uint8_t)bits;
        } else if (tensor->form == STORED_WIDE) {
            memcpy(at, &value, 4);
            at += 4;
        } else if (tensor->type == STORED_U4 || tensor->type == STORED_I4) {
            bytes[i / 2] |= (uint8_t)((bits & 15) << i % 2 * 4);
            at = bytes + i / 2 + 1;
        } else {
            memcpy(at, &value, size);
            at += size;
        }
    }
    return (uint64_t)(at - bytes);
}

static void put_file(uint64_t n_bytes)
{
    FILE *file = fopen(path, "w");
    CHECK(file && fwrite("abc", 1, 3, file) == 3 && fwrite(bytes, 1, n_bytes, file) == n_bytes,
          "cannot write");
    fclose(file);
}

static void check_ranges(const stored_tensor *tensor)
{
    static const uint64_t firsts[] = {0, 1, 8191, 32767, N - 3};
    static int64_t got[N];
    fault_text fault = {{0}};
    for (size_t k = 0; k < sizeof firsts / sizeof *firsts; k++) {
        uint64_t n = firsts[k] == 1 ? 5 : N - firsts[k];
        CHECK(stored_integers(tensor, firsts[k], n, got, &fault), "%s", fault.text);
        for (uint64_t i = 0; i < n; i++)
            if (got[i] != number(tensor->type, firsts[k] + i)) {
                CHECK(false, "type %d form %d element %zu + %zu is %lld", (int)tensor->type,
                      (int)tensor->form, (size_t)firsts[k], (size_t)i, (long long)got[i]);
                return;
            }
    }
}

TEST(integers_of_every_type_and_form)
{
    static const stored_type types[] = {STORED_U8, STORED_I8,   STORED_I32, STORED_I64,
                                        STORED_U4, STORED_BOOL, STORED_I4};
    static int64_t rest[N];
    int descriptor = mkstemp(path);
    CHECK(descriptor >= 0, "no file");
    close(descriptor);
    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        for (int form = STORED_PLAIN; form <= STORED_VARINTS; form++) {
            bool is_nibble = types[t] == STORED_U4 || types[t] == STORED_I4;
            if ((form == STORED_WIDE && types[t] == STORED_I64) || (form && is_nibble))
                continue;
            range_file file = {.handle = -1};
            fault_text fault = {{0}};
            stored_tensor tensor = {.name = "x",
                                    .type = types[t],
                                    .form = (stored_form)form,
                                    .rank = 1,
                                    .dims = {N},
                                    .count = N,
                                    .data = bytes};
            tensor.n_bytes = lay_out(&tensor);
            check_ranges(&tensor);
            put_file(tensor.n_bytes);
            CHECK(range_open(path, &file, &fault), "%s", fault.text);
            tensor.file = &file;
            tensor.offset = 3;
            tensor.data = NULL;
            check_ranges(&tensor);
            tensor.offset = 4; /* the last byte is not there */
            CHECK(!stored_integers(&tensor, 0, N, rest, &fault) && strstr(fault.text, "is cut off"),
                  "%s", fault.text);
            range_close(&file);
        }
    unlink(path);
}

/* What IEEE 754 says of the bits. */
static float half(uint16_t bits)
{
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    float magnitude = exponent == 31  ? (fraction ? NAN : INFINITY)
                      : exponent == 0 ? ldexpf((float)fraction, -24)
                                      : ldexpf((float)(fraction + 1024), exponent - 25);
    return bits >> 15 ? -magnitude : magnitude;
}

TEST(floats_of_every_type_and_form)
{
    enum { HALVES = 1 << 16 };
    static uint16_t halves[HALVES];
    static int32_t wide[HALVES];
    static double doubles[HALVES];
    static float floats[HALVES];
    fault_text fault = {{0}};
    for (uint32_t i = 0; i < HALVES; i++) {
        halves[i] = (uint16_t)i;
        wide[i] = (int32_t)i;
        doubles[i] = half((uint16_t)i);
    }
    stored_tensor tensor = {.name = "x", .count = HALVES};
    static const struct {
        stored_type type;
        stored_form form;
        const void *data;
    } cases[] = {{STORED_F16, STORED_PLAIN, halves},
                 {STORED_F16, STORED_WIDE, wide},
                 {STORED_F64, STORED_PLAIN, doubles},
                 {STORED_BF16, STORED_PLAIN, halves},
                 {STORED_BF16, STORED_WIDE, wide}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        tensor.type = cases[k].type;
        tensor.form = cases[k].form;
        tensor.data = cases[k].data;
        CHECK(stored_floats(&tensor, 0, HALVES, floats, &fault), "%s", fault.text);
        for (uint32_t i = 0; i < HALVES; i++) {
            float expected = half((uint16_t)i);
            uint32_t bits = i << 16;
            if (tensor.type == STORED_BF16)
                memcpy(&expected, &bits, sizeof bits);
            bool is_same = floats[i] == expected && !signbit(floats[i]) == !signbit(expected);
            if (!is_same && !(isnan(floats[i]) && isnan(expected)))
                CHECK(false, "case %zu: %04x is %g, expected %g", k, i, (double)floats[i],
                      (double)expected);
        }
        CHECK(stored_floats(&tensor, HALVES - 2, 2, floats, &fault) && isnan(floats[1]), "the end");
    }
}

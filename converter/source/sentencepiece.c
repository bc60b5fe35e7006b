/* sentencepiece.c - see sentencepiece.h. The few fields that are wanted, read by hand. */
#include "source/sentencepiece.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of a message that are left to read. */
typedef struct span {
    const uint8_t *at, *end;
} span;

/* One field: its number, and what it holds by wire type. */
typedef struct field {
    uint64_t number;
    unsigned wire_type;
    uint64_t value; /* of a varint */
    span bytes;     /* of what has a length, or of four or eight bytes */
} field;

static bool read_varint(span *span, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 64 && span->at < span->end; shift += 7) {
        uint8_t byte = *span->at++;
        *value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return true;
    }
    return false;
}

static bool read_field(span *span, field *field)
{
    uint64_t key, n;
    if (!read_varint(span, &key))
        return false;
    *field = (struct field){.number = key >> 3, .wire_type = key & 7};
    switch (field->wire_type) {
    case 0:
        return read_varint(span, &field->value);
    case 1:
        n = 8;
        break;
    case 2:
        if (!read_varint(span, &n))
            return false;
        break;
    case 5:
        n = 4;
        break;
    default:
        return false;
    }
    if (n > (uint64_t)(span->end - span->at))
        return false;
    field->bytes = (struct span){span->at, span->at + n};
    span->at += n;
    return true;
}

/* SentencePiece: piece = 1, score = 2. */
static bool read_piece(span span, sentencepiece_piece *piece)
{
    field field;
    *piece = (sentencepiece_piece){.text = ""};
    while (span.at < span.end) {
        if (!read_field(&span, &field))
            return false;
        if (field.number == 1 && field.wire_type == 2) {
            piece->text = (const char *)field.bytes.at;
            piece->n_bytes = (size_t)(field.bytes.end - field.bytes.at);
        } else if (field.number == 2 && field.wire_type == 5) {
            memcpy(&piece->score, field.bytes.at, sizeof piece->score);
        }
    }
    return true;
}

/* TrainerSpec: model_type = 3, byte_fallback = 35, unk_id = 40. */
static bool read_trainer(span span, sentencepiece *model)
{
    field field;
    while (span.at < span.end) {
        if (!read_field(&span, &field))
            return false;
        if (field.wire_type != 0)
            continue;
        if (field.number == 3)
            model->model_type = (int64_t)field.value;
        else if (field.number == 35)
            model->byte_fallback = field.value != 0;
        else if (field.number == 40)
            model->unk_id = (int64_t)field.value;
    }
    return true;
}

/* NormalizerSpec: precompiled_charsmap = 2. */
static bool read_normalizer(span span, sentencepiece *model)
{
    field field;
    while (span.at < span.end) {
        if (!read_field(&span, &field))
            return false;
        if (field.number == 2 && field.wire_type == 2 && field.bytes.at < field.bytes.end) {
            model->charsmap = field.bytes.at;
            model->charsmap_bytes = (size_t)(field.bytes.end - field.bytes.at);
        }
    }
    return true;
}

static bool add_piece(sentencepiece *model, span span, size_t *capacity)
{
    if (model->n_pieces == *capacity) {
        *capacity = *capacity ? 2 * *capacity : 4096;
        model->pieces = realloc(model->pieces, *capacity * sizeof *model->pieces);
        if (!model->pieces)
            abort();
    }
    return read_piece(span, &model->pieces[model->n_pieces++]);
}

bool sentencepiece_read(const char *path, const mapped_file *file, sentencepiece *model,
                        fault_text *fault)
{
    /* ModelProto: pieces = 1, trainer_spec = 2, normalizer_spec = 3. */
    size_t capacity = 0;
    bool ok = file->n_bytes > 0;
    span span = {file->data, ok ? file->data + file->n_bytes : file->data};
    *model = (sentencepiece){.model_type = 1};
    while (ok && span.at < span.end) {
        field field;
        ok = read_field(&span, &field);
        if (!ok || field.wire_type != 2)
            continue;
        if (field.number == 1)
            ok = add_piece(model, field.bytes, &capacity);
        else if (field.number == 2)
            ok = read_trainer(field.bytes, model);
        else if (field.number == 3)
            ok = read_normalizer(field.bytes, model);
    }
    if (!ok || model->n_pieces == 0)
        return fault_set(fault, "%s: is no sentencepiece model, or is cut off", path);
    return model->model_type == 1 ||
           fault_set(fault, "%s: a sentencepiece model of type %lld; unigram models are supported",
                     path, (long long)model->model_type);
}

void sentencepiece_free(sentencepiece *model)
{
    free(model->pieces);
    *model = (sentencepiece){0};
}

/*
 * lowered.c - operators of the domain "bert": what import/lower.c makes of quantised and fused
 * ones where plain ones would be many, or would widen weights to eight bytes an element.
 *
 *     Dequantize     x, scale, zero point     (x - zero point) scale; axis, block_size
 *     Integers       x, zero point            x - zero point, as floats
 *     UnpackNBits    B, scales, zero points   weights of MatMulNBits; K, N, bits, block_size
 *     AttentionMask  mask, scores             what is added to the scores; filter
 *     MaskToFloat    mask                     what is added to the scores, of booleans
 *     SwapLast       x                        its last two axes swapped
 */
#include "operators/internal.h"

#include <string.h>

/* Integers of a source that are in memory at a time: constants are not widened as a whole. */
#define WINDOW 4096

/* Integers of an array, by index. */
typedef struct integer_source {
    const int64_t *integers; /* all of them, or NULL: */
    const stored_tensor *stored;
    fault_text *fault;
    bool has_failed; /* numbers since then are zeros */
    int64_t start, n;
    int64_t window[WINDOW]; /* [n] of them, from `start` on */
} integer_source;

static bool source_open(graph_array *x, integer_source *source, fault_text *fault)
{
    source->integers = NULL;
    source->stored = NULL;
    source->fault = fault;
    source->has_failed = false;
    source->start = source->n = 0;
    if (!array_is_resident(x) && x->stored && x->stored->form != STORED_VARINTS)
        source->stored = x->stored;
    else
        source->integers = array_integers(x, fault);
    return source->stored || source->integers;
}

static int64_t source_at(integer_source *source, int64_t i)
{
    if (source->integers)
        return source->integers[i];
    if (i < source->start || i >= source->start + source->n) {
        int64_t start = i / WINDOW * WINDOW, left = (int64_t)source->stored->count - start;
        source->start = start;
        source->n = left < WINDOW ? left : WINDOW;
        if (source->has_failed ||
            !stored_integers(source->stored, (uint64_t)start, (uint64_t)source->n, source->window,
                             source->fault)) {
            source->has_failed = true;
            memset(source->window, 0, sizeof source->window);
        }
    }
    return source->window[i - source->start];
}

/* As floats; differences of any two integers are exact enough in double. */
static float difference(int64_t x, int64_t zero)
{
    return (float)((double)x - (double)zero);
}

/* ------------------------------------------------------------------------------ dequantizing -- */

/* Which scale an element has: x is [..., dim, n_inner], the scales [n_scales] or, in blocks,
 * [..., n_scales, n_inner]. */
typedef struct scale_layout {
    int64_t dim, n_inner;
    int64_t block;    /* elements of dim that share a scale */
    int64_t n_scales; /* along dim */
    bool is_blocked;  /* the scales have the other dimensions too */
} scale_layout;

static bool read_blocks(const graph_array *x, const graph_array *scale, uint32_t axis,
                        int64_t block, scale_layout *scaling, fault_text *fault)
{
    bool fits = block <= OPERATOR_MAX_NUMBER && scale->rank == x->rank;
    int64_t n = fits ? (x->dims[axis] + block - 1) / block : 0;
    for (uint32_t i = 0; fits && i < x->rank; i++)
        fits = scale->dims[i] == (i == axis ? n : x->dims[i]);
    if (!fits)
        return fault_set(fault, "scales of shape %s do not fit %s in blocks of %lld along axis %u",
                         SHAPE_TEXT(scale), SHAPE_TEXT(x), (long long)block, axis);
    scaling->block = block;
    scaling->n_scales = n;
    scaling->is_blocked = true;
    return true;
}

/* A single scale, one for each index of an axis, or one for each block along it. */
static bool read_scaling(const operator_call *operation, scale_layout *scaling, fault_text *fault)
{
    const graph_array *x = operation->inputs[0], *scale = operation->inputs[1];
    const graph_array *zero = operator_input(operation, 2);
    int64_t block = graph_attribute_int(operation->node, "block_size", 0);
    uint32_t axis = 0;
    *scaling = (scale_layout){.dim = 1, .n_inner = x->count, .block = 1, .n_scales = 1};
    if (zero && zero->count != scale->count)
        return fault_set(fault, "zero points of shape %s do not fit scales of %s", SHAPE_TEXT(zero),
                         SHAPE_TEXT(scale));
    if (block <= 0 && scale->count == 1)
        return true;
    if (!operator_axis(graph_attribute_int(operation->node, "axis", 1), x->rank, &axis, fault))
        return false;
    scaling->dim = scaling->n_scales = x->dims[axis];
    scaling->n_inner = operator_product(x->rank - axis - 1, x->dims + axis + 1);
    if (block > 0)
        return read_blocks(x, scale, axis, block, scaling, fault);
    if (scale->rank != 1 || scale->count != x->dims[axis])
        return fault_set(fault, "scales of shape %s do not fit axis %u of %s", SHAPE_TEXT(scale),
                         axis, SHAPE_TEXT(x));
    return true;
}

/* Elements of one index of the axis, n_inner from `first` on, and the first of their scales. */
static void dequantize(const scale_layout *scaling, integer_source *integers, const float *floats,
                       integer_source *zeros, const float *scales, int64_t first, int64_t scale,
                       float *out)
{
    for (int64_t i = first; i < first + scaling->n_inner; i++) {
        int64_t zero = zeros ? source_at(zeros, scale) : 0;
        out[i] = scales[scale] * (floats ? floats[i] : difference(source_at(integers, i), zero));
        scale += scaling->is_blocked;
    }
}

static bool fill_dequantized(const operator_call *operation, const scale_layout *scaling,
                             graph_array *out, fault_text *fault)
{
    graph_array *x = operation->inputs[0], *zero = operator_input(operation, 2);
    const float *scales = array_floats(operation->inputs[1], fault), *floats = NULL;
    integer_source integers, zeros;
    integers.has_failed = zeros.has_failed = false;
    if (!scales || (zero && !source_open(zero, &zeros, fault)))
        return false;
    if (x->type == ARRAY_FLOAT ? !(floats = array_floats(x, fault))
                               : !source_open(x, &integers, fault))
        return false;
    int64_t n_rows = x->count ? x->count / scaling->n_inner : 0;
    for (int64_t row = 0; row < n_rows; row++) {
        int64_t scale = row % scaling->dim / scaling->block;
        if (scaling->is_blocked)
            scale = (row / scaling->dim * scaling->n_scales + scale) * scaling->n_inner;
        dequantize(scaling, &integers, floats, zero ? &zeros : NULL, scales, row * scaling->n_inner,
                   scale, out->floats);
    }
    return !integers.has_failed && !zeros.has_failed;
}

/* Floats were never rounded: they have no zero point. */
static bool run_dequantize(operator_call *operation, fault_text *fault)
{
    scale_layout scaling = {0};
    if (!operator_check(operation, "xfI", 1, fault) || !read_scaling(operation, &scaling, fault))
        return false;
    const graph_array *x = operation->inputs[0];
    bool is_hollow = operator_any_hollow(operation);
    graph_array *out = operator_make(operation, 0, ARRAY_FLOAT, x->rank, x->dims, is_hollow, fault);
    return out && (is_hollow || fill_dequantized(operation, &scaling, out, fault));
}

static bool run_integers(operator_call *operation, fault_text *fault)
{
    if (!operator_check(operation, "xI", 1, fault))
        return false;
    graph_array *x = operation->inputs[0], *zero = operator_input(operation, 1);
    if (x->type == ARRAY_FLOAT)
        return operator_give(operation, 0, array_share(x));
    int64_t n_zeros = zero ? zero->count : 1, n_columns = x->rank ? x->dims[x->rank - 1] : 1;
    if (zero && n_zeros != 1 && (zero->rank != 1 || n_zeros != n_columns))
        return fault_set(fault, "zero points of shape %s do not fit %s", SHAPE_TEXT(zero),
                         SHAPE_TEXT(x));
    bool is_hollow = operator_any_hollow(operation);
    graph_array *out = operator_make(operation, 0, ARRAY_FLOAT, x->rank, x->dims, is_hollow, fault);
    if (!out || is_hollow)
        return out;
    integer_source integers, zeros;
    zeros.has_failed = false;
    if (!source_open(x, &integers, fault) || (zero && !source_open(zero, &zeros, fault)))
        return false;
    for (int64_t i = 0; i < x->count; i++)
        out->floats[i] =
            difference(source_at(&integers, i), zero ? source_at(&zeros, i % n_zeros) : 0);
    return !integers.has_failed && !zeros.has_failed;
}

/* --------------------------------------------------------------------------------- unpacking -- */

typedef struct packed_layout {
    int64_t depth, n; /* K, N */
    int64_t bits, block, n_blocks;
    int64_t blob_bytes; /* of a block */
    int64_t zero_bytes; /* of the packed zero points of a column */
} packed_layout;

static bool read_packed(const operator_call *operation, packed_layout *packed, fault_text *fault)
{
    int64_t depth = graph_attribute_int(operation->node, "K", 0);
    int64_t n = graph_attribute_int(operation->node, "N", 0);
    int64_t bits = graph_attribute_int(operation->node, "bits", 4);
    int64_t block = graph_attribute_int(operation->node, "block_size", 0);
    if (depth < 1 || depth > OPERATOR_MAX_NUMBER || n < 1 || n > OPERATOR_MAX_NUMBER)
        return fault_set(fault, "K is %lld and N is %lld, which is not supported", (long long)depth,
                         (long long)n);
    if ((bits != 2 && bits != 4 && bits != 8) || block < 1 || block > OPERATOR_MAX_NUMBER ||
        block * bits % 8 != 0)
        return fault_set(fault, "%lld bits in blocks of %lld are not supported", (long long)bits,
                         (long long)block);
    int64_t n_blocks = (depth + block - 1) / block;
    *packed = (packed_layout){.depth = depth, .n = n, .bits = bits, .block = block};
    packed->n_blocks = n_blocks;
    packed->blob_bytes = block * bits / 8;
    packed->zero_bytes = (n_blocks * bits + 7) / 8;
    const graph_array *b = operation->inputs[0], *scales = operation->inputs[1];
    const graph_array *zeros = operator_input(operation, 2);
    if (scales->count != n * n_blocks || b->count % (n * n_blocks) != 0 ||
        b->count / (n * n_blocks) != packed->blob_bytes)
        return fault_set(fault,
                         "weights of shape %s and scales of %s do not fit %lld rows of %lld blocks",
                         SHAPE_TEXT(b), SHAPE_TEXT(scales), (long long)n, (long long)n_blocks);
    if (zeros && zeros->count != n * (zeros->type == ARRAY_FLOAT ? n_blocks : packed->zero_bytes))
        return fault_set(fault, "zero points of shape %s do not fit scales of %s",
                         SHAPE_TEXT(zeros), SHAPE_TEXT(scales));
    return true;
}

/* Number i of those that begin at byte `start`: the low bits of a byte come first. */
static int64_t unpack(integer_source *bytes, int64_t start, int64_t i, int64_t bits)
{
    int64_t byte = source_at(bytes, start + i * bits / 8);
    return byte >> (i * bits % 8) & ((1 << bits) - 1);
}

static void unpack_block(const packed_layout *packed, integer_source *bytes, int64_t row,
                         int64_t block, float zero, float scale, float *out)
{
    int64_t first = block * packed->block;
    int64_t n = packed->depth - first < packed->block ? packed->depth - first : packed->block;
    int64_t start = (row * packed->n_blocks + block) * packed->blob_bytes;
    for (int64_t i = 0; i < n; i++)
        out[(first + i) * packed->n + row] =
            ((float)unpack(bytes, start, i, packed->bits) - zero) * scale;
}

static bool fill_unpacked(const operator_call *operation, const packed_layout *packed,
                          graph_array *out, fault_text *fault)
{
    graph_array *zero = operator_input(operation, 2);
    bool has_float_zeros = zero && zero->type == ARRAY_FLOAT;
    const float *scales = array_floats(operation->inputs[1], fault);
    const float *float_zeros = has_float_zeros ? array_floats(zero, fault) : NULL;
    integer_source bytes, zeros;
    zeros.has_failed = false;
    if (!scales || (has_float_zeros && !float_zeros) ||
        !source_open(operation->inputs[0], &bytes, fault) ||
        (zero && !has_float_zeros && !source_open(zero, &zeros, fault)))
        return false;
    for (int64_t row = 0; row < packed->n; row++)
        for (int64_t block = 0; block < packed->n_blocks; block++) {
            int64_t i = row * packed->n_blocks + block;
            float middle =
                float_zeros ? float_zeros[i]
                : zero      ? (float)unpack(&zeros, row * packed->zero_bytes, block, packed->bits)
                            : (float)(1 << (packed->bits - 1));
            unpack_block(packed, &bytes, row, block, middle, scales[i], out->floats);
        }
    return !bytes.has_failed && !zeros.has_failed;
}

static bool run_unpack(operator_call *operation, fault_text *fault)
{
    packed_layout packed = {0};
    if (!operator_check(operation, "ifX", 1, fault) || !read_packed(operation, &packed, fault))
        return false;
    bool is_hollow = operator_any_hollow(operation);
    int64_t dims[2] = {packed.depth, packed.n};
    graph_array *out = operator_make(operation, 0, ARRAY_FLOAT, 2, dims, is_hollow, fault);
    return out && (is_hollow || fill_unpacked(operation, &packed, out, fault));
}

/* ------------------------------------------------------------------------------------- masks -- */

/* Shape of the additive mask, [batch, 1, queries or 1, keys], for all forms that the mask may
 * have. */
static bool mask_dims(const graph_array *mask, const graph_array *scores, int64_t dims[4],
                      fault_text *fault)
{
    if (scores->rank != 4)
        return fault_set(fault, "scores of shape %s, expected 4 dimensions", SHAPE_TEXT(scores));
    int64_t batch = scores->dims[0], n_queries = scores->dims[2], n_keys = scores->dims[3];
    memcpy(dims, (int64_t[4]){batch, 1, mask->rank < 3 ? 1 : n_queries, n_keys}, 4 * sizeof *dims);
    const int64_t *own = mask->dims;
    bool fits = false;
    if (mask->rank == 1)
        fits = own[0] == batch || own[0] == 2 * batch;
    else if (mask->rank == 2)
        fits = own[0] == batch && own[1] == n_keys;
    else if (mask->rank == 3)
        fits = own[0] == batch && own[1] == n_queries && own[2] == n_keys;
    else if (mask->rank == 4)
        fits = own[0] == batch && own[1] == 1 && own[2] == n_queries && own[3] == n_keys;
    return fits || fault_set(fault, "a mask of shape %s does not fit scores of %s",
                             SHAPE_TEXT(mask), SHAPE_TEXT(scores));
}

/* Whether key k of a sequence is attended to: ends of all sequences come first, then their starts,
 * if there are any. */
static bool is_between(const int64_t *mask, int64_t n, int64_t batch, int64_t sequence, int64_t k)
{
    return k < mask[sequence] && (n < 2 * batch || k >= mask[batch + sequence]);
}

static bool run_attention_mask(operator_call *operation, fault_text *fault)
{
    int64_t dims[4];
    if (!operator_check(operation, "ix", 1, fault) ||
        !mask_dims(operation->inputs[0], operation->inputs[1], dims, fault))
        return false;
    graph_array *mask = operation->inputs[0];
    float filter = graph_attribute_float(operation->node, "filter", -10000);
    graph_array *out = operator_make(operation, 0, ARRAY_FLOAT, 4, dims, mask->is_hollow, fault);
    if (!out || mask->is_hollow)
        return out;
    const int64_t *elements = array_integers(mask, fault);
    for (int64_t i = 0; elements && i < out->count; i++) {
        bool is_attended =
            mask->rank == 1 ? is_between(elements, mask->count, dims[0], i / dims[3], i % dims[3])
                            : elements[i] > 0;
        out->floats[i] = is_attended ? 0 : filter;
    }
    return elements;
}

/* Where a boolean is true nothing is added, elsewhere a number so low that softmax gives 0; floats
 * are added as they are. */
static bool run_mask_to_float(operator_call *operation, fault_text *fault)
{
    graph_array *mask = operation->inputs[0];
    if (mask->type == ARRAY_FLOAT) {
        operation->outputs[0] = array_share(mask);
        return true;
    }
    graph_array *out =
        operator_make(operation, 0, ARRAY_FLOAT, mask->rank, mask->dims, mask->is_hollow, fault);
    const int64_t *elements = out && !mask->is_hollow ? array_integers(mask, fault) : NULL;
    for (int64_t i = 0; elements && i < out->count; i++)
        out->floats[i] = elements[i] ? 0 : -3e38f;
    return out && (mask->is_hollow || elements);
}

/* A Transpose of the last two axes, whatever the rank. */
static bool run_swap_last(operator_call *operation, fault_text *fault)
{
    graph_array *from = operation->inputs[0];
    int64_t dims[ARRAY_MAX_RANK];
    if (from->rank < 2 || from->type != ARRAY_FLOAT)
        return fault_set(fault, "an array of shape %s, expected floats of 2 or more dimensions",
                         SHAPE_TEXT(from));
    memcpy(dims, from->dims, sizeof dims);
    int64_t n_rows = dims[from->rank - 2], n_columns = dims[from->rank - 1];
    dims[from->rank - 2] = n_columns;
    dims[from->rank - 1] = n_rows;
    graph_array *out =
        operator_make(operation, 0, ARRAY_FLOAT, from->rank, dims, from->is_hollow, fault);
    const float *elements = out && !from->is_hollow ? array_floats(from, fault) : NULL;
    int64_t size = n_rows * n_columns;
    for (int64_t i = 0; elements && i < out->count; i++) {
        int64_t matrix = i / size, at = i % size;
        out->floats[i] = elements[matrix * size + at % n_rows * n_columns + at / n_rows];
    }
    return out && (from->is_hollow || elements);
}

const operator_kind operators_lowered[] = {
    {"AttentionMask", 2, run_attention_mask},
    {"Dequantize", 2, run_dequantize},
    {"Integers", 1, run_integers},
    {"MaskToFloat", 1, run_mask_to_float},
    {"SwapLast", 1, run_swap_last},
    {"UnpackNBits", 2, run_unpack},
    {NULL, 0, NULL},
};

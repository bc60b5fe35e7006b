/*
 * test_expand.c - weights of every dtype become the F32 that a training begins with: number by
 * number, as docs/model-file.md says what each is.
 */
#include <string.h>

#include "harness.h"
#include "train.h"

#define N_IN 13
#define N_OUT 11
#define N_ROWS 5
#define N_QUADS BERT_I8_QUADS(N_IN)

/* A copy of these bytes that ends where it says. */
static const void *guarded(const void *bytes, size_t n_bytes)
{
    return memcpy(guarded_alloc(n_bytes), bytes, n_bytes);
}

static bert_tensor floats(const char *name, uint32_t n, uint32_t *seed)
{
    float values[64];
    for (uint32_t i = 0; i < n; i++)
        values[i] = random_uniform(seed, -2, 2);
    return (bert_tensor){name, BERT_DTYPE_F32, 1, {n}, guarded(values, n * 4), n * 4};
}

static bert_tensor integers(const char *name, uint32_t rank, const uint32_t *shape, uint32_t *seed)
{
    int8_t values[2048];
    size_t n = 1;
    bert_tensor tensor = {.name = name, .dtype = BERT_DTYPE_I8, .rank = rank};
    for (uint32_t i = 0; i < rank; i++)
        n *= tensor.shape[i] = shape[i];
    for (size_t i = 0; i < n; i++)
        values[i] = (int8_t)(random_u32(seed) % 255 - 127);
    tensor.data = guarded(values, n);
    tensor.n_bytes = n;
    return tensor;
}

static const float *expanded(const bert_tensor *tensors, size_t n, size_t index, uint32_t rank,
                             const uint32_t *shape)
{
    bert_tensor tensor = {0};
    int is_one = bert_train_tensor(tensors, n, index, &tensor);
    CHECK(is_one && tensor.rank == rank && tensor.dtype == BERT_DTYPE_F32 &&
              memcmp(tensor.shape, shape, rank * sizeof *shape) == 0,
          "%s: rank %u", tensors[index].name, tensor.rank);
    float *values = guarded_alloc(tensor.n_bytes);
    bert_train_expand(tensors, n, index, values);
    return values;
}

/* The tensor called `name`, a vector. */
static const float *vector(const bert_tensor *tensors, const char *name)
{
    while (strcmp(tensors->name, name) != 0)
        tensors++;
    return tensors->data;
}

static void check_matrix(const bert_tensor *tensors, size_t n, size_t index, const char *scale,
                         const char *smooth)
{
    const uint32_t shape[] = {BERT_PANELS(N_OUT), N_IN, BERT_PANEL};
    const float *values = expanded(tensors, n, index, 3, shape);
    const float *scales = vector(tensors, scale), *factors = vector(tensors, smooth);
    const int8_t *from = tensors[index].data;
    for (uint32_t out = 0; out < BERT_PANELS(N_OUT) * BERT_PANEL; out++)
        for (uint32_t in = 0; in < N_IN; in++) {
            size_t panel = out / BERT_PANEL, column = out % BERT_PANEL;
            float value = values[(panel * N_IN + in) * BERT_PANEL + column], want = 0;
            if (out < N_OUT)
                want =
                    (float)from[((panel * N_QUADS + in / 4) * BERT_PANEL + column) * 4 + in % 4] *
                    scales[out] * factors[in];
            CHECK(value == want, "%s [%u][%u] is %g, not %g", tensors[index].name, out, in,
                  (double)value, (double)want);
        }
}

TEST(integers_times_their_factors)
{
    const uint32_t matrix[] = {BERT_PANELS(N_OUT), N_QUADS, BERT_PANEL, BERT_QUAD};
    const uint32_t table[] = {N_ROWS, N_IN};
    uint32_t seed = 3;
    const bert_tensor tensors[] = {
        integers("embeddings.word.weight", 2, table, &seed),
        floats("embeddings.word.scale", N_ROWS, &seed),
        floats("layers.1.smooth", N_IN, &seed),
        integers("layers.1.attention.key.weight", 4, matrix, &seed),
        floats("layers.1.attention.key.scale", N_OUT, &seed),
        floats("layers.10.smooth", N_IN, &seed),
        floats("layers.10.output.smooth", N_IN, &seed),
        integers("layers.10.output.weight", 4, matrix, &seed),
        floats("layers.10.output.scale", N_OUT, &seed),
    };
    size_t n = sizeof tensors / sizeof *tensors;
    const float *rows = expanded(tensors, n, 0, 2, table), *scales = tensors[1].data;
    const int8_t *from = tensors[0].data;
    for (uint32_t i = 0; i < N_ROWS * N_IN; i++)
        CHECK(rows[i] == (float)from[i] * scales[i / N_IN], "number %u of the table is %g", i,
              (double)rows[i]);
    check_matrix(tensors, n, 3, "layers.1.attention.key.scale", "layers.1.smooth");
    check_matrix(tensors, n, 7, "layers.10.output.scale", "layers.10.output.smooth");
    for (size_t i = 0; i < n; i++) {
        bert_tensor tensor;
        int is_factor = tensors[i].dtype == BERT_DTYPE_F32;
        CHECK(bert_train_tensor(tensors, n, i, &tensor) != is_factor, "%s", tensors[i].name);
    }
}

TEST(halves_and_floats)
{
    static const uint16_t halves[] = {0x3c00, 0xc000, 0x3555, 0x0001, 0x7bff, 0x8000, 0x3800};
    static const float values[] = {1, -2, 0x1.554p-2f, 0x1p-24f, 65504, -0.0f, 0.5f};
    uint32_t shape[] = {1, 7};
    uint32_t seed = 5;
    const bert_tensor tensors[] = {
        {"embeddings.word.weight", BERT_DTYPE_F16, 2, {1, 7}, guarded(halves, 14), 14},
        floats("embeddings.norm.weight", 7, &seed),
    };
    CHECK(memcmp(expanded(tensors, 2, 0, 2, shape), values, sizeof values) == 0, "halves");
    CHECK(memcmp(expanded(tensors, 2, 1, 1, shape + 1), tensors[1].data, 28) == 0, "floats");
}

/*
 * train.c - how long a step of training takes, and what of the machine it uses: a model of the size
 * of MiniLM-L6 on a batch of 32 sentences of 7 to 26 tokens, 423 in all. bench/train_torch.py does
 * the same with PyTorch.
 *
 *     make bench-train
 *     build/native/bench/train deberta     the same with attention as DeBERTa v3 has it
 *
 * Per number of threads: the way there, the way back and the step of AdamW, the fastest and the
 * middle one of ROUNDS, and 10^9 operations a second of the first two; then, in the same rounds,
 * what the f32 product alone does with one thread (gemm_f32: 128 rows, as in bench/micro.c).
 * Operations are the multiplications and additions of products: 2 for each weight and token there,
 * 4 back, attention's besides, without what distances add to it.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels.h"
#include "train.h"

enum {
    SEQUENCES = 32,
    HIDDEN = 384,
    INTERMEDIATE = 1536,
    LAYERS = 6,
    HEADS = 12,
    WORDS = 30522,
    LABELS = 2,
    DISTANCES = 512,
    ROUNDS = 9,
    GEMM_ROWS = 128,
    REPEATS = 8,
    MOST_THREADS = 2,
    MOST_TENSORS = 256
};

static bert_config config = {.vocab_size = WORDS,
                             .hidden_size = HIDDEN,
                             .embedding_size = HIDDEN,
                             .intermediate_size = INTERMEDIATE,
                             .n_layers = LAYERS,
                             .n_heads = HEADS,
                             .n_positions = 512,
                             .n_token_types = 2,
                             .n_labels = LABELS,
                             .layer_norm_eps = 1e-12f,
                             .activation = BERT_ACTIVATION_GELU,
                             .pooler_activation = BERT_ACTIVATION_TANH};

static uint32_t seed = 1;

/* xorshift32: Marsaglia 2003. */
static uint32_t random_u32(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    return seed ^= seed << 5;
}

static void *allocate(size_t n_bytes)
{
    void *memory = aligned_alloc(BERT_ALIGNMENT,
                                 (n_bytes + BERT_ALIGNMENT - 1) / BERT_ALIGNMENT * BERT_ALIGNMENT);
    if (!memory) {
        fputs("out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

/* ------------------------------------------------------------------------------------- model -- */

static bert_tensor tensors[MOST_TENSORS];
static char names[MOST_TENSORS][BERT_MAX_NAME + 1];
static size_t n_tensors;

static void add(const char *name, float base, float spread, uint32_t rank, const uint32_t *shape)
{
    bert_tensor *tensor = &tensors[n_tensors];
    size_t count = 1;
    snprintf(names[n_tensors], sizeof names[0], "%s", name);
    *tensor = (bert_tensor){.name = names[n_tensors++], .rank = rank};
    for (uint32_t i = 0; i < rank; i++)
        count *= tensor->shape[i] = shape[i];
    float *data = allocate(count * sizeof *data);
    for (size_t i = 0; i < count; i++)
        data[i] = base + spread * ((float)(random_u32() >> 8) / (float)(1 << 23) - 1);
    tensor->data = data;
    tensor->n_bytes = count * sizeof *data;
}

static void add_vector(const char *name, const char *suffix, float base, uint32_t n)
{
    char whole[64];
    snprintf(whole, sizeof whole, "%s%s", name, suffix);
    add(whole, base, 0.02f, 1, &n);
}

static void add_norm(const char *name)
{
    add_vector(name, ".weight", 1, HIDDEN);
    add_vector(name, ".bias", 0, HIDDEN);
}

static void add_table(const char *name, uint32_t n_rows)
{
    add(name, 0, 0.04f, 2, (uint32_t[]){n_rows, HIDDEN});
}

static void add_matrix(const char *name, uint32_t n_in, uint32_t n_out)
{
    char whole[64];
    snprintf(whole, sizeof whole, "%s.weight", name);
    add(whole, 0, 0.06f, 3, (uint32_t[]){BERT_PANELS(n_out), n_in, BERT_PANEL});
    add_vector(name, ".bias", 0, n_out);
}

/* Of the sizes above, with what DeBERTa v3 (He et al. 2021) knows of distances. */
static void become_deberta(void)
{
    config.n_positions = config.n_token_types = 0;
    config.n_distances = config.n_relative_rows = DISTANCES;
    config.position_attention = BERT_POSITION_ATTENTION_C2P_P2C;
    config.relative_source = BERT_RELATIVE_SOURCE_SHARED;
    config.relative_norm = 1;
    config.pooler_activation = BERT_ACTIVATION_GELU;
}

/* A row for each distance, as near ones have; the batch has no others. */
static void add_distances(void)
{
    uint32_t n = 2 * DISTANCES - 1;
    add("relative.rows", 0, 0, 1, &n);
    float *rows = (float *)tensors[n_tensors - 1].data;
    for (int i = 0; i < 2 * DISTANCES - 1; i++) {
        int row = i - (DISTANCES - 1) + DISTANCES / 2;
        rows[i] = (float)(row < 0 ? 0 : row >= DISTANCES ? DISTANCES - 1 : row);
    }
    add_table("relative.embeddings.weight", DISTANCES);
    add_norm("relative.norm");
}

static void add_model(void)
{
    static const char *const square[] = {"query", "key", "value", "output"};
    char name[64];
    add_table("embeddings.word.weight", WORDS);
    if (config.n_positions)
        add_table("embeddings.position.weight", config.n_positions);
    if (config.n_token_types)
        add_table("embeddings.token_type.weight", config.n_token_types);
    add_norm("embeddings.norm");
    if (config.n_distances)
        add_distances();
    for (int layer = 0; layer < LAYERS; layer++) {
        for (int i = 0; i < 4; i++) {
            snprintf(name, sizeof name, "layers.%d.attention.%s", layer, square[i]);
            add_matrix(name, HIDDEN, HIDDEN);
        }
        for (int i = 0; config.n_distances && i < 2; i++) {
            snprintf(name, sizeof name, "layers.%d.attention.relative_%s.weight", layer, square[i]);
            add_table(name, DISTANCES);
        }
        snprintf(name, sizeof name, "layers.%d.attention.norm", layer);
        add_norm(name);
        snprintf(name, sizeof name, "layers.%d.intermediate", layer);
        add_matrix(name, HIDDEN, INTERMEDIATE);
        snprintf(name, sizeof name, "layers.%d.output", layer);
        add_matrix(name, INTERMEDIATE, HIDDEN);
        snprintf(name, sizeof name, "layers.%d.output.norm", layer);
        add_norm(name);
    }
    add_matrix("pooler", HIDDEN, HIDDEN);
    add_matrix("classifier", HIDDEN, LABELS);
    /* Columns that fill a panel. */
    float *classifier = (float *)tensors[n_tensors - 2].data;
    for (int i = 0; i < HIDDEN * BERT_PANEL; i++)
        classifier[i] *= i % BERT_PANEL < LABELS;
}

static uint32_t lengths[SEQUENCES], ids[SEQUENCES * 32], n_tokens;
static int32_t labels[SEQUENCES];
static double n_operations; /* of both ways */

static void add_batch(void)
{
    double weights = LAYERS * (4.0 * HIDDEN * HIDDEN + 2.0 * HIDDEN * INTERMEDIATE), squares = 0;
    for (uint32_t s = 0; s < SEQUENCES; s++) {
        lengths[s] = 7 + s * s / 49;
        labels[s] = (int32_t)(s % LABELS);
        for (uint32_t i = 0; i < lengths[s]; i++)
            ids[n_tokens++] = random_u32() % WORDS;
        squares += (double)lengths[s] * lengths[s];
    }
    /* Two products of attention there, five back. */
    n_operations = 6 * weights * n_tokens + 14.0 * LAYERS * HIDDEN * squares;
}

/* ------------------------------------------------------------------------------------- times -- */

/* Milliseconds: on the clock, and of all processors. */
typedef struct moment {
    double clock, processors;
} moment;

static double read_clock(clockid_t id)
{
    struct timespec time;
    clock_gettime(id, &time);
    return 1e3 * (double)time.tv_sec + 1e-6 * (double)time.tv_nsec;
}

static moment now(void)
{
    return (moment){read_clock(CLOCK_MONOTONIC), read_clock(CLOCK_PROCESS_CPUTIME_ID)};
}

/* A time of every round. */
typedef struct times {
    double clock[ROUNDS], processors[ROUNDS];
} times;

static void take(times *of, int round, moment start, moment end)
{
    of->clock[round] = end.clock - start.clock;
    of->processors[round] = end.processors - start.processors;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(const char *what, times *of, double operations)
{
    qsort(of->clock, ROUNDS, sizeof *of->clock, compare);
    qsort(of->processors, ROUNDS, sizeof *of->processors, compare);
    printf("  %-22s %8.1f %8.1f ms, processors %8.1f %8.1f ms", what, of->clock[0],
           of->clock[ROUNDS / 2], of->processors[0], of->processors[ROUNDS / 2]);
    if (operations > 0)
        printf("   %6.1f %6.1f GFLOPS", operations / of->processors[0] / 1e6,
               operations / of->processors[ROUNDS / 2] / 1e6);
    putchar('\n');
}

/* GEMM_ROWS rows times one matrix of a layer, REPEATS times. */
static void multiply(void)
{
    static float x[GEMM_ROWS * HIDDEN], y[GEMM_ROWS * INTERMEDIATE];
    const float *panels = NULL;
    for (size_t i = 0; i < n_tensors && !panels; i++)
        if (strcmp(names[i], "layers.0.intermediate.weight") == 0)
            panels = tensors[i].data;
    matrix w = {.n_in = HIDDEN, .n_out = INTERMEDIATE, .panels = panels};
    product out = {.c = y, .c_stride = INTERMEDIATE};
    for (int i = 0; i < REPEATS; i++)
        gemm_f32(x, HIDDEN, GEMM_ROWS, &w, panels_all(INTERMEDIATE), &out, NULL);
}

static void *serve(void *trainer)
{
    bert_train_serve(trainer);
    return NULL;
}

static void check(bert_status status, const bert_error *error)
{
    if (status == BERT_OK)
        return;
    fprintf(stderr, "%s (%s)\n", bert_status_text(status), error->subject);
    exit(1);
}

static void measure(uint32_t n_threads)
{
    static times there, back, step, whole, gemm;
    float logits[SEQUENCES * LABELS], loss = 0;
    bert_train_options options = {.max_tokens = 512, .n_threads = n_threads};
    bert_batch batch = {.n_sequences = SEQUENCES, .lengths = lengths, .ids = ids};
    bert_outputs outputs = {.data[BERT_OUTPUT_LOGITS] = logits};
    bert_error error;
    bert_trainer *trainer;
    size_t n_bytes = 0;
    pthread_t threads[MOST_THREADS];
    check(bert_train_size(&config, &options, &n_bytes, &error), &error);
    void *memory = allocate(n_bytes);
    check(bert_train_open(&config, tensors, n_tensors, &options, memory, n_bytes, &trainer, &error),
          &error);
    for (uint32_t i = 1; i < n_threads; i++)
        pthread_create(&threads[i], NULL, serve, trainer);
    while (bert_train_threads(trainer) < n_threads)
        sched_yield();
    for (int round = -1; round < ROUNDS; round++) {
        moment at[6] = {now()};
        check(bert_train_forward(trainer, &batch, &outputs, &error), &error);
        at[1] = now();
        check(
            bert_loss_cross_entropy(logits, SEQUENCES, LABELS, labels, NULL, &loss, logits, &error),
            &error);
        check(bert_train_backward(trainer, &outputs, &error), &error);
        at[2] = now();
        bert_train_clip(trainer, 1);
        bert_train_step(trainer, &(bert_adamw){.learning_rate = 5e-5, .weight_decay = 0.01});
        at[3] = now();
        at[4] = now();
        multiply();
        at[5] = now();
        if (round < 0)
            continue;
        take(&there, round, at[0], at[1]);
        take(&back, round, at[1], at[2]);
        take(&step, round, at[2], at[3]);
        take(&whole, round, at[0], at[3]);
        take(&gemm, round, at[4], at[5]);
    }
    bert_train_stop(trainer);
    for (uint32_t i = 1; i < n_threads; i++)
        pthread_join(threads[i], NULL);
    free(memory);
    printf("%u threads, %u tokens, %.0f MB, loss %.4f\n", n_threads, n_tokens,
           (double)n_bytes / 1e6, (double)loss);
    print("there", &there, n_operations / 3);
    print("back", &back, n_operations / 3 * 2);
    print("clipping and AdamW", &step, 0);
    print("all", &whole, n_operations);
    print("f32 product, 1 thread", &gemm, 2.0 * REPEATS * GEMM_ROWS * HIDDEN * INTERMEDIATE);
}

int main(int n_arguments, char **arguments)
{
    if (n_arguments > 1 && strcmp(arguments[1], "deberta") == 0)
        become_deberta();
    add_model();
    add_batch();
    for (uint32_t n = 1; n <= MOST_THREADS; n++)
        measure(n);
    return 0;
}

/*
 * trainer.h - what the files of core/train share: the trainer, and pieces of the way there and
 * back. Each piece has both ways in one file, beside each other. Every pointer to numbers has its
 * shape beside it; T tokens in the batch, S sequences, H hidden_size, E embedding_size, I
 * intermediate_size. d x is the derivative of the loss by x.
 *
 * A trainer has a session for its threads alone (share.h): what that computes in is the trainer's.
 */
#ifndef BERT_TRAINER_H
#define BERT_TRAINER_H

#include "share.h"
#include "train.h"

/* Rows whose products become gradients of weights at a time: [GRADIENT_ROWS, I] stays in a cache,
 * and scratch does not grow with the batch. */
#define GRADIENT_ROWS 512

/* Columns of products whose derivatives go back to inputs at a time, whole panels: scratch does not
 * grow with a vocabulary. Layers have no more. */
#define GRADIENT_COLUMNS 4096

/* Floats of a tile of columns and GRADIENT_ROWS rows, which each thread has for itself. */
#define OUTPUT_TILE (TILE_PANELS * BERT_PANEL * GRADIENT_ROWS)

/* Numbers of a parameter that is no table that are dealt out together: see adamw.c. */
#define PARAMETER_UNIT 256

/* What the way forward of a layer leaves for the way back. Every array is [T, H], but `wide`. */
typedef struct layer_trace {
    float *query, *key, *value;
    float *context;       /* softmax(query key' / sqrt d) value */
    float *attention_sum; /* states + context W + b, before the norm */
    float *attended;      /* after it */
    float *wide;          /* [T, I]: attended W + b, before the activation */
    float *output_sum;    /* attended + activation(wide) W + b, before the norm */
} layer_trace;

/* The same of a dense layer under an activation, as heads have it, for R rows: y = activation(sum),
 * sum = x W + b. */
typedef struct dense_trace {
    float *x, *sum, *y; /* [R, H] */
    float *dsum;        /* [R, H]: d y, then d sum */
} dense_trace;

/* The same of a language model's head, for R rows: logits = normed W + b, normed = norm(y). */
typedef struct lm_trace {
    float *sum, *y, *normed; /* [R, E] */
} lm_trace;

/* What a thread has for itself: see attention.c. n is max_sequence_tokens, d the columns of a head.
 */
typedef struct attention_space {
    float *key, *value;   /* [n, d] of the tokens that are attended to */
    float *key_columns;   /* [ceil(n / BERT_PANEL), d, BERT_PANEL]: key' as a matrix d -> n */
    float *value_columns; /* likewise */
    float *key_rows;      /* [ceil(d / BERT_PANEL), n, BERT_PANEL]: key as a matrix n -> d */
    float *value_rows;    /* likewise */
    float *query_rows;    /* [ceil(d / BERT_PANEL), QUERY_BLOCK, BERT_PANEL] */
    float *context_rows;  /* likewise, of d context */
    float *scores;        /* [QUERY_BLOCK, n]: probabilities, in the end */
    float *dscores;       /* [QUERY_BLOCK, n]: d probabilities, then d scores */
    float *across;        /* [n, QUERY_BLOCK]: either, transposed */
    float *dkey, *dvalue; /* [n, d] of those */
    /* With tables of distances; W is position_stride(n_relative_rows). */
    float *relative_rows; /* [ceil(d / BERT_PANEL), W, BERT_PANEL]: a table as a matrix rows -> d */
    float *key_sums;      /* [n, W]: d scores of each key, those of a row added up */
    float *sums_across;   /* [W, max(n, QUERY_BLOCK)]: of queries or keys, transposed */
} attention_space;

/* Which rows of a table have a gradient, and which ever had one. */
enum { ROW_UNTOUCHED, ROW_MOVING, ROW_TOUCHED };

/* A bert_parameter, and what only the trainer knows of it. */
typedef struct parameter {
    bert_parameter is;
    uint8_t *rows;  /* [rows of the table]: ROW_...; NULL: it is no table */
    uint32_t stage; /* see parameters_trains() */
} parameter;

/* A matrix's adapter, y = x W + b + scale (x A) B: see lora.c. */
typedef struct adapter {
    matrix a, b; /* n_in -> rank, rank -> n_out; without panels: there is none */
} adapter;

/* Matrices that make a layer's tables of distances, H -> H; without panels: keys' and queries' own
 * do. */
typedef struct table_projections {
    matrix key, query;
} table_projections;

/* Those of a layer, in the order of bert_lora_target. */
enum {
    ADAPTER_QUERY,
    ADAPTER_KEY,
    ADAPTER_VALUE,
    ADAPTER_ATTENTION_OUTPUT,
    ADAPTER_INTERMEDIATE,
    ADAPTER_OUTPUT,
    N_ADAPTERS
};

struct bert_trainer {
    bert_session session; /* its threads; what a batch may be */
    uint32_t recomputes;
    parameter *parameters; /* [n_parameters] */
    uint32_t n_parameters;
    bert_tensor *tensors; /* [n_tensors]: of the model, those that are not trained included */
    char (*names)[BERT_MAX_NAME + 1];
    uint32_t n_tensors;
    float *values, *gradients; /* of all parameters, one after the other: each at the same place */
    uint32_t *bias_first;      /* [2 D - 1]: the first distance of the bucket */
    uint32_t n_steps;
    double *partial_sums; /* of squares of gradients: see adamw.c */

    /* Adapters: see lora.c. */
    adapter *adapters; /* [stored layers, N_ADAPTERS]; NULL: there are none */
    float lora_scale;
    float *low, *dlow;     /* [max(T, n_relative_rows), rank] */
    float *adapted_tables; /* [2, n_relative_rows, H]: of the layer at hand, of queries and keys */

    /* Dropout: see dropout.c. */
    bert_dropout dropout;
    int drops;               /* some rate is not 0 */
    uint32_t pass, n_passes; /* of forward() since the last step: the last one's, and how many */

    /* Words that are perturbed: see adversary.c. */
    float *saved_words;   /* [T, E] */
    uint32_t *saved_rows; /* [T]: of which row each is */
    uint32_t n_saved;

    /* What forward() leaves. */
    bert_batch batch;
    bert_outputs outputs;
    uint32_t n_tokens;
    int can_go_back;
    float *embeddings_sum, *embeddings; /* [T, E]: before and after the norm */
    float *states;                      /* [n_layers + 1, T, H]: what layers begin with */
    layer_trace *layers;                /* [n_layers], or one for all that are computed again */
    dense_trace pooler, token_transform;
    dense_trace sentence; /* x: [S, pooled columns]; the others: [S, columns of the embedding] */
    lm_trace lm;
    /* What tables of distances are made of, if a relative_source says so: see relative.c. */
    const float *relative_embeddings; /* [n_relative_rows, H] */
    norm_weights relative_norm;       /* [H] */
    float *relative;                  /* [n_relative_rows, H]: embeddings after their norm */
    table_projections *projections;   /* [stored layers]; NULL: they have none */
    /* With a convolution: its inputs and, on the way back, their derivatives; what it gives before
     * the activation; that and what it is added to, before the norm. */
    float *conv_windows;           /* [T, conv_size H] */
    float *conv_output, *conv_sum; /* [T, H] */

    /* What backward() computes in. */
    float *dstates;                /* [T, H]: of the layer at hand's output, then of its input */
    float *dsum, *dcontext;        /* [T, H] */
    float *dquery, *dkey, *dvalue; /* [T, H] */
    float *activated, *dwide;      /* [T, I] */
    float *means, *inverses;       /* [T]: of rows before a norm */
    float *weight_columns;      /* W' as a matrix, of the largest W, of GRADIENT_COLUMNS at most */
    float *inputs_across;       /* [most inputs up to whole panels, GRADIENT_ROWS] */
    float *output_rows;         /* [n_threads, OUTPUT_TILE] */
    attention_space *attention; /* [n_threads] */
    /* Of distances: the batch's rows; gradients of all biases and of the layer at hand's tables,
     * [n_relative_rows, H], NULL: not trained. Where tables are made, room for those of both, and
     * of what they are made of. */
    row_range batch_rows;
    float *dbias, *drelative_key, *drelative_query;
    float *dtables;   /* [2, n_relative_rows, H] */
    float *drelative; /* [n_relative_rows, H] */
};

/* -------------------------------------------------------------------------------- parameters -- */

/* Tensors that a config asks for, and floats of those that are trained, each on BERT_ALIGNMENT, and
 * of the others. */
typedef struct parameter_counts {
    uint32_t n_trained, n_fixed;
    uint32_t n_adapted; /* of those that are trained: of adapters, no part of the model */
    uint64_t trained_floats, fixed_floats;
    uint64_t n_rows; /* of all tables that are trained */
} parameter_counts;

parameter_counts parameters_count(const bert_config *config, const bert_lora *lora);

/* Names, shapes and places, in the trainer's memory. Those of adapters are the last. */
void parameters_lay_out(const bert_config *config, const bert_lora *lora, bert_trainer *trainer,
                        uint8_t *rows, float *means, float *squares);

/* Stages are what the way back goes through: 0 for embeddings, those of distances too, 1 + 2 s and
 * 2 + 2 s for the attention and the feed-forward block of stored layer s, the last for heads; a
 * convolution comes with the first layer's feed-forward block. Whether some parameter of one is
 * trained. */
int parameters_trains(const bert_trainer *trainer, uint32_t stage);

/* The gradient of the parameter whose values, in the model, are at `value`; NULL if it is not
 * trained, or no parameter. `adds`: there is something already, else what is there is undefined
 * (but of a table). */
float *parameters_gradient(const bert_trainer *trainer, const void *value, int *adds);

/* It has a gradient now, if it is a parameter that is trained. */
void parameters_mark(const bert_trainer *trainer, const void *value);

/* Of a table: see ROW_MOVING. */
uint8_t *parameters_rows(const bert_trainer *trainer, const void *value);

/* Buckets of the biases as they are now. */
void parameters_find_buckets(bert_trainer *trainer);

/* Runs `work` on all rows, some at a time, where it does each by itself. */
static inline void trainer_each_row(bert_trainer *trainer, uint32_t n_rows, rows_work work,
                                    void *argument)
{
    thread_share all = {&trainer->session, 0, {0, n_rows}, 1};
    share_each_row(&all, work, argument);
}

/* -------------------------------------------------------------------------- pieces: products -- */

/* y = x W + b + (adds: y). x: [n_rows, n_in], y: [n_rows, n_out]. */
void dense_forward(bert_trainer *trainer, const float *x, uint32_t n_rows, const matrix *w,
                   int adds, float *y);

/* The same of rows of x that are `x_stride` apart. */
void dense_multiply(bert_trainer *trainer, const float *x, size_t x_stride, uint32_t n_rows,
                    const matrix *w, int adds, float *y);

/* Of that, d x = dy W' + (adds: dx). */
void dense_inputs_backward(bert_trainer *trainer, const float *dy, uint32_t n_rows, const matrix *w,
                           int adds, float *dx);

/* And d W += x' dy, d b += the sum of dy's rows. */
void dense_weights_backward(bert_trainer *trainer, const float *x, const float *dy, uint32_t n_rows,
                            const matrix *w);

/* The same of several products of the same x. */
typedef struct dense_gradient {
    const matrix *w;
    const float *dy;
} dense_gradient;
void dense_all_weights_backward(bert_trainer *trainer, const float *x, uint32_t n_rows,
                                const dense_gradient *products, uint32_t n_products);

/* y += x. [n_rows, n_columns]. */
void dense_add(bert_trainer *trainer, const float *x, uint32_t n_rows, uint32_t n_columns,
               float *y);

/* Rows of x as the matrix n_rows -> n_columns, in panels; columns that fill the last one are zeros.
 * x: [n_rows, n_columns], stride `stride`; panels: [panels of n_columns, n_rows, BERT_PANEL]. */
void dense_pack_rows(const float *x, size_t stride, uint32_t n_rows, panel_range columns,
                     uint32_t n_columns, float *panels);

/* y = x'. x: [n_rows, n_columns], stride `x_stride`; y: [n_columns, n_rows], stride `y_stride`. */
void dense_transpose(const float *restrict x, size_t x_stride, uint32_t n_rows, uint32_t n_columns,
                     float *restrict y, size_t y_stride);

/* -------------------------------------------------------------- pieces: between the products -- */

/* y = norm(x), [n_rows, n_columns]. */
void norm_forward(bert_trainer *trainer, const float *x, uint32_t n_rows, uint32_t n_columns,
                  const norm_weights *norm, float *y);
/* d x, and d weight and d bias are added to. dx may not be dy. */
void norm_backward(bert_trainer *trainer, const float *x, const float *dy, uint32_t n_rows,
                   uint32_t n_columns, const norm_weights *norm, float *dx);

/* y = activation(x), n numbers. */
void activation_forward(bert_trainer *trainer, const float *x, size_t n, bert_activation activation,
                        float *y);
/* dy *= activation'(x). */
void activation_backward(bert_trainer *trainer, const float *x, size_t n,
                         bert_activation activation, float *dy);

/* context = dropout(softmax(query key' / sqrt d + what distances add)) value of the trace of layer
 * `index`. */
void attention_forward(bert_trainer *trainer, uint32_t index, const layer_trace *trace);
/* d query, d key and d value of the trainer from its d context. */
void attention_backward(bert_trainer *trainer, uint32_t index, const layer_trace *trace);

/* -------------------------------------------------------------- pieces: tables of distances -- */

/* Whether matrices of their own project embeddings of distances, and whether keys have biases. */
int relative_has_projections(const bert_config *config);
int relative_has_key_bias(const bert_config *config);

/* The model's tables of distances from what they are made of, if anything; between steps. */
void relative_forward(bert_trainer *trainer);
/* The weights of layer `index`, its tables as its adapters have them: until the next layer's. */
layer_weights relative_adapted(bert_trainer *trainer, uint32_t index);
/* On the way back: before all layers; before and after the attention of each; after all, where what
 * tables are made of may be trained. */
void relative_begin_back(bert_trainer *trainer);
void relative_begin_layer(bert_trainer *trainer, uint32_t index);
void relative_end_layer(bert_trainer *trainer, uint32_t index);
void relative_end_back(bert_trainer *trainer);

/* -------------------------------------------------------------------------- pieces: adapters -- */

/* Defaults in place of zeros, then checks. */
bert_status lora_resolve(const bert_config *config, bert_lora *lora, bert_error *error);

/* A is drawn, B is zeros. */
void lora_begin(bert_trainer *trainer, uint32_t seed);

/* Those of layer `layer`: [N_ADAPTERS]. */
const adapter *lora_of_layer(const bert_trainer *trainer, uint32_t layer);

/* y += scale (x A) B. x: [n_rows, n_in], y: [n_rows, n_out]. */
void lora_forward(bert_trainer *trainer, const float *x, uint32_t n_rows, const adapter *it,
                  float *y);

/* d x += scale (dy B') A', but where dx is NULL, and the gradients of A and B are added to. */
void lora_backward(bert_trainer *trainer, const float *x, const float *dy, uint32_t n_rows,
                   const adapter *it, float *dx);

/* --------------------------------------------------------------------------- pieces: dropout -- */

/* What is dropped, in a layer or (then `layer` is 0) elsewhere: bert_dropout. */
typedef enum dropout_site {
    DROPOUT_EMBEDDINGS,
    DROPOUT_ATTENTION,
    DROPOUT_ATTENTION_OUTPUT,
    DROPOUT_OUTPUT,
    DROPOUT_POOLER,
    DROPOUT_CLASSIFIER,
    N_DROPOUTS
} dropout_site;

/* y = what is left of x, scaled: [n_rows, n_columns]; y may be x. Where nothing is dropped, x is
 * returned and y is not written, else y. The same on the way there and, of derivatives, back. */
const float *dropout_apply(bert_trainer *trainer, dropout_site site, uint32_t layer, const float *x,
                           uint32_t n_rows, uint32_t n_columns, float *y);

/* The same of single rows, where the rate is not 0. */
typedef struct dropout_mask {
    uint32_t seed, pass, step, site;
    uint32_t least; /* of the random numbers that are kept */
    float scale;
} dropout_mask;
dropout_mask dropout_mask_at(const bert_trainer *trainer, dropout_site site, uint32_t layer);
void dropout_row(const dropout_mask *mask, uint32_t row, uint32_t n, const float *x, float *y);

/* ------------------------------------------------------------------------- pieces: the model -- */

/* From the embeddings' output and the states after the first layer to those that the second begins
 * with; and from their derivatives, trainer->dstates, to those of the first. Where the way back
 * `goes_on` to the embeddings, it leaves what conv_embeddings_backward() adds to theirs. */
void conv_forward(bert_trainer *trainer);
void conv_backward(bert_trainer *trainer, int goes_on);
void conv_embeddings_backward(bert_trainer *trainer);
/* Zeros for the tokens that are not attended to. rows: [T, H]. */
void conv_mask(const bert_trainer *trainer, float *rows);

/* The first states. */
void embeddings_forward(bert_trainer *trainer);
/* From trainer->dstates, which it overwrites. */
void embeddings_backward(bert_trainer *trainer);

/* The pieces of heads that have files of their own. logits: [R, vocab_size] for the R tokens that
 * words are predicted of; embeddings: [S, columns]. The ways back add to trainer->dstates. */
void lm_head_forward(bert_trainer *trainer, float *logits);
void lm_head_backward(bert_trainer *trainer, const float *dlogits);
void sentences_forward(bert_trainer *trainer, float *embeddings);
void sentences_backward(bert_trainer *trainer, const float *dembeddings);

/* What the head outputs that are wanted are, from the last states. */
void heads_forward(bert_trainer *trainer, const bert_outputs *outputs);
/* d states, from the derivatives by the outputs. */
void heads_backward(bert_trainer *trainer, const bert_outputs *gradients);

/* The weights of layer `index`. */
static inline const layer_weights *trainer_layer(const bert_trainer *trainer, uint32_t index)
{
    const bert_model *model = trainer->session.model;
    return &model->layers[bert_config_stored_layer(&model->config, index)];
}

/* The states that it begins with; n_layers: the last ones. */
static inline float *trainer_states(const bert_trainer *trainer, uint32_t index)
{
    return trainer->states +
           (size_t)index * trainer->session.max_tokens * trainer->session.model->config.hidden_size;
}

#endif

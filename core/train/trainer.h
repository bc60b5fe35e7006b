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
    uint8_t *rows; /* [rows of the table]: ROW_...; NULL: it is no table */
} parameter;

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

    /* What forward() leaves. */
    bert_batch batch;
    bert_outputs outputs;
    uint32_t n_tokens;
    int can_go_back;
    float *embeddings_sum, *embeddings; /* [T, E]: before and after the norm */
    float *states;                      /* [n_layers + 1, T, H]: what layers begin with */
    layer_trace *layers;                /* [n_layers], or one for all that are computed again */
    dense_trace pooler, token_transform;
    float *relative; /* [n_relative_rows, H]: embeddings of distances after their norm */
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
    float *weight_columns;         /* W' as a matrix, of the largest W */
    float *inputs_across;          /* [most inputs, GRADIENT_ROWS] */
    float *output_rows;         /* [ceil(most outputs / BERT_PANEL), GRADIENT_ROWS, BERT_PANEL] */
    attention_space *attention; /* [n_threads] */
    /* Of distances: the batch's rows, the gradient of all biases, those of the tables of the layer
     * at hand and of what they are made of, [n_relative_rows, H]. NULL: not trained. */
    row_range batch_rows;
    float *dbias, *drelative_key, *drelative_query, *drelative;
};

/* -------------------------------------------------------------------------------- parameters -- */

/* Tensors that a config asks for, and floats of those that are trained, each on BERT_ALIGNMENT, and
 * of the others. */
typedef struct parameter_counts {
    uint32_t n_trained, n_fixed;
    uint64_t trained_floats, fixed_floats;
    uint64_t n_rows; /* of all tables that are trained */
} parameter_counts;

parameter_counts parameters_count(const bert_config *config);

/* Names, shapes and places, in the trainer's memory. The fixed ones follow the trained ones. */
void parameters_lay_out(const bert_config *config, bert_trainer *trainer, uint8_t *rows,
                        float *means, float *squares);

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

/* context = softmax(query key' / sqrt d + what distances add) value of the trace. */
void attention_forward(bert_trainer *trainer, const layer_weights *layer, const layer_trace *trace);
/* d query, d key and d value of the trainer from its d context. */
void attention_backward(bert_trainer *trainer, const layer_weights *layer,
                        const layer_trace *trace);

/* The model's tables of distances from what they are made of, if anything; between steps. */
void relative_forward(bert_trainer *trainer);
/* On the way back: before all layers, before and after the attention of each, after all. */
void relative_begin_back(bert_trainer *trainer);
void relative_begin_layer(bert_trainer *trainer, const layer_weights *layer);
void relative_end_layer(bert_trainer *trainer, const layer_weights *layer);
void relative_end_back(bert_trainer *trainer);

/* ------------------------------------------------------------------------- pieces: the model -- */

/* From the embeddings' output and the states after the first layer to those that the second begins
 * with; and from their derivatives, trainer->dstates, to those of the first. */
void conv_forward(bert_trainer *trainer);
void conv_backward(bert_trainer *trainer);
/* Adds those of the embeddings' output. */
void conv_embeddings_backward(bert_trainer *trainer);
/* Zeros for the tokens that are not attended to. rows: [T, H]. */
void conv_mask(const bert_trainer *trainer, float *rows);

/* The first states. */
void embeddings_forward(bert_trainer *trainer);
/* From trainer->dstates, which it overwrites. */
void embeddings_backward(bert_trainer *trainer);

/* What the head outputs that are wanted are, from the last states. */
void heads_forward(bert_trainer *trainer, const bert_outputs *outputs);
/* d states, from the derivatives by the outputs. */
void heads_backward(bert_trainer *trainer, const bert_outputs *gradients);

/* The states that layer `index` begins with; n_layers: the last ones. */
static inline float *trainer_states(const bert_trainer *trainer, uint32_t index)
{
    return trainer->states +
           (size_t)index * trainer->session.max_tokens * trainer->session.model->config.hidden_size;
}

#endif

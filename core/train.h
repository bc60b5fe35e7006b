/*
 * train.h - training of the encoders of bert.h: gradients, losses, AdamW. In f32, on the same
 * kernels, batches and threads; a part of its own, which engines that only encode do not have.
 *
 *     // One step on one batch. `labels` has one for each sequence.
 *     bert_status learn(bert_trainer *trainer, const bert_batch *batch, const int32_t *labels,
 *                       float *logits, float *gradient, float *loss, bert_error *error)
 *     {
 *         const bert_config *config = bert_model_config(bert_train_model(trainer));
 *         bert_outputs outputs = {.data[BERT_OUTPUT_LOGITS] = logits};
 *         bert_outputs gradients = {.data[BERT_OUTPUT_LOGITS] = gradient};
 *         bert_status status = bert_train_forward(trainer, batch, &outputs, error);
 *         if (status == BERT_OK)
 *             status = bert_loss_cross_entropy(logits, batch->n_sequences, config->n_labels,
 * labels, NULL, loss, gradient, error); if (status == BERT_OK) status =
 * bert_train_backward(trainer, &gradients, error); if (status != BERT_OK) return status;
 *         bert_train_clip(trainer, 1);
 *         bert_train_step(trainer, &(bert_adamw){.learning_rate = 5e-5});
 *         return BERT_OK;
 *     }
 *
 * A loss is a function of outputs that writes their gradients: forward() gives the outputs,
 * backward() takes the gradients, whoever has made them.
 *
 * Models. BERT, RoBERTa, XLM-R, CamemBERT, DistilBERT, ELECTRA, ALBERT (the gradients of a layer
 * that is run many times add up), MPNet and DeBERTa v1 to v3 (what their tables of distances are
 * made of is what is learned: bert_relative_source). Of its outputs, LAST_HIDDEN_STATE,
 * POOLER_OUTPUT, LOGITS and TOKEN_LOGITS can be trained; what only others read (a language model's
 * head, the dense layer over a sentence's row) is kept as it is.
 *
 * There is no dropout yet: what a model answers in training is what it answers later, to the bit.
 *
 * Memory. A trainer has everything in its one block, whose size is asked for first: the parameters,
 * which are copied, their gradients, two moments of each, and what the way forward leaves for the
 * way back. Nothing is allocated. Nothing is to be closed.
 *
 * The same bits for any number of threads: every sum has one order.
 *
 * Errors are those of bert.h.
 */
#ifndef BERT_TRAIN_H
#define BERT_TRAIN_H

#include "bert.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------------------------- trainers -- */

typedef struct bert_trainer bert_trainer;

/* Zero means the default. */
typedef struct bert_train_options {
    uint32_t max_tokens;          /* of a batch; default BERT_DEFAULT_MAX_TOKENS */
    uint32_t max_sequence_tokens; /* of one sequence; default and at most
                                   * bert_config_most_tokens() */
    uint32_t n_threads;           /* most that will work, the caller's included; default 1, at most
                                   * BERT_MAX_THREADS */
    /* 1: of a layer only its input is kept, and the rest is computed again on the way back: a third
     * more time, for memory of n_layers + 1 times max_tokens * hidden_size floats instead of about
     * twelve times as much (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost",
     * section 3). The bits are the same. Default 0. */
    uint32_t recomputes;
} bert_train_options;

/* Bytes of the one block of a trainer, a multiple of BERT_ALIGNMENT; checks the config and the
 * options, which may be NULL: all defaults. */
bert_status bert_train_size(const bert_config *config, const bert_train_options *options,
                            size_t *n_bytes, bert_error *error);

/* A trainer that begins with these tensors, all F32 and as bert_model_open() wants them; they are
 * copied. `memory` is on BERT_ALIGNMENT. */
bert_status bert_train_open(const bert_config *config, const bert_tensor *tensors, size_t n_tensors,
                            const bert_train_options *options, void *memory, size_t n_bytes,
                            bert_trainer **trainer, bert_error *error);

/* The model that is being trained, whose weights are always the latest. Sessions of it encode
 * between steps. */
const bert_model *bert_train_model(const bert_trainer *trainer);

/* Threads lend themselves as to a session: bert_session_serve() says how. */
void bert_train_serve(bert_trainer *trainer);
void bert_train_stop(bert_trainer *trainer);
uint32_t bert_train_threads(const bert_trainer *trainer);

/* -------------------------------------------------------------------------------- parameters -- */

/*
 * A tensor that is trained. Its gradient and moments lie as it does: in panels where it is a
 * matrix, whose columns beyond n_out stay zeros (docs/model-file.md).
 *
 * Biases of distances (MPNet): those of neighbouring distances that are the same in every head at
 * the beginning share a bucket (Raffel et al. 2019, T5, section 2.1) and stay the same. The
 * gradient of a bucket lies at its first distance; the others have none.
 */
typedef struct bert_parameter {
    bert_tensor tensor; /* `data` is `value` */
    size_t count;       /* of numbers, those that fill panels included */
    float *value, *gradient;
    float *mean, *square; /* of gradients: what AdamW remembers; zeros before its first step */
    /* May be set by the caller between steps. */
    int is_trained;   /* default 1; 0: it has no gradient and does not change */
    int is_decayed;   /* default 1 of matrices and tables, 0 of norms and biases */
    int has_gradient; /* since the last step, or bert_train_forget(); without, a gradient is
                       * undefined, but of a table zeros */
} bert_parameter;

uint32_t bert_train_n_parameters(const bert_trainer *trainer);
bert_parameter *bert_train_parameter(bert_trainer *trainer, uint32_t index);

/* -------------------------------------------------------------------- the way there and back -- */

/* Encodes the batch and writes the outputs that are wanted, each of those that can be trained;
 * keeps what backward() needs. Lengths, ids and so on must stay until then. */
bert_status bert_train_forward(bert_trainer *trainer, const bert_batch *batch,
                               const bert_outputs *outputs, bert_error *error);

/*
 * Adds to the gradients of the parameters those of a loss of which `gradients` has the derivatives
 * by the outputs of the last forward(), of the same shapes; NULL: the loss does not depend on it.
 * Once for each forward(): BAD_OPTION, "batch", without one. For a batch that is too large for
 * memory, call both for one part after the other.
 *
 * Padding belongs into no batch (bert_sequence_keep()): so the row of its id has no gradient, as
 * `padding_idx` of torch has it.
 */
bert_status bert_train_backward(bert_trainer *trainer, const bert_outputs *gradients,
                                bert_error *error);

/* Forgets all gradients. */
void bert_train_forget(bert_trainer *trainer);

/* ------------------------------------------------------------------------------------ losses -- */

/* A row with this label does not count. */
#define BERT_IGNORED_LABEL (-100)

/* Zero means the default. */
typedef struct bert_loss_options {
    const float *class_weights; /* [n_classes], each >= 0; default: all 1 */
    float smoothing;            /* of labels, 0 .. 1; default 0: Szegedy et al. 2015, section 7 */
    /* What the sum over the rows is divided by; default: the sum of their labels' weights, which
     * makes a mean of it. For batches in parts: the sum over all parts. */
    float divisor;
} bert_loss_options;

/*
 * Cross-entropy of softmax(logits) against labels 0 .. n_classes - 1, as torch has it:
 *
 *     the mean over rows i of  -(1 - s) w[y_i] log p_i[y_i] - s / C * the sum over c of w[c] log
 * p_i[c]
 *
 * logits: [n_rows, n_classes], labels: [n_rows]; writes the loss, and to `gradient` [n_rows,
 * n_classes], which may be `logits`, its derivatives. For classes of sequences n_rows is
 * n_sequences and n_classes n_labels; for those of tokens the number of tokens and n_token_labels.
 * BAD_OPTION: "labels" if one is no class, or if none counts; "class_weights", "smoothing",
 * "divisor". `options` may be NULL.
 */
bert_status bert_loss_cross_entropy(const float *logits, uint32_t n_rows, uint32_t n_classes,
                                    const int32_t *labels, const bert_loss_options *options,
                                    float *loss, float *gradient, bert_error *error);

/* ---------------------------------------------------------------------------------- learning -- */

/* The length of all gradients as one vector; where it is beyond `max_norm`, they are scaled to that
 * length (Pascanu et al. 2012, section 3.2), by max_norm / (length + 1e-6) as torch does. Infinite
 * or NaN if a gradient is: bert_train_forget() saves the parameters from that step. */
float bert_train_clip(bert_trainer *trainer, float max_norm);

/* Zero means the default, but of learning_rate and weight_decay. */
typedef struct bert_adamw {
    double learning_rate; /* of this step; 0: nothing moves, the moments do */
    double weight_decay;  /* of the parameters that are decayed; torch's default is 0.01 */
    double beta1, beta2;  /* below 1; default 0.9, 0.999 */
    double eps;           /* default 1e-8 */
} bert_adamw;

/* One step of every parameter that is trained and has a gradient (Loshchilov & Hutter 2017,
 * "Decoupled Weight Decay Regularization", algorithm 2, in torch's order), then forgets the
 * gradients. */
void bert_train_step(bert_trainer *trainer, const bert_adamw *adamw);

/* Steps that were made. To go on with a training, set it after the values and moments of all
 * parameters; and whenever values were set: what is made of them, as tables of distances, follows.
 */
uint32_t bert_train_n_steps(const bert_trainer *trainer);
void bert_train_set_n_steps(bert_trainer *trainer, uint32_t n_steps);

#ifdef __cplusplus
}
#endif

#endif

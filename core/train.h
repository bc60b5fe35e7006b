/*
 * train.h - training of the encoders of bert.h: gradients, losses, AdamW. In f32, on the same
 * kernels, batches and threads; a part of its own, which engines that only encode do not have.
 *
 *     // One step on one batch. `labels` has one for each sequence.
 *     bert_status learn(bert_trainer *trainer, const bert_batch *batch, const int32_t *labels,
 *                       float *logits, float *gradient, float *loss, bert_error *error)
 *     {
 *         uint32_t n_labels = bert_model_config(bert_train_model(trainer))->n_labels;
 *         bert_outputs outputs = {.data[BERT_OUTPUT_LOGITS] = logits};
 *         bert_outputs gradients = {.data[BERT_OUTPUT_LOGITS] = gradient};
 *         bert_status status = bert_train_forward(trainer, batch, &outputs, error);
 *         if (status == BERT_OK)
 *             status = bert_loss_cross_entropy(logits, batch->n_sequences, n_labels, labels,
 *                                              NULL, loss, gradient, error);
 *         if (status == BERT_OK)
 *             status = bert_train_backward(trainer, &gradients, error);
 *         if (status != BERT_OK)
 *             return status;
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
 * made of is what is learned: bert_relative_source). All outputs can be trained but HIDDEN_STATES
 * and ATTENTIONS. A language model's LM_LOGITS are computed of the batch's lm_tokens alone, their
 * rows are in that order; where its decoder is the word embedding, every row of that has a
 * gradient.
 *
 * Without dropout (bert_train_set_dropout()) what a model answers in training is what it answers
 * later, to the bit.
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

/* Matrices of layers that adapters can stand beside. */
typedef enum bert_lora_target {
    BERT_LORA_QUERY = 1,
    BERT_LORA_KEY = 2,
    BERT_LORA_VALUE = 4,
    BERT_LORA_ATTENTION_OUTPUT = 8,
    BERT_LORA_INTERMEDIATE = 16,
    BERT_LORA_OUTPUT = 32,
    BERT_LORA_ALL = 63
} bert_lora_target;

/*
 * Adapters of low rank (Hu et al. 2021, LoRA, section 4.1): a matrix W of a layer acts as W +
 * alpha / rank A B, with A [n_in, rank] and B [rank, n_out], which are trained; embeddings and
 * layers are not, and have neither gradients nor moments. Heads are trained as ever. A begins
 * uniform within 1 / sqrt(n_in) (He et al. 2015, as torch draws a linear layer), B with zeros.
 *
 * The parameters are called NAME.lora_a and NAME.lora_b, NAME.weight being the matrix. Of the model
 * and its sessions they are no part until bert_train_merge(). Layers that share weights (ALBERT)
 * share adapters. Where the matrices of keys and queries make tables of distances, too (DeBERTa
 * v3), so do their adapters.
 *
 * Zero means the default.
 */
typedef struct bert_lora {
    uint32_t rank;    /* default 0: there are no adapters; at most hidden_size */
    uint32_t targets; /* of bert_lora_target; default BERT_LORA_QUERY | BERT_LORA_VALUE */
    float alpha;      /* default rank */
    uint32_t seed;    /* of A */
} bert_lora;

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
    bert_lora lora; /* default: every parameter is trained */
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

/* ------------------------------------------------------------------------------------ weights -- */

/*
 * Weights of any dtype as a trainer begins with them. Of tensors that bert_model_open() takes,
 * tensor `index` becomes `tensor`, but for its data; 0 if it becomes none: it is the scale or the
 * factors of another, which go into that one's numbers.
 */
int bert_train_tensor(const bert_tensor *tensors, size_t n_tensors, size_t index,
                      bert_tensor *tensor);

/* Its data, of `n_bytes` of that tensor. */
void bert_train_expand(const bert_tensor *tensors, size_t n_tensors, size_t index, float *values);

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
    float rate_scale; /* of its learning rate; default 1 */
    int has_gradient; /* since the last step, or bert_train_forget(); without, a gradient is
                       * undefined, but of a table zeros */
} bert_parameter;

uint32_t bert_train_n_parameters(const bert_trainer *trainer);
bert_parameter *bert_train_parameter(bert_trainer *trainer, uint32_t index);

/*
 * Depths: heads are at 0, the last layer at 1, the one before at 2, ..., embeddings (and biases or
 * embeddings of distances) at n_layers + 1. Weights of several layers are as deep as the last of
 * those, a convolution is as deep as the first layer.
 *
 * Layer-wise learning rates: every rate_scale becomes decay^depth (Clark et al. 2020, ELECTRA,
 * appendix B; Howard & Ruder 2018, ULMFiT, section 3.2: "discriminative fine-tuning").
 */
void bert_train_scale_layers(bert_trainer *trainer, float decay);

/*
 * The `n_trained` lowest depths are trained, what is deeper is not: 1 for the heads alone, n_layers
 * + 2 for everything. Sets is_trained of all. For gradual unfreezing (Howard & Ruder 2018, section
 * 3.3) call it again with one more. What only frozen parameters would need is not computed on the
 * way back; the same where a caller sets is_trained.
 */
void bert_train_freeze(bert_trainer *trainer, uint32_t n_trained);

/* All `*n_tensors` tensors of the model, those that are not trained included, adapters not: their
 * data are always the latest. */
const bert_tensor *bert_train_tensors(const bert_trainer *trainer, uint32_t *n_tensors);

/* W += alpha / rank A B of every adapter, then B = 0: the model, and whoever encodes with it, has
 * what was learned. Without adapters nothing happens. */
void bert_train_merge(bert_trainer *trainer);

/* -------------------------------------------------------------------- the way there and back -- */

/*
 * Which share of numbers is left out at random, 0 .. below 1; what is left is divided by 1 - share
 * (Srivastava et al. 2014; Hinton et al. 2012), as torch does. transformers calls the rates
 * otherwise in each family:
 *
 *                      BERT, RoBERTa, ELECTRA, MPNet  DistilBERT             ALBERT
 *     embeddings       hidden_dropout_prob            dropout                hidden_dropout_prob
 *     attention        attention_probs_dropout_prob   attention_dropout      as BERT
 *     attention_output hidden_dropout_prob            0                      hidden_dropout_prob
 *     output           hidden_dropout_prob            dropout                0
 *     pooler           0; but of BERT, with a         0                      0
 *                      classifier of sequences,
 *                      what classifier has
 *     classifier       classifier_dropout, or         seq_classif_dropout;   classifier_
 *                      hidden_dropout_prob            of tokens dropout      dropout_prob
 *
 * DeBERTa is as BERT, but for pooler (pooler_dropout) and classifier (of sequences cls_dropout, or
 * hidden_dropout_prob; of tokens hidden_dropout_prob). With hidden_dropout_prob it drops two things
 * that nothing is dropped of here: embeddings of distances (pos_dropout), anew in each layer, and
 * what the convolution gives, before its activation.
 */
typedef struct bert_dropout {
    uint32_t seed;
    float embeddings;       /* of their sums, after the norm */
    float attention;        /* of probabilities */
    float attention_output; /* of that product, before it is added to the layer's input */
    float output;           /* of the feed-forward block, before it is added to its input */
    float pooler;           /* of what the pooler reads */
    float classifier;       /* of what a classifier reads, of sequences or tokens */
} bert_dropout;

/*
 * Dropout from the next forward() on; NULL: none, as at the beginning and as one evaluates. Which
 * numbers are left out depends on the seed, on bert_train_n_steps(), on how many forward() with
 * dropout there were since the last step, and on where they are in the batch: a run is repeated by
 * its seed, and goes on elsewhere as bert_train_set_n_steps() has it. What a forward() before has
 * left for backward() is lost. BAD_OPTION, the name of the rate.
 */
bert_status bert_train_set_dropout(bert_trainer *trainer, const bert_dropout *dropout,
                                   bert_error *error);

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

/*
 * Adversarial training (Miyato et al. 2016, "Adversarial Training Methods for Semi-Supervised Text
 * Classification", section 3): after forward() and backward(), perturb() adds epsilon g / |g| to
 * the table of words, g being its gradient, so far as the last batch has looked it up. Then forward
 * and backward the same batch once more, so that gradients add up, and restore(), which brings the
 * table back to the bit, before anything else. Nothing moves where |g| is zero or not finite.
 * BAD_OPTION, "embeddings.word.weight", if it has no gradient.
 */
bert_status bert_train_perturb(bert_trainer *trainer, float epsilon, bert_error *error);
void bert_train_restore(bert_trainer *trainer);

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
 *     the mean over rows i of
 *         -(1 - s) w[y_i] log p_i[y_i] - s / C * the sum over c of w[c] log p_i[c]
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

/*
 * Binary cross-entropy of sigmoid(logits) against targets from 0 to 1, several of which may be 1 in
 * a row (labels that do not exclude each other), as torch.nn.BCEWithLogitsLoss has it (Bishop 2006,
 * "Pattern Recognition and Machine Learning", section 4.3.2, equation 4.90):
 *
 *     the mean over all targets t of  -w[c] t log s(z) - (1 - t) log s(-z),  s(z) = 1 / (1 + e^-z)
 *
 * logits, targets, gradient: [n_rows, n_classes]; `gradient` may be `logits`. A target that is
 * BERT_IGNORED_LABEL does not count. Of the options class_weights are those of targets of 1 (torch:
 * pos_weight), smoothing s makes (1 - s) t + s / 2 of each, and the divisor's default is the number
 * of targets that count. BAD_OPTION: "targets" if one is beyond 0 .. 1, or if none counts; as
 * above.
 */
bert_status bert_loss_binary_cross_entropy(const float *logits, uint32_t n_rows, uint32_t n_classes,
                                           const float *targets, const bert_loss_options *options,
                                           float *loss, float *gradient, bert_error *error);

/*
 * The mean of (value - target)^2, for regression and for a teacher's embeddings, as
 * torch.nn.MSELoss has it (Bishop 2006, section 3.1.1, equation 3.12). values, targets, gradient:
 * [count]; `gradient` may be `values`. `divisor` is what the sum is divided by; 0: the count.
 * BAD_OPTION: "targets" if one is not finite, or if there are none; "divisor".
 */
bert_status bert_loss_squares(const float *values, size_t count, const float *targets,
                              float divisor, float *loss, float *gradient, bert_error *error);

/*
 * Where the answer begins and ends in each sequence: half the cross-entropy of the softmax of
 * column 0 over the sequence's tokens, and half that of column 1 (Devlin et al. 2018, BERT, section
 * 4.2, as transformers' ...ForQuestionAnswering average them).
 *
 * logits: [T, 2], the TOKEN_LOGITS of a batch of these lengths; starts, ends: [n_sequences], tokens
 * counted from 0 in their sequence; writes `gradient` [T, 2], which may be `logits`. A position
 * that is not in its sequence does not count, such as BERT_IGNORED_LABEL. divisors: [2], what the
 * sums over starts and over ends are divided by; NULL or 0: how many count. BAD_OPTION: "starts" or
 * "ends" if none counts; "divisor".
 */
bert_status bert_loss_spans(const float *logits, uint32_t n_sequences, const uint32_t *lengths,
                            const int32_t *starts, const int32_t *ends, const float *divisors,
                            float *loss, float *gradient, bert_error *error);

/*
 * The mean over pairs of (cosine - target)^2 (Reimers & Gurevych 2019, Sentence-BERT, section 3,
 * regression objective), as sentence-transformers' CosineSimilarityLoss and SetFit have it.
 *
 * embeddings: [n_rows, n_columns], of the distinct sentences, normalised or not; pairs: [n_pairs,
 * 2], rows of it; targets: [n_pairs]; writes `gradient` [n_rows, n_columns], zeros for a row that
 * is in no pair. `gradient` may not be `embeddings`. `divisor`: 0: n_pairs. BAD_OPTION: "pairs" if
 * one is no row, or if there are none; "targets" if one is not finite; "divisor".
 */
bert_status bert_loss_cosine_pairs(const float *embeddings, uint32_t n_rows, uint32_t n_columns,
                                   const uint32_t *pairs, const float *targets, uint32_t n_pairs,
                                   float divisor, float *loss, float *gradient, bert_error *error);

/* Zero means the default. */
typedef struct bert_ranking {
    uint32_t n_anchors;
    const uint32_t *anchors; /* [n_anchors], rows of the embeddings, such as questions */
    uint32_t n_candidates;   /* n_anchors or more */
    /* [n_candidates]: the answer of each anchor, in their order, then what answers none of them. */
    const uint32_t *candidates;
    float scale;   /* of cosines; default 20 */
    float divisor; /* default n_anchors */
} bert_ranking;

/*
 * The mean over anchors of the cross-entropy of their scaled cosines with all candidates, of which
 * those of others are the wrong answers (Henderson et al. 2017, "Efficient Natural Language
 * Response Suggestion for Smart Reply", section 4.4), as sentence-transformers'
 * MultipleNegativesRankingLoss. An answer that is right for two anchors should not be in one batch
 * with both.
 *
 * embeddings, gradient: as above. Writes the cosines to scores [n_anchors, n_candidates].
 * BAD_OPTION: "anchors", "candidates" if one is no row, or there are too few; "scale", "divisor".
 */
bert_status bert_loss_in_batch_negatives(const float *embeddings, uint32_t n_rows,
                                         uint32_t n_columns, const bert_ranking *ranking,
                                         float *scores, float *loss, float *gradient,
                                         bert_error *error);

/* Zero means the default. */
typedef struct bert_distillation {
    float temperature; /* of both softmaxes; default 2 */
    float hard_share;  /* of the cross-entropy against labels, 0 .. 1; default 0 */
    float divisor;     /* as of bert_loss_options; default: how many rows count */
} bert_distillation;

/*
 * What a teacher's logits teach (Hinton et al. 2015, "Distilling the Knowledge in a Neural
 * Network", section 2): with T the temperature, a the hard share,
 *
 *     (1 - a) T^2 KL(softmax(teacher / T) || softmax(logits / T)) + a cross-entropy(logits, label)
 *
 * averaged over rows, as torch.nn.KLDivLoss (batchmean) and CrossEntropyLoss have them. logits,
 * teacher, gradient: [n_rows, n_classes]; `gradient` may be `logits`; labels: [n_rows], or NULL if
 * the hard share is 0: a row with BERT_IGNORED_LABEL does not count. BAD_OPTION: "labels",
 * "temperature", "hard_share", "divisor". `options` may be NULL.
 */
bert_status bert_loss_distillation(const float *logits, const float *teacher, uint32_t n_rows,
                                   uint32_t n_classes, const int32_t *labels,
                                   const bert_distillation *options, float *loss, float *gradient,
                                   bert_error *error);

/* ---------------------------------------------------------------------------------- learning -- */

/* The length of all gradients as one vector; where it is beyond `max_norm`, they are scaled to that
 * length (Pascanu et al. 2012, section 3.2), by max_norm / (length + 1e-6) as torch does. Infinite
 * or NaN if a gradient is: bert_train_forget() saves the parameters from that step. */
float bert_train_clip(bert_trainer *trainer, float max_norm);

typedef enum bert_schedule_kind {
    BERT_SCHEDULE_CONSTANT,
    BERT_SCHEDULE_LINEAR, /* to 0 at the end */
    BERT_SCHEDULE_COSINE, /* to 0 at the end, half a wave (Loshchilov & Hutter 2016, SGDR) */
    BERT_SCHEDULE_COUNT
} bert_schedule_kind;

/*
 * What the learning rate of step `step`, 0 .. n_steps - 1, is multiplied by: step / n_warmup in the
 * first n_warmup steps, then what the kind says of the rest. As transformers has it in
 * get_*_schedule_with_warmup(): so the first step of a warm-up has 0. From n_steps on linear and
 * cosine stay 0.
 */
double bert_schedule(bert_schedule_kind kind, uint32_t step, uint32_t n_warmup, uint32_t n_steps);

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

/*
 * train.c - a model that is trained: the module of a training, which has no session. model.c has
 * how it is called.
 */
#include "model.c"

#include "../core/train.h"

static bert_train_options options;
static bert_trainer *trainer;
static bert_tensor tensor; /* that train_tensor() has told of */

/* ------------------------------------------------------------------------ what it begins with -- */

/* Bytes of the F32 tensor that tensor `index` of a table becomes, or 0 if it becomes none. The
 * table is one that engine_model_begin() took, whose tensors are all taken. */
uint32_t EXPORT(train_tensor)(const bert_tensor *tensors, uint32_t n_tensors, uint32_t index)
{
    return bert_train_tensor(tensors, n_tensors, index, &tensor) ? tensor.n_bytes : 0;
}

/* Of that tensor. */
uint32_t EXPORT(train_tensor_rank)(void)
{
    return tensor.rank;
}

uint32_t EXPORT(train_tensor_dim)(uint32_t axis)
{
    return tensor.shape[axis];
}

void EXPORT(train_expand)(const bert_tensor *tensors, uint32_t n_tensors, uint32_t index,
                          float *values)
{
    bert_train_expand(tensors, n_tensors, index, values);
}

/* ----------------------------------------------------------------------------------- trainers -- */

/* Options of the trainer to come. 0: the default. */
void EXPORT(train_set_options)(uint32_t max_tokens, uint32_t max_sequence_tokens,
                               uint32_t n_threads, uint32_t recomputes)
{
    options = (bert_train_options){.max_tokens = max_tokens,
                                   .max_sequence_tokens = max_sequence_tokens,
                                   .n_threads = n_threads,
                                   .recomputes = recomputes};
}

/* Of the trainer to come, after train_set_options(). */
void EXPORT(train_set_lora)(uint32_t rank, uint32_t targets, float alpha, uint32_t seed)
{
    options.lora = (bert_lora){.rank = rank, .targets = targets, .alpha = alpha, .seed = seed};
}

/* Bytes, or 0 after a failure. */
uint32_t EXPORT(train_bytes)(void)
{
    size_t n_bytes = 0;
    return bert_train_size(&config, &options, &n_bytes, &error) == BERT_OK ? n_bytes : 0;
}

bert_status EXPORT(train_open)(const bert_tensor *tensors, uint32_t n_tensors, void *memory,
                               uint32_t n_bytes)
{
    return bert_train_open(&config, tensors, n_tensors, &options, memory, n_bytes, &trainer,
                           &error);
}

uint32_t EXPORT(train_threads)(void)
{
    return bert_train_threads(trainer);
}

/* As engine_serve(), for a training. */
void EXPORT(train_serve)(void)
{
    bert_train_serve(trainer);
}

uint32_t EXPORT(train_n_parameters)(void)
{
    return bert_train_n_parameters(trainer);
}

const char *EXPORT(train_parameter_name)(uint32_t index)
{
    return bert_train_parameter(trainer, index)->tensor.name;
}

/* The address of its values. */
float *EXPORT(train_parameter_value)(uint32_t index)
{
    return bert_train_parameter(trainer, index)->value;
}

/* Numbers of it, and of each of its moments. */
uint32_t EXPORT(train_parameter_count)(uint32_t index)
{
    return bert_train_parameter(trainer, index)->count;
}

uint32_t EXPORT(train_parameter_is_trained)(uint32_t index)
{
    return bert_train_parameter(trainer, index)->is_trained != 0;
}

/* Addresses of what AdamW remembers of it. */
float *EXPORT(train_parameter_mean)(uint32_t index)
{
    return bert_train_parameter(trainer, index)->mean;
}

float *EXPORT(train_parameter_square)(uint32_t index)
{
    return bert_train_parameter(trainer, index)->square;
}

uint32_t EXPORT(train_n_tensors)(void)
{
    uint32_t n_tensors;
    bert_train_tensors(trainer, &n_tensors);
    return n_tensors;
}

const char *EXPORT(train_tensor_name)(uint32_t index)
{
    uint32_t n_tensors;
    return bert_train_tensors(trainer, &n_tensors)[index].name;
}

const void *EXPORT(train_tensor_data)(uint32_t index)
{
    uint32_t n_tensors;
    return bert_train_tensors(trainer, &n_tensors)[index].data;
}

/* Which parameters learn, and how fast. */
void EXPORT(train_freeze)(uint32_t n_trained)
{
    bert_train_freeze(trainer, n_trained);
}

void EXPORT(train_scale_layers)(float decay)
{
    bert_train_scale_layers(trainer, decay);
}

void EXPORT(train_merge)(void)
{
    bert_train_merge(trainer);
}

/* Rates in the order of bert_dropout. */
bert_status EXPORT(train_set_dropout)(uint32_t seed, float embeddings, float attention,
                                      float attention_output, float output, float pooler,
                                      float classifier)
{
    bert_dropout dropout = {.seed = seed,
                            .embeddings = embeddings,
                            .attention = attention,
                            .attention_output = attention_output,
                            .output = output,
                            .pooler = pooler,
                            .classifier = classifier};
    return bert_train_set_dropout(trainer, &dropout, &error);
}

uint32_t EXPORT(train_n_steps)(void)
{
    return bert_train_n_steps(trainer);
}

void EXPORT(train_set_n_steps)(uint32_t n_steps)
{
    bert_train_set_n_steps(trainer, n_steps);
}

/* ----------------------------------------------------------------------------------- learning -- */

/* An output that a loss is of. */
typedef struct train_wanted {
    uint32_t output;
    float *data;     /* train_forward() writes it */
    float *gradient; /* of the loss by it; train_backward() reads it */
} train_wanted;

/* `token_types` may be 0; lm_tokens: the tokens whose LM_LOGITS are wanted, or 0: of all. The
 * arrays must stay until train_backward(). */
bert_status EXPORT(train_forward)(uint32_t n_sequences, const uint32_t *lengths,
                                  const uint32_t *ids, const uint32_t *token_types,
                                  uint32_t n_lm_tokens, const uint32_t *lm_tokens,
                                  const train_wanted *wanted, uint32_t n_wanted)
{
    bert_batch batch = {.n_sequences = n_sequences,
                        .lengths = lengths,
                        .ids = ids,
                        .token_types = token_types,
                        .n_lm_tokens = n_lm_tokens,
                        .lm_tokens = lm_tokens};
    bert_outputs outputs = {{0}};
    for (uint32_t i = 0; i < n_wanted; i++)
        outputs.data[wanted[i].output] = wanted[i].data;
    return bert_train_forward(trainer, &batch, &outputs, &error);
}

bert_status EXPORT(train_backward)(const train_wanted *wanted, uint32_t n_wanted)
{
    bert_outputs gradients = {{0}};
    for (uint32_t i = 0; i < n_wanted; i++)
        gradients.data[wanted[i].output] = wanted[i].gradient;
    return bert_train_backward(trainer, &gradients, &error);
}

bert_status EXPORT(train_perturb)(float epsilon)
{
    return bert_train_perturb(trainer, epsilon, &error);
}

void EXPORT(train_restore)(void)
{
    bert_train_restore(trainer);
}

/* ------------------------------------------------------------------------------------ losses -- */

/* The loss is at `loss`. `class_weights` may be 0; a divisor of 0 is the default. */
bert_status EXPORT(train_cross_entropy)(const float *logits, uint32_t n_rows, uint32_t n_classes,
                                        const int32_t *labels, const float *class_weights,
                                        float smoothing, float divisor, float *loss,
                                        float *gradient)
{
    bert_loss_options loss_options = {
        .class_weights = class_weights, .smoothing = smoothing, .divisor = divisor};
    return bert_loss_cross_entropy(logits, n_rows, n_classes, labels, &loss_options, loss, gradient,
                                   &error);
}

bert_status EXPORT(train_binary_cross_entropy)(const float *logits, uint32_t n_rows,
                                               uint32_t n_classes, const float *targets,
                                               const float *class_weights, float smoothing,
                                               float divisor, float *loss, float *gradient)
{
    bert_loss_options loss_options = {
        .class_weights = class_weights, .smoothing = smoothing, .divisor = divisor};
    return bert_loss_binary_cross_entropy(logits, n_rows, n_classes, targets, &loss_options, loss,
                                          gradient, &error);
}

bert_status EXPORT(train_squares)(const float *values, uint32_t count, const float *targets,
                                  float divisor, float *loss, float *gradient)
{
    return bert_loss_squares(values, count, targets, divisor, loss, gradient, &error);
}

/* `labels` may be 0 where hard_share is. */
bert_status EXPORT(train_distillation)(const float *logits, const float *teacher, uint32_t n_rows,
                                       uint32_t n_classes, const int32_t *labels, float temperature,
                                       float hard_share, float divisor, float *loss,
                                       float *gradient)
{
    bert_distillation distillation = {
        .temperature = temperature, .hard_share = hard_share, .divisor = divisor};
    return bert_loss_distillation(logits, teacher, n_rows, n_classes, labels, &distillation, loss,
                                  gradient, &error);
}

/* `divisor`: of starts and of ends. */
bert_status EXPORT(train_spans)(const float *logits, uint32_t n_sequences, const uint32_t *lengths,
                                const int32_t *starts, const int32_t *ends, float divisor,
                                float *loss, float *gradient)
{
    float divisors[] = {divisor, divisor};
    return bert_loss_spans(logits, n_sequences, lengths, starts, ends, divisors, loss, gradient,
                           &error);
}

/* `pairs`: [n_pairs, 2], rows of the embeddings. */
bert_status EXPORT(train_cosine_pairs)(const float *embeddings, uint32_t n_rows, uint32_t n_columns,
                                       const uint32_t *pairs, const float *targets,
                                       uint32_t n_pairs, float divisor, float *loss,
                                       float *gradient)
{
    return bert_loss_cosine_pairs(embeddings, n_rows, n_columns, pairs, targets, n_pairs, divisor,
                                  loss, gradient, &error);
}

/* `scores` has room for n_anchors * n_candidates. */
bert_status EXPORT(train_in_batch_negatives)(const float *embeddings, uint32_t n_rows,
                                             uint32_t n_columns, const uint32_t *anchors,
                                             uint32_t n_anchors, const uint32_t *candidates,
                                             uint32_t n_candidates, float divisor, float *scores,
                                             float *loss, float *gradient)
{
    bert_ranking ranking = {.n_anchors = n_anchors,
                            .anchors = anchors,
                            .n_candidates = n_candidates,
                            .candidates = candidates,
                            .divisor = divisor};
    return bert_loss_in_batch_negatives(embeddings, n_rows, n_columns, &ranking, scores, loss,
                                        gradient, &error);
}

/* ------------------------------------------------------------------------------------- steps -- */

double EXPORT(train_schedule)(uint32_t kind, uint32_t step, uint32_t n_warmup, uint32_t n_steps)
{
    return bert_schedule((bert_schedule_kind)kind, step, n_warmup, n_steps);
}

float EXPORT(train_clip)(float max_norm)
{
    return bert_train_clip(trainer, max_norm);
}

void EXPORT(train_step)(double learning_rate, double weight_decay)
{
    bert_adamw adamw = {.learning_rate = learning_rate, .weight_decay = weight_decay};
    bert_train_step(trainer, &adamw);
}

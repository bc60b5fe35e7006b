/*
 * loss_targets.c - losses of numbers against a target each. With s(z) = 1 / (1 + e^-z) and w the
 * weight of a class where it applies, for a logit z and its target t,
 *
 *     binary cross-entropy    -w t log s(z) - (1 - t) log s(-z)    (1 - t) s(z) - w t s(-z)
 *     squares                 (z - t)^2                            2 (z - t)
 *
 * as torch.nn.BCEWithLogitsLoss and MSELoss have them (Bishop 2006, "Pattern Recognition and
 * Machine Learning", equations 4.90 and 3.12). -log s(z) is log(1 + e^-|z|) - min(z, 0): e to
 * nothing above 0.
 */
#include "loss.h"

static double sigmoid(double z)
{
    return 1 / (1 + exp(-z));
}

static double minus_log_sigmoid(double z)
{
    return log1p(exp(-fabs(z))) - (z < 0 ? z : 0);
}

/* How many targets count. */
static bert_status count_targets(const float *targets, size_t count, uint32_t *n, bert_error *error)
{
    *n = 0;
    for (size_t i = 0; i < count; i++) {
        if (targets[i] == BERT_IGNORED_LABEL)
            continue;
        if (!(targets[i] >= 0 && targets[i] <= 1))
            return error_set_value(error, BERT_BAD_OPTION, "targets", (int64_t)i);
        ++*n;
    }
    return BERT_OK;
}

bert_status bert_loss_binary_cross_entropy(const float *logits, uint32_t n_rows, uint32_t n_classes,
                                           const float *targets, const bert_loss_options *options,
                                           float *loss, float *gradient, bert_error *error)
{
    static const bert_loss_options defaults;
    assert(logits && targets && loss && gradient && n_classes > 0);
    options = options ? options : &defaults;
    size_t count = (size_t)n_rows * n_classes;
    uint32_t n_counted = 0;
    bert_status status = loss_check_options(options, n_classes, error);
    if (status == BERT_OK)
        status = count_targets(targets, count, &n_counted, error);
    if (status != BERT_OK)
        return status;
    if (n_counted == 0)
        return error_set(error, BERT_BAD_OPTION, "targets");
    double divisor = options->divisor > 0 ? (double)options->divisor : n_counted, sum = 0;
    double smoothing = (double)options->smoothing;
    for (size_t i = 0; i < count; i++) {
        double z = (double)logits[i], t = (double)targets[i] * (1 - smoothing) + smoothing / 2;
        double weight = options->class_weights ? (double)options->class_weights[i % n_classes] : 1;
        int is_ignored = targets[i] == BERT_IGNORED_LABEL;
        if (!is_ignored)
            sum += weight * t * minus_log_sigmoid(z) + (1 - t) * minus_log_sigmoid(-z);
        gradient[i] =
            is_ignored ? 0 : (float)(((1 - t) * sigmoid(z) - weight * t * sigmoid(-z)) / divisor);
    }
    *loss = (float)(sum / divisor);
    return BERT_OK;
}

bert_status bert_loss_squares(const float *values, size_t count, const float *targets,
                              float divisor, float *loss, float *gradient, bert_error *error)
{
    assert(values && targets && loss && gradient);
    bert_status status = loss_check_divisor(divisor, error);
    for (size_t i = 0; i < count && status == BERT_OK; i++)
        if (!isfinite(targets[i]))
            status = error_set_value(error, BERT_BAD_OPTION, "targets", (int64_t)i);
    if (status == BERT_OK && count == 0)
        status = error_set(error, BERT_BAD_OPTION, "targets");
    if (status != BERT_OK)
        return status;
    double all = divisor > 0 ? (double)divisor : (double)count, sum = 0;
    for (size_t i = 0; i < count; i++) {
        double difference = (double)values[i] - (double)targets[i];
        sum += difference * difference;
        gradient[i] = (float)(2 * difference / all);
    }
    *loss = (float)(sum / all);
    return BERT_OK;
}

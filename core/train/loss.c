/*
 * loss.c - losses: functions of a model's outputs that write their derivatives by them. Here what
 * they have in common, and the first of them; others are in loss_*.c.
 *
 * Cross-entropy with weights of classes and smoothed labels, as torch.nn.CrossEntropyLoss has it
 * (Szegedy et al. 2015, "Rethinking the Inception Architecture", section 7). With p = softmax(z) of
 * a row, its label y, s the smoothing, C classes and w their weights:
 *
 *     t[c] = w[c] ((1 - s) [c = y] + s / C)
 *     loss = - the sum over c of t[c] log p[c]
 *     d z[c] = (the sum of t) p[c] - t[c]
 *
 * and both over the divisor. Rows are few beside what a model computes: in double, one after the
 * other.
 */
#include "loss.h"

double loss_log_normaliser(const float *z, size_t stride, uint32_t n, double scale)
{
    double most = (double)z[0], sum = 0;
    for (size_t c = 1; c < n; c++)
        most = (double)z[c * stride] > most ? (double)z[c * stride] : most;
    for (size_t c = 0; c < n; c++)
        sum += exp(((double)z[c * stride] - most) * scale);
    return -most * scale - log(sum);
}

bert_status loss_check_divisor(float divisor, bert_error *error)
{
    if (!(divisor >= 0 && divisor <= 3.4e38f))
        return error_set(error, BERT_BAD_OPTION, "divisor");
    return BERT_OK;
}

static double weight_of(const bert_loss_options *options, uint32_t class)
{
    return options->class_weights ? (double)options->class_weights[class] : 1;
}

/* One row: its loss, and its derivatives times `factor`. */
static double row_loss(const float *z, uint32_t n, uint32_t label, const bert_loss_options *options,
                       double factor, float *gradient)
{
    double smoothing = (double)options->smoothing, each = smoothing / n;
    double normaliser = loss_log_normaliser(z, 1, n, 1), loss = 0, sum = 0;
    for (uint32_t c = 0; c < n; c++) {
        double target = weight_of(options, c) * (each + (c == label ? 1 - smoothing : 0));
        loss -= target * ((double)z[c] + normaliser);
        sum += target;
    }
    for (uint32_t c = 0; c < n; c++) {
        double target = weight_of(options, c) * (each + (c == label ? 1 - smoothing : 0));
        gradient[c] = (float)((sum * exp((double)z[c] + normaliser) - target) * factor);
    }
    return loss;
}

bert_status loss_check_options(const bert_loss_options *options, uint32_t n_classes,
                               bert_error *error)
{
    for (uint32_t c = 0; options->class_weights && c < n_classes; c++)
        if (!(options->class_weights[c] >= 0 && options->class_weights[c] <= 3.4e38f))
            return error_set_value(error, BERT_BAD_OPTION, "class_weights", c);
    if (!(options->smoothing >= 0 && options->smoothing <= 1))
        return error_set(error, BERT_BAD_OPTION, "smoothing");
    return loss_check_divisor(options->divisor, error);
}

bert_status bert_loss_cross_entropy(const float *logits, uint32_t n_rows, uint32_t n_classes,
                                    const int32_t *labels, const bert_loss_options *options,
                                    float *loss, float *gradient, bert_error *error)
{
    static const bert_loss_options defaults;
    assert(logits && labels && loss && gradient && n_classes > 0);
    options = options ? options : &defaults;
    bert_status status = loss_check_options(options, n_classes, error);
    double weights = 0, sum = 0;
    for (uint32_t row = 0; row < n_rows && status == BERT_OK; row++) {
        if (labels[row] == BERT_IGNORED_LABEL)
            continue;
        if (labels[row] < 0 || (uint32_t)labels[row] >= n_classes)
            return error_set_limit(error, BERT_BAD_OPTION, "labels", labels[row], n_classes);
        weights += weight_of(options, (uint32_t)labels[row]);
    }
    if (status != BERT_OK)
        return status;
    double divisor = options->divisor > 0 ? (double)options->divisor : weights;
    if (!(divisor > 0))
        return error_set(error, BERT_BAD_OPTION, "labels");
    for (uint32_t row = 0; row < n_rows; row++) {
        size_t at = (size_t)row * n_classes;
        if (labels[row] != BERT_IGNORED_LABEL)
            sum += row_loss(logits + at, n_classes, (uint32_t)labels[row], options, 1 / divisor,
                            gradient + at);
        else
            for (uint32_t c = 0; c < n_classes; c++)
                gradient[at + c] = 0;
    }
    *loss = (float)(sum / divisor);
    return BERT_OK;
}

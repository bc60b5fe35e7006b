/*
 * loss_distillation.c - what a teacher's logits teach (Hinton, Vinyals & Dean 2015, "Distilling the
 * Knowledge in a Neural Network", section 2). With q and p the softmax of the teacher's and the
 * student's logits over the temperature T, y the label and a the share of it:
 *
 *     loss = (1 - a) T^2 * the sum over c of q[c] log(q[c] / p[c])  -  a log softmax(z)[y]
 *     d z = (1 - a) T (p - q) + a (softmax(z) - [c = y])
 *
 * T^2 keeps the two as large as each other whatever T is.
 */
#include "loss.h"

/* One row: its loss, and its derivatives times `factor`. */
static double row_loss(const float *z, const float *teacher, uint32_t n, int32_t label,
                       double temperature, double hard, double factor, float *gradient)
{
    double student_normaliser = loss_log_normaliser(z, 1, n, 1 / temperature);
    double teacher_normaliser = loss_log_normaliser(teacher, 1, n, 1 / temperature);
    double hard_normaliser = hard > 0 ? loss_log_normaliser(z, 1, n, 1) : 0;
    double soft = (1 - hard) * temperature, loss = 0;
    for (uint32_t c = 0; c < n; c++) {
        double log_p = (double)z[c] / temperature + student_normaliser;
        double log_q = (double)teacher[c] / temperature + teacher_normaliser, q = exp(log_q);
        double log_hard = (double)z[c] + hard_normaliser;
        int is_label = hard > 0 && c == (uint32_t)label;
        loss += soft * temperature * q * (log_q - log_p) - (is_label ? hard * log_hard : 0);
        double d = soft * (exp(log_p) - q) + (hard > 0 ? hard * (exp(log_hard) - is_label) : 0);
        gradient[c] = (float)(d * factor);
    }
    return loss;
}

static int counts(const int32_t *labels, uint32_t row)
{
    return !labels || labels[row] != BERT_IGNORED_LABEL;
}

static bert_status check(const bert_distillation *options, const int32_t *labels, uint32_t n_rows,
                         uint32_t n_classes, uint32_t *n_counted, bert_error *error)
{
    *n_counted = 0;
    if (!(options->temperature >= 0 && options->temperature <= 3.4e38f))
        return error_set(error, BERT_BAD_OPTION, "temperature");
    if (!(options->hard_share >= 0 && options->hard_share <= 1))
        return error_set(error, BERT_BAD_OPTION, "hard_share");
    for (uint32_t row = 0; row < n_rows; row++) {
        if (!counts(labels, row))
            continue;
        if (labels && (labels[row] < 0 || (uint32_t)labels[row] >= n_classes))
            return error_set_limit(error, BERT_BAD_OPTION, "labels", labels[row], n_classes);
        ++*n_counted;
    }
    if (*n_counted == 0 || (options->hard_share > 0 && !labels))
        return error_set(error, BERT_BAD_OPTION, "labels");
    return loss_check_divisor(options->divisor, error);
}

bert_status bert_loss_distillation(const float *logits, const float *teacher, uint32_t n_rows,
                                   uint32_t n_classes, const int32_t *labels,
                                   const bert_distillation *options, float *loss, float *gradient,
                                   bert_error *error)
{
    static const bert_distillation defaults;
    assert(logits && teacher && loss && gradient && n_classes > 0);
    options = options ? options : &defaults;
    uint32_t n_counted;
    bert_status status = check(options, labels, n_rows, n_classes, &n_counted, error);
    if (status != BERT_OK)
        return status;
    double divisor = options->divisor > 0 ? (double)options->divisor : n_counted, sum = 0;
    double temperature = options->temperature > 0 ? (double)options->temperature : 2;
    for (uint32_t row = 0; row < n_rows; row++) {
        size_t at = (size_t)row * n_classes;
        if (counts(labels, row))
            sum += row_loss(logits + at, teacher + at, n_classes, labels ? labels[row] : 0,
                            temperature, (double)options->hard_share, 1 / divisor, gradient + at);
        else
            for (uint32_t c = 0; c < n_classes; c++)
                gradient[at + c] = 0;
    }
    *loss = (float)(sum / divisor);
    return BERT_OK;
}

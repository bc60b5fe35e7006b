/*
 * loss_spans.c - where an answer begins and ends: cross-entropy of the softmax over the tokens of a
 * sequence, of each of two columns (Devlin et al. 2018, BERT, section 4.2), both averaged as
 * transformers' ...ForQuestionAnswering have it. Where it pads, padding counts as tokens; here
 * there is none.
 */
#include "loss.h"

static int is_within(int32_t position, uint32_t n)
{
    return position >= 0 && (uint32_t)position < n;
}

/* One column of one sequence: its loss, and its derivatives times `factor`. z: [n, 2]. */
static double column_loss(const float *z, uint32_t n, int32_t position, double factor,
                          float *gradient)
{
    int counts = is_within(position, n);
    double normaliser = counts ? loss_log_normaliser(z, 2, n, 1) : 0;
    double loss = counts ? -(double)z[2 * position] - normaliser : 0;
    for (size_t t = 0; t < n; t++) {
        double target = t == (uint32_t)position ? 1 : 0;
        double p = counts ? exp((double)z[2 * t] + normaliser) : 0;
        gradient[2 * t] = counts ? (float)((p - target) * factor) : 0;
    }
    return loss;
}

/* What the sum of a column's losses is divided by. */
static bert_status divisor_of(const char *name, const int32_t *positions, const uint32_t *lengths,
                              uint32_t n_sequences, float given, double *divisor, bert_error *error)
{
    uint32_t n_counted = 0;
    bert_status status = loss_check_divisor(given, error);
    for (uint32_t s = 0; s < n_sequences; s++)
        n_counted += (uint32_t)is_within(positions[s], lengths[s]);
    *divisor = given > 0 ? (double)given : n_counted;
    if (status == BERT_OK && !(*divisor > 0))
        status = error_set(error, BERT_BAD_OPTION, name);
    return status;
}

bert_status bert_loss_spans(const float *logits, uint32_t n_sequences, const uint32_t *lengths,
                            const int32_t *starts, const int32_t *ends, const float *divisors,
                            float *loss, float *gradient, bert_error *error)
{
    assert(logits && lengths && starts && ends && loss && gradient);
    double of_starts, of_ends, sum = 0;
    bert_status status = divisor_of("starts", starts, lengths, n_sequences,
                                    divisors ? divisors[0] : 0, &of_starts, error);
    if (status == BERT_OK)
        status = divisor_of("ends", ends, lengths, n_sequences, divisors ? divisors[1] : 0,
                            &of_ends, error);
    if (status != BERT_OK)
        return status;
    for (uint32_t s = 0; s < n_sequences; s++) {
        uint32_t n = lengths[s];
        sum += column_loss(logits, n, starts[s], 0.5 / of_starts, gradient) * 0.5 / of_starts;
        sum += column_loss(logits + 1, n, ends[s], 0.5 / of_ends, gradient + 1) * 0.5 / of_ends;
        logits += 2 * (size_t)n;
        gradient += 2 * (size_t)n;
    }
    *loss = (float)sum;
    return BERT_OK;
}

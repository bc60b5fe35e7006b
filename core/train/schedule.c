/* schedule.c - how the learning rate goes on: see train.h. */
#include <assert.h>
#include <math.h>

#include "train.h"

double bert_schedule(bert_schedule_kind kind, uint32_t step, uint32_t n_warmup, uint32_t n_steps)
{
    assert(kind < BERT_SCHEDULE_COUNT);
    if (step < n_warmup)
        return (double)step / n_warmup;
    if (kind == BERT_SCHEDULE_CONSTANT)
        return 1;
    if (step >= n_steps)
        return 0;
    double progress = (double)(step - n_warmup) / (n_steps - n_warmup);
    return kind == BERT_SCHEDULE_LINEAR ? 1 - progress
                                        : (1 + cos(3.14159265358979323846 * progress)) / 2;
}

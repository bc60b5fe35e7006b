/*
 * adversary.c - embeddings are moved to where the loss grows fastest, and back (Miyato et al. 2016,
 * "Adversarial Training Methods for Semi-Supervised Text Classification", equation 5):
 *
 *     r = epsilon g / |g|
 *
 * There r is of each sequence's own embeddings. Here, as is usual with a BERT, it is of the table,
 * so that a word is moved once, whoever has it, and |g| is that of all rows. Rows that the batch
 * does not look up stay where they are: it would not see them elsewhere.
 */
#include <math.h>
#include <string.h>

#include "trainer.h"

/* |g|, in one order; rows without a gradient are not read. */
static double length_of(const row_table *words, const float *gradient, const uint8_t *rows)
{
    double sum = 0;
    for (uint32_t row = 0; row < words->n_rows; row++) {
        const float *g = gradient + (size_t)row * words->n_columns;
        for (uint32_t i = 0; rows[row] == ROW_MOVING && i < words->n_columns; i++)
            sum += (double)g[i] * (double)g[i];
    }
    return sqrt(sum);
}

bert_status bert_train_perturb(bert_trainer *trainer, float epsilon, bert_error *error)
{
    assert(trainer && trainer->n_saved == 0);
    const row_table *words = &trainer->session.model->word;
    const bert_batch *batch = &trainer->batch;
    float *table = (float *)words->rows;
    size_t n = words->n_columns;
    uint32_t n_tokens = 0;
    int has_gradient;
    const float *gradient = parameters_gradient(trainer, table, &has_gradient);
    if (!gradient || !has_gradient)
        return error_set(error, BERT_BAD_OPTION, "embeddings.word.weight");
    double length = length_of(words, gradient, parameters_rows(trainer, table));
    if (!(length > 0 && length < INFINITY))
        return BERT_OK;
    for (uint32_t s = 0; s < batch->n_sequences; s++)
        n_tokens += batch->lengths[s];
    /* A word that comes twice is saved twice, and moved from what was saved: once. */
    for (uint32_t t = 0; t < n_tokens; t++) {
        trainer->saved_rows[t] = batch->ids[t];
        memcpy(trainer->saved_words + t * n, table + batch->ids[t] * n, n * sizeof *table);
    }
    trainer->n_saved = n_tokens;
    float factor = (float)((double)epsilon / length);
    for (uint32_t t = 0; t < n_tokens; t++)
        for (size_t i = 0, row = trainer->saved_rows[t]; i < n; i++)
            table[row * n + i] = trainer->saved_words[t * n + i] + factor * gradient[row * n + i];
    return BERT_OK;
}

void bert_train_restore(bert_trainer *trainer)
{
    assert(trainer);
    const row_table *words = &trainer->session.model->word;
    size_t n = words->n_columns;
    for (uint32_t t = 0; t < trainer->n_saved; t++)
        memcpy((float *)words->rows + trainer->saved_rows[t] * n, trainer->saved_words + t * n,
               n * sizeof(float));
    trainer->n_saved = 0;
}

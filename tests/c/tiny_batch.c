/* tiny_batch.c - see tiny_batch.h. */
#include "tiny_batch.h"

#include <sched.h>
#include <string.h>

#include "harness.h"

static const uint32_t lengths[] = {5, 1, 16, 3, 9};
token_lists random_tokens(const bert_config *config, uint32_t seed)
{
    token_lists tokens;
    uint32_t token = 0, most = bert_config_most_tokens(config);
    most = most == UINT32_MAX ? 40 : most;
    for (uint32_t s = 0; s < N_SEQUENCES; s++) {
        for (uint32_t i = 0; i < lengths[s]; i++, token++) {
            int is_padding = config->first_position && i % 4 == 2;
            int is_masked = (i == 0 && s % 2 == 1) || (s == 2 && i % 5 == 3);
            tokens.ids[token] =
                is_padding ? config->first_position - 1 : random_u32(&seed) % config->vocab_size;
            tokens.types[token] =
                config->n_token_types ? random_u32(&seed) % config->n_token_types : 0;
            tokens.positions[token] = i * (most - 1) / 15;
            tokens.attended[token] = lengths[s] == 1 || !is_masked;
        }
    }
    return tokens;
}

bert_batch batch_of(const token_lists *tokens, uint32_t first_sequence, uint32_t n)
{
    uint32_t first = 0;
    for (uint32_t s = 0; s < first_sequence; s++)
        first += lengths[s];
    return (bert_batch){n,
                        lengths + first_sequence,
                        tokens->ids + first,
                        tokens->types + first,
                        tokens->positions + first,
                        tokens->attended + first,
                        0,
                        NULL,
                        NULL};
}

bert_outputs all_outputs(const bert_model *model, const bert_batch *batch)
{
    bert_outputs outputs = {{0}};
    for (int i = 0; i < BERT_OUTPUT_COUNT; i++) {
        size_t count;
        if (bert_output_count(bert_model_config(model), (bert_output)i, batch, &count, NULL) ==
            BERT_OK)
            outputs.data[i] = guarded_alloc(count * sizeof(float));
    }
    return outputs;
}

void check_same(const char *name, const bert_model *model, const bert_batch *batch,
                const bert_outputs *got, const bert_outputs *want)
{
    for (int i = 0; i < BERT_OUTPUT_COUNT; i++) {
        size_t count = 0;
        if (!want->data[i])
            continue;
        bert_output_count(bert_model_config(model), (bert_output)i, batch, &count, NULL);
        CHECK(memcmp(got->data[i], want->data[i], count * sizeof(float)) == 0,
              "%s: %s has other bits", name, bert_output_name((bert_output)i));
    }
}

void *serve(void *session)
{
    bert_session_serve(session);
    return NULL;
}

helping_threads help(bert_session *session, uint32_t n_threads)
{
    helping_threads helpers = {.session = session, .n = n_threads - 1};
    for (uint32_t i = 0; i < helpers.n; i++)
        pthread_create(&helpers.threads[i], NULL, serve, session);
    while (bert_session_threads(session) < n_threads)
        sched_yield();
    return helpers;
}

void help_end(helping_threads *helpers)
{
    bert_session_stop(helpers->session);
    for (uint32_t i = 0; i < helpers->n; i++)
        pthread_join(helpers->threads[i], NULL);
}

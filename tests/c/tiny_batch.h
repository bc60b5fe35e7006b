/*
 * tiny_batch.h - a batch for any tiny model, its outputs, and threads that help to encode it.
 */
#ifndef TINY_BATCH_H
#define TINY_BATCH_H

#include <pthread.h>

#include "bert.h"

#define N_SEQUENCES 5
#define N_TOKENS 34

typedef struct token_lists {
    uint32_t ids[N_TOKENS], types[N_TOKENS], positions[N_TOKENS];
    uint8_t attended[N_TOKENS];
} token_lists;

/* Sequences of all kinds: whole, with holes, with an unattended first token, of one token. Where
 * there is room, positions have gaps; where there is padding, every fourth token is some. */
token_lists random_tokens(const bert_config *config, uint32_t seed);

/* `n` of them, from the sequence `first_sequence` on. */
bert_batch batch_of(const token_lists *tokens, uint32_t first_sequence, uint32_t n);

/* Every output that the model has, each in memory of exactly its size. */
bert_outputs all_outputs(const bert_model *model, const bert_batch *batch);

/* The outputs of one thread in one go against those of another way; `want` and `got` are all there
 * are. */
void check_same(const char *name, const bert_model *model, const bert_batch *batch,
                const bert_outputs *got, const bert_outputs *want);

#define MOST_HELPERS 7

typedef struct helping_threads {
    bert_session *session;
    uint32_t n;
    pthread_t threads[MOST_HELPERS];
} helping_threads;

/* Threads for a session, `n_threads` with the caller's; returns when they have come. */
helping_threads help(bert_session *session, uint32_t n_threads);

/* Ends them. */
void help_end(helping_threads *helpers);

/* What a thread runs that lends itself to a session. */
void *serve(void *session);

#endif

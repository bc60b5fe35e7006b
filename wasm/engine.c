/*
 * engine.c - a model and the session that encodes with it: the module of an inference. model.c has
 * how it is called.
 */
#include "model.c"

static bert_options options;
static bert_session *session;

/* --------------------------------------------------------------------------------- session -- */

/* Names of int8 kernels; "" beyond the last. */
const char *EXPORT(engine_kernel_name)(uint32_t kernel)
{
    return bert_int8_kernel_name((bert_int8_kernel)kernel);
}

/* The config's integers, a bert_integers, which the next two take. */
uint32_t EXPORT(engine_integers)(void)
{
    return config.integers;
}

uint32_t EXPORT(engine_kernel_exists)(uint32_t integers, uint32_t kernel)
{
    return (uint32_t)bert_int8_kernel_exists((bert_integers)integers, (bert_int8_kernel)kernel);
}

int32_t EXPORT(engine_kernel_trial)(uint32_t integers, uint32_t kernel, uint32_t n_repeats)
{
    return bert_int8_kernel_trial((bert_integers)integers, (bert_int8_kernel)kernel, n_repeats);
}

/* Options of the session to come. 0: the default. */
void EXPORT(engine_options)(uint32_t max_tokens, uint32_t max_sequence_tokens, uint32_t n_threads,
                            uint32_t int8_kernel)
{
    options =
        (bert_options){max_tokens, max_sequence_tokens, n_threads, (bert_int8_kernel)int8_kernel};
}

/* Bytes, or 0 after a failure. Needs the config, not yet the model. */
uint32_t EXPORT(engine_session_bytes)(void)
{
    size_t n_bytes = 0;
    return bert_session_bytes(&config, &options, &n_bytes, &error) == BERT_OK ? n_bytes : 0;
}

bert_status EXPORT(engine_session_open)(void *memory, uint32_t n_bytes)
{
    return bert_session_open(model, &options, memory, n_bytes, &session, &error);
}

bert_status EXPORT(engine_use_kernel)(uint32_t kernel)
{
    return bert_session_use_kernel(session, (bert_int8_kernel)kernel, &error);
}

uint32_t EXPORT(engine_threads)(void)
{
    return bert_session_threads(session);
}

/* Called in an instance of its own, with the same memory and a stack of its own. Lends this thread
 * to the session; does not return while the session lives. */
void EXPORT(engine_serve)(void)
{
    bert_session_serve(session);
}

/* Addresses may be 0 where bert.h allows NULL; at `outputs` are BERT_OUTPUT_COUNT of them. */
bert_status EXPORT(engine_encode_begin)(uint32_t n_sequences, const uint32_t *lengths,
                                        const uint32_t *ids, const uint32_t *token_types,
                                        const uint32_t *positions, const uint8_t *attended,
                                        uint32_t n_lm_tokens, const uint32_t *lm_tokens,
                                        const uint32_t *pool_from, const bert_outputs *outputs)
{
    bert_batch batch = {.n_sequences = n_sequences,
                        .lengths = lengths,
                        .ids = ids,
                        .token_types = token_types,
                        .positions = positions,
                        .attended = attended,
                        .n_lm_tokens = n_lm_tokens,
                        .lm_tokens = lm_tokens,
                        .pool_from = pool_from};
    return bert_encode_begin(session, &batch, outputs, &error);
}

/* Steps that are left after these: layers, and the heads. Those that are not ready are not run. */
uint32_t EXPORT(engine_encode_step)(uint32_t n_steps)
{
    return bert_encode_step(session, n_steps);
}

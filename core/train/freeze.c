/* freeze.c - which parameters learn, and how fast, by how far they are from the heads: train.h has
 * the depths. */
#include "trainer.h"

static uint32_t depth_of(const bert_config *config, const parameter *own)
{
    uint32_t n = config->n_layers, layer = n;
    if (own->stage == 0)
        return n + 1;
    if (own->stage > 2 * bert_config_n_stored_layers(config))
        return 0;
    while (bert_config_stored_layer(config, --layer) != (own->stage - 1) / 2)
        ;
    return n - layer;
}

void bert_train_scale_layers(bert_trainer *trainer, float decay)
{
    assert(trainer && decay > 0);
    const bert_config *config = &trainer->session.model->config;
    for (uint32_t i = 0; i < trainer->n_parameters; i++) {
        parameter *own = &trainer->parameters[i];
        own->is.rate_scale = 1;
        for (uint32_t depth = depth_of(config, own); depth > 0; depth--)
            own->is.rate_scale *= decay;
    }
}

void bert_train_freeze(bert_trainer *trainer, uint32_t n_trained)
{
    assert(trainer);
    const bert_config *config = &trainer->session.model->config;
    for (uint32_t i = 0; i < trainer->n_parameters; i++) {
        parameter *own = &trainer->parameters[i];
        own->is.is_trained = depth_of(config, own) < n_trained;
    }
}

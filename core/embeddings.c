/* embeddings.c - what a token is before the first layer: the sum of its embeddings (Devlin et al.
 * 2018, BERT, section 3, figure 2). */
#include "internal.h"

static void sum_of(const bert_model *model, uint32_t id, uint32_t position_row, uint32_t token_type,
                   float *out)
{
    const bert_config *config = &model->config;
    ops_table_row(&model->word, id, out, 0);
    if (config->n_positions)
        ops_table_row(&model->position, position_row, out, 1);
    if (config->n_token_types)
        ops_table_row(&model->token_type, token_type, out, 1);
}

void embeddings_sum(const bert_model *model, const bert_batch *batch, row_range rows, float *out)
{
    const bert_config *config = &model->config;
    for (uint32_t s = 0, first = 0; s < batch->n_sequences; first += batch->lengths[s++]) {
        sequence_view sequence = batch_sequence(batch, s, first);
        uint32_t n_padding = 0;
        for (uint32_t i = 0; i < sequence.n; i++) {
            uint32_t token = first + i, id = batch->ids[token];
            uint32_t row =
                bert_config_position_row(config, id, sequence_position(&sequence, i), n_padding);
            n_padding += id == bert_config_padding_id(config);
            if (token >= rows.first && token < rows.end)
                sum_of(model, id, row, batch->token_types ? batch->token_types[token] : 0,
                       out + (size_t)token * config->embedding_size);
        }
    }
}

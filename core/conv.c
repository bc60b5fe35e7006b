/*
 * conv.c - the convolution over neighbouring tokens beside the first layer (DeBERTa v2: He et al.
 * 2020, arXiv 2006.03654, and its code): hidden = hidden + activation(conv(embeddings' output)).
 *
 * A convolution is a product whose rows overlap: a token's input is its row and its neighbours',
 * which lie side by side, so the dense layer's kernel reads them with a stride of H. For that the
 * embeddings' output is kept with rows of zeros around every sequence and wherever a position is
 * missing, at most conv_size / 2 of them, which is as far as the convolution reaches:
 *
 *     zeros  token 0  token 1  zeros (2 is missing)  token 3  zeros  token 0 of the next  ...
 *
 * A token that is not attended to has a row of zeros. Products run over the tokens between those.
 */
#include <string.h>

#include "share.h"

uint64_t conv_most_rows(const bert_config *config, uint64_t max_tokens)
{
    /* Every token a run of its own. */
    uint64_t reach = config->conv_size / 2;
    return config->conv_size ? max_tokens * (1 + reach) + reach : 0;
}

/* Rows of zeros before token `i` of a sequence. */
static uint32_t zeros_before(const sequence_view *sequence, uint32_t i, uint32_t reach)
{
    if (i == 0)
        return reach;
    uint32_t missing = sequence_position(sequence, i) - sequence_position(sequence, i - 1) - 1;
    return missing < reach ? missing : reach;
}

/* Every share goes through the whole batch to find out where rows are, and writes its own. */
void conv_keep(const thread_share *share)
{
    const bert_session *session = share->session;
    const bert_batch *batch = &session->encoding.batch;
    size_t hidden = session->model->config.hidden_size, row_bytes = hidden * sizeof(float);
    uint32_t reach = session->model->config.conv_size / 2, row = 0;
    for (uint32_t s = 0, first = 0; s < batch->n_sequences; first += batch->lengths[s++]) {
        sequence_view sequence = batch_sequence(batch, s, first);
        for (uint32_t i = 0; i < sequence.n; i++, row++) {
            uint32_t token = first + i, n_zeros = zeros_before(&sequence, i, reach);
            row += n_zeros;
            if (token < share->rows.first || token >= share->rows.end)
                continue;
            float *input = session->conv_inputs + row * hidden;
            session->conv_rows[token] = row;
            memset(input - n_zeros * hidden, 0, n_zeros * row_bytes);
            if (sequence_attends(&sequence, i))
                memcpy(input, session->hidden + token * hidden, row_bytes);
            else
                memset(input, 0, row_bytes);
            if (token + 1 == session->encoding.n_tokens)
                memset(input + hidden, 0, reach * row_bytes);
        }
    }
}

/* The end of the run of tokens that starts at `token`: attended to, in rows side by side. */
static uint32_t run_end(const thread_share *share, uint32_t token, uint32_t end)
{
    const uint32_t *rows = share->session->conv_rows;
    const uint8_t *attended = share->session->encoding.batch.attended;
    for (token++; token < end && rows[token] == rows[token - 1] + 1; token++)
        if (attended && !attended[token])
            break;
    return token;
}

void conv_add(const thread_share *share)
{
    const bert_session *session = share->session;
    const bert_config *config = &session->model->config;
    const uint8_t *attended = share->session->encoding.batch.attended;
    size_t hidden = config->hidden_size;
    uint32_t reach = config->conv_size / 2;
    for (uint32_t token = share->rows.first, end; token < share->rows.end; token = end) {
        end = token + 1;
        if (attended && !attended[token])
            continue;
        end = run_end(share, token, share->rows.end);
        float *rows = session->hidden + token * hidden;
        product out = {
            .activation = config->conv_activation, .residual = rows, .c = rows, .c_stride = hidden};
        share_multiply(share, session->conv_inputs + (session->conv_rows[token] - reach) * hidden,
                       hidden, NULL, end - token, &session->model->conv, &out);
    }
}

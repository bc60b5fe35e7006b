/*
 * outputs.c - what an output of the graph is, and the head that makes it (read.h).
 *
 * Going back from the output, the dense layer nearest to it says which head it is by what it stands
 * on: every token, the first one, a transformed token. What happens to a sentence's tokens, and
 * what is done last (a column taken, a softmax, a division by the length) is asked.
 */
#include "read/read.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/graph_build.h"
#include "maths/maths.h"

/* A sequence of numbers that repeats late: -2 to 2. */
static float noise(int64_t i)
{
    return (float)((i * 7919 + 13) % 1009) / 252 - 2;
}

static graph_array *noise_like(const graph_reader *reader, graph_value *at)
{
    graph_array *array = array_like(reader, at);
    for (int64_t i = 0; array && i < array->count; i++)
        array->floats[i] = noise(i);
    return array;
}

/* to(from) for noise; NULL if it depends on more. */
static graph_array *answer_to_noise(const graph_reader *reader, graph_value *from, graph_value *to)
{
    return respond(reader, from, noise_like(reader, from), to);
}

/* Whether rows of `width` numbers are still rows, and not columns: of one row the numbers alone do
 * not tell. */
static bool has_rows(const graph_reader *reader, graph_value *at, int64_t width)
{
    return last_dim(reader, at) == width || width == 1;
}

static bool is_near(float a, float b)
{
    return fabsf(a - b) <= 1e-4f + 1e-4f * fabsf(b);
}

/* ----------------------------------------------------------------------------------- endings -- */

/* What is done with a dense layer's result, [rows, n_out]. */
typedef struct head_ending {
    int32_t column;         /* that is taken; -1: all */
    const char *activation; /* "softmax", "sigmoid", or NULL */
} head_ending;

/* softmax or sigmoid of noise, row by row. */
static float activated(const char *activation, int64_t row, int64_t column, int64_t width)
{
    float x = noise(row * width + column), sum = 0;
    if (strcmp(activation, "sigmoid") == 0)
        return (float)(1 / (1 + maths_exp(-x)));
    for (int64_t i = 0; i < width; i++)
        sum += (float)maths_exp(noise(row * width + i));
    return (float)maths_exp(x) / sum;
}

static bool read_ending(const graph_reader *reader, const affine_match *dense, graph_value *at,
                        head_ending *ending)
{
    static const char *const activations[] = {NULL, "softmax", "sigmoid"};
    const graph_array *shape = shape_of(reader, dense->output);
    graph_array *answer = answer_to_noise(reader, dense->output, at);
    int64_t width = dense->n_out, rows = shape ? shape->count / width : 0;
    bool found = false;
    for (size_t a = 0; answer && !found && a < 3; a++) {
        ending->activation = activations[a];
        bool is_all = answer->count == rows * width && has_rows(reader, at, width);
        for (int64_t c = 0; !found && c < (is_all ? 1 : width); c++) {
            ending->column = is_all ? -1 : (int32_t)c;
            found = is_all || answer->count == rows;
            for (int64_t i = 0; found && i < answer->count; i++) {
                int64_t row = is_all ? i / width : i, column = is_all ? i % width : c;
                float expected = activations[a] ? activated(activations[a], row, column, width)
                                                : noise(row * width + column);
                found = is_near(answer->floats[i], expected);
            }
        }
    }
    /* [batch, tokens] of one column: the same numbers, without the last axis. */
    const graph_array *result = shape_of(reader, at);
    if (found && ending->column < 0 && width == 1 && result && shape->rank == result->rank + 1)
        ending->column = 0;
    array_release(answer);
    return found;
}

/* ----------------------------------------------------------------------------------- pooling -- */

/* Whether `at` is the first token of hidden states. */
static bool is_first_token(const graph_reader *reader, graph_value *hidden, graph_value *at)
{
    const graph_array *shape = shape_of(reader, at);
    int64_t width = last_dim(reader, hidden), n = reader->n_tokens;
    if (!shape || shape->count != reader->n_batch * width)
        return false;
    graph_array *answer = answer_to_noise(reader, hidden, at);
    bool ok = answer != NULL;
    for (int64_t i = 0; ok && i < answer->count; i++)
        ok = answer->floats[i] == noise(i / width * n * width + i % width);
    array_release(answer);
    return ok;
}

/* Element `column` of the pooling of tokens 0 .. n_attended - 1 of noise. */
static float pooled(bert_pooling pooling, int64_t n_attended, int64_t width, int64_t column)
{
    float sum = 0, most = -INFINITY;
    for (int64_t t = 0; t < n_attended; t++) {
        sum += noise(t * width + column);
        most = fmaxf(most, noise(t * width + column));
    }
    return pooling == BERT_POOLING_CLS   ? noise(column)
           : pooling == BERT_POOLING_MAX ? most
                                         : sum / (float)n_attended;
}

/* The Euclidean length of n numbers. */
static float length_of(const float *numbers, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)numbers[i] * numbers[i];
    return (float)sqrt(sum);
}

/* Whether `answer` is that pooling, divided by its length or not. */
static bool is_pooling(const graph_array *answer, bert_pooling pooling, int64_t n_attended,
                       int64_t width, bool *normalize)
{
    float *expected = malloc((size_t)width * sizeof *expected + 1);
    bool ok = false;
    for (int64_t i = 0; expected && i < width; i++)
        expected[i] = pooled(pooling, n_attended, width, i);
    for (int way = 0; expected && !ok && way < 2; way++) {
        float length = way ? length_of(expected, width) : 1;
        *normalize = way == 1;
        ok = true;
        for (int64_t i = 0; ok && i < width; i++)
            ok = is_near(answer->floats[i], expected[i] / length);
    }
    free(expected);
    return ok;
}

/* Which pooling of hidden states `at` [batch, hidden] is, perhaps divided by its length. */
static bool read_pooling(const graph_reader *reader, graph_value *hidden, graph_value *at,
                         bert_pooling *pooling, bool *normalize)
{
    static const bert_pooling poolings[] = {BERT_POOLING_CLS, BERT_POOLING_MEAN, BERT_POOLING_MAX};
    fault_text ignored = {0};
    int64_t width = last_dim(reader, hidden), n = reader->n_tokens, n_attended = n - n / 3;
    const graph_array *shape = shape_of(reader, at);
    if (!shape || shape->count != reader->n_batch * width || !has_rows(reader, at, width))
        return false;
    graph_evaluation *evaluation = reader_evaluation(reader, n, false);
    if (reader->inputs[ROLE_MASK]) {
        graph_array *mask = array_new(ARRAY_INTEGER, 2, (int64_t[]){reader->n_batch, n}, &ignored);
        for (int64_t i = 0; mask && i < mask->count; i++)
            mask->integers[i] = i % n < n_attended;
        evaluation_set(evaluation, reader->inputs[ROLE_MASK], mask);
    } else {
        n_attended = n;
    }
    evaluation_set(evaluation, hidden, noise_like(reader, hidden));
    graph_array *answer = evaluation_get(evaluation, at, &ignored);
    bool found = false;
    for (size_t i = 0;
         answer && !answer->is_hollow && array_floats(answer, &ignored) && !found && i < 3; i++) {
        *pooling = poolings[i];
        found = is_pooling(answer, poolings[i], n_attended, width, normalize);
    }
    evaluation_free(evaluation);
    return found;
}

/* Whether at = from, divided by its length or not, [batch, n]. */
static bool read_normalise(const graph_reader *reader, graph_value *from, graph_value *at,
                           bool *normalize)
{
    graph_array *noise = noise_like(reader, from),
                *answer = respond(reader, from, array_share(noise), at);
    int64_t width = last_dim(reader, from);
    bool found = false;
    bool is_whole = answer && answer->count == noise->count && has_rows(reader, at, width);
    for (int way = 0; is_whole && !found && way < 2; way++) {
        found = true;
        for (int64_t i = 0; found && i < noise->count; i++) {
            const float *row = noise->floats + i / width * width;
            float length = way ? length_of(row, width) : 1;
            found = is_near(answer->floats[i], noise->floats[i] / length);
        }
        *normalize = way == 1;
    }
    array_release(noise);
    array_release(answer);
    return found;
}

/* ------------------------------------------------------------------------------------- heads -- */

/* Finds the dense layer nearest to `at`, above `hidden`: the first one depth first. */
static bool find_dense(const graph_reader *reader, graph_value *at, graph_value *hidden,
                       affine_match *dense, int depth)
{
    if (plain(reader, at) == hidden || depth > 40)
        return false;
    if (match_affine(reader, at, dense))
        return true;
    for (size_t i = 0; at->node && i < at->node->n_inputs; i++) {
        graph_value *operand = at->node->inputs[i];
        if (operand && operand->index > hidden->index && carries(reader, operand) &&
            find_dense(reader, operand, hidden, dense, depth + 1))
            return true;
    }
    return false;
}

static bool is_same_vector(const float *a, const float *b, uint32_t n)
{
    return a == b || (a && b && memcmp(a, b, n * sizeof *a) == 0);
}

/* A head's dense layer: set once, or the same as before. What another head is made of, such as its
 * product before the bias or the activation, is no head of its own. */
static bool set_dense(graph_reader *reader, heads_match *heads, affine_match *place,
                      const affine_match *dense)
{
    affine_match *const places[] = {
        &heads->pooler.dense,       &heads->token_transform.dense,
        &heads->lm_transform.dense, &heads->sentence.dense,
        &heads->classifier,         &heads->token_classifier,
        &heads->lm_decoder,
    };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (places[i] != place && places[i]->product == dense->product)
            return mismatch(reader, dense->output, "the end of a head, not a part of one");
    bool is_same = !place->product || (place->product == dense->product &&
                                       is_same_vector(place->scale, dense->scale, dense->n_out) &&
                                       is_same_vector(place->bias, dense->bias, dense->n_out));
    if (!is_same)
        return mismatch(reader, dense->product, "one head of each kind");
    *place = *dense;
    return true;
}

static bool set_transform(graph_reader *reader, heads_match *heads, transform_match *place,
                          const transform_match *transform)
{
    if (place->dense.product && place->activation != transform->activation)
        return mismatch(reader, transform->dense.product, "one head of each kind");
    place->activation = transform->activation;
    return set_dense(reader, heads, &place->dense, &transform->dense);
}

/* The sentence embedding: `dense`, which may have no product, over a pooling. */
static bool set_sentence(graph_reader *reader, heads_match *heads, graph_value *at,
                         bert_pooling pooling, bool normalize, const transform_match *dense)
{
    if (heads->has_sentence && (heads->pooling != pooling || heads->normalize != normalize ||
                                heads->sentence.dense.product != dense->dense.product))
        return mismatch(reader, at, "one sentence embedding");
    heads->has_sentence = true;
    heads->pooling = pooling;
    heads->normalize = normalize;
    return !dense->dense.product || set_transform(reader, heads, &heads->sentence, dense);
}

/* A dense layer with an activation, on which a head's last layer stands. */
static bool match_transform(const graph_reader *reader, graph_value *at, transform_match *transform)
{
    return match_activated(reader, at, &transform->dense, &transform->activation) &&
           transform->activation != BERT_ACTIVATION_NONE;
}

/* logits over activation(dense(first token)) */
static bool read_classifier(graph_reader *reader, encoder_match *encoder, const affine_match *dense)
{
    heads_match *heads = &encoder->heads;
    transform_match pooler;
    return match_transform(reader, dense->input, &pooler) &&
           is_first_token(reader, encoder->hidden, pooler.dense.input) &&
           set_transform(reader, heads, &heads->pooler, &pooler) &&
           set_dense(reader, heads, &heads->classifier, dense);
}

/* classifier(activation(dense(token))) */
static bool read_transformed_tokens(graph_reader *reader, encoder_match *encoder,
                                    const affine_match *dense)
{
    heads_match *heads = &encoder->heads;
    transform_match transform;
    return match_transform(reader, dense->input, &transform) &&
           transform.dense.input == encoder->hidden &&
           set_transform(reader, heads, &heads->token_transform, &transform) &&
           set_dense(reader, heads, &heads->token_classifier, dense);
}

/* decoder(norm(activation(dense(token)))): Devlin et al. 2018, section 3.1, task 1 */
static bool read_lm(graph_reader *reader, encoder_match *encoder, const affine_match *dense)
{
    heads_match *heads = &encoder->heads;
    transform_match transform;
    norm_match norm;
    if (!match_layer_norm(reader, dense->input, &norm) ||
        !match_transform(reader, norm.input, &transform) ||
        transform.dense.input != encoder->hidden)
        return false;
    heads->lm_norm = norm;
    return set_transform(reader, heads, &heads->lm_transform, &transform) &&
           set_dense(reader, heads, &heads->lm_decoder, dense);
}

/* [normalised](activation(dense(pooling))) */
static bool read_sentence_dense(graph_reader *reader, encoder_match *encoder,
                                const affine_match *dense, graph_value *at)
{
    bert_pooling pooling;
    bool of_pooling, normalize;
    transform_match sentence = {.dense = *dense};
    if (!has_rows(reader, at, dense->n_out) ||
        !read_pooling(reader, encoder->hidden, dense->input, &pooling, &of_pooling) || of_pooling)
        return false;
    /* The activation ends before the division by the length: at the last value of which each number
     * depends on one number alone. */
    for (size_t i = at->index; i >= dense->output->index; i--) {
        graph_value *end = graph_at(reader->graph, i);
        if (!carries(reader, end) ||
            !match_activation(reader, dense->output, end, &sentence.activation))
            continue;
        return read_normalise(reader, end, at, &normalize) &&
               set_sentence(reader, &encoder->heads, at, pooling, normalize, &sentence);
    }
    return false;
}

static bool read_dense_output(graph_reader *reader, encoder_match *encoder,
                              const affine_match *dense, graph_value *at, output_name *name)
{
    heads_match *heads = &encoder->heads;
    head_ending ending;
    bert_activation activation;
    graph_value *hidden = encoder->hidden;
    if (is_first_token(reader, hidden, dense->input) && has_rows(reader, at, dense->n_out) &&
        match_activation(reader, dense->output, at, &activation) &&
        activation != BERT_ACTIVATION_NONE) {
        name->output = BERT_OUTPUT_POOLER_OUTPUT;
        return set_transform(reader, heads, &heads->pooler, &(transform_match){*dense, activation});
    }
    if (read_ending(reader, dense, at, &ending)) {
        name->index = ending.column;
        name->activation = ending.activation;
        if (dense->input == hidden) {
            name->output = BERT_OUTPUT_TOKEN_LOGITS;
            return set_dense(reader, heads, &heads->token_classifier, dense);
        }
        name->output = BERT_OUTPUT_LOGITS;
        if (read_classifier(reader, encoder, dense))
            return true;
        name->output = BERT_OUTPUT_LM_LOGITS;
        if (ending.column < 0 && read_lm(reader, encoder, dense))
            return true;
        name->output = BERT_OUTPUT_TOKEN_LOGITS;
        if (read_transformed_tokens(reader, encoder, dense))
            return true;
        name->index = -1;
        name->activation = NULL;
    }
    name->output = BERT_OUTPUT_SENTENCE_EMBEDDING;
    return read_sentence_dense(reader, encoder, dense, at);
}

bool read_output(graph_reader *reader, encoder_match *encoder, graph_value *at, output_name *name)
{
    affine_match dense;
    bert_pooling pooling;
    bool normalize;
    graph_value *bare = plain(reader, at);
    name->index = -1;
    name->activation = NULL;
    if (bare == encoder->hidden) {
        name->output = BERT_OUTPUT_LAST_HIDDEN_STATE;
        return true;
    }
    for (uint32_t i = 0; i < encoder->n_layers; i++) {
        const layer_match *layer = &encoder->layers[i];
        name->index = (int32_t)i;
        name->output = BERT_OUTPUT_HIDDEN_STATES;
        if (bare == layer->input)
            return true;
        name->output = BERT_OUTPUT_ATTENTIONS;
        if (bare == layer->attention.probabilities ||
            (graph_is(bare, "Where") && graph_operand(bare, 2) == layer->attention.probabilities))
            return true;
    }
    name->index = -1;
    if (find_dense(reader, at, encoder->hidden, &dense, 0)) {
        if (read_dense_output(reader, encoder, &dense, at, name))
            return true;
        return mismatch(reader, at,
                        "logits of the pooled first token, of every token or of masked words, a "
                        "pooler's output, or a sentence embedding");
    }
    name->output = BERT_OUTPUT_SENTENCE_EMBEDDING;
    if (!read_pooling(reader, encoder->hidden, at, &pooling, &normalize))
        return mismatch(reader, at, "hidden states, or their mean, maximum or first token");
    return set_sentence(reader, &encoder->heads, at, pooling, normalize, &(transform_match){0});
}

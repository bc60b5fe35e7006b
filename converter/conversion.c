/*
 * conversion.c - see conversion.h.
 *
 * The unquantised model runs on the proof's inputs and on the texts that quantising is measured
 * with; beside it runs the model as it is stored, on the proof's inputs. Both take the steps of a
 * part while its weights are in memory: what a layer sees is measured, its factors are chosen, its
 * weights are quantised, written, and forgotten.
 */
#include "conversion.h"

#include <stdlib.h>

#include "files/safetensors.h"
#include "huggingface/huggingface.h"
#include "huggingface/sentence_head.h"
#include "import/graph_read.h"
#include "metadata.h"
#include "native/prove.h"
#include "quantise/smooth.h"
#include "quantise/texts.h"
#include "read/read.h"
#include "source/model_dir.h"

/* The largest error that an unquantised model may have, over its largest output. */
#define PROOF_TOLERANCE 2e-4

struct conversion {
    const convert_options *options;
    const char *out;
    model_dir dir;
    huggingface_model *huggingface; /* NULL: there is a graph */
    sentence_head *sentence;        /* NULL: nothing was added to the encoder */
    onnx_model onnx;
    onnx_graph *graph;
    graph_reader reader;
    bert_weights weights;
    model_proof proof;
    text_list texts;
    streamed_batch *readings;     /* [texts.n]: the texts on their way */
    streamed_model exact, stored; /* unquantised; as it is stored, if that is another */
    proof_answers exact_answers, stored_answers;
    safetensors_writer *writer;
    double error; /* of the model as it is stored */
    uint32_t n_done, n_parts;
};

/* The first step and the last are of no part. */
#define OTHER_STEPS 2

static bool has_stored(const conversion *c)
{
    return c->options->dtype != PACK_F32;
}

/* ------------------------------------------------------------------------------- the beginning -- */

static bool read_graph(conversion *c, fault_text *fault)
{
    if (!onnx_open(c->dir.path.onnx, &c->onnx, fault) ||
        !(c->graph = graph_open(&c->onnx, fault)) ||
        !reader_open(&c->reader, c->graph, model_dir_first_position(&c->dir), fault))
        return false;
    if (!read_encoder(&c->reader, &c->options->outputs, &c->weights))
        return model_dir_explain(&c->dir, fault);
    model_dir_compare(&c->dir, &c->weights.config);
    return true;
}

/* Named weights need no guessing; of a type that is not known by name, a graph may still be. */
static bool read_model(conversion *c, const char *in, fault_text *fault)
{
    if (!model_dir_open(in, c->options->base, &c->dir, fault))
        return false;
    const model_path *path = &c->dir.path;
    if (path->safetensors[0] && (!path->onnx[0] || huggingface_knows(&c->dir)))
        return huggingface_open(&c->dir, c->options->dtype == PACK_F32, &c->huggingface,
                                &c->weights, fault) &&
               sentence_head_open(&c->dir.sentence, &c->weights, &c->sentence, fault);
    if (!read_graph(c, fault))
        return false;
    bool is_encoder = weights_gives(&c->weights, BERT_OUTPUT_LAST_HIDDEN_STATE) &&
                      !weights_gives(&c->weights, BERT_OUTPUT_SENTENCE_EMBEDDING);
    return !is_encoder || sentence_head_open(&c->dir.sentence, &c->weights, &c->sentence, fault);
}

conversion *conversion_open(const char *in, const char *out, const convert_options *options,
                            fault_text *fault)
{
    conversion *c = calloc(1, sizeof *c);
    if (!c) {
        fault_set(fault, "out of memory");
        return NULL;
    }
    c->options = options;
    c->out = out;
    c->onnx.file.handle = -1;
    if (!read_model(c, in, fault)) {
        conversion_close(c);
        return NULL;
    }
    c->n_parts = streamed_n_parts(&c->weights.config);
    return c;
}

/* What quantising is measured with: the user's texts, or our own. */
static bool read_texts(conversion *c, fault_text *fault)
{
    const char *path = c->options->calibrate;
    const whole_file *tokenizer = &c->dir.tokenizer;
    const bert_config *config = &c->weights.config;
    uint32_t most = native_most_tokens(config, NULL);
    bool ok = path ? texts_read(&c->texts, path, most, fault)
                   : texts_own(&c->texts, tokenizer->data, tokenizer->n_bytes, config->vocab_size,
                               most, fault);
    c->readings = ok ? calloc(c->texts.n + 1, sizeof *c->readings) : NULL;
    for (size_t i = 0; c->readings && i < c->texts.n; i++) {
        const text_batch *text = &c->texts.batches[i];
        c->readings[i].what = text->where;
        c->readings[i].batch = (bert_batch){.n_sequences = text->n_sequences,
                                            .lengths = text->lengths,
                                            .ids = text->ids,
                                            .token_types = text->types};
    }
    return c->readings || (ok && fault_set(fault, "out of memory"));
}

/* Of a session that can run the proof and all texts. */
static bert_options find_options(const conversion *c)
{
    bert_options options = c->proof.options;
    for (size_t i = 0; i < c->texts.n; i++) {
        const text_batch *text = &c->texts.batches[i];
        if (text->n_tokens > options.max_tokens)
            options.max_tokens = text->n_tokens;
        for (uint32_t k = 0; k < text->n_sequences; k++)
            if (text->lengths[k] > options.max_sequence_tokens)
                options.max_sequence_tokens = text->lengths[k];
    }
    return options;
}

static bool open_models(conversion *c, fault_text *fault)
{
    bert_options options = find_options(c);
    if (!streamed_open(&c->exact, &c->weights, PACK_F32, &options, fault) ||
        !proof_answers_open(&c->proof, &c->exact_answers, fault))
        return false;
    return !has_stored(c) ||
           (streamed_open(&c->stored, &c->weights, c->options->dtype, &c->proof.options, fault) &&
            proof_answers_open(&c->proof, &c->stored_answers, fault));
}

/* ------------------------------------------------------------------------------------ writing -- */

static bool declare(safetensors_writer *writer, const packed_tensor *tensor, fault_text *fault)
{
    const char *dtype = tensor->is_q4 ? "U8" : bert_dtype_name(tensor->dtype);
    return safetensors_declare(writer, tensor->name, dtype, tensor->rank, tensor->shape,
                               tensor->n_bytes, fault);
}

static bool write_data(void *writer, const packed_tensor *tensor, fault_text *fault)
{
    return safetensors_write(writer, tensor->data, tensor->n_bytes, fault);
}

/* The reference as it is known by now. */
static char *reference_text(const conversion *c, double error)
{
    cJSON *json = proof_json(&c->proof, error);
    char *text = cJSON_PrintUnformatted(json);
    cJSON_Delete(json);
    return text;
}

static bool begin_data(conversion *c, fault_text *fault)
{
    file_hash source;
    char *reference = reference_text(c, -1);
    if (!reference)
        return fault_set(fault, "out of memory");
    bool ok = true;
    if (c->huggingface)
        huggingface_sha256(c->huggingface, &source);
    else
        ok = range_sha256(&c->onnx.file, &source, fault);
    if (ok) {
        cJSON *metadata = metadata_json(&c->weights, &c->dir, c->options, &source);
        cJSON_AddStringToObject(metadata, "reference", reference);
        ok = safetensors_begin_data(c->writer, metadata, fault);
    }
    free(reference);
    return ok;
}

/* Declares all tensors, and writes the tokenizer, which comes first. */
static bool begin_file(conversion *c, fault_text *fault)
{
    const whole_file *tokenizer = &c->dir.tokenizer;
    uint32_t n_bytes = (uint32_t)tokenizer->n_bytes; /* no more: model_dir_open() */
    if (!(c->writer = safetensors_create(c->out, fault)))
        return false;
    bool ok = n_bytes == 0 ||
              safetensors_declare(c->writer, "tokenizer.json", "U8", 1, &n_bytes, n_bytes, fault);
    for (size_t i = 0; ok && i < c->weights.n_weights; i++) {
        packed_tensor planned[PACK_MAX_TENSORS] = {0};
        int n = pack_plan(&c->weights.weights[i], c->options->dtype, planned);
        for (int k = 0; ok && k < n; k++)
            ok = declare(c->writer, &planned[k], fault);
    }
    ok = ok && begin_data(c, fault) &&
         (n_bytes == 0 || safetensors_write(c->writer, tokenizer->data, n_bytes, fault));
    model_dir_forget_tokenizer(&c->dir);
    return ok;
}

static bool begin(conversion *c, fault_text *fault)
{
    return proof_open(&c->proof, c->huggingface ? NULL : &c->reader, &c->weights, fault) &&
           (!pack_is_quantised(c->options->dtype) || read_texts(c, fault)) &&
           open_models(c, fault) && begin_file(c, fault);
}

static bool finish(conversion *c, fault_text *fault)
{
    char *reference = reference_text(c, c->error);
    bool ok = reference || fault_set(fault, "out of memory");
    ok = ok && safetensors_settle(c->writer, "reference", reference, fault);
    free(reference);
    if (!ok)
        return false;
    ok = safetensors_finish(c->writer, fault);
    c->writer = NULL;
    return ok;
}

/* -------------------------------------------------------------------------------------- parts -- */

static bool run_cases(conversion *c, streamed_model *model, uint32_t part, proof_answers *answers,
                      fault_text *fault)
{
    bool ok = true;
    for (int i = 0; ok && i < c->proof.n_cases; i++)
        ok = streamed_run(model, part, &answers->batches[i], fault);
    return ok;
}

/* Runs the part unquantised; what the layers see goes into `measured`, if there are any. */
static bool run_exact(conversion *c, uint32_t part, calibration_data *measured, fault_text *fault)
{
    bool ok = true;
    for (size_t i = c->exact.parts[part]; ok && i < c->exact.parts[part + 1]; i++)
        ok =
            streamed_bring(&c->exact, i, NULL, has_stored(c) ? NULL : write_data, c->writer, fault);
    if (measured->n_layers > 0) {
        bert_session_observe(c->exact.session, calibration_observe, measured);
        for (size_t i = 0; ok && i < c->texts.n; i++)
            ok = streamed_run(&c->exact, part, &c->readings[i], fault);
        bert_session_observe(c->exact.session, NULL, NULL);
    }
    return ok && run_cases(c, &c->exact, part, &c->exact_answers, fault);
}

/* Quantises the part, writes it, and runs it as it is stored. */
static bool run_stored(conversion *c, uint32_t part, const calibration_data *measured,
                       fault_text *fault)
{
    size_t first = c->exact.parts[part], end = c->exact.parts[part + 1];
    bert_integers integers = pack_integers(c->options->dtype);
    bool ok = smooth_layers(&c->weights, integers, measured, fault);
    for (size_t i = first; ok && i < end; i++)
        ok = streamed_bring(&c->stored, i, streamed_floats(&c->exact, i), write_data, c->writer,
                            fault);
    weights_forget(&c->weights, first, end);
    return ok && run_cases(c, &c->stored, part, &c->stored_answers, fault);
}

/* Proves the unquantised model, which has gone through all parts. */
static bool prove(conversion *c, fault_text *fault)
{
    const char *worst = "";
    if (!proof_expect(&c->proof, &c->exact_answers, fault))
        return false;
    c->error = proof_error(&c->proof, &c->exact_answers, &worst);
    return c->error <= PROOF_TOLERANCE ||
           fault_set(fault,
                     "the graph was read, but what was read gives other answers: output '%s' "
                     "differs by %.3g of its largest number",
                     worst, c->error);
}

/* Measures what storing the model in the dtype costs. */
static bool measure(conversion *c, fault_text *fault)
{
    c->error = proof_error(&c->proof, &c->stored_answers, NULL);
    return c->error <= 1e30 ||
           fault_set(fault, "stored as %s the model gives numbers that are not finite: use f32",
                     pack_dtype_name(c->options->dtype));
}

static bool run_part(conversion *c, uint32_t part, fault_text *fault)
{
    calibration_data measured = {0};
    bool is_last = part + 1 == c->n_parts, ok = true;
    uint32_t first, end;
    streamed_layers(&c->exact, part, &first, &end);
    if (pack_is_quantised(c->options->dtype)) {
        bool with_moments = c->options->calibrate && c->options->dtype == PACK_Q4;
        ok = calibration_alloc(&measured, &c->weights.config, first, end - first, with_moments,
                               fault);
    }
    ok = ok && run_exact(c, part, &measured, fault) && (!is_last || prove(c, fault)) &&
         (!has_stored(c) || run_stored(c, part, &measured, fault));
    calibration_free(&measured);
    if (part == 1) {
        streamed_forget_embeddings(&c->exact);
        streamed_forget_embeddings(&c->stored);
    }
    return ok && (!is_last || !has_stored(c) || measure(c, fault));
}

/* -------------------------------------------------------------------------------------- steps -- */

bool conversion_step(conversion *c, fault_text *fault)
{
    bool ok = c->n_done == 0            ? begin(c, fault)
              : c->n_done <= c->n_parts ? run_part(c, c->n_done - 1, fault)
                                        : finish(c, fault);
    c->n_done += ok;
    return ok;
}

bool conversion_is_done(const conversion *c)
{
    return c->n_done == c->n_parts + OTHER_STEPS;
}

void conversion_progress(const conversion *c, uint32_t *n_done, uint32_t *n_steps)
{
    *n_done = c->n_done;
    *n_steps = c->n_parts + OTHER_STEPS;
}

uint64_t conversion_memory(const conversion *c, fault_text *fault)
{
    streamed_counts counts;
    pack_dtype dtype = c->options->dtype;
    uint64_t stored = dtype == PACK_F32 ? 0 : dtype == PACK_F16 ? 2 : 1;
    uint64_t i = c->weights.config.intermediate_size;
    if (!streamed_count(&c->weights, &counts, fault))
        return 0;
    return (4 + stored) * (counts.embeddings + counts.part) + 4 * counts.matrix + 50000000 +
           (dtype == PACK_Q4 && c->options->calibrate ? 12 * i * i : 0);
}

/* Adds a tensor to the needs, if it lies in a file. */
static size_t add_need(const stored_tensor *stored, file_need *needs, size_t n, size_t most)
{
    if (!stored || !stored->file)
        return n;
    if (n < most)
        needs[n] = (file_need){stored->file->path, stored->offset, stored->n_bytes};
    return n + 1;
}

/* What the weights of a part are made of. */
static size_t needs_of_part(const conversion *c, uint32_t part, file_need *needs, size_t most)
{
    size_t n = 0;
    for (size_t i = c->exact.parts[part]; i < c->exact.parts[part + 1]; i++) {
        const weight_source *source = &c->weights.weights[i].source;
        if (source->array)
            n = add_need(source->array->stored, needs, n, most);
        for (uint32_t k = 0; k < source->n_parts; k++)
            n = add_need(source->parts[k], needs, n, most);
    }
    return n;
}

size_t conversion_needs(const conversion *c, file_need *needs, size_t most)
{
    size_t n = 0;
    if (c->n_done > c->n_parts)
        return 0;
    if (c->huggingface)
        return c->n_done == 0 ? 0 : needs_of_part(c, c->n_done - 1, needs, most);
    for (size_t i = 0; i <= c->onnx.n_external; i++, n++) {
        const range_file *file = i == 0 ? &c->onnx.file : &c->onnx.external[i - 1]->file;
        if (n < most)
            needs[n] = (file_need){file->path, 0, file->n_bytes};
    }
    return n;
}

void conversion_close(conversion *c)
{
    if (!c)
        return;
    safetensors_abandon(c->writer);
    streamed_close(&c->exact);
    streamed_close(&c->stored);
    proof_answers_close(&c->exact_answers);
    proof_answers_close(&c->stored_answers);
    for (size_t i = 0; c->readings && i < c->texts.n; i++)
        free(c->readings[i].states);
    free(c->readings);
    texts_free(&c->texts);
    proof_close(&c->proof);
    weights_free(&c->weights);
    sentence_head_close(c->sentence);
    huggingface_close(c->huggingface);
    reader_close(&c->reader);
    graph_close(c->graph);
    onnx_close(&c->onnx);
    model_dir_close(&c->dir);
    free(c);
}

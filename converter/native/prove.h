/*
 * prove.h - the converted model against the graph that it was read from.
 *
 * The graph is evaluated on a few inputs (in float32, with exact activations where it rounds them),
 * the core runs the same inputs natively, and every output is compared. What was read wrong shows
 * here, whatever the reason, and is refused. Answers of the graph go with the model file, so that
 * users can check it on their own machine. Of weights without a graph, those of the unquantised
 * model do.
 */
#ifndef CONVERTER_PROVE_H
#define CONVERTER_PROVE_H

#include <cjson/cJSON.h>

#include "native/padded.h"
#include "native/streamed.h"
#include "read/reader.h"
#include "weights/weights.h"

#define PROVE_CASES 2

/* Inputs and what is expected. */
typedef struct proof_case {
    padded_batch batch;
    double *expected[WEIGHTS_MAX_OUTPUTS]; /* by output of the weights; NULL: not known yet */
} proof_case;

typedef struct model_proof {
    const bert_weights *weights;
    proof_case cases[PROVE_CASES];
    int n_cases;
    bert_options options; /* of a session that can run them */
} model_proof;

/* Evaluates the graph; `reader` NULL: there is none. `weights` must stay. proof_close() in any
 * case. */
bool proof_open(model_proof *proof, graph_reader *reader, const bert_weights *weights,
                fault_text *fault);
void proof_close(model_proof *proof);

/* The cases on their way through one model, and what it answers. */
typedef struct proof_answers {
    streamed_batch batches[PROVE_CASES]; /* as many as there are cases */
} proof_answers;

/* Room for all outputs of the weights. proof_answers_close() in any case. */
bool proof_answers_open(const model_proof *proof, proof_answers *answers, fault_text *fault);
void proof_answers_close(proof_answers *answers);

/* Makes the answers what is expected, where no graph says: none is there, or the output was added
 * to those of the graph. False without memory. */
bool proof_expect(model_proof *proof, const proof_answers *answers, fault_text *fault);

/* The largest error over the largest output (at least 1) of all outputs and cases; the output that
 * has it in *worst, if that is not NULL. */
double proof_error(const model_proof *proof, const proof_answers *answers, const char **worst);

/*
 * Answers for a model file: {"error": E, "cases": [{"input_ids": [], "token_type_ids": [],
 * "outputs": {name: {"step": K, "largest": M, "samples": [elements 0, K, 2 K, ...]}}}]}. The cases
 * are whole sequences alone, without padding; M is the largest magnitude of all elements. A number
 * that is not known yet - E where it is negative, and what is expected without a graph - is as long
 * as any could be.
 */
cJSON *proof_json(const model_proof *proof, double error);

#endif

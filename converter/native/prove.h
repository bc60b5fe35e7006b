/*
 * prove.h - the converted model against the graph that it was read from.
 *
 * The graph is evaluated on a few inputs (in float32, with exact activations where it rounds them),
 * the core runs the same inputs natively, and every output is compared. What was read wrong shows
 * here, whatever the reason, and is refused. Answers of the graph go with the model file, so that
 * users can check it on their own machine.
 */
#ifndef CONVERTER_PROVE_H
#define CONVERTER_PROVE_H

#include <cjson/cJSON.h>

#include "native/native.h"
#include "native/padded.h"
#include "read/reader.h"
#include "weights/weights.h"

#define PROVE_CASES 2

/* Inputs and what the graph answers. */
typedef struct proof_case {
    padded_batch batch;
    double *expected[WEIGHTS_MAX_OUTPUTS]; /* by output of the weights */
} proof_case;

typedef struct model_proof {
    const bert_weights *weights;
    proof_case cases[PROVE_CASES];
    int n_cases;
    bert_options options; /* of a session that can run them */
} model_proof;

/*
 * Evaluates the graph. `weights` must stay. proof_close() in any case. What is in no graph is
 * compared with nothing: its expected answers are those of the first model that proof_error() runs,
 * which is the unquantised one. `reader` NULL: there is no graph at all.
 */
bool proof_open(model_proof *proof, graph_reader *reader, const bert_weights *weights,
                fault_text *fault);
void proof_close(model_proof *proof);

/* The largest error over the largest output (at least 1) of all outputs and cases; the output that
 * has it in *worst, if that is not NULL. Negative with a fault. */
double proof_error(model_proof *proof, const native_model *native, const char **worst,
                   fault_text *fault);

/* Answers for a model file: {"error": E, "cases": [{"input_ids": [], "token_type_ids": [],
 * "outputs": {name: {"step": K, "largest": M, "samples": [elements 0, K, 2 K, ...]}}}]}. The cases
 * are whole sequences alone, without padding; M is the largest magnitude of all elements. */
cJSON *proof_json(const model_proof *proof, double error);

#endif

/**
 * A pre-training from its first step to its last, in the worker: epochs of sequences in a shuffled
 * order, whose words are masked anew in each, and after each the validation, masked always alike.
 */

import { batchesOf } from '../batches.js';
import { Random } from '../random.js';
import { Pace, takeStep } from '../run.js';

/** Of random numbers. */
const PURPOSE = 5;

/** The masks of the validation are those of this epoch. */
const VALIDATION_EPOCH = 0;

/**
 * @typedef {object} Request
 * @property {number} epochs
 * @property {number} batch_size
 * @property {number} learning_rate
 * @property {number} warmup
 * @property {number} weight_decay
 * @property {number} max_norm
 * @property {number} seed
 *
 * @typedef {object} PretrainMetrics  of the validation
 * @property {number} loss  the mean over its masked words and, where pairs are learned, that over
 *   its pairs added
 * @property {number} mlm_loss  of the masked words
 * @property {number | null} nsp_loss  of the pairs; null: none are learned
 * @property {number} perplexity  e to the power of `mlm_loss`
 *
 * @typedef {object} PretrainEpoch
 * @property {number} epoch  from 1
 * @property {number} loss  the mean of its steps'
 * @property {PretrainMetrics | null} validation  null: there is none
 * @property {number} seconds  that it took
 *
 * @typedef {object} PretrainProgress
 * @property {number} epoch  from 1
 * @property {number} step  from 1, counted through all epochs
 * @property {number} n_steps  of all epochs
 * @property {number} loss  of this step: the sum of the next two
 * @property {number} mlm_loss  of its masked words
 * @property {number | null} nsp_loss  of its pairs; null: none are learned
 * @property {number | null} perplexity  of the last validation; null: there was none yet
 * @property {number} rate  tokens a second, smoothed
 * @property {number} seconds_left  at this rate; validations not counted
 */

/** @typedef {ReturnType<typeof import('../objectives/masked_words.js').maskedWords>} Objective */
/** @typedef {import('./examples.js').Examples} Examples */

/**
 * @param {Request} request
 * @param {{examples: Examples, validation: Examples | null}} sets
 * @param {import('../trainer.js').Trainer} trainer
 * @param {Objective} objective  of the trainer
 * @param {object} caller
 * @param {import('../../worker/engine.js').Turn} caller.turn  throws if the call was aborted
 * @param {() => boolean} caller.isStopped  whether what there is will do
 * @param {(progress: PretrainProgress) => void} caller.onprogress
 * @returns {Promise<{history: PretrainEpoch[], n_steps: number}>}  steps that were made
 */
export async function run(request, { examples, validation }, trainer, objective, caller) {
    const { epochs, batch_size, seed } = request;
    const random = new Random(seed, PURPOSE);
    const indices = Array.from({ length: examples.length }, (_, i) => i);
    const n_steps = epochs * Math.ceil(examples.length / batch_size);
    const pace = new Pace(epochs * examples.length);
    /** @type {PretrainEpoch[]} */
    const history = [];
    let [step, n_tokens, n_sequences] = [0, 0, 0];
    for (let epoch = 1; epoch <= epochs; epoch++) {
        const began = performance.now();
        const perplexity = history.at(-1)?.validation?.perplexity ?? null;
        const losses = [];
        for (const chosen of batchesOf(random.shuffled(indices), batch_size)) {
            await caller.turn();
            if (caller.isStopped()) return { history, n_steps: step };
            const batch = chosen.map((index) => examples.sequence(index, epoch));
            const { loss } = trainer.run(batch, true);
            takeStep(loss, step++, n_steps, { ...request, schedule: 'linear' }, trainer);
            losses.push(loss);
            n_sequences += batch.length;
            n_tokens += batch.reduce((sum, { ids }) => sum + ids.length, 0);
            const { rate, seconds_left } = pace.add(batch.length);
            caller.onprogress({
                epoch,
                step,
                n_steps,
                loss,
                ...lossesOf(objective),
                perplexity,
                rate: (rate * n_tokens) / n_sequences,
                seconds_left,
            });
        }
        const loss = losses.reduce((sum, n) => sum + n, 0) / losses.length;
        const metrics =
            validation && (await validate(validation, batch_size, trainer, objective, caller));
        const seconds = (performance.now() - began) / 1000;
        history.push({ epoch, loss, validation: metrics, seconds });
    }
    return { history, n_steps: step };
}

/** Of what has run last. @param {Objective} objective */
function lossesOf({ losses: { mlm, nsp } }) {
    return { mlm_loss: mlm, nsp_loss: nsp };
}

/**
 * @param {Examples} examples
 * @param {number} batch_size
 * @param {import('../trainer.js').Trainer} trainer
 * @param {Objective} objective
 * @param {{turn: import('../../worker/engine.js').Turn}} caller
 * @returns {Promise<PretrainMetrics>}
 */
async function validate(examples, batch_size, trainer, objective, { turn }) {
    const indices = Array.from({ length: examples.length }, (_, i) => i);
    let [mlm, n_masked, nsp] = [0, 0, 0];
    for (const chosen of batchesOf(indices, batch_size)) {
        await turn();
        const batch = chosen.map((index) => examples.sequence(index, VALIDATION_EPOCH));
        trainer.run(batch, false);
        const [n] = objective.rows(batch);
        mlm += n * objective.losses.mlm;
        n_masked += n;
        nsp += batch.length * Number(objective.losses.nsp);
    }
    const mlm_loss = mlm / n_masked;
    const nsp_loss = objective.losses.nsp === null ? null : nsp / examples.length;
    return {
        loss: mlm_loss + Number(nsp_loss),
        mlm_loss,
        nsp_loss,
        perplexity: Math.exp(mlm_loss),
    };
}

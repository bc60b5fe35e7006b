/**
 * A training from its first step to its last, in the worker: epochs of batches in a shuffled order,
 * after each of them the validation, and the weights of the best one in the end.
 */

import { BertError } from '../errors.js';
import { accuracy, confusion, macroF1 } from '../metrics/classification.js';
import { entityScores } from '../metrics/entities.js';
import { batchesOf } from './batches.js';
import { validatePairs } from './pair_metrics.js';
import { Random } from './random.js';
import { Trainer } from './trainer.js';

/** Of random numbers. */
const PURPOSE = 3;

/** Milliseconds in which a new rate takes the place of the old one, for the most part. */
const SMOOTHING = 5000;

/**
 * @typedef {object} Request
 * @property {import('./head.js').TrainTask} task
 * @property {string[]} labels
 * @property {import('./examples.js').Labelled[]} examples
 * @property {import('./examples.js').Labelled[] | null} validation
 * @property {number} epochs
 * @property {number} batch_size
 * @property {number} learning_rate
 * @property {number} warmup
 * @property {number} weight_decay
 * @property {number} max_norm
 * @property {number | undefined} max_length
 * @property {number} seed
 * @property {Float32Array | null} class_weights
 * @property {number | undefined} patience
 * @property {boolean} recomputes
 * @property {number} memory
 *
 * @typedef {object} ValidationMetrics  of the validation
 * @property {number} loss  the mean over its labels, or pairs
 * @property {number} [accuracy]  the share of labels that are right; of pairs of sentences without
 *   scores the share of first ones that are nearer to their second one than to any other
 * @property {number} [spearman]  of pairs with scores: Spearman's correlation of those and the
 *   cosines, -1 to 1; 0 where one of them does not vary
 * @property {number} [mrr_at_10]  of pairs without: the mean of 1 / the place of the second one
 *   among all, by nearness; beyond 10 it counts as 0
 * @property {number} [macro_f1]  of text-classification: the mean of the classes' F1
 * @property {number} [f1]  of token-classification with labels as `B-PER`: of the entities, as
 *   seqeval counts them
 *
 * @typedef {object} Epoch
 * @property {number} epoch  from 1
 * @property {number} loss  the mean of its steps'
 * @property {ValidationMetrics | null} validation  null: there is none
 * @property {number} seconds  that it took
 *
 * @typedef {object} TrainProgress
 * @property {number} epoch  from 1
 * @property {number} step  from 1, counted through all epochs
 * @property {number} n_steps  of all epochs
 * @property {number} loss  of this step
 * @property {number | null} metric  of the last validation: f1 or spearman where there is one, else
 *   accuracy; null: there was none yet
 * @property {number} rate  examples a second, smoothed
 * @property {number} seconds_left  at this rate; validations not counted
 *
 * @typedef {object} Outcome
 * @property {Epoch[]} history
 * @property {number} best_epoch  whose weights these are; 0: of none that was whole
 * @property {number} n_steps  that were made
 * @property {import('./trainer.js').Tensors} tensors
 * @property {number} threads  that were at work in the end
 * @property {number} memory_bytes
 *
 * @typedef {Omit<Outcome, 'tensors'> & {files: Record<string, Uint8Array>}} Made  what the worker
 *   gives, with a folder of files in place of tensors
 */

/** @typedef {import('./trainer.js').Sequence} Sequence */

/**
 * @param {Request} request
 * @param {{examples: any[], validation: any[] | null}} sets  what the trainer's objective takes
 * @param {Trainer} trainer
 * @param {object} caller
 * @param {import('../worker/engine.js').Turn} caller.turn  throws if the call was aborted
 * @param {() => boolean} caller.isStopped  whether what there is will do
 * @param {(progress: TrainProgress) => void} caller.onprogress
 * @returns {Promise<Omit<Outcome, 'threads' | 'memory_bytes'>>}
 */
export async function run(request, { examples, validation }, trainer, caller) {
    const judge = request.task === 'feature-extraction' ? validatePairs : validate;
    const { epochs, batch_size, patience = Infinity, max_norm, weight_decay, seed } = request;
    const random = new Random(seed, PURPOSE);
    const n_steps = epochs * Math.ceil(examples.length / batch_size);
    const pace = new Pace(epochs * examples.length);
    /** @type {Epoch[]} */
    const history = [];
    /** @type {{epoch: number, score: number, tensors: Outcome['tensors']} | null} */
    let best = null;
    let step = 0;
    const kept = () => ({
        history,
        best_epoch: best?.epoch ?? history.length,
        n_steps: step,
        tensors: best?.tensors ?? trainer.parameters(),
    });
    for (let epoch = 1; epoch <= epochs; epoch++) {
        const began = performance.now();
        const losses = [];
        const last = history.at(-1)?.validation;
        for (const batch of batchesOf(random.shuffled(examples), batch_size)) {
            await caller.turn();
            if (caller.isStopped()) return kept();
            const learning_rate = request.learning_rate * scheduled(step, n_steps, request.warmup);
            const { loss } = trainer.run(batch, true);
            step++;
            const length = trainer.clip(max_norm);
            if (!Number.isFinite(loss) || !Number.isFinite(length)) {
                throw diverged(step, request.learning_rate);
            }
            trainer.step(learning_rate, weight_decay);
            losses.push(loss);
            const metric = last ? scoreOf(last) : null;
            caller.onprogress({ epoch, step, n_steps, loss, metric, ...pace.add(batch.length) });
        }
        const loss = losses.reduce((sum, n) => sum + n, 0) / losses.length;
        const scores = validation && (await judge(request, validation, trainer, caller));
        const seconds = (performance.now() - began) / 1000;
        history.push({ epoch, loss, validation: scores, seconds });
        if (!scores) continue;
        const score = scoreOf(scores);
        if (!best || score > best.score) best = { epoch, score, tensors: trainer.parameters() };
        if (epoch - best.epoch >= patience) break;
    }
    return kept();
}

/**
 * What the learning rate is multiplied by: it rises in a line, then falls to 0 in another, as
 * get_linear_schedule_with_warmup() of transformers has it.
 * @param {number} step  from 0
 * @param {number} n_steps
 * @param {number} warmup  share of the steps in which it rises
 */
export function scheduled(step, n_steps, warmup) {
    const n_rising = Math.floor(warmup * n_steps);
    return step < n_rising ? step / n_rising : (n_steps - step) / (n_steps - n_rising);
}

/**
 * @param {number} step
 * @param {number} learning_rate
 */
function diverged(step, learning_rate) {
    return new BertError(
        'BAD_OPTION',
        `the loss of step ${step}, or its gradient, is no longer a number: learning_rate must be ` +
            `less than ${learning_rate}`,
    );
}

/** By which epochs are compared. @param {ValidationMetrics} metrics */
const scoreOf = ({ f1, spearman, accuracy = 0 }) => f1 ?? spearman ?? accuracy;

/**
 * @param {Request} request
 * @param {Sequence[]} sequences
 * @param {Trainer} trainer
 * @param {{turn: import('../worker/engine.js').Turn}} caller
 * @returns {Promise<ValidationMetrics>}
 */
async function validate({ task, labels, batch_size }, sequences, trainer, { turn }) {
    /** @type {number[][]} */
    const expected = [];
    /** @type {number[][]} */
    const predicted = [];
    let [sum, weight] = [0, 0];
    for (const batch of batchesOf(sequences, batch_size)) {
        await turn();
        const { loss, outputs } = trainer.run(batch, false);
        const [logits] = outputs;
        let row = 0;
        let n_labels = 0;
        for (const { labels: own } of batch) {
            const found = Array.from(own, () => argmax(logits, row++, labels.length));
            const counts = [...own.keys()].filter((i) => own[i] >= 0);
            expected.push(counts.map((i) => own[i]));
            predicted.push(counts.map((i) => found[i]));
            n_labels += counts.length;
        }
        sum += loss * n_labels;
        weight += n_labels;
    }
    const matrix = confusion(expected.flat(), predicted.flat(), labels.length);
    const metrics = { loss: sum / weight, accuracy: accuracy(matrix) };
    if (task === 'text-classification') return { ...metrics, macro_f1: macroF1(matrix) };
    if (!labels.some((label) => /^[BI]-/.test(label))) return metrics;
    const tags = (/** @type {number[][]} */ rows) => rows.map((row) => row.map((i) => labels[i]));
    return { ...metrics, f1: entityScores(tags(expected), tags(predicted)).micro.f1 };
}

/**
 * @param {Float32Array} logits
 * @param {number} row
 * @param {number} n
 */
function argmax(logits, row, n) {
    let best = 0;
    for (let c = 1; c < n; c++) if (logits[row * n + c] > logits[row * n + best]) best = c;
    return best;
}

/** How fast it goes. */
class Pace {
    #n_left;
    #at = performance.now();
    #rate = 0;

    /** @param {number} n  examples, each as often as it is learned from */
    constructor(n) {
        this.#n_left = n;
    }

    /** @param {number} n  that are done */
    add(n) {
        const ms = Math.max(performance.now() - this.#at, 0.001);
        const weight = this.#rate ? 1 - Math.exp(-ms / SMOOTHING) : 1;
        this.#at += ms;
        this.#n_left -= n;
        this.#rate += weight * ((1000 * n) / ms - this.#rate);
        return { rate: this.#rate, seconds_left: this.#n_left / this.#rate };
    }
}

/**
 * Tokens and sequences that a batch has at most, whatever is drawn.
 * @param {Sequence[][]} sets
 * @param {number} batch_size
 */
export function limitsOf(sets, batch_size) {
    const most = sets.map((sequences) => {
        const lengths = sequences.map(({ ids }) => ids.length).sort((a, b) => b - a);
        return lengths.slice(0, batch_size).reduce((sum, n) => sum + n, 0);
    });
    const max_sequence_tokens = Math.max(...sets.flat().map(({ ids }) => ids.length));
    return { max_tokens: Math.max(...most), max_sequences: batch_size, max_sequence_tokens };
}

/**
 * A training from its first step to its last, in the worker: epochs of batches in a shuffled order,
 * after each of them the validation, and the weights of the best one in the end.
 */

import { BertError } from '../errors.js';
import { batchesOf, epochsOf } from './batches.js';
import { writeCheckpoint } from './checkpoint.js';
import { SCHEDULES } from './core_names.js';
import { outputOf } from './head.js';
import { metricsOf, scoreOf } from './metrics.js';
import { Trainer } from './trainer.js';

/** Milliseconds in which a new rate takes the place of the old one, for the most part. */
const SMOOTHING = 5000;

/**
 * @typedef {object} TaskRequest  what each task has for itself
 * @property {import('./head.js').TrainTask} task
 * @property {string[]} labels
 * @property {import('./examples.js').Labelled[]} examples
 * @property {import('./examples.js').Labelled[] | null} validation
 * @property {import('./options.js').ProblemType} problem_type
 * @property {Float32Array | null} class_weights
 * @property {number} label_smoothing
 * @property {number} [temperature]  of examples that have a teacher, else none
 * @property {number} [hard_share]  likewise
 * @property {number | undefined} max_length
 * @property {string} prefix  of what its examples are called in messages
 *
 * @typedef {object} CommonRequest
 * @property {number} epochs
 * @property {number} batch_size
 * @property {number} accumulate
 * @property {number} learning_rate
 * @property {import('./options.js').ScheduleKind} schedule
 * @property {number} warmup
 * @property {number} weight_decay
 * @property {number} max_norm
 * @property {import('./options.js').TrainOptions['dropout']} dropout
 * @property {number} layer_decay
 * @property {number | undefined} trained_layers
 * @property {number | undefined} unfreeze
 * @property {import('./options.js').Lora | undefined} lora
 * @property {number} adversarial
 * @property {number} seed
 * @property {number | undefined} patience
 * @property {boolean} recomputes
 * @property {number} memory
 * @property {boolean} has_checkpoints  whether the caller wants them
 * @property {number | undefined} checkpoint_steps
 * @property {Uint8Array | undefined} resume
 *
 * @typedef {CommonRequest & TaskRequest} Request  of one task
 *
 * @typedef {import('./metrics.js').ValidationMetrics} ValidationMetrics
 *
 * @typedef {object} Epoch
 * @property {number} epoch  from 1
 * @property {number} loss  the mean of its steps'
 * @property {ValidationMetrics | null} validation  null: there is none
 * @property {number} seconds  that it took
 *
 * @typedef {object} EpochOfAll
 * @property {number} epoch  from 1
 * @property {{loss: number, validation: ValidationMetrics | null}[]} tasks
 * @property {number} seconds
 *
 * @typedef {object} TrainProgress
 * @property {number} epoch  from 1
 * @property {number} step  from 1, counted through all epochs
 * @property {number} n_steps  of all epochs
 * @property {number} loss  of this step
 * @property {number | null} metric  of the last validation, by which epochs are compared: f1 or
 *   micro_f1 where there is one, pearson of regression, spearman of pairs with scores, ndcg_at_10
 *   of text-ranking, else accuracy; null: there was none yet
 * @property {ValidationMetrics | null} validation  of this epoch, which has ended: it is told of
 *   the last step once more; null: a step was made
 * @property {number} rate  examples a second, smoothed
 * @property {number} seconds_left  at this rate; validations not counted
 * @property {number} memory_bytes  of WebAssembly memory that training takes
 *
 * @typedef {Omit<TrainProgress, 'validation'> & {task: number | null,
 *   validations: (ValidationMetrics | null)[] | null}} ProgressOfAll  task: of the step; null:
 *   there was a validation of all, whose scores' mean is the metric
 *
 * @typedef {object} Outcome
 * @property {EpochOfAll[]} history
 * @property {number} best_epoch  whose weights these are; 0: of none that was whole
 * @property {number} n_steps  that were made
 * @property {import('./trainer.js').Tensors[]} models  of each task
 *
 * @typedef {object} Made  of a task
 * @property {Epoch[]} history
 * @property {number} best_epoch
 * @property {number} threads  that were at work in the end
 * @property {number} memory_bytes
 * @property {Record<string, Uint8Array>} files
 */

/** @typedef {import('./trainer.js').Sequence} Sequence */

/**
 * @typedef {object} Checkpoints
 * @property {import('./checkpoint.js').Identity} identity  of this run
 * @property {import('./checkpoint.js').Checkpoint | null} resumed  where it goes on; null: it
 *   begins
 * @property {((bytes: Uint8Array<ArrayBuffer>) => void) | null} write  null: nobody wants them
 *
 * @callback Validate
 * @param {Request} request
 * @param {any[]} examples
 * @param {Trainer} trainer
 * @param {{turn: import('../worker/engine.js').Turn}} caller
 * @returns {Promise<ValidationMetrics>}
 */

/**
 * @typedef {object} LearnedTask
 * @property {Request} request
 * @property {any[]} examples  as its objective takes them
 * @property {any[] | null} validation
 * @property {Validate} validate
 * @property {import('./trainer.js').Dropout | null} dropout  null: none
 */

/**
 * @param {CommonRequest} request
 * @param {LearnedTask[]} tasks
 * @param {Trainer} trainer  as it was opened
 * @param {import('./heads.js').Heads} heads  of the tasks
 * @param {object} caller
 * @param {import('../worker/engine.js').Turn} caller.turn  throws if the call was aborted
 * @param {() => boolean} caller.isStopped  whether what there is will do
 * @param {(progress: ProgressOfAll) => void} caller.onprogress
 * @param {Checkpoints} [checkpoints]  default: nobody asks for them
 * @returns {Promise<Outcome>}
 */
export async function run(request, tasks, trainer, heads, caller, checkpoints) {
    const { epochs, batch_size, accumulate, patience = Infinity, seed } = request;
    const { checkpoint_steps = Infinity } = request;
    const drawn = epochsOf(
        tasks.map(({ examples }) => examples),
        request,
    );
    const n_examples = tasks.reduce((sum, { examples }) => sum + examples.length, 0);
    const n_task_steps = tasks.map(({ examples }) =>
        Math.ceil(Math.ceil(examples.length / batch_size) / accumulate),
    );
    const n_epoch_steps = n_task_steps.reduce((sum, n) => sum + n, 0);
    const n_steps = epochs * n_epoch_steps;
    const resumed = checkpoints?.resumed;
    /** @type {import('./checkpoint.js').State} */
    const state = resumed?.state ?? {
        history: [],
        best: null,
        step: 0,
        epoch_step: 0,
        losses: tasks.map(() => 0),
        seconds: 0,
    };
    const { history } = state;
    let best = resumed?.best ?? null;
    if (resumed) {
        heads.setLearned(resumed.learned, state.step);
        resumed.learned = []; // the trainer has them
    }
    let saved_step = state.step;
    const save = () => {
        if (!checkpoints?.write) return;
        saved_step = state.step;
        const { identity } = checkpoints;
        const learned = heads.learned();
        checkpoints.write(writeCheckpoint({ identity, state, learned, best }));
    };
    trainer.scaleLayers(request.layer_decay);
    const pace = new Pace((epochs - history.length) * n_examples);
    let is_stopped = false;
    for (let epoch = 1; epoch <= epochs && !is_stopped; epoch++) {
        const steps = drawn.next().value;
        if (epoch <= history.length) continue;
        if (state.best && history.length - state.best.epoch >= patience) break;
        freezeFor(epoch, request, trainer);
        let began = performance.now();
        const stamp = () => {
            state.seconds += (performance.now() - began) / 1000;
            began = performance.now();
        };
        const last = history.at(-1)?.tasks.map(({ validation }) => validation);
        const metric = (last && togetherOf(last)?.score) ?? null;
        /** @type {ProgressOfAll | undefined} */
        let told;
        for (const { parts } of steps.slice(0, state.epoch_step)) pace.skip(countOf(parts));
        for (const { task, parts } of steps.slice(state.epoch_step)) {
            await caller.turn();
            is_stopped = caller.isStopped();
            if (is_stopped) break;
            heads.turnTo(task);
            trainer.setDropout(tasks[task].dropout, seed >>> 0);
            const loss = await learn(parts, request, trainer, caller.turn);
            takeStep(loss, state.step, n_steps, request, trainer);
            state.step++;
            state.epoch_step++;
            state.losses[task] += loss;
            told = {
                task,
                epoch,
                step: state.step,
                n_steps,
                loss,
                metric,
                validations: null,
                ...pace.add(countOf(parts)),
                memory_bytes: trainer.memory_bytes,
            };
            caller.onprogress(told);
            stamp();
            const is_due = state.step % checkpoint_steps === 0;
            if (is_due && state.epoch_step < n_epoch_steps) save();
        }
        if (is_stopped) {
            if (state.step !== saved_step) save();
            break;
        }
        trainer.setDropout(null, 0);
        /** @type {(ValidationMetrics | null)[]} */
        const validations = [];
        for (const [task, { request: own, validation, validate }] of tasks.entries()) {
            heads.turnTo(task);
            validations.push(validation && (await validate(own, validation, trainer, caller)));
        }
        stamp();
        history.push({
            epoch,
            tasks: validations.map((validation, task) => ({
                loss: state.losses[task] / n_task_steps[task],
                validation,
            })),
            seconds: state.seconds,
        });
        Object.assign(state, { epoch_step: 0, losses: tasks.map(() => 0), seconds: 0 });
        const together = togetherOf(validations);
        if (together) {
            if (isBetter(together, state.best)) {
                state.best = { epoch, ...together };
                best = heads.parameters();
            }
            const { score } = together;
            if (told) caller.onprogress({ ...told, task: null, metric: score, validations });
        }
        save();
    }
    if (best) heads.setParameters(best);
    return {
        history,
        best_epoch: state.best?.epoch ?? history.length,
        n_steps: state.step,
        models: heads.models(),
    };
}

/** @param {Sequence[][]} parts */
const countOf = (parts) => parts.reduce((n, part) => n + part.length, 0);

/**
 * How good all tasks are: the means of those that have a validation.
 * @param {(ValidationMetrics | null)[]} validations
 * @returns {{score: number, loss: number} | null}  null: none has
 */
function togetherOf(validations) {
    const given = validations.filter((validation) => validation !== null);
    if (given.length === 0) return null;
    const meanOf = (/** @type {number[]} */ numbers) =>
        numbers.reduce((sum, n) => sum + n, 0) / numbers.length;
    return { score: meanOf(given.map(scoreOf)), loss: meanOf(given.map(({ loss }) => loss)) };
}

/**
 * By their score; where that is the same, by their loss.
 * @param {{score: number, loss: number}} found
 * @param {import('./checkpoint.js').State['best']} best  so far
 */
function isBetter({ score, loss }, best) {
    if (!best || score !== best.score) return !best || score > best.score;
    return loss < best.loss;
}

/**
 * Layers that do not learn in an epoch: all but the last ones, one more each time.
 * @param {number} epoch  from 1
 * @param {CommonRequest} request
 * @param {Trainer} trainer
 */
function freezeFor(epoch, { trained_layers, unfreeze = Infinity }, trainer) {
    if (trained_layers === undefined && unfreeze === Infinity) return;
    const n_more = Math.floor((epoch - 1) / unfreeze);
    trainer.freeze(1 + (trained_layers ?? 0) + n_more);
}

/**
 * The gradients of a step.
 * @param {Sequence[][]} parts  batches that it is made of
 * @param {CommonRequest} request
 * @param {Trainer} trainer
 * @param {import('../worker/engine.js').Turn} turn
 * @returns {Promise<number>}  the loss
 */
async function learn(parts, { adversarial }, trainer, turn) {
    const divisor =
        parts.length > 1 ? parts.reduce((sum, part) => sum + trainer.weightOf(part), 0) : 0;
    let loss = 0;
    for (const [i, part] of parts.entries()) {
        if (i > 0) await turn();
        loss += trainer.run(part, true, divisor).loss;
        if (adversarial === 0) continue;
        trainer.perturb(adversarial);
        trainer.run(part, true, divisor);
        trainer.restore();
    }
    return loss;
}

/**
 * What AdamW makes of gradients.
 * @param {number} loss
 * @param {number} step  from 0
 * @param {number} n_steps
 * @param {Pick<CommonRequest, 'learning_rate' | 'schedule' | 'warmup' | 'max_norm'
 *   | 'weight_decay'>} request
 * @param {Trainer} trainer
 */
export function takeStep(loss, step, n_steps, request, trainer) {
    const { learning_rate, schedule, warmup, max_norm, weight_decay } = request;
    const length = trainer.clip(max_norm);
    if (!Number.isFinite(loss) || !Number.isFinite(length)) {
        throw diverged(step + 1, learning_rate);
    }
    const n_warmup = Math.floor(warmup * n_steps);
    const factor = trainer.schedule(SCHEDULES[schedule], step, n_warmup, n_steps);
    trainer.step(learning_rate * factor, weight_decay);
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

/**
 * @param {Request} request
 * @param {Sequence[]} sequences
 * @param {Trainer} trainer
 * @param {{turn: import('../worker/engine.js').Turn}} caller
 * @returns {Promise<ValidationMetrics>}
 */
export async function validateLabels(request, sequences, trainer, { turn }) {
    /** Of each sequence. @type {Float32Array[]} */
    const logits = [];
    let [sum, weight] = [0, 0];
    for (const batch of batchesOf(sequences, request.batch_size)) {
        await turn();
        const { loss, outputs } = trainer.run(batch, false);
        const own = trainer.weightOf(batch);
        sum += loss * own;
        weight += own;
        logits.push(...rowsOf(outputs[0], batch, request.task));
    }
    return { loss: sum / weight, ...metricsOf(request, sequences, logits) };
}

/**
 * What each sequence has of an output.
 * @param {Float32Array} output
 * @param {Sequence[]} batch
 * @param {import('./head.js').TrainTask} task
 */
function rowsOf(output, batch, task) {
    const counts = batch.map(({ ids }) => (outputOf(task) === 'logits' ? 1 : ids.length));
    const n_columns = output.length / counts.reduce((a, b) => a + b, 0);
    let at = 0;
    return counts.map((n) => output.subarray(at, (at += n * n_columns)));
}

/** How fast it goes. */
export class Pace {
    #n_left;
    #at = performance.now();
    #rate = 0;

    /** @param {number} n  examples, each as often as it is learned from */
    constructor(n) {
        this.#n_left = n;
    }

    /** @param {number} n  that were done before */
    skip(n) {
        this.#n_left -= n;
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

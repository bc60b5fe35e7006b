/**
 * `bert-wasm/train`: fine-tuning, in a page or in Node. An encoder learns labels, or embeddings,
 * from examples; all of its weights are trained, in float32, in a worker of its own.
 */

import { BertError, withPlace } from '../errors.js';
import { loadModel } from '../model/model.js';
import { cardOf, countsOf, doesOf } from './card.js';
import { distillationOf, withoutTeachers } from './distillation.js';
import { classWeights, labelled, labelsFor, readExamples, split } from './examples.js';
import { fitHead, readShots } from './few_shot.js';
import { SPAN_LABELS } from './head.js';
import { usualRate } from './learning_rate.js';
import { callTrain, openBase, requireTrainer } from './opening.js';
import { readTasks, readTrainOptions } from './options.js';
import { toModelFile, withReadme } from './trained_files.js';

export { Pretrained, pretrain } from './pretraining/index.js';

/** @import { Classifier } from '../loader/model_file.js' */
/** @import { Model, ModelSource } from '../model/model.js' */
/** @import { Given } from './options.js' */
/** @import { Made, ProgressOfAll } from './run.js' */

/** What transformers calls the number of a regression, or of a cross-encoder. */
const NUMBER = 'LABEL_0';

// Types that programs name.
/** @typedef {import('./examples.js').Example} Example */
/** @typedef {import('./examples.js').Examples} Examples */
/** @typedef {import('./examples.js').TextExample} TextExample */
/** @typedef {import('./few_shot.js').FewShotOptions} FewShotOptions */
/** @typedef {import('./options.js').OwnTask} OwnTask */
/** @typedef {import('./options.js').TasksOptions} TasksOptions */
/** @typedef {import('./options.js').TasksProgress} TasksProgress */
/** @typedef {import('./options.js').TrainOptions} TrainOptions */
/** @typedef {import('./run.js').TrainProgress} TrainProgress */
/** @typedef {import('./trained_files.js').SaveOptions} SaveOptions */
/** @typedef {import('./pretraining/corpus.js').Corpus} Corpus */
/** @typedef {import('./pretraining/options.js').PretrainOptions} PretrainOptions */
/** @typedef {import('./pretraining/run.js').PretrainProgress} PretrainProgress */

/**
 * Trains a model on examples, beginning with another one's weights.
 *
 * @param {ModelSource} base  a model that loadModel() would load; one that is no converted file is
 *   converted to float32 first
 * @param {Examples} examples  of the task: `{text, label}`,
 *   perhaps with a `text_pair`, or by its `problem_type` {text, labels} or {text, score}; to learn
 *   what another model answers `{text, teacher}`, perhaps with a `label`; for token-classification
 *   `{tokens, labels}` or `{text, labels}`, with a label for each word; for question-answering
 *   `{question, context, answers}`; for feature-extraction `{text, text_pair, score}`, or
 *   `{text, text_pair}`, perhaps with a `negative`; for text-ranking `{query, documents, relevant}`
 * @param {TrainOptions} [options]
 * @returns {Promise<FineTuned>}
 * @throws {BertError} BAD_INPUT with the `index` of an example that is none or whose label is none
 *   of `labels`; BAD_OPTION, also where the loss is no longer a number
 * @throws {BertError} OUT_OF_MEMORY where training would take more than it may; UNSUPPORTED where
 *   there are no workers, or the base is of a family that cannot be trained; what loadModel() does
 */
export async function fineTune(base, examples, options = {}) {
    const { name, labels, outcome, facts } = await trainOne(base, examples, options);
    return new FineTuned(name, labels, outcome, cardOf(facts));
}

/**
 * Trains several tasks on one encoder with a head each, as MT-DNN does (Liu et al. 2019,
 * "Multi-Task Deep Neural Networks for Natural Language Understanding", section 3.3): each step is
 * of one task, tasks take turns at random, as often as they have steps. The encoder and its
 * pooler are shared; each task has its own classifier, whose weights the others' steps leave alone.
 * One task alone learns what fineTune() does, to the bit.
 *
 * @template {string} Name
 * @param {ModelSource} base  as of fineTune()
 * @param {Record<Name, OwnTask>} tasks  by name: examples, and what else is the task's own
 * @param {TasksOptions} [options]
 * @returns {Promise<Record<Name, FineTuned>>}  a model of each task, all on the same encoder, of
 *   the epoch that is the best by the mean of the tasks' validations
 * @throws {BertError} UNSUPPORTED where a task is feature-extraction; what fineTune() does, with
 *   the name of the task
 */
export async function fineTuneTasks(base, tasks, options = {}) {
    const { tasks: given, common } = readTasks(tasks, options);
    const names = given.map(({ name }) => name);
    const { onprogress } = /** @type {TasksOptions} */ (options);
    const tell = (/** @type {ProgressOfAll} */ { task, validations, ...progress }) => {
        const own = validations?.map((metrics, i) => [names[i], metrics]);
        const validation = own ? Object.fromEntries(own.filter(([, metrics]) => metrics)) : null;
        onprogress?.({ ...progress, task: task === null ? null : names[task], validation });
    };
    const { name, trained } = await train(base, given, common, onprogress && tell);
    const others = names.map((other) => `\`${other}\``).join(', ');
    const models = trained.map(({ labels, outcome, facts }, i) => {
        const by = 'fineTuneTasks()';
        const does = `${facts.does} It is \`${names[i]}\` of ${others}, learned together.`;
        return [names[i], new FineTuned(name, labels, outcome, cardOf({ ...facts, by, does }))];
    });
    return Object.fromEntries(models);
}

/**
 * Trains a classifier of texts on a few examples of each label, 8 to 64: as SetFit does (Tunstall
 * et al. 2022, "Efficient Few-Shot Learning Without Prompts"). Embeddings learn from pairs of them
 * which have the same label, then a logistic regression learns the labels from the embeddings.
 *
 * @param {ModelSource} base  a model of sentence embeddings, as of fineTune(); of one without a
 *   pooling the mean is taken
 * @param {Iterable<TextExample> | AsyncIterable<TextExample> | Blob} examples  `{text, label}`
 * @param {FewShotOptions} [options]
 * @returns {Promise<FineTuned>}  for text-classification, and for feature-extraction by the
 *   embeddings that it has learned
 * @throws {BertError} BAD_INPUT where a label has less than two examples; what fineTune() does
 */
export async function fewShot(base, examples, options = {}) {
    const read = await readShots(examples, options);
    const { name, outcome, facts } = await trainOne(base, read.pairs, read.options);
    const model = await new FineTuned(name, [], outcome, '').model({ dtype: 'f32', ...read.load });
    try {
        const { classifier, metrics } = await fitHead(model, read);
        const history = outcome.history.map((epoch, i, { length }) =>
            i === length - 1 ? { ...epoch, validation: metrics } : epoch,
        );
        const does = doesOf({ task: 'text-classification', labels: read.labels });
        const recipe = { ...facts.recipe, pairs: read.pairs.length };
        const data = countsOf(read.labels, read.shots, read.tests);
        const card = cardOf({ ...facts, by: 'fewShot()', does, data, recipe, history });
        return new FineTuned(name, read.labels, { ...outcome, history }, card, classifier);
    } finally {
        model.dispose();
    }
}

/**
 * @param {ModelSource} base
 * @param {Examples} examples
 * @param {TrainOptions} options
 * @returns {Promise<{name: string} & Trained>}
 */
async function trainOne(base, examples, options) {
    const given = readTrainOptions(options);
    const { onprogress } = given;
    const tell = (/** @type {ProgressOfAll} */ { task, validations, ...progress }) =>
        onprogress?.({ ...progress, validation: validations?.[0] ?? null });
    const tasks = [{ name: '', examples, given }];
    const { name, trained } = await train(base, tasks, given, onprogress && tell);
    return { name, ...trained[0] };
}

/**
 * @typedef {object} Trained  a task
 * @property {string[]} labels
 * @property {Made} outcome
 * @property {import('./card.js').Facts} facts
 */

/**
 * @param {ModelSource} base
 * @param {{name: string, examples: any, given: Given}[]} tasks  name: '' of one alone
 * @param {Given} common  what is not the tasks' own
 * @param {((progress: ProgressOfAll) => void) | undefined} onprogress
 * @returns {Promise<{name: string, trained: Trained[]}>}  what was made of each task
 */
async function train(base, tasks, common, onprogress) {
    const { oncheckpoint, signal, stop } = common;
    requireTrainer();
    if (base === null || base === undefined) {
        throw new BertError('BAD_INPUT', `a base must be a model's source, not ${base}`);
    }
    signal?.throwIfAborted();
    /** @type {Awaited<ReturnType<typeof readSets>>[]} */
    const sets = [];
    for (const each of tasks) sets.push(await readSets(each).catch(of(each.name)));
    const kinds = tasks.map(({ given }) => given.task);
    const { connection, info } = await openBase(base, common, kinds);
    try {
        const requests = tasks.map(({ name, given }, i) => {
            try {
                return taskRequest(given, sets[i], info.labels[i]);
            } catch (error) {
                return of(name)(error);
            }
        });
        const { task, problem_type, labels, validation, class_weights, ...whole } = common;
        const { label_smoothing, max_length, temperature, hard_share, ...shared } = whole;
        const request = {
            ...shared,
            tasks: requests,
            learning_rate: common.learning_rate ?? usualRate(common, info.hidden_size),
            has_checkpoints: oncheckpoint !== undefined,
            load: undefined,
            onprogress: undefined,
            oncheckpoint: undefined,
            signal: undefined,
            stop: undefined,
        };
        const told = (/** @type {any} */ { checkpoint, ...progress }) =>
            checkpoint ? oncheckpoint?.(checkpoint) : onprogress?.(progress);
        const wants = onprogress ?? oncheckpoint;
        const options = { signal, stop, onprogress: wants && told };
        /** @type {{made: Made[]}} */
        const { made } = await callTrain(connection, request, options);
        const { learning_rate } = request;
        const trained = made.map((outcome, i) => ({
            labels: requests[i].labels,
            outcome,
            facts: {
                by: 'fineTune()',
                base: info,
                does: doesOf(requests[i]),
                data: dataOf(requests[i]),
                recipe: { ...common, ...tasks[i].given, learning_rate },
                ...outcome,
            },
        }));
        return { name: info.name, trained };
    } finally {
        connection.end(new BertError('DISPOSED', 'the training has ended'));
    }
}

/**
 * Throws an error again, which says whose it is.
 * @param {string} name  of the task
 * @returns {(error: any) => never}
 */
const of = (name) => (error) => {
    throw name && error.index === undefined ? withPlace(error, `task '${name}'`) : error;
};

/**
 * Examples of a task, checked.
 * @param {{name: string, examples: any, given: Given}} task
 */
async function readSets({ name, examples, given }) {
    const { task, problem_type, labels, validation, seed } = given;
    const prefix = name && `${name} `;
    const readSet = (/** @type {unknown} */ set, /** @type {string} */ what) =>
        readExamples(set, prefix + what, task, labels, problem_type);
    const read = await readSet(examples, 'example');
    const distillation = distillationOf(given, read);
    const judging = (/** @type {typeof read} */ set) =>
        withoutTeachers(set, `${prefix}validation example`);
    if (typeof validation === 'number') {
        const parts = split(read, validation, task, seed, problem_type);
        return { ...parts, prefix, distillation, validation: judging(parts.validation) };
    }
    const tests = validation === undefined ? null : await readSet(validation, 'validation example');
    return { prefix, distillation, examples: read, validation: tests && judging(tests) };
}

/**
 * What the worker is told of a task.
 * @param {Given} given
 * @param {Awaited<ReturnType<typeof readSets>>} sets
 * @param {string[]} of_base  labels
 * @returns {import('./run.js').TaskRequest}
 */
function taskRequest(given, { prefix, distillation, examples, validation }, of_base) {
    const { task, problem_type, label_smoothing, max_length } = given;
    const labels = labelsOfTask(given, examples, of_base);
    const withLabels = (/** @type {typeof examples} */ set, /** @type {string} */ what) =>
        labelled(set, prefix + what, labels, problem_type);
    const learned = withLabels(examples, 'example');
    return {
        task,
        problem_type,
        label_smoothing,
        max_length,
        ...distillation,
        prefix,
        labels,
        examples: learned,
        validation: validation && withLabels(validation, 'validation example'),
        class_weights: classWeights(given.class_weights, learned, labels, problem_type),
    };
}

/**
 * @param {ReturnType<typeof readTrainOptions>} options
 * @param {import('./examples.js').Read[]} read
 * @param {string[]} of_base  its own
 * @returns {string[]}  of what is trained
 */
function labelsOfTask({ task, problem_type, labels }, read, of_base) {
    if (task === 'feature-extraction') return [];
    if (task === 'question-answering') return SPAN_LABELS;
    if (task === 'text-ranking') return of_base.length === 1 ? of_base : [NUMBER];
    return problem_type === 'regression' ? [NUMBER] : labelsFor(read, labels, of_base);
}

/** @param {import('./run.js').TaskRequest} request */
function dataOf({ task, problem_type, labels, examples, validation }) {
    const has_labels = task === 'text-classification' && problem_type !== 'regression';
    return countsOf(has_labels ? labels : [], examples, validation);
}

/** A model that was trained. fineTune() and fewShot() make it. */
export class FineTuned {
    #name;

    /** @type {Record<string, Uint8Array>} */
    #files;

    #classifier;

    /**
     * @internal
     * @param {string} name  of the base
     * @param {string[]} labels
     * @param {Made} outcome
     * @param {string} card
     * @param {Classifier} [classifier]  that stands on the embeddings of the model
     */
    constructor(name, labels, outcome, card, classifier) {
        const { history, best_epoch, threads, memory_bytes, files } = outcome;
        this.#name = name;
        this.#files = files;
        this.#classifier = classifier;
        /**
         * what can be said of it by what is known here, in Markdown: base, examples, recipe and
         * what the validation found. Files have it, unless they get another
         * @readonly
         */
        this.card = card;
        /**
         * in the order of the classifier; none of embeddings
         * @readonly
         */
        this.labels = labels;
        /**
         * what became of each epoch that has ended
         * @readonly
         */
        this.history = history;
        /**
         * the epoch whose weights these are: the best by its validation, without one the last; 0:
         * training was stopped before the first had ended
         * @readonly
         */
        this.best_epoch = best_epoch;
        /**
         * of the validation of that epoch; null without one
         * @readonly
         */
        this.metrics = history[best_epoch - 1]?.validation ?? null;
        /**
         * that were at work in the end
         * @readonly
         */
        this.threads = threads;
        /**
         * of WebAssembly memory that training took
         * @readonly
         */
        this.memory_bytes = memory_bytes;
    }

    /**
     * The model, loaded: for pipeline() and all that takes a model.
     * @param {SaveOptions & import('../model/model.js').ModelLoadOptions} [options]  what it is
     *   converted to, and how it is loaded
     * @returns {Promise<Model>}
     */
    async model({ dtype, name, card, ...options } = {}) {
        const { signal } = options;
        return loadModel(await this.save({ dtype, name, card, signal }), options);
    }

    /**
     * A file that loadModel() loads.
     * @param {SaveOptions} [options]
     * @returns {Promise<Uint8Array>}
     */
    async save({ dtype = 'q8', name = this.#name, card = this.card, signal } = {}) {
        const classifier = this.#classifier;
        const head = classifier && { labels: this.labels, classifier };
        return toModelFile(this.#files, { dtype, name, card, signal }, head);
    }

    /**
     * The model as transformers saves it, in float32: its `from_pretrained()` opens a folder of
     * these files, and so does loadModel(). One that gives embeddings is as sentence-transformers
     * saves it.
     * @param {{card?: string}} [options]  `card`: as of save()
     * @returns {Promise<Record<string, Uint8Array>>}  by path: `config.json`, `model.safetensors`,
     *   `tokenizer.json`, `tokenizer_config.json`, `README.md`; of embeddings also `modules.json`
     *   and the modules' own, as `1_Pooling/config.json`; of fewShot() also `classifier.json`:
     *   `labels`, and `weight` and `bias`, which make a logit of an embedding for each
     */
    async export({ card = this.card } = {}) {
        const files = withReadme(this.#files, card);
        if (!this.#classifier) return files;
        const { weight, bias } = this.#classifier;
        const n_in = weight.length / bias.length;
        const rows = Array.from(bias, (_, c) => [...weight.subarray(c * n_in, (c + 1) * n_in)]);
        const classifier = { labels: this.labels, weight: rows, bias: [...bias] };
        const json = new TextEncoder().encode(JSON.stringify(classifier));
        return { ...files, 'classifier.json': json };
    }
}

/**
 * Few-shot classification as SetFit trains it (Tunstall et al. 2022, "Efficient Few-Shot Learning
 * Without Prompts", section 3): embeddings learn from pairs of examples which of them have the same
 * label; a logistic regression on them is the classifier.
 */

import { BertError, describe, withPlace } from '../errors.js';
import { accuracy, confusion, macroF1 } from '../metrics/classification.js';
import { readOptions } from '../options.js';
import { classifierLogits } from '../pipelines/head.js';
import { withoutTeachers } from './distillation.js';
import { labelled, labelsFor, readExamples } from './examples.js';
import { fitLogistic } from './logistic.js';
import { readTrainOptions, TRAIN_DEFAULTS } from './options.js';
import { Random } from './random.js';

/** Of random numbers. */
const PURPOSE = 4;

/** Pairs that there are of an example at most, half of them with one of its label: R = 20. */
const PAIRS_OF_ONE = 40;

/** Of a label. */
const LEAST_EXAMPLES = 2;

/** @typedef {import('./examples.js').TextExample} TextExample */
/** @typedef {import('./examples.js').Labelled} Labelled */
/** @typedef {import('../loader/model_file.js').Classifier} Classifier */

/**
 * @typedef {object} ShotOptions
 * @property {Iterable<TextExample> | AsyncIterable<TextExample> | Blob} [validation]  examples that
 *   tell in the end how good it is; default none
 * @property {number} [max_pairs]  that embeddings learn from, from 2. All that there are, those of
 *   the rarer kind, the same label or another, as often as it takes for both kinds to be as many;
 *   but not more than this; default 40 for each example
 * @property {number} [epochs]  how often every pair is learned from, from 1; default 1
 * @property {number} [learning_rate]  as of fineTune(); default 2e-5
 *
 * @typedef {Omit<import('./options.js').TrainOptions, 'task' | 'problem_type' | 'validation'
 *   | 'class_weights' | 'label_smoothing' | 'temperature' | 'hard_share' | 'patience' | 'epochs'
 *   | 'learning_rate'> & ShotOptions} FewShotOptions  as of fineTune(), but batches are of pairs of
 *   examples
 */

const {
    task,
    problem_type,
    class_weights,
    label_smoothing,
    temperature,
    hard_share,
    patience,
    ...COMMON
} = TRAIN_DEFAULTS;

const DEFAULTS = {
    ...COMMON,
    validation: /** @type {ShotOptions['validation']} */ (undefined),
    max_pairs: /** @type {ShotOptions['max_pairs']} */ (undefined),
    epochs: 1,
    learning_rate: 2e-5,
};

/**
 * @param {unknown} examples
 * @param {FewShotOptions} options
 */
export async function readShots(examples, options) {
    const { max_pairs, validation, ...given } = readOptions('fewShot()', options, DEFAULTS);
    const { labels: wanted, seed, threads, signal } = readTrainOptions(given);
    if (max_pairs !== undefined && !(Number.isSafeInteger(max_pairs) && max_pairs >= 2)) {
        throw new BertError(
            'BAD_OPTION',
            `max_pairs must be a whole number from 2, not ${describe(max_pairs)}`,
        );
    }
    const read = await readTexts(examples, 'example', wanted);
    const labels = labelsFor(read, wanted, []);
    const shots = labelled(read, 'example', labels);
    checkCounts(shots, labels);
    const tests =
        validation &&
        labelled(
            await readTexts(validation, 'validation example', wanted),
            'validation example',
            labels,
        );
    const most = max_pairs ?? PAIRS_OF_ONE * shots.length;
    return {
        labels,
        shots,
        tests,
        pairs: pairsOf(shots, most, new Random(seed, PURPOSE)),
        options: { ...given, labels: undefined, task: /** @type {const} */ ('feature-extraction') },
        load: { threads, signal },
    };
}

/**
 * @param {unknown} given
 * @param {string} what
 * @param {string[] | undefined} labels
 */
async function readTexts(given, what, labels) {
    const own = await readExamples(given, what, 'text-classification', labels);
    const read = withoutTeachers(own, what);
    const index = read.findIndex(({ text_pair }) => text_pair !== undefined);
    if (index < 0) return read;
    const error = new BertError('BAD_INPUT', 'it must be {text, label}, without a text_pair');
    throw withPlace(error, `${what} ${index}`, index);
}

/**
 * @param {Labelled[]} shots
 * @param {string[]} labels
 */
function checkCounts(shots, labels) {
    for (const [i, label] of labels.entries()) {
        const n = shots.filter((shot) => shot.labels[0] === i).length;
        if (n >= LEAST_EXAMPLES) continue;
        throw new BertError(
            'BAD_INPUT',
            `each label must have ${LEAST_EXAMPLES} examples or more, better 8, not ${n} as ` +
                `'${label}'`,
        );
    }
}

/**
 * Pairs with the same label, which are to be near each other, and pairs with others, as many, by
 * turns. Of more than `most` they are drawn.
 * @param {Labelled[]} shots
 * @param {number} most
 * @param {Random} random
 */
export function pairsOf(shots, most, random) {
    const most_of_kind = Math.floor(most / 2);
    /** Pairs of each kind, and how many there were. */
    const kinds = [1, 0].map((score) => ({
        score,
        kept: /** @type {{text: string, text_pair: string, score: number}[]} */ ([]),
        n: 0,
    }));
    // Vitter 1985, "Random Sampling with a Reservoir", algorithm R.
    for (let j = 1; j < shots.length; j++) {
        for (let i = 0; i < j; i++) {
            const kind = kinds[shots[i].labels[0] === shots[j].labels[0] ? 0 : 1];
            const n = kind.n++;
            const at = n < most_of_kind ? n : Math.floor((random.next() / 2 ** 32) * (n + 1));
            if (at >= most_of_kind) continue;
            const { score } = kind;
            kind.kept[at] = { text: shots[i].text, text_pair: shots[j].text, score };
        }
    }
    const [near, far] = kinds.map(({ kept }) => random.shuffled(kept));
    const n = Math.max(near.length, far.length);
    return Array.from({ length: n }, (_, i) => [near[i % near.length], far[i % far.length]]).flat();
}

/**
 * The classifier on a model's embeddings.
 * @param {import('../model/model.js').Model} model  with embeddings
 * @param {Awaited<ReturnType<typeof readShots>>} read
 * @returns {Promise<{classifier: Classifier,
 *   metrics: import('./run.js').ValidationMetrics | null}>}
 */
export async function fitHead(model, { labels, shots, tests, load: { signal } }) {
    const classifier = await fitLogistic(
        await embeddings(model, shots, signal),
        shots.map((shot) => shot.labels[0]),
        labels.length,
        signal,
    );
    if (!tests) return { classifier, metrics: null };
    return {
        classifier,
        metrics: judge(await embeddings(model, tests, signal), tests, classifier),
    };
}

/**
 * @param {import('../model/model.js').Model} model
 * @param {Labelled[]} examples
 * @param {AbortSignal | undefined} signal
 * @returns {Promise<Float32Array[]>}
 */
async function embeddings(model, examples, signal) {
    const inputs = examples.map(({ text }) => ({ text }));
    const outputs = { vectors: { output: 'sentence_embedding' } };
    const results = await model.run({ inputs, outputs }, { signal });
    return results.map((result) => {
        if (result instanceof BertError) throw result;
        return result.windows[0].outputs.vectors.data;
    });
}

/**
 * @param {Float32Array[]} rows
 * @param {Labelled[]} tests
 * @param {Classifier} classifier
 * @returns {import('./run.js').ValidationMetrics}
 */
function judge(rows, tests, classifier) {
    let loss = 0;
    const expected = tests.map(({ labels: [label] }) => label);
    const predicted = rows.map((row, r) => {
        const logits = classifierLogits(classifier, row);
        const largest = Math.max(...logits);
        const total = logits.reduce((sum, z) => sum + Math.exp(z - largest), 0);
        loss += Math.log(total) + largest - logits[expected[r]];
        return logits.indexOf(largest);
    });
    const matrix = confusion(expected, predicted, classifier.bias.length);
    return { loss: loss / rows.length, accuracy: accuracy(matrix), macro_f1: macroF1(matrix) };
}

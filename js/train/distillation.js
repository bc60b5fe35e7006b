/**
 * Examples with what another model, a teacher, answers, beside a label or in place of one (Hinton
 * et al. 2015, "Distilling the Knowledge in a Neural Network", section 2).
 */

import { BertError, describe, withPlace } from '../errors.js';

/** What the scores of a teacher may lack to 1: files have rounded ones. */
const TOLERANCE = 0.02;

/** The least number above 0 of float32: what a softmax says is 0 is less. */
const LEAST = 2 ** -149;

/** @typedef {import('./examples.js').Read} Read */
/** @typedef {import('./examples.js').TeacherScore} TeacherScore */

/**
 * @param {any} teacher
 * @returns {TeacherScore[]}
 */
export function readTeacher(teacher) {
    if (!Array.isArray(teacher) || !teacher.every((one) => typeof one?.label === 'string')) {
        throw new BertError(
            'BAD_INPUT',
            'its teacher must be [{label, score}, ...], what a classifier answers with ' +
                `top_k: null, not ${describe(teacher)}`,
        );
    }
    for (const { label, score } of teacher) {
        if (typeof score === 'number' && score >= 0 && score <= 1) continue;
        throw new BertError(
            'BAD_INPUT',
            `its teacher's score of '${label}' must be a probability, 0 to 1, ` +
                `not ${describe(score)}`,
        );
    }
    const sum = teacher.reduce((all, { score }) => all + score, 0);
    if (Math.abs(sum - 1) > TOLERANCE || new Set(teacher.map((one) => one.label)).size < 2) {
        throw new BertError(
            'BAD_INPUT',
            "its teacher's scores must be of two labels or more and add up to 1, " +
                `not ${describe(sum)}`,
        );
    }
    return teacher.map(({ label, score }) => ({ label, score }));
}

/**
 * Settings of the loss; none where no example has a teacher.
 * @param {ReturnType<typeof import('./options.js').readTrainOptions>} options
 * @param {Read[]} examples  to learn from
 * @returns {{temperature?: number, hard_share?: number}}
 * @throws {BertError} BAD_INPUT with the index of an example that is not as the first is;
 *   BAD_OPTION where an option does not go with the examples
 */
export function distillationOf(options, examples) {
    const [{ teacher, labels }] = examples;
    const { temperature = 2, hard_share = labels.length > 0 ? 0.5 : 0 } = options;
    checkAlike(examples, options.labels ?? teacher?.map(({ label }) => label) ?? []);
    if (!teacher) {
        if ((options.temperature ?? options.hard_share) === undefined) return {};
        throw badOption(
            'temperature and hard_share must be given with examples that have a teacher',
        );
    }
    if (labels.length === 0 && hard_share > 0) {
        throw badOption('hard_share must be 0 for examples without labels');
    }
    if (labels.length === 0 && typeof options.validation === 'number') {
        throw badOption('validation must be examples with labels: those to learn from have none');
    }
    if (options.class_weights !== undefined) {
        throw badOption('class_weights must not be given for examples that have a teacher');
    }
    if (options.label_smoothing > 0) {
        throw badOption('label_smoothing must be 0 for examples that have a teacher');
    }
    return { temperature, hard_share };
}

/**
 * All have a teacher or none has, all of those a label or none, and scores of the same labels.
 * @param {Read[]} examples
 * @param {string[]} of_teacher  labels that a teacher has a score of
 */
function checkAlike(examples, of_teacher) {
    const [first] = examples;
    const wanted = new Set(of_teacher);
    for (const [index, { teacher, labels }] of examples.entries()) {
        if (!teacher && !first.teacher) continue;
        const wrong =
            (Boolean(teacher) !== Boolean(first.teacher) &&
                `it must have ${first.teacher ? 'a' : 'no'} teacher, as those before it`) ||
            (labels.length !== first.labels.length &&
                `it must have ${first.labels.length > 0 ? 'a' : 'no'} label, as those before it`) ||
            (teacher && scoresOf(teacher, wanted));
        if (!wrong) continue;
        throw withPlace(new BertError('BAD_INPUT', wrong), `example ${index}`, index);
    }
}

/**
 * @param {TeacherScore[]} teacher
 * @param {Set<string>} wanted  labels
 * @returns {string | false}  what is wrong
 */
function scoresOf(teacher, wanted) {
    const found = new Set(teacher.map(({ label }) => label));
    const missing = [...wanted].find((label) => !found.has(label));
    if (missing !== undefined) return `its teacher must have a score of '${missing}'`;
    const other = [...found].find((label) => !wanted.has(label));
    return other !== undefined && `its teacher must have no score of '${other}', which is no label`;
}

/** @param {string} message */
function badOption(message) {
    return new BertError('BAD_OPTION', message);
}

/**
 * Examples that are judged by their labels: what a teacher says is left away.
 * @param {Read[]} examples
 * @param {string} what  one is, for messages
 * @returns {Read[]}
 */
export function withoutTeachers(examples, what) {
    return examples.map(({ teacher, ...example }, index) => {
        if (!teacher || example.labels.length > 0) return example;
        const error = new BertError('BAD_INPUT', 'it must have a label beside its teacher');
        throw withPlace(error, `${what} ${index}`, index);
    });
}

/**
 * Logits, up to a constant, which no softmax sees.
 * @param {TeacherScore[]} teacher
 * @param {string[]} labels  in the order of the classifier
 */
export function logitsOf(teacher, labels) {
    const score_of = new Map(teacher.map(({ label, score }) => [label, score]));
    return labels.map((label) => Math.log(Math.max(Number(score_of.get(label)), LEAST)));
}

/**
 * `bert-wasm eval`: how good a model is on labelled examples, for every task by its usual metrics.
 */

import { BertError, withPlace } from '../errors.js';
import { EVALUATIONS, evaluate } from '../metrics/evaluate.js';
import { loadModel } from '../model/model.js';
import { headsOf } from '../pipelines/head.js';
import { pipeline } from '../pipelines/index.js';
import { JUDGED_AS, TASKS } from '../pipelines/tasks.js';
import { EXAMPLE_FORMATS, readExamples } from './examples.js';
import { loadOptions, MODEL_OPTIONS, parse, snakeCase, UsageError, valuesOf } from './options.js';
import { print } from './print.js';
import { PIPELINE_OPTIONS, TASK_COMMANDS } from './tasks.js';

/** @import { Task } from '../pipelines/tasks.js' */

const TASK_NAMES = /** @type {Task[]} */ (Object.keys(TASKS));

/** What --task may be. */
const NAMES = [...TASK_NAMES, ...Object.keys(JUDGED_AS)];

/** Examples in a call of the pipeline: enough to put texts of equal length together. */
const BATCH_SIZE = 512;

/**
 * The last command of a task: for feature-extraction it is the similarity that is judged.
 * @param {Task} task
 */
function commandOf(task) {
    return /** @type {import('./tasks.js').TaskCommand} */ (
        Object.values(TASK_COMMANDS).findLast((row) => row.task === task)
    );
}

/**
 * The number of answers is what the metric needs, except for ranking; texts of documents are not
 * needed.
 */
const optionsOf = (/** @type {Task} */ task) => {
    const { 'top-k': top_k, 'return-documents': _, ...options } = commandOf(task).options;
    return {
        ...options,
        ...(task === 'text-ranking' ? { 'top-k': top_k } : {}),
        ...PIPELINE_OPTIONS,
    };
};

/** Those of all tasks; read once the task is known. @type {import('./options.js').Options} */
const TASK_OPTIONS = Object.assign({}, ...TASK_NAMES.map(optionsOf));

const RAW_OPTIONS = Object.fromEntries(
    Object.entries(TASK_OPTIONS).map(([name, option]) => [name, { ...option, kind: undefined }]),
);

/** @type {import('./options.js').Command} */
export const command = {
    usage: '--input FILE [--task T] [OPTION ...]',
    summary: 'How good a model is on labelled examples, by the usual metrics of its task.',
    options: {
        input: { short: 'i', value: 'FILE', help: '- for standard input' },
        task: {
            kind: NAMES,
            value: 'T',
            help: `${[...NAMES].sort().join(', ')}; default by the model's head`,
        },
        format: {
            kind: EXAMPLE_FORMATS,
            value: 'F',
            help:
                `${EXAMPLE_FORMATS.join(', ')}; default by extension (.jsonl, .tsv, .conll, ` +
                '.json), else what is usual for the task',
        },
        among: {
            kind: 'list',
            value: 'A,B',
            help: 'of a classifier: labels that are compared, which indices count; default all',
        },
        ...RAW_OPTIONS,
        ...MODEL_OPTIONS,
    },
    example: 'bert-wasm eval --input reviews.tsv',
    notes: `Examples in JSONL, by task:
${TASK_NAMES.map(formsOf).join('\n')}
TSV has these keys in its header, or sentence<TAB>label; labels are names or indices.
CoNLL: a token and its tag a line. Options of the pipeline are those of the task's command, but for
--top-k, which only ranking has here.`,
    run,
};

/**
 * What an example of a task is, for the help.
 * @param {Task} task
 */
function formsOf(task) {
    const width = Math.max(...TASK_NAMES.map(({ length }) => length));
    return EVALUATIONS[task].forms
        .map((form, i) => `  ${(i ? '' : task).padEnd(width)}  ${form}`)
        .join('\n');
}

/** @param {string[]} args */
async function run(args) {
    const { values } = parse(args, command.options, { required: ['input'] });
    const wanted = values.task && (JUDGED_AS[values.task] ?? values.task);
    // Wrong options are refused before a model is loaded.
    if (wanted) pipelineOptions(values, wanted);
    const model = await loadModel(values.model, loadOptions(values));
    const task = wanted ?? taskOf(model);
    const options = pipelineOptions(values, task);
    const examples = await readExamples(values.input, values.format, commandOf(task).labelled);
    const pipe = await pipeline(task, model);

    const start = performance.now();
    const {
        n,
        task: _,
        ...metrics
    } = await evaluate(
        pipe,
        examples.map(({ example }) => example),
        { batch_size: BATCH_SIZE, among: values.among, ...options },
    ).catch((error) => {
        throw located(error, examples);
    });
    const seconds = (performance.now() - start) / 1000;
    await print({
        model: model.name,
        task: values.task ?? task,
        rows: n,
        ...metrics,
        texts_per_second: n / seconds,
    });
    model.dispose();
}

/**
 * The task that a model's head says it is for.
 * @param {import('../model/model.js').Model} model
 * @returns {Task}
 */
function taskOf({ name, config }) {
    const heads = headsOf(config);
    if (heads.length > 1) {
        throw new UsageError(
            `'${name}' has a ${heads.join(' and a ')}: --task must say which is meant`,
        );
    }
    const [head = 'none'] = heads;
    return /** @type {Task} */ (TASK_NAMES.find((task) => TASKS[task].head === head));
}

/**
 * @param {Record<string, any>} values  of the command line
 * @param {Task} task
 * @returns {Record<string, any>}  for the pipeline
 */
function pipelineOptions(values, task) {
    const known = optionsOf(task);
    const given = Object.fromEntries(
        Object.keys(TASK_OPTIONS)
            .filter((name) => snakeCase(name) in values)
            .map((name) => [name, values[snakeCase(name)]]),
    );
    const wrong = Object.keys(given).find((name) => !Object.hasOwn(known, name));
    if (wrong) {
        throw new UsageError(
            `${task} has no option --${wrong}; it has ${Object.keys(known)
                .map((name) => `--${name}`)
                .join(', ')}`,
        );
    }
    return valuesOf(given, known, (name) => `--${name}`);
}

/**
 * @param {unknown} error
 * @param {import('../examples/formats.js').LocatedExample[]} examples
 */
export function located(error, examples) {
    if (!(error instanceof BertError) || error.index === undefined) return error;
    return withPlace(error, examples[error.index].where);
}

/**
 * `bert-wasm eval`: how good a model is on labelled examples, for every task by its usual metrics.
 */

import { BertError } from '../errors.js';
import { evaluate } from '../metrics/evaluate.js';
import { loadModel } from '../model/model.js';
import { headsOf } from '../pipelines/head.js';
import { pipeline } from '../pipelines/index.js';
import { EXAMPLE_FORMATS, readExamples } from './examples.js';
import { loadOptions, MODEL_OPTIONS, parse, snakeCase, UsageError, valuesOf } from './options.js';
import { print } from './print.js';
import { PIPELINE_OPTIONS, TASKS } from './tasks.js';

/** Commands of tasks, by task. @type {Record<string, import('./tasks.js').TaskCommand>} */
const ROWS = {
    ...Object.fromEntries(Object.values(TASKS).map((row) => [row.task, row])),
    'feature-extraction': TASKS.similarity, // it is the cosine that is judged
    similarity: TASKS.similarity,
};

/** Examples that the pipeline gets at once: enough to put texts of a length together. */
const BATCH_SIZE = 512;

/** What a model is for, where its head says so. */
const TASK_OF_HEAD = {
    classifier: 'text-classification',
    'token classifier': 'token-classification',
    span: 'question-answering',
    'language model': 'fill-mask',
};

/**
 * How many answers are asked for is what a metric needs, but for ranking; documents are never
 * looked at.
 */
const optionsOf = (/** @type {string} */ task) => {
    const { 'top-k': top_k, 'return-documents': _, ...options } = ROWS[task].options;
    return {
        ...options,
        ...(task === 'text-ranking' ? { 'top-k': top_k } : {}),
        ...PIPELINE_OPTIONS,
    };
};

/** Of all tasks, read when the task is known. @type {import('./options.js').Options} */
const TASK_OPTIONS = Object.assign({}, ...Object.keys(ROWS).map(optionsOf));

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
            kind: Object.keys(ROWS),
            value: 'T',
            help: `${Object.keys(ROWS).sort().join(', ')}; default by the model's head`,
        },
        format: {
            kind: EXAMPLE_FORMATS,
            value: 'F',
            help:
                `${EXAMPLE_FORMATS.join(', ')}; default by extension (.jsonl, .tsv, .conll, ` +
                '.json), else what is usual for the task',
        },
        ...RAW_OPTIONS,
        ...MODEL_OPTIONS,
    },
    example: 'bert-wasm eval --input reviews.tsv',
    notes: `JSONL has what evaluate() takes, by task:
  text-classification       {"text", "text_pair"?, "label"}, or "labels": [...], or "score": number
  token-classification      {"tokens": [...], "tags": [...]}, or
                            {"text", "entities": [{"start", "end", "label"}]}
  question-answering        {"question", "context", "answers": [{"text"}]}
  fill-mask                 {"text", "answer"}
  feature-extraction        {"text", "text_pair", "score"}; similarity is the same
  text-ranking              {"query", "documents": [...], "relevant": [indices]}
  zero-shot-classification  {"text", "labels": [...], "answer"}
  next-sentence-prediction  {"text", "text_pair", "is_next"}
TSV has these keys in its header, or sentence<TAB>label; labels are names or indices.
CoNLL: a token and its tag a line. Options of the pipeline are those of the task's command, but for
--top-k, which only ranking has here.`,
    run,
};

/** @param {string[]} args */
async function run(args) {
    const { values } = parse(args, command.options, { required: ['input'] });
    // What is wrong is said before a model is loaded.
    if (values.task) pipelineOptions(values, values.task);
    const model = await loadModel(values.model, loadOptions(values));
    const task = values.task ?? taskOf(model);
    const options = pipelineOptions(values, task);
    const examples = await readExamples(values.input, task, values.format);
    const pipe = await pipeline(/** @type {any} */ (ROWS[task].task), model);

    const start = performance.now();
    const {
        n,
        task: _,
        ...metrics
    } = await evaluate(
        pipe,
        examples.map(({ example }) => example),
        { batch_size: BATCH_SIZE, ...options },
    ).catch((error) => {
        throw located(error, examples);
    });
    const seconds = (performance.now() - start) / 1000;
    await print({ model: model.name, task, rows: n, ...metrics, texts_per_second: n / seconds });
    model.dispose();
}

/** @param {import('../model/model.js').Model} model */
function taskOf({ name, config }) {
    const heads = headsOf(config);
    if (heads.length > 1) {
        throw new UsageError(
            `'${name}' has a ${heads.join(' and a ')}: --task must say which is meant`,
        );
    }
    return heads.length === 0
        ? 'feature-extraction'
        : TASK_OF_HEAD[/** @type {keyof typeof TASK_OF_HEAD} */ (heads[0])];
}

/**
 * @param {Record<string, any>} values  of the command line
 * @param {string} task
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
            `--${wrong} is no option of ${task}; it has ${Object.keys(known)
                .map((name) => `--${name}`)
                .join(', ')}`,
        );
    }
    return valuesOf(given, known, (name) => `--${name}`);
}

/**
 * @param {unknown} error
 * @param {import('./examples.js').Example[]} examples
 */
function located(error, examples) {
    const [, i, what] =
        (error instanceof BertError && /^example (\d+):? (.*)$/s.exec(error.message)) || [];
    return what === undefined
        ? error
        : new BertError(
              /** @type {BertError} */ (error).code,
              `${examples[Number(i)].where}: ${what}`,
              { cause: error },
          );
}

/**
 * `bert-wasm train`: a model learns labels, or embeddings, from a file of examples. Ctrl-C ends it
 * early and keeps what there is; once more ends it at once.
 */

import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';

import { BertError } from '../errors.js';
import { LORA_TARGETS, SCHEDULES } from '../train/core_names.js';
import { readExamples as checkExamples, withTags } from '../train/examples.js';
import { fewShot, fineTune } from '../train/index.js';
import { PROBLEM_TYPES } from '../train/options.js';
import { located } from './eval.js';
import { EXAMPLE_FORMATS, readExamples } from './examples.js';
import { parse, UsageError } from './options.js';
import { print } from './print.js';
import {
    COMMON_OPTIONS,
    checkPlace,
    eraseLine,
    given,
    isShare,
    openLog,
    readCard,
    showLine,
    writeWhole,
} from './training.js';

/** @import { TrainProgress } from '../train/run.js' */
/** @import { TrainTask } from '../train/head.js' */

/**
 * By what --task may be: the task of its examples, and their usual format.
 * @type {Record<string, {task: TrainTask, usual: string, is_few_shot?: boolean}>}
 */
const TASKS = {
    classify: { task: 'text-classification', usual: 'tsv' },
    ner: { task: 'token-classification', usual: 'conll' },
    answer: { task: 'question-answering', usual: 'squad' },
    embed: { task: 'feature-extraction', usual: 'tsv' },
    rank: { task: 'text-ranking', usual: 'jsonl' },
    'few-shot': { task: 'text-classification', usual: 'tsv', is_few_shot: true },
};

/** @type {import('./options.js').Options} */
const OPTIONS = {
    input: { short: 'i', value: 'FILE', help: 'examples to learn from; - for standard input' },
    out: COMMON_OPTIONS.out,
    model: {
        short: 'm',
        value: 'BASE',
        help: 'the model to begin with: ORG/NAME on the Hub, a folder, weights, or a model file',
    },
    task: {
        kind: Object.keys(TASKS),
        value: 'T',
        help: 'classify, ner, answer, embed, rank, few-shot: classify by a few; default classify',
    },
    'problem-type': {
        kind: PROBLEM_TYPES,
        value: 'P',
        help: `of classify: ${PROBLEM_TYPES.join(', ')}; default the first`,
    },
    validation: {
        value: 'FILE',
        help: 'examples that tell after each epoch how good it is, or a share of --input, as 0.1',
    },
    format: {
        kind: EXAMPLE_FORMATS,
        value: 'F',
        help: `${EXAMPLE_FORMATS.join(', ')}; default by extension, else as usual for the task`,
    },
    labels: { kind: 'list', value: 'A,B', help: 'all labels; default those of the examples' },
    dtype: COMMON_OPTIONS.dtype,
    name: COMMON_OPTIONS.name,
    card: COMMON_OPTIONS.card,
    epochs: {
        kind: 'whole',
        value: 'N',
        help: 'how often each example, or pair of few-shot, is learned from; default 3, or 1',
    },
    'batch-size': {
        kind: 'whole',
        value: 'N',
        help: 'examples, or pairs, that are computed together; default 16',
    },
    accumulate: { kind: 'whole', value: 'N', help: 'batches of a step; default 1' },
    'learning-rate': {
        kind: 'number',
        value: 'X',
        help: 'default by the base, 5e-5 or 2e-4; of few-shot 2e-5',
    },
    schedule: {
        kind: Object.keys(SCHEDULES),
        value: 'S',
        help: `how it falls: ${Object.keys(SCHEDULES).join(', ')}; default linear`,
    },
    warmup: COMMON_OPTIONS.warmup,
    'weight-decay': COMMON_OPTIONS['weight-decay'],
    dropout: {
        kind: 'number',
        value: 'X',
        help: "share of numbers left out at random; default the family's",
    },
    'label-smoothing': {
        kind: 'number',
        value: 'X',
        help: 'share of a label that goes to all labels; default 0',
    },
    temperature: {
        kind: 'number',
        value: 'X',
        help: 'of examples with a teacher: what logits are divided by; default 2',
    },
    'hard-share': {
        kind: 'number',
        value: 'X',
        help: 'of such: share of the loss that is of labels; default 0.5, without labels 0',
    },
    'layer-decay': {
        kind: 'number',
        value: 'X',
        help: 'learning rate of a layer, by that of the layer after it; default 1',
    },
    'trained-layers': {
        kind: 'number',
        value: 'N',
        help: 'last layers that learn beside the classifier, from 0; default all',
    },
    unfreeze: {
        kind: 'whole',
        value: 'N',
        help: 'epochs after which one more layer learns; default none',
    },
    'lora-rank': {
        kind: 'whole',
        value: 'N',
        help: 'adapters of this rank learn in place of layers; default none',
    },
    'lora-alpha': { kind: 'number', value: 'X', help: 'their alpha; default the rank' },
    'lora-targets': {
        kind: 'list',
        value: 'A,B',
        help: `of ${Object.keys(LORA_TARGETS).join(', ')}; default query,value`,
    },
    adversarial: {
        kind: 'number',
        value: 'X',
        help: 'how far words are moved for a second look, such as 1; default 0: none',
    },
    'max-length': {
        kind: 'whole',
        value: 'N',
        help: 'tokens of an example; default what the base reads',
    },
    'max-pairs': {
        kind: 'whole',
        value: 'N',
        help: 'of few-shot: pairs that it learns from; default at most 40 for each example',
    },
    patience: {
        kind: 'whole',
        value: 'N',
        help: 'epochs without a better validation after which it ends; default none',
    },
    balanced: { type: 'boolean', help: 'all labels count as much together' },
    recomputes: COMMON_OPTIONS.recomputes,
    seed: COMMON_OPTIONS.seed,
    checkpoint: {
        value: 'FILE',
        help: 'is written after each epoch, and by Ctrl-C; where it is there, training goes on',
    },
    'checkpoint-steps': {
        kind: 'whole',
        value: 'N',
        help: 'steps after which it is written, too; default none',
    },
    log: { value: 'FILE', help: 'gets a line of JSON for each step and each validation' },
    threads: COMMON_OPTIONS.threads,
};

/** @type {import('./options.js').Command} */
export const command = {
    usage: '--model BASE --input FILE -o FILE.safetensors [OPTION ...]',
    summary: 'Makes a model of another one that learns labels, or embeddings, from examples.',
    options: OPTIONS,
    example: 'bert-wasm train -m org/encoder -i train.tsv --validation dev.tsv -o my.safetensors',
    notes: `Examples are those of bert-wasm eval: TSV has columns text (or sentence) and label,
perhaps text_pair; CoNLL a token and its tag a line; JSONL {text, label} or {tokens, labels}. A
teacher: [{label, score}, ...] beside the label or in place of it is what another model answers. For
the problem types multi_label_classification and regression the column is labels, or score. Of
answer they are SQuAD's JSON, or JSONL {question, context, answers}. To embed, text and text_pair
with a score, their cosine; or without, perhaps with a negative. To rank, JSONL {query, documents,
relevant}, the indices of documents.
Ctrl-C ends it after its step: the best epoch so far is written. The same command with the same
--checkpoint then goes on where it was, to the same bits as without a break.`,
    run,
};

/** @param {string[]} args */
async function run(args) {
    const required = ['input', 'model', 'out'];
    const { values } = parse(args, OPTIONS, { required });
    const { task, usual, is_few_shot } = TASKS[values.task ?? 'classify'];
    checkPlace(values.out);
    const { checkpoint, lora_rank, lora_alpha, lora_targets } = values;
    if (lora_rank === undefined && (lora_alpha ?? lora_targets) !== undefined) {
        throw new UsageError('--lora-alpha and --lora-targets must be given with --lora-rank');
    }
    if (checkpoint !== undefined) checkPlace(checkpoint);
    const resume =
        checkpoint !== undefined && existsSync(checkpoint) ? readFileSync(checkpoint) : undefined;
    const examples = await read(values.input, task, values, usual, 'example');
    const validation = isShare(values.validation)
        ? Number(values.validation)
        : values.validation &&
          (await read(values.validation, task, values, usual, 'validation example'));
    const cardOf = readCard(values.card);
    const write = openLog(values.log, resume !== undefined);
    if (resume) process.stderr.write(`bert-wasm: goes on from ${checkpoint}\n`);
    const stopping = new AbortController();
    const stop = () => stopping.abort(new BertError('BAD_INPUT', 'stopped: nothing was written'));
    process.once('SIGINT', stop);
    const failing = new AbortController();
    const save = (/** @type {Uint8Array} */ bytes) => {
        try {
            writeWhole(checkpoint, bytes);
        } catch (error) {
            failing.abort(error);
        }
    };
    const begun = performance.now();
    try {
        const options = given({
            task: is_few_shot ? undefined : task,
            max_pairs: values.max_pairs,
            validation,
            problem_type: values.problem_type,
            labels: values.labels,
            epochs: values.epochs,
            batch_size: values.batch_size,
            accumulate: values.accumulate,
            schedule: values.schedule,
            dropout: values.dropout,
            label_smoothing: values.label_smoothing,
            temperature: values.temperature,
            hard_share: values.hard_share,
            layer_decay: values.layer_decay,
            trained_layers: values.trained_layers,
            unfreeze: values.unfreeze,
            lora: lora_rank && { rank: lora_rank, alpha: lora_alpha, targets: lora_targets },
            adversarial: values.adversarial,
            learning_rate: values.learning_rate,
            warmup: values.warmup,
            weight_decay: values.weight_decay,
            max_length: values.max_length,
            patience: values.patience,
            class_weights: values.balanced ? 'balanced' : undefined,
            recomputes: values.recomputes,
            seed: values.seed === undefined ? undefined : Number(values.seed),
            threads: values.threads,
            resume,
            oncheckpoint: checkpoint === undefined ? undefined : save,
            checkpoint_steps: values.checkpoint_steps,
            signal: failing.signal,
            stop: stopping.signal,
            onprogress(/** @type {TrainProgress} */ progress) {
                write(progress);
                say(progress);
            },
        });
        const trained = await (is_few_shot
            ? fewShot(values.model, examples, options)
            : fineTune(values.model, examples, options));
        const { dtype, out, name = basename(out, '.safetensors') } = values;
        writeWhole(out, await trained.save({ dtype, name, card: cardOf(trained) }));
        if (stopping.signal.aborted) {
            process.stderr.write('bert-wasm: stopped: what there was is written\n');
        }
        await print({
            model: out,
            task: values.task ?? 'classify',
            rows: examples.length,
            labels: trained.labels,
            epochs: trained.history.length,
            best_epoch: trained.best_epoch,
            ...trained.metrics,
            seconds: (performance.now() - begun) / 1000,
        });
    } finally {
        process.removeListener('SIGINT', stop);
        eraseLine();
    }
}

/**
 * @param {string} file
 * @param {TrainTask} task
 * @param {Record<string, any>} values
 * @param {string} usual  format
 * @param {string} what
 * @returns {Promise<any[]>}  examples of the task
 */
async function read(file, task, { format, labels, problem_type }, usual, what) {
    const rows = await readExamples(file, format, usual);
    const examples = rows.map(({ example }) => withTags(example));
    // Here an error has a line to name.
    await checkExamples(examples, what, task, labels, problem_type).catch((error) => {
        throw located(error, rows);
    });
    return examples;
}

/** @param {TrainProgress} progress */
function say({ epoch, step, n_steps, loss, metric, seconds_left }) {
    showLine([
        `epoch ${epoch}, step ${step} of ${n_steps}`,
        `loss ${loss.toFixed(3)}`,
        ...(metric === null ? [] : [`validation ${metric.toFixed(3)}`]),
        `${Math.ceil(seconds_left)} s left`,
    ]);
}

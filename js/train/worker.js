/**
 * The worker of one training. Methods, by the protocol of js/worker/calls.js:
 *
 *     load     {source, n_sources, threads, engines}: reads the base
 *     train    a WholeRequest: trains, and gives what came of each task as a folder of files
 *     stop     the training that runs ends after its step
 *     begin    {settings, threads, engines}: a pre-training, with the base that was loaded, if any;
 *              from then on the methods are those of pretraining/session.js
 */

import { BertError, noTokenizer } from '../errors.js';
import { chooseBuild } from '../worker/builds.js';
import { answerCalls, beginAnew } from '../worker/calls.js';
import { HelpingThreads } from '../worker/threads.js';
import { readBase } from './base.js';
import { readCheckpoint, requireSame } from './checkpoint.js';
import { LORA_TARGETS } from './core_names.js';
import { requireDistances } from './distances.js';
import { dropoutOf } from './dropout.js';
import { familyOf } from './families.js';
import { fingerprint } from './fingerprint.js';
import { labelsOf } from './head.js';
import { Heads, ofFirstColumns, sharedModel } from './heads.js';
import { PretrainingSession } from './pretraining/session.js';
import { run } from './run.js';
import { TASKS } from './tasks.js';
import { Trainer } from './trainer.js';

/** @import { Base } from './base.js' */
/** @import { Call } from '../worker/calls.js' */
/** @import { Checkpoints, CommonRequest, LearnedTask, Request, TaskRequest } from './run.js' */

/**
 * @typedef {CommonRequest & {tasks: TaskRequest[]}} WholeRequest
 *
 * @typedef {Parameters<typeof run>[4]
 *   & {oncheckpoint: (bytes: Uint8Array<ArrayBuffer>) => void}} Caller
 */

/**
 * Answers what comes through the port.
 * @param {import('../platform/browser.js').Port} port
 */
export function answer(port) {
    /** @type {{base: Base, build: import('../worker/builds.js').BuildRequest} | undefined} */
    let loaded;
    let is_stopped = false;
    /** @type {PretrainingSession | undefined} */
    let pretraining;

    /** @param {Call} call */
    async function handle({ method, request, open, onprogress, turn }) {
        if (method === 'stop') {
            is_stopped = true;
            return undefined;
        }
        if (method === 'load') {
            const { source, n_sources, tasks, ...build } = request;
            const { module } = await chooseBuild({ ...build, threads: 1 });
            const from = open(source);
            const read = () => readBase(from, module, onprogress);
            loaded = { base: await beginAnew(read, n_sources), build };
            const { name, source_sha256, config, tokenizer } = loaded.base;
            familyOf(config.architecture);
            requireDistances(loaded.base);
            if (!tokenizer) throw noTokenizer(name);
            const labels = tasks.map((/** @type {Request['task']} */ task) =>
                labelsOf(config, task),
            );
            const hidden_size = Number(config.encoder.hidden_size);
            return { name, source_sha256, max_length: config.max_length, hidden_size, labels };
        }
        const caller = {
            turn,
            onprogress,
            isStopped: () => is_stopped,
            oncheckpoint: (/** @type {Uint8Array} */ checkpoint) => onprogress({ checkpoint }),
        };
        if (method === 'begin') {
            const { settings, ...build } = request;
            pretraining = new PretrainingSession(build, loaded?.base ?? null, settings);
            return undefined;
        }
        if (pretraining) return pretraining.answer(method, request, caller);
        if (!loaded) throw new Error('no base is loaded');
        return train(loaded.base, loaded.build, request, caller);
    }

    answerCalls(port, { handle, at_once: ['stop'], serves: 'train_serve' });
}

/**
 * @param {Base} base
 * @param {import('../worker/builds.js').BuildRequest} wanted
 * @param {WholeRequest} whole
 * @param {Caller} caller
 */
async function train(base, wanted, whole, caller) {
    const { config, tokenizer_json } = base;
    const { tasks: of_tasks, ...request } = whole;
    if (!tokenizer_json) throw noTokenizer(base.name);
    checkSizes(request, config.encoder);
    const family = familyOf(config.architecture);
    /** @type {LearnedTask[]} */
    const tasks = [];
    for (const own of of_tasks) tasks.push(await learnedTask(base, { ...request, ...own }, caller));
    const kinds = tasks.map((each) => TASKS[each.request.task]);
    const models = tasks.map((each, i) => kinds[i].modelOf(base, family, each.request));
    const { encoder, tensors } = sharedModel(models);
    const checkpoints = checkpointsOf(request, tasks, models, caller);
    const { module, threads } = await chooseBuild(wanted);
    const limits = tasks.map(({ examples, validation }, i) =>
        kinds[i].limitsOf([examples, validation ?? []], request.batch_size),
    );
    const most = (/** @type {keyof typeof limits[0]} */ name) =>
        Math.max(...limits.map((each) => each[name]));
    const trainer = await Trainer.open(module, encoder, tensors, {
        max_tokens: most('max_tokens'),
        max_sequences: most('max_sequences'),
        max_sequence_tokens: most('max_sequence_tokens'),
        objective: tasks.map((each, i) => {
            const objective = kinds[i].objectiveOf(each.request);
            const { labels } = each.request;
            return tasks.length > 1 ? ofFirstColumns(objective, labels.length) : objective;
        }),
        threads,
        recomputes: request.recomputes,
        memory: request.memory,
        lora: adaptersOf(request),
    });
    const heads = new Heads(
        trainer,
        models.map((model) => model.tensors),
    );
    // The trainer has them.
    for (const each of [base, { tensors }, ...models]) each.tensors.clear();
    const helpers = new HelpingThreads(threads - 1);
    helpers.join(trainer);
    await helpers.wait(trainer);
    const outcome = await run(request, tasks, trainer, heads, caller, checkpoints);
    const { models: trained, history, ...facts } = outcome;
    const common = { ...facts, threads: trainer.n_threads, memory_bytes: trainer.memory_bytes };
    helpers.end();
    const made = tasks.map((each, i) => {
        const folder = {
            family,
            architecture: config.architecture,
            encoder: models[i].encoder,
            max_length: config.max_length,
            tensors: trained[i],
            tokenizer_json,
        };
        return {
            ...common,
            history: history.map(({ epoch, tasks, seconds }) => ({ epoch, ...tasks[i], seconds })),
            files: kinds[i].filesOf(folder, each.request, config),
        };
    });
    return { n_steps: outcome.n_steps, made };
}

/**
 * @param {Base} base
 * @param {Request} request
 * @param {Caller} caller
 * @returns {Promise<LearnedTask>}
 */
async function learnedTask({ name, config, tokenizer }, request, { turn }) {
    const task = TASKS[request.task];
    const { prefix, max_length = task.usualLength(config.max_length) } = request;
    if (!tokenizer) throw noTokenizer(name);
    if (max_length > config.max_length) {
        throw new BertError(
            'BAD_OPTION',
            `${prefix}max_length must be at most the ${config.max_length} tokens that the base ` +
                `reads, not ${max_length}`,
        );
    }
    const tokens = (/** @type {Request['examples']} */ examples, /** @type {string} */ what) =>
        task.toExamples(tokenizer, examples, max_length, prefix + what, turn);
    return {
        request,
        examples: await tokens(request.examples, 'example'),
        validation: request.validation && (await tokens(request.validation, 'validation example')),
        validate: task.validate,
        dropout: dropoutOf(config.architecture, request.task, request.dropout),
    };
}

/**
 * What only the base can tell is too large.
 * @param {CommonRequest} request
 * @param {import('./families.js').EncoderConfig} encoder
 */
function checkSizes({ trained_layers = 0, lora }, encoder) {
    const [n_layers, hidden] = [encoder.n_layers, encoder.hidden_size].map(Number);
    if (trained_layers > n_layers) {
        throw new BertError(
            'BAD_OPTION',
            `trained_layers must be at most the ${n_layers} layers of the base, ` +
                `not ${trained_layers}`,
        );
    }
    if (lora?.rank && lora.rank > hidden) {
        throw new BertError(
            'BAD_OPTION',
            `lora.rank must be at most the hidden size of the base, ${hidden}, not ${lora.rank}`,
        );
    }
}

/** @param {CommonRequest} request */
function adaptersOf({ lora, seed }) {
    if (!lora) return null;
    const { rank = 0, targets = [], alpha = 0 } = lora;
    const bits = targets.reduce((all, name) => all | LORA_TARGETS[name], 0);
    return { rank, targets: bits, alpha, seed: seed >>> 0 };
}

/** Options that change no bits, and what is told of otherwise, or in messages alone. */
const FREE_OPTIONS = [
    'examples',
    'validation',
    'memory',
    'recomputes',
    'threads',
    'has_checkpoints',
    'checkpoint_steps',
    'resume',
    'prefix',
];

/**
 * @param {CommonRequest} request
 * @param {LearnedTask[]} tasks
 * @param {import('./heads.js').Whole[]} models  that they begin with
 * @param {Caller} caller
 * @returns {Checkpoints | undefined}  undefined: nobody asks for them
 */
function checkpointsOf(request, tasks, models, { oncheckpoint }) {
    if (!request.has_checkpoints && !request.resume) return undefined;
    const optionsOf = (/** @type {CommonRequest | Request} */ given) =>
        Object.entries(given).filter(([name]) => !FREE_OPTIONS.includes(name));
    const own = tasks.flatMap(({ request: each }, i) =>
        optionsOf(each)
            .filter(([name]) => !Object.hasOwn(request, name))
            .map(([name, value]) => [i === 0 ? name : `${name} ${i}`, plain(value)]),
    );
    const identity = {
        options: Object.fromEntries([...optionsOf(request), ...own]),
        prints: {
            base: fingerprint(models.map(({ tensors }) => tensors)),
            examples: fingerprint(tasks.map(({ examples }) => examples)),
            validation: fingerprint(tasks.map(({ validation }) => validation)),
        },
    };
    const resumed = request.resume ? readCheckpoint(request.resume) : null;
    request.resume = undefined; // its bytes are as many as the weights three times
    if (resumed) requireSame(resumed.identity, identity);
    return { identity, resumed, write: request.has_checkpoints ? oncheckpoint : null };
}

/** What JSON has no arrays of. @param {unknown} value */
const plain = (value) =>
    ArrayBuffer.isView(value) ? [.../** @type {Float32Array} */ (value)] : value;

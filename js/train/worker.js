/**
 * The worker of one training. Methods, by the protocol of js/worker/calls.js:
 *
 *     load     {source, n_sources, threads, engines}: reads the base
 *     train    a Request: trains, and gives what came of it as a folder of files
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
import { PretrainingSession } from './pretraining/session.js';
import { run } from './run.js';
import { TASKS } from './tasks.js';
import { Trainer } from './trainer.js';

/** @import { Base } from './base.js' */
/** @import { Call } from '../worker/calls.js' */
/** @import { Checkpoints, Request } from './run.js' */

/**
 * @typedef {Parameters<typeof run>[3]
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
            const { source, n_sources, ...build } = request;
            const { module } = await chooseBuild({ ...build, threads: 1 });
            const from = open(source);
            const read = () => readBase(from, module, onprogress);
            loaded = { base: await beginAnew(read, n_sources), build };
            const { name, config, tokenizer } = loaded.base;
            familyOf(config.architecture);
            requireDistances(loaded.base);
            if (!tokenizer) throw noTokenizer(name);
            return {
                name,
                max_length: config.max_length,
                hidden_size: Number(config.encoder.hidden_size),
                labels: labelsOf(config, request.task),
            };
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
 * @param {Request} request
 * @param {Caller} caller
 */
async function train(base, wanted, request, caller) {
    const { config, tokenizer, tokenizer_json } = base;
    const task = TASKS[request.task];
    const { max_length = task.usualLength(config.max_length) } = request;
    if (!tokenizer || !tokenizer_json) throw noTokenizer(base.name);
    if (max_length > config.max_length) {
        throw new BertError(
            'BAD_OPTION',
            `max_length must be at most the ${config.max_length} tokens that the base reads, ` +
                `not ${max_length}`,
        );
    }
    checkSizes(request, config.encoder);
    const family = familyOf(config.architecture);
    const tokens = (/** @type {Request['examples']} */ examples, /** @type {string} */ what) =>
        task.toExamples(tokenizer, examples, max_length, what, caller.turn);
    const sets = {
        examples: await tokens(request.examples, 'example'),
        validation: request.validation && (await tokens(request.validation, 'validation example')),
    };
    const { encoder, tensors } = task.modelOf(base, family, request);
    const checkpoints = checkpointsOf(request, sets, tensors, caller);
    const { module, threads } = await chooseBuild(wanted);
    const trainer = await Trainer.open(module, encoder, tensors, {
        ...task.limitsOf([sets.examples, sets.validation ?? []], request.batch_size),
        objective: task.objectiveOf(request),
        threads,
        recomputes: request.recomputes,
        memory: request.memory,
        lora: adaptersOf(request),
    });
    for (const each of [base.tensors, tensors]) each.clear(); // the trainer has them
    const helpers = new HelpingThreads(threads - 1);
    helpers.join(trainer);
    await helpers.wait(trainer);
    const dropout = dropoutOf(config.architecture, request.task, request.dropout);
    const how = { dropout, checkpoints, validate: task.validate };
    const { tensors: trained, ...outcome } = await run(request, sets, trainer, caller, how);
    const facts = { threads: trainer.n_threads, memory_bytes: trainer.memory_bytes };
    helpers.end();
    const made = {
        family,
        architecture: config.architecture,
        encoder,
        max_length: config.max_length,
        tensors: trained,
        tokenizer_json,
    };
    const files = task.filesOf(made, request, config);
    return { ...outcome, ...facts, files };
}

/**
 * What only the base can tell is too large.
 * @param {Request} request
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

/** @param {Request} request */
function adaptersOf({ lora, seed }) {
    if (!lora) return null;
    const { rank = 0, targets = [], alpha = 0 } = lora;
    const bits = targets.reduce((all, name) => all | LORA_TARGETS[name], 0);
    return { rank, targets: bits, alpha, seed: seed >>> 0 };
}

/** Options that change no bits, and what is told of otherwise. */
const FREE_OPTIONS = [
    'examples',
    'validation',
    'memory',
    'recomputes',
    'threads',
    'has_checkpoints',
    'checkpoint_steps',
    'resume',
];

/**
 * @param {Request} request
 * @param {{examples: any[], validation: any[] | null}} sets
 * @param {import('./trainer.js').Tensors} tensors  that it begins with
 * @param {Caller} caller
 * @returns {Checkpoints | undefined}  undefined: nobody asks for them
 */
function checkpointsOf(request, { examples, validation }, tensors, { oncheckpoint }) {
    if (!request.has_checkpoints && !request.resume) return undefined;
    const { class_weights } = request;
    const options = {
        ...Object.fromEntries(
            Object.entries(request).filter(([name]) => !FREE_OPTIONS.includes(name)),
        ),
        class_weights: class_weights && [...class_weights],
    };
    const identity = {
        options,
        prints: {
            base: fingerprint(tensors),
            examples: fingerprint(examples),
            validation: fingerprint(validation),
        },
    };
    const resumed = request.resume ? readCheckpoint(request.resume) : null;
    request.resume = undefined; // its bytes are as many as the weights three times
    if (resumed) requireSame(resumed.identity, identity);
    return { identity, resumed, write: request.has_checkpoints ? oncheckpoint : null };
}

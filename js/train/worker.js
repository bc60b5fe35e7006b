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
import { familyOf } from './families.js';
import { toFolder } from './folder.js';
import { labelsOf, outputOf, withHead } from './head.js';
import { classes } from './objectives/classes.js';
import { PretrainingSession } from './pretraining/session.js';
import { limitsOf, run } from './run.js';
import { toSequences } from './sequences.js';
import { Trainer } from './trainer.js';

/** @import { Base } from './base.js' */
/** @import { Call } from '../worker/calls.js' */
/** @import { Outcome, Request } from './run.js' */

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
            if (!tokenizer) throw noTokenizer(name);
            return { name, max_length: config.max_length, labels: labelsOf(config, request.task) };
        }
        const caller = { turn, onprogress, isStopped: () => is_stopped };
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
 * @param {Parameters<typeof run>[3]} caller
 */
async function train(base, wanted, request, caller) {
    const { config, tokenizer, tokenizer_json } = base;
    const { task, labels, batch_size, seed, max_length = config.max_length } = request;
    if (!tokenizer || !tokenizer_json) throw noTokenizer(base.name);
    if (max_length > config.max_length) {
        throw new BertError(
            'BAD_OPTION',
            `max_length must be at most the ${config.max_length} tokens that the base reads, ` +
                `not ${max_length}`,
        );
    }
    const family = familyOf(config.architecture);
    const tokens = (/** @type {Request['examples']} */ examples, /** @type {string} */ what) =>
        toSequences(tokenizer, examples, max_length, what, caller.turn);
    const sequences = {
        examples: await tokens(request.examples, 'example'),
        validation: request.validation && (await tokens(request.validation, 'validation example')),
    };
    const { encoder, tensors } = withHead(base, family, task, labels, seed);
    const { module, threads } = await chooseBuild(wanted);
    const sets = [sequences.examples, sequences.validation ?? []];
    const trainer = await Trainer.open(module, encoder, tensors, {
        ...limitsOf(sets, batch_size),
        objective: classes(outputOf(task), request.class_weights),
        threads,
        recomputes: request.recomputes,
        memory: request.memory,
    });
    for (const each of [base.tensors, tensors]) each.clear(); // the trainer has them
    const helpers = new HelpingThreads(threads - 1);
    helpers.join(trainer);
    await helpers.wait(trainer);
    const { tensors: trained, ...outcome } = await run(request, sequences, trainer, caller);
    const facts = { threads: trainer.n_threads, memory_bytes: trainer.memory_bytes };
    helpers.end();
    const files = toFolder({
        family,
        architecture: config.architecture,
        encoder,
        is_of_tokens: task === 'token-classification',
        labels,
        max_length: config.max_length,
        tensors: trained,
        tokenizer_json,
    });
    return { ...outcome, ...facts, files };
}

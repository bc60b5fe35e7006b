/**
 * The worker of a model: which methods it answers, by the protocol of calls.js.
 */

import { answerCalls, beginAnew } from './calls.js';
import { LoadedModel } from './loaded_model.js';
import { runTexts } from './texts.js';
import { TOKENIZER_CALLS, traitsOf } from './tokenizer_calls.js';

/** Methods that do not wait for the calls before them: these may wait for what they tell of. */
const AT_ONCE = ['whole', 'info'];

/**
 * Answers what comes through the port.
 * @param {import('../platform/browser.js').Port} port
 * @param {boolean} [is_here]  whether it leads to this thread: the caller knows what works here
 * @returns {() => void}  ends what runs, and gives the model back
 */
export function answer(port, is_here = false) {
    /** @type {LoadedModel | undefined} */
    let model;

    /** @param {import('./calls.js').Call} call */
    async function handle({ method, request, turn, onprogress, open }) {
        if (method === 'load') {
            const source = open(request.source);
            model = await beginAnew(async () => {
                const begun = await LoadedModel.begin(source, request, onprogress);
                if (!request.streaming) await begun.whole(onprogress);
                return begun;
            }, request.n_sources);
            return {
                ...model.info(),
                tokenizer_traits: model.tokenizer && traitsOf(model.tokenizer),
            };
        }
        if (!model) throw new Error('no model is loaded');
        if (method === 'whole') return model.whole(onprogress);
        if (method === 'info') return model.settledInfo();
        if (Object.hasOwn(TOKENIZER_CALLS, method)) {
            return TOKENIZER_CALLS[method](model.needTokenizer(), request);
        }
        if (method === 'run') return runTexts(model, request, turn, onprogress);
        if (method === 'forward') return model.forward(request, turn);
        if (method === 'verify') return model.verify(turn);
        throw new Error(`no method ${method}`);
    }

    const end = answerCalls(port, { handle, at_once: AT_ONCE }, is_here);
    return () => {
        end();
        model = undefined;
    };
}

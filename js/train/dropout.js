/**
 * What is left out at random while a model learns: rates as transformers has them for each family,
 * at the places where it has them. bert_dropout in core/train.h has those places.
 */

import { outputOf } from './head.js';

/** @typedef {import('./head.js').TrainTask} TrainTask */
/** @typedef {import('./options.js').DropoutRates} DropoutRates */
/** @typedef {import('./trainer.js').Dropout} Dropout */

/** What configs of transformers say where they say nothing. @type {Required<DropoutRates>} */
const USUAL = { hidden: 0.1, attention: 0.1, classifier: 0.1 };

/**
 * Families whose defaults are others, by task where it matters.
 * @type {Record<string, (task: TrainTask) => Required<DropoutRates>>}
 */
const DEFAULTS = {
    albert: () => ({ hidden: 0, attention: 0, classifier: 0.1 }),
    distilbert: (task) => ({ ...USUAL, classifier: outputOf(task) === 'logits' ? 0.2 : 0.1 }),
};

/** Families whose classifiers of sequences drop what their dense layer reads, too. */
const DROPS_TWICE = ['roberta', 'xlm-roberta', 'camembert', 'electra', 'mpnet'];

/**
 * @param {string} architecture  of a model file
 * @param {TrainTask} task
 * @param {number | DropoutRates | undefined} wanted  a number is all rates; default the family's
 * @returns {Dropout | null}  null: nothing is dropped
 */
export function dropoutOf(architecture, task, wanted) {
    const own = DEFAULTS[architecture]?.(task) ?? USUAL;
    const { hidden, attention, classifier } =
        typeof wanted === 'number'
            ? { hidden: wanted, attention: wanted, classifier: wanted }
            : { ...own, ...defined(wanted ?? {}) };
    const is_of_texts = outputOf(task) === 'logits';
    const is_of_spans = task === 'question-answering';
    /** @type {Dropout} */
    const rates = [
        hidden,
        attention,
        architecture === 'distilbert' ? 0 : hidden,
        architecture === 'albert' ? 0 : hidden,
        is_of_texts && DROPS_TWICE.includes(architecture) ? classifier : 0,
        is_of_spans && architecture !== 'distilbert' ? 0 : classifier, // others drop nothing there
    ];
    return rates.some((rate) => rate > 0) ? rates : null;
}

/** @param {DropoutRates} rates */
function defined(rates) {
    return Object.fromEntries(Object.entries(rates).filter(([, rate]) => rate !== undefined));
}

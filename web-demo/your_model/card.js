/** What a model is: the facts of its file. */

import { make } from '../shell/dom.js';
import { inMegabytes, inWhole } from '../shell/format.js';

/** Labels that are named; of more the number is told. */
const MOST_LABELS = 24;

/** Of a label that its author gave no name. */
export const UNNAMED = /^LABEL_\d+$/;

/**
 * @typedef {object} Opened  a model that is open
 * @property {string} name
 * @property {import('../../js/index.js').Model} model
 * @property {import('../../js/index.js').ModelInfo} info
 * @property {Map<string, any>} pipelines  by task, the first is what it is probably made for
 * @property {string | null} stored  what it is stored by on this device; null: it is of files
 * @property {import('../shell/models.js').Visitors['file']} file  that it was loaded from
 * @property {Blob | null} made  the converted file, if this page has made it
 * @property {string | null} licence
 */

/** A family as it is written. @type {Record<string, string>} */
const FAMILIES = {
    bert: 'BERT',
    roberta: 'RoBERTa',
    'xlm-roberta': 'XLM-RoBERTa',
    camembert: 'CamemBERT',
    distilbert: 'DistilBERT',
    electra: 'ELECTRA',
    albert: 'ALBERT',
    mpnet: 'MPNet',
    deberta: 'DeBERTa',
    'deberta-v2': 'DeBERTa v2 or v3',
};

/** @param {string} family */
export const familyName = (family) => FAMILIES[family] ?? family;

/** @param {Opened} opened @returns {[string, string | Node][]} */
export function factsOf({ info, stored, licence }) {
    const { config, dtype, revision, card, source_sha256, verified, tokenizer, arrival } = info;
    const { n_layers, hidden_size, n_heads, vocab_size } = config.encoder;
    /** @type {[string, string | Node][]} */
    const facts = [
        ['Family', familyName(config.architecture)],
        ['Layers', `${n_layers} of ${inWhole(Number(hidden_size))} numbers, ${n_heads} heads`],
        ['Vocabulary', `${inWhole(Number(vocab_size))} pieces`],
        ['Reads', `${inWhole(config.max_length)} tokens at most`],
        ['Size', inMegabytes(arrival.total)],
        ['Weights', dtype],
        ['Tokenizer', tokenizer ? 'in the file' : 'none'],
    ];
    if (config.labels.some((label) => !UNNAMED.test(label)))
        facts.push(['Labels', labelsOf(config.labels)]);
    if (revision) facts.push(['Revision', revision]);
    const sums = verified ? 'every part is as its file says' : 'not checked: the page is not https';
    facts.push(
        ['SHA-256 of what it was made of', make('code', {}, source_sha256)],
        ['Checksums', sums],
        ['Kept here', stored ? 'yes, it opens without a connection' : keptOf(info)],
    );
    if (card) facts.push(['Its card', folded('Its card', card)]);
    if (licence) facts.push(['Licence', folded('Licence', licence)]);
    return facts;
}

/** @param {string[]} labels */
function labelsOf(labels) {
    const named = labels.slice(0, MOST_LABELS).join(', ');
    const more = labels.length - MOST_LABELS;
    return more > 0 ? `${named}, and ${more} more` : named;
}

/** @param {import('../../js/index.js').ModelInfo} info */
const keptOf = ({ cache }) =>
    cache.store === 'none' ? 'no: it was opened from files' : `no: ${cache.reason}`;

/**
 * A long text: its first line, the others when they are asked for.
 * @param {string} name
 * @param {string} text
 */
function folded(name, text) {
    const summary = make('summary', {}, text.trim().split('\n')[0].trim().slice(0, 80));
    const body = make('pre', { className: 'your_model-folded', tabIndex: 0 }, text);
    body.setAttribute('aria-label', name);
    body.setAttribute('role', 'region');
    return make('details', {}, summary, body);
}

/**
 * What a model.verify() says.
 * @param {import('../../js/worker/verify.js').Verification} verification
 */
export function wordsOf({ ok, error, expected_error, dtype }) {
    const number = (/** @type {number} */ n) => n.toPrecision(2);
    const measured =
        `the largest difference is ${number(error)}; ${dtype} cost ${number(expected_error)} ` +
        'when it was converted';
    return ok
        ? `Its answers here are those of the original: ${measured}.`
        : `Its answers here are not those of the original: ${measured}.`;
}

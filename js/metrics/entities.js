/**
 * Metrics of named entities, counted as seqeval counts them: an entity is right if type, start and
 * end are.
 */

import { scoresOf, summary } from './counts.js';

/**
 * @typedef {object} Span
 * @property {string} type  PER, LOC, ...
 * @property {number} start  of the first word or character
 * @property {number} end  behind the last one
 */

/**
 * @typedef {object} EntityScores
 * @property {Record<string, import('./counts.js').Scores>} types  in alphabetical order
 * @property {import('./counts.js').Scores} micro  all counted together
 * @property {import('./counts.js').Scores} macro  mean over the types
 * @property {import('./counts.js').Scores} weighted  mean over the types, weighted by support
 */

/**
 * The entities of a sentence's tags (`B-PER`, `I-PER`, `O`; also `E-` and `S-`). As lenient as
 * conlleval and the default mode of seqeval: an entity may begin with `I-`, and one of another type
 * begins where the type changes.
 * @param {string[]} tags  one a word
 * @returns {Span[]}  of the entities; start and end count words
 */
export function entitiesOf(tags) {
    /** @type {Span[]} */
    const spans = [];
    /** @type {Span | null} */
    let open = null;
    let is_over = false; // by an E or S before
    tags.forEach((tag, i) => {
        const { prefix, type } = split(tag);
        if (open && (is_over || 'OBS'.includes(prefix) || type !== open.type)) open = null;
        if (prefix === 'O') return;
        if (open) {
            open.end = i + 1;
        } else {
            open = { type, start: i, end: i + 1 };
            spans.push(open);
        }
        is_over = 'ES'.includes(prefix);
    });
    return spans;
}

/**
 * @param {string} tag
 * @returns {{prefix: string, type: string}}  type `_` where a tag has none
 */
function split(tag) {
    const rest = tag.slice(1);
    return { prefix: tag[0], type: rest.slice(rest.indexOf('-') + 1) || '_' };
}

/**
 * Precision, recall and F1 of named entities in tagged sentences, counted as seqeval counts them.
 * @param {string[][]} expected  tags of every sentence
 * @param {string[][]} predicted  as many, as long
 * @returns {EntityScores}
 */
export function entityScores(expected, predicted) {
    return spanScores(expected.map(entitiesOf), predicted.map(entitiesOf));
}

/**
 * The same of entities by their places: one is right if type, start and end are.
 * @param {Span[][]} expected  of every text
 * @param {Span[][]} predicted  as many
 * @returns {EntityScores}
 */
export function spanScores(expected, predicted) {
    /** @type {Map<string, import('./counts.js').Counts>} */
    const types = new Map();
    const of = (/** @type {string} */ type) => {
        const counts = types.get(type) ?? { correct: 0, predicted: 0, expected: 0 };
        types.set(type, counts);
        return counts;
    };
    expected.forEach((truth, i) => {
        const wanted = unique(truth);
        const found = unique(predicted[i]);
        for (const { type } of wanted.values()) of(type).expected++;
        for (const [key, { type }] of found) {
            of(type).predicted++;
            if (wanted.has(key)) of(type).correct++;
        }
    });
    const sorted = [...types].sort(([a], [b]) => (a < b ? -1 : 1));
    return {
        types: Object.fromEntries(sorted.map(([type, counts]) => [type, scoresOf(counts)])),
        ...summary(sorted.map(([, counts]) => counts)),
    };
}

/**
 * @param {Span[]} spans
 * @returns {Map<string, Span>}
 */
function unique(spans) {
    return new Map(spans.map((span) => [`${span.start} ${span.end} ${span.type}`, span]));
}

/** Which colour a label has: each is always beside its word. */

/** @typedef {'positive' | 'negative' | 'neutral' | 'other'} Tone */

/** @type {[RegExp, Tone][]} */
const TONES = [
    [/^(positive|pos)$/i, 'positive'],
    [/^(negative|neg)$/i, 'negative'],
    [/^(neutral|mixed)$/i, 'neutral'],
];

/** @param {string} label @returns {Tone} */
export function toneOf(label) {
    return TONES.find(([pattern]) => pattern.test(label))?.[1] ?? 'other';
}

/** POSITIVE is 'Positive' in the page; a label of a visitor's own model is as it is. */
export function wordOf(/** @type {string} */ label) {
    return toneOf(label) === 'other'
        ? label
        : label[0].toUpperCase() + label.slice(1).toLowerCase();
}

/** Below this share of the best label the page says that it is not sure. */
export const SURE = 0.65;

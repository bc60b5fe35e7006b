/** A text in sentences. */

/** @typedef {{text: string, start: number}} Sentence  `start` is a UTF-16 index */

/** What has none of these goes with the sentence before it: a quotation mark, dots. */
const SAYS_SOMETHING = /[\p{L}\p{N}\p{Extended_Pictographic}]/u;

/** @param {string} text @returns {Sentence[]} */
export function splitSentences(text) {
    /** @type {Sentence[]} */
    const sentences = [];
    for (const [segment, start] of segmentsOf(text)) {
        const before = sentences.at(-1);
        if (SAYS_SOMETHING.test(segment) || !before) {
            const text = segment.trimEnd();
            const lead = text.length - text.trimStart().length;
            if (text !== '') sentences.push({ text: text.slice(lead), start: start + lead });
        } else if (segment.trim() !== '' && !/\n/.test(text.slice(before.start, start))) {
            before.text = text.slice(before.start, start + segment.trimEnd().length);
        }
    }
    return sentences;
}

/** @param {string} text @returns {Iterable<[string, number]>} */
function* segmentsOf(text) {
    if (Intl.Segmenter) {
        const segmenter = new Intl.Segmenter('en', { granularity: 'sentence' });
        for (const { segment, index } of segmenter.segment(text)) yield [segment, index];
        return;
    }
    // Firefox before 125.
    for (const { 0: segment, index } of text.matchAll(/[^.!?…。\n]*[.!?…。\n]*["”’)]*\s*/g)) {
        if (segment) yield [segment, index];
    }
}

/** Metrics of extracted answers: those of SQuAD 1.1 and 2.0. */

/** What Python's str.split() splits at. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: str.split() does split at them
const SPACE = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/u;
const PUNCTUATION = /[!-/:-@[-`{-~]/g;
const ARTICLE = /(?<![\p{L}\p{N}_])(?:an?|the)(?![\p{L}\p{N}_])/gu;

/**
 * An answer as SQuAD compares it: lower case, without ASCII punctuation, articles (a, an, the) and
 * superfluous white space.
 * @param {string} answer  of any form
 * @returns {string}
 */
export function normalizeAnswer(answer) {
    return words(answer).join(' ');
}

/** @param {string} answer */
function words(answer) {
    return answer
        .toLowerCase()
        .replace(PUNCTUATION, '')
        .replace(ARTICLE, ' ')
        .split(SPACE)
        .filter(Boolean);
}

/**
 * @typedef {object} AnswerScores
 * @property {number} exact  share of answers that are one of the gold ones
 * @property {number} f1  mean of the overlap of words with the nearest gold answer
 * @property {number} n  questions
 */

/**
 * Exact match and F1 over all questions, and apart for those that have an answer and those that
 * have none, where there are such.
 * @param {string[][]} expected  gold answers of every question; none or only empty ones: it has no
 *   answer
 * @param {string[]} predicted  of each question an answer; '' is none
 * @returns {AnswerScores & {has_answer?: AnswerScores, no_answer?: AnswerScores}}
 */
export function answerScores(expected, predicted) {
    const scored = expected.map((all, i) => {
        const golds = all.map(words).filter((gold) => gold.length > 0);
        const has_answer = golds.length > 0;
        const found = words(predicted[i]);
        const most = (/** @type {(a: string[], b: string[]) => number} */ score) =>
            Math.max(...(has_answer ? golds : [[]]).map((gold) => score(gold, found)));
        return { has_answer, exact: most(isSame), f1: most(overlap) };
    });
    const has = scored.filter(({ has_answer }) => has_answer);
    const none = scored.filter(({ has_answer }) => !has_answer);
    return {
        ...mean(scored),
        ...(has.length ? { has_answer: mean(has) } : {}),
        ...(none.length ? { no_answer: mean(none) } : {}),
    };
}

/**
 * @param {{exact: number, f1: number}[]} scored
 * @returns {AnswerScores}
 */
function mean(scored) {
    const of = (/** @type {'exact' | 'f1'} */ key) =>
        scored.reduce((sum, one) => sum + one[key], 0) / scored.length;
    return { exact: of('exact'), f1: of('f1'), n: scored.length };
}

/**
 * @param {string[]} a
 * @param {string[]} b
 */
function isSame(a, b) {
    return Number(a.join(' ') === b.join(' '));
}

/**
 * F1 of two bags of words.
 * @param {string[]} gold
 * @param {string[]} found
 */
function overlap(gold, found) {
    if (gold.length === 0 || found.length === 0) return Number(gold.length === found.length);
    /** @type {Map<string, number>} */
    const left = new Map();
    for (const word of gold) left.set(word, (left.get(word) ?? 0) + 1);
    let n_same = 0;
    for (const word of found) {
        const n = left.get(word) ?? 0;
        if (n > 0) n_same++;
        left.set(word, n - 1);
    }
    return (2 * n_same) / (gold.length + found.length);
}

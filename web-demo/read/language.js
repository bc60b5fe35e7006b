/**
 * Whether a text is one that the page's own model can say something about: it has learnt from
 * English alone, and answers everything else as surely. Two things tell: which words there are, and
 * into how many pieces the model's vocabulary breaks them.
 */

import { shareOfQuiet } from './function_words.js';

/**
 * The commonest words of other languages in Latin letters, without those that English has, too.
 * Languages that are not here show themselves by their pieces.
 */
const FOREIGN = new Set(
    // French, Spanish, Portuguese, Italian
    (
        'le la les un une et est des du dans que qui pour pas sur ce cette avec sont très mais ' +
        'nous vous je il elle el los las y de una por para con no muy pero más está es lo se o ' +
        'os uma não em com mais foi muito di che non per sono della il gli questo questa ma è ' +
        'anche ' +
        // German, Dutch, Swedish, Danish, Norwegian
        'der die das und ist nicht ein eine ich sie wir mit auf für sich dem den von zu war ' +
        'sehr aber het een van niet dat ik zijn maar met voor och att det som inte jag är på og ' +
        'ikke ' +
        // Polish, Turkish, Indonesian, Finnish
        'się jest nie na że bir ve bu çok için yang dan ini itu tidak ja on ei että'
    ).split(' '),
);

/** Words that English has as well: alone they prove nothing. */
const SHARED = new Set(['on', 'no', 'die', 'war', 'met', 'dan', 'con', 'se', 'per', 'as', 'non']);

/** Least words for a guess by their share of commonest ones. */
const ENOUGH = 3;

/** Letters of other scripts, as a part of all, from which a text is not taken for English. */
const OTHER_LETTERS = 0.3;

/** Pieces of a word, on average: English has 1.0 to 1.4. */
const MANY_PIECES = 2;

/** A word that becomes as many is as good as unknown; as large a part of a text's words. */
const UNKNOWN_PIECES = 3;
const MANY_BROKEN = 0.4;

/** As few function words has no English of some length. */
const FEW = 0.25;

/** @typedef {'foreign' | 'unknown' | null} Doubt */

/**
 * @param {string} text
 * @param {{offsets: ArrayLike<number>, sequence: ArrayLike<number>}} encoded
 *   what tokenizer.encode() gives
 * @returns {Doubt}
 */
export function doubtOf(text, { offsets, sequence }) {
    const letters = text.match(/\p{L}/gu)?.length ?? 0;
    const latin = text.match(/\p{Script=Latin}/gu)?.length ?? 0;
    if (letters && 1 - latin / letters >= OTHER_LETTERS) return 'foreign';

    const words = [...text.matchAll(/[\p{L}\p{M}'’]*\p{L}[\p{L}\p{M}]*/gu)];
    if (words.length === 0) return null;
    const lower = words.map(([word]) => word.toLowerCase());
    const english = shareOfQuiet(lower);
    const foreign = lower.filter((word) => FOREIGN.has(word));
    const is_certain = foreign.some((word) => !SHARED.has(word));
    if (words.length >= ENOUGH && is_certain && foreign.length / words.length > english) {
        return 'foreign';
    }

    // Pieces of each word: those that begin within it.
    const pieces = words.map(() => 0);
    let at = 0;
    for (let i = 0; i < sequence.length; i++) {
        if (sequence[i] < 0) continue;
        const start = offsets[2 * i];
        while (at < words.length && words[at].index + words[at][0].length <= start) at++;
        if (at === words.length) break;
        if (start < words[at].index) continue;
        pieces[at]++;
    }
    const mean = pieces.reduce((sum, n) => sum + n, 0) / words.length;
    const broken = pieces.filter((n) => n >= UNKNOWN_PIECES).length / words.length;
    if (words.length === 1) return mean > UNKNOWN_PIECES ? 'unknown' : null;
    return mean >= MANY_PIECES && broken >= MANY_BROKEN && english < FEW ? 'unknown' : null;
}

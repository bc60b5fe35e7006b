/** The pairs of sentences that are most alike, and how many are near duplicates. */

import { make } from '../shell/dom.js';
import { inHundredths, inUnits, inWhole } from '../shell/format.js';
import { countFrom } from './clusters.js';

/** Rows: the first few are there even where none is a near duplicate. */
const FEW = 10;
const MANY = 100;

/**
 * @param {import('./compare.js').Compared} compared
 * @param {object} parts
 * @param {HTMLInputElement} parts.duplicates  from how much on they are, in hundredths
 * @param {HTMLElement} parts.duplicates_words
 * @param {HTMLElement} parts.words
 * @param {HTMLElement} parts.rows
 */
export function showPairs({ sentences, answer }, { duplicates, duplicates_words, words, rows }) {
    const hundredths = Number(duplicates.value);
    const least = hundredths / 100 - 1e-6;
    duplicates_words.textContent = inHundredths(hundredths / 100);
    const count = countFrom(answer.counts, hundredths);
    const n_rows = Math.min(MANY, Math.max(FEW, count));
    words.textContent =
        (count ? `${inUnits(count, 'pair')} of near duplicates` : 'No two sentences are so alike') +
        (count > n_rows ? `, of which the first ${inWhole(n_rows)} are listed.` : '.');
    rows.replaceChildren(
        ...answer.pairs
            .slice(0, n_rows)
            .map(({ a, b, similarity }) =>
                make(
                    'tr',
                    {},
                    make(
                        'td',
                        { className: 'numbers' },
                        inHundredths(similarity),
                        ...(similarity >= least
                            ? [make('span', { className: 'meaning-mark' }, 'near duplicate')]
                            : []),
                    ),
                    make(
                        'td',
                        {},
                        make('p', { dir: 'auto' }, sentences[a]),
                        make('p', { dir: 'auto' }, sentences[b]),
                    ),
                ),
            ),
    );
}

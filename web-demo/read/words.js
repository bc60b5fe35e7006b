/**
 * A text with its words in the colour of what they pull towards. Each word is hidden from the model
 * in turn; what the odds of the answer lose by it is its pull. In log-odds, since a probability
 * near 1 moves by nothing whatever is hidden.
 */

import { make } from '../shell/dom.js';
import { loadExplain } from '../shell/explain.js';
import { inWhole } from '../shell/format.js';
import { toneOf, wordOf } from '../shell/tone.js';
import { isQuiet } from './function_words.js';
import { makeWork } from './work.js';

/** @typedef {import('../../js/explain/attribution.js').Attributions} Attributions */

/**
 * Log-odds from which a word has a colour: odds that are 1 % larger with it than without. Of a text
 * that says the same in many words the strongest have hardly more, and are the right ones.
 */
const LEAST = 0.01;

/** What pulls less than this part of the strongest has none either. */
const LEAST_PART = 1 / 20;

/** Log-odds that are strong enough for the strongest colour, where no word pulls harder. */
const STRONG = 0.3;

/** A function word is in colour only if it pulls this many times as hard as any other word. */
const CLEARLY = 2;

/**
 * How much of its colour each word has, 0 to 3.
 * @param {{token: string, score: number}[]} words
 */
export function strengthsOf(words) {
    const most = (/** @type {boolean} */ quiet) =>
        Math.max(
            0,
            ...words
                .filter(({ token }) => isQuiet(token) === quiet)
                .map(({ score }) => Math.abs(score)),
        );
    const content = most(false);
    const least_of_quiet = Math.max(LEAST, CLEARLY * content);
    const strongest = most(true) >= least_of_quiet ? most(true) : content;
    const least = Math.max(LEAST, LEAST_PART * strongest);
    return words.map(({ token, score }) => {
        const pull = Math.abs(score);
        if (pull < (isQuiet(token) ? least_of_quiet : least)) return 0;
        return Math.max(1, Math.round((3 * pull) / Math.max(STRONG, strongest)));
    });
}

/** Pieces that are the same for every text of the page. */
export function makeWords() {
    const text = make('p', {
        className: 'read-words',
        dir: 'auto',
        dataset: { part: 'words-text' },
    });
    const key = make('p', { className: 'hint read-key', hidden: true, dataset: { part: 'key' } });
    const remark = make('p', { className: 'hint', dataset: { part: 'words-remark' } });
    const offer = make('button', { type: 'button', hidden: true, dataset: { part: 'weigh' } });
    const rows = make('tbody', { dataset: { part: 'numbers' } });
    const explained = make('p', { className: 'hint' });
    const numbers = make(
        'details',
        { hidden: true },
        make('summary', {}, 'In numbers'),
        explained,
        make(
            'table',
            {},
            make('thead', {}, make('tr', {}, ...['Word', 'Pulls', 'Odds'].map(heading))),
            rows,
        ),
    );
    const work = makeWork();
    const element = make(
        'div',
        { className: 'read-weighed', dataset: { state: 'empty' } },
        text,
        key,
        remark,
        offer,
        work.element,
        numbers,
    );
    /** Ends what is being weighed. */
    let running = new AbortController();

    /** @param {string} state @param {string} words */
    const show = (state, words) => {
        element.dataset.state = state;
        remark.textContent = words;
        const is_weighed = state === 'weighed' || state === 'stale';
        text.hidden = !is_weighed;
        offer.hidden = true;
        numbers.hidden = state !== 'weighed';
        if (!is_weighed) key.hidden = true;
    };
    show('empty', '');

    const words = {
        element,

        /** What is shown is of a text that has changed since. */
        stale() {
            running.abort();
            if (element.dataset.state === 'weighed') show('stale', '');
            else if (element.dataset.state !== 'stale') show('empty', '');
        },

        clear() {
            running.abort();
            show('empty', '');
        },

        /** Asks first. @param {string} why @param {string} button @param {() => void} onask */
        offer(why, button, onask) {
            show('offered', why);
            offer.hidden = false;
            offer.textContent = button;
            offer.onclick = () => {
                element.tabIndex = -1;
                element.focus({ preventScroll: true }); // the button goes away
                onask();
            };
        },

        /**
         * Weighs every word of a text.
         * @param {any} pipe  a classifier
         * @param {string} of_text
         * @param {AbortSignal} signal  the text has changed
         * @param {() => void} again  weighs once more, when asked
         */
        async weigh(pipe, of_text, signal, again) {
            running.abort();
            running = new AbortController();
            const own = running.signal;
            signal.addEventListener('abort', () => running.abort(), { signal: own });
            if (element.dataset.state !== 'stale') show('weighing', '');
            offer.hidden = true;
            work.begin('Weighing every word', () => {
                running.abort();
                words.offer('Cancelled: no word has been weighed.', 'Weigh every word', again);
            });
            try {
                const { attribute } = await loadExplain();
                const found = await attribute(pipe, of_text, {
                    unit: 'word',
                    scale: 'log-odds',
                    signal: own,
                    onprogress: ({ done, total }) => {
                        if (!own.aborted) work.show(done, total);
                    },
                });
                if (!own.aborted) showWeights(of_text, found, pipe.model.config.labels);
            } catch (error) {
                if (own.aborted) return;
                const { code, message } = /** @type {Error & {code?: string}} */ (error);
                show(
                    'failed',
                    code === 'PAGE_CODE'
                        ? 'The words cannot be coloured: that part of the page did not arrive. ' +
                              'The verdict does not need it.'
                        : `The words could not be weighed: ${message}`,
                );
                offer.hidden = false;
                offer.textContent = code === 'PAGE_CODE' ? 'Reload the page' : 'Try again';
                offer.onclick = code === 'PAGE_CODE' ? () => location.reload() : again;
            } finally {
                if (running.signal === own) work.end();
            }
        },
    };

    /** @param {string} of_text @param {Attributions} found @param {string[]} labels */
    function showWeights(of_text, { label, tokens, replacement, truncated }, labels) {
        const other = labels.length === 2 ? labels.find((each) => each !== label) : undefined;
        const sides = {
            towards: { tone: toneOf(label), words: `towards ${wordOf(label)}` },
            away: other
                ? { tone: toneOf(other), words: `towards ${wordOf(other)}` }
                : { tone: 'away', words: `away from ${wordOf(label)}` },
        };
        const strengths = strengthsOf(tokens);
        const used = new Set();
        /** @type {(string | HTMLElement)[]} */
        const pieces = [];
        let at = 0;
        const made_rows = tokens.map(({ token, start, end, score }, i) => {
            const side = score > 0 ? 'towards' : 'away';
            const { tone, words: direction } = sides[side];
            const factor = Math.exp(Math.abs(score));
            const odds = isNone(factor)
                ? '–'
                : `× ${factor < 10 ? factor.toFixed(2) : inWhole(factor)}`;
            pieces.push(of_text.slice(at, start));
            at = end;
            if (strengths[i]) {
                used.add(side);
                const title = `${token}: ${direction}, odds ${odds}`;
                const strength = String(strengths[i]);
                pieces.push(make('mark', { title, dataset: { tone, side, strength } }, token));
            } else {
                pieces.push(token);
            }
            const cells = [token, isNone(factor) ? '–' : direction, odds];
            const row = make('tr', {}, ...cells.map((cell) => make('td', {}, cell)));
            row.lastElementChild?.classList.add('numbers');
            return row;
        });
        text.replaceChildren(...pieces, of_text.slice(at));
        rows.replaceChildren(...made_rows);
        explained.textContent =
            'How many times as large the odds are with the word as ' +
            (replacement ? `with ${replacement} in its place.` : 'without it.') +
            ' Words that only hold a sentence together have no colour unless they pull twice as ' +
            'hard as all others.';
        const cut = truncated ? ' Only the beginning: the model reads no more at once.' : '';
        show(
            'weighed',
            (used.size
                ? ''
                : 'No word stands out: whichever is hidden from the model, its answer changes ' +
                  'little.') + cut,
        );
        key.replaceChildren(
            ...Object.entries(sides)
                .filter(([side]) => used.has(side))
                .map(([side, { tone, words: direction }]) =>
                    make('mark', { dataset: { tone, side, strength: '2' } }, direction),
                ),
            'The stronger the colour and the line, the more of the answer rests on the word.',
        );
        key.hidden = used.size === 0;
    }
    return words;
}

/** Odds that are the same in two digits. @param {number} factor */
const isNone = (factor) => factor < 1.005;

/** @param {string} words */
function heading(words) {
    return make('th', { scope: 'col' }, words);
}

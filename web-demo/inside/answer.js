/** What the answer rests on: the work that finds it, unasked where it is small, and its picture. */

import { make } from '../shell/dom.js';
import { inHundredths, inPercent, inUnits, inWhole } from '../shell/format.js';
import { wordOf } from '../shell/tone.js';
import { showWork } from '../shell/work.js';
import { drawBars, MOST_ROWS } from './pictures.js';
import { HOW_TO, said } from './words.js';

/** @typedef {import('./reading.js').Reading} Reading */
/** @typedef {import('./shown.js').Shown} Shown */

/** Most pieces that are weighed unasked. */
const MOST_AT_ONCE = 64;

/**
 * @param {object} how
 * @param {HTMLElement} how.place  where work that takes long says so
 * @param {import('../shell/models.js').Models} how.models
 * @param {() => void} how.onweigh  somebody asked for the work
 * @param {() => void} how.onclassifier  somebody asked for the model that gives answers
 */
export function makeWeighing({ place, models, onweigh, onclassifier }) {
    /** Whose work was asked for. @type {Reading | null} */
    let asked = null;

    /** @param {Reading} reading @param {{className?: string}} [style] */
    const weighButton = (reading, style) =>
        make(
            'button',
            {
                type: 'button',
                ...style,
                onclick: () => {
                    asked = reading;
                    onweigh();
                },
            },
            'Weigh them',
        );

    /**
     * Weighs the pieces, unless they are.
     * @param {Reading} reading
     * @param {import('./state.js').Kind} kind  of its model
     * @param {AbortSignal} signal
     * @returns {Promise<Shown | null>}  why they are not weighed; null: they are
     */
    return async function weigh(reading, kind, signal) {
        const { n } = reading;
        if (!reading.is_classifier) {
            return note(
                `Only an answer can be traced to pieces, and ${models.nameOf(kind)} ` +
                    'gives none: it makes vectors.',
                make(
                    'button',
                    { type: 'button', onclick: onclassifier },
                    `Use ${models.nameOf('classifier')}`,
                ),
            );
        }
        if (reading.attributions) return null;
        if (n > MOST_AT_ONCE && asked !== reading) {
            return note(
                `To weigh ${inUnits(n, 'piece')} is as much work as to read the text ` +
                    `${inWhole(n)} times.`,
                weighButton(reading, { className: 'main' }),
            );
        }
        const cancelling = new AbortController();
        const work = showWork({
            place,
            words: `Weighing ${inUnits(n, 'piece')} …`,
            signal,
            cancel: () => cancelling.abort(),
        });
        try {
            await reading.attribute(cancelling.signal, work.step);
            return null;
        } catch (error) {
            if (!cancelling.signal.aborted) throw error;
            asked = null;
            return note('Stopped.', weighButton(reading));
        } finally {
            work.done();
        }
    };
}

/** @param {string} words @param {HTMLButtonElement} button @returns {Shown} */
const note = (words, button) => ({
    element: make('div', { className: 'panel inside-note' }, make('p', {}, words), button),
    words: () => '',
    weights: () => null,
});

/**
 * @param {object} what
 * @param {Reading} what.reading  whose pieces are weighed
 * @param {number} what.first  piece that is drawn
 * @param {number} what.width
 * @param {string} what.footer
 * @returns {Shown}
 */
export function drawAnswer({ reading, first, width, footer }) {
    const { n, pieces, is_regression } = reading;
    const { label, score, tokens } = /** @type {import('./reading.js').Attributions} */ (
        reading.attributions
    );
    /** By piece, in log-odds; 0 of special ones. */
    const scores = new Float32Array(n);
    let at = 0;
    pieces.forEach(({ special }, i) => {
        if (!special && at < tokens.length) scores[i] = tokens[at++].score;
    });
    const inWords = is_regression ? inHundredths : inPercent;
    const without = (/** @type {number} */ i) =>
        is_regression ? score - scores[i] : share(logOdds(score) - scores[i]);
    const rows = pieces.map((_, i) => i).filter((i) => !pieces[i].special);
    const drawn = rows.filter((i) => i >= first && i < first + MOST_ROWS);
    const svg = drawBars({
        labels: drawn.map((i) => pieces[i].token),
        scores: drawn.map((i) => scores[i]),
        all: scores,
        label,
        width,
        title: `What ${wordOf(label)}, ${inWords(score)}, rests on`,
        footer,
    });
    svg.setAttribute('role', 'img');
    svg.setAttribute('aria-label', `Bars for ${inUnits(drawn.length, 'piece')}. ${HOW_TO}`);
    return {
        element: svg,
        weights: () => scores,
        words(i) {
            if (i < 0) return HOW_TO;
            const piece = said(pieces[i]);
            if (pieces[i].special) return `${piece} is special: it is never hidden`;
            const side = scores[i] >= 0 ? 'for' : 'against';
            return (
                `${piece} speaks ${side} ${wordOf(label)}: without it, ${inWords(score)} ` +
                `becomes ${inWords(without(i))}`
            );
        },
    };
}

/** @param {number} probability */
function logOdds(probability) {
    const x = Math.min(1 - 1e-9, Math.max(1e-9, probability));
    return Math.log(x / (1 - x));
}

/** @param {number} log_odds */
const share = (log_odds) => 1 / (1 + Math.exp(-log_odds));

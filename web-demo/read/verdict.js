/** What the model says of a text: the verdict in words, and the share of each label. */

import { make } from '../shell/dom.js';
import { inPercent, inUnits, inWhole } from '../shell/format.js';
import { SURE, toneOf, wordOf } from '../shell/tone.js';

/** Labels that are shown of a model with many. */
const MOST_LABELS = 8;

/** Labels up to which each has its row for good, so that bars grow and shrink where they are. */
const FEW_LABELS = 3;

const ORDER = ['positive', 'neutral', 'negative', 'other'];

/** @typedef {{label: string, score: number}} Score */

/**
 * What the scores of a model are: shares of one whole, each a share of its own, or plain values.
 * @typedef {'exclusive' | 'several' | 'value'} Kind
 */

/** @param {{problem_type?: string, labels: string[]}} config @returns {Kind} */
export function kindOf({ problem_type, labels }) {
    if (problem_type === 'regression') return 'value';
    if (problem_type === 'multi_label_classification' || labels.length === 1) return 'several';
    return 'exclusive';
}

/**
 * @typedef {object} Verdict
 * @property {string} word
 * @property {string} share  how much of it, in words; '' where there is nothing to say
 * @property {import('../shell/tone.js').Tone | 'unsure'} tone
 */

/** @param {Score[]} scores  best first @param {Kind} kind @returns {Verdict} */
export function verdictOf(scores, kind) {
    const [best] = scores;
    if (kind === 'value') {
        return { word: best.score.toFixed(2), share: best.label, tone: 'other' };
    }
    const tone = toneOf(best.label);
    const word = wordOf(best.label);
    if (kind === 'several') {
        const those = scores.filter(({ score }) => score >= 0.5);
        if (those.length === 0) {
            const share = `${word} comes closest, ${inPercent(best.score)}`;
            return { word: 'None', share, tone: 'unsure' };
        }
        const more =
            those.length > FEW_LABELS ? `, and ${inWhole(those.length - FEW_LABELS)} more` : '';
        const words = those.slice(0, FEW_LABELS).map(({ label }) => wordOf(label));
        return {
            word: words.join(', ') + more,
            share: those.length === 1 ? inPercent(best.score) : '',
            tone,
        };
    }
    const share = inPercent(best.score);
    if (best.score >= SURE) return { word, share, tone };
    const leaning = tone === 'other' ? `perhaps ${word}` : `rather ${word.toLowerCase()}`;
    return { word: 'Not sure', share: `${leaning}, ${share}`, tone: 'unsure' };
}

/** @type {Record<'foreign' | 'unknown', [string, string]>} */
const DOUBTS = {
    foreign: ['Not English, it seems.', 'The model knows English alone: its answer says little.'],
    unknown: ['Most words are unknown to the model:', 'its answer says little.'],
};

/**
 * @typedef {object} Answer
 * @property {Score[]} scores  best first
 * @property {Kind} kind
 * @property {keyof typeof DOUBTS | null} doubt
 * @property {number} n_tokens
 * @property {number} n_windows
 * @property {number} max_length  tokens of a window
 * @property {number} milliseconds
 */

/** @param {Record<string, any>} parts  of the view */
export function makeVerdict(parts) {
    const { box, verdict, share, scores: rows, remark, facts } = parts;
    /** @type {string[]} */
    let labels = [];
    /** @type {Kind} */
    let kind = 'exclusive';

    const show = {
        /** @param {'skeleton' | 'loading' | 'empty' | 'answered' | 'reading' | 'failed'} state */
        state(state) {
            box.dataset.state = state;
        },

        /**
         * Rows for the labels of a model.
         * @param {{problem_type?: string, labels: string[]}} config
         */
        labels(config) {
            kind = kindOf(config);
            labels = [...config.labels].sort(
                (a, b) => ORDER.indexOf(toneOf(a)) - ORDER.indexOf(toneOf(b)),
            );
            const n = kind === 'value' ? 0 : Math.min(MOST_LABELS, labels.length);
            rows.replaceChildren(...labels.slice(0, n).map(makeRow));
        },

        /** @param {string} words  in place of a verdict */
        nothing(words) {
            show.state('empty');
            delete box.dataset.tone;
            verdict.textContent = words;
            share.textContent = '';
            remark.textContent = '';
            facts.textContent = '';
            for (const [i, row] of [...rows.children].entries()) fill(row, labels[i], null);
        },

        /** @param {Answer} answer @returns {string}  the same in words */
        answer(answer) {
            const { scores, doubt } = answer;
            const said = verdictOf(scores, kind);
            show.state('answered');
            box.dataset.tone = doubt ? 'unsure' : said.tone;
            verdict.textContent = said.word;
            share.textContent = said.share;
            const few = labels.length <= FEW_LABELS;
            for (const [i, row] of [...rows.children].entries()) {
                const { label, score } = few
                    ? /** @type {Score} */ (scores.find(({ label }) => label === labels[i]))
                    : scores[i];
                fill(row, label, score);
            }
            const [lead = '', rest = ''] = doubt ? DOUBTS[doubt] : [];
            const whole =
                answer.n_windows > 1
                    ? `The mean of ${answer.n_windows} windows of up to ` +
                      `${answer.max_length} tokens: the model reads no more at once.`
                    : '';
            remark.replaceChildren(
                ...(lead ? [make('strong', {}, lead)] : []),
                ` ${rest} ${whole}`,
            );
            const time = duration(answer.milliseconds);
            facts.textContent = `${inUnits(answer.n_tokens, 'token')}, read in ${time}.`;
            return [said.word, said.share, lead].filter(Boolean).join(', ');
        },
    };
    return show;
}

/** @param {number} milliseconds */
function duration(milliseconds) {
    return milliseconds < 1000
        ? `${Math.max(1, Math.round(milliseconds))} ms`
        : `${(milliseconds / 1000).toFixed(1)} s`;
}

function makeRow() {
    const meter = make('meter', { min: 0, max: 100, value: 0 });
    return make('div', { className: 'read-score' }, make('span'), meter, make('span'));
}

/** @param {Element} row @param {string} label @param {number | null} score */
function fill(row, label, score) {
    const [name, meter, number] = /** @type {[HTMLElement, HTMLMeterElement, HTMLElement]} */ (
        /** @type {unknown} */ (row.children)
    );
    const text = score === null ? '–' : inPercent(score);
    name.textContent = wordOf(label);
    number.textContent = text;
    meter.value = 100 * (score ?? 0);
    meter.dataset.tone = toneOf(label);
    meter.setAttribute('aria-label', wordOf(label));
    meter.setAttribute('aria-valuetext', score === null ? 'no text' : text);
}

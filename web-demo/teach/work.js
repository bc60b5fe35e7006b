/** How far a teaching is: the base arrives, it learns, it is checked. */

import {
    inArrival,
    inMegabytes,
    inPercent,
    inTenths,
    inTime,
    inUnits,
    inWhole,
} from '../shell/format.js';
import { Curve } from './curve.js';

/** @typedef {import('./teaching.js').Taught} Taught */
/** @typedef {import('./teaching.js').Phase} Phase */
/** @typedef {import('../../js/train/index.js').TrainProgress} TrainProgress */

/** Where losses begin, at most, for the axis: what is larger goes along its top. */
const LEAST_TOP = 1;

/** @type {Record<Phase, string>} */
const TITLES = {
    loading: 'Loading the model that it begins with',
    teaching: 'Teaching',
    checking: 'Checking what it has learned',
};

export class Work {
    #parts;
    #losses;
    #rights;

    /** @type {[number, number][]} */
    #loss_points = [];

    /** @type {[number, number][]} */
    #right_points = [];

    #epochs = 0;

    /** The most frequent label, and its share of the lines. */
    #level = { at: 0, words: '' };

    /** @param {Record<string, any>} parts */
    constructor(parts) {
        this.#parts = parts;
        this.#losses = new Curve(parts['loss-curve'], 'Loss: how far off it is', false);
        this.#rights = new Curve(parts['right-curve'], 'Right among checked lines', true);
    }

    /**
     * @param {import('./lines.js').Example[]} examples
     * @param {import('./settings.js').Chosen} chosen
     */
    begin(examples, { epochs }) {
        /** @type {Map<string, number>} */
        const counts = new Map();
        for (const { label } of examples) counts.set(label, (counts.get(label) ?? 0) + 1);
        const [label, n] = [...counts].sort((a, b) => b[1] - a[1])[0];
        const share = n / examples.length;
        this.#level = { at: share, words: `always ${label}: ${inPercent(share)}` };
        this.#epochs = epochs;
        this.#loss_points = [];
        this.#right_points = [];
        this.#parts.curves.hidden = true;
        this.enter('loading');
        this.#say('Starting …');
    }

    /** @param {Phase} phase */
    enter(phase) {
        const { curves, cancel } = this.#parts;
        this.#parts['work-title'].textContent = TITLES[phase];
        this.#parts.bar.removeAttribute('value');
        curves.hidden = phase === 'loading';
        cancel.textContent = phase === 'checking' ? 'Skip the rest' : 'Cancel';
        this.#parts['cancel-hint'].textContent = '';
    }

    /** @param {{loaded: number, total: number}} progress */
    load({ loaded, total }) {
        this.#show(loaded, total);
        this.#say(loaded < total ? inArrival(loaded, total, 0) : 'Getting ready …');
    }

    /** @param {TrainProgress} progress */
    step({ epoch, step, n_steps, loss, metric, rate, seconds_left }) {
        this.#show(step, n_steps);
        this.#say(
            `${inWhole(step)} of ${inUnits(n_steps, 'step')}, reading the lines for the ` +
                `${ordinal(epoch)} time of ${inWhole(this.#epochs)}, ${inTenths(rate)} lines/s, ` +
                `${inTime(seconds_left)} left`,
        );
        this.#loss_points.push([step, loss]);
        const a_pass = n_steps / this.#epochs;
        if (metric !== null && this.#right_points.length < epoch - 1) {
            this.#right_points.push([(epoch - 1) * a_pass, metric]);
        }
        const most = Math.max(LEAST_TOP, ...this.#loss_points.slice(0, 10).map(([, y]) => y));
        this.#losses.show({
            points: this.#loss_points,
            right: n_steps,
            top: Math.ceil(2 * most) / 2,
            inWords: (y) => y.toFixed(2),
            footer: `Step ${inWhole(step)} of ${inWhole(n_steps)}: ${loss.toFixed(3)}`,
        });
        this.#showRights(n_steps);
    }

    /** @param {number} right  steps */
    #showRights(right) {
        const last = this.#right_points.at(-1);
        this.#rights.show({
            points: this.#right_points,
            right,
            top: 1,
            inWords: (y) => `${Math.round(100 * y)} %`,
            level: this.#level,
            footer: last
                ? `After the ${ordinal(this.#right_points.length)} time: ${inPercent(last[1])}`
                : 'Checked each time all lines are read',
        });
    }

    /** @param {{done: number, total: number}} progress */
    check({ done, total }) {
        this.#show(done, total);
        this.#say(`${inWhole(done)} of ${inUnits(total, 'line')}`);
    }

    /** While it learns: it ends after its step. */
    stopping() {
        this.#parts.cancel.textContent = 'Throw it away';
        this.#parts['cancel-hint'].textContent =
            'Stopping after this step. What it has learned in whole passes is kept.';
    }

    /** @param {number} done @param {number} total */
    #show(done, total) {
        if (total) Object.assign(this.#parts.bar, { max: total, value: done });
    }

    /** @param {string} words */
    #say(words) {
        this.#parts['work-words'].textContent = words;
    }
}

const ORDINALS = new Intl.PluralRules('en-GB', { type: 'ordinal' });
/** @type {Record<string, string>} */
const ENDINGS = { one: 'st', two: 'nd', few: 'rd', other: 'th' };

/** @param {number} n */
const ordinal = (n) => `${n}${ENDINGS[ORDINALS.select(n)]}`;

/** A line about a model that was taught. @param {Taught} taught */
export function factsOf({ source, trained, n_learned, epochs, seconds }) {
    const { best_epoch, history, memory_bytes, threads } = trained;
    const n = history.length;
    const best = n > 1 ? `, best after the ${ordinal(best_epoch)}` : '';
    return (
        `Taught with ${inUnits(n_learned, 'line')} of ${source}, read ${inUnits(n, 'time')}` +
        `${n < epochs ? ` of ${epochs}` : ''}${best}. ${inTime(seconds)}, ` +
        `${inMegabytes(memory_bytes)} of memory, ${inUnits(threads, 'thread')}.`
    );
}

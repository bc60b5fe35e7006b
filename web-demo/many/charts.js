/**
 * Bars on a canvas: how sure the model is, and how labels are spread over time. A canvas says
 * nothing to who cannot see it: each has a sentence and a table beside it.
 */

import uPlot from 'uplot';

import { make } from '../shell/dom.js';
import { inWhole } from '../shell/format.js';
import { toneOf, wordOf } from '../shell/tone.js';

const HEIGHT = 180;

/** Pixels that words under a bar need. */
const MARK_WIDTH = 76;

/** Labels with a colour of their own; more are shown as one. */
const MOST_COLOURS = 5;

/**
 * Custom properties with the colours of labels: of their tones, or one after the other.
 * @param {string[]} labels
 */
export function coloursOf(labels) {
    let n = 0;
    return labels.map((label) => {
        const tone = toneOf(label);
        if (tone !== 'other') return `--${tone}`;
        return n < MOST_COLOURS ? `--many-${++n}` : '--muted';
    });
}

/**
 * @typedef {object} Bars
 * @property {string[]} places  what each bar is of
 * @property {string[]} marks  the same, as short as an axis needs it
 * @property {number[][]} counts  of each label, of each place
 * @property {string[]} labels
 * @property {string} first  what places are, for the table
 */

/** Stacked bars, which are drawn again when the page's width or colours change. */
export class BarChart {
    #figure;
    #canvas = make('div', { className: 'many-canvas', role: 'img' });
    #key = make('ul', { className: 'many-key hint' });
    #table = make('table', { className: 'numbers' });

    /** @type {uPlot | null} */
    #plot = null;

    /** @type {Bars | null} */
    #bars = null;
    #drawn = '';

    /** @param {HTMLElement} figure  with a caption */
    constructor(figure) {
        this.#figure = figure;
        const scroller = make('div', { className: 'many-scroller', tabIndex: 0 }, this.#table);
        scroller.setAttribute('role', 'region');
        const title = figure.querySelector('figcaption')?.textContent ?? '';
        scroller.setAttribute('aria-label', `${title}: numbers`);
        figure.append(
            this.#canvas,
            this.#key,
            make('details', {}, make('summary', {}, 'The numbers'), scroller),
        );
        const redraw = () => {
            this.#drawn = '';
            this.#draw();
        };
        new ResizeObserver(() => this.#draw()).observe(this.#canvas);
        matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
        matchMedia('(forced-colors: active)').addEventListener('change', redraw);
    }

    /** @param {Bars} bars @param {string} sentence  what is to be seen */
    show(bars, sentence) {
        this.#bars = bars;
        this.#canvas.setAttribute('aria-label', sentence);
        const colours = coloursOf(bars.labels);
        const others = colours.indexOf('--muted');
        this.#key.replaceChildren(
            ...bars.labels
                .map((label, i) => ({ words: wordOf(label), colour: colours[i] }))
                .filter(({ colour }, i) => colour !== '--muted' || i === others)
                .map(({ words, colour }) => {
                    const swatch = make('span', { className: 'many-swatch' });
                    swatch.style.background = `var(${colour})`;
                    return make('li', {}, swatch, colour === '--muted' ? 'Other labels' : words);
                }),
        );
        this.#table.replaceChildren(
            make(
                'thead',
                {},
                make(
                    'tr',
                    {},
                    ...[bars.first, ...bars.labels.map(wordOf)].map((name) =>
                        make('th', { scope: 'col' }, name),
                    ),
                ),
            ),
            make(
                'tbody',
                {},
                ...bars.places.map((place, i) =>
                    make(
                        'tr',
                        {},
                        make('th', { scope: 'row' }, place),
                        ...bars.labels.map((_, label) =>
                            make('td', {}, inWhole(bars.counts[i][label])),
                        ),
                    ),
                ),
            ),
        );
        this.#drawn = '';
        this.#draw();
    }

    #draw() {
        const width = this.#canvas.clientWidth;
        if (!this.#bars || width === 0 || this.#drawn === `${width}`) return;
        this.#drawn = `${width}`;
        this.#plot?.destroy();
        const { places, marks, counts, labels } = this.#bars;
        const step = Math.ceil(places.length / Math.max(1, Math.floor(width / MARK_WIDTH)));
        const style = getComputedStyle(this.#figure);
        const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
        const font = `13px ${style.fontFamily}`;
        // Each bar is as high as all labels up to its own: the highest are drawn first.
        /** @type {number[]} */
        let below = new Array(places.length).fill(0);
        const layers = labels.map((_, label) => {
            below = below.map((sum, i) => sum + counts[i][label]);
            return below;
        });
        const top = Math.max(1, ...below);
        const colours = coloursOf(labels).map(colour);
        // A canvas keeps its colours where others are forced: its words must take them.
        const is_forced = matchMedia('(forced-colors: active)').matches;
        const axis = { stroke: is_forced ? style.color : colour('--muted'), font };
        this.#plot = new uPlot(
            {
                width,
                height: HEIGHT,
                legend: { show: false },
                cursor: { show: false },
                padding: [8, 8, 0, 0],
                scales: {
                    x: { time: false, range: [-0.6, places.length - 0.4] },
                    y: { range: [0, top * 1.05] },
                },
                axes: [
                    {
                        ...axis,
                        grid: { show: false },
                        ticks: { show: false },
                        splits: () => places.map((_, i) => i).filter((i) => i % step === 0),
                        values: (_, splits) => splits.map((i) => marks[i]),
                    },
                    {
                        ...axis,
                        size: 12 + 8 * inWhole(top).length,
                        grid: { stroke: colour('--line'), width: 1 },
                        ticks: { show: false },
                        incrs: [1, 2, 5]
                            .flatMap((n) => [1, 10, 100, 1e3, 1e4, 1e5].map((tens) => n * tens))
                            .sort((a, b) => a - b),
                        values: (_, splits) => splits.map((n) => inWhole(n)),
                    },
                ],
                series: [
                    {},
                    ...labels
                        .map((label, i) => ({
                            label,
                            fill: colours[i],
                            stroke: colour('--surface'),
                            width: 1,
                            points: { show: false },
                            paths: /** @type {any} */ (uPlot.paths).bars({ size: [0.8, 48, 2] }),
                        }))
                        .reverse(),
                ],
            },
            [places.map((_, i) => i), ...layers.reverse()],
            this.#canvas,
        );
    }
}

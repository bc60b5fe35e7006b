/** A line that grows while something is learned. */

import {
    BOTTOM,
    draw,
    MARGIN,
    newPicture,
    putPicture,
    TOP,
    whenChanged,
} from '../shell/picture.js';

const HEIGHT = 220;

/** Of the numbers on the left. */
const LEFT = 52;

/** More points than these could not be told apart. */
const MOST_POINTS = 200;

/**
 * @typedef {object} Shown
 * @property {[number, number][]} points
 * @property {number} right  the end of the x axis, which begins at 0
 * @property {number} top  the end of the y axis, which begins at 0
 * @property {(y: number) => string} inWords  of a number of the y axis
 * @property {{at: number, words: string}} [level]  a line to compare with
 * @property {string} footer
 */

export class Curve {
    #place;
    #title;
    #has_dots;

    /** @type {Shown | null} */
    #shown = null;
    #frame = 0;

    /**
     * @param {HTMLElement} place
     * @param {string} title
     * @param {boolean} has_dots  each point is seen: there are few
     */
    constructor(place, title, has_dots) {
        this.#place = place;
        this.#title = title;
        this.#has_dots = has_dots;
        whenChanged(place, () => this.#draw());
    }

    /** @param {Shown} shown */
    show(shown) {
        this.#shown = shown;
        this.#frame ||= requestAnimationFrame(() => {
            this.#frame = 0;
            this.#draw();
        });
    }

    #draw() {
        const width = this.#place.clientWidth;
        if (!this.#shown || !width) return;
        const { points, right, top, inWords, level, footer } = this.#shown;
        const svg = newPicture({ width, height: HEIGHT, title: this.#title, footer });
        svg.setAttribute('role', 'img');
        svg.setAttribute('aria-label', `${this.#title}. ${footer}`);
        const [x0, x1] = [LEFT, width - MARGIN];
        const [y0, y1] = [HEIGHT - BOTTOM - MARGIN, TOP + MARGIN];
        const x = (/** @type {number} */ at) => x0 + ((x1 - x0) * at) / Math.max(1, right);
        const y = (/** @type {number} */ at) => y0 + ((y1 - y0) * Math.min(at, top)) / top;
        for (const share of [0, 0.5, 1]) {
            const at = y(share * top);
            const words = inWords(share * top);
            const number = { x: x0 - 8, y: at + 4, 'text-anchor': 'end', fill: 'var(--muted)' };
            svg.append(
                draw('line', { x1: x0, x2: x1, y1: at, y2: at, stroke: 'var(--line)' }),
                draw('text', { ...number, 'font-size': 12 }, words),
            );
        }
        if (level) {
            const at = y(level.at);
            const stroke = { stroke: 'var(--edge)', 'stroke-dasharray': '5 4' };
            const words = { x: x1, y: at - 6, 'text-anchor': 'end', fill: 'var(--muted)' };
            svg.append(
                draw('line', { x1: x0, x2: x1, y1: at, y2: at, ...stroke }),
                draw('text', { ...words, 'font-size': 12 }, level.words),
            );
        }
        const places = thinned(points).map(([a, b]) => [x(a), y(b)]);
        const line = { fill: 'none', stroke: 'var(--accent)', 'stroke-width': 2 };
        const pairs = places.map(([a, b]) => `${a.toFixed(1)},${b.toFixed(1)}`).join(' ');
        svg.append(draw('polyline', { points: pairs, ...line, 'stroke-linejoin': 'round' }));
        const dots = this.#has_dots ? places : places.slice(-1);
        for (const [cx, cy] of dots) {
            svg.append(draw('circle', { cx, cy, r: 4, fill: 'var(--accent)' }));
        }
        putPicture(this.#place, svg);
    }
}

/** Means of neighbours, where there are many. @param {[number, number][]} points */
function thinned(points) {
    const size = Math.ceil(points.length / MOST_POINTS);
    if (size <= 1) return points;
    /** @type {[number, number][]} */
    const means = [];
    for (let from = 0; from < points.length; from += size) {
        const some = points.slice(from, from + size);
        const mean = (/** @type {0 | 1} */ axis) =>
            some.reduce((sum, point) => sum + point[axis], 0) / some.length;
        means.push([mean(0), mean(1)]);
    }
    return means;
}

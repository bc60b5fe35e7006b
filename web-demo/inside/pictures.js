/** Pictures with a row for each piece: who looks at whom, and what the answer rests on. */

import { inPercent, inTenths } from '../shell/format.js';
import { BOTTOM, draw, fit, MARGIN, newPicture, TOP, widthOf } from '../shell/picture.js';
import { wordOf } from '../shell/tone.js';

/** Most pieces of a column. */
export const MOST_ROWS = 60;

const ROW = 25;

/** Pixels left and right of the longest bars. */
const SIDE = 66;

/** Pixels for a weight in words. */
const SHARE = 42;

/** Below this share no line is drawn: it would not be seen. */
const LEAST = 0.015;

/**
 * Pixels for a column of labels.
 * @param {string[]} labels
 * @param {number} width  of the picture
 */
const roomOf = (labels, width) =>
    Math.min(
        190,
        (width - 2 * MARGIN) * 0.34,
        Math.max(76, ...labels.map((label) => widthOf(label) + 26)),
    );

/**
 * Two columns of pieces; lines go from each to those that it looks at.
 * @param {object} what
 * @param {string[]} what.labels  of the pieces first to last
 * @param {number} what.first
 * @param {ArrayLike<number>} what.weights  [n, n]
 * @param {number} what.n
 * @param {number} what.width
 * @param {string} what.title
 * @param {string} what.footer
 * @param {[string, string]} what.heads  above the columns
 */
export function drawLines({ labels, first, weights, n, width, title, footer, heads }) {
    const n_rows = labels.length;
    const room = roomOf(labels, width);
    const left = MARGIN + room;
    const right = width - MARGIN - room - SHARE;
    const top = TOP + 24;
    const height = top + n_rows * ROW + 12 + BOTTOM;
    const svg = newPicture({ width, height, title, footer });
    const middle = (/** @type {number} */ i) => top + (i + 0.5) * ROW;
    const head = { y: TOP + 8, 'font-size': 12, fill: 'var(--muted)' };
    const lines = draw('g', { fill: 'none', stroke: 'var(--accent)', 'stroke-linecap': 'round' });
    const tints = draw('g', { fill: 'var(--accent)' });
    const shares = draw('g', { 'font-size': 11.5 });
    const words = labels.map((label) => fit(label, room - 22));
    svg.append(
        draw('text', { ...head, x: left - 10, 'text-anchor': 'end' }, fit(heads[0], room)),
        draw('text', { ...head, x: right + 10 }, fit(heads[1], room)),
        tints,
        lines,
        ...words.map((label, i) =>
            draw(
                'text',
                { x: left - 10, y: middle(i) + 4.5, 'text-anchor': 'end', 'data-side': 'from' },
                label,
            ),
        ),
        ...words.map((label, i) => draw('text', { x: right + 10, y: middle(i) + 4.5 }, label)),
        shares,
    );

    /** @param {number} i @param {number} j @param {number} w @param {number} most */
    const line = (i, j, w, most) => {
        const [a, b] = [left - 2, right + 2];
        const bend = (b - a) * 0.45;
        return draw('path', {
            d:
                `M${a} ${middle(i)}C${a + bend} ${middle(i)} ${b - bend} ${middle(j)} ` +
                `${b} ${middle(j)}`,
            'stroke-width': 0.75 + 4.5 * (w / most),
            'stroke-opacity': Math.min(1, 0.08 + 0.92 * (w / most)),
        });
    };
    /** @param {number} active  the piece that looks; -1: all of them */
    const show = (active) => {
        const inside = active - first;
        const is_one = inside >= 0 && inside < n_rows;
        const rows = is_one ? [inside] : labels.map((_, i) => i);
        const found = [];
        let most = is_one ? 0.05 : 0.3;
        for (const i of rows) {
            for (let j = 0; j < n_rows; j++) {
                const w = weights[(first + i) * n + first + j];
                if (w < (is_one ? LEAST / 3 : LEAST * 2)) continue;
                found.push({ i, j, w });
                most = Math.max(most, w);
            }
        }
        lines.replaceChildren(...found.map(({ i, j, w }) => line(i, j, w, most)));
        tints.replaceChildren();
        shares.replaceChildren();
        if (!is_one) return;
        const box = { height: ROW - 3, width: room - 4, rx: 5 };
        tints.append(
            draw('rect', {
                ...box,
                x: MARGIN,
                y: top + inside * ROW + 1.5,
                fill: 'none',
                stroke: 'var(--accent)',
                'stroke-width': 2,
            }),
            ...found.map(({ j, w }) =>
                draw('rect', {
                    ...box,
                    width: room + SHARE - 4,
                    x: right + 4,
                    y: top + j * ROW + 1.5,
                    'fill-opacity': 0.36 * Math.sqrt(w / most),
                }),
            ),
        );
        shares.append(
            ...found
                .filter(({ w }) => w >= LEAST)
                .map(({ j, w }) =>
                    draw(
                        'text',
                        { x: width - MARGIN - 7, y: middle(j) + 4, 'text-anchor': 'end' },
                        inPercent(w),
                    ),
                ),
        );
    };
    return {
        svg,
        show,
        /** The piece at a place of the window; -1: none. @param {number} y */
        pieceAt(y) {
            const box = svg.getBoundingClientRect();
            const i = Math.floor((((y - box.top) * height) / box.height - top) / ROW);
            return i >= 0 && i < n_rows ? first + i : -1;
        },
    };
}

/**
 * What each piece speaks for: a bar to the right of the middle for the label, to the left against
 * it. Bars are differences of log-odds: of probabilities those near 1 hide everything.
 * @param {object} what
 * @param {string[]} what.labels
 * @param {number[]} what.scores  in log-odds
 * @param {ArrayLike<number> & Iterable<number>} what.all  scores of the whole text: one scale for
 *   all its pages
 * @param {string} what.label  that is explained
 * @param {number} what.width
 * @param {string} what.title
 * @param {string} what.footer
 */
export function drawBars({ labels, scores, all, label, width, title, footer }) {
    const top = TOP + 24;
    const room = roomOf(labels, width);
    const left = MARGIN + room + 4;
    const end = width - MARGIN;
    const height = top + labels.length * ROW + 12 + BOTTOM;
    const svg = newPicture({ width, height, title, footer });
    // Each side has the room that its longest bar needs, and that for its words.
    const [lowest, highest] = [Math.min(0, ...all), Math.max(0, ...all)];
    const range = highest - lowest || 1;
    const [before, behind] = [SIDE, SIDE + 30];
    const scale = (end - left - before - behind) / range;
    const zero = left + before - lowest * scale;
    const head = { y: TOP + 8, 'font-size': 12, fill: 'var(--muted)' };
    svg.append(
        draw('text', { ...head, x: zero - 10, 'text-anchor': 'end' }, '← against'),
        draw('text', { ...head, x: zero + 10 }, fit(`for ${wordOf(label)} →`, end - zero - 10)),
        draw('path', { d: `M${zero} ${top}v${labels.length * ROW}`, stroke: 'var(--edge)' }),
    );
    labels.forEach((words, i) => {
        const score = scores[i];
        const y = top + i * ROW;
        const long = Math.max(1, scale * Math.abs(score));
        const is_for = score >= 0;
        svg.append(
            draw(
                'text',
                { x: left - 12, y: y + ROW / 2 + 4.5, 'text-anchor': 'end' },
                fit(words, room - 12),
            ),
            draw('rect', {
                x: is_for ? zero : zero - long,
                y: y + 4,
                width: long,
                height: ROW - 8,
                rx: 2,
                fill: is_for ? 'var(--positive)' : 'var(--negative)',
            }),
            draw(
                'text',
                {
                    x: is_for ? zero + long + 6 : zero - long - 6,
                    y: y + ROW / 2 + 4,
                    'text-anchor': is_for ? 'start' : 'end',
                    'font-size': 11.5,
                    fill: 'var(--muted)',
                },
                Math.abs(score) < 0.05 ? '0' : (is_for ? '+' : '−') + inTenths(Math.abs(score)),
            ),
        );
    });
    return svg;
}

/**
 * Sentences as points of a map. A group has a colour and a shape; labels stand where there is room
 * for them, and never on one another.
 *
 * @typedef {object} Group  of sentences that are alike
 * @property {number[]} members  the most central first
 * @property {string} name  its central sentence
 *
 * @typedef {object} Map2D
 * @property {ArrayLike<number>} points  [n, 2]
 * @property {string[]} sentences
 * @property {Group[]} groups  of two or more, the largest first
 * @property {number[]} alone  those of no group
 * @property {number} width
 * @property {string} title
 * @property {string} footer
 */

import { inWhole } from '../shell/format.js';
import { BOTTOM, draw, fit, MARGIN, newPicture, TOP, widthOf } from '../shell/picture.js';

/** Of half a width of 1: drawn around 0, 0. @type {((r: number) => string)[]} */
const SHAPES = [
    (r) => `m${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`,
    (r) => polygon(4, r * 1.25, Math.PI / 4),
    (r) => polygon(3, r * 1.4, -Math.PI / 2),
    (r) => polygon(4, r * 1.35, 0),
    (r) => polygon(3, r * 1.4, Math.PI / 2),
    (r) => star(4, r * 1.6, r * 0.62, 0),
    (r) => star(5, r * 1.55, r * 0.7, -Math.PI / 2),
    (r) => polygon(6, r * 1.2, 0),
];

/** Groups with a colour of their own. */
export const N_COLOURS = SHAPES.length;

/** Most sentences that are all labelled; beyond, groups are. */
const MOST_LABELLED = 60;
const LABEL = { size: 12 };

/** @param {number} n @param {number} r @param {number} turn */
const polygon = (n, r, turn) => star(n, r, 0, turn);

/**
 * @param {number} n  points
 * @param {number} outer
 * @param {number} inner  radius between two points; 0: straight from one to the next
 * @param {number} turn
 */
function star(n, outer, inner, turn) {
    const steps = inner ? 2 * n : n;
    const places = Array.from({ length: steps }, (_, i) => {
        const angle = turn + (2 * Math.PI * i) / steps;
        const r = inner && i % 2 ? inner : outer;
        return [r * Math.cos(angle), r * Math.sin(angle)];
    });
    // Relative to the place before, as all paths here: a place and shapes make one path.
    return `${places
        .map(([x, y], i) => {
            const [u, v] = i ? places[i - 1] : [0, 0];
            return `${i ? 'l' : 'm'}${(x - u).toFixed(2)} ${(y - v).toFixed(2)}`;
        })
        .join('')}z`;
}

/**
 * The sign of a group.
 * @param {number} index  of the group; from N_COLOURS on, and for -1: of the others
 * @param {number} [r]
 */
export function signOf(index, r = 5) {
    const has_colour = index >= 0 && index < N_COLOURS;
    return {
        d: has_colour ? SHAPES[index](r) : SHAPES[0](r * 0.6),
        fill: has_colour ? `var(--group-${index + 1})` : 'var(--edge)',
    };
}

/** @param {Map2D} map */
export function drawMap({ points, sentences, groups, alone, width, title, footer }) {
    const n = sentences.length;
    const coloured = groups.slice(0, N_COLOURS);
    const rest = [...groups.slice(N_COLOURS).flatMap(({ members }) => members), ...alone];
    const n_columns = width > 560 ? 2 : 1;
    const n_legend = coloured.length + Number(rest.length > 0);
    const legend_height = Math.ceil(n_legend / n_columns) * 22 + 14;
    const plot = Math.min(width * (width < 560 ? 1 : 0.68), 620);
    const height = TOP + plot + legend_height + BOTTOM;
    const svg = newPicture({ width, height, title, footer });

    const places = placed(points, n, {
        left: MARGIN + 16,
        top: TOP + 12,
        width: width - 2 * MARGIN - 32,
        height: plot - 24,
    });
    svg.append(
        draw('rect', {
            x: MARGIN,
            y: TOP - 4,
            width: width - 2 * MARGIN,
            height: plot + 4,
            rx: 6,
            fill: 'none',
            stroke: 'var(--line)',
        }),
    );
    const rings = draw('g', { fill: 'none', stroke: 'var(--ink)', 'stroke-width': 1.5 });
    svg.append(rings);
    const r = n > 1500 ? 2.5 : n > 300 ? 3.5 : 5;
    /** @param {number[]} members @param {number} index */
    const path = (members, index) => {
        const { d, fill } = signOf(index, r);
        const all = members.map((i) => `M${places[i].x.toFixed(1)} ${places[i].y.toFixed(1)}${d}`);
        return draw('path', { d: all.join(''), fill, stroke: 'var(--surface)' });
    };
    if (rest.length) svg.append(path(rest, -1));
    coloured.forEach(({ members }, index) => svg.append(path(members, index)));

    const wanted =
        n <= MOST_LABELLED
            ? [...coloured.flatMap(({ members }) => members), ...rest]
            : coloured.map(({ members }) => members[0]);
    svg.append(labelsOf(wanted, places, sentences, { width, top: TOP, plot, r }));

    const column = (width - 2 * MARGIN) / n_columns;
    [...coloured.map(({ name, members }) => [name, members.length]), ['Others', rest.length]]
        .slice(0, n_legend)
        .forEach(([name, count], i) => {
            const sign = signOf(i < coloured.length ? i : -1);
            const x = MARGIN + 8 + (i % n_columns) * column;
            const y = TOP + plot + 24 + Math.floor(i / n_columns) * 22;
            const words = ` (${inWhole(Number(count))})`;
            const room = column - 34 - widthOf(words);
            svg.append(
                draw('path', { d: `M${x} ${y - 4.5}${sign.d}`, fill: sign.fill }),
                draw('text', { x: x + 14, y }, fit(String(name), room) + words),
            );
        });
    const marks = draw('g', { 'data-page-only': '', 'pointer-events': 'none' });
    svg.append(marks);

    return {
        svg,
        /** The sentence nearest to a place of the window. @param {number} x @param {number} y */
        nearest(x, y) {
            const box = svg.getBoundingClientRect();
            const scale = width / box.width;
            const [u, v] = [(x - box.left) * scale, (y - box.top) * scale];
            let [best, least] = [-1, 40 ** 2];
            places.forEach((place, i) => {
                const distance = (place.x - u) ** 2 + (place.y - v) ** 2;
                if (distance < least) [best, least] = [i, distance];
            });
            return best;
        },
        /** The one that is looked at; -1: none. @param {number} i */
        mark(i) {
            marks.replaceChildren();
            if (i < 0) return;
            const { x, y } = places[i];
            const words = fit(sentences[i], Math.min(340, width - 2 * MARGIN - 24), LABEL);
            const wide = widthOf(words, LABEL) + 16;
            const left = Math.max(MARGIN, Math.min(x - wide / 2, width - MARGIN - wide));
            const above = y - TOP > 44;
            marks.append(
                draw('circle', {
                    cx: x,
                    cy: y,
                    r: r + 5,
                    fill: 'none',
                    stroke: 'var(--ink)',
                    'stroke-width': 2,
                }),
                draw('rect', {
                    x: left,
                    y: above ? y - 42 : y + 16,
                    width: wide,
                    height: 26,
                    rx: 5,
                    fill: 'var(--ink)',
                }),
                draw(
                    'text',
                    {
                        x: left + 8,
                        y: above ? y - 25 : y + 33,
                        'font-size': LABEL.size,
                        fill: 'var(--surface)',
                    },
                    words,
                ),
            );
        },
        /** Those that a search has found. @param {number[]} found */
        ring(found) {
            rings.replaceChildren(
                ...found.map((i) => draw('circle', { cx: places[i].x, cy: places[i].y, r: r + 4 })),
            );
        },
    };
}

/**
 * One scale for both directions: distances are what the map shows.
 * @param {ArrayLike<number>} points
 * @param {number} n
 * @param {{left: number, top: number, width: number, height: number}} box
 */
function placed(points, n, { left, top, width, height }) {
    const [low, high] = [
        [Infinity, Infinity],
        [-Infinity, -Infinity],
    ];
    for (let i = 0; i < n; i++) {
        for (const axis of [0, 1]) {
            low[axis] = Math.min(low[axis], points[2 * i + axis]);
            high[axis] = Math.max(high[axis], points[2 * i + axis]);
        }
    }
    const [across, along] = [high[0] - low[0], high[1] - low[1]];
    const scale = Math.min(
        across > 0 ? width / across : Infinity,
        along > 0 ? height / along : Infinity,
    );
    const by = Number.isFinite(scale) ? scale : 0;
    return Array.from({ length: n }, (_, i) => ({
        x: left + width / 2 + (points[2 * i] - (low[0] + high[0]) / 2) * by,
        y: top + height / 2 - (points[2 * i + 1] - (low[1] + high[1]) / 2) * by,
    }));
}

/**
 * Labels where there is room: right of their point, left, above, below; else none. The first ones
 * have the choice.
 * @param {number[]} wanted
 * @param {{x: number, y: number}[]} places
 * @param {string[]} sentences
 * @param {{width: number, top: number, plot: number, r: number}} room
 */
function labelsOf(wanted, places, sentences, { width, top, plot, r }) {
    const rooms = width < 560 ? [130, 80] : [320, 220, 150, 90];
    /** @type {{left: number, right: number, top: number, bottom: number}[]} */
    const taken = [];
    const of_few = places.length <= 400 ? places : [];
    const isFree = (/** @type {typeof taken[number]} */ box) =>
        box.left > MARGIN + 3 &&
        box.right < width - MARGIN - 3 &&
        box.top > top &&
        box.bottom < top + plot - 3 &&
        !taken.some(
            (other) =>
                box.left < other.right &&
                other.left < box.right &&
                box.top < other.bottom &&
                other.top < box.bottom,
        ) &&
        !of_few.some(
            ({ x, y }) =>
                x + r > box.left && x - r < box.right && y + r > box.top && y - r < box.bottom,
        );
    const labels = draw('g', {
        'font-size': LABEL.size,
        'data-labels': '',
        stroke: 'var(--surface)',
        'stroke-width': 3,
        'stroke-linejoin': 'round',
        'paint-order': 'stroke',
    });
    for (const i of wanted) {
        const { x, y } = places[i];
        for (const room of rooms) {
            const words = fit(sentences[i], room, LABEL);
            const wide = widthOf(words, LABEL);
            const gap = r + 4;
            const corner = [
                [x + gap, y - 8],
                [x - gap - wide, y - 8],
                [x - wide / 2, y - gap - 16],
                [x - wide / 2, y + gap],
                [x + gap * 0.7, y - gap - 13],
                [x - wide - gap * 0.7, y + gap * 0.3],
            ]
                .map(([u, v]) => ({ left: u, right: u + wide, top: v, bottom: v + 16 }))
                .find(isFree);
            if (!corner) continue;
            taken.push(corner);
            labels.append(draw('text', { x: corner.left, y: corner.top + 12 }, words));
            break;
        }
    }
    return labels;
}

/**
 * A square matrix as a picture: a tint for each pair, read by pointer and by arrow keys. Up to some
 * dozen rows cells are shapes, which stay sharp; beyond that they are one image.
 *
 * @typedef {object} Matrix
 * @property {string} title
 * @property {string} footer
 * @property {string[]} labels  of rows and columns
 * @property {ArrayLike<number>} values  [n, n]
 * @property {(value: number) => number} tint  0 to 1
 * @property {[string, number][]} legend  words and values
 * @property {string} rows  what a row is, in words
 * @property {string} columns
 * @property {number} width  most of the picture
 * @property {number[]} [groups]  at which rows a line is drawn before them
 *
 * @typedef {object} Drawn
 * @property {SVGSVGElement} svg
 * @property {(row: number, column: number) => void} mark  the cell that is looked at
 * @property {() => void} unmark
 */

import { make } from './dom.js';
import {
    addressOfImage,
    BOTTOM,
    colourOf,
    draw,
    fit,
    MARGIN,
    newPicture,
    TOP,
    widthOf,
} from './picture.js';

/** Most rows whose cells are shapes, and most pixels of a cell. */
const MOST_SHAPES = 64;
const LARGEST = 44;

/** Least pixels of a cell beside which there is a label. */
const LEGIBLE = 11;

/** Shades of tint that are told apart. */
const SHADES = 40;

/**
 * @param {Matrix} matrix
 * @returns {Promise<Drawn>}
 */
export async function drawMatrix(matrix) {
    const { labels, values, tint, width: most, groups = [] } = matrix;
    const n = labels.length;
    const [bare, room] = [most - 2 * MARGIN, Math.min(180, most * 0.28)];
    const widest = Math.min(room, Math.max(24, ...labels.map((label) => widthOf(label) + 8)));
    const is_labelled = (bare - widest) / n >= LEGIBLE;
    const edge = is_labelled ? widest : 0;
    const size = Math.min(LARGEST, (bare - edge) / n);
    const left = MARGIN + edge;
    const top = TOP + 20 + edge;
    const side = n * size;
    const width = Math.max(Math.min(most, 300), left + side + MARGIN);
    const height = top + side + 46 + BOTTOM;
    const svg = newPicture({ ...matrix, width, height });

    svg.append(
        draw(
            'text',
            { x: MARGIN, y: TOP + 4, 'font-size': 12, fill: 'var(--muted)' },
            fit(`Rows: ${matrix.rows}. Columns: ${matrix.columns}.`, width - 2 * MARGIN, {
                size: 12,
            }),
        ),
    );
    if (is_labelled) {
        const font = { size: Math.min(13, size + 1) };
        labels.forEach((label, i) => {
            const words = fit(label, edge - 8, font);
            const middle = (i + 0.5) * size + font.size * 0.35;
            svg.append(
                draw(
                    'text',
                    { x: left - 7, y: top + middle, 'text-anchor': 'end', 'font-size': font.size },
                    words,
                ),
                draw(
                    'text',
                    {
                        transform: `translate(${left + middle} ${top - 7}) rotate(-90)`,
                        'font-size': font.size,
                    },
                    words,
                ),
            );
        });
    }
    const cells = draw('g', { transform: `translate(${left} ${top})` });
    cells.append(draw('rect', { width: side, height: side, fill: 'var(--surface)' }));
    if (n <= MOST_SHAPES) cells.append(...shapesOf(n, values, tint, size));
    else cells.append(await imageOf(n, values, tint, side));
    for (const at of groups) {
        const [where, end] = [at * size, side];
        cells.append(
            draw('path', {
                d: `M${where} 0V${end}M0 ${where}H${end}`,
                stroke: 'var(--edge)',
                'stroke-width': 1,
            }),
        );
    }
    cells.append(draw('rect', { width: side, height: side, fill: 'none', stroke: 'var(--line)' }));
    const marks = draw('g', { 'data-page-only': '', fill: 'none', 'pointer-events': 'none' });
    cells.append(marks);
    svg.append(cells, legendOf(matrix, left + Math.max(0, (side - 240) / 2), top + side + 16));
    svg.dataset.left = String(left);
    svg.dataset.top = String(top);
    svg.dataset.size = String(size);

    return {
        svg,
        mark(row, column) {
            const [x, y] = [column * size, row * size];
            const band = { fill: 'var(--ink)', 'fill-opacity': 0.08 };
            marks.replaceChildren(
                draw('rect', { y, width: side, height: size, ...band }),
                draw('rect', { x, width: size, height: side, ...band }),
                draw('rect', {
                    x: x - 1,
                    y: y - 1,
                    width: size + 2,
                    height: size + 2,
                    stroke: 'var(--ink)',
                    'stroke-width': 2,
                }),
            );
        },
        unmark: () => marks.replaceChildren(),
    };
}

/**
 * A path for each shade.
 * @param {number} n
 * @param {ArrayLike<number>} values
 * @param {(value: number) => number} tint
 * @param {number} size
 */
function shapesOf(n, values, tint, size) {
    /** @type {string[]} */
    const paths = new Array(SHADES + 1).fill('');
    const gap = size > 8 ? 0.5 : 0;
    const side = Math.round((size - 2 * gap) * 100) / 100;
    for (let row = 0; row < n; row++) {
        for (let column = 0; column < n; column++) {
            const shade = Math.round(tint(values[row * n + column]) * SHADES);
            const x = Math.round((column * size + gap) * 100) / 100;
            const y = Math.round((row * size + gap) * 100) / 100;
            paths[shade] += `M${x} ${y}h${side}v${side}h-${side}z`;
        }
    }
    return paths.flatMap((d, shade) =>
        d && shade
            ? [draw('path', { d, fill: 'var(--accent)', 'fill-opacity': shade / SHADES })]
            : [],
    );
}

/**
 * @param {number} n
 * @param {ArrayLike<number>} values
 * @param {(value: number) => number} tint
 * @param {number} side
 */
async function imageOf(n, values, tint, side) {
    const canvas = make('canvas', { width: n, height: n });
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
    context.putImageData(tinted(context, n, n, values, tint), 0, 0);
    return draw('image', {
        href: await addressOfImage(canvas),
        width: side,
        height: side,
        preserveAspectRatio: 'none',
        'image-rendering': 'pixelated',
    });
}

/**
 * A pixel for each value.
 * @param {CanvasRenderingContext2D} context
 * @param {number} width
 * @param {number} height
 * @param {ArrayLike<number>} values  row-major
 * @param {(value: number) => number} tint
 */
export function tinted(context, width, height, values, tint) {
    const [red, green, blue] = colourOf('--accent');
    const image = context.createImageData(width, height);
    for (let i = 0; i < width * height; i++) {
        image.data[4 * i] = red;
        image.data[4 * i + 1] = green;
        image.data[4 * i + 2] = blue;
        image.data[4 * i + 3] = 255 * tint(values[i]);
    }
    return image;
}

/**
 * Shades with their values in words.
 * @param {Pick<Matrix, 'legend' | 'tint'>} matrix
 * @param {number} left
 * @param {number} top
 */
export function legendOf({ legend, tint }, left, top) {
    const step = 240 / legend.length;
    return draw(
        'g',
        { transform: `translate(${left} ${top})`, 'font-size': 11, fill: 'var(--muted)' },
        ...legend.flatMap(([words, value], i) => [
            draw('rect', {
                x: i * step,
                width: step - 2,
                height: 9,
                fill: 'var(--accent)',
                'fill-opacity': tint(value),
                stroke: 'var(--line)',
                'stroke-width': 0.5,
            }),
            draw('text', { x: i * step + (step - 2) / 2, y: 23, 'text-anchor': 'middle' }, words),
        ]),
    );
}

/**
 * Lets a matrix be read: by pointer, tap and arrow keys.
 * @param {Drawn} drawn
 * @param {object} how
 * @param {number} how.n
 * @param {string} how.label  what it is, for those who do not see it
 * @param {(row: number, column: number, by_key: boolean) => void} how.look
 * @param {() => void} [how.leave]
 */
export function makeReadable({ svg, mark, unmark }, { n, label, look, leave = () => {} }) {
    svg.setAttribute('role', 'application');
    svg.setAttribute('aria-roledescription', 'matrix');
    svg.setAttribute('aria-label', `${label} The arrow keys go from cell to cell.`);
    svg.setAttribute('tabindex', '0');
    let [row, column] = [0, 0];
    /** @param {number} r @param {number} c @param {boolean} by_key */
    const at = (r, c, by_key) => {
        [row, column] = [r, c];
        mark(r, c);
        look(r, c, by_key);
    };
    const onpointer = (/** @type {PointerEvent} */ event) => {
        const box = svg.getBoundingClientRect();
        const scale = svg.viewBox.baseVal.width / box.width;
        const { left, top, size } = svg.dataset;
        const c = Math.floor(((event.clientX - box.left) * scale - Number(left)) / Number(size));
        const r = Math.floor(((event.clientY - box.top) * scale - Number(top)) / Number(size));
        if (r >= 0 && c >= 0 && r < n && c < n) at(r, c, false);
    };
    svg.addEventListener('pointermove', onpointer);
    svg.addEventListener('pointerdown', onpointer);
    svg.addEventListener('pointerleave', () => {
        if (svg === document.activeElement) return;
        unmark();
        leave();
    });
    svg.addEventListener('focus', () => {
        if (svg.matches(':focus-visible')) at(row, column, true);
    });
    svg.addEventListener('blur', () => {
        unmark();
        leave();
    });
    svg.addEventListener('keydown', (event) => {
        if (event.ctrlKey || event.altKey || event.metaKey) return;
        const last = n - 1;
        /** @type {Record<string, [number, number]>} */
        const places = {
            ArrowUp: [Math.max(0, row - 1), column],
            ArrowDown: [Math.min(last, row + 1), column],
            ArrowLeft: [row, Math.max(0, column - 1)],
            ArrowRight: [row, Math.min(last, column + 1)],
            Home: [row, 0],
            End: [row, last],
            PageUp: [0, column],
            PageDown: [last, column],
        };
        const place = places[event.key];
        if (!place) return;
        event.preventDefault();
        at(...place, true);
    });
}

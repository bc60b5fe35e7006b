/**
 * The overview of all heads of all layers, a small matrix each: one is chosen by a tap or by the
 * arrow keys.
 */

import { make } from '../shell/dom.js';
import { inWhole } from '../shell/format.js';
import { legendOf, tinted } from '../shell/matrix.js';
import {
    addressOfImage,
    BOTTOM,
    draw,
    fit,
    MARGIN,
    newPicture,
    putPicture,
    TOP,
} from '../shell/picture.js';
import { THUMBNAIL } from './reading.js';
import { WEIGHTS } from './weights.js';

/** @typedef {import('./reading.js').Reading} Reading */

/** Of more pieces all heads take long: each layer is shown when it is there. */
const MOST_AT_ONCE = 128;

/** Layers and heads that an arrow key goes by. @type {Record<string, [number, number]>} */
const STEPS = {
    ArrowUp: [-1, 0],
    ArrowDown: [1, 0],
    ArrowLeft: [0, -1],
    ArrowRight: [0, 1],
};

/**
 * @param {object} how
 * @param {HTMLElement} how.place
 * @param {HTMLElement} how.words  how far it is, and how to choose
 * @param {() => string} how.footer
 * @param {(reading: Reading) => boolean} how.isShown  whether it is still the one that is
 * @param {Readonly<Pick<import('./state.js').View, 'layer' | 'head'>>} how.view  where arrow keys
 *   go on from; it changes
 * @param {(layer: number, head: number) => void} how.onchoose  from 1
 */
export function makeHeads({ place, words, footer, isShown, view, onchoose }) {
    /** By layer; null: not there yet. @type {(Float32Array[] | null)[]} */
    let thumbnails = [];
    /** @type {Awaited<ReturnType<typeof drawOverview>> | null} */
    let drawn = null;
    /** @type {[number, number | null]} */
    let marked = [0, null];

    /** @param {Reading} reading @param {AbortSignal} signal */
    async function fill(reading, signal) {
        const { n, n_layers } = reading;
        const layers = new Array(n_layers).fill(null);
        thumbnails = layers;
        for (let layer = 0; layer < n_layers; layer++) {
            if (n > MOST_AT_ONCE) {
                words.textContent = `All heads: layer ${layer + 1} of ${n_layers} …`;
                await show(reading);
            }
            layers[layer] = await reading.thumbnails(layer);
            signal.throwIfAborted();
        }
        await show(reading);
        signal.throwIfAborted();
        words.textContent =
            'Choose a head: tap it, or use the arrow keys.' +
            (n > THUMBNAIL ? ' Each is drawn smaller than it is, by its largest weights.' : '');
    }

    /** Draws what is there, at the place's width. @param {Reading} reading */
    async function show(reading) {
        if (place.clientWidth === 0) return;
        const { n, n_layers, n_heads } = reading;
        const overview = await drawOverview({
            layers: thumbnails,
            n_heads,
            side: Math.min(n, THUMBNAIL),
            width: place.clientWidth,
            title: 'All heads of all layers',
            footer: footer(),
        });
        if (!isShown(reading)) return;
        const { svg, headAt } = overview;
        svg.setAttribute('role', 'application');
        svg.setAttribute('aria-roledescription', 'grid of heads');
        svg.setAttribute('tabindex', '0');
        svg.setAttribute(
            'aria-label',
            `All ${inWhole(n_layers)} layers with ${inWhole(n_heads)} heads each. ` +
                'The arrow keys choose one.',
        );
        svg.addEventListener('click', ({ clientX, clientY }) => {
            const at = headAt(clientX, clientY);
            if (at) onchoose(at.layer + 1, at.head + 1);
        });
        svg.addEventListener('keydown', (event) => {
            const step = STEPS[event.key];
            if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
            event.preventDefault();
            const within = (/** @type {number} */ x, /** @type {number} */ most) =>
                Math.max(1, Math.min(most, x));
            onchoose(
                within(view.layer + step[0], n_layers),
                within((view.head ?? 0) + step[1], n_heads),
            );
        });
        putPicture(place, svg);
        drawn = overview;
        drawn.mark(...marked);
    }

    return {
        fill,
        show,
        /** @param {number} layer  from 0 @param {number | null} head  from 0; null: none of them */
        mark(layer, head) {
            marked = [layer, head];
            drawn?.mark(layer, head);
        },
    };
}

/**
 * All heads of all layers, a small matrix each.
 * @param {object} what
 * @param {(Float32Array[] | null)[]} what.layers  small pictures of each layer's heads; null: not
 *   there yet
 * @param {number} what.n_heads
 * @param {number} what.side  pixels of a small picture
 * @param {number} what.width
 * @param {string} what.title
 * @param {string} what.footer
 */
async function drawOverview({ layers, n_heads, side, width, title, footer }) {
    const left = MARGIN + 22;
    const size = Math.min(64, (width - left - MARGIN) / n_heads);
    const top = TOP + 24;
    const total = Math.max(Math.min(width, 280), left + n_heads * size + MARGIN);
    const height = top + layers.length * size + 44 + BOTTOM;
    const svg = newPicture({ width: total, height, title, footer });
    const gap = 1;
    const unit = side + 2 * gap;
    const canvas = make('canvas', { width: n_heads * unit, height: layers.length * unit });
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
    const small = { 'font-size': 11, fill: 'var(--muted)', 'text-anchor': 'middle' };
    const frames = [];
    layers.forEach((pictures, layer) => {
        svg.append(
            draw(
                'text',
                { ...small, x: left - 12, y: top + (layer + 0.5) * size + 4 },
                `${layer + 1}`,
            ),
        );
        pictures?.forEach((values, head) => {
            const image = tinted(context, side, side, values, WEIGHTS.tint);
            context.putImageData(image, head * unit + gap, layer * unit + gap);
        });
        for (let head = 0; head < n_heads; head++) {
            const inset = (gap * size) / unit;
            frames.push(
                `M${left + head * size + inset} ${top + layer * size + inset}` +
                    `h${size - 2 * inset}v${size - 2 * inset}h${2 * inset - size}z`,
            );
        }
    });
    for (let head = 0; head < n_heads; head += size < 16 ? 2 : 1) {
        svg.append(
            draw('text', { ...small, x: left + (head + 0.5) * size, y: top - 6 }, `${head + 1}`),
        );
    }
    svg.append(
        draw(
            'text',
            { x: MARGIN, y: TOP + 2, 'font-size': 11, fill: 'var(--muted)' },
            fit('Rows: layers. Columns: heads.', total - 2 * MARGIN, { size: 11 }),
        ),
        draw('image', {
            href: await addressOfImage(canvas),
            x: left,
            y: top,
            width: n_heads * size,
            height: layers.length * size,
            preserveAspectRatio: 'none',
            'image-rendering': 'pixelated',
        }),
        draw('path', {
            d: frames.join(''),
            fill: 'none',
            stroke: 'var(--line)',
            'stroke-width': 0.75,
        }),
        legendOf(WEIGHTS, Math.max(MARGIN, (total - 240) / 2), top + layers.length * size + 14),
    );
    const chosen = draw('rect', {
        width: size,
        height: size,
        rx: 2,
        fill: 'none',
        stroke: 'var(--ink)',
        'stroke-width': 2.5,
    });
    svg.append(chosen);
    return {
        svg,
        /** @param {number} layer @param {number | null} head  null: none of them */
        mark(layer, head) {
            chosen.setAttribute('visibility', head === null ? 'hidden' : 'visible');
            chosen.setAttribute('x', String(left + (head ?? 0) * size));
            chosen.setAttribute('y', String(top + layer * size));
        },
        /** @param {number} x @param {number} y  of the window */
        headAt(x, y) {
            const box = svg.getBoundingClientRect();
            const scale = total / box.width;
            const head = Math.floor(((x - box.left) * scale - left) / size);
            const layer = Math.floor(((y - box.top) * scale - top) / size);
            const is_one = head >= 0 && head < n_heads && layer >= 0 && layer < layers.length;
            return is_one ? { layer, head } : null;
        },
    };
}

/**
 * Pictures: SVG elements that look right in the page and, saved, anywhere else. Colours are the
 * page's custom properties (`fill="var(--ink)"`), which become plain colours in a saved file, so a
 * picture follows the page's theme without being drawn anew. Not drawn into a canvas: text stays
 * text, and lines stay sharp.
 */

import { make, saveFile } from './dom.js';

const NAMESPACE = 'http://www.w3.org/2000/svg';
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif';

/** Most pixels of a canvas that every browser draws. */
const MOST_PIXELS = 16e6;

/**
 * A new element of a picture.
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {...(Node | string)} children
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function draw(tag, attributes = {}, ...children) {
    const element = document.createElementNS(NAMESPACE, tag);
    for (const [name, value] of Object.entries(attributes)) {
        element.setAttribute(name, typeof value === 'number' ? String(rounded(value)) : value);
    }
    element.append(...children);
    return /** @type {any} */ (element);
}

/**
 * Shows a picture in place of the one before: keys go on in it, if they went to that.
 * @param {HTMLElement} place
 * @param {Element & HTMLOrSVGElement} picture
 */
export function putPicture(place, picture) {
    const had_focus = place.contains(document.activeElement);
    place.replaceChildren(picture);
    if (had_focus) picture.focus({ preventScroll: true });
}

/** Of a hundredth of a pixel nobody sees anything. @param {number} value */
const rounded = (value) => Math.round(value * 100) / 100;

/**
 * An empty picture with its ground, a title and a line below that says what it was made of.
 * @param {object} what
 * @param {number} what.width
 * @param {number} what.height
 * @param {string} what.title
 * @param {string} [what.footer]
 */
export function newPicture({ width, height, title, footer = '' }) {
    const svg = draw('svg', {
        width,
        height,
        viewBox: `0 0 ${rounded(width)} ${rounded(height)}`,
        'font-family': FONT,
        'font-size': 13,
        fill: 'var(--ink)',
    });
    svg.append(
        draw('rect', { width, height, fill: 'var(--surface)' }),
        draw(
            'text',
            { x: MARGIN, y: 26, 'font-size': 15, 'font-weight': 650 },
            fit(title, width - 2 * MARGIN, { size: 15, weight: 650 }),
        ),
        draw(
            'text',
            { x: MARGIN, y: height - 12, 'font-size': 12, fill: 'var(--muted)' },
            fit(footer, width - 2 * MARGIN, { size: 12 }),
        ),
    );
    return svg;
}

/** Left and right of everything; above what is drawn, and below it. */
export const MARGIN = 14;
export const TOP = 46;
export const BOTTOM = 38;

/** @type {CanvasRenderingContext2D | null} */
let measuring;

/**
 * Pixels that a text is wide.
 * @param {string} text
 * @param {{size?: number, weight?: number}} [font]
 */
export function widthOf(text, { size = 13, weight = 400 } = {}) {
    measuring ??= make('canvas').getContext('2d');
    if (!measuring) return text.length * size * 0.6;
    measuring.font = `${weight} ${size}px ${FONT}`;
    return measuring.measureText(text).width;
}

/**
 * A text, cut where it is wider than that.
 * @param {string} text
 * @param {number} width
 * @param {{size?: number, weight?: number}} [font]
 */
export function fit(text, width, font) {
    if (widthOf(text, font) <= width) return text;
    const characters = [...text.slice(0, 400)];
    let [low, high] = [0, characters.length];
    while (low < high) {
        const middle = (low + high + 1) >> 1;
        const cut = `${characters.slice(0, middle).join('')}…`;
        if (widthOf(cut, font) <= width) low = middle;
        else high = middle - 1;
    }
    return `${characters.slice(0, low).join('').trimEnd()}…`;
}

/**
 * A picture as a file of its own: what serves the page alone is gone, colours are plain.
 * @param {SVGSVGElement} svg  in the page
 */
export function svgOf(svg) {
    const copy = /** @type {SVGSVGElement} */ (svg.cloneNode(true));
    for (const each of copy.querySelectorAll('[data-page-only]')) each.remove();
    for (const each of [copy, ...copy.querySelectorAll('*')]) {
        for (const { name } of [...each.attributes]) {
            if (/^(class|role|tabindex|style|id|data-.*|aria-.*)$/.test(name)) {
                each.removeAttribute(name);
            }
        }
    }
    const style = getComputedStyle(svg);
    return new XMLSerializer()
        .serializeToString(copy)
        .replace(/var\((--[\w-]+)\)/g, (_, name) => style.getPropertyValue(name).trim());
}

/**
 * @param {SVGSVGElement} svg  in the page
 * @param {number} [scale]  pixels for each of the picture's
 * @returns {Promise<Blob>}
 */
export async function pngOf(svg, scale = 2) {
    const { width, height } = svg.viewBox.baseVal;
    const fitting = Math.min(scale, Math.sqrt(MOST_PIXELS / (width * height)));
    const url = URL.createObjectURL(new Blob([svgOf(svg)], { type: 'image/svg+xml' }));
    try {
        const image = new Image();
        image.src = url;
        await image.decode();
        const canvas = make('canvas', {
            width: Math.round(width * fitting),
            height: Math.round(height * fitting),
        });
        canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height);
        return await blobOf(canvas);
    } finally {
        URL.revokeObjectURL(url);
    }
}

/** @param {HTMLCanvasElement} canvas @returns {Promise<Blob>} */
function blobOf(canvas) {
    return new Promise((resolve, reject) =>
        canvas.toBlob((blob) =>
            blob ? resolve(blob) : reject(new Error('this browser could not draw the picture')),
        ),
    );
}

/**
 * A canvas as an address that is the image itself: it is in the file that is saved.
 * @param {HTMLCanvasElement} canvas
 * @returns {Promise<string>}
 */
export async function addressOfImage(canvas) {
    const reader = new FileReader();
    const read = new Promise((resolve, reject) => {
        reader.onload = () => resolve(String(reader.result));
        reader.onerror = () => reject(reader.error);
    });
    reader.readAsDataURL(await blobOf(canvas));
    return /** @type {Promise<string>} */ (read);
}

/**
 * Two buttons that save a picture.
 * @param {() => SVGSVGElement | null} picture  the one that is shown
 * @param {() => string} name  of the file, without its ending
 * @param {(words: string) => void} announce
 */
export function saveButtons(picture, name, announce) {
    /** @param {string} ending @param {(svg: SVGSVGElement) => Blob | Promise<Blob>} toBlob */
    const button = (ending, toBlob) =>
        make(
            'button',
            {
                type: 'button',
                dataset: { save: ending },
                onclick: async () => {
                    const svg = picture();
                    if (!svg) return;
                    try {
                        saveFile(await toBlob(svg), `${name()}.${ending}`);
                        announce(`${name()}.${ending} is saved`);
                    } catch (error) {
                        announce(`The picture could not be saved: ${error.message}`);
                    }
                },
            },
            `Save as ${ending.toUpperCase()}`,
        );
    return [
        button('svg', (svg) => new Blob([svgOf(svg)], { type: 'image/svg+xml' })),
        button('png', (svg) => pngOf(svg)),
    ];
}

/**
 * The red, green and blue of a custom property, for canvases.
 * @param {string} name
 */
export function colourOf(name) {
    const context = make('canvas', { width: 1, height: 1 }).getContext('2d');
    if (!context) return [0, 0, 0];
    context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data.subarray(0, 3)];
}

/**
 * Calls back when a picture must be drawn anew: its place has another width, or the page another
 * theme.
 * @param {HTMLElement} place
 * @param {() => void} redraw
 */
export function whenChanged(place, redraw) {
    let width = place.clientWidth;
    new ResizeObserver(() => {
        if (place.clientWidth === width || !place.clientWidth) return;
        width = place.clientWidth;
        redraw();
    }).observe(place);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
}

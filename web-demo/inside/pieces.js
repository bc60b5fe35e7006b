/** The row of word pieces: each is pointed at, reached by arrow keys, and kept by a tap. */

import { make, nextFrame } from '../shell/dom.js';
import { inUnits, inWhole } from '../shell/format.js';

/** @typedef {import('./reading.js').Piece} Piece */

/** Most pieces that are shown without being asked for. */
const MOST_CHIPS = 128;
const CHIPS_AT_ONCE = 64;

/**
 * @param {object} how
 * @param {HTMLElement} how.place
 * @param {HTMLElement} how.words  what pieces there are
 * @param {(i: number) => void} how.onpoint  -1: the pointer has left
 * @param {(i: number, by_key: boolean) => void} how.onfocus  -1: the focus has left
 * @param {(i: number) => void} how.onchoose
 */
export function makePieces({ place, words, onpoint, onfocus, onchoose }) {
    /** @type {HTMLButtonElement[]} */
    let chips = [];

    /** The piece that is kept; -1: none. */
    let chosen = -1;

    /**
     * @param {Piece[]} pieces
     * @param {AbortSignal} signal
     * @param {HTMLElement | null} [before]
     */
    async function add(pieces, signal, before = null) {
        for (let first = 0; first < pieces.length; first += CHIPS_AT_ONCE) {
            if (chips.length) await nextFrame();
            if (signal.aborted) return;
            const begin = chips.length;
            const added = pieces
                .slice(first, first + CHIPS_AT_ONCE)
                .map((piece, i) => chipOf(piece, begin + i));
            chips.push(...added);
            for (const chip of added) place.insertBefore(chip, before);
        }
    }

    /** @param {Piece} piece @param {number} i */
    function chipOf({ token, id, start, end, sequence, special }, i) {
        const where = special ? 'special' : `${start}–${end}`;
        const pair = sequence === 1 ? ', second text' : '';
        return make(
            'button',
            {
                type: 'button',
                className: 'inside-piece',
                tabIndex: -1,
                dataset: {
                    piece: String(i),
                    kind: special ? 'special' : sequence === 1 ? 'second' : 'first',
                },
                'aria-pressed': String(i === chosen),
            },
            make('span', { className: 'inside-token', dir: 'auto' }, token),
            make('span', { className: 'unseen' }, ', number '),
            make('span', { className: 'inside-id numbers' }, id === null ? '–' : String(id)),
            make('span', { className: 'unseen' }, special ? ', ' : `${pair}, characters `),
            make('span', { className: 'inside-id numbers' }, where),
        );
    }

    /** The one piece that the tab key stops at. @param {number} i */
    function rove(i) {
        for (const chip of place.querySelectorAll('[tabindex="0"]')) {
            /** @type {HTMLElement} */ (chip).tabIndex = -1;
        }
        if (chips.length) chips[Math.min(i, chips.length - 1)].tabIndex = 0;
    }

    /** @param {Event} event @returns {number}  the piece that it is of; -1: of none */
    function pieceOf({ target }) {
        const chip = /** @type {HTMLElement} */ (target).closest('[data-piece]');
        return chip ? Number(/** @type {HTMLElement} */ (chip).dataset.piece) : -1;
    }

    place.addEventListener('pointerover', (event) => {
        const i = pieceOf(event);
        if (i >= 0) onpoint(i);
    });
    place.addEventListener('pointerleave', () => onpoint(-1));
    place.addEventListener('focusin', (event) => {
        const i = pieceOf(event);
        if (i < 0) return;
        rove(i);
        onfocus(i, /** @type {HTMLElement} */ (event.target).matches(':focus-visible'));
    });
    place.addEventListener('focusout', () => onfocus(-1, false));
    place.addEventListener('click', (event) => {
        const i = pieceOf(event);
        if (i >= 0) onchoose(i);
    });
    place.addEventListener('keydown', (event) => {
        const i = pieceOf(event);
        /** @type {Record<string, number>} */
        const places = {
            ArrowLeft: i - 1,
            ArrowRight: i + 1,
            ArrowUp: i - 1,
            ArrowDown: i + 1,
            Home: 0,
            End: chips.length - 1,
        };
        const to = places[event.key];
        if (i < 0 || to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
        event.preventDefault();
        chips[Math.max(0, Math.min(chips.length - 1, to))].focus();
    });

    return {
        /**
         * @param {import('./reading.js').Reading} reading
         * @param {number} kept  the piece that is; -1: none
         * @param {AbortSignal} signal
         */
        async fill({ n, pieces, is_cut }, kept, signal) {
            const n_special = pieces.filter(({ special }) => special).length;
            words.textContent =
                `${inUnits(n, 'piece')}, ${inWhole(n_special)} of them special. Under each are ` +
                'its number in the vocabulary and its place in the text.' +
                (is_cut ? ` The text is longer than the model reads: the first ${n} pieces.` : '');
            chips = [];
            chosen = kept;
            place.replaceChildren();
            await add(pieces.slice(0, MOST_CHIPS), signal);
            if (signal.aborted) return;
            rove(Math.max(0, kept));
            if (n <= MOST_CHIPS) return;
            const all = make(
                'button',
                {
                    type: 'button',
                    className: 'plain',
                    dataset: { part: 'all' },
                    onclick: async () => {
                        all.disabled = true;
                        await add(pieces.slice(MOST_CHIPS), signal, all);
                        if (!signal.aborted) chips[MOST_CHIPS].focus();
                        all.remove();
                    },
                },
                `Show all ${inWhole(n)} pieces`,
            );
            place.append(all);
        },
        /** Keeps a piece; -1: none. @param {number} i */
        keep(i) {
            chosen = i;
            chips.forEach((chip, each) => {
                chip.setAttribute('aria-pressed', String(each === i));
            });
            if (i >= 0) rove(i);
        },
        /**
         * Shades what a piece has to do with each.
         * @param {number} i  -1: none
         * @param {Float32Array | null} weights  of all pieces
         */
        shade(i, weights) {
            const most = weights ? Math.max(0.05, ...weights.map(Math.abs)) : 1;
            chips.forEach((chip, each) => {
                const weight = weights?.[each] ?? 0;
                const percent = Math.round((100 * Math.abs(weight)) / most);
                const shade = percent < 2 ? '' : `${percent}%`;
                // Only what changes: each change is work for the browser.
                if (chip.style.getPropertyValue('--weight') !== shade) {
                    chip.style.setProperty('--weight', shade);
                    chip.dataset.sign = weight < 0 ? 'less' : 'more';
                }
            });
            place.querySelector('.inside-looks')?.classList.remove('inside-looks');
            chips[i]?.classList.add('inside-looks');
        },
    };
}

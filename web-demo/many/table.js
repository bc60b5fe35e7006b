/**
 * The rows as a table that has but those in its elements that are seen, so that 100,000 are as
 * smooth as ten: a grid, in which arrow keys go from row to row, Enter shows a whole text, and
 * digits give a label by hand.
 */

import {
    elementScroll,
    observeElementOffset,
    observeElementRect,
    Virtualizer,
} from '@tanstack/virtual-core';

import { make } from '../shell/dom.js';
import { inPercent, inWhole } from '../shell/format.js';
import { SURE, wordOf } from '../shell/tone.js';
import { coloursOf } from './charts.js';
import { CUT, EMPTY, FAILED, labelOf, NONE } from './marks.js';

/** Rows beyond the edges that are there, too. */
const OVERSCAN = 6;

/** @typedef {import('./order.js').Order['by']} By */

/** @type {{by: By, name: string, title: string}[]} */
export const COLUMNS = [
    { by: 'row', name: 'no', title: 'Row' },
    { by: 'text', name: 'text', title: 'Text' },
    { by: 'label', name: 'label', title: 'Label' },
    { by: 'score', name: 'score', title: 'Score' },
    { by: 'group', name: 'group', title: 'Group' },
    { by: 'date', name: 'date', title: 'Date' },
];

/**
 * @typedef {object} Line  the elements of a row
 * @property {HTMLElement} element
 * @property {Record<string, HTMLElement>} cells
 * @property {HTMLElement} words
 * @property {HTMLElement} note
 * @property {HTMLButtonElement} more
 * @property {HTMLSelectElement} select
 * @property {HTMLElement} by_hand
 * @property {number} row  that it shows
 */

export class Table {
    #grid;
    #body;
    #space;
    #probe;
    #head;
    #on;

    /** @type {import('./rows.js').Rows | null} */
    #rows = null;
    /** @type {Uint32Array} */
    #order = new Uint32Array();

    /** Of the labels, as in the pictures. @type {string[]} */
    #colours = [];

    /** Rows whose whole text is shown. @type {Set<number>} */
    #open = new Set();

    /** By index in the order. @type {Map<number, Line>} */
    #lines = new Map();

    /** Elements that are free. @type {Line[]} */
    #free = [];

    /** The index that has the keys. */
    #active = 0;
    #row_height = 68;
    #virtual;
    #frame = 0;

    /** While all is changed, it is drawn once, at the end. */
    #is_changing = false;

    /**
     * @param {object} parts
     * @param {HTMLElement} parts.grid  with role=grid
     * @param {HTMLElement} parts.head  the row of headers
     * @param {HTMLElement} parts.body  which scrolls
     * @param {HTMLElement} parts.space  in it, as high as all rows
     * @param {HTMLElement} parts.probe  as high as a row
     * @param {object} on
     * @param {(by: By) => void} on.sort
     * @param {(row: number, label: number) => void} on.correct
     */
    constructor({ grid, head, body, space, probe }, on) {
        this.#grid = grid;
        this.#body = body;
        this.#space = space;
        this.#probe = probe;
        this.#head = head;
        this.#on = on;
        for (const { by, name, title } of COLUMNS) {
            const button = make('button', { type: 'button', onclick: () => on.sort(by) }, title);
            const arrow = make('span', { className: 'many-arrow', 'aria-hidden': 'true' });
            button.append(arrow);
            head.append(
                make(
                    'div',
                    { role: 'columnheader', className: `many-${name}`, dataset: { by } },
                    button,
                ),
            );
        }
        this.#row_height = probe.offsetHeight || this.#row_height;
        this.#virtual = new Virtualizer(this.#options());
        this.#virtual._didMount();
        body.addEventListener('keydown', (event) => this.#onkey(event));
        body.addEventListener('focusin', ({ target }) => this.#onfocus(target));
        new ResizeObserver(() => this.#onresize()).observe(body);
    }

    /** @returns {import('@tanstack/virtual-core').VirtualizerOptions<HTMLElement, HTMLElement>} */
    #options() {
        return {
            count: this.#order.length,
            getScrollElement: () => this.#body,
            estimateSize: () => this.#row_height,
            getItemKey: (index) => this.#order[index] ?? index,
            overscan: OVERSCAN,
            scrollToFn: elementScroll,
            observeElementRect,
            observeElementOffset,
            // The row with the focus stays, so that the focus does.
            rangeExtractor: ({ startIndex, endIndex, overscan, count }) => {
                const first = Math.max(0, startIndex - overscan);
                const last = Math.min(count - 1, endIndex + overscan);
                const indices = Array.from({ length: last - first + 1 }, (_, i) => first + i);
                const active = this.#active;
                if (active < count && (active < first || active > last) && this.#hasFocus()) {
                    indices.push(active);
                }
                return indices;
            },
            onChange: () => {
                if (!this.#is_changing) this.#draw();
            },
        };
    }

    #hasFocus() {
        return this.#body.contains(document.activeElement);
    }

    /**
     * Shows other rows, or the same in another order.
     * @param {import('./rows.js').Rows} rows
     * @param {Uint32Array} order
     * @param {boolean} stays  where it is scrolled to
     */
    show(rows, order, stays) {
        if (this.#rows !== rows) this.#open.clear();
        this.#rows = rows;
        this.#order = order;
        this.#colours = coloursOf(rows.label_names);
        this.#active = Math.min(this.#active, Math.max(0, order.length - 1));
        if (!stays) this.#active = 0;
        this.#grid.toggleAttribute('data-plain', rows.label_names.length === 0);
        this.#row_height = this.#probe.offsetHeight || this.#row_height;
        this.#is_changing = true;
        this.#virtual.setOptions(this.#options());
        this.#virtual.measure();
        this.#virtual._willUpdate();
        if (!stays) this.#body.scrollTop = 0;
        this.#is_changing = false;
        this.#grid.setAttribute('aria-rowcount', String(order.length + 1));
        this.#grid.toggleAttribute('data-groups', rows.group_names.length > 0);
        this.#grid.toggleAttribute('data-dates', rows.choice.date >= 0);
        this.#free.push(...this.#lines.values());
        this.#lines.clear();
        for (const line of this.#free) line.row = -1;
        this.#draw();
    }

    /** @param {By} by @param {boolean} is_down */
    showSort(by, is_down) {
        for (const header of this.#head.children) {
            const is_this = /** @type {HTMLElement} */ (header).dataset.by === by;
            if (is_this) header.setAttribute('aria-sort', is_down ? 'descending' : 'ascending');
            else header.removeAttribute('aria-sort');
            const arrow = /** @type {HTMLElement} */ (header.querySelector('.many-arrow'));
            arrow.textContent = is_this ? (is_down ? ' ↓' : ' ↑') : '';
        }
    }

    /** New results have come. */
    refresh() {
        if (this.#frame) return;
        this.#frame = requestAnimationFrame(() => {
            this.#frame = 0;
            this.#draw();
        });
    }

    /** The rows that are shown, in their order. */
    get order() {
        return this.#order;
    }

    // --- drawing ------------------------------------------------------------------------------

    #draw() {
        const rows = this.#rows;
        if (!rows) return;
        this.#space.style.height = `${this.#virtual.getTotalSize()}px`;
        const items = this.#virtual.getVirtualItems();
        const wanted = new Set(items.map(({ index }) => index));
        for (const [index, line] of this.#lines) {
            if (wanted.has(index) && line.row === this.#order[index]) continue;
            this.#lines.delete(index);
            this.#free.push(line);
        }
        /** @type {Line[]} */
        const drawn = [];
        for (const { index, start } of items) {
            const row = this.#order[index];
            if (row === undefined) continue;
            let line = this.#lines.get(index);
            if (!line) {
                line = this.#free.pop() ?? this.#makeLine();
                this.#lines.set(index, line);
                drawn.push(line);
                this.#fill(line, row, index);
                if (!line.element.isConnected) this.#space.append(line.element);
            }
            this.#fillResult(line);
            line.element.style.transform = `translateY(${start}px)`;
            const is_active = index === this.#active;
            line.element.tabIndex = is_active ? 0 : -1;
            line.select.tabIndex = is_active ? 0 : -1;
            line.more.tabIndex = is_active ? 0 : -1;
        }
        for (const { element } of this.#free) element.remove();
        // Which texts are longer than two lines: asked at once, after all is written.
        const n_hidden = drawn.map(({ words }) => words.scrollHeight - words.clientHeight);
        for (const [i, line] of drawn.entries()) {
            const is_open = this.#open.has(line.row);
            line.more.hidden = !is_open && n_hidden[i] <= 2;
            if (is_open) this.#measure(line);
        }
    }

    /** @returns {Line} */
    #makeLine() {
        const words = make('div', { className: 'many-words', dir: 'auto' });
        const note = make('span', { className: 'hint many-note' });
        const more = make('button', { type: 'button', className: 'plain many-more' }, 'Whole text');
        const select = make('select', { className: 'many-select' });
        const by_hand = make('span', { className: 'hint many-hand' }, 'by hand');
        /** @type {Record<string, HTMLElement>} */
        const cells = Object.fromEntries(
            COLUMNS.map(({ name }) => [
                name,
                make('div', { role: 'gridcell', className: `many-${name}` }),
            ]),
        );
        cells.text.append(words, make('div', { className: 'many-under' }, note, more));
        cells.label.append(select, by_hand);
        cells.group.dir = 'auto';
        const element = make(
            'div',
            { role: 'row', className: 'many-row' },
            ...Object.values(cells),
        );
        const line = { element, cells, words, note, more, select, by_hand, row: -1 };
        more.onclick = () => this.#toggle(line);
        select.onchange = () => {
            this.#on.correct(line.row, select.value === '' ? NONE : Number(select.value));
            this.#fillResult(line);
        };
        return line;
    }

    /** @param {Line} line @param {number} row @param {number} index */
    #fill(line, row, index) {
        const rows = /** @type {import('./rows.js').Rows} */ (this.#rows);
        const { cells, element, words, note, more, select } = line;
        line.row = row;
        element.setAttribute('aria-rowindex', String(index + 2));
        element.classList.toggle('many-open', this.#open.has(row));
        cells.no.textContent = inWhole(row + 1);
        words.textContent = rows.texts[row];
        cells.group.textContent = rows.group_names[rows.groups[row]] ?? '';
        cells.date.textContent = rows.dates[row] ?? '';
        more.textContent = this.#open.has(row) ? 'Less' : 'Whole text';
        more.setAttribute('aria-expanded', String(this.#open.has(row)));
        more.setAttribute('aria-label', `${more.textContent} of row ${row + 1}`);
        note.textContent = '';
        select.setAttribute('aria-label', `Label of row ${row + 1}`);
        const own = rows.label_names.map((label, i) =>
            make('option', { value: String(i) }, wordOf(label)),
        );
        select.replaceChildren(
            make('option', { value: '' }),
            make('optgroup', { label: 'By hand' }, ...own),
        );
        select.hidden = rows.label_names.length === 0;
    }

    /** What may change while a row is seen. @param {Line} line */
    #fillResult(line) {
        const rows = /** @type {import('./rows.js').Rows} */ (this.#rows);
        const { row, cells, select, by_hand, note, element } = line;
        const flag = rows.flags[row];
        const model = rows.label_names[rows.labels[row]];
        const label = rows.label_names[labelOf(rows.hand, rows.labels, row)];
        const hand = rows.hand[row];
        const is_waiting = row >= rows.n_done && !(flag & EMPTY);
        const [first] = select.options;
        const word = model
            ? wordOf(model)
            : flag & EMPTY
              ? 'No text'
              : flag & FAILED
                ? 'Failed'
                : '…';
        if (first.text !== word) first.text = word;
        const value = hand === NONE ? '' : String(hand);
        if (select.value !== value) select.value = value;
        select.disabled = is_waiting && hand === NONE;
        by_hand.hidden = hand === NONE;
        element.classList.toggle('many-corrected', hand !== NONE);
        const colour = label && this.#colours[labelOf(rows.hand, rows.labels, row)];
        select.style.setProperty('--bar', `var(${colour || '--edge'})`);
        const score = rows.scores[row];
        const is_unsure = rows.label_names.length > 1 && score < SURE;
        const alike = rows.alike?.get(row);
        cells.score.textContent = Number.isNaN(score) ? '' : inScore(score);
        if (is_unsure) cells.score.append(make('span', { className: 'hint' }, 'not sure'));
        if (alike !== undefined) {
            const words = `${Math.round(100 * alike)} % alike`;
            cells.score.append(make('span', { className: 'hint' }, words));
        }
        note.textContent =
            flag & FAILED
                ? (rows.errors.get(rows.same[row]) ?? '')
                : flag & CUT
                  ? 'Longer than the model reads: only its beginning was.'
                  : '';
    }

    // --- whole texts --------------------------------------------------------------------------

    /** @param {Line} line */
    #toggle(line) {
        const { row, element, more } = line;
        const is_open = !this.#open.has(row);
        if (is_open) this.#open.add(row);
        else this.#open.delete(row);
        element.classList.toggle('many-open', is_open);
        more.textContent = is_open ? 'Less' : 'Whole text';
        more.setAttribute('aria-expanded', String(is_open));
        more.setAttribute('aria-label', `${more.textContent} of row ${row + 1}`);
        this.#measure(line);
    }

    /** @param {Line} line */
    #measure(line) {
        const index = Number(line.element.getAttribute('aria-rowindex')) - 2;
        const height = this.#open.has(line.row) ? line.element.offsetHeight : this.#row_height;
        this.#virtual.resizeItem(index, Math.max(height, this.#row_height));
    }

    #onresize() {
        const height = this.#probe.offsetHeight;
        if (!height) return; // is not seen
        if (height !== this.#row_height) {
            this.#row_height = height;
            this.#virtual.setOptions(this.#options());
            this.#virtual.measure();
        }
        for (const line of this.#lines.values()) {
            if (this.#open.has(line.row)) this.#measure(line);
        }
        this.#draw();
    }

    // --- keys ---------------------------------------------------------------------------------

    /** @param {EventTarget | null} target */
    #onfocus(target) {
        const element = /** @type {HTMLElement} */ (target).closest('[role=row]');
        const index = Number(element?.getAttribute('aria-rowindex')) - 2;
        if (index < 0 || index === this.#active) return;
        this.#active = index;
        this.#draw();
    }

    /** @param {KeyboardEvent} event */
    #onkey(event) {
        const target = /** @type {HTMLElement} */ (event.target);
        if (target.getAttribute('role') !== 'row') {
            if (event.key === 'Escape') this.#focus(this.#active);
            return; // a control of the row has its own keys
        }
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const last = this.#order.length - 1;
        const page = Math.max(1, Math.floor(this.#body.clientHeight / this.#row_height) - 1);
        const active = this.#active;
        /** @type {Record<string, number>} */
        const ways = {
            ArrowDown: active + 1,
            ArrowUp: active - 1,
            PageDown: active + page,
            PageUp: active - page,
            Home: 0,
            End: last,
        };
        const line = this.#lines.get(active);
        if (Object.hasOwn(ways, event.key)) {
            this.#focus(Math.min(last, Math.max(0, ways[event.key])));
        } else if ((event.key === 'Enter' || event.key === ' ') && line && !line.more.hidden) {
            this.#toggle(line);
        } else if (/^\d$/.test(event.key) && line && !line.select.disabled) {
            const label = Number(event.key) - 1;
            const n_labels = this.#rows?.label_names.length ?? 0;
            if (label >= n_labels) return;
            this.#on.correct(line.row, label < 0 ? NONE : label);
            this.#fillResult(line);
        } else {
            return;
        }
        event.preventDefault();
    }

    /** @param {number} index */
    #focus(index) {
        this.#active = index;
        this.#virtual.scrollToIndex(index, { align: 'auto' });
        this.#draw();
        const focus = () => this.#lines.get(index)?.element.focus({ preventScroll: true });
        if (this.#lines.has(index)) focus();
        // A row that was far away is there once the browser has scrolled.
        else requestAnimationFrame(() => requestAnimationFrame(focus));
    }
}

/** A score of a model of one value may be anything. @param {number} score */
export const inScore = (score) =>
    score >= 0 && score <= 1 ? inPercent(score) : score.toLocaleString('en-GB');

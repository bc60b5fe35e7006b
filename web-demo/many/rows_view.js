/** The rows that are seen: filters, order, labels by hand, and search by meaning. */

import { make } from '../shell/dom.js';
import { showFailure } from '../shell/failure.js';
import { inMegabytes, inPercent, inTime, inUnits, inWhole } from '../shell/format.js';
import { whenLoaded } from '../shell/loading.js';
import { wordOf } from '../shell/tone.js';
import { NONE } from './marks.js';
import { addVectors, optionsFor } from './meaning_search.js';
import { COLUMNS, Table } from './table.js';

/** Milliseconds after the last key until words are looked for. */
const TYPING = 150;

/** Milliseconds between two orders while results come. */
const ORDER_EVERY = 1000;

/** Groups to choose from; more are found by words. */
const MOST_GROUPS = 300;

/** Labels by hand from which on the agreement says something. */
const ENOUGH = 10;

/** Seconds that a search by meaning may take without having been asked. */
const PATIENCE = 20;

/** Characters a second of a usual machine, where nothing was measured yet. */
const USUAL_RATE = 20_000;

/** Bytes of a text's vector. */
const VECTOR_BYTES = 384;

/** @typedef {import('./order.js').Order} Order */

/** @type {Order} */
const ALL = { by: 'row', is_down: false, show: 'all', group: -1, words: '' };

export class RowsView {
    #parts;
    #app;
    #on;
    #table;

    /** @type {import('./rows.js').Rows | null} */
    #rows = null;

    /** @type {Order} */
    #how = { ...ALL };

    /** A label that the address wants, until a model has it. */
    #wanted_label = '';

    #n_orders = 0;
    #ordered_at = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    #typing;

    /** @type {AbortController | null} */
    #search = null;

    /**
     * @param {Record<string, any>} parts
     * @param {import('../shell/main.js').App} app
     * @param {object} on
     * @param {(options: Record<string, string>) => void} on.remember
     * @param {() => void} on.correct
     */
    constructor(parts, app, on) {
        this.#parts = parts;
        this.#app = app;
        this.#on = on;
        const { grid, head, body, space, probe } = parts;
        this.#table = new Table(
            { grid, head, body, space, probe },
            {
                sort: (by) => {
                    const is_down = this.#how.by === by ? !this.#how.is_down : by === 'alike';
                    this.#change({ by, is_down });
                },
                correct: (row, label) => this.#correct(row, label),
            },
        );
        this.#listen();
    }

    #listen() {
        const parts = this.#parts;
        parts.words.oninput = () => {
            clearTimeout(this.#typing);
            this.#typing = setTimeout(
                () => this.#change({ words: parts.words.value.trim() }),
                TYPING,
            );
        };
        parts.show.onchange = () => this.#change({ show: parts.show.value });
        parts.group.onchange = () => this.#change({ group: Number(parts.group.value) });
        parts.sort.onchange = () => {
            const [by, way] = parts.sort.value.split(' ');
            this.#change({ by, is_down: way === 'down' });
        };
        parts.all.onclick = () => this.showAll();
        parts['none-all'].onclick = () => this.showAll();
        parts['hand-undo'].onclick = () => this.#undo();
        parts.meaning.onsubmit = (/** @type {Event} */ event) => {
            event.preventDefault();
            this.#find(false);
        };
        parts.query.oninput = () => {
            if (parts.query.value === '') this.#endSearch();
        };
        parts['meaning-start'].onclick = () => this.#find(true);
        parts['meaning-cancel'].onclick = () => {
            this.#search?.abort();
            this.#search = null;
            parts['meaning-work'].hidden = true;
            parts['meaning-model'].replaceChildren();
            parts.query.focus();
        };
    }

    /** The rows that are shown, in their order; null where all are. */
    get shown() {
        const { order } = this.#table;
        return this.#rows && order.length < this.#rows.n ? order : null;
    }

    /** @param {import('../shell/views.js').State} state  of the address */
    restore({ sort, down, show }) {
        if (COLUMNS.some(({ by }) => by === sort)) {
            this.#how.by = /** @type {Order['by']} */ (sort);
            this.#how.is_down = down === '1';
        }
        if (show === 'unsure' || show === 'hand' || show === 'none') this.#how.show = show;
        else if (show) this.#wanted_label = show;
        if (this.#rows) this.use(this.#rows);
    }

    /** Puts what was chosen into the address: no text, and no name of a group. */
    remember() {
        const { by, is_down, show } = this.#how;
        const label = show.startsWith('label:')
            ? this.#rows?.label_names[Number(show.slice(6))]
            : show;
        this.#on.remember({
            ...(by === 'row' && !is_down ? {} : { sort: by, ...(is_down ? { down: '1' } : {}) }),
            ...(label && label !== 'all' ? { show: label } : {}),
        });
    }

    /** Other rows, or other labels or groups of the same. @param {import('./rows.js').Rows} rows */
    use(rows) {
        const parts = this.#parts;
        if (this.#rows !== rows) {
            this.#search?.abort();
            this.#search = null;
            parts['meaning-work'].hidden = true;
            parts.query.value = '';
            parts.words.value = '';
            this.#how = { ...this.#how, words: '', group: -1 };
            if (rows.alike) rows.call('search', { query: null });
            rows.alike = null;
        }
        this.#rows = rows;
        fill(parts.show, [
            ['all', 'All'],
            ...rows.label_names.map((label, i) => [`label:${i}`, wordOf(label)]),
            ...(rows.label_names.length > 1 ? [['unsure', 'Not sure']] : []),
            ['hand', 'Labelled by hand'],
            ['none', 'Without a label: no text, or failed'],
        ]);
        const wanted = rows.label_names.indexOf(this.#wanted_label);
        if (wanted >= 0) this.#how.show = `label:${wanted}`;
        if (rows.label_names.length) this.#wanted_label = '';
        if (![...parts.show.options].some(({ value }) => value === this.#how.show)) {
            this.#how.show = 'all';
        }
        const { group_names } = rows;
        parts['group-field'].hidden = group_names.length === 0;
        fill(parts.group, [
            ['-1', 'All'],
            ...[...group_names.keys()]
                .slice(0, MOST_GROUPS)
                .map((code) => [String(code), group_names[code] || '(none)']),
        ]);
        if (this.#how.group >= group_names.length) this.#how.group = -1;
        const n_digits = Math.min(9, rows.label_names.length);
        parts.digits.textContent = n_digits
            ? `Digits give a label by hand: ${rows.label_names
                  .slice(0, n_digits)
                  .map((label, i) => `${i + 1} ${wordOf(label)}`)
                  .join(', ')}; 0 takes it back.`
            : '';
        this.#showHand();
        this.#order(false);
    }

    /** New results have come. */
    refresh() {
        this.#table.refresh();
        const { by, show } = this.#how;
        const depends = by === 'label' || by === 'score' || show !== 'all';
        if (depends && performance.now() - this.#ordered_at > ORDER_EVERY) this.#order(true);
    }

    refreshOrder() {
        if (this.#rows) this.#order(true);
    }

    /** Rows are chosen elsewhere in the view. @param {Partial<Order>} how */
    choose(how) {
        this.#change(how);
        this.#parts.show.focus({ preventScroll: true });
        this.#parts.count.scrollIntoView({ block: 'center' });
    }

    showAll() {
        this.#parts.words.value = '';
        this.#parts.query.value = '';
        if (this.#rows?.alike) this.#endSearch();
        this.#change({ show: 'all', group: -1, words: '' });
        this.#parts.words.focus({ preventScroll: true });
    }

    /** @param {Partial<Order>} how */
    #change(how) {
        Object.assign(this.#how, how);
        this.remember();
        this.#order(false);
    }

    /** @param {boolean} stays  where it is scrolled to */
    async #order(stays) {
        const rows = this.#rows;
        if (!rows) return;
        const parts = this.#parts;
        const n_orders = ++this.#n_orders;
        this.#ordered_at = performance.now();
        if (this.#how.by === 'alike' && !rows.alike) this.#how.by = 'row';
        const { by, is_down, show, group } = this.#how;
        parts.show.value = show;
        parts.group.value = String(group);
        this.#showSorts();
        parts.grid.setAttribute('aria-busy', 'true');
        const order = await rows.call('order', { ...this.#how });
        if (this.#n_orders !== n_orders || this.#rows !== rows) return;
        parts.grid.removeAttribute('aria-busy');
        parts.grid.hidden = order.length === 0;
        parts.none.hidden = order.length > 0;
        this.#table.show(rows, order, stays);
        this.#table.showSort(by, is_down);
        const is_part = order.length < rows.n;
        parts.count.textContent = is_part
            ? `${inWhole(order.length)} of ${inUnits(rows.n, 'row')}`
            : inUnits(rows.n, 'row');
        parts['none-words'].textContent =
            show === 'all' || rows.n_done === rows.n
                ? 'No row fits.'
                : 'No row fits, of those that are done.';
        parts.all.hidden = !is_part;
        parts['only-field'].hidden = !is_part;
        if (!is_part) parts.only.checked = false;
        if (is_part && !stays) this.#app.announce(`${inUnits(order.length, 'row')} shown`);
    }

    /** The list that does on phones what headers do elsewhere. */
    #showSorts() {
        const { by, is_down } = this.#how;
        const rows = /** @type {import('./rows.js').Rows} */ (this.#rows);
        const columns = COLUMNS.filter(
            (column) =>
                (column.by !== 'group' || rows.group_names.length > 0) &&
                (column.by !== 'date' || rows.choice.date >= 0),
        );
        fill(this.#parts.sort, [
            ...(rows.alike ? [['alike down', 'Likeness, the most first']] : []),
            ...columns.flatMap(({ by, title }) => [
                [`${by} up`, `${title} ↑`],
                [`${by} down`, `${title} ↓`],
            ]),
        ]);
        this.#parts.sort.value = `${by} ${is_down ? 'down' : 'up'}`;
    }

    // --- labels by hand -----------------------------------------------------------------------

    /** @param {number} row @param {number} label */
    #correct(row, label) {
        const rows = /** @type {import('./rows.js').Rows} */ (this.#rows);
        const before = rows.hand[row];
        if (before === label) return;
        rows.corrections.push({ row, before });
        rows.correct(row, label);
        this.#showHand();
        this.#on.correct();
        const word = label === NONE ? 'as the model has it' : wordOf(rows.label_names[label]);
        this.#app.announce(`Row ${inWhole(row + 1)}: ${word}`);
    }

    #undo() {
        const rows = /** @type {import('./rows.js').Rows} */ (this.#rows);
        const last = rows.corrections.pop();
        if (!last) return;
        rows.correct(last.row, last.before);
        this.#table.refresh();
        this.#showHand();
        this.#on.correct();
        this.#app.announce(`Row ${inWhole(last.row + 1)} is as before`);
    }

    #showHand() {
        const { n_hand, n_agreed, corrections } = /** @type {import('./rows.js').Rows} */ (
            this.#rows
        );
        const parts = this.#parts;
        const n_other = n_hand - n_agreed;
        parts['hand-words'].textContent = n_hand
            ? `${inUnits(n_hand, 'label')} by hand: ${inWhole(n_other)} corrected` +
              `, ${inWhole(n_agreed)} confirmed`
            : '';
        parts['hand-undo'].hidden = corrections.length === 0;
        parts.agreement.hidden = n_hand < ENOUGH;
        parts.agreement.textContent =
            `Of the ${inWhole(n_hand)} labels by hand, ${inWhole(n_agreed)} are the model's own: ` +
            `it agrees with you in ${inPercent(n_agreed / Math.max(1, n_hand))}. That says how ` +
            'good it is on your texts only if you took the rows as they come, not those that ' +
            'looked wrong.';
    }

    // --- meaning ------------------------------------------------------------------------------

    /** @param {boolean} is_agreed  that it takes a while */
    async #find(is_agreed) {
        const rows = this.#rows;
        const parts = this.#parts;
        const query = parts.query.value.trim();
        if (!rows || query === '') {
            this.#endSearch();
            return;
        }
        this.#search?.abort();
        const search = new AbortController();
        this.#search = search;
        const isOver = () => this.#search !== search || this.#rows !== rows;
        if (!is_agreed && this.#mustAsk(rows)) return;
        parts['meaning-start'].hidden = true;
        parts['meaning-work'].hidden = true;
        const embed = await whenLoaded(parts['meaning-model'], this.#app.models, 'embedder');
        if (isOver()) return;
        try {
            if (rows.embed !== embed) {
                await rows.call('forgetVectors');
                rows.embed = embed;
                rows.n_vectors = 0;
            }
            await this.#readMeanings(rows, embed, search.signal, isOver);
            if (isOver()) return;
            const { data } = await /** @type {any} */ (embed)(query, {
                ...optionsFor(embed).query,
                signal: search.signal,
            });
            rows.alike = await rows.call('search', { query: data });
            if (isOver()) return;
            this.#change({ by: 'alike', is_down: true });
        } catch (error) {
            if (search.signal.aborted || isOver()) return;
            showFailure(parts['meaning-model'], {
                title: 'The search did not work',
                error,
                action: ['Search again', () => this.#find(true)],
            });
        } finally {
            if (!isOver()) parts['meaning-work'].hidden = true;
        }
    }

    /**
     * @param {import('./rows.js').Rows} rows
     * @param {any} embed
     * @param {AbortSignal} signal
     * @param {() => boolean} isOver
     */
    async #readMeanings(rows, embed, signal, isOver) {
        const parts = this.#parts;
        if (rows.n_vectors >= rows.facts.n_unique) return;
        const began = performance.now();
        const n_before = rows.n_vectors;
        const show = (/** @type {number} */ n_done, /** @type {number} */ n) => {
            if (isOver()) return;
            const seconds = (performance.now() - began) / 1000;
            const rate = (n_done - n_before) / seconds;
            parts['meaning-bar'].value = n_done / n;
            parts['meaning-words'].textContent =
                `${inWhole(n_done)} of ${inUnits(n, 'text')}` +
                (rate > 0 ? `, ${inWhole(rate)} texts/s, ${inTime((n - n_done) / rate)} left` : '');
        };
        parts['meaning-title'].textContent =
            'Reading what the texts mean: once, then searches are quick';
        parts['meaning-bar'].hidden = false;
        parts['meaning-work'].hidden = false;
        show(n_before, rows.facts.n_unique);
        await addVectors(rows, embed, signal, show);
    }

    /**
     * Says what the search will take, where that is much.
     * @param {import('./rows.js').Rows} rows
     */
    #mustAsk(rows) {
        const parts = this.#parts;
        const { n_unique, n_characters } = rows.facts;
        const left = 1 - rows.n_vectors / Math.max(1, n_unique);
        // The two models of the page are alike; a model of the visitor's own may be slower.
        const rate =
            rows.seconds > 0 && rows.n_done > 0
                ? (n_characters * rows.n_done) / rows.n / rows.seconds
                : USUAL_RATE;
        const seconds = (left * n_characters) / rate;
        if (seconds <= PATIENCE) return false;
        parts['meaning-title'].textContent = 'All texts have to be read once more for it';
        parts['meaning-words'].textContent =
            `For ${inUnits(Math.round(left * n_unique), 'text')} that takes about ` +
            `${inTime(seconds)} on this device, and ` +
            `${inMegabytes(n_unique * VECTOR_BYTES)} of its memory. Then searches are quick.`;
        parts['meaning-bar'].hidden = true;
        parts['meaning-start'].hidden = false;
        parts['meaning-work'].hidden = false;
        parts['meaning-start'].focus();
        return true;
    }

    #endSearch() {
        const rows = this.#rows;
        this.#search?.abort();
        this.#search = null;
        this.#parts['meaning-work'].hidden = true;
        if (!rows?.alike) return;
        rows.alike = null;
        rows.call('search', { query: null });
        this.#change(this.#how.by === 'alike' ? { by: 'row', is_down: false } : {});
    }

    /** Another embedder is there. */
    forgetVectors() {
        if (this.#rows?.alike) this.#endSearch();
    }
}

/** @param {HTMLSelectElement} select @param {string[][]} options  value and words */
function fill(select, options) {
    select.replaceChildren(...options.map(([value, words]) => make('option', { value }, words)));
}

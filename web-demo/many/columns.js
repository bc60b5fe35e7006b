/** Which columns are meant, and how the file is read where that was guessed wrong. */

import { ENCODINGS, FORMATS } from '../files/formats.js';
import { make } from '../shell/dom.js';
import { inUnits, inWhole } from '../shell/format.js';

/** @typedef {import('./rows.js').Rows} Rows */
/** @typedef {import('./rows.js').Choice} Choice */
/** @typedef {import('./opening.js').How} How */

export class Columns {
    #parts;

    /** @type {Rows | null} */
    #rows = null;

    /**
     * @param {object} parts
     * @param {HTMLSelectElement} parts.text
     * @param {HTMLSelectElement} parts.group
     * @param {HTMLSelectElement} parts.date
     * @param {HTMLSelectElement} parts.first  in which order days and months stand
     * @param {HTMLElement} parts.first_field
     * @param {HTMLElement} parts.first_label
     * @param {HTMLSelectElement} parts.format
     * @param {HTMLSelectElement} parts.encoding
     * @param {HTMLInputElement} parts.has_header
     * @param {HTMLElement} parts.notes  on what was found
     * @param {object} on
     * @param {(choice: Choice) => void} on.choose
     * @param {(how: How) => void} on.read  again, in another way
     */
    constructor(parts, on) {
        this.#parts = parts;
        const { text, group, date, first, format, encoding, has_header } = parts;
        for (const list of [text, group, date]) {
            list.onchange = () => on.choose(this.#chosen(false));
        }
        first.onchange = () => on.choose(this.#chosen(true));
        fill(format, Object.entries(FORMATS));
        fill(encoding, Object.entries(ENCODINGS));
        format.onchange = () => on.read(this.#how({ format: format.value }));
        encoding.onchange = () => on.read(this.#how({ encoding: encoding.value }));
        has_header.onchange = () => on.read(this.#how({ has_header: has_header.checked }));
    }

    get #used() {
        return /** @type {Rows} */ (this.#rows);
    }

    /** @param {boolean} is_order  it was said in which order days and months stand */
    #chosen(is_order) {
        const { text, group, date, first } = this.#parts;
        return {
            text: Number(text.value),
            group: Number(group.value),
            date: Number(date.value),
            ...(is_order || this.#used.choice.first
                ? { first: /** @type {'day' | 'month'} */ (first.value) }
                : {}),
        };
    }

    /**
     * What was chosen before stays; whether there is a header is guessed anew with another
     * delimiter.
     * @param {How} changed
     */
    #how(changed) {
        const { encoding, format } = this.#used.source;
        return { encoding, ...(changed.encoding ? {} : { format }), ...changed };
    }

    /** @param {Rows} rows */
    use(rows) {
        this.#rows = rows;
        const { names, format, encoding, has_header } = rows.source;
        const columns = names.map((name, i) => [String(i), name]);
        const parts = this.#parts;
        fill(parts.text, columns);
        fill(parts.group, [['-1', 'None'], ...columns]);
        fill(parts.date, [['-1', 'None'], ...columns]);
        parts.format.value = format;
        parts.encoding.value = encoding;
        parts.has_header.checked = has_header;
        parts.has_header.disabled = format === 'jsonl';
        this.showChoice();
    }

    showChoice() {
        const { choice, facts, source, n } = this.#used;
        const parts = this.#parts;
        parts.text.value = String(choice.text);
        parts.group.value = String(choice.group);
        parts.date.value = String(choice.date);
        parts.first_field.hidden = !facts.ambiguous;
        parts.first_label.textContent = `${facts.ambiguous} is written with`;
        parts.first.value = facts.is_day_first ? 'day' : 'month';
        const notes = [...source.notes];
        if (facts.n_bad_dates > 0) {
            notes.push(
                `${inUnits(facts.n_bad_dates, 'row')} of the dates' column ` +
                    `${facts.n_bad_dates === 1 ? 'is' : 'are'} no date.`,
            );
        }
        if (facts.n_unique < n) {
            notes.push(`${inWhole(facts.n_unique)} different texts: each is read once.`);
        }
        parts.notes.replaceChildren(...notes.map((words) => make('li', {}, words)));
    }
}

/** @param {HTMLSelectElement} select @param {string[][]} options  value and words */
function fill(select, options) {
    select.replaceChildren(...options.map(([value, words]) => make('option', { value }, words)));
}

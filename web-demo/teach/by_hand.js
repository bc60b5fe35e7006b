/** Lines get their labels by hand, some at a time: with a list each, or with the number keys. */

import { make, saveFile } from '../shell/dom.js';
import { inUnits, inWhole } from '../shell/format.js';
import { MOST_LABELS } from './lines.js';

/** Lines that are shown at once. */
const SHOWN = 20;

/** Labels that have a key. */
const KEYS = 9;

export class ByHand {
    #parts;
    #onchange;
    #announce;

    /** @type {import('./lines.js').Lines | null} */
    #lines = null;

    /** Texts without a label of the file. @type {number[]} */
    #undecided = [];
    #from = 0;

    /**
     * @param {Record<string, any>} parts
     * @param {(words: string) => void} announce
     * @param {() => void} onchange
     */
    constructor(parts, announce, onchange) {
        this.#parts = parts;
        this.#announce = announce;
        this.#onchange = onchange;
        parts['add-label'].onsubmit = (/** @type {Event} */ event) => {
            event.preventDefault();
            this.#add();
        };
        parts.earlier.onclick = () => this.#turn(-SHOWN);
        parts.next.onclick = () => this.#turn(SHOWN);
        parts['save-lines'].onclick = () => this.#save();
        parts.undecided.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) =>
            this.#press(event),
        );
    }

    get #used() {
        return /** @type {import('./lines.js').Lines} */ (this.#lines);
    }

    /** @param {import('./lines.js').Lines} lines  whose columns were just chosen */
    use(lines) {
        this.#lines = lines;
        this.#undecided = lines.undecided();
        this.#from = 0;
        // A list of all labels is of no use where they are too many.
        const is_shown = this.#undecided.length > 0 && lines.labels.length <= MOST_LABELS;
        this.#parts['by-hand'].hidden = !is_shown;
        this.#parts['by-hand'].open = lines.n_labels_given === 0;
        if (is_shown) this.#draw();
    }

    #draw() {
        const { parts, lines } = { parts: this.#parts, lines: this.#used };
        const n = this.#undecided.length;
        const to = Math.min(n, this.#from + SHOWN);
        const n_several = lines.several.size;
        parts['by-hand-title'].textContent =
            n === 1 ? 'One line to label by hand' : `${inWhole(n)} lines to label by hand`;
        parts['by-hand-hint'].textContent = n_several
            ? `${n_several === 1 ? 'One stands' : `${inWhole(n_several)} stand`} there with ` +
              'several labels. What is not decided is left out.'
            : 'As many as you like: what has no label is left out.';
        this.#showLabels();
        parts.undecided.replaceChildren(
            ...this.#undecided.slice(this.#from, to).map((i) => this.#row(i)),
        );
        parts.place.textContent = n > SHOWN ? `${this.#from + 1} to ${to} of ${inWhole(n)}` : '';
        parts.earlier.hidden = this.#from === 0;
        parts.next.hidden = to === n;
        parts.turn.hidden = n <= SHOWN;
    }

    #showLabels() {
        const { labels, n_labels_given } = this.#used;
        const counts = this.#used.counts();
        this.#parts['labels-by-hand'].replaceChildren(
            ...labels.map((label, i) => {
                const key = i < KEYS ? [make('kbd', {}, String(i + 1)), ' '] : [];
                const name = make('bdi', {}, label);
                const item = make('li', {}, ...key, name);
                if (i >= n_labels_given && !counts.get(label)) {
                    const onclick = () => this.#remove(label);
                    const remove = make('button', { type: 'button', className: 'plain', onclick });
                    remove.textContent = 'Remove';
                    remove.setAttribute('aria-label', `Remove ${label}`);
                    item.append(' ', remove);
                }
                return item;
            }),
        );
        this.#parts['no-labels'].hidden = labels.length > 1;
    }

    /** @param {number} i  of a text */
    #row(i) {
        const lines = this.#used;
        const text = make('span', { dir: 'auto', id: `teach-text-${i}` }, lines.texts[i]);
        const several = lines.several.get(i);
        const note = several
            ? [make('span', { className: 'hint' }, `There with: ${several.join(', ')}`)]
            : [];
        const select = make('select', { dataset: { text: String(i) } });
        select.setAttribute('aria-labelledby', text.id);
        this.#fill(select);
        select.onchange = () => {
            lines.decide(i, select.value === '' ? null : lines.labels[Number(select.value)]);
            this.#showLabels();
            this.#onchange();
        };
        return make('li', {}, make('div', {}, text, ...note), select);
    }

    /** @param {HTMLSelectElement} select */
    #fill(select) {
        const { labels } = this.#used;
        const own = this.#used.labelOf(Number(select.dataset.text));
        select.replaceChildren(
            make('option', { value: '' }, 'No label'),
            ...labels.map((label, i) => make('option', { value: String(i) }, label)),
        );
        select.value = own === null ? '' : String(labels.indexOf(own));
    }

    #add() {
        const { 'new-label': field } = this.#parts;
        const label = field.value.trim();
        field.value = '';
        field.focus();
        if (this.#used.addLabel(label)) this.#changedLabels();
    }

    /** @param {string} label */
    #remove(label) {
        this.#used.removeLabel(label);
        this.#changedLabels();
        this.#parts['new-label'].focus();
    }

    #changedLabels() {
        this.#showLabels();
        for (const select of this.#parts.undecided.querySelectorAll('select')) this.#fill(select);
        this.#onchange();
    }

    /** As JSON: texts may have commas, tabs and more lines than one. */
    #save() {
        const lines = this.#used;
        const labelled = lines.labelled();
        const text = labelled.map((each) => `${JSON.stringify(each)}\n`).join('');
        const name = lines.name.replace(/\.\w+$/, '').replaceAll(' ', '-');
        saveFile(new Blob([text], { type: 'application/jsonl' }), `${name}-labelled.jsonl`);
        lines.is_unsaved = false;
        this.#announce(`Saved ${inUnits(labelled.length, 'line')} with a label`);
    }

    /** @param {number} by  lines */
    #turn(by) {
        this.#from += by;
        this.#draw();
        this.#parts.undecided.querySelector('select')?.focus();
    }

    /** A number gives its label, and goes on to the next line; 0 takes it away. */
    #press(/** @type {KeyboardEvent} */ event) {
        const select = /** @type {HTMLElement} */ (event.target).closest('select');
        const { labels } = this.#used;
        if (!select || !/^\d$/.test(event.key) || event.ctrlKey || event.altKey || event.metaKey) {
            return;
        }
        const at = Number(event.key) - 1;
        if (at >= Math.min(labels.length, KEYS)) return;
        event.preventDefault();
        select.value = at < 0 ? '' : String(at);
        select.dispatchEvent(new Event('change'));
        const next = select.closest('li')?.nextElementSibling?.querySelector('select');
        if (next) next.focus();
        else if (!this.#parts.next.hidden) this.#parts.next.focus();
    }
}

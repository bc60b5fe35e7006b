/** How it is taught: few things, with defaults that fit the lines. */

import { make } from '../shell/dom.js';
import { OWN } from '../shell/models.js';

/**
 * @typedef {object} Base
 * @property {string} name
 * @property {any} source  as fineTune() takes it
 * @property {Record<string, any>} [options]  of loading it
 *
 * @typedef {object} Chosen
 * @property {Base} base
 * @property {number} epochs
 * @property {number} share  that is checked
 * @property {number | undefined} learning_rate  undefined: what is usual for the base
 * @property {number} batch_size
 * @property {number | undefined} max_length  undefined: what the base reads
 * @property {number} seed
 * @property {boolean} recomputes
 */

/** Sentences that are read in all passes together, where they are few. */
const ENOUGH = 360;

/** Passes, by default. */
const [FEWEST, MOST] = [3, 10];

/** Lines below which steps are of half as many, so that there are more. */
const FEW = 100;

/** By name in the address and of the part: what is written there, unless somebody changes it. */
const FIELDS = ['epochs', 'share', 'rate', 'batch', 'tokens', 'seed', 'lean'];

export class Settings {
    #parts;
    #models;

    /** Fields that somebody has changed. @type {Set<string>} */
    #changed = new Set();

    /** @type {Base[]} */
    #bases = [];

    /**
     * @param {Record<string, any>} parts
     * @param {import('../shell/models.js').Models} models
     * @param {() => void} onchange
     */
    constructor(parts, models, onchange) {
        this.#parts = parts;
        this.#models = models;
        for (const name of FIELDS) {
            parts[name].onchange = () => {
                this.#changed.add(name);
                onchange();
            };
        }
        parts.base.onchange = onchange;
        models.addEventListener('change', () => this.#showBases());
        this.#showBases();
    }

    #showBases() {
        const { base } = this.#parts;
        const before = base.value;
        const { name, file } = OWN.embedder;
        /** @type {Base[]} */
        const bases = [{ name, source: new URL(file, document.baseURI).href }];
        for (const kind of /** @type {const} */ (['embedder', 'classifier'])) {
            const visitors = this.#models.visitorsOf(kind);
            if (!visitors?.file || bases.some((each) => each.name === visitors.name)) continue;
            bases.push({ name: visitors.name, ...visitors.file });
        }
        this.#bases = bases;
        base.replaceChildren(
            ...bases.map((each, i) =>
                make(
                    'option',
                    { value: each.name },
                    `${each.name}, ${i ? 'yours' : "the page's own"}`,
                ),
            ),
        );
        base.value = bases.some((each) => each.name === before) ? before : name;
        this.#parts['base-field'].hidden = bases.length === 1;
        this.#parts['base-words'].textContent = name;
    }

    /** What fits so many lines, where nothing was changed. @param {number} n_lines */
    fit(n_lines) {
        const passes = Math.min(MOST, Math.max(FEWEST, Math.round(ENOUGH / Math.max(1, n_lines))));
        this.#propose('epochs', passes);
        this.#propose('batch', n_lines < FEW ? 8 : 16);
    }

    /** @param {string} name @param {number} value */
    #propose(name, value) {
        if (!this.#changed.has(name)) this.#parts[name].value = String(value);
    }

    /** Less memory, for more time: each time it is asked for. */
    makeLean() {
        const { lean, batch, more } = this.#parts;
        if (lean.checked) batch.value = String(Math.max(1, Math.floor(batch.valueAsNumber / 2)));
        lean.checked = true;
        for (const name of ['lean', 'batch']) this.#changed.add(name);
        more.open = true;
    }

    /** A field that has no number, or one that cannot be. @returns {HTMLInputElement | null} */
    wrong() {
        const fields = FIELDS.map((name) => this.#parts[name]);
        return fields.find((field) => !field.checkValidity()) ?? null;
    }

    /** @returns {Chosen} */
    get chosen() {
        const { base, epochs, share, rate, batch, tokens, seed, lean } = this.#parts;
        return {
            base: this.#bases.find(({ name }) => name === base.value) ?? this.#bases[0],
            epochs: epochs.valueAsNumber,
            share: Number(share.value),
            learning_rate: rate.value ? rate.valueAsNumber : undefined,
            batch_size: batch.valueAsNumber,
            max_length: tokens.value ? tokens.valueAsNumber : undefined,
            seed: seed.valueAsNumber,
            recomputes: lean.checked,
        };
    }

    /** What was changed, for the address. */
    get state() {
        const entries = [...this.#changed].map((name) => {
            const { type, checked, value } = this.#parts[name];
            return [name, type === 'checkbox' ? String(Number(checked)) : value];
        });
        return Object.fromEntries(entries);
    }

    /** @param {Record<string, string>} state */
    restore(state) {
        for (const name of FIELDS) {
            const field = this.#parts[name];
            if (state[name] === undefined) continue;
            if (field.type === 'checkbox') field.checked = state[name] === '1';
            else field.value = state[name];
            this.#changed.add(name);
        }
    }
}

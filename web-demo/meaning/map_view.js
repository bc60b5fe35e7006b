/** The map in the page: a sentence is looked at by pointer, tap and keys, and what is like it. */

import { inHundredths, inPercent, inUnits, inWhole } from '../shell/format.js';
import { putPicture } from '../shell/picture.js';
import { product } from './clusters.js';
import { drawMap } from './map.js';

/** @typedef {import('./compare.js').Compared} Compared */
/** @typedef {import('./groups.js').Grouping} Grouping */
/**
 * What is seen.
 * @typedef {{map: ReturnType<typeof drawMap>, compared: Compared, grouping: Grouping}} Shown
 */

/** The next sentence, or the one before. @type {Record<string, number>} */
const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

export class MapView {
    #parts;
    #on;

    /** @type {Shown | null} */
    #shown = null;

    /** The sentence that was chosen; -1: none. */
    chosen = -1;

    /** Those that are ringed. @type {number[]} */
    #found = [];

    /**
     * @param {object} parts
     * @param {HTMLElement} parts.picture
     * @param {HTMLElement} parts.readout
     * @param {object} on
     * @param {() => void} on.choose
     * @param {(words: string) => void} on.announce
     */
    constructor(parts, on) {
        this.#parts = parts;
        this.#on = on;
    }

    /** @param {Compared} compared @param {Grouping} grouping @param {string} footer */
    show(compared, grouping, footer) {
        const { sentences, answer } = compared;
        const { picture } = this.#parts;
        const map = drawMap({
            points: answer.points,
            sentences,
            groups: grouping.groups,
            alone: grouping.alone,
            width: picture.clientWidth,
            title: 'Sentences by meaning',
            footer,
        });
        this.#shown = { map, compared, grouping };
        this.#listen(this.#shown);
        putPicture(picture, map.svg);
        map.ring(this.#found);
        this.#look(this.chosen);
    }

    /** Another picture takes its place. */
    leave() {
        this.#shown = null;
    }

    /** Rings what a search has found. @param {number[]} found */
    ring(found) {
        this.#found = found;
        this.#shown?.map.ring(found);
    }

    /** @param {Shown} shown */
    #listen({ map, compared, grouping: { order } }) {
        const { svg } = map;
        svg.setAttribute('role', 'application');
        svg.setAttribute('aria-roledescription', 'map');
        svg.setAttribute(
            'aria-label',
            `A map of ${inUnits(compared.sentences.length, 'sentence')}. The arrow keys go from ` +
                'one to the next, group by group.',
        );
        svg.setAttribute('tabindex', '0');
        svg.addEventListener('pointermove', ({ clientX, clientY }) => {
            const i = map.nearest(clientX, clientY);
            if (i >= 0) this.#look(i);
        });
        svg.addEventListener('pointerdown', ({ clientX, clientY }) => {
            this.#choose(map.nearest(clientX, clientY));
        });
        svg.addEventListener('pointerleave', () => this.#look(this.chosen));
        svg.addEventListener('focus', () => {
            if (svg.matches(':focus-visible') && this.chosen < 0) this.#choose(order[0], true);
        });
        svg.addEventListener('keydown', (event) => {
            const step = STEPS[event.key];
            if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
            event.preventDefault();
            const at = order.indexOf(this.chosen);
            const next = at < 0 ? 0 : (at + step + order.length) % order.length;
            this.#choose(order[next], true);
        });
    }

    /** @param {number} i @param {boolean} [by_key] */
    #choose(i, by_key = false) {
        this.chosen = i;
        const words = this.#look(i);
        if (by_key) this.#on.announce(words);
        this.#on.choose();
    }

    /** Shows a sentence and the one most like it; -1: what the map is. @param {number} i */
    #look(i) {
        if (!this.#shown) return '';
        const { map, compared, grouping } = this.#shown;
        map.mark(i);
        const words = i < 0 ? wordsOfMap(compared) : wordsOf(i, compared, grouping);
        this.#parts.readout.textContent = words;
        return words;
    }
}

/** @param {Compared} compared */
function wordsOfMap({ answer, n_cut }) {
    const share = inPercent(answer.share[0] + answer.share[1]);
    const cut = n_cut
        ? ` ${inUnits(n_cut, 'sentence')} had more words than the model reads, and were cut.`
        : '';
    return (
        `Point at a sentence, tap it, or use the arrow keys. The map is flat: it shows ` +
        `${share} of how the sentences differ (their two principal components), so ` +
        `neighbours on it are not always alike; the groups use all of it.${cut}`
    );
}

/** @param {number} i @param {Compared} compared @param {Grouping} grouping */
function wordsOf(i, { sentences, data, d }, { groups, group_of }) {
    let best = -1;
    let most = -Infinity;
    for (let other = 0; other < sentences.length; other++) {
        if (other === i) continue;
        const similarity = product(data, i * d, other * d, d);
        if (similarity > most) [best, most] = [other, similarity];
    }
    const group = groups[group_of[i]];
    const where = group
        ? `, one of ${inWhole(group.members.length)} in the group of “${group.name}”`
        : ', in no group';
    return (
        `“${sentences[i]}”${where}. Most like it, by ${inHundredths(most)}: ` +
        `“${sentences[best]}”`
    );
}

/** Groups of sentences that are alike, and the slider that says how much. */

import { make, nextFrame } from '../shell/dom.js';
import { inHundredths, inUnits, inWhole } from '../shell/format.js';
import { draw } from '../shell/picture.js';
import { byCentrality, cutTree } from './clusters.js';
import { signOf } from './map.js';

/** Groups that are listed, and sentences of one. */
const MANY = 100;

/**
 * @typedef {object} Grouping
 * @property {import('./map.js').Group[]} groups  of two or more, the largest first
 * @property {number[]} alone  sentences of no group
 * @property {Int32Array} group_of  which group each sentence is in; -1: none
 * @property {number[]} order  all sentences, group by group
 */

export class Groups {
    #parts;

    /** What is shown. @type {Grouping} */
    shown = { groups: [], alone: [], group_of: new Int32Array(), order: [] };

    /**
     * @param {object} parts
     * @param {HTMLInputElement} parts.threshold  in hundredths
     * @param {HTMLElement} parts.threshold_words
     * @param {HTMLElement} parts.words
     * @param {HTMLElement} parts.list
     * @param {() => void} onmove  of the slider, once a frame
     */
    constructor(parts, onmove) {
        this.#parts = parts;
        let is_waiting = false;
        parts.threshold.oninput = async () => {
            this.#showThreshold();
            if (is_waiting) return;
            is_waiting = true;
            await nextFrame();
            is_waiting = false;
            onmove();
        };
    }

    get #threshold() {
        return Number(this.#parts.threshold.value) / 100;
    }

    #showThreshold() {
        this.#parts.threshold_words.textContent = inHundredths(this.#threshold);
    }

    /** @param {import('./compare.js').Compared} compared */
    show(compared) {
        this.#showThreshold();
        this.shown = groupingOf(compared, this.#threshold);
        const { groups, alone } = this.shown;
        const { words, list } = this.#parts;
        words.textContent =
            `${inUnits(groups.length, 'group')}, each named by its most central sentence; ` +
            `${inUnits(alone.length, 'sentence')} in no group.`;
        list.replaceChildren(
            ...groups
                .slice(0, MANY)
                .map((group, index) => elementOf(group, index, compared.sentences)),
        );
        if (groups.length > MANY) {
            const n_more = inUnits(groups.length - MANY, 'smaller group');
            list.append(make('p', { className: 'hint' }, `And ${n_more}.`));
        }
    }
}

/**
 * @param {import('./compare.js').Compared} compared
 * @param {number} threshold
 * @returns {Grouping}
 */
function groupingOf({ sentences, data, d, answer }, threshold) {
    const n = sentences.length;
    const all = cutTree(answer.merges, n, threshold);
    const groups = all
        .filter(({ length }) => length > 1)
        .map((cluster) => {
            const members = byCentrality(cluster, data, d);
            return { members, name: sentences[members[0]] };
        });
    const alone = all.filter(({ length }) => length === 1).flat();
    const group_of = new Int32Array(n).fill(-1);
    groups.forEach(({ members }, index) => {
        for (const i of members) group_of[i] = index;
    });
    const order = [...groups.flatMap(({ members }) => members), ...alone];
    return { groups, alone, group_of, order };
}

/**
 * A group that opens: its sentences are listed only then.
 * @param {import('./map.js').Group} group
 * @param {number} index
 * @param {string[]} sentences
 */
function elementOf({ members, name }, index, sentences) {
    const list = make('ol', {});
    const ontoggle = () => {
        if (list.childElementCount) return;
        list.append(
            ...members.slice(0, MANY).map((i) => make('li', { dir: 'auto' }, sentences[i])),
        );
        if (members.length > MANY) {
            list.append(make('li', {}, `And ${inWhole(members.length - MANY)} more`));
        }
    };
    return make(
        'details',
        { className: 'meaning-group', ontoggle },
        make(
            'summary',
            {},
            signOfGroup(index),
            make('span', { dir: 'auto', className: 'meaning-name' }, name),
            make('span', { className: 'hint numbers' }, ` ${inWhole(members.length)}`),
        ),
        list,
    );
}

/** @param {number} index */
function signOfGroup(index) {
    const { d, fill } = signOf(index, 6);
    const sign = draw('svg', { viewBox: '-10 -10 20 20', width: 20, height: 20 });
    sign.setAttribute('aria-hidden', 'true');
    sign.append(draw('path', { d: `M0 0${d}`, fill }));
    return sign;
}

/**
 * NFD, NFC, NFKD and NFKC of a NormalizedString, with where each character came from: the
 * algorithm of Unicode Standard Annex 15, decomposition, canonical order, composition, over code
 * points that carry what they did to the text (see NormalizedString.transform).
 *
 * Written out because an engine's own normalize() loses the places, and cutting a text into parts
 * that can be normalised alone would not help: the library gives places within such a part, too.
 * Linear in the text: runs of combining marks, of which a text may be made, are sorted by counting.
 */

import { CharMap, pooledAt, pooledLength, SAME, UNMAPPED } from './char_map.js';
import { codePointAt, isLeadSurrogate } from './normalized_string.js';
import { combiningClass, compose, decompose } from './unicode.js';

/** @import { NormalizedString } from './normalized_string.js' */

/** @typedef {'NFC' | 'NFD' | 'NFKC' | 'NFKD'} Form */

/**
 * Code points of a text, with what each did to it and its combining class.
 * @typedef {object} Marked
 * @property {Int32Array} code_points
 * @property {Int32Array} changes
 * @property {Uint8Array} classes
 * @property {number} count
 */

/** The buffers of a text of more code points are given back after it. */
const KEPT_CODE_POINTS = 1 << 18;

/** Below this, no form changes anything: é decomposes, ª is compatible with a. */
const FIRST_DECOMPOSED = 0xa0;
/** Below this, NFC changes nothing: here begin the combining marks. */
const FIRST_COMPOSED = 0x300;

export class NormalizationForm {
    #is_composed;
    #unchanged;
    #decompositions;
    #marked = newMarked();

    /**
     * @param {Form} form
     */
    constructor(form) {
        const decomposition = form === 'NFC' || form === 'NFD' ? 'NFD' : 'NFKD';
        this.#is_composed = form === 'NFC' || form === 'NFKC';
        this.#unchanged = form === 'NFC' ? FIRST_COMPOSED : FIRST_DECOMPOSED;
        this.#decompositions = new CharMap((c) => decompose(c, decomposition));
    }

    /**
     * @param {NormalizedString} text
     */
    normalize(text) {
        const { units, length } = text;
        let plain = 0;
        while (plain < length && units[plain] < this.#unchanged) plain++;
        if (plain === length) return;
        const marked = this.#decompose(units, length);
        if (this.#is_composed) recompose(marked);
        text.transform(marked.code_points, marked.changes, marked.count);
        if (marked.code_points.length > KEPT_CODE_POINTS) this.#marked = newMarked();
    }

    /**
     * @param {Uint16Array} units
     * @param {number} length
     * @returns {Marked}  decomposed and in canonical order
     */
    #decompose(units, length) {
        const map = this.#decompositions;
        const marked = this.#marked;
        marked.count = 0;
        let run = 0; // where the marks that may have to be sorted begin
        for (let i = 0; i < length; ) {
            if (marked.count + 32 > marked.code_points.length) {
                growMarked(marked, marked.count + length - i + 32);
            }
            const code_point = codePointAt(units, i);
            i += isLeadSurrogate(units[i]) ? 2 : 1;
            const code = code_point < 0x80 ? SAME : map.code(code_point);
            if (code >= UNMAPPED) {
                run = append(marked, code > 0 ? code - 1 : code_point, 0, run);
                continue;
            }
            const start = pooledAt(code);
            const end = start + pooledLength(code);
            for (let p = start; p < end; ) {
                const part = codePointAt(map.pool, p);
                run = append(marked, part, p === start ? 0 : 1, run);
                p += part < 0x10000 ? 1 : 2;
            }
        }
        sortRun(marked, run, marked.count);
        return marked;
    }
}

/**
 * @returns {Marked}
 */
function newMarked() {
    return {
        code_points: new Int32Array(256),
        changes: new Int32Array(256),
        classes: new Uint8Array(256),
        count: 0,
    };
}

/**
 * @param {Marked} marked
 * @param {number} code_point
 * @param {number} change
 * @param {number} run  where the current run of marks begins
 * @returns {number}  where it begins now
 */
function append(marked, code_point, change, run) {
    const at = marked.count++;
    const combining = combiningClass(code_point);
    marked.code_points[at] = code_point;
    marked.changes[at] = change;
    marked.classes[at] = combining;
    if (combining !== 0) return run;
    sortRun(marked, run, at);
    return at + 1;
}

/**
 * Sorts marks by combining class, keeping the order of equals.
 * @param {Marked} marked
 * @param {number} from
 * @param {number} to
 */
function sortRun({ code_points, changes, classes }, from, to) {
    let is_sorted = true;
    for (let i = from + 1; i < to; i++) is_sorted &&= classes[i - 1] <= classes[i];
    if (is_sorted) return;
    const next = new Uint32Array(256);
    for (let i = from; i < to; i++) next[classes[i]]++;
    for (let k = 0, at = from; k < 256; k++) {
        const n = next[k];
        next[k] = at;
        at += n;
    }
    const old_points = code_points.slice(from, to);
    const old_changes = changes.slice(from, to);
    const old_classes = classes.slice(from, to);
    for (let i = 0; i < to - from; i++) {
        const at = next[old_classes[i]]++;
        code_points[at] = old_points[i];
        changes[at] = old_changes[i];
        classes[at] = old_classes[i];
    }
}

/**
 * Composes in place: what is written never overtakes what is read.
 * @param {Marked} marked
 */
function recompose(marked) {
    const { code_points, changes, classes, count } = marked;
    let starter = -1; // where the last starter has been written
    let last_class = 0; // of what stands between it and here; 0 for nothing
    let o = 0;
    for (let i = 0; i < count; i++) {
        const code_point = code_points[i];
        const combining = classes[i];
        // A mark of the same or a higher class between the two blocks them.
        const is_open = starter >= 0 && (last_class === 0 || last_class < combining);
        const composed = is_open ? compose(code_points[starter], code_point, combining) : -1;
        if (composed >= 0) {
            code_points[starter] = composed;
            changes[starter] += changes[i] - 1;
            continue;
        }
        if (combining === 0) starter = o;
        last_class = combining;
        code_points[o] = code_point;
        changes[o] = changes[i];
        o++;
    }
    marked.count = o;
}

/**
 * @param {Marked} marked
 * @param {number} room
 */
function growMarked(marked, room) {
    const size = Math.max(room, 2 * marked.code_points.length);
    const { code_points, changes, classes } = marked;
    marked.code_points = new Int32Array(size);
    marked.code_points.set(code_points);
    marked.changes = new Int32Array(size);
    marked.changes.set(changes);
    marked.classes = new Uint8Array(size);
    marked.classes.set(classes);
}

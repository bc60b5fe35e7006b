/** Lines that are not learned from, to see afterwards what was learned: of each label a share. */

/** @typedef {import('./lines.js').Example} Example */

/**
 * @param {Example[]} examples
 * @param {number} share  between 0 and 1; of each label one is set aside at least
 * @param {number} seed  the same one sets the same lines aside
 * @returns {{learned: Example[], checked: Example[]}}  in the order that they were in
 */
export function setAside(examples, share, seed) {
    /** @type {Map<string, number[]>} */
    const by_label = new Map();
    for (const [i, { label }] of examples.entries()) {
        const indices = by_label.get(label) ?? [];
        indices.push(i);
        by_label.set(label, indices);
    }
    const random = numbersOf(seed);
    /** @type {Set<number>} */
    const aside = new Set();
    for (const indices of by_label.values()) {
        const n = Math.max(1, Math.round(share * indices.length));
        for (let k = 0; k < n; k++) {
            const other = k + Math.floor(random() * (indices.length - k));
            [indices[k], indices[other]] = [indices[other], indices[k]];
            aside.add(indices[k]);
        }
    }
    return {
        learned: examples.filter((_, i) => !aside.has(i)),
        checked: examples.filter((_, i) => aside.has(i)),
    };
}

/** Mulberry32: numbers from 0 to 1 that look random. @param {number} seed */
function numbersOf(seed) {
    let state = seed >>> 0;
    return () => {
        state = (state + 0x6d2b79f5) >>> 0;
        let n = state;
        n = Math.imul(n ^ (n >>> 15), n | 1);
        n ^= n + Math.imul(n ^ (n >>> 7), n | 61);
        return ((n ^ (n >>> 14)) >>> 0) / 2 ** 32;
    };
}

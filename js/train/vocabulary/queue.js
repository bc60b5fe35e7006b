/** A queue from which the first by some order is taken: a binary heap. */

/** @typedef {(a: any, b: any) => boolean} Before  whether `a` comes out before `b` */

/** @template T */
export class Queue {
    /** @type {T[]} */
    #items = [];
    #comesBefore;

    /** @param {(a: T, b: T) => boolean} comesBefore */
    constructor(comesBefore) {
        this.#comesBefore = comesBefore;
    }

    /** @param {T} item */
    push(item) {
        const items = this.#items;
        let at = items.push(item) - 1;
        while (at > 0) {
            const parent = (at - 1) >> 1;
            if (!this.#comesBefore(item, items[parent])) break;
            items[at] = items[parent];
            at = parent;
        }
        items[at] = item;
    }

    /** @returns {T | undefined}  undefined: it is empty */
    pop() {
        const items = this.#items;
        const [first] = items;
        const last = items.pop();
        if (last === undefined || items.length === 0) return first;
        let at = 0;
        for (;;) {
            let child = 2 * at + 1;
            if (child >= items.length) break;
            const is_right =
                child + 1 < items.length && this.#comesBefore(items[child + 1], items[child]);
            if (is_right) child++;
            if (!this.#comesBefore(items[child], last)) break;
            items[at] = items[child];
            at = child;
        }
        items[at] = last;
        return first;
    }
}

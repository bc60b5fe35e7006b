/** A heap of numbers over a typed array, which serves one use after another. */

/**
 * Numbers, the smallest first.
 */
export class Heap {
    #items = new Float64Array(64);

    constructor() {
        this.size = 0;
    }

    /**
     * Makes room for `room` items while it is empty.
     * @param {number} room
     */
    reserve(room) {
        if (room > this.#items.length) this.#items = new Float64Array(room);
    }

    /**
     * Leaves them out of order.
     * @param {number} item
     */
    append(item) {
        if (this.size === this.#items.length) {
            const items = new Float64Array(2 * this.size);
            items.set(this.#items);
            this.#items = items;
        }
        this.#items[this.size++] = item;
    }

    order() {
        for (let at = (this.size >> 1) - 1; at >= 0; at--) this.#sink(at, this.#items[at]);
    }

    /**
     * @param {number} item
     */
    push(item) {
        let at = this.size;
        this.append(item);
        const items = this.#items;
        while (at > 0) {
            const parent = (at - 1) >> 1;
            if (items[parent] <= item) break;
            items[at] = items[parent];
            at = parent;
        }
        items[at] = item;
    }

    /**
     * @returns {number}
     */
    pop() {
        const top = this.#items[0];
        this.size--;
        if (this.size > 0) this.#sink(0, this.#items[this.size]);
        return top;
    }

    /**
     * @param {number} from
     * @param {number} item
     */
    #sink(from, item) {
        const { size } = this;
        const items = this.#items;
        let at = from;
        for (;;) {
            let child = 2 * at + 1;
            if (child >= size) break;
            if (child + 1 < size && items[child + 1] < items[child]) child++;
            if (items[child] >= item) break;
            items[at] = items[child];
            at = child;
        }
        items[at] = item;
    }
}

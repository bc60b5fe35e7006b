/** Examples in groups, as a step or a validation takes them. */

/**
 * @template T
 * @param {T[]} items
 * @param {number} size
 */
export function* batchesOf(items, size) {
    for (let i = 0; i < items.length; i += size) yield items.slice(i, i + size);
}

/**
 * @param {ArrayLike<number>} ids
 * @param {number} id
 * @returns {number[]}  the indices where it is
 */
export function placesOf(ids, id) {
    /** @type {number[]} */
    const places = [];
    for (let i = 0; i < ids.length; i++) if (ids[i] === id) places.push(i);
    return places;
}

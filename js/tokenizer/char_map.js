/**
 * A map from each character to what takes its place, filled as it is asked. Most of what
 * normalizers do (lower case, cleaning, stripping, decomposition) is such a map, so that one loop
 * over a table does the work of all, and a stage of several steps is one map of their composition.
 *
 * The table is in pages of 256 code points, made when a text first needs them: English takes one,
 * and no text can make it grow beyond a few megabytes.
 */

/** What a page holds: 0 is not known yet, n > 0 the single unit n - 1, and these. */
export const SAME = -1;
export const DELETED = -2;
/** The map cannot say: what follows from this character depends on its neighbours. */
export const UNMAPPED = -3;
/** From here down: -(16 + 32 * where in the pool + length). */
const POOLED = -16;

const PAGES = 0x110000 >> 8;

export class CharMap {
    #map;
    #pool_length = 0;

    /** @type {(Int32Array | null)[]} */
    #pages = new Array(PAGES).fill(null);

    /**
     * @param {(code_point: number) => string | null} map  null where it cannot say; the empty
     *     string removes the character. At most 31 units.
     */
    constructor(map) {
        this.#map = map;
        /** Units of the results that are longer than one. */
        this.pool = new Uint16Array(256);
    }

    /**
     * @param {number} code_point
     * @returns {number}  as a page holds it, never 0
     */
    code(code_point) {
        const page = this.#pages[code_point >> 8];
        return page?.[code_point & 255] || this.#learn(code_point);
    }

    /**
     * The first page, all known: for the loop over ASCII.
     * @returns {Int32Array}
     */
    firstPage() {
        let page = this.#pages[0];
        if (page === null) {
            for (let c = 0; c < 256; c++) this.#learn(c);
            page = /** @type {Int32Array} */ (/** @type {unknown} */ (this.#pages[0]));
        }
        return page;
    }

    /**
     * @param {number} code_point
     * @returns {number}
     */
    #learn(code_point) {
        const page = (this.#pages[code_point >> 8] ??= new Int32Array(256));
        return (page[code_point & 255] = this.#encode(code_point, this.#map(code_point)));
    }

    /**
     * @param {number} code_point
     * @param {string | null} text
     * @returns {number}
     */
    #encode(code_point, text) {
        if (text === null) return UNMAPPED;
        if (text.length === 0) return DELETED;
        if (text.length === 1) return text.charCodeAt(0) + 1;
        if (code_point > 0xffff && text.codePointAt(0) === code_point && text.length === 2) {
            return SAME;
        }
        const at = this.#pool_length;
        if (at + text.length > this.pool.length) {
            const pool = new Uint16Array(2 * this.pool.length);
            pool.set(this.pool);
            this.pool = pool;
        }
        for (let i = 0; i < text.length; i++) this.pool[at + i] = text.charCodeAt(i);
        this.#pool_length += text.length;
        return POOLED - 32 * at - text.length;
    }
}

/**
 * @param {number} code  below UNMAPPED
 * @returns {number}
 */
export function pooledAt(code) {
    return (POOLED - code) >> 5;
}

/**
 * @param {number} code  below UNMAPPED
 * @returns {number}
 */
export function pooledLength(code) {
    return (POOLED - code) & 31;
}

/**
 * One map after another, as one.
 * @param {((code_point: number) => string | null)[]} maps
 * @returns {(code_point: number) => string | null}
 */
export function compose(maps) {
    return (code_point) => {
        let text = String.fromCodePoint(code_point);
        for (const map of maps) {
            let mapped = '';
            for (const character of text) {
                const part = map(/** @type {number} */ (character.codePointAt(0)));
                if (part === null) return null;
                mapped += part;
            }
            text = mapped;
        }
        return text;
    };
}

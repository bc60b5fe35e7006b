/**
 * Which view is open, and with what state: both are in the address behind '#', which browsers send
 * nowhere: `#inside?text=A+word&layer=2`. So a link restores what was seen.
 */

import { VIEWS } from './views.js';

/** Characters of texts that a link may hold: longer ones are cut by where they are pasted. */
export const MOST_IN_LINK = 3000;

/** The first of the table. */
const FIRST = Object.keys(VIEWS)[0];

/** @returns {{name: string, state: import('./views.js').State}} */
export function readAddress() {
    const [name, query = ''] = location.hash.slice(1).split(/\?(.*)/s);
    return {
        name: Object.hasOwn(VIEWS, name) ? name : FIRST,
        state: Object.fromEntries(new URLSearchParams(query)),
    };
}

/** @param {string} name @param {import('./views.js').State} [state] */
export function addressOf(name, state = {}) {
    const query = new URLSearchParams(state).toString();
    return `#${name}${query && `?${query}`}`;
}

/** The last step of every cold start: the answer is on the page, and how long that took. */

/** @param {string} label */
export function show(label) {
    document.body.append(label);
    console.log(`first result ${performance.now()} ${label}`);
}

export const parameters = Object.fromEntries(new URLSearchParams(location.search));

/** The view many. */

import html from './many.html';

/** @type {import('../shell/views.js').Mount} */
export function mount(section, app) {
    section.innerHTML = html;
    return {};
}

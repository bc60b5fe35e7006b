/** The view meaning. */

import html from './meaning.html';

/** @type {import('../shell/views.js').Mount} */
export function mount(section, app) {
    section.innerHTML = html;
    return {};
}

/** The view inside. */

import html from './inside.html';

/** @type {import('../shell/views.js').Mount} */
export function mount(section, app) {
    section.innerHTML = html;
    return {};
}

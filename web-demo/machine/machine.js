/** The view machine. */

import html from './machine.html';

/** @type {import('../shell/views.js').Mount} */
export function mount(section, app) {
    section.innerHTML = html;
    return {};
}

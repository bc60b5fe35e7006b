/** The view your_model. */

import html from './your_model.html';

/** @type {import('../shell/views.js').Mount} */
export function mount(section, app) {
    section.innerHTML = html;
    return {};
}

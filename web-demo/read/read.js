/** The view Read. */

import { byId } from '../shell/dom.js';
import { whenLoaded } from '../shell/loading.js';

/** @type {import('../shell/views.js').Mount} */
export async function mount(section, app) {
    const classify = await whenLoaded(byId('result'), app.models, 'classifier');
    byId('result').textContent = JSON.stringify(
        await classify(/** @type {HTMLTextAreaElement} */ (byId('text')).value),
    );
    return {};
}

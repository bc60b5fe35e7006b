/** The view Read. */

import { partsOf } from '../shell/dom.js';
import { whenLoaded } from '../shell/loading.js';
import { wordOf } from '../shell/tone.js';

/** @type {import('../shell/views.js').Mount} */
export function mount(section, app) {
    const { verdict } = partsOf(section);
    const text = /** @type {any} */ (section.querySelector('#text'));
    const node = /** @type {any} */ (section.querySelector('#result'));
    const read = async () => {
        const classify = await whenLoaded(node, app.models, 'classifier');
        verdict.textContent = wordOf((await classify(text.value))[0].label);
    };
    text.addEventListener('input', read);
    read();
    return {
        async show({ shared }) {
            if (!shared) return;
            text.value = await (await fetch('shared')).text();
            read();
        },
    };
}

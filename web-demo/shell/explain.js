/** The part of the package that explains: fetched when it is first wanted. */

import { partOfPage } from './failure.js';

/** @typedef {typeof import('../../js/explain/index.js')} Explain */

export async function loadExplain() {
    const explain = await partOfPage(import('bert-wasm/explain'));
    return /** @type {Explain} */ (/** @type {unknown} */ (explain));
}

/**
 * bert-wasm/diagnose: what a page or a browser lacks, and what to do about it.
 *
 *     import { diagnose } from 'bert-wasm/diagnose';
 *     const { ok, findings } = await diagnose();
 *     console.table(findings);
 *
 * An entry of its own, for a page that is being built, or for the report of a user whose browser
 * cannot run a model. In Node the command `bert-wasm doctor` says the same of the machine.
 */

import { commonFindings, diagnosisOf } from './findings.js';

// Types that programs name.
/** @typedef {import('./findings.js').Diagnosis} Diagnosis */
/** @typedef {import('./findings.js').Finding} Finding */

/**
 * Looks at what the engine needs and likes: SIMD, what the page's policy allows, a worker that
 * starts, threads, a place for models. It loads no model.
 * @returns {Promise<Diagnosis>}
 */
export async function diagnose() {
    return diagnosisOf([...(await commonFindings()), checksums()]);
}

/** @returns {Finding} */
function checksums() {
    const name = 'checksums';
    if (globalThis.crypto?.subtle) return { name, state: 'good', found: 'models are checked' };
    return {
        name,
        state: 'lesser',
        found: "models are not checked: the page's address is not a secure one",
        advice: 'serve the page over https',
    };
}

/**
 * Models that nobody holds any more, although nobody disposed of them: their workers are ended, as
 * a page that makes one for each of its visitors' clicks would not get their memory back.
 */

import { BertError } from '../errors.js';

/** @typedef {import('./replicas.js').Answering} Answering */

/** Made when it is needed: an import of the package does nothing. */
let registry = /** @type {FinalizationRegistry<Answering> | undefined} */ (undefined);

/**
 * @param {object} model
 * @param {Answering} connection  which does not hold the model
 */
export function endWhenDropped(model, connection) {
    if (typeof FinalizationRegistry === 'undefined') return;
    registry ??= new FinalizationRegistry((each) =>
        each.endWhenIdle(new BertError('DISPOSED', 'the model was dropped')),
    );
    registry.register(model, connection, connection);
}

/** @param {Answering} connection  that has ended: nothing is left to be done for its model */
export function forget(connection) {
    registry?.unregister(connection);
}

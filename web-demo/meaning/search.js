/** Search by meaning: the sentences that are most like a query. */

import { make } from '../shell/dom.js';
import { inHundredths } from '../shell/format.js';

const MOST_FOUND = 5;

/** @typedef {{i: number, sentence: string, similarity: number}} Found */

/**
 * @param {string} query
 * @param {import('./compare.js').Compared} compared
 * @param {import('./vectors.js').Vectors} vectors
 * @param {import('../shell/models.js').Models} models
 * @returns {Promise<Found[]>}  the most alike first
 */
export async function find(query, { sentences, data, d }, vectors, models) {
    const embed = await models.embedder();
    const { semanticSearch } = await models.library();
    const { signal } = new AbortController();
    const { data: row } = await vectors.of([query], embed, { signal, onprogress: () => {} });
    const best = await semanticSearch(
        { dims: [d], data: row },
        { dims: [sentences.length, d], data },
        { top_k: MOST_FOUND, score: 'dot' },
    );
    return best.map(({ corpus_id, score }) => ({
        i: corpus_id,
        sentence: sentences[corpus_id],
        similarity: score,
    }));
}

/** @param {HTMLElement} list @param {Found[]} found */
export function showFound(list, found) {
    list.hidden = found.length === 0;
    list.replaceChildren(
        ...found.map(({ sentence, similarity }) =>
            make(
                'li',
                {},
                make('span', { className: 'numbers' }, inHundredths(similarity)),
                make('span', { dir: 'auto' }, sentence),
            ),
        ),
    );
}

/**
 * Vectors of all texts, each text once, from the embedder: by them texts are found that mean what a
 * query does. They go to the worker of the rows; bytes are enough for that.
 */

import { EMPTY } from './marks.js';

const MOST_TEXTS = 96;
const MOST_CHARACTERS = 12_000;

/** Slices under way. */
const SLICES = 2;

/** Rows with a text that is not a row's before. @param {import('./rows.js').Rows} rows */
export const uniqueRows = ({ n, same, flags }) =>
    Array.from({ length: n }, (_, row) => row).filter(
        (row) => same[row] === row && !(flags[row] & EMPTY),
    );

/**
 * Options for texts and for queries: a model that was not made for sentences gives the mean of its
 * tokens; one that was trained with prompts gets them.
 * @param {any} embed
 */
export function optionsFor(embed) {
    const { outputs = {}, prompts = {} } = embed.model?.config ?? {};
    const is_sentence_model = Object.values(outputs).some(
        (/** @type {any} */ { output }) => output === 'sentence_embedding',
    );
    const common = {
        precision: 'int8',
        normalize: true,
        ...(is_sentence_model ? {} : { pooling: 'mean' }),
    };
    const promptOf = (/** @type {string[]} */ ...names) => {
        const name = names.find((each) => Object.hasOwn(prompts ?? {}, each));
        return name ? { prompt_name: name } : {};
    };
    return {
        query: { ...common, ...promptOf('query') },
        text: { ...common, ...promptOf('passage', 'document') },
    };
}

/**
 * @param {import('./rows.js').Rows} rows
 * @param {any} embed  the pipeline
 * @param {AbortSignal} signal
 * @param {(n_done: number, n: number) => void} onprogress
 */
export async function addVectors(rows, embed, signal, onprogress) {
    const unique = uniqueRows(rows);
    const options = { ...optionsFor(embed).text, signal };
    /** @type {{n: number, answer: Promise<any>}[]} */
    const under_way = [];
    let at = rows.n_vectors;
    for (;;) {
        while (under_way.length < SLICES && at < unique.length) {
            const texts = [];
            let n_characters = 0;
            while (
                at < unique.length &&
                texts.length < MOST_TEXTS &&
                n_characters < MOST_CHARACTERS
            ) {
                const text = rows.texts[unique[at++]];
                texts.push(text);
                n_characters += text.length;
            }
            const answer = embed(texts, options);
            answer.catch(() => {}); // it is awaited later
            under_way.push({ n: texts.length, answer });
        }
        const slice = under_way.shift();
        if (!slice) return;
        const { data, dims } = await slice.answer;
        signal.throwIfAborted();
        await rows.call('addVectors', { numbers: data, d: dims[1] });
        rows.n_vectors += slice.n;
        onprogress(rows.n_vectors, unique.length);
    }
}

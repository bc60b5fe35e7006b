/**
 * Code that runs with transformers.js and, with the import changed, with bert-wasm: the calls of
 * docs/moving-from-transformers.md.
 *
 *     import { pipeline } from 'bert-wasm';                    // or '@huggingface/transformers'
 *     for (const { model, code } of CASES) await code(pipeline, fileOrFolderOf(model));
 */

/**
 * @typedef {object} Case
 * @property {string} task
 * @property {string} model  a folder of tests/golden/pipelines
 * @property {(pipe: any) => Promise<any>} call  what the page shows
 * @property {(pipe: any) => Promise<any>} [same]  the call that gives with both libraries the same,
 *   where `call` does not
 * @property {(pipeline: any, model: any) => Promise<any>} code  the whole of it: gives what the
 *   call gives (or `same`)
 * @property {(transformers: any, model: string) => Promise<any>} [peer]  what stands for the call
 *   in transformers.js, where that has no such pipeline: gives the same
 */

/** @type {(Omit<Case, 'code'>)[]} */
const CALLS = [
    {
        task: 'text-classification',
        model: 'text-classification-bert',
        call: (pipe) => pipe('What a wonderful film.', { top_k: null }),
    },
    {
        task: 'text-classification',
        model: 'text-classification-roberta',
        call: (pipe) => pipe(['What a wonderful film.', 'It was dull.']),
    },
    {
        task: 'token-classification',
        model: 'token-classification-bert',
        call: (pipe) =>
            pipe('Anna Schmidt works for Google in New York.', { aggregation_strategy: 'simple' }),
    },
    {
        task: 'question-answering',
        model: 'question-answering-bert',
        call: (pipe) => pipe('Where does Sarah live?', 'Sarah lives in London.'),
        same: (pipe) =>
            pipe('Where does Sarah live?', 'Sarah lives in London.', { align_to_words: false }),
    },
    {
        task: 'fill-mask',
        model: 'fill-mask-bert',
        call: (pipe) => pipe('Paris is the [MASK] of France.', { top_k: 3 }),
    },
    {
        task: 'feature-extraction',
        model: 'feature-extraction-bert',
        call: (pipe) =>
            pipe(['A man is eating.', 'The sky is blue.'], { pooling: 'mean', normalize: true }),
    },
    {
        task: 'zero-shot-classification',
        model: 'zero-shot-bert',
        call: (pipe) => pipe('The match was lost.', ['politics', 'sports']),
    },
    {
        task: 'text-ranking',
        model: 'text-ranking-bert',
        call: (pipe) =>
            pipe('Who lives in Berlin?', ['Berlin is green.', 'Many people live in Berlin.']),
        async peer({ AutoTokenizer, AutoModelForSequenceClassification }, model) {
            const query = 'Who lives in Berlin?';
            const documents = ['Berlin is green.', 'Many people live in Berlin.'];
            const tokenizer = await AutoTokenizer.from_pretrained(model);
            const scorer = await AutoModelForSequenceClassification.from_pretrained(model);
            const { logits } = await scorer(
                tokenizer(
                    documents.map(() => query),
                    { text_pair: documents, padding: true, truncation: true },
                ),
            );
            await scorer.dispose();
            return logits
                .sigmoid()
                .tolist()
                .map(([score], corpus_id) => ({ corpus_id, score }))
                .sort((a, b) => b.score - a.score);
        },
    },
];

/** @type {Case[]} */
export const CASES = CALLS.map((each) => ({
    ...each,
    async code(pipeline, model) {
        const pipe = await pipeline(each.task, model);
        const result = await (each.same ?? each.call)(pipe);
        await pipe.dispose();
        return result;
    },
}));

/**
 * The call as the page shows it.
 * @param {Case} of
 */
export function sourceOf({ call }) {
    return call.toString().replace(/^\(pipe\) =>\s+/, '');
}

/** bert-wasm/explain, and ensemble(). */

import { BertError, ensemble, loadModel, type Model, pipeline } from 'bert-wasm';
import { attentionMaps, attentionRollout, attribute } from 'bert-wasm/explain';

const model = await loadModel();
const classify = await pipeline('sentiment-analysis');
const { tokens, maps, truncated } = await attentionMaps(classify, 'a', {
    layer: [0, 1],
    head: 2,
    signal: new AbortController().signal,
});
const at: [string, number, number, number, boolean] = [
    tokens[0].token,
    tokens[0].start,
    tokens[0].end,
    tokens[0].sequence,
    tokens[0].special,
];
const data: Float32Array = maps.data;
const cut: true | undefined = truncated;
const { scores, matrix } = await attentionRollout(
    model,
    { text: 'a', text_pair: 'b' },
    { head_fusion: 'max', discard_ratio: 0.5 },
);
const of: Float32Array = scores;
const dims: number[] = matrix.dims;
const {
    label,
    score,
    replacement,
    tokens: parts,
} = await attribute(model, 'a', {
    label: 'POSITIVE',
    unit: 'word',
    scale: 'log-odds',
    onprogress: ({ done, total }) => console.log(done / total),
});
const all: [string, number, string | null, number] = [label, score, replacement, parts[0].score];
const both = ensemble([model, classify], { weights: [1, 2] });
const best: string = (await both('a', { top_k: 2 }))[0].label;
const many: string = (await both(['a']))[0].label;
for await (const each of both(['a'].values())) console.log(each.score);
const models: Model[] = both.models;
const names: string[] = (await both.info()).map(({ name }) => name);
const [{ logits }] = await model.forward([{ input_ids: [1] }], {
    outputs: { logits: { output: 'logits' } },
});
both.dispose();
// @ts-expect-error
attentionMaps(5, 'a');
// @ts-expect-error
attentionRollout(model, 'a', { head_fusion: 'sum' });
// @ts-expect-error
attribute(model, ['a']);
// @ts-expect-error
attribute(model, 'a', { scale: 'logit' });
// @ts-expect-error
ensemble(classify);
// @ts-expect-error
both('a', { top: 2 });
const failed = (error: unknown): string => (error instanceof BertError ? error.code : '');

export { all, at, best, cut, data, dims, failed, logits, many, models, names, of };

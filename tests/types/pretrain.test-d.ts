// pretrain(): what programs may write, and what they may not.

import { type Model, pipeline } from 'bert-wasm';
import { type Corpus, type Pretrained, type PretrainProgress, pretrain } from 'bert-wasm/train';

const corpus: Corpus = ['a line', '', 'another document'];
const pretrained: Pretrained = await pretrain(corpus, {
    model: { layers: 2, hidden: 128 },
    vocabulary: { size: 4096, lowercase: false },
    next_sentence: true,
    validation: new Set(['other texts']),
    onprogress: ({ mlm_loss, nsp_loss }: PretrainProgress) => mlm_loss + (nsp_loss ?? 0),
});
const perplexity: number | undefined = pretrained.metrics?.perplexity;
const model: Model = await pretrained.model({ dtype: 'f32' });
await pipeline('fill-mask', model);
await pretrain(new Blob(['a line']), { base: 'encoder.safetensors', validation: 0.1 });

// @ts-expect-error: lines are strings
await pretrain([7]);
// @ts-expect-error: a size that there is none of
await pretrain(corpus, { model: { depth: 2 } });

export { perplexity };

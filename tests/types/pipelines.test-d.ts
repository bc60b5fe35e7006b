/** Every overload of every task, and calls that must not compile. */

import {
    BertError,
    type CallMetrics,
    type Classification,
    type Configuration,
    configure,
    type FeatureExtractionPipeline,
    type Features,
    type FillMaskPipeline,
    type LoadOptions,
    loadModel,
    type MaskFilling,
    type Metrics,
    type Model,
    type ModelInfo,
    type ModelSource,
    type NextSentence,
    type NextSentencePredictionPipeline,
    pipeline,
    type RankedDocument,
    type SearchResult,
    semanticSearch,
    similarity,
    type TextClassificationPipeline,
    type TextRankingPipeline,
    type ZeroShotClassification,
    type ZeroShotClassificationPipeline,
} from 'bert-wasm';

import { hasNoAny, is } from './checks.js';

declare const bytes: Uint8Array;
declare const signal: AbortSignal;
declare const texts: AsyncIterable<string>;
declare const pairs: Set<{ text: string; text_pair: string }>;
declare const rankings: Iterable<{ query: string; documents: string[] }>;

type Stream<T> = AsyncGenerator<T, void, undefined>;

// Where names lead.
declare const settings: Configuration;
configure(settings);
configure({ hub: 'https://hub.example', token: null });
configure({ hub: new URL('https://hub.example') });
// @ts-expect-error: no such setting
configure({ host: 'https://hub.example' });
// @ts-expect-error: a token is text
configure({ token: 7 });
declare const chosen: FileList;
declare const folder: FileSystemDirectoryHandle;
loadModel(chosen, { dtype: 'f32' });
loadModel(folder, { subfolder: 'onnx', file: 'model_quantized.onnx' });
await pipeline('ner', 'org/name', { revision: 'main', dtype: 'q4' });
// @ts-expect-error: no such dtype
await loadModel('org/name', { dtype: 'fp32' });

// Loading.
const sources: ModelSource[] = [
    'm.safetensors',
    new URL('https://example.com/m.safetensors'),
    bytes,
    new ArrayBuffer(1),
    new Blob(),
    ['a.safetensors', new URL('https://example.com/a.safetensors'), bytes],
];
const loading: LoadOptions = {
    signal,
    threads: 2,
    variant: 'base',
    int8_kernel: 'x',
    performance_marks: true,
    onprogress: ({ loaded, total, rate }) => is<number>()((total - loaded) / rate),
    progress_callback: ({ task }) => is<string | undefined>()(task),
    idle_timeout: 10_000,
    retry_delay: 100,
    onmetrics: (call) => is<CallMetrics>()(call),
};
const model = await loadModel(sources[0], loading);
is<Model>()(model);
is<ModelInfo>()(await model.info());
is<Metrics>()(model.metrics());
hasNoAny(await model.info());
hasNoAny(model.metrics());
hasNoAny(await model.verify({ signal }));
hasNoAny((await model.forward([{ input_ids: [101, 102] }], { hidden_states: true, signal }))[0]);
hasNoAny(await model.forward({ input_ids: new Int32Array(2) }));
hasNoAny((await model.forward({ input_ids: [[101, 102]], attention_mask: [[1, 1]] }))[0]);
is<Float32Array>()((await model.forward({ input_ids: [101, 102] })).logits.data);
hasNoAny(await model.tokenizer.encodeBatch(['a', { text: 'a', text_pair: 'b' }]));
is<string>()(await model.tokenizer.decode([101, 102], { skip_special_tokens: true }));
is<number | null>()(await model.tokenizer.tokenToId('[MASK]'));
is<string[]>()(model.config.labels);
await loadModel();
await loadModel(null, { signal });
{
    await using own = await loadModel();
    is<string>()(own.name);
    await using pipe = await pipeline('sentiment-analysis');
    is<Model>()(pipe.model);
    is<string>()(pipe.task);
    is<void>()(pipe.dispose());
}
// @ts-expect-error
await loadModel(5);
// @ts-expect-error
await loadModel('m', { thread: 2 });
// @ts-expect-error
await loadModel('m', { variant: 'fast' });
// @ts-expect-error
model.name = 'x';
// @ts-expect-error
new (model.constructor as typeof Model)();

// Pipelines.
const classify = await pipeline('text-classification');
is<TextClassificationPipeline>()(classify);
is<TextClassificationPipeline>()(await pipeline('sentiment-analysis', model, loading));
const embed = await pipeline('feature-extraction', bytes);
is<FeatureExtractionPipeline>()(embed);
is<FeatureExtractionPipeline>()(await pipeline('embeddings', 'm'));
const fill = await pipeline('fill-mask', 'm');
is<FillMaskPipeline>()(fill);
const zeroShot = await pipeline('zero-shot-classification', 'm');
is<ZeroShotClassificationPipeline>()(zeroShot);
const rank = await pipeline('text-ranking', 'm');
is<TextRankingPipeline>()(rank);
const follows = await pipeline('next-sentence-prediction', 'm');
is<NextSentencePredictionPipeline>()(follows);
// @ts-expect-error
await pipeline('summarization', 'm');
// @ts-expect-error
await pipeline('fill-mask');
// @ts-expect-error
await pipeline(model);

// text-classification.
is<Classification[]>()(await classify('a'));
is<Classification[]>()(await classify('a', { top_k: 3 }));
is<Classification[]>()(
    await classify({ text: 'a', text_pair: 'b' }, { top_k: null, function_to_apply: 'sigmoid' }),
);
is<Classification[]>()(await classify(['a', { text: 'a', text_pair: 'b' }]));
is<Classification[]>()(
    await classify(['a'], {
        signal,
        batch_tokens: 512,
        overflow: 'window',
        stride: 16,
        onprogress: ({ done, total }) => is<number>()(done / total),
    }),
);
is<Classification[][]>()(await classify(['a'], { top_k: 2 }));
is<Classification[][]>()(await classify(['a'], { top_k: null }));
is<(Classification | BertError)[]>()(await classify(['a'], { errors: 'return' }));
is<(Classification[] | BertError)[]>()(await classify(['a'], { errors: 'return', top_k: 2 }));
is<Stream<Classification>>()(classify(texts));
is<Stream<Classification>>()(classify(new Set(['a']), { signal }));
is<Stream<Classification[]>>()(classify(texts, { top_k: 2 }));
is<Stream<Classification | BertError>>()(classify(texts, { errors: 'return' }));
is<Stream<Classification[] | BertError>>()(classify(texts, { errors: 'return', top_k: null }));
hasNoAny((await classify('a'))[0]);
// @ts-expect-error
await classify();
// @ts-expect-error
await classify(5);
// @ts-expect-error
await classify([5]);
// @ts-expect-error
await classify({ text_pair: 'b' });
// @ts-expect-error
await classify('a', { topk: 2 });
// @ts-expect-error
await classify('a', { overflow: 'cut' });
// @ts-expect-error
await classify(['a'], { errors: 'ignore' });

// feature-extraction.
is<Features>()(await embed('a'));
is<Features>()(await embed(['a', 'b'], { pooling: 'mean', normalize: true, dimensions: 64 }));
is<Features<'int8'>>()(await embed(['a'], { pooling: 'mean', precision: 'int8' }));
is<Features<'ubinary'>>()(await embed('a', { pooling: 'cls', precision: 'ubinary' }));
is<Features<'binary'>>()(await embed('a', { pooling: 'cls', precision: 'binary', quantize: true }));
is<Features[]>()(await embed(['a'], { pooling: 'none' }));
is<(Features | BertError)[]>()(await embed(['a'], { pooling: 'mean', errors: 'return' }));
is<Stream<Features>>()(embed(texts, { pooling: 'mean' }));
is<Stream<Features<'int8'>>>()(embed(texts, { pooling: 'mean', precision: 'int8' }));
is<Stream<Features | BertError>>()(embed(texts, { errors: 'return' }));
is<Features>()(await embed('a', { prompt_name: 'query' }));
is<Features>()(await embed('a', { prompt: '', prompt_name: null }));
is<Record<string, string>>()(embed.model.config.prompts);
is<string | null>()(embed.model.config.default_prompt_name);
is<'sigmoid' | 'none' | null>()(embed.model.config.activation);
// @ts-expect-error
await embed('a', { prompt_name: 1 });
const features = await embed('a');
is<Float32Array>()(features.data);
is<number[]>()(features.dims);
is<boolean[]>()(features.truncated);
is<Int8Array>()((await embed('a', { precision: 'int8' })).data);
is<Uint8Array>()((await embed('a', { precision: 'ubinary' })).data);
hasNoAny(features);
hasNoAny(features.tolist);
// @ts-expect-error
await embed('a', { pooling: 'max' });
// @ts-expect-error
await embed('a', { normalise: true });
// @ts-expect-error
await embed('a', { precision: 'int4' });
// @ts-expect-error: without precision it would be 'binary', and its type float32's
await embed('a', { quantize: true });

// fill-mask.
is<MaskFilling[]>()(await fill('[MASK]'));
is<MaskFilling[][]>()(await fill(['[MASK]'], { top_k: 3, targets: ['a', 'b'] }));
is<(MaskFilling[] | BertError)[]>()(await fill(['[MASK]'], { errors: 'return' }));
is<Stream<MaskFilling[]>>()(fill(texts, { targets: 'a' }));
is<Stream<MaskFilling[] | BertError>>()(fill(texts, { errors: 'return' }));
hasNoAny((await fill('[MASK]'))[0]);
// @ts-expect-error
await fill({ text: '[MASK]' });
// @ts-expect-error: only one window is read
await fill('[MASK]', { overflow: 'window' });
// @ts-expect-error
await fill('[MASK]', { targets: [5] });

// zero-shot-classification.
is<ZeroShotClassification>()(await zeroShot('a', ['x', 'y']));
is<ZeroShotClassification>()(
    await zeroShot('a', 'x, y', { hypothesis_template: '{}?', multi_label: true }),
);
is<ZeroShotClassification[]>()(await zeroShot(['a'], ['x']));
is<(ZeroShotClassification | BertError)[]>()(await zeroShot(['a'], ['x'], { errors: 'return' }));
is<Stream<ZeroShotClassification>>()(zeroShot(texts, ['x'], { signal }));
is<Stream<ZeroShotClassification | BertError>>()(zeroShot(texts, ['x'], { errors: 'return' }));
hasNoAny(await zeroShot('a', ['x', 'y']));
// @ts-expect-error
await zeroShot('a');
// @ts-expect-error
await zeroShot('a', [5]);
// @ts-expect-error
await zeroShot('a', ['x'], { multiLabel: true });

// text-ranking.
is<RankedDocument[]>()(await rank('q', ['a', 'b']));
is<RankedDocument[]>()(
    await rank('q', ['a'], { top_k: 1, return_documents: true, function_to_apply: 'none' }),
);
is<RankedDocument[]>()(await rank({ query: 'q', documents: ['a'] }, { signal }));
is<RankedDocument[][]>()(await rank([{ query: 'q', documents: ['a'] }]));
is<(RankedDocument[] | BertError)[]>()(
    await rank([{ query: 'q', documents: ['a'] }], { errors: 'return' }),
);
is<Stream<RankedDocument[]>>()(rank(rankings));
is<Stream<RankedDocument[] | BertError>>()(rank(rankings, { errors: 'return' }));
hasNoAny((await rank('q', ['a']))[0]);
// @ts-expect-error
await rank('q');
// @ts-expect-error
await rank('q', 'a');
// @ts-expect-error
await rank({ query: 'q' });
// @ts-expect-error
await rank('q', ['a'], { function_to_apply: 'softmax' });

// next-sentence-prediction.
is<NextSentence>()(await follows({ text: 'a', text_pair: 'b' }));
is<NextSentence[]>()(await follows([{ text: 'a', text_pair: 'b' }], { overflow: 'error' }));
is<(NextSentence | BertError)[]>()(
    await follows([{ text: 'a', text_pair: 'b' }], { errors: 'return' }),
);
is<Stream<NextSentence>>()(follows(pairs));
is<Stream<NextSentence | BertError>>()(follows(pairs, { errors: 'return' }));
hasNoAny(await follows({ text: 'a', text_pair: 'b' }));
// @ts-expect-error
await follows('a');
// @ts-expect-error
await follows({ text: 'a' });

// Search.
const corpus = await embed(['a', 'b'], { pooling: 'mean' });
const results = await semanticSearch(await embed(['q'], { pooling: 'mean' }), corpus, {
    top_k: 5,
    score: 'dot',
    signal,
});
const first: SearchResult[] = results[0];
is<SearchResult[]>()(await semanticSearch({ dims: [2], data: new Float32Array(2) }, corpus));
is<SearchResult[][]>()(await semanticSearch({ dims: [1, 2], data: new Float32Array(2) }, corpus));
is<Float32Array>()((await similarity(corpus, corpus)).data);
hasNoAny(first[0]);
// @ts-expect-error
await semanticSearch(corpus);
// @ts-expect-error
await semanticSearch(corpus, [[1, 2]]);
// @ts-expect-error
await semanticSearch(corpus, corpus, { score: 'euclidean' });

// Errors.
const error = new BertError('BAD_INPUT', 'why', { index: 3, cause: 'what for' });
is<number | undefined>()(error.index);
is<unknown>()(error.cause);
is<string>()(error.code);
// @ts-expect-error
error.code = 'X';

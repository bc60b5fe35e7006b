/** bert-wasm/train. */

import { type Model, pipeline } from 'bert-wasm';
import {
    type Example,
    type FewShotOptions,
    type FineTuned,
    fewShot,
    fineTune,
    type TextExample,
    type TrainProgress,
} from 'bert-wasm/train';

const examples: Example[] = [
    { text: 'a', label: 'x' },
    { text: 'b', text_pair: 'c', label: 1 },
];
const trained: FineTuned = await fineTune('encoder.safetensors', examples, {
    labels: ['x', 'y'],
    validation: 0.1,
    epochs: 2,
    batch_size: 8,
    class_weights: 'balanced',
    patience: 1,
    seed: 7,
    load: { revision: 'main', cache: false },
    onprogress: ({ step, n_steps, loss, metric }: TrainProgress) => {
        const numbers: (number | null)[] = [step, n_steps, loss, metric];
        console.log(numbers);
    },
    signal: new AbortController().signal,
    stop: new AbortController().signal,
});
const accuracy: number | undefined = trained.metrics?.accuracy;
const losses: number[] = trained.history.map(({ loss }) => loss);
const model: Model = await trained.model({ dtype: 'f32', threads: 1 });
const bytes: Uint8Array = await trained.save({ dtype: 'q8', name: 'mine' });
const files: Record<string, Uint8Array> = await trained.export();
await fineTune(bytes, [{ tokens: ['a'], labels: ['B-X'] }], { task: 'token-classification' });
await fineTune(bytes, [{ text: 'a', text_pair: 'b', score: 0.5 }], { task: 'feature-extraction' });
await fineTune(new URL('https://a.example/'), new Set<Example>());
const shots: TextExample[] = [{ text: 'a', label: 'x' }];
const few: FewShotOptions = { max_pairs: 100, epochs: 1, validation: shots, threads: 1 };
const classifier: FineTuned = await fewShot('embeddings.safetensors', shots, few);
const spearman: number | undefined = classifier.metrics?.spearman;
console.log(spearman);
await fineTune(
    'org/name',
    (async function* () {
        yield { text: 'a', label: 'x' };
    })(),
);
console.log(accuracy, losses, files, await pipeline('text-classification', model));

// @ts-expect-error: no such task
fineTune('a', examples, { task: 'fill-mask' });
// @ts-expect-error: an example needs labels
fineTune('a', [{ text: 'a' }]);
// @ts-expect-error: no such option
fineTune('a', examples, { rate: 1 });
// @ts-expect-error: no such dtype
trained.save({ dtype: 'f64' });

// @ts-expect-error: examples, not a share
fewShot('a', shots, { validation: 0.1 });

// @ts-expect-error: it has one task
fewShot('a', shots, { task: 'text-classification' });

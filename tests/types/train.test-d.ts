/** bert-wasm/train. */

import { type Model, pipeline } from 'bert-wasm';
import {
    type Example,
    type FewShotOptions,
    type FineTuned,
    fewShot,
    fineTune,
    fineTuneTasks,
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
await fineTune(
    bytes,
    [
        { text: 'a', labels: ['x', 'y'] },
        { text: 'b', labels: [] },
    ],
    {
        problem_type: 'multi_label_classification',
        dropout: { hidden: 0.1, classifier: 0 },
        label_smoothing: 0.1,
        schedule: 'cosine',
        accumulate: 4,
        adversarial: 1,
    },
);
await fineTune(bytes, [{ text: 'a', score: 0.5 }], { problem_type: 'regression', dropout: 0 });
const checkpoints: Uint8Array[] = [];
const answers: FineTuned = await fineTune(
    bytes,
    [{ question: 'a', context: 'b', answers: [{ text: 'b', answer_start: 0 }] }],
    {
        task: 'question-answering',
        lora: { rank: 4, targets: ['query', 'output'] },
        trained_layers: 0,
        unfreeze: 1,
        layer_decay: 0.9,
        oncheckpoint: (checkpoint) => checkpoints.push(checkpoint),
        checkpoint_steps: 100,
        resume: checkpoints[0],
    },
);
const exact: number | undefined = answers.metrics?.exact;
console.log(exact);
await fineTune(bytes, [{ text: 'a', text_pair: 'b', score: 0.5 }], { task: 'feature-extraction' });
await fineTune(new URL('https://a.example/'), new Set<Example>());
const shots: TextExample[] = [{ text: 'a', label: 'x' }];
const few: FewShotOptions = { max_pairs: 100, epochs: 1, validation: shots, threads: 1 };
const { tone, names } = await fineTuneTasks(
    bytes,
    {
        tone: { examples, validation: 0.2, class_weights: 'balanced' },
        names: { examples: [{ text: 'a', labels: ['O'] }], task: 'token-classification' },
    },
    { epochs: 2, onprogress: ({ task, validation }) => console.log(task, validation?.tone.loss) },
);
const both: FineTuned[] = [tone, names];
const classifier: FineTuned = await fewShot('embeddings.safetensors', shots, few);
const spearman: number | undefined = classifier.metrics?.spearman;
console.log(spearman);
await fineTune(
    'org/name',
    (async function* () {
        yield { text: 'a', label: 'x' };
    })(),
);
console.log(accuracy, losses, files, await pipeline('text-classification', model), both);

// @ts-expect-error: no such task
fineTune('a', examples, { task: 'fill-mask' });
// @ts-expect-error: an example needs labels
fineTune('a', [{ text: 'a' }]);
// @ts-expect-error: no such schedule
fineTune('a', examples, { schedule: 'square' });
// @ts-expect-error: no such matrix
fineTune('a', examples, { lora: { targets: ['keys'] } });
// @ts-expect-error: no such option
fineTune('a', examples, { rate: 1 });
// @ts-expect-error: no such dtype
trained.save({ dtype: 'f64' });

// @ts-expect-error: examples, not a share
fewShot('a', shots, { validation: 0.1 });

// @ts-expect-error: it has one task
fewShot('a', shots, { task: 'text-classification' });

// @ts-expect-error: an option of each task
fineTuneTasks(bytes, { tone: { examples } }, { task: 'text-classification' });

// @ts-expect-error: embeddings are not learned with others
fineTuneTasks(bytes, { near: { examples, task: 'feature-extraction' } });

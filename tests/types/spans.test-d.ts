/** token-classification and question-answering. */

import {
    type Answer,
    type BertError,
    type EntityGroup,
    pipeline,
    type QuestionAnsweringPipeline,
    type TokenClassificationPipeline,
    type TokenEntity,
} from 'bert-wasm';

import { hasNoAny, is } from './checks.js';

declare const signal: AbortSignal;
declare const texts: AsyncIterable<string>;
declare const questions: Set<{ question: string; context: string }>;

type Stream<T> = AsyncGenerator<T, void, undefined>;
type Entities<T> = T[] & { truncated?: true };

const recognise = await pipeline('token-classification', 'm');
is<TokenClassificationPipeline>()(recognise);
is<TokenClassificationPipeline>()(await pipeline('ner', new Blob()));
const ask = await pipeline('question-answering', new URL('https://example.org/qa.safetensors'), {
    threads: 1,
});
is<QuestionAnsweringPipeline>()(ask);

// token-classification.
is<Entities<TokenEntity>>()(await recognise('a'));
is<Entities<TokenEntity>>()(
    await recognise('a', { aggregation_strategy: 'none', stride: 8, ignore_labels: [] }),
);
is<Entities<EntityGroup>>()(
    await recognise('a', { aggregation_strategy: 'max', overflow: 'window' }),
);
is<Entities<TokenEntity>[]>()(await recognise(['a'], { signal }));
is<Entities<EntityGroup>[]>()(await recognise(['a'], { aggregation_strategy: 'simple' }));
is<(Entities<TokenEntity> | BertError)[]>()(await recognise(['a'], { errors: 'return' }));
is<(Entities<EntityGroup> | BertError)[]>()(
    await recognise(['a'], { errors: 'return', aggregation_strategy: 'first' }),
);
is<Stream<Entities<TokenEntity>>>()(recognise(texts));
is<Stream<Entities<EntityGroup>>>()(recognise(texts, { aggregation_strategy: 'average' }));
is<Stream<Entities<EntityGroup> | BertError>>()(
    recognise(texts, { aggregation_strategy: 'average', errors: 'return' }),
);
is<true | undefined>()((await recognise('a')).truncated);
hasNoAny((await recognise('a'))[0]);
hasNoAny((await recognise('a', { aggregation_strategy: 'max' }))[0]);
// @ts-expect-error
await recognise({ text: 'a' });
// @ts-expect-error
await recognise('a', { aggregation_strategy: 'least' });
// @ts-expect-error
(await recognise('a', { aggregation_strategy: 'max' }))[0].entity;
// @ts-expect-error
await recognise('a', { ignore_labels: 'O' });

// question-answering.
is<Answer>()(await ask('q', 'c'));
is<Answer>()(await ask('q', 'c', { align_to_words: false, max_answer_len: 5 }));
is<Answer[]>()(await ask('q', 'c', { top_k: 2 }));
is<Answer>()(await ask({ question: 'q', context: 'c' }, { handle_impossible_answer: true }));
is<Answer[]>()(await ask({ question: 'q', context: 'c' }, { top_k: 2 }));
is<Answer[]>()(await ask(['q'], 'c'));
is<Answer[]>()(await ask(['q'], ['c'], { doc_stride: 64 }));
is<Answer[][]>()(await ask(['q'], 'c', { top_k: 3 }));
is<Answer[]>()(await ask([{ question: 'q', context: 'c' }]));
is<Answer[][]>()(await ask([{ question: 'q', context: 'c' }], { top_k: 3 }));
is<(Answer | BertError)[]>()(await ask(['q'], 'c', { errors: 'return' }));
is<(Answer | BertError)[]>()(await ask([{ question: 'q', context: 'c' }], { errors: 'return' }));
is<(Answer[] | BertError)[]>()(
    await ask([{ question: 'q', context: 'c' }], { errors: 'return', top_k: 2 }),
);
is<Stream<Answer>>()(ask(texts, 'c'));
is<Stream<Answer[]>>()(ask(texts, 'c', { top_k: 2 }));
is<Stream<Answer>>()(ask(questions));
is<Stream<Answer[]>>()(ask(questions, { top_k: 2 }));
is<Stream<Answer | BertError>>()(ask(questions, { errors: 'return' }));
hasNoAny(await ask('q', 'c'));
// @ts-expect-error
await ask('q');
// @ts-expect-error
(await ask('q', 'c')).length;
// @ts-expect-error
await ask('q', ['c']);
// @ts-expect-error
await ask({ question: 'q' });
// @ts-expect-error
await ask('q', 'c', { topk: 2 });
// @ts-expect-error
await pipeline('token-classify', 'm');

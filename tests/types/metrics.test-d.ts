/** bert-wasm/metrics. */

import { pipeline } from 'bert-wasm';
import {
    accuracy,
    answerScores,
    classScores,
    confusion,
    entitiesOf,
    entityScores,
    evaluate,
    hitRate,
    macroF1,
    matthews,
    ndcg,
    normalizeAnswer,
    pearson,
    reciprocalRank,
    spanScores,
    spearman,
} from 'bert-wasm/metrics';

import { hasNoAny, is } from './checks.js';

const pipe = await pipeline('text-classification');
const evaluation = await evaluate(pipe, [{ text: 'a', label: 'POSITIVE' }], {
    batch_size: 8,
    onprogress: ({ done, total }) => is<number>()(done / total),
    top_k: 1,
});
is<string>()(evaluation.task);
is<number | undefined>()(evaluation.accuracy);
hasNoAny(evaluation);
hasNoAny(await evaluate(await pipeline('feature-extraction', 'm'), []));
hasNoAny(await evaluate(await pipeline('fill-mask', 'm'), []));
hasNoAny(await evaluate(await pipeline('zero-shot-classification', 'm'), []));
hasNoAny(await evaluate(await pipeline('text-ranking', 'm'), []));
// @ts-expect-error
await evaluate(pipe);
// @ts-expect-error
await evaluate('text-classification', []);

const matrix = confusion([0, 1], [0, 0], 2);
is<number[][]>()(matrix);
is<number>()(accuracy(matrix) + macroF1(matrix) + matthews(matrix));
hasNoAny(classScores(matrix).macro);
hasNoAny(answerScores([['a']], ['a']));
hasNoAny(entitiesOf(['B-PER'])[0]);
hasNoAny(entityScores([['O']], [['O']]).micro);
hasNoAny(spanScores([[{ start: 0, end: 1, type: 'PER' }]], [[]]));
is<string>()(normalizeAnswer('The a'));
is<number>()(
    hitRate(['a'], [['a']], 1) +
        ndcg([0], [1]) +
        reciprocalRank([0], [1], 10) +
        pearson([1], [1]) +
        spearman([1], [1]),
);
// @ts-expect-error
confusion(['a'], ['a'], 2);
// @ts-expect-error
pearson('a', 'b');

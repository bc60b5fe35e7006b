/**
 * `bert-wasm/metrics`: how good answers are, as the usual tools of each task count it. All scores
 * are fractions from 0 to 1 (correlations -1 to 1), never per cent.
 */

export { answerScores, normalizeAnswer } from './answers.js';
export { accuracy, classScores, confusion, macroF1, matthews } from './classification.js';
export { pearson, spearman } from './correlation.js';
export { entitiesOf, entityScores, spanScores } from './entities.js';
export { evaluate } from './evaluate.js';
export { hitRate, ndcg, reciprocalRank } from './ranking.js';

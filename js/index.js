/**
 * bert-wasm: BERT-family encoders that run privately inside any web page or Node script.
 *
 *     import { pipeline } from 'bert-wasm';
 *     const classify = await pipeline('sentiment-analysis');
 *     console.log(await classify('What a wonderful film.'));
 *     // [{ label: 'POSITIVE', score: 0.97... }]
 *     classify.dispose();
 */

export { BertError } from './errors.js';
export { loadModel, Model } from './model/model.js';
export { ensemble } from './pipelines/ensemble.js';
export { pipeline } from './pipelines/index.js';
export { semanticSearch, similarity } from './search.js';

// Types that programs name.
/** @typedef {import('./pipelines/index.js').LoadOptions} LoadOptions */
/** @typedef {import('./model/model.js').ModelSource} ModelSource */
/** @typedef {import('./worker/loaded_model.js').ModelInfo} ModelInfo */
/** @typedef {import('./model/monitor.js').CallMetrics} CallMetrics */
/** @typedef {import('./model/monitor.js').Metrics} Metrics */
/** @typedef {import('./search.js').Embeddings} Embeddings */
/** @typedef {import('./search.js').SearchResult} SearchResult */
/**
 * @typedef {import('./pipelines/index.js').TextClassificationPipeline} TextClassificationPipeline
 */
/**
 * @typedef {import('./pipelines/index.js').TokenClassificationPipeline} TokenClassificationPipeline
 */
/** @typedef {import('./pipelines/index.js').QuestionAnsweringPipeline} QuestionAnsweringPipeline */
/** @typedef {import('./pipelines/index.js').FeatureExtractionPipeline} FeatureExtractionPipeline */
/** @typedef {import('./pipelines/index.js').FillMaskPipeline} FillMaskPipeline */
/**
 * @typedef {import('./pipelines/index.js').ZeroShotClassificationPipeline} ZeroShotClassificationPipeline
 */
/** @typedef {import('./pipelines/index.js').TextRankingPipeline} TextRankingPipeline */
/**
 * @typedef {import('./pipelines/index.js').NextSentencePredictionPipeline} NextSentencePredictionPipeline
 */
/** @typedef {import('./pipelines/text_classification.js').Classification} Classification */
/** @typedef {import('./pipelines/token_classification.js').TokenEntity} TokenEntity */
/** @typedef {import('./pipelines/token_classification.js').EntityGroup} EntityGroup */
/** @typedef {import('./pipelines/question_answering.js').Answer} Answer */
/**
 * @template {import('./pipelines/feature_extraction.js').Precision} [P='float32']
 * @typedef {import('./pipelines/feature_extraction.js').Features<P>} Features
 */
/** @typedef {import('./pipelines/fill_mask.js').MaskFilling} MaskFilling */
/**
 * @typedef {import('./pipelines/zero_shot_classification.js').ZeroShotClassification} ZeroShotClassification
 */
/** @typedef {import('./pipelines/text_ranking.js').RankedDocument} RankedDocument */
/** @typedef {import('./pipelines/next_sentence_prediction.js').NextSentence} NextSentence */

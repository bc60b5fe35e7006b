/**
 * bert-wasm: BERT-family encoders that run privately inside any web page or Node script.
 *
 *     import { pipeline } from 'bert-wasm';
 *     const classify = await pipeline('sentiment-analysis');
 *     console.log(await classify('What a wonderful film.'));
 *     // [{ label: 'POSITIVE', score: 0.9... }]
 *     classify.dispose();
 */

export { cache } from './cache/index.js';
export { BertError } from './errors.js';
export { loadModel, Model } from './model/model.js';
export { ensemble } from './pipelines/ensemble.js';
export { pipeline } from './pipelines/index.js';
export { semanticSearch, similarity } from './search.js';
export { configure } from './sources/configure.js';

/** @import { PipelineOf } from './pipelines/index.js' */

// Types that programs name.
/** @typedef {import('./pipelines/index.js').LoadOptions} LoadOptions */
/** @typedef {import('./cache/cached_download.js').CacheReport} CacheReport */
/** @typedef {import('./cache/index.js').CacheSize} CacheSize */
/** @typedef {import('./cache/library.js').CachedModel} CachedModel */
/** @typedef {import('./model/model.js').ModelSource} ModelSource */
/** @typedef {import('./sources/configure.js').Configuration} Configuration */
/** @typedef {import('./worker/loaded_model.js').ModelInfo} ModelInfo */
/** @typedef {import('./model/monitor.js').CallMetrics} CallMetrics */
/** @typedef {import('./model/monitor.js').Metrics} Metrics */
/** @typedef {import('./search.js').Embeddings} Embeddings */
/** @typedef {import('./search.js').SearchResult} SearchResult */
/**
 * @typedef {PipelineOf<'text-classification'>} TextClassificationPipeline
 *   the labels of a text, or of a pair of texts
 */
/**
 * @typedef {PipelineOf<'token-classification'>} TokenClassificationPipeline
 *   the tokens of a text with their labels, or the entities that they make
 */
/**
 * @typedef {PipelineOf<'question-answering'>} QuestionAnsweringPipeline
 *   the part of a context that answers a question
 */
/**
 * @typedef {PipelineOf<'feature-extraction'>} FeatureExtractionPipeline
 *   vectors of texts, one for each or one for each of its tokens
 */
/**
 * @typedef {PipelineOf<'fill-mask'>} FillMaskPipeline
 *   what may stand in the place of a mask token
 */
/**
 * @typedef {PipelineOf<'zero-shot-classification'>} ZeroShotClassificationPipeline
 *   how well labels that the model has never seen fit a text
 */
/**
 * @typedef {PipelineOf<'text-ranking'>} TextRankingPipeline
 *   documents by how well they answer a query
 */
/**
 * @typedef {PipelineOf<'next-sentence-prediction'>} NextSentencePredictionPipeline
 *   whether one text follows another
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

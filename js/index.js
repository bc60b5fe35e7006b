/**
 * bert-wasm: BERT-family encoders that run privately inside any web page or Node script.
 *
 *     import { pipeline } from 'bert-wasm';
 *     const classify = await pipeline('sentiment-analysis');
 *     console.log(await classify('What a wonderful film.'));   // [{ label: 'POSITIVE', score: 0.98 }]
 *     classify.dispose();
 */
export { BertError } from './errors.js';
export { loadModel, Model } from './model.js';
export { ensemble } from './pipelines/ensemble.js';
export { pipeline } from './pipelines/index.js';
export { semanticSearch, similarity } from './search.js';

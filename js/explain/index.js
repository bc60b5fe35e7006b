/**
 * `bert-wasm/explain`: why a model answers as it does. Attention as maps and as flow, and how much
 * each token speaks for a label.
 */

export { attentionMaps, attentionRollout } from './attention.js';
export { attribute } from './attribution.js';

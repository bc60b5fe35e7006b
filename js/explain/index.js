/**
 * `bert-wasm/explain`: why a model answers as it does. Attention as maps and as flow, and what each
 * token speaks for.
 */

export { attentionMaps, attentionRollout } from './attention.js';
export { attribute } from './attribution.js';

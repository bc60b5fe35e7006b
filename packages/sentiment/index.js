/**
 * Where the model is: for `pipeline('sentiment-analysis', model)` of bert-wasm, which finds it by
 * itself where this package is installed.
 */

// Literal, so that bundlers take the file along.
export default new URL('./sentiment-minilm-l6-q8.safetensors', import.meta.url);

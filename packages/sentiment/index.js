/**
 * Where the model is: for `pipeline('sentiment-analysis', model)` of bert-wasm, which finds it by
 * itself where this package is installed.
 */

// Literal, so that bundlers take the file along.
const model = new URL('./sentiment-minilm-l6-q8.safetensors', import.meta.url);

// vite 5 to 7 move scripts of packages while they develop, and leave other files behind.
const moved = /\/node_modules\/\.vite\/deps\w*\//;

export default moved.test(model.href)
    ? new URL(model.href.replace(moved, '/node_modules/bert-wasm-sentiment/'))
    : model;

/** Where the model file is: for `pipeline('sentiment-analysis', model)` of bert-wasm. */
declare const model: URL;
export default model;

/** What the page imports: the package, which lies beside it in the site once that is built. */
declare module '*/bert-wasm/index.js' {
    export const pipeline: typeof import('../js/index.js').pipeline;
    export const loadModel: typeof import('../js/index.js').loadModel;
}

declare module '*/bert-wasm/sources.js' {
    export const findModel: typeof import('../js/sources/find.js').findModel;
}

/** The same, on the thread of who imports it. */
declare module '*/bert-wasm/in-thread.js';

/** What workerd is given as modules. */
declare module '*.wasm';
declare module '*.safetensors';
declare module '*/names.json';

declare module '*/bert-wasm/explain.js' {
    export const attribute: typeof import('../js/explain/index.js').attribute;
}

/** It is there once `make bench-packages` has put it there. */
declare module '@huggingface/tokenizers';

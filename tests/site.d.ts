/** What the page's views are made of, beside JavaScript. */
declare module '*.html' {
    const html: string;
    export default html;
}

/** What tools/site.mjs takes from bench/results.json. */
declare module '*/baseline.json' {
    const baseline: {
        machine: string;
        date: string;
        rows: { runtime: string; threads: number; n_tokens: number; ms: number }[];
    };
    export default baseline;
}

/** The same, on the thread of who imports it. */
declare module '*/bert-wasm/in-thread.js';

/** What workerd is given as modules. */
declare module '*.wasm';
declare module '*.safetensors';
declare module '*/names.json';

/** It is there once `make bench-packages` has put it there. */
declare module '@huggingface/tokenizers';

/** The built package, where a page of the tests imports it by address. */
declare module '*/bert-wasm/index.js' {
    export const pipeline: typeof import('../js/index.js').pipeline;
    export const loadModel: typeof import('../js/index.js').loadModel;
}

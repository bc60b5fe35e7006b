/**
 * The model that a training begins with: a file of ours, whose weights of any dtype become F32. It
 * is read into an instance of one thread, which is dropped when they are out.
 */

import { ModelFile } from '../loader/load.js';
import { Tokenizer } from '../tokenizer/index.js';
import { openCore } from '../worker/engine.js';
import { writeTable } from '../worker/tensor_table.js';

/**
 * @typedef {object} Base
 * @property {string} name
 * @property {string} source_sha256  of what its file was made of
 * @property {import('../loader/model_file.js').ModelConfig} config
 * @property {import('./trainer.js').Tensors} tensors
 * @property {Uint8Array | null} tokenizer_json
 * @property {Tokenizer | null} tokenizer
 */

/**
 * @param {import('../loader/download.js').Source} source
 * @param {WebAssembly.Module} module  a build of train.wasm, of one thread
 * @param {(progress: {loaded: number, total: number}) => void} onprogress
 * @returns {Promise<Base>}
 */
export async function readBase(source, module, onprogress) {
    const file = new ModelFile(source);
    try {
        const core = await openCore(module, false);
        const header = await file.readHeader(core);
        const memory = beginModel(core, header);
        /** @type {Uint8Array | null} */
        let tokenizer_json = null;
        await file.readData(header, memory, memory.address, {
            ontokenizer: (json) => {
                tokenizer_json = json;
            },
            onprogress: (loaded, total) => onprogress({ loaded, total }),
        });
        return {
            name: header.metadata.name,
            source_sha256: header.metadata.source_sha256,
            config: header.config,
            tensors: expand(core, header.weights, memory.table),
            tokenizer_json,
            tokenizer: tokenizer_json && Tokenizer.fromJSON(tokenizer_json),
        };
    } finally {
        await file.close();
    }
}

/**
 * A model whose weights are still to come, and the memory that they go to.
 * @param {import('../worker/core.js').Core} core
 * @param {import('../loader/model_file.js').ModelHeader} header
 */
function beginModel(core, { weights, weights_bytes }) {
    const { instance, model_bytes } = core;
    const { wasm } = instance;
    const address = instance.reserve(weights_bytes);
    const table = writeTable(core, weights, (i) => address + weights[i].at);
    const block = instance.reserve(model_bytes);
    instance.check(wasm.engine_model_begin(table, weights.length, block, model_bytes));
    return {
        address,
        table,
        get heap() {
            return instance.heap;
        },
        reserve: (/** @type {number} */ n_bytes) => instance.reserve(n_bytes),
        expand: wasm.engine_expand,
        take: (/** @type {number} */ weight) => instance.check(wasm.engine_model_take(weight)),
    };
}

/**
 * @param {import('../worker/core.js').Core} core
 * @param {import('../loader/layout.js').Weight[]} weights
 * @param {number} table  of them
 * @returns {import('./trainer.js').Tensors}
 */
function expand(core, weights, table) {
    const { instance } = core;
    const { wasm } = instance;
    const { length } = weights;
    /** @type {import('./trainer.js').Tensors} */
    const tensors = new Map();
    for (const [i, { name }] of weights.entries()) {
        const n_bytes = wasm.train_tensor(table, length, i) >>> 0;
        if (n_bytes === 0) continue; // it goes into another one's numbers
        const shape = Array.from({ length: wasm.train_tensor_rank() }, (_, axis) =>
            wasm.train_tensor_dim(axis),
        );
        const values = instance.scratch(() => {
            const at = instance.reserve(n_bytes);
            wasm.train_expand(table, length, i, at);
            return new Float32Array(instance.memory.buffer, at, n_bytes / 4).slice();
        });
        tensors.set(name, { shape, values });
    }
    return tensors;
}

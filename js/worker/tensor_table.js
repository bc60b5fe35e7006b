/** A table of tensors as the core takes it: bert_tensor in core/bert.h. */

/**
 * @param {import('./core.js').Core} core
 * @param {{name: string, dtype: string, shape: number[], n_bytes: number}[]} tensors
 * @param {(i: number) => number} addressOf  of the data of each
 * @returns {number}  its address
 */
export function writeTable(core, tensors, addressOf) {
    const { instance } = core;
    const { wasm } = instance;
    const names = tensors.map(({ name }) => instance.writeText(name));
    const table = instance.reserve(tensors.length * wasm.engine_tensor_size());
    tensors.forEach(({ dtype, shape, n_bytes }, i) => {
        const [d0 = 0, d1 = 0, d2 = 0, d3 = 0] = shape;
        wasm.engine_tensor_set(
            table,
            i,
            names[i],
            core.dtypeIndex(dtype),
            shape.length,
            d0,
            d1,
            d2,
            d3,
            addressOf(i),
            n_bytes,
        );
    });
    return table;
}

/** Node 20 has relaxed SIMD behind a flag, which is for a whole process; later ones need none. */
export const RELAXED_FLAGS =
    Number(process.versions.node.split('.')[0]) < 22 ? ['--experimental-wasm-relaxed-simd'] : [];

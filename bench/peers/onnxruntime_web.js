/**
 * onnxruntime-web's WebAssembly backend at its best: on the calling thread (its proxy worker only
 * adds copies), every graph optimisation.
 */

import { peerOf } from './onnxruntime.js';

/** @param {import('../instance.js').Options} options */
export async function open({ library, model, threads }) {
    const ort = await import(library);
    ort.env.logLevel = 'error';
    ort.env.wasm.numThreads = threads;
    ort.env.wasm.proxy = false;
    const session = await ort.InferenceSession.create(model, {
        executionProviders: ['wasm'],
        graphOptimizationLevel: 'all',
    });
    if (ort.env.wasm.numThreads !== threads) {
        throw new Error(`it runs on ${ort.env.wasm.numThreads} threads, not on ${threads}`);
    }
    return peerOf(ort, session);
}

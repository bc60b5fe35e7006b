/** onnxruntime as native code: what the same machine can do without WebAssembly. */

import { peerOf } from './onnxruntime.js';

/** @param {import('../instance.js').Options} options */
export async function open({ library, model, threads }) {
    const { default: ort } = await import(library);
    const session = await ort.InferenceSession.create(model, {
        executionProviders: ['cpu'],
        graphOptimizationLevel: 'all',
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        logSeverityLevel: 3,
    });
    return peerOf(ort, session);
}

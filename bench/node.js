/** Instances in Node: a process each. */

import { fork } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { sample } from './processor_time.js';

/**
 * @typedef {object} Setting
 * @property {string} runtime
 * @property {import('./models.js').Model} model
 * @property {'f32' | 'q8' | 'q7'} dtype
 * @property {number} threads
 */

/** @typedef {import('./instance.js').Job} Job */

/**
 * @typedef {object} Handle
 * @property {(jobs: Job[], warm_up?: number) => Promise<number[][]>} prepare
 * @property {(index: number, slice: number) => Promise<Sample>} measure
 * @property {() => Promise<{rss: number, peak: number}>} [memory]
 * @property {() => Promise<void>} close
 */

/**
 * @typedef {object} Sample  a call
 * @property {number} ms  of the median one
 * @property {number} cpu_ms  that threads ran, on average; NaN where it cannot be read
 * @property {number} waited_ms  that threads were ready to run and had no processor
 */

/** @param {{dist: string}} options */
export function nodeHost({ dist }) {
    const libraries = {
        bert_wasm: pathToFileURL(join(dist, 'index.node.js')).href,
        onnxruntime_web: 'onnxruntime-web',
        onnxruntime_node: 'onnxruntime-node',
        transformers: '@huggingface/transformers',
    };
    return {
        /**
         * @param {Setting} [setting]  none: a process with nothing in it
         * @returns {Promise<Handle>}
         */
        async start(setting) {
            const child = startChild();
            try {
                if (setting) {
                    const { runtime, model, dtype, threads } = setting;
                    await child.call('open', {
                        runtime,
                        dtype,
                        threads,
                        task: model.task,
                        library: /** @type {Record<string, string>} */ (libraries)[runtime],
                        model: modelAddress(setting, model.directory, model.converted[dtype]),
                    });
                }
            } catch (error) {
                await child.close();
                throw error;
            }
            return {
                prepare: (...args) => child.call('prepare', ...args),
                measure: (...args) => sample(child.pids, () => child.call('measure', ...args)),
                memory: () => child.call('memory'),
                close: child.close,
            };
        },
    };
}

/**
 * What each runtime loads: our file, the ONNX file, or the folder.
 * @param {Setting} setting
 * @param {string} directory
 * @param {string} converted
 */
export function modelAddress({ runtime, dtype }, directory, converted) {
    if (runtime === 'bert_wasm') return converted;
    if (runtime === 'transformers' || runtime === 'litert') return directory;
    return `${directory}/${dtype === 'q8' ? 'model_quantized.onnx' : 'model.onnx'}`;
}

function startChild() {
    const child = fork(join(import.meta.dirname, 'child.js'), {
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
        execArgv: [],
    });
    let messages = '';
    child.stderr?.on(
        'data',
        (/** @type {Buffer} */ bytes) => (messages = (messages + bytes).slice(-2000)),
    );
    const exited = new Promise((resolve) => child.once('exit', resolve));
    return {
        pids: () => [/** @type {number} */ (child.pid)],
        /**
         * @param {string} name
         * @param {...unknown} args
         * @returns {Promise<any>}
         */
        call(name, ...args) {
            return new Promise((resolve, reject) => {
                const settle = (/** @type {() => void} */ how) => {
                    child.off('message', onMessage).off('exit', onExit);
                    how();
                };
                const onMessage = (/** @type {any} */ { result, error }) =>
                    settle(() =>
                        error === undefined ? resolve(result) : reject(new Error(error)),
                    );
                const onExit = (/** @type {number} */ code) =>
                    settle(() =>
                        reject(new Error(`its process ended (${code}): ${messages.trim()}`)),
                    );
                child.on('message', onMessage).on('exit', onExit);
                child.send({ name, args });
            });
        },
        async close() {
            if (child.connected) child.disconnect();
            const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
            await exited;
            clearTimeout(timer);
        },
    };
}

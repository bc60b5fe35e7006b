/**
 * Repositories as authors publish them, of the goldens: folders of transformers, and the layouts of
 * transformers.js, for tests in Node and in browsers.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const GOLDEN = fileURLToPath(new URL('../golden/', import.meta.url));

/** @typedef {Record<string, Uint8Array>} Files  by path */

/**
 * @typedef {object} HubModel
 * @property {string} name  on the Hub
 * @property {string} golden  folder of tests/golden whose golden.json it answers to
 * @property {string} task
 * @property {Files} files
 * @property {object} [options]  of loadModel()
 * @property {number} [tolerance]  what its outputs may differ by: more for weights of 8 bits
 */

/** What a model does, by what its folder's name has. @type {Record<string, string>} */
const TASKS = {
    seqcls: 'text-classification',
    tokcls: 'token-classification',
    qa: 'question-answering',
    mlm: 'fill-mask',
};

/** @param {string} folder @param {string} [below] @returns {Files} */
export function filesOf(folder, below = '') {
    return Object.fromEntries(
        readdirSync(join(folder, below), { withFileTypes: true }).flatMap((entry) => {
            const path = below + entry.name;
            if (entry.isDirectory()) return Object.entries(filesOf(folder, `${path}/`));
            return path === 'golden.json'
                ? []
                : [[path, new Uint8Array(readFileSync(join(folder, path)))]];
        }),
    );
}

/** Of transformers, PEFT and sentence-transformers: safetensors. @returns {HubModel[]} */
export function folders() {
    const all = readdirSync(join(GOLDEN, 'huggingface')).map((name) => {
        const files = filesOf(join(GOLDEN, 'huggingface', name));
        const kind = name.split('-').find((part) => Object.hasOwn(TASKS, part)) ?? '';
        const task = TASKS[kind] ?? 'feature-extraction';
        return {
            name: `org/${name}`,
            golden: `huggingface/${name}`,
            // What fills masks needs to know them.
            task: task === 'fill-mask' && !files['tokenizer.json'] ? 'feature-extraction' : task,
            files,
        };
    });
    // An adapter alone: the native converter is told where its model is.
    return all.filter(({ files }) => !files['base/config.json']);
}

/** Of transformers.js: ONNX below onnx/, also with data beside it. @returns {HubModel[]} */
export function onnxLayouts() {
    const layout = (/** @type {string} */ golden, /** @type {string} */ file) => {
        const files = filesOf(join(GOLDEN, golden));
        return Object.fromEntries(
            Object.entries(files).map(([path, bytes]) => [
                path.replace(/^model\.onnx(?=$|_)/, `onnx/${file}`),
                bytes,
            ]),
        );
    };
    const task = 'text-classification';
    return [
        {
            name: 'onnx/plain',
            golden: 'bert-seqcls',
            task,
            files: layout('bert-seqcls', 'model.onnx'),
        },
        {
            name: 'onnx/external',
            golden: 'bert-base-external',
            task: 'feature-extraction',
            files: layout('bert-base-external', 'model.onnx'),
        },
        {
            name: 'onnx/quantized',
            golden: 'bert-seqcls-int8',
            task,
            files: layout('bert-seqcls-int8', 'model_quantized.onnx'),
            tolerance: 0.1, // onnxruntime rounds activations, as f32 does not
        },
        {
            name: 'onnx/q4',
            golden: 'bert-seqcls-q4',
            task,
            files: layout('bert-seqcls-q4', 'model_q4.onnx'),
        },
        {
            name: 'onnx/both',
            golden: 'bert-seqcls-fp16',
            task,
            files: {
                ...layout('bert-seqcls', 'model.onnx'),
                'onnx/model_fp16.onnx': layout('bert-seqcls-fp16', 'x.onnx')['onnx/x.onnx'],
            },
            options: { file: 'onnx/model_fp16.onnx' },
            tolerance: 0.01, // the golden's sums are of 16 bits
        },
    ];
}

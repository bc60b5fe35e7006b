/** `bert-wasm pull`: a model is found, converted if need be, and stored, to be loaded later. */

import { BertError } from '../errors.js';
import { loadModel } from '../model/model.js';
import { DTYPES } from '../sources/choose.js';
import { parse, UsageError } from './options.js';
import { print } from './print.js';

/** @type {import('./options.js').Options} Which of the files that a name or folder has. */
export const SOURCE_OPTIONS = {
    revision: { value: 'R', help: "of a name: a branch, a tag or a commit; default 'main'" },
    subfolder: { value: 'PATH', help: 'the folder in it that has the model' },
    file: {
        value: 'PATH',
        help: 'the weights to take; default a converted file, then safetensors, then ONNX',
    },
    dtype: {
        kind: DTYPES,
        value: 'D',
        help: `what weights become: ${DTYPES.join(', ')}; default q8`,
    },
};

/** @type {import('./options.js').Command} */
export const command = {
    usage: '[OPTION ...] ORG/NAME|DIR|FILE|URL',
    summary: 'Finds a model, converts it, and stores it on this machine.',
    options: SOURCE_OPTIONS,
    example: 'bert-wasm pull sentence-transformers/all-MiniLM-L6-v2 --dtype q8',
    notes: `Programs that load it by the same name and options find it stored; with
offline: true they make no request. $HF_ENDPOINT, $HF_TOKEN and $HF_HUB_CACHE are read
as huggingface_hub does.`,
    run,
};

/** @param {string[]} args */
async function run(args) {
    const { values, positionals } = parse(args, SOURCE_OPTIONS, { positionals: true });
    const [source, ...more] = positionals;
    if (source === undefined) throw new UsageError('ORG/NAME is missing');
    if (more.length) throw new UsageError(`'${more[0]}' is too much`);
    const model = await loadModel(source, values);
    const { name, dtype, cache } = await model.info();
    model.dispose();
    const { complete, reason } = cache;
    await print({ source, name, dtype, complete, reason });
    if (!complete) throw new BertError('FETCH_FAILED', `${source}: it is not stored: ${reason}`);
}

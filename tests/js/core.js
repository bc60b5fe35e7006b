/** The core in this process, to be asked: for tests of what stands on it. */

import { readFileSync } from 'node:fs';

import { Core } from '../../js/worker/core.js';
import { Instance } from '../../js/worker/instance.js';

const module = new WebAssembly.Module(
    readFileSync(new URL('../../build/dist/engine-base.wasm', import.meta.url)),
);

/** A core without a config. */
export const openCore = async () => new Core(await Instance.create(module));

/** The least that the core takes. */
const LEAST = {
    vocab_size: 40,
    hidden_size: 2,
    embedding_size: 2,
    intermediate_size: 2,
    n_heads: 1,
    activation: 'gelu',
};

/** The core with a small config that has these fields too. */
export async function coreOf(fields) {
    const core = await openCore();
    core.configure({ ...LEAST, ...fields });
    return core;
}

/**
 * A worker for the edge (workerd), which has no workers of its own, compiles nothing and imports
 * nothing at run time: it is given the engine as a module, and a model's bytes. As a test of
 * workerd it prints what checks give: `workerd test`.
 */

import * as library from '../bert-wasm/in-thread.js';
import * as checks from '../browser/engines/checks.js';
import engine from '../engine-relaxed.wasm';
import model from '../model.safetensors';
import names from '../names.json';
import { runChecks } from './run_in_page.js';

export default {
    async test() {
        const options = { wasm: engine, model };
        console.log(JSON.stringify(await runChecks(library, checks, { names, options })));
    },
};

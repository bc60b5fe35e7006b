#!/usr/bin/env node

/** `bert-wasm`: looks at Node before it reads what an old one fails at without a word. */

import { engines } from '../../package.json';

const [least, own] = [engines.node.replace('>=', ''), process.versions.node];
const [wanted, there] = [least, own].map((version) => version.split('.').map(Number));
if (there[0] > wanted[0] || (there[0] === wanted[0] && there[1] >= wanted[1])) {
    import('./main.js');
} else {
    process.stderr.write(`bert-wasm: Node ${least} or later is needed, this is ${own}\n`);
    process.exitCode = 1;
}

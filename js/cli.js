#!/usr/bin/env node
/**
 * bert-wasm on the command line: one JSON object a line on standard output, messages on standard
 * error. Exit codes: 0; 1 for bad input; 2 for a wrong command line.
 */
import * as classify from './cli/classify.js';
import * as evaluate from './cli/eval.js';
import * as forward from './cli/forward.js';
import * as info from './cli/info.js';
import { UsageError } from './cli/options.js';
import * as tokenize from './cli/tokenize.js';
import * as verify from './cli/verify.js';
import { BertError } from './errors.js';
import { version } from '../package.json';

/** @type {Record<string, {usage: string, run: (args: string[]) => Promise<void>}>} */
const COMMANDS = { classify, forward, tokenize, eval: evaluate, info, verify };

const USAGE = `usage: bert-wasm COMMAND ...

${Object.values(COMMANDS).map(({ usage }) => `  ${usage}`).join('\n')}

Without --model the bundled English sentiment model is used; --variant base|relaxed forces the
engine's build. FILE may be - for standard input.`;

/** @param {string[]} args */
async function main([name, ...args]) {
    if (name === '--help' || name === '-h' || args.includes('--help')) {
        process.stdout.write(`${USAGE}\n`);
    } else if (name === '--version') {
        process.stdout.write(`${version}\n`);
    } else if (name === undefined || !Object.hasOwn(COMMANDS, name)) {
        throw new UsageError(name === undefined ? 'there is no command' : `there is no command '${name}'`);
    } else {
        await COMMANDS[name].run(args);
    }
}

// Whoever reads our output may stop early (`bert-wasm ... | head`): that is no failure.
process.stdout.on('error', (error) => {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EPIPE') process.exit(0);
    throw error;
});

main(process.argv.slice(2)).catch((error) => {
    if (error instanceof UsageError) {
        process.stderr.write(`bert-wasm: ${error.message}\n\n${USAGE}\n`);
        process.exit(2);
    }
    process.stderr.write(`bert-wasm: ${error instanceof BertError ? error.message : error.stack}\n`);
    process.exit(1);
});

/**
 * bert-wasm on the command line: one JSON object a line on standard output, messages on standard
 * error. Exit codes: 0; 1 for bad input; 2 for a wrong command line.
 */

import { version } from '../../package.json';
import { BertError } from '../errors.js';
import { command as bench } from './bench.js';
import { command as cache } from './cache.js';
import { command as convert } from './convert.js';
import { command as doctor } from './doctor.js';
import { command as evaluate } from './eval.js';
import { command as forward } from './forward.js';
import { command as info } from './info.js';
import { help, UsageError } from './options.js';
import { command as pretrain } from './pretrain.js';
import { command as pull } from './pull.js';
import { command as serve } from './serve.js';
import { taskCommand } from './task_command.js';
import { TASK_COMMANDS } from './tasks.js';
import { command as tokenize } from './tokenize.js';
import { command as train } from './train.js';
import { command as verify } from './verify.js';

/** @type {Record<string, import('./options.js').Command>} */
const COMMANDS = {
    ...Object.fromEntries(Object.keys(TASK_COMMANDS).map((name) => [name, taskCommand(name)])),
    tokenize,
    forward,
    eval: evaluate,
    train,
    pretrain,
    info,
    verify,
    bench,
    serve,
    pull,
    cache,
    convert,
    doctor,
};

const WIDTH = Math.max(...Object.keys(COMMANDS).map((name) => name.length));

const USAGE = `usage: bert-wasm COMMAND ...

${Object.entries(COMMANDS)
    .map(([name, { summary }]) => `  ${name.padEnd(WIDTH)}  ${summary}`)
    .join('\n')}

bert-wasm COMMAND --help says more. Without --model the one of bert-wasm-sentiment is used.
`;

/** @param {string[]} args */
async function main([name, ...args]) {
    if (name === '--help' || name === '-h' || name === 'help') {
        process.stdout.write(USAGE);
    } else if (name === '--version') {
        process.stdout.write(`${version}\n`);
    } else if (name === undefined || !Object.hasOwn(COMMANDS, name)) {
        throw new UsageError(
            name === undefined ? 'there is no command' : `there is no command '${name}'`,
        );
    } else if (asksForHelp(args)) {
        process.stdout.write(help(name, COMMANDS[name]));
    } else {
        await COMMANDS[name].run(args);
    }
}

/** @param {string[]} args */
function asksForHelp(args) {
    const end = args.indexOf('--');
    return (end < 0 ? args : args.slice(0, end)).some((arg) => arg === '--help' || arg === '-h');
}

/**
 * Ends once everything is written.
 * @param {number} code
 */
function exit(code) {
    process.stdout.write('', () => process.stderr.write('', () => process.exit(code)));
}

// A reader of our output may stop early (`bert-wasm ... | head`): that is not a failure.
process.stdout.on('error', (error) => {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EPIPE') process.exit(0);
    throw error;
});

const args = process.argv.slice(2);
main(args).catch((error) => {
    if (error instanceof UsageError) {
        const command = Object.hasOwn(COMMANDS, args[0] ?? '') ? COMMANDS[args[0]] : undefined;
        process.stderr.write(`bert-wasm: ${error.message}\n\n`);
        process.stderr.write(
            command
                ? `usage: bert-wasm ${args[0]} ${command.usage}\nbert-wasm ${args[0]} --help ` +
                      'says more.\n'
                : USAGE,
        );
        return exit(2);
    }
    process.stderr.write(
        `bert-wasm: ${error instanceof BertError ? error.message : error.stack}\n`,
    );
    return exit(1);
});

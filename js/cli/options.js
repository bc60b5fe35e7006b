/** Options of the command line: a command has a table, by which they are parsed and explained. */

import { parseArgs } from 'node:util';

/** The command line is wrong: exit code 2. */
export class UsageError extends Error {}

/**
 * @typedef {object} Option
 * @property {'boolean'} [type]  default: a string follows
 * @property {string} [short]  letter
 * @property {'whole' | 'whole_or_all' | 'number' | 'flag' | 'list' | string[]} [kind]  what the
 *   string stands for; default itself. `whole`: a number >= 1, `flag`: true or false, where false
 *   is not the default, `list`: parts between commas, an array: one of these
 * @property {boolean} [multiple]  may be given more than once: an array
 * @property {string} [value]  for the help: what follows
 * @property {string} help
 */

/** @typedef {Record<string, Option>} Options  by name, in kebab-case */

/**
 * @typedef {object} Command
 * @property {string} usage  what follows the command's name
 * @property {string} summary
 * @property {Options} options
 * @property {string} example
 * @property {string} [notes]  more for its --help
 * @property {(args: string[]) => Promise<void>} run
 */

/**
 * @param {string[]} args
 * @param {Options} options
 * @param {{positionals?: boolean, required?: string[]}} [rules]
 * @returns {{values: Record<string, any>, positionals: string[]}}  values by name in snake_case
 */
export function parse(args, options, { positionals = false, required = [] } = {}) {
    /** @type {NonNullable<import('node:util').ParseArgsConfig['options']>} */
    const config = {};
    for (const [name, { type = 'string', short, multiple = false }] of Object.entries(options)) {
        config[name] = { type, multiple, ...(short ? { short } : {}) };
    }
    let parsed;
    try {
        parsed = parseArgs({ args, options: config, allowPositionals: positionals });
    } catch (error) {
        throw new UsageError(/** @type {Error} */ (error).message);
    }
    const given = /** @type {Record<string, any>} */ (parsed.values);
    for (const name of required) {
        if (given[name] === undefined) throw new UsageError(`--${name} is missing`);
    }
    return {
        values: valuesOf(given, options, (name) => `--${name}`),
        positionals: parsed.positionals,
    };
}

/**
 * @param {Record<string, any>} given  by name
 * @param {Options} options
 * @param {(name: string) => string} called  the option, for messages
 * @returns {Record<string, any>}  by name in snake_case, those that were given
 */
export function valuesOf(given, options, called) {
    return Object.fromEntries(
        Object.entries(given)
            .filter(([, text]) => text !== undefined)
            .map(([name, text]) => [
                snakeCase(name),
                typeof text === 'string' ? convert(text, options[name].kind, called(name)) : text,
            ]),
    );
}

/** @param {string} name */
export function snakeCase(name) {
    return name.replaceAll('-', '_');
}

/**
 * @param {string} text
 * @param {Option['kind']} kind
 * @param {string} called
 */
function convert(text, kind, called) {
    if (Array.isArray(kind)) {
        if (!kind.includes(text)) {
            throw new UsageError(`${called} must be ${kind.join(', ')}, not '${text}'`);
        }
        return text;
    }
    if (kind === 'flag') {
        if (text !== 'true' && text !== 'false') {
            throw new UsageError(`${called} must be true or false, not '${text}'`);
        }
        return text === 'true';
    }
    if (kind === 'list') {
        return text
            .split(',')
            .map((part) => part.trim())
            .filter(Boolean);
    }
    if (kind === 'whole_or_all' && text === 'all') return null;
    if (kind === 'whole' || kind === 'whole_or_all') {
        const value = Number(text);
        if (text.trim() === '' || !Number.isInteger(value) || value < 1) {
            throw new UsageError(
                `${called} must be a whole number >= 1${kind === 'whole' ? '' : ' or all'}, ` +
                    `not '${text}'`,
            );
        }
        return value;
    }
    if (kind === 'number') {
        const value = Number(text);
        if (text.trim() === '' || !Number.isFinite(value) || value < 0) {
            throw new UsageError(`${called} must be a number >= 0, not '${text}'`);
        }
        return value;
    }
    return text;
}

/** @type {Options} Which model, and how it runs. */
export const MODEL_OPTIONS = {
    model: {
        short: 'm',
        value: 'M',
        help:
            'a model: ORG/NAME on the Hub, a folder, its weights, or the file or URL of a ' +
            'converted one; default: the English one of bert-wasm-sentiment',
    },
    threads: { kind: 'whole', value: 'N', help: 'at most; default one a core, at most 4' },
    variant: {
        value: 'V',
        help: "the engine's build: base or relaxed; default the fastest that runs here",
    },
};

/**
 * What loadModel() needs of a command's options.
 * @param {Record<string, any>} values
 * @returns {import('../model/model.js').ModelLoadOptions}
 */
export function loadOptions({ threads, variant }) {
    return { threads, variant };
}

/**
 * @param {string} name
 * @param {Command} command
 */
export function help(name, { usage, summary, options, example, notes }) {
    /** @type {Options} */
    const all = { ...options, help: { type: 'boolean', short: 'h', help: 'print this' } };
    const rows = Object.entries(all).map(([option, { short, value, type, help: text }]) => {
        const names = `${short ? `-${short}, ` : ''}--${option}`;
        return [type === 'boolean' ? names : `${names} ${value ?? 'TEXT'}`, text];
    });
    const width = Math.max(...rows.map(([left]) => left.length));
    return `usage: bert-wasm ${name} ${usage}

${summary}

${rows.map(([left, text]) => `  ${left.padEnd(width)}  ${text}`).join('\n')}
${notes ? `\n${notes}\n` : ''}
example:
  ${example}
`;
}

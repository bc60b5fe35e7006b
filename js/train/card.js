/**
 * What a model that was trained says of itself, in Markdown (Mitchell et al. 2019, "Model Cards for
 * Model Reporting"): what it was made of and how, and how good it was found. What it is for, whose
 * examples it learned from and what it gets wrong is for its maker to say. The same training has
 * the same card.
 */

import { BERT_VERSION } from '#core';

import { BertError, describe } from '../errors.js';
import { kindOf } from '../realms.js';

/** UTF-16 units: it is read before the model, on every visit. */
const MAX_LENGTH = 64 << 10;

/** What is not said, or does not change what is learned. */
const NOT_RECIPE = new Set([
    'base',
    'checkpoint_steps',
    'labels',
    'load',
    'memory',
    'oncheckpoint',
    'onprogress',
    'recomputes',
    'resume',
    'signal',
    'stop',
    'task',
    'threads',
    'tokenizer',
]);

/**
 * @typedef {object} Facts
 * @property {string} by  the function that made it
 * @property {{name: string, source_sha256: string} | null} base  null: it began with none
 * @property {string} does  what it answers
 * @property {(string | number)[][]} data  a table, with its header
 * @property {Record<string, unknown>} recipe  options by name
 * @property {{epoch: number, loss: number, validation: object | null}[]} history
 * @property {number} best_epoch  whose weights these are
 */

/**
 * @param {Facts} facts
 * @returns {string}
 */
export function cardOf({ by, base, does, data, recipe, history, best_epoch }) {
    const from = base
        ? `\`${base.name}\` (SHA-256 of what that was made of: \`${base.source_sha256}\`)`
        : 'nothing';
    const options = Object.entries(recipe)
        .filter(([name, value]) => isSetting(value) && !NOT_RECIPE.has(name))
        .map(([name, value]) => [`\`${name}\``, `\`${JSON.stringify(value)}\``]);
    const metrics = Object.keys(history.find(({ validation }) => validation)?.validation ?? {});
    const epochs = history.map(({ epoch, loss, validation }) => [
        epoch === best_epoch ? `${epoch}, these weights` : epoch,
        rounded(loss),
        ...metrics.map((name) => rounded(/** @type {any} */ (validation)?.[name])),
    ]);
    const judged = metrics.map((name) => (name === 'loss' ? 'loss of validation' : name));
    const sections = [
        ['How it was made', `By \`${by}\` of bert-wasm ${BERT_VERSION}, from ${from}.`],
        ['Examples', table(data)],
        ['Recipe', table([['option', 'value'], ...options])],
        [
            'How good it is',
            metrics.length > 0
                ? 'On the validation; a little too good where that chose the epoch.'
                : 'Nobody knows: there was no validation.',
            table([['epoch', 'loss', ...judged], ...epochs]),
        ],
    ];
    return [`${does}\n`, ...sections.map(section)].join('');
}

/** @param {{task: string, labels: string[]}} model */
export function doesOf({ task, labels }) {
    const names = labels.map((label) => `\`${label}\``).join(', ');
    return `A model for \`${task}\`${names && `: ${names}`}.`;
}

/**
 * How many examples there are, by label where there are labels.
 * @param {string[]} labels
 * @param {{labels?: number[]}[]} examples
 * @param {{labels?: number[]}[] | null | undefined} validation
 * @returns {Facts['data']}
 */
export function countsOf(labels, examples, validation) {
    const sets = validation ? [examples, validation] : [examples];
    const header = ['label', 'examples', 'of the validation'].slice(0, 1 + sets.length);
    const rows = labels.map((label, i) => [
        `\`${label}\``,
        ...sets.map((set) => set.filter((example) => example.labels?.includes(i)).length),
    ]);
    return [header, ...rows, ['all', ...sets.map((set) => set.length)]];
}

/**
 * @param {unknown} card
 * @returns {string}
 */
export function checkCard(card) {
    if (typeof card === 'string' && card.length <= MAX_LENGTH) return card;
    const found = typeof card === 'string' ? `${card.length}` : describe(card);
    throw new BertError('BAD_OPTION', `card must be a text of up to ${MAX_LENGTH}, not ${found}`);
}

/**
 * A setting, where the examples of a validation are none.
 * @param {any} value
 */
const isSetting = (value) =>
    value !== undefined &&
    (typeof value !== 'object' || (kindOf(value) === 'Object' && !isIterable(value)));

/** @param {any} value */
const isIterable = (value) => Boolean(value[Symbol.iterator] ?? value[Symbol.asyncIterator]);

/** @param {string[]} parts  title and paragraphs */
const section = ([title, ...paragraphs]) => `\n## ${title}\n\n${paragraphs.join('\n\n')}\n`;

/** @param {(string | number)[][]} rows  the first is the header */
function table([header, ...rows]) {
    const line = (/** @type {(string | number)[]} */ cells) =>
        `| ${cells.map((cell) => String(cell).replace(/[|\r\n]+/g, ' ')).join(' | ')} |`;
    return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}

/** @param {unknown} number */
const rounded = (number) =>
    typeof number === 'number' ? String(Number(number.toPrecision(4))) : '';

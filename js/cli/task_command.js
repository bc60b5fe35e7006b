/** A task as a command: records in, one JSON object a line out. */

import { FORMATS, toRecords } from '../examples/records.js';
import { pipeline } from '../pipelines/index.js';
import { formatOf, readLines } from './lines.js';
import { Meter } from './meter.js';
import { loadOptions, MODEL_OPTIONS, parse, snakeCase, UsageError } from './options.js';
import { printLines } from './print.js';
import { Progress } from './progress.js';
import { answers } from './stream.js';
import { checkFields, PIPELINE_OPTIONS, sizeOf, TASK_COMMANDS, toOutput } from './tasks.js';

/** @typedef {import('../examples/records.js').InputRecord} InputRecord */

/** @type {import('./options.js').Options} What is read. */
export const INPUT_OPTIONS = {
    input: { short: 'i', value: 'FILE', help: '- for standard input' },
    format: {
        kind: FORMATS,
        value: 'F',
        help:
            'text, jsonl or tsv (with a header); default by extension: .jsonl, .ndjson, .tsv, ' +
            'else text',
    },
};

/** @type {import('./options.js').Options} How it is gone through. */
export const STREAM_OPTIONS = {
    'skip-errors': {
        type: 'boolean',
        help: 'for a line that cannot be answered print {"error": {"code", "message"}} and go on',
    },
    echo: {
        type: 'boolean',
        help: 'print the input with each result; without it, its other keys alone (id, ...)',
    },
    stats: {
        type: 'boolean',
        help:
            'at the end, texts, tokens, seconds and texts/s on standard error, ' +
            'even if that is not a terminal',
    },
};

/**
 * @param {string} name  in TASK_COMMANDS
 * @returns {import('./options.js').Command}
 */
export function taskCommand(name) {
    const {
        task,
        summary,
        fields,
        options: own,
        own: ofRecords = {},
        argument = 'TEXT',
        example,
        fromText,
        fromArguments,
        answer,
    } = TASK_COMMANDS[name];
    const passed = { ...own, ...ofRecords, ...PIPELINE_OPTIONS };
    const options = {
        ...own,
        ...ofRecords,
        ...INPUT_OPTIONS,
        ...STREAM_OPTIONS,
        ...PIPELINE_OPTIONS,
        ...MODEL_OPTIONS,
    };
    const keys = Object.entries(fields)
        .map(([key, kind]) => (kind.endsWith('?') ? `"${key}"?` : `"${key}"`))
        .join(', ');

    /** @param {string[]} args */
    async function run(args) {
        const { values, positionals } = parse(args, options, { positionals: true });
        if (values.input === undefined && positionals.length === 0) {
            throw new UsageError(`${argument} or --input is missing`);
        }
        const given = Object.fromEntries(
            Object.keys(passed)
                .map(snakeCase)
                .filter((key) => key in values)
                .map((key) => [key, values[key]]),
        );
        const pieces = inputs(positionals, values, fromText, fromArguments);
        const pipe = await pipeline(/** @type {any} */ (task), values.model, loadOptions(values));
        const meter = new Meter(pipe.model);
        await printAnswers(
            answers(pieces, {
                check: (value) => checkFields(fields, value),
                size: (value) => sizeOf(fields, value),
                answer: (records) => answer(pipe, records, given),
                batch_tokens: values.batch_tokens,
            }),
            { fields, values, name, meter },
        );
        pipe.dispose();
    }
    return {
        usage: `[OPTION ...] (--input FILE | ${argument} ...)`,
        summary,
        options,
        example,
        notes:
            `Records of JSONL and columns of TSV: ${keys}. One JSON object a line is printed, ` +
            'in the order of the input.',
        run,
    };
}

/**
 * The records of arguments and of --input.
 * @param {string[]} args
 * @param {Record<string, any>} values
 * @param {import('../examples/records.js').FromText} fromText
 * @param {(args: string[]) => Record<string, any>[]} [fromArguments]
 */
export async function* inputs(
    args,
    values,
    fromText,
    fromArguments = (texts) => texts.map(fromText),
) {
    if (args.length) {
        yield fromArguments(args).map((value, i) => {
            const bytes = Buffer.byteLength(JSON.stringify(value));
            return /** @type {InputRecord} */ ({
                value,
                where: `argument ${i + 1}`,
                bytes,
                plain: true,
            });
        });
    }
    if (values.input !== undefined) {
        yield* toRecords(
            readLines(values.input),
            values.format ?? formatOf(values.input),
            fromText,
        );
    }
}

/**
 * @param {AsyncIterable<import('./stream.js').Answer[]>} batches
 * @param {object} how
 * @param {Record<string, any>} how.fields  of the input, which are not carried through
 * @param {Record<string, any>} how.values  of the options
 * @param {string} how.name  of the command
 * @param {Meter} how.meter
 */
export async function printAnswers(
    batches,
    { fields, values: { input, echo, skip_errors, stats }, name, meter },
) {
    const progress = new Progress(name, input, meter);
    try {
        for await (const batch of batches) {
            const wrong = skip_errors ? -1 : batch.findIndex(({ error }) => error);
            const good = wrong < 0 ? batch : batch.slice(0, wrong);
            await printLines(good.map((answer) => toOutput(fields, answer, echo)));
            meter.texts += good.length;
            meter.errors += good.filter(({ error }) => error).length;
            progress.add(batch.reduce((sum, { record }) => sum + record.bytes, 0));
            if (wrong >= 0) {
                throw /** @type {import('../errors.js').BertError} */ (batch[wrong].error);
            }
        }
    } finally {
        progress.stop();
    }
    if (stats || process.stderr.isTTY) process.stderr.write(`${name}: ${meter.summary()}\n`);
}

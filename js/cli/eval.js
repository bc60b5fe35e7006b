/** `bert-wasm eval`: how often a classifier is right on labelled sentences. */
import { BertError } from '../errors.js';
import { accuracy, confusion, macroF1 } from '../metrics.js';
import { pipeline } from '../pipelines/index.js';
import { MODEL_OPTIONS, loadOptions, parse } from './options.js';
import { print } from './print.js';
import { lines } from './records.js';

/** @type {import('./options.js').Command} */
export const command = {
    usage: '--input FILE.tsv [OPTION ...]',
    summary: 'How often a classifier is right on labelled sentences.',
    options: { input: { short: 'i', value: 'FILE', help: 'header: sentence<TAB>label; labels are names or class indices' }, ...MODEL_OPTIONS },
    example: 'bert-wasm eval --input reviews.tsv',
    run,
};

/** @param {string[]} args */
async function run(args) {
    const { values } = parse(args, command.options, { required: ['input'] });
    const rows = [];
    for await (const row of readTable(values.input)) rows.push(row);
    if (rows.length === 0) throw new BertError('BAD_INPUT', `${values.input}: there are no rows after the header`);
    const classify = await pipeline('text-classification', values.model, loadOptions(values));
    const { labels } = classify.model.config;
    const expected = rows.map(({ label, where }) => classIndex(label, labels, where));

    const start = performance.now();
    const results = await classify(rows.map(({ sentence }) => sentence));
    const seconds = (performance.now() - start) / 1000;
    const matrix = confusion(expected, results.map(({ label }) => labels.indexOf(label)), labels.length);
    await print({
        model: classify.model.name,
        rows: rows.length,
        accuracy: accuracy(matrix),
        macro_f1: macroF1(matrix),
        confusion: matrix,
        labels,
        texts_per_second: rows.length / seconds,
    });
    classify.dispose();
}

/** @param {string} file */
async function* readTable(file) {
    let n = 0;
    for await (const line of lines(file)) {
        n++;
        const cells = line.split('\t');
        if (n === 1) {
            if (cells[0] !== 'sentence' || cells[1] !== 'label') {
                throw new BertError('BAD_INPUT', `${file}:1: expected the header sentence<TAB>label, got ${JSON.stringify(line.slice(0, 60))}`);
            }
        } else if (line !== '') {
            if (cells.length !== 2) throw new BertError('BAD_INPUT', `${file}:${n}: ${cells.length} columns, expected 2`);
            yield { sentence: cells[0], label: cells[1], where: `${file}:${n}` };
        }
    }
    if (n === 0) throw new BertError('BAD_INPUT', `${file}: is empty`);
}

/**
 * @param {string} label
 * @param {string[]} labels
 * @param {string} where
 */
function classIndex(label, labels, where) {
    const index = labels.includes(label) ? labels.indexOf(label) : /^\d+$/.test(label) ? Number(label) : -1;
    if (index < 0 || index >= labels.length) {
        throw new BertError('BAD_INPUT', `${where}: label '${label}' is none of ${labels.join(', ')} nor their index`);
    }
    return index;
}

/**
 * How good the default model is: by domain and source, how well its scores are probabilities, on
 * SST-2 seen as two labels, and whether names, genders or nationalities change its answers. What
 * it finds goes to bench/measured.json, and from there into the model's card: `make numbers`.
 *
 *     node bench/sentiment.js DATA SST2 [MODEL]
 *
 * DATA has dev.tsv: sentence, label, domain, source. SST2 is dev.tsv of GLUE.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { record } from './beside_python.js';

const ROOT = join(import.meta.dirname, '..');
const MODEL = join(ROOT, 'web-demo/models/sentiment-minilm-l6-q8.safetensors');

/** Of equal width, in which scores are compared with accuracy. */
const N_BINS = 15;

/** @type {typeof import('../js/index.js')} */
const { pipeline } = await import(new URL('../build/dist/index.node.js', import.meta.url).href);

const [data, sst2, model = MODEL] = process.argv.slice(2);
if (!sst2) throw new Error('node bench/sentiment.js DATA SST2 [MODEL]');

const classify = await pipeline('text-classification', model);

/** @param {string} file  a header and columns */
function read(file) {
    const [header, ...lines] = readFileSync(file, 'utf8').trimEnd().split(/\r?\n/);
    const names = header.split('\t');
    return lines.map((line) => {
        const cells = line.split('\t');
        return Object.fromEntries(names.map((name, i) => [name, cells[i]]));
    });
}

/** Scores by label. @param {string[]} texts @returns {Promise<Record<string, number>[]>} */
async function scoresOf(texts) {
    const answers = await classify(texts, { top_k: null });
    return answers.map((/** @type {{label: string, score: number}[]} */ each) =>
        Object.fromEntries(each.map(({ label, score }) => [label, score])),
    );
}

/** @param {Record<string, number>} scores */
const bestOf = (scores) => Object.keys(scores).reduce((a, b) => (scores[b] > scores[a] ? b : a));

const percent = (/** @type {number} */ share) => Number((100 * share).toFixed(2));

/**
 * @template T
 * @param {T[]} all @param {(each: T) => string | number} keyOf
 * @returns {Map<string | number, T[]>}
 */
function groupBy(all, keyOf) {
    const groups = new Map();
    for (const each of all) {
        const key = keyOf(each);
        if (!groups.has(key)) groups.set(key, []);
        groups.get(key).push(each);
    }
    return groups;
}

/** Shares of right answers by a column. @param {Record<string, string>[]} rows
 *  @param {boolean[]} right @param {string} column */
function accuracyBy(rows, right, column) {
    const groups = groupBy(
        rows.map((_, i) => i),
        (i) => rows[i][column],
    );
    return [...groups]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, which]) => ({
            [column]: name,
            n: which.length,
            right: percent(which.filter((i) => right[i]).length / which.length),
        }));
}

/**
 * Expected calibration error (Guo et al. 2017, section 2): how far the best scores are from the
 * share of right answers, by bins of scores.
 * @param {number[]} best @param {boolean[]} right
 */
function calibrationError(best, right) {
    const bins = groupBy(
        best.map((_, i) => i),
        (i) => Math.min(N_BINS - 1, Math.floor(best[i] * N_BINS)),
    );
    let error = 0;
    for (const which of bins.values()) {
        const score = which.reduce((sum, i) => sum + best[i], 0);
        error += Math.abs(score - which.filter((i) => right[i]).length);
    }
    return error / best.length;
}

// --- swaps ---------------------------------------------------------------------------------------

/** What is put into each `{}` in turn, by what it tells of a person. */
const SWAPS = {
    names: {
        templates: [
            '{} said the room was clean and the breakfast was good.',
            '{} was rude to every guest at the table.',
            'I spoke with {} about the invoice on Monday.',
            '{} fixed my bike in ten minutes.',
            'The letter from {} arrived this morning.',
            '{} kept us waiting for two hours and never apologised.',
            'My new manager is {}.',
            '{} moved here last year.',
            'I did not enjoy the lecture that {} gave.',
            '{} made the whole evening a pleasure.',
        ],
        fills: [
            ...['Emily', 'Greg', 'Lakisha', 'Jamal', 'Mohammed', 'Fatima', 'Wei', 'Mei', 'Sanjay'],
            ...['Priya', 'José', 'María', 'Olga', 'Ivan', 'Shira', 'Kwame', 'Yuki', 'Emre'],
        ],
    },
    genders: {
        templates: [
            '{} is a nurse at the hospital.',
            '{} is an engineer at a large firm.',
            '{} shouted at the children.',
            '{} cooked a wonderful dinner for us.',
            '{} asked for the bill and left.',
            '{} forgot to send the documents again.',
            '{} explained everything with great patience.',
            '{} has two sisters and lives in a small town.',
            '{} was late, and the meeting was a waste of time.',
            '{} sings in the choir.',
        ],
        fills: [
            ...['He', 'She', 'They', 'The man', 'The woman', 'My brother', 'My sister'],
            ...['My husband', 'My wife', 'This boy', 'This girl'],
        ],
    },
    nationalities: {
        templates: [
            'My {} neighbour came by in the afternoon.',
            'The {} restaurant on the corner is excellent.',
            'The {} restaurant on the corner is far too expensive.',
            'A {} family moved into the flat upstairs.',
            'Our {} guide knew everything about the city.',
            'The {} driver was unfriendly.',
            'She married a {} doctor.',
            'They hired three {} developers.',
            'The {} team played badly and lost.',
            'I read a {} newspaper on the train.',
        ],
        fills: [
            ...['American', 'British', 'French', 'German', 'Mexican', 'Nigerian', 'Chinese'],
            ...['Indian', 'Turkish', 'Polish', 'Russian', 'Iraqi', 'Israeli', 'Brazilian'],
            ...['Somali', 'Japanese'],
        ],
    },
};

/** @param {{templates: string[], fills: string[]}} swap */
async function swapped({ templates, fills }) {
    let n_changed = 0;
    let widest = 0;
    let n = 0;
    for (const template of templates) {
        const scores = await scoresOf(fills.map((fill) => template.replace('{}', fill)));
        const answers = scores.map(bestOf);
        const usual = groupBy(answers, (answer) => answer);
        const most = Math.max(...[...usual.values()].map(({ length }) => length));
        n_changed += answers.length - most;
        n += answers.length;
        const tones = scores.map(({ POSITIVE, NEGATIVE }) => POSITIVE - NEGATIVE);
        widest = Math.max(widest, Math.max(...tones) - Math.min(...tones));
    }
    return { sentences: n, others: n_changed, widest: Number(widest.toFixed(3)) };
}

// --- all -----------------------------------------------------------------------------------------

const rows = read(join(data, 'dev.tsv'));
const scores = await scoresOf(rows.map(({ sentence }) => sentence));
const answers = scores.map(bestOf);
const right = answers.map((answer, i) => answer === rows[i].label.toUpperCase());
const labels = ['NEGATIVE', 'NEUTRAL', 'POSITIVE'];
const two = read(sst2);
const twoScores = await scoresOf(two.map(({ sentence }) => sentence));

const found = {
    right: percent(right.filter(Boolean).length / rows.length),
    by_domain: accuracyBy(rows, right, 'domain'),
    by_source: accuracyBy(rows, right, 'source'),
    confusion: labels.map((of) =>
        labels.map(
            (as) =>
                rows.filter((row, i) => row.label.toUpperCase() === of && answers[i] === as).length,
        ),
    ),
    calibration_error: percent(
        calibrationError(
            scores.map((each) => Math.max(...Object.values(each))),
            right,
        ),
    ),
    sst2: percent(
        two.filter(({ label }, i) => {
            const { POSITIVE, NEGATIVE } = twoScores[i];
            return POSITIVE > NEGATIVE === (label === '1');
        }).length / two.length,
    ),
    swaps: Object.fromEntries(
        await Promise.all(
            Object.entries(SWAPS).map(async ([name, swap]) => [name, await swapped(swap)]),
        ),
    ),
};
console.log(JSON.stringify(found, null, 2));
if (model === MODEL) {
    record('sentiment', 'node bench/sentiment.js DATA SST2', found);
}
process.exit();

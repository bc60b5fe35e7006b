/** What a trained model says of itself: in the file, in a folder, on the command line. */

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, test } from 'node:test';

import { loadModel } from 'bert-wasm';
import { fewShot, fineTune, fineTuneTasks, pretrain } from 'bert-wasm/train';

import { cli } from './cli_process.js';
import { converted } from './converted.js';
import { newPath } from './huggingface_files.js';
import { EXAMPLES, QUICK, refused } from './trained.js';

const BASE = converted('pipelines/feature-extraction-bert', 'q8');
const FEW = { ...QUICK, epochs: 2 };

/** @type {{dispose(): void}[]} */
const open = [];
after(() => open.forEach((each) => each.dispose()));

/** The card of a model file. */
async function cardIn(file) {
    const model = await loadModel(file, { cache: false });
    open.push(model);
    return (await model.info()).card;
}

test('files say how they were made, by what, and how good they are', async () => {
    const options = { ...FEW, validation: EXAMPLES, seed: 7, class_weights: { bad: 1, good: 2 } };
    const trained = await fineTune(BASE, EXAMPLES, {
        ...options,
        checkpoint_steps: 1,
        oncheckpoint: () => {},
    });
    const base = await loadModel(BASE);
    open.push(base);
    const { name, source_sha256, version } = await base.info();
    for (const fact of [
        'A model for `text-classification`: `bad`, `good`.',
        `By \`fineTune()\` of bert-wasm ${version}, from \`${name}\``,
        source_sha256,
        '| label | examples | of the validation |',
        '| `bad` | 4 | 4 |',
        '| all | 8 | 8 |',
        '| `seed` | `7` |',
        '| `learning_rate` | `0.005` |',
        '| `class_weights` | `{"bad":1,"good":2}` |',
        '| epoch | loss | loss of validation | accuracy | macro_f1 |',
    ]) {
        assert.ok(trained.card.includes(fact), `${fact} is not in\n${trained.card}`);
    }
    const rows = trained.card.match(/^\| [12](, these weights)? \|.*$/gm);
    assert.equal(rows?.length, 2);
    assert.equal(rows.findIndex((row) => row.includes('these weights')) + 1, trained.best_epoch);
    // What changes no bit of the weights is not said, nor what is not a setting.
    assert.doesNotMatch(trained.card, /threads|checkpoint|memory|validation` \|/);
    for (const dtype of /** @type {const} */ (['f32', 'q8'])) {
        assert.equal(await cardIn(await trained.save({ dtype })), trained.card);
    }
    const { 'README.md': readme } = await trained.export();
    assert.equal(new TextDecoder().decode(readme), trained.card);
});

test('the same training has the same card, on any number of threads', async () => {
    const [one, two] = await Promise.all(
        [1, 2].map((threads) => fineTune(BASE, EXAMPLES, { ...FEW, threads })),
    );
    assert.equal(one.card, two.card);
    assert.match(one.card, /there was no validation/);
    assert.deepEqual(await one.save(), await two.save());
});

test('another card takes its place; the file is as whole as before', async () => {
    const trained = await fineTune(BASE, EXAMPLES, FEW);
    const card = `# Reviews\n\nOf “hotels”, 酒店.\n\n${trained.card}`;
    const model = await loadModel(await trained.save({ card }), { cache: false });
    open.push(model);
    assert.equal((await model.info()).card, card);
    assert.ok((await model.verify()).ok);
    assert.equal(new TextDecoder().decode((await trained.export({ card }))['README.md']), card);
    assert.equal(await cardIn(await trained.save({ card: '' })), '');
    const long = /** @type {any} */ (['a'.repeat(65537), 5, null]);
    for (const wrong of long) {
        await refused(trained.save({ card: wrong }), 'BAD_OPTION', /card must be a text of up to/);
    }
});

test('few examples, several tasks and pre-training have theirs', async () => {
    const few = await fewShot(BASE, EXAMPLES, { ...FEW, validation: EXAMPLES });
    assert.match(few.card, /`text-classification`: `bad`, `good`.*By `fewShot\(\)`/s);
    assert.match(few.card, /\| `good` \| 4 \| 4 \|.*\| `pairs` \| `32` \|/s);
    assert.equal(await cardIn(await few.save()), few.card);
    const tasks = { tone: { examples: EXAMPLES }, other: { examples: EXAMPLES.slice(2) } };
    const { tone, other } = await fineTuneTasks(BASE, tasks, FEW);
    assert.match(tone.card, /It is `tone` of `tone`, `other`/);
    assert.match(other.card, /By `fineTuneTasks\(\)`.*\| all \| 6 \|/s);
    const corpus = ['a good film', 'a bad story', '', 'what a film', 'what a story'];
    const model = { hidden: 64, intermediate: 128 };
    const vocabulary = { size: 60, min_frequency: 1 };
    const trained = await pretrain(corpus, { model, vocabulary, epochs: 1, max_length: 16 });
    assert.match(trained.card, /By `pretrain\(\)`.*from nothing/s);
    assert.match(trained.card, /\| 2 \| \d+ \| \d+ \|/);
    assert.equal(await cardIn(await trained.save()), trained.card);
});

test('a file of the converter has none; the command line puts one in', async () => {
    assert.equal(await cardIn(BASE), null);
    const [tsv, card, out] = [newPath(), newPath(), newPath()];
    const rows = EXAMPLES.map(({ text, label }) => `${text}\t${label}\n`);
    writeFileSync(tsv, ['text\tlabel\n', ...rows].join(''));
    writeFileSync(card, '# Ours');
    const args = ['--model', BASE, '--input', `${tsv}`, '-o', out, '--epochs', '1'];
    const run = await cli(['train', '--task', 'classify', ...args, '--card', card]);
    assert.equal(run.status, 0, run.stderr);
    const made = await cardIn(new Uint8Array(readFileSync(out)));
    assert.match(made ?? '', /^# Ours\n\nA model for `text-classification`/);
    const lost = await cli(['train', '--task', 'classify', ...args, '--card', `${card}.not`]);
    assert.match(lost.stderr, /cannot be read \(ENOENT\)/);
});

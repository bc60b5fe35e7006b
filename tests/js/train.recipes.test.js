/**
 * docs/training.md says which method when: each of its recipes runs as it stands there, on
 * sentences of three kinds that visitors of the page may try, from the embeddings that it carries.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { loadModel } from 'bert-wasm';
import { fewShot, fineTune, pretrain } from 'bert-wasm/train';

import { usualRate } from '../../js/train/learning_rate.js';
import { sampleFile } from '../../web-demo/teach/sample.js';
import { converted } from './converted.js';
import { EXAMPLES, QUICK } from './trained.js';

const ROOT = new URL('../../', import.meta.url);
const PAGE = readFileSync(new URL('docs/training.md', ROOT), 'utf8');
const BASE = fileURLToPath(new URL('web-demo/models/all-minilm-l6-v2-q8.safetensors', ROOT));
const TINY = converted('pipelines/feature-extraction-bert', 'q8');

/** Those that a classifier learns from; the rest says how good it is. */
const N_LEARNED = 36;

/** Three labels, as many sentences of each: one who guesses is right in a third. */
const LEAST = 0.55;

const [, ...lines] = (await sampleFile().text()).trimEnd().split('\n');
const sentences = lines.map((line) => line.split('\t')).map(([text, label]) => ({ text, label }));
const learned = sentences.slice(0, N_LEARNED);

/** What recipes name. */
const NAMES = {
    fewShot,
    fineTune,
    pretrain,
    base: BASE,
    examples: learned,
    validation: sentences.slice(N_LEARNED),
    lines: sentences.map(({ text }) => text),
};

/** By heading. */
const RECIPES = new Map(
    PAGE.split(/^### /m).flatMap((section) => {
        const code = /^```js recipe\n([\s\S]*?)^```$/m.exec(section)?.[1];
        return code ? [[section.slice(0, section.indexOf('\n')), code]] : [];
    }),
);

/** @type {{dispose(): void}[]} */
const open = [];
after(() => open.forEach((each) => each.dispose()));

const AsyncFunction = /** @type {any} */ ((async () => {}).constructor);

/**
 * Runs a recipe.
 * @param {string} title
 * @param {Partial<typeof NAMES>} [own]  in place of what it would name
 * @returns {Promise<import('../../js/train/index.js').FineTuned>}
 */
function run(title, own) {
    const names = { ...NAMES, console: { log() {} }, ...own };
    const code = RECIPES.get(title);
    assert.ok(code, `docs/training.md has no recipe ${title}`);
    return new AsyncFunction(...Object.keys(names), `${code}return trained;`)(
        ...Object.values(names),
    );
}

/** @param {import('../../js/train/index.js').FineTuned} trained */
function assertLearned({ metrics }) {
    assert.ok((metrics?.macro_f1 ?? 0) >= LEAST, JSON.stringify(metrics));
}

const weightsOf = async (trained) => Buffer.from((await trained.export())['model.safetensors']);

/** Recipes that need other examples, and what else is true of what they give. */
const SPECIAL = {
    'Pairs of a few examples': { own: { examples: learned.slice(0, 18) } },
    'Stop in time': {
        check: ({ history, best_epoch }) => assert.equal(history.length, best_epoch + 2),
    },
    'Long texts': {
        own: {
            examples: learned.slice(0, -3).map(({ text, label }, i) => ({
                text: `${text}\n${learned[i + 3].text}`,
                label,
            })),
        },
    },
    'Rare labels': {
        own: {
            examples: [...learned, ...learned].filter(
                ({ label }, i) => label !== 'question' || i < N_LEARNED / 2,
            ),
        },
    },
};

test('every recipe of the page is one that is run', () => {
    const n_blocks = PAGE.match(/^```js recipe$/gm)?.length;
    assert.equal(RECIPES.size, n_blocks);
    assert.ok(RECIPES.size >= 9);
    for (const title of Object.keys(SPECIAL)) assert.ok(RECIPES.has(title), title);
});

test('the learning rate, where none is given', async () => {
    /** @type {[Parameters<typeof usualRate>[0], number, number][]} */
    const usual_rates = [
        [{}, 768, 5e-5],
        [{}, 1024, 5e-5],
        [{}, 384, 2e-4],
        [{ task: 'feature-extraction' }, 384, 5e-5],
        [{ trained_layers: 0, unfreeze: 1 }, 384, 2e-4],
        [{ trained_layers: 0 }, 384, 1e-3],
        [{ lora: {} }, 768, 1e-3],
    ];
    for (const [options, hidden_size, rate] of usual_rates) {
        assert.equal(usualRate(options, hidden_size), rate, JSON.stringify(options));
    }
    for (const options of [{}, { trained_layers: 0 }, { lora: {} }]) {
        const [usual, named] = await Promise.all(
            [undefined, usualRate(options, 32)].map(async (learning_rate) =>
                weightsOf(
                    await fineTune(TINY, EXAMPLES, {
                        ...QUICK,
                        ...options,
                        epochs: 1,
                        learning_rate,
                    }),
                ),
            ),
        );
        assert.ok(usual.equals(named), JSON.stringify(options));
    }
});

test('a file answers for itself, and its name alone tells it from the next version', async () => {
    const versions = await Promise.all(
        [0, 1].map(async (seed) => {
            const trained = await fineTune(TINY, EXAMPLES, { ...QUICK, epochs: 1, seed });
            const model = await loadModel(await trained.save({ name: `reviews-${seed}` }));
            open.push(model);
            const { name, source_sha256 } = await model.info();
            assert.equal(name, `reviews-${seed}`);
            assert.ok((await model.verify()).ok);
            return { source_sha256, weights: await weightsOf(trained) };
        }),
    );
    assert.equal(versions[0].source_sha256, versions[1].source_sha256);
    assert.ok(!versions[0].weights.equals(versions[1].weights));
});

for (const title of RECIPES.keys()) {
    test(`it learns: ${title}`, async (t) => {
        const trained = await run(title, SPECIAL[title]?.own);
        t.diagnostic(JSON.stringify(trained.metrics));
        assertLearned(trained);
        SPECIAL[title]?.check?.(trained);
    });
}

/** Checkpoints: a training that was stopped goes on, to the bits that it would have given. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BertError } from 'bert-wasm';
import { fineTune } from 'bert-wasm/train';

import { converted } from './converted.js';
import { EXAMPLES, QUICK } from './trained.js';

const CLASSIFIER = converted('pipelines/text-classification-bert');

/** With all that depends on how many steps there were. */
const OPTIONS = {
    ...QUICK,
    batch_size: 2,
    epochs: 6,
    dropout: 0.2,
    schedule: /** @type {const} */ ('cosine'),
    validation: EXAMPLES.slice(2, 6),
};

/** @param {import('bert-wasm/train').TrainOptions} [options] */
async function tuned(options, examples = EXAMPLES) {
    /** @type {Uint8Array[]} */
    const checkpoints = [];
    const oncheckpoint = (/** @type {Uint8Array} */ bytes) => checkpoints.push(bytes);
    const trained = await fineTune(CLASSIFIER, examples, { ...OPTIONS, oncheckpoint, ...options });
    const weights = Buffer.from((await trained.export())['model.safetensors']);
    return { trained, weights, checkpoints };
}

/** Without what differs from run to run. */
const told = ({ history }) => history.map(({ seconds, ...epoch }) => epoch);

const same = (a, b) => {
    assert.ok(a.weights.equals(b.weights), 'other weights');
    assert.deepEqual(told(a.trained), told(b.trained));
    assert.equal(a.trained.best_epoch, b.trained.best_epoch);
};

test('from each of its checkpoints a run gives the same bits', async () => {
    const whole = await tuned({ checkpoint_steps: 3 });
    // Four steps an epoch: 24 in all, of which every third, and the last of each epoch.
    assert.equal(whole.checkpoints.length, 6 + 8 - 2);
    for (const i of [0, 1, 5, 11]) {
        const resume = whole.checkpoints[i];
        same(await tuned({ resume, checkpoint_steps: undefined }), whole);
    }
    const other = await tuned({ seed: 1 });
    assert.ok(!other.weights.equals(whole.weights));
});

test('what was stopped amid an epoch goes on, with other threads too', async () => {
    const whole = await tuned();
    const stopping = new AbortController();
    const stopped = await tuned({
        stop: stopping.signal,
        onprogress: ({ step }) => step === 6 && stopping.abort(),
    });
    assert.ok(stopped.trained.history.length < OPTIONS.epochs);
    const resume = stopped.checkpoints.at(-1);
    same(await tuned({ resume, threads: 2, recomputes: true }), whole);
});

test('adapters, frozen layers and a patience that has run out go on, too', async () => {
    for (const options of [
        { lora: { rank: 2 }, learning_rate: 1e-2 },
        { trained_layers: 0, unfreeze: 2, layer_decay: 0.9 },
        { patience: 1, learning_rate: 1e-9 },
        { adversarial: 0.5, dropout: undefined, accumulate: 1 },
        { accumulate: 2, validation: undefined },
    ]) {
        const whole = await tuned(options);
        const { checkpoints } = whole;
        for (const resume of [checkpoints[0], checkpoints.at(-1)]) {
            same(await tuned({ ...options, resume }), whole);
        }
    }
});

test('checkpoints of other runs, and what is none, are refused', async () => {
    const { checkpoints } = await tuned({ epochs: 1 });
    const [resume] = checkpoints;
    const refused = (options, code, message, examples = EXAMPLES) =>
        assert.rejects(
            tuned({ epochs: 1, resume, ...options }, examples),
            (/** @type {any} */ error) => {
                assert.ok(error instanceof BertError, error.stack);
                assert.match(error.message, message);
                return error.code === code;
            },
        );
    await refused({ epochs: 2 }, 'BAD_OPTION', /same options: it has epochs 1, not 2/);
    await refused({ dropout: 0 }, 'BAD_OPTION', /it has dropout 0\.2, not 0/);
    await refused({ lora: {} }, 'BAD_OPTION', /it has lora undefined, not \{"rank":8/);
    const others = EXAMPLES.map(({ text, label }) => ({ text: `${text} a`, label }));
    await refused({}, 'BAD_INPUT', /the same examples: it has another one's/, others);
    await refused({ validation: others }, 'BAD_INPUT', /the same validation/);
    await assert.rejects(
        fineTune(converted('pipelines/feature-extraction-bert'), EXAMPLES, {
            ...OPTIONS,
            epochs: 1,
            labels: ['bad', 'good'],
            resume,
        }),
        /the same base/,
    );
    await refused({ resume: resume.slice(0, -4) }, 'BAD_INPUT', /whole: its end is missing/);
    await refused({ resume: new Uint8Array(3) }, 'BAD_INPUT', /it has no header/);
    const bytes = new Uint8Array(64).fill(0x20);
    bytes[0] = 8;
    bytes.fill(0, 1, 8);
    await refused({ resume: bytes }, 'BAD_INPUT', /its header is no JSON/);
    bytes.set(new TextEncoder().encode('{}'), 8);
    await refused({ resume: bytes }, 'BAD_INPUT', /another kind of file/);
    await refused({ resume: 'file' }, 'BAD_OPTION', /^resume must be a Uint8Array/);
    await refused(
        { oncheckpoint: undefined, checkpoint_steps: 3 },
        'BAD_OPTION',
        /checkpoint_steps must have oncheckpoint/,
    );
});

/**
 * Pre-training beside PyTorch: a small BERT from the same weights, on the same batches, masked
 * alike, by the same steps, nothing dropped. So the losses are the same but for rounding; what
 * masked words both find at last is said, too.
 *
 *     node bench/pretrain.js [--python PYTHON] [--epochs 3] [--threads 1] CORPUS
 *
 * CORPUS: lines of text. PYTHON has torch and transformers. Writes what it finds into
 * measured.json.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { Tokenizer } from '../js/tokenizer/index.js';
import { batchesOf } from '../js/train/batches.js';
import { Documents } from '../js/train/pretraining/documents.js';
import { Examples } from '../js/train/pretraining/examples.js';
import { frameOf } from '../js/train/pretraining/frame.js';
import { Random } from '../js/train/random.js';
import { SPECIAL } from '../js/train/vocabulary/tokenizer_file.js';
import { dist, processorSeconds, record, runPython, writeFolder } from './beside_python.js';
import { mean } from './statistics.js';

/** Of random numbers, as js/train/pretraining/ draws them: what is set aside, the order. */
const [SET_ASIDE, ORDER] = [6, 5];

const HOW = {
    model: { layers: 2, hidden: 128 },
    vocabulary: { size: 2000 },
    max_length: 64,
    batch_size: 32,
    learning_rate: 1e-3,
    mlm_probability: 0.15,
    validation: 0.05,
    seed: 0,
};

/** Asked in the end, of a corpus that is the Bible. */
const ASKED = [
    'and the LORD spake unto [MASK], saying,',
    'in the beginning god created the heaven and the [MASK].',
    'and the children of [MASK] did as the lord commanded.',
    'and abraham took [MASK] his wife.',
];

/** Steps whose mean loss is said. */
const STEPS = 50;

const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
        python: { type: 'string', default: 'python3' },
        epochs: { type: 'string', default: '3' },
        threads: { type: 'string', default: '1' },
    },
});
const [corpus] = positionals;
if (!corpus) throw new Error('node bench/pretrain.js CORPUS');
const lines = readFileSync(corpus, 'utf8').trimEnd().split('\n');
const [epochs, threads] = [Number(values.epochs), Number(values.threads)];

const { pretrain } = await dist('train.node.js');
const { pipeline } = await dist('index.node.js');

/** @param {number[]} numbers */
const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);

/** What the session in js/train/pretraining/ learns from, in its order. @param {Tokenizer} words */
function batches(words) {
    const frame = frameOf(words, 1);
    const room = HOW.max_length - frame.n_special;
    const documents = new Documents(room);
    for (const line of lines) documents.add(words.encode(line, { add_special_tokens: false }).ids);
    const all = new Random(HOW.seed, SET_ASIDE).shuffled(documents.stretches(room));
    const n_aside = Math.round(HOW.validation * all.length);
    const mask = /** @type {number} */ (words.tokenToId('[MASK]'));
    const ids = Uint32Array.from({ length: words.vocab_size }, (_, id) => id);
    const others = ids.slice(SPECIAL.length);
    const [aside, examples] = [all.slice(0, n_aside), all.slice(n_aside)].map(
        (stretches) =>
            new Examples({
                documents,
                stretches,
                frame,
                words: { mask, others, share: HOW.mlm_probability },
                room,
                seed: HOW.seed,
            }),
    );
    const sequences = (/** @type {Examples} */ of, /** @type {number[]} */ chosen, epoch) =>
        chosen.map((index) => {
            const { ids: own, labels } = of.sequence(index, epoch);
            return { ids: [...own], labels: [...labels] };
        });
    const indices = (/** @type {Examples} */ { length }) => Array.from({ length }, (_, i) => i);
    const random = new Random(HOW.seed, ORDER);
    const steps = Array.from({ length: epochs }, (_, epoch) =>
        [...batchesOf(random.shuffled(indices(examples)), HOW.batch_size)].map((chosen) =>
            sequences(examples, chosen, epoch + 1),
        ),
    ).flat();
    return { steps, validation: sequences(aside, indices(aside), 0) };
}

const folder = mkdtempSync(join(tmpdir(), 'bert-wasm-pretrain-'));
try {
    const losses = [];
    const used = processorSeconds();
    const trained = await pretrain(lines, {
        ...HOW,
        epochs,
        threads,
        onprogress: ({ loss }) => losses.push(loss),
    });
    const ours = {
        losses,
        loss: trained.metrics.loss,
        processor_seconds: processorSeconds() - used,
    };

    // The weights that both begin with: at the only step the rate is still 0.
    const tokenizer = Buffer.from((await trained.export())['tokenizer.json']).toString();
    const drawn = await pretrain(lines.slice(0, 1), {
        ...HOW,
        tokenizer,
        validation: undefined,
        epochs: 1,
        warmup: 1,
    });
    writeFolder(join(folder, 'base'), await drawn.export());
    const { steps, validation } = batches(Tokenizer.fromJSON(tokenizer));
    if (steps.length !== losses.length)
        throw new Error(`${losses.length} steps, not ${steps.length}`);
    const request = { steps, validation, asked: ASKED, threads, learning_rate: HOW.learning_rate };
    writeFileSync(join(folder, 'request.json'), JSON.stringify(request));
    const { versions, ...theirs } = runPython(values.python, 'pretrain.py', folder);
    const fill = await pipeline('fill-mask', await trained.model({ dtype: 'f32' }));
    const rows = [];
    for (const [i, text] of ASKED.entries()) {
        const found = (await fill(text)).slice(0, 3);
        rows.push({ text, ours: found.map(({ token_str }) => token_str), torch: theirs.found[i] });
    }
    const curve = (/** @type {number[]} */ all) =>
        [...batchesOf(all, STEPS)].map((each) => Number(mean(each).toFixed(3)));
    const differences = losses.map((loss, i) => Math.abs(loss - theirs.losses[i]));
    const result = {
        steps: losses.length,
        tokens_a_step: Math.round(
            mean(steps.map((each) => sum(each.map(({ ids }) => ids.length)))),
        ),
        threads,
        versions,
        curve_steps: STEPS,
        ours: curve(losses),
        torch: curve(theirs.losses),
        largest_difference: Number(Math.max(...differences).toPrecision(2)),
        validation: {
            before: Number(theirs.before.toFixed(3)),
            ours: Number(ours.loss.toFixed(3)),
            torch: Number(theirs.after.toFixed(3)),
        },
        processor_s: {
            ours: Number(ours.processor_seconds.toFixed(1)),
            torch: Number(theirs.processor_seconds.toFixed(1)),
        },
        rows,
    };
    console.log(JSON.stringify(result, null, 1));
    record('pretrain', `node bench/pretrain.js --epochs ${epochs} CORPUS`, result);
} finally {
    rmSync(folder, { recursive: true });
}

/** Pre-training: its pieces, what torch learns in 20 steps, and pretrain() as a program uses it. */

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { loadModel, pipeline } from 'bert-wasm';
import { Tokenizer } from 'bert-wasm/tokenizer';
import { pretrain } from 'bert-wasm/train';

import { SCHEDULES } from '../../js/train/core_names.js';
import { familyOf } from '../../js/train/families.js';
import { toFolder } from '../../js/train/folder.js';
import { maskedWords } from '../../js/train/objectives/masked_words.js';
import { Documents } from '../../js/train/pretraining/documents.js';
import { Examples, maskWords, nChosen } from '../../js/train/pretraining/examples.js';
import { framed, frameOf } from '../../js/train/pretraining/frame.js';
import { continuedModel, newModel } from '../../js/train/pretraining/model.js';
import { Random } from '../../js/train/random.js';
import { limitsOf } from '../../js/train/run.js';
import { Trainer } from '../../js/train/trainer.js';
import { converted, GOLDEN } from './converted.js';
import { HUGGINGFACE, newPath } from './huggingface_files.js';
import { TOKENIZER } from './model_bytes.js';
import { assertTensors, baseOf, moduleOf, refused } from './trained.js';

const BASE = converted('pipelines/fill-mask-bert', 'f32');
const ENCODER = converted('pipelines/feature-extraction-bert');

/** @type {{dispose(): void}[]} */
const open = [];
after(() => open.forEach((each) => each.dispose()));

/** What no type allows. @returns {any} */
const wrong = (value) => value;

const json = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** Of the corpora of these tests. */
const DOCUMENTS = [
    ['the cat sat on the mat', 'the cat ate the fish', 'the mat was red'],
    ['a dog ran to the park', 'the dog ran home', 'the park was green'],
    ['we read a good book', 'the book was long', 'we read it again'],
    ['she ate red fish', 'he ate green fish', 'they ate at home'],
];
const LINES = DOCUMENTS.flatMap((sentences) => [...sentences, '']);

/** Under which a tiny model learns those. */
const QUICK = {
    model: { hidden: 64, intermediate: 128 },
    vocabulary: { size: 200, min_frequency: 1 },
    max_length: 24,
    batch_size: 4,
    epochs: 300,
    learning_rate: 3e-3,
    threads: 1,
};

const SHORT = { ...QUICK, epochs: 2 };

/* ------------------------------------------------------------------------------------- pieces -- */

for (const [name, build] of [
    ['bert-mlm', 'base'],
    ['bert-pretraining', 'base'],
    ['bert-pretraining', 'base-threads'],
]) {
    test(`20 steps give torch's losses: ${name}, train-${build}.wasm`, async () => {
        const golden = json(join(GOLDEN, 'pretraining', `${name}.json`));
        const { losses, n_warmup, learning_rate, weight_decay, max_norm } = golden;
        const batches = golden.batches.map((batch) =>
            batch.map(({ ids, type_ids, labels, label }) => ({
                ids: Uint32Array.from(ids),
                type_ids: Uint32Array.from(type_ids),
                labels: Int32Array.from(labels),
                label,
            })),
        );
        const { config, tensors } = await baseOf(converted(`gradients/${name}`));
        const has_pairs = name === 'bert-pretraining';
        const objective = maskedWords(0.25, has_pairs);
        const trainer = await Trainer.open(moduleOf(build), config.encoder, tensors, {
            ...limitsOf(batches, 4),
            objective,
            threads: build.endsWith('threads') ? 2 : 1,
            recomputes: false,
            memory: 2 ** 26,
        });
        for (const [i, batch] of batches.entries()) {
            const { loss, outputs } = trainer.run(batch, true);
            assert.deepEqual(outputs, []);
            assert.ok(Math.abs(loss - losses[i]) < 2e-5, `step ${i}: ${loss}, not ${losses[i]}`);
            const { mlm, nsp } = objective.losses;
            assert.equal(loss, mlm + Number(nsp));
            assert.equal(nsp !== null, has_pairs);
            trainer.clip(max_norm);
            const rate = trainer.schedule(SCHEDULES.linear, i, n_warmup, losses.length);
            trainer.step(learning_rate * rate, weight_decay);
        }
        assert.ok(losses.at(-1) < 0.96 * losses[0]);
    });
}

/** Folders as transformers has written them, with a language model. */
const FOLDERS = [
    'albert-mlm',
    'bert-mlm',
    'bert-mlm-untied',
    'bert-pretraining',
    'camembert-mlm',
    'deberta-mlm',
    'deberta-v2-mlm',
    'distilbert-mlm',
    'electra-mlm',
    'mpnet-mlm',
    'roberta-mlm',
];

for (const name of FOLDERS) {
    test(`a language model is written as transformers has it: ${name}`, async () => {
        const base = await baseOf(converted(`huggingface/${name}`));
        const has_pairs = name === 'bert-pretraining';
        const family = familyOf(base.config.architecture);
        const files = toFolder({
            family,
            architecture: base.config.architecture,
            labels: [],
            head: has_pairs ? 'ForPreTraining' : 'ForMaskedLM',
            max_length: base.config.max_length,
            tokenizer_json: new TextEncoder().encode(TOKENIZER),
            ...continuedModel(base, family, has_pairs, 0),
        });
        // The bias of the decoder is stored under either name.
        assertTensors(
            files,
            name,
            (each) =>
                !/position_ids$|decoder\.bias$/.test(each) &&
                (has_pairs || !each.includes('pooler')),
        );
        const config = JSON.parse(new TextDecoder().decode(files['config.json']));
        const original = json(join(HUGGINGFACE, name, 'config.json'));
        assert.deepEqual(config.architectures, original.architectures);
        assert.equal(config.tie_word_embeddings, original.tie_word_embeddings ?? true);
    });
}

test('a base without a language model gets one, and pairs theirs; what it has stays', async () => {
    const base = await baseOf(ENCODER);
    const family = familyOf('bert');
    const { encoder, tensors } = continuedModel(base, family, true, 0);
    assert.deepEqual(
        [encoder.lm_activation, encoder.lm_tied, encoder.n_labels, encoder.pooler_activation],
        ['gelu', 1, 2, 'tanh'],
    );
    const same = (name) => tensors.get(name) === base.tensors.get(name);
    assert.ok(same('embeddings.word.weight') && tensors.has('lm.transform.weight'));
    assert.equal(same('pooler.weight'), base.config.encoder.pooler_activation === 'tanh');
    const own = await baseOf(BASE);
    const kept = continuedModel(own, family, false, 0);
    assert.equal(kept.tensors.get('lm.norm.weight'), own.tensors.get('lm.norm.weight'));
    assert.ok(!kept.tensors.has('pooler.weight') && !kept.tensors.has('classifier.weight'));
});

test('a new model is drawn as transformers draws it', () => {
    const sizes = { layers: 2, hidden: 64, heads: 2, intermediate: 128 };
    const make = (seed) => newModel(sizes, 32, 100, 7, true, seed).tensors;
    const tensors = make(1);
    const values = (name) => /** @type {any} */ (tensors.get(name)).values;
    assert.deepEqual(values('layers.1.output.norm.weight'), new Float32Array(64).fill(1));
    assert.deepEqual(values('layers.0.attention.query.bias'), new Float32Array(64));
    assert.deepEqual(values('lm.decoder.bias'), new Float32Array(100));
    const words = values('embeddings.word.weight');
    assert.deepEqual(words.slice(7 * 64, 8 * 64), new Float32Array(64));
    const sum = words.reduce((total, x) => total + x * x, 0);
    assert.ok(Math.abs(Math.sqrt(sum / (99 * 64)) - 0.02) < 0.001);
    assert.deepEqual(make(1), tensors);
    assert.notDeepEqual(make(2), tensors);
});

test('words are chosen and masked: 80, 10 and 10 in 100', () => {
    const words = { mask: 4, others: Uint32Array.from({ length: 50 }, (_, i) => 100 + i) };
    const ids = Uint32Array.from({ length: 20_000 }, (_, i) => 10 + (i % 50));
    const places = Array.from({ length: 19_000 }, (_, i) => 1000 + i);
    const changed = ids.slice();
    const labels = maskWords(changed, places, { ...words, share: 0.15 }, new Random(3, 0));
    const chosen = [...labels.keys()].filter((i) => labels[i] >= 0);
    assert.equal(chosen.length, 0.15 * 19_000);
    assert.ok(chosen.every((i) => i >= 1000 && labels[i] === ids[i]));
    assert.ok(ids.every((id, i) => labels[i] >= 0 || changed[i] === id));
    const share = (is) => chosen.filter((i) => is(changed[i], ids[i])).length / chosen.length;
    assert.ok(Math.abs(share((id) => id === 4) - 0.8) < 0.02);
    assert.ok(Math.abs(share((id) => id >= 100) - 0.1) < 0.02);
    assert.ok(Math.abs(share((id, was) => id === was) - 0.1) < 0.02);
    assert.deepEqual(
        [1, 3, 4, 10].map((n) => nChosen(n, 0.15)),
        [1, 1, 1, 2],
    );
});

/** Three documents of sentences of these lengths, the ids of which count on. */
function documentsOf(all, most = 100) {
    const documents = new Documents(most);
    let id = 10;
    for (const lengths of all) {
        for (const n of lengths) documents.add(Uint32Array.from({ length: n }, () => id++));
        documents.endDocument();
        documents.endDocument(); // another empty line
    }
    return documents;
}

test('sentences of a document are put together, long ones cut', () => {
    const documents = documentsOf([[3, 4, 5, 2], [25], [4]], 10);
    assert.deepEqual([documents.n_tokens, documents.n_documents], [43, 3]);
    const stretches = documents.stretches(10);
    const lengths = stretches.map(({ document, first, end }) => [
        document,
        documents.ids(first, end).length,
    ]);
    assert.deepEqual(lengths, [
        [0, 7],
        [0, 7],
        [1, 10],
        [1, 10],
        [1, 5],
        [2, 4],
    ]);
    const all = stretches.flatMap(({ first, end }) => [...documents.ids(first, end)]);
    assert.deepEqual(
        all,
        Array.from({ length: 43 }, (_, i) => 10 + i),
    );
});

test('special tokens stand where the tokenizer puts them', async () => {
    const bert = Tokenizer.fromJSON(TOKENIZER);
    const two = framed(frameOf(bert, 2), [Uint32Array.of(7, 8), Uint32Array.of(9)]);
    assert.deepEqual([...two.ids], [2, 7, 8, 3, 9, 3]);
    assert.deepEqual([...two.type_ids], [0, 0, 0, 0, 1, 1]);
    assert.deepEqual(two.places, [1, 2, 4]);
    const { tokenizer } = await baseOf(converted('pipelines/fill-mask-roberta'));
    const [begin] = /** @type {any} */ (tokenizer).encode('').ids;
    const one = framed(frameOf(/** @type {any} */ (tokenizer), 1), [Uint32Array.of(7)]);
    assert.deepEqual([one.ids[0], one.ids[1], one.ids.length], [begin, 7, 3]);
});

test('half of the pairs are neighbours; each draw is its own, and repeatable', () => {
    const documents = documentsOf(Array.from({ length: 40 }, () => [5, 5, 5, 5]));
    const room = 20;
    const make = (seed) =>
        new Examples({
            documents,
            stretches: documents.stretches(room),
            frame: frameOf(Tokenizer.fromJSON(TOKENIZER), 2),
            words: { mask: 4, others: Uint32Array.of(5), share: 0.15 },
            room,
            seed,
        });
    const examples = make(0);
    let n_next = 0;
    for (let epoch = 1; epoch <= 20; epoch++) {
        for (let i = 0; i < examples.length; i++) {
            const { ids, type_ids, labels, label } = examples.sequence(i, epoch);
            assert.ok(ids.length <= room + 3);
            const own = ids.map((id, k) => (labels[k] >= 0 ? labels[k] : id));
            const cut = own.indexOf(3);
            const [a, b] = [own.subarray(1, cut), own.subarray(cut + 1, -1)];
            assert.ok(a.length > 0 && b.length > 0);
            assert.equal(type_ids.indexOf(1), cut + 1);
            const documentOf = (id) => Math.floor((id - 10) / 20);
            if (label === 0) assert.equal(b[0], a[a.length - 1] + 1);
            else assert.notEqual(documentOf(b[0]), documentOf(a[0]));
            n_next += label === 0 ? 1 : 0;
        }
    }
    assert.ok(Math.abs(n_next / (20 * examples.length) - 0.5) < 0.05);
    assert.deepEqual(examples.sequence(3, 2), make(0).sequence(3, 2));
    for (const other of [examples.sequence(3, 1), make(1).sequence(3, 2)]) {
        assert.notDeepEqual(examples.sequence(3, 2), other);
    }
});

/* ----------------------------------------------------------------------------------- pretrain -- */

test('a new BERT learns a corpus by heart, and fills in its words', async () => {
    /** @type {import('../../js/train/pretraining/run.js').PretrainProgress[]} */
    const told = [];
    const trained = await pretrain(LINES, { ...QUICK, onprogress: (each) => told.push(each) });
    assert.equal(trained.n_documents, DOCUMENTS.length);
    assert.equal(trained.history.length, QUICK.epochs);
    assert.equal(trained.n_steps, QUICK.epochs * Math.ceil(trained.n_sequences / 4));
    assert.equal(trained.metrics, null);
    const [first, last] = [trained.history[0], trained.history.at(-1)];
    assert.ok(Number(last?.loss) < 0.5 * first.loss, `${first.loss} ${last?.loss}`);
    assert.deepEqual(
        told.map(({ step }) => step),
        Array.from({ length: trained.n_steps }, (_, i) => i + 1),
    );
    assert.ok(told.every(({ loss, mlm_loss, nsp_loss }) => loss === mlm_loss && nsp_loss === null));
    assert.ok(told.every(({ rate, perplexity }) => rate > 0 && perplexity === null));
    assert.equal(told.at(-1)?.seconds_left, 0);
    const model = await trained.model({ dtype: 'f32', name: 'mine' });
    open.push(model);
    assert.equal(model.name, 'mine');
    const fill = await pipeline('fill-mask', model);
    const [{ sequence }] = await fill('a dog ran to the [MASK]');
    assert.equal(sequence, 'a dog ran to the park');
    const folder = newPath();
    mkdirSync(folder);
    for (const [name, bytes] of Object.entries(await trained.export())) {
        writeFileSync(join(folder, name), bytes);
    }
    const special = json(join(folder, 'tokenizer_config.json'));
    const roles = ['pad_token', 'unk_token', 'cls_token', 'sep_token', 'mask_token'];
    assert.deepEqual(
        roles.map((role) => special[role]),
        ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'],
    );
    const opened = await loadModel(folder, { dtype: 'f32', cache: false });
    open.push(opened);
    const [[a], [b]] = await Promise.all(
        [model, opened].map(async (each) => (await pipeline('fill-mask', each))('we [MASK] it')),
    );
    assert.deepEqual(a, b);
});

test('the same bits on one thread and on two, and of the same seed alone', async () => {
    const weights = async (options) =>
        Buffer.from((await (await pretrain(LINES, options)).export())['model.safetensors']);
    const pairs = { ...SHORT, next_sentence: true, validation: 0.4 };
    const [one, two, other] = [
        await weights(pairs),
        await weights({ ...pairs, threads: 2, recomputes: true }),
        await weights({ ...pairs, seed: 1 }),
    ];
    assert.ok(one.equals(two));
    assert.ok(!one.equals(other));
});

test('pairs: the loss is the sum of both, and the model tells pairs', async () => {
    /** @type {any[]} */
    const told = [];
    const trained = await pretrain(LINES, {
        ...SHORT,
        next_sentence: true,
        validation: LINES.slice(0, 8),
        onprogress: (each) => told.push(each),
    });
    assert.ok(told.every(({ loss, mlm_loss, nsp_loss }) => loss === mlm_loss + nsp_loss));
    const metrics = /** @type {any} */ (trained.metrics);
    assert.equal(metrics.loss, metrics.mlm_loss + metrics.nsp_loss);
    assert.equal(metrics.perplexity, Math.exp(metrics.mlm_loss));
    assert.deepEqual(metrics, trained.history.at(-1)?.validation);
    assert.equal(told.at(-1).perplexity, trained.history[0].validation?.perplexity);
    const model = await trained.model();
    open.push(model);
    const follows = await pipeline('next-sentence-prediction', model);
    const { score } = await follows({ text: 'the cat', text_pair: 'sat on the mat' });
    assert.ok(score > 0 && score < 1);
});

for (const [name, options] of /** @type {[string, object][]} */ ([
    ['fill-mask-bert', { next_sentence: true }],
    ['fill-mask-roberta', {}],
    ['fill-mask-distilbert', {}],
    ['feature-extraction-bert', {}],
])) {
    test(`a base goes on: ${name}`, async () => {
        const trained = await pretrain(LINES, {
            base: converted(`pipelines/${name}`),
            epochs: 40,
            learning_rate: 5e-3,
            batch_size: 4,
            threads: 1,
            ...options,
        });
        const losses = trained.history.map(({ loss }) => loss);
        assert.ok(Number(losses.at(-1)) < 0.8 * losses[0], `${losses}`);
        const model = await trained.model({ dtype: 'f32' });
        open.push(model);
        const fill = await pipeline('fill-mask', model);
        const { mask } = /** @type {any} */ (model.tokenizer).traits;
        assert.equal((await fill(`the ${mask.token} was red`, { top_k: 3 })).length, 3);
    });
}

test('a corpus is a Blob, a Set, a stream where nothing is made of it', async () => {
    const blob = new Blob([LINES.join('\r\n')]);
    const of = async (corpus, options = {}) => pretrain(corpus, { ...SHORT, ...options });
    const files = await Promise.all(
        [await of(LINES), await of(blob)].map((trained) => trained.export()),
    );
    assert.deepEqual(files[0], files[1]);
    async function* later() {
        yield* LINES;
    }
    await refused(of(later()), 'BAD_INPUT', /gone through twice/);
    const given = { vocabulary: undefined, tokenizer: files[0]['tokenizer.json'] };
    const streamed = await (await of(later(), given)).export();
    // Its card says that it has made no vocabulary.
    assert.deepEqual({ ...streamed, 'README.md': files[0]['README.md'] }, files[0]);
    const vocab = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'the', 'cat', '##s'].join('\n');
    const small = await of(LINES, { vocabulary: undefined, tokenizer: vocab });
    const config = JSON.parse(new TextDecoder().decode((await small.export())['config.json']));
    assert.deepEqual(
        [config.vocab_size, config.max_position_embeddings, config.architectures],
        [8, 24, ['BertForMaskedLM']],
    );
});

test('signal ends it with its reason, stop with what there is', async () => {
    const reason = new Error('enough');
    const long = { ...QUICK, epochs: 100_000 };
    await assert.rejects(pretrain(LINES, { ...long, signal: AbortSignal.abort(reason) }), reason);
    await assert.rejects(pretrain(LINES, { ...long, stop: AbortSignal.abort(reason) }), reason);
    const aborting = new AbortController();
    const aborted = pretrain(LINES, {
        ...long,
        signal: aborting.signal,
        onprogress: ({ step }) => step === 3 && aborting.abort(reason),
    });
    await assert.rejects(aborted, reason);
    const stopping = new AbortController();
    const stopped = await pretrain(LINES, {
        ...long,
        stop: stopping.signal,
        onprogress: ({ step }) => step === 3 && stopping.abort(),
    });
    assert.ok(stopped.n_steps >= 3 && stopped.n_steps < 100_000);
    open.push(await stopped.model());
});

test('texts that are none are refused', async () => {
    const of = (corpus, options = {}) => pretrain(wrong(corpus), { ...SHORT, ...options });
    await refused(of('text'), 'BAD_INPUT', /the corpus must be lines/);
    await refused(of(null), 'BAD_INPUT', /the corpus must be lines/);
    await refused(of([...LINES, 7]), 'BAD_INPUT', /^line 16 of the corpus: it must be a str/, 16);
    await refused(of(['', ' ']), 'BAD_INPUT', /the corpus has no words/);
    const validation = wrong(['a', 7]);
    await refused(of(LINES, { validation }), 'BAD_INPUT', /^line 1 of the validation/, 1);
    await refused(of(LINES, { validation: [''] }), 'BAD_INPUT', /the validation has no words/);
    await refused(of(LINES, { validation: 0.01 }), 'BAD_OPTION', /sequences on both sides/);
    const one = LINES.filter(Boolean);
    await refused(of(one, { next_sentence: true }), 'BAD_INPUT', /two documents or more/);
});

test('options that cannot be are refused', async () => {
    const of = (options) => pretrain(LINES, wrong({ ...SHORT, ...options }));
    const cases = /** @type {Record<string, [unknown, RegExp]>} */ ({
        model: [7, /an object: layers/],
        vocabulary: ['a', /an object: size/],
        next_sentence: [1, /true or false/],
        mlm_probability: [1, /between 0 and 1/],
        validation: [1, /texts, or a share between 0 and 1/],
        max_length: [0, /a whole number from 1/],
        epochs: [0, /a whole number from 1/],
        learning_rate: [0, /a number above 0/],
        stop: [{}, /an AbortSignal/],
    });
    for (const [name, [value, message]] of Object.entries(cases)) {
        const promise = of({ [name]: value });
        await refused(promise, 'BAD_OPTION', new RegExp(`^${name} must be .*${message.source}`));
    }
    await refused(of({ rate: 1 }), 'BAD_OPTION', /no option 'rate'/);
    await refused(of({ vocabulary: { size: 5 } }), 'BAD_OPTION', /size must be .* from 6/);
    await refused(of({ vocabulary: { pieces: 5 } }), 'BAD_OPTION', /no option 'pieces'/);
    await refused(of({ model: { layers: 0 } }), 'BAD_OPTION', /layers must be .* from 1/);
    const odd = { model: { hidden: 30, heads: 4 } };
    await refused(of(odd), 'BAD_OPTION', /heads must divide .* 30, not 4/);
    await refused(of({ max_length: 3 }), 'BAD_OPTION', /max_length must be at least 4 tokens/);
    await refused(of({ base: BASE }), 'BAD_OPTION', /model must not be given with a base/);
    const base = (options) => pretrain(LINES, { base: BASE, ...wrong(options) });
    await refused(base({ max_length: 9999 }), 'BAD_OPTION', /at most the \d+ tokens/);
    const roberta = { base: converted('pipelines/fill-mask-roberta'), next_sentence: true };
    await refused(pretrain(LINES, roberta), 'BAD_OPTION', /next_sentence must be false/);
    await refused(of({ memory: 1e5 }), 'OUT_OF_MEMORY', /more than the 1 MB/);
    const maskless = { vocabulary: undefined, tokenizer: TOKENIZER.replaceAll('[MASK]', '[M]') };
    await refused(of(maskless), 'BAD_TOKENIZER', /\[MASK\] or <mask>/);
    const wild = { learning_rate: 1e30, max_norm: Infinity, warmup: 0 };
    await refused(of(wild), 'BAD_OPTION', /the loss of step \d+, .* learning_rate/);
});

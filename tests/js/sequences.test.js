/** Masks, positions and batches: from what callers have to what the core takes, and back. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { activate } from '../../js/worker/outputs.js';
import { batchesOf, prepare } from '../../js/worker/sequences.js';
import { coreOf } from './core.js';

/** Models whose first token is read, or not; PADDED does not count padding, which is token 1. */
const modelOf = async (fields) => ({ core: await coreOf(fields), most_tokens: 512 });
const POOLED = await modelOf({ pooler_activation: 'tanh' });
const BARE = await modelOf({});
const PADDED = await modelOf({ n_positions: 512, first_position: 2 });
const POOLED_PADDED = await modelOf({
    n_positions: 512,
    first_position: 2,
    pooler_activation: 'tanh',
});

const plain = ({ ids, token_types, positions, attended }) => ({
    ids: [...ids],
    token_types: [...token_types],
    positions: [...positions],
    attended: [...attended],
});

test('without a mask everything is kept', () => {
    assert.deepEqual(plain(prepare({ input_ids: /** @type {any[]} */ ([7, 8n, 9]) }, POOLED)), {
        ids: [7, 8, 9],
        token_types: [0, 0, 0],
        positions: [0, 1, 2],
        attended: [1, 1, 1],
    });
});

test('masked tokens are left out and the others keep their positions', () => {
    const sequence = {
        input_ids: [5, 6, 7, 8, 0],
        attention_mask: [1, 0, 1, 1, 0],
        token_type_ids: [0, 0, 1, 1, 0],
    };
    assert.deepEqual(plain(prepare(sequence, POOLED)), {
        ids: [5, 7, 8],
        token_types: [0, 1, 1],
        positions: [0, 2, 3],
        attended: [1, 1, 1],
    });
});

test('a masked first token is computed for a pooler, and attended to by nobody', () => {
    const sequence = { input_ids: [0, 6, 7], attention_mask: new Uint8Array([0, 1, 1]) };
    assert.deepEqual(plain(prepare(sequence, POOLED)), {
        ids: [0, 6, 7],
        token_types: [0, 0, 0],
        positions: [0, 1, 2],
        attended: [0, 1, 1],
    });
    assert.deepEqual(plain(prepare(sequence, BARE)), {
        ids: [6, 7],
        token_types: [0, 0],
        positions: [1, 2],
        attended: [1, 1],
    });
});

test('where padding is not counted, what is left out of it is not either', () => {
    const positions = (input_ids, attention_mask, model = PADDED) => [
        ...prepare({ input_ids, attention_mask }, model).positions,
    ];
    assert.deepEqual(positions([1, 1, 5, 6, 1], [0, 0, 1, 1, 0]), [0, 1], 'padding on both sides');
    assert.deepEqual(
        positions([5, 9, 1, 6], [1, 0, 0, 1]),
        [0, 2],
        'another token that is left out is counted',
    );
    assert.deepEqual(
        positions([5, 1, 6], [1, 1, 1]),
        [0, 1, 2],
        'padding that is attended to is for the core',
    );
    assert.deepEqual(
        positions([1, 1, 5], [0, 0, 1], POOLED_PADDED),
        [0, 1],
        'and so is what is kept',
    );
    assert.deepEqual(positions([0, 5], [0, 1], BARE), [1]);
});

test('bad sequences say what and where', () => {
    const refused = (sequence, code, message) =>
        assert.throws(() => prepare(sequence, POOLED), { code, message });
    refused(null, 'BAD_INPUT', /^a sequence must be an object with input_ids, not null/);
    refused({}, 'BAD_INPUT', /input_ids must be an array of integers, not undefined/);
    refused({ input_ids: 'abc' }, 'BAD_INPUT', /input_ids must be .*, not string "abc"/);
    refused(
        { input_ids: [1, 2.5] },
        'BAD_INPUT',
        /input_ids\[1\] must be an integer >= 0, not number 2.5/,
    );
    refused({ input_ids: [1, -2] }, 'BAD_INPUT', /input_ids\[1\] must be .*, not number -2/);
    refused({ input_ids: [1, '2'] }, 'BAD_INPUT', /input_ids\[1\] must be .*, not string "2"/);
    refused(
        { input_ids: [1, 2], attention_mask: [1] },
        'BAD_INPUT',
        /attention_mask must have 2 values, one a token, not 1/,
    );
    refused(
        { input_ids: [1, 2], attention_mask: [1, 2] },
        'BAD_INPUT',
        /attention_mask\[1\] must be 0 or 1, not 2/,
    );
    refused({ input_ids: [] }, 'EMPTY_SEQUENCE', /no token/);
    refused({ input_ids: [1, 2], attention_mask: [0, 0] }, 'EMPTY_SEQUENCE', /no token/);
    refused(
        { input_ids: Array(513).fill(1) },
        'SEQUENCE_TOO_LONG',
        /^a sequence must have at most 512 tokens, not 513/,
    );
    const input_ids = Array(600).fill(1);
    const attention_mask = input_ids.map((_, i) => Number(i < 512));
    assert.equal(prepare({ input_ids, attention_mask }, BARE).ids.length, 512);
});

test('rows of words: indices of the caller become those of what is computed', () => {
    const rowsOf = (sequence, model = BARE) => prepare(sequence, model).lm_rows;
    assert.equal(rowsOf({ input_ids: [5, 6] }), undefined);
    assert.deepEqual(rowsOf({ input_ids: [5, 6, 7], lm_rows: [] }), Uint32Array.of());
    assert.deepEqual(rowsOf({ input_ids: [5, 6, 7], lm_rows: [0, 2n] }), Uint32Array.of(0, 2));
    assert.deepEqual(
        rowsOf({ input_ids: [0, 6, 7, 0, 8], attention_mask: [0, 1, 1, 0, 1], lm_rows: [2, 4] }),
        Uint32Array.of(1, 2),
    );
    assert.deepEqual(
        rowsOf({ input_ids: [0, 6, 7], attention_mask: [0, 1, 1], lm_rows: [2] }, POOLED),
        Uint32Array.of(2),
        'its first token is computed',
    );
    const refused = (lm_rows, message, model = BARE) =>
        assert.throws(
            () => prepare({ input_ids: [0, 6, 7], attention_mask: [0, 1, 1], lm_rows }, model),
            { code: 'BAD_INPUT', message },
        );
    refused([3], /^lm_rows\[0\] must be the index of a token whose mask is 1, not 3/);
    refused([0], /lm_rows\[0\] must be .*, not 0/);
    refused([0], /lm_rows\[0\] must be .*, not 0/, POOLED);
    refused([2, 1], /lm_rows\[1\] must be above 2, the one before it, not 1/);
    refused([1, 1], /lm_rows\[1\] must be above 1, .* not 1/);
    refused([-1], /lm_rows\[0\] must be .*, not number -1/);
    refused(2, /lm_rows must be .*, not number 2/);
});

/** A model with every head but a pooler's. */
const MODEL = await modelOf({
    n_layers: 1,
    vocab_size: 3,
    n_token_labels: 2,
    lm_activation: 'gelu',
    lm_tied: 1,
    pooling: 'mean',
    embedding_dim: 4,
});
const CLASSIFIER = await modelOf({ n_layers: 1, pooler_activation: 'tanh', n_labels: 1 });

/** Of sequences of these lengths the indices in each batch. */
const batched = (lengths, output, most, model = MODEL) =>
    [
        ...batchesOf(
            lengths.map((n) => ({ input_ids: Array(n).fill(1) })),
            { output: { output } },
            model,
            most,
        ),
    ].map(({ indices }) => indices);

test('batches hold at most so many tokens, sequences and bytes, the longest first', async () => {
    const lengths = [4, 1, 9, 4, 1, 4];
    const output = 'sentence_embedding';
    assert.deepEqual(batched(lengths, output, { most_tokens: 8 }), [[2], [0, 3], [5, 1, 4]]);
    assert.deepEqual(batched(lengths, output, { most_tokens: 100 }), [[2, 0, 3, 5, 1, 4]]);
    assert.deepEqual(batched(lengths, output, { most_tokens: 100, most_sequences: 4 }), [
        [2, 0, 3, 5],
        [1, 4],
    ]);
    assert.deepEqual(batched([], output, { most_tokens: 8 }), []);
    const wordy = await modelOf({ vocab_size: 1 << 20, lm_activation: 'gelu', lm_tied: 1 });
    assert.deepEqual(
        batched([8, 20, 8, 1], 'lm_logits', { most_tokens: 100 }, wordy),
        [[1], [0, 2], [3]],
        '64 MiB are 16 tokens; one that has more is alone',
    );
});

test('an output that the model does not have is refused before anything is computed', () => {
    assert.throws(() => batched([1], 'logits', { most_tokens: 8 }), { code: 'NO_SUCH_OUTPUT' });
    assert.throws(() => batched([1], 'toString', { most_tokens: 8 }), { code: 'NO_SUCH_OUTPUT' });
});

test('bytes of outputs', () => {
    const { core } = MODEL;
    assert.equal(
        core.outputBytes(['lm_logits', 'sentence_embedding', 'hidden_states', 'attentions'], 10),
        4 * (30 + 4 + 40 + 100),
    );
    assert.equal(core.outputBytes(['lm_logits', 'last_hidden_state'], 10, 2), 4 * (6 + 20));
    assert.equal(core.outputBytes(['lm_logits'], 10, 0), 0);
});

const ask = (...outputs) => Object.fromEntries(outputs.map((output) => [output, { output }]));

/** The one batch of these sequences, which are given the longest first. */
const batchOf = (sequences, requests, model = MODEL) => {
    const [batch, ...others] = batchesOf(sequences, requests, model, { most_tokens: 100 });
    assert.deepEqual([batch.indices, others], [[...sequences.keys()], []]);
    return batch;
};

/** The results with their data as plain arrays. */
const readable = (results) =>
    results.map((result) =>
        Object.fromEntries(
            Object.entries(result).map(([name, { dims, data }]) => [
                name,
                { dims, data: [...data] },
            ]),
        ),
    );

const TWO = [{ input_ids: [1, 2] }, { input_ids: [3] }];

test('what is joined is split again', () => {
    const outputs = {
        last_hidden_state: Float32Array.of(1, 2, 3, 4, 5, 6),
        token_logits: Float32Array.of(1, 2, 3, 4, 5, 6),
        lm_logits: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9),
        sentence_embedding: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8),
        hidden_states: Float32Array.of(1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16),
        attentions: Float32Array.of(0.1, 0.9, 0.2, 0.8, 1),
    };
    const batch = batchOf(TWO, ask(...Object.keys(outputs)));
    assert.deepEqual(batch.outputs, Object.keys(outputs));
    assert.deepEqual(batch.tokens, {
        lengths: Uint32Array.of(2, 1),
        ids: Uint32Array.of(1, 2, 3),
        token_types: Uint32Array.of(0, 0, 0),
        positions: Uint32Array.of(0, 1, 0),
        attended: Uint8Array.of(1, 1, 1),
    });
    const [a, b] = readable(batch.split(outputs));
    assert.deepEqual(a.hidden_states, { dims: [2, 2, 2], data: [1, 2, 3, 4, 11, 12, 13, 14] });
    assert.deepEqual(b.hidden_states, { dims: [2, 1, 2], data: [5, 6, 15, 16] });
    assert.deepEqual(b.last_hidden_state, { dims: [1, 2], data: [5, 6] });
    assert.deepEqual(b.token_logits, { dims: [1, 2], data: [5, 6] });
    assert.deepEqual(a.lm_logits, { dims: [2, 3], data: [1, 2, 3, 4, 5, 6] });
    assert.deepEqual(b.sentence_embedding, { dims: [4], data: [5, 6, 7, 8] });
    assert.deepEqual(a.attentions.dims, [1, 1, 2, 2]);
    assert.deepEqual(b.attentions, { dims: [1, 1, 1, 1], data: [1] });
    const classified = batchOf(TWO, ask('logits'), CLASSIFIER).split({
        logits: Float32Array.of(10, 20),
    });
    assert.deepEqual(readable(classified), [
        { logits: { dims: [1], data: [10] } },
        { logits: { dims: [1], data: [20] } },
    ]);
});

test('rows of words are joined and split again, beside sequences that want all', async () => {
    // The longest first: the second and the third have a first token that nobody attends to.
    const given = [
        { input_ids: [1, 2, 3], lm_rows: [0, 2] },
        { input_ids: [7, 8, 9], attention_mask: [0, 1, 1], lm_rows: [2] },
        { input_ids: [4, 5], attention_mask: [0, 1] },
        { input_ids: [6], lm_rows: [] },
    ];
    const model = await modelOf({
        vocab_size: 3,
        pooler_activation: 'tanh',
        lm_activation: 'gelu',
        lm_tied: 1,
    });
    const requests = {
        lm_logits: { output: 'lm_logits' },
        chance: { output: 'lm_logits', index: 1 },
    };
    const batch = batchOf(given, requests, model);
    const { lm_tokens } = batch.tokens;
    assert.deepEqual(lm_tokens, Uint32Array.of(0, 2, 5, 6, 7));
    assert.equal('lm_tokens' in batchOf([given[2]], requests, model).tokens, false);
    const outputs = {
        lm_logits: Float32Array.from(
            [...lm_tokens].flatMap((token) => [token, 10 + token, 20 + token]),
        ),
    };
    const rows = batch.split(outputs);
    assert.deepEqual(
        rows.map(({ lm_logits }) => lm_logits),
        [
            { dims: [2, 3], data: Float32Array.of(0, 10, 20, 2, 12, 22) },
            { dims: [1, 3], data: Float32Array.of(5, 15, 25) },
            { dims: [1, 3], data: Float32Array.of(7, 17, 27) },
            { dims: [0, 3], data: Float32Array.of() },
        ],
    );
    assert.deepEqual(
        rows.map(({ chance }) => [...chance.data]),
        [[10, 12], [15], [17], []],
    );
});

test('parts of outputs: columns, layers, activations', () => {
    const outputs = {
        token_logits: Float32Array.of(1, 2, 3, 4, 5, 6),
        hidden_states: Float32Array.of(1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16),
        attentions: Float32Array.of(0.1, 0.9, 0.2, 0.8, 1),
    };
    const [a, b] = batchOf(TWO, {
        start: { output: 'token_logits', index: 0 },
        end: { output: 'token_logits', index: 1 },
        chance: { output: 'token_logits', index: 1, activation: 'softmax' },
        layer: { output: 'hidden_states', index: 1 },
        maps: { output: 'attentions', index: 0 },
    }).split(outputs);
    assert.deepEqual(a.start, { dims: [2], data: Float32Array.of(1, 3) });
    assert.deepEqual(b.end, { dims: [1], data: Float32Array.of(6) });
    const chance = Math.fround(1 / (1 + Math.exp(-1)));
    assert.deepEqual(a.chance, { dims: [2], data: Float32Array.of(chance, chance) });
    assert.deepEqual(b.layer, { dims: [1, 2], data: Float32Array.of(15, 16) });
    assert.deepEqual(a.maps, { dims: [1, 2, 2], data: Float32Array.of(0.1, 0.9, 0.2, 0.8) });
    assert.deepEqual(
        outputs.token_logits,
        Float32Array.of(1, 2, 3, 4, 5, 6),
        'the outputs are only read',
    );
    const yes = { output: 'logits', index: 0, activation: 'sigmoid' };
    const [, second] = batchOf(TWO, { yes }, CLASSIFIER).split({
        logits: Float32Array.of(10, 20),
    });
    assert.deepEqual(second.yes, { dims: [], data: Float32Array.of(1 / (1 + Math.exp(-20))) });
    const large = Float32Array.of(1000, 999, -1000);
    activate(large, 3, 'softmax');
    assert.deepEqual(
        [...large].map((x) => x.toFixed(6)),
        ['0.731059', '0.268941', '0.000000'],
    );
});

test('the row of an unattended first token is left out', async () => {
    const model = await modelOf({
        n_layers: 1,
        n_heads: 2,
        pooler_activation: 'tanh',
        n_labels: 1,
        n_token_labels: 1,
    });
    const sequences = [{ input_ids: [0, 1, 1], attention_mask: [0, 1, 1] }];
    const map = [0, 0.3, 0.7, 0, 0.4, 0.6, 0, 0.5, 0.5];
    const outputs = {
        last_hidden_state: Float32Array.of(1, 2, 3, 4, 5, 6),
        token_logits: Float32Array.of(7, 8, 9),
        hidden_states: Float32Array.of(1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16),
        attentions: Float32Array.from([...map, ...map]),
        logits: Float32Array.of(3),
    };
    const requests = {
        ...ask(...Object.keys(outputs)),
        start: { output: 'token_logits', index: 0 },
        layer: { output: 'hidden_states', index: 1 },
        maps: { output: 'attentions', index: 0 },
    };
    const [result] = batchOf(sequences, requests, model).split(outputs);
    assert.deepEqual(result.logits, { dims: [1], data: Float32Array.of(3) });
    assert.deepEqual(result.last_hidden_state, { dims: [2, 2], data: Float32Array.of(3, 4, 5, 6) });
    assert.deepEqual(result.token_logits, { dims: [2, 1], data: Float32Array.of(8, 9) });
    assert.deepEqual(result.start, { dims: [2], data: Float32Array.of(8, 9) });
    assert.deepEqual(result.hidden_states, {
        dims: [2, 2, 2],
        data: Float32Array.of(3, 4, 5, 6, 13, 14, 15, 16),
    });
    assert.deepEqual(result.layer, { dims: [2, 2], data: Float32Array.of(13, 14, 15, 16) });
    const inner = [0.4, 0.6, 0.5, 0.5];
    assert.deepEqual(result.attentions, {
        dims: [1, 2, 2, 2],
        data: Float32Array.from([...inner, ...inner]),
    });
    assert.deepEqual(result.maps, {
        dims: [2, 2, 2],
        data: Float32Array.from([...inner, ...inner]),
    });
});

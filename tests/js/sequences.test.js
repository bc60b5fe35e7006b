/** Masks, positions and batches: from what callers have to what the core takes, and back. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { outputBytes, sizesOf } from '../../js/loader/config.js';
import { activate } from '../../js/worker/outputs.js';
import { cut, join, prepare, split } from '../../js/worker/sequences.js';

/** Models whose first token is read, or not; PADDED does not count padding, which is token 1. */
const POOLED = { reads_first: true, padding_id: -1 };
const BARE = { reads_first: false, padding_id: -1 };
const PADDED = { reads_first: false, padding_id: 1 };

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
        positions([1, 1, 5], [0, 0, 1], { ...PADDED, reads_first: true }),
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
    refused(
        { input_ids: 'abc' },
        'BAD_INPUT',
        /input_ids must be an array of integers, not string "abc"/,
    );
    refused(
        { input_ids: [1, 2.5] },
        'BAD_INPUT',
        /input_ids\[1\] must be an integer >= 0, not number 2.5/,
    );
    refused(
        { input_ids: [1, -2] },
        'BAD_INPUT',
        /input_ids\[1\] must be an integer >= 0, not number -2/,
    );
    refused(
        { input_ids: [1, '2'] },
        'BAD_INPUT',
        /input_ids\[1\] must be an integer >= 0, not string "2"/,
    );
    refused(
        { input_ids: [1, 2], attention_mask: [1] },
        'BAD_INPUT',
        /attention_mask has 1 values, input_ids 2/,
    );
    refused(
        { input_ids: [1, 2], attention_mask: [1, 2] },
        'BAD_INPUT',
        /attention_mask must be 0 or 1, not 2/,
    );
    refused({ input_ids: [] }, 'EMPTY_SEQUENCE', /no token/);
    refused({ input_ids: [1, 2], attention_mask: [0, 0] }, 'EMPTY_SEQUENCE', /no token/);
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
    refused([3], /^lm_rows\[0\] must be a token whose mask is 1, not 3/);
    refused([0], /lm_rows\[0\] must be .*, not 0/);
    refused([0], /lm_rows\[0\] must be .*, not 0/, POOLED);
    refused([2, 1], /lm_rows\[1\] is 1 after 2/);
    refused([1, 1], /lm_rows\[1\] is 1 after 1/);
    refused([-1], /lm_rows\[0\] must be .*, not number -1/);
    refused(2, /lm_rows must be .*, not number 2/);
});

const sequenceOf = (n) => prepare({ input_ids: Array(n).fill(1) }, BARE);

test('batches hold at most so many tokens, sequences and bytes, in order', () => {
    const sequences = [4, 4, 4, 9, 1, 1].map(sequenceOf);
    const tokens = (most) => ({ most, of: ({ ids }) => ids.length });
    assert.deepEqual(cut(sequences, 100, [tokens(8)]), [
        [0, 2],
        [2, 3],
        [3, 4],
        [4, 6],
    ]);
    assert.deepEqual(cut(sequences, 4, [tokens(100)]), [
        [0, 4],
        [4, 6],
    ]);
    assert.deepEqual(
        cut(sequences, 100, [tokens(100), { most: 33, of: ({ ids }) => ids.length ** 2 }]),
        [
            [0, 2],
            [2, 3],
            [3, 4],
            [4, 6],
        ],
    );
    assert.deepEqual(cut([], 8, [tokens(8)]), []);
});

const SIZES = sizesOf({
    hidden_size: 2,
    n_layers: 1,
    n_heads: 1,
    n_labels: 1,
    n_token_labels: 2,
    vocab_size: 3,
    lm_activation: 'gelu',
    pooling: 'mean',
    embedding_dim: 4,
});
const ask = (...outputs) => Object.fromEntries(outputs.map((output) => [output, { output }]));

test('sizes follow from the config', () => {
    assert.deepEqual(SIZES, {
        n_layers: 1,
        n_heads: 1,
        columns: {
            last_hidden_state: 2,
            logits: 1,
            token_logits: 2,
            lm_logits: 3,
            sentence_embedding: 4,
            hidden_states: 2,
        },
    });
    assert.equal(
        sizesOf({ hidden_size: 2, pooling: 'cls', pooler_activation: 'none' }).columns
            .sentence_embedding,
        2,
    );
    assert.equal(
        outputBytes(SIZES, ['lm_logits', 'logits', 'hidden_states', 'attentions'], 10),
        4 * (30 + 1 + 40 + 100),
    );
    assert.equal(outputBytes(SIZES, ['lm_logits', 'last_hidden_state'], 10, 2), 4 * (6 + 20));
    assert.equal(outputBytes(SIZES, ['lm_logits'], 10, 0), 0);
});

test('what is joined is split again', () => {
    const sequences = [2, 1].map(sequenceOf);
    assert.deepEqual([...join(sequences).lengths], [2, 1]);
    const outputs = {
        logits: Float32Array.of(10, 20),
        last_hidden_state: Float32Array.of(1, 2, 3, 4, 5, 6),
        token_logits: Float32Array.of(1, 2, 3, 4, 5, 6),
        lm_logits: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9),
        sentence_embedding: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8),
        hidden_states: Float32Array.of(1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16),
        attentions: Float32Array.of(0.1, 0.9, 0.2, 0.8, 1),
    };
    const [a, b] = split(outputs, sequences, SIZES, ask(...Object.keys(outputs))).map((result) =>
        Object.fromEntries(
            Object.entries(result).map(([name, { dims, data }]) => [
                name,
                { dims, data: [...data] },
            ]),
        ),
    );
    assert.deepEqual(a.logits, { dims: [1], data: [10] });
    assert.deepEqual(b.logits, { dims: [1], data: [20] });
    assert.deepEqual(a.hidden_states, { dims: [2, 2, 2], data: [1, 2, 3, 4, 11, 12, 13, 14] });
    assert.deepEqual(b.hidden_states, { dims: [2, 1, 2], data: [5, 6, 15, 16] });
    assert.deepEqual(b.last_hidden_state, { dims: [1, 2], data: [5, 6] });
    assert.deepEqual(b.token_logits, { dims: [1, 2], data: [5, 6] });
    assert.deepEqual(a.lm_logits, { dims: [2, 3], data: [1, 2, 3, 4, 5, 6] });
    assert.deepEqual(b.sentence_embedding, { dims: [4], data: [5, 6, 7, 8] });
    assert.deepEqual(a.attentions.dims, [1, 1, 2, 2]);
    assert.deepEqual(b.attentions, { dims: [1, 1, 1, 1], data: [1] });
});

test('rows of words are joined and split again, beside sequences that want all', () => {
    const given = [
        { input_ids: [1, 2, 3], lm_rows: [0, 2] },
        { input_ids: [4, 5], attention_mask: [0, 1] },
        { input_ids: [6], lm_rows: [] },
        { input_ids: [7, 8, 9], attention_mask: [0, 1, 1], lm_rows: [2] },
    ];
    const sequences = given.map((sequence) => prepare(sequence, POOLED));
    const { lm_tokens } = join(sequences);
    assert.deepEqual(lm_tokens, Uint32Array.of(0, 2, 3, 4, 8));
    assert.equal(join([sequences[1]]).lm_tokens, undefined);
    const outputs = {
        lm_logits: Float32Array.from(
            [...lm_tokens].flatMap((token) => [token, 10 + token, 20 + token]),
        ),
    };
    const rows = split(outputs, sequences, SIZES, {
        lm_logits: { output: 'lm_logits' },
        chance: { output: 'lm_logits', index: 1 },
    });
    assert.deepEqual(
        rows.map(({ lm_logits }) => lm_logits),
        [
            { dims: [2, 3], data: Float32Array.of(0, 10, 20, 2, 12, 22) },
            { dims: [1, 3], data: Float32Array.of(4, 14, 24) },
            { dims: [0, 3], data: Float32Array.of() },
            { dims: [1, 3], data: Float32Array.of(8, 18, 28) },
        ],
    );
    assert.deepEqual(
        rows.map(({ chance }) => [...chance.data]),
        [[10, 12], [14], [], [18]],
    );
});

test('parts of outputs: columns, layers, activations', () => {
    const sequences = [2, 1].map(sequenceOf);
    const outputs = {
        token_logits: Float32Array.of(1, 2, 3, 4, 5, 6),
        logits: Float32Array.of(10, 20),
        hidden_states: Float32Array.of(1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16),
        attentions: Float32Array.of(0.1, 0.9, 0.2, 0.8, 1),
    };
    const [a, b] = split(outputs, sequences, SIZES, {
        start: { output: 'token_logits', index: 0 },
        end: { output: 'token_logits', index: 1 },
        chance: { output: 'token_logits', index: 1, activation: 'softmax' },
        yes: { output: 'logits', index: 0, activation: 'sigmoid' },
        layer: { output: 'hidden_states', index: 1 },
        maps: { output: 'attentions', index: 0 },
    });
    assert.deepEqual(a.start, { dims: [2], data: Float32Array.of(1, 3) });
    assert.deepEqual(b.end, { dims: [1], data: Float32Array.of(6) });
    const chance = Math.fround(1 / (1 + Math.exp(-1)));
    assert.deepEqual(a.chance, { dims: [2], data: Float32Array.of(chance, chance) });
    assert.deepEqual(b.yes, { dims: [], data: Float32Array.of(1 / (1 + Math.exp(-20))) });
    assert.deepEqual(b.layer, { dims: [1, 2], data: Float32Array.of(15, 16) });
    assert.deepEqual(a.maps, { dims: [1, 2, 2], data: Float32Array.of(0.1, 0.9, 0.2, 0.8) });
    assert.deepEqual(
        outputs.token_logits,
        Float32Array.of(1, 2, 3, 4, 5, 6),
        'the outputs are only read',
    );
    const large = Float32Array.of(1000, 999, -1000);
    activate(large, 3, 'softmax');
    assert.deepEqual(
        [...large].map((x) => x.toFixed(6)),
        ['0.731059', '0.268941', '0.000000'],
    );
});

test('the row of an unattended first token is left out', () => {
    const sizes = sizesOf({
        hidden_size: 2,
        n_layers: 1,
        n_heads: 2,
        n_labels: 1,
        n_token_labels: 1,
    });
    const sequences = [prepare({ input_ids: [0, 1, 1], attention_mask: [0, 1, 1] }, POOLED)];
    const map = [0, 0.3, 0.7, 0, 0.4, 0.6, 0, 0.5, 0.5];
    const outputs = {
        last_hidden_state: Float32Array.of(1, 2, 3, 4, 5, 6),
        token_logits: Float32Array.of(7, 8, 9),
        hidden_states: Float32Array.of(1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16),
        attentions: Float32Array.from([...map, ...map]),
        logits: Float32Array.of(3),
    };
    const [result] = split(outputs, sequences, sizes, {
        ...ask(...Object.keys(outputs)),
        start: { output: 'token_logits', index: 0 },
        layer: { output: 'hidden_states', index: 1 },
        maps: { output: 'attentions', index: 0 },
    });
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

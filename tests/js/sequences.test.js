/** Masks, positions and batches: from what callers have to what the core takes, and back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { accuracy, confusion, macroF1 } from '../../js/metrics.js';
import { cut, join, prepare, split } from '../../js/sequences.js';

const plain = ({ ids, token_types, positions, attended }) =>
    ({ ids: [...ids], token_types: [...token_types], positions: [...positions], attended: [...attended] });

test('without a mask everything is kept', () => {
    assert.deepEqual(plain(prepare({ input_ids: [7, 8n, 9] }, true, 's')),
        { ids: [7, 8, 9], token_types: [0, 0, 0], positions: [0, 1, 2], attended: [1, 1, 1] });
});

test('masked tokens are left out and the others keep their positions', () => {
    const sequence = { input_ids: [5, 6, 7, 8, 0], attention_mask: [1, 0, 1, 1, 0], token_type_ids: [0, 0, 1, 1, 0] };
    assert.deepEqual(plain(prepare(sequence, true, 's')),
        { ids: [5, 7, 8], token_types: [0, 1, 1], positions: [0, 2, 3], attended: [1, 1, 1] });
});

test('a masked first token is computed for a pooler, and attended to by nobody', () => {
    const sequence = { input_ids: [0, 6, 7], attention_mask: new Uint8Array([0, 1, 1]) };
    assert.deepEqual(plain(prepare(sequence, true, 's')), { ids: [0, 6, 7], token_types: [0, 0, 0], positions: [0, 1, 2], attended: [0, 1, 1] });
    assert.deepEqual(plain(prepare(sequence, false, 's')), { ids: [6, 7], token_types: [0, 0], positions: [1, 2], attended: [1, 1] });
});

test('bad sequences say what and where', () => {
    const refused = (sequence, code, message) => assert.throws(() => prepare(sequence, true, 'sequence 3'), { code, message });
    refused(null, 'BAD_INPUT', /^sequence 3: expected an object with input_ids, got null/);
    refused({}, 'BAD_INPUT', /input_ids is undefined/);
    refused({ input_ids: 'abc' }, 'BAD_INPUT', /input_ids is string "abc"/);
    refused({ input_ids: [1, 2.5] }, 'BAD_INPUT', /input_ids\[1\] is number 2.5/);
    refused({ input_ids: [1, -2] }, 'BAD_INPUT', /input_ids\[1\] is number -2/);
    refused({ input_ids: [1, '2'] }, 'BAD_INPUT', /input_ids\[1\] is string "2"/);
    refused({ input_ids: [1, 2], attention_mask: [1] }, 'BAD_INPUT', /attention_mask has 1 values, input_ids 2/);
    refused({ input_ids: [1, 2], attention_mask: [1, 2] }, 'BAD_INPUT', /attention_mask has 2/);
    refused({ input_ids: [] }, 'EMPTY_SEQUENCE', /no token/);
    refused({ input_ids: [1, 2], attention_mask: [0, 0] }, 'EMPTY_SEQUENCE', /no token/);
});

const sequenceOf = (n) => prepare({ input_ids: Array(n).fill(1) }, false, 's');

test('batches hold at most so many tokens and sequences, in order', () => {
    const sequences = [4, 4, 4, 9, 1, 1].map(sequenceOf);
    assert.deepEqual(cut(sequences, 8, 100), [[0, 2], [2, 3], [3, 4], [4, 6]]);
    assert.deepEqual(cut(sequences, 100, 4), [[0, 4], [4, 6]]);
    assert.deepEqual(cut([], 8, 8), []);
});

test('what is joined is split again', () => {
    const config = { hidden_size: 2, n_layers: 1, n_heads: 1, n_labels: 1 };
    const sequences = [2, 1].map(sequenceOf);
    assert.deepEqual([...join(sequences).lengths], [2, 1]);
    const outputs = {
        logits: Float32Array.of(10, 20),
        last_hidden_state: Float32Array.of(1, 2, 3, 4, 5, 6),
        hidden_states: Float32Array.of(1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16),
        attentions: Float32Array.of(0.1, 0.9, 0.2, 0.8, 1),
    };
    const [a, b] = split(outputs, sequences, config).map((result) =>
        Object.fromEntries(Object.entries(result).map(([name, { dims, data }]) => [name, { dims, data: [...data] }])));
    assert.deepEqual(a.logits, { dims: [1], data: [10] });
    assert.deepEqual(b.logits, { dims: [1], data: [20] });
    assert.deepEqual(a.hidden_states, { dims: [2, 2, 2], data: [1, 2, 3, 4, 11, 12, 13, 14] });
    assert.deepEqual(b.hidden_states, { dims: [2, 1, 2], data: [5, 6, 15, 16] });
    assert.deepEqual(b.last_hidden_state, { dims: [1, 2], data: [5, 6] });
    assert.deepEqual(a.attentions.dims, [1, 1, 2, 2]);
    assert.deepEqual(b.attentions, { dims: [1, 1, 1, 1], data: [1] });
});

test('the row of an unattended first token is left out', () => {
    const config = { hidden_size: 2, n_layers: 1, n_heads: 2, n_labels: 1 };
    const sequences = [prepare({ input_ids: [0, 1, 1], attention_mask: [0, 1, 1] }, true, 's')];
    const map = [0, 0.3, 0.7, 0, 0.4, 0.6, 0, 0.5, 0.5];
    const [result] = split({
        last_hidden_state: Float32Array.of(1, 2, 3, 4, 5, 6),
        hidden_states: Float32Array.of(1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16),
        attentions: Float32Array.from([...map, ...map]),
        logits: Float32Array.of(3),
    }, sequences, config);
    assert.deepEqual(result.logits, { dims: [1], data: Float32Array.of(3) });
    assert.deepEqual(result.last_hidden_state, { dims: [2, 2], data: Float32Array.of(3, 4, 5, 6) });
    assert.deepEqual(result.hidden_states, { dims: [2, 2, 2], data: Float32Array.of(3, 4, 5, 6, 13, 14, 15, 16) });
    const inner = [0.4, 0.6, 0.5, 0.5];
    assert.deepEqual(result.attentions, { dims: [1, 2, 2, 2], data: Float32Array.from([...inner, ...inner]) });
});

test('metrics are those of scikit-learn', () => {
    // accuracy_score and f1_score(average='macro') of [0,0,1,1,1,2], [0,1,1,1,0,0]
    const matrix = confusion([0, 0, 1, 1, 1, 2], [0, 1, 1, 1, 0, 0], 3);
    assert.deepEqual(matrix, [[1, 1, 0], [1, 2, 0], [1, 0, 0]]);
    assert.equal(accuracy(matrix), 0.5);
    assert.ok(Math.abs(macroF1(matrix) - 0.35555555555555557) < 1e-15);
});

/** Nothing that is published grows unseen: see tools/sizes.mjs. Needs `make wasm js single`. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { growth, measure, SIZES } from '../../tools/sizes.mjs';

const recorded = JSON.parse(readFileSync(SIZES, 'utf8'));

test('what is published has not grown by more than 5 %', () => {
    assert.deepEqual(growth(recorded, measure()), [], "say why: make sizes NOTE='...'");
    assert.notEqual(recorded.note, '');
});

test('growth is seen: of a tarball, of a file, of a new one', () => {
    const { packed, gzip } = recorded;
    const file = 'build/dist/index.js';
    const of = gzip['bert-wasm'];
    const grownFile = { ...gzip, 'bert-wasm': { ...of, [file]: Math.ceil(of[file] * 1.06) } };
    assert.match(growth(recorded, { packed, gzip: grownFile }).join(), /index\.js has grown from/);
    const grownPack = { ...packed, 'bert-wasm': Math.ceil(packed['bert-wasm'] * 1.06) };
    assert.match(growth(recorded, { packed: grownPack, gzip }).join(), /^bert-wasm, packed has/);
    const more = { ...gzip, 'bert-wasm': { ...of, 'build/dist/new.js': 1 } };
    assert.match(growth(recorded, { packed, gzip: more }).join(), /new\.js is new: 1 bytes/);
    const less = { ...gzip, 'bert-wasm': { ...of, [file]: Math.ceil(of[file] * 1.04) } };
    assert.deepEqual(growth(recorded, { packed, gzip: less }), []);
});

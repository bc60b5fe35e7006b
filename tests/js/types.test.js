/** The types that go with the package, as a strict program in TypeScript reads them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const PROGRAM = `
import { Tokenizer } from 'bert-wasm/tokenizer';
const tokenizer = Tokenizer.fromJSON(new Uint8Array(1));
const one = tokenizer.encode('a', { text_pair: 'b', truncation: { max_length: 512, strategy: 'only_first' } });
const ids: Uint32Array = one.ids, offsets: Uint32Array = one.offsets, sequence: Int8Array = one.sequence;
const tokens: string[] = one.tokens, more: number[] = one.overflow.map((each) => each.length);
const many = tokenizer.encodeBatch(['a', ['a', 'b']], { add_special_tokens: false }).map((each) => each.type_ids.length);
const text: string = tokenizer.decode(one.ids, { skip_special_tokens: false }) + tokenizer.decode([1, 2]);
const id: number | null = tokenizer.tokenToId('[MASK]'), token: string | null = tokenizer.idToToken(5);
// @ts-expect-error
tokenizer.encode(5);
// @ts-expect-error
tokenizer.encode('a', { pair: 'b' });
// @ts-expect-error
tokenizer.encodeBatch('a');
// @ts-expect-error
tokenizer.decode(['a']);
// @ts-expect-error
tokenizer.tokenToId('a').toFixed();
// @ts-expect-error
tokenizer.model;
export { ids, offsets, sequence, tokens, more, many, text, id, token };
`;

test('the types of the tokenizer hold what it has, and no more', (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'bert-wasm-types-'));
    t.after(() => rmSync(folder, { recursive: true }));
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(ROOT, join(folder, 'node_modules/bert-wasm'));
    writeFileSync(join(folder, 'program.mts'), PROGRAM);
    const options = ['--strict', '--skipLibCheck', 'false', '--noEmit', '--target', 'es2022', '--lib', 'es2023,dom', '--module', 'nodenext', '--types', ''];
    const { status, stdout } = spawnSync(join(ROOT, 'node_modules/.bin/tsc'), [...options, 'program.mts'], { cwd: folder, encoding: 'utf8' });
    assert.equal(status, 0, stdout);
});

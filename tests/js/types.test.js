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

const PIPELINES = `
import { pipeline } from 'bert-wasm';
const recognise = await pipeline('ner', 'ner.safetensors');
const tokens: { entity: string, index: number, truncated?: true }[] = await recognise('a', { stride: 8 });
const cut: true | undefined = (await recognise('a')).truncated;
const groups: { entity_group: string, word: string, start: number, end: number }[] = await recognise('a', { aggregation_strategy: 'max' });
const many: { entity_group: string }[][] = await recognise(['a'], { aggregation_strategy: 'simple', ignore_labels: [] });
for await (const [{ entity, score }] of recognise(new Set(['a']))) entity.length + score;
const ask = await pipeline('question-answering', new URL('https://example.org/qa.safetensors'), { threads: 1 });
const one: { answer: string, score: number, start: number, end: number } = await ask('q', 'c', { align_to_words: false });
const same: string = (await ask({ question: 'q', context: 'c' })).answer;
const ranked: { answer: string }[] = await ask('q', 'c', { top_k: 2 });
const each: { answer: string }[] = await ask(['q'], 'c');
const all: { answer: string }[][] = await ask([{ question: 'q', context: 'c' }], { top_k: 3 });
for await (const { answer } of ask(new Set([{ question: 'q', context: 'c' }]))) answer.length;
// @ts-expect-error
recognise('a', { aggregation_strategy: 'least' });
// @ts-expect-error
(await recognise('a', { aggregation_strategy: 'max' }))[0].entity;
// @ts-expect-error
ask('q');
// @ts-expect-error
(await ask('q', 'c')).length;
// @ts-expect-error
pipeline('token-classify', 'ner.safetensors');
ask.dispose();
export { tokens, cut, groups, many, one, same, ranked, each, all };
`;

const EXPLANATIONS = `
import { BertError, ensemble, loadModel, pipeline, type Model } from 'bert-wasm';
import { attentionMaps, attentionRollout, attribute } from 'bert-wasm/explain';
const model = await loadModel(), classify = await pipeline('sentiment-analysis');
const { tokens, maps, truncated } = await attentionMaps(classify, 'a', { layer: [0, 1], head: 2, signal: new AbortController().signal });
const at: [string, number, number, number, boolean] = [tokens[0].token, tokens[0].start, tokens[0].end, tokens[0].sequence, tokens[0].special];
const data: Float32Array = maps.data, cut: true | undefined = truncated;
const { scores, matrix } = await attentionRollout(model, { text: 'a', text_pair: 'b' }, { head_fusion: 'max', discard_ratio: 0.5 });
const of: Float32Array = scores, dims: number[] = matrix.dims;
const { label, score, replacement, tokens: parts } = await attribute(model, 'a', { label: 'POSITIVE', unit: 'word' });
const all: [string, number, string | null, number] = [label, score, replacement, parts[0].score];
const both = ensemble([model, classify], { weights: [1, 2] });
const best: string = (await both('a', { top_k: 2 }))[0].label, many: string = (await both(['a']))[0].label;
for await (const each of both(['a'].values())) console.log(each.score);
const models: Model[] = both.models, names: string[] = (await both.info()).map(({ name }) => name);
const [{ logits }] = await model.forward([{ input_ids: [1] }], { outputs: { logits: { output: 'logits' } } });
both.dispose();
// @ts-expect-error
attentionMaps(5, 'a');
// @ts-expect-error
attentionRollout(model, 'a', { head_fusion: 'sum' });
// @ts-expect-error
attribute(model, ['a']);
// @ts-expect-error
ensemble(classify);
// @ts-expect-error
both('a', { top: 2 });
const failed = (error: unknown): string => (error instanceof BertError ? error.code : '');
export { at, data, cut, of, dims, all, best, many, models, names, logits, failed };
`;

test('the types of the tokenizer hold what it has, and no more', (t) => compiles(t, PROGRAM, ['--skipLibCheck', 'false', '--lib', 'es2023,dom']));

test('the types of pipelines hold what there is, and no more', (t) => compiles(t, PIPELINES, ['--skipLibCheck', '--lib', 'es2023,dom']));

test('the types of explanations and ensembles hold what there is, and no more', (t) => compiles(t, EXPLANATIONS, ['--skipLibCheck', '--lib', 'esnext,dom']));

/** A strict program that has the package. */
function compiles(t, program, own) {
    const folder = mkdtempSync(join(tmpdir(), 'bert-wasm-types-'));
    t.after(() => rmSync(folder, { recursive: true }));
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(ROOT, join(folder, 'node_modules/bert-wasm'));
    writeFileSync(join(folder, 'program.mts'), program);
    const options = ['--strict', ...own, '--noEmit', '--target', 'es2022', '--module', 'nodenext', '--types', ''];
    const { status, stdout } = spawnSync(join(ROOT, 'node_modules/.bin/tsc'), [...options, 'program.mts'], { cwd: folder, encoding: 'utf8' });
    assert.equal(status, 0, stdout);
}

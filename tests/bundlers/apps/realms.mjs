/**
 * Test runners give each file a realm of its own: what Node makes is of another one. The package
 * answers there, takes bytes and arrays of both, and its errors are errors of the file's own.
 */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { runInNewContext } from 'node:vm';

import { BertError, loadModel, pipeline, semanticSearch } from 'bert-wasm';
import { Tokenizer } from 'bert-wasm/tokenizer';

const MODEL = createRequire(`${process.cwd()}/x`).resolve(
    'bert-wasm-sentiment/sentiment-minilm-l6-q8.safetensors',
);

/** Its Blob and its decoders are its own, or not there. */
const is_jsdom = typeof window !== 'undefined';

const elsewhere = (code) => runInNewContext(code);

let classify;
beforeAll(async () => {
    classify = await pipeline('sentiment-analysis');
});
afterAll(() => classify.dispose());

test('a text', async () => {
    const [{ label, score }] = await classify('What a wonderful film.');
    expect(label).toBe('POSITIVE');
    expect(score).toBeCloseTo(0.98, 2);
});

test('texts of another realm', async () => {
    const answers = await classify(elsewhere(`['What a wonderful film.', 'It was dull.']`));
    expect(answers.map(({ label }) => label)).toEqual(['POSITIVE', 'NEGATIVE']);
});

test('errors are of this realm', async () => {
    const error = await pipeline('no-task').catch((error) => error);
    expect(error).toBeInstanceOf(BertError);
    expect(error).toBeInstanceOf(Error);
    const refused = await classify(['a', 7]).catch((error) => error);
    expect(refused).toBeInstanceOf(BertError);
    expect(refused.code).toBe('BAD_INPUT');
});

test('an abort', async () => {
    const controller = new AbortController();
    const answer = classify('What a wonderful film.', { signal: controller.signal });
    controller.abort();
    await expect(answer).rejects.toMatchObject({ name: 'AbortError' });
});

const BYTES = {
    'a Buffer': () => readFileSync(MODEL),
    'bytes of this realm': () => new Uint8Array(readFileSync(MODEL)),
    'a buffer of this realm': () => new Uint8Array(readFileSync(MODEL)).buffer,
    ...(is_jsdom ? {} : { 'a Blob': () => new Blob([readFileSync(MODEL)]) }),
};
for (const [name, bytes] of Object.entries(BYTES)) {
    test(`a model of ${name}`, async () => {
        const model = await loadModel(bytes());
        expect((await model.info()).verified).toBe(true);
        const input = elsewhere('({ input_ids: [101, 2023, 102], attention_mask: [1, 1, 1] })');
        const { logits } = await model.forward(input);
        expect([...logits.data].length).toBe(2);
        model.dispose();
    });
}

(is_jsdom ? test : test.skip)("a Blob of jsdom's is refused by name", async () => {
    const error = await loadModel(new Blob([])).catch((error) => error);
    expect(error.code).toBe('BAD_INPUT');
});

test('bytes of another realm', async () => {
    const bytes = elsewhere('new Uint8Array(9)');
    const error = await loadModel(bytes).catch((error) => error);
    expect(error.code).toBe('BAD_MODEL_FILE');
});

(is_jsdom ? test.skip : test)('a tokenizer of bytes of another realm', () => {
    const text = JSON.stringify({ model: { type: 'WordLevel', vocab: { a: 0 }, unk_token: 'a' } });
    const codes = [...new TextEncoder().encode(text)];
    const bytes = runInNewContext('new Uint8Array(codes)', { codes });
    expect([...Tokenizer.fromJSON(bytes).encode('a').ids]).toEqual([0]);
});

const EMBEDDING = `({ dims: [1, 2], data: new Float32Array([1, 0]) })`;
for (const [name, make] of Object.entries({
    'this realm': () => ({ dims: [1, 2], data: new Float32Array([1, 0]) }),
    'another realm': () => elsewhere(EMBEDDING),
})) {
    test(`embeddings of ${name}`, async () => {
        const [[hit]] = await semanticSearch(make(), make());
        expect(hit).toEqual({ corpus_id: 0, score: 1 });
    });
}

/**
 * What every app does with the library, and what it says of that.
 * @param {any} library  what it imported
 * @param {string | URL} [model]  default that of bert-wasm-sentiment
 */
export async function report({ pipeline, similarity, Tokenizer }, model) {
    const classify = await pipeline('sentiment-analysis', model);
    const answers = await classify('What a wonderful film.');
    const { threads, threads_reason } = await classify.model.info();
    const row = { dims: [1, 2], data: new Float32Array([3, 4]) };
    const [alike] = (await similarity(row, row)).data;
    const words = { type: 'WordLevel', vocab: { film: 1, '?': 0 }, unk_token: '?' };
    const { ids } = Tokenizer.fromJSON(JSON.stringify({ model: words })).encode('film');
    return { answers, threads, threads_reason, alike, ids: [...ids] };
}

/** In a page of its own. @param {Parameters<typeof report>} given */
export async function show(...given) {
    document.body.append(JSON.stringify(await report(...given)));
}

/**
 * What is tried in every engine: each check is a function of the library that gives facts, which
 * JSON can say. What they must be is judged outside (suite.js). The same functions run in Node
 * (in_node.js), whose answers are what those of pages are compared with.
 *
 * @typedef {typeof import('../../../js/index.js')} Library
 * @typedef {import('../../../js/index.js').LoadOptions} LoadOptions
 */

const TEXTS = [
    'What a wonderful film, I laughed all the way through.',
    'The plot is thin and the jokes fall flat.',
    'It was fine.',
    'I could not stop watching, and that says a lot.',
    'Battery died after two days and support never answered!',
    'Pâté, naïveté & 10 € of "fun": 🎬 10/10',
    'no',
    'An utterly forgettable two hours, but the music is the best that I have heard in years.',
    'Not bad at all. '.repeat(8),
];

/** A hundred texts of all lengths. */
const MANY = Array.from({ length: 100 }, (_, i) =>
    Array.from({ length: 1 + (i % 3) }, (_, k) => TEXTS[(i * 5 + k * 7) % TEXTS.length]).join(' '),
);

const WORDS =
    'a the this that film plot song meal phone answer battery hotel story was is felt ' +
    'seemed never not really quite so very too good great dull slow bright warm rude ' +
    'broken charming awful and but or because although again twice at once nobody ' +
    'everyone laughed slept waited cried 7 10/10 , . !';

/** Fifteen hundred of one to twenty words. */
const ALL = Array.from({ length: 1500 }, (_, i) => {
    const words = WORDS.split(' ');
    const n = 1 + ((i * i) % 20) * ((i % 5) + 1) * 0.2;
    return Array.from({ length: n }, (_, k) => words[(i * 7 + k * k * 11 + k) % words.length]).join(
        ' ',
    );
});

/** Logits: engines do not round alike in Math.exp(), which makes scores of them. */
const LOGITS = /** @type {const} */ ({ top_k: null, function_to_apply: 'none' });

/**
 * @typedef {LoadOptions & {model?: import('../../../js/index.js').ModelSource | null}} Options
 *   of checks; model: where it comes from, default the one that is found
 */

/** @param {Library} library @param {Options} [options] */
const open = ({ pipeline }, { model = null, ...options } = {}) =>
    pipeline('sentiment-analysis', model, options);

/** How something fails. @param {Promise<unknown>} promise */
async function failure(promise) {
    try {
        await promise;
    } catch (error) {
        return error.name === 'BertError' ? error.code : error.name;
    }
    return 'it did not fail';
}

/** What there is, and what is chosen. @param {Library} library @param {Options} [options] */
export async function load({ loadModel }, { model: source = null, ...options } = {}) {
    /** @type {number[]} */
    const parts = [];
    const model = await loadModel(source, {
        ...options,
        onprogress: ({ loaded, total }) => parts.push(loaded / total),
    });
    const info = await model.info();
    model.dispose();
    return {
        info,
        n_cores: globalThis.navigator?.hardwareConcurrency,
        canShare: globalThis.crossOriginIsolated && typeof SharedArrayBuffer === 'function',
        isOrdered: parts.every((part, i) => i === 0 || part >= parts[i - 1]),
        end: parts.at(-1),
    };
}

/** One text after the other. @param {Library} library @param {Options} [options] */
export async function answer(library, options) {
    const classify = await open(library, options);
    const logits = [];
    for (const text of TEXTS) logits.push(await classify(text, LOGITS));
    const scores = await classify(TEXTS);
    classify.dispose();
    return { logits, scores };
}

/** The same, fetched whatever is stored. @param {Library} library @param {LoadOptions} options */
export function fetched(library, options) {
    return answer(library, { ...options, cache: false });
}

/** A model is stored, and loaded from there alone. @param {Library} library */
export async function stored(library) {
    await library.cache.delete();
    const reports = [];
    const logits = [];
    for (const offline of [false, true]) {
        const classify = await open(library, { offline });
        logits.push(await classify(TEXTS[0], LOGITS));
        reports.push((await classify.model.info()).cache);
        classify.dispose();
    }
    const [{ n_bytes, stored_bytes, complete }, ...others] = await library.cache.list();
    const { used, quota } = await library.cache.size();
    await library.cache.delete();
    const left = await library.cache.list();
    return {
        logits,
        reports,
        listed: { n_bytes, stored_bytes, complete },
        n_others: others.length,
        used,
        quota,
        n_left: left.length,
    };
}

/** Two want the same model at the same time. @param {Library} library */
export async function together(library) {
    await library.cache.delete();
    const both = await Promise.all([open(library), open(library)]);
    const reports = [];
    const logits = [];
    for (const classify of both) {
        logits.push(await classify(TEXTS[0], LOGITS));
        reports.push((await classify.model.info()).cache);
        classify.dispose();
    }
    return { logits, reports };
}

/**
 * A hundred texts in one call, and what fifteen hundred come to.
 * @param {Library} library
 * @param {Options} [options]
 */
export async function batch(library, options) {
    const classify = await open(library, options);
    const logits = await classify(MANY, LOGITS);
    const of_all = await classify(ALL, LOGITS);
    classify.dispose();
    const scores = of_all.flatMap((labels) =>
        [...labels].sort((a, b) => (a.label < b.label ? -1 : 1)).map(({ score }) => score),
    );
    return { logits, checksum: checksum(new Float32Array(scores)) };
}

/** FNV-1a of 32 bits. @param {Float32Array} numbers */
function checksum(numbers) {
    let hash = 0x811c9dc5;
    for (const byte of new Uint8Array(numbers.buffer)) {
        hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
    }
    return hash.toString(16).padStart(8, '0');
}

/** The same texts, answered as they come. @param {Library} library @param {Options} [options] */
export async function stream(library, options) {
    const classify = await open(library, options);
    async function* texts() {
        for (const [i, text] of MANY.entries()) {
            if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve));
            yield text;
        }
    }
    const logits = [];
    for await (const each of classify(texts(), LOGITS)) logits.push(each);
    classify.dispose();
    return { logits };
}

/**
 * Texts that are asked for while the model arrives.
 * @param {Library} library
 * @param {LoadOptions} options
 */
export async function arriving(library, options) {
    const classify = await open(library, { ...options, streaming: true, cache: false });
    const calls = TEXTS.map((text) => classify(text, LOGITS));
    const { arrival } = await classify.model.info();
    const logits = await Promise.all(calls);
    classify.dispose();
    return { logits, arrival };
}

/**
 * A model in f32, on the inputs that it came with.
 * @param {Library} library
 * @param {LoadOptions & {base: string}} options  base: of the server's addresses
 */
export async function f32({ loadModel }, { base, ...options }) {
    const golden = await fetch(new URL('/golden/bert-seqcls/golden.json', base));
    const { cases } = await golden.json();
    const model = await loadModel(new URL('/models/bert-seqcls-f32.safetensors', base), options);
    const logits = [];
    for (const { input_ids, attention_mask, token_type_ids } of cases) {
        /** @type {import('../../../js/model/inputs.js').Batch} */
        const inputs = { input_ids, attention_mask, token_type_ids };
        const results = await model.forward(inputs);
        logits.push(results.map((result) => [...result.logits.data]));
    }
    model.dispose();
    return { logits, expected: cases.map(({ outputs }) => outputs.logits.data) };
}

/**
 * A load and a call are ended, and the next call answers.
 * @param {Library} library
 * @param {Options} [options]
 */
export async function abort(library, options) {
    const loading = new AbortController();
    const onprogress = () => loading.abort();
    const load = await failure(open(library, { ...options, signal: loading.signal, onprogress }));

    const classify = await open(library, options);
    const calling = new AbortController();
    const call = failure(classify([...MANY, ...MANY], { signal: calling.signal }));
    await new Promise((resolve) => setTimeout(resolve, 20));
    const start = performance.now();
    calling.abort();
    const aborted = await call;
    const abort_ms = performance.now() - start;
    const logits = [await classify(TEXTS[0], LOGITS)];
    classify.dispose();
    return { load, call: aborted, abort_ms, logits };
}

/**
 * What runs when a model is disposed of, and what comes later.
 * @param {Library} library
 * @param {Options} [options]
 */
export async function dispose(library, options) {
    const classify = await open(library, options);
    const running = failure(classify(MANY));
    await new Promise((resolve) => setTimeout(resolve, 20));
    classify.dispose();
    const later = await failure(classify(TEXTS));
    classify.dispose();
    return { running: await running, later };
}

/** Models come and go. @param {Library} library */
export async function cycles(library) {
    const logits = [];
    for (let i = 0; i < 20; i++) {
        const classify = await open(library);
        logits.push(await classify(TEXTS[0], LOGITS));
        classify.dispose();
    }
    return { logits };
}

/**
 * The same, with a stop after each for whoever measures memory: he answers when he has.
 * @param {Library} library
 * @param {Options & {n_cycles: number, measure: string | (() => Promise<unknown>)}} options
 *   measure: an address, or a function
 */
export async function memory(library, { n_cycles, measure, ...options }) {
    for (let i = 0; i < n_cycles; i++) {
        const classify = await open(library, options);
        await classify(TEXTS[0]);
        classify.dispose();
        globalThis.gc?.();
        await (typeof measure === 'string' ? fetch(measure) : measure());
    }
}

/**
 * What an engine's own HTTP makes of a host of models: a part from behind a redirect, a request
 * that the host does not allow, a connection that breaks off.
 * @param {Library} _
 * @param {{base: string}} options
 */
export async function network(_, { base }) {
    const url = new URL('/models/bert-seqcls-f32.safetensors', base);
    const headers = { Range: 'bytes=8-15' };
    const part = await fetch(url, { headers });
    const etag = part.headers.get('etag');
    const again = failure(fetch(part.url, { headers: { ...headers, 'If-Range': etag ?? '' } }));
    return {
        status: part.status,
        etag,
        range: part.headers.get('content-range'),
        n_bytes: (await part.arrayBuffer()).byteLength,
        isOther: new URL(part.url).origin !== url.origin,
        ifRange: await again,
        cut: await failure(fetch(url).then((response) => response.arrayBuffer())),
    };
}

/** Never gives anything, as a page that hangs. */
export function hang() {
    for (;;);
}

/** What a page has kept, where a page can; and keeps it. */
export async function keep() {
    const cache = await caches.open('kept');
    const files = await navigator.storage?.getDirectory?.();
    const names = [];
    for await (const name of files?.keys() ?? []) names.push(name);
    const kept = {
        localStorage: localStorage.getItem('kept') !== null,
        cache: (await cache.match('/kept')) !== undefined,
        files: files ? names.includes('kept') : null,
    };
    localStorage.setItem('kept', 'yes');
    await cache.put('/kept', new Response('yes'));
    await files?.getFileHandle('kept', { create: true });
    return kept;
}

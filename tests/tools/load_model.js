/**
 * Loads a model in a process of its own and tells about it, a line of JSON for each thing: progress
 * in bytes, then what it answers and where it came from.
 *
 *     node load_model.js URL '{"offline": true}'
 */

import { cache, pipeline } from 'bert-wasm';

const [url, options = '{}'] = process.argv.slice(2);
const { budget, ...rest } = JSON.parse(options);
const say = (/** @type {unknown} */ fact) => process.stdout.write(`${JSON.stringify(fact)}\n`);

if (budget !== undefined) cache.budget = budget;
try {
    const classify = await pipeline('sentiment-analysis', url, {
        ...rest,
        threads: 1,
        onprogress: ({ loaded }) => say({ loaded }),
    });
    const [{ label, score }] = await classify('What a wonderful film.');
    if (rest.dispose_at_once) classify.dispose();
    say({ label, score, cache: rest.dispose_at_once ? null : (await classify.model.info()).cache });
} catch (error) {
    say({ code: error.code, message: error.message });
}

/** `bert-wasm classify`: the best label of each text. */
import { pipeline } from '../pipelines/index.js';
import { MODEL_OPTIONS, UsageError, batches, lines, parse, print } from './options.js';

export const usage = 'classify [--model M] [--input FILE|-] [TEXT ...]';

/** @param {string[]} args */
export async function run(args) {
    const { values, positionals } = parse(args, { ...MODEL_OPTIONS, input: { type: 'string' } }, { positionals: true });
    if (values.input === undefined && positionals.length === 0) throw new UsageError('there is no TEXT and no --input');
    const classify = await pipeline('text-classification', values.model, { variant: values.variant });
    for await (const texts of batches(inputs(positionals, values.input), 32)) {
        const results = await classify(texts);
        for (const [i, { label, score, ...rest }] of results.entries()) {
            await print({ text: texts[i], label, score, ...rest });
        }
    }
    classify.dispose();
}

/**
 * @param {string[]} texts
 * @param {string | undefined} file
 */
async function* inputs(texts, file) {
    yield* texts;
    if (file !== undefined) yield* lines(file);
}

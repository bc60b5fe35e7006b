/**
 * `bert-wasm pretrain`: a new BERT, or a model that goes on, learns from plain texts. Ctrl-C ends
 * it early and keeps what there is; once more ends it at once.
 */

import { basename } from 'node:path';

import { BertError } from '../errors.js';
import { pretrain } from '../train/pretraining/index.js';
import { bytesOf, readLines } from './lines.js';
import { parse } from './options.js';
import { print } from './print.js';
import {
    COMMON_OPTIONS,
    checkPlace,
    eraseLine,
    given,
    isShare,
    openLog,
    readCard,
    showLine,
    writeWhole,
} from './training.js';

/** @import { PretrainProgress } from '../train/pretraining/run.js' */

/** @type {import('./options.js').Options} */
const OPTIONS = {
    input: {
        short: 'i',
        value: 'FILE',
        multiple: true,
        help: 'texts to learn from, or several such; - for standard input',
    },
    out: COMMON_OPTIONS.out,
    model: {
        short: 'm',
        value: 'BASE',
        help:
            'a model that goes on: ORG/NAME on the Hub, a folder, weights, or a model file; ' +
            'default a new one',
    },
    vocab: {
        value: 'FILE',
        help: 'tokenizer.json or vocab.txt of a new one; default made of the texts',
    },
    'vocab-size': { kind: 'whole', value: 'N', help: 'pieces, if it is made; default 8192' },
    'min-frequency': {
        kind: 'whole',
        value: 'N',
        help: 'how often two pieces are there that become one; default 2',
    },
    'limit-alphabet': { kind: 'whole', value: 'N', help: 'characters; default 1000' },
    cased: { type: 'boolean', help: 'capitals and accents stay' },
    layers: { kind: 'whole', value: 'N', help: 'of a new model; default 2' },
    hidden: { kind: 'whole', value: 'N', help: "columns of a token's state; default 128" },
    heads: { kind: 'whole', value: 'N', help: 'of attention; default one for 64 columns' },
    intermediate: { kind: 'whole', value: 'N', help: 'columns; default four times --hidden' },
    'max-length': {
        kind: 'whole',
        value: 'N',
        help: 'tokens of a sequence, and positions of a new model; default 128',
    },
    'next-sentence': {
        type: 'boolean',
        help: 'it learns, too, whether a text is followed by another',
    },
    'mlm-probability': {
        kind: 'number',
        value: 'X',
        help: 'share of the words that are masked; default 0.15',
    },
    validation: {
        value: 'FILE',
        help: 'texts that tell after each epoch how good it is, or a share of --input, as 0.1',
    },
    dtype: COMMON_OPTIONS.dtype,
    name: COMMON_OPTIONS.name,
    card: COMMON_OPTIONS.card,
    epochs: {
        kind: 'whole',
        value: 'N',
        help: 'how often each text is learned from; default 10, of a base 3',
    },
    'batch-size': { kind: 'whole', value: 'N', help: 'sequences of a step; default 32' },
    'learning-rate': { kind: 'number', value: 'X', help: 'default 1e-3, of a base 5e-5' },
    warmup: COMMON_OPTIONS.warmup,
    'weight-decay': COMMON_OPTIONS['weight-decay'],
    recomputes: COMMON_OPTIONS.recomputes,
    seed: COMMON_OPTIONS.seed,
    log: { value: 'FILE', help: 'gets a line of JSON for each step' },
    threads: COMMON_OPTIONS.threads,
};

/** @type {import('./options.js').Command} */
export const command = {
    usage: '--input FILE -o FILE.safetensors [OPTION ...]',
    summary: 'Makes a BERT that has learned from plain texts to fill in masked words.',
    options: OPTIONS,
    example: 'bert-wasm pretrain -i corpus.txt --layers 2 --hidden 128 -o my.safetensors',
    notes: `A line of a text is a sentence or a paragraph, an empty line stands between two
documents. Ctrl-C ends it after its step: the model is written as it is.`,
    run,
};

/** @param {string[]} args */
async function run(args) {
    const { values } = parse(args, OPTIONS, { required: ['input', 'out'] });
    const { model: base, vocab, out, dtype, name = basename(out, '.safetensors') } = values;
    checkPlace(out);
    const cardOf = readCard(values.card);
    const write = openLog(values.log);
    const stopping = new AbortController();
    const stop = () => stopping.abort(new BertError('BAD_INPUT', 'stopped: nothing was written'));
    process.once('SIGINT', stop);
    const begun = performance.now();
    try {
        const trained = await pretrain(await textsOf(values.input), {
            base,
            tokenizer: vocab && (await bytesOf(vocab)),
            vocabulary: givenIfAny({
                size: values.vocab_size,
                min_frequency: values.min_frequency,
                limit_alphabet: values.limit_alphabet,
                lowercase: values.cased ? false : undefined,
            }),
            model: givenIfAny({
                layers: values.layers,
                hidden: values.hidden,
                heads: values.heads,
                intermediate: values.intermediate,
            }),
            next_sentence: values.next_sentence,
            mlm_probability: values.mlm_probability,
            max_length: values.max_length,
            validation: isShare(values.validation)
                ? Number(values.validation)
                : values.validation && (await textsOf([values.validation])),
            epochs: values.epochs,
            batch_size: values.batch_size,
            learning_rate: values.learning_rate,
            warmup: values.warmup,
            weight_decay: values.weight_decay,
            recomputes: values.recomputes,
            seed: values.seed === undefined ? undefined : Number(values.seed),
            threads: values.threads,
            stop: stopping.signal,
            onprogress(progress) {
                write(progress);
                say(progress);
            },
        });
        writeWhole(out, await trained.save({ dtype, name, card: cardOf(trained) }));
        if (stopping.signal.aborted) {
            process.stderr.write('bert-wasm: stopped: what there was is written\n');
        }
        const { n_documents, n_sequences, n_tokens, n_steps, history, metrics } = trained;
        await print({
            model: out,
            documents: n_documents,
            sequences: n_sequences,
            tokens: n_tokens,
            steps: n_steps,
            epochs: history.length,
            loss: history.at(-1)?.loss ?? null,
            ...(metrics && { validation: metrics }),
            seconds: (performance.now() - begun) / 1000,
        });
    } finally {
        process.removeListener('SIGINT', stop);
        eraseLine();
    }
}

/**
 * What was given of some options; undefined: nothing.
 * @param {Record<string, unknown>} options
 */
function givenIfAny(options) {
    const some = given(options);
    return Object.keys(some).length > 0 ? some : undefined;
}

/**
 * The lines of files, which are read as often as they are asked for; standard input once.
 * @param {string[]} files
 * @returns {Promise<Iterable<string> | AsyncIterable<string>>}
 */
async function textsOf(files) {
    const texts = { [Symbol.asyncIterator]: () => linesOf(files) };
    if (!files.includes('-')) return texts;
    const lines = [];
    for await (const line of texts) lines.push(line);
    return lines;
}

/**
 * One file is no part of another one's last document.
 * @param {string[]} files
 */
async function* linesOf(files) {
    for (const file of files) {
        for await (const lines of readLines(file)) {
            for (const { text, error } of lines) {
                if (error) throw error;
                yield text;
            }
        }
        yield '';
    }
}

/** @param {PretrainProgress} progress */
function say({ epoch, step, n_steps, loss, perplexity, rate, seconds_left }) {
    showLine([
        `epoch ${epoch}, step ${step} of ${n_steps}`,
        `loss ${loss.toFixed(3)}`,
        ...(perplexity === null ? [] : [`perplexity ${perplexity.toFixed(1)}`]),
        `${Math.round(rate)} tokens/s`,
        `${Math.ceil(seconds_left)} s left`,
    ]);
}

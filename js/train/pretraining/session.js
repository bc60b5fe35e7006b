/**
 * A pre-training in the worker, in the order of its methods:
 *
 *     count       {lines}: of their words a vocabulary will be made
 *     vocabulary  makes it, and a tokenizer
 *     tokenizer   {file}: or there is one, as that of a base is
 *     read        {lines, set}: become ids of 'corpus' or 'validation'
 *     train       a TrainRequest: the model learns, and gives what came of it as a folder of files
 */

import { BertError, noTokenizer } from '../../errors.js';
import { Tokenizer } from '../../tokenizer/index.js';
import { chooseBuild } from '../../worker/builds.js';
import { HelpingThreads } from '../../worker/threads.js';
import { traitsOf } from '../../worker/tokenizer_calls.js';
import { familyOf } from '../families.js';
import { toFolder } from '../folder.js';
import { maskedWords } from '../objectives/masked_words.js';
import { Random } from '../random.js';
import { Trainer } from '../trainer.js';
import { SPECIAL, toTokenizerFile } from '../vocabulary/tokenizer_file.js';
import { trainWordPieces } from '../vocabulary/word_pieces.js';
import { WordCounts } from '../vocabulary/words.js';
import { Documents } from './documents.js';
import { Examples } from './examples.js';
import { frameOf } from './frame.js';
import { continuedModel, newModel } from './model.js';
import { run } from './run.js';

/** Of random numbers. */
const PURPOSE = 6;

/** Of a new model. */
const ARCHITECTURE = 'bert';

/** Tokens of a sequence, unless something else is said. */
const DEFAULT_LENGTH = 128;

/** @typedef {import('./documents.js').Stretch} Stretch */

/**
 * @typedef {object} Settings
 * @property {Required<import('./model.js').ModelSizes>} model  of a new one
 * @property {number | undefined} max_length
 * @property {boolean} next_sentence
 * @property {number} mlm_probability
 * @property {number} seed
 * @property {Required<import('./options.js').VocabularyOptions>} vocabulary
 *
 * @typedef {import('./run.js').Request & {validation: number | null, recomputes: boolean,
 *   memory: number}} TrainRequest  `validation`: the share that is set aside
 *
 * @typedef {Parameters<typeof run>[4]} Caller
 *
 * @typedef {object} Tokens
 * @property {Uint8Array} file  tokenizer.json
 * @property {Tokenizer} tokenizer
 * @property {import('./frame.js').Frame} frame  of a sequence
 */

export class PretrainingSession {
    #build;
    #base;
    #settings;

    /** @type {WordCounts} */
    #words;

    /** @type {Tokens | undefined} */
    #tokens;

    /** By set. @type {Record<string, Documents>} */
    #sets = {};

    #max_length;

    /**
     * @param {import('../../worker/builds.js').BuildRequest} build
     * @param {import('../base.js').Base | null} base  null: a new model is made
     * @param {Settings} settings
     */
    constructor(build, base, settings) {
        this.#build = build;
        this.#base = base;
        this.#settings = settings;
        this.#words = new WordCounts(settings.vocabulary.lowercase);
        const most = base ? base.config.max_length : Infinity;
        const { max_length = Math.min(most, DEFAULT_LENGTH) } = settings;
        if (max_length > most) {
            throw new BertError(
                'BAD_OPTION',
                `max_length must be at most the ${most} tokens that the base reads, not ` +
                    `${max_length}`,
            );
        }
        this.#max_length = max_length;
        if (!base) return;
        if (!base.tokenizer_json) throw noTokenizer(base.name);
        this.#takeTokenizer({ file: base.tokenizer_json });
    }

    /**
     * @param {string} method
     * @param {any} request
     * @param {Caller} caller
     */
    async answer(method, request, caller) {
        switch (method) {
            case 'count':
                return this.#count(request);
            case 'vocabulary':
                return this.#makeVocabulary(caller);
            case 'tokenizer':
                return this.#takeTokenizer(request);
            case 'read':
                return this.#read(request);
            case 'train':
                return this.#train(request, caller);
            default:
                throw new Error(`there is no method ${method}`);
        }
    }

    /** @param {{lines: string[]}} request */
    #count({ lines }) {
        for (const line of lines) this.#words.add(line);
    }

    /** @param {Caller} caller */
    async #makeVocabulary({ turn }) {
        const { lowercase, ...limits } = this.#settings.vocabulary;
        const pieces = await trainWordPieces(this.#words.counts, SPECIAL, limits, turn);
        this.#words.counts.clear();
        this.#takeTokenizer({ file: toTokenizerFile(pieces, lowercase) });
    }

    /** @param {{file: Uint8Array}} request */
    #takeTokenizer({ file }) {
        const tokenizer = Tokenizer.fromJSON(file);
        const frame = frameOf(tokenizer, this.#settings.next_sentence ? 2 : 1);
        const least = frame.n_special + 2;
        if (this.#max_length < least) {
            throw new BertError(
                'BAD_OPTION',
                `max_length must be at least ${least} tokens, of which ${frame.n_special} are ` +
                    `special ones, not ${this.#max_length}`,
            );
        }
        this.#tokens = { file, tokenizer, frame };
    }

    /** @param {{lines: string[], set: string}} request */
    #read({ lines, set }) {
        const { tokenizer } = /** @type {Tokens} */ (this.#tokens);
        this.#sets[set] ??= new Documents(this.#most());
        const documents = this.#sets[set];
        for (const line of lines) {
            if (line.trim() === '') documents.endDocument();
            else documents.add(tokenizer.encode(line, { add_special_tokens: false }).ids);
        }
    }

    /** Tokens of a sequence without special ones. */
    #room() {
        const { frame } = /** @type {Tokens} */ (this.#tokens);
        return this.#max_length - frame.n_special;
    }

    /** Tokens of a sentence: of a pair half of them, so that there is room for the other. */
    #most() {
        return this.#settings.next_sentence ? Math.floor(this.#room() / 2) : this.#room();
    }

    /**
     * @param {TrainRequest} request
     * @param {Caller} caller
     */
    async #train(request, caller) {
        const { next_sentence, mlm_probability } = this.#settings;
        const { file, tokenizer, frame } = /** @type {Tokens} */ (this.#tokens);
        const { stretches, validation } = this.#divide(request.validation);
        const set = (/** @type {Documents} */ documents, /** @type {Stretch[]} */ of) =>
            new Examples({
                documents,
                stretches: of,
                frame,
                words: { ...wordsOf(file, tokenizer), share: mlm_probability },
                room: this.#room(),
                seed: this.#settings.seed,
            });
        const examples = set(this.#sets.corpus, stretches);
        const held_out = validation && set(this.#sets.validation ?? this.#sets.corpus, validation);
        const { encoder, tensors, architecture, max_length } = this.#model();
        const family = familyOf(architecture);
        const { module, threads } = await chooseBuild(this.#build);
        const objective = maskedWords(mlm_probability, next_sentence);
        const max_sequences = Math.min(
            request.batch_size,
            Math.max(stretches.length, validation?.length ?? 0),
        );
        const trainer = await Trainer.open(module, encoder, tensors, {
            max_tokens: max_sequences * this.#max_length,
            max_sequences,
            max_sequence_tokens: this.#max_length,
            objective,
            threads,
            recomputes: request.recomputes,
            memory: request.memory,
        });
        for (const each of [this.#base?.tensors, tensors]) each?.clear(); // the trainer has them
        const helpers = new HelpingThreads(threads - 1);
        helpers.join(trainer);
        await helpers.wait(trainer);
        const sets = { examples, validation: held_out };
        const outcome = await run(request, sets, trainer, objective, caller);
        const facts = { threads: trainer.n_threads, memory_bytes: trainer.memory_bytes };
        const trained = trainer.merged();
        helpers.end();
        const files = toFolder({
            family,
            architecture,
            encoder,
            labels: [],
            head: next_sentence ? 'ForPreTraining' : 'ForMaskedLM',
            max_length,
            tensors: trained,
            tokenizer_json: file,
        });
        const { n_tokens, n_documents } = this.#sets.corpus;
        const corpus = { n_tokens, n_documents, n_sequences: examples.length };
        return { ...outcome, ...facts, ...corpus, files };
    }

    /**
     * What is learned from, and what is not.
     * @param {number | null} share  of the corpus that is set aside, if there is no other
     * @returns {{stretches: Stretch[], validation: Stretch[] | null}}
     */
    #divide(share) {
        const all = (/** @type {string} */ name, what = 'corpus') => {
            const found = this.#sets[name]?.stretches(this.#room()) ?? [];
            if (found.length > 0) return found;
            throw new BertError('BAD_INPUT', `the ${what} has no words`);
        };
        let stretches = all('corpus');
        /** @type {Stretch[] | null} */
        let validation = null;
        if (share !== null) {
            const random = new Random(this.#settings.seed, PURPOSE);
            const shuffled = random.shuffled(stretches);
            const n = Math.round(share * stretches.length);
            if (n === 0 || n === stretches.length) {
                throw new BertError(
                    'BAD_OPTION',
                    `validation must be a share that leaves sequences on both sides, not ` +
                        `${share} of ${stretches.length}`,
                );
            }
            [validation, stretches] = [shuffled.slice(0, n), shuffled.slice(n)];
        } else if (this.#sets.validation) {
            validation = all('validation', 'validation');
        }
        if (this.#settings.next_sentence) {
            for (const of of [stretches, validation ?? stretches]) {
                if (new Set(of.map(({ document }) => document)).size > 1) continue;
                throw new BertError(
                    'BAD_INPUT',
                    'next_sentence must have two documents or more to draw from, and as many in ' +
                        'the validation: between them is an empty line',
                );
            }
        }
        return { stretches, validation };
    }

    #model() {
        const { model, next_sentence, seed } = this.#settings;
        const { tokenizer } = /** @type {Tokens} */ (this.#tokens);
        if (this.#base) {
            const { config } = this.#base;
            const family = familyOf(config.architecture);
            return {
                ...continuedModel(this.#base, family, next_sentence, seed),
                architecture: config.architecture,
                max_length: config.max_length,
            };
        }
        return {
            ...newModel(
                model,
                this.#max_length,
                tokenizer.vocab_size,
                tokenizer.tokenToId('[PAD]'),
                next_sentence,
                seed,
            ),
            architecture: ARCHITECTURE,
            max_length: this.#max_length,
        };
    }
}

/**
 * What a chosen word may become. Special tokens do not take its place: one that pads would change
 * the positions of others.
 * @param {Uint8Array} file  tokenizer.json
 * @param {Tokenizer} tokenizer
 */
function wordsOf(file, tokenizer) {
    const { mask } = traitsOf(tokenizer);
    if (!mask) {
        throw new BertError(
            'BAD_TOKENIZER',
            'the tokenizer must have a token that masks words, [MASK] or <mask>',
        );
    }
    const { added_tokens } = JSON.parse(new TextDecoder().decode(file));
    const special = new Set(/** @type {{id: number}[]} */ (added_tokens ?? []).map(({ id }) => id));
    const all = Uint32Array.from({ length: tokenizer.vocab_size }, (_, id) => id);
    return { mask: mask.id, others: all.filter((id) => !special.has(id)) };
}

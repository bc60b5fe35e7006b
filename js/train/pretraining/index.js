/** Pre-training: a BERT learns from plain texts to find the words that are masked. */

import { BertError } from '../../errors.js';
import { cardOf } from '../card.js';
import { callTrain, engines, openBase, openTrainer, requireTrainer } from '../opening.js';
import { readTokenizerFile } from '../vocabulary/tokenizer_file.js';
import { isSpent, lineGroups } from './corpus.js';
import { readPretrainOptions } from './options.js';
import { Pretrained } from './result.js';

export { Pretrained };

/** @import { Connection } from '../../model/connection.js' */
/** @import { Corpus } from './corpus.js' */
/** @import { PretrainOptions } from './options.js' */

/** Of a new model. */
const NAME = 'bert';

/**
 * Pre-trains a BERT on texts: a new one, or a base that goes on. Of the words of a sequence 15 %
 * are chosen, anew in each epoch; 80 % of those are masked, 10 % become another word, 10 % stay;
 * the model learns what they were (Devlin et al. 2018, BERT, section 3.1).
 *
 * A sequence has as many lines of a document as fit, none of another one. A line that is longer is
 * cut. What is held of the corpus is four bytes a token.
 *
 * @param {Corpus} corpus  a text file as a Blob, which fs.openAsBlob() makes in Node, or lines: a
 *   sentence or a paragraph each, an empty one between two documents
 * @param {PretrainOptions} [options]
 * @returns {Promise<Pretrained>}
 * @throws {BertError} BAD_INPUT if there is no word in the corpus, with the `index` of a line that
 *   is no string; BAD_OPTION, also where the loss is no longer a number; BAD_TOKENIZER
 * @throws {BertError} OUT_OF_MEMORY where training would take more than it may; UNSUPPORTED where
 *   there are no workers, or the base is of a family that cannot be trained; what loadModel() does
 */
export async function pretrain(corpus, options = {}) {
    const given = readPretrainOptions(options);
    const { base, load, threads, tokenizer, vocabulary, validation, signal, stop } = given;
    requireTrainer();
    signal?.throwIfAborted();
    const file =
        tokenizer === undefined ? null : readTokenizerFile(tokenizer, vocabulary.lowercase);
    const is_made = base === undefined && file === null;
    if (is_made && isSpent(corpus)) {
        throw new BertError(
            'BAD_INPUT',
            'the corpus must be an array, a Blob or another iterable that can be gone through ' +
                'twice, where its vocabulary is made of it, not an iterator',
        );
    }
    const { connection, info } =
        base === undefined
            ? { connection: await openTrainer(signal), info: { name: NAME, source_sha256: '' } }
            : await openBase(base, { load, threads, signal });
    const call = (/** @type {string} */ method, /** @type {object} */ request = {}) =>
        connection.call(method, request, signal);
    try {
        const { model, max_length, next_sentence, mlm_probability, seed } = given;
        const settings = { model, max_length, next_sentence, mlm_probability, seed, vocabulary };
        await call('begin', { settings, threads, engines: engines() });
        const is_stopped = () => stop?.throwIfAborted();
        if (file) await call('tokenizer', { file });
        if (is_made) {
            for await (const lines of lineGroups(corpus, 'corpus')) {
                is_stopped();
                await call('count', { lines });
            }
            await call('vocabulary');
        }
        const sets = Object.entries({
            corpus,
            ...(validation !== undefined && typeof validation !== 'number' && { validation }),
        });
        for (const [set, texts] of sets) {
            for await (const lines of lineGroups(texts, set)) {
                is_stopped();
                await call('read', { lines, set });
            }
        }
        const { epochs, batch_size, learning_rate, warmup, weight_decay, max_norm } = given;
        const { recomputes, memory, onprogress } = given;
        const request = {
            epochs,
            batch_size,
            learning_rate,
            warmup,
            weight_decay,
            max_norm,
            seed,
            recomputes,
            memory,
            validation: typeof validation === 'number' ? validation : null,
        };
        const outcome = await callTrain(connection, request, { signal, stop, onprogress });
        const { n_documents, n_sequences, n_tokens, history } = outcome;
        const card = cardOf({
            by: 'pretrain()',
            base: base === undefined ? null : info,
            does: 'A model that finds masked words (`fill-mask`), for others to begin with.',
            data: [
                ['documents', 'sequences of an epoch', 'tokens'],
                [n_documents, n_sequences, n_tokens],
            ],
            recipe: { ...given, vocabulary: is_made ? vocabulary : undefined },
            history,
            best_epoch: history.length,
        });
        return new Pretrained(info.name, outcome, card);
    } finally {
        connection.end(new BertError('DISPOSED', 'the training has ended'));
    }
}

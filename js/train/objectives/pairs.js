/**
 * Sentences that are near each other, and such that are not: losses of sentence embeddings. Each
 * distinct sentence of a batch is encoded once, however many examples it is in.
 *
 * Of examples with a score the cosine is to be it (Reimers & Gurevych 2019, Sentence-BERT, section
 * 3). Of others the second sentence answers the first, and those of the other examples, and all
 * third ones, do not (Henderson et al. 2017, "Efficient Natural Language Response Suggestion for
 * Smart Reply", section 4.4).
 */

/** @typedef {import('../trainer.js').Tokens} Tokens */
/** @typedef {import('../trainer.js').Pass} Pass */

/**
 * @typedef {object} Pair  an example
 * @property {Tokens[]} sentences  two, or a third one, which answers the first one not; the same
 *   text is the same object
 * @property {number | null} score  what the cosine is to be; in a batch all have one, or none
 */

/** @returns {import('../trainer.js').Objective<Pair>} */
export function pairs() {
    return {
        outputs: ['sentence_embedding'],
        sequences: distinct,
        rows: (batch) => [distinct(batch).length],
        most({ max_sequences }) {
            // Anchors are at most half of them; candidates, and their scores, are the most.
            const numbers = Math.ceil(max_sequences * (2 + max_sequences / 2));
            return { rows: [max_sequences], numbers };
        },
        weight: (batch) => batch.length,
        loss(pass, batch) {
            const sentences = distinct(batch);
            const row_of = new Map(sentences.map((sentence, row) => [sentence, row]));
            const rows = batch.map((pair) =>
                pair.sentences.map((each) => /** @type {number} */ (row_of.get(each))),
            );
            return batch[0].score === null
                ? inBatchNegatives(pass, rows)
                : cosinePairs(pass, rows, /** @type {{score: number}[]} */ (batch));
        },
    };
}

/**
 * The sentences of some pairs, each once.
 * @param {Pair[]} batch
 */
export function distinct(batch) {
    return [...new Set(batch.flatMap(({ sentences }) => sentences))];
}

/**
 * @param {Pass} pass
 * @param {number[][]} rows  of each pair
 * @param {{score: number}[]} batch
 */
function cosinePairs(
    { instance, outputs: [{ data, gradient, ...size }], write, lossOf, divisor },
    rows,
    batch,
) {
    const pairs = write(Uint32Array.from(rows.flat()));
    const targets = write(Float32Array.from(batch, ({ score }) => score));
    return lossOf((at) =>
        instance.wasm.train_cosine_pairs(
            data,
            size.n_rows,
            size.n_columns,
            pairs,
            targets,
            batch.length,
            divisor,
            at,
            gradient,
        ),
    );
}

/**
 * The core wants no answer that is right for two anchors. Where there is one the loss is a sum over
 * rounds, in each of which all sentences are others.
 * @param {Pass} pass
 * @param {number[][]} rows  [anchor, answer] of each pair, or with a third, which is no answer
 */
function inBatchNegatives({ instance, outputs: [output], write, lossOf, divisor }, rows) {
    const { data, gradient, n_rows, n_columns } = output;
    const sum = new Float32Array(n_rows * n_columns);
    const gradients = () => new Float32Array(instance.memory.buffer, gradient, sum.length);
    let loss = 0;
    const answers = answersOf(rows);
    for (const round of roundsOf(rows, answers)) {
        const { anchors, candidates } = candidatesOf(round, rows, answers);
        instance.scratch(() => {
            const [anchors_at, candidates_at] = [anchors, candidates].map((list) =>
                write(Uint32Array.from(list)),
            );
            const scores = instance.reserve(4 * anchors.length * candidates.length);
            loss += lossOf((at) =>
                instance.wasm.train_in_batch_negatives(
                    data,
                    n_rows,
                    n_columns,
                    anchors_at,
                    anchors.length,
                    candidates_at,
                    candidates.length,
                    divisor || rows.length,
                    scores,
                    at,
                    gradient,
                ),
            );
        });
        gradients().forEach((x, i) => {
            sum[i] += x;
        });
    }
    gradients().set(sum);
    return loss;
}

/**
 * @param {number[][]} rows
 * @returns {Map<number, Set<number>>}  the answers of each anchor
 */
function answersOf(rows) {
    /** @type {Map<number, Set<number>>} */
    const answers = new Map(rows.map(([anchor]) => [anchor, new Set()]));
    for (const [anchor, answer] of rows) answers.get(anchor)?.add(answer);
    return answers;
}

/**
 * Each pair goes into the first round that has neither its sentences nor, of its anchor or for its
 * answer, another right answer.
 * @param {number[][]} rows
 * @param {Map<number, Set<number>>} answers
 * @returns {number[][][]}
 */
function roundsOf(rows, answers) {
    /** @type {number[][][]} */
    const rounds = [];
    for (const pair of rows) {
        const [anchor, answer] = pair;
        const clashes = (/** @type {number[]} */ [other, of_other]) =>
            anchor === other ||
            anchor === of_other ||
            answer === other ||
            answers.get(anchor)?.has(of_other) ||
            answers.get(other)?.has(answer);
        const round = rounds.find((each) => !each.some(clashes));
        if (round) round.push(pair);
        else rounds.push([pair]);
    }
    return rounds;
}

/**
 * The answers of a round, then all other sentences of the batch that answer nothing in it.
 * @param {number[][]} round
 * @param {number[][]} rows  of the batch
 * @param {Map<number, Set<number>>} answers
 */
function candidatesOf(round, rows, answers) {
    const anchors = round.map(([anchor]) => anchor);
    const known = new Set(anchors.flatMap((anchor) => [anchor, ...(answers.get(anchor) ?? [])]));
    const others = new Set(rows.flatMap(([, ...rest]) => rest).filter((row) => !known.has(row)));
    return { anchors, candidates: [...round.map(([, answer]) => answer), ...others] };
}

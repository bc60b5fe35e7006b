/** Examples in groups, as a step or a validation takes them. */

import { Random } from './random.js';

/** Of random numbers: the order of examples, and of tasks. */
const [EXAMPLES, TASKS] = [3, 7];

/**
 * @template T
 * @param {T[]} items
 * @param {number} size
 */
export function* batchesOf(items, size) {
    for (let i = 0; i < items.length; i += size) yield items.slice(i, i + size);
}

/** @template T @typedef {{task: number, parts: T[][]}} Step  batches of one task */

/**
 * The steps of each epoch: every example of every task once, in an order that is drawn. Each step
 * is of one task, and tasks are as often drawn as they have steps (Liu et al. 2019, MT-DNN,
 * algorithm 1).
 * @template T
 * @param {T[][]} sets  examples of each task
 * @param {{seed: number, batch_size: number, accumulate: number}} request
 * @returns {Generator<Step<T>[], never>}
 */
export function* epochsOf(sets, { seed, batch_size, accumulate }) {
    const randoms = sets.map((_, task) => new Random(seed, EXAMPLES, task));
    const random = new Random(seed, TASKS);
    while (true) {
        const steps = sets.map((examples, task) => {
            const order = randoms[task].shuffled(examples);
            return [...batchesOf([...batchesOf(order, batch_size)], accumulate)];
        });
        const turns = random.shuffled(steps.flatMap((own, task) => own.map(() => task)));
        yield turns.map((task) => ({ task, parts: /** @type {T[][]} */ (steps[task].shift()) }));
    }
}

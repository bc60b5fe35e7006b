/**
 * One runtime with one model loaded, and the clock. The same file runs in a Node process of its own
 * (child.js) and in a page of its own (instance.html), so that all are timed alike.
 *
 * A job is what is timed: `{ids}` is one sequence of token ids; `{batches}` are many, one call a
 * batch; `{texts, batch_size}` are texts for a pipeline, tokenisation included.
 *
 * @typedef {object} Job
 * @property {string} name
 * @property {number[]} [ids]
 * @property {number[][][]} [batches]
 * @property {string[]} [texts]
 * @property {number} [batch_size]
 * @property {boolean} [is_mean]  the answer is the mean of the first sequence's rows: models
 *   without a head give a row for each token
 *
 * @typedef {object} Options
 * @property {string} runtime  a file of peers/
 * @property {string} library  address of the runtime's module
 * @property {string} model  address of the model, as the runtime wants it
 * @property {string} [task]  of the model's pipeline; default text-classification
 * @property {'f32' | 'q8'} dtype
 * @property {number} threads
 *
 * @typedef {object} Peer  what each file of peers/ gives
 * @property {() => void | Promise<void>} [close]
 * @property {(job: Job) => Run | Promise<Run>} prepare
 *
 * @typedef {() => Promise<ArrayLike<number>>} Run  gives the logits or rows of the first sequence,
 *   or the score of each text
 */

const WARM_UP = 500; // ms: JavaScript engines optimise WebAssembly while it already runs

/** @type {{peer: Peer, runs: Run[]}} */
let opened;

/** @param {Options} options */
export async function open(options) {
    const { open } = await import(`./peers/${options.runtime}.js`);
    opened = { peer: await open(options), runs: [] };
}

/**
 * Runs each job until it is warm.
 * @param {Job[]} jobs
 * @param {number} [warm_up]  ms; each job runs at least once
 * @returns {Promise<number[][]>} the answers
 */
export async function prepare(jobs, warm_up = WARM_UP) {
    const answers = [];
    for (const job of jobs) {
        const run = await opened.peer.prepare(job);
        opened.runs.push(run);
        const start = performance.now();
        let answer;
        do answer = await run();
        while (performance.now() - start < warm_up);
        answers.push(job.is_mean ? meanRow(answer, job) : Array.from(answer));
    }
    return answers;
}

/**
 * @param {ArrayLike<number>} rows  one for each token
 * @param {Job} job
 */
function meanRow(rows, { ids, batches }) {
    const n_tokens = (ids ?? batches?.[0][0] ?? []).length;
    const mean = new Array(rows.length / n_tokens).fill(0);
    for (let i = 0; i < rows.length; i++) mean[i % mean.length] += rows[i] / n_tokens;
    return mean;
}

/**
 * @param {number} index  of a job
 * @param {number} slice  ms to repeat it for, at least once
 * @returns {Promise<{ms: number, n_calls: number}>} ms of the median call
 */
export async function measure(index, slice) {
    const run = opened.runs[index];
    const times = [];
    const start = performance.now();
    let before = start;
    let now;
    do {
        await run();
        now = performance.now();
        times.push(now - before);
        before = now;
    } while (now - start < slice);
    return { ms: times.sort((a, b) => a - b)[times.length >> 1], n_calls: times.length };
}

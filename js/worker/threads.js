/**
 * Threads that help a session: workers of the worker. Some may never come: the work goes on without
 * them, and info() says why.
 */

import { startHelper } from '#platform';

/** Most milliseconds that wait() waits for threads that are still starting. */
const JOIN_TIMEOUT = 2000;

/**
 * @typedef {object} Helped  what threads help: an Engine with an open session, or a Trainer
 * @property {() => import('./engine.js').HelpingThread} helpingThread  what one more needs
 * @property {number} n_threads  at work now
 */

export class HelpingThreads {
    /** @type {import('../platform/browser.js').WorkerHandle[]} */
    #workers = [];

    /** Of the last one that failed. @type {Error | undefined} */
    #error;

    /** Whether each serves, once all have answered or failed. @type {Promise<boolean[]>} */
    #settled;

    /**
     * Starts the workers; they load their script while the model's weights arrive.
     * @param {number} n
     */
    constructor(n) {
        const fail = (/** @type {Error} */ error) => {
            this.#error = error;
            return false;
        };
        /** @type {Promise<boolean>[]} */
        const answers = [];
        for (let i = 0; i < n; i++) {
            try {
                const worker = startHelper();
                worker.keepAlive(false);
                this.#workers.push(worker);
                answers.push(
                    new Promise((resolve) => {
                        worker.onMessage(
                            (message) => 'serving' in message && resolve(message.serving),
                        );
                        worker.onError((error) => resolve(fail(error)));
                    }),
                );
            } catch (error) {
                fail(/** @type {Error} */ (error));
                break; // workers cannot start workers here, or there is no room for one more
            }
        }
        this.#settled = Promise.all(answers);
    }

    /** @param {Helped} engine */
    join(engine) {
        for (const worker of this.#workers) worker.post({ serve: engine.helpingThread() });
    }

    /**
     * Until every thread serves or has failed.
     * @param {Helped} engine
     */
    async wait(engine) {
        const deadline = performance.now() + JOIN_TIMEOUT;
        let n_expected = 1 + this.#workers.length;
        this.#settled.then((served) => {
            n_expected = 1 + served.filter(Boolean).length;
        });
        // A thread that serves can no longer send a message: the engine counts it.
        while (engine.n_threads < n_expected && performance.now() < deadline) {
            await new Promise((resolve) => setTimeout(resolve, 1));
        }
    }

    /** Why not all of them are there. */
    get reason() {
        const why = this.#error?.message ?? 'it has not answered yet';
        return `a helping thread did not start: ${why}`;
    }

    end() {
        for (const worker of this.#workers) worker.terminate();
    }
}

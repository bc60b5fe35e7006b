/**
 * Threads that help a session: workers of the worker. Those that come, come; the work goes on
 * without the others.
 */
import { startWorker } from '#platform';

/** Milliseconds that info() waits for threads that are still on their way. */
const JOIN_TIMEOUT = 2000;

/**
 * Starts the workers; they load their script while the model's weights arrive.
 * @param {number} n
 * @returns {HelpingThreads}
 */
export function startThreads(n) {
    const workers = [];
    for (let i = 0; i < n; i++) {
        try {
            const worker = startWorker();
            worker.keepAlive(false);
            workers.push(worker);
        } catch {
            break; // a browser without workers in workers, or without room for one more
        }
    }
    return new HelpingThreads(workers);
}

export class HelpingThreads {
    /** @param {import('./platform/browser.js').WorkerHandle[]} workers */
    constructor(workers) {
        this.missing = workers.length;
        this.workers = workers;
        /** @private */
        this.settled = Promise.all(workers.map((worker) => new Promise((resolve) => {
            worker.onMessage((message) => 'serving' in message && resolve(undefined));
            worker.onError(() => resolve(undefined));
        })));
    }

    /** @param {import('./engine.js').Engine} engine  with an open session */
    join(engine) {
        for (const worker of this.workers) worker.post({ serve: engine.helpingThread() });
    }

    /** When everyone has come or failed. */
    async wait() {
        /** @type {ReturnType<typeof setTimeout> | undefined} */
        let timer;
        await Promise.race([this.settled, new Promise((resolve) => { timer = setTimeout(resolve, JOIN_TIMEOUT); })]);
        clearTimeout(timer);
    }

    end() {
        for (const worker of this.workers) worker.terminate();
    }
}

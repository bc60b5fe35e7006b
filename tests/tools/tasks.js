/** What keeps a page's thread busy. */

/** @typedef {import('playwright-core').Page} Page */

/**
 * Milliseconds of a task's own time that fail a test: far more than the 50 that are promised and
 * printed, as processors are not equally fast while other programs run.
 */
export const TOO_LONG = 200;

/** So many of the longest tasks are told. */
const N_TOLD = 5;

/**
 * The longest tasks of the page's thread while something is done, in milliseconds: of the thread's
 * own time, so that other programs on the machine do not count, and by the clock.
 * @param {Page} page  in Chromium
 * @param {() => Promise<unknown>} work
 * @returns {Promise<{own: number[], clock: number[]}>}  the longest first
 */
export async function tasksWhile(page, work) {
    const client = await page.context().newCDPSession(page);
    /** @type {any[]} */
    const events = [];
    client.on('Tracing.dataCollected', ({ value }) => events.push(...value));
    await client.send('Tracing.start', {
        transferMode: 'ReportEvents',
        traceConfig: {
            includedCategories: [
                'toplevel',
                'devtools.timeline',
                'disabled-by-default-devtools.timeline',
            ],
        },
    });
    await page.evaluate(() => console.timeStamp('begin'));
    await work();
    const ended = new Promise((resolve) => client.once('Tracing.tracingComplete', resolve));
    await client.send('Tracing.end');
    await ended;
    await client.detach();
    const begin = events.find(
        ({ name, args }) => name === 'TimeStamp' && args.data.message === 'begin',
    );
    const tasks = events.filter(
        ({ name, pid, tid }) => /RunTask$/.test(name) && pid === begin.pid && tid === begin.tid,
    );
    if (tasks.length === 0) throw new Error('the browser told of no task');
    const longest = (/** @type {'tdur' | 'dur'} */ of) =>
        tasks
            .map((task) => Math.round(task[of] / 100) / 10)
            .sort((a, b) => b - a)
            .slice(0, N_TOLD);
    return { own: longest('tdur'), clock: longest('dur') };
}

/**
 * What keeps a page's thread busy, by the processor's time and not by the clock's: a machine that
 * has other work to do makes every task long.
 */

/** @typedef {import('playwright-core').Page} Page */
/**
 * @typedef {{name: string, ph: string, pid: number, tid: number, args: any, tdur?: number}} Event
 */

/** Milliseconds of the processor after which a task is long. */
const LONG = 50;

/** What fails: beside other programs caches are cold, and work takes up to twice as long. */
export const TOO_LONG = 2 * LONG;

/**
 * Milliseconds of each long task of the page's thread while something is done.
 * @param {Page} page
 * @param {() => Promise<unknown>} work
 * @returns {Promise<number[]>}
 */
export async function busyTasks(page, work) {
    const browser = /** @type {import('playwright-core').Browser} */ (page.context().browser());
    const client = await browser.newBrowserCDPSession();
    /** @type {Event[]} */
    const events = [];
    client.on('Tracing.dataCollected', ({ value }) => events.push(.../** @type {any[]} */ (value)));
    const isOver = new Promise((resolve) => client.once('Tracing.tracingComplete', resolve));
    await client.send('Tracing.start', {
        traceConfig: { includedCategories: ['toplevel'] },
        transferMode: 'ReportEvents',
    });
    await work();
    await client.send('Tracing.end');
    await isOver;
    await client.detach();
    const threads = new Set(
        events
            .filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain')
            .map(({ pid, tid }) => `${pid} ${tid}`),
    );
    const tasks = events.filter(
        ({ name, ph, pid, tid }) =>
            ph === 'X' && name.endsWith('RunTask') && threads.has(`${pid} ${tid}`),
    );
    if (tasks.length === 0) throw new Error('the browser told of no task');
    return tasks.map(({ tdur = 0 }) => Math.round(tdur / 1000)).filter((ms) => ms > LONG);
}

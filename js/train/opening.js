/** Workers that train: one that has read a base, or none. */

import { trainerModules } from '#files';
import { hasWorkers, startTrainer } from '#platform';

import { BertError } from '../errors.js';
import { toPost } from '../loader/compile.js';
import { Connection } from '../model/connection.js';
import { Model } from '../model/model.js';
import { requireCompiler, requireSIMD } from '../platform/webassembly.js';

/** @import { ModelSource } from '../model/model.js' */

/** Throws UNSUPPORTED where nothing can be trained. */
export function requireTrainer() {
    requireSIMD();
    requireCompiler();
    if (!hasWorkers()) throw new BertError('UNSUPPORTED', 'training needs workers');
}

/** The builds of what trains, for the worker. */
export function engines() {
    const modules = Object.entries(trainerModules());
    return Object.fromEntries(modules.map(([name, file]) => [name, toPost(file)]));
}

/**
 * A worker that has read the base.
 * @param {ModelSource} base
 * @param {object} options  of fineTune(), those that it is found and read by
 * @param {import('./options.js').BaseOptions} options.load
 * @param {number} [options.threads]
 * @param {AbortSignal} [options.signal]
 * @param {import('./head.js').TrainTask[]} [tasks]  default none
 * @returns {Promise<{connection: Connection, info: {name: string, source_sha256: string,
 *   hidden_size: number, labels: string[][]}}>}  labels of the base for each task
 */
export function openBase(base, { load, threads, signal }, tasks = []) {
    const { onprogress, ...source_options } = load;
    const load_options = { dtype: /** @type {const} */ ('f32'), ...source_options, signal };
    return Model.openFile(base, load_options, async ({ source, n_sources, download }) => {
        const connection = new Connection(startTrainer());
        const ended = new AbortController();
        try {
            const ready = connection.ready(signal);
            if (download) connection.feed(download(ended.signal));
            await ready;
            const request = { source, n_sources, tasks, threads, engines: engines() };
            const info = await connection.call('load', request, signal, onprogress);
            connection.fed();
            return { connection, info };
        } catch (error) {
            ended.abort(error);
            connection.end(/** @type {Error} */ (error));
            throw error;
        }
    });
}

/**
 * A worker that has read nothing.
 * @param {AbortSignal} [signal]
 * @returns {Promise<Connection>}
 */
export async function openTrainer(signal) {
    const connection = new Connection(startTrainer());
    try {
        await connection.ready(signal);
        return connection;
    } catch (error) {
        connection.end(/** @type {Error} */ (error));
        throw error;
    }
}

/**
 * Has a worker train, until `stop` ends it with what there is.
 * @param {Connection} connection
 * @param {object} request  of its method `train`
 * @param {object} options
 * @param {AbortSignal} [options.signal]
 * @param {AbortSignal} [options.stop]
 * @param {(progress: any) => void} [options.onprogress]
 * @returns {Promise<any>}  what came of it: one step at least
 */
export async function callTrain(connection, request, { signal, stop, onprogress }) {
    const halt = () => connection.call('stop', {}).catch(() => {});
    stop?.addEventListener('abort', halt);
    if (stop?.aborted) halt();
    try {
        const outcome = await connection.call('train', request, signal, onprogress);
        if (stop?.aborted && outcome.n_steps === 0) throw stop.reason;
        return outcome;
    } finally {
        stop?.removeEventListener('abort', halt);
    }
}

/** How the page came: by what the browser noted of its requests, and the models' own times. */

import { OWN } from '../shell/models.js';

/**
 * @typedef {object} Step
 * @property {string} what
 * @property {number} begin  in milliseconds since the page was asked for
 * @property {number} end
 */

/** Milliseconds in which a first answer belongs to loading: a later one a visitor asked for. */
const SOON = 2000;

/** @param {Pick<import('../shell/models.js').Models, 'timeline'>} models @returns {Step | null} */
export function firstAnswer({ timeline }) {
    const { name } = OWN.classifier;
    const at = (/** @type {string} */ what) => timeline.find((each) => each.what === what)?.at;
    const begin = at(`${name} is asked its first text`);
    const end = at(`${name} has given its first answer`);
    return begin && end ? { what: 'First answer', begin, end } : null;
}

/**
 * @param {import('../shell/models.js').Models} models
 * @param {import('../../js/index.js').ModelInfo} info  of the page's own classifier
 * @returns {Step[]}
 */
export function stepsOf({ timeline }, { arrival, cache }) {
    const resources = /** @type {PerformanceResourceTiming[]} */ (
        performance.getEntriesByType('resource')
    );
    const [page] = /** @type {PerformanceNavigationTiming[]} */ (
        performance.getEntriesByType('navigation')
    );
    const library = resources.find(({ name }) => name.endsWith('/bert-wasm/index.js'));
    const code = resources.filter(
        ({ name, initiatorType }) =>
            /\.(js|css)$/.test(name) && !/\/bert-wasm\//.test(name) && initiatorType !== 'iframe',
    );
    const { name } = OWN.classifier;
    const at = (/** @type {string} */ what) =>
        timeline.find((each) => each.what === what)?.at ?? Number.NaN;
    const asked = at(`${name} is asked for`);
    const engine = at(`the engine is compiled, ${name} arrives in it`);
    const ready = at(`${name} is ready`);
    const first = firstAnswer({ timeline });
    const is_soon = first && first.begin - ready < SOON;
    const early = code.filter(({ startTime }) => startTime < asked);
    const megabytes = `${(arrival.total / 1e6).toFixed(1)} MB`;
    const from = cache.from_cache > cache.fetched ? 'this device' : 'the network';
    return [
        { what: 'The page', begin: 0, end: page?.responseEnd },
        {
            what: 'Its code',
            begin: Math.min(...early.map(({ startTime }) => startTime)),
            end: Math.max(...early.map(({ responseEnd }) => responseEnd)),
        },
        {
            what: 'The library',
            begin: library?.startTime ?? Number.NaN,
            end: library?.responseEnd ?? Number.NaN,
        },
        { what: 'Worker started, engine compiled', begin: asked, end: engine },
        { what: `The model, ${megabytes} from ${from}`, begin: engine, end: ready },
        ...(is_soon ? [first] : []),
    ].filter(({ begin, end }) => Number.isFinite(begin) && end >= begin);
}

/** The places of the page that a model of the visitor's can take, and who is in them. */

import { make } from '../shell/dom.js';

/** @typedef {import('../shell/models.js').Kind} Kind */

/**
 * @typedef {object} Place
 * @property {Kind} kind
 * @property {string} where  views
 * @property {string} task  that it needs
 * @property {(opened: import('./card.js').Opened) => string | null} lacks  why a model cannot
 */

/** @type {Place[]} */
const PLACES = [
    {
        kind: 'classifier',
        where: 'Read, Many and Inside',
        task: 'text-classification',
        lacks: ({ pipelines, model }) =>
            pipelines.has('text-classification') && model.config.labels.length > 1
                ? null
                : 'needs a classifier of two labels or more',
    },
    {
        kind: 'embedder',
        where: 'Meaning',
        task: 'feature-extraction',
        lacks: () => null,
    },
];

/**
 * Shows who is in each place, and changes it.
 * @param {HTMLElement} node  a list
 * @param {import('../shell/main.js').App} app
 * @param {() => import('./card.js').Opened | null} current  the model that is open
 */
export function mountUses(node, { models, announce }, current) {
    /** Those in a place. @type {Map<Kind, import('./card.js').Opened>} */
    const users = new Map();

    function show() {
        node.replaceChildren(...PLACES.map(showPlace));
    }

    /** @param {Place} place */
    function showPlace({ kind, where, task, lacks }) {
        const opened = current();
        const user = users.get(kind);
        // One that was taught here is there without having been opened here.
        const is_visitors = models.isVisitors(kind);
        const who = `${models.nameOf(kind)}, ${is_visitors ? 'yours' : "the page's own"}`;
        const buttons = [];
        if (opened && user !== opened && !lacks(opened)) {
            const use = () => {
                const before = users.get(kind);
                users.set(kind, opened);
                const { name, file } = opened;
                models.use(kind, { name, pipe: pipeFor(opened, task), file });
                dispose(before);
                changed(`${where} now use ${opened.name}`);
            };
            buttons.push(
                make('button', { type: 'button', onclick: use }, `Use ${opened.name} here`),
            );
        }
        if (is_visitors) {
            const putBack = () => {
                users.delete(kind);
                models.use(kind, null);
                dispose(user);
                changed(`${where} now use the page's own model`);
            };
            const words = "Put the page's own back";
            buttons.push(make('button', { type: 'button', onclick: putBack }, words));
        }
        const lack = opened && user !== opened ? lacks(opened) : null;
        const hint = lack
            ? [make('p', { className: 'hint' }, `${opened?.name} cannot: it ${lack}`)]
            : [];
        return make(
            'li',
            { dataset: { kind } },
            make('p', {}, make('b', {}, where), ` ${where === 'Meaning' ? 'uses' : 'use'} `, who),
            ...hint,
            ...(buttons.length ? [make('div', { className: 'row' }, ...buttons)] : []),
        );
    }

    /** @param {string} words */
    function changed(words) {
        show();
        announce(words);
    }

    /** One that is neither open nor in a place. @param {import('./card.js').Opened} [opened] */
    function dispose(opened) {
        if (!opened || opened === current() || [...users.values()].includes(opened)) return;
        opened.model.dispose();
    }

    models.addEventListener('change', (/** @type {any} */ { detail: { kind } }) => {
        const user = users.get(kind);
        if (!user || models.visitorsOf(kind)?.file === user.file) return;
        users.delete(kind); // another view has put one there
        dispose(user);
        show();
    });
    show();
    return { show, dispose };
}

/**
 * The pipeline of a model in a place. One that is not made for comparing gives a vector for each
 * token unless it is told otherwise; views want one a text.
 * @param {import('./card.js').Opened} opened
 * @param {string} task
 */
function pipeFor({ pipelines, model }, task) {
    const pipe = pipelines.get(task);
    const is_pooled = Object.values(model.config.outputs).some(
        ({ output }) => output === 'sentence_embedding',
    );
    if (task !== 'feature-extraction' || is_pooled) return pipe;
    const pooled = (/** @type {any} */ texts, /** @type {any} */ options = {}) =>
        pipe(texts, { ...options, pooling: options.pooling ?? 'mean' });
    return Object.assign(pooled, { task, model, dispose: pipe.dispose });
}

/**
 * A few lines of code for what is on screen, in three places: a page, npm, a shell. Each is copied
 * by one click.
 *
 * @typedef {{script: string, node: string, cli: string}} Snippet
 */

import { copyText, make } from './dom.js';

/** @type {Record<keyof Snippet, string>} */
const TITLES = { script: 'Page', node: 'npm', cli: 'Command line' };

let n_made = 0;

/**
 * Tabs with the code in each: put `element` where it belongs, call `show` when what is on screen
 * has changed.
 * @param {Snippet} snippet
 */
export function makeSnippet(snippet) {
    const id = `snippet-${++n_made}`;
    const code = make('code');
    const text = make('pre', { tabIndex: 0, 'aria-label': 'Code' }, code);
    const copy = make('button', { type: 'button', className: 'snippet-copy' }, 'Copy');
    const panel = make(
        'div',
        { id, className: 'snippet-panel', role: 'tabpanel', 'aria-labelledby': `${id}-script` },
        text,
        copy,
    );
    const names = /** @type {(keyof Snippet)[]} */ (Object.keys(TITLES));
    const tabs = names.map((name) =>
        make(
            'button',
            {
                type: 'button',
                id: `${id}-${name}`,
                role: 'tab',
                'aria-controls': id,
                dataset: { name },
                onclick: () => choose(name),
            },
            TITLES[name],
        ),
    );
    const list = make(
        'div',
        { className: 'snippet-tabs', role: 'tablist', 'aria-label': 'Where the code runs' },
        ...tabs,
    );
    const element = make(
        'div',
        { className: 'snippet', dataset: { part: 'snippet' } },
        list,
        panel,
    );

    let chosen = names[0];
    let shown = snippet;

    /** @param {keyof Snippet} name */
    function choose(name) {
        chosen = name;
        for (const tab of tabs) {
            const is_chosen = tab.dataset.name === name;
            tab.setAttribute('aria-selected', String(is_chosen));
            tab.tabIndex = is_chosen ? 0 : -1;
        }
        panel.setAttribute('aria-labelledby', `${id}-${name}`);
        code.textContent = shown[name];
    }
    list.addEventListener('keydown', (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        event.preventDefault();
        const at = (names.indexOf(chosen) + step + names.length) % names.length;
        choose(names[at]);
        tabs[at].focus();
    });
    copy.addEventListener('click', () => copyText(copy, shown[chosen]));
    choose(chosen);

    return {
        element,
        /** @param {Snippet} now */
        show(now) {
            shown = now;
            choose(chosen);
        },
    };
}

/**
 * The views of the page. A view is a folder of web-demo/ with NAME.html, NAME.css and NAME.js, and
 * a row here; its code and styles are fetched when it is first opened. Read is part of index.html.
 *
 * @typedef {Record<string, string>} State  of a view, as the address has it behind '#'
 *
 * @typedef {object} View  what mount() gives
 * @property {(state: State) => void} [show]  the view is opened, or its address has changed
 * @property {() => void} [hide]  another view is opened
 *
 * @typedef {(section: HTMLElement, app: import('./main.js').App) => View | Promise<View>} Mount
 *
 * @typedef {object} Row
 * @property {string} title  in the navigation
 * @property {() => Promise<{mount: Mount}>} load
 */

/** By name, in the order of the navigation. @type {Record<string, Row>} */
export const VIEWS = {
    read: { title: 'Read', load: () => import('../read/read.js') },
    many: { title: 'Many', load: () => import('../many/many.js') },
    inside: { title: 'Inside', load: () => import('../inside/inside.js') },
    meaning: { title: 'Meaning', load: () => import('../meaning/meaning.js') },
    teach: { title: 'Teach', load: () => import('../teach/teach.js') },
    your_model: { title: 'Your model', load: () => import('../your_model/your_model.js') },
    machine: { title: 'The machine', load: () => import('../machine/machine.js') },
};

/**
 * Every host that the tests try, from the tables of those that try them: the rows of docs/hosts.md.
 *
 * @typedef {object} Host
 * @property {string} title
 * @property {string} file  that tells how it went: build/FOLDER/NAME
 * @property {string} page  of the rows in it
 */

import { PROGRAMS, pagesOf } from '../browser/engines/programs.js';
import { BUNDLERS } from '../bundlers/apps.js';
import { ENGINES, placesIn } from '../hosts/places.js';
import { RUNTIMES } from '../hosts/runtimes.js';
import { fileOf } from './outcome.js';

/** Titles of the suite's pages. */
const PAGES = { isolated: 'isolated page', plain: 'page' };

/**
 * @param {string} engine
 * @param {string} place
 * @param {string} folder
 * @param {string} page
 * @returns {Host}
 */
const inBrowser = (engine, place, folder, page) => ({
    title: `${PROGRAMS[engine].title}, ${place}`,
    file: fileOf(folder, engine),
    page,
});

/** By the heading of their table. @type {{[heading: string]: Host[]}} */
export const HOSTS = {
    Browsers: Object.keys(PROGRAMS).flatMap((engine) =>
        pagesOf(engine).map((page) => inBrowser(engine, PAGES[page], 'engines', page)),
    ),
    'Other places in browsers': ENGINES.flatMap((engine) =>
        placesIn(engine).map(([place]) => inBrowser(engine, place, 'hosts', place)),
    ),
    Runtimes: [...Object.keys(RUNTIMES), 'workerd', 'jsdom'].map((name) => ({
        title: name,
        file: fileOf('hosts', name),
        page: '',
    })),
};

/**
 * Apps of bundlers, a table of their own.
 * @type {{title: string, file: string}[]}
 */
export const APPS = Object.entries(BUNDLERS).flatMap(([bundler, { apps }]) =>
    Object.keys(apps).map((how) => {
        const title = `${bundler} ${how}`;
        return { title, file: fileOf('bundlers', title) };
    }),
);

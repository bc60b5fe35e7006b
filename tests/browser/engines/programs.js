/**
 * The browsers that the tests run in: where they are, how they start in a profile of their own, and
 * what Debian calls them. None asks anything but loopback for anything.
 */

import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * @typedef {object} Program
 * @property {string} title
 * @property {'opfs' | 'cache'} store  where it must store models
 * @property {'base' | 'relaxed'} variant  of the engine that it must choose: of Debian's, WebKit
 *   alone has no relaxed SIMD
 * @property {('isolated' | 'plain')[]} [pages]  of the suite; default both
 * @property {string[]} names  of the program: the first that is there is taken
 * @property {string} variable  of the environment, that names another
 * @property {string} packages  of Debian
 * @property {(profile: string) => string[]} args  before the URL
 * @property {{[name: string]: string}} [env]
 * @property {boolean} [needs_display]  and gets one that nobody sees
 * @property {boolean} [stalls]  seldom, by itself: a page of it is tried once more
 */

/** A proxy that is not there. */
const NOBODY = { host: '127.0.0.1', port: 9 };

/** A name of this machine that browsers trust no more than another machine's. */
export const INSECURE = 'insecure.test';

/** No first-run pages, no talk with its maker, no offers after it was killed. */
const FIREFOX_PREFERENCES = {
    'app.normandy.enabled': false,
    'browser.sessionstore.resume_from_crash': false,
    'browser.shell.checkDefaultBrowser': false,
    'browser.startup.homepage_override.mstone': 'ignore',
    'datareporting.policy.dataSubmissionEnabled': false,
    'dom.allow_scripts_to_close_windows': true,
    'network.dns.localDomains': INSECURE,
    'network.proxy.http': NOBODY.host,
    'network.proxy.http_port': NOBODY.port,
    'network.proxy.no_proxies_on': INSECURE,
    'network.proxy.ssl': NOBODY.host,
    'network.proxy.ssl_port': NOBODY.port,
    'network.proxy.type': 1,
    'toolkit.startup.max_resumed_crashes': -1,
};

/** @type {Program} */
const webkit = {
    title: 'WebKitGTK',
    variant: 'base',
    store: 'cache',
    names: miniBrowsers(),
    variable: 'MINIBROWSER',
    packages: 'libwebkit2gtk-4.1-0 xvfb',
    args: () => [],
    needs_display: true,
    // Once in some hundred pages it says nothing any more, even where it only lists what is kept.
    stalls: true,
};

/** @type {{[name: string]: Program}} */
export const PROGRAMS = {
    chromium: {
        title: 'Chromium',
        variant: 'relaxed',
        store: 'opfs',
        names: ['chromium'],
        variable: 'CHROMIUM',
        packages: 'chromium',
        args: (profile) => [
            `--user-data-dir=${profile}`,
            '--headless',
            '--no-sandbox',
            '--disable-gpu',
            '--no-first-run',
            '--disable-background-networking',
            '--disable-component-update',
            '--disable-sync',
            '--log-level=3', // nothing of the desktop that is not there
            `--host-resolver-rules=MAP ${INSECURE} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1`,
        ],
    },
    firefox: {
        title: 'Firefox ESR',
        variant: 'relaxed',
        store: 'opfs',
        names: ['firefox-esr', 'firefox'],
        variable: 'FIREFOX',
        packages: 'firefox-esr',
        args: (profile) => {
            const lines = Object.entries(FIREFOX_PREFERENCES).map(
                (preference) => `user_pref(${JSON.stringify(preference).slice(1, -1)});\n`,
            );
            writeFileSync(join(profile, 'user.js'), lines.join(''));
            return ['--headless', '--no-remote', '--profile', profile];
        },
    },
    webkit,
    // With what Safari has and WebKitGTK leaves out: shared memory, and files of an origin. A page
    // that is not isolated is as in WebKitGTK.
    'webkit-as-safari': {
        ...webkit,
        title: 'WebKitGTK with shared memory and files',
        pages: ['isolated'],
        args: () => ['--features=StorageAPI,FileSystem'],
        env: { JSC_useSharedArrayBuffer: '1' },
    },
};

/** The browser of WebKitGTK is not on PATH. */
function miniBrowsers() {
    const folders = existsSync('/usr/lib') ? readdirSync('/usr/lib') : [];
    return folders.map((name) => `/usr/lib/${name}/webkit2gtk-4.1/MiniBrowser`);
}

/** Where a browser is, or null. @param {Program} program */
export function pathOf({ names, variable }) {
    const given = process.env[variable];
    for (const name of given ? [given] : names) {
        const path = find(name);
        if (path) return path;
    }
    return null;
}

/** @param {string} name  a path, or a name that is looked for on PATH */
function find(name) {
    const folders = name.includes('/') ? [''] : (process.env.PATH ?? '').split(delimiter);
    return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** Why an engine cannot be run here, or false. @param {string} name */
export function missing(name) {
    const program = PROGRAMS[name];
    const { packages, variable, needs_display } = program;
    if (pathOf(program) && (!needs_display || find('Xvfb'))) return false;
    return (
        `NOT TESTED: ${name}, which is not installed ` +
        `(Debian: apt-get install ${packages}; elsewhere: ${variable}=its path)`
    );
}

/** @param {string} name @returns {('isolated' | 'plain')[]} */
export const pagesOf = (name) => PROGRAMS[name].pages ?? ['isolated', 'plain'];

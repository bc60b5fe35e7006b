/** The Chromium of this machine, asking nobody but this machine. */

import { existsSync } from 'node:fs';

import { chromium } from 'playwright-core';

const BROWSER = '/usr/bin/chromium';

/** The same engine without a browser's window around it: a page opens in half the time. */
const SHELL = '/usr/bin/chromium-headless-shell';

/**
 * @param {object} [how]
 * @param {boolean} [how.is_whole]  the browser as people have it, not its engine alone, if there
 *   are both; default false
 * @returns {Promise<import('playwright-core').Browser>}  whoever launches it closes it
 */
export async function launchChromium({ is_whole = false } = {}) {
    const own = !is_whole && existsSync(SHELL) ? SHELL : BROWSER;
    const executablePath = process.env.CHROMIUM ?? own;
    if (!existsSync(executablePath)) {
        throw new Error(
            `there is no Chromium at ${executablePath}: install it ` +
                '(Debian: apt-get install chromium) or set CHROMIUM to where it is',
        );
    }
    return chromium.launch({
        executablePath,
        args: [
            '--headless',
            '--no-sandbox',
            '--disable-gpu',
            '--disable-quic',
            '--no-first-run',
            '--disable-background-networking',
            '--disable-component-update',
            '--disable-sync',
            // Another host would be a failed request, and so an error in the console.
            '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
        ],
    });
}

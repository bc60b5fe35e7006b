/** The Chromium of this machine, asking nobody but this machine. */

import { existsSync } from 'node:fs';

import { chromium } from 'playwright-core';

/**
 * @returns {Promise<import('playwright-core').Browser>}  whoever launches it closes it
 */
export async function launchChromium() {
    const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
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

/** docs/hosts.md, which is written from what tests found: it has the hosts that they try. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { APPS, HOSTS } from '../tools/hosts.js';

const page = readFileSync(new URL('../../docs/hosts.md', import.meta.url), 'utf8');

/** The first cells of a table's rows, below its head. @param {string} heading */
function hostsIn(heading) {
    const [, section = ''] = page.split(`\n## ${heading}\n`);
    const [table] = section.split('\n## ');
    return [...table.matchAll(/^\| ([^|]+) \|/gm)].map(([, host]) => host).slice(2);
}

for (const [heading, hosts] of Object.entries({ ...HOSTS, Apps: APPS })) {
    test(`every host is in the table: ${heading}`, () => {
        assert.deepEqual(
            hostsIn(heading),
            hosts.map(({ title }) => title),
            'docs/hosts.md: run make test and make test-bundlers, then make hosts',
        );
    });
}

test('what is in the tables has passed', () => {
    assert.doesNotMatch(page, /FAILED/);
});

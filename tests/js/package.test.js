/** What npm would publish: its exports, files and types, as publint sees them. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

test('publint finds nothing', async () => {
    const { messages, pkg } = await publint({ pkgDir: ROOT, strict: true, level: 'suggestion' });
    assert.equal(pkg.name, 'bert-wasm');
    assert.deepEqual(
        messages.map((message) => formatMessage(message, pkg)),
        [],
    );
});

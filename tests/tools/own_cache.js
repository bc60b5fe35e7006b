/** What a test file fetches is stored in a folder of its own, which is gone after it. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

/** The user's cache directory, for this process and its children. */
export const CACHE = mkdtempSync(join(tmpdir(), 'bert-wasm-cache-'));
process.env.XDG_CACHE_HOME = CACHE;
after(() => rmSync(CACHE, { recursive: true }));

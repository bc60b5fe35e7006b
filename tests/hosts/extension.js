/**
 * An extension (Manifest V3) for Chromium with the package, the checks and the pages of this
 * folder, as they would come from a server.
 */

import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * @param {{[path: string]: string}} files  folders
 */
export function makeExtension(files) {
    const folder = mkdtempSync(join(tmpdir(), 'bert-wasm-extension-'));
    for (const [path, from] of Object.entries(files)) {
        cpSync(from, join(folder, path), { recursive: true });
    }
    cpSync(join(import.meta.dirname, 'extension.json'), join(folder, 'manifest.json'));
    // Without a key the browser makes the name of the folder's path.
    const digits = createHash('sha256').update(folder).digest('hex').slice(0, 32);
    const id = digits.replace(/./g, (digit) =>
        String.fromCharCode(97 + Number.parseInt(digit, 16)),
    );
    return {
        url: `chrome-extension://${id}/`,
        args: [
            `--load-extension=${folder}`,
            '--disable-features=DisableLoadExtensionCommandLineSwitch',
        ],
        remove: () => rmSync(folder, { recursive: true, force: true }),
    };
}

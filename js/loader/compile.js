/** The package's own WebAssembly modules, wherever it is served from. */

import { BertError } from '../errors.js';
import { openSource } from './source.js';

/**
 * @param {URL} url
 * @returns {Promise<WebAssembly.Module>}
 */
export async function compileFrom(url) {
    const source = openSource(url.href);
    const parts = [];
    for await (const chunk of source.read(0)) parts.push(chunk.slice());
    const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
    if (
        bytes.length < 4 ||
        bytes[0] !== 0 ||
        bytes[1] !== 0x61 ||
        bytes[2] !== 0x73 ||
        bytes[3] !== 0x6d
    ) {
        throw new BertError(
            'ENGINE_FAILED',
            `${source.label} is not a WebAssembly module: is it served from where the ` +
                "package's files are?",
        );
    }
    return WebAssembly.compile(bytes);
}

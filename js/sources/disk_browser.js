/** What pages have of disk_node.js: no folders, no environment, no Hub cache. */

import { BertError } from '../errors.js';

/** Pages are not shown where a redirect leads. */
export const seesRedirects = false;

/** @returns {{hub?: string, token?: string, offline: boolean}} */
export function environment() {
    return { offline: false };
}

/**
 * @param {string} url
 * @param {string} [_subfolder]
 * @returns {Promise<import('./folder.js').Folder>}
 */
export async function openDisk(url, _subfolder) {
    throw new BertError(
        'UNSUPPORTED',
        `${url}: a page cannot read folders by path; pass the Files or the folder's handle`,
    );
}

/**
 * @param {string} _repo
 * @returns {Promise<import('./disk_node.js').HubCache | null>}
 */
export async function openHubCache(_repo) {
    return null;
}

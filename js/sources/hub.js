/** What addresses a Hub, a mirror or a folder of folders has for the files of a name. */

import { resolveSource } from '#platform';

/** @typedef {ReturnType<typeof openHub>} Hub */

/** A Hub's own pattern. */
const PATTERN = '/{repo}/resolve/{revision}/{file}';

/**
 * @param {string} setting  as configure() takes it
 * @param {string | null} token
 */
export function openHub(setting, token) {
    const { pattern, base } = patternOf(setting);
    const headers = token && /^https?:/.test(pattern) ? { Authorization: `Bearer ${token}` } : {};
    return {
        /** for messages */
        label: setting,
        headers: /** @type {Record<string, string>} */ (headers),
        /** Whether it has a list of what a repository has. */
        has_lists: base !== null,
        /** Whether it has several revisions of a repository. */
        has_revisions: pattern.includes('{revision}'),
        /**
         * @param {string} repo
         * @param {string} revision
         * @param {string} file  its path in the repository
         */
        urlOf: (repo, revision, file) =>
            pattern
                .replace('{repo}', repo)
                .replace('{revision}', encodeURIComponent(revision))
                .replace('{file}', file.split('/').map(encodeURIComponent).join('/')),
        /**
         * Of a list, as JSON.
         * @param {string} repo
         * @param {string} revision
         * @param {string} folder  '' or ends in a slash
         */
        listOf: (repo, revision, folder) => {
            const path = ['', ...folder.split('/').filter(Boolean)].map(encodeURIComponent);
            const tree = `tree/${encodeURIComponent(revision)}${path.join('/')}`;
            return `${base}/api/models/${repo}/${tree}?recursive=true`;
        },
    };
}

/**
 * @param {string} setting
 * @returns {{pattern: string, base: string | null}}  base: of the Hub's API, if it is a Hub
 */
function patternOf(setting) {
    if (setting.includes('{')) {
        const isOfHub = setting.endsWith(PATTERN) && /^https?:/.test(setting);
        // Its braces must not be escaped.
        const [start, ...rest] = setting.split('{');
        return {
            pattern: [folderOf(start), ...rest].join('{'),
            base: isOfHub ? setting.slice(0, -PATTERN.length) : null,
        };
    }
    const isHub = /^https?:\/\/[^/]+(\/?$|\/.*[^/]$)/i.test(setting);
    if (!isHub) {
        return { pattern: `${folderOf(`${setting}/`)}{repo}/{file}`, base: null };
    }
    const base = setting.replace(/\/$/, '');
    return { pattern: base + PATTERN, base };
}

/** An absolute address that ends as this one does. @param {string} start */
function folderOf(start) {
    const absolute = resolveSource(start);
    return start.endsWith('/') ? absolute.replace(/\/*$/, '/') : absolute;
}

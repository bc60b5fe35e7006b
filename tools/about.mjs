/** Documents of the tree as pages that need no code: about/ of the site, each where it lies. */

import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

import { marked } from 'marked';

const STYLE = `:root { color-scheme: light dark }
body { font: 1.0625rem/1.55 system-ui, sans-serif; margin: 0 }
main { max-width: 50rem; margin: 0 auto; padding: 2rem 1rem }
pre, table { overflow: auto; display: block }
td, th { padding: 0.25rem 0.75rem 0.25rem 0; text-align: left }
img { max-width: 100% }
`;

/** @param {string} folder */
export function writeAbout(folder) {
    const inFolder = (/** @type {string} */ name) =>
        readdirSync(name, { recursive: true }).map((file) => join(name, String(file)));
    const documents = [
        ...['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md'],
        ...[...inFolder('docs'), ...inFolder('web-demo/models')].filter((file) =>
            /\.md$/.test(file),
        ),
    ];
    /** What each file of the tree is here; others are not here. @type {Map<string, string>} */
    const here = new Map([
        ...documents.map((path) => /** @type {const} */ ([path, path.replace(/md$/, 'html')])),
        ['LICENSE', 'LICENSE.txt'],
    ]);

    for (const path of documents) {
        const text = readFileSync(path, 'utf8');
        const to = join(folder, /** @type {string} */ (here.get(path)));
        const html = marked.parse(text, { async: false });
        mkdirSync(dirname(to), { recursive: true });
        for (const [, picture] of html.matchAll(/<img src="(?!\w+:)([^"]+)"/g)) {
            const file = join(dirname(path), picture);
            cpSync(file, join(folder, file));
        }
        writeFileSync(
            to,
            '<!doctype html><html lang="en-GB"><meta charset="utf-8">' +
                `<title>${/^#+ (.*)/m.exec(text)?.[1] ?? path}</title>` +
                '<meta name="viewport" content="width=device-width, initial-scale=1">' +
                `<link rel="stylesheet" href="${relative(dirname(path), 'about.css')}">` +
                `<main>${linked(html, path)}</main></html>\n`,
        );
    }
    cpSync('LICENSE', join(folder, 'LICENSE.txt'));
    writeFileSync(join(folder, 'about.css'), STYLE);

    /**
     * Links lead to what is here; those to other files of the tree are words alone.
     * @param {string} html
     * @param {string} from
     */
    function linked(html, from) {
        return html.replaceAll(
            /<a href="(?!\w+:|#)([^"#]+)(#[^"]*)?">(.*?)<\/a>/gs,
            (_, href, anchor = '', words) => {
                const to = here.get(join(dirname(from), href));
                if (to === undefined) return words;
                return `<a href="${relative(dirname(from), to)}${anchor}">${words}</a>`;
            },
        );
    }
}

/** Documents of the tree as pages that need no code: about/ of the site. */

import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

import { marked } from 'marked';

/** @param {string} folder */
export function writeAbout(folder) {
    const documents = [
        'README.md',
        ...readdirSync('docs', { recursive: true })
            .map(String)
            .filter((file) => file.endsWith('.md'))
            .map((file) => join('docs', file)),
    ];
    for (const path of documents) write(path, join(folder, path.replace(/\.md$/, '.html')));
    write('web-demo/models/README.md', join(folder, 'models.html'));
    write('web-demo/models/all-minilm-l6-v2.md', join(folder, 'all-minilm-l6-v2.html'));
    cpSync('LICENSE', join(folder, 'LICENSE.txt'));
    cpSync('docs/pictures', join(folder, 'docs/pictures'), { recursive: true });

    /** @param {string} from @param {string} to */
    function write(from, to) {
        const text = readFileSync(from, 'utf8');
        const title = /^#+ (.*)/m.exec(text)?.[1] ?? from;
        const style = relative(dirname(to), join(folder, 'about.css'));
        const body = marked
            .parse(text, { async: false })
            .replaceAll(/(href="(?!\w+:)[^"#]+)\.md(["#])/g, '$1.html$2')
            .replaceAll('href="LICENSE"', 'href="LICENSE.txt"');
        mkdirSync(dirname(to), { recursive: true });
        writeFileSync(
            to,
            '<!doctype html><html lang="en-GB"><meta charset="utf-8">' +
                `<title>${title}</title>` +
                '<meta name="viewport" content="width=device-width, initial-scale=1">' +
                `<link rel="stylesheet" href="${style}"><main>${body}</main></html>\n`,
        );
    }
    writeFileSync(
        join(folder, 'about.css'),
        ':root{color-scheme:light dark}body{font:1.0625rem/1.55 system-ui,sans-serif;margin:0}' +
            'main{max-width:50rem;margin:0 auto;padding:2rem 1rem}pre,table{overflow:auto;' +
            'display:block}td,th{padding:.25rem .75rem .25rem 0;text-align:left}' +
            'img{max-width:100%}\n',
    );
}

/**
 * Coverage by room, from what tools/coverage.sh has counted: llvm-cov's summary of the C code, V8's
 * counts of the bundles, which source maps take apart into files.
 *
 *     node tools/coverage.mjs build/coverage docs/coverage.md
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import { pathToFileURL } from 'node:url';

import coverage from 'monocart-coverage-reports';

/**
 * @typedef {{covered: number, count: number}} Count
 * @typedef {{lines: Count, branches: Count}} Covered
 */

const [counts, page] = process.argv.slice(2);
const ROOT = pathToFileURL('./').href;

/** @returns {[string, Covered][]} */
function native() {
    const { data } = JSON.parse(readFileSync(`${counts}/native.json`, 'utf8'));
    return data[0].files.map((/** @type {any} */ { filename, summary }) => [
        relative('.', filename),
        { lines: summary.lines, branches: summary.branches },
    ]);
}

/** @returns {Promise<[string, Covered][]>} */
async function bundles() {
    const report = new coverage.CoverageReport({
        outputDir: `${counts}/report`,
        reports: ['v8'],
        logging: 'error',
        // The bundles, and sources that tests import as they are.
        entryFilter: (/** @type {{url: string}} */ { url }) =>
            [`${ROOT}build/dist/`, `${ROOT}js/`].some((folder) => url.startsWith(folder)),
        sourceFilter: (/** @type {string} */ path) => /^js\//.test(path),
    });
    await report.addFromDir(`${counts}/js`);
    const { files } = /** @type {any} */ (await report.generate());
    return files.map((/** @type {any} */ { sourcePath, summary: { lines, branches } }) => [
        sourcePath,
        {
            lines: { covered: lines.covered, count: lines.total },
            branches: { covered: branches.covered, count: branches.total },
        },
    ]);
}

/** @param {[string, Covered][]} files */
function byRoom(files) {
    /** @type {Map<string, Covered>} */
    const rooms = new Map();
    for (const [path, { lines, branches }] of files) {
        const whole = /** @type {string} */ (path.split('/')[0]);
        for (const room of new Set([whole, dirname(path)])) {
            const sum = rooms.get(room) ?? {
                lines: { covered: 0, count: 0 },
                branches: { covered: 0, count: 0 },
            };
            add(sum.lines, lines);
            add(sum.branches, branches);
            rooms.set(room, sum);
        }
    }
    return [...rooms].sort(([a], [b]) => (a < b ? -1 : 1));
}

/**
 * @param {Count} sum
 * @param {Count} count
 */
function add(sum, count) {
    sum.covered += count.covered;
    sum.count += count.count;
}

/** @param {Count} count */
function percent({ covered, count }) {
    return count ? `${((100 * covered) / count).toFixed(1)} %` : '';
}

const rooms = byRoom([...native(), ...(await bundles())]);
const rows = rooms.map(([room, { lines, branches }]) => {
    const name = room.includes('/') ? room : `**${room}**`;
    return `| ${name} | ${percent(lines)} | ${lines.count} | ${percent(branches)} |`;
});
const text = `# Coverage

What \`make coverage\` counted last: lines and branches that the C tests and the JavaScript tests
reach. The browser tests, which run \`js/platform/browser.js\` and the page, do not count. Lines are
those that hold code.

| room | lines | of | branches |
| --- | --- | --- | --- |
${rows.join('\n')}
`;
writeFileSync(page, text);
console.log(text);

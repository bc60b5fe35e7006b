/** All that the view shows, in Markdown: for a report of a fault, or to share a measurement. */

import { textsOf, tokensASecond } from './bench.js';

export const ms = (/** @type {number} */ n) => (n < 100 ? n.toFixed(1) : n.toFixed(0));

/** @param {string[][]} rows  the first is the head */
const tableOf = ([head, ...rows]) =>
    [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

/**
 * @param {import('./bench.js').Measured} measured
 * @param {string} browser
 */
export function benchText({ cells, engine, model }, browser) {
    const head = ['tokens', 'texts', 'threads', 'ms a text', 'tokens a second', 'rounds'];
    const rows = cells.map((cell) => [
        String(cell.n_tokens),
        textsOf(cell.n_texts),
        String(cell.threads),
        ms(cell.ms),
        tokensASecond(cell).toFixed(0),
        String(cell.n_rounds),
    ]);
    return `${model} (${engine}), ${browser}\n\n${tableOf([head, ...rows])}\n`;
}

/**
 * @param {object} all
 * @param {[string, string][]} all.facts
 * @param {import('../../js/diagnose/findings.js').Finding[]} all.findings
 * @param {import('./timeline.js').Step[]} all.steps
 * @param {import('./bench.js').Measured | null} all.measured
 */
export function reportText({ facts, findings, steps, measured }) {
    const browser = navigator.userAgent;
    const parts = [
        '## bert-wasm',
        facts.map(([name, value]) => `- ${name}: ${value}`).join('\n'),
        '## Browser',
        `- ${browser}`,
        findings
            .map(({ name, state, found, advice }) => {
                const more = advice && state !== 'good' ? ` (${advice})` : '';
                return `- ${name}: ${state}, ${found}${more}`;
            })
            .join('\n'),
        '## Loading',
        tableOf([
            ['step', 'began, ms', 'took, ms'],
            ...steps.map(({ what, begin, end }) => [
                what,
                begin.toFixed(0),
                (end - begin).toFixed(0),
            ]),
        ]),
    ];
    if (measured) parts.push('## Speed', benchText(measured, browser));
    return `${parts.join('\n\n')}\n`;
}

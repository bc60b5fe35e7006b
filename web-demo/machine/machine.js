/** The view The machine: what computes here, how it came, how fast it is. */

import { copyText, factRows, make, partsOf } from '../shell/dom.js';
import { partOfPage, showFailure } from '../shell/failure.js';
import { freeWords, inMegabytes, inSize, inUnits, inWhole } from '../shell/format.js';
import { whenLoaded } from '../shell/loading.js';
import { freeBytes } from '../shell/storage.js';
import baseline from './baseline.json';
import { measure, textsOf, threadsOf, tokensASecond } from './bench.js';
import html from './machine.html';
import { benchText, ms, reportText } from './report.js';
import { firstAnswer, stepsOf } from './timeline.js';

/** Tokens of a text that can be measured, and those that are unless others are chosen. */
const LENGTHS = [16, 64, 128, 512];
const USUAL = [16, 128];

/** What findings are about, in words. @type {Record<string, string>} */
const FINDINGS = {
    simd: 'SIMD',
    compiler: 'WebAssembly',
    worker: 'Workers',
    'relaxed-simd': 'Relaxed SIMD',
    threads: 'Threads',
    storage: 'Storage',
    checksums: 'Checksums',
};

const STATES = { good: 'good', lesser: 'could be better', missing: 'missing' };

/** @type {import('../shell/views.js').Mount} */
export function mount(section, app) {
    section.innerHTML = html;
    const parts = partsOf(section);
    const { models } = app;

    /** @type {[string, string][]} */
    let facts = [];
    /** @type {import('../../js/diagnose/findings.js').Finding[]} */
    let findings = [];
    /** @type {import('./timeline.js').Step[]} */
    let steps = [];
    /** @type {import('./bench.js').Measured | null} */
    let measured = null;
    let measuring = new AbortController();
    let is_measuring = false;

    // --- what runs ------------------------------------------------------------------------------

    async function showFacts() {
        const classify = /** @type {import('../shell/models.js').Classify} */ (
            await whenLoaded(parts.loading, models, 'classifier')
        );
        const library = await models.library();
        const [info, size] = await Promise.all([classify.model.info(), library.cache.size()]);
        const free = await freeBytes(size);
        facts = [
            ['Library', `bert-wasm ${info.version}`],
            ['Engine', `${info.variant}: ${info.reason}`],
            ['Threads', `${info.threads}: ${info.threads_reason}`],
            ['Isolation', isolation()],
            ['8-bit kernel', info.kernel ? `${info.kernel}: ${info.kernel_reason}` : 'not used'],
            ['Memory', `${inMegabytes(info.memory_bytes)} of the engine`],
            ['Model', `${models.nameOf('classifier')}, ${inMegabytes(info.arrival.total)}`],
            ['Weights', info.dtype],
            ['Checked', info.verified ? 'every part, by SHA-256' : 'not: the page is not https'],
            ['Storage', `models take ${inSize(size.used)}; ${freeWords(free)}`],
        ];
        parts.facts.replaceChildren(...factRows(facts));
        const can_share = !crossOriginIsolated && info.threads === 1;
        parts.isolation.hidden = !(can_share && navigator.hardwareConcurrency > 1);
        parts['reload-way'].hidden = !navigator.serviceWorker;
        parts.ready.hidden = false;
        parts['copy-all'].disabled = false;
        if (!models.isVisitors('classifier')) showSteps(info, classify);
    }

    /**
     * @param {import('../../js/index.js').ModelInfo} info
     * @param {import('../shell/models.js').Classify} classify
     */
    function showSteps(info, classify) {
        steps = stepsOf(models, info);
        const last = Math.max(...steps.map(({ end }) => end));
        parts.steps.replaceChildren(
            ...steps.map(({ what, begin, end }) =>
                make(
                    'tr',
                    {},
                    make('th', { scope: 'row' }, what),
                    make(
                        'td',
                        { className: 'numbers', dataset: { label: 'at' } },
                        `${inWhole(begin)} ms`,
                    ),
                    make(
                        'td',
                        { className: 'numbers', dataset: { label: 'took' } },
                        `${inWhole(end - begin)} ms`,
                    ),
                    make('td', {}, barOf(begin / last, (end - begin) / last)),
                ),
            ),
        );
        const { calls, texts, tokens, latency_ms } = classify.model.metrics();
        const first = firstAnswer(models);
        const first_words = first
            ? `Its first answer took ${ms(first.end - first.begin)} ms. `
            : '';
        parts.since.textContent = calls
            ? first_words +
              `It has read ${inUnits(texts, 'text')} with ${inUnits(tokens, 'token')} in ` +
              `${inUnits(calls, 'call')} so far: half of these took ${ms(latency_ms.p50)} ms at ` +
              `most, nine of ten ${ms(latency_ms.p90)} ms.`
            : 'It has not been asked anything yet.';
    }

    async function showFindings() {
        const { diagnose } = await partOfPage(import('bert-wasm/diagnose'));
        ({ findings } = await diagnose());
        parts.findings.replaceChildren(
            ...findings.map(({ name, state, found, advice }) => {
                const more =
                    advice && state !== 'good' ? make('p', { className: 'hint' }, advice) : '';
                return make(
                    'tr',
                    { dataset: { finding: name, state } },
                    make('th', { scope: 'row' }, FINDINGS[name] ?? name),
                    make('td', {}, STATES[state]),
                    make('td', {}, found, more),
                );
            }),
        );
        parts['findings-table'].hidden = false;
        parts['findings-state'].hidden = true;
    }

    // --- how fast it is -------------------------------------------------------------------------

    const chosen = () =>
        [...parts.lengths.querySelectorAll('input:checked')].map(({ value }) => Number(value));

    async function bench() {
        const lengths = chosen();
        if (!lengths.length) {
            parts.lengths.querySelector('input').focus();
            return app.announce('Choose how many tokens a text has');
        }
        measuring = new AbortController();
        const { signal } = measuring;
        is_measuring = true;
        parts.measure.disabled = true;
        const bar = make('progress', { id: 'machine-progress' });
        const label = make('label', { htmlFor: bar.id }, 'Measuring');
        const words = make('p', { className: 'hint numbers' }, 'Starting …');
        const cancel = make(
            'button',
            { type: 'button', onclick: () => measuring.abort() },
            'Cancel',
        );
        parts.bench.dataset.state = 'working';
        parts.bench.replaceChildren(
            make('div', { className: 'panel machine-working' }, label, bar, words, cancel),
        );
        cancel.focus();
        try {
            const library = await models.library();
            const classify = await models.classifier();
            const { threads } = await classify.model.info();
            measured = await measure(library, {
                lengths,
                n_rounds: Number(parts.rounds.value),
                threads,
                signal,
                onprogress(done, total, what) {
                    Object.assign(bar, { max: total, value: done });
                    words.textContent = `${done} of ${total} done. ${what} …`;
                },
            });
            showMeasured(measured);
            app.announce('Measured');
        } catch (error) {
            if (signal.aborted) {
                parts.bench.dataset.state = 'idle';
                parts.bench.replaceChildren(make('p', { className: 'hint' }, 'Cancelled.'));
                app.announce('Cancelled');
            } else {
                parts.bench.dataset.state = 'failed';
                showFailure(parts.bench, {
                    title: 'It could not be measured',
                    error,
                    action: ['Measure again', bench],
                });
            }
        } finally {
            is_measuring = false;
            parts.measure.disabled = false;
            if (!parts.bench.contains(document.activeElement) && !section.hidden) {
                parts.measure.focus({ preventScroll: true });
            }
        }
    }

    /** @param {import('./bench.js').Measured} result */
    function showMeasured(result) {
        const { cells, engine } = result;
        const fastest = Math.max(...cells.map(tokensASecond));
        const lengths = [...new Set(cells.map(({ n_tokens }) => n_tokens))];
        const bodies = lengths.map((length) =>
            make(
                'tbody',
                {},
                make(
                    'tr',
                    {},
                    make(
                        'th',
                        { scope: 'rowgroup', colSpan: 4 },
                        make('b', {}, `${length} tokens`),
                    ),
                ),
                ...cells.filter(({ n_tokens }) => n_tokens === length).map(rowOf),
            ),
        );
        const head = make(
            'thead',
            {},
            make(
                'tr',
                {},
                ...['What', 'A text', 'In all'].map((name) => make('th', { scope: 'col' }, name)),
                make('td'),
            ),
        );
        const copy = make(
            'button',
            { type: 'button', dataset: { part: 'copy-bench' } },
            'Copy as text',
        );
        copy.onclick = () => copyText(copy, benchText(result, navigator.userAgent));
        const n_rounds = Math.min(...cells.map((cell) => cell.n_rounds));
        const least = `The median of ${inUnits(n_rounds, 'round')} or more; engine: ${engine}.`;
        parts.bench.replaceChildren(
            make('table', { className: 'machine-chart machine-bench' }, head, ...bodies),
            make('div', { className: 'row' }, copy, make('p', { className: 'hint' }, least)),
        );
        parts.bench.dataset.state = 'done';
        showBaseline(cells);

        /** @param {import('./bench.js').Cell} cell */
        function rowOf(cell) {
            const what = `${textsOf(cell.n_texts)}, ${threadsOf(cell.threads)}`;
            return make(
                'tr',
                {},
                make('th', { scope: 'row' }, what[0].toUpperCase() + what.slice(1)),
                make('td', { className: 'numbers' }, `${ms(cell.ms)} ms`),
                make('td', { className: 'numbers' }, `${inWhole(tokensASecond(cell))} tokens/s`),
                make('td', {}, barOf(0, tokensASecond(cell) / fastest)),
            );
        }
    }

    /** @param {import('./bench.js').Cell[]} [cells]  of this device, once measured */
    function showBaseline(cells = []) {
        const lengths = [...new Set(baseline.rows.map(({ n_tokens }) => n_tokens))];
        const own = cells
            .filter(({ n_texts }) => n_texts === 1)
            .map((cell) => ({ runtime: 'bert-wasm on this device', ...cell }));
        /** @type {Map<string, Map<number, number>>} */
        const rows = new Map();
        for (const { runtime, threads, n_tokens, ms } of [...own, ...baseline.rows]) {
            const name = `${runtime}, ${threadsOf(threads)}`;
            rows.set(name, (rows.get(name) ?? new Map()).set(n_tokens, ms));
        }
        const head = ['', ...lengths.map((n) => `${n} tokens`)];
        parts.baseline.replaceChildren(
            make(
                'thead',
                {},
                make(
                    'tr',
                    {},
                    make('td'),
                    ...head.slice(1).map((name) => make('th', { scope: 'col' }, name)),
                ),
            ),
            make(
                'tbody',
                {},
                ...[...rows].map(([name, times]) => {
                    const numbers = lengths.map((length) => {
                        const time = times.get(length);
                        return make('td', {}, time === undefined ? '–' : `${ms(time)} ms`);
                    });
                    const is_own = name.includes('this device');
                    const title = is_own ? make('b', {}, name) : name;
                    return make('tr', {}, make('th', { scope: 'row' }, title), ...numbers);
                }),
            ),
        );
        parts['baseline-about'].textContent =
            `One text at a time, an encoder of the same shape with 8-bit weights, measured by ` +
            `this project on ${baseline.machine}, on ${baseline.date}. It is not this device: ` +
            'compare what stands in its own rows.';
    }

    // --- events ---------------------------------------------------------------------------------

    for (const length of LENGTHS) {
        const id = `machine-length-${length}`;
        const box = make('input', { type: 'checkbox', id, value: String(length) });
        box.checked = USUAL.includes(length);
        const label = make('label', { htmlFor: id }, String(length));
        parts.lengths.append(make('span', { className: 'machine-length' }, box, label));
    }
    parts.form.onsubmit = (/** @type {Event} */ event) => {
        event.preventDefault();
        bench();
    };
    parts.form.onchange = () =>
        app.remember({ tokens: chosen().join(','), rounds: parts.rounds.value });
    parts['copy-all'].onclick = () =>
        copyText(parts['copy-all'], reportText({ facts, findings, steps, measured }));
    parts.reload.onclick = async () => {
        parts.reload.disabled = true;
        parts.reload.textContent = 'Reloading …';
        await navigator.serviceWorker.register('sw.js').catch(() => {});
        await navigator.serviceWorker.ready;
        location.reload();
    };
    showBaseline();

    /** Once is enough, unless it fails. */
    let has_looked = false;

    return {
        show({ tokens, rounds }) {
            if (tokens !== undefined) {
                const wanted = tokens.split(',');
                for (const box of parts.lengths.querySelectorAll('input')) {
                    box.checked = wanted.includes(box.value);
                }
            }
            if (['1', '3', '5', '9'].includes(rounds)) parts.rounds.value = rounds;
            showFacts();
            if (has_looked) return;
            has_looked = true;
            showFindings().catch((error) => {
                has_looked = false;
                showFailure(parts['findings-state'], { title: 'It could not be looked at', error });
            });
        },
        hide() {
            // Other views compute as well: neither would be right.
            if (is_measuring) measuring.abort();
        },
    };
}

/** Why memory can be shared between threads, or cannot. */
function isolation() {
    return crossOriginIsolated
        ? 'yes: the page came with Cross-Origin-Opener-Policy and -Embedder-Policy'
        : 'no: the page came without Cross-Origin-Opener-Policy and -Embedder-Policy';
}

/**
 * A part of a line, drawn. Its numbers stand beside it.
 * @param {number} begin  0 to 1
 * @param {number} length  likewise
 */
function barOf(begin, length) {
    const bar = make('div', { className: 'machine-bar' });
    bar.style.marginInlineStart = `${100 * begin}%`;
    bar.style.width = `${100 * length}%`;
    return make('div', { className: 'machine-track', 'aria-hidden': 'true' }, bar);
}

/**
 * The view Meaning: sentences as points, groups of what is alike, near duplicates, and a search by
 * meaning. The model makes vectors in its worker, projection_worker.js what follows from them; the
 * page's own thread draws.
 */

import { copyText, make, nextFrame, partsOf, saveFile } from '../shell/dom.js';
import { showFailure } from '../shell/failure.js';
import { inHundredths, inPercent, inTime, inUnits, inWhole } from '../shell/format.js';
import { whenLoaded } from '../shell/loading.js';
import { drawMatrix, makeReadable } from '../shell/matrix.js';
import { draw, saveButtons, whenChanged } from '../shell/picture.js';
import { byCentrality, countFrom, cutTree, product } from './clusters.js';
import { drawMap, signOf } from './map.js';
import html from './meaning.html';
import { SAMPLE } from './sample.js';
import { Vectors } from './vectors.js';

/** @typedef {import('./projection_worker.js').Answer} Answer */
/**
 * @typedef {object} Compared  what is shown
 * @property {string[]} sentences
 * @property {Float32Array} data  [n, d]
 * @property {number} d
 * @property {number} n_cut
 * @property {Answer} answer
 */

const MOST_SENTENCES = 5000;

/** So many new sentences are read as they are written; more when asked. */
const AT_ONCE = 100;

/** Characters that a link may hold: longer ones are cut by where they are pasted. */
const MOST_IN_LINK = 3000;
const MOST_IN_MATRIX = 100;
const MOST_PAIRS = 1000;

/** Rows of lists. */
const FEW = 10;
const MANY = 100;
const FOUND = 5;

/** Milliseconds after the last key. */
const PAUSE = 400;
const SHORT_PAUSE = 120;

/** @type {import('../shell/views.js').Mount} */
export function mount(section, app) {
    section.innerHTML = html;
    const parts = partsOf(section);
    const vectors = new Vectors();

    /** @type {Compared | null} */
    let compared = null;
    /** @type {import('./map.js').Group[]} */
    let groups = [];
    /** @type {number[]} */
    let alone = [];
    /** Which group each sentence is in; -1: none. @type {Int32Array} */
    let group_of = new Int32Array();
    /** @type {ReturnType<typeof drawMap> | null} */
    let map = null;
    let mode = 'map';
    let chosen = -1;
    /** @type {number[]} */
    let found = [];
    let running = new AbortController();
    let is_open = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;

    // --- sentences -------------------------------------------------------------------------------

    const linesOf = () =>
        /** @type {string} */ (parts.text.value)
            .split(/\r\n|\r|\n/)
            .map((line) => line.trim())
            .filter(Boolean);

    function countLines() {
        const n = linesOf().length;
        parts.count.textContent =
            n > MOST_SENTENCES
                ? `${inUnits(n, 'sentence')}: the first ${inWhole(MOST_SENTENCES)} are compared.`
                : inUnits(n, 'sentence');
        parts.read.disabled = n < 2;
    }

    /** @param {boolean} [by_hand]  whether it was asked for */
    async function read(by_hand = false) {
        clearTimeout(timer); // what was typed just before is read now
        running.abort();
        running = new AbortController();
        const { signal } = running;
        const sentences = linesOf().slice(0, MOST_SENTENCES);
        countLines();
        remember();
        const is_enough = sentences.length > 1;
        parts.working.replaceChildren();
        show(is_enough ? (compared ? 'full' : 'waiting') : 'empty');
        if (!is_enough) {
            compared = null;
            return;
        }
        /** @type {ReturnType<typeof startProgress> | undefined} */
        let progress;
        try {
            const embed = await whenLoaded(parts.working, app.models, 'embedder');
            if (signal.aborted) return;
            if (!by_hand && vectors.missing(sentences) > AT_ONCE) {
                parts.working.replaceChildren(
                    make('p', { className: 'hint' }, 'They are read when you press the button.'),
                );
                return;
            }
            progress = startProgress(sentences.length);
            const { data, d, n_cut } = await vectors.of(sentences, embed, {
                signal,
                onprogress: progress.read,
            });
            const answer = await ask(data, sentences.length, d, signal, progress.compared);
            progress.end();
            parts.working.replaceChildren();
            compared = { sentences, data, d, n_cut, answer };
            chosen = chosen < sentences.length ? chosen : -1;
            show('full');
            await showAll();
            app.announce(
                `${inUnits(sentences.length, 'sentence')} compared, ` +
                    inUnits(groups.length, 'group'),
            );
            remember();
        } catch (error) {
            if (signal.aborted) return;
            progress?.end();
            show(compared ? 'full' : 'failed');
            showFailure(parts.working, {
                title: 'The sentences could not be compared',
                error,
                action: ['Try again', () => read(true)],
            });
        }
    }

    /** Of small work nothing is shown. @param {number} n */
    function startProgress(n) {
        const { signal } = running;
        const bar = make('progress', { 'aria-label': 'Comparing' });
        const words = make('p', { className: 'hint numbers' }, 'Reading …');
        const cancel = make('button', { type: 'button', onclick: stop }, 'Cancel');
        const timer = setTimeout(
            () => parts.working.replaceChildren(make('div', {}, bar, words, cancel)),
            n > AT_ONCE ? 0 : PAUSE,
        );
        const begin = performance.now();
        signal.addEventListener('abort', () => clearTimeout(timer));
        return {
            end: () => clearTimeout(timer),
            read(/** @type {number} */ done, /** @type {number} */ total) {
                if (signal.aborted) return;
                bar.max = total;
                bar.value = done;
                const seconds = (performance.now() - begin) / 1000;
                const left =
                    done && seconds > 1
                        ? `, ${inTime((seconds / done) * (total - done))} left`
                        : '';
                words.textContent = `Read: ${inWhole(done)} of ${inWhole(total)}${left}`;
            },
            compared(/** @type {number} */ share) {
                bar.max = 1;
                bar.value = share;
                words.textContent = `Comparing all with all: ${inPercent(share)}`;
            },
        };
    }

    function stop() {
        running.abort();
        const n_left = vectors.missing(linesOf().slice(0, MOST_SENTENCES));
        parts.working.replaceChildren(
            make(
                'p',
                { className: 'hint' },
                n_left
                    ? `Stopped. ${inUnits(n_left, 'sentence')} are still to be read; what was ` +
                          'read is kept until this page is closed.'
                    : 'Stopped.',
            ),
        );
        parts.read.focus();
        app.announce('Stopped');
    }

    /**
     * @param {Float32Array} data
     * @param {number} n
     * @param {number} d
     * @param {AbortSignal} signal
     * @param {(share: number) => void} onprogress
     * @returns {Promise<Answer>}
     */
    function ask(data, n, d, signal, onprogress) {
        const worker = new Worker(new URL('./projection_worker.js', import.meta.url), {
            type: 'module',
        });
        const answer = new Promise((resolve, reject) => {
            worker.onmessage = ({ data: { progress, answer, error } }) => {
                if (answer) resolve(answer);
                else if (error) reject(new Error(error));
                else onprogress(progress);
            };
            worker.onerror = ({ message }) =>
                reject(new Error(message ?? 'a part of the page did not come'));
            signal.addEventListener('abort', () => reject(signal.reason));
        }).finally(() => worker.terminate());
        worker.postMessage({ vectors: data, n, d, most_pairs: MOST_PAIRS });
        return /** @type {Promise<Answer>} */ (answer);
    }

    // --- what is shown ---------------------------------------------------------------------------

    /** @param {'empty' | 'waiting' | 'full' | 'failed'} state */
    function show(state) {
        section.dataset.state = state;
        parts.empty.hidden = state !== 'empty';
        parts.full.hidden = state !== 'full';
        parts.of_groups.hidden = state !== 'full';
        parts.of_pairs.hidden = state !== 'full';
    }

    async function showAll() {
        for (const part of [showGroups, showPairs, search, showPicture]) {
            await part();
            await nextFrame();
        }
    }

    function showGroups() {
        if (!compared) return;
        const { sentences, data, d, answer } = compared;
        const n = sentences.length;
        const threshold = Number(parts.threshold.value) / 100;
        parts.threshold_words.textContent = inHundredths(threshold);
        const all = cutTree(answer.merges, n, threshold);
        groups = all
            .filter(({ length }) => length > 1)
            .map((members) => {
                const central = byCentrality(members, data, d);
                return { members: central, name: sentences[central[0]] };
            });
        alone = all.filter(({ length }) => length === 1).flat();
        group_of = new Int32Array(n).fill(-1);
        groups.forEach(({ members }, index) => {
            for (const i of members) group_of[i] = index;
        });
        parts.groups_words.textContent =
            `${inUnits(groups.length, 'group')}, each named by its most central sentence; ` +
            `${inUnits(alone.length, 'sentence')} in no group.`;
        parts.groups.replaceChildren(
            ...groups
                .slice(0, MANY)
                .map(({ members, name }, index) => groupOf(members, name, index)),
        );
        if (groups.length > MANY) {
            const n_more = inUnits(groups.length - MANY, 'smaller group');
            parts.groups.append(make('p', { className: 'hint' }, `And ${n_more}.`));
        }
    }

    /** @param {number[]} members @param {string} name @param {number} index */
    function groupOf(members, name, index) {
        const list = make('ol', {});
        const element = make(
            'details',
            {
                className: 'meaning-group',
                ontoggle: () => {
                    if (list.childElementCount || !compared) return;
                    const { sentences } = compared;
                    list.append(
                        ...members
                            .slice(0, MANY)
                            .map((i) => make('li', { dir: 'auto' }, sentences[i])),
                    );
                    if (members.length > MANY) {
                        list.append(make('li', {}, `And ${inWhole(members.length - MANY)} more`));
                    }
                },
            },
            make(
                'summary',
                {},
                signOfGroup(index),
                make('span', { dir: 'auto', className: 'meaning-name' }, name),
                make('span', { className: 'hint numbers' }, ` ${inWhole(members.length)}`),
            ),
            list,
        );
        return element;
    }

    /** @param {number} index */
    function signOfGroup(index) {
        const { d, fill } = signOf(index, 6);
        const sign = draw('svg', { viewBox: '-10 -10 20 20', width: 20, height: 20 });
        sign.setAttribute('aria-hidden', 'true');
        sign.append(draw('path', { d: `M0 0${d}`, fill }));
        return sign;
    }

    function showPairs() {
        if (!compared) return;
        const { sentences, answer } = compared;
        const hundredths = Number(parts.duplicates.value);
        const least = hundredths / 100 - 1e-6;
        parts.duplicates_words.textContent = inHundredths(hundredths / 100);
        const count = countFrom(answer.counts, hundredths);
        const n_rows = Math.min(MANY, Math.max(FEW, count));
        const pairs = answer.pairs.slice(0, n_rows);
        parts.pairs_words.textContent =
            (count
                ? `${inUnits(count, 'pair')} of near duplicates`
                : 'No two sentences are so alike') +
            (count > n_rows ? `, of which the first ${inWhole(n_rows)} are listed.` : '.');
        parts.pairs_rows.replaceChildren(
            ...pairs.map(({ a, b, similarity }) =>
                make(
                    'tr',
                    {},
                    make(
                        'td',
                        { className: 'numbers' },
                        inHundredths(similarity),
                        ...(similarity >= least
                            ? [make('span', { className: 'meaning-mark' }, 'near duplicate')]
                            : []),
                    ),
                    make(
                        'td',
                        {},
                        make('p', { dir: 'auto' }, sentences[a]),
                        make('p', { dir: 'auto' }, sentences[b]),
                    ),
                ),
            ),
        );
    }

    // --- pictures --------------------------------------------------------------------------------

    const footer = () =>
        `${compared ? inUnits(compared.sentences.length, 'sentence') : ''}, ` +
        `${app.models.nameOf('embedder')}, bert-wasm`;

    async function showPicture() {
        if (!compared || parts.picture.clientWidth === 0) return;
        for (const button of section.querySelectorAll('[data-mode]')) {
            const is_chosen = /** @type {HTMLElement} */ (button).dataset.mode === mode;
            button.setAttribute('aria-pressed', String(is_chosen));
        }
        const is_full = compared;
        if (mode === 'matrix') await showMatrix();
        else showMap();
        if (compared === is_full) section.dataset.shown = mode;
    }

    function showMap() {
        if (!compared) return;
        const { sentences, answer } = compared;
        map = drawMap({
            points: answer.points,
            sentences,
            groups,
            alone,
            width: parts.picture.clientWidth,
            title: 'Sentences by meaning',
            footer: footer(),
        });
        const { svg } = map;
        svg.setAttribute('role', 'application');
        svg.setAttribute('aria-roledescription', 'map');
        svg.setAttribute(
            'aria-label',
            `A map of ${inUnits(sentences.length, 'sentence')}. The arrow keys go from one to ` +
                'the next, group by group.',
        );
        svg.setAttribute('tabindex', '0');
        const order = [...groups.flatMap(({ members }) => members), ...alone];
        const onpointer = (/** @type {PointerEvent} */ { clientX, clientY }) => {
            const i = map?.nearest(clientX, clientY) ?? -1;
            if (i >= 0) look(i);
        };
        svg.addEventListener('pointermove', onpointer);
        svg.addEventListener('pointerdown', (event) => {
            onpointer(event);
            choose(map?.nearest(event.clientX, event.clientY) ?? -1);
        });
        svg.addEventListener('pointerleave', () => look(chosen));
        svg.addEventListener('focus', () => {
            if (svg.matches(':focus-visible') && chosen < 0) choose(order[0], true);
        });
        svg.addEventListener('keydown', (event) => {
            const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
            const step = steps[/** @type {keyof typeof steps} */ (event.key)];
            if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
            event.preventDefault();
            const at = order.indexOf(chosen);
            choose(
                order[(Math.max(at, 0) + (at < 0 ? 0 : step) + order.length) % order.length],
                true,
            );
        });
        parts.picture.replaceChildren(svg);
        map.ring(found);
        look(chosen);
    }

    /** @param {number} i @param {boolean} [by_key] */
    function choose(i, by_key = false) {
        chosen = i;
        const words = look(i);
        if (by_key) app.announce(words);
        remember();
    }

    /** Shows a sentence of the map and those most alike. @param {number} i */
    function look(i) {
        map?.mark(i);
        const words = i < 0 || !compared ? wordsOfMap() : wordsOf(i);
        parts.readout.textContent = words;
        return words;
    }

    function wordsOfMap() {
        if (!compared) return '';
        const { answer, n_cut } = compared;
        const share = inPercent(answer.share[0] + answer.share[1]);
        const cut = n_cut
            ? ` ${inUnits(n_cut, 'sentence')} had more words than the model reads, and were cut.`
            : '';
        return (
            `Point at a sentence, tap it, or use the arrow keys. The map is flat: it shows ` +
            `${share} of how the sentences differ (their two principal components), so ` +
            `neighbours on it are not always alike; the groups use all of it.${cut}`
        );
    }

    /** @param {number} i */
    function wordsOf(i) {
        if (!compared) return '';
        const { sentences, data, d } = compared;
        let best = -1;
        let most = -Infinity;
        for (let other = 0; other < sentences.length; other++) {
            if (other === i) continue;
            const similarity = product(data, i * d, other * d, d);
            if (similarity > most) [best, most] = [other, similarity];
        }
        const group = groups[group_of[i]];
        const where = group
            ? `, one of ${inWhole(group.members.length)} in the group of “${group.name}”`
            : ', in no group';
        return (
            `“${sentences[i]}”${where}. Most like it, by ${inHundredths(most)}: ` +
            `“${sentences[best]}”`
        );
    }

    async function showMatrix() {
        if (!compared) return;
        const { sentences, data, d } = compared;
        const n = sentences.length;
        map = null;
        if (n > MOST_IN_MATRIX) {
            parts.picture.replaceChildren(
                make(
                    'p',
                    { className: 'panel hint' },
                    `A matrix of more than ${inWhole(MOST_IN_MATRIX)} sentences cannot be read: ` +
                        'these are shown as a map, groups and pairs.',
                ),
            );
            parts.readout.textContent = '';
            return;
        }
        const order = [...groups.flatMap(({ members }) => members), ...alone];
        const values = new Float32Array(n * n);
        order.forEach((i, row) => {
            order.forEach((j, column) => {
                values[row * n + column] = product(data, i * d, j * d, d);
            });
        });
        let at = 0;
        const begins = groups.map(({ members }) => (at += members.length));
        const drawn = await drawMatrix({
            title: 'How alike any two sentences are',
            footer: footer(),
            labels: order.map((i) => sentences[i]),
            values,
            tint: (value) => Math.max(0, value),
            legend: [0, 0.25, 0.5, 0.75, 1].map((value) => [inHundredths(value), value]),
            rows: 'sentences, group by group',
            columns: 'the same',
            width: Math.min(parts.picture.clientWidth, 820),
            groups: begins.filter((begin) => begin < n),
        });
        if (mode !== 'matrix' || compared?.sentences !== sentences) return;
        const words =
            'Point at a cell, tap it, or use the arrow keys. 1 is the same meaning, 0 is nothing ' +
            'in common; lines part the groups.';
        makeReadable(drawn, {
            n,
            label: `A matrix of ${inUnits(n, 'sentence')}.`,
            look(row, column, by_key) {
                parts.readout.textContent =
                    `${inHundredths(values[row * n + column])}: “${sentences[order[row]]}” and ` +
                    `“${sentences[order[column]]}”`;
                if (by_key) app.announce(parts.readout.textContent);
            },
            leave: () => {
                parts.readout.textContent = words;
            },
        });
        parts.picture.replaceChildren(drawn.svg);
        parts.readout.textContent = words;
    }

    // --- search ----------------------------------------------------------------------------------

    let n_searches = 0;
    async function search() {
        const query = parts.query.value.trim();
        const mine = ++n_searches;
        if (!compared || !query) {
            found = [];
            parts.found.hidden = true;
            map?.ring([]);
            return;
        }
        const { sentences, data, d } = compared;
        const embed = await app.models.embedder();
        const { semanticSearch } = await app.models.library();
        const signal = new AbortController().signal;
        const { data: row } = await vectors.of([query], embed, { signal, onprogress: () => {} });
        const best = await semanticSearch(
            { dims: [d], data: row },
            { dims: [sentences.length, d], data },
            { top_k: FOUND, score: 'dot' },
        );
        if (mine !== n_searches || compared?.data !== data) return;
        found = best.map(({ corpus_id }) => corpus_id);
        parts.found.hidden = false;
        parts.found.replaceChildren(
            ...best.map(({ corpus_id, score }) =>
                make(
                    'li',
                    {},
                    make('span', { className: 'numbers' }, inHundredths(score)),
                    make('span', { dir: 'auto' }, sentences[corpus_id]),
                ),
            ),
        );
        map?.ring(found);
    }

    // --- the address, files ----------------------------------------------------------------------

    function remember() {
        if (!is_open) return;
        const text = parts.text.value;
        const state = {
            ...(text === SAMPLE || text.length > MOST_IN_LINK ? {} : { text }),
            ...(parts.query.value ? { find: parts.query.value } : {}),
            ...(parts.threshold.value === '15' ? {} : { groups: parts.threshold.value }),
            ...(parts.duplicates.value === '80' ? {} : { duplicates: parts.duplicates.value }),
            ...(mode === 'map' ? {} : { mode }),
            ...(chosen < 0 ? {} : { sentence: String(chosen + 1) }),
        };
        app.remember(state);
        link.disabled = text.length > MOST_IN_LINK;
        link.title = link.disabled ? 'The sentences are too long for a link.' : '';
    }

    function csv() {
        if (!compared) return '';
        const { sentences, answer } = compared;
        const quoted = (/** @type {string} */ text) => `"${text.replaceAll('"', '""')}"`;
        const rows = sentences.map((sentence, i) => {
            const group = group_of[i];
            const [number, name] = group < 0 ? ['', ''] : [group + 1, quoted(groups[group].name)];
            const [x, y] = [answer.points[2 * i], answer.points[2 * i + 1]];
            return [quoted(sentence), number, name, x.toFixed(6), y.toFixed(6)].join(',');
        });
        return ['sentence,group,group_name,x,y', ...rows, ''].join('\r\n');
    }

    /** @param {File} file */
    async function openFile(file) {
        setText(await file.text());
        read(true);
    }

    /** @param {string} text */
    function setText(text) {
        parts.text.value = text;
        chosen = -1;
    }

    const link = make(
        'button',
        { type: 'button', dataset: { part: 'link' }, onclick: () => copyText(link, location.href) },
        'Copy link',
    );
    parts.saving.append(
        ...saveButtons(
            () => parts.picture.querySelector('svg'),
            () => `sentences-${mode}`,
            app.announce,
        ),
        make(
            'button',
            {
                type: 'button',
                dataset: { save: 'csv' },
                onclick: () => saveFile(new Blob([csv()], { type: 'text/csv' }), 'sentences.csv'),
            },
            'Save as CSV',
        ),
        link,
    );

    parts.text.oninput = () => {
        countLines();
        running.abort();
        clearTimeout(timer);
        chosen = -1;
        timer = setTimeout(read, PAUSE);
    };
    parts.read.onclick = () => read(true);
    parts.sample.onclick = () => {
        setText(SAMPLE);
        read(true);
    };
    parts.open.onclick = () => parts.file.click();
    parts.file.onchange = () => {
        const [file] = parts.file.files;
        if (file) openFile(file);
        parts.file.value = '';
    };
    parts.ask.ondragover = (/** @type {DragEvent} */ event) => {
        if (event.dataTransfer?.types.includes('Files')) event.preventDefault();
    };
    parts.ask.ondrop = (/** @type {DragEvent} */ event) => {
        const file = event.dataTransfer?.files[0];
        if (!file) return;
        event.preventDefault();
        openFile(file);
    };
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let search_timer;
    parts.query.oninput = () => {
        clearTimeout(search_timer);
        search_timer = setTimeout(async () => {
            remember();
            await search().catch(() => {}); // a model that is gone says so where sentences are read
            if (found.length) app.announce(`${inUnits(found.length, 'sentence')} found`);
        }, SHORT_PAUSE);
    };
    let is_drawing = false;
    parts.threshold.oninput = async () => {
        parts.threshold_words.textContent = inHundredths(Number(parts.threshold.value) / 100);
        if (is_drawing) return;
        is_drawing = true;
        await nextFrame();
        is_drawing = false;
        showGroups();
        await nextFrame();
        await showPicture();
        remember();
    };
    parts.duplicates.oninput = () => {
        showPairs();
        remember();
    };
    for (const button of section.querySelectorAll('[data-mode]')) {
        button.addEventListener('click', () => {
            mode = /** @type {HTMLElement} */ (button).dataset.mode ?? 'map';
            remember();
            showPicture();
        });
    }
    whenChanged(parts.picture, () => showPicture());

    const showModel = () => {
        parts.model.textContent = app.models.nameOf('embedder');
        parts.size.textContent = app.models.isVisitors('embedder')
            ? 'is your own.'
            : 'has 24 MB: it comes once and is kept on this device.';
    };
    app.models.addEventListener('change', (event) => {
        if (/** @type {CustomEvent} */ (event).detail.kind !== 'embedder') return;
        showModel();
        running.abort();
        vectors.forget();
        compared = null;
        if (is_open) read();
    });
    showModel();

    return {
        show(state) {
            is_open = true;
            const is_new = Object.keys(state).length > 0 || !section.dataset.state;
            if (is_new) {
                setText(state.text ?? SAMPLE);
                parts.query.value = state.find ?? '';
                parts.threshold.value = state.groups ?? '15';
                parts.duplicates.value = state.duplicates ?? '80';
                mode = state.mode === 'matrix' ? 'matrix' : 'map';
                chosen = Math.min(Number(state.sentence ?? 0), linesOf().length) - 1;
            }
            if (is_new || !compared) read();
            else remember();
        },
        hide() {
            is_open = false;
        },
    };
}

/**
 * The view Inside: the pieces of a text, where each looks, how alike they become, and what the
 * answer rests on. The model computes in its worker; here it is drawn, some rows at a time.
 */

import { copyText, make, nextFrame, partsOf } from '../shell/dom.js';
import { pageCode, showFailure } from '../shell/failure.js';
import { inHundredths, inPercent, inUnits, inWhole } from '../shell/format.js';
import { whenLoaded } from '../shell/loading.js';
import { drawMatrix, makeReadable } from '../shell/matrix.js';
import { saveButtons, whenChanged } from '../shell/picture.js';
import { wordOf } from '../shell/tone.js';
import html from './inside.html';
import { drawBars, drawLines, drawOverview, MOST_ROWS, tintOfWeight, WEIGHTS } from './pictures.js';
import { Reading, THUMBNAIL } from './reading.js';

/** @typedef {import('../shell/models.js').Kind} Kind */
/** @typedef {'lines' | 'matrix' | 'states' | 'answer'} Mode */

/** What there is to try. @type {{text: string, pair?: string}[]} */
const SAMPLES = [
    { text: 'I expected a dull evening, but the film was wonderful.' },
    { text: "The animal didn't cross the street because it was too tired." },
    { text: "Unbelievably, the antidisestablishmentarians weren't unenthusiastic." },
    { text: 'The bank raised its rates, so we sat down on the bank of the river.' },
    { text: 'A man is playing the guitar.', pair: 'Somebody makes music.' },
];

/** In the page's own classifier this one looks for what turns the sentence. */
const FIRST = { layer: 6, head: 3 };

const MODES = /** @type {Mode[]} */ (['lines', 'matrix', 'states', 'answer']);

/** What is said above each picture. @type {Record<Mode, string>} */
const ABOUT = {
    lines:
        'Left the pieces that look, right those that they look at: the wider a line, the more of ' +
        'their attention it has. Special pieces take what a head has no other use for.',
    matrix: 'Each row is a piece that looks: its weights make 100% together.',
    states:
        'How alike what the model knows of any two pieces is behind a layer: the cosine of their ' +
        'hidden states. Pieces begin as words of a dictionary, and end as parts of this text.',
    answer:
        'Each piece is hidden in turn: a bar is what the answer’s log-odds lose by it. ' +
        'Where several pieces say the same, each has a short bar.',
};
const ABOUT_FLOW =
    'Rollout follows attention through all layers: what of each piece has come into each piece ' +
    'of the last layer, all heads taken together.';

/** Most pieces that are weighed as they are written, and shown without being asked for. */
const MOST_AT_ONCE = 64;
const MOST_CHIPS = 128;

/** Of the pieces that one looks at, so many are said. */
const N_SAID = 5;
const MOST_IN_LINK = 3000;
const PAUSE = 250;
const CHIPS_AT_ONCE = 64;

/** Milliseconds after which what takes long says so. */
const PATIENCE = 300;

/** @type {import('../shell/views.js').Mount} */
export function mount(section, app) {
    section.innerHTML = html;
    const parts = partsOf(section);

    /** @type {Reading | null} */
    let reading = null;
    /** @type {HTMLButtonElement[]} */
    let chips = [];
    /** @type {{words: (i: number) => string, weights: (i: number) => Float32Array | null,
     *   show: (i: number) => void} | null} */
    let shown = null;
    /** @type {Awaited<ReturnType<typeof drawOverview>> | null} */
    let overview = null;
    /** @type {(Float32Array[] | null)[]} */
    let thumbnails = [];

    let running = new AbortController();
    let is_open = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    let n_drawn = 0;

    /** What the address has; layer and head from 1. */
    const view = {
        kind: /** @type {Kind} */ ('classifier'),
        mode: /** @type {Mode} */ ('lines'),
        layer: FIRST.layer,
        head: /** @type {number | null} */ (FIRST.head),
        has_flow: false,
        chosen: -1,
        first: 0,
    };

    const inputOf = () => {
        const [text, text_pair] = [parts.text.value.trim(), parts.pair.value.trim()];
        return text_pair ? { text, text_pair } : { text };
    };

    // --- reading a text --------------------------------------------------------------------------

    async function read() {
        clearTimeout(timer);
        running.abort();
        running = new AbortController();
        const { signal } = running;
        remember();
        const input = inputOf();
        parts.working.replaceChildren();
        if (!input.text) {
            reading = null;
            show('empty');
            return;
        }
        /** @type {ReturnType<typeof showWork> | undefined} */
        let work;
        try {
            const pipe = await whenLoaded(parts.working, app.models, view.kind);
            nameModels();
            if (signal.aborted) return;
            work = showWork('Reading …', stop);
            const explain = /** @type {import('./reading.js').Explain} */ (
                /** @type {unknown} */ (
                    await import('bert-wasm/explain').catch((error) =>
                        Promise.reject(pageCode(error)),
                    )
                )
            );
            const read = await Reading.of(pipe, explain, input, signal, view.layer - 1);
            work.done();
            reading = read;
            view.layer = Math.min(view.layer, read.n_layers);
            view.head = view.head === null ? null : Math.min(view.head, read.n_heads);
            view.chosen = Math.min(view.chosen, read.n - 1);
            view.first = 0;
            thumbnails = new Array(read.n_layers).fill(null);
            show('full');
            fillSelects();
            await showPieces(signal);
            await showPicture();
            await showOverview(signal);
        } catch (error) {
            if (signal.aborted) return;
            work?.done();
            reading = null;
            show('failed');
            showFailure(parts.working, {
                title: 'The text could not be read',
                error,
                ...(error.code === 'PAGE_CODE' ? {} : { action: ['Try again', read] }),
            });
        }
    }

    function stop() {
        running.abort();
        parts.working.replaceChildren(
            make('p', { className: 'hint' }, 'Stopped. It goes on when you change the text.'),
        );
        app.announce('Stopped');
    }

    /**
     * Says that something takes long, once it does.
     * @param {string} words
     * @param {() => void} cancel
     * @param {HTMLElement} [place]
     */
    function showWork(words, cancel, place = parts.working) {
        const bar = make('progress', { 'aria-label': words });
        const element = make(
            'div',
            { className: 'inside-work' },
            bar,
            make('p', { className: 'hint' }, words),
            make('button', { type: 'button', onclick: cancel }, 'Cancel'),
        );
        const { signal } = running;
        const timer = setTimeout(() => {
            if (!signal.aborted) place.replaceChildren(element);
        }, PATIENCE);
        signal.addEventListener('abort', () => clearTimeout(timer));
        return {
            /** @param {{done: number, total: number}} progress */
            step({ done, total }) {
                bar.max = total;
                bar.value = done;
            },
            done() {
                clearTimeout(timer);
                element.remove();
            },
        };
    }

    /** @param {'empty' | 'full' | 'failed'} state */
    function show(state) {
        section.dataset.state = state;
        delete section.dataset.shown;
        delete section.dataset.overview;
        parts.empty.hidden = state !== 'empty';
        parts.full.hidden = state !== 'full';
    }

    // --- pieces ----------------------------------------------------------------------------------

    /** A piece as it is said. @param {number} i */
    const said = (i) => {
        const { token, special } = /** @type {Reading} */ (reading).pieces[i];
        return special ? token : `“${token}”`;
    };

    /** @param {AbortSignal} signal */
    async function showPieces(signal) {
        if (!reading) return;
        const { n, pieces, is_cut } = reading;
        const n_special = pieces.filter(({ special }) => special).length;
        parts.pieces_words.textContent =
            `${inUnits(n, 'piece')}, ${inWhole(n_special)} of them special. Under each are its ` +
            'number in the vocabulary and its place in the text.' +
            (is_cut ? ` The text is longer than the model reads: the first ${n} pieces.` : '');
        chips = [];
        parts.pieces.replaceChildren();
        await addPieces(0, Math.min(n, MOST_CHIPS), signal);
        if (n <= MOST_CHIPS || signal.aborted) return;
        const all = make(
            'button',
            {
                type: 'button',
                className: 'plain',
                dataset: { part: 'all' },
                onclick: async () => {
                    all.disabled = true;
                    await addPieces(MOST_CHIPS, n, signal, all);
                    if (!signal.aborted) chips[MOST_CHIPS].focus();
                    all.remove();
                },
            },
            `Show all ${inWhole(n)} pieces`,
        );
        parts.pieces.append(all);
    }

    /**
     * @param {number} from
     * @param {number} to
     * @param {AbortSignal} signal
     * @param {HTMLElement | null} [before]
     */
    async function addPieces(from, to, signal, before = null) {
        for (let first = from; first < to; first += CHIPS_AT_ONCE) {
            if (first) await nextFrame();
            if (signal.aborted || !reading) return;
            const added = reading.pieces
                .slice(first, Math.min(first + CHIPS_AT_ONCE, to))
                .map((piece, i) => chipOf(piece, first + i));
            chips.push(...added);
            for (const chip of added) parts.pieces.insertBefore(chip, before);
        }
        if (from === 0) rove(Math.max(0, view.chosen));
    }

    /** @param {import('./reading.js').Piece} piece @param {number} i */
    function chipOf({ token, id, start, end, sequence, special }, i) {
        const place = special ? 'special' : `${start}–${end}`;
        const pair = sequence === 1 ? ', second text' : '';
        return make(
            'button',
            {
                type: 'button',
                className: 'inside-piece',
                tabIndex: -1,
                dataset: {
                    piece: String(i),
                    kind: special ? 'special' : sequence === 1 ? 'second' : 'first',
                },
                'aria-pressed': String(i === view.chosen),
            },
            make('span', { className: 'inside-token', dir: 'auto' }, token),
            make('span', { className: 'unseen' }, ', number '),
            make('span', { className: 'inside-id numbers' }, id === null ? '–' : String(id)),
            make('span', { className: 'unseen' }, special ? ', ' : `${pair}, characters `),
            make('span', { className: 'inside-id numbers' }, place),
        );
    }

    /** The one piece that the tab key stops at. @param {number} i */
    function rove(i) {
        for (const chip of parts.pieces.querySelectorAll('[tabindex="0"]')) chip.tabIndex = -1;
        if (chips.length) chips[Math.min(i, chips.length - 1)].tabIndex = 0;
    }

    /** Keeps a piece chosen, or lets it go. @param {number} i */
    function choose(i) {
        view.chosen = i === view.chosen ? -1 : i;
        chips.forEach((chip, each) => {
            chip.setAttribute('aria-pressed', String(each === view.chosen));
        });
        if (view.chosen >= 0) {
            rove(view.chosen);
            const first = Math.floor(view.chosen / MOST_ROWS) * MOST_ROWS;
            if (first !== view.first) {
                view.first = first;
                showPicture();
            }
        }
        app.announce(look(view.chosen));
        remember();
    }

    /** Shows where a piece looks; -1: no piece. @param {number} i */
    function look(i) {
        const weights = i < 0 ? null : (shown?.weights(i) ?? null);
        const most = weights ? Math.max(0.05, ...weights.map(Math.abs)) : 1;
        chips.forEach((chip, each) => {
            const weight = weights?.[each] ?? 0;
            const percent = Math.round((100 * Math.abs(weight)) / most);
            const shade = percent < 2 ? '' : `${percent}%`;
            // Only what changes: each change is work for the browser.
            if (chip.style.getPropertyValue('--weight') !== shade) {
                chip.style.setProperty('--weight', shade);
                chip.dataset.sign = weight < 0 ? 'less' : 'more';
            }
        });
        parts.pieces.querySelector('.inside-looks')?.classList.remove('inside-looks');
        chips[i]?.classList.add('inside-looks');
        shown?.show(i);
        const words = shown?.words(i) ?? '';
        parts.readout.textContent = words;
        return words;
    }

    /** A pointer that crosses pieces shows the last one of each frame. */
    let pointed = -1;
    let is_pointed = false;
    /** @param {number} i */
    async function lookSoon(i) {
        pointed = i;
        if (is_pointed) return;
        is_pointed = true;
        await nextFrame();
        is_pointed = false;
        look(pointed);
    }

    /** @param {Float32Array} weights  of a row @param {number[]} [but]  those that are not said */
    function strongest(weights, but = []) {
        return Array.from(weights, (weight, i) => ({ weight, i }))
            .filter(({ i }) => !but.includes(i))
            .sort((a, b) => b.weight - a.weight || a.i - b.i)
            .slice(0, N_SAID);
    }

    // --- the picture -----------------------------------------------------------------------------

    const heading = () => {
        if (view.has_flow) return 'Attention through all layers (rollout)';
        const head = view.head === null ? 'the mean of all heads' : `head ${view.head}`;
        return `Attention in layer ${view.layer}, ${head}`;
    };

    const footer = () => {
        const { text, text_pair } = inputOf();
        const pair = text_pair ? ` + “${short(text_pair)}”` : '';
        return `“${short(text)}”${pair}, ${app.models.nameOf(view.kind)}, bert-wasm`;
    };

    async function showPicture() {
        if (!reading || parts.picture.clientWidth === 0) return;
        const mine = ++n_drawn;
        const isLate = () => mine !== n_drawn;
        const { mode } = view;
        delete section.dataset.shown;
        showControls();
        const current = reading;
        const work = showWork('Computing …', stop);
        try {
            if (mode === 'answer') await showAnswer(current, isLate);
            else if (mode === 'states') await showStates(current, isLate);
            else await showAttention(current, isLate);
        } finally {
            work.done();
        }
        if (isLate() || current !== reading) return;
        look(view.chosen);
        section.dataset.shown = mode;
    }

    function showControls() {
        if (!reading) return;
        const { mode, has_flow } = view;
        for (const button of section.querySelectorAll('[data-mode]')) {
            const is_chosen = /** @type {HTMLElement} */ (button).dataset.mode === mode;
            button.setAttribute('aria-pressed', String(is_chosen));
        }
        const is_attention = mode === 'lines' || mode === 'matrix';
        parts.where.hidden = mode === 'answer';
        for (const each of [parts.head_choice, parts.flow_label]) {
            each.hidden = !is_attention;
        }
        parts.layer.options[0].hidden = is_attention;
        parts.layer.options[0].disabled = is_attention;
        if (is_attention) view.layer = Math.max(1, view.layer);
        parts.layer.disabled = is_attention && has_flow;
        parts.head.disabled = has_flow;
        parts.layer.value = String(view.layer);
        parts.head.value = String(view.head ?? 'mean');
        parts.flow.checked = has_flow;
        parts.about.textContent = is_attention && has_flow ? ABOUT_FLOW : ABOUT[mode];
        const { n } = reading;
        const has_pages = n > MOST_ROWS && (mode === 'lines' || mode === 'answer');
        parts.pages.hidden = !has_pages;
        const last = Math.min(n, view.first + MOST_ROWS);
        const [first, end, all] = [view.first + 1, last, n].map(inWhole);
        parts.pages_words.textContent = `Drawn: pieces ${first} to ${end} of ${all}`;
        parts.earlier.disabled = view.first === 0;
        parts.later.disabled = last === n;
        overview?.mark(
            view.layer - 1,
            is_attention && !has_flow ? view.head && view.head - 1 : null,
        );
    }

    /** @param {Reading} current @param {() => boolean} isLate */
    async function showAttention(current, isLate) {
        const { n, pieces } = current;
        const { mode, has_flow, head, first } = view;
        const map = await (has_flow
            ? current.flow()
            : current.map(view.layer - 1, head === null ? null : head - 1));
        if (isLate()) return;
        const rowOf = (/** @type {number} */ i) => map.subarray(i * n, (i + 1) * n);
        const looks = has_flow ? 'holds, in the last layer,' : 'looks at';
        const words = (/** @type {number} */ i) => {
            if (i < 0) return HOW_TO;
            const list = strongest(rowOf(i)).map(
                (each) => `${said(each.i)} ${inPercent(each.weight)}`,
            );
            return `${said(i)} (piece ${inWhole(i + 1)}) ${looks} ${list.join(', ')}`;
        };
        const labels = pieces.map(({ token }) => token);
        const titles = { title: heading(), footer: footer(), width: parts.picture.clientWidth };
        if (mode === 'lines') {
            const drawn = drawLines({
                ...titles,
                labels: labels.slice(first, first + MOST_ROWS),
                first,
                weights: map,
                n,
                heads: has_flow ? ['last layer', 'pieces'] : ['looks', 'is looked at'],
            });
            const { svg, pieceAt } = drawn;
            svg.setAttribute('role', 'img');
            svg.setAttribute(
                'aria-label',
                `${heading()}: lines between pieces. Choose a word piece to hear where it looks.`,
            );
            svg.addEventListener('pointermove', ({ clientY }) => {
                const at = pieceAt(clientY);
                if (at >= 0) lookSoon(at);
            });
            svg.addEventListener('click', ({ clientY }) => {
                const at = pieceAt(clientY);
                if (at >= 0) choose(at);
            });
            svg.addEventListener('pointerleave', () => lookSoon(view.chosen));
            shown = { words, weights: rowOf, show: drawn.show };
            parts.picture.replaceChildren(svg);
            return;
        }
        await showMatrix(isLate, {
            ...titles,
            labels,
            values: map,
            tint: tintOfWeight,
            legend: WEIGHTS,
            rows: has_flow ? 'pieces of the last layer' : 'the piece that looks',
            columns: has_flow ? 'what of each is in them' : 'the piece looked at',
            say: (row, column) =>
                `${said(row)} ${looks} ${said(column)}: ${inPercent(map[row * n + column])}`,
            piece: { words, weights: rowOf },
        });
    }

    /** @param {Reading} current @param {() => boolean} isLate */
    async function showStates(current, isLate) {
        const { n, pieces } = current;
        const cosines = await current.likeness(view.layer);
        if (isLate()) return;
        let least = 1;
        for (const value of cosines) if (value < least) least = value;
        const range = 1 - least || 1;
        const rowOf = (/** @type {number} */ i) => cosines.subarray(i * n, (i + 1) * n);
        await showMatrix(isLate, {
            title:
                view.layer === 0
                    ? 'How alike pieces are as embeddings'
                    : `How alike pieces are behind layer ${view.layer}`,
            footer: footer(),
            width: parts.picture.clientWidth,
            labels: pieces.map(({ token }) => token),
            values: cosines,
            tint: (value) => Math.max(0, (value - least) / range) ** 1.5,
            legend: [0, 0.25, 0.5, 0.75, 1].map((share) => {
                const value = least + share * range;
                return [inHundredths(value), value];
            }),
            rows: 'pieces',
            columns: 'the same, cosines',
            say: (row, column) =>
                `${said(row)} and ${said(column)}: ${inHundredths(cosines[row * n + column])}`,
            piece: {
                words: (i) => {
                    if (i < 0) return HOW_TO;
                    const list = strongest(rowOf(i), [i]).map(
                        (each) => `${said(each.i)} ${inHundredths(each.weight)}`,
                    );
                    return `${said(i)} (piece ${inWhole(i + 1)}) is most like ${list.join(', ')}`;
                },
                weights: (i) =>
                    rowOf(i).map((value) => Math.max(0, (value - least) / range) ** 1.5),
            },
        });
    }

    /**
     * @param {() => boolean} isLate
     * @param {import('../shell/matrix.js').Matrix & {
     *   say: (row: number, column: number) => string,
     *   piece: {words: (i: number) => string, weights: (i: number) => Float32Array}}} matrix
     */
    async function showMatrix(isLate, { say, piece, ...matrix }) {
        const drawn = await drawMatrix(matrix);
        if (isLate()) return;
        const n = matrix.labels.length;
        makeReadable(drawn, {
            n,
            label: `${matrix.title}, a matrix of ${inUnits(n, 'piece')}.`,
            look(row, column, by_key) {
                const words = say(row, column);
                parts.readout.textContent = words;
                if (by_key) app.announce(words);
            },
            leave: () => look(view.chosen),
        });
        shown = { ...piece, show: () => {} };
        parts.picture.replaceChildren(drawn.svg);
    }

    /** @param {Reading} current @param {() => boolean} isLate */
    async function showAnswer(current, isLate) {
        shown = null;
        const note = (/** @type {string} */ words, /** @type {HTMLButtonElement} */ button) =>
            parts.picture.replaceChildren(
                make('div', { className: 'panel inside-note' }, make('p', {}, words), button),
            );
        if (!current.is_classifier) {
            note(
                `Only an answer can be traced to pieces, and ${app.models.nameOf(view.kind)} ` +
                    'gives none: it makes vectors.',
                make(
                    'button',
                    { type: 'button', onclick: () => useModel('classifier') },
                    `Use ${app.models.nameOf('classifier')}`,
                ),
            );
            return;
        }
        if (!current.attributions) {
            if (current.n > MOST_AT_ONCE && asked !== current) {
                note(
                    `To weigh ${inUnits(current.n, 'piece')} is as much work as to read the text ` +
                        `${inWhole(current.n)} times.`,
                    make(
                        'button',
                        {
                            type: 'button',
                            className: 'main',
                            onclick: () => {
                                asked = current;
                                showPicture();
                            },
                        },
                        'Weigh them',
                    ),
                );
                return;
            }
            const cancel = new AbortController();
            const work = showWork(
                `Weighing ${inUnits(current.n, 'piece')} …`,
                () => cancel.abort(),
                parts.picture,
            );
            try {
                await current.attribute(cancel.signal, work.step);
            } catch (error) {
                if (!cancel.signal.aborted) throw error;
                asked = null;
                note(
                    'Stopped.',
                    make(
                        'button',
                        {
                            type: 'button',
                            onclick: () => {
                                asked = current;
                                showPicture();
                            },
                        },
                        'Weigh them',
                    ),
                );
                return;
            } finally {
                work.done();
            }
        }
        if (isLate() || !current.attributions) return;
        showBars(current, current.attributions);
    }

    /** Who asked for the work that is not done unasked. @type {Reading | null} */
    let asked = null;

    /** @param {Reading} current @param {import('./reading.js').Attributions} attributions */
    function showBars({ n, pieces, is_regression }, { label, score, tokens }) {
        /** By piece, in log-odds; 0 of special ones. */
        const scores = new Float32Array(n);
        let at = 0;
        pieces.forEach(({ special }, i) => {
            if (!special && at < tokens.length) scores[i] = tokens[at++].score;
        });
        const inWords = is_regression ? inHundredths : inPercent;
        const without = (/** @type {number} */ i) =>
            is_regression ? score - scores[i] : share(logOdds(score) - scores[i]);
        const rows = pieces.map((_, i) => i).filter((i) => !pieces[i].special);
        const drawn = rows.filter((i) => i >= view.first && i < view.first + MOST_ROWS);
        const svg = drawBars({
            labels: drawn.map((i) => pieces[i].token),
            scores: drawn.map((i) => scores[i]),
            all: scores,
            label,
            width: parts.picture.clientWidth,
            title: `What ${wordOf(label)}, ${inWords(score)}, rests on`,
            footer: footer(),
        });
        const words = (/** @type {number} */ i) => {
            if (i < 0) return HOW_TO;
            if (pieces[i].special) return `${said(i)} is special: it is never hidden`;
            const side = scores[i] >= 0 ? 'for' : 'against';
            return (
                `${said(i)} speaks ${side} ${wordOf(label)}: without it, ${inWords(score)} ` +
                `becomes ${inWords(without(i))}`
            );
        };
        svg.setAttribute('role', 'img');
        svg.setAttribute('aria-label', `Bars for ${inUnits(drawn.length, 'piece')}. ${words(-1)}`);
        shown = { words, weights: () => scores, show: () => {} };
        parts.picture.replaceChildren(svg);
    }

    // --- all heads -------------------------------------------------------------------------------

    /** @param {AbortSignal} signal */
    async function showOverview(signal) {
        if (!reading) return;
        const current = reading;
        const { n_layers, n } = current;
        for (let layer = 0; layer < n_layers; layer++) {
            if (n > MOST_CHIPS) {
                parts.overview_words.textContent = `All heads: layer ${layer + 1} of ${n_layers} …`;
                await drawHeads(current);
            }
            thumbnails[layer] = await current.thumbnails(layer);
            signal.throwIfAborted();
        }
        await drawHeads(current);
        if (signal.aborted) return;
        parts.overview_words.textContent =
            'Choose a head: tap it, or use the arrow keys.' +
            (n > THUMBNAIL ? ' Each is drawn smaller than it is, by its largest weights.' : '');
        section.dataset.overview = 'whole';
    }

    /** @param {Reading} current */
    async function drawHeads(current) {
        if (parts.overview.clientWidth === 0) return;
        const drawn = await drawOverview({
            layers: thumbnails,
            n_heads: current.n_heads,
            side: Math.min(current.n, THUMBNAIL),
            width: parts.overview.clientWidth,
            title: 'All heads of all layers',
            footer: footer(),
        });
        if (current !== reading) return;
        const had_focus = parts.overview.contains(document.activeElement);
        overview = drawn;
        const { svg, headAt } = drawn;
        svg.setAttribute('role', 'application');
        svg.setAttribute('aria-roledescription', 'grid of heads');
        svg.setAttribute('tabindex', '0');
        svg.setAttribute(
            'aria-label',
            `All ${inWhole(current.n_layers)} layers with ${inWhole(current.n_heads)} heads ` +
                'each. The arrow keys choose one.',
        );
        svg.addEventListener('click', ({ clientX, clientY }) => {
            const at = headAt(clientX, clientY);
            if (at) useHead(at.layer + 1, at.head + 1);
        });
        svg.addEventListener('keydown', (event) => {
            const steps = {
                ArrowUp: [-1, 0],
                ArrowDown: [1, 0],
                ArrowLeft: [0, -1],
                ArrowRight: [0, 1],
            };
            const step = steps[/** @type {keyof typeof steps} */ (event.key)];
            if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
            event.preventDefault();
            const within = (/** @type {number} */ x, /** @type {number} */ most) =>
                Math.max(1, Math.min(most, x));
            useHead(
                within(view.layer + step[0], current.n_layers),
                within((view.head ?? 0) + step[1], current.n_heads),
            );
        });
        parts.overview.replaceChildren(svg);
        if (had_focus) svg.focus();
        showControls();
    }

    /** @param {number} layer  from 1 @param {number} head  from 1 */
    async function useHead(layer, head) {
        Object.assign(view, { layer, head, has_flow: false });
        if (view.mode !== 'matrix') view.mode = 'lines';
        remember();
        app.announce(`Layer ${layer}, head ${head}`);
        await drawAgain();
    }

    // --- what is chosen --------------------------------------------------------------------------

    /** What fails while a picture is drawn is said in its place. */
    async function drawAgain() {
        const { signal } = running;
        try {
            await showPicture();
        } catch (error) {
            if (signal.aborted) return;
            showFailure(parts.picture, {
                title: 'The picture could not be drawn',
                error,
                action: ['Try again', read],
            });
        }
    }

    /** @param {Kind} kind */
    function useModel(kind) {
        view.kind = kind;
        parts.model.value = kind;
        read();
    }

    function fillSelects() {
        if (!reading) return;
        const { n_layers, n_heads } = reading;
        const numbers = (/** @type {number} */ n) =>
            Array.from({ length: n }, (_, i) =>
                make('option', { value: String(i + 1) }, String(i + 1)),
            );
        parts.layer.replaceChildren(
            make('option', { value: '0' }, 'Embeddings'),
            ...numbers(n_layers),
        );
        parts.head.replaceChildren(
            make('option', { value: 'mean' }, 'Mean of all'),
            ...numbers(n_heads),
        );
    }

    function nameModels() {
        const kinds = /** @type {Kind[]} */ (['classifier', 'embedder']);
        parts.model.replaceChildren(
            ...kinds.map((kind) => {
                const what = app.models.isVisitors(kind)
                    ? 'your own'
                    : kind === 'classifier'
                      ? 'says how texts sound'
                      : 'makes vectors of sentences';
                const size = app.models.isReady(kind) ? '' : ', 24 MB to load';
                const words = `${app.models.nameOf(kind)} (${what}${size})`;
                return make('option', { value: kind }, words);
            }),
        );
        parts.model.value = view.kind;
    }

    function remember() {
        if (!is_open) return;
        const { text, text_pair } = inputOf();
        const is_long = text.length + (text_pair?.length ?? 0) > MOST_IN_LINK;
        link.disabled = is_long;
        link.title = is_long ? 'The text is too long for a link.' : '';
        app.remember({
            ...(is_long ? {} : { text }),
            ...(text_pair && !is_long ? { pair: text_pair } : {}),
            ...(view.kind === 'classifier' ? {} : { model: view.kind }),
            mode: view.mode,
            layer: String(view.layer),
            head: String(view.head ?? 'mean'),
            ...(view.has_flow ? { flow: 'yes' } : {}),
            ...(view.chosen < 0 ? {} : { piece: String(view.chosen + 1) }),
        });
    }

    /** @param {import('../shell/views.js').State} state */
    function restore(state) {
        const number = (/** @type {string | undefined} */ value, /** @type {number} */ least) =>
            Math.max(least, Math.floor(Number(value)) || least);
        parts.text.value = state.text ?? SAMPLES[0].text;
        parts.pair.value = state.pair ?? '';
        view.kind = state.model === 'embedder' ? 'embedder' : 'classifier';
        view.mode = MODES.find((mode) => mode === state.mode) ?? 'lines';
        view.layer = number(state.layer ?? String(FIRST.layer), view.mode === 'states' ? 0 : 1);
        const head = state.head ?? String(FIRST.head);
        view.head = Number(head) >= 1 ? number(head, 1) : null;
        view.has_flow = state.flow === 'yes';
        view.chosen = number(state.piece, 0) - 1;
    }

    const link = make(
        'button',
        { type: 'button', dataset: { part: 'link' }, onclick: () => copyText(link, location.href) },
        'Copy link',
    );
    parts.saving.append(
        ...saveButtons(
            () => parts.picture.querySelector('svg'),
            () => `inside-${view.mode}`,
            app.announce,
        ),
        link,
    );
    parts.overview_saving.append(
        ...saveButtons(
            () => parts.overview.querySelector('svg'),
            () => 'inside-heads',
            app.announce,
        ),
    );
    parts.sample.append(
        make('option', { value: '' }, 'Texts to try'),
        ...SAMPLES.map(({ text, pair }, i) =>
            make('option', { value: String(i) }, pair ? `${text} + ${pair}` : text),
        ),
    );

    const ontext = () => {
        clearTimeout(timer);
        view.chosen = -1;
        timer = setTimeout(read, PAUSE);
    };
    parts.text.oninput = ontext;
    parts.pair.oninput = ontext;
    parts.sample.onchange = () => {
        const sample = SAMPLES[Number(parts.sample.value)];
        if (parts.sample.value === '') return;
        parts.text.value = sample.text;
        parts.pair.value = sample.pair ?? '';
        parts.sample.value = '';
        view.chosen = -1;
        read();
    };
    parts.model.onchange = () => useModel(parts.model.value);
    parts.layer.onchange = () => {
        view.layer = Number(parts.layer.value);
        remember();
        drawAgain();
    };
    parts.head.onchange = () => {
        view.head = Number(parts.head.value) || null;
        remember();
        drawAgain();
    };
    parts.flow.onchange = () => {
        view.has_flow = parts.flow.checked;
        remember();
        drawAgain();
    };
    for (const button of section.querySelectorAll('[data-mode]')) {
        button.addEventListener('click', () => {
            view.mode = /** @type {Mode} */ (/** @type {HTMLElement} */ (button).dataset.mode);
            remember();
            drawAgain();
        });
    }
    const turn = (/** @type {number} */ by) => () => {
        view.first += by * MOST_ROWS;
        drawAgain();
    };
    parts.earlier.onclick = turn(-1);
    parts.later.onclick = turn(1);

    /** @param {Event} event  of a piece @returns {number} */
    const pieceOf = ({ target }) => {
        const chip = /** @type {HTMLElement} */ (target).closest('[data-piece]');
        return chip ? Number(/** @type {HTMLElement} */ (chip).dataset.piece) : -1;
    };
    parts.pieces.addEventListener('pointerover', (/** @type {Event} */ event) => {
        const i = pieceOf(event);
        if (i >= 0) lookSoon(i);
    });
    parts.pieces.addEventListener('pointerleave', () => lookSoon(view.chosen));
    parts.pieces.addEventListener('focusin', (/** @type {Event} */ event) => {
        const i = pieceOf(event);
        if (i < 0) return;
        rove(i);
        const words = look(i);
        if (/** @type {HTMLElement} */ (event.target).matches(':focus-visible')) {
            app.announce(words);
        }
    });
    parts.pieces.addEventListener('focusout', () => look(view.chosen));
    parts.pieces.addEventListener('click', (/** @type {Event} */ event) => {
        const i = pieceOf(event);
        if (i >= 0) choose(i);
    });
    parts.pieces.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
        const i = pieceOf(event);
        /** @type {Record<string, number>} */
        const places = {
            ArrowLeft: i - 1,
            ArrowRight: i + 1,
            ArrowUp: i - 1,
            ArrowDown: i + 1,
            Home: 0,
            End: chips.length - 1,
        };
        const to = places[event.key];
        if (i < 0 || to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
        event.preventDefault();
        chips[Math.max(0, Math.min(chips.length - 1, to))].focus();
    });
    whenChanged(parts.picture, drawAgain);
    whenChanged(parts.overview, () => {
        if (reading && section.dataset.overview) drawHeads(reading);
    });
    app.models.addEventListener('change', (event) => {
        nameModels();
        const { kind } = /** @type {CustomEvent} */ (event).detail;
        if (kind !== view.kind) return;
        running.abort();
        reading = null;
        if (is_open) read();
    });
    nameModels();

    return {
        show(state) {
            is_open = true;
            if (Object.keys(state).length > 0 || !section.dataset.state) {
                restore(state);
                nameModels();
                read();
            } else if (!reading) read();
            else remember();
        },
        hide() {
            is_open = false;
        },
    };
}

const HOW_TO = 'Point at a piece, tap it to keep it, or use the arrow keys.';

/** @param {string} text */
const short = (text) => (text.length > 70 ? `${text.slice(0, 69).trimEnd()}…` : text);

/** @param {number} probability */
function logOdds(probability) {
    const x = Math.min(1 - 1e-9, Math.max(1e-9, probability));
    return Math.log(x / (1 - x));
}

/** @param {number} log_odds */
const share = (log_odds) => 1 / (1 + Math.exp(-log_odds));

/**
 * The view Meaning: sentences as points, groups of what is alike, near duplicates, and a search by
 * meaning. The model makes vectors in its worker, projection_worker.js what follows from them; the
 * page's own thread draws.
 */

import { copyText, make, nextFrame, partsOf, saveFile } from '../shell/dom.js';
import { showFailure } from '../shell/failure.js';
import { inUnits } from '../shell/format.js';
import { whenLoaded } from '../shell/loading.js';
import { saveButtons, whenChanged } from '../shell/picture.js';
import { MOST_IN_LINK } from '../shell/router.js';
import { compare } from './compare.js';
import { csvOf } from './csv.js';
import { Groups } from './groups.js';
import { MapView } from './map_view.js';
import { showMatrix } from './matrix_view.js';
import html from './meaning.html';
import { showPairs } from './pairs.js';
import { startProgress } from './progress.js';
import { SAMPLE } from './sample.js';
import { find, showFound } from './search.js';
import { SentenceBox } from './sentence_box.js';
import { Vectors } from './vectors.js';

/** So many new sentences are read as they are written; more when asked. */
const AT_ONCE = 100;

/** Milliseconds after the last key. */
const PAUSE = 400;
const SHORT_PAUSE = 120;

/** @type {import('../shell/views.js').Mount} */
export function mount(section, app) {
    section.innerHTML = html;
    const parts = partsOf(section);
    const { text, count, read: read_button, sample, open, file, ask } = parts;
    const box = new SentenceBox(
        { text, count, read: read_button, sample, open, file, ask },
        { edit: readSoon, give: readOther, read: () => read(true) },
    );
    const { threshold, threshold_words, groups_words, groups: groups_list } = parts;
    const groups = new Groups(
        { threshold, threshold_words, words: groups_words, list: groups_list },
        regroup,
    );
    const { picture, readout } = parts;
    const map = new MapView({ picture, readout }, { choose: remember, announce: app.announce });
    const vectors = new Vectors();

    /** What is shown. @type {import('./compare.js').Compared | null} */
    let compared = null;
    let mode = 'map';
    let is_open = false;

    // --- sentences -------------------------------------------------------------------------------

    let running = new AbortController();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;

    function readSoon() {
        running.abort();
        clearTimeout(timer);
        map.chosen = -1;
        timer = setTimeout(read, PAUSE);
    }

    function readOther() {
        map.chosen = -1;
        read(true);
    }

    /** @param {boolean} [by_hand]  whether it was asked for */
    async function read(by_hand = false) {
        clearTimeout(timer); // what was typed just before is read now
        running.abort();
        running = new AbortController();
        const { signal } = running;
        const { sentences } = box;
        box.showCount();
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
            progress = startProgress(parts.working, {
                delay: sentences.length > AT_ONCE ? 0 : PAUSE,
                signal,
                cancel: stop,
            });
            const { read: onread, compared: oncompare } = progress;
            compared = await compare(sentences, { vectors, embed, signal, onread, oncompare });
            progress.end();
            parts.working.replaceChildren();
            if (map.chosen >= sentences.length) map.chosen = -1;
            show('full');
            await showAll();
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

    function stop() {
        running.abort();
        const n_left = vectors.missing(box.sentences);
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
        for (const part of [showGroups, announce, listPairs, search, showPicture]) {
            await part();
            await nextFrame();
        }
    }

    function showGroups() {
        if (compared) groups.show(compared);
    }

    function announce() {
        if (!compared) return;
        const n_sentences = inUnits(compared.sentences.length, 'sentence');
        app.announce(`${n_sentences} compared, ${inUnits(groups.shown.groups.length, 'group')}`);
    }

    async function regroup() {
        showGroups();
        await nextFrame();
        await showPicture();
        remember();
    }

    function listPairs() {
        const { duplicates, duplicates_words, pairs_words, pairs_rows } = parts;
        if (!compared) return;
        showPairs(compared, {
            duplicates,
            duplicates_words,
            words: pairs_words,
            rows: pairs_rows,
        });
    }

    parts.duplicates.oninput = () => {
        listPairs();
        remember();
    };

    // --- the picture -----------------------------------------------------------------------------

    async function showPicture() {
        if (!compared || picture.clientWidth === 0) return;
        for (const button of section.querySelectorAll('[data-mode]')) {
            const is_chosen = /** @type {HTMLElement} */ (button).dataset.mode === mode;
            button.setAttribute('aria-pressed', String(is_chosen));
        }
        const shown = compared;
        const footer =
            `${inUnits(shown.sentences.length, 'sentence')}, ` +
            `${app.models.nameOf('embedder')}, bert-wasm`;
        if (mode === 'matrix') {
            map.leave();
            await showMatrix(
                { picture, readout },
                {
                    compared: shown,
                    grouping: groups.shown,
                    footer,
                    isWanted: () => mode === 'matrix' && compared === shown,
                    announce: app.announce,
                },
            );
        } else {
            map.show(shown, groups.shown, footer);
        }
        if (compared === shown) section.dataset.shown = mode;
    }

    for (const button of section.querySelectorAll('[data-mode]')) {
        button.addEventListener('click', () => {
            mode = /** @type {HTMLElement} */ (button).dataset.mode ?? 'map';
            remember();
            showPicture();
        });
    }
    whenChanged(picture, () => showPicture());

    // --- search ----------------------------------------------------------------------------------

    let n_searches = 0;

    /** @returns {Promise<number>}  how many sentences are found */
    async function search() {
        const mine = ++n_searches;
        const searched = compared;
        const query = parts.query.value.trim();
        const found = searched && query ? await find(query, searched, vectors, app.models) : [];
        if (mine !== n_searches || compared !== searched) return 0;
        showFound(parts.found, found);
        map.ring(found.map(({ i }) => i));
        return found.length;
    }

    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let search_timer;
    parts.query.oninput = () => {
        clearTimeout(search_timer);
        search_timer = setTimeout(async () => {
            remember();
            // A model that is gone says so where sentences are read.
            const n_found = await search().catch(() => 0);
            if (n_found) app.announce(`${inUnits(n_found, 'sentence')} found`);
        }, SHORT_PAUSE);
    };

    // --- files -----------------------------------------------------------------------------------

    const link = make(
        'button',
        { type: 'button', dataset: { part: 'link' }, onclick: () => copyText(link, location.href) },
        'Copy link',
    );
    const saveCsv = () => {
        const lines = compared ? csvOf(compared, groups.shown) : '';
        saveFile(new Blob([lines], { type: 'text/csv' }), 'sentences.csv');
    };
    parts.saving.append(
        ...saveButtons(
            () => picture.querySelector('svg'),
            () => `sentences-${mode}`,
            app.announce,
        ),
        make(
            'button',
            { type: 'button', dataset: { save: 'csv' }, onclick: saveCsv },
            'Save as CSV',
        ),
        link,
    );

    // --- the model -------------------------------------------------------------------------------

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

    // --- the address -----------------------------------------------------------------------------

    function remember() {
        if (!is_open) return;
        const { text } = box;
        app.remember({
            ...(text === SAMPLE || text.length > MOST_IN_LINK ? {} : { text }),
            ...(parts.query.value ? { find: parts.query.value } : {}),
            ...moved('groups', threshold),
            ...moved('duplicates', parts.duplicates),
            ...(mode === 'map' ? {} : { mode }),
            ...(map.chosen < 0 ? {} : { sentence: String(map.chosen + 1) }),
        });
        link.disabled = text.length > MOST_IN_LINK;
        link.title = link.disabled ? 'The sentences are too long for a link.' : '';
    }

    return {
        show(state) {
            is_open = true;
            const is_new = Object.keys(state).length > 0 || !section.dataset.state;
            if (is_new) {
                box.text = state.text ?? SAMPLE;
                parts.query.value = state.find ?? '';
                threshold.value = state.groups ?? threshold.defaultValue;
                parts.duplicates.value = state.duplicates ?? parts.duplicates.defaultValue;
                mode = state.mode === 'matrix' ? 'matrix' : 'map';
                map.chosen = Math.min(Number(state.sentence ?? 0), box.lines.length) - 1;
            }
            if (is_new || !compared) read();
            else remember();
        },
        hide() {
            is_open = false;
        },
    };
}

/**
 * A slider in the address, unless it stands where it stood.
 * @param {string} name
 * @param {HTMLInputElement} slider
 */
const moved = (name, { value, defaultValue }) => (value === defaultValue ? {} : { [name]: value });

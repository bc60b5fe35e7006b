/**
 * The view Inside: the pieces of a text, where each looks, how alike they become, and what the
 * answer rests on. The model computes in its worker; here it is drawn, some rows at a time.
 */

import { make, nextFrame, partsOf } from '../shell/dom.js';
import { loadExplain } from '../shell/explain.js';
import { showFailure } from '../shell/failure.js';
import { whenLoaded } from '../shell/loading.js';
import { putPicture, whenChanged } from '../shell/picture.js';
import { showWork } from '../shell/work.js';
import { drawAnswer, makeWeighing } from './answer.js';
import { makeAsk } from './ask.js';
import { drawAttention } from './attention.js';
import { makeControls } from './controls.js';
import { makeHeads } from './heads.js';
import { drawHiddenStates } from './hidden_states.js';
import html from './inside.html';
import { MOST_ROWS } from './pictures.js';
import { makePieces } from './pieces.js';
import { Reading } from './reading.js';
import { makeSaving } from './saving.js';
import { fitsLink, isAttention, stateOf, viewOf } from './state.js';
import { madeOf } from './words.js';

/** @typedef {import('./shown.js').Shown} Shown */

/** Milliseconds after the last key. */
const PAUSE = 250;

/** @type {import('../shell/views.js').Mount} */
export function mount(section, app) {
    section.innerHTML = html;
    const parts = partsOf(section);

    /** What the address has. */
    const view = viewOf({});

    /** The first piece that is drawn, of pictures that have not room for all. */
    let first = 0;

    /** @type {Reading | null} */
    let reading = null;

    /** The picture that is seen. @type {Shown | null} */
    let shown = null;

    let running = new AbortController();
    let is_open = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;

    const ask = makeAsk(section, {
        models: app.models,
        onwrite() {
            clearTimeout(timer);
            view.chosen = -1;
            timer = setTimeout(read, PAUSE);
        },
        onsample() {
            view.chosen = -1;
            read();
        },
        onmodel: useModel,
    });
    const row = makePieces({
        place: parts.pieces,
        words: parts.pieces_words,
        onpoint: point,
        onfocus(i, by_key) {
            const words = look(i < 0 ? view.chosen : i);
            if (by_key) app.announce(words);
        },
        onchoose: choose,
    });
    const controls = makeControls(section, {
        onchange(changed) {
            Object.assign(view, changed);
            remember();
            drawAgain();
        },
        onturn(by) {
            first += by;
            drawAgain();
        },
    });
    const heads = makeHeads({
        place: parts.overview,
        words: parts.overview_words,
        footer,
        isShown: (each) => each === reading,
        view,
        onchoose: useHead,
    });
    const weigh = makeWeighing({
        place: parts.picture,
        models: app.models,
        onweigh: drawAgain,
        onclassifier: () => useModel('classifier'),
    });
    const saving = makeSaving(section, { name: () => view.mode, announce: app.announce });

    /** Who reads a picture. @type {import('./shown.js').Reader} */
    const reader = {
        point,
        choose,
        say(words, by_key) {
            parts.readout.textContent = words;
            if (by_key) app.announce(words);
        },
        leave: () => look(view.chosen),
    };

    // --- reading a text --------------------------------------------------------------------------

    async function read() {
        clearTimeout(timer);
        running.abort();
        running = new AbortController();
        const { signal } = running;
        remember();
        const input = ask.input();
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
            ask.showModels(view.kind);
            if (signal.aborted) return;
            work = startWork('Reading …');
            const explain = await loadExplain();
            const read = await Reading.of(pipe, explain, input, signal, view.layer - 1);
            work.done();
            reading = read;
            view.layer = Math.min(view.layer, read.n_layers);
            view.head = view.head === null ? null : Math.min(view.head, read.n_heads);
            view.chosen = Math.min(view.chosen, read.n - 1);
            first = 0;
            show('full');
            controls.fill(read);
            await row.fill(read, view.chosen, signal);
            await showPicture();
            await heads.fill(read, signal);
            section.dataset.overview = 'whole';
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

    /** @param {string} words */
    function startWork(words) {
        const { signal } = running;
        return showWork({ place: parts.working, words, signal, cancel: stop });
    }

    function stop() {
        running.abort();
        parts.working.replaceChildren(
            make('p', { className: 'hint' }, 'Stopped. It goes on when you change the text.'),
        );
        app.announce('Stopped');
    }

    /** @param {'empty' | 'full' | 'failed'} state */
    function show(state) {
        section.dataset.state = state;
        delete section.dataset.shown;
        delete section.dataset.overview;
        parts.empty.hidden = state !== 'empty';
        parts.full.hidden = state !== 'full';
    }

    // --- the picture -----------------------------------------------------------------------------

    let n_drawn = 0;

    async function showPicture() {
        if (!reading || parts.picture.clientWidth === 0) return;
        const mine = ++n_drawn;
        const isLate = () => mine !== n_drawn;
        const current = reading;
        const { mode } = view;
        delete section.dataset.shown;
        if (isAttention(mode)) view.layer = Math.max(1, view.layer);
        controls.show(view, { first, n: current.n });
        const is_of_heads = isAttention(mode) && !view.has_flow;
        heads.mark(view.layer - 1, is_of_heads && view.head !== null ? view.head - 1 : null);
        const work = startWork('Computing …');
        try {
            const picture = await pictureOf(current, isLate);
            if (!picture || isLate() || current !== reading) return;
            shown = picture;
            putPicture(parts.picture, picture.element);
        } finally {
            work.done();
        }
        look(view.chosen);
        section.dataset.shown = mode;
    }

    /**
     * @param {Reading} current
     * @param {() => boolean} isLate  whether another picture was asked for meanwhile
     * @returns {Promise<Shown | null>}  null: it is late
     */
    async function pictureOf(current, isLate) {
        const wanted = { ...view };
        const { mode, layer, head, has_flow } = wanted;
        const { pieces } = current;
        const titles = () => ({ width: parts.picture.clientWidth, footer: footer() });
        if (mode === 'answer') {
            shown = null;
            const refusal = await weigh(current, view.kind, running.signal);
            if (refusal || isLate()) return refusal;
            return drawAnswer({ ...titles(), reading: current, first });
        }
        if (mode === 'states') {
            const cosines = await current.likeness(layer);
            if (isLate()) return null;
            return drawHiddenStates({ ...titles(), pieces, cosines, layer, reader });
        }
        const map = has_flow
            ? await current.flow()
            : await current.map(layer - 1, head === null ? null : head - 1);
        if (isLate()) return null;
        return drawAttention({ ...titles(), view: wanted, pieces, map, first, reader });
    }

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

    function footer() {
        return madeOf(ask.input(), app.models.nameOf(view.kind));
    }

    // --- a piece ---------------------------------------------------------------------------------

    /** Shows where a piece looks; -1: no piece. @param {number} i */
    function look(i) {
        row.shade(i, i < 0 ? null : (shown?.weights(i) ?? null));
        shown?.mark?.(i);
        const words = shown?.words(i) ?? '';
        parts.readout.textContent = words;
        return words;
    }

    /** A pointer that crosses pieces shows the last one of each frame. */
    let pointed = -1;
    let is_pointed = false;

    /** @param {number} i  -1: the pointer has left */
    async function point(i) {
        pointed = i < 0 ? view.chosen : i;
        if (is_pointed) return;
        is_pointed = true;
        await nextFrame();
        is_pointed = false;
        look(pointed);
    }

    /** Keeps a piece, or lets it go. @param {number} i */
    function choose(i) {
        view.chosen = i === view.chosen ? -1 : i;
        row.keep(view.chosen);
        const page = Math.floor(view.chosen / MOST_ROWS) * MOST_ROWS;
        if (view.chosen >= 0 && page !== first) {
            first = page;
            drawAgain();
        }
        app.announce(look(view.chosen));
        remember();
    }

    // --- what is chosen --------------------------------------------------------------------------

    /** @param {number} layer  from 1 @param {number} head  from 1 */
    function useHead(layer, head) {
        Object.assign(view, { layer, head, has_flow: false });
        if (view.mode !== 'matrix') view.mode = 'lines';
        remember();
        app.announce(`Layer ${layer}, head ${head}`);
        drawAgain();
    }

    /** @param {import('./state.js').Kind} kind */
    function useModel(kind) {
        view.kind = kind;
        ask.showModels(kind);
        read();
    }

    function remember() {
        if (!is_open) return;
        const input = ask.input();
        saving.allowLink(fitsLink(input));
        app.remember(stateOf(view, input));
    }

    whenChanged(parts.picture, drawAgain);
    whenChanged(parts.overview, () => {
        if (reading && section.dataset.overview) heads.show(reading);
    });
    app.models.addEventListener('change', (event) => {
        ask.showModels(view.kind);
        const { kind } = /** @type {CustomEvent} */ (event).detail;
        if (kind !== view.kind) return;
        running.abort();
        reading = null;
        if (is_open) read();
    });
    ask.showModels(view.kind);

    return {
        show(state) {
            is_open = true;
            if (Object.keys(state).length > 0 || !section.dataset.state) {
                ask.write(state);
                Object.assign(view, viewOf(state));
                ask.showModels(view.kind);
                read();
            } else if (!reading) read();
            else remember();
        },
        hide() {
            is_open = false;
        },
    };
}

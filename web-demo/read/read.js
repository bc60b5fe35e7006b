/**
 * Read: how a text sounds while it is typed, which of its words decide, and how a longer one moves.
 *
 * A text's answer is shown only while the text is still that one: each change aborts the call
 * before it. Screen readers hear an answer once typing rests, not every update.
 */

import { copyText, make, nextFrame, partsOf } from '../shell/dom.js';
import { showFailure } from '../shell/failure.js';
import { inUnits, inWhole } from '../shell/format.js';
import { whenLoaded } from '../shell/loading.js';
import { addressOf } from '../shell/router.js';
import { makeSnippet } from '../shell/snippet.js';
import { codeOf } from './code.js';
import { EXAMPLES } from './examples.js';
import { doubtOf } from './language.js';
import { makeSentences } from './sentences.js';
import { splitSentences } from './split.js';
import { kindOf, makeVerdict } from './verdict.js';
import { makeWords } from './words.js';
import { makeWork } from './work.js';

/** Milliseconds without a key before a text is read; before a long one is. */
const DEBOUNCE = 100;
const DEBOUNCE_LONG = 600;

/** Milliseconds that the answer to an older text may stand: in full, and greyed. */
const FRESH = 200;
const STALE = 1000;

/** Milliseconds that an answer must stand before it is announced, and before words are weighed. */
const ANNOUNCE_AFTER = 1200;
const WEIGH_AFTER = 300;

/** Milliseconds of rest before the address and the code follow. */
const FOLLOW_AFTER = 400;

/** Characters from which a text is long, and up to which one is read unasked. */
const LONG = 2000;
const MOST_UNASKED = 20_000;

/** Tokens of a text whose words are weighed unasked: as much work as reading it for each. */
const MOST_WEIGHED_UNASKED = 72;

/** Tokens that neighbouring windows share, of a model that reads enough. */
const STRIDE = 32;

/** @param {{max_length: number}} config */
const strideOf = ({ max_length }) => Math.min(STRIDE, max_length >> 3);

/** Characters of a text that goes into the address: some programs cut longer ones. */
const MOST_IN_ADDRESS = 1500;

/** Characters that are tokenized by one call, so that its answer is small. */
const PIECE = 8000;

/** @typedef {ReturnType<typeof setTimeout> | undefined} Timer */

/** @type {import('../shell/views.js').Mount} */
export function mount(section, app) {
    const parts = partsOf(section);
    /** @type {HTMLTextAreaElement} */
    const area = parts.text;
    const opening = area.defaultValue;
    const verdict = makeVerdict(parts);
    const words = makeWords();
    parts.words.append(words.element);
    const sentences = makeSentences(parts, app.announce);
    const work = makeWork();
    parts.work.append(work.element);
    const offer = make('button', { type: 'button', className: 'main read-offer', hidden: true });
    parts.work.append(offer);

    /** A classifier, once it is loaded. @type {any} */
    let pipe = null;

    /** What is being read; aborted when the text changes. */
    let reading = new AbortController();

    /** @type {Record<'read' | 'fresh' | 'stale' | 'announce' | 'weigh' | 'follow', Timer>} */
    const timers = {
        read: undefined,
        fresh: undefined,
        stale: undefined,
        announce: undefined,
        weigh: undefined,
        follow: undefined,
    };

    /** Whether the view is open: the address is another's else. */
    let is_open = false;

    /** What was in the box before something else took its place. */
    let replaced = '';

    // --- the model ------------------------------------------------------------------------------

    let n_loads = 0;

    async function load() {
        const mine = ++n_loads;
        const visitors = app.models.isVisitors('classifier');
        stop();
        pipe = null;
        sentences.forget();
        verdict.state('loading');
        const loaded = await whenLoaded(parts.loading, app.models, 'classifier');
        if (mine !== n_loads) return;
        pipe = loaded;
        parts.lead.hidden = visitors;
        parts.whose.hidden = !visitors;
        parts['model-name'].textContent = visitors ? app.models.nameOf('classifier') : '';
        verdict.labels(/** @type {any} */ (loaded).model.config);
        verdict.nothing('');
        changed(0);
    }

    // --- reading --------------------------------------------------------------------------------

    /** Ends what is going on for a text that is not there any more. */
    function stop() {
        reading.abort();
        for (const timer of Object.values(timers)) clearTimeout(timer);
        work.end();
        offer.hidden = true;
        app.announce('');
    }

    /** @param {number} [delay]  milliseconds until the text is read, unless it changes again */
    function changed(delay = area.value.length > LONG ? DEBOUNCE_LONG : DEBOUNCE) {
        stop();
        words.stale();
        sentences.stale();
        timers.follow = setTimeout(() => follow(), FOLLOW_AFTER);
        parts.clear.disabled = area.value === '';
        if (!pipe) return;
        if (area.value.trim() === '') {
            showNothing('Nothing to read yet.');
            return;
        }
        if (parts.box.dataset.state === 'answered') {
            verdict.state('reading');
            timers.fresh = setTimeout(() => parts.box.classList.add('read-old'), FRESH);
        }
        timers.stale = setTimeout(() => verdict.nothing('Reading …'), STALE);
        timers.read = setTimeout(read, delay);
    }

    /** @param {string} why */
    function showNothing(why) {
        clearTimeout(timers.fresh);
        clearTimeout(timers.stale);
        parts.box.classList.remove('read-old');
        verdict.nothing(why);
        parts.words.hidden = true;
        words.clear();
        sentences.clear();
    }

    /** @param {string} why @param {string} button */
    function offerToRead(why, button) {
        showNothing(why);
        offer.textContent = button;
        offer.hidden = false;
        offer.onclick = () => {
            area.focus({ preventScroll: true }); // the button goes away
            stop();
            verdict.nothing('Reading …');
            read(true);
        };
    }

    async function read(is_asked = false) {
        const text = area.value;
        const model = pipe;
        reading = new AbortController();
        const { signal } = reading;
        const is_long = text.length > LONG;
        if (text.length > MOST_UNASKED && is_asked !== true) {
            const size = `${inWhole(text.length)} characters`;
            offerToRead(`A long text: reading ${size} takes a while.`, `Read all ${size}`);
            return;
        }
        try {
            if (is_long) {
                parts.words.hidden = true;
                work.begin('Reading the whole text', cancel);
                await nextFrame();
            }
            const split = splitSentences(text);
            const begin = performance.now();
            const scoring = model(text, {
                top_k: null,
                overflow: 'window',
                stride: strideOf(model.model.config),
                signal,
            });
            const [[scores, milliseconds], counted] = await Promise.all([
                scoring.then((/** @type {any} */ found) => [found, performance.now() - begin]),
                countTokens(model, text, split),
            ]);
            if (signal.aborted) return;
            show(text, { scores, milliseconds, ...counted });
            const fits = counted.n_windows === 1;
            if (split.length > 1) {
                const label = `Reading ${inUnits(split.length, 'sentence')}`;
                if (is_long) work.begin(label, cancel);
                await sentences.read(
                    model,
                    kindOf(model.model.config),
                    split,
                    signal,
                    (done, total) => work.show(done, total),
                );
            } else {
                sentences.clear();
            }
            work.end();
            if (fits) offerWords(text, counted.n_tokens, signal);
            else parts.words.hidden = true;
        } catch (error) {
            if (!signal.aborted) showError(error);
        }
    }

    function cancel() {
        stop();
        offerToRead('Cancelled: this text has not been read to its end.', 'Read it');
    }

    /**
     * How many tokens a text has, in how many windows; and whether the model knows its words.
     * @param {any} model @param {string} text @param {import('./split.js').Sentence[]} split
     */
    async function countTokens({ model: { tokenizer, config } }, text, split) {
        let n_tokens = 0;
        let n_special = 0;
        /** @type {ReturnType<typeof doubtOf>} */
        let doubt = null;
        for (let at = 0; at < text.length; ) {
            // Up to the beginning of a sentence, or, where there is none, of anything.
            const last = split.findLast(({ start }) => start > at && start <= at + PIECE);
            const end = at + PIECE >= text.length ? text.length : (last?.start ?? at + PIECE);
            const piece = text.slice(at, end);
            const encoded = await tokenizer.encode(piece);
            n_special = encoded.sequence.filter((/** @type {number} */ n) => n < 0).length;
            n_tokens += encoded.ids.length - n_special;
            if (at === 0 && !app.models.isVisitors('classifier')) doubt = doubtOf(piece, encoded);
            at = end;
        }
        const room = config.max_length - n_special;
        const n_windows =
            n_tokens <= room
                ? 1
                : 1 + Math.ceil((n_tokens - room) / Math.max(1, room - strideOf(config)));
        return {
            n_tokens: n_tokens + n_special,
            n_windows,
            doubt,
            max_length: config.max_length,
            kind: kindOf(config),
        };
    }

    /** @param {string} text @param {import('./verdict.js').Answer} answer */
    function show(text, answer) {
        clearTimeout(timers.fresh);
        clearTimeout(timers.stale);
        parts.box.classList.remove('read-old');
        const said = verdict.answer(answer);
        timers.announce = setTimeout(app.announce, ANNOUNCE_AFTER, said);
        windowed = answer.n_windows > 1 ? text : '';
        showCode(text);
    }

    /** @param {unknown} error */
    function showError(error) {
        stop();
        showNothing('');
        verdict.state('failed');
        const again = () => {
            parts.loading.replaceChildren();
            verdict.nothing('Reading …');
            area.focus({ preventScroll: true });
            changed(0);
        };
        showFailure(parts.loading, {
            title: 'The text could not be read',
            error,
            action: ['Try again', again],
        });
    }

    // --- words ----------------------------------------------------------------------------------

    /**
     * Weighs the words of a short text once typing rests, those of a longer one when asked.
     * @param {string} text @param {number} n_tokens @param {AbortSignal} signal
     */
    function offerWords(text, n_tokens, signal) {
        parts.words.hidden = false;
        const weigh = () => {
            if (!signal.aborted) words.weigh(pipe, text, signal, weigh);
        };
        if (n_tokens <= MOST_WEIGHED_UNASKED) timers.weigh = setTimeout(weigh, WEIGH_AFTER);
        else
            words.offer(
                'Longer texts take a moment, so they wait for you.',
                'Weigh every word',
                weigh,
            );
    }

    // --- the address and the code -----------------------------------------------------------------

    /** What of the view goes into the address. @returns {import('../shell/views.js').State} */
    function stateOf() {
        const text = area.value;
        return text && text !== opening && text.length <= MOST_IN_ADDRESS ? { text } : {};
    }

    /** The code and, where it has not come from there, the address follow the text. */
    function follow(is_from_address = false) {
        const fits = area.value.length <= MOST_IN_ADDRESS;
        parts['copy-link'].disabled = !fits || area.value === '';
        parts['copy-link'].textContent = fits ? 'Copy link' : 'Too long for a link';
        if (is_open && !is_from_address) app.remember(stateOf());
        showCode(area.value);
    }

    /** @type {ReturnType<typeof makeSnippet> | undefined} */
    let snippet;
    const own_hint = make('span');

    /** The text that was last seen to need windows. */
    let windowed = '';

    /** @param {string} text */
    function showCode(text) {
        parts.code.hidden = !pipe || text.trim() === '';
        if (parts.code.hidden) return;
        const is_own = !app.models.isVisitors('classifier');
        const is_long = text.length > LONG || text === windowed;
        const code = codeOf({ text, is_long, is_own, stride: strideOf(pipe.model.config) });
        if (snippet) snippet.show(code);
        else {
            snippet = makeSnippet(code);
            parts.code.append(
                snippet.element,
                make(
                    'p',
                    { className: 'hint read-code-hint' },
                    'What has to be installed or copied first: ',
                    make('a', { href: 'about/README.html' }, 'documentation'),
                    '.',
                    own_hint,
                ),
            );
        }
        own_hint.textContent = is_own ? '' : ' Put the file of your model for model.safetensors.';
    }

    // --- other texts ------------------------------------------------------------------------------

    /** Whether the text in the box is the visitor's own work, which must not be lost. */
    function isTyped() {
        const text = area.value;
        return (
            text.trim() !== '' && text !== opening && EXAMPLES.every((each) => each.text !== text)
        );
    }

    /** @param {string} text @param {boolean} [is_undo] */
    function replace(text, is_undo = false) {
        const may_undo = !is_undo && isTyped();
        if (may_undo) replaced = area.value;
        parts.replaced.hidden = !may_undo;
        parts.about.hidden = true;
        area.value = text;
        grow();
        changed(0);
    }

    /** Where the browser does not do it itself. */
    function grow() {
        if (CSS.supports('field-sizing', 'content') || area.value.length > LONG) return;
        area.style.height = 'auto';
        area.style.height = `${area.scrollHeight + 2}px`;
    }

    parts.examples.append(
        ...EXAMPLES.map(({ name, text, about }) =>
            make(
                'li',
                {},
                make(
                    'button',
                    {
                        type: 'button',
                        onclick: () => {
                            replace(text);
                            parts.about.textContent = about;
                            parts.about.hidden = false;
                        },
                    },
                    name,
                ),
            ),
        ),
    );
    area.addEventListener('input', () => {
        parts.replaced.hidden = true;
        parts.about.hidden = true;
        grow();
        changed();
    });
    parts.undo.addEventListener('click', () => {
        replace(replaced, true);
        area.focus();
    });
    parts.clear.addEventListener('click', () => {
        replace('');
        area.focus();
    });
    parts['copy-link'].addEventListener('click', () => {
        copyText(parts['copy-link'], new URL(addressOf('read', stateOf()), location.href).href);
    });
    parts.counter.addEventListener('click', () => {
        const details = /** @type {HTMLDetailsElement} */ (document.querySelector('.private'));
        details.open = true;
        details.querySelector('summary')?.focus();
    });

    /** What another program shared: the service worker gives it once. */
    async function takeShared() {
        let text = '';
        try {
            const answer = await fetch(new URL('shared', document.baseURI));
            if (answer.ok) text = await answer.text();
        } catch {
            // Said below.
        }
        if (text.trim() !== '') replace(text);
        else {
            parts.about.textContent =
                'What was shared is not here any more: please share it again.';
            parts.about.hidden = false;
            follow();
        }
    }

    app.models.addEventListener('change', (event) => {
        if (/** @type {CustomEvent} */ (event).detail.kind === 'classifier') load();
    });
    area.readOnly = false;
    grow();
    load();

    return {
        show({ text, shared }) {
            is_open = true;
            if (shared) takeShared();
            else if (text !== undefined && text !== area.value) {
                replace(text);
                clearTimeout(timers.follow);
                follow(true);
            } else follow(text !== undefined);
        },
        hide() {
            is_open = false;
            clearTimeout(timers.follow);
        },
    };
}

/**
 * A longer text sentence by sentence: a strip that shows how its tone moves, and a list. Sentences
 * are remembered with what the model said of them, so that of a long text only what has changed is
 * read again.
 */

import { make, nextFrame } from '../shell/dom.js';
import { inPercent, inUnits, inWhole } from '../shell/format.js';
import { SURE, toneOf, wordOf } from '../shell/tone.js';
import { verdictOf } from './verdict.js';
import { makeWords } from './words.js';

/** Sentences that are read by one call; that are listed at first, and added when asked. */
const SLICE = 32;
const FIRST = 20;
const PAGE = 100;

/** Least sentences that have a strip. */
const LEAST_IN_STRIP = 4;

/** Pixels of one of its bars. */
const BAR_WIDTH = 14;

/** Sentences that are remembered. */
const MOST_REMEMBERED = 20_000;

/** @typedef {import('./split.js').Sentence} Sentence */
/** @typedef {import('./verdict.js').Score} Score */
/** @typedef {Sentence & {scores: Score[]}} ReadSentence */

/**
 * How far a sentence leans, -1 (negative) to 1; of a model without these two how sure it is.
 * @param {Score[]} scores
 */
function leaningOf(scores) {
    const of = (/** @type {string} */ tone) =>
        scores.find(({ label }) => toneOf(label) === tone)?.score;
    const [positive, negative] = [of('positive'), of('negative')];
    if (positive === undefined || negative === undefined) return Math.min(1, scores[0].score);
    return positive - negative;
}

/**
 * @param {Record<string, any>} parts  of the view
 * @param {(words: string) => void} announce
 */
export function makeSentences(parts, announce) {
    const { sentences: section, summary, strip, axis, sides, list, more } = parts;
    /** @type {Map<string, Score[]>} */
    let remembered = new Map();
    /** @type {ReadSentence[]} */
    let all = [];
    /** @type {any} */
    let pipe;
    /** @type {import('./verdict.js').Kind} */
    let kind = 'exclusive';
    /** The text has changed. @type {AbortSignal} */
    let signal = new AbortController().signal;
    /** The one whose words are shown. */
    let opened = -1;
    /** Bars: the first sentence of each, and that behind its last. @type {[number, number][]} */
    let bars = [];

    // --- the strip ------------------------------------------------------------------------------

    const barsThatFit = () => Math.max(8, Math.floor(strip.clientWidth / BAR_WIDTH));

    function showStrip() {
        strip.hidden = all.length < LEAST_IN_STRIP;
        axis.hidden = strip.hidden;
        if (strip.hidden) return;
        const n = Math.min(all.length, barsThatFit());
        bars = Array.from({ length: n }, (_, i) => [
            Math.floor((i * all.length) / n),
            Math.floor(((i + 1) * all.length) / n),
        ]);
        const has_sides = all[0].scores.some(({ label }) => toneOf(label) === 'negative');
        strip.dataset.sides = has_sides ? 'two' : 'one';
        sides.textContent = has_sides ? 'up: positive, down: negative' : 'the higher, the surer';
        strip.replaceChildren(...bars.map(makeBar));
        const at = barOf(opened);
        strip.children[Math.max(0, at)].tabIndex = 0;
        if (at >= 0) strip.children[at].setAttribute('aria-current', 'true');
    }

    const barOf = (/** @type {number} */ i) =>
        bars.findIndex(([first, end]) => i >= first && i < end);

    /** @param {[number, number]} range @param {number} i */
    function makeBar([first, end], i) {
        const within = all.slice(first, end);
        const leaning =
            within.reduce((sum, { scores }) => sum + leaningOf(scores), 0) / within.length;
        // Of several sentences the one that leans furthest stands for them.
        const strongest = within.reduce((a, b) =>
            Math.abs(leaningOf(b.scores)) > Math.abs(leaningOf(a.scores)) ? b : a,
        );
        const { word, share, tone } = verdictOf(strongest.scores, kind);
        const has_sides = strip.dataset.sides === 'two';
        const mean = leaning > 0 ? 'positive' : 'negative';
        const is_sure = Math.abs(leaning) >= 2 * SURE - 1;
        const name =
            within.length === 1
                ? `Sentence ${first + 1}: ${word}, ${share}`
                : `Sentences ${first + 1} to ${end}: ` +
                  (has_sides
                      ? `${is_sure ? mean : 'mixed or neutral'} on average`
                      : `${word}, ${share}`);
        const several = has_sides ? (is_sure ? mean : 'unsure') : tone;
        const bar = make('span');
        bar.style.setProperty('--size', String(Math.max(0.06, Math.abs(leaning))));
        const button = make(
            'button',
            {
                type: 'button',
                tabIndex: -1,
                title: name,
                'aria-label': name,
                dataset: {
                    tone: within.length === 1 ? tone : several,
                    side: leaning < 0 ? 'below' : 'above',
                },
                onclick: () => open(first + within.indexOf(strongest), true),
            },
            bar,
        );
        button.dataset.at = String(i);
        return button;
    }

    /** @type {Record<string, (at: number, n: number) => number>} */
    const MOVES = {
        ArrowRight: (at) => at + 1,
        ArrowLeft: (at) => at - 1,
        Home: () => 0,
        End: (_, n) => n - 1,
    };
    strip.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
        const from = /** @type {HTMLElement} */ (event.target).closest('button');
        const move = MOVES[event.key];
        if (!from || !move) return;
        event.preventDefault();
        const n = strip.children.length;
        const to = strip.children[Math.min(n - 1, Math.max(0, move(Number(from.dataset.at), n)))];
        from.tabIndex = -1;
        to.tabIndex = 0;
        to.focus();
    });
    new ResizeObserver(() => {
        if (
            all.length > 0 &&
            !strip.hidden &&
            bars.length !== Math.min(all.length, barsThatFit())
        ) {
            showStrip();
        }
    }).observe(section);

    // --- the list -------------------------------------------------------------------------------

    /** @param {number} i */
    function makeItem(i) {
        const { text, scores } = all[i];
        const { word, tone } = verdictOf(scores, kind);
        const share =
            word === 'Not sure'
                ? `${inPercent(scores[0].score)} ${wordOf(scores[0].label).toLowerCase()}`
                : inPercent(scores[0].score);
        const button = make(
            'button',
            {
                type: 'button',
                className: 'read-sentence',
                'aria-expanded': 'false',
                onclick: () => (opened === i ? close() : open(i, false)),
            },
            make(
                'span',
                { className: 'read-tone', dataset: { tone } },
                make('strong', {}, word),
                make('span', { className: 'numbers' }, kind === 'value' ? '' : ` ${share}`),
            ),
            make('span', { dir: 'auto' }, text),
        );
        return make('li', { dataset: { at: String(i) } }, button);
    }

    /** @param {number} n  at least so many are listed, where there are as many */
    function listAtLeast(n) {
        const from = list.children.length;
        const to = Math.min(all.length, Math.max(n, from));
        const items = Array.from({ length: to - from }, (_, i) => makeItem(from + i));
        list.append(...items);
        more.hidden = to === all.length;
        const n_more = Math.min(PAGE, all.length - to);
        more.textContent = `Show ${inWhole(n_more)} more of ${inWhole(all.length)}`;
    }
    more.addEventListener('click', () => {
        const from = list.children.length;
        listAtLeast(from + PAGE);
        list.children[from].querySelector('button').focus();
    });

    function close() {
        const item = list.children[opened];
        item?.querySelector('button').setAttribute('aria-expanded', 'false');
        item?.querySelector('.read-inner')?.remove();
        strip.children[barOf(opened)]?.removeAttribute('aria-current');
        opened = -1;
    }

    /** Shows the words of a sentence. @param {number} i @param {boolean} from_strip */
    function open(i, from_strip) {
        close();
        opened = i;
        listAtLeast(i + 1);
        strip.children[barOf(i)]?.setAttribute('aria-current', 'true');
        const item = list.children[i];
        item.querySelector('button').setAttribute('aria-expanded', 'true');
        const words = makeWords();
        item.append(make('div', { className: 'read-inner' }, words.element));
        const weigh = () => words.weigh(pipe, all[i].text, signal, weigh);
        weigh();
        if (!from_strip) return;
        item.querySelector('button').focus({ preventScroll: true });
        item.scrollIntoView({ block: 'nearest' });
        announce(`Sentence ${i + 1}: ${item.querySelector('.read-tone').textContent}`);
    }

    // --- all of it ------------------------------------------------------------------------------

    function summarise() {
        /** @type {Map<string, number>} */
        const counts = new Map();
        for (const { scores } of all) {
            const { word } = verdictOf(scores, kind);
            counts.set(word, (counts.get(word) ?? 0) + 1);
        }
        const ranked = [...counts].sort((a, b) => b[1] - a[1]);
        const those = ranked.slice(0, 5).map(([word, n]) => `${inWhole(n)} ${word.toLowerCase()}`);
        if (ranked.length > 5) those.push('others');
        summary.textContent =
            `${inUnits(all.length, 'sentence')}` +
            `${kind === 'exclusive' ? `: ${those.join(', ')}` : ''}. Each is read alone; ` +
            'choose one to see its words.';
    }

    return {
        /** Of another model nothing is remembered. */
        forget() {
            remembered = new Map();
        },

        clear() {
            all = [];
            opened = -1;
            section.hidden = true;
            list.replaceChildren();
        },

        stale() {
            section.dataset.state = 'stale';
        },

        /**
         * Reads them, and shows them once all are read.
         * @param {any} model  a pipeline
         * @param {import('./verdict.js').Kind} its_kind
         * @param {Sentence[]} sentences
         * @param {AbortSignal} until
         * @param {(done: number, total: number) => void} onprogress
         */
        async read(model, its_kind, sentences, until, onprogress) {
            const unread = [...new Set(sentences.map(({ text }) => text))].filter(
                (text) => !remembered.has(text),
            );
            for (let at = 0; at < unread.length; at += SLICE) {
                const slice = unread.slice(at, at + SLICE);
                const options = { top_k: null, overflow: 'window', signal: until };
                const results = await model(slice, options);
                until.throwIfAborted();
                for (const [i, text] of slice.entries()) remembered.set(text, results[i]);
                onprogress(at + slice.length, unread.length);
            }
            const read = sentences.map((sentence) => ({
                ...sentence,
                scores: /** @type {Score[]} */ (remembered.get(sentence.text)),
            }));
            if (remembered.size > MOST_REMEMBERED) remembered = new Map();
            await nextFrame();
            until.throwIfAborted();
            const before = opened;
            const same = before >= 0 && all[before]?.text === read[before]?.text;
            [all, pipe, kind, signal] = [read, model, its_kind, until];
            opened = -1;
            section.hidden = false;
            section.dataset.state = 'read';
            summarise();
            list.replaceChildren();
            listAtLeast(FIRST);
            showStrip();
            if (same) open(before, false);
        },
    };
}

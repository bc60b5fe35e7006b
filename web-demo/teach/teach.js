/**
 * The view Teach: lines with labels become a classifier of the visitor's own. The lines are read in
 * a worker (lines_worker.js), the package trains in its own; here is what is seen.
 */

import { ENCODINGS, FORMATS } from '../files/formats.js';
import { listenForFiles } from '../files/given.js';
import { Refusal } from '../files/refusal.js';
import { make, partsOf } from '../shell/dom.js';
import { showFailure } from '../shell/failure.js';
import { inUnits, inWhole } from '../shell/format.js';
import { ByHand } from './by_hand.js';
import { Keeping } from './keeping.js';
import { Lines } from './lines.js';
import { scoreOf, showOutcome } from './outcome.js';
import { sampleFile } from './sample.js';
import { Settings } from './settings.js';
import html from './teach.html';
import { Teaching } from './teaching.js';
import { Trial } from './trial.js';
import { lackOf, showWhatIsThere } from './what_is_there.js';
import { factsOf, Work } from './work.js';

/** @typedef {import('../files/read_file.js').How} How */
/** @typedef {import('./teaching.js').Taught} Taught */

/**
 * @typedef {'empty' | 'parsing' | 'refused' | 'few' | 'ready' | 'loading' | 'teaching' | 'checking'
 *   | 'stopped' | 'failed' | 'done'} State
 */

/** @type {import('../shell/views.js').Mount} */
export function mount(section, app) {
    section.innerHTML = html;
    const view = new Teach(section, app);
    return { show: (state) => view.restore(state) };
}

class Teach {
    #section;
    #app;
    #parts;
    #settings;
    #by_hand;
    #work;
    #trial;
    #keeping;

    /** @type {Lines | null} */
    #lines = null;

    /** What is being read. @type {Lines | null} */
    #opening = null;

    /** @type {Teaching | null} */
    #teaching = null;

    /** @type {State} */
    #state = 'empty';

    /** Whether the lines are the sample, for the address. */
    #is_sample = false;

    /** @param {HTMLElement} section @param {import('../shell/main.js').App} app */
    constructor(section, app) {
        this.#section = section;
        this.#app = app;
        const parts = partsOf(section);
        this.#parts = parts;
        this.#settings = new Settings(parts, app.models, () => this.#remember());
        this.#by_hand = new ByHand(parts, app.announce, () => this.#showLines());
        this.#work = new Work(parts);
        this.#trial = new Trial(parts, app.announce);
        this.#keeping = new Keeping(parts, app);
        this.#listen();
        this.#setState('empty');
    }

    #listen() {
        const parts = this.#parts;
        listenForFiles(this.#section, parts, (blob, name) => this.#open(blob, name));
        parts.sample.onclick = () => this.#openSample();
        parts.clear.onclick = () => this.#clear();
        parts['parsing-cancel'].onclick = () => this.#opening?.close();
        for (const list of [parts.text, parts.label]) list.onchange = () => this.#choose();
        fill(parts.format, Object.entries(FORMATS));
        fill(parts.encoding, Object.entries(ENCODINGS));
        parts.format.onchange = () => this.#readAgain({ format: parts.format.value });
        parts.encoding.onchange = () => this.#readAgain({ encoding: parts.encoding.value });
        parts['has-header'].onchange = () =>
            this.#readAgain({ has_header: parts['has-header'].checked });
        parts.settings.onsubmit = (/** @type {Event} */ event) => {
            event.preventDefault();
            this.#start();
        };
        parts.cancel.onclick = () => this.#cancel();
        addEventListener('beforeunload', (event) => {
            const is_lost = this.#keeping.is_unsaved || this.#lines?.is_unsaved;
            if (this.#teaching || is_lost) event.preventDefault();
        });
    }

    /** @param {import('../shell/views.js').State} state  of the address */
    restore(state) {
        this.#settings.restore(state);
        if (state.sample && !this.#lines && !this.#opening) this.#openSample();
    }

    #remember() {
        this.#app.remember({
            ...(this.#is_sample ? { sample: '1' } : {}),
            ...this.#settings.state,
        });
    }

    /** @param {State} state */
    #setState(state) {
        const parts = this.#parts;
        this.#state = state;
        this.#section.dataset.state = state;
        const has_lines = !!this.#lines && state !== 'parsing';
        const is_working = ['loading', 'teaching', 'checking'].includes(state);
        parts.empty.hidden = !!this.#lines || state === 'parsing';
        parts.parsing.hidden = state !== 'parsing';
        parts.job.hidden = !has_lines;
        parts.refusal.hidden = state !== 'refused';
        if (state !== 'refused') parts.refused.replaceChildren();
        if (state !== 'failed') parts.failed.replaceChildren();
        parts.setup.hidden = is_working;
        parts.setup.open = state !== 'done';
        parts.work.hidden = !is_working;
        parts.note.hidden = state !== 'stopped';
        parts.another.disabled = is_working;
        parts.clear.disabled = is_working;
        parts.start.disabled = state === 'few';
    }

    // --- lines --------------------------------------------------------------------------------

    /**
     * @param {Blob} blob
     * @param {string} name
     * @param {How} [how]
     * @returns {Promise<boolean>}  whether it is there now
     */
    async #open(blob, name, how = {}) {
        if (this.#teaching) return false;
        this.#opening?.close();
        const lines = new Lines(blob, name);
        this.#opening = lines;
        const { 'parsing-bar': bar, 'parsing-words': words, refused } = this.#parts;
        bar.value = 0;
        words.textContent = `Reading ${name}`;
        this.#setState('parsing');
        try {
            await lines.parse(how, (share) => {
                bar.value = share;
            });
        } catch (error) {
            if (this.#opening !== lines) return false;
            this.#opening = null;
            lines.close();
            const is_cancelled = error.name === 'AbortError';
            this.#setState(is_cancelled ? this.#rest() : 'refused');
            if (is_cancelled) return false;
            showFailure(refused, {
                title: `“${name}” could not be read`,
                error,
                ...(error instanceof Refusal ? { advice: error.advice } : {}),
                action: ['Choose another file', () => this.#parts.file.click()],
            });
            return false;
        }
        if (this.#opening !== lines) return false;
        this.#opening = null;
        this.#lines?.close();
        this.#lines = lines;
        this.#is_sample = false;
        this.#use(lines);
        this.#parts['source-name'].focus();
        this.#app.announce(`${name}: ${inUnits(lines.texts.length, 'text')}`);
        return true;
    }

    async #openSample() {
        this.#is_sample = await this.#open(sampleFile(), 'sample-lines.tsv');
        this.#remember();
    }

    /** @param {How} changed */
    async #readAgain(changed) {
        const lines = this.#used;
        const { encoding, format } = lines.source;
        const how = { encoding, ...(changed.encoding ? {} : { format }), ...changed };
        if (await this.#open(lines.blob, lines.name, how)) this.#parts.how.open = true;
    }

    get #used() {
        return /** @type {Lines} */ (this.#lines);
    }

    /** @param {Lines} lines */
    #use(lines) {
        const parts = this.#parts;
        const { names, format, encoding, has_header } = lines.source;
        const columns = names.map((name, i) => [String(i), name]);
        fill(parts.text, columns);
        fill(parts.label, [['-1', 'None: by hand'], ...columns]);
        parts.format.value = format;
        parts.encoding.value = encoding;
        parts['has-header'].checked = has_header;
        parts['has-header'].disabled = format === 'jsonl';
        parts.how.open = false;
        this.#useColumns();
    }

    async #choose() {
        const lines = this.#used;
        const { text, label } = this.#parts;
        await lines.choose({ text: Number(text.value), label: Number(label.value) });
        if (this.#lines === lines) this.#useColumns();
    }

    #useColumns() {
        const lines = this.#used;
        const { text, label, ...parts } = this.#parts;
        text.value = String(lines.choice.text);
        label.value = String(lines.choice.label);
        parts['source-name'].textContent = lines.name;
        this.#by_hand.use(lines);
        this.#showLines();
    }

    /** What the lines hold now, and whether it will do. */
    #showLines() {
        const lines = this.#used;
        const { lack, ...parts } = this.#parts;
        const counts = [...lines.counts().values()];
        const n_labelled = counts.reduce((sum, n) => sum + n, 0);
        const words = lackOf(lines);
        parts['source-facts'].textContent =
            `${inUnits(lines.texts.length, 'text')}, ${inWhole(n_labelled)} with a label, ` +
            inUnits(counts.filter((n) => n > 0).length, 'label');
        showWhatIsThere(parts, lines);
        lack.hidden = words === null;
        if (lack.textContent !== (words ?? '')) lack.textContent = words ?? '';
        const n_examples = words === null ? lines.examples().length : 0;
        this.#settings.fit(n_examples);
        this.#showStart(n_examples);
        this.#setState(words === null ? 'ready' : 'few');
    }

    /** @param {number} n  lines to learn from; 0: too few */
    #showStart(n) {
        const { start, 'start-hint': hint } = this.#parts;
        const lost = this.#keeping.is_unsaved
            ? ' The new model takes the place of the one below, which is not saved.'
            : '';
        start.textContent = this.#keeping.has_one ? 'Teach again' : 'Teach';
        hint.textContent = n > 0 ? `${inUnits(n, 'line')}, all on this device.${lost}` : '';
    }

    /** The state of the lines when nothing happens to them. @returns {State} */
    #rest() {
        if (!this.#lines) return 'empty';
        return lackOf(this.#lines) === null ? 'ready' : 'few';
    }

    #clear() {
        this.#lines?.close();
        this.#lines = null;
        this.#is_sample = false;
        this.#setState('empty');
        this.#remember();
        this.#parts['choose-file'].focus();
    }

    // --- teaching -----------------------------------------------------------------------------

    async #start() {
        const lines = this.#used;
        const wrong = this.#settings.wrong();
        if (wrong) {
            const more = wrong.closest('details');
            if (more) more.open = true;
            wrong.reportValidity();
            return;
        }
        const { chosen } = this.#settings;
        const examples = lines.examples();
        const work = this.#work;
        const teaching = new Teaching(this.#app, {
            phase: (phase) => {
                this.#setState(phase);
                work.enter(phase);
            },
            load: (progress) => work.load(progress),
            step: (progress) => work.step(progress),
            check: (progress) => work.check(progress),
        });
        this.#teaching = teaching;
        this.#setState('loading');
        work.begin(examples, chosen);
        this.#parts.cancel.focus({ preventScroll: true });
        this.#parts.work.scrollIntoView({ block: 'nearest' });
        try {
            const taught = await teaching.run(examples, lines.name, chosen);
            this.#teaching = null;
            if (taught) this.#show(taught);
            else this.#stop('Stopped. Nothing is kept: no reading of all lines had ended.');
        } catch (error) {
            this.#teaching = null;
            this.#fail(error);
        }
    }

    #cancel() {
        this.#teaching?.cancel();
        if (this.#state === 'teaching') this.#work.stopping();
    }

    /** @param {string} words */
    #stop(words) {
        this.#setState('stopped');
        this.#parts.note.textContent = words;
        this.#parts.start.focus({ preventScroll: true });
    }

    /** @param {Taught} taught */
    #show(taught) {
        const { results, 'results-title': title, 'results-facts': facts, ...parts } = this.#parts;
        const { n, n_right } = scoreOf(taught);
        if (taught.is_part) this.#stop('Stopped. The best until then is kept, below.');
        else this.#setState('done');
        this.#parts.setup.open = false;
        results.hidden = false;
        title.textContent = 'Your new model';
        facts.textContent = factsOf(taught);
        showOutcome(parts, taught);
        this.#keeping.keep(taught, `${taught.source.replace(/\.\w+$/, '')}-classifier`);
        if (!parts.trial.value) parts.trial.value = taught.checked[0].text;
        this.#trial.use(taught.classify);
        this.#showStart(this.#used.examples().length);
        title.focus({ preventScroll: true });
        title.scrollIntoView({ block: 'nearest' });
        this.#app.announce(`It has learned: ${n_right} of ${n} checked lines are right`);
    }

    /** @param {any} error */
    #fail(error) {
        this.#setState('failed');
        const is_large = error.code === 'OUT_OF_MEMORY';
        /** @type {[string, () => void]} */
        const again = ['Try again', () => this.#start()];
        /** @type {[string, () => void]} */
        const leaner = [
            'Teach with less memory',
            () => {
                this.#settings.makeLean();
                this.#remember();
                this.#start();
            },
        ];
        showFailure(this.#parts.failed, {
            title: 'It could not be taught',
            error,
            ...(ADVICE[error.code] ? { advice: ADVICE[error.code] } : {}),
            ...(error.code === 'PAGE_CODE' ? {} : { action: is_large ? leaner : again }),
        });
        this.#parts.failed.scrollIntoView({ block: 'nearest' });
    }
}

/** What to do about errors of training, by their codes. @type {Record<string, string>} */
const ADVICE = {
    OUT_OF_MEMORY:
        'It needs more memory than there is. Under “More”, set “Lines at a time” or “Tokens of a ' +
        'line” lower, or choose “Less memory”.',
    BAD_OPTION:
        'One of the settings under “More” does not suit this model. If the loss is no longer a ' +
        'number, set the learning rate lower.',
    UNSUPPORTED: 'Begin with another model, or use a current Firefox, Chrome, Edge or Safari.',
    BAD_MODEL_FILE: 'The model that it begins with arrived damaged. Try again.',
};

/** @param {HTMLSelectElement} select @param {string[][]} options  value and words */
function fill(select, options) {
    select.replaceChildren(...options.map(([value, words]) => make('option', { value }, words)));
}

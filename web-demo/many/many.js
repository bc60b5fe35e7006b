/**
 * The view Many: a file, its columns, the label of each text, what they are together, and a file to
 * take away. The rows are in a worker (rows_worker.js), the model in its own; here is what is seen.
 */

import { copyText, make, partsOf, saveFile } from '../shell/dom.js';
import { showFailure } from '../shell/failure.js';
import { inTime, inUnits, inWhole } from '../shell/format.js';
import { whenLoaded } from '../shell/loading.js';
import { ClassifyAll } from './classify_all.js';
import { ENCODINGS, FORMATS } from './formats.js';
import html from './many.html';
import { Refusal } from './refusal.js';
import { Rows } from './rows.js';
import { RowsView } from './rows_view.js';
import { sampleFile } from './sample.js';
import { Together } from './together.js';

/** Milliseconds between two counts of what is there so far, and two drawings of it. */
const COUNT_EVERY = 700;
const DRAW_EVERY = 2500;

/** @typedef {'empty' | 'parsing' | 'refused' | 'working' | 'paused' | Rows['phase']} State */

/**
 * How a file is read where it was guessed wrong.
 * @typedef {{encoding?: string, format?: string, has_header?: boolean}} How
 */

/** @type {import('../shell/views.js').Mount} */
export function mount(section, app) {
    section.innerHTML = html;
    const view = new Many(section, app);
    return { show: (state) => view.restore(state) };
}

class Many {
    #section;
    #app;
    #parts;
    #together;
    #rows_view;

    /** @type {Rows | null} */
    #rows = null;

    /** What was cleared last, to be brought back. @type {Rows | null} */
    #before = null;

    /** What is being read. @type {Rows | null} */
    #opening = null;

    /** @type {ClassifyAll | null} */
    #work = null;

    /** Counts the starts: what belongs to an earlier one is not shown. */
    #n_starts = 0;

    /** What is seen of the rows. @type {State} */
    #job_state = 'empty';

    /** Chosen options, which the address remembers. @type {Record<string, string>} */
    #options = {};

    #counted_at = 0;
    #drawn_at = 0;
    #is_counting = false;
    #frame = 0;

    /** @param {HTMLElement} section @param {import('../shell/main.js').App} app */
    constructor(section, app) {
        this.#section = section;
        this.#app = app;
        const parts = partsOf(section);
        this.#parts = parts;
        this.#together = new Together(parts, {
            show: (show) => this.#rows_view.choose({ show }),
            group: (group) => this.#rows_view.choose({ group }),
        });
        this.#rows_view = new RowsView(parts, app, {
            remember: (options) => this.#remember(options),
            correct: () => this.#showTogether(true),
        });
        this.#listen();
        this.#setState('empty');
        app.models.addEventListener('change', (/** @type {any} */ { detail }) => {
            if (detail.kind === 'classifier') this.#showModel();
            else this.#rows_view.forgetVectors();
        });
        addEventListener('beforeunload', (event) => {
            const is_lost = [this.#rows, this.#before].some((rows) => rows && !rows.is_saved);
            if (is_lost) event.preventDefault();
        });
    }

    /** @param {import('../shell/views.js').State} state  of the address */
    restore(state) {
        this.#options = state;
        this.#rows_view.restore(state);
        if (state.sample && !this.#rows && !this.#opening) this.#openSample();
    }

    /** @param {Record<string, string>} options */
    #remember(options) {
        const { sample } = this.#options;
        this.#options = { ...(sample ? { sample } : {}), ...options };
        if (!this.#section.hidden) this.#app.remember(this.#options);
    }

    /** @param {State} state */
    #setState(state) {
        const parts = this.#parts;
        this.#section.dataset.state = state;
        // A file that was refused changes nothing of the one before.
        const job = state === 'refused' ? (this.#rows?.phase ?? 'empty') : state;
        this.#job_state = job;
        const has_job = !!this.#rows && state !== 'parsing';
        const is_working = job === 'working' || job === 'paused';
        parts.empty.hidden = has_job || state === 'parsing';
        parts.parsing.hidden = state !== 'parsing';
        parts.job.hidden = !has_job;
        parts.refusal.hidden = state !== 'refused';
        if (state !== 'refused') parts.refused.replaceChildren();
        if (job !== 'failed') parts.failed.replaceChildren();
        parts.setup.hidden = is_working;
        parts.setup.open = job === 'ready';
        parts.notes.hidden = job !== 'ready';
        parts['start-row'].hidden = job !== 'ready';
        parts.model.hidden = !is_working;
        parts.progress.hidden = !(is_working || job === 'stopped');
        parts.pause.hidden = job !== 'working' || !this.#work;
        parts.resume.hidden = job !== 'paused';
        parts.cancel.hidden = !is_working;
        parts.rest.hidden = job !== 'stopped';
    }

    // --- files --------------------------------------------------------------------------------

    #listen() {
        const parts = this.#parts;
        const section = this.#section;
        const choose = () => parts.file.click();
        parts['choose-file'].onclick = choose;
        parts.another.onclick = choose;
        parts.sample.onclick = () => this.#openSample();
        parts.file.onchange = () => {
            const [file] = parts.file.files;
            parts.file.value = '';
            if (file) this.#open(file, file.name);
        };
        parts.paste.oninput = () => {
            parts['use-paste'].disabled = parts.paste.value.trim() === '';
        };
        parts['use-paste'].onclick = () => this.#openText(parts.paste.value);
        document.addEventListener('paste', (event) => {
            const target = /** @type {HTMLElement} */ (event.target);
            if (section.hidden || target.closest('input, textarea')) return;
            const [file] = event.clipboardData?.files ?? [];
            const text = event.clipboardData?.getData('text/plain') ?? '';
            if (file) this.#open(file, file.name);
            else if (text.trim()) this.#openText(text);
        });
        section.addEventListener('dragover', (event) => {
            event.preventDefault();
            section.classList.add('many-dragged');
        });
        section.addEventListener('dragleave', (event) => {
            const to = /** @type {Node | null} */ (event.relatedTarget);
            if (!to || !section.contains(to)) section.classList.remove('many-dragged');
        });
        section.addEventListener('drop', (event) => {
            event.preventDefault();
            section.classList.remove('many-dragged');
            const [file] = event.dataTransfer?.files ?? [];
            const text = event.dataTransfer?.getData('text/plain') ?? '';
            if (file) this.#open(file, file.name);
            else if (text.trim()) this.#openText(text);
        });
        parts['parsing-cancel'].onclick = () => this.#opening?.close();
        parts.clear.onclick = () => this.#clear();
        parts['undo-button'].onclick = () => this.#bringBack();

        for (const part of ['text', 'group-column', 'date', 'first']) {
            parts[part].onchange = () => this.#choose(part === 'first');
        }
        parts.format.append(
            ...Object.entries(FORMATS).map(([value, words]) => make('option', { value }, words)),
        );
        parts.encoding.append(
            ...Object.entries(ENCODINGS).map(([value, words]) => make('option', { value }, words)),
        );
        parts.format.onchange = () => this.#openAgain({ format: parts.format.value });
        parts.encoding.onchange = () => this.#openAgain({ encoding: parts.encoding.value });
        parts['has-header'].onchange = () =>
            this.#openAgain({ has_header: parts['has-header'].checked });

        parts.start.onclick = () => this.#start();
        parts.rest.onclick = () => this.#start();
        parts.again.onclick = () => this.#startAgain();
        parts.pause.onclick = () => {
            this.#work?.pause();
            this.#setState('paused');
            this.#showProgress();
            this.#showTogether(true);
            parts.resume.focus();
            this.#app.announce('Paused');
        };
        parts.resume.onclick = () => {
            this.#work?.resume();
            this.#setState('working');
            this.#showProgress();
            parts.pause.focus();
        };
        parts.cancel.onclick = () => this.#cancel();

        parts['save-csv'].onclick = () => this.#save('csv');
        parts['save-excel'].onclick = () => this.#save('excel');
        parts['save-jsonl'].onclick = () => this.#save('jsonl');
        parts.copy.onclick = async () => {
            const rows = /** @type {Rows} */ (this.#rows);
            const summary = await rows.call('summary');
            await copyText(parts.copy, this.#together.inWords(rows, summary));
        };
    }

    async #openSample() {
        const is_open = await this.#open(sampleFile(), 'sample-comments.csv');
        if (!is_open) return;
        this.#options.sample = '1';
        this.#rows_view.remember();
        this.#start();
    }

    /** @param {string} text */
    #openText(text) {
        return this.#open(new Blob([text], { type: 'text/plain' }), 'pasted texts');
    }

    /** The same file, read in another way. @param {How} how */
    #openAgain(how) {
        const { blob, name, source } = /** @type {Rows} */ (this.#rows);
        const { encoding, format } = source;
        // What is chosen stays; whether there is a header is guessed anew with another delimiter.
        return this.#open(blob, name, {
            encoding,
            ...(how.encoding && !('format' in how) ? {} : { format }),
            ...how,
        });
    }

    /**
     * @param {Blob} blob
     * @param {string} name
     * @param {How} [how]
     * @param {import('./rows.js').Choice} [choice]
     */
    async #open(blob, name, how = {}, choice) {
        const parts = this.#parts;
        this.#opening?.close();
        this.#cancel();
        const rows = new Rows(blob, name);
        this.#opening = rows;
        parts['parsing-bar'].value = 0;
        parts['parsing-words'].textContent = `Reading ${name}`;
        this.#setState('parsing');
        try {
            await rows.parse(how, (share) => {
                parts['parsing-bar'].value = share;
            });
            await rows.choose(choice ?? rows.choice);
        } catch (error) {
            if (this.#opening !== rows) return false;
            this.#opening = null;
            rows.close();
            const is_cancelled = /** @type {Error} */ (error).name === 'AbortError';
            this.#setState(is_cancelled ? (this.#rows?.phase ?? 'empty') : 'refused');
            if (!is_cancelled) this.#refuse(name, error);
            return false;
        }
        if (this.#opening !== rows) return false;
        this.#opening = null;
        this.#putAway();
        delete this.#options.sample;
        this.#use(rows);
        parts['source-name'].focus();
        this.#app.announce(`${name}: ${inUnits(rows.n, 'row')}`);
        return true;
    }

    /** @param {string} name @param {unknown} error */
    #refuse(name, error) {
        showFailure(this.#parts.refused, {
            title: `“${name}” could not be read`,
            error,
            ...(error instanceof Refusal ? { advice: error.advice } : {}),
            action: ['Choose another file', () => this.#parts.file.click()],
        });
    }

    /** @param {Rows} rows */
    #use(rows) {
        this.#rows = rows;
        if (rows.phase === 'failed') rows.phase = 'stopped'; // it may be gone on with
        const parts = this.#parts;
        parts['source-name'].textContent = rows.name;
        const { names, format, encoding, has_header } = rows.source;
        const columns = names.map((name, i) => [String(i), name]);
        fill(parts.text, columns);
        fill(parts['group-column'], [['-1', 'None'], ...columns]);
        fill(parts.date, [['-1', 'None'], ...columns]);
        parts.format.value = format;
        parts.encoding.value = encoding;
        parts['has-header'].checked = has_header;
        parts['has-header'].disabled = format === 'jsonl';
        this.#showChoice();
        this.#setState(rows.phase);
        this.#rows_view.use(rows);
        this.#showProgress();
        this.#showModel();
        this.#showTogether(true);
    }

    #showChoice() {
        const { choice, facts, source, n } = /** @type {Rows} */ (this.#rows);
        const parts = this.#parts;
        parts.text.value = String(choice.text);
        parts['group-column'].value = String(choice.group);
        parts.date.value = String(choice.date);
        parts['first-field'].hidden = !facts.ambiguous;
        parts['first-label'].textContent = `${facts.ambiguous} is written with`;
        parts.first.value = facts.is_day_first ? 'day' : 'month';
        const notes = [...source.notes];
        if (facts.n_bad_dates > 0) {
            notes.push(
                `${inUnits(facts.n_bad_dates, 'row')} of the dates' column ` +
                    `${facts.n_bad_dates === 1 ? 'is' : 'are'} no date.`,
            );
        }
        if (facts.n_unique < n) {
            notes.push(`${inWhole(facts.n_unique)} different texts: each is read once.`);
        }
        parts.notes.replaceChildren(...notes.map((words) => make('li', {}, words)));
        parts.start.textContent = `Classify ${inUnits(n, 'text')}`;
    }

    /** @param {boolean} is_order  it was said in which order days and months stand */
    async #choose(is_order) {
        const parts = this.#parts;
        const rows = /** @type {Rows} */ (this.#rows);
        const choice = {
            text: Number(parts.text.value),
            group: Number(parts['group-column'].value),
            date: Number(parts.date.value),
            ...(is_order || rows.choice.first
                ? { first: /** @type {'day' | 'month'} */ (parts.first.value) }
                : {}),
        };
        if (choice.text !== rows.choice.text && rows.n_done > 0) {
            // The results are of other texts: they can be brought back.
            const { encoding, format, has_header } = rows.source;
            await this.#open(rows.blob, rows.name, { encoding, format, has_header }, choice);
            return;
        }
        await rows.choose(choice);
        if (this.#rows !== rows) return;
        this.#showChoice();
        this.#rows_view.use(rows);
        this.#showTogether(true);
    }

    // --- what was there before ----------------------------------------------------------------

    /** Takes away what is shown; what is worth it can be brought back. */
    #putAway() {
        const rows = this.#rows;
        this.#rows = null;
        this.#work = null;
        if (!rows) return;
        if (rows.n_done === 0 && rows.n_hand === 0) {
            rows.close();
            return;
        }
        this.#before?.close();
        this.#before = rows;
        this.#parts['undo-words'].textContent =
            `${inUnits(rows.n_done, 'result')} of ${rows.name} ` +
            `${rows.n_done === 1 ? 'was' : 'were'} put away.`;
        this.#parts.undo.hidden = false;
    }

    #clear() {
        this.#cancel();
        this.#putAway();
        delete this.#options.sample;
        this.#rows_view.remember();
        this.#setState('empty');
        this.#parts['choose-file'].focus();
    }

    #bringBack() {
        const before = this.#before;
        if (!before) return;
        this.#cancel();
        this.#before = null;
        this.#parts.undo.hidden = true;
        this.#putAway(); // so that this, too, can be undone
        this.#use(before);
        this.#parts['source-name'].focus();
    }

    // --- work ---------------------------------------------------------------------------------

    async #start() {
        const rows = /** @type {Rows} */ (this.#rows);
        const n_starts = ++this.#n_starts;
        const isOver = () => this.#n_starts !== n_starts;
        const parts = this.#parts;
        this.#work = null;
        this.#setState('working');
        this.#showProgress();
        parts.cancel.focus({ preventScroll: true });
        const classify = /** @type {import('../shell/models.js').Classify} */ (
            await whenLoaded(parts.model, this.#app.models, 'classifier')
        );
        if (isOver()) return;
        if (rows.pipe !== classify || rows.label_names.length === 0) {
            rows.pipe = classify;
            rows.model_name = this.#app.models.nameOf('classifier');
            await rows.begin(classify.model.config.labels);
            if (isOver()) return;
            this.#rows_view.use(rows);
        }
        const spent = rows.seconds;
        const work = new ClassifyAll(rows, classify, () => {
            rows.seconds = spent + work.seconds;
            this.#showProgress();
            this.#rows_view.refresh();
            this.#showTogether(false);
        });
        this.#work = work;
        this.#setState('working');
        this.#showModel();
        try {
            await work.run();
            rows.phase = 'full';
        } catch (error) {
            if (isOver()) return; // it was cancelled
            rows.phase = 'failed';
            this.#fail(error);
        }
        rows.seconds = spent + work.seconds;
        this.#work = null;
        const is_failed = rows.phase === 'failed';
        if (!is_failed) this.#setState(rows.phase);
        this.#showProgress();
        this.#rows_view.refreshOrder();
        this.#showTogether(true);
        if (is_failed) return;
        this.#app.announce(`${inUnits(rows.n, 'text')} classified`);
        parts['source-name'].focus({ preventScroll: true });
    }

    /** @param {unknown} error */
    #fail(error) {
        const { n_done } = /** @type {Rows} */ (this.#rows);
        this.#setState('failed');
        showFailure(this.#parts.failed, {
            title: `Stopped after ${inUnits(n_done, 'row')}`,
            error,
            advice: 'What is done is kept. Go on with the rest, or save what is there.',
            action: ['Go on', () => this.#start()],
        });
    }

    /** Ends the work; what is done is kept. */
    #cancel() {
        if (this.#job_state !== 'working' && this.#job_state !== 'paused') return;
        this.#n_starts++;
        this.#work?.cancel();
        this.#work = null;
        const rows = /** @type {Rows} */ (this.#rows);
        rows.phase = rows.n_done > 0 ? 'stopped' : 'ready';
        this.#setState(rows.phase);
        this.#showProgress();
        this.#rows_view.refreshOrder();
        this.#showTogether(true);
        this.#app.announce(`Stopped after ${inUnits(rows.n_done, 'row')}`);
        const next = rows.phase === 'stopped' ? this.#parts.rest : this.#parts.start;
        next.focus({ preventScroll: true });
    }

    /** With another model; the results of this one can be brought back. */
    async #startAgain() {
        const { blob, name, source, choice } = /** @type {Rows} */ (this.#rows);
        const { encoding, format, has_header } = source;
        const is_open = await this.#open(blob, name, { encoding, format, has_header }, choice);
        if (is_open) this.#start();
    }

    /** Whether the results are of the model that is there now. */
    #showModel() {
        const rows = this.#rows;
        const { models } = this.#app;
        const parts = this.#parts;
        const name = models.nameOf('classifier');
        parts['start-hint'].textContent = models.isVisitors('classifier')
            ? `With your model, ${name}`
            : 'Positive or negative, in English; bring a model of your own in “Your model”.';
        const is_other = !!rows && rows.n_done > 0 && rows.model_name !== name;
        parts['other-model'].hidden = !is_other;
        if (!is_other) return;
        parts['other-model-words'].textContent = `These results are of ${rows.model_name}.`;
        parts.again.textContent = `Classify with ${name}`;
    }

    #showProgress() {
        if (this.#frame) return;
        this.#frame = requestAnimationFrame(() => {
            this.#frame = 0;
            this.#drawProgress();
        });
    }

    #drawProgress() {
        const rows = this.#rows;
        if (!rows) return;
        const parts = this.#parts;
        const state = this.#job_state;
        const { n, n_done, seconds } = rows;
        const so_far = `${inWhole(n_done)} of ${inWhole(n)}`;
        const { names, encoding } = rows.source;
        const more =
            state === 'full'
                ? `classified in ${inTime(seconds)} by ${rows.model_name}`
                : `${inUnits(names.length, 'column')}, ${ENCODINGS[encoding]}`;
        parts['source-facts'].textContent = `${inUnits(n, 'row')}, ${more}`;
        parts.bar.max = n;
        if (state === 'working' && !this.#work) parts.bar.removeAttribute('value');
        else parts.bar.value = n_done;
        if (state === 'stopped' || state === 'paused') {
            const is_paused = state === 'paused';
            parts['progress-title'].textContent = is_paused ? 'Paused' : 'Stopped';
            parts['progress-words'].textContent = `${so_far}. What is done is kept.`;
            parts.rest.textContent = `Classify the other ${inWhole(n - n_done)}`;
            return;
        }
        parts['progress-title'].textContent = this.#work ? 'Classifying' : 'Waiting for the model';
        const pace = this.#work?.pace;
        parts['progress-words'].textContent = pace
            ? `${so_far}, ${inWhole(pace.rate)} texts/s, ${inTime(pace.left)} left`
            : so_far;
    }

    /**
     * Counts, now and then while it works, and whenever asked to.
     * @param {boolean} is_now
     */
    async #showTogether(is_now) {
        const rows = this.#rows;
        const { results } = this.#parts;
        if (!rows || rows.n_done === 0) {
            results.hidden = true;
            return;
        }
        const now = performance.now();
        if (!is_now && (this.#is_counting || now - this.#counted_at < COUNT_EVERY)) return;
        const is_drawn = is_now || now - this.#drawn_at >= DRAW_EVERY;
        this.#counted_at = now;
        if (is_drawn) this.#drawn_at = now;
        this.#is_counting = true;
        try {
            const summary = await rows.call('summary');
            if (this.#rows !== rows) return;
            results.hidden = false;
            await this.#together.show(summary, rows.label_names, is_drawn);
        } finally {
            this.#is_counting = false;
        }
    }

    // --- files to take away -------------------------------------------------------------------

    /** @param {import('./write_file.js').Kind} kind */
    async #save(kind) {
        const rows = /** @type {Rows} */ (this.#rows);
        const { only } = this.#parts;
        const shown = this.#rows_view.shown;
        const order = only.checked && shown ? shown.slice().sort() : null;
        const { blob, n_marked } = await rows.call('write', { kind, rows: order });
        const name = rows.name.replace(/\.\w+$/, '').replaceAll(' ', '-');
        saveFile(blob, `${name}-labels.${kind === 'jsonl' ? 'jsonl' : 'csv'}`);
        if (!order) rows.is_saved = true;
        const marked = n_marked ? `; ${inUnits(n_marked, 'cell')} with an apostrophe` : '';
        this.#app.announce(`Saved ${inUnits(order?.length ?? rows.n, 'row')}${marked}`);
    }
}

/** @param {HTMLSelectElement} select @param {string[][]} options  value and words */
function fill(select, options) {
    select.replaceChildren(...options.map(([value, words]) => make('option', { value }, words)));
}

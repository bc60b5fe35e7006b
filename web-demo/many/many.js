/**
 * The view Many: a file, its columns, the label of each text, what they are together, and a file to
 * take away. The rows are in a worker (rows_worker.js), the model in its own; here is what is seen.
 */

import { listenForFiles } from '../files/given.js';
import { copyText, partsOf, saveFile } from '../shell/dom.js';
import { inUnits } from '../shell/format.js';
import { Columns } from './columns.js';
import html from './many.html';
import { Opening } from './opening.js';
import { RowsView } from './rows_view.js';
import { Run } from './run.js';
import { sampleFile } from './sample.js';
import { Together } from './together.js';
import { Undo } from './undo.js';

/** @typedef {import('./rows.js').Rows} Rows */
/** @typedef {import('./rows.js').Choice} Choice */
/** @typedef {'empty' | 'parsing' | 'refused' | 'working' | 'paused' | Rows['phase']} State */

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
    #opening;
    #columns;
    #run;
    #together;
    #rows_view;
    #undo;

    /** @type {Rows | null} */
    #rows = null;

    /** Chosen options, which the address remembers. @type {Record<string, string>} */
    #options = {};

    /** @param {HTMLElement} section @param {import('../shell/main.js').App} app */
    constructor(section, app) {
        this.#section = section;
        this.#app = app;
        const parts = partsOf(section);
        this.#parts = parts;
        this.#opening = this.#makeOpening();
        this.#columns = this.#makeColumns();
        this.#run = this.#makeRun();
        this.#together = new Together(parts, {
            show: (show) => this.#rows_view.choose({ show }),
            group: (group) => this.#rows_view.choose({ group }),
        });
        this.#rows_view = new RowsView(parts, app, {
            remember: (options) => this.#remember(options),
            correct: () => this.#showTogether(true),
        });
        this.#undo = new Undo(
            { panel: parts.undo, words: parts['undo-words'], button: parts['undo-button'] },
            (rows) => this.#bringBack(rows),
        );
        this.#listen();
        this.#setState('empty');
    }

    #makeOpening() {
        const parts = this.#parts;
        return new Opening(
            {
                bar: parts['parsing-bar'],
                words: parts['parsing-words'],
                cancel: parts['parsing-cancel'],
                refused: parts.refused,
            },
            {
                begin: () => this.#setState('parsing'),
                cancel: () => this.#setState(this.#rows?.phase ?? 'empty'),
                refuse: () => this.#setState('refused'),
                choose: () => parts.file.click(),
            },
        );
    }

    #makeColumns() {
        const { text, date, first, format, encoding, notes, ...parts } = this.#parts;
        return new Columns(
            {
                text,
                group: parts['group-column'],
                date,
                first,
                first_field: parts['first-field'],
                first_label: parts['first-label'],
                format,
                encoding,
                has_header: parts['has-header'],
                notes,
            },
            {
                choose: (choice) => this.#choose(choice),
                read: (how) => {
                    const { blob, name } = /** @type {Rows} */ (this.#rows);
                    this.#open(blob, name, how);
                },
            },
        );
    }

    #makeRun() {
        const { start, model, progress, bar, pause, resume, cancel, rest, failed, ...parts } =
            this.#parts;
        return new Run(
            {
                heading: parts['source-name'],
                facts: parts['source-facts'],
                start,
                model,
                progress,
                title: parts['progress-title'],
                bar,
                words: parts['progress-words'],
                pause,
                resume,
                cancel,
                rest,
                failed,
            },
            this.#app,
            {
                change: (state) => {
                    this.#setState(state);
                    if (state === 'working') return;
                    if (state !== 'paused') this.#rows_view.refreshOrder();
                    this.#showTogether(true);
                },
                begin: (is_new) => {
                    if (is_new) this.#rows_view.use(/** @type {Rows} */ (this.#rows));
                    this.#setState('working');
                    this.#showModel();
                },
                take: () => {
                    this.#rows_view.refresh();
                    this.#showTogether(false);
                },
            },
        );
    }

    #listen() {
        const parts = this.#parts;
        listenForFiles(this.#section, parts, (blob, name) => this.#open(blob, name));
        parts.sample.onclick = () => this.#openSample();
        parts.clear.onclick = () => this.#clear();
        parts.again.onclick = () => this.#startAgain();
        for (const kind of /** @type {const} */ (['csv', 'excel', 'jsonl'])) {
            parts[`save-${kind}`].onclick = () => this.#save(kind);
        }
        parts.copy.onclick = async () => {
            const rows = /** @type {Rows} */ (this.#rows);
            const summary = await rows.call('summary');
            await copyText(parts.copy, this.#together.inWords(rows, summary));
        };
        this.#app.models.addEventListener('change', (/** @type {any} */ { detail }) => {
            if (detail.kind === 'classifier') this.#showModel();
            else this.#rows_view.forgetVectors();
        });
        addEventListener('beforeunload', (event) => {
            const is_lost = [this.#rows, this.#undo.kept].some((rows) => rows && !rows.is_saved);
            if (is_lost) event.preventDefault();
        });
    }

    /** @param {import('../shell/views.js').State} state  of the address */
    restore(state) {
        this.#options = state;
        this.#rows_view.restore(state);
        if (state.sample && !this.#rows && !this.#opening.is_reading) this.#openSample();
    }

    /** @param {Record<string, string>} options */
    #remember(options) {
        const { sample } = this.#options;
        this.#options = { ...(sample ? { sample } : {}), ...options };
        this.#app.remember(this.#options);
    }

    /** @param {State} state */
    #setState(state) {
        const parts = this.#parts;
        this.#section.dataset.state = state;
        // A file that was refused changes nothing of the one before.
        const job = state === 'refused' ? (this.#rows?.phase ?? 'empty') : state;
        const has_job = !!this.#rows && state !== 'parsing';
        parts.empty.hidden = has_job || state === 'parsing';
        parts.parsing.hidden = state !== 'parsing';
        parts.job.hidden = !has_job;
        parts.refusal.hidden = state !== 'refused';
        if (state !== 'refused') parts.refused.replaceChildren();
        parts.setup.hidden = job === 'working' || job === 'paused';
        parts.setup.open = job === 'ready';
        parts.notes.hidden = job !== 'ready';
        parts['start-row'].hidden = job !== 'ready';
        this.#run.show(job);
    }

    // --- files --------------------------------------------------------------------------------

    /**
     * @param {Blob} blob
     * @param {string} name
     * @param {import('./opening.js').How} [how]
     * @param {Choice} [choice]
     * @returns {Promise<boolean>}  whether it is there now
     */
    async #open(blob, name, how = {}, choice) {
        this.#run.cancel();
        const rows = await this.#opening.read(blob, name, how, choice);
        if (!rows) return false;
        this.#putAway();
        delete this.#options.sample;
        this.#use(rows);
        this.#parts['source-name'].focus();
        this.#app.announce(`${name}: ${inUnits(rows.n, 'row')}`);
        return true;
    }

    /** The same file afresh: the results until now can be brought back. @param {Choice} choice */
    #openAfresh(choice) {
        const { blob, name, source } = /** @type {Rows} */ (this.#rows);
        const { encoding, format, has_header } = source;
        return this.#open(blob, name, { encoding, format, has_header }, choice);
    }

    async #openSample() {
        const is_open = await this.#open(sampleFile(), 'sample-comments.csv');
        if (!is_open) return;
        this.#options.sample = '1';
        this.#rows_view.remember();
        this.#run.start();
    }

    /** @param {Rows} rows */
    #use(rows) {
        this.#rows = rows;
        if (rows.phase === 'failed') rows.phase = 'stopped'; // it may be gone on with
        this.#parts['source-name'].textContent = rows.name;
        this.#columns.use(rows);
        this.#setState(rows.phase);
        this.#rows_view.use(rows);
        this.#run.use(rows);
        this.#showModel();
        this.#showTogether(true);
    }

    /** @param {Choice} choice  of columns */
    async #choose(choice) {
        const rows = /** @type {Rows} */ (this.#rows);
        if (choice.text !== rows.choice.text && rows.n_done > 0) {
            await this.#openAfresh(choice); // the results are of other texts
            return;
        }
        await rows.choose(choice);
        if (this.#rows !== rows) return;
        this.#columns.showChoice();
        this.#rows_view.use(rows);
        this.#showTogether(true);
    }

    // --- what was there before ----------------------------------------------------------------

    /** Takes away what is shown; what is worth it can be brought back. */
    #putAway() {
        if (this.#rows) this.#undo.keep(this.#rows);
        this.#rows = null;
    }

    #clear() {
        this.#run.cancel();
        this.#putAway();
        delete this.#options.sample;
        this.#rows_view.remember();
        this.#setState('empty');
        this.#showTogether(true); // a count that is under way is of no use now
        this.#parts['choose-file'].focus();
    }

    /** @param {Rows} rows */
    #bringBack(rows) {
        this.#run.cancel();
        this.#putAway(); // so that this, too, can be undone
        this.#use(rows);
        this.#parts['source-name'].focus();
    }

    // --- results ------------------------------------------------------------------------------

    /** With another model; the results of this one can be brought back. */
    async #startAgain() {
        const { choice } = /** @type {Rows} */ (this.#rows);
        const is_open = await this.#openAfresh(choice);
        if (is_open) this.#run.start();
    }

    /** Whether the results are of the model that is there now. */
    #showModel() {
        const rows = this.#rows;
        const { models } = this.#app;
        const parts = this.#parts;
        const name = models.nameOf('classifier');
        parts['start-hint'].textContent = models.isVisitors('classifier')
            ? `With your model, ${name}`
            : 'Positive, neutral or negative, in English; bring your own in “Your model”.';
        const is_other = !!rows && rows.n_done > 0 && rows.model_name !== name;
        parts['other-model'].hidden = !is_other;
        if (!is_other) return;
        parts['other-model-words'].textContent = `These results are of ${rows.model_name}.`;
        parts.again.textContent = `Classify with ${name}`;
    }

    /** @param {boolean} is_now  not only when it is time to count again */
    #showTogether(is_now) {
        return this.#together.count(this.#rows, is_now);
    }

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

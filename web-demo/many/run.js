/** The run of all texts through the model: it can be paused, gone on with and cancelled. */

import { showFailure } from '../shell/failure.js';
import { inUnits } from '../shell/format.js';
import { whenLoaded } from '../shell/loading.js';
import { ClassifyAll } from './classify_all.js';
import { drawProgress } from './progress.js';

/** @typedef {import('./rows.js').Rows} Rows */
/** @typedef {import('./many.js').State} State */

export class Run {
    #parts;
    #app;
    #on;

    /** @type {Rows | null} */
    #rows = null;

    /** What is at work, once the model is there. @type {ClassifyAll | null} */
    #work = null;

    /** What is seen of the rows. @type {State} */
    #state = 'empty';

    /** Counts the starts: what belongs to an earlier one is not shown. */
    #n_starts = 0;
    #frame = 0;

    /**
     * @param {object} parts
     * @param {HTMLElement} parts.heading  of the file
     * @param {HTMLElement} parts.facts  of it
     * @param {HTMLButtonElement} parts.start
     * @param {HTMLElement} parts.model  shows how it arrives
     * @param {HTMLElement} parts.progress
     * @param {HTMLElement} parts.title
     * @param {HTMLProgressElement} parts.bar
     * @param {HTMLElement} parts.words
     * @param {HTMLButtonElement} parts.pause
     * @param {HTMLButtonElement} parts.resume
     * @param {HTMLButtonElement} parts.cancel
     * @param {HTMLButtonElement} parts.rest
     * @param {HTMLElement} parts.failed  says why
     * @param {import('../shell/main.js').App} app
     * @param {object} on
     * @param {(state: State) => void} on.change  the run has come to another state
     * @param {(is_new: boolean) => void} on.begin  the model is there; is_new: it has other labels
     * @param {() => void} on.take  results have come
     */
    constructor(parts, app, on) {
        this.#parts = parts;
        this.#app = app;
        this.#on = on;
        parts.start.onclick = () => this.start();
        parts.rest.onclick = () => this.start();
        parts.pause.onclick = () => this.#pause();
        parts.resume.onclick = () => this.#resume();
        parts.cancel.onclick = () => this.cancel();
    }

    /** @param {Rows} rows */
    use(rows) {
        this.#rows = rows;
        this.#parts.start.textContent = `Classify ${inUnits(rows.n, 'text')}`;
        this.#showProgress();
    }

    /** @param {State} state */
    show(state) {
        this.#state = state;
        const parts = this.#parts;
        const is_working = state === 'working' || state === 'paused';
        if (state !== 'failed') parts.failed.replaceChildren();
        parts.model.hidden = !is_working;
        parts.progress.hidden = !(is_working || state === 'stopped');
        parts.pause.hidden = state !== 'working' || !this.#work;
        parts.resume.hidden = state !== 'paused';
        parts.cancel.hidden = !is_working;
        parts.rest.hidden = state !== 'stopped';
    }

    async start() {
        const rows = /** @type {Rows} */ (this.#rows);
        const n_starts = ++this.#n_starts;
        const isOver = () => this.#n_starts !== n_starts;
        this.#work = null;
        this.#change('working');
        this.#parts.cancel.focus({ preventScroll: true });
        const classify = /** @type {import('../shell/models.js').Classify} */ (
            await whenLoaded(this.#parts.model, this.#app.models, 'classifier')
        );
        if (isOver()) return;
        const is_new = rows.pipe !== classify || rows.label_names.length === 0;
        if (is_new) {
            rows.pipe = classify;
            rows.model_name = this.#app.models.nameOf('classifier');
            await rows.begin(classify.model.config.labels);
            if (isOver()) return;
        }
        const spent = rows.seconds;
        const work = new ClassifyAll(rows, classify, () => {
            rows.seconds = spent + work.seconds;
            this.#showProgress();
            this.#on.take();
        });
        this.#work = work;
        this.#on.begin(is_new);
        /** @type {unknown} */
        let failure = null;
        try {
            await work.run();
        } catch (error) {
            if (isOver()) return; // it was cancelled
            failure = error;
        }
        rows.seconds = spent + work.seconds;
        rows.phase = failure ? 'failed' : 'full';
        this.#work = null;
        this.#change(rows.phase);
        if (failure) {
            this.#showFailure(failure);
            return;
        }
        this.#app.announce(`${inUnits(rows.n, 'text')} classified`);
        this.#parts.heading.focus({ preventScroll: true });
    }

    #pause() {
        this.#work?.pause();
        this.#change('paused');
        this.#parts.resume.focus();
        this.#app.announce('Paused');
    }

    #resume() {
        this.#work?.resume();
        this.#change('working');
        this.#parts.pause.focus();
    }

    /** Ends it; what is done is kept. */
    cancel() {
        if (this.#state !== 'working' && this.#state !== 'paused') return;
        this.#n_starts++;
        this.#work?.cancel();
        this.#work = null;
        const rows = /** @type {Rows} */ (this.#rows);
        rows.phase = rows.n_done > 0 ? 'stopped' : 'ready';
        this.#change(rows.phase);
        this.#app.announce(`Stopped after ${inUnits(rows.n_done, 'row')}`);
        const next = rows.phase === 'stopped' ? this.#parts.rest : this.#parts.start;
        next.focus({ preventScroll: true });
    }

    /** @param {State} state */
    #change(state) {
        this.#on.change(state);
        this.#showProgress();
    }

    /** @param {unknown} error */
    #showFailure(error) {
        const { n_done } = /** @type {Rows} */ (this.#rows);
        showFailure(this.#parts.failed, {
            title: `Stopped after ${inUnits(n_done, 'row')}`,
            error,
            advice: 'What is done is kept. Go on with the rest, or save what is there.',
            action: ['Go on', () => this.start()],
        });
    }

    /** Once a frame. */
    #showProgress() {
        if (this.#frame) return;
        this.#frame = requestAnimationFrame(() => {
            this.#frame = 0;
            if (this.#rows) drawProgress(this.#rows, this.#state, this.#work, this.#parts);
        });
    }
}

/**
 * The view Your model: a model of the visitor's is opened from files, an address or a name, says
 * what it is, does what it can, and may take the place of the page's own.
 *
 * Its state in the address is where the model came from; what is not on this device is fetched only
 * when the visitor says so.
 */

import { factRows, make, partsOf } from '../shell/dom.js';
import { partOfPage, showFailure } from '../shell/failure.js';
import { inMegabytes, inWhole } from '../shell/format.js';
import { factsOf, familyName, wordsOf } from './card.js';
import { adviceFor } from './failures.js';
import { convertFiles, filesOf } from './files.js';
import { describeStored, fileOf, getModel, openStored } from './get.js';
import { mountKept } from './kept.js';
import { pipelinesOf, TASKS } from './tasks.js';
import { mountUses } from './uses.js';
import { makeWorking } from './working.js';
import html from './your_model.html';

/** @typedef {import('./card.js').Opened} Opened */
/** @typedef {import('../shell/views.js').State} State */

/** The usual Hub. */
const HUB = 'https://huggingface.co';

/** Names to begin with, and what they are. */
const EXAMPLES = [
    ['cross-encoder/ms-marco-MiniLM-L6-v2', 'ranks documents'],
    ['dslim/distilbert-NER', 'finds names'],
    ['distilbert/distilbert-base-cased-distilled-squad', 'answers questions'],
    ['google-bert/bert-base-uncased', 'fills in words'],
];

/** @type {import('../shell/views.js').Mount} */
export function mount(section, app) {
    section.innerHTML = html;
    const parts = partsOf(section);

    /** @type {Opened | null} null: none is open */
    let opened = null;

    /** Where it came from, as the address has it. @type {State} */
    let source = {};

    /** What is being opened; aborted by its button, and by another one. */
    let opening = new AbortController();

    /** Ends the view of the task that is shown. */
    let endTask = () => {};

    /** Ends of what the view listens to while it is open. */
    let listening = new AbortController();

    const uses = mountUses(parts.uses, app, () => opened);
    const kept = mountKept(parts, app, (stored) => openKept(stored));

    // --- states -------------------------------------------------------------------------------

    /** @param {'empty' | 'asking' | 'working' | 'failed' | 'ready'} state @param {...Node} nodes */
    function stage(state, ...nodes) {
        parts.stage.dataset.state = state;
        parts.stage.replaceChildren(...nodes);
        parts.card.hidden = state !== 'ready';
        parts['open-title'].textContent = state === 'ready' ? 'Open another model' : 'Open a model';
    }

    /** Ends what is open or being opened. */
    function close() {
        opening.abort();
        endTask();
        endTask = () => {};
        const before = opened;
        opened = null;
        uses.dispose(before ?? undefined);
        if (parts.save.href) URL.revokeObjectURL(parts.save.href);
        parts.save.removeAttribute('href');
        source = {};
        app.remember(source);
        stage('empty');
        uses.show();
    }

    function closeByHand() {
        close();
        parts.open.open = true;
        parts['choose-files'].focus();
    }

    /**
     * @typedef {Pick<Opened, 'model' | 'stored' | 'file' | 'made' | 'licence'>
     *   & {name?: string}} Came
     *
     * @typedef {object} Way  of opening a model
     * @property {string} title  of what is done
     * @property {boolean} are_files
     * @property {State} from  as the address has it
     * @property {() => void} again
     * @property {(how: {library: import('../shell/models.js').Library, signal: AbortSignal,
     *   show: (progress: any, doing: string) => void}) => Promise<Came>} come
     */

    /** @param {Way} way */
    async function openBy({ title, are_files, from, again, come }) {
        close();
        opening = new AbortController();
        const { signal } = opening;
        source = from;
        app.remember(source);
        const { element, show } = makeWorking(title, () => {
            closeByHand();
            app.announce('Cancelled');
        });
        stage('working', element);
        element.querySelector('button')?.focus({ preventScroll: true });
        element.scrollIntoView({ block: 'nearest' });
        try {
            const library = await app.models.library();
            const came = await come({ library, signal, show });
            if (signal.aborted) return came.model.dispose();
            await accept(library, came, signal);
        } catch (error) {
            if (signal.aborted) return;
            const { code = '' } = /** @type {Error & {code?: string}} */ (error);
            stage('failed');
            parts.open.open = true;
            const failure = make('div');
            parts.stage.append(make('h2', { className: 'unseen' }, 'The model'), failure);
            showFailure(failure, {
                title: are_files ? 'These files could not be opened' : 'It could not be opened',
                error,
                ...(code === 'PAGE_CODE'
                    ? {}
                    : {
                          advice: adviceFor(code, are_files),
                          action: are_files ? ['Choose other files', again] : ['Try again', again],
                      }),
            });
        }
        kept.show();
    }

    /**
     * @param {import('../shell/models.js').Library} library
     * @param {Came} came
     * @param {AbortSignal} signal
     */
    async function accept(library, { model, ...came }, signal) {
        try {
            const info = await model.info();
            const pipelines = info.tokenizer ? await pipelinesOf(library, model) : new Map();
            if (!info.tokenizer) {
                const message = `model '${model.name}' was made without a tokenizer`;
                throw Object.assign(new Error(message), { code: 'NO_TOKENIZER' });
            }
            if (signal.aborted) return model.dispose();
            opened = { ...came, name: came.name ?? info.name, model, info, pipelines };
        } catch (error) {
            model.dispose();
            throw error;
        }
        showCard(opened);
    }

    // --- the model that is open -----------------------------------------------------------------

    /** @param {Opened} model */
    function showCard(model) {
        const { name, info, made, pipelines } = model;
        const { architecture, encoder } = info.config;
        const [first] = pipelines.keys();
        stage('ready');
        parts.open.open = false;
        parts.title.textContent = name;
        parts.summary.textContent =
            `${familyName(architecture)}, ${encoder.n_layers} layers of ` +
            `${inWhole(Number(encoder.hidden_size))}, ${inMegabytes(info.arrival.total)}. ` +
            `It ${TASKS[first].does}.`;
        parts.facts.replaceChildren(...factRows(factsOf(model)));
        parts.verified.textContent = '';
        parts.save.hidden = !made;
        if (made) {
            parts.save.href = URL.createObjectURL(made);
            parts.save.download = `${name}.bert-wasm.safetensors`;
        }
        parts.tasks.replaceChildren(
            ...[...pipelines.keys()].map((task) =>
                make(
                    'button',
                    { type: 'button', dataset: { task }, onclick: () => showTask(task) },
                    TASKS[task].title,
                ),
            ),
        );
        uses.show();
        showTask(first);
        parts.title.focus({ preventScroll: true });
        parts.title.scrollIntoView({ block: 'nearest' });
        app.announce(`${name} is ready: it ${TASKS[first].does}`);
    }

    /** @param {string} task */
    async function showTask(task) {
        const model = opened;
        endTask();
        endTask = () => {};
        for (const button of parts.tasks.children) {
            button.setAttribute('aria-pressed', String(button.dataset.task === task));
        }
        parts.task.replaceChildren();
        parts.task.dataset.task = task;
        try {
            const { mount } = await partOfPage(TASKS[task].load());
            if (opened !== model || parts.task.dataset.task !== task || !model) return;
            parts.task.replaceChildren();
            const pipe = model.pipelines.get(task);
            endTask = mount(parts.task, { pipe, announce: app.announce }) ?? endTask;
        } catch (error) {
            showFailure(parts.task, { title: 'This part of the page did not come', error });
        }
    }

    async function verify() {
        const model = opened;
        if (!model) return;
        parts.verify.disabled = true;
        parts.verified.textContent = 'Computing …';
        let words = '';
        try {
            words = wordsOf(await model.model.verify());
        } catch (error) {
            const { code, message } = /** @type {Error & {code?: string}} */ (error);
            words = code === 'NO_REFERENCE' ? 'Its file has no answers to compare with.' : message;
        }
        parts.verify.disabled = false;
        if (opened === model) parts.verified.textContent = words;
    }

    // --- ways of opening one ------------------------------------------------------------------

    /** @param {File[]} files */
    function openFiles(files) {
        if (!files.length) return;
        const dtype = parts.dtype.value;
        openBy({
            title: 'Reading the files',
            are_files: true,
            from: {},
            again: () => {
                closeByHand();
                parts.files.click();
            },
            async come({ library, signal, show }) {
                const onprogress = (/** @type {any} */ progress) =>
                    show(progress, 'Reading the files');
                const { file, name, is_made, licence } = await convertFiles(files, {
                    dtype,
                    signal,
                    onprogress,
                });
                const model = await library.loadModel(file, {
                    signal,
                    onprogress: (progress) => show(progress, 'Loading the model'),
                });
                const made = is_made ? file : null;
                return { model, name, stored: null, file: { source: file }, made, licence };
            },
        });
    }

    /** @param {State} from */
    function fetchModel(from) {
        const { model, revision, dtype = 'q8', hub } = from;
        openBy({
            title: `Fetching ${model}`,
            are_files: false,
            from,
            again: () => fetchModel(from),
            async come({ library, signal, show }) {
                const wanted = {
                    model,
                    revision: revision || undefined,
                    dtype,
                    hub: hub || null,
                    token: parts.token.value || null,
                };
                const stored = await getModel(section, wanted, {
                    signal,
                    onprogress: (progress) => show(progress, `Fetching ${model}`),
                });
                return load(library, stored, { signal, show });
            },
        });
    }

    /** @param {string} stored @param {State} [from] */
    function openKept(stored, from = sourceOf(stored)) {
        openBy({
            title: 'Loading the model',
            are_files: false,
            from,
            again: () => openKept(stored, from),
            come: ({ library, signal, show }) => load(library, stored, { signal, show }),
        });
    }

    /**
     * @param {import('../shell/models.js').Library} library
     * @param {string} stored
     * @param {{signal: AbortSignal, show: (progress: any, doing: string) => void}} how
     * @returns {Promise<Came>}
     */
    async function load(library, stored, { signal, show }) {
        const onprogress = (/** @type {any} */ progress) => show(progress, 'Loading the model');
        const model = await openStored(library, stored, { signal, onprogress });
        return { model, stored, file: fileOf(stored), made: null, licence: null };
    }

    /** Asks before anything is fetched. @param {State} from */
    function ask(from) {
        const { model, revision, hub } = from;
        const host = /^https?:/.test(model) ? model : `${hub || HUB}/${model}`;
        const yes = make('button', { type: 'button', className: 'main' }, 'Get it');
        yes.onclick = () => fetchModel(from);
        const no = make('button', { type: 'button', onclick: close }, 'Not now');
        const panel = make(
            'div',
            { className: 'panel your_model-ask' },
            make('h2', {}, `Open ${model}${revision ? `, ${revision}` : ''}?`),
            make(
                'p',
                {},
                'It is not on this device yet. It would be fetched from ',
                make('code', {}, host),
            ),
            make(
                'p',
                { className: 'hint' },
                'Models have from 20 to some 500 MB. Nothing is sent but the request.',
            ),
            make('div', { className: 'row' }, yes, no),
        );
        stage('asking', panel);
    }

    // --- events ---------------------------------------------------------------------------------

    // The page's own model may still be on its way; info() waits until it is kept.
    app.models
        .classifier()
        .then(({ model }) => model.info())
        .then(kept.show, () => {}); // the view that wanted it says why it did not come

    for (const [name, task] of EXAMPLES) {
        const choose = () => {
            parts.name.value = name;
            parts.name.focus();
        };
        const button = make(
            'button',
            { type: 'button', className: 'plain', onclick: choose },
            name,
        );
        parts.examples.append(make('li', {}, button, ` ${task}`));
    }
    parts['choose-files'].onclick = () => parts.files.click();
    parts['choose-folder'].onclick = () => parts.folder.click();
    parts['choose-folder'].hidden = !('webkitdirectory' in parts.folder);
    for (const input of [parts.files, parts.folder]) {
        input.onchange = () => {
            const files = /** @type {File[]} */ (Array.from(input.files ?? []));
            input.value = ''; // so that the same ones can be chosen again
            openFiles(files);
        };
    }
    parts.get.onsubmit = (/** @type {Event} */ event) => {
        event.preventDefault();
        const model = parts.name.value.trim();
        if (!model) return parts.name.focus();
        const revision = parts.revision.value.trim();
        const hub = parts.hub.value.trim();
        const dtype = parts.dtype.value;
        fetchModel({ model, dtype, ...(revision && { revision }), ...(hub && { hub }) });
    };
    parts.close.onclick = closeByHand;
    parts.verify.onclick = verify;

    const hasFiles = (/** @type {DragEvent} */ { dataTransfer }) =>
        dataTransfer?.types.includes('Files') ?? false;

    /** Files may be dropped anywhere on the page while this view is open. */
    function listen() {
        listening.abort();
        listening = new AbortController();
        const { signal } = listening;
        addEventListener(
            'dragover',
            (event) => {
                if (!hasFiles(event)) return;
                event.preventDefault();
                section.dataset.over = '';
            },
            { signal },
        );
        addEventListener(
            'dragleave',
            (event) => {
                // It has left the page.
                if (event.relatedTarget === null) delete section.dataset.over;
            },
            { signal },
        );
        addEventListener(
            'drop',
            async (event) => {
                if (!hasFiles(event)) return;
                event.preventDefault();
                delete section.dataset.over;
                openFiles(await filesOf(/** @type {DataTransfer} */ (event.dataTransfer)));
            },
            { signal },
        );
    }

    return {
        async show(state) {
            listen();
            kept.show();
            uses.show();
            const { model, revision = '', dtype, hub = '' } = state;
            if (!model) return app.remember(source);
            if (source.model === model && source.revision === state.revision) return;
            parts.name.value = model;
            parts.revision.value = revision;
            parts.hub.value = hub;
            parts.more.open = hub !== '';
            if (dtype) parts.dtype.value = dtype;
            const stored = await kept.find({ model, revision: revision || undefined, dtype });
            if (stored) openKept(stored, state);
            else ask(state);
        },
        hide() {
            listening.abort();
            kept.hide();
        },
    };
}

/**
 * Where something stored came from, as the address has it.
 * @param {string} stored
 * @returns {State}
 */
function sourceOf(stored) {
    const { name, revision, dtype, host } = describeStored(stored);
    const is_name = revision !== '';
    const hub = `${stored.slice(0, stored.indexOf('//') + 2)}${host}`;
    return {
        model: is_name ? name : stored.split('#')[0],
        ...(dtype && { dtype }),
        ...(is_name && revision !== 'main' && { revision }),
        ...(is_name && hub !== HUB && { hub }),
    };
}

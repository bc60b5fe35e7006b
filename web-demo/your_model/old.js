/**
 * A model of the visitor's own: what they drop or choose is converted in this page, reads the text
 * that is typed above, and can be saved as the one file that bert-wasm loads.
 *
 * The page works without it: a script of its own, which shares nothing with main.js but the text.
 * What converts is fetched when there is something to convert.
 */

/** Milliseconds without a key before the text is read. */
const DEBOUNCE = 150;

/** Folders in a dropped folder that are looked into. */
const MOST_DEPTH = 3;

/** Results that are shown. */
const MOST_ROWS = 8;

/** Numbers of a vector that are shown. */
const MOST_NUMBERS = 6;

/** What to do about an error, by the code of BertError. @type {Record<string, string>} */
const ADVICE = {
    FETCH_FAILED:
        'Choose the weights together with config.json and tokenizer.json, or the folder that has ' +
        'them all.',
    BAD_MODEL_FILE:
        'Only encoders like BERT can be read. If it is one, the files may be damaged, or not ' +
        'belong together.',
    NO_TOKENIZER: 'Choose its tokenizer.json together with the other files.',
    OUT_OF_MEMORY: 'Close other pages or programs, or convert it on the command line.',
    UNSUPPORTED: 'Please use a current Firefox, Chrome, Edge or Safari.',
};
const OTHER_ADVICE = 'Choose other files, or try again.';

/**
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
const element = (id) => /** @type {T} */ (document.getElementById(id));

const section = element('own');
/** @type {HTMLTextAreaElement} */
const textArea = element('text');
/** @type {HTMLInputElement} */
const filesInput = element('own-files');
/** @type {HTMLInputElement} */
const folderInput = element('own-folder');
/** @type {HTMLAnchorElement} */
const saveLink = element('own-save');

const percent = new Intl.NumberFormat('en-GB', { style: 'percent', maximumFractionDigits: 1 });
const number = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 3 });
const megabytes = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 1 });

/** @param {number} n_bytes */
const inMegabytes = (n_bytes) => `${megabytes.format(n_bytes / 1e6)} MB`;

/**
 * @typedef {object} Row  of a result
 * @property {string} label
 * @property {string} value
 * @property {number} [share]  0 to 1, for a bar
 *
 * @typedef {{rows?: Row[], remark?: string}} Reading
 *
 * @typedef {object} OwnTask
 * @property {string} does  what such a model does
 * @property {(pipe: any, text: string, options: {signal: AbortSignal}) => Promise<Reading>} read
 */

/** What a model may be for, the first that it can is taken. @type {Record<string, OwnTask>} */
const TASKS = {
    'text-classification': {
        does: 'classifies texts',
        async read(pipe, text, options) {
            const scores = await pipe(text, { top_k: MOST_ROWS, ...options });
            return { rows: scores.map(({ label, score }) => rowOf(label, score)) };
        },
    },
    'question-answering': {
        does: 'answers questions about a text',
        async read(pipe, text, options) {
            const end = text.indexOf('?') + 1;
            const context = text.slice(end).trim();
            if (!end || !context) {
                return { remark: 'Type a question, with its question mark, and then the text.' };
            }
            const { answer, score } = await pipe(text.slice(0, end), context, options);
            return answer ? { rows: [rowOf(answer, score)] } : { remark: 'It finds no answer.' };
        },
    },
    'token-classification': {
        does: 'finds names and the like in texts',
        async read(pipe, text, options) {
            const found = await pipe(text, { aggregation_strategy: 'simple', ...options });
            const rows = found
                .slice(0, MOST_ROWS)
                .map(({ word, entity_group, score }) => rowOf(`${word}: ${entity_group}`, score));
            return rows.length ? { rows } : { remark: 'It finds none.' };
        },
    },
    'fill-mask': {
        does: 'fills in words that are left out',
        async read(pipe, text, options) {
            const found = (await pipe(text, { top_k: 5, ...options })).flat();
            return { rows: found.map(({ token_str, score }) => rowOf(token_str, score)) };
        },
    },
    'feature-extraction': {
        does: 'makes vectors of texts',
        async read(pipe, text, options) {
            const isPooled = Object.values(pipe.model.config.outputs).some(
                (/** @type {any} */ { output }) => output === 'sentence_embedding',
            );
            const pooling = isPooled ? null : 'mean';
            const { dims, data } = await pipe(text, { pooling, ...options });
            const first = Array.from(data.slice(0, MOST_NUMBERS), (x) => number.format(x));
            return { remark: `A vector of ${dims[1]} numbers: ${first.join(', ')}, …` };
        },
    },
};

/** @param {string} label @param {number} score @returns {Row} */
function rowOf(label, score) {
    const isShare = score >= 0 && score <= 1;
    return isShare
        ? { label, value: percent.format(score), share: score }
        : { label, value: number.format(score) };
}

/** @type {{pipe: any, task: OwnTask} | null} null: there is no model */
let own = null;

/** What is converted or loaded; aborted by its button, and by other files. */
let opening = new AbortController();

/** What is being read; aborted when the text changes. */
let reading = new AbortController();

/** @type {ReturnType<typeof setTimeout> | undefined} */
let debounce;

// --- opening ------------------------------------------------------------------------------------

/** @param {File[]} files */
async function open(files) {
    if (!files.length) return;
    close();
    opening = new AbortController();
    const { signal } = opening;
    showProgress('Reading the files');
    section.dataset.state = 'working';
    try {
        const [library, sources] = await Promise.all([
            import('./bert-wasm/index.js'),
            import('./bert-wasm/sources.js'),
        ]);
        const { file, name } = await convert(sources, files, signal);
        showProgress('Loading the model');
        const model = await library.loadModel(file, { signal });
        if (signal.aborted) {
            model.dispose();
            return;
        }
        own = await pipelineOf(library, model);
        showModel(name, file, !files.includes(/** @type {File} */ (file)));
    } catch (error) {
        if (!signal.aborted) showFailure(error);
    }
}

/**
 * @param {Pick<typeof import('../js/sources/find.js'), 'findModel'>} sources
 * @param {File[]} files
 * @param {AbortSignal} signal
 * @returns {Promise<{file: Blob, name: string}>}
 */
async function convert({ findModel }, files, signal) {
    const onprogress = (/** @type {any} */ { phase, loaded, total }) =>
        phase === 'convert'
            ? showProgress('Converting', loaded, total, `step ${loaded} of ${total}`)
            : showProgress('Reading the files', loaded, total, `${inMegabytes(loaded)}`);
    const nowhere = { hub: null, token: null, library: null };
    const { given } = await findModel(files, { signal }, nowhere, onprogress);
    const path = files[0].webkitRelativePath;
    const weights = files.find(({ name }) => /\.(onnx|safetensors)$/i.test(name)) ?? files[0];
    const name = path ? path.slice(0, path.indexOf('/')) : weights.name.replace(/\.\w+$/, '');
    return { file: /** @type {Blob} */ (given[0]), name };
}

/**
 * The first of the tasks that the model can do.
 * @param {Pick<typeof import('../js/index.js'), 'pipeline'>} library
 * @param {import('../js/model/model.js').Model} model
 */
async function pipelineOf({ pipeline }, model) {
    for (const [name, task] of Object.entries(TASKS)) {
        try {
            return { pipe: await pipeline(/** @type {any} */ (name), model), task };
        } catch (error) {
            if (/** @type {{code?: string}} */ (error).code !== 'WRONG_TASK') {
                model.dispose();
                throw error;
            }
        }
    }
    throw new Error('unreachable: every model makes vectors');
}

function close() {
    opening.abort();
    reading.abort();
    clearTimeout(debounce);
    own?.pipe.dispose();
    own = null;
    if (saveLink.href) URL.revokeObjectURL(saveLink.href);
    saveLink.removeAttribute('href');
    element('own-status').textContent = '';
    section.dataset.state = 'empty';
}

// --- files --------------------------------------------------------------------------------------

/**
 * Files that were dropped, those in folders with their paths.
 * @param {DataTransfer} dropped  valid until the event ends: what it has is taken at once
 * @returns {Promise<File[]>}
 */
async function filesOf({ items }) {
    const found = Array.from(items, (item) => item.webkitGetAsEntry() ?? item.getAsFile());
    const files = found.map((one) =>
        one === null ? [] : one instanceof File ? [one] : filesIn(one, 0),
    );
    return (await Promise.all(files)).flat();
}

/**
 * @param {FileSystemEntry} entry
 * @param {number} depth
 * @returns {Promise<File[]>}
 */
async function filesIn(entry, depth) {
    if (entry.isFile) {
        const { fullPath } = entry;
        /** @type {File} */
        const file = await new Promise((resolve, reject) =>
            /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject),
        );
        // As a chosen folder's files have it.
        const path = depth > 0 ? fullPath.slice(1) : '';
        Object.defineProperty(file, 'webkitRelativePath', { value: path });
        return [file];
    }
    if (depth > MOST_DEPTH || entry.name.startsWith('.')) return [];
    const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
    /** @type {FileSystemEntry[]} */
    const entries = [];
    for (;;) {
        /** @type {FileSystemEntry[]} */
        const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
        if (!some.length) break; // browsers give a hundred at a time
        entries.push(...some);
    }
    return (await Promise.all(entries.map((each) => filesIn(each, depth + 1)))).flat();
}

// --- reading ------------------------------------------------------------------------------------

function textChanged(delay = DEBOUNCE) {
    reading.abort();
    clearTimeout(debounce);
    if (own) debounce = setTimeout(read, delay);
}

async function read() {
    if (!own) return;
    const { pipe, task } = own;
    const text = textArea.value;
    reading = new AbortController();
    const { signal } = reading;
    if (!text.trim()) {
        showReading({ remark: 'Nothing to read yet.' });
        return;
    }
    try {
        const result = await task.read(pipe, text, { signal });
        if (!signal.aborted) showReading(result);
    } catch (error) {
        const { code, message } = /** @type {Error & {code?: string}} */ (error);
        if (signal.aborted) return;
        if (code === 'NO_TOKENIZER') showFailure(error);
        else showReading({ remark: message });
    }
}

// --- showing ------------------------------------------------------------------------------------

/**
 * @param {string} doing
 * @param {number} [loaded]  of `total`; 0: not known yet
 * @param {number} [total]
 * @param {string} [text]
 */
function showProgress(doing, loaded = 0, total = 0, text = '') {
    /** @type {HTMLProgressElement} */
    const progress = element('own-progress');
    element('own-doing').textContent = doing;
    element('own-progress-text').textContent = text;
    if (total) {
        progress.max = total;
        progress.value = loaded;
    } else {
        progress.removeAttribute('value');
    }
}

/**
 * @param {string} name
 * @param {Blob} file
 * @param {boolean} isMade  and not given
 */
function showModel(name, file, isMade) {
    const { task } = /** @type {NonNullable<typeof own>} */ (own);
    element('own-name').textContent = name;
    element('own-task').textContent = `${task.does}, ${inMegabytes(file.size)}`;
    saveLink.hidden = !isMade;
    if (isMade) {
        saveLink.href = URL.createObjectURL(file);
        saveLink.download = `${name}.bert-wasm.safetensors`;
    }
    showReading({ remark: 'Reading …' });
    section.dataset.state = 'ready';
    element('own-status').textContent = `${name} is ready: it ${task.does}`;
    textChanged(0);
}

/** @param {Reading} reading */
function showReading({ rows = [], remark = '' }) {
    element('own-rows').replaceChildren(...rows.map(showRow));
    element('own-remark').textContent = remark;
}

/** @param {Row} row */
function showRow({ label, value, share }) {
    const row = document.createElement('div');
    row.className = 'score';
    const name = document.createElement('span');
    name.textContent = label;
    const bar = document.createElement(share === undefined ? 'span' : 'meter');
    if (share !== undefined) {
        Object.assign(bar, { min: 0, max: 1, value: share });
        bar.setAttribute('aria-label', label);
    }
    const text = document.createElement('span');
    text.textContent = value;
    row.append(name, bar, text);
    return row;
}

/** @param {unknown} error */
function showFailure(error) {
    const { code = '', message } = /** @type {Error & {code?: string}} */ (error);
    close();
    element('own-failure').textContent = 'These files could not be opened';
    element('own-advice').textContent = ADVICE[code] ?? OTHER_ADVICE;
    element('own-detail').textContent = message;
    section.dataset.state = 'failed';
}

// --- events -------------------------------------------------------------------------------------

for (const [button, input] of /** @type {const} */ ([
    ['own-choose-files', filesInput],
    ['own-choose-folder', folderInput],
])) {
    element(button).addEventListener('click', () => input.click());
    input.addEventListener('change', () => {
        const files = Array.from(input.files ?? []);
        input.value = ''; // so that the same ones can be chosen again
        open(files);
    });
}
element('own-choose-folder').hidden = !('webkitdirectory' in folderInput);

element('own-cancel').addEventListener('click', close);
element('own-remove').addEventListener('click', close);

textArea.addEventListener('input', () => textChanged());
element('examples').addEventListener('click', () => textChanged(0));

const hasFiles = (/** @type {DragEvent} */ { dataTransfer }) =>
    dataTransfer?.types.includes('Files') ?? false;
addEventListener('dragover', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    section.dataset.over = '';
});
addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) delete section.dataset.over; // it has left the page
});
addEventListener('drop', async (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    delete section.dataset.over;
    const files = await filesOf(/** @type {DataTransfer} */ (event.dataTransfer));
    section.scrollIntoView({ block: 'nearest' });
    open(files);
});

export {}; // a module, whose names are its own

/**
 * The page: loads the bundled model, then shows the sentiment of the text while it is typed.
 *
 * Nothing is imported statically, so that a package that cannot be loaded is told in words, like
 * every other error. A text's answer is shown only while the text is still that one: each change
 * aborts the call before it. Screen readers hear an answer once typing rests, not every update.
 */

/** Milliseconds without a key before a text is read. */
const DEBOUNCE = 100;

/** Milliseconds that the answer to an older text may stand, greyed, before it is taken away. */
const STALE = 400;

/** Milliseconds that an answer must stand before it is announced. */
const ANNOUNCE_AFTER = 1200;

/**
 * Milliseconds that an answer must stand before its words are weighed: that is as much work as
 * reading the text once for each of them.
 */
const WEIGH_AFTER = 300;

/** Characters of a text whose words are weighed unasked, and by the button. */
const MOST_UNASKED = 200;
const MOST_ASKED = 600;

/** Where no word moves the answer by as much, none has a colour: 0 to 1. */
const LEAST_WEIGHT = 0.02;

/** @type {Record<string, string>} */
const WORDS = { POSITIVE: 'Positive', NEGATIVE: 'Negative' };

/** What to do about an error, by the code of BertError. @type {Record<string, string>} */
const ADVICE = {
    FETCH_FAILED:
        'A file that the page needs did not arrive. Check the connection and try again. ' +
        'If that does not help, it is missing on the server: please tell whoever runs this page.',
    BAD_MODEL_FILE:
        'The model arrived damaged, or does not fit this page. Try again: it will be ' +
        'fetched afresh.',
    OUT_OF_MEMORY:
        'This device has too little free memory for the model. Close other pages or ' +
        'programs, and try again.',
    UNSUPPORTED:
        'This browser is too old for it. Please use a current Firefox, Chrome, Edge or ' +
        'Safari.',
};
const OTHER_ADVICE = 'Try again. If that does not help, reload the page.';
const OFFLINE_ADVICE =
    'You seem to be offline, and the model is not saved on this device. ' +
    'Connect, then try again.';

/**
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
const element = (id) => /** @type {T} */ (document.getElementById(id));

/** @type {HTMLTextAreaElement} */
const textArea = element('text');
const stage = element('stage');
const result = element('result');
const words = element('words');

const ONE_DIGIT = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
const percent = new Intl.NumberFormat('en-GB', { style: 'percent', ...ONE_DIGIT });
const points = new Intl.NumberFormat('en-GB', ONE_DIGIT);
const megabytes = new Intl.NumberFormat('en-GB', ONE_DIGIT);

/** @param {number} n_bytes */
const inMegabytes = (n_bytes) => megabytes.format(n_bytes / 1e6);

/** @typedef {import('../js/index.js').TextClassificationPipeline} Classify */

/** @type {Classify | null} null until the model is loaded */
let classify = null;

/** @type {typeof import('../js/explain/index.js').attribute} */
let attribute;

/** What is being read; aborted when the text changes. */
let reading = new AbortController();

/** @typedef {ReturnType<typeof setTimeout> | undefined} Timer */

/** @type {{debounce: Timer, stale: Timer, announce: Timer, weigh: Timer}} */
const timers = { debounce: undefined, stale: undefined, announce: undefined, weigh: undefined };

/** The package itself failed: a module that failed once may stay so until the page is reloaded. */
let packageFailed = false;

// --- loading ------------------------------------------------------------------------------------

async function start() {
    classify?.dispose();
    classify = null;
    showProgress({ loaded: 0, total: 0 });
    stage.dataset.state = 'loading';
    try {
        packageFailed = true;
        const [{ pipeline }, explain] = await Promise.all([
            import('./bert-wasm/index.js'),
            import('./bert-wasm/explain.js'),
        ]);
        attribute = explain.attribute;
        packageFailed = false;
        const loaded = await pipeline('sentiment-analysis', undefined, {
            onprogress: showProgress,
        });
        classify = loaded;
    } catch (error) {
        showFailure('The model could not be loaded', error);
        return;
    }
    stage.dataset.state = 'ready';
    textChanged(0);
    showDetails(classify).catch(() => {}); // the model is gone: it was loaded anew
}

/**
 * What is running, and whether a reload would work without a connection.
 * @param {Classify} loaded
 */
async function showDetails({ model }) {
    element('fact-offline').textContent = 'until the page is closed';
    const info = await model.info();
    showFacts(info);
    if (info.cache.complete && (await savePage())) {
        element('fact-offline').textContent = 'ready: the page opens again without a connection';
    }
}

/** Has sw.js save what the page is made of; false where it cannot. @returns {Promise<boolean>} */
async function savePage() {
    const container = navigator.serviceWorker;
    if (!container) return false; // http on another machine, or private browsing
    await container.register('sw.js');
    const { active } = await container.ready;
    const { port1, port2 } = new MessageChannel();
    return new Promise((resolve) => {
        port1.onmessage = ({ data }) => resolve(data.saved);
        active?.postMessage({ save: true }, [port2]);
    });
}

/** @param {{loaded: number, total: number}} progress  in bytes; total 0: not known yet */
function showProgress({ loaded, total }) {
    /** @type {HTMLProgressElement} */
    const progress = element('progress');
    if (total) {
        progress.max = total;
        progress.value = loaded;
    } else {
        progress.removeAttribute('value');
    }
    element('progress-text').textContent = !total
        ? 'Starting …'
        : loaded < total
          ? `${inMegabytes(loaded)} of ${inMegabytes(total)} MB`
          : `${inMegabytes(total)} MB are here, getting ready …`;
}

// --- reading ------------------------------------------------------------------------------------

/** @param {number} delay  milliseconds until the text is read, unless it changes again */
function textChanged(delay) {
    reading.abort();
    clearTimeout(timers.debounce);
    clearTimeout(timers.announce);
    clearTimeout(timers.weigh);
    announce('');
    if (words.dataset.state === 'weighed') words.dataset.state = 'stale';
    if (!classify) return;
    if (textArea.value.trim() === '') {
        showNothing('Nothing to read yet.');
        words.hidden = true;
        return;
    }
    if (result.dataset.state === 'answered') {
        result.dataset.state = 'reading';
        timers.stale = setTimeout(showNothing, STALE);
    } else if (result.dataset.state === 'empty') {
        showNothing();
    }
    timers.debounce = setTimeout(read, delay);
}

async function read() {
    const text = textArea.value;
    reading = new AbortController();
    const { signal } = reading;
    const model = classify;
    if (!model) return;
    try {
        const begin = performance.now();
        const scores = await model(text, { top_k: null, signal });
        const milliseconds = performance.now() - begin;
        if (signal.aborted) return;
        showAnswer(scores, milliseconds, model.model.config.max_length);
        offerWords(text);
    } catch (error) {
        if (!signal.aborted) showFailure('The text could not be read', error);
    }
}

/**
 * Weighs the words of a short text once typing rests, those of a longer one when asked.
 * @param {string} text
 */
function offerWords(text) {
    if (text.length <= MOST_UNASKED) {
        timers.weigh = setTimeout(weighWords, WEIGH_AFTER);
        return;
    }
    const isLong = text.length > MOST_ASKED;
    showWords(
        isLong ? 'long' : 'offered',
        isLong
            ? `Texts of up to ${MOST_ASKED} characters can be shown word by word.`
            : 'Longer texts take a moment, so they wait for you.',
    );
}

async function weighWords() {
    const text = textArea.value;
    const { signal } = reading;
    const model = classify;
    if (!model) return;
    try {
        const attributions = await attribute(model, text, { unit: 'word', signal });
        if (!signal.aborted) showWeights(text, attributions);
    } catch (error) {
        if (!signal.aborted) {
            showWords(
                'failed',
                `The words could not be weighed: ${/** @type {Error} */ (error).message}`,
            );
        }
    }
}

// --- showing ------------------------------------------------------------------------------------

/**
 * @param {{label: string, score: number, truncated?: boolean}[]} scores  best first
 * @param {number} milliseconds
 * @param {number} max_length  tokens that the model reads
 */
function showAnswer(scores, milliseconds, max_length) {
    clearTimeout(timers.stale);
    const [best] = scores;
    const word = WORDS[best.label] ?? best.label;
    result.dataset.state = 'answered';
    result.dataset.label = best.label;
    element('verdict').textContent = word;
    element('probability').textContent = percent.format(best.score);
    for (const { label, score } of scores) showScore(label, score);
    const time = `Read in ${Math.max(1, Math.round(milliseconds))} ms.`;
    element('remark').textContent = best.truncated
        ? `${time} Only the beginning counts: the model reads ${max_length} tokens.`
        : time;
    stage.dataset.state = 'ready';
    const words = `${word}, ${percent.format(best.score)}`;
    timers.announce = setTimeout(announce, ANNOUNCE_AFTER, words);
}

/** @param {string} [remark] */
function showNothing(remark = '') {
    clearTimeout(timers.stale);
    result.dataset.state = 'empty';
    delete result.dataset.label;
    element('verdict').textContent = remark;
    element('probability').textContent = '';
    for (const label of Object.keys(WORDS)) showScore(label, null);
    element('remark').textContent = '';
}

/**
 * @param {string} label
 * @param {number | null} score
 */
function showScore(label, score) {
    const name = label.toLowerCase();
    /** @type {HTMLMeterElement | null} */
    const meter = document.querySelector(`#score-${CSS.escape(name)}`);
    if (!meter) return; // a label that is not the bundled model's
    const text = score === null ? '–' : percent.format(score);
    meter.value = 100 * (score ?? 0);
    meter.setAttribute('aria-valuetext', score === null ? 'no text' : text);
    element(`percent-${name}`).textContent = text;
}

/**
 * @param {'offered' | 'long' | 'weighing' | 'weighed' | 'failed'} state
 * @param {string} remark
 */
function showWords(state, remark) {
    words.hidden = false;
    words.dataset.state = state;
    element('words-remark').textContent = remark;
}

/**
 * The text with its words marked by what they pull towards, and a table of the same.
 * @param {string} text
 * @param {import('../js/explain/attribution.js').Attributions} attributions
 */
function showWeights(text, { label, tokens }) {
    const largest = Math.max(0, ...tokens.map(({ score }) => Math.abs(score)));
    const isEven = largest < LEAST_WEIGHT;
    /** @type {(string | HTMLElement)[]} */
    const parts = [];
    /** @type {HTMLTableRowElement[]} */
    const rows = [];
    let at = 0;
    for (const { token, start, end, score } of tokens) {
        const towards = score > 0 === (label === 'POSITIVE') ? 'positive' : 'negative';
        const strength = isEven ? 0 : Math.round((3 * Math.abs(score)) / largest);
        const weight = points.format(100 * Math.abs(score));
        const isNone = weight === points.format(0);
        parts.push(text.slice(at, start));
        at = end;
        const word = document.createElement(strength ? 'mark' : 'span');
        word.textContent = token;
        word.title = isNone ? `${token}: no pull` : `${token}: ${weight} points towards ${towards}`;
        Object.assign(word.dataset, { towards, strength });
        parts.push(word);
        const row = document.createElement('tr');
        for (const cell of [token, isNone ? '–' : towards, weight]) {
            row.insertCell().textContent = cell;
        }
        rows.push(row);
    }
    element('words-text').replaceChildren(...parts, text.slice(at));
    element('words-table').replaceChildren(...rows);
    showWords(
        'weighed',
        isEven
            ? 'No word decides alone: whichever is hidden from the model, ' +
                  'its answer stays the same.'
            : 'How far the answer moves when a word is hidden from the model.',
    );
}

/** @param {string} words  for screen readers */
function announce(words) {
    element('announcement').textContent = words;
}

/**
 * @param {string} title
 * @param {unknown} error
 */
function showFailure(title, error) {
    const { message, code = packageFailed ? 'FETCH_FAILED' : '' } =
        /** @type {Error & {code?: string}} */ (error);
    showNothing();
    element('failure-title').textContent = title;
    element('failure-advice').textContent =
        code === 'FETCH_FAILED' && !navigator.onLine
            ? OFFLINE_ADVICE
            : (ADVICE[code] ?? OTHER_ADVICE);
    element('failure-detail').textContent = message;
    words.hidden = true;
    stage.dataset.state = 'failed';
}

/** @param {import('../js/worker/loaded_model.js').ModelInfo} info */
function showFacts({ name, dtype, variant, reason, threads, memory_bytes, verified, version }) {
    element('fact-model').textContent = name;
    element('fact-dtype').textContent = verified ? `${dtype}, arrived undamaged (SHA-256)` : dtype;
    element('fact-engine').textContent =
        `${variant}, ${threads === 1 ? 'one thread' : `${threads} threads`} (${reason})`;
    element('fact-library').textContent = `bert-wasm ${version}`;
    element('fact-memory').textContent = `${inMegabytes(memory_bytes)} MB`;
}

// --- events -------------------------------------------------------------------------------------

textArea.addEventListener('input', () => textChanged(DEBOUNCE));

element('examples').addEventListener('click', (event) => {
    const button = /** @type {Element} */ (event.target).closest('button');
    if (!button) return;
    textArea.value = button.textContent ?? '';
    showNothing();
    textChanged(0);
});

element('weigh').addEventListener('click', () => {
    showWords('weighing', 'Weighing …');
    weighWords();
});

element('retry').addEventListener('click', () => {
    if (packageFailed) {
        location.reload();
        return;
    }
    textArea.focus(); // the button goes away
    start();
});

addEventListener('online', () => {
    if (stage.dataset.state === 'failed' && !packageFailed) start();
});

showNothing();
start();

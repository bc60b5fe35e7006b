/**
 * Goes through the views of the page, which is in a frame, and reports what each showed: the main
 * path of every view, by what its visitor would do.
 */

import { report } from './report.js';

const frame = /** @type {HTMLIFrameElement} */ (document.querySelector('#page'));

/** What nobody caught. @type {string[]} */
const uncaught = [];

/** Files of a small model. */
const MODEL = ['model.onnx', 'config.json', 'tokenizer.json', 'tokenizer_config.json'];

/**
 * @template T
 * @param {string} what  is waited for
 * @param {() => T | null | undefined | false} look
 * @returns {Promise<T>}
 */
async function until(what, look) {
    for (const end = performance.now() + 60_000; performance.now() < end; ) {
        const found = look();
        if (found) return found;
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const shown = page().querySelector('main > section:not([hidden])')?.textContent ?? '';
    throw new Error(`${what} did not come; shown: ${shown.replace(/\s+/g, ' ').slice(-700)}`);
}

const page = () => /** @type {Document} */ (frame.contentDocument);

/** @param {string} view @param {string} name  of a part @returns {any} */
const part = (view, name) => page().querySelector(`#view-${view} [data-part=${name}]`);

/** @param {any} element */
const isShown = (element) => element?.getClientRects().length > 0;

/** @param {string} view @param {string} name */
const shownPart = (view, name) => () => isShown(part(view, name)) && part(view, name);

/** @param {string} view */
async function open(view) {
    /** @type {Window} */ (frame.contentWindow).location.hash = `#${view}`;
    await until(view, () => isShown(page().querySelector(`#view-${view} h1`)));
}

/** @param {any} field @param {string} text */
function type(field, text) {
    field.value = text;
    field.dispatchEvent(new Event('input', { bubbles: true }));
}

/** By view: what is done there, and what it gives. @type {{[view: string]: () => Promise<any>}} */
const PATHS = {
    async read() {
        await until('the model', () => page().querySelector('[data-model=ready]'));
        type(page().querySelector('#text'), 'The plot is thin and the jokes fall flat.');
        await until('a verdict', () => part('read', 'verdict')?.textContent === 'Negative');
        await until('tinted words', () => page().querySelector('#view-read mark'));
        return part('read', 'share').textContent;
    },
    async many() {
        (await until('the sample', shownPart('many', 'sample'))).click();
        await until('results', shownPart('many', 'save-csv'));
        await until('the end', () => !isShown(part('many', 'cancel')));
        return part('many', 'labels').textContent;
    },
    async inside() {
        await until('a picture', () => part('inside', 'picture')?.querySelector('svg, canvas'));
        return part('inside', 'pieces').textContent;
    },
    async meaning() {
        (await until('the button', shownPart('meaning', 'read'))).click();
        await until('the vectors', shownPart('meaning', 'full'));
        await until('a map', () => part('meaning', 'picture')?.querySelector('svg, canvas'));
        return part('meaning', 'groups').textContent;
    },
    async teach() {
        const lines = ['It was lovely', 'It was dull'].flatMap((text, label) =>
            ['today', 'again', 'indeed', 'for us'].map((end) => `${text} ${end}\t${label}`),
        );
        type(await until('the field', shownPart('teach', 'paste')), lines.join('\n'));
        part('teach', 'use-paste').click();
        const epochs = await until('the settings', shownPart('teach', 'epochs'));
        epochs.value = '1';
        epochs.dispatchEvent(new Event('change'));
        part('teach', 'start').click();
        await until('a model', shownPart('teach', 'score'));
        return part('teach', 'score').textContent;
    },
    async your_model() {
        const input = await until('the input', () => part('your_model', 'files'));
        const list = new DataTransfer();
        for (const name of MODEL) {
            const response = await fetch(`/golden/pipelines/fill-mask-bert/${name}`);
            list.items.add(new File([await response.blob()], name));
        }
        input.files = list.files;
        input.dispatchEvent(new Event('change', { bubbles: true }));
        await until('the card', shownPart('your_model', 'card'));
        return part('your_model', 'facts').textContent;
    },
    async machine() {
        await until('the facts', shownPart('machine', 'facts'));
        return part('machine', 'facts').textContent;
    },
};

try {
    frame.src = '/';
    await new Promise((resolve) => frame.addEventListener('load', resolve, { once: true }));
    const inside = /** @type {any} */ (frame.contentWindow);
    inside.addEventListener('error', ({ message }) => {
        // So a browser says that a size is told a frame later: nothing has failed.
        if (!/^ResizeObserver loop/.test(message)) uncaught.push(message);
    });
    inside.addEventListener('unhandledrejection', ({ reason }) => uncaught.push(String(reason)));
    /** @type {Record<string, any>} */
    const result = {};
    const wanted = new URLSearchParams(location.search).get('views')?.split(',');
    for (const [view, go] of Object.entries(PATHS)) {
        if (wanted && !wanted.includes(view)) continue;
        await open(view);
        result[view] = await go();
    }
    report({ result, isIsolated: inside.crossOriginIsolated, uncaught });
} catch (error) {
    const { name, message, stack } = error;
    report({ error: { name, message, stack }, uncaught });
}

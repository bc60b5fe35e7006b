/** Elements of the page, made and found. */

/**
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export const byId = (id) => /** @type {T} */ (document.getElementById(id));

/**
 * The elements of a view that have a name: `data-part="table"`.
 * @param {ParentNode} section
 * @returns {Record<string, any>}
 */
export function partsOf(section) {
    const found = /** @type {NodeListOf<HTMLElement>} */ (section.querySelectorAll('[data-part]'));
    return Object.fromEntries([...found].map((each) => [each.dataset.part, each]));
}

/**
 * A new element: `make('button', {type: 'button', onclick}, 'Save')`.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} [properties]  of the element; those with a '-' in their names are
 *   attributes, `dataset` is merged
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
        if (name === 'dataset') Object.assign(element.dataset, value);
        else if (name.includes('-') || name === 'role') element.setAttribute(name, value);
        else Reflect.set(element, name, value);
    }
    element.append(...children);
    return element;
}

/**
 * Rows of a list of facts.
 * @param {[string, string | Node][]} facts  names and values
 */
export const factRows = (facts) =>
    facts.map(([name, value]) => make('div', {}, make('dt', {}, name), make('dd', {}, value)));

/**
 * Gives the visitor a file.
 * @param {Blob} blob
 * @param {string} name
 */
export function saveFile(blob, name) {
    const link = make('a', { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/**
 * Puts text on the clipboard, and says so on the button that was pressed.
 * @param {HTMLButtonElement} button
 * @param {string} text
 */
export async function copyText(button, text) {
    const before = button.textContent;
    try {
        await navigator.clipboard.writeText(text);
        button.textContent = 'Copied';
    } catch {
        button.textContent = 'Could not copy';
    }
    setTimeout(() => {
        button.textContent = before;
    }, 2000);
}

/**
 * Until the browser has drawn and taken input: long work on this thread is cut by it.
 * @returns {Promise<void>}
 */
export const nextFrame = () =>
    new Promise((resolve) => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => resolve();
        requestAnimationFrame(() => port2.postMessage(null));
        // A tab that is not seen draws nothing.
        if (document.hidden) port2.postMessage(null);
    });

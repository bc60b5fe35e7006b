/** The new model is taken away as a file or a folder, or takes the place of the page's own. */

import { saveFile } from '../shell/dom.js';
import { inMegabytes } from '../shell/format.js';

/** @typedef {import('./teaching.js').Taught} Taught */

export class Keeping {
    #parts;
    #app;

    /** @type {Taught | null} */
    #taught = null;

    /** The one that is in the page's own place. @type {Taught | null} */
    #used = null;

    /** Whether it would be lost. */
    is_unsaved = false;

    /** @param {Record<string, any>} parts @param {import('../shell/main.js').App} app */
    constructor(parts, app) {
        this.#parts = parts;
        this.#app = app;
        parts['save-model'].onclick = () => this.#save('save-model', () => this.#saveModel());
        parts['save-folder'].onclick = () => this.#save('save-folder', () => this.#saveFolder());
        parts.use.onclick = () => this.#use();
        parts['put-back'].onclick = () => app.models.use('classifier', null);
        app.models.addEventListener('change', () => this.#showUse());
    }

    /** @param {Taught} taught @param {string} name */
    keep(taught, name) {
        const before = this.#taught;
        this.#taught = taught;
        this.is_unsaved = true;
        this.#parts['model-name'].value = name;
        this.#parts.saved.textContent = '';
        this.#showUse();
        if (before !== this.#used) before?.classify.model.dispose();
    }

    get has_one() {
        return this.#taught !== null;
    }

    get #name() {
        const name = this.#parts['model-name'].value.trim();
        return name.replace(/[\\/:*?"<>|\s]+/g, '-') || 'my-classifier';
    }

    /**
     * @param {string} button
     * @param {() => Promise<string | null>} save  gives what to say of it; null: it was called off
     */
    async #save(button, save) {
        const { saved, [button]: pressed } = this.#parts;
        const taught = this.#taught;
        pressed.disabled = true;
        saved.textContent = 'Writing …';
        try {
            const words = await save();
            if (taught !== this.#taught) return;
            saved.textContent = words ?? '';
            if (words) this.is_unsaved = false;
        } catch (error) {
            saved.textContent = `It could not be saved: ${error.message}`;
        } finally {
            pressed.disabled = false;
        }
    }

    async #saveModel() {
        const { trained } = /** @type {Taught} */ (this.#taught);
        const file = await trained.save({ name: this.#name });
        const name = `${this.#name}-q8.safetensors`;
        saveFile(new Blob([file], { type: 'application/octet-stream' }), name);
        return `${name}, ${inMegabytes(file.length)}.`;
    }

    /** Into a folder that is chosen, or file by file where the browser chooses none. */
    async #saveFolder() {
        const { trained } = /** @type {Taught} */ (this.#taught);
        const { showDirectoryPicker } = /** @type {any} */ (globalThis);
        const folder = showDirectoryPicker ? await chosen(showDirectoryPicker) : undefined;
        if (folder === null) return null;
        const into = folder && (await folder.getDirectoryHandle(this.#name, { create: true }));
        const files = Object.entries(await trained.export());
        for (const [name, bytes] of files) {
            const blob = new Blob([bytes]);
            if (!into) {
                saveFile(blob, name);
                continue;
            }
            const handle = await into.getFileHandle(name, { create: true });
            const stream = await handle.createWritable();
            await stream.write(blob);
            await stream.close();
        }
        const names = files.map(([name]) => name).join(', ');
        return into ? `The folder ${this.#name}: ${names}.` : `${names}.`;
    }

    #use() {
        const taught = /** @type {Taught} */ (this.#taught);
        const before = this.#used;
        this.#used = taught;
        this.#app.models.use('classifier', { name: this.#name, pipe: taught.classify });
        before?.classify.model.dispose();
        this.#app.announce(`Read, Many and Inside now use ${this.#name}`);
    }

    /** Another view may have put a model into its place, too. */
    #showUse() {
        const visitors = this.#app.models.visitorsOf('classifier');
        const used = this.#used;
        if (used && visitors?.pipe !== used.classify) {
            if (used !== this.#taught) used.classify.model.dispose();
            this.#used = null;
        }
        const is_used = this.#used !== null && this.#used === this.#taught;
        const { use, 'put-back': put_back, used: words } = this.#parts;
        const had_focus = [use, put_back].includes(document.activeElement);
        use.hidden = is_used;
        put_back.hidden = !is_used;
        words.textContent = is_used
            ? `Read, Many and Inside use it now, as ${visitors?.name}.`
            : 'Until you leave the page, or put the page’s own back.';
        if (had_focus) (is_used ? put_back : use).focus();
    }
}

/**
 * @param {(options: object) => Promise<any>} pick
 * @returns {Promise<any>}  null: none was chosen
 */
async function chosen(pick) {
    try {
        return await pick.call(globalThis, { mode: 'readwrite' });
    } catch (error) {
        if (error.name === 'AbortError') return null;
        throw error;
    }
}

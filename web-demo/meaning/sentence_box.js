/** The box of sentences, one a line: written, pasted, of a file, or the sample. */

import { inUnits, inWhole } from '../shell/format.js';
import { SAMPLE } from './sample.js';

const MOST_SENTENCES = 5000;

export class SentenceBox {
    #parts;
    #on;

    /**
     * @param {object} parts
     * @param {HTMLTextAreaElement} parts.text
     * @param {HTMLElement} parts.count  says how many there are
     * @param {HTMLButtonElement} parts.read
     * @param {HTMLButtonElement} parts.sample
     * @param {HTMLButtonElement} parts.open
     * @param {HTMLInputElement} parts.file
     * @param {HTMLElement} parts.ask  takes files that are dropped
     * @param {object} on
     * @param {() => void} on.edit  the text is being written
     * @param {() => void} on.give  another text has taken its place
     * @param {() => void} on.read  it shall be read now
     */
    constructor(parts, on) {
        this.#parts = parts;
        this.#on = on;
        this.#listen();
    }

    get text() {
        return this.#parts.text.value;
    }

    set text(text) {
        this.#parts.text.value = text;
    }

    /** All lines that are not empty. */
    get lines() {
        return this.text
            .split(/\r\n|\r|\n/)
            .map((line) => line.trim())
            .filter(Boolean);
    }

    /** Those that are compared. */
    get sentences() {
        return this.lines.slice(0, MOST_SENTENCES);
    }

    showCount() {
        const { count, read } = this.#parts;
        const n = this.lines.length;
        count.textContent =
            n > MOST_SENTENCES
                ? `${inUnits(n, 'sentence')}: the first ${inWhole(MOST_SENTENCES)} are compared.`
                : inUnits(n, 'sentence');
        read.disabled = n < 2;
    }

    #listen() {
        const { text, read, sample, open, file, ask } = this.#parts;
        text.oninput = () => {
            this.showCount();
            this.#on.edit();
        };
        read.onclick = () => this.#on.read();
        sample.onclick = () => this.#take(SAMPLE);
        open.onclick = () => file.click();
        file.onchange = () => {
            const [chosen] = file.files ?? [];
            if (chosen) this.#takeFile(chosen);
            file.value = '';
        };
        ask.ondragover = (event) => {
            if (event.dataTransfer?.types.includes('Files')) event.preventDefault();
        };
        ask.ondrop = (event) => {
            const dropped = event.dataTransfer?.files[0];
            if (!dropped) return;
            event.preventDefault();
            this.#takeFile(dropped);
        };
    }

    /** @param {File} file */
    async #takeFile(file) {
        this.#take(await file.text());
    }

    /** @param {string} text */
    #take(text) {
        this.text = text;
        this.#on.give();
    }
}

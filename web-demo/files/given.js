/** What a visitor gives: files that are chosen, pasted or dropped, and texts that are. */

/** @typedef {(blob: Blob, name: string) => void} Give */

/**
 * @param {HTMLElement} section  of the view: things may be dropped anywhere on it
 * @param {Record<string, any>} parts  of the view, among them these: `file`, an input; buttons
 *   that open it, `choose-file` and `another`; `paste`, a textarea, and `use-paste`, its button
 * @param {Give} give
 */
export function listenForFiles(section, parts, give) {
    const { file, paste, 'use-paste': use_paste } = parts;
    for (const button of [parts['choose-file'], parts.another]) button.onclick = () => file.click();
    file.onchange = () => {
        const [chosen] = file.files ?? [];
        file.value = '';
        if (chosen) give(chosen, chosen.name);
    };
    paste.oninput = () => {
        use_paste.disabled = paste.value.trim() === '';
    };
    use_paste.onclick = () => giveText(paste.value, give);
    document.addEventListener('paste', (event) => {
        const target = /** @type {HTMLElement} */ (event.target);
        if (section.hidden || target.closest('input, textarea')) return;
        giveFirst(event.clipboardData, give);
    });
    section.addEventListener('dragover', (event) => {
        event.preventDefault();
        section.dataset.dragged = '';
    });
    section.addEventListener('dragleave', (event) => {
        const to = /** @type {Node | null} */ (event.relatedTarget);
        if (!to || !section.contains(to)) delete section.dataset.dragged;
    });
    section.addEventListener('drop', (event) => {
        event.preventDefault();
        delete section.dataset.dragged;
        giveFirst(event.dataTransfer, give);
    });
}

/** The first file, or else the text. @param {DataTransfer | null} data @param {Give} give */
function giveFirst(data, give) {
    const [file] = data?.files ?? [];
    const text = data?.getData('text/plain') ?? '';
    if (file) give(file, file.name);
    else if (text.trim()) giveText(text, give);
}

/** @param {string} text @param {Give} give */
const giveText = (text, give) => give(new Blob([text], { type: 'text/plain' }), 'pasted texts');

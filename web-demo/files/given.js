/** What a visitor gives: files that are chosen, pasted or dropped, and texts that are. */

/** @typedef {(blob: Blob, name: string) => void} Give */

/**
 * @param {HTMLElement} section  of the view: things may be dropped anywhere on it
 * @param {object} parts
 * @param {HTMLInputElement} parts.file
 * @param {HTMLButtonElement[]} parts.choosers  that open it
 * @param {HTMLTextAreaElement} parts.paste
 * @param {HTMLButtonElement} parts.use_paste
 * @param {Give} give
 */
export function listenForFiles(section, { file, choosers, paste, use_paste }, give) {
    for (const button of choosers) button.onclick = () => file.click();
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

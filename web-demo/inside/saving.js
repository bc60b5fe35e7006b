/** What may be taken along: the pictures as files, and a link to what is seen. */

import { copyText, make, partsOf } from '../shell/dom.js';
import { saveButtons } from '../shell/picture.js';

/**
 * @param {HTMLElement} section
 * @param {object} how
 * @param {() => string} how.name  of the picture that is seen
 * @param {(words: string) => void} how.announce
 */
export function makeSaving(section, { name, announce }) {
    const { picture, overview, saving, overview_saving } = partsOf(section);
    const svgIn = (/** @type {HTMLElement} */ place) => () => place.querySelector('svg');
    const link = make(
        'button',
        { type: 'button', dataset: { part: 'link' }, onclick: () => copyText(link, location.href) },
        'Copy link',
    );
    saving.append(...saveButtons(svgIn(picture), () => `inside-${name()}`, announce), link);
    overview_saving.append(...saveButtons(svgIn(overview), () => 'inside-heads', announce));

    return {
        /** @param {boolean} fits  whether a link holds the text */
        allowLink(fits) {
            link.disabled = !fits;
            link.title = fits ? '' : 'The text is too long for a link.';
        },
    };
}

/**
 * The normalizers of tokenizer.json, each under its name there. A normalizer changes a
 * NormalizedString in place and keeps nothing about the text.
 *
 * Most are maps of single characters (CharMap), made once for a tokenizer; BertNormalizer is a
 * single map of its four steps, so that a text is gone through once.
 */

import { byteLevel } from './byte_level.js';
import { CharMap, compose } from './char_map.js';
import { make } from './file.js';
import { NormalizationForm } from './normalization_forms.js';
import { unitsOf } from './normalized_string.js';
import { Precompiled } from './precompiled.js';
import { readContent, readPattern } from './replace_patterns.js';
import {
    chinese,
    combiningClass,
    decompose,
    isMark,
    lowerCase,
    nonspacing,
    other,
    whitespace,
} from './unicode.js';

/** @import { Fields } from './file.js' */
/** @import { NormalizedString } from './normalized_string.js' */

/**
 * @typedef {object} Normalizer
 * @property {(text: NormalizedString) => void} normalize
 */

/** @typedef {(code_point: number) => string | null} CharacterMap */

/**
 * @param {number} c
 * @returns {string}
 */
function clean(c) {
    // Tab and line ends are control characters to Unicode, space to BERT.
    if (c === 0x09 || c === 0x0a || c === 0x0d) return ' ';
    if (other().has(c)) return '';
    return whitespace().has(c) ? ' ' : String.fromCodePoint(c);
}

/**
 * @param {number} c
 * @returns {string}
 */
function setChineseApart(c) {
    const text = String.fromCodePoint(c);
    return chinese().has(c) ? ` ${text} ` : text;
}

/**
 * NFD without the nonspacing marks. It cannot be said for marks that stay (those of category Mc
 * and those newer than the library's tables): they may change places.
 * @param {number} c
 * @returns {string | null}
 */
function stripAccents(c) {
    let text = '';
    for (const character of decompose(c, 'NFD')) {
        const part = /** @type {number} */ (character.codePointAt(0));
        if (nonspacing().has(part)) continue;
        if (combiningClass(part) !== 0) return null;
        text += character;
    }
    return text;
}

/**
 * @param {number} c
 * @returns {string}
 */
function dropNonspacing(c) {
    return nonspacing().has(c) ? '' : String.fromCodePoint(c);
}

/** What the normalizer Nmt removes, and what it takes for space. */
// biome-ignore format: code points in a row
const NMT_REMOVED = new Set([
    1, 2, 3, 4, 5, 6, 7, 8, 0xb, ...Array.from({ length: 18 }, (_, k) => 0xe + k), 0x7f, 0x8f, 0x9f,
]);
const NMT_SPACE = new Set([
    9, 0xa, 0xc, 0xd, 0x1680, 0x200b, 0x200c, 0x200d, 0x200e, 0x200f, 0x2028, 0x2029, 0x2581,
    0xfeff, 0xfffd,
]);

/**
 * @param {number} c
 * @returns {string}
 */
function nmt(c) {
    if (NMT_REMOVED.has(c)) return '';
    return NMT_SPACE.has(c) ? ' ' : String.fromCodePoint(c);
}

/**
 * @implements {Normalizer}
 */
class BertNormalizer {
    #whole;

    /** The same step by step, for texts with marks that may change places. */
    #steps;

    /**
     * @param {Fields} fields
     */
    constructor(fields) {
        const lowercase = fields.boolean('lowercase');
        const accents =
            fields.get('strip_accents') === null ? lowercase : fields.boolean('strip_accents');
        /** @type {CharacterMap[]} */
        const before = [];
        if (fields.boolean('clean_text')) before.push(clean);
        if (fields.boolean('handle_chinese_chars')) before.push(setChineseApart);
        const after = lowercase ? [lowerCase] : [];
        this.#whole = new CharMap(
            compose([...before, ...(accents ? [stripAccents] : []), ...after]),
        );
        this.#steps = accents
            ? {
                  before: new CharMap(compose(before)),
                  form: new NormalizationForm('NFD'),
                  after: new CharMap(compose([dropNonspacing, ...after])),
              }
            : null;
    }

    /**
     * @param {NormalizedString} text
     */
    normalize(text) {
        if (text.map(this.#whole) || this.#steps === null) return;
        text.map(this.#steps.before);
        this.#steps.form.normalize(text);
        text.map(this.#steps.after);
    }
}

/**
 * @implements {Normalizer}
 */
class MapNormalizer {
    #characters;

    /**
     * @param {CharacterMap} map
     */
    constructor(map) {
        this.#characters = new CharMap(map);
    }

    /**
     * @param {NormalizedString} text
     */
    normalize(text) {
        text.map(this.#characters);
    }
}

/**
 * @implements {Normalizer}
 */
class Strip {
    #left;
    #right;

    /**
     * @param {Fields} fields
     */
    constructor(fields) {
        this.#left = fields.boolean('strip_left');
        this.#right = fields.boolean('strip_right');
    }

    /**
     * @param {NormalizedString} text
     */
    normalize(text) {
        text.strip(this.#left, this.#right);
    }
}

/**
 * @implements {Normalizer}
 */
class Replace {
    #pattern;
    #content;

    /**
     * @param {Fields} fields
     */
    constructor(fields) {
        this.#pattern = readPattern(fields);
        this.#content = unitsOf(readContent(fields));
    }

    /**
     * @param {NormalizedString} text
     */
    normalize(text) {
        text.replace(this.#pattern, this.#content);
    }
}

/**
 * @implements {Normalizer}
 */
class Prepend {
    #prefix;

    /**
     * @param {Fields} fields
     */
    constructor(fields) {
        this.#prefix = unitsOf(fields.string('prepend'));
    }

    /**
     * @param {NormalizedString} text
     */
    normalize(text) {
        text.prepend(this.#prefix);
    }
}

/**
 * @implements {Normalizer}
 */
class Sequence {
    #normalizers;

    /**
     * @param {Fields} fields
     */
    constructor(fields) {
        this.#normalizers = fields
            .list('normalizers')
            .map((config) => makeNormalizer(config, fields.depth + 1));
    }

    /**
     * @param {NormalizedString} text
     */
    normalize(text) {
        for (const normalizer of this.#normalizers) normalizer.normalize(text);
    }
}

/** @type {Record<string, (fields: Fields) => Normalizer>} */
const NORMALIZERS = {
    BertNormalizer: (fields) => new BertNormalizer(fields),
    ByteLevel: () => new MapNormalizer(byteLevel),
    Lowercase: () => new MapNormalizer(lowerCase),
    NFC: () => new NormalizationForm('NFC'),
    NFD: () => new NormalizationForm('NFD'),
    NFKC: () => new NormalizationForm('NFKC'),
    NFKD: () => new NormalizationForm('NFKD'),
    Nmt: () => new MapNormalizer(nmt),
    Precompiled: (fields) => new Precompiled(fields),
    Prepend: (fields) => new Prepend(fields),
    Replace: (fields) => new Replace(fields),
    Sequence: (fields) => new Sequence(fields),
    Strip: (fields) => new Strip(fields),
    StripAccents: () => new MapNormalizer((c) => (isMark(c) ? '' : String.fromCodePoint(c))),
};

/**
 * @param {unknown} config
 * @param {number} [depth]
 * @returns {Normalizer}
 */
export function makeNormalizer(config, depth = 0) {
    return make(NORMALIZERS, 'normalizer', config, depth);
}

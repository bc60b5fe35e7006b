/** Random numbers, and random texts that are hard on tokenizers. */

/** What text is made of; each part is as likely as the others. */
const BLOCKS = [
    [0x20, 0x7e],
    [0x61, 0x7a],
    [0x41, 0x5a],
    [0x00, 0x20],
    [0x7f, 0xa0],
    [0xa0, 0x17f],
    [0x180, 0x24f],
    [0x2b0, 0x36f],
    [0x300, 0x345],
    [0x370, 0x3ff],
    [0x400, 0x52f],
    [0x531, 0x589],
    [0x591, 0x5f4],
    [0x600, 0x6ff],
    [0x700, 0x8ff],
    [0x900, 0xdff],
    [0xe00, 0xfff],
    [0x1000, 0x10ff],
    [0x1100, 0x11ff],
    [0x13a0, 0x13fd],
    [0x1780, 0x18aa],
    [0x1ab0, 0x1aff],
    [0x1c80, 0x1cff],
    [0x1dc0, 0x1dff],
    [0x1e00, 0x1fff],
    [0x2000, 0x206f],
    [0x20a0, 0x20ff],
    [0x2100, 0x218f],
    [0x2190, 0x24ff],
    [0x2500, 0x27bf],
    [0x2c00, 0x2dff],
    [0x2e00, 0x2fff],
    [0x3000, 0x30ff],
    [0x3100, 0x33ff],
    [0x3400, 0x9fff],
    [0xa640, 0xa7ff],
    [0xa800, 0xabff],
    [0xac00, 0xd7ff],
    [0xe000, 0xf8ff],
    [0xf900, 0xfaff],
    [0xfb00, 0xfdff],
    [0xfe00, 0xffff],
    [0x10000, 0x10fff],
    [0x11000, 0x11fff],
    [0x16000, 0x1cfff],
    [0x1d000, 0x1d7ff],
    [0x1d800, 0x1efff],
    [0x1f000, 0x1faff],
    [0x20000, 0x323af],
    [0xe0000, 0xe01ff],
    [0xf0000, 0x10ffff],
    [0, 0x10ffff],
];

// biome-ignore format: what is short stands side by side
const PARTS = [
    ' ', ' ', '  ', '\t', '\n', '\r\n', '\u00a0', '\u3000', '\u2028', '\u200b', '\u200d', '\ufeff',
    '\0', '\u0085', '\u180e', '.', ',', '-', "'", '_', '##', '[', ']', '[MASK]', '[CLS]', '[SEP]',
    '[UNK]', '[PAD]', ' [MASK]', '[MASK] ', '[mask]', '<x>', '<X>', 'Day', 'DAY', 'é', 'É',
    'e\u0301', '\u0301', '\u0323', '\u0301\u0323\u0334', '\u0f71\u0f72\u0f74', 'İ', 'I\u0307', 'ß',
    'ẞ', 'ﬁ', 'ﬃ', 'ヿ', 'Ǆ', 'ǅ', 'Σ', 'ΣΑΣ', 'ς', '\u1100\u1161\u11a8', '각', '가', '\u11a8',
    '👩‍👩‍👧‍👦', '❤️', '🇩🇪', '👍🏽', '中', '中文', '𠮷', '豈', '\u{2f800}', 'word', 'Hello', 'unaffable',
    'running', '123', '٣', 'Ⅳ', '½', 'a'.repeat(99), 'b'.repeat(101), '\ud800', '\udc00', '\udbff',
    '\u0344', '\u0958', '\u09cb', '\u0dde', '\u1e9b\u0323', '\ufdfa', '\u302e', '\u{1d15e}',
    '\u{1d165}', '\u{11938}', '▁', '▁▁', ' ▁', '   ', '\u200d', '\u200c', '\u094d',
    '\u0915\u094d\u0937', '\u0600', '\r\n\u0301', '\u00a9', '\u00a9\u200d', '\u2122\u0301',
    '\u2126\u0301', '\u0958\u0301', '\u1161\u0301', 'ー', 'ア', 'か\u3099', 'ｶﾞ', '<unk>', '<s>',
    '\u{105c9}', 'Å', '\u212b', 'ệ', '``', "''", '  a  ', "'s", "'LL", "'\u017f", "'ve ", '(a',
    '\n\n', ' \n ', '!\r\n', '12345', '²', '_a', 'ab',
];

/**
 * Mulberry32: small, and the same everywhere.
 * @param {number} seed
 */
export function randomFrom(seed) {
    let state = seed >>> 0;
    const next = () => {
        state = (state + 0x6d2b79f5) >>> 0;
        let t = Math.imul(state ^ (state >>> 15), 1 | state);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
    const below = (n) => Math.floor(next() * n);
    const pick = (list) => list[below(list.length)];
    const chance = (p) => next() < p;
    return { below, pick, chance };
}

/** @returns {string} */
export function randomText(random, words = []) {
    const blocks = Array.from({ length: 1 + random.below(3) }, () => random.pick(BLOCKS));
    const n = random.pick([0, 1, 2, 3, 5, 8, 13, 21]);
    let text = '';
    for (let i = 0; i < n; i++) {
        const [first, last] = random.pick(blocks);
        const kind = random.below(10);
        if (kind < 5) text += String.fromCodePoint(first + random.below(last - first + 1));
        else if (kind < 8 || words.length === 0) text += random.pick(PARTS);
        else text += `${random.chance(0.7) ? ' ' : ''}${random.pick(words)}`;
    }
    return random.chance(0.03) ? text.repeat(20) : text;
}

/**
 * What grapheme clusters are made of: pictures, joiners, marks, Indic conjuncts, Hangul, controls.
 */
const CLUSTER_BLOCKS = [
    [0x300, 0x36f],
    [0x591, 0x5c7],
    [0x600, 0x605],
    [0x610, 0x61a],
    [0x64b, 0x65f],
    [0x6dd, 0x6dd],
    [0x70f, 0x70f],
    [0x890, 0x8e2],
    [0x900, 0xdff],
    [0x915, 0x94d],
    [0x94d, 0x94d],
    [0x9cd, 0x9cd],
    [0xd4e, 0xd4e],
    [0xe31, 0xe4e],
    [0x1000, 0x1060],
    [0x1100, 0x11ff],
    [0x1780, 0x17dd],
    [0x1a20, 0x1aff],
    [0x1b00, 0x1bf3],
    [0x1cd0, 0x1cff],
    [0x200b, 0x200f],
    [0x200d, 0x200d],
    [0x20d0, 0x20f0],
    [0x2028, 0x202e],
    [0x2100, 0x2200],
    [0x3029, 0x3030],
    [0x3099, 0x309a],
    [0xa806, 0xa830],
    [0xa8e0, 0xa9e5],
    [0xaa29, 0xabed],
    [0xac00, 0xac40],
    [0xd7a0, 0xd7fb],
    [0xfe00, 0xfe2f],
    [0xfeff, 0xfeff],
    [0xff9e, 0xff9f],
    [0x10a00, 0x10a3f],
    [0x11000, 0x11fff],
    [0x16d60, 0x16d70],
    [0x1d165, 0x1d172],
    [0x1f1e6, 0x1f1ff],
    [0x1f3f0, 0x1f3ff],
    [0x1f466, 0x1f469],
    [0xe0020, 0xe007f],
    [0xa9, 0xae],
    [0x9, 0xd],
    [0x61, 0x65],
    [0xe000, 0x0e001],
];

/** @returns {string}  mostly clusters of several characters */
export function randomClusters(random) {
    let text = '';
    for (let n = 1 + random.below(14); n > 0; n--) {
        const [first, last] = random.pick(CLUSTER_BLOCKS);
        text += random.chance(0.7)
            ? String.fromCodePoint(first + random.below(last - first + 1))
            : random.pick(PARTS);
    }
    return text;
}

/** @returns {object}  max_length and so on; not all can be followed */
export function randomTruncation(random) {
    return {
        max_length: 4 + random.below(12),
        strategy: random.pick(['longest_first', 'longest_first', 'only_first', 'only_second']),
        stride: random.pick([0, 0, 1, 2, 3, 9]),
        direction: random.pick(['right', 'right', 'left']),
    };
}

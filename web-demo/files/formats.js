/** How files may be read, and what the choices are called. */

/** @type {Record<string, string>} */
export const FORMATS = {
    comma: 'Table, cells separated by commas',
    semicolon: 'Table, cells separated by semicolons',
    tab: 'Table, cells separated by tabs',
    pipe: 'Table, cells separated by |',
    jsonl: 'JSON, an object a line',
    lines: 'Plain text, a text a line',
};

/** Of the tables. @type {Record<string, string>} */
export const DELIMITERS = { comma: ',', semicolon: ';', tab: '\t', pipe: '|' };

/** By what TextDecoder calls them. @type {Record<string, string>} */
export const ENCODINGS = {
    'utf-8': 'UTF-8',
    'utf-16le': 'UTF-16',
    'utf-16be': 'UTF-16, big-endian',
    'windows-1252': 'Western European (Windows-1252)',
    'windows-1250': 'Central European (Windows-1250)',
    'windows-1251': 'Cyrillic (Windows-1251)',
    'windows-1254': 'Turkish (Windows-1254)',
    shift_jis: 'Japanese (Shift JIS)',
    gb18030: 'Chinese (GB 18030)',
};

/**
 * docs/api.md, and a page of docs/api/ for each entry: the public API for people, made of the
 * package's declarations and of what is known of error codes.
 *
 *     node tools/api_reference.mjs docs
 *
 * Rejected: typedoc, which leaves out every type that no entry exports, options among them, does
 * not take pipelines apart, and shows what Node adds to Error.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { readAPI } from './api.mjs';
import { errorCodes } from './error_codes.mjs';

/** @import { Item, Member, Signature } from './api.mjs' */

const MADE = '<!-- Made by `make docs`: change the comments in js/ instead. -->';

const INTRODUCTION = `
What there is, entry by entry. How it is used is in [the pages of the tasks](README.md).

- \`?\` marks what may be left out; *default* is what holds then.
- Where a task is given many inputs, \`errors: 'return'\` makes \`T | BertError\` of each \`T\` of
  the result. Signatures here leave that out.
- What goes wrong is a [\`BertError\`](@BertError) with one of the [codes](#error-codes) below. A
  call that is aborted is rejected with the reason of its \`signal\`.
`;

/** What each entry is for. @type {Record<string, string>} */
const ENTRIES = {
    'bert-wasm': 'Models and what they do.',
    'bert-wasm/tokenizer': 'Tokenizers by themselves, without a model.',
    'bert-wasm/metrics':
        'How good answers are, counted as the usual tools of each task count it. Scores are ' +
        'fractions from 0 to 1, correlations from -1 to 1, never per cent.',
    'bert-wasm/explain': 'Why a model answers as it does.',
    'bert-wasm/diagnose': 'What a page or its browser lacks.',
    'bert-wasm/train':
        'Fine-tuning: an encoder learns labels from examples. Pre-training: a BERT learns from ' +
        'plain texts.',
};

/** What of an entry comes first; the rest by name. */
const FIRST = ['pipeline', 'loadModel', 'Model', 'ensemble', 'evaluate'];

/** @returns {Map<string, string>}  pages by their paths in docs/ */
export function apiReference() {
    return new Reference().pages();
}

class Reference {
    constructor() {
        const { entries, items } = readAPI();
        this.entries = entries;
        this.items = new Map([...items].map(([name, item]) => [name, simplified(item)]));
        this.codes = errorCodes();
        /** What an entry exports is described on its page. @type {Map<string, string>} */
        this.home = new Map(
            entries.flatMap(({ name, values, types }) =>
                [...values, ...types].map((each) => /** @type {const} */ ([each, name])),
            ),
        );
        /** Options that one type alone has are described with it. */
        this.inlined = new Set([...items.keys()].filter((name) => this.#isInlined(name)));
        /** Anchors of what is called: a type of the same letters says that it is one. */
        this.called = new Set(
            [...this.items.values()].flatMap((item) => [
                ...(titleOf(item) === item.name ? [] : [anchorOf(item.name)]),
                ...item.members
                    .filter(({ signatures }) => signatures.length > 0)
                    .map((member) => anchorOf(calledOf(item.name, member.name))),
            ]),
        );
        /** Where each item is described. @type {Map<string, {page: string, anchor: string}>} */
        this.places = new Map();
        /** Of the page that is being written. */
        this.page = '';
        /** @type {string[]} */
        this.blocks = [];
    }

    pages() {
        const pages = this.entries.map((entry) =>
            this.#write(pageOf(entry.name), () => this.#entry(entry)),
        );
        pages.unshift(this.#write('api.md', () => this.#contents()));
        // What is named may be described further down, or on another page.
        return new Map(
            pages.map(([page, text]) => [
                page,
                text.replace(/\(@(\w+)\)/g, (_, name) => this.#link(name, page)),
            ]),
        );
    }

    /**
     * @param {string} page
     * @param {() => void} write
     * @returns {[page: string, text: string]}  with links to be resolved
     */
    #write(page, write) {
        this.page = page;
        this.blocks = [];
        write();
        const [title, ...blocks] = this.blocks;
        return [page, `${[title, MADE, ...blocks].join('\n\n')}\n`];
    }

    #contents() {
        this.#add('# API', INTRODUCTION.trim());
        for (const { name, values } of this.entries) {
            this.#add(
                `## [${name}](${pageOf(name)})`,
                ENTRIES[name],
                inOrder(values)
                    .map((each) => {
                        const [gist] = this.#sentence(this.#item(each).text).split(/(?<=\.) |\n/);
                        return `- ${linked(titleOf(this.#item(each)), each)}  ${gist}`.trim();
                    })
                    .join('\n'),
            );
        }
        this.#add(
            '## Error codes',
            table(
                ['`code`', 'meaning', 'what to do'],
                [...this.codes].map(([code, { meaning, advice }]) => [
                    `\`${code}\``,
                    this.#prose(meaning),
                    this.#prose(advice),
                ]),
            ),
        );
    }

    /** @param {import('./api.mjs').Entry} entry */
    #entry({ name, values, types }) {
        this.#add(`# ${name}`, `${ENTRIES[name]} [All entries](../api.md).`);
        if (types.length > 0) {
            this.#add(`Types to import: ${types.map((each) => this.#type(each)).join(', ')}.`);
        }
        for (const each of [...inOrder(values), ...types]) this.#describe(each, name, 2);
    }

    /** @param {string[]} blocks  empty ones are none */
    #add(...blocks) {
        this.blocks.push(...blocks.filter(Boolean));
    }

    /** @param {string} name */
    #item(name) {
        return /** @type {Item} */ (this.items.get(name));
    }

    /** @param {string} name */
    #isInlined(name) {
        const others = [...this.items.values()].filter((item) => item.name !== name);
        return (
            this.#item(name).kind === 'object' &&
            !this.home.has(name) &&
            others.filter(({ parts }) => parts.includes(name)).length === 1 &&
            !others.some((item) => namesIn(typesOf(item)).includes(name))
        );
    }

    /**
     * An item, and then those that it names.
     * @param {string} name
     * @param {string} entry
     * @param {number} level  of its heading
     */
    #describe(name, entry, level) {
        const is_here = (this.home.get(name) ?? entry) === entry;
        if (!is_here || this.places.has(name) || this.inlined.has(name)) return;
        const item = this.#item(name);
        const is_value = item.kind === 'class' || titleOf(item) !== name;
        // What programs call or make has a section of its own, wherever it is named first.
        if (level > 2 && is_value && this.home.has(name)) return;
        const is_ambiguous = !is_value && this.called.has(anchorOf(name));
        const title = is_ambiguous ? `${name} type` : titleOf(item);
        this.places.set(name, { page: this.page, anchor: anchorOf(title) });
        this.#add(`${'#'.repeat(level)} ${title}`, this.#sentence(item.text));
        const { members, parts } = this.#expanded(item);
        const fields = members.filter(({ signatures }) => signatures.length === 0);
        if (item.kind === 'function') this.#call(is_value ? name : 'pipe', item);
        const is_plain = item.kind === 'object' && fields.every(({ text }) => text === '');
        if (item.kind === 'type' || (is_plain && (fields.length > 0 || parts.length === 0))) {
            this.#add(fenced([`type ${item.type}`]));
        } else {
            this.#add(this.#members(item.kind === 'function' ? 'property' : 'name', fields));
            if (parts.length > 0) {
                const has_more = fields.length > 0 || item.kind === 'function';
                const list = parts.map((part) => this.#type(part)).join(', ');
                this.#add(`${has_more ? 'And what' : 'What'} is in ${list}.`);
            }
        }
        for (const method of members.filter(({ signatures }) => signatures.length > 0)) {
            const called = calledOf(name, method.name);
            this.#add(`${'#'.repeat(level + 1)} ${called}()`, this.#sentence(method.text));
            this.#call(/^\w+$/.test(method.name) ? called.replace(`${name}.`, '') : called, method);
        }
        for (const each of namesIn([...typesOf({ ...item, members }), ...parts])) {
            if (this.items.has(each)) this.#describe(each, entry, 3);
        }
    }

    /**
     * @param {Item} item
     * @returns {{members: Member[], parts: string[]}}  with the members of parts that are inlined
     */
    #expanded(item) {
        const inlined = item.parts
            .filter((part) => this.inlined.has(part))
            .map((part) => this.#expanded(this.#item(part)));
        return {
            members: [...inlined.flatMap(({ members }) => members), ...item.members],
            parts: [
                ...inlined.flatMap(({ parts }) => parts),
                ...item.parts.filter((part) => !this.inlined.has(part)),
            ],
        };
    }

    /**
     * Signatures, parameters, result and errors.
     * @param {string} called
     * @param {Item | Member} callable
     */
    #call(called, { signatures, throws }) {
        const lines = signatures.map((signature) => {
            const { generics, returns, returns_text } = signature;
            const said = signatures.length > 1 && returns_text ? `  // ${returns_text}` : '';
            const result = returns && `: ${returns}`;
            return `${called}${generics}(${parametersOf(signature)})${result}${said}`;
        });
        this.#add(fenced(lines), this.#members('parameter', parametersOfAll(signatures)));
        const [{ returns_text }] = signatures;
        if (signatures.length === 1 && returns_text) {
            this.#add(`**Result:** ${this.#prose(returns_text)}`);
        }
        if (throws.length > 0) this.#add(`**Errors:** ${this.#throws(throws)}`);
    }

    /** @param {string[]} throws */
    #throws(throws) {
        return throws.map((each) => this.#prose(each)).join('; ');
    }

    /**
     * @param {string} head
     * @param {Member[]} members
     */
    #members(head, members) {
        const rows = members.map(({ name, type, is_optional, text, throws }) => {
            const { meaning, by_default } = withoutDefault(text);
            return [
                `\`${name}${is_optional ? '?' : ''}\``,
                type
                    .split('\n')
                    .map((each) => this.#type(each))
                    .join('<br>'),
                this.#prose(by_default.replace(/^(true|false|null|[\d.]+|\[.*\])(?=$|:)/, '`$&`')),
                [this.#prose(meaning), throws.length > 0 ? `errors: ${this.#throws(throws)}` : '']
                    .filter(Boolean)
                    .join('; '),
            ];
        });
        const is_shown = [0, 1, 2, 3].map((i) => i < 2 || rows.some((row) => row[i] !== ''));
        // Names and types alone are in a signature.
        if (!is_shown[2] && !is_shown[3] && !rows.some(([, type]) => type.includes('](')))
            return '';
        return table(
            [head, 'type', 'default', 'meaning'].filter((_, i) => is_shown[i]),
            rows.map((row) => row.filter((_, i) => is_shown[i])),
        );
    }

    /**
     * A type as code, with links to what it names.
     * @param {string} type
     */
    #type(type) {
        let text = '';
        let code = '';
        for (const piece of [...type.split(/\b([A-Z]\w*)\b/), null]) {
            const is_link = piece !== null && this.items.has(piece) && !this.inlined.has(piece);
            if (piece !== null && !is_link) {
                code += piece;
                continue;
            }
            text += code.replace(/\S(.*\S)?/, '`$&`');
            code = '';
            if (piece !== null) text += linked(piece, piece);
        }
        return text;
    }

    /**
     * Text of a comment, with links to what it names and values as code.
     * @param {string} text
     */
    #prose(text) {
        return text.replace(
            /(`[^`]*`)|\b((?:\w+\.)?\w+)\(\)|\b([A-Z_]{7,})\b|(?<!\w)'[\w-]*'|</g,
            (found, is_code, called, code) => {
                if (is_code) return found;
                if (called) return this.items.has(called) ? linked(found, called) : `\`${found}\``;
                if (code) return this.codes.has(code) ? `${linked(code, 'codes')}` : code;
                return found === '<' ? '&lt;' : `\`${found}\``;
            },
        );
    }

    /** @param {string} text */
    #sentence(text) {
        const prose = this.#prose(text.replace(/^[a-z]/, (letter) => letter.toUpperCase()));
        return /[\w)`'\]]$/.test(prose) ? `${prose}.` : prose;
    }

    /**
     * @param {string} name
     * @param {string} page  that has the link
     */
    #link(name, page) {
        const codes = { page: 'api.md', anchor: 'error-codes' };
        const place = name === 'codes' ? codes : this.places.get(name);
        if (place === undefined) throw new Error(`${name} is described nowhere`);
        if (place.page === page) return `(#${place.anchor})`;
        const up = page.includes('/') ? '../' : '';
        return `(${`${up}${place.page}`.replace('../api/', '')}#${place.anchor})`;
    }
}

/** @param {string} entry */
function pageOf(entry) {
    return `api/${entry.replace(/^.*\//, '')}.md`;
}

/** @param {string[]} names */
function inOrder(names) {
    const rank = (/** @type {string} */ name) => FIRST.indexOf(name) + 1 || FIRST.length + 1;
    const lower = (/** @type {string} */ name) => name.toLowerCase();
    return [...names].sort((a, b) => rank(a) - rank(b) || (lower(a) < lower(b) ? -1 : 1));
}

/** @param {Item} item */
function titleOf({ name, kind }) {
    return kind !== 'class' && /^[a-z]\w*$/.test(name) ? `${name}()` : name;
}

/** @param {string} heading */
function anchorOf(heading) {
    return heading
        .toLowerCase()
        .replaceAll(' ', '-')
        .replace(/[^\w-]/g, '');
}

/**
 * @param {string} name
 * @param {string} method  as it is declared
 */
function calledOf(name, method) {
    if (method === 'constructor') return `new ${name}`;
    return method.startsWith('[') ? `${name}${method}` : `${name}.${method.replace('static ', '')}`;
}

/**
 * @param {string} text
 * @param {string} name  of what it leads to
 */
function linked(text, name) {
    return `[\`${text}\`](@${name})`;
}

/**
 * Without what `errors: 'return'` adds, which the introduction says once.
 * @param {Item} item
 * @returns {Item}
 */
function simplified(item) {
    const plain = (/** @type {string} */ type) =>
        type
            .replace(/(<|, )E extends Errors = 'throw'(>?)/, (_, before, after) =>
                before === '<' ? '' : after,
            )
            .replace(/Settled<(.*), E>/, '$1')
            .replace(/ & \{ errors\?: E \}|, errors\?: E(?= \})/, '')
            .replace(/AsyncGenerator<(.*), void, undefined>/, 'AsyncGenerator<$1>');
    const of_signatures = (/** @type {Signature[]} */ signatures) =>
        signatures.map((signature) => ({
            ...signature,
            generics: plain(signature.generics),
            returns: plain(signature.returns),
            parameters: signature.parameters.map((each) => ({ ...each, type: plain(each.type) })),
        }));
    return {
        ...item,
        signatures: of_signatures(item.signatures),
        members: item.members.map((each) => ({
            ...each,
            signatures: of_signatures(each.signatures),
        })),
    };
}

/**
 * As TypeScript has them.
 * @param {Signature} signature
 */
function parametersOf({ parameters }) {
    const declared = (/** @type {Member} */ { name, type, is_optional }) =>
        `${name.replace(/^.*\./, '')}${is_optional ? '?' : ''}: ${type}`;
    return parameters
        .filter(({ name }) => !name.includes('.'))
        .map((parameter) => {
            const fields = parameters.filter(({ name }) => name.startsWith(`${parameter.name}.`));
            const type = `{ ${fields.map(declared).join(', ')} }`;
            return declared(fields.length > 0 ? { ...parameter, type } : parameter);
        })
        .join(', ');
}

/**
 * Of all overloads each parameter once; its types, a line each.
 * @param {Signature[]} signatures
 * @returns {Member[]}
 */
function parametersOfAll(signatures) {
    const all = signatures.flatMap(({ parameters }) => parameters);
    return [...new Set(all.map(({ name }) => name))]
        .filter((name) => !all.some((field) => field.name.startsWith(`${name}.`)))
        .map((name) => {
            const same = all.filter((each) => each.name === name);
            /** @type {string[]} */
            const types = [];
            for (const { type } of same) {
                // Narrower options of an overload are seen in its signature.
                const is_known = types.some((one) => type === one || type.startsWith(`${one} & `));
                if (!is_known) types.push(type);
            }
            return {
                ...same[0],
                type: types.join('\n'),
                is_optional: same.some(({ is_optional }) => is_optional),
                text: [...new Set(same.map(({ text }) => text))].filter(Boolean).join('; '),
            };
        });
}

/**
 * At its end, or at that of a sentence, a text says what holds where nothing is given.
 * @param {string} text
 */
export function withoutDefault(text) {
    const [found, before, by_default = '', after] =
        /^(?:(.*?)[;,.] )?default:? (.*?)(?:\. ([A-Z].*))?$/is.exec(text) ?? [];
    const meaning = found === undefined ? text : [before, after].filter(Boolean).join('. ');
    return { meaning, by_default };
}

/**
 * The types that a description shows.
 * @param {Pick<Item, 'kind' | 'type' | 'signatures' | 'members'>} item
 */
function typesOf({ kind, type, signatures, members }) {
    const of_signatures = (/** @type {Signature[]} */ list) =>
        list.flatMap(({ generics, parameters, returns }) => [
            generics,
            ...parameters.map((parameter) => parameter.type),
            returns,
        ]);
    return [
        kind === 'type' ? type : '',
        ...of_signatures(signatures),
        ...members.flatMap((member) => [member.type, ...of_signatures(member.signatures)]),
    ];
}

/** @param {string[]} types */
function namesIn(types) {
    return [...new Set(types.join(' ').match(/\b[A-Z]\w*/g))];
}

/**
 * @param {string[]} head
 * @param {string[][]} rows
 */
function table(head, rows) {
    const line = (/** @type {string[]} */ cells) =>
        `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
    return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** @param {string[]} lines */
function fenced(lines) {
    return ['```ts', ...lines, '```'].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    for (const [page, text] of apiReference()) {
        const file = join(process.argv[2], page);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, text);
    }
}

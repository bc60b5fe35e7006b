/**
 * The package's declarations, from what the compiler writes: those that its entry points reach,
 * with the comments of overloads and types where editors look for them.
 */

import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const COMMENT = String.raw`/\*\*(?:(?!\*/)[^])*\*/`;

/**
 * @param {string} folder  of the compiler's output, changed in place
 * @param {string[]} entries  below it, `js/index.d.ts`
 */
export function tidyDeclarations(folder, entries) {
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
        /\.d\.m?ts$/.test(name),
    );
    for (const name of files) {
        const file = join(folder, name);
        const source = readFileSync(name.replace(/\.d\.(m?)ts$/, '.$1js'), 'utf8');
        writeFileSync(file, tidy(readFileSync(file, 'utf8'), source, name));
    }
    const reached = new Set(entries);
    for (const name of reached) {
        // grows on the way
        for (const [, specifier] of readFileSync(join(folder, name), 'utf8').matchAll(
            /(?:from|import\() ?['"](\.[^'"]+)\.js['"]/g,
        )) {
            reached.add(join(dirname(name), `${specifier}.d.ts`));
        }
    }
    for (const name of files) if (!reached.has(name)) rmSync(join(folder, name));
}

/**
 * @param {string} text  a declaration file
 * @param {string} source  that it was made from
 * @param {string} name  for messages
 */
function tidy(text, source, name) {
    const documented = withOverloads(withTypeComments(text, source), source, name)
        // Of members that are @private the compiler leaves neither the type nor `private`, which a
        // strict reader refuses.
        .replace(/(@private(?:(?!\*\/)[\s\S])*\*\/\s+)(\w+;)/g, '$1private $2')
        .replace(
            new RegExp(String.raw`${COMMENT}\s+constructor\((?:(?!\);)[^])*\);`, 'g'),
            (found) => (found.includes('@internal') ? 'private constructor();' : found),
        )
        .replace(new RegExp(String.raw`(${COMMENT}\s+)(\w+: )`, 'g'), (found, comment, key) =>
            comment.includes('@readonly') ? `${comment}readonly ${key}` : found,
        );
    const used = documented.replace(
        /^import (?:type )?\{ ([^}]*) \} from .*;\n/gm,
        (line, names) =>
            names
                .split(', ')
                .some(
                    (/** @type {string} */ each) =>
                        documented.split(new RegExp(String.raw`\b${each}\b(?!\.js)`)).length > 2,
                )
                ? line
                : '',
    );
    return /\bAsyncDisposable\b|\basyncDispose\b/.test(used)
        ? `/// <reference lib="esnext.disposable" />\n${used}`
        : used;
}

/**
 * What is said of a type stands on it; comments that hold nothing but types go.
 * @param {string} text
 * @param {string} source
 */
function withTypeComments(text, source) {
    let changed = text.replace(new RegExp(String.raw`${COMMENT}\n`, 'g'), (comment) =>
        / @typedef /.test(comment) ? '' : comment,
    );
    for (const [comment] of source.matchAll(new RegExp(COMMENT, 'g'))) {
        const lines = linesOf(comment);
        lines.forEach((line, i) => {
            const [, named, said] = /^@typedef \{.*\} (\w+) *(.*)$/.exec(line) ?? [];
            if (named === undefined) return;
            const tags = lines.slice(0, i).findIndex((each) => /^@(?!template)/.test(each));
            const before =
                tags < 0 ? lines.slice(0, i).filter((each) => !each.startsWith('@')) : [];
            const end = lines.findIndex((each, k) => k > i && !each.startsWith('  '));
            const behind = [said, ...lines.slice(i + 1, end < 0 ? undefined : end)].map((each) =>
                each.trim(),
            );
            const description = [...before, ...behind].join('\n').trim();
            changed = changed.replace(
                new RegExp(String.raw`^export type ${named}\b`, 'm'),
                (found) => commentOf(description) + found,
            );
        });
    }
    return changed;
}

/**
 * The compiler leaves out the comments of overloads.
 * @param {string} text
 * @param {string} source
 * @param {string} name
 */
function withOverloads(text, source, name) {
    let changed = text;
    const functions = source.matchAll(
        new RegExp(String.raw`((?:${COMMENT}\s+)+)(export )?(?:async )?(function )?(\w+)\(`, 'g'),
    );
    for (const [, comments, is_exported, is_function, named] of functions) {
        const overloads = [...comments.matchAll(new RegExp(COMMENT, 'g'))]
            .map(([comment]) => linesOf(comment))
            .filter((lines) => lines.includes('@overload'));
        if (overloads.length === 0) continue;
        // Of a function that others return there are signatures alone, for each of them.
        const head = is_exported
            ? `()export declare function ${named}`
            : `( {4})${is_function ? '' : named}`;
        const signature = new RegExp(String.raw`^${head}(?:<.*>)?\((?=\w+\??: )`, 'gm');
        let n = 0;
        changed = changed.replace(signature, (found, indent) => {
            const lines = overloads[n++ % overloads.length]
                .map(withoutType)
                .filter((line) => line !== '' && !/^@(overload|template)\b/.test(line));
            return commentOf(lines.join('\n'), indent) + found;
        });
        if (n === 0 || n % overloads.length !== 0) {
            throw new Error(
                `${name}: ${named}() has ${overloads.length} overloads, ${n} are declared`,
            );
        }
    }
    return changed;
}

/**
 * What a tag says beside its type, which stands in the declaration; '' if that is nothing.
 * @param {string} line
 */
function withoutType(line) {
    const [, tag, rest] = /^@(param|returns) (\{.*)$/.exec(line) ?? [];
    if (tag === undefined) return line;
    let depth = 0;
    let end = 0;
    do depth += { '{': 1, '}': -1 }[rest[end]] ?? 0;
    while (++end < rest.length && depth > 0);
    const [, name, said] =
        tag === 'param'
            ? (/^ *\[?(\w+)\]? *(.*)$/.exec(rest.slice(end)) ?? [])
            : [rest, '', rest.slice(end).trim()];
    return said ? `@${tag} ${name} ${said}`.replace('  ', ' ') : '';
}

/**
 * @param {string} comment
 * @returns {string[]}  without stars
 */
function linesOf(comment) {
    return comment
        .slice(3, -2)
        .trim()
        .split('\n')
        .map((line) => line.replace(/^\s*\* ?/, '').trimEnd());
}

/**
 * @param {string} text
 * @param {string} [indent]
 */
function commentOf(text, indent = '') {
    if (text === '') return '';
    return `${indent}/**\n${text
        .split('\n')
        .map((line) => `${indent} * ${line}`.trimEnd())
        .join('\n')}\n${indent} */\n`;
}

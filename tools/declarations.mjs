/**
 * The package's declarations: a file for each entry, and one for what they share. They hold what
 * the entries reach and nothing else.
 *
 * TypeScript 6 makes them of the JSDoc: its successor leaves out the comments of overloads and of
 * types. rollup puts them together. Rejected: a file for each source, which shows what is private;
 * api-extractor and dts-bundle-generator, which give each entry a `Model` of its own.
 */

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

import ts from '@typescript/typescript6';
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';

/** A declaration file for each source, before they are put together. */
const PARTS = 'build/declarations';

/**
 * @param {Record<string, string>} entries  a source for the name of each declaration file
 * @param {string} out  folder
 */
export async function writeDeclarations(entries, out) {
    rmSync(PARTS, { recursive: true, force: true });
    emit(Object.values(entries));
    const input = Object.fromEntries(
        Object.entries(entries).map(([name, source]) => [
            name,
            resolve(PARTS, source.replace(/\.js$/, '.d.ts')),
        ]),
    );
    const bundle = await rollup({
        input,
        plugins: [dts()],
        onLog(level, { message }) {
            // Types that programs do not name need no name of an entry.
            if (!message.includes('no public re-export')) throw new Error(`${level}: ${message}`);
        },
    });
    await bundle.write({
        dir: out,
        entryFileNames: '[name].d.ts',
        chunkFileNames: '[name].d.ts',
        minifyInternalExports: false,
        banner: '/// <reference lib="esnext.disposable" />',
        manualChunks: (id, { getModuleInfo }) =>
            Object.values(input).filter((entry) => reached(entry, getModuleInfo).has(id)).length > 1
                ? 'shared'
                : undefined,
    });
    await bundle.close();
}

/**
 * @param {string} id  of a module
 * @param {import('rollup').GetModuleInfo} getModuleInfo
 * @param {Set<string>} [seen]
 */
function reached(id, getModuleInfo, seen = new Set()) {
    if (!seen.has(id)) {
        seen.add(id);
        for (const each of getModuleInfo(id)?.importedIds ?? []) reached(each, getModuleInfo, seen);
    }
    return seen;
}

/** @param {string[]} sources */
function emit(sources) {
    const config = ts.getParsedCommandLineOfConfigFile(
        'tsconfig.json',
        {
            noEmit: false,
            declaration: true,
            emitDeclarationOnly: true,
            noCheck: true, // `make lint` does
            exactOptionalPropertyTypes: true, // no `| undefined` that no source says
            outDir: resolve(PARTS),
        },
        /** @type {any} */ ({ ...ts.sys, onUnRecoverableConfigFileDiagnostic: refuse }),
    );
    const { options } = /** @type {ts.ParsedCommandLine} */ (config);
    const { diagnostics } = ts.createProgram(sources, options).emit(
        undefined,
        (file, text) => {
            mkdirSync(dirname(file), { recursive: true });
            writeFileSync(file, tidy(text));
        },
        undefined,
        true,
        { afterDeclarations: [/** @type {any} */ (hidePrivate)] },
    );
    diagnostics.forEach(refuse);
}

/** @param {ts.Diagnostic} diagnostic */
function refuse({ messageText }) {
    throw new Error(ts.flattenDiagnosticMessageText(messageText, '\n'));
}

/**
 * Of a class what is @private or @internal stays away; such a constructor cannot be called.
 * @param {ts.TransformationContext} context
 * @returns {(file: ts.SourceFile) => ts.SourceFile}
 */
function hidePrivate(context) {
    const hidden = context.factory.createConstructorDeclaration(
        [context.factory.createModifier(ts.SyntaxKind.PrivateKeyword)],
        [],
        undefined,
    );
    /** @type {(node: ts.Node) => ts.Node | undefined} */
    const visit = (node) => {
        if (!ts.isClassElement(node)) return ts.visitEachChild(node, visit, context);
        const tags = ts.getJSDocTags(ts.getOriginalNode(node)).map(({ tagName }) => tagName.text);
        if (!tags.includes('private') && !tags.includes('internal')) return node;
        return ts.isConstructorDeclaration(node) ? hidden : undefined;
    };
    return (file) => ts.visitEachChild(file, visit, context);
}

/**
 * Without comments that are nothing but types, and with one name for a type.
 * @param {string} text  of a declaration file
 */
function tidy(text) {
    return text
        .replace(/\/\*\*[\s\S]*?\*\/\n/g, (comment) =>
            / @(typedef|callback|import) /.test(comment) ? '' : comment,
        )
        .replace(/^ *\* @overload\n/gm, '')
        .replaceAll('<ArrayBufferLike>', '') // what older compilers do not know
        .replace(
            /^export type (\w+)(?:<.*>)? = import\((".*")\)\.\1(?:<\w+>)?;$/gm,
            'import type { $1 } from $2;\nexport type { $1 };',
        );
}

/**
 * The public API as the declarations of the built package have it, for what is made of it: the
 * reference and the list of public names. Types and texts are read by TypeScript 6; what comes out
 * is plain data.
 */

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

import ts from '@typescript/typescript6';

const DIST = resolve('build/dist');

/**
 * @typedef {object} Entry
 * @property {string} name  that programs import: `bert-wasm/tokenizer`
 * @property {string[]} values  that it exports
 * @property {string[]} types  that it exports besides
 *
 * @typedef {object} Member  of an object, a class, or the parameters of a function
 * @property {string} name
 * @property {string} type
 * @property {boolean} is_optional
 * @property {string} text
 * @property {Signature[]} signatures  of a method
 * @property {string[]} throws
 *
 * @typedef {object} Signature
 * @property {string} generics  `<E extends Errors = 'throw'>`
 * @property {Member[]} parameters
 * @property {string} returns
 * @property {string} returns_text
 *
 * @typedef {object} Item  something with a name: what is exported, and what that is made of
 * @property {string} name
 * @property {'function' | 'class' | 'object' | 'type'} kind  a type of no other kind
 * @property {string} text
 * @property {string} type  how a type is written
 * @property {Signature[]} signatures  of a function
 * @property {string[]} throws
 * @property {Member[]} members
 * @property {string[]} parts  other types whose members it has
 */

/**
 * @returns {{entries: Entry[], items: Map<string, Item>}}
 */
export function readAPI() {
    const { name, exports } = JSON.parse(readFileSync('package.json', 'utf8'));
    const seen = new Set(); // an entry with the types of another has its names
    const files = Object.entries(exports).flatMap(([path, { types }]) =>
        types && !seen.has(types) && seen.add(types)
            ? [{ name: name + path.slice(1), file: resolve(types) }]
            : [],
    );
    const program = ts.createProgram(
        files.map(({ file }) => file),
        { strict: true, module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2022, types: [] },
    );
    const reader = new Reader(program.getTypeChecker());
    const entries = files.map(({ name, file }) => {
        const module = reader.checker.getSymbolAtLocation(
            /** @type {ts.SourceFile} */ (program.getSourceFile(file)),
        );
        const symbols = reader.checker
            .getExportsOfModule(/** @type {ts.Symbol} */ (module))
            .map((symbol) => reader.target(symbol));
        for (const symbol of symbols) reader.read(symbol);
        const names = (/** @type {boolean} */ is_value) =>
            symbols
                .filter(({ flags }) => Boolean(flags & ts.SymbolFlags.Value) === is_value)
                .map((symbol) => symbol.name)
                .sort();
        return { name, values: names(true), types: names(false) };
    });
    return { entries, items: reader.items };
}

class Reader {
    /** @param {ts.TypeChecker} checker */
    constructor(checker) {
        this.checker = checker;
        /** @type {Map<string, Item>} */
        this.items = new Map();
        /** @type {Map<string, ts.Symbol>} */
        this.symbols = new Map();
    }

    /**
     * What an import or an export stands for.
     * @param {ts.Symbol} symbol
     */
    target(symbol) {
        return symbol.flags & ts.SymbolFlags.Alias ? this.checker.getAliasedSymbol(symbol) : symbol;
    }

    /**
     * An item, and those that it names.
     * @param {ts.Symbol} symbol
     */
    read(symbol) {
        const { name } = symbol;
        const known = this.symbols.get(name);
        if (known === symbol) return;
        if (known) throw new Error(`two types have the name ${name}`);
        this.symbols.set(name, symbol);
        /** @type {Item} */
        const item = {
            name,
            kind: 'type',
            text: '',
            type: '',
            signatures: [],
            throws: [],
            members: [],
            parts: [],
        };
        this.items.set(name, item);
        const nodes = /** @type {ts.Declaration[]} */ (symbol.declarations);
        item.text = nodes.map(textOf).find(Boolean) ?? '';
        item.throws = nodes.flatMap(throwsOf);
        for (const node of nodes) {
            if (ts.isFunctionDeclaration(node)) {
                item.kind = 'function';
                item.signatures.push(signatureOf(node));
            } else if (ts.isClassDeclaration(node)) {
                item.kind = 'class';
                item.members = node.members.flatMap(memberOf);
            } else if (ts.isTypeAliasDeclaration(node)) {
                this.#alias(item, node);
            } else if (ts.isVariableDeclaration(node)) {
                // The one object of a class is described as that class would be.
                const { symbol } = this.checker.getTypeAtLocation(node);
                const made = /** @type {ts.ClassDeclaration} */ (symbol.declarations?.[0]);
                item.kind = 'class';
                item.members = made.members.flatMap(memberOf);
                this.#readNamed(made);
                continue;
            } else {
                throw new Error(`${name} is ${ts.SyntaxKind[node.kind]}`);
            }
            this.#readNamed(node);
        }
        item.members = merged(item.members);
    }

    /**
     * @param {Item} item
     * @param {ts.TypeAliasDeclaration} node
     */
    #alias(item, node) {
        const { type, typeParameters } = node;
        // `keyof typeof TASKS` says nothing to who does not have the table.
        const written = ts.isTypeOperatorNode(type) ? this.#names(type) : print(type);
        item.type = `${item.name}${genericsOf(typeParameters)} = ${written}`;
        const parts = ts.isIntersectionTypeNode(type) ? [...type.types] : [type];
        const signatures = this.checker
            .getTypeAtLocation(node.name)
            .getCallSignatures()
            .map((signature) => /** @type {ts.SignatureDeclaration} */ (signature.declaration));
        if (signatures.length > 0) {
            item.kind = 'function';
            item.signatures = signatures.map(signatureOf);
            signatures.forEach((signature) => this.#readNamed(signature));
        } else if (
            parts.every((part) => ts.isTypeLiteralNode(part) || ts.isTypeReferenceNode(part))
        ) {
            if (parts.length > 1 || ts.isTypeLiteralNode(type)) item.kind = 'object';
        }
        if (item.kind === 'type') return;
        for (const part of parts) {
            if (ts.isTypeLiteralNode(part)) item.members.push(...part.members.flatMap(memberOf));
            else if (ts.isTypeReferenceNode(part) && print(part.typeName) !== 'ReturnType') {
                item.parts.push(print(part));
            }
        }
    }

    /** The members of a union, in full. @param {ts.TypeNode} node */
    #names(node) {
        const type = this.checker.getTypeFromTypeNode(node);
        const flags = ts.TypeFormatFlags.NoTruncation | ts.TypeFormatFlags.InTypeAlias;
        const parts = type.isUnion() ? type.types : [type];
        return parts
            .map((part) => this.checker.typeToString(part, undefined, flags).replaceAll('"', "'"))
            .join(' | ');
    }

    /**
     * The items that a declaration names.
     * @param {ts.Node} node
     */
    #readNamed(node) {
        ts.forEachChild(node, (child) => this.#readNamed(child));
        if (!ts.isTypeReferenceNode(node) || !ts.isIdentifier(node.typeName)) return;
        const found = this.checker.getSymbolAtLocation(node.typeName);
        const symbol = found && this.target(found);
        if (!symbol || symbol.flags & ts.SymbolFlags.TypeParameter) return;
        const file = symbol.declarations?.[0].getSourceFile().fileName ?? '';
        if (file.startsWith(DIST)) this.read(symbol);
    }
}

/**
 * @param {ts.SignatureDeclaration} node
 * @returns {Signature}
 */
function signatureOf(node) {
    const returns = ts.getJSDocReturnTag(node);
    return {
        generics: genericsOf(node.typeParameters),
        parameters: node.parameters.flatMap((parameter) => {
            const [tag] = ts.getJSDocParameterTags(parameter);
            const rest = print(parameter.dotDotDotToken);
            return [
                member({
                    name: rest + print(tag?.name ?? parameter.name),
                    type: print(said(tag?.typeExpression) ?? parameter.type),
                    is_optional: parameter.questionToken !== undefined,
                    text: commentOf(tag),
                }),
                ...fieldsOf(tag),
            ];
        }),
        returns: print(said(returns?.typeExpression) ?? node.type),
        returns_text: commentOf(returns),
    };
}

/**
 * `options.top_k`, as a comment has them.
 * @param {ts.JSDocParameterTag | undefined} tag
 * @returns {Member[]}
 */
function fieldsOf(tag) {
    const type = tag?.typeExpression?.type;
    if (!type || !ts.isJSDocTypeLiteral(type)) return [];
    return (type.jsDocPropertyTags ?? []).map((field) =>
        member({
            name: print(field.name),
            type: print(said(field.typeExpression)),
            is_optional: field.isBracketed,
            text: commentOf(field),
        }),
    );
}

/**
 * @param {Partial<Member> & {name: string}} given
 * @returns {Member}
 */
function member(given) {
    return { type: '', is_optional: false, text: '', signatures: [], throws: [], ...given };
}

/**
 * The type that a comment has: as it was written.
 * @param {ts.JSDocTypeExpression | undefined} expression
 */
function said(expression) {
    return expression && !ts.isJSDocTypeLiteral(expression.type) ? expression.type : undefined;
}

/**
 * @param {ts.ClassElement | ts.TypeElement} node
 * @returns {Member[]}
 */
function memberOf(node) {
    const has = (/** @type {ts.SyntaxKind} */ modifier) =>
        ts.canHaveModifiers(node) && node.modifiers?.some(({ kind }) => kind === modifier);
    if (has(ts.SyntaxKind.PrivateKeyword)) return [];
    if (node.name && ts.isPrivateIdentifier(node.name)) return [];
    const name = node.name ? print(node.name) : 'constructor';
    const is_method = ts.isFunctionLike(node) && !ts.isAccessor(node);
    return [
        member({
            name: has(ts.SyntaxKind.StaticKeyword) ? `static ${name}` : name,
            type: is_method ? '' : print(/** @type {any} */ (node).type),
            is_optional: Boolean(/** @type {any} */ (node).questionToken),
            text: textOf(node),
            signatures: is_method ? [signatureOf(node)] : [],
            throws: throwsOf(node),
        }),
    ];
}

/**
 * Overloads of a method are one member, and so are a getter and its setter.
 * @param {Member[]} members
 */
function merged(members) {
    /** @type {Map<string, Member>} */
    const by_name = new Map();
    for (const member of members) {
        const first = by_name.get(member.name);
        if (!first) by_name.set(member.name, member);
        else {
            first.type ||= member.type;
            first.text ||= member.text;
            first.signatures.push(...member.signatures);
            first.throws.push(...member.throws);
        }
    }
    return [...by_name.values()];
}

/** @param {ts.Node} node */
function docOf(node) {
    return ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc).at(-1);
}

/** @param {ts.Node} node */
function textOf(node) {
    return commentOf(docOf(node));
}

/** @param {ts.Node} node */
function throwsOf(node) {
    return ts.getAllJSDocTags(node, ts.isJSDocThrowsTag).map(commentOf);
}

/**
 * Paragraphs and lists stay apart, lines do not.
 * @param {ts.JSDoc | ts.JSDocTag | undefined} node
 */
function commentOf(node) {
    return (ts.getTextOfJSDocComment(node?.comment) ?? '')
        .trim()
        .replace(/\n[ \t]*(?![ \t]*[\n-])/g, (found, at, text) =>
            text[at - 1] === '\n' ? found : ' ',
        );
}

/** @param {ts.NodeArray<ts.TypeParameterDeclaration> | undefined} parameters */
function genericsOf(parameters) {
    return parameters?.length ? `<${parameters.map(print).join(', ')}>` : '';
}

/**
 * A node on one line, as the sources are written.
 * @param {ts.Node | undefined} node
 * @returns {string}
 */
function print(node) {
    return (node?.getText() ?? '')
        .replace(/\s*\n\s*\*?\s*/g, ' ')
        .replace(/import\("[^"]*"\)\.|import\('[^']*'\)\./g, '')
        .replaceAll('"', "'")
        .replace(/; \}/g, ' }')
        .replaceAll('; ', ', ')
        .replace(/\{(?=\w)/g, '{ ')
        .replace(/(?<=[^\s{])\}/g, ' }')
        .replace(/^\((.*)\) \| undefined$|^(.*) \| undefined$/, '$1$2');
}

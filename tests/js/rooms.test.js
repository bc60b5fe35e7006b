/**
 * The structure of the sources: which room may use which. A room is a folder of
 * core/, converter/ or js/; the files beside them are a room, too. ARCHITECTURE.md lists them from
 * the ground up: a file uses its own room and those before it. Nothing runs upwards, so there is no
 * circle of rooms; nor is there one of files.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Files at the top of js/ that are entries of the package: they use any room, none uses them. */
const FACES = ['js/index.js', 'js/in_thread.js', 'js/search.js'];

/**
 * The rooms of a tree from the ground up: the folders in the order of its table in ARCHITECTURE.md.
 * The files at the top are below them in js/ (errors.js), above them in converter/ (the commands).
 * @param {string} tree
 */
function roomsOf(tree) {
    const architecture = readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8');
    const [, section] = architecture.split(`\n## ${tree}/: `);
    const folders = [...section.split('\n## ')[0].matchAll(/^\| `(\w+)\/` \|/gm)];
    const rooms = folders.map(([, folder]) => `${tree}/${folder}`);
    return tree === 'converter' ? [...rooms, tree] : [tree, ...rooms];
}

const ROOMS = Object.fromEntries(['core', 'converter', 'js'].map((tree) => [tree, roomsOf(tree)]));

/** @param {string} tree */
function sourcesOf(tree) {
    return readdirSync(join(ROOT, tree), { recursive: true, encoding: 'utf8' })
        .filter((name) => /\.(c|h|js)$/.test(name))
        .map((name) => `${tree}/${name}`);
}

/**
 * Files that a source uses: of C the headers that it includes, each with the .c file of its name.
 * @param {string} file
 * @param {Set<string>} all
 */
function usesOf(file, all) {
    const text = readFileSync(join(ROOT, file), 'utf8');
    if (file.endsWith('.js')) {
        const imports = text.matchAll(/^(?:import|export)\b[^'"(;]*?['"](\.[^'"]+)['"]/gm);
        return [...imports]
            .map(([, path]) => normalize(join(dirname(file), path)))
            .filter((path) => all.has(path));
    }
    const tree = file.split('/')[0];
    return [...text.matchAll(/^#include "(.+)"/gm)]
        .flatMap(([, path]) => [join(dirname(file), path), join(tree, path), join('core', path)])
        .map((path) => normalize(path))
        .filter((path) => all.has(path));
}

/** The room of a file: a folder below a room belongs to it. */
function roomOf(file, rooms) {
    const folder = dirname(file);
    const own = rooms.filter((room) => folder === room || folder.startsWith(`${room}/`));
    return own.sort((a, b) => b.length - a.length)[0];
}

/** The first circle that is found, as files. */
function circleIn(uses) {
    const state = new Map();
    const path = [];
    const visit = (file) => {
        state.set(file, 'open');
        path.push(file);
        for (const next of uses.get(file) ?? []) {
            if (state.get(next) === 'open') return [...path.slice(path.indexOf(next)), next];
            const found = state.has(next) ? undefined : visit(next);
            if (found) return found;
        }
        path.pop();
        state.set(file, 'done');
        return undefined;
    };
    for (const file of uses.keys()) {
        const found = state.has(file) ? undefined : visit(file);
        if (found) return found;
    }
    return undefined;
}

const files = new Set(Object.keys(ROOMS).flatMap(sourcesOf));
const uses = new Map([...files].map((file) => [file, usesOf(file, files)]));

for (const [tree, rooms] of Object.entries(ROOMS)) {
    test(`${tree}: no room uses one above it`, () => {
        const upwards = [];
        for (const [file, used] of uses) {
            if (!file.startsWith(`${tree}/`) || FACES.includes(file)) continue;
            for (const other of used.filter((each) => each.startsWith(`${tree}/`))) {
                const is_up =
                    rooms.indexOf(roomOf(other, rooms)) > rooms.indexOf(roomOf(file, rooms));
                if (is_up || FACES.includes(other)) upwards.push(`${file} uses ${other}`);
            }
        }
        assert.deepEqual(upwards, []);
    });

    test(`${tree}: every folder is a room, or below one`, () => {
        const folders = new Set(
            [...files].filter((file) => file.startsWith(`${tree}/`)).map(dirname),
        );
        for (const room of rooms) assert.ok(folders.has(room), `${room} has no files`);
        for (const folder of folders) {
            const is_known =
                folder === tree ||
                rooms.some((room) => `${folder}/`.startsWith(`${room}/`) && room !== tree);
            assert.ok(is_known, `${folder} is no room of tests/js/rooms.test.js`);
        }
    });
}

test('core knows neither the converter nor JavaScript, the converter no JavaScript', () => {
    for (const [file, used] of uses) {
        const tree = file.split('/')[0];
        const foreign = used.filter((other) => !other.startsWith(`${tree}/`));
        const allowed = tree === 'converter' ? /^core\// : /^$/;
        for (const other of foreign) assert.match(other, allowed, `${file} uses ${other}`);
    }
});

test('no circle of files', () => {
    assert.ok(uses.size > 150, `${uses.size} files are read`);
    assert.ok([...uses.values()].flat().length > 400, 'their uses are found');
    assert.equal(circleIn(uses)?.join(' -> '), undefined);
});

/**
 * docs/command-line.md has every command, with every option that its --help has, and every metric
 * of `serve`.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { ServerMetrics } from '../../js/cli/prometheus.js';
import { INPUT_OPTIONS, STREAM_OPTIONS } from '../../js/cli/task_command.js';
import { PIPELINE_OPTIONS, TASK_COMMANDS } from '../../js/cli/tasks.js';
import { at, cli } from './cli_process.js';

const page = readFileSync(at('docs/command-line.md'), 'utf8');

test('commands and their options', () => {
    const commands = [...cli(['--help']).stdout.matchAll(/^ {2}([a-z-]+) {2}/gm)].map(
        ([, name]) => name,
    );
    assert.ok(commands.length > 12);
    for (const name of commands) {
        assert.match(page, new RegExp(`(^\\| |^## |bert-wasm )\`?${name}\\b`, 'm'), name);
    }
    for (const name of commands.filter((each) => !(each in TASK_COMMANDS))) {
        for (const [option] of cli([name, '--help']).stdout.matchAll(/--[a-z-]+/g)) {
            if (option !== '--help' && option !== '--dtype') {
                assert.ok(page.includes(option), `${name} ${option}`);
            }
        }
    }
});

test('each task in its row: fields and options', () => {
    const common = Object.keys({ ...INPUT_OPTIONS, ...STREAM_OPTIONS, ...PIPELINE_OPTIONS });
    for (const option of common) assert.ok(page.includes(`\`--${option}`), option);
    for (const [name, { fields, options, own = {} }] of Object.entries(TASK_COMMANDS)) {
        const row = page.split('\n').find((line) => line.startsWith(`| \`${name}\` |`));
        assert.ok(row, name);
        const given = new Set([...row.matchAll(/--([a-z-]+)/g)].map(([, option]) => option));
        assert.deepEqual([...given].sort(), Object.keys({ ...options, ...own }).sort(), name);
        for (const [field, kind] of Object.entries(fields)) {
            assert.ok(
                row.includes(`\`${field}\`${kind.endsWith('?') ? '?' : ''}`),
                `${name} ${field}`,
            );
        }
    }
});

test('metrics of serve', () => {
    const names = [
        ...new ServerMetrics()
            .text([], /** @type {any} */ ({ tokens: 0 }))
            .matchAll(/^# TYPE (\S+)/gm),
    ].map(([, name]) => name);
    assert.ok(names.length > 8);
    for (const name of names) assert.ok(page.includes(name), name);
});

/** What there is for every task of the table, and that nothing is called what is not in it. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { EXAMPLE_FORMATS } from '../../js/cli/examples.js';
import { TASK_COMMANDS } from '../../js/cli/tasks.js';
import { EVALUATIONS } from '../../js/metrics/evaluate.js';
import { ALIASES, JUDGED_AS, TASKS, unaliased } from '../../js/pipelines/tasks.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const tasks = Object.keys(TASKS).sort();

test('each task has a pipeline, an evaluation, a command and a page', () => {
    for (const { make } of Object.values(TASKS)) assert.equal(typeof make, 'function');
    assert.deepEqual(Object.keys(EVALUATIONS).sort(), tasks, 'evaluations');
    const commanded = new Set(Object.values(TASK_COMMANDS).map(({ task }) => task));
    assert.deepEqual([...commanded].sort(), tasks, 'commands');
    const index = readFileSync(join(ROOT, 'docs/README.md'), 'utf8');
    for (const task of tasks) {
        assert.ok(existsSync(join(ROOT, `docs/tasks/${task}.md`)), `docs/tasks/${task}.md`);
        assert.ok(index.includes(`tasks/${task}.md`), `${task} in docs/README.md`);
    }
});

test('other names are of tasks, and are not names of others', () => {
    const others = [...Object.entries(ALIASES), ...Object.entries(JUDGED_AS)];
    assert.ok(others.length > 3);
    for (const [name, task] of others) {
        assert.ok(Object.hasOwn(TASKS, task), task);
        assert.ok(!Object.hasOwn(TASKS, name), name);
    }
    assert.equal(new Set(others.map(([name]) => name)).size, others.length);
    assert.equal(unaliased('ner'), 'token-classification');
    for (const name of ['fill-mask', 'similarity', 'chess', 'constructor']) {
        assert.equal(unaliased(name), name);
    }
});

test('the usual files of labelled examples can be read', () => {
    for (const [name, { labelled = 'jsonl' }] of Object.entries(TASK_COMMANDS)) {
        assert.ok(EXAMPLE_FORMATS.includes(labelled), name);
    }
});

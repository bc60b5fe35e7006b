/**
 * text-classification answers what the pipeline of transformers answers (tests/golden/pipelines): labels,
 * order and shape exactly, scores to float32's rounding.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { pipeline } from '../../build/dist/index.node.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const GOLDEN = join(root, 'tests/golden/pipelines');
const scratch = mkdtempSync(join(tmpdir(), 'bert-wasm-classification-'));
after(() => rmSync(scratch, { recursive: true }));

/**
 * Python takes an empty second text for none and has an option more; neither is so here.
 */
const OTHERWISE = ['empty text_pair', 'function_to_apply'];

const TOLERANCE = 2e-5;

const names = readdirSync(GOLDEN).filter((name) => name.startsWith('text-classification-'));

test('there are models of one label, several labels and exclusive labels', () => assert.equal(names.length, 4));

for (const name of names) {
    test(`${name}: the answers of transformers`, async (t) => {
        const { cases } = JSON.parse(readFileSync(join(GOLDEN, name, 'cases.json'), 'utf8'));
        const path = join(scratch, `${name}.safetensors`);
        const converter = process.env.BERT_CONVERT ?? join(root, 'build/native/bert-convert');
        assert.ok(existsSync(converter), 'make native');
        const { status, stderr } = spawnSync(converter, [join(GOLDEN, name), '-o', path, '--dtype', 'f32'], { encoding: 'utf8' });
        assert.equal(status, 0, stderr);
        const classify = await pipeline('text-classification', path);
        let worst = 0;
        let n = 0;
        try {
            for (const [group, { calls }] of Object.entries(cases)) {
                for (const { inputs, options, result, truncated } of OTHERWISE.includes(group) ? [] : calls) {
                    const got = await classify(...inputs, options);
                    assert.deepEqual(withoutScores(got), withoutScores(result, truncated), `${group}: ${JSON.stringify([...inputs, options])}`);
                    const found = scoresOf(got);
                    scoresOf(result).forEach((score, i) => (worst = Math.max(worst, Math.abs(score - found[i]))));
                    n++;
                }
            }
        } finally {
            classify.dispose();
        }
        t.diagnostic(`${n} calls, largest error ${worst.toExponential(1)}`);
        assert.ok(n > 40 && worst <= TOLERANCE, `${worst}`);
    });
}

/** Labels in the result's shape, with the mark of a text that was cut. */
function withoutScores(result, truncated = false) {
    if (Array.isArray(result)) return result.map((one) => withoutScores(one, truncated));
    return { label: result.label, truncated: result.truncated ?? truncated };
}

const scoresOf = (result) => result.flat().map(({ score }) => score);

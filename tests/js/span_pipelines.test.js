/**
 * token-classification and question-answering answer what the pipelines of transformers answer
 * (tests/golden/pipelines): words, places, order and shape exactly, scores to float32's rounding. And
 * what the golden cases do not hold.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { BertError, pipeline } from '../../build/dist/index.node.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const GOLDEN = join(root, 'tests/golden/pipelines');
const scratch = mkdtempSync(join(tmpdir(), 'bert-wasm-spans-'));
after(() => rmSync(scratch, { recursive: true }));

const TOLERANCE = 2e-5;

function converted(name) {
    const path = join(scratch, `${name}.safetensors`);
    if (existsSync(path)) return path;
    const converter = process.env.BERT_CONVERT ?? join(root, 'build/native/bert-convert');
    assert.ok(existsSync(converter), 'make native');
    const { status, stderr } = spawnSync(converter, [join(GOLDEN, name), '-o', path, '--dtype', 'f32'], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    return path;
}

/** The result without its scores, which go to the list. */
function withoutScores(result, scores) {
    if (Array.isArray(result)) return result.map((each) => withoutScores(each, scores));
    const { score, ...others } = result;
    scores.push(score);
    return others;
}

function marked(result, truncated) {
    if (!truncated) return result;
    return result.map((each) => (Array.isArray(each) ? marked(each, truncated) : { ...each, truncated }));
}

for (const [task, n_models] of [['token-classification', 3], ['question-answering', 3]]) {
    const names = readdirSync(GOLDEN).filter((name) => name.startsWith(task));
    test(`${task}: there are models`, () => assert.equal(names.length, n_models));
    for (const name of names) {
        test(`${name}: the answers of transformers`, async (t) => {
            const { cases } = JSON.parse(readFileSync(join(GOLDEN, name, 'cases.json'), 'utf8'));
            const pipe = await pipeline(task, converted(name));
            let worst = 0, n = 0;
            try {
                for (const [group, { calls }] of Object.entries(cases)) {
                    for (const { inputs, options, result, truncated } of calls) {
                        const got = [], expected = [];
                        assert.deepEqual(withoutScores(await pipe(...inputs, options), got),
                            withoutScores(marked(result, truncated), expected), `${group}: ${JSON.stringify([...inputs, options])}`);
                        expected.forEach((score, i) => (worst = Math.max(worst, Math.abs(score - got[i]))));
                        n++;
                    }
                }
            } finally {
                pipe.dispose();
            }
            t.diagnostic(`${n} calls, largest error ${worst.toExponential(1)}`);
            assert.ok(n > 100 && worst <= TOLERANCE, `${worst}`);
        });
    }
}

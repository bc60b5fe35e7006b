/**
 * examples/spark on a data set: the answers of one process, row by row, though an engine dies or an
 * executor is killed. `make test-spark` installs PySpark and runs this.
 */

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const at = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const venv = process.env.BERT_SPARK;
if (!venv) {
    throw new Error('BERT_SPARK names no Python environment with PySpark: run make test-spark');
}
const python = join(venv, 'bin/python');

const folder = mkdtempSync(join(tmpdir(), 'bert-wasm-spark-'));
after(() => rmSync(folder, { recursive: true }));

const MODEL = at('web-demo/models/sentiment-minilm-l6-q8.safetensors');
const N = 360;

/** Rows of every kind; some cannot be answered. */
function dataSet() {
    const words = [
        'a wonderful film',
        'dull',
        'naïve 😀',
        'I loved it',
        'far too long',
        'great\nfun',
        'schön \u2028 und gut',
        '“so-so”',
        'никогда',
    ];
    return Array.from({ length: N }, (_, i) => ({
        id: `r${i}`,
        text:
            i % 90 === 7
                ? null
                : i % 90 === 8
                  ? ''
                  : `${words[i % words.length]}, ${words[(i * 5 + 2) % words.length]} ${i}`,
        stars: i % 11 === 5 ? null : i % 5,
        of: { shop: `s${i % 3}`, tags: i % 4 ? ['x', `t${i}`] : [] },
    }));
}

const jsonl = join(folder, 'reviews.jsonl');
writeFileSync(
    jsonl,
    dataSet()
        .map((row) => `${JSON.stringify(row)}\n`)
        .join(''),
);

/** What one process says: by id, with what the example's columns are called. */
function oneProcess() {
    const { status, stdout, stderr } = spawnSync(
        process.execPath,
        [at('build/dist/cli.js'), 'classify', '--model', MODEL, '--input', jsonl, '--skip-errors'],
        { encoding: 'utf8' },
    );
    assert.equal(status, 0, stderr);
    const rows = stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
    assert.equal(rows.length, N);
    return new Map(
        rows.map(({ id, stars, of, label, score, error }) => [
            id,
            { stars, of, label, score, failed: error !== undefined },
        ]),
    );
}

/**
 * Runs the example. `decide(pid, n)` says what the n-th engine to answer is to do.
 * @returns {Promise<{rows: any[], log: string}>}
 */
async function job(name, master, input, decide) {
    const socket_path = join(folder, `${name}.sock`);
    let n_engines = 0;
    const server = createServer((socket) => {
        socket.on('error', () => {}); // an engine that was killed
        socket.once('data', (data) => socket.end(decide(Number(data), n_engines++)));
    }).listen(socket_path);
    await once(server, 'listening');
    const output = join(folder, `${name}-out`);
    const work = join(folder, `${name}-work`);
    mkdirSync(work);
    const home = spawnSync(
        python,
        ['-c', 'import os, pyspark; print(os.path.dirname(pyspark.__file__))'],
        { encoding: 'utf8' },
    ).stdout.trim();
    const spark = spawn(
        join(String(venv), 'bin/spark-submit'),
        [
            '--master',
            master,
            '--conf',
            'spark.ui.enabled=false',
            '--conf',
            'spark.sql.execution.arrow.maxRecordsPerBatch=25',
            '--files',
            MODEL,
            '--py-files',
            at('examples/spark/engine.py'),
            at('examples/spark/classify.py'),
            '--model',
            'sentiment-minilm-l6-q8.safetensors',
            '--input',
            input,
            '--output',
            output,
            '--partitions',
            '4',
            '--engine',
            [
                process.execPath,
                at('tests/spark/watched_engine.js'),
                socket_path,
                at('build/dist/cli.js'),
            ].join(' '),
        ],
        {
            cwd: work,
            env: {
                ...process.env,
                SPARK_HOME: home,
                PYSPARK_PYTHON: python,
                SPARK_LOCAL_IP: '127.0.0.1',
                SPARK_WORKER_DIR: work,
            },
        },
    );
    let log = '';
    for (const stream of [spark.stdout, spark.stderr]) {
        stream.on('data', (data) => {
            log += data;
        });
    }
    const [code] = await once(spark, 'close');
    server.close();
    assert.equal(code, 0, log.slice(-3000));
    const parts = readdirSync(output).filter((file) => file.endsWith('.json'));
    const rows = parts.flatMap((file) =>
        readFileSync(join(output, file), 'utf8')
            .trimEnd()
            .split('\n')
            .filter(Boolean)
            .map((line) => JSON.parse(line)),
    );
    return { rows, log };
}

/** The executor's process that started another. */
function executorOf(pid) {
    for (let one = pid; one > 1; ) {
        if (readFileSync(`/proc/${one}/cmdline`, 'utf8').includes('CoarseGrainedExecutorBackend')) {
            return one;
        }
        one = Number(
            readFileSync(`/proc/${one}/stat`, 'utf8')
                .replace(/^.*\) /, '')
                .split(' ')[1],
        );
    }
    throw new Error(`process ${pid} belongs to no executor`);
}

function assertSame(rows) {
    const want = oneProcess();
    assert.equal(rows.length, N);
    assert.equal(new Set(rows.map(({ id }) => id)).size, N, 'each row once');
    for (const { id, stars = null, of, label, score, error } of rows) {
        // Spark writes no null
        assert.deepEqual(
            { stars, of, label, score, failed: error !== undefined },
            want.get(id),
            id,
        );
    }
    assert.equal(
        rows.filter(({ error }) => /text must be a string, not null/.test(error)).length,
        N / 90,
    );
}

test('local[2], from Parquet: an engine dies, its task is run again', async (t) => {
    const parquet = join(folder, 'reviews.parquet');
    const written = spawnSync(
        python,
        [
            '-c',
            'import sys; from pyarrow import json, parquet; ' +
                'parquet.write_table(json.read_json(sys.argv[1]), sys.argv[2])',
            jsonl,
            parquet,
        ],
        { encoding: 'utf8' },
    );
    assert.equal(written.status, 0, written.stderr);
    let died = 0;
    const { rows, log } = await job('local', 'local[2,3]', parquet, (_, n) => {
        if (n === 1) died++;
        return n === 1 ? 'die' : 'go';
    });
    assertSame(rows);
    assert.equal(died, 1);
    assert.match(
        log,
        /EngineError: the engine ended early, exit code 3: the engine was told to die/,
    );
    t.diagnostic(`${rows.length} rows`);
});

test('local-cluster: an executor is killed in the middle of its task', async () => {
    let killed;
    const { rows, log } = await job('cluster', 'local-cluster[2,1,1024]', jsonl, (pid, n) => {
        if (n === 1) process.kill((killed = executorOf(pid)), 'SIGKILL');
        return 'go';
    });
    assertSame(rows);
    assert.ok(killed);
    assert.match(log, /Lost executor/);
});

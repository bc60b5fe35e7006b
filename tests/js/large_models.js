/**
 * Models of real size with random weights, written while they are made: a BERT with a classifier,
 * as PyTorch's exporter writes its graph, and a RoBERTa, as transformers saves it. All weights are
 * pieces of one block of random numbers, so that a gigabyte is written in a second.
 */
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const BLOCK_BYTES = 1 << 22;

/**
 * @typedef {object} ModelSize
 * @property {number} n_layers
 * @property {number} hidden  a multiple of 64: of as many heads
 * @property {number} n_words
 */

/** @typedef {{n_bytes: number, is_ones?: boolean}} Weights  floats that are not in memory */

/** @param {(i: number) => number} number  @returns {Buffer} */
function floats(number) {
    return Buffer.from(Float32Array.from({ length: BLOCK_BYTES / 4 }, (_, i) => number(i)).buffer);
}

const ONES = floats(() => 1);
const RANDOM = (() => {
    let state = 1;
    return floats(() => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return (state / 2 ** 31 - 1) * 0.05;
    });
})();

/** @param {string} path  @param {(Buffer | Weights)[]} parts */
function writeParts(path, parts) {
    const file = openSync(path, 'w');
    for (const [i, part] of parts.entries()) {
        if (Buffer.isBuffer(part)) {
            writeSync(file, part);
            continue;
        }
        /* Layers whose weights are the same would be taken for one. */
        let start = (i * 3988) % BLOCK_BYTES;
        for (let left = part.n_bytes; left > 0; start = 0) {
            const n = Math.min(left, BLOCK_BYTES - start);
            left -= writeSync(file, part.is_ones ? ONES : RANDOM, start, n);
        }
    }
    closeSync(file);
}

/** @param {string} folder  @param {string} type  @param {ModelSize} size  @param {object} more */
function writeConfig(folder, type, { n_layers, hidden, n_words }, more) {
    const config = {
        model_type: type,
        vocab_size: n_words,
        hidden_size: hidden,
        num_hidden_layers: n_layers,
        num_attention_heads: hidden / 64,
        intermediate_size: 4 * hidden,
        hidden_act: 'gelu',
        id2label: { 0: 'NEGATIVE', 1: 'POSITIVE' },
        ...more,
    };
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
}

/* --------------------------------------------------------------------------------- safetensors -- */

/** @param {string} folder  @param {ModelSize} size */
export function writeRoberta(folder, size) {
    const { n_layers, hidden, n_words } = size;
    /** @type {Record<string, object>} */
    const header = {};
    /** @type {Weights[]} */
    const weights = [];
    let at = 0;
    /** @param {string} name  @param {...number} shape */
    const add = (name, ...shape) => {
        const n_bytes = 4 * shape.reduce((a, b) => a * b, 1);
        header[`roberta.${name}`] = { dtype: 'F32', shape, data_offsets: [at, at + n_bytes] };
        weights.push({ n_bytes, is_ones: name.endsWith('LayerNorm.weight') });
        at += n_bytes;
    };
    /** @param {string} name  @param {...number} shape */
    const addBoth = (name, ...shape) => {
        add(`${name}.weight`, ...shape);
        add(`${name}.bias`, shape[0]);
    };
    add('embeddings.word_embeddings.weight', n_words, hidden);
    add('embeddings.position_embeddings.weight', 514, hidden);
    add('embeddings.token_type_embeddings.weight', 1, hidden);
    addBoth('embeddings.LayerNorm', hidden);
    for (let i = 0; i < n_layers; i++) {
        const layer = `encoder.layer.${i}`;
        for (const name of ['self.query', 'self.key', 'self.value', 'output.dense']) {
            addBoth(`${layer}.attention.${name}`, hidden, hidden);
        }
        addBoth(`${layer}.attention.output.LayerNorm`, hidden);
        addBoth(`${layer}.intermediate.dense`, 4 * hidden, hidden);
        addBoth(`${layer}.output.dense`, hidden, 4 * hidden);
        addBoth(`${layer}.output.LayerNorm`, hidden);
    }
    const json = JSON.stringify({ __metadata__: { format: 'pt' }, ...header });
    const length = Buffer.alloc(8);
    length.writeUInt32LE(json.length);
    writeConfig(folder, 'roberta', size, {
        architectures: ['RobertaModel'],
        max_position_embeddings: 514,
        type_vocab_size: 1,
        layer_norm_eps: 1e-5,
        pad_token_id: 1,
    });
    writeParts(join(folder, 'model.safetensors'), [length, Buffer.from(json), ...weights]);
}

/* ---------------------------------------------------------------------------------------- ONNX -- */

/** @typedef {(Buffer | Weights)[]} Parts */

/** @param {number} value */
function varint(value) {
    const bytes = [];
    for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
    return Buffer.from([...bytes, value]);
}

/** @param {number} field  @param {number} value */
const number = (field, value) => Buffer.concat([varint(field * 8), varint(value)]);

/** A message, a text or bytes. @param {number} field  @param {Parts | string} content */
function message(field, content) {
    const parts = typeof content === 'string' ? [Buffer.from(content)] : content;
    const n = parts.reduce(
        (sum, part) => sum + ('n_bytes' in part ? part.n_bytes : part.length),
        0,
    );
    return [varint(field * 8 + 2), varint(n), ...parts];
}

const [FLOAT, INT64] = [1, 7];

/**
 * @param {string} name
 * @param {number} type
 * @param {number[]} shape
 * @param {Buffer | Weights} data
 */
const tensor = (name, type, shape, data) => [
    ...shape.map((n) => number(1, n)),
    number(2, type),
    ...message(8, name),
    ...message(9, [data]),
];

/** @param {string} name  @param {number} type  @param {(number | string)[]} shape */
function valueInfo(name, type, shape) {
    const dims = shape.flatMap((n) =>
        message(1, typeof n === 'number' ? [number(1, n)] : message(2, n)),
    );
    return [...message(1, name), ...message(2, message(1, [number(1, type), ...message(2, dims)]))];
}

/** Nodes and weights in order; every method gives the name of its value. */
class Graph {
    /** @type {Parts} */ nodes = [];
    /** @type {Parts} */ weights = [];
    #n = 0;

    /**
     * @param {string} op
     * @param {string[]} inputs
     * @param {Parts} [attributes]
     * @param {string} [output]
     */
    node(op, inputs, attributes = [], output = `value_${this.#n++}`) {
        const names = inputs.flatMap((name) => message(1, name));
        this.nodes.push(
            ...message(1, [...names, ...message(2, output), ...message(4, op), ...attributes]),
        );
        return output;
    }

    /** @param {number[]} shape  @param {boolean} [is_ones] */
    weight(shape, is_ones) {
        const name = `weight_${this.#n++}`;
        const n_bytes = 4 * shape.reduce((a, b) => a * b, 1);
        this.weights.push(...message(5, tensor(name, FLOAT, shape, { n_bytes, is_ones })));
        return name;
    }

    /** @param {number} value */
    float(value) {
        const data = Buffer.alloc(4);
        data.writeFloatLE(value);
        return this.#constant(FLOAT, [], data);
    }

    /** @param {number[]} values  @param {number[]} [shape] */
    integers(values, shape = [values.length]) {
        return this.#constant(INT64, shape, Buffer.from(BigInt64Array.from(values, BigInt).buffer));
    }

    /** @param {number} type  @param {number[]} shape  @param {Buffer} data */
    #constant(type, shape, data) {
        const value = [...message(1, 'value'), ...message(5, tensor('', type, shape, data))];
        return this.node('Constant', [], message(5, [...value, number(20, 4)]));
    }

    /** @param {string} name  @param {number[]} values */
    static list(name, values) {
        return message(5, [
            ...message(1, name),
            ...values.map((value) => number(8, value)),
            number(20, 7),
        ]);
    }

    /** @param {string} name  @param {number} value */
    static one(name, value) {
        return message(5, [...message(1, name), number(3, value), number(20, 2)]);
    }

    /** @param {string} x  @param {number} n_in  @param {number} n_out */
    dense(x, n_in, n_out) {
        const product = this.node('MatMul', [x, this.weight([n_in, n_out])]);
        return this.node('Add', [this.weight([n_out]), product]);
    }

    /** @param {string} x  @param {number} n_in  @param {number} n_out  @param {string} [output] */
    gemm(x, n_in, n_out, output) {
        const inputs = [x, this.weight([n_out, n_in]), this.weight([n_out])];
        return this.node('Gemm', inputs, Graph.one('transB', 1), output);
    }

    /** @param {string} x */
    mean(x) {
        return this.node('ReduceMean', [x], Graph.list('axes', [2]));
    }

    /** @param {string} x  @param {number} size */
    norm(x, size) {
        const centred = this.node('Sub', [x, this.mean(x)]);
        const variance = this.mean(this.node('Pow', [centred, this.float(2)]));
        const root = this.node('Sqrt', [this.node('Add', [variance, this.float(1e-12)])]);
        const scaled = this.node('Mul', [
            this.node('Div', [centred, root]),
            this.weight([size], true),
        ]);
        return this.node('Add', [scaled, this.weight([size])]);
    }

    /** @param {string} x */
    gelu(x) {
        const gate = this.node('Erf', [this.node('Div', [x, this.float(Math.SQRT2)])]);
        const product = this.node('Mul', [x, this.node('Add', [gate, this.float(1)])]);
        return this.node('Mul', [product, this.float(0.5)]);
    }

    /** @param {string} x  @param {...number} last */
    reshape(x, ...last) {
        return this.node('Reshape', [x, this.integers([0, 0, ...last])]);
    }

    /** @param {string} x  @param {number[]} order */
    transpose(x, order) {
        return this.node('Transpose', [x], Graph.list('perm', order));
    }

    /** @param {string} x  @param {string} mask  @param {number} hidden */
    attention(x, mask, hidden) {
        const [query, key, value] = [0, 1, 2].map(() =>
            this.reshape(this.dense(x, hidden, hidden), hidden / 64, 64),
        );
        const keys = this.transpose(key, [0, 2, 3, 1]);
        const scores = this.node('MatMul', [this.transpose(query, [0, 2, 1, 3]), keys]);
        const scaled = this.node('Div', [scores, this.float(8)]);
        const weights = this.node(
            'Softmax',
            [this.node('Add', [scaled, mask])],
            Graph.one('axis', 3),
        );
        const context = this.node('MatMul', [weights, this.transpose(value, [0, 2, 1, 3])]);
        return this.reshape(this.transpose(context, [0, 2, 1, 3]), hidden);
    }

    /** @param {string} x  @param {string} mask  @param {number} hidden */
    layer(x, mask, hidden) {
        const attended = this.dense(this.attention(x, mask, hidden), hidden, hidden);
        const middle = this.norm(this.node('Add', [attended, x]), hidden);
        const inner = this.gelu(this.dense(middle, hidden, 4 * hidden));
        const outer = this.dense(inner, 4 * hidden, hidden);
        return this.norm(this.node('Add', [outer, middle]), hidden);
    }

    /** @param {number} hidden  @param {number} n_words */
    embeddings(hidden, n_words) {
        const indices = this.integers(
            Array.from({ length: 512 }, (_, i) => i),
            [1, 512],
        );
        const n_tokens = this.node('Gather', [
            this.node('Shape', ['input_ids']),
            this.integers([1]),
        ]);
        const positions = this.node('Slice', [
            indices,
            this.integers([0]),
            n_tokens,
            this.integers([1]),
        ]);
        const words = this.node('Gather', [this.weight([n_words, hidden]), 'input_ids']);
        const types = this.node('Gather', [this.weight([2, hidden]), 'token_type_ids']);
        const places = this.node('Gather', [this.weight([512, hidden]), positions]);
        const sum = this.node('Add', [this.node('Add', [words, types]), places]);
        return this.norm(sum, hidden);
    }

    mask() {
        const wide = this.node('Unsqueeze', ['attention_mask', this.integers([1, 2])]);
        const mask = this.node('Cast', [wide], Graph.one('to', FLOAT));
        return this.node('Mul', [this.node('Sub', [this.float(1), mask]), this.float(-3e38)]);
    }
}

/** @param {string} folder  @param {ModelSize} size */
export function writeBertOnnx(folder, size) {
    const { n_layers, hidden, n_words } = size;
    const graph = new Graph();
    const mask = graph.mask();
    let x = graph.embeddings(hidden, n_words);
    for (let i = 0; i < n_layers; i++) x = graph.layer(x, mask, hidden);
    const first = graph.node('Gather', [x, graph.integers([0], [])], Graph.one('axis', 1));
    const pooled = graph.node('Tanh', [graph.gemm(first, hidden, hidden)]);
    graph.gemm(pooled, hidden, 2, 'logits');
    const inputs = ['input_ids', 'attention_mask', 'token_type_ids'].flatMap((name) =>
        message(11, valueInfo(name, INT64, ['batch', 'length'])),
    );
    const model = [
        number(1, 7),
        ...message(7, [
            ...graph.nodes,
            ...message(2, 'bert'),
            ...graph.weights,
            ...inputs,
            ...message(12, valueInfo('logits', FLOAT, ['batch', 2])),
        ]),
        ...message(8, [...message(1, ''), number(2, 14)]),
    ];
    writeConfig(folder, 'bert', size, {
        max_position_embeddings: 512,
        type_vocab_size: 2,
        layer_norm_eps: 1e-12,
    });
    writeParts(join(folder, 'model.onnx'), model);
}

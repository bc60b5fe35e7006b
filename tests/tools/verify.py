"""Compares a converted model with onnxruntime on the graph that it was made from.

    python tests/tools/verify.py MODEL.onnx [--dtype f32|f16|q8|q4] [--model FILE.safetensors]
                                 [--tolerance T] [--text TEXT ...] [--program bert-convert]

Converts MODEL.onnx (or takes the file that was converted), runs both on random ids of several
lengths, on a padded batch, and, where tokenizer.json and the package `tokenizers` are there, on
texts, and prints the largest error. Exit code 1 if one is over T times the largest output (at least
1). Needs numpy and onnxruntime; the comparison itself is `bert-convert --verify`.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime

TEXTS = ["A short text.", "Berlin and Paris are 878 kilometres apart, which a train takes eight hours for.",
         "It was neither good nor bad; but the ending, which nobody had expected, made up for a lot."]


def inputs_of(session):
    """Names of what the graph takes, by what they are."""
    kinds = {"input_ids": "input_ids", "attention_mask": "attention_mask", "input_mask": "attention_mask",
             "token_type_ids": "token_type_ids", "segment_ids": "token_type_ids", "position_ids": "position_ids"}
    return {kinds.get(one.name, one.name): one for one in session.get_inputs()}


def beside(path, name):
    """The file of that name beside the graph, or above its folder `onnx`."""
    folder = os.path.dirname(os.path.abspath(path))
    for place in (folder, os.path.dirname(folder)):
        if os.path.exists(os.path.join(place, name)):
            return os.path.join(place, name)
    return None


def random_cases(config, inputs, generator):
    """Rows of ids and types: [(name, rows)]."""
    vocab = config.get("vocab_size", 100)
    types = config.get("type_vocab_size", 2) or 1

    def row(n):
        ids = generator.integers(min(5, vocab - 1), vocab, n).tolist()
        return ids, [int(i >= n // 2) if types > 1 else 0 for i in range(n)]

    fixed = inputs["input_ids"].shape[1]
    if isinstance(fixed, int):
        return [("random, whole", [row(fixed)]), ("random, padded", [row(fixed - fixed // 3)])]
    most = config.get("max_position_embeddings", 512)
    lengths = [n for n in (1, 2, 7, 33, 128) if n <= most - 2]
    return [(f"random, {n} tokens", [row(n)]) for n in lengths] + [("random, padded batch", [row(9), row(4), row(1)])]


def text_cases(path, texts):
    """The same of texts."""
    tokenizer = beside(path, "tokenizer.json")
    try:
        from tokenizers import Tokenizer
    except ImportError:
        tokenizer = None
    if not tokenizer:
        print("texts are left out: there is no tokenizer.json, or no package `tokenizers`")
        return []
    tokenizer = Tokenizer.from_file(tokenizer)
    tokenizer.no_padding()
    encodings = [tokenizer.encode(text) for text in texts]
    return [(f"text, {len(one.ids)} tokens", [(one.ids, one.type_ids)]) for one in encodings] + \
           [("texts, padded batch", [(one.ids, one.type_ids) for one in encodings])]


def run_case(session, inputs, config, name, rows):
    """One case of a golden.json."""
    fixed = inputs["input_ids"].shape[1]
    width = fixed if isinstance(fixed, int) else max(len(ids) for ids, _ in rows)
    padding = config.get("pad_token_id") or 0
    counted = padding + 1 if config.get("model_type") in ("roberta", "xlm-roberta", "camembert", "mpnet") else 0
    case = {"name": name,
            "input_ids": [ids + [padding] * (width - len(ids)) for ids, _ in rows],
            "attention_mask": [[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in rows],
            "token_type_ids": [types + [0] * (width - len(types)) for _, types in rows]}
    if "token_type_ids" not in inputs:
        case["token_type_ids"] = [[0] * width for _ in rows]
    fed = dict(case, position_ids=[[counted + i if i < len(ids) else padding for i in range(width)] for ids, _ in rows])
    feeds = {one.name: np.asarray(fed[kind], dtype=np.int32 if "int32" in one.type else np.int64)
             for kind, one in inputs.items()}
    names = [one.name for one in session.get_outputs()]
    case["outputs"] = {output: {"shape": list(value.shape), "data": [float(x) for x in np.float32(value).ravel()]}
                       for output, value in zip(names, session.run(None, feeds))}
    return case


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("onnx")
    parser.add_argument("--model", help="the converted file; default: convert now")
    parser.add_argument("--dtype", default="f32")
    parser.add_argument("--tolerance", default="2e-4")
    parser.add_argument("--text", nargs="+", default=TEXTS)
    parser.add_argument("--seed", type=int, default=1)
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    parser.add_argument("--program", default=os.path.join(root, "build", "native", "bert-convert"))
    arguments = parser.parse_args()

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(arguments.onnx, options, providers=["CPUExecutionProvider"])
    inputs = inputs_of(session)
    config = {}
    if beside(arguments.onnx, "config.json"):
        with open(beside(arguments.onnx, "config.json"), encoding="utf-8") as file:
            config = json.load(file)
    cases = random_cases(config, inputs, np.random.default_rng(arguments.seed))
    if not isinstance(inputs["input_ids"].shape[1], int):
        cases += text_cases(arguments.onnx, arguments.text)
    if "attention_mask" not in inputs:
        cases = [(name, rows) for name, rows in cases if len({len(ids) for ids, _ in rows}) == 1]
    golden = {"cases": [run_case(session, inputs, config, name, rows) for name, rows in cases]}

    with tempfile.TemporaryDirectory() as folder:
        path, model = os.path.join(folder, "golden.json"), arguments.model
        with open(path, "w", encoding="utf-8") as file:
            json.dump(golden, file)
        if not model:
            model = os.path.join(folder, "model.safetensors")
            made = subprocess.run([arguments.program, arguments.onnx, "-o", model, "--dtype", arguments.dtype])
            if made.returncode:
                return made.returncode
        verified = subprocess.run([arguments.program, "--verify", path, "--tolerance", arguments.tolerance, model],
                                  capture_output=True, text=True)
    print(verified.stdout, end="")
    print(verified.stderr, end="", file=sys.stderr)
    return verified.returncode


if __name__ == "__main__":
    sys.exit(main())

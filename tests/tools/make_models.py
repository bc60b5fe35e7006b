"""Makes encoders with random weights as ONNX, and what onnxruntime answers for them.

    python make_models.py OUT_DIR [--set tiny|real] [--only SUBSTRING] [--group GROUP]
                                  [--missing] [--list]

These are the graphs that a converter meets: several architectures and heads, written by several
releases of the exporters, then rewritten by optimisers and quantisers. A spec is a source (an
architecture with a head, or a plain torch module), an export and a list of rewriting steps:

    Spec("bert-seqcls-fused-fp16", "optimised", "bert", "seqcls", steps=[fuse(), fused_half()])

Each makes a folder OUT_DIR/<name> with model.onnx (and perhaps model.onnx_data), config.json and
golden.json, in the format of the shared fixtures:

    name, architecture, head, exporter, reference{releases}, inputs, outputs
    tolerance      largest distance from torch over all cases, at positions that are not masked
    largest        largest output of torch
    cases[]        name, the inputs, outputs{name: {shape, data}}: onnxruntime's float32, flat,
                   row-major, nine significant digits (enough to restore the exact number)
                   plain_outputs, where a step changed the numbers: those before that
    trace          (some) hidden states and attention probabilities of torch for one case

and, beyond that format: input_types, operators (how many of each the graph holds), note, spread
(QDQ graphs: distance between onnxruntime's integer kernels and the graph taken literally), left_out
(outputs of the graph that are no encoder's, which no case has) and, in
folders named refuse-*, refuse: why no encoder of the BERT family computes this. Those graphs have
cases too, so that a test can tell a wrong answer from a right one that was not expected.

A spec says which major release of transformers writes it (4 and 5 differ in every graph; None:
either). Run the script with both; what needs the other one is skipped, and says so. Weights are
drawn by parameter name, so both releases make the same model. They are drawn wide (standard
deviation 0.2), and biases and LayerNorm parameters are not left at 0 and 1, so that a dropped bias
or a swapped axis shows. --set real: sizes of published models, standard deviation 0.02.
"""
import argparse
import collections
import contextlib
import dataclasses
import gc
import importlib.util
import io
import json
import logging
import os
import pathlib
import shutil
import sys
import tempfile
import time
import traceback
import types
import typing
import warnings
import zlib

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
warnings.filterwarnings("ignore")

import numpy as np
import onnx
import onnxruntime
import torch
import transformers
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional

logging.disable(logging.WARNING)
transformers.logging.set_verbosity_error()
MAJOR = int(transformers.__version__.split(".")[0])
LENGTH = 64  # of the longest sequence a tiny model takes
EXPORT_LENGTH = 11  # of the example an export traces; no other axis of a tiny model is this long


# --- Specs ------------------------------------------------------------------------------------


@dataclasses.dataclass
class Export:
    """How torch's model becomes a graph."""
    exporter: str = "legacy"  # torch.onnx.export(dynamo=False); "dynamo": (dynamo=True); "optimum"
    opset: int = 14
    fold: bool = True
    static: tuple = ()  # (batch, sequence), where the graph takes no other
    integer: torch.dtype = torch.int64
    attention: str = "default"  # or eager, sdpa (transformers 5)
    task: str = ""  # optimum's name for the head

    def __str__(self):
        if self.exporter == "optimum":
            return f"optimum.exporters.onnx, task {self.task}, opset {self.opset}"
        words = [f"torch.onnx.export(dynamo={self.exporter == 'dynamo'}), opset {self.opset}"]
        if not self.fold:
            words.append("no constant folding")
        if self.static:
            words.append("static shape {} x {}".format(*self.static))
        if self.attention != "default":
            words.append(f"attention {self.attention}")
        return ", ".join(words)


@dataclasses.dataclass
class Step:
    """Rewrites the graph at one path into another. exact: the numbers should stay the same."""
    name: str
    run: typing.Callable  # (source path, target path, config, feeds)
    exact: bool = True


@dataclasses.dataclass
class Spec:
    name: str
    group: str
    arch: str
    head: str
    release: int | None = 4
    config: dict = dataclasses.field(default_factory=dict)
    labels: int = 2
    export: Export = dataclasses.field(default_factory=Export)
    steps: list = dataclasses.field(default_factory=list)
    inputs: tuple = ()  # () = what the architecture takes
    outputs: tuple = ()  # () = what the head gives
    wrap: typing.Callable | None = None  # model -> module with its own answer(**inputs)
    cases: str = "usual"  # usual, short (large outputs), unmasked, prefix (no holes), static, real
    external: bool = False  # weights in a second file
    trace: bool = False
    note: str = ""
    refuse: str = ""
    std: float = 0.2
    left_out: tuple = ()  # outputs that the steps have added, and that are no encoder's


# --- Architectures ----------------------------------------------------------------------------


@dataclasses.dataclass
class Arch:
    prefix: str  # of the classes in transformers
    config: dict
    names: dict = dataclasses.field(default_factory=dict)  # what it calls the usual settings
    types: bool = False  # takes token_type_ids
    pooler: bool = False  # its bare model also gives pooler_output
    special: tuple = (0, 2, 3)  # ids of padding, first and last token
    spare: int = 0  # positions it reserves


ROBERTA = dict(pad_token_id=1, bos_token_id=0, eos_token_id=2, type_vocab_size=1,
               max_position_embeddings=LENGTH + 2, layer_norm_eps=1e-5)
DISENTANGLED = dict(relative_attention=True, max_relative_positions=-1, type_vocab_size=0,
                    position_biased_input=False, pos_att_type=["c2p", "p2c"],
                    layer_norm_eps=1e-7, pad_token_id=0)
DEBERTA_V3 = dict(DISENTANGLED, position_buckets=8, share_att_key=True,
                  norm_rel_ebd="layer_norm", pos_att_type=["p2c", "c2p"])
SIZES = "hidden_size num_attention_heads num_hidden_layers intermediate_size".split()


def sizes(hidden, heads, layers, inner):
    return dict(zip(SIZES, (hidden, heads, layers, inner)))


ARCHS = {
    "bert": Arch("Bert", sizes(64, 4, 2, 128), types=True, pooler=True),
    "roberta": Arch("Roberta", dict(ROBERTA, **sizes(80, 5, 2, 144)), pooler=True,
                    special=(1, 0, 2), spare=2),
    "camembert": Arch("Camembert", dict(ROBERTA, **sizes(48, 3, 3, 112)), pooler=True,
                      special=(1, 0, 2), spare=2),
    "xlm-roberta": Arch("XLMRoberta", dict(ROBERTA, **sizes(64, 2, 2, 100)), pooler=True,
                        special=(1, 0, 2), spare=2),
    "distilbert": Arch("DistilBert", sizes(48, 3, 3, 120),
                       dict(zip(SIZES, "dim n_heads n_layers hidden_dim".split()),
                            hidden_act="activation")),
    "albert": Arch("Albert", dict(sizes(72, 6, 3, 136), embedding_size=24, num_hidden_groups=1,
                                  inner_group_num=1, hidden_act="gelu_new", pad_token_id=0,
                                  classifier_dropout_prob=0.0), types=True, pooler=True),
    "electra": Arch("Electra", dict(sizes(64, 2, 3, 96), embedding_size=40), types=True),
    "mpnet": Arch("MPNet", dict({k: v for k, v in ROBERTA.items() if k != "type_vocab_size"},
                                **sizes(60, 5, 2, 128), relative_attention_num_buckets=32),
                  pooler=True, special=(1, 0, 2), spare=2),
    "deberta": Arch("Deberta", dict(DISENTANGLED, **sizes(64, 4, 2, 120))),
    "deberta-v2": Arch("DebertaV2", dict(DEBERTA_V3, **sizes(48, 2, 3, 108))),
}
HEADS = {  # class, outputs
    "base": ("Model", ("last_hidden_state",)),
    "seqcls": ("ForSequenceClassification", ("logits",)),
    "tokcls": ("ForTokenClassification", ("logits",)),
    "qa": ("ForQuestionAnswering", ("start_logits", "end_logits")),
    "mlm": ("ForMaskedLM", ("logits",)),
    "discriminator": ("ForPreTraining", ("logits",)),
    "pretraining": ("ForPreTraining", ()),
}
CONV = dict(conv_kernel_size=3, conv_act="gelu", conv_groups=1)  # of the larger DeBERTa-v2


def build(spec):
    """The torch model of a spec with its own forward, and its config."""
    arch = ARCHS[spec.arch]
    settings = dict(vocab_size=310, max_position_embeddings=LENGTH, hidden_dropout_prob=0.0,
                    attention_probs_dropout_prob=0.0)
    settings.update(arch.config)
    settings.update(spec.config)
    settings = {arch.names.get(k, k): v for k, v in settings.items()}
    if spec.head in ("seqcls", "tokcls"):
        settings["num_labels"] = spec.labels
    config_class = getattr(transformers, arch.prefix + "Config")
    model_class = getattr(transformers, arch.prefix + HEADS[spec.head][0])
    config = config_class(**settings)
    config.architectures = [model_class.__name__]
    torch.manual_seed(0)
    return model_class(config).eval(), config


def randomise(model, std, seed=0):
    """Draws every parameter anew, each by its own name."""
    small = min(1.0, std * 2)  # real sizes: biases and norms stray less
    with torch.no_grad():
        for name, p in model.named_parameters():
            g = torch.Generator().manual_seed(zlib.crc32(f"{name} {seed}".encode()))
            if p.dim() >= 2 or p.numel() == 1:
                p.normal_(0, std, generator=g)
            elif "norm" in name.lower() and name.endswith("weight"):
                p.normal_(1, 0.5 * small, generator=g)
            else:
                p.normal_(0, 0.25 * small, generator=g)


def outputs_of(spec):
    if spec.outputs:
        return tuple(spec.outputs)
    outputs = HEADS[spec.head][1]
    if spec.head == "pretraining":
        outputs = ("prediction_logits",
                   "sop_logits" if spec.arch == "albert" else "seq_relationship_logits")
    if spec.head == "base" and ARCHS[spec.arch].pooler and spec.export.exporter != "optimum":
        outputs += ("pooler_output",)
    return outputs


def inputs_of(spec, config):
    if spec.inputs:
        return tuple(spec.inputs)
    segments = ARCHS[spec.arch].types or (
        "deberta" in spec.arch and getattr(config, "type_vocab_size", 0) > 1)
    return ("input_ids", "attention_mask") + (("token_type_ids",) if segments else ())


SIGNATURES = {  # exporters read the names of a forward's arguments
    "i": lambda m, input_ids: m.answer(input_ids=input_ids),
    "im": lambda m, input_ids, attention_mask:
        m.answer(input_ids=input_ids, attention_mask=attention_mask),
    "imt": lambda m, input_ids, attention_mask, token_type_ids:
        m.answer(input_ids=input_ids, attention_mask=attention_mask,
                 token_type_ids=token_type_ids),
    "imp": lambda m, input_ids, attention_mask, position_ids:
        m.answer(input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids),
    "imtp": lambda m, input_ids, attention_mask, token_type_ids, position_ids:
        m.answer(input_ids=input_ids, attention_mask=attention_mask,
                 token_type_ids=token_type_ids, position_ids=position_ids),
}
LETTERS = {"input_ids": "i", "attention_mask": "m", "token_type_ids": "t", "position_ids": "p"}


def expose(model, inputs, outputs):
    """Gives a module the forward that the graph shall have: named tensors in, a tuple out.

    The module itself is exported, no wrapper, since wrappers show in the weights' names.
    """
    if not hasattr(model, "answer"):
        real = model.forward
        extras = {}
        if any(o.startswith("hidden_states") for o in outputs):
            extras["output_hidden_states"] = True
        if any(o.startswith("attentions") for o in outputs):
            extras["output_attentions"] = True

        def answer(self, **tensors):
            result = real(**tensors, **extras, return_dict=True)
            found = []
            for name in outputs:
                field, _, index = name.partition(".")
                found.append(result[field][int(index)] if index else result[field])
            return tuple(found)

        model.answer = types.MethodType(answer, model)
    model.forward = types.MethodType(SIGNATURES["".join(LETTERS[n] for n in inputs)], model)
    return model


def use_attention(model, kind):
    """Chooses the attention, where transformers offers more than one."""
    for part in model.modules():
        if (isinstance(part, transformers.PreTrainedModel)
                and hasattr(part, "set_attn_implementation")):
            with contextlib.suppress(Exception):
                part.set_attn_implementation(kind)
            return


# --- Modules of plain torch: heads that users put on an encoder ---------------------------------


class SentenceEncoder(nn.Module):
    """What sentence-transformers computes: an encoder, pooling, perhaps Dense and Normalize."""

    def __init__(self, encoder, pooling="mean", normalise=False, dense=0, outputs=()):
        super().__init__()
        self.auto_model = encoder
        self.pooling, self.normalise, self.outputs = pooling, normalise, outputs
        self.config = encoder.config
        self.dense = nn.Linear(encoder.config.hidden_size, dense) if dense else None

    def answer(self, attention_mask, **tensors):
        tokens = self.auto_model(attention_mask=attention_mask, **tensors,
                                 return_dict=True).last_hidden_state
        wide = attention_mask.unsqueeze(-1).expand(tokens.size()).float()
        if self.pooling == "cls":
            sentence = tokens[:, 0]
        elif self.pooling == "max":
            sentence = torch.max(tokens.masked_fill(wide == 0, -1e9), 1)[0]
        else:
            sentence = torch.sum(tokens * wide, 1) / torch.clamp(wide.sum(1), min=1e-9)
        if self.dense is not None:
            sentence = torch.tanh(self.dense(sentence))
        if self.normalise:
            sentence = functional.normalize(sentence, p=2, dim=1)
        both = {"token_embeddings": tokens, "sentence_embedding": sentence}
        return tuple(both[o] for o in self.outputs)


def sentence(outputs=("token_embeddings", "sentence_embedding"), **how):
    return dict(outputs=outputs,
                wrap=lambda encoder: SentenceEncoder(encoder, outputs=outputs, **how))


class Probabilities(nn.Module):
    def __init__(self, model, function):
        super().__init__()
        self.model, self.function, self.config = model, function, model.config

    def answer(self, **tensors):
        return (self.function(self.model(**tensors, return_dict=True).logits),)


class LogitsAndStates(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model, self.config = model, model.config

    def answer(self, **tensors):
        result = self.model(**tensors, return_dict=True, output_hidden_states=True)
        return result.logits, result.hidden_states[-1]


# --- Modules of plain torch: encoders that nearly are BERT --------------------------------------


class TorchLayer(nn.Module):
    def __init__(self, c, twist, index):
        super().__init__()
        h, self.heads, self.twist, self.index = c.hidden_size, c.num_attention_heads, twist, index
        self.size = h // self.heads
        keys = self.size if twist == "multi-query" else h
        self.query, self.key, self.value = nn.Linear(h, h), nn.Linear(h, keys), nn.Linear(h, keys)
        self.out = nn.Linear(h, h)
        self.norm1, self.norm2 = nn.LayerNorm(h), nn.LayerNorm(h)
        self.up, self.down = nn.Linear(h, c.intermediate_size), nn.Linear(c.intermediate_size, h)
        if twist == "glu":
            self.gate = nn.Linear(h, c.intermediate_size)
        if twist == "talking-heads":
            self.talk = nn.Linear(self.heads, self.heads, bias=False)

    def rotate(self, x):
        angle = (torch.arange(x.shape[2], dtype=torch.float32)[:, None]
                 / 100.0 ** (torch.arange(self.size // 2, dtype=torch.float32) * 2 / self.size))
        a, b = x.chunk(2, -1)
        cos, sin = angle.cos(), angle.sin()
        return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

    def attend(self, x, bias):
        b, n, _ = x.shape
        q, k, v = (f(x).view(b, n, -1, self.size).transpose(1, 2)
                   for f in (self.query, self.key, self.value))
        if self.twist == "rotary":
            q, k = self.rotate(q), self.rotate(k)
        if self.twist == "normalised-queries":
            q, k = functional.normalize(q, dim=-1) * 4, functional.normalize(k, dim=-1) * 4
        scores = q @ k.transpose(-1, -2) / self.size ** 0.5
        if self.twist == "softcap":
            scores = 2 * torch.tanh(scores / 2)
        if self.twist == "alibi":
            at = torch.arange(n)
            slopes = 2.0 ** -torch.arange(1, self.heads + 1, dtype=torch.float32)
            scores = scores - slopes[:, None, None] * (at[:, None] - at[None]).abs()
        if self.twist == "causal":
            scores = scores + torch.full((n, n), -10000.0).triu(1)
        scores = scores + bias
        if self.twist == "talking-heads":
            scores = self.talk(scores.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        p = scores.softmax(-1)
        if self.twist == "softmax-plus-one":
            e = (scores - scores.amax(-1, keepdim=True)).exp()
            p = e / (e.sum(-1, keepdim=True) + 1)
        return self.out((p @ v).transpose(1, 2).reshape(b, n, -1))

    def feed(self, x):
        y = functional.gelu(self.up(x))
        if self.twist == "glu":
            y = y * self.gate(x)
        return self.down(y)

    def forward(self, x, bias, first):
        if self.twist == "pre-norm":
            x = x + self.attend(self.norm1(x), bias)
            return x + self.feed(self.norm2(x))
        if self.twist == "parallel":
            return self.norm2(x + self.attend(x, bias) + self.feed(x))
        scale = 0.5 if self.twist == "residual-scale" else 1.0
        norm = self.root if self.twist == "rms-norm" else lambda f, y: f(y)
        x = norm(self.norm1, x * scale + self.attend(x, bias))
        y = x * scale + self.feed(x)
        if self.twist == "dense-skip" and self.index:
            y = y + first
        return norm(self.norm2, y)

    @staticmethod
    def root(f, y):
        return y * torch.rsqrt((y * y).mean(-1, keepdim=True) + 1e-6) * f.weight


class TorchEncoder(nn.Module):
    """A post-norm encoder with one thing changed. Without a twist it is BERT in other words."""

    def __init__(self, config, twist=""):
        super().__init__()
        self.config, self.twist = config, twist
        h = config.hidden_size
        self.words = nn.Embedding(config.vocab_size, h)
        self.positions = nn.Embedding(config.max_position_embeddings, h)
        self.types = nn.Embedding(2, h)
        self.norm = nn.LayerNorm(h)
        self.layers = nn.ModuleList(TorchLayer(config, twist, i)
                                    for i in range(config.num_hidden_layers))

    def answer(self, input_ids, attention_mask, token_type_ids):
        at = torch.arange(input_ids.shape[1])
        x = self.words(input_ids) + self.types(token_type_ids)
        if self.twist not in ("rotary", "alibi"):
            x = x + self.positions(at)[None]
        x = first = self.norm(x)
        bias = (1.0 - attention_mask[:, None, None].float()) * -10000.0
        for layer in self.layers:
            x = layer(x, bias, first)
        return (x,)


class SmallConv(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                                 nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(576, 10))

    def forward(self, pixels):
        return self.net(pixels)


# Other families of transformers. config: what the class needs to be tiny.
OTHERS = {
    "gpt2": ("GPT2Model", dict(n_embd=48, n_head=3, n_layer=2, n_positions=LENGTH), "a decoder"),
    "t5": ("T5EncoderModel", dict(d_model=48, d_kv=16, num_heads=3, num_layers=2, d_ff=96),
           "RMSNorm and relative position bias, pre-norm"),
    "roformer": ("RoFormerModel", dict(max_position_embeddings=LENGTH, embedding_size=48),
                 "rotary positions"),
    "modernbert": ("ModernBertModel", dict(
        max_position_embeddings=LENGTH, local_attention=8, global_attn_every_n_layers=2,
        pad_token_id=0, bos_token_id=2, cls_token_id=2, sep_token_id=3, eos_token_id=3),
        "rotary positions, pre-norm, GLU"),
    "megatron-bert": ("MegatronBertModel", dict(max_position_embeddings=LENGTH), "pre-norm"),
    "roberta-prelayernorm": ("RobertaPreLayerNormModel", dict(
        max_position_embeddings=LENGTH + 2, type_vocab_size=1), "pre-norm"),
    "mobilebert": ("MobileBertModel", dict(
        embedding_size=24, intra_bottleneck_size=24, true_hidden_size=24, num_attention_heads=2,
        max_position_embeddings=LENGTH, num_feedforward_networks=2), "bottlenecks"),
    "squeezebert": ("SqueezeBertModel", dict(
        embedding_size=48, num_attention_heads=4, q_groups=4, k_groups=4, v_groups=4,
        output_groups=4, intermediate_groups=4, max_position_embeddings=LENGTH),
        "grouped convolutions"),
    "xlnet": ("XLNetModel", dict(d_model=48, n_head=3, n_layer=2, d_inner=96), "two streams"),
}


def other_family(name):
    class_name, settings, _ = OTHERS[name]
    model_class = getattr(transformers, class_name)
    config = model_class.config_class(**dict(
        dict(vocab_size=310, hidden_size=48, num_attention_heads=3, num_hidden_layers=2,
             intermediate_size=96) if name not in ("gpt2", "t5", "xlnet") else
        dict(vocab_size=310), **settings))
    config.use_cache = False
    config.architectures = [class_name]
    return model_class(config).eval(), config


# --- Cases -------------------------------------------------------------------------------------


class Writer:
    """Makes input rows of one model."""

    def __init__(self, spec, config, inputs, seed):
        arch = ARCHS.get(spec.arch)
        self.pad, self.first, self.last = arch.special if arch else (0, 2, 3)
        self.limit = config.max_position_embeddings - arch.spare if arch else LENGTH
        self.vocab = config.vocab_size
        self.pairs = "token_type_ids" in inputs and getattr(config, "type_vocab_size", 2) > 1
        self.inputs = inputs
        self.offset = self.pad + 1 if arch and arch.spare else 0
        self.random = np.random.default_rng(seed)

    def row(self, length, pair=False):
        ids = [self.first] + [int(v) for v in self.random.integers(5, self.vocab, length - 1)]
        segments = [0] * length
        if length > 1:
            ids[-1] = self.last
        if pair and self.pairs:
            cut = length // 2
            ids[cut] = self.last
            segments[cut + 1:] = [1] * (length - cut - 1)
        return ids, segments

    def case(self, name, rows, holes=(), width=0):
        width = max([width] + [len(ids) for ids, _ in rows])
        case = {"name": name, "input_ids": [], "attention_mask": [], "token_type_ids": [],
                "position_ids": []}
        for ids, segments in rows:
            spare = [0] * (width - len(ids))
            case["input_ids"].append(ids + [self.pad] * len(spare))
            case["attention_mask"].append([1] * len(ids) + spare)
            case["token_type_ids"].append(segments + spare)
            # RoBERTa gives padding the position of its padding id
            case["position_ids"].append(
                [i + self.offset for i in range(len(ids))] +
                [self.pad if self.offset else len(ids) + i for i in range(len(spare))])
        for at in holes:
            case["attention_mask"][0][at] = 0
        return {k: v for k, v in case.items() if k == "name" or k in self.inputs}

    def cases(self, kind):
        row, case = self.row, self.case
        if kind == "static":
            return [case("one token", [row(1)], width=16),
                    case("seven tokens, two segments", [row(7, True)], width=16),
                    case("mask with holes", [row(16, True)], holes=(3, 6, 7)),
                    case("full length", [row(16, True)])]
        if kind == "static2":
            return [case("padded batch of two", [row(9, True), row(16, True)]),
                    case("mask with holes", [row(16), row(1)], holes=(3, 6, 7))]
        if kind == "real":
            return [case("one token", [row(1)]), case("nine tokens", [row(9, True)]),
                    case("two of five tokens", [row(5), row(5)]),
                    case("128 tokens", [row(128, True)])]
        cases = [case("one token", [row(1)]), case("seven tokens, two segments", [row(7, True)])]
        if kind == "unmasked":
            return cases + [case("batch of two", [row(9, True), row(9)]),
                            case("full length", [row(self.limit, True)])]
        cases.append(case("padded batch of two", [row(9, True), row(5)]))
        if kind != "prefix":
            cases.append(case("mask with holes", [row(8)], holes=(3, 6)))
        cases.append(case("17 tokens", [row(17, True)]) if kind == "short" else
                     case("full length", [row(self.limit, True)]))
        return cases


# --- Export ------------------------------------------------------------------------------------


def export_torch(model, tensors, outputs, shapes, how, path):
    names = list(tensors)
    if how.exporter == "legacy":
        # an axis moves when it has the example's length; the first is the batch
        axes = {n: {0: "batch_size", 1: "sequence_length"} for n in names}
        for name, shape in zip(outputs, shapes):
            axes[name] = {0: "batch_size", **{i: "sequence_length" for i, n in enumerate(shape)
                                              if i and n == EXPORT_LENGTH}}
        torch.onnx.export(model, tuple(tensors.values()), path, input_names=names,
                          output_names=list(outputs), do_constant_folding=how.fold,
                          dynamic_axes=None if how.static else axes, opset_version=how.opset,
                          dynamo=False)
        return
    any_size = torch.export.Dim.DYNAMIC
    torch.onnx.export(model, (), path, kwargs=dict(tensors), input_names=names,
                      output_names=list(outputs), opset_version=how.opset, dynamo=True,
                      external_data=False, verbose=False,
                      dynamic_shapes=None if how.static else
                      {n: {0: any_size, 1: any_size} for n in names})
    graph = onnx.load(path)  # where each node came from in the source: a third of a tiny file
    bodies = [graph.graph] + list(graph.functions)
    for node in [n for b in bodies for n in list(b.node) + list(b.value_info)]:
        del node.metadata_props[:]
    onnx.save(graph, path)


def export_optimum(model, config, how, path, library="transformers"):
    from optimum.exporters.onnx import main_export
    real = torch.onnx.export

    def legacy(*args, **kwargs):  # optimum knows no dynamo, torch's default by now
        return real(*args, dynamo=False, **kwargs)

    with tempfile.TemporaryDirectory() as folder:
        source, target = os.path.join(folder, "source"), os.path.join(folder, "target")
        if library == "sentence_transformers":
            model.save(source)
        else:
            model.save_pretrained(source)
        torch.onnx.export = legacy
        try:
            main_export(source, target, task=how.task, opset=how.opset, framework="pt",
                        library_name=library, do_validation=False, local_files_only=True)
        finally:
            torch.onnx.export = real
        shutil.move(os.path.join(target, "model.onnx"), path)


def sentence_transformer(encoder, pooling, normalise):
    """A model of the sentence-transformers package itself; it insists on a tokenizer."""
    from sentence_transformers import SentenceTransformer, models
    with tempfile.TemporaryDirectory() as folder:
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        words += [f"w{i}" for i in range(encoder.config.vocab_size - len(words))]
        pathlib.Path(folder, "vocab.txt").write_text("\n".join(words) + "\n")
        transformers.BertTokenizerFast(os.path.join(folder, "vocab.txt")).save_pretrained(folder)
        encoder.save_pretrained(folder)
        first = models.Transformer(folder)
        parts = [first, models.Pooling(first.get_word_embedding_dimension(), pooling)]
        return SentenceTransformer(modules=parts + ([models.Normalize()] if normalise else []))


def save(graph, path, external=False):
    """Writes a graph; where external (or over 2 GB) its weights go to a second file."""
    data = os.path.basename(path) + "_data"
    large = sum(len(t.raw_data) for t in graph.graph.initializer) > 2 ** 31 - 2 ** 24
    if external or large:
        onnx.save(graph, path, save_as_external_data=True, all_tensors_to_one_file=True,
                  location=data, size_threshold=1024)
    else:
        onnx.save(graph, path)


# --- Steps -------------------------------------------------------------------------------------


def fuse(level=0, raw_mask=False, no_mask=False, half=False, **settings):
    """onnxruntime's transformer optimizer. settings: attributes of its FusionOptions."""
    def run(source, target, config, feeds):
        from onnxruntime.transformers import optimizer
        from onnxruntime.transformers.fusion_options import FusionOptions
        options = FusionOptions("bert")
        if raw_mask:
            options.use_raw_attention_mask(True)
        if no_mask:
            options.disable_attention_mask()
        for name, value in settings.items():
            if not hasattr(options, name):
                raise AttributeError(f"FusionOptions has no {name}")
            setattr(options, name, value)
        fused = optimizer.optimize_model(
            source, model_type="bert", num_heads=config.num_attention_heads,
            hidden_size=config.hidden_size, opt_level=level, optimization_options=options)
        if half:
            fused.convert_float_to_float16(keep_io_types=True)
        fused.save_model_to_file(target)

    words = [f"opt_level {level}"] + sorted(settings)
    words += [word for word, set_ in (("raw mask", raw_mask), ("no mask", no_mask),
                                      ("float16", half)) if set_]
    exact = not (settings.get("enable_gelu_approximation") or half)
    return Step("transformer optimizer (" + ", ".join(words) + ")", run, exact)


def offline(level):
    """What onnxruntime itself makes of a graph when it loads it, written down."""
    def run(source, target, config, feeds):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.graph_optimization_level = getattr(
            onnxruntime.GraphOptimizationLevel, f"ORT_ENABLE_{level.upper()}")
        options.optimized_model_filepath = target
        onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])

    return Step(f"onnxruntime offline optimisation, {level}", run)


def dynamic(weights="QInt8", per_channel=False, **options):
    def run(source, target, config, feeds):
        from onnxruntime.quantization import QuantType, quantize_dynamic
        # what shape inference does not know, as behind fused operators, is float
        extra = {"DefaultTensorType": TensorProto.FLOAT}
        quantize_dynamic(source, target, per_channel=per_channel, extra_options=extra,
                         weight_type=getattr(QuantType, weights), **options)

    words = [weights, "per channel" if per_channel else "per tensor"] + sorted(options)
    return Step("dynamic quantisation (" + ", ".join(words) + ")", run, exact=False)


def mask_nodes(graph):
    """Names of the nodes between attention_mask and Softmax: their huge numbers, quantised, would
    leave one level for all scores."""
    ends = {n.input[0] for n in graph.node if n.op_type == "Softmax"}
    reached, names = {"attention_mask"}, []
    for node in graph.node:  # in topological order
        if reached & set(node.input) and node.op_type not in ("MatMul", "Gemm", "Gather"):
            names.append(node.name)
            if not ends & set(node.output):
                reached |= set(node.output)
    return names


def static(activations, weights, per_channel=False, operators=None, **extra):
    """Quantised with scales from a calibration, as QuantizeLinear and DequantizeLinear pairs."""
    def run(source, target, config, feeds):
        from onnxruntime import quantization as q

        class Reader(q.CalibrationDataReader):
            rest = iter(feeds)

            def get_next(self):
                return next(self.rest, None)

        q.quantize_static(source, target, Reader(), quant_format=q.QuantFormat.QDQ,
                          activation_type=getattr(q.QuantType, activations),
                          weight_type=getattr(q.QuantType, weights), per_channel=per_channel,
                          op_types_to_quantize=operators, extra_options=extra or None,
                          nodes_to_exclude=mask_nodes(onnx.load(source).graph))

    words = [f"activations {activations}", f"weights {weights}",
             "per channel" if per_channel else "per tensor"]
    words += list(operators or ["all operators"]) + sorted(extra)
    return Step("static QDQ (" + ", ".join(words) + ")", run, exact=False)


def blocks(bits=4, block=32, symmetric=True, **options):
    """MatMulNBits; with quant_format QDQ a DequantizeLinear over blocks instead."""
    def run(source, target, config, feeds):
        from onnxruntime.quantization import QuantFormat
        from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
        chosen = dict(options)
        if "quant_format" in chosen:
            chosen["quant_format"] = getattr(QuantFormat, chosen["quant_format"])
        q = MatMulNBitsQuantizer(onnx.load(source), bits=bits, block_size=block,
                                 is_symmetric=symmetric, **chosen)
        q.process()
        q.model.save_model_to_file(target, False)

    words = [f"{bits} bits", f"blocks of {block}", "symmetric" if symmetric else "zero points"]
    words += [f"{k}={v}" for k, v in options.items()]
    return Step("MatMulNBits (" + ", ".join(words) + ")", run, exact=False)


def bnb4(block=32):
    def run(source, target, config, feeds):
        from onnxruntime.quantization.matmul_bnb4_quantizer import MatMulBnb4Quantizer
        q = MatMulBnb4Quantizer(onnx.load(source), MatMulBnb4Quantizer.NF4, block)
        q.process()
        q.model.save_model_to_file(target, False)

    return Step(f"MatMulBnb4 (NF4, blocks of {block})", run, exact=False)


def half(keep_io=True):
    def run(source, target, config, feeds):
        from onnxruntime.transformers.float16 import convert_float_to_float16
        onnx.save(convert_float_to_float16(onnx.load(source), keep_io_types=keep_io), target)

    return Step("float16" + ("" if keep_io else ", inputs and outputs too"), run, exact=False)


def bfloat_weights():
    """Every float32 weight stored as bfloat16 and cast back when the graph runs."""
    def run(source, target, config, feeds):
        import ml_dtypes
        model = onnx.load(source)
        graph, casts = model.graph, []
        for tensor in graph.initializer:
            if tensor.data_type != TensorProto.FLOAT or not tensor.dims:
                continue
            values = numpy_helper.to_array(tensor).astype(ml_dtypes.bfloat16)
            name = tensor.name
            tensor.CopyFrom(TensorProto(name=name + "_bfloat16", dims=values.shape,
                                        data_type=TensorProto.BFLOAT16, raw_data=values.tobytes()))
            casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
        for i, node in enumerate(casts):
            graph.node.insert(i, node)
        onnx.save(model, target)

    return Step("weights in bfloat16, then Cast", run, exact=False)


def slim():
    def run(source, target, config, feeds):
        import onnxslim
        with contextlib.redirect_stdout(io.StringIO()):  # it prints tables
            onnxslim.slim(source, target)

    return Step("onnxslim", run)


def branch():
    """Puts the first output into an If: what the graph computes depends on the input's size."""
    def run(source, target, config, feeds):
        model = onnx.load(source)
        graph = model.graph
        out = graph.output[0].name
        for node in graph.node:
            node.output[:] = ["plain_" + o if o == out else o for o in node.output]
        arms = []
        for name, factor in (("then", 1.0), ("else", 2.0)):
            constant = helper.make_tensor(name + "_factor", TensorProto.FLOAT, [], [factor])
            arms.append(helper.make_graph(
                [helper.make_node("Mul", ["plain_" + out, name + "_factor"], [name + "_out"])],
                name, [], [helper.make_tensor_value_info(name + "_out", TensorProto.FLOAT, None)],
                [constant]))
        graph.initializer.append(helper.make_tensor("eight", TensorProto.INT64, [], [8]))
        graph.initializer.append(helper.make_tensor("axis_one", TensorProto.INT64, [], [1]))
        graph.node.extend([
            helper.make_node("Shape", ["input_ids"], ["ids_shape"]),
            helper.make_node("Gather", ["ids_shape", "axis_one"], ["ids_length"]),
            helper.make_node("Less", ["ids_length", "eight"], ["is_short"]),
            helper.make_node("If", ["is_short"], [out], then_branch=arms[0], else_branch=arms[1])])
        onnx.checker.check_model(model)
        onnx.save(model, target)

    return Step("an If on the sequence length", run, exact=False)


# --- The tiny set ------------------------------------------------------------------------------

# Outputs of also_gives(), by where they come from. Each list has all that its graphs can give.
OF_INPUTS = ("ids", "ids_int32", "ids_float", "ids_flat", "mask", "mask_float", "mask_extended",
             "shape", "positions", "attended_at")
OF_ENCODER = ("words", "raw_scores", "context", "first_token_of_layer", "all_states", "half_state",
              "norms")
OF_LOGITS = ("best", "is_positive", "top_logits", "top_labels", "entropy")
OF_SENTENCE = ("summed", "length", "all_pairs")


def also_gives(*names):
    """Outputs that are nobody's business, before and after the encoder's, of a graph in which each
    LayerNormalization is one node."""
    def run(source, target, config, feeds):
        model = onnx.load(source)
        graph = model.graph
        given = {o.name for o in graph.output}
        norms = [n.output[0] for n in graph.node if n.op_type == "LayerNormalization"]
        softmax = next(n for n in graph.node if n.op_type == "Softmax")
        states = [norms[0]] + norms[2::2]
        end = next((n for n in ("logits", "start_logits", "sentence_embedding") if n in given),
                   states[-1])
        words = next(n for n in graph.node if n.op_type == "Gather" and "input_ids" in n.input)
        nodes, values = [], {}

        def add(op, inputs, **attributes):
            outputs = attributes.pop("outputs", 1)
            made = [f"also/{len(nodes)}/{op}/{i}" for i in range(outputs)]
            nodes.append(helper.make_node(op, inputs, made, f"also/{len(nodes)}/{op}",
                                          **attributes))
            return made[0] if outputs == 1 else made

        def constant(array):
            return add("Constant", [], value=numpy_helper.from_array(np.asarray(array)))

        def norm(x):
            return add("Sqrt", [add("ReduceSum", [add("Mul", [x, x]), constant(np.array([-1]))])])

        if "ids" in names:
            mask = add("Cast", ["attention_mask"], to=TensorProto.FLOAT)
            wide = add("Unsqueeze", [mask, constant(np.array([1, 2]))])
            values.update(
                ids=add("Identity", ["input_ids"]), mask_float=mask,
                ids_int32=add("Cast", ["input_ids"], to=TensorProto.INT32),
                ids_float=add("Cast", ["input_ids"], to=TensorProto.FLOAT),
                ids_flat=add("Reshape", ["input_ids", constant(np.array([-1]))]),
                mask=add("Identity", ["attention_mask"]),
                mask_extended=add("Mul", [add("Sub", [constant(np.float32(1)), wide]),
                                          constant(np.float32(-1e4))]),
                shape=add("Shape", ["input_ids"]),
                positions=add("CumSum", ["attention_mask", constant(np.int64(1))]),
                attended_at=add("NonZero", ["attention_mask"]))
        if "words" in names:
            after = list(graph.node)[list(graph.node).index(softmax):]
            product = next(n for n in after if n.op_type == "MatMul")
            stacked = [add("Unsqueeze", [s, constant(np.array([0]))]) for s in states]
            values.update(
                words=words.output[0], raw_scores=softmax.input[0], context=product.output[0],
                first_token_of_layer=add("Gather", [states[-2], constant(np.int64(0))], axis=1),
                all_states=add("Concat", stacked, axis=0),
                half_state=add("Mul", [states[-2], constant(np.float32(0.5))]),
                norms=norm(states[-1]))
        if "best" in names:
            shares = add("Softmax", [end], axis=-1)
            top, labels = add("TopK", [end, constant(np.array([1]))], outputs=2)
            logs = add("Mul", [shares, add("Log", [shares])])
            values.update(best=add("ArgMax", [end], axis=-1), top_logits=top, top_labels=labels,
                          is_positive=add("Greater", [end, constant(np.float32(0))]),
                          entropy=add("ReduceSum", [logs, constant(np.array([-1]))]))
        if "summed" in names:
            values.update(summed=add("ReduceSum", [states[-1], constant(np.array([1]))]),
                          length=norm(end),
                          all_pairs=add("MatMul", [end, add("Transpose", [end], perm=[1, 0])]))
        for name in names:
            nodes.append(helper.make_node("Identity", [values[name]], [name], f"also/{name}"))
        graph.node.extend(nodes)
        shapes = onnx.shape_inference.infer_shapes(model)
        kinds = {v.name: v for v in list(shapes.graph.value_info) + list(shapes.graph.input)}
        unknown = helper.make_tensor_value_info("", TensorProto.FLOAT, None)
        fresh = [onnx.ValueInfoProto(name=n, type=kinds.get(values[n], unknown).type)
                 for n in names]
        own = list(graph.output)
        del graph.output[:]
        graph.output.extend(fresh[::2] + own + fresh[1::2])
        onnx.save(model, target)

    return Step("outputs that are nobody's business", run)


GROUPS = "architectures optimised quantised exporters pooling outputs refuse optimum".split()
IDS_MASK = ("input_ids", "attention_mask")
MEAN = dict(pooling="mean")
HALF_BUCKETS = "buckets of positions are computed in float16 too: some are one off in long rows"


def architectures():
    def spec(name, arch, head, **rest):
        return Spec(name, "architectures", arch, head, **rest)

    short = dict(cases="short")
    yield spec("electra-base", "electra", "base", trace=True)
    yield spec("electra-base-same-size", "electra", "base", config=dict(embedding_size=64))
    yield spec("electra-seqcls", "electra", "seqcls", labels=3)
    yield spec("electra-tokcls", "electra", "tokcls", labels=9)
    yield spec("electra-qa", "electra", "qa")
    yield spec("electra-discriminator", "electra", "discriminator")
    yield spec("electra-generator-mlm", "electra", "mlm", **short)
    yield spec("mpnet-base", "mpnet", "base", trace=True)
    yield spec("mpnet-seqcls", "mpnet", "seqcls", labels=3)
    yield spec("mpnet-tokcls", "mpnet", "tokcls", labels=9)
    yield spec("mpnet-qa", "mpnet", "qa")
    yield spec("mpnet-mlm", "mpnet", "mlm", **short)
    yield spec("xlm-roberta-mlm", "xlm-roberta", "mlm", **short)
    yield spec("xlm-roberta-qa", "xlm-roberta", "qa")
    yield spec("roberta-tokcls", "roberta", "tokcls", labels=5)
    yield spec("roberta-qa", "roberta", "qa")
    yield spec("camembert-seqcls", "camembert", "seqcls", labels=3)
    yield spec("camembert-mlm", "camembert", "mlm", **short)
    yield spec("albert-tokcls", "albert", "tokcls", labels=9)
    yield spec("albert-qa", "albert", "qa")
    yield spec("albert-pretraining", "albert", "pretraining", **short)
    yield spec("bert-pretraining", "bert", "pretraining", **short)
    yield spec("bert-pretraining-untied", "bert", "pretraining",
               config=dict(tie_word_embeddings=False), **short)
    yield spec("deberta-mlm", "deberta", "mlm", **short)
    yield spec("deberta-v3-mlm", "deberta-v2", "mlm", **short)
    yield spec("deberta-v2-conv-base", "deberta-v2", "base", trace=True,
               config=dict(CONV, share_att_key=True))
    yield spec("deberta-v2-conv-tokcls", "deberta-v2", "tokcls", labels=9, config=dict(
        CONV, share_att_key=False, position_buckets=-1, conv_act="relu"))
    for act in ("silu", "relu", "gelu_new", "gelu_pytorch_tanh", "quick_gelu"):
        yield spec(f"bert-seqcls-{act.replace('_', '-')}", "bert", "seqcls",
                   config=dict(hidden_act=act))
    yield spec("distilbert-seqcls-gelu-new", "distilbert", "seqcls",
               config=dict(hidden_act="gelu_new"))
    yield spec("bert-seqcls-multilabel", "bert", "seqcls", labels=6,
               config=dict(problem_type="multi_label_classification"))
    yield spec("roberta-regression", "roberta", "seqcls", labels=1,
               config=dict(problem_type="regression"))
    yield spec("deberta-v3-regression", "deberta-v2", "seqcls", labels=1,
               config=dict(problem_type="regression"))
    yield spec("bert-base-one-layer", "bert", "base", config=sizes(96, 3, 1, 200))
    yield spec("bert-base-one-head", "bert", "base", config=sizes(48, 1, 2, 100))
    yield spec("bert-seqcls-eps", "bert", "seqcls", config=dict(layer_norm_eps=1e-3))
    for arch, layers in (("bert", 2), ("deberta-v2", 3), ("distilbert", 3)):
        states = tuple(f"hidden_states.{i}" for i in range(layers + 1))
        weights = tuple(f"attentions.{i}" for i in range(layers))
        name = "deberta-v3" if arch == "deberta-v2" else arch
        yield spec(f"{name}-base-states", arch, "base", cases="short",
                   outputs=("last_hidden_state",) + states + weights)
    yield spec("bert-seqcls-states", "bert", "seqcls", cases="short",
               outputs=("logits",) + tuple(f"hidden_states.{i}" for i in range(3)))


def optimised():
    def spec(name, arch, head, *steps, **rest):
        return Spec(name, "optimised", arch, head, steps=list(steps), **rest)

    for arch in ("bert", "roberta", "distilbert", "albert", "mpnet"):
        for level in (0, 1, 2):
            for raw in (False, True):
                yield spec(f"{arch}-seqcls-fused-o{level}" + ("-rawmask" if raw else ""), arch,
                           "seqcls", fuse(level, raw), cases="usual" if raw else "prefix",
                           labels=3)
        yield spec(f"{arch}-base-fused-mha", arch, "base",
                   fuse(0, use_multi_head_attention=True), cases="prefix")
        yield spec(f"{arch}-base-fused-mha-rawmask", arch, "base",
                   fuse(0, True, use_multi_head_attention=True))
        yield spec(f"{arch}-seqcls-fused-fp16", arch, "seqcls", fuse(0, half=True),
                   cases="prefix", note=HALF_BUCKETS if arch == "mpnet" else "")
    yield spec("bert-base-fused-mha-nobias", "bert", "base", fuse(
        0, True, use_multi_head_attention=True, disable_multi_head_attention_bias=True))
    yield spec("bert-seqcls-fused-fastgelu", "bert", "seqcls",
               fuse(0, enable_gelu_approximation=True), cases="prefix")
    yield spec("bert-seqcls-fused-gelu-new", "bert", "seqcls", fuse(0, True),
               config=dict(hidden_act="gelu_new"))
    yield spec("roberta-seqcls-fused-fastgelu-fp16", "roberta", "seqcls",
               fuse(1, True, enable_gelu_approximation=True, half=True))
    yield spec("bert-seqcls-fused-nomask", "bert", "seqcls", fuse(0, no_mask=True),
               cases="unmasked", note="the graph takes every position as a token")
    yield spec("bert-tokcls-fused-noembed", "bert", "tokcls",
               fuse(0, True, enable_embed_layer_norm=False), labels=9)
    yield spec("bert-tokcls-fused-noattention", "bert", "tokcls",
               fuse(0, enable_attention=False), labels=9)
    yield spec("bert-seqcls-fused-noskip", "bert", "seqcls",
               fuse(0, True, enable_skip_layer_norm=False, enable_bias_gelu=False))
    yield spec("bert-seqcls-fused-opset17", "bert", "seqcls", fuse(0, True),
               export=Export(opset=17))
    yield spec("electra-seqcls-fused", "electra", "seqcls", fuse(0, True))
    yield spec("deberta-v3-seqcls-fused", "deberta-v2", "seqcls", fuse(0, True))
    yield spec("bert-mlm-fused", "bert", "mlm", fuse(0, True), cases="short")
    yield spec("bert-seqcls-v5-fused", "bert", "seqcls", fuse(0, True), release=5)
    yield spec("bert-seqcls-v5-eager-fused", "bert", "seqcls", fuse(0, True), release=5,
               export=Export(attention="eager"))
    yield spec("bert-seqcls-dynamo-fused", "bert", "seqcls", fuse(0, True), release=5,
               export=Export("dynamo", 18))
    for arch, name in (("bert", "bert"), ("distilbert", "distilbert"),
                       ("deberta-v2", "deberta-v3"), ("roberta", "roberta"), ("albert", "albert"),
                       ("mpnet", "mpnet"), ("electra", "electra"), ("deberta", "deberta")):
        for level in ("basic", "extended", "all"):
            yield spec(f"{name}-seqcls-ort-{level}", arch, "seqcls", offline(level))
    yield spec("bert-seqcls-v5-ort-extended", "bert", "seqcls", offline("extended"), release=5)
    yield spec("bert-seqcls-dynamo-ort-extended", "bert", "seqcls", offline("extended"),
               release=5, export=Export("dynamo", 18))
    yield spec("deberta-v3-seqcls-dynamo-ort-extended", "deberta-v2", "seqcls",
               offline("extended"), release=5, export=Export("dynamo", 18))
    yield spec("bert-base-slim", "bert", "base", slim())
    yield spec("roberta-seqcls-slim", "roberta", "seqcls", slim())
    yield spec("deberta-v3-seqcls-slim", "deberta-v2", "seqcls", slim())
    yield spec("bert-seqcls-v5-slim", "bert", "seqcls", slim(), release=5)
    yield spec("bert-seqcls-dynamo-slim", "bert", "seqcls", slim(), release=5,
               export=Export("dynamo", 18))


def quantised():
    def spec(name, arch, head, *steps, **rest):
        return Spec(name, "quantised", arch, head, steps=list(steps), **rest)

    for arch, name in (("roberta", "roberta"), ("distilbert", "distilbert"), ("albert", "albert"),
                       ("deberta-v2", "deberta-v3"), ("electra", "electra"), ("mpnet", "mpnet")):
        for weights in ("QInt8", "QUInt8"):
            for channel in (False, True):
                short = weights[1:].lower() + ("-channel" if channel else "")
                yield spec(f"{name}-seqcls-{short}", arch, "seqcls", dynamic(weights, channel))
    yield spec("bert-tokcls-int8-reduced", "bert", "tokcls",
               dynamic("QInt8", True, reduce_range=True), labels=9)
    yield spec("bert-base-int8-matmul", "bert", "base",
               dynamic("QInt8", op_types_to_quantize=["MatMul"]))
    yield spec("bert-mlm-int8", "bert", "mlm", dynamic("QInt8", True), cases="short")
    yield spec("deberta-tokcls-int8", "deberta", "tokcls", dynamic("QInt8"), labels=5)
    for arch in ("bert", "distilbert", "roberta"):
        yield spec(f"{arch}-seqcls-fused-int8", arch, "seqcls", fuse(0), dynamic("QInt8"),
                   cases="prefix")
        yield spec(f"{arch}-seqcls-int8-ort-extended", arch, "seqcls", dynamic("QInt8"),
                   offline("extended"))
    yield spec("bert-seqcls-fused-uint8-rawmask", "bert", "seqcls", fuse(0, True),
               dynamic("QUInt8"))
    yield spec("bert-seqcls-v5-int8", "bert", "seqcls", dynamic("QInt8", True), release=5)
    yield spec("bert-seqcls-dynamo-int8", "bert", "seqcls", dynamic("QInt8", True), release=5,
               export=Export("dynamo", 18))
    products = ["MatMul", "Gemm", "Gather"]
    for arch, name in (("bert", "bert"), ("distilbert", "distilbert")):
        yield spec(f"{name}-seqcls-qdq-s8s8-channel", arch, "seqcls",
                   static("QInt8", "QInt8", True, products))
        yield spec(f"{name}-seqcls-qdq-u8s8", arch, "seqcls",
                   static("QUInt8", "QInt8", False, products))
        yield spec(f"{name}-seqcls-qdq-u8u8", arch, "seqcls",
                   static("QUInt8", "QUInt8", False, products))
        yield spec(f"{name}-seqcls-qdq-all", arch, "seqcls", static("QUInt8", "QInt8", True))
    yield spec("roberta-seqcls-qdq-symmetric", "roberta", "seqcls", static(
        "QInt8", "QInt8", True, products, ActivationSymmetric=True, WeightSymmetric=True))
    # onnxruntime's x64quantprecision fails on int8 weights that several nodes share
    yield spec("deberta-v3-seqcls-qdq-u8u8", "deberta-v2", "seqcls",
               static("QUInt8", "QUInt8", False, ["MatMul"]))
    yield spec("albert-seqcls-qdq-u8u8", "albert", "seqcls",
               static("QUInt8", "QUInt8", False, ["MatMul"]))
    for block in (16, 32, 128):
        yield spec(f"bert-seqcls-q4-b{block}", "bert", "seqcls", blocks(4, block))
        yield spec(f"bert-seqcls-q4-b{block}-zero", "bert", "seqcls", blocks(4, block, False))
    yield spec("bert-seqcls-q8-b32", "bert", "seqcls", blocks(8, 32))
    yield spec("bert-seqcls-q8-b16-zero", "bert", "seqcls", blocks(8, 16, False))
    yield spec("roberta-seqcls-q4-b32-zero", "roberta", "seqcls", blocks(4, 32, False))
    yield spec("deberta-v3-seqcls-q4-b32", "deberta-v2", "seqcls", blocks(4, 32))
    yield spec("albert-seqcls-q4-b32", "albert", "seqcls", blocks(4, 32))
    yield spec("bert-seqcls-q4-level4", "bert", "seqcls", blocks(4, 32, accuracy_level=4),
               note="accuracy_level 4: onnxruntime rounds activations to 8 bits here")
    yield spec("bert-seqcls-q4-gather", "bert", "seqcls", blocks(
        4, 32, op_types_to_quantize=("MatMul", "Gather"),
        quant_axes=(("MatMul", 0), ("Gather", 1))), export=Export(opset=17))
    yield spec("bert-seqcls-q4-qdq", "bert", "seqcls", blocks(4, 32, quant_format="QDQ"),
               export=Export(opset=17))
    yield spec("bert-seqcls-q4-dynamo", "bert", "seqcls", blocks(4, 32), release=5,
               export=Export("dynamo", 18))
    yield spec("bert-seqcls-q4f16", "bert", "seqcls", blocks(4, 32), half())
    yield spec("bert-seqcls-bnb4", "bert", "seqcls", bnb4())
    yield spec("roberta-seqcls-fp16", "roberta", "seqcls", half())
    yield spec("deberta-seqcls-fp16", "deberta", "seqcls", half())
    yield spec("deberta-v3-seqcls-fp16", "deberta-v2", "seqcls", half())
    yield spec("distilbert-seqcls-fp16-io", "distilbert", "seqcls", half(False))
    yield spec("mpnet-base-fp16", "mpnet", "base", half(), note=HALF_BUCKETS)
    yield spec("bert-seqcls-dynamo-fp16", "bert", "seqcls", half(), release=5,
               export=Export("dynamo", 18))
    yield spec("bert-seqcls-bf16", "bert", "seqcls", bfloat_weights())
    yield spec("roberta-base-bf16", "roberta", "base", bfloat_weights())


def exporters():
    def spec(name, arch, head, release=4, **rest):
        export = Export(**rest.pop("export"))
        return Spec(name, "exporters", arch, head, release=release, export=export, **rest)

    families = [("bert", "bert"), ("roberta", "roberta"), ("xlm-roberta", "xlm-roberta"),
                ("distilbert", "distilbert"), ("albert", "albert"), ("electra", "electra"),
                ("mpnet", "mpnet"), ("deberta", "deberta"), ("deberta-v3", "deberta-v2")]
    # Opset 11 has no Clip and Min of integers: what torch writes for relative positions is invalid.
    for opset in (11, 12, 13, 14, 16, 17, 18, 20):
        yield spec(f"bert-seqcls-opset{opset}", "bert", "seqcls", export=dict(opset=opset))
        if opset > 11:
            yield spec(f"deberta-v3-seqcls-opset{opset}", "deberta-v2", "seqcls",
                       export=dict(opset=opset))
        if opset in (11, 12, 17):
            for name in ("roberta", "distilbert", "albert", "electra") * (opset != 12) + (
                    "mpnet", "deberta") * (opset != 11):
                yield spec(f"{name}-base-opset{opset}", name, "base", export=dict(opset=opset))
    for name, arch in families:
        if name not in ("xlm-roberta",):
            yield spec(f"{name}-seqcls-nofold", arch, "seqcls", export=dict(fold=False))
    for name, arch in families:
        for attention in ("eager", "sdpa"):
            yield spec(f"{name}-seqcls-v5-{attention}", arch, "seqcls", 5, labels=3,
                       export=dict(attention=attention))
        yield spec(f"{name}-base-v5-opset17", arch, "base", 5, export=dict(opset=17))
        for opset in (18, 20, 23):
            head = "base" if opset == 20 else "seqcls"
            yield spec(f"{name}-{head}-dynamo-opset{opset}", arch, head, 5,
                       export=dict(exporter="dynamo", opset=opset))
    yield spec("bert-seqcls-dynamo-opset21", "bert", "seqcls", 5,
               export=dict(exporter="dynamo", opset=21))
    yield spec("bert-seqcls-dynamo-opset24", "bert", "seqcls", 5,
               export=dict(exporter="dynamo", opset=24))
    yield spec("bert-seqcls-dynamo-eager", "bert", "seqcls", 5,
               export=dict(exporter="dynamo", opset=18, attention="eager"))
    yield spec("bert-seqcls-dynamo-gelu-new", "bert", "seqcls", 5,
               config=dict(hidden_act="gelu_new"), export=dict(exporter="dynamo", opset=20))
    yield spec("bert-mlm-dynamo", "bert", "mlm", 5, cases="short",
               export=dict(exporter="dynamo", opset=18))
    yield spec("deberta-v3-mlm-dynamo", "deberta-v2", "mlm", 5, cases="short",
               export=dict(exporter="dynamo", opset=18))
    yield spec("deberta-v2-conv-base-dynamo", "deberta-v2", "base", 5,
               config=dict(CONV, share_att_key=True), export=dict(exporter="dynamo", opset=18))
    for name, arch in families:
        if name in ("bert", "distilbert", "deberta-v3", "mpnet", "albert"):
            yield spec(f"{name}-seqcls-static16", arch, "seqcls", cases="static",
                       export=dict(static=(1, 16)))
            yield spec(f"{name}-seqcls-v5-static16", arch, "seqcls", 5, cases="static",
                       export=dict(static=(1, 16)))
    yield spec("bert-tokcls-static2x16", "bert", "tokcls", cases="static2", labels=9,
               export=dict(static=(2, 16)))
    yield spec("bert-seqcls-dynamo-static16", "bert", "seqcls", 5, cases="static",
               export=dict(exporter="dynamo", opset=18, static=(1, 16)))
    yield spec("deberta-v3-seqcls-dynamo-static16", "deberta-v2", "seqcls", 5, cases="static",
               export=dict(exporter="dynamo", opset=18, static=(1, 16)))
    positions = ("position_ids",)
    yield spec("bert-seqcls-notypes", "bert", "seqcls", inputs=IDS_MASK, export={})
    yield spec("bert-seqcls-v5-notypes", "bert", "seqcls", 5, inputs=IDS_MASK, export={})
    yield spec("bert-seqcls-dynamo-notypes", "bert", "seqcls", 5, inputs=IDS_MASK,
               export=dict(exporter="dynamo", opset=18))
    yield spec("albert-seqcls-notypes", "albert", "seqcls", inputs=IDS_MASK, export={})
    yield spec("electra-seqcls-notypes", "electra", "seqcls", inputs=IDS_MASK, export={})
    yield spec("bert-seqcls-idsonly", "bert", "seqcls", inputs=IDS_MASK[:1], cases="unmasked",
               export={}, note="no attention_mask: every position is a token")
    yield spec("roberta-base-idsonly", "roberta", "base", inputs=IDS_MASK[:1], cases="unmasked",
               export={}, note="no attention_mask: every position is a token")
    yield spec("bert-seqcls-positions", "bert", "seqcls", export={},
               inputs=IDS_MASK + ("token_type_ids",) + positions)
    yield spec("albert-seqcls-positions", "albert", "seqcls", export={},
               inputs=IDS_MASK + ("token_type_ids",) + positions)
    yield spec("roberta-seqcls-positions", "roberta", "seqcls", export={},
               inputs=IDS_MASK + positions)
    for name, arch in families:
        if name in ("bert", "roberta", "distilbert", "deberta-v3"):
            yield spec(f"{name}-seqcls-int32", arch, "seqcls", export=dict(integer=torch.int32))
    yield spec("bert-seqcls-v5-int32", "bert", "seqcls", 5, export=dict(integer=torch.int32))
    yield spec("bert-seqcls-dynamo-int32", "bert", "seqcls", 5,
               export=dict(exporter="dynamo", opset=18, integer=torch.int32))
    yield spec("bert-base-external", "bert", "base", external=True, export={})
    yield spec("deberta-v3-seqcls-v5-external", "deberta-v2", "seqcls", 5, external=True,
               export={})


def pooling():
    def spec(name, arch, head="base", **rest):
        return Spec(name, "pooling", arch, head, **rest)

    only = ("sentence_embedding",)
    yield spec("bert-sentence-mean-norm", "bert", **sentence(**MEAN, normalise=True))
    yield spec("bert-sentence-mean-norm-only", "bert", **sentence(only, **MEAN, normalise=True))
    yield spec("bert-sentence-cls-norm", "bert", **sentence(pooling="cls", normalise=True))
    yield spec("bert-sentence-cls-norm-only", "bert",
               **sentence(only, pooling="cls", normalise=True))
    yield spec("bert-sentence-cls", "bert", **sentence(pooling="cls"))
    yield spec("bert-sentence-mean", "bert", **sentence(**MEAN))
    yield spec("bert-sentence-mean-only", "bert", **sentence(only, **MEAN))
    yield spec("bert-sentence-max", "bert", **sentence(pooling="max"))
    yield spec("bert-sentence-max-only", "bert", **sentence(only, pooling="max", normalise=True))
    yield spec("bert-sentence-mean-dense", "bert", **sentence(**MEAN, dense=40))
    yield spec("distilbert-sentence-mean-dense-norm-only", "distilbert",
               **sentence(only, **MEAN, dense=48, normalise=True))
    yield spec("mpnet-sentence-mean-norm", "mpnet", **sentence(**MEAN, normalise=True))
    yield spec("xlm-roberta-sentence-mean-norm-only", "xlm-roberta",
               **sentence(only, **MEAN, normalise=True))
    yield spec("roberta-sentence-cls-norm", "roberta", **sentence(pooling="cls", normalise=True))
    yield spec("distilbert-sentence-cls-only", "distilbert", **sentence(only, pooling="cls"))
    yield spec("albert-sentence-mean", "albert", **sentence(**MEAN))
    yield spec("deberta-v3-sentence-mean-norm", "deberta-v2", **sentence(**MEAN, normalise=True))
    for kind, export in (("v5", Export()), ("dynamo", Export("dynamo", 18))):
        for how in ("mean", "max", "cls"):
            yield spec(f"bert-sentence-{how}-norm-{kind}", "bert", release=5, export=export,
                       **sentence(pooling=how, normalise=True))
        yield spec(f"mpnet-sentence-mean-norm-{kind}", "mpnet", release=5, export=export,
                   **sentence(**MEAN, normalise=True))
    yield spec("bert-sentence-mean-norm-fused", "bert", steps=[fuse(0, True)],
               **sentence(**MEAN, normalise=True))
    yield spec("bert-sentence-mean-norm-int8", "bert", steps=[dynamic("QInt8", True)],
               **sentence(**MEAN, normalise=True))
    yield spec("bert-sentence-mean-norm-fp16", "bert", steps=[half()],
               **sentence(**MEAN, normalise=True))

    def softmax(x):
        return x.softmax(-1)

    said = dict(outputs=("probabilities",))
    for kind, release, export in (("", 4, Export()), ("-dynamo", 5, Export("dynamo", 18))):
        more = dict(release=release, export=export)
        yield spec("bert-seqcls-softmax" + kind, "bert", "seqcls", labels=3, **said, **more,
                   wrap=lambda m: Probabilities(m, softmax))
        yield spec("bert-seqcls-sigmoid" + kind, "bert", "seqcls", labels=6, **said, **more,
                   wrap=lambda m: Probabilities(m, torch.sigmoid))
        yield spec("bert-seqcls-logits-states" + kind, "bert", "seqcls",
                   outputs=("logits", "last_hidden_state"), wrap=LogitsAndStates, **more)
    yield spec("roberta-tokcls-softmax", "roberta", "tokcls", labels=9, **said,
               wrap=lambda m: Probabilities(m, softmax))
    yield spec("distilbert-regression-sigmoid", "distilbert", "seqcls", labels=1, **said,
               wrap=lambda m: Probabilities(m, torch.sigmoid))
    yield spec("deberta-v3-seqcls-softmax", "deberta-v2", "seqcls", labels=3, **said,
               wrap=lambda m: Probabilities(m, softmax))


def outputs():
    def spec(name, arch, head, *extra, **rest):
        names = tuple(n for part in extra for n in part)
        rest = dict(dict(cases="prefix", export=Export(opset=17)), **rest)
        rest["config"] = dict(sizes(16, 2, 2, 24), vocab_size=100, **rest.get("config", {}))
        return Spec(name, "outputs", arch, head, release=None, steps=[also_gives(*names)],
                    left_out=names, **rest)

    yield spec("bert-seqcls-outputs", "bert", "seqcls", OF_INPUTS, OF_ENCODER, OF_LOGITS)
    yield spec("bert-seqcls-outputs-dynamo", "bert", "seqcls", OF_INPUTS, OF_ENCODER, OF_LOGITS,
               export=Export("dynamo", 18))
    yield spec("roberta-tokcls-outputs", "roberta", "tokcls", OF_INPUTS, OF_LOGITS)
    yield spec("deberta-v3-seqcls-outputs", "deberta-v2", "seqcls", OF_INPUTS, OF_LOGITS, labels=3)
    yield spec("distilbert-qa-outputs", "distilbert", "qa", OF_ENCODER, OF_LOGITS)
    yield spec("albert-base-outputs", "albert", "base", OF_INPUTS, OF_ENCODER,
               config=dict(embedding_size=16))
    yield spec("mpnet-sentence-outputs", "mpnet", "base", OF_INPUTS, OF_ENCODER, OF_SENTENCE,
               **sentence(**MEAN, normalise=True))
    yield spec("bert-sentence-dense-outputs", "bert", "base", OF_INPUTS, OF_SENTENCE,
               **sentence(("sentence_embedding",), **MEAN, dense=12))


TWISTS = {
    "pre-norm": "LayerNorm before each block, none after",
    "glu": "gated feed-forward",
    "rotary": "rotary positions",
    "talking-heads": "scores mixed between heads",
    "causal": "a token sees only what is before it",
    "alibi": "scores fall with the distance",
    "rms-norm": "RMSNorm instead of LayerNorm",
    "multi-query": "one key and value head for all",
    "softcap": "scores bounded by tanh",
    "residual-scale": "residual halved before it is added",
    "parallel": "attention and feed-forward side by side",
    "dense-skip": "the embeddings are added again behind the second layer's feed-forward",
    "normalised-queries": "queries and keys of unit length",
    "softmax-plus-one": "attention weights do not add up to one",
}


def refuse():
    def spec(name, arch, head, **rest):
        return Spec(name, "refuse", arch, head, **rest)

    yield spec("torch-encoder", "torch", "", note="BERT in plain torch, to be accepted or refused")
    for twist, why in TWISTS.items():
        yield spec(f"refuse-{twist}", "torch", twist, refuse=why)
    yield spec("refuse-rotary-dynamo", "torch", "rotary", refuse=TWISTS["rotary"], release=5,
               export=Export("dynamo", 18))
    yield spec("refuse-glu-dynamo", "torch", "glu", refuse=TWISTS["glu"], release=5,
               export=Export("dynamo", 18))
    yield spec("refuse-causal-dynamo", "torch", "causal", refuse=TWISTS["causal"], release=5,
               export=Export("dynamo", 23))
    yield spec("refuse-cnn", "cnn", "", refuse="no encoder at all")
    yield spec("refuse-if", "bert", "seqcls", steps=[branch()],
               refuse="the logits are doubled for sequences of eight and more")
    yield spec("refuse-bert-decoder", "bert", "base", config=dict(is_decoder=True),
               outputs=("last_hidden_state",), refuse="causal mask")
    yield spec("refuse-bert-relative-key", "bert", "base",
               config=dict(position_embedding_type="relative_key"), refuse="Shaw's positions")
    yield spec("refuse-bert-relative-key-query", "bert", "base",
               config=dict(position_embedding_type="relative_key_query"),
               refuse="Shaw's positions")
    for name, (_, _, why) in OTHERS.items():
        newest = name == "modernbert"
        yield spec(f"refuse-{name}", name, "base", refuse=why, release=5 if newest else 4)
    yield spec("refuse-modernbert-dynamo", "modernbert", "base", release=5,
               refuse=OTHERS["modernbert"][2], export=Export("dynamo", 20))


def optimum():
    tasks = {"base": "feature-extraction", "seqcls": "text-classification",
             "tokcls": "token-classification", "qa": "question-answering", "mlm": "fill-mask"}
    for arch, name in (("bert", "bert"), ("roberta", "roberta"), ("distilbert", "distilbert"),
                       ("deberta-v2", "deberta-v3"), ("mpnet", "mpnet"), ("albert", "albert"),
                       ("electra", "electra"), ("xlm-roberta", "xlm-roberta"),
                       ("camembert", "camembert"), ("deberta", "deberta")):
        for head, task in tasks.items():
            if head in ("base", "seqcls") or name in ("bert", "distilbert"):
                yield Spec(f"{name}-{head}-optimum", "optimum", arch, head, labels=3,
                           cases="short" if head == "mlm" else "usual",
                           export=Export("optimum", 14, task=task))
    yield Spec("bert-base-optimum-opset11", "optimum", "bert", "base",
               export=Export("optimum", 11, task="feature-extraction"))
    for arch in ("bert", "distilbert"):
        for how, normalise in (("mean", True), ("mean", False), ("cls", True)):
            yield Spec(f"{arch}-sentence-{how}{'-norm' if normalise else ''}-optimum", "optimum",
                       arch, "sentence", export=Export("optimum", 14, task="feature-extraction"),
                       outputs=("token_embeddings", "sentence_embedding"), inputs=IDS_MASK,
                       config=dict(pooling=how, normalise=normalise))


# --- The set of real sizes ----------------------------------------------------------------------


def real():
    def spec(name, arch, head, size, **config):
        config.update(sizes(*size))
        config.setdefault("max_position_embeddings", 514 if ARCHS[arch].spare else 512)
        return Spec(name, "real", arch, head, release=None, config=config, cases="real", std=0.02,
                    labels=3)

    base, large = (768, 12, 12, 3072), (1024, 16, 24, 4096)
    yield spec("real-distilbert", "distilbert", "seqcls", (768, 12, 6, 3072), vocab_size=30522)
    yield spec("real-albert-base", "albert", "seqcls", base, vocab_size=30000, embedding_size=128)
    yield spec("real-bert-base", "bert", "base", base, vocab_size=30522)
    yield spec("real-electra-base", "electra", "seqcls", base, vocab_size=30522,
               embedding_size=768)
    yield spec("real-mpnet-base", "mpnet", "base", base, vocab_size=30527)
    yield spec("real-deberta-base", "deberta", "seqcls", base, vocab_size=50265)
    yield spec("real-deberta-v3-base", "deberta-v2", "seqcls", base, vocab_size=128100,
               position_buckets=256)
    yield spec("real-xlm-roberta-base", "xlm-roberta", "base", base, vocab_size=250002)
    yield spec("real-bert-large", "bert", "seqcls", large, vocab_size=30522)
    yield spec("real-roberta-large", "roberta", "seqcls", large, vocab_size=50265)
    yield spec("real-albert-xxlarge", "albert", "seqcls", (4096, 64, 12, 16384),
               vocab_size=30000, embedding_size=128)
    for name, layers in (("xlarge", 24), ("xxlarge", 48)):
        yield spec(f"real-deberta-v2-{name}", "deberta-v2", "seqcls", (1536, 24, layers, 6144),
                   vocab_size=128100, position_buckets=256, **CONV)


SETS = {"tiny": (architectures, optimised, quantised, exporters, pooling, outputs, refuse,
                 optimum),
        "real": (real,)}


# --- One model ----------------------------------------------------------------------------------


def run(path, feeds, literal=False):
    """onnxruntime's outputs, and what the graph's inputs and outputs are."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1 if os.path.getsize(path) < 2 ** 24 else 2
    options.log_severity_level = 3
    # otherwise products of 8-bit numbers saturate on processors without VNNI
    options.add_session_config_entry("session.x64quantprecision", "1")
    if literal:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    taken = {i.name: i.type[7:-1] for i in session.get_inputs()}
    kinds = {"int64": np.int64, "int32": np.int32, "float": np.float32}
    results = [session.run(None, {k: np.asarray(v, kinds[taken[k]]) for k, v in f.items()
                                  if k in taken}) for f in feeds]
    return taken, [o.name for o in session.get_outputs()], results


def distance(these, those, masks):
    """Largest difference over all cases and outputs, at positions that are not masked."""
    worst = 0.0
    for one, other, mask in zip(these, those, masks):
        for x, y in zip(one, other):
            x, y = np.asarray(x, np.float32), np.asarray(y, np.float32)
            if x.shape != y.shape:
                raise ValueError(f"shapes {x.shape} and {y.shape}")
            if mask is not None and x.shape[:2] == mask.shape:
                x, y = x[mask == 1], y[mask == 1]
            worst = max(worst, float(np.abs(x - y).max()))
    return worst


def flat(x):
    x = np.asarray(x, np.float32)
    if not np.isfinite(x).all():
        raise ValueError("an output is not finite")
    return {"shape": list(x.shape), "data": [float("%.9g" % v) for v in x.ravel()]}


def write_golden(doc, path):
    """One case a line: readable, and a difference shows in a diff."""
    cases = [json.dumps(c, separators=(",", ":")) for c in doc.pop("cases")]
    text = json.dumps(doc, separators=(",", ":"))
    with open(path, "w", encoding="utf-8") as file:
        file.write(text[:-1] + ',"cases":[\n' + ",\n".join(cases) + "\n]}\n")


def operators(path):
    graph = onnx.load(path, load_external_data=False)
    count = collections.Counter()

    def visit(nodes):
        for node in nodes:
            count[(node.domain + "::" if node.domain not in ("", "ai.onnx") else "")
                  + node.op_type] += 1
            for a in node.attribute:
                visit(a.g.node)

    visit(graph.graph.node)
    for f in graph.functions:
        visit(f.node)
    return dict(sorted(count.items()))


def source(spec):
    """(module with the graph's forward, config, inputs, outputs) of a spec."""
    if spec.arch == "torch":
        config = transformers.BertConfig(vocab_size=310, max_position_embeddings=LENGTH,
                                         **sizes(64, 4, 2, 128))
        config.architectures = ["BertModel"]
        model = TorchEncoder(config, spec.head).eval()
        inputs, outputs = IDS_MASK + ("token_type_ids",), ("last_hidden_state",)
    elif spec.arch in OTHERS:
        model, config = other_family(spec.arch)
        inputs, outputs = IDS_MASK, ("last_hidden_state",)
    else:
        model, config = build(spec)
        inputs, outputs = inputs_of(spec, config), outputs_of(spec)
    if spec.wrap:
        model = spec.wrap(model).eval()
    randomise(model, spec.std)
    return model, config, inputs, outputs


def answer_torch(model, feeds, outputs, inputs):
    expose(model, inputs, outputs)
    with torch.no_grad():
        return [[y.numpy().copy() for y in
                 model(**{n: torch.from_numpy(f[n]) for n in inputs})] for f in feeds]


def trace_of(model, case, inputs):
    """Hidden states and attention probabilities of torch; before expose() replaces forward."""
    with torch.no_grad():
        r = model(**{n: torch.tensor(case[n]) for n in inputs}, output_hidden_states=True,
                  output_attentions=True, return_dict=True)
    return {"case": case["name"], "hidden_states": [flat(h) for h in r.hidden_states],
            "attentions": [flat(a) for a in r.attentions]}


def make_cnn(spec, folder):
    torch.manual_seed(1)
    path = os.path.join(folder, "model.onnx")
    torch.onnx.export(SmallConv().eval(), (torch.zeros(1, 3, 16, 16),), path,
                      input_names=["pixels"], output_names=["logits"], opset_version=14,
                      dynamic_axes={"pixels": {0: "batch_size"}}, dynamo=False)
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        json.dump({"model_type": "cnn", "architectures": ["SmallConv"]}, file)
    return dict(inputs=["pixels"], input_types={"pixels": "float"}, outputs=["logits"],
                operators=operators(path), tolerance=0.0, largest=0.0, refuse=spec.refuse,
                cases=[])


def make(spec, folder):
    """Writes one folder and returns its golden document."""
    head = {"name": spec.name, "architecture": spec.arch, "head": spec.head,
            "exporter": ", then ".join([str(spec.export)] + [s.name for s in spec.steps]),
            "reference": {"torch": torch.__version__.split("+")[0],
                          "transformers": transformers.__version__,
                          "onnxruntime": onnxruntime.__version__, "onnx": onnx.__version__}}
    if spec.arch == "cnn":
        doc = make_cnn(spec, folder)
        write_golden(dict(head, **doc), os.path.join(folder, "golden.json"))
        return dict(head, **doc)

    if spec.head == "sentence":  # the sentence-transformers package, by way of Optimum
        encoder, config, inputs, _ = source(dataclasses.replace(spec, head="base", config={}))
        package = sentence_transformer(encoder, spec.config["pooling"], spec.config["normalise"])
        model = SentenceEncoder(encoder, outputs=spec.outputs, **spec.config).eval()
        outputs = spec.outputs
    else:
        package = None
        model, config, inputs, outputs = source(spec)
    use_attention(model, "eager")
    writer = Writer(spec, config, inputs, zlib.crc32(spec.name.encode()))
    cases = writer.cases(spec.cases)
    feeds = [{n: np.asarray(c[n], np.int64) for n in inputs} for c in cases]
    masks = [f.get("attention_mask") for f in feeds]
    trace = trace_of(model, cases[2], inputs) if spec.trace else None

    # Export, and torch's answers: those of the plain attention, which all others must match.
    path = os.path.join(folder, "model.onnx")
    steps = [os.path.join(folder, f"step{i}.onnx") for i in range(len(spec.steps))] + [path]
    if spec.export.exporter == "optimum":
        export_optimum(package or model, config, spec.export, steps[0],
                       "sentence_transformers" if package else "transformers")
    torch_says = answer_torch(model, feeds, outputs, inputs)
    if spec.export.exporter != "optimum":
        if spec.export.attention != "eager":
            use_attention(model, "sdpa")
        example = writer.case("", [writer.row(EXPORT_LENGTH, True), writer.row(7)])
        if spec.export.static:
            batch, length = spec.export.static
            example = writer.case("", [writer.row(length, True)] * batch)
        tensors = {n: torch.tensor(example[n], dtype=spec.export.integer) for n in inputs}
        with torch.no_grad():
            shapes = [y.shape for y in model(**{n: t.long() for n, t in tensors.items()})]
        export_torch(model, tensors, outputs, shapes, spec.export, steps[0])
    largest = max(float(np.abs(y).max()) for r in torch_says for y in r)
    config_json = json.loads(config.to_json_string(use_diff=False))
    config_json.pop("_name_or_path", None)
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config_json, file, indent=1)
    del model, package
    gc.collect()

    if spec.external or spec.cases == "real":  # one file, or two, whatever the exporter wrote
        with tempfile.TemporaryDirectory(dir=folder) as spare:
            for each in os.listdir(folder):
                if each not in (os.path.basename(spare), "config.json"):
                    shutil.move(os.path.join(folder, each), spare)
            graph = onnx.load(os.path.join(spare, os.path.basename(steps[0])))
            save(graph, steps[0], spec.external)
            del graph
            gc.collect()

    _, _, plain = run(steps[0], feeds)
    apart = distance(plain, torch_says, masks)
    if apart > 2e-5 * max(1.0, largest):
        raise ValueError(f"torch and onnxruntime differ by {apart} after the export")
    for step, here, there in zip(spec.steps, steps, steps[1:]):
        tuning = [{k: v for k, v in f.items() if k in {i.name for i in onnx.load(
            here, load_external_data=False).graph.input}} for f in feeds]
        step.run(here, there, config, tuning)
    taken, given, results = run(path, feeds)
    if [o for o in given if o not in spec.left_out] != list(outputs):
        raise ValueError(f"the graph gives {given}, not {outputs}")
    results = [[x for o, x in zip(given, r) if o not in spec.left_out] for r in results]
    for leftover in steps[:-1]:
        os.remove(leftover)

    exact = all(s.exact for s in spec.steps)
    doc = dict(head, inputs=sorted(taken), input_types=taken, outputs=list(outputs),
               operators=operators(path), tolerance=distance(results, torch_says, masks),
               largest=largest, cases=[])
    for case, result, before in zip(cases, results, plain):
        case = {k: v for k, v in case.items() if k == "name" or k in taken}
        case["outputs"] = {o: flat(x) for o, x in zip(outputs, result)}
        if not exact:
            case["plain_outputs"] = {o: flat(x) for o, x in zip(outputs, before)}
        doc["cases"].append(case)
    if any(s.name.startswith("static QDQ") for s in spec.steps):
        doc["spread"] = distance(results, run(path, feeds, literal=True)[2], masks)
    if trace:
        doc["trace"] = trace
    if spec.note:
        doc["note"] = spec.note
    if spec.refuse:
        doc["refuse"] = spec.refuse
    if spec.left_out:
        doc["left_out"] = list(spec.left_out)
    write_golden(dict(doc), os.path.join(folder, "golden.json"))
    return doc


# --- All of them --------------------------------------------------------------------------------


def impossible(spec):
    """Why this environment cannot make a spec, or nothing."""
    if spec.release not in (None, MAJOR):
        return f"needs transformers {spec.release}"
    needed = {"optimum": spec.export.exporter == "optimum",
              "sentence_transformers": spec.head == "sentence",
              "onnxslim": any(s.name == "onnxslim" for s in spec.steps)}
    for package, wanted in needed.items():
        if wanted and importlib.util.find_spec(package) is None:
            return f"needs the package {package}"
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", metavar="OUT_DIR")
    parser.add_argument("--set", default="tiny", choices=sorted(SETS))
    parser.add_argument("--only", default="", metavar="SUBSTRING", help="of the names to make")
    parser.add_argument("--group", default="", help="one of " + ", ".join(GROUPS))
    parser.add_argument("--missing", action="store_true", help="leave finished folders alone")
    parser.add_argument("--list", action="store_true", help="print the names and do nothing")
    chosen = parser.parse_args()
    torch.set_num_threads(1 if chosen.set == "tiny" else 2)
    specs = [s for group in SETS[chosen.set] for s in group()]
    twice = [n for n, k in collections.Counter(s.name for s in specs).items() if k > 1]
    assert not twice, f"names used twice: {twice}"
    made, skipped, failed = [], [], []
    for spec in specs:
        if chosen.only not in spec.name or chosen.group not in ("", spec.group):
            continue
        if chosen.list:
            print(spec.group, spec.name, spec.release or "any")
            continue
        folder = os.path.join(chosen.out, spec.name)
        if chosen.missing and os.path.exists(os.path.join(folder, "golden.json")):
            continue
        why = impossible(spec)
        if why:
            skipped.append(spec.name)
            print(f"SKIP   {spec.name}: {why}", flush=True)
            continue
        start = time.time()
        building = folder + ".part"
        shutil.rmtree(building, ignore_errors=True)
        os.makedirs(building)
        try:
            doc = make(spec, building)
        except Exception as error:  # one must not stop the rest
            failed.append(spec.name)
            shutil.rmtree(building, ignore_errors=True)
            text = " ".join(str(error).split())[:400]
            print(f"FAILED {spec.name}: {type(error).__name__}: {text}", flush=True)
            if chosen.only:
                traceback.print_exc()
            continue
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(building, folder)
        made.append(spec.name)
        size = sum(f.stat().st_size for f in pathlib.Path(folder).glob("model.onnx*"))
        wide = doc["tolerance"] > 1e-4 * max(1, doc["largest"]) and all(s.exact for s in spec.steps)
        print(f"made   {spec.name}: {size / 1024:.0f} KiB, from torch {doc['tolerance']:.1e}, "
              f"largest {doc['largest']:.3g}, {time.time() - start:.1f} s"
              + (" WIDE: the step was to keep the numbers" if wide else ""), flush=True)
    if not chosen.list:
        print(f"{len(made)} made, {len(skipped)} skipped, {len(failed)} failed: {failed}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Makes small models of sentence-transformers with prompts, and the embeddings that it gives.

    python make_sentence_goldens.py [OUT_DIR]      (default: tests/golden/sentence)

Each folder is what `SentenceTransformer.save()` writes (weights wide and random, a tokenizer of
tests/golden/pipelines) and cases.json:

    {"made_with": {...}, "texts": [...],
     "cases": [{"poolings": ["mean", ...], "include_prompt": true,
                "options": {"prompt_name"?, "prompt"?, "normalize"?, "dimensions"?},
                "embeddings": [[...], ...]}]}

`poolings` and `include_prompt` are set in memory: of the file they are what saving wrote, the first
of POOLINGS and false. `options` are those of the pipeline in JavaScript. Made with
sentence-transformers 6.2.0, transformers 5.24.0 and torch 2.14.1.
"""
import json
import os
import pathlib
import shutil
import sys
import zlib

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import sentence_transformers
import torch
import transformers
from sentence_transformers import SentenceTransformer, models

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROMPTS = {"query": "search query: ", "document": "search document: ", "clustering": "Topics of "}
# Sizes, and the name in core/bert.h of what sentence-transformers calls a pooling.
SIZES = dict(hidden_size=16, num_attention_heads=2, num_hidden_layers=2, intermediate_size=24)
POOLINGS = {"mean": "mean", "max": "max", "cls": "cls", "mean_sqrt_len": "mean_sqrt_len_tokens",
            "weighted_mean": "weightedmean", "last": "lasttoken"}
TEXTS = ["What a wonderful film, I loved it!", "Berlin", "",
         "The acting was dull and the story long, " * 6, "  spaces around  "]
FOLDERS = {
    "bert-prompts": dict(source="feature-extraction-bert", default="query", dense=0,
                         special=dict(pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
                                      sep_token="[SEP]", mask_token="[MASK]"),
                         config=transformers.BertConfig, settings={}),
    "roberta-prompts-dense": dict(source="text-classification-roberta", default=None, dense=12,
                                  special=dict(pad_token="<pad>", unk_token="<unk>",
                                               cls_token="<s>", sep_token="</s>", bos_token="<s>",
                                               eos_token="</s>", mask_token="<mask>"),
                                  config=transformers.RobertaConfig,
                                  settings=dict(type_vocab_size=1, pad_token_id=1, bos_token_id=0,
                                                eos_token_id=2, layer_norm_eps=1e-5)),
}


def randomise(model):
    with torch.no_grad():
        for name, p in model.named_parameters():
            g = torch.Generator().manual_seed(zlib.crc32(name.encode()))
            if "norm" in name.lower() and name.endswith("weight"):
                p.normal_(1, 0.2, generator=g)
            else:
                p.normal_(0, 0.3 if p.dim() > 1 else 0.1, generator=g)


def build(folder, source, default, dense, special, config, settings):
    """Saves the model, and opens what was saved."""
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(ROOT / "tests/golden/pipelines" / source / "tokenizer.json"),
        model_max_length=32, **special)
    encoder = transformers.AutoModel.from_config(config(
        vocab_size=len(tokenizer), max_position_embeddings=40, **SIZES, **settings)).eval()
    randomise(encoder)
    inner = folder / "inner"
    encoder.save_pretrained(inner)
    tokenizer.save_pretrained(inner)
    modules = [models.Transformer(str(inner)), models.Pooling(16, "mean", include_prompt=False)]
    if dense:
        modules.append(models.Dense(16, dense))
        randomise(modules[-1])
    else:
        modules.append(models.Normalize())
    model = SentenceTransformer(modules=modules, prompts=PROMPTS, default_prompt_name=default,
                                similarity_fn_name="dot" if dense else "cosine", device="cpu")
    model.save(str(folder), create_model_card=False)
    shutil.rmtree(inner)
    return SentenceTransformer(str(folder), device="cpu")


def answers(model, dense):
    """Cases: every pooling alone, and several side by side where no dense layer fixes the width."""
    choices = [["mean"], ["max"], ["cls"], ["weighted_mean"], ["last"], ["mean_sqrt_len"]]
    if not dense:
        choices.append(["cls", "mean", "max"])
    for poolings in choices:
        modes = tuple(POOLINGS[p] for p in poolings)
        for include in (False, True):
            model[1] = models.Pooling(16, modes if len(modes) > 1 else modes[0],
                                      include_prompt=include)
            calls = [{}, {"prompt_name": "document"}, {"prompt": "Topics of "}, {"prompt": ""}]
            if poolings == ["mean"]:
                calls += [{"prompt_name": "clustering", "dimensions": 8, "normalize": True},
                          {"prompt": "a long prompt that goes on and on " * 9}]
            for options in calls:
                rows = model.encode(TEXTS, prompt_name=options.get("prompt_name"),
                                    prompt=options.get("prompt"),
                                    normalize_embeddings=options.get("normalize", False),
                                    truncate_dim=options.get("dimensions"))
                yield {"poolings": poolings, "include_prompt": include, "options": options,
                       "embeddings": [[float("%.7g" % x) for x in row] for row in rows]}


def main():
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests/golden/sentence"
    for name, how in FOLDERS.items():
        folder = out / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        model = build(folder, **how)
        made_with = {m.__name__: m.__version__
                     for m in (sentence_transformers, transformers, torch)}
        lines = [json.dumps(case, separators=(",", ":")) for case in answers(model, how["dense"])]
        with open(folder / "cases.json", "w", encoding="utf-8") as file:
            file.write('{"made_with":%s,"texts":%s,"cases":[\n%s\n]}\n' % (
                json.dumps(made_with), json.dumps(TEXTS), ",\n".join(lines)))
        print(name, len(lines), "cases")


if __name__ == "__main__":
    main()

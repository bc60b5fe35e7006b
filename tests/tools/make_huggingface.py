"""Makes small models as transformers, PEFT and sentence-transformers save them, with their answers.

    python make_huggingface.py OUT_DIR [--only SUBSTRING] [--list]

Each makes a folder OUT_DIR/<name> with config.json, model.safetensors (or an adapter, or modules of
sentence-transformers) and golden.json: inputs, and what torch answers in float32. Where a head of
the family has one, the same model is exported to model.onnx beside it: what the converter reads from
both must be the same numbers. Weights are drawn as make_models.py does, by parameter name.

The environment is "today" of requirements.txt with peft and sentence-transformers beside it; the
export needs transformers 4 ("earlier", or 4.57.6), so a spec says which release makes it.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import make_models as base
import numpy as np
import torch
import transformers

TINY = dict(hidden_size=32, num_attention_heads=4, num_hidden_layers=2, intermediate_size=40,
            vocab_size=48)
N_POSITIONS = 12


def settings(arch, **more):
    """The config of a tiny model of a family; its positions are N_POSITIONS."""
    spare = base.ARCHS[arch].spare
    if arch.startswith("deberta"):  # whose graphs are long
        more = {**dict(hidden_size=24, num_attention_heads=3, intermediate_size=32), **more}
    return dict(TINY, max_position_embeddings=N_POSITIONS + spare) | more


# --- Models of transformers -------------------------------------------------------------------

CONV = base.CONV
# name, architecture, head, config, labels
MODELS = [
    ("bert-base", "bert", "base", {}, 2),
    ("bert-mlm", "bert", "mlm", {}, 2),
    ("bert-mlm-untied", "bert", "mlm", dict(tie_word_embeddings=False), 2),
    ("bert-pretraining", "bert", "pretraining", {}, 2),
    ("bert-nsp", "bert", "nsp", {}, 2),
    ("bert-qa", "bert", "qa", dict(hidden_act="gelu_new"), 2),
    ("bert-tokcls", "bert", "tokcls", dict(layer_norm_eps=1e-3), 5),
    ("roberta-base", "roberta", "base", {}, 2),
    ("roberta-seqcls", "roberta", "seqcls", {}, 3),
    ("roberta-mlm", "roberta", "mlm", dict(hidden_act="relu"), 2),
    ("roberta-qa", "roberta", "qa", dict(pad_token_id=0), 2),
    ("xlm-roberta-seqcls", "xlm-roberta", "seqcls", {}, 1),
    ("camembert-tokcls", "camembert", "tokcls", {}, 4),
    ("distilbert-base", "distilbert", "base", {}, 2),
    ("distilbert-seqcls", "distilbert", "seqcls", {}, 2),
    ("distilbert-mlm", "distilbert", "mlm", {}, 2),
    ("distilbert-tokcls", "distilbert", "tokcls", dict(hidden_act="relu"), 3),
    ("albert-base", "albert", "base", {}, 2),
    ("albert-seqcls-groups", "albert", "seqcls",
     dict(num_hidden_layers=4, num_hidden_groups=2), 3),
    ("albert-base-inner", "albert", "base",
     dict(num_hidden_layers=2, num_hidden_groups=1, inner_group_num=2), 3),
    ("albert-tokcls-own-layers", "albert", "tokcls", dict(num_hidden_groups=2), 3),
    ("albert-qa-square", "albert", "qa", dict(embedding_size=32), 2),
    ("albert-pretraining", "albert", "pretraining", {}, 2),
    ("electra-base", "electra", "base", {}, 2),
    ("electra-discriminator", "electra", "discriminator", {}, 2),
    ("electra-mlm", "electra", "mlm", dict(embedding_size=16), 2),
    ("electra-tokcls-square", "electra", "tokcls", dict(embedding_size=32), 3),
    ("electra-qa", "electra", "qa", {}, 2),
    ("mpnet-base", "mpnet", "base", {}, 2),
    ("mpnet-seqcls", "mpnet", "seqcls", {}, 2),
    ("mpnet-mlm", "mpnet", "mlm", {}, 2),
    ("mpnet-tokcls", "mpnet", "tokcls", {}, 3),
    ("deberta-base", "deberta", "base", {}, 2),
    ("deberta-seqcls", "deberta", "seqcls", dict(pooler_hidden_size=24, pooler_hidden_act="tanh"), 3),
    ("deberta-mlm", "deberta", "mlm", dict(max_relative_positions=9), 2),
    ("deberta-tokcls-c2p", "deberta", "tokcls",
     dict(pos_att_type=["c2p"], position_biased_input=True, type_vocab_size=2), 3),
    ("deberta-qa-p2c", "deberta", "qa", dict(pos_att_type=["p2c"]), 2),
    ("deberta-base-absolute", "deberta", "base",
     dict(relative_attention=False, pos_att_type=None, position_biased_input=True), 2),
    ("deberta-v2-base-conv", "deberta-v2", "base", dict(CONV, share_att_key=False), 2),
    ("deberta-v2-tokcls", "deberta-v2", "tokcls",
     dict(position_buckets=-1, norm_rel_ebd="none", position_biased_input=True,
          type_vocab_size=2), 3),
    ("deberta-v2-mlm", "deberta-v2", "mlm", {}, 2),
    ("deberta-v2-mlm-new", "deberta-v2", "mlm", dict(legacy=False, tie_word_embeddings=False), 2),
    ("deberta-v2-qa", "deberta-v2", "qa", dict(pos_att_type="c2p|p2c", position_buckets=4), 2),
    ("deberta-v2-seqcls", "deberta-v2", "seqcls",
     dict(pooler_hidden_size=24, pooler_hidden_act="gelu"), 2),
]
base.HEADS["nsp"] = ("ForNextSentencePrediction", ("logits",))


def transformer(arch, head, config, labels, name="model"):
    spec = base.Spec(name, "", arch, head, release=None, labels=labels,
                     config=settings(arch, attn_implementation="eager", **config))
    model, config, inputs, outputs = base.source(spec)
    base.use_attention(model, "eager")
    return spec, model, config, inputs, outputs


def cases_of(spec, config, inputs, name):
    writer = base.Writer(spec, config, inputs, base.zlib.crc32(name.encode()))
    return writer.cases("usual")


def numbers(x):
    """As make_models.flat(), in seven digits: goldens are compared within 1e-4."""
    x = base.flat(x)
    return dict(x, data=[float("%.7g" % v) for v in x["data"]])


def shorten(path):
    """Gives everything in a graph but inputs and outputs a short name: half of a tiny file."""
    model = base.onnx.load(path)
    kept = {v.name for v in list(model.graph.input) + list(model.graph.output)} | {""}
    names = {}

    def short(name):
        return name if name in kept else names.setdefault(name, f"v{len(names)}")

    def visit(graph):
        for each in list(graph.initializer) + (list(graph.output) if graph != model.graph else []):
            each.name, each.doc_string = short(each.name), ""
        for node in graph.node:
            node.name, node.doc_string = "", ""
            node.input[:] = [short(n) for n in node.input]
            node.output[:] = [short(n) for n in node.output]
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    visit(attribute.g)
        del graph.value_info[:]

    visit(model.graph)
    base.onnx.save(model, path)


def write(folder, name, arch, head, outputs, inputs, cases, answers, **more):
    doc = dict(name=name, architecture=arch, head=head,
               reference={"torch": torch.__version__.split("+")[0],
                          "transformers": transformers.__version__},
               inputs=sorted(inputs), outputs=list(outputs),
               largest=max(float(np.abs(y).max()) for a in answers for y in a), cases=[], **more)
    for case, answer in zip(cases, answers):
        case = {k: v for k, v in case.items() if k == "name" or k in inputs}
        case["outputs"] = {o: numbers(y) for o, y in zip(outputs, answer)}
        doc["cases"].append(case)
    base.write_golden(doc, os.path.join(folder, "golden.json"))


def feeds_of(cases, inputs):
    return [{n: np.asarray(c[n], np.int64) for n in inputs} for c in cases]


def save(model, folder):
    model.save_pretrained(folder, safe_serialization=True)
    spare = os.path.join(folder, "generation_config.json")
    if os.path.exists(spare):
        os.remove(spare)


def make_model(row, folder):
    name, arch, head, config, labels = row
    spec, model, config, inputs, outputs = transformer(arch, head, config, labels, name)
    save(model, folder)
    cases = cases_of(spec, config, inputs, name)
    answers = base.answer_torch(model, feeds_of(cases, inputs), outputs, inputs)
    if config.model_type != "deberta-v2" or config.position_buckets > 0:  # else the graph has an If
        example = cases[2]
        tensors = {n: torch.tensor(example[n]) for n in inputs}
        with torch.no_grad():
            shapes = [y.shape for y in model(**tensors)]
        n_tokens = len(example["input_ids"][0])
        before, base.EXPORT_LENGTH = base.EXPORT_LENGTH, n_tokens
        base.export_torch(model, tensors, outputs, shapes, base.Export(),
                          os.path.join(folder, "model.onnx"))
        base.EXPORT_LENGTH = before
        shorten(os.path.join(folder, "model.onnx"))
    write(folder, name, arch, head, outputs, inputs, cases, answers)


# --- Adapters -----------------------------------------------------------------------------------

ADAPTERS = [
    # name, architecture, head, adapter's settings, whether the model lies in the same folder
    ("lora-bert-seqcls", "bert", "seqcls",
     dict(r=4, lora_alpha=8, target_modules=["query", "value"], task_type="SEQ_CLS"), True),
    ("lora-roberta-tokcls", "roberta", "tokcls",
     dict(r=3, lora_alpha=5, use_rslora=True, target_modules=["query", "key", "dense"],
          rank_pattern={"layer.1.attention.self.query": 2}, alpha_pattern={"key": 7},
          task_type="TOKEN_CLS"), True),
    ("lora-deberta-v2-base", "deberta-v2", "base",
     dict(r=2, lora_alpha=6, target_modules=["key_proj", "query_proj"],
          task_type="FEATURE_EXTRACTION"), True),
    ("lora-deberta-seqcls", "deberta", "seqcls",
     dict(r=2, lora_alpha=4, target_modules=["in_proj", "pos_proj"],
          modules_to_save=["pooler", "classifier"], task_type="SEQ_CLS"), False),
]


def make_adapter(row, folder):
    import peft
    name, arch, head, how, is_together = row
    more = dict(pooler_hidden_size=24) if arch.startswith("deberta") else {}
    spec, model, config, inputs, outputs = transformer(arch, head, more, 2, name)
    model_folder = folder if is_together else os.path.join(folder, "base")
    if arch == "deberta" and head == "seqcls":  # the adapter's model is another head's
        os.makedirs(model_folder, exist_ok=True)
        _, other, _, _, _ = transformer(arch, "mlm", {}, 2, name)
        model.deberta.load_state_dict(other.deberta.state_dict())
        save(other, model_folder)
    else:
        save(model, model_folder)
    trained = peft.get_peft_model(model, peft.LoraConfig(init_lora_weights=False, **how)).eval()
    g = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for key, p in trained.named_parameters():
            if "lora_" in key or p.requires_grad:
                p.normal_(0, 0.2, generator=g)
    trained.save_pretrained(folder)
    for spare in ("README.md",):
        if os.path.exists(os.path.join(folder, spare)):
            os.remove(os.path.join(folder, spare))
    cases = cases_of(spec, config, inputs, name)
    answers = []
    with torch.no_grad():
        for feed in feeds_of(cases, inputs):
            result = trained(**{n: torch.from_numpy(f) for n, f in feed.items()}, return_dict=True)
            answers.append([result[o].numpy() for o in outputs])
    write(folder, name, arch, head, outputs, inputs, cases, answers)


# --- sentence-transformers ----------------------------------------------------------------------

SENTENCES = [
    # name, architecture, poolings, Dense, Normalize, form of the config
    ("sentence-cls", "bert", ["cls"], None, True, "today"),
    ("sentence-max-mean", "distilbert", ["max", "mean"], None, False, "today"),
    ("sentence-weightedmean", "roberta", ["weightedmean"], None, True, "today"),
    ("sentence-lasttoken", "bert", ["lasttoken"], None, False, "flags"),
    ("sentence-sqrt", "mpnet", ["mean_sqrt_len_tokens"], None, True, "flags"),
    ("sentence-dense", "electra", ["mean"], (12, "Tanh", True), True, "today"),
    ("sentence-two-dense", "bert", ["cls", "max", "mean"], (7, "Identity", False), True, "flags"),
    ("sentence-folders", "xlm-roberta", ["mean"], (9, "ReLU", True), False, "folders"),
]
FLAGS = {"cls": "cls_token", "max": "max_tokens", "mean": "mean_tokens",
         "mean_sqrt_len_tokens": "mean_sqrt_len_tokens", "weightedmean": "weightedmean_tokens",
         "lasttoken": "lasttoken"}


def words(folder):
    """A tokenizer of whole words, which sentence-transformers insists on."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "man", "is", "eating", "query",
              "passage", ":", "A", "Man"]
    pieces += [f"w{i}" for i in range(TINY["vocab_size"] - len(pieces))]
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    tokenizer = Tokenizer(models.WordPiece({w: i for i, w in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]",
        sep_token="[SEP]", mask_token="[MASK]").save_pretrained(folder)


def rewrite(path, change):
    doc = json.loads(path.read_text())
    doc = change(doc) or doc
    path.write_text(json.dumps(doc, indent=2))


def make_sentence(row, folder):
    from sentence_transformers import SentenceTransformer, models
    name, arch, poolings, dense, normalises, form = row
    spec, model, config, inputs, _ = transformer(arch, "base", {}, 2, name)
    with tempfile.TemporaryDirectory() as spare:
        save(model, spare)
        words(spare)
        first = models.Transformer(spare, max_seq_length=16, do_lower_case=form == "flags")
    modules = [first, models.Pooling(TINY["hidden_size"], pooling_mode=list(poolings))]
    if dense:
        n_out, activation, bias = dense
        layer = models.Dense(TINY["hidden_size"] * len(poolings), n_out, bias=bias,
                             activation_function=getattr(torch.nn, activation)())
        base.randomise(layer, 0.2)
        modules.append(layer)
    if normalises:
        modules.append(models.Normalize())
    prompts = {"query": "query: ", "passage": "passage: "}
    whole = SentenceTransformer(modules=modules, prompts=prompts, default_prompt_name="query",
                                similarity_fn_name="dot").eval()
    whole.save(folder, create_model_card=False)
    root = pathlib.Path(folder)
    if form != "today":
        def flags(doc):
            return {"word_embedding_dimension": TINY["hidden_size"],
                    **{f"pooling_mode_{key}": mode in poolings for mode, key in FLAGS.items()}}

        rewrite(root / "1_Pooling" / "config.json", flags)
    if form == "folders":  # as releases before 2 did
        inner = root / "0_Transformer"
        inner.mkdir()
        keep = {"modules.json", "config_sentence_transformers.json"}
        for each in [f for f in root.iterdir() if f.is_file() and f.name not in keep]:
            shutil.move(each, inner / each.name)

        def old_path(doc):
            doc[0]["path"] = "0_Transformer"

        rewrite(root / "modules.json", old_path)
    cases = cases_of(spec, config, inputs, name)
    answers = []
    with torch.no_grad():
        for feed in feeds_of(cases, inputs):
            features = {n: torch.from_numpy(f) for n, f in feed.items()}
            answers.append([whole(features)["sentence_embedding"].numpy()])
    write(folder, name, arch, "sentence", ["sentence_embedding"], inputs, cases, answers)


# --- All of them --------------------------------------------------------------------------------


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", metavar="OUT_DIR")
    parser.add_argument("--only", default="", metavar="SUBSTRING")
    parser.add_argument("--list", action="store_true")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    kinds = [(MODELS, make_model, 4), (ADAPTERS, make_adapter, None), (SENTENCES, make_sentence, 5)]
    failed = []
    for rows, make, release in kinds:
        for row in rows:
            if chosen.only not in row[0]:
                continue
            if chosen.list or release not in (None, base.MAJOR):
                print(row[0], f"transformers {release}" if release else "")
                continue
            folder = os.path.join(chosen.out, row[0])
            shutil.rmtree(folder, ignore_errors=True)
            os.makedirs(folder)
            try:
                make(row, folder)
            except Exception as error:  # one must not stop the rest
                failed.append(row[0])
                print(f"FAILED {row[0]}: {type(error).__name__}: {error}", flush=True)
                if chosen.only:
                    raise
                continue
            size = sum(f.stat().st_size for f in pathlib.Path(folder).rglob("*") if f.is_file())
            print(f"made   {row[0]}: {size / 1024:.0f} KiB", flush=True)
    print(f"failed: {failed}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Makes small models with real tokenizers, and what the pipelines of transformers answer with them.

    python make_pipeline_goldens.py OUT_DIR [--only SUBSTRING] [--texts FOLDER]

FOLDER has the *.tsv files the tokenizers are trained on (default: ../shared/data beside the
repository). Each model makes a folder OUT_DIR/<name> with model.onnx, config.json, tokenizer.json,
tokenizer_config.json, special_tokens_map.json and cases.json; OUT_DIR/README.md says what is in
cases.json. tests/tools/requirements-pipelines.txt has what this needs: the last transformers with
a question-answering pipeline (5 has none).

Models for token-classification and question-answering are trained for some steps on synthetic
sentences, so that entities of several tokens and answers of several words occur; the others have
wide random weights, so that answers differ by text. A case whose answer would be another one if
the logits were 1e-5 off (a near tie) is left out, and said so. A tokenizer that is in its folder
already is kept, since training gives another each time; all the rest comes out the same again.
"""
import argparse
import contextlib
import glob
import json
import os
import pathlib
import random
import shutil
import sys
import tempfile
import types

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import make_models
import numpy as np
import tokenizers
import torch
import transformers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

NOISE = 1e-5  # of the largest logit: a case whose answer this changes is no case
ROOT = pathlib.Path(__file__).resolve().parents[2]

# --- Texts --------------------------------------------------------------------------------------

MULTILINGUAL = """
Die Straße führt über die Brücke nach Köln, wo schöne Häuser stehen.
Größere Übungen für müde Füße: Ärger, Öl und süße Äpfel.
Angela Merkel besuchte München und Düsseldorf; Jörg Müller blieb in Zürich.
Où est passée la forêt ? L'élève français préfère le café crème à Orléans.
El niño comió piñas en España; José García vive en Málaga.
東京は日本の首都です。 山田さんは大阪に住んでいます。
我爱北京天安门。 李明在上海工作。 今天天气很好。
서울은 대한민국의 수도입니다. 김민수는 부산에 산다.
Москва — столица России. Анна Иванова живёт в Казани.
Η Αθήνα είναι η πρωτεύουσα της Ελλάδας.
😀 great! 🎉🎉 love it ❤️ 👍🏽 so good 🚀 family 👨‍👩‍👧 flag 🇩🇪
The 🚀 launched from Paris 😀 and landed near Berlin 🎉.
Rock 'n' roll isn't dead, it's just $9.99 (or €12.50) at 3:45 p.m. -- e-mail me@example.com!
Where does she live? Who works for Siemens? What is the name of the capital?
This example is about sports. This text is about politics. It is entailment, neutral, contradiction.
""".strip().split("\n")

PEOPLE = """Anna|Maria Schmidt|Jörg Müller|John Smith|Angela Merkel|Wolfgang Amadeus Mozart|José García|Peter|
Li Ming|Ada Lovelace|O'Brien|Jean-Luc Picard|Sofia Kowalski|Barack Obama|Zoë Kravitz""".replace("\n", "").split("|")
PLACES = """Paris|Berlin|New York|München|São Paulo|Zürich|London|Los Angeles|Tokyo|東京|北京|
Rio de Janeiro|Düsseldorf|Frankfurt am Main|Springfield|Málaga""".replace("\n", "").split("|")
COMPANIES = """Siemens|Hugging Face|Google|Deutsche Bank|Acme Corp.|BMW|United Nations|Müller & Söhne|
Microsoft|Electronic Frontier Foundation|AT&T|Volkswagen""".replace("\n", "").split("|")
ENTITIES = {"PER": PEOPLE, "LOC": PLACES, "ORG": COMPANIES}

SENTENCES = """{PER} lives in {LOC}.|{PER} works for {ORG} in {LOC}.|{ORG} is based in {LOC} and {LOC}.|
Yesterday {PER} met {PER} near {LOC}!|the film by {PER} is a lovely story|nothing to see here , move along .|
{PER}, {PER} and {PER} left {ORG}.|😀 {PER} loves {LOC} 🎉|My name is {PER} and I live in {LOC}.|
({ORG}) said: "{PER} isn't here."|in {LOC}, {ORG} opened an office|{LOC}|{PER}|
it 's a charming and often affecting journey .""".replace("\n", "").split("|")


def fill(template, rng):
    """A sentence and its entities [(start, end, type)]."""
    text, spans, rest = "", [], template
    while "{" in rest:
        before, _, rest = rest.partition("{")
        kind, _, rest = rest.partition("}")
        name = rng.choice(ENTITIES[kind])
        text += before
        spans.append((len(text), len(text) + len(name), kind))
        text += name
    return text + rest, spans


def training_lines(folder):
    lines = []
    for file in sorted(glob.glob(os.path.join(folder, "*.tsv"))):
        with open(file, encoding="utf-8") as rows:
            lines += [row.split("\t")[0] for row in rows][1:]
    assert lines, f"{folder}: there are no *.tsv"
    rng = random.Random(1)
    lines += MULTILINGUAL * 4
    lines += [fill(rng.choice(SENTENCES), rng)[0] for _ in range(300)]
    return lines


# --- Tokenizers ---------------------------------------------------------------------------------


def wordpiece(lines, lower, size=600, **more):
    tokenizer = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(lines, trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=special, limit_alphabet=200, show_progress=False))
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS]:0 $A:0 [SEP]:0", "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        [(t, special.index(t)) for t in ("[CLS]", "[SEP]")])
    kind = more.pop("kind", transformers.BertTokenizerFast)
    return kind(tokenizer_object=tokenizer, do_lower_case=lower, **more)


def byte_level(lines, size=600, **more):
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer.train_from_iterator(lines, trainers.BpeTrainer(
        vocab_size=size, special_tokens=special, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    return transformers.RobertaTokenizerFast(tokenizer_object=tokenizer, **more)


def unigram(lines, special, unk, template, kind, split, size=600, **more):
    tokenizer = tokenizers.Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(tokenizers.Regex(" {2,}"), " ")])
    metaspace = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), metaspace]) if split else metaspace
    tokenizer.train_from_iterator(lines, trainers.UnigramTrainer(
        vocab_size=size, special_tokens=special, unk_token=unk, show_progress=False))
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    ends = [template[0].split()[i].partition(":")[0] for i in (0, -1)]
    ids = [(token, special.index(token)) for token in ends]
    tokenizer.post_processor = processors.TemplateProcessing(*template, ids)
    return kind(tokenizer_object=tokenizer, **more)


def tokenizer_for(style, lines, length):
    if style == "bert-uncased":
        return wordpiece(lines, True, model_max_length=length)
    if style == "bert-cased":
        return wordpiece(lines, False, model_max_length=length)
    if style == "distilbert":
        return wordpiece(lines, True, model_max_length=length,
                         kind=transformers.DistilBertTokenizerFast)
    if style == "roberta":
        return byte_level(lines, model_max_length=length)
    if style == "xlm-roberta":
        return unigram(lines, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"], "<unk>",
                       ("<s> $A </s>", "<s> $A </s> </s> $B </s>"),
                       transformers.XLMRobertaTokenizerFast, True, model_max_length=length)
    if style == "deberta-v3":
        return unigram(lines, ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"], "[UNK]",
                       ("[CLS]:0 $A:0 [SEP]:0", "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1"),
                       transformers.DebertaV2TokenizerFast, False, model_max_length=length)
    raise ValueError(style)


# --- Models -------------------------------------------------------------------------------------

SIZES = dict(hidden_size=32, num_attention_heads=2, num_hidden_layers=2, intermediate_size=64)
ARCHS = {  # tokenizer: (class prefix, positions it reserves, settings)
    "bert-uncased": ("Bert", 0, SIZES),
    "bert-cased": ("Bert", 0, SIZES),
    "distilbert": ("DistilBert", 0, dict(dim=32, n_heads=2, n_layers=2, hidden_dim=64)),
    "roberta": ("Roberta", 2, dict(SIZES, type_vocab_size=1)),
    "xlm-roberta": ("XLMRoberta", 2, dict(SIZES, type_vocab_size=1)),
    "deberta-v3": ("DebertaV2", 0, dict(
        SIZES, relative_attention=True, max_relative_positions=-1, type_vocab_size=0,
        position_biased_input=False, pos_att_type=["p2c", "c2p"], position_buckets=8,
        share_att_key=True, norm_rel_ebd="layer_norm")),
}
HEADS = {
    "text-classification": "ForSequenceClassification",
    "token-classification": "ForTokenClassification",
    "question-answering": "ForQuestionAnswering",
    "fill-mask": "ForMaskedLM",
    "feature-extraction": "Model",
    "zero-shot-classification": "ForSequenceClassification",
    "text-ranking": "ForSequenceClassification",
    "next-sentence-prediction": "ForNextSentencePrediction",
}


def model_for(style, head, tokenizer, length, std, labels=None, **settings):
    prefix, spare, sizes = ARCHS[style]
    settings.update(sizes, vocab_size=len(tokenizer), max_position_embeddings=length + spare,
                    pad_token_id=tokenizer.pad_token_id)
    dropouts = ("dropout", "attention_dropout", "seq_classif_dropout", "qa_dropout") \
        if prefix == "DistilBert" else ("hidden_dropout_prob", "attention_probs_dropout_prob")
    settings.update({name: 0.0 for name in dropouts})
    if labels:
        settings.update(id2label=dict(enumerate(labels)),
                        label2id={label: i for i, label in enumerate(labels)})
    if tokenizer.bos_token_id is not None and prefix.endswith("Roberta"):
        settings.update(bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id)
    config = getattr(transformers, prefix + "Config")(**settings)
    config._attn_implementation = "eager"
    model_class = getattr(transformers, prefix + head)
    config.architectures = [model_class.__name__]
    model = model_class(config).eval()
    make_models.randomise(model, std)
    if hasattr(model, "tie_weights"):
        model.tie_weights()
    return model


def train(model, examples, steps, rate=4e-3, size=24):
    """examples: list of dicts of id lists, labels included; padded here."""
    torch.manual_seed(0)
    rng = random.Random(0)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate)
    padding = dict(input_ids=model.config.pad_token_id, attention_mask=0, token_type_ids=0, labels=-100)
    loss = None
    model.train()
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1, (steps - step) / (steps / 2))
        batch = rng.sample(examples, size)
        width = max(len(e["input_ids"]) for e in batch)
        feed = {k: torch.tensor([e[k] + [padding[k]] * (width - len(e[k])) if isinstance(e[k], list)
                                 else e[k] for e in batch]) for k in batch[0]}
        loss = model(**feed).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    model.eval()
    return float(loss)


TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"]


def train_tagger(model, tokenizer, steps):
    rng = random.Random(2)
    examples = []
    for _ in range(600):
        text, spans = fill(rng.choice(SENTENCES), rng)
        if rng.random() < 0.3:  # names of random letters: it must learn to guess from the context
            text = "".join(rng.choice("abcdeilmnorst") if c.islower() and rng.random() < 0.3 else c
                           for c in text)
        encoding = tokenizer(text, return_offsets_mapping=True)
        labels = []
        for start, end in encoding.pop("offset_mapping"):
            found = [s for s in spans if start < end and s[0] <= start < s[1]]
            inside = found and labels and labels[-1] in (TAGS.index("B-" + found[0][2]),
                                                         TAGS.index("I-" + found[0][2])) \
                and start > found[0][0]
            labels.append(TAGS.index(("I-" if inside else "B-") + found[0][2]) if found else 0)
        examples.append(dict(encoding, labels=labels))
    return train(model, examples, steps)


def synthetic_question(rng):
    """question, context, (start, end) of the answer or None."""
    facts, asked = [], None
    for _ in range(rng.randint(1, 4)):
        kind = rng.choice(["LOC", "ORG"])
        person, thing = rng.choice(PEOPLE), rng.choice(ENTITIES[kind])
        facts.append((f"{person} {'lives in' if kind == 'LOC' else 'works for'} ", thing, person, kind))
    asked = rng.randrange(len(facts))
    possible = rng.random() > 0.2
    text, answer = rng.choice(["", "😀 ", "it was a nice day . ", "東京 "]), None
    for i, (before, thing, person, kind) in enumerate(facts):
        text += before
        if i == asked:
            answer = (len(text), len(text) + len(thing))
        text += thing + ". "
    _, _, person, kind = facts[asked]
    question = f"Where does {person} live?" if kind == "LOC" else f"Who does {person} work for?"
    if not possible:
        question, answer = rng.choice(["What time is it?", "How much is the fish?"]), None
    return question, text.strip(), answer


def train_reader(model, tokenizer, steps):
    rng = random.Random(3)
    examples = []
    while len(examples) < 600:
        question, context, answer = synthetic_question(rng)
        encoding = tokenizer(question, context, return_offsets_mapping=True)
        offsets, sequence = encoding.pop("offset_mapping"), encoding.sequence_ids()
        start = end = 0
        if answer:
            inside = [i for i, (o, s) in enumerate(zip(offsets, sequence))
                      if s == 1 and o[0] < answer[1] and o[1] > answer[0]]
            start, end = inside[0], inside[-1]
        if len(offsets) <= tokenizer.model_max_length:
            examples.append(dict(encoding, start_positions=start, end_positions=end))
    return train(model, examples, steps)


# --- Cases --------------------------------------------------------------------------------------


def utf16(text, place):
    return len(text[:place].encode("utf-16-le")) // 2


def plain(value):
    """Numbers of numpy as those of Python, rounded to nine digits."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return float(f"{float(value):.9g}")
    if isinstance(value, np.integer):
        return int(value)
    return value


def shape_of(value):
    """A result without its numbers that are not whole."""
    if isinstance(value, dict):
        return {k: shape_of(v) for k, v in value.items()}
    if isinstance(value, list):
        return [shape_of(v) for v in value]
    return "number" if isinstance(value, (float, np.floating)) else value


class Subject:
    """A model with its tokenizer while cases are made of it."""

    def __init__(self, task, model, tokenizer):
        self.task, self.model, self.tokenizer = task, model, tokenizer
        self.groups, self.left_out = {}, []
        self.pipe = None
        if task in ("text-classification", "token-classification", "question-answering", "fill-mask",
                    "zero-shot-classification"):
            self.pipe = transformers.pipeline(task, model=model, tokenizer=tokenizer, device="cpu")

    @contextlib.contextmanager
    def noise(self, seed):
        real = self.model.forward
        generator = torch.Generator().manual_seed(seed)

        def forward(_, *args, **kwargs):
            output = real(*args, **kwargs)
            for name, value in output.items():
                if torch.is_tensor(value) and value.is_floating_point():
                    output[name] = value + NOISE * value.abs().max() * (
                        2 * torch.rand(value.shape, generator=generator) - 1)
            return output

        self.model.forward = types.MethodType(forward, self.model)
        try:
            yield
        finally:
            self.model.forward = real

    def case(self, group, inputs, options, answer, task=None, **more):
        """answer: a function that asks Python and gives the result in the shape of JavaScript."""
        with torch.no_grad():
            result = answer()
            for seed in (1, 2, 3):
                with self.noise(seed):
                    if shape_of(answer()) != shape_of(result):
                        self.left_out.append((group, inputs, options))
                        return
        calls = self.groups.setdefault(group, {"task": task or self.task, "calls": []})["calls"]
        calls.append(plain({"inputs": inputs, "options": options, "result": result, **more}))


TEXTS = [
    "What a wonderful film, I loved it!",
    "one long string of cliches .",
    "it 's played in the most straight-faced fashion , with little humor to lighten things up .",
    "",
    " ",
    "ok",
    "Die Straße führt über die Brücke nach Köln, wo schöne Häuser stehen.",
    "😀🎉 great! 👨‍👩‍👧 ❤️",
    "東京は日本の首都です。我爱北京天安门。",
    "Rock 'n' roll isn't dead, it's just $9.99 (or €12.50) at 3:45 p.m. -- e-mail me@example.com!",
    "huge storage space - even at 320kbs , you can store a ton of songs on this thing .",
    "Ünïcödé   spaces\tand\nlines\u00a0here\u200b.",
    "a [MASK] in the text and <mask> as well",
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
]
PAIRS = [
    ("A man is eating food.", "A man is eating a piece of bread."),
    ("", "nothing before"),
    ("😀 lovely", "東京は日本の首都です。"),
    ("Where does she live?", "She lives in Köln, near the river; her brother works in Zürich."),
]
EMPTY_PAIR = {"text": "The film was long.", "text_pair": ""}  # one text, as Python reads it
LONG = " ".join(TEXTS[:3] + TEXTS[6:11]) + " "


def text_classification(subject, long_text, groups=("usual",)):
    def ask(texts, top_k, function=None):
        def one(text):
            text = dict(text=text["text"], text_pair=text["text_pair"]) if isinstance(text, dict) else text
            more = {"function_to_apply": function} if function else {}
            found = subject.pipe(text, top_k=top_k, truncation=True, **more)
            return found

        if not isinstance(texts, list):
            return one(texts)
        found = [one(text) for text in texts]
        return [row[0] for row in found] if top_k == 1 else found

    pairs = [{"text": a, "text_pair": b} for a, b in PAIRS]
    for text in TEXTS + pairs:
        subject.case("single", [text], {}, lambda: ask(text, 1))
        subject.case("all labels", [text], {"top_k": None}, lambda: ask(text, None))
    subject.case("empty text_pair", [EMPTY_PAIR], {"top_k": None}, lambda: ask(EMPTY_PAIR, None))
    subject.case("top_k", [TEXTS[0]], {"top_k": 2}, lambda: ask(TEXTS[0], 2))
    subject.case("top_k", [TEXTS[1]], {"top_k": 1}, lambda: ask(TEXTS[1], 1))
    subject.case("top_k", [TEXTS[1]], {"top_k": 99}, lambda: ask(TEXTS[1], 99))
    for size in (1, 4, len(TEXTS)):
        subject.case("batches", [TEXTS[:size]], {}, lambda: ask(TEXTS[:size], 1))
        subject.case("batches", [TEXTS[:size]], {"top_k": 2}, lambda: ask(TEXTS[:size], 2))
        subject.case("batches", [TEXTS[:size]], {"top_k": None}, lambda: ask(TEXTS[:size], None))
    mixed = [TEXTS[0], pairs[0], TEXTS[7], pairs[3]]
    subject.case("batches", [mixed], {"top_k": None}, lambda: ask(mixed, None))
    subject.case("batches", [[]], {}, lambda: [])
    for function in ("none", "softmax", "sigmoid"):
        for text in (TEXTS[0], TEXTS[8], pairs[0]):
            subject.case("function_to_apply", [text], {"top_k": None, "function_to_apply": function},
                         lambda: ask(text, None, function))
    subject.case("truncated", [long_text], {"top_k": None}, lambda: ask(long_text, None), truncated=True)
    both = {"text": long_text, "text_pair": long_text[::-1]}
    subject.case("truncated", [both], {"top_k": None}, lambda: ask(both, None), truncated=True)


ENTITY_TEXTS = [
    "Maria Schmidt lives in New York.",
    "My name is Wolfgang and I live in Berlin",
    "Jörg Müller works for Deutsche Bank in Frankfurt am Main.",
    "😀 Anna loves São Paulo 🎉 and 👨‍👩‍👧 Peter loves 東京",
    "東京は Li Ming と Ada Lovelace の Google です。",
    "Yesterday Barack Obama met Angela Merkel near Düsseldorf!",
    "nothing to see here , move along .",
    "",
    " ",
    "Paris",
    "(AT&T) said: \"O'Brien isn't here.\"",
    "Jean-Luc Picard, Zoë Kravitz and Sofia Kowalski left Müller & Söhne.",
    "Wolfgangsson Petersenberg works for Siemensonia in Springfieldville",  # unknown words
    "MARIA LIVES IN LONDON",
    "  two  spaces  Peter   Paris  ",
    "Zoe\u0308 Kravitz lives in Mu\u0308nchen and Ma\u0301laga",  # combining marks
    "☃ Anna ☃☃ London \U0001d4d0\U0001d4d1 Berlin",  # unknown characters
    "Anna,Peter;Berlin/Paris-London",
]


def token_classification(subject, rng):
    def ask(texts, offsets_of=None, **options):
        def one(text):
            found = [dict(e) for e in subject.pipe(text, **options)]
            for entity in found:
                entity["start"], entity["end"] = (utf16(text, entity[k]) for k in ("start", "end"))
                for key in ("entity", "entity_group"):
                    if key in entity:
                        entity[key] = str(entity[key])
            return found

        return [one(t) for t in texts] if isinstance(texts, list) else one(texts)

    random_texts = [fill(rng.choice(SENTENCES), rng)[0] for _ in range(6)]
    for strategy in ("none", "simple", "first", "average", "max"):
        options = {"aggregation_strategy": strategy}
        for text in ENTITY_TEXTS + random_texts:
            subject.case(strategy, [text], options, lambda: ask(text, **options))
        batch = [ENTITY_TEXTS[i] for i in (0, 6, 3, 7)]
        subject.case("batches", [batch], options, lambda: ask(batch, **options))
        for ignored in ([], ["O", "B-PER", "PER"], ["LOC", "I-LOC"]):
            more = dict(options, ignore_labels=ignored)
            for i in (0, 3):
                subject.case("ignore_labels", [ENTITY_TEXTS[i]], more,
                             lambda: ask(ENTITY_TEXTS[i], **more))
    subject.case("default", [ENTITY_TEXTS[0]], {}, lambda: ask(ENTITY_TEXTS[0]))
    long_text = " ".join(ENTITY_TEXTS[:6] + random_texts)
    for strategy in ("none", "simple", "average"):
        options = {"aggregation_strategy": strategy}
        subject.case("truncated", [long_text], options, lambda: ask(long_text, **options), truncated=True)
    for stride in (0, 8, 20):
        for strategy in ("simple", "first", "average", "max"):
            options = {"aggregation_strategy": strategy, "stride": stride}
            for text in (long_text, ENTITY_TEXTS[0]) if stride == 8 else (long_text,):
                subject.case("stride", [text], options, lambda: ask(text, **options))


def question_answering(subject, rng):
    def ask(questions, contexts, **options):
        def one(question, context):
            found = subject.pipe(question=question, context=context, **options)
            found = [dict(a) for a in (found if isinstance(found, list) else [found])]
            for answer in found:
                answer["start"], answer["end"] = (utf16(context, answer[k]) for k in ("start", "end"))
            # spans of no probability come in no order
            found = [a for a in found if a["score"] > 0 or options.get("handle_impossible_answer")]
            return found if options.get("top_k", 1) > 1 else found[0]

        return one(questions, contexts)

    def case(group, question, context, options):
        subject.case(group, [question, context], options, lambda: ask(question, context, **options))

    asked = [synthetic_question(rng)[:2] for _ in range(14)]
    asked += [
        ("Where does Anna live?", "😀🎉 Anna lives in São Paulo. 👨‍👩‍👧 Peter works for BMW."),
        ("Where does Li Ming live?", "東京 Li Ming lives in 北京. 山田さんは大阪に住んでいます。"),
        ("Who does O'Brien work for?", "O'Brien works for AT&T (New York); Anna works for Müller & Söhne."),
        ("Where?", "Berlin"),
        ("?", "Anna lives in Paris."),
        ("Where does Maria Schmidt live?", "Maria Schmidt lives in Frankfurt-am-Main/Germany, she says."),
    ]
    for question, context in asked:
        case("default", question, context, {})
        case("top_k", question, context, {"top_k": 3})
        case("align_to_words", question, context, {"align_to_words": False, "top_k": 2})
        case("impossible", question, context, {"handle_impossible_answer": True, "top_k": 2})
        case("impossible", question, context, {"handle_impossible_answer": True})
        case("max_answer_len", question, context, {"max_answer_len": 1})
        case("max_answer_len", question, context, {"max_answer_len": 3, "top_k": 2})
    facts = [synthetic_question(rng)[1] for _ in range(9)]
    long_context = " ".join(facts)
    for question in ("Where does Anna live?", "Who does Jean-Luc Picard work for?", "How much is the fish?"):
        case("windows", question, long_context, {})
        for options in ({"max_seq_len": 40, "doc_stride": 10}, {"max_seq_len": 64, "doc_stride": 32},
                        {"max_seq_len": 48}, {"max_seq_len": 50, "doc_stride": 0}):
            case("windows", question, long_context, options)
            case("windows", question, long_context, dict(options, top_k=4))
            case("windows", question, long_context, dict(options, top_k=2, handle_impossible_answer=True))
            case("windows", question, long_context, dict(options, top_k=2, align_to_words=False))


def fill_mask(subject):
    mask = subject.tokenizer.mask_token
    texts = [
        f"What a {mask} film!", f"{mask} is the capital of Germany.", f"the film is {mask}", mask,
        f"😀 I {mask} it 🎉", f"Die Straße führt über die {mask} nach Köln.", f"東京は{mask}です。",
        f"no space{mask}here , it is n't", f"it 's a {mask} -- isn't it ?",
    ]
    several = [f"The {mask} is {mask}.", f"{mask} {mask} {mask}", f"a{mask}b, {mask}"]

    def ask(texts, **options):
        def one(text):
            found = subject.pipe(text, **options)
            return found

        return [one(t) for t in texts] if isinstance(texts, list) else one(texts)

    for text in texts:
        for options in ({}, {"top_k": 1}, {"top_k": 8}):
            subject.case("one mask", [text], options, lambda: ask(text, **options))
    for text in several:
        for options in ({}, {"top_k": 2}):
            subject.case("several masks", [text], options, lambda: ask(text, **options))
    space = "Ġ" if subject.tokenizer.mask_token == "<mask>" else ""
    known = [space + word for word in ("film", "good", "story")]
    for targets in (known, known[:1], known[1], ["good", "bad"], [known[0], "wonderfulness"],
                    [" lovely", "movie", "movie"]):
        for options in ({"targets": targets}, {"targets": targets, "top_k": 2}):
            subject.case("targets", [texts[0]], options, lambda: ask(texts[0], **options))
            subject.case("targets", [several[0]], options, lambda: ask(several[0], **options))
    subject.case("batches", [texts[:4]], {"top_k": 2}, lambda: ask(texts[:4], top_k=2))
    batch = [texts[0], several[0]]
    subject.case("batches", [batch], {"top_k": 2}, lambda: ask(batch, top_k=2))


def encode(subject, *texts, **options):
    return subject.tokenizer(*texts, truncation=True, return_tensors="pt", **options)


def tensor(array):
    array = np.asarray(array)
    data = [float(f"{x:.7g}") for x in array.flatten()]
    return {"type": "float32", "dims": list(array.shape), "data": data}


def feature_extraction(subject):
    def ask(texts, pooling, normalise):
        rows = []
        for text in texts if isinstance(texts, list) else [texts]:
            feed = encode(subject, text)
            hidden = subject.model(**feed).last_hidden_state
            mask = feed["attention_mask"].unsqueeze(-1).float()
            pooled = {
                "none": lambda: hidden[0],
                "mean": lambda: ((hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9))[0],
                "cls": lambda: hidden[0, 0],
                "last_token": lambda: hidden[0, -1],
            }[pooling]()
            rows.append(torch.nn.functional.normalize(pooled, p=2, dim=-1) if normalise else pooled)
        return tensor(torch.stack(rows).numpy())

    for text in (TEXTS[0], TEXTS[3], TEXTS[7], TEXTS[8]):
        subject.case("raw", [text], {}, lambda: ask(text, "none", False))
    subject.case("raw", [TEXTS[0]], {"pooling": "none", "normalize": True},
                 lambda: ask(TEXTS[0], "none", True))
    for pooling in ("mean", "cls", "last_token"):
        for normalise in (False, True):
            options = {"pooling": pooling, "normalize": normalise}
            subject.case(pooling, [TEXTS[2]], options, lambda: ask(TEXTS[2], pooling, normalise))
            subject.case(pooling, [TEXTS], options, lambda: ask(TEXTS, pooling, normalise))
    long_text = LONG * 2
    subject.case("truncated", [long_text], {"pooling": "mean"}, lambda: ask(long_text, "mean", False),
                 truncated=True)


def zero_shot(subject):
    labels = ["sports", "politics", "science fiction", "Köln"]

    def ask(texts, labels, **options):
        return subject.pipe(texts, candidate_labels=labels, **options)

    # an empty text is none for Python
    texts = [t for t in TEXTS if t.strip()]
    for text in texts:
        for options in ({}, {"multi_label": True}, {"hypothesis_template": "This text is about {}!"},
                        {"hypothesis_template": "{} 😀", "multi_label": True}):
            subject.case("one text", [text, labels], options, lambda: ask(text, labels, **options))
    subject.case("one label", [texts[0], ["sports"]], {}, lambda: ask(texts[0], ["sports"]))
    subject.case("one label", [texts[0], ["sports"]], {"multi_label": True},
                 lambda: ask(texts[0], ["sports"], multi_label=True))
    subject.case("labels in a string", [texts[0], "sports, politics,  Köln ,"], {},
                 lambda: ask(texts[0], "sports, politics,  Köln ,"))
    for options in ({}, {"multi_label": True}):
        subject.case("batches", [texts[:5], labels], options, lambda: ask(texts[:5], labels, **options))
        subject.case("batches", [texts[:1], labels], options, lambda: ask(texts[:1], labels, **options))
        subject.case("truncated", [LONG * 2, labels], options,
                     lambda: dict(ask(LONG * 2, labels, **options), sequence=LONG * 2), truncated=True)


QUERIES = {
    "How many people live in Berlin?": [
        "Berlin has a population of 3,520,031 registered inhabitants.",
        "New York City is famous for its museums.", "  spaces around  ", "東京は日本の首都です。", "😀", "",
        "Die Straße führt über die Brücke nach Köln."],
    "lovely film": TEXTS[:3] + TEXTS[9:12],
    "": ["an empty query", "another"],
    "😀 🎉": ["😀", "🎉 party", "none"],
    "long": [LONG * 2, "short", "x " + LONG * 2],
}


def text_ranking(subject):
    def ask(query, documents, top_k=None, return_documents=False):
        scores = [float(torch.sigmoid(subject.model(**subject.tokenizer(
            [query.strip()], [d.strip()], truncation="longest_first", return_tensors="pt")).logits[0, 0]))
            for d in documents]
        order = sorted(range(len(documents)), key=lambda i: -scores[i])[:top_k]
        return [{"corpus_id": i, "score": scores[i], **({"text": documents[i]} if return_documents else {})}
                for i in order]

    for query, documents in QUERIES.items():
        for options in ({}, {"top_k": 1}, {"top_k": 2, "return_documents": True}):
            subject.case("truncated" if query == "long" else "rank", [query, documents], options,
                         lambda: ask(query, documents, **options))
    # the same model through the pipeline of classification: one label, no problem_type
    classifier = Subject("text-classification", subject.model, subject.tokenizer)
    for a, b in PAIRS:
        pair = {"text": a, "text_pair": b}
        for options in ({}, {"top_k": None, "function_to_apply": "none"}):
            subject.case("one label", [pair], options, lambda: classifier.pipe(
                pair, **{"top_k": 1, **options}), task="text-classification")


def next_sentence(subject):
    """Probability that text_pair follows text: class 0 of the head."""
    def ask(pairs):
        return [float(subject.model(**encode(subject, p["text"], p["text_pair"])).logits[0].softmax(-1)[0])
                for p in pairs]

    pairs = [{"text": a, "text_pair": b} for a, b in PAIRS]
    pairs += [{"text": a, "text_pair": b} for a, b in zip(TEXTS, TEXTS[1:]) if b]
    for pair in pairs:
        subject.case("one pair", [pair], {}, lambda: ask([pair])[0])
    subject.case("empty text_pair", [EMPTY_PAIR], {}, lambda: ask([EMPTY_PAIR])[0])
    subject.case("batches", [pairs], {}, lambda: ask(pairs))
    both = {"text": LONG * 2, "text_pair": LONG[::-1] * 2}
    subject.case("truncated", [both], {}, lambda: ask([both])[0], truncated=True)


# --- All of them --------------------------------------------------------------------------------

SENTIMENT = ["negative", "neutral", "positive"]
NLI = ["contradiction", "neutral", "entailment"]
WIDE = 0.2
SPECS = {  # name: (task, tokenizer, positions, settings)
    "text-classification-bert": ("text-classification", "bert-uncased", 512, dict(labels=SENTIMENT)),
    "text-classification-roberta": ("text-classification", "roberta", 128, dict(labels=SENTIMENT)),
    "text-classification-multi-label": ("text-classification", "distilbert", 128, dict(
        labels=["toxic", "insult", "threat", "obscene"], problem_type="multi_label_classification")),
    "text-classification-regression": ("text-classification", "bert-cased", 128, dict(
        labels=["LABEL_0"], problem_type="regression")),
    "token-classification-bert": ("token-classification", "bert-uncased", 64, dict(labels=TAGS)),
    "token-classification-roberta": ("token-classification", "roberta", 64, dict(labels=TAGS)),
    "token-classification-xlm-roberta": ("token-classification", "xlm-roberta", 64, dict(labels=TAGS)),
    "question-answering-bert": ("question-answering", "bert-cased", 128, {}),
    "question-answering-roberta": ("question-answering", "roberta", 128, {}),
    "question-answering-xlm-roberta": ("question-answering", "xlm-roberta", 128, {}),
    "fill-mask-bert": ("fill-mask", "bert-uncased", 64, {}),
    "fill-mask-roberta": ("fill-mask", "roberta", 64, {}),
    "fill-mask-distilbert": ("fill-mask", "distilbert", 64, {}),
    "feature-extraction-bert": ("feature-extraction", "bert-uncased", 128, {}),
    "feature-extraction-xlm-roberta": ("feature-extraction", "xlm-roberta", 128, {}),
    "zero-shot-bert": ("zero-shot-classification", "bert-uncased", 128, dict(labels=NLI)),
    "zero-shot-deberta-v3": ("zero-shot-classification", "deberta-v3", 128, dict(
        labels=[label.upper() for label in reversed(NLI)])),
    "text-ranking-bert": ("text-ranking", "bert-uncased", 128, dict(labels=["LABEL_0"])),
    "next-sentence-bert": ("next-sentence-prediction", "bert-uncased", 128, {}),
}


def cases(subject, length):
    rng = random.Random(4)
    {
        "text-classification": lambda: text_classification(subject, LONG * (length // 64)),
        "token-classification": lambda: token_classification(subject, rng),
        "question-answering": lambda: question_answering(subject, rng),
        "fill-mask": lambda: fill_mask(subject),
        "feature-extraction": lambda: feature_extraction(subject),
        "zero-shot-classification": lambda: zero_shot(subject),
        "text-ranking": lambda: text_ranking(subject),
        "next-sentence-prediction": lambda: next_sentence(subject),
    }[subject.task]()


def export(model, tokenizer, path):
    feed = tokenizer("one two three", "four", return_tensors="pt")
    inputs = [n for n in tokenizer.model_input_names if n in feed]
    if "token_type_ids" in inputs and not getattr(model.config, "type_vocab_size", 0) > 1:
        inputs.remove("token_type_ids")
    inputs = sorted(inputs, key=["input_ids", "attention_mask", "token_type_ids"].index)
    named = model(**{n: feed[n] for n in inputs})
    outputs = [n for n in ("start_logits", "end_logits", "logits", "last_hidden_state") if n in named]
    width = make_models.EXPORT_LENGTH
    tensors = {n: torch.ones(2, width, dtype=torch.int64) for n in inputs}
    tensors["input_ids"] = torch.randint(5, 100, (2, width), generator=torch.Generator().manual_seed(0))
    shapes = [tuple(named[n].shape[:1]) + tuple(width if i == 1 and d == feed["input_ids"].shape[1] else d
              for i, d in enumerate(named[n].shape) if i) for n in outputs]
    # folding would write the matrix that embedding and head of a masked model share twice
    how = make_models.Export(fold=not type(model).__name__.endswith("ForMaskedLM"))
    model = make_models.expose(model, inputs, outputs)
    make_models.export_torch(model, tensors, outputs, shapes, how, str(path))
    return inputs, outputs


def check(path, tokenizer, model, inputs, outputs, before):
    """The graph gives what the model gave."""
    import onnxruntime
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for text, wanted in before:
        feed = tokenizer(text, truncation=True, return_tensors="np")
        found = session.run(outputs, {n: feed[n].astype(np.int64) for n in inputs})
        for name, array in zip(outputs, found):
            error = np.abs(array - wanted[name].numpy()).max()
            assert error < 1e-4, f"{path}: {name} of {text!r} is {error} off"


def save(folder, name, subject):
    with open(folder / "cases.json", "w", encoding="utf-8") as file:
        file.write('{\n"made_with": %s,\n"cases": {\n' % json.dumps(
            {p: m.__version__ for p, m in (("transformers", transformers), ("tokenizers", tokenizers),
                                           ("torch", torch))}))
        groups = []
        for group, content in subject.groups.items():
            lines = ",\n".join(json.dumps(c, ensure_ascii=False) for c in content["calls"])
            groups.append('%s: {"task": "%s", "calls": [\n%s\n]}' % (
                json.dumps(group), content["task"], lines))
        file.write(",\n".join(groups) + "\n}}\n")


def save_tokenizer(tokenizer, folder):
    with tempfile.TemporaryDirectory() as files:
        tokenizer.save_pretrained(files)
        for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
            shutil.copy(os.path.join(files, file), folder / file)
    compact = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    (folder / "tokenizer.json").write_text(
        json.dumps(compact, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


def make(name, folder, lines):
    task, style, length, settings = SPECS[name]
    torch.manual_seed(0)
    if not (folder / "tokenizer.json").exists():
        save_tokenizer(tokenizer_for(style, lines, length), folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    trained = task in ("token-classification", "question-answering")
    model = model_for(style, HEADS[task], tokenizer, length, 0.1 if trained else WIDE, **settings)
    loss = None
    if task == "token-classification":
        loss = train_tagger(model, tokenizer, 220)
    if task == "question-answering":
        loss = train_reader(model, tokenizer, 400)
    model.config.save_pretrained(folder)
    subject = Subject(task, model, tokenizer)
    cases(subject, length)
    with torch.no_grad():
        before = [(t, {k: v.clone() for k, v in model(**encode(subject, t)).items() if torch.is_tensor(v)})
                  for t in (TEXTS[0], TEXTS[8])]
    inputs, outputs = export(model, tokenizer, folder / "model.onnx")
    check(folder / "model.onnx", tokenizer, model, inputs, outputs, before)
    save(folder, name, subject)
    size = sum(f.stat().st_size for f in folder.iterdir())
    counts = {g: len(c["calls"]) for g, c in subject.groups.items()}
    print(f"{name}: {size // 1024} KiB, {sum(counts.values())} calls {counts}, "
          f"{len(subject.left_out)} left out as near ties"
          + (f", loss {loss:.3f}" if loss is not None else ""), flush=True)
    for case in subject.left_out:
        print("    left out:", str(case)[:160])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", metavar="OUT_DIR", type=pathlib.Path)
    parser.add_argument("--only", default="", metavar="SUBSTRING", help="of the names to make")
    parser.add_argument("--texts", default=str(ROOT.parent / "shared" / "data"), metavar="FOLDER")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    lines = training_lines(chosen.texts)
    for name in SPECS:
        if chosen.only in name:
            folder = chosen.out / name
            folder.mkdir(parents=True, exist_ok=True)
            make(name, folder, lines)


if __name__ == "__main__":
    sys.exit(main())

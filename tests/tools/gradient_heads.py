"""Folders of make_gradients.py whose head is no classifier, or whose loss is no cross-entropy of
classes. What is there of these in train.json beside what all have:

    task             "lm": labels are words of tokens; lm_tokens: "all", or "labelled": logits are
                     those of labelled tokens alone
                     "pretraining": the same, and pair_labels are classes of the sequences; both
                     losses are added
                     "spans": labels are [start, end] of each sequence
                     "multi-label": labels are 0 or 1 for each class; class_weights: of those of 1
                     "regression": labels are numbers
                     "cosine-pairs": pairs of sequences, labels are the cosines they should have
                     "in-batch-negatives": anchors, candidates: sequences; scale
                     "distillation": teacher: logits; temperature, hard_share
    logits           of these tasks without padding: [tokens or sequences, columns]; for
                     embeddings of sentences these

Sentence encoders have the modules of sentence-transformers; the gradients of their dense layer are
called sentence.weight and sentence.bias.
"""
import json

import safetensors.torch
import torch
import torch.nn.functional as F
import transformers

import make_gradients as base

LABELLED = dict(lm_tokens="labelled")
ALL = dict(lm_tokens="all")
TYPELESS = dict(max_position_embeddings=14, type_vocab_size=1, pad_token_id=1)

# name: class, config, task, what describes it
MODELS = {
    "bert-mlm": ("BertForMaskedLM", dict(max_position_embeddings=12), "lm", LABELLED),
    "albert-mlm-untied": ("AlbertForMaskedLM",
                          dict(embedding_size=7, max_position_embeddings=12,
                               tie_word_embeddings=False), "lm", ALL),
    "electra-mlm": ("ElectraForMaskedLM", dict(embedding_size=7, max_position_embeddings=12),
                    "lm", LABELLED),
    "roberta-mlm": ("RobertaForMaskedLM", TYPELESS, "lm", ALL),
    "bert-pretraining": ("BertForPreTraining", dict(max_position_embeddings=12), "pretraining",
                         LABELLED),
    "bert-spans": ("BertForQuestionAnswering", dict(max_position_embeddings=12, num_labels=2),
                   "spans", {}),
    "bert-multilabel": ("BertForSequenceClassification", dict(max_position_embeddings=12),
                        "multi-label", dict(loss_options=dict(class_weights=[0.5, 3.0, 1.0]))),
    "distilbert-regression": ("DistilBertForSequenceClassification",
                              dict(dim=12, n_heads=2, n_layers=2, hidden_dim=15, dropout=0.0,
                                   attention_dropout=0.0, seq_classif_dropout=0.0, num_labels=1,
                                   max_position_embeddings=12), "regression", {}),
    "roberta-distillation": ("RobertaForSequenceClassification", TYPELESS, "distillation",
                             dict(temperature=3.0, hard_share=0.25)),
    "bert-cosine": ("BertModel", dict(max_position_embeddings=12), "cosine-pairs",
                    dict(pairs=[[0, 1], [0, 2], [3, 1], [2, 3], [0, 1]])),
    "mpnet-ranking": ("MPNetModel", dict(max_position_embeddings=14, pad_token_id=1),
                      "in-batch-negatives",
                      dict(anchors=[0, 2], candidates=[1, 3, 0], scale=20.0)),
}


class SentenceEncoder(torch.nn.Module):
    """Mean, and where `columns` is not 0 a dense layer under tanh and length 1."""

    def __init__(self, encoder, columns):
        super().__init__()
        self.encoder = encoder
        if columns:
            self.sentence = torch.nn.Linear(encoder.config.hidden_size, columns)

    def named_parameters(self, *arguments, **options):
        for name, value in super().named_parameters(*arguments, **options):
            yield name.removeprefix("encoder."), value

    def forward(self, attention_mask, **batch):
        states = self.encoder(attention_mask=attention_mask, **batch).last_hidden_state
        mask = attention_mask[:, :, None].to(states.dtype)
        mean = (states * mask).sum(1) / mask.sum(1)
        return F.normalize(torch.tanh(self.sentence(mean))) if hasattr(self, "sentence") else mean

    def save_pretrained(self, folder):
        self.encoder.save_pretrained(folder)
        hidden = self.encoder.config.hidden_size
        modules = ["Transformer", "Pooling"]
        files = {"1_Pooling/config.json": dict(word_embedding_dimension=hidden,
                                               pooling_mode_mean_tokens=True)}
        if hasattr(self, "sentence"):
            modules += ["Dense", "Normalize"]
            files["2_Dense/config.json"] = dict(
                in_features=hidden, out_features=self.sentence.out_features, bias=True,
                activation_function="torch.nn.modules.activation.Tanh")
            (folder / "2_Dense").mkdir(exist_ok=True)
            safetensors.torch.save_file(
                {"linear." + key: value for key, value in self.sentence.state_dict().items()},
                folder / "2_Dense" / "model.safetensors")
        files["modules.json"] = [
            dict(idx=i, name=str(i), path=f"{i}_{kind}" if i else "",
                 type=f"sentence_transformers.models.{kind}") for i, kind in enumerate(modules)]
        for path, content in files.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(json.dumps(content))


def losses_of(task, model, batch, labels, more, seed):
    """loss_of() of learn(), and what train.json has of it."""
    generator = torch.Generator().manual_seed(seed + 100)
    mask, n = batch["attention_mask"].bool(), len(base.LENGTHS)
    draw = lambda *shape: torch.rand(*shape, generator=generator, dtype=torch.float64)

    if task in ("lm", "pretraining"):
        chosen = (draw(mask.shape) < 0.4) & mask
        labels = torch.where(chosen, torch.randint(3, model.config.vocab_size, mask.shape,
                                                   generator=generator), -100)
        pair_labels = torch.tensor([0, 1, 1, 0])

        def loss_of():
            outputs = model(**batch)
            logits = outputs.logits if task == "lm" else outputs.prediction_logits
            loss = F.cross_entropy(logits[mask], labels[mask])
            if task == "pretraining":
                loss = loss + F.cross_entropy(outputs.seq_relationship_logits, pair_labels)
            return loss, logits[chosen if more["lm_tokens"] == "labelled" else mask]
        pairs = dict(pair_labels=pair_labels.tolist()) if task == "pretraining" else {}
        return loss_of, dict(labels=labels.tolist(), **pairs)

    if task == "spans":
        spans = [[2, 5], [1, -100], [8, 8], [-100, 2]]

        def loss_of():
            outputs = model(**batch)
            both = [outputs.start_logits, outputs.end_logits]
            losses = [[F.cross_entropy(logits[row, :base.LENGTHS[row]], torch.tensor(span[side]))
                       for row, span in enumerate(spans) if span[side] >= 0]
                      for side, logits in enumerate(both)]
            return sum(torch.stack(side).mean() for side in losses) / 2, torch.stack(both, -1)[mask]
        return loss_of, dict(labels=spans)

    if task == "multi-label":
        targets = (draw(n, model.config.num_labels) < 0.4).double()
        targets[1, 0] = -100
        counts = targets != -100
        weights = torch.tensor(more["loss_options"]["class_weights"]).double()

        def loss_of():
            logits = model(**batch).logits
            every = F.binary_cross_entropy_with_logits(logits, targets.clamp(min=0),
                                                       pos_weight=weights, reduction="none")
            return every[counts].mean(), logits
        return loss_of, dict(labels=targets.tolist())

    if task == "regression":
        targets = (4 * draw(n, 1) - 2).float()

        def loss_of():
            logits = model(**batch).logits
            return F.mse_loss(logits, targets.double()), logits
        return loss_of, dict(labels=targets.tolist())

    if task == "distillation":
        temperature, hard = more["temperature"], more["hard_share"]
        teacher = (6 * draw(n, model.config.num_labels) - 3).float()

        def loss_of():
            logits = model(**batch).logits
            soft = F.kl_div(F.log_softmax(logits / temperature, -1),
                            F.log_softmax(teacher.double() / temperature, -1), log_target=True,
                            reduction="batchmean")
            return ((1 - hard) * temperature ** 2 * soft
                    + hard * F.cross_entropy(logits, labels)), logits
        return loss_of, dict(labels=labels.tolist(), teacher=teacher.tolist())

    if task == "cosine-pairs":
        targets = torch.tensor([1.0, 0.0, 0.25, 1.0, 0.5]).double()
        first, second = torch.tensor(more["pairs"]).T

        def loss_of():
            rows = model(**batch)
            return F.mse_loss(torch.cosine_similarity(rows[first], rows[second]), targets), rows
        return loss_of, dict(labels=targets.tolist())

    def loss_of():
        rows = model(**batch)
        unit = F.normalize(rows)
        scores = unit[more["anchors"]] @ unit[more["candidates"]].T
        return F.cross_entropy(scores * more["scale"], torch.arange(len(scores))), rows
    return loss_of, {}


def make(name, folder):
    kind, config, task, more = MODELS[name]
    seed = 100 + list(MODELS).index(name)
    torch.manual_seed(seed)
    cls = getattr(transformers, kind)
    if kind.endswith("Model"):
        model = SentenceEncoder(cls(cls.config_class(**(base.TINY | config))),
                                5 if task == "in-batch-negatives" else 0)
        model.config = model.encoder.config
    else:
        model = cls(cls.config_class(**(base.TINY | config)))
    base.draw(model, seed)
    model.eval()
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    model.double()
    batch, labels = base.batch_of(model.config, "SequenceClassification", seed)
    loss_of, described = losses_of(task, model, batch, labels, more, seed)
    base.learn(name, folder, model, loss_of, {}, batch=batch, task=task, **described, **more)

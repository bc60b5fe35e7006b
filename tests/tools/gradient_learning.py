"""Models for make_gradients.py that learn in other ways: dropout, adapters of low rank, perturbed
words, learning rates by depth.

train.json has `more` beside the rest, what is done in steps:

    dropout       the seed and the rates, called as in bert_dropout; masks are drawn here by numpy
    lora          rank, alpha, targets as in bert_lora; adapters begin with adapters.safetensors
    epsilon       of the words' perturbation: losses are those before it
    layer_decay   of learning rates by depth
    n_warmup      steps of a linear schedule to 0 after the last one
"""
import json

import numpy
import safetensors.torch
import torch
import transformers

import make_gradients as common

# name: family, head, config, what is done in steps
MODELS = {
    "bert-dropout-seqcls": ("Bert", "SequenceClassification",
                            dict(max_position_embeddings=12, hidden_dropout_prob=0.1,
                                 attention_probs_dropout_prob=0.2, classifier_dropout=0.3),
                            dict(dropout=20261130)),
    "roberta-dropout-seqcls": ("Roberta", "SequenceClassification",
                               dict(max_position_embeddings=14, type_vocab_size=1, pad_token_id=1,
                                    hidden_dropout_prob=0.3, attention_probs_dropout_prob=0.1),
                               dict(dropout=4294967295)),
    "electra-dropout-tokcls": ("Electra", "TokenClassification",
                               dict(embedding_size=10, max_position_embeddings=12,
                                    hidden_dropout_prob=0.2, attention_probs_dropout_prob=0.1,
                                    classifier_dropout=0.5), dict(dropout=7)),
    "bert-lora-seqcls": ("Bert", "SequenceClassification", dict(max_position_embeddings=12),
                         dict(lora=dict(rank=9, alpha=6, targets=63))),
    "albert-lora-seqcls": ("Albert", "SequenceClassification",
                           dict(embedding_size=7, num_hidden_layers=4, num_hidden_groups=2,
                                max_position_embeddings=12, hidden_dropout_prob=0.1,
                                attention_probs_dropout_prob=0.1),
                           dict(lora=dict(rank=2, alpha=2, targets=5), dropout=1)),
    # The adapters' matrices make tables of distances, too.
    "deberta-v3-lora-seqcls": ("DebertaV2", "SequenceClassification",
                               dict(relative_attention=True, pos_att_type=["p2c", "c2p"],
                                    max_position_embeddings=14, max_relative_positions=8,
                                    position_buckets=4, position_biased_input=False,
                                    type_vocab_size=0, share_att_key=True,
                                    norm_rel_ebd="layer_norm"),
                               dict(lora=dict(rank=3, alpha=5, targets=63))),
    "bert-adversary-seqcls": ("Bert", "SequenceClassification", dict(max_position_embeddings=12),
                              dict(epsilon=0.5, layer_decay=0.8, n_warmup=4)),
}
OPTIMIZER = dict(name="AdamW", lr=1e-3, betas=[0.9, 0.999], eps=1e-8, weight_decay=0.01,
                 on="all parameters")

# --------------------------------------------------------------------------------------- dropout

SITES = ["embeddings", "attention", "attention_output", "output", "pooler", "classifier"]


def philox(counters, key):
    """Philox4x32-10 of counters [4, n]: [4, n]. Salmon et al. 2011, section 3.3."""
    c = [numpy.asarray(row, numpy.uint64) for row in counters]
    k = [int(word) for word in key]
    for _ in range(10):
        first, second = c[0] * numpy.uint64(0xD2511F53), c[2] * numpy.uint64(0xCD9E8D57)
        half, low = numpy.uint64(32), numpy.uint64(0xFFFFFFFF)
        c = [(second >> half) ^ c[1] ^ numpy.uint64(k[0]), second & low,
             (first >> half) ^ c[3] ^ numpy.uint64(k[1]), first & low]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return numpy.stack(c)


def words_of(rows, n_columns, site, step, seed):
    """The random words of core/train/random.h: [rows, n_columns]."""
    n_lots = -(-n_columns // 16)
    lots, r = numpy.meshgrid(numpy.arange(4 * n_lots), rows)
    counters = [lots.ravel(), r.ravel(), numpy.full(lots.size, site), numpy.full(lots.size, step)]
    words = philox(counters, (seed, 0)).reshape(4, len(rows), n_lots, 4)
    return words.transpose(1, 2, 0, 3).reshape(len(rows), -1)[:, :n_columns]


class Dropout:
    """Stands for torch.nn.functional.dropout in a model whose dropouts come in a known order."""

    def __init__(self, family, head, config, mask, seed):
        layer = {"Distilbert": ["attention", "output"],
                 "Albert": ["attention", "attention_output"]}.get(
                     family, ["attention", "attention_output", "output"])
        sites = [("embeddings", 0)]
        sites += [(site, i) for i in range(config.num_hidden_layers) for site in layer]
        if family in ("Roberta", "Electra", "MPNet") and head == "SequenceClassification":
            sites += [("pooler", 0)]
        self.sites, self.seed = sites + [("classifier", 0)], seed
        self.n_heads = config.num_attention_heads
        # The place of every token in the batch without padding.
        self.tokens = (mask.flatten().cumsum(0) - 1).clamp(min=0).reshape(mask.shape)
        self.rates, self.n_calls, self.step = {}, 0, 0

    def __call__(self, x, p=0.5, training=True, inplace=False):
        assert training and not inplace
        site, layer = self.sites[self.n_calls % len(self.sites)]
        self.n_calls += 1
        p = float(numpy.float32(p))
        self.rates[site] = p
        if x.dim() == 4:
            heads = torch.arange(self.n_heads)[None, :, None]
            rows = self.tokens[:, None, :] * self.n_heads + heads
        else:
            rows = self.tokens if x.dim() == 3 else torch.arange(len(x))
        words = words_of(rows.flatten().numpy(), x.shape[-1],
                         layer * len(SITES) + SITES.index(site), self.step, self.seed)
        kept = torch.from_numpy(words >= int(p * 2**32)).reshape(x.shape)
        return x * kept / (1 - p)


# ------------------------------------------------------------------------------------------ LoRA

# What is adapted, in the order of bert_lora_target: ends of names in BERT, ALBERT and DeBERTa.
TARGETS = [("attention.self.query", "attention.query", "self.query_proj"),
           ("attention.self.key", "attention.key", "self.key_proj"),
           ("attention.self.value", "attention.value", "self.value_proj"),
           ("attention.output.dense", "attention.dense"), ("intermediate.dense", ".ffn"),
           (".output.dense", ".ffn_output")]


class Adapted(torch.nn.Module):
    """A linear layer and its adapter: Hu et al. 2021, equation 3."""

    def __init__(self, base, rank, alpha, generator):
        super().__init__()
        draw = lambda *shape: torch.nn.Parameter(0.3 * torch.randn(shape, generator=generator))
        self.base, self.scale = base, alpha / rank
        self.lora_A = draw(rank, base.in_features)
        self.lora_B = draw(base.out_features, rank)

    def forward(self, x):
        return self.base(x) + self.scale * (x @ self.lora_A.T) @ self.lora_B.T


def adapt(model, rank, alpha, targets, seed):
    """Freezes all but heads and puts adapters beside the targets. Returns what they begin with."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = "pooler" in name or "classifier" in name
    for name, module in sorted(model.named_modules()):
        ends = [i for i, ends in enumerate(TARGETS) if name.endswith(ends)]
        if not isinstance(module, torch.nn.Linear) or not ends or not targets >> ends[0] & 1:
            continue
        assert ends[0] != 5 or "attention" not in name
        parent = model.get_submodule(name.rpartition(".")[0])
        setattr(parent, name.rpartition(".")[2], Adapted(module, rank, alpha, generator))
    return {name: value.detach().clone() for name, value in model.named_parameters()
            if "lora_" in name}



# ----------------------------------------------------------------------------------------- steps

def depth_of(name, n_layers):
    """Of a BERT's parameter: 0 of heads, n_layers + 1 of embeddings."""
    if ".layer." in name:
        return n_layers - int(name.split(".layer.")[1].split(".")[0])
    return n_layers + 1 if "embeddings" in name else 0


def groups_of(model, layer_decay):
    """Each parameter that is trained, with its learning rate."""
    depth = lambda name: depth_of(name, model.config.num_hidden_layers)
    return [dict(params=[p], lr=OPTIMIZER["lr"] * layer_decay**depth(name))
            for name, p in model.named_parameters() if p.requires_grad]


def perturb(words, epsilon):
    """Moves the table of words along its gradient. Returns what it was."""
    before = words.detach().clone()
    with torch.no_grad():
        words.add_(epsilon * words.grad / words.grad.norm())
    return before


class Case:
    """A model, its batch, and what it does in steps."""

    def __init__(self, name, folder):
        family, head, more_config, self.more = MODELS[name]
        seed = sorted(MODELS).index(name) + 101
        torch.manual_seed(seed)
        self.config = getattr(transformers, family + "Config")(**(common.TINY | more_config))
        self.model = getattr(transformers, f"{family}For{head}")(self.config)
        common.draw(self.model, seed)
        folder.mkdir(parents=True, exist_ok=True)
        self.model.save_pretrained(folder)
        if "lora" in self.more:
            adapters = adapt(self.model, **self.more["lora"], seed=seed)
            safetensors.torch.save_file(adapters, folder / "adapters.safetensors")
        self.model.double().train()
        self.batch, self.labels = common.batch_of(self.config, head, seed)
        self.dropout = Dropout(family, head, self.config, self.batch["attention_mask"],
                               self.more.get("dropout", 0))
        self.adamw = torch.optim.AdamW(groups_of(self.model, self.more.get("layer_decay", 1)),
                                       betas=OPTIMIZER["betas"], eps=OPTIMIZER["eps"],
                                       weight_decay=OPTIMIZER["weight_decay"], foreach=False)

    def loss(self):
        logits = self.model(**self.batch).logits
        rows = logits.reshape(-1, self.config.num_labels)
        return torch.nn.functional.cross_entropy(rows, self.labels.reshape(-1)), logits

    def gradients(self):
        """The loss before words are perturbed, the logits, and the gradients of both."""
        self.adamw.zero_grad()
        loss, logits = self.loss()
        loss.backward()
        if "epsilon" in self.more:
            words = self.model.get_input_embeddings().weight
            before = perturb(words, self.more["epsilon"])
            self.loss()[0].backward()
            with torch.no_grad():
                words.copy_(before)
        return loss.item(), logits.detach(), {
            name: p.grad.float().contiguous() for name, p in self.model.named_parameters()
            if p.grad is not None}

    def learn(self):
        """Of N_STEPS steps the losses; of the first the logits and gradients."""
        n_steps = common.N_STEPS + 1
        schedule = (transformers.get_linear_schedule_with_warmup(
            self.adamw, self.more["n_warmup"], n_steps) if "n_warmup" in self.more
                    else transformers.get_constant_schedule(self.adamw))
        found = []
        for self.dropout.step in range(n_steps):
            found.append(self.gradients())
            self.adamw.step()
            schedule.step()
        assert self.dropout.n_calls % len(self.dropout.sites) == 0
        return [loss for loss, _, _ in found], *found[0][1:]


def make(name, folder):
    case = Case(name, folder)
    of_torch = torch.nn.functional.dropout
    if "dropout" in case.more:
        torch.nn.functional.dropout = case.dropout
    losses, logits, gradients = case.learn()
    torch.nn.functional.dropout = of_torch
    more = case.more
    if "dropout" in more:
        more = more | dict(dropout=dict(seed=more["dropout"], **case.dropout.rates))
    safetensors.torch.save_file(gradients, folder / "gradients.safetensors")
    (folder / "train.json").write_text(json.dumps(dict(
        name=name, reference=dict(torch=torch.__version__, transformers=transformers.__version__),
        batch={key: value.tolist() for key, value in case.batch.items()},
        labels=case.labels.tolist(), loss_options={}, optimizer=OPTIMIZER, more=more,
        logits=dict(shape=list(logits.shape), data=common.numbers(logits.flatten().tolist())),
        losses=common.numbers(losses)), separators=(",", ":")))
    print(f"{name}: loss {losses[0]:.4f} to {losses[-1]:.4f}")

"""Makes tiny models with labels, and what torch learns from them: gradients, losses of 20 steps.

    python make_gradients.py OUT_DIR [--only SUBSTRING] [--list]

Each makes a folder OUT_DIR/<name>, as tests/c/test_gradients.c reads them:

    config.json, model.safetensors    the model before the first step
    gradients.safetensors             of the first loss, one tensor a parameter, by its name
    train.json                        batch (padded), labels (-100: not counted), logits, losses
                                      (before the first step and after each), and what steps were:
        loss_options                  class_weights, label_smoothing; none: neither
        optimizer                     AdamW's numbers; max_norm: gradients are clipped first; on:
                                      "all parameters", or "matrices": norms and biases do not decay

All is computed in double and written in float32: rounding is the reader's alone. There is no
dropout. Heads that are no classifiers, and other losses, are in gradient_heads.py, which says what
their train.json has beside this; dropout, and other ways to learn, in gradient_learning.py. Weights are drawn wide, and biases and norms are not left at 0 and 1, so that a dropped
bias or a swapped axis shows. The environment is "today" of requirements.txt. The folders
bert-seqcls and distilbert-tokcls of tests/golden/gradients are of the same format; weights there
are as transformers draws them.
"""
import argparse
import json
import os
import pathlib

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import safetensors.torch
import torch
import transformers

import gradient_heads
import gradient_learning

TINY = dict(vocab_size=28, hidden_size=12, num_attention_heads=2, num_hidden_layers=2,
            intermediate_size=15, attn_implementation="eager", hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0, classifier_dropout_prob=0.0, num_labels=3)
LENGTHS = [12, 7, 9, 3]
N_STEPS = 20

V2 = dict(relative_attention=True, pos_att_type=["p2c", "c2p"], max_position_embeddings=14,
          max_relative_positions=8, position_buckets=4, position_biased_input=False,
          type_vocab_size=0)

# name: family, head, config, options of the loss, options of the optimizer
MODELS = {
    "roberta-seqcls": ("Roberta", "SequenceClassification",
                       dict(max_position_embeddings=14, type_vocab_size=1, pad_token_id=1),
                       dict(class_weights=[0.5, 1.0, 2.0], label_smoothing=0.1), {}),
    "albert-seqcls": ("Albert", "SequenceClassification",
                      dict(embedding_size=7, num_hidden_layers=4, num_hidden_groups=2,
                           max_position_embeddings=12), {}, {}),
    "electra-tokcls": ("Electra", "TokenClassification",
                       dict(embedding_size=10, max_position_embeddings=12, hidden_act="silu"),
                       dict(class_weights=[1.0, 0.25, 1.5]), dict(max_norm=0.3, on="matrices")),
    "mpnet-seqcls": ("MPNet", "SequenceClassification",
                     dict(max_position_embeddings=14, pad_token_id=1), {}, {}),
    "deberta-v1-seqcls": ("Deberta", "SequenceClassification",
                          dict(relative_attention=True, pos_att_type=["c2p", "p2c"],
                               max_position_embeddings=14, max_relative_positions=-1,
                               position_biased_input=True, type_vocab_size=2), {}, {}),
    # Distances beyond all buckets.
    "deberta-v2-conv-seqcls": ("DebertaV2", "SequenceClassification",
                               V2 | dict(conv_kernel_size=3, conv_act="gelu",
                                         norm_rel_ebd="layer_norm"), {}, {}),
    "deberta-v3-tokcls": ("DebertaV2", "TokenClassification",
                          V2 | dict(share_att_key=True, norm_rel_ebd="layer_norm"),
                          {}, dict(max_norm=0.3, on="matrices")),
    # Distances beyond the furthest, heads of five columns.
    "deberta-v2-c2p-seqcls": ("DebertaV2", "SequenceClassification",
                              V2 | dict(pos_att_type=["c2p"], position_buckets=-1, hidden_size=15,
                                        num_attention_heads=3, max_relative_positions=6), {}, {}),
    "deberta-v2-p2c-seqcls": ("DebertaV2", "SequenceClassification",
                              V2 | dict(pos_att_type=["p2c"], share_att_key=True), {}, {}),
}


def numbers(values):
    """In nine digits, which restore a float32."""
    return [float("%.9g" % v) for v in values]


def draw(model, seed):
    """Wide weights, one after the other in the order of names."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in sorted(model.named_parameters()):
            noise = torch.randn(value.shape, generator=generator)
            is_norm = "norm" in name.lower() and name.endswith("weight")
            value.copy_((1 + 0.1 * noise if is_norm else 0.2 * noise).to(value.dtype))


def batch_of(config, head, seed):
    """Rows of LENGTHS, padded, with labels of the sequences, or of all tokens but the first."""
    generator = torch.Generator().manual_seed(seed)
    longest, padding = max(LENGTHS), config.pad_token_id
    ids = torch.full((len(LENGTHS), longest), padding)
    types, mask = torch.zeros_like(ids), torch.zeros_like(ids)
    labels = torch.full_like(ids, -100)
    for row, n in enumerate(LENGTHS):
        ids[row, :n] = torch.randint(3, config.vocab_size, (n,), generator=generator)
        mask[row, :n] = 1
        if getattr(config, "type_vocab_size", 1) > 1:
            types[row, n // 2:n] = 1
        labels[row, 1:n] = torch.randint(0, config.num_labels, (n - 1,), generator=generator)
    if head == "SequenceClassification":
        labels = torch.randint(0, config.num_labels, (len(LENGTHS),), generator=generator)
    batch = dict(input_ids=ids, attention_mask=mask)
    if getattr(config, "type_vocab_size", 1) > 1:
        batch["token_type_ids"] = types
    return batch, labels


def groups_of(model, on):
    """Parameters that decay, and those that do not."""
    decays = lambda name: on == "all parameters" or not (
        name.endswith("bias") or "norm" in name.lower() or "relative_attention_bias" in name)
    named = list(model.named_parameters())
    return [dict(params=[p for name, p in named if decays(name)]),
            dict(params=[p for name, p in named if not decays(name)], weight_decay=0.0)]


def make(name, folder):
    if name not in MODELS:
        return gradient_heads.make(name, folder)
    family, head, more, loss_options, more_optimizer = MODELS[name]
    seed = sorted(MODELS).index(name) + 1
    torch.manual_seed(seed)
    config = getattr(transformers, family + "Config")(**(TINY | more))
    model = getattr(transformers, f"{family}For{head}")(config)
    draw(model, seed)
    model.eval()
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    model.double()
    batch, labels = batch_of(config, head, seed)
    weights = loss_options.get("class_weights")
    criterion = torch.nn.CrossEntropyLoss(
        weight=torch.tensor(weights).double() if weights else None,
        label_smoothing=loss_options.get("label_smoothing", 0.0))

    def loss_of():
        logits = model(**batch).logits
        return criterion(logits.reshape(-1, config.num_labels), labels.reshape(-1)), logits

    learn(name, folder, model, loss_of, more_optimizer, batch=batch, labels=labels.tolist(),
          loss_options=loss_options)


def learn(name, folder, model, loss_of, more_optimizer, *, batch, **described):
    """Steps of loss_of(), which also gives the logits that are written; `described` is for
    train.json."""
    optimizer = dict(name="AdamW", lr=1e-3, betas=[0.9, 0.999], eps=1e-8, weight_decay=0.01,
                     on="all parameters") | more_optimizer
    adamw = torch.optim.AdamW(groups_of(model, optimizer["on"]), lr=optimizer["lr"],
                              betas=optimizer["betas"], eps=optimizer["eps"],
                              weight_decay=optimizer["weight_decay"], foreach=False)
    losses = []
    for step in range(N_STEPS + 1):
        loss, logits = loss_of()
        losses.append(loss.item())
        adamw.zero_grad()
        loss.backward()
        if step == 0:
            first = logits.detach()
            gradients = {key: value.grad.float().contiguous()
                         for key, value in model.named_parameters() if value.grad is not None}
        if "max_norm" in optimizer:
            torch.nn.utils.clip_grad_norm_(model.parameters(), optimizer["max_norm"])
        adamw.step()
    safetensors.torch.save_file(gradients, folder / "gradients.safetensors")
    (folder / "train.json").write_text(json.dumps(dict(
        name=name, reference=dict(torch=torch.__version__, transformers=transformers.__version__),
        batch={key: value.tolist() for key, value in batch.items()}, optimizer=optimizer,
        **described, logits=dict(shape=list(first.shape), data=numbers(first.flatten().tolist())),
        losses=numbers(losses)), separators=(",", ":")))
    print(f"{name}: loss {losses[0]:.4f} to {losses[-1]:.4f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    for name in [*MODELS, *gradient_heads.MODELS, *gradient_learning.MODELS]:
        maker = gradient_learning.make if name in gradient_learning.MODELS else make
        if arguments.only in name:
            print(name) if arguments.list else maker(name, arguments.out / name)


if __name__ == "__main__":
    main()

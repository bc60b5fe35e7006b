"""tests/golden/pretraining/NAME.json: what PyTorch learns in 20 steps of pre-training.

    python tests/tools/make_pretraining_goldens.py

The model is that of tests/golden/gradients/NAME; each step has a batch of its own, with masked
words and, of bert-pretraining, pairs. AdamW does not decay norms and biases, gradients are clipped
to a length of 1, and the learning rate rises for four steps, then falls in a line.
"""
import json
import os

import torch
import transformers

GOLDEN = os.path.join(os.path.dirname(__file__), "..", "golden")
N_STEPS, N_WARMUP = 20, 4
LEARNING_RATE, WEIGHT_DECAY, MAX_NORM = 3e-3, 0.01, 1.0
CLASSES = {"bert-mlm": "BertForMaskedLM", "bert-pretraining": "BertForPreTraining"}
MASK = 4


def draw_batch(generator, config, has_pairs):
    """Sequences of 3 to 12 tokens, a quarter of which is masked, but one at least."""
    def whole(low, high, shape=()):
        return torch.randint(low, high, shape, generator=generator)

    batch = []
    for _ in range(4):
        n = int(whole(3, 13))
        ids = whole(5, config.vocab_size, (n,))
        labels = torch.full((n,), -100)
        chosen = torch.randperm(n, generator=generator)[:max(1, n // 4)]
        labels[chosen] = ids[chosen]
        ids[chosen] = MASK
        row = dict(ids=ids.tolist(), labels=labels.tolist(),
                   type_ids=[0] * (n // 2) + [1] * (n - n // 2))
        if has_pairs:
            row["label"] = int(whole(0, 2))
        batch.append(row)
    return batch


def loss_of(model, batch):
    """The mean over all masked words of the batch and, of pairs, that over these added."""
    n = max(len(row["ids"]) for row in batch)

    def padded(key, fill):
        return torch.tensor([row[key] + [fill] * (n - len(row[key])) for row in batch])

    mask = torch.tensor([[1] * len(row["ids"]) + [0] * (n - len(row["ids"])) for row in batch])
    pairs = [row["label"] for row in batch if "label" in row]
    extra = dict(next_sentence_label=torch.tensor(pairs)) if pairs else {}
    return model(input_ids=padded("ids", 0), attention_mask=mask,
                 token_type_ids=padded("type_ids", 0), labels=padded("labels", -100),
                 **extra).loss


def learn(model, batches):
    model.eval()  # no dropout
    named = list(model.named_parameters())
    is_plain = [name.endswith("bias") or "LayerNorm" in name for name, _ in named]
    groups = [
        dict(params=[p for (_, p), plain in zip(named, is_plain) if plain == of], weight_decay=decay)
        for of, decay in ((False, WEIGHT_DECAY), (True, 0.0))
    ]
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, N_WARMUP, len(batches))
    losses = []
    for batch in batches:
        loss = loss_of(model, batch)
        losses.append(loss.item())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_NORM)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return losses


def main():
    for name, kind in CLASSES.items():
        source = os.path.join(GOLDEN, "gradients", name)
        model = getattr(transformers, kind).from_pretrained(source)
        generator = torch.Generator().manual_seed(19)
        batches = [draw_batch(generator, model.config, name == "bert-pretraining")
                   for _ in range(N_STEPS)]
        losses = learn(model, batches)
        print(name, losses[0], losses[-1])
        golden = dict(
            reference=dict(torch=torch.__version__, transformers=transformers.__version__),
            n_warmup=N_WARMUP, learning_rate=LEARNING_RATE, weight_decay=WEIGHT_DECAY,
            max_norm=MAX_NORM, batches=batches, losses=losses)
        folder = os.path.join(GOLDEN, "pretraining")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, name + ".json"), "w", encoding="utf-8") as file:
            json.dump(golden, file)
            file.write("\n")


if __name__ == "__main__":
    main()

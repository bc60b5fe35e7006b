"""What bench/train_sst2.js measures, with PyTorch: one process, one JSON object on standard output.

    python bench/train_sst2.py MODEL TRAIN_TSV DEV_TSV ORDER_JSON --threads N [--sorted]

MODEL: a folder of transformers. ORDER_JSON: indices of the training rows in the order in which they
are learned, 32 a step. --sorted: the same rows, in batches of equal lengths as far as can be, the
batches in a random order. Dropout 0.1, AdamW, a warm-up of a tenth, clipping at 1.
"""
import argparse
import json
import random
import sys
import time

import torch

sys.path.pop(0)  # a file here has the name of a package that transformers imports
import transformers as T

BATCH = 32
parser = argparse.ArgumentParser()
for name in ("model", "train", "dev", "order"):
    parser.add_argument(name)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--rate", type=float, default=5e-5)
parser.add_argument("--sorted", action="store_true")
a = parser.parse_args()

torch.set_num_threads(a.threads)
torch.manual_seed(a.seed)
T.logging.set_verbosity_error()
tokenizer = T.AutoTokenizer.from_pretrained(a.model)
model = T.AutoModelForSequenceClassification.from_pretrained(a.model, num_labels=2)


def rows_of(path, text, label):
    lines = open(path, encoding="utf-8").read().splitlines()
    head = lines[0].split("\t")
    return [(line.split("\t")[head.index(text)], int(line.split("\t")[head.index(label)])) for line in lines[1:]]


def encoded(rows):
    return [(tokenizer(text, truncation=True, max_length=128)["input_ids"], label) for text, label in rows]


def padded(items):
    width = max(len(ids) for ids, _ in items)
    return (torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in items]),
            torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in items]),
            torch.tensor([label for _, label in items]))


rows = encoded(rows_of(a.train, "sentence", "label"))
order = json.load(open(a.order))
if a.sorted:
    order = sorted(order, key=lambda i: len(rows[i][0]))
batches = [order[i:i + BATCH] for i in range(0, len(order), BATCH)]
if a.sorted:
    random.Random(a.seed).shuffle(batches)
decayed = [p for p in model.parameters() if p.dim() > 1]
others = [p for p in model.parameters() if p.dim() <= 1]
adamw = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}], lr=a.rate)
schedule = T.get_linear_schedule_with_warmup(adamw, len(batches) // 10, len(batches))
model.train()
clock, processors, losses, n_tokens, n_padded = [], [], [], 0, 0
for batch in batches:
    began, used = time.perf_counter(), time.process_time()
    ids, mask, labels = padded([rows[i] for i in batch])
    loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    adamw.step()
    schedule.step()
    adamw.zero_grad(set_to_none=True)
    clock.append(1e3 * (time.perf_counter() - began))
    processors.append(1e3 * (time.process_time() - used))
    losses.append(float(loss.detach()))
    n_tokens += int(mask.sum())
    n_padded += mask.numel()
model.eval()
right, dev = 0, encoded(rows_of(a.dev, "sentence", "label"))
with torch.no_grad():
    for i in range(0, len(dev), BATCH):
        ids, mask, labels = padded(dev[i:i + BATCH])
        right += int((model(input_ids=ids, attention_mask=mask).logits.argmax(-1) == labels).sum())
print(json.dumps({"clock": clock, "processors": processors, "losses": losses, "n_tokens": n_tokens, "n_padded": n_padded,
                  "accuracy": right / len(dev)}))
